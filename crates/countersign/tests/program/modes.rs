//! Homes and repositories that an account may read and not write: what only reads works, and what writes says what it may not,
//! and leaves nothing half made.

use std::{ffi::OsStr, process::Command};

use crate::{
    support::{Run, Stage},
    world::World,
};

/// Whom root becomes: nothing is read-only to root.
const SOMEBODY: &str = "65534";

fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim() == "0"
}

/// As an account that owns the folder.
fn command(stage: &Stage, program: &str) -> Command {
    if !is_root() {
        return stage.command(program);
    }
    let mut command = stage.command("setpriv");
    command.args(["--reuid", SOMEBODY, "--regid", SOMEBODY, "--clear-groups", "--", program]);
    command
}

fn run(stage: &Stage, words: &[&str]) -> Run {
    let mut command = command(stage, env!("CARGO_BIN_EXE_countersign"));
    let output = command.env("XDG_STATE_HOME", stage.path("user/.local/state")).args(words).output().unwrap();
    Run::new(output, &stage.path(""))
}

#[track_caller]
fn must(stage: &Stage, program: &str, words: &[&OsStr]) {
    assert!(stage.command(program).args(words).status().unwrap().success(), "{program} {words:?}");
}

/// All of it is somebody's own, and these folders are read-only.
fn read_only(stage: &Stage, folders: &[&str]) {
    if is_root() {
        must(stage, "chown", &["-R".as_ref(), SOMEBODY.as_ref(), stage.path("").as_os_str()]);
    }
    for folder in folders {
        must(stage, "chmod", &["-R".as_ref(), "a-w".as_ref(), stage.path(folder).as_os_str()]);
    }
}

/// As it was, so that it can be removed.
fn writable(stage: &Stage) {
    if is_root() {
        must(stage, "chown", &["-R".as_ref(), "0".as_ref(), stage.path("").as_os_str()]);
    }
    must(stage, "chmod", &["-R".as_ref(), "u+w".as_ref(), stage.path("").as_os_str()]);
}

#[track_caller]
fn is_told(run: &Run, code: &str, path: &str) {
    assert_eq!(run.status, 1, "{run}");
    let error: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
    assert!(error["error"]["message"].as_str().unwrap().contains(path), "{run}");
    assert!(error["error"]["hint"].is_string(), "{run}");
}

#[test]
fn a_home_that_is_read_only_is_looked_at_and_not_served() {
    let mut world = World::usual();
    world.stop_server();
    read_only(&world.stage, &["home"]);
    let json = |words: &[&str]| run(&world.stage, &[&["--format", "json"], words].concat());
    let looked = json(&["doctor", "--home", "home", "--quick"]);
    assert!(looked.json()["findings"].is_array(), "{looked}");
    is_told(&json(&["serve", "--home", "home", "--listen", "127.0.0.1:0"]), "cannot-write", "home");
    is_told(&json(&["epoch", "home", "--why", "the disk was lost", "--key", "alice"]), "cannot-write", "home");
    let backup = json(&["backup", "backup", "--home", "home"]);
    assert_ne!(backup.status, 0, "{backup}");
    assert!(!world.stage.path("backup").exists(), "{backup}");
    writable(&world.stage);
}

#[test]
fn a_repository_that_is_read_only_keeps_its_gate_shut() {
    let world = World::usual();
    world.edit("topic", "search/limit", "20\n");
    assert!(!world.push(&["HEAD:main"]).passed, "so that the gate has a copy of the log");
    must(&world.stage, "git", &["clone", "--quiet", "--bare", "shop.git", "new.git"].map(OsStr::new));
    let tip = world.tip("main");
    read_only(&world.stage, &["shop.git", "new.git"]);
    let url = world.server().url.clone();
    let json =
        |words: &[&str]| run(&world.stage, &[&["--format", "json", "--url", &url, "--key", "alice"], words].concat());
    let status = json(&["gate", "status", "shop.git"]);
    assert_eq!((status.status, &status.json()["name"]), (0, &"shop-git".into()), "{status}");
    is_told(
        &json(&["gate", "status", "shop.git", "--answer", "it was me"]),
        "gate-journal",
        "shop.git/countersign/journal",
    );
    let words = ["gate", "install", "new.git", "--name", "new", "--trust", "home/trust.json", "--branch", "main"];
    let install = json(&[&words[..], &["--map-else", "search/production"]].concat());
    is_told(&install, "io", "new.git");
    let known = world.server().block_on(world.server().engine.gate(&"new".parse().unwrap())).unwrap();
    assert!(known.is_none(), "the log knows a gate that could not be installed");
    is_told(&json(&["gate", "uninstall", "shop.git", "--anyway"]), "gate-journal", "shop.git");
    assert!(world.stage.path("shop.git/hooks/pre-receive").exists());
    let pushed = command(&world.stage, "git")
        .current_dir(world.stage.path("work"))
        .args(["push", "origin", "HEAD:main"])
        .output();
    assert!(!pushed.unwrap().status.success());
    writable(&world.stage);
    assert_eq!(world.tip("main"), tip);
}
