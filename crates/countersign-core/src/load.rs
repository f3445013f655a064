//! Load: who has how much to approve, how long changes wait for it, and what that would be with somebody more or somebody less.
//!
//! Pure: everything follows from what the log has, and a forecast from that and a seed. Nothing here takes part in deciding.
//!
//! Invariant: how long one person takes is told by nothing but [`speed`], which the home has to ask for: waits are told of what
//! several people answered, and a forecast draws from what all of them took together.

mod dice;
mod forecast;
mod history;
mod waits;

use countersign_ledger::Time;

pub use self::{
    forecast::{AHEAD_WEEKS, Forecast, RUNS, Scenario, forecast},
    history::{Answer, Ask, Given, History},
    waits::{Row, Spread, Waits, speed, waits},
};

const WEEK_SECS: i64 = 7 * 24 * 60 * 60;
/// Fewer approvals than these are no ground for a forecast.
pub const MIN_APPROVALS: usize = 20;
/// And no shorter time.
pub const MIN_WEEKS: u32 = 2;
/// What fewer people answered would tell of one of them how long they take.
pub const MIN_PEOPLE: usize = 3;
/// So far back one may look.
pub const MAX_WEEKS: u32 = 104;

/// Whole minutes between, none where it is the other way round.
fn minutes(from: Time, until: Time) -> u64 {
    u64::try_from(until.secs_since(from).max(0) / 60).unwrap_or(0)
}

/// So many whole weeks lie between, at most so many.
fn weeks(from: Time, until: Time, most: u32) -> u32 {
    u32::try_from(until.secs_since(from).max(0) / WEEK_SECS).unwrap_or(u32::MAX).min(most)
}
