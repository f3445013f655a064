//! A store on this machine, read as the static files of a log: a home's ledger, also while a server writes it, or the copy of a
//! follower.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_ledger::{Digest, tile::TilePath};
use tokio::runtime::{Builder, Runtime};

use super::source::{EPOCH, SourceError};
use crate::{
    records::{self, RecordError},
    store::{self, Head, Options, Store, StoreError, layout},
    wire::EpochHint,
};

/// Where the newest checkpoint that others cosigned lies beside a store.
const COSIGNED: &str = "cosigned";

pub struct Ledger {
    path: PathBuf,
    // Dropped before what it runs on.
    store: Arc<dyn Store>,
    runtime: Runtime,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the store in a file that must be there.
    pub fn open(path: &Path, options: &Options) -> Result<Self, SourceError> {
        let io = |source| SourceError::Io { path: path.to_owned(), source };
        std::fs::metadata(path).map_err(io)?;
        // Several threads may read at once.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(io)?;
        let store = store::address(path)
            .and_then(|address| runtime.block_on(store::open(&address, options)))
            .map_err(|source| SourceError::Store { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), store, runtime })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn head(&self) -> Result<Head, SourceError> {
        self.run(self.store.head())
    }

    /// Asks the store something else.
    pub fn run<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, SourceError> {
        let failed = |source| SourceError::Store { path: self.path.clone(), source };
        self.runtime.block_on(asked).map_err(failed)
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// A file of the static layout, if the log has it; the newest cosigned checkpoint is in a file already.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        if name == "checkpoint" {
            let note = self.head()?.note;
            return Ok((!note.is_empty()).then(|| note.into_bytes()));
        }
        if name == EPOCH {
            let epochs = self.runtime.block_on(records::epochs(&*self.store)).map_err(|error| match error {
                RecordError::Store(source) => SourceError::Store { path: self.path.clone(), source },
                RecordError::Refused(refusal) => {
                    SourceError::Malformed { place: self.path.display().to_string(), why: refusal.message }
                }
            })?;
            return Ok(EpochHint::of(&epochs).and_then(|hints| serde_json::to_vec(&hints).ok()));
        }
        if let Ok(path) = name.parse::<TilePath>() {
            return self.run(layout::tile(&*self.store, &path));
        }
        match name.strip_prefix("blobs/").map(Digest::from_hex) {
            Some(Ok(digest)) => self.run(store::blob(&*self.store, &digest)),
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// Where others' newest cosigned checkpoint lies.
    pub fn cosigned(&self) -> PathBuf {
        self.path.with_file_name(COSIGNED)
    }
}
