//! Calendars whose `.ics` somebody else keeps at an address: what the server fetched there, as the log has it.
//!
//! ```text
//!  home/calendars/people.yaml   use: absence, from: https://…     what it may take away, by two people's word
//!        server                 GET, .ics to events               the address alone says when
//!        log                    calendar-fetched                  which calendar, and the digest of the events
//! ```
//!
//! An address only takes away: freezes and absences, within what governance says of it. Nor does it give back at once: what it does
//! not say any more holds for a day longer, so that who has the server, or the address, ends no freeze by an older file.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use super::{Calendars, Event, Problem, Use, path_of};
use crate::{canonical, refusal::Refusal};

/// Most subscribed calendars of a home, and most events of each.
pub const MAX_SUBSCRIBED: usize = 10;
pub const MAX_FETCHED_EVENTS: usize = 300;
const MAX_ADDRESS_BYTES: usize = 500;
/// For how long holds what is not said any more.
pub const LAG_SECS: i64 = 24 * 60 * 60;
/// How often another content is taken in a day: each is a leaf, and holds for a day.
pub const MAX_A_DAY: usize = 6;
/// After which time the same content is said again, so that everybody sees that it was fetched; and after which it is stale.
pub const SAID_AGAIN_SECS: i64 = 24 * 60 * 60;
pub const STALE_SECS: i64 = 2 * 24 * 60 * 60;

/// What was fetched, as a blob: when something is, and who is away then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchedFile {
    pub events: Vec<Event>,
}

/// One content, from when on it holds, and when it was heard last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    pub content: Digest,
    pub events: Vec<Event>,
    pub at: Time,
    pub last: Time,
}

/// What was heard of one calendar: the newest last, and before it what still holds though it is not said any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchedRecord {
    pub from: String,
    pub heard: Vec<Heard>,
}

/// All of them, by the calendars' names.
pub type Subscriptions = BTreeMap<String, FetchedRecord>;

/// Events that hold beside those of a calendar's own file; until then, where they are not said any more.
pub(super) type Held = Vec<(Vec<Event>, Option<Time>)>;

impl FetchedFile {
    /// Reads it strictly. Whatever a log has, asking it stays within bounds.
    pub fn parse(calendar: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let what = format!("what was fetched for {}", path_of(calendar));
        let file: Self = canonical::from_bytes(bytes, &what)?;
        let wrong = |why: String| Refusal::from(Problem::new(&what, None, why));
        if file.events.len() > MAX_FETCHED_EVENTS {
            return Err(wrong(format!("it has more than {MAX_FETCHED_EVENTS} events")));
        }
        match file.events.iter().find_map(Event::problem) {
            Some(problem) => Err(wrong(problem)),
            None => Ok(file),
        }
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        canonical::to_bytes(self)
    }
}

impl FetchedRecord {
    /// The content that was heard last.
    pub fn newest(&self) -> Option<&Heard> {
        self.heard.last()
    }

    pub fn is_stale(&self, now: Time) -> bool {
        self.newest().is_none_or(|heard| now.secs_since(heard.last) > STALE_SECS)
    }

    /// Whether this is what was said last, not long ago.
    pub fn is_known(&self, content: &Digest, now: Time) -> bool {
        let same = self.newest().filter(|heard| heard.content == *content);
        same.is_some_and(|heard| now.secs_since(heard.last) < SAID_AGAIN_SECS)
    }

    /// Whether another content is one too many, or the same was said already.
    pub(crate) fn too_soon(&self, content: &Digest, now: Time) -> Option<&'static str> {
        if self.newest().is_some_and(|heard| heard.content == *content) {
            return self.is_known(content, now).then_some("the same was said within a day");
        }
        let lately = self.heard.iter().filter(|heard| now.secs_since(heard.at) < LAG_SECS).count();
        (lately >= MAX_A_DAY).then_some("it was another one too often within a day")
    }

    fn hear(&mut self, content: Digest, file: FetchedFile, at: Time) {
        match self.heard.last_mut().filter(|heard| heard.content == content) {
            Some(same) => same.last = at,
            None => self.heard.push(Heard { content, events: file.events, at, last: at }),
        }
        // What came after it is older than a day: then it holds no more.
        let over = |next: &Heard| at.secs_since(next.at) >= LAG_SECS;
        let gone = self.heard.iter().skip(1).take_while(|next| over(next)).count();
        self.heard.drain(..gone.min(self.heard.len().saturating_sub(1)));
    }

    fn held(&self) -> Held {
        let until = self.heard.iter().skip(1).map(|next| Some(next.at.plus_secs(LAG_SECS))).chain([None]);
        self.heard.iter().zip(until).map(|(heard, until)| (heard.events.clone(), until)).collect()
    }
}

/// Takes what was fetched.
pub(crate) fn hear(
    subscriptions: &mut Subscriptions,
    (calendar, from): (&str, &str),
    content: Digest,
    file: FetchedFile,
    at: Time,
) {
    let new = || FetchedRecord { from: from.to_owned(), heard: Vec::new() };
    subscriptions.entry(calendar.to_owned()).or_insert_with(new).hear(content, file, at);
}

impl Calendars {
    /// The same with what was fetched of those that are subscribed to.
    pub(crate) fn with_fetched(mut self, subscriptions: &Subscriptions) -> Self {
        for (name, calendar) in &mut self.0 {
            let record = subscriptions.get(name).filter(|record| calendar.file.from.as_ref() == Some(&record.from));
            calendar.held = record.map(FetchedRecord::held).unwrap_or_default();
        }
        self
    }

    /// When something was heard last of what a calendar is subscribed to at the address that governs now.
    pub fn heard_last(&self, name: &str, subscriptions: &Subscriptions) -> Option<Time> {
        let from = self.get(name)?.file.from.as_ref()?;
        let record = subscriptions.get(name).filter(|record| record.from == *from)?;
        record.newest().map(|heard| heard.last)
    }

    /// Those that are subscribed to, each with its address.
    pub fn subscribed(&self) -> impl Iterator<Item = (&super::Calendar, &str)> {
        self.iter().filter_map(|calendar| Some((calendar, calendar.file.from.as_deref()?)))
    }
}

/// What is wrong with an address, or with what is subscribed to there.
pub(super) fn problem(file: &super::CalendarFile) -> Option<String> {
    let from = file.from.as_deref()?;
    match file.used {
        Use::Freeze | Use::Absence => {}
        Use::Window | Use::Holiday | Use::OnCall => {
            return Some("an address (`from`) can only take away: freezes and absences; a window, working hours and who is on call are \
                         files that two people look at".to_owned());
        }
    }
    if !file.events.is_empty() {
        return Some("what is subscribed to has its events at its address, and none of its own".to_owned());
    }
    (!is_address(from)).then(|| {
        "`from` is an address such as https://calendar.example/team.ics, or http:// on the server's own machine, without a name and a \
         password".to_owned()
    })
}

/// `https`, or `http` on this machine.
fn is_address(from: &str) -> bool {
    let is_harmless = from.len() <= MAX_ADDRESS_BYTES && from.bytes().all(|b| b.is_ascii_graphic());
    let (scheme, rest) = from.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let here = ["localhost", "127.0.0.1", "::1"].contains(&host);
    is_harmless && !host.is_empty() && !authority.contains('@') && (scheme == "https" || scheme == "http" && here)
}

/// As one text: what governance is kept in leaves no field out.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::Subscriptions;

    pub fn serialize<S: Serializer>(known: &Subscriptions, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(known).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Subscriptions, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
