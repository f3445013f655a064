//! Attacks on absences: the key of somebody who is away, and what one could gain by saying that one is.

use countersign_core::statement::{Away, KeyRotation};

use super::*;
use crate::kit::{DAY, HOUR};

#[test]
fn an_absent_persons_key_approves_nothing_until_they_say_that_they_are_back() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let away = world.away("linus", 7).unwrap();
    let refusal = world.approve("linus", &change).unwrap_err();
    assert_eq!(refusal.code, "away");
    assert_eq!(refusal.hint.as_deref(), Some("if you are linus, say first that you are back: countersign back"));
    // Nor do others see it count: it is not in the log.
    assert_eq!(world.standing(&change), "owner-approves second-pair-of-eyes");
    let back = world.back("linus", [away]).unwrap();
    // Whoever looks at their stream sees it.
    assert!(
        world.leaves[usize::try_from(world.index_of(&back)).unwrap()].leaf.lines()[0].stream.as_str() == "person/linus"
    );
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(world.replayed().unwrap().all_heads(), world.state.all_heads());
}

#[test]
fn an_absent_persons_key_grants_nothing_else_either() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let rejected = world.propose("ada", "checkout/production");
    world.reject("linus", &rejected).unwrap();
    world.later(2 * DAY);
    world.away("grace", 7).unwrap();
    assert!(told(world.waive("grace", &change, "owner-approves")).starts_with("away"));
    assert!(told(world.set_aside("grace", &rejected, "linus")).starts_with("away"));
    assert!(
        told(world.label("grace", countersign_core::statement::LabelAct::PutOn, &change, "ok")).starts_with("away")
    );
    assert!(told(world.delegate("grace", "senior", "linus", 1)).starts_with("away"));
    // Not as one of two either.
    world.spare("mallory-2");
    assert!(told(world.rotate_lost(&["barbara", "grace"], "mallory", "mallory-2")).starts_with("away"));
    world.spare("grace-2");
    let rotation: KeyRotation = world.rotation("grace", "grace", "grace-2");
    assert!(told(world.say_with("grace", &["grace", "grace-2"], Body::KeyRotation(rotation))).starts_with("away"));
}

#[test]
fn an_absence_stops_no_stop_and_no_recovery() {
    let mut world = World::new();
    let (change, own) = (world.propose("ada", "search/production"), world.propose("linus", "search/production"));
    world.away("linus", 7).unwrap();
    world.reject("linus", &change).unwrap();
    world.withdraw("linus", &own).unwrap();
    world.register_gate();
    let burning = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    let glass = world.glass(&burning);
    world.say("linus", Body::BreakGlass(glass)).unwrap();
    world.revoke("linus", "linus").unwrap();
}

#[test]
fn what_was_approved_before_somebody_went_away_still_counts() {
    let (mut world, change) = approved();
    world.away("linus", 7).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // It ends by itself.
    world.later(7 * DAY - 1);
    let other = world.propose("ada", "search/production");
    assert!(told(world.approve("linus", &other)).starts_with("away"));
    world.later(1);
    world.approve("linus", &other).unwrap();
}

#[test]
fn nobody_says_that_another_is_away_or_back() {
    let mut world = World::new();
    let away = world.away("linus", 7).unwrap();
    let until = world.now.plus_secs(DAY);
    let body = Body::Away(Away { from: None, until });
    assert!(told(world.say_with("grace", &["mallory"], body)).starts_with("signed-by-another"));
    assert!(told(world.back("mallory", [away])).starts_with("no-absence"));
    for machine in ["ci", "robo"] {
        assert!(told(world.away(machine, 7)).starts_with("only-people"));
    }
}

#[test]
fn an_absence_is_neither_backdated_nor_endless() {
    let mut world = World::new();
    let mut says = |from: Option<i64>, until: i64| {
        let (from, until) = (from.map(|secs| world.now.plus_secs(secs)), world.now.plus_secs(until));
        world.say("linus", Body::Away(Away { from, until })).map_err(|refusal| refusal.code)
    };
    assert_eq!(says(Some(-2 * HOUR), DAY), Err("backdated"));
    assert_eq!(says(None, 0), Err("over-already"));
    assert_eq!(says(Some(2 * DAY), DAY), Err("over-already"));
    assert_eq!(says(None, 400 * DAY), Err("too-long"));
    assert_eq!(says(Some(400 * DAY), 401 * DAY), Err("too-far-ahead"));
    says(Some(DAY), 3 * DAY).unwrap();
    // What is planned is no hindrance until then.
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    world.later(DAY);
    let other = world.propose("ada", "search/production");
    assert!(told(world.approve("linus", &other)).starts_with("away"));
    for _ in 0..19 {
        world.away("linus", 1).unwrap();
    }
    assert!(told(world.away("linus", 1)).starts_with("too-many-absences"));
}

/// Whose approval would be refused because they are away is no example of who suffices.
#[test]
fn who_is_away_is_not_among_those_who_would_be_enough() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    let enough = |world: &World| {
        let presence = world.state.presence(world.now);
        let decision = world.decision(&change);
        countersign_core::explain::explain(&decision, &world.state, world.change(&change), &presence, world.now)
            .unwrap()
            .enough
    };
    assert!(enough(&world).contains(&id("grace")), "{:?}", enough(&world));
    world.away("grace", 7).unwrap();
    assert!(!enough(&world).contains(&id("grace")), "{:?}", enough(&world));
}
