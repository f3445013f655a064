//! Admission of labels. Anybody known puts one on. Whoever put it on takes it off; what others put on comes off by a person who had no
//! hand in the change: a contributor shakes off no label that asks for more.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{Authenticated, person, second::may_grant};
use crate::{
    change::{Change, LabelRecord},
    governance::Signer,
    ids::{ActorId, Label},
    refusal::Refusal,
    state::State,
    statement::{LabelAct, Labelling},
};

/// How many labels stand on a change.
pub const MAX_LABELS: usize = 32;
/// How often one actor puts labels on a change or takes some off, and how often all of them: each is a leaf.
pub const MAX_LABELLINGS: u32 = 50;
const MAX_ALL_LABELLINGS: u32 = 500;

pub(super) fn admit(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &Labelling,
    now: Time,
) -> Result<(), Refusal> {
    let by = match authenticated.signer() {
        Signer::Actor { id, .. } => id,
        Signer::Gate(_) | Signer::Server => {
            return Err(Refusal::forbidden("cannot-label", "a gate or the server puts no label on a change"));
        }
    };
    if said.labels.is_empty() || said.labels.len() > MAX_LABELS {
        return Err(Refusal::malformed("labels", format!("a statement names 1 to {MAX_LABELS} labels")));
    }
    let theirs = change.labelled.get(by).copied().unwrap_or_default();
    let all = change.labelled.values().fold(0, |all: u32, one| all.saturating_add(*one));
    if theirs >= MAX_LABELLINGS || all >= MAX_ALL_LABELLINGS {
        return Err(Refusal::conflict(
            "too-many-labels",
            format!("{by} has labelled change {} {theirs} times, all together {all}", change.id.short()),
        )
        .hint("to stop it, reject it; to go on, propose it anew"));
    }
    match said.act {
        LabelAct::PutOn => put_on(state, change, (by, authenticated.statement().header.epoch), said, now),
        LabelAct::TakeOff => take_off(state, change, authenticated, by, said, now),
    }
}

fn put_on(
    state: &State,
    change: &Change,
    (by, epoch): (&ActorId, Option<u32>),
    said: &Labelling,
    now: Time,
) -> Result<(), Refusal> {
    // What was said before a cut, of an earlier revision or with a key that holds no more is said again.
    let before = |record: &&LabelRecord| record.by == *by && record.revision == said.revision && record.epoch == epoch;
    let mut again = BTreeSet::new();
    for record in change.labels.iter().filter(before) {
        if state.holds(by, &record.key, now)?.is_some() {
            again.insert(&record.label);
        }
    }
    if said.labels.iter().all(|label| again.contains(label)) {
        return Err(Refusal::conflict(
            "already-labelled",
            format!("{by} has already put {} on this revision", named(&said.labels)),
        ));
    }
    let standing: BTreeSet<&Label> = change.labels.iter().map(|record| &record.label).chain(&said.labels).collect();
    if standing.len() > MAX_LABELS {
        return Err(Refusal::conflict(
            "too-many-labels",
            format!("change {} would have {} labels; {MAX_LABELS} is the most", change.id.short(), standing.len()),
        )
        .hint(format!("take one off first: countersign label {} LABEL --remove", change.id.short())));
    }
    Ok(())
}

fn take_off(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    by: &ActorId,
    said: &Labelling,
    now: Time,
) -> Result<(), Refusal> {
    let short = change.id.short();
    let standing: BTreeSet<&Label> = change.labels.iter().map(|record| &record.label).collect();
    if let Some(label) = said.labels.iter().find(|label| !standing.contains(label)) {
        return Err(Refusal::conflict("no-label", format!("change {short} has no label `{label}`"))
            .hint(format!("see what it has: countersign show {short}")));
    }
    let of_others = |record: &&LabelRecord| record.by != *by && said.labels.contains(&record.label);
    let Some(other) = change.labels.iter().find(of_others) else { return Ok(()) };
    let what = format!("take off `{}`, which {} put on", other.label, other.by);
    let by = person(authenticated, &what)?;
    may_grant(state, change, &by, &format!("{what},"), now)
}

fn named(labels: &BTreeSet<Label>) -> String {
    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}
