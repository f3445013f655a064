//! The clock, compared with one that nobody sets. Leaves stand in the order of their times, so that one leaf in the future holds
//! up all that comes after it: a clock that jumps is noticed before one is written.
//!
//! ```text
//! last look ────── uptime + 40 s ──────> now     the clock went on 40 s, too: this is the new last look
//! last look ────── uptime + 40 s ──────> now     the clock went on a day: nothing is written by it
//! ```

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_core::{
    permit::{MAX_SKEW_SECS, span},
    refusal::Refusal,
};
use countersign_ledger::Time;

use super::Clock;

/// How far a clock may be set at once. What keeps clocks right moves them by less than that.
const MAX_JUMP_MILLIS: i64 = 30_000;

/// How long the machine has been running: what the clock is compared with.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

pub(super) struct Steady {
    clock: Clock,
    uptime: Option<Uptime>,
    last: Mutex<Option<(Time, Duration)>>,
}

impl Steady {
    /// Without an uptime the clock is believed.
    pub fn new(clock: Clock, uptime: Option<Uptime>) -> Self {
        let steady = Self { clock, uptime, last: Mutex::new(None) };
        // The first look is the one that the next is compared with.
        drop(steady.now());
        steady
    }

    /// The time, whatever it is: for what is only shown.
    pub fn shown(&self) -> Time {
        (self.clock)()
    }

    /// The time, if the clock has gone on as the machine has.
    pub fn now(&self) -> Result<Time, Refusal> {
        let Some(uptime) = &self.uptime else { return Ok((self.clock)()) };
        // What is under the lock is replaced whole.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, running) = ((self.clock)(), uptime());
        if let Some((then, before)) = *last {
            let went_on = i64::try_from(running.saturating_sub(before).as_millis()).unwrap_or(i64::MAX);
            let expected = then.unix_millis().saturating_add(went_on);
            let off = now.unix_millis().saturating_sub(expected);
            if off.saturating_abs() > MAX_JUMP_MILLIS {
                let way = if off > 0 { "forward" } else { "back" };
                return Err(jumped(format!(
                    "the server's clock has jumped {way} by {}: it says {now}, and {} after it said {then}",
                    span(off.saturating_abs() / 1_000),
                    span(went_on / 1_000)
                )));
            }
        }
        *last = Some((now, running));
        Ok(now)
    }
}

fn jumped(message: String) -> Refusal {
    Refusal::conflict("clock-jumped", format!("{message}; nothing was written"))
        .hint("set the server's clock right; if it is right now, start the server again")
}

/// A log that has a later leaf than the clock says waits for the clock, but not for long.
pub(super) fn may_wait(now: Time, last: Time) -> Result<(), Refusal> {
    let behind = last.secs_since(now);
    if behind <= MAX_SKEW_SECS {
        return Ok(());
    }
    Err(Refusal::conflict(
        "clock-behind",
        format!(
            "the server's clock is {} behind the log: it says {now}, and the last leaf is of {last}; nothing was written",
            span(behind)
        ),
    )
    .hint("set the server's clock right; if the log's last leaf is of the future, nothing can be written until then"))
}
