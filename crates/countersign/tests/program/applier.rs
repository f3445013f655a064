//! Whoever applies is not whoever approved: by a signed push, and by running a command.

use countersign_core::catalog::Level;

use crate::world::World;

const RULE: &str = "rules/applier-apart.cedar";

/// The shipped rule, enforced, for every tier.
fn world() -> World {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.publish(|files| {
        let text = String::from_utf8(files[RULE].clone()).unwrap();
        let text = text.replace("@mode(\"watch\")", "@mode(\"enforce\")").replace(" && resource.tier == 1", "");
        files.insert(RULE.to_owned(), text.into_bytes());
    });
    world
}

fn sign_as(world: &World, who: &str) {
    let key = world.stage.path(who).canonicalize().unwrap();
    world.git(&["config", "gpg.format", "ssh"]);
    world.git(&["config", "user.signingkey", key.to_str().unwrap()]);
}

#[test]
fn a_push_is_signed_by_somebody_who_did_not_approve_it() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("bob", &change);
    // Nobody can tell who pushes what is not signed.
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.told().contains("git push --signed"), "{}", push.told());
    world.in_bare(&["config", "receive.certNonceSeed", "seed"]).passes();
    sign_as(&world, "bob");
    let push = world.push(&["--signed", "HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.told().contains("another applies it than bob"), "{}", push.told());
    sign_as(&world, "alice");
    world.push(&["--signed", "HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
    let bundle = world.say("carol", &["bundle", &change, "--out", "change.bundle"]);
    assert_eq!(bundle.status, 0, "{bundle}");
}

#[test]
fn who_approved_does_not_run_it() {
    let world = world();
    world.stage.write("flags.json", "{}\n");
    let words = ["propose", "--kind", "config", "--title", "Flags", "--why", "the new flags are needed today"];
    let more = ["--file", "flags.json", "--command", "true", "--target", "search/production"];
    let view = world.say("alice", &[&words[..], &more].concat()).done();
    let change = view["id"].as_str().unwrap();
    world.say("alice", &["disclose", change, "--none"]).done();
    world.say("bob", &["approve", change, "--file", "flags.json"]).done();
    let run = world.say("bob", &["apply", change, "--file", "flags.json", "--", "true"]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains("applier-apart") || run.stderr.contains("applier-apart"), "{run}");
    let run = world.say("carol", &["apply", change, "--file", "flags.json", "--", "true"]);
    assert_eq!(run.status, 0, "{run}");
}
