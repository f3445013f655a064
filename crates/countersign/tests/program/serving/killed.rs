//! Killed at random moments under load: whatever was acknowledged is there, the log goes on from what was signed, and nothing
//! runs twice. A few rounds here; for more: `scripts/kills 200`. When somebody is killed follows from a seed, which is named where
//! something fails.

use std::{env, fs, os::unix::fs::PermissionsExt as _, sync::atomic::AtomicBool, thread};

use countersign_core::statement::Statement;
use countersign_ledger::{Leaf, checkpoint, tree};

use super::*;
use crate::{git_race::Random, support::until};

fn rounds() -> u32 {
    env::var("COUNTERSIGN_KILLS").map_or(3, |rounds| rounds.parse().expect("a number of rounds"))
}

/// When whoever is killed is: drawn from a seed, since nobody knows what happens then.
struct Moments(Random);

impl Moments {
    fn new() -> Self {
        let seed = env::var("COUNTERSIGN_SEED").map_or(1, |seed| seed.parse().expect("a number"));
        eprintln!("seed {seed}");
        Self(Random(seed))
    }

    fn wait(&mut self, longest: Duration) {
        let millis = u64::try_from(longest.as_millis()).unwrap();
        thread::sleep(Duration::from_millis(self.0.below(millis.max(1))));
    }
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    const WRITERS: usize = 6;
    let mut world = two();
    world.stop_server();
    let verifier = world.home.log_key().unwrap().verifier();
    let acknowledged: Mutex<Vec<(u64, String)>> = Mutex::default();
    let mut newest = None;
    let mut moments = Moments::new();
    for round in 0..rounds() {
        let (mut server, address) = serve_from(&world.stage, "");
        let url = format!("http://{address}");
        let client = Client::new(&url);
        // It goes on from the last checkpoint that anybody saw.
        let note = checkpoint::open(&client.checkpoint().unwrap(), &verifier).unwrap();
        if let Some(before) = newest.replace(note.clone()) {
            assert!(note.size >= before.size, "round {round}: {} leaves became {}", before.size, note.size);
            let proof = client.consistency(before.size, note.size).unwrap();
            tree::verify_consistency(before.size, &before.root, note.size, &note.root, &proof).unwrap();
        }
        for (index, statement) in acknowledged.lock().unwrap().iter() {
            let leaf = Leaf::parse(&client.leaf(*index).unwrap()).unwrap();
            assert_eq!(leaf.envelope.payload_digest().to_string(), *statement, "round {round}");
            Statement::parse(leaf.envelope.payload()).unwrap();
        }
        let over = AtomicBool::new(false);
        let voices: Vec<Voice> = (0..WRITERS).map(|_| voice(&world, &url, "alice")).collect();
        thread::scope(|scope| {
            for voice in voices {
                let (over, acknowledged) = (&over, &acknowledged);
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        let (body, blobs) = proposal("Turn it on");
                        let Ok(receipt) = voice.say(body, &blobs) else { return };
                        acknowledged.lock().unwrap().push((receipt.index, receipt.statement.to_string()));
                    }
                });
            }
            if round == 0 {
                crate::support::until("something is acknowledged", || !acknowledged.lock().unwrap().is_empty());
            }
            moments.wait(Duration::from_millis(600));
            // What somebody saw last counts, too.
            if let Ok(note) = client.checkpoint() {
                newest = Some(checkpoint::open(&note, &verifier).unwrap());
            }
            server.kill();
            over.store(true, Ordering::SeqCst);
        });
    }
    let (server, address) = serve_from(&world.stage, "");
    let client = Client::new(&format!("http://{address}"));
    assert!(!acknowledged.lock().unwrap().is_empty(), "nothing was acknowledged, so that nothing could be lost");
    for (index, statement) in acknowledged.lock().unwrap().iter() {
        let leaf = Leaf::parse(&client.leaf(*index).unwrap()).unwrap();
        assert_eq!(leaf.envelope.payload_digest().to_string(), *statement);
    }
    let found = serve_from_is_whole(&world.stage);
    drop(server);
    assert!(found, "the rebuilt store differs");
}

/// What follows from the leaves is what the store has.
fn serve_from_is_whole(stage: &Stage) -> bool {
    let run = stage.run("rebuild --home home");
    assert_eq!(run.status, 0, "{run}");
    run.stdout.contains("identical")
}

/// A script that takes its time: it says that it began, and ends when it is let.
struct Held<'a> {
    stage: &'a Stage,
    runs: String,
}

impl<'a> Held<'a> {
    fn new(stage: &'a Stage) -> Self {
        let runs = stage.path("runs").display().to_string();
        let script = format!(
            "#!/bin/sh\nmkdir '{runs}.one' || echo TWO >> '{runs}'\necho began >> '{runs}'\n\
             until [ -e '{runs}.go' ]; do sleep 0.05; done\nrmdir '{runs}.one'\nexit 1\n"
        );
        let path = stage.write("deploy.sh", &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { stage, runs }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.runs).unwrap_or_default()
    }

    fn holds(&self) {
        drop(fs::remove_file(format!("{}.go", self.runs)));
    }

    fn lets_go(&self) {
        drop(self.stage.write("runs.go", ""));
    }
}

/// `apply` is killed while others apply the same change on other machines: under each permit its command runs once at the most,
/// one at a time, and what was cut off can be settled and applied again.
#[test]
fn an_apply_that_is_killed_runs_nothing_twice() {
    let world = two();
    let held = Held::new(&world.stage);
    let words =
        ["--target", "search/production", "--kind", "config", "--title", "T", "--why", "a reason that is long enough"];
    let run = world.say(
        "alice",
        &[&["propose", "--again"], &words[..], &["--file", "deploy.sh", "--command", "./deploy.sh"]].concat(),
    );
    assert_eq!(run.status, 0, "{run}");
    let change = run.json()["id"].as_str().unwrap().to_owned();
    let run = world.say("bob", &["approve", &change, "--file", "deploy.sh"]);
    assert_eq!(run.status, 0, "{run}");
    let url = &world.server().url;
    let apply = ["--url", url, "--key", "alice", "apply", &change, "--file", "deploy.sh", "--", "./deploy.sh"];
    let resume = ["--url", url, "--key", "alice", "--format", "json", "apply", "--resume"];
    let mut moments = Moments::new();
    for round in 0..rounds() {
        held.holds();
        let before = held.said();
        let machines: Vec<Alive> = ["one", "two"]
            .iter()
            .map(|machine| {
                let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
                command.env("XDG_STATE_HOME", world.stage.path(machine)).args(apply);
                Alive(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
            })
            .collect();
        // Every other time while the command runs, and else whenever it is.
        let while_it_runs = round % 2 == 0;
        match while_it_runs {
            true => until("it began", || held.said() != before),
            false => moments.wait(Duration::from_millis(1_500)),
        }
        drop(machines);
        if while_it_runs {
            // The command runs on alone: nobody settles it, and nobody begins another.
            let resumed = ["one", "two"].map(|machine| world.stage.run_on(machine, &resume));
            let running = resumed.iter().filter(|run| run.stderr.contains("still-running")).count();
            assert_eq!(running, 1, "{} {}", resumed[0], resumed[1]);
            for machine in ["one", "two", "three"] {
                let run = world.stage.run_on(machine, &apply);
                assert!(run.status == 1 && run.stderr.contains("is being applied"), "{run}");
            }
            assert_eq!(held.said(), format!("{before}began\n"));
        }
        held.lets_go();
        for machine in ["one", "two"] {
            // A command that was left alone ends by itself.
            until("it is settled", || {
                let run = world.stage.run_on(machine, &resume);
                assert!(run.status == 0 || run.stderr.contains("still-running"), "{run}");
                run.status == 0
            });
        }
        let state = world.state(&change);
        assert!(["proposed", "permitted", "failed"].contains(&state.as_str()), "{state}");
    }
    let said = held.said();
    assert!(!said.contains("TWO"), "two at once: {said}");
    let view = world.say("alice", &["show", &change]).json();
    let started = view["permits"].as_array().unwrap().iter().filter(|permit| permit["outcome"] == "failed").count();
    assert!(said.lines().count() <= started, "{said} of {started} permits");
    // It can be applied as before.
    assert_eq!(world.stage.run_on("one", &apply).status, 1);
    assert_eq!(held.said(), format!("{said}began\n"));
}

const HOOKS: [&str; 3] = ["pre-receive", "reference-transaction", "post-receive"];

/// Kills the processes of a gate's hooks, without what pushes. `false` where there is none at the time.
fn kill_hooks(world: &World) -> bool {
    let folder = world.stage.path("").canonicalize().unwrap();
    let is_hook = |process: &std::path::Path| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words.contains(&&b"hook"[..])
            && HOOKS.iter().any(|name| words.contains(&name.as_bytes()))
            && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let found: Vec<String> = processes
        .filter(|process| is_hook(process))
        .map(|process| process.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let kill = format!("kill -KILL {}", found.join(" "));
    !found.is_empty() && world.stage.command("sh").args(["-c", &kill]).stderr(Stdio::null()).status().is_ok()
}

/// The gate's own process of a push is killed, and git goes on: nothing lands twice or unasked, and nobody is accused.
#[test]
fn a_gate_whose_hook_is_killed_lands_nothing_twice_and_accuses_nobody() {
    let world = World::usual();
    let mut moments = Moments::new();
    for round in 0..rounds() {
        world.git(&["fetch", "--quiet"]);
        let branch = format!("round-{round}");
        world.edit(&branch, "checkout/timeout", &format!("{}\n", round + 30));
        let change = world.propose("alice", &["checkout/production"]);
        world.approve("bob", &change);
        let before = world.tip("main");
        // Somebody else pushes all the time, to what nobody protects.
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let load = scope.spawn(|| {
                let mut pushes = 0;
                while !over.load(Ordering::SeqCst) {
                    let aside = format!("{branch}:refs/heads/load-{round}-{pushes}");
                    drop(world.try_git(&["push", "--quiet", "origin", &aside]));
                    pushes += 1;
                }
            });
            let push = scope.spawn(|| world.try_git(&["push", "--quiet", "origin", &format!("{branch}:main")]));
            moments.wait(Duration::from_millis(900));
            // Whichever hook runs then, or the next one: without a pause, since some take no longer than one would.
            while !push.is_finished() && !kill_hooks(&world) {}
            drop(push.join());
            over.store(true, Ordering::SeqCst);
            load.join().unwrap();
        });
        world.settle();
        let (tip, head) = (world.tip("main"), world.id(&branch));
        assert!(tip == before || tip == head, "round {round}: {tip}");
        // What git left locked, whoever looks after the machine takes away.
        drop(fs::remove_file(world.stage.path("shop.git/refs/heads/main.lock")));
        if tip == before {
            world.push(&[&format!("{branch}:main")]).passes();
        }
        world.push(&[&format!("{branch}:refs/heads/contact-{round}")]).passes();
        assert_eq!(world.tip("main"), head, "round {round}");
        let view = world.say("alice", &["show", &change]).json();
        assert_eq!(view["state"], "applied", "round {round}");
        let permits = view["permits"].as_array().unwrap();
        assert_eq!(permits.iter().filter(|permit| permit["outcome"] == "applied").count(), 1, "round {round}: {view}");
        let status = world.stage.run("gate status shop.git --format json");
        assert_eq!((status.status, &status.json()["caught"]), (0, &serde_json::json!([])), "round {round}: {status}");
    }
}
