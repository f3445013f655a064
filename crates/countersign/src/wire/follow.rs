//! What a follower is told: leaves, with the blobs without which they cannot be folded, under a checkpoint.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::epoch::EpochRecord;
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

/// A part of what `GET /epoch` answers: where an epoch was begun after the first. A hint: what it says is looked for in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochHint {
    pub number: u32,
    /// The leaf that begins it.
    pub leaf: u64,
}

/// As long as the answer can be.
pub const MAX_HINT_BYTES: u64 = 64 * 1_024;

impl EpochHint {
    /// In the order of their numbers; `None` in the first epoch.
    pub fn of(epochs: &[EpochRecord]) -> Option<Vec<Self>> {
        let hints = epochs.iter().map(|epoch| Self { number: epoch.number, leaf: epoch.after.size });
        (!epochs.is_empty()).then(|| hints.collect())
    }

    /// What is no hint gives none: a place that is no server may answer with a page.
    pub fn read(bytes: &[u8]) -> Vec<Self> {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// `GET /v1/inclusion?index=…&size=…` and `GET /v1/consistency?from=…&to=…`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub hashes: Vec<Hash>,
}
