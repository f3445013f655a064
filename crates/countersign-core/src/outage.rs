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

use crate::{
    change::Change,
    decision::Outcome,
    freeze,
    glass::Alone,
    refusal::Refusal,
    rollback,
    rules::decide,
    snapshot::{Applier, Snapshot},
    state::State,
    statement::LocalPermit,
};

/// What the log makes of what a gate decided alone, where it hears of it.
pub(crate) fn heard_of(state: &State, change: &Change, said: &LocalPermit) -> Result<Alone, Refusal> {
    let current = change.current().filter(|revision| revision.reference == said.revision);
    let Some(revision) = current.filter(|_| change.status.is_open()) else {
        return Ok(Alone { over: true, recovers: false });
    };
    // Without the names that commits have, nobody is known to be another: what stopped it is asked alone.
    if revision.named.is_empty() && !revision.identities.is_empty() {
        let rejected = change.standing_rejections().next().is_some() || !state.held_by(change)?.is_empty();
        let frozen = freeze::unnamed_freeze(&state.governance, change, &Default::default(), said.issued_at).is_some();
        // Nor whether the rules alone would have let a rollback go.
        let recovers = rollback::view(state, change, said.issued_at)?.is_some();
        return Ok(Alone { over: (rejected || frozen) && !recovers, recovers });
    }
    // What was granted afterwards the gate did not decide by.
    let mut known = change.clone();
    known.approvals.retain(|approval| approval.at <= said.issued_at);
    known.waivers.retain(|waiver| waiver.at <= said.issued_at);
    let rules = &state.governance.rules;
    let applier = said.applier.clone().map_or(Applier::Unknown, Applier::Is);
    let snapshot = Snapshot::take(state, &known, said.issued_at)?.applied_by(&applier, rules);
    let decision = decide::decide(rules, &snapshot, said.issued_at);
    let over = match decision.outcome {
        Outcome::Allow => false,
        Outcome::Deny => true,
    };
    Ok(Alone { over, recovers: decision.rollback.is_some() })
}
