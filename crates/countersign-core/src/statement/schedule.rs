//! When a change may land, as people say it: a window that takes away and never grants.

use std::fmt;

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use super::RevisionRef;
use crate::ids::ChangeId;

/// Not before one moment, until another; each is a moment in UTC, whatever zone it was typed in. One of the two is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// The first moment that is out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Whoever signs it says when the change may land, in the place of what they said before; without a window, that they ask for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub change: ChangeId,
    /// At which revision: it stands over later ones.
    pub revision: RevisionRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl Window {
    /// Whether it has begun.
    pub fn has_begun(&self, now: Time) -> bool {
        self.not_before.is_none_or(|from| from <= now)
    }

    pub fn is_over(&self, now: Time) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub fn is_open(&self, now: Time) -> bool {
        self.has_begun(now) && !self.is_over(now)
    }

    /// Whether there is no moment in it.
    pub fn is_empty(&self) -> bool {
        matches!((self.not_before, self.until), (Some(from), Some(until)) if until <= from)
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { not_before: self.not_before.max(other.not_before), until }
    }

    /// Whether every moment of it is one of the other's.
    pub fn is_within(&self, other: &Self) -> bool {
        self.and(*other) == *self
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.not_before, self.until) {
            (Some(from), Some(until)) => write!(f, "not before {from}, and until {until}"),
            (Some(from), None) => write!(f, "not before {from}"),
            (None, Some(until)) => write!(f, "until {until}"),
            (None, None) => f.write_str("at any time"),
        }
    }
}
