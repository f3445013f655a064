//! Other keys in the place of those that a catalog's files list: what their holders took since, which a file that somebody
//! wrote before, or out of an older copy, does not undo.

use std::collections::BTreeMap;

use countersign_ledger::{Fingerprint, PublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Catalog;
use crate::ids::ActorId;

/// A key in whose place another came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredKey {
    pub of: ActorId,
    pub new_key: PublicKey,
    /// Whether it said so itself: then what it approved before stands.
    pub by_itself: bool,
}

/// A key that is two people's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("key {key} is {of}'s, and it lists it for {listed}")]
pub struct KeyConflict {
    pub key: Fingerprint,
    pub of: ActorId,
    pub listed: ActorId,
}

impl Catalog {
    /// Puts the newest key in the place of each that was given up, where that is listed. To do it twice changes nothing.
    pub(crate) fn with_other_keys(mut self, retired: &BTreeMap<Fingerprint, RetiredKey>) -> Result<Self, KeyConflict> {
        for (old, gone) in retired {
            let Some(actor) = self.actor_by_key(old) else { continue };
            let conflict = |key: &Fingerprint, listed: &ActorId| {
                Err(KeyConflict { key: key.clone(), of: gone.of.clone(), listed: listed.clone() })
            };
            if actor.id != gone.of {
                return conflict(old, &actor.id);
            }
            let new = newest(&gone.new_key, retired);
            let (new_key, id) = (new.fingerprint(), actor.id.clone());
            match self.actor_by_key(&new_key) {
                Some(other) if other.id != id => return conflict(&new_key, &other.id),
                Some(_) | None => {}
            }
            self.actors.replace_key(&id, old, new);
            self.index.replace_key(old, &new_key);
        }
        Ok(self)
    }
}

/// The last of the keys that came one in the place of the other.
fn newest<'a>(mut key: &'a PublicKey, retired: &'a BTreeMap<Fingerprint, RetiredKey>) -> &'a PublicKey {
    for _ in 0..retired.len() {
        match retired.get(&key.fingerprint()) {
            Some(next) => key = &next.new_key,
            None => break,
        }
    }
    key
}
