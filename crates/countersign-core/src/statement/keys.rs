//! Other keys in the place of those that somebody had.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Fingerprint, PublicKey};
use serde::{Deserialize, Serialize};

use crate::ids::ActorId;

/// Another key in the place of one of somebody's. The old key and the new one sign it; where the old one is lost, two others do,
/// one of them a senior.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// The key that goes.
    pub key: Fingerprint,
    pub new_key: PublicKey,
    /// A person, a workload or an agent.
    pub of: ActorId,
    /// Why others do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Digest>,
}

/// New keys where fewer than two people could act any more. The recovery quorum signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Of whom every key goes, and which one comes in their place.
    pub keys: BTreeMap<ActorId, PublicKey>,
    pub reason: Digest,
}
