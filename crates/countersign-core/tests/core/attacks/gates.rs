//! What one person's gate may not say for everybody: who registers one, beside whose, and what its landings are to others.

use countersign_core::{
    admit::MAX_OPEN_FINDINGS,
    ids::{RuleId, Target},
    kind::Purpose,
    rollback::{NoRollback, Rollback, rollback},
    statement::{Finding, LocalPermit, Matter},
    verify::verify,
};

use super::{
    rollback::{SEARCH, back, burning, commits, proposed, restoring},
    *,
};

/// A gate of another name, with a key of its own.
fn own(world: &World, gate: &str, repository: &str) -> GateRegistration {
    GateRegistration {
        gate: gate.parse().unwrap(),
        key: world.keys["stranger"].public(),
        repository: repository.parse().unwrap(),
        ..world.registration()
    }
}

fn register(world: &mut World, by: &str, gate: GateRegistration) -> String {
    match world.say(by, Body::GateRegistration(gate)) {
        Ok(_) => "taken".to_owned(),
        Err(refusal) => told::<()>(Err(refusal)),
    }
}

#[test]
fn nobody_registers_a_gate_for_what_they_do_not_own() {
    let mut world = World::new();
    let of =
        |world: &World, names: &[&str]| GateRegistration { targets: targets(names), ..own(world, "my-gate", "mine") };
    let foreign = of(&world, &["checkout/production"]);
    assert_snapshot!(register(&mut world, "mallory", foreign.clone()), @"not-owner: mallory neither owns checkout/production nor is a senior or of the policy group, and what a gate says of a target counts for everybody");
    assert!(register(&mut world, "robo", foreign.clone()).starts_with("only-people"));
    // Nor is it added to a gate of their own, or brought there under another repository's name.
    let theirs = of(&world, &[SEARCH]);
    assert_eq!(register(&mut world, "mallory", theirs), "taken");
    let more = of(&world, &[SEARCH, "checkout/production"]);
    assert!(register(&mut world, "mallory", more).starts_with("not-owner"));
    // A senior may, and so may the policy group.
    let key = world.keys["git-gate"].public();
    let everything =
        GateRegistration { gate: "hers".parse().unwrap(), key, ..of(&world, &[SEARCH, "checkout/production"]) };
    let hers = GateRegistration { repository: "hers".parse().unwrap(), ..everything };
    assert_eq!(register(&mut world, "grace", hers), "taken");
    let mut world = World::new();
    assert_eq!(register(&mut world, "ada", foreign), "taken");
    let everything = of(&world, &[SEARCH, "checkout/production"]);
    assert_eq!(register(&mut world, "ada", everything), "taken");
    let report = verify(&world.trust, &world.evidence(), world.now);
    assert!(report.holds(), "{report:?}");
}

#[test]
fn nobody_registers_a_gate_beside_anothers_of_the_same_repository() {
    let mut world = World::new();
    world.register_gate();
    let beside = own(&world, "my-gate", "shop");
    assert_snapshot!(register(&mut world, "linus", beside.clone()), @"anothers-repository: gate shop-gate, which barbara registered, guards what repository shop brings to search/production");
    let other = own(&world, "my-gate", "another");
    assert_eq!(register(&mut world, "linus", other), "taken");
    // Nor by giving it that name afterwards.
    assert!(register(&mut world, "linus", beside.clone()).starts_with("anothers-repository"));
    // Nor by taking the other's key away for a day.
    world.revoke("mallory", "git-gate").unwrap();
    assert!(register(&mut world, "linus", beside.clone()).starts_with("anothers-repository"));
    // Two people can, and then nobody is irreplaceable.
    world.confirm("grace", "git-gate").unwrap();
    assert_eq!(register(&mut world, "linus", beside), "taken");
    let again = GateRegistration { key: world.keys["robo"].public(), ..world.registration() };
    assert!(register(&mut world, "barbara", again).starts_with("key-taken"));
    let report = verify(&world.trust, &world.evidence(), world.now);
    assert!(report.holds(), "{report:?}");
}

/// `burning`, and a mirror of the repository with a gate that the same person registered.
fn mirrored() -> (World, ChangeId, ChangeId) {
    let (mut world, good, bad) = burning();
    let mirror = own(&world, "mirror-gate", "shop");
    assert_eq!(register(&mut world, "barbara", mirror), "taken");
    (world, good, bad)
}

/// What the mirror says that it let happen while the log was away.
fn at_the_mirror(world: &mut World, change: &ChangeId) -> LocalPermit {
    LocalPermit {
        audience: world.keys["stranger"].public().fingerprint(),
        gate: "mirror-gate".parse().unwrap(),
        ..world.local_permit(change)
    }
}

fn forged(world: &mut World, n: u64, path: (&str, u64, u64)) -> ChangeId {
    let change = proposed(world, "mallory", SEARCH, &commits(n, &[path], "mallory@example.com"), Purpose::default());
    let alone = at_the_mirror(world, &change);
    let permit = world.say_with("mirror-gate", &["stranger"], Body::LocalPermit(alone)).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("mirror-gate", &["stranger"], report).unwrap();
    world.now = world.now.plus_secs(60);
    change
}

fn at_the_gate(world: &mut World, change: &ChangeId) -> String {
    let transition = world.transition(change);
    let request =
        PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", change, &transition) };
    match world.ask_for("barbara", request) {
        Ok(_) => "permitted".to_owned(),
        Err(denied) => super::denied::<()>(Err(denied)),
    }
}

#[test]
fn a_landing_that_another_gate_forged_is_nothing_to_go_back_to() {
    let (mut world, _good, _bad) = mirrored();
    // It says that evil content ran there, and that what runs in truth came after it.
    let evil = forged(&mut world, 5, ("a", 0, 66));
    forged(&mut world, 6, ("a", 66, 12));
    let to_evil = commits(7, &[("a", 12, 66)], "mallory@example.com");
    let change = proposed(&mut world, "mallory", SEARCH, &to_evil, restoring(&evil));
    assert!(at_the_gate(&mut world, &change).starts_with("denied by"));
    match rollback(&world.state, world.change(&change), world.now).unwrap() {
        Rollback::IsNot(why @ NoRollback::AnotherGate { .. }) => {
            assert_snapshot!(why.to_string(), @"what it takes back landed at gate mirror-gate, and goes back there alone: nothing of it landed at gate shop-gate")
        }
        other => panic!("{other:?}"),
    }
    assert!(world.standing(&change).contains("owner-approves"));
    let report = verify(&world.trust, &world.evidence(), world.now);
    assert!(report.holds(), "{report:?}");
}

#[test]
fn what_lands_at_another_gate_or_goes_round_it_takes_nobody_their_way_back() {
    let (mut world, good, _bad) = mirrored();
    forged(&mut world, 5, ("c", 0, 66));
    let moved = world.moved("mirror-gate", &[SEARCH], 7);
    world.say_with("mirror-gate", &["stranger"], Body::Finding(moved)).unwrap();
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(at_the_gate(&mut world, &change), "permitted");
}

#[test]
fn a_gate_asks_for_nothing_of_another_repository_or_target() {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    let ask = |world: &mut World| {
        let transition = world.transition(&change);
        let request =
            PermitRequest { gate: "mirror-gate".parse().unwrap(), ..world.request("stranger", &change, &transition) };
        told(world.say_with("mirror-gate", &["stranger"], Body::PermitRequest(request)))
    };
    let alone = |world: &mut World| {
        let alone = at_the_mirror(world, &change);
        told(world.say_with("mirror-gate", &["stranger"], Body::LocalPermit(alone)))
    };
    // A copy of the repository under a name of its own burns nothing of it and stops nobody's push.
    let copy = own(&world, "mirror-gate", "copy");
    assert_eq!(register(&mut world, "linus", copy), "taken");
    assert_snapshot!(ask(&mut world), @"another-repository: change CHANGE is for repository shop, and gate mirror-gate guards copy");
    assert_snapshot!(alone(&mut world), @"another-repository: change CHANGE is for repository shop, and gate mirror-gate guards copy");
    // Nor does a gate of the same repository that does not guard where it goes.
    let elsewhere = GateRegistration { targets: targets(&["search/staging"]), ..own(&world, "mirror-gate", "shop") };
    assert_eq!(register(&mut world, "linus", elsewhere), "taken");
    assert_snapshot!(ask(&mut world), @"another-gate: gate mirror-gate does not guard search/production");
    assert!(alone(&mut world).starts_with("another-gate"));
    assert_eq!(at_the_gate(&mut world, &change), "permitted");
}

#[test]
fn landings_that_a_gate_forges_keep_no_after_review_out() {
    let (mut world, _good, _bad) = mirrored();
    let due = |world: &World| world.now.plus_secs(3_600);
    let raise = |world: &mut World, what: Matter| {
        let finding = Finding { apart: [].into(), due: due(world), text: None, what, who: [id("grace")].into() };
        match world.say("countersign", Body::Finding(finding)) {
            Ok(_) => "taken".to_owned(),
            Err(refusal) => told::<()>(Err(refusal)),
        }
    };
    let of_mirror = |world: &World, change: &ChangeId| Matter::LandedAlone {
        change: change.clone(),
        gate: "mirror-gate".parse().unwrap(),
        targets: targets(&[SEARCH]),
        unmet: world.change(change).permits.last().unwrap().alone.clone().unwrap().unmet,
    };
    for n in 0..=u64::try_from(MAX_OPEN_FINDINGS).unwrap() {
        let change = forged(&mut world, 100 + n, ("f", n, n + 1));
        let what = of_mirror(&world, &change);
        let last = raise(&mut world, what);
        match n < u64::try_from(MAX_OPEN_FINDINGS).unwrap() {
            true => assert_eq!(last, "taken"),
            false => {
                assert_snapshot!(last, @"too-many-findings: 64 findings of what gate mirror-gate did are open there, and that is the most")
            }
        }
    }
    // Whoever broke the glass is looked at all the same, and so is what the other gate did and what nobody can supply.
    let change = proposed(&mut world, "linus", SEARCH, &back(), Purpose::default());
    let glass = world.glass(&change);
    let opened = world.say("linus", Body::BreakGlass(glass)).unwrap();
    let report = world.outcome(&change, opened, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let broken = Matter::GlassBroken {
        by: [id("linus")].into(),
        change,
        glass: opened,
        over: [].into(),
        targets: targets(&[SEARCH]),
    };
    assert_eq!(raise(&mut world, broken), "taken");
    let rule: RuleId = "owner-approves".parse().unwrap();
    let target: Target = SEARCH.parse().unwrap();
    assert_eq!(raise(&mut world, Matter::NobodyCan { rule, target }), "taken");
    let alone = commits(900, &[("g", 0, 1)], "mallory@example.com");
    let change = proposed(&mut world, "mallory", SEARCH, &alone, Purpose::default());
    let permit = world.local_permit(&change);
    let permit = world.say_with("shop-gate", &["git-gate"], Body::LocalPermit(permit)).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let what = match of_mirror(&world, &change) {
        Matter::LandedAlone { change, targets, unmet, .. } => {
            Matter::LandedAlone { change, gate: "shop-gate".parse().unwrap(), targets, unmet }
        }
        other => other,
    };
    assert_eq!(raise(&mut world, what), "taken");
}
