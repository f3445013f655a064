//! A drill: what breaks the glass in an outage, at a probe, where nothing happens by it.

use std::collections::BTreeSet;

use countersign_ledger::{Fingerprint, Time};
use serde::{Deserialize, Serialize};

use crate::ids::{GateId, Nonce, Oid, RepositoryId, Target};

/// Those who are entitled have moved a gate's probe without the log, so that they know how. As many sign as would break the glass for
/// these targets. It opens nothing else: it is no [`BreakGlass`](super::BreakGlass), and names no change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// The key of the gate.
    pub audience: Fingerprint,
    pub expires_at: Time,
    pub gate: GateId,
    /// What the gate drew for this.
    pub nonce: Nonce,
    pub repository: RepositoryId,
    /// For what it was exercised.
    pub targets: BTreeSet<Target>,
    /// Where the probe is moved to.
    pub tip: Oid,
}
