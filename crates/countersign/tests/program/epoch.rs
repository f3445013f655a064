//! A log that was restored from an older copy: refused by everybody, until a quorum of founders begins a new epoch.

use std::{fs, path::Path};

use countersign_core::catalog::Level;
use serde_json::Value;

use crate::{support::Run, world::World};

const CHECKOUT: &str = "checkout/production";
const SEARCH: &str = "search/production";

#[track_caller]
fn refused(run: &Run, code: &str) -> String {
    assert_ne!(run.status, 0, "{run}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
    error["error"]["hint"].as_str().unwrap_or_default().to_owned()
}

/// What the home had when it was last served is written down.
fn served(world: &mut World) {
    world.stop_server();
    serve_once(world);
}

/// By the program itself.
fn serve_once(world: &World) {
    let server = world.stage.serve();
    let run = world.stage.run_on("somebody", &["--url", &server.url, "log"]);
    assert_eq!(run.status, 0, "{run}");
    server.end();
}

fn served_again(world: &mut World) {
    let address = world.home.store_address();
    world.serve_store(&address);
    if world.stage.path("shop.git/countersign/gate.yaml").exists() {
        world.tell_the_gate(&world.server().url);
    }
}

/// A change of a file, as `apply` has it.
fn of_a_file(world: &World, text: &str) -> String {
    world.stage.write("flags.json", text);
    let words =
        ["propose", "--again", "--target", SEARCH, "--kind", "flag", "--file", "flags.json", "--command", "true"];
    let more = ["--title", "Go faster", "--why", "the bank answers within eight seconds at month end"];
    let rest = ["--rollback", "put the old file back"];
    world.say("alice", &[&words[..], &more[..], &rest[..]].concat()).done()["id"].as_str().unwrap().to_owned()
}

fn apply(world: &World, change: &str) -> Run {
    world.say("alice", &["apply", change, "--file", "flags.json", "--", "true"])
}

fn approve_file(world: &World, change: &str) {
    world.say("bob", &["approve", change, "--file", "flags.json"]).done();
}

/// The first founder signs; the file that they leave.
fn first_signs(world: &World) -> String {
    let begun = world
        .stage
        .run_words(&["--format", "json", "--key", "alice", "epoch", "home", "--why", "the disk was lost"])
        .done();
    assert_eq!((&begun["begun"], &begun["quorum"]), (&false.into(), &2.into()), "{begun}");
    begun["file"].as_str().unwrap().to_owned()
}

fn next_signs(world: &World, who: &str, file: &str) -> Run {
    world.stage.run_words(&["--format", "json", "--key", who, "epoch", "home", "--cosign", file])
}

/// A log of which only the beginning is left, with what the gate, an apply gate and people have seen behind that.
struct Lost {
    world: World,
    /// Approved before the cut, and never pushed.
    approved: String,
    /// Approved before the cut, and rejected behind it.
    rejected: String,
    /// Proposed and applied behind the cut.
    applied: String,
}

fn lost() -> Lost {
    let mut world = World::usual();
    world.edit("rejected", "search/limit", "99\n");
    let rejected = world.propose("alice", &[SEARCH]);
    world.approve("bob", &rejected);
    world.edit("approved", "checkout/timeout", "30\n");
    let approved = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &approved);
    world.say("alice", &["backup", "backup", "--home", "home"]).done();
    let applied = of_a_file(&world, "{\"fast\": 1}\n");
    approve_file(&world, &applied);
    let run = apply(&world, &applied);
    assert_eq!(run.status, 0, "{run}");
    world.say("carol", &["reject", &rejected, "--why", "it stops the nightly run"]).done();
    // The gate has seen all of it.
    world.git(&["checkout", "--quiet", "-B", "nothing", "origin/main"]);
    world.write("checkout/nothing", "x\n");
    world.commit("nothing that was proposed");
    world.push(&["HEAD:main"]).is_refused("no-change");
    served(&mut world);
    Lost { world, approved, rejected, applied }
}

/// The older copy in the place of the ledger.
fn restored() -> Lost {
    let lost = lost();
    let imported = lost.world.stage.run("--format json import backup --home home --older").done();
    assert!(imported["lost"].as_u64().unwrap() > 3, "{imported}");
    lost
}

#[test]
fn an_older_copy_is_refused_by_everybody_until_a_quorum_begins_a_new_epoch() {
    let Lost { mut world, approved, rejected, applied } = lost();
    let hint = refused(&world.stage.run("--format json import backup --home home"), "log-went-back");
    assert!(hint.contains("--older"), "{hint}");
    let imported = world.stage.run("--format json import backup --home home --older").done();
    let (cut, lost) = (imported["size"].as_u64().unwrap(), imported["lost"].as_u64().unwrap());
    assert!(world.stage.path(&format!("home/ledger.db.lost-{}", cut + lost)).exists(), "nothing is thrown away");

    // What is wrong with the home is mended by that, and by no other copy.
    let found = world.stage.run("--format json doctor --home home");
    assert!(found.status == 3 && found.stdout.contains("countersign epoch home --why"), "{found}");

    // Refused: by the server, by the gate, by whoever had seen more, by the apply gate.
    let hint = refused(&world.stage.run("--format json serve --home home --listen 127.0.0.1:0"), "ledger-went-back");
    assert!(hint.contains("countersign epoch home"), "{hint}");
    served_again(&mut world);
    world.git(&["checkout", "--quiet", "approved"]);
    world.push(&["HEAD:main"]).is_refused("log-went-back");
    refused(&world.say("alice", &["show", &approved]), "log-went-back");
    world.stop_server();

    // One founder does not suffice, nor one with somebody else.
    let file = first_signs(&world);
    refused(&next_signs(&world, "alice", &file), "already-signed");
    refused(&next_signs(&world, "carol", &file), "policy-group");
    refused(&world.stage.run("--format json serve --home home --listen 127.0.0.1:0"), "ledger-went-back");
    let shown = world.stage.run_words(&["--format", "json", "epoch", "home", "--show", &file]).done();
    assert_eq!((&shown["why"], shown["after"].as_u64()), (&"the disk was lost".into(), Some(cut)));
    let begun = next_signs(&world, "bob", &file).done();
    assert_eq!((&begun["begun"], &begun["epoch"]), (&true.into(), &2.into()), "{begun}");
    assert!(!world.stage.path(&file).exists());
    assert!(world.stage.path("home/seen.before-epoch-2").exists());

    // Served again, also by the program itself.
    serve_once(&world);
    served_again(&mut world);
    let run = world.say("alice", &["show", &approved]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("epoch 2") && run.stderr.contains("alice and bob"), "{run}");
    let run = world.say("alice", &["show", &approved]);
    assert!(!run.stderr.contains("epoch 2"), "it is told once: {run}");
    refused(&world.say("alice", &["show", &applied]), "unknown-change");

    // The gate goes over, obeys the rejection that was lost and hands it in; what was approved before the cut is approved again.
    world.git(&["checkout", "--quiet", "rejected"]);
    let push = world.push(&["HEAD:main"]);
    assert!(!push.passed && push.said.contains("[denied-by-rules]"), "{}", push.said);
    assert!(push.said.contains("began epoch 2") && push.said.contains("1 of them stops"), "{}", push.said);
    assert!(push.said.contains("carol"), "{}", push.said);
    assert_eq!(world.state(&rejected), "rejected", "the log has it again");
    world.git(&["checkout", "--quiet", "approved"]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("bob", &approved);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&approved), "applied");

    // The log was cut by those who may, and is accused of nothing, also not of what was refused before they had.
    let run = world.stage.run_words(&["gate", "status", "shop.git"]);
    assert!(run.status == 0 && !run.stdout.contains("caught"), "{run}");

    // So does the apply gate, by the same copy.
    let again = of_a_file(&world, "{\"fast\": 2}\n");
    approve_file(&world, &again);
    let run = apply(&world, &again);
    assert_eq!(run.status, 0, "{run}");

    // Whoever verifies is told of the epoch; so is whoever follows for the first time, and whoever reads an export.
    let url = world.server().url.clone();
    for place in [url.as_str(), "log"] {
        if place == "log" {
            world.say("alice", &["export", "log"]).done();
        }
        let run = world.stage.run(&format!("--format json verify {place} --trust home/trust.json"));
        assert_eq!((run.status, &run.json()["holds"]), (0, &true.into()), "{run}");
        assert!(run.stdout.contains(&format!("epoch 2 begun behind {cut} leaves")), "{run}");
    }
    let hint = format!("[{{\"number\":2,\"leaf\":{cut}}}]");
    assert_eq!(world.stage.read("log/epoch"), hint);
}

/// A server that has the log's keys, and founders that were not asked.
#[test]
fn a_gate_does_not_take_the_servers_word_for_an_epoch() {
    let Lost { mut world, .. } = restored();
    served_again(&mut world);
    let lying = crate::proxy::Proxy::before(&world.server().url, |_, path| match path {
        "/epoch" => crate::proxy::Answer::Lie("[{\"number\":2,\"leaf\":3}]".to_owned()),
        _ => crate::proxy::Answer::Of(path.to_owned()),
    });
    world.tell_the_gate(&lying.url);
    world.git(&["checkout", "--quiet", "approved"]);
    world.push(&["HEAD:main"]).is_refused("log-went-back");
    refused(&world.say_to(&lying.url, "alice", &["log"]), "log-went-back");
}

/// A server with an old copy and an old key of a founder: behind the cut that key was taken away, and the gate knows.
/// What a gate decided alone before the log was cut grants nothing behind the cut: the log does not take it, and that is told, and
/// found as a move that no permit allowed.
#[test]
fn a_local_permit_does_not_cross_the_cut_of_an_epoch() {
    let Lost { mut world, approved, .. } = lost();
    world.git(&["checkout", "--quiet", "approved"]);
    let push = world.push(&["HEAD:main"]);
    push.passes();
    assert!(push.said.contains("decided alone"), "{}", push.said);
    world.stage.run("--format json import backup --home home --older").done();
    let file = first_signs(&world);
    next_signs(&world, "bob", &file).done();
    served_again(&mut world);
    let sent = world.stage.run("gate sync shop.git");
    assert_eq!(sent.status, 3, "{sent}");
    assert!(sent.stderr.contains("the log does not take what this gate decided alone for change"), "{sent}");
    assert!(sent.stderr.contains("it is of an epoch before the log was restored"), "{sent}");
    assert!(sent.stderr.contains("countersign gate status REPO --answer WHY"), "{sent}");
    let status = world.stage.run("gate status shop.git");
    assert!(status.status == 3 && status.stdout.contains("where no permit put it"), "{status}");
    assert_ne!(world.state(&approved), "applied");
    let findings = world.say("bob", &["findings", "--open"]).done().to_string();
    assert!(findings.contains("where no permit put it"), "{findings}");
}

#[test]
fn a_gate_judges_who_cuts_a_log_by_what_it_knows_behind_the_cut() {
    let mut world = World::usual();
    world.edit("approved", "checkout/timeout", "30\n");
    let approved = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &approved);
    world.say("alice", &["backup", "backup", "--home", "home"]).done();
    let key = world.key("bob").public().fingerprint().to_string();
    world.say("bob", &["revoke", &key, "--why", "it was stolen"]).done();
    world.git(&["checkout", "--quiet", "approved"]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    served(&mut world);
    world.stage.run("--format json import backup --home home --older").done();
    let file = first_signs(&world);
    next_signs(&world, "bob", &file).done();
    served_again(&mut world);
    world.push(&["HEAD:main"]).is_refused("log-went-back");
    let run = world.stage.run_words(&["gate", "status", "shop.git"]);
    assert!(run.status == 3 && run.stdout.contains("caught"), "{run}");
}

/// The same copy again, and what was said in the second epoch is lost, too.
#[test]
fn a_copy_that_is_restored_a_second_time_begins_the_third_epoch() {
    let Lost { mut world, approved, .. } = restored();
    let file = first_signs(&world);
    next_signs(&world, "bob", &file).done();
    served_again(&mut world);
    world.approve("bob", &approved);
    world.git(&["checkout", "--quiet", "approved"]);
    world.say("alice", &["backup", "second", "--home", "home"]).done();
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&approved), "applied");
    served(&mut world);
    // A copy of the second epoch, which everybody knows by now, is an older copy like any other.
    world.stage.run("--format json import second --home home --older").done();
    served_again(&mut world);
    refused(&world.say("alice", &["show", &approved]), "log-went-back");
    world.push(&["HEAD:release"]).is_refused("log-went-back");
    world.stop_server();
    // The first copy again: of the second epoch it knows nothing, and this home does.
    world.stage.run("--format json import backup --home home --older").done();
    let file = first_signs(&world);
    let begun = next_signs(&world, "bob", &file).done();
    assert_eq!(begun["epoch"], 3, "{begun}");
    served_again(&mut world);
    assert_eq!(world.state(&approved), "proposed");
    let push = world.push(&["HEAD:release"]);
    assert!(push.said.contains("began epoch 3"), "{}", push.said);
}

/// A cosigner vouches for the restored log when it has gone over to it.
#[test]
fn a_follower_goes_over_to_a_new_epoch_and_keeps_what_was_lost() {
    let mut world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let follow_into =
        |world: &World, copy: &str| world.say("carol", &["follow", "--into", copy, "--once", "--trust", "pinned.json"]);
    let follow = |world: &World| follow_into(world, "copy");
    fs::copy(world.stage.path("home/trust.json"), world.stage.path("pinned.json")).unwrap();
    let change = of_a_file(&world, "{}\n");
    world.say("alice", &["backup", "backup", "--home", "home"]).done();
    world.say("carol", &["reject", &change, "--why", "not now"]).done();
    let lost = of_a_file(&world, "{\"fast\": 1}\n");
    approve_file(&world, &lost);
    world.say("carol", &["reject", &lost, "--why", "nor this"]).done();
    let key = world.key("carol").public().fingerprint().to_string();
    world.say("alice", &["revoke", &key, "--why", "her laptop was stolen"]).done();
    world.say("bob", &["revoke", &key, "--confirm"]).done();
    world.say("carol", &["trust", "pin", "pinned.json"]).done();
    follow(&world).done();
    served(&mut world);
    world.stage.run("--format json import backup --home home --older").done();
    served_again(&mut world);
    assert_eq!(follow(&world).status, 3, "nobody has begun an epoch");
    world.stop_server();
    let file = first_signs(&world);
    next_signs(&world, "bob", &file).done();
    served_again(&mut world);
    let run = follow(&world);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("began epoch 2"), "{run}");
    assert_eq!(world.state(&change), "rejected", "the follower has handed it in");
    let kept = world.stage.path("copy/lost/before-epoch-2");
    assert!(kept.join("copy.db").exists() && kept.join("seen").exists());
    // What cannot be handed in is told, and kept to be said again.
    assert!(run.stderr.contains("2 more that took something away"), "{run}");
    let again = fs::read_to_string(kept.join("say-again.txt")).unwrap();
    let lines: Vec<&str> = again.lines().collect();
    assert_eq!(lines[0], format!("carol rejected revision 1 of change {lost}: the change was lost, too"));
    assert_eq!(lines[1], format!("bob confirmed that key {key} stays revoked: countersign revoke {key} --confirm"));
    world.say("bob", &["revoke", &key, "--confirm"]).done();
    assert!(!exists(&world.stage.path("copy"), "restoring"));
    follow(&world).done();
    // What is pinned was lost: who had it knows that, and who meets the log now is told to ask a founder.
    let run = follow_into(&world, "afresh");
    assert!(run.status == 3 && run.stderr.contains("take a new one from a founder"), "{run}");
    world.say("carol", &["trust", "pin", "pinned.json"]).done();
    follow_into(&world, "afresh").done();
}

fn exists(folder: &Path, name: &str) -> bool {
    fs::exists(folder.join(name)).unwrap()
}
