//! Supplying a requirement to a snapshot, and taking it away again: how [`mod@super::check`] finds out whether a rule asks
//! for what its `@requires` says. Both change as little as they can, so that taking one requirement away leaves every
//! other one met where that is possible at all.

use countersign_ledger::{Time, sshsig::Assurance};

use super::{
    count::{self, Role},
    requirement::{Need, Requirement},
};
use crate::{
    catalog::Level,
    ids::ActorId,
    snapshot::{AiStatus, ApprovalView, GuidanceView, PersonView, Snapshot, TargetView},
};

impl Requirement {
    /// Changes the snapshot until nothing of this is missing, for any of its targets.
    pub fn supply(&self, snapshot: &mut Snapshot) {
        match self.need {
            Need::Approvals { role, count } => {
                for target in self.asked_targets(snapshot) {
                    supply_approvals(snapshot, &target, role, count);
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
                    *have = chars.max(*have);
                }
            }
            Need::Disclosure => {
                snapshot.ai.disclosed = true;
                snapshot.ai.status = match snapshot.ai.status {
                    AiStatus::Unknown => AiStatus::Declared,
                    status @ (AiStatus::Declared | AiStatus::Inferred | AiStatus::None) => status,
                };
            }
        }
    }

    /// Changes the snapshot so that just this is missing, for all targets where it is asked.
    pub fn take_away(&self, snapshot: &mut Snapshot) {
        match self.need {
            Need::Approvals { role, count } => {
                for target in self.asked_targets(snapshot) {
                    take_away_approvals(snapshot, &target, role, count);
                }
            }
            Need::FreshGuidance => {
                if snapshot.guidance.is_empty() {
                    let path = "docs/sample.md".to_owned();
                    snapshot.guidance.push(GuidanceView { path, review_due: None, owners: Default::default() });
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
            Need::Disclosure => {
                snapshot.ai.disclosed = false;
                snapshot.ai.status = match snapshot.ai.status {
                    AiStatus::Declared | AiStatus::None => AiStatus::Unknown,
                    status @ (AiStatus::Inferred | AiStatus::Unknown) => status,
                };
            }
        }
    }

    fn asked_targets(&self, snapshot: &Snapshot) -> Vec<TargetView> {
        snapshot.targets.iter().filter(|target| self.asked(snapshot, target)).cloned().collect()
    }
}

fn supply_approvals(snapshot: &mut Snapshot, target: &TargetView, role: Role, count: u32) {
    // Each round adds one approval that counts, so it ends; without contributors no approval ever counts.
    for _ in 0..count {
        if count::count(snapshot, target).of(role) >= count || snapshot.contributors.is_empty() {
            return;
        }
        let Some(person) = next_approver(snapshot, target, role) else { return };
        let view = snapshot.people.entry(person.clone()).or_insert_with(newcomer);

        grant(view, role, target);
        snapshot.population = snapshot.population.max(u32::try_from(snapshot.people.len()).unwrap_or(u32::MAX));
        if !snapshot.approvals.iter().any(|approval| approval.by == person) {
            snapshot.approvals.push(ApprovalView { by: person, assurance: Assurance::SoftwareKey });
        }
    }
}

/// Who could give the next approval with the fewest changes: an approver who lacks only the role, then somebody who is
/// there, then somebody new.
fn next_approver(snapshot: &Snapshot, target: &TargetView, role: Role) -> Option<ActorId> {
    let approver = count::independent_approvers(snapshot)
        .into_iter()
        .find(|(_, person)| !count::has_role(person, role, target))
        .map(|(id, _)| id.clone());
    let present = || count::candidates(snapshot, Role::Independent, target).next().cloned();
    let new = || {
        let names = (1..=snapshot.people.len().saturating_add(2)).map(|n| format!("sample-{n}"));
        names.filter_map(|name| name.parse::<ActorId>().ok()).find(|id| {
            !snapshot.people.contains_key(id) && !count::had_a_hand(snapshot, id) && !snapshot.rejected_by.contains(id)
        })
    };
    approver.or_else(present).or_else(new)
}

fn newcomer() -> PersonView {
    PersonView { level: Level::Standard, owns: Default::default() }
}

fn grant(person: &mut PersonView, role: Role, target: &TargetView) {
    match role {
        Role::Independent => {}
        Role::Owner => {
            person.owns.insert(target.target.system.clone());
        }
        Role::Senior => person.level = person.level.max(Level::Senior),
    }
}

fn take_away_approvals(snapshot: &mut Snapshot, target: &TargetView, role: Role, count: u32) {
    let keep = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
    let holders: Vec<ActorId> = count::independent_approvers(snapshot)
        .into_iter()
        .filter(|(_, person)| count::has_role(person, role, target))
        .map(|(id, _)| id.clone())
        .collect();
    let (kept, surplus) = holders.split_at(keep.min(holders.len()));
    match role {
        Role::Independent => {
            snapshot.approvals.retain(|approval| !surplus.contains(&approval.by));
            // Whoever is left takes over what the others were, so that only their number is missing.
            for (_, person) in snapshot.people.iter_mut().filter(|(id, _)| kept.contains(id)) {
                grant(person, Role::Senior, target);
                grant(person, Role::Owner, target);
            }
        }
        Role::Owner => {
            for (_, person) in snapshot.people.iter_mut().filter(|(id, _)| surplus.contains(id)) {
                person.owns.remove(&target.target.system);
            }
        }
        Role::Senior => {
            for (_, person) in snapshot.people.iter_mut().filter(|(id, _)| surplus.contains(id)) {
                person.level = Level::Standard;
            }
        }
    }
}
