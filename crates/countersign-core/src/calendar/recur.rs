//! Recurrence (RFC 5545, 3.3.10): which days and times of a clock a rule names within a span of days.
//!
//! Ours, and no crate's: by it gates decide, so that it has to answer within a bound whatever a rule says, and to give in ten
//! years what it gives today. It looks at the periods that a span touches and at no other, however long ago a rule began; it is
//! compared with Python's `dateutil` (`tests/core/calendar/`). Rules that repeat more than once a day by themselves (`HOURLY`
//! and shorter) are refused.

use std::{fmt, str::FromStr};

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time as Clock, Weekday},
};

/// Most days or times that one part of a rule names.
const MAX_VALUES: usize = 400;
/// Most times of one day.
pub const MAX_TIMES: usize = 24;
/// Most days that a rule is followed over to find its n-th time.
const MAX_DAYS: i64 = 400 * 366;
/// Most times that `COUNT` may name.
pub const MAX_COUNT: u32 = 10_000;
const MAX_INTERVAL: i64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Frequency {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Daily, "DAILY"), (Self::Weekly, "WEEKLY"), (Self::Monthly, "MONTHLY"), (Self::Yearly, "YEARLY")];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        }
    }
}

/// A weekday, or the n-th of its month or year, from its end where it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByDay {
    nth: Option<i64>,
    day: Weekday,
}

/// A rule. Its `UNTIL` is what clocks show in the zone of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    frequency: Frequency,
    interval: i64,
    until: Option<DateTime>,
    months: Vec<i64>,
    weeks: Vec<i64>,
    year_days: Vec<i64>,
    month_days: Vec<i64>,
    days: Vec<ByDay>,
    hours: Vec<i64>,
    minutes: Vec<i64>,
    seconds: Vec<i64>,
    positions: Vec<i64>,
    week_start: Weekday,
}

/// What ends a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    Never,
    /// `UNTIL`, as it is written.
    Until(String),
    After(u32),
}

/// Why a rule is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidRule {
    pub what: String,
    pub hint: Option<&'static str>,
}

fn wrong(what: impl Into<String>) -> InvalidRule {
    InvalidRule { what: what.into(), hint: None }
}

impl Recurrence {
    /// Reads an `RRULE` with what ends it, which the caller resolves.
    pub fn read(text: &str) -> Result<(Self, Ends), InvalidRule> {
        let mut frequency = None;
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            until: None,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            days: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Monday,
        };
        let mut ends = Ends::Never;
        let mut seen: Vec<String> = Vec::new();
        for part in text.trim().trim_end_matches(';').split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(wrong(format!("`{}` is no NAME=VALUE", short(part))));
            };
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
            if seen.contains(&name) {
                return Err(wrong(format!("{name} stands there twice")));
            }
            match name.as_str() {
                "FREQ" => frequency = Some(self::frequency(&value)?),
                "INTERVAL" => rule.interval = one(&name, &value, 1, MAX_INTERVAL)?,
                "COUNT" => {
                    ends = ended(
                        &ends,
                        Ends::After(u32::try_from(one(&name, &value, 1, MAX_COUNT.into())?).unwrap_or(1)),
                    )?;
                }
                "UNTIL" => ends = ended(&ends, Ends::Until(value))?,
                "BYMONTH" => rule.months = many(&name, &value, 1, 12, false)?,
                "BYWEEKNO" => rule.weeks = many(&name, &value, 1, 53, true)?,
                "BYYEARDAY" => rule.year_days = many(&name, &value, 1, 366, true)?,
                "BYMONTHDAY" => rule.month_days = many(&name, &value, 1, 31, true)?,
                "BYDAY" => rule.days = by_days(&value)?,
                "BYHOUR" => rule.hours = many(&name, &value, 0, 23, false)?,
                "BYMINUTE" => rule.minutes = many(&name, &value, 0, 59, false)?,
                "BYSECOND" => rule.seconds = many(&name, &value, 0, 59, false)?,
                "BYSETPOS" => rule.positions = many(&name, &value, 1, 366, true)?,
                "WKST" => {
                    rule.week_start =
                        weekday(&value).ok_or_else(|| wrong(format!("WKST={} is no day", short(&value))))?
                }
                _ => return Err(wrong(format!("`{}` is no part of a rule", short(&name)))),
            }
            seen.push(name);
        }
        rule.frequency = frequency.ok_or_else(|| wrong("it has no FREQ"))?;
        rule.fits()?;
        Ok((rule, ends))
    }

    /// What the parts may not say together.
    fn fits(&self) -> Result<(), InvalidRule> {
        let times = [&self.hours, &self.minutes, &self.seconds].map(|of| of.len().max(1));
        if times.iter().product::<usize>() > MAX_TIMES {
            return Err(InvalidRule {
                what: format!("it names more than {MAX_TIMES} times a day"),
                hint: Some("one event that lasts as long says the same"),
            });
        }
        let frequency = self.frequency.as_str();
        let nth = self.days.iter().any(|day| day.nth.is_some());
        let only =
            |part: &str, of: &str| Err(wrong(format!("{part} belongs to FREQ={of}, and this is FREQ={frequency}")));
        match self.frequency {
            Frequency::Daily | Frequency::Weekly if nth => return only("an n-th BYDAY", "MONTHLY or YEARLY"),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly if !self.year_days.is_empty() => {
                return only("BYYEARDAY", "YEARLY");
            }
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly if !self.weeks.is_empty() => {
                return only("BYWEEKNO", "YEARLY");
            }
            Frequency::Weekly if !self.month_days.is_empty() => return only("BYMONTHDAY", "DAILY, MONTHLY or YEARLY"),
            Frequency::Yearly if nth && !self.weeks.is_empty() => {
                return Err(wrong("an n-th BYDAY does not go with BYWEEKNO"));
            }
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => {}
        }
        let by =
            [&self.months, &self.weeks, &self.year_days, &self.month_days, &self.hours, &self.minutes, &self.seconds];
        if !self.positions.is_empty() && self.days.is_empty() && by.iter().all(|of| of.is_empty()) {
            return Err(wrong("BYSETPOS picks among what another BY… names, and there is none"));
        }
        Ok(())
    }

    #[must_use]
    pub fn until(mut self, until: DateTime) -> Self {
        self.until = Some(until);
        self
    }

    pub fn ends(&self) -> Option<DateTime> {
        self.until
    }

    /// How many times of a day it names at most, and how many days a period of it has, all of which are looked at.
    pub fn reach(&self) -> (i64, i64) {
        let times = [&self.hours, &self.minutes, &self.seconds].map(|of| of.len().max(1)).iter().product::<usize>();
        let days = match self.frequency {
            Frequency::Daily => 1,
            Frequency::Weekly => 7,
            Frequency::Monthly => 31,
            Frequency::Yearly => 366,
        };
        (i64::try_from(times).unwrap_or(i64::MAX), days)
    }

    /// The time at which it has come so often. `None`: it does not come so often within some centuries.
    pub fn nth(&self, start: DateTime, count: u32) -> Option<DateTime> {
        let first = days_of(start.date());
        let mut left = usize::try_from(count).ok()?;
        let mut day = first;
        while day.saturating_sub(first) < MAX_DAYS {
            let (times, next) = self.period(start, day);
            let times: Vec<DateTime> = times.into_iter().filter(|time| *time >= start).collect();
            match left.checked_sub(times.len()) {
                None | Some(0) => return times.get(left.saturating_sub(1)).copied(),
                Some(rest) => left = rest,
            }
            day = next?;
        }
        None
    }

    /// The times from one day to another, both within, in order. `start` is when the first of all is.
    pub fn times(&self, start: DateTime, from: Date, to: Date) -> Vec<DateTime> {
        let to = self.until.map_or(to, |until| until.date().min(to));
        let mut found = Vec::new();
        let mut day = days_of(from.max(start.date()));
        let last = days_of(to);
        while day <= last {
            let (times, next) = self.period(start, day);
            let holds = |time: &DateTime| *time >= start && self.until.is_none_or(|until| *time <= until);
            found.extend(times.into_iter().filter(|time| holds(time) && time.date() >= from && time.date() <= to));
            match next {
                Some(next) if next > day => day = next,
                Some(_) | None => break,
            }
        }
        found
    }

    /// The times of the period in which a day lies, where the rule comes in it at all; and the first day of the next one.
    fn period(&self, start: DateTime, day: i64) -> (Vec<DateTime>, Option<i64>) {
        let Some(date) = date_of(day) else { return (Vec::new(), None) };
        let begun = start.date();
        let (first, length, distance) = match self.frequency {
            Frequency::Daily => (day, 1, day.saturating_sub(days_of(begun))),
            Frequency::Weekly => {
                let first = week_of(date, self.week_start);
                (first, 7, first.saturating_sub(week_of(begun, self.week_start)) / 7)
            }
            Frequency::Monthly => {
                let month = |date: Date| i64::from(date.year()).saturating_mul(12).saturating_add(date.month().into());
                let distance = month(date).saturating_sub(month(begun));
                (days_of(date.first_of_month()), date.days_in_month().into(), distance)
            }
            Frequency::Yearly => {
                let distance = i64::from(date.year()).saturating_sub(begun.year().into());
                (days_of(date.first_of_year()), date.days_in_year().into(), distance)
            }
        };
        let next = first.saturating_add(length);
        if distance.rem_euclid(self.interval) != 0 {
            return (Vec::new(), Some(next));
        }
        let dates = (first..next).filter_map(date_of).filter(|date| self.names(begun, *date));
        let clocks = self.clocks(start);
        let all: Vec<DateTime> =
            dates.flat_map(|date| clocks.iter().map(move |clock| date.to_datetime(*clock))).collect();
        (self.picked(all), Some(next))
    }

    fn picked(&self, all: Vec<DateTime>) -> Vec<DateTime> {
        if self.positions.is_empty() {
            return all;
        }
        let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let index = |position: &i64| match *position {
            position if position > 0 => position.saturating_sub(1),
            position => length.saturating_add(position),
        };
        let mut picked: Vec<DateTime> =
            self.positions.iter().filter_map(|at| all.get(usize::try_from(index(at)).ok()?).copied()).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    fn clocks(&self, start: DateTime) -> Vec<Clock> {
        let or = |of: &[i64], start: i8| if of.is_empty() { vec![i64::from(start)] } else { of.to_vec() };
        let small = |n: i64| i8::try_from(n).unwrap_or(0);
        let (minutes, seconds) = (or(&self.minutes, start.minute()), or(&self.seconds, start.second()));
        let mut clocks: Vec<Clock> = Vec::new();
        for hour in or(&self.hours, start.hour()) {
            for minute in &minutes {
                clocks
                    .extend(seconds.iter().filter_map(|s| Clock::new(small(hour), small(*minute), small(*s), 0).ok()));
            }
        }
        clocks.sort_unstable();
        clocks.dedup();
        clocks
    }

    /// Whether the rule names this day of a period in which it comes. What it does not say is as on the day when it began.
    fn names(&self, begun: Date, date: Date) -> bool {
        let is = |of: &[i64], n: i64| of.is_empty() || of.contains(&n);
        let from_both = |of: &[i64], n: i64, last: i64| {
            of.is_empty() || of.contains(&n) || of.contains(&n.saturating_sub(last).saturating_sub(1))
        };
        let plain =
            self.weeks.is_empty() && self.year_days.is_empty() && self.month_days.is_empty() && self.days.is_empty();
        let by_default = plain
            && match self.frequency {
                Frequency::Daily => false,
                Frequency::Weekly => date.weekday() != begun.weekday(),
                Frequency::Monthly => date.day() != begun.day(),
                Frequency::Yearly => {
                    date.day() != begun.day() || self.months.is_empty() && date.month() != begun.month()
                }
            };
        let (week, weeks) = week_number(date, self.week_start);
        !by_default
            && is(&self.months, date.month().into())
            && (self.weeks.is_empty() || from_both(&self.weeks, week, weeks))
            && from_both(&self.year_days, date.day_of_year().into(), date.days_in_year().into())
            && from_both(&self.month_days, date.day().into(), date.days_in_month().into())
            && (self.days.is_empty() || self.days.iter().any(|day| self.is_day(*day, date)))
    }

    fn is_day(&self, by: ByDay, date: Date) -> bool {
        let Some(nth) = by.nth.filter(|_| by.day == date.weekday()) else { return by.day == date.weekday() };
        let of_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (day, length): (i64, i64) = match of_year {
            true => (date.day_of_year().into(), date.days_in_year().into()),
            false => (date.day().into(), date.days_in_month().into()),
        };
        let from_begin = day.saturating_sub(1) / 7 + 1;
        let from_end = length.saturating_sub(day) / 7 + 1;
        nth == from_begin || nth == from_end.saturating_neg()
    }
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);
const DAY_SECS: i64 = 24 * 60 * 60;

/// Days since 1970.
fn days_of(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs().div_euclid(DAY_SECS)
}

fn date_of(days: i64) -> Option<Date> {
    EPOCH.checked_add(0.days().try_days(days).ok()?).ok()
}

/// The first day of the week of this one.
fn week_of(date: Date, start: Weekday) -> i64 {
    days_of(date).saturating_sub(i64::from(date.weekday().since(start)))
}

/// The number of the week of this day, and how many its year has: the first is the one that has four days of the year.
fn week_number(date: Date, start: Weekday) -> (i64, i64) {
    let middle = |date: Date| date_of(week_of(date, start).saturating_add(3)).unwrap_or(date);
    let number = |middle: Date| i64::from(middle.day_of_year()).saturating_sub(1) / 7 + 1;
    let its = middle(date);
    let last = its.last_of_year();
    // The last week of the year is that of its last day, or the one before, where that belongs to the next year.
    let last_middle = match middle(last) {
        of_next if of_next.year() > its.year() => date_of(days_of(of_next).saturating_sub(7)).unwrap_or(last),
        of_this => of_this,
    };
    (number(its), number(last_middle))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn ended(before: &Ends, now: Ends) -> Result<Ends, InvalidRule> {
    match before {
        Ends::Never => Ok(now),
        Ends::Until(_) | Ends::After(_) => Err(wrong("it has UNTIL and COUNT; one of them ends it")),
    }
}

fn frequency(text: &str) -> Result<Frequency, InvalidRule> {
    match Frequency::ALL.iter().find(|(_, name)| *name == text) {
        Some((frequency, _)) => Ok(*frequency),
        None if ["HOURLY", "MINUTELY", "SECONDLY"].contains(&text) => Err(InvalidRule {
            what: format!("FREQ={text} comes more than once a day"),
            hint: Some("FREQ=DAILY, with BYHOUR for several times a day, or one event that lasts as long"),
        }),
        None => Err(wrong(format!("FREQ={} is none of DAILY, WEEKLY, MONTHLY, YEARLY", short(text)))),
    }
}

fn one(name: &str, text: &str, least: i64, most: i64) -> Result<i64, InvalidRule> {
    let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| wrong(format!("{name}={} is no number from {least} to {most}", short(text))))
}

fn many(name: &str, text: &str, least: i64, most: i64, from_end: bool) -> Result<Vec<i64>, InvalidRule> {
    let mut values = Vec::new();
    for value in text.split(',') {
        let value = value.trim().trim_start_matches('+');
        let (negative, digits) = match value.strip_prefix('-') {
            Some(digits) if from_end => (true, digits),
            Some(_) | None => (false, value),
        };
        let number = one(name, digits, least, most)?;
        values.push(if negative { number.saturating_neg() } else { number });
        if values.len() > MAX_VALUES {
            return Err(wrong(format!("{name} has more than {MAX_VALUES} values")));
        }
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

fn weekday(text: &str) -> Option<Weekday> {
    WEEKDAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

fn name_of(day: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, known)| *known == day).map_or("MO", |(name, _)| name)
}

fn by_days(text: &str) -> Result<Vec<ByDay>, InvalidRule> {
    let mut days: Vec<ByDay> = Vec::new();
    for value in text.split(',') {
        let value = value.trim();
        let invalid = || wrong(format!("BYDAY={} is no weekday, such as MO, 2TU or -1FR", short(value)));
        let at = value.len().checked_sub(2).filter(|at| value.is_char_boundary(*at)).ok_or_else(invalid)?;
        let (nth, day) = value.split_at(at);
        let day = weekday(day).ok_or_else(invalid)?;
        let nth = match nth {
            "" => None,
            nth => Some(many("BYDAY", nth, 1, 53, true)?.first().copied().ok_or_else(invalid)?),
        };
        let by = ByDay { nth, day };
        if !days.contains(&by) {
            days.push(by);
        }
        if days.len() > MAX_VALUES {
            return Err(wrong(format!("BYDAY has more than {MAX_VALUES} values")));
        }
    }
    days.sort_by_key(|by| (by.nth, by.day.to_monday_zero_offset()));
    Ok(days)
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FREQ={}", self.frequency.as_str())?;
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        if let Some(until) = self.until {
            write!(f, ";UNTIL={}", until.strftime("%Y%m%dT%H%M%S"))?;
        }
        for (name, values) in [
            ("BYMONTH", &self.months),
            ("BYWEEKNO", &self.weeks),
            ("BYYEARDAY", &self.year_days),
            ("BYMONTHDAY", &self.month_days),
            ("BYHOUR", &self.hours),
            ("BYMINUTE", &self.minutes),
            ("BYSECOND", &self.seconds),
            ("BYSETPOS", &self.positions),
        ] {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, ";{name}={}", values.join(","))?;
            }
        }
        if !self.days.is_empty() {
            let days = self
                .days
                .iter()
                .map(|by| by.nth.map_or_else(|| name_of(by.day).to_owned(), |nth| format!("{nth}{}", name_of(by.day))));
            write!(f, ";BYDAY={}", days.collect::<Vec<_>>().join(","))?;
        }
        if self.week_start != Weekday::Monday {
            write!(f, ";WKST={}", name_of(self.week_start))?;
        }
        Ok(())
    }
}

/// As a governance file has it: `UNTIL` is what clocks show, and there is no `COUNT`.
impl FromStr for Recurrence {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rule, ends) = Self::read(text)?;
        let rule = match ends {
            Ends::Never => rule,
            Ends::Until(until) => match DateTime::strptime("%Y%m%dT%H%M%S", &until) {
                Ok(until) => rule.until(until),
                Err(_) => return Err(wrong(format!("UNTIL={} is no time", short(&until)))),
            },
            Ends::After(_) => return Err(wrong("what a log has ends by UNTIL, not by COUNT")),
        };
        Ok(rule)
    }
}
