//! A whole world: people with keys, a home, a running server, a bare repository behind a gate, and a clone to work in.
//! Everything goes through the real binary, real `git` and real hooks; the server runs in this process, so that a test
//! can reach into it and make it lie.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use countersign::{
    api,
    client::Client,
    clock,
    engine::{Engine, Setup, guidance::GuidanceSource},
    home::{Blueprint, Config, Home, HomeError, shipped},
    notify::Notifier,
    random,
    ring::Ring,
    signer::SshKeygen,
    speaker::{Hand, InFrontOf, SpeakError, Speaker},
    store,
    wire::Receipt,
};
use countersign_core::{
    canonical,
    catalog::Level,
    governance::{GovernanceRecord, replacements},
    ids::{ChangeId, Oid, Target},
    kind::{Kind, Purpose},
    statement::{Approval, Body, Founder, Proposal, Publication, PublishedChange, RevisionRef, Seen, SeenCheckpoint},
    subject::{GovernanceSubject, Subject},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Envelope, SigningKey};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::support::{Run, Stage, until};

/// Documentation that satisfies every tier.
const WORDS: [&str; 8] = [
    "--why",
    "the bank answers within eight seconds at month end",
    "--risk",
    "slow requests could pile up",
    "--rollback",
    "git revert, then deploy again",
    "--tests",
    "load test 4711 in staging",
];

pub struct World {
    pub stage: Stage,
    pub home: Home,
    /// Whose machine commands run on: what it remembers of the log lies in a folder of this name.
    pub machine: String,
    /// Where the next server that is started reads guidance.
    pub guidance: Vec<GuidanceSource>,
    server: Option<Server>,
}

/// A server, until it is dropped.
pub struct Server {
    pub engine: Arc<Engine>,
    pub url: String,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    fn start(home: &Home, store_address: &str, guidance: Vec<GuidanceSource>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (engine, listener) = runtime.block_on(async {
            let setup = Setup {
                store: store::open(store_address, &home.store_options()).await.unwrap(),
                keys: Arc::new(Ring::looking(home.key_reader())),
                genesis: home.genesis().clone(),
                genesis_blobs: home.genesis_files().unwrap().blobs(),
                guidance,
                clock: Arc::new(clock::now),
                uptime: None,
            };
            let engine = Arc::new(Engine::open(setup).await.unwrap().keeping(home.shelf()));
            (engine, api::bind(([127, 0, 0, 1], 0).into()).await.unwrap())
        });
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(api::serve(Arc::clone(&engine), listener, async { drop(stopped.await) }));
        Self { engine, url, runtime: Some(runtime), stop: Some(stop) }
    }
}

impl Server {
    /// Tells this address what is loud, from here on.
    pub fn notify(&self, url: &str) {
        self.runtime.as_ref().unwrap().spawn(Notifier::of(Arc::clone(&self.engine), url).run());
    }

    /// Runs something beside the server.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }
}

/// Somebody who speaks to the API with a key, past the command line and whatever it checks.
pub struct Voice {
    pub speaker: Speaker,
    pub log: InFrontOf,
}

impl Voice {
    pub fn sign(&self, body: Body) -> Envelope {
        self.speaker.sign(&self.log, body).unwrap()
    }

    pub fn say(&self, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt, SpeakError> {
        self.speaker.say(&self.log, body, blobs)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody listens any more where it has stopped by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(runtime) = self.runtime.take() {
            // As a server does that ends. Connections that are let go at once leave SQLite's log behind, as each sees the other there.
            let closing = async { tokio::time::timeout(Duration::from_secs(5), self.engine.store().close()).await };
            drop(runtime.block_on(closing));
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl World {
    /// People with their levels; the first two found the log. All of them own `checkout` (tier 2), `search` (tier 3) and
    /// `payments` (tier 1). The repository `shop.git` has branches `main` and `release` and no gate yet.
    pub fn new(people: &[(&str, Level)]) -> Self {
        // What is said of waiting has tests of its own.
        Self::with_settings(people, "loosening_wait_secs: 0")
    }

    /// With these settings of the catalog.
    pub fn with_settings(people: &[(&str, Level)], settings: &str) -> Self {
        let stage = Stage::new();
        let mut catalog = String::from(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: owners\nspec:\n  children: []\n",
        );
        for (system, tier) in [("payments", 1), ("checkout", 2), ("search", 3)] {
            write!(
                catalog,
                "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {system}\n  annotations:\n    \
                 countersign/tier: \"{tier}\"\nspec:\n  owner: owners\n"
            )
            .unwrap();
        }
        let mut founders = Vec::new();
        for (name, level) in people {
            let key = SshKeygen::new(stage.key(name)).unwrap();
            write!(
                catalog,
                "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
                 countersign/level: {}\n    countersign/keys: {}\nspec:\n  profile:\n    email: {name}@example.com\n  \
                 memberOf: [owners]\n",
                level.as_str(),
                key.public()
            )
            .unwrap();
            founders.push(Founder { person: name.parse().unwrap(), key: key.public().clone() });
        }
        founders.truncate(2);
        let guidance = GuidanceSource {
            repository: "shop".parse().unwrap(),
            path: stage.path("shop.git"),
            branch: "main".to_owned(),
        };
        let text = format!("version: 1\norigin: world\ncatalog: {{{settings}}}\n");
        let config =
            Config { guidance: vec![guidance.clone()], ..Config::parse(&text, "countersign.yaml".as_ref()).unwrap() };
        let threshold = u32::try_from(founders.len()).unwrap();
        let blueprint = Blueprint {
            config,
            founders,
            threshold,
            recovery_quorum: threshold,
            catalog: [("catalog.yaml".to_owned(), catalog)].into(),
            rules: shipped::files(),
        };
        let home = Home::create::<HomeError>(&stage.path("home"), blueprint, |draft| {
            let keys =
                draft.founders.iter().map(|founder| SshKeygen::new(stage.path(founder.person.as_str())).unwrap());
            Ok(keys.map(|key| key.sign(&draft.payload).unwrap()).collect())
        })
        .unwrap();
        let guidance = vec![guidance];
        let server = Some(Server::start(&home, &home.store_address(), guidance.clone()));
        let world = Self { stage, home, machine: "user/.local/state".to_owned(), guidance, server };
        world.first_history();
        world
    }

    /// A world whose repository has a gate before `main` and `release`.
    pub fn governed(people: &[(&str, Level)]) -> Self {
        let world = Self::new(people);
        let run = world.install("");
        assert_eq!(run.status, 0, "{run}");
        world
    }

    /// Four people, of whom `bob` is a senior.
    pub fn usual() -> Self {
        let standard = Level::Standard;
        Self::governed(&[("alice", standard), ("bob", Level::Senior), ("carol", standard), ("dave", standard)])
    }

    fn first_history(&self) {
        self.must("git", &["init", "--quiet", "--bare", "--initial-branch=main", "shop.git"]);
        self.must("git", &["clone", "--quiet", "shop.git", "work"]);
        self.git(&["checkout", "--quiet", "-B", "main"]);
        for (name, text) in [("checkout/timeout", "5\n"), ("search/limit", "10\n"), ("payments/retries", "3\n")] {
            self.write(name, text);
        }
        self.write(
            "docs/runbook.md",
            "---\nlast_reviewed_on: 2026-11-01\nreview_in: 1 year\nowner: bob\n---\nHow to.\n",
        );
        self.commit("first");
        self.git(&["push", "--quiet", "origin", "main", "main:release"]);
    }

    pub fn install(&self, further: &str) -> Run {
        let server = self.server();
        self.stage.run(&format!(
            "--url {} --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main --branch \
             release --map checkout/**=checkout/production --map search/**=search/production --map \
             payments/**=payments/production --map docs/**=search/production {further}",
            server.url
        ))
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn stop_server(&mut self) {
        self.server = None;
    }

    /// Starts another server over a store, at another address.
    pub fn serve_store(&mut self, store_address: &str) {
        self.stop_server();
        self.server = Some(Server::start(&self.home, store_address, self.guidance.clone()));
    }

    /// The same, and the gate is told the address.
    pub fn start_server(&mut self, store_address: &str) {
        self.serve_store(store_address);
        self.tell_the_gate(&self.server().url);
    }

    /// The gate follows and asks at this address from now on.
    pub fn tell_the_gate(&self, url: &str) {
        let path = self.stage.path("shop.git/countersign/gate.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("url: ") {
            true => format!("url: \"{url}\"\n"),
            false => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).unwrap();
    }

    /// Copies the store as it is now, and gives the copy's address. The server is stopped for it.
    pub fn copy_of_the_store(&mut self, name: &str) -> String {
        self.stop_server();
        let original = self.home.store_address();
        let original = original.strip_prefix("sqlite:").unwrap();
        for ending in ["", "-wal", "-shm"] {
            let from = PathBuf::from(format!("{original}{ending}"));
            if from.exists() {
                fs::copy(&from, self.stage.path(&format!("{name}{ending}"))).unwrap();
            }
        }
        self.serve_store(&self.home.store_address());
        if self.stage.path("shop.git/countersign/gate.yaml").exists() {
            self.tell_the_gate(&self.server().url);
        }
        format!("sqlite:{}", self.stage.path(name).display())
    }

    /// A secret key of somebody here.
    pub fn key(&self, who: &str) -> SigningKey {
        SigningKey::from_openssh(&self.stage.read(who)).unwrap()
    }

    /// Somebody in front of the log as it is now.
    pub fn voice(&self, who: &str) -> Voice {
        let client = Client::new(&self.server().url);
        let log = client.log().unwrap();
        let checkpoint = SeenCheckpoint { root: log.root, size: log.size };
        let epoch = client.epochs().unwrap().last().map(|hint| hint.number);
        let hand = Hand::Gate(self.key(who));
        Voice {
            speaker: Speaker { client, hand, me: who.parse().unwrap() },
            log: InFrontOf { origin: log.origin, checkpoint, epoch },
        }
    }

    /// Puts governance into force by a change of alice's that bob approves: `edit` is given the files in force and changes them.
    pub fn publish(&self, edit: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        let alice = self.voice("alice");
        let (proposal, subject, blobs) = self.amendment(edit);
        let (text, targets) = (proposal.text, proposal.targets.clone());
        let reviewed = proposal.subject.clone();
        let envelope = alice.sign(Body::Proposal(proposal));
        alice.speaker.client.submit(&envelope, &blobs).unwrap();
        let revision = RevisionRef { digest: envelope.payload_digest(), number: 1 };
        let change = ChangeId::of_proposal(&revision.digest);
        let bob = self.voice("bob");
        let approval =
            Approval { change: change.clone(), reviewed, revision, seen: Seen::Material, targets, within: None };
        bob.speaker.client.submit(&bob.sign(Body::Approval(approval)), &[]).unwrap();
        let GovernanceSubject { files, parent, semantics } = subject;
        let change = Some(PublishedChange { id: change, revision });
        let body = Body::Publication(Publication { change, files, parent, reason: text, semantics });
        let alice = self.voice("alice");
        alice.speaker.client.submit(&alice.sign(body), &[]).unwrap();
    }

    /// A workload with a key, which may attest these kinds.
    pub fn add_workload(&self, name: &str, attests: &[&str]) {
        let key = SshKeygen::new(self.stage.key(name)).unwrap();
        self.publish(|files| {
            let path = "people/_.json";
            let people = files.get(path).map(|bytes| serde_json::from_slice(bytes).unwrap());
            let mut people: serde_json::Value = people.unwrap_or_else(|| serde_json::json!({}));
            people[name] = serde_json::json!({ "keys": [key.public()], "kind": "workload", "level": "standard" });
            if !attests.is_empty() {
                people[name]["attests"] = attests.into();
            }
            files.insert(path.to_owned(), canonical::to_bytes(&people).unwrap());
            let path = "profiles/_.json";
            let profiles = files.get(path).map(|bytes| serde_json::from_slice(bytes).unwrap());
            let salt = "00112233445566778899aabbccddeeff";
            let mut profiles = profiles.unwrap_or_else(|| serde_json::json!({ "people": {}, "salt": salt }));
            profiles["people"][name] = serde_json::json!({ "mails": [format!("{name}@example.com")] });
            files.insert(path.to_owned(), canonical::to_bytes(&profiles).unwrap());
        });
    }

    /// What would replace the files in force by those that `edit` makes of them.
    pub fn amendment(
        &self,
        edit: impl FnOnce(&mut BTreeMap<String, Vec<u8>>),
    ) -> (Proposal, GovernanceSubject, Vec<Vec<u8>>) {
        let (record, mut files) = self.in_force();
        edit(&mut files);
        let replaced = replacements(&record.files, &files);
        let manifest = canonical::to_bytes(&replaced).unwrap();
        let subject = GovernanceSubject { files: Digest::of(&manifest), parent: record.in_force, semantics: None };
        let named = Subject::Governance(subject.clone());
        let text = ProposalText {
            salt: random::nonce(),
            title: "Better so".to_owned(),
            why: "better so".to_owned(),
            risk: String::new(),
            rollback: String::new(),
            tests: String::new(),
            links: Vec::new(),
        };
        let bytes = text.to_blob().unwrap();
        let proposal = Proposal {
            documents: text.documents(),
            facts: None,
            identities: None,
            kind: Kind::Rules,
            purpose: Purpose::default(),
            sponsor: None,
            subject: named.reference().unwrap(),
            targets: [Target::governance()].into(),
            text: Digest::of(&bytes),
        };
        let new = files.into_values().filter(|file| replaced.values().any(|named| *named == Some(Digest::of(file))));
        (proposal, subject, [manifest, bytes, named.to_blob().unwrap()].into_iter().chain(new).collect())
    }

    /// The files in force, and the record that names them.
    pub fn in_force(&self) -> (GovernanceRecord, BTreeMap<String, Vec<u8>>) {
        let server = self.server();
        let (record, blobs) = server.block_on(async {
            let record = server.engine.governance().await.unwrap().record.clone();
            let digests: Vec<Digest> = record.files.values().copied().collect();
            (record, server.engine.blobs(&digests).await.unwrap())
        });
        let files = record.files.iter().map(|(path, digest)| (path.clone(), blobs[digest].clone())).collect();
        (record, files)
    }

    /// A publication that raises the semantics, signed by alice and bob, with its blobs.
    pub fn raise(&self, semantics: u32) -> (Envelope, Vec<Vec<u8>>) {
        let manifest = b"{}".to_vec();
        let reason = Reason { salt: random::nonce(), why: "better so".to_owned() }.to_blob().unwrap();
        let by_alice = self.voice("alice").sign(Body::Publication(Publication {
            change: None,
            files: Digest::of(&manifest),
            parent: self.in_force().0.in_force,
            reason: Digest::of(&reason),
            semantics: Some(semantics),
        }));
        let bob = self.key("bob").sign(by_alice.payload()).unwrap();
        let both = vec![by_alice.signatures()[0].clone(), bob];
        (Envelope::new(by_alice.payload(), both).unwrap(), vec![manifest, reason])
    }

    // In the clone.

    pub fn write(&self, name: &str, text: &str) {
        self.stage.write(&format!("work/{name}"), text);
    }

    fn git_command(&self) -> Command {
        let mut command = self.stage.command("git");
        command.current_dir(self.stage.path(if self.stage.path("work").exists() { "work" } else { "." }));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Alice").env(format!("GIT_{who}_EMAIL"), "alice@example.com");
        }
        command
    }

    /// Runs git in the clone, as Alice.
    pub fn try_git(&self, args: &[&str]) -> Output {
        self.git_command().args(args).output().unwrap()
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn must(&self, program: &str, args: &[&str]) {
        let output = self.stage.command(program).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn commit(&self, message: &str) -> Oid {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    /// Changes one file on a new branch from `origin/main`, and commits.
    pub fn edit(&self, branch: &str, name: &str, text: &str) -> Oid {
        self.git(&["checkout", "--quiet", "-B", branch, "origin/main"]);
        self.write(name, text);
        self.commit(&format!("edit {name}"))
    }

    pub fn id(&self, rev: &str) -> Oid {
        self.git(&["rev-parse", rev]).parse().unwrap()
    }

    /// Pushes from the clone: `world.push(&["HEAD:main"])`.
    pub fn push(&self, args: &[&str]) -> Push {
        let output = self.try_git(&[&["push", "--quiet", "origin"], args].concat());
        self.settle();
        self.went(output)
    }

    /// Waits for whoever tells the log what came of a push, which nobody who pushes does.
    pub fn settle(&self) {
        let folder = self.stage.path("").canonicalize().unwrap();
        let tells = |process: &std::path::Path| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            command.windows(12).any(|word| word == b"post-receive")
                && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
        };
        until("the log is told", || {
            let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
            !processes.any(|process| tells(&process))
        });
    }

    // In the bare repository, as somebody with a shell on the server.

    fn went(&self, output: Output) -> Push {
        let raw = String::from_utf8(output.stderr).unwrap();
        Push { passed: output.status.success(), said: self.redact(&raw), raw }
    }

    pub fn in_bare(&self, args: &[&str]) -> Push {
        let mut command = self.git_command();
        let output = command.current_dir(self.stage.path("shop.git")).args(args).output().unwrap();
        self.went(output)
    }

    pub fn tip(&self, branch: &str) -> Oid {
        let mut command = self.git_command();
        let output =
            command.current_dir(self.stage.path("shop.git")).args(["rev-parse", branch]).output().unwrap().stdout;
        String::from_utf8(output).unwrap().trim().parse().unwrap()
    }

    // With the command line.

    /// Runs `countersign` as somebody, against the server.
    pub fn say(&self, who: &str, args: &[&str]) -> Run {
        self.say_to(&self.server().url, who, args)
    }

    /// The same, against another address than the server's.
    pub fn say_to(&self, url: &str, who: &str, args: &[&str]) -> Run {
        let options = ["--url", url, "--key", who, "--format", "json"];
        self.stage.run_on(&self.machine, &[&options[..], args].concat())
    }

    /// Proposes `origin/main..HEAD` of the clone for `main`.
    pub fn propose(&self, who: &str, targets: &[&str]) -> String {
        self.propose_for(who, targets, "main", "origin/main..HEAD")
    }

    pub fn propose_for(&self, who: &str, targets: &[&str], branch: &str, range: &str) -> String {
        let mut args = vec!["propose", "--again", "--kind", "code", "--title", "Raise the timeout", "--git", "work"];
        args.extend(["--repository", "shop"]);
        args.extend(["--branch", branch, "--range", range]);
        targets.iter().for_each(|target| args.extend(["--target", target]));
        args.extend(WORDS);
        let run = self.say(who, &args);
        assert_eq!(run.status, 0, "{run}");
        run.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn approve(&self, who: &str, change: &str) {
        let run = self.say(who, &["approve", change, "--git", "work"]);
        assert_eq!(run.status, 0, "{run}");
    }

    pub fn state(&self, change: &str) -> String {
        self.say("alice", &["show", change]).json()["state"].as_str().unwrap().to_owned()
    }

    /// Makes alike what differs from run to run: change ids and commits by the order in which they appear.
    fn redact(&self, text: &str) -> String {
        let text = text.replace(&format!("{}/", self.stage.path("").display()).replace("//", "/"), "");
        let mut known: Vec<String> = Vec::new();
        let mut out = String::new();
        for line in text.lines() {
            let line = without_moments(&of_a_checkpoint(line.trim_end()));
            let mut word = String::new();
            for c in line.chars().chain(['\n']) {
                if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
                    word.push(c);
                    continue;
                }
                if matches!(word.len(), 10 | 12 | 16 | 32 | 40 | 64) {
                    // A whole id of a change is known by what is shown of it.
                    if word.len() == 32 {
                        word.truncate(12);
                    }
                    let place = known.iter().position(|seen| *seen == word).unwrap_or_else(|| {
                        known.push(word.clone());
                        known.len() - 1
                    });
                    write!(out, "[{}]", ('A'..='Z').nth(place).unwrap_or('?')).unwrap();
                } else {
                    out.push_str(&word);
                }
                word.clear();
                out.push(c);
            }
        }
        out.replace(env!("CARGO_BIN_EXE_countersign"), "countersign")
    }
}

/// `2026-11-27T06:54:39Z` as `[MOMENT]`.
fn without_moments(line: &str) -> String {
    let is_one = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z') && word.contains('T');
    let word = |word: &str| match word.get(..20) {
        Some(begins) if is_one(begins) => word.replacen(begins, "[MOMENT]", 1),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A line with what differs in every checkpoint left out: its root, and its signature.
fn of_a_checkpoint(line: &str) -> String {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let (before, last) = line.rsplit_once(' ').unwrap_or(("", line));
    if last.len() < 44 || !last.chars().all(base64) || last.chars().all(|c| c.is_ascii_hexdigit()) {
        return line.to_owned();
    }
    format!("{before} {}", if before.contains('—') { "[SIGNATURE]" } else { "[ROOT]" })
}

/// How a push, or another command of git, went.
pub struct Push {
    pub passed: bool,
    pub said: String,
    /// The same, with what differs from run to run.
    pub raw: String,
}

impl Push {
    /// The code in the first line of a refusal.
    pub fn code(&self) -> Option<&str> {
        let line = self.said.lines().find(|line| line.contains("countersign: "))?;
        line.strip_suffix(']')?.rsplit_once('[').map(|(_, code)| code)
    }

    /// What the gate said, without what git says around it.
    pub fn told(&self) -> String {
        let lines = self.said.lines().filter_map(|line| line.strip_prefix("remote: "));
        lines.filter(|line| line.starts_with("countersign:")).map(|line| format!("{line}\n")).collect()
    }

    #[track_caller]
    pub fn passes(&self) {
        assert!(self.passed, "{}", self.said);
    }

    #[track_caller]
    pub fn is_refused(&self, code: &str) {
        assert!(!self.passed, "it passed");
        assert_eq!(self.code(), Some(code), "{}", self.said);
    }
}
