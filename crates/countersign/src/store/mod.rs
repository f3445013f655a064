//! The store: where leaves, hashes, blobs and projections are kept. It knows the log's order and nothing of what a leaf
//! means: the engine hands it finished leaves with the projections that follow from them, and one transaction takes
//! both or neither.
//!
//! Only this room names SQL. Another database is one more file here, its migrations, one arm in [`open`], and one line in
//! the conformance suite.

mod dump;
mod sqlite;
pub mod writer;

use std::{collections::BTreeMap, future::Future, ops::Range, path::Path, pin::Pin, sync::Arc};

use countersign_ledger::{
    Digest, Hash, Leaf, StreamId, Time,
    checkpoint::{Checkpoint, LogKey},
    tree::{Node, Nodes},
};
use thiserror::Error;

pub use dump::Dump;
pub use sqlite::SqliteStore;

/// How many leaves one page of [`Store::leaves`] has at the most.
pub const MAX_PAGE: u64 = 1_024;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot {operation}: {source}")]
    Database { operation: &'static str, source: sqlx::Error },
    #[error("the store at {path} was written by a newer version (format {found}, this program knows {known})")]
    Newer { path: String, found: i64, known: i64 },
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error("`{0}` is not the address of a store; give a file, or sqlite:PATH")]
    Address(String),
    #[error("the store's writer has stopped")]
    Stopped,
}

/// Why one submission of a batch was not taken. The others of the batch are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A stream has moved on since the engine looked.
    Moved(StreamId),
    /// A key that must be unique is there already, in this leaf.
    Taken { key: String, index: u64 },
    /// The log has gone on to a later time than the submission's. Leaves stand in the order of their times.
    Overtaken(Time),
}

/// A leaf, and the keys of it that may be in the log only once.
#[derive(Clone, Debug)]
pub struct NewLeaf {
    pub leaf: Leaf,
    pub unique: Vec<String>,
}

/// Leaves of one stream that enter the log together, with all that follows from them.
#[derive(Clone, Debug)]
pub struct Submission {
    /// In order, each following the one before it. Never empty.
    pub leaves: Vec<NewLeaf>,
    /// Where streams stood that the decision to write looked at.
    pub expected: BTreeMap<StreamId, u64>,
    /// Projections that the leaves change, written whole.
    pub projections: Vec<(String, Vec<u8>)>,
    pub blobs: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    /// The signed checkpoint; empty for an empty log.
    pub note: String,
}

pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What every store does.
pub trait Store: Send + Sync {
    fn head(&self) -> Pending<'_, Head>;

    /// Takes each submission whole or says its conflict, in the order of their times. All that are taken are durable when this returns, under one new
    /// checkpoint. The result has the index of each submission's first leaf.
    fn commit<'a>(
        &'a self,
        log_key: &'a LogKey,
        submissions: Vec<Submission>,
    ) -> Pending<'a, Vec<Result<u64, Conflict>>>;

    /// The bytes of leaves, at most [`MAX_PAGE`] of them.
    fn leaves(&self, range: Range<u64>) -> Pending<'_, Vec<Vec<u8>>>;

    /// All leaves of a stream, with their indices.
    fn stream<'a>(&'a self, stream: &'a StreamId) -> Pending<'a, Vec<(u64, Vec<u8>)>>;

    /// Nodes of the tree that are there, of those asked for.
    fn nodes(&self, wanted: Vec<(u8, u64)>) -> Pending<'_, Vec<Node>>;

    fn blob<'a>(&'a self, digest: &'a Digest) -> Pending<'a, Option<Vec<u8>>>;

    fn projection<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>>;

    /// Projections whose name begins so, in order of their names.
    fn projections<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<(String, Vec<u8>)>>;

    /// Everything that follows from the leaves, to compare two stores.
    fn dump(&self) -> Pending<'_, Dump>;
}

/// Opens or makes the store at an address: `sqlite:PATH`, or just a path.
pub async fn open(address: &str) -> Result<Arc<dyn Store>, StoreError> {
    match address.split_once(':') {
        Some(("sqlite", path)) => Ok(Arc::new(SqliteStore::open(Path::new(path)).await?)),
        Some((_, _)) => Err(StoreError::Address(address.to_owned())),
        None => Ok(Arc::new(SqliteStore::open(Path::new(address)).await?)),
    }
}

/// Fetches the nodes that a proof needs, then makes it: proofs are pure functions over [`Nodes`], so a first run over
/// stand-ins tells which nodes they ask for.
pub async fn with_nodes<T, E>(
    store: &dyn Store,
    make: impl Fn(&dyn Nodes) -> Result<T, E>,
) -> Result<Result<T, E>, StoreError> {
    let wanted = Recorder::default();
    // The stand-ins' result means nothing; only what was asked for does.
    drop(make(&wanted));
    let coordinates = wanted.asked.into_inner();
    let nodes = store.nodes(coordinates).await?;
    let found = Found(nodes.into_iter().map(|node| ((node.level, node.index), node.hash)).collect());
    Ok(make(&found))
}

#[derive(Default)]
struct Recorder {
    asked: std::cell::RefCell<Vec<(u8, u64)>>,
}

impl Nodes for Recorder {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.asked.borrow_mut().push((level, index));
        Some(Hash::empty_tree())
    }
}

struct Found(BTreeMap<(u8, u64), Hash>);

impl Nodes for Found {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.0.get(&(level, index)).copied()
    }
}

/// The coordinates of the right edge of a tree of this size: its perfect subtrees.
pub(crate) fn frontier_coordinates(size: u64) -> Vec<(u8, u64)> {
    (0..64_u8).filter(|level| size >> level & 1 == 1).map(|level| (level, (size >> level) - 1)).collect()
}

pub(crate) fn checkpoint(origin: &str, size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: origin.to_owned(), size, root }
}
