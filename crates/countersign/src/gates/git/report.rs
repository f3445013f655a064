//! `post-receive`: tells the log what came of permits. The branch has moved by then, so nothing here can fail a push;
//! what could not be told is told before the next one.

use countersign_core::statement::{Body, OutcomeReport};

use super::{GateError, GitGate};
use crate::{
    client::ClientError,
    gates::journal::{Event, Journal},
    speaker::{SpeakError, Speaker},
};

/// Reports every outcome that the log does not have yet, and says how many there were.
pub fn outcomes(gate: &GitGate) -> Result<usize, GateError> {
    // The journal is not kept locked over the network: another push would wait for it.
    let unreported = Journal::open(&gate.journal_path())?.unreported();
    if unreported.is_empty() {
        return Ok(0);
    }
    let speaker = gate.speaker()?;
    for (reservation, result, exit_status) in &unreported {
        let report = OutcomeReport {
            change: reservation.change.clone(),
            revision: reservation.revision,
            permit: reservation.permit,
            result: *result,
            exit_status: *exit_status,
        };
        said(&speaker, report)?;
        Journal::open(&gate.journal_path())?.write(Event::Reported { permit: reservation.permit })?;
    }
    Ok(unreported.len())
}

fn said(speaker: &Speaker, report: OutcomeReport) -> Result<(), GateError> {
    match speaker.say(Body::OutcomeReport(report), &[]) {
        Ok(_) => Ok(()),
        // Two hooks at once, or one that was cut off between telling and writing down that it told.
        Err(SpeakError::Client(ClientError::Refused { code, .. })) if code == "already-reported" => Ok(()),
        Err(error) => Err(error.into()),
    }
}
