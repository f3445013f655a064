//! A log that was restored from an older copy, and in which a quorum began a new epoch: the copy goes over to it. Nothing of the
//! log's word is believed: the whole log is followed afresh beside, from the pinned genesis on, and takes the place of the copy
//! only where it begins an epoch that the copy does not know, behind leaves that are the copy's own.
//!
//! ```text
//!  the copy         genesis ── … ── N ── lost ── lost          kept in DIR/lost/before-epoch-2/
//!  the log          genesis ── … ── N ── epoch 2 ── …          in DIR/restoring/, then in DIR
//! ```
//!
//! What was lost is never deleted. Its stops are laid before the gate as if somebody had handed them in; the gate obeys them, and
//! sends them to the log. What takes away and cannot be handed in is written down, for somebody to say it again.
//!
//! Invariant: whatever fails on the way, the log is refused as before; a copy that was left in between goes over again.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use countersign_core::{
    admit::{self, Signed},
    epoch::{EpochRecord, FIRST},
    refusal::Refusal,
    state::State,
    statement::{Body, Statement, person_stream},
    trust::Trust,
};
use countersign_ledger::{
    Envelope, Leaf, StreamId, Time,
    checkpoint::{Checkpoint, SignedCheckpoint},
};

use super::{
    ABANDONED, COPY, FOLLOWED, FollowError, Followed, Follower, GOVERNANCE, SEEN, copy, cosigned::COSIGNED, io_error,
    proof, source::Source,
};
use crate::{durable, records, wire::Submit};

const RESTORING: &str = "restoring";
const LOST: &str = "lost";
/// Where a gate looks for stops of which it has to find out whose they are.
const HANDED_IN: &str = "stops/unchecked";
/// What lies beside a store that was not closed.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
const STEP: u64 = 1_024;
/// Beside what was lost: what of it somebody has to say again, a line each.
const SAY_AGAIN: &str = "say-again.txt";

/// That a copy went over to a new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub number: u32,
    /// How many leaves the log was restored with.
    pub after: u64,
    /// How many the copy had behind them.
    pub lost: u64,
    /// The stops among those.
    pub stops: usize,
    /// What else took something away, and nobody can hand in.
    pub say_again: usize,
    /// Where the copy lies as it was.
    pub kept: PathBuf,
}

/// What took something away behind the cut.
#[derive(Default)]
struct Lost {
    stops: Vec<LostStop>,
    say_again: Vec<String>,
}

/// A stop of what was lost, with the blobs that the copy has.
struct LostStop {
    envelope: Envelope,
    blobs: Vec<Vec<u8>>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, after, lost, stops, say_again, kept } = self;
        write!(
            f,
            "the log was restored with {after} leaves, and a quorum of founders began epoch {number} there; {lost} that this \
             copy had are lost, {stops} of them stops, which it hands in. Approvals and waivers have to be given again. What \
             was lost is kept in {}",
            kept.display()
        )?;
        match say_again {
            0 => Ok(()),
            more => write!(
                f,
                ". {more} more that took something away nobody can hand in; who said it says it again: {}",
                kept.join(SAY_AGAIN).display()
            ),
        }
    }
}

impl Follower {
    /// The epoch of the log as the copy has it, as headers spell it.
    pub async fn epoch(&self) -> Result<Option<u32>, FollowError> {
        Ok(self.epochs().await?.last().map(|epoch| epoch.number))
    }

    /// How many of its leaves a checkpoint has vouched for.
    async fn noted(&self) -> Result<u64, FollowError> {
        Ok(self.store().head().await.map_err(|e| self.failed(e))?.noted)
    }

    async fn epochs(&self) -> Result<Vec<EpochRecord>, FollowError> {
        records::epochs(&*self.store()).await.map_err(|e| self.recorded(e))
    }

    /// Goes over to the log as it was restored, if a quorum began a new epoch in it.
    pub(super) async fn across_a_cut(&self, source: &Source, now: Time) -> Result<Option<Followed>, FollowError> {
        let hints = source.epochs()?;
        if hints.is_empty() {
            return Ok(None);
        }
        let known = self.epoch().await?;
        // Another gate of this machine may have gone over already.
        self.reopen().await?;
        if self.epoch().await? != known {
            return Box::pin(self.follow_on(&mut source.clone(), now)).await.map(Some);
        }
        let (known, size) = (known.unwrap_or(FIRST), self.noted().await?);
        if !hints.iter().any(|hint| hint.number > known && hint.leaf <= size) {
            return Ok(None);
        }
        let _lock = self.lock()?;
        let staging = self.folder().join(RESTORING);
        remove_folder(&staging)?;
        let gone_over = Box::pin(self.go_over(&staging, source, known, size, now)).await;
        remove_folder(&staging)?;
        match gone_over {
            Ok(followed) => Ok(followed),
            Err(error) => {
                tracing::warn!(%error, "the log says that it was restored, and what it shows does not hold");
                Ok(None)
            }
        }
    }

    /// What the log was caught at, also earlier, and what it shows behind the cut is the same log: that accuses nobody, and lies
    /// with what was lost.
    pub(super) async fn acquit(&self) -> Result<(), FollowError> {
        let lost = self.folder().join(LOST);
        for (proof, shown) in proof::shown_in(self.folder())? {
            let Ok(shown) = SignedCheckpoint::open(&shown, &self.trust().log_key) else { continue };
            let Checkpoint { size, root, .. } = shown.checkpoint();
            if *size <= self.size().await?
                && self.root(*size).await? == Some(*root)
                && let Some(name) = proof.file_name()
            {
                durable::folder(&lost).map_err(|source| io_error("make", &lost, source))?;
                fs::rename(&proof, lost.join(name)).map_err(|source| io_error("move", &proof, source))?;
            }
        }
        Ok(())
    }

    async fn go_over(
        &self,
        staging: &Path,
        source: &Source,
        known: u32,
        size: u64,
        now: Time,
    ) -> Result<Option<Followed>, FollowError> {
        durable::folder(staging).map_err(|source| io_error("make", staging, source))?;
        // What is pinned may be of what was lost. This copy has reached it, and is compared.
        let trust = Trust { checkpoint: None, ..(*self.trust()).clone() };
        let afresh = Self::open(staging, &trust, self.access).await?;
        let followed = afresh.follow_on(&mut source.clone(), now).await?;
        let Some(cut) = self.cut(&afresh, known, size).await? else { return Ok(None) };
        self.knows_the_quorum(&afresh, &cut, now).await?;
        let Lost { stops, say_again } = self.took_away(&afresh, cut.after.size, size).await?;
        let kept = self.keep_what_was(&cut).await?;
        if !say_again.is_empty() {
            let path = kept.join(SAY_AGAIN);
            durable::replace(&path, format!("{}\n", say_again.join("\n")))
                .map_err(|source| io_error("write", &path, source))?;
        }
        self.hand_in(&stops)?;
        afresh.close().await?;
        self.take_place(staging).await?;
        if let Source::Server(client) = source {
            for stop in &stops {
                // A gate obeys it all the same, and tries again.
                if let Err(error) = client.submit(&stop.envelope, &stop.blobs) {
                    tracing::warn!(%error, "the log did not take a stop of what was lost");
                }
            }
        }
        let Followed { checkpoint, note, cosigned, epoch, .. } = followed;
        let (number, after, lost) = (cut.number, cut.after.size, size.saturating_sub(cut.after.size));
        let (stops, say_again) = (stops.len(), say_again.len());
        let restored = Restored { number, after, lost, stops, say_again, kept };
        tracing::warn!(log.restored = %restored, "the copy has gone over to a new epoch");
        let new = checkpoint.size.saturating_sub(after);
        Ok(Some(Followed { checkpoint, note, cosigned, new, epoch, restored: Some(restored) }))
    }

    /// The epoch that this copy does not know and that goes on from its own leaves.
    async fn cut(&self, afresh: &Self, known: u32, size: u64) -> Result<Option<EpochRecord>, FollowError> {
        for epoch in afresh.epochs().await? {
            let is_new = epoch.number > known && epoch.after.size <= size;
            if is_new && self.root(epoch.after.size).await? == Some(epoch.after.root) {
                return Ok(Some(epoch));
            }
        }
        Ok(None)
    }

    /// Who cut the log could do so by what this copy knows, too: a key that was taken away, or replaced, behind the cut is no
    /// founder's any more.
    async fn knows_the_quorum(&self, afresh: &Self, cut: &EpochRecord, now: Time) -> Result<(), FollowError> {
        let at = cut.after.size;
        let bytes = afresh.store().leaves(at..at.saturating_add(1)).await.map_err(|e| afresh.failed(e))?;
        let leaf = bytes.first().and_then(|bytes| Leaf::parse(bytes).ok());
        let leaf = leaf.ok_or_else(|| Refusal::unknown("unknown-leaf", format!("leaf {at} is not there")))?;
        let signed = Signed::check(&leaf.envelope)?;
        let governance = self.governance().await?;
        let people: BTreeSet<StreamId> = signed
            .keys()
            .filter_map(|key| governance.catalog.actor_by_key(&key).map(|actor| person_stream(&actor.id)))
            .collect::<Result<_, _>>()?;
        let mut state = State::part(governance);
        records::load(&*self.store(), &mut state, &people).await.map_err(|e| self.recorded(e))?;
        Ok(admit::quorum_signed(&state, &signed, now)?)
    }

    /// Keeps the copy as it was.
    async fn keep_what_was(&self, cut: &EpochRecord) -> Result<PathBuf, FollowError> {
        let kept = lost_in(self.folder(), cut.number);
        remove_folder(&kept)?;
        durable::folder(&kept).map_err(|source| io_error("make", &kept, source))?;
        self.store().copy_to(&kept.join(COPY)).await.map_err(|e| self.failed(e))?;
        for name in [SEEN, COSIGNED] {
            let (from, to) = (self.folder().join(name), kept.join(name));
            match fs::read(&from) {
                Ok(bytes) => durable::replace(&to, bytes).map_err(|source| io_error("write", &to, source))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(io_error("read", &from, source)),
            }
        }
        Ok(kept)
    }

    /// The stops of what was lost that still have something to stop, and what else took something away.
    async fn took_away(&self, afresh: &Self, after: u64, size: u64) -> Result<Lost, FollowError> {
        let store = self.store();
        let (mut next, mut lost) = (after, Lost::default());
        while next < size {
            let page = store.leaves(next..size.min(next.saturating_add(STEP))).await.map_err(|e| self.failed(e))?;
            if page.is_empty() {
                break;
            }
            next = next.saturating_add(page.len() as u64);
            for bytes in page {
                // Each was read when the copy took it.
                let Ok(leaf) = Leaf::parse(&bytes) else { continue };
                let Ok(Statement { header, body }) = Statement::parse(leaf.envelope.payload()) else { continue };
                let by = &header.by;
                let cannot = match &body {
                    Body::Rejection(said) => {
                        let there = afresh.change(&said.change).await?;
                        let why = match &there {
                            None => Some("the change"),
                            Some(change) if change.revision(&said.revision).is_none() => Some("the revision"),
                            Some(_) => None,
                        };
                        let what = || format!("revision {} of change {}", said.revision.number, said.change);
                        why.map(|lost| format!("{by} rejected {}: {lost} was lost, too", what()))
                    }
                    // It bears on a revocation of the epoch before, and is signed in front of that.
                    Body::RevocationConfirmation(said) => Some(format!(
                        "{by} confirmed that key {} stays revoked: countersign revoke {} --confirm",
                        said.key, said.key
                    )),
                    _ => None,
                };
                if let Some(cannot) = cannot {
                    lost.say_again.push(cannot);
                } else if body.is_stop() {
                    let blobs = store.blobs(&body.blobs()).await.map_err(|e| self.failed(e))?;
                    lost.stops.push(LostStop { envelope: leaf.envelope, blobs: blobs.into_values().collect() });
                }
            }
        }
        Ok(lost)
    }

    /// Lays them before the gate.
    fn hand_in(&self, stops: &[LostStop]) -> Result<(), FollowError> {
        let folder = self.folder().join(HANDED_IN);
        for LostStop { envelope, blobs } in stops {
            let path = folder.join(format!("{}.json", envelope.payload_digest().hex()));
            let written =
                serde_json::to_vec(&Submit::new(envelope, blobs)).map_err(io::Error::from).and_then(|bytes| {
                    durable::folder(&folder)?;
                    durable::replace(&path, bytes)
                });
            written.map_err(|source| io_error("write", &path, source))?;
        }
        Ok(())
    }

    /// Puts the log as it was followed afresh into the place of the copy. What was seen goes first: a machine that stops in
    /// between finds the old copy, which goes over again.
    async fn take_place(&self, staging: &Path) -> Result<(), FollowError> {
        let folder = self.folder();
        let moved = |name: &str| {
            let (from, to) = (staging.join(name), folder.join(name));
            fs::rename(&from, &to).map_err(|source| io_error("move", &from, source))
        };
        moved(SEEN)?;
        for name in [COSIGNED, GOVERNANCE, FOLLOWED, ABANDONED] {
            if staging.join(name).exists() { moved(name)? } else { remove(&folder.join(name))? }
        }
        for ending in BESIDE {
            remove(&folder.join(format!("{COPY}{ending}")))?;
        }
        moved(COPY)?;
        fs::File::open(folder).and_then(|opened| opened.sync_all()).map_err(|e| io_error("write in", folder, e))?;
        self.reopen().await
    }

    /// Opens the copy that lies here now.
    async fn reopen(&self) -> Result<(), FollowError> {
        let store = copy::open_store(self.folder(), &self.trust(), self.access).await?;
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&store);
        Ok(())
    }

    /// Whether a checkpoint is of what was cut off: a copy that was left behind had come as far.
    pub async fn was_lost(&self, note: &SignedCheckpoint) -> Result<bool, FollowError> {
        let checkpoint = note.checkpoint();
        if checkpoint.size <= self.size().await? && self.root(checkpoint.size).await? == Some(checkpoint.root) {
            return Ok(false);
        }
        for EpochRecord { number, after, .. } in self.epochs().await? {
            let kept = lost_in(self.folder(), number);
            let seen = if kept.exists() { Self::seen_in(&kept, &self.trust())? } else { None };
            if checkpoint.size > after.size && seen.is_some_and(|seen| seen.checkpoint().size >= checkpoint.size) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn lost_in(folder: &Path, number: u32) -> PathBuf {
    folder.join(LOST).join(format!("before-epoch-{number}"))
}

fn remove(path: &Path) -> Result<(), FollowError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("remove", path, source)),
    }
}

fn remove_folder(path: &Path) -> Result<(), FollowError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("remove", path, source)),
    }
}
