//! A stage for the program: a temporary folder that is its home and its working folder, keys made by the machine's
//! `ssh-keygen`, and an environment with nothing else in it.

use std::{
    fmt, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

pub struct Stage {
    folder: tempfile::TempDir,
    /// How far its clock is ahead, in seconds.
    ahead: AtomicU64,
}

/// What gives a program another clock (Debian's `faketime`); the loader knows `$LIB`.
const OTHER_CLOCK: &str = "/usr/$LIB/faketime/libfaketime.so.1";

impl Stage {
    pub fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap(), ahead: AtomicU64::new(0) };
        fs::create_dir_all(stage.path("user/.ssh")).unwrap();
        stage
    }

    /// With keys of these names.
    pub fn with_keys(names: &[&str]) -> Self {
        let stage = Self::new();
        names.iter().for_each(|name| drop(stage.key(name)));
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Makes a key pair, `NAME` and `NAME.pub`.
    pub fn key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let options = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
        let made = self.command("ssh-keygen").args(options).arg(&path).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        path
    }

    /// A program in this folder, with nothing of the machine's environment but its PATH.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("user"))
            .env("TMPDIR", self.folder.path().parent().unwrap())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CEILING_DIRECTORIES", self.folder.path())
            .stdin(Stdio::null());
        if self.ahead.load(Ordering::SeqCst) > 0 {
            // What measures how long something takes goes on as it was.
            command
                .env("LD_PRELOAD", OTHER_CLOCK)
                .env("FAKETIME", format!("+{}s", self.ahead.load(Ordering::SeqCst)))
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// Whatever starts from now on has a clock that is so far ahead of the machine's.
    pub fn is_ahead(&self, secs: u64) {
        self.ahead.store(secs, Ordering::SeqCst);
    }

    /// Runs `countersign` with these words, split at blanks.
    pub fn run(&self, words: &str) -> Run {
        self.run_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_words(&self, words: &[&str]) -> Run {
        self.run_on("user/.local/state", words)
    }

    /// The same on a machine that remembers in another folder.
    pub fn run_on(&self, machine: &str, words: &[&str]) -> Run {
        let mut command = self.command(env!("CARGO_BIN_EXE_countersign"));
        let output = command.env("XDG_STATE_HOME", self.path(machine)).args(words).output().unwrap();
        Run::new(output, self.folder.path())
    }

    /// Makes the home `home` of the founders `ada` and `grace`.
    pub fn home_of_two(&self) -> Run {
        let run =
            self.run("init home --name log --loosening-wait 0s --founder ada=ada@example.com=ada --founder grace=grace@example.com=grace");
        assert_eq!(run.status, 0, "{run}");
        run
    }
}

/// Waits for something that real processes bring about, and asks for it again and again.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within five minutes");
}

/// An archive with one empty file of this name, which nobody who makes archives would allow.
pub fn archive_with(name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    archive.append(&header, &b""[..]).unwrap();
    archive.into_inner().unwrap()
}

/// A server over the home `home`; stopped when dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Stage {
    pub fn serve(&self) -> Server {
        self.serve_on("127.0.0.1:0")
    }

    pub fn serve_on(&self, address: &str) -> Server {
        let mut child = self
            .command(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--home", "home", "--listen", address])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The line is printed once the server listens, so nobody has to wait and try.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("the server says `{line}`")).to_owned();
        Server { child, url }
    }
}

impl Server {
    /// Ends it as service managers do, and waits for that.
    pub fn end(mut self) {
        // A shell's own: a bare machine has no such program.
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
}

/// How a run of the program went, with what differs from run to run made alike.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(output: Output, folder: &Path) -> Self {
        let text = |bytes: Vec<u8>| redact(&String::from_utf8(bytes).unwrap(), folder);
        Self { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// What it printed, of a run that did what it was to do.
    #[track_caller]
    pub fn done(&self) -> serde_json::Value {
        assert_eq!(self.status, 0, "{self}");
        self.json()
    }

    /// The code of the error, of a run that printed JSON.
    #[track_caller]
    pub fn code(&self) -> String {
        let line = self.stderr.lines().last().unwrap_or_default();
        let error: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{self}"));
        error["error"]["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn is_refused(&self, status: i32, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self}");
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status {}", self.status)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// Paths, digests, fingerprints and keys.
fn redact(text: &str, folder: &Path) -> String {
    let text = text.replace(&format!("{}/", folder.display()), "");
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let text = after(&text, "sha256:", |c| c.is_ascii_hexdigit(), "[DIGEST]");
    let text = after(&text, "SHA256:", base64, "[KEY]");
    let text = after(&text, "ssh-ed25519 AAAA", base64, "[KEY]");
    after(&text, "log+", base64, "[LOG KEY]")
}

/// Replaces what follows a marker, as long as its characters are of a sort.
fn after(text: &str, marker: &str, sort: impl Fn(char) -> bool, with: &str) -> String {
    let mut parts = text.split(marker);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(marker);
        out.push_str(with);
        out.push_str(part.trim_start_matches(&sort));
    }
    out
}
