//! The copy itself: made again for another version of this program, begun anew where it was abandoned, and asked.

use std::{fs, io, path::Path, sync::Arc};

use countersign_core::trust::Trust;
use countersign_ledger::{Digest, Leaf, StreamId};

use super::{ABANDONED, Access, COPY, FollowError, Follower, io_error};
use crate::{
    durable, rebuild, records,
    store::{self, Age, Options, Store, StoreError},
};

impl Follower {
    /// Makes what follows from the copy's leaves again where another version of this program has written it.
    pub(super) async fn up_to_date(&self) -> Result<(), FollowError> {
        let age = || async { self.store().version().await.map(|found| Age::of(found, records::PROJECTIONS)) };
        match age().await.map_err(|e| self.failed(e))? {
            Age::Current => return Ok(()),
            Age::Newer(found) => return Err(records::newer(found).into()),
            Age::Older(_) => {}
        }
        // Other gates of this machine wait, and find it done.
        let _lock = self.lock()?;
        match age().await.map_err(|e| self.failed(e))? {
            Age::Current => Ok(()),
            Age::Newer(found) => Err(records::newer(found).into()),
            Age::Older(_) => {
                let rebuilt = rebuild::projections(&*self.store(), &mut rebuild::told).await;
                rebuilt.map_err(|e| self.recorded(e))
            }
        }
    }

    /// Whether a statement stands in a stream.
    pub async fn has_said(&self, stream: &StreamId, payload: &Digest) -> Result<bool, FollowError> {
        let mut from = 0;
        loop {
            let page = self.store().stream(stream, from).await.map_err(|e| self.failed(e))?;
            if page.is_empty() {
                return Ok(false);
            }
            from += page.len() as u64;
            let is_it = |bytes: &[u8]| Leaf::parse(bytes).is_ok_and(|leaf| leaf.envelope.payload_digest() == *payload);
            if page.iter().any(|(_, bytes)| is_it(bytes)) {
                return Ok(true);
            }
        }
    }

    /// A copy that was read in several pieces has leaves that no checkpoint has vouched for yet. Where the pieces turn out to
    /// be of no log, they are not built upon: the next opening begins anew, and has to reach what was seen before.
    pub(super) async fn abandon(&self) -> Result<(), FollowError> {
        let head = self.store().head().await.map_err(|e| self.failed(e))?;
        if head.size > head.noted {
            let path = self.folder.join(ABANDONED);
            durable::replace(&path, b"").map_err(|source| io_error("write", &path, source))?;
        }
        Ok(())
    }
}

/// Removes a copy that was abandoned.
pub(super) fn begin_anew(folder: &Path) -> Result<(), FollowError> {
    let mark = folder.join(ABANDONED);
    if !mark.exists() {
        return Ok(());
    }
    for name in [COPY.to_owned(), format!("{COPY}-wal"), format!("{COPY}-shm")] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(io_error("remove", &path, source)),
        }
    }
    fs::remove_file(&mark).map_err(|source| io_error("remove", &mark, source))
}

pub(super) async fn open_store(folder: &Path, trust: &Trust, access: Access) -> Result<Arc<dyn Store>, FollowError> {
    let path = folder.join(COPY);
    let options = Options::copy(trust.log_key.clone(), access);
    let opened = match store::address(&path) {
        Ok(address) => store::open(&address, &options).await,
        Err(error) => Err(error),
    };
    opened.map_err(|source| match source {
        StoreError::OtherLog(source) => FollowError::AnotherCopy { folder: folder.to_owned(), source },
        source => FollowError::Store { path, source },
    })
}
