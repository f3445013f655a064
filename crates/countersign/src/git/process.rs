//! Running `git`: without its surroundings, with bounded answers, and as long conversations.

use std::{
    env, fs, io,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread,
};

use crate::unix;

/// What one command may answer: 20,000 paths need some 6 MB.
const MAX_OUTPUT_BYTES: usize = 64 * 1024 * 1024;
const MAX_STDERR_BYTES: u64 = 64 * 1024;
/// Variables that `git` may keep: where programs, libraries and temporary files are.
const KEPT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT"];

/// A `git` that is asked again and again.
#[derive(Debug)]
pub(super) struct Talk {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Talk {
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self { child, stdin, stdout: BufReader::new(stdout) }),
            _ => Err(io::Error::other("its pipes are missing")),
        }
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stdin.write_all(text.as_bytes())?;
        self.stdin.flush()
    }

    /// What comes before the next `end`, which is not part of it.
    fn hear(&mut self, end: u8) -> io::Result<Vec<u8>> {
        let mut heard = Vec::new();
        (&mut self.stdout).take(MAX_OUTPUT_BYTES as u64).read_until(end, &mut heard)?;
        match heard.pop() {
            Some(last) if last == end => Ok(heard),
            Some(_) | None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Nothing can be done about a child that cannot be killed or is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `git cat-file --batch-command -z`, kept open.
#[derive(Debug)]
pub(super) struct Objects(pub Talk);

impl Objects {
    pub const ARGS: [&str; 3] = ["cat-file", "--batch-command", "-z"];

    /// The header line that answers.
    pub fn ask(&mut self, verb: &str, name: &str) -> io::Result<String> {
        self.0.say(&format!("{verb} {name}\0"))?;
        Ok(text(&self.0.hear(b'\n')?))
    }

    pub fn contents(&mut self, name: &str, size: usize) -> io::Result<Vec<u8>> {
        let header = self.ask("contents", name)?;
        if header.rsplit(' ').next() != Some(size.to_string().as_str()) {
            return Err(io::Error::other(format!("`{header}` is not the object of {size} bytes that was announced")));
        }
        let mut content = vec![0; size];
        self.0.stdout.read_exact(&mut content)?;
        self.0.stdout.read_exact(&mut [0])?;
        Ok(content)
    }
}

/// `git diff-tree --stdin`, kept open.
#[derive(Debug)]
pub(super) struct Differences(pub Talk);

impl Differences {
    pub const ARGS: [&str; 9] = [
        "diff-tree",
        "--stdin",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--no-ext-diff",
        "--ignore-submodules=none",
    ];

    /// The header and the path of each difference between two trees. A line that is no object id comes back as it is, which
    /// tells where the answer ends:
    ///
    /// ```text
    ///  OLD NEW\n  :MODES IDS STATUS\0 PATH\0  :…\0 …\0  end\n
    /// ```
    pub fn ask(&mut self, old: &str, new: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
        let strange = |heard: &[u8]| io::Error::other(format!("it answers `{}`", text(heard)));
        let pair = format!("{old} {new}");
        self.0.say(&format!("{pair}\nend\n"))?;
        // Trees that are not there are not named again.
        let heading = self.0.hear(b'\n')?;
        if heading != pair.as_bytes() {
            return Err(strange(&heading));
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let mut first = [0];
            self.0.stdout.read_exact(&mut first)?;
            if first != *b":" {
                return match self.0.hear(b'\n')? {
                    rest if [&first[..], &rest].concat() == b"end" => Ok(found),
                    rest => Err(strange(&[&first[..], &rest].concat())),
                };
            }
            let (header, path) = (self.0.hear(0)?, self.0.hear(0)?);
            bytes += header.len() + path.len();
            if bytes > MAX_OUTPUT_BYTES {
                return Err(io::Error::other(format!("it answers more than {MAX_OUTPUT_BYTES} bytes")));
            }
            found.push((text(&header), path));
        }
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
        stdout.take(MAX_OUTPUT_BYTES as u64 + 1).read_to_end(&mut answer)?;
    }
    let too_much = answer.len() > MAX_OUTPUT_BYTES;
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

/// Where `git` is. By its whole path it is started without a copy of this process, which is not small.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folders = env::var_os("PATH").unwrap_or_default();
        let mut programs = env::split_paths(&folders).map(|folder| folder.join("git"));
        let found =
            programs.find(|path| fs::metadata(path).is_ok_and(|found| found.is_file() && unix::is_executable(&found)));
        found.unwrap_or_else(|| PathBuf::from("git"))
    })
}

/// `git` without anything of its surroundings.
pub(super) fn hermetic() -> Command {
    let mut command = Command::new(program());
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
