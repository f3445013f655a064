//! Copies of the log: a change's bundle, the leaves that a follower asks for, tiles, proofs, and the whole log as files.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    change::Change,
    governance::read_manifest,
    ids::ChangeId,
    refusal::Refusal,
    state::{PersonRecord, State},
    statement::{Body, Holder, change_stream, finding_stream, governance_stream, person_stream, target_stream},
    take,
    verify::Evidence,
};
use countersign_ledger::{Digest, Fingerprint, Hash, StreamId, tile::TilePath, tree};

use super::{Engine, EngineError, OwnLeaf, speakers::PEOPLE};
use crate::{
    bundle::Bundle,
    records,
    store::{self, Damage, MAX_PAGE, StoreError, layout},
    wire::{Entries, Published, Standings},
};

/// How many leaves one answer to a follower has at the most.
pub const MAX_ENTRIES: u64 = MAX_PAGE;

/// How many publications one answer has at the most.
pub const MAX_PUBLISHED: usize = 100;

/// Of how many other changes that hold a change the streams go along in its bundle: one is enough to stop it.
const MAX_HELD_IN: usize = 8;
/// As many of what used up a template go with a change.
const MAX_LIKE_IT: usize = 32;

/// Of how many people and gates whose keys are suspended the streams go along with where somebody stands.
const MAX_SUSPENDED: usize = 32;

/// Of how many people who are away, or stand in for somebody, or have somebody who does.
const MAX_ABSENT: usize = 256;

/// How many leaves that came after a change's last decision go along in its bundle.
const MAX_TAIL: u64 = 128;

impl Engine {
    /// The bundle of a change: the change's stream, governance, the streams of other changes in which the same content was
    /// rejected, as long as that holds this one, the findings that ask somebody to look at it, and the streams of everybody who
    /// speaks in them. It is under
    /// the newest checkpoint that others cosigned, if that has all of it, else under the present one. With `since`, also the
    /// proof that a log of that size is a prefix of this one. `governed` says up to which leaves of the governance stream the
    /// asker has verified it before: then the bundle goes on from the last of those that the change began behind.
    pub async fn bundle(&self, change: &Change, since: Option<u64>, governed: &[u64]) -> Result<Bundle, EngineError> {
        let mut changes = vec![change_stream(&change.id)?];
        changes.extend(self.held_in(change).await?.iter().map(change_stream).collect::<Result<Vec<_>, _>>()?);
        let findings = self.findings_on(&change.id).await?;
        changes.extend(findings.iter().map(|(id, _)| finding_stream(id)).collect::<Result<Vec<_>, _>>()?);
        if change.status.is_open() {
            changes.extend(self.unable().await?.iter().map(Holder::stream).collect::<Result<Vec<_>, _>>()?);
        }
        let (_, governance) = self.governed().await?;
        let beside = change.inputs(&governance, None)?.into_iter().filter(is_of_somebody).collect();
        let part = self.part((&changes, beside), Some(change), since, governed).await?;
        Ok(Bundle {
            origin: governance.record.origin.clone(),
            change: change.id.clone(),
            evidence: part.evidence,
            governed: part.governed,
            consistency: part.consistency,
            extracts_differ: Vec::new(),
        })
    }

    /// People who cannot act now, or grant nothing: whoever reads what is missing is not told to ask them.
    async fn unable(&self) -> Result<Vec<Holder>, EngineError> {
        let now = self.clock.shown();
        let is_unable = |record: &PersonRecord| {
            record.suspends(now).next().is_some() || record.revoked.values().any(|revocation| revocation.takes(now))
        };
        let people = records::people(&*self.store).await?.into_iter().filter(|(_, record)| is_unable(record));
        Ok(people.map(|(person, _)| Holder::Person(person)).take(MAX_SUSPENDED).collect())
    }

    /// Governance, what stands about whose key this is, about those of whom a key is suspended, and about those who are away or stand in
    /// for somebody: to be verified as a bundle is.
    pub async fn standings(
        &self,
        key: Option<&Fingerprint>,
        since: Option<u64>,
        governed: &[u64],
    ) -> Result<Standings, EngineError> {
        let (_, governance) = self.governed().await?;
        let now = self.clock.shown();
        let mut of = BTreeSet::new();
        if let Some(key) = key {
            let actor = governance.catalog.actor_by_key(key).map(|actor| Holder::Person(actor.id.clone()));
            let gate = || async { records::gate_by_key(&*self.store, key).await };
            match actor {
                Some(actor) => of.extend([actor]),
                None => of.extend(gate().await?.map(|(gate, _)| Holder::Gate(gate))),
            }
        }
        let people = records::people(&*self.store).await?;
        for record in people.values() {
            of.extend(record.suspends(now).map(|took| took.of.clone()).take(MAX_SUSPENDED.saturating_sub(of.len())));
        }
        let most = of.len().saturating_add(MAX_ABSENT);
        for (id, record) in &people {
            if of.len() < most && record.away.iter().any(|one| !one.is_over(now)) {
                of.insert(Holder::Person(id.clone()));
            }
            for known in record.received.iter().filter(|known| !known.is_over(now)) {
                if of.len() >= most {
                    break;
                }
                of.extend([Holder::Person(known.of.clone()), Holder::Person(known.to.clone())]);
            }
        }
        let streams: Vec<StreamId> = of.iter().map(Holder::stream).collect::<Result<_, _>>()?;
        // What is about to be proposed may be a standard change by them.
        let beside = governance.approvers_of_standards().map(person_stream).collect::<Result<_, _>>()?;
        let part = self.part((&streams, beside), None, since, governed).await?;
        Ok(Standings::new(&part.evidence, part.governed, part.consistency))
    }

    /// These streams and governance whole, those beside and those of everybody who speaks in them, each leaf with its proof.
    async fn part(
        &self,
        (of, beside): (&[StreamId], BTreeSet<StreamId>),
        change: Option<&Change>,
        since: Option<u64>,
        governed: &[u64],
    ) -> Result<Part, EngineError> {
        let cosigned = self.cosigned();
        // Before the leaves are read, so that all of them are under it.
        let head = self.store.head().await?;
        let mut evidence = Evidence { checkpoint: head.note.clone(), ..Evidence::default() };
        let past = self.past(if change.is_some() { of } else { &[] }, governed).await?;
        let mut waiting = beside;
        waiting.insert(governance_stream()?);
        waiting.extend(of.iter().cloned());
        while let Some(stream) = waiting.pop_first() {
            evidence.streams.insert(stream.clone());
            let mut said = Vec::new();
            for (index, bytes) in self.stream(&stream).await? {
                if index >= head.noted {
                    continue;
                }
                let read = OwnLeaf::read(&bytes)?;
                // What gave somebody a key stands in their stream, too, which is not whole without it.
                let is_theirs =
                    stream != governance_stream()? && matches!(read.body(), Body::KeyRotation(_) | Body::Recovery(_));
                if is_theirs || !past.as_ref().is_some_and(|past| past.leaves.contains(&index)) {
                    said.push(read);
                    evidence.leaves.insert(index, bytes);
                }
            }
            // Who stands behind a publication is told by the change that it puts in force.
            for published in said.iter().filter_map(|leaf| put_in_force(leaf.body())) {
                waiting.extend(Some(change_stream(published)?).filter(|stream| !evidence.streams.contains(stream)));
            }
            let speakers = self.streams_of_speakers(&said).await?;
            waiting.extend(speakers.into_iter().filter(|stream| !evidence.streams.contains(stream)));
        }
        self.add_blobs(&mut evidence, past.as_ref()).await?;
        // Who has seen a longer log is not shown a shorter one.
        let beyond = evidence.leaves.keys().next_back().copied().max(since.and_then(|since| since.checked_sub(1)));
        let mut size = head.noted;
        if let Some(cosigned) = cosigned.filter(|note| beyond.is_none_or(|last| last < note.checkpoint().size)) {
            evidence.checkpoint = cosigned.to_note();
            size = cosigned.checkpoint().size;
        }
        if let Some(change) = change {
            self.add_tail(&mut evidence, change, size).await?;
        }
        for index in evidence.leaves.keys() {
            evidence.proofs.insert(*index, self.inclusion(*index, size).await?);
        }
        let consistency = match since {
            Some(since) if since > 0 && since < size => self.consistency(since, size).await?,
            Some(_) | None => Vec::new(),
        };
        Ok(Part { evidence, governed: past.map(|past| past.governed), consistency })
    }

    /// The changes that hold this one, or were rejected beside it: whoever reads it sees what was said there, and by whom. And those that used up how many
    /// of its sort may land in a day.
    async fn held_in(&self, change: &Change) -> Result<BTreeSet<ChangeId>, EngineError> {
        let mut state = State::part(self.governed().await?.1);
        let targets = change.targets.iter().map(target_stream).collect::<Result<_, _>>()?;
        records::load(&*self.store, &mut state, &targets).await?;
        let held_by = state.held_by(change)?.into_iter().map(|rejection| rejection.change.clone()).take(MAX_HELD_IN);
        let beside = state.rejected_beside(change)?.into_iter().map(|(rejection, _)| rejection.change.clone());
        let like_it = take::like_it(&state, change, self.clock.shown())?.into_iter().take(MAX_LIKE_IT);
        Ok(held_by.chain(beside).chain(like_it).collect())
    }

    /// What an asker who has verified governance before does not need: up to where the first of these changes began, or all of
    /// it where there are none.
    async fn past(&self, changes: &[StreamId], governed: &[u64]) -> Result<Option<Past>, EngineError> {
        if governed.is_empty() {
            return Ok(None);
        }
        let mut began = None;
        for stream in changes {
            began = began.into_iter().chain(self.first_of(stream).await?).min();
        }
        let stream = self.stream(&governance_stream()?).await?;
        // Where what each leaf stands on begins: itself, or the change that it puts in force.
        let mut stands_on = Vec::with_capacity(stream.len());
        for (index, bytes) in &stream {
            let of_change = match put_in_force(OwnLeaf::read(bytes)?.body()) {
                Some(change) => self.first_of(&change_stream(change)?).await?,
                None => None,
            };
            stands_on.push(of_change.unwrap_or(*index));
        }
        let fits = |governed: &u64| {
            let governed = usize::try_from(*governed).unwrap_or(usize::MAX);
            let last = governed.checked_sub(1).and_then(|last| stream.get(last)).map(|(index, _)| *index);
            last.is_some_and(|last| {
                began.is_none_or(|began| last < began) && stands_on.iter().skip(governed).all(|begun| last < *begun)
            })
        };
        let Some(governed) = governed.iter().copied().filter(fits).max() else {
            return Ok(None);
        };
        let past = stream.iter().take(usize::try_from(governed).unwrap_or(usize::MAX));
        let mut files = BTreeMap::new();
        let lists: Vec<OwnLeaf> = past.clone().map(|(_, bytes)| OwnLeaf::read(bytes)).collect::<Result<_, _>>()?;
        let named: Vec<Digest> = lists.iter().filter_map(|leaf| leaf.body().governance_files()).collect();
        let blobs = self.store.blobs(&named).await?;
        for list in named {
            files.extend(read_manifest(&list, &|digest| blobs.get(digest).cloned())?);
        }
        Ok(Some(Past {
            governed,
            leaves: past.map(|(index, _)| *index).filter(|index| *index > 0).collect(),
            files: files.into_values().flatten().collect(),
        }))
    }

    /// The first leaf of a stream.
    async fn first_of(&self, stream: &StreamId) -> Result<Option<u64>, EngineError> {
        Ok(self.store.stream(stream, 0).await?.first().map(|(index, _)| *index))
    }

    /// The genesis, the publications and what began epochs behind the first `from`, in their order, with the lists of files that they name; at most
    /// a hundred.
    pub async fn published(&self, from: u64) -> Result<Vec<Published>, EngineError> {
        let page = self.store.stream(&governance_stream()?, from).await?;
        let leaves = page.iter().take(MAX_PUBLISHED).map(|(_, bytes)| OwnLeaf::read(bytes));
        let leaves: Vec<OwnLeaf> = leaves.collect::<Result<_, _>>()?;
        let named: Vec<Digest> = leaves.iter().filter_map(|leaf| leaf.body().governance_files()).collect();
        let lists = self.store.blobs(&named).await?;
        let mut published = Vec::with_capacity(leaves.len());
        let missing = || Damage::Value { what: "a list of governance files", found: "nothing".to_owned() };
        for leaf in &leaves {
            let list = match leaf.body().governance_files() {
                Some(files) => lists.get(&files).map(Vec::as_slice).ok_or_else(missing)?,
                None => &[],
            };
            published.push(Published {
                statement: String::from_utf8_lossy(leaf.leaf.envelope.payload()).into_owned(),
                files: String::from_utf8_lossy(list).into_owned(),
            });
        }
        Ok(published)
    }

    /// All leaves of a stream.
    pub(super) async fn stream(&self, stream: &StreamId) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        let mut leaves = Vec::new();
        loop {
            let page = self.store.stream(stream, leaves.len() as u64).await?;
            if page.is_empty() {
                return Ok(leaves);
            }
            leaves.extend(page);
        }
    }

    /// Proof that leaf `index` is in a log of `size` leaves.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, EngineError> {
        let head = self.store.head().await?;
        if index >= size || size > head.size {
            return Err(out_of_range(size, head.size).into());
        }
        let proof = store::with_nodes(&*self.store, |nodes| tree::inclusion_proof(index, size, &nodes)).await?;
        Ok(proof.map_err(|e| damaged(&e))?)
    }

    /// Proof that a log of `from` leaves is a prefix of one of `to`.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, EngineError> {
        let head = self.store.head().await?;
        if from == 0 || from > to || to > head.size {
            return Err(out_of_range(to, head.size).into());
        }
        if from == to {
            return Ok(Vec::new());
        }
        let proof = store::with_nodes(&*self.store, |nodes| tree::consistency_proof(from, to, &nodes)).await?;
        Ok(proof.map_err(|e| damaged(&e))?)
    }

    /// The leaves behind the first `from`, with the checkpoint that they are under and the blobs that folding them needs.
    pub async fn entries(&self, from: u64, limit: u64) -> Result<Entries, EngineError> {
        // In this order, so that the newest checkpoint continues it.
        let cosigned = self.cosigned().map(|note| note.to_note());
        let head = self.store.head().await?;
        let to = head.noted.min(from.saturating_add(limit.clamp(1, MAX_ENTRIES)));
        let leaves = if from < to { self.store.leaves(from..to).await? } else { Vec::new() };
        let entries: Vec<OwnLeaf> = leaves.iter().map(|bytes| OwnLeaf::read(bytes)).collect::<Result<_, _>>()?;
        let needed: Vec<Digest> = entries
            .iter()
            .map(OwnLeaf::said)
            .flat_map(|(body, token)| body.needed_blobs().into_iter().chain(token))
            .collect();
        let mut blobs = self.store.blobs(&needed).await?;
        // The lists of governance files name more, also of those that are only proposed.
        let bodies = entries.iter().map(OwnLeaf::said).filter(|(body, _)| records::names_a_list(body));
        let mut named = records::all_named(&*self.store, bodies).await?;
        named.retain(|digest, _| !blobs.contains_key(digest));
        blobs.extend(named);
        Ok(Entries { cosigned, ..Entries::new(head.note, from, &leaves, &blobs) })
    }

    /// One tile of the log, or `None` if the log does not reach so far.
    pub async fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(layout::tile(&*self.store, path).await?)
    }

    /// Every leaf since the change's last decision or permit, if those are few: then whoever takes followers' word for what
    /// came before sees that nothing was left out after. Of others' changes the leaves alone are there.
    async fn add_tail(&self, evidence: &mut Evidence, change: &Change, size: u64) -> Result<(), EngineError> {
        let mut last = None;
        for (index, bytes) in &evidence.leaves {
            match OwnLeaf::read(bytes)?.body() {
                Body::Decided(decided) if decided.change == change.id => last = Some(*index),
                Body::PermitGrant(grant) if grant.change == change.id => last = Some(*index),
                _ => {}
            }
        }
        let few = |next: &u64| size.saturating_sub(*next) <= MAX_TAIL;
        let Some(next) = last.map(|last| last.saturating_add(1)).filter(few) else { return Ok(()) };
        if next < size {
            for (index, bytes) in (next..size).zip(self.store.leaves(next..size).await?) {
                evidence.leaves.entry(index).or_insert(bytes);
            }
        }
        Ok(())
    }

    /// The blobs that leaves name, as far as they are still there.
    async fn add_blobs(&self, evidence: &mut Evidence, past: Option<&Past>) -> Result<(), EngineError> {
        // Whoever goes on from later governance does not read what the log began with.
        let leaves = evidence.leaves.iter().filter(|(index, _)| past.is_none() || **index > 0);
        let entries: Vec<OwnLeaf> = leaves.map(|(_, bytes)| OwnLeaf::read(bytes)).collect::<Result<_, _>>()?;
        evidence.blobs = records::all_named(&*self.store, entries.iter().map(OwnLeaf::said)).await?;
        // To publish over what was verified before, its files have to be read, and to compare with what is proposed.
        if let Some(past) = past.filter(|_| entries.iter().any(|entry| records::names_a_list(entry.body()))) {
            let missing = past.files.iter().filter(|digest| !evidence.blobs.contains_key(*digest)).copied();
            evidence.blobs.extend(self.store.blobs(&Vec::from_iter(missing)).await?);
        }
        Ok(())
    }
}

/// Some streams whole, with what proves it.
struct Part {
    evidence: Evidence,
    governed: Option<u64>,
    consistency: Vec<Hash>,
}

/// Governance that the asker of a bundle has verified before.
struct Past {
    /// How many leaves of its stream.
    governed: u64,
    /// Those that are left out: all but entry 0, which says which log it is.
    leaves: BTreeSet<u64>,
    /// The files that were in force there.
    files: Vec<Digest>,
}

/// The change that a publication puts in force.
fn put_in_force(body: &Body) -> Option<&ChangeId> {
    match body {
        Body::Publication(publication) => publication.change.as_ref().map(|change| &change.id),
        _ => None,
    }
}

fn is_of_somebody(stream: &StreamId) -> bool {
    stream.as_str().starts_with(PEOPLE)
}

fn damaged(error: &dyn std::fmt::Display) -> StoreError {
    Damage::Value { what: "the tree", found: error.to_string() }.into()
}

fn out_of_range(asked: u64, size: u64) -> Refusal {
    Refusal::unknown("beyond-the-log", format!("the log has {size} leaves; there is no proof about {asked}"))
}
