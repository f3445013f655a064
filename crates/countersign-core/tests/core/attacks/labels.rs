//! Labels as a way round: shaken off by who is asked for more, or put on by who would be asked for less.

use countersign_core::{
    ids::ChangeId,
    rules::check,
    statement::{
        Body,
        LabelAct::{PutOn, TakeOff},
        Labelling,
    },
};

use super::{Extracted, author, facts, git};
use crate::kit::{Files, World, id, oid};

/// Beside the shipped rules one that asks for less and one that asks for more.
fn labelled() -> World {
    World::founded(rules, |_| {}).unwrap()
}

fn rules(files: &mut Files) {
    let rule = |id: &str, requires: &str, condition: &str| {
        format!(
            "@id(\"{id}\") @requires(\"{requires}\") @because(\"B.\") @remedy(\"countersign show {{change}}\") @mode(\"enforce\") \
             @strength(\"waivable\") @carry(\"delta\") forbid (principal, action == Countersign::Action::\"apply\", resource) \
             unless {{ {condition} }};"
        )
        .into_bytes()
    };
    let seniors = "resource.approvals.senior >= 2 || resource.labels.by_others.contains(\"no-backport\")";
    files.insert(
        "rules/two-seniors.cedar".to_owned(),
        rule("two-seniors", "approval:senior:2 | label:no-backport", seniors),
    );
    let held = "!resource.labels.all.contains(\"do-not-merge/hold\")";
    files.insert("rules/held.cedar".to_owned(), rule("held", "no-label:do-not-merge/hold", held));
}

/// A change by ada that linus has approved.
fn approved(world: &mut World) -> (ChangeId, Extracted) {
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    (change, commits)
}

/// The same patch in the same words on another base, or another patch.
fn revised(world: &mut World, change: &ChangeId, commits: &Extracted) {
    let text = world.change(change).current().unwrap().text;
    let Body::NewRevision(mut revision) = world.new_revision(change, &git(commits), Some(commits)) else { panic!() };
    revision.text = text;
    world.say("ada", Body::NewRevision(revision)).unwrap();
    world.disclose("ada", change, &[], &[]).unwrap();
}

fn missing(world: &World, change: &ChangeId) -> Vec<String> {
    let decision = world.decision(change);
    decision.rules.iter().flat_map(|rule| rule.missing.clone()).flat_map(|missing| missing.of).collect()
}

#[test]
fn rules_ask_for_labels_by_what_they_require() {
    let world = labelled();
    assert_eq!(check(&world.state.governance.rules), []);
}

#[test]
fn a_contributor_does_not_label_themselves_out_of_a_rule() {
    let mut world = labelled();
    let (change, _) = approved(&mut world);
    for by in ["ada", "robo", "ci"] {
        world.label(by, PutOn, &change, "no-backport").unwrap();
        assert_eq!(world.standing(&change), "two-seniors", "{by}");
    }
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Whoever gets a hand in it has put nothing on as somebody else.
    world.disclose("ada", &change, &["robo"], &["mallory"]).unwrap();
    assert_eq!(world.standing(&change), "two-seniors");
}

#[test]
fn a_label_that_asks_for_less_is_of_what_its_revision_brings() {
    let mut world = labelled();
    let (change, commits) = approved(&mut world);
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    let mut moved = commits.clone();
    (moved.head, moved.base, moved.tree) = (oid(10), oid(5), oid(1_010));
    revised(&mut world, &change, &moved);
    assert_eq!(world.standing(&change), "allow");
    revised(&mut world, &change, &facts(11, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "two-seniors");
    assert_eq!(world.change(&change).labels.len(), 1);
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn a_label_that_asks_for_more_is_shaken_off_neither_by_a_revision_nor_by_a_contributor() {
    let mut world = labelled();
    let (change, _) = approved(&mut world);
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    world.label("grace", PutOn, &change, "do-not-merge/hold").unwrap();
    assert_eq!(world.standing(&change), "held");
    assert_eq!(missing(&world, &change), ["grace"]);
    revised(&mut world, &change, &facts(11, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    assert_eq!(world.standing(&change), "held");
    for (by, code) in [("ada", "contributor"), ("robo", "only-people"), ("ci", "only-people")] {
        assert_eq!(world.label(by, TakeOff, &change, "do-not-merge/hold").unwrap_err().code, code, "{by}");
    }
    // Nor by putting it on themselves first, and not by taking the key of who did.
    world.label("ada", PutOn, &change, "do-not-merge/hold").unwrap();
    assert_eq!(world.label("ada", TakeOff, &change, "do-not-merge/hold").unwrap_err().code, "contributor");
    world.revoke("barbara", "grace").unwrap();
    assert_eq!(world.standing(&change), "held");
    world.label("linus", TakeOff, &change, "do-not-merge/hold").unwrap();
    assert_eq!(world.standing(&change), "allow");
    // What one put on oneself comes off.
    world.label("ada", PutOn, &change, "wip").unwrap();
    world.label("ada", TakeOff, &change, "wip").unwrap();
    assert_eq!(world.label("ada", TakeOff, &change, "wip").unwrap_err().code, "no-label");
}

#[test]
fn a_label_by_a_key_that_holds_no_more_or_of_an_earlier_epoch_asks_for_nothing_less() {
    let mut world = labelled();
    let (change, _) = approved(&mut world);
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    assert_eq!(world.label("mallory", PutOn, &change, "no-backport").unwrap_err().code, "already-labelled");
    assert_eq!(world.standing(&change), "allow");
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "two-seniors");
    world.label("mallory", PutOn, &change, "no-backport").unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.revoke("barbara", "mallory").unwrap();
    assert_eq!(world.standing(&change), "two-seniors");
}

#[test]
fn labels_are_words_and_there_are_so_many() {
    let mut world = labelled();
    let (change, _) = approved(&mut world);
    for text in ["", "Hold", "hold!", "two words", "-hold", "hold/", "ada@example.com", &"x".repeat(51)] {
        assert!(text.parse::<countersign_core::ids::Label>().is_err(), "{text}");
    }
    let revision = world.revision(&change);
    let say = |world: &mut World, labels: Vec<String>| {
        let labels = labels.iter().map(|label| label.parse().unwrap()).collect();
        world.say("grace", Body::Label(Labelling { act: PutOn, change: change.clone(), labels, revision }))
    };
    assert_eq!(say(&mut world, vec![]).unwrap_err().code, "labels");
    say(&mut world, (0..32).map(|n| format!("label-{n}")).collect()).unwrap();
    assert_eq!(say(&mut world, vec!["one-more".to_owned()]).unwrap_err().code, "too-many-labels");
    for n in 1..50 {
        let act = if n % 2 == 1 { TakeOff } else { PutOn };
        world.label("grace", act, &change, "label-1").unwrap();
    }
    assert_eq!(world.label("grace", PutOn, &change, "label-1").unwrap_err().code, "too-many-labels");
    assert_eq!(world.change(&change).labelled[&id("grace")], 50);
}
