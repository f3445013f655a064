//! A decision: allow or deny, with the status of every rule and what is still missing.

use std::fmt;

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::ids::{ActorId, ChangeId, RuleId, Target};

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
    NotApplicable,
    Waived,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Evaluated and logged, not binding.
    Shadow,
    Enforce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    Advisory,
    Waivable,
    /// Cannot be waived and cannot be put in shadow.
    Mandatory,
}

/// What a rule still misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// For a reader: `1 more approval by a senior`.
    pub missing: String,
    /// Who can supply it now. Empty: nobody can, which is a finding.
    pub who: Vec<ActorId>,
    /// The command that does it.
    pub how: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDecision {
    pub id: RuleId,
    pub status: RuleStatus,
    pub mode: Mode,
    pub strength: Strength,
    /// What the rule asks for, in words.
    pub requires: String,
    pub because: String,
    /// The targets for which it is not met.
    pub targets: Vec<Target>,
    pub obligations: Vec<Obligation>,
    /// Cedar's message, for `error`.
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
    /// `countersign-core` and its version, with the versions of Cedar's language and of the attribute schema.
    pub engine: String,
    /// Digest of the rules in force.
    pub rules_digest: Digest,
    /// Digest of the snapshot.
    pub snapshot_digest: Digest,
    pub rules: Vec<RuleDecision>,
}

impl Decision {
    /// Whether this rule alone would stop the change.
    pub fn stops(rule: &RuleDecision) -> bool {
        Self::binds(rule.mode, rule.strength, rule.status)
    }

    /// Whether a rule of this mode and strength stops a change by this status.
    pub fn binds(mode: Mode, strength: Strength, status: RuleStatus) -> bool {
        match (mode, strength, status) {
            (Mode::Shadow, _, _) => false,
            (Mode::Enforce, _, RuleStatus::Error) => true,
            (Mode::Enforce, Strength::Advisory, _) => false,
            (Mode::Enforce, Strength::Waivable | Strength::Mandatory, status) => match status {
                RuleStatus::Unsatisfied | RuleStatus::Error => true,
                RuleStatus::Satisfied | RuleStatus::NotApplicable | RuleStatus::Waived => false,
            },
        }
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
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Advisory => "advisory",
            Self::Waivable => "waivable",
            Self::Mandatory => "mandatory",
        })
    }
}
