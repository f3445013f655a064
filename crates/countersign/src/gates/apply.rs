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

use countersign_core::{
    ids::ChangeId,
    refusal::Refusal,
    statement::{OutcomeResult, RevisionRef},
    verify::Trust,
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Time};
use tempfile::TempDir;
use thiserror::Error;

use super::{
    journal::{Event, Journal, JournalError, Reservation},
    opening::Opening,
};
use crate::{files::ReadFile, unix, wire::LogInfo};

#[derive(Debug, Error)]
pub enum ApplyError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("neither XDG_STATE_HOME nor HOME is set, so there is no place for the gate's journal")]
    NoPlace,
}

/// A permit that was spent here.
#[derive(Clone, Debug)]
pub struct Spent {
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub permit: Digest,
}

/// Where this machine keeps what it pinned and spent for a log.
fn state_dir(origin: &str) -> Result<PathBuf, ApplyError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state"))).ok_or(ApplyError::NoPlace)?;
    // The origin may hold slashes; its digest names the directory.
    let name: String = Digest::of(origin).hex().chars().take(16).collect();
    Ok(base.join("countersign").join(name))
}

/// The journal of the apply gate on this machine, for one key.
pub fn journal(origin: &str, key: &Fingerprint) -> Result<Journal, ApplyError> {
    let name: String = Digest::of(key.as_str()).hex().chars().take(16).collect();
    Ok(Journal::open(&state_dir(origin)?.join(format!("apply-{name}.jsonl")))?)
}

/// What this machine pinned when it first saw the log of this origin, and whether that is now. As with SSH host keys, the
/// first time is trusted, and anything else later is refused.
pub fn pinned_trust(log: &LogInfo) -> Result<(Trust, bool), ApplyError> {
    let path = state_dir(&log.origin)?.join("trust.json");
    let io = |operation| {
        let path = path.clone();
        move |source| ApplyError::Io { operation, path, source }
    };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let pinned: Trust = serde_json::from_str(&text).map_err(|e| io("read")(e.into()))?;
            Ok((pinned, false))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).map_err(io("make the directory of"))?;
            }
            let text = serde_json::to_string_pretty(&log.trust).map_err(|e| io("write")(e.into()))?;
            fs::write(&path, text).map_err(io("write"))?;
            Ok((log.trust.clone(), true))
        }
        Err(e) => Err(io("read")(e)),
    }
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

/// Refuses a permit that this gate has used before, whatever became of its change since.
pub fn unspent(journal: &Journal, permit: &str) -> Result<(), ApplyError> {
    match Envelope::parse(permit.as_bytes()) {
        Ok(envelope) if journal.is_spent(&envelope.payload_digest()) => Err(spent_before().into()),
        // What is no permit at all, the opening says.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn spent_before() -> Refusal {
    Refusal::forbidden("permit-spent", "the permit was used before")
        .hint("a permit opens a gate once; ask for a new one")
}

/// Spends the permit, durably, or refuses because it was spent before.
pub fn spend(journal: &mut Journal, opening: &Opening, now: Time) -> Result<Spent, ApplyError> {
    let permit = opening.permit();
    if journal.is_spent(&permit) {
        return Err(spent_before().into());
    }
    let grant = opening.grant();
    journal.write(Event::Seen { memory: opening.memory() })?;
    journal.write(Event::Reserved {
        reservation: Reservation {
            permit,
            change: grant.change.clone(),
            revision: grant.revision,
            transition: grant.transition.clone(),
            expires_at: grant.expires_at,
        },
        at: now,
    })?;
    journal.write(Event::Settled { permit, result: OutcomeResult::Started, exit_status: None, at: now })?;
    Ok(Spent { change: grant.change.clone(), revision: grant.revision, permit })
}

pub fn settle(
    journal: &mut Journal,
    spent: &Spent,
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
