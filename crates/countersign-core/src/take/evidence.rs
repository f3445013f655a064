//! What workloads' evidence comes to: whose word counts for a pass, and whose takes it away.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use crate::{
    change::{Change, EvidenceRecord, Revision},
    evidence::{Attests, EvidenceResult},
    facts::RuledPath,
    governance::Governance,
    ids::{ActorId, EvidenceKind, Target},
    refusal::Refusal,
    snapshot::EvidenceView,
    state::State,
    subject::Subject,
};

/// What the evidence of the present revision comes to, of every kind that was attested: for whoever looks.
pub fn evidence_of(state: &State, change: &Change, now: Time) -> Result<BTreeMap<EvidenceKind, EvidenceView>, Refusal> {
    let Some(revision) = change.current() else { return Ok(BTreeMap::new()) };
    let kinds = change.evidence.iter().map(|record| record.kind.clone()).collect();
    let made = super::contributors(&state.governance, change).all;
    evidence(&state.governance, change, revision, &made, &kinds, |record| holds(state, record, now))
}

/// Whether the key still holds that signed it, or its issuer's.
pub(super) fn holds(state: &State, record: &EvidenceRecord, now: Time) -> Result<bool, Refusal> {
    match &record.token {
        None => Ok(state.holds(&record.by, &record.key, now)?.is_some()),
        Some(token) => Ok(record.is_checked() && state.governance.issuers.stands(&record.by, &record.key, token)),
    }
}

/// Whether it was said by whom governance lets say it; whose key was revoked is not looked at.
pub(super) fn is_listed(governance: &Governance, record: &EvidenceRecord) -> bool {
    match &record.token {
        None => governance.listed(&record.by, &record.key).is_some(),
        Some(token) => record.is_checked() && governance.issuers.stands(&record.by, &record.key, token),
    }
}

/// Of these kinds. A pass is the newest word of a workload that the catalog still lets attest it and that had no hand in the
/// change, in this epoch, with a key that holds. That it failed is heard whatever became of the key: it only takes away.
pub(super) fn evidence(
    governance: &Governance,
    change: &Change,
    revision: &Revision,
    made: &BTreeSet<ActorId>,
    kinds: &BTreeSet<EvidenceKind>,
    holds: impl Fn(&EvidenceRecord) -> Result<bool, Refusal>,
) -> Result<BTreeMap<EvidenceKind, EvidenceView>, Refusal> {
    let touched = touched(revision);
    let mut views: BTreeMap<EvidenceKind, EvidenceView> = BTreeMap::new();
    for record in change.evidence_of(Some(&revision.reference)).filter(|record| kinds.contains(&record.kind)) {
        let none = Attests::default();
        let attests = governance.catalog.actors.get(&record.by).map_or(&none, |actor| &actor.attests);
        let counts = record.epoch == governance.record.header_epoch()
            && attests.kinds.contains(&record.kind)
            && !made.contains(&record.by)
            && holds(record)?;
        let only: BTreeSet<Target> =
            change.targets.iter().filter(|at| is_of(governance, record, at)).cloned().collect();
        if only.is_empty() {
            continue;
        }
        let view = views.entry(record.kind.clone()).or_default();
        let among = match record.result {
            EvidenceResult::Failed => &mut view.failed_by,
            EvidenceResult::Passed if !counts => continue,
            EvidenceResult::Passed => match attests.is_edited_by(touched.as_deref(), record.workflow.as_deref()) {
                true => &mut view.self_made_by,
                false => &mut view.passed_by,
            },
            EvidenceResult::Warned | EvidenceResult::Skipped | EvidenceResult::Neutral => &mut view.neither_by,
        };
        among.insert(record.by.clone());
        if only.len() < change.targets.len() {
            view.only_for.insert(record.by.clone(), only);
        }
    }
    views.retain(|_, view| *view != EvidenceView::default());
    Ok(views)
}

/// Whether evidence counts for a target: governance can say of a workload, and of an issuer's tokens for it, for which theirs does.
fn is_of(governance: &Governance, record: &EvidenceRecord, target: &Target) -> bool {
    let of_workload = governance.catalog.actors.get(&record.by).map(|actor| &actor.attests.only_for);
    let of_tokens = record.token.as_ref().map(|token| governance.issuers.scope(&token.issuer, &record.by));
    of_workload.is_none_or(|scope| scope.covers(target))
        && of_tokens.is_none_or(|scope| scope.is_some_and(|scope| scope.covers(target)))
}

/// What the revision touches in a repository. Files of a change are where they are named; what governs steers no workload.
fn touched(revision: &Revision) -> Option<Vec<RuledPath>> {
    match &revision.subject {
        Subject::Git(_) => revision.paths.clone(),
        Subject::Files(subject) => Some(super::files(subject)),
        Subject::Governance(_) => Some(Vec::new()),
    }
}
