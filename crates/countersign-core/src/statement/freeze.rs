//! Freezes on one signature, and their end before the time.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::calendar::{Pass, Scope};

/// From now on nothing goes there but what may pass: a stop, for a day at the most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Besides a rollback and breaking the glass, which always may.
    pub may_pass: BTreeSet<Pass>,
    /// Blob: why, salted.
    pub reason: Digest,
    pub scope: Scope,
    pub until: Time,
}

/// A freeze ends now. Whoever froze signs it, or two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeLift {
    /// Payload digest of the freeze.
    pub freeze: Digest,
}
