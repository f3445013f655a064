//! Away, and back; who stands in for whom: what people are told, and what a gate makes of it.

use countersign_core::catalog::Level;

use crate::world::World;

const PAYMENTS: &str = "payments/production";

fn people() -> [(&'static str, Level); 4] {
    [("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard), ("dave", Level::Standard)]
}

/// A moment so many days from now, as people write it.
fn in_days(days: i64) -> String {
    countersign::clock::now().plus_secs(24 * 3_600 * days).to_string()
}

fn ok(world: &World, who: &str, args: &[&str]) -> serde_json::Value {
    let run = world.say(who, args);
    assert_eq!(run.status, 0, "{args:?}: {run}");
    run.json()
}

#[test]
fn who_is_away_is_told_and_what_their_key_signs_counts_when_they_are_back() {
    let world = World::new(&people());
    world.edit("change", "payments/timeout", "30\n");
    let change = world.propose("alice", &[PAYMENTS]);
    let until = in_days(3);
    ok(&world, "bob", &["away", "--until", &until]);
    // Whoever looks for a senior is told.
    let shown = world.say("alice", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains("bob (away until "), "{shown}");
    let mine = ok(&world, "alice", &[])["mine"][0]["waits_on"].to_string();
    assert!(mine.contains("away until"), "{mine}");
    // So is whoever approves, right afterwards.
    world.edit("other", "payments/timeout", "20\n");
    let other = world.propose("alice", &[PAYMENTS]);
    let approved = world.say("carol", &["approve", &other, "--git", "work", "--format", "text"]);
    assert!(approved.stdout.contains("bob (away until "), "{approved}");
    world.git(&["checkout", "--quiet", "change"]);
    let covered = world.say("alice", &["coverage"]).json();
    assert_eq!(covered["absent"], serde_json::json!(["bob"]), "{covered}");
    let hangs = world.say("alice", &["coverage", "--at", &in_days(4), "--weeks", "1"]).json();
    assert_eq!(hangs["absent"], serde_json::json!([]), "{hangs}");
    // And so is bob, at his keyboard or who else has it.
    assert!(ok(&world, "bob", &[])["away_until"].is_string());
    assert!(ok(&world, "bob", &["whoami"])["away_until"].is_string());
    let refused = world.say("bob", &["approve", &change, "--git", "work"]);
    assert!(refused.status != 0 && refused.stderr.contains("countersign back"), "{refused}");
    ok(&world, "bob", &["back"]);
    let again = world.say("bob", &["back"]);
    assert!(again.status != 0 && again.stderr.contains("no-absence"), "{again}");
    world.approve("bob", &change);
    let shown = world.say("alice", &["show", &change, "--format", "text"]);
    assert!(!shown.stdout.contains("away until"), "{shown}");
    // What is planned stands, until it is said that it does not.
    ok(&world, "bob", &["away", "--from", &in_days(2), "--until", &until]);
    let planned = world.say("bob", &["back"]);
    assert!(planned.status != 0 && planned.stderr.contains("back --planned"), "{planned}");
    let covered = world.say("alice", &["coverage", "--at", &in_days(2)]).json();
    assert_eq!(covered["absent"], serde_json::json!(["bob"]), "{covered}");
    ok(&world, "bob", &["back", "--planned"]);
}

/// Who delegated a role is away: whoever has it meanwhile could supply it, also in the weeks to come.
#[test]
fn coverage_counts_who_stands_in() {
    let world = World::new(&people());
    let until = in_days(9);
    ok(&world, "bob", &["delegate", "senior", "--to", "carol", "--until", &until]);
    let covered = ok_or_closed(&world, &["coverage", "--system", "payments", "--without", "bob"]);
    let lent = serde_json::json!([{"of": "bob", "role": "senior", "targets": [], "to": "carol"}]);
    assert_eq!(covered["stand_ins"], lent, "{covered}");
    assert_eq!(covered["gates"][0]["stands"], "open", "{covered}");
    let said = world.say("alice", &["coverage", "--without", "bob", "--format", "text"]);
    assert!(said.stdout.contains("carol stands in as a senior for bob"), "{said}");
    // While he is there the role is his, and when it is over nobody has it.
    assert_eq!(ok_or_closed(&world, &["coverage"])["stand_ins"], serde_json::json!([]));
    let later = ok_or_closed(&world, &["coverage", "--system", "payments", "--without", "bob", "--at", &in_days(10)]);
    assert_eq!(
        (&later["stand_ins"], &later["gates"][0]["stands"]),
        (&serde_json::json!([]), &"closed".into()),
        "{later}"
    );
    // It closes when the delegation ends, which is within the weeks that are looked at.
    let ahead = ok_or_closed(&world, &["coverage", "--system", "payments", "--without", "bob", "--weeks", "2"]);
    let closed = ahead["windows"].as_array().unwrap().iter().filter(|window| window["gate"]["stands"] == "closed");
    let from: Vec<&str> = closed.filter_map(|window| window["from"].as_str()).collect();
    assert!(from.len() == 1 && from[0][..10] == until[..10], "{ahead}");
}

fn ok_or_closed(world: &World, args: &[&str]) -> serde_json::Value {
    let run = world.say("alice", args);
    assert!([0, 3].contains(&run.status), "{run}");
    run.json()
}

#[test]
fn a_delegation_that_counts_for_nothing_is_shown_with_the_reason() {
    let world = World::governed(&people());
    world.edit("change", "payments/timeout", "30\n");
    let change = world.propose("alice", &[PAYMENTS]);
    ok(&world, "bob", &["delegate", "senior", "--to", "carol", "--until", &in_days(7)]);
    world.approve("carol", &change);
    world.approve("dave", &change);
    world.say("alice", &["disclose", &change, "--tool", "claude", "--prompted-by", "bob"]).done();
    let why =
        "bob delegated senior to carol, and carol's approval does not count by that: bob had a hand in the change";
    let shown = world.say("alice", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains(why), "{shown}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.raw.contains(why), "{}", push.raw);
}

#[test]
fn a_delegate_opens_a_gate_by_the_delegators_role_until_it_ends() {
    let world = World::governed(&people());
    world.edit("change", "payments/timeout", "30\n");
    let change = world.propose("alice", &[PAYMENTS]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("dave", &change);
    let until = in_days(7);
    let delegated = ok(&world, "bob", &["delegate", "senior", "--to", "carol", "--until", &until]);
    let id = delegated["delegation"].as_str().unwrap();
    let shown = world.say("alice", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains("carol (by bob's delegation until "), "{shown}");
    world.approve("carol", &change);
    let shown = world.say("alice", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains("has senior by bob's delegation until "), "{shown}");
    // It ends on the word of one of the two; who else tries is told whose it is.
    assert!(ok(&world, "dave", &["delegations"])["delegations"].to_string().contains(id));
    let other = world.say("dave", &["delegate", "--end", id]);
    assert!(other.status != 0 && other.stderr.contains("bob or carol ends it"), "{other}");
    ok(&world, "carol", &["delegate", "--end", id]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(ok(&world, "dave", &["delegations"])["delegations"], serde_json::json!([]));
    // Said again, carol has to look again: it does not reach back.
    ok(&world, "bob", &["delegate", "senior", "--to", "carol", "--for", PAYMENTS, "--until", &until]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    ok(&world, "carol", &["take-back", &change]);
    world.approve("carol", &change);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
    let bundle = world.say("alice", &["bundle", &change, "--out", "out.tar"]);
    assert_eq!(bundle.status, 0, "{bundle}");
    let verified = world.stage.run("verify --trust home/trust.json out.tar");
    assert_eq!(verified.status, 0, "{verified}");
}

#[test]
fn what_cannot_be_delegated_is_refused_with_what_would_be_right() {
    let world = World::new(&people());
    let refused = |who: &str, args: &[&str], words: &str| {
        let run = world.say(who, args);
        assert!(run.status != 0 && run.stderr.contains(words), "{args:?}: {run}");
    };
    let (soon, late) = (in_days(7), in_days(40));
    refused("carol", &["delegate", "senior", "--to", "dave", "--until", &soon], "carol is no senior");
    refused("bob", &["delegate", "senior", "--to", "bob", "--until", &soon], "delegated-to-oneself");
    refused("bob", &["delegate", "senior", "--to", "carol", "--until", &late], "30 days at the most");
    refused("bob", &["delegate", "policy", "--to", "carol", "--until", &soon], "group:NAME");
    refused("bob", &["delegate", "--end", "abcdef123456"], "countersign delegations");
    refused("bob", &["away", "--until", "2020-01-01"], "over-already");
}
