//! A sock puppet: somebody who was enrolled lately, and those who enrolled them, are not two people to one decision.

use super::*;

const DAY: i64 = 24 * 60 * 60;

/// Ada proposes `zoe`, who owns `search` beside linus and mallory, and grace approves it.
pub(super) fn with_zoe() -> World {
    let mut world = World::new();
    let people = zoe_among_them(&world);
    let change = world.amend("ada", &[("people/discovery.json", Some(people.as_bytes()))]);
    world.approve("grace", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    world
}

/// The people of discovery with `zoe`.
fn zoe_among_them(world: &World) -> String {
    let key = |name: &str| world.keys[name].public().to_string();
    let person = |name: &str, key: String| {
        format!(
            "\"{name}\":{{\"groups\":[\"discovery\"],\"keys\":[\"{key}\"],\"kind\":\"person\",\"level\":\"standard\"}}"
        )
    };
    let people =
        [person("linus", key("linus")), person("mallory", key("mallory")), person("zoe", key("stranger"))].join(",");
    format!("{{{people}}}")
}

fn approve_as_zoe(world: &mut World, change: &ChangeId) {
    let body = Body::Approval(world.approval(change));
    world.say_with("zoe", &["stranger"], body).unwrap();
}

#[test]
fn a_sock_puppet_enrolled_by_two() {
    let mut world = with_zoe();
    // Of whoever enrolled her.
    let change = world.propose("ada", "search/production");
    approve_as_zoe(&mut world, &change);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    let told: Vec<String> = snapshot.together.values().map(ToString::to_string).collect();
    assert_snapshot!(told.join("\n"), @"zoe is a newcomer until 2026-05-01T00:00:00Z, enrolled by ada and grace: they do not count together");
    // An enroller who did not make it counts, and the newcomer beside them does not.
    let change = world.propose("linus", "search/production");
    world.approve("grace", &change).unwrap();
    approve_as_zoe(&mut world, &change);
    assert_snapshot!(world.standing(&change), @"owner-approves");
    world.approve("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Where nobody who enrolled her has a part in it she is somebody like any other.
    let change = world.propose("linus", "search/production");
    approve_as_zoe(&mut world, &change);
    assert_eq!(world.standing(&change), "allow");
    world.replayed().unwrap();
}

#[test]
fn who_enrolled_somebody_is_no_second_pair_of_eyes_to_them() {
    let mut world = with_zoe();
    let subject = file("timeout: 31");
    let proposal = world.proposal("search/production", &subject, None);
    let said = world.say_with("zoe", &["stranger"], Body::Proposal(proposal)).unwrap();
    let change = ChangeId::of_proposal(&said);
    world.approve("ada", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    // One of the two could be her, and not both.
    world.approve("grace", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves");
    world.approve("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn after_thirty_days_nobody_is_new() {
    let mut world = with_zoe();
    world.now = world.now.plus_secs(30 * DAY - 1);
    let change = world.propose("ada", "search/production");
    approve_as_zoe(&mut world, &change);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.now = world.now.plus_secs(1);
    assert_eq!(world.standing(&change), "allow");
    // Another publication does not make her new again, and forgets that she was.
    let amended = world.amend("ada", &[("systems/search.json", Some(br#"{"owner":"discovery","tier":2}"#))]);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
    assert!(world.state.governance.record.newcomers.is_empty());
    // Outside of production nothing of this holds.
    let mut world = with_zoe();
    let change = world.propose("ada", "search/staging");
    approve_as_zoe(&mut world, &change);
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert!(snapshot.together.is_empty() && snapshot.approvals.len() == 1);
}

/// Nor are they two people to what two people sign: zoe's key could be ada's own.
#[test]
fn a_newcomer_and_who_enrolled_them_are_not_two_who_sign() {
    let mut world = with_zoe();
    world.spare("linus-2");
    let mut rotation = world.rotation("linus", "linus", "linus-2");
    rotation.reason = Some(Digest::of("lost"));
    let lost = Body::KeyRotation(rotation);
    assert_snapshot!(told(world.say_with("ada", &["ada", "stranger"], lost.clone())), @"newcomer: zoe is a newcomer until 2026-05-01T00:00:00Z, enrolled by ada and grace: they are not two people to this");
    // Nor does one confirm what the other revoked.
    world.revoke("ada", "mallory").unwrap();
    let record = world.state.person(&id("mallory")).unwrap().unwrap().revoked.values().next().unwrap().clone();
    let confirmed = Body::RevocationConfirmation(countersign_core::statement::RevocationConfirmation {
        key: world.keys["mallory"].public().fingerprint(),
        of: crate::kit::holder("mallory"),
        revocation: record.statement,
        revoked_by: record.by,
    });
    assert_snapshot!(told(world.say_with("zoe", &["stranger"], confirmed)), @"newcomer: zoe is a newcomer until 2026-05-01T00:00:00Z, enrolled by ada and grace: they are not two people to this");
    world.say_with("barbara", &["barbara", "linus"], lost).unwrap_err();
}

/// Another key that others say is somebody's makes them a newcomer again; one that they publish themselves does not.
#[test]
fn a_key_that_others_give_somebody_makes_them_a_newcomer() {
    let mut world = World::new();
    let files = crate::kit::governance_files(&world.keys);
    let text = String::from_utf8(files["people/discovery.json"].clone()).unwrap();
    let (old, new) = (world.keys["mallory"].public().to_string(), world.keys["stranger"].public().to_string());
    let both = text.replace(&format!("\"{old}\""), &format!("\"{old}\",\"{new}\""));
    let amend = |world: &mut World, by: &str| {
        let change = world.amend(by, &[("people/discovery.json", Some(both.as_bytes()))]);
        world.approve(if by == "ada" { "grace" } else { "ada" }, &change).unwrap();
        world.approve("barbara", &change).unwrap();
        world.put_in_force("ada", &change).unwrap();
    };
    amend(&mut world, "ada");
    let change = world.propose("ada", "search/production");
    let body = Body::Approval(world.approval(&change));
    world.say_with("mallory", &["stranger"], body).unwrap();
    assert_eq!(world.standing(&change), "owner-approves second-pair-of-eyes");
}

/// Whoever proposes somebody new does not get away from them by having another submit the last revision of it.
#[test]
fn who_proposed_a_newcomer_enrolled_them_whoever_revised_it() {
    let mut world = World::new();
    let search: &[u8] = br#"{"owner":"discovery","tier":2}"#;
    let people = zoe_among_them(&world);
    let files: &[(&str, Option<&[u8]>)] = &[("people/discovery.json", Some(people.as_bytes()))];
    let change = world.amend("ada", files);
    let more = world.replacing(&[files[0], ("systems/search.json", Some(search))]);
    let revision = world.new_revision(&change, &more, None);
    world.say("linus", revision).unwrap();
    let fewer = world.replacing(files);
    let revision = world.new_revision(&change, &fewer, None);
    world.say("grace", revision).unwrap();
    world.approve("barbara", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    let enrolled_by: Vec<&str> =
        world.state.governance.record.newcomers[&id("zoe")].enrolled_by.iter().map(|id| id.as_str()).collect();
    assert_eq!(enrolled_by, ["ada", "barbara", "grace", "linus"]);
    let change = world.propose("ada", "search/production");
    approve_as_zoe(&mut world, &change);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.replayed().unwrap();
}
