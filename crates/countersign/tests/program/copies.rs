//! Day two: exports that grow, ledgers that are built again from them, backups of a home that is served, and ledgers that are
//! older than what was seen.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use countersign::store::{self, dump::differences};
use countersign_core::{
    catalog::Level,
    statement::{Body, Disclosure},
};
use countersign_ledger::tile::{entry_bundle, parse_entry_bundle};
use serde_json::Value;

use crate::{
    lying::Log,
    proxy::{Answer, Proxy},
    support::{Run, Stage},
    world::World,
};

fn world() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

pub fn propose(world: &World, title: &str) -> String {
    world.stage.write("flags.json", &format!("{{\"{title}\": 1}}\n"));
    let words = ["propose", "--again", "--target", "search/production", "--kind", "flag", "--title", title];
    let more = ["--why", "a reason that is long enough", "--file", "flags.json", "--command", "true"];
    let run = world.say("alice", &[&words[..], &more[..]].concat());
    assert_eq!(run.status, 0, "{run}");
    run.json()["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(run: &Run, code: &str) {
    assert_eq!(run.status, 1, "{run}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
    assert!(error["error"]["hint"].is_string(), "{run}");
}

fn verify(world: &World, path: &str) -> Run {
    world.stage.run(&format!("--url http://127.0.0.1:1 --format json verify {path} --trust home/trust.json"))
}

fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(root, &path, found),
                false => found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// What two folders hold, but for locks.
fn same(world: &World, one: &str, other: &str) {
    let (one, other) = (world.stage.path(one), world.stage.path(other));
    let names = |folder: &Path| files(folder).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for name in names(&one) {
        assert_eq!(fs::read(one.join(&name)).unwrap(), fs::read(other.join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn an_export_grows_with_its_log_and_is_the_same_as_one_made_at_once() {
    let world = world();
    propose(&world, "First");
    let first = world.say("alice", &["export", "log"]).done();
    assert_eq!(first["size"], first["new"]);
    assert_eq!(verify(&world, "log").status, 0);
    propose(&world, "Second");
    let second = world.say("alice", &["export", "log"]).done();
    assert_eq!(second["new"], 1);
    assert_eq!(verify(&world, "log").status, 0);
    assert_eq!(world.say("alice", &["export", "log"]).done()["new"], 0);
    world.say("alice", &["export", "again"]).done();
    same(&world, "log", "again");
    // A home says the same while it is served.
    world.say("alice", &["export", "of-home", "--home", "home"]).done();
    same(&world, "log", "of-home");
}

/// Two proposals of the same content name the same blob, and what the server sends holds once it is unpacked.
#[test]
fn what_a_server_exports_has_each_file_once_and_verifies() {
    let world = world();
    for _ in 0..2 {
        propose(&world, "First");
    }
    let sent = ureq::get(format!("{}/v1/export", world.server().url)).call().unwrap();
    fs::write(world.stage.path("log.tar"), sent.into_body().read_to_vec().unwrap()).unwrap();
    let tar = |args: &[&str]| {
        let output = world.stage.command("tar").args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = tar(&["-tf", "log.tar"]);
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    fs::create_dir(world.stage.path("unpacked")).unwrap();
    tar(&["-xf", "log.tar", "-C", "unpacked"]);
    let run = verify(&world, "unpacked");
    assert_eq!(run.status, 0, "{run}");
}

/// Each brings what the other has not: whoever comes second waits, and finds a folder that is whole.
#[test]
fn two_exports_into_one_folder_make_one_that_is_whole() {
    let world = world();
    propose(&world, "first");
    let export = |_| world.say("alice", &["export", "both"]).done();
    for round in 0..2 {
        let exported: Vec<Value> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..4).map(|n| scope.spawn(move || export(n))).collect();
            running.into_iter().map(|export| export.join().unwrap()).collect()
        });
        let new: u64 = exported.iter().map(|done| done["new"].as_u64().unwrap()).sum();
        let all = Log::of(&world).size();
        assert!(exported.iter().all(|done| done["size"] == all), "{exported:?}");
        assert_eq!(new, if round == 0 { all } else { 1 }, "each leaf is fetched once: {exported:?}");
        assert_eq!(verify(&world, "both").status, 0);
        world.say("alice", &["export", "alone"]).done();
        same(&world, "both", "alone");
        if round == 0 {
            propose(&world, "later");
        }
    }
}

#[test]
fn an_export_of_many_leaves_grows_over_full_tiles() {
    let world = world();
    let voice = world.voice("alice");
    let change = propose(&world, "Much said");
    let server = world.server();
    let revision = server.block_on(server.engine.find(&change)).unwrap().current_ref().unwrap();
    for _ in 0..4 {
        for _ in 0..100 {
            let (guidance, prompted_by, tools) = Default::default();
            let change = change.parse().unwrap();
            let disclosure = Disclosure { change, guidance, prompted_by, revision, tools };
            voice.say(Body::Disclosure(disclosure), &[]).unwrap();
        }
        world.say("alice", &["export", "log"]).done();
    }
    world.say("alice", &["export", "again"]).done();
    same(&world, "log", "again");
    assert_eq!(verify(&world, "log").status, 0);

    // What never changes is kept by whoever stands between; what may be erased or grows is not.
    let kept = |path: &str| {
        let answer = ureq::get(format!("{}/{path}", server.url)).call().unwrap();
        answer.headers()["cache-control"].to_str().unwrap().to_owned()
    };
    let name = |folder: &str| files(&world.stage.path("log").join(folder)).remove(0);
    let size = world.say("alice", &["log"]).done()["size"].as_u64().unwrap();
    for full in ["tile/entries/000", "tile/0/000"] {
        assert_eq!(kept(full), "public, max-age=31536000, immutable", "{full}");
    }
    for (path, expected) in [
        ("checkpoint".to_owned(), "no-cache"),
        (format!("tile/entries/001.p/{}", size - 256), "public, max-age=60"),
        ("tile/1/000.p/1".to_owned(), "public, max-age=60"),
        (format!("blobs/{}", name("blobs")), "public, max-age=60"),
    ] {
        assert_eq!(kept(&path), expected, "{path}");
    }

    // A leaf that got lost is named as the one that it is.
    let last = world.stage.path("log").join(format!("tile/entries/001.p/{}", size - 256));
    let mut leaves = parse_entry_bundle(&fs::read(&last).unwrap()).unwrap();
    leaves.pop();
    fs::write(&last, entry_bundle(&leaves).unwrap()).unwrap();
    let run = world.say("alice", &["export", "log"]);
    refused(&run, "copy-broken");
    assert!(run.stderr.contains(&format!("leaf {} of {size} is missing", size - 1)), "{run}");
    // And so is a node in the middle, which nobody would have looked at.
    fs::remove_dir_all(world.stage.path("log")).unwrap();
    world.say("alice", &["export", "log"]).done();
    let node = world.stage.path("log/tile/0/000");
    let mut hashes = fs::read(&node).unwrap();
    hashes[40] ^= 1;
    fs::write(&node, hashes).unwrap();
    let run = world.say("alice", &["export", "log"]);
    refused(&run, "copy-broken");
    assert!(run.stderr.contains("tile/0/000"), "{run}");
}

/// A blob that decayed is fetched again; what nobody has any more is named.
#[test]
fn a_blob_of_an_export_that_decayed_is_mended_or_named() {
    let world = world();
    propose(&world, "First");
    world.say("alice", &["export", "log"]).done();
    world.say("alice", &["export", "again"]).done();
    let blobs = world.stage.path("log/blobs");
    let one = blobs.join(files(&blobs).remove(0));
    fs::write(&one, "something else").unwrap();
    assert_eq!(world.say("alice", &["export", "log"]).done()["mended"], 1);
    same(&world, "log", "again");
    fs::write(blobs.join("0".repeat(64)), "something else").unwrap();
    let run = world.say("alice", &["export", "log"]);
    refused(&run, "copy-broken");
    assert!(run.stderr.contains("the export in log is damaged: blob sha256:"), "{run}");
}

/// What was fetched whole, and verified, is not thrown away for what failed behind it.
#[test]
fn a_first_export_that_breaks_off_behind_what_it_fetched_keeps_that() {
    let world = world();
    propose(&world, "First");
    let fetched = AtomicBool::new(false);
    let breaking = Proxy::before(&world.server().url, move |_, path| {
        fetched.fetch_or(path == "/v1/export", Ordering::SeqCst);
        match fetched.load(Ordering::SeqCst) && path == "/checkpoint" {
            true => Answer::Silence,
            false => Answer::Of(path.to_owned()),
        }
    });
    let run = world.say_to(&breaking.url, "alice", &["export", "log"]);
    assert_eq!(run.status, 1, "{run}");
    assert_eq!(verify(&world, "log").status, 0);
    assert_eq!(world.say("alice", &["export", "log"]).done()["new"], 0);
}

/// Each is told as what it is, and with what would be right.
#[test]
fn what_is_no_copy_or_has_no_home_or_is_of_another_log_is_told_as_that() {
    let (mut world, other) = (world(), crate::copies::world());
    let change = propose(&world, "First");
    world.say("alice", &["export", "log"]).done();
    other.say("alice", &["export", "log"]).done();
    world.say("alice", &["bundle", &change, "--out", "change.bundle"]).done();
    let of_the_other = other.stage.path("log").display().to_string();
    world.stop_server();
    fs::create_dir(world.stage.path("empty")).unwrap();
    let said = |from: &str, home: &str, code: &str| {
        let run = world.stage.run_words(&["--format", "json", "import", from, "--home", home]);
        refused(&run, code);
        assert!(!world.stage.path("new").exists(), "{run}");
        run.stderr.replace(&of_the_other, "OTHER")
    };
    for home in ["home", "new"] {
        let nothing = said("nope", home, "no-copy");
        assert!(nothing.contains("nothing of that name") && !nothing.contains("countersign init"), "{nothing}");
        let bundle = said("change.bundle", home, "no-copy");
        assert!(bundle.contains("it is a file") && bundle.contains("countersign verify"), "{bundle}");
        let neither = said("empty", home, "no-copy");
        assert!(neither.contains("neither an export") && !neither.contains("countersign init"), "{neither}");
    }
    let homeless = said("log", "new", "no-home");
    assert!(homeless.contains("log is an export") && homeless.contains("import BACKUP --home new"), "{homeless}");
    // Of the same name: it is the key that tells.
    let another = said(&of_the_other, "home", "another-log");
    assert!(another.contains("OTHER/checkpoint is of a log named `world`"), "{another}");
}

/// A copy is of one log; whoever passes another trust file is told so.
#[test]
fn a_copy_of_another_log_is_told_as_a_wrong_trust_file() {
    let (world, other) = (world(), crate::copies::world());
    let follow = |trust: &str| {
        let words = ["--url", &world.server().url, "--trust", trust, "--format", "json", "follow"];
        world.stage.run_words(&[&words[..], &["--into", "copy", "--once"]].concat())
    };
    assert_eq!(follow("home/trust.json").status, 0);
    let run = follow(&other.stage.path("home/trust.json").display().to_string());
    refused(&run, "another-log");
    assert!(run.stderr.contains("wrong trust file") && run.stderr.contains("copy"), "{run}");
    assert_eq!(follow("home/trust.json").status, 0);
}

/// Nobody took anything away from an export that was not brought up to date.
#[test]
fn an_older_export_of_the_same_log_is_no_crime() {
    let world = world();
    propose(&world, "First");
    world.say("alice", &["export", "early"]).done();
    propose(&world, "Second");
    let follow = |place: &str, into: &str| {
        let words = ["--url", place, "--trust", "home/trust.json", "--format", "json", "follow"];
        world.stage.run_words(&[&words[..], &["--into", into, "--once"]].concat())
    };
    assert_eq!(follow(&world.server().url, "copy").status, 0);
    assert_eq!(world.say("alice", &["log"]).done()["size"], 3);
    let run = follow("early", "copy");
    refused(&run, "older-copy");
    assert!(run.stderr.contains("early has 2 leaves, and 3 are known"), "{run}");
    assert!(run.stderr.contains("countersign export early"), "{run}");
    let proofs = files(&world.stage.path("copy")).into_iter().filter(|name| name.contains("proof"));
    assert_eq!(proofs.count(), 0);
    assert_eq!(follow(&world.server().url, "copy").status, 0);
}

#[test]
fn an_export_of_another_log_or_of_an_older_one_is_refused_and_stays_as_it_is() {
    let mut world = world();
    propose(&world, "First");
    let older = world.copy_of_the_store("older.db");
    propose(&world, "Second");
    world.say("alice", &["export", "log"]).done();
    world.serve_store(&older);
    // Another machine, which has seen nothing.
    world.machine = "other".to_owned();
    refused(&world.say("alice", &["export", "log"]), "log-went-back");
    propose(&world, "Otherwise");
    propose(&world, "And on");
    refused(&world.say("alice", &["export", "log"]), "log-differs");
    let run = verify(&world, "log");
    assert_eq!(run.status, 0, "{run}");
    world.stage.write("mine/notes.txt", "not an export");
    refused(&world.say("alice", &["export", "mine"]), "no-export");
}

#[test]
fn nothing_is_imported_under_a_server() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    let run = stage.run(&format!("--url {} --format json export log", server.url));
    assert_eq!(run.status, 0, "{run}");
    refused(&stage.run("--format json import log --home home"), "home-in-use");
    assert_eq!(stage.run(&format!("--url {} log", server.url)).status, 0);
    server.end();
    assert_eq!(stage.run("--format json import log --home home").done()["new"], 0);
}

/// Two stores have the same leaves, records and lists.
fn same_store(world: &World, one: &str, other: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = async |name: &str| {
            store::open(&format!("sqlite:{}", world.stage.path(name).display()), &world.home.store_options()).await
        };
        let (one, other) = (open(one).await.unwrap(), open(other).await.unwrap());
        assert_eq!(one.head().await.unwrap(), other.head().await.unwrap());
        assert_eq!(differences(&*one, &*other, 10).await.unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_lost_ledger_is_built_again_from_an_export() {
    let mut world = world();
    let change = propose(&world, "First");
    world.say("bob", &["approve", &change, "--file", "flags.json"]).done();
    world.say("alice", &["permit", &change, "--out", "permit"]).done();
    world.say("alice", &["export", "log"]).done();
    world.stop_server();
    for ending in ["", "-wal", "-shm"] {
        let path = world.stage.path(&format!("home/ledger.db{ending}"));
        if path.exists() {
            fs::rename(path, world.stage.path(&format!("lost.db{ending}"))).unwrap();
        }
    }
    let run = world.stage.run("--format json import log --home home");
    let done = run.done();
    assert_eq!(done["new"], done["size"]);
    same_store(&world, "home/ledger.db", "lost.db");
    // With all its texts, and it goes on.
    let server = world.stage.serve();
    let run = world.say_to(&server.url, "alice", &["show", &change]);
    assert_eq!(run.json()["title"], "First", "{run}");
    let run = world.say_to(&server.url, "bob", &["withdraw", &change]);
    assert_eq!(run.status, 3, "it is alice's: {run}");
    assert_eq!(world.say_to(&server.url, "alice", &["withdraw", &change]).status, 0);
}

#[test]
fn an_older_ledger_is_continued_from_an_export_and_a_newer_one_is_not_shortened() {
    let mut world = world();
    propose(&world, "First");
    drop(world.copy_of_the_store("older.db"));
    world.say("alice", &["export", "early"]).done();
    propose(&world, "Second");
    world.say("alice", &["export", "log"]).done();
    world.stop_server();
    refused(&world.stage.run("--format json import early --home home"), "log-went-back");
    assert_eq!(world.stage.run("--format json import log --home home").done()["new"], 0);
    let home = world.stage.path("home");
    fs::copy(home.join("ledger.db"), world.stage.path("newest.db")).unwrap();
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(home.join(format!("ledger.db{ending}"))));
        let older = world.stage.path(&format!("older.db{ending}"));
        if older.exists() {
            fs::copy(older, home.join(format!("ledger.db{ending}"))).unwrap();
        }
    }
    assert_eq!(world.stage.run("--format json import log --home home").done()["new"], 1);
    same_store(&world, "home/ledger.db", "newest.db");
}

#[test]
fn what_does_not_verify_is_not_imported() {
    let mut world = world();
    propose(&world, "First");
    world.say("alice", &["export", "log"]).done();
    world.stop_server();
    let before = fs::read(world.stage.path("home/genesis.json")).unwrap();
    for name in files(&world.stage.path("log")) {
        if name.starts_with('.') {
            continue;
        }
        let path = world.stage.path("log").join(&name);
        let bytes = fs::read(&path).unwrap();
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        fs::rename(world.stage.path("home/ledger.db"), world.stage.path("aside.db")).unwrap();
        let run = world.stage.run("--format json import log --home home");
        assert_eq!(run.status, 1, "{name}: {run}");
        assert!(!world.stage.path("home/ledger.db").exists(), "{name}");
        fs::rename(world.stage.path("aside.db"), world.stage.path("home/ledger.db")).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(fs::read(world.stage.path("home/genesis.json")).unwrap(), before);
}

#[test]
fn a_backup_of_a_served_home_is_a_home_that_serves_and_verifies() {
    let world = world();
    let change = propose(&world, "First");
    let backed_up = world.say("alice", &["backup", "copies/one", "--home", "home"]).done();
    assert_eq!(backed_up["keys"], true);
    propose(&world, "After it");
    refused(&world.say("alice", &["backup", "copies/one", "--home", "home"]), "exists");
    let private = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(world.stage.path(path)).unwrap().permissions().mode() & 0o077
    };
    for path in ["copies/one", "copies/one/ledger.db", "copies/one/keys", "copies/one/keys/log.key"] {
        assert_eq!(private(path), 0, "{path}");
    }

    // Restored somewhere else: everything verified, served, the same to a reader, and it goes on.
    let made = world.stage.run("--format json import copies/one --home restored").done();
    assert_eq!((&made["made"], &made["size"]), (&true.into(), &backed_up["size"]));
    let restored = Stage::new();
    fs::rename(world.stage.path("restored"), restored.path("home")).unwrap();
    let server = restored.serve();
    world.stage.run_on("fresh", &["--url", &server.url, "log"]);
    world.stage.write("flags.json", "{\"First\": 1}\n");
    let words = ["--url", &server.url, "--format", "json", "--key", "bob", "approve", &change, "--file", "flags.json"];
    let run = world.stage.run_on("fresh", &words);
    assert_eq!(run.status, 0, "{run}");
    let url = &server.url;
    let run = world.stage.run(&format!("--format json verify {url} --trust home/trust.json"));
    assert_eq!((run.status, &run.json()["holds"]), (0, &true.into()), "{run}");
    // Copied as it is, it serves, too.
    let copied = Stage::new();
    fs::rename(world.stage.path("copies/one"), copied.path("home")).unwrap();
    drop(copied.serve());
    world.say("alice", &["backup", "copies/two", "--home", "home", "--without-keys"]).done();
    assert!(!world.stage.path("copies/two/keys").exists());
}

#[test]
fn a_server_refuses_a_ledger_that_is_older_than_what_it_served() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    assert_eq!(stage.run(&format!("--url {} log", server.url)).status, 0);
    server.end();
    let early = fs::read(stage.path("home/ledger.db")).unwrap();
    let server = stage.serve();
    let words = ["--url", &server.url, "--key", "grace", "revoke", "--why", "left on a train"];
    let listed = stage.command("ssh-keygen").args(["-l", "-f", "grace.pub"]).output().unwrap();
    let key = String::from_utf8(listed.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let run = stage.run_words(&[&words[..], &[key.as_str()]].concat());
    assert_eq!(run.status, 0, "{run}");
    server.end();
    fs::copy(stage.path("home/ledger.db"), stage.path("newest.db")).unwrap();
    // A revocation would be undone.
    fs::write(stage.path("home/ledger.db"), early).unwrap();
    let run = stage.run("--format json serve --home home --listen 127.0.0.1:0");
    refused(&run, "ledger-went-back");
    fs::copy(stage.path("newest.db"), stage.path("home/ledger.db")).unwrap();
    drop(stage.serve());
}
