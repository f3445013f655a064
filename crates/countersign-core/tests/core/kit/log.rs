//! The log as others have it: whole, in part, or made anew by whoever holds its key; and a store of which only what a
//! statement needs is loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::{
    fold::Entry,
    ids::ChangeId,
    refusal::Refusal,
    state::{Record, State},
    statement::{Body, Statement, change_stream, governance_stream},
    verify::Evidence,
};
use countersign_ledger::{
    Checkpoint, Digest, Draft, Hash, Leaf, LogKey, MemoryNodes, SealedLeaf, StreamId, seal, tree,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{ORIGIN, World};

/// Blobs as core asks for them.
pub fn blob_of(blobs: &BTreeMap<Digest, Vec<u8>>) -> impl Fn(&Digest) -> Option<Vec<u8>> {
    |digest| blobs.get(digest).cloned()
}

pub fn body(leaf: &Leaf) -> Body {
    Statement::parse(leaf.envelope.payload()).unwrap().body
}

/// The names of the streams that a leaf stands in.
pub fn streams(leaf: &Leaf) -> Vec<String> {
    leaf.lines().iter().map(|line| line.stream.to_string()).collect()
}

impl World {
    pub fn size(&self) -> u64 {
        self.nodes.size()
    }

    pub fn last(&self) -> &Leaf {
        &self.leaves.last().unwrap().leaf
    }

    /// Where in the log a statement stands.
    pub fn index_of(&self, payload: &Digest) -> u64 {
        self.leaves.iter().find(|leaf| leaf.leaf.envelope.payload_digest() == *payload).unwrap().index
    }

    pub fn checkpoint(&self) -> String {
        self.checkpoint_over(self.nodes.size(), self.nodes.root())
    }

    /// The same signed with another key.
    pub fn checkpoint_by(&self, key: &LogKey) -> String {
        let (size, root) = (self.nodes.size(), self.nodes.root());
        key.sign(&Checkpoint { origin: ORIGIN.to_owned(), size, root }).unwrap()
    }

    fn checkpoint_over(&self, size: u64, root: Hash) -> String {
        self.log_key.sign(&Checkpoint { origin: ORIGIN.to_owned(), size, root }).unwrap()
    }

    /// The whole log, as an export has it.
    pub fn evidence(&self) -> Evidence {
        self.copy_of(self.checkpoint(), &self.leaves)
    }

    fn copy_of(&self, checkpoint: String, leaves: &[SealedLeaf]) -> Evidence {
        Evidence {
            checkpoint,
            cosigned: None,
            leaves: leaves.iter().map(|leaf| (leaf.index, leaf.bytes.clone())).collect(),
            proofs: BTreeMap::new(),
            hashes: leaves.iter().map(|leaf| leaf.hash).collect(),
            blobs: self.blobs.clone(),
            streams: BTreeSet::new(),
        }
    }

    /// The part of the log that a change's bundle has: every stream that something in the change's own stream depends on,
    /// but not the long ones of its targets.
    pub fn part(&self, change: &ChangeId) -> Evidence {
        let mut streams = BTreeSet::from([governance_stream().unwrap(), change_stream(change).unwrap()]);
        while let Err(more) = self.replayed_in(&streams) {
            streams.extend(more);
        }
        self.part_of(streams)
    }

    /// The leaves that stand in any of these streams, with their proofs.
    pub fn part_of(&self, streams: BTreeSet<StreamId>) -> Evidence {
        part_of(&self.evidence(), streams)
    }

    /// The state that the leaves and the blobs that are left give.
    pub fn replayed(&self) -> Result<State, Refusal> {
        let blob = blob_of(&self.blobs);
        let mut entries = self.leaves.iter().map(|leaf| Entry::parse(&leaf.bytes).unwrap());
        let mut state = State::genesis(&entries.next().unwrap(), &blob)?;
        for entry in entries {
            state.fold(&entry, &blob)?;
        }
        Ok(state)
    }

    /// Replays the leaves that have their home in these streams, or says which others they need.
    fn replayed_in(&self, streams: &BTreeSet<StreamId>) -> Result<State, BTreeSet<StreamId>> {
        let blob = blob_of(&self.blobs);
        let mut entries = self.leaves.iter().map(|leaf| Entry::parse(&leaf.bytes).unwrap());
        let mut state = State::genesis(&entries.next().unwrap(), &blob).unwrap().confined(streams.clone());
        for entry in entries {
            if streams.contains(&entry.leaf.lines()[0].stream) {
                let mut missing = state.missing(&entry.signed).unwrap();
                missing.retain(|stream| !stream.as_str().starts_with("target/"));
                if !missing.is_empty() {
                    return Err(missing);
                }
            }
            state.fold(&entry, &blob).unwrap();
        }
        Ok(state)
    }

    /// What somebody who holds the log key can make of it: other leaves, with every number, hash and the checkpoint put
    /// right again.
    pub fn resealed(&self, edit: impl FnOnce(&mut Vec<Draft>)) -> Evidence {
        let draft = |leaf: &SealedLeaf| Draft {
            streams: leaf.leaf.lines().iter().map(|line| line.stream.clone()).collect(),
            admitted_at: leaf.leaf.admitted_at,
            envelope: leaf.leaf.envelope.clone(),
        };
        let mut drafts: Vec<Draft> = self.leaves.iter().map(draft).collect();
        edit(&mut drafts);
        let sealed = seal(MemoryNodes::new().frontier(), &BTreeMap::new(), drafts).unwrap();
        self.copy_of(self.checkpoint_over(sealed.frontier.size(), sealed.root), &sealed.leaves)
    }

    /// The same, with leaves that not even `seal` would make.
    pub fn forged(&self, edit: impl FnOnce(&mut Vec<Leaf>)) -> Evidence {
        let mut leaves: Vec<Leaf> = self.leaves.iter().map(|leaf| leaf.leaf.clone()).collect();
        edit(&mut leaves);
        let mut nodes = MemoryNodes::new();
        let sealed: Vec<SealedLeaf> = (0..)
            .zip(leaves)
            .map(|(index, leaf)| {
                nodes.push_leaf(leaf.hash());
                SealedLeaf { index, hash: leaf.hash(), bytes: leaf.to_bytes(), leaf }
            })
            .collect();
        self.copy_of(self.checkpoint_over(nodes.size(), nodes.root()), &sealed)
    }
}

/// Of a whole copy, the leaves that stand in any of these streams, with their proofs.
pub fn part_of(whole: &Evidence, streams: BTreeSet<StreamId>) -> Evidence {
    let mut nodes = MemoryNodes::new();
    whole.leaves.values().for_each(|bytes| nodes.push_leaf(Hash::leaf(bytes)));
    let mut part = Evidence { hashes: Vec::new(), ..whole.clone() };
    let of_it = |leaf: Leaf| leaf.lines().iter().any(|line| streams.contains(&line.stream));
    part.leaves.retain(|_, bytes| of_it(Leaf::parse(bytes).unwrap()));
    let proof = |index: &u64| (*index, tree::inclusion_proof(*index, nodes.size(), &nodes).unwrap());
    part.proofs = part.leaves.keys().map(proof).collect();
    part.streams = streams;
    part
}

/// Takes a leaf with nothing loaded from a store but what it needs.
pub fn fold_in_part(
    store: &State,
    entry: &Entry,
    blobs: &BTreeMap<Digest, Vec<u8>>,
) -> Result<(State, Vec<StreamId>), Refusal> {
    let mut part = State::part(Arc::clone(&store.governance));
    loop {
        let missing = part.missing(&entry.signed)?;
        if missing.is_empty() {
            break;
        }
        for stream in missing {
            load(store, &mut part, stream);
        }
    }
    let touched = part.fold(entry, &blob_of(blobs))?;
    Ok((part, touched))
}

/// Brings a stream's head and record from one state to another, through the bytes that a store would keep.
pub fn load(from: &State, to: &mut State, stream: StreamId) {
    fn kept<T: Serialize + DeserializeOwned>(record: &T) -> T {
        serde_json::from_slice(&serde_json::to_vec(record).unwrap()).unwrap()
    }
    let name = stream.as_str().split_once('/').map(|(_, name)| name);
    match from.record(&stream) {
        Some(Record::Change(change)) => to.put_change(kept(change)),
        Some(Record::Person(person)) => to.put_person(name.unwrap().parse().unwrap(), kept(person)),
        Some(Record::Gate(gate)) => to.put_gate(name.unwrap().parse().unwrap(), kept(gate)),
        Some(Record::Target(target)) => {
            to.put_target(name.unwrap().parse().unwrap(), kept(target));
        }
        Some(Record::Finding(finding)) => {
            to.put_finding(name.unwrap().parse().unwrap(), kept(finding));
        }
        Some(Record::Governance(_)) => to.governance = Arc::clone(&from.governance),
        None => {}
    }
    let head = from.head(&stream).unwrap();
    to.know(stream, head);
}
