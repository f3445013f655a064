//! Verification: what somebody can establish who trusts nobody but their own `trust.json`.
//!
//! It reads a copy of the log (whole, or the streams of one change), replays it from genesis with the same code as the
//! engine, checks every signature against the keys that held at that leaf, runs every decision again, and says a verdict
//! for each step, with the index of the first leaf that does not hold.
//!
//! A part of a log proves presence, not absence. Under a quorum of followers, who read every leaf and its header, it is
//! complete up to a change's last decision or permit (followers refuse those that stand on other heads than were there, or
//! that the rules do not give), and on from there as far as it has every leaf: see [`Completeness`].

mod again;
mod completeness;
mod order;
mod part;
mod read;
mod report;
mod shelf;
mod signed;
mod whole;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use countersign_ledger::{Digest, Hash, StreamId, Time, sshsig::KnownKeys};

pub use self::{
    again::{Again, decide_again, snapshot_needed},
    completeness::Completeness,
    order::{CLOCK_BEHIND, another_root, in_time},
    part::GovernedBefore,
    read::ReadLeaf,
    report::{Failure, Report, Step, Verdict},
    shelf::{NoShelf, Shelf, ShelfError, shelved},
    whole::Whole,
};
use crate::trust::Trust;

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

/// Verifies a copy of the log that is in memory against what was pinned. A part of a log comes with proofs.
pub fn verify(trust: &Trust, evidence: &Evidence, now: Time) -> Report {
    if !evidence.proofs.is_empty() {
        return part::verify(trust, evidence, None, now);
    }
    match whole_in_memory(trust, evidence, now) {
        Ok(report) => report,
        Err(report) => *report,
    }
}

/// Verifies a part of a log behind governance that was verified before. What does not hold so may hold from the beginning.
pub fn verify_behind(trust: &Trust, evidence: &Evidence, before: &GovernedBefore, now: Time) -> Report {
    part::verify(trust, evidence, Some(before), now)
}

fn whole_in_memory(trust: &Trust, evidence: &Evidence, now: Time) -> Result<Report, Box<Report>> {
    let mut whole = Whole::begin(trust, &evidence.checkpoint, evidence.cosigned.as_deref(), now, NoShelf)?;
    let blob = |digest: &Digest| Ok::<_, Infallible>(evidence.blobs.get(digest).cloned());
    let mut keys = KnownKeys::default();
    if let Some(index) = evidence.leaves.keys().find(|index| **index >= whole.size()) {
        whole.has_more(*index);
    }
    let mut hashes = evidence.hashes.iter().copied();
    for (index, (place, bytes)) in (0..).zip(&evidence.leaves) {
        if index != *place || whole.is_settled() {
            break;
        }
        let Ok(leaf) = ReadLeaf::of(bytes, hashes.next(), &mut keys, blob);
        // Without a shelf there is nothing that could fail.
        if whole.take(&leaf).is_err() {
            break;
        }
    }
    Ok(whole.end().0)
}
