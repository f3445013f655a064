//! Extraction: what `base..head` of a repository brings, as a pure function of the objects.
//!
//! The result depends on nothing but base and head, which the change names: not on when it runs, on who runs it, on where
//! the branch stands, on configuration, nor on anything that the range itself could edit, such as `.mailmap`. (References
//! to people depend on the salt as well.) Which commit is the base is for the proposer to say; [`single_base`] finds it.
//! A base that says too little does not help anybody: what lands has to equal the delta from it, seen from the branch. All limits are errors and never truncate what a
//! rule looks at, because a fact that is left out is a hole; only names and mails beyond their bound are cut, and a
//! cut one carries a mark, so that it can be nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint};
use thiserror::Error;

use crate::{
    facts::{
        AiSignal, GitFacts, Identities, IdentityFact, MAX_RULED_PATHS, Role, SignatureFact, ai,
        delta::{self, TouchedPath, escape_path},
        git::{Commit, GitRead, Ident},
        identity, links,
        message::{self, Message},
        size::{Size, lines, sum},
    },
    ids::{Nonce, Oid, RepositoryId},
};

/// The version of this extraction. Any edit that can change a result for the same objects raises it.
pub const VERSION: u32 = 5;
pub const MAX_COMMITS: usize = 5_000;
/// The commits of a range of which it is told what each brings.
const MAX_STEPS: usize = 1_000;
pub const MAX_PATHS: usize = 20_000;
pub const MAX_PATH_BYTES: usize = 4_096;
pub const MAX_IDENTITIES: usize = 2_000;
pub const MAX_GUIDANCE: usize = 200;
/// Longest name or mail that is kept as it is, in characters.
pub const MAX_IDENT_CHARS: usize = 254;

/// What is asked about: the commits that `head` has and `base` has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub repository: RepositoryId,
    /// In full: `refs/heads/main`.
    pub branch: String,
    pub base: Oid,
    pub head: Oid,
}

#[derive(Debug, Error)]
pub enum FactsError<E> {
    #[error(transparent)]
    Git(E),
    #[error("{head} has no commit that {base} does not have; there is nothing to change")]
    NothingNew { base: String, head: String },
    #[error("{head} does not build on {base}; a range starts from a commit that its head contains")]
    NotOnBase { base: String, head: String },
    #[error("{base}..{head} has commits but changes no path; there is nothing to review")]
    EmptyDelta { base: String, head: String },
    #[error("{base}..{head} has more than {limit} {what}; split the change")]
    TooMany { base: String, head: String, what: &'static str, limit: usize },
    #[error("a path of {bytes} bytes, `{start}…`, is longer than {MAX_PATH_BYTES}")]
    PathTooLong { start: String, bytes: usize },
}

/// Why a head has no one commit of the branch that it starts from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoBase {
    #[error(
        "`{branch}` ({tip}) and {head} have no common history; \
         a change must start from a commit of the branch it is for"
    )]
    Unrelated { branch: String, tip: String, head: String },
    #[error("{head} is already part of `{branch}`; there is nothing to change")]
    AlreadyLanded { branch: String, head: String },
    #[error("{head} and `{branch}` ({tip}) have several best common commits: {}", bases.join(", "))]
    Several { branch: String, tip: String, head: String, bases: Vec<String> },
}

impl NoBase {
    /// What makes it right.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Unrelated { .. } => "start your branch from the tip of the protected one, and propose that",
            Self::AlreadyLanded { .. } => "name the commits that are new: --range BRANCH..HEAD",
            Self::Several { .. } => "merge the protected branch into yours first: then there is one, its tip",
        }
    }
}

/// The commit that a proposal starts from: the one best common ancestor of the branch's tip and the head. Of several no
/// choice would be right, since each gives another difference to look at.
///
/// Only who proposes asks this. The change then names its base, and nobody asks again.
pub fn single_base(branch: &str, tip: &Oid, head: &Oid, bases: &[Oid]) -> Result<Oid, NoBase> {
    let (branch, short_tip, short_head) = (branch.to_owned(), tip.short().to_owned(), head.short().to_owned());
    match bases {
        [] => Err(NoBase::Unrelated { branch, tip: short_tip, head: short_head }),
        [base] if base == head => Err(NoBase::AlreadyLanded { branch, head: short_head }),
        [base] => Ok(base.clone()),
        several => {
            let bases = several.iter().map(|base| base.short().to_owned()).collect();
            Err(NoBase::Several { branch, tip: short_tip, head: short_head, bases })
        }
    }
}

/// Computes the facts of a range, and the names behind their references.
pub fn facts<G: GitRead>(git: &G, range: &Range, salt: &Nonce) -> Result<(GitFacts, Identities), FactsError<G::Error>> {
    let (base, head) = (range.base.short().to_owned(), range.head.short().to_owned());
    // Which of the two is not there is said before anything else goes wrong for want of it.
    git.commit(&range.base).map_err(FactsError::Git)?;
    let tree = git.commit(&range.head).map_err(FactsError::Git)?.tree;
    let commits = git.range(&range.base, &range.head, MAX_COMMITS.saturating_add(1)).map_err(FactsError::Git)?;
    if commits.is_empty() {
        return Err(FactsError::NothingNew { base, head });
    }
    if commits.len() > MAX_COMMITS {
        return Err(FactsError::TooMany { base, head, what: "commits", limit: MAX_COMMITS });
    }
    let paths = paths(git, range)?;

    let mut seen = Seen::default();
    let mut steps = Vec::new();
    for id in &commits {
        let commit = git.commit(id).map_err(FactsError::Git)?;
        seen.commit(id, &commit);
        if commits.len() <= MAX_STEPS {
            steps.extend(step(git, id, &commit).map_err(FactsError::Git)?);
        }
        if seen.identities.len() > MAX_IDENTITIES {
            return Err(FactsError::TooMany { base, head, what: "named people", limit: MAX_IDENTITIES });
        }
        if seen.guidance.len() > MAX_GUIDANCE {
            return Err(FactsError::TooMany { base, head, what: "cited documents", limit: MAX_GUIDANCE });
        }
    }
    // On the way from the head down to an ancestor, the commit before it has it as a parent, and is in the range.
    if !seen.parents.contains(&range.base) {
        return Err(FactsError::NotOnBase { base, head });
    }

    let (identities, people) = seen.identities(salt);
    let signatures = seen.signatures(salt);
    let led = links::led(git, &range.head, &paths).map_err(FactsError::Git)?;
    let mut lines = lines(git, &paths).map_err(FactsError::Git)?;
    let size = Size { lines: sum(&lines), ..Size::of_files(paths.len()) };
    if paths.len() > MAX_RULED_PATHS {
        lines.clear();
    }
    let facts = GitFacts {
        version: VERSION,
        repository: range.repository.clone(),
        branch: range.branch.clone(),
        base: range.base.clone(),
        head: range.head.clone(),
        tree,
        delta: delta::digest(&paths),
        paths,
        identities,
        ai: seen.ai.into_iter().collect(),
        guidance: seen.guidance,
        commits: u32::try_from(commits.len()).unwrap_or(u32::MAX),
        merges: seen.merges,
        lines,
        signatures,
        size,
        steps: ((2..=MAX_STEPS).contains(&commits.len())).then(|| delta::steps(&mut steps)),
        led,
    };
    Ok((facts, Identities { salt: salt.clone(), people }))
}

/// What a commit brings of its own. Of a merge that are the paths which are not as in any parent, against the first one: where it
/// takes one side or the other, it brings nothing that is not in a commit already.
fn step<G: GitRead>(git: &G, id: &Oid, commit: &Commit) -> Result<Option<Digest>, G::Error> {
    let Some((first, others)) = commit.parents.split_first() else {
        // A history of its own: all of its tree.
        return Ok(Some(Digest::of(format!("tree {}\n", commit.tree))));
    };
    let mut changes = git.diff(first, id)?;
    for parent in others {
        let differs: BTreeSet<Vec<u8>> = git.diff(parent, id)?.into_iter().map(|change| change.path).collect();
        changes.retain(|change| differs.contains(&change.path));
    }
    let brings = others.is_empty() || !changes.is_empty();
    Ok(brings.then(|| delta::digest(&delta::touched(&changes))))
}

fn paths<G: GitRead>(git: &G, range: &Range) -> Result<Vec<TouchedPath>, FactsError<G::Error>> {
    let changes = git.diff(&range.base, &range.head).map_err(FactsError::Git)?;
    let (base, head) = (range.base.short().to_owned(), range.head.short().to_owned());
    if changes.is_empty() {
        return Err(FactsError::EmptyDelta { base, head });
    }
    if changes.len() > MAX_PATHS {
        return Err(FactsError::TooMany { base, head, what: "changed paths", limit: MAX_PATHS });
    }
    if let Some(long) = changes.iter().find(|change| change.path.len() > MAX_PATH_BYTES) {
        let start = escape_path(long.path.get(..80).unwrap_or_default());
        return Err(FactsError::PathTooLong { start, bytes: long.path.len() });
    }
    Ok(delta::touched(&changes))
}

/// Whom one commit names, as facts know them.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub author: Ident,
    pub committer: Ident,
    pub coauthors: Vec<Ident>,
}

impl Named {
    pub fn by(commit: &Commit, message: &Message) -> Self {
        Self {
            author: bounded(&commit.author),
            committer: bounded(&commit.committer),
            coauthors: message.coauthors().iter().map(bounded).collect(),
        }
    }
}

/// What the commits of a range say, gathered.
#[derive(Default)]
struct Seen {
    /// By (name, mail).
    identities: BTreeMap<(String, String), (BTreeSet<Role>, BTreeSet<Fingerprint>)>,
    ai: BTreeSet<AiSignal>,
    guidance: BTreeSet<String>,
    signatures: BTreeSet<(Ident, Option<Fingerprint>)>,
    parents: BTreeSet<Oid>,
    merges: u32,
}

impl Seen {
    fn commit(&mut self, id: &Oid, commit: &Commit) {
        let message = Message::read(&commit.message);
        let Named { author, committer, coauthors } = Named::by(commit, &message);

        for found in ai::signals(&author, &committer, &coauthors, &message) {
            self.ai.insert(AiSignal {
                signal: found.signal.to_owned(),
                tool: found.tool.map(str::to_owned),
                commit: id.clone(),
                declared: found.declared,
            });
        }
        self.name(author, Role::Author);
        self.signatures.insert((committer.clone(), commit.signed_by.clone()));
        let committer = self.name(committer, Role::Committer);
        committer.extend(commit.signed_by.clone());
        for coauthor in coauthors {
            self.name(coauthor, Role::CoAuthor);
        }
        self.guidance.extend(message.guidance());
        self.parents.extend(commit.parents.iter().cloned());
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

    fn signatures(&self, salt: &Nonce) -> BTreeSet<SignatureFact> {
        let fact = |(who, key): &(Ident, Option<Fingerprint>)| SignatureFact {
            committer: identity::reference(salt, who),
            key: key.clone(),
        };
        self.signatures.iter().map(fact).collect()
    }

    /// In the order of their references, so that nothing of the names is left in it.
    fn identities(&self, salt: &Nonce) -> (Vec<IdentityFact>, BTreeMap<String, Ident>) {
        let mut facts = Vec::with_capacity(self.identities.len());
        let mut people = BTreeMap::new();
        for ((name, mail), (roles, keys)) in &self.identities {
            let who = Ident { name: name.clone(), mail: mail.clone() };
            let reference = identity::reference(salt, &who);
            facts.push(IdentityFact {
                reference: reference.clone(),
                roles: roles.clone(),
                agent: ai::is_agent(name, mail),
                keys: keys.clone(),
            });
            people.insert(reference, who);
        }
        facts.sort();
        (facts, people)
    }
}

/// A name and mail as facts keep them: what is cut carries a mark, and so can be nobody else's.
fn bounded(who: &Ident) -> Ident {
    let plain = |text: &str| message::bounded(&text.trim().replace('\0', "\u{fffd}"), MAX_IDENT_CHARS);
    Ident { name: plain(&who.name), mail: plain(&who.mail.to_lowercase()) }
}
