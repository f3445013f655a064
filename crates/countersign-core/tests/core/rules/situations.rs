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

/// A rule that applies where `when` holds, and asks for two.
fn two(when: &str, yaml: &str) -> String {
    let conditions = format!("when {{ {when} }} unless {{ resource.approvals.independent >= 2 }}");
    situations("approval:independent:2", &conditions, "", yaml)
}

#[test]
fn who_proposed_it() {
    let told = two(
        "resource.proposer in Countersign::Group::\"contractors\"",
        "
- name: in the group
  given: { proposer: linus, groups: { contractors: [linus] }, approvals: [ada] }
  expect: { status: unsatisfied, missing: [1 more approval by somebody who had no hand in the change] }
- name: not in it
  given: { proposer: ada, groups: { contractors: [linus] } }
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: in the group
    ok  r: not in it
    ");
    let told = two(
        "resource.proposer_kind != \"person\"",
        "
- name: the change of a robot takes two people
  given: { proposer: renovate, proposer_kind: workload, approvals: [ada] }
  expect: { status: unsatisfied }
- name: that of a person does not
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: the change of a robot takes two people
    ok  r: that of a person does not
    ");
    let told = two(
        "resource.proposer == Countersign::Person::\"linus\"",
        "
- name: one of us
  given: { proposer: linus }
  expect: { status: unsatisfied }
- name: another
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: one of us
    ok  r: another
    ");
}

#[test]
fn who_had_a_hand_in_it() {
    let told = two(
        "!resource.contributor_groups.all.contains(Countersign::Group::\"docs\")",
        "
- name: all of one group
  given: { contributors: [linus], groups: { docs: [ada, linus] } }
  expect: { status: not_applicable }
- name: some of it
  given: { contributors: [linus], groups: { docs: [ada] } }
  expect: { status: unsatisfied }
- name: one who is only claimed to have had a hand counts, too
  given: { claimed: [linus], groups: { docs: [ada] } }
  expect: { status: unsatisfied }
",
    );
    assert_snapshot!(told, @"
    ok  r: all of one group
    ok  r: some of it
    ok  r: one who is only claimed to have had a hand counts, too
    ");
    let told = two(
        "resource.contributor_groups.any.contains(Countersign::Group::\"contractors\")",
        "
- name: one of them
  given: { contributors: [linus], groups: { contractors: [linus] }, approvals: [barbara] }
  expect: { status: unsatisfied }
- name: an approver who is one of them is none of those
  given: { groups: { contractors: [linus] }, approvals: [linus] }
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: one of them
    ok  r: an approver who is one of them is none of those
    ");
    let told = two(
        "resource.contributors == [Countersign::Person::\"ada\"]",
        "
- name: alone
  expect: { status: unsatisfied }
- name: with others
  given: { contributors: [linus] }
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: alone
    ok  r: with others
    ");
}

#[test]
fn both_of_two_teams_by_different_people() {
    let parts = "group:red:1+group:blue:1";
    let told = situations(
        &format!("approval:apart:{parts}"),
        &format!("unless {{ resource.approvals.apart[\"{parts}\"] }}"),
        "",
        "
- name: one of each
  given: { groups: { red: [grace], blue: [linus] }, approvals: [grace, linus] }
  expect: { status: satisfied }
- name: somebody who is in both is one of the two
  given: { groups: { red: [grace], blue: [grace, linus] }, approvals: [grace] }
  expect:
    status: unsatisfied
    missing: ['1 more approval by somebody of group blue, by people who count for nothing else of it']
    who: [linus]
- name: and leaves the other place to whom it fits
  given: { groups: { red: [grace, linus], blue: [grace] }, approvals: [grace, linus] }
  expect: { status: satisfied }
- name: two of the same team
  given: { groups: { red: [grace, linus], blue: [barbara] }, approvals: [grace, linus] }
  expect: { status: unsatisfied, who: [barbara] }
- name: nobody yet
  given: { groups: { red: [grace], blue: [linus] } }
  expect: { status: unsatisfied, who: [grace, linus] }
",
    );
    assert_snapshot!(told, @"
    ok  r: one of each
    ok  r: somebody who is in both is one of the two
    ok  r: and leaves the other place to whom it fits
    ok  r: two of the same team
    ok  r: nobody yet
    ");
}

#[test]
fn which_paths_it_touches() {
    let docs = "docs/** | **/*.md";
    let told = two(
        &format!("!resource.paths.only[\"{docs}\"]"),
        "
- name: only documentation
  given: { paths: { docs/a.txt: modified, README.md: added } }
  expect: { status: not_applicable }
- name: code, too
  given: { paths: { docs/a.txt: modified, src/main.rs: modified } }
  expect: { status: unsatisfied }
- name: a link among the documents could point anywhere
  given: { paths: { docs/a.txt: link } }
  expect: { status: unsatisfied }
- name: nothing at all
  expect: { status: unsatisfied }
",
    );
    assert_snapshot!(told, @"
    ok  r: only documentation
    ok  r: code, too
    ok  r: a link among the documents could point anywhere
    ok  r: nothing at all
    ");
    let told = two(
        "resource.paths.deleted[\"migrations/**\"] || resource.paths.added[\"migrations/*\"]",
        "
- name: a file goes
  given: { paths: { migrations/1/up.sql: deleted } }
  expect: { status: unsatisfied }
- name: one is new, but deeper
  given: { paths: { migrations/1/up.sql: added } }
  expect: { status: not_applicable }
- name: one is new
  given: { paths: { migrations/2.sql: added } }
  expect: { status: unsatisfied }
- name: one is another
  given: { paths: { migrations/2.sql: modified } }
  expect: { status: not_applicable }
",
    );
    assert_snapshot!(told, @"
    ok  r: a file goes
    ok  r: one is new, but deeper
    ok  r: one is new
    ok  r: one is another
    ");
    let pattern = |text: &str| {
        let body = format!("{SCOPE} when {{ resource.paths.touched[\"{text}\"] }} unless {{ resource.ai.disclosed }};");
        Rules::parse(&one(&rule_file("r", "enforce", "waivable", "disclosure", &body))).unwrap_err().to_string()
    };
    assert_snapshot!(pattern("/etc/**"), @r#"
    a.cedar:1: `/etc/**` is not a pattern of paths: paths begin at the repository's root, without a `/` or `./` before them
      hint: patterns as in gate.yaml, with `|` between them: `resource.paths.only["docs/** | **/*.md"]`
    "#);
    assert_snapshot!(pattern("docs/"), @r#"
    a.cedar:1: `docs/` is not a pattern of paths: it names a folder, and paths are of files: `docs/**` means all of it
      hint: patterns as in gate.yaml, with `|` between them: `resource.paths.only["docs/** | **/*.md"]`
    "#);
}

#[test]
fn how_an_approval_was_signed_and_seen() {
    let told = situations(
        "approval:verified:1, approval:touch:2, approval:material:1",
        "unless {
           resource.approvals.verified >= 1 && resource.approvals.touch >= 2 && resource.approvals.material >= 1
         }",
        "",
        "
- name: as it has to be
  given: { approvals: [grace, linus], signed: { grace: verified shown, linus: touch computed } }
  expect: { status: satisfied }
- name: with keys in software
  given: { approvals: [grace, linus], signed: { grace: computed, linus: computed } }
  expect:
    status: unsatisfied
    missing: [1 approval by somebody whose key checks a PIN or a finger, 2 approvals by people who touch a hardware key]
- name: a page that a server made is not the content at hand
  given: { approvals: [grace, linus], signed: { grace: verified shown, linus: touch shown } }
  expect: { status: unsatisfied, missing: [1 approval by somebody with the content at hand] }
",
    );
    assert_snapshot!(told, @"
    ok  r: as it has to be
    ok  r: with keys in software
    ok  r: a page that a server made is not the content at hand
    ");
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
