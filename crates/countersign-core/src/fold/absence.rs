//! What people said of being away, and of who stands in for them.

use std::collections::BTreeMap;

use countersign_ledger::{Digest, Time};

use crate::{
    absence::AwayRecord,
    admit::Signed,
    change::Admitted,
    delegation::DelegationRecord,
    ids::ActorId,
    refusal::Refusal,
    state::State,
    statement::{Body, Statement},
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

    /// Obeys what somebody said of themselves, handed over before the log has it. It may have begun before: whose it is was checked then.
    /// `None` of another kind of stop.
    pub(super) fn obey_of_somebody(&mut self, signed: &Signed, now: Time) -> Option<Result<(), Refusal>> {
        let Statement { header, body } = signed.statement();
        Some(match body {
            Body::Away(said) if said.until <= now => {
                Err(Refusal::conflict("over-already", format!("the absence of {} is over", header.by)))
            }
            Body::Away(said) => {
                let away = &mut self.person_mut(&header.by).away;
                away.push(AwayRecord {
                    statement: signed.payload(),
                    from: said.from.unwrap_or(now),
                    until: said.until,
                });
                Ok(())
            }
            Body::DelegationEnd(said) => {
                let stays = |known: &DelegationRecord| known.statement != said.delegation;
                // Nobody ends another's by naming oneself.
                let is_it = |known: &DelegationRecord| !stays(known) && known.of == said.of && known.to == said.to;
                if !self.person_mut(&said.of).gave.iter().any(is_it) {
                    let none = format!("no delegation {} by {} to {} stands", said.delegation, said.of, said.to);
                    return Some(Err(Refusal::unknown("no-delegation", none)));
                }
                self.person_mut(&said.of).gave.retain(stays);
                self.person_mut(&said.to).received.retain(stays);
                Ok(())
            }
            _ => return None,
        })
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
