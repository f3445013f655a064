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
    add_updates(&world);
    world
}

fn add_updates(world: &World) {
    world.add_workload("renovate", &[]);
    world.add_workload("ci", &["tests"]);
    let until = countersign::clock::now().plus_secs(30 * 24 * 60 * 60).to_string();
    let text = UPDATES.replace("UNTIL", until.split('T').next().unwrap());
    world.publish(|files| drop(files.insert("standard/updates.yaml".to_owned(), text.into_bytes())));
}

/// What the robot commits and proposes.
fn update(world: &World, branch: &str, text: &str) -> String {
    update_on(world, branch, "origin/main", text)
}

/// The same on something else than what is on the branch.
fn update_on(world: &World, branch: &str, base: &str, text: &str) -> String {
    world.git(&["checkout", "--quiet", "-B", branch, base]);
    world.write("search/limit", text);
    let mut commit = world.stage.command("git");
    commit.current_dir(world.stage.path("work"));
    commit.args(["-c", "user.name=renovate", "-c", "user.email=renovate@example.com", "commit", "--quiet", "--all"]);
    assert!(commit.args(["-m", "Update"]).status().unwrap().success());
    let words =
        ["propose", "--kind", "code", "--title", "Update", "--why", "a newer version of what we use", "--git", "work"];
    let range = format!("{base}..HEAD");
    let range = ["--repository", "shop", "--branch", "main", "--range", &range, "--target", "search/production"];
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
    // Who reads the evidence later sees who looked, and what was attested.
    world.say("dave", &["bundle", &change, "--out", "change.bundle"]).done();
    let run = world.stage.run("verify change.bundle --trust home/trust.json --format html --out page.html");
    assert_eq!(run.status, 0, "{run}");
    let page = world.stage.read("page.html");
    for words in ["standard change updates, approved by alice and bob on 20", "<th scope=\"row\">tests</th>", "passed"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let run = world.stage.run("verify change.bundle --trust home/trust.json --out page.txt");
    assert!(run.status == 2 && run.stderr.contains("--format html"), "{run}");
}

/// Bob, with whose key the template was approved, has lost it: his approval counts no more, of this as of anything else.
#[test]
fn a_template_behind_which_a_key_was_revoked_opens_no_gate() {
    let world = World::usual();
    // What he said before the template was there does not get into the way of whoever reads of him.
    let until = countersign::clock::now().plus_secs(2 * 24 * 60 * 60).to_string();
    let from = countersign::clock::now().plus_secs(24 * 60 * 60).to_string();
    world.say("bob", &["away", "--from", &from, "--until", &until]).done();
    add_updates(&world);
    let change = update(&world, "update", "11\n12\n");
    for _ in 0..2 {
        let view = world.say("dave", &["show", &change]).done();
        assert_eq!(view["decision"]["outcome"], "allow", "{view}");
    }
    world.say("carol", &["revoke", world.key("bob").public().fingerprint().as_str(), "--why", "lost"]).done();
    let why =
        "no standard change updates: fewer than 2 of those who had to approve it did so by a key that holds still";
    let shown = world.say("dave", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains(why), "{shown}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains(why), "{}", push.said);
    // The decision that denied it comes out the same for whoever has only its bundle.
    world.say("dave", &["bundle", &change, "--out", "change.bundle"]).done();
    let run = world.stage.run("verify change.bundle --trust home/trust.json");
    assert_eq!(run.status, 0, "{run}");
}

/// Who looks is told what the gate says: the day's count is used up.
#[test]
fn a_standard_change_beyond_the_days_count_is_shown_as_the_gate_decides_it() {
    let world = with_updates();
    for number in 0..3 {
        let change = update(&world, &format!("update-{number}"), &format!("{number}1\n"));
        world.push(&["HEAD:main"]).passes();
        assert_eq!(world.state(&change), "applied");
        world.git(&["fetch", "--quiet"]);
    }
    let change = update(&world, "one-more", "99\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    let why = "3 like it landed on search/production within a day, and 3 are the most";
    assert!(push.said.contains(why), "{}", push.said);
    let view = world.say("dave", &["show", &change]).done();
    assert_eq!((&view["decision"]["outcome"], &view["decision"]["standard"]), (&json!("deny"), &json!(null)), "{view}");
    let shown = world.stage.run_words(&["--url", &world.server().url, "--key", "dave", "show", &change]);
    assert!(shown.stdout.contains(why), "{shown}");
}

/// Four that stand on one another, of which three may land within a day: branches and changes.
fn four(world: &World) -> Vec<(String, String)> {
    let mut base = "origin/main".to_owned();
    let mut made = Vec::new();
    for number in 0..4 {
        let branch = format!("update-{number}");
        let change = update_on(world, &branch, &base, &format!("{number}1\n"));
        base.clone_from(&branch);
        made.push((branch, change));
    }
    made
}

const THREE_DID: &str = "3 like it landed on search/production within a day, and 3 are the most";

#[test]
fn a_stack_lands_no_more_standard_changes_than_a_day_has() {
    let world = with_updates();
    let four = four(&world);
    let push = world.push(&["update-3:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains(THREE_DID), "{}", push.said);
    assert!(four.iter().all(|(_, change)| world.state(change) != "applied"));
    world.push(&["update-2:main"]).passes();
    assert!(four.iter().take(3).all(|(_, change)| world.state(change) == "applied"));
    let push = world.push(&["update-3:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains(THREE_DID), "{}", push.said);
}

/// The log does not tell of what this gate let through meanwhile; its journal does.
#[test]
fn an_outage_lands_no_more_standard_changes_than_a_day_has() {
    let mut world = with_updates();
    let four = four(&world);
    let synced = world.stage.run("gate sync shop.git");
    assert_eq!(synced.status, 0, "{synced}");
    world.stop_server();
    for (branch, _) in four.iter().take(3) {
        let push = world.push(&[&format!("{branch}:main")]);
        push.passes();
        assert!(push.said.contains("decided alone"), "{}", push.said);
    }
    let push = world.push(&["update-3:main"]);
    push.is_refused("server-unreachable");
    let why = "nor does it decide this alone: change [A] is not allowed on search/production yet";
    assert!(push.said.contains(why), "{}", push.said);
}

/// What could not be put in force is refused when it is proposed, and not after somebody approved it.
#[test]
fn a_template_that_names_nobody_or_ends_too_late_is_not_proposed() {
    let world = World::usual();
    let day = |days: i64| countersign::clock::now().plus_secs(days * 24 * 60 * 60).to_string();
    for (proposer, days, code) in [("nobody", 30, "standard-invalid"), ("alice", 200, "standard-until")] {
        let text = UPDATES.replace("UNTIL", day(days).split('T').next().unwrap()).replace("renovate", proposer);
        world.stage.write("home/standard/updates.yaml", &text);
        let run = world.say("alice", &["amend", "home", "--why", "updates"]);
        run.is_refused(3, code);
        assert!(run.stderr.contains("hint"), "{run}");
    }
}
