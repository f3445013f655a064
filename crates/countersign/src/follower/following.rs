//! Following that goes on, in a program that does other things meanwhile: a copy with the place that it is read from.

use std::{panic, sync::Arc};

use countersign_core::refusal::Refusal;
use countersign_ledger::Time;
use tokio::{runtime::Handle, sync::Mutex, task};

use super::{FollowError, Followed, Follower, source::Source};

#[derive(Debug)]
pub struct Following {
    follower: Follower,
    source: Mutex<Source>,
}

impl Following {
    pub fn new(follower: Follower, source: Source) -> Self {
        Self { follower, source: Mutex::new(source) }
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Follows on a thread of its own: fetching waits for the network, and replaying takes its time.
    pub async fn follow(self: &Arc<Self>, now: Time) -> Result<Followed, FollowError> {
        let this = Arc::clone(self);
        let followed = task::spawn_blocking(move || {
            Handle::current().block_on(async {
                let mut source = this.source.lock().await;
                this.follower.follow(&mut source, now).await
            })
        });
        match followed.await {
            Ok(followed) => followed,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Refusal::conflict("stopped", "the program is being stopped").into()),
        }
    }
}
