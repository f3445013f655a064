//! The apply gate: one command over a private copy of exactly the approved bytes.
//!
//! The command runs in a fresh directory that only its owner can enter and that holds just the approved files, written
//! from the very bytes that were hashed: nobody can change a file between the check and the use. The permit is spent in
//! the journal, and synced, before the command starts.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use countersign_ledger::{Digest, Fingerprint};
use tempfile::TempDir;
use thiserror::Error;

use crate::{files::ReadFile, unix};

#[derive(Debug, Error)]
#[error("cannot {operation} {path}: {source}")]
pub struct ApplyError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Where the journal of the apply gate for one key lies, in the folder of what this machine remembers of the log.
pub fn journal_path(memory: &Path, key: &Fingerprint) -> PathBuf {
    let name: String = Digest::of(key.as_str()).hex().chars().take(16).collect();
    memory.join(format!("apply-{name}.jsonl"))
}

/// Writes the bytes that were hashed into a directory of our own.
pub fn private_copies(files: &BTreeMap<String, ReadFile>) -> Result<TempDir, ApplyError> {
    let dir = tempfile::Builder::new().prefix("countersign-apply-").tempdir().map_err(|source| ApplyError {
        operation: "make",
        path: std::env::temp_dir(),
        source,
    })?;
    for (name, file) in files {
        let path = dir.path().join(name);
        let io = |operation| {
            let path = path.clone();
            move |source| ApplyError { operation, path, source }
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io("make the directory of"))?;
        }
        fs::write(&path, &file.bytes).map_err(io("write"))?;
        unix::restrict(&path, file.executable).map_err(io("protect"))?;
    }
    Ok(dir)
}

/// Runs the command in the directory of the copies, with our own standard streams.
pub fn run(command: &[String], dir: &Path) -> io::Result<ExitStatus> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    Command::new(program).args(arguments).current_dir(dir).status()
}
