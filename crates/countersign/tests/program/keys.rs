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
    world.say("bob", &["rotate-key", "--new", "carol"]).is_refused(1, "key-taken");
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
    world.say("alice", &["rotate-key", "--cosign", "lost.json"]).is_refused(1, "already-signed");
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
