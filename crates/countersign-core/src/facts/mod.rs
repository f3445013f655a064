//! Facts: what can be computed from a subject's content alone. The proposer's command line, the gate and the verifier
//! run the same code over the same objects, and a mismatch denies.
//!
//! | room | holds |
//! |---|---|
//! | [`git`] | the door to a repository |
//! | [`extract`] | from a range of commits to [`GitFacts`] and [`Identities`] |
//! | [`delta`] | every path that differs, and the digest of that |
//! | [`identity`] | whom commits name: what is kept, and what can be erased |
//! | [`message`] | co-authors and cited documents in commit messages |
//! | [`ai`] | the table of signs of AI assistance |
//! | `pattern` | patterns that are compiled when they are needed |
//! | [`links`] | what a change reaches by symbolic links |
//! | [`mod@size`] | how many files and lines it touches |
//! | [`mod@landing`] | whether a push brings exactly what was approved |
//! | [`guidance`] | when a document's review runs out |

pub mod ai;
mod blob;
pub mod delta;
pub mod extract;
pub mod git;
pub mod guidance;
pub mod identity;
pub mod landing;
pub mod links;
pub mod message;
mod pattern;
pub mod size;

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::{
    glob::Globs,
    ids::{Oid, RepositoryId},
    refusal::Refusal,
};

pub use blob::MAX_BYTES;
pub use delta::{Entry, TouchedPath};
pub use extract::{FactsError, NoBase, Range, facts, single_base};
pub use guidance::{GuidanceReview, guidance_review};
pub use identity::{Identities, IdentityFact};
pub use landing::{Landing, LandingError, NotALanding, delta_of, head_of_push, landing, moves_on};
pub use links::{Led, LedPath, led};
pub use size::{Lines, Size};

/// What the range `base..head` of a repository brings. Serialised as a blob; its digest is in the revision. There are no
/// names and mails in it: those are in [`Identities`], which can be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitFacts {
    /// Version of the extraction; another version is another subject.
    pub version: u32,
    pub repository: RepositoryId,
    /// The protected branch that it is for, in full: `refs/heads/main`.
    pub branch: String,
    /// The commit that the range starts from, as the change names it.
    pub base: Oid,
    pub head: Oid,
    /// The tree of the head.
    pub tree: Oid,
    /// The digest of `paths`: what a push has to bring, exactly.
    pub delta: Digest,
    /// Sorted.
    pub paths: Vec<TouchedPath>,
    /// Everybody whom the commits of the range name, once each, by reference.
    pub identities: Vec<IdentityFact>,
    pub ai: Vec<AiSignal>,
    /// Documents that commit trailers (`Guidance: PATH`) cite.
    pub guidance: BTreeSet<String>,
    pub commits: u32,
    pub merges: u32,
    /// Of each path in its place what [`Size`] counts; empty where there are more than [`MAX_RULED_PATHS`].
    pub lines: Vec<Option<Lines>>,
    /// Who committed, by reference, and the key whose signature holds: once each, sorted.
    pub signatures: BTreeSet<SignatureFact>,
    pub size: Size,
    /// What each commit brings, whichever order they are in ([`delta::steps`]). Not spelled where one commit brings all of it, and
    /// where there are too many to look at each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Digest>,
    /// What it reaches by symbolic links besides. Not spelled where that is nothing.
    #[serde(default, skip_serializing_if = "Led::is_empty")]
    pub led: Led,
}

impl GitFacts {
    /// What the commits bring one by one; `None` where that is not known.
    pub fn steps(&self) -> Option<Digest> {
        let only = || (self.commits == 1 && self.merges == 0).then(|| delta::steps(&mut [self.delta]));
        self.steps.or_else(only)
    }

    /// The delta that takes it back: each path with its sides changed round.
    pub fn inverse(&self) -> Digest {
        let back = |touched: &TouchedPath| TouchedPath {
            path: touched.path.clone(),
            old: touched.new.clone(),
            new: touched.old.clone(),
        };
        let paths: Vec<TouchedPath> = self.paths.iter().map(back).collect();
        delta::digest(&paths)
    }

    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        blob::write(self, "facts")
    }

    /// Reads the blob strictly: the version is ours, lists are in order, and the delta is that of the paths.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let facts: Self = blob::read(bytes, "facts")?;
        let malformed =
            |why: &str| Err(Refusal::malformed("malformed-facts", format!("the facts are malformed: {why}")));
        if facts.version != extract::VERSION {
            return Err(Refusal::malformed(
                "facts-version",
                format!("the facts were extracted by version {}, this is {}", facts.version, extract::VERSION),
            )
            .hint("extract them again: countersign revise CHANGE --git ."));
        }
        if !facts.paths.is_sorted_by(|a, b| a < b) || facts.paths.iter().any(|path| path.old == path.new) {
            return malformed("the paths are not in order, or one of them is not touched");
        }
        if delta::digest(&facts.paths) != facts.delta {
            return malformed("the delta is not that of the paths");
        }
        if facts.size.files != Size::of_files(facts.paths.len()).files {
            return malformed("the size is not that of so many paths");
        }
        let told = if facts.paths.len() > MAX_RULED_PATHS { 0 } else { facts.paths.len() };
        if facts.lines.len() != told || told > 0 && size::sum(&facts.lines) != facts.size.lines {
            return malformed("the lines are not those of the paths");
        }
        if !facts.led.paths.is_sorted_by(|a, b| a < b) {
            return malformed("the paths that links lead to are not in order");
        }
        if !facts.identities.is_sorted_by(|a, b| a.reference < b.reference) || !facts.ai.is_sorted_by(|a, b| a < b) {
            return malformed("the identities or signs of AI assistance are not in order");
        }
        Ok(facts)
    }
}

/// One changed path and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathChange {
    pub path: String,
    pub status: PathStatus,
}

/// A path of a delta as rules ask about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuledPath {
    pub path: String,
    pub status: PathStatus,
    /// Whether anything could lie below it: a submodule is or was there, or a touched link leads there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodule: bool,
    /// Whether a symbolic link is or was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// Whether it may be run and could not be before, or the other way round: no line of it tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mode: bool,
    /// Whether it is not touched itself, and links lead from or to what is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub led: bool,
    /// `None`: nobody counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Lines>,
}

/// So many paths of a revision are kept for rules. A change of more touches everything, for them.
pub const MAX_RULED_PATHS: usize = 2_000;

impl RuledPath {
    /// Whether one of these patterns names it, or could name what is below it.
    pub fn meets(&self, globs: &Globs) -> bool {
        globs.is_match(&self.path) || self.submodule && globs.reaches_into(&self.path)
    }
}

impl GitFacts {
    /// The paths as rules ask about them, and where links lead from or to them; `None` where there are too many, or nobody can tell.
    pub fn ruled_paths(&self) -> Option<Vec<RuledPath>> {
        let ruled = |(at, touched): (usize, &TouchedPath)| RuledPath {
            lines: self.lines.get(at).copied().flatten(),
            path: touched.path.clone(),
            status: touched.status(),
            submodule: touched.is_submodule(),
            link: touched.is_link(),
            mode: touched.changes_mode(),
            led: false,
        };
        let led = |led: &LedPath| RuledPath {
            lines: None,
            path: led.path.clone(),
            status: led.status,
            submodule: led.below,
            link: false,
            mode: false,
            led: true,
        };
        let told = self.paths.len() <= MAX_RULED_PATHS && !self.led.unknown;
        told.then(|| self.paths.iter().enumerate().map(ruled).chain(self.led.paths.iter().map(led)).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathStatus {
    Added,
    Modified,
    Deleted,
    TypeChanged,
}

/// Who committed something, and by which key: `None` where no SSH signature over it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFact {
    pub committer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
}

/// How a commit names somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Author,
    Committer,
    /// Named by a trailer that anybody could have written: a claim.
    CoAuthor,
}

/// A sign of AI assistance, with where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiSignal {
    /// Which entry of the table matched, for example `co-author-trailer`.
    pub signal: String,
    /// The tool, where the signal names it.
    pub tool: Option<String>,
    pub commit: Oid,
    /// Whether the commit says so itself (a trailer, a disclosure line) or it is only inferred (an identity, a mention).
    pub declared: bool,
}
