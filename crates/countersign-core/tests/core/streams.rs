//! Streams: which a leaf stands in follows from its statement, and each is one unbroken chain.

use countersign_core::{
    fold::Entry,
    statement::{Body, OutcomeResult, RejectionLift},
    verify::{Evidence, verify},
};
use countersign_ledger::{Draft, Leaf, Line, SealedLeaf, StreamHead, StreamId};
use insta::assert_snapshot;

use crate::kit::{World, file, masked, streams, targets, told};

fn stream(name: &str) -> StreamId {
    name.parse().unwrap()
}

/// A change of ada's with two targets.
fn of_two_targets(world: &mut World) -> countersign_core::ids::ChangeId {
    let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
    proposal.targets = targets(&["checkout/production", "search/production"]);
    world.begin("ada", proposal)
}

/// What a verifier says to a log, and at which leaf.
fn broken(world: &World, evidence: &Evidence) -> String {
    let report = verify(&world.trust, evidence, world.now);
    assert!(!report.holds());
    let step = report.steps.last().unwrap();
    masked(&format!("{} at {}: {}", step.name, step.index.unwrap(), step.detail))
}

#[test]
fn a_rejection_stands_in_its_targets_streams() {
    let mut world = World::new();
    let change = of_two_targets(&mut world);
    assert_eq!(streams(world.last()), [format!("change/{change}")]);
    let expected = [format!("change/{change}"), "target/checkout/production".into(), "target/search/production".into()];
    world.reject("linus", &change).unwrap();
    assert_eq!(streams(world.last()), expected);
    world.lift("linus", &change).unwrap();
    assert_eq!(streams(world.last()), expected);
    // And so does what happened to them.
    world.disclose("ada", &change, &[], &[]).unwrap();
    for by in ["linus", "grace"] {
        world.approve(by, &change).unwrap();
    }
    let permit = world.ask("ada", &change).unwrap();
    assert_eq!(streams(world.last()), expected[..1]);
    world.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(streams(world.last()), expected);
    let next_seq = |name: &str| world.state.head(&stream(name)).unwrap().next_seq;
    assert_eq!((next_seq("target/search/production"), next_seq(&format!("change/{change}"))), (3, 10));
}

#[test]
fn a_revocation_stands_in_the_streams_of_both_people() {
    let mut world = World::new();
    world.register_gate();
    assert_eq!(streams(world.last()), ["gate/shop-gate", "target/search/production"]);
    world.revoke("barbara", "linus").unwrap();
    assert_eq!(streams(world.last()), ["person/linus", "person/barbara"]);
    world.revoke("ada", "ada-laptop").unwrap();
    assert_eq!(streams(world.last()), ["person/ada"]);
    world.revoke("barbara", "git-gate").unwrap();
    assert_eq!(streams(world.last()), ["gate/shop-gate", "person/barbara"]);
    assert_eq!(world.state.head(&stream("person/barbara")).unwrap().next_seq, 2);
    // Whoever revoked has had no key revoked.
    let barbara = world.state.person(&"barbara".parse().unwrap()).unwrap().unwrap();
    assert_eq!((barbara.revoked.len(), barbara.took.len()), (0, 1), "the gate was theirs");
    world.confirm("grace", "linus").unwrap();
    assert_eq!(streams(world.last()), ["person/linus", "person/barbara", "person/grace"]);
}

#[test]
fn what_one_person_does_moves_no_stream_of_another() {
    let mut world = World::new();
    let (first, second) = (world.propose("ada", "search/production"), world.propose("grace", "search/production"));
    let before = world.state.all_heads().clone();
    world.approve("linus", &first).unwrap();
    let moved: Vec<&StreamId> = world
        .state
        .all_heads()
        .iter()
        .filter(|(stream, head)| before.get(*stream) != Some(*head))
        .map(|(s, _)| s)
        .collect();
    assert_eq!(moved, [&stream(&format!("change/{first}"))]);
    world.approve("linus", &second).unwrap();
}

/// A log with a rejected change, another change and a revocation.
fn rejected() -> (World, [String; 2]) {
    let mut world = World::new();
    let change = of_two_targets(&mut world);
    let other = world.propose("grace", "checkout/production");
    (world, [change, other].map(|change| format!("change/{change}")))
}

#[test]
fn a_relabelled_leaf_is_refused() {
    let (mut world, [own, other]) = rejected();
    let change = own.strip_prefix("change/").unwrap().parse().unwrap();
    let body = world.rejection(&change);
    let rejection = world.sign(&world.statement("linus", body), &["linus"]);
    let revocation = world.revocation("linus");
    let revocation = world.sign(&world.statement("barbara", revocation), &["barbara"]);
    let publication = world.publication(&[]);
    let publication = world.sign(&world.statement("ada", Body::Publication(publication)), &["ada", "grace"]);
    let (checkout, search) = ("target/checkout/production", "target/search/production");
    for (envelope, labels) in [
        // Hidden from whoever looks at its change, or at one of its targets.
        (&rejection, vec![other.as_str(), checkout, search]),
        (&rejection, vec![checkout, search]),
        (&rejection, vec![&own, checkout]),
        (&rejection, vec![&own, search]),
        (&rejection, vec![&own]),
        (&rejection, vec![&own, checkout, "target/search/staging"]),
        // Put where it says nothing, to break off another stream.
        (&rejection, vec![&own, "person/linus", checkout, search]),
        (&rejection, vec!["governance", checkout, search]),
        // With another home.
        (&rejection, vec![checkout, &own, search]),
        (&revocation, vec!["person/barbara", "person/linus"]),
        (&revocation, vec!["person/linus"]),
        (&revocation, vec!["person/barbara"]),
        (&revocation, vec!["person/mallory", "person/barbara"]),
        (&revocation, vec!["governance"]),
        (&publication, vec!["person/ada"]),
        (&publication, vec!["governance", "person/ada"]),
    ] {
        let named: Vec<StreamId> = labels.iter().map(|label| stream(label)).collect();
        let leaf = world.leaf_in(named.clone(), envelope.clone());
        let state = world.state.clone();
        assert_eq!(world.take(leaf).unwrap_err().code, "mislabelled", "{labels:?}");
        assert_eq!(world.state.all_heads(), state.all_heads());
        // Nor is it by a verifier, if the log holds it.
        let (admitted_at, at) = (world.now, world.size());
        let draft = Draft { streams: named, admitted_at, envelope: envelope.clone() };
        let report = verify(&world.trust, &world.resealed(|drafts| drafts.push(draft)), world.now);
        assert_eq!(report.first_broken(), Some(at), "{labels:?}");
    }
    let leaf = world.leaf_in(vec![stream(&own), stream(checkout)], rejection.clone());
    assert_snapshot!(told(world.take(leaf)), @"mislabelled: the rejection statement stands in change/CHANGE, target/checkout/production, target/search/production, but the leaf's header says change/CHANGE, target/checkout/production");
    world.submit(rejection).unwrap();
}

/// The leaf with one of its lines edited.
fn edited(leaf: &Leaf, line: usize, edit: impl FnOnce(&mut Line)) -> SealedLeaf {
    let mut lines = leaf.lines().to_vec();
    edit(&mut lines[line]);
    let leaf = Leaf::new(lines, leaf.admitted_at, leaf.envelope.clone()).unwrap();
    SealedLeaf { index: 0, hash: leaf.hash(), bytes: leaf.to_bytes(), leaf }
}

#[test]
fn a_forked_stream_is_refused() {
    let (mut world, [own, _]) = rejected();
    let change = own.strip_prefix("change/").unwrap().parse().unwrap();
    let before = world.state.clone();
    world.reject("mallory", &change).unwrap();
    // Linus' rejection, as if Mallory's were not there: in the change, or in one of its targets.
    let body = world.rejection(&change);
    let envelope = world.sign(&world.statement("linus", body), &["linus"]);
    let leaf = world.leaf(envelope).unwrap();
    for line in 0..3 {
        let name = leaf.leaf.lines()[line].stream.clone();
        let forked = edited(&leaf.leaf, line, |line| *line = Line::after(name.clone(), before.head(&name).unwrap()));
        assert_eq!(world.take(forked.clone()).unwrap_err().code, "stream-broken", "{name}");
        let report = verify(&world.trust, &world.forged(|leaves| leaves.push(forked.leaf)), world.now);
        assert_eq!(report.first_broken(), Some(world.size()), "{name}");
        // The right number after the wrong leaf is a fork, too.
        let last = before.head(&name).unwrap().last;
        let forked = edited(&leaf.leaf, line, |line| line.prev = last);
        assert_eq!(world.take(forked).unwrap_err().code, "stream-broken", "{name}");
    }
    let begun_anew = edited(&leaf.leaf, 0, |line| *line = Line::after(line.stream.clone(), StreamHead::EMPTY));
    let evidence = world.forged(|leaves| leaves.push(begun_anew.leaf.clone()));
    assert_snapshot!(broken(&world, &evidence), @"statements at 4: leaf 4: leaf 0 of stream change/CHANGE does not follow the one before it: sequence number 2 is next, after DIGEST");
    world.take(leaf).unwrap();
}

#[test]
fn a_skipped_sequence_number_is_refused() {
    let (mut world, [own, _]) = rejected();
    let change = own.strip_prefix("change/").unwrap().parse().unwrap();
    let body = world.rejection(&change);
    let envelope = world.sign(&world.statement("linus", body), &["linus"]);
    let leaf = world.leaf(envelope).unwrap();
    for line in 0..3 {
        for seq in [leaf.leaf.lines()[line].seq + 1, u64::MAX] {
            let skipped = edited(&leaf.leaf, line, |line| line.seq = seq);
            assert_eq!(world.take(skipped.clone()).unwrap_err().code, "stream-broken");
            let report = verify(&world.trust, &world.forged(|leaves| leaves.push(skipped.leaf)), world.now);
            assert_eq!(report.first_broken(), Some(world.size()));
        }
    }
    let skipped = edited(&leaf.leaf, 2, |line| line.seq += 1);
    assert_snapshot!(told(world.take(skipped)), @"stream-broken: leaf 1 of stream target/search/production does not follow the one before it: sequence number 0 is next, after DIGEST");
    world.take(leaf).unwrap();
}

#[test]
fn a_lift_under_another_changes_name_lifts_nothing() {
    let (mut world, [own, other]) = rejected();
    let (change, other) = [&own, &other].map(|name| name.strip_prefix("change/").unwrap().parse().unwrap()).into();
    world.reject("linus", &change).unwrap();
    let targets = world.change(&other).targets.clone();
    let revision = world.revision(&change);
    let lift = Body::RejectionLift(RejectionLift { change: other, revision, targets });
    assert_snapshot!(told(world.say("linus", lift)), @"stale-revision: the statement is about a revision 1 that change CHANGE never had: its digest is DIGEST, not DIGEST");
}

#[test]
fn the_streams_that_a_leaf_touched_are_told() {
    let (mut world, [own, _]) = rejected();
    let change = own.strip_prefix("change/").unwrap().parse().unwrap();
    let body = world.rejection(&change);
    let envelope = world.sign(&world.statement("linus", body), &["linus"]);
    let entry = Entry::parse(&world.leaf(envelope).unwrap().bytes).unwrap();
    let touched = world.state.fold(&entry, &crate::kit::blob_of(&world.blobs)).unwrap();
    let touched: Vec<&str> = touched.iter().map(|stream| stream.as_str()).collect();
    assert_eq!(touched, [own.as_str(), "target/checkout/production", "target/search/production"]);
}
