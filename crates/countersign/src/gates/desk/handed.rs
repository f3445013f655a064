//! Stops that are handed to a gate: whose they are, and whether the home can bear them.

use countersign_core::{admit, change::Found, freeze, state::State, statement::Body};
use countersign_ledger::Time;

use super::{ALREADY_REVOKED, Desk, DeskError, Taken, UNKNOWN_YET};
use crate::{follower::FollowError, gates::stops::Stop, records};

impl Desk {
    /// Keeps a stop, and obeys it from now on, whether or not the log takes it. Asks nobody and waits for nobody: whatever the
    /// server does, or another gate that follows, it is kept when this returns.
    pub fn stop(&self, stop: &Stop, now: Time) -> Result<Taken, DeskError> {
        match self.by_somebody(stop, now) {
            Ok(()) => {
                self.stops.keep(stop)?;
                Ok(Taken::Obeyed)
            }
            Err(DeskError::Refused(refusal) | DeskError::Follow(FollowError::Refused(refusal)))
                if UNKNOWN_YET.contains(&refusal.code) =>
            {
                self.stops.keep_unchecked(stop)?;
                Ok(Taken::Unchecked)
            }
            Err(error) => Err(error),
        }
    }

    /// A stop has to be by somebody who may. The change that it is about may be unknown here yet; a key that is revoked has to
    /// be somebody's.
    pub(super) fn by_somebody(&self, stop: &Stop, now: Time) -> Result<(), DeskError> {
        let governance = self.runtime.block_on(self.follower.governance())?;
        let mut state = State::part(governance);
        self.load_for(&mut state, stop.signed())?;
        let authenticated = admit::stop(&state, stop.signed(), now)?;
        let others = self.stops.all()?;
        let another = |kept: &&Stop| kept.signed().payload() != stop.signed().payload();
        if let Some(kept) = others.iter().filter(another).find(|kept| kept.is_renewed_by(stop, now))
            && let Body::Freeze(said) = &kept.signed().statement().body
        {
            let name = freeze::name_of(&kept.signed().payload());
            return Err(admit::freeze_renewed(&stop.signed().statement().header.by, &name, said.until).into());
        }
        if let Body::KeyRevocation(_) = authenticated.statement().body {
            match admit::admit(&state, &authenticated, &Found::default(), now) {
                Ok(()) => self.bears(&state, stop, now)?,
                Err(refusal) if refusal.code == ALREADY_REVOKED => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }

    /// Whether the home can bear another revocation, beside those that the log has and those that were handed over.
    fn bears(&self, state: &State, stop: &Stop, now: Time) -> Result<(), DeskError> {
        let people = self.runtime.block_on(records::people(&*self.follower.store()));
        let mut people = people.map_err(|e| self.follower.failed(e))?;
        for kept in self.stops.all()?.iter().filter(|kept| kept.signed().payload() != stop.signed().payload()) {
            let mut with_it = state.clone();
            self.load_for(&mut with_it, kept.signed())?;
            if kept.obeyed(&mut with_it, now).is_ok() {
                people.extend(with_it.people().map(|(id, record)| (id.clone(), record.clone())));
            }
        }
        Ok(admit::bounds(&state.governance, &people, stop.signed(), now)?)
    }
}
