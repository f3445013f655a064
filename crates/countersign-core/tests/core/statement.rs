//! Statements: one spelling each, frozen, and nothing else is read.

mod matters;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    calendar::{Pass, Scope},
    canonical,
    decision::Outcome,
    evidence::EvidenceResult,
    ids::{ChangeId, GateId},
    kind::{Documents, Kind, Purpose},
    permit::PERMIT_SECS,
    refusal::RefusalClass,
    statement::{
        Approval, ApprovalWithdrawal, Away, Back, Body, BreakGlass, CalendarFetched, Comment, Decided, Delegation,
        DelegationEnd, Disclosure, Drill, Epoch, Erased, Erasure, Evidence, Finding, FindingAnswer, FoundDocument,
        Founder, Freeze, FreezeLift, GateRegistration, Genesis, GuidanceObservation, Header, Holder, Identification,
        IdentityVerdict, KINDS, KeyRevocation, KeyRotation, LabelAct, Labelling, LocalPermit, MAX_TARGETS, Matter,
        NewRevision, ObservedDocument, OutcomeReport, OutcomeResult, PermitGrant, PermitRequest, Proposal, Publication,
        PublishedChange, RESERVED_KINDS, Recovery, Rejection, RejectionLift, RejectionSetAside, RevisionRef,
        RevocationConfirmation, Schedule, Seen, SeenCheckpoint, Statement, Waiver, Window, Withdrawal,
    },
    subject::{FilesSubject, Subject},
    text::{ProposalText, Reason},
};
use countersign_ledger::{
    Digest, Envelope, Hash, PublicKey, SigningKey, StreamHead, dsse::MAX_PAYLOAD_BYTES, leaf::MAX_LINES,
};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, START, World, author, facts, file, git, id, landing, oid, targets, told};

fn key() -> PublicKey {
    SigningKey::generate(&mut FixedRng(1)).public()
}

fn change() -> ChangeId {
    "9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap()
}

fn window() -> Window {
    Window { not_before: Some(START), until: Some(START.plus_secs(3_600)) }
}

fn gate() -> GateId {
    "shop-gate".parse().unwrap()
}

/// One statement of every kind, in which every field has something to say.
pub fn one_of_each() -> Vec<Statement> {
    let revision = RevisionRef { number: 2, digest: Digest::of("revision") };
    let commits = facts(9, &[author("ada@example.com")]);
    let (text, reason) = (Digest::of("text"), Digest::of("reason"));
    let documents = Documents {
        form: "fix".to_owned(),
        hosts: ["tracker.example".to_owned()].into(),
        links: 1,
        risk: 30,
        rollback: 20,
        tests: 10,
        why: 40,
    };
    let head = StreamHead { next_seq: 3, last: Hash::leaf(b"last") };
    let both = || targets(&["checkout/production", "search/staging"]);
    let stream = |name: &str| name.parse().unwrap();
    let mut transition = landing(&commits).reference().unwrap();
    transition.attempt = Some(3);
    transition.stage = Some("canary".to_owned());
    let bodies = vec![
        Body::Genesis(Genesis {
            files: Digest::of("files"),
            founders: vec![Founder { key: key(), person: id("ada") }, Founder { key: key(), person: id("grace") }],
            log_key: "shop/log+00000000+AAAA".to_owned(),
            recovery_quorum: 2,
            semantics: 1,
            server_key: key(),
            threshold: 2,
        }),
        Body::Publication(Publication {
            change: None,
            files: Digest::of("files"),
            parent: Digest::of("parent"),
            reason,
            semantics: Some(2),
        }),
        Body::Publication(Publication {
            change: Some(PublishedChange { id: change(), revision }),
            files: Digest::of("files"),
            parent: Digest::of("parent"),
            reason,
            semantics: Some(2),
        }),
        Body::KeyRevocation(KeyRevocation { key: key().fingerprint(), of: Holder::Person(id("grace")), reason }),
        Body::RevocationConfirmation(RevocationConfirmation {
            key: key().fingerprint(),
            of: Holder::Person(id("grace")),
            revocation: Digest::of("revocation"),
            revoked_by: id("linus"),
        }),
        Body::KeyRotation(KeyRotation {
            key: key().fingerprint(),
            new_key: key(),
            of: id("grace"),
            reason: Some(reason),
        }),
        Body::Recovery(Recovery { keys: [(id("grace"), key()), (id("linus"), key())].into(), reason }),
        Body::GateRegistration(GateRegistration {
            gate: gate(),
            key: key(),
            map: Some(Digest::of("map")),
            reason: Some(reason),
            repository: "shop".parse().unwrap(),
            targets: both(),
            watching: [("refs/heads/main".to_owned(), both())].into(),
        }),
        Body::Proposal(Proposal {
            documents: documents.clone(),
            facts: Some(Digest::of("facts")),
            identities: Some(Digest::of("identities")),
            kind: Kind::Config,
            purpose: Purpose {
                no_way_back: true,
                incident: Some("INC-4711".to_owned()),
                restores: Some(change()),
                security: true,
                source: Some("release/2026-04".to_owned()),
            },
            sponsor: Some(id("ada")),
            subject: git(&commits).reference().unwrap(),
            targets: both(),
            text,
        }),
        Body::NewRevision(NewRevision {
            change: change(),
            documents,
            facts: Some(Digest::of("facts")),
            identities: Some(Digest::of("identities")),
            revision,
            sponsor: Some(id("ada")),
            subject: git(&commits).reference().unwrap(),
            targets: both(),
            text,
        }),
        Body::Approval(Approval {
            change: change(),
            reviewed: git(&commits).reference().unwrap(),
            revision,
            seen: Seen::Computed,
            targets: both(),
            within: Some(window()),
        }),
        Body::Rejection(Rejection { change: change(), reason, revision, targets: both() }),
        Body::RejectionLift(RejectionLift { change: change(), revision, targets: both() }),
        Body::RejectionSetAside(RejectionSetAside {
            change: change(),
            reason,
            rejected_by: id("linus"),
            revision,
            targets: both(),
        }),
        Body::Withdrawal(Withdrawal { change: change(), revision }),
        Body::ApprovalWithdrawal(ApprovalWithdrawal { change: change(), revision }),
        Body::Comment(Comment { change: change(), revision, text }),
        Body::Label(Labelling {
            act: LabelAct::PutOn,
            change: change(),
            labels: ["do-not-merge/hold", "no-backport"].map(|label| label.parse().unwrap()).into(),
            revision,
        }),
        Body::Schedule(Schedule { change: change(), revision, window: Some(window()) }),
        Body::Evidence(Evidence {
            change: change(),
            document: Some(Digest::of("document")),
            kind: "tests".parse().unwrap(),
            result: EvidenceResult::Passed,
            revision,
            subject: git(&commits).reference().unwrap(),
            text: Some(text),
            workflow: Some(".github/workflows/ci.yml".to_owned()),
        }),
        Body::Disclosure(Disclosure {
            change: change(),
            guidance: BTreeSet::from(["runbooks/failover.md".to_owned()]),
            prompted_by: BTreeSet::from([id("ada")]),
            revision,
            tools: BTreeSet::from(["robo".to_owned()]),
        }),
        Body::Waiver(Waiver { change: change(), reason, revision, rule: "documented".parse().unwrap() }),
        Body::Identification(Identification {
            change: change(),
            identity: "1b2c3d4e5f601b2c3d4e5f601b2c3d4e".to_owned(),
            revision,
            verdict: IdentityVerdict::Is(id("ada")),
        }),
        Body::GuidanceObservation(GuidanceObservation {
            change: change(),
            documents: vec![
                ObservedDocument {
                    found: Some(FoundDocument {
                        commit: oid(3),
                        content: Digest::of("content"),
                        owner: Some("payments".to_owned()),
                        repository: "wiki".parse().unwrap(),
                        review_due: Some(START),
                    }),
                    path: "runbooks/failover.md".to_owned(),
                },
                ObservedDocument { found: None, path: "nowhere.md".to_owned() },
            ],
            revision,
        }),
        Body::PermitRequest(PermitRequest {
            applier: Some(id("ada")),
            audience: key().fingerprint(),
            change: change(),
            gate: gate(),
            revision,
            transition: transition.clone(),
        }),
        Body::Decided(Decided {
            change: change(),
            decided_at: START,
            decision: Digest::of("decision"),
            heads: BTreeMap::from([(stream("governance"), head), (stream("person/linus"), StreamHead::EMPTY)]),
            outcome: Outcome::Allow,
            recovers: true,
            request: Digest::of("request"),
            revision,
            rules: Digest::of("rules"),
            semantics: 1,
            snapshot: Digest::of("snapshot"),
        }),
        Body::PermitGrant(PermitGrant {
            audience: key().fingerprint(),
            change: change(),
            decision: Digest::of("decision"),
            expires_at: START.plus_secs(PERMIT_SECS),
            gate: gate(),
            issued_at: START,
            revision,
            targets: both(),
            transition: transition.clone(),
        }),
        Body::BreakGlass(BreakGlass {
            audience: key().fingerprint(),
            change: change(),
            expires_at: START.plus_secs(PERMIT_SECS),
            gate: gate(),
            incident: Some("INC-4711".to_owned()),
            nonce: Some("000102030405060708090a0b0c0d0e0f".parse().unwrap()),
            over_freezes: [Digest::of("freeze")].into(),
            overrides: BTreeSet::from([id("linus")]),
            reason,
            revision,
            seen: Seen::Computed,
            targets: both(),
            transition: transition.clone(),
        }),
        Body::LocalPermit(LocalPermit {
            applier: Some(id("linus")),
            as_of: Some(START),
            audience: key().fingerprint(),
            change: change(),
            expires_at: START.plus_secs(PERMIT_SECS),
            gate: gate(),
            issued_at: START,
            revision,
            targets: both(),
            transition,
        }),
        Body::OutcomeReport(OutcomeReport {
            change: change(),
            exit_status: Some(7),
            permit: Digest::of("permit"),
            result: OutcomeResult::Failed,
            revision,
            targets: both(),
        }),
        Body::Erasure(Erasure { blobs: [text].into(), of: Erased::Change(change()), reason }),
        Body::Epoch(Epoch { after: SeenCheckpoint { size: 4, root: Hash::leaf(b"root") }, number: 2, reason }),
        Body::Finding(Finding {
            apart: [].into(),
            due: START,
            text: Some(text),
            what: Matter::BranchMoved {
                branch: "refs/heads/main".to_owned(),
                from: oid(3),
                gate: gate(),
                targets: both(),
                to: Some(oid(4)),
            },
            who: BTreeSet::from([id("ada"), id("grace")]),
        }),
        Body::FindingAnswer(FindingAnswer {
            finding: "1a2b".repeat(8).parse().unwrap(),
            seen: Some(Seen::Material),
            text,
            what: Matter::AfterReview {
                by: id("linus"),
                change: change(),
                restores: "1a2b".repeat(8).parse().unwrap(),
                targets: both(),
            },
        }),
        Body::Freeze(Freeze {
            may_pass: [Pass::Incident, Pass::Kind(Kind::Flag)].into(),
            reason,
            scope: Scope {
                environments: ["production".parse().unwrap()].into(),
                kinds: [Kind::Code].into(),
                paths: Some("deploy/**".to_owned()),
                systems: ["checkout".parse().unwrap()].into(),
                tiers: [1.try_into().unwrap()].into(),
            },
            until: START,
        }),
        Body::FreezeLift(FreezeLift { freeze: Digest::of("freeze") }),
        Body::CalendarFetched(CalendarFetched { calendar: "team".to_owned(), content: Digest::of("events") }),
        Body::Drill(Drill {
            audience: key().fingerprint(),
            expires_at: START.plus_secs(PERMIT_SECS),
            gate: gate(),
            nonce: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
            repository: "shop".parse().unwrap(),
            targets: both(),
            tip: oid(5),
        }),
    ];
    let header = Header {
        by: id("ada"),
        checkpoint: SeenCheckpoint { size: 4, root: Hash::leaf(b"root") },
        epoch: None,
        log: "shop/log".to_owned(),
        nonce: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
    };
    bodies.into_iter().chain(matters::of_people()).map(|body| Statement { header: header.clone(), body }).collect()
}

/// The same with every field left out that can be, and with what a field can say besides.
fn the_others() -> Vec<Statement> {
    let mut statements = one_of_each();
    for statement in &mut statements {
        statement.header.epoch = Some(2);
        match &mut statement.body {
            Body::Publication(publication) => publication.semantics = None,
            Body::KeyRotation(rotation) => rotation.reason = None,
            Body::BreakGlass(said) => {
                (said.incident, said.nonce, said.over_freezes) = (None, None, BTreeSet::new());
            }
            Body::Freeze(freeze) => (freeze.may_pass, freeze.scope) = (BTreeSet::new(), Scope::default()),
            Body::Away(said) => said.from = None,
            Body::Delegation(said) => {
                (said.from, said.role, said.targets) = (None, "senior".parse().unwrap(), BTreeSet::new());
            }
            Body::KeyRevocation(revocation) => revocation.of = Holder::Gate(gate()),
            Body::GateRegistration(gate) => (gate.map, gate.reason, gate.watching) = (None, None, BTreeMap::new()),
            Body::Proposal(proposal) => {
                let files = [("a b".to_owned(), Digest::of(""))].into();
                let executable = ["a b".to_owned()].into();
                proposal.subject =
                    Subject::Files(FilesSubject { files, executable, command: None }).reference().unwrap();
                (proposal.facts, proposal.identities, proposal.sponsor) = (None, None, None);
                proposal.purpose = Purpose::default();
            }
            Body::NewRevision(revision) => {
                (revision.facts, revision.identities, revision.sponsor) = (None, None, None);
                revision.targets = BTreeSet::new();
            }
            Body::Identification(said) => said.verdict = IdentityVerdict::NotInvolved,
            Body::LocalPermit(said) => (said.applier, said.as_of) = (None, None),
            Body::Decided(said) => said.recovers = false,
            Body::PermitRequest(request) => {
                let transition = &mut request.transition;
                (transition.attempt, transition.prior, transition.stage) = (None, None, None);
            }
            Body::FindingAnswer(answer) => answer.seen = None,
            Body::Finding(finding) => {
                let Matter::BranchMoved { to, .. } = &mut finding.what else { unreachable!() };
                (finding.text, *to) = (None, None);
            }
            Body::OutcomeReport(report) => report.exit_status = None,
            Body::Erasure(erasure) => erasure.of = Erased::Person(id("linus")),
            _ => {}
        }
    }
    statements
}

fn approval() -> String {
    let statement = one_of_each().into_iter().find(|statement| statement.body.kind() == "approval").unwrap();
    String::from_utf8(statement.encode().unwrap()).unwrap()
}

fn refused(payload: &str) -> String {
    told(Statement::parse(payload.as_bytes()))
}

/// These bytes are in ledgers. A line that changes is a format that can no longer be read: give it another version.
#[test]
fn the_bytes_of_every_kind_are_frozen() {
    let lines: Vec<String> =
        one_of_each().iter().map(|statement| String::from_utf8(statement.encode().unwrap()).unwrap()).collect();
    insta::assert_snapshot!("golden_statements", lines.join("\n"));
}

#[test]
fn the_bytes_of_every_matter_are_frozen() {
    let line = |statement: &Statement| {
        let payload = statement.encode().unwrap();
        assert_eq!(Statement::parse(&payload).unwrap(), *statement);
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload, canonical::to_bytes(&value).unwrap(), "keys are in order");
        let streams = statement.streams(&Digest::of("payload")).unwrap();
        let streams: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
        format!("{}\n{}", streams.join(" "), String::from_utf8(payload).unwrap())
    };
    insta::assert_snapshot!("golden_matters", matters::matters().iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn absent_fields_are_not_spelled() {
    let lines: Vec<String> =
        the_others().iter().map(|statement| String::from_utf8(statement.encode().unwrap()).unwrap()).collect();
    insta::assert_snapshot!("golden_statements_without_what_is_optional", lines.join("\n"));
}

#[test]
fn the_keys_of_every_kind_are_in_order() {
    for statement in one_of_each().into_iter().chain(the_others()) {
        let written = statement.encode().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
        let in_order = canonical::to_bytes(&value).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(in_order).unwrap());
    }
}

#[test]
fn every_kind_reads_back() {
    let mut kinds: Vec<&str> = one_of_each().iter().map(|statement| statement.body.kind()).collect();
    // Some say different things at different times.
    kinds.dedup();
    assert_eq!(kinds, KINDS);
    for statement in one_of_each().into_iter().chain(the_others()) {
        assert_eq!(Statement::parse(&statement.encode().unwrap()).unwrap(), statement);
    }
}

#[test]
fn the_streams_of_every_kind_are_a_function_of_the_statement() {
    let line = |statement: &Statement| {
        let streams = statement.streams(&Digest::of("payload")).unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
        format!("{}: {}", statement.body.kind(), names.join(" "))
    };
    assert_snapshot!(one_of_each().iter().map(line).collect::<Vec<_>>().join("\n"), @"
    genesis: governance
    publication: governance
    publication: governance change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    key-revocation: person/grace person/ada
    revocation-confirmation: person/grace person/ada person/linus
    key-rotation: governance person/grace
    recovery: governance person/grace person/linus
    gate-registration: gate/shop-gate target/checkout/production target/search/staging
    proposal: change/239f59ed55e737c77147cf55ad0c1b03
    revision: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    approval: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    rejection: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    rejection-lift: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    rejection-set-aside: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    withdrawal: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    approval-withdrawal: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    comment: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    label: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    schedule: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    evidence: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    disclosure: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    waiver: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    identification: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    guidance-observation: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    permit-request: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    decision: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    permit: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    break-glass: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    local-permit: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    outcome: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a target/checkout/production target/search/staging
    erasure: change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a
    epoch: governance
    finding: finding/239f59ed55e737c77147cf55ad0c1b03 gate/shop-gate target/checkout/production target/search/staging
    finding-answer: finding/1a2b1a2b1a2b1a2b1a2b1a2b1a2b1a2b target/checkout/production target/search/staging
    freeze: governance
    freeze-lift: governance
    calendar-fetched: governance
    drill: gate/shop-gate target/checkout/production target/search/staging
    away: person/ada
    back: person/ada
    delegation: person/ada person/linus
    delegation-end: person/ada person/linus
    ");
    let of_a_person = the_others().into_iter().find(|statement| statement.body.kind() == "erasure").unwrap();
    assert_snapshot!(line(&of_a_person), @"erasure: person/linus");
    let of_a_gate = the_others().into_iter().find(|statement| statement.body.kind() == "key-revocation").unwrap();
    assert_snapshot!(line(&of_a_gate), @"key-revocation: gate/shop-gate person/ada");
    // Whoever revokes their own key speaks in one stream.
    let mut of_oneself = one_of_each().into_iter().find(|statement| statement.body.kind() == "key-revocation").unwrap();
    of_oneself.header.by = id("grace");
    assert_snapshot!(line(&of_oneself), @"key-revocation: person/grace");
    // The change and as many targets as there may be fit into one leaf.
    const { assert!(MAX_TARGETS < MAX_LINES) };
}

#[test]
fn another_spelling_is_refused() {
    let approval = approval();
    let canonical = "malformed-statement: the approval statement is not in its canonical spelling (key order, white \
                     space, duplicate keys, subject)";
    let value: serde_json::Value = serde_json::from_str(&approval).unwrap();
    let (start, end) = approval.split_once("\"predicateType\":").unwrap();
    let moved = {
        let (kind, rest) = end.split_once(',').unwrap();
        format!("{{\"predicateType\":{kind},{}{rest}", start.trim_start_matches('{'))
    };
    assert_eq!(serde_json::from_str::<serde_json::Value>(&moved).unwrap(), value, "only the order differs");
    for other in [
        moved,
        serde_json::to_string_pretty(&value).unwrap(),
        format!("{approval}\n"),
        format!(" {approval}"),
        approval.replacen("checkout", "\\u0063heckout", 1),
        approval.replacen(
            r#"["checkout/production","search/staging"]"#,
            r#"["search/staging","checkout/production"]"#,
            1,
        ),
        approval.replacen(r#"["checkout/production""#, r#"["checkout/production","checkout/production""#, 1),
        approval.replacen("{\"_type\"", "{\"@context\":1,\"_type\"", 1),
        // What a reader of in-toto sees is what the statement says.
        approval.replacen("\"name\":\"git\"", "\"name\":\"files\"", 1),
        approval.replacen("\"sha256\":\"", "\"sha256\":\"0", 1),
        approval.replacen("\"by\":\"ada\"", "\"by\":\"ada\",\"epoch\":null", 1),
    ] {
        assert_ne!(other, approval);
        assert_eq!(refused(&other), canonical, "{other}");
    }
}

#[test]
fn a_purpose_that_nobody_states_is_not_spelled() {
    let statements = one_of_each();
    let mut statement = statements.into_iter().find(|statement| statement.body.kind() == "proposal").unwrap();
    let Body::Proposal(proposal) = &mut statement.body else { panic!("it is a proposal") };
    proposal.purpose = Purpose::default();
    let payload = String::from_utf8(statement.encode().unwrap()).unwrap();
    assert!(!payload.contains("purpose"), "{payload}");
    assert_eq!(Statement::parse(payload.as_bytes()).unwrap(), statement);
    for empty in ["{}", r#"{"security":false}"#, r#"{"restores":null}"#] {
        let other = payload.replacen("\"sponsor\"", &format!("\"purpose\":{empty},\"sponsor\""), 1);
        assert!(refused(&other).contains("canonical spelling"), "{empty}");
    }
}

#[test]
fn what_does_not_belong_is_refused_with_its_name() {
    let approval = approval();
    let with = |from: &str, to: &str| {
        let other = approval.replacen(from, to, 1);
        assert_ne!(other, approval);
        refused(&other)
    };
    let said = [
        with("\"seen\":\"computed\"", "\"seen\":\"computed\",\"secret\":1"),
        with("\"seen\":\"computed\"", "\"seen\":\"none\",\"seen\":\"computed\""),
        with("\"seen\":\"computed\",", ""),
        with("\"seen\":\"computed\"", "\"seen\":\"yes\""),
        with("\"by\":\"ada\"", "\"by\":\"Ada\""),
        with("\"change\":\"9f", "\"change\":\"9F"),
        with("\"change\":\"9f2c4e6a81d09f2c4e6a81d09f2c4e6a\"", "\"change\":\"9f2c4e6a81d0\""),
        with("\"number\":2", "\"number\":-2"),
        with("\"number\":2", "\"number\":4294967296"),
        with("\"size\":4", "\"size\":4.0"),
        with("checkout/production", "checkout"),
        with("\"header\":{", "\"headers\":{"),
        with("\"by\":\"ada\"", "\"by\":\"ada\",\"role\":\"senior\""),
        with("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"),
        with("\"type\":\"git\"", "\"type\":\"a tarball\""),
        refused("[]"),
        refused("{"),
        refused("\u{0}"),
        refused(""),
    ];
    assert_snapshot!(said.join("\n"), @"
    malformed-statement: the approval statement is malformed: unknown field `secret`, expected one of `change`, `reviewed`, `revision`, `seen`, `targets`, `within` at line 1 column 295
    malformed-statement: the approval statement is malformed: duplicate field `seen` at line 1 column 289
    malformed-statement: the approval statement is malformed: missing field `seen` at line 1 column 380
    malformed-statement: the approval statement is malformed: unknown variant `yes`, expected one of `none`, `shown`, `material`, `computed` at line 1 column 281
    malformed-statement: the approval statement is malformed: `Ada` is not a valid person, workload or agent name: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit at line 1 column 419
    malformed-statement: the approval statement is malformed: `CHANGE` is not a valid change id: 32 lower-case hexadecimal digits at line 1 column 52
    malformed-statement: the approval statement is malformed: `9f2c4e6a81d0` is not a valid change id: 32 lower-case hexadecimal digits at line 1 column 32
    malformed-statement: the approval statement is malformed: invalid value: integer `-2`, expected u32 at line 1 column 268
    malformed-statement: the approval statement is malformed: invalid value: integer `4294967296`, expected u32 at line 1 column 276
    malformed-statement: the approval statement is malformed: invalid type: floating point `4.0`, expected u64 at line 1 column 518
    malformed-statement: the approval statement is malformed: `checkout` is not a valid target: SYSTEM/ENVIRONMENT, for example `checkout/production` at line 1 column 308
    malformed-statement: the approval statement is malformed: unknown field `headers`, expected `body` or `header` at line 1 column 408
    malformed-statement: the approval statement is malformed: unknown field `role`, expected one of `by`, `checkpoint`, `epoch`, `log`, `nonce` at line 1 column 426
    malformed-statement: `_type` is `https://in-toto.io/Statement/v0.1`, not `https://in-toto.io/Statement/v1`
    malformed-statement: the approval statement is malformed: `a tarball` is not a valid type of a subject: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit at line 1 column 166
    malformed-statement: the payload is no in-toto Statement in JSON: invalid length 0, expected struct Read with 3 elements at line 1 column 2
    malformed-statement: the payload is no in-toto Statement in JSON: EOF while parsing an object at line 1 column 1
    malformed-statement: the payload is no in-toto Statement in JSON: expected value at line 1 column 1
    malformed-statement: the payload is no in-toto Statement in JSON: EOF while parsing a value at line 1 column 0
    ");
}

#[test]
fn an_unknown_kind_is_malformed_and_told_which_there_are() {
    let other = approval().replacen("urn:x-countersign:approval:v1", "urn:x-countersign:blessing:v1", 1);
    let refusal = Statement::parse(other.as_bytes()).unwrap_err();
    assert_eq!(refusal.class, RefusalClass::Malformed);
    assert_snapshot!(refusal.to_string(), @"`blessing` is not a kind of statement");
    assert_snapshot!(refusal.hint.unwrap(), @"predicate types are urn:x-countersign:KIND:v1 with KIND one of genesis, publication, key-revocation, revocation-confirmation, key-rotation, recovery, gate-registration, proposal, revision, approval, rejection, rejection-lift, rejection-set-aside, withdrawal, approval-withdrawal, comment, label, schedule, evidence, disclosure, waiver, identification, guidance-observation, permit-request, decision, permit, break-glass, local-permit, outcome, erasure, epoch, finding, finding-answer, freeze, freeze-lift, calendar-fetched, drill, away, back, delegation, delegation-end");
    for kind in ["urn:x-countersign:approval:v2", "https://slsa.dev/provenance/v1", "approval", ""] {
        let other = approval().replacen("urn:x-countersign:approval:v1", kind, 1);
        assert_eq!(Statement::parse(other.as_bytes()).unwrap_err().code, "unknown-statement", "{kind}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let mut world = World::new();
    let signature = world.keys["ada"].sign(b"").unwrap();
    let at_most = Envelope::new(&vec![b' '; MAX_PAYLOAD_BYTES], vec![signature.clone()]);
    assert!(at_most.is_ok());
    let too_large = Envelope::new(&vec![b' '; MAX_PAYLOAD_BYTES + 1], vec![signature]).unwrap_err();
    assert_snapshot!(too_large.to_string(), @"the payload has 32769 bytes, more than the 32768 that are allowed");

    let mut proposed = |targets: usize, subject: &Subject| {
        let mut proposal = world.proposal("search/production", subject, None);
        proposal.targets = (0..targets).map(|n| format!("search/e{n}").parse().unwrap()).collect();
        if targets == 1 {
            proposal.targets = crate::kit::targets(&["search/production"]);
        }
        told(world.say("ada", Body::Proposal(proposal)))
    };
    let files = |count: usize, words: usize| {
        let files = (0..count).map(|n| (format!("f{n}"), Digest::of(""))).collect();
        Subject::Files(FilesSubject { files, executable: BTreeSet::new(), command: Some(vec!["x".to_owned(); words]) })
    };
    assert_snapshot!(proposed(MAX_TARGETS + 1, &file("timeout: 30")), @"targets: a change has 1 to 60 targets");
    assert_snapshot!(proposed(0, &file("timeout: 30")), @"targets: a change has 1 to 60 targets");
    assert_snapshot!(proposed(1, &files(501, 1)), @"files: a change of files has 1 to 500 files");
    assert_snapshot!(proposed(1, &files(0, 1)), @"files: a change of files has 1 to 500 files");
    assert_snapshot!(proposed(1, &files(1, 0)), @"command: a command has 1 to 50 words");
    assert_snapshot!(proposed(1, &files(1, 51)), @"command: a command has 1 to 50 words");
    // What stands in more streams than a leaf has room for is refused before anybody tries to write it.
    let change = world.propose("ada", "search/production");
    let Body::Rejection(mut rejection) = world.rejection(&change) else { unreachable!() };
    rejection.targets = (0..100).map(|n| format!("search/e{n}").parse().unwrap()).collect();
    assert_snapshot!(told(world.say("linus", Body::Rejection(rejection))), @"too-many-streams: a statement stands in 64 streams at the most: name fewer targets");
    // A statement names any number of files by one digest.
    let many = files(500, 50);
    let proposal = world.proposal("search/production", &many, None);
    let payload = world.statement("ada", Body::Proposal(proposal.clone())).encode().unwrap();
    assert!(payload.len() < 2_000, "{}", payload.len());
    world.say("ada", Body::Proposal(proposal)).unwrap();
}

proptest! {
    #[test]
    fn parsing_changed_bytes_never_panics_and_reads_one_spelling(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4),
    ) {
        let payloads: Vec<Vec<u8>> = one_of_each().iter().map(|statement| statement.encode().unwrap()).collect();
        let mut bytes = which.get(&payloads).clone();
        for (at, how, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] ^= 1 << (byte % 8),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok(statement) = Statement::parse(&bytes) {
            prop_assert_eq!(statement.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn parsing_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Statement::parse(&bytes).is_err());
        let _ = Envelope::parse(&bytes);
    }
}
