//! `doctor`: what is misconfigured, and the command that mends it.

use std::{path::PathBuf, thread};

use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, faint, good, printable, printable_lines, warn},
};
use crate::{
    client::Client,
    clock,
    doctor::{Finding, Findings, State, gate, home, machine},
    gates::git::GitGate,
    home::Home,
};

/// Look for what is wrong, and say what mends it.
///
/// Without options: this machine (git, ssh-keygen, your key), the server, and whether their clocks agree. With --home, a home:
/// its files, keys and modes, and its whole ledger (every leaf, node, blob, signature and decision). With --gate, the gate of a
/// repository: hooks, key, branches, its server. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign doctor\n  \
    countersign doctor --home HOME            also while it is served\n  \
    countersign doctor --gate /srv/git/shop.git\n\n\
    Exit status: 0 nothing is wrong, 1 an error, 3 something is wrong.")]
pub struct Args {
    /// A home, in place of this machine.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The bare repository of a gate, in place of this machine.
    #[arg(long, value_name = "REPO")]
    gate: Option<PathBuf>,
    /// Of a home, leave out what takes as long as its ledger is.
    #[arg(long, requires = "home")]
    quick: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let mut parts: Vec<Findings> = Vec::new();
    if let Some(path) = &args.home {
        // What cannot be opened is told below, whatever else is wrong.
        if let Ok(home) = Home::open(path) {
            global.vouches_for(home.trust(), path)?;
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        parts.extend(home::look(path, args.quick, threads, clock::now()));
    }
    if let Some(repository) = &args.gate {
        if let Ok(gate) = GitGate::open(repository) {
            global.vouches_for(gate.trust(), repository)?;
        }
        parts.push(gate::look(repository, clock::now()));
    }
    if parts.is_empty() {
        parts = this_machine(global);
    }
    let findings: Vec<Finding> = parts.into_iter().flat_map(|part| part.all).collect();
    let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    match global.format {
        Format::Json => output::json(&json!({"wrong": wrong, "findings": findings}))?,
        Format::Text => tell(&findings, wrong),
    }
    Ok(if wrong == 0 { Exit::Done } else { Exit::Refused })
}

fn this_machine(global: &Global) -> Vec<Findings> {
    let signer = global.signer();
    let machine = machine::look(signer.as_ref());
    let client = Client::new(&global.url);
    let log = match global.log() {
        Ok(log) => {
            let checkpoint = log.checkpoint();
            Ok(format!("{} serves {}, {} leaves, as it is pinned here", global.url, checkpoint.origin, checkpoint.size))
        }
        Err(error) => Err((error.message, error.hint)),
    };
    vec![machine, machine::look_at_server(&client, log, signer.ok().as_ref(), clock::now())]
}

fn tell(findings: &[Finding], wrong: usize) {
    for Finding { part, check, state, said, mend } in findings {
        let state = match state {
            State::Good => good("ok"),
            State::Doubtful => warn("??"),
            State::Wrong => bad("!!"),
        };
        let said = printable_lines(said).replace('\n', "\n   ");
        anstream::println!("{state} {} {said}", faint(format!("{part}/{check}")));
        if let Some(mend) = mend {
            anstream::println!("   -> {}", printable(mend));
        }
    }
    match wrong {
        0 => anstream::println!("{}", good("nothing is wrong")),
        1 => anstream::println!("{}", bad("1 thing is wrong")),
        wrong => anstream::println!("{}", bad(format!("{wrong} things are wrong"))),
    }
}
