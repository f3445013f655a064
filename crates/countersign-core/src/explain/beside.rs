//! What there is to know beside the rules. Other changes on the targets that touch the same places were rejected: that holds nothing,
//! since whoever rejected spoke of something else, and whoever looks is to know of it. The glass was broken for the change, and that is
//! over.

use std::collections::BTreeMap;

use countersign_ledger::Time;

use super::Explanation;
use crate::{
    change::Change,
    ids::{ActorId, ChangeId},
    refusal::Refusal,
    snapshot::Snapshot,
    state::{State, TargetRejection},
    take::{self, Idle, day},
};

/// For how long after a rejection it is told of other changes: who edits a file every week is not told for ever.
const TOLD_DAYS: i64 = 30;
/// As many rejected changes are told of.
const MAX_TOLD: usize = 5;
/// As many places of one are named.
const MAX_NAMED: usize = 3;

impl Explanation {
    /// What there is to know of it besides its rules, a line each.
    pub fn notes(&self) -> impl Iterator<Item = &String> {
        self.standard
            .iter()
            .chain(&self.rollback)
            .chain(&self.freezes)
            .chain(&self.lands)
            .chain(&self.expires)
            .chain(&self.steps)
            .chain(&self.glass)
            .chain(&self.beside)
            .chain(&self.idle)
    }
}

impl State {
    /// Rejections that stand in other changes on a change's targets, that do not hold it, and that are of the same places, with those,
    /// as far as they are known.
    pub fn rejected_beside<'a>(
        &'a self,
        change: &'a Change,
    ) -> Result<Vec<(&'a TargetRejection, Vec<&'a str>)>, Refusal> {
        let Some(revision) = change.current() else { return Ok(Vec::new()) };
        let content = change.content()?;
        let mut beside: BTreeMap<(&ChangeId, &ActorId), (&TargetRejection, Vec<&str>)> = BTreeMap::new();
        let mut holding = Vec::new();
        for target in &change.targets {
            for rejection in self.known_rejections_on(target)? {
                if rejection.change == change.id || !rejection.stands() {
                    continue;
                }
                if rejection.covers(revision, &content) {
                    holding.push((&rejection.change, &rejection.by));
                    continue;
                }
                let lately = revision.at.secs_since(rejection.at) <= TOLD_DAYS * 24 * 60 * 60;
                let places = rejection.places.touch(&revision.subject, revision.paths.as_deref());
                if lately && !places.is_empty() {
                    beside.insert((&rejection.change, &rejection.by), (rejection, places));
                }
            }
        }
        beside.retain(|of, _| !holding.contains(of));
        let mut beside: Vec<_> = beside.into_values().collect();
        beside.sort_by_key(|(rejection, _)| std::cmp::Reverse(rejection.at));
        beside.truncate(MAX_TOLD);
        Ok(beside)
    }
}

/// What people broke the glass for and nobody pushed or ran in time.
pub(super) fn glass_is_over(change: &Change, now: Time) -> Option<String> {
    let last = change.permits.last().filter(|permit| change.status.is_open() && permit.outcome.is_none())?;
    let broken = last.broken.as_ref().filter(|_| last.expires_at < now)?;
    let by: Vec<&str> = broken.by.keys().map(ActorId::as_str).collect();
    Some(format!(
        "{} broke the glass of gate {} for it, which was over at {}; once more: countersign break-glass {} --why TEXT",
        by.join(" and "),
        last.gate,
        last.expires_at,
        change.id.short()
    ))
}

/// What somebody delegated and is not there: else nobody who looks at it knows why the role is missing.
pub(super) fn idle(state: &State, change: &Change, snapshot: &Snapshot, now: Time) -> Result<Vec<String>, Refusal> {
    if !change.status.is_open() {
        return Ok(Vec::new());
    }
    let line = |Idle { by, of, role, why }: Idle| {
        format!("{of} delegated {role} to {by}, and {by}'s approval does not count by that: {why}")
    };
    Ok(take::idle(state, change, snapshot, now)?.into_iter().map(line).collect())
}

/// A line for each.
pub(super) fn beside(state: &State, change: &Change) -> Result<Vec<String>, Refusal> {
    if !change.status.is_open() {
        return Ok(Vec::new());
    }
    let line = |(rejection, places): (&TargetRejection, Vec<&str>)| {
        let TargetRejection { by, change, at, .. } = rejection;
        let short = change.short();
        let named = places.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match places.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "{by} rejected change {short} on {}, which touches {named}{more} too; that does not hold this change: countersign show {short}",
            day(*at)
        )
    };
    Ok(state.rejected_beside(change)?.into_iter().map(line).collect())
}
