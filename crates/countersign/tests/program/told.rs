//! What people are told: which option is heard, what a path should have been, and what looks like a slip before it is signed.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use countersign_core::catalog::Level;
use insta::assert_snapshot;

use crate::{
    support::{Run, Stage},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)])
}

/// As somebody, and as people read it.
fn text(world: &World, who: &str, args: &[&str]) -> Run {
    let options = ["--url", &world.server().url, "--key", who];
    world.stage.run_words(&[&options[..], args].concat())
}

const WORDS: [&str; 6] = ["--kind", "config", "--title", "Raise it", "--why", "the bank answers within eight seconds"];

fn propose_file(world: &World, further: &[&str]) -> Run {
    let args = ["propose", "--target", "search/production", "--file", "app.yaml", "--command", "cat app.yaml"];
    text(world, "alice", &[&args[..], &WORDS, further].concat())
}

/// The id of the change that was proposed last.
fn last(world: &World) -> String {
    world.say("alice", &["list", "--limit", "1"]).json()[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_no_text_is_wrong_usage() {
    let stage = Stage::new();
    for words in [&["show"][..], &["list", "--state"], &["propose", "--title"], &["list", "--url"], &["verify"]] {
        let mut command = stage.command(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(words).arg(OsStr::from_bytes(b"a\xffb")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("invalid UTF-8"), "{words:?}: {said}");
    }
}

#[test]
fn an_option_that_is_typed_is_heard_before_a_variable() {
    let world = world();
    let url = world.server().url.clone();
    let run = world.stage.run(&format!("join {url} --trust home/trust.json --key bob"));
    assert_eq!(run.status, 0, "{run}");
    let with = |variables: &[(&str, &str)], words: &str| {
        let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
        command.env("XDG_STATE_HOME", world.stage.path("user/.local/state")).envs(variables.iter().copied());
        Run::new(command.args(words.split(' ')).output().unwrap(), &world.stage.path(""))
    };
    let nowhere = [("COUNTERSIGN_URL", "http://127.0.0.1:1"), ("COUNTERSIGN_KEY", "nowhere")];
    assert_snapshot!(with(&nowhere, "list --log nope"), @"
    status 2
    --- stderr
    error: --log: no log `nope` was joined here, but world
    hint: join it first: countersign join URL --trust FILE
    ");
    assert_snapshot!(with(&nowhere, "list --log wrld"), @"
    status 2
    --- stderr
    error: --log: no log `wrld` was joined here, but world
    hint: did you mean --log world?
    ");
    assert_eq!(with(&nowhere, "list --log world").status, 0);
    assert_eq!(with(&nowhere, "list").status, 1, "the variable");
    let other = [("COUNTERSIGN_LOG", "nope"), ("COUNTERSIGN_TRUST", "nowhere")];
    let run = with(&other, &format!("list --url {url} --trust home/trust.json"));
    assert_eq!(run.status, 0, "{run}");
    assert_snapshot!(with(&[], "list --log world --url http://127.0.0.1:1"), @"
    status 2
    --- stderr
    error: --url and --log each say which log is meant
    hint: leave one of them away: --log NAME has the address with which the log was joined
    ");
    assert_snapshot!(Stage::new().run("list --log world"), @"
    status 2
    --- stderr
    error: --log: no log was joined here, and so none `world`
    hint: join it first: countersign join URL --trust FILE
    ");
}

#[test]
fn a_key_that_is_none_is_told_as_what_it_is() {
    let stage = Stage::with_keys(&["ada"]);
    stage.write("hostname", "shop\n");
    fs::create_dir(stage.path("folder")).unwrap();
    for (key, what) in [("folder", "folder is a folder"), ("hostname", "hostname is no private key")] {
        let run = stage.run(&format!("init home --founder ada=ada@example.com={key}"));
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.starts_with(&format!("error: {what}")) && !run.stderr.contains("chmod"), "{run}");
    }
}

#[test]
fn a_path_that_is_mistyped_is_told_with_what_should_be_there() {
    let world = world();
    let stage = &world.stage;
    let said = |run: Run| {
        run.stderr.lines().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(said(stage.run("rules check nowhere")), @"
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is the folder with the `.cedar` files, such as the rules/ of a home; is the path right?
    ");
    assert_snapshot!(said(stage.run("gate stop --apply --statement nowhere")), @"
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is the file that `countersign reject` or `countersign revoke` kept, and named; is the path right?
    ");
    assert_snapshot!(said(stage.run("init new --catalog nowhere --founder a=a@example.com=alice")), @"
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is a folder with Backstage entities in `.yaml` files; is the path right?
    ");
    assert_snapshot!(said(stage.run("init new --allowed-signers nowhere --founder a=a@example.com=alice")), @"
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is a file of OpenSSH's `allowed_signers`, with a mail and a key a line; is the path right?
    ");
    assert_snapshot!(said(text(&world, "alice", &["erase", "--show", "nowhere"])), @"
    error: nowhere is not there
    hint: an erasure that was cosigned is done, and its file is taken away with the words that may be in it; is the path right?
    ");
    assert_snapshot!(said(text(&world, "alice", &["erase", "boob", "--why", "asked for it"])), @"
    error: the log has no name, mail or text of boob
    hint: did you mean bob?
    ");
    assert_snapshot!(said(stage.run("list --url ftp://log.example")), @"
    error: `ftp://log.example` is no address: it has to begin with http:// or https://
    hint: --url http://log.example (or COUNTERSIGN_URL)
    ");
    let url = format!("{}/foo", world.server().url);
    let run = stage.run(&format!("join {url} --trust home/trust.json"));
    assert!(run.stderr.contains(&url) && run.stderr.contains("hint: is --url the address"), "{run}");
}

#[test]
fn a_second_founder_signs_in_a_copy_and_sends_it_back() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    fs::rename(stage.path("grace"), stage.path("elsewhere")).unwrap();
    let run = stage.run("init home --name log --founder ada=a@example.com=ada --founder grace=g@example.com=grace.pub");
    assert_eq!(run.status, 0, "{run}");
    for name in ["countersign.yaml", "genesis.json", "genesis-files.json", "trust.json"] {
        stage.write(&format!("her s/home/{name}"), &stage.read(&format!("home/{name}")));
    }
    let run = stage.run_words(&["init", "her s/home", "--cosign", "--key", "elsewhere"]);
    assert_eq!(run.status, 0, "{run}");
    let next = run.stdout.split_once("Next").unwrap().1;
    assert_snapshot!(next, @"

    send 'her s/home/genesis.json' back to whoever made the home, who puts it in the place of theirs
    ");
}

#[test]
fn nobody_founds_a_log_twice() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    let run = stage.run("init home --founder ada=ada@example.com=ada --founder ada=other@example.com=grace");
    assert_snapshot!(run, @"
    status 2
    --- stderr
    error: founder ada is named twice
    hint: each founder is another person; whoever has a second key gets it by an amendment of the catalog
    ");
    assert!(!stage.path("home").exists());
}

#[test]
fn what_looks_like_a_slip_is_told_before_it_is_proposed() {
    let world = world();
    world.stage.write("app.yaml", "timeout: 30\n");
    let run = propose_file(&world, &[]);
    assert!(run.status == 0 && !run.stderr.contains("note:"), "{run}");
    let first = last(&world);
    let options = ["--url", &world.server().url, "--key", "alice"];
    let again = ["propose", "--target", "search/production", "--file", "app.yaml", "--command", "cat app.yaml"];
    let run = world.stage.run_words(&[&options[..], &again, &WORDS].concat());
    assert_eq!(run.status, 0, "{run}");
    let said = format!("these files are proposed already: {} by alice", &first[..12]);
    assert!(run.stderr.contains(&said) && run.stderr.contains("countersign revise"), "{run}");
    assert_eq!(propose_file(&world, &["--again"]).status, 0);

    world.edit("change", "checkout/timeout", "30\n");
    let commits = |further: &[&str]| {
        let args = ["propose", "--target", CHECKOUT, "--git", "work"];
        let run = text(&world, "alice", &[&args[..], &WORDS, further].concat());
        assert_eq!(run.status, 0, "{run}");
        let notes = run.stderr.lines().filter(|line| line.starts_with("note:") && !line.contains("a reviewer needs"));
        notes.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(commits(&["--range", "origin/main..HEAD", "--branch", "nosuch", "--repository", "shop"]), @"
    note: this repository knows no branch `nosuch`, here or of origin; is it spelt as on the server (git branch -r)?
    note: no gate of this log guards a repository `shop`: is that the name that `countersign gate install` was given? Else pass it with --repository
    ");
    assert_snapshot!(commits(&["--range", "origin/main..HEAD", "--branch", "origin/main", "--repository", "shop"]), @"
    note: this repository knows no branch `origin/main`, here or of origin; did you mean --branch main?
    note: no gate of this log guards a repository `shop`: is that the name that `countersign gate install` was given? Else pass it with --repository
    ");
    world.git(&["push", "-q", "origin", "HEAD:main"]);
    assert_snapshot!(commits(&["--range", "HEAD~1..HEAD", "--repository", "shop"]), @"
    note: all of these commits are on main already, so that there is nothing left to land: is the range right?
    note: no gate of this log guards a repository `shop`: is that the name that `countersign gate install` was given? Else pass it with --repository
    ");
}

#[test]
fn whoever_gives_away_their_second_pair_of_eyes_is_told() {
    let world = world();
    world.stage.write("app.yaml", "timeout: 30\n");
    propose_file(&world, &[]);
    let change = last(&world);
    let run = text(&world, "alice", &["revise", &change, "--title", "Raise it again"]);
    assert!(run.status == 0 && !run.stderr.contains("could approve it"), "{run}");
    let run = text(&world, "bob", &["revise", &change, "--title", "Raise it some more"]);
    let instead = format!("countersign reject {} --why", &change[..12]);
    assert!(run.status == 0 && run.stderr.contains("could approve it") && run.stderr.contains(&instead), "{run}");
    let run = text(&world, "carol", &["identify", &change, "--identity", "0123456789", "--automation"]);
    assert_snapshot!(run.stderr.replace(&change[..12], "CHANGE"), @"
    error: change CHANGE is about files: there are no commits that could name anybody
    hint: nobody has to be identified
    ");
    // And a reason is signed: so it is shown.
    let run = text(&world, "carol", &["reject", &change, "--why", "the bank is slower"]);
    assert!(run.stderr.contains("because: the bank is slower"), "{run}");
}

#[test]
fn without_a_server_a_stop_is_signed_by_a_copy() {
    let stage = Stage::with_keys(&["ada"]);
    for words in [
        "reject 9f2c4e6a81d0 --why no --key ada --url http://127.0.0.1:1",
        "revoke SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --why stolen --key ada --url http://127.0.0.1:1",
    ] {
        let run = stage.run(words);
        let command: Vec<&str> = words.split(' ').take(2).collect();
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.contains("--copy DIR") && run.stderr.contains(command[0]), "{run}");
    }
    let run = stage.run("reject 9f2c4e6a81d0 --lift --key ada --url http://127.0.0.1:1");
    assert!(!run.stderr.contains("--copy"), "nobody lifts by a copy: {run}");
}

#[test]
fn a_list_has_a_line_a_change() {
    let world = world();
    world.stage.write("app.yaml", "timeout: 30\n");
    let title = "much ".repeat(500);
    let run = propose_file(&world, &[]);
    assert_eq!(run.status, 0, "{run}");
    let run = text(&world, "alice", &["revise", &last(&world), "--title", title.trim()]);
    assert_eq!(run.status, 0, "{run}");
    let run = text(&world, "alice", &["list"]);
    assert!(run.stdout.len() < 300 && run.stdout.trim_end().ends_with('…'), "{run}");
    assert_eq!(world.say("alice", &["list"]).json()[0]["title"], title.trim());
}

#[test]
fn what_could_not_be_read_is_all_that_a_catalog_is_told_to_lack() {
    let world = world();
    let catalog = world.stage.read("home/catalog/catalog.yaml");
    let (group, others) = catalog.split_once("---\n").unwrap();
    world.stage.write("home/catalog/broken.yaml", &format!("{group}---\nkind: [\n"));
    world.stage.write("home/catalog/catalog.yaml", others);
    let run = text(&world, "alice", &["amend", "home", "--why", "a typo"]);
    assert!(run.status == 1 && run.stderr.contains("broken.yaml"), "{run}");
    assert!(!run.stderr.contains("is not in the catalog"), "{run}");
}
