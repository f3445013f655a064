//! The clock: the only place that reads it. Everything else takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_ledger::Time;

/// Whoever waits for others in between asks it again: what was true before need not be true after.
pub type Clock<'a> = &'a dyn Fn() -> Time;

#[expect(clippy::disallowed_methods, reason = "the clock is read here and nowhere else")]
pub fn now() -> Time {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
    Time::from_unix_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
