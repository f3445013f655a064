//! Numbers: those that a proposal says, and those that an audit counts with it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{ADA, FOUNDERS, GRACE, LINUS, Line, stage};
use crate::audit::slice;

/// What is proposed beside the rules is what the audit that is recommended next counts.
#[test]
fn an_audit_with_the_proposed_catalog_counts_the_same() {
    let mut line = Line::new();
    for _ in 0..12 {
        line.reviewed(ADA, GRACE, "src/a");
        line.change(LINUS, "mine", &["src/a"], &[]);
    }
    // It reaches far, in a system of tier 3.
    line.change(ADA, "build", &["src/.github/workflows/ci.yml"], &[]);
    line.change(LINUS, "Revert \"build\"", &["src/.github/workflows/ci.yml"], &[]);
    line.reviewed(ADA, LINUS, "infra/main.tf");
    line.change(LINUS, "grow", &["infra/main.tf", "src/a"], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    let from = &run.json()["from"];
    let tiers: Vec<Value> =
        from["systems"].as_array().unwrap().iter().map(|s| json!([s["system"], s["tier"]])).collect();
    assert_eq!(json!(tiers), json!([["src", 3], ["infra", 1]]));
    let audit = stage.audit("shop.git --rules home/rules --catalog home/catalog");
    let counted = |rules: &Value| -> Vec<Value> {
        let rule = |rule: &Value| json!([rule["id"], rule["stopped"], rule["stopped_reverted"], rule["mode"]]);
        rules.as_array().unwrap().iter().map(rule).collect()
    };
    assert_eq!(counted(&audit["rules"]), counted(&from["rules"]));
    let caveats = audit["caveats"].to_string();
    assert!(caveats.contains("of the tier that the catalog gives it today"), "{caveats}");
    assert!(caveats.contains("(of tier 1: 2)"), "{caveats}");
    let run = stage.run(&format!("init other --name log --from shop.git {FOUNDERS}"));
    assert!(run.stdout.contains("Of 28 changes, 1 was later reverted."), "{run}");
}

/// A slice of a real production configuration, with Gerrit's votes.
#[test]
fn a_real_history() {
    let stage = stage(&slice::read("operations-puppet"));
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let from = &run.json()["from"];
    let of =
        |system: &Value| json!([system["system"], system["tier"], system["landed"], system["approvals_supported"]]);
    let systems: Vec<Value> = from["systems"].as_array().unwrap().iter().map(of).collect();
    assert_snapshot!(json!([systems, from["people"]["seniors"], from["tier_1_approvals"]]), @r#"[[["manifests",1,163,14],["files",3,65,12],["templates",3,53,11],["everything-else",3,1,1]],[],2]"#);
    assert_eq!(stage.run("rules test home/rules").status, 0);
    let audit = stage.audit("shop.git --rules home/rules --catalog home/catalog");
    assert_eq!(audit["landed"], from["read"]);
}
