//! Situations that people bring from other systems, each as a rule and its cases.

use std::collections::BTreeMap;

use countersign_core::{cases::run_cases, rules::check};
use insta::assert_snapshot;

use super::{SCOPE, parsed, rule_file};

/// A rule that asks for what it says, and what comes of its cases.
fn situations(requires: &str, conditions: &str, yaml: &str) -> String {
    let rules = parsed(&rule_file("r", "enforce", "waivable", requires, &format!("{SCOPE} {conditions};")));
    assert_eq!(check(&rules), []);
    match run_cases(&rules, &BTreeMap::from([("r.cases.yaml".to_owned(), yaml.to_owned())])) {
        Ok(results) => results.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn one_of_team_a_or_two_of_team_b() {
    let told = situations(
        "approval:group:team-a:1 | approval:group:team-b:2",
        "unless { resource.approvals.group[\"team-a\"] >= 1 || resource.approvals.group[\"team-b\"] >= 2 }",
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
