//! Drills: the road of an outage, walked to a probe.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    support::Run,
    world::{Push, World},
};

const PROBE: &str = "HEAD:refs/countersign/probe";

struct Drill {
    world: World,
    url: String,
}

impl Drill {
    /// The log is away, and whoever drills has seen it before.
    fn new() -> Self {
        let mut world = World::usual();
        world.edit("change", "checkout/timeout", "30\n");
        for who in ["alice", "bob", "carol", "dave"] {
            assert_eq!(world.say(who, &["whoami"]).status, 0);
        }
        let run = world.stage.run("gate sync shop.git");
        assert_eq!(run.status, 0, "{run}");
        let url = world.server().url.clone();
        world.stop_server();
        Self { world, url }
    }

    fn push(&self, options: &[&str], to: &str) -> Push {
        let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        self.world.push(&[&options[..], &[to]].concat())
    }

    fn drawn(&self, target: &str) -> String {
        let push = self.push(&[&format!("countersign-drill={target}")], PROBE);
        push.is_refused("drill");
        let word = push.raw.split_once("--at ").and_then(|(_, rest)| rest.split_whitespace().next());
        word.unwrap_or_else(|| panic!("{}", push.said)).to_owned()
    }

    fn sign(&self, who: &str, words: &[&str]) -> Run {
        self.world.say_to(&self.url, who, &[&["break-glass", "--git", "work"], words].concat())
    }

    fn with(&self, file: &str, target: &str, to: &str) -> Push {
        let text = STANDARD.encode(fs::read(self.world.stage.path(file)).unwrap());
        self.push(&[&format!("countersign-drill={target}"), &format!("countersign-break-glass={text}")], to)
    }
}

#[test]
fn a_drill_walks_the_road_of_an_outage_and_the_log_hears_of_it() {
    let mut drill = Drill::new();
    let begun = drill.world.say_to(&drill.url, "carol", &["break-glass", "--drill", "payments/production"]).done();
    assert_eq!(begun["next"], "git push -o countersign-drill=payments/production origin HEAD:refs/countersign/probe");
    let at = drill.drawn("payments/production");
    let first = drill.sign("carol", &["--at", &at, "--why", "drill", "--out", "drill.json"]).done();
    assert_eq!(first["more"], 1);
    // On tier 1 two people, as in an emergency; and whoever is not entitled counts for nothing.
    drill.with("drill.json", "payments/production", PROBE).is_refused("glass-people");
    drill.sign("carol", &["--cosign", "drill.json"]).is_refused(3, "already-signed");
    drill.sign("dave", &["--cosign", "drill.json"]).done();
    let push = drill.with("drill.json", "payments/production", PROBE);
    push.passes();
    assert!(push.said.contains("drilled by carol and dave"), "{}", push.said);
    // Once.
    drill.world.in_bare(&["update-ref", "-d", "refs/countersign/probe"]);
    drill.with("drill.json", "payments/production", PROBE).is_refused("not-drawn");
    let waits = drill.world.stage.run("gate status shop.git");
    assert_eq!(waits.status, 0, "{waits}");
    let address = drill.world.home.store_address();
    drill.world.start_server(&address);
    let sent = drill.world.stage.run("gate sync shop.git --format json").done();
    assert_eq!((&sent["waited"]["drills"], &sent["left"]["drills"]), (&1.into(), &0.into()), "{sent}");
    let exported = drill.world.stage.run("export --home home copy");
    assert_eq!(exported.status, 0, "{exported}");
    let verified = drill.world.stage.run("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}

/// What people sign to exercise it is worth nothing where something would happen.
#[test]
fn what_was_signed_for_a_drill_opens_nothing_else() {
    let drill = Drill::new();
    let at = drill.drawn("checkout/production");
    drill.sign("carol", &["--at", &at, "--why", "drill", "--out", "drill.json"]).done();
    drill.with("drill.json", "checkout/production", "HEAD:main").is_refused("malformed-break-glass");
    drill.with("drill.json", "payments/production", PROBE).is_refused("another-drill");
    // Another commit is another drill.
    drill.world.write("checkout/timeout", "31\n");
    drill.world.commit("more");
    drill.with("drill.json", "checkout/production", PROBE).is_refused("not-drawn");
    // And what opens a branch moves no probe.
    let push = drill.push(&[], "HEAD:main");
    let word = push.raw.split_once("--at ").and_then(|(_, rest)| rest.split_whitespace().next());
    let at = word.unwrap_or_else(|| panic!("{}", push.said)).to_owned();
    drill.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    drill.with("glass.json", "checkout/production", PROBE).is_refused("malformed-drill");
}
