//! Followers that cosign, a server that asks them, and gates that ask for them: real processes on the loopback interface.

mod kit;

use std::{fs, io::BufReader, path::Path, process::Stdio};

use countersign::{
    bundle::Bundle,
    clock,
    gates::{
        desk::{
            bundle::{Asked, open as open_bundle},
            handed_over,
        },
        stops::Stops,
    },
    signer::SshKeygen,
};
use countersign_core::{
    subject::{ApplyTransition, Transition},
    trust::Trust,
};
use countersign_ledger::Digest;
use serde_json::Value;

use self::kit::{Running, World, copy, cosigned, free_address, serve, until};

#[test]
fn a_gate_opens_under_enough_fresh_cosignatures_and_stays_shut_when_one_is_missing() {
    let (one, two) = (free_address(), free_address());
    let world = World::new(&[&one, &two]);
    let mut first = world.cosigner("one", &one, &world.url());
    let mut second = world.cosigner("two", &two, &world.url());
    world.trust("trust.json", 2, &mut [&mut first, &mut second]);
    world.repository("trust.json");
    world.commit("8");
    let change = world.proposed();
    // A denial is a to-do list, whoever vouches for what.
    assert!(world.is_refused("denied-by-rules").contains("countersign approve"));
    world.must(&["--key", "grace", "approve", &change, "--git", "work"]);
    world.until_cosigned("trust.json");
    assert_eq!(world.push(), None);
    let outside = &world.gate_status()["outside"];
    assert_eq!(outside["enough"], true);
    assert_eq!(cosigned(outside).len(), 2);

    // What is left of the second is what it signed before.
    second.stop();
    world.commit("9");
    world.approved();
    world.fresh("1");
    until("its last cosignature is too old", || {
        let told = world.follow("trust.json", &world.url()).json();
        cosigned(&told["outside"]).iter().all(|(name, age)| name != "two.example/f" || *age > 1)
    });
    let said = world.is_refused("not-cosigned");
    assert!(said.contains("`two.example/f` of `two`"), "{said}");
    let outside = &world.gate_status()["outside"]["words"];
    assert!(
        outside.as_str().unwrap().contains("followers cosigned") || outside.as_str().unwrap().contains("two.example/f")
    );

    // It is back, and so is the gate.
    let _second = world.cosigner("two", &two, &world.url());
    world.fresh("60");
    world.until_cosigned("trust.json");
    assert_eq!(world.push(), None);
}

#[test]
fn a_log_that_stands_still_is_refused_where_cosigners_are_asked() {
    let (one, still) = (free_address(), free_address());
    let mut world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.repository("trust.json");
    world.commit("8");
    let change = world.approved();
    world.until_cosigned("trust.json");
    world.copy_of_the_home("still");
    world.ask("still", &[]);
    let rejection = ["--key", "grace", "reject", &change, "--why", "it breaks the bank"];
    world.must(&rejection);
    let after = world.until_cosigned("trust.json");

    // The gate is shown the log as it stood before, with everything that was signed then.
    let _still = serve(&world.stage, "still", &still);
    let gate = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&gate).unwrap().replace(&world.address, &still);
    fs::write(&gate, text).unwrap();
    world.fresh("1");
    until("what others cosigned of it is too old", || {
        let run = world.stage.run_words(&[
            "--url",
            &format!("http://{still}"),
            "--trust",
            "trust.json",
            "--format",
            "json",
            "follow",
            "--once",
            "--into",
            "other",
        ]);
        let told = run.json();
        assert!(told["size"].as_u64().unwrap() < after);
        cosigned(&told["outside"]).iter().all(|(_, age)| *age > 1)
    });
    let said = world.is_refused("not-cosigned");
    assert!(said.contains("stands still") && said.contains("`one.example/f` of `one`"), "{said}");

    // Where nobody is asked for cosignatures, nothing tells the two apart, and the gate says so.
    fs::copy(world.stage.path("home/trust.json"), world.stage.path("shop.git/countersign/trust.json")).unwrap();
    let outside = &world.gate_status()["outside"];
    assert_eq!(outside["enough"], Value::Null);
    assert!(outside["words"].as_str().unwrap().starts_with("nobody outside of the server vouches"));
    assert_eq!(world.push(), None);
}

#[test]
fn a_forked_log_is_not_cosigned_and_the_proof_is_kept() {
    let (one, other) = (free_address(), free_address());
    let mut world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.until_cosigned("trust.json");
    world.copy_of_the_home("fork");
    world.ask("fork", &[]);
    world.grow(&world.url(), "one side");
    let size = world.until_cosigned("trust.json");

    // Whoever has the keys makes another log of it.
    let forked = format!("http://{other}");
    drop({
        let server = serve(&world.stage, "fork", &other);
        world.grow(&forked, "the other side");
        server
    });
    world.ask("fork", &[&one]);
    let _server = serve(&world.stage, "fork", &other);
    let caught = first.running().told("caught");
    assert_eq!(caught["caught"], "log-differs");
    assert_eq!(first.running().status(), Some(3));
    // Both sides, as the log signed them.
    let proof = Path::new(caught["proof"].as_str().unwrap()).to_owned();
    let proof = world.stage.path("").join(proof);
    for (file, side) in [("seen", &caught["seen"]), ("shown", &caught["shown"])] {
        let note = fs::read_to_string(proof.join(file)).unwrap();
        assert_eq!(Some(note.as_str()), side.as_str());
        assert_eq!(note.lines().nth(1), Some(size.to_string().as_str()), "{note}");
    }
    // What it had cosigned is what it cosigned: the honest side.
    let kept = world.stage.read("one.key.cosigned");
    assert_eq!(kept.lines().nth(2), caught["seen"].as_str().unwrap().lines().nth(2));
}

#[test]
fn a_cosigner_restored_from_an_older_copy_does_not_cosign_a_log_that_contradicts_what_it_cosigned() {
    let (one, other) = (free_address(), free_address());
    let mut world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.until_cosigned("trust.json");
    world.copy_of_the_home("fork");
    world.ask("fork", &[&one]);
    first.stop();
    copy(&world.stage.path("one.copy"), &world.stage.path("backup"));

    first = world.cosigner("one", &one, &world.url());
    world.grow(&world.url(), "one side");
    world.until_cosigned("trust.json");
    first.stop();
    fs::remove_dir_all(world.stage.path("one.copy")).unwrap();
    copy(&world.stage.path("backup"), &world.stage.path("one.copy"));

    // The copy knows nothing of what came after, and another log that continues it is shown to it.
    let forked = format!("http://{other}");
    let _server = serve(&world.stage, "fork", &other);
    world.grow(&forked, "the other side");
    let mut restored = world.cosigner("one", &one, &forked);
    let caught = restored.running().told("caught");
    assert_eq!(caught["caught"], "log-differs");
    assert_eq!(restored.running().status(), Some(3));
    assert!(
        caught["seen"].as_str().unwrap().starts_with("log\n") && caught["shown"].as_str().unwrap().starts_with("log\n")
    );

    // With the log that it knows it goes on; the copy that was led astray is of no use any more.
    fs::remove_dir_all(world.stage.path("one.copy")).unwrap();
    let _restored = world.cosigner("one", &one, &world.url());
    world.grow(&world.url(), "and on");
    world.until_cosigned("trust.json");
}

#[test]
fn a_cosigner_answers_as_the_protocol_says_and_never_goes_back() {
    let one = free_address();
    let world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.until_cosigned("trust.json");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let get = |address: &str| agent.get(address).call().unwrap().body_mut().read_to_string().unwrap();
    let early = get(&format!("{}/checkpoint", world.url()));
    world.grow(&world.url(), "more");
    let size = world.until_cosigned("trust.json");
    let note = get(&format!("{}/checkpoint", world.url()));

    let post = |body: &str| {
        let mut answer = agent.post(format!("http://{one}/add-checkpoint")).send(body).unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    };
    let status = |body: &str| post(body).0;
    let from = |old: u64, note: &str| format!("old {old}\n\n{note}");
    assert_eq!(post(&from(0, &note)), (409, "text/x.tlog.size".to_owned(), format!("{size}\n")));
    assert_eq!(status("hello"), 400);
    assert_eq!(status(&"x".repeat(200_000)), 400);
    assert_eq!(status(&from(size, &early)), 400);
    assert_eq!(status(&from(1, &early)), 409);
    let signature = |note: &str| note.lines().last().unwrap().to_owned();
    assert_eq!(status(&from(size, &note.replace(&signature(&note), &signature(&early)))), 403);
    assert_eq!(status(&from(size, &note.replacen("log\n", "another\n", 1))), 404);
    let proof = note.lines().nth(2).unwrap();
    assert_eq!(status(&format!("old {size}\n{proof}\n\n{note}")), 422);
    let (code, _, line) = post(&from(size, &note));
    assert!(code == 200 && line.starts_with("— one.example/f "), "{code} {line}");
    let page = get(&format!("http://{one}/"));
    let path = page.lines().find_map(|line| line.strip_prefix("GET  ")).unwrap();
    assert_eq!(get(&format!("http://{one}{path}")), format!("{note}{line}"));
}

#[test]
fn what_was_cosigned_goes_along_with_bundles_and_copies_and_is_kept_over_a_restart() {
    let (one, two) = (free_address(), free_address());
    let mut world = World::new(&[&one, &two]);
    let mut first = world.cosigner("one", &one, &world.url());
    let mut second = world.cosigner("two", &two, &world.url());
    world.trust("trust.json", 2, &mut [&mut first, &mut second]);
    world.repository("trust.json");
    world.commit("8");
    let change = world.approved();
    world.until_cosigned("trust.json");
    assert_eq!(world.push(), None);
    // The outcome is in the log, too.
    let size = world.until_cosigned("trust.json");

    world.must(&["bundle", &change, "--out", "change.bundle"]);
    let verified = |path: &str, trust: &str| world.stage.run_words(&["--trust", trust, "verify", path]).stdout;
    let said = verified("change.bundle", "trust.json");
    let last = size - 1;
    assert!(said.contains(&format!("complete (2 of 2 followers cosigned) up to leaf {last}\n")), "{said}");
    assert!(said.contains("two.example/f of two cosigned at 20"), "{said}");
    // Who trusts a third as well, which has cosigned nothing, has presence only.
    let mut third = world.cosigner("three", &free_address(), &world.url());
    world.trust("three.json", 1, &mut [&mut third]);
    let said = verified("change.bundle", "three.json");
    assert!(said.contains("presence only: 0 of the 1 operators") && said.contains("\nverified\n"), "{said}");
    let said = verified("change.bundle", "home/trust.json");
    assert!(said.contains("presence only: the trust file names no cosigners"), "{said}");

    // A static copy has it beside the checkpoint.
    world.must(&["log", "--export", "export"]);
    let said = verified("export", "trust.json");
    assert!(said.contains("complete (2 of 2 followers cosigned)"), "{said}");
    let told = world.follow("trust.json", "export").json();
    assert_eq!((&told["size"], &told["outside"]["enough"]), (&Value::from(size), &Value::from(true)));

    // Nobody cosigns any more, and the server is started again.
    first.stop();
    second.stop();
    world.server = None;
    let older = world.stage.path("older");
    copy(&world.stage.path("home"), &older);
    world.serve();
    let told = world.follow("trust.json", &world.url()).json();
    assert_eq!(told["outside"]["size"], size);
    assert_eq!(cosigned(&told["outside"]).len(), 2);

    // A ledger that lacks what others cosigned is not served.
    world.server = None;
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(world.stage.path(&format!("home/{name}"))));
    }
    let run = world.stage.run("serve --home home --listen 127.0.0.1:0 --format json");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"ledger-behind-cosigners\""), "{run}");
}

#[test]
fn apply_decides_by_a_bundle_only_where_followers_vouch_that_nothing_was_left_out() {
    let one = free_address();
    let world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    let apply = |trust: &str, change: &str, further: &[&str]| {
        let words = ["--key", "ada", "--trust", trust, "apply", change, "--by-bundle", "--file", "flags.json"];
        world.run(&[&words[..], further, &["--", "cat", "flags.json"]].concat())
    };
    let approved = |title: &str| {
        let change = world.grow(&world.url(), title);
        world.must(&["--key", "grace", "approve", &change, "--file", "flags.json"]);
        change
    };
    let change = approved("on");
    let run = apply("home/trust.json", &change, &[]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stderr.contains("\"no-cosigners\""), "{run}");
    let run = apply("trust.json", &change, &[]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "{\"on\": true}\n"), "{run}");
    assert_eq!(world.must(&["show", &change]).json()["state"], "applied");
    let memory = world.stage.path("user/.local/state/countersign");
    let logs: Vec<_> = fs::read_dir(memory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(logs.iter().all(|log| !log.join("copy").exists()), "{logs:?}");
    // Once is enough.
    let again = apply("trust.json", &change, &[]);
    assert_eq!((again.status, again.stdout.as_str()), (1, ""), "{again}");

    // A permit that somebody stops: first as an honest server tells it, then with the stop left out.
    let change = approved("off");
    world.must(&["--key", "ada", "permit", &change, "--out", "off.permit"]);
    world.until_cosigned("trust.json");
    world.must(&["bundle", &change, "--out", "before.bundle"]);
    world.must(&["--key", "ada", "disclose", &change, "--none"]);
    world.until_cosigned("trust.json");
    world.must(&["bundle", &change, "--out", "since.bundle"]);
    world.must(&["--key", "grace", "reject", &change, "--why", "not on a Friday"]);
    let size = world.until_cosigned("trust.json");
    world.must(&["bundle", &change, "--out", "after.bundle"]);
    let run = apply("trust.json", &change, &["--permit", "off.permit"]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stderr.contains("\"denied-by-gate\""), "{run}");

    let trust: Trust = serde_json::from_str(&world.stage.read("trust.json")).unwrap();
    let alone: Trust = serde_json::from_str(&world.stage.read("home/trust.json")).unwrap();
    let permit = handed_over(world.stage.read("off.permit").as_bytes()).unwrap().1;
    let key = |name: &str| SshKeygen::new(world.stage.path(name)).unwrap().fingerprint();
    let transition = Transition::Apply(ApplyTransition {
        files: [("flags.json".to_owned(), Digest::of("{\"off\": true}\n"))].into(),
        command: vec!["cat".to_owned(), "flags.json".to_owned()],
    });
    let stops = Stops::beside(&world.stage.path("nowhere"));
    let bundle = |name: &str| {
        let bytes = fs::read(world.stage.path(name)).unwrap();
        Bundle::from_tar(Path::new(name), &bytes).unwrap()
    };
    let (before, after) = (bundle("before.bundle"), bundle("after.bundle"));
    let mut without = after.clone();
    without.evidence.leaves.remove(&(size - 1)).unwrap();
    without.evidence.proofs.remove(&(size - 1)).unwrap();
    let open = |trust: &Trust, who: &str, bundle: &Bundle, later_secs: i64| {
        let (key, transition) = (&key(who), &transition);
        let asked = Asked { trust, change: &bundle.change, permit: &permit, key, transition, stops: &stops };
        open_bundle(&asked, bundle, clock::now().plus_secs(later_secs)).map(drop).map_err(|error| error.code())
    };
    assert_eq!(open(&trust, "ada", &before, 0), Ok(()));
    assert_eq!(open(&trust, "ada", &bundle("since.bundle"), 0), Err("log-moved"));
    assert_eq!(open(&trust, "ada", &after, 0), Err("denied-by-rules"));
    assert_eq!(open(&trust, "ada", &without, 0), Err("bundle-incomplete"));
    // What was complete a while ago may have been stopped since.
    assert_eq!(open(&trust, "ada", &before, 400), Err("not-cosigned"));
    assert_eq!(open(&alone, "ada", &before, 0), Err("no-cosigners"));
    assert_eq!(open(&trust, "grace", &before, 0), Err("permit-for-another-gate"));
}

/// The path of the program, as in the Debian package `torchwood`. `witnessctl`, which tells it its logs, lies beside it.
const LITEWITNESS: &str = "COUNTERSIGN_LITEWITNESS";

#[test]
fn a_plain_witness_is_told_and_counts_for_nothing() {
    let Some(program) = std::env::var_os(LITEWITNESS) else {
        eprintln!("skipped: {LITEWITNESS} does not name the program `litewitness`");
        return;
    };
    let program = Path::new(&program);
    let (one, plain) = (free_address(), free_address());
    let world = World::new(&[&one, &plain]);
    let stage = &world.stage;
    let trust: Value = serde_json::from_str(&stage.read("home/trust.json")).unwrap();
    let log_key = trust["log_key"].as_str().unwrap();

    stage.key("witness");
    let spawn = |program: &Path, arguments: &[&str]| {
        let mut command = stage.command(program);
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Running { child, said }
    };
    let agent = stage.path("agent").display().to_string();
    let _agent = spawn(Path::new("ssh-agent"), &["-D", "-a", &agent]);
    until("the agent takes the key", || {
        let mut add = stage.command("ssh-add");
        add.arg("witness").env("SSH_AUTH_SOCK", &agent).stderr(Stdio::null()).status().unwrap().success()
    });
    let control = program.with_file_name("witnessctl");
    for arguments in [
        vec!["add-log", "-db", "db", "-origin", "log"],
        vec!["add-key", "-db", "db", "-origin", "log", "-key", log_key],
    ] {
        assert!(stage.command(&control).args(arguments).status().unwrap().success());
    }
    let listed = stage.command("ssh-keygen").args(["-l", "-f", "witness.pub"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let fingerprint = listed.split_whitespace().nth(1).unwrap();
    let arguments =
        ["-db", "db", "-key", fingerprint, "-name", "witness.example/lite", "-ssh-agent", &agent, "-listen", &plain];
    let _witness = spawn(program, &arguments);
    // It says on its front page which key it has.
    let mut verifier = String::new();
    until("the witness answers", || {
        let page = ureq::get(format!("http://{plain}/")).call().and_then(|mut page| page.body_mut().read_to_string());
        let page = page.unwrap_or_default();
        verifier = page
            .split(|c: char| c.is_whitespace() || "<>\"&;".contains(c))
            .find(|word| word.starts_with("witness.example/lite+"))
            .unwrap_or_default()
            .replace("&#43;", "+");
        !verifier.is_empty()
    });

    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.must(&["trust", "add-witness", "trust.json", &verifier]);
    world.grow(&world.url(), "one more");
    until("both have cosigned", || {
        let told = world.follow("trust.json", &world.url()).json();
        told["outside"]["witnessed"].as_array().unwrap().len() == 1 && told["outside"]["enough"] == true
    });
    // Alone it does not vouch for anything.
    first.stop();
    fs::copy(stage.path("trust.json"), stage.path("stricter.json")).unwrap();
    world.must(&["trust", "fresh", "stricter.json", "--tier-1", "1", "--others", "1"]);
    world.grow(&world.url(), "and another");
    until("the witness alone has cosigned the whole log", || {
        let told = world.follow("stricter.json", &world.url()).json();
        let witnessed = told["outside"]["witnessed"].as_array().unwrap();
        witnessed.len() == 1 && told["outside"]["size"] == world.size() && told["outside"]["enough"] == false
    });
}
