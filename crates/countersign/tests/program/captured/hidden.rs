//! What a server keeps to itself: a stop that somebody gave, the end of its log, or what it tells others.

use std::{fs, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{clock, random, wire::Submit};
use countersign_core::{
    statement::{Body, Holder, KeyRevocation, Rejection},
    text::Reason,
};
use countersign_ledger::{CosignerKey, Digest, Envelope};
use serde_json::Value;

use super::Scene;
use crate::lying::{Liar, Log};

/// Takes a stop away from everybody who has seen it in the log, over an edited store.
#[track_caller]
fn cannot_be_hidden(kind: &str, stop: impl FnOnce(&Scene)) {
    let mut scene = Scene::new();
    stop(&scene);
    // The gate, a follower and a person have read it.
    scene.world.push(&["change:main"]).is_refused("denied-by-rules");
    scene.follows("follower", &scene.url());
    assert_eq!(scene.world.say("carol", &["show", &scene.change]).status, 0);
    let log = Log::of(&scene.world);
    let hidden = log.last(kind);
    let store = log.clone().first(hidden).store(&scene.world, "hidden.db");
    scene.world.start_server(&store);
    let proof = scene.gate_refuses(&scene.url(), "log-went-back");
    assert_eq!(proof.seen.unwrap().size, log.size());
    assert_eq!(proof.shown.size, hidden as u64);
    scene.follower_refuses("follower", &scene.url(), "log-went-back");
    scene.person_refuses("carol", &scene.url(), "log-went-back");

    // Taken out of the middle, with everything else as it was: who signed later had seen it.
    let without = Liar::shows(&scene.world, log.clone().without(hidden));
    scene.gate_refuses(&without.url, "log-went-back");
    scene.follower_refuses("newcomer", &without.url, "another-root");
    // Who never saw it, and whom nobody told, cannot miss it; a checkpoint in trust.json tells them.
    scene.follows("second-newcomer", &scene.url());
    let mut trust: Value = serde_json::from_str(&scene.world.stage.read("home/trust.json")).unwrap();
    trust["checkpoint"] = log.note().into();
    scene.world.stage.write("home/trust.json", &trust.to_string());
    scene.follower_refuses("third-newcomer", &scene.url(), "log-went-back");
}

#[test]
fn a_rejection_that_somebody_saw_cannot_be_hidden() {
    cannot_be_hidden("rejection", Scene::reject);
}

#[test]
fn a_revocation_that_somebody_saw_cannot_be_hidden() {
    cannot_be_hidden("key-revocation", |scene| {
        let bob = scene.world.key("bob").public().fingerprint();
        let run = scene.world.say("carol", &["revoke", bob.as_str(), "--why", "the laptop was stolen"]);
        assert_eq!(run.status, 0, "{run}");
    });
}

/// A stop that the server swallows, as `countersign reject` and `revoke` save it.
fn signed_stops(scene: &Scene) -> [(&'static str, Vec<u8>); 2] {
    let log = Log::of(&scene.world);
    let Body::Approval(approval) = log.statement(log.last("approval")).body else { panic!("no approval") };
    let reason = Reason { salt: random::nonce(), why: "not now".to_owned() };
    let blob = reason.to_blob().unwrap();
    let reason = Digest::of(&blob);
    let rejection =
        Rejection { change: approval.change, reason, revision: approval.revision, targets: approval.targets };
    let of = Holder::Person("bob".parse().unwrap());
    let revocation = KeyRevocation { key: scene.world.key("bob").public().fingerprint(), of, reason };
    let file = |body: Body| {
        let envelope: Envelope = scene.world.voice("carol").sign(body);
        serde_json::to_vec(&Submit::new(&envelope, std::slice::from_ref(&blob))).unwrap()
    };
    [("rejected", file(Body::Rejection(rejection))), ("revoked", file(Body::KeyRevocation(revocation)))]
}

#[test]
fn a_stop_that_the_server_swallows_is_obeyed_where_it_is_handed_over() {
    for (place, by_option) in [(0, false), (1, false), (0, true), (1, true)] {
        let scene = Scene::new();
        let (word, stop) = signed_stops(&scene)[place].clone();
        // The server takes nothing, and goes on giving permits.
        let before = scene.world.tip("main");
        if by_option {
            let option = format!("countersign-stop={}", STANDARD.encode(&stop));
            // Whoever brings it need not bring anything else that is worth a push.
            scene.world.push(&["-o", &option, "change:refs/heads/elsewhere"]).passes();
        } else {
            fs::write(scene.world.stage.path("stop.json"), &stop).unwrap();
            let run = scene.world.stage.run("gate stop shop.git --statement stop.json");
            assert_eq!(run.status, 0, "{run}");
            assert!(run.stdout.contains(word), "{run}");
        }
        let push = scene.world.push(&["change:main"]);
        push.is_refused("denied-by-rules");
        assert_eq!(scene.world.tip("main"), before);
    }
}

/// A log that is forked for one reader from the beginning holds for that reader: whoever holds the log's key can do that, and
/// one reader alone cannot see it. It shows as soon as two readers meet, by what each keeps; and where cosigners are asked
/// for, it opens nothing.
#[test]
fn a_log_forked_for_one_gate_shows_when_readers_meet() {
    let mut scene = Scene::new();
    let forked = Log::of(&scene.world);
    scene.reject();
    scene.follows("follower", &scene.url());
    // The gate alone is shown the fork, and asks there.
    let store = forked.store(&scene.world, "fork.db");
    let honest = scene.world.home.store_address();
    scene.world.start_server(&store);
    scene.world.push(&["change:main"]).passes();
    let theirs = Log::of(&scene.world);
    // The follower is shown it, or the gate what everybody else saw: both sides are proof, under the log's own key.
    let proof = scene.follower_refuses("follower", &scene.url(), "log-differs");
    assert!(proof.seen.is_some());
    assert_eq!(proof.shown.size, theirs.size());
    scene.world.start_server(&honest);
    scene.world.edit("next", "search/limit", "20\n");
    let push = scene.world.push(&["next:main"]);
    push.is_refused("log-went-back");
    // What gates and pages say of it, since nothing else helps.
    let status = scene.world.stage.run("gate status shop.git").stdout;
    assert!(status.contains("nobody outside of the server vouches that this log does not stand still"), "{status}");
    let threats = include_str!("../../../../../docs/threat-model.md");
    assert!(threats.contains("only cosigners"), "docs/threat-model.md says so");
}

/// A log that stands still shows nothing new, and nothing that is wrong. Only cosigners help: where `trust.json` asks for
/// them, the gate opens under fresh cosignatures alone. Where it does not, this test shows what happens.
#[test]
fn a_log_that_stands_still_opens_nothing_where_cosigners_are_asked() {
    for cosigned in [false, true] {
        let scene = Scene::new();
        // A permit is in the log and reserved, but another hook has refused the push.
        let hook = scene.world.stage.write("shop.git/hooks/update", "#!/bin/sh\nexit 1\n");
        assert!(scene.world.stage.command("chmod").arg("755").arg(&hook).status().unwrap().success());
        assert!(!scene.world.push(&["change:main"]).passed);
        fs::remove_file(hook).unwrap();
        let still = Log::of(&scene.world);
        scene.reject();
        let before = scene.world.tip("main");
        let liar = Liar::shows(&scene.world, still.clone());
        scene.world.tell_the_gate(&liar.url);
        if !cosigned {
            scene.world.push(&["change:main"]).passes();
            continue;
        }
        let cosigner = Arc::new(CosignerKey::generate("cosigner.example/one", &mut rand_core::OsRng).unwrap());
        let run = scene.world.stage.run(&format!(
            "trust add-cosigner shop.git/countersign/trust.json {} --operator somebody-else",
            cosigner.verifier()
        ));
        assert_eq!(run.status, 0, "{run}");
        let shown = |secs: i64| {
            let at = clock::now().plus_secs(-secs);
            liar.now_shows(still.clone().cosigned_by(&cosigner, at));
        };
        // Nobody vouches for it, or somebody did before the rejection.
        for secs in [None, Some(10 * 60)] {
            secs.into_iter().for_each(shown);
            scene.world.push(&["change:main"]).is_refused("not-cosigned");
            assert_eq!(scene.world.tip("main"), before);
            let status = scene.world.stage.run("gate status shop.git").stdout;
            assert!(status.contains("not vouched for"), "{status}");
        }
        // Who followed the whole log cosigns no other; a fresh word over this one would open the gate.
        shown(0);
        scene.world.push(&["change:main"]).passes();
    }
}

/// Of a log that comes in several pieces the first ones are written down before the last is seen. Where that turns out to be
/// no log, nothing is built upon them.
#[test]
fn a_copy_whose_pieces_turned_out_to_be_of_no_log_begins_anew() {
    let mut scene = Scene::new();
    let honest = scene.world.home.store_address();
    let fork = Log::of(&scene.world).store(&scene.world, "fork.db");
    scene.reject();
    // A fork with leaves of its own, which all hold, and one at its end that does not.
    scene.world.start_server(&fork);
    scene.world.machine = "elsewhere".to_owned();
    let forked = scene.world.propose("alice", &["checkout/production"]);
    assert_eq!(scene.world.say("carol", &["reject", &forked, "--why", "twice"]).status, 0);
    let log = Log::of(&scene.world);
    let end = log.last("rejection");
    let mut log = log.relabelled(end, &["person/bob"]);
    log.piece = 2;
    let liar = Liar::shows(&scene.world, log);
    scene.follower_refuses("newcomer", &liar.url, "mislabelled");
    scene.world.start_server(&honest);
    scene.follows("newcomer", &scene.url());
    // The gate, too, goes on where it was.
    scene.gate_refuses(&liar.url, "mislabelled");
    scene.world.push(&["change:main"]).is_refused("denied-by-rules");
}
