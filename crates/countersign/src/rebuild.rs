//! Projections made again from the leaves: the ledger is the state. What cannot be made again from the log was never its
//! state. A store of an older program is rebuilt so when a newer one opens it, and a test compares the two.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{fold::Entry, state::State};
use countersign_ledger::{Digest, Leaf, StreamId};

use crate::{
    records::{self, RecordError},
    store::{Damage, NewLeaf, Notary, Store, Submission},
};

/// How many leaves are folded between two writes of what they changed.
const STEP: u64 = 1_024;

/// Says how far a rebuild is: leaves read, and how many there are.
pub fn told(done: u64, of: u64) {
    tracing::info!(rebuild.done = done, rebuild.of = of, "rebuilding what follows from the leaves");
}

/// Makes the projections of a store again from its own leaves.
pub async fn projections(store: &dyn Store, told: &mut dyn FnMut(u64, u64)) -> Result<(), RecordError> {
    store.clear_projections().await?;
    let mut replay = Replay::default();
    let size = store.head().await?.size;
    let mut next = 0;
    while next < size {
        let page = store.leaves(next..size.min(next.saturating_add(STEP))).await?;
        if page.is_empty() {
            return Err(missing(next));
        }
        let mut touched = BTreeSet::new();
        for bytes in page {
            let (_, _, streams) = replay.take(store, next, &bytes).await?;
            touched.extend(streams);
            next += 1;
        }
        if let Some(state) = &replay.state {
            store.project(records::projections(state, &touched)?).await?;
        }
        told(next, size);
    }
    Ok(store.set_version(records::PROJECTIONS).await?)
}

/// Reads `from` leaf by leaf, admits each again, and writes it with its projections to `into`, which must be empty.
pub async fn replay(
    from: &dyn Store,
    into: &dyn Store,
    notary: &dyn Notary,
    told: &mut dyn FnMut(u64, u64),
) -> Result<u64, RecordError> {
    if into.head().await?.size != 0 {
        return Err(Damage::Value { what: "the store to rebuild into", found: "it is not empty".to_owned() }.into());
    }
    let size = from.head().await?.size;
    let mut replay = Replay::default();
    let mut next = 0;
    while next < size {
        let page = from.leaves(next..size.min(next.saturating_add(STEP))).await?;
        if page.is_empty() {
            return Err(missing(next));
        }
        let mut submissions = Vec::with_capacity(page.len());
        for bytes in page {
            let (entry, blobs, streams) = replay.take(from, next, &bytes).await?;
            let Some(state) = &replay.state else { return Err(missing(0)) };
            submissions.push(Submission {
                expected: BTreeMap::new(),
                projections: records::projections(state, &streams)?,
                blobs: blobs.into_values().collect(),
                leaves: vec![NewLeaf { unique: replay.unique.clone(), leaf: entry.leaf }],
                erased: Vec::new(),
                outbox: Vec::new(),
                // One key signs all of it anew.
                log_key: None,
            });
            next += 1;
        }
        for result in into.commit(notary, submissions).await? {
            if let Err(conflict) = result {
                let found = format!("it does not follow from itself: {conflict}");
                return Err(Damage::Value { what: "the log", found }.into());
            }
        }
        told(next, size);
    }
    into.set_version(records::PROJECTIONS).await?;
    Ok(next)
}

fn missing(index: u64) -> RecordError {
    Damage::MissingLeaf(index).into()
}

#[derive(Default)]
struct Replay {
    state: Option<State>,
    unique: Vec<crate::store::Unique>,
}

impl Replay {
    /// Folds a leaf, and gives it with its blobs and the streams that it stands in.
    async fn take(
        &mut self,
        store: &dyn Store,
        index: u64,
        bytes: &[u8],
    ) -> Result<(Entry, BTreeMap<Digest, Vec<u8>>, Vec<StreamId>), RecordError> {
        Leaf::parse(bytes).map_err(|source| Damage::Leaf { index, source })?;
        let entry = Entry::parse(bytes)?;
        // Also the files that a list names, of what is only proposed too: whether it loosens is weighed by them.
        let blobs = records::all_named(
            store,
            std::iter::once((&entry.signed.statement().body, entry.signed.token().map(|token| token.digest))),
        )
        .await?;
        let blob = |digest: &Digest| blobs.get(digest).cloned();
        let streams = match &mut self.state {
            Some(state) => {
                self.unique = records::uniques(state, &entry.signed)?;
                state.fold(&entry, &blob)?
            }
            None => {
                let state = State::genesis(&entry, &blob)?;
                self.unique = records::uniques(&state, &entry.signed)?;
                self.state = Some(state);
                entry.leaf.lines().iter().map(|line| line.stream.clone()).collect()
            }
        };
        Ok((entry, blobs, streams))
    }
}
