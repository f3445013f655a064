//! The leaves of one submission as they are put together, each folded into the state that the one before it left.
//!
//! Everything that a draft has looked at is expected to stand so still when it is written; else it is made anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use countersign_core::{
    admit::{self, Signed},
    change::Change,
    coverage,
    decision::{Decision, Outcome},
    evidence::{self, MAX_DOCUMENT_BYTES},
    explain::Explained,
    fold::Entry,
    ids::ChangeId,
    permit::{Denied, Permit},
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{
        Body, Decided, Erasure, Evidence, GuidanceObservation, PermitRequest, Publication, Statement, governance_stream,
    },
    subject::{GovernanceSubject, Subject, SubjectRef},
    text::{CommentText, ProposalText, Reason},
};
use countersign_ledger::{Digest, Envelope, PublicKey, StreamId, Time};

use super::{Engine, EngineError, MAX_BLOB_BYTES, leaf_at, reads};
use crate::{
    notify,
    records::{self, blobs_named},
    store::{NewLeaf, Submission},
};

/// More than any statement but a publication names.
const MAX_BLOBS: usize = 8;
/// A publication names the files that it replaces.
const MAX_PUBLISHED: usize = 4_096;

/// What came of a permit request.
pub(super) enum Asked {
    Permitted(Envelope),
    /// The decision is a leaf of the draft.
    Denied,
    /// The log has this denial already, so nothing is written.
    DeniedBefore(Box<Explained>),
}

pub(super) struct Draft<'a> {
    engine: &'a Engine,
    state: State,
    at: Time,
    leaves: Vec<NewLeaf>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Where the streams stood that were looked at.
    expected: BTreeMap<StreamId, u64>,
    touched: BTreeSet<StreamId>,
    erasures: Vec<Erasure>,
    /// The log key in force before it.
    log_key: String,
}

impl<'a> Draft<'a> {
    /// Loads what the statement needs.
    pub async fn begin(engine: &'a Engine, signed: &Signed, at: Time) -> Result<Self, EngineError> {
        let (head, governance) = engine.governed().await?;
        let log_key = governance.record.log_key.clone();
        let mut state = State::part(governance);
        state.know(governance_stream()?, head);
        records::load_for(engine.store(), &mut state, signed).await?;
        let mut draft = Self {
            engine,
            state,
            at,
            leaves: Vec::new(),
            blobs: BTreeMap::new(),
            expected: BTreeMap::new(),
            touched: BTreeSet::new(),
            erasures: Vec::new(),
            log_key,
        };
        draft.expect();
        Ok(draft)
    }

    /// Whatever is known now is expected to stand where it stood when it was loaded.
    fn expect(&mut self) {
        for (stream, head) in self.state.all_heads() {
            self.expected.entry(stream.clone()).or_insert(head.next_seq);
        }
    }

    async fn load(&mut self, streams: &BTreeSet<StreamId>) -> Result<(), EngineError> {
        records::load(self.engine.store(), &mut self.state, streams).await?;
        self.expect();
        Ok(())
    }

    pub async fn know_everybody(&mut self) -> Result<(), EngineError> {
        Ok(records::know_everybody(self.engine.store(), &mut self.state).await?)
    }

    fn change(&self, id: &ChangeId) -> Result<&Change, Refusal> {
        self.state.change(id)?.ok_or_else(|| Refusal::unknown("unknown-change", format!("there is no change {id}")))
    }

    pub fn push(&mut self, envelope: Envelope, signed: Signed) -> Result<(), EngineError> {
        let streams = signed.statement().streams(&signed.payload())?;
        let unique = records::uniques(&self.state, &signed)?;
        let leaf = leaf_at(&streams, |stream| self.state.head(stream), self.at, envelope)?;
        let entry = Entry::of(leaf, signed);
        let blobs = &self.blobs;
        self.state.fold(&entry, &|digest| blobs.get(digest).cloned())?;
        if let Body::Erasure(erasure) = &entry.signed.statement().body {
            self.erasures.push(erasure.clone());
        }
        self.leaves.push(NewLeaf { leaf: entry.leaf, unique });
        self.touched.extend(streams);
        Ok(())
    }

    /// What depends on the whole home and not on the streams that a statement stands in: how many keys are suspended at a time,
    /// and whether each group can still supply what the rules ask of it.
    pub async fn fits_the_home(&self, signed: &Signed) -> Result<(), EngineError> {
        match &signed.statement().body {
            Body::KeyRevocation(_) => {
                let people = records::people(self.engine.store()).await?;
                Ok(admit::bounds(&self.state.governance, &people, signed, self.at)?)
            }
            Body::Publication(_) => {
                let before = self.engine.governance().await?;
                self.engine.keys.has_those_of(&self.state.governance.record)?;
                let people = records::people(self.engine.store()).await?;
                admit::brings_back(&before, &self.state.governance, &people)?;
                coverage::leaves_able(&before, &self.state.governance, self.at)?;
                coverage::leaves_enough(&before, &self.state.governance, self.at)?;
                Ok(coverage::leaves_governable(&self.state.governance, self.at)?)
            }
            Body::KeyRotation(rotation) => self.is_no_gates(&rotation.new_key).await,
            Body::Recovery(recovery) => {
                for key in recovery.keys.values() {
                    self.is_no_gates(key).await?;
                }
                let before = self.engine.governance().await?;
                let people = records::people(self.engine.store()).await?;
                match admit::can_govern(&before, &people) {
                    false => Ok(()),
                    true => Err(Refusal::forbidden(
                        "nothing-to-recover",
                        "two people and more can act here, one of them of the policy group; the quorum recovers a log in which fewer can",
                    )
                    .hint("a key that was lost goes by two others: countersign rotate-key --lost FINGERPRINT --new FILE --why …")
                    .into()),
                }
            }
            body @ (Body::Proposal(_) | Body::NewRevision(_)) => match body.governance_subject() {
                Some(subject) => self.could_govern(subject).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// No stream tells whose the keys of all gates are.
    async fn is_no_gates(&self, key: &PublicKey) -> Result<(), EngineError> {
        match records::gate_by_key(self.engine.store(), &key.fingerprint()).await? {
            None => Ok(()),
            Some((gate, _)) => {
                Err(Refusal::conflict("key-taken", format!("key {} is gate {gate}'s", key.fingerprint()))
                    .hint("make one that nobody has had: ssh-keygen -t ed25519")
                    .into())
            }
        }
    }

    /// What could not be put in force as it is need not be read by anybody.
    async fn could_govern(&self, named: &SubjectRef) -> Result<(), EngineError> {
        let blob = |digest: &Digest| self.blobs.get(digest).cloned();
        let subject = Subject::read(named, &blob(&named.digest).unwrap_or_default())?;
        let Subject::Governance(GovernanceSubject { files, parent, semantics }) = subject else { return Ok(()) };
        admit::replaces_what_is_in_force(&self.state, &parent)?;
        let publication = Publication { change: None, files, parent, reason: files, semantics };
        let before = &self.state.governance;
        let after = before.publish(&publication, named.digest, &blob)?;
        self.engine.keys.has_those_of(&after.record)?;
        self.is_no_gates(&after.record.server_key).await?;
        admit::brings_back(before, &after, &records::people(self.engine.store()).await?)?;
        admit::standards_hold(before, &after, self.at)?;
        coverage::leaves_able(before, &after, self.at)?;
        coverage::leaves_enough(before, &after, self.at)?;
        Ok(coverage::leaves_governable(&after, self.at)?)
    }

    /// Adds something that the server says.
    async fn say(&mut self, body: Body) -> Result<Envelope, EngineError> {
        let head = self.engine.store.head().await?;
        let governance = &self.state.governance.record;
        let key = self.engine.keys.in_force(governance)?;
        let envelope = super::speech::signed(&key, governance, &head, body)?;
        self.push(envelope.clone(), Signed::check(&envelope)?)?;
        Ok(envelope)
    }

    /// Writes down how the guidance stands that the change cites, if that is news.
    pub async fn observe(&mut self, id: &ChangeId) -> Result<(), EngineError> {
        let change = self.change(id)?.clone();
        if let Some(documents) = self.engine.observe(&change).await? {
            let (change, revision) = reads::about(&change)?;
            self.say(Body::GuidanceObservation(GuidanceObservation { change, documents, revision })).await?;
        }
        Ok(())
    }

    /// Decides by the state as this draft leaves it, logs the decision, and issues the permit if it allows. A denial that
    /// the log has already, for the same revision, gate, transition and unmet rules, is not logged again.
    pub async fn decide(&mut self, request: &PermitRequest) -> Result<Asked, EngineError> {
        let inputs = self.change(&request.change)?.inputs(&self.state.governance, Some(&request.gate))?;
        self.load(&inputs).await?;
        let change = self.change(&request.change)?.clone();
        let snapshot = Snapshot::take(&self.state, &change, self.at)?;
        let decision = decide::decide(&self.state.governance.rules, &snapshot, self.at);
        if decision.outcome == Outcome::Deny && self.is_known(&change, &decision).await? {
            let denial = reads::denial(self.engine, &self.state, &change, decision, self.at).await?;
            return Ok(Asked::DeniedBefore(Box::new(denial)));
        }
        let decision_bytes = records::json(&decision)?;
        let decision_digest = Digest::of(&decision_bytes);
        let snapshot_bytes = snapshot.to_bytes();
        let asked = change.requested.as_ref().map(|request| request.statement);
        let decided = Decided {
            change: request.change.clone(),
            decided_at: self.at,
            decision: decision_digest,
            heads: self.state.heads(&inputs)?,
            outcome: decision.outcome,
            recovers: decision.rollback.is_some(),
            request: asked.ok_or_else(|| Refusal::malformed("not-asked", "there is no request to decide on"))?,
            revision: request.revision,
            rules: decision.rules_digest,
            semantics: decision.semantics,
            snapshot: Digest::of(&snapshot_bytes),
        };
        self.blobs.insert(decision_digest, decision_bytes);
        self.blobs.insert(decided.snapshot, snapshot_bytes);
        self.say(Body::Decided(decided)).await?;
        match Permit::issue(&decision, decision_digest, &change, request, self.at) {
            Ok(permit) => Ok(Asked::Permitted(self.say(Body::PermitGrant(permit.grant().clone())).await?)),
            Err(Denied::ByRules(_)) => Ok(Asked::Denied),
            Err(Denied::Refused(refusal)) => Err(refusal.into()),
        }
    }

    /// Whether the last decision said the same to the same.
    async fn is_known(&self, change: &Change, decision: &Decision) -> Result<bool, EngineError> {
        let (Some(last), Some(request)) = (change.decisions.last(), &change.requested) else { return Ok(false) };
        let same_question = last.outcome == Outcome::Deny
            && Some(last.revision) == change.current_ref()
            && last.request.gate == request.gate
            && last.request.transition == request.transition;
        if !same_question {
            return Ok(false);
        }
        let logged = self.engine.store.blobs(&[last.decision]).await?.remove(&last.decision);
        let logged: Option<Decision> = logged.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(logged.is_some_and(|logged| logged.rules == decision.rules))
    }

    /// How the change would stand after this draft, with who could supply what is missing.
    pub async fn standing(&mut self, id: &ChangeId) -> Result<Option<Explained>, EngineError> {
        let change = self.change(id)?.clone();
        if !change.status.is_open() {
            return Ok(None);
        }
        // Nothing is expected of what is only looked at for the answer.
        let mut state = self.state.clone();
        let inputs = change.inputs(&state.governance, None)?;
        records::load(self.engine.store(), &mut state, &inputs).await?;
        let snapshot = Snapshot::take(&state, &change, self.at)?;
        let decision = decide::decide(&state.governance.rules, &snapshot, self.at);
        Ok(Some(reads::denial(self.engine, &state, &change, decision, self.at).await?))
    }

    pub async fn finish(self) -> Result<Submission, EngineError> {
        let governance = governance_stream()?;
        if self.touched.contains(&governance) {
            // Parsed here once; whoever reads next need not parse it again.
            self.engine.governance.put(self.state.head(&governance)?, &Arc::clone(&self.state.governance));
        }
        let mut erased = Vec::new();
        for erasure in &self.erasures {
            erased.extend(records::erased(self.engine.store(), erasure).await?);
        }
        let mut outbox = Vec::new();
        if self.engine.tells.load(Ordering::Relaxed) {
            for NewLeaf { leaf, .. } in &self.leaves {
                let said = Statement::parse(leaf.envelope.payload())?;
                outbox.extend(notify::job(&said, &leaf.envelope.payload_digest(), leaf.admitted_at, &self.state));
            }
        }
        Ok(Submission {
            leaves: self.leaves,
            erased,
            expected: self.expected,
            projections: records::projections(&self.state, &self.touched)?,
            blobs: self.blobs.into_values().collect(),
            outbox,
            log_key: (self.state.governance.record.log_key != self.log_key)
                .then(|| self.state.governance.record.log_key.clone()),
        })
    }
}

/// The blobs that the statement names, checked; others are not kept.
/// A stop from before a cut may come without its words: copies do not keep them.
pub(super) fn named_blobs(
    signed: &Signed,
    offered: Vec<Vec<u8>>,
    is_from_before: bool,
) -> Result<BTreeMap<Digest, Vec<u8>>, Refusal> {
    let body = &signed.statement().body;
    let most = if records::names_a_list(body) { MAX_PUBLISHED } else { MAX_BLOBS };
    if offered.len() > most {
        return Err(Refusal::malformed("too-many-blobs", format!("more than {most} blobs")));
    }
    if let Some(large) = offered.iter().find(|blob| blob.len() > MAX_BLOB_BYTES) {
        return Err(Refusal::malformed(
            "blob-too-large",
            format!("a blob of {} bytes is larger than {MAX_BLOB_BYTES}", large.len()),
        ));
    }
    let mut offered: BTreeMap<Digest, Vec<u8>> = offered.into_iter().map(|blob| (Digest::of(&blob), blob)).collect();
    let mut named = BTreeMap::new();
    let token = signed.token().map(|token| token.digest);
    let all = blobs_named(&signed.statement().body, |digest| offered.get(digest).cloned())?;
    for digest in all.into_iter().chain(token) {
        let offered = offered.remove(&digest);
        if offered.is_none() && is_from_before {
            return Ok(named);
        }
        let blob = offered.ok_or_else(|| {
            Refusal::unknown(
                "blob-missing",
                format!("the {} names blob {digest}, which was not sent along", body.kind()),
            )
        })?;
        named.insert(digest, blob);
    }
    let text = |digest: &Digest| named.get(digest).map(Vec::as_slice).unwrap_or_default();
    match body {
        Body::Proposal(b) => documents_agree(&ProposalText::parse(text(&b.text))?, &b.documents)?,
        Body::NewRevision(b) => documents_agree(&ProposalText::parse(text(&b.text))?, &b.documents)?,
        Body::Rejection(b) => drop(Reason::parse(text(&b.reason))?),
        Body::RejectionSetAside(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Waiver(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Comment(b) => drop(CommentText::parse(text(&b.text))?),
        Body::Evidence(b) => evidence_agrees(b, b.document.as_ref().map(text), b.text.as_ref().map(text))?,
        Body::KeyRevocation(b) => drop(Reason::parse(text(&b.reason))?),
        Body::KeyRotation(b) => drop(b.reason.as_ref().map(|digest| Reason::parse(text(digest))).transpose()?),
        Body::Recovery(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Freeze(b) => drop(Reason::parse(text(&b.reason))?),
        Body::BreakGlass(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Publication(b) if b.change.is_some() => drop(ProposalText::parse(text(&b.reason))?),
        Body::Publication(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Erasure(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Epoch(b) => drop(Reason::parse(text(&b.reason))?),
        Body::FindingAnswer(b) => drop(Reason::parse(text(&b.text))?),
        Body::Finding(b) => drop(b.text.as_ref().map(|digest| Reason::parse(text(digest))).transpose()?),
        Body::Genesis(_)
        | Body::RevocationConfirmation(_)
        | Body::GateRegistration(_)
        | Body::Approval(_)
        | Body::RejectionLift(_)
        | Body::Withdrawal(_)
        | Body::ApprovalWithdrawal(_)
        | Body::Label(_)
        | Body::Schedule(_)
        | Body::Disclosure(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::LocalPermit(_)
        | Body::FreezeLift(_)
        | Body::CalendarFetched(_)
        | Body::Drill(_)
        | Body::Away(_)
        | Body::Back(_)
        | Body::Delegation(_)
        | Body::DelegationEnd(_)
        | Body::OutcomeReport(_) => {}
    }
    Ok(named)
}

/// A document that says what came of it says what the statement says.
fn evidence_agrees(said: &Evidence, document: Option<&[u8]>, words: Option<&[u8]>) -> Result<(), Refusal> {
    words.map(Reason::parse).transpose()?;
    let Some(document) = document else { return Ok(()) };
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(Refusal::malformed(
            "blob-too-large",
            format!("the document of {} bytes is larger than {MAX_DOCUMENT_BYTES}", document.len()),
        ));
    }
    match evidence::read(document, None)? {
        Some(attested) if attested.result != said.result => Err(Refusal::malformed(
            "result-mismatch",
            format!("the evidence says {}, and its document that it {}", said.result, attested.result),
        )),
        Some(_) | None => Ok(()),
    }
}

fn documents_agree(text: &ProposalText, documents: &countersign_core::kind::Documents) -> Result<(), Refusal> {
    if text.documents() == *documents {
        return Ok(());
    }
    Err(Refusal::malformed("documents-mismatch", "the statement says other lengths of its texts than they have"))
}
