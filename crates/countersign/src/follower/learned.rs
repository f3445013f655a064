//! Log keys that came in the place of the pinned one, as this copy's own replay found them: by a publication that two people
//! stand behind. They are kept beside the copy, so that a `trust.json` with the first key goes on working.
//!
//! A checkpoint that no known key signed may be signed with one that the log names further on. What it names there is tried, and
//! nothing more: whether that key is in force, replaying the leaf says before anything of it counts.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, PoisonError},
};

use countersign_core::{
    governance::{SERVER_KEYS, ServerKeys, read_manifest},
    statement::{Body, Publication, Statement},
    trust::Trust,
};
use countersign_ledger::{
    Digest, Leaf, LogKeys, SignedCheckpoint,
    checkpoint::{self, CheckpointError, Successor},
};

use super::{
    FollowError, Follower, io_error,
    proof::What,
    source::{Batch, Source, SourceError},
};
use crate::{durable, intake::Intake};

/// The file beside a copy.
const KEYS: &str = "keys";

/// The most leaves that are looked through for a key: nobody has vouched for them yet.
const MAX_AHEAD: u64 = 4 * 1024 * 1024;

/// What was pinned, with the keys that were found beside this copy.
pub fn in_folder(folder: &Path, trust: &Trust) -> io::Result<Trust> {
    let found = match fs::read(folder.join(KEYS)) {
        Ok(bytes) => serde_json::from_slice::<LogKeys>(&bytes).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // Whatever else lies there was not written by this log's follower; then the keys are found again.
    let found = found.filter(|keys| keys.pinned() == trust.log_key.pinned());
    let longer = found.filter(|keys| keys.successors().len() > trust.log_key.successors().len());
    Ok(longer.map_or_else(|| trust.clone(), |log_key| Trust { log_key, ..trust.clone() }))
}

/// Keeps them for the next process, who may have been given fewer.
pub(super) fn keep(folder: &Path, keys: &LogKeys) -> io::Result<()> {
    let path = folder.join(KEYS);
    let text = serde_json::to_string(keys).map_err(io::Error::other)?;
    match fs::read_to_string(&path) {
        Ok(kept) if kept == text => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && keys.successors().is_empty() => return Ok(()),
        Ok(_) | Err(_) => {}
    }
    durable::replace(&path, text)
}

/// The keys that would open a note, if leaves from this one on name one that does.
pub fn ahead(source: &Source, known: &LogKeys, from: u64, note: &str) -> Result<Option<LogKeys>, SourceError> {
    let Ok(claimed) = checkpoint::claimed(note) else { return Ok(None) };
    let (mut keys, mut place) = (known.clone(), from);
    while place < claimed.size && place.saturating_sub(from) < MAX_AHEAD {
        let Batch { leaves, blobs } = source.leaves(place, claimed.size)?;
        if leaves.is_empty() {
            return Ok(None);
        }
        for bytes in &leaves {
            place = place.saturating_add(1);
            let Ok(leaf) = Leaf::parse(bytes) else { return Ok(None) };
            if let Some(key) = named_in(&leaf, &blobs) {
                keys = keys.and_then(Successor { from: place, key });
            }
        }
        if keys != *known && SignedCheckpoint::open(note, &keys).is_ok() {
            return Ok(Some(keys));
        }
    }
    Ok(None)
}

impl Follower {
    /// The newest checkpoint of a log, and the keys by which it is signed: those that are known, or with one that the log names in
    /// what is new. Whether that one is in force, replaying it says.
    pub(super) fn shown(
        &self,
        source: &Source,
        from: u64,
        note: &str,
    ) -> Result<(SignedCheckpoint, LogKeys), FollowError> {
        let known = self.trust().log_key.clone();
        match self.note(note) {
            Ok(shown) => Ok((shown, known)),
            Err(error @ FollowError::Checkpoint(CheckpointError::Signature { .. })) => {
                let keys = ahead(source, &known, from, note)?.ok_or(error)?;
                Ok((SignedCheckpoint::open(note, &keys)?, keys))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes note of the key that is in force behind the leaves so far.
    pub(super) fn learn(&self, intake: &Intake) -> bool {
        let trust = self.trust();
        let is_known = |key: &str| {
            trust.log_key.pinned() == key || trust.log_key.successors().iter().any(|known| known.key == key)
        };
        match intake.log_key().filter(|key| !is_known(key)) {
            None => false,
            Some(key) => {
                let log_key = trust.log_key.and_then(Successor { from: intake.size(), key: key.to_owned() });
                let trust = Arc::new(Trust { log_key, ..(*trust).clone() });
                *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
                true
            }
        }
    }

    /// Before it is said that the log was seen so far: by the key in force there, and no other. What was learned is kept first.
    pub(super) async fn is_signed_in_force(
        &self,
        intake: &Intake,
        signed: &SignedCheckpoint,
        has_learned: bool,
    ) -> Result<(), FollowError> {
        if intake.size() == signed.checkpoint().size
            && intake.log_key().is_none_or(|key| SignedCheckpoint::open(&signed.to_note(), key).is_err())
        {
            self.abandon().await?;
            let detail = "its checkpoint is signed with another log key than is in force there".to_owned();
            let what = What::Leaf { index: None, code: "another-log-key" };
            return Err(self.caught(what, detail, signed, &[])?);
        }
        if has_learned {
            keep(self.folder(), &self.trust().log_key).map_err(|source| io_error("write", self.folder(), source))?;
        }
        Ok(())
    }
}

fn named_in(leaf: &Leaf, blobs: &BTreeMap<Digest, Vec<u8>>) -> Option<String> {
    let Body::Publication(Publication { files, .. }) = Statement::parse(leaf.envelope.payload()).ok()?.body else {
        return None;
    };
    let replaced = read_manifest(&files, &|digest| blobs.get(digest).cloned()).ok()?;
    let keys = blobs.get(replaced.get(SERVER_KEYS)?.as_ref()?)?;
    ServerKeys::parse(keys).ok().map(|keys| keys.log_key)
}
