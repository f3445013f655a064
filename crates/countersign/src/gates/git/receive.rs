//! `pre-receive`: judges a push and reserves what it may do. It runs while the new objects are in quarantine, where the
//! server cannot see them, and leaves no trace if anything refuses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::ids::Oid;
use countersign_ledger::{Digest, Envelope, Time, dsse::MAX_ENVELOPE_BYTES};

use super::{
    GateError, GitGate, Update, Value, examine::Push, judge::Judge, refused::Refused, report, transaction::transition,
};
use crate::{
    client::ClientError,
    gates::{
        journal::{Event, Journal, Reservation},
        opening::{Memory, Opening},
    },
    git::Repository,
    speaker::SpeakError,
};

/// `git push -o countersign-permit=BASE64`.
pub const PERMIT_OPTION: &str = "countersign-permit=";

const MAX_PERMITS: usize = 16;

/// How often a push is judged again because another one has shown the gate more of the log meanwhile.
const MAX_ATTEMPTS: usize = 4;

/// Judges a push. Returns what it reserved; nothing if the push concerns no protected branch.
pub fn pre_receive(
    gate: &GitGate,
    updates: &[Update],
    options: &[String],
    now: Time,
) -> Result<Vec<Reservation>, GateError> {
    let protected: Vec<&Update> = updates
        .iter()
        .filter(|update| gate.config.branch(&update.reference).is_some() && update.old != update.new)
        .collect();
    let update = match protected.as_slice() {
        [] => return Ok(Vec::new()),
        [update] => *update,
        several => {
            let names: Vec<&str> = several.iter().map(|update| update.reference.as_str()).collect();
            return Err(Refused::new("several-branches", format!("{} are protected", names.join(" and ")))
                .note("push one protected branch at a time, so that each move is judged on its own:")
                .command("git push origin HEAD:BRANCH")
                .into());
        }
    };
    judge(gate, update, options, now).map_err(closed)
}

/// Whatever goes wrong keeps the gate shut. A developer is told in the same form as a refusal.
fn closed(error: GateError) -> GateError {
    match error {
        GateError::Client(ClientError::Unreachable { url, .. })
        | GateError::Speak(SpeakError::Client(ClientError::Unreachable { url, .. })) => {
            Refused::new("server-unreachable", format!("the gate cannot reach {url}, and stays shut without it"))
                .note("nothing is wrong with your push: tell whoever runs the server, and push again when it is back")
                .into()
        }
        other => other,
    }
}

fn judge(gate: &GitGate, update: &Update, options: &[String], now: Time) -> Result<Vec<Reservation>, GateError> {
    let (Value::Object(old), Value::Object(new)) = (&update.old, &update.new) else {
        return Err(Refused::new("symbolic", format!("{} is protected and is no other name", update.reference)).into());
    };
    let Some(branch) = gate.config.branch(&update.reference) else { return Ok(Vec::new()) };
    let repository = Repository::open(&gate.repository)?;
    let push = Push { gate, repository: &repository, branch, old: old.clone(), new: new.clone() };
    push.shape()?;
    let transition = transition(gate, update, old.clone(), new.clone());
    let given = given_permits(gate, options)?;

    let speaker = gate.speaker()?;
    // What could not be told after the last push; if the server does not take it now either, it can wait.
    let _ = report::outcomes(gate);
    for _ in 0..MAX_ATTEMPTS {
        let journal = Journal::open(&gate.journal_path())?;
        let (memory, reserved) = (journal.memory(), journal.reserved(&transition, now));
        moved_behind(journal, update, old, now)?;
        let mut judge = Judge { push: &push, speaker: &speaker, transition: &transition, now, memory };
        let opened = openings(&mut judge, &given, &reserved);
        let openings = match opened {
            Ok(openings) => openings,
            Err(error) => {
                remember(gate, memory, judge.memory)?;
                return Err(error);
            }
        };
        if let Some(reservations) = reserve(gate, memory, &openings, now)? {
            return Ok(reservations);
        }
    }
    Err(Refused::new("busy", "other pushes are being judged").command("git push, again").into())
}

/// Writes down that the branch stands where no permit put it, before a push moves it on and takes the trace away. The
/// push itself is judged as ever: what was reviewed was reviewed on top of what is there.
fn moved_behind(mut journal: Journal, update: &Update, old: &Oid, now: Time) -> Result<(), GateError> {
    let Some(expected) = journal.expected_tip(&update.reference).filter(|expected| expected != old) else {
        return Ok(());
    };
    let detail = format!(
        "{}: it should stand at {} and was found at {}, where no permit put it",
        update.reference,
        expected.short(),
        old.short()
    );
    journal.write(Event::Caught { detail, at: now })?;
    Ok(journal.write(Event::Found { reference: update.reference.clone(), tip: old.clone(), at: now })?)
}

/// Opens the gate: with the permits that were given, or those that an earlier attempt left, or new ones.
fn openings(judge: &mut Judge<'_>, given: &[Vec<u8>], reserved: &[Reservation]) -> Result<Vec<Opening>, GateError> {
    let found = judge.find()?;
    if !given.is_empty() {
        let openings: Vec<Opening> = given.iter().map(|permit| judge.open_given(permit)).collect::<Result<_, _>>()?;
        judge.covers(&openings, &found.targets)?;
        return Ok(openings);
    }
    if !reserved.is_empty() {
        let again: Result<Vec<Opening>, GateError> =
            reserved.iter().map(|known| judge.open_reserved(&known.change, &known.permit)).collect();
        // A reservation whose revision is gone, or that covers only a part, is no use; new permits may be.
        if let Ok(openings) = again
            && judge.covers(&openings, &found.targets).is_ok()
        {
            return Ok(openings);
        }
    }
    judge.ask(&found)
}

/// What was seen of the log counts, also where the push is refused in the end.
fn remember(gate: &GitGate, before: Option<Memory>, seen: Option<Memory>) -> Result<(), GateError> {
    let Some(memory) = seen.filter(|_| seen != before) else { return Ok(()) };
    let mut journal = Journal::open(&gate.journal_path())?;
    if journal.memory() == before {
        journal.write(Event::Seen { memory })?;
    }
    Ok(())
}

/// Writes down what may happen, all of it, unless the gate has seen more of the log since `before`.
fn reserve(
    gate: &GitGate,
    before: Option<Memory>,
    openings: &[Opening],
    now: Time,
) -> Result<Option<Vec<Reservation>>, GateError> {
    let mut journal = Journal::open(&gate.journal_path())?;
    if journal.memory() != before {
        return Ok(None);
    }
    if let Some(opening) = openings.iter().find(|opening| journal.is_spent(&opening.permit())) {
        return Err(spent(&opening.permit()));
    }
    if let Some(last) = openings.last() {
        journal.write(Event::Seen { memory: last.memory() })?;
    }
    let mut reservations = Vec::with_capacity(openings.len());
    for opening in openings {
        let grant = opening.grant();
        let reservation = Reservation {
            permit: opening.permit(),
            change: grant.change.clone(),
            revision: grant.revision,
            transition: grant.transition.clone(),
            expires_at: grant.expires_at,
        };
        let known = journal.reserved(&reservation.transition, now).contains(&reservation);
        if !known {
            journal.write(Event::Reserved { reservation: reservation.clone(), at: now })?;
        }
        reservations.push(reservation);
    }
    Ok(Some(reservations))
}

fn spent(permit: &Digest) -> GateError {
    Refused::new("permit-spent", format!("permit {permit} was used before; a permit opens the gate once"))
        .command("git push, without the option, asks for a new one")
        .into()
}

/// Permits from push options, none of which was used before.
fn given_permits(gate: &GitGate, options: &[String]) -> Result<Vec<Vec<u8>>, GateError> {
    let given: Vec<&str> = options.iter().filter_map(|option| option.strip_prefix(PERMIT_OPTION)).collect();
    if given.is_empty() {
        return Ok(Vec::new());
    }
    if given.len() > MAX_PERMITS || given.iter().any(|text| text.len() > 2 * MAX_ENVELOPE_BYTES) {
        return Err(Refused::new("malformed-permit", "there are too many permits, or one is too long").into());
    }
    let malformed =
        || GateError::from(Refused::new("malformed-permit", format!("{PERMIT_OPTION} is no permit in base64")));
    let journal = Journal::open(&gate.journal_path())?;
    given
        .into_iter()
        .map(|text| {
            let bytes = STANDARD.decode(text).map_err(|_| malformed())?;
            let digest = Envelope::parse(&bytes).map_err(|_| malformed())?.payload_digest();
            if journal.is_spent(&digest) { Err(spent(&digest)) } else { Ok(bytes) }
        })
        .collect()
}

/// Push options as git hands them to a hook.
pub fn push_options(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let count = variable("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    (0..count.min(MAX_PERMITS * 4)).filter_map(|n| variable(&format!("GIT_PUSH_OPTION_{n}"))).collect()
}
