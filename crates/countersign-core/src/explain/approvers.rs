//! Who could approve what is missing.

use std::collections::BTreeSet;

use super::{
    Scene,
    people::{Found, Wanted, asked},
    words::how_to_approve,
};
use crate::{
    decision::{Missing, RuleDecision},
    delegation::DelegationRecord,
    ids::{ActorId, SystemId},
    requirement::Role,
    snapshot::ApprovalView,
};

impl Scene<'_> {
    /// Who could still approve in a role: no hand in the change, and no verdict on it yet.
    pub(super) fn approvers(
        &self,
        decided: &RuleDecision,
        missing: &Missing,
        role: &Role,
        wanted: &Wanted<'_>,
    ) -> Found {
        let mut excluded = self.spoken();
        excluded.extend(self.carried_by(decided));
        let nearest = |but: &BTreeSet<&ActorId>| self.people.nearest(role, &asked(decided, missing), wanted, but);
        let without: BTreeSet<&ActorId> = excluded.iter().copied().chain(&self.half).collect();
        let found = nearest(&without);
        if !found.who.is_empty() {
            return found;
        }
        // Two of those who enrolled its maker are one, where there is nobody else.
        if !self.half.is_empty() {
            let found = nearest(&excluded);
            if !found.who.is_empty() {
                return found;
            }
        }
        // Whoever only rejected it could, after lifting that.
        let mut excluded = self.spoken_otherwise();
        excluded.extend(self.carried_by(decided));
        nearest(&excluded)
    }

    /// Whether somebody could approve in a role, also again: by what was delegated to them since they approved.
    pub(super) fn could_still(&self, person: &ActorId, role: &Role, systems: &BTreeSet<&SystemId>) -> bool {
        let before = self.snapshot.approvals.iter().find(|approval| approval.by == *person);
        let says_more = |before: &ApprovalView| {
            let is_new =
                |known: &DelegationRecord| before.delegated.iter().all(|lent| lent.statement != known.statement);
            !self.people.has_it_themselves(person, role, systems)
                && self.people.lender(person, role, systems).is_some_and(is_new)
        };
        self.people.could_approve(person, role, systems) && before.is_none_or(says_more)
    }

    pub(super) fn rejected(&self, person: &ActorId) -> bool {
        self.snapshot.rejected_by.contains(person) || self.snapshot.held_by.contains(person)
    }

    /// How somebody of these approves.
    pub(super) fn how_to_approve(&self, found: &Found) -> String {
        let how = how_to_approve(&self.snapshot.change);
        match found.who.iter().any(|person| self.rejected(person)) {
            true => format!("{how} once they have lifted their rejection"),
            false => how,
        }
    }

    /// Whoever cannot approve any more, or not yet: who had a hand in it, and who has said something of it.
    pub(super) fn spoken(&self) -> BTreeSet<&ActorId> {
        let mut spoken = self.spoken_otherwise();
        spoken.extend(&self.snapshot.rejected_by);
        spoken.extend(&self.snapshot.held_by);
        spoken
    }

    /// The same but for who only rejected it.
    fn spoken_otherwise(&self) -> BTreeSet<&ActorId> {
        let mut spoken = self.contributors();
        spoken.extend(self.snapshot.approvals.iter().map(|approval| &approval.by));
        spoken.extend(&self.snapshot.cleared_by);
        spoken.extend(self.snapshot.together.keys());
        spoken.extend(&self.together);
        spoken
    }
}
