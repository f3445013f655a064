//! Running `git`: without its surroundings, with bounded answers, and as one long conversation.

use std::{
    env, io,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

/// What one command may answer: 20,000 paths need some 6 MB.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024 * 1024;
const MAX_STDERR_BYTES: u64 = 64 * 1024;
/// Variables that `git` may keep: where programs, libraries and temporary files are.
const KEPT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT"];

/// `git cat-file --batch-command`, kept open.
#[derive(Debug)]
pub(super) struct Batch {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Batch {
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self { child, stdin, stdout: BufReader::new(stdout) }),
            _ => Err(io::Error::other("its pipes are missing")),
        }
    }

    /// The header line that answers.
    pub fn ask(&mut self, verb: &str, name: &str) -> io::Result<String> {
        self.stdin.write_all(format!("{verb} {name}\0").as_bytes())?;
        self.stdin.flush()?;
        let mut header = Vec::new();
        if self.stdout.read_until(b'\n', &mut header)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(text(&header).trim_end_matches('\n').to_owned())
    }

    pub fn contents(&mut self, name: &str, size: usize) -> io::Result<Vec<u8>> {
        let header = self.ask("contents", name)?;
        if header.rsplit(' ').next() != Some(size.to_string().as_str()) {
            return Err(io::Error::other(format!("`{header}` is not the object of {size} bytes that was announced")));
        }
        let mut content = vec![0; size];
        self.stdout.read_exact(&mut content)?;
        self.stdout.read_exact(&mut [0])?;
        Ok(content)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Nothing can be done about a child that cannot be killed or is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Output {
    pub success: bool,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a command with bounded output.
pub(super) fn run(mut command: Command) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().map(|stderr| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // The rest is read and dropped, so that git never waits for us.
            let mut stderr = BufReader::new(stderr);
            let _ = (&mut stderr).take(MAX_STDERR_BYTES).read_to_end(&mut bytes);
            let _ = io::copy(&mut stderr, &mut io::sink());
            bytes
        })
    });
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut answer)?;
    }
    let too_much = answer.len() as u64 > MAX_OUTPUT_BYTES;
    if too_much {
        child.kill()?;
    }
    let status = child.wait()?;
    let stderr = stderr.and_then(|reader| reader.join().ok()).unwrap_or_default();
    if too_much {
        return Err(io::Error::other(format!("it answers more than {MAX_OUTPUT_BYTES} bytes")));
    }
    Ok(Output {
        success: status.success(),
        code: status.code(),
        stdout: answer,
        stderr: text(&stderr).trim().to_owned(),
    })
}

/// `git` without anything of its surroundings.
pub(super) fn hermetic() -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    command
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
