//! Working hours that have passed, and when so many will have: for what waits in working time.
//!
//! It is counted in whole quarters of an hour as the clock has them: one counts where the group works when it begins. So everybody
//! who counts comes to the same, whatever second they ask in.

use countersign_ledger::Time;

use super::{Calendar, CalendarFile, Calendars, Span, Use, above, event::DAY_SECS, hours::WorkingHours, zone::Zone};
use crate::{catalog::Catalog, ids::GroupId};

const QUARTER_SECS: i64 = 15 * 60;
const QUARTERS: u32 = 4;
/// So far back and ahead it is counted.
const LOOKED_AT_SECS: i64 = 60 * DAY_SECS;

/// When a group works, in some span of time.
struct Working {
    holidays: Vec<Span>,
    hours: WorkingHours,
    zone: Zone,
}

impl Working {
    fn at(&self, at: Time) -> bool {
        self.hours.cover(self.zone.clock(at)) && !self.holidays.iter().any(|holiday| holiday.covers(at))
    }
}

/// The first quarter of an hour that begins then or later.
fn quarter(at: Time) -> Time {
    let millis = QUARTER_SECS.saturating_mul(1_000);
    let into = at.unix_millis().rem_euclid(millis);
    let rest = if into == 0 { 0 } else { millis.saturating_sub(into) };
    Time::from_unix_millis(at.unix_millis().saturating_add(rest))
}

impl Calendars {
    /// The holidays that bear on a group, its working hours, and the zone of those: what the nearest calendar says, of the group
    /// itself, of one above, of everybody.
    pub(super) fn hours_of<'a>(
        &'a self,
        group: &GroupId,
        catalog: &Catalog,
    ) -> (Vec<&'a Calendar>, WorkingHours, Zone) {
        let above = above(group, catalog);
        let theirs = |calendar: &&Calendar| {
            calendar.file.groups.is_empty() || above.iter().any(|group| calendar.file.groups.contains(*group))
        };
        let holidays: Vec<&Calendar> = self.used_for(Use::Holiday).filter(theirs).collect();
        let nearness = |calendar: &&&Calendar| {
            above.iter().position(|group| calendar.file.groups.contains(*group)).unwrap_or(usize::MAX)
        };
        let with_hours = holidays.iter().filter(|calendar| calendar.file.hours.is_some());
        let (hours, zone) = match with_hours.min_by_key(nearness) {
            Some(Calendar { file: CalendarFile { hours: Some(hours), zone, .. }, .. }) => (hours.clone(), zone.clone()),
            Some(_) | None => (WorkingHours::default(), self.home_zone()),
        };
        (holidays, hours, zone)
    }

    /// Whether a calendar says when a group works, or does not.
    pub fn says_when(&self, group: &GroupId, catalog: &Catalog) -> bool {
        !self.hours_of(group, catalog).0.is_empty()
    }

    fn working(&self, group: &GroupId, catalog: &Catalog, from: Time, until: Time) -> Working {
        let (holidays, hours, zone) = self.hours_of(group, catalog);
        let spans = holidays.iter().flat_map(|calendar| calendar.between(from, until));
        Working { holidays: spans.map(|(span, _)| span).collect(), hours, zone }
    }

    /// How many whole working hours of a group lie between.
    pub fn worked_hours(&self, group: &GroupId, catalog: &Catalog, from: Time, until: Time) -> u32 {
        self.worked_minutes(group, catalog, from, until) / 60
    }

    /// The same in minutes, by the quarter of an hour.
    pub fn worked_minutes(&self, group: &GroupId, catalog: &Catalog, from: Time, until: Time) -> u32 {
        let from = from.max(until.plus_secs(LOOKED_AT_SECS.saturating_neg()));
        let working = self.working(group, catalog, from, until);
        let mut quarters: u32 = 0;
        let mut at = quarter(from);
        while at.plus_secs(QUARTER_SECS) <= until {
            quarters = quarters.saturating_add(u32::from(working.at(at)));
            at = at.plus_secs(QUARTER_SECS);
        }
        quarters.saturating_mul(60 / QUARTERS)
    }

    /// When so many will have passed since, as far as one can see.
    pub fn worked_until(&self, group: &GroupId, catalog: &Catalog, since: Time, hours: u32) -> Option<Time> {
        let until = since.plus_secs(LOOKED_AT_SECS);
        let working = self.working(group, catalog, since, until);
        let mut left = hours.saturating_mul(QUARTERS);
        let mut at = quarter(since);
        while left > 0 && at < until {
            left = left.saturating_sub(u32::from(working.at(at)));
            at = at.plus_secs(QUARTER_SECS);
        }
        (left == 0).then_some(at)
    }
}
