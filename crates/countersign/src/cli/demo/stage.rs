//! The stage: a directory, people with keys, a server, and a way to run commands in front of the audience.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::cli::{
    error::CliError,
    output::{bad, bold, faint, good},
};

/// The most lines of a command's output that are shown.
const SHOWN_LINES: usize = 24;

/// How a step has to end for the story to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// Refused, or an error that the story wants.
    Refused,
}

#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    /// Removes the directory when the stage is struck; `None` when it is to be kept.
    _temporary: Option<TempDir>,
    program: PathBuf,
    server: Option<Child>,
    url: String,
    step: usize,
}

impl Stage {
    pub fn set(dir: Option<PathBuf>) -> Result<Self, CliError> {
        let (dir, temporary) = match dir {
            Some(dir) => {
                fs::create_dir_all(&dir).map_err(|e| failed(format!("cannot make {}: {e}", dir.display())))?;
                if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(CliError::new("not-empty", format!("{} is not empty", dir.display()))
                        .hint("name a directory that is empty or does not exist yet"));
                }
                (fs::canonicalize(&dir).map_err(|e| failed(e.to_string()))?, None)
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("countersign-demo-")
                    .tempdir()
                    .map_err(|e| failed(format!("cannot make a temporary directory: {e}")))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        for tool in [["git", "--version"], ["ssh-keygen", "-?"]] {
            let [program, argument] = tool;
            Command::new(program).arg(argument).output().map_err(|e| {
                failed(format!("`{program}` cannot be run: {e}"))
                    .hint("install git and OpenSSH: apt-get install git openssh-client")
            })?;
        }
        let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
        Ok(Self { dir, _temporary: temporary, program, server: None, url: String::new(), step: 0 })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new part of the story.
    pub fn scene(&mut self, title: &str) {
        self.step += 1;
        anstream::println!("\n{}", bold(anstyle::Style::new(), format!("{}. {title}", self.step)));
    }

    pub fn tell(&self, text: &str) {
        anstream::println!("   {text}");
    }

    pub fn write(&self, path: &str, text: &str) -> Result<(), CliError> {
        let path = self.dir.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| failed(format!("cannot make {}: {e}", folder.display())))?;
        }
        fs::write(&path, text).map_err(|e| failed(format!("cannot write {}: {e}", path.display())))
    }

    /// Starts the server: at the default address where that is free, so that the commands of the tour work without --url,
    /// else at any.
    pub fn serve(&mut self, home: &str) -> Result<(), CliError> {
        let started = match self.serve_at(home, "127.0.0.1:7878")? {
            Some(said) => said,
            None => self.serve_at(home, "127.0.0.1:0")?.ok_or_else(|| {
                let log = fs::read_to_string(self.path("server.log")).unwrap_or_default();
                failed(format!("the server did not start: {log}"))
            })?,
        };
        anstream::println!("     {}", faint(started));
        Ok(())
    }

    /// Starts the server and waits until it says where it listens. `None`: it ended without saying so.
    fn serve_at(&mut self, home: &str, listen: &str) -> Result<Option<String>, CliError> {
        let log = fs::File::create(self.path("server.log")).map_err(|e| failed(e.to_string()))?;
        let mut child = Command::new(&self.program)
            .args(["serve", "--home", home, "--listen", listen])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| failed(format!("the server cannot be started: {e}")))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("the server has no output".to_owned()))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|e| failed(e.to_string()))?;
        let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) else {
            child.wait().map_err(|e| failed(e.to_string()))?;
            return Ok(None);
        };
        anstream::println!("   {} countersign serve --home {home} --listen {listen}", faint("$"));
        self.url = url.to_owned();
        self.server = Some(child);
        Ok(Some(line.trim_end().to_owned()))
    }

    /// Runs a command as somebody, shows it and what it said, and insists on its ending. Gives what it printed on
    /// standard output.
    pub fn run(&self, who: &str, folder: &str, words: &[&str], ending: Ending) -> Result<String, CliError> {
        let shown = shlex::try_join(words.iter().copied()).unwrap_or_else(|_| words.join(" "));
        anstream::println!("   {} {shown}", faint(format!("{who} $")));
        let output = self.command(who, folder, words)?;
        let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !is_noise(line)).collect();
        for line in lines.iter().take(SHOWN_LINES) {
            anstream::println!("     {}", faint(crate::cli::output::printable(line)));
        }
        if lines.len() > SHOWN_LINES {
            anstream::println!("     {}", faint(format!("… and {} more lines", lines.len() - SHOWN_LINES)));
        }
        let ended = if output.status.success() { Ending::Done } else { Ending::Refused };
        let status = output.status.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        match (ended, ended == ending) {
            (Ending::Done, true) => {}
            (Ending::Refused, true) => anstream::println!("     {} (exit status {status})", bad("refused")),
            (_, false) => {
                return Err(failed(format!("the story went wrong: `{shown}` ended with {status}:\n{text}"))
                    .hint("this is a defect of Countersign or of this machine; please report it"));
            }
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command that the audience need not see.
    pub fn quietly(&self, who: &str, folder: &str, words: &[&str]) -> Result<String, CliError> {
        let output = self.command(who, folder, words)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(failed(format!("`{}` failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))))
    }

    fn command(&self, who: &str, folder: &str, words: &[&str]) -> Result<Output, CliError> {
        let (program, arguments) = words.split_first().ok_or_else(|| failed("no command".to_owned()))?;
        let mut command = match *program {
            "countersign" => Command::new(&self.program),
            program => Command::new(program),
        };
        // Whoever watches has a configuration of their own; it has no part in the story.
        for name in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "SSH_AUTH_SOCK", "COUNTERSIGN_TRUST", "XDG_STATE_HOME"]
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.dir.join(folder))
            .env("HOME", self.path("home-of").join(who))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", who)
            .env("GIT_AUTHOR_EMAIL", format!("{who}@shop.example"))
            .env("GIT_COMMITTER_NAME", who)
            .env("GIT_COMMITTER_EMAIL", format!("{who}@shop.example"))
            .env("COUNTERSIGN_URL", &self.url)
            .env("COUNTERSIGN_KEY", self.path("keys").join(who))
            .stdin(Stdio::null())
            .output()
            .map_err(|e| failed(format!("`{program}` cannot be run: {e}")))
    }

    /// Waits until the server ends: with Ctrl-C, which reaches it too.
    pub fn wait(&mut self) -> Result<(), CliError> {
        // Without a handler of its own, Ctrl-C would end this process before it can clear away.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(e.to_string()))?;
        runtime.block_on(async { crate::unix::stopped().await });
        anstream::println!("\n{}", good("ended"));
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // It may have ended by itself; either way it is gone after this.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Lines in which git counts objects say nothing to the story.
fn is_noise(line: &str) -> bool {
    let line = line.trim_start_matches("remote: ").trim();
    line.is_empty()
        || [
            "Enumerating",
            "Counting",
            "Compressing",
            "Writing",
            "Delta",
            "Total",
            "Resolving",
            "Cloning",
            "warning: redirecting",
        ]
        .iter()
        .any(|word| line.starts_with(word))
}

pub fn failed(message: String) -> CliError {
    CliError::new("demo", message)
}
