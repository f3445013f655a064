//! The command line. One file a command: its arguments, its help and its function.
//!
//! A new command is a file here with `Args` and `run`, a variant of `Command`, and an arm in `Command::run`.

mod amend;
mod answer;
mod apply;
mod approve;
mod attest;
mod audit;
mod away;
mod backup;
mod break_glass;
mod calendar;
mod comment;
mod config;
pub mod content;
mod coverage;
mod delegate;
mod demo;
mod diff;
mod disclose;
mod doctor;
mod dry_run;
mod enrol;
mod epoch;
mod erase;
pub mod error;
mod export;
mod findings;
mod folder;
mod follow;
mod freeze;
mod gate;
mod import;
mod init;
mod init_from;
mod join;
mod label;
mod list;
mod load;
mod log;
mod looking;
mod material;
mod me;
mod meaning;
mod otherwise;
pub mod output;
mod pager;
mod pasted;
mod paths;
mod permit;
mod place;
mod propose;
mod publish;
mod pull;
mod rebuild;
mod recover;
mod review;
mod reviewers;
mod revoke;
mod rollback;
mod rotate_key;
mod rules;
mod schedule;
mod serve;
mod several;
mod shell;
mod show;
mod stop;
mod submit;
mod sync;
mod take_back;
mod times;
mod trust;
mod verify;
mod waiting;
mod whoami;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{ArgMatches, FromArgMatches as _, Parser, Subcommand, parser::ValueSource};

use self::{
    error::{CliError, Exit},
    output::{Asked, Format},
    place::Meant,
};
use crate::signer::{SignerError, SshKeygen};

#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    about = "No change reaches production unless the rules allow it and a second person has signed exactly that change",
    after_help = "Without a command it prints what waits for you, and what of yours waits on whom.\n\n\
        Begin with:\n  \
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
    command: Option<Command>,
}

/// The options of every command, as they are written.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// The server. Without it: that of your settings (`countersign config`), of the log that was joined (`countersign join`),
    /// else http://127.0.0.1:7878.
    #[arg(long, global = true, env = "COUNTERSIGN_URL")]
    url: Option<String>,
    /// Which of the logs that were joined on this machine.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG", value_name = "NAME")]
    log: Option<String>,
    /// The SSH key to sign with: a private key, or a public one whose private half is in your agent or on a hardware
    /// token. Without it: the one that the log was joined with, else that of your settings, else what git signs with (gpg.format=ssh, user.signingkey), else ~/.ssh/id_ed25519, id_ecdsa, id_rsa.
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
    /// The log that an audit reads: its address, or a folder.
    pub audited_log: Option<String>,
    /// Who said which of them.
    pub meant: Meant,
}

impl Options {
    /// The one place that knows which commands make a page.
    fn read(mut self, command: Option<&Command>, matches: &ArgMatches) -> Result<Global, CliError> {
        let audits = matches!(command, Some(Command::Audit(_)));
        let makes_pages = audits || matches!(command, Some(Command::Verify(_)));
        // An audit reads a log wherever it lies, joined or not, where one is typed.
        let typed_log = matches.value_source("log") == Some(ValueSource::CommandLine);
        let audited_log = if audits { self.log.take().filter(|_| typed_log) } else { None };
        let format = self.format.of_messages();
        let page = self.format == Asked::Html;
        if page && !makes_pages {
            return Err(CliError::usage(
                "--format html: only `countersign audit` and `countersign verify` make a page",
            )
            .hint("--format text is for people, --format json for programs"));
        }
        let typed = matches.value_source("trust") == Some(ValueSource::CommandLine);
        if typed && audited_log.is_none() && command.is_some_and(|command| !command.is_of_a_log()) {
            return Err(CliError::usage("--trust: nothing here is of a log that it could vouch for")
                .hint("leave it away; `countersign verify` checks evidence against it"));
        }
        let meant = Meant::of(&self, matches)?;
        Ok(Global {
            url: meant.url.value.clone(),
            names_server: meant.names_server(),
            key: meant.key.as_ref().map(|key| key.value.clone()),
            trust: meant.trust.as_ref().map(|trust| trust.value.clone()),
            format,
            page,
            meant,
            audited_log,
        })
    }
}

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
    BreakGlass(break_glass::Args),
    Propose(propose::Args),
    Revise(propose::ReviseArgs),
    Show(show::Args),
    List(list::Args),
    Whoami(whoami::Args),
    Calendar(calendar::Args),
    Freeze(freeze::Args),
    Lift(freeze::LiftArgs),
    Freezes(freeze::ListArgs),
    Away(away::AwayArgs),
    Back(away::BackArgs),
    Delegate(delegate::Args),
    Delegations(delegate::ListArgs),
    Review(review::Args),
    Diff(diff::Args),
    Findings(findings::Args),
    Coverage(coverage::Args),
    Load(load::Args),
    Reviewers(reviewers::Args),
    Rollback(rollback::Args),
    Approve(approve::Args),
    Reject(approve::RejectArgs),
    Withdraw(approve::WithdrawArgs),
    TakeBack(take_back::Args),
    Comment(comment::Args),
    Label(label::Args),
    Attest(attest::Args),
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
    Config(config::Args),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
    Follow(follow::Args),
    /// Say in a trust.json who else has to vouch for the log
    Trust(trust::Args),
    Rebuild(rebuild::Args),
    Rules(rules::Args),
    Audit(audit::Args),
    Amend(amend::Args),
    Enrol(enrol::Args),
    Sync(sync::Args),
    Publish(publish::Args),
    Revoke(revoke::Args),
    RotateKey(rotate_key::Args),
    Recover(recover::Args),
    Epoch(epoch::Args),
    Erase(erase::Args),
}

impl Command {
    /// Whether it reads, extends or follows a log that is there already.
    fn is_of_a_log(&self) -> bool {
        match self {
            Self::Rules(args) => args.is_of_a_log(),
            Self::Demo(_) | Self::Audit(_) | Self::Completions(_) | Self::Man(_) => false,
            Self::Init(args) => args.is_of_a_log(),
            Self::Serve(_)
            | Self::BreakGlass(_)
            | Self::Propose(_)
            | Self::Revise(_)
            | Self::Show(_)
            | Self::List(_)
            | Self::Findings(_)
            | Self::Coverage(_)
            | Self::Load(_)
            | Self::Reviewers(_)
            | Self::Rollback(_)
            | Self::Whoami(_)
            | Self::Calendar(_)
            | Self::Freeze(_)
            | Self::Lift(_)
            | Self::Freezes(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegate(_)
            | Self::Delegations(_)
            | Self::Review(_)
            | Self::Diff(_)
            | Self::Approve(_)
            | Self::Reject(_)
            | Self::Withdraw(_)
            | Self::TakeBack(_)
            | Self::Comment(_)
            | Self::Label(_)
            | Self::Attest(_)
            | Self::Disclose(_)
            | Self::Waive(_)
            | Self::Identify(_)
            | Self::Permit(_)
            | Self::Apply(_)
            | Self::Gate(_)
            | Self::Bundle(_)
            | Self::Verify(_)
            | Self::Log(_)
            | Self::Join(_)
            | Self::Export(_)
            | Self::Import(_)
            | Self::Backup(_)
            | Self::Doctor(_)
            | Self::Config(_)
            | Self::Follow(_)
            | Self::Trust(_)
            | Self::Rebuild(_)
            | Self::Amend(_)
            | Self::Publish(_)
            | Self::Enrol(_)
            | Self::Sync(_)
            | Self::Revoke(_)
            | Self::RotateKey(_)
            | Self::Recover(_)
            | Self::Epoch(_)
            | Self::Erase(_) => true,
        }
    }

    fn run(self, global: &Global) -> Result<Exit, CliError> {
        match self {
            Self::Demo(args) => demo::run(global, args),
            Self::Init(args) => init::run(global, args),
            Self::Serve(args) => serve::run(global, &args),
            Self::BreakGlass(args) => break_glass::run(global, &args),
            Self::Propose(args) => propose::run(global, args),
            Self::Revise(args) => propose::revise(global, args),
            Self::Show(args) => show::run(global, &args),
            Self::List(args) => list::run(global, &args),
            Self::Whoami(args) => whoami::run(global, &args),
            Self::Calendar(args) => calendar::run(global, &args),
            Self::Freeze(args) => freeze::run(global, &args),
            Self::Lift(args) => freeze::lift(global, &args),
            Self::Freezes(args) => freeze::list(global, &args),
            Self::Away(args) => away::away(global, &args),
            Self::Back(args) => away::back(global, &args),
            Self::Delegate(args) => delegate::run(global, &args),
            Self::Delegations(args) => delegate::list(global, &args),
            Self::Review(args) => review::run(global, &args),
            Self::Diff(args) => diff::run(global, &args),
            Self::Findings(args) => findings::run(global, &args),
            Self::Coverage(args) => coverage::run(global, &args),
            Self::Load(args) => load::run(global, &args),
            Self::Reviewers(args) => reviewers::run(global, &args),
            Self::Rollback(args) => rollback::run(global, args),
            Self::Approve(args) => approve::run(global, args),
            Self::Reject(args) => approve::reject(global, args),
            Self::Withdraw(args) => approve::withdraw(global, args),
            Self::TakeBack(args) => take_back::run(global, &args),
            Self::Comment(args) => comment::run(global, args),
            Self::Label(args) => label::run(global, args),
            Self::Attest(args) => attest::run(global, args),
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
            Self::Config(args) => config::run(global, &args),
            Self::Completions(args) => Ok(shell::completions(&args)),
            Self::Man(args) => shell::man(global, &args),
            Self::Follow(args) => follow::run(global, &args),
            Self::Trust(args) => trust::run(global, args),
            Self::Gate(args) => gate::run(global, args),
            Self::Rebuild(args) => rebuild::run(global, &args),
            Self::Rules(args) => rules::run(global, args),
            Self::Audit(args) => audit::run(global, &args),
            Self::Amend(args) => amend::run(global, args),
            Self::Enrol(args) => enrol::run(global, args),
            Self::Sync(args) => sync::run(global, &args),
            Self::Publish(args) => publish::run(global, args),
            Self::Revoke(args) => revoke::run(global, args),
            Self::RotateKey(args) => rotate_key::run(global, &args),
            Self::Recover(args) => recover::run(global, &args),
            Self::Epoch(args) => epoch::run(global, &args),
            Self::Erase(args) => erase::run(global, args),
        }
    }
}

pub fn main() -> ExitCode {
    if let Some(exit) = gate::if_hook(std::env::args_os()) {
        return ExitCode::from(exit.status());
    }
    let parsed = shell::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return wrong_usage(&error.format(&mut shell::command())),
    };
    let failed = |error: CliError, format| {
        error.print(format);
        error.exit
    };
    let format = cli.options.format.of_messages();
    let mut command = shell::command();
    // So that each of its commands has the options of all.
    command.build();
    if let Err(error) = pasted::refuse(&command, &matches) {
        return ExitCode::from(failed(error, format).status());
    }
    let exit = match cli.options.read(cli.command.as_ref(), &matches) {
        Ok(global) => {
            let ran = match cli.command {
                Some(command) => command.run(&global),
                None => waiting::run(&global),
            };
            ran.unwrap_or_else(|error| failed(error, global.format))
        }
        Err(error) => failed(error, format),
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
