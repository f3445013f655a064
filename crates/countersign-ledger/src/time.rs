//! A moment, as the log stamps it: milliseconds since the Unix epoch, UTC. There is no clock here; the engine's clock
//! hands the time in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_unix_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn unix_secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000)))
    }

    /// Seconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn secs_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

/// In RFC 3339, to the second, UTC: `2026-03-05T14:00:00Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, secs) = (self.unix_secs().div_euclid(86_400), self.unix_secs().rem_euclid(86_400));
        let (year, month, day) = civil(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", secs / 3_600, secs / 60 % 60, secs % 60)
    }
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. Years are counted from a first of March, so
/// that the leap day is the last of one; 400 of them have 146,097 days.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + 400 * era + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_in_rfc_3339() {
        let said: Vec<String> = [0, -1, 951_782_400, 951_868_800, 4_107_542_399, 1_772_719_200]
            .map(|secs| Time::from_unix_secs(secs).to_string())
            .into();
        assert_eq!(
            said,
            [
                "1970-01-01T00:00:00Z",
                "1969-12-31T23:59:59Z",
                "2000-02-29T00:00:00Z",
                "2000-03-01T00:00:00Z",
                "2100-02-28T23:59:59Z",
                "2026-03-05T14:00:00Z"
            ]
        );
    }
}
