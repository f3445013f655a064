//! A part of a log: some streams of it whole, each leaf with its proof of inclusion.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_ledger::{Digest, Hash, StreamHead, StreamId, Time, checkpoint::Checkpoint, tree};

use super::{
    Completeness, Evidence,
    again::{Decisions, decide_again},
    completeness,
    order::{Order, readable},
    read::{ReadLeaf, changed_blob},
    report::{Failure, Report, Verdict, count},
    signed::SignedBy,
    whole::genesis_step,
};
use crate::{
    epoch::EpochRecord,
    fold::Entry,
    governance::{Blobs, Governance},
    ids::ChangeId,
    refusal::Refusal,
    state::State,
    statement::{Body, governance_stream},
    trust::Trust,
};

/// Governance that was verified before, from which a part of a log goes on: the leaves of its stream before this one are not in
/// the part.
#[derive(Clone, Debug)]
pub struct GovernedBefore {
    /// Where the governance stream stood.
    pub head: StreamHead,
    /// The last leaf of it.
    pub index: u64,
    pub governance: Arc<Governance>,
}

/// Verifies a part of a log.
pub(super) fn verify(trust: &Trust, evidence: &Evidence, before: Option<&GovernedBefore>, now: Time) -> Report {
    let mut report = Report::begin();
    let begun = report.step("checkpoint", || SignedBy::begin(trust, &evidence.checkpoint));
    let Some((mut signed, checkpoint)) = begun else { return report };
    report.checkpoint = Some(checkpoint.clone());
    let is_replayed = replay(trust, evidence, before, now, &mut report, &mut signed, &checkpoint);
    signed.conclude(&mut report, is_replayed);
    report
}

/// Everything behind the checkpoint's own step. Whether governance was replayed to the end of it, which tells who signed that.
fn replay(
    trust: &Trust,
    evidence: &Evidence,
    before: Option<&GovernedBefore>,
    now: Time,
    report: &mut Report,
    signed: &mut SignedBy,
    checkpoint: &Checkpoint,
) -> bool {
    let Some(leaves) = report.step("leaves", || leaves_step(evidence, checkpoint)) else { return false };
    if report.step("blobs", || blobs_step(evidence, &leaves)).is_none() {
        return false;
    }
    let genesis = || {
        let first = leaves.first().filter(|placed| placed.index == 0);
        genesis_step(trust, first.ok_or_else(|| Failure::new("entry 0 is not in the copy"))?.entry.as_ref())
    };
    if report.step("genesis", genesis).is_none() {
        return false;
    }
    let mut decisions = Decisions::default();
    let replayed =
        report.step("statements", || statements_step(evidence, &leaves, before, now, &mut decisions, signed));
    let (state, begun) = replayed.unzip();
    report.begun = begun.flatten();
    // What was decided before the part that is newer than this program is run again all the same.
    if state.is_none() && !report.steps.iter().any(|step| step.verdict == Verdict::Newer) {
        return false;
    }
    let is_replayed = state.is_some();
    report.decisions(&decisions);
    if report.nothing_against() {
        report.log_keys = Some(signed.keys().clone());
        report.conclude(completeness_of(trust, evidence, checkpoint, (&leaves, signed), now), state);
    }
    is_replayed
}

/// A leaf of the copy.
struct Placed {
    index: u64,
    /// Refused where this program cannot read it. That is no reason to call the log broken before it is known by which
    /// semantics the leaf was written.
    entry: Result<Entry, Refusal>,
}

impl Placed {
    fn read(&self) -> Result<&Entry, Failure> {
        self.entry.as_ref().map_err(|e| Failure::refused(self.index, e))
    }
}

/// The leaves of the copy, in their order.
fn leaves_step(evidence: &Evidence, checkpoint: &Checkpoint) -> Result<(Vec<Placed>, String), Failure> {
    if let Some(index) = evidence.leaves.keys().find(|index| **index >= checkpoint.size) {
        return Err(Failure::beyond(*index, checkpoint.size));
    }
    let mut placed = Vec::with_capacity(evidence.leaves.len());
    for (index, bytes) in &evidence.leaves {
        let proof = evidence
            .proofs
            .get(index)
            .ok_or_else(|| Failure::at(*index, format!("leaf {index} has no proof of inclusion")))?;
        tree::verify_inclusion(&Hash::leaf(bytes), *index, checkpoint.size, proof, &checkpoint.root)
            .map_err(|e| Failure::at(*index, format!("leaf {index} is not under the checkpoint: {e}")))?;
        placed.push(Placed { index: *index, entry: Entry::parse(bytes) });
    }
    let detail = format!("{} of {} proved to be under the checkpoint", placed.len(), checkpoint.size);
    Ok((placed, detail))
}

/// Every blob that is there has the digest that it is filed under; a changed one is named by the first leaf that names it.
fn blobs_step(evidence: &Evidence, leaves: &[Placed]) -> Result<((), String), Failure> {
    let changed: BTreeSet<Digest> =
        evidence.blobs.iter().filter(|(digest, bytes)| Digest::of(bytes) != **digest).map(|(d, _)| *d).collect();
    if changed.is_empty() {
        return Ok(((), format!("{} hash to their names", count(evidence.blobs.len() as u64, "blob"))));
    }
    let blob = |digest: &Digest| evidence.blobs.get(digest).cloned();
    for placed in leaves {
        let Ok(entry) = &placed.entry else { continue };
        let named = ReadLeaf::named(entry, &blob);
        if let Some(digest) = named.iter().find(|digest| changed.contains(*digest)) {
            return Err(changed_blob(placed.index, entry, digest));
        }
    }
    Err(Failure::new(format!("{} changed", count(changed.len() as u64, "blob that no leaf names was"))))
}

fn statements_step(
    evidence: &Evidence,
    leaves: &[Placed],
    before: Option<&GovernedBefore>,
    now: Time,
    decisions: &mut Decisions,
    signed: &mut SignedBy,
    // The state, and governance as it stood when the change began; at the end where there is no change.
) -> Result<((State, Option<GovernedBefore>), String), Failure> {
    let blob = |digest: &Digest| evidence.blobs.get(digest).cloned();
    let (first, rest) = leaves.split_first().ok_or_else(|| Failure::new("the copy has no leaves"))?;
    let first = first.read()?;
    let governance = governance_stream().map_err(|e| Failure::new(e.to_string()))?;
    if !evidence.streams.contains(&governance) {
        return Err(Failure::new("the governance stream is not in the copy, and nothing can be judged without it"));
    }
    let mut state = match before {
        None => State::genesis(first, &blob).map_err(|e| Failure::refused(0, &e))?.confined(evidence.streams.clone()),
        Some(before) => {
            let mut state = State::part(Arc::clone(&before.governance)).confined(evidence.streams.clone());
            state.know(governance.clone(), before.head);
            state
        }
    };
    match before {
        None => signed.found(&state),
        Some(before) => signed.behind(before.index, &state),
    }
    let mut order = Order::after(first);
    let mut begun = None;
    let mut last_governed = before.map_or(0, |before| before.index);
    for placed in rest {
        let index = placed.index;
        readable(&state, Some(index))?;
        let entry = placed.read()?;
        order.next(index, entry, now, &state.governance.record)?;
        if before.is_some_and(|before| index <= before.index)
            && let Body::KeyRotation(_) | Body::Recovery(_) = entry.signed.statement().body
        {
            // That governance says it already; here it only keeps its place.
            state.follow_told(entry).map_err(|e| Failure::refused(index, &e))?;
            continue;
        }
        if let Some(before) = before {
            told_by_now(&mut state, before, index, entry, &blob)?;
        }
        // A decision is run on the state that it was taken from, so before its own leaf is folded. Of a change that is not
        // here there is no such state.
        let home = entry.leaf.lines().first().map(|home| &home.stream);
        if home == Some(&governance) {
            last_governed = index;
        } else if begun.is_none()
            && begins_an_ordinary_change(&entry.signed.statement().body)
            && home.is_some_and(|home| evidence.streams.contains(home))
        {
            let head = state.head(&governance).map_err(|e| Failure::refused(index, &e))?;
            begun = Some(GovernedBefore { head, index: last_governed, governance: Arc::clone(&state.governance) });
        }
        let is_elsewhere = entry.leaf.lines().first().is_some_and(|home| state.is_foreign(&home.stream));
        let decided = match &entry.signed.statement().body {
            Body::Decided(decided) if !is_elsewhere => Some(decide_again(&state, decided, &blob)),
            _ => None,
        };
        state.by_later(before.is_some_and(|before| index < before.index));
        state.fold(entry, &blob).map_err(|e| Failure::refused(index, &e))?;
        signed.behind(index, &state);
        if let Some(result) = decided {
            decisions.add(index, result);
        }
        decisions.erased(&entry.signed.statement().body);
    }
    readable(&state, None)?;
    // Without a change, the next part goes on from where this one ends.
    let head = state.head(&governance).map_err(|e| Failure::new(e.to_string()))?;
    begun.get_or_insert_with(|| GovernedBefore {
        head,
        index: last_governed,
        governance: Arc::clone(&state.governance),
    });
    let detail = replayed(leaves.len() as u64, &state);
    Ok(((state, begun), detail))
}

/// Those of what governs come along because a publication stands on them: that is how governance came to be what it is.
fn begins_an_ordinary_change(body: &Body) -> bool {
    matches!(body, Body::Proposal(proposal) if !proposal.subject.is_governance())
}

/// What stands before the governance that a part goes on from was said under an earlier one. Stops and registrations of those
/// who speak in the part are taken by the later; for anything else the part has to begin at the beginning. And governance that
/// was kept has to be read before it is published over.
fn told_by_now(
    state: &mut State,
    before: &GovernedBefore,
    index: u64,
    entry: &Entry,
    blob: &Blobs<'_>,
) -> Result<(), Failure> {
    // What is at home elsewhere only keeps its place.
    let is_elsewhere = entry.leaf.lines().first().is_some_and(|home| state.is_foreign(&home.stream));
    match &entry.signed.statement().body {
        _ if is_elsewhere => {}
        Body::KeyRevocation(_) | Body::RevocationConfirmation(_) | Body::GateRegistration(_) => {}
        body if index > before.index && body.replaces_governance() && !state.governance.is_read() => {
            let record = state.governance.record.clone();
            let read = Governance::load(record, blob).map_err(|e| Failure::refused(index, &e))?;
            state.governance = Arc::new(read);
        }
        _ if index < before.index => {
            return Err(Failure::at(index, format!("leaf {index} stands before the governance that was verified")));
        }
        _ => {}
    }
    Ok(())
}

/// What the step says of statements that hold.
pub(super) fn replayed(statements: u64, state: &State) -> String {
    let begun = |epoch: &EpochRecord| format!("; epoch {} begun behind {} leaves", epoch.number, epoch.after.size);
    let epochs: String = state.governance.record.epochs.iter().map(begun).collect();
    format!(
        "{} replayed: signed by keys that held, admitted, and in unbroken streams{epochs}",
        count(statements, "statement")
    )
}

/// How far followers vouch for a copy in which everything else holds.
fn completeness_of(
    trust: &Trust,
    evidence: &Evidence,
    checkpoint: &Checkpoint,
    (leaves, signed): (&[Placed], &SignedBy),
    now: Time,
) -> Result<Completeness, Failure> {
    let note = completeness::cosigned(&evidence.checkpoint, evidence.cosigned.as_deref(), signed.keys())?;
    // A part does not tell what the root of fewer leaves was.
    completeness::continues(note.checkpoint(), checkpoint, None)?;
    let vouching = trust.vouching(Some(&note), now, u64::MAX);
    let until = unbroken_from_last_decisions(leaves, &evidence.streams);
    Ok(Completeness { vouching, until, size: note.checkpoint().size, whole: false })
}

/// For each change whose stream is here whole, the last leaf of those that follow its last decision or permit without a gap.
fn unbroken_from_last_decisions(leaves: &[Placed], streams: &BTreeSet<StreamId>) -> BTreeMap<ChangeId, u64> {
    let mut last: BTreeMap<ChangeId, u64> = BTreeMap::new();
    for Placed { index, entry } in leaves {
        let Ok(entry) = entry else { continue };
        let home = entry.leaf.lines().first();
        let change = match &entry.signed.statement().body {
            Body::Decided(decided) => &decided.change,
            Body::PermitGrant(grant) => &grant.change,
            _ => continue,
        };
        if home.is_some_and(|home| streams.contains(&home.stream)) {
            last.insert(change.clone(), *index);
        }
    }
    let indices: BTreeSet<u64> = leaves.iter().map(|placed| placed.index).collect();
    for until in last.values_mut() {
        while indices.contains(&until.saturating_add(1)) {
            *until = until.saturating_add(1);
        }
    }
    last
}
