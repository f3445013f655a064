//! What the hooks of a gate cost, and that what they let pass by themselves is nothing that the gate would judge.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::world::World;

/// Has the hooks run a program that counts before it runs the real one.
fn counted(world: &World) -> impl Fn() -> usize {
    let (counts, real) = (world.stage.path("counts"), env!("CARGO_BIN_EXE_countersign"));
    let script = format!("#!/bin/sh\necho >> {}\nexec {real} \"$@\"\n", counts.display());
    let counting = world.stage.write("counting", &script);
    fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
    let config = fs::metadata(world.stage.path("shop.git/countersign/gate.yaml")).unwrap().modified().unwrap();
    for name in ["pre-receive", "reference-transaction", "post-receive"] {
        let path = world.stage.path(&format!("shop.git/hooks/{name}"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(real, counting.to_str().unwrap())).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(config).unwrap();
    }
    move || fs::read(&counts).unwrap_or_default().len()
}

#[test]
fn the_program_is_started_once_a_push_and_not_once_a_reference() {
    let world = World::usual();
    let started = counted(&world);
    for n in 0..20 {
        world.git(&["tag", &format!("v{n}")]);
        world.git(&["branch", &format!("topic/{n}")]);
    }
    world.push(&["--tags", "refs/heads/topic/*:refs/heads/topic/*"]).passes();
    // Before the push, and once the log is told after it.
    assert_eq!(started(), 2);
    let tags: Vec<String> = (0..20).map(|n| format!(":refs/tags/v{n}")).collect();
    world.push(&tags.iter().map(String::as_str).collect::<Vec<_>>()).passes();
    assert_eq!(started(), 4);
}

/// A `gate.yaml` that was changed by hand counts at once, though the hooks were written before.
#[test]
fn a_branch_that_is_added_by_hand_is_protected_at_once() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:staging", "HEAD:feature"]).passes();
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let more = "  - branch: \"refs/heads/staging\"\n    map: []\n    else: checkout/production\n";
    fs::write(&path, format!("{text}{more}")).unwrap();
    let head = world.commit("more").to_string();
    world.push(&["HEAD:feature"]).passes();
    let tried = world.in_bare(&["update-ref", "refs/heads/staging", &head]);
    assert_eq!((tried.passed, tried.code()), (false, Some("gone-round")), "{}", tried.said);
    let status = world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("each reference of a push starts the program"), "{status}");
    // Where it has to stand is written down by whoever installs the gate again.
    assert_eq!(status.status, 3, "{status}");
    assert!(status.stdout.contains("nobody has written down where refs/heads/staging has to stand"), "{status}");
    let again = world.stage.run("--key alice gate install shop.git");
    assert_eq!(again.status, 0, "{again}");
    assert_eq!(world.stage.run("gate status shop.git").status, 0);
}

/// Whatever a hook cannot tell by itself it asks about: several references at once, and names that end like a protected one.
#[test]
fn the_filter_of_the_hook_lets_nothing_pass_that_the_gate_judges() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:feature"]).passes();
    let (head, tip) = (world.id("HEAD"), world.tip("main"));
    let updates =
        world.stage.write("updates", &format!("update refs/heads/feature {tip}\nupdate refs/heads/main {head}\n"));
    let script = format!("git update-ref --stdin < {}", updates.display());
    let tried =
        world.stage.command("sh").current_dir(world.stage.path("shop.git")).args(["-c", &script]).output().unwrap();
    assert!(!tried.status.success());
    assert!(String::from_utf8_lossy(&tried.stderr).contains("[gone-round]"), "{tried:?}");
    assert_eq!((world.tip("main"), world.tip("feature")), (tip.clone(), head.clone()));
    // One alone, of whatever is taken for a protected branch or for an object of it.
    let replacement = format!("refs/replace/{tip}");
    for name in [
        "main",
        "release",
        "heads/main",
        "origin/main",
        "refs/main",
        "refs/tags/main",
        "refs/heads/heads/main",
        "refs/remotes/origin/main",
        "refs/remotes/main/HEAD",
        &replacement,
    ] {
        for words in [&["update-ref", name, head.as_str()][..], &["symbolic-ref", name, "refs/heads/feature"]] {
            let tried = world.in_bare(words);
            // Git itself makes no other name beside `refs/`.
            let by_git = words[0] == "symbolic-ref" && !name.starts_with("refs/");
            assert!(!tried.passed && (by_git || tried.code() == Some("shadows")), "{words:?}: {}", tried.said);
        }
    }
    assert_eq!(world.tip("main"), tip);
    // Where the file is gone by which it is known, nothing passes.
    fs::rename(world.stage.path("shop.git/countersign"), world.stage.path("away")).unwrap();
    assert!(!world.in_bare(&["update-ref", "refs/heads/feature", "HEAD"]).passed);
}
