//! Audit: what the past of a repository proves about who looked at its changes. Conventions, people, grades, and the
//! replay of rules over what landed. Pure, on core: somebody else reads git, and no part of deciding needs any of this.
//!
//! A landed change is a first-parent commit of the branch. Evidence and signals are looked for in that commit, in its
//! notes and in all commits that it first brings in. Git often cannot prove a second person who was there; this crate says
//! "git carries no second person", never "unreviewed".
//!
//! | room | holds |
//! |---|---|
//! | [`conventions`] | how projects write down who looked: one file a convention, one table |
//! | [`grade`] | the strongest thing that the evidence proves |
//! | [`people`], [`mailmap`], [`machines`] | who is who, and who is nobody |
//! | [`ai`] | assistance: declared, inferred or unknown |
//! | [`impact`] | paths whose change reaches far |
//! | [`areas`] | what reviews are shared out by: folders, owners or systems |
//! | [`codeowners`], [`systems`] | who owns which path, as `CODEOWNERS` says; which system it belongs to, as a catalog does |
//! | [`reverts`] | what was taken back, and after how long |
//! | [`carriers`] | who carries the reviews |
//! | [`requests`] | what a forge knows of its requests, from files that people exported |
//! | [`replay`] | what rules would have done |
//! | [`start`], [`supports`] | from the past to a home: people, systems, owners, and the numbers that it supports |
//! | [`timeline`] | when changes landed, where clocks were wrong |
//!
//! How it is used, in any order of changes and in one pass over the history:
//!
//! ```text
//! let mut people = People::new(mailmap);                   // or People::default()
//! for change in history { audited.push(judge(&change, &mut people, &mut scope)); }
//! people.settle();                                         // names without a mail find their person
//! for change in &mut audited { change.settle(&people); }   // grades again, now that everybody is known
//! let reverts = Reverts::find(&audited);
//! let mut summary = Summary::default();
//! for change in &audited { summary.add(change, &people); }
//! ```
//!
//! Memory grows with landed changes and people, never with commits times paths: an [`Audited`] holds no paths and only
//! bounded text. Text that came from a repository and is kept here has been through [`shown`], so that no terminal
//! escape survives.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]

pub mod ai;
pub mod areas;
pub mod carriers;
pub mod codeowners;
pub mod conventions;
pub mod grade;
pub mod impact;
mod judge;
pub mod machines;
pub mod mailmap;
mod parts;
pub mod people;
pub mod replay;
pub mod requests;
pub mod reverts;
pub mod start;
mod summary;
pub mod supports;
pub mod systems;
mod text;
pub mod timeline;

use countersign_core::{
    facts::{PathChange, git::Ident},
    ids::Oid,
};
use serde::{Deserialize, Serialize};

pub use self::{
    ai::{AiOutcome, AiStatus},
    areas::{Areas, AreasBy},
    carriers::Carriers,
    codeowners::CodeOwners,
    impact::{ImpactSet, ImpactTable},
    judge::{Audited, Evidence, MAX_EVIDENCE, Scope, judge},
    mailmap::Mailmap,
    people::{IdentityId, Join, Kind, People},
    requests::{Requests, RequestsError},
    reverts::{Revert, Reverts},
    summary::{AiCounts, GradeCounts, Month, Share, Summary, month_of},
    systems::Systems,
    text::{misleads, shown},
};

/// A commit, as far as an audit needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    pub id: Oid,
    pub parents: Vec<Oid>,
    pub author: Ident,
    /// Seconds since the Unix epoch; whatever the commit says, also 1970 and 2099.
    pub authored_at: i64,
    pub committer: Ident,
    pub committed_at: i64,
    /// As it stands, bounded by the reader.
    pub message: Vec<u8>,
}

/// A note that some tool attached to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The notes' reference: `refs/notes/review`, or `refs/changes/…/meta` for Gerrit's NoteDb.
    pub reference: String,
    pub on: Oid,
    pub body: Vec<u8>,
}

/// A landed change with everything that git has about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandedChange {
    pub commit: CommitRecord,
    /// Commits that this one first brings into the branch: those of the merged side.
    pub brought: Vec<CommitRecord>,
    /// Changed paths against the first parent.
    pub paths: Vec<PathChange>,
    pub notes: Vec<Note>,
}

/// What git can prove about a second person, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Somebody who is no contributor is named as reviewer or approver.
    Named,
    /// Another human merged or committed it.
    OtherHand,
    /// A bot landed it under a platform's rule; nobody is named.
    Platform,
    /// Squash or web commit: the committer is the forge.
    Opaque,
    /// The only approver is a contributor, or it says that there was none.
    SelfApproved,
    /// The merger is a contributor.
    SelfMerged,
    /// Author and committer are the same and nothing else is said.
    Alone,
}
