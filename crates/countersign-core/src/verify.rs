//! Verification: what somebody can establish who trusts nobody but their own `trust.json`.
//!
//! It reads a copy of the log (whole, or the streams of one change), replays it from genesis with the same code as the
//! engine, checks every signature against the keys that held at that leaf, runs every decision again, and says a verdict
//! for each step, with the index of the first leaf that does not hold.
//!
//! A part of a log proves presence, not absence: streams are complete up to the heads that the last decision names.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{
    Digest, Hash, Leaf, Time,
    checkpoint::{self, Checkpoint},
    tree,
};
use serde::{Deserialize, Serialize};

use crate::{
    decision::Decision,
    rules::decide,
    semantics::NEWEST_SEMANTICS,
    snapshot::Snapshot,
    state::{State, Touched},
    statement::{Body, Decided, SeenCheckpoint, Statement},
};

/// What the verifier pinned beforehand: the contents of `trust.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// Signed-note verifier key: `origin+hash+base64`.
    pub log_key: String,
    /// Payload digest of the genesis.
    pub genesis: Digest,
    /// How many founders can together begin a new epoch when keys are lost.
    pub recovery_quorum: u32,
}

pub const TRUST_VERSION: u32 = 1;

/// A copy of a log, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// A signed checkpoint.
    pub checkpoint: String,
    pub leaves: BTreeMap<u64, Vec<u8>>,
    /// Inclusion proofs of the leaves under the checkpoint, where not all leaves are there.
    pub proofs: BTreeMap<u64, Vec<Hash>>,
    /// Leaf hashes of the whole log, where the copy has them: they tell which leaf was changed.
    pub hashes: Vec<Hash>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Broken,
    /// By semantics that this program does not know: not broken, and not checked.
    Newer,
    /// Nothing to check, or a step before it is broken.
    NotChecked,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub verdict: Verdict,
    pub detail: String,
    /// The first leaf that does not hold.
    pub index: Option<u64>,
}

#[derive(Debug)]
pub struct Report {
    pub steps: Vec<Step>,
    pub checkpoint: Option<Checkpoint>,
    /// The state at the end of the copy, if all steps hold.
    pub state: Option<State>,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.nothing_against() && self.state.is_some()
    }

    fn nothing_against(&self) -> bool {
        self.steps.iter().all(|step| match step.verdict {
            Verdict::Holds | Verdict::NotChecked => true,
            Verdict::Broken | Verdict::Newer => false,
        })
    }

    /// The first leaf that does not hold.
    pub fn first_broken(&self) -> Option<u64> {
        self.steps.iter().filter(|step| step.verdict == Verdict::Broken).find_map(|step| step.index)
    }
}

/// A step that failed: why, and at which leaf.
struct Failure {
    detail: String,
    index: Option<u64>,
}

impl Failure {
    fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), index: None }
    }

    fn at(index: u64, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), index: Some(index) }
    }
}

/// Verifies a copy of the log against what was pinned.
pub fn verify(trust: &Trust, evidence: &Evidence, now: Time) -> Report {
    let mut report = Report { steps: Vec::new(), checkpoint: None, state: None };
    report.checkpoint = report.step("checkpoint", || checkpoint_step(trust, evidence));
    let Some(checkpoint) = report.checkpoint.clone() else { return report };
    let Some(leaves) = report.step("leaves", || leaves_step(trust, evidence, &checkpoint, now)) else { return report };
    if report.step("blobs", || blobs_step(evidence, &leaves.placed)).is_none() {
        return report;
    }
    if report.step("genesis", || genesis_step(trust, &leaves.placed)).is_none() {
        return report;
    }
    let mut decisions = Vec::new();
    let Some(state) = report.step("statements", || statements_step(evidence, &leaves, now, &mut decisions)) else {
        return report;
    };
    report.decisions(&decisions);
    if report.nothing_against() {
        report.state = Some(state);
    }
    report
}

impl Report {
    fn step<T>(&mut self, name: &'static str, check: impl FnOnce() -> Result<(T, String), Failure>) -> Option<T> {
        match check() {
            Ok((value, detail)) => {
                self.steps.push(Step { name, verdict: Verdict::Holds, detail, index: None });
                Some(value)
            }
            Err(failure) => {
                self.steps.push(Step { name, verdict: Verdict::Broken, detail: failure.detail, index: failure.index });
                None
            }
        }
    }

    fn decisions(&mut self, decisions: &[Rerun]) {
        let broken = decisions.iter().find_map(|rerun| match &rerun.result {
            RerunResult::Differs(why) => Some(Failure::at(rerun.index, why.clone())),
            RerunResult::Same | RerunResult::Newer(_) => None,
        });
        let newer = decisions.iter().find_map(|rerun| match &rerun.result {
            RerunResult::Newer(semantics) => Some((rerun.index, semantics)),
            RerunResult::Same | RerunResult::Differs(_) => None,
        });
        let step = match (broken, newer) {
            (Some(failure), _) => {
                Step { name: "decisions", verdict: Verdict::Broken, detail: failure.detail, index: failure.index }
            }
            (None, Some((index, semantics))) => Step {
                name: "decisions",
                verdict: Verdict::Newer,
                detail: format!(
                    "newer than this program: leaf {index} was decided by semantics {semantics}, this program knows \
                     {NEWEST_SEMANTICS}"
                ),
                index: Some(index),
            },
            (None, None) if decisions.is_empty() => Step {
                name: "decisions",
                verdict: Verdict::NotChecked,
                detail: "there is no decision to run again".to_owned(),
                index: None,
            },
            (None, None) => Step {
                name: "decisions",
                verdict: Verdict::Holds,
                detail: format!("{} run again with the same result", count(decisions.len(), "decision")),
                index: None,
            },
        };
        self.steps.push(step);
    }
}

fn checkpoint_step(trust: &Trust, evidence: &Evidence) -> Result<(Checkpoint, String), Failure> {
    let checkpoint = checkpoint::open(&evidence.checkpoint, &trust.log_key)
        .map_err(|e| Failure::new(format!("the checkpoint is not signed by the pinned log key: {e}")))?;
    if checkpoint.origin != trust.origin {
        return Err(Failure::new(format!("it is of log `{}`, pinned is `{}`", checkpoint.origin, trust.origin)));
    }
    let detail = format!("{} leaves of {}, root {}", checkpoint.size, checkpoint.origin, checkpoint.root);
    Ok((checkpoint, detail))
}

/// A leaf with what is known of it.
struct Placed {
    index: u64,
    hash: Hash,
    leaf: Leaf,
}

/// The leaves of the copy, in their order.
struct Leaves {
    placed: Vec<Placed>,
    /// Whether they are the whole log.
    whole: bool,
}

fn leaves_step(
    trust: &Trust,
    evidence: &Evidence,
    checkpoint: &Checkpoint,
    now: Time,
) -> Result<(Leaves, String), Failure> {
    if let Some(index) = evidence.leaves.keys().find(|index| **index >= checkpoint.size) {
        return Err(Failure::at(*index, format!("leaf {index} is not under a checkpoint of {}", checkpoint.size)));
    }
    // A part of a log comes with proofs.
    let whole = evidence.proofs.is_empty();
    if whole {
        if let Some(index) = (0..checkpoint.size).find(|index| !evidence.leaves.contains_key(index)) {
            return Err(Failure::at(index, format!("leaf {index} of {} is missing", checkpoint.size)));
        }
        // Which leaf, before whether: a changed leaf shows against its stored hash.
        for ((index, bytes), stored) in evidence.leaves.iter().zip(&evidence.hashes) {
            if Hash::leaf(bytes) != *stored {
                return Err(Failure::at(*index, format!("leaf {index} does not hash to what the log's tile says")));
            }
        }
    }
    let mut placed = Vec::with_capacity(evidence.leaves.len());
    for (index, bytes) in &evidence.leaves {
        let hash = Hash::leaf(bytes);
        if !whole {
            let proof = evidence
                .proofs
                .get(index)
                .ok_or_else(|| Failure::at(*index, format!("leaf {index} has no proof of inclusion")))?;
            tree::verify_inclusion(&hash, *index, checkpoint.size, proof, &checkpoint.root)
                .map_err(|e| Failure::at(*index, format!("leaf {index} is not under the checkpoint: {e}")))?;
        }
        let leaf = Leaf::parse(bytes).map_err(|e| Failure::at(*index, format!("leaf {index} is malformed: {e}")))?;
        placed.push(Placed { index: *index, hash, leaf });
    }
    let leaves = Leaves { placed, whole };
    if whole && leaves.root() != checkpoint.root {
        return Err(leaves.suspect(trust, evidence, now));
    }
    let held = leaves.placed.len();
    let detail = if whole {
        format!("all {held} hash to the checkpoint's root")
    } else {
        format!("{held} of {} proved to be under the checkpoint", checkpoint.size)
    };
    Ok((leaves, detail))
}

impl Leaves {
    fn root(&self) -> Hash {
        let mut frontier = tree::Frontier::new();
        for leaf in &self.placed {
            frontier.push(leaf.hash);
        }
        frontier.root()
    }

    /// Why the leaves do not hash to the root, as far as a leaf betrays itself: by its signature, its place in its stream,
    /// or a checkpoint that somebody after it had seen.
    fn suspect(&self, trust: &Trust, evidence: &Evidence, now: Time) -> Failure {
        const DETAIL: &str = "the leaves do not hash to the checkpoint's root";
        let replayed = || statements_step(evidence, self, now, &mut Vec::new());
        let found = genesis_step(trust, &self.placed).err().or_else(|| replayed().err());
        match found {
            Some(Failure { detail, index }) => Failure { detail: format!("{DETAIL}: {detail}"), index },
            None => Failure::new(DETAIL),
        }
    }
}

/// Every blob that is there has the digest that it is filed under; a changed one is named by the first leaf that names it.
fn blobs_step(evidence: &Evidence, leaves: &[Placed]) -> Result<((), String), Failure> {
    let changed: BTreeSet<Digest> =
        evidence.blobs.iter().filter(|(digest, bytes)| Digest::of(bytes) != **digest).map(|(d, _)| *d).collect();
    if changed.is_empty() {
        return Ok(((), format!("{} hash to their names", count(evidence.blobs.len(), "blob"))));
    }
    for placed in leaves {
        let Ok(statement) = Statement::parse(placed.leaf.envelope.payload()) else { continue };
        let named = statement.body.blobs();
        if let Some(digest) = named.iter().find(|digest| changed.contains(*digest)) {
            return Err(Failure::at(
                placed.index,
                format!("blob {digest}, which leaf {} ({}) names, was changed", placed.index, statement.body.kind()),
            ));
        }
    }
    Err(Failure::new(format!("{} changed", count(changed.len(), "blob that no leaf names was"))))
}

fn genesis_step(trust: &Trust, leaves: &[Placed]) -> Result<((), String), Failure> {
    let first =
        leaves.first().filter(|placed| placed.index == 0).ok_or_else(|| Failure::new("entry 0 is not in the copy"))?;
    let digest = first.leaf.envelope.payload_digest();
    if digest != trust.genesis {
        return Err(Failure::at(0, format!("entry 0 is {digest}, pinned is {}", trust.genesis)));
    }
    Ok(((), format!("entry 0 is the pinned {digest}")))
}

/// A decision of the log, run again.
struct Rerun {
    index: u64,
    result: RerunResult,
}

enum RerunResult {
    Same,
    /// Decided by these semantics.
    Newer(u32),
    Differs(String),
}

fn statements_step(
    evidence: &Evidence,
    leaves: &Leaves,
    now: Time,
    decisions: &mut Vec<Rerun>,
) -> Result<(State, String), Failure> {
    let blob = |digest: &Digest| evidence.blobs.get(digest).cloned();
    let (first, rest) = leaves.placed.split_first().ok_or_else(|| Failure::new("the copy has no leaves"))?;
    let mut state = State::genesis(&first.leaf, first.hash, &blob).map_err(|e| Failure::at(0, e.to_string()))?;
    let pinned_key = state.governance.record.log_key.clone();
    let mut seen = BTreeSet::from([first.leaf.envelope.payload_digest()]);
    let mut last_time = first.leaf.admitted_at;
    let seen_roots = SeenRoots::of(leaves);
    for placed in rest {
        let at = |detail: String| Failure::at(placed.index, format!("leaf {}: {detail}", placed.index));
        if placed.leaf.admitted_at < last_time {
            return Err(at("it was admitted before the leaf that it follows".to_owned()));
        }
        last_time = placed.leaf.admitted_at;
        if last_time > now.plus_secs(CLOCK_SLACK_SECS) {
            return Err(at("it was admitted in the future".to_owned()));
        }
        if !seen.insert(placed.leaf.envelope.payload_digest()) {
            return Err(at("the same statement is there a second time".to_owned()));
        }
        // A decision is run on the state that it was taken from, so before its own leaf is folded.
        let statement = Statement::parse(placed.leaf.envelope.payload()).map_err(|e| at(e.to_string()))?;
        let named = statement.header.checkpoint;
        if named.size > placed.index {
            return Err(at("it names a checkpoint that was not there yet".to_owned()));
        }
        if !seen_roots.allow(&named) {
            return Err(at(format!(
                "whoever signed it had seen the first {} leaves hash to {}; they do not: one of them was changed",
                named.size, named.root
            )));
        }
        if let Body::Decided(decided) = &statement.body {
            decisions.push(Rerun { index: placed.index, result: run_again(&state, decided, &blob) });
        }
        let touched = state.fold(&placed.leaf, placed.hash, &blob).map_err(|e| at(e.to_string()))?;
        match touched {
            Touched::Governance if state.governance.record.log_key != pinned_key => {
                return Err(at("the log key changed".to_owned()));
            }
            Touched::Governance | Touched::Change(_) => {}
        }
    }
    let detail = format!(
        "{} replayed: signed by keys that held, admitted, and in unbroken streams",
        count(leaves.placed.len(), "statement")
    );
    Ok((state, detail))
}

/// The roots of the log at every size, as far as a copy of the whole log gives them. Every statement names one that its
/// signer had seen: who rewrites the log, even with its key, would have to make those people sign again.
struct SeenRoots(Option<Vec<Hash>>);

impl SeenRoots {
    fn of(leaves: &Leaves) -> Self {
        if !leaves.whole {
            return Self(None);
        }
        let mut frontier = tree::Frontier::new();
        let mut roots = Vec::with_capacity(leaves.placed.len().saturating_add(1));
        roots.push(frontier.root());
        for leaf in &leaves.placed {
            frontier.push(leaf.hash);
            roots.push(frontier.root());
        }
        Self(Some(roots))
    }

    fn allow(&self, named: &SeenCheckpoint) -> bool {
        let Some(roots) = &self.0 else { return true };
        usize::try_from(named.size).ok().and_then(|size| roots.get(size)) == Some(&named.root)
    }
}

/// How far a log's clock may be ahead of the verifier's.
const CLOCK_SLACK_SECS: i64 = 300;

/// Decides again from the replayed state and compares with what the log says was decided.
fn run_again(state: &State, decided: &Decided, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> RerunResult {
    let Some(change) = state.changes.get(&decided.change) else {
        return RerunResult::Differs(format!("there is no change {}", decided.change));
    };
    if decided.heads.governance != state.governance.record.head || decided.heads.change != change.head {
        return RerunResult::Differs("it was decided from other heads than the streams had".to_owned());
    }
    if decided.semantics > NEWEST_SEMANTICS {
        return RerunResult::Newer(decided.semantics);
    }
    if decided.semantics == 0 {
        return RerunResult::Differs("there are no semantics 0".to_owned());
    }
    let snapshot = match Snapshot::take(&state.governance, change) {
        Ok(snapshot) => snapshot,
        Err(e) => return RerunResult::Differs(e.to_string()),
    };
    if decided.rules != state.governance.rules.digest() {
        return RerunResult::Differs("it was decided by other rules than those in force".to_owned());
    }
    if snapshot.digest() != decided.snapshot {
        return RerunResult::Differs(format!(
            "the snapshot that the statements give is {}, the decision names {}",
            snapshot.digest(),
            decided.snapshot
        ));
    }
    let again = decide::decide(&state.governance.rules, &snapshot, decided.decided_at);
    if again.outcome != decided.outcome {
        return RerunResult::Differs(format!(
            "the rules say {:?} to what the log calls {:?}",
            again.outcome, decided.outcome
        ));
    }
    // The full decision may have been left out; where it is there, it has to be the same.
    match blob(&decided.decision).map(|bytes| serde_json::from_slice::<Decision>(&bytes)) {
        None => RerunResult::Same,
        Some(Ok(logged)) if logged == again => RerunResult::Same,
        Some(Ok(_)) => RerunResult::Differs("the decision in the log is not what the rules say".to_owned()),
        Some(Err(e)) => RerunResult::Differs(format!("the decision in the log is malformed: {e}")),
    }
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
