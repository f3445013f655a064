//! `log`: where the log stands.

use std::{path::PathBuf, thread, time::Duration};

use super::{
    Global,
    error::{CliError, Exit},
    export,
    output::{self, Format, printable},
};
use crate::client::{Client, ClientError};

/// Show where the log stands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The same as `countersign export DIR`.
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
    if let Some(dir) = &args.export {
        return export::of_server(global, dir);
    }
    let log = global.log()?;
    let checkpoint = log.checkpoint();
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
