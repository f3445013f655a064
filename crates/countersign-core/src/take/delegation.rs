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
    snapshot::DelegatedView,
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
