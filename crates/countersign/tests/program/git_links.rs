//! Symbolic links at a gate: what is reached by them is reached.

use std::os::unix::fs::symlink;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";
const SEARCH: &str = "search/production";

/// The checkout has its settings from a file of the documentation, by a link.
fn linked() -> World {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "link", "origin/main"]);
    world.write("docs/cfg", "timeout: 5\n");
    symlink("../docs/cfg", world.stage.path("work/checkout/cfg")).unwrap();
    world.commit("The settings are documented where they are");
    let change = world.propose("alice", &[CHECKOUT, SEARCH]);
    world.approve("bob", &change);
    world.approve("carol", &change);
    world.push(&["link:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world
}

#[test]
fn an_edit_of_what_another_systems_link_leads_to_is_one_of_that_system() {
    let world = linked();
    world.edit("edit", "docs/cfg", "timeout: 5000\n");
    let change = world.propose("alice", &[SEARCH]);
    world.approve("carol", &change);
    let push = world.push(&["edit:main"]);
    push.is_refused("targets-not-covered");
    assert!(push.said.contains(CHECKOUT), "{}", push.said);
    // Beside it, nothing leads there.
    world.edit("other", "docs/other", "more\n");
    let other = world.propose("alice", &[SEARCH]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
}

#[test]
fn a_link_to_another_systems_file_reaches_that_system() {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "link", "origin/main"]);
    std::fs::create_dir_all(world.stage.path("work/docs")).unwrap();
    symlink("../checkout/timeout", world.stage.path("work/docs/timeout")).unwrap();
    world.commit("a link");
    let change = world.propose("alice", &[SEARCH]);
    world.approve("carol", &change);
    let push = world.push(&["link:main"]);
    push.is_refused("targets-not-covered");
    assert!(push.said.contains(CHECKOUT), "{}", push.said);
}
