use countersign_ledger::{
    Hash,
    tile::{TILE_WIDTH, TileError, TileKind, TilePath, entry_bundle, hash_tile, parse_entry_bundle, parse_hash_tile},
};
use proptest::prelude::*;

use crate::support::numbered;

fn path(kind: TileKind, index: u64, width: u16) -> TilePath {
    TilePath { kind, index, width }
}

#[test]
fn paths_are_those_of_tlog_tiles() {
    let check = |tile: TilePath, expected: &str| {
        assert_eq!(tile.to_string(), expected);
        assert_eq!(expected.parse::<TilePath>().unwrap(), tile);
    };
    check(path(TileKind::Hashes(0), 0, TILE_WIDTH), "tile/0/000");
    check(path(TileKind::Hashes(0), 1_234_067, TILE_WIDTH), "tile/0/x001/x234/067");
    check(path(TileKind::Hashes(63), 999, 255), "tile/63/999.p/255");
    check(path(TileKind::Entries, 1_000, 1), "tile/entries/x001/000.p/1");
    check(path(TileKind::Entries, u64::MAX, 256), "tile/entries/x018/x446/x744/x073/x709/x551/615");
}

#[test]
fn other_spellings_are_refused() {
    for wrong in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/+1/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/8/0/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/x001/x234",
        "tile/0/+01",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "tile/entry/000",
        "tile/entries/../000",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert_eq!(wrong.parse::<TilePath>(), Err(TileError::Path(wrong.to_owned())));
    }
}

/// The example of section "Partial Tiles": a tree of 70,000 leaves.
#[test]
fn a_log_has_the_tiles_of_its_size() {
    let has = |kind, index, width| path(kind, index, width).is_within(70_000);
    assert!(has(TileKind::Hashes(0), 272, 256));
    assert!(has(TileKind::Hashes(0), 273, 112) && !has(TileKind::Hashes(0), 273, 113));
    assert!(has(TileKind::Hashes(1), 0, 256) && !has(TileKind::Hashes(1), 1, 18));
    assert!(has(TileKind::Hashes(1), 1, 17));
    assert!(has(TileKind::Hashes(2), 0, 1) && !has(TileKind::Hashes(2), 0, 2));
    assert!(has(TileKind::Entries, 273, 112) && !has(TileKind::Entries, 273, 113));
    assert!(!path(TileKind::Hashes(63), 0, 1).is_within(u64::MAX));
    assert!(!path(TileKind::Hashes(0), u64::MAX, 1).is_within(u64::MAX));
    assert_eq!(path(TileKind::Hashes(2), 3, 1).first_node(), Some((16, 768)));
    assert_eq!(path(TileKind::Hashes(2), 3, 5).nodes(), Some((16, 768..773)));
}

#[test]
fn a_tile_that_no_log_has_is_none() {
    for (kind, index, width) in [
        (TileKind::Hashes(8), 0, 1),
        (TileKind::Hashes(255), 0, 1),
        (TileKind::Entries, 1 << 56, 1),
        (TileKind::Entries, (1 << 56) - 1, TILE_WIDTH),
        (TileKind::Entries, u64::MAX, TILE_WIDTH),
        (TileKind::Entries, 0, 0),
        (TileKind::Entries, 0, TILE_WIDTH + 1),
        (TileKind::Entries, 0, u16::MAX),
    ] {
        let tile = path(kind, index, width);
        assert_eq!((tile.nodes(), tile.is_within(u64::MAX)), (None, false), "{tile}");
    }
    assert!(path(TileKind::Entries, (1 << 56) - 1, TILE_WIDTH - 1).is_within(u64::MAX));
}

#[test]
fn full_tiles_can_be_kept() {
    assert!("tile/0/000".parse::<TilePath>().unwrap().is_full());
    assert!("tile/entries/x001/000".parse::<TilePath>().unwrap().is_full());
    assert!(!"tile/0/000.p/255".parse::<TilePath>().unwrap().is_full());
}

#[test]
fn bundles_hold_between_1_and_256_entries_that_fit() {
    assert_eq!(entry_bundle(&[b"ab".to_vec(), Vec::new()]).unwrap(), b"\x00\x02ab\x00\x00");
    assert_eq!(entry_bundle(&[]), Err(TileError::Width(0)));
    assert_eq!(parse_entry_bundle(b""), Err(TileError::Width(0)));
    assert_eq!(entry_bundle(&vec![Vec::new(); 257]), Err(TileError::Width(257)));
    assert_eq!(parse_entry_bundle(&[0; 2 * 257]), Err(TileError::Width(257)));
    assert!(entry_bundle(&[vec![0; 65_535]]).is_ok());
    assert_eq!(entry_bundle(&[vec![0; 65_536]]), Err(TileError::EntryTooLarge { entry: 0, bytes: 65_536 }));
    assert_eq!(parse_entry_bundle(b"\x00\x01a\x00"), Err(TileError::Truncated(1)));
    assert_eq!(parse_entry_bundle(b"\x00\x02a"), Err(TileError::Truncated(0)));
}

#[test]
fn hash_tiles_are_whole_hashes() {
    let hashes: Vec<Hash> = numbered(256).collect();
    assert_eq!(hash_tile(&hashes).len(), 8_192);
    assert_eq!(parse_hash_tile(&hash_tile(&hashes)).unwrap(), hashes);
    assert_eq!(parse_hash_tile(&[0; 33]), Err(TileError::HashBytes(33)));
    assert_eq!(parse_hash_tile(&[]), Err(TileError::Width(0)));
    assert_eq!(parse_hash_tile(&[0; 32 * 257]), Err(TileError::Width(257)));
}

proptest! {
    #[test]
    fn paths_round_trip(level in 0_u8..64, entries: bool, index: u64, width in 1_u16..=256) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let tile = path(kind, index, width);
        prop_assert_eq!(tile.to_string().parse::<TilePath>().unwrap(), tile);
    }

    #[test]
    fn what_parses_as_a_path_is_written_the_same(text in "(tile/)?([0-9]{1,2}|entries)/(x?[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = text.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), text);
        }
    }

    #[test]
    fn bundles_round_trip(leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..=256)) {
        prop_assert_eq!(parse_entry_bundle(&entry_bundle(&leaves).unwrap()).unwrap(), leaves);
    }

    #[test]
    fn parsing_a_bundle_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(leaves) = parse_entry_bundle(&bytes) {
            prop_assert_eq!(entry_bundle(&leaves).unwrap(), bytes);
        }
    }
}
