//! The hash tiles of an export, grown leaf by leaf from those that it has.

use std::collections::BTreeMap;

use countersign_ledger::{
    Hash,
    tile::{TILE_WIDTH, TileKind, TilePath},
};

use crate::{
    follower::source::{Source, SourceError},
    store::{
        batch::Tail,
        tiles::{TileAt, Tiles},
    },
};

#[derive(Debug, Default)]
pub struct Tree {
    tail: Tail,
    /// Tiles that have grown and are not taken yet.
    grown: BTreeMap<TileAt, Vec<Hash>>,
}

impl Tree {
    /// The tree of the first `size` leaves, by the tiles of a copy; `None` where one is missing.
    pub fn of(source: &Source, size: u64) -> Result<Option<Self>, SourceError> {
        let mut tiles = Tiles::default();
        // Every peak lies in a partial tile, or in a full one at the edge of the level below it.
        for (at, width) in TileAt::edge(size) {
            let width = u16::try_from(width).unwrap_or(TILE_WIDTH);
            let path = TilePath { kind: TileKind::Hashes(at.level), index: at.index, width };
            let Some(hashes) = source.hash_tile(path)? else { return Ok(None) };
            tiles.0.insert(at, hashes);
        }
        Ok(Tail::restore(size, None, &tiles).ok().map(|tail| Self { tail, grown: BTreeMap::new() }))
    }

    pub fn size(&self) -> u64 {
        self.tail.size()
    }

    pub fn root(&self) -> Hash {
        self.tail.root()
    }

    pub fn push(&mut self, leaf: Hash) {
        self.tail.push(leaf, &mut self.grown);
    }

    /// The tiles that are full since the last time: they never change again.
    pub fn full(&mut self) -> Vec<(TilePath, Vec<Hash>)> {
        let full = self.grown.extract_if(.., |_, hashes| hashes.len() == usize::from(TILE_WIDTH));
        full.map(|(at, hashes)| (path(at, &hashes), hashes)).collect()
    }

    /// The partial tiles at the right of the tree.
    pub fn edge(&self) -> Vec<(TilePath, Vec<Hash>)> {
        let leaves = self.tail.edge_of_leaves();
        let higher = self.grown.iter().map(|(at, hashes)| (*at, hashes.clone()));
        leaves.into_iter().chain(higher).map(|(at, hashes)| (path(at, &hashes), hashes)).collect()
    }
}

fn path(at: TileAt, hashes: &[Hash]) -> TilePath {
    TilePath {
        kind: TileKind::Hashes(at.level),
        index: at.index,
        width: u16::try_from(hashes.len()).unwrap_or(TILE_WIDTH),
    }
}
