//! `reference-transaction`: git asks before any reference moves, whoever moves it and by whatever command. Here the gate
//! sees what goes round `pre-receive`, and here a permit is spent.
//!
//! What moves nothing passes: `git gc` and `git pack-refs` rewrite references with the values that they have. A reservation
//! is for the process that judged it in `pre-receive`: one that a declined push leaves behind opens nothing to whoever runs
//! `git update-ref` afterwards.

use std::fs;

use countersign_core::{
    ids::Oid,
    statement::OutcomeResult,
    subject::{GitTransition, Transition},
};
use countersign_ledger::Time;

use super::{GateError, GitGate, Update, Value, receive, refused::Refused, shadow, standing, watch};
use crate::{
    gates::{
        desk::spend,
        journal::{Event, Journal, Reservation},
    },
    git,
    home::files,
    unix,
};

/// A state of a transaction that the gate acts on. Git has others, and later versions may have more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Prepared,
    Committed,
    /// The reservation stays usable, so that trying again needs no second permit.
    Aborted,
}

impl State {
    /// `None` for a state that the gate does not act on.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "prepared" => Some(Self::Prepared),
            "committed" => Some(Self::Committed),
            "aborted" => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// Acts on a transaction. An error stops it, where it can still be stopped.
pub fn reference_transaction(gate: &GitGate, state: State, updates: &[Update], now: Time) -> Result<(), GateError> {
    let protected: Vec<&Update> =
        updates.iter().filter(|update| gate.config.branch(&update.reference).is_some()).collect();
    match state {
        State::Prepared => {
            no_aliases(gate, now)?;
            no_shadows(gate, updates, now)?;
            if protected.is_empty() { Ok(()) } else { prepared(gate, &protected, now) }
        }
        State::Committed if protected.is_empty() => Ok(()),
        State::Committed => committed(gate, &protected, now),
        State::Aborted => Ok(()),
    }
}

fn prepared(gate: &GitGate, updates: &[&Update], now: Time) -> Result<(), GateError> {
    let mut journal = gate.journal()?;
    for update in updates {
        // The reference is locked by now, so that what it points at stays so.
        let current = git::reference(&gate.repository, &update.reference)?;
        // What was let through before is settled first, or it would seem to come after this.
        standing::settle(gate, &mut journal, &update.reference, current.as_ref(), now)?;
        let watched = |to: Option<&Oid>| {
            let branch = gate.config.branch(&update.reference);
            branch.is_some_and(|branch| watch::passes(gate, branch, current.as_ref(), to))
        };
        match movement(update, current.as_ref()) {
            Movement::None => {}
            Movement::From(old, new) if current.as_ref() != Some(old) => {
                return Err(Refused::new(
                    "branch-moved",
                    format!(
                        "{} stands elsewhere than at {}, and does not move to {}",
                        update.reference,
                        old.short(),
                        new.short()
                    ),
                )
                .command("git fetch")
                .into());
            }
            Movement::From(old, new) => {
                let transition = transition(gate, update, old.clone(), new.clone());
                let reserved = newest(reserved(&journal, &transition, gate, now));
                if reserved.is_empty() && watched(Some(new)) {
                    continue;
                }
                if reserved.is_empty() {
                    let what = format!("{} -> {}", old.short(), new.short());
                    return Err(match took_too_long(&journal, &transition, gate) {
                        true => too_late(&update.reference, &what),
                        false => caught(gate, &mut journal, &update.reference, what, now)?,
                    });
                }
                let let_through = |reservation: Reservation| Event::LetThrough { permit: reservation.permit, at: now };
                journal.write_all(reserved.into_iter().map(let_through).collect())?;
            }
            Movement::Deletion(old) if is_pruned(gate, &update.reference, old) => {}
            Movement::Deletion(_) | Movement::Other(_) if watched(None) => {}
            Movement::Deletion(old) => {
                return Err(caught(
                    gate,
                    &mut journal,
                    &update.reference,
                    format!("it is deleted at {}", old.short()),
                    now,
                )?);
            }
            Movement::Other(what) => return Err(caught(gate, &mut journal, &update.reference, what, now)?),
        }
    }
    Ok(())
}

/// Of each change the newest permit; older ones run out by themselves.
fn newest(reservations: Vec<Reservation>) -> Vec<Reservation> {
    let mut newest: Vec<Reservation> = Vec::new();
    for reservation in reservations.into_iter().rev() {
        if !newest.iter().any(|newer| newer.change == reservation.change) {
            newest.push(reservation);
        }
    }
    newest
}

/// Whether this very push was judged, and its permits have run out since: another hook took its time.
fn took_too_long(journal: &Journal, transition: &Transition, gate: &GitGate) -> bool {
    let begin = Time::from_unix_millis(0);
    !reserved(journal, transition, gate, begin).is_empty()
}

/// What this process has judged: this very move, or moves one after the other that lead there.
fn reserved(journal: &Journal, transition: &Transition, gate: &GitGate, now: Time) -> Vec<Reservation> {
    let reserved = journal.reserved_for(transition, &gate.caller, now);
    match transition {
        Transition::Git(moved) if reserved.is_empty() => journal.reserved_way(moved, &gate.caller, now),
        Transition::Git(_) | Transition::Apply(_) => reserved,
    }
}

fn too_late(reference: &str, what: &str) -> GateError {
    Refused::new(
        "permit-expired",
        format!("{reference} does not move ({what}): the permit ran out while other hooks ran"),
    )
    .command("git push, again")
    .into()
}

/// A reference that would be taken for a protected branch, made past `pre-receive`. One that is there may stay what it is, as
/// when `git pack-refs` rewrites it, and may go.
fn no_shadows(gate: &GitGate, updates: &[Update], now: Time) -> Result<(), GateError> {
    let guarding = gate.config.guarding();
    if guarding.branches.is_empty() {
        return Ok(());
    }
    for update in updates {
        let Some((_, what)) = shadow::first(&guarding, std::slice::from_ref(update)) else { continue };
        let current = git::reference(&gate.repository, &update.reference)?;
        if update.new.object().is_some_and(|new| current.as_ref() == Some(new)) {
            continue;
        }
        let mut journal = gate.journal()?;
        let to = match &update.new {
            Value::Object(new) => new.short().to_owned(),
            Value::Symbolic(name) => name.clone(),
        };
        note(&mut journal, format!("{} -> {to}: {what}", update.reference), now)?;
        return Err(receive::shadows(&update.reference, what).into());
    }
    Ok(())
}

/// A protected branch that is only another name would move with that other one, and nobody would be asked. Git before 2.46
/// lets `git symbolic-ref` make it one without asking; then nothing moves here until it is a branch again.
fn no_aliases(gate: &GitGate, now: Time) -> Result<(), GateError> {
    for branch in gate.config.branches.iter().filter(|branch| !branch.is_watched()) {
        let file = fs::read_to_string(gate.repository.join(&branch.branch)).unwrap_or_default();
        if let Some(target) = file.strip_prefix("ref:") {
            let mut journal = gate.journal()?;
            let what = format!("it becomes another name of {}", target.trim());
            return Err(caught(gate, &mut journal, &branch.branch, what, now)?);
        }
    }
    Ok(())
}

enum Movement<'a> {
    /// The reference stays where it is.
    None,
    From(&'a Oid, &'a Oid),
    Deletion(&'a Oid),
    /// Something that no permit can name.
    Other(String),
}

fn movement<'a>(update: &'a Update, current: Option<&'a Oid>) -> Movement<'a> {
    let new = match &update.new {
        Value::Object(new) => new,
        Value::Symbolic(target) => return Movement::Other(format!("it becomes another name of {target}")),
    };
    // Whoever names no old value says zeros; what counts is where the reference is.
    let old = match (update.old.object(), current) {
        (Some(old), _) if !old.is_zero() => old,
        (_, Some(current)) => current,
        // Broken, perhaps: what cannot be read is not thereby nothing.
        (_, None) if new.is_zero() => return Movement::Other("it is deleted".to_owned()),
        (_, None) => return Movement::Other(format!("it is made anew at {}", new.short())),
    };
    if new == old {
        Movement::None
    } else if new.is_zero() {
        Movement::Deletion(old)
    } else {
        Movement::From(old, new)
    }
}

/// Whether it is only the loose copy of a reference that goes, as when `git pack-refs` has just written it into
/// `packed-refs`: the same value stands there, and nobody is about to rewrite that file.
///
/// ```text
///  pack-refs:  lock packed-refs, write it, unlock ─> delete the loose copy ─> this hook
///  deletion:   lock packed-refs ─> this hook ─> write it without the reference, unlock
/// ```
fn is_pruned(gate: &GitGate, reference: &str, value: &Oid) -> bool {
    let path = gate.repository.join("packed-refs");
    let wanted = format!("{value} {reference}");
    !gate.repository.join("packed-refs.lock").exists()
        && fs::read(path).is_ok_and(|bytes| bytes.split(|byte| *byte == b'\n').any(|line| line == wanted.as_bytes()))
}

fn caught(
    gate: &GitGate,
    journal: &mut Journal,
    reference: &str,
    what: String,
    now: Time,
) -> Result<GateError, GateError> {
    note(journal, format!("{reference}: {what}"), now)?;
    Ok(Refused::new("gone-round", format!("{reference} is protected and moves by an approved push only ({what})"))
        .note(format!("the attempt was written down: countersign gate status {}", files::word(&gate.repository)))
        .command("git push, after: countersign propose")
        .into())
}

fn note(journal: &mut Journal, detail: String, now: Time) -> Result<(), GateError> {
    Ok(journal.write(Event::Caught { detail, at: now, account: unix::account() })?)
}

fn committed(gate: &GitGate, updates: &[&Update], now: Time) -> Result<(), GateError> {
    let mut journal = gate.journal()?;
    for update in updates {
        // It has happened, however long that took: whether the permit has expired meanwhile is no longer asked.
        let let_through = newest(journal.let_through(|transition| names(transition, update)));
        if let_through.is_empty() {
            let tip = git::reference(&gate.repository, &update.reference)?;
            standing::settle(gate, &mut journal, &update.reference, tip.as_ref(), now)?;
        }
        for reservation in let_through {
            spend::settle(&mut journal, reservation.permit, OutcomeResult::Applied, None, now)?;
        }
    }
    Ok(())
}

/// Whether a committed update is this transition. Where the caller named no old value, the new one has to do: the old
/// one was compared when the transaction was prepared.
fn names(transition: &Transition, update: &Update) -> bool {
    match transition {
        Transition::Git(GitTransition { reference, old, new, .. }) => {
            *reference == update.reference
                && update.new.object() == Some(new)
                && update.old.object().is_none_or(|said| said.is_zero() || said == old)
        }
        Transition::Apply(_) => false,
    }
}

pub(super) fn transition(gate: &GitGate, update: &Update, old: Oid, new: Oid) -> Transition {
    let (repository, reference) = (gate.config.repository.clone(), update.reference.clone());
    Transition::Git(GitTransition { repository, reference, old, new })
}
