//! How commands end: what the log does not take is a refusal, 3, whatever was said and whyever.

use crate::world::World;

#[test]
fn whatever_the_log_refuses_ends_with_3() {
    let world = World::usual();
    world.edit("change", "search/limit", "20\n");
    let change = world.propose("alice", &["search/production"]);
    world.say("bob", &["reject", &change, "--why", "not now"]).done();
    world.say("bob", &["label", &change, "hold"]).done();
    let mut wrong = Vec::new();
    for (who, words) in [
        ("bob", &["label", &change, "hold"][..]),
        ("alice", &["label", &change, "hold", "--remove"]),
        ("bob", &["label", &change, "other", "--remove"]),
        ("bob", &["reject", &change, "--why", "again"]),
        ("carol", &["reject", &change, "--lift"]),
        ("carol", &["take-back", &change]),
        ("carol", &["withdraw", &change]),
        ("alice", &["approve", &change, "--git", "work", "--yes"]),
        ("carol", &["waive", &change, "--rule", "owner-approves", "--why", "no senior"]),
        ("bob", &["waive", &change, "--rule", "no-such-rule", "--why", "no such rule"]),
        ("carol", &["disclose", &change, "--tool", "claude", "--prompted-by", "carol"]),
        ("carol", &["rollback", "checkout/production", "--git", "work", "--why", "nothing landed there"]),
        ("carol", &["freeze", "--all", "--for", "1h", "--why", "no senior"]),
        ("bob", &["freeze", "--all", "--until", "2020-01-01T00:00:00Z", "--why", "over"]),
        ("bob", &["freeze", "--all", "--until", "2099-01-01T00:00:00Z", "--why", "too long"]),
        ("alice", &["break-glass", &change, "--why", "orders fail"]),
        ("alice", &["break-glass", &change, "--why", "orders fail", "--over", "bob", "--incident", "two words"]),
    ] {
        let run = world.say(who, words);
        if run.status != 3 {
            wrong.push(format!("{}: {run}", words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What only asks, and what could not be understood, is an error.
    assert_eq!(world.say("carol", &["show", "0123456789ab"]).status, 1);
    assert_eq!(world.say("carol", &["freeze", "--all", "--for", "4w", "--why", "no time"]).status, 2);
}
