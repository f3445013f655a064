//! Who can act now, and who stands in for whom, as people's own streams tell it. What calendars say of it is governance.
//!
//! Nothing here takes part in deciding: it serves whoever looks for somebody.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use crate::{
    delegation::DelegationRecord,
    governance::Governance,
    ids::ActorId,
    refusal::Refusal,
    state::{PersonRecord, State},
    statement::Holder,
};

/// How people stand at one moment, as far as their records are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// People none of whose keys holds.
    pub disabled: BTreeSet<ActorId>,
    /// Who is away by their own word, until when.
    pub away: BTreeMap<ActorId, Time>,
    /// Roles that somebody has of somebody else now.
    pub delegations: Vec<DelegationRecord>,
}

impl Presence {
    pub fn of<'a>(
        governance: &Governance,
        people: impl IntoIterator<Item = (&'a ActorId, &'a PersonRecord)>,
        now: Time,
    ) -> Self {
        let people: BTreeMap<&ActorId, &PersonRecord> = people.into_iter().collect();
        let mut presence = Self::default();
        let epoch = governance.record.header_epoch();
        for (id, record) in &people {
            let Some(person) = governance.person(id) else { continue };
            if record.disables(person, now) {
                presence.disabled.insert((*id).clone());
            }
            if let Some(until) = record.away_until(now) {
                presence.away.insert((*id).clone(), until);
            }
            let stands = |known: &&DelegationRecord| {
                let revoked = people.get(&known.of).is_some_and(|of| of.is_revoked(&known.key, now));
                known.holds(now) && known.epoch == epoch && !revoked && governance.person(&known.of).is_some()
            };
            presence.delegations.extend(record.received.iter().filter(stands).cloned());
        }
        presence
    }

    /// With what somebody else knows besides.
    pub fn extend(&mut self, other: Self) {
        self.disabled.extend(other.disabled);
        self.away.extend(other.away);
        for known in other.delegations {
            if !self.delegations.contains(&known) {
                self.delegations.push(known);
            }
        }
    }

    /// Everybody who is not there: who cannot sign, and who said that they are away.
    pub fn absent(&self) -> BTreeSet<ActorId> {
        self.disabled.iter().chain(self.away.keys()).cloned().collect()
    }
}

impl State {
    /// How people stand, as far as their records are loaded.
    pub fn presence(&self, now: Time) -> Presence {
        Presence::of(&self.governance, self.people(), now)
    }

    /// Whether somebody is away, by a calendar or by their own word.
    pub fn is_away(&self, id: &ActorId, now: Time) -> Result<bool, Refusal> {
        let said = self.person(id)?.and_then(|record| record.away_until(now));
        Ok(said.is_some() || self.governance.calendars.is_away(id, now))
    }

    /// Those none of whose keys holds, and those who suspend another's key, which nobody has confirmed: they grant nothing meanwhile.
    pub fn unable(&self, now: Time) -> BTreeSet<ActorId> {
        let suspends = |record: &PersonRecord| record.suspends(now).any(|took| matches!(took.of, Holder::Person(_)));
        let suspending = self.people().filter(|(_, record)| suspends(record)).map(|(id, _)| id.clone());
        self.presence(now).disabled.into_iter().chain(suspending).collect()
    }
}
