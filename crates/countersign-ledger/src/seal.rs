//! Sealing: drafts become leaves, and leaves become a longer tree. Pure, so that a store can run it inside its
//! transaction and a test can run it alone.
//!
//! Invariant: what is returned has been read back. Every leaf's bytes parse to the leaf that they were written from, so
//! nothing enters the log that a verifier could not read.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    digest::Hash,
    dsse::Envelope,
    leaf::{Leaf, LeafError, Line, StreamHead, StreamId},
    time::Time,
    tree::{Frontier, Node},
};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SealError {
    #[error("draft {draft} cannot be a leaf: {source}")]
    Leaf { draft: usize, source: LeafError },
    #[error("draft {draft} does not read back as it was written")]
    ReadBack { draft: usize },
    #[error("stream `{0}` is full")]
    StreamFull(StreamId),
    #[error("the log is full")]
    LogFull,
}

/// What is to be appended: an envelope, to which streams (its home first, the others in the order of their names), at what
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub streams: Vec<StreamId>,
    pub admitted_at: Time,
    pub envelope: Envelope,
}

/// One appended leaf: where it stands, what it hashes to, its bytes and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedLeaf {
    pub index: u64,
    pub hash: Hash,
    pub bytes: Vec<u8>,
    pub leaf: Leaf,
}

/// Everything that a store has to write for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub leaves: Vec<SealedLeaf>,
    /// The subtrees that the batch completed, leaves included, in the order of their completion.
    pub nodes: Vec<Node>,
    /// The tree after the batch.
    pub frontier: Frontier,
    pub root: Hash,
    /// The heads that were handed in, moved on, and those of the streams that the batch began.
    pub heads: BTreeMap<StreamId, StreamHead>,
}

/// Appends `drafts` in their order. A stream that is missing from `heads` is empty.
pub fn seal(
    frontier: &Frontier,
    heads: &BTreeMap<StreamId, StreamHead>,
    drafts: Vec<Draft>,
) -> Result<Sealed, SealError> {
    let mut frontier = frontier.clone();
    let mut heads = heads.clone();
    let mut leaves = Vec::with_capacity(drafts.len());
    let mut nodes = Vec::with_capacity(drafts.len().saturating_mul(2));
    for (number, draft) in drafts.into_iter().enumerate() {
        let index = frontier.size();
        let sealed = seal_one(number, index, &heads, draft)?;
        for line in sealed.leaf.lines() {
            let next_seq = line.seq.checked_add(1).ok_or_else(|| SealError::StreamFull(line.stream.clone()))?;
            heads.insert(line.stream.clone(), StreamHead { next_seq, last: sealed.hash });
        }
        let completed = frontier.push(sealed.hash);
        if completed.is_empty() {
            return Err(SealError::LogFull);
        }
        nodes.extend(completed);
        leaves.push(sealed);
    }
    let root = frontier.root();
    Ok(Sealed { leaves, nodes, frontier, root, heads })
}

fn seal_one(
    number: usize,
    index: u64,
    heads: &BTreeMap<StreamId, StreamHead>,
    draft: Draft,
) -> Result<SealedLeaf, SealError> {
    let failed = |source| SealError::Leaf { draft: number, source };
    let lines = draft.streams.into_iter().map(|stream| {
        let head = heads.get(&stream).copied().unwrap_or(StreamHead::EMPTY);
        Line::after(stream, head)
    });
    let leaf = Leaf::new(lines.collect(), draft.admitted_at, draft.envelope).map_err(failed)?;
    let bytes = leaf.to_bytes();
    let read_back = Leaf::parse(&bytes).map_err(failed)?;
    if read_back != leaf {
        return Err(SealError::ReadBack { draft: number });
    }
    Ok(SealedLeaf { index, hash: Hash::leaf(&bytes), bytes, leaf })
}
