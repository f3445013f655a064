//! `rules check` and `rules test`: that they find what is wrong.

use std::collections::BTreeMap;

use countersign_core::{
    cases::run_cases,
    requirement::{Choice, Requirement},
    rules::check,
    template::template,
};
use insta::assert_snapshot;

use super::{SCOPE, parsed, rule_file, shipped, shipped_rules};

fn findings(requires: &str, conditions: &str) -> String {
    let rules = parsed(&rule_file("r", "enforce", "waivable", requires, &format!("{SCOPE} {conditions};")));
    check(&rules).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rule_that_asks_for_what_it_says_is_clean() {
    assert_eq!(findings("approval:senior:2", "unless { resource.approvals.senior >= 2 }"), "");
    assert_eq!(
        findings(
            "disclosure",
            "unless { resource.ai.disclosed || resource.ai.status == \"declared\" || !resource.ai.assisted && resource.ai.disclosed }"
        ),
        ""
    );
    assert_eq!(
        findings(
            "approval:owner:1",
            "when { resource in Countersign::System::\"ledger\" && resource in Countersign::Environment::\"dr-site\" } \
             unless { resource.approvals.owner >= 1 }"
        ),
        ""
    );
}

#[test]
fn a_rule_that_never_applies() {
    assert_snapshot!(findings("disclosure", "when { resource.tier == 7 } unless { resource.ai.disclosed }"), @"a.cedar:1: rule r: it applies to no sample change, of any tier, kind or AI status: its condition contradicts itself, or compares with a name or number that does not occur");
}

#[test]
fn a_rule_that_nothing_satisfies() {
    assert_snapshot!(findings("approval:owner:1", ""), @"a.cedar:1: rule r: with everything that @requires names, it is still not met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition asks for more than @requires says");
    assert_snapshot!(findings("approval:owner:1", "unless { resource.approvals.owner >= 2 }"), @"a.cedar:1: rule r: with everything that @requires names, it is still not met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition asks for more than @requires says");
}

#[test]
fn a_rule_that_says_more_than_it_asks() {
    assert_snapshot!(findings("approval:owner:2", "unless { resource.approvals.owner >= 1 }"), @"a.cedar:1: rule r: without approval:owner:2 it is still met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: @requires says more than the condition asks");
    assert_snapshot!(findings("approval:owner:1, document:risk:5", "unless { resource.approvals.owner >= 1 }"), @"a.cedar:1: rule r: without document:risk:5 it is still met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: @requires says more than the condition asks");
}

#[test]
fn each_way_of_a_choice_has_to_do_alone() {
    let either = "approval:owner:1 | approval:senior:1";
    let both_ways = "unless { resource.approvals.owner >= 1 || resource.approvals.senior >= 1 }";
    assert_eq!(findings(either, both_ways), "");
    assert_eq!(
        findings(
            &format!("{either}, document:risk:5"),
            &both_ways.replace('{', "{ resource.documents.risk >= 5 && (").replace('}', ") }")
        ),
        ""
    );
    assert_snapshot!(findings(either, "unless { resource.approvals.owner >= 1 }"), @"a.cedar:1: rule r: without the other ways, `approval:senior:1` does not satisfy it for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition has no such way");
    assert_snapshot!(findings(either, "unless { resource.approvals.senior >= 1 }"), @"a.cedar:1: rule r: with everything that @requires names, it is still not met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition asks for more than @requires says");
    assert_snapshot!(findings("approval:owner:1", both_ways), @"a.cedar:1: rule r: without approval:owner:1 it is met for a code change of checkout/production (tier 1, production), AI declared, 10 people, 1 cited documents once enough other people approve: the condition has a way that @requires does not say");
    assert_snapshot!(findings(either, "unless { resource.approvals.owner >= 1 && resource.approvals.senior >= 1 }"), @"a.cedar:1: rule r: with everything that @requires names, it is still not met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition asks for more than @requires says");
    assert_snapshot!(findings(either, "unless { resource.approvals.independent >= 1 }"), @"a.cedar:1: rule r: without approval:owner:1 | approval:senior:1 it is still met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: @requires says more than the condition asks");
    // A way that is asked of some tiers only is a way there alone.
    assert_eq!(
        findings(
            "approval:senior:1@tier=1 | approval:owner:1",
            "unless { (resource.tier == 1 && resource.approvals.senior >= 1) || resource.approvals.owner >= 1 }"
        ),
        ""
    );
}

/// What different people have to give is more than the sum of it.
#[test]
fn a_condition_that_one_person_could_meet_is_not_met_by_different_people() {
    let apart = "approval:apart:group:red:1+group:blue:1";
    assert_eq!(findings(apart, "unless { resource.approvals.apart[\"group:red:1+group:blue:1\"] }"), "");
    let counts = "unless { resource.approvals.group[\"red\"] >= 1 && resource.approvals.group[\"blue\"] >= 1 }";
    assert_snapshot!(findings(apart, counts), @"a.cedar:1: rule r: without approval:apart:group:red:1+group:blue:1 it is still met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: @requires says more than the condition asks");
    assert_eq!(findings("approval:group:red:1, approval:group:blue:1", counts), "");
    assert_eq!(
        findings(
            "approval:apart:owner:2+senior:1, disclosure",
            "unless { resource.approvals.apart[\"owner:2+senior:1\"] && (resource.ai.disclosed || resource.ai.status == \"declared\") }"
        ),
        ""
    );
}

#[test]
fn groups_are_counted_by_name() {
    let condition = "unless { resource.approvals.group[\"team-a\"] >= 1 || resource.approvals.group[\"team-b\"] >= 2 }";
    assert_eq!(findings("approval:group:team-a:1 | approval:group:team-b:2", condition), "");
    assert_snapshot!(findings("approval:group:team-a:1 | approval:group:team-b:1", condition), @"a.cedar:1: rule r: without the other ways, `approval:group:team-b:1` does not satisfy it for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition has no such way");
    assert_snapshot!(findings("approval:group:team-a:1 | approval:group:team-c:2", condition), @"
    a.cedar:1: rule r: without the other ways, `approval:group:team-c:2` does not satisfy it for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: the condition has no such way
    a.cedar:1: rule r: without approval:group:team-a:1 | approval:group:team-c:2 it is met for a code change of checkout/production (tier 1, production), AI declared, 10 people, 1 cited documents once enough other people approve: the condition has a way that @requires does not say
    ");
    let every = "unless { resource.approvals.group.payments >= 2 && resource.approvals.independent >= 3 }";
    assert_eq!(findings("approval:group:payments:2, approval:independent:3", every), "");
}

#[test]
fn every_shipped_rule_is_found_out_when_it_is_weakened() {
    let files = shipped(".cedar");
    for (name, from, to) in [
        ("tier-1-senior.cedar", "approvals.senior >= 1", "approvals.senior >= 0"),
        ("tier-1-senior.cedar", "approvals.independent >= 2", "approvals.independent >= 1"),
        ("owner-approves.cedar", "owner >= 1", "independent >= 1"),
        ("second-pair-of-eyes.cedar", "independent >= 1 &&\n    !", "independent >= 0 ||\n    !"),
        ("documented.cedar", "documents.tests >= 20", "documents.tests >= 2"),
        ("fresh-guidance.cedar", "guidance.stale == 0", "guidance.stale >= 0"),
        ("ai-assisted-senior.cedar", "resource.ai.disclosed ||", "resource.ai.assisted ||"),
    ] {
        let mut weak = files.clone();
        let text = weak.get_mut(name).unwrap();
        assert!(text.contains(from), "{name}: {from}");
        *text = text.replacen(from, to, 1);
        let rules = countersign_core::rules::Rules::parse(&weak).unwrap_or_else(|error| panic!("{error}"));
        assert!(!check(&rules).is_empty(), "{name}: {from} -> {to} went unnoticed by the check");
        let results = run_cases(&rules, &shipped(".cases.yaml")).unwrap();
        assert!(results.iter().any(|case| !case.passed()), "{name}: {from} -> {to} went unnoticed by the cases");
    }
}

fn cases(file: &str, yaml: &str) -> String {
    match run_cases(shipped_rules(), &BTreeMap::from([(file.to_owned(), yaml.to_owned())])) {
        Ok(results) => results.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_case_that_fails_says_how() {
    let yaml = "
- name: the impossible
  given: { approvals: [linus] }
  expect: { status: satisfied, outcome: allow, missing: [], who: [] }
- name: the usual
  given: { approvals: [grace] }
  expect: { status: satisfied }
";
    assert_snapshot!(cases("rules/owner-approves.cases.yaml", yaml), @r#"
    FAILED  owner-approves: the impossible
            status: expected satisfied, but it is unsatisfied
            outcome: expected allow, but it is deny (by owner-approves)
            missing: expected [], but it is ["1 approval by an owner of the system (checkout)"]
            who: expected [], but it is [grace]
    ok  owner-approves: the usual
    "#);
}

#[test]
fn files_that_are_no_cases() {
    assert_snapshot!(cases("owner-approves.yaml", "[]"), @"owner-approves.yaml: cases are in files named after their rule, such as `owner-approves.cases.yaml`");
    assert_snapshot!(cases("owner-aproves.cases.yaml", "[]"), @"owner-aproves.cases.yaml: there is no rule `owner-aproves`");
    for wrong in ["[platform/main.tf]", "{ modified: [platform/main.tf] }", "{ platform/main.tf: changed }"] {
        let told = cases(
            "documented.cases.yaml",
            &format!("- name: x\n  given: {{ paths: {wrong} }}\n  expect: {{ status: satisfied }}"),
        );
        assert!(told.contains("`paths: {platform/main.tf: modified}`"), "{told}");
    }
    assert_snapshot!(cases("documented.cases.yaml", "- name: x\n  given: { teir: 1 }\n  expect: { status: satisfied }"), @"documented.cases.yaml: unknown field `teir`, expected one of tier, kind, purpose, system, environment, owner, production, revision, proposer, proposer_kind, contributors, claimed, unmapped, approvals, signed, carried, rejected_by, people, groups, ai, disclosed, tools, guidance, documents, title, links, source, branch, commits, approved_hours_ago, paths, standard, evidence, labels, applier, size, frozen, window, working_hours, waiting_hours, worked_hours, findings_overdue, waivers at line 2, column 12");
    assert_snapshot!(cases("documented.cases.yaml", "- name: x\n  given: { tier: 9 }\n  expect: { status: satisfied }"), @"documented.cases.yaml: case `x`: tier 9 is not one of 1, 2, 3, 4");
    assert_snapshot!(cases("documented.cases.yaml", "- name: x\n  given: { people: { ada: boss } }\n  expect: { status: satisfied }"), @"documented.cases.yaml: case `x`: `boss` is none of standard, senior, principal, director, owner, oncall, away");
    let bomb = "- name: &a x\n  given: { unmapped: [*a, *a] }\n  expect: { status: satisfied }";
    assert_snapshot!(cases("documented.cases.yaml", bomb), @"documented.cases.yaml: budget breached: Anchors { anchors: 1 } at line 1, column 12");
}

#[test]
fn requirements_have_one_spelling() {
    for token in [
        "approval:independent:2",
        "approval:owner:1",
        "approval:senior:9@people>=3",
        "approval:group:team-a:2@tier=1",
        "approval:touch:1",
        "approval:apart:group:team-a:1+owner:2",
        "guidance:fresh",
        "document:why:40@tier=1",
        "document:rollback:20@tier<=2",
        "disclosure@tier>=3",
    ] {
        assert_eq!(token.parse::<Requirement>().unwrap().to_string(), token);
    }
    for token in [
        "",
        "approval:independent:0",
        "approval:independent:02",
        "approval:independent:+2",
        "approval:independent:10",
        "approval:independent:2:3",
        "approval:Independent:2",
        " disclosure",
        "disclosure:1",
        "guidance:stale",
        "approval:apart:owner:1",
        "approval:apart:owner:1+owner:2",
        "approval:apart:owner:5+senior:5",
        "approval:apart:group:a+owner:1",
        "approval:group:a b:1",
        "document:why:10001",
        "document:why:40@tier<1",
        "document:why:40@tier<=5",
        "document:why:40@tier<=2@people>=2",
        "document:why:40@",
    ] {
        assert!(token.parse::<Requirement>().is_err(), "{token}");
    }
}

/// A template checks and tests itself; whatever a rule can ask for makes one.
#[test]
fn a_template_of_every_requirement_holds() {
    for requires in [
        "approval:independent:1",
        "approval:owner:2, approval:senior:1",
        "approval:group:payments:1 | approval:group:site-reliability:2, disclosure",
        "approval:apart:group:red:1+group:blue:2",
        "approval:touch:1",
        "approval:verified:9",
        "approval:material:2",
        "guidance:fresh",
        "document:why:20, document:rollback:300@tier<=2",
        "approval:senior:1, approval:independent:2@people>=3",
        "approval:owner:1@tier=1 | approval:senior:1@tier>=3",
        "approval:oncall:1",
        "approval:owner:1, approval:oncall:1",
        "approval:apart:oncall:1+senior:1",
        "approval:present:2",
        "approval:recent:48h:1",
        "document:risk:40, document:tests:60",
        "evidence:tests",
        "title:feat*",
        "link:jira.example.com",
        "commits:signed",
        "label:ready",
        "no-label:hold",
        "no-label:do-not-merge/hold",
        "no-label:hold, no-label:wip, approval:independent:1",
        "label:ready, no-label:hold",
        "applier:apart",
        "window:open",
        "approval:owner:1 | approval:senior:1@waiting>=8wh",
    ] {
        let choices: Vec<Choice> = requires.split(',').map(|choice| choice.trim().parse().unwrap()).collect();
        let made = template(&"made".parse().unwrap(), &choices).unwrap_or_else(|error| panic!("{requires}: {error}"));
        assert_eq!(made.cases.matches("- name:").count(), 3, "{requires}\n{}", made.cases);
    }
    // More people than that is what the check itself brings.
    let few: Choice = "approval:independent:1@people<=2".parse().unwrap();
    let error = template(&"made".parse().unwrap(), &[few]).unwrap_err().to_string();
    assert!(error.starts_with("a rule cannot ask for just this: without approval:independent:1@people<=2"), "{error}");
}

#[test]
fn a_rule_about_size_is_checked_and_tried() {
    let large =
        "when { resource.size.added > 200 || resource.size.files > 20 } unless { resource.approvals.senior >= 1 }";
    assert_eq!(findings("approval:senior:1", large), "");
    let rules = parsed(&rule_file("r", "enforce", "waivable", "approval:senior:1", &format!("{SCOPE} {large};")));
    let yaml = "
- name: of no size in particular it is small
  expect: { status: not_applicable }
- name: as large as that
  given: { size: { files: 20, added: 200, deleted: 9000 } }
  expect: { status: not_applicable }
- name: larger
  given: { size: { files: 1, added: 201, deleted: 0 } }
  expect: { status: unsatisfied }
- name: nobody counted
  given: { size: { files: 1 } }
  expect: { status: unsatisfied }
";
    let results = run_cases(&rules, &BTreeMap::from([("r.cases.yaml".to_owned(), yaml.to_owned())])).unwrap();
    assert!(results.iter().all(countersign_core::cases::CaseResult::passed), "{results:?}");
}
