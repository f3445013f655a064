//! The catalog as governance files: what the log holds of systems, groups and people.
//!
//! | path | holds |
//! |---|---|
//! | `settings.json` | the environments, and which of them are production |
//! | `systems/NAME.json` | one system: owner, tier, dependencies |
//! | `groups/NAME.json` | one group: its parent |
//! | `people/GROUP.json` | the people whose first group it is: id, kind, level, keys, groups, what they attest. Those without a group: `people/_.json` |
//! | `profiles/GROUP.json` | the same people's names and mails, salted. Can be erased; whoever has no profile has no name and no mail |
//!
//! A publication replaces only the files that change; a file that stays is not parsed again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use countersign_ledger::{Fingerprint, PublicKey};
use serde::{Deserialize, Serialize};

use super::{
    Actor, ActorKind, Actors, Catalog, CatalogError, CatalogSettings, EXPIRES_AFTER_DAYS, Group, Hosted,
    LOOSENING_WAIT_SECS, Level, MAX_LOOSENING_WAIT_SECS, Source, System, Tier,
    index::Index,
    near,
    problem::{Place, Problems},
    resolve,
};
use crate::{
    canonical,
    evidence::{Attests, Scope},
    glob::Globs,
    ids::{ActorId, Environment, EvidenceKind, GroupId, Nonce, SystemId},
    refusal::Refusal,
};

pub const SETTINGS: &str = "settings.json";
const SYSTEMS: &str = "systems/";
const GROUPS: &str = "groups/";
pub(crate) const PEOPLE: &str = "people/";
pub const PROFILES: &str = "profiles/";
pub(crate) const JSON: &str = ".json";
/// In place of a group's name, which cannot begin so.
pub(crate) const NO_GROUP: &str = "_";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    environments: BTreeSet<Environment>,
    /// Whether it is told how long people take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    load_people: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_after_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loosening_wait_secs: Option<u32>,
    production: BTreeSet<Environment>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unseen_approvals: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemFile {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    depends_on: BTreeSet<SystemId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    hosts: BTreeSet<Hosted>,
    owner: GroupId,
    tier: Tier,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<GroupId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonEntry {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    attests: BTreeSet<EvidenceKind>,
    #[serde(default, skip_serializing_if = "Scope::is_everywhere")]
    attests_for: Scope,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    groups: BTreeSet<GroupId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<PublicKey>,
    kind: ActorKind,
    level: Level,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflows: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfilesFile {
    people: BTreeMap<ActorId, Profile>,
    salt: Nonce,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mails: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// One parsed file of the catalog.
#[derive(Debug)]
pub struct CatalogFile(Parsed);

#[derive(Debug)]
enum Parsed {
    Settings(SettingsFile),
    System(SystemId, SystemFile),
    Group(GroupId, GroupFile),
    People(BTreeMap<ActorId, Person>),
    Profiles(BTreeMap<ActorId, Profile>),
}

/// A person's entry, with the fingerprints of its keys, which cost a hash each.
#[derive(Debug)]
struct Person {
    entry: PersonEntry,
    fingerprints: Vec<Fingerprint>,
}

impl CatalogFile {
    /// Parses the file at this path; `None` if no file of a catalog stands there.
    pub fn parse(path: &str, bytes: &[u8]) -> Option<Result<Self, Refusal>> {
        if path == SETTINGS {
            return Some(canonical::from_bytes(bytes, path).map(|file| Self(Parsed::Settings(file))));
        }
        let name = |folder: &str| path.strip_prefix(folder)?.strip_suffix(JSON);
        if let Some(name) = name(SYSTEMS) {
            Some(id(path, name).and_then(|id| Ok(Self(Parsed::System(id, canonical::from_bytes(bytes, path)?)))))
        } else if let Some(name) = name(GROUPS) {
            Some(id(path, name).and_then(|id| Ok(Self(Parsed::Group(id, canonical::from_bytes(bytes, path)?)))))
        } else if let Some(name) = name(PEOPLE) {
            Some(people(path, name, bytes).map(|people| Self(Parsed::People(people))))
        } else if let Some(name) = name(PROFILES) {
            let file = a_group(path, name).and_then(|()| canonical::from_bytes(bytes, path));
            Some(file.map(|file: ProfilesFile| Self(Parsed::Profiles(file.people))))
        } else {
            None
        }
    }
}

/// What a profiles file says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: Option<String>,
    pub mails: BTreeSet<String>,
}

impl CatalogFile {
    /// What a profiles file says of somebody; `None` if it is no such file, or says nothing of them.
    pub fn profile(bytes: &[u8], person: &ActorId) -> Option<Named> {
        let mut file: ProfilesFile = canonical::from_bytes(bytes, PROFILES).ok()?;
        let Profile { mails, name } = file.people.remove(person)?;
        Some(Named { name, mails })
    }

    /// A profiles file without somebody, under another salt, so that what they were called is not guessed from it; `None` if
    /// nobody else is in it.
    pub fn without_profile(bytes: &[u8], person: &ActorId, salt: Nonce) -> Result<Option<Vec<u8>>, Refusal> {
        let ProfilesFile { mut people, salt: _ } = canonical::from_bytes(bytes, PROFILES)?;
        people.remove(person);
        if people.is_empty() {
            return Ok(None);
        }
        canonical::to_bytes(&ProfilesFile { people, salt }).map(Some)
    }

    /// Everybody whom a governance file lists, with the fingerprints of their keys; nobody if it is no file of people.
    pub fn holders(bytes: &[u8]) -> impl Iterator<Item = (ActorId, Vec<Fingerprint>)> {
        let entries: BTreeMap<ActorId, PersonEntry> = serde_json::from_slice(bytes).unwrap_or_default();
        let keys = |entry: PersonEntry| entry.keys.iter().map(PublicKey::fingerprint).collect();
        entries.into_iter().map(move |(person, entry)| (person, keys(entry)))
    }
}

fn id<Id: std::str::FromStr<Err = crate::ids::InvalidId>>(path: &str, name: &str) -> Result<Id, Refusal> {
    name.parse().map_err(|e| Refusal::malformed("governance-path", format!("`{path}`: {e}")))
}

/// Whether a profiles file stands at this path: the only ones that a log may have lost.
pub fn is_profiles(path: &str) -> bool {
    let name = path.strip_prefix(PROFILES).and_then(|name| name.strip_suffix(JSON));
    name.is_some_and(|name| a_group(path, name).is_ok())
}

/// Files of people are named by a group, or by none; even an empty one has no other name, which could lead elsewhere.
fn a_group(path: &str, name: &str) -> Result<(), Refusal> {
    if name == NO_GROUP { Ok(()) } else { id::<GroupId>(path, name).map(|_| ()) }
}

fn people(path: &str, group: &str, bytes: &[u8]) -> Result<BTreeMap<ActorId, Person>, Refusal> {
    a_group(path, group)?;
    let entries: BTreeMap<ActorId, PersonEntry> = canonical::from_bytes(bytes, path)?;
    let mut people = BTreeMap::new();
    for (id, entry) in entries {
        if home(&entry.groups) != group {
            return Err(Refusal::malformed(
                "governance-path",
                format!("{id} is in `{path}`, but belongs into {PEOPLE}{}{JSON}", home(&entry.groups)),
            ));
        }
        let fingerprints = entry.keys.iter().map(PublicKey::fingerprint).collect();
        people.insert(id, Person { entry, fingerprints });
    }
    Ok(people)
}

/// Whose file somebody stands in: their first group's.
fn home(groups: &BTreeSet<GroupId>) -> &str {
    groups.first().map_or(NO_GROUP, GroupId::as_str)
}

impl Catalog {
    /// The governance files of this catalog. `salt` gives the salt of a profiles file: the one that it has, so that a file
    /// in which nothing changed stays the same, or a new one.
    pub fn to_files(&self, salt: impl Fn(&str) -> Nonce) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        let mut files = BTreeMap::new();
        let settings = SettingsFile {
            environments: self.settings.environments.clone(),
            expires_after_days: self.settings.expires_after_days,
            load_people: self.settings.load.people,
            loosening_wait_secs: Some(self.settings.loosening_wait_secs).filter(|secs| *secs != LOOSENING_WAIT_SECS),
            production: self.settings.production.clone(),
            unseen_approvals: self.settings.unseen_approvals,
        };
        files.insert(SETTINGS.to_owned(), canonical::to_bytes(&settings)?);
        for system in self.systems.values() {
            let System { id, owner, tier, depends_on, hosts, source: _ } = system;
            let (depends_on, hosts) = (depends_on.clone(), hosts.clone());
            let file = SystemFile { depends_on, hosts, owner: owner.clone(), tier: *tier };
            files.insert(format!("{SYSTEMS}{id}{JSON}"), canonical::to_bytes(&file)?);
        }
        for group in self.groups.values() {
            let file = GroupFile { parent: group.parent.clone() };
            files.insert(format!("{GROUPS}{}{JSON}", group.id), canonical::to_bytes(&file)?);
        }
        let mut people: BTreeMap<&str, BTreeMap<&ActorId, PersonEntry>> = BTreeMap::new();
        let mut profiles: BTreeMap<&str, BTreeMap<ActorId, Profile>> = BTreeMap::new();
        for actor in self.actors.values() {
            let Actor { id, kind, display_name, level, mails, keys, member_of, attests } = actor;
            let group = home(member_of);
            let entry = PersonEntry {
                attests: attests.kinds.clone(),
                attests_for: attests.only_for.clone(),
                groups: member_of.clone(),
                keys: keys.clone(),
                kind: *kind,
                level: *level,
                workflows: attests.workflows.clone(),
            };
            people.entry(group).or_default().insert(id, entry);
            if display_name.is_some() || !mails.is_empty() {
                let profile = Profile { mails: mails.clone(), name: display_name.clone() };
                profiles.entry(group).or_default().insert(id.clone(), profile);
            }
        }
        for (group, entries) in people {
            files.insert(format!("{PEOPLE}{group}{JSON}"), canonical::to_bytes(&entries)?);
        }
        for (group, people) in profiles {
            let path = format!("{PROFILES}{group}{JSON}");
            let file = ProfilesFile { people, salt: salt(&path) };
            files.insert(path, canonical::to_bytes(&file)?);
        }
        Ok(files)
    }

    /// The salt of a profiles file.
    pub fn salt_of(bytes: &[u8]) -> Option<Nonce> {
        canonical::from_bytes::<ProfilesFile>(bytes, "profiles").ok().map(|file| file.salt)
    }

    /// Puts the parsed files together, and checks that everything they refer to is there and nothing is there twice.
    pub fn assemble<'a>(
        files: impl IntoIterator<Item = (&'a String, &'a Arc<CatalogFile>)>,
    ) -> Result<Self, CatalogError> {
        let mut problems = Problems::default();
        let mut catalog = Self {
            index: Index::default(),
            actors: Actors::default(),
            groups: BTreeMap::new(),
            systems: BTreeMap::new(),
            settings: CatalogSettings {
                environments: BTreeSet::new(),
                production: BTreeSet::new(),
                ..Default::default()
            },
        };
        let mut actors: BTreeMap<ActorId, Actor> = BTreeMap::new();
        let mut holders: HashMap<&Fingerprint, &ActorId> = HashMap::new();
        let mut profiles: Vec<(&String, &BTreeMap<ActorId, Profile>)> = Vec::new();
        for (path, file) in files {
            let at = Place { file: path.clone(), line: None };
            match &file.0 {
                Parsed::Settings(file) => {
                    catalog.settings.environments.clone_from(&file.environments);
                    catalog.settings.production.clone_from(&file.production);
                    catalog.settings.unseen_approvals = file.unseen_approvals;
                    catalog.settings.load.people = file.load_people;
                    let wait = file.loosening_wait_secs.unwrap_or(LOOSENING_WAIT_SECS);
                    catalog.settings.loosening_wait_secs = wait;
                    catalog.settings.expires_after_days = file.expires_after_days;
                    if let Some(days) = file.expires_after_days.filter(|days| !EXPIRES_AFTER_DAYS.contains(days)) {
                        let (least, most) = EXPIRES_AFTER_DAYS.into_inner();
                        let hint = format!("{least} to {most} days; it comes from `catalog:` in countersign.yaml");
                        problems.add(&at, format!("expires_after_days is {days}"), Some(hint));
                    }
                    if wait > MAX_LOOSENING_WAIT_SECS {
                        let most = Some(format!("at most {MAX_LOOSENING_WAIT_SECS}, which is 30 days"));
                        problems.add(&at, format!("loosening_wait_secs is {wait}"), most);
                    }
                    if let Some(unknown) = file.production.difference(&file.environments).next() {
                        problems.add(&at, format!("`{unknown}` is production and no environment"), None);
                    }
                }
                Parsed::System(id, file) => {
                    let SystemFile { depends_on, hosts, owner, tier } = file.clone();
                    let system = System { id: id.clone(), owner, tier, depends_on, hosts, source: Source::default() };
                    catalog.systems.insert(id.clone(), system);
                }
                Parsed::Group(id, file) => {
                    catalog.groups.insert(id.clone(), Group { id: id.clone(), parent: file.parent.clone() });
                }
                Parsed::People(people) => {
                    for (id, person) in people {
                        for fingerprint in &person.fingerprints {
                            if let Some(other) = holders.insert(fingerprint, id) {
                                let what = format!("key {fingerprint} of {id} is {other}'s already");
                                problems.add(&at, what, Some("a key belongs to one actor".to_owned()));
                            }
                        }
                        let PersonEntry { attests, attests_for: only_for, groups, keys, kind, level, workflows } =
                            person.entry.clone();
                        let attests = Attests { kinds: attests, workflows, only_for };
                        if !attests.is_none() && kind != ActorKind::Workload {
                            problems.add(&at, format!("{id} is no workload, and attests nothing"), None);
                        }
                        if let Some(Err(error)) = attests.workflows.as_deref().map(Globs::parse) {
                            problems.add(&at, format!("what steers {id}: {error}"), None);
                        }
                        if let Some(why) = keys.iter().find_map(PublicKey::unfit) {
                            problems.add(&at, format!("a key of {id} is {why}: it can never sign here"), None);
                        }
                        let actor = Actor {
                            id: id.clone(),
                            kind,
                            display_name: None,
                            level,
                            mails: BTreeSet::new(),
                            keys,
                            member_of: groups,
                            attests,
                        };
                        if actors.insert(id.clone(), actor).is_some() {
                            problems.add(&at, format!("{id} is there twice"), None);
                        }
                    }
                }
                Parsed::Profiles(people) => profiles.push((path, people)),
            }
        }
        take_profiles(&mut actors, &profiles, &mut problems);
        catalog.actors = actors.into();
        catalog.check(&mut problems);
        problems.into_result()?;
        catalog.index = Index::of(&catalog.actors, &catalog.groups, holders);
        Ok(catalog)
    }

    /// Every reference resolves, no name is too easily read as another, and the group tree has no cycle.
    fn check(&self, problems: &mut Problems) {
        let place = |folder: &str, name: &str| Place { file: format!("{folder}{name}{JSON}"), line: None };
        if self.settings.environments.is_empty() {
            let at = Place { file: SETTINGS.to_owned(), line: None };
            problems.add(&at, "there is no environment".to_owned(), None);
        }
        let mut seen: BTreeMap<String, &SystemId> = BTreeMap::new();
        for system in self.systems.values() {
            let at = place(SYSTEMS, system.id.as_str());
            if !self.groups.contains_key(&system.owner) {
                problems.add(&at, format!("there is no group `{}`, which owns it", system.owner), None);
            }
            for other in system.depends_on.iter().filter(|other| !self.systems.contains_key(*other)) {
                problems.add(&at, format!("there is no system `{other}`, which it depends on"), None);
            }
            if system.id.is_governance() {
                problems.add(&at, resolve::RESERVED.to_owned(), Some(resolve::RENAME.to_owned()));
            }
            if let Some(first) = seen.insert(near::skeleton(system.id.as_str()), &system.id) {
                problems.add(&at, format!("system `{}` is too easily read as `{first}`", system.id), None);
            }
        }
        for actor in self.actors.values() {
            for group in actor.member_of.iter().filter(|group| !self.groups.contains_key(*group)) {
                let at = place(PEOPLE, home(&actor.member_of));
                problems.add(&at, format!("there is no group `{group}`, which {} is in", actor.id), None);
            }
        }
        for actor in self.actors.values() {
            if let Some(unknown) = self.lacks(&actor.attests.only_for) {
                let at = place(PEOPLE, home(&actor.member_of));
                problems.add(&at, format!("there is no `{unknown}`, for which {} attests", actor.id), None);
            }
        }
        for group in self.groups.values() {
            let at = place(GROUPS, group.id.as_str());
            let mut above = BTreeSet::from([&group.id]);
            let mut next = group.parent.as_ref();
            while let Some(parent) = next {
                if !above.insert(parent) {
                    problems.add(&at, "the groups above it lead back to it".to_owned(), None);
                    break;
                }
                match self.groups.get(parent) {
                    Some(parent) => next = parent.parent.as_ref(),
                    None => {
                        problems.add(&at, format!("there is no group `{parent}` above it"), None);
                        break;
                    }
                }
            }
        }
    }
}

fn take_profiles(
    actors: &mut BTreeMap<ActorId, Actor>,
    files: &[(&String, &BTreeMap<ActorId, Profile>)],
    problems: &mut Problems,
) {
    let mut holders: HashMap<&str, &ActorId> = HashMap::new();
    for (path, people) in files {
        let at = Place { file: (*path).clone(), line: None };
        for (id, profile) in *people {
            for mail in &profile.mails {
                if *mail != mail.trim().to_lowercase() {
                    problems.add(&at, format!("`{mail}` is not in lower case"), None);
                }
                if let Some(other) = holders.insert(mail, id) {
                    problems.add(&at, format!("{mail} of {id} is {other}'s already"), None);
                }
            }
            match actors.get_mut(id) {
                Some(actor) => {
                    actor.mails.clone_from(&profile.mails);
                    actor.display_name.clone_from(&profile.name);
                }
                None => problems.add(&at, format!("there is a profile of {id}, who is nobody"), None),
            }
        }
    }
}
