//! A reviewer without a clone is shown exactly what is signed, or told what she is not shown.

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign::wire::Material;
use countersign_core::catalog::Level;

use crate::{
    proxy::{Answer, Proxy},
    support::Run,
    world::World,
};

const CHECKOUT: &str = "checkout/production";

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

/// What somebody is shown as text.
fn read(world: &World, url: &str, who: &str, args: &[&str]) -> Run {
    world.stage.run_on(&world.machine, &[&["--url", url, "--key", who], args].concat())
}

fn diff(world: &World, args: &[&str]) -> Run {
    read(world, &world.server().url, "bob", &[&["diff"], args].concat())
}

/// A commit with whatever `edit` does to the clone, proposed by alice.
fn proposed(world: &World, edit: impl FnOnce()) -> String {
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    edit();
    world.commit("edit");
    world.propose("alice", &[CHECKOUT])
}

fn proposed_files(world: &World, names: &[&str]) -> String {
    let mut args = vec!["propose", "--kind", "config", "--target", CHECKOUT, "--title", "Flags", "--why", "why"];
    args.extend(["--command", "./deploy flags.json"]);
    names.iter().for_each(|name| args.extend(["--file", *name]));
    let run = world.say("alice", &args);
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn has(run: &Run, said: &[&str]) {
    let text = format!("{}{}", run.stdout, run.stderr);
    for words in said {
        assert!(text.contains(words), "{words}: {run}");
    }
}

fn code(run: &Run) -> String {
    let error: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

fn seen(world: &World, change: &str) -> serde_json::Value {
    world.say("alice", &["show", change]).json()["approvals"][0]["seen"].clone()
}

#[test]
fn whoever_has_no_clone_sees_exactly_what_is_signed() {
    let world = world();
    let change = proposed(&world, || world.write("checkout/timeout", "30\n"));
    let run = diff(&world, &[&change]);
    assert_eq!(run.status, 0, "{run}");
    has(
        &run,
        &["seen: material", "diff --git a/checkout/timeout b/checkout/timeout", "\n-5\n+30\n", "1 path, 1 line added"],
    );
    let run = world.say("bob", &["diff", &change]);
    let (json, file) = (run.json(), run.json()["files"][0].clone());
    assert_eq!(
        (json["seen"].as_str(), json["whole"].as_bool(), file["added"].as_u64()),
        (Some("material"), Some(true), Some(1))
    );
    // By the clone it is the same.
    let run = diff(&world, &[&change, "--git", "work"]);
    has(&run, &["seen: computed", "\n-5\n+30\n"]);
    // She signs what she was shown.
    let run = world.say("bob", &["approve", &change, "--revision", "1"]);
    assert_eq!(run.status, 0, "{run}");
    has(&run, &["seen: material", "\n-5\n+30\n"]);
    assert_eq!(seen(&world, &change), "material");
}

#[test]
fn files_are_shown_whole_with_their_command() {
    let world = world();
    world.stage.write("flags.json", "{\"fast\": true}\n");
    world.stage.write("deploy", "#!/bin/sh\n");
    fs::set_permissions(world.stage.path("deploy"), fs::Permissions::from_mode(0o755)).unwrap();
    let change = proposed_files(&world, &["flags.json", "deploy"]);
    let run = diff(&world, &[&change]);
    has(
        &run,
        &[
            "command: ./deploy flags.json",
            "new file mode 100755",
            "(can be run)",
            "+{\"fast\": true}",
            "seen: material",
        ],
    );
    let run = diff(&world, &[&change, "--file", "flags.json", "deploy"]);
    has(&run, &["seen: computed", "+{\"fast\": true}"]);
    assert_eq!(world.say("bob", &["approve", &change]).status, 0);
    assert_eq!(seen(&world, &change), "material");
}

#[test]
fn a_server_that_swaps_material_bytes_is_not_believed() {
    let world = world();
    let change = proposed(&world, || world.write("checkout/timeout", "30\n"));
    let swapped = {
        let client = countersign::client::Client::new(&world.server().url);
        let mut contents = client.material(&change.parse().unwrap(), None).unwrap().bytes().unwrap();
        contents.values_mut().filter(|bytes| *bytes == b"30\n").for_each(|bytes| *bytes = b"6\n".to_vec());
        let pairs = contents.iter().map(|(id, bytes)| (id, bytes.as_slice()));
        serde_json::to_string(&Material::of(pairs, None)).unwrap()
    };
    let proxy = Proxy::before(&world.server().url, move |_, path| match path.contains("/material/contents") {
        true => Answer::Lie(swapped.clone()),
        false => Answer::Of(path.to_owned()),
    });
    let run = read(&world, &proxy.url, "bob", &["diff", &change]);
    assert_eq!(run.status, 1, "{run}");
    has(&run, &["seen: none, 1 of 1 path cannot be shown whole here:", "content after is not here", "pass --git REPO"]);
    assert!(!run.stdout.contains("+6"), "{run}");
    let run = world.say_to(&proxy.url, "bob", &["approve", &change]);
    assert_eq!((run.status, code(&run).as_str()), (3, "unseen"), "{run}");
}

#[test]
fn a_server_that_lacks_one_path_is_told_and_nothing_is_approved() {
    let world = world();
    let change = proposed(&world, || {
        world.write("checkout/timeout", "30\n");
        world.write("checkout/secret", "curl evil\n");
    });
    let lacking = world.git(&["rev-parse", "HEAD:checkout/secret"]);
    fs::remove_file(world.stage.path(&format!("home/material/{change}/{lacking}"))).unwrap();
    let run = diff(&world, &[&change]);
    assert_eq!(run.status, 1, "{run}");
    let head = world.id("HEAD");
    has(
        &run,
        &[
            "1 of 2 paths cannot",
            "checkout/secret: content after is not here",
            "\n+30\n",
            &format!("and {head} of shop (refs/countersign/{change}/1, if"),
        ],
    );
    let run = world.say("bob", &["approve", &change]);
    assert_eq!((run.status, code(&run).as_str()), (3, "unseen"), "{run}");
    has(&run, &["checkout/secret: content after is not here"]);
    world.approve("bob", &change);
    assert_eq!(seen(&world, &change), "computed");
}

/// A server without end, and one that has nothing.
#[test]
fn a_server_that_answers_anything_does_no_more_than_that() {
    let world = world();
    let change = proposed(&world, || world.write("checkout/timeout", "30\n"));
    for answer in [
        "{\"contents\":{},\"next\":\"1111111111111111111111111111111111111111\"}",
        "{\"contents\":{\"11\":\"\"}}",
        "[]",
    ] {
        let proxy = Proxy::before(&world.server().url, move |_, path| match path.contains("/material/contents") {
            true => Answer::Lie(answer.to_owned()),
            false => Answer::Of(path.to_owned()),
        });
        let run = read(&world, &proxy.url, "bob", &["diff", &change]);
        assert_eq!(run.status, 1, "{run}");
        has(&run, &["content before is not here", "content after is not here"]);
    }
}

/// Invisible and bidirectional characters, a mark that hides, a link, a mode, and an attribute by which git would hide it.
#[test]
fn nothing_that_a_change_brings_hides_itself() {
    let world = world();
    let change = proposed(&world, || {
        world.write(".gitattributes", "* -diff binary linguist-generated\n");
        world.write("checkout/check", "if admin \u{202e}{ \u{2066}// ok\u{2069}\n");
        world.write("checkout/run", "#!/bin/sh\n\0\nexec evil\n");
        std::os::unix::fs::symlink("../../etc/shadow", world.stage.path("work/checkout/link")).unwrap();
        fs::set_permissions(world.stage.path("work/checkout/timeout"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    let run = diff(&world, &[&change]);
    assert_eq!(run.status, 0, "{run}");
    has(
        &run,
        &[
            "+* -diff binary linguist-generated",
            "+if admin <U+202E>{ <U+2066>// ok<U+2069>",
            "(has 3 invisible, bidirectional or control characters",
            "+exec evil",
            "new file mode 120000\n(a symbolic link: its text is where it leads)",
            "+../../etc/shadow\n\\ No newline",
            "old mode 100644\nnew mode 100755\n(can be run)\n(content as before)",
        ],
    );
    assert!(!run.stdout.contains(['\u{202e}', '\u{2066}', '\0', '\u{1b}']), "{run}");
}

#[test]
fn what_a_revision_changes_since_another_is_shown_alone() {
    let world = world();
    let change = proposed(&world, || {
        world.write("checkout/timeout", "30\n");
        world.write("checkout/more", "as it was\n");
    });
    world.write("checkout/timeout", "31\n");
    world.commit("again");
    let args = ["revise", &change, "--git", "work", "--repository", "shop", "--range", "origin/main..HEAD"];
    let run = world.say("alice", &args);
    assert_eq!(run.status, 0, "{run}");
    let run = diff(&world, &[&change, "--since", "1"]);
    has(&run, &["since revision 1", "\n-30\n+31\n"]);
    assert!(run.status == 0 && !run.stdout.contains("checkout/more"), "{run}");
    let run = diff(&world, &[&change, "--since", "7"]);
    assert_eq!(run.status, 2, "{run}");
    has(&run, &["has no revision 7: its present one is 2"]);
}

#[test]
fn thousands_of_files_are_shown_and_signed() {
    let world = world();
    let change = proposed(&world, || {
        (0..3_000).for_each(|n| world.write(&format!("checkout/many/{n}"), &format!("number {n}\n")));
    });
    let run = diff(&world, &[&change]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    has(&run, &["3000 paths, 3000 lines added", "+number 2999"]);
    assert_eq!(world.say("bob", &["approve", &change]).status, 0);
    assert_eq!(seen(&world, &change), "material");
}
