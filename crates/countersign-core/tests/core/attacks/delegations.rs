//! Attacks on delegation: judging one's own change by another, counting one person as two or two as one, passing on, outliving.

use countersign_core::{
    delegation::DelegatedRole,
    explain::{Explained, Obligation, could_supply},
    statement::Delegation,
};

use super::*;
use crate::kit::{DAY, HOUR};

/// A change by ada to checkout (tier 1), of which an owner and a senior are asked.
fn of_checkout() -> (World, ChangeId) {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    (world, change)
}

#[test]
fn a_delegate_approves_as_themselves_and_counts_by_the_delegators_role() {
    let (mut world, change) = of_checkout();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.delegate("grace", "senior", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    let [approval] = snapshot.approvals.as_slice() else { panic!("one approval") };
    assert_eq!((&approval.by, approval.senior, approval.owns.is_empty()), (&id("linus"), false, true));
    assert!(approval.delegated.iter().all(|lent| lent.of == id("grace")));
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    // A gate and a verifier look at grace's stream, too: what ends it stands there.
    let inputs = world.change(&change).inputs(&world.state.governance, None).unwrap();
    assert!(inputs.contains(&"person/grace".parse().unwrap()));
    assert_eq!(world.replayed().unwrap().all_heads(), world.state.all_heads());
}

fn owners(world: &World, change: &ChangeId) -> RuleStatus {
    world.status(change, "owner-approves")
}

#[test]
fn a_contributor_delegates_and_their_own_change_is_not_judged_so() {
    // ada owns checkout and made the change: whoever she names is no owner of hers.
    let (mut world, change) = of_checkout();
    world.delegate("ada", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

#[test]
fn a_delegate_who_made_the_change_does_not_judge_it() {
    let mut world = World::new();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    let change = world.propose("linus", "checkout/production");
    assert!(told(world.approve("linus", &change)).starts_with("contributor"));
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

#[test]
fn a_delegator_who_becomes_a_contributor_lends_nothing() {
    let mut world = World::new();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    let change = world.propose("ada", "checkout/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    world.disclose("ada", &change, &["claude"], &["grace"]).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

#[test]
fn a_delegated_role_does_not_come_back_to_its_delegator_nor_go_on_to_a_third() {
    let mut world = World::new();
    world.delegate("grace", "senior", "linus", 7).unwrap();
    // linus has no such role of his own: neither back to her nor on to another.
    for to in ["grace", "mallory"] {
        assert!(told(world.delegate("linus", "senior", to, 7)).starts_with("not-theirs-to-delegate"));
    }
    assert!(told(world.delegate("grace", "senior", "grace", 7)).starts_with("delegated-to-oneself"));
    // Nor in a circle of two who both have it.
    world.delegate("grace", "senior", "barbara", 7).unwrap();
    world.delegate("barbara", "senior", "grace", 7).unwrap();
    let change = world.propose("ada", "checkout/production");
    world.approve("grace", &change).unwrap();
    world.approve("barbara", &change).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert!(snapshot.approvals.iter().all(|approval| approval.delegated.is_empty()));
}

#[test]
fn one_person_does_not_count_as_two_by_a_delegation() {
    let (mut world, change) = of_checkout();
    // Two delegates of grace are one grace.
    world.delegate("grace", "senior", "linus", 7).unwrap();
    world.delegate("grace", "senior", "mallory", 7).unwrap();
    world.approve("linus", &change).unwrap();
    world.approve("mallory", &change).unwrap();
    let seniors = |world: &World| {
        let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
        countersign_core::rules::count::count(&snapshot, &snapshot.targets[0]).senior
    };
    assert_eq!(seniors(&world), 1);
    // And with grace herself still one.
    world.approve("grace", &change).unwrap();
    assert_eq!(seniors(&world), 1);
    world.approve("barbara", &change).unwrap();
    assert_eq!(seniors(&world), 2);
}

#[test]
fn one_person_on_both_sides_of_a_waiver_and_a_delegation() {
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    // grace waives another rule of the same change: her role is not there besides.
    world.waive("grace", &change, "documented").unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // Nor does who said no stand behind a yes.
    let other = world.propose("ada", "checkout/staging");
    world.approve("linus", &other).unwrap();
    world.reject("grace", &other).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&other), world.now).unwrap();
    assert!(snapshot.approvals.iter().all(|approval| approval.delegated.is_empty()));
}

#[test]
fn a_delegation_ends_with_the_delegators_key() {
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    world.revoke("barbara", "grace").unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // A suspension that nobody confirms ends.
    world.later(DAY);
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    world.revoke("grace", "grace").unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

#[test]
fn a_delegation_that_either_of_the_two_has_ended_is_used_no_more() {
    for by in ["grace", "linus"] {
        let (mut world, change) = of_checkout();
        let delegation = world.delegate("grace", "owner", "linus", 7).unwrap();
        world.approve("linus", &change).unwrap();
        assert!(told(world.end_delegation("ada", ("grace", "linus"), delegation)).starts_with("not-theirs-to-end"));
        // Nor is another's ended by naming oneself.
        assert!(told(world.end_delegation("ada", ("ada", "linus"), delegation)).starts_with("no-delegation"));
        world.end_delegation(by, ("grace", "linus"), delegation).unwrap();
        assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
        assert!(told(world.end_delegation(by, ("grace", "linus"), delegation)).starts_with("no-delegation"));
        assert_eq!(world.replayed().unwrap().all_heads(), world.state.all_heads());
    }
}

#[test]
fn a_delegation_ends_with_its_time_and_with_the_role() {
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    let before = world.now;
    world.later(7 * DAY - 1);
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    world.later(1);
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    world.now = before;
    // checkout is discovery's from now on.
    let moved = br#"{"owner":"discovery","tier":1}"#;
    let publication = world.publication(&[("systems/checkout.json", Some(moved))]);
    world.publish(publication).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert!(snapshot.approvals.iter().all(|approval| approval.delegated.is_empty()));
}

#[test]
fn a_delegation_after_an_approval_does_not_reach_back() {
    let (mut world, change) = of_checkout();
    world.approve("linus", &change).unwrap();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // They look again, and say so again.
    world.take_back("linus", &change).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
}

#[test]
fn a_delegation_is_to_a_person_and_of_what_one_has() {
    let mut world = World::new();
    for machine in ["ci", "robo"] {
        assert!(told(world.delegate("grace", "senior", machine, 7)).starts_with("only-people"));
        assert!(told(world.delegate(machine, "senior", "linus", 7)).starts_with("only-people"));
    }
    assert!(told(world.delegate("grace", "senior", "nobody", 7)).starts_with("unknown-person"));
    for (by, role) in [("linus", "senior"), ("linus", "group:payments"), ("barbara", "owner"), ("grace", "oncall")] {
        assert!(told(world.delegate(by, role, "mallory", 7)).starts_with("not-theirs-to-delegate"), "{by} {role}");
    }
    assert!(told(world.delegate_for("grace", "owner", "linus", &["search/production"])).starts_with("not-theirs"));
    assert!(told(world.delegate_for("grace", "owner", "linus", &["governance/log"])).starts_with("unknown-target"));
    // Nothing else is a role that can be delegated.
    for role in ["independent", "verified", "policy", "waive", "group:", "Senior"] {
        assert!(role.parse::<DelegatedRole>().is_err(), "{role}");
    }
    world.delegate("grace", "group:payments", "linus", 7).unwrap();
}

#[test]
fn a_delegation_is_neither_backdated_nor_longer_than_allowed() {
    let mut world = World::new();
    let mut says = |from: Option<i64>, until: i64| {
        let of = world.delegation("senior", "linus", 1);
        let (from, until) = (from.map(|secs| world.now.plus_secs(secs)), world.now.plus_secs(until));
        world.say("grace", Body::Delegation(Delegation { from, until, ..of })).map_err(|refusal| refusal.code)
    };
    assert_eq!(says(Some(-2 * HOUR), DAY), Err("backdated"));
    assert_eq!(says(None, 0), Err("over-already"));
    assert_eq!(says(None, 31 * DAY), Err("too-long"));
    assert_eq!(says(Some(80 * DAY), 111 * DAY), Err("too-long"));
    assert_eq!(says(Some(91 * DAY), 92 * DAY), Err("too-far-ahead"));
    says(Some(DAY), 2 * DAY).unwrap();
    // Not before it begins.
    let change = world.propose("ada", "checkout/production");
    world.approve("linus", &change).unwrap();
    world.later(DAY);
    assert_eq!(world.status(&change, "tier-1-senior"), RuleStatus::Unsatisfied);
    // Of one person not so many that nobody could tell any more.
    for _ in 0..7 {
        world.delegate("grace", "senior", "linus", 1).unwrap();
    }
    assert!(told(world.delegate("grace", "senior", "linus", 1)).starts_with("too-many-delegations"));
}

#[test]
fn a_delegation_is_for_the_targets_that_it_names() {
    let mut world = World::new();
    world.delegate_for("grace", "owner", "linus", &["checkout/staging"]).unwrap();
    let change = world.propose("ada", "checkout/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

#[test]
fn nothing_that_governs_is_delegated() {
    let mut world = World::new();
    for role in ["senior", "owner"] {
        world.delegate("grace", role, "linus", 7).unwrap();
    }
    let change = world.amend("ada", &[("rules/documented.cedar", None)]);
    world.approve("linus", &change).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert!(snapshot.approvals.iter().all(|approval| approval.delegated.is_empty()));
    assert_ne!(world.standing(&change), "allow");
}

#[test]
fn a_delegate_waives_and_breaks_nothing_by_the_delegators_role() {
    let (mut world, change) = of_checkout();
    world.delegate("grace", "senior", "linus", 7).unwrap();
    assert!(told(world.waive("linus", &change, "documented")).starts_with("senior-needed"));
}

#[test]
fn a_delegation_of_before_a_cut_grants_nothing_after_it() {
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
}

/// A bundle has the streams of those who speak in it, and of nobody else.
#[test]
fn a_part_of_a_log_in_which_only_the_delegator_speaks_holds() {
    let mut world = World::new();
    let delegation = world.delegate("grace", "owner", "linus", 7).unwrap();
    let change = world.propose("ada", "checkout/production");
    world.approve("grace", &change).unwrap();
    world.delegate("grace", "senior", "mallory", 7).unwrap();
    world.end_delegation("grace", ("grace", "linus"), delegation).unwrap();
    let streams =
        ["governance".to_owned(), format!("change/{change}"), "person/ada".to_owned(), "person/grace".to_owned()];
    let part = world.part_of(streams.iter().map(|stream| stream.parse().unwrap()).collect());
    let report = countersign_core::verify::verify(&world.trust, &part, world.now);
    assert!(report.holds(), "{report:?}");
}

/// What was approved before a delegation is approved again, which counts by it; and not a third time.
#[test]
fn an_approval_given_again_after_a_delegation_began_counts_by_it() {
    let (mut world, change) = of_checkout();
    world.approve("linus", &change).unwrap();
    assert!(told(world.approve("linus", &change)).starts_with("already-approved"));
    let hint = world.approve("linus", &change).unwrap_err().hint.unwrap();
    assert!(hint.contains("take-back") && hint.contains("countersign review"), "{hint}");
    // Of other targets than the change's it says nothing.
    world.delegate_for("grace", "owner", "linus", &["checkout/staging"]).unwrap();
    assert!(told(world.approve("linus", &change)).starts_with("already-approved"));
    world.delegate("grace", "owner", "linus", 7).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    // It waits for him in his own list.
    assert!(!could(&world, &change, "linus").is_empty());
    world.approve("linus", &change).unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Satisfied);
    assert!(could(&world, &change, "linus").is_empty());
    assert!(told(world.approve("linus", &change)).starts_with("already-approved"));
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert_eq!(snapshot.approvals.len(), 1);
    assert_eq!(world.replayed().unwrap().all_heads(), world.state.all_heads());
}

/// What this person could still say of what is missing.
fn could(world: &World, change: &ChangeId, who: &str) -> Vec<Obligation> {
    let decision = world.decision(change);
    let presence = world.state.presence(world.now);
    could_supply(&decision, &world.state, world.change(change), &presence, &id(who)).unwrap()
}

/// Nobody's word is there twice, also where the one that is there does not count; and that is said.
#[test]
fn a_delegation_that_counts_for_nothing_is_told_with_the_reason() {
    let idle = |world: &World, change: &ChangeId| {
        let presence = world.state.presence(world.now);
        let explained = Explained::standing(&world.state, world.change(change), &presence, world.now).unwrap();
        explained.explanation.idle.join("; ").replace(change.short(), "CHANGE")
    };
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(idle(&world, &change), "");
    // Her own counts: the role is there.
    world.approve("grace", &change).unwrap();
    assert_eq!(idle(&world, &change), "");
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    world.waive("grace", &change, "documented").unwrap();
    assert_snapshot!(idle(&world, &change), @"grace delegated owner to linus, and linus's approval does not count by that: grace waived a rule of it, and nobody's word is there twice");
    let (mut world, change) = of_checkout();
    world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    world.disclose("ada", &change, &["claude"], &["grace"]).unwrap();
    assert_snapshot!(idle(&world, &change), @"grace delegated owner to linus, and linus's approval does not count by that: grace had a hand in the change");
    world.now = world.now.plus_secs(8 * DAY);
    assert_snapshot!(idle(&world, &change).split(" over at").next().unwrap(), @"grace delegated owner to linus, and linus's approval does not count by that: it was");
    // Her approval is by a key that is gone; what she lent is by another one.
    let mut world = World::new();
    let change = world.propose("grace", "checkout/production");
    world.delegate("ada", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", &["ada-laptop"], approval).unwrap();
    assert_eq!(idle(&world, &change), "");
    world.revoke("ada", "ada-laptop").unwrap();
    assert_eq!(owners(&world, &change), RuleStatus::Unsatisfied);
    assert_snapshot!(idle(&world, &change), @"ada delegated owner to linus, and linus's approval does not count by that: ada approved it too, which does not count (the key of it holds no more), and nobody's word is there twice; ada can take that back: countersign take-back CHANGE");
    world.take_back("ada", &change).unwrap();
    assert_eq!((owners(&world, &change), idle(&world, &change).as_str()), (RuleStatus::Satisfied, ""));
    world.revoke("ada", "ada").unwrap();
    assert_snapshot!(idle(&world, &change), @"ada delegated owner to linus, and linus's approval does not count by that: the key that ada delegated it with holds no more");
}
