//! Attacks on statements and on governance: replayed, borrowed, forged, or said by whom they are not for.

use countersign_core::admit::MAX_COMMENTS;

use super::*;

#[test]
fn a_near_miss_environment_is_refused_with_a_suggestion() {
    let mut world = World::new();
    let proposal = world.proposal("checkout/prod", &file("timeout: 30"), None);
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal))), @"unknown-target: `checkout/prod`: there is no environment `prod`; did you mean `production`?");
    let proposal = world.proposal("chekout/production", &file("timeout: 30"), None);
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal))), @"unknown-target: `chekout/production`: the catalog knows no system `chekout`; did you mean `checkout`?");
}

#[test]
fn free_text_does_not_come_in_as_the_name_of_an_incident() {
    let mut world = World::new();
    for incident in ["", "ada@example.com called", "INC 4711", "Störung-1", &"x".repeat(101)] {
        let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
        proposal.purpose.incident = Some(incident.to_owned());
        assert_eq!(world.say("ada", Body::Proposal(proposal)).unwrap_err().code, "incident-name", "{incident}");
    }
    let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
    proposal.purpose.incident = Some("ops/INC-4711#2".to_owned());
    world.say("ada", Body::Proposal(proposal)).unwrap();
}

#[test]
fn a_workload_or_a_gate_cannot_revoke_a_key() {
    let mut world = World::new();
    assert_snapshot!(told(world.revoke("ci", "grace")), @"only-people: ci is a workload; only a person can revoke a key");
    assert_snapshot!(told(world.revoke("robo", "grace")), @"only-people: robo is an agent; only a person can revoke a key");
}

#[test]
fn a_replayed_statement_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    let push = world.new_revision(&change, &file("timeout: 0"), None);
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
    assert_snapshot!(told(world.say_with("linus", &["mallory"], approval.clone())), @"signed-by-another: the statement says that it is by linus, but it is signed by mallory");
    assert_snapshot!(told(world.say_with("linus", &["stranger"], approval)), @"unknown-key: key DIGEST belongs to nobody in the catalog");
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
fn the_requester_cannot_set_what_only_the_server_says() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    let request = world.requested("mallory", &change);
    let (_, mut decided) = world.decided(&change);
    decided.outcome = countersign_core::decision::Outcome::Allow;
    let decision = decided.decision;
    assert_snapshot!(told(world.say("mallory", Body::Decided(decided.clone()))), @"only-the-server: only the server says a decision");
    assert_snapshot!(told(world.say_with("countersign", &["mallory"], Body::Decided(decided))), @"signed-by-another: the statement says that it is by countersign, but it is signed by mallory");
    let grant = PermitGrant {
        audience: request.audience,
        change: change.clone(),
        decision,
        expires_at: world.now.plus_secs(60),
        gate: request.gate,
        issued_at: world.now,
        revision: request.revision,
        targets: targets(&["search/production"]),
        transition: request.transition,
    };
    assert_snapshot!(told(world.say("mallory", Body::PermitGrant(grant.clone()))), @"only-the-server: only the server says a permit");
    let revision = world.revision(&change);
    let observation = GuidanceObservation { change: change.clone(), documents: vec![], revision };
    assert_snapshot!(told(world.say("mallory", Body::GuidanceObservation(observation))), @"only-the-server: only the server says a guidance-observation");
    // Nor does the server's own key make a permit of nothing.
    assert_snapshot!(told(world.say("countersign", Body::PermitGrant(grant))), @"not-decided: the permit names no decision that allows this revision");
}

#[test]
fn nothing_but_an_approval_is_an_approval() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    world.reject("linus", &change).unwrap();
    world.lift("linus", &change).unwrap();
    world.waive("barbara", &change, "owner-approves").unwrap();
    world.requested("mallory", &change);
    assert_snapshot!(world.standing(&change), @"second-pair-of-eyes");
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    assert!(snapshot.approvals.is_empty());
}

#[test]
fn a_comment_cannot_be_edited_into_an_approval() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.comment("linus", &change).unwrap();
    let envelope = world.leaves.last().unwrap().leaf.envelope.clone();
    let text = String::from_utf8(envelope.payload().to_vec()).unwrap();
    let edited = text.replace("urn:x-countersign:comment:v1", "urn:x-countersign:approval:v1");
    let forged = countersign_ledger::Envelope::new(edited.as_bytes(), envelope.signatures().to_vec()).unwrap();
    assert_eq!(world.submit(forged).unwrap_err().code, "malformed-statement");
    // Nor one in the spelling of an approval, under the comment's signature.
    let said = world.statement("linus", Body::Approval(world.approval(&change))).encode().unwrap();
    let forged = countersign_ledger::Envelope::new(&said, envelope.signatures().to_vec()).unwrap();
    assert_eq!(world.submit(forged).unwrap_err().code, "signature-invalid");
    assert!(world.change(&change).approvals.is_empty());
}

#[test]
fn comments_are_for_whose_key_stands_and_so_many() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    for by in ["ada", "robo", "ci"] {
        world.comment(by, &change).unwrap();
    }
    world.now = world.now.plus_secs(1);
    world.revoke("barbara", "mallory").unwrap();
    assert_eq!(world.comment("mallory", &change).unwrap_err().code, "key-revoked");
    let by_the_server = world.remark(&change);
    assert_eq!(world.say("countersign", by_the_server).unwrap_err().code, "cannot-comment");
    for _ in 0..MAX_COMMENTS {
        world.comment("linus", &change).unwrap();
    }
    assert_eq!(world.comment("linus", &change).unwrap_err().code, "too-many-comments");
    world.comment("grace", &change).unwrap();
    // What is remarked on an earlier revision stands there.
    let remark = world.remark(&change);
    let revised = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", revised).unwrap();
    world.say("grace", remark).unwrap();
    assert_eq!(world.change(&change).comments.last().unwrap().revision.number, 1);
    world.withdraw("ada", &change).unwrap();
    assert_eq!(world.comment("grace", &change).unwrap_err().code, "change-closed");
}

#[test]
fn rules_are_not_changed_by_one_person_alone() {
    let mut world = World::new();
    let body = Body::Publication(world.publication(&[("rules/documented.cedar", None)]));
    let mut with = |by: &str, keys: &[&str]| world.say_with(by, keys, body.clone());
    assert_snapshot!(told(with("mallory", &["mallory"])), @"two-people: what grants authority needs 2 people, this has 1");
    assert_snapshot!(told(with("ada", &["ada", "ada-laptop"])), @"two-people: what grants authority needs 2 people, this has 1");
    assert_snapshot!(told(with("mallory", &["mallory", "ci"])), @"only-people: ci is a workload; only a person can publish rules or catalog");
    assert_snapshot!(told(with("mallory", &["mallory", "robo"])), @"only-people: robo is an agent; only a person can publish rules or catalog");
    assert_snapshot!(told(with("mallory", &["mallory", "countersign"])), @"only-people: the server cannot grant authority");
    assert_snapshot!(told(with("mallory", &["mallory", "stranger"])), @"unknown-key: key DIGEST belongs to nobody in the catalog");
    // Two who sign one envelope are two, and nobody else could have looked at it.
    assert_snapshot!(told(with("ada", &["ada", "grace"])), @"needs-a-change: `rules/documented.cedar` is put in force by a change that others could look at, and not by two signatures alone");
    let Body::Publication(publication) = body else { unreachable!() };
    world.publish(publication.clone()).unwrap();
    // Switched off, merged, switched on again: the second publication names a parent that is no longer in force.
    assert_snapshot!(told(world.publish(publication)), @"publication-overtaken: the publication replaces DIGEST, but DIGEST is in force: somebody else published in between");
}

#[test]
fn facts_about_another_subject_are_refused() {
    let mut world = World::new();
    let (pushed, said) = (facts(9, &[author("mallory@example.com")]), facts(10, &[author("ada@example.com")]));
    let proposal = world.proposal("search/production", &git(&pushed), Some(&said));
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal))), @"facts-mismatch: the facts are about another subject than the change");
    let proposal = world.proposal("search/production", &git(&pushed), None);
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal))), @"facts-missing: a change of a git range carries the facts of that range");
}

#[test]
fn names_that_are_not_those_of_the_facts_are_refused() {
    let mut world = World::new();
    let (pushed, others) = (facts(9, &[author("mallory@example.com")]), facts(9, &[author("ada@example.com")]));
    let mut proposal = world.proposal("search/production", &git(&pushed), Some(&pushed));
    let named = proposal.identities;
    proposal.identities = Some(world.blob(others.identities.to_blob().unwrap()));
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal.clone()))), @"identities-mismatch: the identities are not those whom the facts name");
    proposal.identities = None;
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal.clone()))), @"identities-missing: facts of a git range and the names behind them come together");
    proposal.identities = named;
    proposal.facts = None;
    assert_snapshot!(told(world.say("mallory", Body::Proposal(proposal))), @"identities-missing: facts of a git range and the names behind them come together");
    let mut file = world.proposal("search/production", &file("timeout: 30"), None);
    file.identities = named;
    assert_snapshot!(told(world.say("mallory", Body::Proposal(file))), @"identities-missing: facts of a git range and the names behind them come together");
}

#[test]
fn a_gate_is_not_taken_over_by_registering_it_again() {
    let mut world = World::new();
    world.register_gate();
    let registration = |key: &str, gate: &str| {
        let (gate, key) = (gate.parse().unwrap(), world.keys[key].public());
        Body::GateRegistration(GateRegistration { gate, key, ..world.registration() })
    };
    let bodies = [
        registration("mallory", "shop-gate"),
        registration("mallory", "another-gate"),
        registration("countersign", "another-gate"),
        registration("stranger", "grace"),
        registration("stranger", "countersign"),
        registration("stranger", "apply"),
    ];
    let codes = bodies.map(|body| world.say("mallory", body).unwrap_err().code);
    assert_eq!(
        codes,
        ["gate-exists", "key-taken", "key-taken", "gate-name-taken", "gate-name-taken", "gate-name-taken"]
    );
}

/// Whoever could say anew what another's gate guards could have it guard something else; with its own key, or once that was
/// revoked, with a new one.
#[test]
fn nobody_registers_anothers_gate_anew() {
    let mut world = World::new();
    world.register_gate();
    let elsewhere = GateRegistration { targets: targets(&["checkout/production"]), ..world.registration() };
    assert_snapshot!(told(world.say("mallory", Body::GateRegistration(elsewhere.clone()))), @"anothers-gate: gate `shop-gate` was registered by barbara");
    world.say("barbara", Body::GateRegistration(elsewhere)).unwrap();
    world.revoke("mallory", "git-gate").unwrap();
    let key = world.keys["stranger"].public();
    let renewed = GateRegistration { key, ..world.registration() };
    assert_snapshot!(told(world.say("mallory", Body::GateRegistration(renewed.clone()))), @"anothers-gate: gate `shop-gate` was registered by barbara");
    world.say("barbara", Body::GateRegistration(renewed)).unwrap();
}

#[test]
fn a_key_is_revoked_only_under_the_name_of_its_holder() {
    let mut world = World::new();
    world.register_gate();
    // In another stream, nobody who looks at linus' would see it.
    for (key, of) in [("linus", "grace"), ("git-gate", "grace"), ("linus", "git-gate"), ("stranger", "mallory")] {
        let Body::KeyRevocation(mut revocation) = world.revocation(key) else { unreachable!() };
        revocation.of = crate::kit::holder(of);
        let refused = world.say("barbara", Body::KeyRevocation(revocation)).unwrap_err();
        assert_eq!(refused.code, "unknown-key", "{key} of {of}");
    }
    world.revoke("barbara", "linus").unwrap();
    world.revoke("barbara", "git-gate").unwrap();
    assert_snapshot!(told(world.revoke("grace", "linus")), @"already-revoked: key DIGEST is already revoked by barbara");
    assert_snapshot!(told(world.revoke("grace", "git-gate")), @"already-revoked: key DIGEST is already revoked");
}

#[test]
fn a_rejection_for_other_targets_than_the_changes_is_refused() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    // It would stand in the streams of targets that it does not stop, and not in those that it does.
    let Body::Rejection(mut rejection) = world.rejection(&change) else { unreachable!() };
    rejection.targets = targets(&["checkout/production"]);
    assert_snapshot!(told(world.say("linus", Body::Rejection(rejection))), @"another-subject: the statement names other targets than change CHANGE has");
}
