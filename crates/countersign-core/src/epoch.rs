//! Epochs of a log. A log that was restored from an older copy has lost what came behind it: the recovery quorum begins a new
//! epoch there, which every later statement names. What granted something before the cut grants nothing behind it, since
//! nobody can tell any more what was said against it; what takes away is taken from before the cut, too.

pub use crate::governance::EpochRecord;
use crate::{
    governance::GovernanceRecord,
    statement::{Header, Statement},
};

/// The epoch that a log begins with, which no header spells.
pub const FIRST: u32 = 1;

/// By how much a number may exceed the last: a copy from before an epoch can be restored a second time, and then its number
/// was used already.
pub const MAX_STEP: u32 = 16;

impl GovernanceRecord {
    /// Which epoch the log is in.
    pub fn epoch(&self) -> u32 {
        self.header_epoch().unwrap_or(FIRST)
    }

    /// The same, as headers spell it.
    pub fn header_epoch(&self) -> Option<u32> {
        self.epochs.last().map(|epoch| epoch.number)
    }
}

impl Header {
    /// The epoch that a statement was said in.
    pub fn said_in(&self) -> u32 {
        self.epoch.unwrap_or(FIRST)
    }
}

/// Whether it is a stop that was said before a cut.
pub fn is_from_before(governance: &GovernanceRecord, statement: &Statement) -> bool {
    statement.body.is_stop() && statement.header.said_in() < governance.epoch()
}

/// Whether it is a stop from before a cut that names a checkpoint of what was cut off: nobody can compare that any more.
pub fn was_cut_off(governance: &GovernanceRecord, statement: &Statement) -> bool {
    let next = governance.epochs.iter().find(|epoch| epoch.number > statement.header.said_in());
    statement.body.is_stop() && next.is_some_and(|next| statement.header.checkpoint.size > next.after.size)
}
