//! What can go wrong with a store. Every error keeps its cause, knows whether trying again helps, and has its hint in a
//! field of its own.

use std::path::PathBuf;

use countersign_ledger::{Hash, Time, checkpoint::CheckpointError, leaf::LeafError};
use thiserror::Error;

use super::tiles::TileAt;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot open the store at {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot {operation}: {source}")]
    Database { operation: &'static str, source: sqlx::Error },
    /// The write itself failed, so that it may have happened or not.
    #[error("it is unknown whether the commit was written: {source}")]
    Unknown { source: sqlx::Error },
    #[error("the store at {path} was written by a newer version (format {found}, this program knows {known})")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the store at {path} was written before the first release (format {found}, this program knows only {known})"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("{0} is a database, but no store")]
    Foreign(PathBuf),
    #[error("the store's last checkpoint is not this log's: {0}")]
    OtherLog(#[source] CheckpointError),
    #[error("the store is damaged: {0}")]
    Damaged(#[from] Damage),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("`{0}` is not the address of a store; give a file, or sqlite:PATH")]
    Address(String),
}

/// What on the disk does not agree with what was signed, or cannot be read.
#[derive(Debug, Error)]
pub enum Damage {
    #[error("the tree of {size} leaves has root {found}, its signed checkpoint says {expected}")]
    Root { size: u64, found: Hash, expected: Hash },
    #[error("the tree of {size} leaves has root {found}, the store's head says {expected}")]
    Head { size: u64, found: Hash, expected: Hash },
    #[error("the checkpoint is of {signed} leaves, the store's head says {noted}")]
    Noted { signed: u64, noted: u64 },
    #[error("it has {size} leaves, and only {noted} of them are under a checkpoint")]
    Unsigned { size: u64, noted: u64 },
    #[error("leaf {index} cannot be read: {source}")]
    Leaf { index: u64, source: LeafError },
    #[error("leaf {0} is missing")]
    MissingLeaf(u64),
    #[error("the last leaf is of {found:?}, the store's head says {expected:?}")]
    Time { found: Option<Time>, expected: Option<Time> },
    #[error("hash tile {0} is incomplete")]
    Tile(TileAt),
    #[error("{what} cannot be read: {found}")]
    Value { what: &'static str, found: String },
}

/// Why no checkpoint could be had for a tree.
#[derive(Debug, Error)]
pub enum NoteError {
    #[error("the checkpoint cannot be signed: {0}")]
    Sign(#[from] CheckpointError),
    #[error("the first {size} leaves have root {found}, the log's checkpoint says {expected}")]
    Differs { size: u64, found: Hash, expected: Hash },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database { .. } | Self::Unknown { .. } => true,
            Self::File { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Foreign(_)
            | Self::OtherLog(_)
            | Self::Damaged(_)
            | Self::Note(_)
            | Self::Address(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "does the folder exist, and may this account write to it?",
            Self::Database { .. } => "is the disk full, or does something else hold the file? nothing was written",
            Self::Unknown { .. } => "look whether the statement is in the log; sending the same one again is safe",
            Self::Newer { .. } => "use the newer version of this program",
            Self::Older { .. } => "no version of it was released; begin a new home",
            Self::Foreign(_) => "name another file",
            Self::OtherLog(_) => "a home and its ledger belong together; restore both from the same backup",
            Self::Damaged(_) => {
                "stop, and restore the store's file, with the -wal beside it, from the newest backup; a follower's copy \
                 can be deleted and is read anew"
            }
            Self::Note(NoteError::Sign(_)) => "is the log's key the one that the log was founded with?",
            Self::Note(NoteError::Differs { .. }) => "the log is not what its key signed: keep both as proof",
            Self::Address(_) => "an address is a path, or sqlite:PATH",
        }
    }
}
