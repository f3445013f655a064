//! A change that brings what was rejected in another: whoever asks is told so, and where it was said.

use countersign_core::catalog::Level;
use insta::assert_snapshot;

use crate::{support::Run, world::World};

fn propose(world: &World) -> Run {
    let words =
        ["--target", "search/production", "--kind", "config", "--title", "T", "--why", "a reason of some length"];
    world.say(
        "alice",
        &[&["propose", "--again"], &words[..], &["--file", "app.yaml", "--command", "cat app.yaml"]].concat(),
    )
}

fn id(run: &Run) -> String {
    run.json()["id"].as_str().unwrap().to_owned()
}

/// What stops it, as somebody reads it.
fn stops(run: &Run, change: &str, rejected: &str) -> String {
    assert_eq!(run.status, 0, "{run}");
    let view = run.json();
    assert_eq!(view["decision"]["outcome"], "deny", "{run}");
    let rules = view["explanation"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == "no-rejection").unwrap_or_else(|| panic!("{run}"));
    let told = format!("{}: {}", rule["obligations"][0]["missing"], rule["obligations"][0]["how"]);
    told.replace(change, "CHANGE").replace(&rejected[..12], "REJECTED")
}

#[test]
fn everybody_is_told_that_what_a_change_brings_was_rejected_in_another() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Senior)]);
    world.stage.write("app.yaml", "timeout: 30\n");
    let rejected = id(&propose(&world));
    let run = world.say("bob", &["reject", &rejected, "--why", "the bank is slower than that"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(world.say("alice", &["withdraw", &rejected]).status, 0);

    let proposed = propose(&world);
    let change = id(&proposed);
    assert_snapshot!(stops(&proposed, &change, &rejected), @r#""bob rejected the same content in change REJECTED": "bob lifts it (countersign reject REJECTED --lift); or, a day later, two others, one a senior, set it aside: countersign reject CHANGE --set-aside bob --why …""#);
    let approved = world.say("carol", &["approve", &change, "--file", "app.yaml"]);
    assert_eq!(stops(&approved, &change, &rejected), stops(&proposed, &change, &rejected));
    assert_eq!(stops(&world.say("bob", &["show", &change]), &change, &rejected), stops(&proposed, &change, &rejected));
    for refused in [
        world.say("alice", &["permit", &change, "--out", "permit"]),
        world.say("alice", &["apply", &change, "--file", "app.yaml", "--", "cat", "app.yaml"]),
    ] {
        assert_eq!(refused.status, 3, "{refused}");
        assert!(refused.stderr.contains("no-rejection"), "{refused}");
        assert!(
            refused.stderr.contains(&format!("bob rejected the same content in change {}", &rejected[..12])),
            "{refused}"
        );
    }

    // Lifted where it was said, it holds nothing any more.
    let there = world.say("bob", &["reject", &change, "--lift"]);
    assert!(there.stderr.contains(&format!("countersign reject {} --lift", &rejected[..12])), "{there}");
    let run = world.say("bob", &["reject", &rejected, "--lift"]);
    assert_eq!(run.status, 0, "{run}");
    let run = world.say("bob", &["show", &change]);
    assert_eq!(run.json()["decision"]["outcome"], "allow", "{run}");
    assert_eq!(world.say("alice", &["permit", &change, "--out", "permit"]).status, 0);
    // And whoever has the bundle alone finds that all of it holds.
    assert_eq!(world.say("alice", &["bundle", &change, "--out", "change.tar"]).status, 0);
    let run = world.say("alice", &["--trust", "home/trust.json", "verify", "change.tar"]);
    assert_eq!(run.status, 0, "{run}");
}

/// What somebody made of it holds nothing, and whoever looks is told where the same places were rejected.
#[test]
fn who_looks_is_told_that_the_same_file_was_rejected_in_another_change() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Senior)]);
    world.stage.write("app.yaml", "timeout: 30\n");
    let rejected = id(&propose(&world));
    world.say("bob", &["reject", &rejected, "--why", "the bank is slower than that"]).done();
    world.stage.write("app.yaml", "timeout: 31\n");
    let change = id(&propose(&world));
    let told = format!("bob rejected change {} on ", &rejected[..12]);
    for (who, command) in [("carol", "show"), ("carol", "review"), ("alice", "show")] {
        let run = world.stage.run(&format!("--url {} --key {who} {command} {change}", world.server().url));
        assert!(
            run.status == 0 && run.stdout.contains(&told) && run.stdout.contains("which touches app.yaml too"),
            "{run}"
        );
    }
    // It is no stop.
    world.say("carol", &["approve", &change, "--file", "app.yaml"]).done();
    assert_eq!(world.say("alice", &["permit", &change, "--out", "permit"]).status, 0);
    world.say("alice", &["bundle", &change, "--out", "change.tar"]).done();
    let run = world.say("alice", &["--trust", "home/trust.json", "verify", "change.tar"]);
    assert_eq!(run.status, 0, "{run}");
}

/// Also where the rejected change began under other governance than the one that a machine verified last.
#[test]
fn who_verified_later_governance_reads_a_change_that_an_earlier_one_holds() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Senior)]);
    world.stage.write("app.yaml", "timeout: 30\n");
    let rejected = id(&propose(&world));
    world.publish(|files| {
        files.insert("rules/zz-more.cedar".to_owned(), files["rules/owner-approves.cedar"].clone());
        files.remove("rules/owner-approves.cedar");
    });
    let change = id(&propose(&world));
    assert_eq!(world.say("carol", &["approve", &change, "--file", "app.yaml"]).status, 0);
    assert_eq!(world.say("bob", &["reject", &rejected, "--why", "the bank is slower than that"]).status, 0);
    stops(&world.say("carol", &["show", &change]), &change, &rejected);
    stops(&world.say("carol", &["show", &change]), &change, &rejected);
}
