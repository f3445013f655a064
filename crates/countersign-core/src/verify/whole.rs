//! A whole log, leaf after leaf: what is done with is dropped, so that memory does not grow with blobs, leaves or finished
//! changes. What stays of a leaf is 16 bytes of its statement's name and 16 of the root behind it.
//!
//! ```text
//!  any core    ReadLeaf::of    ReadLeaf::of    ReadLeaf::of    …
//!                   └──────────────┼───────────────┘
//!  one, in order            Whole::take  ──>  Whole::end  ──>  Report
//! ```
//!
//! All steps go on side by side, and are told in their order: a leaf that is not under the checkpoint comes before what a
//! statement says.

use countersign_ledger::{
    Digest, Frontier, Hash, Time,
    checkpoint::{self, Checkpoint},
};

use super::{
    Completeness,
    again::{Decisions, decide_again},
    completeness,
    order::{Order, Roots, another_root, readable},
    part::replayed,
    read::ReadLeaf,
    report::{Failure, Report, Verdict, count},
    shelf::{self, Shelf, ShelfError},
    signed::SignedBy,
};
use crate::{epoch, fold::Entry, refusal::Refusal, state::State, statement::Body, trust::Trust};

/// Why the leaves do not hash to the root is said behind this, as far as a leaf betrays itself: by its signature, its place in
/// its stream, or a checkpoint that somebody after it had seen.
const OTHER_ROOT: &str = "the leaves do not hash to the checkpoint's root";

#[derive(Debug)]
pub struct Whole<'t, S> {
    trust: &'t Trust,
    now: Time,
    shelf: S,
    report: Report,
    checkpoint: Checkpoint,
    /// By which key that is signed, as far as the log was replayed.
    signed: SignedBy,
    /// What others cosigned, and the size that it says.
    cosigned: (String, u64),
    /// The copy's root at that size.
    cosigned_root: Option<Hash>,
    /// What whoever gave the trust file had seen of the log.
    pinned: Option<Checkpoint>,
    frontier: Frontier,
    blobs: u64,
    tombstones: u64,
    /// What was found against each step, the first of its kind.
    against: Against,
    replay: Option<Replay>,
    decisions: Decisions,
}

#[derive(Debug, Default)]
struct Against {
    leaves: Option<Failure>,
    blobs: Option<Failure>,
    genesis: Option<Failure>,
    statements: Option<Failure>,
}

/// The statements so far, as long as they hold.
#[derive(Debug)]
struct Replay {
    state: State,
    order: Order,
    roots: Roots,
}

impl<'t, S: Shelf> Whole<'t, S> {
    /// Begins with a signed checkpoint, and the newest one that others cosigned if that is another one. A report where that is
    /// not of the pinned log.
    pub fn begin(
        trust: &'t Trust,
        checkpoint: &str,
        cosigned: Option<&str>,
        now: Time,
        shelf: S,
    ) -> Result<Self, Box<Report>> {
        let mut report = Report::begin();
        let mut pinned = None;
        let begun = report.step("checkpoint", || {
            let ((signed, opened), detail) = SignedBy::begin(trust, checkpoint)?;
            pinned = pinned_in(trust)?;
            match pinned.as_ref().filter(|pinned| pinned.size > opened.size) {
                Some(pinned) => Err(Failure::new(format!(
                    "it is of {} leaves, and the trust file pins a checkpoint of {}: this is an older copy, or the log went back",
                    opened.size, pinned.size
                ))),
                None => Ok(((signed, opened), detail)),
            }
        });
        let Some((signed, opened)) = begun else { return Err(Box::new(report)) };
        report.checkpoint = Some(opened.clone());
        let cosigned = cosigned.unwrap_or(checkpoint);
        let mut whole = Self {
            trust,
            now,
            shelf,
            report,
            checkpoint: opened,
            signed,
            cosigned: (cosigned.to_owned(), checkpoint::claimed(cosigned).map_or(0, |claimed| claimed.size)),
            cosigned_root: None,
            pinned,
            frontier: Frontier::new(),
            blobs: 0,
            tombstones: 0,
            against: Against::default(),
            replay: None,
            decisions: Decisions::default(),
        };
        whole.look_at_the_root();
        Ok(whole)
    }

    /// How many leaves the log has, by its checkpoint.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Whether nothing that comes could change what is said.
    pub fn is_settled(&self) -> bool {
        // Where it takes the log to say whose checkpoint this is, another log says nothing.
        self.against.leaves.is_some() || (!self.signed.is_known() && self.against.genesis.is_some())
    }

    /// Takes the next leaf.
    pub fn take(&mut self, leaf: &ReadLeaf) -> Result<(), ShelfError> {
        let index = self.frontier.size();
        if self.is_settled() {
            return Ok(());
        }
        if index >= self.checkpoint.size {
            self.has_more(index);
            return Ok(());
        }
        if leaf.is_changed {
            let failure = Failure::at(index, format!("leaf {index} does not hash to what the log's tile says"));
            self.against.leaves = Some(failure);
            return Ok(());
        }
        self.blobs = self.blobs.saturating_add(leaf.named);
        let is_tombstone = |entry: &Entry| matches!(entry.signed.statement().body, Body::Erasure(_));
        self.tombstones = self.tombstones.saturating_add(u64::from(leaf.entry.as_ref().is_ok_and(is_tombstone)));
        self.against.blobs = self.against.blobs.take().or_else(|| leaf.blob_failure(index));
        if index == 0 {
            self.found(leaf);
        } else if let Some(replay) = &mut self.replay {
            let next = replay.next(index, leaf, self.now, &mut self.decisions, &mut self.shelf)?;
            match next {
                Ok(()) => self.signed.behind(index, &replay.state),
                Err(failure) => {
                    self.against.statements = Some(failure);
                    self.replay = None;
                }
            }
        }
        self.frontier.push(leaf.hash);
        if let Some(replay) = &mut self.replay {
            replay.roots.push(&self.frontier.root());
        }
        self.look_at_the_root();
        Ok(())
    }

    /// Takes note that the copy has a leaf which is not under its checkpoint.
    pub fn has_more(&mut self, index: u64) {
        self.against.leaves.get_or_insert_with(|| Failure::beyond(index, self.checkpoint.size));
    }

    /// Where others have seen the log so far, the root is theirs.
    fn look_at_the_root(&mut self) {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if let Some(pinned) = self.pinned.as_ref().filter(|pinned| pinned.size == size && pinned.root != root) {
            let detail = format!("its first {size} leaves hash to {root}, and the trust file pins {}", pinned.root);
            self.against.leaves.get_or_insert_with(|| Failure::new(detail));
        }
        if self.cosigned.1 == self.frontier.size() {
            self.cosigned_root = Some(self.frontier.root());
        }
    }

    /// Entry 0.
    fn found(&mut self, leaf: &ReadLeaf) {
        if let Err(failure) = genesis_step(self.trust, leaf.entry.as_ref()) {
            self.against.genesis = Some(failure);
            return;
        }
        let Ok(entry) = &leaf.entry else { return };
        match State::genesis(entry, &|digest| leaf.blob(digest)) {
            Ok(state) => {
                self.signed.found(&state);
                let (order, roots) = (Order::after(entry), Roots::begin());
                self.replay = Some(Replay { state: state.with_a_shelf(), order, roots });
            }
            Err(refusal) => self.against.statements = Some(Failure::refused(0, &refusal)),
        }
    }

    /// Ends behind the last leaf that the copy has. Gives the shelf back, on which are the changes that the report's state has
    /// not.
    pub fn end(mut self) -> (Report, S) {
        self.conclude();
        (self.report, self.shelf)
    }

    fn conclude(&mut self) {
        let is_replayed = self.replay.is_some() && self.frontier.size() == self.checkpoint.size;
        if !self.signed.conclude(&mut self.report, is_replayed) {
            return;
        }
        let against = std::mem::take(&mut self.against);
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let leaves = match against.leaves {
            Some(failure) => Err(failure),
            None if size < self.checkpoint.size => {
                Err(Failure::at(size, format!("leaf {size} of {} is missing", self.checkpoint.size)))
            }
            None if root != self.checkpoint.root => {
                let betrayed = against.genesis.clone().or_else(|| against.statements.clone());
                Err(betrayed.map_or_else(
                    || Failure::new(OTHER_ROOT),
                    |failure| Failure { detail: format!("{OTHER_ROOT}: {}", failure.detail), ..failure },
                ))
            }
            None => Ok(((), format!("all {size} hash to the checkpoint's root"))),
        };
        if self.report.step("leaves", || leaves).is_none() {
            return;
        }
        let erased = match self.tombstones {
            0 => String::new(),
            number => format!("; others were erased, as {} says", count(number, "tombstone")),
        };
        let blobs = format!("{} hash to their names{erased}", count(self.blobs, "blob"));
        if self.report.step("blobs", || against.blobs.map_or(Ok(((), blobs)), Err)).is_none() {
            return;
        }
        let genesis = match (against.genesis, size) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Err(Failure::new("entry 0 is not in the copy")),
            (None, _) => Ok(((), format!("entry 0 is the pinned {}", self.trust.genesis))),
        };
        if self.report.step("genesis", || genesis).is_none() {
            return;
        }
        let replay = self.replay.take();
        let state = self.report.step("statements", || {
            if let Some(failure) = against.statements {
                return Err(failure);
            }
            let Replay { state, .. } = replay.ok_or_else(|| Failure::new("the copy has no leaves"))?;
            readable(&state, None)?;
            let detail = replayed(size, &state);
            Ok((state, detail))
        });
        // What was decided before the part that is newer than this program is run again all the same.
        if state.is_none() && !self.report.steps.iter().any(|step| step.verdict == Verdict::Newer) {
            return;
        }
        self.report.decisions(&self.decisions);
        if self.report.nothing_against() {
            let completeness = self.completeness();
            self.report.log_keys = Some(self.signed.keys().clone());
            self.report.conclude(completeness, state);
        }
    }

    fn completeness(&self) -> Result<Completeness, Failure> {
        let note = &completeness::cosigned(&self.cosigned.0, None, self.signed.keys())?;
        completeness::continues(note.checkpoint(), &self.checkpoint, self.cosigned_root)?;
        let vouching = self.trust.vouching(Some(note), self.now, u64::MAX);
        Ok(Completeness { vouching, until: Default::default(), size: note.checkpoint().size, whole: true })
    }
}

impl Replay {
    /// The next statement, or what is wrong with it.
    fn next(
        &mut self,
        index: u64,
        leaf: &ReadLeaf,
        now: Time,
        decisions: &mut Decisions,
        shelf: &mut impl Shelf,
    ) -> Result<Result<(), Failure>, ShelfError> {
        let Self { state, order, roots } = self;
        if let Err(failure) = readable(state, Some(index)) {
            return Ok(Err(failure));
        }
        let entry = match &leaf.entry {
            Ok(entry) => entry,
            Err(refusal) => return Ok(Err(Failure::refused(index, refusal))),
        };
        if let Err(failure) = order.next(index, entry, now, &state.governance.record) {
            return Ok(Err(failure));
        }
        let statement = entry.signed.statement();
        if !roots.had(&statement.header.checkpoint) && !epoch::was_cut_off(&state.governance.record, statement) {
            return Ok(Err(another_root(index, &statement.header.checkpoint)));
        }
        if let Some(change) = statement.change(&entry.signed.payload()) {
            shelf::fetch(shelf, state, &change)?;
        }
        let blob = |digest: &Digest| leaf.blob(digest);
        // A decision is run on the state that it was taken from, so before its own leaf is folded.
        let decided = match &statement.body {
            Body::Decided(decided) => Some(decide_again(state, decided, &blob)),
            _ => None,
        };
        if let Err(refusal) = state.fold_found(entry, &leaf.found, &blob) {
            return Ok(Err(Failure::refused(index, &refusal)));
        }
        if let Some(result) = decided {
            decisions.add(index, result);
        }
        decisions.erased(&statement.body);
        shelf::lay_down(shelf, state)?;
        Ok(Ok(()))
    }
}

/// The checkpoint that a trust file pins.
fn pinned_in(trust: &Trust) -> Result<Option<Checkpoint>, Failure> {
    let Some(note) = &trust.checkpoint else { return Ok(None) };
    let pinned = checkpoint::open(note, &trust.log_key)
        .map_err(|e| Failure::new(format!("the checkpoint in the trust file is not this log's: {e}")))?;
    Ok(Some(pinned))
}

pub(super) fn genesis_step(trust: &Trust, entry: Result<&Entry, &Refusal>) -> Result<((), String), Failure> {
    let digest = entry.map_err(|e| Failure::refused(0, e))?.signed.payload();
    if digest != trust.genesis {
        return Err(Failure::at(
            0,
            format!(
                "wrong trust file, or a log that was founded anew: entry 0 is {digest}, pinned is {}",
                trust.genesis
            ),
        ));
    }
    Ok(((), format!("entry 0 is the pinned {digest}")))
}
