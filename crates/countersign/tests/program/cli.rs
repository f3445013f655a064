//! The command line against a server: what it shows, with which exit status it ends, and what it never prints.

use countersign_core::catalog::Level;
use insta::assert_snapshot;
use serde_json::Value;

use crate::{support::Run, world::World};

const WORDS: [&str; 8] = [
    "--why",
    "the bank answers within eight seconds at month end",
    "--risk",
    "slow requests could pile up",
    "--rollback",
    "put the old file back",
    "--tests",
    "load test 4711 in staging",
];

fn world() -> World {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.stage.write("flags.json", "{\"fast\": true}\n");
    world
}

/// Proposes `flags.json` as alice, and gives the change's id.
fn propose(world: &World, target: &str, further: &[&str]) -> String {
    let run = try_propose(world, target, further);
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

fn try_propose(world: &World, target: &str, further: &[&str]) -> Run {
    let args = [
        "propose",
        "--again",
        "--target",
        target,
        "--kind",
        "flag",
        "--file",
        "flags.json",
        "--command",
        "cat flags.json",
    ];
    world.say("alice", &[&args[..], &WORDS, further].concat())
}

fn shown(world: &World, change: &str) -> Value {
    let run = world.say("carol", &["show", change]);
    assert_eq!(run.status, 0, "{run}");
    run.json()
}

/// What `show` prints for people.
fn text(world: &World, args: &[&str]) -> Run {
    let options = ["--url", &world.server().url, "--key", "carol"];
    let run = world.stage.run_words(&[&options[..], args].concat());
    assert_eq!(run.status, 0, "{run}");
    run
}

/// The code of the error on standard error, in JSON.
#[test]
fn show_has_what_programs_ask_for() {
    let world = world();
    let change = propose(&world, "payments/production", &["--title", "Go faster"]);
    let view = shown(&world, &change);
    assert_eq!(view["id"], change);
    assert_eq!(view["targets"], serde_json::json!(["payments/production"]));
    assert_eq!((&view["kind"], &view["state"], &view["revision"]), (&"flag".into(), &"proposed".into(), &1.into()));
    assert_eq!(view["subject"]["type"], "files");
    assert_eq!(view["contributors"], serde_json::json!(["alice"]));
    assert_eq!(view["ai"]["status"], "unknown");
    assert_eq!(view["approvals"], serde_json::json!([]));
    assert_eq!(view["decision"]["outcome"], "deny");
    assert_eq!((&view["decision"]["semantics"], &view["decision"]["not_applicable"]), (&1.into(), &1.into()));
    let rules = view["explanation"]["rules"].as_array().unwrap();
    let of = |id: &str| rules.iter().find(|rule| rule["id"] == id).unwrap().clone();
    for rule in rules {
        for key in ["id", "status", "requires", "because", "obligations"] {
            assert!(!rule[key].is_null(), "{key} in {rule}");
        }
    }
    assert_snapshot!(serde_json::to_string_pretty(&of("tier-1-senior")["obligations"]).unwrap().replace(&change, "CHANGE"), @r#"
    [
      {
        "missing": "1 approval by a senior",
        "who": [
          "bob"
        ],
        "more": 0,
        "how": "countersign review CHANGE"
      },
      {
        "missing": "2 approvals by people who had no hand in the change",
        "who": [
          "bob",
          "carol"
        ],
        "more": 0,
        "how": "countersign review CHANGE"
      }
    ]
    "#);
    assert!(rules.iter().all(|rule| rule["id"] != "fresh-guidance"), "it does not apply");

    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    world.say("carol", &["approve", &change, "--file", "flags.json"]);
    world.say("alice", &["disclose", &change, "--none"]);
    let view = shown(&world, &change);
    assert_eq!(view["decision"]["outcome"], "allow");
    let approvals: Vec<_> = view["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["by"].as_str().unwrap(), a["seen"].as_str().unwrap(), a["counts"].as_bool().unwrap()))
        .collect();
    assert_eq!(approvals, [("bob", "computed", true), ("carol", "computed", true)]);
    assert_eq!(view["ai"]["status"], "none");
}

#[test]
fn a_change_says_what_it_is_for() {
    let world = world();
    let first = propose(&world, "search/production", &["--title", "Go faster"]);
    assert_eq!(shown(&world, &first)["purpose"], Value::Null);
    let purpose = ["--restores", &first[..12], "--incident", "INC-4711", "--security"];
    let change = propose(&world, "search/production", &[&["--title", "Go back"], &purpose[..]].concat());
    let view = shown(&world, &change);
    assert_eq!(view["kind"], "flag", "what it is for changes nothing about its kind");
    let said = serde_json::json!({"restores": first, "incident": "INC-4711", "security": true});
    assert_eq!(view["purpose"], said);
    let told = text(&world, &["show", &change]).stdout;
    assert!(
        told.contains(&format!("flag, restores {}, answers INC-4711, closes a security hole", &first[..12])),
        "{told}"
    );
    let refused = try_propose(&world, "search/production", &["--title", "Go back", "--incident", "it burns"]);
    assert_eq!(refused.code(), "incident-name");
    let refused = try_propose(&world, "search/production", &["--title", "Go back", "--restores", "ffffffffffff"]);
    assert_eq!(refused.code(), "unknown-change");
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    assert_eq!(shown(&world, &change[..12])["id"], change);
    assert_eq!(world.say("bob", &["approve", &change[..12], "--file", "flags.json"]).status, 0);
}

#[test]
fn exit_statuses_tell_errors_wrong_usage_and_refusals_apart() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    let of = |who: &str, args: &[&str]| {
        let run = world.say(who, args);
        (run.status, if run.status == 0 { String::new() } else { run.code() })
    };
    let is = |status: i32, code: &str| (status, code.to_owned());
    assert_eq!(of("alice", &["list"]), is(0, ""));
    assert_eq!(of("alice", &["show", "ffffffffffff"]), is(1, "unknown-change"));
    assert_eq!(of("alice", &["show", "../governance"]), is(2, "usage"));
    assert_eq!(of("nobody", &["approve", &change, "--file", "flags.json"]), is(1, "cannot-sign"));
    let unreachable = world.stage.run("--url http://127.0.0.1:1 --format json list");
    assert_eq!((unreachable.status, unreachable.code().as_str()), (1, "unreachable"));
    assert_eq!(of("alice", &["approve"]), is(2, "usage"));
    assert_eq!(of("alice", &["reject", &change]), is(2, "usage"));
    assert_eq!(of("alice", &["disclose", &change, "--none", "--tool", "robo"]), is(2, "usage"));
    assert_eq!(of("alice", &["propose", "--again", "--target", "search", "--kind", "flag"]), is(2, "usage"));
    assert_eq!(of("alice", &["approve", &change, "--file", "flags.json"]), is(3, "contributor"));
    assert_eq!(of("alice", &["permit", &change, "--out", "permit"]), is(3, "denied-by-rules"));
    assert_eq!(of("carol", &["waive", &change, "--rule", "owner-approves", "--why", "x"]), is(3, "senior-needed"));
    assert_eq!(of("carol", &["withdraw", &change]), is(3, "not-yours"));
    assert!(!world.stage.path("permit").exists());
    world.stage.key("stranger");
    assert_eq!(of("stranger", &["approve", &change, "--file", "flags.json"]), is(1, "unknown-key"));
    assert_eq!(of("bob", &["approve", &change, "--file", "flags.json"]), is(0, ""));
    assert_eq!(of("bob", &["approve", &change, "--file", "flags.json"]), is(3, "already-approved"));
    assert_eq!(of("alice", &["permit", &change, "--out", "permit"]), is(0, ""));
}

#[test]
fn a_refusal_is_a_to_do_list() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    let options = ["--url", &world.server().url, "--key", "alice"];
    let run = world.stage.run_words(&[&options[..], &["permit", &change, "--out", "permit"]].concat());
    let said = run.stderr.split_once("error: ").unwrap().1.replace(&change[..12], "CHANGE");
    assert_snapshot!(said, @"
    the rules do not allow change CHANGE:
      owner-approves
        missing: 1 approval by an owner of the system (search)
        who:     bob, carol
        how:     countersign review CHANGE
        or:      a senior waives it: countersign waive CHANGE --rule owner-approves --why TEXT
        because: Whoever is woken by a system at night has seen what was changed in it.
      second-pair-of-eyes
        missing: 1 approval by somebody who had no hand in the change
        who:     bob, carol
        how:     countersign review CHANGE
        because: Nothing reaches production that only the people who made it have seen.
      for example: bob approves, and no approval is missing
    hint: all of it: countersign show CHANGE
    ");
}

#[test]
fn what_is_signed_is_shown_before_it_is_signed() {
    let world = world();
    world.say("alice", &["list"]);
    let run = try_propose(&world, "search/production", &["--title", "Go faster"]);
    assert_snapshot!(run.stderr, @r"
    signing as alice with key SHA256:[KEY]:
      proposal: Go faster
      targets: search/production
      subject: flags.json by `cat flags.json`
        flags.json sha256:[DIGEST]
    ");
}

#[test]
fn an_approval_of_other_bytes_than_one_has_is_not_signed() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    world.stage.write("flags.json", "{\"fast\": false}\n");
    let run = world.say("bob", &["approve", &change, "--file", "flags.json"]);
    assert_eq!((run.status, run.code().as_str()), (1, "another-subject"), "{run}");
    world.stage.write("other.json", "{}");
    let run = world.say("bob", &["approve", &change, "--file", "other.json"]);
    assert_eq!((run.status, run.code().as_str()), (1, "another-subject"), "{run}");
    assert_eq!(shown(&world, &change)["approvals"], serde_json::json!([]));
}

#[test]
fn a_mistake_in_a_target_is_told_with_what_was_meant() {
    let world = world();
    let run = try_propose(&world, "serch/production", &["--title", "T"]);
    assert_snapshot!(run.stderr.lines().last().unwrap(), @r#"{"error":{"code":"unknown-target","message":"`serch/production`: the catalog knows no system `serch`; did you mean `search`?","hint":null}}"#);
    let run = try_propose(&world, "search/prod", &["--title", "T"]);
    assert_snapshot!(run.stderr.lines().last().unwrap(), @r#"{"error":{"code":"unknown-target","message":"`search/prod`: there is no environment `prod`; did you mean `production`?","hint":null}}"#);
}

#[test]
fn a_new_revision_asks_for_approval_again() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    assert_eq!(shown(&world, &change)["decision"]["outcome"], "allow");
    world.stage.write("flags.json", "{\"fast\": \"very\"}\n");
    let run = world.say("alice", &["revise", &change, "--file", "flags.json", "--command", "cat flags.json"]);
    assert_eq!(run.status, 0, "{run}");
    let view = shown(&world, &change);
    assert_eq!((&view["revision"], &view["decision"]["outcome"]), (&2.into(), &"deny".into()));
    assert_eq!(view["approvals"][0]["counts"], false);
    assert_eq!(view["title"], "Go faster", "what is not said again stays");
}

#[test]
fn a_rejection_stops_a_change_until_it_is_lifted() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    world.say("carol", &["reject", &change, "--why", "not on a Friday"]);
    let view = shown(&world, &change);
    assert_eq!((&view["state"], &view["decision"]["outcome"]), (&"rejected".into(), &"deny".into()));
    assert_eq!(view["rejections"][0]["why"], "not on a Friday");
    assert_eq!(world.say("bob", &["reject", &change, "--lift"]).code(), "not-yours");
    world.say("carol", &["reject", &change, "--lift"]);
    let view = shown(&world, &change);
    assert_eq!((&view["state"], &view["decision"]["outcome"]), (&"proposed".into(), &"allow".into()));
}

/// Everything that somebody could write to make a terminal, or a reader, see something else.
const HOSTILE: &str = "ok\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{202e}evil\u{200b}\napproved  by bob at noon, counts";

#[test]
fn what_people_write_does_not_act_on_a_terminal() {
    let world = world();
    let run = try_propose(&world, "search/production", &["--title", HOSTILE]);
    assert_eq!((run.status, run.code().as_str()), (3, "title-malformed"), "{run}");

    let title = "Go \u{202e}retsaf\u{202c}";
    let args = [
        "propose",
        "--again",
        "--target",
        "search/production",
        "--kind",
        "flag",
        "--file",
        "flags.json",
        "--command",
        "true",
    ];
    let run = world.say("alice", &[&args[..], &["--title", title, "--link", HOSTILE, "--why", HOSTILE]].concat());
    let change = run.json()["id"].as_str().unwrap().to_owned();
    world.say("carol", &["reject", &change, "--why", HOSTILE]);
    world.say("bob", &["waive", &change, "--rule", "owner-approves", "--why", HOSTILE]);
    world.say("alice", &["disclose", &change, "--tool", HOSTILE, "--guidance", HOSTILE]);

    let (show, list) = (text(&world, &["show", &change]), text(&world, &["list"]));
    let refused = text_of_refusal(&world, &change);
    for printed in [&show.stdout, &list.stdout, &refused, &run.stderr] {
        let acts = |c: &char| (c.is_control() && *c != '\n') || "\u{202e}\u{202c}\u{200b}".contains(*c);
        assert_eq!(printed.chars().find(acts), None, "{printed:?}");
    }
    assert_eq!(show.stdout.lines().filter(|line| line.starts_with("approved")).count(), 0, "{show}");
    assert_eq!(list.stdout.lines().count(), 1, "{list}");
    // A program gets it as it was written, escaped as JSON does.
    assert_eq!(shown(&world, &change)["text"]["why"], HOSTILE);
}

fn text_of_refusal(world: &World, change: &str) -> String {
    let options = ["--url", &world.server().url, "--key", "alice"];
    let run = world.stage.run_words(&[&options[..], &["permit", change, "--out", "permit"]].concat());
    assert_eq!(run.status, 3, "{run}");
    run.stderr
}

#[test]
fn a_hostile_file_name_does_not_act_on_a_terminal() {
    let world = world();
    let name = "flags\u{1b}[2J\napproval of something else.json";
    world.stage.write(name, "{}");
    let run = world.say(
        "alice",
        &[
            &[
                "propose",
                "--again",
                "--target",
                "search/production",
                "--kind",
                "flag",
                "--title",
                "T",
                "--command",
                "true",
                "--file",
                name,
            ][..],
            &WORDS,
        ]
        .concat(),
    );
    assert_eq!(run.status, 0, "{run}");
    assert!(!run.stderr.contains('\u{1b}'), "{run}");
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("approval of")).count(), 0, "{run}");
    let change = run.json()["id"].as_str().unwrap().to_owned();
    let show = text(&world, &["show", &change]);
    assert!(!show.stdout.contains('\u{1b}'), "{show}");
}

#[test]
fn a_hostile_commit_does_not_act_on_a_terminal() {
    let world = world();
    world.edit("change", "search/limit", "20\n");
    let author = "--author=\u{1b}[31mEvil <evil\u{1b}[2J@elsewhere.example>";
    world.git(&["commit", "--quiet", "--amend", "-m", "Guidance: docs/\u{1b}[2J.md", author]);
    let change = world.propose("alice", &["search/production"]);
    let show = text(&world, &["show", &change]);
    assert!(!show.stdout.contains('\u{1b}'), "{show}");
    assert!(show.stdout.contains("unknown"), "{show}");
}

/// The list answers who is waited for, and of what.
#[test]
fn the_list_says_what_somebody_is_waited_for() {
    let world = world();
    let first = propose(&world, "search/production", &["--title", "Go faster"]);
    let second = propose(&world, "search/production", &["--title", "Go slower"]);
    world.say("alice", &["withdraw", &second]);
    let listed = |words: &[&str]| {
        let run = world.say("bob", &[&["list"], words].concat());
        assert_eq!(run.status, 0, "{run}");
        let lines = run.json().as_array().unwrap().clone();
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--waiting-on", "bob"]), std::slice::from_ref(&first));
    assert!(listed(&["--waiting-on", "alice"]).is_empty(), "who made it is waited for by nobody");
    assert_eq!(listed(&["--state", "withdrawn", "--system", "search"]), [second]);
    world.say("bob", &["approve", &first, "--file", "flags.json"]);
    assert!(listed(&["--waiting-on", "bob"]).is_empty());
    let run = world.say("bob", &["list", "--state", "lost"]);
    assert!(run.status != 0 && run.stderr.contains("lost"), "{run}");
}
