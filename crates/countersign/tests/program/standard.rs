//! Standard changes: a robot's update lands by the template that two people approved, and one line more does not.

use serde_json::json;

use crate::world::World;

const UPDATES: &str = "proposers: [renovate]
sponsor: carol
systems: [search]
kinds: [code]
paths: search/**
files: 1
added: 2
deleted: 2
evidence: [tests]
per-day: 3
until: UNTIL
because: Updates of one file that the tests pass
";

/// The usual world with a robot and what tests its updates, and a template for them.
fn with_updates() -> World {
    let world = World::usual();
    world.add_workload("renovate", &[]);
    world.add_workload("ci", &["tests"]);
    let until = countersign::clock::now().plus_secs(30 * 24 * 60 * 60).to_string();
    let text = UPDATES.replace("UNTIL", until.split('T').next().unwrap());
    world.publish(|files| drop(files.insert("standard/updates.yaml".to_owned(), text.into_bytes())));
    world
}

/// What the robot commits and proposes.
fn update(world: &World, branch: &str, text: &str) -> String {
    world.git(&["checkout", "--quiet", "-B", branch, "origin/main"]);
    world.write("search/limit", text);
    let mut commit = world.stage.command("git");
    commit.current_dir(world.stage.path("work"));
    commit.args(["-c", "user.name=renovate", "-c", "user.email=renovate@example.com", "commit", "--quiet", "--all"]);
    assert!(commit.args(["-m", "Update"]).status().unwrap().success());
    let words =
        ["propose", "--kind", "code", "--title", "Update", "--why", "a newer version of what we use", "--git", "work"];
    let range =
        ["--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD", "--target", "search/production"];
    let run = world.say("renovate", &[&words[..], &range, &["--sponsor", "carol"]].concat());
    let change = run.done()["id"].as_str().unwrap().to_owned();
    world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed"]).done();
    change
}

#[test]
fn a_robots_update_lands_by_a_standard_change_and_one_line_more_does_not() {
    let world = with_updates();
    let larger = update(&world, "larger", "11\n12\n13\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("no standard change updates: it adds 3 lines, and 2 are the most"), "{}", push.said);
    let view = world.say("dave", &["show", &larger]).done();
    assert_eq!(view["decision"]["standard"], json!(null));

    let change = update(&world, "update", "11\n12\n");
    let view = world.say("dave", &["show", &change]).done();
    assert_eq!(view["decision"]["outcome"], "allow", "{view}");
    assert_eq!(view["decision"]["standard"]["approved_by"], json!(["alice", "bob"]));
    let shown = world.stage.run_words(&["--url", &world.server().url, "--key", "dave", "show", &change]);
    assert!(shown.stdout.contains("standard change updates, approved by alice and bob on 20"), "{shown}");
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}
