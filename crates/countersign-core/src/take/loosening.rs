//! Who stands behind a change of what governs, and until when one waits that loosens.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Fingerprint, Time};

use super::person;
use crate::{
    change::{Change, Revision},
    ids::ActorId,
    refusal::Refusal,
    snapshot::{ApprovalView, LooseningView},
    state::State,
    subject::Subject,
};

/// Since when somebody stands behind what is published, and by which keys of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Stands {
    since: Time,
    pub keys: BTreeSet<Fingerprint>,
}

/// Whoever stands behind what is published, and since when: whoever submitted it and those whose approvals count, each by the very
/// key that they did it with, which has to hold still. What somebody did with a stolen one began no waiting either.
pub(crate) fn behind(
    state: &State,
    change: &Change,
    approvals: &[ApprovalView],
    now: Time,
) -> Result<BTreeMap<ActorId, Stands>, Refusal> {
    let mut behind = BTreeMap::new();
    let Some(revision) = change.current() else { return Ok(behind) };
    for approval in approvals {
        let mut stands = Stands { since: now, keys: BTreeSet::new() };
        for given in change.approvals.iter().filter(|a| a.by == approval.by && a.revision == revision.reference) {
            if person(state, &given.by, &given.key, now)?.is_some() {
                stands.since = stands.since.min(state.waits_from(given.at));
                stands.keys.insert(given.key.clone());
            }
        }
        behind.insert(approval.by.clone(), stands);
    }
    if let Some(key) = &revision.key
        && person(state, &revision.by, key, now)?.is_some()
    {
        let keys = BTreeSet::from([key.clone()]);
        behind.insert(revision.by.clone(), Stands { since: state.waits_from(revision.at), keys });
    }
    Ok(behind)
}

/// Who stands behind what loosens, and until when it waits. The time is that of the log's leaves, so that everybody who replays them
/// counts from the same moment.
pub(super) fn loosening(
    state: &State,
    change: &Change,
    revision: &Revision,
    approvals: &[ApprovalView],
    now: Time,
) -> Result<Option<LooseningView>, Refusal> {
    match (&revision.subject, revision.loosens) {
        (Subject::Governance(_), Some(true) | None) => {}
        (Subject::Governance(_), Some(false)) | (Subject::Git(_) | Subject::Files(_), _) => return Ok(None),
    }
    let governance = &*state.governance;
    let policy_group = governance.policy_group();
    let is_senior = |id: &ActorId| governance.person(id).is_some_and(|actor| actor.level.is_senior());
    let behind = behind(state, change, approvals, now)?;
    let mut by_time: Vec<(&Time, &ActorId)> = behind.iter().map(|(id, stands)| (&stands.since, id)).collect();
    by_time.sort();
    let mut view = LooseningView { policy: 0, senior: governance.catalog.seniors().is_empty(), until: None };
    for (since, id) in by_time {
        view.policy = view.policy.saturating_add(u32::from(policy_group.contains(id)));
        view.senior |= is_senior(id);
        if view.until.is_none() && view.is_backed() {
            let wait = governance.catalog.settings.loosening_wait_secs;
            view.until = Some(since.plus_secs(wait.into()));
        }
    }
    Ok(Some(view))
}
