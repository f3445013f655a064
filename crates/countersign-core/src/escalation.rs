//! Where a finding goes that nobody has answered in time: to the group above the owners of what it is about, else to the policy
//! group. Those who were asked first are asked still; one answer is enough.
//!
//! It follows from the finding, the catalog and the moment: no leaf says it, and whoever replays the log knows it.

use std::collections::BTreeSet;

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Actor, ActorKind},
    governance::Governance,
    ids::{ActorId, GroupId},
    newcomers,
    state::FindingRecord,
    statement::{MAX_LIST, Matter},
};

/// Who is asked besides, since it is overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    pub group: GroupId,
    pub since: Time,
    pub who: BTreeSet<ActorId>,
}

/// `None` of one that is answered, or not due yet, or where nobody else is there.
pub fn escalated(governance: &Governance, record: &FindingRecord, now: Time) -> Option<Escalation> {
    if record.answered.is_some() || now <= record.due {
        return None;
    }
    let actors = record.what.actors();
    let others = |people: BTreeSet<&ActorId>| -> BTreeSet<ActorId> {
        let others = people.into_iter().filter(|person| {
            !record.who.contains(*person) && !record.apart.contains(*person) && !actors.contains(person)
        });
        others.filter(|person| governance.person(person).is_some()).take(MAX_LIST).cloned().collect()
    };
    let above = above(governance, &record.what).map(|group| (others(governance.catalog.members(&group)), group));
    let policy = || (others(governance.policy_group()), GroupId::policy());
    let (who, group) = above.filter(|(who, _)| !who.is_empty()).unwrap_or_else(policy);
    (!who.is_empty()).then_some(Escalation { group, since: record.due, who })
}

/// The group above the owners of the first of its targets that has one.
fn above(governance: &Governance, what: &Matter) -> Option<GroupId> {
    let catalog = &governance.catalog;
    let owner = |target: &crate::ids::Target| catalog.systems.get(&target.system).map(|system| &system.owner);
    what.targets().into_iter().filter_map(owner).find_map(|owner| catalog.groups.get(owner)?.parent.clone())
}

/// Who looks at what those who are named had a hand in, and nobody owns: the policy group without them, where nobody of it is left
/// seniors, else whoever is left. Newcomers whom they enrolled, and who
/// enrolled one of them, come last.
pub fn others(
    governance: &Governance,
    hands: &BTreeSet<ActorId>,
    gone: &BTreeSet<ActorId>,
    now: Time,
) -> BTreeSet<ActorId> {
    let beside = newcomers::all_beside(governance, hands, now);
    let policy = governance.policy_group();
    let people = || {
        let people = governance.catalog.actors.values().filter(|actor| actor.kind == ActorKind::Person);
        people.filter(|person| !hands.contains(&person.id) && !gone.contains(&person.id))
    };
    let ranks: [&dyn Fn(&Actor) -> bool; 3] =
        [&|person| policy.contains(&person.id), &|person| person.level.is_senior(), &|_| true];
    for but in [&beside, &BTreeSet::new()] {
        for rank in ranks {
            let found: BTreeSet<ActorId> = people()
                .filter(|person| !but.contains(&person.id) && rank(person))
                .map(|person| person.id.clone())
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
    }
    BTreeSet::new()
}
