//! A change as its stream tells it: a projection that `Change::apply` builds, one admitted statement at a time.

mod carry;
mod erasing;
mod expiry;
mod fits;
mod records;
mod schedule;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, Jws, Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

pub use self::{
    expiry::SAID_BEFORE_SECS,
    records::{
        ASIDE_PEOPLE, ApprovalRecord, Aside, CommentRecord, DecisionRecord, DisclosureRecord, ErasureRecord,
        EvidenceRecord, IdentificationRecord, LabelRecord, PermitRecord, RejectionRecord, RequestRecord, Revision,
        TakenBack, WaiverRecord, is_set_aside,
    },
    schedule::{ScheduleRecord, Schedules},
    status::ChangeStatus,
};
use crate::{
    calendar::FetchedFile,
    evidence::EvidenceResult,
    facts::{GitFacts, Identities},
    glass::{Alone, Broken},
    governance::Governance,
    ids::{ActorId, ChangeId, EvidenceKind, GateId, Oid, RepositoryId, Target},
    issuer::ByToken,
    kind::{Kind, Purpose},
    refusal::Refusal,
    snapshot::Applier,
    statement::{
        Body, FoundDocument, LabelAct, Labelling, ObservedDocument, OutcomeResult, Proposal, RevisionRef, Statement,
    },
    subject::{Subject, Transition},
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub id: ChangeId,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Purpose::is_none")]
    pub purpose: Purpose,
    pub targets: BTreeSet<Target>,
    pub proposer: ActorId,
    pub proposed_at: Time,
    pub status: ChangeStatus,
    /// Never empty.
    pub revisions: Vec<Revision>,
    pub approvals: Vec<ApprovalRecord>,
    pub rejections: Vec<RejectionRecord>,
    pub disclosures: Vec<DisclosureRecord>,
    pub waivers: Vec<WaiverRecord>,
    pub identifications: Vec<IdentificationRecord>,
    /// The latest observation of the guidance that the change cites.
    pub observed: Vec<ObservedDocument>,
    pub decisions: Vec<DecisionRecord>,
    /// The last permit request, until a decision answers it.
    pub requested: Option<RequestRecord>,
    /// At which gate it is looked at, see [`Change::at_gate`].
    #[serde(skip)]
    pub(crate) at_gate: Option<GateId>,
    pub permits: Vec<PermitRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<CommentRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceRecord>,
    /// Those that stand, the latest of each actor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelRecord>,
    /// How often each actor put some on or took some off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labelled: BTreeMap<ActorId, u32>,
    /// Approvals that are there no more, since who gave them took them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<TakenBack>,
    /// When people say that it lands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: Schedules,
    /// When somebody last touched it, after it was proposed; and when it was taken up again after it had expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revived_at: Option<Time>,
    /// What of it was erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<ErasureRecord>,
}

/// Who signed an admitted statement, with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWith {
    pub key: Fingerprint,
    pub assurance: Assurance,
    /// Of what was said by a token; then the key is its issuer's.
    pub token: Option<ByToken>,
}

/// An admitted statement with what the log knows of it.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub statement: &'a Statement,
    pub payload: Digest,
    pub signed_with: &'a SignedWith,
    /// Whether who speaks is a senior now.
    pub senior: bool,
    pub at: Time,
    /// The blobs that it names, parsed.
    pub found: &'a Found,
}

/// What a statement names by digest and admission has to see, parsed.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Of a proposal or revision.
    pub subject: Option<Subject>,
    pub facts: Option<GitFacts>,
    /// The names behind the facts, unless they were erased.
    pub identities: Option<Identities>,
    /// Of a permit request.
    pub transition: Option<Transition>,
    /// Of a proposal or revision of what governs: whether it loosens what is in force. Worked out where it is folded.
    pub loosens: Option<bool>,
    /// What was fetched for a calendar.
    pub fetched: Option<FetchedFile>,
    /// The token that speaks for it, if it is at hand.
    pub token: Option<Jws>,
}

impl Change {
    /// The change that a proposal begins.
    pub fn begin(admitted: &Admitted<'_>, proposal: &Proposal, subject: &Subject) -> Self {
        let by = &admitted.statement.header.by;
        let mut change = Self::proposed((by, admitted.at), admitted.payload, proposal, subject, admitted.found);
        change.signed_by(&admitted.signed_with.key);
        change
    }

    /// The change that a proposal of this name would begin, whether or not anybody signed it.
    pub fn proposed(
        (by, at): (&ActorId, Time),
        payload: Digest,
        proposal: &Proposal,
        subject: &Subject,
        found: &Found,
    ) -> Self {
        let first = RevisionRef { number: 1, digest: payload };
        let blobs = (proposal.facts, proposal.identities, proposal.text);
        let sponsor = proposal.sponsor.clone();
        Self {
            id: ChangeId::of_proposal(&payload),
            kind: proposal.kind,
            purpose: proposal.purpose.clone(),
            targets: proposal.targets.clone(),
            proposer: by.clone(),
            proposed_at: at,
            status: ChangeStatus::Proposed,
            revisions: vec![Revision::new((by, at), found, first, subject, blobs, proposal.documents.clone(), sponsor)],
            approvals: vec![],
            rejections: vec![],
            disclosures: vec![],
            waivers: vec![],
            identifications: vec![],
            observed: vec![],
            decisions: vec![],
            requested: None,
            at_gate: None,
            permits: vec![],
            comments: vec![],
            evidence: vec![],
            labels: vec![],
            labelled: BTreeMap::new(),
            taken_back: vec![],
            schedules: BTreeMap::new(),
            touched_at: None,
            revived_at: None,
            erased: vec![],
        }
    }

    fn signed_by(&mut self, key: &Fingerprint) {
        self.revisions.iter_mut().last().into_iter().for_each(|revision| revision.key = Some(key.clone()));
    }

    /// Who signed what broke the glass last, and whose rejections stood that they did not name.
    pub(crate) fn broken_by(&mut self, people: BTreeMap<ActorId, Fingerprint>, unnamed: BTreeSet<ActorId>) {
        if let Some(broken) = self.permits.last_mut().and_then(|permit| permit.broken.as_mut()) {
            broken.by.extend(people);
            broken.unnamed = unnamed;
        }
    }

    /// Until when the gate that was asked last had only watched one of its targets, if it was asked.
    pub(crate) fn watched_until(&self) -> Option<Time> {
        let decided = || self.decisions.last().map(|decision| &decision.request);
        self.requested.as_ref().or_else(decided)?.watched_until
    }

    /// What the log knows besides of the last request, or of the last decision.
    pub(crate) fn know(&mut self, watched_until: Option<Time>, rollback: bool) {
        if let Some(request) = &mut self.requested {
            request.watched_until = watched_until;
        } else if let Some(decision) = self.decisions.last_mut() {
            decision.rollback = rollback;
        }
    }

    /// The same of a permit that a gate gave itself in an outage.
    pub(crate) fn was_alone(&mut self, alone: Option<Alone>) {
        if let (true, Some(permit)) = (alone.is_some(), self.permits.last_mut()) {
            permit.alone = alone;
        }
    }

    /// The present revision. `None` only for a record that was damaged, since every change begins with one.
    pub fn current(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    pub fn current_ref(&self) -> Option<RevisionRef> {
        self.current().map(|revision| revision.reference)
    }

    /// Whether its present revision is this commit of this repository.
    pub fn is_at(&self, repository: &RepositoryId, head: &Oid) -> bool {
        match self.current().map(|revision| &revision.subject) {
            Some(Subject::Git(git)) => *repository == git.repository && *head == git.head,
            Some(Subject::Files(_) | Subject::Governance(_)) | None => false,
        }
    }

    /// Whether its present revision is this delta in this repository.
    pub fn brings(&self, repository: &RepositoryId, delta: &Digest) -> bool {
        match self.current().map(|revision| &revision.subject) {
            Some(Subject::Git(git)) => *repository == git.repository && *delta == git.delta,
            Some(Subject::Files(_) | Subject::Governance(_)) | None => false,
        }
    }

    /// The blobs without which there are references without a name: erased, or not at hand.
    pub fn names_missing(&self) -> impl Iterator<Item = Digest> {
        let unnamed = |r: &&Revision| r.identities.iter().any(|identity| !r.named.contains_key(&identity.reference));
        let profiles = self.revisions.iter().flat_map(|revision| revision.profiles_missing.iter().copied());
        self.revisions.iter().filter(unnamed).filter_map(|revision| revision.identities_blob).chain(profiles)
    }

    /// Tokens that spoke for evidence and that whoever keeps this never had; not those that were erased, which count for nobody.
    pub fn tokens_unseen(&self) -> impl Iterator<Item = Digest> {
        let tokens = self.evidence.iter().filter_map(|evidence| evidence.token.as_ref());
        tokens.filter(|token| token.unseen && !token.erased).map(|token| token.digest)
    }

    /// The same as for whoever had them: what the log took is taken to be so.
    #[must_use]
    pub fn as_with_tokens(&self) -> Self {
        let mut change = self.clone();
        change
            .evidence
            .iter_mut()
            .filter_map(|evidence| evidence.token.as_mut())
            .for_each(|token| token.unseen = false);
        change
    }

    /// A permit of the present revision that was started and of which nobody has said how it ended.
    pub fn running(&self) -> Option<&PermitRecord> {
        let current = self.current_ref();
        self.permits.iter().find(|permit| permit.is_running() && Some(permit.revision) == current)
    }

    /// Documents that the present revision's commits or anybody's last disclosure cites, and those that were cited before and
    /// that are there: what somebody went by they went by, but a name that is nobody's can be corrected.
    pub fn cited_guidance(&self) -> BTreeSet<&str> {
        let last: BTreeMap<&ActorId, &DisclosureRecord> =
            self.disclosures.iter().map(|said| (&said.by, said)).collect();
        let now = self.current().into_iter().flat_map(|revision| &revision.guidance);
        let now = now.chain(last.into_values().flat_map(|said| &said.said.guidance));
        let before = self.revisions.iter().flat_map(|revision| &revision.guidance);
        let before = before.chain(self.disclosures.iter().flat_map(|said| &said.said.guidance));
        let before = before.filter(|path| self.observed_document(path).is_some());
        now.chain(before).map(String::as_str).collect()
    }

    /// A cited document as it was last observed, if it was found.
    pub fn observed_document(&self, path: &str) -> Option<&FoundDocument> {
        self.observed.iter().find(|document| document.path == path)?.found.as_ref()
    }

    /// One of its revisions, present or past.
    pub fn revision(&self, reference: &RevisionRef) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.reference == *reference)
    }

    /// What the present revision brings.
    pub fn content(&self) -> Result<Digest, Refusal> {
        match self.current() {
            Some(revision) => revision.subject.content(),
            None => Err(Refusal::conflict("change-damaged", format!("change {} has no revision", self.id))),
        }
    }

    /// What workloads say of a revision, the newest of each and of each kind.
    pub fn evidence_of(&self, revision: Option<&RevisionRef>) -> impl Iterator<Item = &EvidenceRecord> {
        let mut newest: BTreeMap<(&EvidenceKind, &ActorId), &EvidenceRecord> = BTreeMap::new();
        // What nobody here has checked takes no other word away, and whatever fails is heard.
        let is_heard = |record: &&EvidenceRecord| record.is_checked() || record.result == EvidenceResult::Failed;
        for record in self.evidence.iter().filter(|record| Some(&record.revision) == revision).filter(is_heard) {
            newest.insert((&record.kind, &record.by), record);
        }
        newest.into_values()
    }

    /// Who applies it: whoever asks to, or has a permit that is good or was started. `None` where nobody does.
    pub fn applier(&self, now: Time) -> Option<Applier> {
        let current = self.current_ref();
        let permitted = || {
            let holds = |permit: &&PermitRecord| {
                Some(permit.revision) == current
                    && (permit.is_running() || permit.outcome.is_none() && permit.expires_at > now)
            };
            self.permits.iter().rev().find(holds).map(|permit| permit.applier.clone())
        };
        let applier = self.requested.as_ref().map(|request| request.applier.clone()).or_else(permitted);
        applier.map(|who| who.map_or(Applier::Unknown, Applier::Is))
    }

    /// Whoever signed something about it.
    pub fn speakers(&self) -> BTreeSet<&ActorId> {
        let mut spoke = BTreeSet::from([&self.proposer]);
        for revision in &self.revisions {
            spoke.insert(&revision.by);
            spoke.extend(&revision.sponsor);
        }
        spoke.extend(self.approvals.iter().map(|approval| &approval.by));
        spoke.extend(self.rejections.iter().map(|rejection| &rejection.by));
        spoke.extend(self.disclosures.iter().map(|disclosure| &disclosure.by));
        spoke.extend(self.waivers.iter().map(|waiver| &waiver.by));
        spoke.extend(self.identifications.iter().map(|identification| &identification.by));
        spoke.extend(self.comments.iter().map(|comment| &comment.by));
        spoke.extend(self.evidence.iter().map(|evidence| &evidence.by));
        spoke.extend(self.labelled.keys().chain(self.schedules.keys()));
        spoke
    }

    /// Finds out who signed the commits of the newest revision, and who is behind their mails.
    pub(crate) fn know_people(&mut self, governance: &Governance) {
        if let Some(revision) = self.revisions.last_mut() {
            revision.know_signers(&governance.catalog);
            revision.know_holders(governance);
        }
    }

    /// Which roles of others whoever approved last had then, by whom.
    pub(crate) fn know_delegations(&mut self, delegated: BTreeMap<Digest, ActorId>) {
        if let Some(approval) = self.approvals.last_mut() {
            approval.delegated = delegated;
        }
    }

    /// Takes a statement about the change that was admitted.
    pub(crate) fn apply(&mut self, admitted: &Admitted<'_>) {
        let by = admitted.statement.header.by.clone();
        let (at, epoch) = (admitted.at, admitted.statement.header.epoch);
        match &admitted.statement.body {
            Body::NewRevision(new) => {
                let Some(subject) = &admitted.found.subject else { return };
                let reference = RevisionRef { number: new.revision.number.saturating_add(1), digest: admitted.payload };
                self.revisions.push(Revision::new(
                    (&admitted.statement.header.by, admitted.at),
                    admitted.found,
                    reference,
                    subject,
                    (new.facts, new.identities, new.text),
                    new.documents.clone(),
                    new.sponsor.clone(),
                ));
                self.signed_by(&admitted.signed_with.key);
                // A rejection stands over later revisions.
                let rejected = self.standing_rejections().next().is_some();
                self.status = if rejected { ChangeStatus::Rejected } else { ChangeStatus::Proposed };
            }
            Body::Approval(approval) => {
                self.approvals.push(ApprovalRecord {
                    by,
                    key: admitted.signed_with.key.clone(),
                    assurance: admitted.signed_with.assurance,
                    revision: approval.revision,
                    seen: approval.seen,
                    statement: admitted.payload,
                    at,
                    epoch,
                    delegated: BTreeMap::new(),
                    within: approval.within,
                });
            }
            Body::Rejection(rejection) => {
                // A rejection takes the person's own approvals back.
                self.take_back(&by, at, true);
                self.rejections.push(RejectionRecord {
                    by,
                    revision: rejection.revision,
                    reason: rejection.reason,
                    at,
                    lifted: false,
                    aside: Vec::new(),
                });
                if self.status.is_open() {
                    self.status = ChangeStatus::Rejected;
                }
            }
            Body::RejectionLift(_) => self.lift(&by),
            Body::RejectionSetAside(said) => {
                let Ok(content) = self.content() else { return };
                let aside = Aside { by, senior: admitted.senior, content, reason: said.reason };
                for rejection in self.rejections.iter_mut().filter(|rejection| rejection.by == said.rejected_by) {
                    rejection.aside.push(aside.clone());
                }
                self.reopen();
            }
            Body::Withdrawal(_) => self.status = ChangeStatus::Withdrawn,
            Body::ApprovalWithdrawal(_) => self.take_back(&by, at, false),
            Body::Comment(said) => {
                self.comments.push(CommentRecord { by, at, revision: said.revision, text: said.text });
            }
            Body::Evidence(said) => self.evidence.push(EvidenceRecord {
                by,
                key: admitted.signed_with.key.clone(),
                at,
                revision: said.revision,
                kind: said.kind.clone(),
                result: said.result,
                workflow: said.workflow.clone(),
                document: said.document,
                text: said.text,
                epoch,
                token: admitted.signed_with.token.clone(),
            }),
            Body::Label(said) => self.label(said, admitted),
            Body::Schedule(said) => self.schedule(&by, said, at),
            Body::Disclosure(said) => self.disclosures.push(DisclosureRecord { by, at, said: said.clone() }),
            Body::Waiver(waiver) => self.waivers.push(WaiverRecord {
                by,
                key: admitted.signed_with.key.clone(),
                rule: waiver.rule.clone(),
                revision: waiver.revision,
                reason: waiver.reason,
                at,
                epoch,
                within: self.window(),
            }),
            Body::Identification(said) => {
                self.identifications.push(IdentificationRecord { by, at, epoch, said: said.clone() });
            }
            Body::GuidanceObservation(observation) => self.observed.clone_from(&observation.documents),
            Body::PermitRequest(request) => {
                self.requested = Some(RequestRecord {
                    statement: admitted.payload,
                    gate: request.gate.clone(),
                    audience: request.audience.clone(),
                    transition: request.transition.clone(),
                    applier: match request.gate.is_its_runners() {
                        true => Some(by),
                        false => request.applier.clone(),
                    },
                    watched_until: None,
                    epoch,
                });
            }
            Body::Decided(decided) => {
                let Some(request) = self.requested.take() else { return };
                self.decisions.push(DecisionRecord {
                    outcome: decided.outcome,
                    revision: decided.revision,
                    decision: decided.decision,
                    at: decided.decided_at,
                    request,
                    heads: decided.heads.clone(),
                    rollback: false,
                    recovers: decided.recovers,
                });
            }
            Body::PermitGrant(permit) => {
                self.permits.push(PermitRecord {
                    statement: admitted.payload,
                    revision: permit.revision,
                    gate: permit.gate.clone(),
                    audience: permit.audience.clone(),
                    transition: permit.transition.clone(),
                    issued_at: permit.issued_at,
                    expires_at: permit.expires_at,
                    applier: self.decisions.last().and_then(|decided| decided.request.applier.clone()),
                    outcome: None,
                    broken: None,
                    alone: None,
                    rollback: self.decisions.last().is_some_and(|decision| decision.rollback),
                    recovers: self.decisions.last().is_some_and(|decision| decision.recovers),
                    reported_at: None,
                    epoch,
                });
                self.status = ChangeStatus::Permitted;
            }
            Body::BreakGlass(said) => {
                self.permits.push(PermitRecord {
                    statement: admitted.payload,
                    revision: said.revision,
                    gate: said.gate.clone(),
                    audience: said.audience.clone(),
                    transition: said.transition.clone(),
                    issued_at: at,
                    expires_at: said.expires_at,
                    applier: None,
                    outcome: None,
                    broken: Some(Broken {
                        by: BTreeMap::from([(by.clone(), admitted.signed_with.key.clone())]),
                        incident: said.incident.clone(),
                        nonce: said.nonce.clone(),
                        over_freezes: said.over_freezes.clone(),
                        overrides: said.overrides.clone(),
                        unnamed: BTreeSet::new(),
                        reason: said.reason,
                    }),
                    alone: None,
                    rollback: false,
                    recovers: false,
                    reported_at: None,
                    epoch,
                });
                self.status = ChangeStatus::Permitted;
            }
            Body::LocalPermit(said) => {
                self.permits.push(PermitRecord {
                    statement: admitted.payload,
                    revision: said.revision,
                    gate: said.gate.clone(),
                    audience: said.audience.clone(),
                    transition: said.transition.clone(),
                    issued_at: said.issued_at,
                    expires_at: said.expires_at,
                    applier: said.applier.clone(),
                    outcome: None,
                    broken: None,
                    // Whether the log would have refused it is told by who knows the rest of it.
                    alone: Some(Alone::default()),
                    rollback: false,
                    recovers: false,
                    reported_at: None,
                    epoch,
                });
                if self.status.is_open() {
                    self.status = ChangeStatus::Permitted;
                }
            }
            Body::OutcomeReport(report) => {
                if let Some(permit) = self.permits.iter_mut().find(|permit| permit.statement == report.permit) {
                    permit.outcome = Some(report.result);
                    permit.reported_at = Some(at);
                }
                self.status = match (report.result, self.status) {
                    (OutcomeResult::Started, _) => ChangeStatus::Applying,
                    (OutcomeResult::Applied, _) => ChangeStatus::Applied,
                    (
                        OutcomeResult::Failed,
                        ChangeStatus::Permitted | ChangeStatus::Applying | ChangeStatus::Failed,
                    ) => {
                        // Of several permits one may have been started.
                        if self.running().is_some() { ChangeStatus::Applying } else { ChangeStatus::Failed }
                    }
                    // What becomes of a permit that is left over opens nothing again.
                    (
                        OutcomeResult::Failed,
                        status @ (ChangeStatus::Proposed
                        | ChangeStatus::Applied
                        | ChangeStatus::Rejected
                        | ChangeStatus::Withdrawn),
                    ) => status,
                };
            }
            Body::Publication(_) => self.status = ChangeStatus::Applied,
            Body::Genesis(_)
            | Body::KeyRevocation(_)
            | Body::RevocationConfirmation(_)
            | Body::KeyRotation(_)
            | Body::Freeze(_)
            | Body::FreezeLift(_)
            | Body::CalendarFetched(_)
            | Body::Drill(_)
            | Body::Away(_)
            | Body::Back(_)
            | Body::Delegation(_)
            | Body::DelegationEnd(_)
            | Body::Recovery(_)
            | Body::GateRegistration(_)
            | Body::Proposal(_)
            | Body::Erasure(_)
            | Body::Epoch(_)
            | Body::Finding(_)
            | Body::FindingAnswer(_) => {}
        }
    }

    /// A person's own approvals count no more, also those of earlier revisions, which would carry over; they can approve again.
    /// What has landed by them did.
    fn take_back(&mut self, by: &ActorId, at: Time, rejected: bool) {
        if !self.status.is_open() {
            return;
        }
        let (taken, kept) = std::mem::take(&mut self.approvals).into_iter().partition(|approval| approval.by == *by);
        self.approvals = kept;
        let taken: Vec<ApprovalRecord> = taken;
        let permits = self.permits.len();
        let back = |of: &ApprovalRecord| TakenBack { by: by.clone(), revision: of.revision, at, rejected, permits };
        self.taken_back.extend(taken.iter().map(back));
        // What was permitted stood on it.
        if !taken.is_empty() && self.status == ChangeStatus::Permitted {
            self.status = ChangeStatus::Proposed;
        }
    }

    fn label(&mut self, said: &Labelling, admitted: &Admitted<'_>) {
        let by = &admitted.statement.header.by;
        let times = self.labelled.entry(by.clone()).or_default();
        *times = times.saturating_add(1);
        match said.act {
            LabelAct::PutOn => {
                self.labels.retain(|record| record.by != *by || !said.labels.contains(&record.label));
                self.labels.extend(said.labels.iter().map(|label| LabelRecord {
                    label: label.clone(),
                    by: by.clone(),
                    key: admitted.signed_with.key.clone(),
                    at: admitted.at,
                    revision: said.revision,
                    epoch: admitted.statement.header.epoch,
                }));
            }
            LabelAct::TakeOff => self.labels.retain(|record| !said.labels.contains(&record.label)),
        }
    }

    fn lift(&mut self, by: &ActorId) {
        for rejection in self.rejections.iter_mut().filter(|rejection| rejection.by == *by) {
            rejection.lifted = true;
        }
        self.reopen();
    }

    /// Where nothing rejects it any more it is proposed again.
    fn reopen(&mut self) {
        if self.status == ChangeStatus::Rejected && self.standing_rejections().next().is_none() {
            self.status = ChangeStatus::Proposed;
        }
    }

    /// Who rejected an earlier revision, which stands: it is theirs to look at what became of it.
    pub fn look_again(&self) -> impl Iterator<Item = &ActorId> {
        let now = self.current_ref();
        self.standing_rejections()
            .filter(move |rejection| Some(rejection.revision) != now)
            .map(|rejection| &rejection.by)
    }

    /// Rejections of this or an earlier revision that nobody has lifted, and that were not set aside for what it is now.
    pub fn standing_rejections(&self) -> impl Iterator<Item = &RejectionRecord> {
        let content = self.content().ok();
        let aside =
            move |rejection: &RejectionRecord| content.is_some_and(|content| is_set_aside(&rejection.aside, &content));
        self.rejections.iter().filter(move |rejection| !rejection.lifted && !aside(rejection))
    }

    /// The targets that another revision names, since somebody's rejection stands over it as well. None where nobody's does.
    pub fn rejected_on(&self) -> BTreeSet<Target> {
        match self.rejections.iter().any(|rejection| !rejection.lifted) {
            true => self.targets.clone(),
            false => BTreeSet::new(),
        }
    }

    /// What a rejection of one of its revisions is of: that one, and the present one while it is open, over which it stands.
    pub fn rejected_by_it<'a>(&'a self, of: &'a RevisionRef) -> impl Iterator<Item = &'a Revision> {
        let present = self.current_ref().filter(|_| self.status.is_open());
        self.revisions.iter().filter(move |it| it.reference == *of || Some(it.reference) == present)
    }

    /// Whether somebody has set another's rejection of the present content aside.
    pub fn has_set_aside(&self, person: &ActorId) -> bool {
        let content = self.content().ok();
        let theirs = |aside: &Aside| aside.by == *person && Some(aside.content) == content;
        self.rejections.iter().any(|rejection| rejection.aside.iter().any(theirs))
    }
}
