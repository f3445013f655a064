//! For which targets a workload's word counts: each by itself, or whatever belongs to a system.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, SystemId, Target};

/// `checkout`, or `checkout/production`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    System(SystemId),
    Target(Target),
}

impl FromStr for Place {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.contains('/') {
            true => text.parse().map(Self::Target),
            false => text.parse().map(Self::System),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(system) => system.fmt(f),
            Self::Target(target) => target.fmt(f),
        }
    }
}

impl Place {
    pub const fn system(&self) -> &SystemId {
        match self {
            Self::System(system) => system,
            Self::Target(target) => &target.system,
        }
    }
}

/// Where it counts; empty where nobody says so, which is everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(BTreeSet<Place>);

impl FromIterator<Place> for Scope {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

impl Scope {
    /// Names between commas or white space.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let words = text.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
        Ok(Self(words.map(str::parse).collect::<Result<_, _>>()?))
    }

    pub fn is_everywhere(&self) -> bool {
        self.0.is_empty()
    }

    pub fn covers(&self, target: &Target) -> bool {
        self.is_everywhere()
            || self.0.iter().any(|place| match place {
                Place::System(system) => *system == target.system,
                Place::Target(one) => one == target,
            })
    }

    /// What it names; nothing where it is everywhere.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// Whether it is nowhere where another is not.
    pub fn is_within(&self, other: &Self) -> bool {
        let within = |place: &Place| match place {
            Place::System(_) => other.0.contains(place),
            Place::Target(target) => other.covers(target),
        };
        other.is_everywhere() || !self.is_everywhere() && self.0.iter().all(within)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&places.join(", "))
    }
}
