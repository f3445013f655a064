//! Attacks on when a change lands: by clock, by time zone, by editing the end, by moving it under the names of those who approved
//! it for another night, and on what has to go in spite of it.

use countersign_core::{
    schedule::{NoRoom, room},
    statement::{Schedule, Window},
};

use countersign_ledger::Envelope;

use super::*;
use crate::kit::START;

const HOUR: i64 = 60 * 60;

#[test]
fn a_change_lands_in_its_window_and_at_no_other_time() {
    let (mut world, change) = approved();
    world.schedule("ada", &change, (Some(HOUR), Some(2 * HOUR))).unwrap();
    assert_eq!(world.standing(&change), "scheduled");
    let start = world.now;
    for (secs, stands) in [(HOUR - 1, "scheduled"), (HOUR, "allow"), (2 * HOUR - 1, "allow"), (2 * HOUR, "scheduled")] {
        world.now = start.plus_secs(secs);
        assert_eq!(world.standing(&change), stands, "{secs}");
    }
    assert!(world.ask("ada", &change).is_err());
    // Over, it is said anew; that whoever approved had seen none of it does not matter.
    world.schedule("ada", &change, (None, Some(HOUR))).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(world.replayed().unwrap().change(&change).unwrap(), world.state.change(&change).unwrap());
}

#[test]
fn a_permit_of_before_is_not_started_outside_the_window() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    world.schedule("ada", &change, (Some(HOUR), None)).unwrap();
    let refused = world.report("ada", &change, permit, OutcomeResult::Started).unwrap_err();
    assert_eq!(refused.code, "outside-window");
    // Nor does whoever ran it say afterwards that they had.
    assert_eq!(world.report("ada", &change, permit, OutcomeResult::Applied).unwrap_err().code, "outside-window");
}

#[test]
fn nobody_moves_a_change_to_another_night_under_the_names_of_those_who_approved_it() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.schedule("ada", &change, (Some(-HOUR), Some(2 * HOUR))).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Shorter is what linus approved; longer, later and never are not.
    world.schedule("ada", &change, (Some(-HOUR), Some(HOUR))).unwrap();
    assert_eq!(world.standing(&change), "allow");
    for window in [(Some(-HOUR), Some(3 * HOUR)), (None, None)] {
        world.schedule("ada", &change, window).unwrap();
        assert_ne!(world.standing(&change), "allow", "{window:?}");
    }
    world.schedule("ada", &change, (Some(-HOUR), Some(3 * HOUR))).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(told(world.approve("linus", &change)).split(':').next(), Some("already-approved"));
}

#[test]
fn an_approval_signed_over_one_window_is_not_taken_for_another() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.schedule("ada", &change, (None, Some(HOUR))).unwrap();
    let signed = world.approval(&change);
    world.schedule("ada", &change, (None, Some(20 * HOUR))).unwrap();
    assert_eq!(world.say("linus", Body::Approval(signed)).unwrap_err().code, "rescheduled");
    // Nor one that says nothing of it.
    let blind = Approval { within: None, ..world.approval(&change) };
    assert_eq!(world.say("linus", Body::Approval(blind)).unwrap_err().code, "rescheduled");
}

#[test]
fn an_edited_end_is_no_statement_of_who_signed_it() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let window = |hours: i64| Some(Window { not_before: None, until: Some(START.plus_secs(hours * HOUR)) });
    let said = |window| Body::Schedule(Schedule { change: change.clone(), revision: world.revision(&change), window });
    let (signed, edited) = (world.statement("ada", said(window(2))), world.statement("ada", said(window(20))));
    let payload = edited.encode().unwrap();
    let signature = world.keys["ada"].sign(&signed.encode().unwrap()).unwrap();
    let envelope = Envelope::new(&payload, vec![signature]).unwrap();
    assert!(envelope.verify_all().iter().all(Result::is_err));
}

#[test]
fn one_persons_window_is_not_taken_back_by_another() {
    let (mut world, change) = approved();
    world.schedule("linus", &change, (Some(HOUR), None)).unwrap();
    world.schedule("ada", &change, (None, Some(5 * HOUR))).unwrap();
    assert_eq!(world.standing(&change), "scheduled");
    world.schedule("ada", &change, (None, None)).unwrap();
    assert_eq!(told(world.schedule("ada", &change, (None, None))).split(':').next(), Some("not-scheduled"));
    assert_eq!(world.standing(&change), "scheduled");
    // Nor is it made to nothing.
    assert!(told(world.schedule("ada", &change, (None, Some(HOUR)))).starts_with("no-time-left"));
    world.schedule("linus", &change, (None, None)).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn who_has_no_say_and_what_is_no_window_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    assert!(told(world.schedule("linus", &change, (Some(HOUR), None))).starts_with("not-theirs-to-schedule"));
    assert!(told(world.schedule("ci", &change, (Some(HOUR), None))).starts_with("only-people"));
    world.schedule("barbara", &change, (Some(HOUR), None)).unwrap();
    for window in [(Some(2 * HOUR), Some(HOUR)), (None, Some(-HOUR)), (Some(93 * 24 * HOUR), None)] {
        assert!(told(world.schedule("ada", &change, window)).starts_with("schedule-window"), "{window:?}");
    }
    let none = Window { not_before: None, until: None };
    assert!(told(world.schedule_at("ada", &change, Some(none))).starts_with("schedule-window"));
}

#[test]
fn a_window_neither_stops_a_rejection_nor_breaking_the_glass() {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    world.schedule("ada", &change, (Some(HOUR), None)).unwrap();
    let glass = world.glass(&change);
    world.say("linus", Body::BreakGlass(glass)).unwrap();
    world.reject("mallory", &change).unwrap();
    world.now = world.now.plus_secs(HOUR);
    assert!(world.standing(&change).contains("no-rejection"));
}

#[test]
fn a_window_of_which_a_freeze_leaves_nothing_is_told_before_it_is_signed() {
    let (mut world, change) = approved();
    let whole = |world: &World, from: i64, until: i64| Window {
        not_before: Some(world.now.plus_secs(from)),
        until: Some(world.now.plus_secs(until)),
    };
    let window = whole(&world, 0, HOUR);
    assert_eq!(room(&world.state.governance, world.change(&change), &window, world.now), Ok(world.now));
    let freeze = world.freeze("barbara", countersign_core::calendar::Scope::default(), 4).unwrap();
    let asked =
        |world: &World, window: &Window| room(&world.state.governance, world.change(&change), window, world.now);
    let end = world.now.plus_secs(4 * HOUR);
    let by = vec![format!("freeze {}", countersign_core::freeze::name_of(&freeze))];
    assert_eq!(asked(&world, &window), Err(NoRoom { by, next: Some(end) }));
    // Some of it is left.
    let longer = whole(&world, 0, 5 * HOUR);
    assert_eq!(asked(&world, &longer), Ok(end));
}
