//! Areas as systems: which of them are one, how much a failure might matter, who carried them, and the groups that own
//! them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use countersign_core::{
    catalog::{Tier, skeleton},
    ids::{GroupId, SystemId, entity_name},
};

use super::{EVERYONE, Parts, Seen, Window, people::StartingPerson};
use crate::{
    areas::AreasBy,
    people::{IdentityId, squashed},
};

/// A folder that at least this share of the window's changes touch is a system; the others are one together.
pub const SYSTEM_SHARE: f64 = 0.02;
/// Most systems that are proposed by folders; a longer list is one that nobody checks.
pub const MAX_SYSTEMS: usize = 30;
/// Most systems that are taken from `CODEOWNERS`, where somebody has stated them.
pub const MAX_STATED: usize = 200;
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

/// Somebody who carried a system, or who `CODEOWNERS` says owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub who: IdentityId,
    pub wrote: u32,
    pub looked: u32,
    /// `CODEOWNERS` names them.
    pub stated: bool,
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
    pub owner: GroupId,
    /// What lies in it, fit to be shown: folders, or patterns of `CODEOWNERS`. Empty for everything else.
    pub holds: Vec<String>,
    /// The owners that `CODEOWNERS` names, as it does; fit to be shown.
    pub stated: Vec<String>,
    /// What a gate is told, so that it knows which paths reach the system.
    pub patterns: Vec<String>,
    pub patterns_left_out: usize,
    pub landed: u64,
    pub tier: Tier,
    /// Classes that gave the tier, with the changes that touch them there; most first.
    pub felt: Vec<(String, u64)>,
    /// Changes that touch any of them.
    pub felt_changes: u64,
    /// Everybody who wrote or looked at anything in it, in the window and of late.
    pub people: usize,
    pub there: usize,
    /// People who looked at changes of others there.
    pub lookers: usize,
}

/// A group that owns systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartingGroup {
    pub id: GroupId,
    /// As `CODEOWNERS` names it, fit to be shown; none of a group that is made up here.
    pub team: Option<String>,
    /// Systems that the history of its members is taken from.
    pub of: Vec<SystemId>,
    /// Whom `CODEOWNERS` names, then those who carried most.
    pub members: Vec<Owner>,
    /// Everybody who had a part.
    pub people: usize,
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

pub(super) struct Tallies<'a> {
    seen: Seen<'a>,
    felt: Vec<(usize, &'a str)>,
    /// Areas that are a system each, most changes first; everything else is one together.
    large: Vec<u32>,
    rest: BTreeSet<u32>,
    system_of: HashMap<u32, usize>,
    /// In the order of `large`, then everything else.
    tallies: Vec<Tally>,
}

pub(super) struct Found {
    pub systems: Vec<StartingSystem>,
    pub groups: Vec<StartingGroup>,
    /// Whom `CODEOWNERS` names and the window does not know.
    pub unknown_owners: BTreeSet<String>,
    /// The system of each area, by its position.
    pub system_of: HashMap<u32, usize>,
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl<'a> Tallies<'a> {
    pub fn new(seen: Seen<'a>, window: Window) -> Self {
        // What was moved away or removed since is no system.
        let there = seen.territory.there();
        let mut landed: BTreeMap<u32, u64> = BTreeMap::new();
        for touch in seen.touched.iter().skip(window.first).flatten() {
            one_more(landed.entry(touch.area).or_default());
        }
        let landed_in = |area: &u32| landed.get(area).copied().unwrap_or_default();
        let (least, most) = match seen.territory.by() {
            AreasBy::Folders => (window.changes as f64 * SYSTEM_SHARE, MAX_SYSTEMS),
            AreasBy::CodeOwners | AreasBy::Catalog => (0.0, MAX_STATED),
        };
        let mut large: Vec<u32> = there
            .iter()
            .copied()
            .filter(|area| !seen.territory.is_rest(*area) && landed_in(area) as f64 >= least)
            .collect();
        large.sort_by_key(|area| (Reverse(landed_in(area)), seen.territory.get(*area).map(|area| &area.name)));
        large.truncate(most);
        let rest: BTreeSet<u32> = there.into_iter().filter(|area| !large.contains(area)).collect();
        let system_of: HashMap<u32, usize> = large.iter().copied().zip(0..).collect();
        let system_of = system_of.into_iter().chain(rest.iter().map(|area| (*area, large.len()))).collect();
        let felt = seen.impact.classes().filter(|(_, class)| FELT.contains(class));
        let tallies = std::iter::repeat_with(Tally::default).take(large.len().saturating_add(1)).collect();
        Self { seen, felt: felt.collect(), large, rest, system_of, tallies }
    }

    pub fn add(&mut self, at: usize, parts: &Parts, recently: bool) {
        let Some(touched) = self.seen.touched.get(at) else { return };
        // What of each class the change touches in each system.
        let mut of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for touch in touched {
            let Some(system) = self.system_of.get(&touch.area) else { continue };
            let felt = self.felt.iter().map(|(class, _)| *class).filter(|class| touch.impact.has(*class));
            of.entry(*system).or_default().extend(felt);
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
                let owner = tally.people.entry(who).or_insert(Owner { who, wrote: 0, looked: 0, stated: false });
                owner.wrote = owner.wrote.saturating_add(u32::from(parts.wrote.contains(&who)));
                owner.looked = owner.looked.saturating_add(u32::from(parts.looked.contains(&who)));
            }
            if recently {
                tally.there.extend(parts.all());
            }
        }
    }

    pub fn close(self, people: &[StartingPerson]) -> Found {
        let known: BTreeSet<IdentityId> = people.iter().map(|person| person.who).collect();
        let handles = self.seen.people.by_handle();
        let mut named = Named { known: &known, handles: &handles, mails: by_mail(people), unknown: BTreeSet::new() };
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let mut groups = Groups { taken: BTreeSet::from([EVERYONE.to_owned()]), ..Groups::default() };
        let mut systems = Vec::new();
        let mut number_of = vec![None; self.tallies.len()];
        for (at, tally) in self.tallies.into_iter().enumerate() {
            let areas = match self.large.get(at) {
                Some(area) => BTreeSet::from([*area]),
                None if !self.rest.is_empty() => self.rest.clone(),
                None => continue,
            };
            let area = self.large.get(at).and_then(|area| self.seen.territory.get(*area));
            let stated = area.map(|area| area.owners.clone()).unwrap_or_default();
            let holds = match (self.seen.territory.by(), area) {
                (_, None) => Vec::new(),
                (AreasBy::Folders, Some(area)) => vec![format!("{}/", crate::shown(&area.name, MAX_NAME_CHARS))],
                (AreasBy::CodeOwners | AreasBy::Catalog, Some(area)) => area.patterns.clone(),
            };
            let name = name_of(area.map(|area| area.name.as_str()), &holds, &stated);
            let Some(id) = unlike(&name, &mut ids) else { continue };
            let Some(owner) = groups.own(&id, &stated, &tally, &mut named) else { continue };
            let (patterns, patterns_left_out) = self.seen.territory.patterns(&areas);
            let (tier, felt) = tier(&tally, &self.felt);
            if let Some(number) = number_of.get_mut(at) {
                *number = Some(systems.len());
            }
            systems.push(StartingSystem {
                owner,
                holds,
                stated,
                patterns,
                patterns_left_out,
                landed: tally.landed,
                tier,
                felt,
                felt_changes: tally.felt_changes,
                people: tally.people.len(),
                there: tally.there.len(),
                lookers: tally.people.values().filter(|owner| owner.looked > 0).count(),
                id,
            });
        }
        let system_of = self
            .system_of
            .into_iter()
            .filter_map(|(area, at)| number_of.get(at).copied().flatten().map(|number| (area, number)));
        Found { systems, groups: groups.close(), system_of: system_of.collect(), unknown_owners: named.unknown }
    }
}

fn tier(tally: &Tally, classes: &[(usize, &str)]) -> (Tier, Vec<(String, u64)>) {
    let share = if tally.landed == 0 { 0.0 } else { tally.felt_changes as f64 / tally.landed as f64 };
    let tier = match share {
        share if share >= TIER_1_SHARE => 1,
        share if share >= TIER_2_SHARE => 2,
        _ => 3,
    };
    let of = |class: &usize| classes.iter().find(|(known, _)| known == class).map(|(_, name)| (*name).to_owned());
    let mut felt: Vec<(String, u64)> =
        tally.felt.iter().filter_map(|(class, changes)| Some((of(class)?, *changes))).collect();
    felt.sort_by_key(|(_, changes)| Reverse(*changes));
    // All three are tiers; the highest is the careful answer if they ever were not.
    (Tier::try_from(tier).unwrap_or(Tier::HIGHEST), felt)
}

/// People by what `CODEOWNERS` may call them.
struct Named<'a> {
    known: &'a BTreeSet<IdentityId>,
    handles: &'a HashMap<String, Option<IdentityId>>,
    mails: BTreeMap<&'a str, IdentityId>,
    unknown: BTreeSet<String>,
}

impl Named<'_> {
    /// Who `@login` or a mail is, if the window knows them.
    fn find(&mut self, owner: &str) -> Option<IdentityId> {
        let found = match owner.strip_prefix('@') {
            Some(login) => self.handles.get(&squashed(login)).copied().flatten(),
            None => self.mails.get(owner.to_lowercase().as_str()).copied(),
        };
        let found = found.filter(|who| self.known.contains(who));
        if found.is_none() {
            self.unknown.insert(owner.to_owned());
        }
        found
    }
}

fn by_mail(people: &[StartingPerson]) -> BTreeMap<&str, IdentityId> {
    people.iter().flat_map(|person| person.mails.iter().map(|mail| (mail.as_str(), person.who))).collect()
}

/// `@org/team`.
fn is_team(owner: &str) -> bool {
    owner.starts_with('@') && owner.contains('/')
}

#[derive(Debug, Default)]
struct Groups {
    /// By team as written, in lower case.
    teams: BTreeMap<String, Team>,
    made: Vec<StartingGroup>,
    taken: BTreeSet<String>,
}

#[derive(Debug)]
struct Team {
    id: GroupId,
    written: String,
    of: Vec<SystemId>,
    people: BTreeMap<IdentityId, Owner>,
}

impl Groups {
    /// The group that owns a system: the one team that is named, or a group of its own.
    fn own(&mut self, system: &SystemId, stated: &[String], tally: &Tally, named: &mut Named<'_>) -> Option<GroupId> {
        let teams: Vec<GroupId> =
            stated.iter().filter(|owner| is_team(owner)).filter_map(|team| self.team(team, system, tally)).collect();
        if let ([team], 1) = (teams.as_slice(), stated.len()) {
            return Some(team.clone());
        }
        let mut members: Vec<Owner> = Vec::new();
        for who in stated.iter().filter(|owner| !is_team(owner)).filter_map(|owner| named.find(owner)) {
            let did = tally.people.get(&who).copied();
            let owner = did.unwrap_or(Owner { who, wrote: 0, looked: 0, stated: true });
            if members.iter().all(|known| known.who != who) {
                members.push(Owner { stated: true, ..owner });
            }
        }
        // Owners who are stated are enough if there are two; others are proposed only where they are not.
        if members.len() < MIN_OWNERS || teams.len() > 1 || (stated.len() > 1 && !teams.is_empty()) {
            for owner in owners(&tally.people, named.known) {
                if members.len() < MAX_OWNERS && members.iter().all(|known| known.who != owner.who) {
                    members.push(owner);
                }
            }
        }
        let id = self.free(&format!("{system}-owners"))?;
        self.made.push(StartingGroup {
            id: id.clone(),
            team: None,
            of: vec![system.clone()],
            members,
            people: tally.people.len(),
        });
        Some(id)
    }

    fn team(&mut self, written: &str, system: &SystemId, tally: &Tally) -> Option<GroupId> {
        let key = written.to_lowercase();
        if !self.teams.contains_key(&key) {
            let plain = written.trim_start_matches('@');
            let name = plain.rsplit('/').next().unwrap_or(plain);
            let short = |text: &str| entity_name(&text.chars().take(MAX_NAME_CHARS).collect::<String>());
            let candidates = [short(name), short(plain)];
            let base = candidates.into_iter().flatten().find(|name| !self.taken.contains(name));
            let id = self.free(base.as_deref().unwrap_or("team"))?;
            let team = Team { id, written: written.to_owned(), of: Vec::new(), people: BTreeMap::new() };
            self.teams.insert(key.clone(), team);
        }
        let team = self.teams.get_mut(&key)?;
        team.of.push(system.clone());
        for (who, did) in &tally.people {
            let owner = team.people.entry(*who).or_insert(Owner { who: *who, wrote: 0, looked: 0, stated: false });
            owner.wrote = owner.wrote.saturating_add(did.wrote);
            owner.looked = owner.looked.saturating_add(did.looked);
        }
        Some(team.id.clone())
    }

    /// Names are cut and plain, so there is one.
    fn free(&mut self, base: &str) -> Option<GroupId> {
        let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
        let name = std::iter::once(base.to_owned()).chain(numbered).find(|name| !self.taken.contains(name))?;
        let id = name.parse().ok()?;
        self.taken.insert(name);
        Some(id)
    }

    fn close(self) -> Vec<StartingGroup> {
        let teams = self.teams.into_values().map(|team| StartingGroup {
            id: team.id,
            team: Some(team.written),
            members: owners(&team.people, &team.people.keys().copied().collect()),
            people: team.people.len(),
            of: team.of,
        });
        let mut groups: Vec<StartingGroup> = teams.chain(self.made).collect();
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        groups
    }
}

/// Those who carried most, until they carried nearly all of it together.
fn owners(people: &BTreeMap<IdentityId, Owner>, known: &BTreeSet<IdentityId>) -> Vec<Owner> {
    let all: u32 = people.values().map(Owner::parts).fold(0, u32::saturating_add);
    let enough = f64::from(all) * OWNERS_SHARE;
    let mut owners: Vec<Owner> = people.values().filter(|owner| known.contains(&owner.who)).copied().collect();
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

/// What to call a system: its folder, or what `CODEOWNERS` says of it.
fn name_of(area: Option<&str>, holds: &[String], stated: &[String]) -> String {
    let Some(area) = area else { return EVERYTHING_ELSE.to_owned() };
    let last = |text: &str| text.trim_matches(['/', '*']).rsplit('/').next().unwrap_or_default().to_owned();
    let named = |text: &String| !text.is_empty() && !text.contains(['*', '?']);
    match (stated, holds) {
        ([], _) => area.to_owned(),
        // One pattern that names a folder is a better name than whoever owns it.
        (_, [pattern]) if named(&last(pattern)) => last(pattern),
        (owners, _) => owners.iter().map(|owner| last(owner.trim_start_matches('@'))).collect::<Vec<_>>().join("-"),
    }
}

/// A name as a system's, unlike that of any other to a hurried reader.
fn unlike(name: &str, taken: &mut BTreeSet<String>) -> Option<SystemId> {
    let short: String = name.chars().take(MAX_NAME_CHARS).collect();
    let base = entity_name(&short).unwrap_or_else(|| "area".to_owned());
    let numbered = (2_u32..).map(|number| format!("{base}-n{number}"));
    let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(&skeleton(name)))?;
    taken.insert(skeleton(&name));
    name.parse().ok()
}
