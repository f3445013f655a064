//! Admission of drills: enough of those who are entitled have signed, for a gate that guards that.

use countersign_ledger::Time;

use crate::{
    refusal::Refusal,
    state::State,
    statement::{Drill, MAX_TARGETS},
};

pub(super) fn admit(state: &State, said: &Drill, now: Time) -> Result<(), Refusal> {
    let record = state
        .gate(&said.gate)?
        .ok_or_else(|| Refusal::unknown("unknown-gate", format!("there is no gate `{}`", said.gate)))?;
    if record.key(now).as_ref() != Some(&said.audience) {
        return Err(Refusal::forbidden(
            "another-audience",
            format!("gate {} does not have key {}, or it was revoked", said.gate, said.audience),
        ));
    }
    if let Some(target) = said.targets.iter().find(|target| !record.targets.contains(*target)) {
        return Err(Refusal::forbidden("another-gate", format!("gate {} does not guard {target}", said.gate)));
    }
    match said.targets.is_empty() || said.targets.len() > MAX_TARGETS {
        true => Err(Refusal::malformed("drill", format!("a drill is for 1 to {} targets", MAX_TARGETS))),
        false => Ok(()),
    }
}
