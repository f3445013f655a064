//! Rollbacks that are none: one signature brings back what ran immediately before, and nothing else.

use countersign_core::{
    calendar::Scope,
    facts::{Entry, GitFacts, Size, TouchedPath, delta, size},
    ids::{FindingId, Target},
    kind::{Kind, Purpose},
    rollback::{AFTER_REVIEW_SECS, NoRollback, Rollback, instead, reviewers, rollback},
    statement::{Finding, FindingAnswer, Matter, Seen},
    verify::verify,
};

use std::collections::BTreeSet;

use super::*;

const DAY: i64 = 24 * 60 * 60;
pub(super) const SEARCH: &str = "search/production";

/// A path, with its content before and after; 0: it is not there.
pub(super) type Path<'a> = (&'a str, u64, u64);

/// Commits of `mail` that do this to paths.
pub(super) fn commits(n: u64, paths: &[Path<'_>], mail: &str) -> Extracted {
    let mut commits = facts(n, &[author(mail)]);
    let entry = |id: u64| (id > 0).then(|| Entry { mode: 0o100_644, id: oid(id) });
    let touched =
        |(path, old, new): &Path<'_>| TouchedPath { path: (*path).to_owned(), old: entry(*old), new: entry(*new) };
    let paths: Vec<TouchedPath> = paths.iter().map(touched).collect();
    let lines = vec![commits.facts.lines[0]; paths.len()];
    let size = Size { lines: size::sum(&lines), ..Size::of_files(paths.len()) };
    commits.facts = GitFacts { delta: delta::digest(&paths), paths, lines, size, ..commits.facts.clone() };
    commits
}

pub(super) fn proposed(world: &mut World, by: &str, target: &str, commits: &Extracted, purpose: Purpose) -> ChangeId {
    let mut proposal = world.proposal(target, &git(commits), Some(commits));
    proposal.purpose = purpose;
    world.begin(by, proposal)
}

pub(super) fn restoring(change: &ChangeId) -> Purpose {
    Purpose { restores: Some(change.clone()), ..Purpose::default() }
}

pub(super) fn land(world: &mut World, change: &ChangeId) {
    let transition = world.transition(change);
    let request =
        PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", change, &transition) };
    let permit = world.ask_for("barbara", request);
    let report = world.outcome(change, permit.unwrap(), OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    world.now = world.now.plus_secs(60);
}

/// Proposed by somebody, approved by somebody else, and landed.
fn landed(world: &mut World, by: &str, approver: &str, commits: &Extracted, purpose: Purpose) -> ChangeId {
    let change = proposed(world, by, SEARCH, commits, purpose);
    world.approve(approver, &change).unwrap();
    land(world, &change);
    change
}

/// The log holds, and so does the part that a bundle of each change has.
pub(super) fn verified(world: &World) {
    let whole = verify(&world.trust, &world.evidence(), world.now);
    assert!(whole.holds(), "{whole:?}");
    for change in world.state.changes() {
        let part = verify(&world.trust, &world.part(&change.id), world.now);
        assert!(part.holds(), "{part:?}");
    }
}

/// `good` landed, then `bad` by ada, both through a gate that enforces.
pub(super) fn burning() -> (World, ChangeId, ChangeId) {
    let mut world = World::new();
    world.register_gate();
    let good = landed(&mut world, "ada", "linus", &commits(2, &[("a", 0, 11)], "ada@example.com"), Purpose::default());
    let bad = landed(
        &mut world,
        "ada",
        "mallory",
        &commits(3, &[("a", 11, 12), ("b", 0, 21)], "ada@example.com"),
        Purpose::default(),
    );
    (world, good, bad)
}

/// What takes `bad` back, exactly.
pub(super) fn back() -> Extracted {
    commits(4, &[("a", 12, 11), ("b", 21, 0)], "linus@example.com")
}

pub(super) fn why(world: &World, change: &ChangeId) -> String {
    assert_ne!(world.standing(change), "allow");
    assert_eq!(world.decision(change).rollback, None);
    match rollback(&world.state, world.change(change), world.now).unwrap() {
        Rollback::IsNot(why) => crate::kit::masked(&why.to_string().replace(change.short(), "IT")),
        other => panic!("{other:?}"),
    }
}

pub(super) fn reason(world: &World, change: &ChangeId) -> NoRollback {
    match rollback(&world.state, world.change(change), world.now).unwrap() {
        Rollback::IsNot(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_owner_rolls_back_alone_and_somebody_else_looks_at_it_afterwards() {
    let (mut world, good, bad) = burning();
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    // No rejection stops it, and neither does a rule.
    world.reject("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Nor does a freeze, which stops every other change there.
    let other = proposed(&mut world, "linus", SEARCH, &back(), Purpose::default());
    world.freeze("barbara", Scope::default(), 4).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert!(world.standing(&other).contains("frozen"));
    let decision = world.decision(&change);
    let view = decision.rollback.clone().unwrap();
    assert_eq!((view.by, view.restores, view.undoes), (id("linus"), good.clone(), bad.clone()));
    let aside = decision.rules.iter().filter(|rule| rule.status == RuleStatus::SetAside).count();
    assert!(aside > 0 && !decision.rules.iter().any(|rule| rule.status == RuleStatus::Unsatisfied));
    land(&mut world, &change);
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
    // Somebody else answers, and nobody is asked twice.
    let target: Target = SEARCH.parse().unwrap();
    let matter = Matter::AfterReview {
        by: id("linus"),
        change: change.clone(),
        restores: good.clone(),
        targets: [target.clone()].into(),
    };
    let who = reviewers(
        &world.state.governance,
        &[target.clone()].into(),
        &[id("linus")].into(),
        &BTreeSet::new(),
        world.now,
    );
    assert_eq!(who, [id("mallory")].into());
    let finding = Finding {
        apart: [].into(),
        due: world.now.plus_secs(AFTER_REVIEW_SECS),
        text: None,
        what: matter.clone(),
        who,
    };
    let own = Finding { who: [id("linus")].into(), ..finding.clone() };
    assert_snapshot!(told(world.say("countersign", Body::Finding(own))), @"your-own-act: linus did that alone, and somebody else looks at it");
    let late = Finding { due: world.now.plus_secs(AFTER_REVIEW_SECS + 1), ..finding.clone() };
    assert_snapshot!(told(world.say("countersign", Body::Finding(late))), @"finding-due: what somebody did alone is looked at within 72 hours");
    let raised = world.say("countersign", Body::Finding(finding.clone())).unwrap();
    let again = Finding { who: [id("ada")].into(), ..finding };
    assert!(told(world.say("countersign", Body::Finding(again))).starts_with("not-rolled-back"));
    let found = FindingId::of_finding(&raised);
    let answer = |world: &mut World, by: &str, what: &Matter| {
        let text = world.reason("it was the timeout");
        world.say(
            by,
            Body::FindingAnswer(FindingAnswer {
                finding: found.clone(),
                seen: Some(Seen::Computed),
                text,
                what: what.clone(),
            }),
        )
    };
    assert!(told(answer(&mut world, "linus", &matter)).starts_with("your-own-act"));
    assert!(told(answer(&mut world, "ada", &matter)).starts_with("another-answers"));
    let other = Matter::NobodyCan { rule: "owner-approves".parse().unwrap(), target: target.clone() };
    assert!(told(answer(&mut world, "mallory", &other)).starts_with("another-finding"));
    answer(&mut world, "mallory", &matter).unwrap();
    assert!(told(answer(&mut world, "mallory", &matter)).starts_with("already-answered"));
    assert!(world.state.target(&target).unwrap().unwrap().findings.is_empty());
    // Whoever replays the log comes to the same.
    let replayed = world.replayed().unwrap();
    assert_eq!(replayed.target(&target).unwrap(), world.state.target(&target).unwrap());
    assert_eq!(
        replayed.finding(&found).unwrap().unwrap().answered,
        world.state.finding(&found).unwrap().unwrap().answered
    );
    verified(&world);
}

#[test]
fn no_rollback_to_a_subject_that_never_ran_there() {
    let (mut world, good, bad) = burning();
    let invented = commits(4, &[("a", 12, 13), ("b", 21, 0)], "linus@example.com");
    let change = proposed(&mut world, "linus", SEARCH, &invented, restoring(&good));
    assert_snapshot!(why(&world, &change).replace(bad.short(), "BAD"), @"it does not take back exactly BAD, which landed last on search/production, all of it and nothing else");
    // Nor to what ran somewhere else, nor where nothing is known to have run before.
    let elsewhere = proposed(&mut world, "grace", "checkout/production", &back(), restoring(&good));
    assert!(matches!(reason(&world, &elsewhere), NoRollback::NothingLanded(_)));
    // Nor does it say what it would bring back.
    let lies = proposed(&mut world, "linus", SEARCH, &back(), restoring(&bad));
    assert!(matches!(reason(&world, &lies), NoRollback::AnotherNamed { .. }));
    let mut world = World::new();
    world.register_gate();
    let first =
        landed(&mut world, "ada", "linus", &commits(2, &[("a", 10, 11)], "ada@example.com"), Purpose::default());
    let before = commits(3, &[("a", 11, 10)], "linus@example.com");
    let change = proposed(&mut world, "linus", SEARCH, &before, restoring(&first));
    assert!(matches!(reason(&world, &change), NoRollback::NothingBefore { .. }));
}

#[test]
fn no_rollback_that_leaves_a_path_or_reverts_somebody_elses_fix_as_well() {
    let (mut world, good, _bad) = burning();
    let half = commits(4, &[("a", 12, 11)], "linus@example.com");
    let half = proposed(&mut world, "linus", SEARCH, &half, restoring(&good));
    assert!(matches!(reason(&world, &half), NoRollback::Another { .. }));
    let more = commits(4, &[("a", 12, 11), ("b", 21, 0), ("c", 0, 31)], "linus@example.com");
    let more = proposed(&mut world, "linus", SEARCH, &more, restoring(&good));
    assert!(matches!(reason(&world, &more), NoRollback::Another { .. }));
    // Mallory's fix landed meanwhile: what undoes ada's change is no rollback any more, with the fix or without it.
    let fix = commits(5, &[("c", 0, 31)], "mallory@example.com");
    let fix = landed(&mut world, "mallory", "linus", &fix, Purpose::default());
    let both = commits(6, &[("a", 12, 11), ("b", 21, 0), ("c", 31, 0)], "linus@example.com");
    let both = proposed(&mut world, "linus", SEARCH, &both, restoring(&good));
    assert_snapshot!(why(&world, &both).replace(fix.short(), "FIX"), @"it does not take back exactly FIX, which landed last on search/production, all of it and nothing else");
    let around = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert!(matches!(reason(&world, &around), NoRollback::Another { .. }));
}

#[test]
fn no_way_back_past_a_security_fix_or_a_schema() {
    let secure = |purpose: Purpose, kind: Kind| {
        let mut world = World::new();
        world.register_gate();
        let good =
            landed(&mut world, "ada", "linus", &commits(2, &[("a", 0, 11)], "ada@example.com"), Purpose::default());
        let fix = commits(3, &[("a", 11, 12), ("b", 0, 21)], "ada@example.com");
        let mut proposal = world.proposal(SEARCH, &git(&fix), Some(&fix));
        (proposal.purpose, proposal.kind) = (purpose, kind);
        let fix = world.begin("ada", proposal);
        world.approve("linus", &fix).unwrap();
        land(&mut world, &fix);
        let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
        assert_eq!(reason(&world, &change), NoRollback::NoWayBack(fix));
        assert_ne!(world.standing(&change), "allow");
    };
    secure(Purpose { security: true, ..Purpose::default() }, Kind::Config);
    secure(Purpose { no_way_back: true, ..Purpose::default() }, Kind::Config);
    secure(Purpose::default(), Kind::Schema);
}

#[test]
fn no_rollback_of_the_rollback_and_no_second_one_by_the_same_person() {
    let (mut world, good, bad) = burning();
    let first = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    land(&mut world, &first);
    // What was rolled back comes again by an ordinary change alone.
    let again = commits(5, &[("a", 11, 12), ("b", 0, 21)], "mallory@example.com");
    for named in [&bad, &first, &good] {
        let again = proposed(&mut world, "mallory", SEARCH, &again, restoring(named));
        assert!(matches!(reason(&world, &again), NoRollback::Another { .. }), "{named}");
    }
    // Another step back needs something before it, and another person.
    let (mut world, good, bad) = burning();
    let worse = commits(5, &[("c", 0, 31)], "ada@example.com");
    landed(&mut world, "ada", "linus", &worse, Purpose::default());
    let step = commits(6, &[("c", 31, 0)], "linus@example.com");
    let step = proposed(&mut world, "linus", SEARCH, &step, restoring(&bad));
    land(&mut world, &step);
    let second = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert!(matches!(reason(&world, &second), NoRollback::Second { .. }));
    assert_ne!(world.standing(&second), "allow");
    let others = proposed(&mut world, "mallory", SEARCH, &back(), restoring(&good));
    assert_eq!(world.standing(&others), "allow");
    world.now = world.now.plus_secs(DAY);
    assert_eq!(world.standing(&second), "allow");
}

#[test]
fn no_rollback_by_who_is_no_owner_or_whose_key_is_gone_or_too_late() {
    let (mut world, good, _bad) = burning();
    // Barbara is a principal, and owns nothing here; a workload owns nothing ever.
    let by_barbara = proposed(&mut world, "barbara", SEARCH, &back(), restoring(&good));
    assert_snapshot!(why(&world, &by_barbara), @"barbara, who proposed it, neither owns search/production nor is on call for it");
    let mut proposal = world.proposal(SEARCH, &git(&back()), Some(&back()));
    (proposal.purpose, proposal.sponsor) = (restoring(&good), Some(id("linus")));
    let by_robo = world.begin("robo", proposal);
    assert!(matches!(reason(&world, &by_robo), NoRollback::NoPerson(_)));
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert_eq!(world.standing(&change), "allow");
    let then = world.now;
    world.now = world.now.plus_secs(7 * DAY);
    assert!(matches!(reason(&world, &change), NoRollback::TooOld(_)));
    world.now = then;
    world.revoke("mallory", "linus").unwrap();
    assert!(matches!(reason(&world, &change), NoRollback::NoPerson(_)));
}

#[test]
fn no_rollback_through_a_watching_gate() {
    let watch = |world: &mut World, on: bool| {
        let watching = [("refs/heads/main".to_owned(), targets(&[SEARCH]))];
        let reason = Some(world.reason("we begin"));
        let registration = match on {
            true => GateRegistration {
                map: Some(Digest::of("map")),
                watching: watching.into(),
                reason,
                ..world.registration()
            },
            false => world.registration(),
        };
        let keys: &[&str] = if on { &["barbara", "grace"] } else { &["barbara"] };
        world.say_with("barbara", keys, Body::GateRegistration(registration)).unwrap();
        world.now = world.now.plus_secs(60);
    };
    // What landed while the gate only watched is nothing to go back to, also when it enforces again.
    let mut world = World::new();
    world.register_gate();
    watch(&mut world, true);
    let good = landed(&mut world, "ada", "linus", &commits(2, &[("a", 0, 11)], "ada@example.com"), Purpose::default());
    watch(&mut world, false);
    let bad = commits(3, &[("a", 11, 12), ("b", 0, 21)], "ada@example.com");
    landed(&mut world, "ada", "linus", &bad, Purpose::default());
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert!(matches!(reason(&world, &change), NoRollback::Watched(_)));
    // Nor is what the gate let pass since, of which the log knows nothing: the gate's own request tells.
    let (mut world, good, _bad) = burning();
    watch(&mut world, true);
    watch(&mut world, false);
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    let transition = world.transition(&change);
    let request =
        PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", &change, &transition) };
    assert!(denied(world.ask_for("barbara", request)).starts_with("denied by"));
    assert!(matches!(reason(&world, &change), NoRollback::Watched(_)));
    // Nor what stood there when the gate was gone round.
    let (mut world, good, _bad) = burning();
    let moved = world.moved("shop-gate", &[SEARCH], 7);
    world.say_with("shop-gate", &["git-gate"], Body::Finding(moved)).unwrap();
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert!(matches!(reason(&world, &change), NoRollback::NothingLanded(_)));
}

#[test]
fn no_rollback_to_what_was_applied_over_a_standing_rejection() {
    let (mut world, good, _bad) = burning();
    let first = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    world.reject("ada", &first).unwrap();
    land(&mut world, &first);
    // What runs now was rejected by somebody: whatever comes next, going back to it takes two.
    let next = commits(5, &[("c", 0, 31)], "ada@example.com");
    landed(&mut world, "ada", "linus", &next, Purpose::default());
    let change = commits(6, &[("c", 31, 0)], "mallory@example.com");
    let change = proposed(&mut world, "mallory", SEARCH, &change, restoring(&good));
    assert!(matches!(reason(&world, &change), NoRollback::OverRejection(_)));
    assert_ne!(world.standing(&change), "allow");
}

/// Files and their command, as they were.
#[test]
fn files_are_rolled_back_to_the_same_digests_and_command() {
    let mut world = World::new();
    let apply = |world: &mut World, by: &str, content: &str, purpose: Purpose, result: OutcomeResult| {
        let mut proposal = world.proposal(SEARCH, &file(content), None);
        proposal.purpose = purpose;
        let change = world.begin(by, proposal);
        if world.change(&change).purpose.restores.is_none() {
            world.approve("linus", &change).unwrap();
        }
        let permit = world.ask(by, &change).unwrap();
        world.report(by, &change, permit, OutcomeResult::Started).unwrap();
        world.report(by, &change, permit, result).unwrap();
        world.now = world.now.plus_secs(60);
        change
    };
    let good = apply(&mut world, "ada", "good", Purpose::default(), OutcomeResult::Applied);
    // A command that failed may have done half of it.
    apply(&mut world, "ada", "bad", Purpose::default(), OutcomeResult::Failed);
    let mut other = world.proposal(SEARCH, &file("worse"), None);
    other.purpose = restoring(&good);
    let other = world.begin("linus", other);
    assert!(matches!(reason(&world, &other), NoRollback::Another { .. }));
    // Its rejection does not stop its start, either.
    let mut proposal = world.proposal(SEARCH, &file("good"), None);
    proposal.purpose = restoring(&good);
    let change = world.begin("linus", proposal);
    world.reject("ada", &change).unwrap();
    let permit = world.ask("linus", &change).unwrap();
    world.report("linus", &change, permit, OutcomeResult::Started).unwrap();
    world.report("linus", &change, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
    let record = world.state.target(&SEARCH.parse().unwrap()).unwrap().unwrap();
    assert_eq!(
        record.history.through(&"apply".parse().unwrap()).iter().map(|landed| &landed.change).collect::<Vec<_>>(),
        [&good]
    );
    assert_eq!(record.history.rolled_back.len(), 1);
    verified(&world);
}

/// Who proposes a revert and does not say so is told that one signature would do; who asks for a little more is not.
#[test]
fn a_plain_revert_of_the_last_landing_is_told_what_one_signature_would_do() {
    let (mut world, good, bad) = burning();
    // Whoever neither owns it nor is on call is told, too: somebody who does can.
    let change = proposed(&mut world, "ada", SEARCH, &back(), Purpose::default());
    assert_ne!(world.standing(&change), "allow", "a claim is signed, or it is none");
    assert_eq!(instead(&world.state, world.change(&change), world.now).unwrap().as_ref(), Some(&bad));
    let current = world.change(&change).clone();
    let presence = countersign_core::presence::Presence::default();
    let told = countersign_core::explain::Explained::standing(&world.state, &current, &presence, world.now).unwrap();
    assert_snapshot!(told.explanation.rollback.unwrap().replace(bad.short(), "BAD"), @"it takes back exactly BAD, which landed last: to bring back what ran before takes one signature, of an owner or of who is on call: countersign rollback search/production --why TEXT");
    let more = commits(4, &[("a", 12, 11), ("b", 21, 0), ("c", 0, 1)], "linus@example.com");
    let more = proposed(&mut world, "ada", SEARCH, &more, Purpose::default());
    assert_eq!(instead(&world.state, world.change(&more), world.now).unwrap(), None);
    let said = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert_eq!(instead(&world.state, world.change(&said), world.now).unwrap(), None, "it says so itself");
    world.now = world.now.plus_secs(8 * DAY);
    assert_eq!(instead(&world.state, world.change(&change), world.now).unwrap(), None, "too late for one");
}
