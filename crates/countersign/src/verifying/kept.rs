//! What a store keeps that follows from its leaves, compared with a log that was just verified. The server decides by these
//! rows; where one is not what the leaves say, it would sign what every reader refuses.
//!
//! The log may have gone on since it was verified. What has is left for the next time.

use std::collections::BTreeSet;

use countersign_core::{
    ids::ChangeId,
    state::State,
    statement::change_stream,
    verify::{ShelfError, shelved},
};
use countersign_ledger::{Leaf, StreamId};

use super::{FileShelf, Verified, VerifyError, change_id};
use crate::{
    follower::ledger::Ledger,
    records,
    store::{
        Damage, Projection, Store, StoreError,
        dump::{Part, Row},
        scrub::Indexes,
    },
};

/// Records that are compared at once.
const AT_ONCE: usize = 256;

impl Verified {
    /// The first that is not as the leaves say, of what is kept in the store that they were read from.
    pub fn misses(&self, ledger: &Ledger) -> Result<Option<StoreError>, VerifyError> {
        let (Some(state), Some(checkpoint)) = (&self.report.state, &self.report.checkpoint) else { return Ok(None) };
        let kept = Kept { state, shelf: &self.shelf, ledger, size: checkpoint.size };
        let differs = match kept.first_that_differs()? {
            Some(name) => Some(name),
            None => kept.first_foreign()?,
        };
        Ok(match differs {
            Some(name) => Some(Damage::Kept(name).into()),
            None => kept.first_misplaced()?,
        })
    }
}

struct Kept<'a> {
    state: &'a State,
    shelf: &'a FileShelf,
    ledger: &'a Ledger,
    /// How many leaves were verified.
    size: u64,
}

impl Kept<'_> {
    fn store(&self) -> &dyn Store {
        self.ledger.store()
    }

    /// A record that is missing or another one than the leaves give.
    fn first_that_differs(&self) -> Result<Option<String>, VerifyError> {
        let mut streams: BTreeSet<StreamId> = self.state.all_heads().keys().cloned().collect();
        for id in self.shelf.ids() {
            streams.insert(change_stream(&change_id(id)?).map_err(|e| ShelfError(e.to_string()))?);
        }
        let streams: Vec<StreamId> = streams.into_iter().collect();
        for some in streams.chunks(AT_ONCE) {
            let mut expected: Vec<(&StreamId, Projection)> = Vec::with_capacity(some.len());
            for stream in some {
                expected.extend(self.expected(stream)?.into_iter().map(|projection| (stream, projection)));
            }
            for kind in records::KINDS {
                let of_kind = || expected.iter().filter(|(_, projection)| projection.kind == kind);
                let names: Vec<String> = of_kind().map(|(_, projection)| projection.name.clone()).collect();
                let mut bodies = self.ledger.run(self.store().projections(kind, &names))?;
                for (stream, projection) in of_kind() {
                    let same = bodies.remove(&projection.name).is_some_and(|body| body == projection.body);
                    if !same && !self.went_on(stream)? {
                        return Ok(Some(format!("{kind} {}", projection.name)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A record of something that the leaves do not have, or in another place of lists.
    fn first_foreign(&self) -> Result<Option<String>, VerifyError> {
        let mut after = None;
        loop {
            let rows = self.ledger.run(self.store().walk(Part::Projections, after.as_ref()))?;
            let Some(last) = rows.last() else { return Ok(None) };
            after = Some(last.key.clone());
            for row in rows {
                let (kind, name) = &row.key;
                let known = match records::stream_of(kind, name) {
                    // Also where lists have it, and what they find it by.
                    Some(stream) => {
                        self.expected(&stream)?.iter().any(|one| Row::of(one) == row) || self.went_on(&stream)?
                    }
                    None => false,
                };
                if !known {
                    return Ok(Some(format!("{kind} {name}")));
                }
            }
        }
    }

    /// What an index of leaves has otherwise than they say.
    fn first_misplaced(&self) -> Result<Option<StoreError>, VerifyError> {
        let (mut indexes, mut next) = (Indexes::default(), 0);
        while next < self.size {
            let end = self.size.min(next.saturating_add(AT_ONCE as u64));
            let page = self.ledger.run(self.store().leaves(next..end))?;
            let mut leaves = Vec::with_capacity(page.len());
            for (index, bytes) in (next..).zip(&page) {
                match Leaf::parse(bytes) {
                    Ok(leaf) => leaves.push((index, leaf)),
                    Err(source) => return Ok(Some(Damage::Leaf { index, source }.into())),
                }
            }
            if page.is_empty() {
                return Ok(Some(Damage::MissingLeaf(next).into()));
            }
            next = next.saturating_add(page.len() as u64);
            if let Some(damage) = self.damage(indexes.have(self.store(), &records::keys, &leaves))? {
                return Ok(Some(damage));
            }
        }
        self.damage(indexes.have_no_more(self.store(), self.size))
    }

    /// What is damaged is found; what cannot be read is an error.
    fn damage(&self, looked: impl Future<Output = Result<(), StoreError>>) -> Result<Option<StoreError>, VerifyError> {
        let looked = async {
            match looked.await {
                Err(error @ StoreError::Damaged(Damage::Kept(_))) => Ok(Some(error)),
                other => other.map(|()| None),
            }
        };
        Ok(self.ledger.run(looked)?)
    }

    /// The records under a stream as the leaves give them.
    fn expected(&self, stream: &StreamId) -> Result<Vec<Projection>, VerifyError> {
        let unreadable = |error: StoreError| ShelfError(error.to_string());
        let change = stream.as_str().strip_prefix("change/").and_then(|id| id.parse::<ChangeId>().ok());
        if let Some(id) = change
            && self.state.change(&id).ok().flatten().is_none()
        {
            let laid_down = shelved(self.shelf, &id)?;
            let of_change =
                laid_down.map(|change| records::change_projection(&change)).transpose().map_err(unreadable)?;
            return Ok(of_change.into_iter().collect());
        }
        Ok(records::projections(self.state, [stream]).map_err(unreadable)?)
    }

    /// Whether a stream has leaves that were not verified.
    fn went_on(&self, stream: &StreamId) -> Result<bool, VerifyError> {
        let heads = self.ledger.run(self.store().heads(std::slice::from_ref(stream)))?;
        let Some(last) = heads.first().and_then(|head| head.next_seq.checked_sub(1)) else { return Ok(false) };
        let leaves = self.ledger.run(self.store().stream(stream, last))?;
        Ok(leaves.last().is_some_and(|(index, _)| *index >= self.size))
    }
}
