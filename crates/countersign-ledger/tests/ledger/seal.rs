use std::collections::BTreeMap;

use countersign_ledger::{
    Draft, Frontier, Hash, Leaf, MemoryNodes, Nodes, SealedLeaf, StreamHead, Time,
    seal::{SealError, seal},
    tree,
};

use crate::support::{envelope, stream};

fn draft(name: &str, payload: &str) -> Draft {
    Draft {
        streams: name.split(' ').map(stream).collect(),
        admitted_at: Time::from_unix_secs(1),
        envelope: envelope(payload.as_bytes()),
    }
}

fn place(sealed: &SealedLeaf) -> (u64, &str, u64) {
    let home = &sealed.leaf.lines()[0];
    (sealed.index, home.stream.as_str(), home.seq)
}

#[test]
fn drafts_continue_their_streams_and_the_tree() {
    let first = seal(
        &Frontier::EMPTY,
        &BTreeMap::new(),
        vec![draft("governance", "genesis"), draft("change/a", "proposal"), draft("change/a", "approval")],
    )
    .unwrap();
    let second =
        seal(&first.frontier, &first.heads, vec![draft("change/b", "proposal"), draft("change/a", "permit")]).unwrap();

    let all: Vec<&SealedLeaf> = first.leaves.iter().chain(&second.leaves).collect();
    assert_eq!(
        all.iter().map(|sealed| place(sealed)).collect::<Vec<_>>(),
        [(0, "governance", 0), (1, "change/a", 0), (2, "change/a", 1), (3, "change/b", 0), (4, "change/a", 2),]
    );
    assert_eq!(all[0].leaf.lines()[0].prev, StreamHead::EMPTY.last);
    assert_eq!(all[2].leaf.lines()[0].prev, all[1].hash);
    assert_eq!(all[4].leaf.lines()[0].prev, all[2].hash);
    assert_eq!(second.heads[&stream("change/a")], StreamHead { next_seq: 3, last: all[4].hash });
    // Heads that the batch did not touch are handed back.
    assert_eq!(second.heads[&stream("governance")], StreamHead { next_seq: 1, last: all[0].hash });

    for sealed in &all {
        assert_eq!(Leaf::parse(&sealed.bytes).unwrap(), sealed.leaf);
        assert_eq!(Hash::leaf(&sealed.bytes), sealed.hash);
    }
    let whole = MemoryNodes::from_leaf_hashes(all.iter().map(|sealed| sealed.hash));
    assert_eq!((second.root, second.frontier.size()), (whole.root(), 5));
    for node in first.nodes.iter().chain(&second.nodes) {
        assert_eq!(whole.node(node.level, node.index), Some(node.hash));
    }
    assert_eq!(first.nodes.len() + second.nodes.len(), 5 + 2 + 1);
    assert_eq!(tree::root(3, &whole).unwrap(), first.root);
}

#[test]
fn each_stream_of_a_leaf_moves_on() {
    let sealed = seal(
        &Frontier::EMPTY,
        &BTreeMap::new(),
        vec![draft("change/a target/x/p target/y/p", "1"), draft("change/b target/y/p", "2")],
    )
    .unwrap();
    let (first, second) = (&sealed.leaves[0], &sealed.leaves[1]);
    let heads: Vec<(&str, u64, Hash)> =
        sealed.heads.iter().map(|(stream, head)| (stream.as_str(), head.next_seq, head.last)).collect();
    assert_eq!(
        heads,
        [
            ("change/a", 1, first.hash),
            ("change/b", 1, second.hash),
            ("target/x/p", 1, first.hash),
            ("target/y/p", 2, second.hash)
        ]
    );
    assert_eq!((second.leaf.lines()[1].seq, second.leaf.lines()[1].prev), (1, first.hash));
    let twice = seal(&Frontier::EMPTY, &BTreeMap::new(), vec![draft("change/a change/a", "1")]);
    assert!(matches!(twice, Err(SealError::Leaf { draft: 0, .. })));
}

#[test]
fn nothing_to_seal_changes_nothing() {
    let sealed = seal(&Frontier::EMPTY, &BTreeMap::new(), Vec::new()).unwrap();
    assert_eq!((sealed.root, sealed.frontier, sealed.heads.len()), (Hash::empty_tree(), Frontier::EMPTY, 0));
}

#[test]
fn a_full_stream_is_an_error() {
    let heads = BTreeMap::from([(stream("governance"), StreamHead { next_seq: u64::MAX, ..StreamHead::EMPTY })]);
    assert_eq!(
        seal(&Frontier::EMPTY, &heads, vec![draft("governance", "")]),
        Err(SealError::StreamFull(stream("governance")))
    );
}

/// A tree that has every subtree, so that it can be full.
struct Endless;

impl Nodes for Endless {
    fn node(&self, _: u8, _: u64) -> Option<Hash> {
        Some(Hash::empty_tree())
    }
}

#[test]
fn a_full_log_is_an_error() {
    let full = Frontier::from_nodes(u64::MAX, &Endless).unwrap();
    assert_eq!(seal(&full, &BTreeMap::new(), vec![draft("governance", "")]), Err(SealError::LogFull));
}
