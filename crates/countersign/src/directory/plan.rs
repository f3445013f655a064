//! What a catalog has to change to say what a directory says: who joins, who leaves, who is in another group.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    catalog::{Actor, ActorKind, Catalog, Level},
    governance::merge,
    ids::{ActorId, GroupId},
};

use super::{DirectoryError, Entry};

/// How many of a hundred people leave, or lose a group, without a word that it is meant; one always can.
const MAX_PERCENT: usize = 10;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// As they are to be, where that is not as they are.
    pub people: BTreeMap<ActorId, Actor>,
    pub leavers: Vec<ActorId>,
    /// What changes, a line each.
    pub lines: Vec<String>,
    /// Groups of the directory that the catalog does not have, with how many people are in each.
    pub other_groups: BTreeMap<String, usize>,
}

impl Plan {
    /// Whom it changes, by the names of governance files' entities.
    pub fn touches(&self) -> BTreeSet<String> {
        let who = self.people.keys().chain(&self.leavers);
        who.flat_map(merge::names_of).collect()
    }
}

/// Compares the two. Memberships in `kept` groups the directory has no say in; `removed` is how many people may leave or lose a
/// group on somebody's word.
pub fn plan(
    catalog: &Catalog,
    entries: &[Entry],
    kept: &BTreeSet<GroupId>,
    removed: usize,
) -> Result<Plan, DirectoryError> {
    let mut plan = Plan::default();
    let mut there: BTreeMap<ActorId, usize> = BTreeMap::new();
    let mut losing = 0_usize;
    for entry in entries {
        let known = known(catalog, entry)?;
        if known.is_none() && !entry.active {
            continue;
        }
        let id = match known {
            Some(actor) => actor.id.clone(),
            None => entry.login.parse().map_err(|e| DirectoryError::Row { row: entry.row, what: format!("{e}") })?,
        };
        if known.is_some_and(|actor| actor.kind != ActorKind::Person) {
            continue;
        }
        if let Some(before) = there.insert(id.clone(), entry.row) {
            return Err(DirectoryError::Row { row: entry.row, what: format!("{id} stands in row {before} already") });
        }
        if !entry.active {
            there.remove(&id);
            continue;
        }
        let wanted = wanted(catalog, known, &id, entry, kept, &mut plan.other_groups);
        if known == Some(&wanted) {
            continue;
        }
        let line = line(known, &wanted);
        losing = losing.saturating_add(usize::from(
            known.is_some_and(|known| known.member_of.difference(&wanted.member_of).next().is_some()),
        ));
        plan.lines.push(line);
        plan.people.insert(id, wanted);
    }
    let people: Vec<&Actor> = catalog.actors.values().filter(|actor| actor.kind == ActorKind::Person).collect();
    for actor in people.iter().filter(|actor| !there.contains_key(&actor.id)) {
        plan.lines.push(format!("{} leaves the catalog, with {} of their keys", actor.id, actor.keys.len()));
        plan.leavers.push(actor.id.clone());
    }
    let gone = losing.saturating_add(plan.leavers.len());
    let most = people.len().saturating_mul(MAX_PERCENT).div_euclid(100).max(1).max(removed);
    match gone > most {
        true => Err(DirectoryError::TooMany { people: gone, of: people.len(), most }),
        false => Ok(plan),
    }
}

/// Whom of the catalog it is: by a mail, which belongs to one, else by what they are called.
fn known<'a>(catalog: &'a Catalog, entry: &Entry) -> Result<Option<&'a Actor>, DirectoryError> {
    let by_mail: BTreeMap<&ActorId, &Actor> =
        entry.mails.iter().filter_map(|mail| catalog.person_by_mail(mail)).map(|actor| (&actor.id, actor)).collect();
    let by_name = entry.login.parse().ok().and_then(|id: ActorId| catalog.actors.get(&id));
    let mut found = by_mail.into_values();
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(DirectoryError::Row {
            row: entry.row,
            what: format!("its mails are those of {} and of {}", one.id, other.id),
        }),
        (Some(one), None) => Ok(Some(one)),
        // A name alone is no proof where the directory knows a mail and the catalog another one.
        (None, _) => match by_name {
            Some(actor) if !actor.mails.is_empty() && !entry.mails.is_empty() => Err(DirectoryError::Row {
                row: entry.row,
                what: format!("the catalog has a {} with other mails: is that the same person?", actor.id),
            }),
            by_name => Ok(by_name),
        },
    }
}

fn wanted(
    catalog: &Catalog,
    known: Option<&Actor>,
    id: &ActorId,
    entry: &Entry,
    kept: &BTreeSet<GroupId>,
    other_groups: &mut BTreeMap<String, usize>,
) -> Actor {
    let mut wanted = known.cloned().unwrap_or_else(|| Actor {
        id: id.clone(),
        kind: ActorKind::Person,
        display_name: None,
        level: Level::Standard,
        mails: BTreeSet::new(),
        keys: Vec::new(),
        member_of: BTreeSet::new(),
        attests: Default::default(),
    });
    wanted.mails.extend(entry.mails.iter().cloned());
    if let Some(name) = &entry.name {
        wanted.display_name = Some(name.clone());
    }
    if let Some(level) = entry.level {
        wanted.level = level;
    }
    if let Some(groups) = &entry.groups {
        wanted.member_of.retain(|group| kept.contains(group));
        for name in groups {
            let group = name.parse().ok().or_else(|| name.to_lowercase().replace(' ', "-").parse().ok());
            match group.filter(|group: &GroupId| catalog.groups.contains_key(group)) {
                Some(group) => drop(wanted.member_of.insert(group)),
                None => {
                    let people = other_groups.entry(name.clone()).or_default();
                    *people = people.saturating_add(1);
                }
            }
        }
    }
    wanted
}

/// What becomes other of somebody.
fn line(known: Option<&Actor>, wanted: &Actor) -> String {
    let names = |groups: &mut dyn Iterator<Item = &GroupId>| {
        groups.map(|group| group.as_str().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let Some(known) = known else {
        let groups = names(&mut wanted.member_of.iter());
        let of = if groups.is_empty() { String::new() } else { format!(" in {groups}") };
        return format!("{} joins as {}{of}, without a key yet", wanted.id, wanted.level.as_str());
    };
    let mut parts = Vec::new();
    let new = names(&mut wanted.member_of.difference(&known.member_of));
    let gone = names(&mut known.member_of.difference(&wanted.member_of));
    if !new.is_empty() {
        parts.push(format!("joins {new}"));
    }
    if !gone.is_empty() {
        parts.push(format!("leaves {gone}"));
    }
    if wanted.level != known.level {
        parts.push(format!("is {}, was {}", wanted.level.as_str(), known.level.as_str()));
    }
    if wanted.mails != known.mails {
        parts.push("has another mail".to_owned());
    }
    if wanted.display_name != known.display_name {
        parts.push("has another name".to_owned());
    }
    format!("{} {}", wanted.id, parts.join(", "))
}
