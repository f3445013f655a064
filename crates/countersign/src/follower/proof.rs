//! What a log was caught at, kept so that somebody else can see it: both checkpoints as they were signed, and the leaves.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_ledger::{Digest, Time};
use serde::Serialize;
use thiserror::Error;

use super::FollowError;
use crate::{durable, wire::rfc3339};

const PROOF: &str = "proof";
const WHY: &str = "why";
const SHOWN: &str = "shown";

/// A log that did what no honest log does, and where the proof of it lies.
#[derive(Clone, Debug, Error)]
pub struct Contradiction {
    pub what: What,
    pub detail: String,
    /// The newest checkpoint that was seen before, as it was signed.
    pub seen: Option<String>,
    /// What was shown now.
    pub shown: String,
    /// The folder with both of them, and the leaves.
    pub proof: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It has fewer leaves than before.
    WentBack,
    /// It is another log than before, or than its own checkpoint says.
    Differs,
    /// It begins with another genesis.
    Refounded,
    /// A statement stands in it twice.
    Repeated,
    /// A leaf should not be there: why, as core says it.
    Leaf { index: Option<u64>, code: &'static str },
}

impl What {
    /// Stable, kebab-case.
    pub fn code(self) -> &'static str {
        match self {
            Self::WentBack => "log-went-back",
            Self::Differs => "log-differs",
            Self::Refounded => "log-refounded",
            Self::Repeated => "log-repeats",
            Self::Leaf { code, .. } => code,
        }
    }

    fn words(self, seen_before: bool) -> &'static str {
        match self {
            Self::WentBack => "the log went back",
            Self::Differs if seen_before => "the log is not the one that was seen before",
            Self::Differs => "the log is not what its checkpoint says",
            Self::Refounded => "the log was founded anew",
            Self::Repeated => "the log repeats itself",
            Self::Leaf { .. } => "the log has a leaf that should not be there",
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what.words(self.seen.is_some()), self.detail)?;
        if let Some(seen) = &self.seen {
            write!(f, "\nseen before:\n{}", indented(seen))?;
        }
        write!(f, "\nshown now:\n{}kept as proof: {}", indented(&self.shown), self.proof.display())
    }
}

fn indented(note: &str) -> String {
    note.lines().map(|line| format!("    {line}\n")).collect()
}

/// A proof that a copy keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub at: String,
    /// What the log was caught at, in words.
    pub why: String,
    pub folder: PathBuf,
}

/// More proofs than anybody reads at once; the others are in the folder.
const MAX_KEPT: usize = 16;
const MAX_WHY_BYTES: u64 = 64 * 1024;

/// The proofs that a copy keeps, the newest first. The copy need not be opened.
pub fn kept_in(copy: &Path) -> Result<Vec<Kept>, FollowError> {
    let mut kept = Vec::new();
    for folder in folders(copy)? {
        let modified = fs::metadata(&folder).and_then(|found| found.modified());
        kept.push((modified.map_err(|source| unread(&folder, source))?, folder));
    }
    kept.sort_by(|one, other| other.cmp(one));
    kept.truncate(MAX_KEPT);
    let proof = |(at, folder): (SystemTime, PathBuf)| {
        let mut why = String::new();
        // What cannot be read is told by its name, which begins with the code.
        let read = fs::File::open(folder.join(WHY)).and_then(|file| file.take(MAX_WHY_BYTES).read_to_string(&mut why));
        if read.is_err() {
            why = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        let millis = at.duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
        let at = rfc3339(Time::from_unix_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
        Kept { at, why: why.trim().to_owned(), folder }
    };
    Ok(kept.into_iter().map(proof).collect())
}

fn folders(copy: &Path) -> Result<Vec<PathBuf>, FollowError> {
    let proofs = copy.join(PROOF);
    let read = fs::read_dir(&proofs).and_then(|all| all.map(|entry| entry.map(|entry| entry.path())).collect());
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| unread(&proofs, source)),
    }
}

fn unread(path: &Path, source: io::Error) -> FollowError {
    FollowError::Io { operation: "read", path: path.to_owned(), source }
}

/// Each proof that a copy keeps, with the checkpoint that was shown, as it was signed.
pub(super) fn shown_in(copy: &Path) -> Result<Vec<(PathBuf, String)>, FollowError> {
    let mut shown = Vec::new();
    for folder in folders(copy)? {
        // What cannot be read acquits nobody.
        let Ok(file) = fs::File::open(folder.join(SHOWN)) else { continue };
        let mut note = String::new();
        if file.take(MAX_WHY_BYTES).read_to_string(&mut note).is_ok() {
            shown.push((folder, note));
        }
    }
    Ok(shown)
}

/// Writes the proof down. The same one is kept once, however often it is met.
pub(super) fn keep(
    folder: &Path,
    what: What,
    detail: String,
    seen: Option<String>,
    shown: String,
    leaves: &[Vec<u8>],
) -> Result<Contradiction, FollowError> {
    let name: String = Digest::of(format!("{detail}\0{shown}")).hex().chars().take(16).collect();
    let proof = folder.join(PROOF).join(format!("{}-{name}", what.code()));
    let mut parts =
        vec![(SHOWN.to_owned(), shown.clone().into_bytes()), (WHY.to_owned(), format!("{detail}\n").into())];
    parts.extend(seen.clone().map(|seen| ("seen".to_owned(), seen.into_bytes())));
    parts.extend(leaves.iter().enumerate().map(|(n, leaf)| (format!("leaf-{n}"), leaf.clone())));
    let write = |path: &Path, bytes: &[u8]| -> io::Result<()> {
        durable::folder(&proof)?;
        durable::replace(path, bytes)
    };
    for (name, bytes) in parts {
        let path = proof.join(name);
        write(&path, &bytes).map_err(|source| FollowError::Io { operation: "write", path, source })?;
    }
    Ok(Contradiction { what, detail, seen, shown, proof })
}
