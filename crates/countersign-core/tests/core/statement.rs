//! Statements: one spelling each, frozen, and nothing else is read.

use std::collections::BTreeSet;

use countersign_core::{
    decision::Outcome,
    facts::GitFacts,
    kind::{Documents, Kind, Purpose},
    permit::PERMIT_SECS,
    statement::{
        Amendment, Approval, Body, Decided, Disclosure, FoundDocument, Founder, GateRegistration, Genesis,
        GuidanceObservation, Header, Heads, Identification, IdentityVerdict, KINDS, KeyRevocation, NewRevision,
        ObservedDocument, OutcomeReport, OutcomeResult, PermitGrant, PermitRequest, Proposal, Rejection, RejectionLift,
        RevisionRef, Seen, SeenCheckpoint, Statement, Subject, Waiver, Withdrawal,
    },
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Envelope, Hash, PublicKey, SigningKey, StreamHead, dsse::MAX_PAYLOAD_BYTES};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, START, World, author, facts, file, git, id, landing, oid, targets, told};

fn key() -> PublicKey {
    SigningKey::generate(&mut FixedRng(1)).public()
}

/// One statement of every kind, in which every field has something to say.
fn one_of_each() -> Vec<Statement> {
    let change: countersign_core::ids::ChangeId = "9f2c4e6a81d0".parse().unwrap();
    let revision = RevisionRef { number: 2, digest: Digest::of("revision") };
    let commits: GitFacts = facts(9, &[author("ada@example.com")]);
    let (text, reason) = (Digest::of("text"), Digest::of("reason"));
    let documents = Documents { why: 40, risk: 30, rollback: 20, tests: 10 };
    let head = StreamHead { next_seq: 3, last: Hash::leaf(b"last") };
    let gate: countersign_core::ids::GateId = "shop-gate".parse().unwrap();
    let both = || targets(&["checkout/production", "search/staging"]);
    let bodies = vec![
        Body::Genesis(Genesis {
            founders: vec![Founder { person: id("ada"), key: key() }, Founder { person: id("grace"), key: key() }],
            threshold: 2,
            catalog: Digest::of("catalog"),
            rules: Digest::of("rules"),
            server_key: key(),
            log_key: "shop/log+00000000+AAAA".to_owned(),
            recovery_quorum: 2,
        }),
        Body::Amendment(Amendment {
            parent: Digest::of("parent"),
            catalog: Digest::of("catalog"),
            rules: Digest::of("rules"),
            reason,
        }),
        Body::KeyRevocation(KeyRevocation { key: key().fingerprint(), reason }),
        Body::GateRegistration(GateRegistration {
            gate: gate.clone(),
            key: key(),
            repository: "shop".parse().unwrap(),
            targets: both(),
        }),
        Body::Proposal(Proposal {
            kind: Kind::Config,
            purpose: Purpose { restores: Some(change.clone()), incident: Some("INC-4711".to_owned()), security: true },
            targets: both(),
            subject: file("timeout: 30"),
            facts: None,
            text,
            documents,
            sponsor: Some(id("ada")),
        }),
        Body::NewRevision(NewRevision {
            change: change.clone(),
            revision,
            subject: git(&commits),
            facts: Some(Digest::of("facts")),
            text,
            documents,
            sponsor: None,
        }),
        Body::Approval(Approval {
            change: change.clone(),
            revision,
            targets: both(),
            reviewed: git(&commits),
            seen: Seen::Computed,
        }),
        Body::Rejection(Rejection { change: change.clone(), revision, reason }),
        Body::RejectionLift(RejectionLift { change: change.clone(), revision }),
        Body::Withdrawal(Withdrawal { change: change.clone(), revision }),
        Body::Disclosure(Disclosure {
            change: change.clone(),
            revision,
            tools: BTreeSet::from(["robo".to_owned()]),
            guidance: BTreeSet::from(["runbooks/failover.md".to_owned()]),
            prompted_by: BTreeSet::from([id("ada")]),
        }),
        Body::Waiver(Waiver { change: change.clone(), revision, rule: "documented".parse().unwrap(), reason }),
        Body::Identification(Identification {
            change: change.clone(),
            revision,
            identity: "1b2c3d4e5f60".to_owned(),
            verdict: IdentityVerdict::Is(id("ada")),
        }),
        Body::GuidanceObservation(GuidanceObservation {
            change: change.clone(),
            revision,
            documents: vec![
                ObservedDocument {
                    path: "runbooks/failover.md".to_owned(),
                    found: Some(FoundDocument {
                        repository: "wiki".parse().unwrap(),
                        commit: oid(3),
                        content: Digest::of("content"),
                        owner: Some("payments".to_owned()),
                        review_due: Some(START),
                    }),
                },
                ObservedDocument { path: "nowhere.md".to_owned(), found: None },
            ],
        }),
        Body::PermitRequest(PermitRequest {
            change: change.clone(),
            revision,
            gate: gate.clone(),
            audience: key().fingerprint(),
            transition: landing(&commits),
        }),
        Body::Decided(Decided {
            change: change.clone(),
            revision,
            outcome: Outcome::Allow,
            decision: Digest::of("decision"),
            snapshot: Digest::of("snapshot"),
            rules: Digest::of("rules"),
            semantics: 1,
            decided_at: START,
            heads: Heads { governance: head, change: head },
        }),
        Body::PermitGrant(PermitGrant {
            change: change.clone(),
            revision,
            targets: both(),
            gate,
            audience: key().fingerprint(),
            transition: countersign_core::statement::Transition::Apply {
                files: [("app.yaml".to_owned(), Digest::of("timeout: 30"))].into(),
                command: vec!["deploy".to_owned(), "app.yaml".to_owned()],
            },
            decision: Digest::of("decision"),
            issued_at: START,
            expires_at: START.plus_secs(PERMIT_SECS),
        }),
        Body::OutcomeReport(OutcomeReport {
            change,
            revision,
            permit: Digest::of("permit"),
            result: OutcomeResult::Failed,
            exit_status: Some(7),
        }),
    ];
    let header = Header {
        log: "shop/log".to_owned(),
        by: id("ada"),
        nonce: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        checkpoint: SeenCheckpoint { size: 4, root: Hash::leaf(b"root") },
    };
    bodies.into_iter().map(|body| Statement { header: header.clone(), body }).collect()
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
fn every_kind_reads_back() {
    let statements = one_of_each();
    let kinds: Vec<&str> = statements.iter().map(|statement| statement.body.kind()).collect();
    assert_eq!(kinds, KINDS);
    for statement in statements {
        assert_eq!(Statement::parse(&statement.encode().unwrap()).unwrap(), statement);
    }
}

#[test]
fn every_kind_of_identity_verdict_and_subject_reads_back() {
    let mut statements = one_of_each();
    for statement in &mut statements {
        match &mut statement.body {
            Body::Identification(said) => said.verdict = IdentityVerdict::NotInvolved,
            Body::Proposal(proposal) => {
                proposal.subject = Subject::Files { files: [("a b".to_owned(), Digest::of(""))].into(), command: None };
            }
            _ => {}
        }
        assert_eq!(&Statement::parse(&statement.encode().unwrap()).unwrap(), statement);
    }
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
        approval.replacen("\"seen\":\"computed\"", "\"seen\":\"none\",\"seen\":\"computed\"", 1),
        approval.replacen("checkout", "\\u0063heckout", 1),
        approval.replacen(
            r#"["checkout/production","search/staging"]"#,
            r#"["search/staging","checkout/production"]"#,
            1,
        ),
        approval.replacen(r#"["checkout/production""#, r#"["checkout/production","checkout/production""#, 1),
        approval.replacen("{\"_type\"", "{\"@context\":1,\"_type\"", 1),
        // What a reader of in-toto sees is what the statement says.
        approval.replacen("git:shop:refs/heads/main", "git:shop:refs/heads/mine", 1),
        approval.replacen("\"gitCommit\":\"00", "\"gitCommit\":\"01", 1),
    ] {
        assert_ne!(other, approval);
        assert_eq!(refused(&other), canonical, "{other}");
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
        with("\"seen\":\"computed\",", ""),
        with("\"seen\":\"computed\"", "\"seen\":\"yes\""),
        with("\"by\":\"ada\"", "\"by\":\"Ada\""),
        with("\"change\":\"9f2c4e6a81d0\"", "\"change\":\"9F2C4E6A81D0\""),
        with("\"number\":2", "\"number\":-2"),
        with("\"number\":2", "\"number\":4294967296"),
        with("\"size\":4", "\"size\":4.0"),
        with("checkout/production", "checkout"),
        with("\"header\":{", "\"headers\":{"),
        with("\"by\":\"ada\"", "\"by\":\"ada\",\"role\":\"senior\""),
        with("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"),
        with("\"type\":\"git\"", "\"type\":\"tarball\""),
        refused("[]"),
        refused("{"),
        refused("\u{0}"),
        refused(""),
    ];
    assert_snapshot!(said.join("\n"), @r#"
    malformed-statement: the approval statement is malformed: unknown field `secret`, expected one of `change`, `revision`, `targets`, `reviewed`, `seen`
    malformed-statement: the approval statement is malformed: missing field `seen`
    malformed-statement: the approval statement is malformed: unknown variant `yes`, expected one of `none`, `shown`, `material`, `computed`
    malformed-statement: the approval statement is malformed: `Ada` is not a valid person, workload or agent name: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit
    malformed-statement: the approval statement is malformed: `9F2C4E6A81D0` is not a valid change id: 12 lower-case hexadecimal digits
    malformed-statement: the approval statement is malformed: invalid value: integer `-2`, expected u32
    malformed-statement: the approval statement is malformed: invalid value: integer `4294967296`, expected u32
    malformed-statement: the approval statement is malformed: invalid type: floating point `4.0`, expected u64
    malformed-statement: the approval statement is malformed: `checkout` is not a valid target: SYSTEM/ENVIRONMENT, for example `checkout/production`
    malformed-statement: the predicate has no `header`
    malformed-statement: the approval statement is malformed: unknown field `role`, expected one of `log`, `by`, `nonce`, `checkpoint`
    malformed-statement: `_type` is `https://in-toto.io/Statement/v0.1`, not `https://in-toto.io/Statement/v1`
    malformed-statement: the approval statement is malformed: unknown variant `tarball`, expected `git` or `files`
    malformed-statement: `_type` is ``, not `https://in-toto.io/Statement/v1`
    malformed-statement: the payload is not JSON: EOF while parsing an object at line 1 column 1
    malformed-statement: the payload is not JSON: expected value at line 1 column 1
    malformed-statement: the payload is not JSON: EOF while parsing a value at line 1 column 0
    "#);
}

#[test]
fn an_unknown_kind_is_told_which_there_are() {
    let other = approval().replacen("urn:x-countersign:approval:v1", "urn:x-countersign:blessing:v1", 1);
    let refusal = Statement::parse(other.as_bytes()).unwrap_err();
    assert_snapshot!(refusal.to_string(), @"`blessing` is not a kind of statement");
    assert_snapshot!(refusal.hint.unwrap(), @"predicate types are urn:x-countersign:KIND:v1 with KIND one of genesis, amendment, key-revocation, gate-registration, proposal, revision, approval, rejection, rejection-lift, withdrawal, disclosure, waiver, identification, guidance-observation, permit-request, decision, permit, outcome");
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

    let many = |count: usize| -> Vec<String> { (0..count).map(|n| format!("search/e{n}")).collect() };
    let mut proposal = world.proposal("search/production", file("timeout: 30"), None);
    proposal.targets = many(51).iter().map(|name| name.parse().unwrap()).collect();
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal.clone()))), @"targets: a change has 1 to 50 targets");
    proposal.targets.clear();
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal.clone()))), @"targets: a change has 1 to 50 targets");
    proposal.targets = targets(&["search/production"]);
    let digest = Digest::of("");
    let files = |count: usize| (0..count).map(|n| (format!("f{n}"), digest)).collect();
    proposal.subject = Subject::Files { files: files(101), command: None };
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal.clone()))), @"files: a change of files has 1 to 100 files");
    proposal.subject = Subject::Files { files: files(1), command: Some(vec![]) };
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal.clone()))), @"command: a command has 1 to 50 words");
    proposal.subject = Subject::Files { files: files(1), command: Some(vec!["x".to_owned(); 51]) };
    assert_snapshot!(told(world.say("ada", Body::Proposal(proposal))), @"command: a command has 1 to 50 words");
}

#[test]
fn words_have_their_limits() {
    let salt = || "00112233445566778899aabbccddeeff".parse().unwrap();
    let text = |why: &str, links: usize| {
        let text = ProposalText {
            salt: salt(),
            title: "T".to_owned(),
            why: why.to_owned(),
            risk: String::new(),
            rollback: String::new(),
            tests: String::new(),
            links: vec!["https://x.example".to_owned(); links],
        };
        ProposalText::parse(&text.to_blob().unwrap())
    };
    assert!(text(&"é".repeat(8_000), 50).is_ok());
    assert_snapshot!(told(text(&"é".repeat(8_001), 0)), @"text-too-long: a text of 8001 characters is longer than 8000");
    assert_snapshot!(told(text("", 51)), @"too-many-links: more than 50 links");
    let reason = |why: &str| Reason::parse(&Reason { salt: salt(), why: why.to_owned() }.to_blob().unwrap());
    assert_snapshot!(told(reason(" \n")), @"reason-missing: a reason of 1 to 8000 characters is needed");
    assert_eq!(text(" \t padded \n", 0).unwrap().documents().why, 6, "blanks document nothing");
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
