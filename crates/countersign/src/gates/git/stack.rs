//! Changes that stand on one another: a push of the topmost lands each of them.
//!
//! ```text
//!  tip ──A──> between ──B──> pushed     each move is judged as if it were pushed alone, and has permits of its own;
//!                                       git moves the branch once, and by that all of them are spent
//! ```
//!
//! Invariant: the moves lead from the tip to what is pushed.

use std::collections::{BTreeMap, VecDeque};

use countersign_core::{
    facts::{self, git::GitRead as _},
    ids::Oid,
    subject::{GitTransition, Transition},
};

use super::{
    GateError,
    examine::Push,
    judge::Judge,
    outage::Brought,
    refused::{Refused, shell_word},
};
use crate::{
    clock::Clock,
    gates::desk::{Desk, Opening},
};

/// So many commits of a push are looked at for where one change ends and the next begins.
const MAX_COMMITS: usize = 64;

/// One move of the branch, which changes land.
pub(super) struct Step<'a> {
    pub push: Push<'a>,
    pub transition: Transition,
}

impl<'a> Step<'a> {
    fn new(whole: &Push<'a>, old: &Oid, new: &Oid) -> Self {
        let push = Push {
            gate: whole.gate,
            repository: whole.repository,
            branch: whole.branch,
            old: old.clone(),
            new: new.clone(),
        };
        let (repository, reference) = (whole.gate.config().repository.clone(), whole.branch.branch.clone());
        let (old, new) = (old.clone(), new.clone());
        Self { push, transition: Transition::Git(GitTransition { repository, reference, old, new }) }
    }

    /// The push as one move.
    pub fn whole(push: &Push<'a>) -> Self {
        Self::new(push, &push.old, &push.new)
    }

    pub fn judge<'b>(&'b self, desk: &'b mut Desk, clock: Clock<'b>, brought: &'b Brought) -> Judge<'b> {
        Judge { push: &self.push, desk, transition: &self.transition, clock, brought }
    }
}

/// The moves that a push is made of: one, unless nothing is proposed that brings all of it, and what is proposed leads there.
pub(super) fn steps<'a>(push: &Push<'a>, desk: &Desk) -> Result<Vec<Step<'a>>, GateError> {
    let places = match brings(push, desk, &push.old, &push.new)? {
        true => None,
        false => way(push, desk)?,
    };
    let places = places.unwrap_or_else(|| vec![push.old.clone(), push.new.clone()]);
    Ok(places.windows(2).filter_map(|ends| Some(Step::new(push, ends.first()?, ends.last()?))).collect())
}

fn brings(push: &Push<'_>, desk: &Desk, old: &Oid, new: &Oid) -> Result<bool, GateError> {
    let delta = facts::delta_of(push.repository, old, new)?;
    Ok(!desk.changes_bringing(&push.gate.config().repository, &push.branch.branch, &delta)?.is_empty())
}

/// Where the branch stands before, between and after the changes, by as few of them as lead there.
fn way(push: &Push<'_>, desk: &Desk) -> Result<Option<Vec<Oid>>, GateError> {
    let Some(places) = line(push)? else { return Ok(None) };
    // From where each place was reached.
    let mut from: BTreeMap<&Oid, &Oid> = BTreeMap::new();
    let mut reached = VecDeque::from([&push.old]);
    while let Some(at) = reached.pop_front().filter(|_| !from.contains_key(&push.new)) {
        for to in places.iter().skip_while(|place| *place != at).skip(1) {
            if !from.contains_key(to) && brings(push, desk, at, to)? {
                from.insert(to, at);
                reached.push_back(to);
            }
        }
    }
    let mut way = vec![push.new.clone()];
    while let Some(before) = way.last().and_then(|place| from.get(place)) {
        way.push((*before).clone());
    }
    way.reverse();
    Ok((way.len() > 1).then_some(way))
}

/// The commits from the tip to the pushed one, each the first parent of the next. `None` where these do not lead from there.
fn line(push: &Push<'_>) -> Result<Option<Vec<Oid>>, GateError> {
    let mut line = vec![push.new.clone()];
    for _ in 0..MAX_COMMITS {
        let Some(last) = line.last() else { return Ok(None) };
        let Some(parent) = push.repository.commit(last)?.parents.first().cloned() else { return Ok(None) };
        line.push(parent.clone());
        if parent == push.old {
            line.reverse();
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// Why none of several moves goes, if one of them may not: what it misses, and how what it stands on lands without it.
pub(super) fn ready(steps: &[Step<'_>], desk: &mut Desk, clock: Clock<'_>, brought: &Brought) -> Result<(), GateError> {
    for (n, step) in steps.iter().enumerate() {
        let mut judge = step.judge(desk, clock, brought);
        let found = judge.find()?;
        if judge.is_ready(&found) {
            continue;
        }
        match judge.ask(&found) {
            Ok(_) => {}
            Err(GateError::Refused(refused)) if n > 0 => {
                return Err(lands_before(*refused, &step.push.old, step.push.branch.short()).into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lands_before(refused: Refused, place: &Oid, branch: &str) -> Refused {
    refused.note("what it stands on may go, and lands without it:").command(format!(
        "git push origin {}:{}",
        place.short(),
        shell_word(branch)
    ))
}

/// The same by one state of the log: while a later permit was asked for the copy has moved on.
pub(super) fn again(
    steps: &[Step<'_>],
    opened: Vec<Vec<Opening>>,
    desk: &mut Desk,
    clock: Clock<'_>,
    brought: &Brought,
) -> Result<Vec<Vec<Opening>>, GateError> {
    let anew = steps.iter().zip(opened).map(|(step, openings)| step.judge(desk, clock, brought).again(openings));
    anew.collect()
}
