//! A catalog in a form that is read again within a moment, however many people are in it: for whoever resolved it before.
//! Nothing is checked here but that ids are ids and keys are keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Catalog, CatalogSettings, Group, Source, System, Tier,
    actors::{Actors, KeptActors},
    hosts::Hosted,
    index::Index,
};
use crate::ids::{GroupId, SystemId};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptCatalog {
    actors: KeptActors,
    groups: Vec<(GroupId, Option<GroupId>)>,
    systems: Vec<KeptSystem>,
    settings: CatalogSettings,
    index: Index,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptSystem {
    id: SystemId,
    owner: GroupId,
    tier: Tier,
    depends_on: Vec<SystemId>,
    hosts: BTreeSet<Hosted>,
}

impl KeptCatalog {
    /// Of a catalog that stands in the log, whose systems do not say where their source is.
    pub fn of(catalog: &Catalog) -> Option<Self> {
        let system = |system: &System| KeptSystem {
            id: system.id.clone(),
            owner: system.owner.clone(),
            tier: system.tier,
            depends_on: system.depends_on.iter().cloned().collect(),
            hosts: system.hosts.clone(),
        };
        Some(Self {
            actors: catalog.actors.to_kept()?,
            groups: catalog.groups.values().map(|group| (group.id.clone(), group.parent.clone())).collect(),
            systems: catalog.systems.values().map(system).collect(),
            settings: catalog.settings.clone(),
            index: catalog.index.clone(),
        })
    }

    pub fn resolved(self) -> Catalog {
        let groups = self.groups.into_iter().map(|(id, parent)| (id.clone(), Group { id, parent }));
        let systems = self.systems.into_iter().map(|KeptSystem { id, owner, tier, depends_on, hosts }| {
            let depends_on = depends_on.into_iter().collect();
            (id.clone(), System { id, owner, tier, depends_on, hosts, source: Source::default() })
        });
        Catalog {
            actors: Actors::from_kept(self.actors),
            groups: groups.collect(),
            systems: systems.collect(),
            settings: self.settings,
            index: self.index,
        }
    }
}
