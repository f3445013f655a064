//! `--since` and `--until`: dates and times as RFC 3339 writes them, UTC where nothing else is said.

use countersign_audit::timeline::on_calendar;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a date: expected 2026-03-01, 2026-03-01T12:00:00 (UTC) or 2026-03-01T12:00:00+01:00")]
pub struct InvalidTime(String);

/// Seconds since the Unix epoch. A date is its first second.
pub fn parse_time(text: &str) -> Result<i64, InvalidTime> {
    let invalid = || InvalidTime(text.chars().take(80).collect());
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_second());
    }
    // A date and time with a zone's name, or a date with nothing after it but an offset, would be read as if it had none.
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'T' | b't' | b' ' | b'.');
    if !text.bytes().all(plain) {
        return Err(invalid());
    }
    let civil: DateTime = text.parse().map_err(|_| invalid())?;
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_second()).map_err(|_| invalid())
}

/// The day of a time, as `2026-03-01`, in UTC.
pub fn day(seconds: i64) -> String {
    on_calendar(seconds).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn dates_and_times() {
        assert_eq!(parse_time("1970-01-02"), Ok(86_400));
        assert_eq!(parse_time("1970-01-02T00:00:01"), Ok(86_401));
        assert_eq!(parse_time("1970-01-02T00:00:01Z"), Ok(86_401));
        assert_eq!(parse_time("1970-01-02T01:00:00+01:00"), Ok(86_400));
        for wrong in ["", "yesterday", "2026-13-01", "2026-03", "1700000000", "2026-03-01[Europe/Berlin]"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
