//! A cosigner: a follower that says of checkpoints, by its signature, that it followed the log up to them (C2SP
//! `tlog-witness`). Whoever cannot follow takes the word of a quorum of cosigners for it.
//!
//! ```text
//! KEYFILE            its secret
//! KEYFILE.cosigned   the newest checkpoint that it cosigned, written down before it answers
//! KEYFILE.cosigned.lost  what it cosigned of a log that was restored since, in which a quorum began a new epoch
//! KEYFILE.lock       one program at a time cosigns with a key
//! ```
//!
//! What was cosigned lies beside the key and not in the copy: a copy that is restored from a backup, or begun anew, does not
//! make it cosign something else.
//!
//! Invariant: what it cosigns has the root that its own replayed copy has at that size, continues everything that it cosigned
//! before, and is not shorter than the log that it has known for a while.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_ledger::{
    CosignerKey, SignedCheckpoint, Time,
    checkpoint::{self, CheckpointError, Verifies},
    cosignature::CosignatureError,
    witness::{AddCheckpoint, Answer, Refusal, checkpoint_path},
};
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::{FollowError, Followed, following::Following};
use crate::durable;

/// Requests that are worked on or wait. The log sends one at a time.
const MAX_WAITING: usize = 16;

/// How long a checkpoint may have been overtaken by what the copy has: the log goes on while its checkpoint is on its way.
/// Without an end, a server could show somebody a log that stands still, and have that cosigned.
const MAX_LAG_SECS: i64 = 20;

#[derive(Debug, Error)]
pub enum CosignError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("another program cosigns with {path}")]
    InUse { path: PathBuf },
    #[error("{path} says that this key has cosigned another log: {source}")]
    OtherLog { path: PathBuf, source: CheckpointError },
    #[error(transparent)]
    Cosign(#[from] CosignatureError),
    #[error("too many requests at once")]
    Busy,
    #[error("the log that this cosigner can read has not come to {size} leaves yet")]
    Behind { size: u64 },
    #[error("the log has more than {size} leaves; a checkpoint of so few is not cosigned any more")]
    Overtaken { size: u64 },
}

impl CosignError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Follow(error) => error.hint(),
            Self::InUse { .. } => Some("one cosigner a key: make another key for another one".to_owned()),
            Self::OtherLog { .. } => Some("a key cosigns one log; make a new one with --cosign and --name".to_owned()),
            Self::Io { .. } => Some("may this account read and write beside the key?".to_owned()),
            Self::Cosign(_) | Self::Busy | Self::Behind { .. } | Self::Overtaken { .. } => None,
        }
    }
}

/// What was cosigned, and what is known.
#[derive(Debug, Default)]
struct Standing {
    /// The newest checkpoint that was cosigned here, with our line.
    newest: Option<SignedCheckpoint>,
    /// How long the log was found to be, and when.
    found: VecDeque<(Time, u64)>,
}

#[derive(Debug)]
pub struct Cosigner {
    key: CosignerKey,
    path: PathBuf,
    following: Arc<Following>,
    standing: Mutex<Standing>,
    waiting: Semaphore,
    /// Contradictions that somebody has handed in.
    caught: mpsc::Sender<FollowError>,
    _lock: File,
}

fn beside(keyfile: &Path, ending: &str) -> PathBuf {
    let mut name = keyfile.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Cosigner {
    /// A cosigner with the key in this file. The receiver gets what contradicts the log, if somebody asks to cosign that.
    pub async fn open(
        key: CosignerKey,
        keyfile: &Path,
        following: Arc<Following>,
    ) -> Result<(Self, mpsc::Receiver<FollowError>), CosignError> {
        let path = beside(keyfile, ".cosigned");
        let lock = lock(&beside(keyfile, ".lock"))?;
        let newest = match fs::read_to_string(&path) {
            Ok(note) => {
                let opened = SignedCheckpoint::open(&note, &following.follower().trust().log_key);
                Some(opened.map_err(|source| CosignError::OtherLog { path: path.clone(), source })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(CosignError::Io { operation: "read", path, source }),
        };
        let newest = match newest {
            Some(newest) if following.follower().was_lost(&newest).await? => {
                leave_behind(&path)?;
                None
            }
            newest => newest,
        };
        if let Some(newest) = &newest {
            following.follower().know(newest)?;
        }
        // What is there already has been known for long enough.
        let known = following.follower().seen()?.map_or(0, |seen| seen.checkpoint().size);
        let found = VecDeque::from([(Time::from_unix_millis(i64::MIN), known)]);
        let standing = Mutex::new(Standing { newest, found });
        let (caught, receiver) = mpsc::channel(1);
        let waiting = Semaphore::new(MAX_WAITING);
        Ok((Self { key, path, following, standing, waiting, caught, _lock: lock }, receiver))
    }

    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Where the newest checkpoint that was cosigned here is served.
    pub fn checkpoint_path(&self) -> String {
        checkpoint_path(&self.following.follower().trust().origin)
    }

    /// The newest checkpoint that was cosigned here, with our line.
    pub async fn newest(&self) -> Option<SignedCheckpoint> {
        self.standing.lock().await.newest.clone()
    }

    /// Follows the log, which has to continue what was cosigned here.
    pub async fn follow(&self, now: Time) -> Result<Followed, FollowError> {
        let mut standing = self.standing.lock().await;
        self.follow_from(&mut standing, now).await
    }

    async fn follow_from(&self, standing: &mut Standing, now: Time) -> Result<Followed, FollowError> {
        let followed = self.following.follow(now).await?;
        if followed.restored.is_some() {
            // What it was cosigned with the log does not have any more; a quorum began a new epoch.
            leave_behind(&self.path)?;
            *standing = Standing::default();
        }
        if let Some(newest) = &standing.newest {
            self.following.follower().has(newest).await?;
        }
        standing.found(followed.checkpoint.size, now);
        Ok(followed)
    }

    /// Answers a request to cosign a checkpoint.
    pub async fn answer(&self, body: &[u8], now: Time) -> Result<Answer, CosignError> {
        let Ok(request) = AddCheckpoint::parse(body) else { return Ok(Answer::Refused(Refusal::Malformed)) };
        let trust = self.following.follower().trust();
        if request.origin() != trust.origin {
            return Ok(Answer::Refused(Refusal::UnknownLog));
        }
        let size = checkpoint::claimed(&request.note).map_or(0, |claimed| claimed.size);
        // Whoever is not the log is answered before anything is done for them; but it may have taken another key since.
        let signed = match request.open(Some(trust.log_key.key_at(size))) {
            Ok(signed) => signed,
            Err(refusal) => match self.by_a_newer_key(&request, size, now).await {
                Some(signed) => signed,
                None => return Ok(Answer::Refused(refusal)),
            },
        };
        let trust = self.following.follower().trust();
        let log_key = Some(trust.log_key.key_at(size));
        let _waiting = self.waiting.try_acquire().map_err(|_| CosignError::Busy)?;
        let mut standing = self.standing.lock().await;
        match self.cosign(&mut standing, &request, log_key, &signed, now).await {
            Err(CosignError::Follow(error @ FollowError::Contradiction(_))) => {
                // Whoever waits for it hears of it once.
                drop(self.caught.try_send(error));
                Ok(Answer::Refused(Refusal::Inconsistent))
            }
            answer => answer,
        }
    }

    /// The log may name a key further on than was followed. Whoever asks in its name without being it has it looked at no more
    /// often than others may wait.
    async fn by_a_newer_key(&self, request: &AddCheckpoint, size: u64, now: Time) -> Option<SignedCheckpoint> {
        let _waiting = self.waiting.try_acquire().ok()?;
        let mut standing = self.standing.lock().await;
        self.follow_from(&mut standing, now).await.ok()?;
        request.open(Some(self.following.follower().trust().log_key.key_at(size))).ok()
    }

    async fn cosign(
        &self,
        standing: &mut Standing,
        request: &AddCheckpoint,
        log_key: Option<&str>,
        signed: &SignedCheckpoint,
        now: Time,
    ) -> Result<Answer, CosignError> {
        let follower = self.following.follower();
        // Before its sizes are compared: what contradicts the copy is a proof, whatever was asked with it; unless a quorum began a
        // new epoch, over to which the copy goes when it follows.
        if let Err(error) = follower.has(signed).await {
            self.follow_from(standing, now).await?;
            if !follower.has(signed).await.is_ok_and(|has| has) {
                return Err(error.into());
            }
        }
        let last = standing.newest.as_ref().map(SignedCheckpoint::checkpoint);
        if let Err(refusal) = request.check(log_key, last) {
            return Ok(Answer::Refused(refusal));
        }
        self.follow_from(standing, now).await?;
        let size = signed.checkpoint().size;
        if !follower.has(signed).await? {
            return Err(CosignError::Behind { size });
        }
        if standing.known_for_a_while(now) > size {
            return Err(CosignError::Overtaken { size });
        }
        let line = self.key.cosign(signed, now)?.line();
        let newest = signed.handing_on([line.as_str()])?;
        if standing.newest.as_ref().map(SignedCheckpoint::checkpoint) != Some(signed.checkpoint()) {
            self.write(&newest)?;
        }
        standing.newest = Some(newest);
        Ok(Answer::Cosigned(line))
    }

    fn write(&self, newest: &SignedCheckpoint) -> Result<(), CosignError> {
        let failed = |source| CosignError::Io { operation: "write", path: self.path.clone(), source };
        durable::replace(&self.path, newest.to_note()).map_err(failed)
    }
}

impl Standing {
    /// The log has been found to be so long.
    fn found(&mut self, size: u64, now: Time) {
        self.found.push_back((now, size));
        // Of what was known for a while the last suffices.
        while self.found.get(1).is_some_and(|(at, _)| now.secs_since(*at) > MAX_LAG_SECS) {
            self.found.pop_front();
        }
    }

    fn known_for_a_while(&self, now: Time) -> u64 {
        let for_a_while = self.found.iter().filter(|(at, _)| now.secs_since(*at) > MAX_LAG_SECS);
        for_a_while.map(|(_, size)| *size).max().unwrap_or(0)
    }
}

/// Puts aside what was cosigned of a log that was restored since.
fn leave_behind(path: &Path) -> Result<(), FollowError> {
    match fs::rename(path, beside(path, ".lost")) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FollowError::Io { operation: "move", path: path.to_owned(), source }),
    }
}

fn lock(path: &Path) -> Result<File, CosignError> {
    let failed = |source| CosignError::Io { operation: "lock", path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CosignError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overtaken_a_moment_ago_is_cosigned_and_what_was_long_ago_is_not() {
        let at = Time::from_unix_secs;
        let mut standing = Standing::default();
        assert_eq!(standing.known_for_a_while(at(0)), 0);
        standing.found(7, at(0));
        standing.found(8, at(15));
        assert_eq!(standing.known_for_a_while(at(20)), 0);
        assert_eq!(standing.known_for_a_while(at(21)), 7);
        standing.found(8, at(40));
        assert_eq!(standing.known_for_a_while(at(40)), 8);
        assert_eq!(standing.found.len(), 2);
    }
}
