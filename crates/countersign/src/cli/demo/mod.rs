//! `demo`: the incident that Countersign exists for, played with real parts: a bare repository, real pushes, real SSH
//! keys, a runbook that nobody has looked at for too long.
//!
//! Nothing here is shown that was not done: every step runs a command, prints it with what it said, and stops the demo if
//! it ended otherwise than the story says.

mod stage;
mod story;

use std::path::PathBuf;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, good},
};

/// Play an incident with real parts, step by step, and leave the server running with everything in it.
///
/// Needs git and OpenSSH. Everything happens in a directory of its own, on the loopback interface.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when the story is over, instead of leaving the server running.
    #[arg(long)]
    exit: bool,
    /// Keep everything there. Default: a temporary directory, removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(_: &Global, args: Args) -> Result<Exit, CliError> {
    let keep = args.dir.is_some();
    let mut stage = stage::Stage::set(args.dir)?;
    let story = story::play(&mut stage)?;
    output::heading("What you have seen");
    for line in &story.seen {
        anstream::println!("  {} {line}", good("*"));
    }
    if args.exit {
        return Ok(Exit::Done);
    }
    output::heading("The server goes on with everything in it");
    anstream::println!("  export COUNTERSIGN_URL={}", stage.url());
    anstream::println!("  countersign list");
    anstream::println!("  countersign show {}", story.change);
    anstream::println!("  countersign verify {} --trust {}", story.bundle.display(), story.trust.display());
    anstream::println!("  keys and repositories: {}", stage.dir().display());
    anstream::println!(
        "\nCtrl-C ends it{}.",
        if keep { "" } else { " and removes the directory; next time keep it with --dir DIR" }
    );
    stage.wait()?;
    Ok(Exit::Done)
}
