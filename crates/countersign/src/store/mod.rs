//! The store: where leaves, hashes, blobs and projections are kept. It knows the log's order and nothing of what a leaf
//! means: the engine hands it finished leaves with the projections that follow from them, and one transaction takes
//! both or neither.
//!
//! What stores share is pure: [`batch`] makes rows of submissions, [`tiles`] is the tree. A store only reads and writes.
//!
//! Invariant: before a log is read or extended, what was signed last holds of what is on the disk ([`open`]).
//!
//! Only this room names SQL. Another database is one more file here, its schema, one arm in [`open`], and one line in
//! the conformance suite.

pub mod batch;
pub mod dump;
mod error;
pub mod faults;
pub mod layout;
mod list;
pub mod scrub;
mod sqlite;
pub mod tiles;
pub mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    ops::Range,
    path::Path,
    pin::Pin,
    sync::Arc,
};

use countersign_ledger::{
    Digest, Hash, Leaf, StreamHead, StreamId, Time,
    checkpoint::{self, Checkpoint, LogKey, LogKeys},
    seal::SealError,
    tree::{self, Nodes},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use error::{Damage, NoteError, StoreError, Trouble};
use faults::Faults;
pub use list::{Cursor, Item, List, MAX_ITEMS, Page};
pub use sqlite::SqliteStore;
use tiles::{Recorder, TileAt, Tiles};

/// How many leaves, names or jobs one call reads at the most.
pub const MAX_PAGE: u64 = 1_024;

/// How many bytes of leaves one call reads at the most; a single leaf is always read.
pub const MAX_PAGE_BYTES: u64 = 8 * 1024 * 1024;

/// What a database is opened as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The log's verifier keys, which its last checkpoint must be signed with.
    pub verifier: LogKeys,
    /// Keys of the home's own, which may be in force though nobody has written that down yet.
    pub own: Vec<String>,
    pub keeps: Keeps,
}

impl Options {
    /// The log itself, of which this verifier key is.
    pub fn log(verifier: impl Into<LogKeys>) -> Self {
        Self { verifier: verifier.into(), own: Vec::new(), keeps: Keeps::Log }
    }

    /// A follower's copy of the log of which these are.
    pub fn copy(verifier: impl Into<LogKeys>, access: Access) -> Self {
        Self { verifier: verifier.into(), own: Vec::new(), keeps: Keeps::Copy(access) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The log itself: only its owner reads and writes the file, and every leaf is under the last checkpoint.
    Log,
    /// A follower's copy, which may have leaves beyond the newest checkpoint that it reached.
    Copy(Access),
}

/// Who may read and write a new file. An old one is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Owner,
    Group,
}

/// A key that the log may have only once: the beginning of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unique([u8; 16]);

impl Unique {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key of some content.
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self::first_half(&Sha256::digest(content.as_ref()).into())
    }

    /// The key of content whose digest is known.
    pub fn of_digest(digest: &Digest) -> Self {
        Self::first_half(digest.as_bytes())
    }

    fn first_half(digest: &[u8; 32]) -> Self {
        let (half, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*half)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A leaf, and the keys of it that may be in the log only once.
#[derive(Clone, Debug)]
pub struct NewLeaf {
    pub leaf: Leaf,
    pub unique: Vec<Unique>,
}

/// Leaves that enter the log together, with all that follows from them.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// In order. Each line of each must follow its stream's head, as the leaves before it left it. Never empty.
    pub leaves: Vec<NewLeaf>,
    /// Where streams stood that the decision to write looked at, beside those that are written to.
    pub expected: BTreeMap<StreamId, u64>,
    /// Projections that the leaves change, written whole.
    pub projections: Vec<Projection>,
    pub blobs: Vec<Vec<u8>>,
    /// Blobs that go for good: what they said is to be found nowhere in the store afterwards.
    pub erased: Vec<Digest>,
    /// What is to be done elsewhere once this is durable.
    pub outbox: Vec<Job>,
    /// The log key that it puts in force: by that one its own checkpoint is signed, and all that follow.
    pub log_key: Option<String>,
}

impl Submission {
    /// By which its first leaf is found again, whatever became of its commit.
    fn key(&self) -> Option<Unique> {
        self.leaves.first()?.unique.first().copied()
    }
}

/// Something that follows from leaves, kept so that nobody has to read them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// What it is of; a name is unique within its kind.
    pub kind: &'static str,
    pub name: String,
    pub body: Vec<u8>,
    /// Its place in lists, which show the highest first.
    pub order: i64,
    /// What lists find it by.
    pub facets: BTreeSet<Facet>,
}

/// One value by which lists can be narrowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facet {
    pub name: String,
    pub value: String,
}

impl Facet {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Work that leaves the log: it is read with [`Store::jobs`], and removed with [`Store::done`] when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub kind: String,
    pub body: Vec<u8>,
}

/// Why one submission of a batch was not taken. The others of the batch are not touched by it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Conflict {
    /// A stream has moved on since the engine looked.
    #[error("stream {0} has moved on")]
    Moved(StreamId),
    /// A key that must be unique is there already, in this leaf.
    #[error("leaf {index} has key {key} already")]
    Taken { key: Unique, index: u64 },
    /// The log has gone on to a later time than the submission's. Leaves stand in the order of their times.
    #[error("the log has gone on to {0}")]
    Overtaken(Time),
    /// It can never be taken.
    #[error(transparent)]
    Unfit(Unfit),
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    #[error("a submission has no leaf")]
    Empty,
    #[error("a leaf cannot be sealed: {0}")]
    Seal(#[from] SealError),
}

/// Where the log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    /// The newest signed checkpoint; empty while there is none.
    pub note: String,
    /// How many leaves are under it: all of them, but in a follower's copy.
    pub noted: u64,
    /// When the last leaf was admitted.
    pub time: Option<Time>,
}

/// Where the checkpoint of a tree comes from. A log signs it; a follower has it from the log.
pub trait Notary: Send + Sync {
    /// The signed checkpoint of this tree, `None` if there is none yet, or why the tree must not be written.
    fn note(&self, size: u64, root: Hash) -> Result<Option<String>, NoteError>;

    /// Who signs from the leaf on that puts another log key in force; `None` if that key is not here.
    fn succeeded_by(&self, log_key: &str) -> Option<Arc<dyn Notary>> {
        let _ = log_key;
        None
    }
}

impl Notary for LogKey {
    fn note(&self, size: u64, root: Hash) -> Result<Option<String>, NoteError> {
        Ok(Some(self.sign(&Checkpoint { origin: self.origin().to_owned(), size, root })?))
    }
}

pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What every store does.
pub trait Store: Send + Sync {
    fn head(&self) -> Pending<'_, Head>;

    /// Takes each submission whole or says its conflict, in the order of their times. All that are taken are durable
    /// when this returns. The result has the index of each submission's first leaf.
    fn commit<'a>(
        &'a self,
        notary: &'a dyn Notary,
        submissions: Vec<Submission>,
    ) -> Pending<'a, Vec<Result<u64, Conflict>>>;

    /// The bytes of leaves, at most [`MAX_PAGE`] and [`MAX_PAGE_BYTES`] of them: whoever wants more asks again.
    fn leaves(&self, range: Range<u64>) -> Pending<'_, Vec<Vec<u8>>>;

    /// Leaves of a stream from a sequence number on, with their indices; as many as [`Store::leaves`] gives.
    fn stream<'a>(&'a self, stream: &'a StreamId, from: u64) -> Pending<'a, Vec<(u64, Vec<u8>)>>;

    /// Where streams stand, one head for each that is asked for.
    fn heads<'a>(&'a self, streams: &'a [StreamId]) -> Pending<'a, Vec<StreamHead>>;

    /// Hash tiles, as far as they are there.
    fn tiles<'a>(&'a self, wanted: &'a [TileAt]) -> Pending<'a, Tiles>;

    /// Where the leaves are that have these keys, of those that have one. Asked on the connection that writes, so that no write
    /// whose end is unknown is still under way.
    fn taken<'a>(&'a self, keys: &'a [Unique]) -> Pending<'a, BTreeMap<Unique, u64>>;

    /// The leaves that stand at these places of streams, by the index of streams.
    fn lines<'a>(&'a self, places: &'a [(StreamId, u64)]) -> Pending<'a, Vec<Option<u64>>>;

    /// How many entries the indexes of streams and of keys have for the first leaves, as many as these.
    fn entries(&self, size: u64) -> Pending<'_, Entries>;

    /// An entry of the index of lists that its projection does not have, or the other way round.
    fn loose(&self) -> Pending<'_, Option<String>>;

    /// The blobs behind this number, each with its own, in the order in which they came; about [`MAX_PAGE_BYTES`] of them.
    fn each_blob(&self, after: u64) -> Pending<'_, Vec<(u64, Digest, Vec<u8>)>>;

    /// The blobs that are there, of those asked for.
    fn blobs<'a>(&'a self, digests: &'a [Digest]) -> Pending<'a, BTreeMap<Digest, Vec<u8>>>;

    /// The bodies of projections that are there, of those asked for.
    fn projections<'a>(&'a self, kind: &'a str, names: &'a [String]) -> Pending<'a, BTreeMap<String, Vec<u8>>>;

    /// Projections whose name begins so, in the order of their names; at most `limit`, and never more than [`MAX_PAGE`].
    fn find<'a>(&'a self, kind: &'a str, prefix: &'a str, limit: u64) -> Pending<'a, Vec<(String, Vec<u8>)>>;

    /// One page of a list.
    fn list<'a>(&'a self, list: &'a List<'a>) -> Pending<'a, Page>;

    /// Jobs behind this number, oldest first, each with its own; at most [`MAX_PAGE`].
    fn jobs(&self, after: u64) -> Pending<'_, Vec<(u64, Job)>>;

    /// Removes jobs that are done.
    fn done<'a>(&'a self, jobs: &'a [u64]) -> Pending<'a, ()>;

    /// Of which version the projections are; 0 when none were ever finished.
    fn version(&self) -> Pending<'_, u32>;

    /// Says that the projections are whole, and of this version.
    fn set_version(&self, version: u32) -> Pending<'_, ()>;

    /// Forgets all projections, and that they were whole.
    fn clear_projections(&self) -> Pending<'_, ()>;

    /// Writes projections of leaves that are in the log already.
    fn project(&self, projections: Vec<Projection>) -> Pending<'_, ()>;

    /// Ends well, where somebody else will open the store next: what a crash would leave to be read again is put in its place.
    /// Nothing else is asked of it afterwards.
    fn close(&self) -> Pending<'_, ()>;

    /// Writes all of it as it is at one moment to another file, which may be there if it is empty. The log goes on meanwhile.
    fn copy_to<'a>(&'a self, file: &'a Path) -> Pending<'a, ()>;

    /// What follows from the leaves, a page at a time, to compare two stores. [`dump`] walks it.
    fn walk<'a>(&'a self, part: dump::Part, after: Option<&'a dump::Key>) -> Pending<'a, Vec<dump::Row>>;
}

/// What indexes have for some leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    pub lines: u64,
    pub uniques: u64,
}

/// How the projections of a store stand to what a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Current,
    /// They have to be made again from the leaves.
    Older(u32),
    /// Another program wrote them, which knows more.
    Newer(u32),
}

impl Age {
    pub fn of(found: u32, known: u32) -> Self {
        match found.cmp(&known) {
            std::cmp::Ordering::Less => Self::Older(found),
            std::cmp::Ordering::Equal => Self::Current,
            std::cmp::Ordering::Greater => Self::Newer(found),
        }
    }
}

/// The address of the store in a file.
pub fn address(file: &Path) -> Result<String, StoreError> {
    match file.to_str() {
        Some(text) => Ok(format!("sqlite:{text}")),
        None => Err(StoreError::NoText(file.to_owned())),
    }
}

/// Opens or makes the store at an address (`sqlite:PATH`, or just a path), and checks that its last checkpoint is the
/// log's and holds of the tree on the disk.
pub async fn open(address: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    open_with(address, options, Faults::default()).await
}

/// The same, with faults at the steps of its commits: for tests.
pub async fn open_with(address: &str, options: &Options, faults: Faults) -> Result<Arc<dyn Store>, StoreError> {
    let path = match address.split_once(':') {
        Some(("sqlite", path)) => path,
        Some((_, _)) => return Err(StoreError::Address(address.to_owned())),
        None => address,
    };
    let store = SqliteStore::open(Path::new(path), options.clone(), faults).await?;
    check(&store, options).await?;
    Ok(Arc::new(store))
}

/// Whether what was signed last holds of what is on the disk.
async fn check(store: &dyn Store, options: &Options) -> Result<(), StoreError> {
    let head = store.head().await?;
    if head.noted > 0 || !head.note.is_empty() {
        let signed = signed(&head, options)?;
        let found = root(store, signed.size).await?;
        if found != signed.root {
            return Err(Damage::Root { size: signed.size, found, expected: signed.root }.into());
        }
    }
    if head.size == head.noted {
        expect_root(&head, root(store, head.size).await?)?;
    } else {
        match options.keeps {
            Keeps::Log => return Err(Damage::Unsigned { size: head.size, noted: head.noted }.into()),
            Keeps::Copy(_) => expect_root(&head, root(store, head.size).await?)?,
        }
    }
    let found = match head.size.checked_sub(1) {
        Some(last) => Some(leaf_at(store, last).await?.admitted_at),
        None => None,
    };
    if found == head.time { Ok(()) } else { Err(Damage::Time { found, expected: head.time }.into()) }
}

/// The checkpoint in a head's note, if it is the log's.
fn signed(head: &Head, options: &Options) -> Result<Checkpoint, StoreError> {
    let own = || options.own.iter().find_map(|key| checkpoint::open(&head.note, key).ok());
    let signed = checkpoint::open(&head.note, &options.verifier);
    let signed = signed.or_else(|error| own().ok_or(error)).map_err(StoreError::OtherLog)?;
    if signed.size == head.noted {
        Ok(signed)
    } else {
        Err(Damage::Noted { signed: signed.size, noted: head.noted }.into())
    }
}

fn expect_root(head: &Head, found: Hash) -> Result<(), Damage> {
    if found == head.root { Ok(()) } else { Err(Damage::Head { size: head.size, found, expected: head.root }) }
}

async fn root(store: &dyn Store, size: u64) -> Result<Hash, StoreError> {
    match with_nodes(store, |nodes| tree::root(size, &nodes)).await? {
        Ok(root) => Ok(root),
        Err(tree::TreeError::Missing { level, index }) => {
            let (tile, _) = TileAt::of(level, index).unwrap_or((TileAt { level: 0, index: 0 }, 0..0));
            Err(Damage::Tile(tile).into())
        }
        Err(error @ (tree::TreeError::OutOfRange { .. } | tree::TreeError::Sizes { .. })) => {
            Err(Damage::Value { what: "the tree", found: error.to_string() }.into())
        }
    }
}

/// One leaf that must be there.
pub async fn leaf_at(store: &dyn Store, index: u64) -> Result<Leaf, StoreError> {
    let bytes = store.leaves(index..index.saturating_add(1)).await?.pop().ok_or(Damage::MissingLeaf(index))?;
    Ok(Leaf::parse(&bytes).map_err(|source| Damage::Leaf { index, source })?)
}

/// One blob, if it is there.
pub async fn blob(store: &dyn Store, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(store.blobs(&[*digest]).await?.remove(digest))
}

/// The body of one projection, if it is there.
pub async fn projection(store: &dyn Store, kind: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(store.projections(kind, &[name.to_owned()]).await?.remove(name))
}

/// Fetches the tiles that a proof needs, then makes it: proofs are pure functions over [`Nodes`], so a first run over
/// stand-ins tells which nodes they ask for.
pub async fn with_nodes<T, E>(
    store: &dyn Store,
    make: impl Fn(&dyn Nodes) -> Result<T, E>,
) -> Result<Result<T, E>, StoreError> {
    let recorder = Recorder::default();
    // The stand-ins' result means nothing; only what was asked for does.
    drop(make(&recorder));
    let tiles = store.tiles(&recorder.asked()).await?;
    Ok(make(&tiles))
}
