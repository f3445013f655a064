//! Who approved whose change, as the first target of what landed remembers it.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use crate::{
    approving,
    change::{ApprovalRecord, Change, PermitRecord},
    governance::Governance,
    ids::ActorId,
    refusal::Refusal,
    state::State,
    statement::{OutcomeReport, OutcomeResult},
    take,
};

/// What more people had a hand in, or approved, is nobody's in particular.
const MAX_PEOPLE: usize = 16;

impl State {
    /// The first target of what lands remembers who approved whose change. What went past the rules counts for nobody.
    pub(super) fn tally(&mut self, report: &OutcomeReport, at: Time) -> Result<(), Refusal> {
        let Some(change) = self.change(&report.change)? else { return Ok(()) };
        let first = change.targets.first().filter(|first| report.targets.contains(*first)).cloned();
        let permit = change.permits.iter().find(|permit| permit.statement == report.permit);
        let (OutcomeResult::Applied, Some(first), Some(permit)) = (report.result, first, permit) else { return Ok(()) };
        if permit.broken.is_some() || permit.rollback {
            return Ok(());
        }
        let (of, by) = people(&self.governance, change, permit);
        approving::count(&mut self.target_mut(&first).approving, of, by, at);
        Ok(())
    }
}

impl State {
    /// That somebody was asked to look at how they approve.
    pub(super) fn was_told(&mut self, by: &ActorId, matter: Digest, at: Time) {
        let found = &mut self.person_mut(by).approving;
        found.retain(|_, found| approving::is_recent(*found, at));
        found.insert(matter, at);
    }
}

/// Whose change it is by what they signed, and by whose approvals it landed: names and mails may be erased, and what is kept does not depend on
/// when.
fn people(governance: &Governance, change: &Change, permit: &PermitRecord) -> (BTreeSet<ActorId>, BTreeSet<ActorId>) {
    let hands = take::signed_hands(governance, change);
    let used = |approval: &&ApprovalRecord| {
        let of_it = approval.revision == permit.revision || change.may_carry(approval);
        of_it && approval.at <= permit.issued_at && !hands.contains(&approval.by)
    };
    let by: BTreeSet<ActorId> = change.approvals.iter().filter(used).map(|approval| approval.by.clone()).collect();
    let of: BTreeSet<ActorId> = hands.into_iter().filter(|id| governance.person(id).is_some()).collect();
    let few = |people: BTreeSet<ActorId>| if people.len() > MAX_PEOPLE { BTreeSet::new() } else { people };
    (few(of), few(by))
}
