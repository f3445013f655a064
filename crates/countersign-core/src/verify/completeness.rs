//! How far nothing can have been left out of a copy, by the word of enough followers.

use std::collections::BTreeMap;

use countersign_ledger::{
    Hash, LogKeys,
    checkpoint::{Checkpoint, SignedCheckpoint},
};

use super::report::Failure;
use crate::{ids::ChangeId, trust::Vouching};

/// How far a copy of a log can be without anything left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Completeness {
    /// Whether enough followers cosigned, however long ago.
    pub vouching: Vouching,
    /// Of a part of a log, the changes and the leaf up to which they vouch that nothing is missing which bears on it: its last
    /// decision or permit, or a later leaf if the copy has all between.
    pub(super) until: BTreeMap<ChangeId, u64>,
    /// The size of the log that was cosigned.
    pub size: u64,
    /// Whether the copy is of the whole log.
    pub whole: bool,
}

impl Completeness {
    /// The leaf up to which enough followers vouch that nothing is missing which bears on a change; `None` for what bears on
    /// anything, which only a whole log has.
    pub fn until(&self, change: Option<&ChangeId>) -> Option<u64> {
        match (&self.vouching, self.whole, change) {
            (Vouching::Nobody | Vouching::Short(_), ..) | (Vouching::Enough { .. }, false, None) => None,
            (Vouching::Enough { .. }, true, _) => self.size.checked_sub(1),
            (Vouching::Enough { .. }, false, Some(change)) => self.until.get(change).copied(),
        }
    }

    /// One line for a reader.
    pub fn words(&self, change: Option<&ChangeId>) -> String {
        // A whole log has all that is under its checkpoint; whether others saw the same one is what it lacks.
        let otherwise = if self.whole { "nobody vouches that this is the only log" } else { "presence only" };
        let (counted, operators) = match &self.vouching {
            Vouching::Enough { counted, operators } => (counted.len(), *operators),
            Vouching::Short(error) => return format!("{otherwise}: {error}"),
            Vouching::Nobody => return format!("{otherwise}: the trust file names no cosigners"),
        };
        let cosigned = format!("{counted} of {operators} followers cosigned");
        match self.until(change) {
            Some(until) if until.saturating_add(1) == self.size => format!("complete ({cosigned}) up to leaf {until}"),
            Some(until) => {
                let last = self.size.saturating_sub(1);
                format!(
                    "complete ({cosigned}) up to leaf {until}; of what came later, up to leaf {last}, presence only"
                )
            }
            None => format!("presence only: {cosigned}, but no decision in it says what stood before"),
        }
    }
}

/// What others cosigned: the note that came with the copy, or its own checkpoint.
pub(super) fn cosigned(
    checkpoint: &str,
    cosigned: Option<&str>,
    log_key: &LogKeys,
) -> Result<SignedCheckpoint, Failure> {
    SignedCheckpoint::open(cosigned.unwrap_or(checkpoint), log_key)
        .map_err(|e| Failure::new(format!("what others cosigned is no checkpoint of this log: {e}")))
}

/// The copy continues what others cosigned. `root` is the copy's root at that size.
pub(super) fn continues(cosigned: &Checkpoint, copy: &Checkpoint, root: Option<Hash>) -> Result<(), Failure> {
    if cosigned == copy || root == Some(cosigned.root) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "others cosigned a log of {} leaves with root {}, which this copy of {} does not continue",
        cosigned.size, cosigned.root, copy.size
    )))
}
