//! A change that nobody has proposed, as it would stand if somebody did: for whoever asks what the rules would ask of it.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use crate::{
    change::{Change, Found},
    facts::{GitFacts, Identities},
    ids::{ActorId, Target},
    kind::{Documents, Kind, Purpose},
    refusal::Refusal,
    statement::Proposal,
    subject::Subject,
};

/// What would be proposed.
#[derive(Clone, Debug)]
pub struct Preview {
    pub kind: Kind,
    pub targets: BTreeSet<Target>,
    pub documents: Documents,
    pub subject: Subject,
    /// Of commits: what is computed from them, and the names behind it.
    pub facts: Option<(GitFacts, Identities)>,
}

impl Preview {
    /// The change that somebody would begin by it. Its id is of no use: a proposal has a nonce.
    pub fn change(self, by: &ActorId, now: Time) -> Result<Change, Refusal> {
        let named = |bytes: Result<Vec<u8>, Refusal>| bytes.map(|bytes| Digest::of(&bytes));
        let (facts, identities) = self.facts.unzip();
        let proposal = Proposal {
            documents: self.documents,
            facts: facts.as_ref().map(|facts| named(facts.to_blob())).transpose()?,
            identities: identities.as_ref().map(|names| named(names.to_blob())).transpose()?,
            kind: self.kind,
            purpose: Purpose::default(),
            sponsor: None,
            subject: self.subject.reference()?,
            targets: self.targets,
            text: Digest::of(b""),
        };
        let found = Found { facts, identities, ..Found::default() };
        let payload = Digest::of(crate::canonical::to_bytes(&proposal)?);
        Ok(Change::proposed((by, now), payload, &proposal, &self.subject, &found))
    }
}
