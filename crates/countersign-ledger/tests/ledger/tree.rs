use countersign_ledger::{
    Frontier, Hash, MemoryNodes, Nodes,
    tree::{self, ProofError, TreeError, verify_consistency, verify_inclusion},
};
use proptest::prelude::*;
use tlog_tiles as second;

use crate::support::{flip_hash, hash, hex, numbered};

/// The eight inputs that Certificate Transparency's implementations are tested with.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Their roots, for sizes 1 to 8.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn vectors() -> MemoryNodes {
    MemoryNodes::from_leaf_hashes(LEAVES.iter().map(|leaf| Hash::leaf(&hex(leaf))))
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hash(text)).collect()
}

#[test]
fn published_roots() {
    let nodes = vectors();
    assert_eq!(
        tree::root(0, &nodes).unwrap().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, expected) in (1..).zip(ROOTS) {
        assert_eq!(tree::root(size, &nodes).unwrap().to_string(), expected, "size {size}");
    }
}

#[test]
fn published_inclusion_proofs() {
    let nodes = vectors();
    let check = |index, size, expected: &[&str]| {
        let proof = tree::inclusion_proof(index, size, &nodes).unwrap();
        assert_eq!(proof, hashes(expected), "leaf {index} of {size}");
        let leaf = nodes.node(0, index).unwrap();
        verify_inclusion(&leaf, index, size, &proof, &tree::root(size, &nodes).unwrap()).unwrap();
    };
    check(0, 1, &[]);
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn published_consistency_proofs() {
    let nodes = vectors();
    let check = |old: u64, new: u64, expected: &[&str]| {
        let proof = tree::consistency_proof(old, new, &nodes).unwrap();
        assert_eq!(proof, hashes(expected), "{old} to {new}");
        let roots = (tree::root(old, &nodes).unwrap(), tree::root(new, &nodes).unwrap());
        verify_consistency(old, &roots.0, new, &roots.1, &proof).unwrap();
    };
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

/// A tree in the other library's storage layout.
struct Stored(Vec<second::Hash>);

impl second::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<second::Hash>, second::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

fn ours(hash: &second::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

#[test]
fn another_implementation_agrees_on_roots_and_proofs() {
    const SIZE: u64 = 70;
    let mut stored = Stored(Vec::new());
    let mut nodes = MemoryNodes::new();
    for (n, leaf) in (0..).zip(numbered(SIZE)) {
        let new = second::stored_hashes_for_record_hash(n, second::Hash(*leaf.as_bytes()), &stored).unwrap();
        stored.0.extend(new);
        nodes.push_leaf(leaf);
    }
    for size in 1..=SIZE {
        assert_eq!(ours(&second::tree_hash(size, &stored).unwrap()), tree::root(size, &nodes).unwrap());
        for index in 0..size {
            let theirs: Vec<Hash> = second::prove_record(size, index, &stored).unwrap().iter().map(ours).collect();
            assert_eq!(theirs, tree::inclusion_proof(index, size, &nodes).unwrap(), "leaf {index} of {size}");
            let old = index + 1;
            let theirs: Vec<Hash> = second::prove_tree(size, old, &stored).unwrap().iter().map(ours).collect();
            assert_eq!(theirs, tree::consistency_proof(old, size, &nodes).unwrap(), "{old} to {size}");
        }
    }
}

#[test]
fn a_frontier_is_the_edge_of_its_tree() {
    let nodes = MemoryNodes::from_leaf_hashes(numbered(130));
    let mut frontier = Frontier::new();
    for (size, leaf) in (0..).zip(numbered(130)) {
        assert_eq!(frontier, Frontier::from_nodes(size, &nodes).unwrap());
        assert_eq!(frontier.root(), tree::root(size, &nodes).unwrap());
        for node in frontier.push(leaf) {
            assert_eq!(nodes.node(node.level, node.index), Some(node.hash));
        }
    }
    assert_eq!(frontier.size(), 130);
}

#[test]
fn empty_and_out_of_range_requests_are_refused() {
    let nodes = vectors();
    let zero = Hash::from_bytes([0; 32]);
    assert_eq!(tree::inclusion_proof(0, 0, &nodes), Err(TreeError::OutOfRange { index: 0, size: 0 }));
    assert_eq!(tree::inclusion_proof(8, 8, &nodes), Err(TreeError::OutOfRange { index: 8, size: 8 }));
    assert_eq!(tree::inclusion_proof(0, 9, &nodes), Err(TreeError::Missing { level: 0, index: 8 }));
    assert_eq!(tree::consistency_proof(0, 8, &nodes), Err(TreeError::Sizes { old: 0, new: 8 }));
    assert_eq!(tree::consistency_proof(8, 7, &nodes), Err(TreeError::Sizes { old: 8, new: 7 }));
    assert_eq!(tree::root(9, &nodes), Err(TreeError::Missing { level: 0, index: 8 }));
    assert_eq!(verify_inclusion(&zero, 0, 0, &[], &zero), Err(ProofError::OutOfRange { index: 0, size: 0 }));
    assert_eq!(verify_inclusion(&zero, 8, 8, &[], &zero), Err(ProofError::OutOfRange { index: 8, size: 8 }));
    assert_eq!(verify_consistency(0, &zero, 8, &zero, &[]), Err(ProofError::Sizes { old: 0, new: 8 }));
    assert_eq!(verify_consistency(8, &zero, 7, &zero, &[]), Err(ProofError::Sizes { old: 8, new: 7 }));
    assert_eq!(verify_consistency(3, &zero, 8, &zero, &[]), Err(ProofError::Length(0)));
    assert_eq!(verify_consistency(4, &zero, 4, &zero, &[zero]), Err(ProofError::Length(1)));
}

/// Every subtree of this tree is there: a tree of any size over equal leaves.
struct Endless;

impl Nodes for Endless {
    fn node(&self, level: u8, _: u64) -> Option<Hash> {
        Some((0..level).fold(Hash::leaf(b""), |hash, _| Hash::node(&hash, &hash)))
    }
}

#[test]
fn the_largest_tree_has_proofs_and_takes_no_more() {
    let max = u64::MAX;
    let root = tree::root(max, &Endless).unwrap();
    for index in [0, 1, max / 2, max / 2 + 1, max - 2, max - 1] {
        let proof = tree::inclusion_proof(index, max, &Endless).unwrap();
        assert!(proof.len() <= 64);
        verify_inclusion(&Hash::leaf(b""), index, max, &proof, &root).unwrap();
    }
    for old in [1, 2, 3, 1 << 63, (1 << 63) + 1, max - 1, max] {
        let proof = tree::consistency_proof(old, max, &Endless).unwrap();
        verify_consistency(old, &tree::root(old, &Endless).unwrap(), max, &root, &proof).unwrap();
    }
    let mut full = Frontier::from_nodes(max, &Endless).unwrap();
    let before = full.clone();
    assert_eq!(full.push(Hash::leaf(b"")), []);
    assert_eq!(full, before);
    let mut almost = Frontier::from_nodes((1 << 63) - 1, &Endless).unwrap();
    assert_eq!(almost.push(Hash::leaf(b"")).last().map(|node| (node.level, node.index)), Some((63, 0)));
}

/// A size up to 300 and a leaf in it.
fn leaf_of_tree() -> impl Strategy<Value = (u64, u64)> {
    (1_u64..300).prop_flat_map(|size| (Just(size), 0..size))
}

proptest! {
    #[test]
    fn inclusion_proofs_verify_and_any_altered_bit_fails((size, index) in leaf_of_tree(), bit in 0_usize..256) {
        let nodes = MemoryNodes::from_leaf_hashes(numbered(size));
        let (leaf, root) = (nodes.node(0, index).unwrap(), nodes.root());
        let proof = tree::inclusion_proof(index, size, &nodes).unwrap();
        verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
        prop_assert!(verify_inclusion(&flip_hash(&leaf, bit), index, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &flip_hash(&root, bit)).is_err());
        for place in 0..proof.len() {
            let mut altered = proof.clone();
            altered[place] = flip_hash(&altered[place], bit);
            prop_assert!(verify_inclusion(&leaf, index, size, &altered, &root).is_err());
            altered.remove(place);
            prop_assert!(verify_inclusion(&leaf, index, size, &altered, &root).is_err());
        }
        let longer = [proof.as_slice(), &[root]].concat();
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify_inclusion(&leaf, other, size, &proof, &root).is_err());
        }
    }

    #[test]
    fn consistency_proofs_verify_and_any_altered_bit_fails((new, old) in leaf_of_tree(), bit in 0_usize..256) {
        let old = old + 1;
        let nodes = MemoryNodes::from_leaf_hashes(numbered(new));
        let (old_root, new_root) = (tree::root(old, &nodes).unwrap(), nodes.root());
        let proof = tree::consistency_proof(old, new, &nodes).unwrap();
        verify_consistency(old, &old_root, new, &new_root, &proof).unwrap();
        prop_assert!(verify_consistency(old, &flip_hash(&old_root, bit), new, &new_root, &proof).is_err());
        prop_assert!(verify_consistency(old, &old_root, new, &flip_hash(&new_root, bit), &proof).is_err());
        for place in 0..proof.len() {
            let mut altered = proof.clone();
            altered[place] = flip_hash(&altered[place], bit);
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, &altered).is_err());
            altered.remove(place);
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, &altered).is_err());
        }
        let longer = [proof.as_slice(), &[new_root]].concat();
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &longer).is_err());
    }

    #[test]
    fn checks_of_arbitrary_proofs_never_panic(
        (a, b) in any::<(u64, u64)>(),
        proof in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..80),
    ) {
        let zero = Hash::from_bytes([0; 32]);
        prop_assert!(verify_inclusion(&zero, a, b, &proof, &zero).is_err());
        let _ = verify_consistency(a, &zero, b, &zero, &proof);
    }
}
