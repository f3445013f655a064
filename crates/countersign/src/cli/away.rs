//! `away`, `back`: a person's own word that they are away, and its end.

use std::{collections::BTreeSet, path::PathBuf};

use countersign_core::{
    absence::AwayRecord,
    statement::{Away, Back, Body},
};
use countersign_ledger::{Digest, Time};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::json;

use super::{
    Global, calendar,
    error::{CliError, Exit},
    me::Me,
    output::{self, Format, good, heading},
    stop, submit, times,
};
use crate::{clock, wire::rfc3339};

/// Say that you are away, until when.
///
/// You are named after all others meanwhile, and counted as away by `coverage`. What your key signs grants nothing until you are back:
/// no approval, no waiver, nothing that takes two. It still stops, and breaks the glass. Who stands in for you: `countersign delegate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign away --until 2026-12-31                      from now on, that day and all before it\n  \
    countersign away --from 2026-12-24 --until 2026-12-31    planned\n  \
    countersign back                                         before the time")]
pub struct AwayArgs {
    /// Until when: a day is meant whole. `2026-12-31`, `2026-12-31T18:00` (here) or `2026-12-31T17:00:00Z`.
    #[arg(long, value_name = "TIME")]
    until: String,
    /// From when on; now, if it is not said.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Without the server: sign by this copy of the log, for a gate to be told (countersign gate stop).
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

/// Say that you are back.
#[derive(Debug, clap::Args)]
pub struct BackArgs {
    /// End what you have planned, too.
    #[arg(long)]
    planned: bool,
}

/// The moment at which something ends that lasts until then: of a day its last.
pub(super) fn until(text: &str) -> Result<Time, CliError> {
    let day: Option<Date> = text.parse().ok().filter(|_| !text.contains('T'));
    // Not every day has 24 hours.
    match day.and_then(|day| day.tomorrow().ok()?.to_zoned(TimeZone::system()).ok()) {
        Some(next) => Ok(Time::from_unix_millis(next.timestamp().as_millisecond())),
        None => calendar::moment(text),
    }
}

pub(super) fn local(at: Time) -> String {
    times::local(&rfc3339(at))
}

pub fn away(global: &Global, args: &AwayArgs) -> Result<Exit, CliError> {
    let from = args.from.as_deref().map(calendar::moment).transpose()?;
    let said = Away { from, until: until(&args.until)? };
    let begins = from.map_or("now".to_owned(), local);
    let what = format!("away from {begins} until {}; what your key signs meanwhile grants nothing", local(said.until));
    if let Some(copy) = &args.copy {
        return stop::away(global, copy, said, &what);
    }
    let session = global.session()?;
    submit::announce(&session.speaker, &[what]);
    let receipt = session.say(Body::Away(said.clone()), &[])?;
    match global.format {
        Format::Json => output::json(&json!({
            "away": receipt.statement, "leaf": receipt.index, "from": from.map(rfc3339), "until": rfc3339(said.until),
        }))?,
        Format::Text => {
            anstream::println!("{}: away until {} (leaf {})", good("said"), local(said.until), receipt.index);
            heading("Next");
            let at = from.map(|from| format!(" --at {}", rfc3339(from))).unwrap_or_default();
            anstream::println!("  whom they ask meanwhile:  countersign coverage{at}");
            // Whoever is away grants nothing, and so delegates nothing.
            if from.is_some_and(|from| from > clock::now()) {
                anstream::println!(
                    "  somebody in your place:   countersign delegate ROLE --to PERSON --until {}",
                    args.until
                );
            }
            anstream::println!("  back before that:         countersign back");
        }
    }
    Ok(Exit::Done)
}

pub fn back(global: &Global, args: &BackArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    let me = Me::of(global, &session.log)?;
    let now = clock::now();
    let record = me.state.person(me.known()?)?;
    let all: Vec<&AwayRecord> =
        record.into_iter().flat_map(|record| &record.away).filter(|one| !one.is_over(now)).collect();
    let meant: BTreeSet<Digest> =
        all.iter().filter(|one| args.planned || one.holds(now)).map(|one| one.statement).collect();
    if meant.is_empty() {
        let error = CliError::new("no-absence", format!("{} has not said that they are away", session.speaker.me));
        return Err(match all.first() {
            Some(planned) => error
                .hint(format!("what is planned, from {} on, ends by: countersign back --planned", local(planned.from))),
            None => error.hint("an absence of a calendar is changed there: countersign calendar"),
        });
    }
    submit::announce(&session.speaker, &["back: what your key signs counts again".to_owned()]);
    let receipt = session.say(Body::Back(Back { away: meant.clone() }), &[])?;
    match global.format {
        Format::Json => output::json(&json!({"ended": meant, "leaf": receipt.index}))?,
        Format::Text => {
            anstream::println!("{}: back (leaf {})", good("said"), receipt.index);
            anstream::println!("  what waits for you: countersign");
        }
    }
    Ok(Exit::Done)
}
