//! The git gate: real pushes through real hooks, and the attacks that it must withstand.

use insta::assert_snapshot;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

/// A change of the checkout timeout, proposed by Alice and approved by Bob.
fn approved(world: &World) -> String {
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    change
}

#[test]
fn installing_says_what_is_protected_and_can_be_repeated() {
    let world = World::usual();
    let again = world.install("");
    assert_snapshot!(again, @"");
    let foreign = world.stage.path("shop.git/hooks/pre-receive");
    std::fs::write(&foreign, "#!/bin/sh\nexit 0\n").unwrap();
    assert_snapshot!(world.install(""), @"");
}

#[test]
fn a_push_that_nobody_proposed_is_refused_with_the_command() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    assert_snapshot!(push.told(), @"");
}

#[test]
fn a_push_that_misses_an_approval_is_refused_with_a_to_do_list() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert_snapshot!(push.told(), @"");
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.tip("main"), world.id("HEAD"));
    assert_eq!(world.state(&change), "applied");
}

#[test]
fn a_tier_1_system_takes_two_approvals() {
    let world = World::usual();
    world.edit("change", "payments/retries", "4\n");
    let change = world.propose("alice", &["payments/production"]);
    assert_eq!(world.say("alice", &["disclose", &change, "--none"]).status, 0);
    world.approve("carol", &change);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert_snapshot!(push.told(), @"");
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn a_merge_of_the_approved_head_passes() {
    let world = World::usual();
    let first = approved(&world);
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.state(&first), world.state(&other)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn one_push_may_land_changes_of_several_systems() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.write("search/limit", "20\n");
    world.commit("and search");
    let checkout = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &checkout);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("targets-not-covered");
    assert_snapshot!(push.told(), @"");
    let search = world.propose("alice", &["search/production"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    world.approve("carol", &search);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.state(&checkout), world.state(&search)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn a_path_that_maps_to_nothing_is_refused() {
    let world = World::usual();
    world.edit("change", "infra/main.tf", "x\n");
    world.propose("alice", &[CHECKOUT]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("unmapped-path");
    assert_snapshot!(push.told(), @"");
}

#[test]
fn unprotected_branches_pass_without_the_server() {
    let mut world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.stop_server();
    world.push(&["HEAD:feature", "HEAD:refs/tags/v1"]).passes();
    world.push(&["--delete", "feature"]).passes();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
}

// Approvals are for what was reviewed.

#[test]
fn approve_then_push_is_refused() {
    let world = World::usual();
    approved(&world);
    world.write("checkout/timeout", "3000\n");
    world.commit("one more thing");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("not-the-head");
    assert_snapshot!(push.told(), @"");
}

#[test]
fn approve_then_amend_is_refused() {
    let world = World::usual();
    approved(&world);
    world.write("checkout/timeout", "3000\n");
    world.git(&["commit", "--quiet", "--all", "--amend", "-m", "edit checkout/timeout"]);
    world.push(&["HEAD:main"]).is_refused("no-change");
}

#[test]
fn smuggling_in_a_merge_commit_is_refused() {
    let world = World::usual();
    approved(&world);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "--no-commit", "change"]);
    world.write("search/limit", "0\n");
    world.commit("Merge branch 'change'");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("evil-merge");
    assert_snapshot!(push.told(), @"");
}

#[test]
fn an_octopus_a_rewind_and_a_deletion_are_refused() {
    let world = World::usual();
    approved(&world);
    for (branch, file) in [("one", "search/a"), ("two", "search/b")] {
        world.edit(branch, file, "x\n");
    }
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "-m", "octopus", "change", "one", "two"]);
    world.push(&["HEAD:main"]).is_refused("octopus");
    world.git(&["checkout", "--quiet", "--orphan", "rewritten"]);
    world.commit("rewritten");
    let force = world.push(&["--force", "HEAD:main"]);
    force.is_refused("not-fast-forward");
    assert_snapshot!(force.told(), @"");
    world.push(&["--delete", "release"]).is_refused("deletion");
}

#[test]
fn two_protected_branches_at_once_are_refused() {
    let world = World::usual();
    approved(&world);
    for extra in [&[][..], &["--atomic"]] {
        let push = world.push(&[extra, &["HEAD:main", "HEAD:release"]].concat());
        push.is_refused("several-branches");
    }
}

#[test]
fn an_approval_for_another_branch_is_refused() {
    let world = World::usual();
    approved(&world);
    let push = world.push(&["HEAD:release"]);
    push.is_refused("another-branch");
    assert_snapshot!(push.told(), @"");
}

#[test]
fn a_protected_branch_that_is_not_there_cannot_be_made() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    std::fs::remove_file(world.stage.path("shop.git/refs/heads/release")).unwrap();
    world.push(&["HEAD:release"]).is_refused("creation");
}

// Going round the gate.

#[test]
fn update_ref_and_fetch_into_the_repository_are_caught() {
    let world = World::usual();
    approved(&world);
    world.push(&["HEAD:feature"]).passes();
    let (before, head) = (world.tip("main"), world.id("HEAD"));
    let (before_id, head_id) = (before.as_str(), head.as_str());
    let work = world.stage.path("work").display().to_string();
    for attempt in [
        &["update-ref", "refs/heads/main", head_id][..],
        &["update-ref", "refs/heads/main", head_id, before_id],
        &["update-ref", "-d", "refs/heads/main"],
        // Packed first, as it is after housekeeping.
        &["pack-refs", "--all"],
        &["update-ref", "-d", "refs/heads/main"],
        &["update-ref", "-d", "refs/heads/main", before_id],
        &["branch", "-D", "release"],
        &["branch", "-f", "main", head_id],
        &["branch", "-M", "feature", "release"],
        &["branch", "-m", "release", "elsewhere"],
        &["fetch", "--quiet", &work, "+change:main"],
        &["symbolic-ref", "refs/heads/main", "refs/heads/feature"],
    ] {
        let tried = world.in_bare(attempt);
        if attempt[0] == "pack-refs" {
            tried.passes();
            continue;
        }
        assert!(!tried.passed, "{attempt:?}");
        assert_eq!(tried.code(), Some("gone-round"), "{attempt:?}: {}", tried.said);
    }
    assert_eq!((world.tip("main"), world.tip("release")), (before.clone(), before));
    assert_snapshot!(world.stage.run("gate status shop.git").stdout.lines().skip(2).collect::<Vec<_>>().join("\n").replace(head.short(), "[HEAD]").replace(world.tip("main").short(), "[TIP]"), @"");
}

#[test]
fn a_push_past_a_disabled_pre_receive_is_caught() {
    let world = World::usual();
    approved(&world);
    std::fs::remove_file(world.stage.path("shop.git/hooks/pre-receive")).unwrap();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("gone-round");
    assert!(world.stage.run("gate status shop.git").to_string().contains("hook pre-receive is missing"));
}

#[test]
fn an_alias_of_the_protected_branch_is_caught() {
    let world = World::usual();
    world.in_bare(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]).passes();
    world.edit("change", "checkout/timeout", "30\n");
    let before = world.tip("main");
    world.push(&["HEAD:alias"]).is_refused("gone-round");
    assert_eq!(world.tip("main"), before);
}

#[test]
fn housekeeping_goes_on() {
    let world = World::usual();
    approved(&world);
    world.push(&["HEAD:main"]).passes();
    let tip = world.tip("main");
    for command in
        [&["pack-refs", "--all", "--prune"][..], &["gc", "--quiet", "--prune=now"], &["reflog", "expire", "--all"]]
    {
        world.in_bare(command).passes();
    }
    world.in_bare(&["update-ref", "refs/heads/main", tip.as_str()]).passes();
    world.in_bare(&["symbolic-ref", "HEAD", "refs/heads/release"]).passes();
    assert_eq!(world.tip("main"), tip);
    world.git(&["fetch", "--quiet"]);
    let change = {
        world.edit("next", "checkout/timeout", "40\n");
        world.propose("alice", &[CHECKOUT])
    };
    world.approve("carol", &change);
    world.push(&["HEAD:main"]).passes();
    assert!(world.stage.run("gate status shop.git --format json").json()["caught"].as_array().unwrap().is_empty());
}
