//! Snapshots that nobody took: for samples, cases, coverage, replays and tests. What is not said of one is as little as
//! there can be: nobody made the change, nobody looked at it, and it goes nowhere.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Time, sshsig::Assurance};

use super::{
    Ai, AiStatus, Applier, ApprovalView, CalendarView, Carried, CommitsView, EvidenceView, GuidanceView, LabelsView,
    PathsView, ProposerView, Snapshot, TargetView, WaiverView,
};
use crate::{
    catalog::ActorKind,
    facts::Size,
    ids::{ActorId, ChangeId, EvidenceKind, GroupId, Label, RuleId, SystemId},
    kind::{Documents, Kind, Purpose},
    landed::RollbackView,
    standard::StandardView,
    statement::Seen,
};

/// A snapshot in the making.
#[derive(Clone, Debug)]
pub struct Builder(Snapshot);

impl Builder {
    pub fn new(change: ChangeId, kind: Kind) -> Self {
        Self(Snapshot {
            change,
            revision: 1,
            kind,
            purpose: Purpose::default(),
            targets: Vec::new(),
            unknown_targets: BTreeSet::new(),
            contributors: BTreeSet::new(),
            unmapped: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            claimed: BTreeSet::new(),
            cleared_by: BTreeSet::new(),
            undriven: BTreeSet::new(),
            approvals: Vec::new(),
            rejected_by: BTreeSet::new(),
            held_by: BTreeSet::new(),
            ai: Ai { status: AiStatus::Unknown, tools: BTreeSet::new(), signals: BTreeSet::new(), disclosed: false },
            guidance: Vec::new(),
            documents: Documents::default(),
            waivers: Vec::new(),
            population: 0,
            groups: BTreeMap::new(),
            carried: None,
            proposer: None,
            paths: BTreeMap::new(),
            size: None,
            evidence: BTreeMap::new(),
            labels: LabelsView::default(),
            applier: None,
            standard: None,
            rollback: None,
            size_without: BTreeMap::new(),
            branch: None,
            commits: None,
            loosening: None,
            together: BTreeMap::new(),
            calendar: None,
            waiting_hours: None,
            findings_overdue: None,
            schedule: None,
            expires_at: None,
        })
    }

    pub fn so_far(&self) -> &Snapshot {
        &self.0
    }

    pub fn build(self) -> Snapshot {
        self.0
    }

    #[must_use]
    pub fn revision(mut self, revision: u32) -> Self {
        self.0.revision = revision;
        self
    }

    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.0.purpose = purpose;
        self
    }

    #[must_use]
    pub fn target(mut self, target: TargetView) -> Self {
        self.0.targets.push(target);
        self
    }

    #[must_use]
    pub fn made_by(mut self, people: impl IntoIterator<Item = ActorId>) -> Self {
        self.0.contributors.extend(people);
        self
    }

    #[must_use]
    pub fn proposed_by(mut self, id: ActorId, kind: ActorKind) -> Self {
        self.0.contributors.insert(id.clone());
        self.0.proposer = Some(ProposerView { id, kind });
        self
    }

    #[must_use]
    pub fn claimed(mut self, people: impl IntoIterator<Item = ActorId>) -> Self {
        self.0.claimed.extend(people);
        self
    }

    #[must_use]
    pub fn unmapped(mut self, identities: impl IntoIterator<Item = String>) -> Self {
        self.0.unmapped.extend(identities);
        self
    }

    /// An approval with a key in software, by somebody who is senior or not and owns these systems.
    #[must_use]
    pub fn approved(mut self, by: ActorId, senior: bool, owns: impl IntoIterator<Item = SystemId>) -> Self {
        self.0.approve(by, senior, owns);
        self
    }

    /// An approval of an earlier revision that brought the same. Nobody moved it on who is not a contributor anyway.
    #[must_use]
    pub fn carried(mut self, by: ActorId, senior: bool, owns: impl IntoIterator<Item = SystemId>) -> Self {
        let contributors = self.0.contributors.clone();
        let carried =
            self.0.carried.get_or_insert(Carried { approvals: Vec::new(), contributors, labels: BTreeSet::new() });
        carried.approvals.push(software_key(by, senior, owns));
        self
    }

    /// All approvals with keys that checked who it was, and the content at hand.
    #[must_use]
    pub fn signed_at_best(mut self) -> Self {
        for approval in &mut self.0.approvals {
            (approval.assurance, approval.seen) = (Assurance::UserVerified, Seen::Computed);
        }
        self
    }

    /// How somebody's approval was signed, and how they had the content at hand.
    #[must_use]
    pub fn signed_with(mut self, by: &ActorId, assurance: Assurance, seen: Seen) -> Self {
        for approval in self.0.approvals.iter_mut().filter(|approval| approval.by == *by) {
            (approval.assurance, approval.seen) = (assurance, seen);
        }
        self
    }

    #[must_use]
    pub fn rejected_by(mut self, people: impl IntoIterator<Item = ActorId>) -> Self {
        self.0.rejected_by.extend(people);
        self
    }

    #[must_use]
    pub fn waived(mut self, rule: RuleId, by: ActorId, senior: bool) -> Self {
        self.0.waivers.push(WaiverView { rule, by, senior });
        self
    }

    /// What is known of AI assistance, and whether somebody signed it.
    #[must_use]
    pub fn ai(mut self, status: AiStatus, disclosed: bool) -> Self {
        self.0.ai.status = status;
        self.0.ai.disclosed = disclosed;
        self
    }

    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = String>) -> Self {
        self.0.ai.tools.extend(tools);
        self
    }

    /// A document that the change was made by.
    #[must_use]
    pub fn guidance(mut self, path: String, review_due: Option<Time>) -> Self {
        self.0.guidance.push(GuidanceView { path, review_due });
        self
    }

    #[must_use]
    pub fn documents(mut self, documents: Documents) -> Self {
        self.0.documents = documents;
        self
    }

    /// Who is in a group that rules name.
    #[must_use]
    pub fn in_group(mut self, group: GroupId, people: impl IntoIterator<Item = ActorId>) -> Self {
        self.0.groups.entry(group).or_default().extend(people);
        self
    }

    #[must_use]
    pub fn paths(mut self, paths: BTreeMap<String, PathsView>) -> Self {
        self.0.paths = paths;
        self
    }

    /// How large it is. What nobody says is larger than any rule allows.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.0.size = Some(size);
        self
    }

    /// The template that it fits.
    #[must_use]
    pub fn standard(mut self, standard: Option<StandardView>) -> Self {
        self.0.standard = standard;
        self
    }

    /// What it takes back, by somebody who may do that alone.
    #[must_use]
    pub fn rollback(mut self, rollback: Option<RollbackView>) -> Self {
        self.0.rollback = rollback;
        self
    }

    /// What evidence of a kind comes to.
    #[must_use]
    pub fn evidence(mut self, kind: EvidenceKind, view: EvidenceView) -> Self {
        self.0.evidence.insert(kind, view);
        self
    }

    /// A label that somebody put on, and whether they had no hand in it.
    #[must_use]
    pub fn labelled(mut self, label: &Label, by: &ActorId, others: bool) -> Self {
        self.0.labels.put(label, by, others);
        self
    }

    /// Who applies it.
    #[must_use]
    pub fn applied(mut self, by: Applier) -> Self {
        self.0.applier = Some(by);
        self
    }

    /// The same without the paths of patterns.
    #[must_use]
    pub fn size_without(mut self, sizes: BTreeMap<String, Size>) -> Self {
        self.0.size_without = sizes;
        self
    }

    #[must_use]
    pub fn for_branch(mut self, branch: String) -> Self {
        self.0.branch = Some(branch);
        self
    }

    #[must_use]
    pub fn commits(mut self, commits: CommitsView) -> Self {
        self.0.commits = Some(commits);
        self
    }

    /// How many hours ago all approvals were given.
    #[must_use]
    pub fn approved_hours_ago(mut self, hours: u32) -> Self {
        self.0.approvals.iter_mut().for_each(|approval| approval.hours = Some(hours));
        self
    }

    /// The same of somebody's.
    #[must_use]
    pub fn given_hours_ago(mut self, by: &ActorId, hours: u32) -> Self {
        let theirs = self.0.approvals.iter_mut().filter(|approval| approval.by == *by);
        theirs.for_each(|approval| approval.hours = Some(hours));
        self
    }

    /// What calendars say of it.
    #[must_use]
    pub fn calendar(mut self, calendar: CalendarView) -> Self {
        self.0.calendar = Some(calendar);
        self
    }

    /// That somebody is on call for these systems, and whether they are away.
    #[must_use]
    pub fn there(mut self, by: &ActorId, on_call: impl IntoIterator<Item = SystemId>, away: bool) -> Self {
        let systems: BTreeSet<SystemId> = on_call.into_iter().collect();
        for approval in self.0.approvals.iter_mut().filter(|approval| approval.by == *by) {
            approval.on_call.extend(systems.iter().cloned());
            approval.away = away;
        }
        self
    }

    /// How many hours ago the log took the revision.
    #[must_use]
    pub fn waiting_hours(mut self, hours: u32) -> Self {
        self.0.waiting_hours = Some(hours);
        self
    }

    /// How many findings about its targets nobody has answered in time.
    #[must_use]
    pub fn findings_overdue(mut self, findings: u32) -> Self {
        self.0.findings_overdue = Some(findings);
        self
    }

    /// How many people have a key.
    #[must_use]
    pub fn population(mut self, people: usize) -> Self {
        self.0.population = u32::try_from(people).unwrap_or(u32::MAX);
        self
    }
}

impl Snapshot {
    /// Adds an approval with a key in software, by somebody who is senior or not and owns these systems.
    pub fn approve(&mut self, by: ActorId, senior: bool, owns: impl IntoIterator<Item = SystemId>) {
        self.approvals.push(software_key(by, senior, owns));
    }
}

fn software_key(by: ActorId, senior: bool, owns: impl IntoIterator<Item = SystemId>) -> ApprovalView {
    let owns = owns.into_iter().collect();
    ApprovalView {
        by,
        assurance: Assurance::SoftwareKey,
        seen: Seen::None,
        senior,
        owns,
        hours: None,
        on_call: BTreeSet::new(),
        away: false,
        delegated: Vec::new(),
    }
}
