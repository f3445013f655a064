//! What a journal keeps when it is made short, so that a push costs the same after ten thousand others.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{glass::GLASS_SECS, ids::Oid, statement::OutcomeResult, subject::Transition};
use countersign_ledger::{Digest, Time};

use super::{Event, Reservation, is_incident};

/// How long after its lease a permit is remembered that was not used, should the machine's clock go back.
const REMEMBERED_SECS: i64 = 15 * 60;
/// Incidents that stay in the journal; older ones are in the files beside it.
const MAX_INCIDENTS: usize = 100;

/// What a journal has to remember: where branches stand, permits whose time is not long over, and what is not reported yet.
pub(super) fn kept(events: &[Event]) -> Vec<Event> {
    let now = events.iter().filter_map(time_of).max().unwrap_or(Time::from_unix_millis(0));
    let mut tips: BTreeMap<&str, (Option<&Oid>, Time)> = BTreeMap::new();
    let mut reservations: BTreeMap<Digest, &Reservation> = BTreeMap::new();
    let (mut reported, mut settled, mut let_through) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in events {
        match event {
            Event::Reserved { reservation, .. } => {
                reservations.insert(reservation.permit, reservation);
            }
            Event::LetThrough { permit, .. } => {
                let_through.insert(*permit);
            }
            Event::Settled { permit, result, at, .. } => {
                settled.insert(*permit);
                if let (OutcomeResult::Applied, Some(Transition::Git(moved))) =
                    (result, reservations.get(permit).map(|reservation| &reservation.transition))
                {
                    tips.insert(&moved.reference, (Some(&moved.new), *at));
                }
            }
            Event::Found { reference, tip, at } => {
                tips.insert(reference, (Some(tip), *at));
            }
            Event::Moved { reference, to, at, .. } | Event::Watched { reference, to, at, .. } => {
                tips.insert(reference, (to.as_ref(), *at));
            }
            Event::Reported { permit } => {
                reported.insert(*permit);
            }
            Event::Copied { .. }
            | Event::Running { .. }
            | Event::Caught { .. }
            | Event::Raised { .. }
            | Event::Drawn { .. }
            | Event::Answered { .. } => {}
        }
    }
    // Of moves that were let through one after the other, the branch may be at the end of all.
    let mut reached: BTreeSet<(&str, &Oid)> = tips.iter().filter_map(|(at, (tip, _))| Some((*at, (*tip)?))).collect();
    let steps = || {
        let through = reservations.values().filter(|reservation| let_through.contains(&reservation.permit));
        through.filter_map(|reservation| match &reservation.transition {
            Transition::Git(moved) => Some(moved),
            Transition::Apply(_) => None,
        })
    };
    for _ in steps() {
        let next: Vec<_> = steps().filter(|moved| reached.contains(&(moved.reference.as_str(), &moved.old))).collect();
        reached.extend(next.into_iter().map(|moved| (moved.reference.as_str(), &moved.new)));
    }
    let is_needed = |permit: &Digest| {
        let reservation = reservations.get(permit);
        let recent = reservation.is_some_and(|r| r.expires_at.plus_secs(REMEMBERED_SECS) >= now);
        // It may be what moves a branch that has not been looked at since.
        let may_have_moved = let_through.contains(permit)
            && reservation.is_some_and(|reservation| match &reservation.transition {
                Transition::Git(moved) => reached.contains(&(moved.reference.as_str(), &moved.old)),
                Transition::Apply(_) => false,
            });
        // What the log is known to have, the gate's copy of it says.
        !reported.contains(permit) && (recent || settled.contains(permit) || may_have_moved)
    };
    let answered = events.iter().rposition(|event| matches!(event, Event::Answered { .. }));
    let is_unanswered = |n: usize| answered.is_none_or(|at| n > at);
    let mut skipped = events.iter().filter(|event| is_incident(event)).count().saturating_sub(MAX_INCIDENTS);
    let mut older = events.iter().filter(|event| matches!(event, Event::Raised { .. })).count();
    let tips = tips.iter().map(|(reference, (tip, at))| match ((*reference).to_owned(), tip.cloned()) {
        (reference, Some(tip)) => Event::Found { reference, tip, at: *at },
        (reference, None) => Event::Watched { reference, to: None, at: *at, account: None },
    });
    let rest = events.iter().enumerate().filter(|(n, event)| match event {
        Event::Reserved { reservation, .. } => is_needed(&reservation.permit),
        Event::LetThrough { permit, .. }
        | Event::Settled { permit, .. }
        | Event::Copied { permit, .. }
        | Event::Running { permit, .. }
        | Event::Reported { permit } => is_needed(permit),
        Event::Found { .. } | Event::Watched { .. } => false,
        Event::Drawn { at, .. } => at.plus_secs(GLASS_SECS + REMEMBERED_SECS) >= now,
        Event::Raised { .. } => {
            older -= 1;
            older < MAX_INCIDENTS
        }
        // However many attempts come after it.
        Event::Moved { .. } if is_unanswered(*n) => true,
        Event::Caught { .. } | Event::Moved { .. } | Event::Answered { .. } if skipped > 0 => {
            skipped -= 1;
            false
        }
        Event::Caught { .. } | Event::Moved { .. } | Event::Answered { .. } => true,
    });
    // The branches' places come last: they are what is newest.
    rest.map(|(_, event)| event.clone()).chain(tips).collect()
}

pub(super) fn time_of(event: &Event) -> Option<Time> {
    match event {
        Event::Reserved { at, .. }
        | Event::LetThrough { at, .. }
        | Event::Settled { at, .. }
        | Event::Found { at, .. }
        | Event::Copied { at, .. }
        | Event::Running { at, .. }
        | Event::Caught { at, .. }
        | Event::Moved { at, .. }
        | Event::Raised { at, .. }
        | Event::Watched { at, .. }
        | Event::Drawn { at, .. }
        | Event::Answered { at, .. } => Some(*at),
        Event::Reported { .. } => None,
    }
}
