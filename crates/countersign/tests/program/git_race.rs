//! Pushes, rejections, revocations and crashes at the git gate, at once and by seed: whatever comes first, nothing lands that
//! was stopped before it was pushed, nobody is accused, and nothing happens twice.
//!
//! `scripts/race 1000` plays a thousand seeds; a few are in the ordinary tests. A seed that fails is named, and played again with
//! `scripts/race 1 SEED`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::Stdio,
    thread,
    time::Duration,
};

use countersign::{random::nonce, speaker::SpeakError, wire::Receipt};
use countersign_core::{
    catalog::Level,
    ids::ChangeId,
    statement::{Approval, Body, Holder, KeyRevocation, OutcomeResult, Rejection, RevisionRef, Seen},
    subject::SubjectRef,
    text::Reason,
};
use countersign_ledger::Digest;

use crate::{
    git_facts::{extract, proposal},
    lying::Log,
    world::World,
};

/// Rounds in one world: in each somebody else approves, since their key may not hold afterwards.
const ROUNDS: usize = 8;

const FEW: u64 = 3;

/// Numbers from a seed: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.below(400))
    }
}

/// A change of this round, on a branch of its own.
struct Change {
    id: ChangeId,
    revision: RevisionRef,
    reviewed: SubjectRef,
    branch: String,
}

fn propose(world: &World, branch: &str) -> Change {
    world.edit(branch, &format!("checkout/{branch}"), "30\n");
    let (facts, identities) = extract(world, &world.id("origin/main"), &world.id("HEAD"));
    let (body, blobs, reviewed) = proposal(&facts, &identities, branch);
    let receipt = world.voice("alice").say(body, &blobs).unwrap();
    let revision = RevisionRef { number: 1, digest: receipt.statement };
    Change { id: receipt.change.unwrap(), revision, reviewed, branch: branch.to_owned() }
}

fn approve(world: &World, who: &str, change: &Change) {
    let body = Body::Approval(Approval {
        change: change.id.clone(),
        reviewed: change.reviewed.clone(),
        revision: change.revision,
        seen: Seen::Computed,
        targets: ["checkout/production".parse().unwrap()].into(),
        within: None,
    });
    world.voice(who).say(body, &[]).unwrap();
}

fn stop(world: &World, who: &str, body: impl FnOnce(Digest) -> Body) -> Result<Receipt, SpeakError> {
    let reason = Reason { salt: nonce(), why: "not now".to_owned() }.to_blob().unwrap();
    world.voice(who).say(body(Digest::of(&reason)), &[reason])
}

fn reject(world: &World, change: &Change) -> Result<Receipt, SpeakError> {
    let (id, revision) = (change.id.clone(), change.revision);
    let targets: BTreeSet<_> = ["checkout/production".parse().unwrap()].into();
    stop(world, "carol", |reason| Body::Rejection(Rejection { change: id, reason, revision, targets }))
}

fn revoke_own(world: &World, who: &str) -> Result<Receipt, SpeakError> {
    let (key, of) = (world.key(who).public().fingerprint(), Holder::Person(who.parse().unwrap()));
    stop(world, who, |reason| Body::KeyRevocation(KeyRevocation { key, of, reason }))
}

/// Pushes a change. Where `dies` says so, the machine stops after that long: everything that runs for this push is killed.
fn push(world: &World, change: &Change, dies: Option<Duration>) {
    let mut command = world.stage.command("git");
    let mut push = command
        .current_dir(world.stage.path("work"))
        .args(["push", "--quiet", "origin", &format!("{}:main", change.branch)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    if let Some(after) = dies {
        thread::sleep(after);
        let group = format!("kill -KILL -{}", push.id());
        // It may be over by then.
        let _ = world.stage.command("sh").args(["-c", &group]).stderr(Stdio::null()).status();
    }
    push.wait().unwrap();
}

/// What the log says of a change: where its permits and outcomes stand, and where it was stopped first.
#[derive(Debug, Default)]
struct Told {
    permits: BTreeMap<Digest, usize>,
    applied: BTreeMap<Digest, usize>,
}

fn told(log: &Log) -> BTreeMap<ChangeId, Told> {
    let mut told: BTreeMap<ChangeId, Told> = BTreeMap::new();
    for index in 0..log.leaves.len() {
        let digest = log.leaves[index].envelope.payload_digest();
        match log.statement(index).body {
            Body::PermitGrant(grant) => drop(told.entry(grant.change).or_default().permits.insert(digest, index)),
            Body::OutcomeReport(report) if report.result == OutcomeResult::Applied => {
                *told.entry(report.change).or_default().applied.entry(report.permit).or_default() += 1;
            }
            _ => {}
        }
    }
    told
}

/// How many leaves the gate's copy of the log had when it made a reservation for the last time, by permit.
fn judged(world: &World) -> BTreeMap<Digest, u64> {
    let mut judged = BTreeMap::new();
    let entries = fs::read_dir(world.stage.path("shop.git/countersign")).unwrap().map(|entry| entry.unwrap().path());
    let is_journal = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "journal");
    for path in entries.filter(|path| is_journal(path) && path.extension().is_none_or(|end| end != "lock")) {
        for line in fs::read_to_string(path).unwrap().lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            if event["event"] == "reserved" {
                let permit = event["reservation"]["permit"].as_str().unwrap().parse().unwrap();
                let leaves = event["leaves"].as_u64().unwrap();
                let newest: &mut u64 = judged.entry(permit).or_default();
                *newest = leaves.max(*newest);
            }
        }
    }
    judged
}

/// One round: changes from the same tip, pushed at once, some twice, while somebody rejects one, an approver takes their key
/// back, or the machine stops.
fn play(world: &World, approver: &str, seed: u64) {
    let mut random = Random(seed);
    world.git(&["fetch", "--quiet", "--prune"]);
    let names: Vec<String> = (0..2 + random.below(2)).map(|n| format!("seed-{seed}-{n}")).collect();
    let changes: Vec<Change> = names.iter().map(|name| propose(world, name)).collect();
    changes.iter().for_each(|change| approve(world, approver, change));
    let early = random.one_in(4).then(|| random.below(changes.len() as u64));
    let mut stopped = BTreeMap::new();
    if let Some(early) = early {
        let change = &changes[usize::try_from(early).unwrap()];
        stopped.insert(change.id.clone(), reject(world, change).unwrap().index);
    }

    // All at once.
    let begun = Log::of(world).size();
    let mut pushes = Vec::new();
    for change in &changes {
        for _ in 0..if random.one_in(3) { 2 } else { 1 } {
            let dies = random.one_in(3).then(|| random.pause() * 3);
            pushes.push((change, random.pause(), dies));
        }
    }
    // Some come before anything is judged, others between a permit and what it opens.
    let late = random.one_in(2).then(|| (random.below(changes.len() as u64), random.pause() * 5));
    let revoked = random.one_in(3).then(|| random.pause() * 5);
    thread::scope(|scope| {
        for (change, pause, dies) in pushes {
            scope.spawn(move || {
                thread::sleep(pause);
                push(world, change, dies);
            });
        }
        if let Some((late, pause)) = late {
            let change = &changes[usize::try_from(late).unwrap()];
            scope.spawn(move || {
                thread::sleep(pause);
                // It may have landed, or stand already.
                drop(reject(world, change));
            });
        }
        if let Some(pause) = revoked {
            scope.spawn(move || {
                thread::sleep(pause);
                revoke_own(world, approver).unwrap();
            });
        }
    });
    world.settle();
    // What a machine that comes up again finds of git's own.
    for name in ["refs/heads/main.lock", "HEAD.lock", "packed-refs.lock"] {
        drop(fs::remove_file(world.stage.path(&format!("shop.git/{name}"))));
    }

    // Then each once more, in turn: what is stopped by now stays out, and what has landed does not land again.
    let landed = |world: &World| -> BTreeSet<ChangeId> {
        let history = world.git(&["ls-remote", "origin", "refs/heads/main"]);
        let tip = history.split_whitespace().next().unwrap().to_owned();
        world.git(&["fetch", "--quiet"]);
        let is_in =
            |change: &&Change| world.try_git(&["merge-base", "--is-ancestor", &change.branch, &tip]).status.success();
        changes.iter().filter(is_in).map(|change| change.id.clone()).collect()
    };
    let before = landed(world);
    let log = Log::of(world);
    for index in usize::try_from(begun).unwrap()..log.leaves.len() {
        let statement = log.statement(index);
        match statement.body {
            Body::Rejection(rejection) => {
                stopped.entry(rejection.change).or_insert(index as u64);
            }
            Body::KeyRevocation(_) => {
                for change in &changes {
                    stopped.entry(change.id.clone()).or_insert(index as u64);
                }
            }
            _ => {}
        }
    }
    for change in &changes {
        push(world, change, None);
    }
    world.settle();
    world.push(&[&format!("{}:refs/heads/contact-{seed}", changes[0].branch)]).passes();
    let after = landed(world);

    for change in &changes {
        let id = &change.id;
        if let Some(stop) = stopped.get(id) {
            assert!(
                before.contains(id) || !after.contains(id),
                "seed {seed}: {id} landed after its stop at leaf {stop}"
            );
            assert!(*stop >= begun || !before.contains(id), "seed {seed}: {id} landed though it was stopped before");
        }
    }
    let log = told(&Log::of(world));
    let judged = judged(world);
    for change in &changes {
        let Some(told) = log.get(&change.id) else {
            assert!(!after.contains(&change.id), "seed {seed}: {} landed without a permit", change.id);
            continue;
        };
        let applied: usize = told.applied.values().sum();
        assert_eq!(applied, usize::from(after.contains(&change.id)), "seed {seed}: {}: {told:?}", change.id);
        for permit in told.applied.keys() {
            let granted = told.permits[permit] as u64;
            let stop = stopped.get(&change.id);
            assert!(
                stop.is_none_or(|stop| granted < *stop),
                "seed {seed}: a permit came after the stop {stop:?}: {told:?}"
            );
            // However old the permit was: what the gate's copy had when it let the branch go, it had to obey.
            let leaves = judged[permit];
            assert!(
                stop.is_none_or(|stop| leaves <= *stop),
                "seed {seed}: {} landed by a copy of {leaves} leaves, which has the stop at leaf {stop:?}",
                change.id
            );
        }
    }
    let status = world.stage.run("gate status shop.git --format json");
    let said = status.json();
    assert_eq!(
        (&said["caught"], &said["unanswered"]),
        (&serde_json::json!([]), &false.into()),
        "seed {seed}: {status}"
    );
    assert_eq!(status.status, 0, "seed {seed}: {status}");
}

#[test]
fn races_by_seed_land_nothing_that_is_stopped_accuse_nobody_and_spend_nothing_twice() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (count, first) = (number("COUNTERSIGN_SEEDS").unwrap_or(FEW), number("COUNTERSIGN_SEED").unwrap_or(1));
    let approvers: Vec<String> = (0..ROUNDS).map(|n| format!("approver-{n}")).collect();
    let seeds: Vec<u64> = (first..first + count).collect();
    for seeds in seeds.chunks(ROUNDS) {
        let mut people = vec![("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)];
        people.extend(approvers.iter().take(seeds.len()).map(|name| (name.as_str(), Level::Standard)));
        let world = World::governed(&people);
        for (seed, approver) in seeds.iter().zip(&approvers) {
            play(&world, approver, *seed);
        }
        if count > FEW {
            println!("seeds up to {} of {} passed", seeds.last().unwrap(), first + count - 1);
        }
    }
}
