//! The door to a git repository, as facts need it. The program opens it by running `git`; tests keep a history in memory.
//!
//! Everything read here is content-addressed or computed from content-addressed objects, so two honest implementations
//! give the same answers. Nothing may depend on configuration, attributes, grafts, replacements or the environment.

use countersign_ledger::{Fingerprint, sshsig};
use thiserror::Error;

use crate::ids::Oid;

/// A name and mail in a commit's header. Bytes that are no UTF-8 are replaced; the parser of the header does that.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The key whose SSH signature over this commit holds. Other signatures (OpenPGP, X.509) say nothing here.
    pub signed_by: Option<Fingerprint>,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the commit object has no valid `{0}` line")]
pub struct MalformedCommit(&'static str);

impl Commit {
    /// Reads a commit object. Headers that facts do not need are skipped; of a repeated header the first counts, as for
    /// git.
    pub fn parse(object: &[u8]) -> Result<Self, MalformedCommit> {
        let (mut tree, mut parents, mut author, mut committer) = (None, Vec::new(), None, None);
        let mut rest = object;
        loop {
            let (line, after) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at.saturating_add(1)..).unwrap_or_default()),
                None => (rest, &[][..]),
            };
            rest = after;
            if line.is_empty() {
                break;
            }
            let line = String::from_utf8_lossy(line);
            let Some((key, value)) = line.split_once(' ') else { continue };
            match key {
                "tree" if tree.is_none() => tree = Some(value.parse().map_err(|_| MalformedCommit("tree"))?),
                "parent" => parents.push(value.parse().map_err(|_| MalformedCommit("parent"))?),
                "author" if author.is_none() => author = Some(Ident::parse(value)),
                "committer" if committer.is_none() => committer = Some(Ident::parse(value)),
                _ => {}
            }
        }
        Ok(Self {
            tree: tree.ok_or(MalformedCommit("tree"))?,
            parents,
            author: author.ok_or(MalformedCommit("author"))?,
            committer: committer.ok_or(MalformedCommit("committer"))?,
            message: rest.to_vec(),
            signed_by: signed_by(object),
        })
    }
}

/// The namespace in which git signs commits.
const GIT_NAMESPACE: &str = "git";

/// Checks a commit's own SSH signature: it is over the object without its signature headers (gitformat-signature(5)).
fn signed_by(object: &[u8]) -> Option<Fingerprint> {
    let mut payload = Vec::with_capacity(object.len());
    let mut signature = Vec::new();
    let mut in_headers = true;
    let mut in_signature = false;
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        if in_headers {
            in_headers = line != b"\n";
            in_signature = match line.strip_prefix(b" ") {
                Some(continued) if in_signature => {
                    signature.extend_from_slice(continued);
                    continue;
                }
                Some(_) => false,
                None => line.starts_with(b"gpgsig ") || line.starts_with(b"gpgsig-sha256 "),
            };
            if in_signature {
                signature.extend(line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default());
                continue;
            }
        }
        payload.extend_from_slice(line);
    }
    let armored = std::str::from_utf8(&signature).ok().filter(|text| !text.is_empty())?;
    let blob = sshsig::dearmor(armored).ok()?;
    sshsig::verify(&blob, GIT_NAMESPACE, &payload).ok().map(|verified| verified.key.fingerprint())
}

impl Ident {
    /// `Name <mail> 1700000000 +0100`. Where the brackets are missing, all of it is the name: nobody's.
    fn parse(value: &str) -> Self {
        let parts = value.split_once('<').and_then(|(name, rest)| Some((name, rest.split_once('>')?.0)));
        match parts {
            Some((name, mail)) => Self { name: name.trim().to_owned(), mail: mail.trim().to_owned() },
            None => Self { name: value.trim().to_owned(), mail: String::new() },
        }
    }
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
