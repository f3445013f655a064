//! Evidence: what a workload attests opens a gate whose rules ask for it, and nothing else does.

use serde_json::json;

use crate::world::World;

const TESTED: &str = r#"@id("tested")
@requires("evidence:tests")
@because("What nobody ran nobody knows.")
@remedy("countersign attest {change} --kind tests --result passed")
@mode("enforce")
@strength("waivable")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production }
unless { resource.evidence.passed["tests"] };
"#;

/// The usual world, where tests have to pass, and a workload `ci` runs them.
pub fn tested() -> World {
    let world = World::usual();
    world.add_workload("ci", &["tests"]);
    world.publish(|files| drop(files.insert("rules/tested.cedar".to_owned(), TESTED.as_bytes().to_vec())));
    world
}

fn approved(world: &World, branch: &str, path: &str) -> String {
    world.edit(branch, path, "25\n");
    let change = world.propose("alice", &["search/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("bob", &change);
    change
}

/// An in-toto test result of a commit, as a file.
fn test_result(world: &World, commit: &str, result: &str) -> String {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "shop", "digest": { "gitCommit": commit } }],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": { "result": result, "configuration": [{ "name": "ci/tests.yml" }] },
    });
    world.stage.write("tests.intoto.json", &statement.to_string());
    "tests.intoto.json".to_owned()
}

#[test]
fn green_tests_by_a_workload_open_the_gate() {
    let world = tested();
    let change = approved(&world, "limit", "search/limit");
    let head = world.id("HEAD").to_string();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    for words in ["evidence that tests passed", "countersign attest", "ci"] {
        assert!(push.said.contains(words), "{words}: {}", push.said);
    }
    // People do not pass for it, skipped is no pass, and a document is believed before a flag.
    assert_eq!(
        world.say("carol", &["attest", &change, "--kind", "tests", "--result", "passed"]).code(),
        "only-workloads"
    );
    assert_eq!(world.say("ci", &["attest", &change, "--kind", "scan", "--result", "passed"]).code(), "not-attested-by");
    world.say("ci", &["attest", &change, "--kind", "tests", "--result", "skipped"]).done();
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let file = test_result(&world, &head, "FAILED");
    let flag = ["attest", &change, "--from", &file, "--result", "passed"];
    assert_eq!(world.say("ci", &flag).code(), "result-mismatch");
    let file = test_result(&world, &"1".repeat(40), "PASSED");
    assert_eq!(world.say("ci", &["attest", &change, "--from", &file]).code(), "another-subject");
    let file = test_result(&world, &head, "PASSED");
    let note = "https://ci.example.com/runs/4711";
    let view = world.say("ci", &["attest", &change, "--from", &file, "--note", note]).done();
    let said = &view["evidence"][1];
    assert_eq!(
        json!([said["kind"], said["result"], said["counts"], said["workflow"], said["note"]]),
        json!(["tests", "passed", true, "ci/tests.yml", note])
    );
    let shown = world.stage.run_words(&["--url", &world.server().url, "--key", "carol", "show", &change]);
    assert!(shown.stdout.contains("tests passed by ci a moment ago (revision 1, ci/tests.yml), counts"), "{shown}");
    world.push(&["HEAD:main"]).passes();
}

/// What checkout's tests came to is shown with where it counts, and is refused elsewhere; the file says so as people wrote it.
#[test]
fn evidence_for_one_target_is_shown_as_that() {
    let world = tested();
    world.publish(|files| {
        let mut people: serde_json::Value = serde_json::from_slice(&files["people/_.json"]).unwrap();
        people["ci"]["attests_for"] = json!(["search"]);
        files.insert("people/_.json".to_owned(), countersign_core::canonical::to_bytes(&people).unwrap());
    });
    let change = approved(&world, "limit", "search/limit");
    world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed"]).done();
    let shown = world.say("carol", &["show", &change, "--format", "text"]);
    assert!(shown.stdout.contains("counts") && !shown.stdout.contains("alone, counts"), "{shown}");
    // It goes to two systems, and only of one ci says anything.
    world.edit("both", "search/limit", "12\n");
    world.write("checkout/timeout", "6\n");
    world.commit("both");
    let both = world.propose_for("alice", &["search/production", "checkout/production"], "main", "origin/main..HEAD");
    let view = world.say("ci", &["attest", &both, "--kind", "tests", "--result", "passed"]).done();
    assert_eq!(view["evidence"][0]["only_for"], json!(["search/production"]), "{view}");
    let shown = world.say("carol", &["show", &both, "--format", "text"]);
    assert!(shown.stdout.contains(", for search/production alone), counts"), "{shown}");
    world.edit("checkout", "checkout/timeout", "7\n");
    let other = world.propose_for("alice", &["checkout/production"], "main", "origin/main..HEAD");
    let refused = world.say("ci", &["attest", &other, "--kind", "tests", "--result", "passed"]);
    refused.is_refused(3, "attests-for-others");
    assert!(refused.stderr.contains("counts only for `search`"), "{refused}");
}

#[test]
fn a_new_revision_and_a_workflow_that_the_change_edits_ask_anew() {
    let world = tested();
    let change = approved(&world, "limit", "search/limit");
    world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed"]).done();
    world.write("search/ci.yml", "run: true\n");
    world.commit("and run nothing");
    let revise = ["revise", &change, "--git", "work", "--branch", "main", "--range", "origin/main..HEAD"];
    world.say("alice", &revise).done();
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(
        world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed", "--revision", "1"]).code(),
        "stale-revision"
    );
    let own = ["attest", &change, "--kind", "tests", "--result", "passed", "--workflow", "search/ci.yml"];
    let view = world.say("ci", &own).done();
    assert_eq!((&view["evidence"][1]["self_made"], &view["evidence"][1]["counts"]), (&json!(true), &json!(false)));
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("(ci: self-made)"), "{}", push.said);
}
