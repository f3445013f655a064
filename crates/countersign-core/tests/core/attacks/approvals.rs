//! Attacks on the second pair of eyes: who approves, who made it, and what counts.

use super::*;

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
    let push = world.new_revision(&change, &git(&pushed), Some(&pushed));
    world.say("ada", push).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    // Nor can what was approved before be said again for what is there now.
    assert_snapshot!(told(world.say("grace", old_approval)), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
}

#[test]
fn the_pusher_of_a_revision_cannot_approve_it() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let push = world.new_revision(&change, &file("timeout: 0"), None);
    world.say("mallory", push).unwrap();
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn who_pushed_an_earlier_revision_cannot_approve_a_later_one() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    for (by, content) in [("mallory", "timeout: 0"), ("ada", "timeout: 31")] {
        let push = world.new_revision(&change, &file(content), None);
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
    assert_snapshot!(told(world.say_with("ada", &["ada-laptop"], approval.clone())), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.say_with("linus", &["ada-laptop"], approval)), @"signed-by-another: the statement says that it is by linus, but it is signed by ada");
}

#[test]
fn a_second_mail_of_the_author_cannot_approve() {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@home.example")]);
    let change = world.propose_git("linus", &commits);
    assert_snapshot!(told(world.approve("ada", &change)), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
}

/// Ada's second mail becomes barbara's while a change of hers is open.
fn mail_goes_to_barbara(world: &mut World) {
    let files = crate::kit::governance_files(&world.keys);
    let edited = |path: &str, from: &str, to: &str| {
        let text = String::from_utf8(files[path].clone()).unwrap();
        assert!(text.contains(from), "{path}: {text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let hers = edited("profiles/payments.json", ",\"ada@home.example\"", "");
    let theirs = edited("profiles/_.json", "\"barbara@example.com\"", "\"ada@home.example\",\"barbara@example.com\"");
    let moved: &[(&str, Option<&[u8]>)] =
        &[("profiles/payments.json", Some(&hers)), ("profiles/_.json", Some(&theirs))];
    let change = world.amend("linus", moved);
    world.approve("ada", &change).unwrap();
    world.approve("grace", &change).unwrap();
    world.put_in_force("linus", &change).unwrap();
}

#[test]
fn a_mail_that_moves_to_another_makes_its_author_no_second_pair_of_eyes() {
    let mut world = World::new();
    let change = world.propose_git("linus", &facts(9, &[author("ada@home.example")]));
    let mut claim = author("ada@home.example");
    claim.roles = [countersign_core::facts::Role::CoAuthor].into();
    let claimed = world.propose_git("linus", &facts(10, &[author("linus@example.com"), claim]));
    mail_goes_to_barbara(&mut world);
    let made = |world: &World, change: &ChangeId| {
        let made = countersign_core::take::contributors(&world.state.governance, world.change(change));
        made.all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(made(&world, &change), "ada, barbara, linus");
    assert_snapshot!(told(world.approve("ada", &change)), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.approve("barbara", &change)), @"contributor: barbara cannot approve change CHANGE: they had a hand in it");
    // Who was only claimed then stays so, until a third person says that they had no hand in it.
    assert_eq!(made(&world, &claimed), "ada, barbara, linus");
    // Another revision does not take it back, though it names her no more.
    let anew = facts(11, &[author("linus@example.com")]);
    let push = world.new_revision(&change, &git(&anew), Some(&anew));
    world.say("linus", push).unwrap();
    assert_eq!(made(&world, &change), "ada, barbara, linus");
    let whole = world.replayed().unwrap();
    assert_eq!(whole.change(&change).unwrap(), Some(world.change(&change)));
    // What comes later is whose the mail is now.
    let later = world.propose_git("linus", &facts(12, &[author("ada@home.example")]));
    assert_eq!(made(&world, &later), "barbara, linus");
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
fn whoever_signed_a_commit_under_another_mail_cannot_approve_it() {
    let mut world = World::new();
    let unsigned = author("ada@example.com");
    let mut signed = unsigned.clone();
    signed.keys = [world.keys["linus"].public().fingerprint()].into();
    let change = of_commits(&mut world, &[signed.clone()]);
    assert_snapshot!(told(world.approve("linus", &change)), @"contributor: linus cannot approve change CHANGE: they had a hand in it");

    // The key counts though only a later revision shows it.
    let change = of_commits(&mut world, &[unsigned]);
    let pushed = facts(10, &[signed]);
    let push = world.new_revision(&change, &git(&pushed), Some(&pushed));
    world.say("ada", push).unwrap();
    assert_snapshot!(told(world.approve("linus", &change)), @"contributor: linus cannot approve change CHANGE: they had a hand in it");
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
    world.register_gate();
    let change = world.propose("ada", "search/production");
    let approval = Body::Approval(world.approval(&change));
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], approval)), @"only-people: gate shop-gate cannot approve");
}

#[test]
fn an_agent_or_a_token_proposes_only_with_a_person_who_answers_for_it() {
    for by in ["robo", "ci"] {
        let mut world = World::new();
        let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
        let alone = world.say(by, Body::Proposal(proposal.clone()));
        assert_eq!(alone.unwrap_err().code, "sponsor-missing", "{by}");

        proposal.sponsor = Some(id("mallory"));
        let change = world.begin(by, proposal);
        assert_eq!(
            world.approve("mallory", &change).unwrap_err().code,
            "contributor",
            "the sponsor is no second person"
        );
        assert_eq!(world.standing(&change), "identities-known owner-approves second-pair-of-eyes");
    }
}

#[test]
fn a_sponsor_who_was_only_named_does_not_answer_for_it() {
    let mut world = World::new();
    // Whoever steers the bot names somebody else, and approves.
    let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
    proposal.sponsor = Some(id("mallory"));
    let change = world.begin("robo", proposal);
    world.approve("linus", &change).unwrap();
    world.approve("grace", &change).unwrap();
    assert_eq!(world.standing(&change), "identities-known");

    world.disclose("mallory", &change, &["robo"], &[]).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn the_prompter_cannot_approve_the_agents_change() {
    let mut world = World::new();
    let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
    proposal.sponsor = Some(id("ada"));
    let change = world.begin("robo", proposal);
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
    let change = of_commits(&mut world, std::slice::from_ref(&nobody));
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
fn erased_names_let_nobody_through() {
    let mut world = World::new();
    let linus = author("linus@example.com");
    let commits = facts(9, std::slice::from_ref(&linus));
    let change = world.propose_git("ada", &commits);
    assert_snapshot!(told(world.approve("linus", &change)), @"contributor: linus cannot approve change CHANGE: they had a hand in it");
    world.disclose("linus", &change, &[], &[]).unwrap();
    world.erase(&Digest::of(commits.identities.to_blob().unwrap()));
    assert_snapshot!(told(world.approve("linus", &change)), @"contributor: linus cannot approve change CHANGE: they had a hand in it");
    assert_snapshot!(world.standing(&change), @"identities-known owner-approves second-pair-of-eyes");
}

#[test]
fn an_author_whose_name_was_erased_is_nobody_known() {
    let mut world = World::new();
    let linus = author("linus@example.com");
    let commits = facts(9, std::slice::from_ref(&linus));
    let change = world.propose_git("ada", &commits);
    world.erase(&Digest::of(commits.identities.to_blob().unwrap()));
    // Nobody knows any more that it was he, and so it could be anybody.
    world.approve("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"identities-known");
    world.identify("grace", &change, &linus, IdentityVerdict::Is(id("linus"))).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn whoever_an_unmapped_mail_turns_out_to_be_cannot_approve() {
    let mut world = World::new();
    let nobody = author("somebody@elsewhere.example");
    let change = of_commits(&mut world, std::slice::from_ref(&nobody));
    world.approve("linus", &change).unwrap();
    world.identify("grace", &change, &nobody, IdentityVerdict::Is(id("linus"))).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn who_was_said_to_have_had_a_hand_is_not_taken_out_again_by_another_word() {
    let mut world = World::new();
    let nobody = author("somebody@elsewhere.example");
    let change = of_commits(&mut world, std::slice::from_ref(&nobody));
    world.approve("linus", &change).unwrap();
    world.identify("grace", &change, &nobody, IdentityVerdict::Is(id("linus"))).unwrap();
    world.identify("grace", &change, &nobody, IdentityVerdict::Is(id("ada"))).unwrap();
    world.identify("grace", &change, &nobody, IdentityVerdict::Automation).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_mail_that_the_catalog_maps_cannot_be_mapped_to_another() {
    let mut world = World::new();
    let ada = author("ada@example.com");
    let change = of_commits(&mut world, std::slice::from_ref(&ada));
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
    branch.facts.branch = "refs/heads/release".to_owned();
    repository.facts.repository = "another-shop".parse().unwrap();
    base.facts.base = oid(2);
    for other in [branch, repository, base, facts(10, &[])] {
        let approval = Approval { reviewed: git(&other).reference().unwrap(), ..world.approval(&change) };
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
fn the_same_person_under_two_keys_counts_once() {
    let mut world = World::new();
    let change = world.propose("grace", "checkout/production");
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", &["ada"], approval.clone()).unwrap();
    assert_snapshot!(told(world.say_with("ada", &["ada-laptop"], approval)), @"already-approved: ada has already approved this revision");
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert_eq!(snapshot.approvals.len(), 1);
    assert_eq!(world.status(&change, "tier-1-senior"), RuleStatus::Unsatisfied);
}

#[test]
fn a_revoked_key_cannot_approve() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.revoke("barbara", "linus").unwrap();
    assert_snapshot!(told(world.approve("linus", &change)), @"key-revoked: key DIGEST was revoked by barbara, for a day unless somebody else confirms it");
}

#[test]
fn approvals_by_a_revoked_key_no_longer_count() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.revoke("barbara", "linus").unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    assert_snapshot!(denied(world.ask("ada", &change)), @"denied by owner-approves second-pair-of-eyes");
}

#[test]
fn an_approval_with_another_key_of_a_person_stays_when_one_is_revoked() {
    let mut world = World::new();
    let change = world.propose("grace", "search/production");
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", &["ada-laptop"], approval).unwrap();
    world.revoke("barbara", "ada").unwrap();
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
        world.revoke("ada", key).unwrap();
        world.confirm("grace", key).unwrap();
    }
    assert_snapshot!(world.standing(&change), @"tier-1-senior");
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
    world.revoke("ada", "barbara").unwrap();
    assert_eq!(world.status(&change, "owner-approves"), RuleStatus::Unsatisfied);
    world.waive("grace", &change, "owner-approves").unwrap();
    let push = world.new_revision(&change, &file("timeout: 0"), None);
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
fn a_new_revision_drops_approvals_and_no_rejections() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    world.approve("linus", &change).unwrap();
    let push = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Rejected);
    assert_snapshot!(world.standing(&change), @"no-rejection owner-approves second-pair-of-eyes");
    world.lift("mallory", &change).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Proposed);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_disclosure_of_none_that_a_signal_contradicts_is_no_claim() {
    let mut world = World::new();
    let mut commits = facts(9, &[author("ada@example.com")]);
    commits.facts.ai = vec![inferred(9)];
    let mut proposal = world.proposal("checkout/production", &git(&commits), Some(&commits));
    proposal.kind = countersign_core::kind::Kind::Code;
    let change = world.begin("ada", proposal);
    world.disclose("ada", &change, &[], &[]).unwrap();
    let status = |world: &World| Snapshot::take(&world.state, world.change(&change), world.now).unwrap().ai.status;
    assert_eq!(status(&world), AiStatus::Inferred);
    assert_eq!(world.status(&change, "ai-assisted-senior"), RuleStatus::Unsatisfied);
    // A clean revision on top does not take back what the earlier one showed.
    let clean = facts(10, &[author("ada@example.com")]);
    let push = world.new_revision(&change, &git(&clean), Some(&clean));
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
