//! Killed at random moments under load: whatever was acknowledged is there, the log goes on from what was signed, and nothing
//! runs twice. A few rounds here; for more: `COUNTERSIGN_KILLS=200 cargo test -p countersign --test program killed`.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    sync::atomic::{AtomicBool, AtomicUsize},
    thread,
};

use countersign_core::statement::Statement;
use countersign_ledger::{Leaf, checkpoint, tree};
use rand_core::{OsRng, RngCore as _};

use super::*;

fn rounds() -> u32 {
    env::var("COUNTERSIGN_KILLS").map_or(3, |rounds| rounds.parse().expect("a number of rounds"))
}

/// Nobody knows what happens then.
fn a_random_moment(longest: Duration) {
    thread::sleep(longest.mul_f64(f64::from(OsRng.next_u32()) / f64::from(u32::MAX)));
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    const WRITERS: usize = 6;
    let mut world = two();
    world.stop_server();
    let verifier = world.home.log_key().unwrap().verifier();
    let acknowledged: Mutex<Vec<(u64, String)>> = Mutex::default();
    let mut newest = None;
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
            a_random_moment(Duration::from_millis(600));
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

/// `apply` is killed while others apply the same change on other machines: under each permit its command runs once at the most,
/// one at a time, and what was cut off can be settled and applied again.
#[test]
fn an_apply_that_is_killed_runs_nothing_twice() {
    let world = two();
    let runs = world.stage.path("runs").display().to_string();
    let script = format!(
        "#!/bin/sh\nmkdir '{runs}.one' || echo TWO >> '{runs}'\necho began >> '{runs}'\nrmdir '{runs}.one'\nexit 1\n"
    );
    let path = world.stage.write("deploy.sh", &script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let words =
        ["--target", "search/production", "--kind", "config", "--title", "T", "--why", "a reason that is long enough"];
    let run =
        world.say("alice", &[&["propose"], &words[..], &["--file", "deploy.sh", "--command", "./deploy.sh"]].concat());
    assert_eq!(run.status, 0, "{run}");
    let change = run.json()["id"].as_str().unwrap().to_owned();
    let run = world.say("bob", &["approve", &change, "--file", "deploy.sh"]);
    assert_eq!(run.status, 0, "{run}");
    let began = AtomicUsize::new(0);
    for _ in 0..rounds() {
        let machines: Vec<Alive> = ["one", "two"]
            .iter()
            .map(|machine| {
                let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
                command.env("XDG_STATE_HOME", world.stage.path(machine));
                command.args(["--url", &world.server().url, "--key", "alice", "apply", &change, "--file", "deploy.sh"]);
                began.fetch_add(1, Ordering::SeqCst);
                Alive(command.args(["--", "./deploy.sh"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
            })
            .collect();
        a_random_moment(Duration::from_millis(1_500));
        drop(machines);
        for machine in ["one", "two"] {
            // A command that was left alone ends by itself.
            crate::support::until("it is settled", || {
                let run = world.stage.run_on(
                    machine,
                    &["--url", &world.server().url, "--key", "alice", "--format", "json", "apply", "--resume"],
                );
                assert!(run.status == 0 || run.stderr.contains("still-running"), "{run}");
                run.status == 0
            });
        }
        let state = world.state(&change);
        assert!(["proposed", "permitted", "failed"].contains(&state.as_str()), "{state}");
    }
    let said = fs::read_to_string(&runs).unwrap_or_default();
    assert!(!said.contains("TWO"), "two at once: {said}");
    let view = world.say("alice", &["show", &change]).json();
    let started = view["permits"].as_array().unwrap().iter().filter(|permit| permit["outcome"] == "failed").count();
    assert!(said.lines().count() <= started, "{said} of {started} permits");
    // It can be applied as before.
    let run = world.stage.run_on(
        "one",
        &["--url", &world.server().url, "--key", "alice", "apply", &change, "--file", "deploy.sh", "--", "./deploy.sh"],
    );
    assert_eq!(run.status, 1, "{run}");
    assert_eq!(fs::read_to_string(&runs).unwrap().lines().count(), said.lines().count() + 1);
}
