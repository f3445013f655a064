//! Stops that were handed to a gate: what it does with them until the log has them, and what takes them away again.

use std::fs;

use countersign::{
    follower::Access,
    store::{self, Keeps, Options},
};
use countersign_core::catalog::Level;
use countersign_ledger::SigningKey;

use crate::{
    proxy::{Answer, Proxy},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// A governed repository in which a change is approved and would land.
fn world() -> (World, String) {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    (world, change)
}

/// Says something that the server swallows, and gives the file that was kept.
fn swallowed(world: &World, who: &str, words: &[&str]) -> String {
    let silent = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::Silence,
        _ => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&silent.url, who, words);
    let (_, kept) = run.stderr.split_once("--statement ").unwrap_or_else(|| panic!("{run}"));
    kept.split(['"', '\\']).next().unwrap().trim().to_owned()
}

fn hand_over(world: &World, kept: &str) {
    let run = world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
}

fn fingerprint(key: &SigningKey) -> String {
    key.public().fingerprint().to_string()
}

/// The same person has rejected before, and lifted it: only the rejection itself in the log settles the one that was handed
/// over.
#[test]
fn a_handed_rejection_is_not_taken_for_an_earlier_one_that_was_lifted() {
    let (world, change) = world();
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);
    let kept = swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    hand_over(&world, &kept);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    // The gate has told the log meanwhile, and from there it can be lifted.
    assert_eq!(world.state(&change), "rejected");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);
    world.push(&["HEAD:main"]).passes();
}

/// A revocation takes away what a key grants, never what it stopped.
#[test]
fn a_handed_rejection_stands_when_its_key_is_revoked() {
    let (world, change) = world();
    let kept = swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    hand_over(&world, &kept);
    let late = swallowed(&world, "carol", &["reject", &change, "--why", "again"]);
    let revoke = ["revoke", &fingerprint(&world.key("carol")), "--why", "stolen, says who proposed it"];
    assert_eq!(world.say("alice", &revoke).status, 0);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    let status = world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("carol rejected revision 1"), "{status}");
    // Whoever has the key now stops nothing with it.
    let run = world.stage.run(&format!("gate stop shop.git --statement {late}"));
    assert!(run.stderr.contains("was revoked"), "{run}");
}

/// The copy of a gate that another version of the program has written is made again from its own leaves.
#[test]
fn the_copy_of_a_gate_is_made_again_for_a_newer_program() {
    let (world, _) = world();
    world.push(&["HEAD:main"]).passes();
    let status = world.stage.run("gate status shop.git --format json");
    let status = status.json();
    let copy = world.stage.path(status["copy"].as_str().unwrap()).join("copy.db");
    let open = || {
        let options = Options { verifier: world.home.trust().log_key.clone(), keeps: Keeps::Copy(Access::Owner) };
        world.server().block_on(store::open(&copy.display().to_string(), &options)).unwrap()
    };
    let copied = open();
    world.server().block_on(copied.clear_projections()).unwrap();
    drop(copied);
    world.edit("other", "search/limit", "20\n");
    let change = world.propose("alice", &["search/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    let copied = open();
    assert_ne!(world.server().block_on(copied.version()).unwrap(), 0);
    world.server().block_on(copied.set_version(99)).unwrap();
    drop(copied);
    world.edit("next", "checkout/timeout", "40\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("newer-projections");
    assert!(push.said.contains("a newer countersign"), "{}", push.said);
    assert!(fs::exists(&copy).unwrap());
}

/// Whoever cannot reach the server, or is served nothing by it, signs by a copy of the log and hands the file to a gate.
#[test]
fn a_stop_is_signed_without_any_server() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("bob", &change);
    let status = world.stage.run("gate status shop.git --format json").json();
    let copy = status["copy"].as_str().unwrap();
    let nowhere = "http://127.0.0.1:1";
    let run = world.say_to(nowhere, "carol", &["reject", &change, "--why", "not now", "--copy", copy]);
    assert_eq!((run.status, &run.json()["in_the_log"]), (0, &false.into()), "{run}");
    hand_over(&world, run.json()["file"].as_str().unwrap());
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.state(&change), "rejected", "the gate has told the log");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);

    let bob = fingerprint(&world.key("bob"));
    let run = world.say_to(nowhere, "carol", &["revoke", &bob, "--why", "stolen", "--copy", copy]);
    hand_over(&world, run.json()["file"].as_str().unwrap());
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let run = world.say_to(nowhere, "carol", &["reject", &change, "--why", "no", "--copy", "nowhere"]);
    assert!(run.status != 0 && run.stderr.contains("is no copy of a log"), "{run}");
}
