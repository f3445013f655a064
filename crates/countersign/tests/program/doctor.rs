//! What is misconfigured is found, and so is the command that mends it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use countersign::{
    clock,
    doctor::{State, machine},
    speaker::Hand,
};
use countersign_core::{
    catalog::Level,
    statement::{self, Body, Matter},
};
use serde_json::Value;

use crate::{
    support::{Run, Stage},
    world::World,
};

fn found<'a>(run: &'a Value, check: &str) -> Vec<&'a Value> {
    let findings = run["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["check"] == check && finding["state"] == "wrong").collect()
}

/// It is found, said, and there is something that mends it.
#[track_caller]
fn wrong(run: &Run, check: &str, said: &str, mend: &str) {
    assert_eq!(run.status, 3, "{run}");
    let json = run.json();
    let found = found(&json, check);
    let fits = |finding: &&Value| {
        finding["said"].as_str().unwrap().contains(said) && finding["mend"].as_str().unwrap_or_default().contains(mend)
    };
    assert!(found.iter().any(fits), "{run}");
}

fn of_home(stage: &Stage) -> Run {
    stage.run("--format json doctor --home home")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_wrong_with_what_was_set_up_as_the_documents_say() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    for words in [&["doctor"][..], &["doctor", "--home", "home"], &["doctor", "--gate", "shop.git"]] {
        let run = world.say("alice", words);
        assert_eq!((run.status, &run.json()["wrong"]), (0, &0.into()), "{words:?} {run}");
    }
}

#[test]
fn the_machine_of_somebody_is_looked_at() {
    let mut world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    world.stage.key("stranger");
    wrong(&world.say("stranger", &["doctor"]), "signer", "belongs to nobody", "countersign/keys: ssh-ed25519");
    wrong(&world.say("nowhere", &["doctor"]), "key", "there is no key", "ssh-keygen");
    // An ssh-keygen that cannot sign, and a git that is too old.
    for (name, says) in [("ssh-keygen", "unknown option -- Y"), ("git", "git version 2.20.1")] {
        let path = world.stage.write(&format!("old/{name}"), &format!("#!/bin/sh\necho '{says}'\n"));
        mode(&path, 0o755);
    }
    let old = format!("{}:{}", world.stage.path("old").display(), std::env::var("PATH").unwrap());
    let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    let words = ["--format", "json", "--key", "alice", "--url", &world.server().url, "doctor"];
    let output = command.env("PATH", old).args(words).output().unwrap();
    let run = Run::new(output, &world.stage.path(""));
    wrong(&run, "ssh-keygen", "cannot sign", "OpenSSH 8.2");
    wrong(&run, "git", "older than 2.38", "newer git");
    let url = world.server().url.clone();
    world.stop_server();
    wrong(&world.say_to(&url, "alice", &["doctor"]), "address", "cannot reach", "countersign serve");
}

#[test]
fn a_home_with_open_secrets_a_lost_or_an_older_ledger_is_found() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    assert_eq!(of_home(&stage).status, 0);
    let server = stage.serve();
    assert_eq!(stage.run(&format!("--url {} log", server.url)).status, 0);
    assert_eq!(of_home(&stage).status, 0, "also while it is served");
    server.end();
    mode(&stage.path("home/ledger.db"), 0o644);
    wrong(&of_home(&stage), "modes", "ledger.db", "chmod 600 home/ledger.db");
    mode(&stage.path("home/ledger.db"), 0o600);
    mode(&stage.path("home/keys/log.key"), 0o640);
    wrong(&of_home(&stage), "log-key", "others can read", "chmod 600");
    mode(&stage.path("home/keys/log.key"), 0o600);
    stage.write("home/rules/extra.cedar", "forbid (");
    wrong(&of_home(&stage), "catalog-and-rules", "extra", "");
    fs::remove_file(stage.path("home/rules/extra.cedar")).unwrap();
    fs::rename(stage.path("home/ledger.db"), stage.path("aside.db")).unwrap();
    wrong(&of_home(&stage), "file", "missing", "countersign import");
    fs::rename(stage.path("aside.db"), stage.path("home/ledger.db")).unwrap();
    assert_eq!(of_home(&stage).status, 0);
    wrong(&stage.run("--format json doctor --home nowhere"), "files", "no home", "countersign init");
}

/// What a server needs is looked at before anything is made, and what is not there is told as what it is.
#[test]
fn a_server_that_does_not_start_makes_nothing_and_each_case_is_told_as_it_is() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let ledger = stage.path("home/ledger.db");
    let refused = |listen: &str, code: &str| {
        let run = stage.run(&format!("--format json serve --home home --listen {listen}"));
        assert!(run.status == 1 && run.stderr.contains(&format!("\"code\":\"{code}\"")), "{run}");
        run
    };
    let said = |check: &str| {
        let run = of_home(&stage);
        let findings = run.json()["findings"].as_array().unwrap().clone();
        let all: Vec<Value> =
            findings.into_iter().filter(|found| found["part"] == "ledger" && found["check"] == check).collect();
        assert_eq!(all.len(), 1, "{run}");
        (all[0]["state"].clone(), all[0]["said"].as_str().unwrap().to_owned(), all[0]["mend"].clone())
    };
    // Never served.
    mode(&stage.path("home/keys/log.key"), 0o644);
    refused("127.0.0.1:0", "home-invalid");
    mode(&stage.path("home/keys/log.key"), 0o600);
    fs::rename(stage.path("home/keys/server.key"), stage.path("aside.key")).unwrap();
    refused("127.0.0.1:0", "io");
    fs::rename(stage.path("aside.key"), stage.path("home/keys/server.key")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    refused(&taken.local_addr().unwrap().to_string(), "cannot-listen");
    assert!(!ledger.exists());
    let (state, words, _) = said("file");
    assert!(state == "good" && words.contains("has not begun"), "{words}");
    fs::write(&ledger, "").unwrap();
    mode(&ledger, 0o600);
    let (state, words, _) = said("file");
    assert!(state == "good" && words.contains("has not begun"), "{words}");
    fs::remove_file(&ledger).unwrap();
    // Served, and lost.
    let server = stage.serve();
    assert_eq!(stage.run(&format!("--url {} log", server.url)).status, 0);
    server.end();
    let kept = fs::read(&ledger).unwrap();
    fs::remove_file(&ledger).unwrap();
    let run = refused("127.0.0.1:0", "ledger-missing");
    assert!(run.stderr.contains("is missing") && !run.stderr.contains("mv "), "{run}");
    assert!(!ledger.exists());
    let (state, words, mend) = said("file");
    assert!(state == "wrong" && words.contains("is missing"), "{words}");
    assert_eq!(mend, "countersign import EXPORT_OR_BACKUP --home home");
    fs::write(&ledger, "").unwrap();
    mode(&ledger, 0o600);
    let run = refused("127.0.0.1:0", "ledger-missing");
    assert!(run.stderr.contains("is empty") && run.stderr.contains("mv home/ledger.db"), "{run}");
    let (state, words, mend) = said("file");
    assert!(state == "wrong" && words.contains("is empty"), "{words}");
    assert!(mend.as_str().unwrap().contains("mv home/ledger.db"), "{mend}");
    assert!(!of_home(&stage).stdout.contains("older copy"));
    // Damaged: where, and what to do.
    for damaged in
        [[&kept[..kept.len() / 2], &vec![0xff; kept.len() / 2][..]].concat(), kept[..kept.len() / 2].to_vec()]
    {
        fs::write(&ledger, damaged).unwrap();
        let run = refused("127.0.0.1:0", "store-damaged");
        for words in
            ["home/ledger.db", "countersign doctor --home home", "countersign import EXPORT_OR_BACKUP --home home"]
        {
            assert!(run.stderr.contains(words), "{run}");
        }
        let run = of_home(&stage);
        assert!(
            run.status == 3 && run.stdout.contains("at home/ledger.db: ") && run.stdout.contains("import EXPORT"),
            "{run}"
        );
    }
    fs::write(&ledger, kept).unwrap();
    assert_eq!(of_home(&stage).status, 0);
}

fn sql(file: &Path, text: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let edited = sqlx::raw_sql(text).execute(&pool).await.unwrap();
        assert!(edited.rows_affected() > 0, "{text}");
        pool.close().await;
    });
}

/// Any leaf and any node, wherever nobody has looked for it.
#[test]
fn a_damaged_leaf_node_or_blob_anywhere_in_the_ledger_is_found() {
    let mut world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let change = {
        world.edit("change", "checkout/timeout", "30\n");
        world.propose("alice", &["checkout/production"])
    };
    let voice = world.voice("alice");
    let server = world.server();
    let revision = server.block_on(server.engine.find(&change)).unwrap().current_ref().unwrap();
    for _ in 0..600 {
        let (guidance, prompted_by, tools) = Default::default();
        let change = change.parse().unwrap();
        let said = countersign_core::statement::Disclosure { change, guidance, prompted_by, revision, tools };
        voice.say(countersign_core::statement::Body::Disclosure(said), &[]).unwrap();
    }
    world.stop_server();
    // Whoever still has it open would write into what is put in its place.
    assert!(!world.stage.path("home/ledger.db-wal").exists());
    let look = |world: &World| world.stage.run("--format json doctor --home home");
    assert_eq!(look(&world).status, 0, "{}", look(&world));
    for (edit, check) in [
        ("update leaves set bytes = substr(bytes, 1, 300) || x'00' || substr(bytes, 302) where idx = 77", "whole"),
        (
            "update tiles set hashes = substr(hashes, 1, 40) || x'00' || substr(hashes, 42) where level = 0 and idx = 1",
            "nodes",
        ),
        ("update tiles set hashes = substr(hashes, 1, 40) || x'00' || substr(hashes, 42) where level = 1", "file"),
        ("update blobs set bytes = bytes || x'20' where id = (select max(id) from blobs)", "whole"),
    ] {
        let kept = fs::read(world.stage.path("home/ledger.db")).unwrap();
        sql(&world.stage.path("home/ledger.db"), edit);
        let run = look(&world);
        wrong(&run, check, "", "countersign");
        fs::write(world.stage.path("home/ledger.db"), kept).unwrap();
    }
    assert_eq!(look(&world).status, 0);
}

#[test]
fn a_gate_whose_hooks_key_or_server_are_wrong_is_found() {
    let mut world = World::usual();
    let look = |world: &World| world.stage.run("--format json doctor --gate shop.git");
    assert_eq!(look(&world).status, 0, "{}", look(&world));
    let hook = world.stage.path("shop.git/hooks/pre-receive");
    mode(&hook, 0o644);
    wrong(&look(&world), "hooks", "may not be run", "chmod 755");
    mode(&hook, 0o755);
    mode(&world.stage.path("shop.git/countersign/gate.key"), 0o644);
    wrong(&look(&world), "key", "others can read", "chmod 600");
    mode(&world.stage.path("shop.git/countersign/gate.key"), 0o600);
    world.tell_the_gate("http://127.0.0.1:1");
    wrong(&look(&world), "server", "nothing lands", "gate.yaml");
    world.stop_server();
    wrong(&world.stage.run("--format json doctor --gate work"), "files", "", "gate install");
}

/// Whatever `gate status` ends with 3 for, the doctor finds, and does not call the gate well beside it.
#[test]
fn a_gate_that_was_gone_round_or_lost_something_is_found() {
    let world = World::usual();
    let look = |world: &World| world.stage.run("--format json doctor --gate shop.git");
    let calls_it_well = |run: &Run| {
        let findings = run.json()["findings"].as_array().unwrap().clone();
        findings.iter().any(|finding| finding["said"].as_str().unwrap().contains("stands as permits left it"))
    };
    assert!(calls_it_well(&look(&world)));
    let branch = world.stage.path("shop.git/refs/heads/main");
    let tip = fs::read(&branch).unwrap();
    world.edit("evil", "checkout/timeout", "666\n");
    world.push(&["evil:aside"]).passes();
    fs::write(&branch, format!("{}\n", world.id("evil"))).unwrap();
    wrong(&look(&world), "branches", "somebody went round the gate", "countersign gate status");
    assert!(!calls_it_well(&look(&world)));
    // Put back after it was seen, nobody has said yet what it was.
    world.push(&["evil:another"]).passes();
    fs::write(&branch, tip).unwrap();
    world.push(&["evil:one-more"]).passes();
    wrong(&look(&world), "branches", "nobody has said what it was", "--answer");
    assert!(!calls_it_well(&look(&world)));
    assert_eq!(world.stage.run_words(&["gate", "status", "shop.git", "--answer", "a test"]).status, 0);
    assert!(calls_it_well(&look(&world)));

    let journal = world.stage.path("shop.git/countersign/journal");
    fs::rename(&journal, world.stage.path("kept")).unwrap();
    wrong(&look(&world), "status", "is gone, or empty", "countersign gate status");
    assert!(!calls_it_well(&look(&world)));
    fs::rename(world.stage.path("kept"), &journal).unwrap();

    let hook = world.stage.path("shop.git/hooks/post-receive");
    let text = fs::read(&hook).unwrap();
    fs::write(&hook, "#!/bin/sh\n").unwrap();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    fs::write(&hook, text).unwrap();
    wrong(&look(&world), "outcomes", "does not have 1 of this gate's outcomes", "push");
    assert!(!calls_it_well(&look(&world)));
}

/// Statements and permits hold for minutes, so that clocks that are apart refuse people for no fault of theirs; and who has not
/// answered in time is named.
#[test]
fn clocks_that_are_apart_and_findings_that_are_overdue_are_told() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let mut server = world.voice("alice");
    let client = server.speaker.client.clone();
    (server.speaker.me, server.speaker.hand) =
        ("countersign".parse().unwrap(), Hand::Gate(world.home.server_key().unwrap()));
    let (rule, target) = ("second-pair-of-eyes".parse().unwrap(), "checkout/production".parse().unwrap());
    let due = clock::now().plus_secs(3_600);
    let who = ["bob".parse().unwrap()].into();
    let found = statement::Finding { apart: [].into(), due, text: None, what: Matter::NobodyCan { rule, target }, who };
    server.say(Body::Finding(found), &[]).unwrap();
    let told = |secs: i64, check: &str| {
        let found = machine::look_at_server(&client, Ok(String::new()), None, clock::now().plus_secs(secs));
        let of_it = found.all.into_iter().filter(|found| found.check == check && found.state == State::Wrong);
        of_it.map(|found| format!("{} -> {}", found.said, found.mend.unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(told(0, "clock").len() + told(0, "finding").len(), 0);
    assert_eq!(told(30, "clock").len(), 0);
    for (secs, way) in [(300, "s ahead of the server's"), (-300, "s behind the server's")] {
        let said = told(secs, "clock");
        assert!(said.len() == 1 && said[0].contains(way) && said[0].contains("timedatectl set-ntp"), "{said:?}");
    }
    let overdue = told(3_700, "finding");
    assert!(overdue.len() == 1 && overdue[0].starts_with("bob should have answered by "), "{overdue:?}");
    assert!(overdue[0].ends_with("-> countersign findings --open"), "{overdue:?}");
}

/// A server decides by what it keeps beside the leaves, and would sign what every reader refuses.
#[test]
fn what_is_kept_beside_the_leaves_and_is_not_what_they_say_is_found() {
    let mut world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    world.approve("bob", &change);
    world.stop_server();
    let good = of_home(&world.stage).json();
    assert!(found(&good, "kept").is_empty(), "{good}");
    let file = world.stage.path("home/ledger.db");
    // All of it is in the file afterwards.
    sql(&file, "update log set size = size");
    let whole = fs::read(&file).unwrap();
    for (damage, said) in [
        (
            "update projections set body = cast(replace(cast(body as text), 'computed', 'material') as blob) where kind = 'change'",
            "what is kept of change",
        ),
        (
            "update projections set body = cast(replace(cast(body as text), 'carol', 'alice') as blob) where kind = 'target'",
            "what is kept of target",
        ),
        ("delete from projections where kind = 'target'", "what is kept of target checkout/production"),
        ("delete from projections where kind = 'gate'", "what is kept of gate shop-git"),
        (
            "insert into projections (kind, name, ord, facets, body) select kind, substr(name, 2) || substr(name, 1, 1), ord, \
             facets, body from projections where kind = 'change'",
            "what is kept of change",
        ),
        ("delete from uniques where idx = 1", "what is kept of leaf 1 under key"),
        ("update lines set idx = 0 where idx = 1", "what is kept of line 0 of stream"),
        ("delete from lines where idx = (select max(idx) from lines)", "what is kept of line"),
        (
            "insert into lines select stream, seq + 1, idx from lines where idx = (select max(idx) from lines)",
            "what is kept of lines of streams",
        ),
        ("insert into uniques values (zeroblob(16), 1)", "what is kept of keys"),
        ("update projections set ord = 0 where kind = 'change'", "what is kept of change"),
        ("update facets set value = 'applied' where facet = 'state'", "in the index of lists"),
    ] {
        fs::write(&file, &whole).unwrap();
        sql(&file, damage);
        wrong(&of_home(&world.stage), "kept", said, "countersign rebuild --home");
    }
    // What is made again from the leaves is as it was.
    let run = world.stage.run("rebuild --home home --into home/new.db --format json");
    assert!(run.json()["differing"].as_array().is_some_and(|differing| !differing.is_empty()), "{run}");
    fs::rename(world.stage.path("home/new.db"), &file).unwrap();
    let good = of_home(&world.stage).json();
    assert!(found(&good, "kept").is_empty(), "{good}");
}
