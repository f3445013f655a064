//! What a follower is told: leaves, with the blobs without which they cannot be folded, under a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{epoch::EpochRecord, verify::Evidence};
use countersign_ledger::{Digest, Hash, StreamId};
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

/// `GET /v1/standings?key=SHA256:…`: governance and the streams of people whom it concerns, whole, with everything that verifying them
/// takes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standings {
    pub checkpoint: String,
    pub streams: BTreeSet<StreamId>,
    /// By their index, in base64.
    pub leaves: BTreeMap<u64, String>,
    pub proofs: BTreeMap<u64, Vec<Hash>>,
    /// In base64.
    pub blobs: BTreeMap<Digest, String>,
    /// How far governance was left out, for an asker who has verified so much of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governed: Option<u64>,
    /// From the checkpoint that the asker had to this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<Hash>,
}

impl Standings {
    pub fn new(evidence: &Evidence, governed: Option<u64>, consistency: Vec<Hash>) -> Self {
        Self {
            checkpoint: evidence.checkpoint.clone(),
            streams: evidence.streams.clone(),
            leaves: evidence.leaves.iter().map(|(index, bytes)| (*index, STANDARD.encode(bytes))).collect(),
            proofs: evidence.proofs.clone(),
            blobs: evidence.blobs.iter().map(|(digest, bytes)| (*digest, STANDARD.encode(bytes))).collect(),
            governed,
            consistency,
        }
    }

    /// What is to be verified; `None` where something is no base64. Each blob is under the digest that it was sent with.
    pub fn evidence(&self) -> Option<Evidence> {
        let leaves = self.leaves.iter().map(|(index, text)| Some((*index, STANDARD.decode(text).ok()?)));
        let blobs = self.blobs.iter().map(|(digest, text)| Some((*digest, STANDARD.decode(text).ok()?)));
        Some(Evidence {
            checkpoint: self.checkpoint.clone(),
            leaves: leaves.collect::<Option<_>>()?,
            proofs: self.proofs.clone(),
            blobs: blobs.collect::<Option<_>>()?,
            streams: self.streams.clone(),
            ..Evidence::default()
        })
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
