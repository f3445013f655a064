//! Whose absence closes a gate: for each production target the smallest sets of people without whom nobody can let a change through.
//!
//! *Closed* is a target of which no set of those who remain can satisfy all rules that bind, for a change that one of them proposes
//! and of which everything else is as good as it can be. Who waives a rule does not satisfy it: whether that would still open the
//! target is told beside it. Of sets of one and of two people all are found; beyond, bounds. What a set closes each larger one
//! closes, so that only the smallest are told.
//!
//! People of one sort (see `cast.rs`) can stand for each other, so what is gone through is how many of which sort are away.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use countersign_ledger::Time;

use super::{
    ENOUGH, Missing, Way,
    asking::Asking,
    cast::{Cast, Class, Roles, Sort},
    gone::Gone,
    scene::{self, Scene},
};
use crate::{
    catalog::{System, Tier},
    governance::Governance,
    ids::{ActorId, Environment, GroupId, SystemId, Target},
    kind::Kind,
    snapshot::AiStatus,
};

/// Sets of so many people are all found.
pub const EXACT: usize = 2;
/// How many decisions one answer may cost.
const MAX_DECISIONS: usize = 200_000;
/// How many mixtures of sorts are looked at beyond, for each target.
const MAX_BEYOND: usize = 200;
/// In so many orders people come back.
const MAX_FRONTS: usize = 8;
/// As many of one sort as make a difference: the others are like nobody.
const COUNTED: usize = ENOUGH + 1;

/// Which absences close what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    pub gates: Vec<Gate>,
    /// Targets that were not looked at, because it would have cost too much.
    pub unasked: usize,
}

/// What a production target depends on, for changes of some kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub target: Target,
    pub tier: Tier,
    pub kinds: BTreeSet<Kind>,
    pub stands: Stands,
    /// The smallest sets of at most [`EXACT`] people without whom it is closed. None where it is closed already.
    pub closings: Vec<Closing>,
    /// How many have to be away until it is closed: never fewer than the first, never more than the second.
    pub away: (usize, usize),
    /// People without whom it is closed, as many as the second says.
    pub example: Vec<Among>,
}

/// How a target stands with those who are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    Open,
    ByWaiver,
    /// What would be missing, in the best case.
    Closed(Vec<Missing>),
}

/// People without whom a target is closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closing {
    /// So many of each.
    pub of: Vec<Among>,
    /// Whether a waiver by one of those who remain would still open it.
    pub by_waiver: bool,
}

/// Any `count` of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Among {
    pub count: usize,
    pub people: BTreeSet<ActorId>,
}

impl Gate {
    /// What would be missing, where it is closed already.
    pub fn missing(&self) -> &[Missing] {
        match &self.stands {
            Stands::Closed(missing) => missing,
            Stands::Open | Stands::ByWaiver => &[],
        }
    }
}

impl Closing {
    pub fn people(&self) -> usize {
        self.of.iter().map(|among| among.count).sum()
    }
}

/// Looks at every production target, or only at those of one system, while some are away.
pub fn absences(governance: &Governance, only: Option<&SystemId>, gone: &Gone, now: Time) -> Absences {
    let cast = Cast::without(governance, gone);
    let mut looking = Looking { cast: &cast, asking: Asking::new(&cast, now), answers: BTreeMap::new() };
    let mut found = Absences::default();
    let systems = governance.catalog.systems.values().filter(|system| only.is_none_or(|only| system.id == *only));
    for system in systems {
        let roles = cast.roles(&system.id, Some(now));
        let classes = cast.classes(&roles);
        for environment in &governance.catalog.settings.production {
            let of_target = Of { system, environment, roles: roles.clone(), classes: classes.clone() };
            match looking.gates(&of_target) {
                Some(gates) => found.gates.extend(gates),
                None => found.unasked = found.unasked.saturating_add(1),
            }
        }
    }
    found
}

/// One target, and who is there.
struct Of<'a> {
    system: &'a System,
    environment: &'a Environment,
    roles: Roles<'a>,
    classes: Vec<Class<'a>>,
}

/// How many of each class are away.
type Away = Vec<usize>;

fn size(away: &[usize]) -> usize {
    away.iter().sum()
}

fn is_within(smaller: &[usize], larger: &[usize]) -> bool {
    smaller.iter().zip(larger).all(|(few, many)| few <= many)
}

impl<'a> Of<'a> {
    /// With one step more of this class away: the first that makes a difference takes all those who are too many.
    fn step(&self, away: &[usize], class: usize) -> Option<Away> {
        let there = self.classes.get(class)?.people.len();
        let mut more = away.to_vec();
        let of = more.get_mut(class)?;
        let next = of.saturating_add(1).max(there.saturating_sub(ENOUGH));
        (next <= there).then_some(())?;
        *of = next;
        Some(more)
    }

    /// Who they are.
    fn among(&self, away: &[usize]) -> Vec<Among> {
        let classes = self.classes.iter().zip(away).filter(|(_, count)| **count > 0);
        classes
            .map(|(class, count)| Among {
                count: *count,
                people: class.people.iter().map(|id| (*id).clone()).collect(),
            })
            .collect()
    }

    /// Those who remain.
    fn remaining(&self, away: &[usize]) -> Vec<Class<'a>> {
        let left = |(class, away): (&Class<'a>, &usize)| {
            let people: Vec<_> = class.people.iter().skip(*away).take(COUNTED).copied().collect();
            Class { sort: class.sort.clone(), people }
        };
        self.classes.iter().zip(away).map(left).filter(|class| !class.people.is_empty()).collect()
    }
}

/// Everything that an answer depends on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question<'a> {
    tier: Tier,
    environment: &'a Environment,
    owner: Option<GroupId>,
    system: Option<&'a SystemId>,
    kind: Kind,
    here: Vec<(Sort<'a>, usize)>,
}

/// From bad to good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Closed,
    ByWaiver,
    Open,
}

struct Looking<'a> {
    cast: &'a Cast<'a>,
    asking: Asking<'a>,
    answers: BTreeMap<Question<'a>, Answer>,
}

impl<'a> Looking<'a> {
    /// One for each way in which kinds of changes differ; `None` where it would cost too much to find out.
    fn gates(&mut self, of: &Of<'a>) -> Option<Vec<Gate>> {
        let mut gates: Vec<Gate> = Vec::new();
        let kinds = self.asking.kinds;
        for kind in kinds {
            let gate = self.gate(of, *kind)?;
            let same = |known: &&mut Gate| {
                (&known.stands, &known.closings, known.away) == (&gate.stands, &gate.closings, gate.away)
            };
            match gates.iter_mut().find(same) {
                Some(known) => drop(known.kinds.insert(*kind)),
                None => gates.push(gate),
            }
        }
        for gate in gates.iter_mut().filter(|gate| gate.kinds.len() == kinds.len()) {
            gate.kinds = Kind::ALL.into_iter().collect();
        }
        Some(gates)
    }

    fn gate(&mut self, of: &Of<'a>, kind: Kind) -> Option<Gate> {
        let nobody: Away = of.classes.iter().map(|_| 0).collect();
        let stands = match self.ask(of, &nobody, kind)? {
            Answer::Open => Stands::Open,
            Answer::ByWaiver => Stands::ByWaiver,
            Answer::Closed => Stands::Closed(self.missing(of, kind)),
        };
        let mut gate = Gate {
            target: Target { system: of.system.id.clone(), environment: of.environment.clone() },
            tier: of.system.tier,
            kinds: BTreeSet::from([kind]),
            stands,
            closings: Vec::new(),
            away: (0, 0),
            example: Vec::new(),
        };
        if gate.stands != Stands::Open {
            return Some(gate);
        }
        let most = self.at_most(of, kind)?;
        let (closing, at_least) = self.at_least(of, &nobody, size(&most), kind)?;
        let smallest = closing.iter().map(|(away, _)| size(away)).min();
        let example = closing.iter().find(|(away, _)| Some(size(away)) == smallest).map_or(&most, |(away, _)| away);
        gate.away = (at_least, size(example));
        gate.example = of.among(example);
        let small = closing.iter().filter(|(away, _)| size(away) <= EXACT);
        gate.closings = small
            .map(|(away, answer)| Closing { of: of.among(away), by_waiver: *answer == Answer::ByWaiver })
            .collect();
        Some(gate)
    }

    /// Goes through who could be away, fewer before more, up to `most`: those that close it, and how many it takes at least.
    fn at_least(
        &mut self,
        of: &Of<'a>,
        nobody: &Away,
        most: usize,
        kind: Kind,
    ) -> Option<(Vec<(Away, Answer)>, usize)> {
        let mut closing: Vec<(Away, Answer)> = Vec::new();
        let mut next = BTreeSet::from([(0, nobody.clone(), 0)]);
        let mut beyond: usize = 0;
        while let Some((count, away, from)) = next.pop_first() {
            // All that are left are as many or more.
            let found = closing.first().map(|(away, _)| size(away));
            if count > EXACT && (found.is_some() || count >= most || beyond >= MAX_BEYOND) {
                return Some((closing, found.unwrap_or(count.min(most))));
            }
            if closing.iter().any(|(known, _)| is_within(known, &away)) {
                continue;
            }
            if count > 0 {
                beyond = beyond.saturating_add(usize::from(count > EXACT));
                let answer = self.ask(of, &away, kind)?;
                if answer != Answer::Open {
                    closing.push((away, answer));
                    continue;
                }
            }
            // Each mixture is come by once: further steps are of the same class or of one behind it.
            for class in from..of.classes.len() {
                next.extend(of.step(&away, class).map(|more| (size(&more), more, class)));
            }
        }
        let found = closing.first().map_or(most, |(away, _)| size(away));
        Some((closing, found))
    }

    /// A small set that closes it, though there may be a smaller one: from all being away, as many come back as leave it closed.
    fn at_most(&mut self, of: &Of<'a>, kind: Kind) -> Option<Away> {
        let mut order: Vec<usize> = (0..of.classes.len()).collect();
        let there = |class: &usize| of.classes.get(*class).map_or(0, |class| class.people.len());
        order.sort_by_key(|class| Reverse(there(class)));
        let mut best: Option<Away> = None;
        // Whoever comes back first does so in the largest number, so the largest classes have their turn at the front.
        for front in order.iter().copied().take(MAX_FRONTS).collect::<Vec<_>>() {
            let mut away: Away = of.classes.iter().map(|class| class.people.len()).collect();
            for class in std::iter::once(front).chain(order.iter().copied().filter(|class| *class != front)) {
                away = self.fewest_away(of, away, class, kind)?;
            }
            if best.as_ref().is_none_or(|best| size(&away) < size(best)) {
                best = Some(away);
            }
        }
        best
    }

    /// The same with as few of this class away as leave it closed.
    fn fewest_away(&mut self, of: &Of<'a>, away: Away, class: usize, kind: Kind) -> Option<Away> {
        let with = |count: usize| -> Away {
            away.iter().enumerate().map(|(at, all)| if at == class { count } else { *all }).collect()
        };
        let mut known = away.clone();
        // None of them, and then one step after the other: what makes no difference is stepped over.
        let mut trying = Some(with(0));
        while let Some(fewer) = trying {
            if self.ask(of, &fewer, kind)? != Answer::Open {
                known = fewer;
                break;
            }
            trying = of.step(&fewer, class);
        }
        Some(known)
    }

    /// Whether any of those who remain could have a change of the target let through by the others.
    fn ask(&mut self, of: &Of<'a>, away: &[usize], kind: Kind) -> Option<Answer> {
        let here = of
            .classes
            .iter()
            .zip(away)
            .map(|(class, away)| (class.sort.clone(), class.people.len().saturating_sub(*away).min(COUNTED)));
        let question = Question {
            tier: of.system.tier,
            environment: of.environment,
            owner: self.cast.named_owner(&of.system.owner),
            system: self.asking.names_systems.then_some(&of.system.id),
            kind,
            here: here.filter(|(_, count)| *count > 0).collect(),
        };
        if let Some(answer) = self.answers.get(&question) {
            return Some(*answer);
        }
        if self.asking.decisions >= MAX_DECISIONS {
            return None;
        }
        let answer = self.best(of, away, kind).0;
        self.answers.insert(question, answer);
        Some(answer)
    }

    /// The best that comes of it whoever of them proposes, with what is missing where that is nothing.
    fn best(&mut self, of: &Of<'a>, away: &[usize], kind: Kind) -> (Answer, Vec<Missing>) {
        let remaining = of.remaining(away);
        let view = scene::view(of.system, of.environment);
        let scene = Scene::of(self.cast, view, of.roles.clone(), &remaining);
        let mut best = (Answer::Closed, Vec::new());
        let mut by_number: Vec<&Class<'_>> = remaining.iter().collect();
        by_number.sort_by_key(|class| Reverse(class.people.len()));
        for proposer in by_number.iter().filter_map(|class| class.people.first().copied()) {
            match self.asking.ask(&scene, proposer, kind, AiStatus::None) {
                Way::Open => return (Answer::Open, Vec::new()),
                Way::ByWaiver(_) => best.0 = Answer::ByWaiver,
                // Of several the one to whom the least is missing.
                Way::Locked(missing) if best.1.is_empty() || missing.len() < best.1.len() => best.1 = missing,
                Way::Locked(_) => {}
            }
        }
        best
    }

    fn missing(&mut self, of: &Of<'a>, kind: Kind) -> Vec<Missing> {
        let nobody: Away = of.classes.iter().map(|_| 0).collect();
        self.best(of, &nobody, kind).1
    }
}
