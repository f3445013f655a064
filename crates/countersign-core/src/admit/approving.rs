//! Admission of what is said of how approvals are shared: the targets remember these very numbers, and nobody was told lately.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use crate::{
    approving::{LEAST_OWNERS, Sums, WEEKS, is_recent},
    governance::Governance,
    ids::{GroupId, Target},
    refusal::Refusal,
    state::State,
    statement::{MAX_TARGETS, Matter},
};

/// Refuses what the targets do not remember so, and what was found within these weeks.
pub(super) fn bears_out(state: &State, matter: &Matter, now: Time) -> Result<(), Refusal> {
    let (who, targets) = match matter {
        Matter::ApprovesEachOther { first, targets, .. } => (&first.by, targets),
        Matter::CarriesAThird { by, targets, .. } => (by, targets),
        _ => return Ok(()),
    };
    if targets.is_empty() || targets.len() > MAX_TARGETS {
        return Err(Refusal::malformed("finding", format!("it names 1 to {MAX_TARGETS} targets")));
    }
    let found = state.person(who)?.and_then(|record| record.approving.get(&matter.same()));
    if let Some(found) = found.filter(|found| is_recent(**found, now)) {
        return Err(Refusal::conflict(
            "already-found",
            format!("that was found at {found}, and is told once in {WEEKS} weeks"),
        ));
    }
    let mut tallies = Vec::new();
    for target in targets {
        // In a part of the log followers vouch for what landed there.
        let Some(record) = state.what_landed_on(target)? else { return Ok(()) };
        tallies.extend(&record.approving);
    }
    let sums = Sums::of(tallies, now);
    let is_so = match matter {
        Matter::ApprovesEachOther { first, second, .. } => {
            sums.each_other(&first.by, &second.by).is_some_and(|(one, other)| one == *first && other == *second)
        }
        Matter::CarriesAThird { by, given, of, unit, .. } => {
            is_unit(&state.governance, unit, targets)? && sums.third(by) == Some((*given, *of))
        }
        _ => false,
    };
    match is_so {
        true => Ok(()),
        false => Err(Refusal::conflict(
            "not-so-shared",
            "what landed on these targets was not approved so by these people".to_owned(),
        )),
    }
}

/// Whether a group owns all of these, and has so many people that none of them has to give a third.
fn is_unit(governance: &Governance, unit: &GroupId, targets: &BTreeSet<Target>) -> Result<bool, Refusal> {
    let owns = |target: &Target| governance.catalog.systems.get(&target.system).is_some_and(|s| s.owner == *unit);
    Ok(targets.iter().all(owns) && governance.catalog.members(unit).len() >= LEAST_OWNERS)
}
