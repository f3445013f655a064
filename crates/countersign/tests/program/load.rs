//! `load`: who has how much to approve, how long what waits, and what somebody more or less would change.

use countersign_core::{approving::LEAST, catalog::Level};
use serde_json::{Value, json};

use crate::{support::Run, world::World};

const DAY: u64 = 24 * 60 * 60;

fn load(world: &World, options: &[&str]) -> Run {
    let url = &world.server().url;
    world.stage.run_words(&[&["--url", url, "--trust", "home/trust.json", "load"][..], options].concat())
}

fn told(world: &World, options: &[&str]) -> Value {
    let run = load(world, &[options, &["--format", "json"]].concat());
    assert_eq!(run.status, 0, "{run}");
    run.json()
}

/// A change of a file that goes through on these people's word.
fn passes(world: &World, number: usize, by: &[&str]) {
    world.stage.write("limits.yaml", &format!("limit: {number}\n"));
    let proposed = world.say(
        "alice",
        &[
            &["propose", "--title", "Raise a limit", "--kind", "config", "--file", "limits.yaml"][..],
            &["--command", "cat limits.yaml"],
            &["--target", "search/production", "--why", "more of it is needed at month end"],
        ]
        .concat(),
    );
    let change = proposed.done()["id"].as_str().unwrap().to_owned();
    for person in by {
        world.say(person, &["approve", &change, "--file", "limits.yaml"]).done();
    }
    world.say("alice", &["permit", &change, "--out", "permit.json"]).done();
}

#[test]
fn a_small_home_is_told_that_there_is_too_little_and_how_long_one_person_takes_nobody_is_told() {
    let world = World::usual();
    passes(&world, 1, &["bob", "carol"]);
    let run = load(&world, &[]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("2 approvals by 2 people"), "{run}");
    assert!(run.stdout.contains("not told: fewer than 3 people answered"), "{run}");
    assert!(run.stdout.contains("too little to forecast from"), "{run}");
    let told = told(&world, &["--without", "bob"]);
    assert_eq!((&told["forecast"], &told["then"]), (&Value::Null, &Value::Null));
    assert_eq!(told["waits"]["systems"]["search"], json!({"approvals": 2, "people": 2, "minutes": null}));
    assert_eq!(told["systems"], json!([{"system": "search", "proposed": 1, "open": 1}]));
    let of = |person: &str| told["people"].as_array().unwrap().iter().find(|one| one["person"] == person).cloned();
    assert_eq!(of("bob").unwrap()["by_week"], json!([1]));
    assert_eq!(of("alice"), None, "she proposed");
    assert_eq!(told.get("people_waited_for"), None);

    // One person edits it in: nothing is told until another has put it in force.
    let text = world.stage.read("home/countersign.yaml");
    world
        .stage
        .write("home/countersign.yaml", &format!("{}  load: {{people: true}}\n", text.trim_end().to_owned() + "\n"));
    let change = world.say("alice", &["amend", "home", "--why", "we want to see it"]).done();
    let change = change["change"].as_str().unwrap().to_owned();
    assert_eq!(self::told(&world, &[]).get("people_waited_for"), None);
    world.say("bob", &["approve", &change]).done();
    world.say("bob", &["publish", &change]).done();
    let told = self::told(&world, &[]);
    let people: Vec<&String> = told["people_waited_for"].as_object().unwrap().keys().collect();
    assert_eq!(people, ["bob", "carol"], "{told}");
}

#[test]
fn a_forecast_follows_from_the_log_and_a_seed_and_says_what_an_absence_would_change() {
    let world = World::usual();
    for number in 0..10 {
        passes(&world, number, &["bob", "carol"]);
    }
    world.stage.is_ahead(14 * DAY - 60 * 60);
    let told = told(&world, &["--seed", "7", "--without", "bob"]);
    assert_eq!((&told["weeks"], &told["approvals"], &told["forecast"]["seed"]), (&json!(2), &json!(20), &json!(7)));
    // All of it came in the first of two weeks.
    let a_week = told["forecast"]["changes_per_week"].as_f64().unwrap();
    assert!((4.0..6.0).contains(&a_week), "{told}");
    let of = |forecast: &str, person: &str| told[forecast]["approvals_per_week"][person].as_f64().unwrap_or(0.0);
    assert!(of("forecast", "bob") > 4.0 && of("forecast", "carol") > 4.0, "{told}");
    assert!(of("then", "bob") == 0.0 && of("then", "carol") > 4.0, "{told}");
    assert_eq!((&told["forecast"]["unanswered_per_week"], &told["then"]["minutes"]), (&json!(0.0), &Value::Null));
    assert!(told["then"]["unanswered_per_week"].as_f64().unwrap() > 4.0, "carol alone is not two: {told}");
    // Whoever looks again a moment later looks at other minutes of the same weeks.
    let again = self::told(&world, &["--seed", "7", "--without", "bob"]);
    for told_of in ["changes_per_week", "approvals_per_week", "unanswered_per_week"] {
        let of = |told: &Value| [&told["forecast"], &told["then"]].map(|forecast| forecast[told_of].clone());
        assert_eq!(of(&told), of(&again), "the same seed, the same future");
    }
    // Whoever takes his place does, and alice, whose changes they are, is nobody's second pair of eyes.
    let stood_in = self::told(&world, &["--without", "bob", "--with", "dave"]);
    assert_eq!(stood_in["then"]["unanswered_per_week"], json!(0.0), "{stood_in}");
    let herself = self::told(&world, &["--without", "bob", "--with", "alice"]);
    assert_eq!(herself["then"]["approvals_per_week"].get("alice"), None, "{herself}");
    assert_eq!(herself["then"]["minutes"], Value::Null);
    let text = load(&world, &["--without", "bob"]);
    assert!(text.stdout.contains("Ahead: 4 weeks as the last 2 were, drawn 100 times, seed "), "{text}");
    assert!(text.stdout.contains("a week find nobody who approved there before"), "{text}");
    for (options, meant) in
        [(["--without", "bop"], "`bob`"), (["--with", "bop"], "`bob`"), (["--system", "saerch"], "`search`")]
    {
        let refused = load(&world, &options);
        assert_eq!(refused.status, 2, "{refused}");
        assert!(refused.stderr.contains(&format!("did you mean {meant}?")), "{refused}");
    }
    let both = load(&world, &["--with", "bob", "--without", "bob"]);
    assert!(both.stderr.contains("bob cannot be there and away"), "{both}");
}

/// A change of a file that lands on one person's word.
fn lands(world: &World, number: u32, by: &str) {
    world.stage.write("limits.yaml", &format!("limit: {number}\n"));
    let propose = ["propose", "--title", "Raise a limit", "--kind", "config", "--file", "limits.yaml"];
    let command = ["--command", "cat limits.yaml", "--target", "search/production"];
    let why = ["--why", "more of it is needed at month end"];
    let proposed = world.say("alice", &[&propose[..], &command, &why].concat());
    let change = proposed.done()["id"].as_str().unwrap().to_owned();
    world.say(by, &["approve", &change, "--file", "limits.yaml"]).done();
    let run = world.say("alice", &["apply", &change, "--file", "limits.yaml", "--", "cat", "limits.yaml"]);
    assert_eq!(run.status, 0, "{run}");
}

#[test]
fn somebody_else_is_asked_once_about_one_who_carries_a_third() {
    let world = World::new(&[
        ("alice", Level::Standard),
        ("bob", Level::Senior),
        ("carol", Level::Standard),
        ("dave", Level::Standard),
    ]);
    let raise = || world.server().block_on(world.server().engine.raise_shares()).unwrap();
    for number in 1..LEAST {
        lands(&world, number, "bob");
    }
    assert_eq!(raise(), 0);
    lands(&world, LEAST, "bob");
    assert_eq!((raise(), raise()), (1, 0));
    let found = world.say("alice", &["findings", "--about", "person/bob"]).done();
    let said = &found[0];
    assert_eq!((&said["kind"], &said["who"]), (&json!("carries-a-third"), &json!(["alice"])), "{found}");
    let words =
        "in 13 weeks bob gave 20 of 20 approvals by which something landed on search/production, which owners owns";
    assert_eq!(said["said"], words);
    let id = said["id"].as_str().unwrap();
    let himself = world.say("bob", &["review", id, "--answer", "I like to look"]);
    assert!(himself.status != 0 && himself.to_string().contains("somebody else looks at it"), "{himself}");
    world.say("alice", &["review", id, "--answer", "carol begins to approve there"]).done();
    assert_eq!(raise(), 0);
}
