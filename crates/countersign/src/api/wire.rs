//! What goes over the wire, for the server and for our own clients.

use std::collections::BTreeMap;

use countersign_core::{
    governance::GateRecord,
    ids::{ActorId, GateId},
    verify::Trust,
};
use countersign_ledger::{Digest, Hash};
use serde::{Deserialize, Serialize};

/// `POST /v1/statements`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// The DSSE envelope, as text, verbatim.
    pub envelope: String,
    /// The blobs that the statement names, each in base64.
    #[serde(default)]
    pub blobs: Vec<String>,
}

/// `GET /v1/log`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogInfo {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// The signed checkpoint.
    pub checkpoint: String,
    pub genesis: Digest,
    /// What a client may pin when it first sees this log; better, it was given a `trust.json`.
    pub trust: Trust,
    pub governance: GovernanceInfo,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct GovernanceInfo {
    /// Genesis or amendment in force.
    pub in_force: Digest,
    pub catalog: Digest,
    pub rules: Digest,
    pub gates: BTreeMap<GateId, GateRecord>,
    /// People who have a key that holds.
    pub people: Vec<ActorId>,
}
