//! Statements: the signed facts that everything is made of. Each is an in-toto Statement v1 whose predicate type is
//! `urn:x-countersign:<kind>:v1`, in one canonical spelling: what does not encode back to the bytes it was parsed from
//! is refused, so that no two readers can see different things in one statement.
//!
//! A statement never carries names, mails or free text: those lie beside the ledger in blobs, under a salted digest.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, Hash, PublicKey, StreamHead, StreamId, Time};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    decision::Outcome,
    ids::{ActorId, ChangeId, GateId, Nonce, Oid, RepositoryId, RuleId, Target},
    refusal::Refusal,
    snapshot::{Documents, Kind},
};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

pub const MAX_TARGETS: usize = 50;
/// With their digests named twice, more would not fit into a statement.
pub const MAX_FILES: usize = 100;
pub const MAX_LIST: usize = 50;
pub const MAX_TEXT_CHARS: usize = 8_000;

/// What every statement carries against replay: which log it is for, who speaks, and the checkpoint that the speaker had
/// last seen, which bounds its time from below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub log: String,
    pub by: ActorId,
    pub nonce: Nonce,
    pub checkpoint: SeenCheckpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenCheckpoint {
    pub size: u64,
    pub root: Hash,
}

/// One revision of one change. The digest is that of the payload that began the revision, so that whoever signs a
/// statement about it binds everything that the revision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionRef {
    /// From 1.
    pub number: u32,
    pub digest: Digest,
}

/// Exactly what would be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    Git {
        repository: RepositoryId,
        /// In full: `refs/heads/main`.
        branch: String,
        /// The commit of the branch that the range starts from.
        base: Oid,
        head: Oid,
        delta: Digest,
    },
    Files {
        files: BTreeMap<String, Digest>,
        /// The command that applies them, word by word. `None` where the change names none.
        command: Option<Vec<String>>,
    },
}

impl Subject {
    /// In-toto subjects, with the digest names of the in-toto digest set.
    fn to_in_toto(&self) -> Vec<Value> {
        match self {
            Self::Git { repository, branch, head, .. } => {
                vec![json!({"name": format!("git:{repository}:{branch}"), "digest": {"gitCommit": head}})]
            }
            Self::Files { files, command } => {
                files
                    .iter()
                    .map(|(name, digest)| json!({"name": name, "digest": {"sha256": digest.hex()}}))
                    .chain(command.as_ref().map(
                        |words| json!({"name": "command", "digest": {"sha256": Digest::of(words.join("\0")).hex()}}),
                    ))
                    .collect()
            }
        }
    }

    /// One line for a reader.
    pub fn summary(&self) -> String {
        match self {
            Self::Git { repository, branch, base, head, .. } => {
                let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
                format!("{repository} {branch} {}..{}", base.short(), head.short())
            }
            Self::Files { files, command } => {
                let names: Vec<_> = files.keys().map(String::as_str).collect();
                let command = command.as_ref().map(|c| format!(" by `{}`", quoted(c))).unwrap_or_default();
                format!("{}{command}", names.join(", "))
            }
        }
    }
}

/// A command as a POSIX shell would read it back, word for word: two different commands never look alike.
pub fn quoted(words: &[String]) -> String {
    let plain =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&b));
    let quoted: Vec<String> = words
        .iter()
        .map(|word| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) })
        .collect();
    quoted.join(" ")
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    pub person: ActorId,
    pub key: PublicKey,
}

/// Entry 0: who founded this log, and what it starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    pub founders: Vec<Founder>,
    /// How many founders had to sign.
    pub threshold: u32,
    /// Blob: the catalog's files and settings.
    pub catalog: Digest,
    /// Blob: the rules' files.
    pub rules: Digest,
    /// Signs decisions, permits and observations.
    pub server_key: PublicKey,
    /// Signed-note verifier key of the checkpoints.
    pub log_key: String,
    /// How many of the founders together can begin a new epoch when keys are lost.
    pub recovery_quorum: u32,
}

/// New catalog or rules. Granting authority needs two: the envelope carries the signatures of two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Payload digest of the genesis or amendment that it replaces: compare and swap.
    pub parent: Digest,
    pub catalog: Digest,
    pub rules: Digest,
    pub reason: Digest,
}

/// Takes a key's authority away, at once, on one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevocation {
    pub key: Fingerprint,
    pub reason: Digest,
}

/// Makes an enforcement point known. It grants nothing: a gate can only spend permits that are addressed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRegistration {
    pub gate: GateId,
    pub key: PublicKey,
    pub repository: RepositoryId,
    pub targets: BTreeSet<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    pub kind: Kind,
    pub targets: BTreeSet<Target>,
    pub subject: Subject,
    /// Blob: the facts that were extracted from the subject. `None` for files, whose facts are the subject.
    pub facts: Option<Digest>,
    /// Blob: the names and mails behind the references in the facts, salted. It can be erased.
    pub identities: Option<Digest>,
    /// Blob: title, why, risk, rollback, tests and links, salted.
    pub text: Digest,
    /// What the text says, in characters; kept when the text is erased.
    pub documents: Documents,
    /// The person who answers for an agent's proposal.
    pub sponsor: Option<ActorId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRevision {
    pub change: ChangeId,
    /// The revision that it replaces: compare and swap.
    pub revision: RevisionRef,
    pub subject: Subject,
    pub facts: Option<Digest>,
    pub identities: Option<Digest>,
    pub text: Digest,
    pub documents: Documents,
    pub sponsor: Option<ActorId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
    pub reviewed: Subject,
    /// Whether the approver's own machine computed the digests from the content.
    pub recomputed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub reason: Digest,
}

/// The rejecting person takes the rejection back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionLift {
    pub change: ChangeId,
    pub revision: RevisionRef,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    pub change: ChangeId,
    pub revision: RevisionRef,
}

/// What AI assistance and which guidance the revision was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    pub change: ChangeId,
    pub revision: RevisionRef,
    /// Empty: a signed claim that there was none.
    pub tools: BTreeSet<String>,
    pub guidance: BTreeSet<String>,
    /// People who prompted the tool: contributors.
    pub prompted_by: BTreeSet<ActorId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub rule: RuleId,
    pub reason: Digest,
}

/// Who an identity in the commits is, said by somebody who had no hand in the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identification {
    pub change: ChangeId,
    pub revision: RevisionRef,
    /// Reference of the identity: see [`crate::facts::identity`].
    pub identity: String,
    pub verdict: IdentityVerdict,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IdentityVerdict {
    /// It is this actor, who becomes a contributor.
    Is(ActorId),
    /// A script or a forge, behind which no further person stands.
    Automation,
    /// A co-author trailer names somebody who had no hand in it.
    NotInvolved,
}

/// The guidance that a change cites, as it stands on its protected branch; read by the server, and again by a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceObservation {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub documents: Vec<ObservedDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedDocument {
    pub path: String,
    /// Repository and commit of the protected branch where it was found; `None`: not found.
    pub found: Option<FoundDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundDocument {
    pub repository: RepositoryId,
    pub commit: Oid,
    pub content: Digest,
    pub owner: Option<String>,
    /// `None`: the document does not say when it was reviewed.
    pub review_due: Option<Time>,
}

/// What a permit lets happen, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transition {
    Git { repository: RepositoryId, reference: String, old: Oid, new: Oid },
    Apply { files: BTreeMap<String, Digest>, command: Vec<String> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitRequest {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub gate: GateId,
    /// The gate's key: only its holder can use the permit.
    pub audience: Fingerprint,
    pub transition: Transition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    pub governance: StreamHead,
    pub change: StreamHead,
}

/// That the engine decided, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub outcome: Outcome,
    /// Blob: the full decision.
    pub decision: Digest,
    /// Blob: the snapshot.
    pub snapshot: Digest,
    pub rules: Digest,
    pub engine: String,
    pub decided_at: Time,
    /// The streams' heads that the snapshot was taken from.
    pub heads: Heads,
}

/// A permit's statement. Only [`crate::permit::Permit::issue`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitGrant {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
    pub gate: GateId,
    pub audience: Fingerprint,
    pub transition: Transition,
    /// Blob: the decision that allows it.
    pub decision: Digest,
    pub issued_at: Time,
    pub expires_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    Started,
    Applied,
    Failed,
}

impl std::fmt::Display for OutcomeResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Applied => "applied",
            Self::Failed => "failed",
        })
    }
}

/// What came of a permit, said by the gate after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeReport {
    pub change: ChangeId,
    pub revision: RevisionRef,
    /// Payload digest of the permit.
    pub permit: Digest,
    pub result: OutcomeResult,
    pub exit_status: Option<i32>,
}

/// Declares the kinds of statement: variant, predicate type, and nothing else to edit.
macro_rules! bodies {
    ($($variant:ident($type:ty) = $kind:literal,)*) => {
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Body { $($variant($type),)* }

        impl Body {
            /// The kind, as in the predicate type `urn:x-countersign:<kind>:v1`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            fn to_value(&self) -> Result<Value, serde_json::Error> {
                match self { $(Self::$variant(body) => serde_json::to_value(body),)* }
            }

            fn from_value(kind: &str, value: Value) -> Option<Result<Self, Refusal>> {
                match kind {
                    $($kind => Some(decode::<$type>(kind, value).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }

        /// Every kind of statement, for error messages and docs.
        pub const KINDS: &[&str] = &[$($kind,)*];
    };
}

bodies! {
    Genesis(Genesis) = "genesis",
    Amendment(Amendment) = "amendment",
    KeyRevocation(KeyRevocation) = "key-revocation",
    GateRegistration(GateRegistration) = "gate-registration",
    Proposal(Proposal) = "proposal",
    NewRevision(NewRevision) = "revision",
    Approval(Approval) = "approval",
    Rejection(Rejection) = "rejection",
    RejectionLift(RejectionLift) = "rejection-lift",
    Withdrawal(Withdrawal) = "withdrawal",
    Disclosure(Disclosure) = "disclosure",
    Waiver(Waiver) = "waiver",
    Identification(Identification) = "identification",
    GuidanceObservation(GuidanceObservation) = "guidance-observation",
    PermitRequest(PermitRequest) = "permit-request",
    Decided(Decided) = "decision",
    PermitGrant(PermitGrant) = "permit",
    OutcomeReport(OutcomeReport) = "outcome",
}

fn decode<T: DeserializeOwned>(kind: &str, value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value)
        .map_err(|e| Refusal::malformed("malformed-statement", format!("the {kind} statement is malformed: {e}")))
}

impl Body {
    /// The change and revision that it speaks of; `None` for governance and for the proposal that begins a change.
    pub fn about(&self) -> Option<(&ChangeId, &RevisionRef)> {
        match self {
            Self::Genesis(_)
            | Self::Amendment(_)
            | Self::KeyRevocation(_)
            | Self::GateRegistration(_)
            | Self::Proposal(_) => None,
            Self::NewRevision(b) => Some((&b.change, &b.revision)),
            Self::Approval(b) => Some((&b.change, &b.revision)),
            Self::Rejection(b) => Some((&b.change, &b.revision)),
            Self::RejectionLift(b) => Some((&b.change, &b.revision)),
            Self::Withdrawal(b) => Some((&b.change, &b.revision)),
            Self::Disclosure(b) => Some((&b.change, &b.revision)),
            Self::Waiver(b) => Some((&b.change, &b.revision)),
            Self::Identification(b) => Some((&b.change, &b.revision)),
            Self::GuidanceObservation(b) => Some((&b.change, &b.revision)),
            Self::PermitRequest(b) => Some((&b.change, &b.revision)),
            Self::Decided(b) => Some((&b.change, &b.revision)),
            Self::PermitGrant(b) => Some((&b.change, &b.revision)),
            Self::OutcomeReport(b) => Some((&b.change, &b.revision)),
        }
    }

    /// The blobs that must be there for the statement to be taken.
    pub fn blobs(&self) -> Vec<Digest> {
        match self {
            Self::Genesis(b) => vec![b.catalog, b.rules],
            Self::Amendment(b) => vec![b.catalog, b.rules, b.reason],
            Self::KeyRevocation(b) => vec![b.reason],
            Self::Proposal(b) => b.facts.into_iter().chain(b.identities).chain([b.text]).collect(),
            Self::NewRevision(b) => b.facts.into_iter().chain(b.identities).chain([b.text]).collect(),
            Self::Rejection(b) => vec![b.reason],
            Self::Waiver(b) => vec![b.reason],
            Self::Decided(b) => vec![b.decision, b.snapshot],
            Self::GateRegistration(_)
            | Self::Approval(_)
            | Self::RejectionLift(_)
            | Self::Withdrawal(_)
            | Self::Disclosure(_)
            | Self::Identification(_)
            | Self::GuidanceObservation(_)
            | Self::PermitRequest(_)
            | Self::PermitGrant(_)
            | Self::OutcomeReport(_) => vec![],
        }
    }

    fn subjects(&self, log: &str) -> Vec<Value> {
        match self {
            Self::Genesis(b) => vec![named(log, &b.catalog), named("rules", &b.rules)],
            Self::Amendment(b) => vec![named(log, &b.catalog), named("rules", &b.rules)],
            Self::KeyRevocation(b) => vec![named(b.key.as_str(), &Digest::of(b.key.as_str()))],
            Self::GateRegistration(b) => vec![named(b.gate.as_str(), &Digest::of(b.key.to_string()))],
            Self::Proposal(b) => b.subject.to_in_toto(),
            Self::NewRevision(b) => b.subject.to_in_toto(),
            Self::Approval(b) => b.reviewed.to_in_toto(),
            Self::Rejection(_)
            | Self::RejectionLift(_)
            | Self::Withdrawal(_)
            | Self::Disclosure(_)
            | Self::Waiver(_)
            | Self::Identification(_)
            | Self::GuidanceObservation(_)
            | Self::PermitRequest(_)
            | Self::Decided(_)
            | Self::PermitGrant(_)
            | Self::OutcomeReport(_) => self
                .about()
                .map(|(change, revision)| named(&format!("change/{change}"), &revision.digest))
                .into_iter()
                .collect(),
        }
    }
}

fn named(name: &str, digest: &Digest) -> Value {
    json!({"name": name, "digest": {"sha256": digest.hex()}})
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub header: Header,
    pub body: Body,
}

impl Statement {
    /// The canonical payload: compact JSON with its keys in order.
    pub fn encode(&self) -> Result<Vec<u8>, Refusal> {
        let unencodable = |e: serde_json::Error| {
            Refusal::malformed("malformed-statement", format!("the statement cannot be written: {e}"))
        };
        let mut predicate = match self.body.to_value().map_err(unencodable)? {
            Value::Object(fields) => fields,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        predicate.insert("header".to_owned(), serde_json::to_value(&self.header).map_err(unencodable)?);
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": self.body.subjects(&self.header.log),
            "predicateType": predicate_type(self.body.kind()),
            "predicate": predicate,
        });
        serde_json::to_vec(&sorted(statement)).map_err(unencodable)
    }

    /// Parses a payload; the inverse of [`Statement::encode`] and strict about it.
    pub fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        let malformed = |message: String| Refusal::malformed("malformed-statement", message);
        let value: Value =
            serde_json::from_slice(payload).map_err(|e| malformed(format!("the payload is not JSON: {e}")))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("_type") != STATEMENT_TYPE {
            return Err(malformed(format!("`_type` is `{}`, not `{STATEMENT_TYPE}`", text("_type"))));
        }
        let predicate_type_found = text("predicateType");
        let kind = predicate_type_found
            .strip_prefix("urn:x-countersign:")
            .and_then(|rest| rest.strip_suffix(":v1"))
            .ok_or_else(|| unknown_kind(predicate_type_found))?;
        let Some(Value::Object(mut predicate)) = value.get("predicate").cloned() else {
            return Err(malformed("`predicate` is not an object".to_owned()));
        };
        let header = predicate.remove("header").ok_or_else(|| malformed("the predicate has no `header`".to_owned()))?;
        let header = decode(kind, header)?;
        let body = Body::from_value(kind, Value::Object(predicate)).ok_or_else(|| unknown_kind(kind))??;
        let statement = Self { header, body };
        if statement.encode()? != payload {
            return Err(malformed(format!(
                "the {kind} statement is not in its canonical spelling (key order, white space, duplicate keys, subject)"
            ))
            .hint("sign exactly the bytes that the command line or the API gives you"));
        }
        Ok(statement)
    }

    /// The stream that the statement belongs to; a proposal begins its own.
    pub fn stream(&self, payload_digest: &Digest) -> Result<StreamId, Refusal> {
        match &self.body {
            Body::Genesis(_) | Body::Amendment(_) | Body::KeyRevocation(_) | Body::GateRegistration(_) => {
                stream("governance")
            }
            Body::Proposal(_) => change_stream(&ChangeId::of_proposal(payload_digest)),
            Body::NewRevision(_)
            | Body::Approval(_)
            | Body::Rejection(_)
            | Body::RejectionLift(_)
            | Body::Withdrawal(_)
            | Body::Disclosure(_)
            | Body::Waiver(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::PermitRequest(_)
            | Body::Decided(_)
            | Body::PermitGrant(_)
            | Body::OutcomeReport(_) => match self.body.about() {
                Some((change, _)) => change_stream(change),
                None => stream("governance"),
            },
        }
    }
}

/// Keys in order, whatever order the JSON library keeps them in (a cargo feature anywhere in the build changes that).
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().collect();
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

pub fn predicate_type(kind: &str) -> String {
    format!("urn:x-countersign:{kind}:v1")
}

fn unknown_kind(found: &str) -> Refusal {
    Refusal::malformed("unknown-statement", format!("`{found}` is not a kind of statement"))
        .hint(format!("predicate types are urn:x-countersign:KIND:v1 with KIND one of {}", KINDS.join(", ")))
}

pub fn change_stream(change: &ChangeId) -> Result<StreamId, Refusal> {
    stream(&format!("change/{change}"))
}

pub fn governance_stream() -> Result<StreamId, Refusal> {
    stream("governance")
}

fn stream(name: &str) -> Result<StreamId, Refusal> {
    name.parse().map_err(|e| Refusal::malformed("malformed-stream", format!("{e}")))
}
