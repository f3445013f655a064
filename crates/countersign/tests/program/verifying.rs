//! `verify` of a whole log where it lies: in a folder, at its server, and behind a plain web server; and what is said where it
//! is not what it should be.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use countersign_core::statement::{Body, Disclosure, RevisionRef};
use countersign_ledger::tile::{entry_bundle, parse_entry_bundle};
use serde_json::Value;

use crate::{
    proxy::{Answer, Proxy},
    support::{Run, archive_with},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// Leaves of a first bundle and some more.
const MANY: usize = 270;

/// A log of more leaves than a bundle holds, and its export `copy`.
fn exported() -> World {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let voice = world.voice("alice");
    let view = voice.speaker.client.change(&change.parse().unwrap()).unwrap();
    let revision = RevisionRef { digest: view.revision_digest, number: view.revision };
    let said = Disclosure {
        change: view.id,
        guidance: BTreeSet::new(),
        prompted_by: BTreeSet::new(),
        revision,
        tools: BTreeSet::new(),
    };
    for _ in 0..MANY {
        voice.say(Body::Disclosure(said.clone()), &[]).unwrap();
    }
    world.approve("bob", &change);
    export(&world);
    world
}

fn export(world: &World) {
    let run = world.say("alice", &["log", "--export", "copy"]);
    assert_eq!(run.status, 0, "{run}");
}

fn verify(world: &World, place: &str) -> Run {
    world.stage.run(&format!("--url http://127.0.0.1:1 --format json verify {place} --trust home/trust.json"))
}

/// Serves a folder as any web server does.
fn web(folder: PathBuf) -> Proxy {
    Proxy::before("http://127.0.0.1:1", move |_, path| match fs::read(folder.join(path.trim_start_matches('/'))) {
        Ok(bytes) => Answer::Bytes(bytes),
        Err(_) => Answer::NotFound,
    })
}

/// Each spelling of where a copy lies.
fn places(world: &World, copy: &str) -> [(&'static str, String); 2] {
    [("folder", copy.to_owned()), ("web server", web(world.stage.path(copy)).url)]
}

/// Every damage begins from the same log.
static WORLD: LazyLock<World> = LazyLock::new(exported);

/// A copy of the export, under another name.
fn copied(name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(fs::copy(entry.path(), to).is_ok()) }
        }
    }
    let to = WORLD.stage.path(name);
    copy(&WORLD.stage.path("copy"), &to);
    to
}

/// The copy's last, partial bundle.
fn last_bundle(copy: &Path) -> PathBuf {
    fs::read_dir(copy.join("tile/entries/001.p")).unwrap().next().unwrap().unwrap().path()
}

#[track_caller]
fn is_broken_at(name: &str, index: u64, said: &str) {
    for (kind, place) in places(&WORLD, name) {
        let run = verify(&WORLD, &place);
        assert_eq!((run.status, &run.json()["first_broken"]), (1, &index.into()), "{kind}: {run}");
        let steps = run.json()["steps"].as_array().unwrap().clone();
        let step = steps.iter().find(|step| step["verdict"] == "broken").unwrap();
        assert!(step["detail"].as_str().unwrap().contains(said), "{kind}: {step}");
    }
}

#[track_caller]
fn is_error(name: &str, said: &str) {
    for (kind, place) in places(&WORLD, name) {
        let run = verify(&WORLD, &place);
        assert_eq!(run.status, 1, "{kind}: {run}");
        let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(error["error"]["code"], "log-unreadable", "{kind}: {run}");
        assert!(error["error"]["message"].as_str().unwrap().contains(said), "{kind}: {run}");
        assert!(error["error"]["hint"].is_string(), "{kind}: {run}");
    }
}

#[test]
fn a_log_verifies_in_a_folder_at_its_server_and_behind_a_web_server() {
    let folder = verify(&WORLD, "copy");
    assert_eq!((folder.status, &folder.json()["holds"]), (0, &true.into()), "{folder}");
    assert_eq!(folder.json()["changes"].as_array().unwrap().len(), 1);
    assert_eq!(folder.json()["changes"][0]["approved_by"], serde_json::json!(["bob"]));
    let web = web(WORLD.stage.path("copy"));
    for place in [&WORLD.server().url, &format!("{}/", WORLD.server().url), &web.url] {
        assert_eq!(verify(&WORLD, place).json(), folder.json());
    }
    // The text is the same, too, and ends as that of a bundle does.
    let text = WORLD.stage.run(&format!("verify {} --trust home/trust.json", web.url));
    assert!(text.stdout.ends_with("verified\n") && text.stdout.contains("approved by bob"), "{text}");
}

#[test]
fn a_changed_leaf_is_named() {
    for (index, bundle) in [(3, "tile/entries/000"), (260, "tile/entries/001.p")] {
        let name = format!("changed-{index}");
        let copy = copied(&name);
        let path = if bundle.ends_with(".p") { last_bundle(&copy) } else { copy.join(bundle) };
        let mut leaves = parse_entry_bundle(&fs::read(&path).unwrap()).unwrap();
        let leaf = &mut leaves[index % 256];
        let middle = leaf.len() / 2;
        leaf[middle] ^= 1;
        fs::write(&path, entry_bundle(&leaves).unwrap()).unwrap();
        is_broken_at(&name, index as u64, "does not hash to what the log's tile says");
    }
}

#[test]
fn a_missing_tile_is_named_by_its_first_leaf() {
    let copy = copied("missing-tile");
    fs::remove_file(last_bundle(&copy)).unwrap();
    is_broken_at("missing-tile", 256, "leaf 256 of");
    fs::remove_file(copy.join("tile/entries/000")).unwrap();
    is_broken_at("missing-tile", 0, "leaf 0 of");
}

#[test]
fn a_tile_without_its_last_leaf_is_named_by_that() {
    let copy = copied("short-tile");
    let path = copy.join("tile/entries/000");
    let leaves = parse_entry_bundle(&fs::read(&path).unwrap()).unwrap();
    fs::write(&path, entry_bundle(&leaves[..255]).unwrap()).unwrap();
    is_broken_at("short-tile", 255, "leaf 255 of");
}

#[test]
fn a_missing_or_changed_blob_is_named_by_the_leaf_that_needs_it() {
    let report = verify(&WORLD, "copy").json();
    assert_eq!(report["steps"][2]["name"], "blobs");
    let named = |leaf: &[u8]| countersign_core::fold::Entry::parse(leaf).unwrap().needed_blobs();
    let bundle = fs::read(WORLD.stage.path("copy/tile/entries/000")).unwrap();
    let leaves = parse_entry_bundle(&bundle).unwrap();
    let (index, needed) =
        (1..).zip(&leaves[1..]).map(|(i, leaf)| (i, named(leaf))).find(|(_, n)| !n.is_empty()).unwrap();
    let copy = copied("missing-blob");
    let blob = copy.join("blobs").join(needed[0].hex());
    fs::write(&blob, "something else").unwrap();
    is_broken_at("missing-blob", index, "was changed");
    fs::remove_file(&blob).unwrap();
    is_broken_at("missing-blob", index, "is missing");
}

#[test]
fn what_is_no_tile_is_an_error_that_names_it() {
    let copy = copied("no-tile");
    let path = copy.join("tile/entries/000");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    is_error("no-tile", "tile/entries/000");
    fs::write(&path, "<!doctype html><title>Not found</title>").unwrap();
    is_error("no-tile", "tile/entries/000");
    fs::write(&path, whole).unwrap();
    fs::write(copy.join("tile/0/000"), "<!doctype html><title>Not found</title>").unwrap();
    is_error("no-tile", "tile/0/000");
}

#[test]
fn a_folder_with_more_than_its_checkpoint_is_broken() {
    let world = World::usual();
    export(&world);
    let checkpoint = fs::read(world.stage.path("copy/checkpoint")).unwrap();
    let size: u64 = String::from_utf8_lossy(&checkpoint).lines().nth(1).unwrap().parse().unwrap();
    world.edit("change", "checkout/timeout", "30\n");
    world.propose("alice", &[CHECKOUT]);
    fs::remove_dir_all(world.stage.path("copy")).unwrap();
    export(&world);
    fs::write(world.stage.path("copy/checkpoint"), checkpoint).unwrap();
    let run = verify(&world, "copy");
    assert_eq!((run.status, &run.json()["first_broken"]), (1, &size.into()), "{run}");
    assert!(run.stdout.contains(&format!("leaf {size} is not under a checkpoint of {size}")), "{run}");
}

#[test]
fn what_is_no_log_at_all_is_told() {
    let nobody = verify(&WORLD, "http://127.0.0.1:1");
    assert_eq!(nobody.status, 1, "{nobody}");
    assert!(nobody.stderr.contains("server-unreachable"), "{nobody}");
    let nothing = Proxy::before("http://127.0.0.1:1", |_, _| Answer::NotFound);
    let run = verify(&WORLD, &nothing.url);
    assert!(run.status == 1 && run.stderr.contains("it has no checkpoint"), "{run}");
    let page = Proxy::before("http://127.0.0.1:1", |_, _| Answer::Bytes(b"<!doctype html>".to_vec()));
    let run = verify(&WORLD, &page.url);
    assert_eq!((run.status, &run.json()["steps"][0]["verdict"]), (1, &"broken".into()), "{run}");
}

#[test]
fn an_export_that_breaks_off_leaves_nothing_behind() {
    let url = WORLD.server().url.clone();
    let whole = countersign::client::Client::new(&url).export().unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut { whole }, &mut bytes).unwrap();
    let listed = || {
        let entries = fs::read_dir(WORLD.stage.path("exports")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    fs::create_dir(WORLD.stage.path("exports")).unwrap();
    // In the middle of a file, at the end of one, and before the end of the archive.
    for length in [700, 1_024, bytes.len() / 2, bytes.len() - 1_024, bytes.len() - 1] {
        let cut = bytes[..length].to_vec();
        let proxy = Proxy::before(&url, move |_, path| match path {
            "/v1/export" => Answer::Bytes(cut.clone()),
            path => Answer::Of(path.to_owned()),
        });
        let run = WORLD.say_to(&proxy.url, "alice", &["log", "--export", "exports/copy"]);
        assert_eq!(run.status, 1, "{length}: {run}");
        assert!(listed().is_empty(), "{length}: {:?}", listed());
    }
    let run = WORLD.say("alice", &["log", "--export", "exports/copy"]);
    assert_eq!((run.status, listed()), (0, vec!["copy".to_owned()]), "{run}");
}

#[test]
fn an_export_with_a_path_out_of_its_folder_is_refused() {
    let url = WORLD.server().url.clone();
    for name in ["../evil", "/tmp/countersign-evil", "blobs/../../evil"] {
        let bytes = archive_with(name);
        let proxy = Proxy::before(&url, move |_, path| match path {
            "/v1/export" => Answer::Bytes(bytes.clone()),
            path => Answer::Of(path.to_owned()),
        });
        let run = WORLD.say_to(&proxy.url, "alice", &["log", "--export", "escaped"]);
        assert!(run.status == 1 && run.stderr.contains("evil"), "{run}");
        assert!(!WORLD.stage.path("evil").exists() && !WORLD.stage.path("escaped").exists());
    }
}
