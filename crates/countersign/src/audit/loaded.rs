//! What a log has of approvals, people and calendars, for whoever asks who has how much to do: followed, and so checked here.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    governance::{Blobs, Governance},
    ids::{ActorId, SystemId},
    load::History,
    state::PersonRecord,
    trust::Trust,
};
use countersign_ledger::Time;

use super::governed::{self, GovernedError};
use crate::records;

#[derive(Debug)]
pub struct Loaded {
    pub history: History,
    pub governance: Arc<Governance>,
    /// What people said of themselves.
    pub people: BTreeMap<ActorId, PersonRecord>,
}

impl Loaded {
    /// The last weeks of a log. `blob` finds decisions, which say by which rules something was let through.
    pub fn read(
        place: &str,
        trust: &Trust,
        system: Option<&SystemId>,
        (weeks, now): (u32, Time),
        blob: &Blobs<'_>,
    ) -> Result<Self, GovernedError> {
        governed::copied(place, trust, now, async |follower| {
            let governance = follower.governance().await?;
            let changes = governed::changes(follower).await?;
            let people = records::people(&*follower.store()).await?;
            let history = History::of(&governance, &changes, system, (weeks, now), blob);
            Ok(Self { history, governance, people })
        })
    }

    /// Until when somebody is away who is so at a moment, by a calendar or by their own word.
    pub fn away_until(&self, person: &ActorId, at: Time) -> Option<Time> {
        let said = self.people.get(person).and_then(|record| record.away_until(at));
        said.max(self.governance.calendars.away_until(person, at))
    }
}
