//! Who can act now, and who stands in for whom, as people's own streams tell it. What calendars say of it is governance.
//!
//! Nothing here takes part in deciding: it serves whoever looks for somebody.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use crate::{delegation::DelegationRecord, governance::Governance, ids::ActorId, state::PersonRecord};

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
