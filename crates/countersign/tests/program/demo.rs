//! The demo: the first thing that somebody sees.

use crate::support::Stage;

#[test]
fn the_demo_plays_to_its_end() {
    let stage = Stage::new();
    let run = stage.run("demo --exit");
    assert_eq!(run.status, 0, "{run}");
    for told in [
        "refused: no change is proposed",
        "second-pair-of-eyes",
        "ana cannot approve",
        "a review of runbooks/traffic.md",
        "[evil-merge]",
        "verified\n",
        "Good \"countersign\" signature for ben",
        "not verified: the first broken leaf is",
        "[gone-round]",
        "What you have seen",
    ] {
        assert!(run.stdout.contains(told), "the demo does not tell `{told}`:\n{}", run.stdout);
    }
}

#[test]
fn the_demo_keeps_its_directory_when_asked_and_takes_no_other() {
    let stage = Stage::new();
    stage.write("mine/file", "mine");
    let run = stage.run("demo --exit --dir mine");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("mine is not empty"), "{run}");
    assert_eq!(stage.read("mine/file"), "mine");
}
