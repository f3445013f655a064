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
};
use countersign_core::{
    permit::PERMIT_SECS,
    semantics::NEWEST_SEMANTICS,
    statement::{Body, Statement},
};
use countersign_ledger::Envelope;
use insta::assert_snapshot;

use crate::{
    lying::{Liar, Log, permits_everything},
    world::World,
};

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

/// Whoever hands a permit over only names it: what it says, and that the server said so, stands in the log.
#[test]
fn a_permit_that_is_brought_along_counts_as_it_stands_in_the_log() {
    let world = World::usual();
    let change = approved(&world);
    let option = permit(&world, &change, &[]);
    let (name, text) = option.split_once('=').unwrap();
    let envelope: serde_json::Value = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
    let with = |payload: String| {
        let junk = serde_json::json!({
            "payloadType": envelope["payloadType"],
            "payload": payload,
            "signatures": [{"keyid": "", "sig": "AAAA"}],
        });
        format!("{name}={}", STANDARD.encode(serde_json::to_vec(&junk).unwrap()))
    };
    let payload = envelope["payload"].as_str().unwrap().to_owned();
    let mut statement = Statement::parse(&STANDARD.decode(&payload).unwrap()).unwrap();
    let Body::PermitGrant(grant) = &mut statement.body else { panic!("no permit") };
    grant.expires_at = grant.expires_at.plus_secs(3_000);
    let longer = with(STANDARD.encode(statement.encode().unwrap()));
    world.push(&["-o", &longer, "HEAD:main"]).is_refused("permit-not-logged");
    world.push(&["-o", &with(payload), "HEAD:main"]).passes();
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
    let (now, later) = (clock::now(), clock::now().plus_secs(PERMIT_SECS + 120));

    assert_eq!(refused(pre_receive(&gate, &updates, &[option], &|| later).map(drop)), "permit-expired");
    assert_eq!(pre_receive(&gate, &updates, &[], &|| now).unwrap().len(), 1);
    // Whoever judged it took too long, which is nobody's going round.
    assert_eq!(refused(reference_transaction(&gate, State::Prepared, &updates, later)), "permit-expired");
    let status = world.stage.run("gate status shop.git --format json").json();
    assert_eq!(status["caught"], serde_json::json!([]));
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
    countersign:   no-rejection  carol rejected this change: carol
    countersign:   -> carol lifts it (countersign reject [A] --lift); or, a day later, two others, one a senior, set it aside: countersign reject [A] --set-aside carol --why …
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

/// A gate whose key was stolen is given no permit any more.
#[test]
fn a_gates_key_is_revoked_by_one_person() {
    let world = World::usual();
    approved(&world);
    let key = world.stage.command("ssh-keygen").args(["-l", "-f", "shop.git/countersign/gate.key"]).output().unwrap();
    let key = String::from_utf8(key.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let run = world.say("carol", &["revoke", &key, "--why", "stolen with the disk"]);
    assert_eq!(run.status, 0, "{run}");
    // Whoever watches is told before anybody pushes, and when the server is away afterwards, too.
    let is_told = |world: &World| {
        let status = world.stage.run("gate status shop.git");
        assert_eq!(status.status, 3, "{status}");
        assert!(status.stdout.contains("was revoked by carol until"), "{status}");
    };
    is_told(&world);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-permit");
    let server = world.server().url.clone();
    world.tell_the_gate("http://127.0.0.1:1");
    is_told(&world);
    world.tell_the_gate(&server);
    assert!(
        push.said.contains("was revoked") && push.said.contains("remove REPO/countersign/gate.key"),
        "{}",
        push.said
    );
    std::fs::rename(world.stage.path("shop.git/countersign/gate.key"), world.stage.path("stolen.key")).unwrap();
    let run = world.install("");
    assert_eq!(run.status, 0, "{run}");
    world.push(&["HEAD:main"]).passes();
    // Its journal goes on, and what was stolen is no gate's any more.
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");
    let install = |key: &str| {
        std::fs::copy(world.stage.path(key), world.stage.path("shop.git/countersign/gate.key")).unwrap();
        world.install("")
    };
    std::fs::copy(world.stage.path("shop.git/countersign/gate.key"), world.stage.path("second.key")).unwrap();
    assert_ne!(install("stolen.key").status, 0);
    assert_eq!(install("second.key").status, 0);
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

    // People on another machine are shown the fork, and take it for the log.
    world.start_server(&fork);
    world.machine = "elsewhere".to_owned();
    world.edit("second", "search/limit", "20\n");
    let second = world.propose("alice", &["search/production"]);
    world.approve("bob", &second);
    let shorter = world.push(&["HEAD:main"]);
    shorter.is_refused("log-went-back");
    for n in 0..8 {
        world.write("search/limit", &format!("{n}\n"));
        world.commit("pad");
        world.propose("alice", &["search/production"]);
    }
    world.git(&["reset", "--quiet", "--hard", "HEAD~8"]);
    let longer = world.push(&["HEAD:main"]);
    longer.is_refused("log-differs");
    assert_snapshot!(longer.told(), @"
    countersign: refused: the log contradicts itself, or what this gate saw before [log-differs]
    countersign:   nothing is wrong with your push: tell whoever runs Countersign, and show them this:
    countersign:   the log is not the one that was seen before: behind what is known of it, its 12 leaves hash to [A], its checkpoint says [B]: leaf 8: whoever signed it had seen the first 8 leaves hash to [C]; they do not: one of them was changed
    countersign:   seen before:
    countersign:       world
    countersign:       8
    countersign:       [ROOT]
    countersign:
    countersign:       — world [SIGNATURE]
    countersign:
    countersign:   shown now:
    countersign:       world
    countersign:       12
    countersign:       [ROOT]
    countersign:
    countersign:       — world [SIGNATURE]
    countersign:   kept as proof: user/.local/state/countersign/[D]/copy/proof/log-differs-[E]
    countersign:   in an emergency, until [MOMENT], one person who owns search/production or is a senior opens it for this push alone:
    countersign:   -> countersign break-glass --git . --why TEXT --at [ROOT]
    countersign:   -> git push -o countersign-break-glass=$(base64 -w0 FILE) origin HEAD:main
    ");
}

#[test]
fn a_forged_permit_that_is_not_in_the_log_is_refused() {
    let world = World::usual();
    let change = approved(&world);
    let option = permit(&world, &change, &[]);
    // The same once more, signed by the server's own key, and only not in the log.
    let text = STANDARD.decode(option.split_once('=').unwrap().1).unwrap();
    let logged = Statement::parse(Envelope::parse(&text).unwrap().payload()).unwrap();
    let forged = Log::of(&world).say(logged.body);
    let forged = format!("countersign-permit={}", STANDARD.encode(forged.raw()));
    world.push(&["-o", &forged, "HEAD:main"]).is_refused("permit-not-logged");
}

#[test]
fn a_forged_decision_of_a_captured_server_is_refused() {
    let world = World::usual();
    proposed(&world);
    let liar = Liar::takes(&world, Log::of(&world), permits_everything(NEWEST_SEMANTICS));
    world.tell_the_gate(&liar.url);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("decision-differs");
    assert_snapshot!(push.told(), @"
    countersign: refused: the log contradicts itself, or what this gate saw before [decision-differs]
    countersign:   nothing is wrong with your push: tell whoever runs Countersign, and show them this:
    countersign:   the log has a leaf that should not be there: leaf 4: the rules say deny to what the log calls allow
    countersign:   seen before:
    countersign:       world
    countersign:       3
    countersign:       [ROOT]
    countersign:
    countersign:       — world [SIGNATURE]
    countersign:
    countersign:   shown now:
    countersign:       world
    countersign:       6
    countersign:       [ROOT]
    countersign:
    countersign:       — world [SIGNATURE]
    countersign:   kept as proof: user/.local/state/countersign/[A]/copy/proof/decision-differs-[B]
    ");
}

#[test]
fn a_forged_decision_that_claims_newer_semantics_is_refused() {
    let world = World::usual();
    proposed(&world);
    let liar = Liar::takes(&world, Log::of(&world), permits_everything(NEWEST_SEMANTICS + 1));
    world.tell_the_gate(&liar.url);
    world.push(&["HEAD:main"]).is_refused("other-semantics");
}
