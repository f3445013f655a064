//! Who could supply each thing that the rules ask of a change, now: for one target, without a change.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};

use super::{asking::Asking, cast::Cast, gone::Gone, scene};
use crate::{
    catalog::{ActorKind, System},
    decision::{Mode, Strength},
    explain::{ExplainedRule, Obligation, People, Scene},
    governance::Governance,
    ids::{ActorId, ChangeId, Environment, RuleId},
    rules::decide,
    snapshot::{AiStatus, Builder},
};

/// One rule that applies to a target, and what it asks of a change that has nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    pub rule: RuleId,
    pub mode: Mode,
    pub strength: Strength,
    /// With who can supply it; of what whoever proposes sees to, those who could propose.
    pub asks: Vec<Obligation>,
}

/// Of a change that AI may have assisted, by somebody who is none of them and has said nothing of it.
pub fn supply(
    governance: &Governance,
    system: &System,
    environment: &Environment,
    gone: &Gone,
    now: Time,
) -> Vec<Supply> {
    let cast = Cast::without(governance, gone);
    let there: BTreeSet<ActorId> = cast.people.keys().map(|id| (*id).clone()).collect();
    let seniors = cast.people.values().filter(|actor| cast.is_senior(actor)).map(|actor| actor.id.clone()).collect();
    let roles = cast.roles(&system.id, Some(now));
    let owners = roles.owners;
    let on_call = roles.on_call.into_iter().cloned().collect();
    let away = BTreeSet::new();
    let Ok(nobody) = "somebody-else".parse::<ActorId>() else { return Vec::new() };
    let mut found: BTreeMap<RuleId, Supply> = BTreeMap::new();
    for kind in Asking::new(&cast, now).kinds {
        let bare = Builder::new(ChangeId::of_proposal(&Digest::of("coverage")), *kind)
            .target(scene::view(system, environment))
            .proposed_by(nobody.clone(), ActorKind::Person)
            .paths(cast.paths.clone())
            .ai(AiStatus::Unknown, false)
            .population(governance.catalog.population())
            .build();
        let owned = owners.iter().map(|owner| (&system.id, *owner));
        let people = People::given(&there, &seniors, owned, cast.groups.clone());
        let people = people.who_are(&system.id, &on_call, &away);
        let decision = decide(&governance.rules, &bare, now);
        let mut explaining = Scene::bare(&governance.rules, &bare, people);
        explaining.governance = Some(governance);
        for rule in explaining.explain(&decision, now).rules {
            let ExplainedRule { id, mode, strength, obligations: asks, .. } = rule;
            if !asks.is_empty() && governance.rules.get(&id).is_some() {
                found.entry(id.clone()).or_insert(Supply { rule: id, mode, strength, asks });
            }
        }
    }
    found.into_values().collect()
}
