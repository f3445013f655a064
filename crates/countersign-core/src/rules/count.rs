//! Counting approvals: the one function that rules trust, because Cedar cannot count.
//!
//! Invariant, for every snapshot: `0 <= senior <= independent` and `0 <= owner <= independent`. A person counts once, a
//! person whom the snapshot does not know counts never, and where nobody is known to have made the change nobody counts
//! as a second pair of eyes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::ActorId,
    snapshot::{PersonView, Snapshot, TargetView},
};

/// Distinct people who countersigned the revision, by what they are to one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Had no hand in the change.
    pub independent: u32,
    /// Independent, and own the target's system.
    pub owner: u32,
    /// Independent, and senior.
    pub senior: u32,
}

/// What an approving person is to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Independent,
    Owner,
    Senior,
}

impl Counts {
    pub const fn of(self, role: Role) -> u32 {
        match role {
            Role::Independent => self.independent,
            Role::Owner => self.owner,
            Role::Senior => self.senior,
        }
    }
}

/// Whether `person` has the role for the target, supposing that they are independent.
pub fn has_role(person: &PersonView, role: Role, target: &TargetView) -> bool {
    match role {
        Role::Independent => true,
        Role::Owner => person.owns.contains(&target.target.system),
        Role::Senior => person.level.is_senior(),
    }
}

/// Whether a person had a hand in the change, or is claimed to have had one.
pub fn had_a_hand(snapshot: &Snapshot, person: &ActorId) -> bool {
    snapshot.contributors.contains(person) || snapshot.claimed.contains(person)
}

/// Everybody known whose approval stands, contributors among them: each once.
pub fn approvers(snapshot: &Snapshot) -> BTreeSet<&ActorId> {
    snapshot.approvals.iter().map(|approval| &approval.by).filter(|by| snapshot.people.contains_key(*by)).collect()
}

/// The approvers who had no hand in the change.
pub fn independent_approvers(snapshot: &Snapshot) -> BTreeMap<&ActorId, &PersonView> {
    // Without contributors nobody can be told apart from them.
    if snapshot.contributors.is_empty() {
        return BTreeMap::new();
    }
    approvers(snapshot)
        .into_iter()
        .filter(|by| !had_a_hand(snapshot, by))
        .filter_map(|by| snapshot.people.get(by).map(|person| (by, person)))
        .collect()
}

/// Counts the approvals that stand for one target.
pub fn count(snapshot: &Snapshot, target: &TargetView) -> Counts {
    let mut counts = Counts::default();
    for person in independent_approvers(snapshot).into_values() {
        counts.independent = counts.independent.saturating_add(1);
        if has_role(person, Role::Owner, target) {
            counts.owner = counts.owner.saturating_add(1);
        }
        if has_role(person, Role::Senior, target) {
            counts.senior = counts.senior.saturating_add(1);
        }
    }
    counts
}

/// Who could still give an approval in this role for this target: known, no hand in it, and no verdict on it yet.
pub fn candidates<'a>(
    snapshot: &'a Snapshot,
    role: Role,
    target: &'a TargetView,
) -> impl Iterator<Item = &'a ActorId> + use<'a> {
    let approved = approvers(snapshot);
    let able = snapshot.people.iter().filter(move |(id, person)| {
        has_role(person, role, target)
            && !had_a_hand(snapshot, id)
            && !approved.contains(id)
            && !snapshot.rejected_by.contains(*id)
    });
    able.map(|(id, _)| id)
}
