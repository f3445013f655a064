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
