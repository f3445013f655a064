//! `countersign audit`: what the past of a repository proves.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_audit::{
    AreasBy, ImpactTable, Requests, RequestsError,
    requests::{Cut, EXPORTS, Request},
};
use countersign_core::{catalog::did_you_mean, rules::Rules};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, printable, printable_lines, warn},
    verify,
};
use crate::{
    audit::{
        Judged, forge,
        governed::{self, GovernedError},
        html, judge_all,
        progress::Progress,
        reader::{History, InvalidTime, ReadError, Selection, Stop, parse_time},
        replayed::{Replayed, RuleSet, replay_all},
        report::{Called, Report, Wanted},
        scope::{self, ScopeError},
        text,
    },
    clock,
    git::GitError,
    git::Repository,
    home::shipped,
    joined, unix,
};

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Tell what the past of a git repository proves about who looked at its changes
///
/// Reads any local repository (bare or not, shallow or partial too) and needs no server, account or configuration. It
/// writes nothing into the repository and fetches nothing. A landed change is a first-parent commit of the branch.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign audit .                                    the branch that is checked out\n  \
    countersign audit REPO --format html --out audit.html  one page for a browser, to forward\n  \
    countersign audit REPO --since 2026-01-01              from that day on (committer time, UTC)\n  \
    countersign audit REPO --format json --changes         every landed change with its evidence\n  \
    countersign audit REPO --compare HOME/rules            what would these rules change?\n  \
    countersign audit REPO --log URL --trust trust.json    count the approvals of a Countersign log, too\n  \
    countersign audit REPO --catalog HOME/catalog          who carries the reviews, by system\n  \
    countersign audit REPO --anonymise --out report.txt    people by pseudonyms, into a file")]
pub struct Args {
    /// The repository: a checkout, a folder in it, or a bare repository.
    #[arg(required_unless_present = "reviews_help")]
    repository: Option<PathBuf>,
    /// The branch [default: HEAD's].
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Only changes committed at this time or later: 2026-03-01, 2026-03-01T12:00:00 (UTC) or with an offset.
    #[arg(long, value_name = "DATE", value_parser = time)]
    since: Option<i64>,
    /// Only changes committed before this time.
    #[arg(long, value_name = "DATE", value_parser = time)]
    until: Option<i64>,
    /// List every landed change (JSON; a page has them always).
    #[arg(long)]
    changes: bool,
    /// What the page is headed by [default: the owner and name in the address that it was cloned from; else its folder's name].
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Write the report into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace people by pseudonyms, the same in every report about this history.
    #[arg(long)]
    anonymise: bool,
    /// Your own table of paths that reach far: YAML of `class: [globs]`.
    #[arg(long, value_name = "FILE")]
    impact: Option<PathBuf>,
    /// What reviews are shared out by [default: catalog with --catalog; codeowners if the branch names owners of
    /// particular paths; else folders].
    #[arg(long, value_name = "BY")]
    areas: Option<AreasArg>,
    /// The systems that paths belong to: a folder of Backstage YAML, or a home.
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// What the forge knows of its merged requests, exported into a file; --reviews-help prints how. May be given several times.
    #[arg(long, value_name = "FILE")]
    reviews: Vec<PathBuf>,
    /// Print the command by which each forge exports its reviews.
    #[arg(long)]
    reviews_help: bool,
    /// Put every landed change to the rules in this folder [default: the shipped rules].
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Put them to the rules in this folder too, and show what changes verdict.
    #[arg(long, value_name = "DIR")]
    compare: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum AreasArg {
    /// Top folders.
    Folders,
    /// Owners, as the CODEOWNERS file at the branch's tip names them.
    Codeowners,
    /// Systems of the catalog.
    Catalog,
}

impl From<AreasArg> for AreasBy {
    fn from(by: AreasArg) -> Self {
        match by {
            AreasArg::Folders => Self::Folders,
            AreasArg::Codeowners => Self::CodeOwners,
            AreasArg::Catalog => Self::Catalog,
        }
    }
}

pub(super) fn time(text: &str) -> Result<i64, InvalidTime> {
    parse_time(text)
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let Some(repository) = args.repository.as_ref().filter(|_| !args.reviews_help) else {
        return reviews_help(global.format);
    };
    let format = if global.page { Shape::Page } else { Shape::Printed(global.format) };
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since >= until
    {
        return Err(CliError::usage("--since is not before --until, so no change can lie between them")
            .hint("--until is exclusive: for one day pass that day and the next"));
    }
    if args.changes && format == Shape::Printed(Format::Text) {
        return Err(CliError::usage("--changes lists every change, which is for programs").hint("add --format json"));
    }
    if format == Shape::Page && args.out.is_none() && std::io::stdout().is_terminal() {
        return Err(CliError::usage("--format html is a page for a browser, which a terminal cannot show")
            .hint("name the file: --out audit.html"));
    }
    if matches!(args.areas, Some(AreasArg::Catalog)) && args.catalog.is_none() {
        return Err(CliError::usage("--areas catalog needs a catalog")
            .hint("name a folder of Backstage YAML, or a home: --catalog DIR"));
    }
    if let Some(file) = &args.out {
        // Said before the work, not after it.
        let folder = folder_of(file);
        if !folder.is_dir() {
            return Err(cannot_write(file, &format!("there is no folder `{}`", folder.display())));
        }
        if file.is_dir() {
            return Err(cannot_write(file, "it is a folder"));
        }
    }
    let impact = impact(args.impact.as_deref())?;
    let mut requests = requests(&args.reviews)?;
    if let Some(place) = &global.audited_log {
        requests.add_signed(governed(repository, place, global.trust.as_deref())?);
    }
    let rules = rule_set(args.rules.as_deref())?;
    let compare = args.compare.as_deref().map(|dir| rule_set(Some(dir))).transpose()?;
    let stop = stop_on_signals()?;
    let selection = Selection { branch: args.branch.clone(), since: args.since, until: args.until };
    let progress = Progress::start();
    let history = History::open(repository, &selection, &stop)?;
    let wanted = scope::Wanted {
        impact,
        areas: args.areas.map(AreasBy::from),
        catalog: args.catalog.clone(),
        requests,
        rules: std::iter::once(&rules).chain(&compare).map(|set| Arc::clone(&set.rules)).collect(),
    };
    let prepared = scope::prepare(&history, wanted)?;
    progress.changes(history.len());
    let judged = judge_all(&history, prepared, &progress)?;
    progress.rules();
    let replayed = replay_all(&judged, &rules, compare.as_ref())
        .map_err(|error| CliError::new("failed", format!("the past cannot be put to rules: {error}")))?;
    progress.done();
    let page = render(format, args, repository, &history, &selection, &judged, &replayed)?;
    match &args.out {
        Some(file) => write_whole(file, &format.without_colours(page))?,
        None => print(&page, format)?,
    }
    Ok(Exit::Done)
}

/// What becomes of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Printed(Format),
    Page,
}

impl Shape {
    /// A file is no terminal. Only text has colours; in the others nothing may be touched.
    fn without_colours(self, report: String) -> String {
        match self {
            Self::Printed(Format::Text) => anstream::adapter::strip_str(&report).to_string(),
            Self::Printed(Format::Json) | Self::Page => report,
        }
    }
}

fn render(
    format: Shape,
    args: &Args,
    repository: &Path,
    history: &History,
    selection: &Selection,
    judged: &Judged,
    replayed: &Replayed,
) -> Result<String, CliError> {
    let wanted = Wanted { changes: args.changes || format == Shape::Page, anonymise: args.anonymise };
    // Where it was cloned from says whose repository it is.
    let remote = if args.anonymise { None } else { history.remote()? };
    let origin = remote.as_deref().and_then(forge::origin);
    let named = || origin.as_ref().map_or_else(|| history.repository_name(), |origin| origin.path.clone());
    let title = args.title.clone().unwrap_or_else(named);
    let path = repository.to_string_lossy();
    let called = Called { path: &path, title: &title, host: origin.as_ref().map(|origin| origin.host.as_str()) };
    let mut report = Report::new(called, history, selection, judged, wanted);
    report.add_replay(called, history, judged, replayed);
    match format {
        Shape::Printed(Format::Text) => Ok(text::render(&report)),
        Shape::Printed(Format::Json) => serde_json::to_string_pretty(&report)
            .map(|json| json + "\n")
            .map_err(|error| CliError::new("failed", format!("the report cannot be written as JSON: {error}"))),
        Shape::Page => html::render(&report, remote.as_deref().and_then(forge::commits_at).as_deref())
            .map_err(|error| CliError::new("failed", format!("the page cannot be made: {error}"))),
    }
}

fn rule_set(dir: Option<&Path>) -> Result<RuleSet, CliError> {
    let Some(dir) = dir else {
        let rules = Rules::parse(&shipped::rules())
            .map_err(|error| CliError::new("failed", format!("the shipped rules do not parse: {error}")))?;
        return Ok(RuleSet { name: "the shipped rules".to_owned(), rules: Arc::new(rules) });
    };
    let name = format!("the rules in {}", printable(&dir.to_string_lossy()));
    Ok(RuleSet { name, rules: Arc::new(super::rules::load(dir)?) })
}

/// Forges in the order in which most people need them.
fn reviews_help(format: Format) -> Result<Exit, CliError> {
    if format == Format::Json {
        output::json(&EXPORTS.iter().copied().collect::<BTreeMap<_, _>>())?;
        return Ok(Exit::Done);
    }
    anstream::println!("Reviews stay with the forge. It tells of them, where you may read them, by");
    for (forge, command) in EXPORTS {
        anstream::println!("\n{forge}:\n  {command}");
    }
    anstream::println!("\nThen: countersign audit REPO --reviews reviews.json");
    Ok(Exit::Done)
}

/// What a log has of changes that landed here.
fn governed(repository: &Path, place: &str, trust: Option<&Path>) -> Result<Vec<Request>, CliError> {
    let trust = trust.ok_or_else(|| {
        CliError::usage("--log needs --trust FILE, by which the log is checked")
            .hint("it is the trust.json that `countersign init` wrote, from a founder")
    })?;
    let trust = verify::read_trust(trust)?;
    let joined = joined::here()?;
    let place = match joined.logs.get(place) {
        Some(known) => &known.url,
        None if place.contains("://") || Path::new(place).is_dir() => place,
        None => {
            let error =
                CliError::usage(format!("--log: `{place}` is no address, no folder, and no log that was joined here"));
            return Err(match did_you_mean(place, joined.logs.keys().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean --log {meant}?")),
                None => error.hint("name the server's address, or a folder with an export of the log"),
            });
        }
    };
    Ok(governed::read(&Repository::open(repository)?, place, &trust, clock::now())?)
}

impl From<GovernedError> for CliError {
    fn from(error: GovernedError) -> Self {
        match error {
            GovernedError::Follow(error) => error.into(),
            GovernedError::Refused(refusal) => refusal.into(),
            GovernedError::Store(_) | GovernedError::Folder(_) => Self::new("io", error.to_string()),
        }
    }
}

fn requests(files: &[PathBuf]) -> Result<Requests, CliError> {
    let mut requests = Requests::default();
    for file in files {
        let text = fs::read(file)
            .map_err(|error| CliError::new("cannot-read", format!("cannot read {}: {error}", file.display())))
            .map_err(|error| {
                error.hint("--reviews names a file that your forge exported: countersign audit --reviews-help")
            })?;
        requests.add(&String::from_utf8_lossy(&text)).map_err(|error| {
            let said = printable(&format!("{}: {error}", file.display()));
            let hint = match error {
                RequestsError::NotJson(_) | RequestsError::Unknown { .. } | RequestsError::Malformed { .. } => {
                    "it is JSON as the forge writes it: countersign audit --reviews-help"
                }
                RequestsError::Empty => "were requests of another state exported? countersign audit --reviews-help",
                RequestsError::Incomplete { .. } => "export it with the approvals: countersign audit --reviews-help",
            };
            CliError::new("reviews-invalid", said).hint(hint)
        })?;
    }
    for Cut { forge, why, rest } in requests.cuts() {
        anstream::eprintln!(
            "{}: the export from {forge} looks cut: {why}. What is missing counts as if nobody had looked. The rest, to be given with \
             another --reviews:\n  {}",
            warn("warning"),
            printable(&rest)
        );
    }
    Ok(requests)
}

fn impact(file: Option<&Path>) -> Result<ImpactTable, CliError> {
    let Some(file) = file else { return Ok(ImpactTable::default()) };
    let text = fs::read_to_string(file)
        .map_err(|error| CliError::new("cannot-read", format!("cannot read {}: {error}", file.display())))
        .map_err(|error| error.hint("--impact names a file of text: YAML of `class: [glob, …]`"))?;
    ImpactTable::parse(&text).map_err(|error| {
        CliError::new("impact-invalid", format!("{}: {error}", file.display()))
            .hint("it reads `class: [glob, …]`, for example `payments: ['billing/**']`")
    })
}

/// The first Ctrl-C lets us tidy up; a second one ends the program at once.
pub(super) fn stop_on_signals() -> Result<Stop, CliError> {
    let stop = Stop::default();
    unix::flag_stops(&stop.0, INTERRUPTED)
        .map_err(|error| CliError::new("failed", format!("cannot listen for signals: {error}")))?;
    Ok(stop)
}

/// Whoever reads only the beginning (`| head`) has had enough, which is no error.
fn print(report: &str, format: Shape) -> Result<(), CliError> {
    let printed = match format {
        Shape::Printed(Format::Text) => {
            let mut out = anstream::stdout().lock();
            out.write_all(report.as_bytes()).and_then(|()| out.flush())
        }
        Shape::Printed(Format::Json) | Shape::Page => {
            let mut out = std::io::stdout().lock();
            out.write_all(report.as_bytes()).and_then(|()| out.flush())
        }
    };
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new("failed", format!("cannot print the report: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cannot_write(file: &Path, why: &str) -> CliError {
    CliError::new("cannot-write", format!("cannot write {}: {why}", file.display()))
        .hint("name a file in a folder that exists and that you may write to")
}

/// The whole report or none: it takes the place of the file when it is complete. What is no file (a terminal, a pipe,
/// `/dev/stdout`) is written to instead, and a link is followed.
pub(super) fn write_whole(file: &Path, page: &str) -> Result<(), CliError> {
    let cannot = |error: &std::io::Error| cannot_write(file, &error.kind().to_string());
    let there = fs::metadata(file).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) || (there.is_none() && file.is_symlink()) {
        return fs::write(file, page).map_err(|error| cannot(&error));
    }
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".countersign-");
    unix::leave_to_umask(&mut builder);
    let mut whole = builder.tempfile_in(folder_of(file)).map_err(|error| cannot(&error))?;
    whole.write_all(page.as_bytes()).map_err(|error| cannot(&error))?;
    if let Some(there) = there {
        whole.as_file().set_permissions(there.permissions()).map_err(|error| cannot(&error))?;
    }
    whole.as_file().sync_all().map_err(|error| cannot(&error))?;
    whole.persist(file).map_err(|error| cannot(&error.error))?;
    Ok(())
}

impl From<ScopeError> for CliError {
    fn from(error: ScopeError) -> Self {
        let advice = error.advice();
        let code = match error {
            ScopeError::Read(error) => return error.into(),
            ScopeError::Home(error) => return error.into(),
            ScopeError::NoOwners { .. } | ScopeError::OwnersUnread { .. } => "no-codeowners",
            ScopeError::NoEntry { .. } => "codeowners-invalid",
            ScopeError::Catalog { .. } => "catalog-invalid",
            ScopeError::NoCatalog => "no-catalog",
            ScopeError::NoSystems { .. } => "no-systems",
        };
        let error = Self::new(code, printable_lines(&error.to_string()));
        match advice {
            Some(advice) => error.hint(printable(&advice)),
            None => error,
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        let message = printable(&error.to_string());
        match &error {
            ReadError::Git(error) => git(error, printable_lines(&error.to_string())),
            ReadError::UnknownBranch { near, branches, .. } => {
                let near = near.as_ref().map(|near| format!("did you mean `{near}`?"));
                let listed = || format!("its branches are: {}", branches.join(", "));
                Self::new("unknown-branch", message).hint(printable(&near.unwrap_or_else(listed)))
            }
            ReadError::Empty { .. } => {
                Self::new("empty-repository", message).hint("there is nothing to audit before the first commit")
            }
            ReadError::Unborn { branches, .. } => Self::new("empty-branch", message).hint(printable(&format!(
                "say which branch: --branch {}",
                branches.first().map_or("NAME", String::as_str)
            ))),
            ReadError::Object { .. } => Self::new("broken-object", message).hint(
                "`git fsck` tells more; a partial clone needs at least the trees (--filter=blob:none keeps them)",
            ),
            ReadError::Failed { .. } | ReadError::Answer { .. } | ReadError::TooManyCommits { .. } => {
                Self::new("git-failed", message)
            }
            ReadError::Interrupted => Self { exit: Exit::Command(INTERRUPTED), ..Self::new("interrupted", message) },
        }
    }
}

fn git(error: &GitError, message: String) -> CliError {
    let code = match error {
        GitError::NotARepository { .. } | GitError::NoText { .. } => "not-a-repository",
        GitError::Missing { .. } | GitError::TooOld { .. } => "no-git",
        GitError::Shallow { .. }
        | GitError::UnknownRevision { .. }
        | GitError::Ambiguous { .. }
        | GitError::NoObject { .. }
        | GitError::NotACommit { .. }
        | GitError::Malformed { .. }
        | GitError::Path { .. }
        | GitError::Tree { .. }
        | GitError::TooLarge { .. }
        | GitError::Failed { .. }
        | GitError::Answer { .. }
        | GitError::Temporary(_) => "git-failed",
    };
    CliError { hint: error.hint(), ..CliError::new(code, message) }
}
