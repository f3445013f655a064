//! A gate's journal: what it was allowed, what it spent, and what it still has to report. One line of JSON an event,
//! written and synced before the gate acts on it, so that a permit is spent once even when the machine loses power.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use countersign_core::{
    ids::{ChangeId, Oid},
    statement::{OutcomeResult, RevisionRef, Transition},
};
use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::opening::Memory;

#[derive(Debug, Error)]
pub enum JournalError {
    #[error("cannot {operation} the gate's journal {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("line {line} of the gate's journal {path} is damaged: {why}")]
    Damaged { path: PathBuf, line: usize, why: String },
}

/// A transition that the gate may let happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    pub permit: Digest,
    pub change: ChangeId,
    pub revision: RevisionRef,
    pub transition: Transition,
    pub expires_at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The log as it was last seen.
    Seen {
        memory: Memory,
    },
    Reserved {
        reservation: Reservation,
        at: Time,
    },
    /// It happened (or failed): the permit is spent.
    Settled {
        permit: Digest,
        result: OutcomeResult,
        exit_status: Option<i32>,
        at: Time,
    },
    /// A protected branch stood there when the gate came, or when it was found to have been moved behind its back.
    Found {
        reference: String,
        tip: Oid,
        at: Time,
    },
    /// The log has the outcome.
    Reported {
        permit: Digest,
    },
    /// A reference moved without a permit: the gate was gone round.
    Caught {
        detail: String,
        at: Time,
    },
}

/// The journal, locked for this process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    events: Vec<Event>,
}

impl Journal {
    /// Opens and locks the journal; a second process waits.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let io = |operation| move |source| JournalError::Io { operation, path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(io("make the directory of"))?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io("open"))?;
        file.lock().map_err(io("lock"))?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).map_err(io("read"))?;
        file.read_to_string(&mut text).map_err(io("read"))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            // A line that was cut off by a crash was never acted on.
            file.set_len(whole as u64).map_err(io("mend"))?;
        }
        let mut events = Vec::new();
        for (n, line) in text.get(..whole).unwrap_or_default().lines().enumerate() {
            let event = serde_json::from_str(line).map_err(|e| JournalError::Damaged {
                path: path.to_owned(),
                line: n + 1,
                why: e.to_string(),
            })?;
            events.push(event);
        }
        Ok(Self { path: path.to_owned(), file, events })
    }

    /// Writes an event and waits until it is on disk.
    pub fn write(&mut self, event: Event) -> Result<(), JournalError> {
        let io = |operation| {
            let path = self.path.clone();
            move |source| JournalError::Io { operation, path, source }
        };
        let mut line = serde_json::to_string(&event).map_err(|e| JournalError::Io {
            operation: "write",
            path: self.path.clone(),
            source: e.into(),
        })?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(io("write"))?;
        self.file.sync_data().map_err(io("sync"))?;
        self.events.push(event);
        Ok(())
    }

    pub fn memory(&self) -> Option<Memory> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Seen { memory } => Some(*memory),
            Event::Reserved { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Reported { .. }
            | Event::Caught { .. } => None,
        })
    }

    /// Whether a permit was spent.
    pub fn is_spent(&self, permit: &Digest) -> bool {
        self.settled(permit).is_some()
    }

    fn settled(&self, permit: &Digest) -> Option<(OutcomeResult, Option<i32>)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Settled { permit: of, result, exit_status, .. } if of == permit => Some((*result, *exit_status)),
            Event::Seen { .. }
            | Event::Reserved { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Reported { .. }
            | Event::Caught { .. } => None,
        })
    }

    fn reservations(&self) -> impl DoubleEndedIterator<Item = &Reservation> {
        self.events.iter().filter_map(|event| match event {
            Event::Reserved { reservation, .. } => Some(reservation),
            Event::Seen { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Reported { .. }
            | Event::Caught { .. } => None,
        })
    }

    /// Where the last permit put a branch, or where it was found: where it has to stand.
    pub fn expected_tip(&self, branch: &str) -> Option<Oid> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Found { reference, tip, .. } if reference == branch => Some(tip.clone()),
            Event::Settled { permit, result: OutcomeResult::Applied, .. } => {
                let reservation = self.reservations().find(|reservation| reservation.permit == *permit)?;
                match &reservation.transition {
                    Transition::Git { reference, new, .. } if reference == branch => Some(new.clone()),
                    Transition::Git { .. } | Transition::Apply { .. } => None,
                }
            }
            Event::Seen { .. }
            | Event::Reserved { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Reported { .. }
            | Event::Caught { .. } => None,
        })
    }

    /// Reservations of such transitions that are not spent, the oldest first; some may be over.
    pub fn unspent(&self, of: impl Fn(&Transition) -> bool) -> Vec<Reservation> {
        // What is asked for first: looking through the journal for each reservation costs more.
        let asked = self.reservations().filter(|reservation| of(&reservation.transition));
        asked.filter(|reservation| !self.is_spent(&reservation.permit)).cloned().collect()
    }

    /// Reservations of exactly this transition that are neither spent nor over.
    pub fn reserved(&self, transition: &Transition, now: Time) -> Vec<Reservation> {
        let mut reserved = self.unspent(|reserved| reserved == transition);
        reserved.retain(|reservation| reservation.expires_at >= now);
        reserved
    }

    /// What was settled and is not in the log yet.
    pub fn unreported(&self) -> Vec<(Reservation, OutcomeResult, Option<i32>)> {
        let mut settled = BTreeMap::new();
        let mut reported = BTreeSet::new();
        for event in &self.events {
            match event {
                Event::Settled { permit, result, exit_status, .. } => {
                    settled.insert(*permit, (*result, *exit_status));
                }
                Event::Reported { permit } => {
                    reported.insert(*permit);
                }
                Event::Seen { .. } | Event::Reserved { .. } | Event::Found { .. } | Event::Caught { .. } => {}
            }
        }
        let mut found = Vec::new();
        for reservation in self.reservations().filter(|reservation| !reported.contains(&reservation.permit)) {
            // Once, also where a permit was reserved twice.
            if let Some((result, exit_status)) = settled.remove(&reservation.permit) {
                found.push((reservation.clone(), result, exit_status));
            }
        }
        found
    }

    pub fn caught(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Caught { detail, .. } => Some(detail.as_str()),
            Event::Seen { .. }
            | Event::Reserved { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Reported { .. } => None,
        })
    }
}
