//! The catalog: systems, groups and people, read from Backstage's `catalog-info.yaml`.
//!
//! | room | holds |
//! |---|---|
//! | `parse` | from YAML documents to entities as written |
//! | `resolve` | from entities to a [`Catalog`] in which everything holds |
//! | [`files`] | the catalog as the governance files that the log holds |
//! | `actors` | everybody, taken out of what was kept when they are asked for |
//! | `index` | what is looked up again and again, made once |
//! | `keys` | other keys in the place of those that are listed |
//! | `kept` | a catalog that was resolved before, read again quickly |
//! | `lookup` | questions to a catalog |
//! | `near` | the name that somebody probably meant |
//! | `problem` | what is wrong with a catalog |
//! | [`robots`] | who is no person though a catalog lists them as one |

mod actors;
pub mod files;
mod hosts;
mod index;
pub(crate) mod kept;
mod keys;
mod lookup;
pub(crate) mod near;
mod parse;
mod problem;
mod resolve;
pub mod robots;

pub use actors::Actors;
pub use hosts::{Hangs, Hosted, systems_of};
pub use keys::{KeyConflict, RetiredKey};
pub use lookup::{UnknownTarget, without_account_id};
pub use near::{did_you_mean, skeleton};
pub use parse::{MAX_ENTITIES, MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};
pub use problem::{CatalogError, MAX_PROBLEMS, Problem};

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::PublicKey;
use serde::{Deserialize, Serialize};

use self::index::Index;
use crate::{
    evidence::Attests,
    ids::{ActorId, Environment, GroupId, SystemId, Target},
    kind::Seen,
};

/// What sort of actor it is. Only a person approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Person,
    /// CI, a deployer, a gate, a bot.
    Workload,
    /// An AI assistant.
    Agent,
}

/// How senior a person is. Ordered: `Level::Senior` and above may approve as a senior.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Standard,
    Senior,
    Principal,
    Director,
}

impl ActorKind {
    const ALL: [Self; 3] = [Self::Person, Self::Workload, Self::Agent];

    /// As the annotation writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Workload => "workload",
            Self::Agent => "agent",
        }
    }

    pub fn with_article(self) -> &'static str {
        match self {
            Self::Person => "a person",
            Self::Workload => "a workload",
            Self::Agent => "an agent",
        }
    }
}

impl Level {
    const ALL: [Self; 4] = [Self::Standard, Self::Senior, Self::Principal, Self::Director];

    /// As the annotation writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Senior => "senior",
            Self::Principal => "principal",
            Self::Director => "director",
        }
    }

    pub fn is_senior(self) -> bool {
        self >= Self::Senior
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub id: ActorId,
    pub kind: ActorKind,
    pub display_name: Option<String>,
    pub level: Level,
    /// Lower case. A mail belongs to one actor only.
    pub mails: BTreeSet<String>,
    /// A key belongs to one actor only.
    pub keys: Vec<PublicKey>,
    pub member_of: BTreeSet<GroupId>,
    /// Of a workload: whose evidence counts for what.
    pub attests: Attests,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub parent: Option<GroupId>,
}

/// How much a failure of the system matters; 1 is highest, 4 lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Tier(u8);

impl Tier {
    pub const HIGHEST: Self = Self(1);
    pub const SECOND: Self = Self(2);
}

impl TryFrom<u8> for Tier {
    type Error = String;

    fn try_from(tier: u8) -> Result<Self, Self::Error> {
        match tier {
            1..=4 => Ok(Self(tier)),
            _ => Err(format!("tier {tier} is not one of 1, 2, 3, 4")),
        }
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        tier.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    pub id: SystemId,
    pub owner: GroupId,
    pub tier: Tier,
    pub depends_on: BTreeSet<SystemId>,
    /// What of Countersign runs on it.
    pub hosts: BTreeSet<Hosted>,
    pub source: Source,
}

/// Backstage's annotation of where an entity's source is: `url:https://github.com/org/shop/tree/main/billing/`.
pub const SOURCE_ANNOTATION: &str = "backstage.io/source-location";
/// Annotation with globs of paths, separated by white space or commas, that a system's source has.
pub const PATHS_ANNOTATION: &str = "countersign/paths";
/// Annotation with what of Countersign runs on a system, `log` and `gate/NAME`, separated likewise.
pub const HOSTS_ANNOTATION: &str = "countersign/hosts";
/// Annotation with the kinds of evidence that a workload attests, separated by white space or commas.
pub const ATTESTS_ANNOTATION: &str = "countersign/attests";
/// Annotation with the targets or systems for which its word counts, separated likewise; without it, for all.
pub const ATTESTS_FOR_ANNOTATION: &str = "countersign/attests-for";
/// Annotation with patterns of the files that steer a workload: `ci/** | Makefile`.
pub const WORKFLOWS_ANNOTATION: &str = "countersign/workflows";
/// The file beside a catalog's YAML that has further keys, as git and `ssh-keygen` read it: whose they are, its mails say.
pub const SIGNERS: &str = "allowed_signers";
/// Most gates of one system.
pub(crate) const MAX_HOSTED: usize = 100;
/// Most globs of one system.
pub const MAX_PATHS: usize = 1_000;

/// Where a system's source is, as its entity says. An audit reads it; no rule can ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// As written.
    pub location: Option<String>,
    /// Globs in which `*` stays within a folder.
    pub paths: Vec<String>,
}

/// Where annotations and environments get their names; part of the configuration that genesis pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSettings {
    /// Annotation with a system's tier: `1`, `tier_1`, `Tier-1` and the like.
    pub tier_annotation: String,
    /// Annotation with a person's level.
    pub level_annotation: String,
    /// Annotation with one OpenSSH public key a line.
    pub keys_annotation: String,
    /// Annotation with further mail addresses, separated by white space or commas.
    pub mails_annotation: String,
    /// Annotation that says `person`, `workload` or `agent`.
    pub actor_annotation: String,
    /// Every environment that a target may name.
    pub environments: BTreeSet<Environment>,
    /// Those of them that rules treat as production.
    pub production: BTreeSet<Environment>,
    /// Whether an approval counts that was given without the content at hand.
    pub unseen_approvals: bool,
    /// How long a change of what governs waits that loosens it, from when enough people stand behind it.
    pub loosening_wait_secs: u32,
    /// After how many days a change expires that nobody touches; never, where it is not said.
    pub expires_after_days: Option<u32>,
    /// What may be told of how much people have to do.
    pub load: LoadSettings,
}

/// What of the load is told that is not told by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadSettings {
    /// How long people take to answer, each of them.
    pub people: bool,
}

/// A day, so that whoever would stop it has slept and looked.
pub const LOOSENING_WAIT_SECS: u32 = 24 * 60 * 60;
/// Longer than this nothing waits: a home could lock itself.
pub const MAX_LOOSENING_WAIT_SECS: u32 = 30 * 24 * 60 * 60;

/// After how many days a change may expire: the week in which that is said has to have room.
pub const EXPIRES_AFTER_DAYS: std::ops::RangeInclusive<u32> = 7..=3_650;

impl CatalogSettings {
    /// Whether an approval counts by how its content was at hand.
    pub fn counts(&self, seen: Seen) -> bool {
        match seen {
            Seen::None => self.unseen_approvals,
            Seen::Shown | Seen::Material | Seen::Computed => true,
        }
    }
}

impl Default for CatalogSettings {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().filter_map(|name| name.parse().ok()).collect();
        Self {
            tier_annotation: "countersign/tier".to_owned(),
            level_annotation: "countersign/level".to_owned(),
            keys_annotation: "countersign/keys".to_owned(),
            mails_annotation: "countersign/mails".to_owned(),
            actor_annotation: "countersign/actor".to_owned(),
            environments: names(&["production", "staging", "development"]),
            production: names(&["production"]),
            unseen_approvals: false,
            loosening_wait_secs: LOOSENING_WAIT_SECS,
            expires_after_days: None,
            load: LoadSettings::default(),
        }
    }
}

/// A catalog in which every reference resolves, no name, mail or key is there twice, and the group tree has no cycle. It
/// is never changed, only replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    pub actors: Actors,
    pub groups: BTreeMap<GroupId, Group>,
    pub systems: BTreeMap<SystemId, System>,
    pub settings: CatalogSettings,
    /// Follows from the others.
    index: Index,
}

impl Catalog {
    /// Reads the documents of all files (name to text) and resolves every reference between them. Entities of other
    /// kinds (`API`, `Location`, `Domain`, …) are skipped. A system without a tier is tier 1: what is unknown is treated
    /// as what matters most.
    pub fn parse(files: &BTreeMap<String, String>, settings: &CatalogSettings) -> Result<Self, CatalogError> {
        let mut problems = problem::Problems::default();
        let (signers, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            files.iter().map(|(name, text)| (name.clone(), text.clone())).partition(|(name, _)| name == SIGNERS);
        let entities = parse::entities(&files, settings, &mut problems);
        let mut catalog = resolve::catalog(entities, signers.get(SIGNERS).map(String::as_str), settings, &mut problems);
        problems.into_result()?;
        let keys = catalog.actors.values().flat_map(|actor| actor.keys.iter().map(|key| (key, &actor.id)));
        let by_key: Vec<_> = keys.map(|(key, id)| (key.fingerprint(), id)).collect();
        catalog.index = Index::of(&catalog.actors, &catalog.groups, by_key.iter().map(|(key, id)| (key, *id)));
        Ok(catalog)
    }

    pub fn is_production(&self, target: &Target) -> bool {
        self.settings.production.contains(&target.environment)
    }
}
