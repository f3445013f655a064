//! The one writer: it gathers what is waiting, commits it in one transaction, and answers only after that is durable.
//!
//! ```text
//!  request A ──┐
//!  request B ──┼──> queue ──> commit(A, B, C): one fsync ──> answers to A, B, C
//!  request C ──┘                 meanwhile D, E, F wait and are the next batch
//! ```
//!
//! Leaves stand in the order of their times. Whoever takes a time announces it ([`Writer::expect`]), and a batch waits a
//! moment for earlier ones that are still being made, instead of overtaking them and having them made again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_ledger::Time;
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{Conflict, Notary, Store, StoreError, Submission, Unique};

/// How many submissions one commit takes.
const MAX_BATCH: usize = 256;

/// How many may wait; more than that and those who submit wait to be queued.
const QUEUE: usize = 1_024;

/// How long a batch waits for what was announced with an earlier time.
const PATIENCE: Duration = Duration::from_millis(2);

/// How often it is looked whether a commit that failed was written, and how long is waited after the first time; then twice as
/// long each time.
const FINDING: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Why a submission was not acknowledged.
#[derive(Debug, Error)]
pub enum SubmitError {
    #[error("the submission does not fit the log: {0}")]
    Conflict(Conflict),
    /// Nothing of it was written.
    #[error(transparent)]
    Failed(Arc<StoreError>),
    /// The commit itself failed, and it was found out that nothing of this was written.
    #[error("the commit failed, and nothing of it was written: {}", cause(.0))]
    Undone(Arc<StoreError>),
    /// It may have been written: look it up.
    #[error("whether this was written is unknown: {}", cause(.0))]
    Unknown(Arc<StoreError>),
    /// The writer ended while the submission was with it, so it may have been written.
    #[error("the store's writer has stopped")]
    Stopped,
}

/// What lies under a commit whose end is unknown.
fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string())
}

struct Waiting {
    submission: Submission,
    answer: oneshot::Sender<Result<u64, SubmitError>>,
}

/// A handle to the writer task. Clones share the task, which ends with the last of them.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
    coming: Arc<Coming>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// A submission of this time is being made. It is no longer awaited once this is dropped.
#[derive(Debug)]
#[must_use = "a submission is awaited only as long as this is held"]
pub struct Announced {
    time: Time,
    coming: Arc<Coming>,
}

impl Drop for Announced {
    fn drop(&mut self) {
        let mut times = self.coming.times();
        if let Some(count) = times.get_mut(&self.time) {
            *count -= 1;
            if *count == 0 {
                times.remove(&self.time);
            }
        }
        drop(times);
        self.coming.changed.notify_one();
    }
}

/// The times of what is being made.
#[derive(Debug, Default)]
struct Coming {
    times: Mutex<BTreeMap<Time, usize>>,
    changed: Notify,
}

impl Coming {
    /// Nobody can leave the map half changed.
    fn times(&self) -> MutexGuard<'_, BTreeMap<Time, usize>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_before(&self, time: Option<Time>) -> bool {
        self.times().first_key_value().is_some_and(|(first, _)| Some(*first) < time)
    }

    /// Whatever is earlier has been waited for long enough, and is not waited for again.
    fn give_up_before(&self, time: Option<Time>) {
        self.times().retain(|coming, _| Some(*coming) >= time);
    }
}

impl Writer {
    pub fn start(store: Arc<dyn Store>, notary: Arc<dyn Notary>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let coming = Arc::<Coming>::default();
        tokio::spawn(write(store, notary, waiting, Arc::clone(&coming)));
        Self { queue, coming }
    }

    /// Announces a submission of this time. To be held until it is submitted, or given up.
    pub fn expect(&self, time: Time) -> Announced {
        *self.coming.times().entry(time).or_default() += 1;
        Announced { time, coming: Arc::clone(&self.coming) }
    }

    /// Submits and waits until it is durable. The index is that of the first leaf.
    pub async fn submit(&self, submission: Submission, announced: Option<Announced>) -> Result<u64, SubmitError> {
        let (answer, result) = oneshot::channel();
        self.queue.send(Waiting { submission, answer }).await.map_err(|_| SubmitError::Stopped)?;
        drop(announced);
        result.await.map_err(|_| SubmitError::Stopped)?
    }
}

async fn write(
    store: Arc<dyn Store>,
    notary: Arc<dyn Notary>,
    mut queue: mpsc::Receiver<Waiting>,
    coming: Arc<Coming>,
) {
    let mut notary = notary;
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        gather(&mut waiting, &mut queue, &coming).await;
        while !waiting.is_empty() {
            // What puts another log key in force is written alone: its checkpoint is the first that that key signs.
            let first = waiting.iter().position(|waiting| waiting.submission.log_key.is_some());
            let batch: Vec<Waiting> = waiting.drain(..first.unwrap_or(waiting.len()).max(1)).collect();
            let next = match batch.first().and_then(|waiting| waiting.submission.log_key.as_deref()) {
                None => None,
                Some(log_key) => match notary.succeeded_by(log_key) {
                    Some(next) => Some(next),
                    // Whoever made it has looked for the key; it has gone since, and so does this.
                    None => continue,
                },
            };
            match commit(&*store, &**next.as_ref().unwrap_or(&notary), batch).await {
                Written::All => notary = next.unwrap_or(notary),
                Written::Nothing => {}
                // With which key the next checkpoint is signed is found out when the log is opened again.
                Written::Unknown if next.is_some() => return,
                Written::Unknown => {}
            }
        }
    }
}

/// What became of a batch.
enum Written {
    /// Something of it, or all.
    All,
    Nothing,
    Unknown,
}

async fn commit(store: &dyn Store, notary: &dyn Notary, batch: Vec<Waiting>) -> Written {
    let (submissions, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Waiting { submission, answer }| (submission, answer)).unzip();
    let keys: Vec<Option<Unique>> = submissions.iter().map(Submission::key).collect();
    match store.commit(notary, submissions).await {
        Ok(results) => {
            let written = if results.iter().any(Result::is_ok) { Written::All } else { Written::Nothing };
            for (answer, result) in answers.into_iter().zip(results) {
                // Who asked may have gone away; what was committed stays.
                drop(answer.send(result.map_err(SubmitError::Conflict)));
            }
            written
        }
        Err(error) => {
            let found = find_out(store, &error, &keys).await;
            let written = match &found {
                None => Written::Unknown,
                Some(found) if found.is_empty() => Written::Nothing,
                Some(_) => Written::All,
            };
            let error = Arc::new(error);
            for (answer, key) in answers.into_iter().zip(keys) {
                drop(answer.send(answer_for(key, found.as_ref(), &error)));
            }
            written
        }
    }
}

/// What became of a batch whose commit failed: `None` while that is unknown. Nobody writes meanwhile.
async fn find_out(store: &dyn Store, error: &StoreError, keys: &[Option<Unique>]) -> Option<BTreeMap<Unique, u64>> {
    if !error.is_unknown() {
        return Some(BTreeMap::new());
    }
    tracing::error!(%error, "a commit failed, and may have been written: the writer stops to find out");
    let keys: Vec<Unique> = keys.iter().flatten().copied().collect();
    let mut pause = FIRST_PAUSE;
    for _ in 0..FINDING {
        match store.taken(&keys).await {
            Ok(found) => return Some(found),
            Err(error) => tracing::error!(%error, "whether the last commit was written is still unknown"),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
    None
}

fn answer_for(
    key: Option<Unique>,
    found: Option<&BTreeMap<Unique, u64>>,
    error: &Arc<StoreError>,
) -> Result<u64, SubmitError> {
    match (key, found) {
        _ if !error.is_unknown() => Err(SubmitError::Failed(Arc::clone(error))),
        (Some(key), Some(found)) => match found.get(&key) {
            Some(index) => Ok(*index),
            None => Err(SubmitError::Undone(Arc::clone(error))),
        },
        (None, _) | (_, None) => Err(SubmitError::Unknown(Arc::clone(error))),
    }
}

/// Waits a moment for what was announced with an earlier time than the latest of those that wait.
async fn gather(waiting: &mut Vec<Waiting>, queue: &mut mpsc::Receiver<Waiting>, coming: &Coming) {
    let latest = |waiting: &[Waiting]| {
        let times = waiting.iter().flat_map(|waiting| waiting.submission.leaves.first());
        times.map(|new| new.leaf.admitted_at).max()
    };
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    while waiting.len() < MAX_BATCH && coming.is_before(latest(waiting)) {
        let room = MAX_BATCH - waiting.len();
        tokio::select! {
            received = queue.recv_many(waiting, room) => if received == 0 { return },
            () = coming.changed.notified() => {}
            () = &mut patience => {
                coming.give_up_before(latest(waiting));
                return;
            }
        }
    }
}
