//! A sock puppet: somebody who was enrolled lately, and those who enrolled them, are not two people to one decision.

use super::*;

const DAY: i64 = 24 * 60 * 60;

/// Ada proposes `zoe`, who owns `search` beside linus and mallory, and grace approves it.
fn with_zoe() -> World {
    let mut world = World::new();
    let key = |name: &str| world.keys[name].public().to_string();
    let person = |name: &str, key: String| {
        format!(
            "\"{name}\":{{\"groups\":[\"discovery\"],\"keys\":[\"{key}\"],\"kind\":\"person\",\"level\":\"standard\"}}"
        )
    };
    let people =
        [person("linus", key("linus")), person("mallory", key("mallory")), person("zoe", key("stranger"))].join(",");
    let people = format!("{{{people}}}");
    let change = world.amend("ada", &[("people/discovery.json", Some(people.as_bytes()))]);
    world.approve("grace", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    world
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
