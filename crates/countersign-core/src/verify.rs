//! Verification: what somebody can establish who trusts nobody but their own `trust.json`.
//!
//! It reads a copy of the log (whole, or the streams of one change), replays it from genesis with the same code as the
//! engine, checks every signature against the keys that held at that leaf, runs every decision again, and says a verdict
//! for each step, with the index of the first leaf that does not hold.
//!
//! A part of a log proves presence, not absence. Under a quorum of followers, who read every leaf and its header, it is
//! complete up to a change's last decision or permit (followers refuse those that stand on other heads than were there, or
//! that the rules do not give), and on from there as far as it has every leaf: see [`Completeness`].

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{
    Digest, Hash, StreamId, Time,
    checkpoint::{self, Checkpoint, SignedCheckpoint},
    tree,
};
use serde::{Deserialize, Serialize};

use crate::{
    decision::Decision,
    fold::Entry,
    governance::{Blobs, read_manifest},
    ids::ChangeId,
    refusal::{Refusal, RefusalClass},
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{Body, Decided, SeenCheckpoint, governance_stream},
    trust::{Trust, Vouching},
};

/// A copy of a log, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// A signed checkpoint.
    pub checkpoint: String,
    /// The newest checkpoint that others cosigned, where it is another one than that.
    pub cosigned: Option<String>,
    pub leaves: BTreeMap<u64, Vec<u8>>,
    /// Inclusion proofs of the leaves under the checkpoint, where not all leaves are there.
    pub proofs: BTreeMap<u64, Vec<Hash>>,
    /// Leaf hashes of the whole log, where the copy has them: they tell which leaf was changed.
    pub hashes: Vec<Hash>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// The streams that are here whole, where not the whole log is. Their leaves may stand in others, too.
    pub streams: BTreeSet<StreamId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Broken,
    /// Of a later semantics than this program knows: not broken, not readable here.
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
    /// How far nothing can have been left out, if all steps hold.
    pub completeness: Option<Completeness>,
}

/// How far a copy of a log can be without anything left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Completeness {
    /// Whether enough followers cosigned, however long ago.
    pub vouching: Vouching,
    /// Of a part of a log, the changes and the leaf up to which they vouch that nothing is missing which bears on it: its last
    /// decision or permit, or a later leaf if the copy has all between.
    until: BTreeMap<ChangeId, u64>,
    /// The size of the log that was cosigned.
    pub size: u64,
    /// Whether the copy is of the whole log.
    pub whole: bool,
}

impl Completeness {
    /// The leaf up to which enough followers vouch that nothing is missing which bears on a change; `None` for what bears on
    /// anything, which only a whole log has.
    pub fn until(&self, change: Option<&ChangeId>) -> Option<u64> {
        match (&self.vouching, self.whole, change) {
            (Vouching::Nobody | Vouching::Short(_), ..) | (Vouching::Enough { .. }, false, None) => None,
            (Vouching::Enough { .. }, true, _) => self.size.checked_sub(1),
            (Vouching::Enough { .. }, false, Some(change)) => self.until.get(change).copied(),
        }
    }

    /// One line for a reader.
    pub fn words(&self, change: Option<&ChangeId>) -> String {
        // A whole log has all that is under its checkpoint; whether others saw the same one is what it lacks.
        let otherwise = if self.whole { "nobody vouches that this is the only log" } else { "presence only" };
        let (counted, operators) = match &self.vouching {
            Vouching::Enough { counted, operators } => (counted.len(), *operators),
            Vouching::Short(error) => return format!("{otherwise}: {error}"),
            Vouching::Nobody => return format!("{otherwise}: the trust file names no cosigners"),
        };
        let cosigned = format!("{counted} of {operators} followers cosigned");
        match self.until(change) {
            Some(until) if until.saturating_add(1) == self.size => format!("complete ({cosigned}) up to leaf {until}"),
            Some(until) => {
                let last = self.size.saturating_sub(1);
                format!(
                    "complete ({cosigned}) up to leaf {until}; of what came later, up to leaf {last}, presence only"
                )
            }
            None => format!("presence only: {cosigned}, but no decision in it says what stood before"),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub verdict: Verdict,
    /// Stable, kebab-case.
    pub code: &'static str,
    pub detail: String,
    pub index: Option<u64>,
}

impl Failure {
    fn new(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, code: "broken", detail: detail.into(), index: None }
    }

    pub fn at(index: u64, detail: impl Into<String>) -> Self {
        Self { index: Some(index), ..Self::new(detail) }
    }

    /// A leaf that core refused.
    pub fn refused(index: u64, refusal: &Refusal) -> Self {
        let verdict = match refusal.class {
            RefusalClass::Newer => Verdict::Newer,
            RefusalClass::Malformed
            | RefusalClass::Unauthenticated
            | RefusalClass::Forbidden
            | RefusalClass::Unknown
            | RefusalClass::Conflict
            | RefusalClass::Denied => Verdict::Broken,
        };
        Self { verdict, code: refusal.code, ..Self::at(index, format!("leaf {index}: {refusal}")) }
    }
}

/// Verifies a copy of the log against what was pinned.
pub fn verify(trust: &Trust, evidence: &Evidence, now: Time) -> Report {
    let mut report = Report { steps: Vec::new(), checkpoint: None, state: None, completeness: None };
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
    let state = report.step("statements", || statements_step(evidence, &leaves, now, &mut decisions));
    // What was decided before the part that is newer than this program is run again all the same.
    if state.is_none() && !report.steps.iter().any(|step| step.verdict == Verdict::Newer) {
        return report;
    }
    report.decisions(&decisions);
    if report.nothing_against() {
        match completeness(trust, evidence, &checkpoint, &leaves, now) {
            Ok(complete) => {
                report.completeness = Some(complete);
                report.state = state;
            }
            Err(Failure { verdict, code: _, detail, index }) => {
                report.steps.push(Step { name: "cosigners", verdict, detail, index });
            }
        }
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
                let Failure { verdict, code: _, detail, index } = failure;
                self.steps.push(Step { name, verdict, detail, index });
                None
            }
        }
    }

    fn decisions(&mut self, decisions: &[Rerun]) {
        let broken = decisions.iter().find_map(|rerun| Some((rerun.index, rerun.result.as_ref().err()?)));
        let (verdict, detail, index) = match broken {
            Some((index, why)) => (Verdict::Broken, why.clone(), Some(index)),
            None if decisions.is_empty() => (Verdict::NotChecked, "there is no decision to run again".to_owned(), None),
            None => {
                let mut detail = format!("{} run again with the same result", count(decisions.len(), "decision"));
                let remembered = decisions.iter().filter(|rerun| rerun.result == Ok(Again::AfterErasure)).count();
                if remembered > 0 {
                    detail.push_str(&format!(
                        "; in {remembered} of them names were erased since, and whom the commits named is taken from the snapshot"
                    ));
                }
                (Verdict::Holds, detail, None)
            }
        };
        self.steps.push(Step { name: "decisions", verdict, detail, index });
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

/// A leaf of the copy.
struct Placed {
    index: u64,
    hash: Hash,
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
        placed.push(Placed { index: *index, hash, entry: Entry::parse(bytes) });
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

    /// The root of the first `size` leaves of a whole log.
    fn root_at(&self, size: u64) -> Option<Hash> {
        let size = usize::try_from(size).ok().filter(|size| self.whole && *size <= self.placed.len())?;
        let mut frontier = tree::Frontier::new();
        for leaf in self.placed.iter().take(size) {
            frontier.push(leaf.hash);
        }
        Some(frontier.root())
    }

    /// For each change whose stream is here whole, the last leaf of those that follow its last decision or permit without a
    /// gap.
    fn unbroken_from_last_decisions(&self, streams: &BTreeSet<StreamId>) -> BTreeMap<ChangeId, u64> {
        let mut last: BTreeMap<ChangeId, u64> = BTreeMap::new();
        for Placed { index, entry, hash: _ } in &self.placed {
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
        let indices: BTreeSet<u64> = self.placed.iter().map(|placed| placed.index).collect();
        for until in last.values_mut() {
            while indices.contains(&until.saturating_add(1)) {
                *until = until.saturating_add(1);
            }
        }
        last
    }

    /// Why the leaves do not hash to the root, as far as a leaf betrays itself: by its signature, its place in its stream,
    /// or a checkpoint that somebody after it had seen.
    fn suspect(&self, trust: &Trust, evidence: &Evidence, now: Time) -> Failure {
        const DETAIL: &str = "the leaves do not hash to the checkpoint's root";
        let replayed = || statements_step(evidence, self, now, &mut Vec::new());
        let found = genesis_step(trust, &self.placed).err().or_else(|| replayed().err());
        match found {
            Some(failure) => Failure { detail: format!("{DETAIL}: {}", failure.detail), ..failure },
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
    let blob = |digest: &Digest| evidence.blobs.get(digest).cloned();
    for placed in leaves {
        let Ok(entry) = &placed.entry else { continue };
        let body = &entry.signed.statement().body;
        let mut named = body.blobs();
        // Where the list of governance files is as it was, it names the file that is not.
        let files = body.governance_files().and_then(|files| read_manifest(&files, &blob).ok()).unwrap_or_default();
        named.extend(files.into_values().flatten());
        if let Some(digest) = named.iter().find(|digest| changed.contains(*digest)) {
            return Err(Failure::at(
                placed.index,
                format!("blob {digest}, which leaf {} ({}) names, was changed", placed.index, body.kind()),
            ));
        }
    }
    Err(Failure::new(format!("{} changed", count(changed.len(), "blob that no leaf names was"))))
}

fn genesis_step(trust: &Trust, leaves: &[Placed]) -> Result<((), String), Failure> {
    let first =
        leaves.first().filter(|placed| placed.index == 0).ok_or_else(|| Failure::new("entry 0 is not in the copy"))?;
    let digest = first.read()?.signed.payload();
    if digest != trust.genesis {
        return Err(Failure::at(0, format!("entry 0 is {digest}, pinned is {}", trust.genesis)));
    }
    Ok(((), format!("entry 0 is the pinned {digest}")))
}

/// How far followers vouch for a copy in which everything else holds.
fn completeness(
    trust: &Trust,
    evidence: &Evidence,
    checkpoint: &Checkpoint,
    leaves: &Leaves,
    now: Time,
) -> Result<Completeness, Failure> {
    let opened = |note: &str| {
        SignedCheckpoint::open(note, &trust.log_key)
            .map_err(|e| Failure::new(format!("what others cosigned is no checkpoint of this log: {e}")))
    };
    let note = opened(evidence.cosigned.as_deref().unwrap_or(&evidence.checkpoint))?;
    let Checkpoint { size, root, .. } = note.checkpoint();
    if note.checkpoint() != checkpoint && leaves.root_at(*size) != Some(*root) {
        return Err(Failure::new(format!(
            "others cosigned a log of {size} leaves with root {root}, which this copy of {} does not continue",
            checkpoint.size
        )));
    }
    let vouching = trust.vouching(Some(&note), now, u64::MAX);
    let until = if leaves.whole { BTreeMap::new() } else { leaves.unbroken_from_last_decisions(&evidence.streams) };
    Ok(Completeness { vouching, until, size: *size, whole: leaves.whole })
}

/// A decision of the log, run again.
struct Rerun {
    index: u64,
    /// How the result differs from what the log says, if it does.
    result: Result<Again, String>,
}

fn statements_step(
    evidence: &Evidence,
    leaves: &Leaves,
    now: Time,
    decisions: &mut Vec<Rerun>,
) -> Result<(State, String), Failure> {
    let blob = |digest: &Digest| evidence.blobs.get(digest).cloned();
    let (first, rest) = leaves.placed.split_first().ok_or_else(|| Failure::new("the copy has no leaves"))?;
    let first = first.read()?;
    let mut state = State::genesis(first, &blob).map_err(|e| Failure::refused(0, &e))?;
    if !leaves.whole {
        let governance = governance_stream().map_err(|e| Failure::new(e.to_string()))?;
        if !evidence.streams.contains(&governance) {
            return Err(Failure::new("the governance stream is not in the copy, and nothing can be judged without it"));
        }
        state = state.confined(evidence.streams.clone());
    }
    let mut order = Order::after(first);
    let seen_roots = SeenRoots::of(leaves);
    for placed in rest {
        let index = &placed.index;
        readable(&state, Some(*index))?;
        let entry = placed.read()?;
        order.next(*index, entry, now)?;
        let named = entry.signed.statement().header.checkpoint;
        if !seen_roots.allow(&named) {
            return Err(another_root(*index, &named));
        }
        // A decision is run on the state that it was taken from, so before its own leaf is folded. Of a change that is not
        // here there is no such state.
        let is_elsewhere = entry.leaf.lines().first().is_some_and(|home| state.is_foreign(&home.stream));
        let decided = match &entry.signed.statement().body {
            Body::Decided(decided) if !is_elsewhere => Some(decide_again(&state, decided, &blob)),
            _ => None,
        };
        state.fold(entry, &blob).map_err(|e| Failure::refused(*index, &e))?;
        if let Some(result) = decided {
            decisions.push(Rerun { index: *index, result });
        }
    }
    readable(&state, None)?;
    let detail = format!(
        "{} replayed: signed by keys that held, admitted, and in unbroken streams",
        count(leaves.placed.len(), "statement")
    );
    Ok((state, detail))
}

/// Whether this program knows the semantics in force. `index` is the leaf that it would read next.
fn readable(state: &State, index: Option<u64>) -> Result<(), Failure> {
    state.governance.record.semantics.readable().map_err(|e| match index {
        Some(index) => Failure::refused(index, &e),
        None => Failure { verdict: Verdict::Newer, code: e.code, ..Failure::new(e.to_string()) },
    })
}

/// What the leaves of a log have to keep to besides being admitted: the order of time, and no statement twice.
#[derive(Debug)]
pub struct Order {
    last: Time,
    seen: BTreeSet<Digest>,
}

impl Order {
    /// After entry 0.
    pub fn after(genesis: &Entry) -> Self {
        Self { last: genesis.leaf.admitted_at, seen: BTreeSet::from([genesis.signed.payload()]) }
    }

    /// Takes the next leaf.
    pub fn next(&mut self, index: u64, entry: &Entry, now: Time) -> Result<(), Failure> {
        self.last = in_time(index, entry, self.last, now)?;
        if !self.seen.insert(entry.signed.payload()) {
            return Err(Failure::at(index, format!("leaf {index}: the same statement is there a second time")));
        }
        Ok(())
    }
}

/// A leaf that was signed in front of another log.
const ANOTHER_ROOT: &str = "another-root";

/// Leaves stand in the order of their times, none of them in the future, and none names a checkpoint that was not there yet.
pub fn in_time(index: u64, entry: &Entry, last: Time, now: Time) -> Result<Time, Failure> {
    let at = entry.leaf.admitted_at;
    let wrong = |code, what: &str| Err(Failure { code, ..Failure::at(index, format!("leaf {index}: {what}")) });
    if at < last {
        return wrong("leaf-time", "it was admitted before the leaf that it follows");
    }
    if at > now.plus_secs(CLOCK_SLACK_SECS) {
        return wrong("leaf-time", "it was admitted in the future");
    }
    if entry.signed.statement().header.checkpoint.size > index {
        return wrong(ANOTHER_ROOT, "it names a checkpoint that was not there yet");
    }
    Ok(at)
}

/// The log is not the one that the signer of a leaf had seen.
pub fn another_root(index: u64, named: &SeenCheckpoint) -> Failure {
    let detail = format!(
        "leaf {index}: whoever signed it had seen the first {} leaves hash to {}; they do not: one of them was changed",
        named.size, named.root
    );
    Failure { code: ANOTHER_ROOT, ..Failure::at(index, detail) }
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

/// How a decision came out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// From what the statements say.
    Same,
    /// Names were erased since, so that whom the commits named had to be taken from the snapshot that the decision names.
    AfterErasure,
}

/// Decides again from a state and compares with what the log says was decided from it. Err says how they differ.
pub fn decide_again(state: &State, decided: &Decided, blob: &Blobs<'_>) -> Result<Again, String> {
    let change = state.change(&decided.change).map_err(|e| e.to_string())?;
    let change = change.ok_or_else(|| format!("there is no change {}", decided.change))?;
    let rules = &state.governance.rules;
    if decided.rules != rules.digest() {
        return Err("it was decided by other rules than those in force".to_owned());
    }
    let mut how = Again::Same;
    let mut snapshot = Snapshot::take(state, change).map_err(|e| e.to_string())?;
    let erased = change.names_are_erased() || state.governance.profiles_are_erased();
    if erased && snapshot.digest() != decided.snapshot {
        how = Again::AfterErasure;
        let logged =
            blob(&decided.snapshot).ok_or_else(|| "names were erased since, and the snapshot is missing".to_owned())?;
        let logged =
            serde_json::from_slice(&logged).map_err(|e| format!("the snapshot in the log is malformed: {e}"))?;
        snapshot = Snapshot::take_like(&logged, state, change).map_err(|e| e.to_string())?;
    }
    if snapshot.digest() != decided.snapshot {
        return Err(format!(
            "the snapshot that the statements give is {}, the decision names {}",
            snapshot.digest(),
            decided.snapshot
        ));
    }
    let again = decide::decide(rules, &snapshot, decided.decided_at);
    if again.outcome != decided.outcome {
        return Err(format!("the rules say {} to what the log calls {}", again.outcome, decided.outcome));
    }
    // The full decision may have been left out; where it is there, it has to be the same.
    match blob(&decided.decision).map(|bytes| serde_json::from_slice::<Decision>(&bytes)) {
        None => Ok(how),
        Some(Ok(logged)) if logged == again => Ok(how),
        Some(Ok(_)) => Err("the decision in the log is not what the rules say".to_owned()),
        Some(Err(e)) => Err(format!("the decision in the log is malformed: {e}")),
    }
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
