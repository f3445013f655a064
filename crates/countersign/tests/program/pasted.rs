//! Placeholders that were pasted from a hint or from help as they stand: refused, and nothing is signed.

use crate::{support::Stage, world::World};

#[test]
fn a_placeholder_is_no_word_of_anybody() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    for words in [
        &["propose", "--title", "…", "--why", "so", "--kind", "config", "--file", "ada", "--target", "a/b"][..],
        &["propose", "--title", "TITLE", "--why", "so", "--kind", "config", "--file", "ada", "--target", "a/b"],
        &["propose", "--title", "So", "--why", "<why>", "--kind", "config", "--file", "ada", "--target", "a/b"],
        &["reject", "0123456789ab", "--why", "…"],
        &["reject", "0123456789ab", "--why", " \"...\" "],
        &["reject", "0123456789ab", "--why=REASON"],
        &["revise", "0123456789ab", "--rollback", "TEXT"],
        &["disclose", "0123456789ab", "--tool", "NAME", "--prompted-by", "ada"],
        &["identify", "0123456789ab", "--identity", "REF", "--as", "ada"],
        &["amend", "home", "--why", "REASON"],
        &["epoch", "home", "--why", "<reason>"],
        &["gate", "status", "REPO"],
        &["gate", "status", "home", "--answer", "WHY"],
        &["backup", "backup", "--home", "HOME"],
        &["--url", "URL", "log"],
        &["init", "HOME"],
    ] {
        let run = stage.run_words(words);
        assert_eq!(run.status, 2, "{words:?}: {run}");
        assert!(run.stderr.contains("stands for what is meant"), "{words:?}: {run}");
        let run = stage.run_words(&[words, &["--format", "json"]].concat());
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains("stands for what is meant"), "{run}");
    }
    assert!(!stage.path("HOME").exists(), "a home was made");
}

/// Words that only look like one are what somebody means, and files may be called anything.
#[test]
fn what_is_meant_is_taken() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("HOME")).unwrap();
    let run = stage.run("doctor --home HOME");
    assert!(!run.stderr.contains("stands for what is meant"), "{run}");

    let world = World::usual();
    world.edit("topic", "search/limit", "20\n");
    let change = world.propose("alice", &["search/production"]);
    let run = world.say("bob", &["reject", &change, "--why", "wait for <why>, HOME and …"]);
    assert_eq!(run.status, 0, "{run}");
    let run = world.say(
        "alice",
        &[
            "propose",
            "--title",
            "…",
            "--why",
            "so",
            "--kind",
            "config",
            "--file",
            "alice",
            "--target",
            "search/production",
        ],
    );
    assert_eq!(run.status, 2, "{run}");
    assert_eq!(world.say("alice", &["list"]).json().as_array().unwrap().len(), 1);
}
