//! The one writer: it gathers what is waiting, commits it in one transaction, and answers only after that is durable.
//!
//! ```text
//!  request A ──┐
//!  request B ──┼──> queue ──> commit(A, B, C): one fsync ──> answers to A, B, C
//!  request C ──┘                 meanwhile D, E, F wait and are the next batch
//! ```

use std::sync::Arc;

use countersign_ledger::checkpoint::LogKey;
use tokio::sync::{mpsc, oneshot};

use super::{Conflict, Store, StoreError, Submission};

/// How many submissions one commit takes.
const MAX_BATCH: usize = 256;

/// How many may wait; more than that and those who submit wait to be queued.
const QUEUE: usize = 1_024;

type Answer = oneshot::Sender<Result<Result<u64, Conflict>, StoreError>>;

/// A handle to the writer task. Clones share the task, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<(Submission, Answer)>,
}

impl Writer {
    pub fn start(store: Arc<dyn Store>, log_key: Arc<LogKey>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Submission, Answer)>(QUEUE);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(MAX_BATCH);
            while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
                let (submissions, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
                match store.commit(&log_key, submissions).await {
                    Ok(results) => {
                        for (answer, result) in answers.into_iter().zip(results) {
                            // Who asked may have gone away; what was committed stays.
                            drop(answer.send(Ok(result)));
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "a commit failed; nothing of its batch was taken");
                        for answer in answers {
                            drop(answer.send(Err(StoreError::Damaged(error.to_string()))));
                        }
                    }
                }
            }
        });
        Self { queue }
    }

    /// Submits and waits until it is durable.
    pub async fn submit(&self, submission: Submission) -> Result<Result<u64, Conflict>, StoreError> {
        let (answer, result) = oneshot::channel();
        self.queue.send((submission, answer)).await.map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}
