//! A recovery, as the streams of those who got a key by it remember it: somebody who did not sign it looks at it.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use crate::{
    admit::Signed,
    governance::Governance,
    ids::ActorId,
    state::{Recovered, State},
    statement::{Recovery, person_stream},
};

/// Who signed it. Founders can by the keys that genesis pins.
pub(super) fn recoverers(governance: &Governance, signed: &Signed) -> BTreeSet<ActorId> {
    let whose = signed.keys().filter_map(|key| {
        let actor = governance.catalog.actor_by_key(&key).map(|actor| &actor.id);
        actor.or_else(|| governance.founder_by_pinned_key(&key)).cloned()
    });
    whose.collect()
}

impl State {
    /// Each of those whose stream is at hand remembers all of it.
    pub(super) fn know_recovery(&mut self, said: &Recovery, by: &BTreeSet<ActorId>, (recovery, at): (Digest, Time)) {
        let of: BTreeSet<ActorId> = said.keys.keys().cloned().collect();
        for person in &of {
            if person_stream(person).is_ok_and(|stream| self.knows(&stream)) {
                let recovered = Recovered { at, by: by.clone(), of: of.clone(), recovery };
                self.person_mut(person).recovered.push(recovered);
            }
        }
    }

    /// That somebody was asked to look at it.
    pub(super) fn looks_at_recovery(&mut self, recovery: &Digest, of: &BTreeSet<ActorId>) {
        for person in of {
            self.person_mut(person).recovered.retain(|known| known.recovery != *recovery);
        }
    }
}
