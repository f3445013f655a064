//! `coverage`: who could let a change through, and whose absence would close a gate.

use countersign_ledger::Time;
use serde_json::{Value, json};

use crate::{support::Run, world::World};

const DAY: i64 = 24 * 60 * 60;

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
    // Bob is the only senior, and tier 1 takes two besides whoever proposes, one of them a senior.
    let told = coverage(&world, &["--format", "json"]);
    assert_eq!(told.status, 0, "{told}");
    let told = told.json();
    let bob = json!([[{ "count": 1, "of": ["bob"] }], false]);
    let others = json!([[{ "count": 2, "of": ["alice", "carol", "dave"] }], false]);
    assert_eq!(gate(&told, "payments/production"), json!(["open", [bob, others]]), "{told}");
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
fn what_calendars_close_is_said_weeks_before() {
    let world = World::usual();
    let day = |days: i64| -> String {
        let at: Time = countersign::clock::now().plus_secs(days * DAY);
        at.to_string().split('T').next().unwrap().to_owned()
    };
    let compact = |days| day(days).replace('-', "");
    world.stage.write("home/calendars/bob.yaml", "use: absence\nperson: bob\n");
    world.stage.write(
        "home/calendars/bob.ics",
        &format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-TIMEZONE:UTC\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:{}\r\n\
             DTEND;VALUE=DATE:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            compact(4),
            compact(9)
        ),
    );
    let change =
        world.say("alice", &["amend", "home", "--why", "holidays"]).done()["change"].as_str().unwrap().to_owned();
    world.say("bob", &["approve", &change]).done();
    world.say("bob", &["publish", &change]).done();
    let midnight = |days| format!("{}T00:00:00Z", day(days));
    let told = coverage(&world, &["--system", "payments", "--format", "json"]);
    assert_eq!(told.status, 0, "he is still there: {told}");
    let told = told.json();
    let closed: Vec<&Value> =
        told["windows"].as_array().unwrap().iter().filter(|window| window["gate"]["stands"] == "closed").collect();
    let [closed] = closed.as_slice() else { panic!("{told}") };
    assert_eq!((&closed["from"], &closed["until"]), (&json!(midnight(4)), &json!(midnight(9))), "{told}");
    assert_eq!((&closed["away"], &closed["gate"]["target"]), (&json!(["bob"]), &json!("payments/production")));
    let text = coverage(&world, &[]);
    assert!(
        text.stdout
            .contains("payments/production: closed; missing: 1 approval by a senior (tier-1-senior) (away: bob)"),
        "{text}"
    );
    // One week does not reach behind it, and while he is away the gate is closed.
    let then = coverage(&world, &["--system", "payments", "--at", &midnight(6), "--weeks", "1"]);
    assert_eq!(then.status, 3, "{then}");
    assert!(then.stdout.contains("away: bob"), "{then}");
    assert_eq!(coverage(&world, &["--system", "payments", "--at", &midnight(9)]).status, 0);
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
    assert!(never.stderr.contains("`never` is no moment"), "{never}");
}

/// What a gate needs to run is broken, and what mends it cannot pass the gate: that is said before.
#[test]
fn a_gate_that_hangs_on_what_it_guards_is_told() {
    let world = World::usual();
    let told = coverage(&world, &["--format", "json"]).json();
    assert_eq!(told["hangs"], json!([]));
    let catalog = world.stage.read("home/catalog/catalog.yaml");
    let system = |name: &str, needs: &str, hosts: &str| {
        format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\n  annotations:\n    \
             countersign/tier: \"3\"\n    countersign/hosts: \"{hosts}\"\nspec:\n  owner: owners\n  dependsOn: [{needs}]\n"
        )
    };
    let with = format!(
        "{catalog}{}{}",
        system("ci", "system:disks", "gate/shop-git"),
        system("disks", "component:checkout", "log")
    );
    world.stage.write("home/catalog/catalog.yaml", &with);
    let change = world.say("alice", &["amend", "home", "--why", "where it runs"]).done()["change"].clone();
    world.say("bob", &["approve", change.as_str().unwrap()]).done();
    world.say("bob", &["publish", change.as_str().unwrap()]).done();
    let told = coverage(&world, &["--format", "json"]).json();
    assert_eq!(
        told["hangs"],
        json!([
            {"what": "log", "on": "disks", "by": ["disks"]},
            {"what": "log", "on": "checkout", "by": ["disks", "checkout"]},
            {"what": "gate/shop-git", "on": "checkout", "by": ["ci", "disks", "checkout"]},
        ])
    );
    let text = coverage(&world, &["--system", "checkout"]);
    assert!(text.stdout.contains("gate shop-git runs on ci, which needs disks, which needs checkout"), "{text}");
    assert_eq!(world.stage.run("gate sync shop.git").status, 0);
    let said = |words: &str| {
        let run = world.stage.run(&format!("--format json doctor {words}"));
        assert_eq!(run.status, 0, "{run}");
        let found = run.json()["findings"].clone();
        let found = found.as_array().unwrap().iter().find(|it| it["check"] == "host").unwrap();
        found["said"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        said("--gate shop.git"),
        "it runs on ci, which needs disks, which needs checkout, whose changes pass it: while checkout is down, what mends it takes \
         breaking the glass"
    );
    assert_eq!(
        said("--home home --quick"),
        "the log is served on disks, which needs checkout: while one of these is down, what mends it takes breaking the glass"
    );
}
