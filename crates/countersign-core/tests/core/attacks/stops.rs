//! A server that never admits a stop: it is handed to the gate directly, which obeys it at once.

use countersign_core::{
    admit::{self, Signed},
    refusal::Refusal,
    state::State,
    statement::{Away, DelegationEnd},
};

use super::*;

/// What becomes of a state to which these words are handed over.
fn handed(world: &World, by: &str, keys: &[&str], body: Body) -> Result<State, Refusal> {
    let signed = Signed::check(&world.sign(&world.statement(by, body), keys)).unwrap();
    let mut state = world.state.clone();
    admit::stop(&state, &signed, world.now)?;
    state.obey(&signed, world.now).map(|()| state)
}

/// What the rules still ask for by this state.
fn standing(world: &World, state: &State, change: &ChangeId) -> String {
    let snapshot = Snapshot::take(state, state.change(change).unwrap().unwrap(), world.now).unwrap();
    stopping(&countersign_core::rules::decide(&state.governance.rules, &snapshot, world.now))
}

#[test]
fn a_stop_is_obeyed_before_the_log_has_it() {
    let (mut world, change) = approved();
    assert_eq!(world.standing(&change), "allow");
    let rejection = world.rejection(&change);
    let rejected = handed(&world, "mallory", &["mallory"], rejection).unwrap();
    assert_snapshot!(standing(&world, &rejected, &change), @"no-rejection");
    let revocation = world.revocation("linus");
    let revoked = handed(&world, "barbara", &["barbara"], revocation).unwrap();
    assert_snapshot!(standing(&world, &revoked, &change), @"owner-approves second-pair-of-eyes");
    world.register_gate();
    let revocation = world.revocation("git-gate");
    let revoked = handed(&world, "barbara", &["barbara"], revocation).unwrap();
    assert_eq!(revoked.gate(&"shop-gate".parse().unwrap()).unwrap().unwrap().key(world.now), None);
    // It stands in no stream until the log has it.
    assert_eq!(revoked.all_heads(), world.state.all_heads());
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn nothing_but_a_stop_is_taken_directly() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    let (revision, targets) = (world.revision(&change), world.change(&change).targets.clone());
    let lift = Body::RejectionLift(RejectionLift { change: change.clone(), revision, targets });
    assert_snapshot!(told(handed(&world, "mallory", &["mallory"], lift)), @"not-a-stop: a statement of the kind `rejection-lift` stops nothing");
    let approval = Body::Approval(world.approval(&change));
    assert_snapshot!(told(handed(&world, "linus", &["linus"], approval)), @"not-a-stop: a statement of the kind `approval` stops nothing");
    let publication = Body::Publication(world.publication(&[]));
    assert_snapshot!(told(handed(&world, "ada", &["ada", "grace"], publication)), @"not-a-stop: a statement of the kind `publication` stops nothing");
}

#[test]
fn a_stop_of_somebody_who_may_not_stop_is_refused() {
    let (mut world, change) = approved();
    let rejection = world.rejection(&change);
    assert_snapshot!(told(handed(&world, "linus", &["stranger"], rejection.clone())), @"unknown-key: key DIGEST belongs to nobody in the catalog");
    assert_snapshot!(told(handed(&world, "linus", &["mallory"], rejection.clone())), @"signed-by-another: the statement says that it is by linus, but it is signed by mallory");
    assert_snapshot!(told(handed(&world, "ci", &["ci"], rejection.clone())), @"only-people: ci is a workload; only a person can stop anything");
    assert_snapshot!(told(handed(&world, "countersign", &["countersign"], rejection.clone())), @"only-people: the server cannot stop anything");
    // What is suspended stops still; what is revoked for good does not.
    world.revoke("barbara", "linus").unwrap();
    assert!(handed(&world, "linus", &["linus"], rejection.clone()).is_ok());
    world.confirm("grace", "linus").unwrap();
    assert_snapshot!(told(handed(&world, "linus", &["linus"], rejection.clone()).map(|_| ())), @"key-revoked: key DIGEST was revoked");
    let push = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    // It stands over what came meanwhile, and is of nothing that the change never had.
    let state = handed(&world, "mallory", &["mallory"], rejection.clone()).unwrap();
    assert!(standing(&world, &state, &change).contains("no-rejection"));
    let Body::Rejection(mut never) = rejection else { panic!() };
    never.revision.digest = Digest::of(b"never");
    assert_snapshot!(told(handed(&world, "mallory", &["mallory"], Body::Rejection(never))), @"stale-revision: the rejection is of a revision 1 that change CHANGE never had");
}

#[test]
fn a_rejection_of_what_was_revised_or_withdrawn_follows_its_content() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let late = world.rejection(&change);
    let push = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    world.withdraw("ada", &change).unwrap();
    let again = world.propose("ada", "search/production");
    world.approve("linus", &again).unwrap();
    assert_eq!(world.standing(&again), "allow");
    world.say("mallory", late).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Withdrawn, "it stays as it is");
    assert_eq!(world.standing(&again), "no-rejection");
    // What the revision brought is rejected, and not what the change brought later.
    let proposal = world.proposal("search/production", &file("timeout: 31"), None);
    let later = world.begin("ada", proposal);
    assert!(!world.standing(&later).contains("no-rejection"));
    world.lift("mallory", &change).unwrap();
    assert_eq!((world.standing(&again), world.change(&change).status), ("allow".to_owned(), ChangeStatus::Withdrawn));
    assert!(countersign_core::verify::verify(&world.trust, &world.evidence(), world.now).holds());
}

/// Either of the two ends it at a gate, too, and nobody else, nor by naming oneself.
#[test]
fn a_delegation_that_is_ended_at_a_gate_is_used_no_more() {
    let mut world = World::new();
    let change = world.propose("ada", "checkout/production");
    let delegation = world.delegate("grace", "owner", "linus", 7).unwrap();
    world.approve("linus", &change).unwrap();
    let before = standing(&world, &world.state, &change);
    let end = |of: &str, to: &str| Body::DelegationEnd(DelegationEnd { delegation, of: id(of), to: id(to) });
    for by in ["grace", "linus"] {
        let ended = handed(&world, by, &[by], end("grace", "linus")).unwrap();
        assert_ne!(standing(&world, &ended, &change), before);
        assert_eq!(ended.all_heads(), world.state.all_heads());
    }
    assert_eq!(handed(&world, "ada", &["ada"], end("grace", "linus")).unwrap_err().code, "not-theirs-to-end");
    assert_eq!(handed(&world, "ada", &["ada"], end("ada", "linus")).unwrap_err().code, "no-delegation");
}

/// Whoever says at a gate that they are away is not there: also since before it was handed over, and never for longer than the log takes.
#[test]
fn an_absence_that_is_handed_to_a_gate_takes_presence_away() {
    let world = World::new();
    let away = |from: Option<i64>, days: i64| {
        let from = from.map(|secs| world.now.plus_secs(secs));
        Body::Away(Away { from, until: world.now.plus_secs(days * 24 * 60 * 60) })
    };
    let is_away = |body: Body| {
        let state = handed(&world, "linus", &["linus"], body)?;
        assert!(!state.is_away(&id("grace"), world.now).unwrap(), "nobody else");
        state.is_away(&id("linus"), world.now)
    };
    assert!(!world.state.is_away(&id("linus"), world.now).unwrap());
    assert!(is_away(away(None, 7)).unwrap());
    assert!(is_away(away(Some(-3_600), 7)).unwrap(), "it was signed an hour ago");
    assert!(!is_away(away(Some(3_600), 7)).unwrap(), "planned");
    assert_eq!(is_away(away(None, -1)).unwrap_err().code, "over-already");
    assert_eq!(is_away(away(None, 400)).unwrap_err().code, "too-long");
}
