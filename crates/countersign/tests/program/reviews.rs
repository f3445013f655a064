//! `review`: from a notification to a signature in one command, without a clone.

use std::{io::Write as _, process::Stdio};

use countersign_core::catalog::Level;

use crate::{support::Run, world::World};

const CHECKOUT: &str = "checkout/production";

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)])
}

fn proposed(world: &World) -> String {
    world.edit("change", "checkout/timeout", "30\n");
    world.git(&[
        "commit",
        "--quiet",
        "--amend",
        "-m",
        "edit\n\nGuidance: docs/runbook.md\n\nCo-Authored-By: Claude <noreply@anthropic.com>",
    ]);
    world.propose("alice", &[CHECKOUT])
}

/// What is shown where nobody can answer.
fn read(world: &World, who: &str, args: &[&str]) -> Run {
    let options = ["--url", &world.server().url, "--key", who, "review"];
    world.stage.run_on(&world.machine, &[&options[..], args].concat())
}

/// `script` gives it a terminal, on which somebody answers.
fn answered(world: &World, who: &str, change: &str, answers: &str, environment: &[(&str, &str)]) -> (i32, String) {
    let program =
        format!("{} --url {} --key {who} review {change}", env!("CARGO_BIN_EXE_countersign"), world.server().url);
    let mut script = world.stage.command("script");
    script.env("XDG_STATE_HOME", world.stage.path(&world.machine)).env("TERM", "dumb").env("PAGER", "cat");
    script.envs(environment.iter().copied());
    let mut script = script
        .args(["--quiet", "--return", "--command", &program, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

#[track_caller]
fn has(text: &str, said: &[&str]) {
    let mut from = 0;
    for words in said {
        let at = text[from..].find(words);
        from += at.unwrap_or_else(|| panic!("{words}, in this order: {text}"));
    }
}

#[test]
fn everything_about_a_change_is_on_one_page_and_nothing_is_signed_unasked() {
    let world = world();
    let change = proposed(&world);
    let run = read(&world, "bob", &[&change]);
    assert_eq!(run.status, 0, "{run}");
    has(
        &run.stdout,
        &[
            "Raise the timeout",
            "proposed, revision 1",
            "checkout/production (tier 2)",
            "alice",
            "AI        declared, tools: claude",
            "the bank answers",
            "slow requests",
            "git revert",
            "load test",
            "docs/runbook.md fresh, review due 2027-11-01",
            "(in ",
            "What it brings",
            "seen: material",
            "\n-5\n+30\n",
            "To do",
            "second-pair-of-eyes",
            "nothing was signed; to sign it:",
            &format!("countersign approve {} --revision 1\n", &change[..12]),
            &format!("countersign reject {} --why TEXT", &change[..12]),
        ],
    );
    let shown = world.say("alice", &["show", &change]).json();
    assert!(shown["approvals"].as_array().unwrap().is_empty(), "{shown}");
    let json = world.say("bob", &["review", &change]).json();
    assert_eq!((json["seen"].as_str(), json["files"][0]["removed"].as_u64()), (Some("material"), Some(1)), "{json}");
    // The command that is named signs.
    assert_eq!(world.say("bob", &["approve", &change, "--revision", "1"]).status, 0);
}

#[test]
fn whoever_has_no_key_here_can_read() {
    let world = world();
    let change = proposed(&world);
    world.stage.key("stranger");
    for (who, why) in [("stranger", "belongs to nobody in the catalog"), ("no-such-key", "no-such-key")] {
        let run = read(&world, who, &[&change]);
        assert_eq!(run.status, 0, "{run}");
        has(&run.stdout, &["\n+30\n", "nothing was signed; to sign it:", why, "countersign approve"]);
        let (status, said) = answered(&world, who, &change, "a\n", &[]);
        assert!(status == 0 && said.contains(why) && !said.contains("[a]pprove"), "{status} {said}");
    }
}

#[test]
fn what_was_shown_is_signed_when_it_is_answered_for() {
    let world = world();
    let change = proposed(&world);
    let (status, said) = answered(&world, "bob", &change, "y\nq\n", &[]);
    assert!(status == 0 && said.contains("nothing was signed"), "{status} {said}");
    let (status, said) = answered(&world, "bob", &change, "r\n\nq\n", &[]);
    assert!(status == 0 && said.contains("a rejection says why"), "{status} {said}");
    let (status, said) = answered(&world, "bob", &change, "a\n", &[]);
    assert_eq!(status, 0, "{said}");
    has(
        &said,
        &[
            "\n+30\n",
            "revision 1: Raise the timeout",
            "[a]pprove, [r]eject, [c]omment, [q] leave it?",
            "bob approved revision 1",
        ],
    );
    let shown = world.say("alice", &["show", &change]).json();
    assert_eq!(shown["approvals"][0]["seen"], "material", "{shown}");
    let (status, said) = answered(&world, "carol", &change, "r\ntoo slow\n", &[]);
    assert!(status == 0 && said.contains("carol rejected"), "{status} {said}");
    let shown = world.say("alice", &["show", &change]).json();
    assert_eq!(shown["rejections"][0]["why"], "too slow", "{shown}");
}

/// One answer, two statements, and both are said.
#[test]
fn whoever_rejected_it_lifts_that_by_approving() {
    let world = world();
    let change = proposed(&world);
    world.say("bob", &["reject", &change, "--why", "too slow"]).done();
    let run = read(&world, "bob", &[&change]);
    has(&run.stdout, &["nothing was signed; to sign it:", "--lift", "countersign approve", "countersign comment"]);
    let (status, said) = answered(&world, "bob", &change, "a\n", &[]);
    assert_eq!(status, 0, "{said}");
    has(&said, &["which lifts your rejection first", "bob lifted the rejection", "bob approved revision 1"]);
    let shown = world.say("alice", &["show", &change]).json();
    assert_eq!((&shown["rejections"][0]["lifted"], &shown["approvals"][0]["by"]), (&true.into(), &"bob".into()));
}

/// A question reaches whoever proposed it.
#[test]
fn a_question_waits_for_whoever_proposed_it_until_they_say_something() {
    let world = world();
    let change = proposed(&world);
    let (status, said) = answered(&world, "bob", &change, "c\n\nc\nwhich load test is that?\n", &[]);
    assert_eq!(status, 0, "{said}");
    has(&said, &["a comment says something", "bob commented"]);
    let alone = || world.stage.run_words(&["--url", &world.server().url, "--key", "alice"]).stdout;
    assert!(alone().contains("1 comment by bob since you said something of it"), "{}", alone());
    world.say("alice", &["comment", &change, "that of Tuesday"]).done();
    assert!(!alone().contains("comment by"), "{}", alone());
}

#[test]
fn whoever_had_a_hand_in_it_or_was_not_shown_all_of_it_is_not_asked_to_approve() {
    let world = world();
    let change = proposed(&world);
    let (status, said) = answered(&world, "alice", &change, "a\nq\n", &[]);
    assert_eq!(status, 0, "{said}");
    has(&said, &["you had a hand in it", "[r]eject, [c]omment, [q] leave it?", "nothing was signed"]);
    std::fs::remove_dir_all(world.stage.path("home/material")).unwrap();
    let (status, said) = answered(&world, "bob", &change, "a\n", &[]);
    assert_eq!(status, 0, "{said}");
    has(
        &said,
        &[
            "content before is not here",
            "pass --git REPO",
            "what was not seen is not approved here",
            "nothing was signed",
        ],
    );
    let run = read(&world, "bob", &[&change]);
    has(&run.stdout, &["seen: none", &format!("countersign approve {} --revision 1 --git REPO", &change[..12])]);
    let run = read(&world, "bob", &[&change, "--git", "work"]);
    has(&run.stdout, &["seen: computed", "--revision 1 --git work"]);
    let shown = world.say("alice", &["show", &change]).json();
    assert!(shown["approvals"].as_array().unwrap().is_empty(), "{shown}");
}

#[test]
fn whoever_looked_before_is_shown_what_is_new() {
    let world = world();
    let change = proposed(&world);
    let (_, said) = answered(&world, "bob", &change, "q\n", &[]);
    assert!(!said.contains("which you looked at"), "{said}");
    world.write("checkout/timeout", "31\n");
    world.commit("again");
    let mut args = vec!["revise", &change, "--git", "work", "--repository", "shop", "--range", "origin/main..HEAD"];
    args.extend(["--why", "it takes even longer"]);
    let run = world.say("alice", &args);
    assert_eq!(run.status, 0, "{run}");
    let run = read(&world, "bob", &[&change]);
    has(
        &run.stdout,
        &[
            "Since revision 1, which you looked at",
            "says something else: why",
            "\n-30\n+31\n",
            "What it brings",
            "\n-5\n+31\n",
        ],
    );
    // What was signed is a look, too, on whatever machine.
    assert_eq!(world.say("carol", &["approve", &change]).status, 0);
    assert_eq!(world.say("alice", &["revise", &change, "--title", "Raise it"]).status, 0);
    let mut world = world;
    world.machine = "another".to_owned();
    let run = read(&world, "carol", &[&change]);
    has(&run.stdout, &["Since revision 2, which you looked at", "says something else: title", "brings the same"]);
    assert!(!read(&world, "bob", &[&change]).stdout.contains("which you looked at"));
}

/// The pager is the user's, and the question comes when it is done; a repository's configuration chooses none.
#[test]
fn the_page_goes_through_the_users_pager_and_no_repositorys() {
    let world = world();
    let change = proposed(&world);
    world.stage.write("pager", "#!/bin/sh\nsed 's/^/paged: /'\n");
    std::process::Command::new("chmod").arg("+x").arg(world.stage.path("pager")).status().unwrap();
    let pager = world.stage.path("pager").display().to_string();
    let (status, said) = answered(&world, "bob", &change, "q\n", &[("PAGER", &pager)]);
    assert_eq!(status, 0, "{said}");
    has(&said, &["paged: ", "+30", "[a]pprove", "nothing was signed"]);
    let other = ("GIT_PAGER", "cat");
    assert!(!answered(&world, "bob", &change, "q\n", &[("PAGER", &pager), other]).1.contains("paged: "));
    // In a folder whose repository names a pager.
    let stage = &world.stage;
    assert!(stage.command("git").args(["init", "--quiet"]).status().unwrap().success());
    assert!(stage.command("git").args(["config", "core.pager", &pager]).status().unwrap().success());
    assert!(!answered(&world, "bob", &change, "q\n", &[]).1.contains("paged: "));
    // One that is not there hides nothing.
    let (status, said) = answered(&world, "bob", &change, "q\n", &[("PAGER", "no-such-pager")]);
    assert!(status == 0 && said.contains("+30"), "{status} {said}");
}
