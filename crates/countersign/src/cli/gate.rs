//! `countersign gate`: makes a bare repository governed, and is what its hooks run.

use std::{
    env,
    ffi::OsString,
    io::{self, Read as _},
    path::PathBuf,
};

use clap::{Parser as _, Subcommand};
use countersign_core::{
    ids::{GateId, RepositoryId},
    statement::Body,
};

use super::{
    Global, apply,
    error::{CliError, Exit},
    follow,
    output::{self, Format, bad, count, faint, good, heading, warn},
    submit::Session,
    verify,
};
use crate::{
    client::ClientError,
    clock,
    gates::desk::{Checked, Taken},
    gates::git::{
        Branch, GateConfig, GateError, GitGate, Update,
        config::{Entry, VERSION},
        install::{Installed, Plan, install},
        receive::{pre_receive, push_options},
        report,
        status::{self, Status},
        transaction::{State, reference_transaction},
    },
    gates::stops::{Stop, Stops},
    home::{self, files::word},
    memory::{self, Memory},
    speaker::Speaker,
};

/// The largest signed stop.
const MAX_STOP_BYTES: usize = 256 * 1024;

/// What git tells a hook: more than a million references at once.
const MAX_STDIN_BYTES: usize = 128 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a bare repository governed: only approved changes move its protected branches
    Install(InstallArgs),
    /// Show what a gate protects, how far it followed the log, and what it caught
    Status(StatusArgs),
    /// Hand a signed rejection or revocation to a gate, which obeys it at once, whatever the server does
    Stop(StopArgs),
    /// What the repository's hooks run
    #[command(hide = true)]
    Hook(HookArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  countersign gate install /srv/git/shop.git --name shop-git --trust trust.json --branch main \\\n    \
    --map 'services/checkout/**=checkout/production' --map '**=shop/production'\n\n\
    Push the first history before: a protected branch that is not there has no range that anybody could review."
)]
struct InstallArgs {
    /// The bare repository that people push to
    repo: PathBuf,
    /// The gate's name in the log
    #[arg(long)]
    name: GateId,
    /// The trust.json of the server's home, which the gate pins
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// A branch to protect; may be given several times
    #[arg(long = "branch", value_name = "BRANCH", required = true)]
    branches: Vec<String>,
    /// Which paths reach which target. `*` stays within a folder, `**` does not. Every changed path must match an
    /// entry, and all entries that match count; may be given several times
    #[arg(long = "map", value_name = "GLOB=SYSTEM/ENVIRONMENT", required = true, value_parser = Entry::parse)]
    map: Vec<Entry>,
    /// What changes and approvals call the repository [default: its folder's name, without .git]
    #[arg(long, value_name = "NAME")]
    repository: Option<RepositoryId>,
    /// Where the verified copy of the log lies that the gate decides by. Gates of one machine can share it [default: in
    /// your state directory; in the repository where several accounts push]
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// The bare repository
    repo: PathBuf,
}

#[derive(Debug, clap::Args)]
struct StopArgs {
    /// The bare repository
    #[arg(required_unless_present = "apply")]
    repo: Option<PathBuf>,
    /// Hand it to the apply gate of this account (`countersign apply`), in place of a repository's
    #[arg(long, conflicts_with = "repo")]
    apply: bool,
    /// What `countersign reject` or `countersign revoke` saved; may be given several times
    #[arg(long = "statement", value_name = "FILE", required = true)]
    statements: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct HookArgs {
    #[arg(long)]
    repository: PathBuf,
    hook: String,
    /// What git passes on
    rest: Vec<String>,
}

/// A hook as it is written by `gate install`, alone: to make ready for every command takes longer than some hooks do, and
/// whoever pushed waits for each.
#[derive(Debug, clap::Parser)]
#[command(name = "countersign gate hook")]
struct HookCommand {
    #[command(flatten)]
    args: HookArgs,
}

/// Runs a hook, if that is what these words say.
pub fn if_hook(words: impl Iterator<Item = OsString>) -> Option<Exit> {
    let mut rest = words.skip(1).peekable();
    for word in ["gate", "hook"] {
        rest.next_if(|found| found == word)?;
    }
    let words = std::iter::once(OsString::from("hook")).chain(rest);
    // What is wrong with it is said by the command line as a whole.
    HookCommand::try_parse_from(words).ok().map(|hook| run_hook(&hook.args))
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Install(args) => run_install(global, args),
        Command::Status(args) => run_status(global, &args),
        Command::Stop(args) => run_stop(global, &args),
        Command::Hook(args) => Ok(run_hook(&args)),
    }
}

impl From<GateError> for CliError {
    fn from(error: GateError) -> Self {
        Self { hint: error.hint(), ..Self::new(error.code(), error.to_string()) }
    }
}

fn run_install(global: &Global, args: InstallArgs) -> Result<Exit, CliError> {
    let repository = match args.repository {
        Some(name) => name,
        None => named_after(&args.repo)?,
    };
    let branch = |name: &String| Branch {
        branch: if name.starts_with("refs/") { name.clone() } else { format!("refs/heads/{name}") },
        map: args.map.clone(),
    };
    let config = GateConfig {
        version: VERSION,
        name: args.name,
        repository,
        url: global.url.clone(),
        guidance: true,
        copy: PathBuf::new(),
        branches: args.branches.iter().map(branch).collect(),
    };
    let program = env::current_exe()
        .map_err(|error| CliError::new("failed", format!("cannot find out where this program is: {error}")))?;
    let trust = verify::read_trust(&args.trust)?;
    let log = global.log_of(Some(&trust))?;
    let info = log.client.log()?;
    let known = match log.client.gate(&config.name) {
        Ok(known) => Some(known),
        Err(ClientError::Refused { code, .. }) if code == "unknown-gate" => None,
        Err(error) => return Err(error.into()),
    };
    let memory = log.memory().folder().to_owned();
    let plan = Plan { repository: args.repo, config, copy: args.copy, memory, trust: args.trust, program };
    let installed = install(plan, &info, known.as_ref(), |registration| {
        let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
        session.say(Body::GateRegistration(registration), &[]).map(drop)
    })?;
    tell_installed(global, &installed)?;
    Ok(Exit::Done)
}

/// `/srv/git/shop.git` is `shop`.
fn named_after(repository: &std::path::Path) -> Result<RepositoryId, CliError> {
    let absolute = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    name.parse().map_err(|error| CliError::usage(format!("{error}")).hint("name the repository: --repository NAME"))
}

fn tell_installed(global: &Global, installed: &Installed) -> Result<(), CliError> {
    let Installed { repository, config, registered } = installed;
    if global.format == Format::Json {
        return output::json(&serde_json::json!({
            "repository": repository,
            "name": config.name,
            "branches": config.branches.iter().map(|branch| &branch.branch).collect::<Vec<_>>(),
            "targets": config.targets(),
            "registered": registered,
        }));
    }
    let known = if *registered { "registered in the log" } else { "known to the log as it is" };
    anstream::println!("{} gate {} guards {} ({known})", good("ok"), config.name, repository.display());
    for branch in &config.branches {
        anstream::println!("\n{} moves by approved pushes only:", branch.branch);
        for entry in &branch.map {
            anstream::println!("  {} reaches {}", entry.paths.as_str(), entry.target);
        }
    }
    anstream::println!(
        "\nnext, in a clone: countersign propose --git . --branch BRANCH --range OLD..NEW --target TARGET"
    );
    anstream::println!("{}", faint(format!("see what it caught: countersign gate status {}", word(repository))));
    Ok(())
}

fn run_status(global: &Global, args: &StatusArgs) -> Result<Exit, CliError> {
    let gate = GitGate::open(&args.repo)?;
    let status = status::status(&gate, clock::now())?;
    match global.format {
        Format::Json => output::json(&status)?,
        Format::Text => tell_status(&status),
    }
    Ok(if status.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

fn tell_status(status: &Status) {
    anstream::println!("gate {} of repository {}", status.name, status.repository);
    anstream::println!("log {} at {}", status.origin, status.url);
    match &status.seen {
        Some(seen) => {
            let ago = status.followed_secs_ago.map(|secs| format!(", {secs} s ago")).unwrap_or_default();
            anstream::println!("followed to {} leaves{ago}, root {}", seen.size, seen.root);
        }
        None => anstream::println!("has not followed the log yet"),
    }
    // Cosignatures come with the log: how old they are by now says only how long nobody has pushed.
    if let (Some(_), Some(secs)) = (status.outside.enough, status.followed_secs_ago) {
        anstream::print!("at the last follow, {secs} s ago: ");
    }
    follow::tell_outside(&status.outside);
    anstream::println!("{}", faint(format!("its copy: {}", status.copy.display())));
    anstream::println!("{}", faint(status.versions.words()));
    for stop in &status.handed {
        anstream::println!("{}", warn(format!("obeys, though the log does not have it yet: {stop}")));
    }
    for stop in &status.unchecked {
        anstream::println!("{}", warn(format!("kept until the log tells whose it is: {stop}")));
    }
    for branch in &status.branches {
        let tip = branch.tip.as_ref().map_or("not there", |tip| tip.short());
        anstream::println!("\n{} {}", branch.branch, faint(tip));
        for (paths, target) in &branch.map {
            anstream::println!("  {paths} reaches {target}");
        }
        if let Some(expected) = &branch.expected {
            let text = format!("it should stand at {}: somebody went round the gate", expected.short());
            anstream::println!("  {}", bad(text));
        }
    }
    if status.unreported > 0 {
        let outcomes = count(status.unreported, "outcome");
        anstream::println!("\n{}", warn(format!("{outcomes} not reported yet; the next push does it")));
    }
    if !status.caught.is_empty() {
        heading("Caught");
        for detail in &status.caught {
            anstream::println!("  {detail}");
        }
    }
    for problem in &status.problems {
        anstream::println!("\n{}", bad(problem));
    }
}

fn run_stop(global: &Global, args: &StopArgs) -> Result<Exit, CliError> {
    let mut stops = Vec::new();
    for path in &args.statements {
        stops.push(Stop::read(&home::files::read(path, MAX_STOP_BYTES)?)?);
    }
    let Some(repo) = &args.repo else { return stop_the_apply_gate(global, &stops) };
    let gate = GitGate::open(repo)?;
    let mut desk = gate.desk()?;
    let name = &gate.config().name;
    let obeys = |stop: &Stop| match global.format {
        Format::Json => {}
        Format::Text => anstream::println!("{} gate {name} obeys from now on: {}", good("ok"), stop.words()),
    };
    let (mut obeyed, mut unchecked, mut refused) = (Vec::new(), Vec::new(), None);
    // Each of them first, before anything that could take time, and whatever becomes of the others.
    for stop in &stops {
        match desk.stop(stop, clock::now()) {
            Ok(Taken::Obeyed) => {
                obeys(stop);
                obeyed.push(stop.words());
            }
            Ok(Taken::Unchecked) => unchecked.push(stop.words()),
            Err(error) => refused = refused.or(Some(GateError::from(error))),
        }
    }
    // So that the log has them. Where the server cannot be reached, the gate knows what it knew.
    let followed = desk.follow(clock::now());
    for Checked { stop, dropped } in desk.checked() {
        unchecked.retain(|words| *words != stop.words());
        match dropped {
            None => {
                obeys(&stop);
                obeyed.push(stop.words());
            }
            Some(refusal) => refused = refused.or(Some(refusal.into())),
        }
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    match global.format {
        Format::Json => output::json(&serde_json::json!({
            "gate": name,
            "obeyed": obeyed,
            "unchecked": unchecked,
            "followed": followed.is_ok(),
        }))?,
        Format::Text => {
            for words in &unchecked {
                let kept = format!("gate {name} keeps, until the log tells whose it is: {words}");
                anstream::println!("{}: {kept}; no push is judged before", warn("warning"));
            }
            if let Err(error) = followed {
                anstream::eprintln!("{}: the log could not be followed: {error}", warn("warning"));
            }
        }
    }
    Ok(Exit::Done)
}

/// Keeps stops where `countersign apply` of this account finds them. It finds out whose they are before anything is applied.
fn stop_the_apply_gate(global: &Global, stops: &[Stop]) -> Result<Exit, CliError> {
    let place = memory::place()?;
    for stop in stops {
        let origin = &stop.signed().statement().header.log;
        let copy = Memory::of(&place, origin).folder().join(apply::COPY);
        Stops::beside(&copy).keep_unchecked(stop)?;
    }
    let kept: Vec<String> = stops.iter().map(Stop::words).collect();
    match global.format {
        Format::Json => output::json(&serde_json::json!({"gate": "apply", "obeyed": [], "unchecked": kept}))?,
        Format::Text => {
            for words in &kept {
                anstream::println!(
                    "{} kept for countersign apply, which looks whose it is before it opens: {words}",
                    good("ok")
                );
            }
        }
    }
    Ok(Exit::Done)
}

/// Whatever goes wrong in a hook that can refuse keeps the gate shut.
fn run_hook(args: &HookArgs) -> Exit {
    match hook(args) {
        Ok(()) => Exit::Done,
        Err(GateError::Refused(refused)) => {
            eprint!("{refused}");
            Exit::Failed
        }
        Err(error) => {
            eprintln!("countersign: the gate stays shut: {error} [{}]", error.code());
            if let Some(hint) = error.hint() {
                eprintln!("countersign:   -> {hint}");
            }
            Exit::Failed
        }
    }
}

fn hook(args: &HookArgs) -> Result<(), GateError> {
    let gate = GitGate::open(&args.repository)?;
    match args.hook.as_str() {
        "pre-receive" => {
            let options = push_options(|name| env::var(name).ok());
            pre_receive(&gate, &updates()?, &options, &clock::now).map(drop)
        }
        "reference-transaction" => match args.rest.first().and_then(|state| State::parse(state)) {
            Some(state) => reference_transaction(&gate, state, &updates()?, clock::now()),
            None => Ok(()),
        },
        "post-receive" => {
            // The branch has moved; what cannot be told now is told before the next push.
            if let Err(error) = report::tell(&gate, clock::now()) {
                eprintln!("countersign: landed; the log will be told later ({error})");
            }
            Ok(())
        }
        other => Err(GateError::Update(format!("{other} is no hook of a gate"))),
    }
}

fn updates() -> Result<Vec<Update>, GateError> {
    let mut bytes = Vec::new();
    io::stdin()
        .take(MAX_STDIN_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| GateError::Update(format!("standard input breaks off: {error}")))?;
    // What is cut off could be the protected branch.
    if bytes.len() > MAX_STDIN_BYTES {
        return Err(GateError::Update(format!("more than {MAX_STDIN_BYTES} bytes of references at once")));
    }
    Update::parse_all(&String::from_utf8_lossy(&bytes))
}
