//! What people said of being away, and of who stands in for them.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Time};

use crate::{
    absence::AwayRecord, change::Admitted, delegation::DelegationRecord, ids::ActorId, refusal::Refusal, state::State,
    statement::Body,
};

impl State {
    pub(super) fn apply_to_people(&mut self, admitted: &Admitted<'_>) {
        let (header, at) = (&admitted.statement.header, admitted.at);
        match &admitted.statement.body {
            Body::Away(said) => {
                let from = said.from.unwrap_or(at).max(at);
                let away = &mut self.person_mut(&header.by).away;
                away.retain(|known| !known.is_over(at));
                away.push(AwayRecord { statement: admitted.payload, from, until: said.until });
            }
            Body::Back(said) => {
                let away = &mut self.person_mut(&header.by).away;
                away.retain(|known| !known.is_over(at) && !said.away.contains(&known.statement));
            }
            Body::Delegation(said) => {
                let record = DelegationRecord {
                    statement: admitted.payload,
                    of: header.by.clone(),
                    key: admitted.signed_with.key.clone(),
                    to: said.to.clone(),
                    role: said.role.clone(),
                    targets: said.targets.clone(),
                    from: said.from.unwrap_or(at).max(at),
                    until: said.until,
                    epoch: header.epoch,
                };
                let gave = &mut self.person_mut(&header.by).gave;
                gave.retain(|known| !known.is_over(at));
                gave.push(record.clone());
                let received = &mut self.person_mut(&said.to).received;
                received.retain(|known| !known.is_over(at));
                received.push(record);
            }
            Body::DelegationEnd(said) => {
                let stays = |known: &DelegationRecord| !known.is_over(at) && known.statement != said.delegation;
                self.person_mut(&said.of).gave.retain(stays);
                self.person_mut(&said.to).received.retain(stays);
            }
            _ => {}
        }
    }

    /// The delegations to somebody that hold now, and whose they are.
    pub(super) fn delegated_to(&self, person: &ActorId, at: Time) -> Result<BTreeMap<Digest, ActorId>, Refusal> {
        let epoch = self.governance.record.header_epoch();
        let record = self.person(person)?;
        let received = record.into_iter().flat_map(|record| &record.received);
        let held = received.filter(|known| known.holds(at) && known.epoch == epoch);
        Ok(held.map(|known| (known.statement, known.of.clone())).collect())
    }
}
