//! Who may register a gate: what it says of its targets counts for everybody who goes through them.
//!
//! Invariant: what one repository brings to a target is said by the gates of one person, until others take that over.

use crate::{
    governance::Governance,
    ids::{ActorId, Target},
    refusal::Refusal,
    state::{GateRecord, State},
    statement::{GateRegistration, gate_stream},
};

/// How many gates guard a target at a time.
const MAX_GUARDS: usize = 64;

/// Whether somebody may have a gate speak for a target: an owner, a senior, a member of the policy group.
pub fn may_register(governance: &Governance, by: &ActorId, target: &Target) -> bool {
    governance.owns(by, &target.system)
        || governance.person(by).is_some_and(|person| person.level.is_senior())
        || governance.policy_group().contains(by)
}

pub(super) fn registers(state: &State, by: &ActorId, gate: &GateRegistration) -> Result<(), Refusal> {
    let known = state.gate(&gate.gate)?;
    // What it guards already, it goes on guarding, whatever became of who registered it.
    let is_new = |target: &&Target| {
        known.is_none_or(|known| known.repository != gate.repository || !known.targets.contains(*target))
    };
    if !state.is_by_later() {
        for target in gate.targets.iter().filter(is_new) {
            entitled(&state.governance, by, target)?;
        }
    }
    for target in &gate.targets {
        beside_others(state, by, gate, target)?;
    }
    Ok(())
}

fn entitled(governance: &Governance, by: &ActorId, target: &Target) -> Result<(), Refusal> {
    if may_register(governance, by, target) {
        return Ok(());
    }
    let owners: Vec<&str> = governance.catalog.owners(&target.system).into_iter().map(|owner| owner.as_str()).collect();
    let who = match owners.is_empty() {
        true => "a senior or a member of the policy group".to_owned(),
        false => format!("an owner ({}), a senior or a member of the policy group", owners.join(", ")),
    };
    Err(Refusal::forbidden(
        "not-owner",
        format!(
            "{by} neither owns {target} nor is a senior or of the policy group, and what a gate says of a target counts for everybody"
        ),
    )
    .hint(format!("let {who} install it: countersign gate install REPO … --key THEIR_KEY")))
}

/// Nobody puts a gate of their own beside another's, under the same repository's name.
fn beside_others(state: &State, by: &ActorId, gate: &GateRegistration, target: &Target) -> Result<(), Refusal> {
    // Of a part of a log followers vouch for what its targets know.
    let Some(record) = state.what_landed_on(target)? else { return Ok(()) };
    let mut guards = 0_usize;
    for other in record.guards.iter().filter(|other| **other != gate.gate) {
        if !state.knows(&gate_stream(other.as_str())?) {
            continue;
        }
        let Some(guard) = state.gate(other)?.filter(|guard| guard.targets.contains(target) && !guard.is_retired())
        else {
            continue;
        };
        guards = guards.saturating_add(1);
        if guard.repository == gate.repository && guard.registered_by != *by && is_there(state, guard) {
            let (repository, whose, key) = (&gate.repository, &guard.registered_by, guard.key.fingerprint());
            return Err(Refusal::forbidden(
                "anothers-repository",
                format!("gate {other}, which {whose} registered, guards what repository {repository} brings to {target}"),
            )
            .hint(format!(
                "have {whose} install it, too; where {other} is gone or {whose} cannot, one person revokes its key (countersign \
                 revoke {key}), a second confirms that (--confirm), and then it is yours to install. Of another repository, give it \
                 its own name: --repository NAME"
            )));
        }
    }
    if guards >= MAX_GUARDS {
        return Err(Refusal::conflict(
            "too-many-gates",
            format!("{guards} gates guard {target}, and that is the most"),
        )
        .hint("revoke the keys of those that are gone: countersign revoke KEY"));
    }
    Ok(())
}

fn is_there(state: &State, guard: &GateRecord) -> bool {
    state.governance.person(&guard.registered_by).is_some()
}
