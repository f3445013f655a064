//! What rules ask of a change itself: its title, its links, the branch that it comes from, and who signed its commits.

use countersign_core::catalog::Level;
use serde_json::json;

use crate::world::World;

fn world() -> World {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    world.edit("change", "search/limit", "30\n");
    world
}

const CONTENT: [&str; 8] =
    ["--git", "work", "--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD"];
const TARGET: [&str; 2] = ["--target", "search/production"];

/// A rule in a folder, as `rules new` writes it, asks for a signature over every commit; signing them with git is enough.
#[test]
fn commits_are_signed_with_the_key_that_the_catalog_has() {
    let world = world();
    let new = world.stage.run_words(&["rules", "new", "signed", "--requires", "commits:signed", "--dir", "other"]);
    assert_eq!(new.status, 0, "{new}");
    for word in ["check", "test"] {
        let run = world.stage.run_words(&["rules", word, "other"]);
        assert_eq!(run.status, 0, "{run}");
    }
    let explain = [&["rules", "explain", "--rules", "other"], &CONTENT[..], &TARGET].concat();
    let status = |world: &World| {
        let told = world.say("alice", &explain).done();
        told["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "signed").unwrap()["status"].clone()
    };
    assert_eq!(status(&world), "unsatisfied");
    let sign = |key: &str| {
        let key = format!("user.signingkey={}", world.stage.path(key).canonicalize().unwrap().display());
        world.git(&["-c", "gpg.format=ssh", "-c", &key, "commit", "--quiet", "--amend", "--no-edit", "-S"]);
    };
    sign("alice");
    assert_eq!(status(&world), "satisfied");
    // By a key that nobody here holds.
    let made =
        world.stage.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "nobody"]).output().unwrap();
    assert!(made.status.success());
    sign("nobody");
    assert_eq!(status(&world), "unsatisfied");
}

#[test]
fn where_it_comes_from_is_said_signed_and_shown() {
    let world = world();
    let propose = |source: &str| {
        let words =
            ["propose", "--kind", "code", "--title", "fix(search): more", "--why", "the list of results is too small"];
        let more = ["--link", "https://tracker.example/PAY-12", "--source", source];
        world.say("alice", &[&words[..], &more, &CONTENT, &TARGET].concat())
    };
    assert_eq!(propose("the branch of alice").code(), "source-name");
    let view = propose("release/2026-04").done();
    assert_eq!(view["purpose"], json!({ "source": "release/2026-04" }));
    let change = view["id"].as_str().unwrap();
    let options = ["--url", &world.server().url, "--key", "bob"];
    let shown = world.stage.run_words(&[&options[..], &["show", change]].concat());
    assert!(shown.stdout.contains("comes from release/2026-04"), "{shown}");
    // The gate extracts the same facts, sizes of single paths and signatures among them.
    world.approve("bob", change);
    world.say("alice", &["disclose", change, "--none"]).done();
    world.push(&["HEAD:main"]).passes();
}
