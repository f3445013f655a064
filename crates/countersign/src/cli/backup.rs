//! `backup`: a copy of a home while it is served.

use std::path::PathBuf;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, warn},
};
use crate::copies::backup::{BackedUp, backup};

/// Copy a home, also while it is served.
///
/// The copy is a home itself: its ledger as it is at one moment, checked to be what was signed last, with keys, catalog, rules and
/// configuration. It is there whole or not at all, and only its owner can read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign backup --home HOME backups/2026-11-26\n  \
    countersign import backups/2026-11-26 --home NEW     verify all of it, and make a home of it\n\n\
    With the keys in it, a backup is as secret as the home.")]
pub struct Args {
    /// Where the copy goes: a place where nothing is.
    to: PathBuf,
    /// The home.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_HOME")]
    home: PathBuf,
    /// Leave the server's secret keys out: they are kept elsewhere.
    #[arg(long)]
    without_keys: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| CliError::new("failed", e.to_string()))?;
    let done = runtime.block_on(backup(&home, &args.to, !args.without_keys))?;
    match global.format {
        Format::Json => output::json(&done)?,
        Format::Text => {
            let BackedUp { size, root, keys } = done;
            anstream::println!("{} {size} leaves, root {root}, in {}", good("backed up"), args.to.display());
            if keys {
                anstream::println!("{}: the server's secret keys are in it", warn("keep it safe"));
            }
        }
    }
    Ok(Exit::Done)
}
