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

use countersign_core::{refusal::Refusal, statement::OutcomeResult, subject::Transition};
use countersign_ledger::{Digest, Fingerprint, Time};
use tempfile::TempDir;
use thiserror::Error;

use super::{
    desk::Opening,
    journal::{Event, Journal, JournalError, Reservation},
};
use crate::{files::ReadFile, unix};

#[derive(Debug, Error)]
pub enum ApplyError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

/// The journal of the apply gate for one key, in the folder of what this machine remembers of the log.
pub fn journal(memory: &Path, key: &Fingerprint) -> Result<Journal, ApplyError> {
    let name: String = Digest::of(key.as_str()).hex().chars().take(16).collect();
    Ok(Journal::open(&memory.join(format!("apply-{name}.jsonl")))?)
}

/// Writes the bytes that were hashed into a directory of our own.
pub fn private_copies(files: &BTreeMap<String, ReadFile>) -> Result<TempDir, ApplyError> {
    let dir = tempfile::Builder::new().prefix("countersign-apply-").tempdir().map_err(|source| ApplyError::Io {
        operation: "make",
        path: std::env::temp_dir(),
        source,
    })?;
    for (name, file) in files {
        let path = dir.path().join(name);
        let io = |operation| {
            let path = path.clone();
            move |source| ApplyError::Io { operation, path, source }
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io("make the directory of"))?;
        }
        fs::write(&path, &file.bytes).map_err(io("write"))?;
        unix::restrict(&path, file.executable).map_err(io("protect"))?;
    }
    Ok(dir)
}

fn spent_before() -> Refusal {
    Refusal::forbidden("permit-spent", "the permit was used before")
        .hint("a permit opens a gate once; ask for a new one")
}

/// Refuses a permit that this gate has used before, whatever became of its change since.
pub fn unspent(journal: &Journal, permit: &Digest) -> Result<(), ApplyError> {
    if journal.is_spent(permit) { Err(spent_before().into()) } else { Ok(()) }
}

/// Spends the permit, durably, or refuses because it was spent before.
pub fn spend(
    journal: &mut Journal,
    opening: &Opening,
    transition: &Transition,
    now: Time,
) -> Result<Reservation, ApplyError> {
    let permit = opening.permit();
    unspent(journal, &permit.statement)?;
    let change = &opening.change().id;
    if journal.has_landed(change) {
        let landed = format!("change {} was applied here before, which the log does not show", change.short());
        return Err(Refusal::forbidden("already-applied", landed)
            .hint("a change is applied once: propose it anew, and tell whoever runs the server that what was reported is not in the log")
            .into());
    }
    let reservation = Reservation {
        permit: permit.statement,
        change: opening.change().id.clone(),
        revision: permit.revision,
        targets: opening.change().targets.clone(),
        transition: transition.clone(),
        expires_at: permit.expires_at,
    };
    journal.write_all(vec![
        Event::Reserved { reservation: reservation.clone(), at: now },
        Event::Settled { permit: permit.statement, result: OutcomeResult::Started, exit_status: None, at: now },
    ])?;
    Ok(reservation)
}

pub fn settle(
    journal: &mut Journal,
    spent: &Reservation,
    result: OutcomeResult,
    exit_status: Option<i32>,
    now: Time,
) -> Result<(), ApplyError> {
    Ok(journal.write(Event::Settled { permit: spent.permit, result, exit_status, at: now })?)
}

/// Runs the command in the directory of the copies, with our own standard streams.
pub fn run(command: &[String], dir: &Path) -> io::Result<ExitStatus> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    Command::new(program).args(arguments).current_dir(dir).status()
}
