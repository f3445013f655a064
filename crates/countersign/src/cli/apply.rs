//! `apply`: run a command over exactly the approved bytes.

use std::path::PathBuf;

use countersign_core::{
    statement::{Body, OutcomeReport, OutcomeResult, Transition, quoted},
    verify::Trust,
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::{CliError, Exit},
    output::{good, printable, warn},
    permit, submit, verify,
};
use crate::{
    clock, files,
    gates::{apply, opening},
    speaker::Speaker,
};

/// Run the approved command over a private copy of exactly the approved files, and record what came of it.
///
/// The permit, and the signatures under it, are checked here against the trust.json that you pinned. Without --trust it is
/// what this machine pinned when it first saw the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign apply 9f2c4e6a81d0 --file flags.json -- curl --fail -T flags.json https://flags.example/\n\n\
    Exit status: that of the command once it runs; 3 if it may not run; 1 on an error before.")]
pub struct Args {
    /// The change: its id, or the beginning of it.
    change: String,
    /// Each file of the change (repeatable).
    #[arg(long, required = true, value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
    /// What you pinned.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_TRUST")]
    trust: Option<PathBuf>,
    /// A permit from `countersign permit`, instead of asking for one.
    #[arg(long, value_name = "FILE")]
    permit: Option<PathBuf>,
    /// The approved command, word for word.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let files = files::read_files(&args.file)?;
    files::names_no_outside_path(&args.command, &files)?;
    let speaker = global.speaker()?;
    let trust = trust(&speaker, args.trust.as_ref())?;
    let view = speaker.client.change(&args.change)?;
    let transition = Transition::Apply {
        files: files.iter().map(|(name, file)| (name.clone(), Digest::of(&file.bytes))).collect(),
        command: args.command.clone(),
    };
    let audience = speaker.hand.fingerprint();
    let envelope = match &args.permit {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|e| CliError::new("cannot-read", format!("cannot read {}: {e}", path.display())))?,
        None => permit::request(&speaker, &view, permit::apply_gate()?, audience.clone(), transition.clone())?,
    };
    let mut journal = apply::journal(&trust.origin, &audience)?;
    apply::unspent(&journal, &envelope)?;
    let memory = journal.memory();
    let bundle = speaker.client.bundle(view.id.as_str(), memory.map(|memory| memory.size))?;
    let asked =
        opening::Asked { trust: &trust, memory, audience: &audience, transition: &transition, now: clock::now() };
    let opening = opening::open(&asked, envelope.as_bytes(), &bundle)?;
    let copies = apply::private_copies(&files)?;
    let spent = apply::spend(&mut journal, &opening, clock::now())?;

    report(&speaker, &spent, OutcomeResult::Started, None);
    anstream::eprintln!("{} {}", good("running"), printable(&quoted(&args.command)));
    let status = apply::run(&args.command, copies.path());
    let (result, code) = match &status {
        Ok(status) if status.success() => (OutcomeResult::Applied, status.code()),
        Ok(status) => (OutcomeResult::Failed, status.code()),
        Err(_) => (OutcomeResult::Failed, None),
    };
    apply::settle(&mut journal, &spent, result, code, clock::now())?;
    report(&speaker, &spent, result, code);
    match status {
        Ok(status) if status.success() => {
            anstream::eprintln!("{} change {}", good("applied"), view.id);
            Ok(Exit::Done)
        }
        Ok(status) => Ok(Exit::Command(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(e) => Err(CliError::new("command-not-started", format!("cannot run `{}`: {e}", quoted(&args.command)))
            .hint("the permit is spent; when the command can be found, ask again")),
    }
}

/// What was pinned: the file that was named, or what this machine pinned when it first saw the log.
fn trust(speaker: &Speaker, path: Option<&PathBuf>) -> Result<Trust, CliError> {
    if let Some(path) = path {
        return verify::read_trust(path);
    }
    let (trust, first) = apply::pinned_trust(&speaker.log)?;
    if first {
        anstream::eprintln!(
            "{} log {} with genesis {}: compare it with a founder's trust.json",
            warn("pinned"),
            trust.origin,
            trust.genesis
        );
    }
    Ok(trust)
}

/// Tells the log. What cannot be told now stays in the journal; the command is not held up for it.
fn report(speaker: &Speaker, spent: &apply::Spent, result: OutcomeResult, exit_status: Option<i32>) {
    let body = Body::OutcomeReport(OutcomeReport {
        change: spent.change.clone(),
        revision: spent.revision,
        permit: spent.permit,
        result,
        exit_status,
    });
    if let Err(error) = speaker.say(body, &[]) {
        let error = CliError::from(error);
        anstream::eprintln!("{}: the outcome could not be reported: {}", warn("warning"), error.message);
    }
}

impl From<apply::ApplyError> for CliError {
    fn from(error: apply::ApplyError) -> Self {
        match error {
            apply::ApplyError::Refused(refusal) => Self { exit: Exit::Refused, ..refusal.into() },
            apply::ApplyError::Journal(_) | apply::ApplyError::Io { .. } => {
                Self::new("gate", error.to_string()).hint("without its journal the gate stays shut; is the disk full?")
            }
            apply::ApplyError::NoPlace => Self::new("gate", error.to_string()).hint("set HOME or XDG_STATE_HOME"),
        }
    }
}

/// Take a key's authority away, at once.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The key, as `ssh-keygen -l -f KEY` prints it: SHA256:…
    #[arg(value_name = "FINGERPRINT")]
    key_to_revoke: String,
    /// Why.
    #[arg(long)]
    why: String,
}

pub fn revoke(global: &Global, args: RevokeArgs) -> Result<Exit, CliError> {
    let speaker = global.speaker()?;
    let (reason, blob) = submit::reason(&args.why)?;
    let key = serde_json::from_value(serde_json::Value::String(args.key_to_revoke.clone()))
        .map_err(|e| CliError::usage(format!("`{}` is not a fingerprint: {e}", args.key_to_revoke)))?;
    submit::announce(&speaker, &[format!("revocation of key {}: {}", args.key_to_revoke, args.why)]);
    let body = Body::KeyRevocation(countersign_core::statement::KeyRevocation { key, reason });
    submit::say(global, &speaker, body, &[blob], |_| format!("revoked {}", args.key_to_revoke))
}
