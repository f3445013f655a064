//! `join`: one command that sets up somebody's machine for a log.

use std::fs;

use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, faint, good, printable, warn},
    verify,
};
use crate::{
    client::Client,
    clock,
    doctor::{State, machine},
    joined::{self, Joined, Place},
    known::KnownLog,
    memory,
    signer::SshKeygen,
};

/// Set up this machine for a log: pin it, remember its address, and say whose your key is.
///
/// With --trust, the log that is served there has to be the one that a founder's trust.json pins, from its genesis on; nothing is
/// written before that is so. From then on commands need no --url, and with --key also no --key. Several logs can be joined:
/// --log NAME (or COUNTERSIGN_LOG) says which is meant, else it is the first, or the one that was joined with --default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign join https://countersign.example --trust trust.json\n  \
    countersign join https://other.example --trust other.json --key ~/.ssh/work --default\n  \
    countersign join                        the logs that were joined here")]
pub struct Args {
    /// Where the log is served. Without it: show what was joined.
    address: Option<String>,
    /// Make it the one that is meant where nobody says which.
    #[arg(long, requires = "address")]
    default: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    match &args.address {
        Some(address) => join(global, address.trim_end_matches('/'), args.default),
        None => list(global),
    }
}

fn join(global: &Global, address: &str, as_default: bool) -> Result<Exit, CliError> {
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return Err(CliError::usage(format!("`{address}` is no address"))
            .hint(format!("an address begins with http:// or https://: https://{address}")));
    }
    let trust = global
        .trust
        .as_deref()
        .ok_or_else(|| CliError::usage("what pins the log is missing: --trust FILE").hint(verify::TRUST_HINT))?;
    let trust = verify::read_trust(trust)?;
    let place = memory::place()?;
    let log = KnownLog::meet(Client::new(address), Some(&trust), &place, clock::now())?;
    if !log.begins_as_pinned() {
        return Err(CliError::new(
            "another-log",
            format!("the log at {address} does not begin with the pinned genesis"),
        )
        .hint("compare trust.json with a founder's; then tell whoever runs the server"));
    }
    log.pin(&trust, clock::now())?;
    let signer = global.signer();
    let key = match &global.key {
        Some(key) => Some(fs::canonicalize(key).map_err(|e| {
            CliError::new("cannot-read", format!("cannot read {}: {e}", key.display())).hint("name your key file")
        })?),
        None => None,
    };
    let joined = Joined::add(&place, &trust.origin, Place { url: address.to_owned(), key }, as_default)?;
    let usual = joined.default.as_deref() == Some(trust.origin.as_str());
    // As it is verified, governance is remembered here: whoever signs while the log is away is known by it.
    let key = signer.as_ref().ok().map(SshKeygen::fingerprint);
    let governance = log.standing(key.as_ref(), clock::now())?.governance;
    let who = key.as_ref().and_then(|key| governance.catalog.actor_by_key(key)).map(|actor| actor.id.clone());
    let broken: Vec<String> = machine::look(signer.as_ref())
        .all
        .into_iter()
        .filter(|finding| finding.state == State::Wrong)
        .map(|finding| finding.mend.map_or(finding.said.clone(), |mend| format!("{}: {mend}", finding.said)))
        .collect();
    if global.format == Format::Json {
        output::json(&json!({
            "log": trust.origin, "url": address, "default": usual, "key": key, "signer": who, "wrong": broken,
        }))?;
        return Ok(Exit::Done);
    }
    anstream::println!(
        "{} log {} at {address}, {} leaves",
        good("joined"),
        printable(&trust.origin),
        log.checkpoint().size
    );
    match (&who, &signer) {
        (Some(who), Ok(key)) => anstream::println!("you are {} with key {}", good(who), key.fingerprint()),
        (None, Ok(key)) => {
            anstream::println!("{}: key {} is nobody's in the catalog yet", warn("not known"), key.fingerprint());
            anstream::println!("  send it to somebody who amends it; you can read until then:\n  {}", key.public());
        }
        (_, Err(_)) => {}
    }
    broken.iter().for_each(|said| anstream::println!("{}: {}", warn("wrong"), printable(said)));
    if !usual {
        let name = printable(&trust.origin);
        anstream::println!(
            "{}",
            faint(format!("another log is meant where nobody says which: --log {name} names this one"))
        );
    }
    output::heading("Next");
    anstream::println!("  countersign list        the changes\n  countersign doctor      look at this machine");
    Ok(Exit::Done)
}

fn list(global: &Global) -> Result<Exit, CliError> {
    let joined = joined::here()?;
    if global.format == Format::Json {
        output::json(&joined)?;
        return Ok(Exit::Done);
    }
    for (log, place) in &joined.logs {
        let usual = if joined.default.as_ref() == Some(log) { " (default)" } else { "" };
        let key = place.key.as_ref().map(|key| format!(", key {}", key.display())).unwrap_or_default();
        anstream::println!("{} {}{key}{usual}", printable(log), printable(&place.url));
    }
    if joined.logs.is_empty() {
        anstream::println!("no log was joined here: countersign join URL --trust FILE");
    }
    Ok(Exit::Done)
}
