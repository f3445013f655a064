//! Admission of schedules. A window only takes away, so whoever has a say about a change sets one: whoever made it, an owner of
//! what it goes to, a senior. Each takes back only their own, and what others approved is approved for the times that they saw.

use countersign_ledger::Time;

use super::{Authenticated, person};
use crate::{
    change::Change,
    governance::Governance,
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Schedule, Window},
    take,
};

/// How far ahead a change is put off.
pub const MAX_AHEAD_SECS: i64 = 92 * 24 * 60 * 60;
/// How many people's windows a change has, and how often one of them says another: each is a leaf.
pub const MAX_WINDOWS: usize = 8;
pub const MAX_SCHEDULES: u32 = 20;

pub(super) fn admit(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &Schedule,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "say when a change lands")?;
    let short = change.id.short();
    let Some(window) = said.window else {
        return match change.windows().any(|(other, _)| *other == by) {
            true => Ok(()),
            false => Err(Refusal::conflict("not-scheduled", format!("{by} has set no window for change {short}"))
                .hint(format!("whose they are: countersign show {short}; each takes back their own"))),
        };
    };
    if !has_a_say(governance, change, &by) {
        return Err(Refusal::forbidden(
            "not-theirs-to-schedule",
            format!("{by} neither made change {short} nor owns what it goes to, and is no senior"),
        )
        .hint(format!("say what speaks against a time: countersign comment {short} TEXT, or reject it")));
    }
    lasts(&window, now)?;
    let others = change.schedules.keys().filter(|other| **other != by).count();
    let times = change.schedules.get(&by).map_or(0, |record| record.times);
    if others >= MAX_WINDOWS || times >= MAX_SCHEDULES {
        return Err(Refusal::conflict(
            "scheduled-too-often",
            format!("{by} has said {times} times when change {short} lands, and {others} others have said it, too"),
        )
        .hint("withdraw it and propose it anew when its time is known"));
    }
    match change.window_with(&by, Some(window)) {
        Some(all) if all.is_empty() => {
            let theirs: Vec<String> = change
                .windows()
                .filter(|(other, _)| **other != by)
                .map(|(other, window)| format!("{other}: {window}"))
                .collect();
            Err(Refusal::conflict(
                "no-time-left",
                format!("there is no moment in that window and in those that stand ({})", theirs.join("; ")),
            )
            .hint("name a time that is in all of them, or have whoever set the other one take it back with --any-time"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whoever made it, an owner, a senior.
fn has_a_say(governance: &Governance, change: &Change, by: &ActorId) -> bool {
    let owns = change.targets.iter().any(|target| governance.owns(by, &target.system));
    let senior = governance.person(by).is_some_and(|actor| actor.level.is_senior());
    owns || senior || take::contributors(governance, change).all.contains(by)
}

fn lasts(window: &Window, now: Time) -> Result<(), Refusal> {
    let wrong = |what: String, hint: &str| Err(Refusal::malformed("schedule-window", what).hint(hint.to_owned()));
    if window.not_before.is_none() && window.until.is_none() {
        return wrong("a window names its beginning, its end, or both".to_owned(), "--not-before TIME, --until TIME");
    }
    if window.is_empty() {
        return wrong(
            format!("there is no moment {window}"),
            "the end comes after the beginning; a time without Z is this machine's",
        );
    }
    if window.is_over(now) {
        return wrong(format!("{window}: that is over"), "name a time to come, as in 2026-11-28T06:00:00Z");
    }
    let last = window.until.max(window.not_before);
    if last.is_some_and(|last| last.secs_since(now) > MAX_AHEAD_SECS) {
        let days = MAX_AHEAD_SECS / 86_400;
        return wrong(format!("{window}: that is more than {days} days ahead"), "propose it when its time is nearer");
    }
    Ok(())
}

/// An approval is of the window that stands: whoever signs it has looked at that.
pub(super) fn is_as_seen(change: &Change, seen: Option<&Window>) -> Result<(), Refusal> {
    let stands = change.window();
    if stands.as_ref() == seen {
        return Ok(());
    }
    let words = |window: Option<&Window>| window.map_or("at any time".to_owned(), ToString::to_string);
    Err(Refusal::conflict(
        "rescheduled",
        format!("the approval is for landing {}, and the change lands {}", words(seen), words(stands.as_ref())),
    )
    .hint(format!("look at it again, then sign again: countersign show {}", change.id.short())))
}

/// A permit is started in the window alone.
pub(super) fn stopping(change: &Change, now: Time) -> Result<(), Refusal> {
    match change.window().filter(|window| !window.is_open(now)) {
        Some(window) => {
            Err(Refusal::conflict("outside-window", format!("change {} lands {window}, and not now", change.id))
                .hint(format!("whose window that is, and how it is moved: countersign show {}", change.id.short())))
        }
        None => Ok(()),
    }
}

/// What would count for nothing is not taken: a change that expired is revised first.
pub(super) fn is_alive(governance: &Governance, change: &Change, body: &Body, now: Time) -> Result<(), Refusal> {
    let grants = matches!(body, Body::Approval(_) | Body::Waiver(_) | Body::Schedule(_));
    let days = governance.catalog.settings.expires_after_days;
    match change.expires_at(days).filter(|at| grants && *at <= now) {
        Some(at) => Err(Refusal::conflict(
            "expired",
            format!(
                "nobody has touched change {} for {} days, and it expired at {at}",
                change.id,
                days.unwrap_or_default()
            ),
        )
        .hint(format!(
            "a revision begins it anew, with the same content or another: countersign revise {}",
            change.id.short()
        ))),
        None => Ok(()),
    }
}
