//! What every gate does, whatever it guards: follow the log, ask for a permit, open by its own replay, report what came of
//! it, and obey stops that were handed to it directly.
//!
//! Nothing that the server says is believed. The gate reads every leaf into its own verified copy, finds the permit there,
//! and runs the rules once more, now, over the state that it replayed itself. A server that was taken over can refuse to
//! answer; whatever it answers does not open a gate.
//!
//! Invariant: an [`Opening`] is only made from a permit in the gate's own copy, for this gate's key and this transition, on
//! a decision that this gate took itself, and where cosigners are pinned, under enough of them who cosigned lately.

mod alone;
pub mod bundle;
mod carried;
mod glass;
mod handed;
mod open;
pub mod spend;
mod waited;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use countersign_core::{
    admit::{self, Signed},
    change::{Change, PermitRecord},
    decision::{Decision, Outcome},
    explain::{self, Explanation},
    governance::Governance,
    ids::{ActorId, ChangeId, GateId, Nonce, RepositoryId},
    permit,
    refusal::Refusal,
    rules::decide,
    snapshot::{Applier, Snapshot},
    state::{GateRecord, State},
    statement::{Body, OutcomeReport, OutcomeResult, PermitRequest, Statement},
    subject::Transition,
    trust::{Trust, Vouching},
};
use countersign_ledger::{Digest, Envelope, Fingerprint, SignedCheckpoint, Time};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

pub use self::carried::Carried;
use super::{
    journal::JournalError,
    stops::{Stop, Stops},
};
use crate::{
    client::{Client, ClientError, Via},
    clock::Clock,
    follower::{Access, FollowError, Followed, Follower, Restored, source::Source},
    records,
    speaker::{Hand, InFrontOf, SpeakError, signed},
    wire::Receipt,
};

#[derive(Debug, Error)]
pub enum DeskError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Speak(#[from] SpeakError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The rules, run here over what people signed, deny.
    #[error("the rules do not allow change {}", .0.decision.change)]
    Denied(Box<Judged>),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl DeskError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Follow(error) => error.code(),
            Self::Client(_) | Self::Speak(_) => "server",
            Self::Refused(refusal) => refusal.code,
            Self::Journal(_) => "gate-journal",
            Self::Denied(_) => "denied-by-rules",
            Self::Runtime(_) => "failed",
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Follow(error) => error.hint(),
            Self::Client(ClientError::Refused { hint, .. })
            | Self::Speak(SpeakError::Client(ClientError::Refused { hint, .. })) => hint.clone(),
            Self::Client(ClientError::Unreachable { .. })
            | Self::Speak(SpeakError::Client(ClientError::Unreachable { .. })) => {
                Some("start the server (countersign serve --home HOME), or name another one with --url".to_owned())
            }
            Self::Speak(SpeakError::Signer(error)) => error.hint(),
            Self::Speak(SpeakError::Refused(refusal)) | Self::Refused(refusal) => refusal.hint.clone(),
            Self::Journal(error) => Some(error.hint()),
            Self::Client(_) | Self::Speak(_) | Self::Denied(_) | Self::Runtime(_) => None,
        }
    }
}

/// The change and the permit that somebody hands over. What the permit says counts only as it stands in the log.
pub fn handed_over(permit: &[u8]) -> Result<(ChangeId, Digest), Refusal> {
    let envelope = Envelope::parse(permit)
        .map_err(|e| Refusal::malformed("malformed-permit", format!("the permit is malformed: {e}")))?;
    match Statement::parse(envelope.payload())?.body {
        Body::PermitGrant(grant) => Ok((grant.change, envelope.payload_digest())),
        other => Err(Refusal::malformed("not-a-permit", format!("what was given is a {}", other.kind()))),
    }
}

/// What the rules say here and now, by this gate's own copy.
#[derive(Clone, Debug)]
pub struct Judged {
    pub decision: Decision,
    pub explanation: Explanation,
    /// Stops that were handed to this gate and that the log does not have yet.
    pub handed: Vec<String>,
}

/// What may happen now. Only [`Desk`] makes one, and [`bundle::open`].
#[derive(Clone, Debug)]
pub struct Opening {
    change: Change,
    permit: PermitRecord,
}

impl Opening {
    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn permit(&self) -> &PermitRecord {
        &self.permit
    }

    /// What the log is told of it.
    pub fn outcome(&self, result: OutcomeResult, exit_status: Option<i32>) -> Body {
        Body::OutcomeReport(OutcomeReport {
            change: self.change.id.clone(),
            exit_status,
            permit: self.permit.statement,
            result,
            revision: self.permit.revision,
            targets: self.change.targets.clone(),
        })
    }
}

/// Where a gate stands, and who it is.
#[derive(Debug)]
pub struct Place<'a> {
    /// The verified copy of the log, which all gates of this machine share.
    pub copy: &'a Path,
    pub access: Access,
    pub trust: &'a Trust,
    /// The server that permits are asked of, and how it is reached.
    pub url: &'a str,
    pub via: Via<'a>,
}

#[derive(Debug)]
pub struct Desk {
    runtime: Runtime,
    follower: Follower,
    source: Source,
    client: Client,
    hand: Hand,
    gate: GateId,
    me: ActorId,
    stops: Stops,
    /// Where the log stood when it was last followed here.
    followed: Option<Followed>,
    /// Whether the log was sent what it does not have: once a process, so that nobody who pushes waits for it again.
    handed_on: bool,
    /// What was found out about stops since it was last asked.
    checked: Vec<Checked>,
    /// That the copy went over to a new epoch since it was last asked.
    restored: Option<Restored>,
    /// Who applies what is judged here.
    applier: Applier,
    /// What this gate drew when it could not reach the log.
    drawn: Option<Nonce>,
    /// What this gate has let through, or is about to, and the log does not tell of yet.
    under_way: BTreeSet<ChangeId>,
    /// Of those, what the copy does not have and a bundle tells.
    carried: BTreeMap<ChangeId, Change>,
}

/// How many stops are sent to the log at once.
const HANDED_ON: usize = 4;

/// Why it cannot be told yet whose a stop is: the log may say more than the copy has.
const UNKNOWN_YET: [&str; 3] = ["not-followed", "unknown-key", "signed-by-another"];

/// The log says the same by now, and may take it back; what was handed over stands.
const ALREADY_REVOKED: &str = "already-revoked";

/// What becomes of a stop that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is obeyed from now on.
    Obeyed,
    /// The copy cannot tell whose it is. It is kept; the next follow finds out, and nothing is judged before that.
    Unchecked,
}

/// A stop of which it was found out whose it is: it is obeyed, or was dropped for this.
#[derive(Clone, Debug)]
pub struct Checked {
    pub stop: Stop,
    pub dropped: Option<Refusal>,
}

impl Desk {
    pub fn open(place: &Place<'_>, hand: Hand, gate: GateId, me: ActorId) -> Result<Self, DeskError> {
        place.trust.check()?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(DeskError::Runtime)?;
        let follower = runtime.block_on(Follower::open(place.copy, place.trust, place.access))?;
        // One connection for what is asked and what is read.
        let client = Client::through(place.url, place.via);
        // Whoever runs a command is at their own desk.
        let applier = if gate.is_its_runners() { Applier::Is(me.clone()) } else { Applier::Unknown };
        Ok(Self {
            applier,
            stops: Stops::beside(follower.folder()),
            runtime,
            follower,
            source: Source::Server(client.clone()),
            client,
            hand,
            gate,
            me,
            followed: None,
            handed_on: false,
            checked: Vec::new(),
            restored: None,
            drawn: None,
            under_way: BTreeSet::new(),
            carried: BTreeMap::new(),
        })
    }

    /// Whoever pushes has signed that.
    pub fn applied_by(&mut self, who: ActorId) {
        self.applier = Applier::Is(who);
    }

    pub fn key(&self) -> Fingerprint {
        self.hand.fingerprint()
    }

    /// What this gate drew for what it is about to open: what was signed over that opens it also when the log is back.
    pub fn has_drawn(&mut self, drawn: Option<Nonce>) {
        self.drawn = drawn;
    }

    /// These land, or have landed, by this gate, and the log does not tell of it yet: they count for what may land beside them.
    pub fn has_under_way(&mut self, changes: impl IntoIterator<Item = ChangeId>) {
        self.under_way.extend(changes);
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Reads what is new in the log. What was handed to this gate directly and is not in the log yet is sent there; if that
    /// fails, it is obeyed all the same.
    pub fn follow(&mut self, now: Time) -> Result<(), DeskError> {
        let followed = self.runtime.block_on(self.follower.follow(&mut self.source, now))?;
        self.restored = followed.restored.clone().or_else(|| self.restored.take());
        self.followed = Some(followed);
        self.check(now)?;
        let mut missing = Vec::new();
        for stop in self.stops.all()? {
            if self.is_in_the_log(&stop)? || stop.is_long_over(now) {
                self.stops.forget(&stop)?;
            } else {
                missing.push(stop);
            }
        }
        self.hand_on(missing);
        Ok(())
    }

    /// Finds out whose the stops are of which the copy could not tell before.
    fn check(&mut self, now: Time) -> Result<(), DeskError> {
        for stop in self.stops.unchecked()? {
            let dropped = match self.by_somebody(&stop, now).and_then(|()| Ok(self.stops.keep(&stop)?)) {
                Ok(()) => None,
                Err(DeskError::Refused(refusal) | DeskError::Follow(FollowError::Refused(refusal))) => Some(refusal),
                Err(error) => return Err(error),
            };
            self.stops.forget_unchecked(&stop)?;
            self.checked.push(Checked { stop, dropped });
        }
        Ok(())
    }

    /// The same while the log is away: what cannot be told even now is kept.
    pub fn check_alone(&mut self, now: Time) -> Result<(), DeskError> {
        for stop in self.stops.unchecked()? {
            if self.by_somebody(&stop, now).is_ok() {
                self.stops.keep(&stop)?;
                self.stops.forget_unchecked(&stop)?;
                self.checked.push(Checked { stop, dropped: None });
            }
        }
        Ok(())
    }

    /// What was found out about stops that were handed over, since this was last asked.
    pub fn checked(&mut self) -> Vec<Checked> {
        std::mem::take(&mut self.checked)
    }

    /// The epoch of the log as it was last followed, as headers spell it.
    fn epoch(&self) -> Option<u32> {
        self.followed.as_ref().and_then(|followed| followed.epoch)
    }

    /// That the copy has gone over to a new epoch of the log, since this was last asked.
    pub fn restored(&mut self) -> Option<Restored> {
        self.restored.take()
    }

    /// Sends the log a few of the stops that it does not have.
    fn hand_on(&mut self, missing: Vec<Stop>) {
        if missing.is_empty() || std::mem::replace(&mut self.handed_on, true) {
            return;
        }
        for stop in self.stops.in_turn(missing, HANDED_ON) {
            match self.client.submit(stop.envelope(), stop.blobs()) {
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the log did not take a stop that this gate obeys");
                    // Where one was waited for in vain, so would be the others.
                    if let ClientError::Unreachable { .. } = error {
                        return;
                    }
                }
            }
        }
    }

    /// Whether the log has it, so that what the log says of it since counts. Somebody may have said the same before, and taken
    /// it back: only the statement itself is it.
    fn is_in_the_log(&self, stop: &Stop) -> Result<bool, DeskError> {
        let payload = stop.signed().payload();
        let streams = stop.signed().statement().streams(&payload)?;
        let Some(home) = streams.first() else { return Ok(false) };
        Ok(self.runtime.block_on(self.follower.has_said(home, &payload))?)
    }

    fn load_for(&self, state: &mut State, signed: &Signed) -> Result<(), DeskError> {
        let loaded = self.runtime.block_on(records::load_for(&*self.follower.store(), state, signed));
        loaded.map_err(|e| DeskError::Follow(self.follower.recorded(e)))
    }

    /// Governance by this gate's own copy.
    pub fn governance(&self) -> Result<Arc<Governance>, DeskError> {
        Ok(self.runtime.block_on(self.follower.governance())?)
    }

    /// The gate as this copy of the log knows it.
    pub fn registered(&self) -> Result<Option<GateRecord>, DeskError> {
        Ok(self.runtime.block_on(self.follower.gate(&self.gate))?)
    }

    pub fn change(&self, id: &ChangeId) -> Result<Option<Change>, DeskError> {
        Ok(self.runtime.block_on(self.follower.change(id))?)
    }

    /// The changes whose present revision brings exactly this to this branch.
    pub fn changes_bringing(
        &self,
        repository: &RepositoryId,
        branch: &str,
        delta: &Digest,
    ) -> Result<Vec<Change>, DeskError> {
        Ok(self.runtime.block_on(self.follower.changes_bringing(repository, branch, delta))?)
    }

    /// A blob: from the copy, or from the server, which can only give what hashes to its name.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, DeskError> {
        if let Some(bytes) = self.runtime.block_on(self.follower.blobs(&[*digest]))?.remove(digest) {
            return Ok(Some(bytes));
        }
        match self.client.blob(digest) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ClientError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs the rules over this gate's own copy, with the stops that it was handed.
    pub fn judge(&self, change: &Change, now: Time) -> Result<(Change, Judged), DeskError> {
        let (change, judged, snapshot) = self.judged(change, now)?;
        // What is denied needs nobody to vouch for it.
        let note = self.followed.as_ref().and_then(|followed| followed.cosigned.as_ref());
        match judged.decision.outcome {
            Outcome::Allow => vouched(&self.follower.trust(), note, &snapshot, now)?,
            Outcome::Deny => {}
        }
        Ok((change, judged))
    }

    /// The same, whoever vouches for the log.
    fn judged(&self, change: &Change, now: Time) -> Result<(Change, Judged, Snapshot), DeskError> {
        self.has_waited(now)?;
        let mut state = self.runtime.block_on(self.follower.state_of(change, Some(&self.gate)))?;
        let inputs = change.inputs(&state.governance, Some(&self.gate))?;
        let mut handed = Vec::new();
        let leaves = match &self.followed {
            Some(followed) => followed.checkpoint.size,
            None => self.leaves()?,
        };
        let concerns = |stop: &Stop| stop.may_concern(change, &inputs) && !stop.is_of_no_revision(change, leaves);
        for stop in self.stops.all()?.iter().filter(|stop| concerns(stop)) {
            self.load_for(&mut state, stop.signed())?;
            if stop.holds(&state, change)? == Some(true) {
                handed.extend(stop.obeyed(&mut state, now)?);
            }
        }
        // One that came since the log was followed, and of which it can be told now.
        for stop in self.stops.unchecked()?.iter().filter(|stop| concerns(stop)) {
            self.load_for(&mut state, stop.signed())?;
            let by_somebody = admit::stop(&state, stop.signed(), now).is_ok();
            if by_somebody && stop.holds(&state, change)? == Some(true) {
                handed.extend(stop.obeyed(&mut state, now)?);
            }
        }
        let change = state.change(&change.id)?.unwrap_or(change).at_gate(&self.gate);
        self.foresee_under_way(&mut state, &change, now)?;
        let rules = &state.governance.rules;
        let snapshot = Snapshot::take(&state, &change, now)?.applied_by(&self.applier, rules);
        let decision = decide::decide(&state.governance.rules, &snapshot, now);
        // Who could help is of interest only where something is missing.
        let explanation = match decision.outcome {
            Outcome::Allow => Explanation {
                explained_at: now,
                rules: Vec::new(),
                enough: Vec::new(),
                standard: None,
                rollback: None,
                freezes: Vec::new(),
                lands: None,
                expires: None,
                steps: Vec::new(),
                glass: None,
                beside: Vec::new(),
                idle: Vec::new(),
            },
            Outcome::Deny => {
                let presence = self.runtime.block_on(self.follower.presence(&state, now))?;
                explain::explain(&decision, &state, &change, &presence, now)?
            }
        };
        Ok((change, Judged { decision, explanation, handed }, snapshot))
    }

    /// Asks for a permit, finds it in the log, and opens. The server takes its time to answer, so that the clock is read again
    /// after it.
    pub fn ask(&mut self, change: &Change, transition: &Transition, clock: Clock<'_>) -> Result<Opening, DeskError> {
        let revision = change
            .current_ref()
            .ok_or_else(|| Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)))?;
        let reference = transition.reference()?;
        let request = PermitRequest {
            applier: match &self.applier {
                Applier::Is(who) if !self.gate.is_its_runners() => Some(who.clone()),
                Applier::Is(_) | Applier::Unknown => None,
            },
            audience: self.key(),
            change: change.id.clone(),
            gate: self.gate.clone(),
            revision,
            transition: reference.clone(),
        };
        let began = clock();
        let asked = self.say(Body::PermitRequest(request), &[transition.to_blob()?]);
        // Whatever was answered, what the log says now is remembered.
        self.follow(clock())?;
        match asked {
            Ok(_) => {}
            Err(SpeakError::Client(ClientError::Denied(_))) => {
                let change = self.change(&change.id)?.unwrap_or_else(|| change.clone());
                let (_, judged) = self.judge(&change, clock())?;
                return match judged.decision.outcome {
                    Outcome::Deny => Err(DeskError::Denied(Box::new(judged))),
                    Outcome::Allow => Err(Refusal::forbidden(
                        "server-denies",
                        "the server denies what the rules allow by this gate's own copy of the log",
                    )
                    .hint("try again; if it stays so, tell whoever runs the server")
                    .into()),
                };
            }
            Err(error) => return Err(error.into()),
        }
        let change = self
            .change(&change.id)?
            .ok_or_else(|| Refusal::forbidden("permit-not-logged", format!("the log has no change {}", change.id)))?;
        let permit = change
            .permits
            .iter()
            .rev()
            .find(|permit| permit.transition == reference && permit.audience == self.key())
            .ok_or_else(|| {
                Refusal::forbidden("permit-not-logged", "the server gave a permit that is not in the log")
            })?;
        permit::just_issued(permit, began, clock())?;
        let permit = permit.statement;
        self.open_permit(&change, &permit, transition, clock())
    }

    /// Opens for a permit that is in the log, checked here.
    pub fn open_permit(
        &self,
        change: &Change,
        permit: &Digest,
        transition: &Transition,
        now: Time,
    ) -> Result<Opening, DeskError> {
        let epoch = self.epoch();
        if let Some(broken) =
            change.permits.iter().find(|record| record.statement == *permit).and_then(|record| record.broken.as_ref())
        {
            let record = good_permit(change, permit, &self.key(), transition, epoch, now)?.clone();
            return self.open_broken(change.clone(), record, broken, now);
        }
        let (change, judged) = self.judge(change, now)?;
        let record = good_permit(&change, permit, &self.key(), transition, epoch, now)?;
        match judged.decision.outcome {
            Outcome::Allow => Ok(Opening { permit: record.clone(), change }),
            Outcome::Deny => Err(DeskError::Denied(Box::new(judged))),
        }
    }

    /// Tells the log what came of a permit.
    pub fn report(
        &self,
        opening: &Opening,
        result: OutcomeResult,
        exit_status: Option<i32>,
    ) -> Result<Receipt, DeskError> {
        Ok(self.say(opening.outcome(result, exit_status), &[])?)
    }

    /// Leaves the copy so that the next process opens it quickly. For when nobody waits.
    pub fn close(self) -> Result<(), DeskError> {
        Ok(self.runtime.block_on(self.follower.close())?)
    }

    /// Whether the copy still stands where this gate has followed it to: another process may have moved it on.
    pub fn is_current(&self) -> Result<bool, DeskError> {
        let size = self.leaves()?;
        Ok(self.followed.as_ref().is_some_and(|followed| followed.checkpoint.size == size))
    }

    /// How many leaves the copy has by now, whoever put them there.
    pub fn leaves(&self) -> Result<u64, DeskError> {
        Ok(self.runtime.block_on(self.follower.size())?)
    }

    /// Makes, signs and submits a statement, in front of the log as this gate last followed it.
    pub fn say(&self, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt, SpeakError> {
        let seen = match &self.followed {
            Some(followed) => InFrontOf::of(&followed.checkpoint, followed.epoch),
            None => return Err(Refusal::conflict("not-followed", "the log was not followed yet").into()),
        };
        let envelope = signed(&self.hand, &self.me, &seen, body)?;
        Ok(self.client.submit(&envelope, blobs)?)
    }
}

/// The permit as the log has it: for this key and this transition, good now, not used, and of the present revision.
fn good_permit<'a>(
    change: &'a Change,
    permit: &Digest,
    key: &Fingerprint,
    transition: &Transition,
    epoch: Option<u32>,
    now: Time,
) -> Result<&'a PermitRecord, Refusal> {
    let record = change
        .permits
        .iter()
        .find(|record| record.statement == *permit)
        .ok_or_else(|| Refusal::forbidden("permit-not-logged", "the permit is not in the log"))?;
    permit::of_epoch(record, epoch)?;
    permit::check_lease(record, key, &transition.reference()?, now)?;
    if record.outcome.is_some() {
        return Err(Refusal::forbidden("permit-spent", "the permit was used before: the log has its outcome")
            .hint("a permit opens a gate once; ask for a new one"));
    }
    if change.current_ref() != Some(record.revision) || !change.status.is_open() {
        return Err(Refusal::conflict(
            "stale-revision",
            "the permit is for a revision that is no longer the present one",
        )
        .hint("try again, so that a new permit is asked for"));
    }
    change.fits(transition)?;
    Ok(record)
}

/// Where `trust.json` asks for cosigners, the log opens a gate only under enough cosignatures that are fresh for the
/// strictest tier that the change reaches. They may be over less than this gate has read: what they vouch for is that the log
/// has not gone on elsewhere.
fn vouched(trust: &Trust, note: Option<&SignedCheckpoint>, snapshot: &Snapshot, now: Time) -> Result<(), Refusal> {
    let age = snapshot.targets.iter().map(|target| trust.fresh.secs(target.tier)).min();
    let age = age.unwrap_or_else(|| trust.fresh.tier_1_secs.min(trust.fresh.others_secs));
    match trust.vouching(note, now, u64::try_from(age).unwrap_or(0)) {
        Vouching::Nobody | Vouching::Enough { .. } => Ok(()),
        Vouching::Short(error) => Err(Refusal::forbidden(
            "not-cosigned",
            format!("nobody can rule out that the log stands still: within {age} s, {error}"),
        )
        .hint("tell whoever runs the server and those cosigners: each has to run, and the server has to reach it; then try again")),
    }
}
