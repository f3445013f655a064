//! Who is at the keyboard, by the key that was chosen and the signed catalog; and how they stand.

use countersign_core::{catalog::Actor, ids::ActorId, state::State};
use countersign_ledger::{Fingerprint, PublicKey};

use super::{Global, error::CliError};
use crate::{clock, known::KnownLog};

#[derive(Debug)]
pub struct Me {
    pub key: PublicKey,
    /// Governance, and the streams of whoever the key belongs to and of those of whom a key is suspended.
    pub state: State,
    /// `None` where the catalog has nobody with this key.
    id: Option<ActorId>,
    /// By which name the log goes.
    log: String,
}

impl Me {
    pub fn of(global: &Global, log: &KnownLog) -> Result<Self, CliError> {
        let key = global.signer()?.public().clone();
        let state = log.standing(Some(&key.fingerprint()), clock::now())?;
        let id = state.governance.catalog.actor_by_key(&key.fingerprint()).map(|actor| actor.id.clone());
        Ok(Self { key, state, id, log: log.trust().origin.clone() })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// What the catalog says of them.
    pub fn actor(&self) -> Option<&Actor> {
        self.state.governance.catalog.actors.get(self.id.as_ref()?)
    }

    /// By name.
    pub fn known(&self) -> Result<&ActorId, CliError> {
        self.id.as_ref().ok_or_else(|| {
            CliError::new(
                "unknown-key",
                format!("key {} is not known here: it is nobody's in the catalog of log {}", self.fingerprint(), self.log),
            )
            .hint(format!(
                "sign with a key that the catalog lists for you (--key KEYFILE), or send this one to somebody who amends it: {}",
                self.key
            ))
        })
    }
}
