//! The keys that a server signs with, as far as it has them: those in force, and those that are to come in their place. Which of
//! them signs is for governance to say, never for whoever put a file there.
//!
//! Invariant: nothing is signed with a key that is not in force at the leaf.

use std::sync::{Arc, PoisonError, RwLock};

use countersign_core::{governance::GovernanceRecord, refusal::Refusal};
use countersign_ledger::{Hash, LogKey, PublicKey, SigningKey, checkpoint};

use crate::store::{Notary, NoteError};

/// Secret keys, of checkpoints and of statements.
#[derive(Debug, Default)]
pub struct Held {
    pub log: Vec<LogKey>,
    pub server: Vec<SigningKey>,
}

type Look = Box<dyn Fn() -> Held + Send + Sync>;

/// What is held, by what it signs.
pub struct Ring {
    log: RwLock<Vec<Arc<LogKey>>>,
    server: RwLock<Vec<Arc<SigningKey>>>,
    /// Asked when a key is named that is not held: it may have been made since.
    look: Option<Look>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

impl Ring {
    pub fn of(log: LogKey, server: SigningKey) -> Self {
        Self::held(Held { log: vec![log], server: vec![server] })
    }

    fn held(held: Held) -> Self {
        let log = RwLock::new(held.log.into_iter().map(Arc::new).collect());
        let server = RwLock::new(held.server.into_iter().map(Arc::new).collect());
        Self { log, server, look: None }
    }

    /// What `look` finds now, and whatever it finds later when something is missing.
    pub fn looking(look: impl Fn() -> Held + Send + Sync + 'static) -> Self {
        let held = look();
        Self { look: Some(Box::new(look)), ..Self::held(held) }
    }

    pub fn log(&self, verifier: &str) -> Option<Arc<LogKey>> {
        let find = || {
            let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
            log.iter().find(|key| key.verifier() == verifier).cloned()
        };
        find().or_else(|| {
            self.look_again();
            find()
        })
    }

    pub fn server(&self, public: &PublicKey) -> Option<Arc<SigningKey>> {
        let find = || {
            let server = self.server.read().unwrap_or_else(PoisonError::into_inner);
            server.iter().find(|key| key.public() == *public).cloned()
        };
        find().or_else(|| {
            self.look_again();
            find()
        })
    }

    /// Who signs behind what this note is of; of an empty log, behind its genesis.
    pub fn notary(self: Arc<Self>, note: &str, genesis: &str) -> Result<Arc<dyn Notary>, Refusal> {
        let find = |ring: &Self| {
            let log = ring.log.read().unwrap_or_else(PoisonError::into_inner);
            let signs = |key: &Arc<LogKey>| match note.is_empty() {
                true => key.verifier() == genesis,
                false => checkpoint::open(note, &key.verifier()).is_ok(),
            };
            log.iter().find(|key| signs(key)).cloned()
        };
        let found = find(&self).or_else(|| {
            self.look_again();
            find(&self)
        });
        match found {
            Some(key) => Ok(Arc::new(InForce { ring: self, key })),
            None => Err(Refusal::conflict("another-log-key", "the home's log key is not the one that is in force")
                .hint("restore keys/ from the newest backup of this home")),
        }
    }

    /// The key by which the server speaks under this governance.
    pub fn in_force(&self, governance: &GovernanceRecord) -> Result<Arc<SigningKey>, Refusal> {
        self.server(&governance.server_key).ok_or_else(|| {
            Refusal::conflict("another-server-key", "the home's server key is not the one that is in force")
                .hint("restore keys/ from the newest backup of this home")
        })
    }

    /// Whether what governs would leave the server without a key of its own.
    pub fn has_those_of(&self, governance: &GovernanceRecord) -> Result<(), Refusal> {
        if self.log(&governance.log_key).is_some() && self.server(&governance.server_key).is_some() {
            return Ok(());
        }
        Err(Refusal::conflict("server-keys-missing", "the server does not have the keys that this puts in force")
            .hint("they are made on the server's machine, where they stay: countersign rotate-key --home HOME"))
    }

    fn look_again(&self) {
        let Some(look) = &self.look else { return };
        let held = look();
        let known = |have: &[Arc<LogKey>], key: &LogKey| have.iter().any(|have| have.verifier() == key.verifier());
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        for key in held.log {
            if !known(&log, &key) {
                log.push(Arc::new(key));
            }
        }
        let mut server = self.server.write().unwrap_or_else(PoisonError::into_inner);
        for key in held.server {
            if !server.iter().any(|have| have.public() == key.public()) {
                server.push(Arc::new(key));
            }
        }
    }
}

/// Signs checkpoints with the key in force.
#[derive(Debug)]
struct InForce {
    ring: Arc<Ring>,
    key: Arc<LogKey>,
}

impl Notary for InForce {
    fn note(&self, size: u64, root: Hash) -> Result<Option<String>, NoteError> {
        self.key.note(size, root)
    }

    fn succeeded_by(&self, log_key: &str) -> Option<Arc<dyn Notary>> {
        let key = self.ring.log(log_key)?;
        Some(Arc::new(Self { ring: Arc::clone(&self.ring), key }))
    }
}
