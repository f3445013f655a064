//! Who may publish what: two people sign, and what makes somebody a senior, or gives a senior another key, is not for people
//! outside of the policy group.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::Signed;
use crate::{
    catalog::{Actor, ActorKind},
    governance::{GRANTING_SIGNATURES, Governance},
    ids::ActorId,
    refusal::Refusal,
    state::State,
    statement::Holder,
};

/// Checks who signed a publication against what it makes of governance.
pub(crate) fn may_publish(state: &State, signed: &Signed, published: &Governance, now: Time) -> Result<(), Refusal> {
    let governance = &*state.governance;
    let signers: BTreeSet<&ActorId> = signed
        .keys()
        .filter_map(|key| governance.catalog.actor_by_key(&key))
        .filter(|actor| actor.kind == ActorKind::Person)
        .map(|actor| &actor.id)
        .collect();
    for signer in &signers {
        let record = state.person(signer)?;
        let mut suspends = record.into_iter().flat_map(|record| record.suspends(now));
        let other = suspends.find_map(|took| match &took.of {
            Holder::Person(other) => Some(other),
            Holder::Gate(_) => None,
        });
        if let Some(other) = other {
            return Err(Refusal::forbidden(
                "suspends-another",
                format!(
                    "{signer} has revoked a key of {other}, which nobody has confirmed, and grants nothing meanwhile"
                ),
            )
            .hint("have a second person confirm it (countersign revoke KEY --confirm), or let others sign"));
        }
    }
    let policy = policy_group(governance);
    let of_policy = signers.iter().filter(|signer| policy.contains(**signer)).count();
    let names = || policy.iter().take(5).map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
    if of_policy == 0 {
        return Err(Refusal::forbidden("policy-group", "nobody of the policy group has signed this")
            .hint(format!("one of those who sign has to be of it: {}", names())));
    }
    let Some(raised) = made_senior(governance, published) else { return Ok(()) };
    let is_senior = |id: &&&ActorId| governance.person(id).is_some_and(|actor| actor.level.is_senior());
    let by_a_senior = governance.catalog.seniors().is_empty() || signers.iter().any(|id| is_senior(&id));
    if of_policy >= GRANTING_SIGNATURES && by_a_senior {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "policy-group",
        format!("this gives {raised} the say of a senior; {GRANTING_SIGNATURES} people of the policy group sign that, one of them a senior"),
    )
    .hint(format!("of the policy group are {}", names())))
}

/// The founders who are still there; where fewer than two are, the seniors beside them; where those are too few, everybody.
fn policy_group(governance: &Governance) -> BTreeSet<&ActorId> {
    let has_a_key = |id: &&ActorId| governance.person(id).is_some_and(|person| !person.keys.is_empty());
    let mut policy: BTreeSet<&ActorId> =
        governance.record.founders.iter().map(|founder| &founder.person).filter(has_a_key).collect();
    for more in [governance.catalog.seniors(), governance.catalog.people()] {
        if policy.len() < GRANTING_SIGNATURES {
            policy.extend(more);
        }
    }
    policy
}

/// Somebody who can speak as a senior by a key that could not before.
fn made_senior<'a>(before: &Governance, after: &'a Governance) -> Option<&'a ActorId> {
    let gains = |actor: &&Actor| {
        let was = before.person(&actor.id);
        let new_key = || actor.keys.iter().any(|key| !was.is_some_and(|was| was.keys.contains(key)));
        let raised = was.is_none_or(|was| was.level < actor.level);
        actor.kind == ActorKind::Person && actor.level.is_senior() && !actor.keys.is_empty() && (raised || new_key())
    };
    after.catalog.actors.values().find(gains).map(|actor| &actor.id)
}
