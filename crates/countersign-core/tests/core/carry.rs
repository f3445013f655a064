//! Approvals that carry over to a revision that brings the same, and those that do not.

use countersign_core::{
    facts::{GitFacts, Role, delta},
    ids::ChangeId,
    statement::{Body, Erased, PermitRequest},
    verify::{Again, decide_again},
};
use insta::assert_snapshot;

use crate::kit::{Extracted, World, author, blob_of, co_author, facts, git, oid, told};

/// Commits by ada for `search/production` (tier 3), which linus owns and has approved.
fn approved() -> (World, ChangeId, Extracted) {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    (world, change, commits)
}

/// The same patch with another head, on this base.
fn moved(commits: &Extracted, head: u64, base: u64) -> Extracted {
    let mut commits = commits.clone();
    commits.head = oid(head);
    commits.base = oid(base);
    commits.tree = oid(1_000 + head);
    commits
}

/// A revision of these commits in the words of the one before.
fn revise(world: &mut World, by: &str, change: &ChangeId, commits: &Extracted) {
    let text = world.change(change).current().unwrap().text;
    let Body::NewRevision(mut revision) = world.new_revision(change, &git(commits), Some(commits)) else { panic!() };
    revision.text = text;
    world.say(by, Body::NewRevision(revision)).unwrap();
}

/// A request for a permit by the gate of the repository.
fn through_the_gate(world: &mut World, change: &ChangeId) -> PermitRequest {
    world.register_gate();
    let transition = world.transition(change);
    let request = world.request("git-gate", change, &transition);
    PermitRequest { gate: "shop-gate".parse().unwrap(), ..request }
}

const ASKED_AGAIN: &str = "owner-approves second-pair-of-eyes";

#[test]
fn an_approval_carries_over_to_a_new_base_a_merge_of_it_and_a_new_message() {
    let (mut world, change, commits) = approved();
    revise(&mut world, "ada", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), "allow");
    // The merge itself brings nothing.
    let (steps, other) = (commits.facts.steps(), moved(&commits, 11, 6));
    assert!(steps.is_some());
    let merged = Extracted { facts: GitFacts { merges: 1, commits: 2, steps, ..other.facts }, ..commits.clone() };
    revise(&mut world, "ada", &change, &merged);
    assert_eq!(world.standing(&change), "allow");
    revise(&mut world, "ada", &change, &moved(&commits, 12, 6));
    assert_eq!(world.standing(&change), "allow");
    // It was given once, and is not asked for again.
    let request = through_the_gate(&mut world, &change);
    world.ask_for("ada", request).unwrap();
    // The whole log, and the part of it that a decision takes, come to the same.
    world.replayed().unwrap();
    let inputs = world.change(&change).inputs(&world.state.governance, None).unwrap();
    assert!(inputs.iter().any(|stream| stream.as_str() == "person/linus"), "{inputs:?}");
}

#[test]
fn it_does_not_where_anything_that_was_approved_is_another() {
    let lost = |edit: fn(&mut Extracted)| {
        let (mut world, change, commits) = approved();
        let mut other = moved(&commits, 10, 5);
        edit(&mut other);
        revise(&mut world, "ada", &change, &other);
        world.standing(&change)
    };
    assert_eq!(lost(|_| {}), "allow");
    let patch = |commits: &mut Extracted| {
        commits.facts.paths = facts(10, &[]).facts.paths;
        commits.facts.delta = facts(10, &[]).facts.delta;
    };
    assert_eq!(lost(patch), ASKED_AGAIN);
    // What was there before is part of it.
    let upstream = |commits: &mut Extracted| {
        commits.facts.paths[0].old = facts(10, &[]).facts.paths[0].new.clone();
        commits.facts.delta = delta::digest(&commits.facts.paths);
    };
    assert_eq!(lost(upstream), ASKED_AGAIN);
    assert_eq!(lost(|commits| commits.facts.branch = "refs/heads/release".to_owned()), ASKED_AGAIN);
    assert_eq!(lost(|commits| commits.facts.repository = "shop-2".parse().unwrap()), ASKED_AGAIN);
    // Title, why, and how to roll back are in the text.
    let (mut world, change, commits) = approved();
    let moved = moved(&commits, 10, 5);
    let body = world.new_revision(&change, &git(&moved), Some(&moved));
    world.say("ada", body).unwrap();
    assert_eq!(world.standing(&change), ASKED_AGAIN);
}

/// What is added and taken back between them would stay in the history.
#[test]
fn an_approval_does_not_carry_over_to_commits_that_bring_something_else_on_the_way() {
    let (mut world, change, commits) = approved();
    let detour = |steps| GitFacts { commits: 3, steps, ..moved(&commits, 10, 5).facts };
    let other = facts(10, &[]).facts.delta;
    for steps in [Some(delta::steps(&mut [commits.facts.delta, other])), None] {
        revise(&mut world, "ada", &change, &Extracted { facts: detour(steps), ..commits.clone() });
        assert_eq!(world.standing(&change), ASKED_AGAIN);
    }
    // Without the detour it is what was approved.
    revise(&mut world, "ada", &change, &moved(&commits, 11, 5));
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn what_comes_back_to_what_was_approved_is_approved() {
    let (mut world, change, commits) = approved();
    revise(&mut world, "mallory", &change, &facts(20, &[author("mallory@example.com")]));
    assert_eq!(world.standing(&change), ASKED_AGAIN);
    revise(&mut world, "ada", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), "allow");
    // Mallory brought something else in between, and has had a hand in it.
    assert_snapshot!(told(world.approve("mallory", &change)), @"contributor: mallory cannot approve change CHANGE: they had a hand in it");
}

#[test]
fn tier_1_asks_again() {
    let mut world = World::new();
    let commits = facts(9, &[author("linus@example.com")]);
    let proposal = world.proposal("checkout/production", &git(&commits), Some(&commits));
    let change = world.begin("linus", proposal);
    world.disclose("linus", &change, &["robo"], &[]).unwrap();
    world.approve("grace", &change).unwrap();
    world.approve("barbara", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    revise(&mut world, "linus", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), "ai-assisted-senior owner-approves second-pair-of-eyes tier-1-senior");
}

#[test]
fn who_only_moves_it_on_had_no_hand_in_what_they_approved() {
    let by_linus = |roles: &[Role]| {
        let (mut world, change, commits) = approved();
        let mut linus = co_author("linus@example.com");
        linus.roles = roles.iter().copied().collect();
        linus.keys = [world.keys["linus"].public().fingerprint()].into();
        let moved = moved(&facts(9, &[author("ada@example.com"), linus]), 10, 5);
        assert_eq!(moved.delta, commits.delta);
        revise(&mut world, "linus", &change, &moved);
        (world.standing(&change), told(world.approve("linus", &change)))
    };
    let (standing, again) = by_linus(&[Role::Committer]);
    assert_eq!(standing, "allow");
    // It is the approval of before that counts, no new one.
    assert_snapshot!(again, @"contributor: linus cannot approve change CHANGE: they had a hand in it");
    assert_eq!(by_linus(&[Role::Author, Role::Committer]).0, ASKED_AGAIN);
    assert_eq!(by_linus(&[Role::CoAuthor, Role::Committer]).0, ASKED_AGAIN);
    assert_eq!(by_linus(&[Role::CoAuthor]).0, ASKED_AGAIN);
}

#[test]
fn an_approval_that_was_taken_back_does_not_come_again() {
    // By who gave it.
    let (mut world, change, commits) = approved();
    revise(&mut world, "ada", &change, &moved(&commits, 10, 5));
    world.reject("linus", &change).unwrap();
    world.lift("linus", &change).unwrap();
    assert_eq!(world.standing(&change), ASKED_AGAIN);
    world.approve("linus", &change).unwrap();
    revise(&mut world, "ada", &change, &moved(&commits, 11, 6));
    assert_eq!(world.standing(&change), "allow");
    // With the key.
    world.revoke("linus", "linus").unwrap();
    assert_eq!(world.standing(&change), ASKED_AGAIN);
    // By a cut in the log.
    let (mut world, change, commits) = approved();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    revise(&mut world, "ada", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), ASKED_AGAIN);
}

#[test]
fn a_waiver_never_carries_over() {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("barbara", &change).unwrap();
    world.waive("grace", &change, "owner-approves").unwrap();
    assert_eq!(world.standing(&change), "allow");
    revise(&mut world, "ada", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), "owner-approves");
}

/// Without the names nobody can work out who had a hand in it, and the decision is still run again.
#[test]
fn a_decision_on_carried_approvals_is_run_again_without_names() {
    let mut world = World::new();
    let commits = facts(9, &[author("grace@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    revise(&mut world, "linus", &change, &moved(&commits, 10, 5));
    let request = through_the_gate(&mut world, &change);
    world.say("ada", Body::PermitRequest(request)).unwrap();
    let (decision, decided) = world.decided(&change);
    assert_eq!(decision.outcome.to_string(), "allow");
    let again = |world: &World| decide_again(&world.state, &decided, &blob_of(&world.blobs));
    assert_eq!(again(&world), Ok(Again::Same));
    let names = world.change(&change).current().unwrap().identities_blob.unwrap();
    world.erased(&["ada", "linus"], Erased::Change(change.clone()), [names]).unwrap();
    assert_eq!(again(&world), Ok(Again::WithoutNames([names].into())));
}
