//! Somebody holds the log's key, and puts every hash, number and checkpoint right again.

use countersign_core::{decision::Outcome, permit::PERMIT_SECS, statement::PermitGrant};
use countersign_ledger::Draft;

use super::*;

/// Where among the drafts the n-th statement of a kind stands.
fn position(drafts: &[Draft], wanted: &str, nth: usize) -> usize {
    let of_kind = |draft: &Draft| Statement::parse(draft.envelope.payload()).unwrap().body.kind() == wanted;
    drafts.iter().enumerate().filter(|(_, draft)| of_kind(draft)).nth(nth).unwrap().0
}

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
        drafts[at].envelope = Envelope::new(&edited, signatures).unwrap();
    });
    let report = check(&world, &evidence);
    assert_eq!(report.first_broken(), Some(at as u64));
    assert_snapshot!(broken(&report), @"statements at 4: leaf 4: a signature does not hold: the signature does not fit the message and the key");
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
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 2: leaf 2: it names a checkpoint that was not there yet");
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
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 82: leaf 82: it was admitted before the leaf that it follows");
    // To where it would fit by its time: its signer had seen what came after.
    let evidence = world.resealed(|drafts| {
        let mut last = drafts.pop().unwrap();
        last.admitted_at = drafts[3].admitted_at;
        drafts.insert(3, last);
    });
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: it names a checkpoint that was not there yet");
    // And nothing comes from the future.
    let report = verify(&world.trust, &world.evidence(), world.now.plus_secs(-3_600));
    assert_snapshot!(broken(&report), @"statements at 81: leaf 81: by its time, 2026-04-02T01:00:00Z, this machine's clock is 1 h behind the log's");
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
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 81: leaf 81: the same statement is there a second time");
}

#[test]
fn a_statement_in_another_stream_is_found() {
    let mut world = World::new();
    let first = world.propose("ada", "search/production");
    let second = world.propose("ada", "search/production");
    world.approve("linus", &first).unwrap();
    let evidence = world.resealed(|drafts| drafts[3].streams = vec![format!("change/{second}").parse().unwrap()]);
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: the approval statement stands in change/CHANGE, but the leaf's header says change/CHANGE");
    let evidence = world.resealed(|drafts| drafts[3].streams = vec!["governance".parse().unwrap()]);
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: the approval statement stands in change/CHANGE, but the leaf's header says governance");
}

/// Puts a statement at the end of the log, signed by whom the attacker likes, without asking anybody.
fn forced(world: &World, by: &str, keys: &[&str], body: Body) -> Evidence {
    let statement = world.statement(by, body);
    let envelope = world.sign(&statement, keys);
    let streams = statement.streams(&envelope.payload_digest()).unwrap();
    let admitted_at = world.now;
    world.resealed(|drafts| drafts.push(Draft { streams, admitted_at, envelope }))
}

#[test]
fn a_decision_with_an_edited_outcome_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    world.requested("mallory", &change);
    let (_, decided) = world.decided(&change);
    assert_eq!(decided.outcome, Outcome::Deny);
    let decided = Decided { outcome: Outcome::Allow, ..decided };
    let evidence = forced(&world, "countersign", &["countersign"], Body::Decided(decided));
    assert_snapshot!(broken(&check(&world, &evidence)), @"decisions at 3: the rules say deny to what the log calls allow");
}

#[test]
fn a_decision_from_other_inputs_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let other = world.propose("ada", "search/production");
    world.approve("linus", &other).unwrap();
    world.requested("mallory", &change);
    world.requested("ada", &other);
    let (_, honest) = world.decided(&change);
    let (_, theirs) = world.decided(&other);
    let mut left_out = honest.heads.clone();
    left_out.remove(&"target/search/production".parse().unwrap());
    let mut elsewhere = honest.heads.clone();
    elsewhere.get_mut(&"governance".parse().unwrap()).unwrap().next_seq += 1;
    let edits = [
        Decided { snapshot: theirs.snapshot, ..honest.clone() },
        Decided { decision: theirs.decision, ..honest.clone() },
        Decided { rules: Digest::of("no rules"), ..honest.clone() },
        Decided { heads: left_out, ..honest.clone() },
        Decided { heads: elsewhere, ..honest.clone() },
        Decided { request: theirs.request, ..honest.clone() },
        Decided { semantics: 2, ..honest.clone() },
        Decided { decided_at: world.now.plus_secs(-60), ..honest.clone() },
    ];
    let said = edits.map(|decided| {
        broken(&check(&world, &forced(&world, "countersign", &["countersign"], Body::Decided(decided))))
    });
    assert_snapshot!(said.join("\n"), @"
    decisions at 6: the snapshot that the statements give is DIGEST, the decision names DIGEST
    decisions at 6: the decision in the log is not what the rules say
    decisions at 6: it was decided by other rules than those in force
    statements at 6: leaf 6: the decision names other heads of its streams than stood there
    statements at 6: leaf 6: the decision names other heads of its streams than stood there
    statements at 6: leaf 6: the decision answers no request, or another than the last one
    statements at 6: leaf 6: the decision was taken by semantics 2, in force are 1
    statements at 6: leaf 6: the decision says another time than it was admitted at
    ");
}

#[test]
fn a_permit_without_approvals_is_found() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let request = world.requested("mallory", &change);
    let (_, decided) = world.decided(&change);
    let decision = decided.decision;
    world.say("countersign", Body::Decided(decided)).unwrap();
    let grant = PermitGrant {
        audience: request.audience,
        change: change.clone(),
        decision,
        expires_at: world.now.plus_secs(PERMIT_SECS),
        gate: request.gate,
        issued_at: world.now,
        revision: request.revision,
        targets: world.change(&change).targets.clone(),
        transition: request.transition,
    };
    let evidence = forced(&world, "countersign", &["countersign"], Body::PermitGrant(grant));
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 4: leaf 4: the permit names no decision that allows this revision");
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
    statements at 2: leaf 2: mallory cannot approve change CHANGE: they had a hand in it
    ");
}

#[test]
fn a_publication_without_two_people_is_found() {
    let mut world = World::new();
    let body = Body::Publication(renamed_rule(&mut world));
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
    world.revoke("grace", "linus").unwrap();
    let approval = Body::Approval(world.approval(&change));
    let evidence = forced(&world, "linus", &["linus"], approval);
    assert_snapshot!(broken(&check(&world, &evidence)), @"statements at 3: leaf 3: key DIGEST was revoked by grace, for a day unless somebody else confirms it");
}
