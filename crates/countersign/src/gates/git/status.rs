//! What a gate guards, what it remembers, and what it caught.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use countersign_core::{
    governance::Governance,
    ids::{GateId, Oid, RepositoryId, Target},
    state::GateRecord,
};
use countersign_ledger::{Hash, Time};
use serde::Serialize;
use tokio::runtime::Builder;

use super::{
    GateError, GitGate, hooks, remarks, shut,
    standing::{self, Standing},
    unsent::Unsent,
    versions::{self, Versions},
    watch,
};
use crate::{
    clock,
    follower::{Follower, Kept, kept_in, vouching::Outside},
    gates::{
        desk::DeskError,
        journal::{Event, Journal, JournalError, Past, Place},
        stops::{Stop, Stops},
    },
    git,
    home::files,
    unix,
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
    /// All that it does not have yet.
    pub unsent: Unsent,
    /// What moved, or would have moved, a protected branch without a permit, and what was said of it.
    pub caught: Vec<Incident>,
    /// What is missing for the gate to work at all, or to be asked.
    pub problems: Vec<String>,
    /// What runs here, and what the log asks for.
    pub versions: Versions,
    /// What could be better.
    pub notes: Vec<String>,
    /// Whether branches were found where no permit put them, and nobody has answered for it.
    pub unanswered: bool,
}

impl Status {
    /// Whether all is as it should be: nothing stands where no permit put it, the log has every outcome, and nothing keeps the
    /// gate from being asked.
    pub fn is_well(&self) -> bool {
        let stand = self.branches.iter().all(|branch| branch.expected.is_none());
        stand && !self.unanswered && self.unreported == 0 && self.problems.is_empty()
    }
}

/// Something that happened to a protected branch, or nearly.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    pub at: String,
    /// Whose process or file it was, where that is known.
    pub account: Option<String>,
    pub what: String,
}

impl Incident {
    fn of(event: &Event) -> Option<Self> {
        let incident =
            |at: &Time, account: &Option<String>, what| Some(Self { at: rfc3339(*at), account: account.clone(), what });
        match event {
            Event::Caught { detail, at, account } => incident(at, account, detail.clone()),
            Event::Moved { reference, from, to, at, account, since } => {
                let since = since.map(|since| format!("; its file is of {}", rfc3339(since))).unwrap_or_default();
                let to = Place::of(to.as_ref());
                let what = format!(
                    "{reference}: it should stand at {} and was found at {}, where no permit put it{since}",
                    from.short(),
                    to.words()
                );
                incident(at, account, what)
            }
            Event::Answered { why, at, account } => incident(at, account, format!("answered: {why}")),
            Event::Reserved { .. }
            | Event::LetThrough { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Raised { .. }
            | Event::Watched { .. }
            | Event::Drawn { .. }
            | Event::Away { .. }
            | Event::Drilled { .. }
            | Event::Copied { .. }
            | Event::Running { .. }
            | Event::Reported { .. } => None,
        }
    }
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
    /// What paths reach that no entry names.
    #[serde(rename = "else")]
    pub otherwise: Option<Target>,
    /// What is only watched.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub watch: BTreeSet<Target>,
    /// Where it should stand (where the last permit put it, or where it was when the gate came), if it stands elsewhere:
    /// then the hooks were gone round.
    pub expected: Option<String>,
    /// Whose the file is that says where it stands, and since when: of a branch that should stand elsewhere.
    pub account: Option<String>,
    pub since: Option<String>,
}

pub fn status(gate: &GitGate, now: Time) -> Result<Status, GateError> {
    let config = &gate.config;
    let proofs = kept_in(&config.copy).map_err(DeskError::from)?;
    let (journal, mut tips) = settled(gate, now)?;
    let known = Known::by(gate);
    let mut problems = problems(gate, &proofs, known.as_ref());
    problems.extend(shut::by_its_key(gate, known.as_ref().and_then(|known| known.gate.as_ref()), now)?);
    let journal = journal.unwrap_or_else(|| {
        let lost = JournalError::Lost { path: gate.journal_path() };
        problems.push(format!("{lost}: {}", lost.hint()));
        Past::default()
    });
    let seen = Follower::seen_in(&config.copy, &gate.trust).map_err(DeskError::from)?;
    let cosigned = Follower::cosigned_in(&config.copy, &gate.trust).map_err(DeskError::from)?;
    problems.extend(shut::by_cosigners(gate, known.as_ref().map(|known| &*known.governance), cosigned.as_ref(), now));
    let followed_at = Follower::followed_in(&config.copy);
    let mut landed = 0;
    let branches: Vec<BranchStatus> = config
        .branches
        .iter()
        .map(|branch| {
            let tip = tips.remove(&branch.branch);
            let (expected, (account, since)) = match standing::standing(&journal, &branch.branch, tip.as_ref()) {
                Standing::AsExpected => still_moved(&journal, &branch.branch, tip.as_ref()),
                Standing::Unknown => {
                    if !journal.is_empty() {
                        problems.push(unknown_place(gate, &branch.branch));
                    }
                    (None, (None, None))
                }
                Standing::LetThrough(way) => {
                    landed += way.len();
                    (None, (None, None))
                }
                Standing::Elsewhere { expected }
                    if standing::is_watched(gate, &branch.branch, &expected, tip.as_ref()) =>
                {
                    (None, (None, None))
                }
                Standing::Elsewhere { expected } => {
                    (Some(expected.words().to_owned()), standing::written(gate, &branch.branch))
                }
            };
            BranchStatus {
                branch: branch.branch.clone(),
                tip,
                map: branch.map.iter().map(|entry| (entry.paths.as_str().to_owned(), entry.target.clone())).collect(),
                otherwise: branch.otherwise.clone(),
                watch: branch.watch.clone(),
                expected,
                account,
                since: since.map(rfc3339),
            }
        })
        .collect();
    Ok(Status {
        name: config.name.clone(),
        repository: config.repository.clone(),
        url: config.url.clone(),
        origin: gate.trust.origin.clone(),
        branches,
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
        unreported: journal.unreported().len() + landed,
        unsent: Unsent::of(gate, &journal)?,
        caught: journal.incidents().filter_map(Incident::of).collect(),
        unanswered: journal.unanswered().next().is_some(),
        problems,
        versions: versions::of(&gate.repository, known.as_ref().map(|known| &*known.governance)),
        notes: hooks::notes(&gate.repository, config),
        proofs,
    })
}

/// Where a branch should stand that was found elsewhere, and stands there still without anybody having answered for it.
fn still_moved(journal: &Past, branch: &str, tip: Option<&Oid>) -> (Option<String>, (Option<String>, Option<Time>)) {
    let moved = journal.unanswered().filter_map(|event| {
        let Event::Moved { reference, from, to, account, since, .. } = event else { return None };
        let is_here = reference == branch && to.as_ref() == tip;
        is_here.then(|| (Some(from.short().to_owned()), (account.clone(), *since)))
    });
    moved.last().unwrap_or_default()
}

/// How often it is looked again, because a push moves a branch just now.
const MAX_LOOKS: usize = 16;

/// How long somebody who looks waits for an outcome that is on its way: nobody who pushes waits for it.
const PATIENCE_SECS: i64 = 15;
const PAUSE: Duration = Duration::from_millis(50);
/// An outcome that is older is not on its way.
const UNDER_WAY_SECS: i64 = 30;

/// The same, once the log has what came of a push that was made just now.
fn settled(gate: &GitGate, now: Time) -> Result<(Option<Past>, BTreeMap<String, Oid>), GateError> {
    let begun = clock::now();
    loop {
        let (journal, tips) = at_one_moment(gate)?;
        let is_recent = |past: &Past| past.last_at().is_some_and(|at| now.secs_since(at) < UNDER_WAY_SECS);
        let is_under_way = journal.as_ref().is_some_and(|past| !past.unreported().is_empty() && is_recent(past));
        if !is_under_way || clock::now().secs_since(begun) >= PATIENCE_SECS {
            return Ok((journal, tips));
        }
        thread::sleep(PAUSE);
    }
}

/// The journal, and where branches stood while it said that: nobody who only looks may lock it.
fn at_one_moment(gate: &GitGate) -> Result<(Option<Past>, BTreeMap<String, Oid>), GateError> {
    let names: Vec<&str> = gate.config.branches.iter().map(|branch| branch.branch.as_str()).collect();
    let mut journal = Past::read(&gate.journal_path())?;
    let mut tips = git::references(&gate.repository, &names)?;
    for _ in 0..MAX_LOOKS {
        let again = Past::read(&gate.journal_path())?;
        if again == journal {
            break;
        }
        journal = again;
        tips = git::references(&gate.repository, &names)?;
    }
    Ok((journal, tips))
}

/// What nobody has written down, of a branch that was added to `gate.yaml` by hand.
fn unknown_place(gate: &GitGate, branch: &str) -> String {
    format!(
        "nobody has written down where {branch} has to stand, so that a move of it would not show: countersign gate install {}",
        files::word(&gate.repository)
    )
}

/// Writes down that somebody has looked at what was found until now, and what it was. Where the journal is lost, another one
/// begins with that.
pub fn answer(gate: &GitGate, why: &str, now: Time) -> Result<(), GateError> {
    let account = unix::account();
    let mut journal = Journal::begin(&gate.journal_path())?;
    let mut events = Vec::new();
    if journal.is_empty() {
        let detail =
            "the journal was lost: where branches had to stand, and which permits were spent, was not known any more";
        events.push(Event::Caught { detail: detail.to_owned(), at: now, account: account.clone() });
    }
    standing::look(gate, &mut journal, now)?;
    let names: Vec<&str> = gate.config.branches.iter().map(|branch| branch.branch.as_str()).collect();
    for (reference, tip) in git::references(&gate.repository, &names)? {
        if journal.expected(&reference).is_none() {
            events.push(Event::Found { reference, tip, at: now });
        }
    }
    events.push(Event::Answered { why: why.to_owned(), at: now, account });
    Ok(journal.write_all(events)?)
}

fn problems(gate: &GitGate, proofs: &[Kept], known: Option<&Known>) -> Vec<String> {
    let mut problems: Vec<String> = hooks::problems(&gate.repository).iter().map(ToString::to_string).collect();
    let guarding = gate.config.guarding();
    match remarks::shadows(&gate.repository, &guarding) {
        Ok(shadows) if !guarding.branches.is_empty() => problems.extend(shadows),
        Ok(_) => {}
        Err(error) => problems.push(error.to_string()),
    }
    if let Err(error) = gate.key() {
        problems.push(error.to_string());
    }
    problems.extend(known.into_iter().flat_map(|known| unknown_targets(gate, &known.governance)));
    problems
        .extend(known.and_then(|known| known.gate.as_ref()).into_iter().flat_map(|record| another_mode(gate, record)));
    problems.extend(proofs.iter().map(|Kept { at, why, folder }| {
        format!(
            "a log was caught at {at}: {why}; the proof is {}, to be moved away once it is settled",
            folder.display()
        )
    }));
    problems
}

/// What `gate.yaml` reaches and nobody can propose anything for.
fn unknown_targets(gate: &GitGate, governance: &Governance) -> Vec<String> {
    let unknown = |target: &Target, error: &dyn Display| format!("{} maps paths to {target}: {error}", super::CONFIG);
    let targets = gate.config.targets();
    let failed = |target: &Target| governance.catalog.target(target).err().map(|error| unknown(target, &error));
    targets.iter().filter_map(failed).collect()
}

/// Where `gate.yaml` watches and the log has the gate enforce, or the other way round.
fn another_mode(gate: &GitGate, record: &GateRecord) -> Vec<String> {
    let word = files::word(&gate.repository);
    let mut problems = Vec::new();
    if !gate.config.watching().is_empty() && record.map != gate.config.map_digest() {
        problems.push(format!(
            "{} maps paths otherwise than the log has it, so that nothing is only watched: have two people agree: countersign \
             gate watch {word}; or enforce: countersign gate enforce {word}",
            super::CONFIG
        ));
    }
    for branch in &gate.config.branches {
        if let Some(target) = watch::differs(record, branch) {
            problems.push(format!(
                "{} only watches {target} on {}, and the log has it enforced, which counts: countersign gate enforce {word}, \
                 or have two people agree: countersign gate watch {word}",
                super::CONFIG,
                branch.short()
            ));
        }
        let watched = record.watching.get(&branch.branch).into_iter().flatten();
        if let Some(target) =
            watched.into_iter().find(|target| record.targets.contains(target) && !branch.watch.contains(target))
        {
            problems.push(format!(
                "{} enforces {target} on {}, and the log has it watched: countersign gate enforce {word}",
                super::CONFIG,
                branch.short()
            ));
        }
    }
    problems
}

/// The gate by its own copy of the log, where that can be read and knows it.
pub(super) fn registered(gate: &GitGate) -> Option<GateRecord> {
    Known::by(gate)?.gate
}

/// What the gate's copy says, as far as it can be read: whoever may not open it is told the rest.
struct Known {
    governance: Arc<Governance>,
    gate: Option<GateRecord>,
}

impl Known {
    fn by(gate: &GitGate) -> Option<Self> {
        let copy = &gate.config.copy;
        Follower::seen_in(copy, &gate.trust).ok().flatten()?;
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let follower = runtime.block_on(Follower::open(copy, &gate.trust, gate.config.access())).ok()?;
        let governance = runtime.block_on(follower.governance()).ok()?;
        let gate = runtime.block_on(follower.gate(&gate.config.name)).ok()?;
        Some(Self { governance, gate })
    }
}
