//! The door to a git repository, as facts need it. The program opens it by running `git`; tests keep a history in memory.
//!
//! Everything read here is content-addressed or computed from content-addressed objects, so two honest implementations
//! give the same answers. Nothing may depend on configuration, attributes, grafts, replacements or the environment.

use crate::ids::Oid;

/// A name and mail in a commit's header. Bytes that are no UTF-8 are replaced; the parser of the header does that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ident {
    pub name: String,
    pub mail: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    pub author: Ident,
    pub committer: Ident,
    pub message: Vec<u8>,
}

/// One line of `git diff-tree --raw -r --no-renames`. An absent side has mode 0 and the zero id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawChange {
    pub path: Vec<u8>,
    pub old_mode: u32,
    pub new_mode: u32,
    pub old: Oid,
    pub new: Oid,
}

/// What git computes for a merge without anybody's help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeTree {
    Clean(Oid),
    Conflicts,
}

pub trait GitRead {
    type Error: std::error::Error;

    fn commit(&self, id: &Oid) -> Result<Commit, Self::Error>;

    /// Commits that `include` reaches and `exclude` does not, through every parent, in an order that depends on the
    /// history alone. At most `limit`; a caller that wants to know whether there are more asks for one more.
    fn range(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Vec<Oid>, Self::Error>;

    /// The best common ancestor; `None` for unrelated histories.
    fn merge_base(&self, a: &Oid, b: &Oid) -> Result<Option<Oid>, Self::Error>;

    /// Every path that differs between the trees of two commits, without rename detection.
    fn diff(&self, base: &Oid, head: &Oid) -> Result<Vec<RawChange>, Self::Error>;

    /// The tree of merging `theirs` into `ours` with the pinned strategy: no drivers, no rename detection.
    fn merge_tree(&self, ours: &Oid, theirs: &Oid) -> Result<MergeTree, Self::Error>;

    /// The content of `path` in a commit; `None` if it is not a file there or larger than `max_bytes`.
    fn blob_at(&self, commit: &Oid, path: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, Self::Error>;
}
