//! `gate report`, `gate enforce` and `gate watch`: what a watching gate saw, and from watching to enforcing and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    glob::Glob,
    ids::{ActorId, Target},
    state::GateRecord,
    statement::{Body, GateRegistration, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope, Time};
use serde_json::json;

use super::super::{
    Global,
    error::{CliError, Exit},
    me::Me,
    output::{self, Format, bad, count, faint, good, heading, printable, warn},
    submit::{self, Session},
};
use crate::{
    client::ClientError,
    clock,
    gates::git::{
        GateConfig, GitGate,
        mode::{self, Part},
        watch::{self, Met},
        week::{AuthorReport, Report, RuleReport, Unmapped},
    },
    home::files::{self, word},
    known::KnownLog,
    speaker::Speaker,
    wire::{Submit, rfc3339},
};

const MAX_DRAFT_BYTES: usize = 256 * 1024;
/// Pushes that a report names one by one.
const MAX_NAMED: usize = 20;
const MAX_PEOPLE: usize = 5;

/// What is only watched, under what a branch reaches.
pub fn tell(watched: &BTreeSet<Target>) {
    for target in watched {
        anstream::println!("  {}", warn(format!("{target} is only watched: it passes, and is written down")));
    }
}

/// The command that shows it.
pub fn see(repository: &Path) -> String {
    format!("countersign gate report {}", word(repository))
}

/// What a gate that only watches let pass, and what an enforcing one would have said.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The bare repository
    repo: PathBuf,
    /// How far back: `7d`, `12h`, `30m`
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    since: i64,
}

/// Seconds of a span of time, in the form that people type.
fn span(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no span of time: a number and one of d, h, m, for example 7d");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let secs = span.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours())).map_err(|_| wrong())?;
    if secs >= 1.0 { Ok(secs as i64) } else { Err(wrong()) }
}

pub fn report(global: &Global, args: &ReportArgs) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    let since = clock::now().plus_secs(-args.since);
    let met = watch::since(&gate, since)?;
    let report = Report::of(&met);
    match global.format {
        Format::Json => output::json(&json!({"since": rfc3339(since), "report": report, "pushes": met}))?,
        Format::Text => tell_report(&gate, &report, &met, since),
    }
    Ok(Exit::Done)
}

fn tell_report(gate: &GitGate, report: &Report, met: &[Met], since: Time) {
    let config = gate.config();
    let enforced = config.branches.iter().all(|branch| branch.watch.is_empty());
    if report.pushes == 0 {
        anstream::println!(
            "since {}, gate {} let nothing pass that it would have stopped",
            rfc3339(since),
            config.name
        );
        if enforced {
            anstream::println!("{}", faint("it enforces all that it guards"));
        }
        return;
    }
    let deleted = match report.deleted {
        0 => String::new(),
        1 => ", 1 took a branch away".to_owned(),
        more => format!(", {more} took a branch away"),
    };
    anstream::println!(
        "since {}, gate {} let {} pass that it would have stopped; {} of them brought a proposed change{deleted}",
        rfc3339(since),
        config.name,
        count(report.pushes, "push"),
        report.proposed
    );
    heading("Why");
    for (code, pushes) in &report.codes {
        anstream::println!("  {pushes:>5}  {code}");
    }
    if !report.rules.is_empty() {
        heading("By rule");
        report.rules.iter().for_each(tell_rule);
    }
    if !report.watched.is_empty() {
        heading("Not met, by rules in watch, which stop nothing");
        report.watched.iter().for_each(tell_rule);
    }
    tell_authors(&report.authors);
    tell_unmapped(gate, &report.unmapped);
    heading("Pushes");
    for one in met.iter().rev().take(MAX_NAMED) {
        tell_push(one);
    }
    if met.len() > MAX_NAMED {
        anstream::println!("  {}", faint(format!("and {} before; all of them: --format json", met.len() - MAX_NAMED)));
    }
    heading("Next");
    anstream::println!("  propose before pushing, so that others can approve: countersign propose --git . --help");
    let repo = word(gate.repository());
    anstream::println!(
        "  enforce a part of it: countersign gate enforce {repo} --path GLOB; or all: countersign gate enforce {repo}"
    );
}

fn tell_rule(of: &RuleReport) {
    let RuleReport { rule, pushes, missing, who, nobody } = of;
    anstream::println!("  {pushes:>5}  {rule}");
    for (missing, times) in missing {
        anstream::println!("         {times} x {}", printable(missing));
    }
    if !who.is_empty() {
        anstream::println!("         would fall on: {}", people(who));
    }
    if *nobody > 0 {
        let nobody = format!("for {} nobody could have supplied it", count(*nobody, "push"));
        anstream::println!("         {}", bad(nobody));
    }
}

/// Who would have met it, and whom they would have asked.
fn tell_authors(authors: &[AuthorReport]) {
    if authors.is_empty() {
        return;
    }
    heading("By author, and on whom it would fall");
    let name = |of: &AuthorReport| of.by.as_ref().map_or("(nobody known)".to_owned(), ToString::to_string);
    let wide = authors.iter().map(|of| name(of).chars().count()).chain(["author".len()]).max().unwrap_or_default();
    anstream::println!("  {}", faint(format!("{:<wide$}  pushes  proposed  on", "author")));
    for of in authors.iter().take(MAX_NAMED) {
        let on = if of.who.is_empty() { "nobody else".to_owned() } else { people(&of.who) };
        anstream::println!("  {:<wide$}  {:>6}  {:>8}  {on}", name(of), of.pushes, of.proposed);
    }
    if authors.len() > MAX_NAMED {
        anstream::println!(
            "  {}",
            faint(format!("and {} more; all of them: --format json", authors.len() - MAX_NAMED))
        );
    }
}

/// What somebody has to add to the map before it can be enforced.
fn tell_unmapped(gate: &GitGate, unmapped: &[Unmapped]) {
    if unmapped.is_empty() {
        return;
    }
    heading("Paths that no entry of the map names");
    for Unmapped { pattern, pushes, for_example } in unmapped.iter().take(MAX_NAMED) {
        let example = if pattern == for_example { String::new() } else { format!("  for example {for_example}") };
        anstream::println!("  {pushes:>5}  {}{}", printable(pattern), faint(printable(&example)));
    }
    if unmapped.len() > MAX_NAMED {
        anstream::println!(
            "  {}",
            faint(format!("and {} more; all of them: --format json", unmapped.len() - MAX_NAMED))
        );
    }
    let maps: Vec<String> = unmapped
        .iter()
        .take(MAX_PEOPLE)
        .map(|one| format!("--map {}", word(Path::new(&format!("{}=SYSTEM/ENVIRONMENT", one.pattern)))))
        .collect();
    anstream::println!(
        "         -> countersign gate install {} {}",
        word(gate.repository()),
        printable(&maps.join(" "))
    );
    anstream::println!(
        "         {}",
        faint("or one target for whatever no entry names: --map-else SYSTEM/ENVIRONMENT")
    );
}

fn tell_push(met: &Met) {
    let Met { at, branch, from, to, account, by, change, code, said, rules, .. } = met;
    let by = by.as_ref().map(ActorId::as_str).or(account.as_deref()).unwrap_or("somebody");
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let moved = match (from.is_zero(), met.deletes()) {
        (_, true) => format!("deleted at {}", from.short()),
        (true, false) => format!("made at {}", to.short()),
        (false, false) => format!("{}..{}", from.short(), to.short()),
    };
    anstream::println!("  {}  {branch} {moved}  {}  [{code}]", rfc3339(*at), printable(by));
    anstream::println!("    {}", printable(said));
    let how: BTreeSet<&String> = rules.iter().filter(|rule| !rule.watch).flat_map(|rule| &rule.how).collect();
    if let Some(change) = change {
        anstream::println!("    {}", faint(format!("countersign show {}", change.short())));
    }
    for how in how {
        anstream::println!("    {}", faint(format!("-> {}", printable(how))));
    }
}

/// Those who are there most often, with how often.
fn people(who: &BTreeMap<ActorId, usize>) -> String {
    let mut sorted: Vec<(&ActorId, &usize)> = who.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let named: Vec<String> = sorted.iter().take(MAX_PEOPLE).map(|(id, times)| format!("{id} ({times})")).collect();
    match sorted.len().saturating_sub(MAX_PEOPLE) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Which part of what a gate guards.
#[derive(Clone, Debug, clap::Args)]
struct PartArgs {
    /// A branch; may be given several times [default: all]
    #[arg(long = "branch", value_name = "BRANCH")]
    branches: Vec<String>,
    /// An entry of the map, by its pattern; may be given several times
    #[arg(long = "path", value_name = "GLOB", value_parser = glob)]
    paths: Vec<Glob>,
    /// What reaches this target; may be given several times
    #[arg(long = "target", value_name = "SYSTEM/ENVIRONMENT")]
    targets: Vec<Target>,
}

fn glob(text: &str) -> Result<Glob, String> {
    Glob::try_from(text.to_owned()).map_err(|error| error.to_string())
}

impl PartArgs {
    fn part(&self) -> Part {
        let full = |name: &String| if name.starts_with("refs/") { name.clone() } else { format!("refs/heads/{name}") };
        Part {
            branches: self.branches.iter().map(full).collect(),
            paths: self.paths.clone(),
            targets: self.targets.clone(),
        }
    }
}

/// Have a gate enforce what it only watches: all of it, or a part. Whoever registered the gate signs it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign gate enforce /srv/git/shop.git --path 'services/checkout/**'\n  \
    countersign gate enforce /srv/git/shop.git --branch main\n  \
    countersign gate enforce /srv/git/shop.git\n\n\
    What is enforced is what reaches the target of that path on that branch. Back takes two people: countersign gate watch.")]
pub struct EnforceArgs {
    /// The bare repository
    repo: PathBuf,
    #[command(flatten)]
    part: PartArgs,
}

pub fn enforce(global: &Global, args: &EnforceArgs) -> Result<Exit, CliError> {
    let gate = global.git_gate(&args.repo)?;
    let config = mode::with(&gate, &args.part.part(), false)?;
    let global = &at_the_gate(global, &gate);
    let log = global.log_of(Some(gate.trust()))?;
    let known = known(&log.client, &config)?;
    if let Some(registration) = mode::registration(&gate, &config, known.as_ref(), None)? {
        by_registrar(global, &log, &config, known.as_ref(), || {
            format!("countersign gate enforce {}{} --key KEYFILE", word(&args.repo), args.part.words())
        })?;
        let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
        session.say(Body::GateRegistration(registration), &[])?;
    }
    put(&gate, &config)?;
    told(global, &gate, &config)?;
    Ok(Exit::Done)
}

/// Have a gate only watch what it enforces. That loosens: two people sign it, one of the policy group (the founders).
///
/// Whoever registered the gate signs first, and gets a file; a second person signs that, from wherever they are; then the same
/// command once more, where the repository lies, has the gate watch.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign gate watch /srv/git/shop.git --path 'docs/**' --why \"…\"   writes gate-watch-….json\n  \
    countersign gate watch --cosign gate-watch-….json                   the second person signs, and submits\n  \
    countersign gate watch /srv/git/shop.git --path 'docs/**'           has it watch, once the log says so")]
pub struct WatchArgs {
    /// The bare repository
    #[arg(required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    repo: Option<PathBuf>,
    #[command(flatten)]
    part: PartArgs,
    /// Why: kept in the log
    #[arg(long, requires = "repo")]
    why: Option<String>,
    /// Where to write what was signed [default: gate-watch-….json here]
    #[arg(long, value_name = "FILE", requires = "repo")]
    out: Option<PathBuf>,
    /// Sign what somebody else has signed, and submit it
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what it loosens, and sign nothing
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
}

pub fn watch(global: &Global, args: &WatchArgs) -> Result<Exit, CliError> {
    match (&args.repo, &args.cosign, &args.show) {
        (_, Some(file), _) => cosign(global, file),
        (_, _, Some(file)) => show(global, file),
        (Some(repo), None, None) => loosen(global, args, repo),
        (None, None, None) => Err(CliError::usage("which gate?").hint("name the bare repository")),
    }
}

fn loosen(global: &Global, args: &WatchArgs, repo: &Path) -> Result<Exit, CliError> {
    let gate = global.git_gate(repo)?;
    let config = mode::with(&gate, &args.part.part(), true)?;
    let global = &at_the_gate(global, &gate);
    let log = global.log_of(Some(gate.trust()))?;
    let known = known(&log.client, &config)?;
    let (reason, blob) = match &args.why {
        Some(why) => submit::reason(why).map(|(digest, blob)| (Some(digest), Some(blob)))?,
        None => (None, None),
    };
    let Some(registration) = mode::registration(&gate, &config, known.as_ref(), reason)? else {
        put(&gate, &config)?;
        told(global, &gate, &config)?;
        return Ok(Exit::Done);
    };
    by_registrar(global, &log, &config, known.as_ref(), || {
        let why = args.why.as_deref().map(|why| format!(" --why {}", word(Path::new(why)))).unwrap_or_default();
        format!("countersign gate watch {}{}{why} --key KEYFILE", word(repo), args.part.words())
    })?;
    let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
    if !known.as_ref().is_some_and(|known| known.is_loosened_by(&registration)) {
        session.say(Body::GateRegistration(registration), blob.as_slice())?;
        put(&gate, &config)?;
        told(global, &gate, &config)?;
        return Ok(Exit::Done);
    }
    let Some(why) = &args.why else {
        return Err(CliError::usage("it loosens what is enforced, and needs a reason: --why \"…\""));
    };
    let mut lines = vec![format!("loosens gate {}: {why}", config.name)];
    lines.extend(loosened(known.as_ref(), &registration));
    submit::announce(&session.speaker, &lines);
    let envelope = session.speaker.sign(&session.log.in_front_of(), Body::GateRegistration(registration))?;
    let text = serde_json::to_string(&Submit::new(&envelope, blob.as_slice()))
        .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))?;
    let short: String = envelope.payload_digest().hex().chars().take(12).collect();
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("gate-watch-{short}.json")));
    files::write(&file, text)?;
    match global.format {
        Format::Json => output::json(&json!({"file": file, "signed_by": [session.speaker.me], "loosens": lines}))?,
        Format::Text => {
            anstream::println!("{} signed; the gate enforces as before", good(&session.speaker.me));
            heading("Next");
            let file = word(&file);
            anstream::println!("  a second person reads it:  countersign gate watch --show {file}");
            anstream::println!("  and signs it within a day: countersign gate watch --cosign {file} --key KEY");
            anstream::println!(
                "  then, here again:          countersign gate watch {}{}",
                word(repo),
                args.part.words()
            );
        }
    }
    Ok(Exit::Done)
}

/// Refuses before anything is signed what the log would only take from whoever registered the gate, as long as they are there.
fn by_registrar(
    global: &Global,
    log: &KnownLog,
    config: &GateConfig,
    known: Option<&GateRecord>,
    command: impl Fn() -> String,
) -> Result<(), CliError> {
    let Some(known) = known else { return Ok(()) };
    let (me, whose) = (Me::of(global, log)?, &known.registered_by);
    if me.known()? == whose || me.state.governance.person(whose).is_none() {
        return Ok(());
    }
    let name = &config.name;
    let what = format!("gate `{name}` was registered by {whose}, who alone has it enforce or watch");
    Err(CliError::new("anothers-gate", what).hint(format!("with a key of {whose}'s: {}", command())))
}

impl PartArgs {
    /// As they were typed.
    fn words(&self) -> String {
        let branches = self.branches.iter().map(|branch| format!(" --branch {}", word(Path::new(branch))));
        let paths = self.paths.iter().map(|paths| format!(" --path {}", word(Path::new(paths.as_str()))));
        let targets = self.targets.iter().map(|target| format!(" --target {target}"));
        branches.chain(paths).chain(targets).collect()
    }
}

/// What was enforced and would only be watched, a line each.
fn loosened(known: Option<&GateRecord>, new: &GateRegistration) -> Vec<String> {
    let was = |branch: &str, target: &Target| known.is_some_and(|known| known.watches(branch, target));
    let mut lines = Vec::new();
    for (branch, targets) in &new.watching {
        let branch = branch.as_str();
        let newly = targets.iter().filter(|target| !was(branch, target));
        lines.extend(newly.map(|target| format!("what reaches {target} on {branch} passes unasked")));
    }
    lines
}

const DRAFT: &str = "it is the file that `countersign gate watch REPO --why …` wrote";

/// What the first person signed.
struct Draft {
    envelope: Envelope,
    registration: GateRegistration,
    blobs: Vec<Vec<u8>>,
}

impl Draft {
    fn read(file: &Path) -> Result<Self, CliError> {
        let wrong = |what: String| CliError::new("not-a-loosening", format!("{}: {what}", file.display())).hint(DRAFT);
        let bytes = files::read(file, MAX_DRAFT_BYTES).map_err(|error| error.expecting(DRAFT))?;
        let read: Submit = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let envelope = Envelope::parse(read.envelope.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let registration = match Statement::parse(envelope.payload())?.body {
            Body::GateRegistration(registration) => registration,
            other => return Err(wrong(format!("there is a {} statement in it", other.kind()))),
        };
        let blobs: Result<Vec<Vec<u8>>, _> = read.blobs.iter().map(|blob| STANDARD.decode(blob)).collect();
        Ok(Self { envelope, registration, blobs: blobs.map_err(|error| wrong(error.to_string()))? })
    }

    /// What it does and why, by what was signed.
    fn lines(&self, known: Option<&GateRecord>) -> Vec<String> {
        let reason = self.registration.reason.and_then(|digest| {
            let blob = self.blobs.iter().find(|blob| Digest::of(blob) == digest)?;
            Reason::parse(blob).ok().map(|reason| reason.why)
        });
        let why = reason.map(|why| format!(": {why}")).unwrap_or_default();
        let mut lines =
            vec![format!("loosens gate {} of {}{why}", self.registration.gate, self.registration.repository)];
        lines.extend(loosened(known, &self.registration));
        lines
    }
}

fn show(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let draft = Draft::read(file)?;
    let log = global.log()?;
    let lines = draft.lines(gate_record(&log.client, &draft.registration)?.as_ref());
    match global.format {
        Format::Json => output::json(&json!({"loosens": lines}))?,
        Format::Text => lines.iter().for_each(|line| anstream::println!("{}", printable(line))),
    }
    Ok(Exit::Done)
}

fn cosign(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let draft = Draft::read(file)?;
    let session = global.session()?;
    let lines = draft.lines(gate_record(&session.log.client, &draft.registration)?.as_ref());
    submit::not_twice(&draft.envelope, &session.speaker.hand)?;
    submit::announce(&session.speaker, &lines);
    let mut signatures = draft.envelope.signatures().to_vec();
    signatures.push(session.speaker.hand.sign(draft.envelope.payload())?);
    let both = Envelope::new(draft.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    let receipt = session.send(&both, &draft.blobs)?;
    fs::remove_file(file).map_err(|error| {
        CliError::new("cannot-remove", format!("loosened, but cannot remove {}: {error}", file.display()))
    })?;
    match global.format {
        Format::Json => output::json(&json!({"leaf": receipt.index, "loosened": lines}))?,
        Format::Text => {
            anstream::println!("{} the log has it: gate {} may watch", good("ok"), draft.registration.gate);
            anstream::println!("next, where its repository lies: countersign gate watch REPO");
        }
    }
    Ok(Exit::Done)
}

/// The server and the log that the gate asks, unless another is named.
fn at_the_gate(global: &Global, gate: &GitGate) -> Global {
    match global.names_server {
        true => global.clone(),
        false => Global { url: gate.config().url.clone(), ..global.clone() },
    }
}

fn known(client: &crate::client::Client, config: &GateConfig) -> Result<Option<GateRecord>, CliError> {
    found(client.gate(&config.name))
}

fn gate_record(client: &crate::client::Client, of: &GateRegistration) -> Result<Option<GateRecord>, CliError> {
    found(client.gate(&of.gate))
}

fn found(answer: Result<GateRecord, ClientError>) -> Result<Option<GateRecord>, CliError> {
    match answer {
        Ok(record) => Ok(Some(record)),
        Err(ClientError::Refused { code, .. }) if code == "unknown-gate" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes it, and follows, so that the gate's own copy knows, too.
fn put(gate: &GitGate, config: &GateConfig) -> Result<(), CliError> {
    let program = env::current_exe()
        .map_err(|error| CliError::new("failed", format!("cannot find out where this program is: {error}")))?;
    mode::put(gate, config, &program)?;
    let mut desk = gate.desk()?;
    Ok(desk.follow(clock::now()).map_err(crate::gates::git::GateError::from)?)
}

fn told(global: &Global, gate: &GitGate, config: &GateConfig) -> Result<(), CliError> {
    if global.format == Format::Json {
        let watch: BTreeMap<_, _> = config.watching();
        return output::json(&json!({"name": config.name, "watching": watch}));
    }
    anstream::println!("{} gate {} of {}", good("ok"), config.name, gate.repository().display());
    for branch in &config.branches {
        let how = match (branch.watch.is_empty(), branch.is_watched()) {
            (true, _) => "is enforced",
            (_, true) => "is only watched",
            (false, false) => "is enforced, but for",
        };
        anstream::println!("  {} {how}", branch.short());
        if !branch.is_watched() {
            for target in &branch.watch {
                anstream::println!("    {}", warn(format!("what reaches {target}: it is only watched")));
            }
        }
    }
    Ok(())
}
