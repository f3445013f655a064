//! `rebuild`: the ledger is the state; everything else can be made again from it.

use std::path::PathBuf;

use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, good},
};
use crate::{
    engine::EngineError,
    rebuild,
    store::{self, dump::differences},
};

/// How much of what differs is named.
const MAX_DIFFERING: usize = 100;

/// Replay a home's ledger into an empty store, and compare.
///
/// Every leaf is authenticated and admitted again. The result has to be what the home's store has: what cannot be made
/// again from the ledger was never its state. The home is only read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rebuild --home HOME                     compare, and keep nothing\n  \
    countersign rebuild --home HOME --into ledger.db    keep the rebuilt store\n\n\
    Exit status: 0 the same, 1 they differ.")]
pub struct Args {
    /// The home.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_HOME")]
    home: PathBuf,
    /// Keep the rebuilt store there. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    let temporary = tempfile::tempdir().map_err(|e| CliError::new("failed", format!("no temporary directory: {e}")))?;
    let into = match &args.into {
        Some(path) if path.exists() => {
            return Err(CliError::new("exists", format!("{} is there already", path.display()))
                .hint("name a file that does not exist yet"));
        }
        Some(path) => path.clone(),
        None => temporary.path().join("ledger.db"),
    };
    let ledger = home.ledger_path();
    if !ledger.exists() {
        return Err(CliError::new("ledger-missing", format!("there is no {}", ledger.display()))
            .hint(format!("put a copy of the log back: {}", home.putting_back())));
    }
    let log_key = home.log_key()?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| CliError::new("failed", e.to_string()))?;
    let (leaves, differing) = runtime.block_on(async {
        let options = home.store_options();
        let from = store::open(&home.store_address(), &options).await.map_err(EngineError::from)?;
        let address = store::address(&into).map_err(EngineError::from)?;
        let to = store::open(&address, &options).await.map_err(EngineError::from)?;
        let leaves = rebuild::replay(&*from, &*to, &log_key, &mut |_, _| {}).await.map_err(EngineError::from)?;
        let differing = differences(&*from, &*to, MAX_DIFFERING).await.map_err(EngineError::from)?;
        Ok::<_, CliError>((leaves, differing))
    })?;
    match global.format {
        Format::Json => {
            output::json(&json!({"leaves": leaves, "identical": differing.is_empty(), "differing": differing}))?
        }
        Format::Text if differing.is_empty() => {
            anstream::println!("{} leaves replayed; the rebuilt store is {}", leaves, good("identical"));
        }
        Format::Text => {
            anstream::println!("{} leaves replayed; the rebuilt store {}:", leaves, bad("differs"));
            differing.iter().for_each(|name| anstream::println!("  {}", output::printable(name)));
        }
    }
    Ok(if differing.is_empty() { Exit::Done } else { Exit::Failed })
}
