//! Admission of what stands in the streams of governance, of people and of gates.

use countersign_ledger::Time;

use super::{Authenticated, person, revocation};
use crate::{
    catalog::UnknownTarget,
    governance::SERVER,
    refusal::Refusal,
    state::State,
    statement::{Body, GateRegistration, MAX_TARGETS, Publication},
};

pub(super) fn admit(state: &State, authenticated: &Authenticated<'_>, now: Time) -> Result<(), Refusal> {
    match &authenticated.statement().body {
        Body::Genesis(_) => Err(Refusal::conflict("already-founded", "a log has one genesis, its entry 0")),
        Body::Publication(publication) => self::publication(state, publication),
        Body::KeyRevocation(said) => revocation::revocation(state, authenticated, said, now),
        Body::RevocationConfirmation(said) => revocation::confirmation(state, authenticated, said, now),
        Body::GateRegistration(gate) => self::gate(state, authenticated, gate, now),
        Body::Proposal(_)
        | Body::NewRevision(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::RejectionSetAside(_)
        | Body::Withdrawal(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::OutcomeReport(_) => Err(Refusal::unknown("unknown-change", "the statement names no change")),
    }
}

/// Compare and swap. Whether the files hold, folding says, which parses them.
fn publication(state: &State, publication: &Publication) -> Result<(), Refusal> {
    let in_force = state.governance.record.in_force;
    if publication.parent == in_force {
        return Ok(());
    }
    Err(Refusal::conflict(
        "publication-overtaken",
        format!(
            "the publication replaces {}, but {in_force} is in force: somebody else published in between",
            publication.parent
        ),
    )
    .hint("make it again on what is in force now"))
}

fn gate(state: &State, authenticated: &Authenticated<'_>, gate: &GateRegistration, now: Time) -> Result<(), Refusal> {
    person(authenticated, "register a gate")?;
    let governance = &state.governance;
    // A gate of that name would be asked in place of the server or of somebody's own machine, and what stands in its stream
    // would not be looked at.
    if gate.gate.as_str() == SERVER || gate.gate.is_its_runners() {
        return Err(Refusal::conflict("gate-name-taken", format!("`{}` is no name for a registered gate", gate.gate))
            .hint("give the gate another name (`--name`)"));
    }
    if let Some(known) = state.gate(&gate.gate)?
        && known.key != gate.key
        && known.key(now).is_some()
    {
        return Err(Refusal::conflict(
            "gate-exists",
            format!("there is already a gate `{}` with another key", gate.gate),
        )
        .hint("give the gate another name (`--name`), or revoke the old gate's key first"));
    }
    if governance.catalog.actors.has_name(gate.gate.as_str()) {
        return Err(Refusal::conflict("gate-name-taken", format!("`{}` is somebody's name in the catalog", gate.gate))
            .hint("give the gate another name (`--name`)"));
    }
    let fingerprint = gate.key.fingerprint();
    let taken = governance.catalog.actor_by_key(&fingerprint).is_some()
        || governance.record.server_key.fingerprint() == fingerprint;
    if taken {
        return Err(Refusal::conflict("key-taken", format!("key {fingerprint} is somebody else's"))
            .hint("a gate has a key of its own"));
    }
    if gate.targets.is_empty() || gate.targets.len() > MAX_TARGETS {
        return Err(Refusal::malformed("gate-targets", format!("a gate guards 1 to {MAX_TARGETS} targets")));
    }
    for target in &gate.targets {
        governance.catalog.target(target).map_err(unknown_target)?;
    }
    Ok(())
}

pub(super) fn unknown_target(unknown: UnknownTarget) -> Refusal {
    Refusal::unknown("unknown-target", unknown.to_string())
}
