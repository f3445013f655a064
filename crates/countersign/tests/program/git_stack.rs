//! Changes that stand on one another, through real pushes: what is approved of a stack lands by one push, and nothing else.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

/// Two changes, the second on top of the first, both of one file.
fn stacked(world: &World) -> [String; 2] {
    world.edit("st1", "checkout/timeout", "30\n");
    let lower = world.propose_for("alice", &[CHECKOUT], "main", "origin/main..st1");
    world.git(&["checkout", "--quiet", "-B", "st2", "st1"]);
    world.write("checkout/timeout", "40\n");
    world.commit("and more");
    [lower, world.propose_for("alice", &[CHECKOUT], "main", "st1..st2")]
}

#[test]
fn the_top_of_two_approved_changes_lands_both() {
    let world = World::usual();
    let [lower, upper] = stacked(&world);
    world.approve("bob", &lower);
    world.approve("bob", &upper);
    world.push(&["st2:main"]).passes();
    assert_eq!(
        (world.tip("main"), world.state(&lower), world.state(&upper)),
        (world.id("st2"), "applied".into(), "applied".into())
    );
    // What comes after stands on the top of both.
    world.git(&["fetch", "--quiet"]);
    world.edit("next", "checkout/timeout", "50\n");
    let next = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &next);
    world.push(&["next:main"]).passes();
}

#[test]
fn a_stack_that_was_rebased_lands() {
    let world = World::usual();
    let [lower, upper] = stacked(&world);
    world.approve("bob", &lower);
    world.approve("bob", &upper);
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.push(&["st2:refs/heads/review"]).passes();
    world.git(&["rebase", "--quiet", "origin/main", "st2"]);
    world.push(&["st2:main"]).passes();
    assert_eq!((world.state(&lower), world.state(&upper)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn nothing_of_a_stack_lands_while_a_part_of_it_may_not() {
    let world = World::usual();
    let [lower, upper] = stacked(&world);
    world.approve("bob", &lower);
    let before = world.tip("main");
    let push = world.push(&["st2:main"]);
    push.is_refused("denied-by-rules");
    let first = format!("-> git push origin {}:main", world.id("st1").short());
    assert!(push.raw.contains(&upper[..12]) && push.raw.contains(&first), "{}", push.raw);
    assert_eq!(world.tip("main"), before);
    // As it is told, and then the other.
    world.push(&["st1:main"]).passes();
    world.approve("bob", &upper);
    world.push(&["st2:main"]).passes();
    assert_eq!((world.state(&lower), world.state(&upper)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn what_lies_below_an_approved_change_does_not_come_with_it() {
    let world = World::usual();
    let [lower, upper] = stacked(&world);
    world.approve("bob", &upper);
    world.push(&["st2:main"]).is_refused("denied-by-rules");
    let run = world.say("alice", &["withdraw", &lower]);
    assert_eq!(run.status, 0, "{run}");
    let push = world.push(&["st2:main"]);
    push.is_refused("delta-differs");
    let first = format!("-> git push origin {}:main", world.id("st1").short());
    assert!(push.raw.contains("which the branch does not have") && push.raw.contains(&first), "{}", push.raw);
}

#[test]
fn a_stack_that_another_hook_declines_spends_nothing_and_lands_later() {
    let world = World::usual();
    let [lower, upper] = stacked(&world);
    world.approve("bob", &lower);
    world.approve("bob", &upper);
    let hook = world.stage.path("shop.git/hooks/update");
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!world.push(&["st2:main"]).passed);
    assert_ne!(world.state(&lower), "applied");
    fs::remove_file(&hook).unwrap();
    world.push(&["st2:main"]).passes();
    assert_eq!((world.state(&lower), world.state(&upper)), ("applied".to_owned(), "applied".to_owned()));
}
