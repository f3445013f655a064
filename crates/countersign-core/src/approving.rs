//! How approvals are shared: who approved whose changes, week by week, as each target remembers it of what landed there. What stands
//! out somebody else is asked to look at, once in so many weeks: that two people approve each other, and that one person carries a
//! third.
//!
//! Invariant: what landed is counted once, in the first of its targets, and numbers are of the targets that are named with them: so
//! whoever has their streams can count again.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

pub use crate::statement::APPROVING_WEEKS as WEEKS;
use crate::{ids::ActorId, statement::Side};

/// Fewer approvals than these say nothing of anybody.
pub const LEAST: u32 = 20;
/// Among fewer owners somebody always gives a third.
pub const LEAST_OWNERS: usize = 4;
const WEEK_SECS: i64 = 7 * 24 * 60 * 60;
/// So many kinds of approving a target remembers, the newest.
const MAX_TALLIES: usize = 256;

/// That so many changes landed in a week which the same people had a hand in, and the same people approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Those by whose approvals it landed.
    pub by: BTreeSet<ActorId>,
    pub landed: u32,
    /// Who had a hand in it.
    pub of: BTreeSet<ActorId>,
    /// Weeks since 1970.
    pub week: i64,
}

fn week(at: Time) -> i64 {
    at.unix_millis().div_euclid(1_000).div_euclid(WEEK_SECS)
}

/// Whether something that was found at a time is still of the weeks that are looked at, so that it is not found again.
pub fn is_recent(found: Time, now: Time) -> bool {
    now.secs_since(found) < WEEKS.saturating_mul(WEEK_SECS)
}

/// Counts one more that landed.
pub(crate) fn count(tallies: &mut Vec<Tally>, of: BTreeSet<ActorId>, by: BTreeSet<ActorId>, at: Time) {
    let week = week(at);
    tallies.retain(|tally| tally.week > week.saturating_sub(WEEKS));
    match tallies.iter_mut().find(|tally| tally.week == week && tally.of == of && tally.by == by) {
        Some(tally) => tally.landed = tally.landed.saturating_add(1),
        None => tallies.push(Tally { by, landed: 1, of, week }),
    }
    let over = tallies.len().saturating_sub(MAX_TALLIES);
    tallies.drain(..over);
}

/// What these tallies come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// In how many changes that landed somebody had a hand.
    of: BTreeMap<ActorId, u32>,
    /// How many of them somebody approved of another's.
    pairs: BTreeMap<(ActorId, ActorId), u32>,
    given: BTreeMap<ActorId, u32>,
    all: u32,
}

impl Sums {
    pub fn of<'a>(tallies: impl IntoIterator<Item = &'a Tally>, now: Time) -> Self {
        let mut sums = Self::default();
        let since = week(now).saturating_sub(WEEKS);
        let add = |count: &mut u32, landed: u32| *count = count.saturating_add(landed);
        for tally in tallies.into_iter().filter(|tally| tally.week > since) {
            for person in &tally.of {
                add(sums.of.entry(person.clone()).or_default(), tally.landed);
            }
            for by in &tally.by {
                add(sums.given.entry(by.clone()).or_default(), tally.landed);
                add(&mut sums.all, tally.landed);
                for person in &tally.of {
                    add(sums.pairs.entry((by.clone(), person.clone())).or_default(), tally.landed);
                }
            }
        }
        sums
    }

    /// Who approved enough of another's changes, and over half of them.
    fn side(&self, by: &ActorId, whose: &ActorId) -> Option<Side> {
        let approved = self.pairs.get(&(by.clone(), whose.clone())).copied().unwrap_or_default();
        let of = self.of.get(whose).copied().unwrap_or_default();
        let half = approved.saturating_mul(2) > of;
        (approved >= LEAST && half).then(|| Side { approved, by: by.clone(), of })
    }

    /// Two people, in the order of their names, each of whom approved over half of what the other had a hand in.
    pub fn each_other(&self, one: &ActorId, other: &ActorId) -> Option<(Side, Side)> {
        let (one, other) = if one < other { (one, other) } else { (other, one) };
        Some((self.side(one, other)?, self.side(other, one)?))
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&ActorId, &ActorId)> {
        let both = |(by, of): &(&ActorId, &ActorId)| by < of && self.each_other(by, of).is_some();
        self.pairs.keys().map(|(by, of)| (by, of)).filter(both)
    }

    /// Who gave over a third of all approvals, and enough: how many, and of how many.
    pub fn third(&self, by: &ActorId) -> Option<(u32, u32)> {
        let given = self.given.get(by).copied().unwrap_or_default();
        (given >= LEAST && given.saturating_mul(3) > self.all).then_some((given, self.all))
    }

    pub fn carriers(&self) -> impl Iterator<Item = &ActorId> {
        self.given.keys().filter(|by| self.third(by).is_some())
    }
}
