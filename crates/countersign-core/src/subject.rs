//! What would be applied, and what a gate is asked to let happen. A statement names either by type and digest; the blob
//! under that digest, a manifest, says it in full. So a subject of five hundred files costs a statement a line.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    canonical,
    ids::{Oid, RepositoryId, SubjectType},
    refusal::Refusal,
};

/// The files of a change at the most.
pub const MAX_FILES: usize = 500;
/// The words of a command at the most.
pub const MAX_COMMAND_WORDS: usize = 50;

/// A subject by its manifest's digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRef {
    pub digest: Digest,
    #[serde(rename = "type")]
    pub kind: SubjectType,
}

/// Exactly what would be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    Git(GitSubject),
    Files(FilesSubject),
    Governance(GovernanceSubject),
}

/// A range of commits for a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitSubject {
    pub repository: RepositoryId,
    /// In full: `refs/heads/main`.
    pub branch: String,
    /// The commit that the range was reviewed against.
    pub base: Oid,
    pub head: Oid,
    /// Digest of what the range changes: every touched path with its old and new mode and object.
    pub delta: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSubject {
    pub files: BTreeMap<String, Digest>,
    /// Those of them that can be run. Not spelled where there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub executable: BTreeSet<String>,
    /// The command that applies them, word by word. `None` where the change names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

/// Other governance files, in place of those in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceSubject {
    /// Blob: the files that it replaces, as a publication names them.
    pub files: Digest,
    /// Payload digest of the genesis or publication that it was made on.
    pub parent: Digest,
    /// Raises the semantics. Not spelled where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantics: Option<u32>,
}

const GIT: &str = "git";
const FILES: &str = "files";
const GOVERNANCE: &str = "governance";

impl SubjectRef {
    /// Whether it is about governance files.
    pub fn is_governance(&self) -> bool {
        self.kind.as_str() == GOVERNANCE
    }
}

fn unknown_type(kind: &SubjectType, what: &str) -> Refusal {
    Refusal::malformed("unknown-subject-type", format!("this program knows no {what} of the type `{kind}`"))
        .hint(format!("it knows `{GIT}`, `{FILES}` and, of subjects, `{GOVERNANCE}`; a newer program may know more"))
}

impl Subject {
    /// What it brings, whatever change, branch or command brings it: a rejection is of that.
    pub fn content(&self) -> Result<Digest, Refusal> {
        match self {
            Self::Git(git) => Ok(git.delta),
            Self::Files(files) => Ok(Digest::of(canonical::to_bytes(&files.files)?)),
            Self::Governance(governance) => Ok(governance.files),
        }
    }

    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Git(subject) => canonical::to_bytes(subject),
            Self::Files(subject) => canonical::to_bytes(subject),
            Self::Governance(subject) => canonical::to_bytes(subject),
        }
    }

    pub fn reference(&self) -> Result<SubjectRef, Refusal> {
        let kind = match self {
            Self::Git(_) => GIT,
            Self::Files(_) => FILES,
            Self::Governance(_) => GOVERNANCE,
        };
        Ok(SubjectRef { digest: Digest::of(self.to_blob()?), kind: SubjectType::known(kind) })
    }

    /// Reads the manifest that a reference names.
    pub fn read(reference: &SubjectRef, blob: &[u8]) -> Result<Self, Refusal> {
        named("subject", &reference.digest, blob)?;
        match reference.kind.as_str() {
            GIT => canonical::from_bytes(blob, "the subject").map(Self::Git),
            FILES => canonical::from_bytes(blob, "the subject").map(Self::Files),
            GOVERNANCE => canonical::from_bytes(blob, "the subject").map(Self::Governance),
            _ => Err(unknown_type(&reference.kind, "subject")),
        }
    }

    /// One line for a reader.
    pub fn summary(&self) -> String {
        match self {
            Self::Git(GitSubject { repository, branch, base, head, .. }) => {
                let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
                format!("{repository} {branch} {}..{}", base.short(), head.short())
            }
            Self::Files(FilesSubject { files, executable, command }) => {
                let mark = |name: &String| if executable.contains(name) { " (executable)" } else { "" };
                let names: Vec<_> = files.keys().map(|name| format!("{name}{}", mark(name))).collect();
                let command = command.as_ref().map(|c| format!(" by `{}`", quoted(c))).unwrap_or_default();
                format!("{}{command}", names.join(", "))
            }
            Self::Governance(GovernanceSubject { semantics: None, .. }) => "governance files".to_owned(),
            Self::Governance(GovernanceSubject { semantics: Some(to), .. }) => {
                format!("governance files, and semantics {to}")
            }
        }
    }
}

fn named(what: &str, digest: &Digest, blob: &[u8]) -> Result<(), Refusal> {
    if Digest::of(blob) == *digest {
        return Ok(());
    }
    Err(Refusal::malformed("blob-changed", format!("the {what} does not hash to {digest}, which its statement names")))
}

/// A command as a POSIX shell would read it back, word for word: two different commands never look alike.
pub fn quoted(words: &[String]) -> String {
    // No command has a NUL in a word; one that somebody made up is still shown.
    shlex::Quoter::new().allow_nul(true).join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// A transition by its manifest's digest, with what it starts from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionRef {
    /// Which attempt of the same thing, where a gate counts them (a CI's run).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub digest: Digest,
    /// What is there before, as the gate names it: for a branch, the commit at its tip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<String>,
    /// Which step of several, where a change goes in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    #[serde(rename = "type")]
    pub kind: SubjectType,
}

/// What a permit lets happen, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Transition {
    Git(GitTransition),
    Apply(ApplyTransition),
}

/// A branch moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitTransition {
    pub repository: RepositoryId,
    pub reference: String,
    pub old: Oid,
    pub new: Oid,
}

/// A command runs over exactly these bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyTransition {
    pub files: BTreeMap<String, Digest>,
    /// Those of them that can be run. Not spelled where there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub executable: BTreeSet<String>,
    pub command: Vec<String>,
}

impl Transition {
    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Git(transition) => canonical::to_bytes(transition),
            Self::Apply(transition) => canonical::to_bytes(transition),
        }
    }

    pub fn reference(&self) -> Result<TransitionRef, Refusal> {
        let (kind, prior) = match self {
            Self::Git(transition) => (GIT, Some(transition.old.to_string())),
            Self::Apply(_) => (FILES, None),
        };
        let digest = Digest::of(self.to_blob()?);
        Ok(TransitionRef { attempt: None, digest, prior, stage: None, kind: SubjectType::known(kind) })
    }

    /// Reads the manifest that a reference names, and checks that the reference says the same.
    pub fn read(reference: &TransitionRef, blob: &[u8]) -> Result<Self, Refusal> {
        named("transition", &reference.digest, blob)?;
        let transition = match reference.kind.as_str() {
            GIT => Self::Git(canonical::from_bytes(blob, "the transition")?),
            FILES => Self::Apply(canonical::from_bytes(blob, "the transition")?),
            _ => return Err(unknown_type(&reference.kind, "transition")),
        };
        if transition.reference()? == *reference {
            Ok(transition)
        } else {
            Err(Refusal::malformed("transition-mismatch", "the transition names another prior state than its manifest"))
        }
    }
}
