//! Erasing names, mails and words: from the server's store and files, from followers' copies and from exports; what proves and
//! what decides stays.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use countersign_core::catalog::Level;
use serde_json::Value;

use crate::{
    proxy::{Answer, Proxy},
    support::Run,
    world::World,
};

const MAIL: &str = "carol@example.com";

fn world() -> World {
    World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)])
}

#[track_caller]
fn refused(run: &Run, status: i32, code: &str) {
    assert_eq!(run.status, status, "{run}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
    assert!(error["error"]["hint"].is_string(), "{run}");
}

/// Files that have these bytes anywhere in them.
fn with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// A commit by carol that bob approved and that landed.
fn landed(world: &World) -> String {
    world.edit("change", "checkout/timeout", "30\n");
    world.git(&["commit", "--quiet", "--amend", "--no-edit", "--author", &format!("Carol Roe <{MAIL}>")]);
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    change
}

fn erase(world: &World, what: &[&str]) -> Value {
    let words = [&["erase"], what, &["--why", "it was asked for", "--out", "erasure.json"]].concat();
    let first = world.say("alice", &words).done();
    let shown = world.say("bob", &["erase", "--show", "erasure.json"]).done();
    assert!(!shown["erases"].as_array().unwrap().is_empty());
    world.say("bob", &["erase", "--cosign", "erasure.json"]).done();
    assert!(!world.stage.path("erasure.json").exists(), "it has the words in it");
    first
}

fn follow(world: &World) {
    let run = world
        .stage
        .run(&format!("--url {} --format json follow --trust home/trust.json --into copy --once", world.server().url));
    assert_eq!(run.status, 0, "{run}");
}

fn verify(world: &World, place: &str) -> Value {
    world.stage.run(&format!("--format json verify {place} --trust home/trust.json")).done()
}

#[test]
fn a_person_is_erased_everywhere_and_everything_verifies_afterwards() {
    let world = world();
    let change = landed(&world);
    world.say("alice", &["export", "log"]).done();
    follow(&world);
    let (home, copy, log) = (world.stage.path("home"), world.stage.path("copy"), world.stage.path("log"));
    for folder in [&home, &copy, &log] {
        assert!(!with(folder, MAIL.as_bytes()).is_empty(), "{}", folder.display());
    }
    erase(&world, &["carol"]);

    let left = with(&home, MAIL.as_bytes());
    let mut beside: Vec<&String> = left.iter().filter(|path| !path.contains("/catalog/")).collect();
    // The server that tests run has no home to look after; `serve` does.
    beside.retain(|path| !path.ends_with("genesis-files.json"));
    assert!(beside.is_empty(), "{beside:?}");
    follow(&world);
    assert_eq!(with(&copy, MAIL.as_bytes()), Vec::<String>::new());
    let exported = world.say("alice", &["export", "log"]).done();
    assert!(exported["erased"].as_u64().unwrap() >= 2, "{exported}");
    assert_eq!(with(&log, MAIL.as_bytes()), Vec::<String>::new());

    // Proofs hold, and decisions come out the same, without the names.
    let report = verify(&world, "log");
    assert_eq!(report["holds"], true);
    let decisions = report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "decisions").unwrap();
    assert!(decisions["detail"].as_str().unwrap().contains("names were erased since"), "{decisions}");
    let shown = world.say("bob", &["show", &change]).done();
    assert!(!shown.to_string().contains(MAIL) && !shown.to_string().contains("Carol Roe"), "{shown}");
    // What follows from the leaves is what the store has.
    let rebuilt = world.stage.run("--format json rebuild --home home").done();
    assert_eq!(rebuilt["identical"], true, "{rebuilt}");
    // A new follower, and a new export, come as far.
    fs::remove_dir_all(&copy).unwrap();
    follow(&world);
    fs::remove_dir_all(&log).unwrap();
    world.say("alice", &["export", "log"]).done();
    assert_eq!(verify(&world, "log")["holds"], true);
    // The gate goes on, and what is not there is not erased twice.
    world.edit("next", "search/limit", "20\n");
    let next = world.propose("alice", &["search/production"]);
    world.approve("bob", &next);
    world.push(&["HEAD:main"]).passes();
    refused(&world.say("alice", &["erase", "carol", "--why", "again"]), 1, "nothing-to-erase");
}

#[test]
fn a_served_home_forgets_what_it_was_founded_with() {
    let mut world = world();
    world.stop_server();
    let server = world.stage.serve();
    let say = |who: &str, args: &[&str]| world.say_to(&server.url, who, args).done();
    assert!(world.stage.read("home/genesis-files.json").contains(MAIL));
    say("alice", &["erase", "carol", "--why", "it was asked for", "--out", "erasure.json"]);
    say("bob", &["erase", "--cosign", "erasure.json"]);
    crate::support::until("the home forgets", || !world.stage.read("home/genesis-files.json").contains(MAIL));
    drop(server);
    // It is a home as before.
    let server = world.stage.serve();
    world.say_to(&server.url, "alice", &["log"]).done();
}

#[test]
fn the_words_of_a_change_go_and_its_facts_stay() {
    let world = world();
    let change = landed(&world);
    let path = world.stage.path("home");
    assert!(!with(&path, b"Raise the timeout").is_empty());
    erase(&world, &[&change]);
    assert_eq!(with(&path, b"Raise the timeout"), Vec::<String>::new());
    assert_eq!(with(&path, b"Carol Roe"), Vec::<String>::new());
    let shown = world.say("bob", &["show", &change]).done();
    assert_eq!(shown["state"], "applied");
    assert!(shown["title"].as_str().unwrap().contains("erased"), "{shown}");
    world.say("alice", &["export", "log"]).done();
    assert_eq!(verify(&world, "log")["holds"], true);
}

/// Signing second breaks off half way; the same command ends it, and says so when there is nothing left to do.
#[test]
fn an_erasure_that_broke_off_is_ended_by_the_same_command() {
    let world = world();
    landed(&world);
    world.say("alice", &["erase", "carol", "--why", "it was asked for", "--out", "erasure.json"]).done();
    fs::copy(world.stage.path("erasure.json"), world.stage.path("kept.json")).unwrap();
    let sent = AtomicUsize::new(0);
    let breaking = Proxy::before(&world.server().url, move |method, path| match method {
        "POST" if sent.fetch_add(1, Ordering::SeqCst) == 1 => Answer::Silence,
        _ => Answer::Of(path.to_owned()),
    });
    let cosign = ["erase", "--cosign", "erasure.json"];
    let run = world.say_to(&breaking.url, "bob", &cosign);
    assert!(run.status == 1 && world.stage.path("erasure.json").exists(), "{run}");
    let ended = world.say("bob", &cosign).done();
    assert!(!ended["leaves"].as_array().unwrap().is_empty(), "{ended}");
    let left = with(&world.stage.path("home"), MAIL.as_bytes());
    let beside = |path: &&String| !path.contains("/catalog/") && !path.ends_with("genesis-files.json");
    assert_eq!(left.iter().filter(beside).count(), 0, "{left:?}");
    refused(&world.say("bob", &cosign), 1, "no-erasure");
    assert!(world.say("bob", &cosign).stderr.contains("is done"));
    // Who has the file twice is told the same.
    let again = world.say("bob", &["erase", "--cosign", "kept.json"]).done();
    assert_eq!(again["leaves"], serde_json::json!([]));
}

/// What is not there since it was erased is not said to be held back, and nobody is asked whose names they were.
#[test]
fn what_was_erased_is_said_with_who_erased_it_and_when() {
    let world = world();
    let change = landed(&world);
    let text = |who: &str, words: &[&str]| {
        let run = world.stage.run_on(&world.machine, &[&["--url", &world.server().url, "--key", who], words].concat());
        assert_eq!(run.status, 0, "{run}");
        run.stdout
    };
    text("alice", &["erase", &change, "--why", "it was asked for", "--out", "erasure.json"]);
    let said = text("bob", &["erase", "--cosign", "erasure.json"]);
    assert!(said.contains("backups and git repositories") && !said.contains("catalog/"), "{said}");
    let shown = text("bob", &["show", &change]);
    assert!(shown.contains("(erased by alice on 2"), "{shown}");
    assert!(!shown.contains("held back") && !shown.contains("unknown "), "{shown}");
    text("alice", &["erase", "carol", "--why", "it was asked for", "--out", "erasure.json"]);
    let said = text("bob", &["erase", "--cosign", "erasure.json"]);
    assert!(said.contains("catalog/"), "{said}");
}

#[test]
fn an_erasure_takes_two_people() {
    let world = world();
    let change = landed(&world);
    // carol is nobody of the policy group, which alice is: one of them suffices.
    let first = ["erase", &change, "--why", "it was asked for", "--out", "erasure.json"];
    world.say("carol", &first).done();
    refused(&world.say("carol", &["erase", "--cosign", "erasure.json"]), 3, "already-signed");
    world.say("alice", &["erase", "--cosign", "erasure.json"]).done();
    refused(&world.say("alice", &["erase", "nobody-here", "--why", "?"]), 1, "nothing-to-erase");
    refused(&world.say("alice", &["erase", "No Body", "--why", "?"]), 2, "usage");
}
