//! Where a verifier lays changes that it has not needed for a while, so that its memory does not grow with the log.

use countersign_ledger::StreamHead;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{change::Change, ids::ChangeId, refusal::Refusal, state::State, statement::change_stream};

/// A place for records of changes outside of memory. What lies there is as trusted as memory is.
pub trait Shelf {
    /// How many changes may be in memory before all of them are laid down.
    fn keeps(&self) -> usize;

    /// Lays a record down in the place of an earlier one.
    fn put(&mut self, change: &ChangeId, record: &[u8]) -> Result<(), ShelfError>;

    /// The newest record of a change, if there is one.
    fn get(&self, change: &ChangeId) -> Result<Option<Vec<u8>>, ShelfError>;
}

#[derive(Debug, Error)]
#[error("the records of changes that were read cannot be laid aside: {0}")]
pub struct ShelfError(pub String);

impl From<Refusal> for ShelfError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.to_string())
    }
}

/// None: everything stays in memory.
#[derive(Clone, Copy, Debug)]
pub struct NoShelf;

impl Shelf for NoShelf {
    fn keeps(&self) -> usize {
        usize::MAX
    }

    fn put(&mut self, _: &ChangeId, _: &[u8]) -> Result<(), ShelfError> {
        Ok(())
    }

    fn get(&self, _: &ChangeId) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    change: Change,
    head: StreamHead,
}

/// The change that lies on a shelf.
pub fn shelved(shelf: &impl Shelf, id: &ChangeId) -> Result<Option<Change>, ShelfError> {
    Ok(read(shelf, id)?.map(|record| record.change))
}

fn read(shelf: &impl Shelf, id: &ChangeId) -> Result<Option<Record>, ShelfError> {
    let record = shelf.get(id)?.map(|bytes| serde_json::from_slice(&bytes));
    record.transpose().map_err(|e| ShelfError(format!("change {id}: {e}")))
}

/// Makes a change known to a state, from the shelf or as one that is not there yet.
pub(super) fn fetch(shelf: &impl Shelf, state: &mut State, id: &ChangeId) -> Result<(), ShelfError> {
    let stream = change_stream(id)?;
    if !state.knows(&stream) {
        let record = read(shelf, id)?;
        state.look_up(stream, record.map(|record| (record.change, record.head)));
    }
    Ok(())
}

/// Lays changes down once there are many: those about which nothing more is said, or all where those are few.
pub(super) fn lay_down(shelf: &mut impl Shelf, state: &mut State) -> Result<(), ShelfError> {
    let many = state.changes().len();
    if many <= shelf.keeps() {
        return Ok(());
    }
    let ended = state.changes().filter(|change| !change.status.is_open()).count();
    let mostly_ended = ended >= many / 2;
    for (change, head) in state.take_changes(|change| !mostly_ended || !change.status.is_open())? {
        let id = change.id.clone();
        let record = serde_json::to_vec(&Record { change, head });
        shelf.put(&id, &record.map_err(|e| ShelfError(format!("change {id}: {e}")))?)?;
    }
    Ok(())
}
