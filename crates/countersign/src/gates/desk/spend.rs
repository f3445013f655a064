//! What every gate writes down around what it lets happen: reserved before, settled when it has happened, reported when the
//! log has it.
//!
//! Invariant: by this machine's own journal a permit opens once and a change happens once, whatever the log says of them.

use std::{collections::BTreeSet, path::Path, thread, time::Duration};

use countersign_core::{
    change::{Change, PermitRecord},
    decision::Outcome,
    ids::ChangeId,
    refusal::Refusal,
    statement::{Body, OutcomeReport, OutcomeResult},
    subject::Transition,
};
use countersign_ledger::{Digest, Time};
use thiserror::Error;

use super::{Desk, DeskError, Opening};
use crate::{
    client::ClientError,
    clock::Clock,
    gates::journal::{Event, Journal, JournalError, Past, Reservation, Unreported},
    speaker::SpeakError,
    unix::Process,
};

/// How often a log is followed until those who cosign it have seen a leaf, and how long is waited between.
const VOUCHING_ATTEMPTS: u32 = 300;
const VOUCHING_PAUSE: Duration = Duration::from_millis(200);

/// Refuses a permit that this gate has used before, whatever became of its change since.
pub fn unspent(past: &Past, permit: &Digest) -> Result<(), Refusal> {
    if !past.is_spent(permit) {
        return Ok(());
    }
    Err(Refusal::forbidden("permit-spent", format!("permit {permit} was used before; a permit opens a gate once"))
        .hint("try again without it, so that a new one is asked for"))
}

/// Writes down what may happen now, all of it or nothing, and waits until it is on disk. What is reserved already stays so. Of
/// several moves, one after the other, each is by other changes: a change happens once.
/// Where it is for one process alone, `by` is that one; `leaves` is what it was judged by.
pub fn reserve(
    journal: &mut Journal,
    moves: &[(&[Opening], &Transition)],
    by: Option<&Process>,
    leaves: Option<u64>,
    now: Time,
) -> Result<Vec<Reservation>, DeskError> {
    let mut before: BTreeSet<&ChangeId> = BTreeSet::new();
    for (openings, _) in moves {
        for opening in *openings {
            unspent(journal, &opening.permit().statement)?;
            if journal.has_landed(&opening.change().id) || before.contains(&opening.change().id) {
                return Err(happened(&opening.change().id).into());
            }
        }
        before.extend(openings.iter().map(|opening| &opening.change().id));
    }
    let of_move = |(openings, transition): &(&[Opening], &Transition)| {
        openings.iter().map(|opening| reservation(opening, transition)).collect::<Vec<_>>()
    };
    let reservations: Vec<Reservation> = moves.iter().flat_map(of_move).collect();
    let known: Vec<Reservation> = moves
        .iter()
        .flat_map(|(_, transition)| match by {
            Some(process) => journal.reserved_for(transition, process, now),
            None => journal.reserved(transition, now),
        })
        .collect();
    let new = reservations.iter().filter(|reservation| !known.contains(reservation));
    let reserved = |reservation: &Reservation| Event::Reserved {
        reservation: reservation.clone(),
        at: now,
        by: by.cloned(),
        leaves,
    };
    let events: Vec<Event> = new.map(reserved).collect();
    if !events.is_empty() {
        journal.write_all(events)?;
    }
    Ok(reservations)
}

/// Refuses a rollback where this gate has let something go to one of its targets since, and the log does not have how that ended: what
/// landed last is then not what the log says, and something else would be taken back on one signature.
///
/// ```text
///  in production       A  B  C
///  by the log          A  B       the server withholds how C ended
///  a "rollback" to A   takes B back, which is not the last, and leaves C
/// ```
///
/// What people broke the glass for goes all the same: they say so, and several look at it.
pub fn nothing_withheld(past: &Past, desk: &Desk, openings: &[Opening]) -> Result<(), DeskError> {
    let is_one = |permit: &PermitRecord| permit.rollback || permit.is_of_one();
    let rollbacks = || openings.iter().filter(|opening| is_one(opening.permit()) && opening.permit().broken.is_none());
    if rollbacks().next().is_none() {
        return Ok(());
    }
    for (reservation, ..) in past.unreported() {
        let is_about = |opening: &Opening| {
            opening.permit().statement != reservation.permit
                && !opening.change().targets.is_disjoint(&reservation.targets)
        };
        if rollbacks().any(is_about) && !has_ended(desk, &reservation)? {
            let short = reservation.change.short();
            return Err(Refusal::forbidden(
                "outcome-withheld",
                format!("this gate has let change {short} go there, and the log does not have how that ended: what landed last is not known"),
            )
            .hint(
                "push again in a moment; if it stays so, tell whoever runs the server that what this gate reported is not in the log. \
                 In an emergency: countersign break-glass CHANGE",
            )
            .into());
        }
    }
    Ok(())
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

/// Writes down that nothing comes of a permit any more, and that the log need not be told: it knows, or never heard of a start.
pub fn forgo(journal: &mut Journal, permit: Digest, now: Time) -> Result<(), JournalError> {
    let settled = Event::Settled { permit, result: OutcomeResult::Failed, exit_status: None, at: now };
    journal.write_all(vec![settled, Event::Reported { permit }])
}

/// Has the log take that this permit starts, which it takes once of one permit and of one change at a time: without that nothing
/// runs, on whichever machine. Then decides once more, by a copy that has it, so that nothing that was said in between is
/// overlooked; where cosigners are pinned, they have to vouch for a log that has it.
pub fn start(desk: &mut Desk, opening: &Opening, clock: Clock<'_>) -> Result<(), NotStarted> {
    let permit = opening.permit().statement;
    let index = match desk.say(opening.outcome(OutcomeResult::Started, None), &[]) {
        Ok(receipt) => receipt.index,
        Err(SpeakError::Client(error @ (ClientError::Refused { class: Some(_), .. } | ClientError::Denied(_)))) => {
            return Err(NotStarted::Refused(error.into()));
        }
        Err(error @ (SpeakError::Refused(_) | SpeakError::Signer(_) | SpeakError::GateKey(_))) => {
            return Err(NotStarted::Refused(error.into()));
        }
        // It may have got there.
        Err(SpeakError::Client(error)) => return Err(NotStarted::Unknown(error.into())),
    };
    let decided = desk.vouched_for(index, clock).and_then(|()| {
        let change = desk.change(&opening.change().id)?;
        let started = change.as_ref().is_some_and(|change| {
            change.permits.iter().any(|record| record.statement == permit && record.is_running())
        });
        match change {
            Some(change) if started => desk.stands(&change, clock()),
            Some(_) | None => Err(Refusal::forbidden(
                "not-started",
                "the server says that the log has taken the start, and the log does not have it",
            )
            .hint("nothing was run; tell whoever runs the server")
            .into()),
        }
    });
    decided.map_err(NotStarted::After)
}

impl Desk {
    /// Whether the rules still let a change go whose permit was started.
    fn stands(&self, change: &Change, now: Time) -> Result<(), DeskError> {
        if let Some(record) = change.running()
            && let Some(broken) = &record.broken
        {
            return self.open_broken(change.clone(), record.clone(), broken, now).map(drop);
        }
        let (_, judged) = self.judge(change, now)?;
        match judged.decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => Err(DeskError::Denied(Box::new(judged))),
        }
    }

    /// Follows the log as far as a leaf, and where cosigners are pinned until they vouch for a log that has it.
    fn vouched_for(&mut self, index: u64, clock: Clock<'_>) -> Result<(), DeskError> {
        let pinned = self.follower.trust().cosigners.is_some();
        for attempt in 0..VOUCHING_ATTEMPTS {
            if attempt > 0 {
                thread::sleep(VOUCHING_PAUSE);
            }
            self.follow(clock())?;
            let Some(followed) = &self.followed else { continue };
            let cosigned = followed.cosigned.as_ref().is_some_and(|note| note.checkpoint().size > index);
            if followed.checkpoint.size > index && (cosigned || !pinned) {
                return Ok(());
            }
            if !pinned {
                break;
            }
        }
        Err(Refusal::forbidden(
            "not-started",
            format!("the server says that leaf {index} is in the log, and nobody can see it there"),
        )
        .hint("nothing was run; tell whoever runs the server, and its cosigners if there are some")
        .into())
    }
}

/// Why nothing may run.
#[derive(Debug, Error)]
pub enum NotStarted {
    /// The log did not take the start.
    #[error(transparent)]
    Refused(DeskError),
    /// The log may have taken it, or not.
    #[error("the server could not be told, or did not answer: {0}")]
    Unknown(DeskError),
    /// The log has taken it, and since then it may not happen any more.
    #[error(transparent)]
    After(DeskError),
}

/// Reports outcomes that the log does not have yet, and gives those. That it has one is known by this gate's own copy: a server
/// that swallows them would have a change land again after its landing was taken back.
pub fn report(journal: &Path, desk: &Desk, unreported: Vec<Unreported>) -> Result<Vec<Unreported>, DeskError> {
    let told = unseen(journal, desk, unreported)?;
    let mut failed = None;
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
            // What is refused of one keeps the others from nothing.
            Err(error @ SpeakError::Client(ClientError::Refused { .. })) => failed = failed.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    failed.map_or(Ok(told), |error| Err(error.into()))
}

/// The same, and then looks whether the log has them: gives those that it does not have.
pub fn tell(
    journal: &Path,
    desk: &mut Desk,
    unreported: Vec<Unreported>,
    clock: Clock<'_>,
) -> Result<Vec<Unreported>, DeskError> {
    let told = report(journal, desk, unreported)?;
    if told.is_empty() {
        return Ok(told);
    }
    desk.follow(clock())?;
    unseen(journal, desk, told)
}

/// Writes down which of them the copy has by now, and gives the others. The journal is not kept locked over the network: another
/// process would wait for it.
pub fn unseen(journal: &Path, desk: &Desk, unreported: Vec<Unreported>) -> Result<Vec<Unreported>, DeskError> {
    let mut unseen = Vec::new();
    for unreported in unreported {
        let (reservation, ..) = &unreported;
        if has_ended(desk, reservation)? {
            Journal::open(journal)?.write(Event::Reported { permit: reservation.permit })?;
        } else {
            unseen.push(unreported);
        }
    }
    Ok(unseen)
}

/// Whether the copy of the log has how it ended. Of a permit that was lost when the log was restored nothing can be told.
fn has_ended(desk: &Desk, reservation: &Reservation) -> Result<bool, DeskError> {
    let change = desk.change(&reservation.change)?;
    let permits = || change.iter().flat_map(|change| &change.permits);
    let is_lost = desk.epoch().is_some() && !permits().any(|permit| permit.statement == reservation.permit);
    let ended = |permit: &PermitRecord| permit.outcome.is_some() && !permit.is_running();
    Ok(is_lost || permits().filter(|permit| permit.statement == reservation.permit).any(ended))
}
