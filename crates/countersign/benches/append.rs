//! What the log takes: proposals through the engine into SQLite, from one writer and from many at once, each of whom says the
//! next only when the last is durable. Leaves that wait together go into one commit, which is one fsync.
//!
//! ```text
//! cargo bench -p countersign --bench append                               1, 16 and 256 writers
//! cargo bench -p countersign --bench append -- --writers 8 --leaves 4000  eight writers, 4,000 leaves in all
//! cargo bench -p countersign --bench append -- --folder /mnt/disk         on the disk that will hold the log
//! ```
//!
//! A folder that lies in memory has no fsync to wait for: give the one that is meant.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{
    env,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use countersign::{
    clock,
    engine::Engine,
    store::{
        self,
        faults::{Faults, Side, Step},
    },
};
use countersign_core::statement::{Body, SeenCheckpoint};
use tokio::{runtime, task::JoinSet};

use crate::made::{
    fill,
    history::{Content, say},
    options::Options,
    watch::millis,
    world::World,
};

const WRITERS: [usize; 3] = [1, 16, 256];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::read(&["writers", "leaves", "people", "systems", "folder"])?;
    let writers = options.list("writers", &WRITERS)?;
    let leaves: usize = options.get("leaves", 4_096)?;
    let (people, systems) = (options.get("people", 1_000)?, options.get("systems", 335)?);
    let under = options.text("folder").map_or_else(env::temp_dir, PathBuf::from);

    let folder = tempfile::tempdir_in(under)?;
    let world = World::new(folder.path(), people, systems)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let commits = Commits::default();
    let engine = runtime.block_on(async {
        let founded = fill::found(&world).await?;
        founded.close().await?;
        drop(founded);
        let (address, keeps) = (world.home.store_address(), world.home.store_options());
        let store = store::open_with(&address, &keeps, commits.watched()).await?;
        anyhow::Ok(Arc::new(Engine::open(fill::setup(&world.home, &store, Arc::new(clock::now))?).await?))
    })?;
    println!(
        "{:>8}{:>10}{:>12}{:>10}{:>18}{:>16}",
        "writers", "leaves", "leaves/s", "fsyncs", "leaves an fsync", "time in fsync"
    );
    for writers in writers {
        ensure!(writers > 0, "--writers 0: nobody writes");
        let said = runtime.block_on(prepare(&world, &engine, writers, leaves.div_ceil(writers)))?;
        let before = commits.so_far();
        let start = Instant::now();
        let written = runtime.block_on(write(&engine, said))?;
        let took = start.elapsed();
        let after = commits.so_far();
        let (fsyncs, waited) = (after.number - before.number, after.took - before.took);
        println!(
            "{writers:>8}{written:>10}{:>12.0}{fsyncs:>10}{:>18.1}{:>14.0} %",
            written as f64 / took.as_secs_f64(),
            written as f64 / fsyncs.max(1) as f64,
            100.0 * millis(waited) / millis(took)
        );
    }
    Ok(())
}

/// What one writer says: an envelope, and the blobs beside it.
type Said = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

/// Signs beforehand what so many writers will say, so that only the log is measured.
async fn prepare(world: &World, engine: &Engine, writers: usize, each: usize) -> Result<Vec<Said>> {
    let head = engine.head().await?;
    let (seen, systems) = (SeenCheckpoint { root: head.root, size: head.size }, world.plain_systems());
    let log = &world.home.trust().origin;
    let one = |writer: usize, turn: usize| {
        let system = systems[writer % systems.len()];
        let (proposer, _) = world.pair(system, turn);
        let content = Content::made_up(world, system, proposer)?;
        let proposal = content.proposal([world.target(system)?].into())?;
        let said = say(log, &proposer.id, &proposer.key, seen, Body::Proposal(proposal))?;
        anyhow::Ok((said.envelope.raw().to_vec(), content.blobs))
    };
    (0..writers).map(|writer| (0..each).map(|turn| one(writer, turn)).collect()).collect()
}

/// All of them at once; how many leaves were acknowledged.
async fn write(engine: &Arc<Engine>, said: Vec<Said>) -> Result<u64> {
    let before = engine.head().await?.size;
    let mut writing = JoinSet::new();
    for said in said {
        let engine = Arc::clone(engine);
        writing.spawn(async move {
            for (envelope, blobs) in said {
                engine.submit(&envelope, blobs).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writing.join_next().await {
        ended??;
    }
    Ok(engine.head().await?.size - before)
}

/// What commits took so far. In SQLite's write-ahead log with `synchronous=FULL` each is one fsync, and now and then those of
/// moving the log into the file.
#[derive(Clone, Copy, Default)]
struct Took {
    number: u64,
    took: Duration,
    began: Option<Instant>,
}

#[derive(Clone, Default)]
struct Commits(Arc<Mutex<Took>>);

impl Commits {
    fn so_far(&self) -> Took {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Faults that never come, and so only see where a commit begins and ends.
    fn watched(&self) -> Faults {
        let this = Arc::clone(&self.0);
        Faults::new(move |step, side| {
            let mut took = this.lock().unwrap_or_else(PoisonError::into_inner);
            match (step, side) {
                (Step::Commit, Side::Before) => took.began = Some(Instant::now()),
                (Step::Commit, Side::After) => {
                    took.number += 1;
                    let began = took.began.take();
                    took.took += began.map(|began| began.elapsed()).unwrap_or_default();
                }
                _ => {}
            }
            false
        })
    }
}
