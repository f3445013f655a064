//! What a person's machine remembers of a log, and what it does not believe: every command refuses a log that is not the one
//! that it saw, prints what signed statements say, and calls done only what it found in the log.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use countersign::memory::Memory;
use countersign_core::{
    catalog::Level,
    epoch::MAX_STEP,
    statement::{Body, Epoch, SeenCheckpoint},
};
use countersign_ledger::{Digest, SigningKey};
use serde_json::{Value, json};

use crate::{
    lying::{Liar, Log},
    proxy::{Answer, Proxy},
    support::Run,
    world::World,
};

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

/// An epoch in the log raises what this machine accepts as the next one. Whoever has the log's key can write down any number, and
/// would make the founders' own epochs look like old ones.
#[test]
fn a_server_cannot_make_epochs_so_high_that_no_founder_gets_there() {
    let remembered = |number: u32| {
        let world = world();
        assert_eq!(world.say("alice", &["log"]).status, 0);
        let mut log = Log::of(&world);
        let leaf = log.size();
        let after = SeenCheckpoint { root: world.voice("alice").log.checkpoint.root, size: leaf };
        log.append(log.say(Body::Epoch(Epoch { after, number, reason: Digest::of("none") })));
        let liar = Liar::shows(&world, log);
        let hints = json!([{"number": number, "leaf": leaf}]).to_string();
        let told = Proxy::before(&liar.url, move |_, path| match path {
            "/epoch" => Answer::Lie(hints.clone()),
            path => Answer::Of(path.to_owned()),
        });
        world.say_to(&told.url, "alice", &["log"]);
        let place = world.stage.path(&world.machine).join("countersign");
        Memory::of(&place, "world").seen().unwrap().unwrap().epoch
    };
    assert_eq!(remembered(1 + MAX_STEP), 1 + MAX_STEP, "the lie reaches the machine at all");
    assert_eq!(remembered(2 + MAX_STEP), 1);
    assert_eq!(remembered(u32::MAX), 1);
}

fn world() -> World {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.stage.write("flags.json", "{\"fast\": true}\n");
    world
}

/// How a change of `flags.json` is proposed.
fn proposing(title: &str) -> [&str; 12] {
    [
        "propose",
        "--again",
        "--target",
        "search/production",
        "--kind",
        "flag",
        "--file",
        "flags.json",
        "--command",
        "cat flags.json",
        "--title",
        title,
    ]
}

fn propose(world: &World, title: &str) -> String {
    let run = world.say("alice", &[&proposing(title)[..], &WORDS].concat());
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

/// Runs a command against another address than the server's.
fn say_to(world: &World, url: &str, who: &str, args: &[&str]) -> Run {
    world.stage.run_words(&[&["--url", url, "--key", who, "--format", "json"][..], args].concat())
}

fn error(run: &Run) -> Value {
    assert_ne!(run.status, 0, "{run}");
    let line = run.stderr.lines().last().unwrap_or_default();
    serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {run}"))["error"].clone()
}

fn code(run: &Run) -> String {
    error(run)["code"].as_str().unwrap().to_owned()
}

/// Every command that reaches the log, reading or writing.
fn every_command(change: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["list"],
        vec!["log"],
        vec!["show", change],
        vec!["approve", change, "--file", "flags.json"],
        vec!["reject", change, "--why", "no"],
        vec!["comment", change, "no"],
        vec!["label", change, "hold"],
        vec!["permit", change, "--until", "2199-01-01"],
        vec!["attest", change, "--kind", "tests", "--result", "passed"],
        vec!["take-back", change],
        vec!["waive", change, "--rule", "owner-approves", "--why", "no"],
        vec!["bundle", change, "--out", "out.bundle"],
        vec!["amend", "home", "--why", "no"],
    ]
}

#[test]
fn a_log_that_went_back_is_refused_by_every_command() {
    let mut world = world();
    let change = propose(&world, "Go faster");
    let older = world.copy_of_the_store("older.db");
    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    world.serve_store(&older);
    for command in every_command(&change) {
        let run = world.say("bob", &command);
        assert_eq!(code(&run), "log-went-back", "{command:?}: {run}");
    }
    let said = error(&world.say("bob", &["list"]));
    let (message, hint) = (said["message"].as_str().unwrap(), said["hint"].as_str().unwrap());
    assert!(message.contains("before: 3 leaves") && message.contains("now:    2 leaves"), "{message}");
    let kept = hint.split_whitespace().find(|word| word.contains("/proof-")).unwrap().trim_end_matches(';');
    for name in ["before", "now"] {
        let note: Value = serde_json::from_str(&world.stage.read(&format!("{kept}/{name}"))).unwrap();
        assert!(note["note"].as_str().unwrap().starts_with("world\n"), "{note}");
    }
}

#[test]
fn a_log_that_was_forked_is_refused() {
    let mut world = world();
    let change = propose(&world, "Go faster");
    let fork = world.copy_of_the_store("fork.db");
    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    world.serve_store(&fork);
    // Somebody else's machine takes the fork for the log, and makes it longer.
    for title in ["Go slower", "Go on"] {
        let url = world.server().url.clone();
        let mut words = vec!["--url", &url, "--key", "carol"];
        words.extend(proposing(title));
        words.extend(WORDS);
        let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
        let output = command.env("XDG_STATE_HOME", world.stage.path("elsewhere")).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    for command in every_command(&change) {
        let run = world.say("bob", &command);
        assert_eq!(code(&run), "log-differs", "{command:?}: {run}");
    }
}

#[test]
fn a_log_that_was_founded_anew_under_its_name_is_refused() {
    let (one, other) = (world(), world());
    propose(&one, "Go faster");
    let run = say_to(&one, &other.server().url, "bob", &["list"]);
    assert_eq!(code(&run), "log-refounded", "{run}");
    let message = error(&run)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("before: 2 leaves") && message.contains("now:    1 leaves"), "{message}");
    // A founder's trust.json says that it is right so; from then on it is the log.
    let trust = other.stage.path("home/trust.json").display().to_string();
    let run = say_to(&one, &other.server().url, "bob", &["--trust", &trust, "list"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(say_to(&one, &other.server().url, "bob", &["list"]).status, 0);
    assert_eq!(code(&one.say("bob", &["list"])), "log-refounded");
}

/// Where nothing was seen before nothing was founded anew: it is the file that is the wrong one, and nothing of it is kept.
#[test]
fn a_wrong_trust_file_at_first_sight_is_told_as_that() {
    let (one, other) = (world(), world());
    let change = propose(&one, "Go faster");
    let trust = other.stage.path("home/trust.json").display().to_string();
    let url = one.server().url.clone();
    let fresh = |words: &[&str]| {
        one.stage.run_on("fresh", &[&["--url", &url, "--key", "bob", "--format", "json"], words].concat())
    };
    for words in [&["show", &change][..], &["list"], &["join", &url]] {
        let run = fresh(&[&["--trust", &trust], words].concat());
        assert_eq!(code(&run), "another-log", "{run}");
        let message = error(&run)["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("wrong trust file: it pins another log named `world`"), "{message}");
        assert!(!run.stderr.contains("founded anew"), "{run}");
    }
    assert_eq!(fresh(&["show", &change]).status, 0, "it is met for the first time");
}

#[test]
fn the_first_sight_is_pinned_and_told() {
    let world = world();
    let run = world.say("bob", &["list"]);
    assert!(run.stderr.starts_with("pinned log world with genesis sha256:[DIGEST]: compare"), "{run}");
    assert_eq!(world.say("bob", &["list"]).stderr, "");
    // Another log's trust is of no use here.
    let other = crate::support::Stage::with_keys(&["ada", "grace"]);
    other.home_of_two();
    let trust = other.path("home/trust.json").display().to_string();
    assert_eq!(code(&world.say("bob", &["--trust", &trust, "list"])), "another-log");
}

#[test]
fn a_server_that_swaps_the_change_gets_no_signature() {
    let world = world();
    let (harmless, evil) = (propose(&world, "Harmless"), propose(&world, "Evil"));
    let (from, to) = (harmless.clone(), evil.clone());
    let proxy = Proxy::before(&world.server().url, move |_, path| {
        Answer::Of(path.replace(&from, &to).replace(&from[..12], &to[..12]))
    });
    for typed in [&harmless[..12], &harmless] {
        for command in
            [vec!["approve", typed, "--file", "flags.json"], vec!["show", typed], vec!["reject", typed, "--why", "no"]]
        {
            let run = say_to(&world, &proxy.url, "bob", &command);
            assert_eq!(code(&run), "swapped-change", "{command:?}: {run}");
        }
    }
    for change in [&harmless, &evil] {
        assert_eq!(world.say("bob", &["show", change]).json()["approvals"], json!([]));
    }
}

#[test]
fn what_is_shown_comes_from_signed_statements_and_not_from_the_server() {
    let world = world();
    let change = propose(&world, "Go faster");
    let honest = world.say("bob", &["show", &change]).json();
    // The server's own account of changes is never asked for.
    let proxy = Proxy::before(&world.server().url, |_, path| {
        match path.starts_with("/v1/changes/") && !path.contains("/bundle") {
            true => Answer::Lie("{}".to_owned()),
            false => Answer::Of(path.to_owned()),
        }
    });
    let shown = say_to(&world, &proxy.url, "bob", &["show", &change]).json();
    for field in ["title", "text", "subject", "approvals", "contributors"] {
        assert_eq!(shown[field], honest[field]);
    }
    let run = say_to(&world, &proxy.url, "bob", &["approve", &change, "--file", "flags.json"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("approval of revision 1 of change") && run.stderr.contains("Go faster"), "{run}");
}

#[test]
fn an_id_is_typed_with_twelve_digits_or_more() {
    let world = world();
    let change = propose(&world, "Go faster");
    assert_eq!(change.len(), 32);
    for typed in [&change[..12], &change[..20], &change] {
        assert_eq!(world.say("bob", &["show", typed]).json()["id"], change);
    }
    let run = world.say("bob", &["show", &change[..11]]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("12 to 32 hexadecimal digits"), "{run}");
}

/// A receipt for a leaf that is there, and is another statement's.
/// What a server says of a statement that it has not taken.
pub fn made_up_receipt() -> Answer {
    let statement = format!("sha256:{}", "0".repeat(64));
    Answer::Lie(json!({"index": 1, "statement": statement, "change": null, "permit": null, "decision": null, "explanation": null}).to_string())
}

#[test]
fn nothing_is_done_that_is_not_seen_in_the_log() {
    let world = world();
    let change = propose(&world, "Go faster");
    let proxy = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => made_up_receipt(),
        _ => Answer::Of(path.to_owned()),
    });
    let run = say_to(&world, &proxy.url, "bob", &["approve", &change, "--file", "flags.json"]);
    assert_eq!(code(&run), "not-seen", "{run}");
    let message = error(&run)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("leaf 1 is another statement"), "{message}");
    assert!(!error(&run)["hint"].as_str().unwrap().contains("gate stop"), "an approval stops nothing");
}

#[test]
fn a_stop_that_the_server_swallows_is_kept_for_a_gate() {
    let world = world();
    let change = propose(&world, "Go faster");
    let swallowed = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => made_up_receipt(),
        _ => Answer::Of(path.to_owned()),
    });
    let silent = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::Silence,
        _ => Answer::Of(path.to_owned()),
    });
    let refused = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::Of("/v1/changes".to_owned()),
        _ => Answer::Of(path.to_owned()),
    });
    let carol = world.stage.command("ssh-keygen").args(["-l", "-f", "carol.pub"]).output().unwrap();
    let carol = String::from_utf8(carol.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    for (proxy, expected) in [(&swallowed, "not-seen"), (&silent, "unreachable"), (&refused, "method-not-allowed")] {
        for (kind, command) in [
            ("rejection", vec!["reject", &change, "--why", "no"]),
            ("key-revocation", vec!["revoke", &carol, "--why", "stolen"]),
        ] {
            let run = say_to(&world, &proxy.url, "bob", &command);
            assert_eq!(code(&run), expected, "{run}");
            let hint = error(&run)["hint"].as_str().unwrap().to_owned();
            let (_, file) =
                hint.split_once("countersign gate stop REPO --statement ").unwrap_or_else(|| panic!("{hint}"));
            let file = file.lines().next().unwrap();
            let kept: Value = serde_json::from_str(&world.stage.read(file.trim())).unwrap();
            assert!(file.contains(kind), "{file}");
            assert!(kept["envelope"].as_str().unwrap().contains("payload"), "{kept}");
            assert_eq!(kept["blobs"].as_array().unwrap().len(), 1, "the reason goes along");
        }
    }
    // What the log has taken, nobody has to hand over.
    let state = world.stage.path("user/.local/state/countersign");
    let stops = || {
        let folders = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path().join("stops"));
        folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().count()
    };
    let before = stops();
    assert_eq!(world.say("bob", &["reject", &change, "--why", "no"]).status, 0);
    assert_eq!(stops(), before);
}

/// A new copy of the log has to reach what this machine has seen of it, as every command has.
#[test]
fn a_new_copy_of_a_log_that_went_back_is_refused() {
    let mut world = world();
    let change = propose(&world, "Go faster");
    let older = world.copy_of_the_store("older.db");
    world.say("bob", &["approve", &change, "--file", "flags.json"]);
    world.serve_store(&older);
    let url = world.server().url.clone();
    let follow = ["--url", &url, "--trust", "home/trust.json", "--format", "json", "follow", "--into", "new", "--once"];
    let run = world.stage.run_words(&follow);
    assert_eq!((run.status, code(&run).as_str()), (3, "log-went-back"), "{run}");
    let message = error(&run)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("it had 3 leaves and is shown with 2"), "{message}");
}

/// Which change something was said about stands in what was signed; the server's receipt does not tell.
#[test]
fn a_receipt_of_another_change_names_nothing() {
    let world = world();
    let other = propose(&world, "Go slower");
    let (honest, named) = (world.server().url.clone(), other.clone());
    let liar = Proxy::reading(&world.server().url, move |request| match request.method {
        "POST" => {
            let mut answer = ureq::post(&format!("{honest}{}", request.path))
                .header("content-type", "application/json")
                .send(request.body)
                .unwrap();
            let mut receipt: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
            receipt["change"] = named.clone().into();
            Answer::Lie(receipt.to_string())
        }
        _ => Answer::Of(request.path.to_owned()),
    });
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
        "cat flags.json",
        "--title",
        "Go",
    ];
    let run = say_to(&world, &liar.url, "alice", &[&args[..], &WORDS].concat());
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(run.json()["title"], "Go");
    assert_ne!(run.json()["id"], Value::from(other));
}

/// Takes somebody out of the catalog, or gives them other keys.
fn edit_person(world: &World, who: &str, edit: impl Fn(&mut serde_json::Map<String, Value>)) {
    world.publish(|files| {
        for (path, bytes) in files.iter_mut().filter(|(path, _)| path.starts_with("people/")) {
            let mut file: Value = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
            let people = file.as_object_mut().unwrap();
            if people.contains_key(who) {
                edit(people);
            }
            *bytes = countersign_core::canonical::to_bytes(&file).unwrap();
        }
        for (_, bytes) in files.iter_mut().filter(|(path, _)| path.starts_with("profiles/")) {
            let mut file: Value = serde_json::from_slice(bytes).unwrap();
            file["people"].as_object_mut().unwrap().remove(who);
            *bytes = countersign_core::canonical::to_bytes(&file).unwrap();
        }
    });
}

/// What somebody said stays said when they leave, and is shown and verified like everything else.
#[test]
fn who_has_left_the_catalog_or_has_another_key_breaks_nothing() {
    let world = world();
    let change = propose(&world, "Go faster");
    assert_eq!(world.say("carol", &["approve", &change, "--file", "flags.json"]).status, 0);
    // Bob signed a publication, and has another key since.
    edit_person(&world, "carol", |people| drop(people.remove("carol")));
    let new = SigningKey::generate(&mut rand_core::OsRng).public().to_string();
    edit_person(&world, "bob", |people| people["bob"]["keys"] = json!([new.as_str()]));
    let shown = world.say("alice", &["show", &change]);
    assert_eq!(shown.status, 0, "{shown}");
    assert_eq!(world.say("alice", &["bundle", &change, "--out", "left.bundle"]).status, 0);
    let run = world.stage.run("verify left.bundle --trust home/trust.json");
    assert_eq!(run.status, 0, "{run}");
    propose(&world, "Go on");
}

/// A revision that changes nothing would take a rejection and approvals away.
#[test]
fn a_revision_that_changes_nothing_is_refused_and_none_shakes_off_a_rejection() {
    let world = world();
    let change = propose(&world, "Go faster");
    let run = world.say("alice", &["revise", &change]);
    assert!(run.status != 0 && error(&run)["message"].as_str().unwrap().contains("says already"), "{run}");
    assert_eq!(world.say("carol", &["reject", &change, "--why", "breaks billing"]).status, 0);
    let run = world.say("alice", &["revise", &change, "--title", "Go much faster"]);
    assert_eq!((run.status, &run.json()["state"]), (0, &"rejected".into()), "{run}");
    world.stage.write("flags.json", "{\"fast\": \"a little\"}\n");
    let run = world.say("alice", &["revise", &change, "--file", "flags.json", "--command", "cat flags.json"]);
    assert_eq!((run.status, &run.json()["state"]), (0, &"rejected".into()), "{run}");
}

/// What is approved was read; words that are not here cannot be told from words that somebody holds back.
#[test]
fn nothing_is_approved_without_its_words() {
    let world = world();
    let change = propose(&world, "Go faster");
    let log = crate::lying::Log::of(&world);
    let proposal = log.statement(log.last("proposal"));
    let countersign_core::statement::Body::Proposal(proposal) = proposal.body else { panic!("no proposal") };
    let liar = crate::lying::Liar::shows(&world, log.without_blob(&proposal.text));
    let run = say_to(&world, &liar.url, "bob", &["approve", &change, "--file", "flags.json"]);
    assert_eq!(code(&run), "text-missing", "{run}");
}

/// Governance that this machine has verified is neither fetched nor read again, and what is shown is the same.
#[test]
fn governance_that_was_verified_is_not_read_again() {
    let world = world();
    edit_person(&world, "carol", |people| people["carol"]["level"] = json!("senior"));
    let change = propose(&world, "Go faster");
    // Reading it once keeps governance as it stood when it was proposed; publications come after.
    assert_eq!(world.say("bob", &["approve", &change, "--file", "flags.json"]).status, 0);
    edit_person(&world, "carol", |people| drop(people.remove("carol")));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (asks, honest) = (Arc::clone(&asked), world.server().url.clone());
    let proxy = Proxy::before(&honest, move |_, path| {
        asks.lock().unwrap().push(path.to_owned());
        Answer::Of(path.to_owned())
    });
    let again = say_to(&world, &proxy.url, "bob", &["show", &change]);
    assert_eq!(again.status, 0, "{again}");
    let asked: Vec<String> = asked.lock().unwrap().iter().filter(|path| path.contains("/bundle")).cloned().collect();
    assert!(asked.len() == 1 && asked[0].contains("governed=2"), "{asked:?}");
    let words = ["--url", &honest, "--trust", "home/trust.json", "--format", "json", "show", &change];
    let from_the_beginning = world.stage.run_on("elsewhere", &words);
    let without_time = |run: &Run| {
        let mut view = run.json();
        for place in ["decision", "explanation"] {
            for field in ["decided_at", "explained_at"] {
                view[place].as_object_mut().unwrap().remove(field);
            }
        }
        view
    };
    assert_eq!(without_time(&again), without_time(&from_the_beginning));
    // What is kept is a cache: damaged, it is as if it were not there.
    let state = world.stage.path("user/.local/state/countersign");
    let folder = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path().join("governance"));
    let kept = folder.filter(|folder| folder.exists()).flat_map(|folder| fs::read_dir(folder).unwrap());
    for file in kept {
        fs::write(file.unwrap().path(), "garbage").unwrap();
    }
    assert_eq!(world.say("bob", &["show", &change]).status, 0);
}

/// What a machine pinned is not taken away by a file that is passed to one command, not even to one that only reads.
#[test]
fn a_trust_that_demands_less_takes_nothing_away_from_what_was_pinned() {
    let world = world();
    let strict =
        world.stage.read("home/trust.json").replacen('{', "{\"fresh\": {\"tier_1_secs\": 20, \"others_secs\": 40},", 1);
    world.stage.write("strict.json", &strict);
    let list = |trust: &str| say_to(&world, &world.server().url, "alice", &["--trust", trust, "list"]);
    let alone = "counts for this command alone";
    assert!(!list("home/trust.json").stderr.contains(alone));
    assert!(!list("strict.json").stderr.contains(alone), "nothing was demanded before");
    let run = list("home/trust.json");
    assert!(run.status == 0 && run.stderr.contains(alone), "{run}");
    assert!(!list("strict.json").stderr.contains(alone), "it is pinned still");
    // Whoever means it joins anew.
    let run =
        say_to(&world, &world.server().url, "alice", &["--trust", "home/trust.json", "join", &world.server().url]);
    assert_eq!(run.status, 0, "{run}");
    assert!(!list("home/trust.json").stderr.contains(alone));
}
