//! What a gate guards, what it remembers, and what it caught.

use std::path::PathBuf;

use countersign_core::ids::{GateId, Oid, RepositoryId, Target};
use countersign_ledger::{Hash, Time};
use serde::Serialize;

use super::{GateError, GitGate};
use crate::{
    follower::{Follower, vouching::Outside},
    gates::{
        desk::DeskError,
        journal::Past,
        stops::{Stop, Stops},
    },
    git::Repository,
};

#[derive(Debug, Serialize)]
pub struct Status {
    pub name: GateId,
    pub repository: RepositoryId,
    pub url: String,
    pub origin: String,
    pub branches: Vec<BranchStatus>,
    /// The verified copy of the log that the gate decides by.
    pub copy: PathBuf,
    /// The log as it was last followed; `None` before the first push.
    pub seen: Option<Seen>,
    /// Who outside of the server vouches for it.
    pub outside: Outside,
    /// Stops that were handed to the gate, and that the log does not have yet.
    pub handed: Vec<String>,
    /// Stops of which the gate cannot tell yet whose they are.
    pub unchecked: Vec<String>,
    /// Outcomes that the log does not have yet.
    pub unreported: usize,
    /// What moved, or would have moved, a protected branch without a permit.
    pub caught: Vec<String>,
    /// What is missing for the gate to work at all.
    pub problems: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Seen {
    pub size: u64,
    pub root: Hash,
}

#[derive(Debug, Serialize)]
pub struct BranchStatus {
    pub branch: String,
    pub tip: Option<Oid>,
    pub map: Vec<(String, Target)>,
    /// Where it should stand (where the last permit put it, or where it was when the gate came), if it stands elsewhere:
    /// then the hooks were gone round.
    pub expected: Option<Oid>,
}

pub fn status(gate: &GitGate, now: Time) -> Result<Status, GateError> {
    let repository = Repository::open(&gate.repository)?;
    let journal = Past::read(&gate.journal_path())?;
    let config = &gate.config;
    let seen = Follower::seen_in(&config.copy, &gate.trust).map_err(DeskError::from)?;
    let cosigned = Follower::cosigned_in(&config.copy, &gate.trust).map_err(DeskError::from)?;
    let branches = config.branches.iter().map(|branch| {
        let tip = repository.resolve(&branch.branch).ok();
        let landed = journal.expected_tip(&branch.branch);
        BranchStatus {
            branch: branch.branch.clone(),
            expected: landed.filter(|landed| tip.as_ref() != Some(landed)),
            tip,
            map: branch.map.iter().map(|entry| (entry.paths.as_str().to_owned(), entry.target.clone())).collect(),
        }
    });
    Ok(Status {
        name: config.name.clone(),
        repository: config.repository.clone(),
        url: config.url.clone(),
        origin: gate.trust.origin.clone(),
        branches: branches.collect(),
        copy: config.copy.clone(),
        outside: Outside::of(&gate.trust, cosigned.as_ref(), now, gate.trust.fresh.longest_secs()),
        seen: seen.map(|seen| Seen { size: seen.checkpoint().size, root: seen.checkpoint().root }),
        handed: Stops::beside(&config.copy).all()?.iter().map(Stop::words).collect(),
        unchecked: Stops::beside(&config.copy).unchecked()?.iter().map(Stop::words).collect(),
        unreported: journal.unreported().len(),
        caught: journal.caught().map(str::to_owned).collect(),
        problems: problems(gate),
    })
}

fn problems(gate: &GitGate) -> Vec<String> {
    let missing = super::install::HOOKS.iter().filter(|name| !gate.repository.join("hooks").join(name).exists());
    let mut problems: Vec<String> =
        missing.map(|name| format!("hook {name} is missing: install the gate again")).collect();
    if let Err(error) = gate.key() {
        problems.push(error.to_string());
    }
    problems
}
