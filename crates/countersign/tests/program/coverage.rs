//! `coverage`: who could let a change through, and whose absence would close a gate.

use serde_json::{Value, json};

use crate::{support::Run, world::World};

fn coverage(world: &World, options: &[&str]) -> Run {
    let url = &world.server().url;
    world.stage.run_words(&[&["--url", url, "--trust", "home/trust.json", "coverage"][..], options].concat())
}

/// How a target stands, and without whom it would be closed.
fn gate(told: &Value, target: &str) -> Value {
    let gates = told["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["target"] == target).unwrap_or_else(|| panic!("{target} in {told}"));
    let closing = |closing: &Value| json!([closing["away"], closing["by_waiver"]]);
    let closings: Vec<Value> = gate["closed_while"].as_array().unwrap().iter().map(closing).collect();
    json!([gate["stands"], closings])
}

#[test]
fn whose_absence_closes_a_gate_is_said_before_it_happens() {
    let world = World::usual();
    // Bob is the only senior, and tier 1 takes one besides whoever proposes.
    let told = coverage(&world, &["--format", "json"]);
    assert_eq!(told.status, 0, "{told}");
    let told = told.json();
    let everybody = json!([[{ "count": 1, "of": ["bob"] }], false]);
    assert_eq!(gate(&told, "payments/production"), json!(["open", [everybody]]), "{told}");
    let text = coverage(&world, &[]);
    assert!(text.stdout.contains("payments/production: closed while bob is away"), "{text}");
    // While he is away it is closed, and the program says so by its status.
    let without = coverage(&world, &["--without", "bob", "--system", "payments"]);
    assert_eq!(without.status, 3, "{without}");
    assert!(without.stdout.contains("away: bob"), "{without}");
    assert!(without.stdout.contains("closed; missing: 1 approval by a senior (tier-1-senior)"), "{without}");
    assert!(without.stdout.contains("1 approval by a senior: nobody"), "{without}");
    let both = coverage(&world, &["--without", "alice", "bob", "--format", "json"]).json();
    assert_eq!((&both["absent"], &both["coverage"]), (&json!(["alice", "bob"]), &json!(null)));
    // Whoever has no key that holds is away, too, for as long as that lasts.
    let key = world.key("bob").public().fingerprint().to_string();
    let why = ["revoke", &key, "--why", "left his laptop on a train"];
    assert_eq!(world.say("alice", &why).status, 0);
    let suspended = coverage(&world, &["--system", "payments"]);
    assert_eq!(suspended.status, 3, "{suspended}");
    assert!(suspended.stdout.contains("away: bob (no key that holds)"), "{suspended}");
    assert_eq!(coverage(&world, &["--system", "payments", "--at", "2100-01-01"]).status, 0);
}

#[test]
fn who_is_unknown_is_refused_with_who_was_meant() {
    let world = World::usual();
    for (options, meant) in [(["--without", "bop"], "`bob`"), (["--system", "paymnets"], "`payments`")] {
        let refused = coverage(&world, &options);
        assert_eq!(refused.status, 2, "{refused}");
        assert!(refused.stderr.contains(&format!("did you mean {meant}?")), "{refused}");
    }
    let never = coverage(&world, &["--at", "never"]);
    assert!(never.stderr.contains("--at: `never` is no moment"), "{never}");
}
