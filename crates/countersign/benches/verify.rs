//! Verifying an exported log against checking its signatures alone, in turns and in the same run: how many leaves a second, on
//! one core and on two, and how much memory that takes.
//!
//! ```text
//! cargo bench -p countersign --bench verify                       a log of 30,000 leaves
//! cargo bench -p countersign --bench verify -- --fail-below 0.6   ends with 1 where one core reaches less of what signatures
//!                                                                 alone allow, or two of twice that
//! ```
//!
//! Each verification is a process of its own (this program, called with `--run`), so that its memory is nobody else's.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{env, path::Path, process::Command, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use countersign::{clock, engine::tile_paths, follower::source::Source, verifying};
use countersign_core::trust::Trust;
use countersign_ledger::{
    Envelope, Leaf,
    tile::{TileKind, parse_entry_bundle},
};
use tokio::runtime;

use crate::made::{
    fill::{self, Blobs},
    options::Options,
    watch::{megabytes, own_peak, timed},
    world::World,
};

const ROUNDS: usize = 7;

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
    let options = Options::read(&["leaves", "people", "systems", "rounds", "fail-below", "run", "trust", "threads"])?;
    if let Some(export) = options.text("run") {
        let trust = options.text("trust").context("--run wants --trust")?;
        verify(Path::new(trust), export, options.get("threads", 1)?)?;
        return Ok(true);
    }
    let leaves = options.get("leaves", 30_000)?;
    let (people, systems) = (options.get("people", 1_000)?, options.get("systems", 335)?);
    let limit = options.get("fail-below", 0.0)?;

    let folder = tempfile::tempdir()?;
    let world = World::new(folder.path(), people, systems)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = runtime.block_on(fill::found(&world))?;
    let export = folder.path().join("export");
    let (copy, _) = runtime.block_on(fill::copy(&world, &store, &export, leaves, Blobs::All))?;
    let size = copy.size();
    drop((copy, store));
    let trust = folder.path().join("pinned.json");
    std::fs::write(&trust, serde_json::to_vec(world.home.trust())?)?;
    println!("{size} leaves of {people} people");

    let signed = envelopes(&export, size)?;
    let (mut alone, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new());
    let mut peak = 0;
    for _ in 0..options.get("rounds", ROUNDS)? {
        let (good, took) = timed(|| signed.iter().all(|envelope| envelope.verify_all().iter().all(Result::is_ok)));
        ensure!(good, "a signature does not hold");
        alone.push(took);
        for (threads, times) in [(1, &mut one), (2, &mut two)] {
            let (took, memory) = spawn(&export, &trust, threads)?;
            times.push(took);
            peak = peak.max(memory);
        }
    }
    // The fastest of each: whatever else the machine does makes them slower, and two cores more than one.
    let rate = |times: Vec<Duration>| size as f64 / times.into_iter().min().unwrap_or_default().as_secs_f64();
    let (alone, one, two) = (rate(alone), rate(one), rate(two));
    let (share_of_one, share_of_two) = (one / alone, two / (2.0 * alone));
    println!("signatures alone, one core: {alone:.0} leaves a second");
    println!("verified, one core: {one:.0} leaves a second, {share_of_one:.2} of it");
    println!("verified, two cores: {two:.0} leaves a second, {share_of_two:.2} of twice that");
    println!("memory at the most: {:.0} MB", megabytes(peak));
    Ok(share_of_one >= limit && share_of_two >= limit)
}

/// The envelopes of all leaves of an export.
fn envelopes(export: &Path, size: u64) -> Result<Vec<Envelope>> {
    let mut signed = Vec::new();
    for path in tile_paths(size).filter(|path| path.kind == TileKind::Entries) {
        for leaf in parse_entry_bundle(&std::fs::read(export.join(path.to_string()))?)? {
            signed.push(Leaf::parse(&leaf)?.envelope);
        }
    }
    Ok(signed)
}

/// Verifies in a process of its own; how long it took, and the most memory that it had, in kilobytes.
fn spawn(export: &Path, trust: &Path, threads: usize) -> Result<(Duration, u64)> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--run").arg(export).arg("--trust").arg(trust).arg("--threads").arg(threads.to_string());
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let numbers: Vec<&str> = said.split_whitespace().collect();
    let [micros, peak] = numbers[..] else { return Err(anyhow!("it says `{said}`")) };
    Ok((Duration::from_micros(micros.parse()?), peak.parse()?))
}

fn verify(trust: &Path, export: &str, threads: usize) -> Result<()> {
    let trust: Trust = serde_json::from_slice(&std::fs::read(trust)?)?;
    let (verified, took) = timed(|| verifying::verify(&trust, &Source::files_at(export), threads, clock::now()));
    let verified = verified?;
    ensure!(verified.report.holds(), "it does not hold: {:?}", verified.report.steps);
    println!("{} {}", took.as_micros(), own_peak());
    Ok(())
}
