//! By which key a checkpoint is signed. What was pinned is the key of the log's beginning; where another came in its place, the
//! log says so itself, in a leaf that is replayed like all others. So a checkpoint that no known key signed is read all the
//! same, and nothing of it counts before the key in force at its size is found to have signed it.
//!
//! Invariant: what was signed by any other key, also one that was in force before or will be, does not hold.

use countersign_ledger::{
    Checkpoint, LogKeys, SignedCheckpoint,
    checkpoint::{self, CheckpointError, Successor},
};

use super::report::{Failure, Report, Verdict};
use crate::{state::State, trust::Trust};

/// A checkpoint's note, and the log's keys as far as they were found out.
#[derive(Debug)]
pub(super) struct SignedBy {
    origin: String,
    note: String,
    /// Whether a key that was known beforehand opens it.
    is_known: bool,
    /// What was known beforehand, and has to be found again.
    known: LogKeys,
    keys: LogKeys,
}

impl SignedBy {
    /// What a note says, and whether that is by a key that is known.
    pub(super) fn begin(trust: &Trust, note: &str) -> Result<((Self, Checkpoint), String), Failure> {
        // What the log says that it is called: by another name it is another log, whoever signed it.
        let named = note.lines().next().unwrap_or_default();
        if named != trust.origin {
            let named: String = named.escape_debug().take(100).collect();
            return Err(Failure::new(format!(
                "wrong trust file: it is of log `{}`, this is log `{named}`",
                trust.origin
            )));
        }
        let (checkpoint, is_known) = match checkpoint::open(note, &trust.log_key) {
            Ok(checkpoint) => (checkpoint, true),
            Err(error @ CheckpointError::Signature { .. }) => match checkpoint::claimed(note) {
                Ok(claimed) => (claimed, false),
                Err(_) => return Err(not_signed(named, error)),
            },
            Err(error) => return Err(not_signed(named, error)),
        };
        let detail = words(&checkpoint);
        let origin = trust.origin.clone();
        Ok((
            (
                Self {
                    origin,
                    note: note.to_owned(),
                    is_known,
                    known: trust.log_key.clone(),
                    keys: trust.log_key.clone(),
                },
                checkpoint,
            ),
            detail,
        ))
    }

    /// Whether it takes the log itself to say who signed the checkpoint.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Begins with what genesis says, whatever was known of later keys: they are found again.
    pub(super) fn found(&mut self, state: &State) {
        self.keys = self.keys.pinned().into();
        self.behind(0, state);
    }

    /// Looks which key is in force behind a leaf.
    pub(super) fn behind(&mut self, index: u64, state: &State) {
        let (from, key) = (index.saturating_add(1), &state.governance.record.log_key);
        if self.keys.newest() != key {
            self.keys = self.keys.and_then(Successor { from, key: key.clone() });
        }
    }

    pub(super) fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// Ends where the log was replayed up to the checkpoint; else it stays unknown whose it is.
    pub(super) fn conclude(&self, report: &mut Report, is_replayed: bool) -> bool {
        let opened = SignedCheckpoint::open(&self.note, &self.keys);
        let size = checkpoint::claimed(&self.note).map_or(0, |claimed| claimed.size);
        let mut known = self.known.successors().iter().filter(|known| known.from <= size);
        let opened = match known.find(|known| is_replayed && !self.keys.successors().contains(known)) {
            None => opened,
            // Somebody left out that it was replaced, and signed with the old key.
            Some(_) => Err(CheckpointError::Signature { key: self.keys.newest().to_owned(), reason: String::new() }),
        };
        let failure = match opened {
            // Something else is wrong, and that is told.
            Ok(_) if !is_replayed => return true,
            Err(_) if !is_replayed && self.is_known => return true,
            Ok(_) => {
                if let (Some(step), Some(last)) = (report.steps.first_mut(), self.keys.successors().last())
                    && let Some(leaf) = last.from.checked_sub(1)
                {
                    step.detail = format!("{}, signed with the key that leaf {leaf} put in force", step.detail);
                }
                return true;
            }
            Err(_) if self.is_known => {
                let leaf = self.keys.successors().last().and_then(|last| last.from.checked_sub(1));
                let by = leaf.map_or_else(String::new, |leaf| format!(" that leaf {leaf} replaced"));
                Failure {
                    index: leaf,
                    ..Failure::new(format!(
                        "the checkpoint is signed with a log key{by}, and not with the one in force"
                    ))
                }
            }
            Err(error) => not_signed(&self.origin, error),
        };
        report.steps.truncate(1);
        if let Some(step) = report.steps.first_mut() {
            (step.verdict, step.detail, step.index) = (Verdict::Broken, failure.detail, failure.index);
        }
        report.checkpoint = None;
        false
    }
}

fn words(checkpoint: &Checkpoint) -> String {
    format!("{} leaves of {}, root {}", checkpoint.size, checkpoint.origin, checkpoint.root)
}

fn not_signed(named: &str, error: CheckpointError) -> Failure {
    match error {
        CheckpointError::Signature { .. } => Failure::new(format!(
            "wrong trust file, or not the log that it pins: the checkpoint of `{named}` is not signed by the pinned log key"
        )),
        error => Failure::new(format!("the checkpoint is not signed by the pinned log key: {error}")),
    }
}
