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
    /// That nobody goes back past it on one signature. Nor past what closes a security hole or is of the kind `schema`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_way_back: bool,
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
        self.incident.as_deref().is_none_or(is_incident)
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

/// Whether it names an incident and is no free text.
pub fn is_incident(name: &str) -> bool {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'#' | b'/');
    (1..=MAX_INCIDENT_CHARS).contains(&name.len()) && name.bytes().all(harmless)
}

/// What rules judge by of what a proposal says, kept when its text is erased: lengths in characters, and some words that name
/// nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// The word before the colon of its title ([`form`]); empty where there is none.
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

/// Longest form of a title.
const MAX_FORM_CHARS: usize = 20;

/// The word before the colon of a title, where it is one that names nobody: `feat` of `feat(api)!: …`, `PAY-12` of `PAY-12: …`,
/// `BLOCKED` of `BLOCKED: …`.
pub fn form(title: &str) -> Option<&str> {
    let (head, _) = title.trim_start().split_once(':')?;
    let head = head.strip_suffix('!').unwrap_or(head);
    let word = match head.split_once('(') {
        Some((word, scope)) => scope.strip_suffix(')').filter(|scope| !scope.contains(['(', ')'])).map(|_| word)?,
        None => head,
    };
    is_form(word).then_some(word)
}

/// Whether this is a form: a word in lower case, one in upper case, or what an issue is called.
pub fn is_form(word: &str) -> bool {
    let lower = || word.bytes().all(|b| b.is_ascii_lowercase());
    let upper = || word.bytes().all(|b| b.is_ascii_uppercase());
    let issue = || {
        word.rsplit_once('-').is_some_and(|(project, number)| {
            project.starts_with(|c: char| c.is_ascii_uppercase())
                && project.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    (1..=MAX_FORM_CHARS).contains(&word.len()) && (lower() || upper() || issue())
}

/// Longest name of a host.
const MAX_HOST_CHARS: usize = 253;

/// Where a link leads: the host of `https://tracker.example/PAY-12`, in lower case, without user and port.
pub fn host(link: &str) -> Option<String> {
    let (scheme, rest) = link.trim().split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    // Browsers take a `\` for a `/`.
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next()?.to_ascii_lowercase();
    is_host(&host).then_some(host)
}

/// Whether this is the name of a host, in lower case.
pub fn is_host(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=MAX_HOST_CHARS).contains(&host.len()) && host.bytes().all(plain)
}

/// How an approver had the content at hand, from less to more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Not at all: digests on somebody else's word.
    #[default]
    None,
    /// On a page that a server made.
    Shown,
    /// As bytes that were checked against their digests.
    Material,
    /// In their own clone or files, from which their own machine computed the digests.
    Computed,
}

impl Seen {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shown => "shown",
            Self::Material => "material",
            Self::Computed => "computed",
        }
    }
}
