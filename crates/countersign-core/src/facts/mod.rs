//! Facts: what can be computed from a subject's content alone. The proposer's command line, the gate and the verifier
//! run the same code over the same objects, and a mismatch denies.
//!
//! | room | holds |
//! |---|---|
//! | [`git`] | the door to a repository |
//! | [`extract`] | from a range of commits to [`GitFacts`] |
//! | [`message`] | co-authors and cited documents in commit messages |
//! | [`ai`] | the table of signs of AI assistance |
//! | [`mod@landing`] | whether a push brings exactly what was approved |
//! | [`guidance`] | when a document's review runs out |

pub mod ai;
pub mod extract;
pub mod git;
pub mod guidance;
pub mod landing;
pub mod message;

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::ids::{Oid, RepositoryId};

pub use extract::{FactsError, Range, facts};
pub use guidance::{GuidanceReview, guidance_review};
pub use landing::{Landing, LandingError, NotALanding, head_of_push, landing};

/// What the range `base..head` of a repository brings. Serialised as a blob; its digest is in the revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitFacts {
    /// Version of the extraction; another version is another subject.
    pub version: u32,
    pub repository: RepositoryId,
    /// The protected branch that it is for, in full: `refs/heads/main`.
    pub branch: String,
    /// Merge base of the branch's tip and the head.
    pub base: Oid,
    pub head: Oid,
    /// The tree of the head.
    pub tree: Oid,
    /// Digest over the sorted raw differences between base and head: paths, modes and object ids.
    pub delta: Digest,
    pub paths: Vec<PathChange>,
    /// Everybody whom the commits of the range name, once each.
    pub identities: Vec<Identity>,
    pub ai: Vec<AiSignal>,
    /// Documents that commit trailers (`Guidance: PATH`) cite.
    pub guidance: BTreeSet<String>,
    pub commits: u32,
    pub merges: u32,
}

/// One changed path, against the base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathChange {
    pub path: String,
    pub status: PathStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathStatus {
    Added,
    Modified,
    Deleted,
    TypeChanged,
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

/// Somebody as git writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub name: String,
    /// Lower case; may be empty.
    pub mail: String,
    pub roles: BTreeSet<Role>,
    /// An AI tool's identity, by the table of signals: an agent, never the second pair of eyes and never unmapped.
    pub agent: bool,
    /// Keys that signed commits with this identity as the committer.
    pub keys: BTreeSet<Fingerprint>,
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
