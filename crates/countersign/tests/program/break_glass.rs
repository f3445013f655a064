//! Breaking the glass: with the log and without it, and what opens nothing.

use std::{collections::BTreeMap, fs};

use countersign_core::{canonical, catalog::Level};
use serde_json::{Value, json};

use crate::world::{Push, World};

/// What the gate drew, as it stands in the line that a refused push prints.
fn drawn(push: &Push) -> String {
    let word = push.raw.split_once("--at ").and_then(|(_, rest)| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("{}", push.said)).to_owned()
}

/// A refusal with its address masked.
fn told(push: &Push) -> String {
    let masked = |word: &str| match word {
        word if word.starts_with("http://") => "URL,".to_owned(),
        "[ROOT]" => "WORD".to_owned(),
        word => word.to_owned(),
    };
    let told = push.told();
    let lines = told.lines().map(|line| line.split(' ').map(masked).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Takes the blob out that says what moves.
fn without_transition(value: &mut Value) {
    let bytes = |text: &Value| {
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text.as_str().unwrap_or_default())
            .unwrap_or_default()
    };
    match value {
        Value::Array(values) => {
            values.retain(|value| !String::from_utf8_lossy(&bytes(value)).contains("\"reference\""));
            values.iter_mut().for_each(without_transition);
        }
        Value::Object(fields) => fields.values_mut().for_each(without_transition),
        _ => {}
    }
}

struct Outage {
    world: World,
    /// Where the log was, before.
    url: String,
}

impl Outage {
    /// The server is away, and the gate has followed it until then.
    fn new() -> Self {
        Self::after(|_| ())
    }

    fn after(before: impl FnOnce(&World)) -> Self {
        let mut world = World::usual();
        world.edit("first", "search/limit", "11\n");
        let change = world.propose("alice", &["search/production"]);
        world.approve("bob", &change);
        world.push(&["HEAD:main"]).passes();
        before(&world);
        // What a person's machine remembers of the log.
        for who in ["alice", "bob", "carol", "dave"] {
            assert_eq!(world.say(who, &["whoami"]).status, 0);
        }
        world.git(&["fetch", "--quiet"]);
        let url = world.server().url.clone();
        world.stop_server();
        Self { world, url }
    }

    fn sign(&self, who: &str, words: &[&str]) -> crate::support::Run {
        let all = [&["break-glass", "--git", "work"], words].concat();
        self.world.say_to(&self.url, who, &all)
    }

    fn push_with(&self, file: &str) -> Push {
        let bytes = fs::read(self.world.stage.path(file)).unwrap();
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        self.world.push(&["-o", &format!("countersign-break-glass={text}"), "HEAD:main"])
    }

    fn back(&mut self) {
        let address = self.world.home.store_address();
        self.world.start_server(&address);
        self.world.in_bare(&["config", "receive.advertisePushOptions", "true"]);
    }
}

#[test]
fn without_the_log_tier_1_opens_to_two_people_and_to_no_one() {
    let mut outage = Outage::new();
    outage.world.edit("fix", "payments/retries", "5\n");
    let push = outage.world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
    let at = drawn(&push);
    insta::assert_snapshot!(told(&push));
    let first =
        outage.sign("carol", &["--at", &at, "--why", "orders fail", "--incident", "INC-4711", "--out", "glass.json"]);
    assert_eq!(first.status, 0, "{first}");
    assert_eq!(first.json()["more"], 1);
    // One is not enough, and the same person counts once.
    outage.push_with("glass.json").is_refused("glass-people");
    let again = outage.sign("carol", &["--cosign", "glass.json"]);
    again.is_refused(3, "already-signed");
    assert!(!again.stderr.contains("signing"), "nothing is announced that is not signed: {again}");
    outage.world.stage.key("carols-other");
    let by_her_other_key = outage.sign("carols-other", &["--cosign", "glass.json", "--as", "carol"]);
    by_her_other_key.is_refused(3, "already-signed");
    assert!(by_her_other_key.stderr.contains("carol has already signed it"), "{by_her_other_key}");
    // Whoever is to sign it next is told what it does, whose it is and what is missing.
    let shown = outage.world.stage.run("break-glass --show glass.json");
    assert_eq!(shown.status, 0, "{shown}");
    for said in [
        "moves refs/heads/main of shop from",
        "opens gate shop-git once",
        "why: orders fail",
        "answers: INC-4711",
        "signed by carol with key SHA256:",
        "1 more who owns it all or is a senior has to sign",
        "lives for ",
    ] {
        assert!(shown.stdout.contains(said), "{said}: {shown}");
    }
    // A file that lost what it lets happen says so, and what is left of it; it is signed by nobody.
    let mut file: Value = serde_json::from_slice(&fs::read(outage.world.stage.path("glass.json")).unwrap()).unwrap();
    without_transition(&mut file);
    outage.world.stage.write("part.json", &file.to_string());
    let part = outage.world.stage.run("break-glass --show part.json");
    assert_eq!(part.status, 0, "{part}");
    for said in
        ["what it lets happen is not to be told: ", "why: orders fail", "signed by carol with key", "1 more who owns"]
    {
        assert!(part.stdout.contains(said), "{said}: {part}");
    }
    let signed = outage.sign("dave", &["--cosign", "part.json"]);
    assert!(signed.status == 1 && signed.stderr.contains("did not come along"), "{signed}");
    // Who is not entitled is told before they sign; a worthless signature more keeps no good one out, and the gate says whose it is not.
    outage.world.stage.key("mallory");
    let stranger = outage.sign("mallory", &["--cosign", "glass.json", "--as", "mallory"]);
    stranger.is_refused(3, "not-entitled");
    assert!(stranger.stderr.contains("nothing was signed") && stranger.stderr.contains("dave"), "{stranger}");
    assert_eq!(outage.sign("mallory", &["--cosign", "glass.json", "--as", "bob"]).status, 0);
    let bad = outage.push_with("glass.json");
    bad.is_refused("glass-people");
    assert!(
        bad.said.contains("a signature does not count: ") && bad.said.contains("nobody in the catalog"),
        "{}",
        bad.said
    );
    let second = outage.sign("dave", &["--cosign", "glass.json"]);
    assert_eq!(second.status, 0, "{second}");
    let push = outage.push_with("glass.json");
    push.passes();
    assert!(push.said.contains("a signature does not count: "), "{}", push.said);
    assert!(push.said.contains("the glass is broken by carol and dave, without the log"), "{}", push.said);
    let change = first.json()["change"].as_str().unwrap().to_owned();
    // Once: the branch goes back only by another.
    outage.back();
    outage.world.edit("next", "search/limit", "12\n");
    outage.world.push(&["HEAD:elsewhere"]).passes();
    outage.world.push(&["HEAD:main"]).is_refused("no-change");
    assert_eq!(outage.world.state(&change), "applied");
    let findings = outage.world.say("bob", &["findings", "--open"]).done();
    let text = findings.to_string();
    assert!(text.contains("carol and dave broke the glass"), "{text}");
    // Somebody else looks at it.
    let id = findings[0]["id"].as_str().unwrap().to_owned();
    outage.world.say("carol", &["review", &id, "--answer", "fine"]).is_refused(3, "your-own-act");
    outage.world.say("bob", &["bundle", &change, "--out", "open.bundle"]).done();
    let open = outage.world.stage.run("verify open.bundle --trust home/trust.json");
    assert!(open.stdout.contains("open, to be answered until"), "{open}");
    let shown = outage.world.stage.run(&format!("--url {} --key bob review {}", outage.world.server().url, &id[..12]));
    for said in [
        "the glass was broken by carol and dave (2 signatures), while the log was away: gate shop-git opened whatever the rules said",
        "why: orders fail",
        "answers incident INC-4711",
    ] {
        assert!(shown.stdout.contains(said), "{said}: {shown}");
    }
    // What was signed in an outage came without its content: an answer over that says so.
    assert!(shown.stderr.contains("could be shown") && shown.stderr.contains("--git REPO"), "{shown}");
    let also = outage.world.stage.run(&format!("--url {} --key bob show {}", outage.world.server().url, &id[..12]));
    assert!(also.status == 0 && also.stdout.contains("why: orders fail"), "{also}");
    let answered = outage.world.say("bob", &["review", &id, "--answer", "it was the mend that INC-4711 needed"]);
    assert_eq!(answered.status, 0, "{answered}");
    assert!(answered.stderr.contains("could be shown"), "{answered}");
    outage.world.say("bob", &["bundle", &change, "--out", "change.bundle"]).done();
    let verified = outage.world.stage.run("verify change.bundle --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
    assert!(
        verified.stdout.contains("by bob, content seen: not at hand: it was the mend that INC-4711 needed"),
        "{verified}"
    );
    let json = outage.world.stage.run("verify change.bundle --trust home/trust.json --format json").json();
    let told = &json["changes"][0]["emergency"];
    assert_eq!(told["broken"][0]["by"], json!(["carol", "dave"]), "{told}");
    assert_eq!(
        (&told["broken"][0]["incident"], &told["broken"][0]["without_the_log"]),
        (&"INC-4711".into(), &true.into())
    );
    assert_eq!(told["after_reviews"][0]["answer"]["seen"], "none", "{told}");
    // The page leads with it.
    let page = outage.world.stage.run("verify change.bundle --trust home/trust.json --format html").stdout;
    let (broke, what) = (page.find("The glass was broken by carol and dave"), page.find("What it is"));
    assert!(broke.is_some() && broke < what, "{page}");
    assert!(page.contains("What went past the rules") && page.contains("INC-4711"), "{page}");
    let exported = outage.world.stage.run("export --home home copy");
    assert_eq!(exported.status, 0, "{exported}");
    let verified = outage.world.stage.run("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
    assert!(
        verified.stdout.contains("the glass was broken by carol and dave")
            && verified.stdout.contains("why: orders fail"),
        "{verified}"
    );
}

#[test]
fn with_the_log_one_person_opens_whatever_the_rules_say() {
    let world = World::usual();
    world.edit("fix", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    // A rejection is gone over only by who says so.
    assert_eq!(world.say("dave", &["reject", &change, "--why", "not sure"]).status, 0);
    let words = ["break-glass", &change, "--why", "orders fail", "--incident", "INC-4711"];
    world.say("alice", &words).is_refused(3, "stop-not-named");
    let slip = world.say("alice", &[&words[..], &["--over", "dvae"]].concat());
    assert!(slip.status == 2 && slip.stderr.contains("stands: dave") && !slip.stderr.contains("signing"), "{slip}");
    let pasted = world.say("alice", &["break-glass", &change, "--why", "TEXT"]);
    assert!(pasted.status == 2 && pasted.stderr.contains("--why TEXT") && !pasted.stderr.contains("Usage"), "{pasted}");
    let broken = world.say("alice", &[&words[..], &["--over", "dave"]].concat());
    assert_eq!(broken.status, 0, "{broken}");
    // Until it lands everybody can look at it, and reject it.
    let shown = world.say("carol", &["show", &change]);
    assert_eq!(shown.status, 0, "{shown}");
    world.say("carol", &["bundle", &change, "--out", "change.bundle"]).done();
    let verified = world.stage.run("verify change.bundle --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
    assert!(
        verified.stdout.contains("nothing went through it")
            && verified.stdout.contains("went over the rejection of dave"),
        "{verified}"
    );
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
    let findings = world.say("bob", &["findings", "--open"]).done().to_string();
    assert!(findings.contains("alice broke the glass"), "{findings}");
    // It is loud until somebody has looked at it.
    let list = world.stage.run(&format!("--url {} --key carol list", world.server().url));
    assert!(list.stderr.contains("alice broke the glass"), "{list}");
}

/// Another landed since it was proposed: the refused push says why the glass does not hold for it, and what does.
#[test]
fn broken_glass_of_a_branch_that_moved_says_what_to_do() {
    let world = World::usual();
    world.edit("fix", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    world.git(&["checkout", "--quiet", "-B", "other", "origin/main"]);
    world.edit("other", "checkout/timeout", "30\n");
    let other = world.propose("bob", &["checkout/production"]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
    let broken = world.say("alice", &["break-glass", &change, "--why", "orders fail", "--git", "work"]);
    assert_eq!(broken.status, 0, "{broken}");
    assert!(broken.stderr.contains("moves main of shop from "), "{broken}");
    world.git(&["checkout", "--quiet", "fix"]);
    world.git(&["rebase", "--quiet", "other"]);
    world.push(&["fix:refs/heads/review/fix"]).passes();
    let refused = world.push(&["fix:main"]);
    assert!(!refused.passed && refused.raw.contains("alice broke the glass for it to go from "), "{}", refused.raw);
    assert!(refused.raw.contains(&format!("countersign revise {}", &change[..12])), "{}", refused.raw);
    assert!(refused.raw.contains(&format!("countersign break-glass {} --why TEXT", &change[..12])), "{}", refused.raw);
    let words = ["revise", &change, "--git", "work", "--range", "origin/main..fix"];
    world.git(&["fetch", "--quiet"]);
    assert_eq!(world.say("alice", &words).status, 0);
    assert_eq!(world.say("alice", &["break-glass", &change, "--why", "orders fail"]).status, 0);
    world.push(&["fix:main"]).passes();
}

/// Whose keys are taken, and who takes another's and so grants nothing meanwhile, nobody is sent to.
#[test]
fn who_cannot_sign_is_not_named_as_entitled() {
    let standard = Level::Standard;
    let world = World::governed(&[
        ("alice", standard),
        ("bob", Level::Senior),
        ("carol", standard),
        ("dave", standard),
        ("erin", standard),
    ]);
    world.publish(|files| {
        // Erin owns nothing.
        let read =
            |files: &BTreeMap<String, Vec<u8>>, path: &str| -> Value { serde_json::from_slice(&files[path]).unwrap() };
        let (mut people, mut profiles) = (read(files, "people/owners.json"), read(files, "profiles/owners.json"));
        let mut erin = people.as_object_mut().unwrap().remove("erin").unwrap();
        erin.as_object_mut().unwrap().remove("groups");
        let mails = profiles["people"].as_object_mut().unwrap().remove("erin").unwrap();
        let written = [
            ("people/_.json", json!({ "erin": erin })),
            ("people/owners.json", people),
            ("profiles/_.json", json!({ "people": { "erin": mails }, "salt": "00112233445566778899aabbccddeeff" })),
            ("profiles/owners.json", profiles),
        ];
        files.extend(written.map(|(path, value)| (path.to_owned(), canonical::to_bytes(&value).unwrap())));
    });
    world.edit("fix", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    let words = ["break-glass", &change, "--why", "orders fail"];
    let before = world.say("erin", &words);
    before.is_refused(3, "not-entitled");
    assert!(before.stderr.contains("alice, bob, carol, dave"), "{before}");
    let key = world.key("dave").public().fingerprint().to_string();
    assert_eq!(world.say("carol", &["revoke", &key, "--why", "lost"]).status, 0);
    let after = world.say("erin", &words);
    after.is_refused(3, "not-entitled");
    assert!(after.stderr.contains("let one of these sign: alice, bob\""), "{after}");
}

/// Whoever runs a command is its gate.
#[test]
fn a_command_is_run_whatever_the_rules_say() {
    let world = World::usual();
    world.stage.write("flags.json", "{}");
    let words = ["propose", "--kind", "config", "--title", "Off", "--why", "orders fail", "--file", "flags.json"];
    let run =
        world.say("alice", &[&words[..], &["--command", "cat flags.json", "--target", "payments/production"]].concat());
    let change = run.done()["id"].as_str().unwrap().to_owned();
    let apply = ["apply", &change, "--file", "flags.json", "--", "cat", "flags.json"];
    assert_eq!(world.say("alice", &apply).status, 3);
    let broken = world.say("alice", &["break-glass", &change, "--why", "orders fail"]);
    assert_eq!(broken.status, 0, "{broken}");
    let applied = world.say("alice", &apply);
    assert_eq!(applied.status, 0, "{applied}");
    assert_eq!(world.state(&change), "applied");
    // Once.
    assert_eq!(world.say("alice", &apply).status, 1);
    let findings = world.say("bob", &["findings", "--open"]).done().to_string();
    assert!(findings.contains("alice broke the glass"), "{findings}");
}

/// However it ends: it is asked for when they sign, and once.
#[test]
fn broken_glass_whose_command_fails_is_looked_at() {
    let world = World::usual();
    world.stage.write("flags.json", "{}");
    let words = ["propose", "--kind", "config", "--title", "Off", "--why", "orders fail", "--file", "flags.json"];
    let run = world
        .say("alice", &[&words[..], &["--command", "grep on flags.json", "--target", "payments/production"]].concat());
    let change = run.done()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.say("alice", &["break-glass", &change, "--why", "orders fail"]).status, 0);
    let asked = world.say("alice", &["findings", "--open"]).done();
    assert_eq!((asked.as_array().unwrap().len(), &asked[0]["who"][0]), (1, &serde_json::json!("bob")), "{asked}");
    let failed = world.say("alice", &["apply", &change, "--file", "flags.json", "--", "grep", "on", "flags.json"]);
    assert_eq!(failed.status, 1, "{failed}");
    assert_eq!(world.state(&change), "failed");
    let findings = world.say("bob", &["findings", "--open"]).done();
    assert_eq!(findings.as_array().unwrap().len(), 1, "{findings}");
    assert_eq!(findings[0]["kind"], "glass-broken");
}

/// Whoever writes a trailer does not choose who looks at it.
#[test]
fn a_forged_co_author_is_asked_for_the_after_review_of_broken_glass() {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "fix", "origin/main"]);
    world.write("payments/retries", "5\n");
    world.commit("mend\n\nCo-authored-by: Bob <bob@example.com>\n");
    let change = world.propose("alice", &["payments/production"]);
    let broken = world.say("alice", &["break-glass", &change, "--why", "orders fail"]);
    assert_eq!(broken.status, 0, "{broken}");
    world.push(&["HEAD:main"]).passes();
    let findings = world.say("bob", &["findings", "--open"]).done();
    assert_eq!(findings[0]["who"], serde_json::json!(["bob", "carol", "dave"]), "{findings}");
    let finding = findings[0]["id"].as_str().unwrap();
    world.say("bob", &["review", finding, "--answer", "not by me; as it should be"]).done();
}

#[test]
fn what_was_signed_in_an_outage_opens_one_push_at_one_gate_for_an_hour() {
    let mut outage = Outage::new();
    outage.world.edit("fix", "checkout/timeout", "30\n");
    let push = outage.world.push(&["HEAD:main"]);
    let at = drawn(&push);
    let signed = outage.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]);
    assert_eq!(signed.status, 0, "{signed}");
    // Another commit is another push.
    outage.world.write("checkout/timeout", "31\n");
    outage.world.commit("more");
    outage.push_with("glass.json").is_refused("server-unreachable");
    // Signed by somebody who is not entitled: nobody knows their key.
    outage.world.stage.key("mallory");
    outage.world.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    let by_mallory =
        outage.sign("mallory", &["--at", &at, "--why", "let me in", "--as", "carol", "--out", "other.json"]);
    assert_eq!(by_mallory.status, 0, "{by_mallory}");
    fs::remove_dir_all(outage.world.stage.path("shop.git/countersign/glass")).unwrap();
    outage.push_with("other.json").is_refused("unknown-key");
    fs::remove_dir_all(outage.world.stage.path("shop.git/countersign/glass")).unwrap();
    outage.push_with("glass.json").passes();
    outage.back();
}

/// Enough have signed it, and yet it opens neither another gate of the same repository nor its own after the hour.
#[test]
fn a_fully_signed_file_opens_no_other_gate_and_nothing_after_an_hour() {
    let outage = Outage::after(|world| {
        world.must("git", &["clone", "--quiet", "--bare", "shop.git", "mirror.git"]);
        let installed = world.stage.run(&format!(
            "--url {} --key alice gate install mirror.git --name mirror-git --repository shop --trust home/trust.json \
             --branch main --map **=payments/production",
            world.server().url
        ));
        assert_eq!(installed.status, 0, "{installed}");
        world.git(&["remote", "add", "mirror", &world.stage.path("mirror.git").display().to_string()]);
        world.git(&["push", "--quiet", "mirror", "HEAD:refs/heads/seen"]);
    });
    outage.world.edit("fix", "payments/retries", "5\n");
    let at = drawn(&outage.world.push(&["HEAD:main"]));
    outage.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    outage.sign("dave", &["--cosign", "glass.json"]).done();
    let bytes = fs::read(outage.world.stage.path("glass.json")).unwrap();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let option = format!("countersign-break-glass={text}");
    // What the other gate draws itself is something else.
    for code in ["[not-drawn]", "[another-"] {
        let output = outage.world.try_git(&["push", "--quiet", "-o", &option, "mirror", "HEAD:main"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(code), "{code}: {said}");
    }
    outage.world.stage.is_ahead(61 * 60);
    outage.push_with("glass.json").is_refused("not-drawn");
}

/// Two keys of one person are one person, also where a file was made without asking whose they are.
#[test]
fn two_keys_of_one_person_do_not_open_tier_1_without_the_log() {
    let outage = Outage::after(|world| {
        world.stage.key("carols-other");
        let other = world.key("carols-other").public().to_string();
        world.publish(|files| {
            let mut people: Value = serde_json::from_slice(&files["people/owners.json"]).unwrap();
            people["carol"]["keys"].as_array_mut().unwrap().push(json!(other));
            files.insert("people/owners.json".to_owned(), canonical::to_bytes(&people).unwrap());
        });
        // The gate sees that.
        world.push(&["HEAD:refs/heads/seen"]).passes();
    });
    outage.world.edit("fix", "payments/retries", "5\n");
    let at = drawn(&outage.world.push(&["HEAD:main"]));
    outage.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    // The program would not sign it as carol: as somebody else it does.
    outage.sign("carols-other", &["--cosign", "glass.json", "--as", "dave"]).done();
    let push = outage.push_with("glass.json");
    push.is_refused("glass-people");
    assert!(push.said.contains("has the signatures of 1"), "{}", push.said);
}

/// Nobody has to push for the log to hear of it.
#[test]
fn what_happened_in_an_outage_is_sent_without_a_push() {
    let mut outage = Outage::new();
    outage.world.edit("fix", "checkout/timeout", "30\n");
    let at = drawn(&outage.world.push(&["HEAD:main"]));
    let signed = outage.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]);
    let change = signed.done()["change"].as_str().unwrap().to_owned();
    outage.push_with("glass.json").passes();
    let waits = outage.world.stage.run("gate status shop.git");
    assert_eq!(waits.status, 3, "{waits}");
    assert!(waits.stdout.contains("waits to be sent to the log: 1 broken glass, 1 outcome"), "{waits}");
    outage.world.stage.run("gate sync shop.git --format json").is_refused(1, "server-unreachable");
    outage.back();
    let sent = outage.world.stage.run("gate sync shop.git --format json").done();
    assert_eq!((&sent["waited"]["broken_glass"], &sent["left"]["outcomes"]), (&1.into(), &0.into()), "{sent}");
    assert_eq!(outage.world.state(&change), "applied");
    let status = outage.world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");
    let again = outage.world.stage.run("gate sync shop.git");
    assert!(again.stdout.contains("nothing waited to be sent"), "{again}");
}

/// At three in the morning nobody looks for the other road in a manual.
#[test]
fn an_emergency_without_the_log_is_told_of_the_road_that_needs_none() {
    let world = World::usual();
    world.edit("fix", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    for words in [&["break-glass", &change, "--why", "orders fail"][..], &["rollback", "payments/production"]] {
        let run = world.say_to("http://127.0.0.1:1", "alice", words);
        assert_eq!(run.status, 1, "{run}");
        for said in ["\"code\":\"unreachable\"", "git revert", "git push", "countersign apply --target"] {
            assert!(run.stderr.contains(said), "{said}: {run}");
        }
    }
}

/// A signature that the log does not take leaves the change behind that it came with: it is said, and what to do.
#[test]
fn what_the_log_refuses_of_an_outage_is_told_with_what_it_leaves_open() {
    let mut world = World::usual();
    for who in ["alice", "bob", "carol", "dave"] {
        assert_eq!(world.say(who, &["whoami"]).status, 0);
    }
    assert_eq!(world.stage.run("gate sync shop.git").status, 0);
    // Of which neither the gate nor dave's machine hears.
    let key = world.key("dave").public().fingerprint();
    world.say("alice", &["revoke", key.as_str(), "--why", "lost"]).done();
    let url = world.server().url.clone();
    world.stop_server();
    let mut outage = Outage { world, url };
    outage.world.edit("fix", "payments/retries", "5\n");
    let at = drawn(&outage.world.push(&["HEAD:main"]));
    let signed = outage.sign("carol", &["--at", &at, "--why", "orders fail", "--out", "glass.json"]).done();
    assert_eq!(outage.sign("dave", &["--cosign", "glass.json"]).status, 0);
    outage.push_with("glass.json").passes();
    outage.back();
    let sent = outage.world.stage.run("gate sync shop.git --format json");
    assert_eq!(sent.status, 3, "{sent}");
    let short = &signed["change"].as_str().unwrap()[..12];
    assert!(sent.stderr.contains(&format!("who proposed it closes it: countersign withdraw {short}")), "{sent}");
    assert!(sent.stderr.contains("countersign gate status REPO --answer WHY"), "{sent}");
    assert_eq!(sent.json()["not_taken"][0]["change"], signed["change"], "{sent}");
    assert_eq!(outage.world.say("carol", &["withdraw", short]).status, 0);
}
