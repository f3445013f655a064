//! `import`: a home's ledger, built again from a copy of its log.

use std::{path::PathBuf, thread};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, warn},
};
use crate::{
    clock,
    copies::import::{Imported, import},
    home::Home,
};

/// Build a home's ledger again from an export or a backup.
///
/// Every leaf, hash, signature and decision of the copy is verified from the genesis on that the home pins, and every leaf is
/// admitted and folded again, before the home is touched. The ledger that the home has is continued; a copy that is older than
/// that, or than what the home has seen, is refused. The home must not be served meanwhile. Where there is no home, one is made
/// of a backup.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign import log --home HOME        from an export: the ledger is lost, or lacks what the export has\n  \
    countersign import backup --home HOME     from a backup; HOME is made if it is not there\n\n\
    A ledger that is damaged is moved aside first: mv HOME/ledger.db HOME/ledger.db.damaged")]
pub struct Args {
    /// An export (`countersign export`), or a backup (`countersign backup`).
    from: PathBuf,
    /// The home.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_HOME")]
    home: PathBuf,
    /// Also if it is older than what the home has or has seen: there is no newer copy. That ledger is kept beside, and the home is
    /// served again when the founders have begun a new epoch (countersign epoch).
    #[arg(long)]
    older: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    for path in [&args.home, &args.from] {
        // An export is no home, and a home need not be there.
        if let Ok(home) = Home::open(path) {
            global.vouches_for(home.trust(), path)?;
        }
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let imported = import(&args.from, &args.home, args.older, threads, clock::now())?;
    match global.format {
        Format::Json => output::json(&imported)?,
        Format::Text => {
            let Imported { size, new, made, lost, .. } = imported;
            let home = args.home.display();
            let made = if made { format!("; made the home {home}") } else { String::new() };
            anstream::println!(
                "{} {size} leaves verified and in {home}/ledger.db, {new} of them new{made}",
                good("imported")
            );
            if lost > 0 {
                anstream::println!(
                    "{}: {lost} leaves that the home had seen are not in it. Begin a new epoch before you serve it: countersign \
                     epoch {home} --why REASON",
                    warn("lost")
                );
            }
        }
    }
    Ok(Exit::Done)
}
