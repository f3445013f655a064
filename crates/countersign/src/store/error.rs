//! What can go wrong with a store. Every error keeps its cause, knows whether trying again helps, and has its hint in a
//! field of its own.

use std::path::PathBuf;

use countersign_ledger::{Digest, Hash, Time, checkpoint::CheckpointError, leaf::LeafError};
use thiserror::Error;

use super::tiles::TileAt;
use crate::durable;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot open the store at {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    /// Nothing was written: the transaction that this was part of was not committed.
    #[error("cannot {operation}: {source}")]
    Database { operation: &'static str, trouble: Trouble, source: sqlx::Error },
    /// The write itself failed, so that it may have happened or not.
    #[error("it is unknown whether the commit was written: {source}")]
    Unknown { trouble: Trouble, source: sqlx::Error },
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
    #[error("the path {} is no UTF-8 text, and no store is opened there", .0.display())]
    NoText(PathBuf),
}

/// Why a database does not do what it is asked to, as far as somebody can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room on the disk.
    Full,
    /// The file, or the disk that it is on, cannot be written to.
    ReadOnly,
    /// A file cannot be opened: this process has too many open, or may not.
    CannotOpen,
    /// Something else holds the file.
    Busy,
    /// What is in the file is not what the database wrote.
    Malformed,
    Other,
}

impl Trouble {
    /// Stable, kebab-case.
    pub fn code(self) -> &'static str {
        match self {
            Self::Full => "disk-full",
            Self::ReadOnly => "store-read-only",
            Self::CannotOpen => "store-not-opened",
            Self::Busy => "store-busy",
            Self::Malformed => "store-damaged",
            Self::Other => "store",
        }
    }

    /// For whoever asks the server: what is wrong, without what only its operator may know.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "the server's disk is full",
            Self::ReadOnly => "the server cannot write to its store, which is read-only",
            Self::CannotOpen => "the server cannot open its store",
            Self::Busy => "something else holds the server's store",
            Self::Malformed => "the server's store is damaged",
            Self::Other => "the server's store failed",
        }
    }

    /// Whether the same may succeed later without anybody mending anything.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Busy | Self::CannotOpen | Self::Other => true,
            Self::Full | Self::ReadOnly | Self::Malformed => false,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Full => "make room on the disk; nothing has to be started anew",
            Self::ReadOnly => "let this account write to the file and to its folder; nothing has to be started anew",
            Self::CannotOpen => {
                "are too many files open (ulimit -n), or may this account not read and write the file and its folder?"
            }
            Self::Busy => "end what else has the file open",
            Self::Malformed => RESTORE,
            Self::Other => "the cause is in the message; nothing was written",
        }
    }
}

/// What is done about damage.
const RESTORE: &str = "nothing is signed over it: restore the store's file, with the -wal beside it, from the newest backup; a \
                       follower's copy can be deleted and is read anew";

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
    #[error("leaf {index} is not the one that the tree was made of")]
    OtherLeaf { index: u64 },
    #[error("the last leaf is of {}, the store's head says {}", moment(found), moment(expected))]
    Time { found: Option<Time>, expected: Option<Time> },
    #[error("a leaf under hash tile {0} is not the one that the tree was made of, or the tile is not what it was")]
    Leaves(TileAt),
    #[error("blob {0} is not what its name says")]
    Blob(Digest),
    #[error("hash tile {0} is incomplete")]
    Tile(TileAt),
    #[error("what is kept of {0} is not what the leaves say")]
    Kept(String),
    #[error("{what} cannot be read: {found}")]
    Value { what: &'static str, found: String },
}

fn moment(time: &Option<Time>) -> String {
    time.map_or_else(|| "no time".to_owned(), |time| time.to_string())
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
    /// Whether it may have been written all the same.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::File { .. }
            | Self::Database { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Foreign(_)
            | Self::OtherLog(_)
            | Self::Damaged(_)
            | Self::Note(_)
            | Self::Address(_)
            | Self::NoText(_) => false,
        }
    }

    /// Whether the disk is not what was signed, or not what was written.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::OtherLog(_) | Self::Note(_) => true,
            Self::Database { trouble, .. } | Self::Unknown { trouble, .. } => *trouble == Trouble::Malformed,
            Self::File { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Foreign(_)
            | Self::Address(_)
            | Self::NoText(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "does the folder exist, and may this account write to it?",
            Self::Database { trouble, .. } => trouble.hint(),
            Self::Unknown { .. } => "look whether the statement is in the log; sending the same one again is safe",
            Self::Newer { .. } => "use the newer version of this program",
            Self::Older { .. } => "no version of it was released; begin a new home",
            Self::Foreign(_) => "name another file",
            Self::OtherLog(_) => "a home and its ledger belong together; restore both from the same backup",
            Self::Damaged(Damage::Kept(_)) => {
                "the leaves are whole, and all else can be made again from them, with `countersign rebuild`: `countersign doctor` says how"
            }
            Self::Damaged(_) => RESTORE,
            Self::Note(NoteError::Sign(_)) => "is the log's key the one that the log was founded with?",
            Self::Note(NoteError::Differs { .. }) => "the log is not what its key signed: keep both as proof",
            Self::Address(_) => "an address is a path, or sqlite:PATH",
            Self::NoText(_) => durable::NAME_IT,
        }
    }
}
