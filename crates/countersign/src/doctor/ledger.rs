//! The nodes of a ledger's tree, each compared with what the leaves give: a node that nobody has asked for yet may be damaged
//! all the same.

use countersign_ledger::{
    Hash,
    tile::{TILE_WIDTH, TileKind, TilePath},
};

use crate::{
    copies::tree::Tree,
    follower::source::{Source, SourceError},
};

/// The first node that is not what it has to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    pub said: String,
    /// Whether the leaves hash to the signed root, so that only the node is damaged.
    pub leaves_hold: bool,
}

/// Looks at every hash tile of a ledger.
pub fn nodes(source: &Source) -> Result<Option<Damage>, SourceError> {
    let Source::Ledger(ledger) = source else { return Ok(None) };
    let head = ledger.head()?;
    let mut tree = Tree::default();
    let mut differing = None;
    while tree.size() < head.size {
        let index = tree.size() / u64::from(TILE_WIDTH);
        let leaves = source.entries(index, head.size)?.unwrap_or_default();
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves {
            tree.push(Hash::leaf(&leaf));
        }
        for (path, hashes) in tree.full() {
            differing = differing.or(compare(source, path, &hashes)?);
        }
    }
    for (path, hashes) in tree.edge() {
        // The last leaves are hashed whenever they are asked for.
        if path.kind != TileKind::Hashes(0) {
            differing = differing.or(compare(source, path, &hashes)?);
        }
    }
    let leaves_hold = tree.size() == head.size && tree.root() == head.root;
    let said = match (differing, leaves_hold) {
        (Some(said), _) => said,
        (None, false) => format!("the leaves do not hash to the root of the ledger's head, {}", head.root),
        (None, true) => return Ok(None),
    };
    Ok(Some(Damage { said, leaves_hold }))
}

fn compare(source: &Source, path: TilePath, right: &[Hash]) -> Result<Option<String>, SourceError> {
    let Some(found) = source.hash_tile(path)? else { return Ok(Some(format!("{path} is missing"))) };
    let at = right.iter().zip(&found).position(|(right, found)| right != found);
    Ok(at.map(|at| format!("hash {at} of {path} is not what the leaves give")))
}
