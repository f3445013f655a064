//! What breaks the glass, and what does not.

use countersign_core::{
    admit::enough_broke,
    glass::{GLASS_SECS, OLD_COPY_SECS, needed, needed_by_copy},
    statement::{BreakGlass, Finding, Matter, Seen},
    verify::verify,
};

use super::*;

const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

/// Ada's commits for search (tier 3), which linus and mallory own, before a gate.
fn burning() -> (World, ChangeId) {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    (world, change)
}

fn said(world: &mut World, keys: &[&str], glass: BreakGlass) -> String {
    let by = keys[0].split('-').next().unwrap();
    told(world.say_with(by, keys, Body::BreakGlass(glass)))
}

fn in_an_outage(world: &mut World, change: &ChangeId) -> BreakGlass {
    BreakGlass { nonce: Some(NONCE.parse().unwrap()), ..world.glass(change) }
}

#[test]
fn one_who_owns_it_opens_a_gate_once_and_somebody_else_looks_at_it() {
    let (mut world, change) = burning();
    let glass = world.glass(&change);
    let opened = world.say("linus", Body::BreakGlass(glass)).unwrap();
    let permit = world.change(&change).permits.last().unwrap().clone();
    assert_eq!(
        (permit.statement, permit.broken.unwrap().by.into_keys().collect::<Vec<_>>()),
        (opened, vec![id("linus")])
    );
    let report = world.outcome(&change, opened, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report.clone()).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], report)), @"already-reported: the permit's outcome is already applied; it cannot become applied");
    let what = |by: &str| Matter::GlassBroken {
        by: [id(by)].into(),
        change: change.clone(),
        glass: opened,
        over: [].into(),
        targets: targets(&["search/production"]),
    };
    let finding = |by: &str, who: &str, world: &World| {
        Body::Finding(Finding {
            apart: [].into(),
            due: world.now.plus_secs(3_600),
            text: None,
            what: what(by),
            who: [id(who)].into(),
        })
    };
    let own = finding("linus", "linus", &world);
    assert_snapshot!(told(world.say("countersign", own)), @"your-own-act: who broke the glass does not look at it themselves");
    let another = finding("mallory", "grace", &world);
    assert_snapshot!(told(world.say("countersign", another)), @"glass-not-broken: nobody broke the glass for CHANGE on search/production so that nobody was asked to look at it");
    let found = finding("linus", "grace", &world);
    world.say("countersign", found.clone()).unwrap();
    assert_snapshot!(told(world.say("countersign", found)), @"glass-not-broken: nobody broke the glass for CHANGE on search/production so that nobody was asked to look at it");
    let whole = verify(&world.trust, &world.evidence(), world.now);
    assert!(whole.holds(), "{whole:?}");
    let part = verify(&world.trust, &world.part(&change), world.now);
    assert!(part.holds(), "{part:?}");
}

/// Who proposed it may be the one who is awake; whoever neither owns it nor is a senior is not.
#[test]
fn only_who_is_entitled_breaks_the_glass() {
    let (mut world, change) = burning();
    for (keys, what) in
        [(vec!["ada"], "who owns another system"), (vec!["robo"], "an agent"), (vec!["ci"], "a workload")]
    {
        let glass = world.glass(&change);
        let answer = said(&mut world, &keys, glass);
        assert!(answer.starts_with("not-entitled") || answer.starts_with("only-people"), "{what}: {answer}");
    }
    let glass = world.glass(&change);
    let answer = told(world.say_with("shop-gate", &["git-gate"], Body::BreakGlass(glass)));
    assert!(answer.starts_with("only-people"), "{answer}");
    // A senior is.
    let glass = world.glass(&change);
    world.say("grace", Body::BreakGlass(glass)).unwrap();
}

/// Without the log tier 1 takes two people, and two keys of one are one.
#[test]
fn one_person_under_two_keys_in_the_quorum() {
    let mut world = World::new();
    world.register_gate();
    let commits = facts(2, &[author("ada@example.com")]);
    let proposal = world.proposal("checkout/production", &git(&commits), Some(&commits));
    let change = world.begin("ada", proposal);
    let governance = world.state.governance.clone();
    let of = targets(&["checkout/production"]);
    assert_eq!((needed(&governance, &of, false), needed(&governance, &of, true)), (1, 2));
    assert_eq!(needed_by_copy(&governance, &of, OLD_COPY_SECS + 1), 3);
    let glass = in_an_outage(&mut world, &change);
    for keys in [vec!["ada"], vec!["ada", "ada-laptop"]] {
        let signed = glass.clone();
        let answer = told(world.say_with("ada", &keys, Body::BreakGlass(signed)));
        assert!(answer.contains("glass-people") || answer.contains("another-audience"), "{keys:?}: {answer}");
    }
    let people = enough_broke(&world.state, &glass.targets, &[&id("ada")].into(), 2, world.now).unwrap_err();
    assert_eq!(people.code, "glass-people");
}

/// Nobody else looks at it before, so that whoever signs has looked at it.
#[test]
fn in_an_outage_it_counts_only_of_who_had_the_content_at_hand() {
    let (mut world, change) = burning();
    let blind = BreakGlass { seen: Seen::None, ..in_an_outage(&mut world, &change) };
    assert_snapshot!(said(&mut world, &["linus"], blind), @"not-seen: without the log it counts only of those who had the content at hand, from their own clone or checked bytes");
    let seen = in_an_outage(&mut world, &change);
    world.say("linus", Body::BreakGlass(seen)).unwrap();
}

#[test]
fn break_glass_at_another_gate_after_its_expiry_or_over_a_stop_that_it_does_not_name() {
    let (mut world, change) = burning();
    let glass = world.glass(&change);
    let late = BreakGlass { expires_at: world.now, ..glass.clone() };
    assert_snapshot!(said(&mut world, &["linus"], late), @"glass-expiry: it opens the gate for 60 minutes at the most, from now on");
    let long = BreakGlass { expires_at: world.now.plus_secs(2 * GLASS_SECS), ..glass.clone() };
    assert_snapshot!(said(&mut world, &["linus"], long), @"glass-expiry: it opens the gate for 60 minutes at the most, from now on");
    let other = BreakGlass { gate: "other-gate".parse().unwrap(), ..glass.clone() };
    assert_snapshot!(said(&mut world, &["linus"], other), @"unknown-gate: there is no gate `other-gate`");
    let key = BreakGlass { audience: world.keys["mallory"].public().fingerprint(), ..glass.clone() };
    let answer = said(&mut world, &["linus"], key);
    assert!(answer.starts_with("another-audience"), "{answer}");
    world.reject("mallory", &change).unwrap();
    let glass = world.glass(&change);
    assert_snapshot!(said(&mut world, &["linus"], glass.clone()), @"stop-not-named: mallory has rejected change CHANGE, or what it brings; whoever goes over that says so");
    let named = BreakGlass { overrides: [id("mallory")].into(), ..glass };
    world.say("linus", Body::BreakGlass(named)).unwrap();
}

/// What was signed before the key was revoked is refused after it, also where a gate holds it.
#[test]
fn break_glass_with_a_revoked_key() {
    let (mut world, change) = burning();
    let glass = in_an_outage(&mut world, &change);
    world.revoke("linus", "linus").unwrap();
    assert_snapshot!(said(&mut world, &["linus"], glass), @"key-revoked: key DIGEST was revoked");
}

/// Whoever has taken somebody's key away grants nothing until a second person confirms it.
#[test]
fn break_glass_after_taking_somebodys_key_away() {
    let (mut world, change) = burning();
    world.revoke("linus", "mallory").unwrap();
    let glass = world.glass(&change);
    let answer = said(&mut world, &["linus"], glass);
    assert!(answer.starts_with("suspends-another"), "{answer}");
}

#[test]
fn glass_that_nobody_used_in_time_is_told_with_how_to_break_it_again() {
    let (mut world, change) = burning();
    let glass = world.glass(&change);
    world.say("linus", Body::BreakGlass(glass)).unwrap();
    let over = |world: &World| {
        let presence = countersign_core::presence::Presence::default();
        let current = world.change(&change);
        countersign_core::explain::Explained::standing(&world.state, current, &presence, world.now)
            .unwrap()
            .explanation
            .glass
    };
    assert_eq!(over(&world), None);
    world.now = world.now.plus_secs(GLASS_SECS + 1);
    assert_snapshot!(crate::kit::masked(&over(&world).unwrap().replace(change.short(), "CHANGE")), @"linus broke the glass of gate shop-gate for it, which was over at 2026-04-01T01:00:00Z; once more: countersign break-glass CHANGE --why TEXT");
    // Who breaks it again is told nothing of that.
    let glass = world.glass(&change);
    world.say("linus", Body::BreakGlass(glass)).unwrap();
    assert_eq!(over(&world), None);
}
