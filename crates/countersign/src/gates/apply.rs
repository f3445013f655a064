//! The apply gate: one command over a private copy of exactly the approved bytes.
//!
//! The command runs in a fresh directory that only its owner can enter and that holds just the approved files, written
//! from the very bytes that were hashed: nobody can change a file between the check and the use. Before the command starts the
//! log has taken `started`, which it takes once, and the journal says that the permit is spent; no lock of the journal is held
//! while it runs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use countersign_ledger::{Digest, Fingerprint};
use thiserror::Error;

use crate::{
    files::ReadFile,
    gates::journal::Run,
    random,
    unix::{self, Held, Process},
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

/// What one permit is applied by, on this machine: held by the program that applies it, by the command that it runs, and by
/// whatever that starts, as long as any of them is there.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    lock: fs::File,
}

impl Claim {
    /// `None` where another process has it. It is taken before anything of the permit is written down.
    pub fn take(journal: &Path, permit: &Digest) -> Result<Option<Self>, ApplyError> {
        let path = claim_path(journal, permit);
        let cannot = |operation| {
            let path = path.clone();
            move |source| ApplyError { operation, path, source }
        };
        let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = opened.map_err(cannot("open"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path, lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(cannot("lock")(source)),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What the command has left behind may hold it still, and is no longer asked about.
        let _ = fs::remove_file(&self.path);
    }
}

/// The file that is locked.
pub fn claim_path(journal: &Path, permit: &Digest) -> PathBuf {
    let name: String = permit.hex().chars().take(16).collect();
    journal.with_extension(format!("{name}.lock"))
}

/// Whether a permit is being applied by another process, or its command runs on. Who closes what it inherits (`sudo` does) is
/// known by its process.
pub fn runs(journal: &Path, permit: &Digest, run: &Run) -> bool {
    let claim = fs::File::open(claim_path(journal, permit));
    let held = claim.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
    held || run.process.as_ref().is_some_and(Process::is_there)
}

/// The copies that a command runs over. They go when this is dropped.
#[derive(Debug)]
pub struct Copies(PathBuf);

impl Copies {
    /// Where they are to be: a folder that is not there yet. What a crash leaves behind is found by whoever wrote this down.
    pub fn place() -> PathBuf {
        let temporary = std::env::temp_dir();
        // A command that leaves its folder by `..` leads to where the temporary folder really is.
        let temporary = fs::canonicalize(&temporary).unwrap_or(temporary);
        temporary.join(format!("{PREFIX}{}", random::nonce().as_str()))
    }

    /// Writes the bytes that were hashed into a folder that only we can enter.
    pub fn make(files: &BTreeMap<String, ReadFile>, place: &Path) -> Result<Self, ApplyError> {
        let cannot = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| ApplyError { operation, path, source }
        };
        unix::new_private_folder(place).map_err(cannot("make", place))?;
        let copies = Self(place.to_owned());
        for (name, file) in files {
            let path = place.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(cannot("make the directory of", &path))?;
            }
            fs::write(&path, &file.bytes).map_err(cannot("write", &path))?;
            unix::restrict(&path, file.executable).map_err(cannot("protect", &path))?;
        }
        Ok(copies)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        take_away(&self.0);
    }
}

/// Takes copies away that a program left behind which was cut off, but for those of commands that still run.
pub fn sweep(journal: &Path, left: &BTreeMap<Digest, Run>) {
    for (permit, run) in left {
        if let Some(folder) = run.folder.as_ref().filter(|_| !runs(journal, permit, run)) {
            take_away(folder);
        }
    }
}

fn take_away(folder: &Path) {
    // Whatever a journal says.
    if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
        return;
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %folder.display(), %error, "a copy could not be taken away");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Runs the command in the directory of the copies, with our own standard streams. Signals that ask it to stop are passed on
/// to it. `began` is told its process.
pub fn run(
    command: &[String],
    copies: &Copies,
    claim: &Claim,
    held: Held,
    began: impl FnOnce(Process),
) -> io::Result<ExitStatus> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&copies.0);
    // Where it was called from is not where it runs.
    command.env("PWD", &copies.0).env_remove("OLDPWD");
    held.run(&mut command, &claim.lock, began)
}
