//! Followers that cosign, a server that asks them, and gates that ask for them: real processes on the loopback interface.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use countersign::{
    bundle::Bundle,
    clock,
    gates::{
        desk::{
            bundle::{Asked, open as open_bundle},
            handed_over,
        },
        git::{GitGate, Update, receive::pre_receive},
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

use crate::{
    proxy::{Answer, Proxy},
    support::{Run, Stage, until},
};

mod answers;
mod bundle;
mod outage;

const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// An address on which nobody listens.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A process that is ended when it is dropped.
struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    fn start(stage: &Stage, arguments: &[&str]) -> Self {
        let mut command = stage.command(PROGRAM);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that it prints; empty when it has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    /// The next object that it prints with this field.
    #[track_caller]
    fn told(&mut self, field: &str) -> Value {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended without a word of `{field}`");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if value.get(field).is_some() {
                return value;
            }
        }
    }

    fn status(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// As Ctrl-C does.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.status()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A log of Ada and Grace with cosigners, and a repository that Ada works in.
struct World {
    stage: Stage,
    address: String,
    server: Option<Running>,
}

struct Cosigner {
    name: String,
    running: Option<Running>,
}

impl World {
    /// A server that asks the cosigners at these addresses.
    fn new(cosigners: &[&str]) -> Self {
        let stage = Stage::with_keys(&["ada", "grace"]);
        stage.home_of_two();
        let mut world = Self { stage, address: free_address(), server: None };
        world.ask("home", cosigners);
        world.serve();
        world
    }

    /// Whom the server over a home asks.
    fn ask(&self, home: &str, cosigners: &[&str]) {
        let path = self.stage.path(home).join("countersign.yaml");
        let list: Vec<String> = cosigners.iter().map(|address| format!("\"http://{address}\"")).collect();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("cosigners:") {
            true => format!("cosigners: [{}]\n", list.join(", ")),
            false => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).unwrap();
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(&mut self) {
        self.server = Some(serve(&self.stage, "home", &self.address));
    }

    /// A copy of the home as it is now; the server is stopped for it.
    fn copy_of_the_home(&mut self, name: &str) {
        self.server = None;
        copy(&self.stage.path("home"), &self.stage.path(name));
        self.serve();
    }

    /// Starts a cosigner of this name, with the copy and the key of that name.
    fn cosigner(&self, name: &str, address: &str, url: &str) -> Cosigner {
        let (copy, key, called) = (format!("{name}.copy"), format!("{name}.key"), format!("{name}.example/f"));
        let mut arguments =
            vec!["--url", url, "--trust", "home/trust.json", "--format", "json", "follow", "--every", "1"];
        arguments.extend(["--into", &copy, "--cosign", &key, "--name", &called, "--listen", address]);
        Cosigner { name: name.to_owned(), running: Some(Running::start(&self.stage, &arguments)) }
    }

    /// A trust.json that counts these cosigners; all of the first `need`.
    fn trust(&self, file: &str, need: usize, cosigners: &mut [&mut Cosigner]) {
        fs::copy(self.stage.path("home/trust.json"), self.stage.path(file)).unwrap();
        for cosigner in cosigners.iter_mut() {
            let verifier = cosigner.verifier();
            let operator = cosigner.name.clone();
            self.must(&["trust", "add-cosigner", file, &verifier, "--operator", &operator]);
        }
        let quorum: Value = serde_json::from_str(&self.stage.read(file)).unwrap();
        assert_eq!(quorum["cosigners"]["need"], need);
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let url = self.url();
        self.stage.run_words(&[&["--url", &url, "--format", "json"], arguments].concat())
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run}");
        run
    }

    /// What somebody who follows now finds: the size of the log, and who vouches for it.
    fn follow(&self, trust: &str, place: &str) -> Run {
        self.stage
            .run_words(&["--url", place, "--trust", trust, "--format", "json", "follow", "--once", "--into", "looker"])
    }

    /// Waits until enough have cosigned the whole log, and gives its size.
    fn until_cosigned(&self, trust: &str) -> u64 {
        // A follower that asks for cosigners reads no further than they cosigned: how long the log is, its server says.
        let size = self.size();
        until("enough cosign the whole log", || {
            let run = self.follow(trust, &self.url());
            assert_eq!(run.status, 0, "{run}");
            let told = run.json();
            told["outside"]["enough"] == true && told["size"] == size && told["outside"]["size"] == size
        });
        size
    }

    fn size(&self) -> u64 {
        self.must(&["log"]).json()["size"].as_u64().unwrap()
    }

    /// Something that makes the log longer.
    fn grow(&self, url: &str, title: &str) -> String {
        self.stage.write("flags.json", &format!("{{\"{title}\": true}}\n"));
        let proposal = ["--url", url, "--key", "ada", "--format", "json", "propose", "--target", "example/production"];
        let subject = ["--kind", "flag", "--file", "flags.json", "--command", "cat flags.json", "--title", title];
        // Whoever looks at both sides of a fork from one machine would be told so: these are two machines.
        let mut command = self.stage.command(PROGRAM);
        command.env("XDG_STATE_HOME", self.stage.path(&url.replace(['/', ':'], "-")));
        let output = command.args([&proposal[..], &subject[..], &WORDS[..]].concat()).output().unwrap();
        let run = Run::new(output, &self.stage.path(""));
        assert_eq!(run.status, 0, "{run}");
        run.json()["id"].as_str().unwrap().to_owned()
    }

    // The repository.

    fn git_output(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = self.stage.command("git");
        command.current_dir(self.stage.path(folder));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.com");
        }
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn git(&self, folder: &str, arguments: &[&str]) {
        let output = self.git_output(folder, arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `shop.git` behind a gate with this trust, and a clone of it.
    fn repository(&self, trust: &str) {
        self.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "shop.git"]);
        self.git(".", &["clone", "--quiet", "shop.git", "work"]);
        self.git("work", &["checkout", "--quiet", "-B", "main"]);
        self.commit("5");
        self.git("work", &["push", "--quiet", "origin", "main"]);
        let gate = ["--branch", "main", "--map", "**=example/production"];
        let install = ["--key", "ada", "gate", "install", "shop.git", "--name", "shop-git", "--trust", trust];
        self.must(&[&install[..], &gate[..]].concat());
    }

    fn commit(&self, text: &str) {
        self.stage.write("work/timeout", &format!("{text}\n"));
        self.git("work", &["add", "timeout"]);
        self.git("work", &["commit", "--quiet", "-m", text]);
    }

    /// What is committed and not pushed, proposed by Ada and approved by Grace.
    fn approved(&self) -> String {
        let change = self.proposed();
        self.must(&["--key", "grace", "approve", &change, "--git", "work"]);
        change
    }

    fn proposed(&self) -> String {
        let range = ["--git", "work", "--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD"];
        let proposal = ["--key", "ada", "propose", "--target", "example/production", "--kind", "config"];
        let run = self.must(&[&proposal[..], &range[..], &["--title", "Raise the timeout"], &WORDS[..]].concat());
        run.json()["id"].as_str().unwrap().to_owned()
    }

    /// What the gate says to a push; `None` if it passes.
    fn push(&self) -> Option<String> {
        let output = self.git_output("work", &["push", "--quiet", "origin", "main"]);
        (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
    }

    #[track_caller]
    fn is_refused(&self, code: &str) -> String {
        let said = self.push().unwrap_or_else(|| panic!("it passed, and not [{code}]"));
        assert!(said.contains(&format!("[{code}]")), "{said}");
        said
    }

    /// How old cosignatures may be for the gate.
    fn fresh(&self, secs: &str) {
        self.must(&["trust", "fresh", "shop.git/countersign/trust.json", "--tier-1", secs, "--others", secs]);
    }

    /// Something of the gate's, which knows its server.
    #[track_caller]
    fn gate_must(&self, arguments: &[&str]) {
        let run = self.stage.run_words(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run}");
    }

    fn gate_status(&self) -> Value {
        let run = self.run(&["gate", "status", "shop.git"]);
        run.json()
    }
}

const WORDS: [&str; 4] =
    ["--why", "the bank answers within eight seconds", "--rollback", "revert the commit, deploy again"];

fn serve(stage: &Stage, home: &str, address: &str) -> Running {
    let mut server = Running::start(stage, &["serve", "--home", home, "--listen", address]);
    // The line is printed once the server listens.
    let line = server.line();
    assert!(line.contains("http://"), "the server says `{line}`");
    server
}

/// A folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&old, &new);
        } else {
            fs::copy(&old, &new).unwrap();
        }
    }
}

impl Cosigner {
    fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// The first that it says.
    fn verifier(&mut self) -> String {
        self.running().told("cosigner")["cosigner"].as_str().unwrap().to_owned()
    }

    /// Stops it, as Ctrl-C does.
    #[track_caller]
    fn stop(&mut self) {
        assert_eq!(self.running.take().unwrap().interrupt(), Some(0));
    }
}

/// The names of those whose cosignatures somebody was told of, with their ages.
fn cosigned(outside: &Value) -> Vec<(String, i64)> {
    let lines = outside["cosigned"].as_array().unwrap().iter();
    lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["age_secs"].as_i64().unwrap())).collect()
}

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
    assert!(world.is_refused("denied-by-rules").contains("countersign review"));
    world.must(&["--key", "grace", "approve", &change, "--git", "work"]);
    world.until_cosigned("trust.json");
    assert_eq!(world.push(), None);
    let outside = &world.gate_status()["outside"];
    assert_eq!(outside["enough"], true);
    assert_eq!(cosigned(outside).len(), 2);
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");

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
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 3, "{status}");
    assert!(status.stdout.contains("no push is let through (`not-cosigned`)"), "{status}");
    assert!(status.stdout.contains("`two.example/f` of `two`"), "{status}");
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

/// A server that takes minutes to answer does not make cosignatures last longer, nor permits.
#[test]
fn cosignatures_that_grow_old_while_the_server_answers_open_nothing() {
    let one = free_address();
    let world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.repository("trust.json");
    world.commit("8");
    world.approved();
    world.git("work", &["push", "--quiet", "origin", "HEAD:refs/heads/beside"]);
    world.until_cosigned("trust.json");

    let late = Arc::new(AtomicI64::new(0));
    let slow = {
        let late = Arc::clone(&late);
        Proxy::before(&world.url(), move |method, path| {
            late.fetch_add(if method == "POST" { 400 } else { 0 }, Ordering::SeqCst);
            Answer::Of(path.to_owned())
        })
    };
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let config = fs::read_to_string(&path).unwrap().replace(&world.url(), &slow.url);
    fs::write(&path, config).unwrap();
    let id = |rev: &str| {
        let output = world.git_output("work", &["rev-parse", rev]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let updates = Update::parse_all(&format!("{} {} refs/heads/main\n", id("origin/main"), id("HEAD"))).unwrap();
    let gate = GitGate::open(&world.stage.path("shop.git")).unwrap();
    let clock = || clock::now().plus_secs(late.load(Ordering::SeqCst));
    let refused = pre_receive(&gate, &updates, &[], &clock).unwrap_err();
    assert_eq!(refused.code(), "not-cosigned", "{refused}");
    // A moment later it answers at once.
    late.store(0, Ordering::SeqCst);
    world.until_cosigned("trust.json");
    assert_eq!(pre_receive(&gate, &updates, &[], &clock::now).map(|reserved| reserved.len()).unwrap(), 1);
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
        let run = world.stage.run_on(
            "elsewhere",
            &[
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
            ],
        );
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
    // The gate reports the outcome after the push has ended.
    until("the outcome is in the log", || world.must(&["show", &change]).json()["state"] == "applied");
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

    // A ledger that lacks what others cosigned is not served, not even where it is to begin anew.
    world.server = None;
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "founded", "seen"] {
        drop(fs::remove_file(world.stage.path(&format!("home/{name}"))));
    }
    let run = world.stage.run("serve --home home --listen 127.0.0.1:0 --format json");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"ledger-behind-cosigners\""), "{run}");
}

/// The log was restored from an older copy, and a quorum said so: then it is cosigned again, and by nobody before that.
#[test]
fn a_cosigner_goes_over_to_an_epoch_that_a_quorum_began() {
    let one = free_address();
    let mut world = World::new(&[&one]);
    let mut cosigner = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut cosigner]);
    world.grow(&world.url(), "First");
    world.copy_of_the_home("older");
    world.grow(&world.url(), "Second");
    world.until_cosigned("trust.json");
    world.server = None;
    let founder = |words: &[&str]| {
        let run = world.stage.run_words(&[&["--format", "json"], words].concat());
        assert_eq!(run.status, 0, "{words:?}: {run}");
        run.json()
    };
    assert_eq!(founder(&["import", "older", "--home", "home", "--older"])["lost"], 1);
    let signed = founder(&["--key", "ada", "epoch", "home", "--why", "the disk was lost"]);
    founder(&["--key", "grace", "epoch", "home", "--cosign", signed["file"].as_str().unwrap()]);
    world.serve();
    world.until_cosigned("trust.json");
    assert!(world.stage.path("one.key.cosigned.lost").exists(), "what it cosigned before is kept");
    // Started anew, it goes on from there.
    cosigner.stop();
    world.grow(&world.url(), "Third");
    let _cosigner = world.cosigner("one", &one, &world.url());
    world.until_cosigned("trust.json");
}
