//! The git gate: it guards the protected branches of one bare repository, from inside its hooks.
//!
//! ```text
//! REPO/countersign/gate.yaml   name, repository, server, protected branches and what their paths reach
//! REPO/countersign/trust.json  the log, pinned
//! REPO/countersign/gate.key    the key that permits are addressed to
//! REPO/countersign/journal     what was allowed, what was spent, what is still to be reported
//! REPO/hooks/                  pre-receive judges and reserves, reference-transaction settles, post-receive reports
//! ```
//!
//! The configuration lies beside the objects and not in a tree, so that no push can edit what it is judged by.
//!
//! ```text
//!  push ─> pre-receive ─────────> reference-transaction ──────────────────────> post-receive
//!          facts, permit,         prepared: is exactly this reserved?           the outcome goes to the log
//!          signatures; reserve    committed: the permit is spent
//! ```
//!
//! What another hook refuses in between spends nothing. What never came through `pre-receive` (`git fetch` into the
//! repository, `git update-ref`) has no reservation, is stopped at `prepared`, and is written down as caught.
//!
//! Invariant: a protected branch moves only to what a reservation names, and only [`receive`] makes reservations, from an
//! [`Opening`](super::desk::Opening).
//!
//! Out of scope: whoever can write to the repository's files can take the hooks away. That shows as a branch that stands
//! where no permit has put it.

mod alone;
pub mod carried;
pub mod config;
pub mod drill;
mod examine;
mod findings;
pub mod hooks;
pub mod install;
mod judge;
pub mod mode;
pub mod outage;
mod pusher;
pub mod receive;
pub mod refused;
mod remarks;
pub mod report;
pub mod shadow;
mod shut;
mod stack;
pub mod standing;
pub mod status;
pub mod transaction;
pub mod uninstall;
pub mod unsent;
pub mod versions;
pub mod watch;
pub mod week;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use countersign_core::{
    ids::Oid,
    refusal::Refusal,
    trust::{TRUST_VERSION, Trust},
};
use countersign_ledger::SigningKey;
use thiserror::Error;

pub use config::{Branch, GateConfig};

use self::refused::Refused;
use super::{
    desk::{Desk, DeskError, Place},
    journal::{Journal, JournalError},
};
use crate::{
    client::{ClientError, Via},
    git::GitError,
    home::{HomeError, files},
    speaker::{Hand, SpeakError},
    unix::{self, Process},
};

pub const FOLDER: &str = "countersign";
pub const CONFIG: &str = "gate.yaml";
const TRUST: &str = "trust.json";
const KEY: &str = "gate.key";
const JOURNAL: &str = "journal";

const MAX_CONFIG_BYTES: usize = 256 * 1024;

#[derive(Debug, Error)]
pub enum GateError {
    /// The gate stays shut, and says why.
    #[error("{0}")]
    Refused(Box<Refused>),
    #[error(transparent)]
    File(#[from] HomeError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Speak(#[from] SpeakError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Core(#[from] Refusal),
    #[error("{path} has no gate")]
    NoGate { path: PathBuf },
    #[error("{path} has no gate any more: it was taken out at {when}")]
    Uninstalled { path: PathBuf, when: String },
    #[error("git said something that is no reference update: `{0}`")]
    Update(String),
    #[error("{message}")]
    Setup { code: &'static str, message: String, hint: String },
}

impl From<Refused> for GateError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl GateError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code,
            Self::File(error) => error.code(),
            Self::Git(_) => "git",
            Self::Journal(_) => "gate-journal",
            Self::Client(_) | Self::Speak(_) => "server",
            Self::Desk(error) => error.code(),
            Self::Core(refusal) => refusal.code,
            Self::NoGate { .. } | Self::Uninstalled { .. } => "no-gate",
            Self::Update(_) => "malformed-update",
            Self::Setup { code, .. } => code,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.advice(),
            Self::Git(error) => error.hint(),
            Self::Client(ClientError::Refused { hint, .. })
            | Self::Speak(SpeakError::Client(ClientError::Refused { hint, .. })) => hint.clone(),
            Self::Client(ClientError::Unreachable { .. })
            | Self::Speak(SpeakError::Client(ClientError::Unreachable { .. })) => {
                Some("start the server (countersign serve --home HOME), or name another one with --url".to_owned())
            }
            Self::Speak(SpeakError::Signer(error)) => error.hint(),
            Self::Speak(SpeakError::Refused(refusal)) | Self::Core(refusal) => refusal.hint.clone(),
            Self::Desk(error) => error.hint(),
            Self::NoGate { path } => Some(format!("countersign gate install {} --help", files::word(path))),
            Self::Uninstalled { path, .. } => {
                Some(format!("to have it back: countersign gate install {}", files::word(path)))
            }
            Self::Journal(error) => Some(error.hint()),
            Self::Setup { hint, .. } => Some(hint.clone()),
            Self::Refused(_) | Self::Client(_) | Self::Speak(_) | Self::Update(_) => None,
        }
    }
}

/// What stands in a repository's folder of a gate that was taken out.
const UNINSTALLED: &str = "uninstalled";

/// The gate of one repository.
#[derive(Debug)]
pub struct GitGate {
    /// The repository's git directory.
    repository: PathBuf,
    config: GateConfig,
    trust: Trust,
    /// Who asks: in a hook the process that is about to move references.
    caller: Process,
}

impl GitGate {
    /// Opens the gate of a bare repository.
    pub fn open(repository: &Path) -> Result<Self, GateError> {
        let gate = Self::kept(repository)?;
        match uninstalled(repository) {
            Some(when) => Err(GateError::Uninstalled { path: repository.to_owned(), when }),
            None => Ok(gate),
        }
    }

    /// The same, also where its hooks were taken out.
    pub fn kept(repository: &Path) -> Result<Self, GateError> {
        let folder = repository.join(FOLDER);
        let path = folder.join(CONFIG);
        is_there(repository, &path)?;
        let config = GateConfig::parse(&files::read_text(&path, MAX_CONFIG_BYTES)?, &path)?;
        let trust = read_trust(&folder.join(TRUST))?;
        Ok(Self { repository: repository.to_owned(), config, trust, caller: unix::parent() })
    }

    /// The repository's git directory.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    pub fn journal_path(&self) -> PathBuf {
        self.repository.join(FOLDER).join(JOURNAL)
    }

    /// What was written down, locked for this process.
    pub fn journal(&self) -> Result<Journal, GateError> {
        Ok(Journal::open(&self.journal_path())?)
    }

    pub fn trust_path(&self) -> PathBuf {
        self.repository.join(FOLDER).join(TRUST)
    }

    pub fn key(&self) -> Result<SigningKey, GateError> {
        read_key(&self.repository)
    }

    /// The gate at its desk: its copy of the log, and the server that it asks.
    pub fn desk(&self) -> Result<Desk, GateError> {
        let place = Place {
            copy: &self.config.copy,
            access: self.config.access(),
            trust: &self.trust,
            url: &self.config.url,
            via: Via::Only(self.config.proxy.as_deref()),
        };
        Ok(Desk::open(&place, Hand::Gate(self.key()?), self.config.name.clone(), self.config.actor()?)?)
    }
}

/// Whether a repository has a gate. That this account may not look is no sign that it has none.
fn is_there(repository: &Path, config: &Path) -> Result<(), GateError> {
    let look = |path: &Path| fs::metadata(path).map_err(|error| error.kind());
    match (look(repository), look(config)) {
        (_, Ok(_)) => Ok(()),
        (Err(ErrorKind::PermissionDenied), _) | (_, Err(ErrorKind::PermissionDenied)) => Err(GateError::Setup {
            code: "cannot-read",
            message: format!("this account may not look into {}", repository.join(FOLDER).display()),
            hint: "run it as one of the accounts that push there; who they are: ls -ld on that folder".to_owned(),
        }),
        (Err(ErrorKind::NotFound), _) => Err(GateError::Setup {
            code: "no-repository",
            message: format!("there is no folder `{}`", repository.display()),
            hint: "name the folder of the bare repository that people push to".to_owned(),
        }),
        (_, Err(_)) => Err(GateError::NoGate { path: repository.to_owned() }),
    }
}

/// When and by whom a gate was taken out. Hooks that are there say that it was not.
fn uninstalled(repository: &Path) -> Option<String> {
    let when = fs::read_to_string(repository.join(FOLDER).join(UNINSTALLED)).ok()?;
    let hooks = repository.join("hooks");
    let is_there = hooks::HOOKS.iter().any(|name| hooks::is_ours(&hooks.join(name)).unwrap_or(false));
    (!is_there).then(|| when.trim().to_owned())
}

/// The folder of a repository that tells who shares it: whoever pushes writes there.
fn shared_by(git_dir: &Path) -> PathBuf {
    git_dir.join("objects")
}

/// The gate's key in a repository. Where several accounts push, it is in all their hands, as the hooks are.
fn read_key(git_dir: &Path) -> Result<SigningKey, GateError> {
    const BACK: &str =
        "the gate's own key belongs there: put it back from a backup, or install the gate again under another name";
    let path = git_dir.join(FOLDER).join(KEY);
    let secret = files::read_secret_of(&path, &shared_by(git_dir)).map_err(|e| e.expecting(BACK))?;
    Ok(SigningKey::from_openssh(&secret).map_err(|e| HomeError::invalid(&path, e.to_string()).hint(BACK))?)
}

/// Reads a `trust.json`.
pub fn read_trust(path: &Path) -> Result<Trust, GateError> {
    let text = files::read_text(path, files::MAX_GENESIS_BYTES)
        .map_err(|e| e.expecting("it is the file that `countersign init` wrote into the home, from a founder"))?;
    let trust: Trust = serde_json::from_str(&text).map_err(|e| HomeError::Invalid {
        path: path.to_owned(),
        message: format!("it is not a trust.json: {e}"),
        hint: Some("it is the file that `countersign init` wrote into the home".to_owned()),
    })?;
    if trust.version > TRUST_VERSION {
        return Err(HomeError::Newer { path: path.to_owned(), found: trust.version, known: TRUST_VERSION }.into());
    }
    Ok(trust)
}

/// One line of what git tells a hook: `old new ref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub old: Value,
    pub new: Value,
    pub reference: String,
}

/// What a reference points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Object(Oid),
    /// Another reference: `ref:refs/heads/main`.
    Symbolic(String),
}

impl Value {
    fn object(&self) -> Option<&Oid> {
        match self {
            Self::Object(id) => Some(id),
            Self::Symbolic(_) => None,
        }
    }
}

impl Update {
    /// Reads what git writes to a hook's standard input.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, GateError> {
        text.lines().map(Self::parse).collect()
    }

    fn parse(line: &str) -> Result<Self, GateError> {
        let malformed = || GateError::Update(line.chars().take(200).collect());
        let value = |word: &str| match word.strip_prefix("ref:") {
            Some(name) => Ok(Value::Symbolic(name.to_owned())),
            None => word.parse().map(Value::Object).map_err(|_| malformed()),
        };
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some(old), Some(new), Some(reference)) => {
                Ok(Self { old: value(old)?, new: value(new)?, reference: reference.to_owned() })
            }
            _ => Err(malformed()),
        }
    }
}
