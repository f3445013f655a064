//! Names and ids. Each is a newtype that can only be made from text that is valid, so that nothing after the edge has
//! to check again.

use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

use countersign_ledger::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not a valid {what}: {expected}")]
pub struct InvalidId {
    pub what: &'static str,
    pub text: String,
    pub expected: &'static str,
}

/// Reads what parses from text, without a copy of the text in between.
fn from_text<'de, T: FromStr<Err = InvalidId>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err = InvalidId>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Declares a newtype over validated text. A copy costs nothing, since the same names stand in many places.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:expr, $expected:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(s) {
                    Ok(Self(s.into()))
                } else {
                    Err(InvalidId { what: $what, text: s.chars().take(80).collect(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(s: String) -> Result<Self, Self::Error> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

/// Backstage's rule for `metadata.name`: 1 to 63 of letters, digits, `-`, `_`, `.`, beginning and ending with a letter
/// or digit. We also ask for lower case, because names that differ only in case are one name to a reader.
fn is_entity_name(s: &str) -> bool {
    let inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    s.len() <= 63 && s.bytes().all(inner) && edge(s.as_bytes().first()) && edge(s.as_bytes().last())
}

/// Text as such a name: lower case, with `-` for what a name cannot have. None where nothing is left, or too much.
pub fn entity_name(text: &str) -> Option<String> {
    let replaced: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .collect();
    let words: Vec<&str> = replaced.split('-').filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = name.trim_matches(['.', '_', '-']);
    is_entity_name(name).then(|| name.to_owned())
}

fn is_lower_hex(s: &str) -> bool {
    s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

const ENTITY_NAME: &str =
    "lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit";

id!(
    /// Who acts: the `metadata.name` of a Backstage User.
    ActorId, "person, workload or agent name", is_entity_name, ENTITY_NAME
);
id!(
    /// The `metadata.name` of a Backstage Group.
    GroupId, "group name", is_entity_name, ENTITY_NAME
);
id!(
    /// The `metadata.name` of a Backstage Component or System.
    SystemId, "system name", is_entity_name, ENTITY_NAME
);
id!(
    /// Where a system runs: `production`, `staging`, …
    Environment, "environment name", is_entity_name, ENTITY_NAME
);
id!(
    /// A rule's `@id`.
    RuleId, "rule id", is_entity_name, ENTITY_NAME
);
id!(
    /// An enforcement point.
    GateId, "gate id", is_entity_name, ENTITY_NAME
);
id!(
    /// The name under which gates and changes speak of one repository. Approvals bind to it.
    RepositoryId, "repository name", is_entity_name, ENTITY_NAME
);
id!(
    /// A git object id: SHA-1 or SHA-256.
    Oid, "git object id", |s| matches!(s.len(), 40 | 64) && is_lower_hex(s), "40 or 64 lower-case hexadecimal digits"
);
id!(
    /// Sixteen random bytes that make two otherwise equal statements differ.
    Nonce, "nonce", |s| s.len() == 32 && is_lower_hex(s), "32 lower-case hexadecimal digits"
);
id!(
    /// A change. Derived from the digest of its proposal, so that nobody has to hand it out and nobody can choose it.
    ChangeId, "change id", |s| s.len() == ChangeId::LEN && is_lower_hex(s), "32 lower-case hexadecimal digits"
);

id!(
    /// A finding. Derived from the digest of the statement that raises it, as a change's is.
    FindingId, "finding id", |s| s.len() == ChangeId::LEN && is_lower_hex(s), "32 lower-case hexadecimal digits"
);

id!(
    /// What sort of thing a subject or a transition is: `git`, `files`, `kubernetes`, … The list is open.
    SubjectType, "type of a subject", is_entity_name, ENTITY_NAME
);

id!(
    /// What sort of evidence it is: `tests`, `scan`, `build`, … The list is open.
    EvidenceKind, "kind of evidence", is_evidence_kind, "lower-case letters, digits and `-`, at most 40, beginning with a letter"
);

id!(
    /// What people put on a change: `hold`, `no-backport`, `kind/bug`. No free text: it stands in leaves for ever.
    Label, "label", is_label, "lower-case letters, digits and `-_./`, at most 50, with a letter or digit at both ends"
);

/// Without what a requirement's token is made of.
fn is_label(s: &str) -> bool {
    let edge = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let inner = |b: u8| edge(b) || matches!(b, b'-' | b'_' | b'.' | b'/');
    s.len() <= 50
        && s.bytes().all(inner)
        && s.bytes().next().is_some_and(edge)
        && s.bytes().next_back().is_some_and(edge)
}

/// Short, and without what a requirement's token is made of.
fn is_evidence_kind(s: &str) -> bool {
    let inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    s.len() <= 40 && s.bytes().all(inner) && s.starts_with(|c: char| c.is_ascii_lowercase()) && !s.ends_with('-')
}

impl GateId {
    /// The gate that wraps a command on the machine of whoever runs it.
    pub const APPLY: &'static str = "apply";

    /// Whether its key is that of whoever runs it: nobody registers it, and it has no stream.
    pub fn is_its_runners(&self) -> bool {
        self.as_str() == Self::APPLY
    }
}

impl Nonce {
    /// The nonce of these bytes, which the caller drew at random.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(base16ct::lower::encode_string(&bytes).into())
    }
}

impl GroupId {
    /// Under which rules see the policy group, which owns what governs.
    pub(crate) fn policy() -> Self {
        Self("policy-group".into())
    }
}

impl SubjectType {
    /// One of the types that this program knows.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl ChangeId {
    pub const LEN: usize = 32;
    /// As many digits as somebody has to type of it, or is shown: a second preimage of 12 costs hours, so whoever signs
    /// compares all 32.
    pub const MIN_PREFIX: usize = 12;

    /// Enough of it for a person to read and type.
    pub fn short(&self) -> &str {
        self.0.get(..Self::MIN_PREFIX).unwrap_or(&self.0)
    }

    /// The change that a proposal with this payload begins.
    pub fn of_proposal(payload: &Digest) -> Self {
        Self(payload.hex().chars().take(Self::LEN).collect::<String>().into())
    }
}

impl FindingId {
    /// The finding that a statement with this payload raises.
    pub fn of_finding(payload: &Digest) -> Self {
        Self(payload.hex().chars().take(ChangeId::LEN).collect::<String>().into())
    }

    /// Enough of it for a person to read.
    pub fn short(&self) -> &str {
        self.0.get(..ChangeId::MIN_PREFIX).unwrap_or(&self.0)
    }
}

impl Oid {
    /// All zeros: git's way to say "no object" in a reference update.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }

    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

/// A system in an environment: `checkout/production`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub system: SystemId,
    pub environment: Environment,
}

/// The system of which no catalog has one: what governs.
const GOVERNANCE: &str = "governance";

impl Target {
    /// The one target of a change of what governs: the log itself.
    pub fn governance() -> Self {
        Self { system: SystemId(GOVERNANCE.into()), environment: Environment("log".into()) }
    }

    pub fn is_governance(&self) -> bool {
        self.system.is_governance() && self.environment.as_str() == "log"
    }
}

impl SystemId {
    /// Whether it is the name that no system of a catalog can have.
    pub fn is_governance(&self) -> bool {
        self.as_str() == GOVERNANCE
    }
}

impl FromStr for Target {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (system, environment) = s.split_once('/').ok_or_else(|| InvalidId {
            what: "target",
            text: s.chars().take(80).collect(),
            expected: "SYSTEM/ENVIRONMENT, for example `checkout/production`",
        })?;
        Ok(Self { system: system.parse()?, environment: environment.parse()? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.system, self.environment)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidId;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}
