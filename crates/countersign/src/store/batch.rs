//! Batches: what a store has to write for the submissions that wait, and what each of them is answered. Pure, and the
//! same for every store: a store looks up what [`Wanted`] names, writes [`Rows`], and keeps [`Tail`] for the next batch.
//!
//! ```text
//!  submissions ──> wanted ──> (the store reads) ──> found ┐
//!                                           tail ─────────┴─> plan ──> rows (the store writes), answers, the next tail
//! ```

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{
    Digest, Hash, StreamHead, StreamId, Time,
    seal::{self, Sealed},
    tile::{TILE_HEIGHT, TILE_WIDTH},
    tree::{Frontier, Node, TreeError},
};

use super::{
    Conflict, Facet, Job, NewLeaf, Projection, Submission, Unfit, Unique,
    tiles::{TileAt, Tiles},
};

/// The end of the log, as far as appending has to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    frontier: Frontier,
    time: Option<Time>,
    /// The hashes of the partial tile at the right of each level of tiles.
    edge: Vec<Vec<Hash>>,
}

impl Tail {
    /// The tail of a log of `size` leaves, the last of which is of this time, from the tiles of [`TileAt::edge`].
    pub fn restore(size: u64, time: Option<Time>, tiles: &Tiles) -> Result<Self, TreeError> {
        let frontier = Frontier::from_nodes(size, tiles)?;
        let mut edge = Vec::new();
        for (at, width) in TileAt::edge(size) {
            let missing = TreeError::Missing { level: at.level * TILE_HEIGHT, index: at.index * u64::from(TILE_WIDTH) };
            let hashes = tiles.0.get(&at).and_then(|hashes| hashes.get(..width)).ok_or(missing)?;
            edge.resize(usize::from(at.level), Vec::new());
            edge.push(hashes.to_vec());
        }
        Ok(Self { frontier, time, edge })
    }

    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub fn time(&self) -> Option<Time> {
        self.time
    }

    /// The hashes in the partial tile at the right of the leaves.
    pub fn last_hashes(&self) -> &[Hash] {
        self.edge.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// The tile that they are in.
    pub fn edge_of_leaves(&self) -> Option<(TileAt, Vec<Hash>)> {
        let hashes = self.edge.first().filter(|hashes| !hashes.is_empty())?;
        Some((TileAt { level: 0, index: self.size() / u64::from(TILE_WIDTH) }, hashes.clone()))
    }

    /// Appends a leaf, and puts the tiles that grow by it among those to write.
    pub fn push(&mut self, leaf: Hash, written: &mut BTreeMap<TileAt, Vec<Hash>>) {
        for node in self.frontier.push(leaf) {
            self.grow(&node, written);
        }
    }

    /// Puts a node into its tile, and the tile among those to write. Tiles of leaf hashes are written when they are full,
    /// since the leaves themselves tell the rest; higher ones, which grow once in 256 leaves, whenever they grow.
    fn grow(&mut self, node: &Node, written: &mut BTreeMap<TileAt, Vec<Hash>>) {
        if !node.level.is_multiple_of(TILE_HEIGHT) {
            return;
        }
        let at = TileAt { level: node.level / TILE_HEIGHT, index: node.index / u64::from(TILE_WIDTH) };
        let level = usize::from(at.level);
        if self.edge.len() <= level {
            self.edge.resize(level + 1, Vec::new());
        }
        let Some(hashes) = self.edge.get_mut(level) else { return };
        hashes.push(node.hash);
        let full = hashes.len() == usize::from(TILE_WIDTH);
        if full || at.level > 0 {
            written.insert(at, hashes.clone());
        }
        if full {
            hashes.clear();
        }
    }
}

/// What has to be looked up for a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub streams: BTreeSet<StreamId>,
    pub uniques: BTreeSet<Unique>,
    pub projections: BTreeSet<Named>,
}

/// The kind and name of a projection.
pub type Named = (&'static str, String);

impl Wanted {
    pub fn of(submissions: &[Submission]) -> Self {
        let mut wanted = Self::default();
        for submission in submissions {
            wanted.streams.extend(submission.expected.keys().cloned());
            for new in &submission.leaves {
                wanted.streams.extend(new.leaf.lines().iter().map(|line| line.stream.clone()));
                wanted.uniques.extend(&new.unique);
            }
            wanted.projections.extend(submission.projections.iter().map(named));
        }
        wanted
    }
}

fn named(projection: &Projection) -> Named {
    (projection.kind, projection.name.clone())
}

/// What was found of it; what is missing here is not stored.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub heads: BTreeMap<StreamId, StreamHead>,
    pub uniques: BTreeMap<Unique, u64>,
    pub projections: BTreeMap<Named, Place>,
}

/// Where lists have a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub order: i64,
    pub facets: BTreeSet<Facet>,
}

/// A row of the index that lists are read from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FacetRow {
    pub kind: &'static str,
    pub facet: Facet,
    pub order: i64,
    pub name: String,
}

/// Everything that a store writes for a batch, in one transaction. Rows of one table stand in the order of its key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub leaves: Vec<(u64, Vec<u8>)>,
    /// Where leaves stand in their streams: stream, sequence number, index of the leaf.
    pub lines: BTreeSet<(StreamId, u64, u64)>,
    pub uniques: BTreeMap<Unique, u64>,
    /// Tiles as they are now; a higher one replaces its shorter self.
    pub tiles: BTreeMap<TileAt, Vec<Hash>>,
    /// Each of them may be stored already.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Removed after the others are written, and not to be found in the file afterwards.
    pub erased: BTreeSet<Digest>,
    pub projections: ProjectionRows,
    pub jobs: Vec<Job>,
}

/// The rows of projections and of the index that lists are read from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProjectionRows {
    /// Those that are new, or have moved in lists without facets.
    pub placed: Vec<Projection>,
    /// Those that stay where they are.
    pub replaced: Vec<Projection>,
    pub facets_gone: BTreeSet<FacetRow>,
    pub facets_new: BTreeSet<FacetRow>,
}

impl Rows {
    /// How many rows are written or removed.
    pub fn count(&self) -> usize {
        self.leaves.len()
            + self.lines.len()
            + self.uniques.len()
            + self.tiles.len()
            + self.blobs.len()
            + self.erased.len()
            + self.projections.count()
            + self.jobs.len()
    }
}

impl ProjectionRows {
    /// What writing these takes, where some of them are stored already: each once, as it is at the end.
    pub fn of(written: BTreeMap<Named, Projection>, stored: &BTreeMap<Named, Place>) -> Self {
        let mut rows = Self::default();
        for (named, projection) in written {
            let row = |order, facet: &Facet| FacetRow {
                kind: projection.kind,
                facet: facet.clone(),
                order,
                name: projection.name.clone(),
            };
            let new: BTreeSet<FacetRow> = projection.facets.iter().map(|facet| row(projection.order, facet)).collect();
            let stored = stored.get(&named);
            let old: BTreeSet<FacetRow> =
                stored.iter().flat_map(|place| place.facets.iter().map(|facet| row(place.order, facet))).collect();
            rows.facets_gone.extend(old.difference(&new).cloned());
            rows.facets_new.extend(new.difference(&old).cloned());
            match stored {
                Some(place) if place.order == projection.order => rows.replaced.push(projection),
                Some(_) | None => rows.placed.push(projection),
            }
        }
        rows
    }

    pub fn count(&self) -> usize {
        self.placed.len() + self.replaced.len() + self.facets_gone.len() + self.facets_new.len()
    }
}

/// What comes of a batch.
#[derive(Debug)]
pub struct Plan {
    /// In the order of the submissions: the index of the first leaf, or why it was not taken.
    pub results: Vec<Result<u64, Conflict>>,
    pub rows: Rows,
    pub tail: Tail,
}

/// Takes what can be taken. Those who waited together are taken in the order of their times, not of their arrival.
pub fn plan(tail: &Tail, found: Found, submissions: Vec<Submission>) -> Plan {
    let mut batch = Batch {
        tail: tail.clone(),
        heads: found.heads,
        uniques: found.uniques,
        rows: Rows::default(),
        projections: BTreeMap::new(),
    };
    let mut waiting: Vec<(usize, Submission)> = submissions.into_iter().enumerate().collect();
    waiting.sort_by_key(|(_, submission)| submission.leaves.first().map(|new| new.leaf.admitted_at));
    let results: BTreeMap<usize, Result<u64, Conflict>> =
        waiting.into_iter().map(|(place, submission)| (place, batch.take(submission))).collect();
    let Batch { tail, mut rows, projections, .. } = batch;
    rows.projections = ProjectionRows::of(projections, &found.projections);
    Plan { results: results.into_values().collect(), rows, tail }
}

/// A batch while it is put together: what is stored, with what was taken so far on top.
struct Batch {
    tail: Tail,
    heads: BTreeMap<StreamId, StreamHead>,
    uniques: BTreeMap<Unique, u64>,
    rows: Rows,
    projections: BTreeMap<Named, Projection>,
}

impl Batch {
    /// Takes a submission whole, or leaves everything as it was.
    fn take(&mut self, submission: Submission) -> Result<u64, Conflict> {
        let first = self.tail.size();
        if submission.leaves.is_empty() {
            return Err(Conflict::Unfit(Unfit::Empty));
        }
        // A repetition is told as one even where its stream has gone on since: who asks learns that it was taken.
        let uniques = self.fresh(first, &submission.leaves)?;
        self.expected(&submission.expected)?;
        let time = self.in_time(&submission.leaves)?;
        let sealed = self.seal(submission.leaves)?;
        self.tail.frontier = sealed.frontier;
        self.tail.time = Some(time);
        for node in &sealed.nodes {
            self.tail.grow(node, &mut self.rows.tiles);
        }
        for leaf in sealed.leaves {
            let lines = leaf.leaf.lines().iter().map(|line| (line.stream.clone(), line.seq, leaf.index));
            self.rows.lines.extend(lines);
            self.rows.leaves.push((leaf.index, leaf.bytes));
        }
        self.heads.extend(sealed.heads);
        self.uniques.extend(&uniques);
        self.rows.uniques.extend(uniques);
        self.rows.blobs.extend(submission.blobs.into_iter().map(|bytes| (Digest::of(&bytes), bytes)));
        self.rows.erased.extend(submission.erased);
        self.rows.jobs.extend(submission.outbox);
        self.projections.extend(submission.projections.into_iter().map(|body| (named(&body), body)));
        Ok(first)
    }

    /// The keys of a submission, none of which is there yet.
    fn fresh(&self, first: u64, leaves: &[NewLeaf]) -> Result<BTreeMap<Unique, u64>, Conflict> {
        let mut own = BTreeMap::new();
        for (index, new) in (first..).zip(leaves) {
            for key in &new.unique {
                let before = own.insert(*key, index).or_else(|| self.uniques.get(key).copied());
                if let Some(index) = before {
                    return Err(Conflict::Taken { key: *key, index });
                }
            }
        }
        Ok(own)
    }

    fn expected(&self, expected: &BTreeMap<StreamId, u64>) -> Result<(), Conflict> {
        let stands = |stream| self.heads.get(stream).map_or(0, |head| head.next_seq);
        match expected.iter().find(|(stream, next)| stands(stream) != **next) {
            Some((stream, _)) => Err(Conflict::Moved(stream.clone())),
            None => Ok(()),
        }
    }

    /// The time of the last of these leaves, if none goes back behind the one before it.
    fn in_time(&self, leaves: &[NewLeaf]) -> Result<Time, Conflict> {
        let mut last = self.tail.time.unwrap_or(Time::from_unix_millis(i64::MIN));
        for new in leaves {
            if new.leaf.admitted_at < last {
                return Err(Conflict::Overtaken(last));
            }
            last = new.leaf.admitted_at;
        }
        Ok(last)
    }

    /// Seals the leaves after the heads of their streams. A leaf that comes out otherwise did not follow them.
    fn seal(&self, leaves: Vec<NewLeaf>) -> Result<Sealed, Conflict> {
        let mut heads = BTreeMap::new();
        for line in leaves.iter().flat_map(|new| new.leaf.lines()) {
            heads.extend(self.heads.get(&line.stream).map(|head| (line.stream.clone(), *head)));
        }
        let drafts = leaves.iter().map(|NewLeaf { leaf, .. }| seal::Draft {
            streams: leaf.lines().iter().map(|line| line.stream.clone()).collect(),
            admitted_at: leaf.admitted_at,
            envelope: leaf.envelope.clone(),
        });
        let sealed = seal::seal(&self.tail.frontier, &heads, drafts.collect())
            .map_err(|error| Conflict::Unfit(Unfit::Seal(error)))?;
        for (sealed, new) in sealed.leaves.iter().zip(&leaves) {
            let moved = sealed.leaf.lines().iter().zip(new.leaf.lines()).find(|(after, said)| after != said);
            if let Some((line, _)) = moved {
                return Err(Conflict::Moved(line.stream.clone()));
            }
        }
        Ok(sealed)
    }
}
