//! Snapshot: everything that deciding looks at, and nothing else. It holds ids, counts and dates, no names, mails or
//! free text, so that it can be kept for ever and a decision can be run again.

mod take;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Level, Tier},
    ids::{ActorId, ChangeId, GroupId, RuleId, SystemId, Target},
};

pub use take::{Contributors, contributors, identity_ref};

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Code,
    Config,
    Infrastructure,
    Schema,
    Flag,
    Rules,
    Rollback,
}

/// What the subject is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    Commits,
    Files,
}

/// One revision of one change, as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub change: ChangeId,
    /// From 1.
    pub revision: u32,
    pub kind: Kind,
    /// What the reviewer has to have at hand.
    pub material: Material,
    pub targets: Vec<TargetView>,
    /// Targets of the change that the catalog no longer has.
    pub unknown_targets: BTreeSet<Target>,
    /// Whoever had a hand in any revision. Empty denies.
    pub contributors: BTreeSet<ActorId>,
    /// How many identities in the commits belong to nobody in the catalog, as stable short references for the to-do.
    pub unmapped: BTreeSet<String>,
    /// People whom an agent or a workload names as answering for it, and who have not said so themselves.
    pub unconfirmed: BTreeSet<ActorId>,
    /// People whom only a co-author trailer names and whom nobody has cleared. They count as contributors.
    pub claimed: BTreeSet<ActorId>,
    /// Valid approvals of this revision: one a person, by people who are no contributors, with keys that still hold.
    pub approvals: Vec<ApprovalView>,
    /// People whose rejection of this revision stands.
    pub rejected_by: BTreeSet<ActorId>,
    pub ai: Ai,
    pub guidance: Vec<GuidanceView>,
    /// Length in characters of what the proposal says.
    pub documents: Documents,
    pub waivers: Vec<WaiverView>,
    /// How many people the catalog gives a key to, revoked or not: taking keys away does not make a home smaller, or one
    /// person's revocations could loosen a rule that is gentler on a home of two.
    pub population: u32,
    /// Everybody who could act: people with a key that holds.
    pub people: BTreeMap<ActorId, PersonView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetView {
    pub target: Target,
    pub production: bool,
    pub tier: Tier,
    pub owner: GroupId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalView {
    pub by: ActorId,
    pub assurance: Assurance,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonView {
    pub level: Level,
    /// Systems among the targets that the person owns.
    pub owns: BTreeSet<SystemId>,
}

/// What is known of AI assistance. Absence of a signal does not mean that a human wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AiStatus {
    /// A disclosure or a commit says so.
    Declared,
    /// A signal says so; where a disclosure of `none` stands beside it, the signal contradicts it.
    Inferred,
    /// Somebody signed that there was none, and no signal contradicts it.
    None,
    /// Nobody has said anything.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ai {
    pub status: AiStatus,
    pub tools: BTreeSet<String>,
    /// The names of the signals, for the explanation.
    pub signals: BTreeSet<String>,
    /// Whether a signed disclosure stands for this revision.
    pub disclosed: bool,
}

/// A document that the change was made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceView {
    pub path: String,
    /// When its review runs out. `None`: not found on its protected branch, or it does not say; that counts as stale.
    pub review_due: Option<Time>,
    /// Who could refresh it, where the document names a person or group of the catalog.
    pub owners: BTreeSet<ActorId>,
}

/// Stands in statements, so its fields are in the order of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    pub risk: u32,
    pub rollback: u32,
    pub tests: u32,
    pub why: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverView {
    pub rule: RuleId,
    pub by: ActorId,
}
