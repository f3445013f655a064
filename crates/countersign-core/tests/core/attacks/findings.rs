//! Findings that nobody should be asked to answer: raised by somebody else, of what is not so, or again and again.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    admit::MAX_OPEN_FINDINGS,
    cases::run_cases,
    escalation::escalated,
    ids::FindingId,
    rules::{Rules, check},
    statement::{Finding, FindingAnswer, Matter},
};

use super::*;
use crate::kit::{entities, parse_catalog};

const DAY: i64 = 24 * 60 * 60;

/// A second gate, with a key of its own.
fn two_gates() -> World {
    let mut world = World::new();
    world.register_gate();
    let other = GateRegistration {
        gate: "checkout-gate".parse().unwrap(),
        key: world.keys["stranger"].public(),
        targets: targets(&["checkout/production"]),
        ..world.registration()
    };
    world.say("barbara", Body::GateRegistration(other)).unwrap();
    world
}

#[test]
fn a_gate_raises_nothing_about_another_gate_or_its_targets() {
    let mut world = two_gates();
    let say = |world: &mut World, by: &str, key: &str, finding: Finding| {
        told(world.say_with(by, &[key], Body::Finding(finding)))
    };
    let of_shop = world.moved("shop-gate", &["search/production"], 2);
    assert_snapshot!(say(&mut world, "checkout-gate", "stranger", of_shop.clone()), @"another-gate: what happened at gate shop-gate, that gate says");
    assert_snapshot!(say(&mut world, "barbara", "barbara", of_shop.clone()), @"another-gate: what happened at gate shop-gate, that gate says");
    assert_snapshot!(say(&mut world, "countersign", "countersign", of_shop.clone()), @"another-gate: what happened at gate shop-gate, that gate says");
    let of_shops_targets = world.moved("checkout-gate", &["checkout/production", "search/production"], 2);
    assert_snapshot!(say(&mut world, "checkout-gate", "stranger", of_shops_targets), @"another-gate: gate checkout-gate does not guard search/production");
    let of_nothing = world.moved("shop-gate", &[], 2);
    assert_snapshot!(say(&mut world, "shop-gate", "git-gate", of_nothing), @"finding: a finding of a gate names a branch in full and 1 to 60 targets");
    let unmoved = world.moved("shop-gate", &["search/production"], 1);
    assert_snapshot!(say(&mut world, "shop-gate", "git-gate", unmoved), @"finding: refs/heads/main stands where it should");
    let known = |finding: &Finding, who: &str| Finding { who: [id(who)].into(), ..finding.clone() };
    assert_snapshot!(say(&mut world, "shop-gate", "git-gate", known(&of_shop, "robo")), @"unknown-person: robo, who is to answer, is no person here");
    let due = Finding { due: world.now, ..of_shop.clone() };
    assert_snapshot!(say(&mut world, "shop-gate", "git-gate", due), @"finding-due: a finding is due later than now, and within 90 days");
    world.say_with("shop-gate", &["git-gate"], Body::Finding(of_shop)).unwrap();
}

#[test]
fn the_same_incident_is_found_once_and_nobody_is_buried_in_findings() {
    let mut world = two_gates();
    let raise = |world: &mut World, to: u64| {
        let finding = world.moved("shop-gate", &["search/production"], to);
        world.say_with("shop-gate", &["git-gate"], Body::Finding(finding))
    };
    raise(&mut world, 2).unwrap();
    world.now = world.now.plus_secs(DAY);
    assert_snapshot!(told(raise(&mut world, 2)), @"already-found: finding CHANGE says the same, and is open");
    // Who answers and what it reaches does not make it another one.
    let again = Finding { who: [id("ada")].into(), ..world.moved("shop-gate", &["search/production"], 2) };
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], Body::Finding(again))), @"already-found: finding CHANGE says the same, and is open");
    // Nor does a gate that no owner registered find something for others to answer.
    let others = Finding { who: [id("ada")].into(), ..world.moved("shop-gate", &["search/production"], 3) };
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], Body::Finding(others))), @"another-answers: barbara, who registered gate shop-gate, owns not all of what it guards: ada need not answer for it");
    for to in 3..=u64::try_from(MAX_OPEN_FINDINGS + 1).unwrap() {
        raise(&mut world, to).unwrap();
    }
    assert_snapshot!(told(raise(&mut world, 200)), @"too-many-findings: 64 findings are open there, and that is the most");
    // That one gate has so many is no matter of another's.
    let other = world.moved("checkout-gate", &["checkout/production"], 2);
    world.say_with("checkout-gate", &["stranger"], Body::Finding(other)).unwrap();
    assert_eq!(world.state.findings().count(), MAX_OPEN_FINDINGS + 1);
}

#[test]
fn what_a_gate_says_of_its_mode_is_not_what_the_log_has() {
    let mut world = World::new();
    let of_search = || targets(&["search/production"]);
    let watching = [("refs/heads/main".to_owned(), of_search())].into();
    let registration = GateRegistration { map: Some(Digest::of("map")), watching, ..world.registration() };
    world.say("barbara", Body::GateRegistration(registration)).unwrap();
    let finding = |world: &World, branch: &str| Finding {
        what: Matter::GateMode { branch: branch.to_owned(), gate: "shop-gate".parse().unwrap(), targets: of_search() },
        ..world.moved("shop-gate", &["search/production"], 2)
    };
    let agreed = finding(&world, "refs/heads/main");
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], Body::Finding(agreed))), @"only-watched: the log has gate shop-gate watch search/production on refs/heads/main, too");
    let moved = world.moved("shop-gate", &["search/production"], 2);
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], Body::Finding(moved))), @"only-watched: gate shop-gate only watches that on refs/heads/main");
    let differs = finding(&world, "refs/heads/release");
    world.say_with("shop-gate", &["git-gate"], Body::Finding(differs)).unwrap();
}

/// A server cannot accuse somebody of a revocation that stands, was confirmed, or was never said.
#[test]
fn a_revocation_is_found_unconfirmed_only_once_it_has_ended_so() {
    let mut world = World::new();
    world.revoke("mallory", "linus").unwrap();
    let record = world.state.person(&id("linus")).unwrap().unwrap().revoked.values().next().unwrap().clone();
    let finding = |world: &World, by: &str| Finding {
        what: Matter::RevocationUnconfirmed {
            by: id(by),
            key: world.keys["linus"].public().fingerprint(),
            of: crate::kit::holder("linus"),
            revocation: record.statement,
        },
        who: [id(by)].into(),
        ..world.moved("shop-gate", &[], 2)
    };
    let raise = |world: &mut World, speaker: &str, by: &str| {
        let finding = finding(world, by);
        world.say(speaker, Body::Finding(finding))
    };
    assert_snapshot!(told(raise(&mut world, "countersign", "mallory")), @"not-unconfirmed: mallory has not revoked key DIGEST so that it ended without anybody confirming it");
    world.now = world.now.plus_secs(DAY);
    assert_snapshot!(told(raise(&mut world, "countersign", "grace")), @"not-unconfirmed: grace has not revoked key DIGEST so that it ended without anybody confirming it");
    assert_snapshot!(told(raise(&mut world, "linus", "mallory")), @"only-the-server: only the server says a finding");
    raise(&mut world, "countersign", "mallory").unwrap();
    assert_snapshot!(told(raise(&mut world, "countersign", "mallory")), @"already-found: that nobody confirmed DIGEST was found before");
    let mallory = world.state.person(&id("mallory")).unwrap().unwrap();
    assert_eq!((mallory.findings.len(), mallory.took[0].found), (1, true));
    // One that a second person confirmed ends never.
    world.now = world.now.plus_secs(30 * DAY);
    world.revoke("grace", "linus").unwrap();
    world.confirm("barbara", "linus").unwrap();
    world.now = world.now.plus_secs(2 * DAY);
    assert_snapshot!(told(raise(&mut world, "countersign", "grace")), @"not-unconfirmed: grace has not revoked key DIGEST so that it ended without anybody confirming it");
}

/// Silence hides nothing: after its time others are asked, too, and rules can see it until one of them answers.
#[test]
fn a_finding_that_nobody_answers_goes_up_and_rules_see_it() {
    let mut world = two_gates();
    let finding = world.moved("shop-gate", &["search/production"], 2);
    let raised = world.say_with("shop-gate", &["git-gate"], Body::Finding(finding.clone())).unwrap();
    let found = FindingId::of_finding(&raised);
    let record = world.state.finding(&found).unwrap().unwrap().clone();
    assert_eq!(escalated(&world.state.governance, &record, finding.due), None);
    let answer = |world: &mut World, by: &str| {
        let text = world.reason("the repository was moved to another machine");
        let what = finding.what.clone();
        world.say(by, Body::FindingAnswer(FindingAnswer { finding: found.clone(), seen: None, text, what }))
    };
    // Before its time nobody answers who was not asked.
    assert!(told(answer(&mut world, "grace")).starts_with("another-answers"));
    let change = rule_over(&mut world);
    assert_ne!(stops(&world, &change), "answer-first");
    world.now = finding.due.plus_secs(60);
    assert_eq!(stops(&world, &change), "answer-first");
    // Nobody stands above the owners here: the policy group is asked.
    let besides = escalated(&world.state.governance, &record, world.now).unwrap();
    assert!(besides.group.as_str().contains("policy") && besides.who.contains(&id("grace")), "{besides:?}");
    // A group above them is asked before that.
    let mut governance = (*world.state.governance).clone();
    let text = entities(&world.keys)
        .split("---\n")
        .map(|one| match one.contains("name: barbara") {
            true => one.replace("memberOf: []", "memberOf: [company]"),
            false => one.to_owned(),
        })
        .chain(["apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: company}\nspec: {type: team, children: [payments, discovery]}\n".to_owned()])
        .collect::<Vec<_>>()
        .join("---\n");
    governance.catalog = Arc::new(parse_catalog(text));
    let mut of_ada = record.clone();
    of_ada.who = [id("ada")].into();
    let besides = escalated(&governance, &of_ada, world.now).unwrap();
    assert_eq!(besides.group.as_str(), "company");
    assert!(besides.who.contains(&id("barbara")), "{besides:?}");
    answer(&mut world, "grace").unwrap();
    assert_ne!(stops(&world, &change), "answer-first");
    let replayed = world.replayed().unwrap();
    let target = "search/production".parse().unwrap();
    assert_eq!(replayed.target(&target).unwrap(), world.state.target(&target).unwrap());
}

/// What docs/rules.md shows, put in force, and a change that it is asked of.
fn rule_over(world: &mut World) -> ChangeId {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md")).unwrap();
    let block = |kind: &str, with: &str| {
        let fence = format!("```{kind}\n");
        let mut blocks = page.split(&fence).skip(1).filter_map(|block| block.split("```").next());
        blocks.find(|block| block.contains(with)).unwrap().to_owned()
    };
    let rules =
        Rules::parse(&BTreeMap::from([("answer-first.cedar".to_owned(), block("cedar", "answer-first"))])).unwrap();
    let wrong: Vec<String> = check::check(&rules).iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let cases = BTreeMap::from([("answer-first.cases.yaml".to_owned(), block("yaml", "findings_overdue"))]);
    let results = run_cases(&rules, &cases).unwrap();
    assert!(results.len() == 3 && results.iter().all(|result| result.passed()), "{results:?}");
    let change = world.propose("linus", "search/production");
    world.approve("mallory", &change).unwrap();
    Arc::make_mut(&mut world.state.governance).rules = Arc::new(rules);
    change
}

/// The rule that stops it, if one of those does.
fn stops(world: &World, change: &ChangeId) -> String {
    let decision = world.decision(change);
    let mut open = decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied);
    open.next().map(|rule| rule.id.to_string()).unwrap_or_default()
}
