//! Calendars: when changes may not go, when they may, who works when, who is on call and who is away.
//!
//! People keep them as `.ics` files beside a few words that say what each is for ([`written`]). Into the log goes what those come
//! to ([`CalendarFile`]): times and ids, no texts, names and mails, since what governs is kept for ever. So a calendar that was
//! exported again and says the same is the same file, and nobody who follows a log reads `.ics`.
//!
//! What may be asked is whether something is at a moment, and what comes within a bounded time. Whatever a file says, the answer
//! takes a bounded time and is the same everywhere: zones are those of the database that is in the program.
//!
//! | room | holds |
//! |---|---|
//! | `lines`, `ics` | `.ics` files |
//! | `recur` | recurrence rules |
//! | `event` | events, and when they are |
//! | `zone`, `windows` | time zones |
//! | `hours` | working hours |
//! | `scope` | which changes are meant, and which pass |
//! | `subscribed` | what was fetched at an address |
//! | `compare` | what of other calendars loosens |
//! | `written` | the few words, and whom events are about |
//! | `problem` | what is wrong, and where |

pub mod compare;
mod event;
mod hours;
pub mod ics;
mod lines;
mod problem;
mod recur;
mod scope;
mod subscribed;
mod windows;
mod worked;
pub mod written;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

pub(crate) use self::subscribed::{as_text as subscriptions_as_text, hear};
pub use self::{
    event::{Event, Lasts, Span},
    hours::WorkingHours,
    lines::MAX_ICS_BYTES,
    problem::Problem,
    recur::Recurrence,
    scope::{Pass, Scope},
    subscribed::{
        FetchedFile, FetchedRecord, Heard, LAG_SECS, MAX_A_DAY, MAX_FETCHED_EVENTS, MAX_SUBSCRIBED, SAID_AGAIN_SECS,
        STALE_SECS, Subscriptions,
    },
    zone::{UnknownZone, Zone, database},
};
use crate::{
    canonical,
    catalog::{Catalog, near},
    glob::Globs,
    ids::{ActorId, GroupId, SystemId},
    refusal::Refusal,
};

/// The folder of the calendars' files.
pub const CALENDARS: &str = "calendars/";
const JSON: &str = ".json";
/// Most calendars of a home, and most events in all of them.
pub const MAX_CALENDARS: usize = 200;
pub const MAX_EVENTS: usize = 5_000;
/// How far ahead it is looked for when something ends that goes on from one event to the next.
const AHEAD_DAYS: i64 = 40;
/// Most times of one calendar that are told at once.
pub const MAX_SPANS: usize = 2_000;
/// How far ahead one may look.
pub const MAX_WEEKS: u32 = 106;

/// What a calendar is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Nothing goes but what may pass.
    Freeze,
    /// Changes go in these times, where a rule asks.
    Window,
    /// Days on which nobody works.
    Holiday,
    /// Who is on call.
    OnCall,
    /// Who is away.
    Absence,
}

impl Use {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Window => "window",
            Self::Holiday => "holiday",
            Self::OnCall => "oncall",
            Self::Absence => "absence",
        }
    }
}

/// A calendar as a governance file: `calendars/NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFile {
    /// In one line, for whoever is stopped by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Where its events are fetched, in the place of some of its own: it only takes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of holidays: whose; everybody's where none are named. Of an on-call rota: the group that is on call.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<WorkingHours>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub may_pass: BTreeSet<Pass>,
    #[serde(default, skip_serializing_if = "is_everywhere")]
    pub scope: Scope,
    #[serde(rename = "use")]
    pub used: Use,
    /// Of its working hours, and in which its times are told.
    pub zone: Zone,
}

fn is_everywhere(scope: &Scope) -> bool {
    *scope == Scope::default()
}

/// One calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub name: String,
    /// Of its governance file.
    pub digest: Digest,
    pub file: CalendarFile,
    paths: Option<Globs>,
    /// What was fetched of it.
    held: subscribed::Held,
}

/// All that are in force, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars(BTreeMap<String, Calendar>);

/// The name of the calendar whose governance file has this path; `None` for another file.
pub fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(CALENDARS)?.strip_suffix(JSON)?;
    is_name(name).then_some(name)
}

pub fn is_name(name: &str) -> bool {
    name.parse::<SystemId>().is_ok()
}

/// Where the governance file of this calendar stands.
pub fn path_of(name: &str) -> String {
    format!("{CALENDARS}{name}{JSON}")
}

impl CalendarFile {
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        canonical::to_bytes(self)
    }
}

impl Calendar {
    /// Reads a governance file strictly. Whatever a log has, asking it stays within bounds.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let path = path_of(name);
        let file: CalendarFile = canonical::from_bytes(bytes, &path)?;
        let wrong = |what: String| Refusal::from(Problem::new(&path, None, what));
        if file.events.len() > ics::MAX_EVENTS {
            return Err(wrong(format!("it has more than {} events", ics::MAX_EVENTS)));
        }
        if let Some(problem) = file.events.iter().find_map(Event::problem) {
            return Err(wrong(problem));
        }
        if !file.events.is_sorted_by(|a, b| (a.start, a.lasts) <= (b.start, b.lasts)) {
            return Err(wrong("its events are not in the order of their beginnings".to_owned()));
        }
        let is_line =
            |text: &String| !text.trim().is_empty() && text.len() <= 300 && !text.chars().any(char::is_control);
        if file.because.as_ref().is_some_and(|because| !is_line(because)) {
            return Err(wrong("`because` is one line of at most 300 bytes".to_owned()));
        }
        if let Some(what) = belongs_elsewhere(&file) {
            return Err(wrong(what));
        }
        let paths =
            file.scope.paths.as_deref().map(Globs::parse).transpose().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { name: name.to_owned(), digest: Digest::of(bytes), file, paths, held: Vec::new() })
    }

    /// The patterns that it is about.
    pub fn globs(&self) -> Option<&Globs> {
        self.paths.as_ref()
    }

    /// Its events; of one that is subscribed to those that were fetched, also those that are not said any more, until when they
    /// still hold.
    pub fn events(&self) -> impl Iterator<Item = (&Event, Option<Time>)> {
        let own = self.file.events.iter().map(|event| (event, None));
        own.chain(self.held.iter().flat_map(|(events, until)| events.iter().map(move |event| (event, *until))))
    }

    /// When those are, between two moments.
    fn spans(&self, from: Time, until: Time) -> impl Iterator<Item = (Span, &Event)> {
        self.events().flat_map(move |(event, held)| {
            let end = move |span: Span| Span { until: held.map_or(span.until, |held| span.until.min(held)), ..span };
            let spans = event.spans(from, until).into_iter().map(end);
            spans.filter(move |span| span.from < span.until && from < span.until).map(move |span| (span, event))
        })
    }

    /// Whether one of its events is now.
    pub fn is_now(&self, at: Time) -> bool {
        self.events_at(at).next().is_some()
    }

    /// The events that are now.
    pub fn events_at(&self, at: Time) -> impl Iterator<Item = &Event> {
        self.spans(at, at.plus_secs(1)).filter(move |(span, _)| span.covers(at)).map(|(_, event)| event)
    }

    /// If it is now: until when, also where one event goes on from another; as far as one can see.
    pub fn until(&self, at: Time) -> Option<Time> {
        if !self.is_now(at) {
            return None;
        }
        let ahead = at.plus_secs(AHEAD_DAYS.saturating_mul(event::DAY_SECS));
        let mut spans: Vec<Span> = self.spans(at, ahead).map(|(span, _)| span).collect();
        spans.sort_unstable();
        let mut until = at;
        for span in spans {
            if span.from <= until.max(at) {
                until = span.until.max(until);
            }
        }
        Some(until)
    }

    /// Each time that lies at least in part between two moments, with its event; in order, and no more than one may ask for.
    pub fn between(&self, from: Time, until: Time) -> Vec<(Span, &Event)> {
        let mut found: Vec<(Span, &Event)> = self.spans(from, until).collect();
        found.sort_by_key(|(span, _)| *span);
        found.truncate(MAX_SPANS);
        found
    }
}

/// What a calendar says that only one for something else can say.
fn belongs_elsewhere(file: &CalendarFile) -> Option<String> {
    let of = |is: bool, what: &str, uses: &[Use]| {
        let uses_in_words = || uses.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" or ");
        (is && !uses.contains(&file.used)).then(|| format!("{what} belongs to `use: {}`", uses_in_words()))
    };
    if let Some(problem) = subscribed::problem(file) {
        return Some(problem);
    }
    let person = file.events.iter().any(|event| event.person.is_some());
    of(!file.may_pass.is_empty(), "`may-pass`", &[Use::Freeze])
        .or_else(|| of(!is_everywhere(&file.scope), "what it is about", &[Use::Freeze, Use::Window]))
        .or_else(|| of(file.hours.is_some(), "`working-hours`", &[Use::Holiday]))
        .or_else(|| of(!file.groups.is_empty(), "a group", &[Use::Holiday, Use::OnCall]))
        .or_else(|| of(person, "a person", &[Use::OnCall, Use::Absence]))
        .or_else(|| {
            let named = file.events.iter().all(|event| event.person.is_some());
            match file.used {
                Use::OnCall if file.groups.len() != 1 => {
                    Some("an on-call rota names the group that is on call".to_owned())
                }
                Use::OnCall | Use::Absence if !named => {
                    Some("an event says of nobody that they are on call or away".to_owned())
                }
                Use::Freeze | Use::Window | Use::Holiday | Use::OnCall | Use::Absence => None,
            }
        })
}

impl Calendars {
    /// All of them, if each names only what the catalog has.
    pub fn of(calendars: impl IntoIterator<Item = Calendar>, catalog: &Catalog) -> Result<Self, Refusal> {
        let all = Self(calendars.into_iter().map(|calendar| (calendar.name.clone(), calendar)).collect());
        let events: usize = all.iter().map(|calendar| calendar.file.events.len()).sum();
        if all.0.len() > MAX_CALENDARS || events > MAX_EVENTS {
            let what = format!("more than {MAX_CALENDARS} calendars, or {MAX_EVENTS} events in all of them");
            return Err(Refusal::malformed("calendar-invalid", what).hint("leave out what is over"));
        }
        if all.subscribed().count() > MAX_SUBSCRIBED {
            let what = format!("more than {MAX_SUBSCRIBED} calendars that are subscribed to");
            return Err(Refusal::malformed("calendar-invalid", what).hint("put several of them into one"));
        }
        for calendar in all.iter() {
            let wrong = |what: String, hint: Option<String>| {
                Refusal::from(Problem::new(&path_of(&calendar.name), None, what).maybe_hint(hint))
            };
            if let Some((what, hint)) = calendar.file.scope.problem(catalog) {
                return Err(wrong(what, hint));
            }
            if let Some(group) = calendar.file.groups.iter().find(|group| !catalog.groups.contains_key(*group)) {
                let meant = near::did_you_mean(group.as_str(), catalog.groups.keys().map(GroupId::as_str));
                return Err(wrong(
                    format!("there is no group `{group}`"),
                    meant.map(|meant| format!("did you mean `{meant}`?")),
                ));
            }
        }
        Ok(all)
    }

    /// The same of what was kept of them, which held.
    pub(crate) fn kept(calendars: impl IntoIterator<Item = Calendar>) -> Self {
        Self(calendars.into_iter().map(|calendar| (calendar.name.clone(), calendar)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Calendar> {
        self.0.values()
    }

    pub fn get(&self, name: &str) -> Option<&Calendar> {
        self.0.get(name)
    }

    pub fn used_for(&self, used: Use) -> impl Iterator<Item = &Calendar> {
        self.iter().filter(move |calendar| calendar.file.used == used)
    }

    /// Who of a group is on call. Whoever is not in the group any more is not.
    pub fn on_call<'a>(&'a self, group: &GroupId, catalog: &Catalog, at: Time) -> BTreeSet<&'a ActorId> {
        let rotas = self.used_for(Use::OnCall).filter(|calendar| calendar.file.groups.contains(group));
        let people = rotas.flat_map(|calendar| calendar.events_at(at)).filter_map(|event| event.person.as_ref());
        people.filter(|person| catalog.is_in(person, group)).collect()
    }

    /// Who is on call for what a group owns: by its rotas, and those of groups below and above it.
    pub fn on_call_for<'a>(&'a self, owner: &GroupId, catalog: &Catalog, at: Time) -> BTreeSet<&'a ActorId> {
        let people = self.rotas_for(owner, catalog).flat_map(|(rota, group)| {
            let people = rota.events_at(at).filter_map(|event| event.person.as_ref());
            people.filter(|person| catalog.is_in(person, group))
        });
        people.collect()
    }

    /// Whoever could be on call for what a group owns, whenever that is.
    pub fn ever_on_call_for<'a>(&'a self, owner: &GroupId, catalog: &Catalog) -> BTreeSet<&'a ActorId> {
        let people = self.rotas_for(owner, catalog).flat_map(|(rota, group)| {
            let people = rota.file.events.iter().filter_map(|event| event.person.as_ref());
            people.filter(|person| catalog.is_in(person, group))
        });
        people.collect()
    }

    /// Rotas of a group, and those of groups below and above it, each with its group.
    fn rotas_for<'a>(
        &'a self,
        owner: &GroupId,
        catalog: &Catalog,
    ) -> impl Iterator<Item = (&'a Calendar, &'a GroupId)> {
        let rotas = self.used_for(Use::OnCall).filter_map(|rota| Some((rota, rota.file.groups.first()?)));
        rotas.filter(move |(_, group)| above(owner, catalog).contains(group) || above(group, catalog).contains(&owner))
    }

    /// Whether somebody is among those who are on call for what a group owns.
    pub fn is_on_call(&self, person: &ActorId, owner: &GroupId, catalog: &Catalog, at: Time) -> bool {
        self.on_call_for(owner, catalog, at).contains(person)
    }

    /// Until when somebody is away, if they are.
    pub fn away_until(&self, person: &ActorId, at: Time) -> Option<Time> {
        let absences = self.used_for(Use::Absence).flat_map(|calendar| calendar.spans(at, at.plus_secs(1)));
        let theirs = absences.filter(|(span, event)| event.person.as_ref() == Some(person) && span.covers(at));
        theirs.map(|(span, _)| span.until).max()
    }

    /// Who is away.
    pub fn away(&self, at: Time) -> BTreeSet<&ActorId> {
        let absences = self.used_for(Use::Absence).flat_map(|calendar| calendar.events_at(at));
        absences.filter_map(|event| event.person.as_ref()).collect()
    }

    /// Whether somebody is away.
    pub fn is_away(&self, person: &ActorId, at: Time) -> bool {
        self.away(at).contains(person)
    }

    /// Whether a group works: it is within the hours that are said of it, or of a group above it, or of everybody, and none of the
    /// holidays of those.
    pub fn works(&self, group: &GroupId, catalog: &Catalog, at: Time) -> bool {
        let (holidays, hours, zone) = self.hours_of(group, catalog);
        !holidays.iter().any(|calendar| calendar.is_now(at)) && hours.cover(zone.clock(at))
    }

    /// The zone of the holidays that are everybody's; else UTC.
    pub fn home_zone(&self) -> Zone {
        let everybody = self.used_for(Use::Holiday).find(|calendar| calendar.file.groups.is_empty());
        everybody.map_or_else(Zone::utc, |calendar| calendar.file.zone.clone())
    }
}

/// A group, and those above it.
pub(crate) fn above<'a>(group: &'a GroupId, catalog: &'a Catalog) -> Vec<&'a GroupId> {
    let mut above = vec![group];
    while let Some(parent) =
        above.last().and_then(|last| catalog.groups.get(*last)).and_then(|last| last.parent.as_ref())
    {
        if above.contains(&parent) {
            break;
        }
        above.push(parent);
    }
    above
}

/// So many weeks later, as far as one may look.
pub fn weeks_after(from: Time, weeks: u32) -> Time {
    from.plus_secs(i64::from(weeks.min(MAX_WEEKS)).saturating_mul(7).saturating_mul(event::DAY_SECS))
}
