//! Whatever the report prints for programs is documented, and nothing else is.

use std::fs;

use serde_json::Value;

use super::{
    GENTLE,
    history::{Commit, EPOCH},
    shop,
};
use crate::support::Stage;

#[test]
fn every_field_is_documented() {
    let stage = Stage::new();
    let mut history = shop();
    history.commit(&Commit { parents: &[5], at: EPOCH + 400_000, message: b"Revert \"prices\"", ..Commit::default() });
    history.commit(&Commit {
        parents: &[6],
        author: "A. L. <ada@shop.test>",
        at: EPOCH + 500_000,
        ..Commit::default()
    });
    // Two who only ever approve each other.
    for (nth, author) in (0..10).zip(["Eve <eve@shop.test>", "Dan <dan@shop.test>"].iter().cycle()) {
        let other = if author.starts_with("Eve") { "Dan <dan@shop.test>" } else { "Eve <eve@shop.test>" };
        let message = format!("x\n\nReviewed-by: {other}");
        let at = EPOCH + 600_000 + nth;
        let parents = &[7 + usize::try_from(nth).unwrap()];
        let commit =
            Commit { parents, author, committer: author, at, message: message.as_bytes(), ..Commit::default() };
        history.commit(&commit);
    }
    let owners: &[(&str, &[u8])] = &[("CODEOWNERS", b"/src/ @org/shop\n")];
    history.commit(&Commit { parents: &[17], at: EPOCH + 700_000, contents: owners, ..Commit::default() });
    stage.bare("r.git", &history);
    fs::create_dir(stage.path("gentle")).unwrap();
    fs::write(stage.path("gentle/gentle.cedar"), GENTLE).unwrap();
    stage.write("reviews.json", r#"[{"number": 1, "mergeCommit": {"oid": "00"}, "reviews": []}]"#);
    let report = stage.audit("r.git --changes --compare gentle --reviews reviews.json");
    assert_eq!(report["rules"][0]["id"], "ai-assisted-senior");
    assert_eq!(report["compare"]["each"].as_array().unwrap().len(), 9, "seven shipped, a gentle one, and the floor");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit-json.md")).unwrap();
    let mut documented: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(field, _)| field)).collect();
    let mut printed = Vec::new();
    fields("", &report, &mut printed);
    printed.sort();
    printed.dedup();
    let missing: Vec<_> = printed.iter().filter(|field| !documented.contains(&field.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "not in docs/audit-json.md");
    // What a log has is told where one is read: `the_approvals_of_a_log_count`.
    documented.retain(|field| !field.starts_with("governed."));
    let gone: Vec<_> = documented.iter().filter(|field| !printed.iter().any(|printed| printed == *field)).collect();
    assert_eq!(gone, Vec::<&&str>::new(), "in docs/audit-json.md, but not printed");
    assert_eq!(report["version"], 1);
    assert!(page.contains("version 1"));
}

/// The names of all fields: `reviewers[].person`.
fn fields(prefix: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                found.push(name.clone());
                fields(&name, value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(&format!("{prefix}[]"), item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
