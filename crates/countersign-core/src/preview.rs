//! A change that nobody has proposed, as it would stand if somebody did: for whoever asks what the rules would ask of it.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use crate::{
    change::{Change, Found},
    decision::{Decision, Missing, Token},
    facts::{GitFacts, Identities},
    governance::Governance,
    ids::{ActorId, ChangeId, Target},
    kind::{Documents, Kind, Purpose},
    refusal::Refusal,
    requirement::{Document, Need, Requirement},
    rules::decide,
    snapshot::{Builder, TargetView},
    statement::Proposal,
    subject::Subject,
};

/// What would be proposed.
#[derive(Clone, Debug)]
pub struct Preview {
    pub proposal: Proposal,
    pub subject: Subject,
    /// Of commits: what is computed from them, and the names behind it.
    pub facts: Option<(GitFacts, Identities)>,
}

impl Preview {
    /// Of content alone, without a word that anybody wrote about it.
    pub fn of(
        kind: Kind,
        targets: BTreeSet<Target>,
        documents: Documents,
        subject: Subject,
        facts: Option<(GitFacts, Identities)>,
    ) -> Result<Self, Refusal> {
        let named = |bytes: Result<Vec<u8>, Refusal>| bytes.map(|bytes| Digest::of(&bytes));
        let proposal = Proposal {
            documents,
            facts: facts.as_ref().map(|(facts, _)| named(facts.to_blob())).transpose()?,
            identities: facts.as_ref().map(|(_, names)| named(names.to_blob())).transpose()?,
            kind,
            purpose: Purpose::default(),
            sponsor: None,
            subject: subject.reference()?,
            targets,
            text: Digest::of(b""),
        };
        Ok(Self { proposal, subject, facts })
    }

    /// The change that somebody would begin by it. Its id is of no use: a proposal has a nonce.
    pub fn change(self, by: &ActorId, governance: &Governance, now: Time) -> Result<Change, Refusal> {
        let (facts, identities) = self.facts.unzip();
        let found = Found { facts, identities, ..Found::default() };
        let payload = Digest::of(crate::canonical::to_bytes(&self.proposal)?);
        let mut change = Change::proposed((by, now), payload, &self.proposal, &self.subject, &found);
        change.know_people(governance);
        Ok(change)
    }
}

/// The documents that rules in force ask of a change of this kind on these targets, whatever else it is.
pub fn documents_asked(
    governance: &Governance,
    targets: &BTreeSet<Target>,
    kind: Kind,
    now: Time,
) -> BTreeSet<Document> {
    let mut nothing_said =
        Builder::new(ChangeId::of_proposal(&Digest::of("documents")), kind).population(governance.catalog.population());
    for target in targets {
        let Ok(system) = governance.catalog.target(target) else { continue };
        nothing_said = nothing_said.target(TargetView {
            target: target.clone(),
            production: governance.catalog.is_production(target),
            tier: system.tier,
            owner: system.owner.clone(),
        });
    }
    let decision = decide::decide(&governance.rules, &nothing_said.build(), now);
    let binding = decision.rules.iter().filter(|rule| Decision::stops(rule));
    let ways = binding.flat_map(|rule| &rule.missing).flat_map(Missing::ways);
    ways.filter_map(|way| match &way.token {
        Token::Requirement(Requirement { need: Need::Document { document, .. }, only: _ }) => Some(*document),
        _ => None,
    })
    .collect()
}
