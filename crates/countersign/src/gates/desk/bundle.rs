//! Opening by a change's bundle instead of by a copy of the log, for whoever cannot follow: only where `trust.json` names
//! cosigners, and under enough fresh cosignatures.
//!
//! ```text
//!  … what people signed … request, decision, permit │ whatever came since │ the cosigned checkpoint
//!      complete: followers refuse a log with another │ all of it is in the │ fresh: the log has not
//!      decision, or whose streams stood elsewhere    │ bundle              │ gone on elsewhere
//! ```
//!
//! A bundle alone proves presence. Followers, who read every leaf, cosign nothing in which a decision or a permit stands on
//! other heads than there were, so that up to the permit nothing that it depends on was left out. From there on every leaf has
//! to be here, and none may stand in a stream that the decision depends on: then the state is the one that was decided from.
//!
//! Invariant: whatever is unclear keeps the gate shut; whoever follows may find out more.

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    decision::Outcome,
    explain,
    ids::ChangeId,
    presence::Presence,
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{Body, Decided, Statement},
    subject::Transition,
    trust::Trust,
    verify::{Evidence, Verdict, verify},
};
use countersign_ledger::{Digest, Fingerprint, Leaf, SignedCheckpoint, StreamId, Time};

use super::{DeskError, Judged, Opening, good_permit, vouched};
use crate::{
    bundle::Bundle,
    follower::FollowError,
    gates::stops::{Stop, Stops},
    reading::wrong_trust,
};

/// What is to be opened.
#[derive(Debug)]
pub struct Asked<'a> {
    pub trust: &'a Trust,
    pub change: &'a ChangeId,
    /// The permit that the log gave.
    pub permit: &'a Digest,
    /// The key that it was given to.
    pub key: &'a Fingerprint,
    pub transition: &'a Transition,
    /// What was handed to this machine directly.
    pub stops: &'a Stops,
}

/// Whether a bundle has come so far that [`open`] can say something: its permit is in it, under a checkpoint that others
/// cosigned. Until then it is worth asking for again.
pub fn is_ripe(trust: &Trust, evidence: &Evidence, permit: &Digest) -> bool {
    let cosigned = SignedCheckpoint::open(&evidence.checkpoint, &trust.log_key).is_ok_and(|note| note.others() > 0);
    cosigned && place_of(evidence, permit).is_some()
}

/// Whether bundles can open anything here at all.
pub fn is_enough(trust: &Trust) -> Result<(), Refusal> {
    if trust.cosigners.is_some() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "no-cosigners",
        "a bundle opens nothing by itself: it proves what is in the log, and not what was left out",
    )
    .hint("follow the log instead (leave --by-bundle away), or pin cosigners: countersign trust add-cosigner --help"))
}

/// Opens for a permit by the bundle of its change.
pub fn open(asked: &Asked<'_>, bundle: &Bundle, now: Time) -> Result<Opening, DeskError> {
    let Asked { trust, change: id, permit, key, transition, stops } = asked;
    is_enough(trust)?;
    let Whole { mut state, change, size } = whole(trust, &bundle.evidence, id, now, "leave --by-bundle away")?;
    let evidence = &bundle.evidence;
    let record = good_permit(&change, permit, key, transition, state.governance.record.header_epoch(), now)?.clone();
    let inputs = change.inputs(&state.governance, None)?;
    obey(&mut state, &change, stops, &inputs, size, now)?;
    let change = state.change(id)?.unwrap_or(&change).clone();
    let snapshot = Snapshot::take(&state, &change, now)?;
    let decision = decide::decide(&state.governance.rules, &snapshot, now);
    match decision.outcome {
        Outcome::Allow => {}
        Outcome::Deny => {
            let explanation = explain::explain(&decision, &state, &change, &Presence::default(), now)?;
            return Err(DeskError::Denied(Box::new(Judged { decision, explanation, handed: Vec::new() })));
        }
    }
    stands_still(evidence, permit)?;
    let note = SignedCheckpoint::open(&evidence.checkpoint, &trust.log_key).map_err(FollowError::from)?;
    vouched(trust, Some(&note), &snapshot, now)?;
    Ok(Opening { change, permit: record })
}

/// What a bundle says of its change, where nothing is missing that bears on it, by the word of enough followers.
#[derive(Debug)]
pub(super) struct Whole {
    pub state: State,
    pub change: Change,
    /// How many leaves the log had.
    pub size: u64,
}

/// Reads a bundle of which enough followers vouch that nothing is missing up to its checkpoint. `instead` is what else there is.
pub(super) fn whole(
    trust: &Trust,
    evidence: &Evidence,
    id: &ChangeId,
    now: Time,
    instead: &str,
) -> Result<Whole, DeskError> {
    let report = verify(trust, evidence, now);
    let failed = report.steps.iter().find(|step| match step.verdict {
        Verdict::Broken | Verdict::Newer => true,
        Verdict::Holds | Verdict::NotChecked => false,
    });
    if let Some(step) = failed.filter(|step| step.verdict == Verdict::Broken && step.is_by_the_trust_file()) {
        return Err(wrong_trust(&step.detail).into());
    }
    let why = failed.map_or("it is not whole", |step| step.detail.as_str());
    let (Some(state), Some(complete)) = (report.state, report.completeness) else {
        return Err(broken(why).into());
    };
    let change = state.change(id)?.cloned().ok_or_else(|| broken("it has no such change"))?;
    if complete.until(Some(id)).and_then(|until| until.checked_add(1)) != Some(complete.size) {
        let words = complete.words(Some(id));
        return Err(Refusal::forbidden("bundle-incomplete", format!("the bundle does not suffice: {words}"))
            .hint(format!("try again; if it stays so, follow the log instead ({instead})"))
            .into());
    }
    Ok(Whole { state, change, size: complete.size })
}

/// Obeys what was handed to this machine and bears on the change of a bundle. Gives what each says.
pub(super) fn obey(
    state: &mut State,
    change: &Change,
    stops: &Stops,
    inputs: &BTreeSet<StreamId>,
    size: u64,
    now: Time,
) -> Result<Vec<String>, DeskError> {
    let unclear = |what: &str, stop: &Stop| {
        let unclear = format!("{what} what was handed to this machine, only the log tells: {}", stop.words());
        Refusal::forbidden("stop-unclear", unclear)
            .hint("a bundle has no change but its own: whoever follows the log finds out")
    };
    let concerns = |stop: &Stop| stop.may_concern(change, inputs) && !stop.is_of_no_revision(change, size);
    let mut obeyed = Vec::new();
    for stop in stops.all()?.iter().filter(|stop| concerns(stop)) {
        match stop.holds(state, change)? {
            Some(true) => obeyed.extend(stop.obeyed(state, now)?),
            Some(false) => {}
            None => return Err(unclear("whether this is the content of", stop).into()),
        }
    }
    // Nobody follows here, who would find out whose it is.
    if let Some(stop) = stops.unchecked()?.iter().find(|stop| concerns(stop)) {
        return Err(unclear("whose it is,", stop).into());
    }
    Ok(obeyed)
}

fn broken(why: &str) -> Refusal {
    Refusal::malformed("bundle-broken", format!("what the server sent does not verify: {why}"))
        .hint("nothing was run. Tell whoever runs the server: either it is damaged, or somebody has taken it over")
}

/// The leaf in which a statement stands.
pub(super) fn place_of(evidence: &Evidence, payload: &Digest) -> Option<u64> {
    let is_it = |bytes: &[u8]| Leaf::parse(bytes).is_ok_and(|leaf| leaf.envelope.payload_digest() == *payload);
    evidence.leaves.iter().rev().find(|(_, bytes)| is_it(bytes)).map(|(index, _)| *index)
}

fn body_in(bytes: &[u8]) -> Option<Body> {
    let leaf = Leaf::parse(bytes).ok()?;
    Some(Statement::parse(leaf.envelope.payload()).ok()?.body)
}

/// Nothing has come since the permit that stands in a stream which its decision was taken from. Gives that decision.
pub(super) fn stands_still(evidence: &Evidence, permit: &Digest) -> Result<Decided, Refusal> {
    let missing = || Refusal::forbidden("permit-not-logged", "the permit is not in the log");
    let place = place_of(evidence, permit).ok_or_else(missing)?;
    let Some(Body::PermitGrant(grant)) = evidence.leaves.get(&place).and_then(|bytes| body_in(bytes)) else {
        return Err(missing());
    };
    let decided = evidence.leaves.range(..place).rev().find_map(|(_, bytes)| match body_in(bytes)? {
        Body::Decided(decided) if decided.decision == grant.decision && decided.change == grant.change => Some(decided),
        _ => None,
    });
    let decided = decided.ok_or_else(missing)?;
    let inputs: BTreeSet<&StreamId> = decided.heads.keys().collect();
    for (index, bytes) in evidence.leaves.range(place.saturating_add(1)..) {
        let leaf = Leaf::parse(bytes).map_err(|error| broken(&format!("leaf {index}: {error}")))?;
        if let Some(line) = leaf.lines().iter().find(|line| inputs.contains(&line.stream)) {
            let moved = format!("the log has gone on since the permit: leaf {index} is in {}", line.stream);
            return Err(Refusal::conflict("log-moved", moved).hint("try again, so that a new permit is asked for"));
        }
    }
    Ok(decided)
}
