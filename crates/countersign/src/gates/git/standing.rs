//! Where protected branches stand, and where permits put them: what differs is what nobody was asked about.
//!
//! What a push, a fetch or a command *says* of the old place has no part in this. The repository is asked itself, while the
//! journal is locked: no other process settles a move meanwhile, and a branch moves only by what was let through, which the
//! journal has by then.
//!
//! ```text
//!  lock the journal ─> read where the branch stands ─> as expected
//!                                                   ├─ on a way of moves that were let through: settle them
//!                                                   └─ elsewhere: written down as moved, by whom and when if the file says so
//! ```

use std::fs;

use countersign_core::{ids::Oid, statement::OutcomeResult};
use countersign_ledger::Time;

use super::{GateError, GitGate, watch};
use crate::{
    gates::{
        desk::spend,
        journal::{Event, Journal, Past, Place, Reservation},
    },
    git, unix,
};

/// How a branch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    AsExpected,
    /// Nobody has written down where it has to stand.
    Unknown,
    /// It was moved by these permits, in their order, and nobody has written that down yet.
    LetThrough(Vec<Reservation>),
    /// No permit put it there.
    Elsewhere {
        expected: Place,
    },
}

/// How a branch stands whose tip is this.
pub fn standing(past: &Past, branch: &str, tip: Option<&Oid>) -> Standing {
    let Some(expected) = past.expected(branch) else { return Standing::Unknown };
    if expected == Place::of(tip) {
        return Standing::AsExpected;
    }
    match (&expected, tip) {
        (Place::At(from), Some(to)) => match past.way(branch, from, to) {
            Some(way) => Standing::LetThrough(way),
            None => Standing::Elsewhere { expected },
        },
        (Place::At(_) | Place::Gone, _) => Standing::Elsewhere { expected },
    }
}

/// Looks after every protected branch.
pub fn look(gate: &GitGate, journal: &mut Journal, now: Time) -> Result<(), GateError> {
    let names: Vec<&str> = gate.config.branches.iter().map(|branch| branch.branch.as_str()).collect();
    let tips = git::references(&gate.repository, &names)?;
    for name in names {
        settle(gate, journal, name, tips.get(name), now)?;
    }
    Ok(())
}

/// Writes down what became of a branch, so that the next move is judged from where it stands.
pub fn settle(
    gate: &GitGate,
    journal: &mut Journal,
    branch: &str,
    tip: Option<&Oid>,
    now: Time,
) -> Result<(), GateError> {
    match standing(journal, branch, tip) {
        // Only whoever installs the gate, or answers for it, takes a branch as it stands.
        Standing::AsExpected | Standing::Unknown => {}
        Standing::LetThrough(way) => {
            for reservation in way {
                spend::settle(journal, reservation.permit, OutcomeResult::Applied, None, now)?;
            }
        }
        Standing::Elsewhere { expected } if is_watched(gate, branch, &expected, tip) => {
            let (account, _) = written(gate, branch);
            journal.write(Event::Watched { reference: branch.to_owned(), to: tip.cloned(), at: now, account })?;
        }
        Standing::Elsewhere { expected } => match expected {
            Place::At(from) => {
                let (account, since) = written(gate, branch);
                let reference = branch.to_owned();
                journal.write(Event::Moved { reference, from, to: tip.cloned(), at: now, account, since })?;
            }
            // It was written down when it went; now it is there again.
            Place::Gone => {
                if let Some(tip) = tip {
                    journal.write(Event::Found { reference: branch.to_owned(), tip: tip.clone(), at: now })?;
                }
            }
        },
    }
    Ok(())
}

/// Whether a branch stands elsewhere and reaches nothing by that but what is only watched.
pub fn is_watched(gate: &GitGate, branch: &str, expected: &Place, tip: Option<&Oid>) -> bool {
    let from = match expected {
        Place::At(from) => Some(from),
        Place::Gone => None,
    };
    gate.config.branch(branch).is_some_and(|branch| watch::passes(gate, branch, from, tip))
}

/// Who wrote the file that says where a branch stands, and when, as far as there is one.
pub fn written(gate: &GitGate, branch: &str) -> (Option<String>, Option<Time>) {
    let Ok(file) = fs::metadata(gate.repository.join(branch)) else { return (None, None) };
    let at = file.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let at = at.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Time::from_unix_millis);
    (unix::owner(&file), at)
}
