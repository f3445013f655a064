//! Deciding alone, while the log cannot be reached: by this gate's own copy, as long as what it verified is young enough for the tier,
//! with the stops that were handed to it, by the same rules.
//!
//! Cutting a gate's network gains nobody anything: what counts as young is told by cosigners' times where `trust.json` names some,
//! else by when this gate has followed, and the moment is the latest that it knows of, whatever its clock says now.

use std::collections::BTreeSet;

use countersign_core::{
    admit::may_land_alone,
    catalog::Tier,
    change::{Change, PermitRecord},
    decision::Outcome,
    governance::Governance,
    ids::Target,
    permit::{self, PERMIT_SECS, span},
    refusal::Refusal,
    snapshot::Applier,
    state::State,
    statement::{Body, LocalPermit, SeenCheckpoint},
    subject::Transition,
    trust::Vouching,
};
use countersign_ledger::{Digest, Time};

use super::{Desk, DeskError, Opening};
use crate::{
    client::ClientError,
    follower::Follower,
    gates::{alone::Kept, glass::Part},
    speaker::{InFrontOf, signed},
};

impl Desk {
    /// The latest moment that this copy of the log knows of, if that is later than the clock says: a clock that was set back makes
    /// nothing younger.
    pub fn latest(&self, clock: Time) -> Result<Time, DeskError> {
        let followed = Follower::followed_in(self.follower.folder());
        let newest = self.runtime.block_on(self.follower.newest_at())?;
        Ok([followed, newest].into_iter().flatten().fold(clock, Time::max))
    }

    /// The strictest tier of these targets, and for how many seconds this gate decides about it alone: for some.
    pub(super) fn alone_for(
        &self,
        governance: &Governance,
        targets: &BTreeSet<Target>,
    ) -> Result<(u8, i64), DeskError> {
        // What the catalog does not know is taken for the most important.
        let tier = |target: &Target| {
            governance.catalog.systems.get(&target.system).map_or(Tier::HIGHEST, |system| system.tier)
        };
        let strictest = targets.iter().map(tier).min().unwrap_or(Tier::HIGHEST);
        let limit = self.follower.trust().outage.secs(strictest);
        let tier = u8::from(strictest);
        if limit == 0 {
            return Err(Refusal::forbidden(
                "not-alone",
                format!("on tier {tier} it decides nothing alone while the log is away"),
            )
            .into());
        }
        Ok((tier, limit))
    }

    /// Whether what this gate verified is young enough for it to decide alone about these targets. Gives its age in seconds.
    pub fn may_decide_alone(&self, targets: &BTreeSet<Target>, latest: Time) -> Result<i64, DeskError> {
        let trust = self.follower.trust();
        let (tier, limit) = self.alone_for(&*self.governance()?, targets)?;
        let too_old = |what: String| {
            Refusal::forbidden(
                "copy-too-old",
                format!("{what}; alone it decides on tier {tier} by what is {} old at the most", span(limit)),
            )
        };
        // What was read of a log that broke off, and hashes to no checkpoint yet, may be no part of it.
        let head = self.runtime.block_on(self.follower.store().head()).map_err(|e| self.follower.failed(e))?;
        if head.size > head.noted {
            return Err(too_old("the last time it followed the log, that broke off".to_owned()).into());
        }
        let followed = Follower::followed_in(self.follower.folder());
        let Some(followed) = followed else { return Err(too_old("it has never followed the log".to_owned()).into()) };
        let age = latest.secs_since(followed);
        let cosigned = Follower::cosigned_in(self.follower.folder(), &trust)?;
        match trust.vouching(cosigned.as_ref(), latest, u64::try_from(limit).unwrap_or(0)) {
            // That it has followed it says itself.
            Vouching::Nobody if age <= limit => Ok(age.max(0)),
            Vouching::Nobody => Err(too_old(format!("it last followed the log {} ago", span(age))).into()),
            // They vouch that the log stood where this gate has followed it.
            Vouching::Enough { .. } if age <= limit => Ok(age.max(0)),
            Vouching::Enough { .. } => Err(too_old(format!("it last followed the log {} ago", span(age))).into()),
            Vouching::Short(error) => Err(too_old(error.to_string()).into()),
        }
    }

    /// As of when this gate knows the log: by cosigners where there are some, else by when it followed.
    fn known_as_of(&self, latest: Time) -> Result<Time, DeskError> {
        let (folder, trust) = (self.follower.folder(), self.follower.trust());
        let followed = Follower::followed_in(folder).unwrap_or(latest);
        let Some(quorum) = &trust.cosigners else { return Ok(followed) };
        let cosigned = Follower::cosigned_in(folder, &trust)?;
        let vouching = trust.vouching(cosigned.as_ref(), latest, u64::MAX);
        let as_of = vouching.as_of_secs(quorum.need()).and_then(|secs| i64::try_from(secs).ok());
        Ok(as_of.map_or(followed, |secs| Time::from_unix_millis(secs.saturating_mul(1_000)).min(followed)))
    }

    /// Decides by what this gate knows and signs that. It opens nothing before it was kept and written down.
    pub fn open_alone(
        &self,
        change: &Change,
        transition: &Transition,
        latest: Time,
    ) -> Result<(Opening, Part), DeskError> {
        may_land_alone(change, &self.gate)?;
        let (change, judged, _) = self.judged(change, latest)?;
        match judged.decision.outcome {
            Outcome::Allow => {}
            Outcome::Deny => return Err(DeskError::Denied(Box::new(judged))),
        }
        let seen = self.in_front_of()?;
        let as_of = self.known_as_of(latest)?;
        self.sign_alone(State::part(self.governance()?), &change, transition, seen, (as_of, latest))
    }

    /// What lands by this gate, or has landed, and the log does not tell of yet, as it bears on a change.
    pub(super) fn foresee_under_way(&self, state: &mut State, change: &Change, now: Time) -> Result<(), DeskError> {
        for id in self.under_way.iter().filter(|id| **id != change.id) {
            // By what it landed; the copy may have an earlier revision of it.
            let carried = self.carried.get(id).cloned();
            if let Some(landing) = carried.map_or_else(|| self.change(id), |carried| Ok(Some(carried)))? {
                state.foresee_landing(&landing, change, now);
            }
        }
        Ok(())
    }

    /// Signs that this gate lets a change happen, in front of what it knows of the log, and looks how the log will take it: in a state
    /// that has what it bears on, or to which the copy adds it.
    pub(super) fn sign_alone(
        &self,
        mut state: State,
        change: &Change,
        transition: &Transition,
        (checkpoint, epoch): (SeenCheckpoint, Option<u32>),
        (as_of, latest): (Time, Time),
    ) -> Result<(Opening, Part), DeskError> {
        change.fits(transition)?;
        let revision = change
            .current_ref()
            .ok_or_else(|| Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)))?;
        let said = LocalPermit {
            applier: match &self.applier {
                Applier::Is(who) => Some(who.clone()),
                Applier::Unknown => None,
            },
            as_of: Some(as_of.min(latest)),
            audience: self.key(),
            change: change.id.clone(),
            expires_at: latest.plus_secs(PERMIT_SECS),
            gate: self.gate.clone(),
            issued_at: latest,
            revision,
            targets: change.targets.clone(),
            transition: transition.reference()?,
        };
        let log = InFrontOf { origin: self.follower.trust().origin.clone(), checkpoint, epoch };
        let envelope = signed(&self.hand, &self.me, &log, Body::LocalPermit(said))?;
        let part = Part::new(envelope, vec![transition.to_blob()?])?;
        // With a key that holds, as far as is known here.
        self.load_for(&mut state, &part.signed)?;
        let blob = |digest: &Digest| part.blobs.iter().find(|blob| Digest::of(blob) == *digest).cloned();
        state.foresee(&part.signed, &blob, latest)?;
        let permit = part.signed.payload();
        let taken = state
            .change(&change.id)?
            .and_then(|change| change.permits.iter().find(|record| record.statement == permit).cloned());
        let record: PermitRecord =
            taken.ok_or_else(|| Refusal::conflict("nothing-opened", "what was signed opens nothing"))?;
        permit::check_lease(&record, &self.key(), &transition.reference()?, latest)?;
        Ok((Opening { change: change.clone(), permit: record }, part))
    }

    /// Whether it would open still, with what was handed over since.
    pub fn still_opens_alone(&self, change: &Change, latest: Time) -> Result<(), DeskError> {
        let (_, judged, _) = self.judged(change, latest)?;
        match judged.decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => Err(DeskError::Denied(Box::new(judged))),
        }
    }

    /// Sends the log what this gate decided alone and acted on; gives what it does not take, and why.
    pub fn hand_on_alone(&self, kept: &Kept, acted: &BTreeSet<Digest>) -> Result<Vec<(Part, String)>, DeskError> {
        let mut lost = Vec::new();
        for part in kept.all()? {
            if !acted.contains(&part.signed.payload()) {
                continue;
            }
            match self.client.submit(&part.envelope, &part.blobs) {
                Ok(_) => kept.forget(&part)?,
                Err(ClientError::Refused { code, .. }) if code == "replayed" => kept.forget(&part)?,
                Err(ClientError::Refused { message, class: Some(_), .. }) => lost.push((part, message)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(lost)
    }
}
