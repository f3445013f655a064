//! What a gate has done that the log does not have, and since when.

use std::collections::BTreeSet;

use countersign_core::{ids::ChangeId, statement::OutcomeResult};
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

    /// The changes that have landed here, or may within their lease, and of which the log tells no outcome.
    pub fn under_way(&self, now: Time) -> BTreeSet<ChangeId> {
        let landed = self.unreported().into_iter().filter_map(|(reservation, result, _)| match result {
            OutcomeResult::Applied => Some(reservation.change),
            OutcomeResult::Started | OutcomeResult::Failed => None,
        });
        let reserved = self.unspent(|_| true).into_iter().filter(|reservation| reservation.expires_at >= now);
        landed.chain(reserved.map(|reservation| reservation.change)).collect()
    }
}
