//! `log`: where the log stands, and a copy of all of it.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, printable},
};
use crate::{
    bundle,
    client::{Client, ClientError},
};

/// Show where the log stands, or export all of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the whole log there, in the layout of C2SP tlog-tiles, with the blobs beside it.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Where no server answers yet, try again for so many seconds: for scripts that have just started one.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u16,
}

/// Between two attempts to reach a server that is starting.
const PAUSE: Duration = Duration::from_millis(100);
const ATTEMPTS_A_SECOND: u32 = 10;

/// Waits until somebody answers, whatever the answer is.
fn await_answer(client: &Client, seconds: u16) {
    for _ in 0..u32::from(seconds).saturating_mul(ATTEMPTS_A_SECOND) {
        match client.checkpoint() {
            Err(ClientError::Unreachable { .. }) => thread::sleep(PAUSE),
            Ok(_) | Err(_) => return,
        }
    }
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    await_answer(&Client::new(&global.url), args.wait);
    let log = global.log()?;
    let checkpoint = log.checkpoint();
    if let Some(dir) = &args.export {
        export_to(dir, &log.client)?;
        if global.format == Format::Text {
            anstream::println!("{} leaves written to {}", checkpoint.size, dir.display());
            return Ok(Exit::Done);
        }
    }
    let info = log.client.log()?;
    match global.format {
        Format::Json => output::json(&info)?,
        Format::Text => {
            anstream::println!("origin     {}", printable(&checkpoint.origin));
            anstream::println!("leaves     {}", checkpoint.size);
            anstream::println!("root       {}", checkpoint.root);
            anstream::println!("genesis    {}", log.trust().genesis);
            anstream::println!("in force   {}", info.governance.in_force);
            anstream::println!("semantics  {}", info.governance.semantics);
            anstream::println!("people     {} with a key", info.governance.people);
            anstream::print!("\n{}", output::printable_lines(&info.checkpoint));
            anstream::println!();
        }
    }
    Ok(Exit::Done)
}

/// Written beside the place while it comes and moved there when it is whole, so that nothing half-written is ever found.
fn export_to(dir: &Path, client: &Client) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| CliError::new("cannot-write", format!("cannot write {}: {e}", dir.display()));
    if dir.exists() {
        return Err(CliError::new("exists", format!("{} is there already", dir.display()))
            .hint("name a directory that does not exist yet"));
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(cannot)?;
    let staging = tempfile::tempdir_in(parent).map_err(cannot)?;
    bundle::unpack(Path::new("the server's export"), client.export()?, staging.path())?;
    fs::rename(staging.path(), dir).map_err(cannot)?;
    // It is there under its own name now.
    let _ = staging.keep();
    Ok(())
}
