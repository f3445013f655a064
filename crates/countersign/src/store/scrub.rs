//! Reading all of a log on the disk again, in its own time: whether every leaf is the one that the tree was made of, every tile
//! what its leaves come to, every blob what its name says, every index what the leaves give, and the whole of it what was signed last. What is written is
//! checked as it is extended; this finds what decays where nobody looks.

use std::{collections::BTreeMap, time::Duration};

use countersign_ledger::{
    Digest, Hash, Leaf,
    tile::{TILE_HEIGHT, TILE_WIDTH},
    tree::Frontier,
};

use super::{Damage, Options, Store, StoreError, Unique, signed, tiles::TileAt};

/// How many leaves are read between two pauses.
const STEP: u64 = 256;

/// Reads it all, with a pause between pages, and says how many leaves it has. What is written meanwhile is left for the next time.
pub async fn scrub(store: &dyn Store, options: &Options, keys: &Keys, pause: Duration) -> Result<u64, StoreError> {
    let head = store.head().await?;
    let mut indexes = Indexes::default();
    let mut frontier = Frontier::default();
    let mut above: Vec<Vec<Hash>> = Vec::new();
    let mut next = 0;
    while next < head.size {
        let page = store.leaves(next..head.size.min(next.saturating_add(STEP))).await?;
        if page.is_empty() {
            return Err(Damage::MissingLeaf(next).into());
        }
        let mut parsed = Vec::with_capacity(page.len());
        for bytes in &page {
            parsed.push((next, Leaf::parse(bytes).map_err(|source| Damage::Leaf { index: next, source })?));
            for node in frontier.push(Hash::leaf(bytes)) {
                if !node.level.is_multiple_of(TILE_HEIGHT) {
                    continue;
                }
                let level = usize::from(node.level / TILE_HEIGHT);
                if above.len() <= level {
                    above.resize(level + 1, Vec::new());
                }
                if let Some(tile) = above.get_mut(level) {
                    tile.push(node.hash);
                    if tile.len() == usize::from(TILE_WIDTH) {
                        let full = std::mem::take(tile);
                        let at = TileAt { level: node.level / TILE_HEIGHT, index: node.index / u64::from(TILE_WIDTH) };
                        same_tile(store, at, &full).await?;
                    }
                }
            }
            next = next.saturating_add(1);
        }
        indexes.have(store, keys, &parsed).await?;
        tokio::time::sleep(pause).await;
    }
    // What is at the right edge grew with the log, and is read whenever the log is extended.
    for (level, begun) in above.iter().enumerate().filter(|(_, begun)| !begun.is_empty()) {
        let level = u8::try_from(level).unwrap_or(TileAt::MAX_LEVEL);
        let index = (head.size >> (level * TILE_HEIGHT)) / u64::from(TILE_WIDTH);
        same_tile(store, TileAt { level, index }, begun).await?;
    }
    if frontier.root() != head.root {
        return Err(Damage::Head { size: head.size, found: frontier.root(), expected: head.root }.into());
    }
    if head.size == head.noted && head.size > 0 {
        let signed = signed(&head, options)?;
        if signed.root != frontier.root() {
            return Err(Damage::Root { size: head.size, found: frontier.root(), expected: signed.root }.into());
        }
    }
    indexes.have_no_more(store, head.size).await?;
    blobs(store, pause).await?;
    Ok(head.size)
}

/// The indexes of streams and keys, compared with leaves from the first one on. The server decides by them: a stream that ends
/// too early is judged without what was said last.
#[derive(Debug, Default)]
pub struct Indexes {
    lines: u64,
    uniques: u64,
    /// Keys that several leaves may name: they are of the first.
    further: BTreeMap<Unique, u64>,
}

/// The keys of a leaf, the first of which no other leaf has.
pub type Keys = dyn Fn(&Leaf) -> Vec<Unique> + Send + Sync;

impl Indexes {
    /// Each of these leaves is found where it says that it stands, and by its keys.
    pub async fn have(&mut self, store: &dyn Store, keys: &Keys, leaves: &[(u64, Leaf)]) -> Result<(), StoreError> {
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        for (index, leaf) in leaves {
            places.extend(leaf.lines().iter().map(|line| ((line.stream.clone(), line.seq), *index)));
            for (place, key) in keys(leaf).into_iter().enumerate() {
                let of = if place == 0 { *index } else { *self.further.entry(key).or_insert(*index) };
                self.uniques += u64::from(of == *index);
                wanted.push((key, of));
            }
        }
        self.lines = self.lines.saturating_add(places.len() as u64);
        let (asked, expected): (Vec<_>, Vec<u64>) = places.into_iter().unzip();
        let found = store.lines(&asked).await?;
        let differs = asked.iter().zip(expected).zip(found).find(|((_, expected), found)| *found != Some(*expected));
        if let Some((((stream, seq), index), _)) = differs {
            return Err(Damage::Kept(format!("line {seq} of stream {stream}, which is leaf {index},")).into());
        }
        let taken = store.taken(&wanted.iter().map(|(key, _)| *key).collect::<Vec<_>>()).await?;
        match wanted.into_iter().find(|(key, index)| taken.get(key) != Some(index)) {
            Some((key, index)) => Err(Damage::Kept(format!("leaf {index} under key {key}")).into()),
            None => Ok(()),
        }
    }

    /// After the last of so many leaves: nothing else is in an index.
    pub async fn have_no_more(&self, store: &dyn Store, size: u64) -> Result<(), StoreError> {
        let entries = store.entries(size).await?;
        for (what, found, expected) in
            [("lines of streams", entries.lines, self.lines), ("keys", entries.uniques, self.uniques)]
        {
            if found != expected {
                let said = format!("{what}, {found} for {size} leaves that have {expected},");
                return Err(Damage::Kept(said).into());
            }
        }
        match store.loose().await? {
            Some(name) => Err(Damage::Kept(name).into()),
            None => Ok(()),
        }
    }
}

/// The tile on the disk, which is to begin with these hashes. One that is not full may have grown meanwhile.
async fn same_tile(store: &dyn Store, at: TileAt, expected: &[Hash]) -> Result<(), StoreError> {
    let tiles = store.tiles(&[at]).await?;
    match tiles.0.get(&at) {
        Some(found) if found.starts_with(expected) => Ok(()),
        Some(_) | None => Err(Damage::Leaves(at).into()),
    }
}

async fn blobs(store: &dyn Store, pause: Duration) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = store.each_blob(after).await?;
        let Some((last, _, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, digest, bytes) in &page {
            if Digest::of(bytes) != *digest {
                return Err(Damage::Blob(*digest).into());
            }
        }
        tokio::time::sleep(pause).await;
    }
}
