//! Who is away, and who has a role of theirs meanwhile, because they delegated it.
//!
//! A role that was delegated is there once: where whoever delegated it is there, they have it. While they are away, one of those to
//! whom they delegated it counts as having it, who is there and has it not by themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    delegation::{DelegatedRole, DelegationRecord},
    ids::{ActorId, SystemId, Target},
};

/// Somebody's role that somebody else has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StandIn {
    pub of: ActorId,
    pub role: DelegatedRole,
    /// Empty: wherever the delegator has the role.
    pub targets: BTreeSet<Target>,
    pub to: ActorId,
}

impl From<&DelegationRecord> for StandIn {
    fn from(known: &DelegationRecord) -> Self {
        let DelegationRecord { of, role, targets, to, .. } = known.clone();
        Self { of, role, targets, to }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gone {
    pub people: BTreeSet<ActorId>,
    pub stand_ins: BTreeSet<StandIn>,
}

impl Gone {
    /// With all delegations that stand.
    pub fn of<'a>(people: BTreeSet<ActorId>, standing: impl IntoIterator<Item = &'a DelegationRecord>) -> Self {
        Self { people, stand_ins: standing.into_iter().map(StandIn::from).collect() }
    }

    /// With these away, too.
    pub fn and(mut self, people: impl IntoIterator<Item = ActorId>) -> Self {
        self.people.extend(people);
        self
    }

    /// Leaves out what makes no difference: roles of who is there, and who is away themselves.
    pub fn settle(&mut self) {
        let people = &self.people;
        self.stand_ins.retain(|one| people.contains(&one.of) && !people.contains(&one.to));
    }
}

/// Of each delegator the first who can stand in for them: those who have the role already are no others.
pub(super) fn taken<'a>(
    stand_ins: &'a BTreeSet<StandIn>,
    has: impl Fn(&StandIn) -> bool,
    known: &BTreeSet<&ActorId>,
) -> BTreeSet<&'a ActorId> {
    let mut by: BTreeMap<&ActorId, &ActorId> = BTreeMap::new();
    for one in stand_ins.iter().filter(|one| has(one) && !known.contains(&one.to)) {
        if !by.values().any(|to| **to == one.to) {
            by.entry(&one.of).or_insert(&one.to);
        }
    }
    by.into_values().collect()
}

impl StandIn {
    pub(super) fn is_on(&self, system: &SystemId) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| target.system == *system)
    }
}
