//! What nobody can have left out, by the word of enough followers.

use countersign_core::{ids::ChangeId, trust::Trust};
use countersign_ledger::{Cosigner, CosignerKey, MemoryNodes, Quorum, SignedCheckpoint, Time, tree::inclusion_proof};

use super::*;

fn follower(number: u64) -> CosignerKey {
    CosignerKey::generate(&format!("f{number}"), &mut FixedRng(number)).unwrap()
}

/// What `number` followers are asked for, all of them.
fn asking(world: &World, number: u64) -> Trust {
    let cosigner = |number| Cosigner { operator: format!("op{number}"), key: follower(number).verifier().clone() };
    let quorum = Quorum::new(usize::try_from(number).unwrap(), (1..=number).map(cosigner).collect()).unwrap();
    Trust { cosigners: Some(quorum), ..world.trust.clone() }
}

/// A checkpoint as so many followers cosigned it.
fn cosigned(world: &World, note: &str, number: u64, at: Time) -> String {
    let signed = SignedCheckpoint::open(note, &world.trust.log_key).unwrap();
    let lines: Vec<String> = (1..=number).map(|n| follower(n).cosign(&signed, at).unwrap().line()).collect();
    signed.handing_on(lines.iter().map(String::as_str)).unwrap().to_note()
}

/// Leaves that are no part of it, with their proofs.
fn with(world: &World, part: &Evidence, indices: &[u64]) -> Evidence {
    let nodes = MemoryNodes::from_leaf_hashes(world.leaves.iter().map(|leaf| leaf.hash));
    let mut more = part.clone();
    for index in indices {
        let leaf = world.leaves.iter().find(|leaf| leaf.index == *index).unwrap();
        more.leaves.insert(*index, leaf.bytes.clone());
        more.proofs.insert(*index, inclusion_proof(*index, world.size(), &nodes).unwrap());
    }
    more
}

/// Up to which leaf it is complete for a change, and in words.
fn told(trust: &Trust, evidence: &Evidence, now: Time, change: Option<&ChangeId>) -> (Option<u64>, String) {
    let report = verify(trust, evidence, now);
    assert!(report.holds(), "{report:?}");
    let complete = report.completeness.unwrap();
    (complete.until(change), complete.words(change))
}

#[test]
fn a_part_is_complete_up_to_its_last_permit_and_on_from_there_without_a_gap() {
    let mut world = World::new();
    let change = world.whole_life();
    let last = world.size() - 1;
    let other = world.propose("grace", "search/production");
    assert!(world.ask("grace", &other).is_err(), "denied, and the denial is in the log");
    let (trust, now) = (asking(&world, 2), world.now);
    let mut part = world.part(&change);
    part.checkpoint = cosigned(&world, &part.checkpoint, 2, now);
    let end = world.size() - 1;

    let (until, words) = told(&trust, &part, now, Some(&change));
    assert_eq!(until, Some(last));
    assert_eq!(
        words,
        format!(
            "complete (2 of 2 followers cosigned) up to leaf {last}; of what came later, up to leaf {end}, presence only"
        )
    );
    let all: Vec<u64> = (last + 1..=end).collect();
    let (until, words) = told(&trust, &with(&world, &part, &all), now, Some(&change));
    assert_eq!((until, words), (Some(end), format!("complete (2 of 2 followers cosigned) up to leaf {end}")));
    // The last of them is a decision, and yet it says nothing of this change; nor is the other change here at all.
    let gap = with(&world, &part, &all[1..]);
    assert_eq!(told(&trust, &gap, now, Some(&change)).0, Some(last));
    assert_eq!(told(&trust, &gap, now, Some(&other)).0, None);
    assert_eq!(told(&trust, &gap, now, None).0, None);

    // Without the word of enough followers there is presence, and nothing else.
    let (until, words) = told(&asking(&world, 3), &part, now, Some(&change));
    assert_eq!(until, None);
    assert!(words.starts_with("presence only: 2 of the 3 operators"), "{words}");
    assert_eq!(told(&world.trust, &part, now, Some(&change)).0, None);
}

#[test]
fn a_whole_log_has_to_continue_what_others_cosigned() {
    let mut world = World::new();
    world.whole_life();
    let (before, early) = (world.size(), world.checkpoint());
    world.propose("grace", "search/production");
    let (trust, now) = (asking(&world, 1), world.now);
    let mut whole = world.evidence();
    whole.cosigned = Some(cosigned(&world, &early, 1, now));
    let (until, words) = told(&trust, &whole, now, None);
    assert_eq!(until, Some(before - 1));
    assert_eq!(words, format!("complete (1 of 1 followers cosigned) up to leaf {}", before - 1));

    // What they have seen is another log.
    let mut fork = World::new();
    fork.propose("grace", "search/production");
    let foreign = cosigned(&fork, &fork.checkpoint(), 1, now);
    for trust in [&trust, &world.trust] {
        let report = verify(trust, &Evidence { cosigned: Some(foreign.clone()), ..whole.clone() }, now);
        let wrong = masked(&broken(&report));
        assert!(wrong.starts_with("cosigners nowhere: others cosigned a log of 2 leaves with root"), "{wrong}");
    }
}
