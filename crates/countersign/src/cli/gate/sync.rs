//! `gate sync`: a gate tells the log what it could not tell before, without anybody's push.

use std::path::PathBuf;

use super::super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, count, good, warn},
};
use crate::{
    clock,
    gates::git::unsent::{Sent, Unsent, sync},
};

/// Ends with 3 while the log does not take all of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bare repository
    repo: PathBuf,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    let sent = sync(&gate, &clock::now)?;
    match global.format {
        Format::Json => output::json(&sent)?,
        Format::Text => tell(&sent),
    }
    Ok(if sent.left.is_nothing() { Exit::Done } else { Exit::Refused })
}

fn tell(Sent { waited, left }: &Sent) {
    if waited.is_nothing() {
        anstream::println!("{} nothing waited to be sent", good("ok"));
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
