//! Processes and the threads that read from them.

use std::{
    fmt,
    io::{self, BufReader, BufWriter, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use countersign_core::ids::Oid;

use super::{ReadError, Stop, WAITING_BLOCKS};
use crate::git::Repository;

const PIPE_BUFFER_BYTES: usize = 64 * 1024;
const MAX_STDERR_BYTES: u64 = 16 * 1024;

/// Where everything is read from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub repository: &'a Repository,
    pub path: &'a Path,
    pub stop: &'a Stop,
}

impl Source<'_> {
    pub fn start(&self, command: &'static str, args: &[&str]) -> Result<Running, ReadError> {
        let args = [&[command], args].concat();
        let mut git = self.repository.command(&args);
        // Otherwise git hands over each commit by itself, and waking up for that takes as long as reading it.
        git.env("GIT_FLUSH", "0");
        Running::start(git, command, self.path)
    }
}

/// A `git` that is being read from. Dropped, it is ended.
pub struct Running {
    child: Child,
    pub stdout: BufReader<ChildStdout>,
    stderr: Option<thread::JoinHandle<String>>,
    command: &'static str,
    path: PathBuf,
}

impl Running {
    fn start(mut git: Command, command: &'static str, path: &Path) -> Result<Self, ReadError> {
        let failed = |why: String| ReadError::Failed { command, path: path.to_owned(), why };
        let mut child = git
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed("its pipes are missing".to_owned()));
        };
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut stderr = BufReader::new(stderr);
            // What cannot be read cannot be told either; the rest is dropped, so that git never waits for us.
            let _ = (&mut stderr).take(MAX_STDERR_BYTES).read_to_end(&mut bytes);
            let _ = io::copy(&mut stderr, &mut io::sink());
            String::from_utf8_lossy(&bytes).trim().to_owned()
        });
        let stdout = BufReader::with_capacity(PIPE_BUFFER_BYTES, stdout);
        Ok(Self { child, stdout, stderr: Some(stderr), command, path: path.to_owned() })
    }

    /// Writes its input on a thread of its own, so that it may answer before it has read everything.
    pub fn feed(&mut self, write: impl FnOnce(&mut BufWriter<ChildStdin>) -> io::Result<()> + Send + 'static) {
        if let Some(stdin) = self.child.stdin.take() {
            let mut stdin = BufWriter::with_capacity(PIPE_BUFFER_BYTES, stdin);
            // A git that ended early does not read on; why it ended is told by its status.
            thread::spawn(move || drop(write(&mut stdin)));
        }
    }

    /// It has answered everything that it was asked; did it end well?
    pub fn finish(mut self) -> Result<(), ReadError> {
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) | Err(_) => Err(self.why_it_ended(None)),
        }
    }

    /// Its answer ended or went astray at `object`.
    pub fn broken(mut self, object: Option<&Oid>) -> ReadError {
        drop(self.child.stdin.take());
        // One that has more to say would wait for a reader for ever.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.why_it_ended(object)
    }

    pub fn answer(&self, answer: &[u8]) -> ReadError {
        let answer = String::from_utf8_lossy(answer).chars().take(200).collect();
        ReadError::Answer { command: self.command, path: self.path.clone(), answer }
    }

    fn why_it_ended(&mut self, object: Option<&Oid>) -> ReadError {
        let said = self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let path = self.path.clone();
        // The first line that names an object names the broken one; what follows are its consequences.
        let named = said.lines().find_map(|line| Some((line, names_object(line)?)));
        let plain = |line: &str| line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned();
        match (named, object) {
            (Some((line, object)), _) => ReadError::Object { object, path, why: plain(line) },
            (None, Some(object)) => {
                let why = said.lines().next().map_or_else(|| "it is missing or broken".to_owned(), plain);
                ReadError::Object { object: object.clone(), path, why }
            }
            (None, None) => {
                let why = said.lines().next().map_or_else(|| "it says nothing".to_owned(), plain);
                ReadError::Failed { command: self.command, path, why }
            }
        }
    }
}

fn names_object(line: &str) -> Option<Oid> {
    line.split(|c: char| !c.is_ascii_hexdigit()).find_map(|word| word.parse().ok())
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing can be done about a child that cannot be killed or is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("command", &self.command).finish_non_exhaustive()
    }
}

/// Blocks that a thread reads, in order. Dropped, the thread ends at the next block.
#[derive(Debug)]
pub struct Blocks<T> {
    receiver: Receiver<Result<Vec<T>, ReadError>>,
    path: PathBuf,
    command: &'static str,
}

impl<T: Send + 'static> Blocks<T> {
    /// Runs `read`, which sends blocks as long as somebody wants them.
    pub fn spawn(
        running: Running,
        read: impl FnOnce(Running, &SyncSender<Result<Vec<T>, ReadError>>) -> Result<(), ReadError> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(WAITING_BLOCKS);
        let (path, command) = (running.path.clone(), running.command);
        thread::spawn(move || {
            if let Err(error) = read(running, &sender) {
                // Nobody who has gone wants to know.
                let _ = sender.send(Err(error));
            }
        });
        Self { receiver, path, command }
    }

    pub fn next(&self) -> Result<Vec<T>, ReadError> {
        self.receiver.recv().unwrap_or_else(|_| {
            let why = "its reader ended early".to_owned();
            Err(ReadError::Failed { command: self.command, path: self.path.clone(), why })
        })
    }
}
