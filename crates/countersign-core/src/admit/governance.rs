//! Admission of governance statements.

use countersign_ledger::Digest;

use super::{Authenticated, person};
use crate::{
    governance::{Governance, parse_catalog, parse_rules},
    refusal::Refusal,
    statement::{Amendment, Body, GateRegistration, KeyRevocation, MAX_TARGETS},
};

pub(super) fn admit(
    governance: &Governance,
    authenticated: &Authenticated,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<(), Refusal> {
    match &authenticated.statement.body {
        Body::Genesis(_) => Err(Refusal::conflict("already-founded", "a log has one genesis, its entry 0")),
        Body::Amendment(amendment) => self::amendment(governance, amendment, blob),
        Body::KeyRevocation(revocation) => self::revocation(governance, authenticated, revocation),
        Body::GateRegistration(gate) => self::gate(governance, authenticated, gate),
        Body::Proposal(_)
        | Body::NewRevision(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
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

fn amendment(
    governance: &Governance,
    amendment: &Amendment,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<(), Refusal> {
    if amendment.parent != governance.record.in_force {
        return Err(Refusal::conflict(
            "amendment-overtaken",
            format!(
                "the amendment replaces {}, but {} is in force: somebody else amended in between",
                amendment.parent, governance.record.in_force
            ),
        )
        .hint("make the amendment again on what is in force now"));
    }
    let fetch = |digest: &Digest| {
        blob(digest).ok_or_else(|| Refusal::unknown("blob-missing", format!("blob {digest} is missing")))
    };
    parse_catalog(&fetch(&amendment.catalog)?)?;
    parse_rules(&fetch(&amendment.rules)?)?;
    Ok(())
}

fn revocation(
    governance: &Governance,
    authenticated: &Authenticated,
    revocation: &KeyRevocation,
) -> Result<(), Refusal> {
    person(authenticated, "revoke a key")?;
    if governance.record.revoked.contains(&revocation.key) {
        return Err(Refusal::conflict("already-revoked", format!("key {} is already revoked", revocation.key)));
    }
    let of_a_gate = governance.record.gates.values().any(|gate| gate.key.fingerprint() == revocation.key);
    if of_a_gate || governance.catalog.actor_by_key(&revocation.key).is_some() {
        Ok(())
    } else {
        Err(Refusal::unknown("unknown-key", format!("key {} belongs to nobody in the catalog", revocation.key))
            .hint("a fingerprint reads SHA256:…, as `ssh-keygen -l -f KEY` prints it"))
    }
}

fn gate(governance: &Governance, authenticated: &Authenticated, gate: &GateRegistration) -> Result<(), Refusal> {
    person(authenticated, "register a gate")?;
    if let Some(known) = governance.record.gates.get(&gate.gate)
        && known.key != gate.key
    {
        return Err(Refusal::conflict(
            "gate-exists",
            format!("there is already a gate `{}` with another key", gate.gate),
        )
        .hint("give the gate another name (`--name`), or revoke the old gate's key first"));
    }
    if governance.catalog.actors.keys().any(|id| id.as_str() == gate.gate.as_str()) {
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
        governance.catalog.target(target).map_err(super::change::unknown_target)?;
    }
    Ok(())
}
