//! Calendars as people keep them: `calendars/NAME.yaml`, which says what `NAME.ics` beside it is for.
//!
//! ```yaml
//! use: freeze
//! tiers: [1, 2]
//! may-pass: [incident, security]
//! because: Most orders of the year.
//! ```

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;
use serde::Deserialize;

use super::{
    CALENDARS, CalendarFile, Event, FetchedFile, Pass, Problem, Scope, Use, Zone, belongs_elsewhere,
    ics::{self, Written},
    is_name,
};
use crate::{
    catalog::{Actor, ActorKind, Catalog, Tier, near},
    ids::{ActorId, Environment, GroupId, SystemId},
    kind::Kind,
    refusal::Refusal,
};

pub const YAML: &str = ".yaml";
pub const ICS: &str = ".ics";
pub const MAX_YAML_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Says {
    #[serde(rename = "use")]
    used: Use,
    #[serde(default)]
    because: Option<String>,
    #[serde(default)]
    file: Option<String>,
    /// An address where somebody else keeps it.
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    environments: BTreeSet<Environment>,
    #[serde(default)]
    tiers: BTreeSet<Tier>,
    #[serde(default)]
    systems: BTreeSet<SystemId>,
    #[serde(default)]
    kinds: BTreeSet<Kind>,
    #[serde(default)]
    paths: Option<String>,
    #[serde(default)]
    may_pass: BTreeSet<String>,
    #[serde(default)]
    groups: BTreeSet<GroupId>,
    #[serde(default)]
    group: Option<GroupId>,
    #[serde(default)]
    working_hours: Option<super::WorkingHours>,
    /// Whom all of its events are about.
    #[serde(default)]
    person: Option<ActorId>,
    /// What events call people, and who those are; nobody where it is empty.
    #[serde(default)]
    people: BTreeMap<String, Option<ActorId>>,
}

const SAYS: &str = "what it says: use, file, from, zone, environments, tiers, systems, kinds, paths, may-pass, because; of holidays groups and \
                    working-hours; of on-call group, of on-call and absence person or people";

/// The calendars that a home's `calendars/` comes to. `files` are by their names in the folder.
pub fn calendars(
    files: &BTreeMap<String, Vec<u8>>,
    catalog: &Catalog,
) -> Result<BTreeMap<String, CalendarFile>, Refusal> {
    let mut calendars = BTreeMap::new();
    let mut read: BTreeSet<String> = BTreeSet::new();
    for (yaml, bytes) in files {
        let Some(name) = yaml.strip_suffix(YAML) else { continue };
        let at = format!("{CALENDARS}{yaml}");
        if !is_name(name) {
            return Err(Problem::new(
                &at,
                None,
                "the name of a calendar is in small letters, digits and `-`".to_owned(),
            )
            .into());
        }
        let says = parse(&at, bytes)?;
        let ics = says.file.clone().unwrap_or_else(|| format!("{name}{ICS}"));
        let one = Reader { at: &at, says: &says, catalog };
        calendars.insert(name.to_owned(), one.calendar(&ics, files.get(&ics).map(Vec::as_slice))?);
        read.insert(ics);
    }
    if let Some(alone) = files.keys().find(|name| name.ends_with(ICS) && !read.contains(*name)) {
        let name = alone.strip_suffix(ICS).unwrap_or(alone);
        return Err(Problem::new(&format!("{CALENDARS}{alone}"), None, "nothing says what it is for".to_owned())
            .hint(format!("write {CALENDARS}{name}{YAML} beside it, such as `use: freeze`"))
            .into());
    }
    Ok(calendars)
}

impl Says {
    /// Nothing but what it is for.
    fn only(used: Use) -> Self {
        Self {
            used,
            because: None,
            file: None,
            from: None,
            zone: None,
            environments: BTreeSet::new(),
            tiers: BTreeSet::new(),
            systems: BTreeSet::new(),
            kinds: BTreeSet::new(),
            paths: None,
            may_pass: BTreeSet::new(),
            groups: BTreeSet::new(),
            group: None,
            working_hours: None,
            person: None,
            people: BTreeMap::new(),
        }
    }
}

/// What an address says of a calendar that is subscribed to there, as far as it lies in the year behind this moment: when it freezes, or
/// who of the catalog is away. Whom nobody knows is left out, since nobody here wrote it.
pub fn fetched(
    name: &str,
    file: &CalendarFile,
    bytes: &[u8],
    catalog: &Catalog,
    now: Time,
) -> Result<FetchedFile, Refusal> {
    let (mut events, _) = read_fetched(name, file, bytes, catalog, now)?;
    events.sort_by_cached_key(|event| (event.start, event.lasts, serde_json::to_string(event).unwrap_or_default()));
    events.dedup();
    let fetched = FetchedFile { events };
    FetchedFile::parse(name, &fetched.to_bytes()?)
}

/// Whom it names that nobody here is, and whose absence is therefore left out.
pub fn unknown(
    name: &str,
    file: &CalendarFile,
    bytes: &[u8],
    catalog: &Catalog,
    now: Time,
) -> Result<BTreeSet<String>, Refusal> {
    read_fetched(name, file, bytes, catalog, now).map(|(_, unknown)| unknown)
}

fn read_fetched(
    name: &str,
    file: &CalendarFile,
    bytes: &[u8],
    catalog: &Catalog,
    now: Time,
) -> Result<(Vec<Event>, BTreeSet<String>), Refusal> {
    let at = format!("{CALENDARS}{name}{YAML}");
    let (_, written) = ics::read(&at, bytes, Some(&file.zone))?;
    let says = Says::only(file.used);
    let reader = Reader { at: &at, says: &says, catalog };
    let (mut events, mut unknown) = (Vec::new(), BTreeSet::new());
    for one in written.into_iter().filter(|one| !one.event.spans(now, now.plus_secs(AHEAD_SECS)).is_empty()) {
        match file.used {
            Use::Freeze => events.push(one.event),
            Use::Absence => {
                let named = one.attendees.iter().map(String::as_str);
                let named = named.chain(Some(one.summary.as_str()).filter(|_| one.attendees.is_empty()));
                let mut people: BTreeSet<ActorId> = BTreeSet::new();
                for name in named {
                    match reader.called(name) {
                        Ok(person) => people.extend(person),
                        Err(_) => drop(unknown.insert(name.to_owned())),
                    }
                }
                events.extend(people.into_iter().map(|person| Event { person: Some(person), ..one.event.clone() }));
            }
            Use::Window | Use::Holiday | Use::OnCall => {}
        }
    }
    Ok((events, unknown))
}

/// How far ahead is taken of what an address says.
const AHEAD_SECS: i64 = 366 * 24 * 60 * 60;

fn parse(at: &str, bytes: &[u8]) -> Result<Says, Problem> {
    let wrong = |what: String| Problem::new(at, None, what).hint(SAYS);
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text".to_owned()))?;
    if text.len() > MAX_YAML_BYTES {
        return Err(wrong(format!("{} bytes are more than {MAX_YAML_BYTES}", text.len())));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 16, max_nodes: 10_000, max_anchors: 0, max_aliases: 0 },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(error.to_string()))
}

struct Reader<'a> {
    at: &'a str,
    says: &'a Says,
    catalog: &'a Catalog,
}

impl Reader<'_> {
    fn wrong(&self, what: impl Into<String>) -> Problem {
        Problem::new(self.at, None, what.into())
    }

    fn calendar(&self, ics: &str, bytes: Option<&[u8]>) -> Result<CalendarFile, Refusal> {
        let says = self.says;
        let zone = says.zone.as_deref().map(Zone::called).transpose().map_err(|error| {
            let near = error.near.as_ref().map(|near| format!("did you mean {near}?"));
            self.wrong(error.to_string())
                .hint("zones are named as in the IANA database, such as Europe/Berlin")
                .maybe_hint(near)
        })?;
        if says.from.is_some()
            && (bytes.is_some() || says.file.is_some() || says.person.is_some() || !says.people.is_empty())
        {
            return Err(self
                .wrong("`from` is an address, and goes with no file, person or people")
                .hint("who is away is named there by mail, id or display name")
                .into());
        }
        let path = format!("{CALENDARS}{ics}");
        let (found, written) = match bytes {
            Some(bytes) => ics::read(&path, bytes, zone.as_ref())?,
            None if says.from.is_some() => (zone.clone(), Vec::new()),
            // Working hours need no holidays.
            None if says.used == Use::Holiday && says.working_hours.is_some() && says.file.is_none() => {
                (zone.clone(), Vec::new())
            }
            None => {
                return Err(self
                    .wrong(format!("there is no {path}"))
                    .hint("put the calendar there, as your calendar program exports it, or name another: `file: NAME.ics`")
                    .into());
            }
        };
        let zone = zone.or(found).or_else(|| written.first().map(|first| first.event.zone.clone()));
        let events = self.events(&path, written)?;
        let group = says.group.iter().cloned();
        let file = CalendarFile {
            because: says.because.as_ref().map(|because| because.trim().to_owned()),
            events,
            from: says.from.clone(),
            groups: says.groups.iter().cloned().chain(group).collect(),
            hours: says.working_hours.clone(),
            may_pass: self.may_pass()?,
            scope: Scope {
                environments: says.environments.clone(),
                kinds: says.kinds.clone(),
                paths: says.paths.clone(),
                systems: says.systems.clone(),
                tiers: says.tiers.clone(),
            },
            used: says.used,
            zone: zone.unwrap_or_else(Zone::utc),
        };
        if let Some((what, hint)) = file.scope.problem(self.catalog) {
            return Err(self.wrong(what).maybe_hint(hint).into());
        }
        if let Some(group) = file.groups.iter().find(|group| !self.catalog.groups.contains_key(*group)) {
            let meant = near::did_you_mean(group.as_str(), self.catalog.groups.keys().map(GroupId::as_str));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            return Err(self.wrong(format!("there is no group `{group}`")).maybe_hint(hint).into());
        }
        if let Some(what) = belongs_elsewhere(&file) {
            return Err(self.wrong(what).hint(SAYS).into());
        }
        Ok(file)
    }

    fn may_pass(&self) -> Result<BTreeSet<Pass>, Problem> {
        // It always may.
        let others = self.says.may_pass.iter().filter(|text| *text != "rollback");
        others
            .map(|text| text.parse().map_err(|error: super::scope::InvalidPass| self.wrong(error.to_string())))
            .collect()
    }

    /// In the order in which they begin, each once.
    fn events(&self, path: &str, written: Vec<Written>) -> Result<Vec<Event>, Problem> {
        let mut events: Vec<Event> = Vec::new();
        for one in written {
            match self.says.used {
                Use::Freeze | Use::Window | Use::Holiday => events.push(one.event),
                Use::OnCall | Use::Absence => {
                    for person in self.people(path, &one)? {
                        events.push(Event { person: Some(person), ..one.event.clone() });
                    }
                }
            }
        }
        events.sort_by_cached_key(|event| (event.start, event.lasts, serde_json::to_string(event).unwrap_or_default()));
        events.dedup();
        Ok(events)
    }

    /// Whom an event is about: whom the words beside it say; or those who take part; or whom its title names.
    fn people(&self, path: &str, one: &Written) -> Result<BTreeSet<ActorId>, Problem> {
        let mut people = BTreeSet::new();
        if let Some(person) = &self.says.person {
            people.insert(self.known(person).map_err(|near| self.nobody(self.at, None, person.as_str(), near))?);
        } else {
            let called: Vec<&str> = match one.attendees.is_empty() {
                false => one.attendees.iter().map(String::as_str).collect(),
                true => vec![one.summary.as_str()],
            };
            for name in called {
                let person = self.called(name).map_err(|near| self.nobody(path, Some(one.line), name, near))?;
                people.extend(person);
            }
        }
        let group = self.says.group.as_ref().filter(|_| self.says.used == Use::OnCall);
        if let Some((group, person)) =
            group.and_then(|group| Some((group, people.iter().find(|person| !self.catalog.is_in(person, group))?)))
        {
            return Err(Problem::new(
                path,
                Some(one.line),
                format!("{person} is not in group {group}, which is on call"),
            )
            .hint(format!("put {person} into the group first")));
        }
        Ok(people)
    }

    fn known(&self, person: &ActorId) -> Result<ActorId, Option<String>> {
        let is = |actor: &Actor| actor.kind == ActorKind::Person;
        match self.catalog.actors.get(person).is_some_and(is) {
            true => Ok(person.clone()),
            false => Err(self.near(person.as_str())),
        }
    }

    /// `None` is nobody, as the words beside it say.
    fn called(&self, name: &str) -> Result<Option<ActorId>, Option<String>> {
        let listed = self.says.people.iter().find(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        if let Some((_, person)) = listed {
            return person.as_ref().map(|person| self.known(person)).transpose();
        }
        let by_mail = self.catalog.person_by_mail(name).filter(|actor| actor.kind == ActorKind::Person);
        let by_id = || self.catalog.actors.get(&name.parse().ok()?).filter(|actor| actor.kind == ActorKind::Person);
        let by_name = || {
            let is = |actor: &&Actor| {
                actor.kind == ActorKind::Person
                    && actor.display_name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(name))
            };
            let mut found = self.catalog.actors.values().filter(is);
            // Of two who are called the same it is neither.
            found.next().filter(|_| found.next().is_none())
        };
        by_mail.or_else(by_id).or_else(by_name).map(|actor| Some(actor.id.clone())).ok_or_else(|| self.near(name))
    }

    fn near(&self, name: &str) -> Option<String> {
        let people = self.catalog.actors.values().filter(|actor| actor.kind == ActorKind::Person);
        let ids: Vec<&str> = people.map(|actor| actor.id.as_str()).collect();
        near::did_you_mean(name.split('@').next().unwrap_or(name), ids).map(str::to_owned)
    }

    fn nobody(&self, path: &str, line: Option<usize>, name: &str, near: Option<String>) -> Problem {
        let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        let person = near.as_deref().unwrap_or("PERSON");
        let what = match name.is_empty() {
            true => "the event names nobody who takes part, and has no title".to_owned(),
            false => format!("nobody in the catalog is `{name}`"),
        };
        Problem::new(path, line, what).hint(format!(
            "say who that is in {}: `people: {{\"{name}\": {person}}}`; or nobody: `\"{name}\": null`",
            self.at
        ))
    }
}
