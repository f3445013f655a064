//! A git gate that cannot reach the log: what it goes on letting through by what it knew, and what cutting it off gains nobody.

use std::fs;

use crate::{
    proxy::{Answer, Proxy},
    stops::swallowed,
    support::Run,
    world::World,
};

const HOUR: u64 = 3_600;

/// A change that is approved on `target`, of which the gate knows, and a server that is away.
struct Outage {
    world: World,
    change: String,
}

impl Outage {
    fn of(path: &str, target: &str) -> Self {
        Self::after(path, target, |_, _| ())
    }

    /// `then` happens after the gate has followed the log for the last time.
    fn after(path: &str, target: &str, then: impl FnOnce(&World, &str)) -> Self {
        let mut world = World::usual();
        world.edit("change", path, "30\n");
        let change = world.propose("alice", &[target]);
        world.approve("bob", &change);
        sync(&world);
        then(&world, &change);
        world.stop_server();
        Self { world, change }
    }

    fn search() -> Self {
        Self::of("search/limit", "search/production")
    }

    fn back(&mut self) {
        self.world.stage.is_ahead(0);
        let address = self.world.home.store_address();
        self.world.start_server(&address);
    }

    fn findings(&self) -> String {
        self.world.say("bob", &["findings", "--open"]).done().to_string()
    }
}

fn sync(world: &World) {
    let run: Run = world.stage.run("gate sync shop.git");
    assert_eq!(run.status, 0, "{run}");
}

#[test]
fn an_approved_change_lands_without_the_log_which_is_told_later() {
    let mut outage = Outage::search();
    let push = outage.world.push(&["HEAD:main"]);
    push.passes();
    assert!(push.said.contains("the log is away; decided alone, by what this gate knew"), "{}", push.said);
    let waits = outage.world.stage.run("gate status shop.git");
    assert!(waits.stdout.contains("1 outcome not reported yet since"), "{waits}");
    // The same content once more is the same change, which has landed.
    outage.world.git(&["revert", "--no-edit", "HEAD"]);
    outage.world.push(&["HEAD:main"]).is_refused("server-unreachable");
    outage.back();
    sync(&outage.world);
    assert_eq!(outage.world.state(&outage.change), "applied");
    assert_eq!(outage.findings(), "[]");
    // Whoever looks at the change sees how it landed.
    let shown = outage.world.say("bob", &["show", &outage.change]).done()["emergency"]["alone"][0].clone();
    assert_eq!(
        (&shown["gate"], &shown["stands"], &shown["outcome"]),
        (&"shop-git".into(), &true.into(), &"applied".into())
    );
    assert!(shown["knew_secs"].as_i64().unwrap() < 600, "{shown}");
    let url = outage.world.server().url.clone();
    let text = outage.world.stage.run(&format!("--url {url} --key bob show {}", outage.change));
    assert!(
        text.stdout.contains("outage    gate shop-git decided alone while the log was away, by what it knew"),
        "{text}"
    );
    assert!(text.stdout.contains("applied; the log, when it heard of it, would have let it go as well"), "{text}");
    let status = outage.world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");
    assert!(fs::read_dir(outage.world.stage.path("shop.git/countersign/alone")).unwrap().next().is_none());
    let exported = outage.world.stage.run("export --home home copy");
    assert_eq!(exported.status, 0, "{exported}");
    let verified = outage.world.stage.run("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}

/// Whoever cuts it off gets no less asked of them: the same rules, the same stops, and nothing that the gate did not know; on tier 1
/// nothing at all, below for a time that a clock which is set back does not make longer.
#[test]
fn cutting_the_gates_network_gains_nothing() {
    // Nobody approved it, as far as the gate knows.
    let outage = Outage::after("search/limit", "search/production", |world, _| {
        world.edit("other", "search/other", "1\n");
        let unknown = world.propose("alice", &["search/production"]);
        world.approve("bob", &unknown);
    });
    let unapproved = outage.world.push(&["HEAD:main"]);
    unapproved.is_refused("server-unreachable");
    assert!(unapproved.said.contains("nor does it decide this alone"), "{}", unapproved.said);
    assert!(unapproved.said.contains("[no-change]"), "{}", unapproved.said);
    // On tier 1 it decides nothing alone.
    let tier_1 = Outage::of("payments/retries", "payments/production");
    let push = tier_1.world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
    assert!(push.said.contains("on tier 1 it decides nothing alone while the log is away"), "{}", push.said);
    // On tier 2 for an hour.
    let tier_2 = Outage::of("checkout/timeout", "checkout/production");
    tier_2.world.stage.is_ahead(2 * HOUR);
    let late = tier_2.world.push(&["HEAD:main"]);
    late.is_refused("server-unreachable");
    assert!(late.said.contains("alone it decides on tier 2 by what is 1 h old at the most"), "{}", late.said);
    // The clock goes back, and it remembers.
    tier_2.world.stage.is_ahead(0);
    let back = tier_2.world.push(&["HEAD:main"]);
    back.is_refused("server-unreachable");
    assert!(back.said.contains("[copy-too-old]"), "{}", back.said);
    // Below for eight.
    let below = Outage::search();
    below.world.stage.is_ahead(9 * HOUR);
    below.world.push(&["HEAD:main"]).is_refused("server-unreachable");
    let below = Outage::search();
    below.world.stage.is_ahead(7 * HOUR);
    below.world.push(&["HEAD:main"]).passes();
}

/// A commit that changes nothing, or a merge that takes nothing over, brings history that nobody approved.
#[test]
fn what_changes_nothing_does_not_land_in_an_outage_either() {
    let outage = Outage::search();
    outage.world.git(&["checkout", "--quiet", "-B", "nothing", "origin/main"]);
    outage.world.git(&["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    assert!(!outage.world.push(&["HEAD:main"]).passed);
    outage.world.git(&["checkout", "--quiet", "-B", "hidden", "origin/main"]);
    outage.world.write("search/limit", "666\n");
    outage.world.commit("hidden");
    outage.world.git(&["checkout", "--quiet", "-B", "ours", "origin/main"]);
    outage.world.git(&["merge", "--quiet", "--no-ff", "-s", "ours", "-m", "nothing", "hidden"]);
    assert!(!outage.world.push(&["HEAD:main"]).passed);
}

/// What happened is a fact, whatever the gate's clock said: nobody is accused of it.
#[test]
fn what_a_gate_lands_by_a_clock_that_is_ahead_is_told_all_the_same() {
    let mut below = Outage::search();
    below.world.stage.is_ahead(HOUR);
    below.world.push(&["HEAD:main"]).passes();
    below.back();
    sync(&below.world);
    assert_eq!(below.world.state(&below.change), "applied");
    assert_eq!(below.findings(), "[]");
}

/// A server that answers, and not as an honest log would, is there: nothing is decided past it.
#[test]
fn a_log_that_answers_otherwise_is_not_away() {
    let outage = Outage::search();
    let lying = Proxy::before("http://127.0.0.1:1", |_, _| Answer::Bytes(b"nonsense".to_vec()));
    outage.world.tell_the_gate(&lying.url);
    let push = outage.world.push(&["HEAD:main"]);
    assert!(!push.said.contains("decided alone") && !push.passed, "{}", push.said);
}

/// A revocation that was handed to the gate takes the approval away at once, and the gate's own key likewise.
#[test]
fn offline_mode_forced_to_use_a_revoked_key() {
    let mut kept = String::new();
    let outage = Outage::after("search/limit", "search/production", |world, _| {
        let key = world.key("bob").public().fingerprint();
        kept = swallowed(world, "carol", &["revoke", key.as_str(), "--why", "lost"]);
    });
    let handed = outage.world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(handed.status, 0, "{handed}");
    let push = outage.world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
    assert!(push.said.contains("[denied-by-rules]"), "{}", push.said);
}

/// A freeze that a server keeps from the gate stops it where it was handed over; where nobody handed it over, what went over it is
/// found when the log is back.
#[test]
fn a_captured_server_that_hides_a_freeze() {
    let freeze = ["freeze", "--system", "search", "--for", "8h", "--why", "the sale"];
    let mut kept = String::new();
    let handed = Outage::after("search/limit", "search/production", |world, _| {
        kept = swallowed(world, "carol", &freeze);
    });
    let run = handed.world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
    let push = handed.world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
    assert!(push.said.contains("[denied-by-rules]"), "{}", push.said);
    let mut hidden = Outage::after("search/limit", "search/production", |world, _| {
        world.say("carol", &freeze).done();
    });
    hidden.world.push(&["HEAD:main"]).passes();
    hidden.back();
    sync(&hidden.world);
    assert_eq!(hidden.world.state(&hidden.change), "applied");
    let findings = hidden.findings();
    assert!(findings.contains("in an outage, over a stop that it could not know"), "{findings}");
    let shown = hidden.world.say("bob", &["show", &hidden.change]).done()["emergency"].clone();
    assert_eq!(shown["alone"][0]["stands"], false, "{shown}");
    assert_eq!(shown["after_reviews"].as_array().unwrap().len(), 1, "{shown}");
}

/// What the log does not take of it, because the gate's key was revoked before, is a branch where no permit put it.
#[test]
fn what_a_revoked_gate_decided_alone_is_found_as_gone_round() {
    let mut outage = Outage::after("search/limit", "search/production", |world, _| {
        let key = world.key("shop.git/countersign/gate.key");
        let key = key.public().fingerprint();
        world.say("alice", &["revoke", key.as_str(), "--why", "stolen"]).done();
    });
    outage.world.push(&["HEAD:main"]).passes();
    outage.back();
    let sent = outage.world.stage.run("gate sync shop.git");
    assert_eq!(sent.status, 3, "{sent}");
    assert_ne!(outage.world.state(&outage.change), "applied");
    let status = outage.world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("where no permit put it"), "{status}");
}

/// Where cosigners are named, it is their time that counts, and whoever trusts a gate for longer or not at all says so.
#[test]
fn how_long_a_gate_decides_alone_is_in_its_trust() {
    let outage = Outage::search();
    let trust = "trust outage shop.git/countersign/trust.json --others 0";
    assert_eq!(outage.world.stage.run(trust).status, 0);
    let push = outage.world.push(&["HEAD:main"]);
    assert!(push.said.contains("on tier 3 it decides nothing alone"), "{}", push.said);
    let longer = outage.world.stage.run("trust outage shop.git/countersign/trust.json --others 90000");
    assert_eq!(longer.status, 1, "{longer}");
    assert_eq!(outage.world.stage.run("trust outage shop.git/countersign/trust.json").status, 0);
    outage.world.push(&["HEAD:main"]).passes();
}
