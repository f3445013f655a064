//! Whoever approved applies: no second pair of hands.

use countersign_core::{
    ids::ChangeId,
    permit::Denied,
    snapshot::Applier,
    statement::{Body, PermitRequest},
};
use countersign_ledger::Digest;

use super::{author, denied, facts};
use crate::kit::{Files, World, id};

/// The shop with the shipped rule, enforced and of every tier.
fn apart() -> World {
    let rule = |files: &mut Files| {
        let text = include_str!("../../../../../rules/applier-apart.cedar");
        let text = text.replace("@mode(\"watch\")", "@mode(\"enforce\")").replace(" && resource.tier == 1", "");
        files.insert("rules/applier-apart.cedar".to_owned(), text.into_bytes());
    };
    World::founded(rule, |_| {}).unwrap()
}

#[test]
fn an_approver_does_not_run_what_they_approved() {
    let mut world = apart();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    // Before anybody applies it there is nothing to tell.
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(denied(world.ask("linus", &change)), "denied by applier-apart");
    // That is about who asked, and holds nobody else up.
    assert_eq!(world.standing(&change), "allow");
    world.ask("ada", &change).unwrap();
    assert_eq!(world.change(&change).applier(world.now), Some(Applier::Is(id("ada"))));
    // Nor do they by approving after they got the permit.
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    world.ask("mallory", &change).unwrap();
    world.approve("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "applier-apart");
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "applier-apart");
}

fn pushed(world: &mut World, change: &ChangeId, by: Option<&str>) -> Result<Digest, Denied> {
    let transition = world.transition(change);
    let request = PermitRequest {
        gate: "shop-gate".parse().unwrap(),
        applier: by.map(id),
        ..world.request("git-gate", change, &transition)
    };
    world.say_with("shop-gate", &["git-gate"], Body::PermitRequest(request.clone()))?;
    let permit = world.answered(change, &request)?;
    Ok(world.say("countersign", Body::PermitGrant(permit.grant().clone()))?)
}

#[test]
fn an_approver_does_not_push_what_they_approved_and_nor_does_nobody() {
    let mut world = apart();
    world.register_gate();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    assert_eq!(denied(pushed(&mut world, &change, Some("linus"))), "denied by applier-apart");
    assert_eq!(denied(pushed(&mut world, &change, None)), "denied by applier-apart");
    pushed(&mut world, &change, Some("ada")).unwrap();
}

#[test]
fn only_a_gate_says_who_pushes() {
    let mut world = apart();
    world.register_gate();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    let transition = world.transition(&change);
    let request = PermitRequest { applier: Some(id("ada")), ..world.request("linus", &change, &transition) };
    for gate in ["apply", "shop-gate"] {
        let request = PermitRequest { gate: gate.parse().unwrap(), ..request.clone() };
        let key = if gate == "apply" { "linus" } else { "git-gate" };
        let request = PermitRequest { audience: world.keys[key].public().fingerprint(), ..request };
        assert_eq!(world.say("linus", Body::PermitRequest(request)).unwrap_err().code, "applier", "{gate}");
    }
    let of_nobody = PermitRequest {
        gate: "shop-gate".parse().unwrap(),
        applier: Some(id("eve")),
        ..world.request("git-gate", &change, &transition)
    };
    let refused = world.say_with("shop-gate", &["git-gate"], Body::PermitRequest(of_nobody));
    assert_eq!(refused.unwrap_err().code, "unknown-person");
}
