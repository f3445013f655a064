//! What a gate decided alone while the log was away, beside its journal, until the log has it. Each is kept before it opens anything.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    refusal::Refusal,
    statement::{Body, LocalPermit},
};
use countersign_ledger::Time;

use super::glass::Part;
use crate::{durable, wire::Submit};

const FOLDER: &str = "alone";
const DRILLS: &str = "drills";
/// How long after its lease one is kept that nothing came of: a branch may have moved for it, which is not written down yet.
const KEPT_SECS: i64 = 24 * 60 * 60;

#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// In the folder of a gate.
    pub fn of(gate: &Path) -> Self {
        Self { folder: gate.join(FOLDER) }
    }

    /// Drills, in the same folder.
    pub fn drills(gate: &Path) -> Self {
        Self { folder: gate.join(DRILLS) }
    }

    pub fn all(&self) -> Result<Vec<Part>, Refusal> {
        let paths = durable::json_files(&self.folder).map_err(|e| self.unusable(&e))?;
        let mut all = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = fs::read(&path).map_err(|e| self.unusable(&e))?;
            let read = serde_json::from_slice(&bytes).map_err(|e| damaged(&path, &e.to_string()));
            all.push(Part::of(&read?)?);
        }
        Ok(all)
    }

    /// Waits until it is on disk.
    pub fn keep(&self, part: &Part) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(&Submit::new(&part.envelope, &part.blobs))
            .map_err(|e| Refusal::malformed("malformed-permit", e.to_string()))?;
        let written = durable::folder(&self.folder).and_then(|()| durable::replace(&self.path(part), bytes));
        written.map_err(|e| self.unusable(&e))
    }

    pub fn forget(&self, part: &Part) -> Result<(), Refusal> {
        match fs::remove_file(self.path(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.unusable(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, part: &Part) -> PathBuf {
        self.folder.join(format!("{}.json", part.signed.payload().hex()))
    }

    fn unusable(&self, error: &io::Error) -> Refusal {
        Refusal::conflict("alone-unusable", format!("cannot use {}: {error}", self.folder.display()))
            .hint("may this account read and write there?")
    }
}

/// What it says.
pub fn says(part: &Part) -> Option<&LocalPermit> {
    match &part.signed.statement().body {
        Body::LocalPermit(said) => Some(said),
        _ => None,
    }
}

/// Whether nothing can come of it any more.
pub fn is_over(part: &Part, now: Time) -> bool {
    says(part).is_none_or(|said| said.expires_at.plus_secs(KEPT_SECS) < now)
}

fn damaged(path: &Path, why: &str) -> Refusal {
    Refusal::malformed("malformed-permit", format!("{} is damaged: {why}", path.display()))
        .hint("it is what this gate decided without the log, and the log has to hear of it: put it back from a backup")
}
