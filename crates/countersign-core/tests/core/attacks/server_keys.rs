//! Attacks with a key of the server's that was stolen, or by a server that takes another by itself.

use countersign_core::{
    governance::{SERVER_KEYS, ServerKeys},
    refusal::Refusal,
    trust::Trust,
    verify::{Evidence, Report, Verdict, verify},
};
use countersign_ledger::{LogKey, SignedCheckpoint};

use super::*;
use crate::kit::{FixedRng, ORIGIN};

/// Another log key, and the file that names it with another server key.
fn other_keys(world: &mut World, seed: u64) -> (LogKey, ServerKeys) {
    let name = ["server-1", "server-2", "server-3"][usize::try_from(seed).unwrap() - 1];
    world.spare(name);
    let log_key = LogKey::generate(ORIGIN, &mut FixedRng(1_000 + seed)).unwrap();
    let keys = ServerKeys { log_key: log_key.verifier(), server_key: world.keys[name].public() };
    (log_key, keys)
}

/// Puts them in force, by ada's change that grace approves.
fn replace(world: &mut World, keys: &ServerKeys) -> Result<Digest, Refusal> {
    let publication = world.publication(&[(SERVER_KEYS, Some(&keys.to_bytes().unwrap()))]);
    world.publish(publication)
}

/// Something that only the server says.
fn observation(world: &World, change: &ChangeId) -> Body {
    let (change, revision) = (change.clone(), world.revision(change));
    Body::GuidanceObservation(GuidanceObservation { change, documents: vec![], revision })
}

fn by(key: &LogKey, world: &World) -> Evidence {
    Evidence { checkpoint: world.checkpoint_by(key), ..world.evidence() }
}

/// What the checkpoint's step says.
fn said(report: &Report) -> (bool, String) {
    let step = &report.steps[0];
    assert_eq!(report.holds(), step.verdict == Verdict::Holds, "{:?}", report.steps);
    (report.holds(), step.detail.clone())
}

#[test]
fn a_stolen_log_key_makes_no_checkpoint_behind_the_leaf_that_replaced_it() {
    let mut world = World::new();
    world.propose("ada", "search/production");
    let (new, keys) = other_keys(&mut world, 1);
    let before = by(&new, &world);
    let replaced = replace(&mut world, &keys).unwrap();
    let change = world.propose("ada", "search/production");
    // The pinned key leads on.
    let (holds, detail) = said(&verify(&world.trust, &by(&new, &world), world.now));
    let leaf = world.index_of(&replaced);
    assert!(holds && detail.ends_with(&format!("signed with the key that leaf {leaf} put in force")), "{detail}");
    // The old one, over a log in which it was replaced.
    let stolen = by(&world.log_key, &world);
    assert_eq!(
        said(&verify(&world.trust, &stolen, world.now)),
        (
            false,
            format!("the checkpoint is signed with a log key that leaf {leaf} replaced, and not with the one in force")
        )
    );
    // A part of it says the same.
    let part = |key: &LogKey| Evidence { checkpoint: world.checkpoint_by(key), ..world.part(&change) };
    assert!(said(&verify(&world.trust, &part(&new), world.now)).0);
    assert!(!said(&verify(&world.trust, &part(&world.log_key), world.now)).0);
    // The new one signs nothing from before.
    assert!(!said(&verify(&world.trust, &before, world.now)).0);
    // Who knows that it was replaced takes no fork that leaves that out.
    let fork = world.resealed(|drafts| drafts.truncate(usize::try_from(leaf).unwrap()));
    let known =
        Trust { log_key: verify(&world.trust, &by(&new, &world), world.now).log_keys.unwrap(), ..world.trust.clone() };
    assert!(said(&verify(&known, &fork, world.now)).0, "it is the beginning of the same log");
    let mut longer = World::new();
    (0..world.size()).for_each(|_| drop(longer.propose("ada", "search/production")));
    assert!(said(&verify(&world.trust, &longer.evidence(), world.now)).0, "who has not followed so far cannot know");
    assert!(!said(&verify(&known, &longer.evidence(), world.now)).0);
    // By size alone, without a replay.
    let open = |note: &str| SignedCheckpoint::open(note, &known.log_key).is_ok();
    assert!(open(&by(&new, &world).checkpoint) && !open(&stolen.checkpoint) && !open(&before.checkpoint));
}

#[test]
fn one_person_or_the_server_alone_replaces_no_key() {
    let mut world = World::new();
    let (_, keys) = other_keys(&mut world, 1);
    let publication = world.publication(&[(SERVER_KEYS, Some(&keys.to_bytes().unwrap()))]);
    let change = world.amend_as("ada", &publication).unwrap();
    assert_eq!(world.put_in_force("ada", &change).unwrap_err().code, "not-allowed");
    // Nor two signatures on what nobody could look at, nor the server's.
    let publication = world.publication(&[(SERVER_KEYS, Some(&keys.to_bytes().unwrap()))]);
    let alone = world.say_with("ada", &["ada", "grace"], Body::Publication(publication.clone()));
    assert_eq!(alone.unwrap_err().code, "needs-a-change");
    assert!(world.say("countersign", Body::Publication(publication)).is_err());
    assert_eq!(world.state.governance.record.log_key, world.log_key.verifier());
}

#[test]
fn a_server_announces_no_key_without_a_publication() {
    let mut world = World::new();
    world.propose("ada", "search/production");
    let (new, _) = other_keys(&mut world, 1);
    let (holds, detail) = said(&verify(&world.trust, &by(&new, &world), world.now));
    assert!(!holds && detail.contains("is not signed by the pinned log key"), "{detail}");
}

#[test]
fn a_servers_old_key_says_nothing_and_does_not_come_back() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("grace", &change).unwrap();
    let (_, keys) = other_keys(&mut world, 1);
    let before = ServerKeys {
        log_key: world.state.governance.record.log_key.clone(),
        server_key: world.state.governance.record.server_key.clone(),
    };
    replace(&mut world, &keys).unwrap();
    // What it would say now is nobody's.
    let observed = observation(&world, &change);
    assert_eq!(world.say("countersign", observed).unwrap_err().code, "unknown-key");
    let observed = observation(&world, &change);
    world.say_with("countersign", &["server-1"], observed).unwrap();
    assert_eq!(replace(&mut world, &before).unwrap_err().code, "server-keys-known");
    let half = ServerKeys { log_key: before.log_key.clone(), ..other_keys(&mut world, 2).1 };
    assert_eq!(replace(&mut world, &half).unwrap_err().code, "server-keys-known");
    let anothers = ServerKeys { server_key: world.keys["linus"].public(), ..other_keys(&mut world, 3).1 };
    assert_eq!(replace(&mut world, &anothers).unwrap_err().code, "key-taken");
    let gone = world.publication(&[(SERVER_KEYS, None)]);
    assert_eq!(world.publish(gone).unwrap_err().code, "server-keys-stay");
    assert_eq!(world.replayed().unwrap().governance.record, world.state.governance.record);
}
