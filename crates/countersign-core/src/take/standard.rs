//! Whether a change fits a template that two people approved once, and by what it misses it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{contributors, person};
use crate::{
    catalog::Tier,
    change::{Change, Revision},
    facts::RuledPath,
    governance::Governance,
    ids::{ActorId, ChangeId, EvidenceKind, Target},
    refusal::Refusal,
    snapshot::EvidenceView,
    standard::{APPROVERS, DAY_SECS, MAX_DAYS, Proposer, Standard, StandardApproval, StandardView},
    state::State,
    statement::RevisionRef,
    subject::Subject,
};

/// A template that a change nearly fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearly {
    pub name: String,
    /// By what it misses it.
    pub misses: Vec<String>,
}

/// The first template that the change fits.
pub(super) fn standard(
    state: &State,
    change: &Change,
    revision: &Revision,
    made: &BTreeSet<ActorId>,
    evidence: &BTreeMap<EvidenceKind, EvidenceView>,
    now: Time,
) -> Result<Option<StandardView>, Refusal> {
    let weighing = Weighing { state, change, revision, made, evidence, now };
    for standard in state.governance.standards.values() {
        if weighing.misses(standard)?.is_empty()
            && let Some(approval) = state.governance.record.standards.get(&standard.name)
        {
            let approved_by = weighing.answer_for(approval)?.into_iter().cloned().collect();
            let approved_at = approval.at;
            return Ok(Some(StandardView { name: standard.name.clone(), approved_by, approved_at }));
        }
    }
    Ok(None)
}

/// Of the templates of whoever proposed it the one that the change misses by the fewest things, where it misses it by something.
pub fn nearly_standard(state: &State, change: &Change, now: Time) -> Result<Option<Nearly>, Refusal> {
    let governance = &*state.governance;
    let Some(revision) = change.current() else { return Ok(None) };
    let theirs = governance.standards.values().filter(|standard| is_for(standard, governance, &change.proposer));
    let mut nearest: Option<Nearly> = None;
    let (mut made, mut evidence) = (None, None);
    for standard in theirs {
        let made = &*made.get_or_insert_with(|| contributors(governance, change).all);
        let evidence = match &mut evidence {
            Some(evidence) => evidence,
            none => none.insert(super::evidence_of(state, change, now)?),
        };
        let misses = Weighing { state, change, revision, made, evidence, now }.misses(standard)?;
        if nearest.as_ref().is_none_or(|nearest| misses.len() < nearest.misses.len()) {
            nearest = Some(Nearly { name: standard.name.clone(), misses });
        }
    }
    Ok(nearest.filter(|nearest| !nearest.misses.is_empty()))
}

struct Weighing<'a> {
    state: &'a State,
    change: &'a Change,
    revision: &'a Revision,
    made: &'a BTreeSet<ActorId>,
    evidence: &'a BTreeMap<EvidenceKind, EvidenceView>,
    now: Time,
}

impl Weighing<'_> {
    fn misses(&self, standard: &Standard) -> Result<Vec<String>, Refusal> {
        let governance = &*self.state.governance;
        let mut misses = misses_of_sort(standard, governance, self.change, self.revision);
        match governance.record.standards.get(&standard.name) {
            None => misses.push("nobody stands behind it".to_owned()),
            Some(approval) => {
                // Whose keys hold is in their own streams, which a decision looks at only where they bear on it.
                if governance.answer_for(approval).count() < APPROVERS {
                    misses.push(format!(
                        "fewer than {APPROVERS} of those who had to approve it are still of the policy group"
                    ));
                } else if misses.is_empty() && self.answer_for(approval)?.len() < APPROVERS {
                    misses.push(format!(
                        "fewer than {APPROVERS} of those who had to approve it did so by a key that holds still"
                    ));
                }
                if let Some(both) = approval.by.keys().find(|by| self.made.contains(*by)) {
                    misses.push(format!("{both} approved it, and had a hand in this change"));
                }
                let end = standard.until.min(approval.at.plus_secs(MAX_DAYS * DAY_SECS));
                if self.now >= end {
                    misses.push(format!("it ended on {}", day(end)));
                }
            }
        }
        let is_theirs = |by: &&ActorId| is_for(standard, governance, by) || standard.sponsor.as_ref() == Some(by);
        if let Some(other) = self.made.iter().find(|by| !is_theirs(by)) {
            misses.push(format!("{other} had a hand in it, and is none of its proposers"));
        }
        for kind in &standard.evidence {
            match self.evidence.get(kind) {
                Some(view) if view.passed_for(&self.change.targets) => {}
                Some(view) => misses.push(format!("evidence that {kind} passed ({})", view.objections().join(", "))),
                None => misses.push(format!("evidence that {kind} passed")),
            }
        }
        for target in &self.change.targets {
            let lately = lately(self.state, self.change, standard, target, self.now)?;
            let lately = u32::try_from(lately.len()).unwrap_or(u32::MAX);
            if lately >= standard.per_day {
                misses.push(format!(
                    "{lately} like it landed on {target} within a day, and {} are the most",
                    standard.per_day
                ));
            }
        }
        Ok(misses)
    }

    /// Those who had to approve a template, could do so again, and did it by a key that still holds: what somebody let through
    /// with a stolen one goes through no more once it is taken away.
    fn answer_for<'b>(&self, approval: &'b StandardApproval) -> Result<Vec<&'b ActorId>, Refusal> {
        let mut answer = Vec::new();
        for (by, keys) in self.state.governance.answer_for(approval) {
            let mut holds = false;
            for key in keys {
                holds |= person(self.state, by, key, self.now)?.is_some();
            }
            answer.extend(holds.then_some(by));
        }
        Ok(answer)
    }
}

/// Whoever approved a template that the change is of the sort of: whether it goes through by that depends on their keys.
pub(super) fn approvers<'a>(governance: &'a Governance, change: &Change) -> BTreeSet<&'a ActorId> {
    let Some(revision) = change.current() else { return BTreeSet::new() };
    let of_sort = governance
        .standards
        .values()
        .filter(|standard| misses_of_sort(standard, governance, change, revision).is_empty())
        .filter_map(|standard| governance.record.standards.get(&standard.name));
    of_sort.flat_map(|approval| governance.answer_for(approval)).map(|(by, _)| by).collect()
}

/// What else landed on a target by this template within a day.
fn lately<'a>(
    state: &'a State,
    change: &Change,
    standard: &Standard,
    target: &Target,
    now: Time,
) -> Result<Vec<&'a ChangeId>, Refusal> {
    let since = now.plus_secs(-DAY_SECS);
    let uses = state.known_standard_uses(target)?.iter();
    let theirs = uses.filter(|used| used.standard == standard.name && used.change != change.id && used.at > since);
    Ok(theirs.map(|used| &used.change).collect())
}

/// What landed within a day by the templates that a change is of the sort of, where no more may: who has only a part of the log
/// needs these to say so.
pub fn like_it(state: &State, change: &Change, now: Time) -> Result<BTreeSet<ChangeId>, Refusal> {
    let Some(revision) = change.current_ref() else { return Ok(BTreeSet::new()) };
    let mut found = BTreeSet::new();
    for standard in state.governance.standards.values() {
        if !is_of_sort(standard, &state.governance, change, &revision) {
            continue;
        }
        for target in &change.targets {
            let lately = lately(state, change, standard, target, now)?;
            if u32::try_from(lately.len()).unwrap_or(u32::MAX) >= standard.per_day {
                found.extend(lately.into_iter().cloned());
            }
        }
    }
    Ok(found)
}

/// What it names that the catalog does not know.
pub fn unknown_in(standard: &Standard, governance: &Governance) -> Option<String> {
    let catalog = &governance.catalog;
    let proposer = standard.proposers.iter().find(|proposer| match proposer {
        Proposer::Actor(actor) => catalog.actors.get(actor).is_none(),
        Proposer::Group(group) => !catalog.groups.contains_key(group),
    });
    let sponsor = standard.sponsor.iter().find(|sponsor| governance.person(sponsor).is_none());
    let target = standard.targets.iter().find(|target| catalog.target(target).is_err());
    let system = standard.systems.iter().find(|system| !catalog.systems.contains_key(*system));
    proposer
        .map(ToString::to_string)
        .or(sponsor.map(|sponsor| format!("person {sponsor}")))
        .or(target.map(ToString::to_string))
        .or(system.map(|system| format!("system {system}")))
}

/// Whether somebody is one of those who propose.
pub fn is_for(standard: &Standard, governance: &Governance, actor: &ActorId) -> bool {
    standard.proposers.iter().any(|proposer| match proposer {
        Proposer::Actor(one) => one == actor,
        Proposer::Group(group) => governance.catalog.is_in(actor, group),
    })
}

/// By what a revision misses to be of its sort, whenever it lands and whoever approved the template.
fn misses_of_sort(standard: &Standard, governance: &Governance, change: &Change, revision: &Revision) -> Vec<String> {
    let mut misses = Vec::new();
    if !is_for(standard, governance, &change.proposer) {
        misses.push(format!("{} is none of its proposers", change.proposer));
    }
    if !standard.kinds.contains(&change.kind) {
        misses.push(format!("{} is none of its kinds", change.kind));
    }
    for target in &change.targets {
        if !standard.targets.contains(target) && !standard.systems.contains(&target.system) {
            misses.push(format!("{target} is none of its targets"));
        }
        match governance.catalog.target(target) {
            Ok(system) if system.tier != Tier::HIGHEST => {}
            Ok(_) => misses.push(format!("{target} is of tier 1, which has no standard changes")),
            Err(_) => misses.push(format!("{target} is not in the catalog")),
        }
    }
    misses.extend(misses_in_content(standard, revision));
    misses
}

fn misses_in_content(standard: &Standard, revision: &Revision) -> Vec<String> {
    let mut misses = Vec::new();
    let size = match &revision.subject {
        Subject::Git(_) => revision.size,
        // Of files the log has no contents whose lines it could count.
        Subject::Files(_) | Subject::Governance(_) => None,
    };
    let Some((size, lines)) = size.and_then(|size| Some((size, size.lines?))) else {
        return vec!["nobody can count what it changes".to_owned()];
    };
    match revision.paths.as_deref() {
        None => misses.push(
            "nobody can tell which paths it touches: too many, or a symbolic link leads out of the tree".to_owned(),
        ),
        Some(paths) => {
            let outside = |path: &&RuledPath| path.link || path.submodule || !standard.globs.is_match(&path.path);
            let mut outside = paths.iter().filter(outside);
            if let Some(first) = outside.next() {
                let more = outside.count();
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                misses.push(format!("`{}`{more} is outside of its paths", first.path));
            }
            let inside = paths.iter().filter(|path| standard.globs.is_match(&path.path));
            misses.extend(inside.filter_map(|path| unnamed(standard, path)).next());
        }
    }
    let most = [
        ("touches", size.files, standard.files, "files"),
        ("adds", lines.added, standard.added, "lines"),
        ("deletes", lines.deleted, standard.deleted, "lines"),
    ];
    for (does, n, most, what) in most.into_iter().filter(|(_, n, most, _)| n > most) {
        misses.push(format!("it {does} {n} {what}, and {most} are the most"));
    }
    misses
}

/// What does more than its lines say: what is run, and what steers git and a forge. A wildcard is not meant for these.
fn unnamed(standard: &Standard, path: &RuledPath) -> Option<String> {
    let is_git = |part: &&str| part.get(..4).is_some_and(|begins| begins.eq_ignore_ascii_case(".git"));
    let steers: Vec<&str> = path.path.split('/').filter(is_git).collect();
    if !steers.is_empty() && !standard.globs.name(&path.path, &steers) {
        return Some(format!("`{}` steers git or a forge, and its paths do not name it", path.path));
    }
    let name: Vec<&str> = path.path.rsplit('/').take(1).collect();
    let is_moded = path.mode && !standard.globs.name(&path.path, &name);
    is_moded.then(|| format!("the mode of `{}` changes, and its paths do not name it", path.path))
}

/// Whether a change is of the sort that a template is about: what of it landed is counted, however it was approved.
pub(crate) fn is_of_sort(
    standard: &Standard,
    governance: &Governance,
    change: &Change,
    revision: &RevisionRef,
) -> bool {
    change.revision(revision).is_some_and(|revision| misses_of_sort(standard, governance, change, revision).is_empty())
}

/// `2026-11-27`.
pub fn day(time: Time) -> String {
    let text = time.to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}
