//! What an audit is told besides the history: which paths reach far, who owns them, and what areas are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_audit::{
    Areas, AreasBy, CodeOwners, ImpactTable, Requests, Scope, Systems,
    codeowners::{Entry, LOCATIONS},
};
use countersign_core::{
    catalog::{Catalog, CatalogError, PATHS_ANNOTATION, SOURCE_ANNOTATION},
    rules::Rules,
};
use thiserror::Error;

use super::reader::{History, ReadError};
use crate::home::{self, HomeError};

/// What the user asks for.
#[derive(Debug, Default)]
pub struct Wanted {
    pub impact: ImpactTable,
    /// Without it: the catalog if there is one, owners if the branch names any of particular paths, else folders.
    pub areas: Option<AreasBy>,
    /// A folder of Backstage YAML, or a home.
    pub catalog: Option<PathBuf>,
    /// What forges know of requests that landed here.
    pub requests: Requests,
    /// The sets that the past will be put to.
    pub rules: Vec<Arc<Rules>>,
}

/// A scope, and where it came from.
#[derive(Debug, Default)]
pub struct Prepared {
    pub scope: Scope,
    /// Where owners were read, if there are any.
    pub owners_file: Option<&'static str>,
}

#[derive(Debug, Error)]
pub enum ScopeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("there is no CODEOWNERS file at the tip of `{branch}`")]
    NoOwners { branch: String },
    #[error("{file} of `{branch}` is there, but its content is not in this clone, or it is too large")]
    OwnersUnread { file: String, branch: String },
    #[error("{file} of `{branch}` has no entry that can be read{}", first_problem(why))]
    NoEntry { file: &'static str, branch: String, why: Option<(usize, String)> },
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("the catalog in {} does not hold:\n{source}", folder.display())]
    Catalog { folder: PathBuf, source: CatalogError },
    #[error("areas by catalog, but there is no catalog")]
    NoCatalog,
    #[error("no system of the catalog in {} says that it has its source in `{repository}`", folder.display())]
    NoSystems { folder: PathBuf, repository: String },
}

fn first_problem(why: &Option<(usize, String)>) -> String {
    why.as_ref().map_or_else(String::new, |(line, what)| format!("; line {line}: {what}"))
}

impl ScopeError {
    /// What would be right.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Read(_) | Self::Catalog { .. } => None,
            Self::Home(error) => error.advice(),
            Self::NoOwners { .. } => Some(format!("it is looked for at {}", LOCATIONS.join(", "))),
            Self::OwnersUnread { file, branch } => Some(format!(
                "a partial clone leaves contents out; `git show {branch}:{file}` in the repository fetches it"
            )),
            Self::NoEntry { .. } => Some("an entry reads `PATTERN @OWNER …`".to_owned()),
            Self::NoCatalog => Some("name a folder of Backstage YAML, or a home: --catalog DIR".to_owned()),
            Self::NoSystems { repository, .. } => Some(format!(
                "annotate systems with `{SOURCE_ANNOTATION}: url:https://…/{repository}/tree/main/FOLDER/` or \
                 `{PATHS_ANNOTATION}: 'FOLDER/**'`"
            )),
        }
    }
}

/// Reads owners and catalog, and chooses what areas are.
pub fn prepare(history: &History, wanted: Wanted) -> Result<Prepared, ScopeError> {
    let owners = code_owners(history)?;
    let systems = wanted.catalog.as_deref().map(|folder| systems(folder, history)).transpose()?;
    let by = match wanted.areas {
        Some(AreasBy::Folders) => AreasBy::Folders,
        Some(AreasBy::CodeOwners) => {
            match &owners {
                None => {
                    let branch = history.branch.clone();
                    return Err(match history.unread(&LOCATIONS)?.into_iter().next() {
                        Some(file) => ScopeError::OwnersUnread { file, branch },
                        None => ScopeError::NoOwners { branch },
                    });
                }
                Some((file, owners)) if owners.entries().is_empty() => {
                    let why = owners.problems().first().map(|problem| (problem.line, problem.what.clone()));
                    return Err(ScopeError::NoEntry { file, branch: history.branch.clone(), why });
                }
                Some(_) => {}
            }
            AreasBy::CodeOwners
        }
        Some(AreasBy::Catalog) if systems.is_none() => return Err(ScopeError::NoCatalog),
        Some(AreasBy::Catalog) => AreasBy::Catalog,
        None if systems.is_some() => AreasBy::Catalog,
        // One group that owns everything tells no areas apart.
        None if owners.as_ref().is_some_and(|(_, owners)| owners.entries().iter().any(is_particular)) => {
            AreasBy::CodeOwners
        }
        None => AreasBy::Folders,
    };
    let (owners_file, owners) = owners.unzip();
    Ok(Prepared {
        scope: Scope {
            impact: wanted.impact,
            areas: Areas::new(by, owners, systems),
            requests: wanted.requests,
            rules: wanted.rules,
        },
        owners_file,
    })
}

fn is_particular(entry: &Entry) -> bool {
    !entry.owners.is_empty() && !entry.is_catch_all()
}

/// The `CODEOWNERS` file at the branch's tip, and where it is.
pub fn code_owners(history: &History) -> Result<Option<(&'static str, CodeOwners)>, ReadError> {
    for location in LOCATIONS {
        if let Some(text) = history.file(location)? {
            return Ok(Some((location, CodeOwners::parse_at(location, &text))));
        }
    }
    Ok(None)
}

fn systems(folder: &Path, history: &History) -> Result<Systems, ScopeError> {
    let (files, settings) =
        home::catalog_at(folder).map_err(|e| e.expecting("it is a folder of Backstage YAML, or a home"))?;
    let catalog = Catalog::parse(&files, &settings)
        .map_err(|source| ScopeError::Catalog { folder: folder.to_owned(), source })?;
    let repository = history.repository_name();
    let systems = Systems::of_repository(&catalog, &[&repository]);
    if systems.is_empty() {
        return Err(ScopeError::NoSystems { folder: folder.to_owned(), repository });
    }
    Ok(systems)
}
