//! Situations that people bring from other systems, each as a rule and its cases.

use std::collections::BTreeMap;

use countersign_core::{
    cases::run_cases,
    rules::{Rules, check},
};
use insta::assert_snapshot;

use super::{SCOPE, one, parsed, rule_file};

/// A rule that asks for what it says, and what comes of its cases.
fn situations(requires: &str, conditions: &str, annotations: &str, yaml: &str) -> String {
    let body = format!("{annotations}{SCOPE} {conditions};");
    let rules = parsed(&rule_file("r", "enforce", "waivable", requires, &body));
    assert_eq!(check(&rules), []);
    match run_cases(&rules, &BTreeMap::from([("r.cases.yaml".to_owned(), yaml.to_owned())])) {
        Ok(results) => results.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    }
}

fn refusal(annotations: &str, strength: &str) -> String {
    let file = rule_file("r", "enforce", strength, "disclosure", &format!("{annotations}{SCOPE};"));
    Rules::parse(&one(&file)).map(|_| "it parsed".to_owned()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn what_carries_and_who_waives_is_said_in_one_way() {
    for right in ["@carry(\"never\")", "@carry(\"delta\")", "@carry(\"delta@tier>=2\")", "@waivers(\"group:payments\")"]
    {
        assert_eq!(refusal(right, "waivable"), "it parsed", "{right}");
    }
    assert_snapshot!(refusal("@carry(\"always\")", "waivable"), @r#"
    a.cedar:1: `@carry("always")` is not valid
      hint: write `never`, `delta`, or `delta` with a condition: `delta@tier>=2`
    "#);
    assert_snapshot!(refusal("@carry(\"never@tier=1\")", "waivable"), @r#"
    a.cedar:1: `@carry("never@tier=1")` is not valid
      hint: write `never`, `delta`, or `delta` with a condition: `delta@tier>=2`
    "#);
    assert_snapshot!(refusal("@waivers(\"payments\")", "waivable"), @r#"
    a.cedar:1: `@waivers("payments")` is not valid
      hint: write the group whose people may waive it: `group:NAME`
    "#);
    assert_snapshot!(refusal("@waivers(\"group:payments\")", "mandatory"), @r#"
    a.cedar:1: a mandatory rule cannot be waived, and says who may
      hint: leave `@waivers` out, or write `@strength("waivable")`
    "#);
}

#[test]
fn a_rule_says_who_may_waive_it() {
    let told = situations(
        "approval:owner:1",
        "unless { resource.approvals.owner >= 1 }",
        "@waivers(\"group:duty\")",
        "
- name: somebody of the group
  given: { groups: { duty: [linus] }, waivers: { r: linus } }
  expect: { status: waived }
- name: a senior who is not of it
  given: { groups: { duty: [linus] }, waivers: { r: barbara } }
  expect: { status: unsatisfied }
- name: somebody of it who had a hand in the change
  given: { proposer: linus, groups: { duty: [linus] }, waivers: { r: linus } }
  expect: { status: unsatisfied }
",
    );
    assert_snapshot!(told, @"
    ok  r: somebody of the group
    ok  r: a senior who is not of it
    ok  r: somebody of it who had a hand in the change
    ");
}

#[test]
fn one_of_team_a_or_two_of_team_b() {
    let told = situations(
        "approval:group:team-a:1 | approval:group:team-b:2",
        "unless { resource.approvals.group[\"team-a\"] >= 1 || resource.approvals.group[\"team-b\"] >= 2 }",
        "",
        "
- name: one of team a
  given: { groups: { team-a: [grace], team-b: [linus, barbara] }, approvals: [grace] }
  expect: { status: satisfied }
- name: two of team b
  given: { groups: { team-a: [grace], team-b: [linus, barbara] }, approvals: [linus, barbara] }
  expect: { status: satisfied }
- name: one of team b is not enough, and both ways are told
  given: { groups: { team-a: [grace], team-b: [linus, barbara] }, approvals: [linus] }
  expect:
    status: unsatisfied
    missing: ['1 approval by somebody of group team-a, or 1 more approval by somebody of group team-b']
    who: [grace, barbara]
- name: whoever wrote it counts for no team
  given: { proposer: grace, groups: { team-a: [grace] }, approvals: [grace] }
  expect: { status: unsatisfied }
",
    );
    assert_snapshot!(told, @r#"
    ok  r: one of team a
    ok  r: two of team b
    ok  r: one of team b is not enough, and both ways are told
    ok  r: whoever wrote it counts for no team
    "#);
}
