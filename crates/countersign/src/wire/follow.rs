//! What a follower is told: leaves, with the blobs without which they cannot be folded, under a checkpoint.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_ledger::{Digest, Hash};
use serde::{Deserialize, Serialize};

/// `GET /v1/entries?from=SIZE`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// The newest signed checkpoint.
    pub checkpoint: String,
    /// The newest one that others cosigned, which may be a little older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<String>,
    /// The index of the first leaf.
    pub from: u64,
    /// In base64.
    pub leaves: Vec<String>,
    /// In base64.
    pub blobs: BTreeMap<Digest, String>,
}

impl Entries {
    pub fn new(checkpoint: String, from: u64, leaves: &[Vec<u8>], blobs: &BTreeMap<Digest, Vec<u8>>) -> Self {
        Self {
            checkpoint,
            cosigned: None,
            from,
            leaves: leaves.iter().map(|leaf| STANDARD.encode(leaf)).collect(),
            blobs: blobs.iter().map(|(digest, bytes)| (*digest, STANDARD.encode(bytes))).collect(),
        }
    }

    /// The leaves' bytes; `None` if one is no base64.
    pub fn leaves(&self) -> Option<Vec<Vec<u8>>> {
        self.leaves.iter().map(|leaf| STANDARD.decode(leaf).ok()).collect()
    }

    /// The blobs, each under the digest that it truly has; `None` if one is no base64.
    pub fn blobs(&self) -> Option<BTreeMap<Digest, Vec<u8>>> {
        self.blobs.values().map(|blob| STANDARD.decode(blob).ok().map(|bytes| (Digest::of(&bytes), bytes))).collect()
    }
}

/// `GET /v1/inclusion?index=…&size=…` and `GET /v1/consistency?from=…&to=…`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub hashes: Vec<Hash>,
}
