//! Verifying a whole log where it lies, in a folder or at an address, without ever having it in memory.
//!
//! ```text
//!  feed: entry bundles, in order ──> 32 leaves ──> worker: parse, check signatures, read and hash blobs ──┐
//!                                    32 leaves ──> worker: the same                                       ├──> fold, in order
//!                                    …                                                                    ┘
//! ```
//!
//! No worker takes leaves that are far before those that are folded next, so that what is read and not yet folded is bounded.

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

/// Leaves that a worker takes at once.
const PART: usize = 32;
/// Parts for each worker that are read and not yet folded.
const AHEAD: usize = 4;

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

/// Verifies the log at a place, with so many threads that read; with one, nothing runs beside it.
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
    let feed = Feed::of(source, whole.size());
    if threads <= 1 {
        alone(source, feed, &mut whole)?
    } else {
        together(source, feed, &mut whole, threads)?
    }
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

fn alone(source: &Source, mut feed: Feed<'_>, whole: &mut Whole<'_, FileShelf>) -> Result<(), VerifyError> {
    let mut keys = KnownKeys::default();
    while !whole.is_settled() {
        let part = feed.part()?;
        if part.is_empty() {
            break;
        }
        for (bytes, stored) in part {
            whole.take(&ReadLeaf::of(&bytes, stored, &mut keys, |digest| source.blob(digest))?)?;
        }
    }
    Ok(())
}

fn together(
    source: &Source,
    feed: Feed<'_>,
    whole: &mut Whole<'_, FileShelf>,
    threads: usize,
) -> Result<(), VerifyError> {
    let queue = Mutex::new(Queue { running: threads, ..Queue::default() });
    let (desk, feed) = (Desk { queue, moved: Condvar::new() }, Mutex::new(feed));
    let ahead = threads.saturating_mul(AHEAD) as u64;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _running = Running(&desk);
                let mut keys = KnownKeys::default();
                while let Some((place, part)) = desk.part(&feed, ahead) {
                    let part = part.and_then(|part| read(source, &mut keys, part));
                    drop(desk.put(place, part));
                }
            });
        }
        // However the fold ends, the workers are told.
        let _closing = Closing(&desk);
        while let Some(part) = desk.next() {
            let part = part?;
            for leaf in &part {
                whole.take(leaf)?;
            }
            desk.give_back(part);
            if whole.is_settled() {
                break;
            }
        }
        Ok(())
    })
}

/// What lies between the workers and the fold.
#[derive(Default)]
struct Queue {
    read: BTreeMap<u64, Result<Vec<ReadLeaf>, SourceError>>,
    /// Parts that were folded.
    done: Vec<Vec<ReadLeaf>>,
    /// How many parts were taken by workers.
    taken: u64,
    /// The part that is folded next.
    next: u64,
    /// How many workers still run.
    running: usize,
    /// Whether nothing more is wanted.
    closed: bool,
}

struct Desk {
    queue: Mutex<Queue>,
    moved: Condvar,
}

impl Desk {
    /// What a thread that panicked held is still whole: nothing is changed by halves.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next part that nobody has taken, with its place, once there is room for it; `None` at the end.
    fn part(&self, feed: &Mutex<Feed<'_>>, ahead: u64) -> Option<(u64, Result<Vec<Stored>, SourceError>)> {
        // Held meanwhile, so that parts are numbered as they are fed. The fold does not need it.
        let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue = self.queue();
        while !queue.closed && queue.taken >= queue.next.saturating_add(ahead) {
            queue = self.wait(queue);
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

    /// Lays a part down that was read, and takes away those that are done with: to free them costs the fold time that it does
    /// not have.
    fn put(&self, place: u64, part: Result<Vec<ReadLeaf>, SourceError>) -> Vec<Vec<ReadLeaf>> {
        let mut queue = self.queue();
        queue.read.insert(place, part);
        let done = std::mem::take(&mut queue.done);
        self.moved.notify_all();
        done
    }

    fn give_back(&self, part: Vec<ReadLeaf>) {
        self.queue().done.push(part);
    }

    /// The next part in order; `None` behind the last.
    fn next(&self) -> Option<Result<Vec<ReadLeaf>, SourceError>> {
        let mut queue = self.queue();
        loop {
            let next = queue.next;
            if let Some(part) = queue.read.remove(&next) {
                queue.next = next.saturating_add(1);
                self.moved.notify_all();
                return Some(part);
            }
            if queue.running == 0 {
                return None;
            }
            queue = self.wait(queue);
        }
    }
}

/// Says that a worker has ended, however it did.
struct Running<'d>(&'d Desk);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.running = queue.running.saturating_sub(1);
        self.0.moved.notify_all();
    }
}

/// Says that nothing more is wanted.
struct Closing<'d>(&'d Desk);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.moved.notify_all();
    }
}
