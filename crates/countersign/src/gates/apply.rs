//! The apply gate: one command over a private copy of exactly the approved bytes.
//!
//! The command runs in a fresh directory that only its owner can enter and that holds just the approved files, written
//! from the very bytes that were hashed: nobody can change a file between the check and the use. Before the command starts the
//! log has taken `started`, which it takes once, and the journal says that the permit is spent; no lock is held while it runs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use countersign_ledger::{Digest, Fingerprint};
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    files::ReadFile,
    unix::{self, Held},
};

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

const PREFIX: &str = "countersign-apply-";

/// The copies that a command runs over. They go when this is dropped; what a crash leaves behind is found by the journal.
#[derive(Debug)]
pub struct Copies {
    folder: TempDir,
    /// Held as long as this program runs, so that no other takes it for left behind.
    _lock: fs::File,
}

impl Copies {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Writes the bytes that were hashed into a directory of our own.
pub fn private_copies(files: &BTreeMap<String, ReadFile>) -> Result<Copies, ApplyError> {
    let temporary = std::env::temp_dir();
    // A command that leaves its folder by `..` leads to where the temporary folder really is.
    let temporary = fs::canonicalize(&temporary).unwrap_or(temporary);
    let cannot = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ApplyError { operation, path, source }
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    unix::private_folder(&mut builder);
    let folder = builder.tempdir_in(&temporary).map_err(cannot("make", &temporary))?;
    let lock = fs::File::open(folder.path()).map_err(cannot("open", folder.path()))?;
    lock.lock().map_err(cannot("lock", folder.path()))?;
    for (name, file) in files {
        let path = folder.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(cannot("make the directory of", &path))?;
        }
        fs::write(&path, &file.bytes).map_err(cannot("write", &path))?;
        unix::restrict(&path, file.executable).map_err(cannot("protect", &path))?;
    }
    Ok(Copies { folder, _lock: lock })
}

/// Takes copies away that a program left behind which was cut off. Whether one is in use, its lock says.
pub fn sweep(copies: impl IntoIterator<Item = PathBuf>) {
    for folder in copies {
        let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let Ok(lock) = fs::File::open(&folder) else { continue };
        if ours
            && lock.try_lock().is_ok()
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::warn!(path = %folder.display(), %error, "a copy that was left behind could not be taken away");
        }
    }
}

/// Whether the program that made these copies is still there.
pub fn is_in_use(copies: &Path) -> bool {
    fs::File::open(copies).is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// Runs the command in the directory of the copies, with our own standard streams. Signals that ask it to stop are passed on
/// to it. `began` is told its process.
pub fn run(command: &[String], copies: &Copies, held: Held, began: impl FnOnce(u32)) -> io::Result<ExitStatus> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(copies.path());
    // Where it was called from is not where it runs.
    command.env("PWD", copies.path()).env_remove("OLDPWD");
    held.run(&mut command, began)
}
