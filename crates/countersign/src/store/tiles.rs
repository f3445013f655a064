//! Hash tiles: how a store keeps the tree. A tile has up to 256 hashes of one level of the tree, every eighth level has
//! tiles, and the levels between are computed from the tile below them.
//!
//! Pure: [`Tiles`] are read by a store and answer as [`Nodes`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use countersign_ledger::{
    Hash,
    tile::{TILE_HEIGHT, TILE_WIDTH},
    tree::Nodes,
};

/// The place of a hash tile: its level among tiles, and its number from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileAt {
    pub level: u8,
    pub index: u64,
}

impl TileAt {
    /// The highest level that a tree of 64-bit size has.
    pub const MAX_LEVEL: u8 = 7;

    /// The tile from which a node of the tree is computed, and which of its hashes are under the node.
    pub fn of(level: u8, index: u64) -> Option<(Self, Range<usize>)> {
        let under = 1_u64 << (level % TILE_HEIGHT);
        let first = index.checked_mul(under)?;
        let start = usize::try_from(first % u64::from(TILE_WIDTH)).ok()?;
        let tile = Self { level: level / TILE_HEIGHT, index: first / u64::from(TILE_WIDTH) };
        Some((tile, start..start.checked_add(usize::try_from(under).ok()?)?))
    }

    /// The tiles at the right edge of a tree of this size, as far as they are partial, and how many hashes each has.
    pub fn edge(size: u64) -> Vec<(Self, usize)> {
        let mut edge = Vec::new();
        for level in 0..=Self::MAX_LEVEL {
            let nodes = size >> (level * TILE_HEIGHT);
            if nodes == 0 {
                break;
            }
            let width = nodes % u64::from(TILE_WIDTH);
            if width > 0 {
                let at = Self { level, index: nodes / u64::from(TILE_WIDTH) };
                edge.push((at, usize::try_from(width).unwrap_or(usize::from(TILE_WIDTH))));
            }
        }
        edge
    }
}

impl fmt::Display for TileAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.index)
    }
}

/// Tiles that were read, each with as many hashes as there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiles(pub BTreeMap<TileAt, Vec<Hash>>);

impl Nodes for Tiles {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let (tile, under) = TileAt::of(level, index)?;
        join(self.0.get(&tile)?.get(under)?)
    }
}

/// The root over a power of two of hashes.
fn join(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at_checked(hashes.len() / 2)?;
            Some(Hash::node(&join(left)?, &join(right)?))
        }
    }
}

/// Writes down which tiles are asked for. Its answers mean nothing.
#[derive(Debug, Default)]
pub(super) struct Recorder(std::cell::RefCell<BTreeSet<TileAt>>);

impl Recorder {
    pub(super) fn asked(self) -> Vec<TileAt> {
        self.0.into_inner().into_iter().collect()
    }
}

impl Nodes for Recorder {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        if let Some((tile, _)) = TileAt::of(level, index) {
            self.0.borrow_mut().insert(tile);
        }
        Some(Hash::empty_tree())
    }
}
