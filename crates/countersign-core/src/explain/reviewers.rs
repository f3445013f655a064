//! Whom to ask: who could approve what is missing, knows what it touches, is there, and has least to look at.
//!
//! Who could is worked out here, from what is signed. What people did before and what waits for them is handed in, and does no more
//! than put them in order: whoever makes that up can have nobody named who could not approve.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{MAX_WHO, Scene};
use crate::{
    change::Change,
    decision::{Decision, Missing, Token},
    ids::ActorId,
    presence::Presence,
    refusal::Refusal,
    requirement::Need,
    rules::count,
    snapshot::Snapshot,
    state::State,
};

/// What somebody had to do with the systems of a change, and what they have to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Changes of these systems that they approved and that were let through.
    pub approved: u32,
    /// Changes of these systems that they made and that landed.
    pub made: u32,
    /// Of both, those that touched one of the same files.
    pub files: u32,
    /// Open changes on which they are asked.
    pub open: u32,
}

/// Somebody to ask, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    pub person: ActorId,
    /// What is missing that they could supply.
    pub supplies: Vec<String>,
    pub past: Past,
    /// That they are away, and until when.
    pub away: Option<String>,
}

/// From so many changes on somebody knows their way about, so that others may come first who have less to do.
const KNOWS_WELL: u32 = 3;

impl Reviewer {
    fn knows(&self) -> u32 {
        self.past.approved.saturating_add(self.past.made)
    }

    /// In words: `1 more approval by a senior; approved 3 changes here; 2 changes wait for them`.
    pub fn why(&self) -> String {
        let changes = |number: u32| if number == 1 { "1 change".to_owned() } else { format!("{number} changes") };
        let Past { approved, made, files, open } = self.past;
        let approved = (approved > 0).then(|| format!("approved {} here", changes(approved)));
        let made = (made > 0).then(|| format!("made {} here", changes(made)));
        let files = (files > 0).then(|| format!("{files} of them of the same files"));
        let new = (self.knows() == 0).then(|| "has not been here yet".to_owned());
        let open = match open {
            0 => "nothing else waits for them".to_owned(),
            1 => "1 other change waits for them".to_owned(),
            more => format!("{more} other changes wait for them"),
        };
        let known: Vec<String> = approved.into_iter().chain(made).chain(files).chain(new).collect();
        let parts = self.supplies.iter().cloned().chain([known.join(", "), open]).chain(self.away.clone());
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// At most [`MAX_WHO`], whom to ask first before the others: who is there before who is away, then who supplies most of what is
/// missing, who knows their way about, who has least to look at, and who did more here. Nobody who had a hand in it.
pub fn reviewers(
    decision: &Decision,
    state: &State,
    change: &Change,
    presence: &Presence,
    past: &BTreeMap<ActorId, Past>,
) -> Result<Vec<Reviewer>, Refusal> {
    let snapshot = Snapshot::take(state, change, decision.decided_at)?;
    let scene = Scene::of(state, change, &snapshot, presence, decision.decided_at)?;
    let approvals = of_approvals(decision);
    let explained = scene.explain(&approvals, decision.decided_at);
    let ways = explained.rules.iter().flat_map(|rule| &rule.obligations).flat_map(super::Obligation::ways);
    let mut candidates: BTreeSet<&ActorId> = ways.flat_map(|way| &way.who).collect();
    candidates.extend(past.keys());
    candidates.extend(change.targets.iter().flat_map(|target| state.governance.owners(&target.system)));
    candidates.retain(|person| state.governance.person(person).is_some() && !count::had_a_hand(&snapshot, person));
    let one = |person: &ActorId| {
        let obligations = scene.could_supply(&approvals, person);
        let supplies: BTreeSet<String> = obligations.into_iter().map(|obligation| obligation.missing).collect();
        let away = scene.people.note(person, None);
        let past = past.get(person).copied().unwrap_or_default();
        Reviewer { person: person.clone(), supplies: supplies.into_iter().collect(), past, away }
    };
    let mut found: Vec<Reviewer> =
        candidates.into_iter().map(one).filter(|reviewer| !reviewer.supplies.is_empty()).collect();
    found.sort_by_key(|one| {
        let knows = one.knows();
        let well = (knows > 0, knows >= KNOWS_WELL);
        (
            (one.away.is_some(), Reverse(one.supplies.len()), Reverse(well), one.past.open),
            (Reverse(one.past.files), Reverse(knows), one.person.clone()),
        )
    });
    found.truncate(MAX_WHO);
    Ok(found)
}

/// What of it is approvals that are lacking.
fn of_approvals(decision: &Decision) -> Decision {
    let is_approval = |missing: &Missing| match &missing.token {
        Token::Requirement(requirement) => match requirement.need {
            Need::Approvals { .. } | Need::Apart(_) => true,
            Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Has(_) | Need::Disclosure => false,
        },
        _ => false,
    };
    let mut decision = decision.clone();
    for rule in &mut decision.rules {
        rule.missing.retain(|missing| missing.ways().any(is_approval));
    }
    decision
}
