//! What statements say, kind by kind.
//!
//! Fields stand in the order of their names: a statement is written as it is declared, and its one spelling has its keys
//! in order. A test encodes every kind and compares.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, PublicKey, StreamHead, StreamId, Time};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Away, Back, BreakGlass, CalendarFetched, Delegation, DelegationEnd, Drill, Evidence, Finding, FindingAnswer,
    Freeze, FreezeLift, Header, KeyRotation, Labelling, LocalPermit, PermitRequest, Recovery, RevisionRef, Schedule,
    SeenCheckpoint, Window,
};
use crate::{
    decision::Outcome,
    ids::{ActorId, ChangeId, GateId, Oid, RepositoryId, RuleId, Target},
    kind::{Documents, Kind, Purpose, Seen},
    refusal::Refusal,
    subject::{SubjectRef, TransitionRef},
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    pub key: PublicKey,
    pub person: ActorId,
}

/// Entry 0: who founded this log, and what it starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Blob: the governance files, path to digest.
    pub files: Digest,
    pub founders: Vec<Founder>,
    /// Signed-note verifier key of the checkpoints.
    pub log_key: String,
    /// How many of the founders together can begin a new epoch when keys are lost.
    pub recovery_quorum: u32,
    /// By which meaning statements are admitted, folded and decided.
    pub semantics: u32,
    /// Signs decisions, permits and observations.
    pub server_key: PublicKey,
    /// How many founders had to sign.
    pub threshold: u32,
}

/// New governance files. Granting authority needs two people: those of the change that it puts in force. Where it only takes names
/// away or raises the semantics it may be of no change, and the envelope carries two signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The change that it puts in force, which those have approved who had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<PublishedChange>,
    /// Blob: the files that it replaces, path to new digest, or to `null` for a file that goes.
    pub files: Digest,
    /// Payload digest of the genesis or publication that it replaces: compare and swap.
    pub parent: Digest,
    /// Of a change: the text of its revision.
    pub reason: Digest,
    /// Raises the semantics from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantics: Option<u32>,
}

/// The change that a publication puts in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedChange {
    pub id: ChangeId,
    pub revision: RevisionRef,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    Gate(GateId),
    /// A person, a workload or an agent.
    Person(ActorId),
}

/// Takes a key's authority away, at once, on one signature: one's own for good, another's for a day, unless somebody else
/// confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevocation {
    pub key: Fingerprint,
    pub of: Holder,
    pub reason: Digest,
}

/// A second person says that a key stays revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfirmation {
    pub key: Fingerprint,
    pub of: Holder,
    /// Payload digest of the revocation.
    pub revocation: Digest,
    /// Who said it: it stands in their stream, too.
    pub revoked_by: ActorId,
}

/// Makes an enforcement point known: it spends permits that are addressed to it, and what it says landed counts as what did. Where it makes
/// a gate watch what it enforced before, it loosens, and the envelope carries the signatures of two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRegistration {
    pub gate: GateId,
    pub key: PublicKey,
    /// Digest of which paths reach which targets, where something is only watched: another map could have what was enforced reach
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Digest>,
    /// Why it loosens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Digest>,
    pub repository: RepositoryId,
    pub targets: BTreeSet<Target>,
    /// By branch, in full, what is only watched there: it passes, and is written down.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watching: BTreeMap<String, BTreeSet<Target>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What the text says, in characters; kept when the text is erased.
    pub documents: Documents,
    /// Blob: the facts that were extracted from the subject. `None` for files, whose facts are the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Digest>,
    /// Blob: the names and mails behind the references in the facts, salted. It can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<Digest>,
    pub kind: Kind,
    /// What it is for, besides what it is.
    #[serde(default, skip_serializing_if = "Purpose::is_none")]
    pub purpose: Purpose,
    /// The person who answers for an agent's proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<ActorId>,
    pub subject: SubjectRef,
    pub targets: BTreeSet<Target>,
    /// Blob: title, why, risk, rollback, tests and links, salted.
    pub text: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRevision {
    pub change: ChangeId,
    pub documents: Documents,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<Digest>,
    /// The revision that it replaces: compare and swap.
    pub revision: RevisionRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<ActorId>,
    pub subject: SubjectRef,
    /// Those of the change where somebody's rejection of it stands: that is of this revision, too, whatever becomes of the change,
    /// and so it stands in their streams. Not spelled elsewhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub targets: BTreeSet<Target>,
    pub text: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub change: ChangeId,
    pub reviewed: SubjectRef,
    pub revision: RevisionRef,
    pub seen: Seen,
    pub targets: BTreeSet<Target>,
    /// When the change lands, as whoever approves saw it. Not spelled where nobody said when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Window>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    pub change: ChangeId,
    pub reason: Digest,
    pub revision: RevisionRef,
    /// Those of the change: a rejection stands in their streams, too.
    pub targets: BTreeSet<Target>,
}

/// The rejecting person takes the rejection back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionLift {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
}

/// Somebody who had no hand in a change and does not approve it sets another's rejection aside, for the content of this
/// revision alone. It takes two of them, one a senior.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionSetAside {
    pub change: ChangeId,
    pub reason: Digest,
    /// Whose rejection.
    pub rejected_by: ActorId,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
}

/// Whoever approved takes their approval back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalWithdrawal {
    pub change: ChangeId,
    pub revision: RevisionRef,
}

/// Something that is said about a change, and that neither grants nor stops anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    pub change: ChangeId,
    /// Of which revision; it need not be the present one.
    pub revision: RevisionRef,
    /// Blob: the words and where in the content they belong, salted.
    pub text: Digest,
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
    pub guidance: BTreeSet<String>,
    /// People who prompted the tool: contributors.
    pub prompted_by: BTreeSet<ActorId>,
    pub revision: RevisionRef,
    /// Empty: a signed claim that there was none.
    pub tools: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub change: ChangeId,
    pub reason: Digest,
    pub revision: RevisionRef,
    pub rule: RuleId,
}

/// Who an identity in the commits is, said by somebody who had no hand in the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identification {
    pub change: ChangeId,
    /// Reference of the identity: see [`crate::facts::identity`].
    pub identity: String,
    pub revision: RevisionRef,
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
    pub documents: Vec<ObservedDocument>,
    pub revision: RevisionRef,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedDocument {
    /// Repository and commit of the protected branch where it was found; `None`: not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundDocument>,
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundDocument {
    pub commit: Oid,
    pub content: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub repository: RepositoryId,
    /// `None`: the document does not say when it was reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_due: Option<Time>,
}

/// That the engine decided, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    pub change: ChangeId,
    pub decided_at: Time,
    /// Blob: the full decision.
    pub decision: Digest,
    /// The heads of all streams that bear on the decision, as they stood.
    pub heads: BTreeMap<StreamId, StreamHead>,
    pub outcome: Outcome,
    /// Whether it goes only because it is a rollback that one person may do alone: the rules by themselves would have stopped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovers: bool,
    /// Payload digest of the permit request that it answers: the last one about the change, which is answered once.
    pub request: Digest,
    pub revision: RevisionRef,
    pub rules: Digest,
    /// By which meaning it was decided.
    pub semantics: u32,
    /// Blob: the snapshot.
    pub snapshot: Digest,
}

/// A permit's statement. Only [`crate::permit::Permit::issue`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitGrant {
    pub audience: Fingerprint,
    pub change: ChangeId,
    /// Blob: the decision that allows it.
    pub decision: Digest,
    pub expires_at: Time,
    pub gate: GateId,
    pub issued_at: Time,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
    pub transition: TransitionRef,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// Payload digest of the permit.
    pub permit: Digest,
    pub result: OutcomeResult,
    pub revision: RevisionRef,
    /// Those of the change: what happened to them stands in their streams, too.
    pub targets: BTreeSet<Target>,
}

/// What is erased: the words and names of a change, or the name and mails of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    Change(ChangeId),
    Person(ActorId),
}

/// The blobs that one erasure may name: more do not fit into a payload.
pub const MAX_ERASED: usize = 256;

/// A tombstone: what these blobs said is to be found in no copy of the log any more. Leaves and facts stay. Two people sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    pub blobs: BTreeSet<Digest>,
    pub of: Erased,
    pub reason: Digest,
}

/// A restored log goes on: what was behind its last leaf is lost, and nothing that granted crosses the cut. The recovery quorum
/// of founders signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The log as it was restored: this statement is its next leaf.
    pub after: SeenCheckpoint,
    pub number: u32,
    pub reason: Digest,
}

/// A predicate: what is said, and by whom.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predicate<B, H> {
    pub body: B,
    pub header: H,
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

            /// The predicate's JSON.
            pub(super) fn write(&self, header: &Header) -> Result<Box<RawValue>, serde_json::Error> {
                match self {
                    $(Self::$variant(body) => serde_json::value::to_raw_value(&Predicate { body, header }),)*
                }
            }

            /// Reads a predicate of this kind; `None` for a kind that this program does not know.
            pub(super) fn read(kind: &str, predicate: &RawValue) -> Option<Result<(Self, Header), Refusal>> {
                match kind {
                    $($kind => Some(
                        decode::<$type>(kind, predicate).map(|(body, header)| (Self::$variant(body), header))
                    ),)*
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
    Publication(Publication) = "publication",
    KeyRevocation(KeyRevocation) = "key-revocation",
    RevocationConfirmation(RevocationConfirmation) = "revocation-confirmation",
    KeyRotation(KeyRotation) = "key-rotation",
    Recovery(Recovery) = "recovery",
    GateRegistration(GateRegistration) = "gate-registration",
    Proposal(Proposal) = "proposal",
    NewRevision(NewRevision) = "revision",
    Approval(Approval) = "approval",
    Rejection(Rejection) = "rejection",
    RejectionLift(RejectionLift) = "rejection-lift",
    RejectionSetAside(RejectionSetAside) = "rejection-set-aside",
    Withdrawal(Withdrawal) = "withdrawal",
    ApprovalWithdrawal(ApprovalWithdrawal) = "approval-withdrawal",
    Comment(Comment) = "comment",
    Label(Labelling) = "label",
    Schedule(Schedule) = "schedule",
    Evidence(Evidence) = "evidence",
    Disclosure(Disclosure) = "disclosure",
    Waiver(Waiver) = "waiver",
    Identification(Identification) = "identification",
    GuidanceObservation(GuidanceObservation) = "guidance-observation",
    PermitRequest(PermitRequest) = "permit-request",
    Decided(Decided) = "decision",
    PermitGrant(PermitGrant) = "permit",
    BreakGlass(BreakGlass) = "break-glass",
    LocalPermit(LocalPermit) = "local-permit",
    OutcomeReport(OutcomeReport) = "outcome",
    Erasure(Erasure) = "erasure",
    Epoch(Epoch) = "epoch",
    Finding(Finding) = "finding",
    FindingAnswer(FindingAnswer) = "finding-answer",
    Freeze(Freeze) = "freeze",
    FreezeLift(FreezeLift) = "freeze-lift",
    CalendarFetched(CalendarFetched) = "calendar-fetched",
    Drill(Drill) = "drill",
    Away(Away) = "away",
    Back(Back) = "back",
    Delegation(Delegation) = "delegation",
    DelegationEnd(DelegationEnd) = "delegation-end",
}

/// Kinds that have a name and no body yet. A log that has one is of a later semantics.
pub const RESERVED_KINDS: &[&str] = &[
    "enrolment",
    "observation",
    "incident",
    "sign-off",
    "meeting",
    "stage",
    "health",
    "gate-contact",
    "gate-mode",
    "adoption",
];

fn decode<T: DeserializeOwned>(kind: &str, predicate: &RawValue) -> Result<(T, Header), Refusal> {
    let predicate: Predicate<T, Header> = serde_json::from_str(predicate.get())
        .map_err(|e| Refusal::malformed("malformed-statement", format!("the {kind} statement is malformed: {e}")))?;
    Ok((predicate.body, predicate.header))
}

impl Body {
    /// The change and revision that it speaks of; `None` for governance and for the proposal that begins a change.
    pub fn about(&self) -> Option<(&ChangeId, &RevisionRef)> {
        match self {
            Self::Genesis(_)
            | Self::KeyRevocation(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::Freeze(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Proposal(_)
            | Self::Erasure(_)
            | Self::Epoch(_)
            | Self::Finding(_)
            | Self::FindingAnswer(_) => None,
            Self::Publication(b) => b.change.as_ref().map(|change| (&change.id, &change.revision)),
            Self::NewRevision(b) => Some((&b.change, &b.revision)),
            Self::Approval(b) => Some((&b.change, &b.revision)),
            Self::Rejection(b) => Some((&b.change, &b.revision)),
            Self::RejectionLift(b) => Some((&b.change, &b.revision)),
            Self::RejectionSetAside(b) => Some((&b.change, &b.revision)),
            Self::Withdrawal(b) => Some((&b.change, &b.revision)),
            Self::ApprovalWithdrawal(b) => Some((&b.change, &b.revision)),
            Self::Comment(b) => Some((&b.change, &b.revision)),
            Self::Label(b) => Some((&b.change, &b.revision)),
            Self::Schedule(b) => Some((&b.change, &b.revision)),
            Self::Evidence(b) => Some((&b.change, &b.revision)),
            Self::Disclosure(b) => Some((&b.change, &b.revision)),
            Self::Waiver(b) => Some((&b.change, &b.revision)),
            Self::Identification(b) => Some((&b.change, &b.revision)),
            Self::GuidanceObservation(b) => Some((&b.change, &b.revision)),
            Self::PermitRequest(b) => Some((&b.change, &b.revision)),
            Self::Decided(b) => Some((&b.change, &b.revision)),
            Self::PermitGrant(b) => Some((&b.change, &b.revision)),
            Self::BreakGlass(b) => Some((&b.change, &b.revision)),
            Self::LocalPermit(b) => Some((&b.change, &b.revision)),
            Self::OutcomeReport(b) => Some((&b.change, &b.revision)),
        }
    }

    /// The blobs that the statement itself names. Governance files are named by the first of a genesis or publication.
    pub fn blobs(&self) -> Vec<Digest> {
        match self {
            Self::Genesis(b) => vec![b.files],
            Self::Publication(b) => vec![b.files, b.reason],
            Self::KeyRevocation(b) => vec![b.reason],
            Self::Freeze(b) => vec![b.reason],
            Self::CalendarFetched(b) => vec![b.content],
            Self::KeyRotation(b) => b.reason.into_iter().collect(),
            Self::Recovery(b) => vec![b.reason],
            Self::Proposal(b) => {
                [Some(b.subject.digest), b.facts, b.identities, Some(b.text)].into_iter().flatten().collect()
            }
            Self::NewRevision(b) => {
                [Some(b.subject.digest), b.facts, b.identities, Some(b.text)].into_iter().flatten().collect()
            }
            Self::Rejection(b) => vec![b.reason],
            Self::RejectionSetAside(b) => vec![b.reason],
            Self::Waiver(b) => vec![b.reason],
            Self::Comment(b) => vec![b.text],
            Self::Evidence(b) => b.document.into_iter().chain(b.text).collect(),
            // Not those that it takes away.
            Self::Erasure(b) => vec![b.reason],
            Self::Epoch(b) => vec![b.reason],
            Self::Finding(b) => b.text.into_iter().collect(),
            Self::FindingAnswer(b) => vec![b.text],
            Self::PermitRequest(b) => vec![b.transition.digest],
            Self::LocalPermit(b) => vec![b.transition.digest],
            Self::BreakGlass(b) => vec![b.reason, b.transition.digest],
            Self::Decided(b) => vec![b.decision, b.snapshot],
            Self::GateRegistration(b) => b.reason.into_iter().collect(),
            Self::RevocationConfirmation(_)
            | Self::FreezeLift(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_)
            | Self::Approval(_)
            | Self::RejectionLift(_)
            | Self::Withdrawal(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Label(_)
            | Self::Schedule(_)
            | Self::Disclosure(_)
            | Self::Identification(_)
            | Self::GuidanceObservation(_)
            | Self::PermitGrant(_)
            | Self::OutcomeReport(_) => vec![],
        }
    }

    /// The blobs without which the statement cannot be folded. A list of governance files names further ones.
    pub fn needed_blobs(&self) -> Vec<Digest> {
        match self {
            Self::Genesis(genesis) => vec![genesis.files],
            Self::Publication(publication) => vec![publication.files],
            Self::Proposal(b) => b.facts.into_iter().chain(b.identities).chain([b.subject.digest]).collect(),
            Self::NewRevision(b) => b.facts.into_iter().chain(b.identities).chain([b.subject.digest]).collect(),
            Self::PermitRequest(request) => vec![request.transition.digest],
            Self::LocalPermit(permit) => vec![permit.transition.digest],
            Self::CalendarFetched(said) => vec![said.content],
            Self::BreakGlass(said) => vec![said.transition.digest],
            Self::KeyRevocation(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::Freeze(_)
            | Self::FreezeLift(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Approval(_)
            | Self::Rejection(_)
            | Self::RejectionLift(_)
            | Self::RejectionSetAside(_)
            | Self::Withdrawal(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Comment(_)
            | Self::Label(_)
            | Self::Schedule(_)
            | Self::Evidence(_)
            | Self::Disclosure(_)
            | Self::Waiver(_)
            | Self::Identification(_)
            | Self::GuidanceObservation(_)
            | Self::Decided(_)
            | Self::PermitGrant(_)
            | Self::OutcomeReport(_)
            | Self::Erasure(_)
            | Self::Epoch(_)
            | Self::Finding(_)
            | Self::FindingAnswer(_) => Vec::new(),
        }
    }
}
