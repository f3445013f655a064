//! Decisions: what comes out of them, and what no rule file can switch off.

use std::{collections::BTreeMap, fmt::Write as _};

use countersign_core::{
    decision::{Decision, Outcome, RuleStatus},
    kind::{Kind, Purpose},
    rules::{Rules, decide, weigh},
    snapshot::{Snapshot, WaiverView},
};
use insta::assert_snapshot;

use super::{Home, NOW, SCOPE, approve, id, ids, parsed, rule_file, shipped_rules, snapshot, target};

/// A decision as a reader of the usual home sees it.
fn told(rules: &Rules, snapshot: &Snapshot) -> String {
    let decision = decide(rules, snapshot, NOW);
    let mut text = decision.outcome.to_string();
    for rule in Home::usual().explain(rules, snapshot, &decision).rules {
        write!(text, "\n{} {}", rule.id, rule.status).unwrap();
        for target in &rule.targets {
            write!(text, " {target}").unwrap();
        }
        for todo in &rule.obligations {
            let who: Vec<&str> = todo.who.iter().map(|id| id.as_str()).collect();
            let more = if todo.more == 0 { String::new() } else { format!(" and {} more", todo.more) };
            write!(text, "\n  {} by [{}]{more}: {}", todo.missing, who.join(", "), todo.how).unwrap();
        }
    }
    write!(text, "\n{} not applicable", decision.not_applicable).unwrap();
    text
}

fn shipped(snapshot: &Snapshot) -> String {
    told(shipped_rules(), snapshot)
}

fn status(decision: &Decision, rule: &str) -> Option<RuleStatus> {
    decision.rules.iter().find(|decided| decided.id.as_str() == rule).map(|decided| decided.status)
}

#[test]
fn a_refusal_is_a_to_do_list() {
    let mut snapshot = snapshot();
    snapshot.targets = vec![target("checkout/production", 1), target("search/production", 3)];
    assert_snapshot!(shipped(&snapshot), @"
    deny
    applier-apart satisfied
    documented satisfied
    owner-approves unsatisfied checkout/production search/production
      1 approval by an owner of the system (checkout, search) by [grace]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    second-pair-of-eyes unsatisfied checkout/production search/production
      1 approval by somebody who had no hand in the change by [grace, barbara, linus]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    tier-1-senior unsatisfied checkout/production
      1 approval by a senior by [grace, barbara]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
      2 approvals by people who had no hand in the change by [grace, barbara, linus]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    2 not applicable
    ");
}

#[test]
fn an_approved_change_may_go() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    assert_snapshot!(shipped(&snapshot), @"
    allow
    documented satisfied
    owner-approves satisfied
    second-pair-of-eyes satisfied
    4 not applicable
    ");
}

#[test]
fn a_decision_in_full() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["linus"]);
    let rules = parsed(&rule_file(
        "owners",
        "enforce",
        "waivable",
        "approval:owner:1",
        &format!("{SCOPE} when {{ resource.production }} unless {{ resource.approvals.owner >= 1 }};"),
    ));
    let decision = decide(&rules, &snapshot, NOW);
    assert_snapshot!(serde_json::to_string_pretty(&decision).unwrap(), @r#"
    {
      "outcome": "deny",
      "change": "9f2c4e6a81d09f2c4e6a81d09f2c4e6a",
      "revision": 1,
      "targets": [
        "checkout/production"
      ],
      "decided_at": 1775001600000,
      "semantics": 1,
      "rules_digest": "sha256:08f0bceabad2b453024fbd0e9e350d93fec0ab3d70a4f3a5a14797f51103062f",
      "snapshot_digest": "sha256:fbde443607f38753feafa6e1b525c5684751f11e64576fd4fc2dc8c16cd56e5e",
      "rules": [
        {
          "id": "owners",
          "status": "unsatisfied",
          "mode": "enforce",
          "strength": "waivable",
          "targets": [
            "checkout/production"
          ],
          "missing": [
            {
              "token": "approval:owner:1",
              "count": 1,
              "of": [
                "checkout"
              ]
            }
          ]
        }
      ],
      "not_applicable": 0
    }
    "#);
}

#[test]
fn unmapped_identities_deny() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.unmapped = ["3fa9".to_owned()].into();
    assert_snapshot!(shipped(&snapshot), @"
    deny
    identities-known unsatisfied checkout/production
      who 3fa9 is by [grace, barbara, linus]: countersign identify 9f2c4e6a81d09f2c4e6a81d09f2c4e6a --identity 3fa9 --as PERSON
    documented satisfied
    owner-approves satisfied
    second-pair-of-eyes satisfied
    4 not applicable
    ");
}

#[test]
fn nobody_known_to_have_made_it_denies() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.contributors.clear();
    assert_snapshot!(shipped(&snapshot), @"
    deny
    identities-known unsatisfied checkout/production
      anybody who made the change by [ada, grace, barbara, linus]: countersign identify 9f2c4e6a81d09f2c4e6a81d09f2c4e6a --identity REF --as PERSON
    documented satisfied
    owner-approves unsatisfied checkout/production
      1 approval by an owner of the system (checkout) by [ada]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    second-pair-of-eyes unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [ada, barbara, linus]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    4 not applicable
    ");
}

#[test]
fn a_rejection_outweighs_approvals() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace", "barbara"]);
    snapshot.rejected_by = ids(&["linus"]);
    assert_snapshot!(shipped(&snapshot), @"
    deny
    no-rejection unsatisfied checkout/production
      linus rejected this change by [linus]: linus lifts it (countersign reject 9f2c4e6a81d09f2c4e6a81d09f2c4e6a --lift); or, a day later, two others, one a senior, set it aside: countersign reject 9f2c4e6a81d09f2c4e6a81d09f2c4e6a --set-aside linus --why …
    documented satisfied
    owner-approves satisfied
    second-pair-of-eyes satisfied
    4 not applicable
    ");
}

#[test]
fn a_change_without_targets_is_denied() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.targets.clear();
    assert_snapshot!(shipped(&snapshot), @"
    deny
    targets-known unsatisfied
      at least one target by [ada]: propose it again for targets of the catalog: countersign propose --target SYSTEM/ENVIRONMENT …
    7 not applicable
    ");
}

#[test]
fn without_rules_everything_is_denied() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    let none = Rules::parse(&Default::default()).unwrap();
    assert_snapshot!(told(&none, &snapshot), @"
    deny
    rules-loaded unsatisfied checkout/production
      rules: none are in force by [ada, grace, barbara, linus]: countersign amend HOME --why REASON
    0 not applicable
    ");
}

#[test]
fn a_second_person_is_needed_whatever_the_rules_say() {
    let lenient = parsed(&rule_file(
        "lenient",
        "watch",
        "waivable",
        "approval:independent:1",
        &format!("{SCOPE} when {{ resource.production }} unless {{ resource.approvals.independent >= 1 }};"),
    ));
    let mut snapshot = snapshot();
    assert_snapshot!(told(&lenient, &snapshot), @"
    deny
    lenient unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [grace, barbara, linus]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    floor unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [grace, barbara, linus]: countersign review 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    0 not applicable
    ");
    approve(&mut snapshot, &["linus"]);
    assert_eq!(decide(&lenient, &snapshot, NOW).outcome, Outcome::Allow);
    snapshot.contributors.insert(id("linus"));
    assert_eq!(decide(&lenient, &snapshot, NOW).outcome, Outcome::Deny);
}

#[test]
fn a_waiver_of_a_rule_does_not_waive_the_floor() {
    let waivable = parsed(&rule_file(
        "two-people",
        "enforce",
        "waivable",
        "approval:independent:1",
        &format!("{SCOPE} when {{ resource.production }} unless {{ resource.approvals.independent >= 1 }};"),
    ));
    let mut snapshot = snapshot();
    snapshot.waivers = vec![WaiverView { rule: "two-people".parse().unwrap(), by: id("barbara"), senior: true }];
    let decision = decide(&waivable, &snapshot, NOW);
    assert_eq!(status(&decision, "two-people"), Some(RuleStatus::Waived));
    assert_eq!(status(&decision, "floor"), Some(RuleStatus::Unsatisfied));
    assert_eq!(decision.outcome, Outcome::Deny);
}

#[test]
fn on_tier_1_nobodys_waiver_and_approval_count_together() {
    let waivable =
        parsed(&rule_file("documented", "enforce", "waivable", "disclosure", &format!("{SCOPE} unless {{ false }};")));
    let waived = |tier, approvers: &[&str]| {
        let mut snapshot = snapshot();
        snapshot.targets = vec![target("checkout/production", tier)];
        approve(&mut snapshot, approvers);
        snapshot.waivers = vec![WaiverView { rule: "documented".parse().unwrap(), by: id("barbara"), senior: true }];
        status(&decide(&waivable, &snapshot, NOW), "documented")
    };
    assert_eq!(waived(1, &["barbara", "grace"]), Some(RuleStatus::Unsatisfied));
    assert_eq!(waived(1, &["linus", "grace"]), Some(RuleStatus::Waived));
    assert_eq!(waived(2, &["barbara", "grace"]), Some(RuleStatus::Waived));
}

#[test]
fn a_rule_in_watch_is_listed_and_does_not_bind() {
    let never = parsed(&rule_file("never", "watch", "waivable", "disclosure", &format!("{SCOPE};")));
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    let decision = decide(&never, &snapshot, NOW);
    assert_eq!(status(&decision, "never"), Some(RuleStatus::Unsatisfied));
    assert_eq!(decision.outcome, Outcome::Allow);
}

#[test]
fn a_rule_can_ask_what_a_change_is_for() {
    let purposes = [
        (
            "restores",
            Purpose { restores: Some("9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap()), ..Purpose::default() },
        ),
        ("incident", Purpose { incident: Some("INC-1".to_owned()), ..Purpose::default() }),
        ("security", Purpose { security: true, ..Purpose::default() }),
    ];
    for (name, purpose) in &purposes {
        let body = format!("{SCOPE} when {{ resource.purpose.{name} }};");
        let rules = parsed(&rule_file("r", "enforce", "waivable", "disclosure", &body));
        let mut snapshot = snapshot();
        approve(&mut snapshot, &["grace"]);
        assert_eq!(decide(&rules, &snapshot, NOW).not_applicable, 1, "{name}");
        snapshot.purpose = purpose.clone();
        assert_eq!(status(&decide(&rules, &snapshot, NOW), "r"), Some(RuleStatus::Unsatisfied), "{name}");
    }
}

#[test]
fn what_no_token_names_is_sent_to_the_rules_remedy() {
    let rules = parsed(&rule_file(
        "first-try",
        "enforce",
        "waivable",
        "disclosure",
        &format!("{SCOPE} unless {{ resource.revision > 1 }};"),
    ));
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    assert_snapshot!(told(&rules, &snapshot), @"
    deny
    first-try unsatisfied checkout/production
      a statement of whether AI assisted by [ada, grace, barbara, linus]: countersign mend 9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    0 not applicable
    ");
}

#[test]
fn only_the_scope_that_is_named() {
    let scoped = |scope: &str| {
        let body =
            format!("forbid (principal, action == Countersign::Action::\"apply\", resource in Countersign::{scope});");
        let mut snapshot = snapshot();
        approve(&mut snapshot, &["grace"]);
        let rules = parsed(&rule_file("r", "enforce", "waivable", "disclosure", &body));
        status(&decide(&rules, &snapshot, NOW), "r")
    };
    for scope in ["System::\"checkout\"", "Environment::\"production\"", "Kind::\"code\"", "Group::\"payments\""] {
        assert_eq!(scoped(scope), Some(RuleStatus::Unsatisfied), "{scope}");
    }
    for scope in ["System::\"checkout2\"", "Environment::\"prod\"", "Kind::\"config\"", "Group::\"checkout\""] {
        assert_eq!(scoped(scope), None, "{scope}");
    }
}

#[test]
fn a_thousand_scoped_rules_answer_as_one_by_one() {
    let texts: Vec<String> = (0..1_000)
        .map(|n| {
            let scope = match n % 5 {
                0 => format!("resource in Countersign::System::\"s{}\"", n % 50),
                1 => format!("resource is Countersign::Change in Countersign::System::\"s{}\"", n % 50),
                2 => "resource in Countersign::Environment::\"production\"".to_owned(),
                3 => "resource in Countersign::Kind::\"config\"".to_owned(),
                _ => "resource".to_owned(),
            };
            let body = format!(
                "forbid (principal, action == Countersign::Action::\"apply\", {scope})
                 when {{ resource.tier <= {} }} unless {{ resource.documents.why >= {} }};",
                n % 4 + 1,
                n % 7 * 30,
            );
            rule_file(&format!("r{n}"), "enforce", "waivable", "document:why:1", &body)
        })
        .collect();
    // The same rules with their scopes moved into their conditions: every one is asked of every target.
    let moved = |text: &String| {
        let (head, rest) = text.split_once("resource").unwrap();
        let (scope, rest) = rest.split_once(')').unwrap();
        match scope.trim() {
            "" => text.clone(),
            scope => format!("{head}resource)\nwhen {{ resource {scope} }}{rest}"),
        }
    };
    let files = |texts: &[String]| -> BTreeMap<String, String> {
        texts.iter().enumerate().map(|(n, text)| (format!("{n}.cedar"), text.clone())).collect()
    };
    let sliced = Rules::parse(&files(&texts)).unwrap_or_else(|error| panic!("{error}"));
    let whole = Rules::parse(&files(&texts.iter().map(moved).collect::<Vec<_>>())).unwrap_or_else(|e| panic!("{e}"));
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.targets = vec![target("s10/production", 2), target("s11/staging", 4), target("s999/production", 1)];
    for kind in [Kind::Code, Kind::Config] {
        snapshot.kind = kind;
        let (sliced, whole) = (decide(&sliced, &snapshot, NOW), decide(&whole, &snapshot, NOW));
        assert_eq!((&sliced.rules, sliced.not_applicable), (&whole.rules, whole.not_applicable));
        assert!(sliced.not_applicable > 0);
        let mut statuses: Vec<String> = sliced.rules.iter().map(|rule| rule.status.to_string()).collect();
        statuses.sort();
        statuses.dedup();
        assert_eq!(statuses, ["satisfied", "unsatisfied"]);
    }
}

/// An audit's replay asks through `weigh`, and `decide` is `weigh` written down.
#[test]
fn weighing_is_deciding() {
    let rules = shipped_rules();
    let snapshot = snapshot();
    let decision = decide(rules, &snapshot, NOW);
    let weighed = weigh(rules, &snapshot, NOW);
    assert_eq!(weighed.outcome, decision.outcome);
    let statuses: BTreeMap<_, RuleStatus> = decision.rules.iter().map(|rule| (&rule.id, rule.status)).collect();
    for rule in &weighed.rules {
        assert_eq!(statuses.get(&rule.rule.id).copied().unwrap_or(RuleStatus::NotApplicable), rule.status);
    }
}
