//! A push that this gate decides alone, because it cannot reach the log: what was approved before, as far as its copy tells.
//!
//! ```text
//!  the latest moment that is known ─> the copy, or a bundle that was carried here, is young enough for the tier
//!      ─> the rules, here, with the stops that were handed over
//!      ─> signed and kept ─> reserved in the journal, which is synced ─> opened ─> told when the log is back
//! ```

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    ids::{ChangeId, Target},
    permit::span,
    subject::{GitTransition, Transition},
};
use countersign_ledger::{Digest, Time};

use super::{
    FOLDER, GateError, GitGate,
    carried::{self, Brings},
    examine::Push,
    judge::Judge,
    outage::NotTaken,
    pusher,
    receive::begins_at_the_tip,
    refused::Refused,
    shut,
};
use crate::{
    bundle::Bundle,
    client::ClientError,
    clock::Clock,
    follower::{FollowError, source::SourceError},
    gates::{
        alone::{Kept, is_over, says},
        desk::{Carried, Desk, DeskError, Opening, spend},
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
pub(super) fn latest(gate: &GitGate, desk: &Desk, now: Time) -> Result<Time, GateError> {
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
    if let Some(said) = shut::handed(gate, &desk.key())? {
        return Err(Refused::new("key-revoked", said).into());
    }
    if let Some(who) = pusher::of(push, desk)? {
        desk.applied_by(who);
    }
    let under_way = gate.journal()?.under_way(latest);
    desk.has_under_way(under_way);
    let carried = carried::bringing(gate, desk, (&push.branch.branch, &push.delta()?), latest)?;
    let moment = || latest;
    let judge = Judge { push, desk, transition, clock: &moment, brought: &carried.brought };
    let opened = open(&judge, &targets, &carried, latest)?;
    let mut journal = gate.journal()?;
    begins_at_the_tip(gate, &push.branch.branch, &push.old)?;
    // A stop may have been handed over since.
    for Opened { opening, bundle, .. } in &opened {
        let still = match bundle {
            None => judge.desk.still_opens_alone(opening.change(), latest),
            Some(bundle) => judge.desk.carried(bundle, latest).and_then(|it| judge.desk.judge_carried(&it, latest)),
        };
        still.map_err(|error| judge.refused(opening.change(), error))?;
    }
    let known: Vec<i64> = opened.iter().filter(|it| it.bundle.is_none()).map(|it| it.age).collect();
    let vouched: Vec<i64> = opened.iter().filter(|it| it.bundle.is_some()).map(|it| it.age).collect();
    let (openings, parts): (Vec<Opening>, Vec<Part>) = opened.into_iter().map(|it| (it.opening, it.part)).unzip();
    let kept = kept(gate);
    for part in &parts {
        kept.keep(part).map_err(|refusal| Refused::of(&refusal))?;
    }
    let leaves = Some(judge.desk.leaves()?);
    let reserved =
        spend::reserve(&mut journal, &[(openings.as_slice(), transition)], Some(&gate.caller), leaves, clock())?;
    let by = match (known.iter().max(), vouched.iter().max()) {
        (Some(age), None) => format!("what this gate knew {} ago", span(*age)),
        (None, Some(age)) => format!("a bundle that followers vouched for {} ago", span(*age)),
        (known, vouched) => {
            let age = known.into_iter().chain(vouched).copied().max().unwrap_or_default();
            format!("what this gate knew, and bundles that followers vouched for, {} ago", span(age))
        }
    };
    eprintln!("countersign: the log is away; decided alone, by {by}. The log is told when it is back");
    Ok(reserved)
}

/// What this gate opened alone, and how old what it knew is, in seconds.
struct Opened<'a> {
    opening: Opening,
    part: Part,
    age: i64,
    /// By which bundle, where one was carried here.
    bundle: Option<&'a Bundle>,
}

/// Of several changes with this content the oldest that may go suffices. Of what a bundle tells the copy is not asked, which may be
/// older.
fn open<'a>(
    judge: &Judge<'_>,
    targets: &BTreeSet<Target>,
    carried: &'a carried::Found,
    latest: Time,
) -> Result<Vec<Opened<'a>>, GateError> {
    let mut search = Search { missing: targets.clone(), opened: Vec::new(), why_not: None };
    for Brings { bundle, carried } in &carried.brings {
        if let Ok(carried) = carried
            && carried.change.standing_rejections().next().is_some()
        {
            judge.desk.judge_carried(carried, latest).map_err(|error| judge.refused(&carried.change, error))?;
        }
        match carried {
            Ok(carried) if search.wants(&carried.change) => {
                search.add(by_bundle(judge, targets, bundle, carried, latest));
            }
            Ok(_) => {}
            // What stops this content does so whatever else brings it.
            Err(refused) => return Err(refused.clone().into()),
        }
    }
    // What a bundle tells against this content counts for whatever else brings it.
    // What reaches nothing needs a change all the same: its history would come without anybody's word.
    if (!search.missing.is_empty() || search.opened.is_empty()) && search.why_not.is_none() {
        match by_copy(judge, targets, &carried.told, latest) {
            Ok((age, changes)) => {
                for change in changes {
                    if search.wants(&change) {
                        search.add(one(judge, &change, age, latest));
                    }
                }
            }
            // What it is about only a bundle may tell, which does not suffice.
            Err(error) => search.add(Err(carried.unknown.clone().map_or(error, GateError::from))),
        }
    }
    let Search { missing, opened, why_not } = search;
    if opened.is_empty() {
        let nothing = || Refused::new("no-change", "nothing that is approved brings what is pushed").into();
        return Err(why_not.unwrap_or_else(nothing));
    }
    match why_not.filter(|_| !missing.is_empty()) {
        Some(error) => Err(error),
        None => {
            let openings: Vec<Opening> = opened.iter().map(|it| it.opening.clone()).collect();
            judge.covers(&openings, targets).map(|()| opened)
        }
    }
}

/// What was found so far.
struct Search<'a> {
    missing: BTreeSet<Target>,
    opened: Vec<Opened<'a>>,
    why_not: Option<GateError>,
}

impl<'a> Search<'a> {
    fn wants(&self, change: &Change) -> bool {
        !change.targets.is_disjoint(&self.missing)
    }

    fn add(&mut self, found: Result<Opened<'a>, GateError>) {
        match found {
            Ok(found) => {
                self.missing.retain(|target| !found.opening.change().targets.contains(target));
                self.opened.push(found);
            }
            Err(error) => {
                self.why_not.get_or_insert(error);
            }
        }
    }
}

/// The changes that the copy has with this content and no bundle tells of, where it is young enough. Gives its age.
fn by_copy(
    judge: &Judge<'_>,
    targets: &BTreeSet<Target>,
    told: &BTreeSet<ChangeId>,
    latest: Time,
) -> Result<(i64, Vec<Change>), GateError> {
    let age = judge.desk.may_decide_alone(targets, latest).map_err(refused)?;
    let mut changes = judge.find()?.changes;
    changes.retain(|change| !told.contains(&change.id));
    Ok((age, changes))
}

fn one<'a>(judge: &Judge<'_>, change: &Change, age: i64, latest: Time) -> Result<Opened<'a>, GateError> {
    let opened = judge.desk.open_alone(change, judge.transition, latest);
    let (opening, part) = opened.map_err(|error| judge.refused(change, error))?;
    judge.lands(opening.change())?;
    judge.push.guidance(&opening.change().observed)?;
    Ok(Opened { opening, part, age, bundle: None })
}

fn by_bundle<'a>(
    judge: &Judge<'_>,
    targets: &BTreeSet<Target>,
    bundle: &'a Bundle,
    carried: &Carried,
    latest: Time,
) -> Result<Opened<'a>, GateError> {
    let told = |error| judge.refused(&carried.change, error);
    let age = judge.desk.may_decide_by(carried, targets, latest).map_err(told)?;
    let (opening, part) = judge.desk.open_carried(carried, judge.transition, latest).map_err(told)?;
    judge.lands(opening.change())?;
    judge.push.guidance(&opening.change().observed)?;
    Ok(Opened { opening, part, age, bundle: Some(bundle) })
}

pub(super) fn refused(error: DeskError) -> GateError {
    match error {
        DeskError::Refused(refusal) => Refused::of(&refusal).into(),
        other => other.into(),
    }
}

/// Tells the log what this gate decided alone and acted on. What it does not take is found as a move that no permit allowed.
pub(super) fn hand_on(gate: &GitGate, desk: &Desk, now: Time) -> Result<Vec<NotTaken>, GateError> {
    let kept = kept(gate);
    let unreported = gate.journal()?.unreported();
    let acted: BTreeSet<Digest> = unreported.iter().map(|(reservation, ..)| reservation.permit).collect();
    let (_, epoch) = desk.in_front_of()?;
    let mut not_taken = Vec::new();
    for (part, why) in desk.hand_on_alone(&kept, &acted)? {
        let permit = part.signed.payload();
        let why = match part.signed.statement().header.epoch == epoch {
            true => why,
            false => "it is of an epoch before the log was restored, and nothing that grants crosses that".to_owned(),
        };
        if let Some(said) = says(&part) {
            not_taken.push(NotTaken::told(said.change.clone(), "what this gate decided alone", why, false));
        }
        lost(gate, permit, now)?;
        kept.forget(&part).map_err(|refusal| Refused::of(&refusal))?;
    }
    for part in kept.all().map_err(|refusal| Refused::of(&refusal))? {
        if !acted.contains(&part.signed.payload()) && is_over(&part, now) {
            kept.forget(&part).map_err(|refusal| Refused::of(&refusal))?;
        }
    }
    Ok(not_taken)
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
