//! The Merkle tree of RFC 6962 section 2.1 (the same tree as RFC 9162 section 2.1): roots, proofs, and their checks.
//!
//! Nothing here stores anything. What builds a root or a proof reads complete subtrees through [`Nodes`]; what checks a
//! proof needs no more than the proof.
//!
//! Invariants:
//! - A [`Node`] is the root of a *complete* subtree, so it never changes once it exists: `index` counts the subtrees of
//!   `2^level` leaves from the left. Nodes are written once and never updated.
//! - Sizes and indices are any `u64`. A request for an empty tree or out of range is an error, never a panic.

use thiserror::Error;

use crate::digest::Hash;

mod proof;

pub use proof::{ProofError, verify_consistency, verify_inclusion};

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TreeError {
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutOfRange { index: u64, size: u64 },
    #[error("there is no consistency proof from {old} to {new} leaves; it needs 0 < old <= new")]
    Sizes { old: u64, new: u64 },
    #[error("the tree's node {index} at level {level} is missing")]
    Missing { level: u8, index: u64 },
}

/// The root of the complete subtree over the leaves `index * 2^level .. (index + 1) * 2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    pub level: u8,
    pub index: u64,
    pub hash: Hash,
}

/// Where complete subtrees are read. Level 0 holds the leaf hashes.
pub trait Nodes {
    /// The hash of a complete subtree, or `None` when it is not there.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

impl<N: Nodes + ?Sized> Nodes for &N {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        (**self).node(level, index)
    }
}

/// The right edge of a tree: the roots of its perfect subtrees, largest first. All that an append has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One hash for each 1 bit of `size`, from the highest bit to the lowest.
    peaks: Vec<Hash>,
}

impl Frontier {
    pub const EMPTY: Self = Self { size: 0, peaks: Vec::new() };

    pub const fn new() -> Self {
        Self::EMPTY
    }

    /// The frontier of the first `size` leaves of a stored tree.
    pub fn from_nodes(size: u64, nodes: &impl Nodes) -> Result<Self, TreeError> {
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in (0..64_u8).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(read(nodes, level, start >> level)?);
            // Sums the bits of `size` so far, so it cannot overflow.
            start |= 1 << level;
        }
        Ok(Self { size, peaks })
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    /// `MTH(D[size])`: the perfect subtrees, joined from the right.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().copied();
        match peaks.next() {
            None => Hash::empty_tree(),
            Some(last) => peaks.fold(last, |right, left| Hash::node(&left, &right)),
        }
    }

    /// Appends a leaf hash. Returns the subtrees that it completes: the leaf itself, then its complete ancestors.
    ///
    /// A tree of `u64::MAX` leaves is full: it stays as it is and no node is returned.
    pub fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let Some(size) = self.size.checked_add(1) else {
            return Vec::new();
        };
        let mut node = Node { level: 0, index: self.size, hash: leaf };
        let mut completed = vec![node];
        // Like the carry of a binary addition: each trailing 1 bit is a subtree that finds its right sibling.
        while self.size >> node.level & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = Node { level: node.level + 1, index: node.index >> 1, hash: Hash::node(&left, &node.hash) };
            completed.push(node);
        }
        self.peaks.push(node.hash);
        self.size = size;
        completed
    }
}

/// A whole tree in memory: for bundles, verifiers and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryNodes {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl MemoryNodes {
    pub const fn new() -> Self {
        Self { frontier: Frontier::EMPTY, levels: Vec::new() }
    }

    pub fn from_leaf_hashes(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut nodes = Self::new();
        for leaf in leaves {
            nodes.push_leaf(leaf);
        }
        nodes
    }

    pub fn push_leaf(&mut self, leaf: Hash) {
        for node in self.frontier.push(leaf) {
            // Subtrees complete from left to right, so each belongs at the end of its level.
            match self.levels.get_mut(usize::from(node.level)) {
                Some(level) => level.push(node.hash),
                None => self.levels.push(vec![node.hash]),
            }
        }
    }

    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}

impl Nodes for MemoryNodes {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.levels.get(usize::from(level))?.get(usize::try_from(index).ok()?).copied()
    }
}

/// `MTH(D[size])` of the first `size` leaves of a stored tree.
pub fn root(size: u64, nodes: &impl Nodes) -> Result<Hash, TreeError> {
    Frontier::from_nodes(size, nodes).map(|frontier| frontier.root())
}

/// `PATH(index, D[size])` (RFC 6962 section 2.1.1), from the leaf's sibling up.
pub fn inclusion_proof(index: u64, size: u64, nodes: &impl Nodes) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::OutOfRange { index, size });
    }
    let mut range = Range { start: 0, len: size };
    let mut proof = Vec::new();
    while let Some((left, right)) = range.split() {
        let (inside, sibling) = if index < right.start { (left, right) } else { (right, left) };
        proof.push(sibling.hash(nodes)?);
        range = inside;
    }
    proof.reverse();
    Ok(proof)
}

/// `PROOF(old, D[new])` (RFC 6962 section 2.1.2). Empty when both sizes are the same.
pub fn consistency_proof(old: u64, new: u64, nodes: &impl Nodes) -> Result<Vec<Hash>, TreeError> {
    if old == 0 || old > new {
        return Err(TreeError::Sizes { old, new });
    }
    let mut range = Range { start: 0, len: new };
    let mut proof = Vec::new();
    // The section's SUBPROOF, unrolled: walk down to the subtree that ends where the old tree ended.
    while range.end() != old {
        let Some((left, right)) = range.split() else { break };
        let (inside, sibling) = if old <= right.start { (left, right) } else { (right, left) };
        proof.push(sibling.hash(nodes)?);
        range = inside;
    }
    // The section's `b`: a subtree from the very left is the old root, which the verifier has.
    if range.start != 0 {
        proof.push(range.hash(nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// A subtree of the section's recursion: the leaves `start .. start + len`, with `len > 0` and `start` a multiple of
/// the power of two at or above `len`.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    len: u64,
}

impl Range {
    const fn end(self) -> u64 {
        self.start + self.len
    }

    /// Splits at the largest power of two below `len`; a single leaf does not split.
    fn split(self) -> Option<(Self, Self)> {
        let left = 1_u64 << self.len.checked_sub(1)?.checked_ilog2()?;
        Some((Self { start: self.start, len: left }, Self { start: self.start + left, len: self.len - left }))
    }

    fn hash(self, nodes: &impl Nodes) -> Result<Hash, TreeError> {
        match self.split() {
            Some((left, right)) if !self.len.is_power_of_two() => {
                Ok(Hash::node(&left.hash(nodes)?, &right.hash(nodes)?))
            }
            Some(_) | None => {
                let level = self.len.trailing_zeros() as u8;
                read(nodes, level, self.start >> level)
            }
        }
    }
}

fn read(nodes: &impl Nodes, level: u8, index: u64) -> Result<Hash, TreeError> {
    nodes.node(level, index).ok_or(TreeError::Missing { level, index })
}
