//! `post-receive`: tells the log what came of permits. The branch has moved by then, so nothing here can fail a push;
//! what could not be told is told before the next one.

use countersign_core::statement::{Body, OutcomeReport};

use countersign_ledger::Time;

use super::{GateError, GitGate};
use crate::{
    client::ClientError,
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
    outcomes(gate, &desk, &unreported)?;
    desk.close()?;
    Ok(unreported.len())
}

/// Reports outcomes that the log does not have yet.
pub fn outcomes(gate: &GitGate, desk: &Desk, unreported: &[Unreported]) -> Result<(), GateError> {
    for (reservation, result, exit_status) in unreported {
        let report = OutcomeReport {
            change: reservation.change.clone(),
            exit_status: *exit_status,
            permit: reservation.permit,
            result: *result,
            revision: reservation.revision,
            targets: reservation.targets.clone(),
        };
        said(desk, report)?;
        Journal::open(&gate.journal_path())?.write(Event::Reported { permit: reservation.permit })?;
    }
    Ok(())
}

fn said(desk: &Desk, report: OutcomeReport) -> Result<(), GateError> {
    match desk.say(Body::OutcomeReport(report), &[]) {
        Ok(_) => Ok(()),
        // Two hooks at once, or one that was cut off between telling and writing down that it told.
        Err(SpeakError::Client(ClientError::Refused { code, .. })) if code == "already-reported" => Ok(()),
        Err(error) => Err(error.into()),
    }
}
