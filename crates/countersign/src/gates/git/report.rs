//! `post-receive`: tells the log what came of permits. The branch has moved by then, so nothing here can fail a push;
//! what could not be told is told before the next one.

use countersign_core::statement::{Body, OutcomeReport};

use countersign_ledger::Time;

use super::{GateError, GitGate};
use crate::{
    client::ClientError,
    clock,
    gates::{
        desk::Desk,
        journal::{Event, Journal, Unreported},
    },
    speaker::SpeakError,
};

/// Follows the log and reports what came of permits, after a push.
pub fn tell(gate: &GitGate, now: Time) -> Result<usize, GateError> {
    let mut desk = gate.desk()?;
    desk.follow(now)?;
    // The journal is not kept locked over the network: another push would wait for it.
    let unreported = Journal::open(&gate.journal_path())?.unreported();
    let told = outcomes(gate, &desk, &unreported)?;
    if !told.is_empty() {
        desk.follow(clock::now())?;
        outcomes_seen(gate, &desk, told)?;
    }
    desk.close()?;
    Ok(unreported.len())
}

/// Reports outcomes that the log does not have yet, and gives those. That it has one is known by this gate's own copy: a server
/// that swallows them would have a change land again after its landing was taken back.
pub fn outcomes(gate: &GitGate, desk: &Desk, unreported: &[Unreported]) -> Result<Vec<Unreported>, GateError> {
    let told = outcomes_seen(gate, desk, unreported.to_vec())?;
    for (reservation, result, exit_status) in &told {
        let report = OutcomeReport {
            change: reservation.change.clone(),
            exit_status: *exit_status,
            permit: reservation.permit,
            result: *result,
            revision: reservation.revision,
            targets: reservation.targets.clone(),
        };
        said(desk, report)?;
    }
    Ok(told)
}

/// Writes down which of them the copy has by now, and gives the others.
fn outcomes_seen(gate: &GitGate, desk: &Desk, unreported: Vec<Unreported>) -> Result<Vec<Unreported>, GateError> {
    let mut unseen = Vec::new();
    for unreported in unreported {
        let (reservation, ..) = &unreported;
        let change = desk.change(&reservation.change)?;
        let permits = change.iter().flat_map(|change| &change.permits);
        if permits.filter(|permit| permit.statement == reservation.permit).any(|permit| permit.outcome.is_some()) {
            Journal::open(&gate.journal_path())?.write(Event::Reported { permit: reservation.permit })?;
        } else {
            unseen.push(unreported);
        }
    }
    Ok(unseen)
}

fn said(desk: &Desk, report: OutcomeReport) -> Result<(), GateError> {
    match desk.say(Body::OutcomeReport(report), &[]) {
        Ok(_) => Ok(()),
        // Two hooks at once, or one that was cut off between telling and writing down that it told.
        Err(SpeakError::Client(ClientError::Refused { code, .. })) if code == "already-reported" => Ok(()),
        Err(error) => Err(error.into()),
    }
}
