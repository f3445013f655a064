//! What was known before each change: who was there in the year before, who was senior, who owned what. Kept up to date
//! change by change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_core::ids::{ActorId, InvalidId, SystemId};

use super::{OWNER_CHANGES, SENIOR_FRACTION, WINDOW_DAYS};
use crate::{
    areas::Areas,
    conventions::Says,
    judge::Audited,
    people::{IdentityId, People},
    timeline::DAY_SECS,
};

/// Who was there in the year before a change.
pub(super) type There = BTreeMap<ActorId, Person>;

/// What somebody was known to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub senior: bool,
    pub owns: BTreeSet<SystemId>,
}

/// The actors of a history under made-up names, so that ids are valid whatever people are called.
#[derive(Debug, Default)]
pub(super) struct Actors {
    ids: Vec<ActorId>,
    identities: Vec<IdentityId>,
    numbers: HashMap<IdentityId, usize>,
}

impl Actors {
    /// `p17`, one for each person, machine and AI tool.
    pub fn number(&mut self, who: IdentityId) -> Result<usize, InvalidId> {
        if let Some(number) = self.numbers.get(&who) {
            return Ok(*number);
        }
        let number = self.ids.len();
        self.ids.push(format!("p{number}").parse()?);
        self.identities.push(who);
        self.numbers.insert(who, number);
        Ok(number)
    }

    pub fn id(&self, number: usize) -> Option<&ActorId> {
        self.ids.get(number)
    }

    pub fn identity(&self, number: usize) -> Option<IdentityId> {
        self.identities.get(number).copied()
    }

    pub fn number_of(id: &ActorId) -> Option<usize> {
        id.as_str().strip_prefix('p').and_then(|number| number.parse().ok())
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }
}

/// Who did what in one change, by their numbers, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Whoever had a hand in the content, machines and AI tools too.
    pub contributors: Vec<usize>,
    /// The people among them.
    pub authors: Vec<usize>,
    pub reviewers: Vec<usize>,
    /// Authors, reviewers and whoever landed it.
    pub all: Vec<usize>,
}

impl Parts {
    pub fn of(change: &Audited, people: &People, actors: &mut Actors) -> Result<Self, InvalidId> {
        let mut parts = Self::default();
        for who in &change.contributors {
            let number = actors.number(people.person(*who))?;
            parts.contributors.push(number);
            if people.is_person(*who) {
                parts.authors.push(number);
            }
        }
        for who in &change.reviewers {
            parts.reviewers.push(actors.number(people.person(*who))?);
        }
        parts.all.extend(parts.authors.iter().chain(&parts.reviewers));
        for evidence in &change.evidence {
            if evidence.says == Says::Landed
                && let Some(who) = evidence.who.filter(|who| people.is_person(*who))
            {
                parts.all.push(actors.number(people.person(who))?);
            }
        }
        for list in [&mut parts.contributors, &mut parts.authors, &mut parts.reviewers, &mut parts.all] {
            list.sort_unstable();
            list.dedup();
        }
        Ok(parts)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    /// Changes that the person authored, reviewed or landed.
    present: u32,
    /// Changes that the person authored or reviewed.
    worked: u32,
    reviewed: u32,
}

/// The year before a change.
#[derive(Debug, Default)]
pub(super) struct Known {
    activity: Vec<Activity>,
    authored_in: HashMap<(usize, u32), u32>,
    /// The oldest change that is still within the year.
    from: usize,
    day: Option<i64>,
    /// How many changes made somebody senior when that was last looked at, and how many people they were.
    pub senior_from: u32,
    pub seniors: usize,
}

/// The history as far as the year before is counted from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct History<'a> {
    pub changes: &'a [Audited],
    pub times: &'a [i64],
    pub parts: &'a [Parts],
    pub actors: &'a Actors,
    pub systems: &'a [SystemId],
    pub areas: &'a Areas,
}

impl Known {
    pub fn new(actors: &Actors) -> Self {
        Self { activity: vec![Activity::default(); actors.len()], ..Self::default() }
    }

    /// Reviews by a person in the year before.
    pub fn reviewed(&self, number: usize) -> u32 {
        self.activity.get(number).map_or(0, |activity| activity.reviewed)
    }

    /// Forgets what is over a year before this change, and looks once a day who is senior.
    pub fn before(&mut self, at: usize, history: History<'_>, people: &mut There) {
        let now = history.times.get(at).copied().unwrap_or_default();
        let oldest = now.saturating_sub(WINDOW_DAYS * DAY_SECS);
        while self.from < at && history.times.get(self.from).is_some_and(|time| *time < oldest) {
            self.count(self.from, history, people, Step::Forget);
            self.from = self.from.saturating_add(1);
        }
        let day = now.div_euclid(DAY_SECS);
        if self.day != Some(day) {
            self.day = Some(day);
            self.look_who_is_senior(people);
        }
    }

    /// From now on the change is known.
    pub fn after(&mut self, at: usize, history: History<'_>, people: &mut There) {
        self.count(at, history, people, Step::Learn);
    }

    fn count(&mut self, at: usize, history: History<'_>, people: &mut There, step: Step) {
        let (Some(change), Some(parts)) = (history.changes.get(at), history.parts.get(at)) else { return };
        for number in &parts.all {
            let Some(activity) = self.activity.get_mut(*number) else { continue };
            let (authored, reviewed) = (parts.authors.contains(number), parts.reviewers.contains(number));
            step.count(&mut activity.present);
            if authored || reviewed {
                step.count(&mut activity.worked);
            }
            if reviewed {
                step.count(&mut activity.reviewed);
            }
            let present = activity.present > 0;
            let Some(id) = history.actors.id(*number) else { continue };
            if !present {
                people.remove(id);
            } else if !people.contains_key(id) {
                people.insert(id.clone(), Person::default());
            }
            if authored {
                for area in &change.areas {
                    let count = self.authored_in.entry((*number, *area)).or_default();
                    step.count(count);
                    let owns = *count >= OWNER_CHANGES;
                    if *count == 0 {
                        self.authored_in.remove(&(*number, *area));
                    }
                    let (Some(person), Some(system)) = (people.get_mut(id), history.systems.get(*area as usize)) else {
                        continue;
                    };
                    match owns {
                        true if !person.owns.contains(system) => {
                            person.owns.insert(system.clone());
                        }
                        true => {}
                        false => {
                            person.owns.remove(system);
                        }
                    }
                }
            }
        }
    }

    /// The fifth of the people who worked most; whoever worked as much as the last of them is one of them.
    fn look_who_is_senior(&mut self, people: &mut There) {
        let worked = |id: &ActorId| {
            Actors::number_of(id).and_then(|number| self.activity.get(number)).map_or(0, |activity| activity.worked)
        };
        let mut all: Vec<u32> = people.keys().map(worked).collect();
        all.sort_unstable_by_key(|worked| std::cmp::Reverse(*worked));
        let fifth = all.len().div_ceil(SENIOR_FRACTION);
        let from = all.get(fifth.saturating_sub(1)).copied().unwrap_or_default().max(1);
        let mut seniors = 0_usize;
        for (id, person) in people.iter_mut() {
            person.senior = worked(id) >= from;
            seniors = seniors.saturating_add(usize::from(person.senior));
        }
        self.senior_from = from;
        self.seniors = seniors;
    }
}

#[derive(Clone, Copy)]
enum Step {
    Learn,
    Forget,
}

impl Step {
    fn count(self, count: &mut u32) {
        *count = match self {
            Self::Learn => count.saturating_add(1),
            Self::Forget => count.saturating_sub(1),
        };
    }
}
