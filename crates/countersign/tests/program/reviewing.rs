//! What an approver has at hand, and is shown, of commits.

use std::fs;

use countersign_core::catalog::Level;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

/// Commits and trees are there, which tell all digests, and of the files only what somebody fetched.
#[test]
fn content_that_is_not_at_hand_was_not_seen() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.push(&["HEAD:change"]).passes();
    world.in_bare(&["config", "uploadpack.allowFilter", "true"]).passes();
    let folder = world.stage.path("shop.git");
    let from = format!("file://{}", folder.display());
    let partial = world.stage.path("partial").display().to_string();
    world.git(&["clone", "--quiet", "--no-checkout", "--filter=blob:none", &from, &partial]);
    fs::rename(&folder, world.stage.path("away.git")).unwrap();
    let run = world.say("bob", &["approve", &change, "--git", "partial"]);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"code\":\"content-missing\""), "{run}");
    for said in ["checkout/timeout before", "checkout/timeout after", "git -C partial diff "] {
        assert!(run.stderr.contains(said), "{said}: {run}");
    }
    // The command that is named fetches what is missing.
    fs::rename(world.stage.path("away.git"), &folder).unwrap();
    let shown = world.git(&["-C", &partial, "diff", "origin/main", "origin/change"]);
    assert!(shown.contains("+30"), "{shown}");
    world.approve("bob", &change);
}

/// A tree may name what nobody has.
#[test]
fn what_nobody_has_is_not_proposed() {
    let world = world();
    let nobodys = "1".repeat(40);
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{nobodys},checkout/secret")]);
    let tree = world.git(&["write-tree", "--missing-ok"]);
    let commit = world.git(&["commit-tree", "-p", "HEAD", "-m", "odd", &tree]);
    let range = format!("refs/remotes/origin/main..{commit}");
    let args = ["propose", "--git", "work", "--repository", "shop", "--branch", "main", "--range", &range];
    let words = ["--kind", "code", "--title", "odd", "--why", "odd", "--target", CHECKOUT];
    let run = world.say("alice", &[&args[..], &words].concat());
    assert!(run.status == 1 && run.stderr.contains(&format!("object {nobodys} is not in `work`")), "{run}");
}

/// What is signed has modes.
#[test]
fn modes_and_links_are_told_to_who_signs() {
    let world = world();
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/run", "#!/bin/sh\n");
    world.git(&["add", "--all"]);
    world.git(&["update-index", "--chmod=+x", "checkout/run", "checkout/timeout"]);
    world.write("target", "../../etc/passwd");
    let target = world.git(&["hash-object", "-w", "target"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("120000,{target},checkout/link")]);
    world.git(&["commit", "--quiet", "-m", "modes"]);
    let change = world.propose("alice", &[CHECKOUT]);
    let approved = world.say("bob", &["approve", &change, "--git", "work"]);
    assert_eq!(approved.status, 0, "{approved}");
    let told = approved.stderr;
    for line in [
        "added checkout/link (symbolic link to ../../etc/passwd)",
        "added checkout/run (executable)",
        "changed checkout/timeout (mode 100644 -> 100755, content as before: executable)",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let url = world.server().url.clone();
    let shown = world.stage.run_on(&world.machine, &["--url", &url, "show", &change]);
    assert!(shown.stdout.contains("added checkout/link (symbolic link)"), "{shown}");
    assert!(shown.stdout.contains("(mode 100644 -> 100755, content as before: executable)"), "{shown}");
}
