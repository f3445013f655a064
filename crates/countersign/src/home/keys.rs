//! The secret keys of a home: those that it signs with, and those that are to come in their place. The new ones lie beside the old
//! until the log says that they are in force; then they take their place, and the old ones are gone.
//!
//! ```text
//! keys/log.key        signs checkpoints
//! keys/server.key     signs decisions, permits and observations
//! keys/next/          the same, to come in their place
//! server.json         the public halves of those, for `countersign amend`
//! ```
//!
//! Which key signs is never told by its place: whoever asks names the key that governance names.

use std::{fs, io, path::Path};

use countersign_core::{
    governance::{SERVER_KEYS, ServerKeys},
    trust::Trust,
};
use countersign_ledger::{LogKey, LogKeys, SigningKey};
use rand_core::OsRng;

use super::{Home, HomeError, LOG_KEY, SERVER_KEY, TRUST, another_key, files};
use crate::{durable, ring::Held, unix};

const NEXT: &str = "keys/next";
const NEXT_LOG_KEY: &str = "keys/next/log.key";
const NEXT_SERVER_KEY: &str = "keys/next/server.key";

impl Home {
    /// Reads the key that signs checkpoints.
    pub fn log_key(&self) -> Result<LogKey, HomeError> {
        let path = self.path.join(LOG_KEY);
        let key = read_log_key(&path)?;
        let named = self.trust.log_key.newest();
        if key.verifier() == named { Ok(key) } else { Err(another_key(&path, named)) }
    }

    /// Reads the key that signs decisions and permits.
    pub fn server_key(&self) -> Result<SigningKey, HomeError> {
        let path = self.path.join(SERVER_KEY);
        let key = read_server_key(&path)?;
        // Where others came in their place, the log says which; whoever opens that compares.
        let is_the_first = self.trust.log_key.successors().is_empty() && !self.path.join(NEXT).exists();
        if !is_the_first || key.public() == self.genesis.server_key {
            Ok(key)
        } else {
            Err(another_key(&path, &self.genesis.server_key.to_string()))
        }
    }

    /// Whether there are keys here that can be read; which of them are in force the log says.
    pub fn has_keys_of_its_own(&self) -> Result<(), HomeError> {
        let (log, server) = (self.path.join(LOG_KEY), self.path.join(SERVER_KEY));
        let (log_key, server_key) = (read_log_key(&log)?, read_server_key(&server)?);
        // Until others came in their place, they are those of the genesis.
        if self.trust.log_key.successors().is_empty() && !self.path.join(NEXT).exists() {
            if log_key.verifier() != self.genesis.log_key {
                return Err(another_key(&log, &self.genesis.log_key));
            }
            if server_key.public() != self.genesis.server_key {
                return Err(another_key(&server, &self.genesis.server_key.to_string()));
            }
        }
        Ok(())
    }

    /// Every secret key that can be read here.
    pub fn keys(&self) -> Held {
        held(&self.path)
    }

    /// The same, for whoever asks again later.
    pub fn key_reader(&self) -> impl Fn() -> Held + Send + Sync + 'static {
        let path = self.path.clone();
        move || held(&path)
    }

    /// The public halves of those that sign checkpoints.
    pub(super) fn own_log_keys(&self) -> Vec<String> {
        self.keys().log.iter().map(LogKey::verifier).collect()
    }

    /// Makes keys to come in the place of those in force, where none lie there already, and the governance file that names them.
    pub fn make_next_keys(&self) -> Result<ServerKeys, HomeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HomeError::Io { operation: "write", path: path.clone(), source }
        };
        let (next, log, server) = (self.path.join(NEXT), self.path.join(NEXT_LOG_KEY), self.path.join(NEXT_SERVER_KEY));
        unix::private_folders(&next).map_err(failed(&next))?;
        if !log.exists() {
            let key = LogKey::generate(&self.config.origin, &mut OsRng)
                .map_err(|error| HomeError::invalid(&log, error.to_string()))?;
            files::write_secret(&log, &format!("{}\n", *key.to_text()))?;
        }
        if !server.exists() {
            files::write_secret(&server, &SigningKey::generate(&mut OsRng).to_openssh())?;
        }
        let keys =
            ServerKeys { log_key: read_log_key(&log)?.verifier(), server_key: read_server_key(&server)?.public() };
        let path = self.path.join(SERVER_KEYS);
        let mut text = keys.to_bytes()?;
        text.push(b'\n');
        durable::replace(&path, text).map_err(failed(&path))?;
        Ok(keys)
    }

    /// Writes down which keys are in force: the new ones take the place of the old, which are gone, and `trust.json` names them
    /// beside those that were pinned. Whatever of it was done before is done already.
    pub fn settle(&self, keys: &LogKeys) -> Result<(), HomeError> {
        let moved = |path: &Path, next: &Path| {
            fs::rename(next, path).map_err(|source| HomeError::Io { operation: "move", path: next.to_owned(), source })
        };
        let (log, server) = (self.path.join(NEXT_LOG_KEY), self.path.join(NEXT_SERVER_KEY));
        // The server's key first: that of the log tells what is left to do.
        if log.exists() && read_log_key(&log)?.verifier() == keys.newest() {
            if server.exists() {
                moved(&self.path.join(SERVER_KEY), &server)?;
            }
            moved(&self.path.join(LOG_KEY), &log)?;
        }
        if self.trust.log_key != *keys {
            let trust = Trust { log_key: keys.clone(), ..self.trust.clone() };
            let path = self.path.join(TRUST);
            let mut text =
                serde_json::to_string_pretty(&trust).map_err(|error| HomeError::invalid(&path, error.to_string()))?;
            text.push('\n');
            files::replace(&path, text.as_bytes())?;
        }
        Ok(())
    }
}

/// What `server.json` of a folder names, if it is there.
pub(super) fn named_keys(folder: &Path) -> Result<Option<ServerKeys>, HomeError> {
    let path = folder.join(SERVER_KEYS);
    let text = match files::read_text(&path, files::MAX_GENESIS_BYTES) {
        Ok(text) => text,
        Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(ServerKeys::parse(text.trim_end().as_bytes())?))
}

fn read_log_key(path: &Path) -> Result<LogKey, HomeError> {
    LogKey::from_text(&files::read_secret(path)?).map_err(|error| HomeError::invalid(path, error.to_string()))
}

fn read_server_key(path: &Path) -> Result<SigningKey, HomeError> {
    SigningKey::from_openssh(&files::read_secret(path)?).map_err(|error| HomeError::invalid(path, error.to_string()))
}

/// What cannot be read is missed by whoever needs it.
fn held(home: &Path) -> Held {
    let log = [LOG_KEY, NEXT_LOG_KEY].iter().filter_map(|name| read_log_key(&home.join(name)).ok());
    let server = [SERVER_KEY, NEXT_SERVER_KEY].iter().filter_map(|name| read_server_key(&home.join(name)).ok());
    Held { log: log.collect(), server: server.collect() }
}
