//! Attacks by changes that nobody looks at any more: an approval of long ago that counts again, a remark that keeps one alive for
//! ever, a machine that does, and a setting that is loosened by one.

use countersign_core::governance::Governance;

use super::*;
use crate::kit::{Files, START, extend_settings};

const DAY: i64 = 24 * 60 * 60;

/// A home in which changes expire after 30 days.
fn world() -> World {
    World::founded(|files: &mut Files| extend_settings(files, "\"expires_after_days\":30,"), |_| {}).unwrap()
}

fn days(governance: &Governance) -> Option<u32> {
    governance.catalog.settings.expires_after_days
}

#[test]
fn a_change_that_nobody_touches_expires_and_that_is_said_a_week_before() {
    let mut world = world();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let (start, after) = (world.now, days(&world.state.governance));
    assert_eq!(after, Some(30));
    for (secs, said, stands) in [
        (23 * DAY - 60, false, "allow"),
        (23 * DAY, true, "allow"),
        (30 * DAY - 60, true, "allow"),
        (30 * DAY, true, "expired"),
    ] {
        world.now = start.plus_secs(secs);
        assert_eq!(world.standing(&change), stands, "{secs}");
        assert_eq!(world.change(&change).expires_soon(after, world.now).is_some(), said, "{secs}");
    }
    assert!(world.ask("ada", &change).is_err());
}

#[test]
fn an_expired_change_is_revived_by_a_revision_and_by_nothing_else() {
    let mut world = world();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    world.now = world.now.plus_secs(31 * DAY);
    world.comment("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "expired");
    let refused = world.approve("mallory", &change).unwrap_err();
    assert_eq!(refused.code, "expired");
    let again = world.new_revision(&change, &file("timeout: 30"), None);
    world.say("ada", again).unwrap();
    assert!(!world.standing(&change).contains("expired"));
    // What linus approved a month ago he looks at again, though it is the same to the byte.
    assert_ne!(world.standing(&change), "allow");
    assert!(!world.change(&change).has_lived_since(START));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(world.replayed().unwrap().change(&change).unwrap(), world.state.change(&change).unwrap());
}

#[test]
fn no_machine_keeps_a_change_alive() {
    let mut world = world();
    let change = world.propose("ada", "search/production");
    for _ in 0..3 {
        world.now = world.now.plus_secs(11 * DAY);
        let said = world.evidence_of(&change);
        let _ = world.say("ci", said);
    }
    assert!(world.standing(&change).contains("expired"));
}

#[test]
fn what_waits_for_its_window_does_not_expire_before() {
    let mut world = world();
    let change = world.propose("ada", "search/production");
    world.schedule("ada", &change, (Some(40 * DAY), Some(41 * DAY))).unwrap();
    world.approve("linus", &change).unwrap();
    world.now = world.now.plus_secs(40 * DAY);
    assert_eq!(world.standing(&change), "allow");
    world.now = world.now.plus_secs(DAY);
    assert!(world.standing(&change).contains("expired"));
}

#[test]
fn to_let_changes_live_longer_loosens() {
    let mut world = world();
    let settings = |days: &str| {
        format!(
            "{{\"environments\":[\"development\",\"production\",\"staging\"],{days}\"loosening_wait_secs\":0,\"production\":[\"production\"]}}"
        )
    };
    let loosens = |world: &mut World, text: String| {
        let change = world.amend("ada", &[("settings.json", Some(text.as_bytes()))]);
        world.change(&change).current().unwrap().loosens
    };
    assert_eq!(loosens(&mut world, settings("\"expires_after_days\":31,")), Some(true));
    assert_eq!(loosens(&mut world, settings("")), Some(true));
    assert_eq!(loosens(&mut world, settings("\"expires_after_days\":7,")), Some(false));
}
