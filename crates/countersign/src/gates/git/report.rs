//! `post-receive`: tells the log what came of permits. The branch has moved by then, so nothing here can fail a push;
//! what could not be told is told before the next one.

use countersign_ledger::Time;

use super::{
    GateError, GitGate, findings,
    outage::{self, NotTaken},
};
use crate::{
    clock,
    gates::{desk::spend, journal::Journal},
};

/// Follows the log and reports what came of permits, after a push. Gives what people signed in an outage and the log does not take.
pub fn tell(gate: &GitGate, now: Time) -> Result<Vec<NotTaken>, GateError> {
    let mut desk = gate.desk()?;
    desk.follow(now)?;
    let not_taken = outage::hand_on(gate, &desk, now).unwrap_or_default();
    desk.follow(now)?;
    let journal = gate.journal_path();
    let unreported = Journal::open(&journal)?.unreported();
    spend::tell(&journal, &mut desk, unreported, &clock::now)?;
    // What the log does not take now it takes at the next contact.
    let _ = findings::raise(gate, &desk, clock::now());
    desk.close()?;
    Ok(not_taken)
}
