//! Bundles and exports, as an auditor gets them: whole, damaged, or made by somebody with bad intentions.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use countersign::bundle::{Files, files_of_tar, tar_of};
use countersign_core::catalog::Level;
use countersign_ledger::Leaf;
use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    browser::Shown,
    support::{Run, archive_with},
    world::World,
};

/// A world with one change of a file that bob approved and alice has a permit for, and its bundle.
fn bundled() -> (World, String) {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    world.stage.write("flags.json", "{}\n");
    let run = world.say(
        "alice",
        &[
            "propose",
            "--again",
            "--target",
            "search/production",
            "--kind",
            "flag",
            "--title",
            "Go faster",
            "--why",
            "a reason that is long enough",
            "--file",
            "flags.json",
            "--command",
            "true",
        ],
    );
    let change = run.json()["id"].as_str().unwrap().to_owned();
    for (who, args) in [
        ("bob", vec!["approve", &change, "--file", "flags.json"]),
        ("alice", vec!["permit", &change, "--out", "permit"]),
        ("alice", vec!["bundle", &change, "--out", "change.bundle"]),
    ] {
        let run = world.say(who, &args);
        assert_eq!(run.status, 0, "{run}");
    }
    (world, change)
}

fn files(world: &World) -> Files {
    let bytes = fs::read(world.stage.path("change.bundle")).unwrap();
    files_of_tar(Path::new("change.bundle"), &bytes).unwrap()
}

/// Verifies a file or folder with no server in reach.
fn verify(world: &World, path: &str) -> Run {
    world.stage.run(&format!("--url http://127.0.0.1:1 --format json verify {path} --trust home/trust.json"))
}

fn verify_files(world: &World, files: &Files) -> Run {
    fs::write(world.stage.path("edited.bundle"), tar_of(files).unwrap()).unwrap();
    verify(world, "edited.bundle")
}

fn unpack(world: &World, name: &str, files: &Files) {
    for (path, bytes) in files {
        let path = world.stage.path(&format!("{name}/{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[track_caller]
fn is_error(run: &Run, said: &str) {
    assert_eq!(run.status, 1, "{run}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains(said), "{message}");
    assert!(error["error"]["hint"].is_string(), "{run}");
}

#[test]
fn a_bundle_verifies_without_a_server_packed_and_unpacked() {
    let (world, _) = bundled();
    let run = verify(&world, "change.bundle");
    assert_eq!((run.status, &run.json()["holds"]), (0, &true.into()), "{run}");
    let steps: Vec<String> = run.json()["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {}", step["name"].as_str().unwrap(), step["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        ["checkpoint holds", "leaves holds", "blobs holds", "genesis holds", "statements holds", "decisions holds"]
    );
    unpack(&world, "unpacked", &files(&world));
    assert_eq!(verify(&world, "unpacked").status, 0);
}

/// One page for whoever gets the bundle forwarded: what it is, who looked, what was asked, what was checked; or that it does not hold.
#[test]
fn a_bundle_is_read_as_a_page_and_one_that_does_not_hold_shows_nothing_of_its_change() {
    let (world, change) = bundled();
    let page = |file: &str| {
        let words = format!("verify {file} --trust home/trust.json --format html --out page.html");
        let run = world.stage.run(&format!("--url http://127.0.0.1:1 {words}"));
        let shown = Shown::page(&world.stage, "page.html", "");
        assert_eq!(shown.complaints, Vec::<String>::new());
        (run.status, shown.dom)
    };
    let (status, dom) = page("change.bundle");
    assert_eq!(status, 0);
    for words in [
        "<h1>“Go faster” for search/production: permitted</h1>",
        "One person who had no hand in it has signed exactly this.",
        "a reason that is long enough",
        "<li>alice</li>",
        "<th scope=\"row\">bob</th>",
        "computed from their own clone",
        ": <b>allowed</b>. ",
        "true over flags.json",
        "<th scope=\"row\">decisions</th><td data-label=\"Verdict\">holds</td>",
        "countersign verify change.bundle --trust trust.json",
        &change,
    ] {
        assert!(dom.contains(words), "{words}\n{dom}");
    }
    let mut edited = files(&world);
    let leaf = edited.keys().rfind(|path| path.starts_with("leaves/")).unwrap().clone();
    let at = edited[&leaf].len() / 2;
    edited.get_mut(&leaf).unwrap()[at] ^= 0x10;
    fs::write(world.stage.path("edited.bundle"), tar_of(&edited).unwrap()).unwrap();
    let (status, dom) = page("edited.bundle");
    assert!(
        status == 1 && dom.contains("<h1>This does not prove what it says</h1>") && dom.contains("BROKEN"),
        "{dom}"
    );
    assert!(!dom.contains("Go faster") && !dom.contains("bob"), "{dom}");
    let whole = world.stage.run(
        "--url http://127.0.0.1:1 verify home/ledger.sqlite --trust home/trust.json --format html --out page.html",
    );
    assert!(whole.status != 0 && !whole.stderr.is_empty(), "{whole}");
}

#[test]
fn stock_ssh_keygen_accepts_the_approvals_in_a_bundle() {
    let (world, _) = bundled();
    let files = files(&world);
    unpack(&world, "unpacked", &files);
    let signature = files.keys().find(|path| path.ends_with(".sig")).unwrap();
    let signed = signature.replace(".sig", ".signed");
    assert!(signature.ends_with("-bob.sig"), "{signature}");
    let check = |who: &str, namespace: &str, signed: &str| {
        let output = world
            .stage
            .command("ssh-keygen")
            .args(["-Y", "verify", "-f", "unpacked/approvals/allowed_signers", "-I", who, "-n", namespace, "-s"])
            .arg(format!("unpacked/{signature}"))
            .stdin(Stdio::from(fs::File::open(world.stage.path(signed)).unwrap()))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (good, said) = check("bob", "countersign", &format!("unpacked/{signed}"));
    assert!(good && said.starts_with("Good \"countersign\" signature for bob"), "{said}");
    assert!(!check("alice", "countersign", &format!("unpacked/{signed}")).0);
    assert!(!check("bob", "git", &format!("unpacked/{signed}")).0);
    assert!(!check("bob", "countersign", "flags.json").0);
}

#[test]
fn a_flipped_bit_in_any_file_of_a_bundle_is_found() {
    let (world, _) = bundled();
    let whole = files(&world);
    for (path, bytes) in &whole {
        let mut edited = whole.clone();
        let at = bytes.len() / 2;
        edited.get_mut(path).unwrap()[at] ^= 0x10;
        let run = verify_files(&world, &edited);
        assert_eq!(run.status, 1, "{path}: {run}");
        if let Some(index) = path.strip_prefix("leaves/") {
            let index: u64 = index.parse().unwrap();
            assert_eq!(run.json()["first_broken"], index, "{run}");
        }
    }
}

#[test]
fn an_approval_that_only_ssh_keygen_would_see_is_found() {
    let (world, _) = bundled();
    let mut edited = files(&world);
    let signed = edited.keys().find(|path| path.ends_with(".signed")).unwrap().clone();
    edited.insert(signed.replace("-bob.signed", "-carol.signed"), b"I approve".to_vec());
    let run = verify_files(&world, &edited);
    assert_eq!(run.status, 1, "{run}");
    assert_eq!(run.json()["steps"].as_array().unwrap().last().unwrap()["name"], "extracts");
}

#[test]
fn a_truncated_bundle_is_an_error() {
    let (world, _) = bundled();
    let whole = fs::read(world.stage.path("change.bundle")).unwrap();
    for length in [0, 1, 511, 512, 700, whole.len() / 2, whole.len() - 1_024, whole.len() - 1] {
        fs::write(world.stage.path("cut.bundle"), &whole[..length]).unwrap();
        let run = verify(&world, "cut.bundle");
        assert_eq!(run.status, 1, "{length}: {run}");
        assert!(run.stderr.contains("\"code\":\"bundle\""), "{length}: {run}");
    }
}

/// Whoever else unpacks it would read something else.
#[test]
fn a_bundle_has_one_reading() {
    let (world, _) = bundled();
    let whole = fs::read(world.stage.path("change.bundle")).unwrap();
    let check = |bytes: &[u8]| {
        fs::write(world.stage.path("odd.bundle"), bytes).unwrap();
        verify(&world, "odd.bundle")
    };
    assert_eq!(check(&[&whole[..], &[0; 512]].concat()).status, 0, "some programs fill the last record");
    for (name, bytes) in files(&world) {
        // An altered copy of one file before the archive: the blocks of its entry without the end.
        let mut altered = bytes.clone();
        altered.push(b'x');
        let first = tar_of(&Files::from([(name.clone(), altered)])).unwrap();
        is_error(&check(&[&first[..first.len() - 1_024], &whole].concat()), "is in it twice");
    }
    is_error(&check(&[&whole[..], &whole].concat()), "something stands behind the end");
    let with = |name: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut edited = files(&world);
        edit(edited.get_mut(name).unwrap_or_else(|| panic!("{name}")));
        verify_files(&world, &edited)
    };
    is_error(&with("bundle.json", &|bytes| bytes.push(b'\n')), "bundle.json is not spelled as it is written");
    is_error(
        &with("proofs/0000000000", &|bytes| bytes.truncate(bytes.len() - 1)),
        "a proof is not spelled as it is written",
    );
    for folder in ["leaves", "proofs"] {
        let mut twice = files(&world);
        let first = twice[&format!("{folder}/0000000000")].clone();
        twice.insert(format!("{folder}/0"), first);
        is_error(&verify_files(&world, &twice), "name");
    }
}

#[test]
fn what_is_no_bundle_is_told_what_one_is() {
    let (world, change) = bundled();
    world.stage.write("text", "hello\n");
    fs::create_dir(world.stage.path("empty")).unwrap();
    is_error(&verify(&world, "text"), "no tar archive: it has only 6 bytes");
    is_error(&verify(&world, "empty"), "neither a bundle.json nor a checkpoint");
    is_error(&verify(&world, "nowhere"), "cannot read nowhere");
    let with = |name: &str, bytes: &[u8]| {
        let mut edited = files(&world);
        edited.insert(name.to_owned(), bytes.to_vec());
        verify_files(&world, &edited)
    };
    is_error(&with("bundle.json", b"{\"version\": 2}"), "written by a newer version (bundle format 2");
    is_error(&with("bundle.json", b"{\"version\": 99999999999}"), "written by a newer version");
    is_error(&with("bundle.json", b"[]"), "names no version");
    is_error(&with("bundle.json", format!("{{\"version\": 1, \"change\": \"{change}\"}}").as_bytes()), "missing field");
    is_error(&with("checkpoint", &[0xff, 0xfe]), "the checkpoint is not text");
    is_error(&with("leaves/first", b""), "is no leaf's name");
    is_error(&with("proofs/0000000000", b"not a hash"), "a proof is malformed");
    is_error(&with("blobs/abc", b""), "64 lower-case hexadecimal digits");
    is_error(&with("run-me.sh", b""), "no part of a bundle");
    let mut without = files(&world);
    without.remove("bundle.json");
    is_error(&verify_files(&world, &without), "it has no bundle.json");
    let mut without = files(&world);
    without.remove("checkpoint");
    is_error(&verify_files(&world, &without), "it has no checkpoint");
}

#[test]
fn a_bundle_with_a_path_out_of_its_folder_is_refused() {
    let (world, _) = bundled();
    for name in ["../evil", "/etc/evil", "leaves/../../evil"] {
        fs::write(world.stage.path("evil.bundle"), archive_with(name)).unwrap();
        is_error(&verify(&world, "evil.bundle"), "evil");
    }
}

#[test]
fn a_newer_or_malformed_trust_json_is_an_error() {
    let (world, _) = bundled();
    let trust: Value = serde_json::from_str(&world.stage.read("home/trust.json")).unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut trust = trust.clone();
        edit(&mut trust);
        world.stage.write("trust.json", &trust.to_string());
        let run = world.stage.run("--format json verify change.bundle --trust trust.json");
        assert_eq!(run.status, 1, "{run}");
        if run.stderr.is_empty() {
            return run.json()["steps"].as_array().unwrap().last().unwrap()["detail"].as_str().unwrap().to_owned();
        }
        run.stderr
    };
    let said = [
        with(&|trust| trust["version"] = 2.into()),
        with(&|trust| trust["version"] = 0.into()),
        with(&|trust| trust["extra"] = 1.into()),
        with(&|trust| trust["genesis"] = "abc".into()),
        with(&|trust| trust["log_key"] = "abc".into()),
        with(&|trust| *trust = "text".into()),
    ];
    assert_snapshot!(said.join("\n"), @r#"
    {"error":{"code":"newer-version","message":"trust.json was written by a newer version","hint":"verify with a newer countersign"}}

    {"error":{"code":"trust-malformed","message":"trust.json: there is no version 0","hint":"trust.json is made by `countersign init`; get it from somebody you trust, not from the server"}}

    {"error":{"code":"trust-malformed","message":"trust.json is not a trust.json: unknown field `extra`, expected one of `version`, `origin`, `log_key`, `genesis`, `recovery_quorum`, `checkpoint`, `cosigners`, `fresh`, `outage`, `witnesses` at line 1 column 213","hint":"trust.json is made by `countersign init`; get it from somebody you trust, not from the server"}}

    {"error":{"code":"trust-malformed","message":"trust.json is not a trust.json: digest `abc` does not start with `sha256:[DIGEST]` at line 1 column 117","hint":"trust.json is made by `countersign init`; get it from somebody you trust, not from the server"}}

    the checkpoint is not signed by the pinned log key: `abc` is not a verifier key (`<origin>+<id>+<base64>`)
    {"error":{"code":"trust-malformed","message":"trust.json is not a trust.json: invalid type: string \"text\", expected struct Trust at line 1 column 6","hint":"trust.json is made by `countersign init`; get it from somebody you trust, not from the server"}}
    "#);
    is_error(&world.stage.run("--format json verify change.bundle --trust nowhere.json"), "cannot read nowhere.json");
}

#[test]
fn an_exported_log_verifies_and_a_flipped_bit_in_it_is_named() {
    let (world, _) = bundled();
    let run = world.say("alice", &["log", "--export", "copy"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(verify(&world, "copy").status, 0);
    assert_eq!(world.say("alice", &["log", "--export", "copy"]).json()["new"], 0, "it is brought up to date");

    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let tiles = world.stage.path("copy/tile/entries");
    for entry in fs::read_dir(&tiles).unwrap() {
        let path = entry.unwrap().path();
        let file = if path.is_dir() { fs::read_dir(&path).unwrap().next().unwrap().unwrap().path() } else { path };
        found.insert(file.display().to_string(), fs::read(&file).unwrap());
    }
    let (path, bytes) = found.first_key_value().unwrap();
    let leaves = countersign_ledger::tile::parse_entry_bundle(bytes).unwrap();
    let mut offset = 0;
    for (index, leaf) in leaves.iter().enumerate() {
        Leaf::parse(leaf).unwrap();
        let mut edited = bytes.clone();
        edited[offset + 2 + leaf.len() / 2] ^= 1;
        fs::write(path, &edited).unwrap();
        let run = verify(&world, "copy");
        assert_eq!((run.status, &run.json()["first_broken"]), (1, &index.into()), "{run}");
        offset += 2 + leaf.len();
    }
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    is_error(&verify(&world, "copy"), "tile/entries");
    fs::remove_file(path).unwrap();
    let run = verify(&world, "copy");
    assert_eq!((run.status, &run.json()["first_broken"]), (1, &0.into()), "{run}");
}

#[test]
fn bundles_of_one_state_have_the_same_bytes() {
    let (world, change) = bundled();
    assert_eq!(world.say("bob", &["bundle", &change, "--out", "again.bundle"]).status, 0);
    assert_eq!(
        fs::read(world.stage.path("change.bundle")).unwrap(),
        fs::read(world.stage.path("again.bundle")).unwrap()
    );
}
