//! Findings about a change's targets that nobody has answered in time, as rules ask.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use crate::{change::Change, ids::FindingId, refusal::Refusal, state::State};

/// `None` where no rule asks, or the streams that would tell are not at hand.
pub(super) fn overdue(state: &State, change: &Change, now: Time) -> Result<Option<u32>, Refusal> {
    if !state.governance.rules.ask_about("findings") {
        return Ok(None);
    }
    // One that is about several of them is one.
    let mut overdue: BTreeSet<&FindingId> = BTreeSet::new();
    for target in &change.targets {
        let Some(record) = state.what_landed_on(target)? else { return Ok(None) };
        overdue.extend(record.due.iter().filter(|(_, due)| **due < now).map(|(finding, _)| finding));
    }
    Ok(Some(u32::try_from(overdue.len()).unwrap_or(u32::MAX)))
}
