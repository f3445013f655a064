//! A second engineer's machine, set up by one command; several logs on one machine.

use std::process::Command;

use countersign_core::catalog::Level;

use crate::{
    support::{Run, Stage},
    world::World,
};

/// On a machine of this name, with nothing but what was said or joined.
fn on(world: &World, machine: &str, words: &str) -> Run {
    let words: Vec<&str> = ["--format", "json"].into_iter().chain(words.split(' ')).collect();
    world.stage.run_on(machine, &words)
}

#[test]
fn one_command_sets_up_a_machine() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let url = world.server().url.clone();
    let run = on(&world, "second", &format!("join {url} --trust home/trust.json --key bob"));
    assert_eq!(run.status, 0, "{run}");
    assert_eq!((&run.json()["signer"], &run.json()["default"]), (&"bob".into(), &true.into()), "{run}");
    assert_eq!(run.json()["wrong"].as_array().unwrap().len(), 0, "{run}");
    // No address, no trust, no key from here on.
    world.stage.write("flags.json", "{}\n");
    let run = on(&world, "second", "doctor");
    assert_eq!(run.status, 0, "{run}");
    let words = "propose --target search/production --kind flag --title Go --why because-it-is-needed --file flags.json --command true";
    let run = on(&world, "second", words);
    assert_eq!((run.status, &run.json()["proposer"]), (0, &"bob".into()), "{run}");
    // The log is pinned: another one is not taken for it, whatever it says.
    let listed = on(&world, "second", "join");
    assert_eq!(listed.json()["default"], "world", "{listed}");
    assert_eq!(listed.json()["logs"]["world"]["url"], url, "{listed}");
}

#[test]
fn nothing_is_joined_that_the_trust_file_does_not_pin() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let other = Stage::with_keys(&["ada", "grace"]);
    other.home_of_two();
    world.stage.write("other.json", &other.read("home/trust.json"));
    let url = world.server().url.clone();
    for (words, status) in [
        (format!("join {url} --trust other.json --key bob"), 1),
        (format!("join {url} --key bob"), 2),
        ("join 127.0.0.1:1 --trust home/trust.json".to_owned(), 2),
        ("join http://127.0.0.1:1 --trust home/trust.json".to_owned(), 1),
        ("--log world list".to_owned(), 2),
    ] {
        let run = on(&world, "second", &words);
        assert_eq!(run.status, status, "{words}: {run}");
        assert!(run.stderr.contains("hint"), "{run}");
        assert_eq!(on(&world, "second", "join").json()["logs"].as_object().unwrap().len(), 0, "{words}");
    }
}

#[test]
fn several_logs_are_told_apart_by_their_names() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let other = stage.serve();
    world.stage.write("other.json", &stage.read("home/trust.json"));
    let first = world.server().url.clone();
    for words in [
        format!("join {first} --trust home/trust.json --key bob"),
        format!("join {} --trust other.json --key {}", other.url, stage.path("ada").display()),
    ] {
        let run = on(&world, "second", &words);
        assert_eq!(run.status, 0, "{run}");
    }
    let origin = |words: &str| on(&world, "second", words).json()["origin"].as_str().unwrap().to_owned();
    assert_eq!(origin("log"), "world");
    assert_eq!(origin("--log log log"), "log");
    assert_eq!(origin(&format!("--url {} log", other.url)), "log", "who says where is heard");
    // Each with the key that signs there.
    assert_eq!(on(&world, "second", "doctor").status, 0);
    assert_eq!(on(&world, "second", "--log log doctor").status, 0);
    let mut command: Command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    command.env("XDG_STATE_HOME", world.stage.path("second")).env("COUNTERSIGN_LOG", "log");
    let output = command.args(["--format", "json", "log"]).output().unwrap();
    assert_eq!(Run::new(output, &world.stage.path("")).json()["origin"], "log");
}
