//! Verifying an exported log against checking its signatures alone, in turns and in the same run: how many leaves a second,
//! on one core and on two.
//!
//! ```text
//! cargo bench --bench verify                              a log of 30,000 leaves
//! cargo bench --bench verify -- --fail-below 0.6          ends with 1 where it reaches less of what signatures alone allow
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use countersign::{bundle, clock};
use countersign_core::verify::verify;
use countersign_ledger::{Leaf, tile::parse_entry_bundle};
use tokio::runtime;

use crate::made::{
    fill::{self, Blobs},
    options::Options,
    watch::{forget_own_peak, median, megabytes, own_peak, timed},
    world::World,
};

const ROUNDS: usize = 3;

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
    let options = Options::read(&["leaves", "people", "systems", "fail-below"])?;
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
    drop(copy);
    println!("{size} leaves of {people} people");

    let mut signed = Vec::new();
    for path in
        countersign::engine::tile_paths(size).filter(|path| path.kind == countersign_ledger::tile::TileKind::Entries)
    {
        for leaf in parse_entry_bundle(&std::fs::read(export.join(path.to_string()))?)? {
            signed.push(Leaf::parse(&leaf)?.envelope);
        }
    }
    let (mut signatures, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (good, took) = timed(|| signed.iter().all(|envelope| envelope.verify_all().iter().all(Result::is_ok)));
        ensure!(good, "a signature does not hold");
        signatures.push(took);
        let (report, took) = timed(|| -> Result<_> {
            let copy = bundle::read(&export)?;
            Ok(verify(world.home.trust(), &copy.evidence, clock::now()))
        });
        let report = report?;
        ensure!(report.holds(), "it does not hold: {:?}", report.steps);
        whole.push(took);
    }
    drop(signed);
    forget_own_peak();
    let rate = |time: Duration| size as f64 / time.as_secs_f64();
    let (signatures, whole) = (rate(median(signatures)), rate(median(whole)));
    let share = whole / signatures;
    println!("signatures alone, one core: {signatures:.0} leaves a second");
    println!("verified, one core: {whole:.0} leaves a second, {share:.2} of it; {:.0} MB", megabytes(own_peak()));
    Ok(share >= limit)
}
