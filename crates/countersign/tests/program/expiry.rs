//! Changes that nobody touches: said beforehand, and stopped.

use countersign_core::catalog::Level;

use crate::world::World;

const DAY: u64 = 24 * 60 * 60;

#[test]
fn what_nobody_touches_expires_and_that_is_said_before() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let config = world.stage.read("home/countersign.yaml");
    let wait = "loosening_wait_secs: 0";
    assert!(config.contains(wait), "{config}");
    let short = config.replace(wait, "loosening_wait_secs: 0\n  expires_after_days: 3");
    world.stage.write("home/countersign.yaml", &short);
    let refused = world.say("alice", &["amend", "home", "--why", "changes grow old"]);
    assert!(refused.stderr.contains("7 to 3650 days; it comes from `catalog:` in countersign.yaml"), "{refused}");
    let config = config.replace(wait, "loosening_wait_secs: 0\n  expires_after_days: 30");
    world.stage.write("home/countersign.yaml", &config);
    let amended = world.say("alice", &["amend", "home", "--why", "changes grow old"]).done();
    let amended = amended["change"].as_str().unwrap().to_owned();
    world.say("bob", &["approve", &amended]).done();
    world.say("bob", &["publish", &amended]).done();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    let text = |world: &World, words: &[&str]| {
        world.stage.run_words(&[&["--url", &world.server().url, "--key", "alice"], words].concat())
    };
    assert!(!text(&world, &["show", &change]).stdout.contains("expires"));
    // Whoever looks goes by their own clock.
    world.stage.is_ahead(25 * DAY);
    for words in [&["show", &change][..], &[][..]] {
        let said = text(&world, words);
        assert!(said.stdout.contains("expires at "), "{words:?}: {said}");
    }
    world.stage.is_ahead(31 * DAY);
    assert_eq!(world.state(&change), "expired");
    let said = text(&world, &["show", &change]);
    assert!(said.stdout.contains("it expired at") && said.stdout.contains("countersign revise"), "{said}");
    world.stage.is_ahead(0);
    world.push(&["HEAD:main"]).passes();
    // It begins anew with what it was.
    world.edit("other", "checkout/retries", "3\n");
    let other = world.propose("alice", &["checkout/production"]);
    let again = ["revise", &other, "--git", "work", "--range", "origin/main..HEAD"];
    world.say("alice", &again).is_refused(2, "usage");
    world.stage.is_ahead(31 * DAY);
    let revised = world.say("alice", &again);
    assert_eq!(revised.status, 0, "{revised}");
}
