//! `post-receive`: tells the log what came of permits. The branch has moved by then, so nothing here can fail a push;
//! what could not be told is told before the next one.

use countersign_ledger::Time;

use super::{GateError, GitGate, findings, outage};
use crate::{
    clock,
    gates::{desk::spend, journal::Journal},
};

/// Follows the log and reports what came of permits, after a push.
pub fn tell(gate: &GitGate, now: Time) -> Result<(), GateError> {
    let mut desk = gate.desk()?;
    desk.follow(now)?;
    let _ = outage::hand_on(gate, &desk, now);
    desk.follow(now)?;
    let journal = gate.journal_path();
    let unreported = Journal::open(&journal)?.unreported();
    spend::tell(&journal, &mut desk, unreported, &clock::now)?;
    // What the log does not take now it takes at the next contact.
    let _ = findings::raise(gate, &desk, clock::now());
    Ok(desk.close()?)
}
