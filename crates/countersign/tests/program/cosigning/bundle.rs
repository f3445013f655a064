//! Opening by a bundle under cosignatures, and witnesses that only watch.

use countersign::{gates::stops::Stop, random};
use countersign_core::{
    statement::{Body, Header, Rejection, RevisionRef, SeenCheckpoint, Statement},
    text::Reason,
};
use countersign_ledger::{Envelope, Hash, Leaf, SigningKey};

use super::*;

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
    assert_eq!((again.status, again.stdout.as_str()), (3, ""), "{again}");

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
        executable: Default::default(),
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

    // Handed over: what rejects a revision that the change never had closes nothing, whoever's it is; what rejects one that it has
    // does, and so does what may be about one that came since.
    let leaves = before.evidence.leaves.values().map(|bytes| Leaf::parse(bytes).unwrap());
    let current = leaves.map(|leaf| leaf.envelope.payload_digest()).find(|payload| {
        // A change is called by its proposal.
        payload.hex().starts_with(change.as_str())
    });
    let handed = |digest: Digest, size: u64, keep: fn(&Stops, &Stop)| {
        let stop = rejection(&world, &trust, &before, digest, size);
        keep(&stops, &stop);
        let opened = open(&trust, "ada", &before, 0);
        fs::remove_dir_all(world.stage.path("nowhere/stops")).unwrap();
        opened
    };
    let obeyed: fn(&Stops, &Stop) = |stops, stop| stops.keep(stop).unwrap();
    let unchecked: fn(&Stops, &Stop) = |stops, stop| stops.keep_unchecked(stop).unwrap();
    let (current, never) = (current.unwrap(), Digest::of("no revision"));
    assert_eq!(handed(current, 2, obeyed), Err("denied-by-rules"));
    assert_eq!(handed(current, 2, unchecked), Err("stop-unclear"));
    assert_eq!(handed(never, size + 1, obeyed), Err("stop-unclear"));
    assert_eq!(handed(never, 2, obeyed), Ok(()));
    assert_eq!(handed(never, 2, unchecked), Ok(()));
}

/// That grace rejects the first revision of a bundle's change, or what she says it is, in front of so many leaves.
fn rejection(world: &World, trust: &Trust, bundle: &Bundle, digest: Digest, size: u64) -> Stop {
    let reason = Reason { salt: random::nonce(), why: "not on a Friday".to_owned() }.to_blob().unwrap();
    let header = Header {
        by: "grace".parse().unwrap(),
        checkpoint: SeenCheckpoint { root: Hash::empty_tree(), size },
        epoch: None,
        log: trust.origin.clone(),
        nonce: random::nonce(),
    };
    let body = Body::Rejection(Rejection {
        change: bundle.change.clone(),
        reason: Digest::of(&reason),
        revision: RevisionRef { digest, number: 1 },
        targets: ["example/production".parse().unwrap()].into(),
    });
    let payload = Statement { header, body }.encode().unwrap();
    let key = SigningKey::from_openssh(&world.stage.read("grace")).unwrap();
    Stop::new(Envelope::new(&payload, vec![key.sign(&payload).unwrap()]).unwrap(), vec![reason]).unwrap()
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
