//! Who had to do with the systems of a change before, and what waits for people: for whoever looks for somebody to ask.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    change::{Change, ChangeStatus},
    explain::{Explained, Obligation},
    ids::ActorId,
};

use super::{Engine, EngineError};
use crate::{
    records::{self, facet},
    store::{Facet, List},
    wire::{Familiar, FamiliarLine},
};

/// How many of the last changes of a system are looked at.
const MAX_LOOKED_AT: u64 = 200;
/// How many open changes are asked whom they wait for.
const MAX_OPEN: u64 = 50;

impl Engine {
    pub async fn familiar(&self, change: &Change) -> Result<Familiar, EngineError> {
        let mut people: BTreeMap<ActorId, FamiliarLine> = BTreeMap::new();
        for other in self.before(change).await? {
            let same_files = !paths(change).is_disjoint(&paths(&other));
            let makers: BTreeSet<&ActorId> = other.revisions.iter().map(|revision| &revision.by).collect();
            let landed = other.status == ChangeStatus::Applied;
            let approvers: BTreeSet<&ActorId> = match other.permits.is_empty() {
                true => BTreeSet::new(),
                false => other.approvals.iter().map(|approval| &approval.by).collect(),
            };
            for by in approvers.iter().copied().chain(makers.iter().copied().filter(|_| landed)) {
                let line = people.entry(by.clone()).or_default();
                match approvers.contains(by) {
                    true => line.approved = line.approved.saturating_add(1),
                    false => line.made = line.made.saturating_add(1),
                }
                line.files = line.files.saturating_add(u32::from(same_files));
            }
        }
        for asked in self.asked(change).await? {
            let line = people.entry(asked).or_default();
            line.open = line.open.saturating_add(1);
        }
        Ok(Familiar { people })
    }

    /// The last other changes of its systems.
    async fn before(&self, change: &Change) -> Result<Vec<Change>, EngineError> {
        let systems: BTreeSet<&str> = change.targets.iter().map(|target| target.system.as_str()).collect();
        let mut found = BTreeMap::new();
        for system in systems {
            let filters = [Facet::new(facet::SYSTEM, system)];
            let list = List { filters: &filters, ..List::of(records::CHANGE, MAX_LOOKED_AT) };
            for item in self.store.list(&list).await?.items {
                let other: Change = records::parse(&item.name, &item.body)?;
                if other.id != change.id {
                    found.insert(other.id.clone(), other);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Those who are named where something is missing of another open change, once for each change.
    async fn asked(&self, change: &Change) -> Result<Vec<ActorId>, EngineError> {
        let filters = [Facet::new(facet::OPEN, "open")];
        let list = List { filters: &filters, ..List::of(records::CHANGE, MAX_OPEN) };
        let mut asked = Vec::new();
        for item in self.store.list(&list).await?.items {
            let other: Change = records::parse(&item.name, &item.body)?;
            if other.id == change.id {
                continue;
            }
            let Explained { explanation, .. } = self.decide_as_observed(&other).await?;
            let rules = explanation.rules.iter().filter(|rule| rule.stops());
            let ways = rules.flat_map(|rule| &rule.obligations).flat_map(Obligation::ways);
            let who: BTreeSet<&ActorId> = ways.flat_map(|way| &way.who).collect();
            asked.extend(who.into_iter().cloned());
        }
        Ok(asked)
    }
}

/// The files of its present revision, where they are known.
fn paths(change: &Change) -> BTreeSet<&str> {
    let paths = change.current().and_then(|revision| revision.paths.as_ref());
    paths.into_iter().flatten().map(|path| path.path.as_str()).collect()
}
