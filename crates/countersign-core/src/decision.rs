//! A decision: allow or deny, with the status of every rule that applies and what is still missing. It is small and for
//! programs: what rules say in words, and who could supply what is missing, is an [explanation](crate::explain).

use std::{fmt, str::FromStr};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ChangeId, RuleId, Target},
    landed::RollbackView,
    requirement::{InvalidRequirement, Requirement},
    standard::StandardView,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Allow,
    Deny,
}

/// Named after Gerrit's submit requirements, so that a reader knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleStatus {
    Satisfied,
    Unsatisfied,
    /// A decision counts these and does not list them.
    NotApplicable,
    Waived,
    Error,
    /// It is not met and does not stop a rollback: recovery is never blocked.
    SetAside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Evaluated, told and logged, not binding.
    Watch,
    Enforce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    Waivable,
    /// Cannot be waived and cannot be put in watch.
    Mandatory,
}

/// What is asked, as a token: one of a rule's `@requires`, or what a built-in check asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Token {
    Requirement(Requirement),
    /// The rule's condition asks for more than its requirements say; its `@remedy` is all that there is to tell.
    Remedy,
    /// Anybody who is known to have made the change.
    Contributor,
    /// Who an identity of the commits is.
    Identity,
    /// The word of a person who is said to answer for a machine.
    Sponsor,
    /// Who drove an AI tool that is an author.
    Driver,
    /// That a rejection is lifted.
    Lift,
    /// A target that the catalog has.
    Target,
    /// Any rule in force.
    Rules,
    /// The time that is named.
    Wait,
    /// That the freezes are over, or that it is something that may pass them.
    Thaw,
    /// The time at which its window opens.
    Opens,
    /// Another window: that one is over.
    Reschedule,
    /// A revision: it expired.
    Revive,
}

/// What a rule still misses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub token: Token,
    /// How many of it: approvals, characters, documents, identities, ….
    pub count: u32,
    /// Which, where they have names (systems, documents, identities, targets); the first [`MAX_NAMED`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// Other ways to the same, any one of which suffices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Self>,
}

/// Most names in one [`Missing`].
pub const MAX_NAMED: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDecision {
    pub id: RuleId,
    pub status: RuleStatus,
    pub mode: Mode,
    pub strength: Strength,
    /// The targets for which it is not met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// What the evaluator says, for `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub outcome: Outcome,
    pub change: ChangeId,
    pub revision: u32,
    pub targets: Vec<Target>,
    pub decided_at: Time,
    /// The semantics that it was decided by.
    pub semantics: u32,
    /// Digest of the rules in force.
    pub rules_digest: Digest,
    /// Digest of the snapshot.
    pub snapshot_digest: Digest,
    /// The rules that apply, and the built-in checks that stop the change.
    pub rules: Vec<RuleDecision>,
    /// How many rules do not apply.
    pub not_applicable: u32,
    /// The standard change that it is, with who approved that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<StandardView>,
    /// The rollback for which rules were set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackView>,
    /// Ways that were open because so much working time had passed, and of which the earlier ones had not been gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// A step of an escalation: somebody else may supply what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub rule: RuleId,
    pub target: Target,
    /// What does instead.
    #[serde(with = "as_token")]
    pub way: Requirement,
    /// From which moment it was counted, and how many working hours of the owners have passed since.
    pub since: Time,
    pub hours: u32,
    /// Whether the rule is met by it.
    pub used: bool,
}

mod as_token {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::requirement::Requirement;

    pub fn serialize<S: Serializer>(way: &Requirement, serializer: S) -> Result<S::Ok, S::Error> {
        way.to_string().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Requirement, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Missing {
    /// It, and the other ways to the same.
    pub fn ways(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.or)
    }

    /// So many of it, without names.
    pub fn new(token: Token, count: usize) -> Self {
        Self { token, count: u32::try_from(count).unwrap_or(u32::MAX), of: Vec::new(), or: Vec::new() }
    }

    /// One for each of these.
    pub fn each<T: ToString>(token: Token, of: impl IntoIterator<Item = T>) -> Self {
        let mut of = of.into_iter();
        let named: Vec<String> = of.by_ref().take(MAX_NAMED).map(|name| name.to_string()).collect();
        let count = named.len().saturating_add(of.count());
        Self { of: named, ..Self::new(token, count) }
    }
}

impl Decision {
    /// Whether this rule alone would stop the change.
    pub fn stops(rule: &RuleDecision) -> bool {
        Self::binds(rule.mode, rule.status)
    }

    /// Whether a rule of this mode stops a change by this status.
    pub fn binds(mode: Mode, status: RuleStatus) -> bool {
        match (mode, status) {
            (Mode::Watch, _) => false,
            (Mode::Enforce, RuleStatus::Unsatisfied | RuleStatus::Error) => true,
            (
                Mode::Enforce,
                RuleStatus::Satisfied | RuleStatus::NotApplicable | RuleStatus::Waived | RuleStatus::SetAside,
            ) => false,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requirement(requirement) => return requirement.fmt(f),
            Self::Remedy => "remedy",
            Self::Contributor => "contributor",
            Self::Identity => "identity",
            Self::Sponsor => "sponsor",
            Self::Driver => "driver",
            Self::Lift => "lift",
            Self::Target => "target",
            Self::Rules => "rules",
            Self::Wait => "wait",
            Self::Thaw => "thaw",
            Self::Opens => "opens",
            Self::Reschedule => "reschedule",
            Self::Revive => "revive",
        })
    }
}

impl FromStr for Token {
    type Err = InvalidRequirement;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "remedy" => Self::Remedy,
            "contributor" => Self::Contributor,
            "identity" => Self::Identity,
            "sponsor" => Self::Sponsor,
            "driver" => Self::Driver,
            "lift" => Self::Lift,
            "target" => Self::Target,
            "rules" => Self::Rules,
            "wait" => Self::Wait,
            "thaw" => Self::Thaw,
            "opens" => Self::Opens,
            "reschedule" => Self::Reschedule,
            "revive" => Self::Revive,
            requirement => Self::Requirement(requirement.parse()?),
        })
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidRequirement;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.to_string()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for RuleStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Satisfied => "satisfied",
            Self::Unsatisfied => "unsatisfied",
            Self::NotApplicable => "not applicable",
            Self::Waived => "waived",
            Self::Error => "error",
            Self::SetAside => "set aside",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waivable => "waivable",
            Self::Mandatory => "mandatory",
        })
    }
}
