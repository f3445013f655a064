//! A server that takes its time while a gate waits for it: what happens meanwhile counts before the gate opens.

use std::{
    ffi::OsString,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use countersign_core::{
    ids::ChangeId,
    statement::{Body, Statement},
};
use countersign_ledger::Envelope;

use crate::{
    proxy::{Answer, Proxy},
    support::until,
    world::World,
};

const CHECKOUT: &str = "checkout/production";
const SEARCH: &str = "search/production";

/// `countersign` with words that are known later, on the machine of the stage, past any proxy.
struct Later {
    command: Vec<(&'static str, OsString)>,
    folder: std::path::PathBuf,
    url: String,
}

impl Later {
    fn on(world: &World) -> Self {
        let home = world.stage.path("user");
        let state = world.stage.path("another/machine");
        Self {
            command: vec![("HOME", home.into()), ("XDG_STATE_HOME", state.into())],
            folder: world.stage.path(""),
            url: world.server().url.clone(),
        }
    }

    fn run(&self, words: &[&str]) {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(&self.folder)
            .envs(self.command.iter().map(|(name, value)| (name, value)))
            .args(["--url", &self.url])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The change that a permit is asked for.
fn asked_for(body: &[u8]) -> Option<ChangeId> {
    let sent: serde_json::Value = serde_json::from_slice(body).ok()?;
    let envelope = Envelope::parse(sent["envelope"].as_str()?.as_bytes()).ok()?;
    match Statement::parse(envelope.payload()).ok()?.body {
        Body::PermitRequest(request) => Some(request.change),
        _ => None,
    }
}

/// A push of two changes, both approved.
fn two_changes(world: &World) -> [String; 2] {
    world.edit("change", "checkout/timeout", "30\n");
    world.write("search/limit", "20\n");
    world.commit("and search");
    [CHECKOUT, SEARCH].map(|target| {
        let change = world.propose("alice", &[target]);
        world.approve("bob", &change);
        change
    })
}

/// Each has its own permit, and the one that came first is judged again when the last one is there.
#[test]
fn a_rejection_of_one_change_while_another_is_asked_for_keeps_the_gate_shut() {
    let world = World::usual();
    let changes = two_changes(&world);
    let (asked, carol) = (std::sync::Mutex::new(Vec::new()), Later::on(&world));
    let slow = Proxy::reading(&world.server().url, move |request| {
        if let Some(change) = asked_for(request.body) {
            let mut asked = asked.lock().unwrap();
            asked.push(change);
            if let [first, _] = asked.as_slice() {
                carol.run(&["--key", "carol", "reject", &first.to_string(), "--why", "not in the sale week"]);
            }
        }
        Answer::Of(request.path.to_owned())
    });
    world.tell_the_gate(&slow.url);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.told().contains("carol rejected this change"), "{}", push.told());
    assert_eq!(changes.map(|change| world.state(&change) == "rejected").iter().filter(|is| **is).count(), 1);
}

/// Whoever hands over a stop does not wait for the server, nor for a push that waits for it.
#[test]
fn a_stop_that_is_handed_over_while_a_push_waits_for_the_server_keeps_the_gate_shut() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    let kept = crate::stops::swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    let status = world.stage.run("gate status shop.git --format json").json();
    let stops = world.stage.path(status["copy"].as_str().unwrap()).join("stops");

    let (asked, somebody) = (AtomicUsize::new(0), std::sync::Arc::new(Later::on(&world)));
    let slow = Proxy::before(&world.server().url, move |method, path| {
        if method == "POST" || asked.load(Ordering::SeqCst) > 0 {
            // Behind the request for the permit the gate reads it from the log, and has its copy locked for that.
            if asked.fetch_add(1, Ordering::SeqCst) == 1 {
                let (somebody, kept) = (std::sync::Arc::clone(&somebody), kept.clone());
                std::thread::spawn(move || somebody.run(&["gate", "stop", "shop.git", "--statement", &kept]));
                until("the stop is kept", || std::fs::read_dir(&stops).is_ok_and(|mut stops| stops.next().is_some()));
            }
        }
        Answer::Of(path.to_owned())
    });
    world.tell_the_gate(&slow.url);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.told().contains("handed to this gate: carol rejected revision 1"), "{}", push.told());
}
