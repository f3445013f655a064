//! What a log was caught at, kept so that somebody else can see it: both checkpoints as they were signed, and the leaves.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use countersign_ledger::Digest;
use thiserror::Error;

use super::FollowError;
use crate::durable;

const PROOF: &str = "proof";

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
        vec![("shown".to_owned(), shown.clone().into_bytes()), ("why".to_owned(), format!("{detail}\n").into())];
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
