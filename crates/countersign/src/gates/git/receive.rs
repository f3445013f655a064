//! `pre-receive`: judges a push and reserves what it may do. It runs while the new objects are in quarantine, where the
//! server cannot see them, and leaves no trace if anything refuses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{drill::PROBE, ids::Oid};
use countersign_ledger::{Envelope, dsse::MAX_ENVELOPE_BYTES};

use super::{
    FOLDER, GateError, GitGate, Update, Value, drill,
    examine::Push,
    findings,
    judge::Judge,
    outage::{self, Brought},
    pusher,
    refused::Refused,
    shadow::{self, Shadow},
    stack, standing,
    transaction::transition,
    watch,
};
use crate::{
    client::ClientError,
    clock::Clock,
    follower::{FollowError, source::SourceError},
    gates::{
        desk::{Checked, Desk, DeskError, Opening, Taken, spend},
        journal::Reservation,
        stops::Stop,
    },
    git::{self, GitError, Repository},
    speaker::SpeakError,
};

/// `git push -o countersign-permit=BASE64`.
pub const PERMIT_OPTION: &str = "countersign-permit=";

/// `git push -o countersign-stop=BASE64`: what `countersign reject` or `revoke` saved, for a gate to obey at once.
pub const STOP_OPTION: &str = "countersign-stop=";

const MAX_PERMITS: usize = 16;
/// The longest stop that a push brings along.
const MAX_STOP_CHARS: usize = 4 * MAX_ENVELOPE_BYTES;

/// How often a push is judged again because the copy of the log has moved on meanwhile.
const MAX_ATTEMPTS: usize = 4;

/// Judges a push. Returns what it reserved; nothing if the push concerns no protected branch.
pub fn pre_receive(
    gate: &GitGate,
    updates: &[Update],
    options: &[String],
    clock: Clock<'_>,
) -> Result<Vec<Reservation>, GateError> {
    // Before anything else: whoever brings a stop is heard, whatever becomes of the push.
    take_stops(gate, options, clock)?;
    if updates.iter().any(|update| update.reference == PROBE) {
        return drill::judge(gate, updates, options, clock).map(|()| Vec::new());
    }
    let brought = outage::take(gate, options)?;
    let guarding = gate.config.guarding();
    if !guarding.branches.is_empty()
        && let Some((update, what)) = shadow::first(&guarding, updates)
    {
        return Err(shadows(&update.reference, what).into());
    }
    let protected: Vec<&Update> = updates
        .iter()
        .filter(|update| gate.config.branch(&update.reference).is_some() && update.old != update.new)
        .collect();
    let looked = gate.journal().and_then(|mut journal| standing::look(gate, &mut journal, clock()));
    if protected.is_empty() {
        // What nobody has to judge passes, whatever is wrong here.
        if let Err(error) = looked {
            eprintln!("countersign: the gate cannot look after its branches: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("countersign:   -> {hint}");
            }
        }
        return Ok(Vec::new());
    }
    let judged = match protected.as_slice() {
        [update] => looked.and_then(|()| judge(gate, update, options, &brought, clock)).map_err(closed),
        several => Err(several_branches(several)),
    };
    let watched = |update: &&Update| watch::passes_update(gate, update);
    match judged {
        Err(error) if protected.iter().all(watched) => {
            for update in protected {
                watch::met(gate, update, &error, clock());
            }
            Ok(Vec::new())
        }
        judged => judged,
    }
}

fn several_branches(several: &[&Update]) -> GateError {
    let names: Vec<&str> = several.iter().map(|update| update.reference.as_str()).collect();
    Refused::new("several-branches", format!("{} are protected", names.join(" and ")))
        .note("push one protected branch at a time, so that each move is judged on its own:")
        .command("git push origin HEAD:BRANCH")
        .into()
}

/// A reference that would be taken for a protected branch.
pub(super) fn shadows(reference: &str, what: Shadow<'_>) -> Refused {
    Refused::new("shadows", format!("{reference} is not taken: {what}"))
        .note("give it another name")
        .command("git push origin HEAD:refs/heads/ANOTHER-NAME")
}

/// A push begins where the branch stands, not where it says: somebody else's may have landed since it was begun.
pub(super) fn begins_at_the_tip(gate: &GitGate, reference: &str, old: &Oid) -> Result<(), GateError> {
    let tip = git::reference(&gate.repository, reference)?;
    let stands = match &tip {
        Some(tip) if tip == old => return Ok(()),
        None if old.is_zero() => return Ok(()),
        Some(tip) => format!("stands at {}", tip.short()),
        None => "is not there".to_owned(),
    };
    let from = if old.is_zero() { "made anew".to_owned() } else { format!("moved from {}", old.short()) };
    Err(Refused::new("branch-moved", format!("{reference} {stands}, and cannot be {from}"))
        .note("another push has landed since this one was begun: fetch, and bring yours on top of it")
        .command("git fetch")
        .into())
}

/// Whatever goes wrong keeps the gate shut. A developer is told in the same form as a refusal.
pub(super) fn closed(error: GateError) -> GateError {
    match error {
        GateError::Client(ClientError::Unreachable { url, .. })
        | GateError::Desk(
            DeskError::Client(ClientError::Unreachable { url, .. })
            | DeskError::Speak(SpeakError::Client(ClientError::Unreachable { url, .. }))
            | DeskError::Follow(FollowError::Source(SourceError::Client(ClientError::Unreachable { url, .. }))),
        ) => Refused::new("server-unreachable", format!("the gate cannot reach {url}, and stays shut without it"))
            .note("nothing is wrong with your push: tell whoever runs the server, and push again when it is back")
            .into(),
        GateError::Desk(DeskError::Follow(FollowError::Contradiction(caught))) => {
            let refused = Refused::new(caught.what.code(), "the log contradicts itself, or what this gate saw before")
                .note("nothing is wrong with your push: tell whoever runs Countersign, and show them this:");
            let refused = caught.to_string().lines().fold(refused, |refused, line| refused.note(line));
            refused.into()
        }
        GateError::Desk(DeskError::Follow(FollowError::Refused(refusal)) | DeskError::Refused(refusal)) => {
            Refused::of(&refusal).into()
        }
        // What git and a checkout, or git and this gate, would read differently.
        GateError::Git(error @ (GitError::Path { .. } | GitError::Tree { .. })) => {
            let refused = Refused::new("malformed-tree", error.to_string());
            error.hint().into_iter().fold(refused, Refused::note).into()
        }
        GateError::Git(error @ GitError::Malformed { .. }) => {
            Refused::new("malformed-commit", error.to_string()).note("make the commit anew with git").into()
        }
        other => other,
    }
}

fn judge(
    gate: &GitGate,
    update: &Update,
    options: &[String],
    brought: &[Envelope],
    clock: Clock<'_>,
) -> Result<Vec<Reservation>, GateError> {
    let (Value::Object(old), Value::Object(new)) = (&update.old, &update.new) else {
        return Err(Refused::new("symbolic", format!("{} is protected and is no other name", update.reference)).into());
    };
    let Some(branch) = gate.config.branch(&update.reference) else { return Ok(Vec::new()) };
    begins_at_the_tip(gate, &update.reference, old)?;
    let repository = Repository::in_hook(&gate.repository, new, &gate.repository.join(FOLDER))?;
    let push = Push { gate, repository: &repository, branch, old: old.clone(), new: new.clone() };
    push.shape()?;
    let transition = transition(gate, update, old.clone(), new.clone());
    let given = given_permits(gate, options)?;

    let mut desk = gate.desk()?;
    if let Err(error) = desk.follow(clock()) {
        return outage::judge(&push, &transition, &mut desk, error, brought, clock);
    }
    if let Some(who) = pusher::of(&push, &desk)? {
        desk.applied_by(who);
    }
    tell_checked(&mut desk);
    let (unreported, under_way, drawn) = {
        let journal = gate.journal()?;
        (journal.unreported(), journal.under_way(clock()), journal.drawn(&transition, clock()))
    };
    desk.has_drawn(drawn.map(|(nonce, _)| nonce));
    desk.has_under_way(under_way);
    // What people signed while the log was away: it has to have that before it is told what came of it.
    let _ = outage::hand_on(gate, &desk, clock());
    // What could not be told after the last push; if the server does not take it now either, it can wait.
    let _ = spend::report(&gate.journal_path(), &desk, unreported);
    let _ = findings::raise(gate, &desk, clock());
    for _ in 0..MAX_ATTEMPTS {
        let brought = Brought::new();
        // A permit that is given is for the whole of it.
        let steps = if given.is_empty() { stack::steps(&push, &desk)? } else { vec![stack::Step::whole(&push)] };
        if steps.len() > 1 {
            stack::ready(&steps, &mut desk, clock, &brought)?;
        }
        let mut opened = Vec::with_capacity(steps.len());
        for step in &steps {
            let reserved = gate.journal()?.reserved(&step.transition, clock());
            let mut judge = step.judge(&mut desk, clock, &brought);
            let openings = openings(&mut judge, &given, &reserved).map_err(|error| judge.with_glass(error))?;
            desk.has_under_way(openings.iter().map(|opening| opening.change().id.clone()));
            opened.push(openings);
        }
        if steps.len() > 1 {
            opened = stack::again(&steps, opened, &mut desk, clock, &brought)?;
        }
        if let Some(reservations) = reserve(&steps, &opened, &push, &mut desk, clock)? {
            // The hook ends here, and everything is written. To take the copy and thousands of people apart in good order would
            // only keep whoever pushed waiting.
            std::mem::forget(desk);
            return Ok(reservations);
        }
        desk.follow(clock())?;
    }
    Err(Refused::new("busy", "the log moves on faster than this push can be judged").command("git push, again").into())
}

/// Keeps the stops that a push brings along.
fn take_stops(gate: &GitGate, options: &[String], clock: Clock<'_>) -> Result<(), GateError> {
    let given: Vec<&str> = options.iter().filter_map(|option| option.strip_prefix(STOP_OPTION)).collect();
    if given.is_empty() {
        return Ok(());
    }
    let mut desk = gate.desk()?;
    // Each of them first, before anything that could take time, and whatever becomes of the others.
    let taken: Vec<Result<(), GateError>> = given.into_iter().map(|text| take_stop(&desk, text, clock)).collect();
    // So that the log has them; and who could not tell whose a stop is may learn it. Who cannot follow now knows what it knew.
    let _ = desk.follow(clock());
    tell_checked(&mut desk);
    taken.into_iter().collect()
}

fn take_stop(desk: &Desk, text: &str, clock: Clock<'_>) -> Result<(), GateError> {
    let malformed = || {
        Refused::new("malformed-stop", format!("{STOP_OPTION} is no stop in base64"))
            .note("it is the file that `countersign reject` or `countersign revoke` kept:")
            .command(format!("git push -o {STOP_OPTION}$(base64 -w0 FILE) origin HEAD:refs/heads/NEW-BRANCH"))
    };
    let bytes = if text.len() > MAX_STOP_CHARS { None } else { STANDARD.decode(text).ok() };
    let stop = Stop::read(&bytes.ok_or_else(malformed)?).map_err(|refusal| Refused::of(&refusal))?;
    let taken = desk.stop(&stop, clock()).map_err(|error| match error {
        DeskError::Refused(refusal) => GateError::from(Refused::of(&refusal)),
        other => other.into(),
    });
    match taken? {
        Taken::Obeyed => eprintln!("countersign: obeyed from now on: {}", stop.words()),
        Taken::Unchecked => eprintln!("countersign: kept until the log tells whose it is: {}", stop.words()),
    }
    Ok(())
}

/// Says what was found out about stops that were handed over before it could be told whose they are.
fn tell_checked(desk: &mut Desk) {
    if let Some(restored) = desk.restored() {
        eprintln!("countersign: {restored}");
    }
    for Checked { stop, dropped } in desk.checked() {
        match dropped {
            None => eprintln!("countersign: obeyed from now on: {}", stop.words()),
            Some(refusal) => eprintln!("countersign: dropped: {}: {refusal}", stop.words()),
        }
    }
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
            reserved.iter().map(|known| judge.open_permit(&known.change, &known.permit)).collect();
        // A reservation whose revision is gone, or that covers only a part, is no use; new permits may be.
        if let Ok(openings) = again
            && judge.covers(&openings, &found.targets).is_ok()
        {
            return Ok(openings);
        }
    }
    judge.ask(&found)
}

/// Writes down what may happen, all of it, unless the copy of the log has moved on since it was judged by.
///
/// ```text
///  permit of A, judged ─> permit of B, judged ─> lock the journal ─> A and B judged again ─> the copy stands still ─> reserve
///              └─ minutes, and a rejection of A ─┘
/// ```
///
/// Each permit was judged when it came, and the server may have taken its time since, with stops handed over and
/// cosignatures grown old: what counts is how all of it stands here and now.
fn reserve(
    steps: &[stack::Step<'_>],
    opened: &[Vec<Opening>],
    push: &Push<'_>,
    desk: &mut Desk,
    clock: Clock<'_>,
) -> Result<Option<Vec<Reservation>>, GateError> {
    let mut journal = push.gate.journal()?;
    if !desk.is_current()? {
        return Ok(None);
    }
    let brought = Brought::new();
    for (step, openings) in steps.iter().zip(opened) {
        let judge = step.judge(desk, clock, &brought);
        openings.iter().try_for_each(|opening| judge.still_opens(opening))?;
    }
    if !desk.is_current()? {
        return Ok(None);
    }
    for openings in opened {
        spend::nothing_withheld(&journal, desk, openings).map_err(|error| match error {
            DeskError::Refused(refusal) => GateError::from(Refused::of(&refusal)),
            other => other.into(),
        })?;
    }
    let Push { gate, branch, old, .. } = push;
    begins_at_the_tip(gate, &branch.branch, old)?;
    // For the process that judged it, which asks again before it moves the branch.
    let (by, leaves) = (Some(&gate.caller), Some(desk.leaves()?));
    let moves = opened.iter().zip(steps).map(|(openings, step)| (openings.as_slice(), &step.transition));
    let moves: Vec<_> = moves.collect();
    Ok(Some(spend::reserve(&mut journal, &moves, by, leaves, clock())?))
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
    let journal = gate.journal()?;
    given
        .into_iter()
        .map(|text| {
            let bytes = STANDARD.decode(text).map_err(|_| malformed())?;
            let digest = Envelope::parse(&bytes).map_err(|_| malformed())?.payload_digest();
            spend::unspent(&journal, &digest)?;
            Ok(bytes)
        })
        .collect()
}

/// Push options as git hands them to a hook.
pub fn push_options(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let count = variable("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    (0..count.min(MAX_PERMITS * 4)).filter_map(|n| variable(&format!("GIT_PUSH_OPTION_{n}"))).collect()
}
