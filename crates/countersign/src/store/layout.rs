//! A store as the static files of a log (C2SP tlog-tiles): what a server hands out, what an export is made of.

use countersign_ledger::tile::{TILE_WIDTH, TileKind, TilePath, entry_bundle, hash_tile};

use super::{Damage, Store, StoreError, tiles::TileAt};

/// One tile of the log, or `None` if the log does not reach so far.
pub async fn tile(store: &dyn Store, path: &TilePath) -> Result<Option<Vec<u8>>, StoreError> {
    let head = store.head().await?;
    if !path.is_within(head.noted) {
        return Ok(None);
    }
    let width = u64::from(path.width);
    match path.kind {
        TileKind::Entries => {
            let first = path.index.saturating_mul(u64::from(TILE_WIDTH));
            let mut leaves = Vec::new();
            while (leaves.len() as u64) < width {
                let next = first.saturating_add(leaves.len() as u64);
                let page = store.leaves(next..first.saturating_add(width)).await?;
                if page.is_empty() {
                    return Err(Damage::MissingLeaf(next).into());
                }
                leaves.extend(page);
            }
            let unfit = |error| Damage::Value { what: "an entry bundle", found: format!("{path}: {error}") };
            Ok(Some(entry_bundle(&leaves).map_err(unfit)?))
        }
        TileKind::Hashes(level) => {
            let at = TileAt { level, index: path.index };
            let tiles = store.tiles(&[at]).await?;
            let hashes = tiles.0.get(&at).and_then(|hashes| hashes.get(..usize::from(path.width)));
            Ok(hashes.map(hash_tile))
        }
    }
}

/// The paths of a log of this size as static files: hash tiles and entry bundles, full ones and the partial ones at the right.
pub fn tile_paths(size: u64) -> impl Iterator<Item = TilePath> {
    let width = u64::from(TILE_WIDTH);
    let levels = (0..8_u8).map(move |level| (TileKind::Hashes(level), size >> (8 * u32::from(level))));
    std::iter::once((TileKind::Entries, size)).chain(levels).flat_map(move |(kind, items)| {
        (0..items.div_ceil(width)).map(move |index| {
            let in_tile = items.saturating_sub(index.saturating_mul(width)).min(width);
            TilePath { kind, index, width: u16::try_from(in_tile).unwrap_or(TILE_WIDTH) }
        })
    })
}
