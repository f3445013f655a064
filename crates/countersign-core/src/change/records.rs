//! The records that a change is made of, each from one statement about it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, StreamHead, StreamId, Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

use super::Found;
use crate::{
    catalog::Catalog,
    decision::Outcome,
    evidence::EvidenceResult,
    facts::{AiSignal, GitFacts, IdentityFact, RuledPath, SignatureFact, Size, git::Ident},
    glass::{Alone, Broken},
    governance::Governance,
    ids::{ActorId, EvidenceKind, GateId, Label, RuleId},
    issuer::ByToken,
    kind::Documents,
    pieces::Pieces,
    refusal::Refusal,
    statement::{Disclosure, Identification, OutcomeResult, RevisionRef, Seen, Window},
    subject::{Subject, TransitionRef},
};

/// A tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRecord {
    /// Who signed it first.
    pub by: ActorId,
    pub at: Time,
    pub blobs: BTreeSet<Digest>,
}

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
    /// What the delta touches; `None` where that are too many paths to keep, or there is no delta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<RuledPath>>,
    /// Of commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Who committed, and by which key.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub signatures: BTreeSet<SignatureFact>,
    /// Whose those keys were when the revision came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: BTreeMap<Fingerprint, ActorId>,
    /// Whose the mails behind the references were when the revision came: they had a hand in it, whoever has the mail now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holders: BTreeMap<String, ActorId>,
    /// Files of names and mails that were not there to tell that, for whoever replays the log: what is kept does not depend on when they
    /// were erased.
    #[serde(skip)]
    pub profiles_missing: BTreeSet<Digest>,
    /// By which key it was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// Of commits, the digest of the delta that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<Digest>,
    /// What its commits bring one by one; `None` where that is not known, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Digest>,
    /// Of commits that are not one commit, and no merge: how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<u32>,
    /// Of what governs: whether it loosens what was in force when it was submitted, the only thing that it can replace. `None` where
    /// that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loosens: Option<bool>,
    /// What it brings, path by path.
    #[serde(default, skip_serializing_if = "Pieces::is_empty")]
    pub pieces: Pieces,
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
            paths: of.and_then(GitFacts::ruled_paths),
            size: of.map(|f| f.size),
            signatures: of.map(|f| f.signatures.clone()).unwrap_or_default(),
            signers: BTreeMap::new(),
            holders: BTreeMap::new(),
            profiles_missing: BTreeSet::new(),
            key: None,
            inverse: of.map(GitFacts::inverse),
            steps: of.and_then(GitFacts::steps),
            several: of.filter(|of| of.commits != 1 || of.merges > 0).map(|of| of.commits),
            loosens: found.loosens,
            pieces: Pieces::of(subject, of),
        }
    }

    /// Whether another revision brings what this one does, alone or among other things: so it stands under what rejects this one.
    pub fn is_brought_by(&self, other: &Self) -> Result<bool, Refusal> {
        let same = self.subject.content()? == other.subject.content()?;
        Ok(same || self.pieces.remembered().are_among(&other.pieces))
    }

    /// Finds out whose the keys are that signed its commits. Of so many that a decision could not look at each, nobody's is known.
    pub(super) fn know_signers(&mut self, catalog: &Catalog) {
        let keys: BTreeSet<&Fingerprint> =
            self.signatures.iter().filter_map(|signature| signature.key.as_ref()).collect();
        if keys.len() <= MAX_SIGNERS {
            let known = |key: &Fingerprint| Some((key.clone(), catalog.actor_by_key(key)?.id.clone()));
            self.signers = keys.into_iter().filter_map(known).collect();
        }
    }

    /// Finds out whose the mails are that its commits name.
    pub(super) fn know_holders(&mut self, governance: &Governance) {
        let holder = |mail: &str| governance.catalog.person_by_mail(mail).map(|actor| actor.id.clone());
        let known = self.named.iter().filter_map(|(reference, who)| Some((reference.clone(), holder(&who.mail)?)));
        self.holders = known.collect();
        if !self.identities.is_empty() {
            self.profiles_missing.clone_from(governance.profiles_missing());
        }
    }
}

/// Keys that signed the commits of one revision: the streams of whose they are bear on its decisions.
pub const MAX_SIGNERS: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRecord {
    pub by: ActorId,
    pub key: Fingerprint,
    pub assurance: Assurance,
    pub revision: RevisionRef,
    pub seen: Seen,
    /// The payload's digest: the statement's name.
    pub statement: Digest,
    pub at: Time,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Delegations to who approved that held then: by their payload digests, whose they are. One that comes later does not reach
    /// back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delegated: BTreeMap<Digest, ActorId>,
    /// When the change landed, as whoever approved saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Window>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionRecord {
    pub by: ActorId,
    pub revision: RevisionRef,
    pub reason: Digest,
    pub at: Time,
    pub lifted: bool,
    /// Who has set it aside, each for one content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Aside>,
}

/// Somebody's word that another's rejection need not stop this content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aside {
    pub by: ActorId,
    /// What they were when they said so.
    pub senior: bool,
    pub content: Digest,
    /// Blob.
    pub reason: Digest,
}

/// How many people set a rejection aside, one of them a senior.
pub const ASIDE_PEOPLE: usize = 2;

/// Whether enough people have set a rejection aside for this content.
pub fn is_set_aside(aside: &[Aside], content: &Digest) -> bool {
    let here = || aside.iter().filter(|aside| aside.content == *content);
    let people: BTreeSet<&ActorId> = here().map(|aside| &aside.by).collect();
    people.len() >= ASIDE_PEOPLE && here().any(|aside| aside.senior)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosureRecord {
    pub by: ActorId,
    pub at: Time,
    pub said: Disclosure,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverRecord {
    pub by: ActorId,
    pub key: Fingerprint,
    pub rule: RuleId,
    pub revision: RevisionRef,
    pub reason: Digest,
    pub at: Time,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// When the change landed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Window>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentificationRecord {
    pub by: ActorId,
    pub at: Time,
    /// The epoch that it was said in, as its header says. What is of an earlier one clears nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    pub said: Identification,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRecord {
    /// The request's payload digest.
    pub statement: Digest,
    pub gate: GateId,
    pub audience: Fingerprint,
    pub transition: TransitionRef,
    /// Who applies it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<ActorId>,
    /// Until when the gate had only watched one of the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_until: Option<Time>,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    pub outcome: Outcome,
    pub revision: RevisionRef,
    pub decision: Digest,
    pub at: Time,
    pub request: RequestRecord,
    /// The heads that it was decided from.
    pub heads: BTreeMap<StreamId, StreamHead>,
    /// Whether it was a rollback that one person may do alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Whether it went only because of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitRecord {
    /// The permit's payload digest.
    pub statement: Digest,
    pub revision: RevisionRef,
    pub gate: GateId,
    pub audience: Fingerprint,
    pub transition: TransitionRef,
    pub issued_at: Time,
    pub expires_at: Time,
    /// Who applies it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<ActorId>,
    pub outcome: Option<OutcomeResult>,
    /// That it stands on people's word alone, whatever the rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
    /// That a gate decided it alone, in an outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Alone>,
    /// Whether it is of a rollback that one person may do alone: no rejection stops that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Whether only that opens the gate: the rules by themselves would not have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovers: bool,
    /// When the log took that outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Time>,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

impl PermitRecord {
    /// Whether one person rolled back by it alone, with the log or without it.
    pub fn is_of_one(&self) -> bool {
        self.recovers || self.alone.as_ref().is_some_and(|alone| alone.recovers)
    }

    /// Whether a gate opened for it before the log could be told, so that what came of it is a fact, however late it is told.
    pub fn is_from_an_outage(&self) -> bool {
        self.alone.is_some() || self.broken.as_ref().is_some_and(|broken| broken.nonce.is_some())
    }

    /// Whether it was started, and nobody has said how that ended.
    pub fn is_running(&self) -> bool {
        match self.outcome {
            Some(OutcomeResult::Started) => true,
            Some(OutcomeResult::Applied | OutcomeResult::Failed) | None => false,
        }
    }
}

/// What somebody said of a revision; the words are in the blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommentRecord {
    pub by: ActorId,
    pub at: Time,
    pub revision: RevisionRef,
    pub text: Digest,
}

/// A label that somebody put on it and nobody took off. It stands over later revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRecord {
    pub label: Label,
    pub by: ActorId,
    pub key: Fingerprint,
    pub at: Time,
    pub revision: RevisionRef,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

/// What a workload said it found of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    pub by: ActorId,
    pub key: Fingerprint,
    pub at: Time,
    pub revision: RevisionRef,
    pub kind: EvidenceKind,
    pub result: EvidenceResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Digest>,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Where a token spoke for it; then the key is its issuer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ByToken>,
}

impl EvidenceRecord {
    /// Whether whoever keeps this has checked whose word it is, and everybody else still can.
    pub fn is_checked(&self) -> bool {
        !self.token.as_ref().is_some_and(|token| token.unseen || token.erased)
    }
}

/// An approval that was there, and that whoever gave it took back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenBack {
    pub by: ActorId,
    pub revision: RevisionRef,
    pub at: Time,
    /// By rejecting what they had approved.
    pub rejected: bool,
    /// How many permits had been issued by then: none of them starts any more.
    pub permits: usize,
}
