//! Attacks by another key in the place of somebody's: one that was stolen, one that is another's, one that two give to
//! themselves, and a catalog that brings back what was given up.

use countersign_core::{
    admit::can_govern,
    refusal::Refusal,
    statement::{Approval, Holder, KeyRotation},
};

use super::*;
use crate::kit::{governance_files, holder};

fn world_with(spares: &[&'static str]) -> World {
    let mut world = World::new();
    spares.iter().for_each(|name| world.spare(name));
    world
}

/// ada's approval, with another of her keys.
fn approve_with(world: &mut World, by: &str, key: &str, change: &ChangeId) -> Result<Digest, Refusal> {
    let approval: Approval = world.approval(change);
    world.say_with(by, &[key], Body::Approval(approval))
}

#[test]
fn a_key_that_was_given_up_signs_nothing_and_what_it_approved_before_stands() {
    let mut world = world_with(&["linus-2", "linus-3"]);
    let (before, after) = (world.propose("ada", "search/production"), world.propose("ada", "search/production"));
    world.approve("linus", &before).unwrap();
    world.rotate("linus", "linus", "linus-2").unwrap();
    assert_eq!(world.standing(&before), "allow");
    assert_snapshot!(told(world.approve("linus", &after)), @"key-retired: another key came in the place of DIGEST, which was linus's");
    approve_with(&mut world, "linus", "linus-2", &after).unwrap();
    assert_eq!(world.standing(&after), "allow");
    // And another in the place of that.
    world.rotate("linus", "linus-2", "linus-3").unwrap();
    assert_eq!((world.standing(&before).as_str(), world.standing(&after).as_str()), ("allow", "allow"));
    assert_snapshot!(told(world.rotate("linus", "linus-2", "linus-3")), @"key-retired: another key came in the place of DIGEST, which was linus's");
    // The old one was stolen after all, and before it was given up: whoever had it may have approved.
    let body = world.revocation("linus");
    world.say_with("linus", &["linus-3"], body).unwrap();
    assert_snapshot!(world.standing(&before), @"owner-approves second-pair-of-eyes");
    assert_eq!(world.standing(&after), "allow");
}

#[test]
fn a_catalog_does_not_bring_a_key_back_that_was_given_up() {
    const PATH: &str = "people/discovery.json";
    let mut world = world_with(&["linus-2", "mallory-2"]);
    let text = String::from_utf8(governance_files(&world.keys)[PATH].clone()).unwrap();
    world.rotate("linus", "linus", "linus-2").unwrap();
    let key = |world: &World, name: &str| world.keys[name].public().to_string();
    let publish = |world: &mut World, edits: &[(&str, &str)]| {
        let edit = |text: String, (old, new): &(&str, &str)| text.replace(&key(world, old), &key(world, new));
        let text = edits.iter().fold(text.clone(), edit);
        let publication = world.publication(&[(PATH, Some(text.as_bytes()))]);
        world.publish(publication)
    };
    let keys = |world: &World| world.state.governance.person(&id("linus")).unwrap().keys.clone();
    // The file as somebody had it from before, but for mallory's key.
    publish(&mut world, &[("mallory", "mallory-2")]).unwrap();
    assert_eq!(keys(&world), [world.keys["linus-2"].public()]);
    // Nor is it somebody else's.
    let swapped = [("linus", "linus-2"), ("mallory", "linus")];
    assert_snapshot!(told(publish(&mut world, &swapped)), @"catalog-invalid: the catalog does not hold: key DIGEST is linus's, and it lists it for mallory");
    // The new one in its place is what everybody knows already.
    publish(&mut world, &[("linus", "linus-2"), ("mallory", "mallory-2")]).unwrap();
    assert_eq!(keys(&world), [world.keys["linus-2"].public()]);
    assert_eq!(world.replayed().unwrap().governance.catalog, world.state.governance.catalog);
}

#[test]
fn nobody_takes_a_key_that_is_anothers_or_not_at_hand() {
    let mut world = world_with(&["linus-2"]);
    let rotation = |world: &mut World, new: &str| Body::KeyRotation(world.rotation("linus", "linus", new));
    for new in ["ada", "countersign", "robo", "linus"] {
        let refused = world.rotate("linus", "linus", new).unwrap_err();
        assert!(["key-taken", "old-key-signs"].contains(&refused.code), "{new}: {refused:?}");
    }
    let body = rotation(&mut world, "linus-2");
    assert_snapshot!(told(world.say_with("linus", &["linus"], body.clone())), @"new-key-signs: the new key DIGEST has not signed it");
    assert_snapshot!(told(world.say_with("linus", &["linus-2"], body.clone())), @"signed-by-another: the statement says that it is by linus, but it is signed by nobody's key that holds");
    assert_snapshot!(told(world.say_with("linus", &["mallory", "linus-2"], body.clone())), @"signed-by-another: the statement says that it is by linus, but it is signed by mallory");
    assert_snapshot!(told(world.say_with("mallory", &["mallory", "linus-2"], body)), @"two-people: another's key needs 2 people, this has 1");
    world.revoke("mallory", "linus").unwrap();
    assert_snapshot!(told(world.rotate("linus", "linus", "linus-2")), @"key-revoked: key DIGEST was revoked by mallory, for a day unless somebody else confirms it");
    // Whoever commits with a key and gives it up had a hand in it all the same: ada's second one.
    world.spare("ada-2");
    world.rotate("ada", "ada-laptop", "ada-2").unwrap();
    assert_eq!(
        world.state.governance.ever_by_key(&world.keys["ada-laptop"].public().fingerprint()).unwrap().id,
        id("ada")
    );
}

#[test]
fn a_lost_key_goes_by_two_others_and_what_it_approved_counts_no_more() {
    let mut world = world_with(&["linus-2", "grace-2", "barbara-2"]);
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_snapshot!(told(world.rotate_lost(&["ada"], "linus", "linus-2")), @"two-people: another's key needs 2 people, this has 1");
    assert_snapshot!(told(world.rotate_lost(&["ada", "ada-laptop"], "linus", "linus-2")), @"two-people: another's key needs 2 people, this has 1");
    assert_snapshot!(told(world.rotate_lost(&["ada", "mallory"], "linus", "linus-2")), @"senior-needed: one of the two who give somebody another key is a senior");
    assert_snapshot!(told(world.rotate_lost(&["grace", "linus"], "linus", "linus-2")), @"third-person: linus cannot say of their own key that it is lost");
    assert_snapshot!(told(world.rotate_lost(&["grace", "ci"], "linus", "linus-2")), @"only-people: ci is a workload; only a person can give somebody another key");
    // Who would have a senior's key had a senior's say.
    assert_snapshot!(told(world.rotate_lost(&["barbara", "linus"], "grace", "grace-2")), @"policy-group: grace is a senior: two people of the policy group give them another key");
    world.rotate_lost(&["grace", "barbara"], "linus", "linus-2").unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    approve_with(&mut world, "linus", "linus-2", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Whoever gave the key could have kept it: they are not two people with linus for a while.
    let theirs = world.propose("grace", "search/production");
    approve_with(&mut world, "linus", "linus-2", &theirs).unwrap();
    assert_snapshot!(world.standing(&theirs), @"owner-approves second-pair-of-eyes");
    world.rotate_lost(&["ada", "barbara"], "grace", "grace-2").unwrap();
    // Who suspends somebody grants nothing meanwhile.
    world.revoke("ada", "mallory").unwrap();
    world.spare("ci-2");
    let KeyRotation { key, new_key, of, .. } = world.rotation("ci", "ci", "ci-2");
    let body = Body::KeyRotation(KeyRotation { key, new_key, of, reason: Some(world.reason("lost")) });
    assert_snapshot!(told(world.say_with("ada", &["ada", "barbara"], body)), @"suspends-another: ada has revoked key DIGEST, which nobody has confirmed, and grants nothing meanwhile");
}

#[test]
fn a_recovery_takes_the_quorum_that_genesis_pins() {
    let mut world = world_with(&["ada-2", "grace-2", "linus-2", "mallory-2"]);
    let people = |world: &World| world.state.people().map(|(id, record)| (id.clone(), record.clone())).collect();
    let of = [("linus", "linus-2"), ("mallory", "mallory-2")];
    assert_snapshot!(told(world.recover("ada", &["ada"], &of)), @"recovery-quorum: 2 people of the recovery quorum recover a log, this has the signatures of 1");
    assert_snapshot!(told(world.recover("ada", &["ada", "ada-laptop"], &of)), @"recovery-quorum: 2 people of the recovery quorum recover a log, this has the signatures of 1");
    assert_snapshot!(told(world.recover("ada", &["ada", "linus"], &of)), @"policy-group: linus is no founder and no senior of the policy group; only they recover a log");
    assert_snapshot!(told(world.recover("ada", &["ada", "countersign"], &of)), @"only-people: the server cannot recover a log");
    assert_snapshot!(told(world.recover("ada", &["ada", "stranger"], &of)), @"unknown-key: key DIGEST belongs to nobody in the catalog");
    assert_snapshot!(told(world.recover("ada", &["ada", "grace"], &[("linus", "mallory")])), @"key-taken: key DIGEST is mallory's already");
    assert_snapshot!(told(world.recover("ada", &["ada", "grace"], &[("robo", "linus-2")])), @"unknown-person: the catalog has no person robo");
    assert!(can_govern(&world.state.governance, &people(&world)));
    // What grace and ada work with is another key by now; what genesis pins lies in a safe.
    world.rotate("grace", "grace", "grace-2").unwrap();
    assert_snapshot!(told(world.recover("ada", &["ada", "grace"], &of)), @"key-retired: another key came in the place of DIGEST, which was grace's");
    for key in ["ada", "ada-laptop", "grace-2", "linus", "mallory"] {
        let Holder::Person(by) = holder(key.trim_end_matches("-2")) else { unreachable!() };
        let (reason, of) = (world.reason("gone"), Holder::Person(by.clone()));
        let revocation =
            countersign_core::statement::KeyRevocation { key: world.keys[key].public().fingerprint(), of, reason };
        world.say_with(by.as_str(), &[key], Body::KeyRevocation(revocation)).unwrap();
    }
    assert!(!can_govern(&world.state.governance, &people(&world)));
    assert_snapshot!(told(world.recover("ada", &["ada", "barbara"], &of)), @"key-revoked: key DIGEST was revoked");
}

/// Whoever stole a key, approves, and takes another in its place: revoking the one that the catalog lists takes both.
#[test]
fn revoking_the_key_that_is_listed_takes_what_the_one_before_it_approved() {
    let mut world = world_with(&["linus-2"]);
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    world.rotate("linus", "linus", "linus-2").unwrap();
    assert_eq!(world.standing(&change), "allow");
    let Body::KeyRevocation(mut revocation) = world.revocation("linus-2") else { unreachable!() };
    revocation.of = holder("linus");
    world.say("mallory", Body::KeyRevocation(revocation)).unwrap();
    assert_eq!(world.standing(&change), "owner-approves second-pair-of-eyes");
}
