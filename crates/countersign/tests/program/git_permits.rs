//! Permits at the git gate: given, replayed, expired, for something else, and made by a server that was taken over.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{
    clock,
    gates::git::{
        GateError, GitGate, Update,
        receive::pre_receive,
        transaction::{State, reference_transaction},
    },
    signer::SshKeygen,
    store::{NewLeaf, Submission},
};
use countersign_core::{
    admit::authenticate,
    change::Change,
    decision::Outcome,
    governance::{Governance, SERVER},
    ids::ChangeId,
    permit::PERMIT_SECS,
    rules::decide,
    semantics::NEWEST_SEMANTICS,
    snapshot::Snapshot,
    state::{self, Next},
    statement::{
        Body, Decided, Header, Heads, PermitGrant, SeenCheckpoint, Statement, Transition, change_stream,
        governance_stream,
    },
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Leaf, SigningKey, StreamHead, Time};
use insta::assert_snapshot;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

fn proposed(world: &World) -> String {
    world.edit("change", "checkout/timeout", "30\n");
    world.propose("alice", &[CHECKOUT])
}

fn approved(world: &World) -> String {
    let change = proposed(world);
    world.approve("bob", &change);
    change
}

/// A permit that Alice asks for, as a push option.
fn permit(world: &World, change: &str, further: &[&str]) -> String {
    let run = world.say("alice", &[&["permit", change, "--out", "permit"], further].concat());
    assert_eq!(run.status, 0, "{run}");
    let bytes = std::fs::read(world.stage.path("permit")).unwrap();
    format!("countersign-permit={}", STANDARD.encode(bytes))
}

#[test]
fn a_permit_may_be_brought_along() {
    let world = World::usual();
    let change = approved(&world);
    let option = permit(&world, &change, &[]);
    world.push(&["-o", &option, "HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

#[test]
fn a_replayed_permit_is_refused() {
    let world = World::usual();
    let change = approved(&world);
    let option = permit(&world, &change, &[]);
    let before = world.tip("main");
    world.push(&["-o", &option, "HEAD:main"]).passes();
    // Somebody with a shell takes the branch back, past every hook.
    std::fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{before}\n")).unwrap();
    let push = world.push(&["-o", &option, "HEAD:main"]);
    push.is_refused("permit-spent");
    let status = world.stage.run("gate status shop.git").stdout;
    assert!(status.contains("somebody went round the gate"), "{status}");
}

#[test]
fn a_permit_under_a_signature_that_is_none_is_refused() {
    let world = World::usual();
    let change = approved(&world);
    let option = permit(&world, &change, &[]);
    let (name, text) = option.split_once('=').unwrap();
    let envelope: serde_json::Value = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
    let junk = serde_json::json!({
        "payloadType": envelope["payloadType"],
        "payload": envelope["payload"],
        "signatures": [{"keyid": "", "sig": "AAAA"}],
    });
    let junk = STANDARD.encode(serde_json::to_vec(&junk).unwrap());
    world.push(&["-o", &format!("{name}={junk}"), "HEAD:main"]).is_refused("signature-invalid");
    world.push(&["-o", &option, "HEAD:main"]).passes();
}

#[test]
fn a_branch_that_was_moved_behind_the_gate_stays_written_down() {
    let world = World::usual();
    let status = || world.stage.run("gate status shop.git").stdout;
    assert!(!status().contains("went round"), "{}", status());
    // Somebody with a shell moves the branch, past every hook, before any permit was ever used.
    let moved = world.edit("moved", "search/limit", "99\n");
    world.push(&["moved:refs/heads/elsewhere"]).passes();
    std::fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{moved}\n")).unwrap();
    assert!(status().contains("somebody went round the gate"), "{}", status());
    // An approved push on top of it does not take the trace away.
    world.git(&["fetch", "--quiet"]);
    approved(&world);
    world.push(&["HEAD:main"]).passes();
    assert!(status().contains("where no permit put it"), "{}", status());
}

#[test]
fn a_permit_for_another_transition_is_refused() {
    let world = World::usual();
    let change = approved(&world);
    let head = world.id("HEAD");
    let tip = world.tip("main");
    // Alice may ask for a permit for a commit that nobody has looked at; the gate looks.
    world.write("checkout/timeout", "3000\n");
    let other = world.commit("one more thing");
    let option = permit(&world, &change, &["--old", tip.as_str(), "--new", other.as_str()]);
    let push = world.push(&["-o", &option, &format!("{head}:main")]);
    push.is_refused("permit-for-another-transition");
    world.push(&["-o", &option, &format!("{other}:main")]).is_refused("not-the-head");
    assert_snapshot!(push.told(), @"
    countersign: refused: the permit is for another repository, branch, commit, content or command [permit-for-another-transition]
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn an_expired_permit_and_an_expired_reservation_are_refused() {
    let world = World::usual();
    let change = approved(&world);
    world.push(&["HEAD:feature"]).passes();
    let option = permit(&world, &change, &[]);
    let gate = GitGate::open(&world.stage.path("shop.git")).unwrap();
    let line = format!("{} {} refs/heads/main\n", world.tip("main"), world.id("HEAD"));
    let updates = Update::parse_all(&line).unwrap();
    let refused = |result: Result<(), GateError>| result.unwrap_err().code();
    let (now, later) = (clock::now(), clock::now().plus_secs(PERMIT_SECS + 1));

    assert_eq!(refused(pre_receive(&gate, &updates, &[option], later).map(drop)), "permit-expired");
    assert_eq!(pre_receive(&gate, &updates, &[], now).unwrap().len(), 1);
    assert_eq!(refused(reference_transaction(&gate, State::Prepared, &updates, later)), "gone-round");
    reference_transaction(&gate, State::Prepared, &updates, now).unwrap();
    reference_transaction(&gate, State::Committed, &updates, now).unwrap();
    assert_eq!(refused(reference_transaction(&gate, State::Prepared, &updates, now)), "gone-round", "it is spent");
}

#[test]
fn something_that_is_no_permit_is_refused() {
    let world = World::usual();
    approved(&world);
    world.push(&["-o", "countersign-permit=!", "HEAD:main"]).is_refused("malformed-permit");
    let genesis = STANDARD.encode(world.home.genesis().raw());
    world.push(&["-o", &format!("countersign-permit={genesis}"), "HEAD:main"]).is_refused("not-a-permit");
}

#[test]
fn a_push_that_another_hook_refuses_spends_nothing() {
    let world = World::usual();
    let change = approved(&world);
    let hook = world.stage.write("shop.git/hooks/update", "#!/bin/sh\nexit 1\n");
    assert!(world.stage.command("chmod").args(["755"]).arg(&hook).status().unwrap().success());
    assert!(!world.push(&["HEAD:main"]).passed);
    assert_eq!(world.state(&change), "permitted");
    std::fs::remove_file(hook).unwrap();
    world.push(&["HEAD:main"]).passes();
    let permits = world.say("alice", &["show", &change]).json()["permits"].as_array().unwrap().len();
    assert_eq!((permits, world.state(&change)), (1, "applied".to_owned()), "the second try needs no second permit");
}

#[test]
fn a_rejection_after_a_reservation_still_counts() {
    let world = World::usual();
    let change = approved(&world);
    let hook = world.stage.write("shop.git/hooks/update", "#!/bin/sh\nexit 1\n");
    assert!(world.stage.command("chmod").args(["755"]).arg(&hook).status().unwrap().success());
    assert!(!world.push(&["HEAD:main"]).passed);
    std::fs::remove_file(hook).unwrap();
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not in the sale week"]).status, 0);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: change [A] "Raise the timeout" is not allowed on checkout/production yet [denied-by-rules]
    countersign:   no-rejection  carol rejected this revision: carol
    countersign:   -> a new revision (countersign revise [A]), or carol lifts the rejection
    countersign: all of it: countersign show [A]
    "#);
}

#[test]
fn a_revoked_approvers_key_no_longer_opens_the_gate() {
    let world = World::usual();
    approved(&world);
    let key = SshKeygen::new(world.stage.path("bob")).unwrap().fingerprint();
    let run = world.say("carol", &["revoke", key.as_str(), "--why", "the laptop was stolen"]);
    assert_eq!(run.status, 0, "{run}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
}

// Servers that lie.

#[test]
fn a_server_with_another_history_is_refused_as_a_split_view() {
    let mut world = World::usual();
    let fork = world.copy_of_the_store("fork.db");
    let first = approved(&world);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&first), "applied");
    world.git(&["fetch", "--quiet"]);

    world.start_server(&fork);
    world.edit("second", "search/limit", "20\n");
    let second = world.propose("alice", &["search/production"]);
    world.approve("bob", &second);
    let shorter = world.push(&["HEAD:main"]);
    shorter.is_refused("split-view");
    for n in 0..8 {
        world.write("search/limit", &format!("{n}\n"));
        world.commit("pad");
        world.propose("alice", &["search/production"]);
    }
    world.git(&["reset", "--quiet", "--hard", "HEAD~8"]);
    let longer = world.push(&["HEAD:main"]);
    longer.is_refused("split-view");
    assert_snapshot!(longer.told(), @"
    countersign: refused: the log is not the one that this gate saw before: the proof leads to root [A], not to [B] [split-view]
    countersign:   do not open the gate by hand; compare checkpoints with another gate or an auditor
    countersign: all of it: countersign show [C]
    ");
}

#[test]
fn a_forged_permit_that_is_not_in_the_log_is_refused() {
    let world = World::usual();
    let change = approved(&world);
    let captured = Captured::of(&world, &change);
    let (envelope, _) = captured.permit(&captured.change, Digest::of("nothing"));
    world.push(&["-o", &option(&envelope), "HEAD:main"]).is_refused("permit-not-logged");
}

#[test]
fn a_forged_decision_of_a_captured_server_is_refused() {
    let world = World::usual();
    let change = proposed(&world);
    let envelope = Captured::of(&world, &change).decide_and_permit(NEWEST_SEMANTICS);
    let push = world.push(&["-o", &option(&envelope), "HEAD:main"]);
    push.is_refused("bundle-broken");
    assert_snapshot!(push.told(), @"
    countersign: refused: what the server sent does not verify: the rules say Deny to what the log calls Allow [bundle-broken]
    countersign:   tell whoever runs the server: either it is damaged or somebody has taken it over
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn a_forged_decision_that_claims_newer_semantics_is_refused() {
    let world = World::usual();
    let change = proposed(&world);
    let envelope = Captured::of(&world, &change).decide_and_permit(NEWEST_SEMANTICS + 1);
    let push = world.push(&["-o", &option(&envelope), "HEAD:main"]);
    push.is_refused("newer-log");
    assert_snapshot!(push.told(), @"
    countersign: refused: change [A] is not allowed on checkout/production yet [denied-by-gate]
    countersign:   owner-approves       1 approval by an owner of the system (checkout): bob, carol, dave
    countersign:   second-pair-of-eyes  1 approval by somebody who had no hand in the change: bob, carol, dave
    countersign:   -> countersign approve [A] --git .
    countersign:   the server gave a permit all the same: tell whoever runs it
    countersign: all of it: countersign show [A]
    ");
}

fn option(envelope: &Envelope) -> String {
    format!("countersign-permit={}", STANDARD.encode(envelope.raw()))
}

/// Somebody who has taken over the server: its keys and its database, and nobody else's key.
struct Captured<'a> {
    world: &'a World,
    server_key: SigningKey,
    governance: std::sync::Arc<Governance>,
    change: Change,
    transition: Transition,
    audience: Fingerprint,
    now: Time,
}

impl<'a> Captured<'a> {
    fn of(world: &'a World, change: &str) -> Self {
        let server = world.server();
        let id: ChangeId = change.parse().unwrap();
        let gate = GitGate::open(&world.stage.path("shop.git")).unwrap();
        Self {
            world,
            server_key: world.home.server_key().unwrap(),
            governance: server.block_on(server.engine.governance()).unwrap(),
            change: server.block_on(server.engine.change(&id)).unwrap().unwrap(),
            transition: Transition::Git {
                repository: "shop".parse().unwrap(),
                reference: "refs/heads/main".to_owned(),
                old: world.tip("main"),
                new: world.id("HEAD"),
            },
            audience: gate.key().unwrap().public().fingerprint(),
            now: clock::now(),
        }
    }

    fn say(&self, body: Body) -> Envelope {
        let head = self.world.server().block_on(self.world.server().engine.head()).unwrap();
        let statement = Statement {
            header: Header {
                log: self.governance.record.origin.clone(),
                by: SERVER.parse().unwrap(),
                nonce: countersign::random::nonce(),
                checkpoint: SeenCheckpoint { size: head.size, root: head.root },
            },
            body,
        };
        let payload = statement.encode().unwrap();
        Envelope::new(&payload, vec![self.server_key.sign(&payload).unwrap()]).unwrap()
    }

    fn permit(&self, change: &Change, decision: Digest) -> (Envelope, PermitGrant) {
        let grant = PermitGrant {
            change: change.id.clone(),
            revision: change.current_ref().unwrap(),
            targets: change.targets.clone(),
            gate: "shop-git".parse().unwrap(),
            audience: self.audience.clone(),
            transition: self.transition.clone(),
            decision,
            issued_at: self.now,
            expires_at: self.now.plus_secs(600),
        };
        (self.say(Body::PermitGrant(grant.clone())), grant)
    }

    /// Writes a decision that allows what the rules deny into the log, and a permit on it.
    fn decide_and_permit(&self, semantics: u32) -> Envelope {
        let snapshot = Snapshot::take(&self.governance, &self.change).unwrap();
        let mut decision = decide::decide(&self.governance.rules, &snapshot, self.now);
        decision.outcome = Outcome::Allow;
        let decision_blob = serde_json::to_vec(&decision).unwrap();
        let decided = Decided {
            change: self.change.id.clone(),
            revision: self.change.current_ref().unwrap(),
            outcome: Outcome::Allow,
            decision: Digest::of(&decision_blob),
            snapshot: snapshot.digest(),
            rules: decision.rules_digest,
            semantics,
            decided_at: self.now,
            heads: Heads { governance: self.governance.record.head, change: self.change.head },
        };
        let (first, change) = self.follow(&self.change, self.say(Body::Decided(decided)));
        let (permit, _) = self.permit(&change, Digest::of(&decision_blob));
        let (second, change) = self.follow(&change, permit.clone());
        let expected = [
            (governance_stream().unwrap(), self.governance.record.head.next_seq),
            (change_stream(&change.id).unwrap(), self.change.head.next_seq),
        ];
        let submission = Submission {
            leaves: [first, second].map(|leaf| NewLeaf { leaf, unique: vec![] }).into(),
            expected: expected.into(),
            projections: vec![(format!("change/{}", change.id), serde_json::to_vec(&change).unwrap())],
            blobs: vec![decision_blob, snapshot.to_bytes()],
        };
        let log_key = self.world.home.log_key().unwrap();
        let server = self.world.server();
        server.block_on(server.engine.store().commit(&log_key, vec![submission])).unwrap().remove(0).unwrap();
        permit
    }

    fn follow(&self, change: &Change, envelope: Envelope) -> (Leaf, Change) {
        let StreamHead { next_seq, last } = change.head;
        let stream = change_stream(&change.id).unwrap();
        let leaf = Leaf { stream, seq: next_seq, prev: last, admitted_at: self.now, envelope };
        let authenticated = authenticate(&self.governance, &leaf.envelope).unwrap();
        let next = state::step(&self.governance, Some(change), &authenticated, &leaf, leaf.hash(), &|_| None).unwrap();
        match next {
            Next::Change(change) => (leaf, *change),
            Next::Governance(_) => panic!("the statement is about the change"),
        }
    }
}
