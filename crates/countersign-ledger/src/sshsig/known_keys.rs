//! Keys that were read before, for whoever checks many signatures: to parse a key and to unpack its point takes a tenth of the
//! time of a check.

use std::collections::HashMap;

use ed25519_dalek::VerifyingKey;

use super::{Fingerprint, PublicKey, SignatureError, algorithms};

/// A log is signed by its people, its gates and its server; strangers' keys must not pile up.
const MOST: usize = 20_000;

#[derive(Debug, Default)]
pub struct KnownKeys(HashMap<Vec<u8>, KnownKey>);

#[derive(Debug)]
pub(super) struct KnownKey {
    pub key: PublicKey,
    pub fingerprint: Fingerprint,
    /// Of an Ed25519 key that is one.
    pub point: Option<VerifyingKey>,
}

impl KnownKeys {
    /// The key in this wire format.
    pub(super) fn read(&mut self, blob: &[u8]) -> Result<&KnownKey, SignatureError> {
        if !self.0.contains_key(blob) {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            let key = PublicKey::from_blob(blob)?;
            let known = KnownKey { fingerprint: key.fingerprint(), point: algorithms::point(&key), key };
            self.0.insert(blob.to_owned(), known);
        }
        self.0.get(blob).ok_or(SignatureError::PublicKey)
    }
}
