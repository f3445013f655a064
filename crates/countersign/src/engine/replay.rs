//! Replay: the ledger is the state. Reading every leaf of one store into an empty one must give the same projections;
//! what cannot be made again from the log was never its state.

use std::collections::BTreeMap;

use countersign_core::{
    state::{State, Touched},
    statement::Statement,
};
use countersign_ledger::{Digest, Leaf, checkpoint::LogKey};

use super::{EngineError, GOVERNANCE, json, projections_of, unique_keys};
use crate::store::{NewLeaf, Store, StoreError, Submission};

/// Reads `from` leaf by leaf, admits each again, and writes it with its projections to `into`, which must be empty.
pub async fn replay(from: &dyn Store, into: &dyn Store, log_key: &LogKey) -> Result<u64, EngineError> {
    if into.head().await?.size != 0 {
        return Err(StoreError::Damaged("the store to rebuild into is not empty".to_owned()).into());
    }
    let size = from.head().await?.size;
    let mut state: Option<State> = None;
    let mut next = 0;
    while next < size {
        let page = from.leaves(next..size).await?;
        if page.is_empty() {
            return Err(StoreError::Damaged(format!("leaf {next} is missing")).into());
        }
        let mut submissions = Vec::with_capacity(page.len());
        for bytes in page {
            let leaf = Leaf::parse(&bytes).map_err(|e| StoreError::Damaged(format!("leaf {next}: {e}")))?;
            let statement = Statement::parse(leaf.envelope.payload())?;
            let mut blobs: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
            for digest in statement.body.blobs() {
                if let Some(bytes) = from.blob(&digest).await? {
                    blobs.insert(digest, bytes);
                }
            }
            let touched = fold(&mut state, &leaf, &|digest| blobs.get(digest).cloned())?;
            let projections = match (&state, touched) {
                (Some(state), Touched::Change(id)) => match state.changes.get(&id) {
                    Some(change) => projections_of(change)?,
                    None => return Err(StoreError::Damaged(format!("change {id} is not in the state")).into()),
                },
                (Some(state), Touched::Governance) => {
                    vec![(GOVERNANCE.to_owned(), json(&state.governance.record)?)]
                }
                (None, _) => {
                    return Err(StoreError::Damaged("the log does not begin with a genesis".to_owned()).into());
                }
            };
            submissions.push(Submission {
                expected: BTreeMap::from([(leaf.stream.clone(), leaf.seq)]),
                projections,
                blobs: blobs.into_values().collect(),
                leaves: vec![NewLeaf { unique: unique_keys(&statement, &leaf.envelope.payload_digest()), leaf }],
            });
            next += 1;
        }
        for result in into.commit(log_key, submissions).await? {
            if let Err(conflict) = result {
                return Err(StoreError::Damaged(format!("the log does not follow from itself: {conflict:?}")).into());
            }
        }
    }
    Ok(next)
}

fn fold(
    state: &mut Option<State>,
    leaf: &Leaf,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Touched, EngineError> {
    match state {
        Some(state) => Ok(state.fold(leaf, leaf.hash(), blob)?),
        None => {
            *state = Some(State::genesis(leaf, leaf.hash(), blob)?);
            Ok(Touched::Governance)
        }
    }
}
