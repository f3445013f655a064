//! The newest checkpoint that others cosigned, as whoever collects cosignatures brought it. It follows from no leaf and is no
//! state: without it nobody decides otherwise, only those who ask for cosigners decide nothing.

use std::sync::{PoisonError, RwLock};

use countersign_ledger::{Hash, SignedCheckpoint, tree};
use tokio::sync::Notify;

use super::{Engine, EngineError};
use crate::store;

#[derive(Debug, Default)]
pub(super) struct Cosigned {
    newest: RwLock<Option<SignedCheckpoint>>,
    grown: Notify,
}

impl Engine {
    /// The newest checkpoint of this log that others cosigned; it may be older than the newest one.
    pub fn cosigned(&self) -> Option<SignedCheckpoint> {
        // A poisoned lock only means that somebody panicked while they read.
        self.cosigned.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a cosigned checkpoint, of which the caller knows that it is of this log.
    pub fn put_cosigned(&self, note: SignedCheckpoint) {
        *self.cosigned.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(note);
    }

    /// Waits until leaves have been written since this was last asked.
    pub async fn grown(&self) {
        self.cosigned.grown.notified().await;
    }

    pub(super) fn has_grown(&self) {
        self.cosigned.grown.notify_one();
    }

    /// The root of the first `size` leaves; `None` if the log has not as many.
    pub async fn root_at(&self, size: u64) -> Result<Option<Hash>, EngineError> {
        if size > self.store.head().await?.size {
            return Ok(None);
        }
        Ok(store::with_nodes(&*self.store, |nodes| tree::root(size, &nodes)).await?.ok())
    }
}
