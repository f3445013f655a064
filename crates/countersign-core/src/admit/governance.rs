//! Admission of what stands in the streams of governance, of people and of gates.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{
    Authenticated, absence, delegation, drill, epoch, finding, freeze, person, publication, recovery, revocation,
    rotation, subscription,
};
use crate::{
    catalog::UnknownTarget,
    change::Found,
    governance::SERVER,
    refusal::Refusal,
    state::State,
    statement::{Body, Erased, Erasure, GateRegistration, MAX_ERASED, MAX_TARGETS},
};

pub(super) fn admit(state: &State, authenticated: &Authenticated<'_>, found: &Found, now: Time) -> Result<(), Refusal> {
    match &authenticated.statement().body {
        Body::Genesis(_) => Err(Refusal::conflict("already-founded", "a log has one genesis, its entry 0")),
        Body::Publication(publication) => publication::replaces_what_is_in_force(state, &publication.parent),
        Body::KeyRevocation(said) => revocation::revocation(state, authenticated, said, now),
        Body::RevocationConfirmation(said) => revocation::confirmation(state, authenticated, said, now),
        Body::KeyRotation(said) => rotation::rotation(state, authenticated, said),
        Body::Freeze(said) => freeze::freeze(state, authenticated, said, now),
        Body::FreezeLift(said) => freeze::lift(state, authenticated, said, now),
        Body::CalendarFetched(said) => subscription::admit(&state.governance, authenticated, said, found, now),
        Body::Drill(said) => drill::admit(state, said, now),
        Body::Away(said) => absence::away(state, authenticated, said, now),
        Body::Back(said) => absence::back(state, authenticated, said, now),
        Body::Delegation(said) => delegation::delegation(state, authenticated, said, now),
        Body::DelegationEnd(said) => delegation::end(state, authenticated, said, now),
        Body::Recovery(said) => recovery::recovery(state, said),
        Body::GateRegistration(gate) => self::gate(state, authenticated, gate, now),
        Body::Erasure(erasure) => self::erasure(state, erasure),
        Body::Epoch(said) => epoch::admit(authenticated, said),
        Body::Finding(said) => finding::finding(state, authenticated, said, now),
        Body::FindingAnswer(said) => finding::answer(state, authenticated, said, now),
        Body::Proposal(_)
        | Body::NewRevision(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::RejectionSetAside(_)
        | Body::Withdrawal(_)
        | Body::ApprovalWithdrawal(_)
        | Body::Comment(_)
        | Body::Label(_)
        | Body::Schedule(_)
        | Body::Evidence(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::BreakGlass(_)
        | Body::LocalPermit(_)
        | Body::OutcomeReport(_) => Err(Refusal::unknown("unknown-change", "the statement names no change")),
    }
}

/// Facts, subjects, rules and decisions stay for ever. Of a change it is known what may go; what may go of a person's is told by
/// its form, see [`crate::erasing`].
fn erasure(state: &State, erasure: &Erasure) -> Result<(), Refusal> {
    if erasure.blobs.is_empty() || erasure.blobs.len() > MAX_ERASED {
        return Err(Refusal::malformed("erasure", format!("an erasure names 1 to {MAX_ERASED} blobs")));
    }
    match &erasure.of {
        Erased::Change(id) => {
            let change = state.change(id)?;
            let change = change.ok_or_else(|| {
                Refusal::unknown("unknown-change", format!("there is no change {id}"))
                    .hint("list the changes: countersign list")
            })?;
            let erasable = change.erasable();
            match erasure.blobs.iter().find(|blob| !erasable.contains(blob)) {
                Some(blob) => Err(Refusal::forbidden(
                    "not-erasable",
                    format!("{blob} is no text of change {id} and no names of its commits: facts stay"),
                )),
                None => Ok(()),
            }
        }
        Erased::Person(_) => match state.governance.record.files.values().find(|file| erasure.blobs.contains(file)) {
            Some(file) => Err(Refusal::conflict("in-force", format!("{file} is a governance file in force"))
                .hint("publish one without the name first; then the old one can go")),
            None => Ok(()),
        },
    }
}

fn gate(state: &State, authenticated: &Authenticated<'_>, gate: &GateRegistration, now: Time) -> Result<(), Refusal> {
    let by = person(authenticated, "register a gate")?;
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
    // Whoever could say anew what another's gate guards could have it guard something else.
    if let Some(known) = state.gate(&gate.gate)?
        && known.registered_by != by
        && governance.person(&known.registered_by).is_some()
    {
        let whose = &known.registered_by;
        return Err(Refusal::forbidden("anothers-gate", format!("gate `{}` was registered by {whose}", gate.gate))
            .hint(format!("have {whose} register it again, or give this gate another name (`--name`)")));
    }
    if governance.catalog.actors.has_name(gate.gate.as_str()) {
        return Err(Refusal::conflict("gate-name-taken", format!("`{}` is somebody's name in the catalog", gate.gate))
            .hint("give the gate another name (`--name`)"));
    }
    let fingerprint = gate.key.fingerprint();
    let taken = governance.ever_by_key(&fingerprint).is_some()
        || governance.record.server_key.fingerprint() == fingerprint
        || governance.record.was_servers(&gate.key);
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
    watched(gate)
}

/// The most that a gate can only watch, in pairs of branch and target, and the longest name of a branch.
const MAX_WATCHED: usize = 256;
const MAX_BRANCH_BYTES: usize = 200;

/// Whether it is a branch in full, of a length that a leaf has room for.
pub(super) fn is_branch(name: &str) -> bool {
    name.len() <= MAX_BRANCH_BYTES && name.strip_prefix("refs/heads/").is_some_and(|name| !name.is_empty())
}

fn watched(gate: &GateRegistration) -> Result<(), Refusal> {
    let malformed = |what: String| Err(Refusal::malformed("gate-watches", what));
    if gate.watching.is_empty() != gate.map.is_none() {
        return malformed("a gate names its map where it only watches something, and nowhere else".to_owned());
    }
    if gate.watching.values().map(BTreeSet::len).sum::<usize>() > MAX_WATCHED {
        return malformed(format!("a gate watches at most {MAX_WATCHED} targets, counted by branch"));
    }
    for (branch, targets) in &gate.watching {
        if !is_branch(branch) || targets.is_empty() {
            return malformed(format!(
                "what is watched is named by a branch in full (refs/heads/main, at most {MAX_BRANCH_BYTES} bytes) and what \
                 reaches it there"
            ));
        }
        if let Some(target) = targets.iter().find(|target| !gate.targets.contains(*target)) {
            return malformed(format!("the gate is to watch {target} on {branch}, and does not guard it"));
        }
    }
    Ok(())
}

pub(super) fn unknown_target(unknown: UnknownTarget) -> Refusal {
    Refusal::unknown("unknown-target", unknown.to_string())
}
