//! Moments as people read and write them: how long ago, by the clock on their wall, `7d`. Programs are told RFC 3339.

use countersign_ledger::Time;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::error::CliError;
use crate::{clock, wire::rfc3339};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `3 h ago (2026-11-26 10:00)`, of a moment in RFC 3339.
pub fn when(moment: &str) -> String {
    match moment.parse() {
        Ok(at) => format!("{} ({})", since(at, now()), on_the_wall(at)),
        Err(_) => moment.to_owned(),
    }
}

/// `3 h ago`.
pub fn ago(moment: &str) -> String {
    moment.parse().map_or_else(|_| moment.to_owned(), |at| since(at, now()))
}

/// `2026-11-26 10:00`, where who looks is.
pub fn local(moment: &str) -> String {
    moment.parse().map_or_else(|_| moment.to_owned(), on_the_wall)
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(clock::now().unix_millis()).unwrap_or_default()
}

fn on_the_wall(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// How long it is since then, in the largest unit that says enough; what is to come, how long until.
fn since(at: Timestamp, now: Timestamp) -> String {
    let secs = now.as_second().saturating_sub(at.as_second());
    let of = |number: i64| match number {
        0..MINUTE => "a moment".to_owned(),
        MINUTE..HOUR => format!("{} min", number / MINUTE),
        HOUR..172_800 => format!("{} h", number / HOUR),
        _ => format!("{} days", number / DAY),
    };
    match secs {
        0.. => format!("{} ago", of(secs)),
        _ => format!("in {}", of(secs.saturating_neg())),
    }
}

/// The moment that `7d`, `12h`, `2026-11-01` (from its beginning, here) or `2026-11-26T09:00:00Z` names, in RFC 3339.
pub fn moment(text: &str) -> Result<String, CliError> {
    let at = clock::now();
    let before = |secs: i64| Some(rfc3339(at.plus_secs(secs.checked_neg()?)));
    let (number, unit) = text.split_at(text.len().saturating_sub(text.chars().next_back().map_or(0, char::len_utf8)));
    let unit = match unit {
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        "d" => Some(DAY),
        "w" => Some(7 * DAY),
        _ => None,
    };
    let back = unit.and_then(|unit| number.parse::<u32>().ok().and_then(|n| i64::from(n).checked_mul(unit)));
    let found = match back {
        Some(secs) => before(secs),
        None => text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| midnight(text))
            .map(|at| rfc3339(Time::from_unix_millis(at.as_millisecond()))),
    };
    found.ok_or_else(|| {
        CliError::usage(format!("`{text}` is no moment")).hint("as in 7d, 12h, 2026-11-01 or 2026-11-26T09:00:00Z")
    })
}

fn midnight(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::system()).ok()?.timestamp())
}

/// The moment at which a day that was named ends: up to and with it.
pub fn end(text: &str) -> Result<String, CliError> {
    let day: Option<Date> = text.parse().ok().filter(|_| text.parse::<Timestamp>().is_err());
    // Not every day has 24 hours.
    let next = day.and_then(|day| day.tomorrow().ok()?.to_zoned(TimeZone::system()).ok());
    match next.map(|next| next.timestamp()) {
        Some(next) => Ok(rfc3339(Time::from_unix_millis(next.as_millisecond().saturating_sub(1)))),
        None => moment(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_and_what_will_be_is_said_in_the_largest_unit_that_says_enough() {
        let at = |secs: i64| Timestamp::from_second(1_800_000_000 + secs).unwrap();
        let said = [0, 59, 61, 7_199, 7_200, 172_799, 172_800, 864_000, -90].map(|secs| since(at(0), at(secs)));
        assert_eq!(
            said,
            [
                "a moment ago",
                "a moment ago",
                "1 min ago",
                "1 h ago",
                "2 h ago",
                "47 h ago",
                "2 days ago",
                "10 days ago",
                "in 1 min"
            ]
        );
    }

    #[test]
    fn moments_are_written_as_people_write_them() {
        assert_eq!(moment("2026-11-26T09:00:00Z").unwrap(), "2026-11-26T09:00:00Z");
        for text in ["7d", "12h", "3w", "90m", "2026-11-01"] {
            assert!(moment(text).unwrap().parse::<Timestamp>().is_ok(), "{text}");
        }
        assert!(end("2026-11-01").unwrap() > moment("2026-11-01").unwrap());
        for text in ["", "d", "-7d", "7", "yesterday", "2026-13-01", "99999999999d", "7ü"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
