//! From the past to a home: the people, systems, owners and numbers that a starting home can be written with. A proposal,
//! with what it stands on beside it, for somebody to check.
//!
//! | room | holds |
//! |---|---|
//! | `people` | who is proposed: names, mails, levels |
//! | `territory` | which paths are one area, and the patterns that say so to a gate |
//! | `systems` | areas as systems: tier, owners and their groups |
//!
//! Only changes of a window count, by default those of the [`WINDOW_DAYS`] before the newest: whoever left before is not
//! given authority by having been there. Invariants: the same history gives the same proposal, whatever was in it every
//! name and mail is one that a catalog takes, and nobody is senior or an owner for what git does not say.

mod people;
mod systems;
mod territory;

use std::collections::{BTreeSet, HashMap};

use countersign_core::catalog::Tier;

pub use self::{
    people::{Reserved, SENIOR_FOR, SENIOR_LOOKED, SENIOR_MONTHS, StartingPerson},
    systems::{
        MAX_OWNERS, OWNERS_SHARE, Owner, SYSTEM_SHARE, StartingGroup, StartingSystem, TIER_1_SHARE, TIER_2_SHARE,
    },
    territory::{MAX_MAP, MAX_PATTERNS, Territory, Touch},
};
use super::{
    Areas, Grade,
    areas::{AreasBy, NO_SYSTEM},
    impact::ImpactTable,
    judge::Audited,
    people::{IdentityId, People},
    supports::{self, RECENT_DAYS},
    timeline::{DAY_SECS, timeline},
};

/// The group that everybody is in, which no team can be called.
pub const EVERYONE: &str = "everyone";
/// How far back people are looked for where nobody says otherwise.
pub const WINDOW_DAYS: i64 = 365;
/// As many approvals as the shipped rule asks for on tier 1.
pub const TIER_1_APPROVALS: u32 = 2;

/// A settled history, oldest change first, with where each change went.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub changes: &'a [Audited],
    pub people: &'a People,
    pub impact: &'a ImpactTable,
    pub territory: &'a Territory,
    /// By change.
    pub touched: &'a [Vec<Touch>],
}

/// The changes that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first of them landed, in seconds since the Unix epoch.
    pub oldest: i64,
    /// When the newest change landed.
    pub newest: i64,
    /// How many changes landed before: the position of the first one that counts.
    pub first: usize,
    pub changes: usize,
}

/// What a home can begin with.
#[derive(Clone, Debug)]
pub struct Start {
    pub window: Window,
    /// By id.
    pub people: Vec<StartingPerson>,
    /// People of the history who did nothing in the window.
    pub left_out: usize,
    /// People of the window who are more than a home is begun with.
    pub too_many: usize,
    /// Mails of several people, or that no catalog takes, which were given to nobody.
    pub dropped_mails: usize,
    /// Most changes first; what is small is together in the last one.
    pub systems: Vec<StartingSystem>,
    /// By id.
    pub groups: Vec<StartingGroup>,
    /// Whom `CODEOWNERS` names, and who did nothing in the window or is not to be found in it.
    pub unknown_owners: BTreeSet<String>,
    pub by: AreasBy,
    pub numbers: Numbers,
    system_of: HashMap<u32, usize>,
}

/// The numbers that rules can ask for, and what they stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Approvals on tier 1, at most [`TIER_1_APPROVALS`].
    pub tier_1_approvals: u32,
    /// The system on which that number rests, with the fewest people: its position. None without a system of tier 1.
    pub tier_1_weakest: Option<usize>,
    /// People who wrote or looked at anything in the last [`RECENT_DAYS`].
    pub there: usize,
    /// People who are there and proposed as senior; people who are in the home anyway are.
    pub seniors_there: usize,
    /// Looks at changes of others in the window, each by one person.
    pub looks: u64,
}

/// Whoever had a part in one change, each once.
struct Parts {
    wrote: BTreeSet<IdentityId>,
    looked: BTreeSet<IdentityId>,
}

impl Parts {
    fn of(change: &Audited, people: &People) -> Self {
        let person = |who: &IdentityId| people.is_person(*who).then(|| people.person(*who));
        let looked = match change.grade {
            Grade::Named => change.reviewers.iter().filter_map(person).collect(),
            // Another hand merged it: that is one pair of eyes.
            Grade::OtherHand => change.decisive().and_then(|e| e.who).iter().filter_map(person).collect(),
            Grade::Platform | Grade::Opaque | Grade::SelfApproved | Grade::SelfMerged | Grade::Alone => BTreeSet::new(),
        };
        Self { wrote: change.contributors.iter().filter_map(person).collect(), looked }
    }

    fn all(&self) -> impl Iterator<Item = IdentityId> {
        self.wrote.union(&self.looked).copied()
    }
}

impl Window {
    /// The changes from a time on, or those of the last year; `None` where none landed then.
    pub fn of(changes: &[Audited], since: Option<i64>) -> Option<Self> {
        let times = timeline(changes);
        let newest = times.last().copied()?;
        let from = since.unwrap_or_else(|| newest.saturating_sub(WINDOW_DAYS * DAY_SECS));
        let first = times.iter().position(|at| *at >= from)?;
        let oldest = times.get(first).copied().unwrap_or(from);
        Some(Self { oldest, newest, first, changes: changes.len().saturating_sub(first) })
    }
}

/// What a history supports, or nothing where no change landed in the window. `reserved` are people who will be in the
/// home whatever the history says.
pub fn start(seen: Seen<'_>, since: Option<i64>, reserved: &[Reserved]) -> Option<Start> {
    let window = Window::of(seen.changes, since)?;
    let times = timeline(seen.changes);
    let recent = window.newest.saturating_sub(RECENT_DAYS * DAY_SECS);
    let mut tally = people::Tally::default();
    let mut found = systems::Tallies::new(seen, window);
    let mut there = BTreeSet::new();
    let mut looks = 0_u64;
    for (at, change) in seen.changes.iter().enumerate().skip(window.first) {
        let parts = Parts::of(change, seen.people);
        let recently = times.get(at).is_some_and(|at| *at > recent);
        tally.add(change, &parts, seen.people);
        found.add(at, &parts, recently);
        looks = looks.saturating_add(u64::try_from(parts.looked.len()).unwrap_or(u64::MAX));
        if recently {
            there.extend(parts.all());
        }
    }
    let people::Found { people, left_out, too_many, dropped_mails } = tally.close(seen.people, reserved);
    let systems::Found { systems, groups, unknown_owners, system_of } = found.close(&people);
    let numbers = Numbers { looks, ..numbers(&people, &systems, &there, reserved.len()) };
    let by = seen.territory.by();
    Some(Start {
        window,
        people,
        left_out,
        too_many,
        dropped_mails,
        systems,
        groups,
        unknown_owners,
        by,
        numbers,
        system_of,
    })
}

impl Start {
    /// Lays these systems over the history: what rules are put to. What is in none of them is no system of any tier.
    pub fn lay_over(&self, changes: &mut [Audited], touched: &[Vec<Touch>]) -> Areas {
        let systems = self.systems.iter().map(|system| (system.id.to_string(), Some(system.tier)));
        let nowhere = self.systems.len();
        for (change, touched) in changes.iter_mut().zip(touched) {
            let found: BTreeSet<usize> =
                touched.iter().map(|touch| self.system_of.get(&touch.area).copied().unwrap_or(nowhere)).collect();
            change.areas = found.into_iter().filter_map(|at| u32::try_from(at).ok()).collect();
        }
        Areas::named(systems.chain([(NO_SYSTEM.to_owned(), None)]))
    }
}

fn numbers(
    people: &[StartingPerson],
    systems: &[StartingSystem],
    there: &BTreeSet<IdentityId>,
    reserved: usize,
) -> Numbers {
    let tier_1 = systems.iter().enumerate().filter(|(_, system)| system.tier == Tier::HIGHEST);
    let weakest = tier_1.min_by_key(|(_, system)| system.there).map(|(at, system)| (at, system.there));
    let earned = people.iter().filter(|person| person.earned_senior() && !person.reserved);
    Numbers {
        tier_1_approvals: supports::approvals(weakest.map_or(there.len(), |(_, there)| there)).min(TIER_1_APPROVALS),
        tier_1_weakest: weakest.map(|(at, _)| at),
        there: there.len(),
        seniors_there: earned.filter(|person| there.contains(&person.who)).count().saturating_add(reserved),
        looks: 0,
    }
}
