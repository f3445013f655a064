//! `countersign gate`: makes a bare repository governed, and is what its hooks run.

mod sync;
mod watching;

use std::{
    env,
    ffi::OsString,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Parser as _, Subcommand};
use countersign_core::{
    decision::Mode,
    ids::{GateId, RepositoryId, Target},
    statement::Body,
};

use super::{
    Global, apply,
    error::{CliError, Exit},
    follow,
    output::{self, Format, bad, count, faint, good, heading, printable, warn},
    submit::Session,
    verify,
};
use crate::{
    client::{ClientError, named_for},
    clock,
    gates::desk::{Checked, Taken},
    gates::git::{
        GateError, GitGate, Update,
        config::Entry,
        install::{Installed, Plan, install, reachable},
        receive::{pre_receive, push_options},
        report,
        status::{self, Incident, Status},
        transaction::{State, reference_transaction},
        uninstall::{Uninstalled, uninstall},
    },
    gates::{
        git::outage,
        glass::Glass,
        stops::{Stop, Stops},
    },
    home::{self, files::word},
    memory::{self, Memory},
    speaker::Speaker,
};

/// The largest signed stop.
const MAX_STOP_BYTES: usize = 256 * 1024;
const MAX_GLASS_BYTES: usize = 4 * 1024 * 1024;

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
    /// Show what passed a gate that only watches: what it would have been stopped by, and on whom that would fall
    Report(watching::ReportArgs),
    /// Have a gate enforce what it only watches
    Enforce(watching::EnforceArgs),
    /// Have a gate only watch what it enforces: two people say so
    Watch(watching::WatchArgs),
    /// Hand a signed rejection, revocation, freeze, absence or end of a delegation to a gate, which obeys it at once, whatever the server does
    Stop(StopArgs),
    /// Send the log what a gate could not tell it before, without a push
    Sync(sync::Args),
    /// Hand what people signed in an outage to a gate, where it is too long for a push option
    BreakGlass(BreakGlassArgs),
    /// Take a gate's hooks out of a repository
    Uninstall(UninstallArgs),
    /// What the repository's hooks run
    #[command(hide = true)]
    Hook(HookArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  countersign gate install /srv/git/shop.git --name shop-git --trust trust.json --branch main \\\n    \
    --map 'services/checkout/**=checkout/production' --map-else shop/production\n\n\
    Push the first history before: a protected branch that is not there has no range that anybody could review.\n\
    Installing again brings the gate up to date; what is not named then stays as it is."
)]
struct InstallArgs {
    /// The bare repository that people push to
    repo: PathBuf,
    /// The gate's name in the log
    #[arg(long)]
    name: Option<GateId>,
    /// The trust.json of the server's home, which the gate pins
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// A branch to protect; may be given several times
    #[arg(long = "branch", value_name = "BRANCH")]
    branches: Vec<String>,
    /// Which paths reach which target. `*` stays within a folder, `**` does not. Every changed path must match an
    /// entry, and all entries that match count; may be given several times
    #[arg(long = "map", value_name = "GLOB=SYSTEM/ENVIRONMENT", value_parser = Entry::parse)]
    map: Vec<Entry>,
    /// What paths reach that no --map names
    #[arg(long = "map-else", value_name = "SYSTEM/ENVIRONMENT")]
    map_else: Option<Target>,
    /// Whether what is new is enforced, or only watched: then it passes, and what it would have met is written down
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Guarding>,
    /// What an installed gate protects or maps and is not named here is to go
    #[arg(long)]
    replace: bool,
    /// What changes and approvals call the repository [default: its folder's name, without .git]
    #[arg(long, value_name = "NAME")]
    repository: Option<RepositoryId>,
    /// Where the verified copy of the log lies that the gate decides by. Gates of one machine can share it [default: in
    /// your state directory; in the repository where several accounts push]
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Guarding {
    Watch,
    Enforce,
}

impl From<Guarding> for Mode {
    fn from(mode: Guarding) -> Self {
        match mode {
            Guarding::Watch => Self::Watch,
            Guarding::Enforce => Self::Enforce,
        }
    }
}

/// Ends with 3 while something stands where no permit put it, an outcome is missing in the log, or a hook is not as it was
/// installed.
#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// The bare repository
    repo: PathBuf,
    /// You have looked at where branches were found: write down what it was. They are taken as they stand from then on
    #[arg(long, value_name = "WHY", value_parser = why)]
    answer: Option<String>,
}

/// An answer without words answers nothing.
fn why(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say what it was, in words".to_owned()),
        why => Ok(why.to_owned()),
    }
}

#[derive(Debug, clap::Args)]
struct UninstallArgs {
    /// The bare repository
    repo: PathBuf,
    /// Though the log does not have every outcome yet
    #[arg(long)]
    anyway: bool,
}

#[derive(Debug, clap::Args)]
struct StopArgs {
    /// The bare repository
    #[arg(required_unless_present = "apply")]
    repo: Option<PathBuf>,
    /// Hand it to the apply gate of this account (`countersign apply`), in place of a repository's
    #[arg(long, conflicts_with = "repo")]
    apply: bool,
    /// What `reject`, `revoke`, `freeze`, `away` or `delegate --end` saved; may be given several times
    #[arg(long = "statement", value_name = "FILE", required = true)]
    statements: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct BreakGlassArgs {
    /// The bare repository
    repo: PathBuf,
    /// What `countersign break-glass --at …` wrote, with all its signatures
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct HookArgs {
    #[arg(long)]
    repository: PathBuf,
    /// The gate only watches: whatever goes wrong stops nothing
    #[arg(long)]
    watching: bool,
    hook: String,
    /// Lines of what git says to the hook that are read already
    #[arg(long)]
    line: Vec<String>,
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
        Command::Report(args) => watching::report(global, &args),
        Command::Enforce(args) => watching::enforce(global, &args),
        Command::Watch(args) => watching::watch(global, &args),
        Command::Stop(args) => run_stop(global, &args),
        Command::Sync(args) => sync::run(global, &args),
        Command::BreakGlass(args) => run_break_glass(global, &args),
        Command::Uninstall(args) => run_uninstall(global, &args),
        Command::Hook(args) => Ok(run_hook(&args)),
    }
}

impl From<GateError> for CliError {
    fn from(error: GateError) -> Self {
        Self { hint: error.hint(), ..Self::new(error.code(), error.to_string()) }
    }
}

fn run_install(global: &Global, args: InstallArgs) -> Result<Exit, CliError> {
    // Before anybody is asked: where somebody names a forge, no server and no log have anything to do with it.
    reachable(&args.repo)?;
    let program = env::current_exe()
        .map_err(|error| CliError::new("failed", format!("cannot find out where this program is: {error}")))?;
    let known = match GitGate::kept(&args.repo) {
        Ok(gate) => Some(gate),
        Err(GateError::NoGate { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let global = match &known {
        Some(gate) if !global.names_server => &Global { url: gate.config().url.clone(), ..global.clone() },
        Some(_) | None => global,
    };
    let trust_path = match (args.trust, &known) {
        (Some(path), _) => path,
        (None, Some(gate)) => {
            global.vouches_for(gate.trust(), &args.repo)?;
            gate.trust_path()
        }
        (None, None) => global.trust.clone().ok_or_else(|| {
            CliError::usage("a new gate needs --trust FILE, what it believes from now on")
                .hint("it is the trust.json that `countersign init` wrote into the server's home, from a founder")
        })?,
    };
    let trust = verify::read_trust(&trust_path)?;
    let log = global.log_of(Some(&trust))?;
    let info = log.client.log()?;
    let name = args.name.or_else(|| known.as_ref().map(|gate| gate.config().name.clone()));
    let registered = match &name {
        Some(name) => match log.client.gate(name) {
            Ok(registered) => Some(registered),
            Err(ClientError::Refused { code, .. }) if code == "unknown-gate" => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let full = |name: &String| if name.starts_with("refs/") { name.clone() } else { format!("refs/heads/{name}") };
    let plan = Plan {
        repository: args.repo,
        name,
        called: args.repository,
        proxy: named_for(&global.url, |name| env::var(name).ok()),
        url: global.url.clone(),
        branches: args.branches.iter().map(full).collect(),
        map: args.map,
        otherwise: args.map_else,
        mode: args.mode.map(Mode::from),
        replace: args.replace,
        copy: args.copy,
        memory: log.memory().folder().to_owned(),
        trust: trust_path,
        program,
    };
    let installed = install(plan, &info, registered.as_ref(), |registration| {
        let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
        session.say(Body::GateRegistration(registration), &[]).map(drop)
    })?;
    tell_installed(global, &installed)?;
    Ok(Exit::Done)
}

fn tell_installed(global: &Global, installed: &Installed) -> Result<(), CliError> {
    let Installed { repository, config, registered, remarks } = installed;
    if global.format == Format::Json {
        return output::json(&serde_json::json!({
            "repository": repository,
            "name": config.name,
            "branches": config.branches.iter().map(|branch| &branch.branch).collect::<Vec<_>>(),
            "targets": config.targets(),
            "registered": registered,
            "remarks": remarks,
        }));
    }
    let known = if *registered { "registered in the log" } else { "known to the log as it is" };
    anstream::println!("{} gate {} guards {} ({known})", good("ok"), config.name, repository.display());
    for branch in &config.branches {
        let how = if branch.is_watched() { "is watched" } else { "moves by approved pushes only" };
        anstream::println!("\n{} {how}:", branch.branch);
        for entry in &branch.map {
            anstream::println!("  {} reaches {}", entry.paths.as_str(), entry.target);
        }
        if let Some(target) = &branch.otherwise {
            anstream::println!("  whatever else reaches {target}");
        }
        watching::tell(&branch.watch);
    }
    if config.is_watched() {
        anstream::println!(
            "\n{}: it stops nothing; what it would have stopped: {}",
            warn("watch"),
            watching::see(repository)
        );
    }
    if let Some(proxy) = &config.proxy {
        anstream::println!("\nit reaches {} through {proxy}", config.url);
    }
    for remark in remarks {
        anstream::println!("\n{}: {}", warn("note"), printable(remark));
    }
    anstream::println!(
        "\nnext, in a clone: countersign propose --git . --branch BRANCH --range OLD..NEW --target TARGET"
    );
    anstream::println!("{}", faint(format!("see what it caught: countersign gate status {}", word(repository))));
    Ok(())
}

fn run_status(global: &Global, args: &StatusArgs) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    if let Some(why) = &args.answer {
        status::answer(&gate, why, clock::now())?;
    }
    let status = status::status(&gate, clock::now())?;
    match global.format {
        Format::Json => output::json(&status)?,
        Format::Text => tell_status(&status, &args.repo),
    }
    Ok(if status.is_well() { Exit::Done } else { Exit::Refused })
}

fn run_uninstall(global: &Global, args: &UninstallArgs) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    let key = gate.key()?.public().fingerprint();
    let Uninstalled { config, removed, kept } = uninstall(&gate, args.anyway)?;
    let branches: Vec<&str> = config.branches.iter().map(|branch| branch.branch.as_str()).collect();
    match global.format {
        Format::Json => output::json(&serde_json::json!({
            "name": config.name,
            "removed": removed,
            "unprotected": branches,
            "kept": kept,
            "key": key,
        }))?,
        Format::Text => {
            anstream::println!(
                "{} gate {} is gone: anybody who may push moves {}",
                good("ok"),
                config.name,
                branches.join(", ")
            );
            for path in removed {
                anstream::println!("  removed {}", path.display());
            }
            anstream::println!("  kept {}: what was allowed and spent, and the gate's key", kept.display());
            anstream::println!(
                "next, so that its key is given no more permits: countersign revoke {key} --why \"the gate is gone\""
            );
        }
    }
    Ok(Exit::Done)
}

fn tell_status(status: &Status, repo: &Path) {
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
        if let Some(target) = &branch.otherwise {
            anstream::println!("  whatever else reaches {target}");
        }
        watching::tell(&branch.watch);
        if let Some(expected) = &branch.expected {
            let by = branch.account.as_ref().map(|account| format!(" (its file is {account}'s")).unwrap_or_default();
            let since = branch.since.as_ref().map(|since| format!(", of {since})")).unwrap_or_default();
            anstream::println!(
                "  {}",
                bad(format!("it should stand at {expected}: somebody went round the gate{by}{since}"))
            );
        }
    }
    if status.unreported > 0 {
        let outcomes = count(status.unreported, "outcome");
        let since = status.unsent.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
        let next = format!("the next push does it, or: countersign gate sync {}", word(repo));
        anstream::println!("\n{}", warn(format!("{outcomes} not reported yet{since}; {next}")));
    }
    if status.unsent.broken_glass + status.unsent.moved > 0 {
        let waits = format!("waits to be sent to the log: {}", sync::words(&status.unsent));
        anstream::println!("\n{}", warn(waits));
    }
    if !status.caught.is_empty() {
        heading("Caught");
        for Incident { at, account, what } in &status.caught {
            let account = account.as_deref().map(|account| format!("  {account}")).unwrap_or_default();
            anstream::println!("  {at}{account}  {}", printable(what));
        }
    }
    if status.unanswered {
        let answer = format!("countersign gate status {} --answer …", word(repo));
        anstream::println!(
            "\n{}",
            bad(format!("branches were found where no permit put them; once somebody knows why: {answer}"))
        );
    }
    for note in &status.notes {
        anstream::println!("\n{}: {note}", warn("note"));
    }
    for problem in &status.problems {
        anstream::println!("\n{}", bad(problem));
    }
}

fn run_break_glass(global: &Global, args: &BreakGlassArgs) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    let bytes = home::files::read(&args.file, MAX_GLASS_BYTES)
        .map_err(|e| e.expecting("it is the file that `countersign break-glass --at …` wrote"))?;
    let glass = Glass::read(&bytes)?;
    outage::kept(&gate).keep(&glass)?;
    let change = glass.says()?.change.clone();
    match global.format {
        Format::Json => output::json(&serde_json::json!({"gate": gate.config().name, "change": change}))?,
        Format::Text => anstream::println!("{} gate {} has it: push again, as you did", good("ok"), gate.config().name),
    }
    Ok(Exit::Done)
}

fn run_stop(global: &Global, args: &StopArgs) -> Result<Exit, CliError> {
    let gate = args.repo.as_deref().map(|repo| global.git_gate(repo)).transpose()?;
    let mut stops = Vec::new();
    for path in &args.statements {
        let bytes = home::files::read(path, MAX_STOP_BYTES).map_err(|e| {
            e.expecting("it is the file that `countersign reject` or `countersign revoke` kept, and named")
        })?;
        stops.push(Stop::read(&bytes)?);
    }
    let Some(gate) = gate else { return stop_the_apply_gate(global, &stops) };
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
    if let Some(restored) = desk.restored() {
        anstream::eprintln!("{}: {restored}", output::warn("restored"));
    }
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
    refused.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

/// Keeps stops where `countersign apply` of this account finds them. It finds out whose they are before anything is applied.
fn stop_the_apply_gate(global: &Global, stops: &[Stop]) -> Result<Exit, CliError> {
    let place = memory::place()?;
    for stop in stops {
        let origin = &stop.signed().statement().header.log;
        let memory = Memory::of(&place, origin);
        let of_stop = Path::new("what is handed over");
        match memory.pinned()? {
            Some(pinned) => global.vouches_for(&pinned, of_stop)?,
            None => global.vouches_for_log(origin, of_stop)?,
        }
        let copy = memory.folder().join(apply::COPY);
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

/// Whatever goes wrong in a hook that can refuse keeps the gate shut, but for one that only watches.
fn run_hook(args: &HookArgs) -> Exit {
    let watching = args.watching && GitGate::open(&args.repository).map_or(true, |gate| gate.config().is_watched());
    match hook(args) {
        Ok(()) => Exit::Done,
        Err(error) if watching && !matches!(error, GateError::Refused(_)) => {
            eprintln!("countersign: this gate only watches, and could not ({error})");
            Exit::Done
        }
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
    // In full, so that messages name it as others do.
    let repository = args.repository.canonicalize();
    let gate = GitGate::open(repository.as_deref().unwrap_or(&args.repository))?;
    match args.hook.as_str() {
        "pre-receive" => {
            let options = push_options(|name| env::var(name).ok());
            pre_receive(&gate, &updates(&args.line)?, &options, &clock::now).map(drop)
        }
        "reference-transaction" => match args.rest.first().and_then(|state| State::parse(state)) {
            Some(state) => reference_transaction(&gate, state, &updates(&args.line)?, clock::now()),
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

fn updates(read_already: &[String]) -> Result<Vec<Update>, GateError> {
    let mut bytes: Vec<u8> = read_already.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
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
