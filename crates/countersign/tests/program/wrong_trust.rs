//! A trust.json of another log, given to every command that takes one: nobody goes on with a log that it does not vouch for.

use std::fs;

use crate::{stops::swallowed, support::Stage, world::World};

const KEY: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What each command is run with. What it needs lies there, and whatever is wrong with the rest is said only where the trust
/// file is not.
const COMMANDS: [&str; 76] = [
    "amend home --why better",
    "apply CHANGE --file file.yaml -- true",
    "approve CHANGE --file file.yaml",
    "audit work",
    "backup backed-up --home home",
    "break-glass CHANGE --why burning",
    "bundle CHANGE --out out.tar",
    "calendar",
    "coverage",
    "demo",
    "disclose CHANGE --none",
    "doctor",
    "doctor --gate shop.git",
    "doctor --home home --quick",
    "epoch home --why lost",
    "erase dave --why asked",
    "export export",
    "export export --copy COPY",
    "export export --home home",
    "follow --into copy --once",
    "gate install shop.git",
    "gate install new.git --name new --branch main --map-else search/production",
    "gate status shop.git",
    "gate stop shop.git --statement STOP",
    "gate stop --apply --statement STOP",
    "gate sync shop.git",
    "gate uninstall shop.git",
    "identify CHANGE --identity ref --as alice",
    "import home --home imported",
    "init cosigned --name another --founder alice=alice@example.com=alice",
    "init home --cosign",
    "join URL",
    "list",
    "load",
    "log",
    "permit CHANGE --out permit.json",
    "publish CHANGE",
    "propose --title Title --kind config --file file.yaml --target search/production",
    "rebuild --home home",
    "reject CHANGE --why wait",
    "reject CHANGE --why wait --copy COPY",
    "review CHANGE",
    "reviewers CHANGE",
    "diff CHANGE",
    "whoami",
    "take-back CHANGE",
    "attest CHANGE --kind tests --result passed",
    "comment CHANGE looks-fine",
    "label CHANGE hold",
    "lift 9f2c4e6a81d0",
    "enrol --confirm enrol-erin.json --word WORD --home home",
    "recover --person alice --new-key bob.pub --why lost --out recovery.json",
    "rotate-key --new bob",
    "sync people.csv home",
    "completions bash",
    "findings",
    "freeze --system search --for 1h --why burning",
    "freezes",
    "away --until 2026-12-31",
    "back",
    "delegate senior --to ada --until 2026-12-31",
    "delegations",
    "man pages",
    "revise CHANGE --file file.yaml",
    "revoke FINGERPRINT --why lost",
    "revoke FINGERPRINT --why lost --copy COPY",
    "rollback search/production --why burning",
    "rules schema",
    "serve --home home --listen 127.0.0.1:0",
    "show CHANGE",
    "trust pin pinned.json",
    "trust fresh pinned.json --others 60",
    "trust show pinned.json",
    "verify bundle.tar",
    "waive CHANGE --rule second-person --why urgent",
    "withdraw CHANGE",
];

#[test]
fn no_command_goes_on_with_a_log_that_it_does_not_vouch_for() {
    let world = World::usual();
    let stage = &world.stage;
    world.edit("topic", "search/limit", "20\n");
    let change = world.propose("alice", &["search/production"]);
    assert!(!world.push(&["HEAD:main"]).passed, "so that the gate has a copy of the log");
    let stop = swallowed(&world, "carol", &["reject", &change, "--why", "wait"]);
    let status = stage.run("gate status shop.git --format json").json();
    let copy = status["copy"].as_str().unwrap().to_owned();
    let bundle = world.say("alice", &["bundle", &change, "--out", stage.path("bundle.tar").to_str().unwrap()]);
    assert_eq!(bundle.status, 0, "{bundle}");
    stage.write("file.yaml", "limit: 20\n");
    stage.key("erin");
    let enrolled = stage.run("enrol --id erin --key erin").stdout;
    let told = enrolled.split("your word: ").nth(1).unwrap().split_whitespace().next().unwrap();
    stage.write("people.csv", "id,name,mail,groups,active\nalice,Alice,alice@example.com,owners,true\n");
    fs::copy(stage.path("home/trust.json"), stage.path("pinned.json")).unwrap();
    stage.command("git").args(["clone", "--quiet", "--bare", "shop.git", "new.git"]).status().unwrap();
    another_log(stage, "other", "other");
    another_log(stage, "same", "world");
    stage.write("malformed.json", "{}");

    for command in COMMANDS {
        let url = world.server().url.as_str();
        let words = |word| match word {
            "CHANGE" => &change,
            "COPY" => &copy,
            "STOP" => &stop,
            "WORD" => told,
            "URL" => url,
            "FINGERPRINT" => KEY,
            word => word,
        };
        let words: Vec<&str> = command.split(' ').map(words).collect();
        let (named, rest) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
        for trust in ["other/trust.json", "same/trust.json", "malformed.json", "missing.json"] {
            let given = ["--url", url, "--key", "alice", "--trust", trust];
            let run = stage.run_words(&[named, &given, rest].concat());
            assert_ne!(run.status, 0, "{command} --trust {trust}: {run}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains("trust") || said.contains(trust), "{command} --trust {trust}: {run}");
        }
    }
    assert!(stage.path("shop.git/hooks/pre-receive").exists(), "the gate was taken out");
    for made in ["backed-up", "export", "imported", "cosigned", "out.tar"] {
        assert!(!stage.path(made).exists(), "{made} was made");
    }
    assert_eq!(stage.read("pinned.json"), stage.read("home/trust.json"));
}

fn another_log(stage: &Stage, folder: &str, name: &str) {
    let run = stage.run(&format!("init {folder} --name {name} --founder alice=alice@example.com=alice --threshold 1"));
    assert_eq!(run.status, 0, "{run}");
}

/// A command that is added is tried above, too.
#[test]
fn every_command_is_tried() {
    let help = Stage::new().run("--help").stdout;
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split(' ').next()).filter(|name| !["help", "config"].contains(name));
    let missing: Vec<&str> =
        names.filter(|name| !COMMANDS.iter().any(|tried| tried.split(' ').next() == Some(name))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
