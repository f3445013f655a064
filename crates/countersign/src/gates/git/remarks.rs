//! What whoever installs a gate should know of the repository as it is: nothing of it stops the gate, and all of it is worth
//! a look before people rely on it.

use std::path::Path;

use super::{GateConfig, GateError, config::Place, shadow};
use crate::{
    git::{self, Repository},
    home::files,
};

/// How many names a remark has.
const NAMED: usize = 5;

pub fn of(repository: &Repository, config: &GateConfig) -> Result<Vec<String>, GateError> {
    let mut remarks = shadows(repository.git_dir(), config)?;
    for branch in &config.branches {
        let files = match repository.files(&repository.resolve(&branch.branch)?) {
            Ok(files) => files,
            Err(error) => {
                remarks.push(format!("{}: its files cannot be compared with the map: {error}", branch.branch));
                continue;
            }
        };
        let reached = branch.reached(files.iter().map(|(path, is_submodule)| match is_submodule {
            true => Place::Folder(path),
            false => Place::File(path),
        }));
        if !reached.unmapped.is_empty() {
            let becomes = match branch.is_watched() {
                true => "passes while the branch is only watched, and is refused once it is not",
                false => "is refused",
            };
            remarks.push(format!(
                "{}: no entry names {}; a push that changes one of them {becomes} [unmapped-path]. Add --map for them, or \
                 --map-else SYSTEM/ENVIRONMENT for whatever no entry names",
                branch.branch,
                listed(&reached.unmapped)
            ));
        }
        let unused = branch.map.iter().filter(|entry| !files.iter().any(|(path, _)| entry.paths.is_match(path)));
        let unused: Vec<&str> = unused.map(|entry| entry.paths.as_str()).collect();
        if !unused.is_empty() {
            remarks.push(format!("{}: no file of it matches {}", branch.branch, listed(&unused)));
        }
    }
    if repository.git_dir().join("reftable").is_dir() {
        remarks.push(
            "its references are in tables (reftable), where `git branch -m` and `git branch -M` move a branch without asking \
             any hook; the gate finds that at the next push, and `countersign gate status` ends with 3"
                .to_owned(),
        );
    }
    Ok(remarks)
}

/// References that are there and would be taken for a protected branch.
pub fn shadows(git_dir: &Path, config: &GateConfig) -> Result<Vec<String>, GateError> {
    let all = git::told_references(git_dir, &[])?;
    let shadow = |name: &String| {
        let what = shadow::shadow(config, name)?;
        Some(format!("{name}: {what}. Take it away: git update-ref -d {name}"))
    };
    let mut found: Vec<String> = all.keys().filter_map(shadow).collect();
    for branch in &config.branches {
        for name in shadow::beside_refs(branch.short()) {
            let Some(way) = beside_refs(git_dir, &name)? else { continue };
            found.extend(shadow::shadow(config, &name).map(|what| format!("{name}: {what}. {way}")));
        }
    }
    Ok(found)
}

/// Whether there is a reference of this name beside `refs/`, which git lists nowhere and lets nobody delete: gives what takes it
/// away.
fn beside_refs(git_dir: &Path, name: &str) -> Result<Option<String>, GateError> {
    if git_dir.join("reftable").is_dir() {
        let there = git::is_there(git_dir, name)?;
        return Ok(there.then(|| "Take it away: make the repository anew from a clone".to_owned()));
    }
    let file = git_dir.join(name);
    Ok(file.is_file().then(|| format!("Take it away: rm {}", files::word(&file))))
}

fn listed(names: &[&str]) -> String {
    let named = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
