//! `countersign gate install`.

use countersign_core::catalog::Level;
use insta::assert_snapshot;

use crate::{support::Run, world::World};

#[test]
fn installing_says_what_is_protected_and_can_be_repeated() {
    let world = World::usual();
    let again = world.install("");
    assert_snapshot!(again, @"
    status 0
    --- stdout
    ok gate shop-git guards shop.git (known to the log as it is)

    refs/heads/main moves by approved pushes only:
      checkout/** reaches checkout/production
      search/** reaches search/production
      payments/** reaches payments/production
      docs/** reaches search/production

    refs/heads/release moves by approved pushes only:
      checkout/** reaches checkout/production
      search/** reaches search/production
      payments/** reaches payments/production
      docs/** reaches search/production

    next, in a clone: countersign propose --git . --branch BRANCH --range OLD..NEW --target TARGET
    see what it caught: countersign gate status shop.git
    ");
    let foreign = world.stage.path("shop.git/hooks/pre-receive");
    std::fs::write(&foreign, "#!/bin/sh\nexit 0\n").unwrap();
    assert_snapshot!(world.install(""), @"
    status 1
    --- stderr
    error: shop.git/hooks/pre-receive is there already
    hint: move it away; what it does can be done by an `update` or `post-update` hook, which git runs as well
    ");
}

#[test]
fn an_empty_repository_cannot_be_guarded_yet() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    std::fs::remove_dir_all(world.stage.path("shop.git")).unwrap();
    assert!(world.stage.command("git").args(["init", "--quiet", "--bare", "shop.git"]).status().unwrap().success());
    assert_snapshot!(world.install(""), @"
    status 1
    --- stderr
    error: shop.git has no branch main
    hint: push the first history, then install: git push REPO main
    ");
}

#[test]
fn installing_without_the_server_leaves_nothing_behind() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let before = files(&world);
    let run = world.stage.run(
        "--url http://127.0.0.1:1 --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main \
         --map **=checkout/production",
    );
    assert_eq!(run.status, 1, "{run}");
    let unknown = world.install("--map x=checkout/prod");
    assert_eq!(unknown.status, 1, "{unknown}");
    assert_eq!(files(&world), before);
}

fn files(world: &World) -> Vec<String> {
    let find = world.stage.command("find").args(["shop.git", "-type", "f"]).output().unwrap();
    let mut files: Vec<String> = String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn a_working_tree_and_another_log_are_no_place_for_a_gate() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let trust = world.stage.read("home/trust.json").replace("world+", "other+").replace("\"world\"", "\"other\"");
    world.stage.write("other.json", &trust);
    let url = &world.server().url;
    let install = |repository: &str, trust: &str| {
        world.stage.run(&format!(
            "--url {url} --key alice --format json gate install {repository} --name g --trust {trust} --branch main --map \
             **=checkout/production"
        ))
    };
    let code = |run: Run| {
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(install("work", "home/trust.json")), "not-bare");
    assert_eq!(code(install("shop.git", "other.json")), "another-log");
}
