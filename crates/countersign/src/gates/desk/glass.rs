//! Opening on people's word alone: what they signed is checked by this gate's own copy of the log, as the log will check it, with
//! the stops that were handed to the gate.

use std::collections::BTreeSet;

use countersign_core::{
    admit,
    change::{Change, PermitRecord},
    explain, freeze,
    glass::{self, Broken, GLASS_SECS},
    ids::{ActorId, ChangeId, Nonce, Target},
    permit,
    refusal::Refusal,
    state::State,
    statement::{Body, Holder, SeenCheckpoint, person_stream},
    subject::Transition,
};
use countersign_ledger::{Digest, Envelope, Time};

use super::{Desk, DeskError, Opening};
use crate::{
    client::ClientError,
    follower::Follower,
    gates::glass::{Glass, Kept, Part},
    records,
};

impl Desk {
    /// The newest checkpoint that this gate has followed, and its epoch: what people sign in front of.
    pub fn in_front_of(&self) -> Result<(SeenCheckpoint, Option<u32>), DeskError> {
        let (seen, epoch) = self.runtime.block_on(async {
            let seen = self.follower.seen()?;
            Ok::<_, crate::follower::FollowError>((seen, self.follower.epoch().await?))
        })?;
        let seen = seen.ok_or_else(|| Refusal::conflict("not-followed", "this gate has not followed the log yet"))?;
        let checkpoint = seen.checkpoint();
        Ok((SeenCheckpoint { root: checkpoint.root, size: checkpoint.size }, epoch))
    }

    /// The one change of this gate's copy whose id begins so.
    pub fn change_named(&self, prefix: &str) -> Result<Option<Change>, DeskError> {
        let store = self.follower.store();
        let found = self.runtime.block_on(store.find(records::CHANGE, prefix, 2));
        match found.map_err(|e| self.follower.failed(e))?.as_slice() {
            [] => Ok(None),
            [(id, _)] => {
                let id: Result<ChangeId, _> = id.parse();
                let id = id.map_err(|e| Refusal::malformed("change-damaged", e.to_string()))?;
                self.change(&id)
            }
            [..] => {
                Err(Refusal::conflict("ambiguous-change", format!("`{prefix}` is the beginning of several changes"))
                    .hint("type more of its id")
                    .into())
            }
        }
    }

    /// How many people open these targets without the log, by the age of this gate's copy.
    pub fn needed_without_the_log(&self, targets: &BTreeSet<Target>, now: Time) -> Result<usize, DeskError> {
        let governance = self.governance()?;
        let age = Follower::followed_in(self.follower.folder()).map_or(i64::MAX, |at| now.secs_since(at));
        Ok(glass::needed_by_copy(&governance, targets, age))
    }

    /// Governance, with what stands about everybody who revoked a key or whose key was revoked: whoever is named as entitled has to be
    /// able to sign.
    fn state_with_everybody(&self) -> Result<State, DeskError> {
        let mut state = State::part(self.governance()?);
        let known = self.runtime.block_on(records::know_everybody(&*self.follower.store(), &mut state));
        known.map_err(|error| self.follower.recorded(error.into()))?;
        Ok(state)
    }

    /// How many could open these targets in an emergency.
    pub fn entitled(&self, targets: &BTreeSet<Target>, now: Time) -> Result<usize, DeskError> {
        let state = self.state_with_everybody()?;
        Ok(explain::able(&state, glass::entitled(&state.governance, targets, now), now).len())
    }

    /// What people signed, with the signatures alone that count, and why each of the others does not: somebody who is not entitled, or
    /// whose key was revoked, keeps nothing shut by signing, too.
    pub fn counting(&self, glass: &Glass, now: Time) -> Result<(Glass, Vec<Refusal>), DeskError> {
        let (said, others) = self.those_who_count(&glass.said, &glass.says()?.targets, now)?;
        Ok((Glass::new(glass.proposal.clone(), said)?, others))
    }

    /// The same of one statement. Without the one by whom it is said, it stays as it is.
    pub fn those_who_count(
        &self,
        part: &Part,
        targets: &BTreeSet<Target>,
        now: Time,
    ) -> Result<(Part, Vec<Refusal>), DeskError> {
        let mut state = self.state_with_everybody()?;
        self.obey_revocations(&mut state, now)?;
        self.load_for(&mut state, &part.signed)?;
        let found = admit::counting(&state, &part.signed, targets, now);
        let by = &part.signed.statement().header.by;
        let speaks = found.iter().any(|one| one.as_ref().is_ok_and(|person| person == by));
        if !speaks || found.iter().all(Result::is_ok) {
            return Ok((part.clone(), Vec::new()));
        }
        let counts = found.iter().map(Result::is_ok);
        let signatures = part.envelope.signatures().iter().zip(counts).filter(|(_, counts)| *counts);
        let signatures = signatures.map(|(signature, _)| signature.clone()).collect();
        let envelope = Envelope::new(part.envelope.payload(), signatures)
            .map_err(|error| Refusal::malformed("malformed-break-glass", error.to_string()))?;
        let counting = Part::new(envelope, part.blobs.clone())?;
        Ok((counting, found.into_iter().filter_map(Result::err).collect()))
    }

    /// Opens for what people signed in an outage, over what this gate drew at `drawn`.
    pub fn open_glass(
        &self,
        glass: &Glass,
        (nonce, drawn): (&Nonce, Time),
        transition: &Transition,
        now: Time,
    ) -> Result<Opening, DeskError> {
        let said = glass.says()?;
        if said.nonce.as_ref() != Some(nonce) {
            return Err(Refusal::forbidden(
                "another-nonce",
                "it was signed over what another gate drew, or another time",
            )
            .hint("push without it: what is refused prints what this gate draws now")
            .into());
        }
        let latest = drawn.plus_secs(GLASS_SECS);
        if said.expires_at > latest {
            return Err(Refusal::forbidden(
                "glass-expiry",
                format!("it is to hold until {}, and what the gate drew is good until {latest}", said.expires_at),
            )
            .hint("push without it: what is refused prints what this gate draws now, and that is signed anew")
            .into());
        }
        if now > said.expires_at {
            return Err(Refusal::forbidden("glass-expiry", format!("its time was over at {}", said.expires_at))
                .hint("push without it: what is refused prints what this gate draws now, and that is signed anew")
                .into());
        }
        let mut state = self.state_with_everybody()?;
        self.obey_revocations(&mut state, now)?;
        let blobs = glass.blobs();
        let blob = |digest: &Digest| blobs.get(digest).cloned();
        for part in glass.parts() {
            self.load_for(&mut state, &part.signed)?;
            let is_there =
                matches!(part.signed.statement().body, Body::Proposal(_)) && state.change(&said.change)?.is_some();
            if !is_there {
                state.foresee(&part.signed, &blob, now)?;
            }
        }
        let change = state.change(&said.change)?.cloned().ok_or_else(nothing_opened)?;
        let by = glass.said.signed.payload();
        let record = change.permits.iter().find(|record| record.statement == by).ok_or_else(nothing_opened)?.clone();
        let broken = record.broken.clone().ok_or_else(nothing_opened)?;
        let needed = self.needed_without_the_log(&change.targets, now)?;
        admit::enough_broke(&state, &said.targets, &broken.by.keys().collect(), needed, now)?;
        self.goes_over_all(&mut state, &change, &broken, now)?;
        permit::check_lease(&record, &self.key(), &transition.reference()?, now)?;
        change.fits(transition)?;
        Ok(Opening { change, permit: record })
    }

    /// Whether a drill would have opened this gate in an outage. Gives who signed it.
    pub fn check_drill(
        &self,
        part: &Part,
        (nonce, drawn): (&Nonce, Time),
        now: Time,
    ) -> Result<BTreeSet<ActorId>, DeskError> {
        let Body::Drill(said) = &part.signed.statement().body else { return Err(nothing_opened().into()) };
        if said.nonce != *nonce || said.audience != self.key() || said.gate != self.gate {
            return Err(Refusal::forbidden(
                "another-nonce",
                "it was signed over what another gate drew, or another time",
            )
            .hint("push without it: what is refused prints what this gate draws now")
            .into());
        }
        if said.expires_at > drawn.plus_secs(GLASS_SECS) || said.expires_at < now {
            return Err(Refusal::forbidden("glass-expiry", "it is over, or is to hold for longer than an hour").into());
        }
        let mut state = self.state_with_everybody()?;
        self.obey_revocations(&mut state, now)?;
        self.load_for(&mut state, &part.signed)?;
        state.foresee(&part.signed, &|_| None, now)?;
        let first = said.targets.first().map(|target| state.target(target)).transpose()?.flatten();
        let by = first.and_then(|record| record.drilled.as_ref()).map(|drilled| drilled.by.clone());
        let by = by.ok_or_else(nothing_opened)?;
        let needed = self.needed_without_the_log(&said.targets, now)?;
        admit::enough_broke(&state, &said.targets, &by.iter().collect(), needed, now)?;
        Ok(by)
    }

    /// What people have signed so that exactly this goes at this gate, whatever the rules say.
    pub fn broken(&self, change: &Change, transition: &Transition, now: Time) -> Option<Digest> {
        let reference = transition.reference().ok()?;
        let is_it = |permit: &&PermitRecord| {
            permit.broken.is_some()
                && permit.outcome.is_none()
                && permit.transition == reference
                && permit.audience == self.key()
                && permit.expires_at >= now
        };
        change.permits.iter().rev().find(is_it).map(|permit| permit.statement)
    }

    /// What people have signed so that this change goes from somewhere else, or as something else.
    pub fn broken_for_another<'a>(
        &self,
        change: &'a Change,
        transition: &Transition,
        now: Time,
    ) -> Option<&'a PermitRecord> {
        let reference = transition.reference().ok()?;
        let is_it = |permit: &&PermitRecord| {
            permit.broken.is_some()
                && permit.outcome.is_none()
                && permit.transition != reference
                && permit.expires_at >= now
        };
        change.permits.iter().rev().find(is_it)
    }

    /// Opens for what the log has taken: those who signed still can, as many as it takes, and whatever was handed to this gate is
    /// named in it.
    pub(super) fn open_broken(
        &self,
        change: Change,
        record: PermitRecord,
        broken: &Broken,
        now: Time,
    ) -> Result<Opening, DeskError> {
        if broken.nonce.is_some() && broken.nonce != self.drawn {
            return Err(Refusal::forbidden(
                "another-nonce",
                "it was signed in an outage, over what this gate has not drawn for this",
            )
            .into());
        }
        let mut state = self.runtime.block_on(self.follower.state_of(&change, Some(&self.gate)))?;
        self.obey_revocations(&mut state, now)?;
        for (who, key) in &broken.by {
            // Who they are may stand in a stream that no decision about the change depends on.
            let stream = BTreeSet::from([person_stream(who)?]);
            let loaded = self.runtime.block_on(records::load(&*self.follower.store(), &mut state, &stream));
            loaded.map_err(|e| self.follower.recorded(e))?;
            if state.holds(who, key, now)?.is_none() {
                return Err(Refusal::forbidden(
                    "key-revoked",
                    format!("the key {key} of {who}, who broke the glass, was revoked"),
                )
                .hint("let somebody who is entitled sign anew: countersign break-glass CHANGE")
                .into());
            }
        }
        self.goes_over_all(&mut state, &change, broken, now)?;
        Ok(Opening { change, permit: record })
    }

    /// Keys that were revoked at this gate, whether or not the log knows.
    fn obey_revocations(&self, state: &mut State, now: Time) -> Result<(), DeskError> {
        for stop in self.stops.all()? {
            if let Body::KeyRevocation(said) = &stop.signed().statement().body
                && matches!(said.of, Holder::Person(_))
            {
                self.load_for(state, stop.signed())?;
                stop.obeyed(state, now)?;
            }
        }
        Ok(())
    }

    /// Rejections and freezes that were handed to this gate are gone over only where that is said.
    fn goes_over_all(&self, state: &mut State, change: &Change, broken: &Broken, now: Time) -> Result<(), DeskError> {
        let inputs = change.inputs(&state.governance, Some(&self.gate))?;
        for stop in self.stops.all()?.iter().filter(|stop| stop.may_concern(change, &inputs)) {
            if !matches!(stop.signed().statement().body, Body::Rejection(_) | Body::Freeze(_)) {
                continue;
            }
            self.load_for(state, stop.signed())?;
            if stop.holds(state, change)? == Some(true) {
                stop.obeyed(state, now)?;
            }
        }
        let change = state.change(&change.id)?.unwrap_or(change);
        let unnamed = state.rejected_by(change, now)?.into_iter().find(|by| !broken.overrides.contains(*by));
        match unnamed {
            None => match freeze::unnamed_freeze(&state.governance, change, &broken.over_freezes, now) {
                None => Ok(()),
                Some(refusal) => Err(refusal.into()),
            },
            Some(by) => Err(not_named(by).into()),
        }
    }

    /// Sends the log what people signed in an outage: the change, then what broke the glass for it. What it does not take, by no
    /// signatures that came along, is given back.
    pub fn hand_on_glass(&self, kept: &Kept) -> Result<Vec<(Glass, String)>, DeskError> {
        let (mut refused, mut taken) = (Vec::new(), BTreeSet::new());
        for glass in kept.all()? {
            match self.send_glass(&glass) {
                Ok(()) => {
                    taken.insert(glass.said.signed.payload());
                    kept.forget(&glass)?;
                }
                Err(ClientError::Refused { message, class: Some(_), .. }) => refused.push((glass, message)),
                Err(error) => return Err(error.into()),
            }
        }
        let mut lost = Vec::new();
        for (glass, why) in refused {
            let (payload, change) = (glass.said.signed.payload(), self.change(&glass.says()?.change)?);
            let is_there = change.is_some_and(|change| change.permits.iter().any(|permit| permit.statement == payload));
            if is_there || taken.contains(&payload) {
                kept.forget(&glass)?;
            } else {
                lost.push((glass, why));
            }
        }
        Ok(lost)
    }

    fn send_glass(&self, glass: &Glass) -> Result<(), ClientError> {
        /// The log has it.
        const IS_THERE: [&str; 2] = ["already-proposed", "replayed"];
        for part in glass.parts() {
            match self.client.submit(&part.envelope, &part.blobs) {
                Ok(_) => {}
                Err(ClientError::Refused { code, .. }) if IS_THERE.contains(&code.as_str()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn nothing_opened() -> Refusal {
    Refusal::conflict("nothing-opened", "what was signed opens nothing")
}

fn not_named(by: &ActorId) -> Refusal {
    Refusal::conflict("stop-not-named", format!("{by} has rejected it; whoever goes over that says so"))
        .hint(format!("sign again with --over {by}"))
}
