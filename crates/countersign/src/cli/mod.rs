//! The command line. One file a command: its arguments, its help and its function.
//!
//! A new command is a file here with `Args` and `run`, a variant of `Command`, and an arm in `Command::run`.

mod amend;
mod apply;
mod approve;
mod audit;
mod backup;
pub mod content;
mod coverage;
mod demo;
mod disclose;
mod doctor;
mod epoch;
mod erase;
pub mod error;
mod export;
mod follow;
mod gate;
mod import;
mod init;
mod init_from;
mod join;
mod log;
mod meaning;
pub mod output;
mod paths;
mod permit;
mod propose;
mod publish;
mod rebuild;
mod revoke;
mod rules;
mod serve;
mod show;
mod stop;
mod submit;
mod trust;
mod verify;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, parser::ValueSource};
use countersign_core::catalog::did_you_mean;

use self::{
    error::{CliError, Exit},
    output::{Asked, Format},
};
use crate::{
    joined::{self, Joined, Place},
    signer::{SignerError, SshKeygen},
};

#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    about = "No change reaches production unless the rules allow it and a second person has signed exactly that change",
    after_help = "Begin with:\n  \
        countersign demo           watch an incident that does not happen\n  \
        countersign audit REPO     what the past of any git repository proves about who looked at its changes\n  \
        countersign init HOME      make a home: keys, catalog, rules, and a genesis that you sign\n\n\
        Exit status: 0 done or allowed, 1 an error, 2 wrong usage, 3 refused by the rules, \
        or (gate status) something is not as it should be."
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// The options of every command, as they are written.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// The server. Without it: that of the log that was joined (`countersign join`), else http://127.0.0.1:7878.
    #[arg(long, global = true, env = "COUNTERSIGN_URL")]
    url: Option<String>,
    /// Which of the logs that were joined on this machine.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG", value_name = "NAME")]
    log: Option<String>,
    /// The SSH key to sign with: a private key, or a public one whose private half is in your agent or on a hardware
    /// token. Without it: the one that the log was joined with, else what git signs with (gpg.format=ssh, user.signingkey), else ~/.ssh/id_ed25519, id_ecdsa, id_rsa.
    #[arg(long, global = true, env = "COUNTERSIGN_KEY", value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// What you pinned: a trust.json, from a founder. Without it: what this machine pinned when it first saw the log (`verify`
    /// and `follow` need it).
    #[arg(long, global = true, env = "COUNTERSIGN_TRUST", value_name = "FILE")]
    trust: Option<PathBuf>,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Asked,
}

/// What names a log: an option that was typed is heard before a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Url,
    Log,
    Nothing,
}

impl Named {
    fn of(options: &Options, matches: &ArgMatches) -> Result<Self, CliError> {
        let typed = |option| matches.value_source(option) == Some(ValueSource::CommandLine);
        match (typed("url"), typed("log")) {
            (true, true) => Err(CliError::usage("--url and --log each say which log is meant")
                .hint("leave one of them away: --log NAME has the address with which the log was joined")),
            (true, false) => Ok(Self::Url),
            (false, true) => Ok(Self::Log),
            // Of two variables the address says more.
            (false, false) if options.url.is_some() => Ok(Self::Url),
            (false, false) if options.log.is_some() => Ok(Self::Log),
            (false, false) => Ok(Self::Nothing),
        }
    }
}

/// The same, as commands read them.
#[derive(Clone, Debug)]
pub struct Global {
    pub url: String,
    /// Whether somebody named that server.
    pub names_server: bool,
    pub key: Option<PathBuf>,
    pub trust: Option<PathBuf>,
    /// Of what is printed, errors too.
    pub format: Format,
    /// A page for a browser is wanted; only commands that make one are run with it.
    pub page: bool,
}

impl Options {
    /// The one place that knows which commands make a page.
    fn read(self, command: &Command, matches: &ArgMatches) -> Result<Global, CliError> {
        let makes_pages = matches!(command, Command::Audit(_));
        let format = match self.format {
            Asked::Text | Asked::Html => Format::Text,
            Asked::Json => Format::Json,
        };
        let page = self.format == Asked::Html;
        if page && !makes_pages {
            return Err(CliError::usage("--format html: only `countersign audit` makes a page")
                .hint("--format text is for people, --format json for programs"));
        }
        let named = Named::of(&self, matches)?;
        let (url, key) = self.place(named)?;
        let names_server = named != Named::Nothing;
        Ok(Global { url, names_server, key, trust: self.trust, format, page })
    }

    /// Where the log is, and the key that signs there: as it was said, or as it was joined.
    fn place(&self, named: Named) -> Result<(String, Option<PathBuf>), CliError> {
        let joined = joined::here()?;
        let (url, log) = (self.url.clone().unwrap_or_default(), self.log.as_deref().unwrap_or_default());
        let place = match named {
            Named::Url => {
                let key = joined.at(&url).and_then(|place| place.key.clone());
                Place { url, key }
            }
            Named::Log => joined.logs.get(log).cloned().ok_or_else(|| not_joined(log, &joined))?,
            Named::Nothing => {
                let nobody_said = || Place { url: DEFAULT_URL.to_owned(), key: None };
                joined.usual().cloned().unwrap_or_else(nobody_said)
            }
        };
        Ok((place.url, self.key.clone().or(place.key)))
    }
}

fn not_joined(log: &str, joined: &Joined) -> CliError {
    let known = || joined.logs.keys().map(String::as_str);
    if joined.logs.is_empty() {
        return CliError::usage(format!("--log: no log was joined here, and so none `{log}`"))
            .hint("join it first: countersign join URL --trust FILE");
    }
    let error = CliError::usage(format!("--log: no log `{log}` was joined here, but {}", output::list(known())));
    match did_you_mean(log, known()) {
        Some(meant) => error.hint(format!("did you mean --log {meant}?")),
        None => error.hint("join it first: countersign join URL --trust FILE"),
    }
}

/// Where `serve` listens if nobody says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:7878";

impl Global {
    /// The signer that the user chose, or the default one.
    pub fn signer(&self) -> Result<SshKeygen, SignerError> {
        SshKeygen::choose(self.key.as_deref())
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Serve(serve::Args),
    Propose(propose::Args),
    Revise(propose::ReviseArgs),
    Show(show::Args),
    List(show::ListArgs),
    Approve(approve::Args),
    Reject(approve::RejectArgs),
    Withdraw(approve::WithdrawArgs),
    Disclose(disclose::Args),
    Waive(disclose::WaiveArgs),
    Identify(disclose::IdentifyArgs),
    Permit(permit::Args),
    Apply(apply::Args),
    /// Guard a bare git repository
    Gate(gate::Args),
    Bundle(verify::BundleArgs),
    Verify(verify::Args),
    Log(log::Args),
    Join(join::Args),
    Export(export::Args),
    Import(import::Args),
    Backup(backup::Args),
    Doctor(doctor::Args),
    Follow(follow::Args),
    /// Say in a trust.json who else has to vouch for the log
    Trust(trust::Args),
    Rebuild(rebuild::Args),
    Rules(rules::Args),
    Audit(audit::Args),
    Amend(amend::Args),
    Publish(publish::Args),
    Revoke(revoke::Args),
    Epoch(epoch::Args),
    Erase(erase::Args),
}

impl Command {
    fn run(self, global: &Global) -> Result<Exit, CliError> {
        match self {
            Self::Demo(args) => demo::run(global, args),
            Self::Init(args) => init::run(global, args),
            Self::Serve(args) => serve::run(global, &args),
            Self::Propose(args) => propose::run(global, args),
            Self::Revise(args) => propose::revise(global, args),
            Self::Show(args) => show::run(global, &args),
            Self::List(args) => show::list(global, &args),
            Self::Approve(args) => approve::run(global, args),
            Self::Reject(args) => approve::reject(global, args),
            Self::Withdraw(args) => approve::withdraw(global, args),
            Self::Disclose(args) => disclose::run(global, args),
            Self::Waive(args) => disclose::waive(global, args),
            Self::Identify(args) => disclose::identify(global, args),
            Self::Permit(args) => permit::run(global, args),
            Self::Apply(args) => apply::run(global, args),
            Self::Bundle(args) => verify::bundle(global, &args),
            Self::Verify(args) => verify::run(global, &args),
            Self::Log(args) => log::run(global, &args),
            Self::Join(args) => join::run(global, &args),
            Self::Export(args) => export::run(global, &args),
            Self::Import(args) => import::run(global, &args),
            Self::Backup(args) => backup::run(global, &args),
            Self::Doctor(args) => doctor::run(global, &args),
            Self::Follow(args) => follow::run(global, &args),
            Self::Trust(args) => trust::run(global, args),
            Self::Gate(args) => gate::run(global, args),
            Self::Rebuild(args) => rebuild::run(global, &args),
            Self::Rules(args) => rules::run(global, args),
            Self::Audit(args) => audit::run(global, &args),
            Self::Amend(args) => amend::run(global, args),
            Self::Publish(args) => publish::run(global, args),
            Self::Revoke(args) => revoke::run(global, args),
            Self::Epoch(args) => epoch::run(global, &args),
            Self::Erase(args) => erase::run(global, args),
        }
    }
}

pub fn main() -> ExitCode {
    if let Some(exit) = gate::if_hook(std::env::args_os()) {
        return ExitCode::from(exit.status());
    }
    let parsed = Cli::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return wrong_usage(&error.format(&mut Cli::command())),
    };
    let failed = |error: CliError, format| {
        error.print(format);
        error.exit
    };
    let exit = match cli.options.read(&cli.command, &matches) {
        Ok(global) => cli.command.run(&global).unwrap_or_else(|error| failed(error, global.format)),
        Err(error) => failed(error, Format::Text),
    };
    ExitCode::from(exit.status())
}

/// What clap refuses; also what `--help` and `--version` print.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let asks_for_json = || {
        // Any of them may be no text.
        let words: Vec<OsString> = std::env::args_os().collect();
        let pair = |pair: &[OsString]| matches!(pair, [flag, value] if flag == "--format" && value == "json");
        words.iter().any(|word| word == "--format=json") || words.windows(2).any(pair)
    };
    if error.use_stderr() && asks_for_json() {
        let message = error.to_string();
        let said = message.lines().take_while(|line| !line.is_empty()).map(str::trim);
        let message = said.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned();
        CliError::usage(message).hint("see countersign --help").print(Format::Json);
        return ExitCode::from(Exit::Usage.status());
    }
    // Nothing better can be done where even this cannot be printed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::Usage.status() } else { Exit::Done.status() })
}
