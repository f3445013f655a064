//! What becomes slower as a home grows: what people and gates ask of a server, its start and its memory, at several
//! numbers of changes in the log, and at several numbers of people. Homes of all sizes are asked in turns and in the same run,
//! so that whatever else the machine does falls on all of them.
//!
//! ```text
//! cargo bench --bench growth                                                  small homes
//! cargo bench --bench growth -- --sizes 1000,10000,100000 --fail-above 1.3    ends with 1 where something takes so many times
//!                                                                             as long as in the smallest home
//! ```
//!
//! `--people` are compared at `--at` changes; the sizes have `--population` people. A server may have 250 MB.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[expect(dead_code, reason = "each bench uses a part of what is made up")]
mod made;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use countersign::{
    client::{ChangePrefix, Client},
    home::Home,
};
use countersign_core::{
    ids::{ActorId, ChangeId},
    statement::{Approval, Body, PermitRequest, RevisionRef, Seen},
};
use tokio::runtime::{self, Runtime};

use crate::made::{
    fill,
    history::Content,
    options::Options,
    repository::{Governed, Pushed, submit},
    serving::Apart,
    watch::{median, megabytes, millis, timed},
    world::World,
};

const MAX_MEGABYTES: f64 = 250.0;
const SYSTEMS: usize = 335;

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
    let options = Options::read(&["sizes", "people", "at", "population", "turns", "fail-above"])?;
    let sizes = options.list("sizes", &[100, 1_000])?;
    let people = options.list("people", &[10, 1_000, 5_000])?;
    let (at, population) = (options.get("at", 10_000)?, options.get("population", 100)?);
    let at = at.min(sizes.iter().copied().max().unwrap_or(at));
    let turns = options.get("turns", 21)?;
    let limit = options.get("fail-above", f64::INFINITY)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let folder = tempfile::tempdir()?;
    let world = World::new(folder.path(), population, SYSTEMS)?;
    let grown = grow(&runtime, &world, &sizes)?;
    let homes: Vec<Place<'_>> = grown
        .into_iter()
        .map(|(size, home)| Ok(Place { name: format!("{size} changes"), world: &world, home: Home::open(home)? }))
        .collect::<Result<_>>()?;
    let mut within = compare(&homes, turns, limit)?;
    drop((homes, folder));

    let folder = tempfile::tempdir()?;
    let worlds: Vec<World> = people
        .iter()
        .map(|people| {
            let folder = folder.path().join(people.to_string());
            fs::create_dir(&folder)?;
            World::new(&folder, *people, SYSTEMS)
        })
        .collect::<Result<_>>()?;
    let mut homes = Vec::new();
    for world in &worlds {
        grow(&runtime, world, &[at])?;
        let home = Home::open(world.home.path())?;
        homes.push(Place { name: format!("{} people", world.people.len()), world, home });
    }
    println!();
    within &= compare(&homes, turns, limit)?;
    Ok(within)
}

/// A home of some size.
struct Place<'w> {
    name: String,
    world: &'w World,
    home: Home,
}

/// Fills the home of a world, and keeps a copy of it at each size but the last.
fn grow(runtime: &Runtime, world: &World, sizes: &[usize]) -> Result<Vec<(usize, PathBuf)>> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let last = sizes.last().copied();
    let mut homes = Vec::new();
    let mut store = Some(runtime.block_on(fill::found(world))?);
    let mut filled = 0;
    for size in sizes {
        let open = match store.take() {
            Some(store) => store,
            None => {
                runtime.block_on(countersign::store::open(&world.home.store_address(), &world.home.store_options()))?
            }
        };
        runtime.block_on(fill::fill(world, &open, size - filled))?;
        filled = size;
        // Closed, so that all of it is in the file.
        runtime.block_on(open.close())?;
        drop(open);
        let path = world.home.path().to_owned();
        if Some(size) == last {
            homes.push((size, path));
        } else {
            let copied = world.folder.join(format!("home-{size}"));
            copy_folder(&path, &copied)?;
            homes.push((size, copied));
        }
    }
    Ok(homes)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Asks all of them the same, in turns, and prints how each compares with the first.
fn compare(places: &[Place<'_>], turns: usize, limit: f64) -> Result<bool> {
    let mut times: BTreeMap<&'static str, Vec<Vec<Duration>>> = BTreeMap::new();
    let mut note = |what: &'static str, place: usize, time: Duration| {
        times.entry(what).or_insert_with(|| vec![Vec::new(); places.len()])[place].push(time);
    };
    for _ in 0..turns.div_ceil(2) {
        for (number, place) in places.iter().enumerate() {
            let (server, took) = timed(|| Apart::start(&place.home));
            server?;
            note("start", number, took);
        }
    }
    let servers: Vec<Apart> = places.iter().map(|place| Apart::start(&place.home)).collect::<Result<_>>()?;
    let mut asked = Vec::new();
    for (place, server) in places.iter().zip(&servers) {
        let folder = place.home.path().join("pushed");
        fs::create_dir_all(&folder)?;
        let pushed = Pushed::new(&folder, "governed")?;
        let (url, copy) = (server.client.url(), folder.join("copy"));
        let mut governed = Governed::install(place.world, &place.home, pushed, url, &copy)?;
        // The first push follows all there is.
        let change = governed.prepare()?;
        governed.pushed.push()?;
        governed.reported(&change)?;
        asked.push(Asked { world: place.world, client: &server.client, old: old(&server.client)?, governed });
    }
    for turn in 0..turns {
        for (number, asked) in asked.iter_mut().enumerate() {
            asked.turn(turn, |what, time| note(what, number, time))?;
        }
    }
    let names: Vec<String> = places.iter().map(|place| format!("{:>22}", place.name)).collect();
    println!("{:<12}{}", "median, ms", names.concat());
    let mut within = true;
    for (what, of) in times {
        let medians: Vec<f64> = of.into_iter().map(|times| millis(median(times))).collect();
        let first = medians.first().copied().unwrap_or_default();
        let ratios: Vec<f64> = medians.iter().map(|median| median / first).collect();
        let cells: String =
            medians.iter().zip(&ratios).map(|(median, ratio)| format!("{median:>14.2} x {ratio:<5.2}")).collect();
        println!("{what:<12}{cells}");
        within &= ratios.iter().all(|ratio| *ratio <= limit);
    }
    let peaks: Vec<f64> = servers.iter().map(|server| megabytes(server.peak())).collect();
    let cells: String = peaks.iter().map(|peak| format!("{peak:>19.0} MB")).collect();
    println!("{:<12}{cells}", "memory");
    Ok(within && peaks.iter().all(|peak| *peak <= MAX_MEGABYTES))
}

/// Changes from all over the log.
fn old(client: &Client) -> Result<Vec<ChangeId>> {
    let mut ids = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..5 {
        let mut query = vec![("limit", "200")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = client.changes(&query)?;
        ids.extend(page.changes.into_iter().map(|line| line.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(ids)
}

/// A home that is asked.
struct Asked<'w> {
    world: &'w World,
    client: &'w Client,
    old: Vec<ChangeId>,
    governed: Governed<'w>,
}

impl Asked<'_> {
    fn turn(&mut self, turn: usize, mut note: impl FnMut(&'static str, Duration)) -> Result<()> {
        let (world, client) = (self.world, self.client);
        let plain = world.plain_systems();
        let system = plain[turn * 3 % plain.len()];
        let (proposer, approver) = world.pair(system, turn);
        let (gate, gate_key) = world.gate(system)?;
        let content = Content::made_up(world, system, proposer)?;
        let targets = [world.target(system)?].into();

        let proposal = Body::Proposal(content.proposal(std::collections::BTreeSet::clone(&targets))?);
        let (receipt, took) = timed(|| submit(client, &proposer.id, &proposer.key, proposal, &content.blobs));
        note("propose", took);
        let receipt = receipt?;
        let change = receipt.change.context("no change")?;
        let revision = RevisionRef { digest: receipt.statement, number: 1 };

        let reviewed = content.subject.reference()?;
        let approval = Body::Approval(Approval {
            change: change.clone(),
            reviewed,
            revision,
            seen: Seen::Computed,
            targets,
            within: None,
        });
        let (receipt, took) = timed(|| submit(client, &approver.id, &approver.key, approval, &[]));
        receipt?;
        note("approve", took);

        let request = Body::PermitRequest(PermitRequest {
            applier: None,
            audience: gate_key.public().fingerprint(),
            change: change.clone(),
            gate: gate.clone(),
            revision,
            transition: content.transition.reference()?,
        });
        let (by, transition) = (gate.as_str().parse::<ActorId>()?, content.transition.to_blob()?);
        let (receipt, took) = timed(|| submit(client, &by, gate_key, request, &[transition]));
        receipt?.permit.context("no permit")?;
        note("permit", took);

        let old: ChangePrefix = (&self.old[turn * 37 % self.old.len()]).into();
        let (shown, took) = timed(|| client.change(&old));
        shown?;
        note("show", took);
        // As whoever has read a change before: what they verified of governance is not sent again.
        let (bundle, took) = timed(|| client.bundle(&old, None, &[1]));
        bundle?;
        note("bundle", took);
        let (page, took) = timed(|| client.changes(&[]));
        page?;
        note("list", took);
        let name = world.systems[system].to_string();
        let (page, took) = timed(|| client.changes(&[("system", &name), ("state", "applied"), ("limit", "5")]));
        page?;
        note("list, some", took);

        let pushed = self.governed.prepare()?;
        note("push", self.governed.pushed.push()?);
        self.governed.reported(&pushed)
    }
}
