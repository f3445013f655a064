//! Replay: the ledger is the state. Reading every leaf of one store into an empty one must give the same projections;
//! what cannot be made again from the log was never its state.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    state::{State, Touched},
    statement::Statement,
};
use countersign_ledger::{Digest, Leaf, checkpoint::LogKey};

use super::{EngineError, PROJECTIONS, change_projection, governance_projection, unique_keys};
use crate::store::{Damage, NewLeaf, Projection, Store, StoreError, Submission};

/// Reads `from` leaf by leaf, admits each again, and writes it with its projections to `into`, which must be empty.
pub async fn replay(from: &dyn Store, into: &dyn Store, log_key: &LogKey) -> Result<u64, EngineError> {
    if into.head().await?.size != 0 {
        return Err(EngineError::Damaged("the store to rebuild into is not empty".to_owned()));
    }
    let size = from.head().await?.size;
    let mut reading = Reading { from, state: None, next: 0 };
    while reading.next < size {
        let mut submissions = Vec::new();
        for read in reading.page(size).await? {
            submissions.push(Submission {
                expected: read.leaf.lines().iter().map(|line| (line.stream.clone(), line.seq)).collect(),
                projections: vec![read.projection],
                blobs: read.blobs.into_values().collect(),
                leaves: vec![NewLeaf { unique: read.unique, leaf: read.leaf }],
                outbox: Vec::new(),
            });
        }
        for result in into.commit(log_key, submissions).await? {
            if let Err(conflict) = result {
                return Err(EngineError::Damaged(format!("the log does not follow from itself: {conflict:?}")));
            }
        }
    }
    into.set_version(PROJECTIONS).await?;
    Ok(size)
}

/// Makes the projections of a store again from its leaves.
pub async fn project(store: &dyn Store) -> Result<(), EngineError> {
    // Until all are there, the store says that they are not.
    store.clear_projections().await?;
    let size = store.head().await?.size;
    let mut reading = Reading { from: store, state: None, next: 0 };
    while reading.next < size {
        let read = reading.page(size).await?;
        store.project(read.into_iter().map(|read| read.projection).collect()).await?;
        tracing::info!(leaves = reading.next, of = size, "projections are made again");
    }
    Ok(store.set_version(PROJECTIONS).await?)
}

/// A leaf, with everything that followed from it.
struct Read {
    leaf: Leaf,
    unique: Vec<crate::store::Unique>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    projection: Projection,
}

struct Reading<'a> {
    from: &'a dyn Store,
    state: Option<State>,
    next: u64,
}

impl Reading<'_> {
    /// The next leaves, each admitted again.
    async fn page(&mut self, size: u64) -> Result<Vec<Read>, EngineError> {
        let leaves = self.from.leaves(self.next..size).await?;
        if leaves.is_empty() {
            return Err(StoreError::from(Damage::MissingLeaf(self.next)).into());
        }
        let mut page = Vec::with_capacity(leaves.len());
        for bytes in leaves {
            let unreadable = |source| StoreError::from(Damage::Leaf { index: self.next, source });
            let leaf = Leaf::parse(&bytes).map_err(unreadable)?;
            let statement = Statement::parse(leaf.envelope.payload())?;
            let named: BTreeSet<Digest> = statement.body.blobs().into_iter().collect();
            let blobs = self.from.blobs(&named.into_iter().collect::<Vec<_>>()).await?;
            let projection = self.fold(&leaf, &|digest| blobs.get(digest).cloned())?;
            page.push(Read {
                unique: unique_keys(&statement, &leaf.envelope.payload_digest()),
                leaf,
                blobs,
                projection,
            });
            self.next += 1;
        }
        Ok(page)
    }

    fn fold(&mut self, leaf: &Leaf, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Result<Projection, EngineError> {
        let Some(state) = &mut self.state else {
            let state = self.state.insert(State::genesis(leaf, leaf.hash(), blob)?);
            return governance_projection(&state.governance.record);
        };
        match state.fold(leaf, leaf.hash(), blob)? {
            Touched::Governance => governance_projection(&state.governance.record),
            Touched::Change(id) => match state.changes.get(&id) {
                Some(change) => change_projection(change),
                None => Err(EngineError::Damaged(format!("change {id} is not in the state"))),
            },
        }
    }
}
