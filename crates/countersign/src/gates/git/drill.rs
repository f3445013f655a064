//! Drills: what breaks the glass in an outage, walked from end to end at a probe (`refs/countersign/probe`), which is no branch and at
//! which nothing happens. The server is not asked, whether or not it is there; the log hears of it at the next contact.
//!
//! Invariant: what is signed for a drill is no [`BreakGlass`](countersign_core::statement::BreakGlass), and opens nothing but the probe.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    drill::PROBE,
    glass::{self, GLASS_SECS},
    ids::{ActorId, Oid, Target},
    statement::Body,
    subject::{GitTransition, Transition},
};
use countersign_ledger::Time;

use super::{FOLDER, GateError, GitGate, Update, Value, outage::GLASS_OPTION, refused::Refused};
use crate::{
    clock::Clock,
    gates::{
        alone::Kept,
        desk::{Desk, DeskError},
        glass::{Drawn, Part, draw},
        journal::Event,
    },
    wire::Submit,
};

/// `git push -o countersign-drill=SYSTEM/ENV`: what is drilled for, where a gate guards several.
pub const TARGET_OPTION: &str = "countersign-drill=";

const MAX_CHARS: usize = 64 * 1024;

pub fn kept(gate: &GitGate) -> Kept {
    Kept::drills(&gate.repository.join(FOLDER))
}

/// Lets the probe move on a drill, or says how people sign one.
pub(super) fn judge(gate: &GitGate, updates: &[Update], options: &[String], clock: Clock<'_>) -> Result<(), GateError> {
    let [Update { old: Value::Object(old), new: Value::Object(new), .. }] = updates else {
        return Err(Refused::new("several-branches", format!("{PROBE} is moved alone"))
            .command(format!("git push origin HEAD:{PROBE}"))
            .into());
    };
    if new.is_zero() {
        return Ok(());
    }
    let targets = targets(gate, options)?;
    let moved = GitTransition {
        repository: gate.config.repository.clone(),
        reference: PROBE.to_owned(),
        old: old.clone(),
        new: new.clone(),
    };
    let transition = Transition::Git(moved);
    let mut desk = gate.desk()?;
    desk.check_alone(clock())?;
    let Some(part) = given(options)? else { return Err(how(gate, &desk, transition, targets, clock())?.into()) };
    let by = check(gate, &desk, &part, &transition, (new, &targets), clock)?;
    let by: Vec<&str> = by.iter().map(ActorId::as_str).collect();
    eprintln!("countersign: drilled by {}: the glass would have opened, without the log", by.join(" and "));
    Ok(())
}

fn targets(gate: &GitGate, options: &[String]) -> Result<BTreeSet<Target>, GateError> {
    let guarded = gate.config.targets();
    let named = options.iter().filter_map(|option| option.strip_prefix(TARGET_OPTION));
    let mut targets = BTreeSet::new();
    for name in named {
        let target = name.parse::<Target>().ok().filter(|target| guarded.contains(target));
        targets.insert(target.ok_or_else(|| {
            let names: Vec<String> = guarded.iter().map(ToString::to_string).collect();
            Refused::new("another-gate", format!("this gate guards no `{name}`"))
                .note(format!("it guards {}", names.join(", ")))
        })?);
    }
    Ok(if targets.is_empty() { guarded } else { targets })
}

fn given(options: &[String]) -> Result<Option<Part>, GateError> {
    let Some(text) = options.iter().find_map(|option| option.strip_prefix(GLASS_OPTION)) else { return Ok(None) };
    let read = || -> Option<Part> {
        let bytes = if text.len() > MAX_CHARS { None } else { STANDARD.decode(text).ok() }?;
        let submit: Submit = serde_json::from_slice(&bytes).ok()?;
        Part::of(&submit).ok().filter(|part| matches!(part.signed.statement().body, Body::Drill(_)))
    };
    let part = read().ok_or_else(|| {
        Refused::new("malformed-drill", "what came along is no drill, and nothing else moves the probe")
            .note("it is the file that `countersign break-glass --at …` wrote for this probe")
    })?;
    Ok(Some(part))
}

fn check(
    gate: &GitGate,
    desk: &Desk,
    part: &Part,
    transition: &Transition,
    (new, targets): (&Oid, &BTreeSet<Target>),
    clock: Clock<'_>,
) -> Result<BTreeSet<ActorId>, GateError> {
    let Body::Drill(said) = &part.signed.statement().body else { return Ok(BTreeSet::new()) };
    let mut journal = gate.journal()?;
    let now = clock();
    let drawn = journal.drawn(transition, now).filter(|(nonce, _)| !journal.has_drilled(nonce));
    let (nonce, at) = drawn.ok_or_else(|| {
        Refused::new("not-drawn", "this gate has drawn nothing for this drill within the last hour, or it was used")
            .note("push without it: what is refused prints what this gate draws now")
    })?;
    if said.tip != *new || said.repository != gate.config.repository || said.targets != *targets {
        return Err(Refused::new("another-drill", "it was signed for another commit, repository or target").into());
    }
    let refused = |error| match error {
        DeskError::Refused(refusal) => GateError::from(Refused::of(&refusal)),
        other => other.into(),
    };
    let (part, others) = desk.those_who_count(part, targets, now).map_err(refused)?;
    for other in &others {
        eprintln!("countersign: a signature does not count: {other}");
    }
    let by = desk.check_drill(&part, (&nonce, at), now).map_err(refused)?;
    kept(gate).keep(&part).map_err(|refusal| Refused::of(&refusal))?;
    journal.write(Event::Drilled { nonce, at: now })?;
    Ok(by)
}

/// The refusal, with the lines that are signed. They are those of an emergency.
fn how(
    gate: &GitGate,
    desk: &Desk,
    transition: Transition,
    targets: BTreeSet<Target>,
    now: Time,
) -> Result<Refused, GateError> {
    let governance = desk.governance()?;
    let needed = desk.needed_without_the_log(&targets, now)?;
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let entitled = glass::entitled(&governance, &targets, now).len();
    if entitled < needed {
        return Ok(Refused::new(
            "glass-people",
            format!("{entitled} people could open {names} without the log, and it takes {needed}"),
        )
        .note("name one target: git push -o countersign-drill=SYSTEM/ENV …"));
    }
    let (checkpoint, epoch) = desk.in_front_of()?;
    let (nonce, at) = drawn_anew(gate, &transition, now)?;
    let until = at.plus_secs(GLASS_SECS);
    let options: String = targets.iter().map(|target| format!("-o {TARGET_OPTION}{target} ")).collect();
    let drawn = Drawn {
        audience: desk.key(),
        change: None,
        checkpoint,
        drill: true,
        epoch,
        gate: gate.config.name.clone(),
        log: gate.trust.origin.clone(),
        needed,
        nonce,
        targets,
        transition,
        until,
    };
    let people = if needed == 1 { "one person who owns".to_owned() } else { format!("{needed} people who own") };
    let mut refused = Refused::new("drill", format!("a drill for {names} is signed as an emergency would be"))
        .note(format!("until {until}, by {people} it or are seniors:"))
        .command(format!("countersign break-glass --git . --why drill --at {}", drawn.word()?));
    if needed > 1 {
        refused = refused.command("countersign break-glass --git . --cosign FILE");
    }
    Ok(refused.command(format!("git push {options}-o {GLASS_OPTION}$(base64 -w0 FILE) origin HEAD:{PROBE}")))
}

/// What was drawn and not used, or something new.
fn drawn_anew(
    gate: &GitGate,
    transition: &Transition,
    now: Time,
) -> Result<(countersign_core::ids::Nonce, Time), GateError> {
    let mut journal = gate.journal()?;
    if let Some((nonce, _)) = journal.drawn(transition, now)
        && journal.has_drilled(&nonce)
    {
        let nonce = crate::random::nonce();
        journal.write(Event::Drawn { nonce: nonce.clone(), transition: transition.clone(), at: now })?;
        return Ok((nonce, now));
    }
    Ok(draw(&mut journal, transition, now)?)
}

/// Tells the log of drills.
pub(super) fn hand_on(gate: &GitGate, desk: &Desk) -> Result<(), GateError> {
    let kept = kept(gate);
    let all = kept.all().map_err(|refusal| Refused::of(&refusal))?;
    let acted = all.iter().map(|part| part.signed.payload()).collect();
    for (part, why) in desk.hand_on_alone(&kept, &acted)? {
        eprintln!("countersign: the log does not take a drill: {why}");
        kept.forget(&part).map_err(|refusal| Refused::of(&refusal))?;
    }
    Ok(())
}
