//! What somebody configures, of which file each value is, and who that makes them to a log.

use countersign_core::catalog::Level;
use serde_json::{Value, json};

use crate::{support::Run, world::World};

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

/// In a folder of somebody's home, with nothing but what is configured there.
fn within(world: &World, folder: &str, words: &str) -> Run {
    let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    let path = world.stage.path(folder);
    std::fs::create_dir_all(&path).unwrap();
    let words = ["--format", "json"].into_iter().chain(words.split_whitespace());
    Run::new(command.current_dir(path).args(words).output().unwrap(), &world.stage.path(""))
}

fn error(run: &Run) -> Value {
    let line = run.stderr.lines().last().unwrap_or_default();
    serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{run}"))["error"].clone()
}

const OWN: &str = "user/.config/countersign/config.toml";

#[test]
fn what_is_configured_need_not_be_typed_and_each_value_says_whose_it_is() {
    let world = world();
    let url = world.server().url.clone();
    let key = world.stage.path("bob");
    world.stage.write(OWN, &format!("url = \"{url}\"\nkey = \"{}\"\n", key.display()));
    let run = within(&world, "user/work", "config");
    assert_eq!(run.status, 0, "{run}");
    let own = world.stage.path(OWN).display().to_string();
    let from = |run: &Run, name: &str| run.json()[name]["from"].as_str().unwrap_or_default().to_owned();
    assert!(own.ends_with(&from(&run, "url")) && own.ends_with(&from(&run, "key")), "{run}");
    assert_eq!(run.json()["url"]["value"], url);
    assert_eq!(within(&world, "user/work", "whoami").json()["person"], "bob");
    // What is typed is heard before it, and a variable, too.
    let run =
        within(&world, "user/work", &format!("--url {url}/ --key {} config", world.stage.path("alice").display()));
    assert_eq!((from(&run, "url"), from(&run, "key")), ("--url".to_owned(), "--key".to_owned()), "{run}");
    let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    let output = command.env("COUNTERSIGN_URL", &url).args(["--format", "json", "config"]).output().unwrap();
    assert_eq!(from(&Run::new(output, &world.stage.path("")), "url"), "COUNTERSIGN_URL");
}

#[test]
fn a_folder_chooses_among_the_logs_that_were_joined() {
    let world = world();
    let url = world.server().url.clone();
    world.stage.write(OWN, "url = \"http://127.0.0.1:1\"\n");
    world.stage.write("user/work/.countersign.toml", "log = \"world\"\n");
    let run = within(&world, "user/work/deep", "config");
    assert_eq!((run.status, &error(&run)["code"]), (2, &"usage".into()), "{run}");
    assert!(error(&run)["message"].as_str().unwrap().contains("user/work/.countersign.toml"), "{run}");
    let trust = world.stage.path("home/trust.json");
    let key = world.stage.path("bob");
    let join = format!("join {url} --trust {} --key {}", trust.display(), key.display());
    assert_eq!(within(&world, "user", &join).status, 0);
    let run = within(&world, "user/work/deep", "config");
    assert_eq!(
        (&run.json()["url"]["value"], &run.json()["url"]["from"]),
        (&json!(url), &json!("joined as world")),
        "{run}"
    );
    // Without that file one's own counts, and the home's folder has none.
    world.stage.write("user/.countersign.toml", "log = \"another\"\n");
    assert_eq!(within(&world, "user/other", "config").json()["url"]["value"], "http://127.0.0.1:1");
}

/// Whoever can write into a repository would have others sign with another key, to another server, by another trust.
#[test]
fn a_repository_cannot_redirect_trust_by_its_settings() {
    let world = world();
    for line in ["url = \"http://evil.example\"", "trust = \"trust.json\"", "key = \"key\""] {
        world.stage.write("user/work/.countersign.toml", &format!("# ours\nlog = \"world\"\n{line}\n"));
        for words in ["config", "list", "whoami"] {
            let run = within(&world, "user/work", words);
            assert_eq!((run.status, &error(&run)["code"]), (1, &"settings".into()), "{words}: {run}");
            let message = error(&run)["message"].as_str().unwrap().to_owned();
            assert!(message.contains("user/work/.countersign.toml:3: a folder's file does not say"), "{message}");
        }
        // Nothing of it concerns who only looks at a repository.
        let run = within(&world, "user/work", "audit ../../work");
        assert_eq!(run.status, 0, "{run}");
    }
}

#[test]
fn an_unknown_name_in_a_file_is_an_error_with_its_line() {
    let world = world();
    world.stage.write(OWN, "\nkei = \"bob\"\n");
    let run = within(&world, "user/work", "config");
    let message = error(&run)["message"].as_str().unwrap().to_owned();
    assert!(run.status == 1 && message.contains("config.toml:2: unknown field `kei`"), "{run}");
}

#[test]
fn one_is_told_who_one_is() {
    let world = world();
    let run = world.say("bob", &["whoami"]);
    assert_eq!(run.status, 0, "{run}");
    let told = run.json();
    assert_eq!(
        json!([
            told["person"],
            told["level"],
            told["groups"],
            told["owns"],
            told["founder"],
            told["key_from"],
            told["url_from"]
        ]),
        json!(["bob", "senior", ["owners"], ["checkout", "payments", "search"], true, "--key", "--url"])
    );
    let options = ["--url", &world.server().url, "--key", "bob", "whoami"];
    let text = world.stage.run_words(&options);
    assert!(text.stdout.contains("owns     checkout, payments, search"), "{text}");
    world.stage.key("stranger");
    let run = world.stage.run_words(&["--url", &world.server().url, "--key", "stranger", "whoami"]);
    assert!(run.status == 1 && run.stdout.contains("not known here") && run.stdout.contains("ssh-ed25519"), "{run}");
}
