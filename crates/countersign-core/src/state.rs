//! State: what the ledger has said so far. [`State::fold`] is the only way to it, in the store's rebuild and in a
//! verifier alike: every leaf is authenticated and admitted again, with the state as it stood there.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Hash, Leaf, StreamHead};

use crate::{
    admit::{self, Authenticated, authenticate, authenticate_genesis},
    change::{Admitted, Change},
    facts::{GitFacts, Identities},
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
    if leaf.stream != governance_stream()? {
        return Err(wrong_stream(leaf));
    }
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
    let identities = identities_of(&statement.body, facts.as_ref(), blob)?;
    admit::admit(governance, change, authenticated, facts.as_ref(), blob, leaf.admitted_at)?;
    let admitted = Admitted {
        statement,
        payload: authenticated.payload(),
        signed_with: authenticated.signed_with(),
        at: leaf.admitted_at,
        facts: facts.as_ref(),
        identities: identities.as_ref(),
    };
    let expected_stream = match subject_change(authenticated) {
        Some(id) => change_stream(&id)?,
        None => governance_stream()?,
    };
    if leaf.stream != expected_stream {
        return Err(wrong_stream(leaf));
    }
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
    GitFacts::parse(&bytes).map(Some)
}

/// The names behind the facts; `None` where they were erased.
fn identities_of(
    body: &Body,
    facts: Option<&GitFacts>,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Option<Identities>, Refusal> {
    let named = match body {
        Body::Proposal(proposal) => proposal.identities,
        Body::NewRevision(revision) => revision.identities,
        _ => None,
    };
    let (digest, facts) = match (named, facts) {
        (Some(digest), Some(facts)) => (digest, facts),
        (None, None) => return Ok(None),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Refusal::malformed(
                "identities-missing",
                "facts of a git range and the names behind them come together",
            ));
        }
    };
    let Some(bytes) = blob(&digest) else { return Ok(None) };
    if Digest::of(&bytes) != digest {
        return Err(Refusal::malformed("blob-changed", format!("the identities do not hash to {digest}")));
    }
    let identities = Identities::parse(&bytes)?;
    if identities.are_of(facts) {
        return Ok(Some(identities));
    }
    Err(Refusal::malformed("identities-mismatch", "the identities are not those whom the facts name"))
}

/// Each leaf follows the one that its stream's head names.
fn follow(head: StreamHead, leaf: &Leaf, hash: Hash) -> Result<StreamHead, Refusal> {
    if leaf.seq != head.next_seq || leaf.prev != head.last {
        return Err(Refusal::malformed(
            "stream-broken",
            format!(
                "leaf {} of stream {} does not follow the one before it: sequence number {} is next, after {}",
                leaf.seq, leaf.stream, head.next_seq, head.last
            ),
        ));
    }
    Ok(StreamHead { next_seq: head.next_seq.saturating_add(1), last: hash })
}

fn wrong_stream(leaf: &Leaf) -> Refusal {
    Refusal::malformed("wrong-stream", format!("the leaf stands in stream {}, where it does not belong", leaf.stream))
}
