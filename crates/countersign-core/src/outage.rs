//! What a gate did alone, by its own copy of the log, while it could not reach it.
//!
//! ```text
//!  the copy is young enough for the tier ─> the rules, here ─> written down ─> opened     in the outage
//!      the log is back ─> the local permit and its outcome are facts ─> what the log knows by now would have refused it:
//!                                                                       somebody looks at it
//! ```
//!
//! The log takes it however late, and whatever was admitted meanwhile: it has happened. Whether a decision over what the log has
//! by then, without the approvals that came later, would have let it go is worked out once, where it is folded.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use crate::{
    change::Change,
    decision::{Decision, Outcome},
    freeze,
    glass::Alone,
    ids::RuleId,
    refusal::Refusal,
    rollback,
    rules::{
        builtin::{FROZEN, NO_REJECTION},
        decide,
    },
    snapshot::{Applier, Snapshot},
    state::State,
    statement::LocalPermit,
};

/// What the log makes of what a gate decided alone, where it hears of it.
pub(crate) fn heard_of(state: &State, change: &Change, said: &LocalPermit, now: Time) -> Result<Alone, Refusal> {
    // A gate whose clock was ahead chooses no later moment to be judged at.
    let said = LocalPermit { issued_at: said.issued_at.min(now), ..said.clone() };
    Ok(Alone { as_of: said.as_of, ..would_have_gone(state, change, &said)? })
}

fn would_have_gone(state: &State, change: &Change, said: &LocalPermit) -> Result<Alone, Refusal> {
    let stopped = Alone { over: true, ..Alone::default() };
    let current = change.current().filter(|revision| revision.reference == said.revision);
    let Some(revision) = current.filter(|_| change.status.is_open()) else { return Ok(stopped) };
    // Without the names that commits have, nobody is known to be another: what stopped it is asked alone.
    if revision.named.is_empty() && !revision.identities.is_empty() {
        let rejected = change.standing_rejections().next().is_some() || !state.held_by(change)?.is_empty();
        let frozen = freeze::unnamed_freeze(&state.governance, change, &Default::default(), said.issued_at).is_some();
        // Nor whether the rules alone would have let a rollback go.
        let recovers = rollback::view(state, change, said.issued_at)?.is_some();
        return Ok(Alone { over: (rejected || frozen) && !recovers, recovers, ..Alone::default() });
    }
    // What was granted afterwards the gate did not decide by.
    let mut known = change.at_gate(&said.gate);
    known.approvals.retain(|approval| approval.at <= said.issued_at);
    known.waivers.retain(|waiver| waiver.at <= said.issued_at);
    let rules = &state.governance.rules;
    let applier = said.applier.clone().map_or(Applier::Unknown, Applier::Is);
    let snapshot = Snapshot::take(state, &known, said.issued_at)?.applied_by(&applier, rules);
    let decision = decide::decide(rules, &snapshot, said.issued_at);
    let recovers = decision.rollback.is_some();
    Ok(match decision.outcome {
        Outcome::Allow => Alone { recovers, ..Alone::default() },
        Outcome::Deny => {
            let unmet: BTreeSet<RuleId> =
                decision.rules.into_iter().filter(Decision::stops).map(|rule| rule.id).collect();
            let is_a_stop = |rule: &RuleId| [NO_REJECTION, FROZEN].contains(&rule.as_str());
            // What stopped it the gate could not know; what was never there it could.
            let unmet = if unmet.iter().all(is_a_stop) { BTreeSet::new() } else { unmet };
            Alone { over: true, recovers, unmet, ..Alone::default() }
        }
    })
}
