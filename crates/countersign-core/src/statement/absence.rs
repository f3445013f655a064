//! Who is away, and who stands in for them: a person's own word, in their own stream.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    delegation::DelegatedRole,
    ids::{ActorId, Target},
};

/// Whoever signs it is away. It takes away, and never grants: nobody looks for them, and what their key signs meanwhile grants
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Away {
    /// From when on; absent: from when the log takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    pub until: Time,
}

/// They are there again, before the time that they had said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Back {
    /// Payload digests of what they had said.
    pub away: BTreeSet<Digest>,
}

/// Somebody else counts as having a role of whoever signs it, for a time. They approve as themselves; they cannot pass it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// From when on; absent: from when the log takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    pub role: DelegatedRole,
    /// For changes of these alone; empty: wherever the delegator has the role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub targets: BTreeSet<Target>,
    pub to: ActorId,
    pub until: Time,
}

/// A delegation ends now, on the word of either of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationEnd {
    /// Payload digest of the delegation.
    pub delegation: Digest,
    /// Who delegated: it stands in their stream, and in that of whom it was delegated to.
    pub of: ActorId,
    pub to: ActorId,
}
