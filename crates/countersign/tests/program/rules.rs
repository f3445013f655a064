//! `countersign rules`.

use insta::assert_snapshot;

use crate::support::Stage;

const RULE: &str = r#"@id("two-people")
@requires("approval:independent:2")
@because("Four eyes see more than two.")
@remedy("countersign approve {change}")
@mode("enforce")
@strength("mandatory")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production }
unless { resource.approvals.independent >= 2 };
"#;

const CASE: &str = "- name: one is not two\n  given: { approvals: [grace] }\n  expect: { status: unsatisfied }\n";

#[test]
fn rules_that_hold() {
    let stage = Stage::new();
    stage.write("rules/two-people.cedar", RULE);
    stage.write("rules/two-people.cases.yaml", CASE);
    assert_snapshot!(stage.run("rules check rules"), @r"
    status 0
    --- stdout
    ok  two-people (enforce, mandatory): 2 approvals by people who had no hand in the change
    1 rule, 0 findings
    ");
    assert_snapshot!(stage.run("rules test rules"), @r"
    status 0
    --- stdout
    ok  two-people: one is not two
    1 case, 0 failed
    ");
    assert_eq!(stage.run("rules check rules --format json").json()["findings"], serde_json::json!([]));
    assert_eq!(stage.run("--format json rules test rules").json()["passed"], 1);
}

#[test]
fn a_rule_that_asks_for_other_than_it_says() {
    let stage = Stage::new();
    stage.write("rules/two-people.cedar", &RULE.replace(">= 2", ">= 1"));
    stage.write("rules/two-people.cases.yaml", CASE);
    assert_snapshot!(stage.run("rules check rules"), @r"
    status 1
    --- stdout
    1 finding  two-people (enforce, mandatory): 2 approvals by people who had no hand in the change
    two-people.cedar:1: rule two-people: without approval:independent:2 it is still met for a code change of checkout/production (tier 1, production), AI declared, 4 people, 1 cited documents: @requires says more than the condition asks
    1 rule, 1 finding
    ");
    assert_snapshot!(stage.run("rules test rules"), @r"
    status 1
    --- stdout
    FAILED  two-people: one is not two
            status: expected unsatisfied, but it is satisfied
    1 case, 1 failed
    ");
}

#[test]
fn a_rule_that_does_not_parse() {
    let stage = Stage::new();
    stage.write("rules/two-people.cedar", &RULE.replace("independent >= 2", "idependent >= 2"));
    assert_snapshot!(stage.run("rules check rules"), @r"
    status 1
    --- stderr
    error: rules/two-people.cedar:9: it does not fit the schema: attribute `approvals.idependent` on entity type `Countersign::Change` not found
    hint: did you mean `independent`?
    ");
    assert_snapshot!(stage.run("rules check rules --format json"), @r#"
    status 1
    --- stderr
    {"error":{"code":"rules-invalid","message":"rules/two-people.cedar:9: it does not fit the schema: attribute `approvals.idependent` on entity type `Countersign::Change` not found","hint":"did you mean `independent`?"}}
    "#);
}

#[test]
fn folders_without_rules() {
    let stage = Stage::new();
    stage.write("rules/readme.md", "");
    assert_snapshot!(stage.run("rules check rules"), @r"
    status 1
    --- stderr
    error: rules: there is no .cedar file in it
    hint: `countersign init` writes the shipped rules into a home's rules/; start from those
    ");
    assert_snapshot!(stage.run("rules test nowhere"), @"
    status 1
    --- stderr
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is the folder with the `.cedar` files, such as the rules/ of a home; is the path right?
    ");
    stage.write("rules/two-people.cedar", RULE);
    assert_snapshot!(stage.run("rules test rules"), @"
    status 1
    --- stderr
    error: there is no .cases.yaml file in rules; without a case are two-people
    hint: write the cases of rule RULE into RULE.cases.yaml beside it
    ");
    stage.write("rules/three-people.cases.yaml", CASE);
    assert_snapshot!(stage.run("rules test rules"), @r"
    status 1
    --- stderr
    error: rules/three-people.cases.yaml: there is no rule `three-people`
    ");
}

#[test]
fn a_new_rule_holds_as_it_is_written() {
    let stage = Stage::new();
    let run = stage.run_words(&[
        "rules",
        "new",
        "payments-look",
        "--requires",
        "approval:group:payments:2, document:risk:40",
    ]);
    assert_eq!(run.status, 0, "{run}");
    assert_snapshot!(stage.run("rules check rules"), @"
    status 0
    --- stdout
    ok  payments-look (watch, waivable): 2 approvals by people of group payments; the risk, in 40 characters or more
    1 rule, 0 findings
    ");
    assert_snapshot!(stage.run("rules test rules"), @"
    status 0
    --- stdout
    ok  payments-look: with all that it asks for
    ok  payments-look: with nothing of it
    ok  payments-look: not outside of production
    3 cases, 0 failed
    ");
    assert_snapshot!(stage.read("rules/payments-look.cases.yaml"), @"
    # What is not given is harmless: docs/rules.md says what there is.
    - name: with all that it asks for
      given:
        people: { ada: owner, grace: senior owner, linus: senior owner }
        approvals: [grace, linus]
        groups: { payments: [grace, linus] }
        documents: { why: 40, risk: 40, rollback: 40, tests: 40 }
      expect: { status: satisfied }
    - name: with nothing of it
      given:
        tier: 3
        documents: { why: 0, risk: 0, rollback: 0, tests: 0 }
        ai: unknown
        guidance: { docs/runbook.md: -1 }
      expect: { status: unsatisfied }
    - name: not outside of production
      given: { environment: staging }
      expect: { status: not_applicable }
    ");
    // Into a folder that has rules.
    let run = stage.run("--format json rules new other --dir rules");
    assert_eq!(run.json()["files"], serde_json::json!(["rules/other.cedar", "rules/other.cases.yaml"]));
    assert_eq!(stage.run("rules test rules").status, 0);
}

#[test]
fn a_new_rule_takes_no_name_twice_and_asks_only_for_what_there_is() {
    let stage = Stage::new();
    stage.write("rules/of-old.cedar", RULE);
    assert_snapshot!(stage.run("rules new two-people"), @"
    status 1
    --- stderr
    error: there is a rule `two-people` already: rules/of-old.cedar:1
    hint: edit that one, or take another name
    ");
    stage.write("rules/here.cases.yaml", CASE);
    assert_snapshot!(stage.run("rules new here"), @"
    status 1
    --- stderr
    error: there is a rule `here` already: rules/here.cases.yaml
    hint: edit that one, or take another name
    ");
    assert_snapshot!(stage.run("rules new Two"), @"
    status 2
    --- stderr
    error: invalid value 'Two' for '<NAME>': `Two` is not a valid rule id: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit

    For more information, try '--help'.
    ");
    assert_snapshot!(stage.run("rules new two --requires approval:owners:1"), @"
    status 2
    --- stderr
    error: --requires: `approval:owners:1` is no requirement
    hint: did you mean `approval:owner:N`? N is 1 to 9
    ");
    assert!(!stage.path("rules/two.cedar").exists());
}

const CATALOG: &str = "apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: owners }
spec: { children: [] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: checkout, annotations: { countersign/tier: \"1\" } }
spec: { owner: owners }
";

/// A catalog of these people, each with a key of their own.
fn catalog(stage: &Stage, people: &[&str]) {
    let mut text = CATALOG.to_owned();
    for name in people {
        stage.key(name);
        let key = stage.read(&format!("{name}.pub"));
        text.push_str(&format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
             countersign/level: senior\n    countersign/keys: {}\nspec:\n  profile:\n    email: {name}@example.com\n  \
             memberOf: [owners]\n",
            key.trim()
        ));
    }
    stage.write("catalog/all.yaml", &text);
}

#[test]
fn what_will_be_asked_is_told_from_folders_alone() {
    let stage = Stage::new();
    stage.write("rules/two-people.cedar", RULE);
    stage.write(
        "rules/staging.cedar",
        &RULE.replace("two-people", "staging").replace("resource.production", "resource.tier == 4"),
    );
    catalog(&stage, &["ada", "grace", "linus"]);
    stage.write("flags.json", "{}\n");
    let folders = "--rules rules --catalog catalog --target checkout/production";
    assert_snapshot!(stage.run(&format!("rules explain {folders} --file flags.json --by ada")), @"
    status 0
    --- stdout
    config change of checkout/production, proposed by ada
    it brings flags.json
      two-people             unsatisfied
        asks:    2 approvals by people who had no hand in the change
        missing: 2 approvals by people who had no hand in the change
        who:     grace, linus
        because: Four eyes see more than two.
      for example: grace and linus approve, and no approval is missing
      1 rule does not apply
    ");
    let json = stage.run(&format!("--format json --key grace rules explain {folders}")).json();
    assert_eq!((&json["by"], &json["outcome"], &json["not_applicable"]), (&"grace".into(), &"deny".into(), &1.into()));
    assert_eq!(json["rules"][0]["missing"][0]["who"], serde_json::json!(["ada", "linus"]));
    assert_eq!(json["enough"], serde_json::json!(["ada", "linus"]));
    assert_snapshot!(stage.run("rules explain --rules rules --catalog catalog --target shop/production"), @"
    status 1
    --- stderr
    error: `shop/production`: the catalog knows no system `shop`
    ");
    assert_snapshot!(stage.run(&format!("rules explain {folders} --by nobody")), @"
    status 1
    --- stderr
    error: the catalog has nobody called `nobody`
    hint: --by takes the metadata.name of a User
    ");
}

#[test]
fn names_are_compared_with_the_catalog_beside_the_rules() {
    let stage = Stage::new();
    let named = "resource.production && resource in Countersign::System::\"chekout\"";
    stage.write("home/rules/two-people.cedar", &RULE.replace("resource.production", named));
    assert_eq!(stage.run("rules check home/rules").status, 0);
    let group = "kind: Group\nmetadata:\n  name: shop\nspec:\n  type: team\n  children: []\n";
    let system = "kind: System\nmetadata:\n  name: checkout\nspec:\n  owner: shop\n";
    let of = |text: &str| format!("apiVersion: backstage.io/v1alpha1\n{text}");
    stage.write("home/catalog/all.yaml", &format!("{}---\n{}", of(group), of(system)));
    assert_snapshot!(stage.run("rules check home/rules"), @r"
    status 1
    --- stdout
    1 finding  two-people (enforce, mandatory): 2 approvals by people who had no hand in the change
    two-people.cedar:1: rule two-people: the catalog knows no system `chekout`; did you mean `checkout`?
    1 rule, 1 finding
    names are compared with the catalog in home/rules/../catalog
    ");
}
