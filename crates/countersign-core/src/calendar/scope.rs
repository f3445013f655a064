//! Which changes a freeze or a window is about, and which may go in spite of a freeze.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Catalog, Tier, near},
    glob::Globs,
    ids::{Environment, SystemId, Target},
    kind::{Kind, Purpose},
};

/// All that is said has to be so; what is not said is anything. Without environments it is about production.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub environments: BTreeSet<Environment>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<Kind>,
    /// Patterns, as rules write them: it touches one of these paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub systems: BTreeSet<SystemId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tiers: BTreeSet<Tier>,
}

impl Scope {
    /// What it says that cannot be, and what was probably meant.
    pub fn problem(&self, catalog: &Catalog) -> Option<(String, Option<String>)> {
        let near = |name: &str, known: Vec<&str>| {
            near::did_you_mean(name, known.iter().copied()).map(|meant| format!("did you mean `{meant}`?"))
        };
        let known = &catalog.settings.environments;
        if let Some(environment) = self.environments.iter().find(|one| !known.contains(*one)) {
            let names: Vec<&str> = known.iter().map(Environment::as_str).collect();
            let hint = near(environment.as_str(), names.clone());
            let hint = hint.unwrap_or_else(|| format!("the environments are {}", names.join(", ")));
            return Some((format!("there is no environment `{environment}`"), Some(hint)));
        }
        if let Some(system) = self.systems.iter().find(|one| !catalog.systems.contains_key(*one)) {
            let hint = near(system.as_str(), catalog.systems.keys().map(SystemId::as_str).collect());
            return Some((format!("there is no system `{system}`"), hint));
        }
        if self.kinds.contains(&Kind::Rules) {
            let hint = "what governs is never frozen: nobody could take the freeze away";
            return Some((
                "the kind `rules` is about nothing that a calendar can stop".to_owned(),
                Some(hint.to_owned()),
            ));
        }
        if let Some(Err(error)) = self.paths.as_deref().map(Globs::parse) {
            return Some((format!("`paths`: {error}"), None));
        }
        None
    }

    /// Whether a change of this kind to this target is meant. What governs never is. `touches` says whether the change does
    /// something to these patterns.
    pub fn is_about(
        &self,
        target: &Target,
        production: bool,
        tier: Tier,
        kind: Kind,
        touches: impl FnOnce() -> bool,
    ) -> bool {
        let environment = match self.environments.is_empty() {
            true => production,
            false => self.environments.contains(&target.environment),
        };
        !target.is_governance()
            && environment
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.systems.is_empty() || self.systems.contains(&target.system))
            && (self.tiers.is_empty() || self.tiers.contains(&tier))
            && (self.paths.is_none() || touches())
    }

    /// Whether it is about all that the other is about, as far as that shows.
    pub fn is_as_wide_as(&self, other: &Self) -> bool {
        fn wide<T: Ord>(this: &BTreeSet<T>, other: &BTreeSet<T>) -> bool {
            this.is_empty() || !other.is_empty() && this.is_superset(other)
        }
        // None named is production, which is not all.
        let environments = match (self.environments.is_empty(), other.environments.is_empty()) {
            (true, true) => true,
            (false, false) => self.environments.is_superset(&other.environments),
            (true, false) | (false, true) => false,
        };
        environments
            && wide(&self.kinds, &other.kinds)
            && wide(&self.systems, &other.systems)
            && wide(&self.tiers, &other.tiers)
            && (self.paths.is_none() || self.paths == other.paths)
    }

    /// In words: `production, tier 1, system checkout`.
    pub fn words(&self) -> String {
        fn list<T: fmt::Display>(of: &BTreeSet<T>) -> String {
            of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        let mut parts = vec![match self.environments.is_empty() {
            true => "production".to_owned(),
            false => list(&self.environments),
        }];
        if !self.tiers.is_empty() {
            let tiers: Vec<String> = self.tiers.iter().map(|tier| u8::from(*tier).to_string()).collect();
            parts.push(format!("tier {}", tiers.join(", ")));
        }
        if !self.systems.is_empty() {
            parts.push(format!("system {}", list(&self.systems)));
        }
        if !self.kinds.is_empty() {
            parts.push(format!("kind {}", list(&self.kinds)));
        }
        parts.extend(self.paths.as_ref().map(|paths| format!("paths {paths}")));
        parts.join("; ")
    }
}

/// What may go in spite of a freeze. What brings back an earlier state always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pass {
    /// It answers an incident.
    Incident,
    /// It closes a security hole.
    Security,
    Kind(Kind),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that may pass a freeze: incident, security, or a kind of change such as flag")]
pub struct InvalidPass(String);

impl Pass {
    /// Whether a change of this kind and purpose is one of these.
    pub fn lets(self, kind: Kind, purpose: &Purpose) -> bool {
        match self {
            Self::Incident => purpose.incident.is_some(),
            Self::Security => purpose.security,
            Self::Kind(passes) => passes == kind,
        }
    }
}

/// What brings back an earlier state is never frozen: recovery is never blocked.
pub fn passes_always(purpose: &Purpose) -> bool {
    purpose.restores.is_some()
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident => f.write_str("incident"),
            Self::Security => f.write_str("security"),
            Self::Kind(kind) => kind.fmt(f),
        }
    }
}

impl FromStr for Pass {
    type Err = InvalidPass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::Rules).find(|kind| kind.as_str() == text);
        match text {
            "incident" => Ok(Self::Incident),
            "security" => Ok(Self::Security),
            text => kind().map(Self::Kind).ok_or_else(|| InvalidPass(text.chars().take(40).collect())),
        }
    }
}

impl TryFrom<String> for Pass {
    type Error = InvalidPass;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pass> for String {
    fn from(pass: Pass) -> Self {
        pass.to_string()
    }
}
