//! From watching to enforcing, which its registrar says alone, and back, which two people say.

use std::{collections::BTreeSet, path::Path};

use countersign_core::{glob::Glob, ids::Target, state::GateRecord, statement::GateRegistration};
use countersign_ledger::Digest;

use super::{
    Branch, CONFIG, FOLDER, GateConfig, GateError, GitGate, hooks,
    install::{is_registered, replace_config, setup, share},
};
use crate::home::files;

/// What of a gate is meant; nothing named means all of it.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// In full.
    pub branches: Vec<String>,
    /// Entries of the map, as they stand there.
    pub paths: Vec<Glob>,
    pub targets: Vec<Target>,
}

impl Part {
    /// The targets that are meant, by branch. What is named and is not there is an error.
    fn of(&self, config: &GateConfig, repository: &Path) -> Result<Vec<(String, BTreeSet<Target>)>, GateError> {
        let named = |branch: &&Branch| self.branches.is_empty() || self.branches.contains(&branch.branch);
        if let Some(unknown) = self.branches.iter().find(|name| config.branch(name).is_none()) {
            return Err(unknown_part(repository, format!("the gate protects no {unknown}")));
        }
        let branches: Vec<&Branch> = config.branches.iter().filter(named).collect();
        let has_paths = |paths: &&Glob| branches.iter().any(|b| b.map.iter().any(|entry| entry.paths == **paths));
        if let Some(unknown) = self.paths.iter().find(|paths| !has_paths(paths)) {
            return Err(unknown_part(repository, format!("no entry of the gate's map says `{}`", unknown.as_str())));
        }
        let reaches = |target: &&Target| branches.iter().any(|branch| branch.targets().any(|known| known == *target));
        if let Some(unknown) = self.targets.iter().find(|target| !reaches(target)) {
            return Err(unknown_part(repository, format!("nothing that the gate protects reaches {unknown}")));
        }
        let all = self.paths.is_empty() && self.targets.is_empty();
        let of = |branch: &Branch| {
            let by_path =
                branch.map.iter().filter(|entry| self.paths.contains(&entry.paths)).map(|entry| &entry.target);
            let by_name = branch.targets().filter(|target| all || self.targets.contains(target));
            (branch.branch.clone(), by_path.chain(by_name).cloned().collect())
        };
        Ok(branches.into_iter().map(of).collect())
    }
}

fn unknown_part(repository: &Path, what: String) -> GateError {
    setup("unknown-part", what, format!("see what it guards: countersign gate status {}", files::word(repository)))
}

/// The configuration of a gate that enforces, or only watches, a part of what it guards.
pub fn with(gate: &GitGate, part: &Part, watch: bool) -> Result<GateConfig, GateError> {
    let mut config = gate.config.clone();
    for (name, targets) in part.of(&gate.config, &gate.repository)? {
        if let Some(branch) = config.branches.iter_mut().find(|branch| branch.branch == name) {
            match watch {
                true => branch.watch.extend(targets),
                false => branch.watch.retain(|target| !targets.contains(target)),
            }
        }
    }
    Ok(config)
}

/// What the log is to be told of it; nothing where it knows.
pub fn registration(
    gate: &GitGate,
    config: &GateConfig,
    known: Option<&GateRecord>,
    reason: Option<Digest>,
) -> Result<Option<GateRegistration>, GateError> {
    let new = GateRegistration {
        gate: config.name.clone(),
        key: gate.key()?.public(),
        reason,
        repository: config.repository.clone(),
        targets: config.targets(),
        watching: config.watching(),
    };
    Ok((!known.is_some_and(|known| is_registered(known, &new))).then_some(new))
}

/// Writes the configuration, and the hooks for it.
pub fn put(gate: &GitGate, config: &GateConfig, program: &Path) -> Result<(), GateError> {
    let folder = gate.repository.join(FOLDER);
    let hooks = hooks::folder(&gate.repository)?;
    hooks::free(&hooks)?;
    replace_config(&folder, config)?;
    hooks::write_copies(&folder, config, program)?;
    share(&folder, &gate.repository)?;
    hooks::write(&hooks, &folder.join(CONFIG), config, program)
}
