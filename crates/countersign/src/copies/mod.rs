//! Copies of a whole log, and back: an export in the layout of C2SP tlog-tiles that grows with its log, a ledger built again
//! from one, and a home beside the one that is served.
//!
//! ```text
//!  server, home, follower's copy ──> export ──> a folder (any web server serves it; verify and follow read it)
//!  a folder, or a backup         ──> import ──> HOME/ledger.db, every leaf checked again
//!  a home that is served         ──> backup ──> a home
//! ```
//!
//! Invariant: nothing half-written is ever taken for a copy: a checkpoint is written last, a ledger and a home are moved into
//! their places when they are whole.

pub mod backup;
pub mod export;
pub mod import;
pub mod tree;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{refusal::Refusal, trust::Trust};
use countersign_ledger::{
    Digest, Hash,
    checkpoint::{CheckpointError, SignedCheckpoint},
};
use thiserror::Error;

use crate::{
    bundle::BundleError,
    client::ClientError,
    follower::{
        ledger::Ledger,
        source::{Source, SourceError},
    },
    home::{Home, HomeError, files},
    intake::IntakeError,
    store::StoreError,
    verifying::VerifyError,
};

#[derive(Debug, Error)]
pub enum CopyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Archive(#[from] BundleError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the store at {path}: {source}")]
    Store { path: PathBuf, source: StoreError },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    /// Of another log of the same name, mostly.
    #[error(
        "{place} is of a log named `{found}`, but not of the one that is pinned: its checkpoint is not signed by the pinned log key"
    )]
    Checkpoint { place: String, found: String, source: CheckpointError },
    #[error("{place} is of log `{found}`, pinned is `{pinned}`")]
    AnotherLog { place: String, found: String, pinned: String },
    #[error("{path} is there already")]
    Exists { path: PathBuf },
    #[error("{path} is served just now")]
    Served { path: PathBuf },
    #[error("{path} is there, and is no export: it has `{name}`")]
    NoExport { path: PathBuf, name: String },
    #[error("{path} is no copy of a log: {why}")]
    NoCopy { path: PathBuf, why: &'static str },
    #[error(
        "there is no home at {home} to put the log into, and {from} is an export: it has neither keys nor configuration"
    )]
    NoHome { home: PathBuf, from: PathBuf },
    #[error("{place} does not hold: {why}")]
    Broken { place: String, why: String },
    /// An export that was whole once.
    #[error("the export in {path} is damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    #[error("{place} has lost blob {digest}, or holds something else under its name")]
    Blob { place: String, digest: Digest },
    /// An older copy.
    #[error("{place} has {found} leaves, and {known} are known from {by}: it is an older copy of the log")]
    Older { place: String, found: u64, known: u64, by: String },
    #[error("{place} does not continue {by}: its root at {size} leaves is {found}, and was {known}")]
    Differs { place: String, by: String, size: u64, found: Hash, known: Hash },
}

impl CopyError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(_) => "log-unreadable",
            Self::Client(_) => "server",
            Self::Archive(_) => "export",
            Self::Home(error) => error.code(),
            Self::Verify(_) => "log-unreadable",
            Self::Refused(refusal) => refusal.code,
            Self::Store { .. } => "store",
            Self::Io { .. } => "io",
            Self::Checkpoint { .. } | Self::AnotherLog { .. } => "another-log",
            Self::Exists { .. } => "exists",
            Self::Served { .. } => "home-in-use",
            Self::NoExport { .. } => "no-export",
            Self::NoCopy { .. } => "no-copy",
            Self::NoHome { .. } => "no-home",
            Self::Broken { .. } | Self::Blob { .. } | Self::Damaged { .. } => "copy-broken",
            Self::Older { .. } => "log-went-back",
            Self::Differs { .. } => "log-differs",
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(_) | Self::Verify(_) => Some("is it whole, and may this account read it?".to_owned()),
            Self::Client(_) => Some("is the server running, and its address right?".to_owned()),
            Self::Archive(error) => Some(error.hint().to_owned()),
            Self::Home(error) => error.advice(),
            Self::Refused(refusal) => refusal.hint.clone(),
            Self::Store { path, source } if source.is_damage() => {
                let path = files::word(path);
                Some(format!("if it is a home's, move it aside and build it again from a copy: mv {path} {path}.damaged; \
                              countersign import EXPORT_OR_BACKUP --home HOME"))
            }
            Self::Store { source, .. } => Some(source.hint().to_owned()),
            Self::Io { .. } => Some("is there room, and may this account write there?".to_owned()),
            Self::Checkpoint { .. } | Self::AnotherLog { .. } => {
                Some("compare with the trust.json that a founder gave you".to_owned())
            }
            Self::Served { .. } => Some("stop the server first: what it writes meanwhile would be lost".to_owned()),
            Self::Exists { .. } => Some("name a place where nothing is".to_owned()),
            Self::NoExport { .. } => Some("name an export of this log, or a folder that is not there".to_owned()),
            Self::NoCopy { .. } => Some(
                "name an export (countersign export DIR) or a backup (countersign backup DIR); of one change, countersign verify \
                 reads the bundle"
                    .to_owned(),
            ),
            Self::NoHome { home, .. } => Some(format!(
                "put the home back first, from a backup (countersign import BACKUP --home {home}) or by its files; then the export \
                 into it",
                home = files::word(home)
            )),
            Self::Damaged { path, .. } => Some(format!(
                "the log is not touched by it: move {} aside, and export again",
                path.display()
            )),
            Self::Broken { .. } | Self::Blob { .. } => {
                Some("nothing was changed by it; take another copy of the log".to_owned())
            }
            Self::Older { .. } => Some(
                "take the newest copy of the log: an export or a backup, or what a follower has (countersign export DIR --copy \
                 COPY). If there is no newer: countersign import COPY --home HOME --older, and the founders begin a new epoch"
                    .to_owned(),
            ),
            Self::Differs { .. } => {
                Some("they cannot both be this log: keep both, and show them to an auditor".to_owned())
            }
        }
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> CopyError {
    move |source| CopyError::Io { operation, path: path.to_owned(), source }
}

fn of_store(path: &Path) -> impl Fn(StoreError) -> CopyError {
    move |source| CopyError::Store { path: path.to_owned(), source }
}

fn of_intake(place: &str, path: &Path, error: IntakeError) -> CopyError {
    match error {
        IntakeError::Leaf(failure) => CopyError::Broken { place: place.to_owned(), why: failure.detail },
        IntakeError::Store(source) => of_store(path)(source),
    }
}

/// The ledger of a home, served or not, as a place that a log is read from.
pub fn ledger_of(home: &Home) -> Result<Source, CopyError> {
    let ledger = Ledger::open(&home.ledger_path(), &home.store_options())?;
    Ok(Source::Ledger(Arc::new(ledger)))
}

/// A checkpoint of the pinned log.
fn opened(place: &str, note: &str, trust: &Trust) -> Result<SignedCheckpoint, CopyError> {
    // What it says of itself, before its signature is checked.
    let found = note.lines().next().unwrap_or_default().to_owned();
    let signed = match SignedCheckpoint::open(note, &trust.log_key) {
        Ok(signed) => signed,
        Err(_) if found != trust.origin => {
            return Err(CopyError::AnotherLog { place: place.to_owned(), found, pinned: trust.origin.clone() });
        }
        Err(source) => return Err(CopyError::Checkpoint { place: place.to_owned(), found, source }),
    };
    let found = &signed.checkpoint().origin;
    if *found == trust.origin {
        return Ok(signed);
    }
    Err(CopyError::AnotherLog { place: place.to_owned(), found: found.clone(), pinned: trust.origin.clone() })
}
