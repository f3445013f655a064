//! A home: the folder that a server is started on.
//!
//! ```text
//! countersign.yaml      configuration, with the version of this layout
//! genesis.json          entry 0 of the log: the DSSE envelope that the founders sign
//! genesis-files.json    the governance files that genesis names by digest, path to text: what the log begins with
//! server.json           keys to come in the place of the server's: see [`keys`]
//! trust.json            what verifiers and gates pin: give it to them
//! catalog/              Backstage YAML, for people to edit; in force is what the ledger says
//! rules/                Cedar rules and their cases, likewise
//! standard/             templates of standard changes, likewise
//! issuers/              whose OIDC tokens speak for which workload, each with the issuer's keys, likewise
//! calendars/            freezes, windows, holidays, who is on call and away: .ics files, each with a few words, likewise
//! base.json             what the edits in those five began from: see [`folder`]
//! keys/log.key          signs checkpoints
//! keys/server.key       signs decisions and permits
//! ledger.db             the ledger
//! founded               says that the log was begun
//! seen                  the newest checkpoint that the ledger had: an older one put in its place is refused
//! seen.before-epoch-N   what it was before the log was restored from an older copy and epoch N was begun
//! cosigned              the newest checkpoint that others cosigned
//! material/             contents of changes, for reviewers: no part of the log
//! ```
//!
//! Invariant: a home that opens is whole. Its genesis, configuration and trust speak of the same log; whether keys and
//! governance files fit is checked when they are read: a founder who cosigns on another machine has no use for the keys, and
//! the files, megabytes in a large home, are needed where the log begins.

mod config;
mod create;
pub mod documents;
pub mod files;
pub mod folder;
pub mod from;
mod genesis_files;
mod keys;
pub mod people;
pub mod pulled;
pub mod shipped;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    admit::{self, Signed},
    catalog::{Catalog, CatalogSettings},
    governance::{self, Governance},
    ids::Nonce,
    refusal::Refusal,
    statement::{Body, Genesis, Statement},
    trust::{TRUST_VERSION, Trust},
};
use countersign_ledger::{
    Digest, Envelope,
    checkpoint::{CheckpointError, MAX_NOTE_BYTES, SignedCheckpoint},
    dsse::{MAX_ENVELOPE_BYTES, Signature},
};
use thiserror::Error;

use crate::{durable, material::shelf::Shelf, store};

pub use config::{Config, FILE as CONFIG_FILE, VERSION, default_listen, quoted};
pub use create::{Blueprint, Draft, MAX_FOUNDERS};
pub use folder::{AS_IN_THE_LOG, Base, Folder};
pub use genesis_files::GenesisFiles;

/// What somebody needs of a home who signs its genesis elsewhere.
pub const SIGNED_WITH: [&str; 4] = [CONFIG_FILE, GENESIS, GENESIS_FILES, TRUST];
const GENESIS: &str = "genesis.json";
const GENESIS_FILES: &str = "genesis-files.json";
pub const TRUST: &str = "trust.json";
pub const CATALOG: &str = "catalog";
const RULES: &str = "rules";
/// Templates of standard changes; there need be none.
const STANDARD: &str = "standard";
/// Freezes, windows, holidays, on-call rotas and absences; there need be none.
pub const CALENDARS: &str = "calendars";
/// Whose OIDC tokens speak for which workload; there need be none.
pub const ISSUERS: &str = "issuers";
const KEYS: &str = "keys";
const LOG_KEY: &str = "keys/log.key";
const SERVER_KEY: &str = "keys/server.key";
const LEDGER: &str = "ledger.db";
const COSIGNED: &str = "cosigned";
const MATERIAL: &str = "material";
pub const SEEN: &str = "seen";
/// What was seen before an epoch, with the epoch's number behind it.
const BEFORE_EPOCH: &str = "seen.before-epoch-";
/// Held by whoever serves a home or puts another ledger into it.
pub const LOCK: &str = "serve.lock";
/// Says that the home's log was founded, so that a ledger that was lost is not founded anew in silence.
pub const FOUNDED: &str = "founded";

#[derive(Debug, Error)]
pub enum HomeError {
    #[error("there is no home at {path}")]
    Missing { path: PathBuf },
    #[error("{path} is not a home: it has no {CONFIG_FILE}")]
    NotAHome { path: PathBuf },
    #[error("{path} is already there")]
    Exists { path: PathBuf },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {message}", place(path, *line))]
    Config {
        path: PathBuf,
        line: Option<u64>,
        message: String,
        /// What such a file says.
        reads: &'static str,
    },
    #[error("{path}: written by a newer version of countersign (format {found}, this program knows {known})")]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{path}: {message}")]
    Invalid { path: PathBuf, message: String, hint: Option<String> },
    /// A file or folder that somebody named.
    #[error("cannot read {path}: {source}")]
    NotThere { path: PathBuf, source: io::Error, expected: &'static str },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

fn place(path: &Path, line: Option<u64>) -> String {
    line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()))
}

impl HomeError {
    pub(crate) fn invalid(path: &Path, message: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_owned(), message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Invalid { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What somebody named is no part of a home; this is what should be there.
    #[must_use]
    pub(crate) fn expecting(self, expected: &'static str) -> Self {
        match self {
            Self::Io { path, source, .. } if source.kind() != io::ErrorKind::PermissionDenied => {
                Self::NotThere { path, source, expected }
            }
            Self::Invalid { path, message, hint: None } => {
                Self::Invalid { path, message, hint: Some(expected.to_owned()) }
            }
            other => other,
        }
    }

    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NotAHome { .. } => "no-home",
            Self::Exists { .. } => "already-there",
            Self::Io { .. } | Self::NotThere { .. } => "io",
            Self::Config { .. } => "config-invalid",
            Self::Newer { .. } => "newer-version",
            Self::Invalid { .. } => "home-invalid",
            Self::Refused(refusal) => refusal.code,
        }
    }

    /// What would be right.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Missing { path } | Self::NotAHome { path } => {
                let path = files::word(path);
                Some(format!(
                    "is the path right? `countersign init {path}` makes a home there, and begins a log of its own"
                ))
            }
            Self::Exists { .. } => {
                Some("name a folder that is not there yet: a home is made whole or not at all".to_owned())
            }
            Self::Io { operation: "make", source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("make the folder above it first".to_owned())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "is the path right? A home is whole only with all of its files; put back what is missing from a backup"
                    .to_owned(),
            ),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as the user who owns the file".to_owned())
            }
            Self::Io { .. } => None,
            Self::NotThere { expected, .. } => Some(format!("{expected}; is the path right?")),
            Self::Config { reads, .. } => Some((*reads).to_owned()),
            Self::Newer { .. } => Some("install that version, or a later one".to_owned()),
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Refused(refusal) => refusal.hint.clone(),
        }
    }
}

/// A home that was opened, and is whole.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    config: Config,
    envelope: Envelope,
    statement: Statement,
    genesis: Genesis,
    trust: Trust,
}

/// Governance files by their paths, as the log names them.
pub type GovernanceFiles = BTreeMap<String, Vec<u8>>;

/// The governance files that a catalog and rules make. `salt` is as [`Catalog::to_files`] takes it.
pub fn governance_files(
    catalog: &Catalog,
    rules: &BTreeMap<String, String>,
    salt: impl Fn(&str) -> Nonce,
) -> Result<GovernanceFiles, Refusal> {
    let mut files = catalog.to_files(salt)?;
    files.extend(rules.iter().map(|(name, text)| (format!("{}{name}", governance::RULES), text.clone().into_bytes())));
    Ok(files)
}

fn parse_catalog(files: &BTreeMap<String, String>, settings: &CatalogSettings) -> Result<Catalog, Refusal> {
    Catalog::parse(files, settings)
        .map_err(|error| Refusal::malformed("catalog-invalid", format!("the catalog does not hold: {error}")))
}

impl Home {
    /// Makes a home at a path where nothing is: whole, or not at all. `sign` is asked for the founders' signatures.
    pub fn create<E: From<HomeError>>(
        path: &Path,
        blueprint: Blueprint,
        sign: impl FnOnce(&Draft) -> Result<Vec<Signature>, E>,
    ) -> Result<Self, E> {
        create::create(path, blueprint, sign)
    }

    /// Checks that nothing is where a home shall be made: not a file, not a folder, not a link to nowhere.
    pub fn vacant(path: &Path) -> Result<(), HomeError> {
        is_text(path)?;
        match fs::symlink_metadata(path) {
            Ok(_) => Err(HomeError::Exists { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(HomeError::Io { operation: "make", path: path.to_owned(), source }),
        }
    }

    pub fn open(path: impl AsRef<Path>) -> Result<Self, HomeError> {
        let path = path.as_ref();
        is_text(path)?;
        let within = |name: &str| path.join(name);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() && within(CONFIG_FILE).exists() => {}
            Ok(_) => return Err(HomeError::NotAHome { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HomeError::Missing { path: path.to_owned() });
            }
            Err(source) => return Err(HomeError::Io { operation: "open", path: path.to_owned(), source }),
        }
        let config_path = within(CONFIG_FILE);
        let config = Config::parse(&files::read_text(&config_path, files::MAX_GENESIS_BYTES * 4)?, &config_path)?;
        let (envelope, statement, genesis) = read_genesis(&within(GENESIS))?;
        if statement.header.log != config.origin {
            return Err(HomeError::invalid(
                &config_path,
                format!("origin is `{}`, but the genesis founds `{}`", config.origin, statement.header.log),
            )
            .hint("a log keeps its name; write the one that the genesis has"));
        }
        let trust = read_trust(&within(TRUST))?;
        let founded = create::trust(&statement, &genesis, envelope.payload_digest());
        // Whoever runs the home may add cosigners and a checkpoint.
        let same = trust.is_of_the_same(&founded)
            && (trust.version, trust.recovery_quorum) == (founded.version, founded.recovery_quorum);
        if !same {
            return Err(HomeError::invalid(&within(TRUST), "it does not pin the genesis of this home")
                .hint("put back the trust.json that `countersign init` wrote; gates and verifiers have a copy"));
        }
        trust.check()?;
        Ok(Self { path: path.to_owned(), config, envelope, statement, genesis, trust })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The envelope of entry 0. It may still miss founders' signatures: see [`Home::founded`].
    pub fn genesis(&self) -> &Envelope {
        &self.envelope
    }

    pub fn genesis_body(&self) -> &Genesis {
        &self.genesis
    }

    /// The governance files that the log begins with.
    pub fn genesis_files(&self) -> Result<GenesisFiles, HomeError> {
        GenesisFiles::read(&self.path.join(GENESIS_FILES), &self.genesis.files)
    }

    /// Whether enough founders have signed; a refusal says who could sign next.
    pub fn founded(&self) -> Result<(), Refusal> {
        match admit::authenticate_genesis(&Signed::check(&self.envelope)?) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.code == "genesis-incomplete" => {
                let command = format!("countersign init {} --cosign --key THEIR_KEY", files::word(&self.path));
                Err(refusal.hint(format!("let the next founder run: {command}")))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// What genesis begins, signed or not.
    pub fn governance(&self) -> Result<Governance, HomeError> {
        let blobs: BTreeMap<Digest, Vec<u8>> =
            self.genesis_files()?.blobs().into_iter().map(|blob| (Digest::of(&blob), blob)).collect();
        let payload = self.envelope.payload_digest();
        Ok(Governance::begin(&self.statement, &self.genesis, payload, &|digest| blobs.get(digest).cloned())?)
    }

    /// Whether the log has begun: its entry 0 is written then, and cannot gain a signature.
    pub fn has_begun(&self) -> bool {
        self.ledger_path().exists()
    }

    /// Whether its log was ever served, whatever became of the ledger since.
    pub fn was_served(&self) -> bool {
        self.path.join(FOUNDED).exists() || self.seen_path().exists()
    }

    /// How what stands beside whole leaves is made again.
    pub fn making_again(&self) -> String {
        let (home, ledger) = (files::word(&self.path), files::word(&self.ledger_path()));
        format!(
            "the leaves are whole: stop the server; countersign rebuild --home {home} --into {home}/new.db; mv {home}/new.db {ledger}"
        )
    }

    /// How a ledger is put back: the one that is there is moved aside.
    pub fn putting_back(&self) -> String {
        let (home, ledger) = (files::word(&self.path), files::word(&self.ledger_path()));
        let import = format!("countersign import EXPORT_OR_BACKUP --home {home}");
        match self.ledger_path().exists() {
            true => format!("stop the server; mv {ledger} {ledger}.damaged; {import}"),
            false => import,
        }
    }

    /// What verifiers and gates pin.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The file of the ledger.
    pub fn ledger_path(&self) -> PathBuf {
        self.path.join(LEDGER)
    }

    /// Where the ledger is kept, for [`crate::store::open`].
    pub fn store_address(&self) -> String {
        format!("sqlite:{}", self.ledger_path().display())
    }

    /// Where the newest checkpoint that others cosigned is kept.
    pub fn cosigned_path(&self) -> PathBuf {
        self.path.join(COSIGNED)
    }

    /// How the ledger is opened: it must be under a checkpoint of the log's key.
    pub fn store_options(&self) -> store::Options {
        store::Options { own: self.own_log_keys(), ..store::Options::log(self.trust.log_key.clone()) }
    }

    /// Where contents of changes are kept for reviewers.
    pub fn shelf(&self) -> Shelf {
        Shelf::at(self.path.join(MATERIAL), self.config.material)
    }

    /// Where the newest checkpoint is kept that the ledger of this home had.
    pub fn seen_path(&self) -> PathBuf {
        self.path.join(SEEN)
    }

    /// The numbers of epochs that were begun in this home, also of those that were lost since.
    pub fn epochs_begun(&self) -> Result<Vec<u32>, HomeError> {
        let failed = |source| HomeError::Io { operation: "read", path: self.path.clone(), source };
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(BEFORE_EPOCH)).and_then(|n| n.parse().ok());
            numbers.extend::<Option<u32>>(number);
        }
        Ok(numbers)
    }

    /// Puts aside what the home had seen of a log that was restored since, and begins with the checkpoint that it has now.
    pub fn begins_epoch(&self, number: u32, note: &str) -> Result<(), HomeError> {
        let write = |path: &Path, text: String| {
            let failed = |source| HomeError::Io { operation: "write", path: path.to_owned(), source };
            durable::replace(path, text).map_err(failed)
        };
        let (seen, kept) = (self.seen_path(), self.path.join(format!("{BEFORE_EPOCH}{number}")));
        if !kept.exists() {
            let before = match files::read_text(&seen, MAX_NOTE_BYTES) {
                Ok(before) => before,
                Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error),
            };
            write(&kept, before)?;
        }
        // What others cosigned of what was lost nobody shows any more.
        let (cosigned, kept) = (self.cosigned_path(), self.path.join(format!("{COSIGNED}.before-epoch-{number}")));
        if cosigned.exists() {
            fs::rename(&cosigned, &kept).map_err(|source| HomeError::Io {
                operation: "move",
                path: cosigned,
                source,
            })?;
        }
        write(&seen, note.to_owned())
    }

    /// The newest checkpoint that the ledger of this home had, as far as it was written down.
    pub fn seen(&self) -> Result<Option<SignedCheckpoint>, HomeError> {
        let path = self.seen_path();
        let note = match files::read_text(&path, MAX_NOTE_BYTES) {
            // All that a power cut may have left.
            Ok(note) if note.is_empty() => return Ok(None),
            Ok(note) => note,
            Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        self.opened(&note).map(Some).map_err(|error| {
            HomeError::invalid(&path, error.to_string())
                .hint("is it of another home? It lies beside the ledger that it is of")
        })
    }

    /// A checkpoint of this home's log, also one that was signed since it was written down which keys are in force.
    pub fn opened(&self, note: &str) -> Result<SignedCheckpoint, CheckpointError> {
        let own = || self.own_log_keys().iter().find_map(|key| SignedCheckpoint::open(note, key).ok());
        SignedCheckpoint::open(note, &self.trust.log_key).or_else(|error| own().ok_or(error))
    }

    /// Whether it is where a server can begin: a copy for a founder who signs elsewhere has no keys.
    pub fn has_keys(&self) -> bool {
        self.path.join(LOG_KEY).exists() && self.path.join(SERVER_KEY).exists()
    }

    /// The envelope of entry 0, as founders send it to each other.
    pub fn genesis_path(&self) -> PathBuf {
        self.path.join(GENESIS)
    }

    /// What people edit of it.
    pub fn folder(&self) -> Folder {
        Folder::of(self)
    }

    /// Adds a founder's signature to the genesis. Its payload, and so what `trust.json` pins, stays as it is.
    pub fn cosign(&mut self, signature: Signature) -> Result<(), HomeError> {
        let path = self.path.join(GENESIS);
        let mut signatures = self.envelope.signatures().to_vec();
        signatures.push(signature);
        let envelope = Envelope::new(self.envelope.payload(), signatures)
            .map_err(|error| HomeError::invalid(&path, error.to_string()))?;
        files::replace(&path, envelope.raw())?;
        self.envelope = envelope;
        Ok(())
    }
}

/// The catalog's files in a folder, and how they are read: in a home, or in its `catalog/`, as the home says.
pub fn catalog_at(folder: &Path) -> Result<(BTreeMap<String, String>, CatalogSettings), HomeError> {
    let is_home = |path: &Path| path.join(CONFIG_FILE).is_file();
    let whole = fs::canonicalize(folder).map_err(|source| HomeError::Io {
        operation: "open",
        path: folder.to_owned(),
        source,
    })?;
    let above = whole.parent().filter(|above| whole.ends_with(CATALOG) && is_home(above));
    let (home, files) = match above {
        Some(above) => (Some(above), folder.to_owned()),
        None if is_home(folder) => (Some(folder), folder.join(CATALOG)),
        None => (None, folder.to_owned()),
    };
    let settings = match home.map(|home| home.join(CONFIG_FILE)) {
        Some(path) => Config::parse(&files::read_text(&path, files::MAX_GENESIS_BYTES * 4)?, &path)?.catalog,
        None => CatalogSettings::default(),
    };
    Ok((files::catalog_files(&files)?, settings))
}

fn another_key(path: &Path, named: &str) -> HomeError {
    HomeError::invalid(path, format!("it is not the key that the genesis names, {named}"))
        .hint("put back the key that `countersign init` wrote, from a backup")
}

fn read_genesis(path: &Path) -> Result<(Envelope, Statement, Genesis), HomeError> {
    let envelope = Envelope::parse(&files::read(path, MAX_ENVELOPE_BYTES)?)
        .map_err(|error| HomeError::invalid(path, error.to_string()))?;
    let statement =
        Statement::parse(envelope.payload()).map_err(|refusal| HomeError::invalid(path, refusal.message))?;
    match statement.body.clone() {
        Body::Genesis(genesis) => Ok((envelope, statement, genesis)),
        other => Err(HomeError::invalid(path, format!("it is a {} statement, not a genesis", other.kind()))),
    }
}

/// Its store opens no other path.
fn is_text(path: &Path) -> Result<(), HomeError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => {
            Err(HomeError::invalid(path, "a home's path is UTF-8 text, and this one is not").hint(durable::NAME_IT))
        }
    }
}

fn read_trust(path: &Path) -> Result<Trust, HomeError> {
    let trust: Trust = serde_json::from_slice(&files::read(path, files::MAX_GENESIS_BYTES)?)
        .map_err(|error| HomeError::invalid(path, error.to_string()))?;
    if trust.version > TRUST_VERSION {
        return Err(HomeError::Newer { path: path.to_owned(), found: trust.version, known: TRUST_VERSION });
    }
    Ok(trust)
}
