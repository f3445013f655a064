//! Admission of what a gate let happen while it could not reach the log: a fact, of which it is checked whose it is and what it is
//! about.

use countersign_ledger::Time;

use super::{Authenticated, change::its_targets, name, permit};
use crate::{
    change::{Change, Found},
    governance::Signer,
    ids::GateId,
    permit::PERMIT_SECS,
    refusal::Refusal,
    state::State,
    statement::LocalPermit,
    subject::Transition,
};

/// How far ahead of the log's a gate's clock may have been: what it did has happened all the same, and is judged by what was so when the log
/// heard of it.
const MAX_AHEAD_SECS: i64 = 24 * 60 * 60;

pub(super) fn admit(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &LocalPermit,
    found: &Found,
    now: Time,
) -> Result<(), Refusal> {
    its_targets(change, &said.targets)?;
    match authenticated.signer() {
        Signer::Gate(gate) if *gate == said.gate => {}
        other @ (Signer::Gate(_) | Signer::Actor { .. } | Signer::Server) => {
            return Err(Refusal::forbidden("another-gate", format!("{} is not gate {}", name(other), said.gate)));
        }
    }
    let audience = permit::audience(state, change, authenticated, &said.gate, now)?;
    if said.audience != audience {
        return Err(Refusal::forbidden(
            "another-audience",
            format!("gate {} has key {audience}, not {}", said.gate, said.audience),
        ));
    }
    if let Some(applier) = &said.applier
        && !state.governance.catalog.actors.contains_key(applier)
    {
        return Err(Refusal::unknown("unknown-person", format!("the catalog has no `{applier}`")));
    }
    if change.revision(&said.revision).is_none() {
        return Err(Refusal::conflict("stale-revision", format!("change {} never had that revision", change.id)));
    }
    match &found.transition {
        // Of an earlier revision it is told all the same what happened.
        Some(transition @ Transition::Git(_)) if change.current_ref() == Some(said.revision) => {
            change.fits(transition)?;
        }
        Some(Transition::Git(_)) => {}
        Some(Transition::Apply(_)) => {
            return Err(Refusal::forbidden("another-gate", "a command is run without the log on people's word alone"));
        }
        None => return Err(Refusal::unknown("blob-missing", "the transition is missing")),
    }
    let lease = said.expires_at.secs_since(said.issued_at);
    let knew_later = said.as_of.is_some_and(|as_of| as_of > said.issued_at);
    if lease <= 0 || lease > PERMIT_SECS || said.issued_at.secs_since(now) > MAX_AHEAD_SECS || knew_later {
        return Err(Refusal::malformed("permit-shape", "the permit's times are not as they should be"));
    }
    Ok(())
}

/// Whether this gate may land a change alone: nobody is at it, as far as is known here.
pub fn may_land_alone(change: &Change, gate: &GateId) -> Result<(), Refusal> {
    permit::not_running(change)?;
    permit::not_landing_elsewhere(change, gate)?;
    if change.status.is_open() {
        return Ok(());
    }
    Err(Refusal::conflict("change-closed", format!("change {} is {}", change.id, change.status.as_str())))
}
