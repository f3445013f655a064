//! A part of a log: some of its streams whole, and of others only the leaves that stand in those too.

use countersign_core::{change::ChangeStatus, ids::ChangeId, statement::change_stream};
use countersign_ledger::StreamId;

use super::*;
use crate::kit::part_of;

/// The change that went through a gate, in which somebody rejected and lifted.
fn landed(world: &World) -> ChangeId {
    let landed = |change: &&countersign_core::change::Change| {
        change.status == ChangeStatus::Applied && !change.rejections.is_empty()
    };
    world.state.changes().find(landed).unwrap().id.clone()
}

#[test]
fn the_part_of_an_honest_log_that_a_change_needs_holds() {
    let world = lively();
    for change in world.state.changes() {
        let part = world.part(&change.id);
        assert!(part.leaves.len() < world.leaves.len(), "it is a part");
        let report = check(&world, &part);
        assert!(report.holds(), "{report:?}");
        let state = report.state.unwrap();
        assert_eq!(state.change(&change.id).unwrap(), Some(change));
        for stream in &part.streams {
            assert_eq!(state.head(stream).unwrap(), world.state.head(stream).unwrap());
        }
    }
}

/// One signature on a publication is nobody's word for it: who stands behind it is in the change that it puts in force.
#[test]
fn a_part_has_what_stands_behind_each_publication() {
    let mut world = World::new();
    let amended = world.amend(
        "linus",
        &[("systems/search.json", Some(br#"{"depends_on":["checkout"],"owner":"discovery","tier":3}"#))],
    );
    world.approve("ada", &amended).unwrap();
    world.put_in_force("mallory", &amended).unwrap();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert!(check(&world, &world.evidence()).holds());
    let part = world.part(&change);
    let report = check(&world, &part);
    assert!(report.holds(), "{report:?}");
    for kept in ["governance", "person/ada"] {
        assert!(part.streams.contains(&kept.parse().unwrap()), "{kept}");
    }
    let mut streams = part.streams;
    assert!(streams.remove(&change_stream(&amended).unwrap()));
    assert_snapshot!(broken(&check(&world, &world.part_of(streams))), @"statements at 3: leaf 3: stream change/CHANGE, on which this depends, is missing here");
}

fn search() -> StreamId {
    "target/search/production".parse().unwrap()
}

/// The part with the stream of the change's target, which a bundle leaves out because it is long.
fn with_its_target(world: &World, change: &ChangeId) -> Evidence {
    let mut streams = world.part(change).streams;
    streams.insert(search());
    world.part_of(streams)
}

#[test]
fn a_leaf_that_stands_in_a_stream_that_is_not_there_is_fine() {
    let world = lively();
    let change = landed(&world);
    for part in [world.part(&change), with_its_target(&world, &change)] {
        let leaves: Vec<Leaf> = part.leaves.values().map(|bytes| Leaf::parse(bytes).unwrap()).collect();
        let elsewhere = |leaf: &&Leaf| leaf.lines().iter().any(|line| !part.streams.contains(&line.stream));
        let kinds: BTreeSet<&str> = leaves.iter().filter(elsewhere).map(kind).collect();
        // Its own rejection, without the target's stream; with it, another change's outcome on that target.
        assert!(kinds.contains(if part.streams.contains(&search()) { "outcome" } else { "rejection" }), "{kinds:?}");
        let report = check(&world, &part);
        assert!(report.holds(), "{report:?}");
        // Of a change that is not there nothing is known; that is not the same as that there is none.
        let not_there = |id: &ChangeId| !part.streams.contains(&change_stream(id).unwrap());
        let other = world.state.changes().map(|change| &change.id).find(|id| not_there(id)).unwrap();
        assert_eq!(report.state.unwrap().change(other).unwrap_err().code, "stream-missing");
    }
}

#[test]
fn a_decision_whose_inputs_are_not_all_there_does_not_hold() {
    let world = lively();
    let change = landed(&world);
    let part = with_its_target(&world, &change);
    let inputs: Vec<StreamId> = world.change(&change).decisions[0].heads.keys().cloned().collect();
    let names: Vec<String> = inputs.iter().map(|stream| masked(stream.as_str())).collect();
    assert_eq!(
        names,
        ["change/CHANGE", "gate/shop-gate", "governance", "person/barbara", "person/grace", "target/search/production"]
    );
    for stream in inputs {
        let streams: BTreeSet<StreamId> = part.streams.iter().filter(|other| **other != stream).cloned().collect();
        // Where its leaves are there, but not said to be whole, and where they are not.
        for without in [Evidence { streams: streams.clone(), ..part.clone() }, world.part_of(streams)] {
            let report = check(&world, &without);
            // A target's stream is long: what a decision says of it is taken, where a quorum of followers vouches for that.
            let vouched = stream == search();
            // Without the change's own stream there is no decision either.
            let undecided = report.steps.iter().any(|step| step.verdict == Verdict::NotChecked);
            assert_eq!(report.holds(), vouched || undecided, "{stream}");
        }
    }
    let without = |stream: &str| {
        let mut streams = part.streams.clone();
        assert!(streams.remove(&stream.parse().unwrap()));
        broken(&check(&world, &Evidence { streams, ..part.clone() }))
    };
    assert_snapshot!(without("person/barbara"), @"statements at 21: leaf 21: stream person/barbara, on which this depends, is missing here");
    assert_snapshot!(without("gate/shop-gate"), @"statements at 37: leaf 37: stream gate/shop-gate, on which this depends, is missing here");
    assert_snapshot!(without("governance"), @"statements nowhere: the governance stream is not in the copy, and nothing can be judged without it");
}

#[test]
fn the_stream_of_a_target_that_is_there_is_held_against_the_decision() {
    let mut world = World::new();
    let other = world.proposal("search/production", &file("timeout: 99"), None);
    let other = world.begin("grace", other);
    world.reject("mallory", &other).unwrap();
    let rejection = world.leaves.last().unwrap().index;
    let change = world.whole_life();
    let whole = with_its_target(&world, &change);
    assert!(check(&world, &whole).holds());
    let mut without = whole;
    without.leaves.remove(&rejection).unwrap();
    without.proofs.remove(&rejection);
    assert_snapshot!(broken(&check(&world, &without)), @"statements at 6: leaf 6: the decision names other heads of its streams than stood there");
}

#[test]
fn a_leaf_left_out_of_a_stream_that_a_decision_names_is_found() {
    let world = lively();
    let change = world.state.changes().find(|change| change.status == ChangeStatus::Failed).unwrap();
    let part = world.part(&change.id);
    let of_it = |leaf: &&countersign_ledger::SealedLeaf| part.leaves.contains_key(&leaf.index);
    for leaf in world.leaves.iter().skip(1).filter(of_it) {
        // After the last permit nothing names the heads any more: a part proves what is there, not what is missing.
        let last_permit = world.index_of(&change.permits.last().unwrap().statement);
        if leaf.index >= last_permit {
            continue;
        }
        let mut without = part.clone();
        without.leaves.remove(&leaf.index);
        without.proofs.remove(&leaf.index);
        assert!(!check(&world, &without).holds(), "{} {}", leaf.index, kind(&leaf.leaf));
    }
}

#[test]
fn a_part_proves_what_is_there_and_not_what_is_missing() {
    let mut world = World::new();
    let change = world.whole_life();
    world.revoke("barbara", "linus").unwrap();
    let mut part = world.part(&change);
    let revocation = world.leaves.last().unwrap().index;
    part.leaves.remove(&revocation).unwrap();
    part.proofs.remove(&revocation);
    assert!(check(&world, &part).holds());
}

#[test]
fn a_leaf_from_elsewhere_has_to_tell_the_truth_and_to_follow() {
    let mut world = World::new();
    let change = world.whole_life();
    let other = world.propose("ada", "search/production");
    world.reject("mallory", &other).unwrap();
    let rejected = world.leaves.last().unwrap().index as usize;
    let streams = with_its_target(&world, &change).streams;
    let with = |evidence: &Evidence| check(&world, &part_of(evidence, streams.clone()));
    assert!(with(&world.evidence()).holds());
    let another_home = world.resealed(|drafts| drafts[rejected].streams[0] = "person/grace".parse().unwrap());
    assert_snapshot!(broken(&with(&another_home)), @"statements at 8: leaf 8: the rejection statement stands in change/CHANGE, target/search/production, but the leaf's header says person/grace, target/search/production");
    let skipped = world.forged(|leaves| {
        let mut lines = leaves[rejected].lines().to_vec();
        lines[1].seq += 1;
        leaves[rejected] = Leaf::new(lines, world.now, leaves[rejected].envelope.clone()).unwrap();
    });
    assert_snapshot!(broken(&with(&skipped)), @"statements at 8: leaf 8: leaf 2 of stream target/search/production does not follow the one before it: sequence number 1 is next, after DIGEST");
    // What stands wrong in a stream that is not there cannot be seen there.
    let unseen = world.forged(|leaves| {
        let mut lines = leaves[rejected].lines().to_vec();
        lines[0].seq += 1;
        leaves[rejected] = Leaf::new(lines, world.now, leaves[rejected].envelope.clone()).unwrap();
    });
    assert!(with(&unseen).holds() && !check(&world, &unseen).holds());
}

#[test]
fn a_bundle_without_proofs_or_with_those_of_another_leaf_is_broken() {
    let world = lively();
    let change = &world.state.changes().next().unwrap().id;
    let part = world.part(change);
    let (last, proof) = part.proofs.last_key_value().unwrap();
    let mut without = part.clone();
    without.proofs.remove(last);
    assert_eq!(check(&world, &without).first_broken(), Some(*last));
    let mut moved = part.clone();
    moved.proofs.insert(0, proof.clone());
    assert_eq!(check(&world, &moved).first_broken(), Some(0));
}
