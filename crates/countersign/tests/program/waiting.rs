//! The one list that `countersign` alone prints, the filters of `list`, and who one is.

use countersign_core::catalog::Level;
use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    proxy::{Answer, Proxy},
    support::{Run, Stage},
    world::World,
};

const WORDS: [&str; 8] = [
    "--why",
    "the bank answers within eight seconds at month end",
    "--risk",
    "slow requests could pile up",
    "--rollback",
    "put the old file back",
    "--tests",
    "load test 4711 in staging",
];

fn world() -> World {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.stage.write("flags.json", "{\"fast\": true}\n");
    world
}

fn propose(world: &World, target: &str, further: &[&str]) -> String {
    let args = [
        "propose",
        "--again",
        "--target",
        target,
        "--kind",
        "flag",
        "--file",
        "flags.json",
        "--command",
        "cat flags.json",
    ];
    let run = world.say("alice", &[&args[..], &WORDS, further].concat());
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

/// What `countersign` alone says to somebody, as a program reads it.
fn told(world: &World, who: &str) -> Value {
    let run = world.say(who, &[]);
    assert_eq!(run.status, 0, "{run}");
    run.json()
}

fn text(world: &World, who: &str, args: &[&str]) -> Run {
    let options = ["--url", &world.server().url, "--key", who];
    let run = world.stage.run_words(&[&options[..], args].concat());
    assert_eq!(run.status, 0, "{run}");
    run
}

/// The code and the hint of an error that was told in JSON.
fn error(run: &Run) -> (String, String) {
    let line = run.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{run}"));
    let of = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    (of("code"), of("hint"))
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn without_a_command_it_prints_what_waits_and_on_whom() {
    let world = world();
    let first = propose(&world, "search/production", &["--title", "Go faster"]);
    let urgent = propose(&world, "search/production", &["--title", "Go on", "--incident", "INC-4711"]);
    let told_bob = told(&world, "bob");
    assert_eq!(ids(&told_bob["waiting"]), [&urgent, &first], "what answers an incident is first: {told_bob}");
    assert_eq!(told_bob["waiting"][1]["command"], format!("countersign review {}", &first[..12]));
    assert_eq!(told_bob["mine"], serde_json::json!([]));
    let alice = told(&world, "alice");
    assert_eq!(alice["waiting"], serde_json::json!([]), "who made it is waited for by nobody");
    assert_eq!(alice["mine"][0]["waits_on"][0]["who"], serde_json::json!(["bob", "carol"]));

    let said = text(&world, "bob", &[]).stdout.replace(&first[..12], "FIRST").replace(&urgent[..12], "URGENT");
    assert_snapshot!(said, @"
    Waits for you, bob
      URGENT  Go on  search/production  by alice, a moment ago
                    1 approval by an owner of the system (search); 1 approval by somebody who had no hand in the change
                    countersign review URGENT
      FIRST  Go faster  search/production  by alice, a moment ago
                    1 approval by an owner of the system (search); 1 approval by somebody who had no hand in the change
                    countersign review FIRST
    ");
    let said = text(&world, "alice", &[]).stdout.replace(&first[..12], "FIRST").replace(&urgent[..12], "URGENT");
    assert_snapshot!(said, @"
    Nothing waits for you, alice.
    Yours
      URGENT  Go on  search/production  proposed, a moment ago
                    1 approval by an owner of the system (search): bob or carol
                    1 approval by somebody who had no hand in the change: bob or carol
                    countersign show URGENT
      FIRST  Go faster  search/production  proposed, a moment ago
                    1 approval by an owner of the system (search): bob or carol
                    1 approval by somebody who had no hand in the change: bob or carol
                    countersign show FIRST
    ");

    for change in [&first, &urgent] {
        let run = world.say("bob", &["approve", change, "--file", "flags.json"]);
        assert_eq!(run.status, 0, "{run}");
    }
    assert_eq!(told(&world, "bob")["waiting"], serde_json::json!([]));
    assert_eq!(told(&world, "alice")["mine"][0]["allowed"], true);
    let said = text(&world, "bob", &[]).stdout;
    assert!(said.starts_with("Nothing waits for you, bob") && said.contains("countersign propose"), "{said}");
}

#[test]
fn where_nothing_is_set_up_it_says_in_five_lines_what_to_do() {
    let run = Stage::new().run("");
    assert_eq!((run.status, run.stderr.as_str(), run.stdout.lines().count()), (0, "", 5), "{run}");
    assert!(run.stdout.contains("countersign join URL") && run.stdout.contains("countersign init HOME"), "{run}");
}

#[test]
fn what_one_rejected_waits_again_once_its_author_has_moved() {
    let world = world();
    let change = propose(&world, "search/production", &["--title", "Go faster"]);
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    assert_eq!(told(&world, "carol")["waiting"], serde_json::json!([]));
    let mine = told(&world, "alice")["mine"][0].clone();
    assert_eq!((&mine["state"], &mine["rejected"]), (&"rejected".into(), &serde_json::json!(["by carol: not now"])));
    assert!(mine["command"].as_str().unwrap().starts_with("countersign revise "), "{mine}");

    world.stage.write("flags.json", "{\"fast\": 1}\n");
    let revised = world.say("alice", &["revise", &change, "--file", "flags.json", "--command", "cat flags.json"]);
    assert_eq!(revised.status, 0, "{revised}");
    let carol = told(&world, "carol");
    assert_eq!(ids(&carol["waiting"]), [&change]);
    assert_eq!(carol["waiting"][0]["missing"], serde_json::json!(["carol rejected this change"]));
}

#[test]
fn a_suspended_key_waits_for_who_can_confirm_it() {
    let (standard, senior) = (Level::Standard, Level::Senior);
    let world = World::new(&[("alice", standard), ("bob", senior), ("carol", standard), ("dave", standard)]);
    let alice = world.key("alice").public().fingerprint().to_string();
    assert_eq!(world.say("dave", &["revoke", &alice, "--why", "her laptop was stolen"]).status, 0);
    let of = |who: &str| {
        let told = told(&world, who);
        assert_eq!(
            (&told["waiting"][0]["kind"], &told["waiting"][0]["revoked_by"]),
            (&"suspension".into(), &"dave".into())
        );
        told["waiting"][0]["command"].as_str().map(|command| command.ends_with("--confirm"))
    };
    assert_eq!((of("bob"), of("carol"), of("dave")), (Some(true), None, None), "one of the two is a senior");
    assert_eq!(world.say("bob", &["revoke", &alice, "--confirm"]).status, 0);
    assert_eq!(told(&world, "bob")["waiting"], serde_json::json!([]));
}

/// A server says which ids there are, and nothing more is taken from it.
#[test]
fn a_server_that_names_what_does_not_wait_is_not_believed() {
    let world = world();
    let mine = propose(&world, "search/production", &["--title", "Go faster"]);
    let closed = propose(&world, "search/production", &["--title", "Go slower"]);
    world.say("alice", &["withdraw", &closed]);
    let liar = Proxy::before(&world.server().url, |_, path| match path.starts_with("/v1/changes?") {
        true => Answer::Of("/v1/changes?limit=200".to_owned()),
        false => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&liar.url, "carol", &[]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(ids(&run.json()["waiting"]), [&mine], "{run}");
    assert_eq!(run.json()["mine"], serde_json::json!([]), "{run}");
    // What it says of how people stand does not verify: nobody is told anything.
    let liar = Proxy::before(&world.server().url, |_, path| match path.starts_with("/v1/standings") {
        true => Answer::Lie("{\"checkpoint\":\"\",\"streams\":[],\"leaves\":{},\"proofs\":{},\"blobs\":{}}".to_owned()),
        false => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&liar.url, "carol", &[]);
    assert!(run.status == 1 && run.stdout.is_empty(), "{run}");
}

#[test]
fn many_are_counted_and_not_looked_up() {
    let world = world();
    for number in 0..14 {
        world.stage.write("flags.json", &format!("{{\"fast\": {number}}}\n"));
        propose(&world, "search/production", &["--title", "Go faster"]);
    }
    let bob = told(&world, "bob");
    assert_eq!((bob["waiting"].as_array().unwrap().len(), &bob["more_waiting"]), (12, &2.into()));
    let said = text(&world, "bob", &[]).stdout;
    assert!(said.contains("and 2 more: countersign list --waiting-on me"), "{said}");
}

#[test]
fn a_list_is_narrowed_as_people_say_it() {
    let world = world();
    let first = propose(&world, "search/production", &["--title", "Go faster"]);
    let second = propose(&world, "checkout/production", &["--title", "Go slower"]);
    world.say("alice", &["withdraw", &second]);
    let listed = |who: &str, words: &str| {
        let words: Vec<&str> = ["list"].into_iter().chain(words.split_whitespace()).collect();
        let run = world.say(who, &words);
        assert_eq!(run.status, 0, "{run}");
        run.json()
    };
    for (who, words, wanted) in [
        ("bob", "--waiting-on me", vec![&first]),
        ("alice", "--waiting-on me", vec![]),
        ("alice", "--mine", vec![&second, &first]),
        ("bob", "--mine", vec![]),
        ("alice", "--mine --state open", vec![&first]),
        ("bob", "--person alice --since 7d", vec![&second, &first]),
        ("bob", "--system checkout --until 2020-01-31", vec![]),
        ("bob", "--system checkout", vec![&second]),
    ] {
        assert_eq!(ids(&listed(who, words)), wanted, "{who}: {words}");
    }
    let run = world.say("bob", &["list", "--limit", "1"]);
    let cursor = run.stderr.split('\'').nth(1).unwrap_or_else(|| panic!("{run}")).to_owned();
    assert_eq!(ids(&listed("bob", &format!("--limit 1 --after {cursor}"))), [&first]);
    for (words, code, hint) in [
        ("--target website", "usage", "as in checkout/production; all of a system: --system NAME"),
        ("--system serch", "unknown-system", "did you mean `search`?"),
        ("--person alise", "unknown-person", "did you mean `alice`?"),
        ("--waiting-on bobb", "unknown-person", "did you mean `bob`?"),
        ("--state rejcted", "usage", "did you mean --state rejected?"),
        ("--since yesterday", "usage", "as in 7d, 12h, 2026-11-01 or 2026-11-26T09:00:00Z"),
    ] {
        let words: Vec<&str> = ["list"].into_iter().chain(words.split_whitespace()).collect();
        assert_eq!(error(&world.say("bob", &words)), (code.to_owned(), hint.to_owned()));
    }
    world.stage.key("stranger");
    assert_eq!(error(&world.say("stranger", &["list", "--mine"])).0, "unknown-key");
}
