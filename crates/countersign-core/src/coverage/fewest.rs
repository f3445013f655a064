//! How few people could open a target by any road: who proposes, who approves, and who waives.
//!
//! Rolling back and breaking the glass are apart. What one person cannot do however many hats they wear, nobody counts as two.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{
    MAX_DECISIONS,
    asking::Asking,
    cast::{Cast, Sort},
    scene::Scene,
};
use crate::{
    catalog::Tier,
    decision::{Decision, Strength},
    governance::Governance,
    ids::{ActorId, RuleId, Target},
    kind::Kind,
    refusal::Refusal,
    snapshot::{AiStatus, Snapshot, WaiverView},
};

/// Fewer than these should open nothing in production, and on the highest tier.
pub const FEWEST: usize = 2;
pub const FEWEST_ON_HIGHEST: usize = 3;

/// With more people than so many beside the proposer nobody looks further.
const MOST: usize = 4;

/// The fewest people with whom a change reaches a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub target: Target,
    pub tier: Tier,
    /// For example.
    pub proposer: ActorId,
    pub approve: Vec<ActorId>,
    /// Who besides waives, and which rules; on the highest tier others than approve.
    pub waive: BTreeSet<ActorId>,
    pub waived: BTreeSet<RuleId>,
}

impl Opening {
    pub fn people(&self) -> usize {
        let mut people: BTreeSet<&ActorId> = self.approve.iter().chain(&self.waive).collect();
        people.insert(&self.proposer);
        people.len()
    }

    /// `ada proposes, grace approves and waives documented`.
    pub fn words(&self) -> String {
        let mut parts = vec![format!("{} proposes", self.proposer)];
        let waived: Vec<&str> = self.waived.iter().map(RuleId::as_str).collect();
        let waives = format!("waives {}", waived.join(", "));
        for by in &self.approve {
            let also = if self.waive.contains(by) { format!(" and {waives}") } else { String::new() };
            parts.push(format!("{by} approves{also}"));
        }
        let others = self.waive.iter().filter(|by| !self.approve.contains(by));
        parts.extend(others.map(|by| format!("{by} {waives}")));
        parts.join(", ")
    }

    /// Fewer than there should be, in a home of so many.
    pub fn is_too_few(&self, population: usize) -> bool {
        let least = match self.tier == Tier::HIGHEST && population > FEWEST {
            true => FEWEST_ON_HIGHEST,
            false => FEWEST,
        };
        self.people() < least
    }
}

/// Who opens a target, by their sorts: who proposes, who helps, and a change of which kind.
type By<'a> = (Sort<'a>, Vec<Sort<'a>>, Kind);

/// For each production target the fewest with whom it opens, where so few as are looked for do.
pub fn fewest(governance: &Governance, now: Time) -> Vec<Opening> {
    let cast = Cast::of(governance, &BTreeSet::new());
    let mut asking = Asking::new(&cast, now);
    // Targets of one tier are alike whose people are, unless a rule names one: of those only the names differ.
    let mut known = BTreeMap::new();
    let mut found = Vec::new();
    for system in governance.catalog.systems.values() {
        for environment in &governance.catalog.settings.production {
            let scene = Scene::new(&cast, system, environment);
            let one = asking.names_systems.then(|| system.id.clone());
            let question = (system.tier, environment, cast.named_owner(&system.owner), one, scene.here.clone());
            let by: &Option<By<'_>> = known.entry(question).or_insert_with(|| of_target(&mut asking, &scene));
            found.extend(by.as_ref().and_then(|by| scene.opened(&mut asking, by)));
        }
    }
    found
}

fn of_target<'a>(asking: &mut Asking<'_>, scene: &Scene<'a>) -> Option<By<'a>> {
    let kinds = asking.kinds;
    for size in 1..=MOST {
        let mut proposers = BTreeSet::new();
        for proposer in scene.people.keys().copied() {
            if !proposers.insert(scene.sort(proposer)) {
                continue;
            }
            for picked in scene.picks(proposer, size) {
                for kind in kinds.iter().copied() {
                    if asking.decisions >= MAX_DECISIONS {
                        return None;
                    }
                    if asking.opens(scene, proposer, &picked, kind).is_some() {
                        let sorts = picked.iter().map(|person| scene.sort(person)).collect();
                        return Some((scene.sort(proposer), sorts, kind));
                    }
                }
            }
        }
    }
    None
}

impl<'a> Scene<'a> {
    /// The first of those sorts here.
    fn opened(&self, asking: &mut Asking<'_>, (proposer, sorts, kind): &By<'a>) -> Option<Opening> {
        let mut left: Vec<(Sort<'a>, &'a ActorId)> = self.people.keys().map(|id| (self.sort(id), *id)).collect();
        let mut first = |of: &Sort<'a>| {
            let at = left.iter().position(|(sort, _)| sort == of)?;
            Some(left.remove(at).1)
        };
        let proposer = first(proposer)?;
        let picked = sorts.iter().map(first).collect::<Option<Vec<_>>>()?;
        asking.opens(self, proposer, &picked, *kind)
    }

    /// So many others, one set for each mixture of sorts.
    fn picks(&self, proposer: &ActorId, size: usize) -> Vec<Vec<&'a ActorId>> {
        let mut of_sort: BTreeMap<Sort<'a>, Vec<&'a ActorId>> = BTreeMap::new();
        for person in self.people.keys().copied().filter(|person| *person != proposer) {
            let alike = of_sort.entry(self.sort(person)).or_default();
            if alike.len() < size {
                alike.push(person);
            }
        }
        let mut picks: Vec<Vec<&'a ActorId>> = vec![Vec::new()];
        for alike in of_sort.into_values() {
            let mut more = Vec::new();
            for picked in &picks {
                for count in 0..=alike.len().min(size.saturating_sub(picked.len())) {
                    more.push(picked.iter().chain(alike.iter().take(count)).copied().collect());
                }
            }
            picks = more;
            if picks.len() > MAX_DECISIONS {
                break;
            }
        }
        picks.retain(|picked| picked.len() == size);
        picks
    }
}

impl Asking<'_> {
    /// Whether these few let a change through: all of them approve, or some of them waive.
    fn opens(&mut self, scene: &Scene<'_>, proposer: &ActorId, picked: &[&ActorId], kind: Kind) -> Option<Opening> {
        let opening = |approve: &[&ActorId]| Opening {
            target: scene.view.target.clone(),
            tier: scene.view.tier,
            proposer: proposer.clone(),
            approve: approve.iter().map(|by| (*by).clone()).collect(),
            waive: BTreeSet::new(),
            waived: BTreeSet::new(),
        };
        let all = scene.best(proposer, picked, kind, AiStatus::None);
        let refused = match self.decide(&all) {
            Ok(()) => return Some(opening(picked)),
            Err(refused) => refused,
        };
        if scene.view.tier != Tier::HIGHEST {
            let (snapshot, waive, waived) = self.waived(scene, all, &refused, picked);
            return match !waived.is_empty() && self.decide(&snapshot).is_ok() {
                true => Some(Opening { waive, waived, ..opening(picked) }),
                false => None,
            };
        }
        // There whoever waives does not approve.
        for apart in 0..picked.len() {
            let (waiver, approve): (Vec<_>, Vec<_>) =
                picked.iter().copied().enumerate().partition(|(at, _)| *at == apart);
            let waiver: Vec<&ActorId> = waiver.into_iter().map(|(_, person)| person).collect();
            let approve: Vec<&ActorId> = approve.into_iter().map(|(_, person)| person).collect();
            let snapshot = scene.best(proposer, &approve, kind, AiStatus::None);
            let Err(refused) = self.decide(&snapshot) else { continue };
            let (snapshot, waive, waived) = self.waived(scene, snapshot, &refused, &waiver);
            if !waived.is_empty() && self.decide(&snapshot).is_ok() {
                return Some(Opening { waive, waived, ..opening(&approve) });
            }
        }
        None
    }

    /// The same with what these could waive of what stops it.
    fn waived(
        &self,
        scene: &Scene<'_>,
        mut snapshot: Snapshot,
        refused: &Decision,
        by: &[&ActorId],
    ) -> (Snapshot, BTreeSet<ActorId>, BTreeSet<RuleId>) {
        let (mut people, mut rules) = (BTreeSet::new(), BTreeSet::new());
        let waivable = refused.rules.iter().filter(|rule| Decision::stops(rule) && rule.strength == Strength::Waivable);
        for rule in waivable {
            let group = self.rules.get(&rule.id).and_then(|rule| rule.waivers.as_ref());
            let entitled = |person: &&&ActorId| match group {
                Some(group) => scene.cast.groups.get(group).is_some_and(|members| members.contains(**person)),
                None => scene.is_senior(person),
            };
            if let Some(by) = by.iter().find(entitled) {
                let waiver = WaiverView { rule: rule.id.clone(), by: (*by).clone(), senior: scene.is_senior(by) };
                snapshot.waivers.push(waiver);
                people.insert((*by).clone());
                rules.insert(rule.id.clone());
            }
        }
        // Who waives by being in a group has to be there for that.
        for (group, members) in &scene.cast.groups {
            let here = people.iter().filter(|person| members.contains(*person)).cloned();
            snapshot.groups.entry((*group).clone()).or_default().extend(here);
        }
        snapshot.groups.retain(|_, members| !members.is_empty());
        (snapshot, people, rules)
    }
}

/// Refuses a publication by which fewer people than there should be could open a target, and fewer than could before.
pub fn leaves_enough(before: &Governance, after: &Governance, now: Time) -> Result<(), Refusal> {
    let population = after.catalog.population();
    let few: Vec<Opening> = fewest(after, now).into_iter().filter(|opening| opening.is_too_few(population)).collect();
    if few.is_empty() {
        return Ok(());
    }
    let mut was: BTreeMap<Tier, usize> = BTreeMap::new();
    for opening in fewest(before, now) {
        let fewest = was.entry(opening.tier).or_insert(usize::MAX);
        *fewest = opening.people().min(*fewest);
    }
    let worse = |opening: &&Opening| was.get(&opening.tier).is_none_or(|was| opening.people() < *was);
    match few.iter().find(worse) {
        None => Ok(()),
        Some(opening) => Err(Refusal::malformed(
            "too-few-people",
            format!(
                "by this {} people alone could open {}, which is tier {}: {}",
                opening.people(),
                opening.target,
                u8::from(opening.tier),
                opening.words()
            ),
        )
        .hint(format!(
            "have a rule ask for more that nobody can waive alone: {FEWEST_ON_HIGHEST} people with whoever proposes on tier 1, \
             {FEWEST} in all other production"
        ))),
    }
}
