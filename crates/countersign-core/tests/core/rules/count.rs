//! The counting that rules trust.

use countersign_core::{
    catalog::Level,
    decision::{Decision, Outcome, RuleStatus, Strength},
    rules::{
        count::{Counts, count},
        decide,
    },
    snapshot::{AiStatus, Documents, Kind, Snapshot},
};
use proptest::prelude::*;

use super::{NOW, approve, id, ids, person, shipped_rules, snapshot, target};

fn counted(snapshot: &Snapshot) -> (u32, u32, u32) {
    let Counts { independent, owner, senior } = count(snapshot, &snapshot.targets[0]);
    (independent, owner, senior)
}

#[test]
fn counts_by_role() {
    let mut snapshot = snapshot();
    assert_eq!(counted(&snapshot), (0, 0, 0));
    approve(&mut snapshot, &["linus"]);
    assert_eq!(counted(&snapshot), (1, 0, 0));
    approve(&mut snapshot, &["grace"]);
    assert_eq!(counted(&snapshot), (2, 1, 1));
}

#[test]
fn one_person_under_two_keys_counts_once() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace", "grace", "grace"]);
    assert_eq!(counted(&snapshot), (1, 1, 1));
}

#[test]
fn contributors_claimed_and_unknown_people_do_not_count() {
    let mut snapshot = snapshot();
    snapshot.claimed = ids(&["grace"]);
    approve(&mut snapshot, &["ada", "grace", "mallory"]);
    assert_eq!(counted(&snapshot), (0, 0, 0));
}

#[test]
fn without_contributors_nobody_counts() {
    let mut snapshot = snapshot();
    snapshot.contributors.clear();
    approve(&mut snapshot, &["grace", "linus"]);
    assert_eq!(counted(&snapshot), (0, 0, 0));
}

const NAMES: [&str; 7] = ["ada", "barbara", "edsger", "grace", "linus", "mallory", "trudy"];

/// Snapshots of every shape, most of them wrong in some way.
fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let some = || proptest::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len());
    let few = || proptest::sample::subsequence(NAMES.to_vec(), 0..=2);
    let approvals = proptest::collection::vec(proptest::sample::select(NAMES.to_vec()), 0..8);
    let people = proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), NAMES.len());
    let kinds = proptest::sample::select(vec![Kind::Code, Kind::Config, Kind::Rules, Kind::Rollback]);
    let ai = (
        proptest::sample::select(vec![AiStatus::Declared, AiStatus::Inferred, AiStatus::None, AiStatus::Unknown]),
        any::<bool>(),
    );
    let targets = proptest::collection::vec((0..3_usize, any::<bool>(), 1..=4_u8), 0..4);
    (some(), few(), few(), approvals, people, kinds, ai, targets, (0..60_u32, 0..60_u32)).prop_map(
        |(contributors, claimed, rejected, approvals, people, kind, (status, disclosed), targets, (why, rollback))| {
            let mut snapshot = snapshot();
            snapshot.contributors = ids(&contributors);
            snapshot.claimed = ids(&claimed);
            snapshot.rejected_by = ids(&rejected);
            snapshot.people = NAMES
                .iter()
                .zip(people)
                .filter(|(_, (known, _, _))| *known)
                .map(|(name, (_, senior, owner))| {
                    let level = if senior { Level::Senior } else { Level::Standard };
                    (id(name), person(level, if owner { &["checkout"] } else { &[] }))
                })
                .collect();
            approve(&mut snapshot, &approvals);
            snapshot.kind = kind;
            snapshot.ai.status = status;
            snapshot.ai.disclosed = disclosed;
            snapshot.documents = Documents { why, risk: why, rollback, tests: rollback };
            let systems = ["checkout", "search", "ledger"];
            snapshot.targets = targets
                .into_iter()
                .map(|(system, production, tier)| {
                    let environment = if production { "production" } else { "staging" };
                    target(&format!("{}/{environment}", systems[system]), tier)
                })
                .collect();
            snapshot
        },
    )
}

/// What must hold of any decision, whatever the snapshot.
fn holds(snapshot: &Snapshot, decision: &Decision) -> Result<(), TestCaseError> {
    let stopped = decision.rules.iter().any(Decision::stops);
    prop_assert_eq!(decision.outcome == Outcome::Deny, stopped);
    for rule in &decision.rules {
        prop_assert_ne!(rule.status, RuleStatus::Error, "{:?}", rule);
        let unmet = rule.status == RuleStatus::Unsatisfied;
        prop_assert_eq!(unmet, !rule.obligations.is_empty(), "a refusal is a to-do list: {:?}", rule);
        if unmet && rule.strength == Strength::Mandatory {
            prop_assert_eq!(decision.outcome, Outcome::Deny);
        }
    }
    if decision.outcome == Outcome::Allow {
        prop_assert!(!snapshot.targets.is_empty() && !snapshot.contributors.is_empty());
        prop_assert!(snapshot.rejected_by.is_empty() && snapshot.unmapped.is_empty());
        for view in snapshot.targets.iter().filter(|view| view.production) {
            // Said without the counting function: somebody known approved who is neither contributor nor claimed.
            let second = snapshot.approvals.iter().any(|approval| {
                snapshot.people.contains_key(&approval.by)
                    && !snapshot.contributors.contains(&approval.by)
                    && !snapshot.claimed.contains(&approval.by)
            });
            prop_assert!(second, "{} without a second person", view.target);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_count_exceeds_the_independent(snapshot in any_snapshot()) {
        for view in &snapshot.targets {
            let counts = count(&snapshot, view);
            prop_assert!(counts.senior <= counts.independent && counts.owner <= counts.independent);
            prop_assert!(counts.independent as usize <= snapshot.people.len());
        }
    }

    #[test]
    fn a_decision_keeps_its_promises(snapshot in any_snapshot()) {
        let rules = shipped_rules();
        let decision = decide(rules, &snapshot, NOW);
        holds(&snapshot, &decision)?;
        prop_assert_eq!(&decision, &decide(rules, &snapshot, NOW));
    }

    #[test]
    fn a_contributors_approval_opens_nothing(snapshot in any_snapshot()) {
        let rules = shipped_rules();
        let before = decide(rules, &snapshot, NOW).outcome;
        let mut after = snapshot.clone();
        let contributors: Vec<_> = snapshot.contributors.union(&snapshot.claimed).map(|id| id.to_string()).collect();
        approve(&mut after, &contributors.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(before, decide(rules, &after, NOW).outcome);
    }

    #[test]
    fn becoming_a_contributor_never_opens(snapshot in any_snapshot()) {
        // Save for the very first one: without contributors nothing opens at all.
        prop_assume!(!snapshot.contributors.is_empty());
        let rules = shipped_rules();
        let before = decide(rules, &snapshot, NOW).outcome;
        for name in NAMES {
            let mut after = snapshot.clone();
            after.contributors.insert(id(name));
            let after = decide(rules, &after, NOW).outcome;
            prop_assert!(before == Outcome::Allow || after == Outcome::Deny);
        }
    }

    #[test]
    fn snapshots_survive_their_bytes(snapshot in any_snapshot()) {
        let bytes = snapshot.to_bytes();
        let again: Snapshot = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&again, &snapshot);
        prop_assert_eq!(again.to_bytes(), bytes);
    }
}
