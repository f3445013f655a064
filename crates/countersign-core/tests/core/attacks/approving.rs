//! How approvals are shared: nobody is told of pairs and carriers that are none, and nobody answers for how they approve themselves.

use std::sync::Arc;

use countersign_core::{
    approving::{LEAST, Sums, WEEKS},
    ids::FindingId,
    statement::{Finding, FindingAnswer, Matter, Side},
};

use super::*;
use crate::kit::{entities, parse_catalog};

const WEEK: i64 = 7 * 24 * 60 * 60;

fn lands(world: &mut World, by: &str, approved_by: &str) {
    lands_on(world, "search/production", by, approved_by);
}

fn lands_on(world: &mut World, target: &str, by: &str, approved_by: &str) {
    let change = world.propose(by, target);
    world.approve(approved_by, &change).unwrap();
    let permit = world.ask(by, &change).unwrap();
    world.report(by, &change, permit, OutcomeResult::Applied).unwrap();
}

/// Linus and mallory, who own search, approve each other so often.
fn each_other(times: u32) -> World {
    let mut world = World::new();
    for _ in 0..times {
        lands(&mut world, "linus", "mallory");
        lands(&mut world, "mallory", "linus");
    }
    world
}

fn side(by: &str, approved: u32, of: u32) -> Side {
    Side { approved, by: id(by), of }
}

fn pair(first: Side, second: Side) -> Matter {
    Matter::ApprovesEachOther { first, second, targets: targets(&["search/production"]) }
}

fn found(world: &World, what: Matter, who: &[&str]) -> Body {
    let who = who.iter().map(|name| id(name)).collect();
    Body::Finding(Finding { apart: [].into(), due: world.now.plus_secs(3_600), text: None, what, who })
}

fn sums(world: &World) -> Sums {
    let record = world.state.target(&"search/production".parse().unwrap()).unwrap().unwrap();
    Sums::of(&record.approving, world.now)
}

#[test]
fn two_who_approve_each_other_are_found_once_and_somebody_else_answers() {
    let mut world = each_other(LEAST);
    let what = pair(side("linus", 20, 20), side("mallory", 20, 20));
    assert_snapshot!(what.words(), @"in 13 weeks linus approved 20 of 20 changes on search/production that mallory had a hand in, and mallory 20 of 20 the other way round");
    assert_eq!(sums(&world).pairs().collect::<Vec<_>>(), [(&id("linus"), &id("mallory"))]);
    let themselves = found(&world, what.clone(), &["barbara", "linus"]);
    assert_snapshot!(told(world.say("countersign", themselves)), @"your-own-act: how somebody approves they do not look at themselves");
    let by_another = found(&world, what.clone(), &["barbara"]);
    assert_snapshot!(told(world.say("ada", by_another.clone())), @"only-the-server: only the server says a finding");
    let finding = FindingId::of_finding(&world.say("countersign", by_another).unwrap());
    let text = world.reason("they share a desk");
    for (by, due) in [("mallory", 0), ("linus", 0), ("linus", 7_200)] {
        world.now = world.now.plus_secs(due);
        let answer =
            Body::FindingAnswer(FindingAnswer { finding: finding.clone(), seen: None, text, what: what.clone() });
        assert!(told(world.say(by, answer)).starts_with("your-own-act"), "{by}");
    }
    let answer = Body::FindingAnswer(FindingAnswer { finding, seen: None, text, what: what.clone() });
    world.say("barbara", answer).unwrap();
    // Once in so many weeks, also after somebody answered.
    let again = found(&world, what.clone(), &["barbara"]);
    assert_snapshot!(told(world.say("countersign", again)), @"already-found: that was found at 2026-04-01T00:00:00Z, and is told once in 13 weeks");
    world.now = world.now.plus_secs(WEEKS * WEEK);
    assert_eq!(sums(&world), Sums::default());
    let of_before = found(&world, what.clone(), &["barbara"]);
    assert_snapshot!(told(world.say("countersign", of_before)), @"not-so-shared: what landed on these targets was not approved so by these people");
    for _ in 0..LEAST {
        lands(&mut world, "linus", "mallory");
        lands(&mut world, "mallory", "linus");
    }
    let anew = found(&world, what, &["barbara"]);
    world.say("countersign", anew).unwrap();
    assert!(world.replayed().is_ok());
}

/// A server cannot accuse two people of what the log does not have.
#[test]
fn a_pair_that_is_none_is_not_found() {
    let mut few = each_other(LEAST - 1);
    let what = pair(side("linus", 19, 19), side("mallory", 19, 19));
    let said = found(&few, what, &["barbara"]);
    assert_snapshot!(told(few.say("countersign", said)), @"not-so-shared: what landed on these targets was not approved so by these people");
    // Not over half: elsewhere as many others approved.
    let mut world = each_other(LEAST);
    for _ in 0..LEAST {
        lands_on(&mut world, "search/staging", "linus", "ada");
    }
    let everywhere = || targets(&["search/production", "search/staging"]);
    let of = |first, second, targets| Matter::ApprovesEachOther { first, second, targets };
    for what in [
        of(side("linus", 20, 20), side("mallory", 20, 40), everywhere()),
        of(side("linus", 20, 20), side("mallory", 20, 20), everywhere()),
        of(side("mallory", 20, 40), side("linus", 20, 20), everywhere()),
        of(side("ada", 20, 40), side("linus", 20, 20), everywhere()),
        of(side("linus", 20, 20), side("mallory", 20, 20), targets(&["checkout/production"])),
        of(side("linus", 20, 20), side("mallory", 20, 20), [].into()),
    ] {
        let said = found(&world, what, &["barbara"]);
        let refused = told(world.say("countersign", said));
        assert!(refused.starts_with("not-so-shared") || refused.starts_with("finding:"), "{refused}");
    }
}

/// What went past the rules nobody approved, and what did not land counts for nobody.
#[test]
fn only_what_landed_by_approvals_counts() {
    let mut world = World::new();
    let withdrawn = world.propose("linus", "search/production");
    world.approve("mallory", &withdrawn).unwrap();
    world.withdraw("linus", &withdrawn).unwrap();
    let failed = world.propose("linus", "search/production");
    world.approve("mallory", &failed).unwrap();
    let permit = world.ask("linus", &failed).unwrap();
    world.report("linus", &failed, permit, OutcomeResult::Started).unwrap();
    world.report("linus", &failed, permit, OutcomeResult::Failed).unwrap();
    assert_eq!(sums(&world), Sums::default());
}

#[test]
fn who_carries_a_third_of_a_units_approvals_is_found_where_enough_others_own_it() {
    let mut world = World::new();
    for _ in 0..LEAST {
        lands(&mut world, "linus", "mallory");
    }
    let third = |given, of, unit: &str| Matter::CarriesAThird {
        by: id("mallory"),
        given,
        of,
        targets: targets(&["search/production"]),
        unit: unit.parse().unwrap(),
    };
    assert_snapshot!(third(20, 20, "discovery").words(), @"in 13 weeks mallory gave 20 of 20 approvals by which something landed on search/production, which discovery owns");
    // Two people own it: one of them always gives a third.
    let small = found(&world, third(20, 20, "discovery"), &["linus"]);
    assert!(told(world.say("countersign", small)).starts_with("not-so-shared"));
    let mut governance = (*world.state.governance).clone();
    let text = entities(&world.keys).replace("memberOf: [payments]", "memberOf: [payments, discovery]");
    governance.catalog = Arc::new(parse_catalog(text));
    world.state.governance = Arc::new(governance);
    for wrong in [third(20, 20, "payments"), third(20, 60, "discovery"), third(21, 21, "discovery")] {
        let said = found(&world, wrong, &["linus"]);
        assert!(told(world.say("countersign", said)).starts_with("not-so-shared"));
    }
    let own = found(&world, third(20, 20, "discovery"), &["mallory"]);
    assert!(told(world.say("countersign", own)).starts_with("your-own-act"));
    let said = found(&world, third(20, 20, "discovery"), &["linus", "ada"]);
    world.say("countersign", said.clone()).unwrap();
    assert!(told(world.say("countersign", said)).starts_with("already-found"));
}
