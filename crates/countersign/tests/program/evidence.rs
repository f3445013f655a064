//! Rules and evidence: what `rules` and `verify` say, and what is no bundle.

use std::fs;

use countersign_core::catalog::Level;

use crate::{
    support::{Run, Stage},
    world::World,
};

/// A rule of this name with this condition.
fn rule(stage: &Stage, name: &str, when: &str) {
    let text = format!(
        "@id(\"{name}\")\n@requires(\"approval:independent:1\")\n@because(\"Because.\")\n@remedy(\"countersign approve {{change}}\")\n\
         @mode(\"enforce\")\n@strength(\"waivable\")\nforbid (principal, action == Countersign::Action::\"apply\", resource)\n\
         when {{ {when} }}\nunless {{ resource.approvals.independent >= 1 }};\n"
    );
    stage.write(&format!("rules/{name}.cedar"), &text);
}

#[test]
fn a_rule_without_a_case_is_not_tested() {
    let stage = Stage::new();
    rule(&stage, "tried", "resource.production");
    rule(&stage, "untried", "resource.production");
    let run = stage.run("rules test rules");
    assert!(run.status == 1 && run.stderr.contains("without a case are tried, untried"), "{run}");
    let case = "- name: nobody has looked\n  given: { tier: 3 }\n  expect: { status: unsatisfied }\n";
    stage.write("rules/tried.cases.yaml", case);
    let run = stage.run("rules test rules");
    assert!(run.status == 1 && run.stdout.contains("NO CASE  untried"), "{run}");
    assert_eq!(stage.run("rules test rules --format json").json()["without_a_case"], serde_json::json!(["untried"]));
    stage.write("rules/untried.cases.yaml", case);
    assert_eq!(stage.run("rules test rules").status, 0);
}

#[test]
fn conditions_on_every_attribute_are_tried_with_what_the_rule_itself_names() {
    for (number, when) in [
        "resource.revision >= 4",
        "resource.home.people > 40",
        "resource.ai.tools.contains(\"cursor\")",
        "resource.ai.tools.contains(\"cursor\") && resource.tier == 1 && resource.production",
        "resource.ai.disclosed",
        "resource.guidance.cited >= 7",
        "resource.guidance.stale == 3",
        "resource.documents.why < 77 && resource.documents.why > 70",
        "resource.documents.tests > 400 && resource.production",
        "resource.contributors.contains(Countersign::Person::\"mallory\")",
        "resource.purpose.security && resource.revision > 2",
        "resource.ai.status == \"inferred\" && resource.documents.rollback < 10",
        "resource.approvals.owner < 1",
    ]
    .into_iter()
    .enumerate()
    {
        let stage = Stage::new();
        rule(&stage, &format!("rule-{number}"), when);
        let run = stage.run("rules check rules");
        assert_eq!(run.status, 0, "{when}: {run}");
    }
    // What contradicts itself still applies to nothing.
    let stage = Stage::new();
    rule(&stage, "never", "resource.revision > 4 && resource.revision < 3");
    let run = stage.run("rules check rules");
    assert!(run.status == 1 && run.stdout.contains("applies to no sample change"), "{run}");
}

fn bundled() -> (World, String) {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/timeout", "30\n");
    world.commit("edit\n\nGuidance: docs/runbook.md\nCo-authored-by: Claude <noreply@anthropic.com>");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("carol", &change);
    let waive = ["waive", &change, "--rule", "owner-approves", "--why", "nobody is there"];
    assert_eq!(world.say("bob", &waive).status, 0);
    world.push(&["HEAD:main"]).passes();
    let run = world.say("alice", &["bundle", &change, "--out", "change.bundle"]);
    assert_eq!(run.status, 0, "{run}");
    (world, change)
}

fn verify(world: &World, what: &str, trust: &str) -> Run {
    world.stage.run(&format!("verify {what} --trust {trust}"))
}

#[test]
fn verify_says_who_saw_what_and_when_which_rules_were_waived_and_what_helped() {
    let (world, _) = bundled();
    let run = verify(&world, "change.bundle", "home/trust.json");
    assert_eq!(run.status, 0, "{run}");
    for said in [
        "by carol, content seen: computed",
        "rule owner-approves by bob",
        "AI          declared (claude)",
        "guidance    docs/runbook.md reviewed, next by 2027-11-01",
        "decided     ",
        "outcome     20",
        " applied by gate ",
        "proposed    20",
    ] {
        assert!(run.stdout.contains(said), "{said}: {run}");
    }
    let json = world.stage.run("verify change.bundle --trust home/trust.json --format json").json();
    let change = &json["changes"][0];
    assert_eq!((&change["approvals"][0]["seen"], &change["waivers"][0]["by"]), (&"computed".into(), &"bob".into()));
    assert_eq!(change["reported"][0]["outcome"], "applied", "{change}");
    assert_eq!((&change["ai"]["status"], &change["guidance"][0]["stale"]), (&"declared".into(), &false.into()));
}

#[test]
fn a_wrong_trust_file_is_told_as_that() {
    let (world, change) = bundled();
    let other = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    fs::copy(other.stage.path("home/trust.json"), world.stage.path("founded-elsewhere.json")).unwrap();
    let renamed = world.stage.read("home/trust.json").replace("\"world\"", "\"elsewhere\"");
    world.stage.write("of-another-name.json", &renamed);
    for trust in ["founded-elsewhere.json", "of-another-name.json"] {
        let run = verify(&world, "change.bundle", trust);
        assert!(run.status == 1 && run.stdout.contains("wrong trust file"), "{run}");
        let show = ["--trust", trust, "show", &change];
        let run = world.say("bob", &show);
        assert!(run.status != 0 && run.stderr.contains("wrong trust file"), "{run}");
    }
}

#[test]
fn what_lies_in_a_bundle_or_is_none_is_named() {
    let (world, _) = bundled();
    let tar = |args: &[&str]| {
        let run = world.stage.command("tar").args(args).output().unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    fs::create_dir(world.stage.path("open")).unwrap();
    tar(&["-xf", "change.bundle", "-C", "open"]);
    let told = |what: &str| {
        let run = verify(&world, what, "home/trust.json");
        assert_eq!(run.status, 1, "{run}");
        run.stderr
    };
    for (name, whose) in [
        ("leaves/.DS_Store", "which macOS leaves in folders"),
        ("Thumbs.db", "which Windows leaves in folders"),
        ("notes.txt", "no part of a bundle: `notes.txt`"),
    ] {
        world.stage.write(&format!("open/{name}"), "x");
        let said = told("open");
        assert!(said.contains(whose) && said.contains("take it out"), "{said}");
        fs::remove_file(world.stage.path(&format!("open/{name}"))).unwrap();
    }
    assert_eq!(verify(&world, "open", "home/trust.json").status, 0);
    tar(&["-czf", "change.tgz", "-C", "open", "."]);
    let said = told("change.tgz");
    assert!(said.contains("it is compressed with gzip"), "{said}");
    assert!(said.contains("gunzip < change.tgz > change.tar"), "{said}");
    world.stage.write("page.html", "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n");
    let said = told("page.html");
    assert!(said.contains("it is an HTML page") && !said.contains("DOCTYPE"), "{said}");
    world.stage.write("few", "abc");
    assert!(told("few").contains("it has only 3 bytes"));
}
