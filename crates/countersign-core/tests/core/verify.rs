//! Verification: an honest log passes, and whatever is changed in it is found and named, whoever changed it.

use std::collections::BTreeSet;

use countersign_core::{
    decision::Outcome,
    ids::ChangeId,
    permit::PERMIT_SECS,
    statement::{Amendment, Body, Decided, KeyRevocation, OutcomeResult, PermitGrant, Seen, Statement},
    text::FileSet,
    verify::{Evidence, Report, Verdict, verify},
};
use countersign_ledger::{Checkpoint, Digest, Draft, Hash, Leaf, LogKey};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, ORIGIN, World, file};

fn check(world: &World, evidence: &Evidence) -> Report {
    verify(&world.trust, evidence, world.now)
}

/// The first step that is broken, the index that it names, and why, without digests.
fn broken(report: &Report) -> String {
    assert!(!report.holds(), "it holds");
    assert!(report.state.is_none(), "what is broken leaves no state");
    let step = report.steps.iter().find(|step| step.verdict == Verdict::Broken).unwrap();
    let word = |word: &str| {
        let bare = word.trim_matches([':', ',', '.', ';', '`']);
        let hex = bare.strip_prefix("sha256:").or(bare.strip_prefix("change/")).unwrap_or(bare);
        let is_digest = hex.len() >= ChangeId::LEN && hex.bytes().all(|b| b.is_ascii_hexdigit());
        if is_digest || bare.starts_with("SHA256:") { word.replace(bare, "DIGEST") } else { word.to_owned() }
    };
    let detail = step.detail.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let index = step.index.map_or("nowhere".to_owned(), |index| format!("at {index}"));
    format!("{} {index}: {detail}", step.name)
}

/// Two changes, one of them rejected once and revised, an amendment, a revoked key: every kind of leaf that matters.
fn lively() -> World {
    let mut world = World::new();
    world.whole_life();
    let change = world.propose("ada", "checkout/production");
    world.approve("linus", &change).unwrap();
    world.reject("grace", &change).unwrap();
    let push = world.new_revision(&change, file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    amend(&mut world, &["ada", "grace"]);
    world.approve("grace", &change).unwrap();
    world.ask("ada", &change).unwrap_err();
    let (reason, key) = (world.reason("a laptop was lost"), world.keys["ada-laptop"].public().fingerprint());
    world.say("barbara", Body::KeyRevocation(KeyRevocation { key, reason })).unwrap();
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Started).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Failed).unwrap();
    world
}

/// Publishes the same rules with another file name: new bytes, a new digest.
fn amendment(world: &mut World) -> Body {
    let mut files = crate::kit::rules();
    let text = files.remove("documented.cedar").unwrap();
    files.insert("documented-by-tier.cedar".to_owned(), text);
    let rules = world.blob(FileSet { settings: (), files }.to_blob().unwrap());
    let reason = world.reason("a better name");
    let record = &world.state.governance.record;
    Body::Amendment(Amendment { parent: record.in_force, catalog: record.catalog, rules, reason })
}

fn amend(world: &mut World, keys: &[&str]) {
    let body = amendment(world);
    let envelope = world.sign(&world.statement(keys[0], body), keys);
    world.submit(envelope).unwrap();
}

fn kind(leaf: &Leaf) -> &'static str {
    Statement::parse(leaf.envelope.payload()).unwrap().body.kind()
}

fn position(drafts: &[Draft], wanted: &str, nth: usize) -> usize {
    let of_kind = |draft: &Draft| Statement::parse(draft.envelope.payload()).unwrap().body.kind() == wanted;
    drafts.iter().enumerate().filter(|(_, draft)| of_kind(draft)).nth(nth).unwrap().0
}

#[test]
fn an_honest_log_holds() {
    let world = lively();
    let report = check(&world, &world.evidence());
    assert!(report.holds(), "{report:?}");
    let said: Vec<String> = report.steps.iter().map(|step| format!("{} {:?}", step.name, step.verdict)).collect();
    assert_eq!(
        said,
        ["checkpoint Holds", "leaves Holds", "blobs Holds", "genesis Holds", "statements Holds", "decisions Holds"]
    );
    let state = report.state.unwrap();
    assert_eq!(state.changes, world.state.changes);
    assert_eq!(state.governance.record, world.state.governance.record);
    let kinds: BTreeSet<&str> = world.leaves.iter().map(|leaf| kind(&leaf.leaf)).collect();
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn the_part_of_an_honest_log_that_a_change_needs_holds() {
    let world = lively();
    for change in world.state.changes.keys() {
        let report = check(&world, &world.part(change));
        assert!(report.holds(), "{report:?}");
        assert_eq!(report.state.unwrap().changes[change], world.state.changes[change]);
    }
}

#[test]
fn an_honest_log_of_ten_thousand_leaves_holds() {
    let mut world = World::new();
    while world.size() < 10_000 {
        world.now = world.now.plus_secs(60);
        world.whole_life();
    }
    let evidence = world.evidence();
    let report = check(&world, &evidence);
    assert!(report.holds(), "{:?}", report.steps);
    let mut changed = evidence;
    changed.leaves.get_mut(&7_777).unwrap()[500] ^= 1;
    assert_eq!(check(&world, &changed).first_broken(), Some(7_777));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_bit_of_any_leaf_is_found_and_named(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, evidence) = shared();
        let mut changed = evidence.clone();
        let index = place.index(changed.leaves.len()) as u64;
        let bytes = changed.leaves.get_mut(&index).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
        // Where the copy has no tiles, the leaf may still betray itself; it is never said to hold.
        changed.hashes.clear();
        prop_assert!(!check(world, &changed).holds());
    }

    #[test]
    fn any_changed_bit_of_any_leaf_of_a_part_is_found_and_named(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, _) = shared();
        let change = world.state.changes.keys().next().unwrap();
        let mut changed = world.part(change);
        let indices: Vec<u64> = changed.leaves.keys().copied().collect();
        let index = indices[place.index(indices.len())];
        let bytes = changed.leaves.get_mut(&index).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
    }

    #[test]
    fn any_changed_bit_of_any_blob_is_found_and_named_by_the_leaf_that_names_it(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, evidence) = shared();
        let digests: Vec<Digest> = evidence.blobs.keys().copied().collect();
        let digest = digests[place.index(digests.len())];
        let mut changed = evidence.clone();
        let bytes = changed.blobs.get_mut(&digest).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let names = |leaf: &&countersign_ledger::SealedLeaf| Statement::parse(leaf.leaf.envelope.payload()).unwrap().body.blobs().contains(&digest);
        let named_by = world.leaves.iter().find(names).unwrap().index;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(named_by));
    }

    #[test]
    fn any_two_leaves_that_change_places_are_found_at_the_first_of_them(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let (world, evidence) = shared();
        let (a, b) = (a.index(evidence.leaves.len()) as u64, b.index(evidence.leaves.len()) as u64);
        prop_assume!(a != b);
        let mut changed = evidence.clone();
        let first = changed.leaves[&a].clone();
        let second = changed.leaves.insert(b, first).unwrap();
        changed.leaves.insert(a, second);
        prop_assert_eq!(check(world, &changed).first_broken(), Some(a.min(b)));
        changed.hashes.clear();
        prop_assert!(!check(world, &changed).holds());
    }

    #[test]
    fn any_leaf_that_is_left_out_is_named(place in any::<prop::sample::Index>()) {
        let (world, evidence) = shared();
        let index = place.index(evidence.leaves.len()) as u64;
        let mut changed = evidence.clone();
        changed.leaves.remove(&index);
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
    }
}

fn shared() -> (&'static World, &'static Evidence) {
    static SHARED: std::sync::LazyLock<(World, Evidence)> = std::sync::LazyLock::new(|| {
        let world = lively();
        let evidence = world.evidence();
        (world, evidence)
    });
    (&SHARED.0, &SHARED.1)
}

#[test]
fn without_tiles_a_changed_signature_or_statement_is_still_named() {
    let world = lively();
    for leaf in &world.leaves[1..] {
        let mut statement = Statement::parse(leaf.leaf.envelope.payload()).unwrap();
        statement.header.checkpoint.root = Hash::empty_tree();
        let payload = statement.encode().unwrap();
        let signatures = leaf.leaf.envelope.signatures().to_vec();
        let envelope = countersign_ledger::Envelope::new(&payload, signatures).unwrap();
        let mut changed = world.evidence();
        changed.hashes.clear();
        changed.leaves.insert(leaf.index, Leaf { envelope, ..leaf.leaf.clone() }.to_bytes());
        assert_eq!(check(&world, &changed).first_broken(), Some(leaf.index), "{}", kind(&leaf.leaf));
    }
}

#[test]
fn a_missing_blob_that_judging_needs_is_found() {
    let world = lively();
    let mut changed = world.evidence();
    changed.blobs.remove(&world.state.governance.record.rules);
    assert_snapshot!(broken(&check(&world, &changed)), @"statements at 12: leaf 12: blob DIGEST is missing");
}

#[test]
fn an_erased_text_breaks_nothing() {
    let world = lively();
    let change = world.state.changes.values().next().unwrap();
    let mut erased = world.evidence();
    erased.blobs.remove(&change.revisions[0].text).unwrap();
    assert!(check(&world, &erased).holds());
}

#[test]
fn another_log_key_or_origin_or_genesis_is_not_the_pinned_one() {
    let world = lively();
    let evidence = world.evidence();
    let other = LogKey::generate(ORIGIN, &mut FixedRng(8)).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: world.leaves[0].hash };
    let signed_by_another = Evidence { checkpoint: other.sign(&checkpoint).unwrap(), ..evidence.clone() };
    assert_eq!(check(&world, &signed_by_another).steps[0].verdict, Verdict::Broken);
    let mut trust = world.trust.clone();
    trust.genesis = Digest::of("another");
    assert_snapshot!(broken(&verify(&trust, &evidence, world.now)), @"genesis at 0: entry 0 is DIGEST, pinned is DIGEST");
    let mut trust = world.trust.clone();
    trust.origin = "shop/another".to_owned();
    assert_eq!(verify(&trust, &evidence, world.now).steps[0].verdict, Verdict::Broken);
}

#[test]
fn a_bundle_without_proofs_or_with_those_of_another_leaf_is_broken() {
    let world = lively();
    let change = world.state.changes.keys().next().unwrap();
    let part = world.part(change);
    let (last, proof) = part.proofs.last_key_value().unwrap();
    let mut without = part.clone();
    without.proofs.remove(last);
    assert_eq!(check(&world, &without).first_broken(), Some(*last));
    let mut moved = part.clone();
    moved.proofs.insert(0, proof.clone());
    assert_eq!(check(&world, &moved).first_broken(), Some(0));
}

// From here on somebody holds the log's key, and puts every hash, number and checkpoint right again.

#[test]
fn an_approval_edited_by_the_log_is_named() {
    let world = lively();
    let mut at = 0;
    let evidence = world.resealed(|drafts| {
        at = position(drafts, "approval", 0);
        let statement = Statement::parse(drafts[at].envelope.payload()).unwrap();
        let Body::Approval(mut approval) = statement.body else { panic!("no approval") };
        approval.seen = Seen::None;
        let edited = Statement { body: Body::Approval(approval), ..statement }.encode().unwrap();
        let signatures = drafts[at].envelope.signatures().to_vec();
        drafts[at].envelope = countersign_ledger::Envelope::new(&edited, signatures).unwrap();
    });
    let report = check(&world, &evidence);
    assert_eq!(report.first_broken(), Some(at as u64));
    assert_snapshot!(broken(&report), @"statements at 2: leaf 2: a signature does not hold: the signature does not fit the message and the key");
}

#[test]
fn a_leaf_dropped_by_the_log_is_found_by_whoever_had_seen_it() {
    let world = lively();
    for (leaf, next) in world.leaves.iter().zip(&world.leaves[1..]).skip(1) {
        let evidence = world.resealed(|drafts| drop(drafts.remove(leaf.index as usize)));
        let report = check(&world, &evidence);
        // The server says its decision and its permit in one go: it had seen what was there before both.
        let found = report.first_broken().unwrap();
        assert!(found >= leaf.index && found <= next.index + 2, "{} is found at {found}", leaf.index);
    }
}

#[test]
fn a_rejection_dropped_by_the_log_is_found() {
    let world = lively();
    let evidence = world.resealed(|drafts| drop(drafts.remove(position(drafts, "rejection", 0))));
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 9: leaf 9: it names a checkpoint that was not there yet");
}

#[test]
fn a_backdated_statement_is_found() {
    let mut world = lively();
    world.now = world.now.plus_secs(3_600);
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    // Before the leaf that it follows.
    let evidence = world.resealed(|drafts| {
        let last = drafts.len() - 1;
        drafts[last].admitted_at = drafts[last].admitted_at.plus_secs(-1_800);
    });
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 24: leaf 24: it was admitted before the leaf that it follows");
    // To where it would fit by its time: its signer had seen what came after.
    let evidence = world.resealed(|drafts| {
        let mut last = drafts.pop().unwrap();
        last.admitted_at = drafts[3].admitted_at;
        drafts.insert(3, last);
    });
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: it names a checkpoint that was not there yet");
    // And nothing comes from the future.
    let report = verify(&world.trust, &world.evidence(), world.now.plus_secs(-3_600));
    assert_snapshot!(broken(&report), @"statements at 23: leaf 23: it was admitted in the future");
}

#[test]
fn a_time_moved_by_the_log_is_found_by_who_signed_later() {
    let world = lively();
    let evidence = world.resealed(|drafts| {
        for draft in &mut drafts[2..] {
            draft.admitted_at = draft.admitted_at.plus_secs(60);
        }
    });
    let later = verify(&world.trust, &evidence, world.now.plus_secs(60));
    assert_snapshot!(broken(&later), @"statements at 3: leaf 3: whoever signed it had seen the first 3 leaves hash to DIGEST; they do not: one of them was changed");
}

#[test]
fn a_repeated_statement_is_found() {
    let world = lively();
    let evidence = world.resealed(|drafts| drafts.push(drafts[position(drafts, "approval", 0)].clone()));
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 23: leaf 23: the same statement is there a second time");
}

#[test]
fn a_statement_in_another_stream_is_found() {
    let mut world = World::new();
    let first = world.propose("ada", "search/production");
    let second = world.propose("ada", "search/production");
    world.approve("linus", &first).unwrap();
    let evidence = world.resealed(|drafts| drafts[3].stream = format!("change/{second}").parse().unwrap());
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: the leaf stands in stream DIGEST, where it does not belong");
    let evidence = world.resealed(|drafts| drafts[3].stream = "governance".parse().unwrap());
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: the leaf stands in stream governance, where it does not belong");
}

/// Puts a statement at the end of the log, signed by whom the attacker likes, without asking anybody.
fn forced(world: &World, by: &str, keys: &[&str], body: Body) -> Evidence {
    let statement = world.statement(by, body);
    let envelope = world.sign(&statement, keys);
    let stream = statement.stream(&envelope.payload_digest()).unwrap();
    let admitted_at = world.now;
    world.resealed(|drafts| drafts.push(Draft { stream, admitted_at, envelope }))
}

#[test]
fn a_decision_with_an_edited_outcome_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let (_, decided) = world.decided(&change);
    assert_eq!(decided.outcome, Outcome::Deny);
    let decided = Decided { outcome: Outcome::Allow, ..decided };
    let evidence = forced(&world, "countersign", &["countersign"], Body::Decided(decided));
    assert_snapshot!(broken(&check(&world, &evidence)), @"decisions at 2: the rules say Deny to what the log calls Allow");
}

#[test]
fn a_decision_from_other_inputs_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let other = world.propose("ada", "search/production");
    world.approve("linus", &other).unwrap();
    let (_, honest) = world.decided(&change);
    let (_, theirs) = world.decided(&other);
    let mut heads = honest.heads.clone();
    heads.change.next_seq += 1;
    let mut blobs = world.blobs.clone();
    let edits = [
        Decided { snapshot: theirs.snapshot, ..honest.clone() },
        Decided { decision: theirs.decision, ..honest.clone() },
        Decided { rules: Digest::of("no rules"), ..honest.clone() },
        Decided { heads, ..honest.clone() },
        Decided { decided_at: world.now.plus_secs(-60), ..honest.clone() },
    ];
    let mut said = Vec::new();
    for decided in edits {
        let mut evidence = forced(&world, "countersign", &["countersign"], Body::Decided(decided));
        evidence.blobs.append(&mut blobs);
        said.push(broken(&check(&world, &evidence)));
    }
    assert_snapshot!(said.join("\n"), @"
    decisions at 4: the snapshot that the statements give is DIGEST, the decision names DIGEST
    decisions at 4: the decision in the log is not what the rules say
    decisions at 4: it was decided by other rules than those in force
    decisions at 4: it was decided from other heads than the streams had
    statements at 4: leaf 4: the decision says another time than it was admitted at
    ");
}

#[test]
fn a_permit_without_approvals_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let (_, decided) = world.decided(&change);
    let decision = decided.decision;
    world.say("countersign", Body::Decided(decided)).unwrap();
    let request = world.request("mallory", &change, world.transition(&change));
    let grant = PermitGrant {
        change: change.clone(),
        revision: request.revision,
        targets: world.change(&change).targets.clone(),
        gate: request.gate,
        audience: request.audience,
        transition: request.transition,
        decision,
        issued_at: world.now,
        expires_at: world.now.plus_secs(PERMIT_SECS),
    };
    let evidence = forced(&world, "countersign", &["countersign"], Body::PermitGrant(grant));
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: the permit names no decision that allows this revision");
}

#[test]
fn an_approval_invented_by_the_log_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let approval = Body::Approval(world.approval(&change));
    let said = [
        broken(&check(&world, &forced(&world, "linus", &["countersign"], approval.clone()))),
        broken(&check(&world, &forced(&world, "linus", &["mallory"], approval.clone()))),
        broken(&check(&world, &forced(&world, "linus", &["stranger"], approval.clone()))),
        broken(&check(&world, &forced(&world, "mallory", &["mallory"], approval))),
    ];
    assert_snapshot!(said.join("\n"), @"
    statements at 2: leaf 2: the statement says that it is by linus, but it is signed by the server
    statements at 2: leaf 2: the statement says that it is by linus, but it is signed by mallory
    statements at 2: leaf 2: key DIGEST belongs to nobody in the catalog
    statements at 2: leaf 2: mallory cannot approve change DIGEST: they had a hand in it
    ");
}

#[test]
fn an_amendment_without_two_people_is_found() {
    let mut world = World::new();
    let body = amendment(&mut world);
    let said = [
        broken(&check(&world, &forced(&world, "ada", &["ada"], body.clone()))),
        broken(&check(&world, &forced(&world, "ada", &["ada", "ada-laptop"], body.clone()))),
        broken(&check(&world, &forced(&world, "countersign", &["countersign", "ada"], body))),
    ];
    assert_snapshot!(said.join("\n"), @"
    statements at 1: leaf 1: what grants authority needs 2 people, this has 1
    statements at 1: leaf 1: what grants authority needs 2 people, this has 1
    statements at 1: leaf 1: the server cannot grant authority
    ");
}

#[test]
fn a_revoked_key_used_later_is_found() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let (reason, key) = (world.reason("it was stolen"), world.keys["linus"].public().fingerprint());
    world.say("grace", Body::KeyRevocation(KeyRevocation { key, reason })).unwrap();
    let approval = Body::Approval(world.approval(&change));
    let evidence = forced(&world, "linus", &["linus"], approval);
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: key DIGEST was revoked");
}

#[test]
fn a_left_out_revocation_is_found_in_a_bundle() {
    let world = lively();
    let change = world.leaves.last().unwrap().leaf.stream.as_str().strip_prefix("change/").unwrap().parse().unwrap();
    let mut part = world.part(&change);
    let revocation = world.leaves.iter().find(|leaf| kind(&leaf.leaf) == "key-revocation").unwrap().index;
    part.leaves.remove(&revocation);
    part.proofs.remove(&revocation);
    assert_snapshot!(broken(&check(&world, &part)), @"statements at 20: leaf 20: the permit stands on a decision that was overtaken");
}

#[test]
fn a_decision_by_newer_semantics_says_so_and_is_not_called_broken() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let (_, decided) = world.decided(&change);
    world.say("countersign", Body::Decided(Decided { semantics: 9, ..decided })).unwrap();
    let report = check(&world, &world.evidence());
    let step = report.steps.last().unwrap();
    assert_eq!((step.verdict, report.first_broken()), (Verdict::Newer, None));
    assert_snapshot!(step.detail, @"newer than this program: leaf 2 was decided by semantics 9, this program knows 1");
    // What this program cannot check does not hold either, and nothing opens by it.
    assert!(!report.holds() && report.state.is_none());
    // Whatever the semantics, it was taken from the heads that the streams had.
    let (_, decided) = world.decided(&change);
    let mut heads = decided.heads.clone();
    heads.change.next_seq += 1;
    let elsewhere = Decided { heads, semantics: 9, ..decided };
    let report = check(&world, &forced(&world, "countersign", &["countersign"], Body::Decided(elsewhere)));
    assert_eq!(report.first_broken(), Some(3));
}

#[test]
fn a_decision_of_the_same_semantics_must_come_out_the_same() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let (_, decided) = world.decided(&change);
    for semantics in [0, 1] {
        let allowing = Decided { outcome: Outcome::Allow, semantics, ..decided.clone() };
        let report = check(&world, &forced(&world, "countersign", &["countersign"], Body::Decided(allowing)));
        assert_eq!(report.first_broken(), Some(2), "{semantics}");
    }
}

#[test]
fn an_empty_or_cut_off_copy_is_broken() {
    let world = lively();
    let empty = Evidence { checkpoint: world.checkpoint(), ..Evidence::default() };
    assert_snapshot!(broken(&check(&world, &empty)), @"leaves at 0: leaf 0 of 23 is missing");
    assert!(!check(&world, &Evidence::default()).holds());
    let mut cut = world.evidence();
    let (last, _) = cut.leaves.pop_last().unwrap();
    assert_eq!(check(&world, &cut).first_broken(), Some(last));
    let mut more = world.evidence();
    more.leaves.insert(world.size(), b"one more".to_vec());
    assert_eq!(check(&world, &more).first_broken(), Some(world.size()));
}
