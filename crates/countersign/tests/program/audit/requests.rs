//! `countersign audit --reviews`: what the forge tells.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::history::{Commit, EPOCH, History};
use crate::{support::Stage, world::World};

/// Where a forge squashes, git sees nothing; the forge exports who looked.
#[test]
fn reviews_that_stayed_with_the_forge_are_brought_from_there() {
    let stage = Stage::new();
    let squash = |subject| Commit { committer: "GitHub <noreply@github.com>", message: subject, ..Commit::default() };
    let mut history = History::default();
    history.commit(&squash(b"begin (#1)"));
    history.commit(&Commit { parents: &[1], at: EPOCH + 100, ..squash(b"prices (#2)") });
    stage.bare("r.git", &history);
    assert_eq!(stage.audit("r.git")["grades"]["opaque"], 2);
    let text = stage.run("audit r.git").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("countersign audit --reviews-help"), "{text}");
    let ids = stage.git(&["-C", "r.git", "log", "--format=%H", "main"]);
    let ids: Vec<&str> = ids.lines().collect();
    let of = |id: &str, reviews: Value| json!({"number": 1, "author": {"login": "ada"}, "mergedBy": {"login": "ada"}, "mergeCommit": {"oid": id}, "reviews": reviews});
    let approved = json!([{"author": {"login": "grace"}, "state": "APPROVED", "submittedAt": "2026-03-01T12:00:00Z"}]);
    let export = json!([of(ids[0], approved), of(ids[1], json!([])), of("00", json!([]))]);
    stage.write("reviews.json", &export.to_string());
    // Given twice it says nothing more.
    let report = stage.audit("r.git --changes --reviews reviews.json --reviews reviews.json");
    assert_eq!(report["forge_reviews"], json!({"requests": 3, "landed": 2}));
    assert_eq!((&report["grades"]["named"], &report["grades"]["self_merged"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["reviewers"][0]["person"], "grace");
    let text = stage.run("audit r.git --reviews reviews.json").stdout;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("The forge tells of 3 merged requests, of which 2 landed here."), "{text}");
    assert!(
        text.starts_with("Git and the forge carry a second person for 50%") && text.contains("nobody signed"),
        "{text}"
    );
    // One that stopped at a limit.
    let full = Value::Array((0..30).map(|n| of(&format!("{n:040}"), json!([]))).collect());
    stage.write("full.json", &full.to_string());
    let run = stage.run("audit r.git --reviews full.json");
    assert!(
        run.status == 0 && run.stderr.contains("the export from GitHub looks cut") && run.stderr.contains("gh pr list"),
        "{run}"
    );
    // What is no such file says what would be.
    stage.write("other.json", "[{\"id\": 1}]");
    assert_snapshot!(stage.run("audit r.git --reviews other.json"), @"
    status 1
    --- stderr
    error: other.json: record 1 is of no forge that is known here; it has id
    hint: it is JSON as the forge writes it: countersign audit --reviews-help
    ");
    let help = stage.run("audit --reviews-help").stdout;
    for command in ["gh pr list", "glab api", "gerrit query", "az repos pr list", "bitbucket.org"] {
        assert!(help.contains(command), "{help}");
    }
}

/// A forge that makes the commit anew writes its date anew, too: how long such a change waited nobody knows.
#[test]
fn how_long_a_squashed_change_waited_is_unknown_and_not_nothing() {
    let stage = Stage::new();
    let squash = |subject| Commit { committer: "GitHub <noreply@github.com>", message: subject, ..Commit::default() };
    let mut history = History::default();
    history.commit(&squash(b"begin (#1)"));
    history.commit(&Commit { parents: &[1], at: EPOCH + 100, ..squash(b"prices (#2)") });
    stage.bare("r.git", &history);
    let report = stage.audit("r.git");
    assert_eq!(report["carrying"]["median_days"], Value::Null, "{report}");
    let caveats = report["caveats"].to_string();
    assert!(caveats.contains("Of 2 changes the forge wrote the author's date anew"), "{caveats}");
}

/// A governed change is not alone: its approval is in the log, signed.
#[test]
fn the_approvals_of_a_log_count() {
    let world = World::usual();
    world.git(&["fetch", "--quiet"]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["change:main"]).passes();
    world.settle();
    assert_eq!(world.stage.audit("shop.git")["grades"]["named"], 0);
    let url = &world.server().url;
    let report = world.stage.audit(&format!("shop.git --changes --log {url} --trust home/trust.json"));
    assert_eq!(
        (&report["grades"]["named"], &report["governed"]),
        (&json!(1), &json!({"changes": 1, "landed": 1})),
        "{report}"
    );
    assert_eq!(report["reviewers"][0]["person"], "bob");
    let text = world.stage.run(&format!("audit shop.git --log {url} --trust home/trust.json")).stdout;
    assert!(text.starts_with("Git and the log carry a second person for"), "{text}");
    let said = world.stage.run(&format!("audit shop.git --log {url}"));
    assert_snapshot!(said.stderr, @"
    error: --log needs --trust FILE, by which the log is checked
    hint: it is the trust.json that `countersign init` wrote, from a founder
    ");
    // A log that was pinned elsewhere proves nothing here.
    let trust = world.stage.read("home/trust.json").replace("\"origin\": \"world\"", "\"origin\": \"another\"");
    world.stage.write("other.json", &trust);
    let said = world.stage.run(&format!("audit shop.git --log {url} --trust other.json"));
    assert_eq!(said.status, 1, "{said}");
}

/// All commits that a change brought are its own; and a second person of another sort than an approver is told as that.
#[test]
fn what_a_log_brought_by_several_commits_or_without_an_approval_is_not_alone() {
    let world = World::usual();
    world.git(&["fetch", "--quiet"]);
    world.edit("several", "checkout/timeout", "30\n");
    for text in ["31\n", "32\n"] {
        world.write("checkout/timeout", text);
        world.commit("another");
    }
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["several:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.edit("burning", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    assert_eq!(world.say("bob", &["break-glass", &change, "--why", "orders fail"]).status, 0);
    world.push(&["burning:main"]).passes();
    world.settle();
    let url = &world.server().url;
    let report = world.stage.audit(&format!("shop.git --changes --log {url} --trust home/trust.json"));
    assert_eq!(report["grades"]["named"], 4, "{report}");
    assert!(report.to_string().contains("broke the glass for it"), "{report}");
}
