//! Since when a gate has something to tell that the log does not have.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use super::{Event, Past};

impl Past {
    /// When the oldest of what is not in the log yet was written down: an outcome, or a branch where no permit put it.
    pub fn waiting_since(&self) -> Option<Time> {
        let unreported: BTreeSet<Digest> =
            self.unreported().into_iter().map(|(reservation, ..)| reservation.permit).collect();
        let settled = self.events.iter().filter_map(|event| match event {
            Event::Settled { permit, at, .. } if unreported.contains(permit) => Some(*at),
            _ => None,
        });
        let moved = self.untold().into_iter().filter_map(|event| match event {
            Event::Moved { at, .. } => Some(at),
            _ => None,
        });
        settled.chain(moved).min()
    }
}
