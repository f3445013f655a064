//! Snapshot: everything that deciding looks at, and nothing else. It holds ids, counts and dates, no names, mails or
//! free text, so that it can be kept for ever and a decision can be run again.
//!
//! It holds people only as far as they had a part in the change: in a home of thousands it is a few kilobytes. Who else
//! could act is for [`crate::explain`].

mod build;
mod calendar;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{ActorKind, Tier},
    delegation::DelegatedRole,
    facts::Size,
    ids::{ActorId, ChangeId, EvidenceKind, GroupId, Label, RuleId, SystemId, Target},
    kind::{Documents, Kind, Purpose},
    landed::RollbackView,
    standard::StandardView,
    statement::Seen,
};

pub use self::{
    build::Builder,
    calendar::{CalendarView, FreezeView, Worked},
    schedule::ScheduleView,
};

/// One revision of one change, as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub change: ChangeId,
    /// From 1.
    pub revision: u32,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Purpose::is_none")]
    pub purpose: Purpose,
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
    /// Whoever said whose an unknown mail is: they could be who hides behind it, and are no second pair of eyes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cleared_by: BTreeSet<ActorId>,
    /// AI tools that are authors, of whom nobody has said who drove them; as references.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub undriven: BTreeSet<String>,
    /// Valid approvals of this revision: one a person, by people who are no contributors, with keys that still hold.
    pub approvals: Vec<ApprovalView>,
    /// People whose rejection of this change stands.
    pub rejected_by: BTreeSet<ActorId>,
    /// People whose rejection of the same content stands in another change on one of the targets.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held_by: BTreeSet<ActorId>,
    pub ai: Ai,
    pub guidance: Vec<GuidanceView>,
    /// What the proposal says, as far as it is kept.
    pub documents: Documents,
    pub waivers: Vec<WaiverView>,
    /// How many people the catalog gives a key to, revoked or not: taking keys away does not make a home smaller, or one
    /// person's revocations could loosen a rule that is gentler on a home of two.
    pub population: u32,
    /// Of the groups that rules count or look for people in: who of those who had a part in the change is in it, or in a
    /// group below it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupId, BTreeSet<ActorId>>,
    /// What counts besides for rules that let approvals carry over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
    /// Who proposed it, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposer: Option<ProposerView>,
    /// What the change does to the paths that rules name, by the patterns as they are written there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, PathsView>,
    /// How large it is, where a rule asks. Where nobody can tell: larger than any rule allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// What workloads' evidence of this revision comes to, of the kinds that rules ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<EvidenceKind, EvidenceView>,
    /// The labels that it has, where a rule asks.
    #[serde(default, skip_serializing_if = "LabelsView::is_empty")]
    pub labels: LabelsView,
    /// Who applies it, where a rule asks; nobody yet where that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<Applier>,
    /// The template that it fits, which two people approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<StandardView>,
    /// What it takes back, where it brings back what ran before by somebody who may do that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackView>,
    /// The same without the paths of the patterns that rules leave out of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub size_without: BTreeMap<String, Size>,
    /// The branch that it is for, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Who signed its commits, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<CommitsView>,
    /// Of what governs, where it loosens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loosening: Option<LooseningView>,
    /// Whose approval or waiver does not count because they and another came into the home together lately: by the newcomer, and
    /// who enrolled them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub together: BTreeMap<ActorId, Together>,
    /// What calendars say of it now, where one bears on it or a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<CalendarView>,
    /// How many hours have passed since the log took this revision, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_hours: Option<u32>,
    /// How many findings about its targets nobody has answered in time, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings_overdue: Option<u32>,
    /// When it lands, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleView>,
    /// When it expires, where the home says that changes do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// Who signed the commits of a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitsView {
    /// Each by a key that somebody here holds.
    pub signed: bool,
    /// Each by a key of whoever committed it.
    pub by_committer: bool,
}

/// A newcomer, and who enrolled them: they do not count together until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    pub newcomer: ActorId,
    pub enrolled_by: BTreeSet<ActorId>,
    pub until: Time,
}

/// How many of the policy group stand behind what loosens.
pub const BEHIND_LOOSENING: u32 = 2;

/// Who stands behind a change that loosens, whoever submitted it among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LooseningView {
    /// How many of them are of the policy group.
    pub policy: u32,
    /// Whether one of them is a senior, or there is none in the home.
    pub senior: bool,
    /// Until when it waits: counted from when enough stood behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl LooseningView {
    /// Whether two of the policy group stand behind it, and a senior.
    pub fn is_backed(&self) -> bool {
        self.policy >= BEHIND_LOOSENING && self.senior
    }
}

/// What evidence of one kind comes to, by whose newest word it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceView {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub passed_by: BTreeSet<ActorId>,
    /// They say that it passed, and the change edits what they were made by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub self_made_by: BTreeSet<ActorId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub failed_by: BTreeSet<ActorId>,
    /// Those of them whose word is of some of the change's targets alone, with these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only_for: BTreeMap<ActorId, BTreeSet<Target>>,
    /// It was skipped, or says neither.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub neither_by: BTreeSet<ActorId>,
}

impl EvidenceView {
    /// What of it is said of one target.
    pub fn of(&self, target: &Target) -> Self {
        let counts = |by: &&ActorId| self.only_for.get(*by).is_none_or(|only| only.contains(target));
        let here = |all: &BTreeSet<ActorId>| all.iter().filter(counts).cloned().collect();
        Self {
            passed_by: here(&self.passed_by),
            self_made_by: here(&self.self_made_by),
            failed_by: here(&self.failed_by),
            neither_by: here(&self.neither_by),
            only_for: BTreeMap::new(),
        }
    }

    /// Whether it passed for all of these.
    pub fn passed_for<'a>(&self, targets: impl IntoIterator<Item = &'a Target>) -> bool {
        match self.only_for.is_empty() {
            true => self.passed(),
            false => targets.into_iter().all(|target| self.of(target).passed()),
        }
    }

    /// Somebody's word is that it passed, which the change did not make itself, and nobody's is that it failed.
    pub fn passed(&self) -> bool {
        !self.passed_by.is_empty() && self.failed_by.is_empty()
    }

    /// It passed by nothing but what the change itself edits.
    pub fn self_made(&self) -> bool {
        self.passed_by.is_empty() && !self.self_made_by.is_empty() && self.failed_by.is_empty()
    }

    /// Who says what, where it does not pass: `ci: failed`.
    pub fn objections(&self) -> Vec<String> {
        let each = |by: &BTreeSet<ActorId>, what: &str| by.iter().map(|by| format!("{by}: {what}")).collect::<Vec<_>>();
        [each(&self.failed_by, "failed"), each(&self.self_made_by, "self-made"), each(&self.neither_by, "no verdict")]
            .concat()
    }
}

/// Who puts a change into production: runs its command, or pushes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applier {
    Is(ActorId),
    /// Somebody pushes who has not signed the push.
    Unknown,
}

/// The labels of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsView {
    /// Each that stands, and who put it on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub all: BTreeMap<Label, BTreeSet<ActorId>>,
    /// Those that somebody put on this revision who had no hand in the change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by_others: BTreeSet<Label>,
}

impl LabelsView {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts one on; `others`: whether that is somebody who had no hand in the change.
    pub fn put(&mut self, label: &Label, by: &ActorId, others: bool) {
        self.all.entry(label.clone()).or_default().insert(by.clone());
        if others {
            self.by_others.insert(label.clone());
        }
    }
}

/// What a change does to the paths of some patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathsView {
    pub touched: bool,
    /// All that it touches is among them.
    pub only: bool,
    pub added: bool,
    pub deleted: bool,
    /// There are too many paths to tell: the others say what they could be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposerView {
    pub id: ActorId,
    pub kind: ActorKind,
}

/// Earlier revisions that brought just what the present one does, in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Approvals of those that would be valid today.
    pub approvals: Vec<ApprovalView>,
    /// The contributors without those who only moved it on: committer and submitter of a revision that brings nothing new.
    pub contributors: BTreeSet<ActorId>,
    /// Labels that people who are none of those put on one of those revisions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
}

impl Snapshot {
    /// The same for rules that let approvals carry over; `None` where there is nothing to carry.
    pub fn carrying(&self) -> Option<Self> {
        let carried = self.carried.as_ref()?;
        let mut snapshot = Self { contributors: carried.contributors.clone(), ..self.clone() };
        let known = |by: &ActorId| self.approvals.iter().any(|approval| approval.by == *by);
        snapshot.approvals.extend(carried.approvals.iter().filter(|approval| !known(&approval.by)).cloned());
        snapshot.labels.by_others.extend(carried.labels.iter().cloned());
        Some(snapshot)
    }

    /// Whether somebody who had a part in the change is in a group that rules name, or in a group below it.
    pub fn is_in(&self, person: &ActorId, group: &GroupId) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(person))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetView {
    pub target: Target,
    pub production: bool,
    pub tier: Tier,
    pub owner: GroupId,
}

impl TargetView {
    /// What governs: nothing that runs, and what everything hangs on. Its owners are the policy group.
    pub fn of_governance() -> Self {
        Self { target: Target::governance(), production: false, tier: Tier::HIGHEST, owner: GroupId::policy() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalView {
    pub by: ActorId,
    pub assurance: Assurance,
    /// How the content was at hand.
    pub seen: Seen,
    pub senior: bool,
    /// Systems among the targets that the person owns.
    pub owns: BTreeSet<SystemId>,
    /// How many hours ago, begun ones in full, where a rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// Systems among the targets that they are on call for, where a rule asks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on_call: BTreeSet<SystemId>,
    /// Whether they are away, where a rule asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// Roles of others that they have by delegation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<DelegatedView>,
}

/// A role of somebody else that an approver has by delegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegatedView {
    /// Whose it is.
    pub of: ActorId,
    pub role: DelegatedRole,
    /// Payload digest of the delegation.
    pub statement: Digest,
    /// Those of the change's targets for which they have it.
    pub targets: BTreeSet<Target>,
    pub until: Time,
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

impl AiStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Inferred => "inferred",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
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
}

impl GuidanceView {
    /// Past its review, or nobody can say when that is.
    pub fn is_stale(&self, now: Time) -> bool {
        self.review_due.is_none_or(|due| due < now)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverView {
    pub rule: RuleId,
    pub by: ActorId,
    pub senior: bool,
}
