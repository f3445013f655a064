//! Freezes that people sign: at a gate, with the server and without it.

use crate::{
    stops::swallowed,
    world::{Push, World},
};
use countersign_core::catalog::Level;

const CHECKOUT: &str = "checkout/production";

fn world() -> (World, String) {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    (world, change)
}

/// The id that `freeze` told.
fn frozen(told: &str) -> String {
    let (_, rest) = told.split_once("freeze ").unwrap_or_else(|| panic!("{told}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

fn is_frozen(push: &Push) {
    assert!(push.said.contains("frozen") && push.said.contains("bob"), "{}", push.said);
}

#[test]
fn a_freeze_stops_a_gate_with_the_server_and_without_it() {
    let (mut world, change) = world();
    let run = world.say("bob", &["freeze", "--all", "--for", "4h", "--why", "payments are slow", "--format", "text"]);
    assert_eq!(run.status, 0, "{run}");
    let id = frozen(&run.stdout);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    is_frozen(&push);
    let again = world.say("bob", &["freeze", "--system", "checkout", "--for", "4h", "--why", "again"]);
    assert!(again.status != 0 && again.stderr.contains("freeze-renewed"), "{again}");
    let listed = world.say("carol", &["freezes", "--format", "text"]);
    assert!(listed.stdout.contains(&id) && listed.stdout.contains("payments are slow"), "{listed}");
    assert_eq!(world.say("bob", &["lift", &id]).status, 0);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
    // The server swallows one that alice, who is no senior, signs for what she owns; then it is gone.
    world.edit("other", "checkout/retries", "3\n");
    let other = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &other);
    let kept =
        swallowed(&world, "carol", &["freeze", "--system", "checkout", "--for", "2h", "--why", "a captured server"]);
    let run = world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("carol"), "{}", push.said);
    world.stop_server();
    assert!(!world.push(&["HEAD:main"]).said.is_empty());
    assert_eq!(world.git(&["rev-parse", "HEAD^"]), world.git(&["rev-parse", "origin/main"]));
}

#[test]
fn breaking_the_glass_goes_over_a_freeze_that_it_names_and_two_lift_it() {
    let (world, change) = world();
    let frozen =
        world.say("bob", &["freeze", "--tier", "1", "--tier", "2", "--for", "1h", "--why", "sales day"]).done();
    let id = frozen["freeze"].as_str().unwrap();
    let glass = ["break-glass", &change, "--why", "orders fail"];
    let run = world.say("alice", &glass);
    assert!(run.status != 0 && run.stderr.contains("stop-not-named"), "{run}");
    world.say("alice", &[glass.as_slice(), &["--over-freeze", id]].concat()).done();
    world.push(&["HEAD:main"]).passes();
    let listed = world.say("carol", &["freezes", id]).done();
    assert_eq!(
        (&listed["passed"][0]["why"], listed["passed"].as_array().unwrap().len()),
        (&"break-glass".into(), 1),
        "{listed}"
    );
    let near = world.say("bob", &["freeze", "--target", "checkout/prod", "--for", "1h", "--why", "x"]);
    assert!(near.status != 0 && near.stderr.contains("did you mean `production`?"), "{near}");
    // Neither froze it.
    let file = world.say("carol", &["lift", id]).done();
    assert_eq!(world.say("carol", &["freezes"]).done()["freezes"][0]["holds"], true);
    let file = file["file"].as_str().unwrap().to_owned();
    assert!(world.say("carol", &["lift", "--cosign", &file]).status != 0);
    world.say("alice", &["lift", "--cosign", &file]).done();
    assert_eq!(world.say("carol", &["freezes"]).done()["freezes"][0]["holds"], false);
}

/// Without any server: by a copy of the log, and brought to the gate by whoever can push.
#[test]
fn a_freeze_by_a_copy_reaches_its_gate_with_a_push() {
    let (mut world, _) = world();
    world.push(&["HEAD:nowhere"]).passes();
    let status = world.stage.run("gate status shop.git --format json").json();
    let copy = status["copy"].as_str().unwrap().to_owned();
    let url = world.server().url.clone();
    // What a person's machine knows of the log.
    for who in ["alice", "bob", "carol"] {
        assert_eq!(world.say(who, &["whoami"]).status, 0);
    }
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.stop_server();
    let words = ["freeze", "--all", "--for", "2h", "--why", "orders fail", "--copy", &copy];
    let run = world.say_to("http://127.0.0.1:1", "bob", &words);
    assert_eq!(run.status, 0, "{run}");
    let file = run.json()["file"].as_str().unwrap().to_owned();
    let bytes = std::fs::read(world.stage.path(&file)).unwrap();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let push = world.push(&["-o", &format!("countersign-stop={text}"), "HEAD:refs/heads/any"]);
    assert!(push.said.contains("bob"), "{}", push.said);
    // In the outage the glass is broken over it only by who names it, by its whole digest.
    world.edit("fix", "search/limit", "11\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
    let at = push.raw.split_once("--at ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap().to_owned();
    let sign = |further: &[&str]| {
        let words = ["break-glass", "--git", "work", "--at", &at, "--why", "orders fail", "--out", "glass.json"];
        let run = world.say_to(&url, "carol", &[&words[..], further].concat());
        assert_eq!(run.status, 0, "{run}");
        let bytes = std::fs::read(world.stage.path("glass.json")).unwrap();
        std::fs::remove_file(world.stage.path("glass.json")).unwrap();
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
    };
    let unnamed = world.push(&["-o", &format!("countersign-break-glass={}", sign(&[])), "HEAD:main"]);
    unnamed.is_refused("stop-not-named");
    let (_, rest) = unnamed.raw.split_once("--over-freeze ").unwrap_or_else(|| panic!("{}", unnamed.said));
    let digest: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(digest.len(), 64, "{}", unnamed.said);
    let named = sign(&["--over-freeze", &digest]);
    world.push(&["-o", &format!("countersign-break-glass={named}"), "HEAD:main"]).passes();
}

/// Whoever only types `countersign` sees it, and what is refused of a freeze is a refusal.
#[test]
fn a_freeze_is_told_to_whoever_asks_what_waits_and_its_refusals_end_with_3() {
    let (world, _) = world();
    let frozen = world.say("bob", &["freeze", "--all", "--for", "1h", "--why", "sales day"]).done();
    let id = frozen["freeze"].as_str().unwrap();
    let bare = world.stage.run(&format!("--url {} --key carol", world.server().url));
    assert!(bare.stderr.contains(&format!("freeze {id} by bob holds until")), "{bare}");
    let again = world.say("bob", &["freeze", "--system", "checkout", "--for", "1h", "--why", "again"]);
    again.is_refused(3, "freeze-renewed");
    world.say("carol", &["freeze", "--all", "--for", "1h", "--why", "me too"]).is_refused(3, "not-theirs-to-freeze");
    world.say("bob", &["lift", id]).done();
    world.say("bob", &["lift", id]).is_refused(3, "freeze-over");
}
