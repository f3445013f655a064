//! The first follow of a log from a static copy of it, with every signature checked and every decision taken again, on as
//! many cores as there are; then the next push through a gate that decides by what was followed.
//!
//! ```text
//! cargo bench --bench follow                                             a short log
//! cargo bench --bench follow -- --leaves 1000000 --fail-above-s 180      ends with 1 where the follow takes longer
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{fs, process::ExitCode};

use anyhow::{Result, ensure};
use countersign::{
    clock,
    follower::{Access, Follower, source::Source},
    records, store,
};
use tokio::runtime;

use crate::made::{
    fill::{self, Blobs},
    options::Options,
    repository::{Governed, Pushed},
    serving::Here,
    watch::{forget_own_peak, megabytes, millis, own_peak, processor_time, timed},
    world::World,
};

/// Pushes after the first one, to see what is usual.
const PUSHES: usize = 5;

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
    let options = Options::read(&["leaves", "people", "systems", "fail-above-s"])?;
    let leaves = options.get("leaves", 20_000)?;
    let (people, systems) = (options.get("people", 1_000)?, options.get("systems", 335)?);
    let limit = options.get("fail-above-s", f64::INFINITY)?;

    let folder = tempfile::tempdir()?;
    let world = World::new(folder.path(), people, systems)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = runtime.block_on(fill::found(&world))?;
    let site = folder.path().join("site");
    let (made, took) = timed(|| runtime.block_on(fill::copy(&world, &store, &site, leaves, Blobs::Needed)));
    let leaves = made?.0.size();
    println!("{leaves} leaves of {people} people, made in {:.1} s", took.as_secs_f64());
    drop(store);

    let copy = folder.path().join("copy");
    forget_own_peak();
    let before = processor_time();
    let (followed, took) = timed(|| -> Result<_> {
        let desk = runtime::Builder::new_current_thread().enable_all().build()?;
        desk.block_on(async {
            let follower = Follower::open(&copy, world.home.trust(), Access::Owner).await?;
            let followed = follower.follow(&mut Source::Folder(site.clone()), clock::now()).await?;
            // So that all of it is in the file, which is copied below.
            follower.close().await?;
            Ok(followed)
        })
    });
    let followed = followed?;
    ensure!(followed.checkpoint.size == leaves && followed.new == leaves, "{followed:?}");
    let (seconds, processor) = (took.as_secs_f64(), processor_time().saturating_sub(before).as_secs_f64());
    println!(
        "first follow: {seconds:.1} s ({:.0} leaves a second), {processor:.1} s of processor time, {:.0} MB at the most, {:.0} \
         bytes on the disk a leaf",
        leaves as f64 / seconds,
        megabytes(own_peak()),
        fs::metadata(copy.join("copy.db"))?.len() as f64 / leaves as f64
    );
    fs::remove_dir_all(&site)?;

    // A server's store is like a copy: what was followed becomes the log that is pushed to.
    let address = world.home.store_address();
    let ledger = address.strip_prefix("sqlite:").unwrap_or(&address);
    for rest in ["-wal", "-shm"] {
        drop(fs::remove_file(format!("{ledger}{rest}")));
    }
    fs::copy(copy.join("copy.db"), ledger)?;
    let store = runtime.block_on(store::open(&address, &world.home.store_options()))?;
    runtime.block_on(store.set_version(records::PROJECTIONS))?;
    let server = Here::start(runtime, &world.home, &store)?;
    let mut governed =
        Governed::install(&world, &world.home, Pushed::new(folder.path(), "governed")?, &server.url, &copy)?;
    for number in 0..=PUSHES {
        let change = governed.prepare()?;
        let took = governed.pushed.push()?;
        governed.reported(&change)?;
        println!("{} push: {:.1} ms", if number == 0 { "the next" } else { "a later" }, millis(took));
    }
    server.stop();
    Ok(seconds <= limit)
}
