//! Attacks on a log that was restored from an older copy, and on the cut between two epochs.

use countersign_core::{
    fold::Entry,
    statement::{Header, Statement},
};

use super::*;

/// A log with an approved change, restored as it is, in its second epoch.
fn restored() -> (World, ChangeId) {
    let (mut world, change) = approved();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    (world, change)
}

fn in_epoch(statement: Statement, epoch: Option<u32>) -> Statement {
    Statement { header: Header { epoch, ..statement.header }, ..statement }
}

#[test]
fn one_founder_alone_cannot_begin_an_epoch() {
    let (mut world, _) = approved();
    assert_snapshot!(told(world.begin_epoch(&["ada"], 2)), @"recovery-quorum: an epoch is begun by 2 founders, this has the signatures of 1");
    // Two keys of one founder are one person.
    assert_snapshot!(told(world.begin_epoch(&["ada", "ada-laptop"], 2)), @"recovery-quorum: an epoch is begun by 2 founders, this has the signatures of 1");
    assert_snapshot!(told(world.begin_epoch(&["ada", "linus"], 2)), @"policy-group: linus is no founder; only they begin an epoch");
    assert_snapshot!(told(world.begin_epoch(&["linus", "mallory"], 2)), @"policy-group: linus is no founder; only they begin an epoch");
    assert_snapshot!(told(world.begin_epoch(&["countersign", "ada"], 2)), @"only-people: the server cannot begin an epoch");
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_eq!(world.state.governance.record.epoch(), 2);
}

#[test]
fn a_founder_whose_key_was_revoked_begins_no_epoch() {
    let (mut world, _) = approved();
    world.revoke("grace", "grace").unwrap();
    assert_snapshot!(told(world.begin_epoch(&["ada", "grace"], 2)), @"key-revoked: key DIGEST was revoked");
    world.begin_epoch(&["ada", "barbara"], 2).unwrap();
}

#[test]
fn an_epoch_goes_on_from_the_log_that_its_signers_saw_and_is_its_next() {
    let (mut world, change) = approved();
    let mut begun = world.epoch(2);
    begun.after.size -= 1;
    assert_snapshot!(told(world.say_with("ada", &["ada", "grace"], Body::Epoch(begun))), @"epoch-after: an epoch is begun in front of the log that it goes on from");
    for number in [0, 1, 18] {
        assert_eq!(world.begin_epoch(&["ada", "grace"], number).unwrap_err().code, "another-epoch");
    }
    // A statement that names another epoch than it begins.
    let body = Body::Epoch(world.epoch(2));
    let begun = world.statement("ada", body);
    let envelope = world.sign(&in_epoch(begun, Some(3)), &["ada", "grace"]);
    assert_snapshot!(told(world.submit(envelope)), @"another-epoch: the log is in epoch 1; the statement begins epoch 2 and names epoch 3, next is 2");
    // Signed in front of a shorter log, and put behind a longer one: whoever follows knows the index.
    let body = Body::Epoch(world.epoch(2));
    let begun = world.statement("ada", body);
    let envelope = world.sign(&begun, &["ada", "grace"]);
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    let leaf = world.leaf(envelope).unwrap();
    let (index, entry) = (leaf.index, Entry::parse(&leaf.bytes).unwrap());
    let governance = &world.state.governance.record;
    let failure = countersign_core::verify::in_time(index, &entry, world.now, world.now, Some(governance)).unwrap_err();
    assert_snapshot!(failure.detail, @"leaf 4: it begins an epoch behind 3 leaves, and stands behind 4");
    // The same copy may be restored a second time; its next epoch has another number than the one that was lost.
    world.begin_epoch(&["ada", "grace"], 3).unwrap();
    assert_snapshot!(told(world.begin_epoch(&["ada", "grace"], 3)), @"another-epoch: the log is in epoch 3; the statement begins epoch 3 and names epoch 3, next is 4");
}

#[test]
fn an_approval_from_before_the_cut_does_not_count() {
    let (mut world, change) = restored();
    assert_snapshot!(denied(world.ask("ada", &change)), @"denied by owner-approves second-pair-of-eyes");
    world.approve("linus", &change).unwrap();
    world.ask("ada", &change).unwrap();
}

#[test]
fn a_waiver_from_before_the_cut_does_not_count() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.waive("grace", &change, "owner-approves").unwrap();
    let waivers = |world: &World| Snapshot::take(&world.state, world.change(&change), world.now).unwrap().waivers.len();
    assert_eq!(waivers(&world), 1);
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_eq!(waivers(&world), 0);
    world.waive("grace", &change, "owner-approves").unwrap();
    assert_eq!(waivers(&world), 1);
}

#[test]
fn a_permit_from_before_the_cut_is_not_started_and_its_outcome_can_be_told() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_snapshot!(told(world.report("ada", &change, permit, OutcomeResult::Started)), @"permit-of-another-epoch: the permit is of an earlier epoch of the log, which was restored since");
    world.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
}

#[test]
fn a_request_or_a_decision_from_before_the_cut_opens_nothing() {
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    let (_, decided) = world.decided(&change);
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_snapshot!(told(world.say("countersign", Body::Decided(decided))), @"not-asked: the decision answers no request, or another than the last one");
    world.say("ada", Body::PermitRequest(request)).unwrap();
}

#[test]
fn what_names_no_epoch_or_another_is_refused_behind_the_cut() {
    let (mut world, change) = approved();
    let before = world.statement("linus", Body::Approval(world.approval(&change)));
    let ahead = world.sign(&in_epoch(before.clone(), Some(2)), &["linus"]);
    assert_snapshot!(told(world.submit(ahead.clone())), @"another-epoch: the statement is of epoch 2, the log is in epoch 1");
    let before = world.sign(&before, &["linus"]);
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_snapshot!(told(world.submit(before)), @"another-epoch: the statement is of epoch 1, the log is in epoch 2");
    // Nobody can be had to sign for an epoch that is still to come: what is said in it names a checkpoint of it.
    assert_snapshot!(told(world.submit(ahead)), @"another-epoch: the statement names epoch 2 and a checkpoint of 3 leaves, from before that epoch");
    for epoch in [Some(0), Some(1), Some(3)] {
        let approval = in_epoch(world.statement("linus", Body::Approval(world.approval(&change))), epoch);
        let envelope = world.sign(&approval, &["linus"]);
        assert_eq!(world.submit(envelope).unwrap_err().code, "another-epoch", "{epoch:?}");
    }
}

#[test]
fn a_stop_from_before_the_cut_is_taken_behind_it() {
    let (mut world, change) = approved();
    let mut cut = World::new();
    assert_eq!(cut.propose("ada", "search/production"), change);
    cut.approve("linus", &change).unwrap();
    // Said in front of what was lost.
    let lost = world.propose("ada", "search/production");
    let rejection = world.rejection(&change);
    let rejection = world.sign(&world.statement("mallory", rejection), &["mallory"]);
    let approval = world.sign(&world.statement("barbara", Body::Approval(world.approval(&lost))), &["barbara"]);
    cut.blobs.extend(world.blobs.clone());
    cut.begin_epoch(&["ada", "grace"], 2).unwrap();
    cut.submit(rejection).unwrap();
    assert_eq!(cut.submit(approval).unwrap_err().code, "another-epoch");
    assert_eq!(cut.change(&change).status, ChangeStatus::Rejected);
    // Whoever verifies does not ask for a checkpoint that nobody has any more.
    let report = countersign_core::verify::verify(&cut.trust, &cut.evidence(), cut.now);
    assert!(report.holds(), "{report:?}");
}

#[test]
fn a_rejection_and_a_revocation_stand_across_the_cut() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    world.revoke("linus", "linus").unwrap();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    assert_eq!(world.change(&change).standing_rejections().count(), 1);
    assert_eq!(world.approve("linus", &change).unwrap_err().code, "key-revoked");
}

/// Who stands in between tells a client that the log is in another epoch.
#[test]
fn a_stop_is_taken_whatever_epoch_it_names() {
    let (mut world, change) = approved();
    for (by, epoch) in [("barbara", Some(7)), ("grace", Some(0)), ("mallory", None)] {
        let body = world.rejection(&change);
        let envelope = world.sign(&in_epoch(world.statement(by, body), epoch), &[by]);
        world.submit(envelope).unwrap();
    }
    let approval = world.statement(
        "linus",
        Body::Withdrawal(countersign_core::statement::Withdrawal {
            change: change.clone(),
            revision: world.revision(&change),
        }),
    );
    let envelope = world.sign(&in_epoch(approval, Some(7)), &["linus"]);
    assert_eq!(world.submit(envelope).unwrap_err().code, "another-epoch");
}

/// Who said otherwise behind the cut is lost.
#[test]
fn nobody_is_cleared_by_what_was_said_before_the_cut() {
    let mut world = World::new();
    let nobody = author("somebody@elsewhere.example");
    let change = of_commits(&mut world, std::slice::from_ref(&nobody));
    world.identify("grace", &change, &nobody, IdentityVerdict::Automation).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "identities-known");
    world.identify("grace", &change, &nobody, IdentityVerdict::Automation).unwrap();
    assert_eq!(world.standing(&change), "allow");
}
