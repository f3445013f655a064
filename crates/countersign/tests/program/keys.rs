//! Other keys in the place of those that people had: by their own word, by two others', and by the quorum's.

use countersign_core::catalog::Level;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

fn fingerprint(world: &World, who: &str) -> String {
    world.key(who).public().fingerprint().to_string()
}

/// Makes these keys.
fn made(world: &World, names: &[&str]) {
    for name in names {
        world.stage.key(name);
    }
}

/// What was approved before a key was given up lands, at a gate that follows; what is signed with it after does not.
#[test]
fn a_person_takes_another_key_and_everybody_follows() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    made(&world, &["bob-2", "bob-3"]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    world.say("bob", &["rotate-key", "--new", "carol"]).is_refused(3, "key-taken");
    world.say("bob", &["rotate-key", "--new", "bob"]).is_refused(2, "usage");
    let rotated = world.say("bob", &["rotate-key", "--new", "bob-2"]).done();
    assert_eq!(rotated["of"], "bob");
    world.say("bob", &["rotate-key", "--new", "bob-3"]).is_refused(1, "key-retired");
    assert_eq!(world.say("bob-2", &["whoami"]).done()["person"], "bob");
    world.push(&["HEAD:main"]).passes();
    // Whoever has verified governance before gets what came since, and the person's stream whole.
    world.edit("change", "checkout/timeout", "40\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.say("bob", &["approve", &change, "--git", "work"]).is_refused(1, "key-retired");
    world.approve("bob-2", &change);
    world.say("bob-2", &["rotate-key", "--new", "bob-3"]).done();
    world.say("carol", &["show", &change]).done();
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
    // A key that was given up can still be revoked, with what it approved.
    world.say("bob-3", &["revoke", &fingerprint(&world, "bob-2"), "--why", "it was stolen before"]).done();
    // An auditor who has the log and a pinned trust file comes to the same.
    world.say("carol", &["bundle", &change, "--out", "change.tar"]).done();
    world.say("carol", &["verify", "change.tar", "--trust", "home/trust.json"]).done();
    world.say("carol", &["export", "export"]).done();
    world.say("carol", &["verify", "export", "--trust", "home/trust.json"]).done();
}

#[test]
fn two_others_give_somebody_a_key_who_lost_theirs() {
    let world = World::new(&[
        ("alice", Level::Standard),
        ("bob", Level::Senior),
        ("carol", Level::Standard),
        ("dave", Level::Standard),
    ]);
    made(&world, &["dave-2"]);
    let dave = fingerprint(&world, "dave");
    let lost = ["rotate-key", "--lost", &dave, "--new", "dave-2.pub", "--why", "the laptop fell into the sea"];
    let first = world.say("alice", &[&lost[..], &["--out", "lost.json"]].concat()).done();
    assert_eq!(first["file"], "lost.json");
    let shown = world.say("carol", &["rotate-key", "--show", "lost.json"]);
    assert!(shown.stdout.contains("dave has lost: the laptop fell into the sea"), "{shown}");
    world.say("carol", &["rotate-key", "--cosign", "lost.json"]).is_refused(3, "senior-needed");
    world.say("alice", &["rotate-key", "--cosign", "lost.json"]).is_refused(3, "already-signed");
    world.say("bob", &["rotate-key", "--cosign", "lost.json"]).done();
    assert!(!world.stage.path("lost.json").exists());
    assert_eq!(world.say("dave-2", &["whoami"]).done()["person"], "dave");
    world.say("carol", &[&lost[..4], &["dave-2", "--why", "again"]].concat()).is_refused(1, "unknown-key");
}

/// What it does where too few can act, core's tests play; here two can.
#[test]
fn a_recovery_is_the_quorums_and_only_where_too_few_can_act() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    made(&world, &["alice-3", "carol-3"]);
    let recover = |by: &str| {
        let keys = ["--person", "alice", "--new-key", "alice-3.pub", "--person", "carol", "--new-key", "carol-3.pub"];
        let words = ["--why", "every laptop was stolen", "--out", "recovery.json"];
        world.say(by, &[&["recover"], &keys[..], &words[..]].concat())
    };
    recover("carol").is_refused(3, "policy-group");
    assert_eq!(recover("alice").done()["recovered"], false);
    let shown = world.say("bob", &["recover", "--show", "recovery.json"]);
    assert!(shown.stdout.contains("every key of carol goes"), "{shown}");
    // As long as two can act, the quorum has nothing to do.
    world.say("bob", &["recover", "--cosign", "recovery.json"]).is_refused(3, "nothing-to-recover");
}

#[test]
fn somebody_who_did_not_sign_a_recovery_is_asked_to_look_at_it() {
    let standard = Level::Standard;
    let world = World::new(&[("alice", standard), ("bob", standard), ("carol", Level::Senior), ("dave", standard)]);
    made(&world, &["carol-2"]);
    // The only senior gives her key up: nothing that loosens could be approved any more.
    world.say("carol", &["revoke", &fingerprint(&world, "carol"), "--why", "the laptop was stolen"]).done();
    let keys = ["--person", "carol", "--new-key", "carol-2.pub"];
    let words = ["--why", "she is our only senior", "--out", "recovery.json"];
    world.say("alice", &[&["recover"], &keys[..], &words].concat()).done();
    let run = world.say("bob", &["recover", "--cosign", "recovery.json"]);
    assert_eq!(run.done()["recovered"], true);
    let raise = || world.server().block_on(world.server().engine.raise_recovered()).unwrap();
    assert_eq!((raise(), raise()), (1, 0));
    let found = world.say("alice", &["findings", "--about", "person/carol"]).done();
    assert_eq!(
        (&found[0]["kind"], &found[0]["who"]),
        (&"keys-recovered".into(), &serde_json::json!(["dave"])),
        "{found}"
    );
    let id = found[0]["id"].as_str().unwrap();
    for who in ["alice", "bob", "carol-2"] {
        world.say(who, &["review", id, "--answer", "all is well"]).is_refused(3, "your-own-act");
    }
    world.say("dave", &["review", id, "--answer", "I called carol, and it is her key"]).done();
    world.say("dave", &["export", "export"]).done();
    world.say("dave", &["verify", "export", "--trust", "home/trust.json"]).done();
}

/// The server's keys are proposed, approved and published like anything that governs. Who pinned the first key goes on by it: the
/// gate, somebody's memory, a follower, whoever verifies.
#[test]
fn a_rotated_log_key_is_followed_by_gates_and_verifiers() {
    let mut world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let pinned = world.stage.read("home/trust.json");
    world.stage.write("pinned.json", &pinned);
    let lands = |world: &World, text: &str| {
        world.edit("change", "checkout/timeout", text);
        let change = world.propose("alice", &[CHECKOUT]);
        world.approve("bob", &change);
        world.push(&["HEAD:main"]).passes();
        change
    };
    let follow =
        |world: &World| world.say("carol", &["follow", "--into", "copy", "--once", "--trust", "pinned.json"]).done();
    lands(&world, "30\n");
    follow(&world);
    world.say("carol", &["export", "export", "--trust", "pinned.json"]).done();
    let old = world.home.log_key().unwrap().verifier();
    // A key that the server does not have would put an end to it.
    let why = ["--why", "as every year"];
    let proposed = world.say("alice", &[&["rotate-key", "--home", "home"], &why[..]].concat()).done();
    let change = proposed["change"].as_str().unwrap().to_owned();
    let shown = world.say("bob", &["show", &change]);
    assert!(shown.stdout.contains("the server's keys"), "{shown}");
    world.say("alice", &["publish", &change]).is_refused(3, "not-allowed");
    // Until it is in force, nothing has changed.
    lands(&world, "40\n");
    assert_eq!(world.say("carol", &["log"]).status, 0);
    world.say("bob", &["approve", &change, "--publish"]).done();
    let keys = world.server().block_on(world.server().engine.log_keys()).unwrap();
    assert_eq!((keys.pinned(), keys.successors().len()), (old.as_str(), 1));
    assert_ne!(keys.newest(), old);
    let note = world.server().block_on(world.server().engine.head()).unwrap().note;
    assert!(countersign_ledger::checkpoint::open(&note, &keys).is_ok());
    assert!(countersign_ledger::checkpoint::open(&note, &old).is_err());
    // Nobody has touched the gate, and whoever pinned the old key has no other.
    let change = lands(&world, "50\n");
    follow(&world);
    world.say("carol", &["show", &change, "--trust", "pinned.json"]).done();
    world.say("carol", &["export", "export", "--trust", "pinned.json"]).done();
    let said = world.say("carol", &["verify", "export", "--trust", "pinned.json"]);
    assert!(said.status == 0 && said.stdout.contains("signed with the key that leaf"), "{said}");
    world.say("carol", &["bundle", &change, "--out", "change.tar", "--trust", "pinned.json"]).done();
    let said = world.say("carol", &["verify", "change.tar", "--trust", "pinned.json"]);
    assert!(said.status == 0 && said.stdout.contains("signed with the key that leaf"), "{said}");
    // A server that starts again finds the key that is in force, before and after that is written down.
    let address = world.home.store_address();
    world.start_server(&address);
    lands(&world, "60\n");
    world.home.settle(&keys).unwrap();
    world.home = countersign::home::Home::open(world.stage.path("home")).unwrap();
    assert_eq!(world.home.log_key().unwrap().verifier(), keys.newest());
    world.start_server(&address);
    let change = lands(&world, "70\n");
    assert_eq!(world.state(&change), "applied");
    // The trust file that the home gives out now names the new key, too.
    world.say("carol", &["verify", "export", "--trust", "home/trust.json"]).done();
    let trust = world.say("carol", &["trust", "show", "home/trust.json"]);
    assert!(trust.stdout.contains(keys.newest()), "{trust}");
    // And once more, with what is there already.
    let again = world.say("alice", &["rotate-key", "--home", "home", "--why", "again"]).done();
    world.say("bob", &["approve", again["change"].as_str().unwrap(), "--publish"]).done();
    lands(&world, "80\n");
    follow(&world);
}
