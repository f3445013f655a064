//! State: what the ledger has said so far. [`State::fold`] is the only way to it, in the store's rebuild and in a
//! verifier alike: every leaf is authenticated and admitted again, with the state as it stood there.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Hash, Leaf, StreamHead, StreamId};

use crate::{
    admit::{self, Authenticated, authenticate, authenticate_genesis},
    change::{Admitted, Change},
    facts::GitFacts,
    governance::Governance,
    ids::ChangeId,
    refusal::Refusal,
    statement::{Body, change_stream, governance_stream},
};

/// Everything: governance and all changes.
#[derive(Clone, Debug)]
pub struct State {
    pub governance: Governance,
    pub changes: BTreeMap<ChangeId, Change>,
}

/// What one leaf touched: the projections that have to be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    Governance,
    Change(ChangeId),
}

impl State {
    /// Begins with entry 0.
    pub fn genesis(leaf: &Leaf, hash: Hash, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Result<Self, Refusal> {
        let governance = begin(leaf, hash, blob)?;
        Ok(Self { governance, changes: BTreeMap::new() })
    }

    /// Takes the next leaf, or says why it should not be there.
    pub fn fold(
        &mut self,
        leaf: &Leaf,
        hash: Hash,
        blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
    ) -> Result<Touched, Refusal> {
        let authenticated = authenticate(&self.governance, &leaf.envelope)?;
        let id = subject_change(&authenticated);
        let change = id.as_ref().and_then(|id| self.changes.get(id));
        let next = step(&self.governance, change, &authenticated, leaf, hash, blob)?;
        Ok(match next {
            Next::Governance(governance) => {
                self.governance = *governance;
                Touched::Governance
            }
            Next::Change(change) => {
                let id = change.id.clone();
                self.changes.insert(id.clone(), *change);
                Touched::Change(id)
            }
        })
    }
}

/// The change that a statement begins or speaks of.
pub fn subject_change(authenticated: &Authenticated) -> Option<ChangeId> {
    match &authenticated.statement().body {
        Body::Proposal(_) => Some(ChangeId::of_proposal(&authenticated.payload())),
        body => body.about().map(|(change, _)| change.clone()),
    }
}

/// What a leaf makes of the one projection that it touches.
#[derive(Debug)]
pub enum Next {
    Governance(Box<Governance>),
    Change(Box<Change>),
}

/// Begins governance with entry 0.
pub fn begin(leaf: &Leaf, hash: Hash, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Result<Governance, Refusal> {
    let (statement, genesis) = authenticate_genesis(&leaf.envelope)?;
    stands_in(leaf, &governance_stream()?)?;
    let mut governance = Governance::begin(&statement, &genesis, leaf.envelope.payload_digest(), blob)?;
    governance.record.head = follow(StreamHead::EMPTY, leaf, hash)?;
    Ok(governance)
}

/// Admits one leaf and applies it: the step that [`State::fold`] repeats, over just the projections that it needs.
pub fn step(
    governance: &Governance,
    change: Option<&Change>,
    authenticated: &Authenticated,
    leaf: &Leaf,
    hash: Hash,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Next, Refusal> {
    let statement = authenticated.statement();
    let facts = facts_of(&statement.body, blob)?;
    admit::admit(governance, change, authenticated, facts.as_ref(), blob, leaf.admitted_at)?;
    let admitted = Admitted {
        statement,
        payload: authenticated.payload(),
        signed_with: authenticated.signed_with(),
        at: leaf.admitted_at,
        facts: facts.as_ref(),
    };
    let expected_stream = match subject_change(authenticated) {
        Some(id) => change_stream(&id)?,
        None => governance_stream()?,
    };
    stands_in(leaf, &expected_stream)?;
    match (change, &statement.body) {
        (None, Body::Proposal(proposal)) => {
            let mut change = Change::begin(&admitted, proposal);
            change.head = follow(StreamHead::EMPTY, leaf, hash)?;
            Ok(Next::Change(Box::new(change)))
        }
        (Some(change), _) => {
            let mut change = change.clone();
            change.apply(&admitted);
            change.head = follow(change.head, leaf, hash)?;
            Ok(Next::Change(Box::new(change)))
        }
        (None, _) => {
            let mut governance = governance.clone();
            governance.apply(statement, authenticated.payload(), blob)?;
            governance.record.head = follow(governance.record.head, leaf, hash)?;
            Ok(Next::Governance(Box::new(governance)))
        }
    }
}

/// The facts blob that a proposal or revision names.
pub fn facts_of(body: &Body, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Result<Option<GitFacts>, Refusal> {
    let named = match body {
        Body::Proposal(proposal) => proposal.facts,
        Body::NewRevision(revision) => revision.facts,
        _ => None,
    };
    let Some(digest) = named else { return Ok(None) };
    let bytes =
        blob(&digest).ok_or_else(|| Refusal::unknown("blob-missing", format!("the facts {digest} are missing")))?;
    if Digest::of(&bytes) != digest {
        return Err(Refusal::malformed("blob-changed", format!("the facts do not hash to {digest}")));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| Refusal::malformed("malformed-facts", format!("the facts {digest} are malformed: {e}")))
}

/// A statement stands in the one stream that follows from it.
fn stands_in(leaf: &Leaf, stream: &StreamId) -> Result<(), Refusal> {
    match leaf.lines() {
        [line] if line.stream == *stream => Ok(()),
        lines => {
            let names: Vec<&str> = lines.iter().map(|line| line.stream.as_str()).collect();
            Err(Refusal::malformed(
                "wrong-stream",
                format!("the leaf stands in stream {}, where it does not belong", names.join(", ")),
            ))
        }
    }
}

/// Each leaf follows the one that its stream's head names.
fn follow(head: StreamHead, leaf: &Leaf, hash: Hash) -> Result<StreamHead, Refusal> {
    match leaf.lines().first() {
        Some(line) if line.seq == head.next_seq && line.prev == head.last => {
            Ok(StreamHead { next_seq: head.next_seq.saturating_add(1), last: hash })
        }
        line => Err(Refusal::malformed(
            "stream-broken",
            format!(
                "leaf {} of stream {} does not follow the one before it: sequence number {} is next, after {}",
                line.map_or(0, |line| line.seq),
                line.map_or("", |line| line.stream.as_str()),
                head.next_seq,
                head.last
            ),
        )),
    }
}
