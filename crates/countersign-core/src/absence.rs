//! Who said that they are away, as their own stream tells it. It takes away, and never grants: whoever is away is named after all
//! others, and what their key signs meanwhile grants nothing, so that a key that is stolen while its holder is away gains nobody
//! anything but a word that they are back, which everybody can see.

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

/// How long one absence lasts at the most.
pub const ABSENT_SECS: i64 = 366 * 24 * 60 * 60;
/// How far ahead one may be said.
pub const AHEAD_SECS: i64 = 366 * 24 * 60 * 60;
/// Most of one person that are said and not over.
pub const MAX_ABSENCES: usize = 20;

/// Somebody's word that they are away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwayRecord {
    /// Payload digest of what they said.
    pub statement: Digest,
    pub from: Time,
    pub until: Time,
}

impl AwayRecord {
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    pub fn is_over(&self, at: Time) -> bool {
        self.until <= at
    }
}

/// Until when somebody is away by these, also where one begins before another ends.
pub fn away_until(absences: &[AwayRecord], at: Time) -> Option<Time> {
    let mut until = at;
    // Each round takes one that it did not take before.
    while let Some(later) = absences.iter().filter(|one| one.holds(until)).map(|one| one.until).max() {
        until = later;
    }
    (until > at).then_some(until)
}
