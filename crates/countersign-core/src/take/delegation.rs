//! Which roles of others somebody has whose approval is looked at: what was delegated to them before they approved, as long as it
//! still counts.
//!
//! It does not where the delegator could not give the approval themselves: they had a hand in the change, said whose an unknown
//! mail is, or have no say in it for another reason; nor where they have spoken about it, since one person's word is there once.
//! It ends with their role, with the key that they signed with, and with its time. Of what governs nothing is delegated.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{Contributors, is_partial, person};
use crate::{
    change::{ApprovalRecord, Change},
    delegation::{DelegatedRole, DelegationRecord},
    ids::{ActorId, Target},
    newcomers,
    refusal::Refusal,
    snapshot::{ApprovalView, DelegatedView, Snapshot},
    state::State,
};

pub(super) fn delegated(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    approval: &ApprovalRecord,
    now: Time,
) -> Result<Vec<DelegatedView>, Refusal> {
    let mut views = Vec::new();
    if approval.delegated.is_empty() || change.targets.iter().any(|target| target.is_governance()) {
        return Ok(views);
    }
    let Some(record) = state.person(&approval.by)? else { return Ok(views) };
    for statement in approval.delegated.keys() {
        let Some(known) = record.delegation(statement) else { continue };
        if known.holds(now) && counts(state, change, contributors, known, now)? {
            views.extend(view(state, change, known, now));
        }
    }
    Ok(views)
}

/// Whether its delegator could stand behind an approval of this change now, and does not otherwise.
fn counts(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    known: &DelegationRecord,
    now: Time,
) -> Result<bool, Refusal> {
    let governance = &*state.governance;
    if known.epoch != governance.record.header_epoch() || person(state, &known.of, &known.key, now)?.is_none() {
        return Ok(false);
    }
    let spoke = has_spoken(change);
    let mut part: BTreeSet<ActorId> = contributors.all.clone();
    part.extend(spoke.iter().map(|person| (*person).clone()));
    part.insert(known.to.clone());
    Ok(!spoke.contains(&known.of)
        && !is_partial(state, change, contributors, &known.of, now)?
        && !newcomers::is_beside(governance, &part, &known.of, now))
}

/// Whoever said yes or no to the change, in any revision that still bears on it.
fn has_spoken(change: &Change) -> BTreeSet<&ActorId> {
    let current = change.current_ref();
    let approved = change.approvals.iter().filter(|a| Some(a.revision) == current || change.may_carry(a));
    let waived = change.waivers.iter().filter(|waiver| Some(waiver.revision) == current);
    let rejected = change.rejections.iter().filter(|rejection| !rejection.lifted);
    approved
        .map(|approval| &approval.by)
        .chain(waived.map(|waiver| &waiver.by))
        .chain(rejected.map(|rejection| &rejection.by))
        .collect()
}

/// For which of its targets the delegator has the role.
fn view(state: &State, change: &Change, known: &DelegationRecord, now: Time) -> Option<DelegatedView> {
    let governance = &*state.governance;
    let DelegationRecord { of, role, until, statement, .. } = known;
    // Calendars are looked at where a rule asks.
    if *role == DelegatedRole::OnCall && !governance.rules.ask_about("oncall") {
        return None;
    }
    let has = |target: &&Target| known.covers(target) && governance.has_role(role, of, target, now);
    let targets: BTreeSet<_> = change.targets.iter().filter(has).cloned().collect();
    let (statement, of, role, until) = (*statement, of.clone(), role.clone(), *until);
    (!targets.is_empty()).then_some(DelegatedView { of, role, statement, targets, until })
}

/// A role of somebody else that an approval does not count by, though it was delegated to who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    pub by: ActorId,
    pub of: ActorId,
    pub role: DelegatedRole,
    pub why: String,
}

/// Of the approvals that count; where the delegator's own counts, nothing is missing.
pub(crate) fn idle(state: &State, change: &Change, snapshot: &Snapshot, now: Time) -> Result<Vec<Idle>, Refusal> {
    let carried = snapshot.carried.iter().flat_map(|carried| &carried.approvals);
    let counting: Vec<&ApprovalView> = snapshot.approvals.iter().chain(carried).collect();
    if change.targets.iter().any(|target| target.is_governance()) {
        return Ok(Vec::new());
    }
    let contributors = super::contributors(&state.governance, change);
    let mut found: Vec<Idle> = Vec::new();
    for approval in &change.approvals {
        let used: Vec<_> =
            counting.iter().filter(|view| view.by == approval.by).flat_map(|view| &view.delegated).collect();
        let counts = counting.iter().any(|view| view.by == approval.by);
        let of_it = Some(approval.revision) == change.current_ref() || change.may_carry(approval);
        // Of whoever does not count a part of the log need not have the stream.
        let record = if counts && of_it { state.person(&approval.by)? } else { None };
        for known in
            record.into_iter().flat_map(|record| approval.delegated.keys().filter_map(|one| record.delegation(one)))
        {
            let is_there = used.iter().any(|view| view.statement == known.statement)
                || counting.iter().any(|view| view.by == known.of)
                || found.iter().any(|one| (&one.by, &one.of, &one.role) == (&approval.by, &known.of, &known.role));
            if !is_there && let Some(why) = why_idle(state, change, &contributors, known, now)? {
                let (by, of, role) = (approval.by.clone(), known.of.clone(), known.role.clone());
                found.push(Idle { by, of, role, why });
            }
        }
    }
    Ok(found)
}

/// Why a delegation counts for nothing here; `None` where no rule asks for its role.
fn why_idle(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    known: &DelegationRecord,
    now: Time,
) -> Result<Option<String>, Refusal> {
    let (of, governance) = (&known.of, &*state.governance);
    if known.is_over(now) {
        return Ok(Some(format!("it was over at {}", known.until)));
    }
    if known.epoch != governance.record.header_epoch() {
        return Ok(Some("it is from before the log was restored".to_owned()));
    }
    if person(state, of, &known.key, now)?.is_none() {
        return Ok(Some(format!("the key that {of} delegated it with holds no more")));
    }
    if contributors.all.contains(of) {
        return Ok(Some(format!("{of} had a hand in the change")));
    }
    if is_partial(state, change, contributors, of, now)? {
        return Ok(Some(format!("{of} has another part in it, and no say")));
    }
    if let Some(spoke) = how_spoken(state, change, of, now)? {
        return Ok(Some(spoke));
    }
    if !counts(state, change, contributors, known, now)? {
        return Ok(Some(format!("{of} and somebody else who had a part in it came into the home together lately")));
    }
    match known.role == DelegatedRole::OnCall && !governance.rules.ask_about("oncall") {
        true => Ok(None),
        false => Ok(Some(format!("{of} does not have that role for these targets"))),
    }
}

/// By what the delegator has spoken about the change themselves, and why that does not count, where it is an approval.
fn how_spoken(state: &State, change: &Change, of: &ActorId, now: Time) -> Result<Option<String>, Refusal> {
    if !has_spoken(change).contains(of) {
        return Ok(None);
    }
    let current = change.current_ref();
    let mut theirs = change.approvals.iter().filter(|approval| approval.by == *of);
    let last = theirs.rfind(|approval| Some(approval.revision) == current || change.may_carry(approval));
    let Some(approval) = last else {
        let rejected = change.rejections.iter().any(|rejection| !rejection.lifted && rejection.by == *of);
        let did = if rejected { "rejected it" } else { "waived a rule of it" };
        return Ok(Some(format!("{of} {did}, and nobody's word is there twice")));
    };
    let why = if person(state, of, &approval.key, now)?.is_none() {
        "the key of it holds no more"
    } else if approval.epoch != state.governance.record.header_epoch() {
        "it is from before the log was restored"
    } else if !change.is_still_within(approval.within.as_ref()) {
        "it was given for another time"
    } else if !change.has_lived_since(approval.at) {
        "the change has expired since"
    } else if !state.governance.catalog.settings.counts(approval.seen) {
        "it was given without the content at hand"
    } else {
        "they are a newcomer beside somebody who had a part in it, or enrolled one"
    };
    let short = change.id.short();
    Ok(Some(format!(
        "{of} approved it too, which does not count ({why}), and nobody's word is there twice; {of} can take that back: \
         countersign take-back {short}"
    )))
}
