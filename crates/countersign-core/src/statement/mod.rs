//! Statements: the signed facts that everything is made of. Each is an in-toto Statement v1 whose predicate type is
//! `urn:x-countersign:<kind>:v1`, in one canonical spelling: what does not encode back to the bytes it was parsed from
//! is refused, so that no two readers can see different things in one statement.
//!
//! ```json
//! {"_type":"https://in-toto.io/Statement/v1",
//!  "predicate":{"body":{…},"header":{"by":"ada","checkpoint":{…},"log":"shop/log","nonce":"…"}},
//!  "predicateType":"urn:x-countersign:approval:v1",
//!  "subject":[{"digest":{"sha256":"…"},"name":"change/9f2c…"}]}
//! ```
//!
//! A statement never carries names, mails or free text: those lie beside the ledger in blobs, under a salted digest.

mod absence;
mod bodies;
mod drill;
mod evidence;
mod finding;
mod freeze;
mod glass;
mod governed;
mod keys;
mod label;
mod permit;
mod schedule;
mod subscription;
mod worth;

use std::borrow::Cow;

use countersign_ledger::{Digest, Hash, PublicKey, StreamId, leaf::MAX_LINES};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::{
    absence::{Away, Back, Delegation, DelegationEnd},
    bodies::*,
    drill::Drill,
    evidence::Evidence,
    finding::{APPROVING_WEEKS, Concerned, Finding, FindingAnswer, Matter, Share, Side},
    freeze::{Freeze, FreezeLift},
    glass::BreakGlass,
    keys::{KeyRotation, Recovery},
    label::{LabelAct, Labelling},
    permit::{LocalPermit, PermitRequest},
    schedule::{Schedule, Window},
    subscription::CalendarFetched,
};
pub use crate::kind::Seen;
use crate::{
    ids::{ActorId, ChangeId, FindingId, Nonce, Target},
    refusal::Refusal,
};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement about a change stands in the streams of its targets too, and a leaf in 64 streams at the most.
pub const MAX_TARGETS: usize = 60;
pub const MAX_LIST: usize = 50;
pub const MAX_TEXT_CHARS: usize = 8_000;

/// What every statement carries against replay: which log it is for, who speaks, and the checkpoint that the speaker had
/// last seen, which bounds its time from below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub by: ActorId,
    pub checkpoint: SeenCheckpoint,
    /// Which epoch of the log, after one was begun anew from a restored copy. Absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    pub log: String,
    pub nonce: Nonce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenCheckpoint {
    pub root: Hash,
    pub size: u64,
}

/// One revision of one change. The digest is that of the payload that began the revision, so that whoever signs a
/// statement about it binds everything that the revision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionRef {
    pub digest: Digest,
    /// From 1.
    pub number: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub header: Header,
    pub body: Body,
}

/// Most payloads are shorter.
const USUAL_BYTES: usize = 1_024;

#[derive(Serialize)]
struct Wire<'a> {
    _type: &'static str,
    predicate: &'a RawValue,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<InTotoSubject>,
}

/// What is read before the kind is known; the subject is only compared, since it follows from the rest.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    _type: Cow<'a, str>,
    #[serde(borrow)]
    predicate: &'a RawValue,
    #[serde(borrow, rename = "predicateType")]
    predicate_type: Cow<'a, str>,
}

#[derive(Serialize)]
struct InTotoSubject {
    digest: Sha256,
    name: String,
}

#[derive(Serialize)]
struct Sha256 {
    sha256: String,
}

fn named(name: impl Into<String>, digest: &Digest) -> InTotoSubject {
    InTotoSubject { digest: Sha256 { sha256: digest.hex() }, name: name.into() }
}

impl Statement {
    /// The canonical payload: compact JSON with its keys in order.
    pub fn encode(&self) -> Result<Vec<u8>, Refusal> {
        self.encode_to(Vec::with_capacity(USUAL_BYTES))
    }

    fn encode_to(&self, mut payload: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let unencodable = |e: serde_json::Error| {
            Refusal::malformed("malformed-statement", format!("the statement cannot be written: {e}"))
        };
        let predicate = self.body.write(&self.header).map_err(unencodable)?;
        let wire = Wire {
            _type: STATEMENT_TYPE,
            predicate: &predicate,
            predicate_type: predicate_type(self.body.kind()),
            subject: self.subjects(),
        };
        serde_json::to_writer(&mut payload, &wire).map_err(unencodable)?;
        Ok(payload)
    }

    /// Parses a payload; the inverse of [`Statement::encode`] and strict about it.
    pub fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        let malformed = |message: String| Refusal::malformed("malformed-statement", message);
        let read: Read<'_> = serde_json::from_slice(payload)
            .map_err(|e| malformed(format!("the payload is no in-toto Statement in JSON: {e}")))?;
        if read._type != STATEMENT_TYPE {
            return Err(malformed(format!("`_type` is `{}`, not `{STATEMENT_TYPE}`", read._type)));
        }
        let kind = read
            .predicate_type
            .strip_prefix("urn:x-countersign:")
            .and_then(|rest| rest.strip_suffix(":v1"))
            .ok_or_else(|| unknown_kind(&read.predicate_type))?;
        let (body, header) = Body::read(kind, read.predicate).ok_or_else(|| unknown_kind(kind))??;
        let statement = Self { header, body };
        if statement.encode_to(Vec::with_capacity(payload.len()))? != payload {
            return Err(malformed(format!(
                "the {kind} statement is not in its canonical spelling (key order, white space, duplicate keys, subject)"
            ))
            .hint("sign exactly the bytes that the command line or the API gives you"));
        }
        Ok(statement)
    }

    fn subjects(&self) -> Vec<InTotoSubject> {
        match &self.body {
            Body::Genesis(b) => vec![named(self.header.log.as_str(), &b.files)],
            Body::Publication(b) => vec![named(self.header.log.as_str(), &b.files)],
            Body::KeyRevocation(b) => vec![named(b.key.as_str(), &Digest::of(b.key.as_str()))],
            Body::RevocationConfirmation(b) => vec![named(b.key.as_str(), &b.revocation)],
            Body::KeyRotation(b) => vec![named(b.key.as_str(), &Digest::of(b.new_key.to_string()))],
            Body::Freeze(b) => vec![named(self.header.log.as_str(), &b.reason)],
            Body::FreezeLift(b) => vec![named("freeze", &b.freeze)],
            Body::CalendarFetched(b) => vec![named(b.calendar.as_str(), &b.content)],
            Body::Away(_) | Body::Back(_) => {
                let of = format!("person/{}", self.header.by);
                let digest = Digest::of(&of);
                vec![named(of, &digest)]
            }
            Body::Delegation(b) => {
                let to = format!("person/{}", b.to);
                let digest = Digest::of(&to);
                vec![named(to, &digest)]
            }
            Body::DelegationEnd(b) => vec![named("delegation", &b.delegation)],
            Body::Recovery(b) => {
                let key =
                    |(of, key): (&ActorId, &PublicKey)| named(format!("person/{of}"), &Digest::of(key.to_string()));
                b.keys.iter().map(key).collect()
            }
            Body::GateRegistration(b) => vec![named(b.gate.as_str(), &Digest::of(b.key.to_string()))],
            Body::Proposal(b) => vec![named(b.subject.kind.as_str(), &b.subject.digest)],
            Body::NewRevision(b) => vec![named(b.subject.kind.as_str(), &b.subject.digest)],
            Body::Approval(b) => vec![named(b.reviewed.kind.as_str(), &b.reviewed.digest)],
            Body::Evidence(b) => vec![named(b.subject.kind.as_str(), &b.subject.digest)],
            Body::Epoch(b) => vec![named(self.header.log.as_str(), &b.reason)],
            Body::Drill(b) => vec![named(b.gate.as_str(), &Digest::of(b.nonce.as_str()))],
            Body::Finding(b) => vec![named(b.what.kind(), &b.what.same())],
            Body::FindingAnswer(b) => vec![named(format!("finding/{}", b.finding), &b.what.same())],
            Body::Erasure(b) => {
                let of = match &b.of {
                    Erased::Change(change) => format!("change/{change}"),
                    Erased::Person(person) => format!("person/{person}"),
                };
                let digest = Digest::of(&of);
                vec![named(of, &digest)]
            }
            Body::BreakGlass(_)
            | Body::Rejection(_)
            | Body::RejectionLift(_)
            | Body::RejectionSetAside(_)
            | Body::Withdrawal(_)
            | Body::ApprovalWithdrawal(_)
            | Body::Comment(_)
            | Body::Label(_)
            | Body::Schedule(_)
            | Body::Disclosure(_)
            | Body::Waiver(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::PermitRequest(_)
            | Body::Decided(_)
            | Body::PermitGrant(_)
            | Body::LocalPermit(_)
            | Body::OutcomeReport(_) => self
                .body
                .about()
                .map(|(change, revision)| named(format!("change/{change}"), &revision.digest))
                .into_iter()
                .collect(),
        }
    }

    /// The change that the statement begins or speaks of. `payload` is the digest of its payload.
    pub fn change(&self, payload: &Digest) -> Option<ChangeId> {
        match &self.body {
            Body::Proposal(_) => Some(ChangeId::of_proposal(payload)),
            Body::Erasure(Erasure { of: Erased::Change(change), .. }) => Some(change.clone()),
            body => body.about().map(|(change, _)| change.clone()),
        }
    }

    /// The streams that the statement stands in, its home first, the others in the order of their names. A function of the
    /// statement alone: a log that files it elsewhere is refused, since that would hide it from whoever looks there.
    pub fn streams(&self, payload: &Digest) -> Result<Vec<StreamId>, Refusal> {
        let (home, mut others) = match &self.body {
            // Whatever is frozen, every decision looks here, and every verifier.
            Body::Genesis(_) | Body::Epoch(_) | Body::Freeze(_) | Body::FreezeLift(_) | Body::CalendarFetched(_) => {
                (governance_stream()?, Vec::new())
            }
            Body::Publication(b) => (
                governance_stream()?,
                b.change.as_ref().map(|change| change_stream(&change.id)).transpose()?.into_iter().collect(),
            ),
            Body::KeyRevocation(b) => (b.of.stream()?, vec![person_stream(&self.header.by)?]),
            Body::RevocationConfirmation(b) => {
                (b.of.stream()?, vec![person_stream(&self.header.by)?, person_stream(&b.revoked_by)?])
            }
            // Whose key is whose, everybody has to know who judges anything.
            Body::KeyRotation(b) => (governance_stream()?, vec![person_stream(&b.of)?]),
            Body::Recovery(b) => (governance_stream()?, b.keys.keys().map(person_stream).collect::<Result<_, _>>()?),
            Body::GateRegistration(b) => (gate_stream(b.gate.as_str())?, target_streams(&b.targets)?),
            Body::Drill(b) => (gate_stream(b.gate.as_str())?, target_streams(&b.targets)?),
            Body::Away(_) | Body::Back(_) => (person_stream(&self.header.by)?, Vec::new()),
            Body::Delegation(b) => (person_stream(&self.header.by)?, vec![person_stream(&b.to)?]),
            // Where the delegation stands, whoever of the two ends it.
            Body::DelegationEnd(b) => (person_stream(&b.of)?, vec![person_stream(&b.to)?]),
            Body::Erasure(b) => match &b.of {
                Erased::Change(change) => (change_stream(change)?, Vec::new()),
                Erased::Person(person) => (person_stream(person)?, Vec::new()),
            },
            Body::Finding(b) => (finding_stream(&FindingId::of_finding(payload))?, b.what.streams()?),
            Body::FindingAnswer(b) => (finding_stream(&b.finding)?, b.what.streams()?),
            Body::Rejection(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::RejectionLift(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::RejectionSetAside(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::OutcomeReport(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::BreakGlass(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::Proposal(_) => (change_stream(&ChangeId::of_proposal(payload))?, Vec::new()),
            Body::NewRevision(b) => (change_stream(&b.change)?, target_streams(&b.targets)?),
            Body::Approval(Approval { change, .. })
            | Body::Withdrawal(Withdrawal { change, .. })
            | Body::ApprovalWithdrawal(ApprovalWithdrawal { change, .. })
            | Body::Comment(Comment { change, .. })
            | Body::Label(Labelling { change, .. })
            | Body::Schedule(Schedule { change, .. })
            | Body::Evidence(Evidence { change, .. })
            | Body::Disclosure(Disclosure { change, .. })
            | Body::Waiver(Waiver { change, .. })
            | Body::Identification(Identification { change, .. })
            | Body::GuidanceObservation(GuidanceObservation { change, .. })
            | Body::PermitRequest(PermitRequest { change, .. })
            | Body::Decided(Decided { change, .. })
            | Body::LocalPermit(LocalPermit { change, .. })
            | Body::PermitGrant(PermitGrant { change, .. }) => (change_stream(change)?, Vec::new()),
        };
        others.retain(|stream| *stream != home);
        others.sort();
        others.dedup();
        if others.len() >= MAX_LINES {
            return Err(Refusal::malformed(
                "too-many-streams",
                format!("a statement stands in {MAX_LINES} streams at the most: name fewer targets"),
            ));
        }
        Ok(std::iter::once(home).chain(others).collect())
    }
}

impl Holder {
    /// Where what is said of their key stands.
    pub fn stream(&self) -> Result<StreamId, Refusal> {
        match self {
            Self::Person(person) => person_stream(person),
            Self::Gate(gate) => gate_stream(gate.as_str()),
        }
    }
}

pub fn predicate_type(kind: &str) -> String {
    format!("urn:x-countersign:{kind}:v1")
}

fn unknown_kind(found: &str) -> Refusal {
    let found: String = found.chars().take(80).collect();
    if RESERVED_KINDS.contains(&found.as_str()) {
        return Refusal::newer(format!("a statement of the kind `{found}` is newer than this program"));
    }
    Refusal::malformed("unknown-statement", format!("`{found}` is not a kind of statement"))
        .hint(format!("predicate types are urn:x-countersign:KIND:v1 with KIND one of {}", KINDS.join(", ")))
}

pub fn governance_stream() -> Result<StreamId, Refusal> {
    stream("governance")
}

pub fn change_stream(change: &ChangeId) -> Result<StreamId, Refusal> {
    stream(&format!("change/{change}"))
}

pub fn person_stream(person: &ActorId) -> Result<StreamId, Refusal> {
    stream(&format!("person/{person}"))
}

pub fn finding_stream(finding: &FindingId) -> Result<StreamId, Refusal> {
    stream(&format!("finding/{finding}"))
}

pub fn gate_stream(gate: &str) -> Result<StreamId, Refusal> {
    stream(&format!("gate/{gate}"))
}

pub fn target_stream(target: &Target) -> Result<StreamId, Refusal> {
    stream(&format!("target/{target}"))
}

fn target_streams<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Result<Vec<StreamId>, Refusal> {
    targets.into_iter().map(target_stream).collect()
}

fn stream(name: &str) -> Result<StreamId, Refusal> {
    name.parse().map_err(|e| Refusal::malformed("malformed-stream", format!("{e}")))
}
