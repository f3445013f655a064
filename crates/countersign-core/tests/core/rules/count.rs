//! The counting that rules trust.

use countersign_core::{
    decision::{Decision, Outcome, RuleStatus, Strength},
    kind::{Documents, Kind},
    rules::{
        count::{Counts, count},
        decide,
    },
    snapshot::{AiStatus, Snapshot},
};
use proptest::prelude::*;

use super::{Home, NOW, approve, id, ids, shipped_rules, snapshot, target};

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
fn contributors_and_claimed_people_do_not_count() {
    let mut snapshot = snapshot();
    snapshot.claimed = ids(&["grace"]);
    approve(&mut snapshot, &["ada", "grace"]);
    assert_eq!(counted(&snapshot), (0, 0, 0));
}

#[test]
fn without_contributors_nobody_counts() {
    let mut snapshot = snapshot();
    snapshot.contributors.clear();
    approve(&mut snapshot, &["grace", "linus"]);
    assert_eq!(counted(&snapshot), (0, 0, 0));
}

pub(super) const NAMES: [&str; 7] = ["ada", "barbara", "edsger", "grace", "linus", "mallory", "trudy"];

/// Snapshots of every shape, most of them wrong in some way.
pub(super) fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let some = || proptest::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len());
    let few = || proptest::sample::subsequence(NAMES.to_vec(), 0..=2);
    let approvals = proptest::collection::vec(proptest::sample::select(NAMES.to_vec()), 0..8);
    let people = proptest::collection::vec((any::<bool>(), any::<bool>()), NAMES.len());
    let kinds = proptest::sample::select(vec![Kind::Code, Kind::Config, Kind::Rules, Kind::Agent]);
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
            let with = |wanted: fn((bool, bool)) -> bool| -> Vec<&str> {
                let named = NAMES.iter().zip(&people);
                named.filter(|(_, person)| wanted(**person)).map(|(name, _)| *name).collect()
            };
            let home = Home {
                everybody: ids(&NAMES),
                seniors: ids(&with(|(senior, _)| senior)),
                owners: [("checkout".parse().unwrap(), ids(&with(|(_, owner)| owner)))].into(),
                groups: [].into(),
            };
            home.approve(&mut snapshot, &approvals);
            snapshot.kind = kind;
            snapshot.ai.status = status;
            snapshot.ai.disclosed = disclosed;
            snapshot.documents = Documents { why, risk: why, rollback, tests: rollback, ..Documents::default() };
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
    let told = Home::usual().explain(shipped_rules(), snapshot, decision);
    prop_assert_eq!(told.rules.len(), decision.rules.len());
    for (rule, told) in decision.rules.iter().zip(&told.rules) {
        prop_assert!(!told.requires.is_empty() && !told.because.is_empty(), "{:?}", told);
        let to_do = rule.status == RuleStatus::Unsatisfied;
        prop_assert_eq!(to_do, !told.obligations.is_empty(), "a refusal is a to-do list: {:?}", told);
        for obligation in told.obligations.iter().filter(|todo| todo.how.contains(" approve ")) {
            let no_more = |who| snapshot.contributors.contains(who) || snapshot.approvals.iter().any(|a| a.by == *who);
            prop_assert!(!obligation.who.iter().any(no_more), "who is asked could not: {:?}", obligation);
        }
        prop_assert_ne!(rule.status, RuleStatus::Error, "{:?}", rule);
        let unmet = rule.status == RuleStatus::Unsatisfied;
        prop_assert_eq!(unmet, !rule.missing.is_empty(), "a refusal says what is missing: {:?}", rule);
        prop_assert_ne!(rule.status, RuleStatus::NotApplicable, "listed: {:?}", rule);
        if unmet && rule.strength == Strength::Mandatory {
            prop_assert_eq!(decision.outcome, Outcome::Deny);
        }
    }
    if decision.outcome == Outcome::Allow {
        prop_assert!(!snapshot.targets.is_empty() && !snapshot.contributors.is_empty());
        prop_assert!(snapshot.rejected_by.is_empty() && snapshot.unmapped.is_empty());
        for view in snapshot.targets.iter().filter(|view| view.production) {
            // Said without the counting function: somebody approved who is neither contributor nor claimed.
            let second = snapshot.approvals.iter().any(|approval| {
                !snapshot.contributors.contains(&approval.by) && !snapshot.claimed.contains(&approval.by)
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
            prop_assert!(counts.independent as usize <= snapshot.approvals.len());
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
