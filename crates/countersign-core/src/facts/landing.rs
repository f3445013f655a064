//! Landing: whether moving a branch from one commit to another brings exactly what was approved. It is compare-and-swap
//! on the delta.
//!
//! An approved delta lands when the raw difference from the branch's present tip to what is pushed *equals* it, old modes
//! and objects included. How it arrives does not matter, and nobody merges anything to find out: no merge base, driver or
//! version of git takes part. Whatever reached the delta's paths meanwhile makes the two unequal.
//!
//! ```text
//!  base ──────────── head        what people saw:  diff(base, head) = D
//!     └─ … ── old ── … ── new    what arrives:     diff(old, new)   = D, or it does not land
//! ```
//!
//! Equal content could still carry commits that nobody has looked at into the branch's history. So every commit that is
//! new to the branch is one of the approved range, or a *replay* of one (the same delta to its parent, as after a rebase;
//! each is replayed at most once), or the only one and has all of D (a squash). Above these there may be one merge, of
//! the tip and the approved head. Whoever wrote a commit that is not of the range is somebody of the range.
//!
//! | arrives as | new commits |
//! |---|---|
//! | fast-forward | of the range |
//! | merge | of the range (or replays), and the merge on top |
//! | squash | one, with all of the delta |
//! | replay | replays; some may be commits of the range as they were |
//!
//! A committer who is nobody of the range is none of its contributors for that: whoever rebases or presses a button
//! changes nothing, or it would not land. Nor is the author of the merge commit, who is the same person.
//!
//! A delta lands once per change. That is not asked here: a change that has landed is closed, and what is proposed again
//! is another change, with approvals of its own.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Digest;
use thiserror::Error;

use crate::{
    facts::{
        GitFacts, TouchedPath, delta,
        extract::{MAX_COMMITS, Named},
        git::{Commit, GitRead, Ident},
        message::Message,
    },
    ids::Oid,
};

/// How many paths or commits an error names.
const NAMED: usize = 10;

/// How many commits can be replays, and of how many: the difference of each is looked at.
pub const MAX_REPLAYS: usize = 1_000;

/// One more than a merge of the longest range brings.
const MOST_ARRIVING: usize = MAX_COMMITS + 2;

/// How the approved delta arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    FastForward,
    Merge,
    Squash,
    Replay,
}

/// How a path of a push differs from the approved delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The branch no longer has there what the reviewed commits started from.
    ChangedSince,
    /// The push changes it, and the approved delta does not.
    BroughtBesides,
    /// Both change it, into different things.
    OtherContent,
    /// The approved delta changes it, and the push does not.
    Missing,
}

impl Difference {
    fn words(self) -> &'static str {
        match self {
            Self::ChangedSince => "upstream changed it since",
            Self::BroughtBesides => "brought besides",
            Self::OtherContent => "brought with other content",
            Self::Missing => "missing",
        }
    }
}

/// Why a push is no landing of the approved delta.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotALanding {
    #[error("the push creates the branch; there is no tip that the approved change could land on")]
    Creation,
    #[error("the push deletes the branch")]
    Deletion,
    #[error("{new} does not contain the branch's tip {old}")]
    NotFastForward { old: String, new: String },
    #[error("{new} merges {parents} commits at once")]
    Octopus { new: String, parents: usize },
    #[error("the merge {new} builds on {found}, not on the branch's tip {old}")]
    ForeignParent { new: String, found: String, old: String },
    #[error("the merge {new} brings {found}, not the approved {head}")]
    NotTheHead { new: String, found: String, head: String },
    #[error("moving the branch from {old} to {new} is not what was approved: {}", differing(paths, *more))]
    DeltaDiffers { old: String, new: String, paths: Vec<(String, Difference)>, more: usize },
    #[error(
        "{new} brings commits that nobody reviewed: {}{}", commits.join(", "), and_more(*more)
    )]
    UnreviewedCommits { new: String, commits: Vec<String>, more: usize },
    #[error("commit {commit} changes nothing and is none of those that were reviewed")]
    EmptyCommit { commit: String },
    #[error("commit {commit} is by {who}, who wrote none of the reviewed commits")]
    UnreviewedAuthor { commit: String, who: String },
    #[error("commit {commit} names the co-author {who}, whom none of the reviewed commits names")]
    UnreviewedCoAuthor { commit: String, who: String },
    #[error("{new} is a rebase of more than {MAX_REPLAYS} commits, or has more than that of its own")]
    TooManyReplays { new: String },
}

impl NotALanding {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Deletion => "deletion",
            Self::NotFastForward { .. } => "not-fast-forward",
            Self::Octopus { .. } => "octopus",
            Self::ForeignParent { .. } => "foreign-parent",
            Self::NotTheHead { .. } => "not-the-head",
            Self::DeltaDiffers { .. } => "delta-differs",
            Self::UnreviewedCommits { .. } => "unreviewed-commits",
            Self::EmptyCommit { .. } => "empty-commit",
            Self::UnreviewedAuthor { .. } | Self::UnreviewedCoAuthor { .. } => "unreviewed-author",
            Self::TooManyReplays { .. } => "too-many-replays",
        }
    }

    /// What makes it right, without the names that only the gate knows.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Creation => "whoever runs the repository pushes the first history before `countersign gate install`",
            Self::Deletion => "to stop protecting the branch, take it out of countersign/gate.yaml on the server",
            Self::NotFastForward { .. } => {
                "what has landed stays: merge the branch's tip, or rebase on it; to undo what landed, propose a revert"
            }
            Self::Octopus { .. } => "land the approved heads one after the other, each with `git merge --no-ff`",
            Self::ForeignParent { .. } | Self::NotTheHead { .. } => {
                "check out the branch, and merge the approved head into it: git merge --no-ff"
            }
            Self::DeltaDiffers { .. } => {
                "push what was approved, on top of the branch's tip; or make this the next revision and have it approved"
            }
            Self::UnreviewedCommits { .. } => {
                "merge the approved head as it is, or squash it; or make this the next revision and have it approved"
            }
            Self::EmptyCommit { .. } => "leave it out: git rebase --no-keep-empty",
            Self::UnreviewedAuthor { .. } => "keep the author: git commit --amend --author='NAME <MAIL>'",
            Self::UnreviewedCoAuthor { .. } => {
                "leave the trailer out of the message, or make this the next revision and have it approved"
            }
            Self::TooManyReplays { .. } => "merge the approved head as it is, or squash it",
        }
    }
}

#[derive(Debug, Error)]
pub enum LandingError<E> {
    #[error(transparent)]
    Git(E),
    #[error(transparent)]
    Not(#[from] NotALanding),
}

/// The delta of a push `old..new`: what an approved change has to have for the push to land it.
pub fn delta_of<G: GitRead>(git: &G, old: &Oid, new: &Oid) -> Result<Digest, G::Error> {
    Ok(delta::digest(&delta::touched(&git.diff(old, new)?)))
}

/// Which commits of a push `old..new` somebody may have proposed: the pushed commit, or what it merges into the tip. For
/// what a developer is told; what lands is found by its delta.
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

/// Refuses what no approved delta could make right: what is not a move of the branch to a commit that contains its tip.
pub fn moves_on<G: GitRead>(git: &G, old: &Oid, new: &Oid) -> Result<(), LandingError<G::Error>> {
    if new.is_zero() {
        return Err(NotALanding::Deletion.into());
    }
    if old.is_zero() {
        return Err(NotALanding::Creation.into());
    }
    // On the way from a commit down to its ancestor, the one before has it as a parent, and is new.
    let arriving = git.range(old, new, MOST_ARRIVING).map_err(LandingError::Git)?;
    for id in &arriving {
        if git.commit(id).map_err(LandingError::Git)?.parents.contains(old) {
            return Ok(());
        }
    }
    // More may arrive than was asked for; then it may be among what was not.
    let cut_off = arriving.len() >= MOST_ARRIVING;
    if cut_off && git.range(new, old, 1).map_err(LandingError::Git)?.is_empty() {
        return Ok(());
    }
    Err(NotALanding::NotFastForward { old: old.short().to_owned(), new: new.short().to_owned() }.into())
}

/// What a push `old..new` of an approved delta is. `approved` are the facts as extracted here, from the objects.
pub fn landing<G: GitRead>(
    git: &G,
    old: &Oid,
    new: &Oid,
    approved: &GitFacts,
) -> Result<Landing, LandingError<G::Error>> {
    moves_on(git, old, new)?;
    let range = git.range(&approved.base, &approved.head, MAX_COMMITS).map_err(LandingError::Git)?;
    // One more than a merge of the whole range has, so that more than that shows.
    let arriving = git.range(old, new, range.len().saturating_add(2)).map_err(LandingError::Git)?;
    let push = Push { git, old, new, approved, range: range.iter().collect(), arriving };
    let top = push.top()?;
    push.same_delta()?;
    push.only_reviewed(top)
}

/// What stands on top of a push, beside commits of the range and replays.
enum Top {
    /// Nothing: the pushed commit is one of these itself.
    None,
    Merge,
}

struct Push<'a, G> {
    git: &'a G,
    old: &'a Oid,
    new: &'a Oid,
    approved: &'a GitFacts,
    /// The approved range.
    range: BTreeSet<&'a Oid>,
    /// The commits that are new to the branch; not all of them where they are more than the range and a merge.
    arriving: Vec<Oid>,
}

impl<G: GitRead> Push<'_, G> {
    fn commit(&self, id: &Oid) -> Result<Commit, LandingError<G::Error>> {
        self.git.commit(id).map_err(LandingError::Git)
    }

    fn new_short(&self) -> String {
        self.new.short().to_owned()
    }

    /// Looks at the pushed commit: a merge that is none of the range has to be of the tip and of what was approved.
    fn top(&self) -> Result<Top, LandingError<G::Error>> {
        if self.range.contains(self.new) {
            return Ok(Top::None);
        }
        let parents = self.commit(self.new)?.parents;
        match parents.as_slice() {
            [] | [_] => Ok(Top::None),
            [first, second] if first == self.old => {
                // Another commit of the range is only a part of what was approved; one that is none may be a replay.
                if self.arriving.contains(second) && (*second == self.approved.head || !self.range.contains(second)) {
                    return Ok(Top::Merge);
                }
                let found = if self.arriving.contains(second) { second.short() } else { "nothing that is new" };
                let (found, head) = (found.to_owned(), self.approved.head.short().to_owned());
                Err(NotALanding::NotTheHead { new: self.new_short(), found, head }.into())
            }
            // With its parents the other way round the branch would become a side line of the change.
            [first, _] => Err(NotALanding::ForeignParent {
                new: self.new_short(),
                found: first.short().to_owned(),
                old: self.old.short().to_owned(),
            }
            .into()),
            [_, _, _, ..] => Err(NotALanding::Octopus { new: self.new_short(), parents: parents.len() }.into()),
        }
    }

    fn same_delta(&self) -> Result<(), LandingError<G::Error>> {
        let found = delta::touched(&self.git.diff(self.old, self.new).map_err(LandingError::Git)?);
        if found == self.approved.paths && delta::digest(&found) == self.approved.delta {
            return Ok(());
        }
        let mut paths = differences(&self.approved.paths, &found);
        let more = paths.len().saturating_sub(NAMED);
        paths.truncate(NAMED);
        let old = self.old.short().to_owned();
        Err(NotALanding::DeltaDiffers { old, new: self.new_short(), paths, more }.into())
    }

    /// Nothing comes into the history that is neither of the range nor an image of it.
    fn only_reviewed(&self, top: Top) -> Result<Landing, LandingError<G::Error>> {
        let of_push = |id: &&Oid| match top {
            Top::Merge => *id != self.new,
            Top::None => true,
        };
        let images: Vec<&Oid> = self.arriving.iter().filter(|id| !self.range.contains(id)).filter(of_push).collect();
        let kind = match (&top, self.arriving.as_slice(), images.as_slice()) {
            (Top::Merge, _, _) => Landing::Merge,
            (Top::None, _, []) => Landing::FastForward,
            // Its parent is the tip, so that its own delta is the one that was compared.
            (Top::None, [only], [_]) if self.commit(only)?.parents.len() == 1 => Landing::Squash,
            (Top::None, _, _) => Landing::Replay,
        };
        match kind {
            Landing::FastForward | Landing::Squash => {}
            Landing::Merge | Landing::Replay => self.only_replays(&images)?,
        }
        if !images.is_empty() || matches!(top, Top::Merge) {
            let people = self.people()?;
            for id in images {
                people.wrote(id, &self.commit(id)?)?;
            }
            if matches!(top, Top::Merge) {
                people.are_named(self.new, &self.commit(self.new)?)?;
            }
        }
        Ok(kind)
    }

    /// Each of these has one parent, and to it the delta of a commit of the range that does not itself arrive.
    fn only_replays(&self, images: &[&Oid]) -> Result<(), LandingError<G::Error>> {
        if images.is_empty() {
            return Ok(());
        }
        let arriving: BTreeSet<&Oid> = self.arriving.iter().collect();
        let left: Vec<&Oid> = self.range.iter().copied().filter(|id| !arriving.contains(id)).collect();
        if images.len() > MAX_REPLAYS || left.len() > MAX_REPLAYS {
            return Err(NotALanding::TooManyReplays { new: self.new_short() }.into());
        }
        let mut originals: BTreeMap<Digest, usize> = BTreeMap::new();
        for id in left {
            if let Some(delta) = self.own_delta(id)? {
                let times = originals.entry(delta).or_default();
                *times = times.saturating_add(1);
            }
        }
        let empty = delta::digest(&[]);
        let mut unreviewed = Vec::new();
        for id in images {
            let delta = self.own_delta(id)?;
            if delta == Some(empty) {
                return Err(NotALanding::EmptyCommit { commit: id.short().to_owned() }.into());
            }
            match delta.and_then(|delta| originals.get_mut(&delta)) {
                Some(times) if *times > 0 => *times = times.saturating_sub(1),
                Some(_) | None => unreviewed.push(id.short().to_owned()),
            }
        }
        if unreviewed.is_empty() {
            return Ok(());
        }
        let more = unreviewed.len().saturating_sub(NAMED);
        unreviewed.truncate(NAMED);
        Err(NotALanding::UnreviewedCommits { new: self.new_short(), commits: unreviewed, more }.into())
    }

    /// The delta of a commit to its one parent. A merge has none: what it brings depends on which parent one asks.
    fn own_delta(&self, id: &Oid) -> Result<Option<Digest>, LandingError<G::Error>> {
        match self.commit(id)?.parents.as_slice() {
            [parent] => delta_of(self.git, parent, id).map(Some).map_err(LandingError::Git),
            _ => Ok(None),
        }
    }

    fn people(&self) -> Result<People, LandingError<G::Error>> {
        let mut people = People::default();
        for id in &self.range {
            let commit = self.commit(id)?;
            let named = Named::by(&commit, &Message::read(&commit.message));
            people.named.extend(named.coauthors);
            people.hands.extend([named.author, named.committer]);
        }
        Ok(people)
    }
}

/// Who is behind the reviewed commits.
#[derive(Default)]
struct People {
    /// Authors and committers.
    hands: BTreeSet<Ident>,
    /// Those whom a trailer names; a claim, which landing does not make true.
    named: BTreeSet<Ident>,
}

impl People {
    fn wrote(&self, id: &Oid, commit: &Commit) -> Result<(), NotALanding> {
        let author = Named::by(commit, &Message::read(&commit.message)).author;
        if !self.hands.contains(&author) {
            return Err(NotALanding::UnreviewedAuthor { commit: id.short().to_owned(), who: spelled(&author) });
        }
        self.are_named(id, commit)
    }

    fn are_named(&self, id: &Oid, commit: &Commit) -> Result<(), NotALanding> {
        let coauthors = Named::by(commit, &Message::read(&commit.message)).coauthors;
        match coauthors.iter().find(|who| !self.hands.contains(*who) && !self.named.contains(*who)) {
            Some(who) => Err(NotALanding::UnreviewedCoAuthor { commit: id.short().to_owned(), who: spelled(who) }),
            None => Ok(()),
        }
    }
}

fn spelled(who: &Ident) -> String {
    format!("{} <{}>", who.name, who.mail)
}

/// Where two sorted lists of touched paths part, in the order of paths.
fn differences(approved: &[TouchedPath], found: &[TouchedPath]) -> Vec<(String, Difference)> {
    // A tree that git itself would not write may have a path twice.
    let mut sides: BTreeMap<&str, [Vec<&TouchedPath>; 2]> = BTreeMap::new();
    approved.iter().for_each(|touched| sides.entry(&touched.path).or_default()[0].push(touched));
    found.iter().for_each(|touched| sides.entry(&touched.path).or_default()[1].push(touched));
    let old = |side: &[&TouchedPath]| side.iter().map(|touched| touched.old.clone()).collect::<Vec<_>>();
    let how = |[approved, found]: &[Vec<&TouchedPath>; 2]| match (approved.as_slice(), found.as_slice()) {
        (a, b) if a == b => None,
        ([], _) => Some(Difference::BroughtBesides),
        (_, []) => Some(Difference::Missing),
        (a, b) if old(a) != old(b) => Some(Difference::ChangedSince),
        (_, _) => Some(Difference::OtherContent),
    };
    sides.iter().filter_map(|(path, sides)| Some(((*path).to_owned(), how(sides)?))).collect()
}

fn differing(paths: &[(String, Difference)], more: usize) -> String {
    let named: Vec<String> = paths.iter().map(|(path, how)| format!("`{path}` ({})", how.words())).collect();
    format!("{}{}", named.join(", "), and_more(more))
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}
