//! Admission of what the server fetched for a calendar. It names one that governance subscribes to, and says nothing but when it
//! freezes and who is away.

use countersign_ledger::Time;

use super::{Authenticated, server};
use crate::{
    calendar::{STALE_SECS, Use},
    change::Found,
    governance::Governance,
    refusal::Refusal,
    statement::CalendarFetched,
};

pub(super) fn admit(
    governance: &Governance,
    authenticated: &Authenticated<'_>,
    said: &CalendarFetched,
    found: &Found,
    now: Time,
) -> Result<(), Refusal> {
    server(authenticated)?;
    let calendar = governance.calendars.get(&said.calendar).filter(|calendar| calendar.file.from.is_some());
    let Some(calendar) = calendar else {
        return Err(not_subscribed(&said.calendar));
    };
    let Some(fetched) = &found.fetched else {
        return Err(Refusal::unknown("blob-missing", "what was fetched is missing"));
    };
    let wrong = |what: String| Refusal::malformed("fetched-calendar", format!("calendar {}: {what}", calendar.name));
    for event in &fetched.events {
        match (calendar.file.used, &event.person) {
            (Use::Freeze, None) => {}
            (Use::Absence, Some(person)) if governance.person(person).is_some() => {}
            (Use::Absence, Some(person)) => return Err(wrong(format!("nobody is `{person}`"))),
            (Use::Absence, None) => return Err(wrong("an event says of nobody that they are away".to_owned())),
            (Use::Freeze, Some(_)) => return Err(wrong("a freeze is about nobody".to_owned())),
            (Use::Window | Use::Holiday | Use::OnCall, _) => {
                return Err(wrong("an address only takes away".to_owned()));
            }
        }
    }
    let record = governance.record.fetched.get(&calendar.name);
    match record.and_then(|record| record.too_soon(&said.content, now)) {
        Some(why) => Err(Refusal::conflict("fetched-too-often", format!("calendar {}: {why}", calendar.name))),
        None => Ok(()),
    }
}

/// Whether nothing was heard of a calendar for too long, and nobody was told of that yet.
pub(super) fn is_stale(governance: &Governance, calendar: &str, heard: Option<Time>, now: Time) -> Result<(), Refusal> {
    let record = &governance.record;
    if governance.calendars.get(calendar).is_none_or(|calendar| calendar.file.from.is_none()) {
        return Err(not_subscribed(calendar));
    }
    if record.stale.get(calendar) == Some(&heard) {
        return Err(Refusal::conflict("already-found", format!("that calendar {calendar} is stale was found before")));
    }
    let last = governance.calendars.heard_last(calendar, &record.fetched);
    match last == heard && last.is_none_or(|last| now.secs_since(last) > STALE_SECS) {
        true => Ok(()),
        false => Err(Refusal::conflict("not-stale", format!("calendar {calendar} was not heard last then, or lately"))),
    }
}

fn not_subscribed(calendar: &str) -> Refusal {
    Refusal::forbidden("not-subscribed", format!("no calendar `{calendar}` of what governs is subscribed to"))
}
