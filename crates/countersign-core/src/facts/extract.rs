//! Extraction: what `base..head` of a repository brings, as a pure function of the objects.
//!
//! The result depends on nothing but the merge base and the head: not on when it runs, on who runs it, on configuration,
//! nor on anything that the range itself could edit, such as `.mailmap`. All limits are errors and never truncate what a
//! rule looks at, because a fact that is left out is a hole; only names and mails beyond their bound are cut, and a
//! cut one carries a mark, so that it can be nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint};
use thiserror::Error;

use crate::{
    facts::{
        AiSignal, GitFacts, Identity, PathChange, PathStatus, Role, ai,
        git::{Commit, GitRead, Ident, RawChange},
        message::{self, Message},
    },
    ids::{Oid, RepositoryId},
};

/// The version of this extraction. Any edit that can change a result for the same objects raises it.
pub const VERSION: u32 = 1;
pub const MAX_COMMITS: usize = 5_000;
pub const MAX_PATHS: usize = 20_000;
pub const MAX_PATH_BYTES: usize = 4_096;
pub const MAX_IDENTITIES: usize = 2_000;
pub const MAX_GUIDANCE: usize = 200;
/// Longest name or mail that is kept as it is, in characters.
pub const MAX_IDENT_CHARS: usize = 254;

/// What is asked about: the commits that `head` would bring to a branch whose tip is `tip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub repository: RepositoryId,
    /// In full: `refs/heads/main`.
    pub branch: String,
    pub tip: Oid,
    pub head: Oid,
}

#[derive(Debug, Error)]
pub enum FactsError<E> {
    #[error(transparent)]
    Git(E),
    #[error(
        "`{branch}` ({tip}) and {head} have no common history; \
         a change must start from a commit of the branch it is for"
    )]
    Unrelated { branch: String, tip: String, head: String },
    #[error("{head} is already part of `{branch}`; there is nothing to change")]
    AlreadyLanded { branch: String, head: String },
    #[error("{base}..{head} has commits but changes no path; there is nothing to review")]
    EmptyDelta { base: String, head: String },
    #[error("{base}..{head} has more than {limit} {what}; split the change")]
    TooMany { base: String, head: String, what: &'static str, limit: usize },
    #[error("a path of {bytes} bytes, `{start}…`, is longer than {MAX_PATH_BYTES}")]
    PathTooLong { start: String, bytes: usize },
}

/// Computes the facts of a range.
pub fn facts<G: GitRead>(git: &G, range: &Range) -> Result<GitFacts, FactsError<G::Error>> {
    let head = git.commit(&range.head).map_err(FactsError::Git)?;
    let base =
        git.merge_base(&range.tip, &range.head).map_err(FactsError::Git)?.ok_or_else(|| FactsError::Unrelated {
            branch: range.branch.clone(),
            tip: range.tip.short().to_owned(),
            head: range.head.short().to_owned(),
        })?;
    if base == range.head {
        return Err(FactsError::AlreadyLanded { branch: range.branch.clone(), head: range.head.short().to_owned() });
    }
    let too_many = |what, limit| FactsError::TooMany {
        base: base.short().to_owned(),
        head: range.head.short().to_owned(),
        what,
        limit,
    };

    let changes = git.diff(&base, &range.head).map_err(FactsError::Git)?;
    if changes.is_empty() {
        return Err(FactsError::EmptyDelta { base: base.short().to_owned(), head: range.head.short().to_owned() });
    }
    if changes.len() > MAX_PATHS {
        return Err(too_many("changed paths", MAX_PATHS));
    }
    let (delta, paths) = delta(changes)?;

    // The base, not the tip, is left out: the answer then stays the same while the branch moves on.
    let commits = git.range(&base, &range.head, MAX_COMMITS.saturating_add(1)).map_err(FactsError::Git)?;
    if commits.len() > MAX_COMMITS {
        return Err(too_many("commits", MAX_COMMITS));
    }
    let mut seen = Seen::default();
    for id in &commits {
        let commit = git.commit(id).map_err(FactsError::Git)?;
        seen.commit(id, &commit);
        if seen.identities.len() > MAX_IDENTITIES {
            return Err(too_many("named people", MAX_IDENTITIES));
        }
        if seen.guidance.len() > MAX_GUIDANCE {
            return Err(too_many("cited documents", MAX_GUIDANCE));
        }
    }

    Ok(GitFacts {
        version: VERSION,
        repository: range.repository.clone(),
        branch: range.branch.clone(),
        base,
        head: range.head.clone(),
        tree: head.tree,
        delta,
        paths,
        identities: seen.identities(),
        ai: seen.ai.into_iter().collect(),
        guidance: seen.guidance,
        commits: u32::try_from(commits.len()).unwrap_or(u32::MAX),
        merges: seen.merges,
    })
}

/// What the commits of a range say, gathered.
#[derive(Default)]
struct Seen {
    /// By (name, mail).
    identities: BTreeMap<(String, String), (BTreeSet<Role>, BTreeSet<Fingerprint>)>,
    ai: BTreeSet<AiSignal>,
    guidance: BTreeSet<String>,
    merges: u32,
}

impl Seen {
    fn commit(&mut self, id: &Oid, commit: &Commit) {
        let message = Message::read(&commit.message);
        let author = bounded(&commit.author);
        let committer = bounded(&commit.committer);
        let coauthors: Vec<Ident> = message.coauthors().iter().map(bounded).collect();

        for found in ai::signals(&author, &committer, &coauthors, &message) {
            self.ai.insert(AiSignal {
                signal: found.signal.to_owned(),
                tool: found.tool.map(str::to_owned),
                commit: id.clone(),
                declared: found.declared,
            });
        }
        self.name(author, Role::Author);
        let committer = self.name(committer, Role::Committer);
        committer.extend(commit.signed_by.clone());
        for coauthor in coauthors {
            self.name(coauthor, Role::CoAuthor);
        }
        self.guidance.extend(message.guidance());
        if commit.parents.len() > 1 {
            self.merges = self.merges.saturating_add(1);
        }
    }

    /// Notes somebody in a role, and gives the keys that are known to be theirs.
    fn name(&mut self, who: Ident, role: Role) -> &mut BTreeSet<Fingerprint> {
        let (roles, keys) = self.identities.entry((who.name, who.mail)).or_default();
        roles.insert(role);
        keys
    }

    fn identities(&self) -> Vec<Identity> {
        self.identities
            .iter()
            .map(|((name, mail), (roles, keys))| Identity {
                name: name.clone(),
                mail: mail.clone(),
                roles: roles.clone(),
                agent: ai::is_agent(name, mail),
                keys: keys.clone(),
            })
            .collect()
    }
}

fn bounded(who: &Ident) -> Ident {
    Ident {
        name: message::bounded(who.name.trim(), MAX_IDENT_CHARS),
        mail: message::bounded(&who.mail.trim().to_lowercase(), MAX_IDENT_CHARS),
    }
}

/// The digest of the sorted raw differences, and the paths as rules see them.
fn delta<E>(mut changes: Vec<RawChange>) -> Result<(Digest, Vec<PathChange>), FactsError<E>> {
    changes.sort();
    let mut bytes = Vec::new();
    let mut paths = Vec::with_capacity(changes.len());
    for change in &changes {
        let header = format!("{:06o} {:06o} {} {}\t", change.old_mode, change.new_mode, change.old, change.new);
        bytes.extend_from_slice(header.as_bytes());
        // A path holds no NUL, so the list has one reading.
        bytes.extend_from_slice(&change.path);
        bytes.push(0);
        if change.path.len() > MAX_PATH_BYTES {
            let start = escape_path(change.path.get(..80).unwrap_or_default());
            return Err(FactsError::PathTooLong { start, bytes: change.path.len() });
        }
        paths.push(PathChange { path: escape_path(&change.path), status: status(change) });
    }
    Ok((Digest::of(bytes), paths))
}

fn status(change: &RawChange) -> PathStatus {
    /// The file type's bits of a mode: regular file, symbolic link, submodule.
    const TYPE: u32 = 0o170_000;
    match (change.old_mode, change.new_mode) {
        (0, _) => PathStatus::Added,
        (_, 0) => PathStatus::Deleted,
        (old, new) if old & TYPE != new & TYPE => PathStatus::TypeChanged,
        (_, _) => PathStatus::Modified,
    }
}

/// Writes a path as text without loss: git's C-style escapes for control characters, backslashes and bytes that are no
/// UTF-8, but in place rather than inside quotes, so that a rule about `infra/**` still sees a path that begins with
/// `infra/`.
pub fn escape_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii_control() => octal(&mut out, c as u8),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            octal(&mut out, *byte);
        }
    }
    out
}

fn octal(out: &mut String, byte: u8) {
    out.push_str(&format!("\\{byte:03o}"));
}
