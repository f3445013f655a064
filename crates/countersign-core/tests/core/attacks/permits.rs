//! Attacks on permits and what they open.

use super::*;

#[test]
fn a_permit_for_what_was_approved_before_a_push_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let request = world.request("ada", &change, world.transition(&change));
    let push = world.new_revision(&change, file("timeout: 0"), None);
    world.say("ada", push).unwrap();
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
}

#[test]
fn a_permit_for_another_branch_or_repository_is_refused() {
    let mut world = World::new();
    register_gate(&mut world);
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("linus", &change).unwrap();
    let mut branch = commits.clone();
    branch.branch = "refs/heads/release".to_owned();
    let mut repository = commits.clone();
    repository.repository = "another-shop".parse().unwrap();
    let mut ask = |other| {
        let mut request = world.request("ada", &change, landing(other));
        request.gate = "shop-gate".parse().unwrap();
        request.audience = world.keys["git-gate"].public().fingerprint();
        told(world.say("ada", Body::PermitRequest(request)))
    };
    assert_snapshot!(ask(&branch), @"another-branch: change CHANGE is for refs/heads/main, not refs/heads/release");
    assert_snapshot!(ask(&repository), @"another-repository: change CHANGE is for repository shop, not another-shop");
}

#[test]
fn a_permit_with_a_stolen_audience_is_refused() {
    let mut world = World::new();
    register_gate(&mut world);
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("linus", &change).unwrap();
    let mut request = world.request("mallory", &change, landing(&commits));
    request.gate = "shop-gate".parse().unwrap();
    assert_snapshot!(told(world.say("mallory", Body::PermitRequest(request))), @"another-audience: gate shop-gate has key DIGEST, not DIGEST");
}

#[test]
fn a_permit_expires() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    let Body::PermitGrant(grant) = statement(&world, &permit) else { panic!("not a permit") };
    let (audience, asked) = (world.keys["ada"].public().fingerprint(), world.transition(&change));
    let lease = |secs| check_lease(&grant, &audience, &asked, world.now.plus_secs(secs));
    assert!(lease(0).is_ok() && lease(PERMIT_SECS).is_ok());
    assert_snapshot!(told(lease(PERMIT_SECS + 1)), @"permit-expired: the permit's time is over or has not come");
    assert_snapshot!(told(lease(-61)), @"permit-expired: the permit's time is over or has not come");
}

#[test]
fn a_permit_opens_no_other_gate_and_no_other_transition() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    let Body::PermitGrant(grant) = statement(&world, &permit) else { panic!("not a permit") };
    let (mine, theirs) = (world.keys["ada"].public().fingerprint(), world.keys["mallory"].public().fingerprint());
    let asked = world.transition(&change);
    assert_snapshot!(told(check_lease(&grant, &theirs, &asked, world.now)), @"permit-for-another-gate: the permit is for gate apply with key DIGEST");
    let Transition::Apply { files, .. } = asked else { panic!("not a change of files") };
    let other = Transition::Apply { files, command: vec!["rm".to_owned()] };
    assert_snapshot!(told(check_lease(&grant, &mine, &other, world.now)), @"permit-for-another-transition: the permit is for another repository, branch, commit, content or command");
}

fn statement(world: &World, payload: &Digest) -> Body {
    let index = usize::try_from(world.index_of(payload)).unwrap();
    countersign_core::statement::Statement::parse(world.leaves[index].leaf.envelope.payload()).unwrap().body
}

fn asked_for(world: &mut World, change: &ChangeId, edit: impl FnOnce(&mut Transition)) -> String {
    let mut transition = world.transition(change);
    edit(&mut transition);
    let request = world.request("ada", change, transition);
    told(world.say("ada", Body::PermitRequest(request)))
}

#[test]
fn another_command_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let refusal = asked_for(&mut world, &change, |transition| match transition {
        Transition::Apply { command, .. } => command.push("--force".to_owned()),
        Transition::Git { .. } => {}
    });
    assert_snapshot!(refusal, @"another-command: the command is `deploy app.yaml --force`, approved is `deploy app.yaml`");
}

#[test]
fn a_command_that_nobody_named_is_refused() {
    let mut world = World::new();
    let mut subject = file("timeout: 30");
    if let countersign_core::statement::Subject::Files { command, .. } = &mut subject {
        *command = None;
    }
    let proposal = world.proposal("search/production", subject, None);
    let change = ChangeId::of_proposal(&world.say("ada", Body::Proposal(proposal)).unwrap());
    world.approve("linus", &change).unwrap();
    let files = [("app.yaml".to_owned(), Digest::of("timeout: 30"))].into();
    let request = world.request("ada", &change, Transition::Apply { files, command: vec!["deploy".to_owned()] });
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"no-command: change CHANGE names no command");
}

#[test]
fn changed_bytes_are_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let refusal = asked_for(&mut world, &change, |transition| match transition {
        Transition::Apply { files, .. } => drop(files.insert("app.yaml".to_owned(), Digest::of("timeout: 0"))),
        Transition::Git { .. } => {}
    });
    assert_snapshot!(refusal, @"another-content: the bytes of `app.yaml` are not those that change CHANGE is about");
}

#[test]
fn a_file_beside_the_approved_ones_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let refusal = asked_for(&mut world, &change, |transition| match transition {
        Transition::Apply { files, .. } => drop(files.insert("evil.yaml".to_owned(), Digest::of(""))),
        Transition::Git { .. } => {}
    });
    assert_snapshot!(refusal, @"another-content: the bytes of `evil.yaml` are not those that change CHANGE is about");
}

#[test]
fn leaving_a_file_out_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let refusal = asked_for(&mut world, &change, |transition| match transition {
        Transition::Apply { files, .. } => files.clear(),
        Transition::Git { .. } => {}
    });
    assert_snapshot!(refusal, @"file-missing: the change also has `app.yaml`");
}

#[test]
fn commits_cannot_go_through_the_apply_gate() {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("linus", &change).unwrap();
    let request =
        world.request("ada", &change, Transition::Apply { files: Default::default(), command: vec!["x".to_owned()] });
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"another-kind-of-subject: change CHANGE is about shop main 0000000000..0000000000");
}

#[test]
fn a_captured_server_cannot_lease_a_permit_for_longer_than_a_log_may_hold() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let request = world.request("ada", &change, world.transition(&change));
    let (decision, decided) = world.decided(&change);
    let digest = decided.decision;
    world.say("countersign", Body::Decided(decided)).unwrap();
    let permit = Permit::issue(&decision, digest, world.change(&change), &request, world.now).unwrap();
    let long = PermitGrant { expires_at: world.now.plus_secs(24 * 60 * 60), ..permit.grant().clone() };
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(long))), @"permit-shape: the permit's times or targets are not as they should be");
}

#[test]
fn a_decision_that_allowed_before_a_rejection_carries_no_permit_after_it() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let request = world.request("ada", &change, world.transition(&change));
    let (decision, decided) = world.decided(&change);
    let digest = decided.decision;
    world.say("countersign", Body::Decided(decided)).unwrap();
    world.reject("barbara", &change).unwrap();
    let permit = Permit::issue(&decision, digest, world.change(&change), &request, world.now).unwrap();
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(permit.grant().clone()))), @"decision-overtaken: the permit stands on a decision that was overtaken");
}

#[test]
fn an_outcome_is_told_by_the_gate_that_was_permitted() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    assert_snapshot!(told(world.report("mallory", &change, permit, OutcomeResult::Applied)), @"another-gate: the outcome is for another gate's permit or another revision");
    world.report("ada", &change, permit, OutcomeResult::Failed).unwrap();
    // A failure is not edited into a success.
    let revision = world.revision(&change);
    let again =
        OutcomeReport { change: change.clone(), revision, permit, result: OutcomeResult::Applied, exit_status: None };
    assert_snapshot!(told(world.say("ada", Body::OutcomeReport(again))), @"already-reported: the permit's outcome is already failed; it cannot become applied");
}

#[test]
fn what_is_over_is_not_changed_any_more() {
    let mut world = World::new();
    let change = world.whole_life();
    assert_snapshot!(told(world.approve("grace", &change)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
    let push = world.new_revision(&change, file("timeout: 0"), None);
    assert_snapshot!(told(world.say("ada", push)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
}
