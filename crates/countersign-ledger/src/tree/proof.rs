//! Checks of inclusion and consistency proofs, step by step as RFC 9162 sections 2.1.3.2 and 2.1.4.2 write them.
//!
//! Invariant: a check does at most 64 steps, however long the proof, because each step halves the tree and a proof that
//! goes on after its top is refused.

use thiserror::Error;

use crate::digest::Hash;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutOfRange { index: u64, size: u64 },
    #[error("no proof can lead from {old} to {new} leaves; it needs 0 < old <= new")]
    Sizes { old: u64, new: u64 },
    #[error("the proof has {0} hashes, which does not fit the size of the tree")]
    Length(usize),
    #[error("the proof leads to root {computed}, not to {expected}")]
    Root { computed: Hash, expected: Hash },
}

/// Whether the leaf hash `leaf` stands at `index` in the tree of `size` leaves with this `root`.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match climb.step().ok_or(ProofError::Length(proof.len()))? {
            Side::Left => Hash::node(sibling, &hash),
            Side::Right => Hash::node(&hash, sibling),
        };
    }
    climb.finish(proof)?;
    expect(hash, root)
}

/// Whether the tree of `new` leaves begins with all leaves of the tree of `old` leaves.
///
/// Every tree begins with the empty one, so a proof from size 0 would say nothing and is refused.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Sizes { old, new });
    }
    if old == new {
        return if proof.is_empty() { expect(*old_root, new_root) } else { Err(ProofError::Length(proof.len())) };
    }
    let mut climb = Climb { node: old - 1, last: new - 1 };
    while climb.node & 1 == 1 {
        climb.up();
    }
    // When the old tree is one complete subtree, its root begins the proof and is left out of it.
    let (start, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Length(0))? };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        match climb.step().ok_or(ProofError::Length(proof.len()))? {
            Side::Left => {
                old_hash = Hash::node(sibling, &old_hash);
                new_hash = Hash::node(sibling, &new_hash);
            }
            Side::Right => new_hash = Hash::node(&new_hash, sibling),
        }
    }
    climb.finish(proof)?;
    expect(old_hash, old_root)?;
    expect(new_hash, new_root)
}

fn expect(computed: Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed == *expected { Ok(()) } else { Err(ProofError::Root { computed, expected: *expected }) }
}

/// On which side the next sibling stands.
enum Side {
    Left,
    Right,
}

/// The sections' `fn` and `sn`: a node and the last node of its level, on the way from a leaf to the root.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// Goes up past the next sibling; `None` at the root, which has none.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level without a right sibling is carried up until it is one.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    fn finish(&self, proof: &[Hash]) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Length(proof.len())) }
    }
}
