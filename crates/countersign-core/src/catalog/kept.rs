//! A catalog in a form that is read again within a few milliseconds, however many people are in it: for whoever resolved it
//! before. Nothing is checked here but that ids are ids and keys are keys.

use std::collections::HashMap;

use countersign_ledger::{Fingerprint, PublicKey};
use serde::{Deserialize, Serialize};

use super::{Actor, ActorKind, Catalog, CatalogSettings, Group, Level, Source, System, Tier, index::Index};
use crate::ids::{ActorId, GroupId, SystemId};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptCatalog {
    people: Vec<KeptActor>,
    groups: Vec<(GroupId, Option<GroupId>)>,
    systems: Vec<KeptSystem>,
    settings: CatalogSettings,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptActor {
    id: ActorId,
    kind: ActorKind,
    level: Level,
    name: Option<String>,
    mails: Vec<String>,
    /// With their fingerprints, which cost a hash each.
    keys: Vec<(PublicKey, Fingerprint)>,
    groups: Vec<GroupId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptSystem {
    id: SystemId,
    owner: GroupId,
    tier: Tier,
    depends_on: Vec<SystemId>,
}

impl KeptCatalog {
    /// Of a catalog that stands in the log, whose systems do not say where their source is.
    pub fn of(catalog: &Catalog) -> Self {
        let actor = |actor: &Actor| KeptActor {
            id: actor.id.clone(),
            kind: actor.kind,
            level: actor.level,
            name: actor.display_name.clone(),
            mails: actor.mails.iter().cloned().collect(),
            keys: actor.keys.iter().map(|key| (key.clone(), key.fingerprint())).collect(),
            groups: actor.member_of.iter().cloned().collect(),
        };
        let system = |system: &System| KeptSystem {
            id: system.id.clone(),
            owner: system.owner.clone(),
            tier: system.tier,
            depends_on: system.depends_on.iter().cloned().collect(),
        };
        Self {
            people: catalog.actors.values().map(actor).collect(),
            groups: catalog.groups.values().map(|group| (group.id.clone(), group.parent.clone())).collect(),
            systems: catalog.systems.values().map(system).collect(),
            settings: catalog.settings.clone(),
        }
    }

    pub fn resolved(self) -> Catalog {
        let mut by_key = HashMap::with_capacity(self.people.len());
        let actors = self.people.into_iter().map(|KeptActor { id, kind, level, name, mails, keys, groups }| {
            let keys = keys.into_iter().map(|(key, fingerprint)| {
                by_key.insert(fingerprint, id.clone());
                key
            });
            let actor = Actor {
                keys: keys.collect(),
                id: id.clone(),
                kind,
                display_name: name,
                level,
                mails: mails.into_iter().collect(),
                member_of: groups.into_iter().collect(),
            };
            (id, actor)
        });
        let actors = actors.collect();
        let groups = self.groups.into_iter().map(|(id, parent)| (id.clone(), Group { id, parent })).collect();
        let systems = self.systems.into_iter().map(|KeptSystem { id, owner, tier, depends_on }| {
            let depends_on = depends_on.into_iter().collect();
            (id.clone(), System { id, owner, tier, depends_on, source: Source::default() })
        });
        let systems = systems.collect();
        let index = Index::of(&actors, &groups, by_key);
        Catalog { actors, groups, systems, settings: self.settings, index }
    }
}
