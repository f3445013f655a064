//! What is said of a change beside verdicts, and verdicts that are taken back; what a proposal would be; and watching one.

use std::process::Stdio;

use countersign_core::catalog::Level;
use serde_json::json;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

fn world() -> (World, String) {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    (world, change)
}

fn shown(world: &World, change: &str) -> String {
    let run = world.stage.run_words(&["--url", &world.server().url, "--key", "carol", "show", change]);
    assert_eq!(run.status, 0, "{run}");
    run.stdout
}

#[test]
fn a_comment_is_shown_with_its_place_and_grants_nothing() {
    let (world, change) = world();
    let before = world.say("carol", &["show", &change]).done()["decision"]["rules"].clone();
    let view = world.say("alice", &["comment", &change, "is that long enough?"]).done();
    assert_eq!(view["decision"]["rules"], before);
    let place = ["--path", "checkout/timeout", "--line", "1"];
    world.say("bob", &[&["comment", &change], &place[..], &["seconds,\nI hope"]].concat()).done();
    let view = world.say("carol", &["show", &change]).done();
    let of = |n: usize| {
        let comment = &view["comments"][n];
        json!([comment["by"], comment["revision"], comment["path"], comment["line"], comment["text"]])
    };
    assert_eq!(of(0), json!(["alice", 1, null, null, "is that long enough?"]));
    assert_eq!(of(1), json!(["bob", 1, "checkout/timeout", 1, "seconds,\nI hope"]));
    let said = shown(&world, &change);
    let first = said
        .find("comment   by alice a moment ago (revision 1): is that long enough?")
        .unwrap_or_else(|| panic!("{said}"));
    let second =
        said.find("(revision 1, checkout/timeout:1): seconds,\n          I hope").unwrap_or_else(|| panic!("{said}"));
    assert!(first < second, "{said}");
    let run = world.say("bob", &["comment", &change, "--path", "checkout/timeuot", "x"]);
    assert_eq!((run.code().as_str(), run.stderr.contains("checkout/timeout")), ("another-path", true), "{run}");
    assert_eq!(world.say("bob", &["comment", &change, " "]).code(), "comment-missing");
    // Beside a line that is not there nobody would read it.
    let beyond = world.say("bob", &["comment", &change, "--path", "checkout/timeout", "--line", "2", "x"]);
    assert!(beyond.status == 2 && beyond.stderr.contains("has 1 line after change"), "{beyond}");
    assert!(beyond.stderr.contains("from 1 to 1") && !beyond.stderr.contains("signing"), "{beyond}");
    // Its words can be erased; that it was said stays.
    world.say("alice", &["erase", &change, "--why", "it was asked for", "--out", "erasure.json"]).done();
    world.say("bob", &["erase", "--cosign", "erasure.json"]).done();
    let view = world.say("carol", &["show", &change]).done();
    assert!(view["comments"][0]["text"].as_str().unwrap().starts_with("(erased by alice"), "{view}");
    assert!(!view.to_string().contains("I hope"), "{view}");
}

#[test]
fn ones_own_approval_can_be_taken_back_and_given_again() {
    let (world, change) = world();
    assert_eq!(world.say("bob", &["take-back", &change]).code(), "not-approved");
    world.approve("bob", &change);
    assert_eq!(world.say("carol", &["take-back", &change]).code(), "not-approved");
    let view = world.say("bob", &["take-back", &change]).done();
    assert_eq!((&view["approvals"], &view["taken_back"][0]["by"]), (&json!([]), &json!("bob")));
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
}

/// What goes together is said in one message, and nothing is signed.
#[test]
fn a_rejection_its_lifting_and_its_setting_aside_are_three_commands() {
    let (world, change) = world();
    for (words, said) in [
        (&["--lift", "--why", "sorry"][..], "--lift takes your own rejection back and gives no reason"),
        (
            &["--lift", "--set-aside", "carol"],
            "--lift takes your own rejection back, and --set-aside sets carol's aside",
        ),
        (&["--set-aside", "carol"], "who sets carol's rejection aside says why"),
        (&[], "a rejection says why"),
    ] {
        let run = world.say("bob", &[&["reject", &change], words].concat());
        assert!(
            run.status == 2 && run.stderr.contains(said) && run.stderr.contains("--set-aside PERSON --why TEXT"),
            "{run}"
        );
    }
}

/// Whoever approved, rejected and lifted has not approved, and reads why.
#[test]
fn an_approval_that_a_rejection_took_back_does_not_come_back_with_lifting_it() {
    let (world, change) = world();
    world.approve("bob", &change);
    world.say("bob", &["reject", &change, "--why", "wait"]).done();
    world.say("bob", &["reject", &change, "--lift"]).done();
    let said = shown(&world, &change);
    assert!(said.contains("took back bob's approval of revision 1"), "{said}");
    assert!(said.contains("by rejecting it; lifting that does not bring it back"), "{said}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
}

#[test]
fn what_a_proposal_would_be_is_shown_and_nothing_is_sent() {
    let (world, change) = world();
    world.edit("other", "payments/retries", "4\n");
    let words = ["propose", "--kind", "code", "--title", "More retries", "--why", "the bank is slow", "--git", "work"];
    let range =
        ["--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD", "--target", "payments/production"];
    let before = world.say("alice", &["log"]).done()["size"].clone();
    let view = world.say("alice", &[&words[..], &range, &["--dry-run"]].concat()).done();
    assert_eq!((&view["contributors"], &view["decision"]["outcome"]), (&json!(["alice"]), &json!("deny")));
    let asked: Vec<&str> =
        view["decision"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(asked.contains(&"tier-1-senior"), "{asked:?}");
    let options = ["--url", &world.server().url, "--key", "alice"];
    let text = world.stage.run_words(&[&options[..], &words, &range, &["--dry-run"]].concat());
    assert!(text.stdout.contains("changed payments/retries") && text.stdout.contains("nothing was signed"), "{text}");
    // No command names an id that nobody has.
    let commands = text.stdout.split("countersign ").skip(1).filter(|rest| !rest.starts_with("disclose"));
    let named: Vec<&str> = commands.filter_map(|rest| rest.split_whitespace().nth(1)).collect();
    assert!(named.len() > 1 && named.iter().all(|name| *name == "CHANGE"), "{named:?}: {text}");
    assert!(text.stdout.contains("waives it: countersign waive CHANGE --rule "), "{text}");
    assert_eq!(
        (&view["id"], &view["decision"]["change"], &view["revision_digest"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(view.to_string().contains("countersign review CHANGE"), "{view}");
    assert_eq!(world.say("alice", &["log"]).done()["size"], before);
    // The same by `rules explain`, of which no word was said yet; and what other rules would ask in the log's place.
    let explain = [&["rules", "explain", "--git", "work"], &range[..]].concat();
    let told = world.say("alice", &explain).done();
    assert_eq!((&told["by"], &told["outcome"]), (&json!("alice"), &json!("deny")));
    let of = |told: &serde_json::Value| -> Vec<String> {
        told["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&told), asked);
    let new = world.stage.run_words(&["rules", "new", "one-more", "--dir", "other"]);
    assert_eq!(new.status, 0, "{new}");
    let told = world.say("alice", &[&explain[..], &["--rules", "other"]].concat()).done();
    assert!(of(&told).contains(&"one-more".to_owned()) && !of(&told).contains(&"documented".to_owned()), "{told}");
    assert_eq!(world.say("alice", &["log"]).done()["size"], before);
    let quiet = world.stage.run_words(&[&options[..], &words, &range, &["--quiet"]].concat());
    let id = quiet.stdout.trim_end();
    assert!(quiet.status == 0 && id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{quiet}");
    assert_ne!(id, change);
    let again = world.say("alice", &[&words[..], &range].concat());
    assert_eq!(
        (again.status, again.stderr.contains(&format!("proposed for this branch already: {}", &id[..12]))),
        (0, true),
        "{again}"
    );
}

#[test]
fn a_watch_ends_with_the_verdict() {
    let (world, change) = world();
    let watch = || {
        let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
        command.args(["--url", &world.server().url, "--key", "carol", "show", &change, "--watch"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let watching = watch();
    world.say("carol", &["reject", &change, "--why", "not now"]).done();
    let output = watching.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("rejected  by carol"), "{said}");
    world.say("carol", &["reject", &change, "--lift"]).done();
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(watch().wait().unwrap().code(), Some(0));
}
