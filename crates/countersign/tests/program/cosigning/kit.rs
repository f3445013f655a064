//! A log with cosigners, and somebody who works behind its gate: real processes on the loopback interface.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Run, Stage};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// Waits for something that real processes bring about.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..900 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within 90 s");
}

/// An address on which nobody listens.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A process that is ended when it is dropped.
pub struct Running {
    pub child: Child,
    pub said: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(stage: &Stage, arguments: &[&str]) -> Self {
        let mut command = stage.command(PROGRAM);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that it prints; empty when it has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    /// The next object that it prints with this field.
    #[track_caller]
    pub fn told(&mut self, field: &str) -> Value {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended without a word of `{field}`");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if value.get(field).is_some() {
                return value;
            }
        }
    }

    pub fn status(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// As Ctrl-C does.
    pub fn interrupt(mut self) -> Option<i32> {
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
pub struct World {
    pub stage: Stage,
    pub address: String,
    pub server: Option<Running>,
}

pub struct Cosigner {
    name: String,
    running: Option<Running>,
}

impl World {
    /// A server that asks the cosigners at these addresses.
    pub fn new(cosigners: &[&str]) -> Self {
        let stage = Stage::with_keys(&["ada", "grace"]);
        stage.home_of_two();
        let mut world = Self { stage, address: free_address(), server: None };
        world.ask("home", cosigners);
        world.serve();
        world
    }

    /// Whom the server over a home asks.
    pub fn ask(&self, home: &str, cosigners: &[&str]) {
        let path = self.stage.path(home).join("countersign.yaml");
        let list: Vec<String> = cosigners.iter().map(|address| format!("\"http://{address}\"")).collect();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("cosigners:") {
            true => format!("cosigners: [{}]\n", list.join(", ")),
            false => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn serve(&mut self) {
        self.server = Some(serve(&self.stage, "home", &self.address));
    }

    /// A copy of the home as it is now; the server is stopped for it.
    pub fn copy_of_the_home(&mut self, name: &str) {
        self.server = None;
        copy(&self.stage.path("home"), &self.stage.path(name));
        self.serve();
    }

    /// Starts a cosigner of this name, with the copy and the key of that name.
    pub fn cosigner(&self, name: &str, address: &str, url: &str) -> Cosigner {
        let (copy, key, called) = (format!("{name}.copy"), format!("{name}.key"), format!("{name}.example/f"));
        let mut arguments =
            vec!["--url", url, "--trust", "home/trust.json", "--format", "json", "follow", "--every", "1"];
        arguments.extend(["--into", &copy, "--cosign", &key, "--name", &called, "--listen", address]);
        Cosigner { name: name.to_owned(), running: Some(Running::start(&self.stage, &arguments)) }
    }

    /// A trust.json that counts these cosigners; all of the first `need`.
    pub fn trust(&self, file: &str, need: usize, cosigners: &mut [&mut Cosigner]) {
        fs::copy(self.stage.path("home/trust.json"), self.stage.path(file)).unwrap();
        for cosigner in cosigners.iter_mut() {
            let verifier = cosigner.verifier();
            let operator = cosigner.name.clone();
            self.must(&["trust", "add-cosigner", file, &verifier, "--operator", &operator]);
        }
        let quorum: Value = serde_json::from_str(&self.stage.read(file)).unwrap();
        assert_eq!(quorum["cosigners"]["need"], need);
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        let url = self.url();
        self.stage.run_words(&[&["--url", &url, "--format", "json"], arguments].concat())
    }

    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run}");
        run
    }

    /// What somebody who follows now finds: the size of the log, and who vouches for it.
    pub fn follow(&self, trust: &str, place: &str) -> Run {
        self.stage
            .run_words(&["--url", place, "--trust", trust, "--format", "json", "follow", "--once", "--into", "looker"])
    }

    /// Waits until enough have cosigned the whole log, and gives its size.
    pub fn until_cosigned(&self, trust: &str) -> u64 {
        let mut size = 0;
        until("enough cosign the whole log", || {
            let run = self.follow(trust, &self.url());
            assert_eq!(run.status, 0, "{run}");
            let told = run.json();
            size = told["size"].as_u64().unwrap();
            told["outside"]["enough"] == true && told["outside"]["size"] == size
        });
        size
    }

    pub fn size(&self) -> u64 {
        self.must(&["log"]).json()["size"].as_u64().unwrap()
    }

    /// Something that makes the log longer.
    pub fn grow(&self, url: &str, title: &str) -> String {
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

    pub fn git_output(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = self.stage.command("git");
        command.current_dir(self.stage.path(folder));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.com");
        }
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    pub fn git(&self, folder: &str, arguments: &[&str]) {
        let output = self.git_output(folder, arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `shop.git` behind a gate with this trust, and a clone of it.
    pub fn repository(&self, trust: &str) {
        self.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "shop.git"]);
        self.git(".", &["clone", "--quiet", "shop.git", "work"]);
        self.git("work", &["checkout", "--quiet", "-B", "main"]);
        self.commit("5");
        self.git("work", &["push", "--quiet", "origin", "main"]);
        let gate = ["--branch", "main", "--map", "**=example/production"];
        let install = ["--key", "ada", "gate", "install", "shop.git", "--name", "shop-git", "--trust", trust];
        self.must(&[&install[..], &gate[..]].concat());
    }

    pub fn commit(&self, text: &str) {
        self.stage.write("work/timeout", &format!("{text}\n"));
        self.git("work", &["add", "timeout"]);
        self.git("work", &["commit", "--quiet", "-m", text]);
    }

    /// What is committed and not pushed, proposed by Ada and approved by Grace.
    pub fn approved(&self) -> String {
        let change = self.proposed();
        self.must(&["--key", "grace", "approve", &change, "--git", "work"]);
        change
    }

    pub fn proposed(&self) -> String {
        let range = ["--git", "work", "--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD"];
        let proposal = ["--key", "ada", "propose", "--target", "example/production", "--kind", "config"];
        let run = self.must(&[&proposal[..], &range[..], &["--title", "Raise the timeout"], &WORDS[..]].concat());
        run.json()["id"].as_str().unwrap().to_owned()
    }

    /// What the gate says to a push; `None` if it passes.
    pub fn push(&self) -> Option<String> {
        let output = self.git_output("work", &["push", "--quiet", "origin", "main"]);
        (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
    }

    #[track_caller]
    pub fn is_refused(&self, code: &str) -> String {
        let said = self.push().unwrap_or_else(|| panic!("it passed, and not [{code}]"));
        assert!(said.contains(&format!("[{code}]")), "{said}");
        said
    }

    /// How old cosignatures may be for the gate.
    pub fn fresh(&self, secs: &str) {
        self.must(&["trust", "fresh", "shop.git/countersign/trust.json", "--tier-1", secs, "--others", secs]);
    }

    pub fn gate_status(&self) -> Value {
        let run = self.run(&["gate", "status", "shop.git"]);
        run.json()
    }
}

pub const WORDS: [&str; 4] =
    ["--why", "the bank answers within eight seconds", "--rollback", "revert the commit, deploy again"];

pub fn serve(stage: &Stage, home: &str, address: &str) -> Running {
    let mut server = Running::start(stage, &["serve", "--home", home, "--listen", address]);
    // The line is printed once the server listens.
    let line = server.line();
    assert!(line.contains("http://"), "the server says `{line}`");
    server
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
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
    pub fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// The first that it says.
    pub fn verifier(&mut self) -> String {
        self.running().told("cosigner")["cosigner"].as_str().unwrap().to_owned()
    }

    /// Stops it, as Ctrl-C does.
    #[track_caller]
    pub fn stop(&mut self) {
        assert_eq!(self.running.take().unwrap().interrupt(), Some(0));
    }
}

/// The names of those whose cosignatures somebody was told of, with their ages.
pub fn cosigned(outside: &Value) -> Vec<(String, i64)> {
    let lines = outside["cosigned"].as_array().unwrap().iter();
    lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["age_secs"].as_i64().unwrap())).collect()
}
