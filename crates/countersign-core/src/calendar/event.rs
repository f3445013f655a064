//! Events of a calendar, and when they are.

use std::{collections::BTreeSet, fmt};

use countersign_ledger::Time;
use jiff::{ToSpan, civil::DateTime};
use serde::{Deserialize, Serialize};

use super::{recur::Recurrence, zone::Zone};
use crate::ids::ActorId;

pub const DAY_SECS: i64 = 24 * 60 * 60;
/// How long one lasts at the most that comes again.
pub const MAX_RECURRING_DAYS: i64 = 366;
const MAX_DAYS: i64 = 200 * 366;
/// Most times that one event names one by one.
pub const MAX_NAMED: usize = 2_000;
/// The years in which events begin.
pub const YEARS: std::ops::RangeInclusive<i16> = 1970..=2200;

/// From the first moment to just before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub from: Time,
    pub until: Time,
}

impl Span {
    pub fn covers(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }
}

/// How long an event lasts: so many days, and then so long, as clocks show it; and then so many seconds that pass.
///
/// ```text
/// DTEND          what clocks show: a night from 22:00 to 06:00 ends at six also when they are put forward in it
/// DURATION:P1D   the same time on the next day
/// DURATION:PT8H  eight hours that pass
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lasts {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_secs: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub days: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub secs: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

impl Lasts {
    pub fn days(days: i64) -> Self {
        Self { days, ..Self::default() }
    }

    fn secs_in_all(self) -> i64 {
        self.days.saturating_mul(DAY_SECS).saturating_add(self.clock_secs).saturating_add(self.secs)
    }

    /// No shorter, and of the same sort.
    fn reaches_as_far_as(self, other: Self) -> bool {
        self.days >= other.days && self.clock_secs >= other.clock_secs && self.secs >= other.secs
    }
}

/// One event, of a log: nothing that anybody wrote in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When else it begins.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<DateTime>,
    /// When it does not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<DateTime>,
    pub lasts: Lasts,
    /// Who is away, or on call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<ActorId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rule")]
    pub rule: Option<Recurrence>,
    /// What clocks show in its zone when it begins.
    pub start: DateTime,
    pub zone: Zone,
}

impl Event {
    /// What does not hold of it. Whatever is in a log holds, so that nothing about time can be asked that takes long.
    pub fn problem(&self) -> Option<String> {
        let length = self.lasts.secs_in_all();
        let parts = [self.lasts.days, self.lasts.clock_secs, self.lasts.secs];
        let recurs = self.rule.is_some() || !self.also.is_empty();
        let most = if recurs { MAX_RECURRING_DAYS } else { MAX_DAYS };
        if length <= 0 || parts.iter().any(|part| *part < 0) {
            return Some("it does not end after it begins".to_owned());
        }
        if length > most.saturating_mul(DAY_SECS) {
            return Some(match recurs {
                true => format!("it comes again and lasts longer than {most} days"),
                false => "it lasts longer than 200 years".to_owned(),
            });
        }
        if self.also.len().saturating_add(self.except.len()) > MAX_NAMED {
            return Some(format!("it names more than {MAX_NAMED} times one by one"));
        }
        let mut times = self.also.iter().chain(&self.except).chain([&self.start]);
        if let Some(time) = times.find(|time| !YEARS.contains(&time.year()) || time.subsec_nanosecond() != 0) {
            return Some(format!("{time} is not within the years {} to {}", YEARS.start(), YEARS.end()));
        }
        None
    }

    /// How much there is to do when it is asked whether it is now: a time that may have begun and not ended counts for ten that are
    /// only passed over.
    pub fn steps(&self) -> i64 {
        let days = self.lasts.secs_in_all().saturating_div(DAY_SECS).saturating_add(3);
        let (times, period) = self.rule.as_ref().map_or((0, 0), Recurrence::reach);
        let named = i64::try_from(self.also.len().saturating_add(self.except.len())).unwrap_or(i64::MAX);
        let passed = days.saturating_add(period.saturating_mul(2)).saturating_mul(times);
        days.saturating_mul(times).saturating_mul(10).saturating_add(passed).saturating_add(named).saturating_add(1)
    }

    /// Whether it comes more than once.
    pub fn recurs(&self) -> bool {
        self.rule.is_some() || !self.also.is_empty()
    }

    /// It lasts whole days.
    pub fn is_all_day(&self) -> bool {
        let midnight = self.start.time() == jiff::civil::Time::midnight();
        midnight && self.lasts.clock_secs == 0 && self.lasts.secs == 0
    }

    /// Each time that it is, as far as that lies at least in part between two moments; in order.
    pub fn spans(&self, from: Time, until: Time) -> Vec<Span> {
        // What clocks show differs by less than a day from what passes.
        let back = self.lasts.secs_in_all().saturating_div(DAY_SECS).saturating_add(2);
        let first = self.zone.clock(from).date().saturating_sub(0.days().days(back.min(MAX_DAYS)));
        let last = self.zone.clock(until).date().saturating_add(1.day());
        let within = |time: &DateTime| (first..=last).contains(&time.date());
        let mut begins: BTreeSet<DateTime> = self.also.iter().chain([&self.start]).copied().filter(within).collect();
        if let Some(rule) = &self.rule {
            begins.extend(rule.times(self.start, first, last));
        }
        let spans = begins.difference(&self.except).map(|start| self.span(*start));
        spans.filter(|span| span.from < until && from < span.until).collect()
    }

    fn span(&self, start: DateTime) -> Span {
        let Lasts { clock_secs, days, secs } = self.lasts;
        let from = self.zone.at(start);
        let end = start.saturating_add(0.days().days(days)).saturating_add(0.seconds().seconds(clock_secs));
        // Where clocks are put forward over its end, it still lasts as long as it says.
        let until = match self.zone.at(end) {
            until if until > from || secs > 0 => until,
            _ => from.plus_secs(days.saturating_mul(DAY_SECS).saturating_add(clock_secs)),
        };
        Span { from, until: until.plus_secs(secs) }
    }

    /// Whether it is whenever the other is, as far as that shows without asking when: the same times, none left out, no shorter.
    pub fn is_whenever(&self, other: &Self) -> bool {
        let Self { also, except, lasts, person, rule, start, zone } = self;
        (person, rule, start, zone) == (&other.person, &other.rule, &other.start, &other.zone)
            && lasts.reaches_as_far_as(other.lasts)
            && also.is_superset(&other.also)
            && except.is_subset(&other.except)
    }
}

/// For people: `2026-12-20 to 2027-01-03 (Europe/Berlin), FREQ=YEARLY`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { also, except, lasts, person, rule, start, zone } = self;
        let Lasts { clock_secs, days, secs } = *lasts;
        if let Some(person) = person {
            write!(f, "{person}: ")?;
        }
        let end = start.saturating_add(0.days().days(days)).saturating_add(0.seconds().seconds(clock_secs));
        match (self.is_all_day(), secs) {
            (true, _) if days == 1 => write!(f, "{} ({zone})", start.date())?,
            (true, _) => write!(f, "{} to {} ({zone})", start.date(), end.date().saturating_sub(1.day()))?,
            (false, 0) => write!(f, "{} to {} ({zone})", minutes(*start), minutes(end))?,
            (false, _) => write!(f, "{} to {} and {secs} s ({zone})", minutes(*start), minutes(end))?,
        }
        if let Some(rule) = rule {
            write!(f, ", {rule}")?;
        }
        for (word, times) in [("also", also), ("not", except)] {
            if !times.is_empty() {
                let first: Vec<String> = times.iter().take(10).map(|time| minutes(*time)).collect();
                let more = times.len().saturating_sub(first.len());
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                write!(f, ", {word} {}{more}", first.join(", "))?;
            }
        }
        Ok(())
    }
}

fn minutes(clock: DateTime) -> String {
    clock.strftime("%Y-%m-%d %H:%M").to_string()
}

mod rule {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Recurrence;

    #[expect(clippy::ref_option, reason = "serde hands over a reference")]
    pub fn serialize<S: Serializer>(rule: &Option<Recurrence>, serializer: S) -> Result<S::Ok, S::Error> {
        match rule {
            Some(rule) => serializer.collect_str(rule),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Recurrence>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
