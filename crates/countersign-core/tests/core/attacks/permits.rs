//! Attacks on permits and what they open.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn a_permit_for_what_was_approved_before_a_push_is_refused() {
    let (mut world, change) = approved();
    let transition = world.transition(&change);
    let request = world.request("ada", &change, &transition);
    let push = world.new_revision(&change, &file("timeout: 0"), None);
    world.say("ada", push).unwrap();
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
}

#[test]
fn a_permit_for_another_branch_or_repository_is_refused() {
    let (mut world, change, commits) = approved_commits();
    let mut branch = commits.clone();
    branch.facts.branch = "refs/heads/release".to_owned();
    let mut repository = commits.clone();
    repository.facts.repository = "another-shop".parse().unwrap();
    let mut ask = |other| {
        let request = world.request("git-gate", &change, &landing(other));
        let request = PermitRequest { gate: "shop-gate".parse().unwrap(), ..request };
        told(world.say("ada", Body::PermitRequest(request)))
    };
    assert_snapshot!(ask(&branch), @"another-branch: change CHANGE is for refs/heads/main, not refs/heads/release");
    assert_snapshot!(ask(&repository), @"another-repository: change CHANGE is for repository shop, not another-shop");
}

#[test]
fn a_transition_whose_prior_state_is_told_differently_is_refused() {
    let (mut world, change, commits) = approved_commits();
    let mut request = world.request("ada", &change, &landing(&commits));
    request.transition.prior = Some(oid(2).to_string());
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"transition-mismatch: the transition names another prior state than its manifest");
}

#[test]
fn a_permit_with_a_stolen_audience_is_refused() {
    let (mut world, change, commits) = approved_commits();
    let request = world.request("mallory", &change, &landing(&commits));
    let request = PermitRequest { gate: "shop-gate".parse().unwrap(), ..request };
    assert_snapshot!(told(world.say("mallory", Body::PermitRequest(request))), @"another-audience: gate shop-gate has key DIGEST, not DIGEST");
}

#[test]
fn a_permit_expires() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    let grant = granted(&world, &change, &permit);
    let audience = world.keys["ada"].public().fingerprint();
    let lease = |secs| check_lease(&grant, &audience, &grant.transition, world.now.plus_secs(secs));
    assert!(lease(0).is_ok() && lease(PERMIT_SECS).is_ok());
    assert_snapshot!(told(lease(PERMIT_SECS + 1)), @"permit-expired: the permit's time was over at 2026-04-01T00:10:00Z, by this machine's clock 1 s ago");
    // A clock that is a little behind does no harm; one that is far behind, or ahead, is named.
    assert!(lease(-MAX_SKEW_SECS).is_ok());
    assert_snapshot!(told(lease(-MAX_SKEW_SECS - 61)), @"clock-behind: this machine's clock is 6 min 1 s behind the log's: the permit was issued at 2026-04-01T00:00:00Z, here it is 2026-03-31T23:53:59Z");
    let asked = |late| just_issued(&grant, world.now.plus_secs(late), world.now.plus_secs(late + 1));
    assert!(asked(MAX_SKEW_SECS).is_ok());
    assert_snapshot!(told(asked(3 * 60 * 60)), @"clock-ahead: this machine's clock is 3 h ahead of the log's: the permit that was asked for at 2026-04-01T03:00:00Z was issued at 2026-04-01T00:00:00Z");
}

#[test]
fn a_permit_opens_no_other_gate_and_no_other_transition() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    let grant = granted(&world, &change, &permit);
    let (mine, theirs) = (world.keys["ada"].public().fingerprint(), world.keys["mallory"].public().fingerprint());
    assert_snapshot!(told(check_lease(&grant, &theirs, &grant.transition, world.now)), @"permit-for-another-gate: the permit is for gate apply with key DIGEST");
    let Transition::Apply(asked) = world.transition(&change) else { panic!("not a change of files") };
    let other = Transition::Apply(ApplyTransition { command: vec!["rm".to_owned()], ..asked });
    let other = other.reference().unwrap();
    assert_snapshot!(told(check_lease(&grant, &mine, &other, world.now)), @"permit-for-another-transition: the permit is for another repository, branch, commit, content or command");
}

fn granted(world: &World, change: &ChangeId, permit: &Digest) -> PermitRecord {
    world.change(change).permits.iter().find(|record| record.statement == *permit).unwrap().clone()
}

fn asked_for(edit: impl FnOnce(&mut ApplyTransition)) -> String {
    let (mut world, change) = approved();
    let Transition::Apply(mut transition) = world.transition(&change) else { panic!("not a change of files") };
    edit(&mut transition);
    let request = world.request("ada", &change, &Transition::Apply(transition));
    told(world.say("ada", Body::PermitRequest(request)))
}

#[test]
fn another_command_is_refused() {
    let refusal = asked_for(|transition| transition.command.push("--force".to_owned()));
    assert_snapshot!(refusal, @"another-command: the command is `deploy app.yaml --force`, approved is `deploy app.yaml`");
}

#[test]
fn files_that_no_gate_could_ever_let_through_are_not_proposed() {
    let mut world = World::new();
    let files: BTreeMap<_, _> = [("app.yaml".to_owned(), Digest::of("timeout: 30"))].into();
    let mut proposed = |executable: &[&str], command: Option<&str>| {
        let executable = executable.iter().map(|name| (*name).to_owned()).collect();
        let command = command.map(|word| vec![word.to_owned()]);
        let subject = Subject::Files(FilesSubject { files: files.clone(), executable, command });
        let proposal = world.proposal("search/production", &subject, None);
        told(world.say("ada", Body::Proposal(proposal)))
    };
    assert_snapshot!(proposed(&[], None), @"no-command: a change of files says by which command they are applied, or no gate could ever let it through");
    assert_snapshot!(proposed(&["run.sh"], Some("x")), @"files: `run.sh` is to be run, and is no file of the change");
    assert_snapshot!(proposed(&[], Some("a\0b")), @"command: no program can be run so: its name is empty, or a word has a NUL in it");
    assert_snapshot!(proposed(&[], Some("")), @"command: no program can be run so: its name is empty, or a word has a NUL in it");
    let mut named = |names: &[&str]| {
        let files = names.iter().map(|name| ((*name).to_owned(), Digest::of("timeout: 30"))).collect();
        let command = Some(vec!["true".to_owned()]);
        let subject = Subject::Files(FilesSubject { files, executable: BTreeSet::new(), command });
        let proposal = world.proposal("search/production", &subject, None);
        world
            .say("ada", Body::Proposal(proposal))
            .map_or_else(|refusal| told::<()>(Err(refusal)), |_| "taken".to_owned())
    };
    let long = "x".repeat(256);
    for odd in ["", "/etc/passwd", "../../etc/passwd", "a/../b", "a//b", "./a", "a/", "a\0b", &long] {
        let refusal = named(&[odd]);
        assert!(refusal.starts_with("file-name: no file can be called"), "{odd:?}: {refusal}");
    }
    assert_snapshot!(named(&["a", "a/b"]), @"file-name: `a` is a file, and the folder of `a/b`");
    for well in [&["a", "ab", "b/a", "b/c"][..], &["..a", ".b", "c:d"]] {
        assert_eq!(named(well), "taken", "{well:?}");
    }
}

#[test]
fn another_executable_bit_is_refused() {
    let refusal = asked_for(|transition| {
        transition.executable.insert("app.yaml".to_owned());
    });
    assert_snapshot!(refusal, @"another-mode: `app.yaml` can be run here, and change CHANGE was approved without the bit that lets it be run");
}

/// One change, two machines: a permit is issued to each, and the log takes one start.
#[test]
fn a_change_is_started_once_at_a_time() {
    let (mut world, change) = approved();
    let (first, second) = (world.ask("ada", &change).unwrap(), world.ask("mallory", &change).unwrap());
    world.report("ada", &change, first, OutcomeResult::Started).unwrap();
    let (since, other) =
        (world.now, |world: &mut World| world.report("mallory", &change, second, OutcomeResult::Started));
    assert_eq!(world.change(&change).running().unwrap().reported_at, Some(since));
    assert_snapshot!(told(world.report("ada", &change, first, OutcomeResult::Started)), @"already-reported: the permit's outcome is already started; it cannot become started");
    assert_snapshot!(told(other(&mut world)), @"already-applying: change CHANGE is being applied: gate apply with key DIGEST started it at 2026-04-01T00:00:00Z, and has not said how it ended");
    assert_snapshot!(denied(world.ask("mallory", &change)), @"already-applying: change CHANGE is being applied: gate apply with key DIGEST started it at 2026-04-01T00:00:00Z, and has not said how it ended");
    world.report("ada", &change, first, OutcomeResult::Failed).unwrap();
    other(&mut world).unwrap();
    world.report("mallory", &change, second, OutcomeResult::Applied).unwrap();
}

/// Whoever holds a permit that was not used says how it ended whenever they like.
#[test]
fn a_permit_that_was_left_over_opens_nothing_again() {
    let ended = |end: &dyn Fn(&mut World, &ChangeId)| {
        let (mut world, change) = approved();
        let (used, left_over) = (world.ask("ada", &change).unwrap(), world.ask("mallory", &change).unwrap());
        world.report("ada", &change, used, OutcomeResult::Started).unwrap();
        end(&mut world, &change);
        if !matches!(world.change(&change).status, ChangeStatus::Withdrawn | ChangeStatus::Rejected) {
            world.report("ada", &change, used, OutcomeResult::Applied).unwrap();
        }
        let before = world.change(&change).status;
        world.report("mallory", &change, left_over, OutcomeResult::Failed).unwrap();
        assert_eq!(world.change(&change).status, before);
        (before.as_str(), denied(world.ask("mallory", &change)))
    };
    let (status, refused) = ended(&|_, _| {});
    assert_snapshot!(format!("{status}: {refused}"), @"applied: change-closed: change CHANGE is applied; nothing more can be said about it");
    let (status, refused) = ended(&|world, change| {
        world.withdraw("ada", change).unwrap();
    });
    assert_snapshot!(format!("{status}: {refused}"), @"withdrawn: change-closed: change CHANGE is withdrawn; nothing more can be said about it");
    let (status, refused) = ended(&|world, change| {
        world.reject("barbara", change).unwrap();
    });
    assert_snapshot!(format!("{status}: {refused}"), @"rejected: already-applying: change CHANGE is being applied: gate apply with key DIGEST started it at 2026-04-01T00:00:00Z, and has not said how it ended");
}

/// Who runs a command is its gate, and says how it ended; of a push that would be anybody.
#[test]
fn nobody_is_the_gate_of_a_push() {
    let (mut world, change, commits) = approved_commits();
    let request = world.request("mallory", &change, &landing(&commits));
    assert_snapshot!(told(world.say("mallory", Body::PermitRequest(request))), @"another-gate: gate apply runs commands; change CHANGE is about commits, which a gate of their repository lands");
}

#[test]
fn of_two_gates_of_one_repository_one_lands_a_change() {
    let (mut world, change, commits) = approved_commits();
    let mirror = GateRegistration {
        gate: "mirror-gate".parse().unwrap(),
        key: world.keys["stranger"].public(),
        ..world.registration()
    };
    world.say("barbara", Body::GateRegistration(mirror)).unwrap();
    let asked = |world: &mut World, gate: &str, key: &str| {
        let request = world.request(key, &change, &landing(&commits));
        world.ask_for("ada", PermitRequest { gate: gate.parse().unwrap(), ..request })
    };
    let permit = asked(&mut world, "shop-gate", "git-gate").unwrap();
    assert_snapshot!(denied(asked(&mut world, "mirror-gate", "stranger")), @"already-applying: gate shop-gate has a permit for change CHANGE, and has not said how it ended");
    // The same gate tries again.
    asked(&mut world, "shop-gate", "git-gate").unwrap();
    let permits: Vec<Digest> = world.change(&change).permits.iter().map(|known| known.statement).collect();
    assert!(permits.len() == 2 && permits.contains(&permit));
    // Its lease is over, and nobody knows what it did with it.
    world.now = world.now.plus_secs(PERMIT_SECS + 1);
    denied(asked(&mut world, "mirror-gate", "stranger"));
    for permit in permits {
        let body = world.outcome(&change, permit, OutcomeResult::Failed);
        world.say_with("shop-gate", &["git-gate"], body).unwrap();
    }
    asked(&mut world, "mirror-gate", "stranger").unwrap();
}

/// Whoever took a permit for a command says how it ended, and could say so of what they never ran.
#[test]
fn nobody_says_that_they_ran_what_was_withdrawn() {
    let (mut world, change) = approved();
    let permit = world.ask("mallory", &change).unwrap();
    world.withdraw("ada", &change).unwrap();
    assert_snapshot!(told(world.report("mallory", &change, permit, OutcomeResult::Applied)), @"change-closed: change CHANGE is withdrawn; nothing of it is started any more");
    assert_eq!(world.change(&change).status, ChangeStatus::Withdrawn);
}

#[test]
fn nothing_is_started_of_what_is_over_or_was_rejected() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    let now = world.now;
    world.now = now.plus_secs(PERMIT_SECS + 1);
    assert_snapshot!(told(world.report("ada", &change, permit, OutcomeResult::Started)), @"permit-expired: the permit's time was over at 2026-04-01T00:10:00Z, by this machine's clock 1 s ago");
    world.now = now;
    world.reject("barbara", &change).unwrap();
    assert_snapshot!(told(world.report("ada", &change, permit, OutcomeResult::Started)), @"rejected: barbara has rejected change CHANGE");
}

#[test]
fn nothing_is_started_after_an_approval_was_taken_back() {
    let (mut world, change) = approved();
    let by = world.change(&change).approvals[0].by.clone();
    let permit = world.ask("ada", &change).unwrap();
    assert_eq!(world.take_back("ada", &change).unwrap_err().code, "not-approved");
    world.take_back(by.as_str(), &change).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Proposed);
    let refused = world.report("ada", &change, permit, OutcomeResult::Started).unwrap_err();
    assert_eq!(refused.code, "approval-taken-back");
    // A permit that was asked for before does not come after it either.
    assert!(
        overtaken_by(|world, change| world.take_back(by.as_str(), change).unwrap()).starts_with("decision-overtaken")
    );
    // One may approve again, and what is asked for then starts.
    world.approve(by.as_str(), &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Started).unwrap();
}

/// Who approved, rejected and lifted has to approve again: the approval went with the rejection.
#[test]
fn a_rejection_takes_ones_own_approval_back_for_good() {
    let (mut world, change) = approved();
    let by = world.change(&change).approvals[0].by.clone();
    let permit = world.ask("ada", &change).unwrap();
    world.reject(by.as_str(), &change).unwrap();
    world.lift(by.as_str(), &change).unwrap();
    assert!(world.change(&change).approvals.iter().all(|approval| approval.by != by));
    assert!(world.change(&change).taken_back[0].rejected);
    let refused = world.report("ada", &change, permit, OutcomeResult::Started).unwrap_err();
    assert_eq!(refused.code, "approval-taken-back");
}

#[test]
fn changed_bytes_are_refused() {
    let refusal = asked_for(|transition| {
        transition.files.insert("app.yaml".to_owned(), Digest::of("timeout: 0"));
    });
    assert_snapshot!(refusal, @"another-content: the bytes of `app.yaml` are not those that change CHANGE is about");
}

#[test]
fn a_file_beside_the_approved_ones_is_refused() {
    let refusal = asked_for(|transition| {
        transition.files.insert("evil.yaml".to_owned(), Digest::of(""));
    });
    assert!(
        refusal.starts_with("another-content: change ") && refusal.ends_with(" has no file `evil.yaml`"),
        "{refusal}"
    );
}

#[test]
fn leaving_a_file_out_is_refused() {
    let refusal = asked_for(|transition| transition.files.clear());
    assert_snapshot!(refusal, @"file-missing: the change also has `app.yaml`");
}

#[test]
fn commits_cannot_go_through_the_apply_gate() {
    let (mut world, change, _) = approved_commits();
    let transition =
        ApplyTransition { files: Default::default(), executable: Default::default(), command: vec!["x".to_owned()] };
    let request = world.request("ada", &change, &Transition::Apply(transition));
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"another-kind-of-subject: change CHANGE is about shop main 0000000000..0000000000");
}

// From here on the server is captured: its own key says what it should not.

#[test]
fn a_captured_server_cannot_lease_a_permit_for_longer_than_a_log_may_hold() {
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    let permit = world.answered(&change, &request).unwrap();
    let long = PermitGrant { expires_at: world.now.plus_secs(24 * 60 * 60), ..permit.grant().clone() };
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(long))), @"permit-shape: the permit's times or targets are not as they should be");
}

#[test]
fn a_permit_for_something_else_than_was_asked_is_refused() {
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    let permit = world.answered(&change, &request).unwrap().grant().clone();
    let theirs = world.keys["mallory"].public().fingerprint();
    let mut transition = permit.transition.clone();
    transition.digest = Digest::of("another");
    let said = [
        PermitGrant { gate: "shop-gate".parse().unwrap(), ..permit.clone() },
        PermitGrant { audience: theirs, ..permit.clone() },
        PermitGrant { transition, ..permit.clone() },
        PermitGrant { targets: targets(&["checkout/production"]), ..permit.clone() },
        PermitGrant { decision: Digest::of("another"), ..permit.clone() },
    ]
    .map(|other| told(world.say("countersign", Body::PermitGrant(other))));
    assert_snapshot!(said.join("\n"), @"
    not-asked: the permit is for something else than was asked for
    not-asked: the permit is for something else than was asked for
    not-asked: the permit is for something else than was asked for
    permit-shape: the permit's times or targets are not as they should be
    not-decided: the permit names no decision that allows this revision
    ");
    world.say("countersign", Body::PermitGrant(permit)).unwrap();
}

#[test]
fn a_request_is_answered_by_one_decision_and_one_permit() {
    let (mut world, change) = approved();
    let transition = world.transition(&change);
    let nobody_asked = {
        let request = world.requested("ada", &change);
        let (_, decided) = world.decided(&change);
        let permit = world.answered(&change, &request).unwrap().grant().clone();
        world.say("countersign", Body::PermitGrant(permit.clone())).unwrap();
        assert_snapshot!(told(world.say("countersign", Body::PermitGrant(permit))), @"decision-overtaken: the permit stands on a decision that was overtaken");
        decided
    };
    assert_snapshot!(told(world.say("countersign", Body::Decided(nobody_asked))), @"not-asked: the decision answers no request, or another than the last one");
    let request = world.request("ada", &change, &transition);
    world.ask_for("ada", request).unwrap();
}

#[test]
fn a_decision_that_answers_another_request_is_refused() {
    let (mut world, change) = approved();
    world.requested("ada", &change);
    let (_, first) = world.decided(&change);
    // Somebody else asks meanwhile, and is not to be answered by what was decided for the first.
    world.requested("mallory", &change);
    let (_, second) = world.decided(&change);
    let stale = Decided { request: first.request, ..second.clone() };
    assert_snapshot!(told(world.say("countersign", Body::Decided(stale))), @"not-asked: the decision answers no request, or another than the last one");
    let invented = Decided { request: Digest::of("nobody asked"), ..second.clone() };
    assert_snapshot!(told(world.say("countersign", Body::Decided(invented))), @"not-asked: the decision answers no request, or another than the last one");
    world.say("countersign", Body::Decided(second)).unwrap();
}

#[test]
fn a_decision_over_other_heads_than_stood_there_is_refused() {
    let (mut world, change) = approved();
    world.register_gate();
    world.requested("ada", &change);
    let (_, decided) = world.decided(&change);
    let names: Vec<&str> = decided.heads.keys().map(|stream| stream.as_str()).collect();
    assert_eq!(names[1..], ["governance", "person/linus", "target/search/production"]);
    let mut edits = Vec::new();
    for stream in decided.heads.keys() {
        let mut left_out = decided.clone();
        left_out.heads.remove(stream);
        let mut other = decided.clone();
        other.heads.get_mut(stream).unwrap().next_seq += 1;
        edits.extend([left_out, other]);
    }
    let mut more = decided.clone();
    more.heads.insert("gate/shop-gate".parse().unwrap(), world.state.head(&"gate/shop-gate".parse().unwrap()).unwrap());
    edits.push(more);
    for edited in edits {
        let refused = told(world.say("countersign", Body::Decided(edited)));
        assert_eq!(refused, "other-heads: the decision names other heads of its streams than stood there");
    }
    world.say("countersign", Body::Decided(decided)).unwrap();
}

#[test]
fn a_decision_at_another_time_or_by_other_semantics_is_refused() {
    let (mut world, change) = approved();
    world.requested("ada", &change);
    let (_, decided) = world.decided(&change);
    let backdated = Decided { decided_at: world.now.plus_secs(-1), ..decided.clone() };
    assert_snapshot!(told(world.say("countersign", Body::Decided(backdated))), @"decision-time: the decision says another time than it was admitted at");
    let otherwise = Decided { semantics: 2, ..decided };
    assert_snapshot!(told(world.say("countersign", Body::Decided(otherwise))), @"other-semantics: the decision was taken by semantics 2, in force are 1");
}

/// Decides, lets something be said, and then tries to issue the permit.
fn overtaken_by(say: impl FnOnce(&mut World, &ChangeId) -> Digest) -> String {
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    let permit = world.answered(&change, &request).unwrap();
    say(&mut world, &change);
    told(world.say("countersign", Body::PermitGrant(permit.grant().clone())))
}

#[test]
fn a_decision_that_allowed_before_a_rejection_carries_no_permit_after_it() {
    let refused = overtaken_by(|world, change| world.reject("barbara", change).unwrap());
    assert_snapshot!(refused, @"decision-overtaken: the permit stands on a decision that was overtaken");
}

#[test]
fn a_decision_overtaken_in_any_of_its_streams_carries_no_permit() {
    const OVERTAKEN: &str = "decision-overtaken: the permit stands on a decision that was overtaken";
    let by_a_revocation = overtaken_by(|world, _| world.revoke("barbara", "linus").unwrap());
    assert_eq!(by_a_revocation, OVERTAKEN);
    let by_a_publication = overtaken_by(|world, _| {
        let publication = world.publication(&[("rules/documented.cedar", None)]);
        world.publish(publication).unwrap()
    });
    assert_eq!(by_a_publication, OVERTAKEN);
    let by_another_change_of_the_target = overtaken_by(|world, _| {
        let other = world.propose("grace", "search/production");
        world.reject("mallory", &other).unwrap()
    });
    assert_eq!(by_another_change_of_the_target, OVERTAKEN);
    // What has nothing to do with it does not.
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    let permit = world.answered(&change, &request).unwrap();
    let other = world.propose("grace", "checkout/production");
    world.reject("mallory", &other).unwrap();
    world.revoke("barbara", "ci").unwrap();
    world.say("countersign", Body::PermitGrant(permit.grant().clone())).unwrap();
}

#[test]
fn the_key_of_a_gate_that_asked_is_looked_at_again() {
    let (mut world, change, commits) = approved_commits();
    let request = world.request("git-gate", &change, &landing(&commits));
    let request = PermitRequest { gate: "shop-gate".parse().unwrap(), ..request };
    world.say_with("shop-gate", &["git-gate"], Body::PermitRequest(request.clone())).unwrap();
    let permit = world.answered(&change, &request).unwrap();
    world.revoke("barbara", "git-gate").unwrap();
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(permit.grant().clone()))), @"decision-overtaken: the permit stands on a decision that was overtaken");
    assert_snapshot!(told(world.say_with("shop-gate", &["git-gate"], Body::PermitRequest(request.clone()))), @"key-revoked: key DIGEST was revoked");
    assert_snapshot!(told(world.say("ada", Body::PermitRequest(request))), @"key-revoked: the key of gate shop-gate was revoked");
}

#[test]
fn an_outcome_is_told_by_the_gate_that_was_permitted() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    assert_snapshot!(told(world.report("mallory", &change, permit, OutcomeResult::Applied)), @"another-gate: the outcome is for another gate's permit or another revision");
    world.report("ada", &change, permit, OutcomeResult::Failed).unwrap();
    // A failure is not edited into a success.
    let again = OutcomeReport {
        change: change.clone(),
        exit_status: None,
        permit,
        result: OutcomeResult::Applied,
        revision: world.revision(&change),
        targets: world.change(&change).targets.clone(),
    };
    assert_snapshot!(told(world.say("ada", Body::OutcomeReport(again))), @"already-reported: the permit's outcome is already failed; it cannot become applied");
}

#[test]
fn what_is_over_is_not_changed_any_more() {
    let mut world = World::new();
    let change = world.whole_life();
    assert_snapshot!(told(world.approve("grace", &change)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
    let push = world.new_revision(&change, &file("timeout: 0"), None);
    assert_snapshot!(told(world.say("ada", push)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
}
