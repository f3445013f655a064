//! Delegation: somebody else counts as having a role of a person, for a time. They approve as themselves, and then count as
//! having the role because that person delegated it.
//!
//! It ends with the delegator's role and with their key, cannot be passed on, and makes neither two people of one nor one of two:
//! one role of one delegator is there once, and not beside the delegator's own word (`take/delegation.rs`, `rules/count.rs`).
//! Nothing is delegated but roles that approvals are counted by: no waiver, no breaking the glass, nothing that governs.

use std::{fmt, str::FromStr};

use countersign_ledger::{Digest, Fingerprint, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::{
    ids::{ActorId, GroupId, Target},
    requirement::Role,
};

/// How long one lasts at the most.
pub const DELEGATION_SECS: i64 = 30 * 24 * 60 * 60;
/// How far ahead it may begin.
pub const AHEAD_SECS: i64 = 90 * 24 * 60 * 60;
/// Most that one person gives, and most that one is given, that are not over.
pub const MAX_GIVEN: usize = 20;
pub const MAX_TAKEN: usize = 8;

/// A role that can be delegated: one that an approval counts by, and that somebody has by what they are here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DelegatedRole {
    Owner,
    Senior,
    OnCall,
    Group(GroupId),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role that can be delegated: owner, senior, oncall or group:NAME")]
pub struct InvalidRole(String);

impl DelegatedRole {
    /// Whether it is this one of those that rules ask for.
    pub fn is(&self, role: &Role) -> bool {
        match (self, role) {
            (Self::Owner, Role::Owner) | (Self::Senior, Role::Senior) | (Self::OnCall, Role::OnCall) => true,
            (Self::Group(group), Role::Group(asked)) => group == asked,
            (
                _,
                Role::Independent
                | Role::Owner
                | Role::Senior
                | Role::Group(_)
                | Role::Touch
                | Role::Verified
                | Role::Recent(_)
                | Role::Material
                | Role::OnCall
                | Role::Present,
            ) => false,
        }
    }

    /// For people: `as a senior`.
    pub fn words(&self) -> String {
        match self {
            Self::Owner => "an owner".to_owned(),
            Self::Senior => "a senior".to_owned(),
            Self::OnCall => "on call".to_owned(),
            Self::Group(group) => format!("of group {group}"),
        }
    }
}

impl fmt::Display for DelegatedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Senior => f.write_str("senior"),
            Self::OnCall => f.write_str("oncall"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

impl FromStr for DelegatedRole {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRole(text.chars().take(60).collect());
        match (text, text.strip_prefix("group:")) {
            ("owner", _) => Ok(Self::Owner),
            ("senior", _) => Ok(Self::Senior),
            ("oncall", _) => Ok(Self::OnCall),
            (_, Some(group)) => group.parse().map(Self::Group).map_err(|_| invalid()),
            (_, None) => Err(invalid()),
        }
    }
}

impl TryFrom<String> for DelegatedRole {
    type Error = InvalidRole;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DelegatedRole> for String {
    fn from(role: DelegatedRole) -> Self {
        role.to_string()
    }
}

/// A delegation, as the streams of the two tell it. One that ended is there no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationRecord {
    /// Payload digest of what was said.
    pub statement: Digest,
    /// Who delegated, and by which key.
    pub of: ActorId,
    pub key: Fingerprint,
    pub to: ActorId,
    pub role: DelegatedRole,
    /// Empty: wherever the delegator has the role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub targets: BTreeSet<Target>,
    pub from: Time,
    pub until: Time,
    /// The epoch that it was said in, as its header says. What is of an earlier one grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

impl DelegationRecord {
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    pub fn is_over(&self, at: Time) -> bool {
        self.until <= at
    }

    /// Whether it is about this target.
    pub fn covers(&self, target: &Target) -> bool {
        self.targets.is_empty() || self.targets.contains(target)
    }
}

/// What a delegation is called: the first digits of its statement's digest.
pub fn name_of(statement: &Digest) -> String {
    statement.hex().chars().take(12).collect()
}
