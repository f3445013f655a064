//! What a gate guards, what it remembers, and what it caught.

use std::{fmt::Display, path::PathBuf, sync::Arc};

use countersign_core::{
    governance::Governance,
    ids::{GateId, Oid, RepositoryId, Target},
};
use countersign_ledger::{Hash, Time};
use serde::Serialize;
use tokio::runtime::Builder;

use super::{
    GateError, GitGate,
    versions::{self, Versions},
};
use crate::{
    follower::{Follower, Kept, kept_in, vouching::Outside},
    gates::{
        desk::DeskError,
        journal::Past,
        stops::{Stop, Stops},
    },
    git::Repository,
    wire::rfc3339,
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
    /// When that was; who vouches for it is told as of then.
    pub followed_at: Option<String>,
    pub followed_secs_ago: Option<i64>,
    /// Who outside of the server vouched for it at the last follow.
    pub outside: Outside,
    /// What a log was caught at, the newest first.
    pub proofs: Vec<Kept>,
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
    /// What runs here, and what the log asks for.
    pub versions: Versions,
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
    let followed_at = Follower::followed_in(&config.copy);
    let proofs = kept_in(&config.copy).map_err(DeskError::from)?;
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
        outside: Outside::of(
            &gate.trust,
            cosigned.as_ref(),
            followed_at.unwrap_or(now),
            gate.trust.fresh.longest_secs(),
        ),
        followed_at: followed_at.map(rfc3339),
        followed_secs_ago: followed_at.map(|at| now.secs_since(at)),
        seen: seen.map(|seen| Seen { size: seen.checkpoint().size, root: seen.checkpoint().root }),
        handed: Stops::beside(&config.copy).all()?.iter().map(Stop::words).collect(),
        unchecked: Stops::beside(&config.copy).unchecked()?.iter().map(Stop::words).collect(),
        unreported: journal.unreported().len(),
        caught: journal.caught().map(str::to_owned).collect(),
        problems: problems(gate, &proofs),
        versions: versions::of(&gate.repository, governance(gate).as_deref()),
        proofs,
    })
}

fn problems(gate: &GitGate, proofs: &[Kept]) -> Vec<String> {
    let missing = super::install::HOOKS.iter().filter(|name| !gate.repository.join("hooks").join(name).exists());
    let mut problems: Vec<String> =
        missing.map(|name| format!("hook {name} is missing: install the gate again")).collect();
    if let Err(error) = gate.key() {
        problems.push(error.to_string());
    }
    problems.extend(unknown_targets(gate));
    problems.extend(proofs.iter().map(|Kept { at, why, folder }| {
        format!(
            "a log was caught at {at}: {why}; the proof is {}, to be moved away once it is settled",
            folder.display()
        )
    }));
    problems
}

/// What `gate.yaml` reaches and nobody can propose anything for, as far as the copy can be read.
fn unknown_targets(gate: &GitGate) -> Vec<String> {
    let unknown = |target: &Target, error: &dyn Display| format!("{} maps paths to {target}: {error}", super::CONFIG);
    let Some(governance) = governance(gate) else { return Vec::new() };
    let targets = gate.config.targets();
    let failed = |target: &Target| governance.catalog.target(target).err().map(|error| unknown(target, &error));
    targets.iter().filter_map(failed).collect()
}

/// Governance by the gate's copy. Whoever may not open it is told the rest.
fn governance(gate: &GitGate) -> Option<Arc<Governance>> {
    let copy = &gate.config.copy;
    Follower::seen_in(copy, &gate.trust).ok().flatten()?;
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let follower = runtime.block_on(Follower::open(copy, &gate.trust, gate.config.access())).ok()?;
    runtime.block_on(follower.governance()).ok()
}
