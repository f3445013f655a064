//! `gate sync`: a gate tells the log what it could not tell before, without anybody's push.

use std::path::PathBuf;

use super::super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, count, good, warn},
};
use serde_json::json;

use crate::{
    clock,
    gates::git::{
        GateError, GitGate, carried,
        unsent::{Sent, Unsent, sync},
    },
};

/// Ends with 3 while the log does not take all of it, and with 1 where the server cannot be reached.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bare repository
    repo: PathBuf,
    /// While the log is away from the gate: what `countersign bundle CHANGE --out FILE` wrote where it is not, of a change for which this
    /// gate was given a permit. It is decided by that, where trust.json names cosigners and enough of them cosigned it (repeatable)
    #[arg(long, value_name = "FILE")]
    bundle: Vec<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    if !args.bundle.is_empty() {
        return take(global, &gate, &args.bundle);
    }
    let sent = sync(&gate, &clock::now)?;
    match global.format {
        Format::Json => output::json(&sent)?,
        Format::Text => tell(&sent),
    }
    Ok(if sent.left.is_nothing() && sent.not_taken.is_empty() { Exit::Done } else { Exit::Refused })
}

/// Each is taken for itself; what is wrong with one ends it there.
fn take(global: &Global, gate: &GitGate, files: &[PathBuf]) -> Result<Exit, CliError> {
    for file in files {
        let taken = carried::take(gate, file, clock::now()).map_err(|error| match error {
            GateError::Desk(error) => CliError::from(error),
            error => error.into(),
        })?;
        match global.format {
            Format::Json => output::json(&json!({"change": taken.change, "age_secs": taken.age_secs}))?,
            Format::Text => anstream::println!("{} kept: {}; push now", good("ok"), taken.words()),
        }
    }
    Ok(Exit::Done)
}

fn tell(Sent { waited, left, not_taken }: &Sent) {
    if waited.is_nothing() {
        anstream::println!("{} nothing waited to be sent", good("ok"));
    } else if left.is_nothing() && !not_taken.is_empty() {
        anstream::println!("{}: the log refuses a part of it for good, as said above", warn("refused"));
    } else if left.is_nothing() {
        anstream::println!("{} sent: {}", good("ok"), words(waited));
    } else {
        anstream::println!("{}: the log does not have yet: {}", warn("left"), words(left));
    }
}

/// How much of each, for a reader.
pub fn words(unsent: &Unsent) -> String {
    let parts = [
        (unsent.broken_glass, "broken glass"),
        (unsent.outcomes, "outcome"),
        (unsent.moved, "finding"),
        (unsent.drills, "drill"),
        (unsent.stops, "stop"),
    ];
    let told = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| match what {
        "broken glass" => format!("{n} {what}"),
        _ => count(n, what),
    });
    told.collect::<Vec<_>>().join(", ")
}
