//! The fold over leaves: the only way to state. The engine runs it before it writes, whoever follows or verifies a log runs
//! it again over every leaf, and a store is rebuilt by it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_ledger::{Digest, Fingerprint, Hash, Leaf, StreamHead, StreamId, Time, sshsig::KnownKeys};

use crate::{
    admit::{self, Authenticated, Signed, authenticate, authenticate_genesis},
    change::{Admitted, Aside, Change, Found},
    frozen::{self, FreezeRecord},
    governance::{Blobs, Governance},
    ids::{ActorId, FindingId, GateId, Target},
    loosening::loosened_by,
    refusal::Refusal,
    state::{Answered, FindingRecord, GateRecord, OpenFinding, RevocationRecord, State, Took},
    statement::{
        Body, Concerned, Erased, Erasure, Finding, FindingAnswer, GateRegistration, Holder, LocalPermit, Matter,
        PermitGrant, Side, Statement, gate_stream, governance_stream, person_stream, target_stream,
    },
};

mod absence;
mod approving;
mod found;
mod landing;
mod recovered;
mod rejections;

pub use self::found::found;
use self::recovered::recoverers;

/// A leaf that was read, its statement parsed and its signatures checked: everything that does not depend on what stands
/// before it, so that it can be done on several cores.
#[derive(Clone, Debug)]
pub struct Entry {
    pub leaf: Leaf,
    pub hash: Hash,
    pub signed: Signed,
}

impl Entry {
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::parse_knowing(bytes, &mut KnownKeys::default())
    }

    /// The same for whoever reads many.
    pub fn parse_knowing(bytes: &[u8], keys: &mut KnownKeys) -> Result<Self, Refusal> {
        let leaf = Leaf::parse(bytes)
            .map_err(|e| Refusal::malformed("malformed-leaf", format!("the leaf is malformed: {e}")))?;
        let signed = Signed::check_knowing(&leaf.envelope, keys)?;
        Ok(Self { hash: Hash::leaf(bytes), leaf, signed })
    }

    /// The blobs without which it cannot be folded. A list of governance files names further ones.
    pub fn needed_blobs(&self) -> Vec<Digest> {
        let token = self.signed.token().map(|token| token.digest);
        self.signed.statement().body.needed_blobs().into_iter().chain(token).collect()
    }

    /// A leaf of a statement that was checked before.
    pub fn of(leaf: Leaf, signed: Signed) -> Self {
        Self { hash: leaf.hash(), leaf, signed }
    }
}

impl State {
    /// Begins with entry 0.
    pub fn genesis(entry: &Entry, blob: &Blobs<'_>) -> Result<Self, Refusal> {
        let genesis = authenticate_genesis(&entry.signed)?;
        let statement = entry.signed.statement();
        let governance = Governance::begin(statement, genesis, entry.signed.payload(), blob)?;
        let mut governance = governance;
        let signed: BTreeSet<Fingerprint> = entry.signed.keys().collect();
        let founders = genesis.founders.iter().filter(|founder| signed.contains(&founder.key.fingerprint()));
        let founders =
            founders.map(|founder| (founder.person.clone(), BTreeSet::from([founder.key.fingerprint()]))).collect();
        governance.approve_standards(&founders, entry.leaf.admitted_at);
        let mut state = Self::whole(governance);
        in_its_streams(statement, entry)?;
        state.follow(&entry.leaf, entry.hash)?;
        Ok(state)
    }

    /// Takes the next leaf, or says why it should not be there. Returns the streams whose records it changed.
    pub fn fold(&mut self, entry: &Entry, blob: &Blobs<'_>) -> Result<Vec<StreamId>, Refusal> {
        self.fold_found(entry, &found(&entry.signed, blob), blob)
    }

    /// The same where what the statement names was read before.
    pub(crate) fn fold_found(
        &mut self,
        entry: &Entry,
        found: &Result<Found, Refusal>,
        blob: &Blobs<'_>,
    ) -> Result<Vec<StreamId>, Refusal> {
        self.governance.record.semantics.readable()?;
        let statement = entry.signed.statement();
        if entry.leaf.lines().first().is_some_and(|home| self.is_foreign(&home.stream)) {
            in_its_streams(statement, entry)?;
            self.follow(&entry.leaf, entry.hash)?;
            self.note_elsewhere(statement, entry.signed.payload(), entry.leaf.admitted_at)?;
            if let Body::Drill(_) = statement.body {
                self.know_who_broke(&entry.signed, entry.leaf.admitted_at)?;
            }
            return Ok(Vec::new());
        }
        let found = found.as_ref().map_err(Clone::clone)?;
        let authenticated = authenticate(self, &entry.signed, found.token.as_ref(), entry.leaf.admitted_at)?;
        admit::admit(self, &authenticated, found, entry.leaf.admitted_at)?;
        in_its_streams(statement, entry)?;
        // Parsed once, and before anything of the state has moved.
        let published = match &statement.body {
            Body::Publication(publication) => {
                let at = entry.leaf.admitted_at;
                let mut published = self.governance.publish(publication, entry.signed.payload(), blob)?;
                let by = admit::may_publish(self, &entry.signed, &published, at)?;
                published.approve_standards(&by.behind, at);
                published.enrol(&self.governance, &by.behind.into_keys().collect(), &by.hands, at);
                Some(published)
            }
            Body::Epoch(epoch) => Some(self.governance.in_epoch(epoch, entry.signed.payload())),
            Body::KeyRotation(rotation) => {
                let by_its_holder = statement.header.by == rotation.of;
                let mut rotated = self.governance.rotated(rotation, by_its_holder)?;
                if !by_its_holder {
                    let by = entry.signed.keys().filter_map(|key| self.governance.catalog.actor_by_key(&key).cloned());
                    rotated.given_a_key(&rotation.of, by.map(|actor| actor.id).collect(), entry.leaf.admitted_at);
                }
                Some(rotated)
            }
            Body::Recovery(recovery) => {
                let mut recovered = self.governance.recovered(recovery)?;
                let by = recoverers(&self.governance, &entry.signed);
                for of in recovery.keys.keys() {
                    let others = by.iter().filter(|by| *by != of).cloned().collect();
                    recovered.given_a_key(of, others, entry.leaf.admitted_at);
                }
                Some(recovered)
            }
            _ => None,
        };
        let at = entry.leaf.admitted_at;
        let weighed =
            loosened_by(&self.governance, found, blob).map(|loosens| Found { loosens: Some(loosens), ..found.clone() });
        let admitted = Admitted {
            statement,
            payload: entry.signed.payload(),
            signed_with: &authenticated.signed_with().clone(),
            senior: self.is_senior(&statement.header.by),
            at,
            found: weighed.as_ref().unwrap_or(found),
        };
        self.follow(&entry.leaf, entry.hash)?;
        if let Body::Recovery(recovery) = &statement.body {
            let by = recoverers(&self.governance, &entry.signed);
            self.know_recovery(recovery, &by, (entry.signed.payload(), at));
        }
        if let Some(governance) = published {
            self.governance = Arc::new(governance);
        }
        self.apply(&admitted)?;
        self.know_who_broke(&entry.signed, at)?;
        Ok(entry.leaf.lines().iter().map(|line| line.stream.clone()).collect())
    }

    fn apply(&mut self, admitted: &Admitted<'_>) -> Result<(), Refusal> {
        let by = &admitted.statement.header.by;
        match &admitted.statement.body {
            Body::KeyRevocation(revocation) => {
                let (at, statement, key) = (admitted.at, admitted.payload, revocation.key.clone());
                let own = match &revocation.of {
                    Holder::Person(person) => person == by,
                    Holder::Gate(gate) => self.gate(gate)?.is_some_and(|gate| gate.registered_by == *by),
                };
                let record = RevocationRecord { by: by.clone(), at, statement, own, confirmed_by: None };
                if let Some(revoked) = self.revoked_mut(&revocation.of) {
                    revoked.insert(key.clone(), record);
                }
                if !own {
                    let of = revocation.of.clone();
                    let took = Took { key, of, at, statement, confirmed: false, found: false };
                    self.person_mut(by).took.push(took);
                }
            }
            Body::RevocationConfirmation(said) => {
                if let Some(record) = self.revoked_mut(&said.of).and_then(|revoked| revoked.get_mut(&said.key)) {
                    record.confirmed_by = Some(by.clone());
                }
                self.confirm_taking(&said.revoked_by, &said.revocation);
            }
            Body::GateRegistration(gate) => {
                let record = GateRecord::registered(self.gate(&gate.gate)?, gate, (by, admitted.at));
                self.put_gate(gate.gate.clone(), record);
                self.know_guards(gate, |_| true);
            }
            Body::Freeze(said) => {
                let record = FreezeRecord::of(said, by, admitted.at);
                frozen::put(&mut Arc::make_mut(&mut self.governance).record.freezes, admitted.payload, record);
            }
            Body::CalendarFetched(said) => {
                if let Some(fetched) = &admitted.found.fetched {
                    Arc::make_mut(&mut self.governance).hear(said, fetched.clone(), admitted.at);
                }
            }
            Body::FreezeLift(said) => {
                let freezes = &mut Arc::make_mut(&mut self.governance).record.freezes;
                freezes.entry(said.freeze).and_modify(|freeze| freeze.lifted_at = Some(admitted.at));
            }
            Body::Proposal(proposal) => {
                if let Some(subject) = &admitted.found.subject {
                    let mut change = Change::begin(admitted, proposal, subject);
                    change.know_people(&self.governance);
                    self.put_change(change);
                }
            }
            Body::NewRevision(_)
            | Body::Approval(_)
            | Body::Rejection(_)
            | Body::RejectionLift(_)
            | Body::RejectionSetAside(_)
            | Body::Withdrawal(_)
            | Body::ApprovalWithdrawal(_)
            | Body::Comment(_)
            | Body::Label(_)
            | Body::Schedule(_)
            | Body::Evidence(_)
            | Body::Disclosure(_)
            | Body::Waiver(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::PermitRequest(_)
            | Body::Decided(_)
            | Body::PermitGrant(_)
            | Body::BreakGlass(_)
            | Body::LocalPermit(_)
            | Body::Publication(_)
            | Body::OutcomeReport(_) => {
                self.apply_to_targets(admitted)?;
                self.count_standard(admitted)?;
                self.take_landing(admitted)?;
                if let Body::OutcomeReport(report) = &admitted.statement.body {
                    self.tally(report, admitted.at)?;
                }
                let (watched_until, rolls_back) = self.known_besides(admitted)?;
                let alone = self.decided_alone(admitted)?;
                let governance = Arc::clone(&self.governance);
                let delegated = match &admitted.statement.body {
                    Body::Approval(_) => self.delegated_to(by, admitted.at)?,
                    _ => BTreeMap::new(),
                };
                let change = admitted.statement.body.about().and_then(|(change, _)| self.change_mut(change));
                if let Some(change) = change {
                    let expired = change.is_expired(governance.catalog.settings.expires_after_days, admitted.at);
                    change.apply(admitted);
                    change.touched(admitted, expired);
                    change.was_alone(alone);
                    if matches!(admitted.statement.body, Body::PermitRequest(_) | Body::Decided(_)) {
                        change.know(watched_until, rolls_back);
                    }
                    if matches!(admitted.statement.body, Body::Approval(_)) {
                        change.know_delegations(delegated);
                    }
                    if matches!(admitted.statement.body, Body::NewRevision(_)) {
                        change.know_people(&governance);
                    }
                }
            }
            Body::Erasure(Erasure { of: Erased::Change(change), blobs, .. }) => {
                if let Some(change) = self.change_mut(change) {
                    change.erase(by, admitted.at, blobs);
                }
            }
            Body::Finding(finding) => {
                let record = FindingRecord {
                    what: finding.what.clone(),
                    raised_by: by.clone(),
                    raised_at: admitted.at,
                    due: finding.due,
                    who: finding.who.clone(),
                    apart: finding.apart.clone(),
                    text: finding.text,
                    answered: None,
                };
                self.put_finding(FindingId::of_finding(&admitted.payload), record);
                self.open_finding(finding, &admitted.payload, admitted.at);
            }
            Body::FindingAnswer(said) => {
                self.answer_finding(said);
                if let Some(record) = self.finding_mut(&said.finding) {
                    let (by, at, statement) = (by.clone(), admitted.at, admitted.payload);
                    let (seen, text) = (said.seen, said.text);
                    record.answered = Some(Answered { by, at, statement, seen, text });
                }
            }
            // Those files are in force no longer.
            Body::Erasure(Erasure { of: Erased::Person(_), .. })
            | Body::Genesis(_)
            | Body::Epoch(_)
            | Body::Drill(_)
            // Governance says it.
            | Body::KeyRotation(_)
            | Body::Recovery(_) => {}
            Body::Away(_) | Body::Back(_) | Body::Delegation(_) | Body::DelegationEnd(_) => {
                self.apply_to_people(admitted);
            }
        }
        Ok(())
    }

    fn is_senior(&self, person: &ActorId) -> bool {
        self.governance.person(person).is_some_and(|actor| actor.level.is_senior())
    }

    fn revoked_mut(&mut self, of: &Holder) -> Option<&mut BTreeMap<Fingerprint, RevocationRecord>> {
        match of {
            Holder::Person(person) => Some(&mut self.person_mut(person).revoked),
            Holder::Gate(gate) => self.gate_mut(gate).map(|gate| &mut gate.revoked),
        }
    }

    fn confirm_taking(&mut self, revoked_by: &ActorId, revocation: &Digest) {
        let took = self.person_mut(revoked_by).took.iter_mut();
        took.filter(|took| took.statement == *revocation).for_each(|took| took.confirmed = true);
    }

    /// A revocation whose holder's stream is not in this part, and that of who revoked is: what they grant depends on it.
    fn note_elsewhere(&mut self, statement: &Statement, payload: Digest, at: Time) -> Result<(), Refusal> {
        let by = &statement.header.by;
        match &statement.body {
            Body::KeyRevocation(revocation) if self.knows(&person_stream(by)?) => {
                let (key, of) = (revocation.key.clone(), revocation.of.clone());
                let took = Took { key, of, at, statement: payload, confirmed: false, found: false };
                self.person_mut(by).took.push(took);
            }
            Body::RevocationConfirmation(said) if self.knows(&person_stream(&said.revoked_by)?) => {
                self.confirm_taking(&said.revoked_by, &said.revocation);
            }
            Body::GateRegistration(gate) => {
                let known: BTreeSet<_> =
                    gate.targets.iter().filter(|target| self.has_stream(target)).cloned().collect();
                self.know_guards(gate, |target| known.contains(target));
            }
            Body::Finding(finding) if self.is_known(&finding.what)? => self.open_finding(finding, &payload, at),
            Body::FindingAnswer(said) if self.is_known(&said.what)? => self.answer_finding(said),
            _ => {}
        }
        Ok(())
    }

    fn has_stream(&self, target: &Target) -> bool {
        target_stream(target).is_ok_and(|stream| self.knows(&stream))
    }

    /// Its targets know each gate that was ever registered for them.
    fn know_guards(&mut self, gate: &GateRegistration, of: impl Fn(&Target) -> bool) {
        for target in gate.targets.iter().filter(|target| of(target)) {
            self.target_mut(target).guards.insert(gate.gate.clone());
        }
    }

    /// Whether this part of the log tells who or what remembers that a finding is open.
    fn is_known(&self, matter: &Matter) -> Result<bool, Refusal> {
        Ok(match matter.of() {
            Concerned::Gate(gate) => self.knows(&gate_stream(gate.as_str())?),
            Concerned::Governance => true,
            Concerned::Person(person) => self.knows(&person_stream(person)?),
            Concerned::People(people) => match people.first() {
                Some(person) => self.knows(&person_stream(person)?),
                None => false,
            },
            Concerned::Target(target) => self.knows(&target_stream(target)?),
            Concerned::Targets(targets) => match targets.first() {
                Some(target) => self.knows(&target_stream(target)?),
                None => false,
            },
        })
    }

    /// The findings that are open on whom or what it is on.
    fn open_on(&mut self, matter: &Matter) -> Option<&mut Vec<OpenFinding>> {
        match matter.of() {
            Concerned::Gate(gate) => self.gate_mut(gate).map(|gate| &mut gate.findings),
            Concerned::Governance => None,
            Concerned::Person(person) => Some(&mut self.person_mut(person).findings),
            Concerned::People(people) => people.first().map(|person| &mut self.person_mut(person).findings),
            Concerned::Target(target) => Some(&mut self.target_mut(target).findings),
            Concerned::Targets(targets) => targets.first().map(|target| &mut self.target_mut(target).findings),
        }
    }

    fn answer_finding(&mut self, said: &FindingAnswer) {
        if let Some(open) = self.open_on(&said.what) {
            open.retain(|open| open.id != said.finding);
        }
        self.due_on(&said.what, &said.finding, None);
    }

    /// Whom or what it is on remembers that it is open.
    fn open_finding(&mut self, finding: &Finding, payload: &Digest, at: Time) {
        let opened = OpenFinding {
            id: FindingId::of_finding(payload),
            matter: finding.what.same(),
            share: finding.what.share(),
        };
        if let Some(open) = self.open_on(&finding.what) {
            open.push(opened.clone());
        }
        self.due_on(&finding.what, &opened.id, Some(finding.due));
        match &finding.what {
            Matter::AfterReview { change, targets, .. } => {
                for target in targets {
                    let rolled = self.target_mut(target).history.rolled_back.iter_mut();
                    rolled.filter(|rolled| rolled.change == *change).for_each(|rolled| rolled.unreviewed = false);
                }
            }
            Matter::DrillOverdue { target } => self.know_overdue(target),
            Matter::CalendarStale { calendar, heard } => Arc::make_mut(&mut self.governance).is_stale(calendar, *heard),
            Matter::KeysRecovered { of, recovery, .. } => self.looks_at_recovery(recovery, of),
            Matter::ApprovesEachOther { first: Side { by, .. }, .. } | Matter::CarriesAThird { by, .. } => {
                self.was_told(by, finding.what.same(), at);
            }
            Matter::LandedAlone { change, targets, .. } => {
                targets.iter().for_each(|target| self.target_mut(target).history.looks_at_alone(change));
            }
            Matter::GlassBroken { glass, targets, .. } => {
                for target in targets {
                    let broken = self.target_mut(target).history.broken.iter_mut();
                    broken.filter(|broken| broken.glass == *glass).for_each(|broken| broken.unreviewed = false);
                }
            }
            // The gate was gone round.
            Matter::BranchMoved { gate, targets, .. } => {
                targets.iter().for_each(|target| self.target_mut(target).history.forget(gate));
            }
            Matter::GateMode { .. }
            | Matter::NobodyCan { .. }
            | Matter::RuleSwitched { .. }
            | Matter::RevocationUnconfirmed { .. } => {}
        }
        if let Matter::RevocationUnconfirmed { by, revocation, .. } = &finding.what {
            let took = self.person_mut(by).took.iter_mut().filter(|took| took.statement == *revocation);
            took.for_each(|took| took.found = true);
        }
    }

    /// A rejection stands in the streams of its targets, too, so that it follows its content to other changes; and so do its
    /// lifting, which is of what was said of this change, and its setting aside, which is for this content.
    fn apply_to_targets(&mut self, admitted: &Admitted<'_>) -> Result<(), Refusal> {
        let by = &admitted.statement.header.by;
        let body = &admitted.statement.body;
        let targets = match body {
            Body::Rejection(said) => &said.targets,
            Body::RejectionLift(said) => &said.targets,
            Body::RejectionSetAside(said) => &said.targets,
            Body::NewRevision(said) => return self.reject_anew(said, admitted),
            _ => return Ok(()),
        };
        let Some((id, _)) = body.about() else { return Ok(()) };
        let Some(change) = self.change(id)? else { return Ok(()) };
        let Some(present) = change.current().cloned() else { return Ok(()) };
        let rejected = match body {
            Body::Rejection(said) => rejections::of(change, said, (by, admitted.at))?,
            _ => Vec::new(),
        };
        let content = present.subject.content()?;
        for target in targets {
            let rejections = &mut self.target_mut(target).rejections;
            match body {
                Body::Rejection(_) => rejections.extend(rejected.iter().cloned()),
                // What they said of another change stands until they lift it there.
                Body::RejectionLift(_) => rejections.retain(|r| r.by != *by || r.change != *id),
                Body::RejectionSetAside(said) => {
                    let aside = Aside { by: by.clone(), senior: admitted.senior, content, reason: said.reason };
                    let theirs =
                        rejections.iter_mut().filter(|r| r.by == said.rejected_by && r.covers(&present, &content));
                    theirs.for_each(|rejection| rejection.aside.push(aside.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps the place of a leaf that the governance from which a part goes on has taken already.
    pub(crate) fn follow_told(&mut self, entry: &Entry) -> Result<(), Refusal> {
        in_its_streams(entry.signed.statement(), entry)?;
        let governance = governance_stream()?;
        self.follow_in(&entry.leaf, entry.hash, |stream| *stream != governance)
    }

    /// Each leaf follows, in every stream that it stands in, the one that the stream's head names.
    fn follow(&mut self, leaf: &Leaf, hash: Hash) -> Result<(), Refusal> {
        self.follow_in(leaf, hash, |_| true)
    }

    fn follow_in(&mut self, leaf: &Leaf, hash: Hash, of: impl Fn(&StreamId) -> bool) -> Result<(), Refusal> {
        for line in leaf.lines().iter().filter(|line| of(&line.stream) && self.knows(&line.stream)) {
            let head = self.head(&line.stream)?;
            if line.seq != head.next_seq || line.prev != head.last {
                return Err(Refusal::malformed(
                    "stream-broken",
                    format!(
                        "leaf {} of stream {} does not follow the one before it: sequence number {} is next, after {}",
                        line.seq, line.stream, head.next_seq, head.last
                    ),
                ));
            }
        }
        for line in leaf.lines() {
            if of(&line.stream) && self.knows(&line.stream) {
                let next_seq = line.seq.saturating_add(1);
                self.set_head(&line.stream, StreamHead { last: hash, next_seq });
            }
        }
        Ok(())
    }

    /// Obeys a stop that was handed over, before the log has it: a rejection or a revocation takes away at once. Whose it is
    /// was checked when it was handed over ([`admit::stop`]); here it is admitted as ever.
    pub fn obey(&mut self, signed: &Signed, now: Time) -> Result<(), Refusal> {
        let authenticated = admit::stop_known(signed)?;
        let Statement { header, body } = signed.statement();
        if let Body::Freeze(said) = body {
            admit::freeze_still_holds(self, &signed.payload(), said, now)?;
            let record = FreezeRecord::of(said, &header.by, now);
            frozen::put(&mut Arc::make_mut(&mut self.governance).record.freezes, signed.payload(), record);
            return Ok(());
        }
        self.take_before_the_log(signed, &authenticated, &Found::default(), now)
    }

    /// Takes what people signed for a gate in an outage, before the log has it: a proposal, and what breaks the glass for it. Both
    /// are authenticated and admitted as they will be when the log has them.
    pub fn foresee(&mut self, signed: &Signed, blob: &Blobs<'_>, now: Time) -> Result<(), Refusal> {
        let statement = signed.statement();
        let is_one =
            matches!(statement.body, Body::Proposal(_) | Body::BreakGlass(_) | Body::LocalPermit(_) | Body::Drill(_));
        if !is_one || statement.body.governance_subject().is_some() {
            let what = format!("a statement of the kind `{}` opens nothing", statement.body.kind());
            return Err(Refusal::malformed("not-a-break-glass", what));
        }
        let found = found(signed, blob)?;
        let authenticated = authenticate(self, signed, None, now)?;
        self.take_before_the_log(signed, &authenticated, &found, now)?;
        self.know_who_broke(signed, now)
    }

    fn take_before_the_log(
        &mut self,
        signed: &Signed,
        authenticated: &Authenticated<'_>,
        found: &Found,
        now: Time,
    ) -> Result<(), Refusal> {
        let statement = signed.statement();
        admit::admit(self, authenticated, found, now)?;
        let signed_with = authenticated.signed_with().clone();
        self.apply(&Admitted {
            statement,
            payload: signed.payload(),
            signed_with: &signed_with,
            senior: self.is_senior(&statement.header.by),
            at: now,
            found,
        })
    }

    /// The streams that have to be known before a statement can be folded, and are not. More may be missing once these are
    /// there: ask until there is none.
    pub fn missing(&self, signed: &Signed) -> Result<BTreeSet<StreamId>, Refusal> {
        let statement = signed.statement();
        let mut needed: BTreeSet<StreamId> = statement.streams(&signed.payload())?.into_iter().collect();
        needed.insert(governance_stream()?);
        let by = &statement.header.by;
        needed.insert(speaker_stream(&self.governance, by)?);
        for key in signed.keys() {
            if let Some(actor) = self.governance.catalog.actor_by_key(&key) {
                needed.insert(person_stream(&actor.id)?);
            }
            // A founder recovers also by the key that genesis pins.
            if let Body::Recovery(_) = &statement.body
                && let Some(founder) = self.governance.founder_by_pinned_key(&key)
            {
                needed.insert(person_stream(founder)?);
            }
        }
        let about = match statement.body.about() {
            Some((change, _)) if self.knows(&crate::statement::change_stream(change)?) => self.change(change)?,
            Some(_) | None => None,
        };
        match &statement.body {
            Body::PermitRequest(request) => needed.extend(gate_if_any(&request.gate)?),
            Body::BreakGlass(said) => needed.extend(gate_if_any(&said.gate)?),
            Body::Drill(said) => needed.extend(gate_if_any(&said.gate)?),
            Body::PermitGrant(PermitGrant { gate, .. }) | Body::LocalPermit(LocalPermit { gate, .. }) => {
                needed.extend(
                    about.map(|change| change.inputs(&self.governance, Some(gate))).transpose()?.unwrap_or_default(),
                );
            }
            Body::Decided(_) => {
                let gate = about.and_then(|change| change.requested.as_ref()).map(|request| &request.gate);
                needed
                    .extend(about.map(|change| change.inputs(&self.governance, gate)).transpose()?.unwrap_or_default());
            }
            Body::Publication(_) => {
                needed
                    .extend(about.map(|change| change.inputs(&self.governance, None)).transpose()?.unwrap_or_default());
            }
            // Whose gates guard that already.
            Body::GateRegistration(said) => {
                for target in said.targets.iter().filter(|target| self.has_stream(target)) {
                    for guard in self.target(target)?.into_iter().flat_map(|record| &record.guards) {
                        needed.insert(gate_stream(guard.as_str())?);
                    }
                }
            }
            // Whoever set a rejection of the same content aside in another change does not approve.
            Body::Approval(_) => {
                for target in about.iter().flat_map(|change| &change.targets) {
                    needed.insert(target_stream(target)?);
                }
            }
            Body::Genesis(_)
            | Body::KeyRevocation(_)
            | Body::RevocationConfirmation(_)
            | Body::KeyRotation(_)
            | Body::Freeze(_)
            | Body::FreezeLift(_)
            | Body::CalendarFetched(_)
            | Body::Away(_)
            | Body::Back(_)
            | Body::Delegation(_)
            | Body::DelegationEnd(_)
            | Body::Recovery(_)
            | Body::Proposal(_)
            | Body::NewRevision(_)
            | Body::Rejection(_)
            | Body::RejectionLift(_)
            | Body::RejectionSetAside(_)
            | Body::Withdrawal(_)
            | Body::ApprovalWithdrawal(_)
            | Body::Comment(_)
            | Body::Label(_)
            | Body::Schedule(_)
            | Body::Evidence(_)
            | Body::Disclosure(_)
            | Body::Waiver(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::OutcomeReport(_)
            | Body::Erasure(_)
            | Body::Epoch(_)
            | Body::Finding(_)
            | Body::FindingAnswer(_) => {}
        }
        needed.retain(|stream| !self.knows(stream));
        Ok(needed)
    }
}

/// The stream in which a speaker's revocation would stand.
fn speaker_stream(governance: &Governance, by: &ActorId) -> Result<StreamId, Refusal> {
    if governance.catalog.actors.contains_key(by) || by.as_str() == crate::governance::SERVER {
        person_stream(by)
    } else {
        gate_stream(by.as_str())
    }
}

fn gate_if_any(gate: &GateId) -> Result<Option<StreamId>, Refusal> {
    if gate.is_its_runners() { Ok(None) } else { gate_stream(gate.as_str()).map(Some) }
}

/// A log that files a leaf under another name hides it from whoever looks there.
fn in_its_streams(statement: &Statement, entry: &Entry) -> Result<(), Refusal> {
    let expected = statement.streams(&entry.signed.payload())?;
    if expected.iter().eq(entry.leaf.lines().iter().map(|line| &line.stream)) {
        return Ok(());
    }
    let found: Vec<&str> = entry.leaf.lines().iter().map(|line| line.stream.as_str()).collect();
    let expected: Vec<&str> = expected.iter().map(StreamId::as_str).collect();
    Err(Refusal::malformed(
        "mislabelled",
        format!(
            "the {} statement stands in {}, but the leaf's header says {}",
            statement.body.kind(),
            expected.join(", "),
            found.join(", ")
        ),
    ))
}
