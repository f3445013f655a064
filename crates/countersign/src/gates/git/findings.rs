//! What this gate tells the log that it found: a branch where no permit put it, and that it is set up to watch what the log has it
//! enforce.
//!
//! Raised at whatever contact comes next, once for each incident: the journal remembers that the log has it. What cannot be told
//! now is told at the contact after that, and keeps nobody from pushing.

use std::collections::BTreeSet;

use countersign_core::{
    facts::{delta, git::GitRead as _},
    governance::Governance,
    ids::{ActorId, Oid, Target},
    state::GateRecord,
    statement::{Body, Finding, MAX_LIST, MAX_TARGETS, Matter},
    text::Reason,
};
use countersign_ledger::Time;

use super::{Branch, FOLDER, GateError, GitGate, examine};
use crate::{
    client::ClientError,
    gates::{
        desk::Desk,
        journal::{Event, Journal, Past},
    },
    git::Repository,
    random,
    speaker::SpeakError,
};

/// How long somebody has to answer for it.
const ANSWER_WITHIN_SECS: i64 = 24 * 60 * 60;
/// Told at one contact: whoever pushes waits for it.
const MAX_AT_ONCE: usize = 4;
/// The log has it already, or this gate has so much there that nobody reads more.
const IS_THERE: [&str; 2] = ["already-found", "too-many-findings"];

/// Raises what the log does not have yet. The desk has followed the log just now.
pub(super) fn raise(gate: &GitGate, desk: &Desk, now: Time) -> Result<(), GateError> {
    let Some(record) = desk.registered()? else { return Ok(()) };
    let governance = desk.governance()?;
    let incidents = Past::read(&gate.journal_path())?.map(|past| past.untold()).unwrap_or_default();
    for incident in incidents.into_iter().take(MAX_AT_ONCE) {
        let Event::Moved { reference, from, to, account, .. } = &incident else { continue };
        let what = Matter::BranchMoved {
            branch: reference.clone(),
            from: from.clone(),
            gate: gate.config.name.clone(),
            targets: reached(gate, &record, reference, from, to.as_ref()),
            to: to.clone(),
        };
        if is_told(desk, &governance, &record, what, account.as_deref(), now)? {
            let (reference, from, to) = (reference.clone(), from.clone(), to.clone());
            Journal::open(&gate.journal_path())?.write(Event::Raised { reference, from, to, at: now })?;
        }
    }
    for branch in &gate.config.branches {
        let enforced = |target: &&Target| record.targets.contains(*target) && !record.watches(&branch.branch, target);
        let targets: BTreeSet<Target> = branch.watch.iter().filter(enforced).cloned().collect();
        if !targets.is_empty() {
            let (gate, branch) = (gate.config.name.clone(), branch.branch.clone());
            is_told(desk, &governance, &record, Matter::GateMode { branch, gate, targets }, None, now)?;
        }
    }
    Ok(())
}

/// What of the targets that this gate guards is reached by the move; all of the branch's where that cannot be told.
fn reached(gate: &GitGate, record: &GateRecord, branch: &str, from: &Oid, to: Option<&Oid>) -> BTreeSet<Target> {
    let Some(branch) = gate.config.branch(branch) else {
        return record.targets.iter().take(MAX_TARGETS).cloned().collect();
    };
    let by_paths = || -> Result<BTreeSet<Target>, GateError> {
        let Some(to) = to else { return Ok(BTreeSet::new()) };
        let repository = Repository::in_hook(&gate.repository, to, &gate.repository.join(FOLDER))?;
        let paths = delta::touched(&repository.diff(from, to)?);
        let mut targets = branch.reached(paths.iter().map(examine::place)).targets;
        targets.extend(examine::led(&repository, branch, to, &paths)?);
        Ok(targets)
    };
    let guarded = |targets: BTreeSet<Target>| -> BTreeSet<Target> {
        targets.into_iter().filter(|target| record.targets.contains(target)).take(MAX_TARGETS).collect()
    };
    match by_paths().map(guarded) {
        Ok(reached) if !reached.is_empty() => reached,
        Ok(_) | Err(_) => guarded(all(branch)),
    }
}

fn all(branch: &Branch) -> BTreeSet<Target> {
    branch.map.iter().map(|entry| entry.target.clone()).chain(branch.otherwise.clone()).collect()
}

/// Whether the log has it, which it may have taken now.
fn is_told(
    desk: &Desk,
    governance: &Governance,
    record: &GateRecord,
    what: Matter,
    account: Option<&str>,
    now: Time,
) -> Result<bool, GateError> {
    if record.findings.iter().any(|open| open.matter == what.same()) {
        return Ok(true);
    }
    let targets = match &what {
        Matter::BranchMoved { targets, .. } | Matter::GateMode { targets, .. } => targets,
        Matter::AfterReview { .. }
        | Matter::ApprovesEachOther { .. }
        | Matter::CalendarStale { .. }
        | Matter::CarriesAThird { .. }
        | Matter::KeysRecovered { .. }
        | Matter::GlassBroken { .. }
        | Matter::LandedAlone { .. }
        | Matter::DrillOverdue { .. }
        | Matter::NobodyCan { .. }
        | Matter::RuleSwitched { .. }
        | Matter::RevocationUnconfirmed { .. } => return Ok(true),
    };
    let who = answering(governance, record, targets);
    // Names are no part of a leaf.
    let text = account.map(|account| format!("the file that says so is account {account}'s"));
    let text = text.map(|why| Reason { salt: random::nonce(), why }.to_blob()).transpose()?;
    let named = text.as_ref().map(countersign_ledger::Digest::of);
    let finding = Finding { apart: BTreeSet::new(), due: now.plus_secs(ANSWER_WITHIN_SECS), text: named, what, who };
    let blobs: Vec<Vec<u8>> = text.into_iter().collect();
    match desk.say(Body::Finding(finding), &blobs) {
        Ok(_) => Ok(true),
        Err(SpeakError::Client(ClientError::Refused { code, .. })) if IS_THERE.contains(&code.as_str()) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whoever owns what was reached, and whoever registered the gate; if none of them is there any more, the policy group.
fn answering(governance: &Governance, record: &GateRecord, targets: &BTreeSet<Target>) -> BTreeSet<ActorId> {
    // Of a gate that no owner registered, only who did answers.
    let is_owners = targets.iter().all(|target| governance.catalog.owns(&record.registered_by, &target.system));
    let owners = targets.iter().filter(|_| is_owners).flat_map(|target| governance.catalog.owners(&target.system));
    let named = std::iter::once(&record.registered_by).chain(owners);
    let known = |person: &&ActorId| governance.person(person).is_some();
    let who: BTreeSet<ActorId> = named.filter(known).take(MAX_LIST).cloned().collect();
    if who.is_empty() {
        return governance.policy_group().into_iter().take(MAX_LIST).cloned().collect();
    }
    who
}
