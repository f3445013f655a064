//! A push that this gate decides alone, because it cannot reach the log: what was approved before, as far as its copy tells.
//!
//! ```text
//!  the latest moment that is known ─> the copy is young enough for the tier ─> the rules, here, with the stops that were handed over
//!      ─> signed and kept ─> reserved in the journal, which is synced ─> opened ─> told when the log is back
//! ```

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    ids::Target,
    permit::span,
    subject::{GitTransition, Transition},
};
use countersign_ledger::{Digest, Time};

use super::{
    FOLDER, GateError, GitGate, examine::Push, judge::Judge, outage::Brought, pusher, receive::begins_at_the_tip,
    refused::Refused, shut,
};
use crate::{
    client::ClientError,
    clock::Clock,
    follower::{FollowError, source::SourceError},
    gates::{
        alone::{Kept, is_over},
        desk::{Desk, DeskError, Opening, spend},
        glass::Part,
        journal::{Event, Reservation},
    },
};

/// How far apart the moments are that the journal remembers.
const REMEMBERED_EVERY_SECS: i64 = 60;

pub fn kept(gate: &GitGate) -> Kept {
    Kept::of(&gate.repository.join(FOLDER))
}

/// Whether the log cannot be reached. One that answers with something else than an honest log would, or contradicts itself, is there.
pub(super) fn is_away(error: &DeskError) -> bool {
    let client = match error {
        DeskError::Follow(FollowError::Source(SourceError::Client(client))) | DeskError::Client(client) => client,
        _ => return false,
    };
    matches!(client, ClientError::Unreachable { .. })
}

/// The latest moment that this gate knows of. The journal remembers it, so that a clock which is set back makes nothing younger.
fn latest(gate: &GitGate, desk: &Desk, now: Time) -> Result<Time, GateError> {
    let mut journal = gate.journal()?;
    let latest = desk.latest(journal.last_at().map_or(now, |last| last.max(now)))?;
    if journal.last_at().is_none_or(|last| latest.secs_since(last) >= REMEMBERED_EVERY_SECS) {
        journal.write(Event::Away { at: latest })?;
    }
    Ok(latest)
}

/// Lets a push through that this gate may decide about alone.
pub(super) fn judge(
    push: &Push<'_>,
    transition: &Transition,
    desk: &mut Desk,
    clock: Clock<'_>,
) -> Result<Vec<Reservation>, GateError> {
    let gate = push.gate;
    let latest = latest(gate, desk, clock())?;
    let targets = push.targets()?;
    let age = desk.may_decide_alone(&targets, latest).map_err(refused)?;
    if let Some(said) = shut::handed(gate, &desk.key())? {
        return Err(Refused::new("key-revoked", said).into());
    }
    if let Some(who) = pusher::of(push, desk)? {
        desk.applied_by(who);
    }
    let under_way = gate.journal()?.under_way(latest);
    desk.has_under_way(under_way);
    let moment = || latest;
    let judge = Judge { push, desk, transition, clock: &moment, brought: &Brought::new() };
    let (openings, parts) = open(&judge, &targets, latest)?;
    let mut journal = gate.journal()?;
    begins_at_the_tip(gate, &push.branch.branch, &push.old)?;
    // A stop may have been handed over since.
    for opening in &openings {
        let still = judge.desk.still_opens_alone(opening.change(), latest);
        still.map_err(|error| judge.refused(opening.change(), error))?;
    }
    let kept = kept(gate);
    for part in &parts {
        kept.keep(part).map_err(|refusal| Refused::of(&refusal))?;
    }
    let leaves = Some(judge.desk.leaves()?);
    let reserved =
        spend::reserve(&mut journal, &[(openings.as_slice(), transition)], Some(&gate.caller), leaves, clock())?;
    eprintln!(
        "countersign: the log is away; decided alone, by what this gate knew {} ago. The log is told when it is back",
        span(age)
    );
    Ok(reserved)
}

/// Of several changes with this content the oldest that may go suffices.
fn open(judge: &Judge<'_>, targets: &BTreeSet<Target>, latest: Time) -> Result<(Vec<Opening>, Vec<Part>), GateError> {
    let found = judge.find()?;
    let mut missing = targets.clone();
    let (mut openings, mut parts, mut why_not) = (Vec::new(), Vec::new(), None);
    for change in &found.changes {
        if change.targets.is_disjoint(&missing) {
            continue;
        }
        match one(judge, change, latest) {
            Ok((opening, part)) => {
                missing.retain(|target| !opening.change().targets.contains(target));
                openings.push(opening);
                parts.push(part);
            }
            Err(error) => why_not = why_not.or(Some(error)),
        }
    }
    match why_not.filter(|_| !missing.is_empty()) {
        Some(error) => Err(error),
        None => judge.covers(&openings, targets).map(|()| (openings, parts)),
    }
}

fn one(judge: &Judge<'_>, change: &Change, latest: Time) -> Result<(Opening, Part), GateError> {
    let opened = judge.desk.open_alone(change, judge.transition, latest);
    let (opening, part) = opened.map_err(|error| judge.refused(change, error))?;
    judge.lands(opening.change())?;
    judge.push.guidance(&opening.change().observed)?;
    Ok((opening, part))
}

fn refused(error: DeskError) -> GateError {
    match error {
        DeskError::Refused(refusal) => Refused::of(&refusal).into(),
        other => other.into(),
    }
}

/// Tells the log what this gate decided alone and acted on. What it does not take is found as a move that no permit allowed.
pub(super) fn hand_on(gate: &GitGate, desk: &Desk, now: Time) -> Result<(), GateError> {
    let kept = kept(gate);
    let unreported = gate.journal()?.unreported();
    let acted: BTreeSet<Digest> = unreported.iter().map(|(reservation, ..)| reservation.permit).collect();
    for (part, why) in desk.hand_on_alone(&kept, &acted)? {
        let permit = part.signed.payload();
        eprintln!("countersign: the log does not take what this gate decided alone: {why}");
        lost(gate, permit, now)?;
        kept.forget(&part).map_err(|refusal| Refused::of(&refusal))?;
    }
    for part in kept.all().map_err(|refusal| Refused::of(&refusal))? {
        if !acted.contains(&part.signed.payload()) && is_over(&part, now) {
            kept.forget(&part).map_err(|refusal| Refused::of(&refusal))?;
        }
    }
    Ok(())
}

/// What the log will never have a permit of: the branch was moved by none.
pub(super) fn lost(gate: &GitGate, permit: Digest, now: Time) -> Result<(), GateError> {
    let mut journal = gate.journal()?;
    let landed = journal.unreported().into_iter().find(|(reservation, ..)| reservation.permit == permit);
    if let Some((Reservation { transition: Transition::Git(moved), .. }, ..)) = landed {
        let GitTransition { reference, old, new, .. } = moved;
        let moved = Event::Moved { reference, from: old, to: Some(new), at: now, account: None, since: None };
        journal.write_all(vec![Event::Reported { permit }, moved])?;
    }
    Ok(())
}
