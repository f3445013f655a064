//! `apply` while the log is away: on people's word, once, on the machine that drew it.

use std::{collections::BTreeMap, fs};

use countersign_core::canonical;
use serde_json::{Value, json};

use crate::{stops::swallowed, support::Run, world::World};

/// A server that is away, before a machine that has applied there before.
struct Outage {
    world: World,
    /// Where the log was.
    url: String,
    /// Proposed, and approved by nobody.
    change: String,
}

const FIX: [&str; 5] = ["--file", "fix.json", "--", "cat", "fix.json"];

impl Outage {
    fn new() -> Self {
        Self::after(|_| ())
    }

    fn after(before: impl FnOnce(&World)) -> Self {
        let mut world = World::usual();
        world.stage.write("flags.json", "{\"pay\": true}");
        world.stage.write("fix.json", "{\"pay\": false}");
        let words = ["propose", "--kind", "config", "--title", "On", "--why", "asked", "--file", "flags.json"];
        let run = world
            .say("alice", &[&words[..], &["--command", "cat flags.json", "--target", "search/production"]].concat());
        let change = run.done()["id"].as_str().unwrap().to_owned();
        for who in ["alice", "bob", "carol", "dave"] {
            let refused = world.say(who, &["apply", &change, "--file", "flags.json", "--", "cat", "flags.json"]);
            assert_eq!(refused.status, 3, "{refused}");
        }
        before(&world);
        let url = world.server().url.clone();
        world.stop_server();
        Self { world, url, change }
    }

    fn say(&self, who: &str, words: &[&str]) -> Run {
        self.world.say_to(&self.url, who, words)
    }

    /// What `apply` draws for these words, and is refused with.
    fn drawn(&self, who: &str, words: &[&str]) -> String {
        let run = self.say(who, &[&["apply"], words].concat());
        run.is_refused(1, "unreachable");
        let word = run.stderr.split_once("--at ").and_then(|(_, rest)| rest.split(['\\', ' ', '\n']).next());
        word.unwrap_or_else(|| panic!("{run}")).to_owned()
    }

    /// For a person.
    fn text(&self, who: &str, words: &str) -> Run {
        let options = ["--url", &self.url, "--key", who];
        let words: Vec<&str> = options.into_iter().chain(words.split_whitespace()).collect();
        self.world.stage.run_on(&self.world.machine, &words)
    }

    fn sign(&self, who: &str, file: &str, words: &[&str]) -> Run {
        self.say(who, &[&["break-glass", "--file", file], words].concat())
    }

    fn run_fix(&self, who: &str, target: &str, glass: &str) -> Run {
        self.say(who, &[&["apply", "--target", target, "--offline", glass], &FIX[..]].concat())
    }

    fn back(&mut self) {
        let address = self.world.home.store_address();
        self.world.start_server(&address);
    }
}

#[test]
fn a_command_runs_without_the_log_on_two_peoples_word_and_on_no_ones() {
    let mut outage = Outage::new();
    let target = ["--target", "payments/production"];
    let at = outage.drawn("carol", &[&target[..], &FIX[..]].concat());
    // Other files than were asked for are not what is signed.
    outage.sign("carol", "flags.json", &["--at", &at, "--why", "orders fail"]).is_refused(1, "another-subject");
    let words = ["--at", &at, "--why", "orders fail", "--incident", "INC-4711", "--out", "glass.json"];
    let first = outage.sign("carol", "fix.json", &words).done();
    assert_eq!(first["more"], 1);
    let change = first["change"].as_str().unwrap().to_owned();
    // One is not enough on tier 1.
    outage.run_fix("carol", "payments/production", "glass.json").is_refused(3, "glass-people");
    let told = outage.text("dave", "break-glass --file fix.json --cosign glass.json");
    // The line that is told is the one that works.
    let line =
        told.stdout.lines().find_map(|line| line.split_once("countersign apply ")).map(|(_, rest)| rest.to_owned());
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert_eq!(line, "--target payments/production --file fix.json --offline glass.json -- cat fix.json", "{told}");
    // Another who runs it has drawn nothing.
    outage.run_fix("dave", "payments/production", "glass.json").is_refused(1, "not-drawn");
    outage.run_fix("carol", "search/production", "glass.json").is_refused(1, "another-change");
    let run = outage.text("carol", &format!("apply {line}"));
    assert_eq!((run.status, run.stdout.trim()), (0, "{\"pay\": false}"), "{run}");
    assert!(run.stderr.contains("the glass is broken by carol and dave"), "{run}");
    // Once.
    outage.run_fix("carol", "payments/production", "glass.json").is_refused(3, "permit-spent");
    outage.back();
    let resumed = outage.world.say("carol", &["apply", "--resume"]).done();
    assert_eq!(resumed["settled"][0]["result"], "applied", "{resumed}");
    assert_eq!(outage.world.state(&change), "applied");
    let findings = outage.world.say("bob", &["findings", "--open"]).done().to_string();
    assert!(findings.contains("carol and dave broke the glass"), "{findings}");
    // Nor when the log has it.
    let again = outage
        .world
        .say("carol", &[&["apply", "--target", "payments/production", "--offline", "glass.json"], &FIX[..]].concat());
    assert_ne!(again.status, 0, "{again}");
    let exported = outage.world.stage.run("export --home home copy");
    assert_eq!(exported.status, 0, "{exported}");
    let verified = outage.world.stage.run("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}

/// What was signed for one gate opens no other, not even one that drew for the same.
#[test]
fn what_was_signed_for_one_apply_gate_opens_no_other() {
    let outage = Outage::new();
    let words = [&["--target", "search/production"], &FIX[..]].concat();
    let at = outage.drawn("carol", &words);
    outage.sign("carol", "fix.json", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    outage.drawn("dave", &words);
    outage.run_fix("dave", "search/production", "glass.json").is_refused(3, "another-nonce");
    // Signed over what carol's gate drew, by somebody else first: it is for no gate's key.
    outage.sign("dave", "fix.json", &["--at", &at, "--why", "let me", "--out", "other.json"]).done();
    outage.run_fix("carol", "search/production", "other.json").is_refused(3, "another-audience");
    let run = outage.run_fix("carol", "search/production", "glass.json");
    assert_eq!(run.status, 0, "{run}");
}

/// A revocation that was handed over counts though the log cannot be asked.
#[test]
fn a_suspended_key_opens_no_apply_gate_without_the_log() {
    let mut kept = String::new();
    let outage = Outage::after(|world| {
        let key = world.key("dave").public().fingerprint();
        kept = swallowed(world, "bob", &["revoke", key.as_str(), "--why", "lost"]);
    });
    let at = outage.drawn("carol", &[&["--target", "payments/production"], &FIX[..]].concat());
    outage.sign("carol", "fix.json", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    outage.sign("dave", "fix.json", &["--cosign", "glass.json"]).done();
    let handed = outage.world.stage.run(&format!("gate stop --apply --statement {kept}"));
    assert_eq!(handed.status, 0, "{handed}");
    let refused = outage.run_fix("carol", "payments/production", "glass.json");
    refused.is_refused(3, "glass-people");
    assert!(
        refused.stderr.contains("a signature does not count") && refused.stderr.contains("was revoked by bob"),
        "{refused}"
    );
}

/// A change that this machine's copy of the log has is named, and keeps its id.
#[test]
fn a_proposed_change_is_applied_without_the_log() {
    let mut outage = Outage::new();
    let change = outage.change.clone();
    let words = [change.as_str(), "--file", "flags.json", "--", "cat", "flags.json"];
    let at = outage.drawn("carol", &words);
    let signed =
        outage.sign("carol", "flags.json", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    assert_eq!(signed["change"], change.as_str());
    // Somebody else has none of its files: nothing is run but what was signed.
    fs::write(outage.world.stage.path("flags.json"), "{\"pay\": \"other\"}").unwrap();
    let run = outage.say("carol", &[&["apply", "--offline", "glass.json"], &words[..]].concat());
    run.is_refused(1, "not-drawn");
    fs::write(outage.world.stage.path("flags.json"), "{\"pay\": true}").unwrap();
    let run = outage.say("carol", &[&["apply", "--offline", "glass.json"], &words[..]].concat());
    assert_eq!(run.status, 0, "{run}");
    outage.back();
    outage.world.say("carol", &["apply", "--resume"]).done();
    assert_eq!(outage.world.state(&change), "applied");
}

/// The line of a change that was proposed names it; who names neither is told of both.
#[test]
fn the_line_that_runs_a_command_without_the_log_names_what_it_is_for() {
    let outage = Outage::new();
    let words = [outage.change.as_str(), "--file", "flags.json", "--", "cat", "flags.json"];
    let at = outage.drawn("carol", &words);
    let told =
        outage.text("carol", &format!("break-glass --file flags.json --at {at} --why slow --out glass.json --yes"));
    let short = &outage.change[..12];
    let line = format!("countersign apply {short} --file flags.json --offline glass.json -- cat flags.json");
    assert!(told.stdout.contains(&line), "{line}: {told}");
    let usage = outage.text("carol", "apply --file flags.json --offline glass.json -- cat flags.json");
    assert_eq!(usage.status, 2, "{usage}");
    assert!(usage.stderr.contains("--target SYSTEM/ENV"), "{usage}");
}

/// Who opens nothing of all of it is told so before they sign, with whose word does.
#[test]
fn who_is_not_entitled_for_all_of_it_is_told_before_signing_without_the_log() {
    let outage = Outage::after(|world| {
        world.publish(|files| {
            // Dave owns nothing.
            let read = |files: &BTreeMap<String, Vec<u8>>, path: &str| -> Value {
                serde_json::from_slice(&files[path]).unwrap()
            };
            let (mut people, mut profiles) = (read(files, "people/owners.json"), read(files, "profiles/owners.json"));
            let mut dave = people.as_object_mut().unwrap().remove("dave").unwrap();
            dave.as_object_mut().unwrap().remove("groups");
            let mails = profiles["people"].as_object_mut().unwrap().remove("dave").unwrap();
            let written = [
                ("people/_.json", json!({ "dave": dave })),
                ("people/owners.json", people),
                ("profiles/_.json", json!({ "people": { "dave": mails }, "salt": "00112233445566778899aabbccddeeff" })),
                ("profiles/owners.json", profiles),
            ];
            files.extend(written.map(|(path, value)| (path.to_owned(), canonical::to_bytes(&value).unwrap())));
        });
        // This machine has seen that.
        world.say("carol", &["whoami"]).done();
    });
    let words = [&["--target", "payments/production", "--target", "search/production"], &FIX[..]].concat();
    let refused = outage.say("carol", &[&["apply"], &words[..]].concat());
    assert!(refused.stderr.contains("own all of payments/production and search/production"), "{refused}");
    let at = outage.drawn("carol", &words);
    let told = outage.sign("dave", "fix.json", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]);
    assert!(
        told.stderr.contains("the signature of dave opens nothing") && told.stderr.contains("alice, bob and carol"),
        "{told}"
    );
    let counts = outage.sign("carol", "fix.json", &["--at", &at, "--why", "orders fail", "--out", "other.json"]);
    assert!(!counts.stderr.contains("opens nothing"), "{counts}");
}

/// While the log is there, it is asked.
#[test]
fn what_nobody_proposed_is_applied_in_an_outage_alone() {
    let mut outage = Outage::new();
    let words = [&["apply", "--target", "search/production"], &FIX[..]].concat();
    // One who is not entitled is told who is.
    outage.back();
    let usage = outage.world.say("carol", &words);
    assert_eq!(usage.status, 2, "{usage}");
}
