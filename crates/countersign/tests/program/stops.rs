//! Stops that were handed to a gate: what it does with them until the log has them, and what takes them away again.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

use countersign::{
    follower::Access,
    random,
    speaker::Hand,
    store::{self, Options},
    wire::Submit,
};
use countersign_core::{
    catalog::Level,
    ids::ChangeId,
    statement::{Body, Holder, KeyRevocation, Rejection},
    text::Reason,
};
use countersign_ledger::{Digest, SigningKey};

use crate::{
    proxy::{Answer, Proxy},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// A governed repository in which a change is approved and would land.
fn world() -> (World, String) {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    (world, change)
}

/// Says something that the server swallows, and gives the file that was kept.
pub fn swallowed(world: &World, who: &str, words: &[&str]) -> String {
    let silent = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::Silence,
        _ => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&silent.url, who, words);
    let (_, kept) = run.stderr.split_once("--statement ").unwrap_or_else(|| panic!("{run}"));
    kept.split(['"', '\\']).next().unwrap().trim().to_owned()
}

fn hand_over(world: &World, kept: &str) {
    let run = world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
}

/// A push of nothing that anybody proposed, so that the gate has a copy of the log.
fn follow_once(world: &World) {
    world.git(&["checkout", "--quiet", "-B", "nothing", "origin/main"]);
    world.write("checkout/nothing", "x\n");
    world.commit("nothing that was proposed");
    world.push(&["HEAD:main"]).is_refused("no-change");
    world.git(&["checkout", "--quiet", "change"]);
}

/// A stop that is signed past the command line, as `countersign reject` and `revoke` keep it, in a file of this name.
fn signed(world: &World, name: &str, who: &str, key: &str, body: impl FnOnce(Digest) -> Body) {
    let blob = Reason { salt: random::nonce(), why: "not now".to_owned() }.to_blob().unwrap();
    let mut voice = world.voice(who);
    voice.speaker.hand = Hand::Gate(world.key(key));
    let envelope = voice.sign(body(Digest::of(&blob)));
    let file = serde_json::to_string(&Submit::new(&envelope, std::slice::from_ref(&blob))).unwrap();
    world.stage.write(name, &file);
}

/// A rejection of a change's first revision, by somebody with somebody's key.
fn rejection(world: &World, name: &str, who: &str, key: &str, change: &str) {
    let change: ChangeId = change.parse().unwrap();
    let known = world.server().block_on(world.server().engine.change(&change)).unwrap().unwrap();
    let revision = known.current_ref().unwrap();
    let body = |reason| Body::Rejection(Rejection { change, reason, revision, targets: known.targets.clone() });
    signed(world, name, who, key, body);
}

fn fingerprint(key: &SigningKey) -> String {
    key.public().fingerprint().to_string()
}

/// The same person has rejected before, and lifted it: only the rejection itself in the log settles the one that was handed
/// over.
#[test]
fn a_handed_rejection_is_not_taken_for_an_earlier_one_that_was_lifted() {
    let (world, change) = world();
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);
    let kept = swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    hand_over(&world, &kept);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    // The gate has told the log meanwhile, and from there it can be lifted.
    assert_eq!(world.state(&change), "rejected");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);
    world.push(&["HEAD:main"]).passes();
}

/// A server that does not take the stop in this file, and everything else.
fn refusing(world: &World, stop: &str) -> Proxy {
    let stop: Submit = serde_json::from_str(&world.stage.read(stop)).unwrap();
    let reason = stop.blobs[0].clone();
    Proxy::reading(&world.server().url, move |request| match String::from_utf8_lossy(request.body).contains(&reason) {
        true => Answer::NotFound,
        false => Answer::Of(request.path.to_owned()),
    })
}

#[test]
fn a_handed_rejection_stands_over_a_revision_of_the_same_commits() {
    let (world, change) = world();
    rejection(&world, "stop.json", "carol", "carol", &change);
    assert_eq!(world.say("alice", &["revise", &change, "--title", "Raise it again"]).status, 0);
    world.approve("bob", &change);
    let refusing = refusing(&world, "stop.json");
    world.tell_the_gate(&refusing.url);
    follow_once(&world);
    hand_over(&world, "stop.json");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("carol rejected revision 1"), "{}", push.said);
    world.tell_the_gate(&world.server().url);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.state(&change), "rejected", "the log has taken it meanwhile");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn a_handed_rejection_follows_its_content_to_another_change() {
    let (world, _) = world();
    let first = world.propose("alice", &[CHECKOUT]);
    rejection(&world, "stop.json", "carol", "carol", &first);
    let refusing = refusing(&world, "stop.json");
    world.tell_the_gate(&refusing.url);
    follow_once(&world);
    hand_over(&world, "stop.json");
    assert_eq!(world.say("alice", &["withdraw", &first]).status, 0);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.said.contains("carol rejected revision 1"), "{}", push.said);
    // Other content on the same target is not held.
    world.edit("other", "checkout/timeout", "40\n");
    let other = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &other);
    world.tell_the_gate(&world.server().url);
    world.push(&["HEAD:main"]).passes();
    // The log has taken it meanwhile, for a change that is closed; and so it does the lifting.
    assert_eq!(world.state(&first), "withdrawn");
    assert_eq!(world.say("alice", &["show", &first]).json()["rejections"][0]["by"], "carol");
    assert_eq!(world.say("carol", &["reject", &first, "--lift"]).status, 0);
    assert_eq!(world.state(&first), "withdrawn");
}

/// A revocation takes away what a key grants, never what it stopped.
#[test]
fn a_handed_rejection_stands_when_its_key_is_revoked() {
    let (world, change) = world();
    let kept = swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    // Not to the log, which would take it as long as the key holds.
    let silent = Proxy::before(&world.server().url, |_, _| Answer::Silence);
    follow_once(&world);
    world.tell_the_gate(&silent.url);
    hand_over(&world, &kept);
    world.tell_the_gate(&world.server().url);
    let late = swallowed(&world, "carol", &["reject", &change, "--why", "again"]);
    let revoke = ["revoke", &fingerprint(&world.key("carol")), "--why", "stolen, says who proposed it"];
    assert_eq!(world.say("alice", &revoke).status, 0);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    // What is suspended stops still: the gate has told the log.
    assert_eq!(world.state(&change), "rejected");
    // Whoever has the key stops nothing with it any more, once a second person says that it stays revoked.
    let run = world.say("bob", &["revoke", &fingerprint(&world.key("carol")), "--confirm"]);
    assert_eq!(run.status, 0, "{run}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let run = world.stage.run(&format!("gate stop shop.git --statement {late}"));
    assert!(run.stderr.contains("was revoked"), "{run}");
}

/// The copy of a gate that another version of the program has written is made again from its own leaves.
#[test]
fn the_copy_of_a_gate_is_made_again_for_a_newer_program() {
    let (world, _) = world();
    world.push(&["HEAD:main"]).passes();
    let status = world.stage.run("gate status shop.git --format json");
    let status = status.json();
    let copy = world.stage.path(status["copy"].as_str().unwrap()).join("copy.db");
    let open = || {
        let options = Options::copy(world.home.trust().log_key.clone(), Access::Owner);
        world.server().block_on(store::open(&copy.display().to_string(), &options)).unwrap()
    };
    let copied = open();
    world.server().block_on(copied.clear_projections()).unwrap();
    drop(copied);
    world.edit("other", "search/limit", "20\n");
    let change = world.propose("alice", &["search/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    let copied = open();
    assert_ne!(world.server().block_on(copied.version()).unwrap(), 0);
    world.server().block_on(copied.set_version(99)).unwrap();
    drop(copied);
    world.edit("next", "checkout/timeout", "40\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("newer-projections");
    assert!(push.said.contains("a newer countersign"), "{}", push.said);
    assert!(fs::exists(&copy).unwrap());
}

/// Where the gate has no copy of the log yet, and no server gives it one: it keeps the stop, and finds out whose it is before
/// it judges anything.
#[test]
fn a_stop_is_kept_by_a_gate_that_cannot_tell_yet_whose_it_is() {
    let (world, change) = world();
    let silent = Proxy::before(&world.server().url, |_, _| Answer::Silence);
    world.tell_the_gate(&silent.url);
    rejection(&world, "true.json", "carol", "carol", &change);
    world.stage.key("nobody");
    rejection(&world, "false.json", "carol", "nobody", &change);
    let run = world.stage.run("gate stop shop.git --statement true.json --statement false.json --format json");
    assert_eq!(run.status, 0, "{run}");
    assert_eq!((run.json()["obeyed"].as_array().unwrap().len(), &run.json()["followed"]), (0, &false.into()));
    assert_eq!(run.json()["unchecked"].as_array().unwrap().len(), 2, "{run}");
    let status = world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("kept until the log tells whose it is: carol rejected revision 1"), "{status}");

    world.tell_the_gate(&world.server().url);
    let push = world.push(&["HEAD:main"]);
    assert!(!push.passed && push.said.contains("[denied-by-rules]"), "{}", push.said);
    assert!(push.said.contains("obeyed from now on: carol rejected revision 1"), "{}", push.said);
    assert!(push.said.contains("dropped: carol rejected revision 1"), "{}", push.said);
    assert!(push.said.contains("belongs to nobody in the catalog"), "{}", push.said);
    assert_eq!(world.state(&change), "rejected", "the log has it by now");
}

/// A key that nobody has cannot be taken away, and would lie beside the gate for ever.
#[test]
fn a_revocation_of_nobodys_key_is_refused_where_it_is_handed_over() {
    let (world, change) = world();
    world.stage.key("nobody");
    let key = world.key("nobody").public().fingerprint();
    let of = Holder::Person("bob".parse().unwrap());
    signed(&world, "stop.json", "carol", "carol", |reason| Body::KeyRevocation(KeyRevocation { key, of, reason }));
    let run = world.stage.run("gate stop shop.git --statement stop.json");
    assert!(run.status != 0 && run.stderr.contains("belongs to nobody of that name"), "{run}");
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

/// Nobody takes the room of the others, and nobody who pushes waits until the log was sent all that it does not take.
#[test]
fn stops_are_bounded_for_each_person_and_sent_to_the_log_a_few_at_a_time() {
    let (world, change) = world();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let refusing = {
        let sent = Arc::clone(&sent);
        Proxy::reading(&world.server().url, move |request| {
            if request.method == "POST" {
                sent.lock().unwrap().push(request.body.to_vec());
                return Answer::NotFound;
            }
            Answer::Of(request.path.to_owned())
        })
    };
    follow_once(&world);
    world.tell_the_gate(&refusing.url);
    let mut words = vec!["gate".to_owned(), "stop".to_owned(), "shop.git".to_owned()];
    for n in 0..33 {
        let name = format!("stop-{n}.json");
        rejection(&world, &name, "carol", "carol", &change);
        words.extend(["--statement".to_owned(), name]);
    }
    sent.lock().unwrap().clear();
    let run = world.stage.run_words(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run.stderr.contains("keeps 32 stops of one person"), "{run}");
    assert_eq!(run.stdout.lines().count(), 32, "{run}");
    assert_eq!(sent.lock().unwrap().len(), 4);
    // Somebody else still has room, and each has its turn.
    rejection(&world, "dave.json", "bob", "bob", &change);
    for _ in 0..8 {
        hand_over(&world, "dave.json");
    }
    let mut turns: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    sent.lock().unwrap().iter().for_each(|sent| *turns.entry(sent.clone()).or_default() += 1);
    assert_eq!((turns.len(), turns.values().sum::<usize>()), (33, 36));
}

/// Whoever cannot reach the server, or is served nothing by it, signs by a copy of the log and hands the file to a gate.
#[test]
fn a_stop_is_signed_without_any_server() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("bob", &change);
    let status = world.stage.run("gate status shop.git --format json").json();
    let copy = status["copy"].as_str().unwrap();
    let nowhere = "http://127.0.0.1:1";
    let run = world.say_to(nowhere, "carol", &["reject", &change, "--why", "not now", "--copy", copy]);
    assert_eq!((run.status, &run.json()["in_the_log"]), (0, &false.into()), "{run}");
    hand_over(&world, run.json()["file"].as_str().unwrap());
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.state(&change), "rejected", "the gate has told the log");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0);

    let bob = fingerprint(&world.key("bob"));
    let run = world.say_to(nowhere, "carol", &["revoke", &bob, "--why", "stolen", "--copy", copy]);
    hand_over(&world, run.json()["file"].as_str().unwrap());
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let run = world.say_to(nowhere, "carol", &["reject", &change, "--why", "no", "--copy", "nowhere"]);
    assert!(run.status != 0 && run.stderr.contains("is no copy of a log"), "{run}");
}

/// A machine that only applies files takes stops, too.
#[test]
fn an_apply_gate_obeys_what_it_was_handed() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.stage.write("flags.json", "{}\n");
    let propose = [
        "propose",
        "--again",
        "--target",
        "search/production",
        "--kind",
        "flag",
        "--file",
        "flags.json",
        "--command",
        "true",
        "--title",
        "Go faster",
        "--why",
        "the bank answers within eight seconds at month end",
        "--rollback",
        "put the old file back",
    ];
    let run = world.say("alice", &propose);
    let change = run.json()["id"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned();
    assert_eq!(world.say("bob", &["approve", &change, "--file", "flags.json"]).status, 0);
    let kept = swallowed(&world, "carol", &["reject", &change, "--why", "not in the sale week"]);
    let run = world.stage.run(&format!("gate stop --apply --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
    let apply = ["apply", &change, "--file", "flags.json", "--", "true"];
    let run = world.say("alice", &apply);
    assert!(run.status == 3 && run.stderr.contains("carol"), "{run}");
    assert_eq!(world.say("carol", &["reject", &change, "--lift"]).status, 0, "the gate has told the log");
    let run = world.say("alice", &apply);
    assert_eq!(run.status, 0, "{run}");
}

/// What becomes of one stop is told whatever becomes of the others.
#[test]
fn programs_are_told_of_each_stop_that_is_handed_over() {
    let (world, change) = world();
    follow_once(&world);
    world.stage.key("nobody");
    rejection(&world, "true.json", "carol", "carol", &change);
    rejection(&world, "false.json", "carol", "nobody", &change);
    let run = world.stage.run("gate stop shop.git --statement false.json --statement true.json --format json");
    assert_eq!(run.status, 1, "{run}");
    assert_eq!(run.json()["obeyed"].as_array().unwrap().len(), 1, "{run}");
    let error: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("belongs to nobody"), "{run}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
}

/// What takes presence or a lent role away is heard by a gate as a rejection is, and the log gets it from there.
#[test]
fn the_end_of_a_delegation_and_an_absence_that_a_server_swallows_are_handed_to_a_gate() {
    let world = World::governed(&[
        ("alice", Level::Standard),
        ("bob", Level::Senior),
        ("carol", Level::Standard),
        ("dave", Level::Standard),
    ]);
    world.edit("change", "payments/timeout", "30\n");
    let change = world.propose("alice", &["payments/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("dave", &change);
    let until = countersign::clock::now().plus_secs(7 * 24 * 3_600).to_string();
    let delegate = ["delegate", "senior", "--to", "carol", "--until", &until];
    let id = world.say("bob", &delegate).done()["delegation"].as_str().unwrap().to_owned();
    world.approve("carol", &change);
    assert_eq!(world.stage.run("gate sync shop.git").status, 0);
    let ended = swallowed(&world, "bob", &["delegate", "--end", &id]);
    let away = swallowed(&world, "dave", &["away", "--until", &until]);
    // By the gate's own copy, where no server is asked.
    let copy = world.stage.run("--format json gate status shop.git").json()["copy"].as_str().unwrap().to_owned();
    let signed = world.say("carol", &["--trust", "home/trust.json", "delegate", "--end", &id, "--copy", &copy]).done();
    assert_eq!(signed["in_the_log"], false, "{signed}");
    for kept in [ended.as_str(), &away, signed["file"].as_str().unwrap()] {
        hand_over(&world, kept);
    }
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.say("dave", &["delegations"]).done()["delegations"], serde_json::json!([]));
    let dave = world.say("dave", &["approve", &change, "--git", "work"]);
    assert!(dave.stderr.contains("\"away\""), "the log has it by now: {dave}");
}
