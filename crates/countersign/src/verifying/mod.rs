//! Verifying a whole log where it lies, in a folder or at an address, without ever having it in memory.
//!
//! ```text
//!  feed: entry bundles, in order ──> 32 leaves ──> a thread parses, checks signatures, reads and hashes blobs ──┐
//!                                    32 leaves ──> another thread does the same                                 ├──> in order
//!                                    …                                                                          ┘
//! ```
//!
//! Whoever has read the part that is folded next folds it, and all that are ready behind it, while the others read on. No thread
//! takes leaves that are far before those, so that what is read and not yet folded is bounded.

mod kept;
mod shelf;

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread, vec,
};

use countersign_core::{
    trust::Trust,
    verify::{ReadLeaf, Report, ShelfError, Whole},
};
use countersign_ledger::{Hash, Time, sshsig::KnownKeys, tile::TILE_WIDTH};
use thiserror::Error;

pub use self::shelf::{FileShelf, change_id, number};
use crate::follower::source::{Source, SourceError};

/// Leaves that a thread takes at once.
const PART: usize = 32;
/// Parts for each thread that may be read and not yet folded: enough to read on while somebody folds a publication.
const AHEAD: usize = 16;

#[derive(Debug, Error)]
pub enum VerifyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// A whole log, verified.
#[derive(Debug)]
pub struct Verified {
    pub report: Report,
    /// The changes that the report's state does not have.
    pub shelf: FileShelf,
    /// What others cosigned, or else the checkpoint.
    pub note: String,
}

/// Verifies the log at a place with so many threads, this one among them.
pub fn verify(trust: &Trust, source: &Source, threads: usize, now: Time) -> Result<Verified, VerifyError> {
    let (checkpoint, cosigned) = source.notes()?;
    let begun = Whole::begin(trust, &checkpoint, cosigned.as_deref(), now, FileShelf::new()?);
    let note = cosigned.unwrap_or(checkpoint);
    let mut whole = match begun {
        Ok(whole) => whole,
        Err(report) => return Ok(Verified { report: *report, shelf: FileShelf::new()?, note }),
    };
    if source.goes_beyond(whole.size())? {
        whole.has_more(whole.size());
    }
    fold_all(source, &mut whole, threads.max(1))?;
    let (report, shelf) = whole.end();
    Ok(Verified { report, shelf, note })
}

/// A leaf, and its hash by the log's own tile.
type Stored = (Vec<u8>, Option<Hash>);

/// The leaves of a log in parts, read one entry bundle at a time.
struct Feed<'s> {
    source: &'s Source,
    size: u64,
    /// The bundle that is read next; `None` behind the last one that is there.
    next: Option<u64>,
    leaves: vec::IntoIter<Vec<u8>>,
    hashes: vec::IntoIter<Hash>,
}

impl<'s> Feed<'s> {
    fn of(source: &'s Source, size: u64) -> Self {
        let (leaves, hashes) = (Vec::new().into_iter(), Vec::new().into_iter());
        Self { source, size, next: Some(0), leaves, hashes }
    }

    /// The next part; empty at the end of what is there.
    fn part(&mut self) -> Result<Vec<Stored>, SourceError> {
        if self.leaves.len() == 0 {
            self.bundle()?;
        }
        let leaves = self.leaves.by_ref().take(PART);
        Ok(leaves.map(|leaf| (leaf, self.hashes.next())).collect())
    }

    fn bundle(&mut self) -> Result<(), SourceError> {
        let width = u64::from(TILE_WIDTH);
        let Some(index) = self.next.take().filter(|index| index.saturating_mul(width) < self.size) else {
            return Ok(());
        };
        let Some(leaves) = self.source.entries(index, self.size)? else { return Ok(()) };
        let hashes = self.source.hashes(index, self.size)?.unwrap_or_default();
        // Behind a bundle that lacks leaves, no leaf has its index.
        self.next = (leaves.len() == usize::from(TILE_WIDTH)).then(|| index.saturating_add(1));
        (self.leaves, self.hashes) = (leaves.into_iter(), hashes.into_iter());
        Ok(())
    }
}

fn read(source: &Source, keys: &mut KnownKeys, part: Vec<Stored>) -> Result<Vec<ReadLeaf>, SourceError> {
    part.into_iter().map(|(bytes, stored)| ReadLeaf::of(&bytes, stored, keys, |digest| source.blob(digest))).collect()
}

fn fold_all(source: &Source, whole: &mut Whole<'_, FileShelf>, threads: usize) -> Result<(), VerifyError> {
    let feed = Mutex::new(Feed::of(source, whole.size()));
    let desk = Desk {
        fold: Mutex::new(Fold { whole, failed: None }),
        queue: Mutex::default(),
        moved: Condvar::new(),
        ahead: threads.saturating_mul(AHEAD) as u64,
    };
    let work = || {
        let _closing = Closing(&desk);
        let mut keys = KnownKeys::default();
        while let Some((place, part)) = desk.part(&feed) {
            desk.put(place, part.and_then(|part| read(source, &mut keys, part)));
            desk.fold();
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let fold = desk.fold.into_inner().unwrap_or_else(PoisonError::into_inner);
    fold.failed.map_or(Ok(()), Err)
}

/// Where read parts are folded, by one thread at a time.
struct Fold<'w, 't> {
    whole: &'w mut Whole<'t, FileShelf>,
    failed: Option<VerifyError>,
}

impl Fold<'_, '_> {
    fn take(&mut self, part: Result<Vec<ReadLeaf>, SourceError>) -> Result<(), VerifyError> {
        for leaf in part? {
            self.whole.take(&leaf)?;
        }
        Ok(())
    }
}

/// What was read and is not yet folded.
#[derive(Default)]
struct Queue {
    read: BTreeMap<u64, Result<Vec<ReadLeaf>, SourceError>>,
    /// How many parts somebody has taken to read.
    taken: u64,
    /// The part that is folded next.
    next: u64,
    /// Whether nothing more is wanted.
    closed: bool,
}

struct Desk<'w, 't> {
    fold: Mutex<Fold<'w, 't>>,
    queue: Mutex<Queue>,
    moved: Condvar,
    /// How many parts may be taken before the one that is folded next.
    ahead: u64,
}

impl Desk<'_, '_> {
    /// What a thread that panicked held is still whole: nothing is changed by halves.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next part that nobody has taken, with its place, once there is room for it; `None` at the end.
    fn part(&self, feed: &Mutex<Feed<'_>>) -> Option<(u64, Result<Vec<Stored>, SourceError>)> {
        // Held meanwhile, so that parts are numbered as they are fed. The fold does not need it.
        let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue = self.queue();
        while !queue.closed && queue.taken >= queue.next.saturating_add(self.ahead) {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed {
            return None;
        }
        let place = queue.taken;
        queue.taken = place.saturating_add(1);
        drop(queue);
        let part = feed.part();
        match &part {
            Ok(leaves) if leaves.is_empty() => None,
            Ok(_) | Err(_) => Some((place, part)),
        }
    }

    fn put(&self, place: u64, part: Result<Vec<ReadLeaf>, SourceError>) {
        self.queue().read.insert(place, part);
    }

    /// Folds what is ready, if nobody else does.
    fn fold(&self) {
        loop {
            let Ok(mut fold) = self.fold.try_lock() else { return };
            while let Some(part) = self.next() {
                let taken = fold.take(part);
                if taken.is_err() || fold.whole.is_settled() {
                    fold.failed = taken.err();
                    self.close();
                    return;
                }
            }
            drop(fold);
            // Whoever came in between found it held, and went on reading.
            let queue = self.queue();
            if queue.closed || !queue.read.contains_key(&queue.next) {
                return;
            }
        }
    }

    /// The part that is folded next, if it is ready.
    fn next(&self) -> Option<Result<Vec<ReadLeaf>, SourceError>> {
        let mut queue = self.queue();
        let next = queue.next;
        let part = queue.read.remove(&next).filter(|_| !queue.closed)?;
        queue.next = next.saturating_add(1);
        self.moved.notify_all();
        Some(part)
    }

    fn close(&self) {
        self.queue().closed = true;
        self.moved.notify_all();
    }
}

/// Has the others end where a thread panics, so that they do not wait for it.
struct Closing<'d, 'w, 't>(&'d Desk<'w, 't>);

impl Drop for Closing<'_, '_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}
