//! Working hours: `Mon-Fri 09:00-17:00`, in the zone of the calendar that says so.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::civil::{DateTime, Time, Weekday};
use serde::{Deserialize, Serialize};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkingHours {
    /// From 0 for Monday.
    days: BTreeSet<usize>,
    from: Time,
    until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` says no working hours, which are written `Mon-Fri 09:00-17:00`")]
pub struct InvalidHours(String);

impl Default for WorkingHours {
    fn default() -> Self {
        Self { days: (0..5).collect(), from: jiff::civil::time(9, 0, 0, 0), until: jiff::civil::time(17, 0, 0, 0) }
    }
}

impl WorkingHours {
    /// Whether somebody works when clocks show this, if it is no holiday.
    pub fn cover(&self, clock: DateTime) -> bool {
        let day = index(clock.weekday());
        self.days.contains(&day) && self.from <= clock.time() && clock.time() < self.until
    }
}

fn index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

fn parse(text: &str) -> Option<WorkingHours> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let (days_text, hours) = text.trim().rsplit_once(' ')?;
    let mut days = BTreeSet::new();
    for part in days_text.split(',') {
        match part.split_once('-') {
            None => drop(days.insert(day(part)?)),
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                (first <= last).then(|| days.extend(first..=last))?;
            }
        }
    }
    let time = |text: &str| match text {
        // Till the end of the day.
        "24:00" => Some(Time::MAX),
        text => Time::strptime("%H:%M", text).ok(),
    };
    let (from, until) = hours.split_once('-')?;
    let (from, until) = (time(from)?, time(until)?);
    (from < until).then_some(WorkingHours { days, from, until })
}

impl FromStr for WorkingHours {
    type Err = InvalidHours;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InvalidHours(text.chars().take(60).collect()))
    }
}

impl fmt::Display for WorkingHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days one after the other as from-to.
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for day in &self.days {
            match ranges.last_mut() {
                Some((_, last)) if last.saturating_add(1) == *day => *last = *day,
                Some(_) | None => ranges.push((*day, *day)),
            }
        }
        let name = |day: usize| DAYS.get(day).copied().unwrap_or_default();
        let days = ranges.into_iter().map(|(first, last)| match first == last {
            true => name(first).to_owned(),
            false => format!("{}-{}", name(first), name(last)),
        });
        let until = if self.until == Time::MAX { "24:00".to_owned() } else { self.until.strftime("%H:%M").to_string() };
        write!(f, "{} {}-{until}", days.collect::<Vec<_>>().join(","), self.from.strftime("%H:%M"))
    }
}

impl TryFrom<String> for WorkingHours {
    type Error = InvalidHours;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WorkingHours> for String {
    fn from(hours: WorkingHours) -> Self {
        hours.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_written_as_people_write_them() {
        for (text, written) in [
            ("Mon-Fri 09:00-17:00", "Mon-Fri 09:00-17:00"),
            ("mon,tue,wed,sat 8:30-24:00", "Mon-Wed,Sat 08:30-24:00"),
            ("Sun 00:00-01:00", "Sun 00:00-01:00"),
        ] {
            assert_eq!(text.parse::<WorkingHours>().unwrap().to_string(), written);
        }
        for text in
            ["", "09:00-17:00", "Mon-Fri", "Fri-Mon 09:00-17:00", "Mon 17:00-09:00", "Mon-Fri 9-17", "Day 09:00-10:00"]
        {
            assert!(text.parse::<WorkingHours>().is_err(), "{text}");
        }
        let hours = WorkingHours::default();
        let at = |text: &str| hours.cover(text.parse().unwrap());
        assert!(at("2026-11-27T09:00:00") && at("2026-11-27T16:59:59"));
        assert!(!at("2026-11-27T17:00:00") && !at("2026-11-28T10:00:00") && !at("2026-11-27T08:59:59"));
    }
}
