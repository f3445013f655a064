//! Emergencies that shed what comes after them: the after-review, the limit of a day, and who is asked.

use std::collections::BTreeSet;

use countersign_core::{
    admit::enough_broke,
    glass::GLASS_SECS,
    ids::FindingId,
    kind::Purpose,
    landed::{BrokenGlass, Landed, RolledBack},
    rollback::{NoRollback, Rollback, asked, reviewers, rollback},
    statement::{BreakGlass, Finding, FindingAnswer, Matter},
    take,
    verify::verify,
};

use super::{newcomers::with_zoe, rollback::*, *};

const DAY: i64 = 24 * 60 * 60;
const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

fn history(world: &World) -> (Vec<Landed>, Vec<RolledBack>, Vec<BrokenGlass>) {
    let history = world.state.target(&SEARCH.parse().unwrap()).unwrap().unwrap().history.clone();
    (history.landed.into_values().flatten().collect(), history.rolled_back, history.broken)
}

/// Files that a command brings, proposed by somebody.
fn files(world: &mut World, by: &str, subject: &Subject, purpose: Purpose) -> ChangeId {
    let mut proposal = world.proposal(SEARCH, subject, None);
    proposal.purpose = purpose;
    world.begin(by, proposal)
}

/// Approved by linus, and applied by ada.
fn applied(world: &mut World, subject: &Subject) -> ChangeId {
    let change = files(world, "ada", subject, Purpose::default());
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Started).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
    world.now = world.now.plus_secs(60);
    change
}

/// The same file by another command.
fn by_another_command(content: &str) -> Subject {
    match file(content) {
        Subject::Files(subject) => {
            Subject::Files(FilesSubject { command: Some(vec!["rm".to_owned(), "app.yaml".to_owned()]), ..subject })
        }
        other => other,
    }
}

/// By linus, at the gate of whoever runs a command.
fn glass_of_a_command(world: &mut World, change: &ChangeId) -> BreakGlass {
    let audience = world.keys["linus"].public().fingerprint();
    BreakGlass { audience, gate: "apply".parse().unwrap(), ..world.glass(change) }
}

fn glass_broken(world: &World, change: &ChangeId, (by, glass): (&str, Digest), over: &[&str], who: &str) -> Body {
    let what = Matter::GlassBroken {
        by: [id(by)].into(),
        change: change.clone(),
        glass,
        over: over.iter().map(|by| id(by)).collect(),
        targets: targets(&[SEARCH]),
    };
    Body::Finding(Finding {
        apart: [].into(),
        due: world.now.plus_secs(3_600),
        text: None,
        what,
        who: [id(who)].into(),
    })
}

/// Anybody can approve; what counts is what the rules ask for.
#[test]
fn an_approval_that_does_not_count_sheds_no_after_review_of_a_rollback() {
    let rolled_back = |approver: &str| {
        let (mut world, good, _bad) = burning();
        let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
        world.approve(approver, &change).unwrap();
        land(&mut world, &change);
        verified(&world);
        history(&world).1
    };
    // A senior of elsewhere, and somebody who owns something else.
    for approver in ["barbara", "ada"] {
        let rolled = rolled_back(approver);
        assert!(rolled.len() == 1 && rolled[0].unreviewed, "{approver}: {rolled:?}");
    }
    // The other owner: that is all that the rules ask of anybody.
    assert_eq!(rolled_back("mallory"), []);
}

/// What the log says of it `verify` works out again.
#[test]
fn a_server_that_calls_a_rollback_seen_is_found() {
    let mut world = World::new();
    let good = applied(&mut world, &file("good"));
    applied(&mut world, &file("bad"));
    let change = files(&mut world, "linus", &file("good"), restoring(&good));
    world.requested("linus", &change);
    let (_, decided) = world.decided(&change);
    assert!(decided.recovers);
    world.say("countersign", Body::Decided(Decided { recovers: false, ..decided })).unwrap();
    let report = verify(&world.trust, &world.evidence(), world.now);
    let said: Vec<&str> = report.steps.iter().map(|step| step.detail.as_str()).collect();
    assert!(!report.holds() && said.iter().any(|said| said.contains("one person's rollback")), "{said:?}");
}

/// The limit of a day and the after-review hold for a rollback that a gate let go alone, too.
#[test]
fn a_rollback_in_an_outage_is_one_persons_all_the_same() {
    let (mut world, good, _bad) = burning();
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    let alone = world.local_permit(&change);
    let permit = world.say_with("shop-gate", &["git-gate"], Body::LocalPermit(alone)).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let (_, rolled, _) = history(&world);
    assert!(rolled.len() == 1 && rolled[0].unreviewed, "{rolled:?}");
    let whole = verify(&world.trust, &world.evidence(), world.now);
    assert!(whole.holds(), "{whole:?}");
}

/// From its start on it counts, however it ends, and nobody begins it a second time alone.
#[test]
fn a_rollback_whose_command_is_killed_counts_from_its_start() {
    let mut world = World::new();
    let good = applied(&mut world, &file("good"));
    let bad = applied(&mut world, &file("bad"));
    let change = files(&mut world, "linus", &file("good"), restoring(&good));
    let permit = world.ask("linus", &change).unwrap();
    world.report("linus", &change, permit, OutcomeResult::Started).unwrap();
    let (landed, rolled, _) = history(&world);
    assert!(rolled.len() == 1 && rolled[0].unreviewed, "{rolled:?}");
    // What it takes back runs no more, as far as anybody knows; what it brings back is not there yet.
    assert_eq!(
        landed.iter().map(|one| (&one.change, one.failed)).collect::<Vec<_>>(),
        [(&good, false), (&change, true)]
    );
    let again = files(&mut world, "linus", &file("good"), restoring(&good));
    assert!(matches!(reason(&world, &again), NoRollback::Second { .. }));
    assert_ne!(world.standing(&again), "allow");
    // Nor by another revision of it, nor once it is said to have failed.
    world.report("linus", &change, permit, OutcomeResult::Failed).unwrap();
    assert!(matches!(reason(&world, &change), NoRollback::Second { .. }));
    assert_eq!(history(&world).1.len(), 1);
    // What it was to take back is rolled back, and nothing to go back to alone.
    let onward = files(&mut world, "mallory", &file("bad"), restoring(&bad));
    assert!(matches!(reason(&world, &onward), NoRollback::Another { .. }));
    // Recovery goes on: another person brings back what ran well.
    let another = files(&mut world, "mallory", &file("good"), restoring(&good));
    assert_eq!(world.standing(&another), "allow");
    let permit = world.ask("mallory", &another).unwrap();
    world.report("mallory", &another, permit, OutcomeResult::Started).unwrap();
    world.report("mallory", &another, permit, OutcomeResult::Applied).unwrap();
    let (landed, rolled, _) = history(&world);
    assert_eq!(landed.iter().map(|one| &one.change).collect::<Vec<_>>(), [&good]);
    assert_eq!(rolled.len(), 2);
    verified(&world);
}

/// An ordinary change that was cut off is what is taken back, and never what is gone back to.
#[test]
fn a_command_that_was_cut_off_can_be_taken_back() {
    let mut world = World::new();
    let good = applied(&mut world, &file("good"));
    let bad = files(&mut world, "ada", &file("bad"), Purpose::default());
    world.approve("linus", &bad).unwrap();
    let permit = world.ask("ada", &bad).unwrap();
    world.report("ada", &bad, permit, OutcomeResult::Started).unwrap();
    let change = files(&mut world, "linus", &file("good"), restoring(&good));
    assert_eq!(world.standing(&change), "allow");
    world.report("ada", &bad, permit, OutcomeResult::Applied).unwrap();
    assert_eq!(
        history(&world).0.iter().map(|one| (&one.change, one.failed)).collect::<Vec<_>>(),
        [(&good, false), (&bad, false)]
    );
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn broken_glass_whose_command_is_killed_is_looked_at() {
    let mut world = World::new();
    let change = files(&mut world, "ada", &file("mended"), Purpose::default());
    let glass = glass_of_a_command(&mut world, &change);
    let permit = world.say("linus", Body::BreakGlass(glass)).unwrap();
    let asked = glass_broken(&world, &change, ("linus", permit), &[], "mallory");
    world.say("countersign", asked.clone()).unwrap();
    world.report("linus", &change, permit, OutcomeResult::Started).unwrap();
    // That it failed, or went well, makes no second one of it.
    world.report("linus", &change, permit, OutcomeResult::Failed).unwrap();
    assert!(told(world.say("countersign", asked)).starts_with("glass-not-broken"));
    verified(&world);
}

/// Whoever breaks the glass could silence the gate that would say how it ended, and break it a second time while the first is looked at.
#[test]
fn a_gate_that_was_silenced_after_the_glass_was_broken_sheds_no_after_review() {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    let glass = world.glass(&change);
    let first = world.say("linus", Body::BreakGlass(glass)).unwrap();
    world.revoke("linus", "git-gate").unwrap();
    let report = world.outcome(&change, first, OutcomeResult::Applied);
    assert!(told(world.say_with("shop-gate", &["git-gate"], report.clone())).starts_with("key-"));
    let asked = glass_broken(&world, &change, ("linus", first), &[], "mallory");
    world.say("countersign", asked).unwrap();
    // Its next key says what the one before was given.
    world.confirm("grace", "git-gate").unwrap();
    let next = GateRegistration { key: world.keys["stranger"].public(), ..world.registration() };
    world.say("barbara", Body::GateRegistration(next)).unwrap();
    let glass = BreakGlass { audience: world.keys["stranger"].public().fingerprint(), ..world.glass(&change) };
    let second = world.say("linus", Body::BreakGlass(glass)).unwrap();
    let again = glass_broken(&world, &change, ("linus", second), &[], "mallory");
    world.say("countersign", again).unwrap();
    let report = world.outcome(&change, first, OutcomeResult::Applied);
    world.say_with("shop-gate", &["stranger"], report).unwrap();
    verified(&world);
}

/// A permit keeps a change from landing elsewhere, and who runs a command chooses the moment.
#[test]
fn a_stranger_to_a_change_asks_for_no_permit_of_it() {
    let mut world = World::new();
    let gate = GateRegistration { targets: targets(&["checkout/production"]), ..world.registration() };
    world.say("barbara", Body::GateRegistration(gate)).unwrap();
    let commits = facts(2, &[author("ada@example.com")]);
    let proposal = world.proposal("checkout/production", &git(&commits), Some(&commits));
    let change = world.begin("ada", proposal);
    let at_the_gate = |world: &mut World, by: &str| {
        let transition = world.transition(&change);
        let gate = world.registration();
        let asked = PermitRequest {
            audience: gate.key.fingerprint(),
            gate: gate.gate,
            ..world.request(by, &change, &transition)
        };
        match world.say(by, Body::PermitRequest(asked)) {
            Ok(_) => "taken".to_owned(),
            refused => told(refused),
        }
    };
    assert_snapshot!(at_the_gate(&mut world, "mallory"), @"not-yours: mallory had no hand in change CHANGE, and neither owns what it goes to nor is on call for it, a senior or of the policy group");
    assert!(at_the_gate(&mut world, "robo").starts_with("not-yours"));
    for who in ["ada", "grace", "barbara"] {
        assert_eq!(at_the_gate(&mut world, who), "taken", "{who}");
    }
    let mut proposal = world.proposal("checkout/production", &file("good"), None);
    proposal.purpose = Purpose::default();
    let change = world.begin("ada", proposal);
    world.approve("grace", &change).unwrap();
    let transition = world.transition(&change);
    let asked = world.request("mallory", &change, &transition);
    assert!(told(world.say("mallory", Body::PermitRequest(asked))).starts_with("not-yours"));
}

#[test]
fn a_rollback_that_runs_another_command_or_brings_files_of_other_names_takes_two() {
    let mut world = World::new();
    let good = applied(&mut world, &by_another_command("good"));
    let bad = applied(&mut world, &file("bad"));
    let change = files(&mut world, "linus", &by_another_command("good"), restoring(&good));
    let why = why(&world, &change).replace(bad.short(), "BAD").replace(good.short(), "GOOD");
    assert_snapshot!(why, @"before BAD ran GOOD on search/production, by another command or over files of other names: running that again takes nothing back");
    // Other names are as another command.
    let mut world = World::new();
    let Subject::Files(named) = file("good") else { unreachable!() };
    let other = [("other.yaml".to_owned(), Digest::of("good"))].into();
    let other = Subject::Files(FilesSubject { files: other, ..named });
    let good = applied(&mut world, &other);
    applied(&mut world, &file("bad"));
    let change = files(&mut world, "linus", &other, restoring(&good));
    assert!(matches!(reason(&world, &change), NoRollback::AnotherCommand { .. }));
    assert_ne!(world.standing(&change), "allow");
}

/// What comes and goes between the commits would stay in the history, and one signature lets in nothing that nobody has seen.
#[test]
fn a_rollback_that_brings_history_which_nobody_saw_takes_two() {
    let (mut world, good, _bad) = burning();
    for (commits, merges) in [(3, 0), (1, 1), (2, 1)] {
        let mut several = back();
        (several.facts.commits, several.facts.merges) = (commits, merges);
        let change = proposed(&mut world, "linus", SEARCH, &several, restoring(&good));
        assert_eq!(reason(&world, &change), NoRollback::SeveralCommits(commits));
        assert_ne!(world.standing(&change), "allow");
    }
    let change = proposed(&mut world, "linus", SEARCH, &back(), restoring(&good));
    assert!(matches!(rollback(&world.state, world.change(&change), world.now).unwrap(), Rollback::Is(_)));
}

/// A trailer that anybody writes does not choose who looks at it.
#[test]
fn a_forged_co_author_is_still_asked_for_the_after_review() {
    let mut world = World::new();
    let commits =
        facts(2, &[author("linus@example.com"), co_author("mallory@example.com"), co_author("grace@example.com")]);
    let change = world.propose_git("linus", &commits);
    let contributors = take::contributors(&world.state.governance, world.change(&change));
    assert!(contributors.all.contains(&id("mallory")), "{contributors:?}");
    let hands = contributors.but_claimed();
    let who = |hands: &BTreeSet<_>| {
        let of = targets(&[SEARCH]);
        reviewers(&world.state.governance, &of, hands, &BTreeSet::new(), world.now)
    };
    assert_eq!(who(&hands), [id("mallory")].into());
}

/// What was said of the same content in another change is named as well, or it goes nowhere.
#[test]
fn break_glass_over_a_rejection_shaken_off_by_proposing_anew() {
    let mut world = World::new();
    world.register_gate();
    let commits = facts(2, &[author("ada@example.com")]);
    let first = world.propose_git("ada", &commits);
    world.reject("mallory", &first).unwrap();
    world.withdraw("ada", &first).unwrap();
    let change = world.propose_git("ada", &commits);
    assert_eq!(world.change(&change).standing_rejections().count(), 0);
    let glass = world.glass(&change);
    assert_snapshot!(told(world.say("linus", Body::BreakGlass(glass.clone()))), @"stop-not-named: mallory has rejected change CHANGE, or what it brings; whoever goes over that says so");
    let named = BreakGlass { overrides: [id("mallory")].into(), ..glass };
    let permit = world.say("linus", Body::BreakGlass(named)).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let silent = glass_broken(&world, &change, ("linus", permit), &[], "mallory");
    assert!(told(world.say("countersign", silent)).starts_with("glass-not-broken"));
    let asked = glass_broken(&world, &change, ("linus", permit), &["mallory"], "mallory");
    let Body::Finding(finding) = &asked else { unreachable!() };
    assert!(finding.what.words().contains("over the rejection of mallory"));
    world.say("countersign", asked).unwrap();
    verified(&world);
}

/// Who signed without the log did not know of it; who looks at it afterwards does.
#[test]
fn a_rejection_that_an_outage_passed_over_is_named_to_who_looks_at_it() {
    let over = |late: i64| {
        let mut world = World::new();
        world.register_gate();
        let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
        let glass = BreakGlass { nonce: Some(NONCE.parse().unwrap()), ..world.glass(&change) };
        world.now = world.now.plus_secs(late);
        world.reject("grace", &change).unwrap();
        let permit = world.say("linus", Body::BreakGlass(glass)).unwrap();
        let report = world.outcome(&change, permit, OutcomeResult::Applied);
        world.say_with("shop-gate", &["git-gate"], report).unwrap();
        verified(&world);
        let broken = world.change(&change).permits.last().unwrap().broken.clone().unwrap();
        assert_eq!(history(&world).2[0].over, broken.unnamed);
        broken.unnamed
    };
    assert_eq!(over(60), [id("grace")].into());
    // What was said after its time it has not gone over.
    assert_eq!(over(GLASS_SECS + 60), BTreeSet::new());
}

/// Zoe's key could be grace's own: without the log it takes two people, and they are one.
#[test]
fn a_newcomer_and_who_enrolled_them_break_no_glass_together() {
    let mut world = with_zoe();
    world.register_gate();
    let tier: &[u8] = br#"{"owner":"discovery","tier":1}"#;
    let amended = world.amend("ada", &[("systems/search.json", Some(tier))]);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    let glass = BreakGlass { nonce: Some(NONCE.parse().unwrap()), ..world.glass(&change) };
    let both = told(world.say_with("grace", &["grace", "stranger"], Body::BreakGlass(glass.clone())));
    assert_snapshot!(both, @"newcomer: zoe is a newcomer until 2026-05-01T00:00:00Z, enrolled by ada and grace: they are not two people to this");
    let people = [id("grace"), id("zoe"), id("linus")];
    let enough = |of: &[usize], needed: usize| {
        let signed = of.iter().map(|at| &people[*at]).collect();
        enough_broke(&world.state, &glass.targets, &signed, needed, world.now).map_err(|refusal| refusal.code)
    };
    assert_eq!(enough(&[0, 1], 2), Err("newcomer"));
    assert_eq!(enough(&[0, 1, 2], 3), Err("newcomer"));
    // Beside them a third makes two, and zoe is somebody beside whoever did not enrol her.
    assert_eq!(enough(&[0, 1, 2], 2), Ok(()));
    assert_eq!(enough(&[1, 2], 2), Ok(()));
    world.say_with("linus", &["linus", "stranger"], Body::BreakGlass(glass)).unwrap();
}

#[test]
fn a_newcomer_looks_at_nothing_that_who_enrolled_them_did_alone() {
    let mut world = with_zoe();
    world.register_gate();
    let change = world.propose_git("linus", &facts(2, &[author("linus@example.com")]));
    let glass = world.glass(&change);
    let permit = world.say("grace", Body::BreakGlass(glass)).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    // Of the owners who did not make it, mallory is left.
    let hands = [id("linus"), id("grace")].into();
    let who = reviewers(&world.state.governance, &targets(&[SEARCH]), &hands, &BTreeSet::new(), world.now);
    assert_eq!(who, [id("mallory")].into());
    let asked = glass_broken(&world, &change, ("grace", permit), &[], "zoe");
    let Body::Finding(Finding { what, .. }) = &asked else { unreachable!() };
    let what = what.clone();
    let finding = FindingId::of_finding(&world.say("countersign", asked).unwrap());
    let text = world.reason("fine");
    let answer = Body::FindingAnswer(FindingAnswer { finding, seen: None, text, what });
    assert_snapshot!(told(world.say_with("zoe", &["stranger"], answer.clone())), @"newcomer: zoe is a newcomer until 2026-05-01T00:00:00Z, enrolled by ada and grace: they are not two people to this");
    world.now = world.now.plus_secs(30 * DAY);
    world.say_with("zoe", &["stranger"], answer).unwrap();
}

/// Two people set a rejection aside, and neither is the other, nor who made the change.
#[test]
fn a_newcomer_and_who_enrolled_them_set_no_rejection_aside_together() {
    let mut world = with_zoe();
    let change = world.propose("linus", SEARCH);
    world.reject("mallory", &change).unwrap();
    world.now = world.now.plus_secs(DAY);
    world.set_aside("grace", &change, "mallory").unwrap();
    let zoes = {
        let reason = world.reason("it was answered");
        let (revision, rejected_by) = (world.revision(&change), id("mallory"));
        let targets = targets(&[SEARCH]);
        countersign_core::statement::RejectionSetAside {
            change: change.clone(),
            reason,
            rejected_by,
            revision,
            targets,
        }
    };
    let answer = told(world.say_with("zoe", &["stranger"], Body::RejectionSetAside(zoes)));
    assert!(answer.starts_with("newcomer: zoe"), "{answer}");
    assert_eq!(world.change(&change).standing_rejections().count(), 1);
    world.set_aside("barbara", &change, "mallory").unwrap();
    assert_eq!(world.change(&change).standing_rejections().count(), 0);
}

/// Whoever is the only owner and away past its due time cannot be the only one who is asked; nor do they shed it.
#[test]
fn an_after_review_is_asked_of_others_besides_where_every_owner_is_away_past_its_due_time() {
    let mut world = World::new();
    let hands = BTreeSet::from([id("linus")]);
    let of = targets(&[SEARCH]);
    let who = |world: &World| asked(&world.state.governance, &of, &hands, &world.state.presence(world.now), world.now);
    assert_eq!(who(&world), [id("mallory")].into());
    // They are back in time.
    world.away("mallory", 2).unwrap();
    assert_eq!(who(&world), [id("mallory")].into());
    world.away("mallory", 7).unwrap();
    assert_eq!(who(&world), [id("barbara"), id("grace"), id("mallory")].into());
    // Of the seniors one who is there suffices.
    world.away("grace", 2).unwrap();
    assert_eq!(who(&world), [id("barbara"), id("mallory")].into());
}
