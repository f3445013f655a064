//! What goes over the wire: the shapes that the API and its clients share. Out of scope: who makes them, and how they
//! travel.

mod change;
mod error;

use std::collections::BTreeMap;

use countersign_core::{
    decision::Decision,
    governance::GateRecord,
    ids::{ActorId, ChangeId, GateId},
    verify::Trust,
};
use countersign_ledger::{Digest, Hash};
use serde::{Deserialize, Serialize};

pub use self::{
    change::{
        ApprovalLine, ChangeLine, ChangeView, GuidanceLine, IdentityView, PermitLine, RejectionLine, WaiverLine,
        rfc3339,
    },
    error::{DENIED, ErrorBody, ErrorDetail},
};

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

/// What came of a statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Index of the leaf in the log.
    pub index: u64,
    pub statement: Digest,
    pub change: Option<ChangeId>,
    /// The permit's envelope, where one was asked for and issued.
    pub permit: Option<String>,
    /// How the change stands after the statement.
    pub decision: Option<Decision>,
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
