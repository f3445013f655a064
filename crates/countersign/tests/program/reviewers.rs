//! `reviewers`: whom to ask for an approval, and why; the same beside how a change stands.

use serde_json::Value;

use crate::world::World;

/// A file of a configuration, proposed.
fn proposed(world: &World, by: &str, number: usize) -> Value {
    world.stage.write("limits.yaml", &format!("limit: {number}\n"));
    let words = ["propose", "--title", "Raise a limit", "--kind", "config", "--file", "limits.yaml"];
    let more = ["--command", "cat limits.yaml", "--target", "search/production", "--why", "more of it is needed"];
    world.say(by, &[&words[..], &more].concat()).done()
}

fn people(told: &Value) -> Vec<&str> {
    told["reviewers"].as_array().unwrap().iter().map(|one| one["person"].as_str().unwrap()).collect()
}

#[test]
fn whom_to_ask_is_said_with_the_reason_and_whoever_made_it_is_never_asked() {
    let world = World::usual();
    let first = proposed(&world, "alice", 1);
    assert_eq!(first.get("reviewers"), None, "nobody was here before: the to-do list says who could");
    let first = first["id"].as_str().unwrap().to_owned();
    world.say("carol", &["approve", &first, "--file", "limits.yaml"]).done();
    world.say("alice", &["permit", &first, "--out", "permit.json"]).done();

    let second = proposed(&world, "alice", 2);
    assert_eq!(people(&second)[0], "carol", "she has been here: {second}");
    assert!(!people(&second).contains(&"alice"), "{second}");
    let id = second["id"].as_str().unwrap().to_owned();
    let told = world.say("dave", &["reviewers", &id]).done();
    assert_eq!(people(&told), people(&second));
    assert_eq!(told["reviewers"][0]["approved"], 1, "{told}");
    let url = world.server().url.clone();
    let text = world.stage.run_words(&["--url", &url, "--trust", "home/trust.json", "reviewers", &id]);
    assert!(text.stdout.contains("approved 1 change here"), "{text}");
    let shown = world.stage.run_words(&["--url", &url, "--trust", "home/trust.json", "show", &id]);
    assert!(shown.stdout.contains("ask (countersign reviewers)\n  carol"), "{shown}");

    // What she made herself she is not asked about, and while she is away everybody else comes first.
    let hers = proposed(&world, "carol", 3);
    let hers = world.say("dave", &["reviewers", hers["id"].as_str().unwrap()]).done();
    assert!(!people(&hers).contains(&"carol"), "{hers}");
    world
        .say("carol", &["away", "--until", &format!("{}", countersign::clock::now().plus_secs(3 * 24 * 60 * 60))])
        .done();
    let away = world.say("dave", &["reviewers", &id]).done();
    assert_eq!(*people(&away).last().unwrap(), "carol", "{away}");
    let why = away["reviewers"].as_array().unwrap().last().unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("away until"), "{why}");
}
