//! Reading ahead: the next leaves are fetched and their signatures checked while those before them are folded and written.
//!
//! ```text
//!  a thread:      fetch, check n+1 │ fetch, check n+2 │ …
//!  the follower:  fold, write n    │ fold, write n+1  │ …
//! ```

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use countersign_core::{fold::Entry, refusal::Refusal};
use countersign_ledger::sshsig::KnownKeys;

use super::source::{Batch, Source, SourceError};

/// Leaves that are checked on one thread at least.
const MIN_PER_THREAD: usize = 16;
/// Batches that wait to be folded.
const WAITING: usize = 1;

/// Leaves that were fetched, each with what it came to when it was parsed and its signatures checked.
pub(super) struct Shown {
    pub batch: Batch,
    pub entries: Vec<Result<Entry, Refusal>>,
}

impl Shown {
    /// Checks the first `missing` leaves of a batch, on as many cores as there are.
    pub fn of(mut batch: Batch, missing: u64) -> Self {
        cut(&mut batch, missing);
        Self { entries: parsed(&batch.leaves), batch }
    }
}

/// A log may have grown beyond the checkpoint that is to be reached.
fn cut(batch: &mut Batch, missing: u64) {
    batch.leaves.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
}

fn parsed(leaves: &[Vec<u8>]) -> Vec<Result<Entry, Refusal>> {
    let parse = |leaves: &[Vec<u8>]| {
        let mut keys = KnownKeys::default();
        leaves.iter().map(|bytes| Entry::parse_knowing(bytes, &mut keys)).collect::<Vec<_>>()
    };
    if leaves.len() <= MIN_PER_THREAD {
        return parse(leaves);
    }
    // To ask how many cores there are takes longer than a few leaves.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let chunk = leaves.len().div_ceil(threads).max(MIN_PER_THREAD);
    thread::scope(|scope| {
        let parts: Vec<_> = leaves.chunks(chunk).map(|part| scope.spawn(|| parse(part))).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// A thread that reads on.
pub(super) struct Ahead {
    shown: Receiver<Result<Shown, SourceError>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins with leaf `from` of a log of `size`.
    pub fn begin(source: Source, from: u64, size: u64) -> io::Result<Self> {
        let (give, shown) = sync_channel(WAITING);
        let read = move || read(&source, from, size, &give);
        let thread = thread::Builder::new().name("follow-ahead".to_owned()).spawn(read)?;
        Ok(Self { shown, thread: Some(thread) })
    }

    /// The next leaves; `None` at the end of what is there.
    pub fn next(&mut self) -> Result<Option<Shown>, SourceError> {
        if let Ok(shown) = self.shown.recv() {
            return shown.map(Some);
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(())) | None => Ok(None),
        }
    }
}

/// Until the log ends, or nobody listens any more.
fn read(source: &Source, mut from: u64, size: u64, give: &SyncSender<Result<Shown, SourceError>>) {
    let mut keys = KnownKeys::default();
    while from < size {
        let shown = source.leaves(from, size).map(|mut batch| {
            cut(&mut batch, size - from);
            let entries = batch.leaves.iter().map(|bytes| Entry::parse_knowing(bytes, &mut keys)).collect();
            Shown { batch, entries }
        });
        let count = match &shown {
            Ok(shown) => shown.batch.leaves.len() as u64,
            Err(_) => 0,
        };
        let is_short = count == 0 && shown.is_ok();
        let is_heard = !is_short && give.send(shown).is_ok();
        if !is_heard || count == 0 {
            return;
        }
        from = from.saturating_add(count);
    }
}
