//! A push through the git gate against a plain one, in turns and in the same run, so that whatever else the machine does
//! falls on both: the median of the differences. First as it is, then after ten times more changes in the log, then with ten
//! thousand pushes in the gate's journal. Also how much memory the gate's processes and a client's take.
//!
//! ```text
//! cargo bench --bench gate                                                          a small home
//! cargo bench --bench gate -- --people 5000 --systems 335 --publications 500 --fail-above-ms 50
//! ```
//!
//! `--changes` are in the log before, `--turns` are pushed each time. It ends with 1 where a difference is larger than
//! `--fail-above-ms`, or a process larger than 100 MB.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use countersign::{
    clock,
    gates::journal::{Event, Reservation},
};
use countersign_core::{
    ids::{ChangeId, Oid},
    statement::{OutcomeResult, RevisionRef},
    subject::{GitTransition, Transition},
};
use tokio::runtime;

use crate::made::{
    fill,
    options::Options,
    publishing::publish,
    repository::{Governed, Pushed, hermetic, nothing},
    serving::{Here, PROGRAM},
    watch::{Watch, median, median_of, megabytes, millis, run_watched, timed},
    world::World,
};

const MAX_MEGABYTES: f64 = 100.0;
/// Pushes that are watched and not timed.
const WATCHED: usize = 3;
/// Pushes that warm the caches.
const WARM: usize = 2;

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
    let known = ["people", "systems", "publications", "changes", "journal", "turns", "fail-above-ms"];
    let options = Options::read(&known)?;
    let (people, systems) = (options.get("people", 200)?, options.get("systems", 60)?);
    let (publications, changes) = (options.get("publications", 10)?, options.get("changes", 1_000)?);
    let (journal, turns) = (options.get("journal", 10_000)?, options.get("turns", 21)?);
    let limit = options.get("fail-above-ms", f64::INFINITY)?;

    let folder = tempfile::tempdir()?;
    let world = World::new(folder.path(), people, systems)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = runtime.block_on(fill::found(&world))?;
    let server = Here::start(runtime, &world.home, &store)?;
    let (published, took) = timed(|| server.block_on(publish(&world, &server.engine, publications)));
    published?;
    println!("{people} people, {systems} systems, {publications} publications ({:.1} s)", took.as_secs_f64());
    server.block_on(fill::fill(&world, &store, changes))?;

    let copy = folder.path().join("copy");
    let mut plain = Pushed::new(folder.path(), "plain")?;
    let mut governed =
        Governed::install(&world, &world.home, Pushed::new(folder.path(), "governed")?, &server.url, &copy)?;
    let watch = Watch::over(PROGRAM);
    let change = governed.prepare()?;
    let first = governed.pushed.push()?;
    governed.reported(&change)?;
    let leaves = server.block_on(server.engine.head())?.size;
    println!(
        "the first push, which follows all {leaves} leaves: {:.1} s, {:.0} MB\n",
        first.as_secs_f64(),
        megabytes(watch.peak())
    );

    println!("{:<34}{:>10}{:>10}{:>14}", "a push, in ms", "plain", "gate", "difference");
    let mut within = true;
    let mut phase = |name: &str, governed: &mut Governed<'_>, plain: &mut Pushed| -> Result<()> {
        let difference = compare(name, governed, plain, turns)?;
        within &= difference <= limit;
        Ok(())
    };
    phase(&format!("{changes} changes in the log"), &mut governed, &mut plain)?;
    server.block_on(fill::fill(&world, &store, changes * 9))?;
    phase(&format!("{} changes in the log", changes * 10), &mut governed, &mut plain)?;
    lengthen(&governed.journal(), journal)?;
    phase(&format!("and {journal} pushes in the journal"), &mut governed, &mut plain)?;

    let watch = Watch::over(PROGRAM);
    for _ in 0..WATCHED {
        let change = governed.prepare()?;
        governed.pushed.push()?;
        governed.reported(&change)?;
    }
    let gate = megabytes(watch.peak());
    let client = clients(&world, &server.url, &mut governed)?;
    println!("\npeak memory: the gate {gate:.0} MB, a client {client:.0} MB");
    within &= gate <= MAX_MEGABYTES && client <= MAX_MEGABYTES;
    server.stop();
    Ok(within)
}

/// Pushes in turns. Gives the median of the differences, in milliseconds.
fn compare(name: &str, governed: &mut Governed<'_>, plain: &mut Pushed, turns: usize) -> Result<f64> {
    let (mut plains, mut gates, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..turns + WARM {
        plain.commit("Nobody", "nobody@shop.test")?;
        let change = governed.prepare()?;
        // Who goes first may have warmed something for the other.
        let (without, with) = if turn % 2 == 0 {
            let without = plain.push()?;
            (without, governed.pushed.push()?)
        } else {
            let with = governed.pushed.push()?;
            governed.reported(&change)?;
            (plain.push()?, with)
        };
        governed.reported(&change)?;
        if turn >= WARM {
            plains.push(without);
            gates.push(with);
            differences.push(millis(with) - millis(without));
        }
    }
    let difference = median_of(differences);
    println!("{name:<34}{:>10.1}{:>10.1}{difference:>14.1}", millis(median(plains)), millis(median(gates)));
    Ok(difference)
}

/// Makes the journal one of a gate that has let so many pushes through, one a minute.
fn lengthen(path: &Path, pushes: usize) -> Result<()> {
    let now = clock::now();
    let mut text = String::new();
    let oid = |n: usize| -> Result<Oid> { Ok(format!("{n:040x}").parse()?) };
    for number in 0..pushes {
        let at = now.plus_secs(-60 * i64::try_from(pushes - number)?);
        let (permit, proposal) = (nothing(), nothing());
        let reservation = Reservation {
            permit,
            change: ChangeId::of_proposal(&proposal),
            revision: RevisionRef { digest: proposal, number: 1 },
            targets: ["service-001/production".parse()?].into(),
            transition: Transition::Git(GitTransition {
                repository: "shop".parse()?,
                reference: "refs/heads/main".to_owned(),
                old: oid(number)?,
                new: oid(number + 1)?,
            }),
            expires_at: at.plus_secs(600),
        };
        let settled = Event::Settled { permit, result: OutcomeResult::Applied, exit_status: None, at };
        for event in [Event::Reserved { reservation, at, by: None, leaves: None }, settled, Event::Reported { permit }]
        {
            text += &serde_json::to_string(&event)?;
            text.push('\n');
        }
    }
    // What truly happened comes last.
    text += &fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(fs::write(path, text)?)
}

/// Runs what people run, and gives the most memory that one of the commands had.
fn clients(world: &World, url: &str, governed: &mut Governed<'_>) -> Result<f64> {
    let change = governed.prepare()?;
    let key = world.key_file(&world.people[1])?;
    let run = |words: &[&str]| -> Result<(u64, Duration)> {
        let start = Instant::now();
        let mut command = Command::new(PROGRAM);
        hermetic(&mut command)
            .env("XDG_STATE_HOME", world.folder.join("state"))
            .arg("--key")
            .arg(&key)
            .args(["--url", url, "--trust"])
            .arg(world.home.path().join("trust.json"))
            .args(words)
            .stdout(fs::File::create(world.folder.join("said"))?)
            .stderr(fs::File::create(world.folder.join("failed"))?);
        let (status, peak) = run_watched(&mut command)?;
        let said = fs::read_to_string(world.folder.join("failed"))?;
        ensure!(status.success(), "countersign {words:?}: {said}");
        Ok((peak, start.elapsed()))
    };
    let bundle = world.folder.join("bundle");
    let bundle = bundle.to_str().context("a path")?;
    let id = change.to_string();
    let mut most = 0;
    for (what, words) in [
        ("list", vec!["list"]),
        ("show", vec!["show", &id]),
        ("show, again", vec!["show", &id]),
        ("bundle", vec!["bundle", &id, "--out", bundle]),
    ] {
        let (peak, took) = run(&words)?;
        println!("countersign {what:<12}{:>8.0} ms{:>8.0} MB", millis(took), megabytes(peak));
        most = most.max(peak);
    }
    Ok(megabytes(most))
}
