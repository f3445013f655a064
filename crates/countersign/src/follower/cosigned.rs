//! What others cosigned of the log that a copy follows: checked like everything that the log says, and remembered, so that a
//! server that forgets a cosignature has not taken it back.

use std::{fs, io, path::Path};

use countersign_core::trust::Trust;
use countersign_ledger::{SignedCheckpoint, Time, cosignature::Quorum};

use super::{FollowError, Follower, io_error, learned, source::Source};
use crate::{durable, store};

pub(super) const COSIGNED: &str = "cosigned";

impl Follower {
    /// When the newest leaf of the copy was admitted, by the log's clock.
    pub async fn newest_at(&self) -> Result<Option<Time>, FollowError> {
        let Some(last) = self.size().await?.checked_sub(1) else { return Ok(None) };
        let leaf = store::leaf_at(&*self.store(), last).await.map_err(|e| self.failed(e))?;
        Ok(Some(leaf.admitted_at))
    }

    /// The newest checkpoint that others cosigned, in a copy that need not be opened. What cannot be read vouches for nothing.
    pub fn cosigned_in(folder: &Path, trust: &Trust) -> Result<Option<SignedCheckpoint>, FollowError> {
        let path = folder.join(COSIGNED);
        match fs::read_to_string(&path) {
            Ok(note) => {
                let trust = learned::in_folder(folder, trust).map_err(|source| io_error("read", folder, source))?;
                Ok(SignedCheckpoint::open(&note, &trust.log_key).ok())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    /// Chooses, of what was shown and what was remembered, the cosigned checkpoint that vouches best, and remembers it. The
    /// copy was found to continue what was shown.
    pub(super) async fn vouched_for(
        &self,
        source: &Source,
        shown: [Option<SignedCheckpoint>; 2],
        reached: &SignedCheckpoint,
        now: Time,
    ) -> Result<Option<SignedCheckpoint>, FollowError> {
        let remembered = Self::cosigned_in(&self.folder, &self.trust())?;
        if let Some(remembered) = &remembered {
            self.reaches(source, remembered, reached).await?;
        }
        let mut notes: Vec<SignedCheckpoint> = Vec::new();
        for note in remembered.iter().cloned().chain(shown.into_iter().flatten()).filter(|note| note.others() > 0) {
            match notes.iter_mut().find(|known| known.checkpoint() == note.checkpoint()) {
                Some(known) => *known = self.merged(known, note, now),
                None => notes.push(note),
            }
        }
        let best = notes.into_iter().max_by_key(|note| (self.as_of(note, now), note.checkpoint().size));
        if let Some(best) = best.as_ref().filter(|best| remembered.as_ref() != Some(*best)) {
            let path = self.folder.join(COSIGNED);
            durable::replace(&path, best.to_note()).map_err(|source| io_error("write", &path, source))?;
        }
        Ok(best)
    }

    /// Two notes of one checkpoint as one: the newer with what the older has beside.
    fn merged(&self, older: &SignedCheckpoint, newer: SignedCheckpoint, now: Time) -> SignedCheckpoint {
        let keys = self.trust().known_keys();
        let lines: String = older.cosignatures(&keys).iter().map(countersign_ledger::Cosignature::line).collect();
        let mut merged = newer.clone();
        // Nothing to add, or no room for it: then what was shown now is all there is.
        match merged.add_cosignatures(&lines, &keys, now) {
            Ok(_) => merged,
            Err(_) => newer,
        }
    }

    /// As of when enough cosigners vouch for it, if that counts for any tier.
    fn as_of(&self, note: &SignedCheckpoint, now: Time) -> Option<u64> {
        let longest = u64::try_from(self.trust().fresh.longest_secs()).unwrap_or(0);
        let need = self.trust().cosigners.as_ref().map_or(0, Quorum::need);
        self.trust().vouching(Some(note), now, longest).as_of_secs(need)
    }
}
