//! A copy of a home while it is served: its files, and the ledger as it is at one moment. The copy is a home itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use countersign_ledger::Hash;
use serde::Serialize;

use super::{CopyError, io_error, of_store};
use crate::{
    home::{Home, HomeError, files},
    store, unix,
};

/// Folders and files of a home that is not a home without them, or not as it was.
const FILES: [&str; 7] =
    ["countersign.yaml", "genesis.json", "genesis-files.json", "trust.json", "founded", "base.json", "server.json"];
/// These go before the ledger, so that it has what they are about.
const CHECKPOINTS: [&str; 2] = ["cosigned", "seen"];
const FOLDERS: [&str; 5] = ["catalog", "rules", "standard", "calendars", "issuers"];
const KEYS: &str = "keys";
const LEDGER: &str = "ledger.db";

#[derive(Debug, Serialize)]
pub struct BackedUp {
    pub size: u64,
    pub root: Hash,
    /// Whether the server's secret keys are in it.
    pub keys: bool,
}

/// Copies a home to a place where nothing is.
pub async fn backup(home: &Home, to: &Path, keys: bool) -> Result<BackedUp, CopyError> {
    Home::vacant(to).map_err(|error| match error {
        HomeError::Exists { path } => CopyError::Exists { path },
        error => error.into(),
    })?;
    let beside = files::beside(to);
    fs::create_dir_all(&beside).map_err(io_error("make", &beside))?;
    // Removed again unless it becomes whole.
    let staging = tempfile::Builder::new().prefix(".countersign-backup-").tempdir_in(&beside);
    let staging = staging.map_err(io_error("make", to))?;
    // Its owner alone can look into it.
    let root = &staging.path().join("home");
    files::make_private_folder(root)?;
    copy_files(home.path(), root, keys)?;
    let ledger = root.join(LEDGER);
    unix::new_private_file(&ledger).map_err(io_error("write", &ledger))?;
    {
        let original = home.ledger_path();
        fs::metadata(&original).map_err(io_error("read", &original))?;
        let store = store::open(&home.store_address(), &home.store_options()).await.map_err(of_store(&original))?;
        let copied = store.copy_to(&ledger).await.map_err(of_store(&ledger));
        store.close().await.map_err(of_store(&original))?;
        copied?;
    }
    // What was copied must be a home before anybody takes it for one, and its ledger what was signed last.
    let copy = Home::open(root)?;
    copy.genesis_files()?;
    let store = store::open(&copy.store_address(), &copy.store_options()).await.map_err(of_store(&ledger))?;
    let head = store.head().await.map_err(of_store(&ledger))?;
    store.close().await.map_err(of_store(&ledger))?;
    fs::File::open(&ledger).and_then(|file| file.sync_all()).map_err(io_error("write", &ledger))?;
    fs::rename(root, to).map_err(io_error("make", to))?;
    Ok(BackedUp { size: head.size, root: head.root, keys })
}

/// Everything of a home but its ledger.
pub(super) fn copy_files(home: &Path, to: &Path, keys: bool) -> Result<(), CopyError> {
    for name in CHECKPOINTS.into_iter().chain(FILES) {
        copy_if_there(&home.join(name), &to.join(name))?;
    }
    for name in FOLDERS {
        copy_folder(&home.join(name), &to.join(name))?;
    }
    let (from, into) = (home.join(KEYS), to.join(KEYS));
    if keys && from.exists() {
        files::make_private_folder(&into)?;
        copy_into(&from, &into)?;
    }
    Ok(())
}

fn copy_if_there(from: &Path, to: &Path) -> Result<(), CopyError> {
    // With its mode: a secret stays one.
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("copy", from)(error)),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), CopyError> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir(to).map_err(io_error("make", to))?;
    copy_into(from, to)
}

fn copy_into(from: &Path, to: &Path) -> Result<(), CopyError> {
    for entry in fs::read_dir(from).map_err(io_error("read", from))? {
        let entry = entry.map_err(io_error("read", from))?;
        let (path, into): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &into)?;
        } else {
            copy_if_there(&path, &into)?;
        }
    }
    Ok(())
}
