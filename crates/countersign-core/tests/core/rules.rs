//! Rules: the shipped ones, decisions by them, and what is refused.

use std::{collections::BTreeMap, fs, path::Path};

use countersign_core::rules::{Rules, check, run_cases};

/// The files of the top-level folder `rules` that end so.
fn shipped(suffix: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(suffix))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn shipped_rules() -> Rules {
    Rules::parse(&shipped(".cedar")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn shipped_rules_answer_their_cases() {
    let cases = shipped(".cases.yaml");
    let results = run_cases(&shipped_rules(), &cases).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<String> = results.iter().filter(|result| !result.passed()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for rule in shipped_rules().iter() {
        assert!(results.iter().any(|result| result.rule == rule.id), "{} has no cases", rule.id);
    }
}

#[test]
fn shipped_rules_ask_for_what_they_say() {
    let findings = check(&shipped_rules());
    assert!(findings.is_empty(), "{}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}
