//! Supplying a requirement to a snapshot, and taking it away again: how [`mod@super::check`] finds out whether a rule asks
//! for what its `@requires` says. Both change as little as they can, so that taking one requirement away leaves every
//! other one met where that is possible at all.

use std::collections::BTreeSet;

use countersign_ledger::{Time, sshsig::Assurance};

use super::count;
use crate::{
    ids::{ActorId, Label},
    requirement::{Choice, Has, Need, Part, Requirement, Role},
    snapshot::{AiStatus, Applier, CommitsView, EvidenceView, GuidanceView, Snapshot, TargetView},
    statement::Seen,
};

impl Requirement {
    /// Changes the snapshot until nothing of this is missing, for any of its targets.
    pub fn supply(&self, snapshot: &mut Snapshot) {
        match &self.need {
            Need::Approvals { role, count } => {
                for target in self.asked_targets(snapshot) {
                    supply_approvals(snapshot, &target, role, *count);
                }
            }
            Need::Apart(parts) => {
                for target in self.asked_targets(snapshot) {
                    supply_apart(snapshot, &target, parts);
                }
            }
            Need::FreshGuidance => {
                for guidance in &mut snapshot.guidance {
                    guidance.review_due = Some(Time::from_unix_millis(i64::MAX));
                }
            }
            Need::Document { document, chars } => {
                if !self.asked_targets(snapshot).is_empty() {
                    let have = document.chars_mut(&mut snapshot.documents);
                    *have = *chars.max(have);
                }
            }
            Need::Evidence(kind) => {
                let passed_by = "sample-ci".parse().into_iter().collect();
                snapshot.evidence.insert(kind.clone(), EvidenceView { passed_by, ..EvidenceView::default() });
            }
            Need::Disclosure => {
                snapshot.ai.disclosed = true;
                snapshot.ai.status = match snapshot.ai.status {
                    AiStatus::Unknown => AiStatus::Declared,
                    status @ (AiStatus::Declared | AiStatus::Inferred | AiStatus::None) => status,
                };
            }
            Need::Has(has) => {
                if !self.asked_targets(snapshot).is_empty() {
                    has.supply(snapshot);
                }
            }
        }
    }

    /// Changes the snapshot so that just this is missing, for all targets where it is asked.
    pub fn take_away(&self, snapshot: &mut Snapshot) {
        match &self.need {
            Need::Approvals { role, count } => {
                for target in self.asked_targets(snapshot) {
                    take_away_approvals(snapshot, &target, role, *count);
                }
            }
            // One person less than there have to be, whatever they all are.
            Need::Apart(parts) => {
                let people = parts.iter().map(|part| part.count).sum();
                for target in self.asked_targets(snapshot) {
                    take_away_approvals(snapshot, &target, &Role::Independent, people);
                    let left: Vec<ActorId> = count::independent_approvals(snapshot).into_keys().cloned().collect();
                    for by in left {
                        parts.iter().for_each(|part| give(snapshot, &by, &part.role, &target));
                    }
                }
            }
            Need::FreshGuidance => {
                if snapshot.guidance.is_empty() {
                    let path = "docs/sample.md".to_owned();
                    snapshot.guidance.push(GuidanceView { path, review_due: None });
                }
                for guidance in &mut snapshot.guidance {
                    guidance.review_due = None;
                }
            }
            Need::Document { document, chars } => {
                if !self.asked_targets(snapshot).is_empty() {
                    let have = document.chars_mut(&mut snapshot.documents);
                    *have = chars.saturating_sub(1).min(*have);
                }
            }
            Need::Evidence(kind) => drop(snapshot.evidence.remove(kind)),
            Need::Disclosure => {
                snapshot.ai.disclosed = false;
                snapshot.ai.status = match snapshot.ai.status {
                    AiStatus::Declared | AiStatus::None => AiStatus::Unknown,
                    status @ (AiStatus::Inferred | AiStatus::Unknown) => status,
                };
            }
            Need::Has(has) => {
                if !self.asked_targets(snapshot).is_empty() {
                    has.take_away(snapshot);
                }
            }
        }
    }

    fn asked_targets(&self, snapshot: &Snapshot) -> Vec<TargetView> {
        snapshot.targets.iter().filter(|target| self.asked(snapshot, target)).cloned().collect()
    }
}

impl Choice {
    /// Changes the snapshot until the first of the ways that are asked there is gone.
    pub fn supply(&self, snapshot: &mut Snapshot) {
        let asked = |way: &&Requirement| snapshot.targets.iter().any(|target| way.asked(snapshot, target));
        if let Some(way) = self.ways().iter().find(asked) {
            way.supply(snapshot);
        }
    }

    /// Changes the snapshot so that none of the ways is gone.
    pub fn take_away(&self, snapshot: &mut Snapshot) {
        self.ways().iter().for_each(|way| way.take_away(snapshot));
    }
}

impl Has {
    /// Changes the snapshot until it has it.
    pub(crate) fn supply(&self, snapshot: &mut Snapshot) {
        if self.is_met(snapshot) {
            return;
        }
        match self {
            Self::Title(form) => snapshot.documents.form = Self::sample(form),
            Self::Link(host) => {
                snapshot.documents.hosts.insert(host.clone());
                snapshot.documents.links = snapshot.documents.links.saturating_add(1);
            }
            Self::SignedCommits => {
                let by_committer = snapshot.commits.is_some_and(|commits| commits.by_committer);
                snapshot.commits = Some(CommitsView { signed: true, by_committer });
            }
            Self::Label(label) => put(snapshot, label, true),
            Self::ApplierApart => snapshot.applier = None,
            Self::NoLabel(label) => {
                snapshot.labels.all.remove(label);
                snapshot.labels.by_others.remove(label);
            }
            Self::Window => snapshot.calendar.iter_mut().for_each(|calendar| calendar.shut.clear()),
        }
    }

    fn take_away(&self, snapshot: &mut Snapshot) {
        match self {
            Self::Title(_) => snapshot.documents.form.clear(),
            Self::Link(host) => {
                snapshot.documents.hosts.remove(host);
            }
            Self::SignedCommits => snapshot.commits = Some(CommitsView::default()),
            Self::Label(label) => {
                snapshot.labels.by_others.remove(label);
            }
            Self::NoLabel(label) => put(snapshot, label, false),
            Self::ApplierApart => snapshot.applier = Some(Applier::Unknown),
            Self::Window => {
                let all = snapshot.targets.iter().map(|view| view.target.clone()).collect();
                snapshot.calendar.get_or_insert_default().shut = all;
            }
        }
    }
}

fn put(snapshot: &mut Snapshot, label: &Label, others: bool) {
    if let Ok(by) = "sample-labeller".parse::<ActorId>() {
        snapshot.labels.put(label, &by, others);
    }
}

fn supply_approvals(snapshot: &mut Snapshot, target: &TargetView, role: &Role, count: u32) {
    // Each round adds one approval that counts, so it ends; without contributors no approval ever counts.
    for _ in 0..count {
        if count::in_role(snapshot, target, role) >= count || snapshot.contributors.is_empty() {
            return;
        }
        match lacking(snapshot, target, role) {
            Some(by) => give(snapshot, &by, role, target),
            None => {
                let Some(by) = newcomer(snapshot) else { return };
                snapshot.approve(by.clone(), false, []);
                give(snapshot, &by, role, target);
            }
        }
        let there = count::approvers(snapshot).into_iter().chain(&snapshot.contributors).collect::<BTreeSet<_>>();
        snapshot.population = snapshot.population.max(u32::try_from(there.len()).unwrap_or(u32::MAX));
    }
}

/// Somebody new for each place that nobody is left for.
fn supply_apart(snapshot: &mut Snapshot, target: &TargetView, parts: &[Part]) {
    // Without contributors no approval ever counts.
    if snapshot.contributors.is_empty() {
        return;
    }
    let open: Vec<Role> = count::unfilled(snapshot, target, parts).into_iter().cloned().collect();
    for role in open {
        let Some(by) = newcomer(snapshot) else { return };
        snapshot.approve(by.clone(), false, []);
        give(snapshot, &by, &role, target);
        let there = count::approvers(snapshot).into_iter().chain(&snapshot.contributors).collect::<BTreeSet<_>>();
        snapshot.population = snapshot.population.max(u32::try_from(there.len()).unwrap_or(u32::MAX));
    }
}

/// An approver who lacks only the role: the fewest changes.
fn lacking(snapshot: &Snapshot, target: &TargetView, role: &Role) -> Option<ActorId> {
    let approvals = count::independent_approvals(snapshot).into_values();
    let lacking = approvals.filter(|approval| !count::has_role(snapshot, approval, role, target));
    lacking.map(|approval| approval.by.clone()).next()
}

/// Somebody who had no part in the change so far.
fn newcomer(snapshot: &Snapshot) -> Option<ActorId> {
    let approvers = count::approvers(snapshot);
    let known =
        |id: &ActorId| approvers.contains(id) || count::had_a_hand(snapshot, id) || snapshot.rejected_by.contains(id);
    let names = (1..=approvers.len().saturating_add(1)).map(|n| format!("sample-{n}"));
    names.filter_map(|name| name.parse::<ActorId>().ok()).find(|id| !known(id))
}

/// Gives an approver a role.
fn give(snapshot: &mut Snapshot, by: &ActorId, role: &Role, target: &TargetView) {
    if let Role::Group(group) = role {
        snapshot.groups.entry(group.clone()).or_default().insert(by.clone());
    }
    for approval in snapshot.approvals.iter_mut().filter(|approval| approval.by == *by) {
        match role {
            Role::Independent | Role::Group(_) => {}
            Role::Owner => {
                approval.owns.insert(target.target.system.clone());
            }
            Role::Senior => approval.senior = true,
            Role::OnCall => {
                approval.on_call.insert(target.target.system.clone());
            }
            Role::Present => approval.away = false,
            Role::Touch => approval.assurance = approval.assurance.max(Assurance::Touch),
            Role::Verified => approval.assurance = Assurance::UserVerified,
            Role::Recent(hours) => approval.hours = Some(approval.hours.map_or(*hours, |ago| ago.min(*hours))),
            Role::Material => approval.seen = approval.seen.max(Seen::Material),
        }
    }
}

fn take_away_approvals(snapshot: &mut Snapshot, target: &TargetView, role: &Role, count: u32) {
    let keep = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
    let approvals = count::independent_approvals(snapshot).into_values();
    let holders: Vec<ActorId> = approvals
        .filter(|approval| count::has_role(snapshot, approval, role, target))
        .map(|approval| approval.by.clone())
        .collect();
    let (kept, surplus) = holders.split_at(keep.min(holders.len()));
    match role {
        Role::Independent => {
            snapshot.approvals.retain(|approval| !surplus.contains(&approval.by));
            // Whoever is left takes over what the others were, so that only their number is missing.
            for by in kept {
                give(snapshot, by, &Role::Senior, target);
                give(snapshot, by, &Role::Owner, target);
                give(snapshot, by, &Role::Verified, target);
                give(snapshot, by, &Role::Material, target);
                give(snapshot, by, &Role::OnCall, target);
                give(snapshot, by, &Role::Present, target);
                give(snapshot, by, &Role::Recent(0), target);
                let theirs =
                    snapshot.groups.values_mut().filter(|members| surplus.iter().any(|by| members.contains(by)));
                theirs.for_each(|members| members.extend([by.clone()]));
            }
        }
        Role::Group(group) => {
            if let Some(members) = snapshot.groups.get_mut(group) {
                members.retain(|member| !surplus.contains(member));
            }
        }
        Role::Owner => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.owns.remove(&target.target.system);
            }
        }
        Role::OnCall => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.on_call.remove(&target.target.system);
            }
        }
        Role::Present => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.away = true;
            }
        }
        Role::Touch | Role::Verified => {
            let less = if *role == Role::Touch { Assurance::SoftwareKey } else { Assurance::Touch };
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.assurance = approval.assurance.min(less);
            }
        }
        Role::Recent(hours) => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.hours = Some(hours.saturating_add(1));
            }
        }
        Role::Material => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.seen = approval.seen.min(Seen::Shown);
            }
        }
        Role::Senior => {
            for approval in snapshot.approvals.iter_mut().filter(|approval| surplus.contains(&approval.by)) {
                approval.senior = false;
            }
        }
    }
}
