//! What a gate has to tell the log and could not yet: what people signed in an outage, what came of permits, what it found. Sent at
//! whatever contact comes next, which may be nobody's push.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    GateError, GitGate, drill,
    outage::{self, NotTaken},
    report,
};
use crate::{
    clock::Clock,
    gates::{desk::DeskError, journal::Past, stops::Stops},
    wire::rfc3339,
};

/// How much of each waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// What people signed to open this gate, while the log was away.
    pub broken_glass: usize,
    /// What came of permits.
    pub outcomes: usize,
    /// Branches that were found where no permit put them, of which the log has no finding.
    pub moved: usize,
    /// Drills.
    pub drills: usize,
    /// Stops that were handed over.
    pub stops: usize,
    /// Since when the oldest of what the journal dates waits.
    pub since: Option<String>,
}

impl Unsent {
    /// What waits at a gate whose journal says this.
    pub fn of(gate: &GitGate, past: &Past) -> Result<Self, GateError> {
        let stops = Stops::beside(&gate.config.copy).all()?.len();
        let glass = outage::kept(gate).all()?;
        let opened: BTreeSet<_> = past.unreported().into_iter().map(|(reservation, ..)| reservation.permit).collect();
        Ok(Self {
            // What opened nothing here is no news to anybody.
            broken_glass: glass.iter().filter(|glass| opened.contains(&glass.said.signed.payload())).count(),
            outcomes: opened.len(),
            moved: past.untold().len(),
            drills: drill::kept(gate).all()?.len(),
            stops,
            since: past.waiting_since().map(rfc3339),
        })
    }

    pub fn is_nothing(&self) -> bool {
        self.broken_glass + self.outcomes + self.moved + self.drills + self.stops == 0
    }
}

/// What was there to be sent, and what is left of it.
#[derive(Debug, Serialize)]
pub struct Sent {
    pub waited: Unsent,
    pub left: Unsent,
    /// What people signed in an outage, and the log refuses for good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_taken: Vec<NotTaken>,
}

/// Follows the log and sends it what it does not have.
pub fn sync(gate: &GitGate, clock: Clock<'_>) -> Result<Sent, GateError> {
    let unsent = || -> Result<Unsent, GateError> {
        let past = Past::read(&gate.journal_path()).map_err(DeskError::from)?;
        Unsent::of(gate, &past.unwrap_or_default())
    };
    let waited = unsent()?;
    let not_taken = report::tell(gate, clock())?;
    Ok(Sent { waited, left: unsent()?, not_taken })
}
