//! Labels by the command line: what asks for more holds a push until it comes off, what asks for less is put on by somebody else.

use countersign_core::catalog::Level;
use serde_json::json;

use crate::world::World;

/// `rules new` writes a rule that asks for labels; published, it is what a push meets.
#[test]
fn a_push_waits_for_a_label_by_somebody_else_and_for_a_hold_to_come_off() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let requires = "approval:senior:2 | label:no-backport, no-label:do-not-merge/hold";
    let new = world.stage.run_words(&["rules", "new", "labelled", "--requires", requires, "--dir", "other"]);
    assert_eq!(new.status, 0, "{new}");
    for word in ["check", "test"] {
        let run = world.stage.run_words(&["rules", word, "other"]);
        assert_eq!(run.status, 0, "{run}");
    }
    let text = world.stage.read("other/labelled.cedar").replace("@mode(\"watch\")", "@mode(\"enforce\")");
    world.publish(|files| drop(files.insert("rules/labelled.cedar".to_owned(), text.into_bytes())));
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");

    // The proposer's own asks for nothing less, and the list says what would.
    let view = world.say("alice", &["label", &change, "no-backport"]).done();
    assert_eq!(view["labels"][0]["by"], "alice");
    let told = world.push(&["HEAD:main"]);
    assert!(told.told().contains("no-backport"), "{}", told.told());
    world.say("bob", &["label", &change, "no-backport", "do-not-merge/hold"]).done();
    let held = world.say("alice", &["show", &change]).done();
    let label = |n: usize| json!([held["labels"][n]["label"], held["labels"][n]["by"]]);
    assert_eq!(label(1), json!(["do-not-merge/hold", "bob"]));
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.say("alice", &["label", &change, "do-not-merge/hold", "--remove"]).code(), "contributor");
    world.say("carol", &["label", &change, "do-not-merge/hold", "--remove"]).done();
    assert_eq!(world.say("carol", &["label", &change, "do-not-merge/hold", "--remove"]).code(), "no-label");
    let key = world.server().url.clone();
    let shown = world.stage.run_words(&["--url", &key, "--key", "carol", "show", &change]).stdout;
    assert!(shown.contains("label     no-backport by bob a moment ago (revision 1)"), "{shown}");
    assert_eq!(world.say("bob", &["label", &change, "Hold!"]).status, 2);
    world.push(&["HEAD:main"]).passes();
}
