//! When a change lands, by what somebody signed: at a gate, in lists, by the clocks of two zones.

use countersign::{clock, wire::rfc3339};
use countersign_core::catalog::Level;

use crate::world::World;

const HOUR: i64 = 3_600;

fn world() -> (World, String) {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    (world, change)
}

fn from_now(secs: i64) -> String {
    rfc3339(clock::now().plus_secs(secs))
}

#[test]
fn a_gate_lets_a_change_through_in_its_window_alone() {
    let (world, change) = world();
    let from = from_now(HOUR);
    world.say("alice", &["permit", &change, "--not-before", &from, "--until", &from_now(2 * HOUR)]).done();
    let approved = world.stage.run_words(&[
        "--url",
        &world.server().url,
        "--key",
        "bob",
        "approve",
        &change,
        "--git",
        "work",
        "--yes",
    ]);
    assert!(approved.status == 0 && approved.stderr.contains(&format!("lands not before {from}")), "{approved}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.raw.contains(&from) && push.raw.contains("--not-before"), "{}", push.said);
    let text =
        |words: &[&str]| world.stage.run_words(&[&["--url", &world.server().url, "--key", "carol"], words].concat());
    assert!(text(&["show", &change]).stdout.contains(&format!("lands not before {from}")));
    assert!(text(&["list"]).stdout.contains("from "));
    let listed = world.say("carol", &["list"]).done();
    assert_eq!(listed[0]["window"]["not_before"], from.as_str(), "{listed}");
    // What bob approved was for then; sooner, it takes another look.
    let sooner = world.say("alice", &["permit", &change, "--until", &from_now(HOUR)]);
    assert!(sooner.stderr.contains("bob") && sooner.stderr.contains("count no more"), "{sooner}");
    let shown = world.say("carol", &["show", &change]).done();
    assert!(shown["approvals"][0]["rescheduled"].is_string() && shown["approvals"][0]["counts"] == false, "{shown}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

#[test]
fn a_window_in_a_freeze_is_refused_with_the_next_time_that_is_free() {
    let (world, change) = world();
    world.say("bob", &["freeze", "--all", "--for", "4h", "--why", "sales day"]).done();
    let run = world.say("alice", &["permit", &change, "--not-before", &from_now(HOUR), "--until", &from_now(2 * HOUR)]);
    run.is_refused(3, "no-room");
    assert!(run.stderr.contains("it could land from"), "{run}");
    // Some of a longer one is left, and that is told.
    let longer = world.say("alice", &["permit", &change, "--until", &from_now(10 * HOUR)]);
    assert!(longer.status == 0 && longer.stderr.contains("leaves it from"), "{longer}");
}

#[test]
fn a_time_that_clocks_show_twice_or_never_is_refused_and_each_zone_means_the_same_moment() {
    let (world, change) = world();
    let in_berlin = |words: &[&str]| {
        let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
        command.env("TZ", "Europe/Berlin").args(["--url", &world.server().url, "--key", "alice"]).args(words);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for wall in ["2027-10-31T02:30", "2027-03-28T02:30"] {
        let (status, said) = in_berlin(&["permit", &change, "--not-before", wall]);
        assert!(status == Some(2) && said.contains("twice or never"), "{said}");
    }
    let tomorrow = from_now(24 * HOUR);
    let (date, _) = tomorrow.split_once('T').unwrap();
    let (status, said) = in_berlin(&["permit", &change, "--not-before", &format!("{date}T12:00:00")]);
    assert_eq!(status, Some(0), "{said}");
    let stands = world.say("carol", &["show", &change]).done()["windows"][0]["not_before"].as_str().unwrap().to_owned();
    assert!([format!("{date}T11:00:00Z"), format!("{date}T10:00:00Z")].contains(&stands), "{stands}");
}
