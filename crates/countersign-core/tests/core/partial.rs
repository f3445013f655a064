//! A state of which only a part is loaded: what is not there is not taken for absent, and folding over what a statement
//! needs gives the same as folding over all.

use std::sync::Arc;

use countersign_core::{
    calendar::Scope,
    change::Change,
    fold::Entry,
    ids::{ChangeId, Target},
    permit::PERMIT_SECS,
    snapshot::Snapshot,
    state::{Record, State},
    statement::{
        ApprovalWithdrawal, Away, Body, Disclosure, KeyRotation, LabelAct, Labelling, OutcomeReport, OutcomeResult,
        PermitGrant, PermitRequest, Recovery, RejectionLift, Schedule, Waiver, Window, Withdrawal,
    },
};
use countersign_ledger::{Envelope, StreamId};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{
    World, author, blob_of, co_author, facts, file, fold_in_part, git, governance_files, id, load, targets, told,
};

fn stream(name: &str) -> StreamId {
    name.parse().unwrap()
}

#[test]
fn what_was_not_loaded_is_not_taken_for_absent() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let own = stream(&format!("change/{change}"));
    let mut part = State::part(Arc::clone(&world.state.governance));
    let (linus, gate) = (id("linus"), "shop-gate".parse().unwrap());
    let key = world.keys["linus"].public().fingerprint();
    assert_snapshot!(told(part.change(&change)), @"stream-missing: stream change/CHANGE, on which this depends, is missing here");
    assert_snapshot!(told(part.person(&linus)), @"stream-missing: stream person/linus, on which this depends, is missing here");
    assert_snapshot!(told(part.gate(&gate)), @"stream-missing: stream gate/shop-gate, on which this depends, is missing here");
    assert_snapshot!(told(part.head(&own)), @"stream-missing: stream change/CHANGE, on which this depends, is missing here");
    assert_eq!(part.heads(&[own.clone()].into()).unwrap_err().code, "stream-missing");
    assert_eq!(part.holds(&linus, &key, world.now).unwrap_err().code, "stream-missing");
    let taken = Snapshot::take(&part, world.change(&change), world.now);
    assert_snapshot!(told(taken), @"stream-missing: stream target/search/production, on which this depends, is missing here");
    for name in [own.as_str(), "person/linus", "gate/shop-gate"] {
        assert!(!part.knows(&stream(name)));
        load(&world.state, &mut part, stream(name));
        assert!(part.knows(&stream(name)));
    }
    // Now it is known that there is none, or which there is.
    assert_eq!(part.change(&change).unwrap(), Some(world.change(&change)));
    assert_eq!(part.person(&linus).unwrap(), None);
    assert_eq!(part.gate(&gate).unwrap(), None);
    assert!(part.holds(&linus, &key, world.now).unwrap().is_some());
    assert_eq!(part.head(&own).unwrap(), world.state.head(&own).unwrap());
    // A record without its stream's head is not known either.
    let mut without_a_head = State::part(Arc::clone(&world.state.governance));
    without_a_head.put_change(world.change(&change).clone());
    assert_eq!(without_a_head.change(&change).unwrap_err().code, "stream-missing");
}

#[test]
fn an_unknown_revocation_does_not_look_like_none() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let approval = world.sign(&world.statement("linus", Body::Approval(world.approval(&change))), &["linus"]);
    world.revoke("barbara", "linus").unwrap();
    let entry = Entry::parse(&world.leaf(approval).unwrap().bytes).unwrap();
    let mut part = State::part(Arc::clone(&world.state.governance));
    for name in ["governance".to_owned(), format!("change/{change}")] {
        load(&world.state, &mut part, stream(&name));
    }
    assert_snapshot!(told(part.fold(&entry, &blob_of(&world.blobs))), @"stream-missing: stream person/linus, on which this depends, is missing here");
    let target = stream("target/search/production");
    assert_eq!(part.missing(&entry.signed).unwrap(), [stream("person/linus"), target.clone()].into());
    load(&world.state, &mut part, stream("person/linus"));
    load(&world.state, &mut part, target);
    assert_eq!(part.missing(&entry.signed).unwrap(), [].into());
    assert_snapshot!(told(part.fold(&entry, &blob_of(&world.blobs))), @"key-revoked: key DIGEST was revoked by barbara, for a day unless somebody else confirms it");
}

#[test]
fn a_decision_needs_every_stream_that_it_depends_on() {
    let mut world = World::new();
    world.register_gate();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("linus", &change).unwrap();
    world.waive("barbara", &change, "documented").unwrap();
    let request = request_by_the_gate(&mut world, &change);
    world.say_with("shop-gate", &["git-gate"], Body::PermitRequest(request)).unwrap();
    let (_, decided) = world.decided(&change);
    let envelope = world.sign(&world.statement("countersign", Body::Decided(decided)), &["countersign"]);
    let entry = Entry::parse(&world.leaf(envelope).unwrap().bytes).unwrap();
    let needed = ["gate/shop-gate", "governance", "person/barbara", "person/linus", "target/search/production"];
    let loaded = |without: &str| {
        let mut part = State::part(Arc::clone(&world.state.governance));
        for name in needed.into_iter().chain(["person/countersign", &format!("change/{change}")]) {
            if name != without {
                load(&world.state, &mut part, stream(name));
            }
        }
        part
    };
    let mut whole = loaded("");
    assert_eq!(whole.missing(&entry.signed).unwrap(), [].into());
    whole.fold(&entry, &blob_of(&world.blobs)).unwrap();
    for without in needed {
        let mut part = loaded(without);
        assert_eq!(part.missing(&entry.signed).unwrap(), [stream(without)].into());
        if without != "governance" {
            let refused = part.fold(&entry, &blob_of(&world.blobs)).unwrap_err();
            assert_eq!(refused.code, "stream-missing", "{without}");
        }
    }
}

fn request_by_the_gate(world: &mut World, change: &ChangeId) -> PermitRequest {
    let transition = world.transition(change);
    PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", change, &transition) }
}

// Random logs.

const SPEAKERS: [&str; 9] =
    ["ada", "grace", "linus", "mallory", "barbara", "robo", "countersign", "shop-gate", "stranger"];

/// What somebody tries to say.
#[derive(Clone, Debug)]
struct Act {
    by: usize,
    /// Whose key signs: mostly the speaker's.
    key: Option<usize>,
    change: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    ProposeFile,
    ProposeCommits,
    Revise,
    Approve,
    Reject,
    Lift,
    Withdraw,
    TakeBack,
    Comment,
    Label,
    Schedule,
    Attest,
    Waive,
    Disclose,
    Revoke,
    Register,
    Ask,
    AskByTheGate,
    Decide,
    Permit,
    Report,
    Publish,
    TakeAPersonAway,
    BeginEpoch,
    Amend,
    Endorse,
    PutInForce,
    Find,
    Rotate,
    RotateLost,
    Recover,
    BreakGlass,
    LocalPermit,
    Drill,
    Freeze,
    Away,
    Delegate,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let one = |what: What| vec![what];
    let what = prop_oneof![
        2 => Just(one(What::ProposeFile)),
        1 => Just(one(What::Freeze)),
        1 => Just(one(What::Away)),
        2 => Just(one(What::Delegate)),
        2 => Just(one(What::ProposeCommits)),
        1 => Just(one(What::Revise)),
        6 => Just(one(What::Approve)),
        2 => Just(one(What::Reject)),
        4 => Just(one(What::Lift)),
        1 => Just(one(What::Withdraw)),
        2 => Just(one(What::TakeBack)),
        1 => Just(one(What::Comment)),
        2 => Just(one(What::Label)),
        2 => Just(one(What::Schedule)),
        1 => Just(one(What::Attest)),
        1 => Just(one(What::Waive)),
        1 => Just(one(What::Disclose)),
        1 => Just(one(What::Revoke)),
        2 => Just(one(What::Register)),
        1 => Just(vec![What::Publish, What::Endorse, What::PutInForce]),
        // What belongs together, whole or cut off.
        8 => (any::<bool>(), 1..5_usize).prop_map(|(gate, length)| {
            let ask = if gate { What::AskByTheGate } else { What::Ask };
            [ask, What::Decide, What::Permit, What::Report][..length].to_vec()
        }),
        1 => Just(vec![What::Revoke, What::TakeAPersonAway, What::Endorse, What::PutInForce]),
        1 => Just(one(What::BeginEpoch)),
        3 => (1..4_usize).prop_map(|length| [What::Amend, What::Endorse, What::PutInForce][..length].to_vec()),
        2 => Just(one(What::PutInForce)),
        2 => Just(one(What::Find)),
        2 => Just(one(What::Rotate)),
        1 => Just(one(What::RotateLost)),
        1 => Just(one(What::Recover)),
        1 => Just(one(What::BreakGlass)),
        1 => Just(one(What::LocalPermit)),
        1 => Just(one(What::Drill)),
    ];
    let run = (0..SPEAKERS.len(), prop::option::weighted(0.1, 0..SPEAKERS.len()), 0..4_usize, what);
    let run = run.prop_map(|(by, key, change, what)| {
        what.into_iter().map(move |what| Act { by, key, change, what }).collect::<Vec<_>>()
    });
    prop::collection::vec(run, 1..40).prop_map(|runs| runs.concat())
}

/// What the random acts begin from: two approved changes and a gate.
fn begun() -> World {
    let mut world = World::new();
    world.spare(SPARE);
    world.register_gate();
    let commits = facts(8, &[author("ada@example.com")]);
    for change in [world.propose("ada", "search/production"), world.propose_git("ada", &commits)] {
        world.approve("linus", &change).unwrap();
    }
    world
}

/// A key that nobody has in the beginning.
const SPARE: &str = "spare";

fn key_of(speaker: &str) -> &str {
    if speaker == "shop-gate" { "git-gate" } else { speaker }
}

impl Act {
    /// The envelope that would be sent; None where there is no change to speak of.
    fn envelope(&self, world: &mut World) -> Option<Envelope> {
        let mut by = SPEAKERS[self.by];
        let mut keys = vec![key_of(self.key.map_or(by, |key| SPEAKERS[key]))];
        let open: Vec<ChangeId> = world.state.changes().map(|change| change.id.clone()).collect();
        let change = open.get(self.change % open.len().max(1)).cloned();
        let governs = |change: &&Change| change.targets.iter().all(Target::is_governance);
        let amended = world.state.changes().filter(governs).max_by_key(|change| change.proposed_at);
        let amended = amended.map(|change| change.id.clone());
        let body = match self.what {
            What::ProposeFile => {
                let mut proposal = world.proposal("search/production", &file("timeout: 30"), None);
                if self.change == 0 {
                    proposal.targets = targets(&["checkout/production", "search/production"]);
                }
                proposal.sponsor = (by == "robo").then(|| id("ada"));
                Body::Proposal(proposal)
            }
            What::ProposeCommits => {
                let commits = facts(9, &[author("ada@example.com"), co_author("mallory@example.com")]);
                Body::Proposal(world.proposal("search/production", &git(&commits), Some(&commits)))
            }
            What::BeginEpoch => {
                (by, keys) = ("ada", vec!["ada", "grace"]);
                let number = world.state.governance.record.epoch() + 1;
                Body::Epoch(world.epoch(number))
            }
            What::Rotate => {
                keys = vec![key_of(by), SPARE];
                Body::KeyRotation(world.rotation(by, key_of(by), SPARE))
            }
            What::RotateLost => {
                let of = SPEAKERS[self.change % SPEAKERS.len()];
                (by, keys) = ("barbara", vec!["barbara", "ada"]);
                let reason = Some(world.reason("it was lost"));
                Body::KeyRotation(KeyRotation { reason, ..world.rotation(of, key_of(of), SPARE) })
            }
            What::Away => Body::Away(Away { from: None, until: world.now.plus_secs(60) }),
            What::Delegate => {
                let to = SPEAKERS[self.change % SPEAKERS.len()];
                let role = if self.change.is_multiple_of(2) { "owner" } else { "senior" };
                Body::Delegation(world.delegation(role, to, 7))
            }
            What::Freeze => {
                Body::Freeze(world.freeze_of(Scope::default(), 1 + i64::from(self.change.is_multiple_of(2))))
            }
            What::Recover => {
                (by, keys) = ("ada", vec!["ada", "grace"]);
                let new = [(id("linus"), world.keys[SPARE].public())].into();
                Body::Recovery(Recovery { keys: new, reason: world.reason("they were lost") })
            }
            What::Amend => {
                let tier = format!(r#"{{"owner":"discovery","tier":{}}}"#, 2 + self.change % 3);
                Body::Proposal(world.amendment(&[("systems/search.json", Some(tier.as_bytes()))]))
            }
            What::Endorse => {
                by = ["ada", "grace", "linus"][self.by % 3];
                keys = vec![by];
                Body::Approval(world.approval(&amended?))
            }
            What::PutInForce => Body::Publication(world.publication_of(&amended?)),
            What::Find => {
                (by, keys) = ("shop-gate", vec!["git-gate"]);
                let to = 2 + u64::try_from(self.change).unwrap();
                Body::Finding(world.moved("shop-gate", &["search/production"], to))
            }
            What::Register => Body::GateRegistration(world.registration()),
            What::Revoke => world.revocation(key_of(SPEAKERS[(self.by + self.change) % SPEAKERS.len()])),
            What::Publish | What::TakeAPersonAway => {
                (by, keys) = ("barbara", vec!["barbara"]);
                let nobody = br#"{"people":{},"salt":"00112233445566778899aabbccddeeff"}"#;
                let all = governance_files(&world.keys);
                let (people, profiles) = ("people/discovery.json", "profiles/discovery.json");
                Body::Proposal(match self.what {
                    What::TakeAPersonAway => world.amendment(&[(people, Some(b"{}")), (profiles, Some(nobody))]),
                    _ => world.amendment(&[
                        (people, Some(&all[people])),
                        (profiles, Some(&all[profiles])),
                        ("systems/search.json", Some(br#"{"owner":"discovery","tier":2}"#)),
                    ]),
                })
            }
            _ => self.about(world, change?, &mut by, &mut keys)?,
        };
        Some(world.sign(&world.statement(by, body), &keys))
    }

    fn about<'a>(
        &self,
        world: &mut World,
        change: ChangeId,
        by: &mut &'a str,
        keys: &mut Vec<&'a str>,
    ) -> Option<Body> {
        let revision = world.revision(&change);
        let targets = world.change(&change).targets.clone();
        Some(match self.what {
            What::Revise => world.new_revision(&change, &file("timeout: 31"), None),
            What::Approve => Body::Approval(world.approval(&change)),
            What::Reject => world.rejection(&change),
            What::Lift => {
                if let Some(rejection) = world.change(&change).standing_rejections().next()
                    && let Some(who) = SPEAKERS.into_iter().find(|name| *name == rejection.by.as_str())
                    && self.by.is_multiple_of(2)
                {
                    (*by, *keys) = (who, vec![who]);
                }
                Body::RejectionLift(RejectionLift { change, revision, targets })
            }
            What::Withdraw => Body::Withdrawal(Withdrawal { change, revision }),
            What::TakeBack => Body::ApprovalWithdrawal(ApprovalWithdrawal { change, revision }),
            What::Comment => world.remark(&change),
            What::BreakGlass => Body::BreakGlass(world.glass(&change)),
            What::LocalPermit => Body::LocalPermit(world.local_permit(&change)),
            What::Drill => Body::Drill(world.drill("search/production")),
            What::Label => {
                let act = if self.by.is_multiple_of(2) { LabelAct::PutOn } else { LabelAct::TakeOff };
                Body::Label(Labelling { act, change, labels: ["hold".parse().unwrap()].into(), revision })
            }
            What::Schedule => {
                let window = Window { not_before: Some(world.now.plus_secs(60)), until: None };
                let window = Some(window).filter(|_| self.by.is_multiple_of(2));
                Body::Schedule(Schedule { change, revision, window })
            }
            What::Attest => {
                (*by, *keys) = ("ci", vec!["ci"]);
                world.evidence_of(&change)
            }
            What::Waive => {
                let reason = world.reason("it can wait");
                Body::Waiver(Waiver { change, reason, revision, rule: "owner-approves".parse().unwrap() })
            }
            What::Disclose => Body::Disclosure(Disclosure {
                change,
                guidance: [].into(),
                prompted_by: [].into(),
                revision,
                tools: ["robo".to_owned()].into(),
            }),
            What::Ask => {
                let transition = world.transition(&change);
                Body::PermitRequest(world.request(keys[0], &change, &transition))
            }
            What::AskByTheGate => Body::PermitRequest(request_by_the_gate(world, &change)),
            What::Decide => {
                world.change(&change).requested.as_ref()?;
                (*by, *keys) = ("countersign", vec!["countersign"]);
                let (_, decided) = world.decided(&change);
                Body::Decided(decided)
            }
            What::Permit => {
                let decision = world.change(&change).decisions.last()?.clone();
                (*by, *keys) = ("countersign", vec!["countersign"]);
                Body::PermitGrant(PermitGrant {
                    audience: decision.request.audience,
                    change,
                    decision: decision.decision,
                    expires_at: world.now.plus_secs(PERMIT_SECS),
                    gate: decision.request.gate,
                    issued_at: world.now,
                    revision,
                    targets,
                    transition: decision.request.transition,
                })
            }
            What::Report => Body::OutcomeReport(OutcomeReport {
                permit: world.change(&change).permits.last()?.statement,
                change,
                exit_status: None,
                result: if self.by.is_multiple_of(2) { OutcomeResult::Started } else { OutcomeResult::Failed },
                revision,
                targets,
            }),
            What::ProposeFile
            | What::ProposeCommits
            | What::Register
            | What::Revoke
            | What::Publish
            | What::TakeAPersonAway
            | What::BeginEpoch
            | What::Amend
            | What::Endorse
            | What::PutInForce
            | What::Find
            | What::Rotate
            | What::RotateLost
            | What::Freeze
            | What::Away
            | What::Delegate
            | What::Recover => return None,
        })
    }
}

/// What stands under a stream's name, to be compared.
fn record(state: &State, stream: &StreamId) -> String {
    match state.record(stream) {
        Some(Record::Governance(governance)) => format!("{:?} {:?}", governance.record, governance.catalog),
        Some(Record::Change(change)) => format!("{change:?}"),
        Some(Record::Person(person)) => format!("{person:?}"),
        Some(Record::Gate(gate)) => format!("{gate:?}"),
        Some(Record::Target(target)) => format!("{target:?}"),
        Some(Record::Finding(finding)) => format!("{finding:?}"),
        None => "nothing".to_owned(),
    }
}

fn all_records(state: &State) -> Vec<(StreamId, String)> {
    state.all_heads().iter().map(|(name, head)| (name.clone(), format!("{head:?} {}", record(state, name)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A store that only ever saw what each statement needed has, record for record, what folding over all gives; and it
    /// refused the same statements for the same reasons.
    #[test]
    fn folding_over_what_a_statement_needs_is_folding_over_all(acts in acts()) {
        let mut world = begun();
        let mut store = world.state.clone();
        for act in acts {
            world.now = world.now.plus_secs(1);
            let Some(envelope) = act.envelope(&mut world) else { continue };
            let leaf = world.leaf(envelope).unwrap();
            let entry = Entry::parse(&leaf.bytes).unwrap();
            let before = all_records(&world.state);
            let in_part = fold_in_part(&store, &entry, &world.blobs);
            match (world.take(leaf), in_part) {
                (Ok(_), Ok((part, touched))) => {
                    for stream in &touched {
                        load(&part, &mut store, stream.clone());
                    }
                    // Nothing moved but what is said to have.
                    for (name, old) in before {
                        let new = format!("{:?} {}", world.state.head(&name).unwrap(), record(&world.state, &name));
                        prop_assert!(touched.contains(&name) != (new == old), "{name}");
                    }
                }
                // Whom a hint names depends on whose records are at hand.
                (Err(whole), Err(part)) => {
                    prop_assert_eq!((whole.code, whole.message), (part.code, part.message), "{:?}", act);
                }
                (whole, part) => prop_assert!(false, "{act:?}: {whole:?}, but in part {part:?}"),
            }
        }
        prop_assert_eq!(all_records(&store), all_records(&world.state));
    }
}

/// The random logs are no use if nothing in them is admitted.
#[test]
fn the_random_logs_get_somewhere() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..60 {
        let mut world = begun();
        for act in acts().new_tree(&mut runner).unwrap().current() {
            let Some(envelope) = act.envelope(&mut world) else { continue };
            if world.submit(envelope).is_ok() {
                *seen.entry(crate::kit::body(world.last()).kind()).or_insert(0) += 1;
            }
        }
    }
    let kinds: Vec<&str> = seen.keys().copied().collect();
    assert!(kinds.len() >= 27, "{seen:?}");
}
