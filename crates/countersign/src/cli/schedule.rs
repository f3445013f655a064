//! `permit --not-before`: when a change may land. What is signed stands on the change itself, and every gate obeys it.

use countersign_core::{
    schedule::{NoRoom, room},
    statement::{Body, Schedule, Window},
};
use countersign_ledger::Time;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, warn},
    submit::{self, announce},
    times,
};
use crate::{client::ChangePrefix, clock, wire::rfc3339};

/// When it may land.
#[derive(Debug, clap::Args)]
pub struct When {
    /// Put it off: it lands from then on, and not before: 2026-11-28T06:00:00Z, or without the Z in the time of this machine.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["out", "gate", "old", "new"])]
    not_before: Option<String>,
    /// It lands before then, or not at all.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["out", "gate", "old", "new"])]
    until: Option<String>,
    /// Take back what you said of when it lands.
    #[arg(long, conflicts_with_all = ["not_before", "until", "out", "gate", "old", "new"])]
    any_time: bool,
}

impl When {
    fn window(&self) -> Result<Option<Window>, CliError> {
        let window = Window {
            not_before: self.not_before.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
        };
        Ok(Some(window).filter(|_| !self.any_time))
    }
}

/// What clocks here show twice, or never, names no moment that two people would understand alike.
fn moment(text: &str) -> Result<Time, CliError> {
    if let (Err(_), Ok(wall)) = (text.parse::<Timestamp>(), text.parse::<DateTime>()) {
        let zone = TimeZone::system();
        let ambiguous = zone.to_ambiguous_zoned(wall);
        if ambiguous.is_ambiguous() {
            return Err(CliError::usage(format!(
                "`{text}` is no moment: clocks here are changed then, and show it twice or never"
            ))
            .hint("say it in UTC, as in 2026-10-25T00:30:00Z"));
        }
    }
    super::calendar::moment(text)
}

/// `2026-11-28 07:00 here (2026-11-28T06:00:00Z)`: whoever signs sees both.
fn both(at: Time) -> String {
    let at = rfc3339(at);
    format!("{} here ({at})", times::local(&at))
}

fn words(window: &Window) -> String {
    match (window.not_before, window.until) {
        (Some(from), Some(until)) => format!("not before {}, and until {}", both(from), both(until)),
        (Some(from), None) => format!("not before {}", both(from)),
        (None, Some(until)) => format!("until {}", both(until)),
        (None, None) => "at any time".to_owned(),
    }
}

pub fn run(global: &Global, change: &ChangePrefix, when: &When) -> Result<Exit, CliError> {
    let window = when.window()?;
    let session = global.session()?;
    let reading = session.read(change)?;
    let view = reading.view()?;
    let (short, me, now) = (view.id.short().to_owned(), session.speaker.me.clone(), clock::now());
    let all = reading.change().window_with(&me, window);
    if let Some(window) = &window {
        has_room(&session, &reading, all.as_ref().unwrap_or(window), now)?;
    }
    let said = window.as_ref().map_or("at any time, as far as you are concerned".to_owned(), words);
    let mut lines = vec![format!("that change {short} lands {said}: {}", view.title)];
    if let Some(all) = all.as_ref().filter(|all| Some(**all) != window) {
        lines.push(format!("with what others said, it lands {}", words(all)));
    }
    let void = reading.change().approvals.iter().filter(|approval| {
        let before = reading.change().is_still_within(approval.within.as_ref());
        let seen = approval.within.as_ref();
        before && seen.is_some_and(|seen| !all.as_ref().is_some_and(|all| all.is_within(seen)))
    });
    let void: Vec<&str> = void.map(|approval| approval.by.as_str()).collect();
    if !void.is_empty() {
        lines.push(format!("the approvals by {} were for another time, and count no more", output::list(void)));
    }
    announce(&session.speaker, &lines);
    let body = Body::Schedule(Schedule { change: view.id.clone(), revision: reading.revision_ref(), window });
    submit::say(global, &session, body, &[], |_| match &window {
        Some(window) => format!("{me} has said that {short} lands {}", words(window)),
        None => format!("{me} has taken back what they said of when {short} lands"),
    })
}

/// Refuses a window that calendars leave nothing of, and tells where they leave less.
fn has_room(
    session: &submit::Session,
    reading: &crate::reading::Reading,
    window: &Window,
    now: Time,
) -> Result<(), CliError> {
    let state = session.log.standing(None, now)?;
    match room(&state.governance, reading.change(), window, now) {
        Ok(first) => {
            if first > window.not_before.unwrap_or(now).max(now) {
                let at = both(first);
                anstream::eprintln!("{}: a freeze or a shut window leaves it from {at} on", warn("note"));
            }
            Ok(())
        }
        Err(NoRoom { by, next }) => {
            let what = format!("nothing of that window is left: {} is in the way", output::list(&by));
            let error = CliError::refused("no-room", what);
            Err(match next {
                Some(next) => {
                    error.hint(format!("it could land from {} on: --not-before {}", both(next), rfc3339(next)))
                }
                None => error.hint("nothing is free within a year: countersign calendar"),
            })
        }
    }
}
