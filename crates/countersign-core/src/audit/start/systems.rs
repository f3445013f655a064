//! Areas as systems: which of them are large enough to be one, how much a failure might matter, and who carried them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Parts, Seen, Window,
    territory::{self, MAX_SYSTEMS},
};
use crate::{
    audit::{
        people::IdentityId,
        text::{MAX_SUBJECT_CHARS, shown},
    },
    catalog::{Tier, skeleton},
    ids::{SystemId, entity_name},
};

/// An area that at least this share of the window's changes touch is a system; the others are one together.
pub const SYSTEM_SHARE: f64 = 0.02;
/// Where at least this share of its changes touch a path whose failure is felt, a system is proposed as tier 1, …
pub const TIER_1_SHARE: f64 = 0.5;
/// … and where at least this share do, as tier 2. Nothing is proposed below tier 3: that something matters little is
/// not to be seen in git.
pub const TIER_2_SHARE: f64 = 0.1;
/// Owners are those who carried most of a system, until they carried this share of it together, …
pub const OWNERS_SHARE: f64 = 0.8;
/// … two of them at least, where there are two, and not more than these.
pub const MAX_OWNERS: usize = 8;
const MIN_OWNERS: usize = 2;
/// Classes of the impact table whose failure is felt in production.
const FELT: [&str; 4] = ["infrastructure", "deployment", "access-control", "schema"];
const EVERYTHING_ELSE: &str = "everything-else";
const MAX_NAME_CHARS: usize = 48;

/// Somebody who carried a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub who: IdentityId,
    pub wrote: u32,
    pub looked: u32,
}

impl Owner {
    fn parts(&self) -> u32 {
        self.wrote.saturating_add(self.looked)
    }
}

/// An area that can be a system of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct StartingSystem {
    pub id: SystemId,
    /// The folders, fit to be shown; empty for the files beside them.
    pub folders: Vec<String>,
    /// What a gate is told, so that it knows which paths reach the system.
    pub patterns: Vec<String>,
    pub landed: u64,
    pub tier: Tier,
    /// Classes that gave the tier, with the changes that touch them there; most first.
    pub felt: Vec<(String, u64)>,
    /// Changes that touch any of them.
    pub felt_changes: u64,
    /// Those who carried it, most first.
    pub owners: Vec<Owner>,
    /// Everybody who wrote or looked at anything in it, in the window and of late.
    pub people: usize,
    pub there: usize,
    /// People who looked at changes of others there.
    pub lookers: usize,
}

#[derive(Debug, Default)]
struct Tally {
    landed: u64,
    felt_changes: u64,
    /// By class of the table.
    felt: BTreeMap<usize, u64>,
    people: BTreeMap<IdentityId, Owner>,
    there: BTreeSet<IdentityId>,
}

pub(super) struct Found<'a> {
    seen: Seen<'a>,
    felt: Vec<usize>,
    /// The folders that are systems; the others are one together.
    large: Vec<&'a str>,
    small: BTreeSet<&'a str>,
    /// In the order of `large`, then everything else.
    tallies: Vec<Tally>,
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl<'a> Found<'a> {
    pub fn new(seen: Seen<'a>, window: Window) -> Self {
        let there = territory::folders(seen.files);
        let mut landed: BTreeMap<&str, u64> = BTreeMap::new();
        for touched in seen.touched.iter().skip(window.first) {
            for touch in touched {
                one_more(landed.entry(seen.territory.key(touch.area)).or_default());
            }
        }
        let least = window.changes as f64 * SYSTEM_SHARE;
        // What was moved away or removed since is no system.
        let mut large: Vec<(&str, u64)> = there
            .keys()
            .filter(|key| !key.is_empty())
            .filter_map(|key| landed.get(key).map(|landed| (*key, *landed)))
            .filter(|(_, landed)| *landed as f64 >= least)
            .collect();
        large.sort_by_key(|(key, landed)| (Reverse(*landed), *key));
        large.truncate(MAX_SYSTEMS.saturating_sub(1));
        let large: Vec<&str> = large.into_iter().map(|(key, _)| key).collect();
        let small = there.keys().copied().filter(|key| !large.contains(key)).collect();
        let felt = seen.impact.classes().enumerate().filter(|(_, class)| FELT.contains(class)).map(|(at, _)| at);
        let tallies = std::iter::repeat_with(Tally::default).take(large.len().saturating_add(1)).collect();
        Self { seen, felt: felt.collect(), large, small, tallies }
    }

    pub fn add(&mut self, at: usize, parts: &Parts, recently: bool) {
        let Some(touched) = self.seen.touched.get(at) else { return };
        // What of each class the change touches in each system.
        let mut of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for touch in touched {
            let key = self.seen.territory.key(touch.area);
            let system = match self.large.iter().position(|large| *large == key) {
                Some(system) => system,
                None if self.small.contains(key) => self.large.len(),
                None => continue,
            };
            let felt = self.felt.iter().copied().filter(|class| touch.impact.has(*class));
            of.entry(system).or_default().extend(felt);
        }
        for (system, felt) in of {
            let Some(tally) = self.tallies.get_mut(system) else { continue };
            one_more(&mut tally.landed);
            if !felt.is_empty() {
                one_more(&mut tally.felt_changes);
            }
            for class in felt {
                one_more(tally.felt.entry(class).or_default());
            }
            for who in parts.all() {
                let owner = tally.people.entry(who).or_insert(Owner { who, wrote: 0, looked: 0 });
                owner.wrote = owner.wrote.saturating_add(u32::from(parts.wrote.contains(&who)));
                owner.looked = owner.looked.saturating_add(u32::from(parts.looked.contains(&who)));
            }
            if recently {
                tally.there.extend(parts.all());
            }
        }
    }

    pub fn close(self) -> Vec<StartingSystem> {
        let classes: Vec<&str> = self.seen.impact.classes().collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut systems = Vec::new();
        let rest = self.large.len();
        for (at, tally) in self.tallies.into_iter().enumerate() {
            let (keys, name) = match self.large.get(at) {
                Some(key) => (BTreeSet::from([*key]), *key),
                None if at == rest && !self.small.is_empty() => (self.small.clone(), EVERYTHING_ELSE),
                None => continue,
            };
            let Some(id) = name_of(name, &mut taken) else { continue };
            systems.push(system(id, &keys, tally, &classes));
        }
        systems
    }
}

fn system(id: SystemId, keys: &BTreeSet<&str>, tally: Tally, classes: &[&str]) -> StartingSystem {
    let share = if tally.landed == 0 { 0.0 } else { tally.felt_changes as f64 / tally.landed as f64 };
    let tier = match share {
        share if share >= TIER_1_SHARE => Tier::HIGHEST,
        share if share >= TIER_2_SHARE => Tier::try_from(2).unwrap_or(Tier::HIGHEST),
        _ => Tier::try_from(3).unwrap_or(Tier::HIGHEST),
    };
    let mut felt: Vec<(String, u64)> =
        tally.felt.iter().filter_map(|(class, changes)| Some(((*classes.get(*class)?).to_owned(), *changes))).collect();
    felt.sort_by_key(|(_, changes)| Reverse(*changes));
    StartingSystem {
        id,
        folders: keys.iter().map(|key| shown(key, MAX_SUBJECT_CHARS)).collect(),
        patterns: territory::patterns(keys),
        landed: tally.landed,
        tier,
        felt,
        felt_changes: tally.felt_changes,
        people: tally.people.len(),
        there: tally.there.len(),
        lookers: tally.people.values().filter(|owner| owner.looked > 0).count(),
        owners: owners(tally.people),
    }
}

/// Those who carried most, until they carried nearly all of it together.
fn owners(people: BTreeMap<IdentityId, Owner>) -> Vec<Owner> {
    let all: u32 = people.values().map(Owner::parts).fold(0, u32::saturating_add);
    let enough = f64::from(all) * OWNERS_SHARE;
    let mut owners: Vec<Owner> = people.into_values().collect();
    owners.sort_by_key(|owner| (Reverse(owner.parts()), Reverse(owner.looked), owner.who));
    let mut carried = 0_u32;
    let needed = owners.iter().take_while(|owner| {
        let before = f64::from(carried);
        carried = carried.saturating_add(owner.parts());
        before < enough
    });
    let needed = needed.count().clamp(MIN_OWNERS, MAX_OWNERS);
    owners.truncate(needed);
    owners
}

/// A folder's name as a system's, unlike that of any other to a hurried reader.
fn name_of(folder: &str, taken: &mut BTreeSet<String>) -> Option<SystemId> {
    let short: String = folder.chars().take(MAX_NAME_CHARS).collect();
    let base = entity_name(&short).unwrap_or_else(|| "area".to_owned());
    let numbered = (2_u32..).map(|number| format!("{base}-n{number}"));
    let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(&skeleton(name)))?;
    taken.insert(skeleton(&name));
    name.parse().ok()
}
