//! Attacks on a rejection: shaken off by withdrawing and proposing anew, with a line more or a path more.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use countersign_core::{explain::Explained, presence::Presence};

const DAY: i64 = 24 * 60 * 60;

/// Files for `search/production`, by their names and contents.
fn files(files: &[(&str, &str)]) -> Subject {
    let files: BTreeMap<_, _> = files.iter().map(|(name, text)| ((*name).to_owned(), Digest::of(text))).collect();
    Subject::Files(FilesSubject { files, executable: BTreeSet::new(), command: Some(vec!["deploy".to_owned()]) })
}

fn propose(world: &mut World, subject: &Subject) -> ChangeId {
    let proposal = world.proposal("search/production", subject, None);
    world.begin("ada", proposal)
}

fn standing_approved(world: &mut World, subject: &Subject) -> String {
    let change = propose(world, subject);
    world.approve("linus", &change).unwrap();
    world.standing(&change)
}

#[test]
fn a_rejection_is_not_shaken_off_by_a_line_more_withdrawing_and_proposing_anew() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    let push = world.new_revision(&change, &file("timeout: 30\n"), None);
    world.say("ada", push).unwrap();
    world.withdraw("ada", &change).unwrap();
    // The very content of the revision over which it stood.
    let again = propose(&mut world, &file("timeout: 30\n"));
    world.approve("linus", &again).unwrap();
    assert_eq!(world.standing(&again), "no-rejection");
    assert_snapshot!(told(world.approve("mallory", &again)).replace(change.short(), "FIRST"), @"your-rejection-stands: mallory has rejected in change FIRST what change CHANGE brings");
    world.lift("mallory", &change).unwrap();
    assert_eq!(world.standing(&again), "allow");
    assert!(countersign_core::verify::verify(&world.trust, &world.evidence(), world.now).holds());
}

#[test]
fn a_revision_over_which_a_rejection_stands_says_where_it_stands() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    let Body::NewRevision(mut quiet) = world.new_revision(&change, &file("timeout: 31"), None) else { panic!() };
    let said = std::mem::take(&mut quiet.targets);
    assert_snapshot!(told(world.say("ada", Body::NewRevision(quiet.clone()))), @"rejection-stands: a rejection of change CHANGE stands, and the revision does not name the targets on which it stands over it");
    quiet.targets = targets(&["checkout/production"]);
    assert_snapshot!(told(world.say("ada", Body::NewRevision(quiet.clone()))), @"another-subject: the statement names other targets than change CHANGE has");
    quiet.targets = said;
    world.say("ada", Body::NewRevision(quiet)).unwrap();
}

#[test]
fn a_rejection_holds_what_was_rejected_with_a_path_more() {
    let mut world = World::new();
    let change = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1")]));
    world.reject("mallory", &change).unwrap();
    world.withdraw("ada", &change).unwrap();
    assert_eq!(
        standing_approved(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1"), ("blank", "")])),
        "no-rejection"
    );
    // A part of it, or one of its paths with something else, is another thing.
    assert_eq!(standing_approved(&mut world, &files(&[("a.yaml", "1")])), "allow");
    assert_eq!(standing_approved(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "2")])), "allow");

    let more = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1"), ("more", "")]));
    let current = world.change(&more).clone();
    let told_to = Explained::standing(&world.state, &current, &Presence::default(), world.now).unwrap();
    let rule = told_to.explanation.rules.iter().find(|rule| rule.id.as_str() == "no-rejection").unwrap();
    assert_snapshot!(rule.obligations[0].missing.replace(change.short(), "FIRST"), @"mallory rejected change FIRST, and this brings all of that");
}

#[test]
fn a_rejection_is_not_shaken_off_in_two_halves() {
    let mut world = World::new();
    let change = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1")]));
    world.reject("mallory", &change).unwrap();
    world.withdraw("ada", &change).unwrap();
    let half = propose(&mut world, &files(&[("a.yaml", "1"), ("c.yaml", "1")]));
    world.approve("linus", &half).unwrap();
    let permit = world.ask("ada", &half).unwrap();
    world.report("ada", &half, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(standing_approved(&mut world, &files(&[("b.yaml", "1")])), "no-rejection");
}

#[test]
fn what_holds_a_path_more_is_set_aside_for_that_alone() {
    let mut world = World::new();
    let change = propose(&mut world, &files(&[("a.yaml", "1")]));
    world.reject("mallory", &change).unwrap();
    let more = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1")]));
    world.approve("linus", &more).unwrap();
    world.now = world.now.plus_secs(DAY);
    world.set_aside("grace", &more, "mallory").unwrap();
    world.set_aside("barbara", &more, "mallory").unwrap();
    assert_eq!(world.standing(&more), "allow");
    assert!(world.standing(&change).contains("no-rejection"));
    assert_eq!(standing_approved(&mut world, &files(&[("a.yaml", "1"), ("c.yaml", "1")])), "no-rejection");
}

/// What somebody made of rejected content is another thing, which holds nothing; and whoever looks at it is to know of it.
#[test]
fn who_looks_at_a_change_is_told_that_another_of_the_same_places_was_rejected() {
    let mut world = World::new();
    let rejected = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1")]));
    world.reject("mallory", &rejected).unwrap();
    world.withdraw("ada", &rejected).unwrap();
    let beside = |world: &World, change: &ChangeId| {
        let told = Explained::standing(&world.state, world.change(change), &Presence::default(), world.now).unwrap();
        told.explanation
            .notes()
            .map(|line| crate::kit::masked(&line.replace(rejected.short(), "FIRST")))
            .collect::<Vec<_>>()
    };
    let change = propose(&mut world, &files(&[("a.yaml", "2"), ("c.yaml", "1")]));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert_snapshot!(beside(&world, &change).join("\n"), @"mallory rejected change FIRST on 2026-04-01, which touches a.yaml too; that does not hold this change: countersign show FIRST");
    // What is held is told as that alone; what touches other places, nothing.
    let held = propose(&mut world, &files(&[("a.yaml", "1"), ("b.yaml", "1"), ("c.yaml", "1")]));
    let other = propose(&mut world, &files(&[("c.yaml", "3")]));
    assert_eq!((beside(&world, &held), beside(&world, &other)), (Vec::new(), Vec::new()));
    // Not for ever, and not once it is lifted.
    let mut later = propose(&mut world, &files(&[("b.yaml", "3")]));
    assert_eq!(beside(&world, &later).len(), 1);
    world.now = world.now.plus_secs(31 * DAY);
    later = propose(&mut world, &files(&[("b.yaml", "4")]));
    assert_eq!(beside(&world, &later), Vec::<String>::new());
    world.lift("mallory", &rejected).unwrap();
    assert_eq!(beside(&world, &change), Vec::<String>::new());
}
