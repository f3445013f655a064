//! Whom to ask for an approval, and who is never named.

use std::collections::BTreeMap;

use countersign_core::{
    explain::{Past, Reviewer, reviewers},
    ids::{ActorId, ChangeId},
};
use insta::assert_snapshot;

use crate::kit::{World, id};

fn past(known: &[(&str, [u32; 4])]) -> BTreeMap<ActorId, Past> {
    let one = |[approved, made, files, open]: [u32; 4]| Past { approved, made, files, open };
    known.iter().map(|(name, past)| (id(name), one(*past))).collect()
}

fn asked(world: &World, change: &ChangeId, known: &[(&str, [u32; 4])]) -> Vec<Reviewer> {
    let presence = world.state.presence(world.now);
    reviewers(&world.decision(change), &world.state, world.change(change), &presence, &past(known)).unwrap()
}

fn named(found: &[Reviewer]) -> Vec<&str> {
    found.iter().map(|one| one.person.as_str()).collect()
}

#[test]
fn who_knows_it_is_there_and_has_least_to_do_comes_first_each_with_the_reason() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    // Both own it; mallory has been here before.
    let found = asked(&world, &change, &[("mallory", [4, 1, 2, 1]), ("grace", [9, 0, 0, 0])]);
    let told: Vec<String> = found.iter().map(|one| format!("{}: {}", one.person, one.why())).collect();
    assert_snapshot!(told.join("\n"), @r"
    mallory: 1 approval by an owner of the system (search); 1 approval by somebody who had no hand in the change; approved 4 changes here, made 1 change here, 2 of them of the same files; 1 other change waits for them
    linus: 1 approval by an owner of the system (search); 1 approval by somebody who had no hand in the change; has not been here yet; nothing else waits for them
    grace: 1 approval by somebody who had no hand in the change; approved 9 changes here; nothing else waits for them
    barbara: 1 approval by somebody who had no hand in the change; has not been here yet; nothing else waits for them
    ");
    // Of two who know their way about, whoever has less to look at.
    let found = asked(&world, &change, &[("mallory", [9, 9, 9, 7]), ("linus", [3, 0, 0, 1])]);
    assert_eq!(&named(&found)[..2], ["linus", "mallory"]);
    // Whoever is away comes last, whatever they know.
    world.away("mallory", 3).unwrap();
    let found = asked(&world, &change, &[("mallory", [9, 9, 9, 0])]);
    assert_eq!(*named(&found).last().unwrap(), "mallory");
    assert!(found.last().unwrap().why().contains("away until"), "{found:?}");
    // Who has said it says it no more.
    world.approve("linus", &change).unwrap();
    assert!(!named(&asked(&world, &change, &[("linus", [9, 0, 0, 0])])).contains(&"linus"));
}

/// Attack: a server makes up a past for whoever shall be asked.
#[test]
fn a_contributor_an_agent_and_a_stranger_are_never_suggested_whatever_is_told_of_them() {
    let mut world = World::new();
    for (by, target) in [("ada", "search/production"), ("grace", "checkout/production")] {
        let change = world.propose(by, target);
        let made_up = [99, 99, 99, 0];
        let known = ["ada", "grace", "robo", "ci", "somebody-else"].map(|name| (name, made_up));
        let found = asked(&world, &change, &known);
        assert!(!found.is_empty());
        for never in [by, "robo", "ci", "somebody-else"] {
            assert!(!named(&found).contains(&never), "{never} in {found:?}");
        }
        assert!(found.len() <= 5 && found.iter().all(|one| !one.supplies.is_empty()), "{found:?}");
    }
    // Nor whose key was taken.
    let change = world.propose("ada", "search/production");
    world.revoke("grace", "linus").unwrap();
    assert!(!named(&asked(&world, &change, &[("linus", [9, 9, 9, 0])])).contains(&"linus"));
}
