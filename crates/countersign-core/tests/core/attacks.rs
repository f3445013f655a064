//! The attacks of the threat model that core stops: one test each, named by the attack.

use countersign_core::{
    change::ChangeStatus,
    decision::RuleStatus,
    ids::ChangeId,
    permit::{Denied, PERMIT_SECS, Permit, check_lease},
    snapshot::{AiStatus, Snapshot},
    statement::{
        Amendment, Approval, Body, Disclosure, GateRegistration, GuidanceObservation, IdentityVerdict, KeyRevocation,
        OutcomeReport, OutcomeResult, PermitGrant, Transition,
    },
};
use countersign_ledger::Digest;
use insta::assert_snapshot;

use crate::kit::{World, author, co_author, facts, file, git, id, inferred, landing, oid, targets, told};

fn denied(result: Result<Digest, Denied>) -> String {
    match result.expect_err("a permit was issued") {
        Denied::ByRules(decision) => {
            let stops = |rule: &&_| countersign_core::decision::Decision::stops(rule);
            let ids: Vec<&str> = decision.rules.iter().filter(stops).map(|rule| rule.id.as_str()).collect();
            format!("denied by {}", ids.join(" "))
        }
        Denied::Refused(refusal) => told::<()>(Err(refusal)),
    }
}

fn revoke(world: &mut World, by: &str, key: &str) -> Result<Digest, countersign_core::refusal::Refusal> {
    let (reason, key) = (world.reason("it was lost"), world.keys[key].public().fingerprint());
    world.say(by, Body::KeyRevocation(KeyRevocation { key, reason }))
}

/// A change of commits by ada, proposed by her, with others named by the commits.
fn of_commits(world: &mut World, identities: &[countersign_core::facts::Identity]) -> ChangeId {
    world.propose_git("ada", &facts(9, identities))
}

fn register_gate(world: &mut World) {
    let body = Body::GateRegistration(GateRegistration {
        gate: "shop-gate".parse().unwrap(),
        key: world.keys["git-gate"].public(),
        repository: "shop".parse().unwrap(),
        targets: targets(&["search/production"]),
    });
    world.say("barbara", body).unwrap();
}

#[test]
fn an_honest_change_goes_through() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Permitted);
    world.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
}

#[test]
fn tier_1_takes_two_people_and_a_senior_owner() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves tier-1-senior");
    world.approve("grace", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"allow");
}

#[test]
fn one_person_alone_is_denied() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(denied(world.ask("ada", &change)), @"denied by owner-approves second-pair-of-eyes");
}

#[test]
fn approve_then_push_is_refused() {
    let mut world = World::new();
    let change = of_commits(&mut world, &[author("ada@example.com")]);
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    let old_approval = Body::Approval(world.approval(&change));

    let pushed = facts(10, &[author("ada@example.com")]);
    let push = world.new_revision(&change, git(&pushed), Some(&pushed));
    world.say("ada", push).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    // Nor can what was approved before be said again for what is there now.
    assert_snapshot!(told(world.say("grace", old_approval)), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
}

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
fn the_pusher_of_a_revision_cannot_approve_it() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let push = world.new_revision(&change, file("timeout: 0"), None);
    world.say("mallory", push).unwrap();
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn who_pushed_an_earlier_revision_cannot_approve_a_later_one() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    for (by, content) in [("mallory", "timeout: 0"), ("ada", "timeout: 31")] {
        let push = world.new_revision(&change, file(content), None);
        world.say(by, push).unwrap();
    }
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn the_proposer_of_a_plain_file_cannot_approve_it() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn a_second_key_of_the_proposer_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let approval = Body::Approval(world.approval(&change));
    assert_snapshot!(told(world.say_with("ada", "ada-laptop", approval.clone())), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.say_with("linus", "ada-laptop", approval)), @"signed-by-another: the statement says that it is by linus, but it is signed by ada");
}

#[test]
fn a_second_mail_of_the_author_cannot_approve() {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@home.example")]);
    let change = world.propose_git("linus", &commits);
    assert_snapshot!(told(world.approve("ada", &change)), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn the_committer_of_somebody_elses_commit_cannot_approve_it() {
    let mut world = World::new();
    let mut committer = author("mallory@example.com");
    committer.roles = [countersign_core::facts::Role::Committer].into();
    let change = of_commits(&mut world, &[author("ada@example.com"), committer]);
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn a_ci_token_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(told(world.approve("ci", &change)), @"only-people: ci is a workload; only a person can approve");
}

#[test]
fn an_agent_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(told(world.approve("robo", &change)), @"only-people: robo is an agent; only a person can approve");
}

#[test]
fn the_server_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(told(world.approve("countersign", &change)), @"only-people: the server cannot approve");
}

#[test]
fn a_gate_cannot_approve() {
    let mut world = World::new();
    register_gate(&mut world);
    let change = world.propose("ada", "search/production");
    let approval = Body::Approval(world.approval(&change));
    assert_snapshot!(told(world.say_with("shop-gate", "git-gate", approval)), @"only-people: gate shop-gate cannot approve");
}

#[test]
fn an_agent_or_a_token_proposes_only_with_a_person_who_answers_for_it() {
    for by in ["robo", "ci"] {
        let mut world = World::new();
        let mut proposal = world.proposal("search/production", file("timeout: 30"), None);
        let alone = world.say(by, Body::Proposal(proposal.clone()));
        assert_eq!(alone.unwrap_err().code, "sponsor-missing", "{by}");

        proposal.sponsor = Some(id("mallory"));
        let change = ChangeId::of_proposal(&world.say(by, Body::Proposal(proposal)).unwrap());
        assert_eq!(
            world.approve("mallory", &change).unwrap_err().code,
            "contributor",
            "the sponsor is no second person"
        );
        assert_eq!(world.standing(&change), "owner-approves second-pair-of-eyes");
    }
}

#[test]
fn the_prompter_cannot_approve_the_agents_change() {
    let mut world = World::new();
    let mut proposal = world.proposal("search/production", file("timeout: 30"), None);
    proposal.sponsor = Some(id("ada"));
    let change = ChangeId::of_proposal(&world.say("robo", Body::Proposal(proposal)).unwrap());
    world.disclose("robo", &change, &["robo"], &["mallory"]).unwrap();
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.approve("ada", &change)), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn the_approval_of_somebody_who_turns_out_to_have_prompted_no_longer_counts() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.disclose("ada", &change, &["robo"], &["linus"]).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn an_unmapped_commit_mail_denies() {
    let mut world = World::new();
    let nobody = author("somebody@elsewhere.example");
    let change = of_commits(&mut world, &[nobody.clone()]);
    world.approve("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"identities-known");
    // Not by those who made the change.
    assert_snapshot!(told(world.identify("ada", &change, &nobody, IdentityVerdict::Automation)), @"contributor: ada cannot identify people in change CHANGE: they had a hand in it");
    // Nor by a workload.
    assert_snapshot!(told(world.identify("ci", &change, &nobody, IdentityVerdict::Automation)), @"only-people: ci is a workload; only a person can say who an identity is");
    // An author cannot be declared absent.
    assert_snapshot!(told(world.identify("grace", &change, &nobody, IdentityVerdict::NotInvolved)), @"not-a-claim: an author or committer cannot be cleared; only a co-author whom nothing but a trailer names");
    world.identify("grace", &change, &nobody, IdentityVerdict::Is(id("ada"))).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn whoever_an_unmapped_mail_turns_out_to_be_cannot_approve() {
    let mut world = World::new();
    let nobody = author("somebody@elsewhere.example");
    let change = of_commits(&mut world, &[nobody.clone()]);
    world.approve("linus", &change).unwrap();
    world.identify("grace", &change, &nobody, IdentityVerdict::Is(id("linus"))).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_mail_that_the_catalog_maps_cannot_be_mapped_to_another() {
    let mut world = World::new();
    let ada = author("ada@example.com");
    let change = of_commits(&mut world, &[ada.clone()]);
    assert_snapshot!(told(world.identify("grace", &change, &ada, IdentityVerdict::Is(id("barbara")))), @"already-mapped: the catalog already says who CHANGE is");
}

#[test]
fn a_forged_co_author_can_be_cleared_by_a_third_person() {
    let mut world = World::new();
    let forged = co_author("linus@example.com");
    let change = of_commits(&mut world, &[author("ada@example.com"), forged.clone()]);
    assert_snapshot!(told(world.approve("linus", &change)), @"contributor: linus cannot approve change CHANGE: a commit names them as co-author");
    world.identify("barbara", &change, &forged, IdentityVerdict::NotInvolved).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn the_claimed_co_author_cannot_clear_themselves() {
    let mut world = World::new();
    let claimed = co_author("linus@example.com");
    let change = of_commits(&mut world, &[author("ada@example.com"), claimed.clone()]);
    assert_snapshot!(told(world.identify("linus", &change, &claimed, IdentityVerdict::NotInvolved)), @"contributor: linus cannot identify people in change CHANGE: a commit names them as co-author");
}

#[test]
fn the_author_cannot_clear_a_true_co_author() {
    let mut world = World::new();
    let claimed = co_author("linus@example.com");
    let change = of_commits(&mut world, &[author("ada@example.com"), claimed.clone()]);
    assert_snapshot!(told(world.identify("ada", &change, &claimed, IdentityVerdict::NotInvolved)), @"contributor: ada cannot identify people in change CHANGE: they had a hand in it");
}

#[test]
fn two_claimed_co_authors_cannot_clear_each_other() {
    let mut world = World::new();
    let (linus, mallory) = (co_author("linus@example.com"), co_author("mallory@example.com"));
    let change = of_commits(&mut world, &[author("ada@example.com"), linus.clone(), mallory]);
    assert_snapshot!(told(world.identify("mallory", &change, &linus, IdentityVerdict::NotInvolved)), @"contributor: mallory cannot identify people in change CHANGE: a commit names them as co-author");
}

#[test]
fn a_second_mail_of_a_claimed_co_author_is_not_a_third_person() {
    let mut world = World::new();
    let claimed = co_author("ada@home.example");
    let change = world.propose_git("linus", &facts(9, &[author("linus@example.com"), claimed.clone()]));
    let said = world.identify("ada", &change, &claimed, IdentityVerdict::NotInvolved);
    assert_eq!(said.unwrap_err().code, "contributor");
}

#[test]
fn an_approval_for_another_target_does_not_count() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let approval = Approval { targets: targets(&["search/staging"]), ..world.approval(&change) };
    assert_snapshot!(told(world.say("linus", Body::Approval(approval))), @"another-subject: the approval is for other targets or another subject than the revision's");
}

#[test]
fn an_approval_for_another_branch_or_repository_does_not_count() {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    let (mut branch, mut repository, mut base) = (commits.clone(), commits.clone(), commits.clone());
    branch.branch = "refs/heads/release".to_owned();
    repository.repository = "another-shop".parse().unwrap();
    base.base = oid(2);
    for other in [branch, repository, base, facts(10, &[])] {
        let approval = Approval { reviewed: git(&other), ..world.approval(&change) };
        assert_eq!(world.say("linus", Body::Approval(approval)).unwrap_err().code, "another-subject");
    }
    world.approve("linus", &change).unwrap();
}

#[test]
fn an_approval_for_one_change_does_not_count_for_another() {
    let mut world = World::new();
    let first = world.propose("ada", "search/production");
    let second = world.propose("ada", "search/production");
    world.approve("linus", &first).unwrap();
    assert_eq!(world.standing(&second), "owner-approves second-pair-of-eyes");
    let mixed = Approval { change: second, ..world.approval(&first) };
    assert_snapshot!(told(world.say("linus", Body::Approval(mixed))), @"stale-revision: the statement is about a revision 1 that change CHANGE never had: its digest is DIGEST, not DIGEST");
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
fn the_same_person_under_two_keys_counts_once() {
    let mut world = World::new();
    let change = world.propose("grace", "checkout/production");
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", "ada", approval.clone()).unwrap();
    assert_snapshot!(told(world.say_with("ada", "ada-laptop", approval)), @"already-approved: ada has already approved this revision");
    let snapshot = Snapshot::take(&world.state.governance, world.change(&change)).unwrap();
    assert_eq!(snapshot.approvals.len(), 1);
    assert_eq!(world.status(&change, "tier-1-senior"), RuleStatus::Unsatisfied);
}

#[test]
fn a_near_miss_environment_is_refused_with_a_suggestion() {
    let mut world = World::new();
    let proposal = world.proposal("checkout/prod", file("timeout: 30"), None);
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal))), @"unknown-target: `checkout/prod`: there is no environment `prod`; did you mean `production`?");
    let proposal = world.proposal("chekout/production", file("timeout: 30"), None);
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal))), @"unknown-target: `chekout/production`: the catalog knows no system `chekout`; did you mean `checkout`?");
}

#[test]
fn a_revoked_key_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    revoke(&mut world, "barbara", "linus").unwrap();
    assert_snapshot!(told(world.approve("linus", &change)), @"key-revoked: key DIGEST was revoked");
}

#[test]
fn approvals_by_a_revoked_key_no_longer_count() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    revoke(&mut world, "barbara", "linus").unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    assert_snapshot!(denied(world.ask("ada", &change)), @"denied by owner-approves second-pair-of-eyes");
}

#[test]
fn an_approval_with_another_key_of_a_person_stays_when_one_is_revoked() {
    let mut world = World::new();
    let change = world.propose("grace", "search/production");
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", "ada-laptop", approval).unwrap();
    revoke(&mut world, "barbara", "ada").unwrap();
    assert_eq!(world.status(&change, "second-pair-of-eyes"), RuleStatus::Satisfied);
}

#[test]
fn revoking_keys_does_not_loosen_tier_1() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("grace", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"tier-1-senior");
    // A home of two people asks for less; one whose other people lost their keys does not become one.
    for key in ["barbara", "linus", "mallory"] {
        revoke(&mut world, "ada", key).unwrap();
    }
    assert_snapshot!(world.standing(&change), @"tier-1-senior");
}

#[test]
fn a_workload_or_a_gate_cannot_revoke_a_key() {
    let mut world = World::new();
    assert_snapshot!(told(revoke(&mut world, "ci", "grace")), @"only-people: ci is a workload; only a person can revoke a key");
    assert_snapshot!(told(revoke(&mut world, "robo", "grace")), @"only-people: robo is an agent; only a person can revoke a key");
}

#[test]
fn a_replayed_statement_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let push = world.new_revision(&change, file("timeout: 0"), None);
    world.say("ada", push).unwrap();
    let approval = world.leaves[2].leaf.envelope.clone();
    assert_snapshot!(told(world.submit(approval)), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
    let proposal = world.leaves[1].leaf.envelope.clone();
    assert_snapshot!(told(world.submit(proposal)), @"already-proposed: change CHANGE is already there");
}

#[test]
fn a_statement_for_another_log_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let mut statement = world.statement("linus", Body::Approval(world.approval(&change)));
    statement.header.log = "shop/staging-log".to_owned();
    let envelope = world.sign(&statement, &["linus"]);
    assert_snapshot!(told(world.submit(envelope)), @"another-log: the statement is for log `shop/staging-log`, this is `shop/log`");
}

#[test]
fn an_approval_signed_by_another_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let approval = Body::Approval(world.approval(&change));
    assert_snapshot!(told(world.say_with("linus", "mallory", approval.clone())), @"signed-by-another: the statement says that it is by linus, but it is signed by mallory");
    assert_snapshot!(told(world.say_with("linus", "stranger", approval)), @"unknown-key: key DIGEST belongs to nobody in the catalog");
}

#[test]
fn a_signature_taken_from_another_statement_is_refused() {
    let mut world = World::new();
    let first = world.propose("ada", "search/production");
    let second = world.propose("ada", "search/production");
    world.approve("linus", &first).unwrap();
    let signature = world.leaves.last().unwrap().leaf.envelope.signatures().to_vec();
    let payload = world.statement("linus", Body::Approval(world.approval(&second))).encode().unwrap();
    let forged = countersign_ledger::Envelope::new(&payload, signature).unwrap();
    assert_snapshot!(told(world.submit(forged)), @"signature-invalid: a signature does not hold: the signature does not fit the message and the key");
}

#[test]
fn a_second_signature_does_not_ride_along() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let statement = world.statement("linus", Body::Approval(world.approval(&change)));
    let envelope = world.sign(&statement, &["linus", "grace"]);
    assert_snapshot!(told(world.submit(envelope)), @"one-signature: a statement of the kind `approval` carries one signature, not 2");
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
fn the_requester_cannot_set_what_only_the_server_says() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let (_, mut decided) = world.decided(&change);
    decided.outcome = countersign_core::decision::Outcome::Allow;
    let decision = decided.decision;
    assert_snapshot!(told(world.say("mallory", Body::Decided(decided.clone()))), @"only-the-server: only the server says a decision");
    assert_snapshot!(told(world.say_with("countersign", "mallory", Body::Decided(decided))), @"signed-by-another: the statement says that it is by countersign, but it is signed by mallory");
    let request = world.request("mallory", &change, world.transition(&change));
    let grant = PermitGrant {
        change: change.clone(),
        revision: request.revision,
        targets: targets(&["search/production"]),
        gate: request.gate,
        audience: request.audience,
        transition: request.transition,
        decision,
        issued_at: world.now,
        expires_at: world.now.plus_secs(60),
    };
    assert_snapshot!(told(world.say("mallory", Body::PermitGrant(grant.clone()))), @"only-the-server: only the server says a permit");
    let revision = world.revision(&change);
    let observation = GuidanceObservation { change: change.clone(), revision, documents: vec![] };
    assert_snapshot!(told(world.say("mallory", Body::GuidanceObservation(observation))), @"only-the-server: only the server says a guidance-observation");
    // Nor does the server's own key make a permit of nothing.
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(grant))), @"not-decided: the permit names no decision that allows this revision");
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
fn nothing_but_an_approval_is_an_approval() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    world.reject("linus", &change).unwrap();
    world.lift("linus", &change).unwrap();
    world.waive("barbara", &change, "owner-approves").unwrap();
    let request = world.request("mallory", &change, world.transition(&change));
    world.say("mallory", Body::PermitRequest(request)).unwrap();
    assert_snapshot!(world.standing(&change), @"second-pair-of-eyes");
    let snapshot = Snapshot::take(&world.state.governance, world.change(&change)).unwrap();
    assert!(snapshot.approvals.is_empty());
}

#[test]
fn a_comment_cannot_be_edited_into_an_approval() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("linus", &change).unwrap();
    let envelope = world.leaves.last().unwrap().leaf.envelope.clone();
    let text = String::from_utf8(envelope.payload().to_vec()).unwrap();
    let edited = text.replace("urn:x-countersign:rejection:v1", "urn:x-countersign:approval:v1");
    let forged = countersign_ledger::Envelope::new(edited.as_bytes(), envelope.signatures().to_vec()).unwrap();
    let refusal = countersign_core::admit::authenticate(&world.state.governance, &forged).unwrap_err();
    assert_eq!(refusal.code, "malformed-statement");
}

#[test]
fn a_waiver_by_a_contributor_or_somebody_who_is_no_senior_is_refused() {
    let mut world = World::new();
    let change = world.propose("grace", "search/production");
    assert_snapshot!(told(world.waive("grace", &change, "owner-approves")), @"contributor: grace cannot waive a rule for change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.waive("mallory", &change, "owner-approves")), @"senior-needed: mallory is no senior; a senior waives rules");
    assert_snapshot!(told(world.waive("ci", &change, "owner-approves")), @"only-people: ci is a workload; only a person can waive a rule");
    assert_snapshot!(told(world.waive("barbara", &change, "second-pair-of-eyes")), @"not-waivable: rule `second-pair-of-eyes` cannot be waived");
    assert_snapshot!(told(world.waive("barbara", &change, "second-pair")), @"unknown-rule: there is no rule `second-pair`");
    world.waive("barbara", &change, "owner-approves").unwrap();
    assert_eq!(world.standing(&change), "second-pair-of-eyes");
}

#[test]
fn a_waiver_is_for_one_revision_and_by_a_key_that_holds() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.waive("barbara", &change, "owner-approves").unwrap();
    assert_eq!(world.status(&change, "owner-approves"), RuleStatus::Waived);
    revoke(&mut world, "ada", "barbara").unwrap();
    assert_eq!(world.status(&change, "owner-approves"), RuleStatus::Unsatisfied);
    world.waive("grace", &change, "owner-approves").unwrap();
    let push = world.new_revision(&change, file("timeout: 0"), None);
    world.say("ada", push).unwrap();
    assert_eq!(world.status(&change, "owner-approves"), RuleStatus::Unsatisfied);
}

#[test]
fn a_rejection_drops_the_persons_own_approval_and_lifting_it_does_not_bring_it_back() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    world.reject("linus", &change).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Rejected);
    assert_snapshot!(world.standing(&change), @"no-rejection owner-approves second-pair-of-eyes");
    world.lift("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn nobody_lifts_the_rejection_of_another() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "no-rejection");
    assert_snapshot!(told(world.lift("ada", &change)), @"not-yours: no rejection by ada stands; only who rejected can lift it");
}

#[test]
fn a_new_revision_drops_approvals_and_rejections() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    world.approve("linus", &change).unwrap();
    let push = world.new_revision(&change, file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Proposed);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_disclosure_of_none_that_a_signal_contradicts_is_no_claim() {
    let mut world = World::new();
    let mut commits = facts(9, &[author("ada@example.com")]);
    commits.ai = vec![inferred(9)];
    let mut proposal = world.proposal("checkout/production", git(&commits), Some(&commits));
    proposal.kind = countersign_core::snapshot::Kind::Code;
    let change = ChangeId::of_proposal(&world.say("ada", Body::Proposal(proposal)).unwrap());
    world.disclose("ada", &change, &[], &[]).unwrap();
    let status = |world: &World| Snapshot::take(&world.state.governance, world.change(&change)).unwrap().ai.status;
    assert_eq!(status(&world), AiStatus::Inferred);
    assert_eq!(world.status(&change, "ai-assisted-senior"), RuleStatus::Unsatisfied);
    // A clean revision on top does not take back what the earlier one showed.
    let clean = facts(10, &[author("ada@example.com")]);
    let push = world.new_revision(&change, git(&clean), Some(&clean));
    world.say("ada", push).unwrap();
    world.disclose("ada", &change, &[], &[]).unwrap();
    assert_eq!(status(&world), AiStatus::Inferred);
}

#[test]
fn saying_nothing_about_ai_is_no_claim_that_there_was_none() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    for by in ["grace", "linus"] {
        world.approve(by, &change).unwrap();
    }
    assert_snapshot!(world.standing(&change), @"ai-assisted-senior");
    world.disclose("ada", &change, &[], &[]).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn somebody_else_cannot_disclose_for_the_author() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    let body = Disclosure {
        change: change.clone(),
        revision: world.revision(&change),
        tools: Default::default(),
        guidance: Default::default(),
        prompted_by: [id("grace")].into(),
    };
    assert_snapshot!(told(world.say("mallory", Body::Disclosure(body))), @"not-a-contributor: mallory had no hand in change CHANGE");
}

#[test]
fn rules_are_not_changed_by_one_person_alone() {
    let mut world = World::new();
    let (reason, in_force) = (world.reason("it is in the way"), world.state.governance.record.in_force);
    let (catalog, rules) = (world.state.governance.record.catalog, world.state.governance.record.rules);
    let body = Body::Amendment(Amendment { parent: in_force, catalog, rules, reason });
    assert_snapshot!(told(world.say("mallory", body.clone())), @"two-people: what grants authority needs 2 people, this has 1");
    let mut with = |by: &str, keys: &[&str]| {
        let envelope = world.sign(&world.statement(by, body.clone()), keys);
        world.submit(envelope)
    };
    assert_snapshot!(told(with("ada", &["ada", "ada-laptop"])), @"two-people: what grants authority needs 2 people, this has 1");
    assert_snapshot!(told(with("mallory", &["mallory", "ci"])), @"only-people: ci is a workload; only a person can amend rules or catalog");
    assert_snapshot!(told(with("mallory", &["mallory", "robo"])), @"only-people: robo is an agent; only a person can amend rules or catalog");
    assert_snapshot!(told(with("mallory", &["mallory", "countersign"])), @"only-people: the server cannot grant authority");
    assert_snapshot!(told(with("mallory", &["mallory", "stranger"])), @"unknown-key: key DIGEST belongs to nobody in the catalog");
    with("ada", &["ada", "grace"]).unwrap();
    // Switched off, merged, switched on again: the second amendment names a parent that is no longer in force.
    assert_snapshot!(told(with("ada", &["ada", "grace"])), @"amendment-overtaken: the amendment replaces DIGEST, but DIGEST is in force: somebody else amended in between");
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
    assert_snapshot!(told(world.say("ada", Body::OutcomeReport(again))), @"already-reported: the permit's outcome is already Failed; it cannot become Applied");
}

#[test]
fn what_is_over_is_not_changed_any_more() {
    let mut world = World::new();
    let change = world.whole_life();
    assert_snapshot!(told(world.approve("grace", &change)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
    let push = world.new_revision(&change, file("timeout: 0"), None);
    assert_snapshot!(told(world.say("ada", push)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
}

#[test]
fn facts_about_another_subject_are_refused() {
    let mut world = World::new();
    let (pushed, said) = (facts(9, &[author("mallory@example.com")]), facts(10, &[author("ada@example.com")]));
    let proposal = world.proposal("search/production", git(&pushed), Some(&said));
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal))), @"facts-mismatch: the facts are about another subject than the change");
    let proposal = world.proposal("search/production", git(&pushed), None);
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal))), @"facts-missing: a change of a git range carries the facts of that range");
}

#[test]
fn a_gate_is_not_taken_over_by_registering_it_again() {
    let mut world = World::new();
    register_gate(&mut world);
    let registration = |key: &str, gate: &str| {
        Body::GateRegistration(GateRegistration {
            gate: gate.parse().unwrap(),
            key: world.keys[key].public(),
            repository: "shop".parse().unwrap(),
            targets: targets(&["search/production"]),
        })
    };
    let bodies = [
        registration("mallory", "shop-gate"),
        registration("mallory", "another-gate"),
        registration("countersign", "another-gate"),
        registration("stranger", "grace"),
    ];
    let codes = bodies.map(|body| world.say("mallory", body).unwrap_err().code);
    assert_eq!(codes, ["gate-exists", "key-taken", "key-taken", "gate-name-taken"]);
}
