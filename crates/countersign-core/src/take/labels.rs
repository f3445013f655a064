//! The labels of a change, and which of them a second pair of eyes put on.

use std::collections::BTreeSet;

use crate::{
    change::{Change, LabelRecord},
    governance::Governance,
    ids::ActorId,
    refusal::Refusal,
    snapshot::LabelsView,
};

/// Those that stand, where a rule asks. `counts`: whether whoever put it on, who is none of `made`, is one whose word loosens, and said
/// it of what the revision brings. A label itself stands until somebody takes it off: a revision shakes off none that asks for more.
pub(super) fn labels(
    governance: &Governance,
    change: &Change,
    made: &BTreeSet<ActorId>,
    counts: impl Fn(&LabelRecord) -> Result<bool, Refusal>,
) -> Result<LabelsView, Refusal> {
    let mut view = LabelsView::default();
    if !governance.rules.ask_about("labels") {
        return Ok(view);
    }
    for record in &change.labels {
        view.all.entry(record.label.clone()).or_default().insert(record.by.clone());
        if !made.is_empty() && !made.contains(&record.by) && counts(record)? {
            view.by_others.insert(record.label.clone());
        }
    }
    Ok(view)
}
