//! Making a bundle: the governance stream and one change's stream, whole, with proofs and blobs.

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
    bundle::{Bundle, Files, tar_of},
    store::{self, StoreError},
};

impl Engine {
    /// The bundle of a change under the present checkpoint, as a tar archive. With `since`, also the proof that a log of
    /// that size is a prefix of this one.
    pub async fn bundle(&self, id: &ChangeId, since: Option<u64>) -> Result<Vec<u8>, EngineError> {
        // Before the leaves are read, so that all of them are under it.
        let head = self.store.head().await?;
        let mut evidence = Evidence { checkpoint: head.note.clone(), ..Evidence::default() };
        for stream in [governance_stream()?, change_stream(id)?] {
            for (index, bytes) in self.store.stream(&stream).await? {
                if index < head.size {
                    evidence.leaves.insert(index, bytes);
                }
            }
        }
        self.add_blobs(&mut evidence).await?;
        for index in evidence.leaves.keys() {
            let proof = store::with_nodes(&*self.store, |nodes| tree::inclusion_proof(*index, head.size, &nodes))
                .await?
                .map_err(|e| StoreError::Damaged(e.to_string()))?;
            evidence.proofs.insert(*index, proof);
        }
        let consistency = match since {
            Some(since) if since > 0 && since < head.size => {
                store::with_nodes(&*self.store, |nodes| tree::consistency_proof(since, head.size, &nodes))
                    .await?
                    .map_err(|e| StoreError::Damaged(e.to_string()))?
            }
            Some(_) | None => Vec::new(),
        };
        let origin = self.governance().await?.record.origin.clone();
        let bundle = Bundle { origin, change: id.clone(), evidence, consistency, extracts_differ: Vec::new() };
        Ok(bundle.to_tar().map_err(|e| StoreError::Damaged(e.to_string()))?)
    }

    /// The whole log as a tar archive of files: checkpoint, tiles (C2SP tlog-tiles) and blobs.
    pub async fn export(&self) -> Result<Vec<u8>, EngineError> {
        let head = self.store.head().await?;
        let mut evidence = Evidence { checkpoint: head.note.clone(), ..Evidence::default() };
        let mut next = 0;
        while next < head.size {
            let page = self.store.leaves(next..head.size).await?;
            if page.is_empty() {
                return Err(StoreError::Damaged(format!("leaf {next} is missing")).into());
            }
            for bytes in page {
                evidence.leaves.insert(next, bytes);
                next += 1;
            }
        }
        self.add_blobs(&mut evidence).await?;
        let mut files = Files::new();
        files.insert("checkpoint".to_owned(), head.note.into_bytes());
        let leaves: Vec<Vec<u8>> = evidence.leaves.into_values().collect();
        for (index, chunk) in (0_u64..).zip(leaves.chunks(usize::from(countersign_ledger::tile::TILE_WIDTH))) {
            let width = u16::try_from(chunk.len()).unwrap_or(countersign_ledger::tile::TILE_WIDTH);
            let entries = entry_bundle(chunk).map_err(|e| StoreError::Damaged(e.to_string()))?;
            files.insert(TilePath { kind: TileKind::Entries, index, width }.to_string(), entries);
        }
        for path in hash_tiles(head.size) {
            let bytes = self.tile(&path).await?.ok_or_else(|| StoreError::Damaged(format!("{path} is missing")))?;
            files.insert(path.to_string(), bytes);
        }
        for (digest, bytes) in evidence.blobs {
            files.insert(format!("blobs/{}", digest.hex()), bytes);
        }
        Ok(tar_of(&files).map_err(|e| StoreError::Damaged(e.to_string()))?)
    }

    /// A blob beside the log, unless it was never there or was erased.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.store.blob(digest).await?)
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
                let leaves = self.store.leaves(first..first + width).await?;
                Ok(Some(entry_bundle(&leaves).map_err(|e| StoreError::Damaged(e.to_string()))?))
            }
            TileKind::Hashes(_) => {
                let Some((level, first)) = path.first_node() else { return Ok(None) };
                let wanted: Vec<(u8, u64)> = (first..first + width).map(|index| (level, index)).collect();
                let mut nodes = self.store.nodes(wanted).await?;
                nodes.sort_by_key(|node| node.index);
                let hashes: Vec<_> = nodes.into_iter().map(|node| node.hash).collect();
                Ok((hashes.len() as u64 == width).then(|| hash_tile(&hashes)))
            }
        }
    }

    /// The blobs that leaves name, as far as they are still there.
    async fn add_blobs(&self, evidence: &mut Evidence) -> Result<(), EngineError> {
        for bytes in evidence.leaves.values() {
            let leaf = Leaf::parse(bytes).map_err(|e| StoreError::Damaged(e.to_string()))?;
            for digest in Statement::parse(leaf.envelope.payload())?.body.blobs() {
                if let Some(bytes) = self.store.blob(&digest).await? {
                    evidence.blobs.insert(digest, bytes);
                }
            }
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
