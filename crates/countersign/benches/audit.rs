//! The audit against `git log --raw -z` over the same range, in turns and in the same run, so that whatever else the
//! machine does falls on both; and what the replay of the shipped rules adds. Prints the times and the ratio.
//!
//! ```text
//! cargo bench --bench audit                        a made-up history of 50,000 commits
//! cargo bench --bench audit -- REPO …              these repositories
//! cargo bench --bench audit -- --fail-above 1.2 …  ends with 1 where a ratio is higher
//! cargo bench --bench audit -- --replay-below 5 …  ends with 1 where the replay takes longer, in seconds
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::{
    env,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use countersign::audit::{
    judge_all,
    progress::Progress,
    reader::{History, Selection, Stop},
    replayed::{RuleSet, replay_all},
    report::{Called, Report, Wanted},
    scope::Prepared,
    text,
};
use countersign::home::shipped;
use countersign_core::rules::Rules;

const ROUNDS: usize = 5;
const COMMITS: usize = 50_000;
const PEOPLE: usize = 400;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut limits = Limits { ratio: f64::INFINITY, replay: Duration::MAX };
    let mut repositories: Vec<PathBuf> = Vec::new();
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // What cargo passes to every bench.
            "--bench" => {}
            "--fail-above" => limits.ratio = words.next().context("--fail-above wants a ratio")?.parse()?,
            "--replay-below" => {
                limits.replay = Duration::from_secs_f64(words.next().context("--replay-below wants seconds")?.parse()?);
            }
            path => repositories.push(path.into()),
        }
    }
    let made = tempfile::tempdir()?;
    if repositories.is_empty() {
        repositories.push(make(made.path())?);
    }
    println!(
        "{:<28}{:>9}{:>9}{:>12}{:>12}{:>8}{:>12}",
        "repository", "commits", "landed", "git log", "audit", "ratio", "replay"
    );
    let rules =
        RuleSet { name: "the shipped rules".to_owned(), rules: std::sync::Arc::new(Rules::parse(&shipped::rules())?) };
    let mut within = true;
    for repository in &repositories {
        within &= compare(repository, &rules, &limits)?;
    }
    Ok(within)
}

struct Limits {
    ratio: f64,
    replay: Duration,
}

struct Round {
    commits: usize,
    landed: usize,
    audit: Duration,
    replay: Duration,
}

fn compare(repository: &Path, rules: &RuleSet, limits: &Limits) -> Result<bool> {
    let (mut logs, mut audits, mut replays) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = (0, 0);
    // The first round only warms the caches, for both.
    for round in 0..=ROUNDS {
        let log = log(repository)?;
        let one = audit(repository, rules)?;
        counts = (one.commits, one.landed);
        if round > 0 {
            logs.push(log);
            audits.push(one.audit);
            replays.push(one.replay);
        }
    }
    let (log, audit, replay) = (median(logs), median(audits), median(replays));
    let ratio = audit.as_secs_f64() / log.as_secs_f64();
    let name = repository.file_name().unwrap_or_default().to_string_lossy();
    let (commits, landed) = counts;
    println!(
        "{name:<28}{commits:>9}{landed:>9}{:>9} ms{:>9} ms{ratio:>8.2}{:>9} ms",
        log.as_millis(),
        audit.as_millis(),
        replay.as_millis()
    );
    Ok(ratio <= limits.ratio && replay <= limits.replay)
}

fn log(repository: &Path) -> Result<Duration> {
    let start = Instant::now();
    // Into a pipe that is read, as anybody who wants to know something has to.
    let mut child = git(repository).args(["log", "--raw", "-z"]).stdout(Stdio::piped()).spawn()?;
    std::io::copy(&mut child.stdout.take().context("no pipe")?, &mut std::io::sink())?;
    ensure!(child.wait()?.success(), "git log fails in {}", repository.display());
    Ok(start.elapsed())
}

/// From the path to the page, as `countersign audit` does it, and apart from that the replay.
fn audit(repository: &Path, rules: &RuleSet) -> Result<Round> {
    let start = Instant::now();
    let selection = Selection::default();
    let history = History::open(repository, &selection, &Stop::default())?;
    let judged = judge_all(&history, Prepared::default(), &Progress::hidden())?;
    let called = Called { path: "bench", title: "bench", host: None };
    let mut report = Report::new(called, &history, &selection, &judged, Wanted::default());
    let read = start.elapsed();
    let start = Instant::now();
    report.add_replay(called, &history, &judged, &replay_all(&judged, rules, None)?);
    let replay = start.elapsed();
    let start = Instant::now();
    let page = text::render(&report);
    ensure!(!page.is_empty(), "an empty report");
    let audit = read.saturating_add(start.elapsed());
    Ok(Round { commits: history.coverage().commits, landed: history.len(), audit, replay })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Commits as they are in practice: a third arrives in merges of three, half carry trailers, each changes three files in
/// a tree of some thousand.
fn make(folder: &Path) -> Result<PathBuf> {
    let repository = folder.join("made-up.git");
    let status =
        Command::new("git").args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&repository).status()?;
    ensure!(status.success(), "git init fails");
    let mut import = git(&repository).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn()?;
    let mut out = BufWriter::new(import.stdin.take().context("no pipe")?);
    let mut main = 0;
    let mut side = 0;
    for number in 1..=COMMITS {
        // Of nine commits five are direct, three are on a side, and one merges these.
        let (branch, parents) = match number % 9 {
            5 => ("side", vec![main]),
            6 | 7 => ("side", vec![side]),
            8 => ("main", vec![main, side]),
            _ => ("main", vec![main]),
        };
        let who = |salt: usize| (number * 7 + salt) % PEOPLE;
        let (author, reviewer) = (who(0), who(13));
        let mut message =
            format!("Change number {number} of something\n\n{}\n", "Because it was asked for. ".repeat(number % 12));
        if number % 2 == 0 {
            message += &format!("\nBug: T{number}\nReviewed-by: Person {reviewer} <p{reviewer}@shop.test>\n");
        }
        writeln!(out, "commit refs/heads/{branch}\nmark :{number}")?;
        for role in ["author", "committer"] {
            writeln!(out, "{role} Person {author} <p{author}@shop.test> {} +0000", 1_500_000_000 + number * 600)?;
        }
        write!(out, "data {}\n{message}", message.len())?;
        for (at, parent) in parents.iter().filter(|parent| **parent > 0).enumerate() {
            writeln!(out, "{} :{parent}", if at == 0 { "from" } else { "merge" })?;
        }
        for file in 0..3 {
            let area = (number * 31 + file * 17) % 60;
            let name = (number * 131 + file * 7919) % 40;
            let text = format!("{number}\n");
            write!(out, "M 100644 inline area{area}/deep/folder/file{name}.yaml\ndata {}\n{text}\n", text.len())?;
        }
        if branch == "main" { main = number } else { side = number }
    }
    drop(out);
    ensure!(import.wait()?.success(), "git fast-import fails");
    Ok(repository)
}

fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}
