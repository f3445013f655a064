//! After a recovery: somebody who did not sign it, and got no key by it, is asked to look at it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{escalation, ids::ActorId, statement::Matter};
use countersign_ledger::Digest;

use super::{Engine, EngineError, approving};
use crate::records;

impl Engine {
    /// Asks somebody else to look at each recovery that nobody was asked about yet. Gives how many.
    pub async fn raise_recovered(&self) -> Result<usize, EngineError> {
        let (now, governance) = (self.clock.now()?, self.governance().await?);
        let people = records::people(&*self.store).await?;
        let recovered = people.into_values().flat_map(|record| record.recovered);
        let recovered: BTreeMap<Digest, _> = recovered.map(|known| (known.recovery, known)).collect();
        if recovered.is_empty() {
            return Ok(0);
        }
        let presence = records::presence(&*self.store, &governance, now).await?;
        let mut found = Vec::new();
        for (recovery, known) in recovered {
            let hands: BTreeSet<ActorId> = known.by.union(&known.of).cloned().collect();
            let others = approving::others(&governance, &presence, &hands, now);
            // Where nobody else is there, those who got a key look at what the others did, and these at what they did themselves.
            let who = [others, escalation::others(&governance, &hands, &BTreeSet::new(), now)];
            let who = who.into_iter().find(|who| !who.is_empty()).unwrap_or(hands);
            found.push((Matter::KeysRecovered { by: known.by, of: known.of, recovery }, who));
        }
        self.raise(found, now).await
    }
}
