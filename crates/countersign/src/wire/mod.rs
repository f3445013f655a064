//! What goes over the wire: the shapes that the API and its clients share. Out of scope: who makes them, and how they
//! travel.

mod change;
mod emergency;
mod error;
mod follow;
mod material;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    decision::Decision,
    escalation::Escalation,
    explain::Explanation,
    ids::{ActorId, ChangeId, FindingId, GateId, Target},
    statement::{Holder, Matter},
    trust::Trust,
};
use countersign_ledger::{Digest, Envelope, Hash};
use serde::{Deserialize, Serialize};

pub use self::{
    change::{
        ApprovalLine, ChangeLine, ChangeView, CommentLine, EvidenceLine, GuidanceLine, IdentityView, LabelLine,
        LentLine, PermitLine, RejectionLine, TakenBackLine, WaiverLine, WindowLine, rfc3339,
    },
    emergency::{AfterReviewLine, AloneLine, AnswerLine, BrokenLine, Emergency, RollbackLine, seen_words},
    error::{DENIED, ErrorBody, ErrorDetail},
    follow::{Entries, EpochHint, MAX_HINT_BYTES, Proof, Standings},
    material::{Material, Wanted},
};

/// `POST /v1/statements`; also how a signed statement is kept in a file, on its way to a second person or to a gate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// The DSSE envelope, as text, verbatim.
    pub envelope: String,
    /// The blobs that the statement names, each in base64.
    #[serde(default)]
    pub blobs: Vec<String>,
}

impl Submit {
    pub fn new(envelope: &Envelope, blobs: &[Vec<u8>]) -> Self {
        Self {
            envelope: String::from_utf8_lossy(envelope.raw()).into_owned(),
            blobs: blobs.iter().map(|blob| STANDARD.encode(blob)).collect(),
        }
    }
}

/// What came of a statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Index of the leaf in the log.
    pub index: u64,
    pub statement: Digest,
    pub change: Option<ChangeId>,
    /// The permit's envelope, where one was asked for and issued.
    pub permit: Option<String>,
    /// How the change stands after the statement, and who could supply what is missing.
    pub decision: Option<Decision>,
    pub explanation: Option<Explanation>,
}

/// `GET /v1/changes`: one page, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangePage {
    pub changes: Vec<ChangeLine>,
    /// What `after` names for the next page; absent at the end.
    pub next: Option<String>,
}

/// `GET /v1/findings`: one page, what is due first before what is due later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingPage {
    pub findings: Vec<FindingLine>,
    /// What `after` names for the next page; absent at the end.
    pub next: Option<String>,
}

/// A finding, in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingLine {
    pub id: FindingId,
    pub kind: String,
    /// `gate/NAME`, `target/SYSTEM/ENVIRONMENT`, `person/NAME`, `rule/ID`.
    pub about: Vec<String>,
    pub said: String,
    /// The gate, or the server.
    pub raised_by: ActorId,
    pub raised_at: String,
    pub due: String,
    /// Who has to answer.
    pub who: BTreeSet<ActorId>,
    /// Blob: what was said besides.
    pub text: Option<Digest>,
    /// Nobody has answered it.
    pub open: bool,
    /// Of one that is overdue: who is asked besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Escalation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<ActorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// As an answer names it.
    pub what: Matter,
}

/// `GET /v1/changes/{id}/familiar`: who had to do with its systems before, and what waits for people.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Familiar {
    pub people: BTreeMap<ActorId, FamiliarLine>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct FamiliarLine {
    /// Changes that they approved and that were let through.
    pub approved: u32,
    /// Changes that they made and that landed.
    pub made: u32,
    /// Of both, those that touched one of the same files.
    pub files: u32,
    /// Other open changes on which they are asked.
    pub open: u32,
}

/// `GET /v1/targets/{system}/{environment}/landed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetLanded {
    pub target: Target,
    /// What landed and was not taken back, the last first.
    pub landed: Vec<LandedLine>,
    /// On one signature each, the last first.
    pub rolled_back: Vec<RolledBackLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LandedLine {
    pub change: ChangeId,
    /// Through which it came, and goes back.
    pub gate: GateId,
    pub at: String,
    /// A command that failed.
    pub failed: bool,
    pub no_way_back: bool,
    pub over_rejection: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RolledBackLine {
    pub by: ActorId,
    pub at: String,
    pub change: ChangeId,
    pub restores: ChangeId,
}

impl FindingLine {
    /// Whether its answer was due before now, in RFC 3339 as well.
    pub fn is_overdue(&self, now: &str) -> bool {
        self.open && self.due.as_str() < now
    }
}

/// `GET /v1/log`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogInfo {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// The signed checkpoint.
    pub checkpoint: String,
    pub genesis: Digest,
    /// What a client may pin when it first sees this log; better, it was given a `trust.json`.
    pub trust: Trust,
    pub governance: GovernanceInfo,
}

/// What is in force, in short; `GET /v1/governance` has all of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct GovernanceInfo {
    /// Genesis or publication in force.
    pub in_force: Digest,
    pub semantics: u32,
    /// Digest of the rules.
    pub rules: Digest,
    /// How many people have a key.
    pub people: u32,
}

/// `GET /v1/revocation`: what was said last of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub of: Holder,
    /// Payload digest of the statement.
    pub revocation: Digest,
    pub revoked_by: ActorId,
    pub at: String,
    /// When it ends, unless it is for good.
    pub until: Option<String>,
}

/// `GET /v1/governance/history`: the genesis and every publication, in their order. Each names the one before it by the digest
/// of its statement, so that whoever pinned the genesis needs to believe nothing of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The statement: the payload of its envelope, as text, verbatim.
    pub statement: String,
    /// The blob with the files that it replaces, as text, verbatim; nothing where it replaces none.
    pub files: String,
}
