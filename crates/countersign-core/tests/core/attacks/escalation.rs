//! Escalation: somebody else may supply what is missing after so many of the owners' working hours, and not before.

use countersign_core::{
    decision::{Decision, Step},
    explain::Explained,
    rules::{Rules, check},
    verify::decide_again,
};
use countersign_ledger::Time;

use super::*;
use crate::kit::{DAY, HOUR, blob_of};

const RULE: &str = r#"@id("owner-approves")
@requires("approval:owner:1 | approval:group:payments:1@waiting>=8wh")
@because("Whoever is woken by it has seen it; after a working day payments may, too.")
@remedy("countersign approve {change} --git .")
@mode("enforce")
@strength("waivable")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production }
unless {
  resource.approvals.owner >= 1 ||
  (resource.waiting.worked_hours >= 8 && resource.approvals.group["payments"] >= 1)
};
"#;

/// A change by mallory to search, which discovery owns, proposed on a Wednesday at 15:20; grace of payments approved it.
fn escalating() -> (World, ChangeId) {
    let mut world = World::founded(
        |files| {
            files.insert("rules/owner-approves.cedar".to_owned(), RULE.as_bytes().to_vec());
        },
        |_| {},
    )
    .unwrap();
    world.now = Time::from_unix_millis("2026-04-01T15:20:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let change = world.propose("mallory", "search/production");
    world.approve("grace", &change).unwrap();
    (world, change)
}

fn owners(world: &World, change: &ChangeId) -> RuleStatus {
    world.status(change, "owner-approves")
}

#[test]
fn an_escalation_waits_for_working_hours_and_not_for_the_clock() {
    let (mut world, change) = escalating();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // Until 17:00 six whole quarters; the night counts for nothing; on Thursday until 15:30.
    world.later(DAY - HOUR);
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    world.now = Time::from_unix_millis("2026-04-02T15:29:59Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    let told = Explained::standing(&world.state, world.change(&change), &Default::default(), world.now).unwrap();
    assert_snapshot!(told.explanation.steps.join("\n"), @"owner-approves for search/production: from 2026-04-02T15:30:00Z on 1 approval by somebody of group payments does, too");
    world.later(1);
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    let steps: [Step; 1] = world.decision(&change).steps.try_into().unwrap();
    let [Step { rule, hours, used, since, .. }] = &steps;
    let proposed = world.change(&change).proposed_at;
    assert_eq!((rule.as_str(), *hours, *used, *since), ("owner-approves", 8, true, proposed));
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn a_weekend_and_a_new_revision_do_not_hasten_an_escalation() {
    let (mut world, change) = escalating();
    world.now = Time::from_unix_millis("2026-04-02T15:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    // What is proposed now waits anew.
    let revised = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("mallory", revised).unwrap();
    world.approve("grace", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // Friday, Saturday and Sunday: a working day and a half hour less than needed.
    world.now = Time::from_unix_millis("2026-04-03T15:15:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    world.later(HOUR);
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
}

#[test]
fn an_owner_in_time_needs_no_step_and_none_is_taken_unsaid() {
    let (mut world, change) = escalating();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.later(7 * DAY);
    assert!(world.decision(&change).steps.is_empty(), "the owner has approved: no step is used");
}

#[test]
fn the_decision_of_an_escalation_is_run_again() {
    let (mut world, change) = escalating();
    world.later(2 * DAY);
    world.requested("mallory", &change);
    let before = world.state.clone();
    let (decision, decided) = world.decided(&change);
    assert!(decision.steps.iter().any(|step| step.used));
    decide_again(&before, &decided, &blob_of(&world.blobs)).unwrap();
    let again: Decision = serde_json::from_slice(&serde_json::to_vec(&decision).unwrap()).unwrap();
    assert_eq!(again, decision);
}

#[test]
fn a_rule_that_names_a_wait_and_does_not_keep_it_is_found() {
    let found = |text: &str| -> Vec<String> {
        let rules = Rules::parse(&[("owner-approves.cedar".to_owned(), text.to_owned())].into()).unwrap();
        check::check(&rules).iter().map(ToString::to_string).collect()
    };
    assert_eq!(found(RULE), Vec::<String>::new());
    // No silent widening: it asks for no wait, for another, or says nothing of it.
    for hasty in [
        RULE.replace("resource.waiting.worked_hours >= 8 && ", ""),
        RULE.replace("worked_hours >= 8", "worked_hours >= 4"),
        RULE.replace(" | approval:group:payments:1@waiting>=8wh", ""),
        RULE.replace("worked_hours >= 8", "worked_hours >= 80"),
    ] {
        assert!(!found(&hasty).is_empty(), "{hasty}");
    }
    // What waits stands behind what does not, and says how long in working hours.
    for wrong in [
        "approval:group:payments:1@waiting>=8wh",
        "approval:group:payments:1@waiting>=8wh | approval:owner:1",
        "approval:owner:1 | approval:group:payments:1@waiting>=8h",
        "approval:owner:1 | approval:group:payments:1@waiting<=8wh",
        "approval:owner:1 | approval:group:payments:1@waiting>=201wh",
        "approval:owner:1 | approval:group:payments:1@waiting>=0wh",
    ] {
        let text = RULE.replace("approval:owner:1 | approval:group:payments:1@waiting>=8wh", wrong);
        assert!(Rules::parse(&[("r.cedar".to_owned(), text)].into()).is_err(), "{wrong}");
    }
    let carries = RULE.replace("@strength", "@carry(\"delta@waiting>=8wh\")\n@strength");
    assert!(Rules::parse(&[("r.cedar".to_owned(), carries)].into()).is_err());
}
