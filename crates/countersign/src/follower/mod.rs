//! The follower: a verified copy of the log on this machine's own disk, by which a gate decides and a cosigner vouches.
//!
//! It reads every leaf since the last time, checks its signatures, admits and folds it as the engine did, and refuses a log
//! that forks a stream, skips a number, mislabels a leaf, decides from other heads than stood there, goes back, or is not
//! the one that it saw before. What contradicts is kept as proof, both sides of it.
//!
//! ```text
//! DIR/copy.db    leaves, records and hashes (a store like the server's)
//! DIR/seen       the newest checkpoint that was reached, which outlives the copy
//! DIR/governance what the copy's governance files came to, so that no push reads them again
//! DIR/keys       log keys that came in the place of the pinned one, as the replay found them
//! DIR/cosigned   the newest checkpoint that others cosigned
//! DIR/followed   when it was last followed
//! DIR/lock       one follows at a time; the others wait and find it done
//! DIR/proof/     what a log was caught at
//! DIR/lost/      copies as they were before a log was restored and a quorum began a new epoch (see `epoch.rs`)
//! ```
//!
//! One copy serves all gates of a machine. Its cost grows with what is new, not with history.

mod ahead;
mod copy;
mod cosigned;
pub mod cosigner;
pub mod epoch;
pub mod following;
pub mod learned;
pub mod ledger;
mod proof;
mod reads;
mod sighted;
pub mod source;
pub mod vouching;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use countersign_core::{
    refusal::Refusal,
    trust::Trust,
    verify::{CLOCK_BEHIND, Failure, Verdict},
};
use countersign_ledger::{
    Digest, Hash, Time,
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint},
    tree::{self, Frontier},
};
use thiserror::Error;

use self::{
    ahead::{Ahead, Shown},
    source::{Source, SourceError},
};
pub use self::{
    epoch::Restored,
    proof::{Contradiction, Kept, kept_in},
};
use crate::{
    durable,
    home::files::word,
    intake::{Intake, IntakeError},
    records::{GovernanceCache, RecordError},
    store::{self, Conflict, Notary, NoteError, Store, StoreError},
};

pub use crate::store::Access;

/// The file of a copy, in its folder.
pub const COPY: &str = "copy.db";
/// The newest checkpoint that a copy has reached.
pub const SEEN: &str = "seen";
const GOVERNANCE: &str = "governance";
const LOCK: &str = "lock";
const FOLLOWED: &str = "followed";
/// What core says of a leaf whose blob did not come along.
const BLOB_MISSING: &str = "blob-missing";
const ABANDONED: &str = "abandoned";

#[derive(Debug, Error)]
pub enum FollowError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the copy of the log at {path}: {source}")]
    Store { path: PathBuf, source: StoreError },
    #[error("wrong trust file, or the copy of another log: what is in {folder} is not signed by the pinned log key")]
    AnotherCopy { folder: PathBuf, source: CheckpointError },
    /// An export that was not brought up to date. Nobody took anything away from it.
    #[error("{place} has {found} leaves, and {known} are known: it is an older copy of the same log")]
    Older { place: String, found: u64, known: u64 },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("wrong trust file, or not the log that it pins: the checkpoint is not signed by the pinned log key")]
    Checkpoint(#[from] CheckpointError),
    /// The log is caught at something that no honest log does.
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
    #[error("the log at {place} ends at leaf {found}, but its checkpoint is of {expected}")]
    Short { place: String, found: u64, expected: u64 },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl FollowError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(SourceError::Client(crate::client::ClientError::Unreachable { .. })) => "server-unreachable",
            Self::Source(_) => "log-unreadable",
            Self::Store { .. } | Self::Io { .. } => "copy",
            Self::Checkpoint(_) | Self::AnotherCopy { .. } => "another-log",
            Self::Older { .. } => "older-copy",
            Self::Contradiction(contradiction) => contradiction.what.code(),
            Self::Short { .. } => "log-short",
            Self::Refused(refusal) => refusal.code,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(SourceError::Client(crate::client::ClientError::Unreachable { .. })) => {
                Some("is the server running, and its address right?".to_owned())
            }
            Self::Source(_) | Self::Short { .. } => {
                Some("the server may be damaged or lying; nothing is decided by what it says".to_owned())
            }
            Self::Store { source, .. } => Some(source.hint().to_owned()),
            Self::Io { path, .. } => {
                Some(format!("this account has to read and write it; whose it is says: ls -ld {}", word(path)))
            }
            Self::AnotherCopy { .. } => Some(
                "compare trust.json with the one that a founder gave you; each log has a copy in a folder of its own"
                    .to_owned(),
            ),
            Self::Older { place, .. } => {
                Some(format!("bring it up to date, or ask the server: countersign export {place}"))
            }
            Self::Checkpoint(_) => Some("compare trust.json with the one that a founder gave you".to_owned()),
            Self::Contradiction(contradiction) => Some(format!(
                "do not open the gate by hand: show {} to an auditor, and compare with another gate. A log that was restored from \
                 an older copy is followed when its founders have begun a new epoch (countersign epoch); where trust.json pins a \
                 checkpoint of what was lost, take a new one from a founder",
                contradiction.proof.display()
            )),
            Self::Refused(refusal) => refusal.hint.clone(),
        }
    }
}

/// How a follow ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
    /// The newest checkpoint that others cosigned. The copy continues it, and may be ahead.
    pub cosigned: Option<SignedCheckpoint>,
    /// How many leaves were new.
    pub new: u64,
    /// The epoch of the log, as headers spell it.
    pub epoch: Option<u32>,
    /// Whether the copy has just gone over to a new epoch.
    pub restored: Option<Restored>,
}

/// Why leaves were not taken.
enum Untaken {
    /// A leaf should not be there, at this place among them.
    Leaf(Failure, usize),
    Otherwise(FollowError),
}

impl From<FollowError> for Untaken {
    fn from(error: FollowError) -> Self {
        Self::Otherwise(error)
    }
}

/// A verified copy of a log.
pub struct Follower {
    folder: PathBuf,
    /// With the log keys that came in the place of the pinned one.
    trust: RwLock<Arc<Trust>>,
    store: RwLock<Arc<dyn Store>>,
    access: Access,
    governance: GovernanceCache,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Follower {
    /// Opens the copy in a folder, or begins one.
    pub async fn open(folder: &Path, trust: &Trust, access: Access) -> Result<Self, FollowError> {
        durable::folder(folder).map_err(|source| io_error("make", folder, source))?;
        copy::begin_anew(folder)?;
        let trust = learned::in_folder(folder, trust).map_err(|source| io_error("read", folder, source))?;
        learned::keep(folder, &trust.log_key).map_err(|source| io_error("write", folder, source))?;
        let store = copy::open_store(folder, &trust, access).await?;
        let governance = GovernanceCache::with_file(folder.join(GOVERNANCE));
        let (folder, trust, store) = (folder.to_owned(), RwLock::new(Arc::new(trust)), RwLock::new(store));
        let follower = Self { folder, trust, store, access, governance };
        follower.up_to_date().await?;
        Ok(follower)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was pinned, with the log keys that were found since.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The copy's store as it is now: a new epoch replaces it.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves the copy so that the next process opens it quickly.
    pub async fn close(self) -> Result<(), FollowError> {
        self.store().close().await.map_err(|e| self.failed(e))
    }

    pub(crate) fn failed(&self, source: StoreError) -> FollowError {
        FollowError::Store { path: self.folder.join(COPY), source }
    }

    pub(crate) fn recorded(&self, error: RecordError) -> FollowError {
        match error {
            RecordError::Store(source) => self.failed(source),
            RecordError::Refused(refusal) => refusal.into(),
        }
    }

    /// The newest checkpoint that was reached, as it was signed.
    pub fn seen(&self) -> Result<Option<SignedCheckpoint>, FollowError> {
        Self::seen_in(&self.folder, &self.trust())
    }

    /// The same, of a copy that is not opened.
    pub fn seen_in(folder: &Path, trust: &Trust) -> Result<Option<SignedCheckpoint>, FollowError> {
        let path = folder.join(SEEN);
        match fs::read_to_string(&path) {
            // All that a power cut has left of it; what the copy has reached counts.
            Ok(note) if note.is_empty() => Ok(None),
            Ok(note) => {
                let trust = learned::in_folder(folder, trust).map_err(|source| io_error("read", folder, source))?;
                Ok(Some(SignedCheckpoint::open(&note, &trust.log_key)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    /// Reads what is new, and returns where the log stands. Nothing of it counts before all of it holds. A log that was restored
    /// from an older copy is followed only where a quorum began a new epoch.
    pub async fn follow(&self, source: &mut Source, now: Time) -> Result<Followed, FollowError> {
        match self.follow_on(source, now).await {
            // Whatever fails on the way across, what it was caught at is what is told.
            Err(FollowError::Contradiction(caught)) => match self.across_a_cut(source, now).await {
                Ok(Some(followed)) => {
                    self.acquit().await?;
                    Ok(followed)
                }
                Ok(None) => Err(FollowError::Contradiction(caught)),
                Err(error) => {
                    tracing::warn!(%error, "whether a new epoch was begun could not be found out");
                    Err(FollowError::Contradiction(caught))
                }
            },
            followed => followed,
        }
    }

    async fn follow_on(&self, source: &mut Source, now: Time) -> Result<Followed, FollowError> {
        let _lock = self.lock()?;
        let head = self.store().head().await.map_err(|e| self.failed(e))?;
        let seen = self.seen()?;
        let newest = source.newest(head.size)?;
        let (shown, keys) = self.shown(source, head.size, &newest.checkpoint)?;
        let cosigned = newest.cosigned.map(|note| SignedCheckpoint::open(&note, &keys)).transpose()?;
        // Both are the log's word; where what others have seen is longer, that is how far it goes.
        let signed = match &cosigned {
            Some(cosigned) if cosigned.checkpoint().size > shown.checkpoint().size => cosigned.clone(),
            Some(_) | None => shown.clone(),
        };
        let checkpoint = signed.checkpoint().clone();
        // What the copy itself has reached counts as seen, should the machine have stopped before that was written down.
        let reached = if head.noted > 0 { Some(self.note(&head.note)?) } else { None };
        for before in seen.iter().chain(&reached) {
            self.goes_on(source, before, &signed).await?;
        }
        let begun = Intake::begin(&*self.store(), &self.governance).await;
        let mut intake = match begun {
            Ok(intake) => intake,
            Err(IntakeError::Store(error)) => return Err(self.failed(error)),
            Err(IntakeError::Leaf(failure)) => return Err(self.refused(failure, &signed, &[])),
        };
        let before = intake.size();
        // As it stood before what is new, which may shorten it.
        let waits = intake.governance().map(|(_, governance)| governance.catalog.settings.loosening_wait_secs);
        let mut first = Some(newest.batch).filter(|batch| !batch.leaves.is_empty());
        let mut ahead = None;
        while intake.size() < checkpoint.size {
            let place = intake.size();
            let shown = match (first.take(), &mut ahead) {
                (Some(batch), _) => Some(Shown::of(batch, checkpoint.size - place)),
                (None, Some(ahead)) => Ahead::next(ahead)?,
                (None, none) => {
                    let begun = Ahead::begin(source.clone(), place, checkpoint.size);
                    none.insert(begun.map_err(|source| io_error("read", &self.folder, source))?).next()?
                }
            };
            let Some(mut shown) = shown else {
                let place = source.name();
                return Err(FollowError::Short { place, found: intake.size(), expected: checkpoint.size });
            };
            if let (true, Some(Ok(entry))) = (place == before, shown.entries.first()) {
                self.sight(entry.leaf.admitted_at, waits.unwrap_or_default())?;
            }
            match self.take(&mut intake, source, &mut shown, &signed, now).await {
                Ok(()) => {}
                Err(Untaken::Otherwise(error)) => return Err(error),
                Err(Untaken::Leaf(failure, place)) => {
                    return Err(self.refuse_leaf(failure, place, &shown.batch.leaves, &signed).await);
                }
            }
        }
        let new = checkpoint.size.saturating_sub(before);
        let mut pinned = self.trust().checkpoint.as_ref().map(|note| self.note(note)).transpose()?;
        // What a cut took away is not asked for; the copy that had it was compared when it was left.
        if let Some(note) = &pinned
            && self.was_lost(note).await?
        {
            pinned = None;
        }
        for must in seen.iter().chain(&pinned).chain([&shown]).chain(&cosigned) {
            self.reaches(source, must, &signed).await?;
        }
        self.distrust().await?;
        let cosigned = self.vouched_for(source, [Some(shown), cosigned], &signed, now).await?;
        self.remember(&signed, seen.as_ref(), new)?;
        self.governance.keep();
        self.followed(now);
        let epoch = self.epoch().await?;
        Ok(Followed { checkpoint, note: signed.to_note(), cosigned, new, epoch, restored: None })
    }

    /// For whoever looks at the gate; nothing is decided by it, so that nothing waits for the disk.
    fn followed(&self, now: Time) {
        let path = self.folder.join(FOLLOWED);
        if let Err(error) = durable::put(&path, now.unix_millis().to_string()) {
            tracing::warn!(path = %path.display(), %error, "when the log was followed could not be kept");
        }
    }

    /// When a copy was last followed, which need not be opened.
    pub fn followed_in(folder: &Path) -> Option<Time> {
        let text = fs::read_to_string(folder.join(FOLLOWED)).ok()?;
        text.parse().ok().map(Time::from_unix_millis)
    }

    /// A checkpoint that this log signed.
    fn note(&self, note: &str) -> Result<SignedCheckpoint, FollowError> {
        let trust = self.trust();
        let signed = SignedCheckpoint::open(note, &trust.log_key)?;
        let origin = &signed.checkpoint().origin;
        if *origin == trust.origin {
            return Ok(signed);
        }
        let other = format!("wrong trust file: it is of log `{}`, the checkpoint is of log `{origin}`", trust.origin);
        Err(Refusal::unauthenticated("another-log", other).into())
    }

    /// Takes a batch of leaves and makes it durable.
    async fn take(
        &self,
        intake: &mut Intake,
        source: &Source,
        shown: &mut Shown,
        signed: &SignedCheckpoint,
        now: Time,
    ) -> Result<(), Untaken> {
        let first = intake.size();
        let untaken = |error, place| match error {
            IntakeError::Store(error) => Untaken::Otherwise(self.failed(error)),
            IntakeError::Leaf(failure) => Untaken::Leaf(failure, place),
        };
        let mut has_learned = false;
        let Shown { batch, entries: parsed } = shown;
        let mut entries = Vec::with_capacity(parsed.len());
        let mut unread = None;
        for (place, entry) in parsed.drain(..).enumerate() {
            match entry {
                Ok(entry) => entries.push(entry),
                Err(refusal) => {
                    unread = Some((place, refusal));
                    break;
                }
            }
        }
        intake.prefetch(&*self.store(), &entries).await.map_err(|e| untaken(e, 0))?;
        for (place, entry) in entries.into_iter().enumerate() {
            let is_genesis = intake.size() == 0;
            if is_genesis && entry.signed.payload() != self.trust().genesis {
                let detail = format!("entry 0 is {}, pinned is {}", entry.signed.payload(), self.trust().genesis);
                let leaf = batch.leaves.get(..1).unwrap_or_default();
                return Err(self.caught(proof::What::Refounded, detail, signed, leaf)?.into());
            }
            if let Some(snapshot) = intake.wanted(&*self.store(), &entry).await.map_err(|e| untaken(e, place))? {
                let found = source.blob(&snapshot).map_err(FollowError::from)?;
                let Some(found) = found.filter(|bytes| Digest::of(bytes) == snapshot) else {
                    return Err(Untaken::Leaf(snapshot_missing(intake.size(), &snapshot), place));
                };
                batch.blobs.insert(snapshot, found);
            }
            intake.take(&*self.store(), entry, &batch.blobs, now).await.map_err(|e| untaken(e, place))?;
            has_learned |= self.learn(intake);
        }
        if let Some((place, refusal)) = unread {
            // Behind a raise of the semantics, what this program cannot read is newer, and nothing is wrong with it.
            let readable = intake.governance().map(|(_, governance)| governance.record.semantics.readable());
            let refusal = readable.and_then(Result::err).unwrap_or(refusal);
            let index = first.saturating_add(place as u64);
            return Err(Untaken::Leaf(Failure::refused(index, &refusal), place));
        }
        let Some(submission) = intake.submission().map_err(|e| Untaken::from(self.failed(e)))? else { return Ok(()) };
        self.is_signed_in_force(intake, signed, has_learned).await?;
        let notary = Reached { checkpoint: signed.checkpoint(), note: signed.to_note() };
        match self.store().commit(&notary, vec![submission]).await {
            Ok(results) => match results.into_iter().next() {
                Some(Ok(_)) => {}
                Some(Err(Conflict::Taken { key: _, index })) => {
                    let detail = format!("a statement or a gate's key stands in the log twice; first in leaf {index}");
                    return Err(self.caught(proof::What::Repeated, detail, signed, &[])?.into());
                }
                Some(Err(Conflict::Moved(_) | Conflict::Overtaken(_) | Conflict::Unfit(_))) | None => {
                    let moved = Refusal::conflict("copy-moved", "the copy was written to by something else");
                    return Err(FollowError::from(moved.hint("try again")).into());
                }
            },
            Err(StoreError::Note(NoteError::Differs { size, found, expected })) => {
                self.abandon().await?;
                let detail = format!("its first {size} leaves hash to {found}, its checkpoint says {expected}");
                return Err(self.caught(proof::What::Differs, detail, signed, &[])?.into());
            }
            Err(error) => return Err(self.failed(error).into()),
        }
        if let Some((head, governance)) = intake.governance() {
            self.governance.put(head, &governance);
        }
        Ok(intake.trim().map_err(FollowError::from)?)
    }

    /// Refuses a log for a leaf of it. Where its leaves do not even hash to its checkpoint, behind those that this copy has, it
    /// is another log, and the leaf is only where that begins to show.
    async fn refuse_leaf(
        &self,
        failure: Failure,
        place: usize,
        leaves: &[Vec<u8>],
        signed: &SignedCheckpoint,
    ) -> FollowError {
        let leaf = leaves.get(place..=place).unwrap_or_default();
        // That a clock is wrong says nothing of the log, and the copy stays.
        if failure.code == CLOCK_BEHIND {
            return self.refused(failure, signed, leaf);
        }
        let checkpoint = signed.checkpoint();
        let found = match self.root_with(leaves, checkpoint.size).await {
            Ok(found) => found,
            Err(error) => return error,
        };
        match failure.verdict {
            Verdict::Newer => {}
            Verdict::Holds | Verdict::Broken | Verdict::NotChecked => {
                if let Err(error) = self.abandon().await {
                    return error;
                }
            }
        }
        match found {
            Some(root) if root != checkpoint.root => {
                let (size, said) = (checkpoint.size, checkpoint.root);
                let detail = format!(
                    "behind what is known of it, its {size} leaves hash to {root}, its checkpoint says {said}: {}",
                    failure.detail
                );
                self.caught(proof::What::Differs, detail, signed, leaf).unwrap_or_else(|error| error)
            }
            Some(_) | None => self.refused(failure, signed, leaf),
        }
    }

    /// The root over the copy and these leaves, if they are all that a log of this size has.
    async fn root_with(&self, leaves: &[Vec<u8>], size: u64) -> Result<Option<Hash>, FollowError> {
        let known = self.store().head().await.map_err(|e| self.failed(e))?.size;
        if known.saturating_add(leaves.len() as u64) != size {
            return Ok(None);
        }
        let frontier = store::with_nodes(&*self.store(), |nodes| Frontier::from_nodes(known, &nodes)).await;
        let Ok(mut frontier) = frontier.map_err(|e| self.failed(e))? else { return Ok(None) };
        for leaf in leaves {
            frontier.push(Hash::leaf(leaf));
        }
        Ok(Some(frontier.root()))
    }

    fn refused(&self, failure: Failure, signed: &SignedCheckpoint, leaf: &[Vec<u8>]) -> FollowError {
        // What is held back contradicts nothing; without it nothing goes on.
        if failure.code == BLOB_MISSING {
            return Refusal::unknown(BLOB_MISSING, failure.detail)
                .hint("the server has lost it or holds it back; another copy of the log may have it")
                .into();
        }
        if failure.code == CLOCK_BEHIND {
            return Refusal::conflict(CLOCK_BEHIND, failure.detail)
                .hint("set the clock that is wrong, this machine's or the server's, and try again")
                .into();
        }
        match failure.verdict {
            Verdict::Newer => Refusal::newer(failure.detail).into(),
            Verdict::Holds | Verdict::Broken | Verdict::NotChecked => {
                let what = proof::What::Leaf { index: failure.index, code: failure.code };
                self.caught(what, failure.detail, signed, leaf).unwrap_or_else(|error| error)
            }
        }
    }

    /// The checkpoint continues the one that was seen before.
    async fn goes_on(
        &self,
        source: &Source,
        seen: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<(), FollowError> {
        let (before, now) = (seen.checkpoint(), shown.checkpoint());
        if now.size < before.size {
            return Err(self.went_back(source, seen, shown).await?);
        }
        if now.size == before.size && now.root != before.root {
            let detail = format!("its root at {} leaves was {} and is shown as {}", now.size, before.root, now.root);
            return Err(self.caught_beside(proof::What::Differs, detail, Some(seen), shown, &[])?);
        }
        Ok(())
    }

    /// The copy contains what must be there: what was seen before, what `trust.json` demands, what others cosigned.
    async fn reaches(
        &self,
        source: &Source,
        must: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<(), FollowError> {
        let Checkpoint { size, root, .. } = must.checkpoint();
        let found = if *size > shown.checkpoint().size { None } else { self.root(*size).await? };
        if found == Some(*root) {
            return Ok(());
        }
        if *size > shown.checkpoint().size {
            return Err(self.went_back(source, must, shown).await?);
        }
        let detail = format!("a checkpoint of {size} leaves with root {root} is known, which it does not reach");
        Err(self.caught_beside(proof::What::Differs, detail, Some(must), shown, &[])?)
    }

    /// It is shown with fewer leaves than are known of it. A server has lost them, or hides them; a folder was made earlier, as
    /// long as what it has is what this copy has.
    async fn went_back(
        &self,
        source: &Source,
        known: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<FollowError, FollowError> {
        let (before, now) = (known.checkpoint(), shown.checkpoint());
        if let Source::Folder(_) = source
            && self.root(now.size).await?.is_none_or(|root| root == now.root)
        {
            return Ok(FollowError::Older { place: source.name(), found: now.size, known: before.size });
        }
        let detail = format!("it had {} leaves and is shown with {}", before.size, now.size);
        self.caught_beside(proof::What::WentBack, detail, Some(known), shown, &[])
    }

    async fn root(&self, size: u64) -> Result<Option<Hash>, FollowError> {
        let root = store::with_nodes(&*self.store(), |nodes| tree::root(size, &nodes)).await;
        Ok(root.map_err(|e| self.failed(e))?.ok())
    }

    /// Whether the copy has come as far as a checkpoint of this log. If it has another root there, that is a contradiction.
    pub async fn has(&self, shown: &SignedCheckpoint) -> Result<bool, FollowError> {
        let Checkpoint { size, root, .. } = shown.checkpoint();
        if *size > self.store().head().await.map_err(|e| self.failed(e))?.noted {
            return Ok(false);
        }
        match self.root(*size).await? {
            Some(found) if found == *root => Ok(true),
            found => {
                let found = found.map_or_else(|| "unknown".to_owned(), |found| found.to_string());
                let detail = format!("its root at {size} leaves is {found} in this copy and is shown as {root}");
                Err(self.caught(proof::What::Differs, detail, shown, &[])?)
            }
        }
    }

    /// Takes a checkpoint for seen that something else on this machine remembers, so that the log has to reach it.
    pub fn know(&self, known: &SignedCheckpoint) -> Result<(), FollowError> {
        let _lock = self.lock()?;
        let seen = self.seen()?;
        if seen.as_ref().is_some_and(|seen| seen.checkpoint().size >= known.checkpoint().size) {
            return Ok(());
        }
        self.remember(known, seen.as_ref(), 0)
    }

    /// Writes down the newest checkpoint.
    fn remember(&self, shown: &SignedCheckpoint, seen: Option<&SignedCheckpoint>, new: u64) -> Result<(), FollowError> {
        let note = shown.to_note();
        if seen.is_some_and(|seen| seen.to_note() == note) {
            return Ok(());
        }
        let path = self.folder.join(SEEN);
        // With new leaves the copy has it too, and is durable.
        let written = if new > 0 { durable::put(&path, &note) } else { durable::renew(&path, &note) };
        written.map_err(|source| io_error("write", &path, source))
    }

    /// Keeps both sides of a contradiction, and says where.
    fn caught(
        &self,
        what: proof::What,
        detail: String,
        shown: &SignedCheckpoint,
        leaves: &[Vec<u8>],
    ) -> Result<FollowError, FollowError> {
        let seen = self.seen()?;
        self.caught_beside(what, detail, seen.as_ref(), shown, leaves)
    }

    fn caught_beside(
        &self,
        what: proof::What,
        detail: String,
        known: Option<&SignedCheckpoint>,
        shown: &SignedCheckpoint,
        leaves: &[Vec<u8>],
    ) -> Result<FollowError, FollowError> {
        let known = known.map(SignedCheckpoint::to_note);
        let contradiction = proof::keep(&self.folder, what, detail, known, shown.to_note(), leaves)?;
        Ok(FollowError::Contradiction(Box::new(contradiction)))
    }

    fn lock(&self) -> Result<File, FollowError> {
        let path = self.folder.join(LOCK);
        durable::lock(&path).map_err(|source| io_error("lock", &path, source))
    }
}

/// Of a decision that was taken from names which are not there any more.
fn snapshot_missing(index: u64, snapshot: &Digest) -> Failure {
    let detail = format!(
        "leaf {index}: names are missing that were there when it was decided, and so is the snapshot {snapshot}, which says what was seen"
    );
    Failure { code: BLOB_MISSING, ..Failure::at(index, detail) }
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> FollowError {
    FollowError::Io { operation, path: path.to_owned(), source }
}

/// The checkpoint that is to be reached: leaves before it are written without one, and at its size its root must come out.
#[derive(Debug)]
pub struct Reached<'a> {
    pub checkpoint: &'a Checkpoint,
    pub note: String,
}

impl Notary for Reached<'_> {
    fn note(&self, size: u64, root: Hash) -> Result<Option<String>, NoteError> {
        if size < self.checkpoint.size {
            return Ok(None);
        }
        if size == self.checkpoint.size && root == self.checkpoint.root {
            return Ok(Some(self.note.clone()));
        }
        Err(NoteError::Differs { size, found: root, expected: self.checkpoint.root })
    }
}
