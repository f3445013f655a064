//! Evidence: what a workload attests opens a gate whose rules ask for it, and nothing else does.

use serde_json::{Value, json};

use crate::{support::Run, world::World};

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

fn done(run: &Run) -> Value {
    assert_eq!(run.status, 0, "{run}");
    run.json()
}

fn code(run: &Run) -> String {
    let line = run.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{run}"));
    error["error"]["code"].as_str().unwrap().to_owned()
}

/// The usual world, where tests have to pass, and a workload `ci` runs them.
fn tested() -> World {
    let world = World::usual();
    world.add_workload("ci", &["tests"]);
    world.publish(|files| drop(files.insert("rules/tested.cedar".to_owned(), TESTED.as_bytes().to_vec())));
    world
}

fn approved(world: &World, branch: &str, path: &str) -> String {
    world.edit(branch, path, "25\n");
    let change = world.propose("alice", &["search/production"]);
    done(&world.say("alice", &["disclose", &change, "--none"]));
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
        code(&world.say("carol", &["attest", &change, "--kind", "tests", "--result", "passed"])),
        "only-workloads"
    );
    assert_eq!(code(&world.say("ci", &["attest", &change, "--kind", "scan", "--result", "passed"])), "not-attested-by");
    done(&world.say("ci", &["attest", &change, "--kind", "tests", "--result", "skipped"]));
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let file = test_result(&world, &head, "FAILED");
    let flag = ["attest", &change, "--from", &file, "--result", "passed"];
    assert_eq!(code(&world.say("ci", &flag)), "result-mismatch");
    let file = test_result(&world, &"1".repeat(40), "PASSED");
    assert_eq!(code(&world.say("ci", &["attest", &change, "--from", &file])), "another-subject");
    let file = test_result(&world, &head, "PASSED");
    let note = "https://ci.example.com/runs/4711";
    let view = done(&world.say("ci", &["attest", &change, "--from", &file, "--note", note]));
    let said = &view["evidence"][1];
    assert_eq!(
        json!([said["kind"], said["result"], said["counts"], said["workflow"], said["note"]]),
        json!(["tests", "passed", true, "ci/tests.yml", note])
    );
    let shown = world.stage.run_words(&["--url", &world.server().url, "--key", "carol", "show", &change]);
    assert!(shown.stdout.contains("tests passed by ci a moment ago (revision 1, ci/tests.yml), counts"), "{shown}");
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn a_new_revision_and_a_workflow_that_the_change_edits_ask_anew() {
    let world = tested();
    let change = approved(&world, "limit", "search/limit");
    done(&world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed"]));
    world.write("search/ci.yml", "run: true\n");
    world.commit("and run nothing");
    let revise = ["revise", &change, "--git", "work", "--branch", "main", "--range", "origin/main..HEAD"];
    done(&world.say("alice", &revise));
    done(&world.say("alice", &["disclose", &change, "--none"]));
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(
        code(&world.say("ci", &["attest", &change, "--kind", "tests", "--result", "passed", "--revision", "1"])),
        "stale-revision"
    );
    let own = ["attest", &change, "--kind", "tests", "--result", "passed", "--workflow", "search/ci.yml"];
    let view = done(&world.say("ci", &own));
    assert_eq!((&view["evidence"][1]["self_made"], &view["evidence"][1]["counts"]), (&json!(true), &json!(false)));
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("(ci: self-made)"), "{}", push.said);
}
