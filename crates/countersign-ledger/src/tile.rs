//! C2SP `tlog-tiles`: the paths under which a log is served as static files, and what the files hold.
//!
//! Invariants:
//! - A path has one spelling: `parse` takes exactly what `Display` writes.
//! - What a path serves never changes once the log has it (sections "Merkle Tree" and "Log entries"). A full tile can be
//!   kept for ever; nobody has a use for a partial one once the log has grown past it, and a log may stop serving it.
//! - A tile holds between 1 and 256 items; an empty one is never served (section "Partial Tiles").

use std::{fmt, ops::Range, str::FromStr};

use thiserror::Error;

use crate::digest::Hash;

/// A tile spans eight levels of the tree.
pub const TILE_HEIGHT: u8 = 8;

/// The number of items in a full tile.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// Section "Merkle Tree": levels are between 0 and 63.
const MAX_TILE_LEVEL: u8 = 63;

const HASH_BYTES: usize = 32;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum TileError {
    #[error(
        "`{0}` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)"
    )]
    Path(String),
    #[error("a tile holds between 1 and {TILE_WIDTH} items, not {0}")]
    Width(usize),
    #[error("entry {entry} has {bytes} bytes, more than the 65,535 that fit")]
    EntryTooLarge { entry: usize, bytes: usize },
    #[error("the entry bundle ends in the middle of entry {0}")]
    Truncated(usize),
    #[error("a hash tile of {0} bytes is not a sequence of whole hashes")]
    HashBytes(usize),
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree at this level of tiles: `tile/<level>/…`.
    Hashes(u8),
    /// The leaves themselves: `tile/entries/…`.
    Entries,
}

impl TileKind {
    /// The level of the tree whose nodes a tile of this kind counts.
    fn node_level(self) -> Option<u8> {
        match self {
            Self::Hashes(level) => level.checked_mul(TILE_HEIGHT).filter(|level| *level < 64),
            Self::Entries => Some(0),
        }
    }
}

/// The path of a tile or an entry bundle: `tile/0/x001/x234/067`, `tile/entries/000.p/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    pub kind: TileKind,
    /// Counts tiles of this kind and level from the left.
    pub index: u64,
    /// From 1 to 256; 256 is a full tile.
    pub width: u16,
}

impl TilePath {
    /// Whether nothing is missing at its right, so that no longer log serves a wider one in its place.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The nodes that the tile's items are: their level and indices, as in [`crate::tree::Nodes`]. For entries they are
    /// the leaves. `None` for a tile that no tree of 64-bit size has, or that is wider than a tile.
    pub fn nodes(&self) -> Option<(u8, Range<u64>)> {
        check_width(usize::from(self.width)).ok()?;
        let first = self.index.checked_mul(u64::from(TILE_WIDTH))?;
        Some((self.kind.node_level()?, first..first.checked_add(u64::from(self.width))?))
    }

    /// The node that the tile's first item is, as (level, index).
    pub fn first_node(&self) -> Option<(u8, u64)> {
        self.nodes().map(|(level, nodes)| (level, nodes.start))
    }

    /// Whether a log of `size` leaves has all items of this tile.
    pub fn is_within(&self, size: u64) -> bool {
        self.nodes().is_some_and(|(level, nodes)| nodes.end <= size >> level)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        write_index(f, self.index)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Three digits for each path element, all but the last with an `x` in front.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let mut groups = vec![index % 1_000];
    let mut rest = index / 1_000;
    while rest > 0 {
        groups.push(rest % 1_000);
        rest /= 1_000;
    }
    for (place, group) in groups.iter().enumerate().rev() {
        if place == 0 { write!(f, "{group:03}")? } else { write!(f, "x{group:03}/")? }
    }
    Ok(())
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        parse_path(path).ok_or_else(|| TileError::Path(path.to_owned()))
    }
}

fn parse_path(path: &str) -> Option<TilePath> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok().filter(|level| *level <= MAX_TILE_LEVEL)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?),
        None => (rest, TILE_WIDTH),
    };
    let parsed = TilePath { kind, index: parse_index(index)?, width };
    // Whatever spells the same tile differently (leading zeros, `+1`, a missing `x`) does not come back the same.
    (parsed.to_string() == path).then_some(parsed)
}

fn parse_index(text: &str) -> Option<u64> {
    text.split('/').try_fold(0_u64, |index, element| {
        let digits = element.strip_prefix('x').unwrap_or(element);
        let group: u64 = digits.parse().ok().filter(|_| digits.len() == 3)?;
        index.checked_mul(1_000)?.checked_add(group)
    })
}

fn check_width(items: usize) -> Result<(), TileError> {
    if (1..=usize::from(TILE_WIDTH)).contains(&items) { Ok(()) } else { Err(TileError::Width(items)) }
}

/// Section "Log entries": each leaf after its length as a big-endian uint16.
pub fn entry_bundle(leaves: &[Vec<u8>]) -> Result<Vec<u8>, TileError> {
    check_width(leaves.len())?;
    let mut out = Vec::with_capacity(leaves.iter().map(|leaf| leaf.len().saturating_add(2)).sum());
    for (entry, leaf) in leaves.iter().enumerate() {
        let len = u16::try_from(leaf.len()).map_err(|_| TileError::EntryTooLarge { entry, bytes: leaf.len() })?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(leaf);
    }
    Ok(out)
}

/// The leaves of an entry bundle, which must end where a leaf ends.
pub fn parse_entry_bundle(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TileError> {
    let mut leaves = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (leaf, after) = split_entry(rest).ok_or(TileError::Truncated(leaves.len()))?;
        leaves.push(leaf.to_vec());
        check_width(leaves.len())?;
        rest = after;
    }
    check_width(leaves.len())?;
    Ok(leaves)
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// The bytes of a hash tile: its hashes, one after the other.
pub fn hash_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The hashes of a hash tile.
pub fn parse_hash_tile(bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(TileError::HashBytes(bytes.len()));
    }
    check_width(hashes.len())?;
    Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
}
