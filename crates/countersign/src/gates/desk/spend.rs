//! What every gate writes down around what it lets happen: reserved before, settled when it has happened, reported when the
//! log has it.
//!
//! Invariant: by this machine's own journal a permit opens once and a change happens once, whatever the log says of them.

use std::path::Path;

use countersign_core::{
    ids::ChangeId,
    refusal::Refusal,
    statement::{Body, OutcomeReport, OutcomeResult},
    subject::Transition,
};
use countersign_ledger::{Digest, Time};

use super::{Desk, DeskError, Opening};
use crate::{
    client::ClientError,
    gates::journal::{Event, Journal, JournalError, Past, Reservation, Unreported},
    speaker::SpeakError,
    unix::Process,
};

/// Refuses a permit that this gate has used before, whatever became of its change since.
pub fn unspent(past: &Past, permit: &Digest) -> Result<(), Refusal> {
    if !past.is_spent(permit) {
        return Ok(());
    }
    Err(Refusal::forbidden("permit-spent", format!("permit {permit} was used before; a permit opens a gate once"))
        .hint("try again without it, so that a new one is asked for"))
}

/// Writes down what may happen now, all of it or nothing, and waits until it is on disk. What is reserved already stays so.
/// Where it is for one process alone, `by` is that one.
pub fn reserve(
    journal: &mut Journal,
    openings: &[Opening],
    transition: &Transition,
    by: Option<&Process>,
    now: Time,
) -> Result<Vec<Reservation>, DeskError> {
    for opening in openings {
        unspent(journal, &opening.permit().statement)?;
        if journal.has_landed(&opening.change().id) {
            return Err(happened(&opening.change().id).into());
        }
    }
    let reservations: Vec<Reservation> = openings.iter().map(|opening| reservation(opening, transition)).collect();
    let known = match by {
        Some(process) => journal.reserved_for(transition, process, now),
        None => journal.reserved(transition, now),
    };
    let new = reservations.iter().filter(|reservation| !known.contains(reservation));
    let reserved =
        |reservation: &Reservation| Event::Reserved { reservation: reservation.clone(), at: now, by: by.cloned() };
    let events: Vec<Event> = new.map(reserved).collect();
    if !events.is_empty() {
        journal.write_all(events)?;
    }
    Ok(reservations)
}

fn reservation(opening: &Opening, transition: &Transition) -> Reservation {
    let permit = opening.permit();
    Reservation {
        permit: permit.statement,
        change: opening.change().id.clone(),
        revision: permit.revision,
        targets: opening.change().targets.clone(),
        transition: transition.clone(),
        expires_at: permit.expires_at,
    }
}

fn happened(change: &ChangeId) -> Refusal {
    let short = change.short();
    let message = format!("change {short} was put into production here before, which the log does not show yet");
    Refusal::forbidden("already-landed", message).hint(
        "a change lands once: to bring it again, propose it anew; and tell whoever runs the server that what this gate \
         reported is not in the log",
    )
}

/// Writes down what came of a permit, and waits until it is on disk. From then on it is spent.
pub fn settle(
    journal: &mut Journal,
    permit: Digest,
    result: OutcomeResult,
    exit_status: Option<i32>,
    now: Time,
) -> Result<(), JournalError> {
    journal.write(Event::Settled { permit, result, exit_status, at: now })
}

/// Reports outcomes that the log does not have yet, and gives those. That it has one is known by this gate's own copy: a server
/// that swallows them would have a change land again after its landing was taken back.
pub fn report(journal: &Path, desk: &Desk, unreported: Vec<Unreported>) -> Result<Vec<Unreported>, DeskError> {
    let told = unseen(journal, desk, unreported)?;
    for (reservation, result, exit_status) in &told {
        let report = OutcomeReport {
            change: reservation.change.clone(),
            exit_status: *exit_status,
            permit: reservation.permit,
            result: *result,
            revision: reservation.revision,
            targets: reservation.targets.clone(),
        };
        match desk.say(Body::OutcomeReport(report), &[]) {
            Ok(_) => {}
            // Two processes at once, or one that was cut off between telling and writing down that it told.
            Err(SpeakError::Client(ClientError::Refused { code, .. })) if code == "already-reported" => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(told)
}

/// Writes down which of them the copy has by now, and gives the others. The journal is not kept locked over the network: another
/// process would wait for it.
pub fn unseen(journal: &Path, desk: &Desk, unreported: Vec<Unreported>) -> Result<Vec<Unreported>, DeskError> {
    let mut unseen = Vec::new();
    for unreported in unreported {
        let (reservation, ..) = &unreported;
        let change = desk.change(&reservation.change)?;
        let permits = change.iter().flat_map(|change| &change.permits);
        if permits.filter(|permit| permit.statement == reservation.permit).any(|permit| permit.outcome.is_some()) {
            Journal::open(journal)?.write(Event::Reported { permit: reservation.permit })?;
        } else {
            unseen.push(unreported);
        }
    }
    Ok(unseen)
}
