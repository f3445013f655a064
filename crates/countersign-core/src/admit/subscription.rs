//! Admission of what the server fetched for a calendar. It names one that governance subscribes to, and says nothing but when it
//! freezes and who is away.

use countersign_ledger::Time;

use super::{Authenticated, server};
use crate::{calendar::Use, change::Found, governance::Governance, refusal::Refusal, statement::CalendarFetched};

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
        return Err(Refusal::forbidden(
            "not-subscribed",
            format!("no calendar `{}` of what governs is subscribed to", said.calendar),
        ));
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
