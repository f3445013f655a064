//! A push while the log cannot be reached: it is refused with the lines that open it in an emergency, and let through where enough
//! of those who are entitled have signed it over what this gate drew.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    glass::{GLASS_SECS, all_of},
    ids::ChangeId,
    refusal::Refusal,
    subject::Transition,
};
use countersign_ledger::{Envelope, Time};
use serde::Serialize;

use super::{
    FOLDER, GateError, GitGate, alone, carried, drill,
    examine::Push,
    judge::Judge,
    receive::{begins_at_the_tip, closed},
    refused::{Refused, shell_word},
};
use crate::{
    clock::Clock,
    gates::{
        desk::{Desk, DeskError, spend},
        glass::{Drawn, Glass, Kept, draw},
        journal::Reservation,
    },
};

/// `git push -o countersign-break-glass=BASE64`: what `countersign break-glass --at …` wrote.
pub const GLASS_OPTION: &str = "countersign-break-glass=";

/// As much as git takes in one push option.
pub const MAX_CHARS: usize = 65_000;

pub fn kept(gate: &GitGate) -> Kept {
    Kept::of(&gate.repository.join(FOLDER))
}

/// Keeps what a push brings along, and gives it.
pub(super) fn take(gate: &GitGate, options: &[String]) -> Result<Vec<Envelope>, GateError> {
    let mut brought = Vec::new();
    let given = options.iter().filter_map(|option| option.strip_prefix(GLASS_OPTION));
    for text in given {
        if text.len() > MAX_CHARS {
            let said =
                format!("{GLASS_OPTION} has {} characters, and a push takes {MAX_CHARS} at the most", text.len());
            return Err(Refused::new("malformed-break-glass", said)
                .note("whoever may write to this gate hands it the file, on its machine; then push without it:")
                .command("countersign gate break-glass REPO FILE")
                .into());
        }
        let bytes = STANDARD.decode(text).map_err(|_| {
            Refused::new("malformed-break-glass", format!("{GLASS_OPTION} is no such file in base64"))
                .note("it is the file that `countersign break-glass --at …` wrote:")
                .command(format!("git push -o {GLASS_OPTION}$(base64 -w0 FILE) origin HEAD:BRANCH"))
                .note("or whoever may write to this gate hands it the file, on its machine; then push without it:")
                .command("countersign gate break-glass REPO FILE")
        })?;
        let glass = Glass::read(&bytes).map_err(|refusal| Refused::of(&refusal))?;
        kept(gate).keep(&glass).map_err(|refusal| Refused::of(&refusal))?;
        brought.push(glass.said.envelope);
    }
    Ok(brought)
}

/// Lets a push through on people's word, or says how they give it.
pub(super) fn judge(
    push: &Push<'_>,
    transition: &Transition,
    desk: &mut Desk,
    away: DeskError,
    brought: &[Envelope],
    clock: Clock<'_>,
) -> Result<Vec<Reservation>, GateError> {
    let gate = push.gate;
    let is_away = alone::is_away(&away);
    let away = closed(away.into());
    desk.check_alone(clock())?;
    let reference = transition.reference()?;
    let mut all = kept(gate).all().map_err(|refusal| Refused::of(&refusal))?;
    all.retain(|glass| glass.says().is_ok_and(|said| said.transition == reference));
    // What was brought along with this push is what whoever pushes is told about.
    all.sort_by_key(|glass| !brought.contains(&glass.said.envelope));
    let mut why_not = None;
    for glass in all {
        match open(push, transition, desk, &glass, clock) {
            Ok(reserved) => return Ok(reserved),
            Err(error) => why_not = why_not.or(Some(error)),
        }
    }
    let away = match why_not {
        Some(error @ GateError::Refused(_)) => error,
        Some(error) => return Err(error),
        None if is_away => match alone::judge(push, transition, desk, clock) {
            Ok(reserved) => return Ok(reserved),
            Err(why) => nor_alone(gate, away, why),
        },
        None => away,
    };
    Err(how(push, transition, desk, away, clock()))
}

fn open(
    push: &Push<'_>,
    transition: &Transition,
    desk: &mut Desk,
    glass: &Glass,
    clock: Clock<'_>,
) -> Result<Vec<Reservation>, GateError> {
    let gate = push.gate;
    let (nonce, at) = gate.journal()?.drawn(transition, clock()).ok_or_else(|| {
        Refused::new("not-drawn", "this gate has drawn nothing for this push within the last hour")
            .note("push without it: what is refused prints what this gate draws now, and that is signed anew:")
            .command(format!("git push origin HEAD:{}", shell_word(push.branch.short())))
    })?;
    let refused = |error| match error {
        DeskError::Refused(refusal) => GateError::from(Refused::of(&refusal)),
        other => other.into(),
    };
    let (counting, others) = desk.counting(glass, clock()).map_err(refused)?;
    let words = |other: &Refusal| format!("a signature does not count: {other}");
    let glass = &counting;
    let opening = desk.open_glass(glass, (&nonce, at), transition, clock()).map_err(|error| match error {
        DeskError::Refused(refusal) => others.iter().map(words).fold(Refused::of(&refusal), Refused::note).into(),
        other => GateError::from(other),
    })?;
    others.iter().map(words).for_each(|line| eprintln!("countersign: {line}"));
    let brought = glass.blobs();
    let judge = Judge { push, desk, transition, clock, brought: &brought };
    judge.lands(opening.change())?;
    judge.covers(std::slice::from_ref(&opening), &push.targets()?)?;
    let mut journal = gate.journal()?;
    begins_at_the_tip(gate, &push.branch.branch, &push.old)?;
    if !others.is_empty() {
        // As the log takes it.
        kept(gate).keep(glass).map_err(|refusal| Refused::of(&refusal))?;
    }
    let openings = [opening];
    let reserved =
        spend::reserve(&mut journal, &[(openings.as_slice(), transition)], Some(&gate.caller), None, clock())?;
    let by = openings.iter().filter_map(|opening| opening.permit().broken.as_ref()).flat_map(|broken| broken.by.keys());
    let by: Vec<&str> = by.map(|person| person.as_str()).collect();
    eprintln!(
        "countersign: the glass is broken by {}, without the log; somebody else looks at it afterwards",
        by.join(" and ")
    );
    Ok(reserved)
}

/// Why this gate does not decide it alone either.
fn nor_alone(gate: &GitGate, away: GateError, why: GateError) -> GateError {
    let GateError::Refused(refused) = away else { return away };
    let (refused, code) = match why {
        GateError::Refused(why) => {
            (refused.note(format!("nor does it decide this alone: {} [{}]", why.what(), why.code)), why.code)
        }
        other => (refused.note(format!("nor does it decide this alone: {other}")), other.code()),
    };
    // Where people break the glass only, no bundle helps.
    if gate.trust.cosigners.is_none() || code == "not-alone" {
        return refused.into();
    }
    refused
        .note("what was approved since, where others reach the log, a bundle that followers cosigned tells it, on its machine:")
        .command("countersign gate sync REPO --bundle FILE")
        .into()
}

/// The refusal, with the lines by which people open it all the same.
fn how(push: &Push<'_>, transition: &Transition, desk: &Desk, away: GateError, now: Time) -> GateError {
    let GateError::Refused(refused) = away else { return away };
    match lines(push, transition, desk, now) {
        Ok(Some(lines)) => {
            let (note, commands) = lines;
            commands.iter().fold(refused.note(note), |refused, command| refused.command(command)).into()
        }
        // The refusal itself matters more.
        Ok(None) | Err(_) => GateError::Refused(refused),
    }
}

fn lines(
    push: &Push<'_>,
    transition: &Transition,
    desk: &Desk,
    now: Time,
) -> Result<Option<(String, Vec<String>)>, GateError> {
    let gate = push.gate;
    let targets = push.targets()?;
    let needed = desk.needed_without_the_log(&targets, now)?;
    if desk.entitled(&targets, now)? < needed {
        return Ok(None);
    }
    let (checkpoint, epoch) = desk.in_front_of()?;
    let (nonce, at) = draw(&mut gate.journal()?, transition, now)?;
    let until = at.plus_secs(GLASS_SECS);
    let drawn = Drawn {
        audience: desk.key(),
        change: None,
        checkpoint,
        drill: false,
        epoch,
        gate: gate.config().name.clone(),
        log: gate.trust().origin.clone(),
        needed,
        nonce,
        targets: targets.clone(),
        transition: transition.clone(),
        until,
    };
    let names = all_of(&targets);
    let who = match needed {
        1 => format!("one person who owns {names} or is a senior opens it"),
        n => format!("{n} people who own {names} or are seniors open it"),
    };
    let note = format!("in an emergency, until {until}, {who} for this push alone:");
    let mut commands = vec![format!("countersign break-glass --git . --why TEXT --at {}", drawn.word()?)];
    if needed > 1 {
        commands.push("countersign break-glass --git . --cosign FILE".to_owned());
    }
    commands
        .push(format!("git push -o {GLASS_OPTION}$(base64 -w0 FILE) origin HEAD:{}", shell_word(push.branch.short())));
    Ok(Some((note, commands)))
}

/// What people signed while the log was away, and it does not take.
#[derive(Clone, Debug, Serialize)]
pub struct NotTaken {
    pub change: ChangeId,
    pub why: String,
    /// Whether the change came along with it, so that the log has that, and it is open.
    pub is_open: bool,
}

impl NotTaken {
    /// Says it to whoever is there.
    pub(super) fn told(change: ChangeId, what: &str, why: String, is_open: bool) -> Self {
        let not_taken = Self { change, why, is_open };
        not_taken.lines(what).iter().for_each(|line| eprintln!("countersign: {line}"));
        not_taken
    }

    fn lines(&self, what: &str) -> Vec<String> {
        let short = self.change.short();
        let mut lines = vec![format!("the log does not take {what} for change {short}: {}", self.why)];
        if self.is_open {
            lines.push(format!(
                "the change stays open, and cannot land, as the branch has it already; who proposed it closes it: countersign withdraw {short}"
            ));
        }
        lines.push(
            "the branch stands where no permit put it; say what it was: countersign gate status REPO --answer WHY"
                .to_owned(),
        );
        lines
    }
}

/// Tells the log what people signed while it was away. What it does not take is found as a move that no permit allowed.
pub(super) fn hand_on(gate: &GitGate, desk: &Desk, now: Time) -> Result<Vec<NotTaken>, GateError> {
    let kept = kept(gate);
    carried::forget(gate, desk.leaves()?)?;
    let mut not_taken = alone::hand_on(gate, desk, now)?;
    drill::hand_on(gate, desk)?;
    for (glass, why) in desk.hand_on_glass(&kept)? {
        let permit = glass.said.signed.payload();
        let change = glass.says().map_err(|refusal| Refused::of(&refusal))?.change.clone();
        not_taken.push(NotTaken::told(change, "what broke the glass", why, glass.proposal.is_some()));
        alone::lost(gate, permit, now)?;
        kept.forget(&glass).map_err(|refusal| Refused::of(&refusal))?;
    }
    Ok(not_taken)
}

/// Whatever came along, by its digest.
pub(super) type Brought = BTreeMap<countersign_ledger::Digest, Vec<u8>>;
