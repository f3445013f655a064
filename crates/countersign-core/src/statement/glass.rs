//! Breaking the glass: opening a gate once, whatever the rules say, on the word of those who are entitled.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Fingerprint, Time};
use serde::{Deserialize, Serialize};

use super::{RevisionRef, Seen};
use crate::{
    ids::{ActorId, ChangeId, GateId, Nonce, Target},
    subject::TransitionRef,
};

/// Opens one gate once for one revision, over exactly one transition. As many sign as are needed where it is said: see
/// [`crate::glass::needed`]. Somebody else looks at it afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// The key of the gate that it opens.
    pub audience: Fingerprint,
    pub change: ChangeId,
    pub expires_at: Time,
    pub gate: GateId,
    /// The incident, under its name in whatever keeps incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What the gate drew when it could not reach the log. Absent where the log takes it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// Whose rejections it goes over.
    pub overrides: BTreeSet<ActorId>,
    /// Blob: why, salted.
    pub reason: Digest,
    pub revision: RevisionRef,
    /// How all who sign had the content at hand, at the least.
    pub seen: Seen,
    pub targets: BTreeSet<Target>,
    pub transition: TransitionRef,
}
