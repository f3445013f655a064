//! What sort of change it is and what it is for. The kind says what the subject is made of, the purpose why it is made:
//! code that restores an earlier change is of the kind `code`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::ids::ChangeId;

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Code,
    Config,
    Infrastructure,
    Schema,
    Flag,
    /// Rules, catalog and whatever else governs.
    Rules,
    /// What an AI assistant acts by: its prompts, tools and permissions.
    Agent,
}

impl Kind {
    /// Every kind, in the order of its declaration.
    pub const ALL: [Self; 7] =
        [Self::Code, Self::Config, Self::Infrastructure, Self::Schema, Self::Flag, Self::Rules, Self::Agent];

    /// As rules and statements spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Config => "config",
            Self::Infrastructure => "infrastructure",
            Self::Schema => "schema",
            Self::Flag => "flag",
            Self::Rules => "rules",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a change is for, as its proposer says. What is not said is not spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// The incident that it answers, under its name in whatever keeps incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The earlier change whose state this one brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<ChangeId>,
    /// Whether it closes a security hole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security: bool,
    /// The branch that it comes from, under its short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Longest name of an incident.
pub const MAX_INCIDENT_CHARS: usize = 100;
/// Longest name of a branch that a change comes from.
pub const MAX_SOURCE_CHARS: usize = 200;

impl Purpose {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the incident, if one is named, is a name and no free text: statements never carry any.
    pub fn names_its_incident(&self) -> bool {
        self.incident.as_ref().is_none_or(|incident| {
            let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'#' | b'/');
            (1..=MAX_INCIDENT_CHARS).contains(&incident.len()) && incident.bytes().all(harmless)
        })
    }

    /// The same of the branch.
    pub fn names_its_source(&self) -> bool {
        self.source.as_ref().is_none_or(|source| {
            let harmless =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'#' | b'/' | b'+' | b'@');
            (1..=MAX_SOURCE_CHARS).contains(&source.len()) && source.bytes().all(harmless)
        })
    }
}

/// What rules judge by of what a proposal says, kept when its text is erased: lengths in characters, and some words that name
/// nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// The word before the colon of its title ([`crate::text::form`]); empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// Where its links lead.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// How many links it has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub links: u32,
    pub risk: u32,
    pub rollback: u32,
    pub tests: u32,
    pub why: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
