//! The server's keys as a governance file, and what became of those that it had. They change as everything that governs does: by
//! a change that somebody else looked at, so that whoever has a stolen key, or the server itself, puts no other in its place.
//!
//! Invariant: a key that was replaced does not come back.

use countersign_ledger::{Digest, LogKeys, PublicKey, checkpoint::Successor, checkpoint::is_verifier_key};
use serde::{Deserialize, Serialize};

use super::{Governance, GovernanceRecord};
use crate::{canonical, refusal::Refusal};

/// The file. A log begins with the keys that its genesis names, and without it.
pub const SERVER_KEYS: &str = "server.json";

/// What the server signs with from the leaf on that puts it in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerKeys {
    /// Signed-note verifier key of the checkpoints.
    pub log_key: String,
    /// Signs decisions, permits and observations.
    pub server_key: PublicKey,
}

/// Keys that the server had, and by which leaf others came in their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedKeys {
    pub log_key: String,
    pub server_key: PublicKey,
    /// Payload digest of the publication.
    pub by: Digest,
}

impl ServerKeys {
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        canonical::from_bytes(bytes, SERVER_KEYS)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        canonical::to_bytes(self)
    }
}

/// By which key a log signs which sizes, as far as `index` knows where the leaves are that replaced one.
pub fn log_keys(now: &str, replaced: &[ReplacedKeys], index: impl Fn(&Digest) -> Option<u64>) -> LogKeys {
    let Some(first) = replaced.first() else { return now.into() };
    let next = replaced.iter().skip(1).map(|replaced| replaced.log_key.as_str()).chain([now]);
    let successors = replaced.iter().zip(next).filter_map(|(replaced, key)| {
        Some(Successor { from: index(&replaced.by)?.saturating_add(1), key: key.to_owned() })
    });
    LogKeys::from(first.log_key.as_str()).followed_by(successors)
}

impl GovernanceRecord {
    /// Whether the server had this key once.
    pub fn was_servers(&self, key: &PublicKey) -> bool {
        self.replaced_keys.iter().any(|replaced| replaced.server_key == *key)
    }
}

impl Governance {
    /// Puts the keys of a file in force.
    pub(super) fn with_server_keys(mut self, keys: &ServerKeys, by: Digest) -> Result<Self, Refusal> {
        let ServerKeys { log_key, server_key } = keys;
        let record = &mut self.record;
        if (log_key, server_key) == (&record.log_key, &record.server_key) {
            return Ok(self);
        }
        let invalid = |what: String| Refusal::malformed("server-keys", format!("{SERVER_KEYS} does not hold: {what}"));
        if !is_verifier_key(log_key, &record.origin) {
            return Err(invalid(format!("`{log_key}` is no key of log `{}`", record.origin)));
        }
        // Where one was stolen the other lay beside it.
        let was = |had: (&String, &PublicKey)| had.0 == log_key || had.1 == server_key;
        let before = record.replaced_keys.iter().map(|replaced| (&replaced.log_key, &replaced.server_key));
        if before.chain([(&record.log_key, &record.server_key)]).any(was) {
            return Err(Refusal::conflict(
                "server-keys-known",
                format!("{SERVER_KEYS} names a key that the server has or had; both are replaced, by new ones"),
            )
            .hint("make new ones on the server's machine: countersign rotate-key --home HOME"));
        }
        if self.ever_by_key(&server_key.fingerprint()).is_some() {
            let key = server_key.fingerprint();
            return Err(Refusal::conflict("key-taken", format!("key {key} is somebody's in the catalog"))
                .hint("make new ones on the server's machine: countersign rotate-key --home HOME"));
        }
        let record = &mut self.record;
        let log_key = std::mem::replace(&mut record.log_key, log_key.clone());
        let server_key = std::mem::replace(&mut record.server_key, server_key.clone());
        record.replaced_keys.push(ReplacedKeys { log_key, server_key, by });
        Ok(self)
    }
}

/// The keys in force are not taken away, they are replaced.
pub(super) fn stay() -> Refusal {
    Refusal::conflict("server-keys-stay", format!("{SERVER_KEYS} is not taken away; other keys come in their place"))
        .hint("make new ones on the server's machine: countersign rotate-key --home HOME")
}
