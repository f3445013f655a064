//! The door to a git repository, as facts need it. The program opens it by running `git`; tests keep a history in memory.
//!
//! Everything read here is content-addressed or computed from content-addressed objects, so two honest implementations
//! give the same answers. Nothing may depend on configuration, attributes, grafts, replacements or the environment.

use countersign_ledger::{Fingerprint, sshsig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::Oid;

/// A name and mail in a commit's header. Bytes that are no UTF-8 are replaced; the parser of the header does that.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Reads a commit object, in the one order that git writes: tree, parents, author, committer, then headers that facts do
    /// not need. Git itself looks for parents only right after the tree, so that a `parent` line further down is one that
    /// only we would believe; whatever stands out of order is no commit here.
    pub fn parse(object: &[u8]) -> Result<Self, MalformedCommit> {
        let mut headers = Headers { rest: object };
        let id = |value: &str, what| value.parse::<Oid>().map_err(|_| MalformedCommit(what));
        let tree = id(&headers.take("tree").ok_or(MalformedCommit("tree"))?, "tree")?;
        let mut parents = Vec::new();
        while let Some(parent) = headers.take("parent") {
            parents.push(id(&parent, "parent")?);
        }
        let author = Ident::parse(&headers.take("author").ok_or(MalformedCommit("author"))?);
        let committer = Ident::parse(&headers.take("committer").ok_or(MalformedCommit("committer"))?);
        let mut seen = Vec::new();
        while let Some(line) = headers.line() {
            let key = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            let is = |name: &&str| name.as_bytes() == key;
            let again = ["tree", "parent", "author", "committer"].into_iter().find(is);
            // Of these git reads one, and we might read the other.
            let once = ["encoding", "gpgsig", "gpgsig-sha256"].into_iter().find(is);
            if let Some(name) = again.or(once.filter(|name| seen.contains(name))) {
                return Err(MalformedCommit(name));
            }
            seen.extend(once);
        }
        // Git stops reading a line there, and we would not.
        let ends = object.len().saturating_sub(headers.rest.len());
        if object.get(..ends).is_some_and(|headers| headers.contains(&0)) {
            return Err(MalformedCommit("header"));
        }
        Ok(Self { tree, parents, author, committer, message: headers.rest.to_vec(), signed_by: signed_by(object) })
    }
}

/// The header lines of a commit object, until the empty one; what is left then is the message.
struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    fn split(&self) -> (&'a [u8], &'a [u8]) {
        match self.rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                (self.rest.get(..at).unwrap_or_default(), self.rest.get(at.saturating_add(1)..).unwrap_or_default())
            }
            None => (self.rest, &[]),
        }
    }

    /// The next line; `None` at the empty one.
    fn line(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.split();
        self.rest = rest;
        (!line.is_empty()).then_some(line)
    }

    /// The value of the next line, if it has this key.
    fn take(&mut self, key: &str) -> Option<String> {
        let (line, rest) = self.split();
        let value = line.strip_prefix(key.as_bytes())?.strip_prefix(b" ")?;
        self.rest = rest;
        Some(String::from_utf8_lossy(value).into_owned())
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

/// Symbolic links, each with its path and the blob that says where it leads.
pub type TreeLinks = Vec<(Vec<u8>, Oid)>;

/// What facts and landing ask of a repository. There is no question here whose answer depends on how git merges: neither
/// what a merge would give nor which commit is the base of one.
pub trait GitRead {
    type Error: std::error::Error;

    fn commit(&self, id: &Oid) -> Result<Commit, Self::Error>;

    /// Commits that `include` reaches and `exclude` does not, through every parent, in an order that depends on the
    /// history alone. At most `limit`; a caller that wants to know whether there are more asks for one more.
    fn range(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Vec<Oid>, Self::Error>;

    /// Every path that differs between the trees of two commits, without rename detection.
    fn diff(&self, base: &Oid, head: &Oid) -> Result<Vec<RawChange>, Self::Error>;

    /// The symbolic links in the tree of a commit, each with the blob that says where it leads; `None` if there are more than `limit`.
    fn links(&self, commit: &Oid, limit: usize) -> Result<Option<TreeLinks>, Self::Error>;

    /// The content of a blob that a difference names; `None` if it is larger. That it is not there is an error: what is counted
    /// must not depend on what somebody happens to have.
    fn blob(&self, id: &Oid, max_bytes: usize) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The content of `path` in a commit; `None` if it is not a file there or larger than `max_bytes`.
    fn blob_at(&self, commit: &Oid, path: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, Self::Error>;
}
