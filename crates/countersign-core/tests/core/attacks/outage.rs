//! What a gate decides alone in an outage, and what it cannot make the log say.

use std::collections::BTreeSet;

use countersign_core::{
    drill::DRILL_EVERY_SECS,
    ids::RuleId,
    permit::PERMIT_SECS,
    statement::{Drill, Finding, LocalPermit, Matter},
    verify::verify,
};

use super::*;

/// Ada's commits for search (tier 3), which linus and mallory own, before a gate; approved by linus.
fn approved() -> (World, ChangeId) {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    (world, change)
}

fn said(world: &mut World, said: LocalPermit) -> String {
    told(world.say_with("shop-gate", &["git-gate"], Body::LocalPermit(said)))
}

/// Lands it by what the gate decided alone, and gives whether somebody has to look at it.
fn landed(world: &mut World, change: &ChangeId, alone: LocalPermit) -> bool {
    let permit = world.say_with("shop-gate", &["git-gate"], Body::LocalPermit(alone)).unwrap();
    let report = world.outcome(change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    assert_eq!(world.change(change).status, ChangeStatus::Applied);
    let whole = verify(&world.trust, &world.evidence(), world.now);
    assert!(whole.holds(), "{whole:?}");
    let part = verify(&world.trust, &world.part(change), world.now);
    assert!(part.holds(), "{part:?}");
    world.change(change).permits.last().unwrap().alone.as_ref().unwrap().over
}

#[test]
fn what_a_gate_decided_alone_is_a_fact_that_the_log_takes_late() {
    let (mut world, change) = approved();
    let alone = world.local_permit(&change);
    world.now = world.now.plus_secs(3 * 24 * 3_600);
    assert!(!landed(&mut world, &change, alone));
    let nothing = finding(&world, &change, "shop-gate");
    world.say("countersign", nothing).unwrap();
    let other = finding(&world, &change, "other-gate");
    assert_snapshot!(told(world.say("countersign", other)), @"not-landed-alone: gate other-gate has not landed CHANGE on search/production in an outage");
}

/// The rules that the log found unmet.
fn unmet(world: &World, change: &ChangeId) -> BTreeSet<RuleId> {
    world
        .change(change)
        .permits
        .iter()
        .filter_map(|permit| permit.alone.clone())
        .flat_map(|alone| alone.unmet)
        .collect()
}

fn finding(world: &World, change: &ChangeId, gate: &str) -> Body {
    let what = Matter::LandedAlone {
        change: change.clone(),
        gate: gate.parse().unwrap(),
        targets: targets(&["search/production"]),
        unmet: unmet(world, change),
    };
    Body::Finding(Finding {
        apart: [].into(),
        due: world.now.plus_secs(3_600),
        text: None,
        what,
        who: [id("mallory")].into(),
    })
}

/// Whatever stopped it meanwhile stands in the log, and somebody looks at what went over it.
#[test]
fn what_landed_over_a_stop_that_the_gate_could_not_know_is_found() {
    let (mut world, change) = approved();
    let alone = world.local_permit(&change);
    world.now = world.now.plus_secs(60);
    world.reject("grace", &change).unwrap();
    assert!(landed(&mut world, &change, alone));
    assert_snapshot!(words(&finding(&world, &change, "shop-gate")), @"gate shop-gate landed CHANGE on search/production in an outage, over a stop that it could not know");
    // Who approved it had lost their key.
    let (mut world, change) = approved();
    let alone = world.local_permit(&change);
    world.revoke("grace", "linus").unwrap();
    assert!(landed(&mut world, &change, alone));
    // It was withdrawn.
    let (mut world, change) = approved();
    let alone = world.local_permit(&change);
    world.withdraw("ada", &change).unwrap();
    assert!(landed(&mut world, &change, alone));
}

/// A gate that was taken over says that it was approved; what was approved after the fact does not make that true.
#[test]
fn a_gate_that_landed_what_nobody_approved_is_found() {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    let alone = world.local_permit(&change);
    world.now = world.now.plus_secs(60);
    world.approve("linus", &change).unwrap();
    assert!(landed(&mut world, &change, alone));
    // No stop was there that it could not know: it is told what was missing, and the server says nothing else of it.
    let found = finding(&world, &change, "shop-gate");
    assert_snapshot!(words(&found), @"gate shop-gate landed CHANGE on search/production in an outage, though by what the log has it does not meet owner-approves, second-pair-of-eyes");
    let Body::Finding(mut veiled) = found.clone() else { unreachable!() };
    let Matter::LandedAlone { unmet, .. } = &mut veiled.what else { unreachable!() };
    unmet.clear();
    assert!(told(world.say("countersign", Body::Finding(veiled))).starts_with("not-landed-alone"));
    world.say("countersign", found).unwrap();
}

fn words(found: &Body) -> String {
    let Body::Finding(Finding { what, .. }) = found else { unreachable!() };
    what.words().replace(what.change().unwrap().short(), "CHANGE")
}

#[test]
fn a_local_permit_of_another_gate_key_time_or_kind_is_refused() {
    let (mut world, change) = approved();
    let alone = world.local_permit(&change);
    let by_ada = told(world.say("ada", Body::LocalPermit(alone.clone())));
    assert_snapshot!(by_ada, @"another-gate: ada is not gate shop-gate");
    let by_server = told(world.say("countersign", Body::LocalPermit(alone.clone())));
    assert_snapshot!(by_server, @"another-gate: the server is not gate shop-gate");
    let other = LocalPermit { gate: "other-gate".parse().unwrap(), ..alone.clone() };
    assert_snapshot!(said(&mut world, other), @"another-gate: gate shop-gate is not gate other-gate");
    let key = LocalPermit { audience: world.keys["mallory"].public().fingerprint(), ..alone.clone() };
    assert!(said(&mut world, key).starts_with("another-audience"));
    let long = LocalPermit { expires_at: alone.issued_at.plus_secs(PERMIT_SECS + 1), ..alone.clone() };
    assert_snapshot!(said(&mut world, long), @"permit-shape: the permit's times are not as they should be");
    let issued_at = world.now.plus_secs(25 * 60 * 60);
    let later = LocalPermit { as_of: Some(alone.issued_at.plus_secs(1)), ..alone.clone() };
    assert_snapshot!(said(&mut world, later), @"permit-shape: the permit's times are not as they should be");
    let early = LocalPermit { issued_at, expires_at: issued_at.plus_secs(60), ..alone.clone() };
    assert_snapshot!(said(&mut world, early), @"permit-shape: the permit's times are not as they should be");
    world.revoke("barbara", "git-gate").unwrap();
    assert!(said(&mut world, alone).starts_with("key-revoked"));
}

/// Whoever drills is who would break the glass; who did not sign did not, and a drill says nothing of any change.
#[test]
fn a_drill_is_signed_by_who_would_break_the_glass() {
    let mut world = World::new();
    world.register_gate();
    let drill = world.drill("search/production");
    let target = "search/production".parse().unwrap();
    assert!(told(world.say("ada", Body::Drill(drill.clone()))).starts_with("not-entitled"));
    assert!(told(world.say("robo", Body::Drill(drill.clone()))).starts_with("only-people"));
    let other = Drill { audience: world.keys["mallory"].public().fingerprint(), ..drill.clone() };
    assert!(told(world.say("linus", Body::Drill(other))).starts_with("another-audience"));
    world.say("linus", Body::Drill(drill)).unwrap();
    let drilled = world.state.target(&target).unwrap().unwrap().drilled.clone().unwrap();
    assert_eq!((drilled.by, drilled.found), ([id("linus")].into(), false));
}

/// Whoever has begun to drill is told once when the next one is overdue; nobody else is.
#[test]
fn an_overdue_drill_is_found_once_where_somebody_had_begun() {
    let mut world = World::new();
    world.register_gate();
    let overdue = |world: &World| {
        let what = Matter::DrillOverdue { target: "search/production".parse().unwrap() };
        Body::Finding(Finding {
            apart: [].into(),
            due: world.now.plus_secs(3_600),
            text: None,
            what,
            who: [id("linus")].into(),
        })
    };
    let never = overdue(&world);
    assert_snapshot!(told(world.say("countersign", never)), @"not-overdue: no drill for search/production is overdue");
    let drill = world.drill("search/production");
    world.say("linus", Body::Drill(drill)).unwrap();
    let early = overdue(&world);
    assert!(told(world.say("countersign", early)).starts_with("not-overdue"));
    world.now = world.now.plus_secs(DRILL_EVERY_SECS + 1);
    let late = overdue(&world);
    world.say("countersign", late.clone()).unwrap();
    assert!(told(world.say("countersign", late)).starts_with("not-overdue"));
}
