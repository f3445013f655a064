//! A part of a log: some of its streams whole, and of others only the leaves that stand in those too.

use countersign_core::{
    change::ChangeStatus,
    ids::ChangeId,
    statement::{change_stream, governance_stream},
};
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

#[test]
fn a_leaf_that_stands_in_a_stream_that_is_not_there_is_fine() {
    let world = lively();
    let part = world.part(&landed(&world));
    let leaves: Vec<Leaf> = part.leaves.values().map(|bytes| Leaf::parse(bytes).unwrap()).collect();
    let elsewhere = |leaf: &&Leaf| leaf.lines().iter().any(|line| !part.streams.contains(&line.stream));
    // Another change's outcome, on the same target.
    let kinds: Vec<&str> = leaves.iter().filter(elsewhere).map(kind).collect();
    assert!(kinds.contains(&"outcome"), "{kinds:?}");
    let report = check(&world, &part);
    assert!(report.holds());
    // Of a change that is not there nothing is known; that is not the same as that there is none.
    let other =
        world.state.changes().find(|change| !part.streams.contains(&change_stream(&change.id).unwrap())).unwrap();
    assert_eq!(report.state.unwrap().change(&other.id).unwrap_err().code, "stream-missing");
}

#[test]
fn a_decision_whose_inputs_are_not_all_there_does_not_hold() {
    let world = lively();
    let change = landed(&world);
    let part = world.part(&change);
    let inputs: Vec<StreamId> = world.change(&change).decisions[0].heads.keys().cloned().collect();
    let names: Vec<String> = inputs.iter().map(|stream| masked(stream.as_str())).collect();
    assert_eq!(
        names,
        ["change/CHANGE", "gate/shop-gate", "governance", "person/barbara", "person/grace", "target/search/production"]
    );
    for stream in inputs {
        let streams: BTreeSet<StreamId> = part.streams.iter().filter(|other| **other != stream).cloned().collect();
        if [change_stream(&change).unwrap(), governance_stream().unwrap()].contains(&stream) {
            continue;
        }
        // Neither where its leaves are there, but not said to be whole, nor where they are not.
        for without in [Evidence { streams: streams.clone(), ..part.clone() }, world.part_of(streams)] {
            let report = check(&world, &without);
            assert!(!report.holds(), "{stream}");
            let detail = &report.steps.last().unwrap().detail;
            assert!(detail.contains(stream.as_str()), "{stream}: {detail}");
        }
    }
    let streams = BTreeSet::from([change_stream(&change).unwrap()]);
    assert_snapshot!(broken(&check(&world, &Evidence { streams, ..part.clone() })), @"statements nowhere: the governance stream is not in the copy, and nothing can be judged without it");
    let mut streams = part.streams.clone();
    streams.remove(&"target/search/production".parse().unwrap());
    assert_snapshot!(broken(&check(&world, &Evidence { streams, ..part })), @"statements at 32: leaf 32: stream target/search/production, on which this depends, is missing here");
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
    let streams = world.part(&change).streams;
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
fn nothing_is_judged_without_the_governance_stream() {
    let world = lively();
    let mut part = world.part(&landed(&world));
    part.streams.remove(&governance_stream().unwrap());
    assert_snapshot!(broken(&check(&world, &part)), @"statements nowhere: the governance stream is not in the copy, and nothing can be judged without it");
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
