//! How a change is shown: one shape for `show --format json`, the API and the text that people read.

use std::collections::BTreeSet;

use countersign_core::{
    decision::{Decision, Outcome},
    evidence::EvidenceResult,
    explain::Explanation,
    facts::Role,
    ids::{ActorId, ChangeId, EvidenceKind, GateId, Label, RuleId, Target},
    kind::{Kind, Purpose},
    snapshot::Ai,
    statement::{OutcomeResult, Seen},
    subject::{Subject, SubjectRef, Transition},
    text::ProposalText,
};
use countersign_ledger::{Digest, Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

use super::Emergency;

/// A change in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeLine {
    pub id: ChangeId,
    pub title: String,
    pub kind: Kind,
    pub state: String,
    pub targets: BTreeSet<Target>,
    pub proposer: ActorId,
    pub proposed_at: String,
    pub revision: u32,
    /// Of a change of a git range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What it brings, whatever branch or command brings it: the same in two changes of the same content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// When it lands, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowLine>,
    /// When it expires, if that is within a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A change with everything that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeView {
    pub id: ChangeId,
    pub title: String,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Purpose::is_none")]
    pub purpose: Purpose,
    pub state: String,
    pub targets: BTreeSet<Target>,
    pub subject: Subject,
    /// The subject as statements name it.
    pub subject_ref: SubjectRef,
    pub revision: u32,
    pub revision_digest: Digest,
    pub facts: Option<Digest>,
    /// The blob with the names behind them.
    pub identities_blob: Option<Digest>,
    pub proposer: ActorId,
    pub proposed_at: String,
    pub text: Option<ProposalText>,
    pub contributors: BTreeSet<ActorId>,
    /// Contributors only because a co-author trailer says so.
    pub claimed: BTreeSet<ActorId>,
    /// Everybody whom the commits name.
    pub identities: Vec<IdentityView>,
    /// Those of them who belong to nobody in the catalog.
    pub unmapped: Vec<IdentityView>,
    pub ai: Ai,
    pub guidance: Vec<GuidanceLine>,
    pub approvals: Vec<ApprovalLine>,
    pub rejections: Vec<RejectionLine>,
    pub waivers: Vec<WaiverLine>,
    pub permits: Vec<PermitLine>,
    /// Of a change that went past the rules: by whom, and who looks at it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Emergency>,
    /// In the order in which they were said.
    pub comments: Vec<CommentLine>,
    /// What workloads attested, in the order in which they did.
    #[serde(default)]
    pub evidence: Vec<EvidenceLine>,
    /// Labels that stand.
    #[serde(default)]
    pub labels: Vec<LabelLine>,
    /// When it lands: all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowLine>,
    /// Approvals that count no more.
    pub taken_back: Vec<TakenBackLine>,
    pub decision: Decision,
    /// What the decision's rules ask, and who could supply what is missing.
    pub explanation: Explanation,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdentityView {
    #[serde(rename = "ref")]
    pub reference: String,
    pub name: String,
    pub mail: String,
    pub roles: BTreeSet<Role>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuidanceLine {
    pub path: String,
    /// Where it was found: `repository@commit`.
    pub found: Option<String>,
    pub review_due: Option<String>,
    pub stale: bool,
    /// Whom it names as its owner: a person or a group.
    pub owner: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub assurance: Assurance,
    /// How the approver had the content at hand.
    pub seen: Seen,
    /// Whether it counts for the present revision.
    pub counts: bool,
    /// Whether it is of an earlier revision that brought the same, and counts for rules that let it carry over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carries: bool,
    /// Why it does not count, where that is because two came into the home together lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// Why it does not count, where that is because its key was revoked or suspended since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// Why it does not count, where that is because it was given for another time than the change lands at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescheduled: Option<String>,
    /// Roles of others that it counts by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<LentLine>,
}

/// When a change lands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WindowLine {
    /// By whose word; nobody's where it is what is in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ActorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A role of somebody else, by their delegation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LentLine {
    pub role: String,
    pub of: ActorId,
    pub until: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RejectionLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub lifted: bool,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaiverLine {
    pub rule: RuleId,
    pub by: ActorId,
    pub at: String,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommentLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvidenceLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub kind: EvidenceKind,
    pub result: EvidenceResult,
    /// Whether it counts as passed for the present revision.
    pub counts: bool,
    /// Whether the change edits what it was made by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_made: bool,
    /// Of which of the change's targets alone it is said; of all where it names none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub only_for: BTreeSet<Target>,
    /// The file of the repository that says what was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Blob: what it went by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose token spoke for it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whether that token is not there, so that nobody can check it: then it counts for nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_gone: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabelLine {
    pub label: Label,
    pub by: ActorId,
    pub at: String,
    /// At which it was put on.
    pub revision: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TakenBackLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    /// By rejecting it.
    pub rejected: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PermitLine {
    pub statement: Digest,
    pub gate: GateId,
    /// `None` where it was erased.
    pub transition: Option<Transition>,
    pub issued_at: String,
    pub expires_at: String,
    pub outcome: Option<OutcomeResult>,
}

impl ChangeView {
    pub fn allowed(&self) -> bool {
        match self.decision.outcome {
            Outcome::Allow => true,
            Outcome::Deny => false,
        }
    }
}

/// `2026-11-23T08:26:26Z`.
pub fn rfc3339(time: Time) -> String {
    time.to_string()
}
