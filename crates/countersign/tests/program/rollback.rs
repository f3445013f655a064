//! Three in the morning: one owner brings back what ran before, and somebody else looks at it in daylight.

use std::fs;

use countersign::{
    clock,
    gates::journal::{Event, Journal, Reservation},
};
use countersign_core::{
    statement::{OutcomeResult, RevisionRef},
    subject::{GitTransition, Transition},
};
use countersign_ledger::Digest;
use serde_json::Value;

use crate::{support::Run, world::World};

const WHY: [&str; 2] = ["--why", "the new timeout drops every order"];

/// A change of the clone's HEAD, approved and landed.
fn landed(world: &World, further: &[&str]) -> String {
    let mut args = vec!["propose", "--again", "--kind", "code", "--title", "Raise the timeout", "--git", "work"];
    args.extend(["--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD"]);
    args.extend(["--target", "checkout/production", "--why", "the bank answers within eight seconds at month end"]);
    args.extend(["--risk", "slow requests could pile up", "--rollback", "git revert, then deploy again"]);
    args.extend(["--tests", "load test 4711 in staging"]);
    args.extend(further);
    let change = world.say("alice", &args).done()["id"].as_str().unwrap().to_owned();
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet", "origin"]);
    change
}

/// `good` and then `bad` are on `main`: the second changes a file and adds one.
fn burning(further: &[&str]) -> (World, String, String) {
    let world = World::usual();
    world.edit("good", "checkout/timeout", "30\n");
    let good = landed(&world, &[]);
    world.git(&["checkout", "--quiet", "-B", "bad", "origin/main"]);
    world.write("checkout/timeout", "0\n");
    world.write("checkout/größe", "1\n");
    world.commit("make it fast");
    let bad = landed(&world, further);
    for (key, value) in [("user.name", "Carol"), ("user.email", "carol@example.com")] {
        world.git(&["config", key, value]);
    }
    (world, good, bad)
}

fn roll_back(world: &World, who: &str, further: &[&str]) -> Run {
    let args = [&["rollback", "checkout/production", "--git", "work"][..], &WHY, further].concat();
    let run = world.say(who, &args);
    world.settle();
    run
}

fn hint_of(run: &Run) -> String {
    let told = run.stderr.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    told.and_then(|told| Some(told["error"]["hint"].as_str()?.to_owned())).unwrap_or_else(|| panic!("{run}"))
}

/// Nobody's key is here but this one's.
fn alone(world: &World, who: &str) {
    for other in ["alice", "bob", "carol", "dave"].into_iter().filter(|other| *other != who) {
        fs::rename(world.stage.path(other), world.stage.path(&format!("{other}-asleep"))).unwrap();
    }
}

fn awake(world: &World, who: &str) {
    fs::rename(world.stage.path(&format!("{who}-asleep")), world.stage.path(who)).unwrap();
}

#[test]
fn one_owner_rolls_back_at_three_and_another_looks_at_it_at_nine() {
    let (world, good, bad) = burning(&[]);
    alone(&world, "carol");
    let done = roll_back(&world, "carol", &[]).done();
    assert_eq!((&done["restores"], &done["undoes"]), (&Value::from(good.clone()), &Value::from(bad.clone())));
    let at = |path: &str| world.in_bare(&["cat-file", "-e", &format!("main:{path}")]).passed;
    assert!(at("checkout/timeout") && !at("checkout/größe"));
    let text = world.git(&["ls-remote", "--quiet", "origin", "main"]);
    assert!(text.starts_with(world.tip("main").as_str()));
    world.git(&["fetch", "--quiet", "origin"]);
    assert_eq!(world.git(&["show", "origin/main:checkout/timeout"]), "30");
    let change = done["change"].as_str().unwrap();
    let view = world.say("carol", &["show", change]).done();
    assert_eq!(view["state"], "applied");
    // Who rolled back is not asked, and cannot answer.
    let finding = done["after_review"]["id"].as_str().unwrap();
    let who: Vec<&str> = done["after_review"]["who"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(who, ["alice", "bob", "dave"]);
    let own = world.say("carol", &["review", finding, "--answer", "it was right"]);
    own.is_refused(3, "your-own-act");
    // At nine.
    awake(&world, "dave");
    let list = world.stage.run(&format!("--url {} --key dave", world.server().url));
    assert!(list.stdout.contains(&format!("countersign review {}", &finding[..12])), "{list}");
    let shown = world.stage.run(&format!("--url {} --key dave review {}", world.server().url, &finding[..12]));
    assert!(
        shown.stdout.contains("carol rolled checkout/production back") && shown.stdout.contains("\n-0\n+30\n"),
        "{shown}"
    );
    world.say("dave", &["review", finding, "--answer", "as it was before; the fix is on its way"]).done();
    assert_eq!(world.say("dave", &["findings", "--open"]).done(), Value::Array(vec![]));
    world.say("dave", &["review", finding, "--answer", "again"]).is_refused(3, "already-answered");
    // All of it is in the log, and holds.
    world.say("dave", &["export", "export"]).done();
    let verified = world.say("dave", &["verify", "export", "--trust", "home/trust.json"]);
    assert_eq!(verified.status, 0, "{verified}");
    world.say("dave", &["bundle", change, "--out", "change.tar"]).done();
    let verified = world.say("dave", &["verify", "change.tar", "--trust", "home/trust.json"]);
    assert_eq!(verified.status, 0, "{verified}");
    let told = &verified.json()["changes"][0]["emergency"];
    assert_eq!(
        (&told["rolled_back"][0]["by"], &told["rolled_back"][0]["restores"]),
        (&"carol".into(), &good.as_str().into())
    );
    let answer = &told["after_reviews"][0]["answer"];
    assert_eq!((&answer["by"], &answer["seen"]), (&"dave".into(), &"material".into()), "{answer}");
    let page = world.stage.run("verify change.tar --trust home/trust.json --format html").stdout;
    assert!(
        page.contains("Rolled back by carol alone to what") && page.contains("as it was before; the fix is on its way"),
        "{page}"
    );
    // Another step back is an ordinary change: nothing that a gate applied lies before it.
    let again = roll_back(&world, "dave", &[]);
    again.is_refused(3, "no-rollback");
    assert!(again.stderr.contains("no enforcing gate applied anything"), "{again}");
    // What did land there is named, with why that is nothing to go back to.
    for said in
        [format!("{} brought back what {} left", &change[..12], &good[..12]), format!("{} landed and was", &bad[..12])]
    {
        assert!(again.stderr.contains(&said), "{said}: {again}");
    }
}

#[test]
fn what_is_no_rollback_is_an_ordinary_change_and_says_so() {
    let (world, good, bad) = burning(&["--security"]);
    let marked = roll_back(&world, "carol", &[]);
    marked.is_refused(3, "no-rollback");
    let (said, command) = (&marked.stderr, "propose it: countersign propose --target checkout/production --kind code");
    assert!(said.contains("there is no way back past") && said.contains(command), "{marked}");
    let other = roll_back(&world, "carol", &["--to", &bad]);
    assert!(other.stderr.contains(&format!("that was {}", &good[..12])), "{other}");
    // Past the command line, the gate says the same: nobody's word that it restores something is believed.
    let tip = world.git(&["rev-parse", "origin/main"]);
    world.git(&["checkout", "--quiet", "-B", "back", "origin/main"]);
    world.git(&["revert", "--no-edit", "HEAD"]);
    let mut args = vec!["propose", "--kind", "code", "--title", "Back", "--git", "work", "--repository", "shop"];
    args.extend(["--target", "checkout/production", "--restores", &good, "--why", "it drops every order"]);
    world.say("carol", &args).done();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("no rollback that one person may do alone: there is no way back past"), "{}", push.said);
    assert_eq!(world.tip("main").as_str(), tip);
}

/// Who may break the glass is told of it where a rollback is refused, and the line that proposes it asks for what rules ask for.
#[test]
fn a_refused_rollback_names_the_glass_and_what_rules_ask_to_be_said() {
    let world = World::usual();
    world.edit("first", "payments/retries", "9\n");
    let change = world.propose("alice", &["payments/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    for who in ["bob", "carol"] {
        world.approve(who, &change);
    }
    world.push(&["HEAD:main"]).passes();

    world.git(&["fetch", "--quiet", "origin"]);
    for (key, value) in [("user.name", "Dave"), ("user.email", "dave@example.com")] {
        world.git(&["config", key, value]);
    }
    let refused = world.say("dave", &[&["rollback", "payments/production", "--git", "work"][..], &WHY].concat());
    refused.is_refused(3, "no-rollback");
    let hint = hint_of(&refused);
    assert!(hint.contains("--risk \"...\"") && hint.contains("--tests \"...\""), "{hint}");
    assert!(hint.ends_with("countersign break-glass CHANGE --why TEXT"), "{hint}");
}

/// Whoever reverts by hand is told that one signature does it, before and after they propose it.
#[test]
fn a_plain_revert_is_told_that_one_signature_brings_back_what_ran() {
    let (world, _, bad) = burning(&[]);
    world.git(&["checkout", "--quiet", "-B", "back", "origin/main"]);
    world.git(&["revert", "--no-edit", "HEAD"]);
    let told = format!("it takes back exactly {}, which landed last", &bad[..12]);
    let command = "countersign rollback checkout/production --why TEXT";
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    assert!(push.raw.contains(&told) && push.said.contains(command), "{}", push.said);
    let mut args = vec!["propose", "--kind", "code", "--title", "Back", "--git", "work", "--repository", "shop"];
    args.extend(["--target", "checkout/production", "--why", "it drops every order"]);
    let run = world.say("carol", &args);
    assert!(run.status == 0 && run.stderr.contains(&told) && run.stderr.contains(command), "{run}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.raw.contains(&told), "{}", push.said);
    // A line more is another change.
    world.write("checkout/more", "1\n");
    world.commit("and more");
    let run = world.say("carol", &args);
    assert!(run.status == 0 && !run.stderr.contains("takes back exactly"), "{run}");
    let push = world.push(&["HEAD:main"]);
    assert!(!push.passed && !push.said.contains("takes back exactly"), "{}", push.said);
}

#[test]
fn files_are_rolled_back_by_the_command_of_before_over_the_files_of_before() {
    let world = World::usual();
    let apply = |content: &str| {
        world.stage.write("app.yaml", content);
        let command =
            format!("sh -c 'cat app.yaml > {}; grep -q good app.yaml'", world.stage.path("running").display());
        let mut args = vec!["propose", "--target", "search/production", "--kind", "config", "--title", "Limits"];
        args.extend(["--why", "the bank answers within eight seconds", "--file", "app.yaml", "--command", &command]);
        let change = world.say("alice", &args).done()["id"].as_str().unwrap().to_owned();
        world.say("bob", &["approve", &change, "--file", "app.yaml"]).done();
        let words = shlex::split(&command).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.say("alice", &[&["apply", &change, "--file", "app.yaml", "--"][..], &words].concat());
        change
    };
    let good = apply("good: 1\n");
    apply("bad: 1\n");
    assert_eq!(world.stage.read("running"), "bad: 1\n");
    alone(&world, "carol");
    let run = world.say("carol", &["rollback", "search/production", "--why", "half of it is there"]);
    let done = run.done();
    assert_eq!(done["restores"], Value::from(good));
    assert_eq!(world.stage.read("running"), "good: 1\n");
    assert!(done["after_review"]["id"].is_string(), "{run}");
}

/// From its start on it is a rollback: whoever began it begins no second one alone, and somebody else looks at it.
#[test]
fn a_rollback_whose_command_fails_counts_and_is_looked_at() {
    let world = World::usual();
    world.stage.write("works", "");
    let works = world.stage.path("works").display().to_string();
    let command = format!("sh -c 'cat app.yaml; test -e {works}'");
    let apply = |content: &str, command: &str| {
        world.stage.write("app.yaml", content);
        let mut args = vec!["propose", "--target", "search/production", "--kind", "config", "--title", "Limits"];
        args.extend(["--why", "the bank answers within eight seconds", "--file", "app.yaml", "--command", command]);
        let change = world.say("alice", &args).done()["id"].as_str().unwrap().to_owned();
        world.say("bob", &["approve", &change, "--file", "app.yaml"]).done();
        let words = shlex::split(command).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = world.say("alice", &[&["apply", &change, "--file", "app.yaml", "--"][..], &words].concat());
        assert_eq!(run.status, 0, "{run}");
    };
    apply("good: 1\n", &command);
    apply("bad: 1\n", &command);
    fs::remove_file(world.stage.path("works")).unwrap();
    let back = ["rollback", "search/production", "--why", "it does not run well"];
    let failed = world.say("carol", &back);
    assert_eq!(failed.status, 1, "{failed}");
    let findings = world.say("alice", &["findings", "--open"]).done();
    assert_eq!(findings[0]["kind"], "after-review", "{findings}");
    world.stage.write("works", "");
    let second = world.say("carol", &back);
    second.is_refused(3, "no-rollback");
    assert!(second.stderr.contains("takes another person"), "{second}");
    // Whoever else owns it brings back what ran well.
    let again = world.say("alice", &back);
    assert_eq!(again.status, 0, "{again}");
    // What ran another command brings nothing back.
    apply("other: 1\n", "cat app.yaml");
    let other = world.say("dave", &back);
    other.is_refused(3, "no-rollback");
    assert!(other.stderr.contains("by another command"), "{other}");
}

/// What landed last on the target came through the gate of another repository, whose owner could have put anything there: the command
/// takes back what landed in the repository of the clone, and outside of both it asks.
#[test]
fn the_gate_of_the_clones_repository_is_meant() {
    let (world, good, bad) = burning(&[]);
    let clone =
        |words: &[&str]| assert!(world.stage.command("git").args(words).status().unwrap().success(), "{words:?}");
    clone(&["clone", "--quiet", "--bare", "shop.git", "other.git"]);
    let installed = world.stage.run(&format!(
        "--url {} --key alice gate install other.git --name other-git --repository other --trust home/trust.json --branch main \
         --map **=checkout/production",
        world.server().url
    ));
    assert_eq!(installed.status, 0, "{installed}");
    world.edit("elsewhere", "checkout/elsewhere", "1\n");
    let mut args = vec!["propose", "--kind", "code", "--title", "Elsewhere", "--git", "work", "--repository", "other"];
    args.extend(["--branch", "main", "--range", "origin/main..HEAD", "--target", "checkout/production"]);
    args.extend(["--why", "it lives there from now on, in a file", "--risk", "nobody reads it, and it costs a place"]);
    args.extend(["--rollback", "git revert, then deploy again", "--tests", "load test 4711 in staging"]);
    let elsewhere = world.say("alice", &args).done()["id"].as_str().unwrap().to_owned();
    world.approve("bob", &elsewhere);
    let other = world.stage.path("other.git").display().to_string();
    world.git(&["push", "--quiet", &other, "HEAD:main"]);
    world.settle();
    assert_eq!(world.state(&elsewhere), "applied");
    let asked = world.say("carol", &["rollback", "checkout/production", "--git", "home"]);
    asked.is_refused(2, "usage");
    assert!(asked.stderr.contains("other-git and shop-git") && asked.stderr.contains("--gate"), "{asked}");
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    let done = roll_back(&world, "carol", &[]).done();
    assert_eq!((&done["restores"], &done["undoes"]), (&Value::from(good), &Value::from(bad)));
}

/// A captured server that withholds how the last push ended would have what landed before it taken back, by one signature.
#[test]
fn a_rollback_past_a_landing_that_the_log_withholds_is_refused_by_the_gates_own_journal() {
    let (world, _, bad) = burning(&[]);
    let tip = world.tip("release");
    let transition = Transition::Git(GitTransition {
        repository: "shop".parse().unwrap(),
        reference: "refs/heads/release".to_owned(),
        old: world.tip("main"),
        new: tip,
    });
    let permit = Digest::of("withheld");
    let reservation = Reservation {
        permit,
        change: "1a2b".repeat(8).parse().unwrap(),
        revision: RevisionRef { digest: permit, number: 1 },
        targets: ["checkout/production".parse().unwrap()].into(),
        transition,
        expires_at: clock::now(),
    };
    let path = world.stage.path("shop.git/countersign/journal");
    let mut journal = Journal::open(&path).unwrap();
    journal
        .write_all(vec![
            Event::Reserved { reservation, at: clock::now(), by: None, leaves: None },
            Event::Settled { permit, result: OutcomeResult::Applied, exit_status: None, at: clock::now() },
        ])
        .unwrap();
    drop(journal);
    let refused = roll_back(&world, "carol", &[]);
    refused.is_refused(3, "not-landed");
    assert!(refused.stderr.contains("outcome-withheld"), "{refused}");
    assert_eq!(world.state(&bad), "applied");
}
