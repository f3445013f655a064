//! Histories made in a moment: commits of any bytes, through `git fast-import`.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::support::{Run, Stage};

/// 2023-11-14T22:13:20Z.
pub const EPOCH: i64 = 1_700_000_000;

/// A stream for `git fast-import`. Commits are numbered from 1.
#[derive(Default)]
pub struct History {
    stream: Vec<u8>,
    commits: usize,
}

pub struct Commit<'a> {
    pub branch: &'a str,
    pub parents: &'a [usize],
    pub author: &'a str,
    pub committer: &'a str,
    pub at: i64,
    /// So long before that it was written.
    pub written_before: i64,
    pub message: &'a [u8],
    pub files: &'a [&'a [u8]],
    /// Files with what they hold.
    pub contents: &'a [(&'a str, &'a [u8])],
    /// Symbolic links, with where they lead.
    pub links: &'a [(&'a str, &'a str)],
}

impl Default for Commit<'_> {
    fn default() -> Self {
        Self {
            branch: "main",
            parents: &[],
            author: "Ada Lovelace <ada@shop.test>",
            committer: "Ada Lovelace <ada@shop.test>",
            at: EPOCH,
            written_before: 0,
            message: b"change",
            files: &[b"src/a"],
            contents: &[],
            links: &[],
        }
    }
}

impl History {
    pub fn commit(&mut self, commit: &Commit<'_>) -> usize {
        self.commits += 1;
        let mut head = format!("commit refs/heads/{}\nmark :{}\n", commit.branch, self.commits);
        writeln!(head, "author {} {} +0000", commit.author, commit.at - commit.written_before).unwrap();
        writeln!(head, "committer {} {} +0000", commit.committer, commit.at).unwrap();
        writeln!(head, "data {}", commit.message.len()).unwrap();
        self.stream.extend(head.bytes());
        self.stream.extend(commit.message);
        for (at, parent) in commit.parents.iter().enumerate() {
            self.stream.extend(format!("\n{} :{parent}", if at == 0 { "from" } else { "merge" }).bytes());
        }
        for file in commit.files {
            let content = format!("{} {}", self.commits, commit.branch);
            self.stream.extend(b"\nM 100644 inline ");
            self.stream.extend(*file);
            self.stream.extend(format!("\ndata {}\n{content}", content.len()).bytes());
        }
        for (file, content) in commit.contents {
            let head = format!("\nM 100644 inline {file}\ndata {}\n", content.len());
            self.stream.extend(head.bytes());
            self.stream.extend(*content);
        }
        for (link, to) in commit.links {
            let head = format!("\nM 120000 inline {link}\ndata {}\n{to}", to.len());
            self.stream.extend(head.bytes());
        }
        self.stream.extend(b"\n\n");
        self.commits
    }

    /// A chain on `main`, one commit for each message, a day apart.
    pub fn chain(messages: &[&str]) -> Self {
        let mut history = Self::default();
        for message in messages {
            let parents: Vec<usize> = (history.commits > 0).then_some(history.commits).into_iter().collect();
            let at = EPOCH + 86_400 * i64::try_from(history.commits).unwrap();
            history.commit(&Commit { parents: &parents, at, message: message.as_bytes(), ..Commit::default() });
        }
        history
    }

    /// A note on a commit.
    pub fn note(&mut self, reference: &str, on: usize, text: &str) {
        let head = format!("commit {reference}\ncommitter N <n@x> {EPOCH} +0000\ndata 0\n");
        let before =
            if self.stream.windows(head.len()).any(|part| part == head.as_bytes()) { String::new() } else { head };
        self.stream.extend(format!("{before}N inline :{on}\ndata {}\n{text}\n", text.len()).bytes());
    }
}

impl Stage {
    /// Makes a bare repository of that name.
    pub fn bare(&self, name: &str, history: &History) -> PathBuf {
        self.bare_of(name, history, "sha1")
    }

    pub fn bare_of(&self, name: &str, history: &History, format: &str) -> PathBuf {
        self.git(&["init", "--quiet", "--bare", "--initial-branch=main", &format!("--object-format={format}"), name]);
        self.import(name, history);
        self.path(name)
    }

    /// Adds branches to a repository.
    pub fn import(&self, name: &str, history: &History) {
        let options = ["-C", name, "fast-import", "--quiet", "--date-format=raw-permissive"];
        let mut import = self.git_command(&options).stdin(Stdio::piped()).spawn().unwrap();
        import.stdin.take().unwrap().write_all(&history.stream).unwrap();
        assert!(import.wait().unwrap().success());
    }

    fn git_command(&self, args: &[&str]) -> Command {
        let mut command = self.command("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(["-c", "protocol.file.allow=always"]).args(args);
        command
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = self.git_command(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The JSON report, which has to come.
    pub fn audit(&self, words: &str) -> serde_json::Value {
        let run = self.run(&format!("audit --format json {words}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
        add_up(&run);
        run.json()
    }
}

fn add_up(run: &Run) {
    let report = run.json();
    let sum = |part: &str| report[part].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((Some(sum("grades")), Some(sum("ai"))), (report["landed"].as_u64(), report["landed"].as_u64()), "{run}");
    let landed = |periods: &serde_json::Value| {
        periods.as_array().unwrap().iter().map(|period| period["landed"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(Some(landed(&report["carrying"]["periods"])), report["landed"].as_u64(), "{run}");
    for area in report["areas"].as_array().unwrap() {
        assert_eq!(Some(landed(&area["periods"])), area["landed"].as_u64(), "{area}");
    }
}
