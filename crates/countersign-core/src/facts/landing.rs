//! Landing: whether moving a branch from one commit to another brings exactly what was approved.
//!
//! An approval of head H stays good for a push of exactly H, or of a merge of H into the branch's present tip whose tree
//! is what git computes unaided and where nothing that came meanwhile touched the approved paths. Anything else is a
//! new revision, because somebody would have to look at something that nobody has looked at.
//!
//! Whatever arrives, the difference that the *branch* sees must lie within the delta that people saw. The two part when a
//! head that was reviewed against one commit undoes what another brought: against its own base it shows nothing.
//!
//! ```text
//!  base ── X (fixes p) ──────── X is the branch's tip by now
//!     └─── X ── Y (takes the fix of p back, edits q) = head, reviewed as base..head: only q
//! ```

use std::collections::BTreeSet;

use thiserror::Error;

use crate::{
    facts::{
        GitFacts,
        extract::escape_path,
        git::{GitRead, MergeTree},
    },
    ids::Oid,
};

/// How many overlapping paths an error names.
const NAMED_PATHS: usize = 10;

/// How the approved head arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    FastForward,
    Merge,
}

/// Why a push is no landing of the approved head.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotALanding {
    #[error("the push creates the branch; there is no tip that the approved {head} could land on")]
    Creation { head: String },
    #[error("the push deletes the branch")]
    Deletion,
    #[error("{new} is neither the approved head {head} nor a merge of it; propose {new} as a new revision")]
    NotHead { new: String, head: String },
    #[error("{new} merges {parents} commits at once; merge the approved head {head} alone")]
    Octopus { new: String, parents: usize, head: String },
    #[error("{head} does not contain the branch's tip {old}; merge or rebase it, and propose the result")]
    NotFastForward { old: String, head: String },
    #[error(
        "the merge {new} builds on {found}, not on the branch's tip {old}; \
         check out the branch and run `git merge --no-ff {head}`"
    )]
    ForeignParent { new: String, found: String, old: String, head: String },
    #[error(
        "the branch no longer contains {base}, from which the approved head was reviewed; \
         propose it again against the present tip {old}"
    )]
    BaseGone { base: String, old: String },
    #[error(
        "what reached the branch since {base} touches paths of the approved change: {}; merge the branch into the change \
         and propose it as a new revision", list(paths, *more)
    )]
    Overlap { base: String, paths: Vec<String>, more: usize },
    #[error(
        "moving the branch from {old} to {new} changes paths that the approved change does not show: {}; \
         propose {new} as a new revision against the present tip", list(paths, *more)
    )]
    Unreviewed { old: String, new: String, paths: Vec<String>, more: usize },
    #[error("{head} does not merge cleanly into {old}; resolve the conflict in the change and propose a new revision")]
    Conflicts { old: String, head: String },
    #[error(
        "the merge {new} has tree {found}, but merging {head} into {old} gives {expected}: \
         the merge itself changes something that nobody reviewed"
    )]
    EvilMerge { new: String, old: String, head: String, expected: Oid, found: Oid },
}

#[derive(Debug, Error)]
pub enum LandingError<E> {
    #[error(transparent)]
    Git(E),
    #[error(transparent)]
    Not(#[from] NotALanding),
}

/// What a push `old..new` of an approved head is.
pub fn landing<G: GitRead>(git: &G, old: &Oid, new: &Oid, facts: &GitFacts) -> Result<Landing, LandingError<G::Error>> {
    let head = &facts.head;
    let short = |id: &Oid| id.short().to_owned();
    if new.is_zero() {
        return Err(NotALanding::Deletion.into());
    }
    if old.is_zero() {
        return Err(NotALanding::Creation { head: short(head) }.into());
    }

    let kind = if new == head {
        if !is_ancestor(git, old, head)? {
            return Err(NotALanding::NotFastForward { old: short(old), head: short(head) }.into());
        }
        Landing::FastForward
    } else {
        merge_parents(git, old, new, head)?;
        Landing::Merge
    };

    // The branch may have been taken back behind the base. Landing would then bring commits that no facts speak of.
    if !is_ancestor(git, &facts.base, old)? {
        return Err(NotALanding::BaseGone { base: short(&facts.base), old: short(old) }.into());
    }
    match kind {
        Landing::FastForward => {}
        Landing::Merge => {
            no_overlap(git, old, facts)?;
            same_tree(git, old, new, head)?;
        }
    }
    only_reviewed(git, old, new, facts)?;
    Ok(kind)
}

/// Which commits of a push `old..new` could be an approved head: the pushed commit, or what it merges into the tip.
pub fn head_of_push<G: GitRead>(git: &G, old: &Oid, new: &Oid) -> Result<Vec<Oid>, G::Error> {
    let mut candidates = vec![new.clone()];
    if new.is_zero() {
        return Ok(Vec::new());
    }
    if let [first, second] = git.commit(new)?.parents.as_slice()
        && first == old
    {
        candidates.push(second.clone());
    }
    Ok(candidates)
}

fn merge_parents<G: GitRead>(git: &G, old: &Oid, new: &Oid, head: &Oid) -> Result<(), LandingError<G::Error>> {
    let short = |id: &Oid| id.short().to_owned();
    let parents = git.commit(new).map_err(LandingError::Git)?.parents;
    match parents.as_slice() {
        [first, second] if first == old && second == head => Ok(()),
        [first, second] if second == head || first == head => {
            let found = if first == head { second } else { first };
            // Swapped parents would make the change the branch's first-parent history.
            let found = if found == old { head } else { found };
            Err(NotALanding::ForeignParent { new: short(new), found: short(found), old: short(old), head: short(head) }
                .into())
        }
        [] | [_] | [_, _] => Err(NotALanding::NotHead { new: short(new), head: short(head) }.into()),
        [_, _, _, ..] => {
            Err(NotALanding::Octopus { new: short(new), parents: parents.len(), head: short(head) }.into())
        }
    }
}

fn no_overlap<G: GitRead>(git: &G, old: &Oid, facts: &GitFacts) -> Result<(), LandingError<G::Error>> {
    let delta: BTreeSet<&str> = facts.paths.iter().map(|change| change.path.as_str()).collect();
    let upstream = git.diff(&facts.base, old).map_err(LandingError::Git)?;
    let paths: Vec<String> =
        upstream.iter().map(|change| escape_path(&change.path)).filter(|path| delta.contains(path.as_str())).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let (paths, more) = shortened(paths);
    Err(NotALanding::Overlap { base: facts.base.short().to_owned(), paths, more }.into())
}

fn only_reviewed<G: GitRead>(git: &G, old: &Oid, new: &Oid, facts: &GitFacts) -> Result<(), LandingError<G::Error>> {
    let delta: BTreeSet<&str> = facts.paths.iter().map(|change| change.path.as_str()).collect();
    let arriving = git.diff(old, new).map_err(LandingError::Git)?;
    let paths: Vec<String> =
        arriving.iter().map(|change| escape_path(&change.path)).filter(|path| !delta.contains(path.as_str())).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let (paths, more) = shortened(paths);
    Err(NotALanding::Unreviewed { old: old.short().to_owned(), new: new.short().to_owned(), paths, more }.into())
}

fn shortened(mut paths: Vec<String>) -> (Vec<String>, usize) {
    paths.sort();
    let more = paths.len().saturating_sub(NAMED_PATHS);
    paths.truncate(NAMED_PATHS);
    (paths, more)
}

fn same_tree<G: GitRead>(git: &G, old: &Oid, new: &Oid, head: &Oid) -> Result<(), LandingError<G::Error>> {
    let short = |id: &Oid| id.short().to_owned();
    let found = git.commit(new).map_err(LandingError::Git)?.tree;
    match git.merge_tree(old, head).map_err(LandingError::Git)? {
        MergeTree::Clean(expected) if expected == found => Ok(()),
        MergeTree::Clean(expected) => {
            Err(NotALanding::EvilMerge { new: short(new), old: short(old), head: short(head), expected, found }.into())
        }
        MergeTree::Conflicts => Err(NotALanding::Conflicts { old: short(old), head: short(head) }.into()),
    }
}

fn is_ancestor<G: GitRead>(git: &G, ancestor: &Oid, of: &Oid) -> Result<bool, LandingError<G::Error>> {
    let base = git.merge_base(ancestor, of).map_err(LandingError::Git)?;
    Ok(base.as_ref() == Some(ancestor))
}

fn list(paths: &[String], more: usize) -> String {
    let mut text = paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
