//! Decisions: what comes out of them, and what no rule file can switch off.

use std::{collections::BTreeMap, fmt::Write as _};

use countersign_core::{
    decision::{Decision, Outcome, RuleStatus},
    rules::{Rules, decide, engine, weigh},
    snapshot::{Kind, Snapshot, WaiverView},
};
use insta::assert_snapshot;

use super::{NOW, SCOPE, approve, id, ids, parsed, rule_file, shipped_rules, snapshot, target};

/// A decision as a reader sees it.
fn told(decision: &Decision) -> String {
    let mut text = decision.outcome.to_string();
    for rule in &decision.rules {
        write!(text, "\n{} {}", rule.id, rule.status).unwrap();
        for target in &rule.targets {
            write!(text, " {target}").unwrap();
        }
        for todo in &rule.obligations {
            let who: Vec<&str> = todo.who.iter().map(|id| id.as_str()).collect();
            write!(text, "\n  {} by [{}]: {}", todo.missing, who.join(", "), todo.how).unwrap();
        }
    }
    text
}

fn shipped(snapshot: &Snapshot) -> String {
    told(&decide(shipped_rules(), snapshot, NOW))
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
    targets-known satisfied
    identities-known satisfied
    no-rejection satisfied
    ai-assisted-senior not applicable
    documented satisfied
    fresh-guidance not applicable
    owner-approves unsatisfied checkout/production search/production
      1 approval by an owner of the system (checkout, search) by [grace]: countersign approve 9f2c4e6a81d0 --git .
    second-pair-of-eyes unsatisfied checkout/production search/production
      1 approval by somebody who had no hand in the change by [barbara, grace, linus]: countersign approve 9f2c4e6a81d0 --git .
    tier-1-senior unsatisfied checkout/production
      1 approval by a senior by [barbara, grace]: countersign approve 9f2c4e6a81d0 --git .
      2 approvals by people who had no hand in the change by [barbara, grace, linus]: countersign approve 9f2c4e6a81d0 --git .
    ");
}

#[test]
fn an_approved_change_may_go() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    assert_snapshot!(shipped(&snapshot), @"
    allow
    targets-known satisfied
    identities-known satisfied
    no-rejection satisfied
    ai-assisted-senior not applicable
    documented satisfied
    fresh-guidance not applicable
    owner-approves satisfied
    second-pair-of-eyes satisfied
    tier-1-senior not applicable
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
      "change": "9f2c4e6a81d0",
      "revision": 1,
      "targets": [
        "checkout/production"
      ],
      "decided_at": 1775001600000,
      "engine": "countersign-core 0.1.0 cedar 4.6.0 schema 1",
      "rules_digest": "sha256:08f0bceabad2b453024fbd0e9e350d93fec0ab3d70a4f3a5a14797f51103062f",
      "snapshot_digest": "sha256:d1e9478b748b04e84ca54e802702e2e200caebf3fff03391a64107df4630eb61",
      "rules": [
        {
          "id": "targets-known",
          "status": "satisfied",
          "mode": "enforce",
          "strength": "mandatory",
          "requires": "every target is in the catalog",
          "because": "Rules are asked target by target; without one, none of them would be.",
          "targets": [],
          "obligations": [],
          "error": null
        },
        {
          "id": "identities-known",
          "status": "satisfied",
          "mode": "enforce",
          "strength": "mandatory",
          "requires": "everybody who had a hand in the change is known",
          "because": "Only who is known to have made a change can be told apart from a second pair of eyes.",
          "targets": [],
          "obligations": [],
          "error": null
        },
        {
          "id": "no-rejection",
          "status": "satisfied",
          "mode": "enforce",
          "strength": "mandatory",
          "requires": "nobody's rejection of this revision stands",
          "because": "One person who saw a problem outweighs any number who did not.",
          "targets": [],
          "obligations": [],
          "error": null
        },
        {
          "id": "owners",
          "status": "unsatisfied",
          "mode": "enforce",
          "strength": "waivable",
          "requires": "1 approval by an owner of the system",
          "because": "Because.",
          "targets": [
            "checkout/production"
          ],
          "obligations": [
            {
              "missing": "1 approval by an owner of the system (checkout)",
              "who": [
                "grace"
              ],
              "how": "countersign approve 9f2c4e6a81d0 --git ."
            }
          ],
          "error": null
        }
      ]
    }
    "#);
}

#[test]
fn the_engine_names_its_parts() {
    assert_snapshot!(engine(), @"countersign-core 0.1.0 cedar 4.6.0 schema 1");
}

#[test]
fn unmapped_identities_deny() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.unmapped = ["3fa9".to_owned()].into();
    assert_snapshot!(shipped(&snapshot), @"
    deny
    targets-known satisfied
    identities-known unsatisfied checkout/production
      who 3fa9 is by [barbara, grace, linus]: countersign identify 9f2c4e6a81d0 --identity 3fa9 --as PERSON
    no-rejection satisfied
    ai-assisted-senior not applicable
    documented satisfied
    fresh-guidance not applicable
    owner-approves satisfied
    second-pair-of-eyes satisfied
    tier-1-senior not applicable
    ");
}

#[test]
fn nobody_known_to_have_made_it_denies() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.contributors.clear();
    assert_snapshot!(shipped(&snapshot), @"
    deny
    targets-known satisfied
    identities-known unsatisfied checkout/production
      anybody who made the change by [ada, barbara, grace, linus]: countersign identify 9f2c4e6a81d0 --identity REF --as PERSON
    no-rejection satisfied
    ai-assisted-senior not applicable
    documented satisfied
    fresh-guidance not applicable
    owner-approves unsatisfied checkout/production
      1 approval by an owner of the system (checkout) by [ada]: countersign approve 9f2c4e6a81d0 --git .
    second-pair-of-eyes unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [ada, barbara, linus]: countersign approve 9f2c4e6a81d0 --git .
    tier-1-senior not applicable
    ");
}

#[test]
fn a_rejection_outweighs_approvals() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace", "barbara"]);
    snapshot.rejected_by = ids(&["linus"]);
    assert_snapshot!(shipped(&snapshot), @"
    deny
    targets-known satisfied
    identities-known satisfied
    no-rejection unsatisfied checkout/production
      linus rejected this revision by [linus]: a new revision (countersign revise 9f2c4e6a81d0), or linus lifts the rejection
    ai-assisted-senior not applicable
    documented satisfied
    fresh-guidance not applicable
    owner-approves satisfied
    second-pair-of-eyes satisfied
    tier-1-senior not applicable
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
      at least one target by [ada]: propose it again: countersign propose --target SYSTEM/ENVIRONMENT …
    identities-known satisfied
    no-rejection satisfied
    ai-assisted-senior not applicable
    documented not applicable
    fresh-guidance not applicable
    owner-approves not applicable
    second-pair-of-eyes not applicable
    tier-1-senior not applicable
    ");
}

#[test]
fn without_rules_everything_is_denied() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    let none = Rules::parse(&Default::default()).unwrap();
    assert_snapshot!(told(&decide(&none, &snapshot, NOW)), @"
    deny
    targets-known satisfied
    identities-known satisfied
    no-rejection satisfied
    rules-loaded unsatisfied checkout/production
      rules: none are in force by [ada, barbara, grace, linus]: countersign amend HOME --why REASON
    ");
}

#[test]
fn a_second_person_is_needed_whatever_the_rules_say() {
    let lenient = parsed(&rule_file(
        "lenient",
        "shadow",
        "waivable",
        "approval:independent:1",
        &format!("{SCOPE} when {{ resource.production }} unless {{ resource.approvals.independent >= 1 }};"),
    ));
    let mut snapshot = snapshot();
    assert_snapshot!(told(&decide(&lenient, &snapshot, NOW)), @"
    deny
    targets-known satisfied
    identities-known satisfied
    no-rejection satisfied
    lenient unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [barbara, grace, linus]: countersign approve 9f2c4e6a81d0 --git .
    floor unsatisfied checkout/production
      1 approval by somebody who had no hand in the change by [barbara, grace, linus]: countersign approve 9f2c4e6a81d0 --git .
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
    snapshot.waivers = vec![WaiverView { rule: "two-people".parse().unwrap(), by: id("barbara") }];
    let decision = decide(&waivable, &snapshot, NOW);
    assert_eq!(status(&decision, "two-people"), Some(RuleStatus::Waived));
    assert_eq!(status(&decision, "floor"), Some(RuleStatus::Unsatisfied));
    assert_eq!(decision.outcome, Outcome::Deny);
}

#[test]
fn shadow_and_advice_are_listed_and_do_not_bind() {
    for (mode, strength) in [("shadow", "waivable"), ("shadow", "advisory"), ("enforce", "advisory")] {
        let never = parsed(&rule_file("never", mode, strength, "disclosure", &format!("{SCOPE};")));
        let mut snapshot = snapshot();
        approve(&mut snapshot, &["grace"]);
        let decision = decide(&never, &snapshot, NOW);
        assert_eq!(status(&decision, "never"), Some(RuleStatus::Unsatisfied));
        assert_eq!(decision.outcome, Outcome::Allow, "{mode} {strength}");
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
    assert_snapshot!(told(&decide(&rules, &snapshot, NOW)), @"
    deny
    targets-known satisfied
    identities-known satisfied
    no-rejection satisfied
    first-try unsatisfied checkout/production
      a statement of whether AI assisted by [ada, barbara, grace, linus]: countersign mend 9f2c4e6a81d0
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
        status(&decide(&rules, &snapshot, NOW), "r").unwrap()
    };
    for scope in ["System::\"checkout\"", "Environment::\"production\"", "Kind::\"code\"", "Group::\"payments\""] {
        assert_eq!(scoped(scope), RuleStatus::Unsatisfied, "{scope}");
    }
    for scope in ["System::\"checkout2\"", "Environment::\"prod\"", "Kind::\"config\"", "Group::\"checkout\""] {
        assert_eq!(scoped(scope), RuleStatus::NotApplicable, "{scope}");
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
        assert_eq!(sliced.rules, whole.rules);
        let mut statuses: Vec<String> = sliced.rules.iter().map(|rule| rule.status.to_string()).collect();
        statuses.sort();
        statuses.dedup();
        assert_eq!(statuses, ["not applicable", "satisfied", "unsatisfied"]);
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
        assert_eq!(statuses[&rule.rule.id], rule.status);
    }
}
