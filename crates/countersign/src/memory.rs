//! What a person's machine remembers of a log: what it pinned when it first saw it, and the newest checkpoint that it has
//! seen since. A log that goes back, that differs, or that was founded anew under its old name is refused, and what it
//! showed then and now is kept as proof.
//!
//! ```text
//! $XDG_STATE_HOME/countersign/DIGEST OF THE ORIGIN/
//!   trust.json      what was pinned at first sight, or given with --trust
//!   seen            the newest checkpoint
//!   seen.before-epoch-N  the newest one before the log was restored and a quorum began epoch N
//!   keys            log keys that came in the place of the pinned one, as governance was found to say
//!   lock            held while the two are compared and replaced
//!   governance/     governance as it was verified at some moments, so that it is not read from the beginning each time
//!   proof-TIME/     `before` and `now`: two checkpoints that cannot both be of one log
//! ```
//!
//! Invariant: `seen` moves forward only, and only to what was proved to continue it. Out of scope: asking a server, which is
//! handed in.

mod address;
mod governance;
mod looked;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    epoch::FIRST,
    trust::{TRUST_VERSION, Trust},
};
use countersign_ledger::{
    Digest, Hash, LogKeys, Time,
    checkpoint::{self, Checkpoint, CheckpointError},
    tree,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{durable, unix};

pub use self::address::{keep_served_at, only_pinned, served_at};

const VERSION: u32 = 1;

const TRUST: &str = "trust.json";
const SEEN: &str = "seen";
const LOCK: &str = "lock";
const PROOF: &str = "proof-";
const GOVERNANCE: &str = "governance";
/// Log keys that came in the place of the pinned one.
const KEYS: &str = "keys";

/// A checkpoint with all its cosignatures, and what is said about it.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Proofs that are kept of one log; who shows a new lie each time is not to fill the disk.
const MAX_PROOFS: usize = 100;

#[derive(Debug, Error)]
pub enum MemoryError {
    #[error("neither XDG_STATE_HOME nor HOME is set, so there is no place to remember the log in")]
    NoPlace,
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    #[error("{path} was written by a newer version (format {found}, this program knows {known})")]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "wrong trust file, or not the log that it pins: the checkpoint of log `{origin}` is not signed by the log key that is \
         pinned here"
    )]
    NotSigned { origin: String, source: CheckpointError },
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
}

impl MemoryError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPlace => "no-memory",
            Self::Io { .. } => "io",
            Self::Damaged { .. } => "memory-damaged",
            Self::Newer { .. } => "newer-version",
            Self::NotSigned { .. } => "another-log-key",
            Self::Contradiction(contradiction) => match contradiction.what {
                What::WentBack => "log-went-back",
                What::Differs(_) => "log-differs",
                What::FoundedAnew => "log-refounded",
            },
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::NoPlace => "set HOME or XDG_STATE_HOME".to_owned(),
            Self::Io { .. } => {
                "it is where this machine remembers logs; XDG_STATE_HOME can name another place".to_owned()
            }
            Self::Damaged { path, .. } => format!(
                "look at what it was before you take it away: without {} the log is met as if for the first time",
                path.display()
            ),
            Self::Newer { .. } => "use that version, or a later one".to_owned(),
            Self::NotSigned { .. } => {
                "if the log truly has another key, a founder can say so: pass their trust.json with --trust".to_owned()
            }
            Self::Contradiction(contradiction) => {
                let kept = contradiction.kept.as_ref();
                let kept = kept.map(|path| format!("both are kept in {}; ", path.display())).unwrap_or_default();
                format!(
                    "sign nothing here. {kept}show them to an auditor and to whoever runs the server. A log that was \
                     restored from an older copy is taken when its founders have begun a new epoch (countersign epoch). If it was \
                     founded anew on purpose, or trust.json pins a checkpoint of what was lost, a founder's new trust.json says \
                     so: --trust FILE"
                )
            }
        }
    }
}

/// A log that cannot be the one that was seen before.
#[derive(Debug)]
pub struct Contradiction {
    pub what: What,
    /// `None` where only the genesis was known of it, from a `trust.json`.
    pub before: Option<Seen>,
    pub now: Seen,
    /// The folder with the proof; `None` where it could not be kept.
    pub kept: Option<PathBuf>,
    origin: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Fewer leaves than before: it was restored from an older copy, or leaves were dropped.
    WentBack,
    /// What was there is there no more, with why the proof does not hold.
    Differs(String),
    /// Another genesis under the same name.
    FoundedAnew,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log `{}` is not the one that this machine saw before: ", self.origin)?;
        match &self.what {
            What::WentBack => write!(f, "it has lost leaves")?,
            What::Differs(why) => write!(f, "it does not continue it ({why})")?,
            What::FoundedAnew => write!(f, "it was founded anew under the same name")?,
        }
        match &self.before {
            Some(before) => write!(f, "\n  before: {before}")?,
            None => write!(f, "\n  before: only its genesis is known")?,
        }
        write!(f, "\n  now:    {}", self.now)
    }
}

impl std::error::Error for Contradiction {}

/// Log keys, as they were found.
#[derive(Debug, Serialize, Deserialize)]
struct Keys {
    version: u32,
    log: LogKeys,
}

/// A checkpoint that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub version: u32,
    pub size: u64,
    pub root: Hash,
    /// Payload digest of the log's genesis.
    pub genesis: Digest,
    /// The signed note.
    pub note: String,
    /// The epoch that the log was in.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub epoch: u32,
}

fn first() -> u32 {
    FIRST
}

fn is_first(epoch: &u32) -> bool {
    *epoch == FIRST
}

impl Seen {
    pub fn new(checkpoint: &Checkpoint, genesis: Digest, note: &str) -> Self {
        let Checkpoint { origin: _, size, root } = checkpoint;
        Self { version: VERSION, size: *size, root: *root, genesis, note: note.to_owned(), epoch: FIRST }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} leaves, root {}, genesis {}", self.size, self.root, self.genesis)
    }
}

/// Where this user's machine keeps what it remembers of logs.
pub fn place() -> Result<PathBuf, MemoryError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    state.map(|state| state.join("countersign")).ok_or(MemoryError::NoPlace)
}

/// What is remembered of one log.
#[derive(Debug)]
pub struct Memory {
    origin: String,
    folder: PathBuf,
}

impl Memory {
    /// The memory of the log with this name, in [`place`] or another folder. Nothing is made there yet.
    pub fn of(place: &Path, origin: &str) -> Self {
        // The origin may hold slashes; its digest names the folder.
        let name: String = Digest::of(origin).hex().chars().take(16).collect();
        Self { origin: origin.to_owned(), folder: place.join(name) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was pinned.
    pub fn pinned(&self) -> Result<Option<Trust>, MemoryError> {
        self.load(TRUST, TRUST_VERSION)
    }

    /// The newest checkpoint that was seen.
    pub fn seen(&self) -> Result<Option<Seen>, MemoryError> {
        self.load(SEEN, VERSION)
    }

    /// The newest checkpoint of the log that was seen here, or that is pinned.
    pub fn newest(&self, trust: &Trust) -> Result<Option<String>, MemoryError> {
        let trust = &self.with_keys(trust)?;
        let pinned = trust.checkpoint.as_deref().map(|note| Ok((self.open(trust, note)?.size, note.to_owned())));
        let seen = self.seen()?.filter(|seen| seen.genesis == trust.genesis).map(|seen| Ok((seen.size, seen.note)));
        let known: Vec<_> = pinned.into_iter().chain(seen).collect::<Result<_, MemoryError>>()?;
        Ok(known.into_iter().max_by_key(|(size, _)| *size).map(|(_, note)| note))
    }

    /// Whether what is remembered is of another founding than this.
    pub fn is_of_another(&self, trust: &Trust) -> Result<bool, MemoryError> {
        let remembered = [self.pinned()?.map(|pinned| pinned.genesis), self.seen()?.map(|seen| seen.genesis)];
        Ok(remembered.into_iter().flatten().any(|genesis| genesis != trust.genesis))
    }

    /// Pins what a person vouches for, or what is seen for the first time. Where another founding was pinned before, what was
    /// seen of that one is put aside.
    pub fn pin(&self, trust: &Trust, now: Time) -> Result<(), MemoryError> {
        let _lock = self.lock()?;
        if self.pinned()?.as_ref() == Some(trust) {
            return Ok(());
        }
        if self.is_of_another(trust)? {
            let aside = self.new_proof(now)?;
            for name in [TRUST, SEEN, GOVERNANCE, KEYS] {
                let from = self.folder.join(name);
                if from.exists() {
                    fs::rename(&from, aside.join(name)).map_err(io_error("move", &from))?;
                }
            }
        }
        self.put(&self.folder, TRUST, trust)
    }

    /// Remembers a checkpoint, if it continues what was seen before.
    ///
    /// `floor` is what this machine had seen before it asked: the checkpoint may not be older. Another command may have seen
    /// a newer one meanwhile; then this one has to be a part of that. `prove` asks for the proof that a log of the first size
    /// is the beginning of one of the second.
    pub fn see<E: From<MemoryError>>(
        &self,
        trust: &Trust,
        note: &str,
        floor: Option<&Seen>,
        now: Time,
        prove: impl FnOnce(u64, u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Checkpoint, E> {
        let checkpoint = self.open(trust, note)?;
        let mut shown = Seen::new(&checkpoint, trust.genesis, note);
        let _lock = self.lock()?;
        let seen = self.seen()?;
        shown.epoch = seen.as_ref().map_or(FIRST, |seen| seen.epoch);
        // What a founder's trust.json says was there counts as if it had been seen.
        let pinned = match (&seen, &trust.checkpoint) {
            (None, Some(note)) => Some(Seen::new(&self.open(trust, note)?, trust.genesis, note)),
            (Some(_), _) | (None, None) => None,
        };
        let floor = floor.or(pinned.as_ref());
        let before = seen.or_else(|| pinned.clone());
        if let Some(before) = before.as_ref().filter(|before| before.genesis != trust.genesis) {
            return Err(self.contradiction(What::FoundedAnew, Some(before), shown, now).into());
        }
        if let Some(floor) = floor.filter(|floor| shown.size < floor.size) {
            return Err(self.contradiction(What::WentBack, Some(floor), shown, now).into());
        }
        let Some(before) = before else {
            self.put(&self.folder, SEEN, &shown)?;
            return Ok(checkpoint);
        };
        let (older, newer) = if before.size <= shown.size { (&before, &shown) } else { (&shown, &before) };
        let differs = if older.size == newer.size {
            (older.root != newer.root).then(|| "another root at the same size".to_owned())
        } else if older.size == 0 {
            // Every log continues the empty one.
            None
        } else {
            let proof = prove(older.size, newer.size)?;
            tree::verify_consistency(older.size, &older.root, newer.size, &newer.root, &proof)
                .err()
                .map(|error| error.to_string())
        };
        if let Some(why) = differs {
            return Err(self.contradiction(What::Differs(why), Some(&before), shown, now).into());
        }
        if shown.size > before.size || pinned.is_some() {
            self.put(&self.folder, SEEN, &shown)?;
        }
        Ok(checkpoint)
    }

    /// Takes note of the epoch that the log is in that was seen.
    pub fn is_in_epoch(&self, epoch: u32) -> Result<(), MemoryError> {
        let _lock = self.lock()?;
        match self.seen()?.filter(|seen| seen.epoch < epoch) {
            Some(seen) => self.put(&self.folder, SEEN, &Seen { epoch, ..seen }),
            None => Ok(()),
        }
    }

    /// Remembers a log that was restored from an older copy and in which a quorum began a new epoch. What was seen of it before is
    /// kept beside, and nothing that was made of it.
    pub fn goes_on_behind_a_cut(&self, before: &Seen, now: &Seen, number: u32) -> Result<(), MemoryError> {
        let _lock = self.lock()?;
        self.put(&self.folder, &format!("{SEEN}.before-epoch-{number}"), before)?;
        self.forget_governance();
        self.put(&self.folder, SEEN, now)
    }

    /// Refuses a log that was founded anew: another genesis than is pinned, by its own word.
    pub fn founded_anew(&self, note: &str, other: &Trust, now: Time) -> MemoryError {
        let shown = match self.open(other, note) {
            Ok(checkpoint) => Seen::new(&checkpoint, other.genesis, note),
            Err(error) => return error,
        };
        match self.seen() {
            Ok(before) => self.contradiction(What::FoundedAnew, before.as_ref(), shown, now),
            Err(error) => error,
        }
    }

    /// What is trusted, with the log keys that are known by now.
    pub fn with_keys(&self, trust: &Trust) -> Result<Trust, MemoryError> {
        let known = load::<Keys>(&self.folder.join(KEYS), VERSION)?.map(|keys| keys.log);
        let is_more = |known: &LogKeys| {
            known.pinned() == trust.log_key.pinned() && known.successors().len() > trust.log_key.successors().len()
        };
        Ok(known.filter(is_more).map_or_else(|| trust.clone(), |log_key| Trust { log_key, ..trust.clone() }))
    }

    /// Remembers log keys that governance was found to name.
    pub fn keep_keys(&self, keys: &LogKeys) -> Result<(), MemoryError> {
        let _lock = self.lock()?;
        self.put(&self.folder, KEYS, &Keys { version: VERSION, log: keys.clone() })
    }

    fn open(&self, trust: &Trust, note: &str) -> Result<Checkpoint, MemoryError> {
        let not_signed = |source| MemoryError::NotSigned { origin: self.origin.clone(), source };
        let checkpoint = checkpoint::open(note, &trust.log_key).map_err(not_signed)?;
        if checkpoint.origin == self.origin {
            Ok(checkpoint)
        } else {
            Err(not_signed(CheckpointError::OtherLog { found: checkpoint.origin, expected: self.origin.clone() }))
        }
    }

    fn contradiction(&self, what: What, before: Option<&Seen>, now: Seen, at: Time) -> MemoryError {
        // Whatever becomes of the proof, the log is refused.
        let kept = self.keep(before, &now, at).ok().flatten();
        MemoryError::Contradiction(Box::new(Contradiction {
            what,
            before: before.cloned(),
            now,
            kept,
            origin: self.origin.clone(),
        }))
    }

    /// Keeps both checkpoints; once, however often the same is shown.
    fn keep(&self, before: Option<&Seen>, now: &Seen, at: Time) -> Result<Option<PathBuf>, MemoryError> {
        let known = self.proofs()?;
        for folder in &known {
            if load::<Seen>(&folder.join("now"), VERSION).ok().flatten().as_ref() == Some(now) {
                return Ok(Some(folder.clone()));
            }
        }
        if known.len() >= MAX_PROOFS {
            return Ok(None);
        }
        let folder = self.new_proof(at)?;
        self.put(&folder, "now", now)?;
        if let Some(before) = before {
            self.put(&folder, "before", before)?;
        }
        Ok(Some(folder))
    }

    fn proofs(&self) -> Result<Vec<PathBuf>, MemoryError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io_error("read", &self.folder))? {
            let entry = entry.map_err(io_error("read", &self.folder))?;
            if entry.file_name().to_string_lossy().starts_with(PROOF) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn new_proof(&self, now: Time) -> Result<PathBuf, MemoryError> {
        let mut millis = now.unix_millis();
        loop {
            let folder = self.folder.join(format!("{PROOF}{millis}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => millis = millis.saturating_add(1),
                Err(error) => return Err(io_error("make", &folder)(error)),
            }
        }
    }

    /// A second command waits. Released when the file is closed.
    fn lock(&self) -> Result<fs::File, MemoryError> {
        unix::private_folders(&self.folder).map_err(io_error("make", &self.folder))?;
        let path = self.folder.join(LOCK);
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        unix::leave_to_owner(&file).map_err(io_error("protect", &path))?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(file)
    }

    fn load<T: DeserializeOwned>(&self, name: &str, known: u32) -> Result<Option<T>, MemoryError> {
        load(&self.folder.join(name), known)
    }

    fn put(&self, folder: &Path, name: &str, value: &impl Serialize) -> Result<(), MemoryError> {
        let path = folder.join(name);
        let failed = io_error("write", &path);
        let mut text = serde_json::to_string_pretty(value).map_err(|error| failed(error.into()))?;
        text.push('\n');
        durable::replace(&path, text).map_err(failed)
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> MemoryError {
    move |source| MemoryError::Io { operation, path: path.to_owned(), source }
}

fn load<T: DeserializeOwned>(path: &Path, known: u32) -> Result<Option<T>, MemoryError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let damaged = |why: String| MemoryError::Damaged { path: path.to_owned(), why };
    let bytes = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(damaged(format!("it is larger than {MAX_FILE_BYTES} bytes")));
        }
        Ok(_) => fs::read(path).map_err(io_error("read", path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", path)(error)),
    };
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if version > known {
        return Err(MemoryError::Newer { path: path.to_owned(), found: version, known });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use countersign_core::trust::{Freshness, Outage};
    use countersign_ledger::{LogKey, tree::MemoryNodes};

    use super::*;

    /// A log of leaves that are numbers from a seed, with its key.
    struct Log {
        key: LogKey,
        nodes: MemoryNodes,
        trust: Trust,
    }

    impl Log {
        fn new(seed: &str) -> Self {
            let key = LogKey::generate("shop/log", &mut rand_core::OsRng).unwrap();
            let trust = Trust {
                version: TRUST_VERSION,
                origin: "shop/log".to_owned(),
                log_key: key.verifier().into(),
                genesis: Digest::of(seed),
                recovery_quorum: 1,
                checkpoint: None,
                cosigners: None,
                fresh: Freshness::default(),
                outage: Outage::default(),
                witnesses: Vec::new(),
            };
            Self { key, nodes: MemoryNodes::new(), trust }
        }

        fn grow(&mut self, leaves: std::ops::Range<u64>) -> &mut Self {
            leaves.for_each(|leaf| self.nodes.push_leaf(Hash::leaf(&leaf.to_be_bytes())));
            self
        }

        fn note(&self, size: u64) -> String {
            let root = tree::root(size, &self.nodes).unwrap();
            self.key.sign(&Checkpoint { origin: "shop/log".to_owned(), size, root }).unwrap()
        }

        fn see(&self, memory: &Memory, size: u64) -> Result<u64, MemoryError> {
            self.see_after(memory, memory.seen().unwrap().as_ref(), size)
        }

        fn see_after(&self, memory: &Memory, floor: Option<&Seen>, size: u64) -> Result<u64, MemoryError> {
            let prove = |from, to| Ok::<_, MemoryError>(tree::consistency_proof(from, to, &self.nodes).unwrap());
            memory.see(&self.trust, &self.note(size), floor, NOW, prove).map(|checkpoint| checkpoint.size)
        }
    }

    const NOW: Time = Time::from_unix_millis(1_774_000_000_000);

    fn memory() -> (tempfile::TempDir, Memory) {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::of(folder.path(), "shop/log");
        (folder, memory)
    }

    #[track_caller]
    fn refused(result: Result<u64, MemoryError>, code: &str) -> Box<Contradiction> {
        match result.unwrap_err() {
            error @ MemoryError::Contradiction(_) if error.code() != code => panic!("{error}"),
            MemoryError::Contradiction(contradiction) => contradiction,
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_log_that_grows_is_followed() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9);
        for size in [3, 3, 7, 9] {
            assert_eq!(log.see(&memory, size).unwrap(), size);
            assert_eq!(memory.seen().unwrap().unwrap().size, size);
        }
    }

    #[test]
    fn a_log_that_goes_back_is_refused_with_both_checkpoints() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9);
        log.see(&memory, 9).unwrap();
        let found = refused(log.see(&memory, 7), "log-went-back");
        let folder = found.kept.clone().unwrap();
        let kept = |name: &str| load::<Seen>(&folder.join(name), VERSION).unwrap().unwrap().note;
        assert_eq!((kept("before"), kept("now")), (log.note(9), log.note(7)));
        assert_eq!(memory.seen().unwrap().unwrap().size, 9, "what was seen stays");
        let text = found.to_string();
        for line in ["it has lost leaves", "before: 9 leaves", "now:    7 leaves"] {
            assert!(text.contains(line), "{text}");
        }
        // The same lie again is no second proof.
        let again = refused(log.see(&memory, 7), "log-went-back");
        assert_eq!(again.kept, found.kept);
    }

    #[test]
    fn a_log_that_differs_is_refused_whether_it_is_longer_or_not() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..5).see(&memory, 5).unwrap();
        let mut fork = Log { key: LogKey::from_text(&log.key.to_text()).unwrap(), ..Log::new("genesis") };
        fork.trust = log.trust.clone();
        fork.grow(0..4).grow(40..45);
        refused(fork.see(&memory, 5), "log-differs");
        refused(fork.see(&memory, 9), "log-differs");
        assert_eq!(memory.proofs().unwrap().len(), 2);
        log.grow(5..8).see(&memory, 8).unwrap();
    }

    #[test]
    fn a_proof_that_the_server_does_not_have_proves_nothing() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9).see(&memory, 3).unwrap();
        let floor = memory.seen().unwrap();
        let result = memory.see(&log.trust, &log.note(9), floor.as_ref(), NOW, |_, _| Ok::<_, MemoryError>(vec![]));
        refused(result.map(|checkpoint| checkpoint.size), "log-differs");
    }

    #[test]
    fn founding_anew_under_the_same_name_is_refused() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..3);
        memory.pin(&log.trust, NOW).unwrap();
        log.see(&memory, 3).unwrap();
        let mut anew = Log::new("another genesis");
        anew.grow(10..20);
        // Its key is another: by what is pinned, its checkpoint is not signed.
        let error = memory.see(&log.trust, &anew.note(9), None, NOW, |_, _| Ok::<_, MemoryError>(vec![])).unwrap_err();
        assert_eq!(error.code(), "another-log-key");
        let error = memory.founded_anew(&anew.note(9), &anew.trust, NOW);
        assert_eq!(error.code(), "log-refounded");
        let text = error.to_string();
        assert!(text.contains("before: 3 leaves") && text.contains("now:    9 leaves"), "{text}");
        // Even a genesis of the same key.
        let same_key = Trust { genesis: anew.trust.genesis, ..log.trust.clone() };
        let result = memory.see(&same_key, &log.note(3), None, NOW, |_, _| Ok::<_, MemoryError>(vec![]));
        refused(result.map(|checkpoint| checkpoint.size), "log-refounded");
    }

    #[test]
    fn a_trust_that_a_person_gives_wins_and_the_old_memory_is_put_aside() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9);
        memory.pin(&log.trust, NOW).unwrap();
        log.see(&memory, 9).unwrap();
        let mut anew = Log::new("another genesis");
        anew.grow(10..20);
        memory.pin(&anew.trust, NOW).unwrap();
        assert_eq!(memory.pinned().unwrap(), Some(anew.trust.clone()));
        anew.see(&memory, 4).unwrap();
        let [aside] = memory.proofs().unwrap().try_into().unwrap();
        assert_eq!(load::<Seen>(&aside.join(SEEN), VERSION).unwrap().unwrap().note, log.note(9));
    }

    #[test]
    fn a_first_sight_reaches_the_checkpoint_that_a_founder_pinned() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9);
        log.trust.checkpoint = Some(log.note(5));
        refused(log.see(&memory, 4), "log-went-back");
        assert_eq!(log.see(&memory, 7).unwrap(), 7);
    }

    /// Two commands at once: the slower one was shown what is by now an older checkpoint.
    #[test]
    fn a_checkpoint_that_another_command_overtook_is_no_step_back() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..9).see(&memory, 3).unwrap();
        let floor = memory.seen().unwrap();
        log.see(&memory, 9).unwrap();
        assert_eq!(log.see_after(&memory, floor.as_ref(), 6).unwrap(), 6);
        assert_eq!(memory.seen().unwrap().unwrap().size, 9);
    }

    #[test]
    fn a_damaged_or_newer_memory_is_not_taken_for_none() {
        let (_folder, memory) = memory();
        let mut log = Log::new("genesis");
        log.grow(0..3).see(&memory, 3).unwrap();
        let path = memory.folder().join(SEEN);
        let text = fs::read_to_string(&path).unwrap();
        for (text, code) in [
            (String::new(), "memory-damaged"),
            (text.get(..40).unwrap().to_owned(), "memory-damaged"),
            (text.replace("\"version\": 1", "\"version\": 2"), "newer-version"),
        ] {
            fs::write(&path, text).unwrap();
            let prove = |_, _| Ok::<_, MemoryError>(vec![]);
            assert_eq!(memory.see(&log.trust, &log.note(3), None, NOW, prove).unwrap_err().code(), code);
        }
    }
}
