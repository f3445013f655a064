//! Contents beside the log, so that a reviewer needs no clone: what a server takes, keeps and forgets.

use std::fs;

use countersign::{client::Client, wire::Material};
use countersign_core::{
    catalog::Level,
    ids::{ChangeId, Oid},
};

use crate::{
    proxy::{Answer, Proxy},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)])
}

/// A proposal of files by alice.
fn files(world: &World, names: &[&str]) -> String {
    let mut args = vec!["propose", "--kind", "config", "--target", CHECKOUT, "--title", "Flags", "--why", "why"];
    args.extend(["--command", "true"]);
    names.iter().for_each(|name| args.extend(["--file", *name]));
    let run = world.say("alice", &args);
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

fn id(change: &str) -> ChangeId {
    change.parse().unwrap()
}

/// All contents that the server has of a change, as text.
fn here(world: &World, change: &str) -> Vec<String> {
    let client = Client::new(&world.server().url);
    let page = client.material(&id(change), None).unwrap();
    assert_eq!(page.next, None);
    let mut texts: Vec<_> =
        page.bytes().unwrap().into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    texts.sort();
    texts
}

/// What the server answers to somebody who gives it this.
fn give(world: &World, change: &str, name: &Oid, bytes: &[u8]) -> Result<usize, String> {
    let given = Material::of([(name, bytes)], None);
    match Client::new(&world.server().url).give(&id(change), &given) {
        Ok(wanted) => Ok(wanted.wanted.len()),
        Err(countersign::client::ClientError::Refused { code, .. }) => Err(code),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn contents_of_what_was_proposed_lie_beside_the_log() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    assert_eq!(here(&world, &change), ["30\n", "5\n"]);
    world.stage.write("flags.json", "{}");
    let change = files(&world, &["flags.json"]);
    assert_eq!(here(&world, &change), ["{}"]);
    world.stage.write("flags.json", "{\"fast\": true}");
    let run = world.say("alice", &["revise", &change, "--file", "flags.json", "--command", "true"]);
    assert_eq!((run.status, here(&world, &change).len()), (0, 2), "{run}");
    // They are no part of the log.
    let run = world.say("alice", &["export", "log"]);
    assert_eq!(run.status, 0, "{run}");
    let run = world.stage.run("--format json backup copy --home home");
    assert!(run.status == 0 && !world.stage.path("copy/material").exists(), "{run}");
}

#[test]
fn a_server_keeps_only_what_a_signed_statement_names() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let named: Oid = world.git(&["rev-parse", "HEAD:checkout/timeout"]).parse().unwrap();
    let unnamed: Oid = world.git(&["rev-parse", "HEAD:search/limit"]).parse().unwrap();
    fs::remove_dir_all(world.stage.path("home/material")).unwrap();
    assert_eq!(give(&world, &change, &unnamed, b"10\n"), Err("not-named".to_owned()));
    assert_eq!(give(&world, &change, &named, b"31\n"), Err("another-content".to_owned()));
    assert!(!world.stage.path("home/material").exists());
    assert_eq!(give(&world, &change, &named, b"30\n"), Ok(1));
    assert_eq!(here(&world, &change), ["30\n"]);
    // Nor when nobody has to look at it any more.
    assert_eq!(world.say("alice", &["withdraw", &change]).status, 0);
    let before: Oid = world.git(&["rev-parse", "origin/main:checkout/timeout"]).parse().unwrap();
    assert_eq!(give(&world, &change, &before, b"5\n"), Err("material-closed".to_owned()));
    assert_eq!(give(&world, &"0".repeat(32), &before, b"5\n"), Err("unknown-change".to_owned()));
}

#[test]
fn material_beyond_the_limit_is_left_out_and_said() {
    let world = world();
    world.stage.write("large.bin", &"x".repeat(9 * 1024 * 1024));
    world.stage.write("small.json", "{}");
    let args = ["--command", "true", "--file", "large.bin", "--file", "small.json", "--target", CHECKOUT];
    let run = world.say("alice", &[&["propose", "--kind", "config", "--title", "t", "--why", "w"], &args[..]].concat());
    assert_eq!(run.status, 0, "{run}");
    let left = "1 content of it: more than the server keeps for reviewers; they need these files from you, and pass --file PATH";
    assert!(run.stderr.contains(left), "{run}");
    assert_eq!(here(&world, run.json()["id"].as_str().unwrap()), ["{}"]);
    // Whoever sends it all the same is refused.
    let change = files(&world, &["large.bin"]);
    let wanted = Client::new(&world.server().url).wanted(&id(&change)).unwrap().wanted;
    let large = fs::read(world.stage.path("large.bin")).unwrap();
    assert_eq!(give(&world, &change, &wanted[0], &large), Err("material-full".to_owned()));
}

/// After a restore, or where the server was away for a moment.
#[test]
fn what_is_gone_is_given_again_without_a_revision() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    fs::remove_dir_all(world.stage.path("home/material")).unwrap();
    let args = ["revise", &change, "--git", "work", "--repository", "shop", "--range", "origin/main..HEAD"];
    let run = world.say("alice", &args);
    assert_eq!((run.status, run.json()["revision"].as_u64()), (0, Some(1)), "{run}");
    assert_eq!(here(&world, &change), ["30\n", "5\n"]);
    let run = world.say("alice", &args);
    assert!(run.status == 2 && run.stderr.contains("says already"), "{run}");
}

/// A server that was taken over asks for a secret that lies in the same repository.
#[test]
fn a_server_is_given_nothing_that_was_not_signed() {
    let world = world();
    let secret = world.git(&["rev-parse", "HEAD:payments/retries"]);
    let asks = format!("{{\"limit_bytes\":99,\"room_bytes\":99,\"keep_days\":1,\"wanted\":[\"{secret}\"]}}");
    let given = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&given);
    let proxy = Proxy::reading(&world.server().url, move |request| match request.path.ends_with("/material") {
        true => {
            seen.lock().unwrap().push(String::from_utf8_lossy(request.body).into_owned());
            Answer::Lie(asks.clone())
        }
        false => Answer::Of(request.path.to_owned()),
    });
    world.edit("change", "checkout/timeout", "30\n");
    let mut args =
        vec!["propose", "--kind", "code", "--title", "t", "--why", "w", "--git", "work", "--target", CHECKOUT];
    args.extend(["--repository", "shop", "--range", "origin/main..HEAD"]);
    let run = world.say_to(&proxy.url, "alice", &args);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(*given.lock().unwrap(), [""]);
}

#[test]
fn material_goes_with_the_words_of_its_change() {
    let world = world();
    world.stage.write("flags.json", "carol's secret");
    let change = files(&world, &["flags.json"]);
    let run = world.say("alice", &["erase", &change, "--why", "it was asked for", "--out", "erasure.json"]);
    assert!(run.status == 0 && run.stderr.contains("its contents that are kept for reviewers"), "{run}");
    assert_eq!(world.say("bob", &["erase", "--cosign", "erasure.json"]).status, 0);
    assert!(!world.stage.path(&format!("home/material/{change}")).exists());
    // It does not come back.
    let digest = countersign_ledger::Digest::of("carol's secret").hex().parse().unwrap();
    assert_eq!(give(&world, &change, &digest, b"carol's secret"), Err("material-closed".to_owned()));
}

#[test]
fn what_belongs_to_no_change_is_tidied_away() {
    let world = world();
    world.stage.write("flags.json", "{}");
    let change = files(&world, &["flags.json"]);
    let stray = format!("home/material/{}/{}", "0".repeat(32), "1".repeat(40));
    world.stage.write(&stray, "stray");
    let server = world.server();
    server.block_on(server.engine.tidy_all_material()).unwrap();
    assert!(!world.stage.path(&stray).exists());
    assert_eq!(here(&world, &change), ["{}"]);
}

/// A home may keep nothing at all, and a server of before knows nothing of it.
#[test]
fn nothing_fails_where_nothing_is_kept() {
    let world = world();
    let proxy = Proxy::before(&world.server().url, |_, path| match path.contains("/material") {
        true => Answer::NotFound,
        false => Answer::Of(path.to_owned()),
    });
    world.stage.write("flags.json", "{}");
    let mut args = vec!["propose", "--kind", "config", "--target", CHECKOUT, "--title", "t", "--why", "w"];
    args.extend(["--command", "true", "--file", "flags.json"]);
    let run = world.say_to(&proxy.url, "alice", &args);
    assert!(run.status == 0 && run.stderr.contains("the server keeps nothing of it for reviewers"), "{run}");

    assert_eq!(
        Client::new(&world.server().url).wanted(&id(run.json()["id"].as_str().unwrap())).unwrap().wanted.len(),
        1
    );
}

/// Where reviewers can fetch it is no branch: a gate lets it pass without a permit, and nothing lands by it.
#[test]
fn the_head_is_pushed_where_a_gate_protects_nothing() {
    let world = World::usual();
    let head = world.edit("change", "checkout/timeout", "30\n");
    let main = world.tip("main");
    let mut args =
        vec!["propose", "--kind", "code", "--title", "t", "--why", "w", "--git", "work", "--target", CHECKOUT];
    args.extend(["--repository", "shop", "--range", "origin/main..HEAD", "--push", "origin"]);
    let run = world.say("alice", &args);
    let change = run.json()["id"].as_str().unwrap().to_owned();
    assert!(run.stderr.contains(&format!("git fetch origin refs/countersign/{change}/1")), "{run}");
    assert_eq!((world.tip(&format!("refs/countersign/{change}/1")), world.tip("main")), (head.clone(), main.clone()));
    // A reviewer fetches it, and has what is signed.
    world.git(&["fetch", "--quiet", "origin", &format!("refs/countersign/{change}/1")]);
    assert_eq!(world.id("FETCH_HEAD"), head);
    // Beside a protected branch it takes nothing along.
    world.push(&[&format!("{head}:refs/countersign/{change}/2"), "HEAD:main"]).is_refused("denied-by-rules");
    assert_eq!(world.tip("main"), main);
    // Where there is no such remote, it is proposed all the same.
    let mut args = vec!["revise", &change, "--title", "u", "--git", "work", "--repository", "shop"];
    args.extend(["--range", "origin/main..HEAD", "--push", "nowhere"]);
    let run = world.say("alice", &args);
    let said = "it is proposed, but not pushed; try again: git -C work push nowhere";
    assert!(run.status == 0 && run.stderr.contains(said), "{run}");
}
