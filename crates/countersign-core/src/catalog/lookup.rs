//! Questions to a catalog. Each is a function of the catalog alone, so that no change can influence its answer.

use std::collections::BTreeSet;

use countersign_ledger::Fingerprint;
use thiserror::Error;

use super::{Actor, ActorKind, Catalog, CatalogSettings, System, near::did_you_mean};
use crate::{
    evidence::{Place, Scope},
    ids::{ActorId, GroupId, SystemId, Target},
};

/// A target that the catalog does not know. Denies, and says what was probably meant.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownTarget {
    #[error("`{target}`: the catalog knows no system `{}`{}", target.system, or_meant(meant.as_deref()))]
    System { target: Target, meant: Option<String> },
    #[error("`{target}`: there is no environment `{}`{}", target.environment, or_meant(meant.as_deref()))]
    Environment { target: Target, meant: Option<String> },
}

fn or_meant(meant: Option<&str>) -> String {
    meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl CatalogSettings {
    /// The environment's name is one of those that a target may have.
    pub(super) fn knows(&self, target: &Target) -> Result<(), UnknownTarget> {
        if self.environments.contains(&target.environment) {
            return Ok(());
        }
        let names = self.environments.iter().map(|name| name.as_str());
        let meant = did_you_mean(target.environment.as_str(), names).map(str::to_owned);
        Err(UnknownTarget::Environment { target: target.clone(), meant })
    }
}

impl Catalog {
    /// What somebody's word is said to count for and that is not there.
    pub fn lacks<'a>(&self, scope: &'a Scope) -> Option<&'a Place> {
        scope.places().find(|place| match place {
            Place::System(system) => !self.systems.contains_key(system),
            Place::Target(target) => self.target(target).is_err(),
        })
    }

    pub fn target(&self, target: &Target) -> Result<&System, UnknownTarget> {
        let system = self.systems.get(&target.system).ok_or_else(|| {
            let names = self.systems.keys().map(SystemId::as_str);
            let meant = did_you_mean(target.system.as_str(), names).map(str::to_owned);
            UnknownTarget::System { target: target.clone(), meant }
        })?;
        self.settings.knows(target)?;
        Ok(system)
    }

    /// The persons in a group and in the groups below it.
    pub fn members(&self, group: &GroupId) -> BTreeSet<&ActorId> {
        self.index.members(group, &self.actors).collect()
    }

    /// The persons who own a system: those of its owner group and of the groups below it, never above. An unknown system has
    /// no owner, which denies.
    pub fn owners(&self, system: &SystemId) -> BTreeSet<&ActorId> {
        self.owning_group(system).map(|group| self.members(group)).unwrap_or_default()
    }

    /// Whether somebody is among the owners of a system.
    pub fn owns(&self, person: &ActorId, system: &SystemId) -> bool {
        self.owning_group(system).is_some_and(|group| self.is_in(person, group))
    }

    /// Whether a person is in a group or in one below it.
    pub fn is_in(&self, person: &ActorId, group: &GroupId) -> bool {
        let member_of = |actor: &Actor| actor.member_of.iter().any(|of| self.index.is_within(of, group));
        self.actors.get(person).is_some_and(|actor| actor.kind == ActorKind::Person && member_of(actor))
    }

    /// The group whose members own a system.
    fn owning_group(&self, system: &SystemId) -> Option<&GroupId> {
        self.systems.get(system).map(|system| &system.owner)
    }

    /// Who a mail belongs to, whatever sort of actor. GitHub writes a no-reply address with or without the account's id;
    /// one with an id is also found under the listed address without one, but not under another id.
    pub fn person_by_mail(&self, mail: &str) -> Option<&Actor> {
        let mail = mail.trim().to_lowercase();
        let by = |mail: &str| self.index.by_mail(mail, &self.actors);
        by(&mail).or_else(|| by(&without_account_id(&mail)?))
    }

    pub fn actor_by_key(&self, key: &Fingerprint) -> Option<&Actor> {
        self.index.by_key(key, &self.actors)
    }

    /// How many persons have a key.
    pub fn population(&self) -> usize {
        self.index.population()
    }

    /// The persons who have a key.
    pub fn people(&self) -> &BTreeSet<ActorId> {
        self.index.people(&self.actors)
    }

    /// The seniors among them.
    pub fn seniors(&self) -> &BTreeSet<ActorId> {
        self.index.seniors(&self.actors)
    }
}

/// `12345+login@users.noreply.github.com` as `login@…`.
pub fn without_account_id(mail: &str) -> Option<String> {
    let local = mail.strip_suffix("@users.noreply.github.com")?;
    let (id, login) = local.split_once('+')?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| format!("{login}@users.noreply.github.com"))
}
