//! `amend --pull`: writes what is in force into a folder, so that edits go on from there. What somebody edited stays, unless they
//! say otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{
    catalog::{
        Catalog, CatalogSettings,
        files::{CatalogFile, SETTINGS},
    },
    governance::{
        SERVER_KEYS,
        merge::{self, Entities, Merged},
    },
    ids::Nonce,
    issuer::written,
};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    folder::{Sides, several},
    output::{self, Format, good, heading, printable},
};
use crate::{
    clock,
    home::{
        AS_IN_THE_LOG, CALENDARS, CATALOG, CONFIG_FILE, Config, Folder, HomeError, ISSUERS, VERSION, default_listen,
        files,
        files::word,
        folder::is_plain,
        pulled::{self, Written},
    },
    known::KnownLog,
    material::shelf::Bounds,
};

/// Whose version stays where both sides changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// Yours: it replaces what others published, once you propose it and it is approved.
    Mine,
    /// What is in force.
    Theirs,
}

/// What comes of the name of a file that another takes the place of.
const OLD: &str = ".old";

pub fn run(global: &Global, path: &Path, keep: Option<Keep>) -> Result<Exit, CliError> {
    let (folder, log, made) = match path.join(CONFIG_FILE).exists() || !is_nothing(path)? {
        true => {
            let (folder, log) = global.folder(path)?;
            (folder, log, false)
        }
        false => {
            let log = global.log()?;
            (make(path, &log)?, log, true)
        }
    };
    let sides = Sides::of(&log, &folder)?;
    // What is written comes from nowhere but the log as it was replayed.
    let record = log.standing(None, clock::now())?.governance.record.clone();
    if (record.in_force, &record.files) != (sides.in_force.by, &sides.in_force.files) {
        return Err(CliError::new(
            "in-force-differs",
            "something came into force while it was read; nothing was written",
        )
        .hint("run it again; if it stays so, tell whoever runs the server"));
    }
    let merged = merged(&sides, &folder, keep, made)?;
    let changed: BTreeSet<String> = merged.entities.differing(&sides.ours).into_iter().cloned().collect();
    let aside = write(&folder, &sides, &merged.entities, &changed)?;
    folder.keep_base(&sides.now())?;
    let edits: BTreeSet<String> = merged.entities.differing(&sides.theirs).into_iter().cloned().collect();
    tell(global, &folder, &changed, &edits, &aside)
}

/// Whether there is nothing at a path, or an empty folder.
fn is_nothing(path: &Path) -> Result<bool, CliError> {
    let failed = |source| HomeError::Io { operation: "read", path: path.to_owned(), source };
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed(error).into()),
    }
}

/// A folder to edit, of a log that somebody joined: without genesis, keys or ledger.
fn make(path: &Path, log: &KnownLog) -> Result<Folder, CliError> {
    let config = Config {
        version: VERSION,
        origin: log.trust().origin.clone(),
        listen: default_listen(),
        hosts: Vec::new(),
        guidance: Vec::new(),
        cosigners: Vec::new(),
        material: Bounds::default(),
        catalog: CatalogSettings::default(),
    };
    files::write(&path.join(CONFIG_FILE), config.to_yaml())?;
    Ok(Folder::open(path)?)
}

fn merged(sides: &Sides, folder: &Folder, keep: Option<Keep>, made: bool) -> Result<Merged, CliError> {
    // In an empty folder nobody edited anything.
    if made || folder.is_empty() {
        return Ok(Merged { entities: sides.theirs.clone(), ..Merged::default() });
    }
    let mut merged = match (sides.began(folder), keep) {
        (Ok(began), _) => merge::merge(began, &sides.theirs, &sides.ours, None),
        (Err(error), None) => return Err(error),
        // What differs is all of one side.
        (Err(_), Some(Keep::Mine)) => merge::merge(&sides.theirs, &sides.theirs, &sides.ours, None),
        (Err(_), Some(Keep::Theirs)) => merge::merge(&sides.ours, &sides.theirs, &sides.ours, None),
    };
    match keep {
        None => sides.agrees(folder, &merged.both)?,
        Some(Keep::Theirs) => {}
        Some(Keep::Mine) => {
            for name in &merged.both {
                merged.entities.take(name, &sides.ours);
            }
        }
    }
    Ok(merged)
}

/// Writes what changes; gives the files that were kept beside what came in their place.
fn write(
    folder: &Folder,
    sides: &Sides,
    wanted: &Entities,
    changed: &BTreeSet<String>,
) -> Result<Vec<PathBuf>, CliError> {
    // What does not hold is said before anything is written.
    let catalog = catalog(wanted)?;
    if let Some(name) = changed.iter().find(|name| leads_elsewhere(name)) {
        return Err(CliError::new("governance-path", format!("`{}` is no file of a folder", printable(name))));
    }
    let settings = CatalogSettings {
        environments: catalog.settings.environments.clone(),
        production: catalog.settings.production.clone(),
        unseen_approvals: catalog.settings.unseen_approvals,
        loosening_wait_secs: catalog.settings.loosening_wait_secs,
        expires_after_days: catalog.settings.expires_after_days,
        load: catalog.settings.load,
        ..folder.config().catalog.clone()
    };
    let root = folder.path().join(CATALOG);
    let texts = match changed.iter().any(|name| is_of_catalog(name)) {
        true => {
            let there = if root.is_dir() { files::catalog_files(&root)? } else { BTreeMap::new() };
            pulled::written(&there, &settings, &catalog)?
        }
        false => Written::default(),
    };
    let mut aside = Vec::new();
    for name in texts.aside {
        aside.push(kept_beside(&root.join(name))?);
    }
    for (name, text) in texts.files {
        replace(&root.join(name), &text)?;
    }
    for name in changed.iter().filter(|name| !is_of_catalog(name)) {
        let path = folder.path().join(name);
        match (name.as_str(), wanted.text(name)) {
            (SETTINGS, _) => {
                let path = folder.path().join(CONFIG_FILE);
                if sides.ours.says(SETTINGS) {
                    aside.push(copied_beside(&path)?);
                }
                replace(&path, &Config { catalog: settings.clone(), ..folder.config().clone() }.to_yaml())?;
            }
            (SERVER_KEYS, Some(text)) => replace(&path, &format!("{text}\n"))?,
            // They stay where nobody names others.
            (SERVER_KEYS, None) => {}
            (name, text) if is_in(CALENDARS, name) => {
                aside.extend(as_in_the_log(folder, name, text, [".yaml", ".ics"])?);
            }
            (name, text) if is_in(ISSUERS, name) => {
                aside.extend(as_in_the_log(folder, name, text, [written::YAML, written::JWKS])?);
            }
            (_, Some(text)) => replace(&path, text)?,
            (_, None) => remove(&path)?,
        }
    }
    Ok(aside)
}

fn is_of_catalog(name: &str) -> bool {
    matches!(name.split_once('/'), Some(("systems" | "groups" | "people" | "profiles", _)))
}

/// Names in the log are nobody's to be believed where they become paths.
fn leads_elsewhere(name: &str) -> bool {
    !is_of_catalog(name) && name != SETTINGS && name != SERVER_KEYS && !is_plain(name)
}

/// The catalog that the entities are.
fn catalog(wanted: &Entities) -> Result<Catalog, CliError> {
    let salt = Nonce::from_bytes([0; 16]);
    let mut parsed: BTreeMap<String, Arc<CatalogFile>> = BTreeMap::new();
    for (path, bytes) in wanted.files(|_| salt.clone())? {
        if let Some(file) = CatalogFile::parse(&path, &bytes) {
            parsed.insert(path, Arc::new(file?));
        }
    }
    Catalog::assemble(&parsed).map_err(|error| {
        CliError::new("catalog-invalid", format!("your edits and what is in force do not fit together: {error}"))
            .hint("change your edits so that they do; nothing was written into catalog/")
    })
}

fn is_in(folder: &str, name: &str) -> bool {
    name.split_once('/').is_some_and(|(first, _)| first == folder)
}

/// A calendar or an issuer as the log has it; whatever it was made from stays beside it.
fn as_in_the_log(
    folder: &Folder,
    name: &str,
    text: Option<&str>,
    made_from: [&str; 2],
) -> Result<Vec<PathBuf>, CliError> {
    let path = folder.path().join(name);
    let mut aside = Vec::new();
    let stem = name.strip_suffix(AS_IN_THE_LOG).unwrap_or(name);
    for ending in made_from {
        let from = folder.path().join(format!("{stem}{ending}"));
        if from.exists() {
            aside.push(kept_beside(&from)?);
        }
    }
    match text {
        Some(text) => replace(&path, text)?,
        None => remove(&path)?,
    }
    Ok(aside)
}

fn replace(path: &Path, text: &str) -> Result<(), CliError> {
    match path.exists() {
        true => Ok(files::replace(path, text)?),
        false => Ok(files::write(path, text)?),
    }
}

fn remove(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HomeError::Io { operation: "remove", path: path.to_owned(), source: error }.into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Moves a file aside, under a name that is nobody's.
fn kept_beside(path: &Path) -> Result<PathBuf, CliError> {
    let to = free_beside(path);
    fs::rename(path, &to).map_err(|source| HomeError::Io { operation: "move", path: path.to_owned(), source })?;
    Ok(to)
}

fn copied_beside(path: &Path) -> Result<PathBuf, CliError> {
    let to = free_beside(path);
    fs::copy(path, &to).map_err(|source| HomeError::Io { operation: "copy", path: path.to_owned(), source })?;
    Ok(to)
}

fn free_beside(path: &Path) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { OLD.to_owned() } else { format!("{OLD}-{number}") });
        PathBuf::from(name)
    };
    (1..).map(named).find(|name| !name.exists()).unwrap_or_else(|| named(u32::MAX))
}

fn tell(
    global: &Global,
    folder: &Folder,
    changed: &BTreeSet<String>,
    edits: &BTreeSet<String>,
    aside: &[PathBuf],
) -> Result<Exit, CliError> {
    if global.format == Format::Json {
        output::json(&json!({"written": changed, "edits": edits, "aside": aside}))?;
        return Ok(Exit::Done);
    }
    let path = word(folder.path());
    match changed.is_empty() {
        true => anstream::println!("{path} is up to date"),
        false => anstream::println!("{} {path} as it is in force: {}", good("wrote"), printable(&several(changed))),
    }
    for kept in aside {
        anstream::println!("  what was there is kept in {}", kept.display());
    }
    if !edits.is_empty() {
        anstream::println!("your edits are there as before: {}", printable(&several(edits)));
        heading("Next");
        anstream::println!("  propose them: countersign amend {path} --why TEXT");
    }
    Ok(Exit::Done)
}
