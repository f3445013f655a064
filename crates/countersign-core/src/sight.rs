//! When a follower first saw leaves whose headers name an earlier time: what waits is counted from then.
//!
//! ```text
//!  the header of a leaf says   a ........................ b
//!  the follower followed               t, and it was not there
//!  waits count from            t, for whatever is dated from a until t
//! ```
//!
//! A server could otherwise date what it takes now by as long as it held the log still, and no wait would be one. Whoever has not followed
//! knows nothing of it: what a log says of time, its cosigners bound.

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

/// How far a server's clock may be behind, and how long a leaf may be on its way, before it counts as dated back.
pub const SLACK_SECS: i64 = 5 * 60;
/// Those that are remembered; of more, the first ones become one.
const MAX_SIGHTS: usize = 64;

/// From a leaf of this time on, what is dated before `not_before` was not there until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sight {
    pub from: Time,
    pub not_before: Time,
}

/// What one follower remembers of that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sights(Vec<Sight>);

impl Sights {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Sight> {
        self.0.iter()
    }

    /// Takes the time of the first leaf that is new, where the log was last followed at `followed`. Whether it was dated back.
    pub fn first_of(&mut self, leaf: Time, followed: Time) -> bool {
        if leaf.plus_secs(SLACK_SECS) >= followed {
            return false;
        }
        self.0.push(Sight { from: leaf, not_before: followed });
        if self.0.len() > MAX_SIGHTS {
            let first = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                *next = Sight { from: first.from.min(next.from), not_before: first.not_before.max(next.not_before) };
            }
        }
        true
    }

    /// The moment from which something waits that its header dates so.
    pub fn since(&self, at: Time) -> Time {
        let later = self.0.iter().filter(|sight| sight.from <= at && at < sight.not_before);
        later.map(|sight| sight.not_before).max().unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        Time::from_unix_secs(hours * 3_600)
    }

    #[test]
    fn what_is_dated_back_waits_from_when_it_was_not_there_yet() {
        let mut sights = Sights::default();
        // A clock that is a little behind, and a leaf on its way.
        assert!(!sights.first_of(at(10).plus_secs(-SLACK_SECS), at(10)) && sights.is_empty());
        assert!(sights.first_of(at(2), at(10)));
        let hours = [1, 2, 9, 10, 11].map(|hour| sights.since(at(hour)));
        assert_eq!(hours, [at(1), at(10), at(10), at(10), at(11)]);
        // Again, further on.
        assert!(sights.first_of(at(5), at(20)));
        assert_eq!([2, 5, 12, 20].map(|hour| sights.since(at(hour))), [at(10), at(20), at(20), at(20)]);
    }

    #[test]
    fn of_very_many_the_first_become_one_and_stay_as_strict() {
        let mut sights = Sights::default();
        for turn in 0..200 {
            assert!(sights.first_of(at(turn * 10), at(turn * 10 + 5)));
        }
        assert_eq!(sights.iter().count(), MAX_SIGHTS);
        for turn in 0..200 {
            assert!(sights.since(at(turn * 10 + 1)) >= at(turn * 10 + 5));
        }
    }
}
