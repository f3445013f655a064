//! The same proposed many times: nobody blocks or hides somebody else's approved change by that.

use countersign_core::{
    ids::ChangeId,
    statement::{Body, RevisionRef, Withdrawal},
};

use crate::{lying::Log, world::World};

const CHECKOUT: &str = "checkout/production";

/// Proposes what was proposed last once more, as somebody else.
fn propose_again(world: &World, who: &str) -> (ChangeId, RevisionRef) {
    let log = Log::of(world);
    let body = log.statement(log.last("proposal")).body;
    let named = world.server().block_on(world.server().engine.blobs(&body.blobs())).unwrap();
    let receipt = world.voice(who).say(body, &named.into_values().collect::<Vec<_>>()).unwrap();
    (receipt.change.unwrap(), RevisionRef { number: 1, digest: receipt.statement })
}

#[test]
fn an_approved_change_lands_whatever_others_propose_with_the_same_content() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    // More than a page of them, most of them closed, and more than anybody lands at once.
    for n in 0..80 {
        let (change, revision) = propose_again(&world, "dave");
        if n < 60 {
            world.voice("dave").say(Body::Withdrawal(Withdrawal { change, revision }), &[]).unwrap();
        }
    }
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

/// Where several may go, the oldest is what lands: the others stay as they are.
#[test]
fn of_two_approved_changes_with_the_same_content_the_older_lands() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let older = world.propose("alice", &[CHECKOUT]);
    let newer = propose_again(&world, "dave").0.to_string();
    world.approve("bob", &newer);
    world.approve("bob", &older);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.state(&older), world.state(&newer)), ("applied".to_owned(), "proposed".to_owned()));
}
