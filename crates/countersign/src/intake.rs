//! Taking leaves into a store one after the other, each admitted and folded as the engine did: what a follower does with a
//! log that it does not believe, and what a rebuild does with its own leaves.
//!
//! Only the part of the state is in memory that a batch of leaves touches, so that the cost of a leaf does not depend on
//! how long the log is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use countersign_core::{
    epoch::was_cut_off,
    fold::Entry,
    governance::Governance,
    refusal::Refusal,
    state::State,
    statement::{Body, governance_stream},
    verify::{Failure, another_root, decide_again, in_time, snapshot_needed},
};
use countersign_ledger::{Digest, Hash, StreamHead, StreamId, Time, tree, tree::Frontier};
use thiserror::Error;

use crate::{
    records::{self, GovernanceCache, RecordError},
    store::{self, Damage, NewLeaf, Store, StoreError, Submission},
};

/// Records that stay in memory from one batch to the next.
const MAX_KEPT: usize = 20_000;
/// Roots of earlier sizes that are kept, since most statements name one of the newest.
const MAX_ROOTS: usize = 65_536;

#[derive(Debug, Error)]
pub enum IntakeError {
    /// A leaf should not be there.
    #[error("{}", .0.detail)]
    Leaf(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for IntakeError {
    fn from(failure: Failure) -> Self {
        Self::Leaf(failure)
    }
}

fn refused(index: u64, error: RecordError) -> IntakeError {
    match error {
        RecordError::Store(error) => error.into(),
        RecordError::Refused(refusal) => Failure::refused(index, &refusal).into(),
    }
}

/// The state behind the leaves that were taken so far.
#[derive(Debug)]
pub struct Intake {
    /// The part that is in memory; `None` before entry 0.
    state: Option<State>,
    /// The tree of everything that was taken.
    frontier: Frontier,
    last: Time,
    roots: Roots,
    touched: BTreeSet<StreamId>,
    leaves: Vec<NewLeaf>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// What was erased by what was taken.
    erased: BTreeSet<Digest>,
}

impl Intake {
    /// Goes on behind what is in the store.
    pub async fn begin(store: &dyn Store, cache: &GovernanceCache) -> Result<Self, IntakeError> {
        let head = store.head().await?;
        let governed = cache.get(store).await.map_err(|e| refused(head.size, e))?;
        let state = match governed {
            Some((head, governance)) => Some(part(head, governance).map_err(|e| Failure::refused(0, &e))?),
            None => None,
        };
        let frontier = store::with_nodes(store, |nodes| Frontier::from_nodes(head.size, &nodes)).await?;
        let frontier =
            frontier.map_err(|e| Damage::Value { what: "the tree", found: e.to_string() }).map_err(StoreError::from)?;
        Ok(Self {
            state,
            frontier,
            last: head.time.unwrap_or(Time::from_unix_millis(i64::MIN)),
            roots: Roots::behind(head.size, head.root, MAX_ROOTS),
            touched: BTreeSet::new(),
            leaves: Vec::new(),
            blobs: BTreeMap::new(),
            erased: BTreeSet::new(),
        })
    }

    /// How many leaves were taken, those in the store included.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all of them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Loads at once what a batch needs, as far as that can be said before it is folded.
    pub async fn prefetch(&mut self, store: &dyn Store, entries: &[Entry]) -> Result<(), IntakeError> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let index = self.frontier.size();
        let mut needed = BTreeSet::new();
        for entry in entries {
            needed.extend(state.missing(&entry.signed).map_err(|e| Failure::refused(index, &e))?);
        }
        records::load(store, state, &needed).await.map_err(|e| refused(index, e))
    }

    /// A blob that the next leaf needs besides those that every such leaf does: the snapshot of a decision that names were
    /// erased from. The log may have lost it; then nobody can run that decision again.
    pub async fn wanted(&mut self, store: &dyn Store, entry: &Entry) -> Result<Option<Digest>, IntakeError> {
        let index = self.frontier.size();
        let (Some(state), Body::Decided(decided)) = (&mut self.state, &entry.signed.statement().body) else {
            return Ok(None);
        };
        records::load_for(store, state, &entry.signed).await.map_err(|e| refused(index, e))?;
        Ok(snapshot_needed(state, decided))
    }

    /// Takes the next leaf. `now` bounds its time from above.
    pub async fn take(
        &mut self,
        store: &dyn Store,
        entry: Entry,
        blobs: &BTreeMap<Digest, Vec<u8>>,
        now: Time,
    ) -> Result<(), IntakeError> {
        let index = self.frontier.size();
        let at = |refusal: Refusal| IntakeError::from(Failure::refused(index, &refusal));
        let governance = self.state.as_ref().map(|state| &state.governance.record);
        self.last = in_time(index, &entry, self.last, now, governance)?;
        let was_cut_off = governance.is_some_and(|governance| was_cut_off(governance, entry.signed.statement()));
        let named = entry.signed.statement().header.checkpoint;
        if index > 0 && !was_cut_off && self.root_at(store, named.size).await? != Some(named.root) {
            return Err(another_root(index, &named).into());
        }
        let blob = |digest: &Digest| blobs.get(digest).cloned();
        let unique = match &mut self.state {
            None => {
                let state = State::genesis(&entry, &blob).map_err(at)?;
                let unique = records::uniques(&state, &entry.signed).map_err(at)?;
                // From here on only parts are kept in memory.
                let head = state.head(&governance_stream().map_err(at)?).map_err(at)?;
                self.state = Some(part(head, Arc::clone(&state.governance)).map_err(at)?);
                unique
            }
            Some(state) => {
                records::load_for(store, state, &entry.signed).await.map_err(|e| refused(index, e))?;
                if entry.signed.statement().body.replaces_governance() && !state.governance.is_read() {
                    let record = state.governance.record.clone();
                    let read = records::read_governance(store, record).await.map_err(|e| refused(index, e))?;
                    state.governance = Arc::new(read);
                }
                let unique = records::uniques(state, &entry.signed).map_err(at)?;
                // A decision is run on the state that it was taken from, so before its own leaf is folded.
                let decided = match &entry.signed.statement().body {
                    Body::Decided(decided) => {
                        let snapshot = |digest: &Digest| blob(digest).filter(|_| *digest == decided.snapshot);
                        Some(decide_again(state, decided, &snapshot))
                    }
                    _ => None,
                };
                state.fold(&entry, &blob).map_err(at)?;
                if let Some(Err(why)) = decided {
                    let failure = Failure::at(index, format!("leaf {index}: {why}"));
                    return Err(Failure { code: "decision-differs", ..failure }.into());
                }
                unique
            }
        };
        self.touched.extend(entry.leaf.lines().iter().map(|line| line.stream.clone()));
        if let Body::Erasure(erasure) = &entry.signed.statement().body {
            self.erased.extend(records::erased(store, erasure).await?);
            // What came in this batch is not written first.
            let gone = |digest: &Digest, bytes: &Vec<u8>| erasure.blobs.contains(digest) && erasure.takes(bytes);
            self.blobs.retain(|digest, bytes| !gone(digest, bytes));
        }
        for digest in entry.needed_blobs() {
            self.keep(&digest, blobs);
        }
        // Those that are only proposed, too: whoever replays it from here weighs what they would change.
        let body = &entry.signed.statement().body;
        if records::names_a_list(body) {
            for digest in countersign_core::governance::files_named(body, &blob).map_err(at)? {
                self.keep(&digest, blobs);
            }
        }
        self.frontier.push(entry.hash);
        self.roots.add(self.frontier.size(), self.frontier.root());
        self.leaves.push(NewLeaf { leaf: entry.leaf, unique });
        Ok(())
    }

    fn keep(&mut self, digest: &Digest, blobs: &BTreeMap<Digest, Vec<u8>>) {
        if let Some(bytes) = blobs.get(digest) {
            self.blobs.insert(*digest, bytes.clone());
        }
    }

    /// The root of the first `size` leaves.
    async fn root_at(&mut self, store: &dyn Store, size: u64) -> Result<Option<Hash>, StoreError> {
        if let Some(root) = self.roots.get(size) {
            return Ok(Some(*root));
        }
        let root = store::with_nodes(store, |nodes| tree::root(size, &nodes)).await?.ok();
        if let Some(root) = root {
            self.roots.add(size, root);
        }
        Ok(root)
    }

    /// What was taken since the last time, as one submission; `None` if nothing was.
    pub fn submission(&mut self) -> Result<Option<Submission>, StoreError> {
        let Some(state) = &self.state else { return Ok(None) };
        if self.leaves.is_empty() {
            return Ok(None);
        }
        let touched = std::mem::take(&mut self.touched);
        Ok(Some(Submission {
            leaves: std::mem::take(&mut self.leaves),
            expected: BTreeMap::new(),
            projections: records::projections(state, &touched)?,
            blobs: std::mem::take(&mut self.blobs).into_values().collect(),
            erased: std::mem::take(&mut self.erased).into_iter().collect(),
            outbox: Vec::new(),
            log_key: None,
        }))
    }

    /// Forgets records once there are many: they are in the store by now.
    pub fn trim(&mut self) -> Result<(), Refusal> {
        let Some(state) = &self.state else { return Ok(()) };
        if state.all_heads().len() > MAX_KEPT {
            let head = state.head(&governance_stream()?)?;
            self.state = Some(part(head, Arc::clone(&state.governance))?);
        }
        Ok(())
    }

    /// The log key in force behind them.
    pub fn log_key(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.governance.record.log_key.as_str())
    }

    /// Governance as it stands, with its head.
    pub fn governance(&self) -> Option<(StreamHead, Arc<Governance>)> {
        let state = self.state.as_ref()?;
        let head = state.head(&governance_stream().ok()?).ok()?;
        Some((head, Arc::clone(&state.governance)))
    }
}

/// Roots at earlier sizes. The newest stay: what was taken and is not in the store yet is known by nothing else.
#[derive(Debug)]
struct Roots {
    known: HashMap<u64, Hash>,
    limit: usize,
}

impl Roots {
    fn behind(size: u64, root: Hash, limit: usize) -> Self {
        Self { known: HashMap::from([(size, root)]), limit }
    }

    fn get(&self, size: u64) -> Option<&Hash> {
        self.known.get(&size)
    }

    fn add(&mut self, size: u64, root: Hash) {
        if self.known.len() >= self.limit {
            let newest = self.known.keys().copied().max().unwrap_or(0).max(size);
            let oldest = newest.saturating_sub(self.limit as u64 / 2);
            self.known.retain(|size, _| *size > oldest);
        }
        self.known.insert(size, root);
    }
}

fn part(head: StreamHead, governance: Arc<Governance>) -> Result<State, Refusal> {
    let mut state = State::part(governance);
    state.know(governance_stream()?, head);
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch that is not in the store yet may name any root of itself.
    #[test]
    fn the_newest_roots_stay_known_however_many_there_were() {
        let root = |size: u64| Hash::leaf(&size.to_be_bytes());
        let mut roots = Roots::behind(0, root(0), 8);
        for size in 1..100 {
            roots.add(size, root(size));
            for known in size.saturating_sub(3)..=size {
                assert_eq!(roots.get(known), Some(&root(known)), "{known} of {size}");
            }
            assert!(roots.known.len() <= 9);
        }
        // One that was looked up takes the place of none of them.
        roots.add(1, root(1));
        assert_eq!(roots.get(99), Some(&root(99)));
    }
}
