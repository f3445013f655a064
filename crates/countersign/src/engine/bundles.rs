//! Making a bundle: the governance stream and one change's stream, whole, with proofs and blobs.

use std::ops::Range;

use countersign_core::{
    ids::ChangeId,
    statement::{Statement, change_stream, governance_stream},
    verify::Evidence,
};
use countersign_ledger::{
    Digest, Leaf,
    tile::{TileKind, TilePath, entry_bundle, hash_tile},
    tree,
};

use super::{Engine, EngineError};
use crate::{
    bundle::{Bundle, Files},
    store::{self, Damage, StoreError, tiles::TileAt},
};

impl Engine {
    /// The bundle of a change under the present checkpoint. With `since`, also the proof that a log of that size is a
    /// prefix of this one.
    pub async fn bundle(&self, id: &ChangeId, since: Option<u64>) -> Result<Bundle, EngineError> {
        // Before the leaves are read, so that all of them are under it.
        let head = self.store.head().await?;
        let mut evidence = Evidence { checkpoint: head.note.clone(), ..Evidence::default() };
        for stream in [governance_stream()?, change_stream(id)?] {
            let mut next = 0;
            loop {
                let page = self.store.stream(&stream, next).await?;
                if page.is_empty() {
                    break;
                }
                next += page.len() as u64;
                evidence.leaves.extend(page.into_iter().filter(|(index, _)| *index < head.size));
            }
        }
        self.add_blobs(&mut evidence).await?;
        for index in evidence.leaves.keys() {
            let proof = store::with_nodes(&*self.store, |nodes| tree::inclusion_proof(*index, head.size, &nodes))
                .await?
                .map_err(|e| EngineError::Damaged(e.to_string()))?;
            evidence.proofs.insert(*index, proof);
        }
        let consistency = match since {
            Some(since) if since > 0 && since < head.size => {
                store::with_nodes(&*self.store, |nodes| tree::consistency_proof(since, head.size, &nodes))
                    .await?
                    .map_err(|e| EngineError::Damaged(e.to_string()))?
            }
            Some(_) | None => Vec::new(),
        };
        let origin = self.governance().await?.record.origin.clone();
        Ok(Bundle { origin, change: id.clone(), evidence, consistency, extracts_differ: Vec::new() })
    }

    /// The whole log as files: checkpoint, tiles (C2SP tlog-tiles) and blobs.
    pub async fn export(&self) -> Result<Files, EngineError> {
        let head = self.store.head().await?;
        let mut evidence = Evidence { checkpoint: head.note.clone(), ..Evidence::default() };
        evidence.leaves.extend((0..).zip(self.leaves(0..head.size).await?));
        self.add_blobs(&mut evidence).await?;
        let mut files = Files::new();
        files.insert("checkpoint".to_owned(), head.note.into_bytes());
        let leaves: Vec<Vec<u8>> = evidence.leaves.into_values().collect();
        for (index, chunk) in (0_u64..).zip(leaves.chunks(usize::from(countersign_ledger::tile::TILE_WIDTH))) {
            let width = u16::try_from(chunk.len()).unwrap_or(countersign_ledger::tile::TILE_WIDTH);
            let entries = entry_bundle(chunk).map_err(|e| EngineError::Damaged(e.to_string()))?;
            files.insert(TilePath { kind: TileKind::Entries, index, width }.to_string(), entries);
        }
        for path in hash_tiles(head.size) {
            let bytes = self.tile(&path).await?.ok_or_else(|| EngineError::Damaged(format!("{path} is missing")))?;
            files.insert(path.to_string(), bytes);
        }
        for (digest, bytes) in evidence.blobs {
            files.insert(format!("blobs/{}", digest.hex()), bytes);
        }
        Ok(files)
    }

    /// One tile of the log, or `None` if the log does not reach so far.
    pub async fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, EngineError> {
        let head = self.store.head().await?;
        if !path.is_within(head.size) {
            return Ok(None);
        }
        let width = u64::from(path.width);
        let first = path.index * u64::from(countersign_ledger::tile::TILE_WIDTH);
        match path.kind {
            TileKind::Entries => {
                let leaves = self.leaves(first..first + width).await?;
                Ok(Some(entry_bundle(&leaves).map_err(|e| EngineError::Damaged(e.to_string()))?))
            }
            TileKind::Hashes(level) => {
                let at = TileAt { level, index: path.index };
                let tiles = self.store.tiles(&[at]).await?;
                Ok(tiles.0.get(&at).and_then(|hashes| hashes.get(..usize::from(path.width))).map(hash_tile))
            }
        }
    }

    /// Leaves that are all there.
    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, EngineError> {
        let mut leaves = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let page = self.store.leaves(next..range.end).await?;
            if page.is_empty() {
                return Err(StoreError::from(Damage::MissingLeaf(next)).into());
            }
            next += page.len() as u64;
            leaves.extend(page);
        }
        Ok(leaves)
    }

    /// The blobs that leaves name, as far as they are still there.
    async fn add_blobs(&self, evidence: &mut Evidence) -> Result<(), EngineError> {
        for (index, bytes) in &evidence.leaves {
            let unreadable = |source| StoreError::from(Damage::Leaf { index: *index, source });
            let leaf = Leaf::parse(bytes).map_err(unreadable)?;
            let named: Vec<Digest> = Statement::parse(leaf.envelope.payload())?.body.blobs().into_iter().collect();
            evidence.blobs.extend(self.store.blobs(&named).await?);
        }
        Ok(())
    }
}

/// Every hash tile of a log of this size: full ones, and the partial one at the right of each level.
fn hash_tiles(size: u64) -> Vec<TilePath> {
    let width = u64::from(countersign_ledger::tile::TILE_WIDTH);
    let mut paths = Vec::new();
    let mut nodes = size;
    for level in 0.. {
        for index in 0..nodes.div_ceil(width) {
            let in_tile = (nodes - index * width).min(width);
            let width = u16::try_from(in_tile).unwrap_or(countersign_ledger::tile::TILE_WIDTH);
            paths.push(TilePath { kind: TileKind::Hashes(level), index, width });
        }
        nodes /= width;
        if nodes == 0 {
            break;
        }
    }
    paths
}
