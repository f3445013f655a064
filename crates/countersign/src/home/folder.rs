//! What people edit of a home: `catalog/`, `rules/`, `standard/`, `calendars/`, `issuers/` and how they are read; also as a folder of its own,
//! without genesis, keys or ledger, that `amend --pull` made.
//!
//! ```text
//! base.json      what the edits here began from: a publication, and what was proposed from here since
//! ```
//!
//! Invariant: `base.json` names something that was in force, so that an edit is told from a folder that is merely older.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    calendar::{self, CalendarFile, written},
    catalog::Catalog,
    governance::SERVER_KEYS,
    ids::{ChangeId, Nonce},
    issuer::{self, IssuerFile},
    standard,
};
use countersign_ledger::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    CALENDARS, CATALOG, CONFIG_FILE, Config, GENESIS, GovernanceFiles, Home, HomeError, ISSUERS, RULES, STANDARD,
    files, governance_files, is_text, keys, parse_catalog,
};
use crate::durable;

pub const BASE: &str = "base.json";
/// Far more than anybody proposes from one folder before it is brought up to date.
const MAX_BASE_BYTES: usize = 1024 * 1024;
/// A calendar or an issuer as the log has it, where what it was made from is not at hand.
pub const AS_IN_THE_LOG: &str = ".json";

/// What such a file is called, and what it is made from.
const CALENDAR: (&str, &str) = ("this calendar", "the .ics file and its .yaml");
const ISSUER: (&str, &str) = ("this issuer", "the .yaml file and its .jwks.json");

/// A folder of files that govern, for people to edit.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    config: Config,
}

/// What the edits in a folder began from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The genesis or publication that was in force.
    pub publication: Digest,
    /// Changes that were proposed from here since, each with its revisions: once in force they are what edits go on from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub proposed: BTreeMap<ChangeId, BTreeSet<u32>>,
}

impl Base {
    pub fn at(publication: Digest) -> Self {
        Self { publication, proposed: BTreeMap::new() }
    }

    pub(super) fn to_json(&self, path: &Path) -> Result<String, HomeError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| HomeError::invalid(path, error.to_string()))?;
        Ok(format!("{text}\n"))
    }
}

impl Folder {
    /// A folder with a `countersign.yaml`: a home, or one that `amend --pull` made.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        is_text(path)?;
        let file = path.join(CONFIG_FILE);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() && file.exists() => {}
            Ok(_) => return Err(HomeError::NotAHome { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HomeError::Missing { path: path.to_owned() });
            }
            Err(source) => return Err(HomeError::Io { operation: "open", path: path.to_owned(), source }),
        }
        let config = Config::parse(&files::read_text(&file, files::MAX_GENESIS_BYTES * 4)?, &file)?;
        Ok(Self { path: path.to_owned(), config })
    }

    pub(super) fn of(home: &Home) -> Self {
        Self { path: home.path.clone(), config: home.config.clone() }
    }

    /// Whether a folder is a home, with a genesis of its own.
    pub fn is_home(path: &Path) -> bool {
        path.join(GENESIS).exists()
    }

    /// Whether there is nothing in it to edit yet.
    pub fn is_empty(&self) -> bool {
        !self.path.join(CATALOG).exists() && !self.path.join(RULES).exists()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The catalog as it is on the disk now.
    pub fn catalog(&self) -> Result<Catalog, HomeError> {
        Ok(parse_catalog(&files::catalog_files(&self.path.join(CATALOG))?, &self.config.catalog)?)
    }

    /// The governance files that `catalog/`, `rules/`, `standard/`, `calendars/` and `issuers/` make as they are on the disk now.
    /// `salt` is as [`countersign_core::catalog::Catalog::to_files`] takes it.
    pub fn edited(&self, salt: impl Fn(&str) -> Nonce) -> Result<GovernanceFiles, HomeError> {
        let catalog = self.catalog()?;
        let mut governance = governance_files(&catalog, &files::rule_files(&self.path.join(RULES))?, salt)?;
        let standards = files::standard_files(&self.path.join(STANDARD))?.into_iter();
        governance.extend(standards.map(|(name, text)| (format!("{}{name}", standard::STANDARD), text.into_bytes())));
        let (as_it_is, calendars) = as_in_the_log(files::calendar_files(&self.path.join(CALENDARS))?);
        for (name, calendar) in written::calendars(&calendars, &catalog)? {
            governance.insert(calendar::path_of(&name), calendar.to_bytes()?);
        }
        for (file, bytes) in as_it_is {
            let calendar: CalendarFile = self.parsed(CALENDARS, &file, &bytes, CALENDAR)?;
            self.add(&mut governance, CALENDARS, &file, calendar.to_bytes()?, CALENDAR)?;
        }
        let (as_it_is, issuers) = as_in_the_log(files::issuer_files(&self.path.join(ISSUERS))?);
        for (name, issuer) in issuer::written::issuers(&issuers)? {
            governance.insert(issuer::path_of(&name), issuer.to_bytes()?);
        }
        for (file, bytes) in as_it_is {
            let issuer: IssuerFile = self.parsed(ISSUERS, &file, &bytes, ISSUER)?;
            self.add(&mut governance, ISSUERS, &file, issuer.to_bytes()?, ISSUER)?;
        }
        if let Some(keys) = keys::named_keys(&self.path)? {
            governance.insert(SERVER_KEYS.to_owned(), keys.to_bytes()?);
        }
        Ok(governance)
    }

    /// A file of a folder as the log has it.
    fn parsed<T: DeserializeOwned>(
        &self,
        folder: &str,
        file: &str,
        bytes: &[u8],
        (what, from): (&str, &str),
    ) -> Result<T, HomeError> {
        serde_json::from_slice(bytes).map_err(|error| {
            HomeError::invalid(&self.path.join(folder).join(file), error.to_string())
                .hint(format!("{what} is as the log has it, not for editing: put {from} in its place"))
        })
    }

    fn add(
        &self,
        governance: &mut GovernanceFiles,
        folder: &str,
        file: &str,
        bytes: Vec<u8>,
        (what, _): (&str, &str),
    ) -> Result<(), HomeError> {
        match governance.insert(format!("{folder}/{file}"), bytes) {
            None => Ok(()),
            Some(_) => {
                let twice = format!("{what} is there twice, also as .yaml");
                Err(HomeError::invalid(&self.path.join(folder).join(file), twice)
                    .hint("keep the one that is meant: the .json is as it was in force"))
            }
        }
    }

    /// What the edits here began from, where that is known.
    pub fn base(&self) -> Result<Option<Base>, HomeError> {
        let path = self.path.join(BASE);
        let bytes = match files::read(&path, MAX_BASE_BYTES) {
            Ok(bytes) => bytes,
            Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            HomeError::invalid(&path, error.to_string())
                .hint("it is not for editing; without it, `countersign amend FOLDER --pull` finds out what differs")
        })
    }

    pub fn keep_base(&self, base: &Base) -> Result<(), HomeError> {
        let path = self.path.join(BASE);
        let text = base.to_json(&path)?;
        durable::replace(&path, text).map_err(|source| HomeError::Io { operation: "write", path, source })
    }
}

/// Those that are as the log has them, and those that people keep.
fn as_in_the_log(files: BTreeMap<String, Vec<u8>>) -> (BTreeMap<String, Vec<u8>>, BTreeMap<String, Vec<u8>>) {
    files.into_iter().partition(|(name, _)| name.ends_with(AS_IN_THE_LOG) && !name.ends_with(issuer::written::JWKS))
}

/// Whether a governance file's path leads to a file of its own in such a folder, and nowhere else.
pub fn is_plain(path: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    path.split_once('/')
        .is_some_and(|(_, name)| !name.starts_with('.') && !name.is_empty() && name.chars().all(harmless))
}
