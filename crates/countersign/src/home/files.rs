//! Reading and writing the files of a home: bounded, and with the path in every error.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use countersign_core::{
    calendar::{self, written},
    cases, catalog, governance, issuer, rules,
    subject::quoted,
};
use countersign_ledger::jws::MAX_JWKS_BYTES;
use zeroize::Zeroizing;

use super::HomeError;
use crate::unix;

pub const MAX_GENESIS_BYTES: usize = 64 * 1024;
const MAX_SECRET_BYTES: usize = 64 * 1024;
/// Folders below `catalog/` and `rules/`; a loop of links would be deeper.
const MAX_DEPTH: usize = 8;

pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, HomeError> {
    let failed = |source| HomeError::Io { operation: "read", path: path.to_owned(), source };
    // Opening a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(HomeError::invalid(path, "it is no file"));
    }
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let taken = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(taken).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(HomeError::invalid(path, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

pub fn read_text(path: &Path, limit: usize) -> Result<String, HomeError> {
    let bytes = read(path, limit)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        HomeError::invalid(path, format!("line {line} is not UTF-8")).hint("save the file as UTF-8 text")
    })?;
    Ok(without_mark(&text).to_owned())
}

/// A text without the byte order mark that some editors put before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A path as a shell takes it, for commands that are printed.
pub fn word(path: &Path) -> String {
    quoted(&[path.display().to_string()])
}

/// Reads a secret, if nobody else can.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, HomeError> {
    secret(path, None)
}

/// Reads a secret that the accounts which share a folder share as well: its group may read it, if it is the folder's group
/// and may write there. Everywhere else it is its owner's alone.
pub fn read_secret_of(path: &Path, shared: &Path) -> Result<Zeroizing<String>, HomeError> {
    secret(path, unix::is_shared(shared).then_some(shared))
}

fn secret(path: &Path, shared: Option<&Path>) -> Result<Zeroizing<String>, HomeError> {
    let failed = |source| HomeError::Io { operation: "read", path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(failed)?;
    let mode = unix::mode(&found);
    let with_group = match shared {
        Some(shared) => unix::same_group(&found, &fs::metadata(shared).map_err(failed)?),
        None => false,
    };
    let (others, right) = if with_group { (0o037, "640") } else { (0o077, "600") };
    if mode & others != 0 {
        return Err(HomeError::invalid(path, format!("others can read this secret key (mode {mode:03o})"))
            .hint(format!("chmod {right} {}", word(path))));
    }
    read_text(path, MAX_SECRET_BYTES).map(Zeroizing::new)
}

pub fn write_secret(path: &Path, secret: &str) -> Result<(), HomeError> {
    write_private(path, secret)
}

/// Writes a new file that is its owner's alone: names and mails of people, for one.
pub fn write_private(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), HomeError> {
    let failed = |source| HomeError::Io { operation: "write", path: path.to_owned(), source };
    let mut file = unix::new_private_file(path).map_err(failed)?;
    file.write_all(bytes.as_ref()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Writes a new file, with the folders above it.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), HomeError> {
    let failed = |source| HomeError::Io { operation: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(bytes.as_ref()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Replaces a file whole: a reader sees the old bytes or the new ones.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), HomeError> {
    let failed = |source| HomeError::Io { operation: "write", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    // A temporary file is its owner's alone; what it replaces may not be.
    let permissions = fs::metadata(path).map_err(failed)?.permissions();
    file.write_all(bytes.as_ref())
        .and_then(|()| file.as_file().set_permissions(permissions))
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

pub fn make_private_folder(path: &Path) -> Result<(), HomeError> {
    unix::new_private_folder(path).map_err(|source| HomeError::Io { operation: "make", path: path.to_owned(), source })
}

/// The catalog's files in a folder: every `.yaml` and `.yml`, by its path in it, and `allowed_signers`, if it is there.
pub fn catalog_files(folder: &Path) -> Result<BTreeMap<String, String>, HomeError> {
    let mut files = matching(folder, &[".yaml", ".yml"], catalog::MAX_FILES, catalog::MAX_FILE_BYTES)?;
    let signers = folder.join(catalog::SIGNERS);
    if signers.is_file() {
        is_itself(&signers)?;
        files.insert(catalog::SIGNERS.to_owned(), read_text(&signers, catalog::MAX_FILE_BYTES)?);
    }
    if files.keys().all(|name| name == catalog::SIGNERS) {
        return Err(HomeError::invalid(folder, "there is no .yaml file in it".to_owned())
            .hint("put Backstage entities there: Component or System, Group and User"));
    }
    Ok(files)
}

/// Whether there is a rule in a folder.
pub fn has_rules(folder: &Path) -> Result<bool, HomeError> {
    Ok(!every_rule(folder)?.is_empty())
}

fn every_rule(folder: &Path) -> Result<BTreeMap<String, String>, HomeError> {
    matching(folder, &[".cedar"], rules::MAX_RULES, rules::MAX_FILE_BYTES)
}

/// The rules in a folder: every `.cedar`.
pub fn rule_files(folder: &Path) -> Result<BTreeMap<String, String>, HomeError> {
    let files = every_rule(folder)?;
    if files.is_empty() {
        return Err(HomeError::invalid(folder, "there is no .cedar file in it".to_owned())
            .hint("`countersign init` writes the shipped rules into a home's rules/; start from those"));
    }
    Ok(files)
}

/// The cases beside the rules: every `.cases.yaml`.
pub fn case_files(folder: &Path) -> Result<BTreeMap<String, String>, HomeError> {
    matching(folder, &[".cases.yaml"], rules::MAX_RULES, cases::MAX_CASES_BYTES)
}

/// The templates of standard changes in a folder, which need not be there: every `.yaml`.
pub fn standard_files(folder: &Path) -> Result<BTreeMap<String, String>, HomeError> {
    match folder.is_dir() {
        true => matching(folder, &[".yaml"], rules::MAX_RULES, rules::MAX_FILE_BYTES),
        false => Ok(BTreeMap::new()),
    }
}

/// The calendars in a folder, which need not be there: every `.yaml` and `.ics`.
pub fn calendar_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, HomeError> {
    let mut files = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    let failed = |source: io::Error| HomeError::Io { operation: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let limit = match name.rsplit_once('.') {
            _ if name.starts_with('.') => continue,
            Some((_, "yaml")) => written::MAX_YAML_BYTES,
            Some((_, "ics")) => calendar::MAX_ICS_BYTES,
            // As the log has it.
            Some((_, "json")) => governance::MAX_FILE_BYTES,
            Some((_, "yml")) => {
                return Err(
                    HomeError::invalid(&entry.path(), "a calendar's words are in a .yaml file").hint("rename it")
                );
            }
            Some(_) | None => {
                is_none_of(&entry.path(), &name, &[".yaml", ".ics"])?;
                continue;
            }
        };
        is_itself(&entry.path())?;
        if files.len() == 2 * calendar::MAX_CALENDARS {
            return Err(HomeError::invalid(folder, format!("it has more than {} calendars", calendar::MAX_CALENDARS)));
        }
        files.insert(name, read(&entry.path(), limit)?);
    }
    Ok(files)
}

/// The issuers of tokens in a folder, which need not be there: every `.yaml` and `.jwks.json`, and what is as the log has it.
pub fn issuer_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, HomeError> {
    let mut files = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    let failed = |source: io::Error| HomeError::Io { operation: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let limit = match name.as_str() {
            name if name.starts_with('.') => continue,
            name if name.ends_with(issuer::written::YAML) => issuer::written::MAX_YAML_BYTES,
            name if name.ends_with(issuer::written::JWKS) => MAX_JWKS_BYTES,
            // As the log has it.
            name if name.ends_with(".json") => governance::MAX_FILE_BYTES,
            name if name.ends_with(".yml") => {
                let what = "an issuer is in a .yaml file, and its keys are in a .jwks.json file beside it";
                return Err(HomeError::invalid(&entry.path(), what).hint("rename it"));
            }
            _ => continue,
        };
        if files.len() == 2 * issuer::MAX_ISSUERS {
            return Err(HomeError::invalid(folder, format!("it has more than {} issuers", issuer::MAX_ISSUERS)));
        }
        files.insert(name, read(&entry.path(), limit)?);
    }
    Ok(files)
}

fn matching(
    folder: &Path,
    endings: &[&str],
    max_files: usize,
    max_bytes: usize,
) -> Result<BTreeMap<String, String>, HomeError> {
    let mut files = BTreeMap::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((path, prefix, depth)) = open.pop() {
        let failed = |source: io::Error| HomeError::Io { operation: "read", path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() && entry.path().is_dir() {
                is_itself(&entry.path())?;
            }
            if kind.is_dir() {
                if depth == MAX_DEPTH {
                    return Err(HomeError::invalid(&entry.path(), format!("it is more than {MAX_DEPTH} folders deep")));
                }
                open.push((entry.path(), format!("{name}/"), depth + 1));
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                if files.len() == max_files {
                    return Err(HomeError::invalid(folder, format!("it has more than {max_files} files")));
                }
                is_itself(&entry.path())?;
                files.insert(name, read_text(&entry.path(), max_bytes)?);
            } else {
                is_none_of(&entry.path(), &name, endings)?;
            }
        }
    }
    Ok(files)
}

/// What governs is what lies there, and not what lies elsewhere, where others could change it.
fn is_itself(path: &Path) -> Result<(), HomeError> {
    let found = fs::symlink_metadata(path);
    let found = found.map_err(|source| HomeError::Io { operation: "read", path: path.to_owned(), source })?;
    if !found.is_symlink() {
        return Ok(());
    }
    Err(HomeError::invalid(path, "it is a symbolic link, and what governs is read from no other place")
        .hint("put the file itself there, or take the link away"))
}

/// Refuses what would be read by another spelling of its ending: passed over in silence, it would be missing.
fn is_none_of(path: &Path, name: &str, endings: &[&str]) -> Result<(), HomeError> {
    let lower = name.to_lowercase();
    let spelled = lower.strip_suffix(".yml").map(|stem| format!("{stem}.yaml"));
    let means = |ending: &&&str| spelled.as_deref().unwrap_or(&lower).ends_with(**ending);
    match endings.iter().find(means) {
        None => Ok(()),
        Some(ending) => Err(HomeError::invalid(path, format!("only files that end with `{ending}` are read here"))
            .hint("rename it, or take it away")),
    }
}

/// Where a home is being built before it is renamed into its place: beside it, on the same disk.
pub fn beside(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}
