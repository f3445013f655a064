//! Whom to ask for an approval, and why.

use std::collections::BTreeMap;

use countersign_core::{
    explain::{Past, Reviewer},
    presence::Presence,
};
use serde_json::{Value, json};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, faint, printable},
};
use crate::{client::ChangePrefix, clock, known::KnownLog, reading::Reading};

/// Show whom to ask for the approvals that a change lacks, at most five, and why.
///
/// Who could approve is worked out here, by the signed rules, catalog and calendars. Who knows the systems and files, and what waits for
/// whom, is as the server tells it, and only puts them in order.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    countersign reviewers 9f2c4e6a81d0")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let reading = log.read(&args.change, clock::now())?;
    let now = clock::now();
    let found = found(&log, &reading, log.standing(None, now)?.presence(now))?;
    match global.format {
        Format::Json => output::json(&json!({ "change": reading.change().id, "reviewers": to_json(&found) }))?,
        Format::Text if !reading.change().status.is_open() => anstream::println!(
            "change {} is {}; nobody is asked for an approval of it any more",
            reading.change().id.short(),
            reading.change().status.as_str()
        ),
        Format::Text if found.is_empty() => anstream::println!(
            "nobody can give an approval now that would count: countersign show {}",
            reading.change().id.short()
        ),
        Format::Text => lines(&found).iter().for_each(|line| anstream::println!("{line}")),
    }
    Ok(Exit::Done)
}

fn found(log: &KnownLog, reading: &Reading, presence: Presence) -> Result<Vec<Reviewer>, CliError> {
    let told = log.client.familiar(&reading.change().id)?.people.into_iter();
    let past = told.map(|(person, line)| {
        (person, Past { approved: line.approved, made: line.made, files: line.files, open: line.open })
    });
    let past: BTreeMap<_, _> = past.collect();
    Ok(reading.clone().with_presence(presence).reviewers(&past)?)
}

/// The same beside how a change stands, with how people stand who have not spoken about it: where the server tells of nobody who was here before, the to-do list names whoever could.
pub fn beside(log: &KnownLog, reading: &Reading, presence: Presence) -> Vec<Reviewer> {
    let known = |one: &Reviewer| one.past.approved > 0 || one.past.made > 0;
    match reading.change().status.is_open() {
        true => found(log, reading, presence).ok().filter(|found| found.iter().any(known)).unwrap_or_default(),
        false => Vec::new(),
    }
}

/// Prints them under a heading, if there are any.
pub fn tell(found: &[Reviewer]) {
    if !found.is_empty() {
        anstream::println!("ask {}", faint("(countersign reviewers)"));
        lines(found).iter().for_each(|line| anstream::println!("  {line}"));
    }
}

fn lines(found: &[Reviewer]) -> Vec<String> {
    found.iter().map(|one| format!("{:<16} {}", one.person.as_str(), printable(&one.why()))).collect()
}

pub fn to_json(found: &[Reviewer]) -> Vec<Value> {
    let one = |one: &Reviewer| {
        let Past { approved, made, files, open } = one.past;
        json!({
            "person": one.person,
            "supplies": one.supplies,
            "approved": approved,
            "made": made,
            "same_files": files,
            "open": open,
            "away": one.away,
            "why": one.why(),
        })
    };
    found.iter().map(one).collect()
}
