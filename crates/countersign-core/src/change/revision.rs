//! One revision of a change: what would be applied, and what its content says of who made it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use super::Found;
use crate::{
    facts::{AiSignal, IdentityFact, git::Ident},
    ids::ActorId,
    kind::Documents,
    statement::RevisionRef,
    subject::Subject,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub reference: RevisionRef,
    pub by: ActorId,
    pub sponsor: Option<ActorId>,
    pub at: Time,
    pub subject: Subject,
    pub facts: Option<Digest>,
    /// The blob that `named` is from.
    pub identities_blob: Option<Digest>,
    pub text: Digest,
    pub documents: Documents,
    /// From the facts: who the commits name, what they say of AI, which guidance they cite.
    pub identities: Vec<IdentityFact>,
    /// Names and mails behind the references of `identities`; empty when they were erased.
    pub named: BTreeMap<String, Ident>,
    pub ai: Vec<AiSignal>,
    pub guidance: BTreeSet<String>,
}

impl Revision {
    pub(super) fn new(
        (by, at): (&ActorId, Time),
        found: &Found,
        reference: RevisionRef,
        subject: &Subject,
        (facts, identities_blob, text): (Option<Digest>, Option<Digest>, Digest),
        documents: Documents,
        sponsor: Option<ActorId>,
    ) -> Self {
        let of = found.facts.as_ref();
        Self {
            reference,
            by: by.clone(),
            sponsor,
            at,
            subject: subject.clone(),
            facts,
            identities_blob,
            text,
            documents,
            named: found.identities.as_ref().map(|i| i.people.clone()).unwrap_or_default(),
            identities: of.map(|f| f.identities.clone()).unwrap_or_default(),
            ai: of.map(|f| f.ai.clone()).unwrap_or_default(),
            guidance: of.map(|f| f.guidance.clone()).unwrap_or_default(),
        }
    }
}
