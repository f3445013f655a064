//! What the leaves of a log have to keep to besides being admitted: the order of time, no statement twice, and the roots that
//! their signers had seen.

use std::collections::HashSet;

use countersign_ledger::{Digest, Hash, Time};

use super::report::{Failure, Verdict};
use crate::{
    epoch,
    fold::Entry,
    governance::GovernanceRecord,
    permit::{MAX_SKEW_SECS, span},
    state::State,
    statement::{Body, SeenCheckpoint},
};

/// How much is kept of a digest that is only compared: nobody finds a second content with these first bytes.
const PREFIX: usize = 16;

fn prefix(bytes: &[u8; 32]) -> [u8; PREFIX] {
    let mut first = [0; PREFIX];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    first
}

/// Whether this program knows the semantics in force. `index` is the leaf that it would read next.
pub(super) fn readable(state: &State, index: Option<u64>) -> Result<(), Failure> {
    state.governance.record.semantics.readable().map_err(|e| match index {
        Some(index) => Failure::refused(index, &e),
        None => Failure { verdict: Verdict::Newer, code: e.code, ..Failure::new(e.to_string()) },
    })
}

/// The order of time, and no statement twice.
#[derive(Debug)]
pub(super) struct Order {
    last: Time,
    seen: HashSet<[u8; PREFIX]>,
}

impl Order {
    /// After entry 0.
    pub(super) fn after(genesis: &Entry) -> Self {
        Self { last: genesis.leaf.admitted_at, seen: HashSet::from([name(&genesis.signed.payload())]) }
    }

    /// Takes the next leaf.
    pub(super) fn next(
        &mut self,
        index: u64,
        entry: &Entry,
        now: Time,
        governance: &GovernanceRecord,
    ) -> Result<(), Failure> {
        self.last = in_time(index, entry, self.last, now, Some(governance))?;
        if !self.seen.insert(name(&entry.signed.payload())) {
            return Err(Failure::at(index, format!("leaf {index}: the same statement is there a second time")));
        }
        Ok(())
    }
}

fn name(payload: &Digest) -> [u8; PREFIX] {
    prefix(payload.as_bytes())
}

/// A leaf of the future: one of two clocks is wrong, and nobody can say from here which.
pub const CLOCK_BEHIND: &str = "clock-behind";

/// A leaf that was signed in front of another log.
const ANOTHER_ROOT: &str = "another-root";

/// Leaves stand in the order of their times, none of them in the future, and none names a checkpoint that was not there yet.
/// `governance` is what stands before the leaf; entry 0 has none.
pub fn in_time(
    index: u64,
    entry: &Entry,
    last: Time,
    now: Time,
    governance: Option<&GovernanceRecord>,
) -> Result<Time, Failure> {
    let at = entry.leaf.admitted_at;
    let wrong = |code, what: &str| Err(Failure { code, ..Failure::at(index, format!("leaf {index}: {what}")) });
    if at < last {
        return wrong("leaf-time", "it was admitted before the leaf that it follows");
    }
    if at > now.plus_secs(MAX_SKEW_SECS) {
        let ahead = span(at.secs_since(now));
        return wrong(CLOCK_BEHIND, &format!("by its time, {at}, this machine's clock is {ahead} behind the log's"));
    }
    let statement = entry.signed.statement();
    let was_cut_off = governance.is_some_and(|governance| epoch::was_cut_off(governance, statement));
    let named = statement.header.checkpoint.size;
    if matches!(statement.body, Body::Epoch(_)) && named != index {
        return wrong(ANOTHER_ROOT, &format!("it begins an epoch behind {named} leaves, and stands behind {index}"));
    }
    if named > index && !was_cut_off {
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

/// The roots of a whole log at every size. Every statement names one that its signer had seen: who rewrites the log, even with
/// its key, would have to make those people sign again.
#[derive(Debug)]
pub(super) struct Roots(Vec<[u8; PREFIX]>);

impl Roots {
    pub(super) fn begin() -> Self {
        Self(vec![prefix(Hash::empty_tree().as_bytes())])
    }

    /// The root of one leaf more.
    pub(super) fn push(&mut self, root: &Hash) {
        self.0.push(prefix(root.as_bytes()));
    }

    /// Whether the log had this root, as far as it was read.
    pub(super) fn had(&self, named: &SeenCheckpoint) -> bool {
        usize::try_from(named.size).ok().and_then(|size| self.0.get(size)) == Some(&prefix(named.root.as_bytes()))
    }
}
