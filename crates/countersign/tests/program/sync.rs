//! `countersign sync`: what a directory exports becomes an amendment.

use countersign_core::catalog::Level;
use serde_json::json;

use crate::world::World;

const HEADINGS: &str = "id,name,mail,groups,active\n";

fn four() -> World {
    let standard = Level::Standard;
    World::new(&[("alice", standard), ("bob", Level::Senior), ("carol", standard), ("dave", standard)])
}

fn row(who: &str, groups: &str) -> String {
    format!("{who},,{who}@example.com,{groups},true\n")
}

#[test]
fn what_a_directory_says_is_proposed_and_leavers_keys_go_at_once() {
    let world = four();
    let rows = ["alice", "bob", "carol"].map(|who| row(who, "owners")).concat();
    world.stage.write("people.csv", &format!("{HEADINGS}{rows}erin,Erin E,Erin@Example.com,owners;Chess Club,true\n"));
    let before = world.stage.read("home/catalog/catalog.yaml");
    let dry = world.say("alice", &["sync", "people.csv", "home", "--dry-run"]);
    assert_eq!(dry.status, 0, "{dry}");
    let said = dry.json();
    let lines =
        ["erin joins as standard in owners, without a key yet", "dave leaves the catalog, with 1 of their keys"];
    assert_eq!(said["changes"], json!(lines), "{dry}");
    assert_eq!((&said["leavers"][0], &said["other_groups"]), (&json!("dave"), &json!({"Chess Club": 1})));
    assert_eq!(world.stage.read("home/catalog/catalog.yaml"), before);
    // Whatever key the catalog's files list: he works with another by now.
    world.stage.key("dave-2");
    world.say("dave", &["rotate-key", "--new", "dave-2"]).done();
    let run = world.say("alice", &["sync", "people.csv", "home", "--quiet", "--revoke-leavers"]);
    assert_eq!(run.status, 0, "{run}");
    let change = run.stdout.trim();
    // Their key is taken before anybody has approved that they left.
    world.say("dave-2", &["comment", change, "--format", "json", "wait"]).is_refused(1, "key-revoked");
    let key = world.key("dave-2").public().fingerprint().to_string();
    assert_eq!(world.say("bob", &["revoke", &key, "--confirm"]).status, 0);
    for args in [vec!["approve", change], vec!["publish", change]] {
        let run = world.say("bob", &args);
        assert_eq!(run.status, 0, "{run}");
    }
    let (_, files) = world.in_force();
    let people = String::from_utf8(files["people/owners.json"].clone()).unwrap();
    assert!(people.contains("\"erin\"") && !people.contains("\"dave\""), "{people}");
    // Whoever did not change stands where they stood, as somebody wrote it.
    let after = world.stage.read("home/catalog/catalog.yaml");
    assert!(after.contains("name: alice") && !after.contains("name: dave") && after.contains("name: payments"));
    // Once more: nothing to do.
    let run = world.say("alice", &["sync", "people.csv", "home", "--dry-run"]);
    assert_eq!(run.json()["changes"], json!([]), "{run}");
}

/// An export that was cut off empties no home.
#[test]
fn a_short_export_takes_nobody_away() {
    let world = four();
    world.stage.write("short.csv", &format!("{HEADINGS}{}{}", row("alice", "owners"), row("bob", "")));
    let before = world.stage.read("home/catalog/catalog.yaml");
    world.say("alice", &["sync", "short.csv", "home"]).is_refused(1, "too-many-leave");
    world.say("alice", &["sync", "short.csv", "home", "--yes-remove", "2"]).is_refused(1, "too-many-leave");
    world.stage.write("empty.csv", HEADINGS);
    world.say("alice", &["sync", "empty.csv", "home", "--yes-remove", "9"]).is_refused(1, "export-unreadable");
    // Somebody of another mail is not taken for a colleague of that name.
    world.stage.write("other.csv", &format!("{HEADINGS}carol,,carol@elsewhere.example,owners,true\n"));
    world.say("alice", &["sync", "other.csv", "home", "--yes-remove", "9"]).is_refused(1, "export-unreadable");
    assert_eq!(world.stage.read("home/catalog/catalog.yaml"), before);
    let dry = world.say("alice", &["sync", "short.csv", "home", "--yes-remove", "3", "--dry-run"]);
    assert_eq!(dry.json()["changes"][0], "bob leaves owners", "{dry}");
    let kept = ["sync", "short.csv", "home", "--yes-remove", "2", "--keep-group", "owners", "--dry-run"];
    assert_eq!(world.say("alice", &kept).json()["changes"].as_array().unwrap().len(), 2);
}

/// A key that somebody put into the request on its way has another word.
#[test]
fn a_newcomer_joins_by_a_word_that_two_people_heard() {
    let world = four();
    for key in ["erin", "mallory"] {
        world.stage.key(key);
    }
    let ask = |key: &str, file: &str| {
        let run =
            world.say(key, &["enrol", "--id", "erin", "--name", "Erin E", "--mail", "erin@example.com", "--out", file]);
        assert_eq!(run.status, 0, "{run}");
        run.json()["word"].as_str().unwrap().to_owned()
    };
    let (word, _) = (ask("erin", "erin.json"), ask("mallory", "swapped.json"));
    let confirm = |file: &str, word: &str| {
        world.say(
            "alice",
            &["enrol", "--confirm", file, "--word", word, "--home", "home", "--group", "owners", "--quiet"],
        )
    };
    let before = world.stage.read("home/catalog/catalog.yaml");
    confirm("swapped.json", &word).is_refused(1, "another-word");
    // Nor one that another key signed, whatever it says.
    let text = world.stage.read("erin.json");
    world.stage.write("cut.json", &text.replace(['3', '4'], "5"));
    confirm("cut.json", &word).is_refused(1, "not-a-request");
    assert_eq!(world.stage.read("home/catalog/catalog.yaml"), before);
    let run = confirm("erin.json", &word.to_uppercase().replace('-', " "));
    assert_eq!(run.status, 0, "{run}");
    let change = run.stdout.trim();
    let check = world.say("bob", &["enrol", "--check", "erin.json", "--word", &word]);
    assert_eq!((check.status, check.json()["id"].as_str().unwrap()), (0, "erin"), "{check}");
    assert!(world.say("bob", &["show", change]).stdout.contains("erin"));
    // It gives somebody a say, and so takes two of the policy group, one a senior, as every amendment that does.
    let run = world.say("bob", &["publish", change]);
    assert!(run.status == 3 && run.stderr.contains("loosening"), "{run}");
    assert_eq!(world.say("bob", &["approve", change]).status, 0);
    let run = world.say("bob", &["publish", change]);
    assert_eq!(run.status, 0, "{run}");
    confirm("erin.json", &word).is_refused(1, "already-enrolled");
}
