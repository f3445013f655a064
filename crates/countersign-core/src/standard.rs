//! Standard changes: templates that two people approve once, as governance (`standard/NAME.yaml`). A change that fits one has its
//! second pair of eyes there: those two, and not somebody who looks at each.
//!
//! Invariant: a template only ever counts for what it names; what is left out or unknown does not fit.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, Time};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    glob::Globs,
    ids::{ActorId, EvidenceKind, GroupId, SystemId, Target},
    kind::Kind,
    refusal::Refusal,
};

/// The folder of the templates' files.
pub const STANDARD: &str = "standard/";
const YAML: &str = ".yaml";
/// How long one lasts at the most, from when it is put in force.
pub const MAX_DAYS: i64 = 90;
pub const DAY_SECS: i64 = 24 * 60 * 60;
/// People who stand behind one at the least.
pub const APPROVERS: usize = 2;
const MAX_PER_DAY: u32 = 1_000;
const MAX_FILE_BYTES: usize = 64 * 1024;

/// Who stands behind a template that is in force, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardApproval {
    pub at: Time,
    /// With the keys by which each of them stood behind it: what was approved with a stolen one lets nothing through later.
    pub by: BTreeMap<ActorId, BTreeSet<Fingerprint>>,
    /// Of the file that they approved.
    pub file: Digest,
}

/// A template of standard changes, with who stands behind it and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardView {
    pub name: String,
    pub approved_by: BTreeSet<ActorId>,
    pub approved_at: Time,
}

/// That a change which a template is about landed on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardUse {
    pub at: Time,
    pub change: crate::ids::ChangeId,
    pub standard: String,
}

/// A template.
#[derive(Clone, Debug)]
pub struct Standard {
    pub name: String,
    /// As it was written.
    pub text: String,
    pub proposers: BTreeSet<Proposer>,
    /// Who answers for what a workload of them proposes.
    pub sponsor: Option<ActorId>,
    pub targets: BTreeSet<Target>,
    pub systems: BTreeSet<SystemId>,
    pub kinds: BTreeSet<Kind>,
    /// Patterns, as rules write them.
    pub paths: String,
    pub globs: Globs,
    pub files: u32,
    pub added: u32,
    pub deleted: u32,
    pub evidence: BTreeSet<EvidenceKind>,
    pub per_day: u32,
    /// The end of this day, UTC, or [`MAX_DAYS`] after it came into force.
    pub until: Time,
    pub because: String,
}

/// Somebody by name, or whoever is in a group: `group:deployers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Proposer {
    Actor(ActorId),
    Group(GroupId),
}

impl Standard {
    /// The last day on which it holds: `2027-02-20`.
    pub fn last_day(&self) -> String {
        last_day(self.until)
    }
}

/// The day that ends at this moment.
pub fn last_day(until: Time) -> String {
    let text = until.plus_secs(-1).to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}

impl TryFrom<String> for Proposer {
    type Error = crate::ids::InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix("group:") {
            Some(group) => group.parse().map(Self::Group),
            None => text.parse().map(Self::Actor),
        }
    }
}

impl std::fmt::Display for Proposer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Actor(actor) => actor.fmt(f),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    proposers: BTreeSet<Proposer>,
    #[serde(default)]
    sponsor: Option<ActorId>,
    #[serde(default)]
    targets: BTreeSet<Target>,
    #[serde(default)]
    systems: BTreeSet<SystemId>,
    kinds: BTreeSet<Kind>,
    paths: String,
    files: u32,
    added: u32,
    deleted: u32,
    #[serde(default)]
    evidence: BTreeSet<EvidenceKind>,
    per_day: u32,
    until: String,
    because: String,
}

/// The name of the template whose file has this path; `None` for another file.
pub fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(STANDARD)?.strip_suffix(YAML)?;
    name.parse::<SystemId>().is_ok().then_some(name)
}

/// Where the template of this name stands.
pub fn path_of(name: &str) -> String {
    format!("{STANDARD}{name}{YAML}")
}

impl Standard {
    /// Reads a template's file strictly.
    pub fn parse(name: &str, text: &str) -> Result<Self, Refusal> {
        let wrong = |what: String| {
            Refusal::malformed("standard-invalid", format!("`{STANDARD}{name}{YAML}`: {what}"))
                .hint("what a template says: proposers, sponsor, targets or systems, kinds, paths, files, added, deleted, evidence, per-day, until, because")
        };
        if text.len() > MAX_FILE_BYTES {
            return Err(wrong(format!("{} bytes are more than {MAX_FILE_BYTES}", text.len())));
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: 16, max_nodes: 10_000, max_anchors: 0, max_aliases: 0 },
            with_snippet: false,
        };
        let written: Written =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(error.to_string()))?;
        let globs = Globs::parse(&written.paths).map_err(|error| wrong(error.to_string()))?;
        let date: Date =
            written.until.trim().parse().map_err(|_| wrong("`until` is a day, such as 2027-01-31".to_owned()))?;
        let end = date.tomorrow().ok().and_then(|next| next.to_zoned(TimeZone::UTC).ok());
        let end = end.ok_or_else(|| wrong("`until` is no day that anybody sees".to_owned()))?;
        let places = written.targets.len().saturating_add(written.systems.len());
        let is_governance =
            written.targets.iter().any(Target::is_governance) || written.systems.iter().any(SystemId::is_governance);
        let named = [
            ("proposers", written.proposers.is_empty()),
            ("kinds", written.kinds.is_empty()),
            ("targets or systems", places == 0),
        ];
        if let Some((what, _)) = named.into_iter().find(|(_, empty)| *empty) {
            return Err(wrong(format!("it names no {what}")));
        }
        if is_governance || written.kinds.contains(&Kind::Rules) {
            return Err(wrong("what governs is never a standard change".to_owned()));
        }
        if written.because.trim().is_empty() || written.because.chars().any(char::is_control) {
            return Err(wrong("`because` says in one line why this needs nobody to look at each".to_owned()));
        }
        if !(1..=MAX_PER_DAY).contains(&written.per_day) {
            return Err(wrong(format!("`per-day` is 1 to {MAX_PER_DAY}")));
        }
        let Written {
            proposers,
            sponsor,
            targets,
            systems,
            kinds,
            paths,
            files,
            added,
            deleted,
            evidence,
            per_day,
            because,
            ..
        } = written;
        let until = Time::from_unix_millis(end.timestamp().as_millisecond());
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            proposers,
            sponsor,
            targets,
            systems,
            kinds,
            paths,
            globs,
            files,
            added,
            deleted,
            evidence,
            per_day,
            until,
            because,
        })
    }
}
