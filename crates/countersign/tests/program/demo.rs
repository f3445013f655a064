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
        "[delta-differs]",
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
fn what_the_demo_leaves_behind_can_be_rebuilt_from_its_ledger() {
    let stage = Stage::new();
    assert_eq!(stage.run("demo --exit --dir stage").status, 0);
    let run = stage.run("rebuild --home stage/home --format json");
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(run.json()["identical"], true);

    // A projection that does not follow from the ledger shows.
    let store = stage.path("stage/home/ledger.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sqlx::SqlitePool::connect(&format!("sqlite:{}", store.display())).await.unwrap();
        sqlx::query("update projections set body = replace(body, 'applied', 'proposed') where kind = 'change'")
            .execute(&store)
            .await
            .unwrap();
    });
    let run = stage.run("rebuild --home stage/home");
    assert!(run.status == 1 && run.stdout.contains("differs"), "{run}");
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
