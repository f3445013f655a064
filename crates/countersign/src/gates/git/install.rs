//! Making a bare repository governed. Everything is checked, and the server asked, before the first file is written;
//! the gate's folder is built beside its place and renamed into it, and the hooks come last.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
    process::Command,
};

use countersign_core::{
    facts::git::GitRead as _, ids::GateId, state::GateRecord, statement::GateRegistration, subject::quoted,
    trust::Trust,
};
use countersign_ledger::SigningKey;
use rand_core::OsRng;

use super::{CONFIG, FOLDER, GateConfig, GateError, JOURNAL, KEY, TRUST, read_key, read_trust, shared_by};
use crate::{
    clock,
    gates::journal::{Event, Journal},
    git::Repository,
    home::{HomeError, files},
    unix,
    wire::LogInfo,
};

pub const HOOKS: [&str; 3] = ["pre-receive", "reference-transaction", "post-receive"];

const COPY: &str = "copy";
const SHARED_COPY: &str = "countersign-copy";

/// What tells our hooks from others.
const MARK: &str = "# A hook of `countersign gate install`.";

/// What is to be installed.
#[derive(Debug)]
pub struct Plan {
    pub repository: PathBuf,
    /// Its `copy` is chosen here.
    pub config: GateConfig,
    /// Where the verified copy of the log is to lie, if somebody says so.
    pub copy: Option<PathBuf>,
    /// What this machine remembers of the log: the copy lies there by default.
    pub memory: PathBuf,
    pub trust: PathBuf,
    /// The program that the hooks run.
    pub program: PathBuf,
}

/// What was done.
#[derive(Debug)]
pub struct Installed {
    /// The repository's git directory.
    pub repository: PathBuf,
    pub config: GateConfig,
    /// Whether the gate was new to the log, or guards other targets than before.
    pub registered: bool,
}

/// Installs the gate, or brings an installed one up to date. `register` is called only where something has to be signed:
/// a gate that the log knows as it is, which is `known`, needs no signature.
pub fn install<E: From<GateError>>(
    plan: Plan,
    log: &LogInfo,
    known: Option<&GateRecord>,
    register: impl FnOnce(GateRegistration) -> Result<(), E>,
) -> Result<Installed, E> {
    let prepared = prepare(plan, log)?;
    let registration = GateRegistration {
        gate: prepared.config.name.clone(),
        key: prepared.key.public(),
        repository: prepared.config.repository.clone(),
        targets: prepared.config.targets(),
    };
    let is_known = known.is_some_and(|known| {
        known.key == registration.key
            && known.repository == registration.repository
            && known.targets == registration.targets
    });
    if !is_known {
        register(registration)?;
    }
    Ok(finish(prepared, !is_known)?)
}

/// Everything that is needed to install, checked; nothing is in its place yet.
struct Prepared {
    opened: Repository,
    hooks: PathBuf,
    folder: PathBuf,
    config: GateConfig,
    trust: String,
    key: SigningKey,
    /// The gate's folder, where it is new.
    building: Option<tempfile::TempDir>,
    program: PathBuf,
}

fn prepare(plan: Plan, log: &LogInfo) -> Result<Prepared, GateError> {
    let Plan { repository, mut config, copy, memory, trust, program } = plan;
    config.check().map_err(|message| setup("gate-invalid", message, "see countersign gate install --help"))?;
    let opened = Repository::open(&repository)?;
    if !opened.is_bare() {
        return Err(setup(
            "not-bare",
            format!("{} has a working tree", repository.display()),
            "a gate guards the bare repository that people push to; name that one",
        ));
    }
    let git_dir = opened.git_dir().to_owned();
    let hooks = hooks_folder(&git_dir)?;
    free_hooks(&hooks)?;
    branches_exist(&opened, &config)?;
    let trust_text = files::read_text(&trust, files::MAX_GENESIS_BYTES)?;
    same_log(&read_trust(&trust)?, log, &trust)?;

    let folder = git_dir.join(FOLDER);
    let known = known_gate(&git_dir, &config.name)?;
    let copy = match (copy, &known) {
        (Some(copy), _) => copy,
        (None, Some((known, _))) => known.copy.clone(),
        // Where several accounts push, all of them need the copy.
        (None, None) if unix::is_shared(&shared_by(&git_dir)) => git_dir.join(SHARED_COPY),
        (None, None) => memory.join(COPY),
    };
    // The hooks run elsewhere than whoever installs.
    config.copy = path::absolute(&copy).map_err(|source| io_error("find", &copy, source))?;
    let (key, building) = match known {
        Some((_, key)) => (key, None),
        None => {
            let key = SigningKey::generate(&mut OsRng);
            let building = build(&git_dir, &config, &trust_text, &key)?;
            (key, Some(building))
        }
    };
    Ok(Prepared { opened, hooks, folder, config, trust: trust_text, key, building, program })
}

fn finish(prepared: Prepared, registered: bool) -> Result<Installed, GateError> {
    let Prepared { opened, hooks, folder, config, trust: trust_text, key: _, building, program } = prepared;
    let git_dir = opened.git_dir().to_owned();
    match building {
        Some(building) => {
            let built = building.keep();
            fs::rename(&built, &folder).map_err(|source| io_error("rename", &built, source))?;
        }
        None => {
            files::replace(&folder.join(CONFIG), config.to_yaml())?;
            files::replace(&folder.join(TRUST), &trust_text)?;
        }
    }
    opened.leave_empty(&folder).map_err(|source| io_error("write into", &folder, source))?;
    for name in HOOKS {
        write_hook(&hooks, name, &program)?;
    }
    remember_tips(&opened, &folder, &config)?;
    share(&folder, &git_dir)?;
    git(&git_dir, &["config", "receive.advertisePushOptions", "true"])?;
    Ok(Installed { repository: git_dir, config, registered })
}

/// Writes down where each branch stands that the gate has not seen yet, so that a move behind its back shows at once.
fn remember_tips(repository: &Repository, folder: &Path, config: &GateConfig) -> Result<(), GateError> {
    let mut journal = Journal::open(&folder.join(JOURNAL))?;
    for branch in &config.branches {
        if journal.expected_tip(&branch.branch).is_none() {
            let tip = repository.resolve(&branch.branch)?;
            journal.write(Event::Found { reference: branch.branch.clone(), tip, at: clock::now() })?;
        }
    }
    Ok(())
}

/// Lets all accounts use the gate that push into a repository which its group shares: its key is read by them, and the rest
/// written, by the group alone.
fn share(folder: &Path, git_dir: &Path) -> Result<(), GateError> {
    let shared = shared_by(git_dir);
    if !unix::is_shared(&shared) {
        return Ok(());
    }
    let give = |path: &Path, mode| {
        unix::leave_to_group_of(path, &shared, mode).map_err(|source| io_error("share", path, source))
    };
    give(folder, 0o2770)?;
    give(&folder.join(KEY), 0o640)?;
    for entry in fs::read_dir(folder).map_err(|source| io_error("read", folder, source))? {
        let path = entry.map_err(|source| io_error("read", folder, source))?.path();
        if path.is_dir() {
            share_to_read(&path, &give)?;
        } else if !path.ends_with(KEY) {
            give(&path, 0o660)?;
        }
    }
    Ok(())
}

/// What nobody changes.
fn share_to_read(folder: &Path, give: &impl Fn(&Path, u32) -> Result<(), GateError>) -> Result<(), GateError> {
    give(folder, 0o2750)?;
    for entry in fs::read_dir(folder).map_err(|source| io_error("read", folder, source))? {
        let path = entry.map_err(|source| io_error("read", folder, source))?.path();
        if path.is_dir() { share_to_read(&path, give)? } else { give(&path, 0o640)? }
    }
    Ok(())
}

fn setup(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> GateError {
    GateError::Setup { code, message: message.into(), hint: hint.into() }
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> GateError {
    HomeError::Io { operation, path: path.to_owned(), source }.into()
}

/// Where git looks for hooks. Elsewhere than in the repository they would be other repositories' hooks too.
fn hooks_folder(git_dir: &Path) -> Result<PathBuf, GateError> {
    let hooks = git_dir.join("hooks");
    let said = git(git_dir, &["rev-parse", "--path-format=absolute", "--git-path", "hooks"])?;
    let asked = PathBuf::from(said.trim_end_matches('\n'));
    let same = asked == hooks || fs::canonicalize(&asked).is_ok_and(|path| path == hooks);
    if same {
        return Ok(hooks);
    }
    Err(setup(
        "hooks-elsewhere",
        format!("git looks for this repository's hooks in {}", asked.display()),
        format!(
            "take core.hooksPath away: git -C {} config --unset core.hooksPath (or in git's global configuration)",
            files::word(git_dir)
        ),
    ))
}

/// Runs git in the repository, with the configuration that its hooks will meet.
fn git(git_dir: &Path, args: &[&str]) -> Result<String, GateError> {
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(git_dir)
        .args(args)
        .output()
        .map_err(|source| io_error("run git in", git_dir, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(setup("git", format!("`git {}` failed: {why}", args.join(" ")), "run it as the user who owns the repository"))
}

fn free_hooks(hooks: &Path) -> Result<(), GateError> {
    for name in HOOKS {
        let path = hooks.join(name);
        match fs::read(&path) {
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(MARK) => {}
            Ok(_) => {
                return Err(setup(
                    "hook-exists",
                    format!("{} is there already", path.display()),
                    "move it away; what it does can be done by an `update` or `post-update` hook, which git runs as well",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(io_error("read", &path, source)),
        }
    }
    Ok(())
}

/// The history up to now is what changes are measured against; without one there is nothing to measure.
fn branches_exist(repository: &Repository, config: &GateConfig) -> Result<(), GateError> {
    for branch in &config.branches {
        let tip = repository.resolve(&branch.branch).map_err(|_| {
            setup(
                "no-branch",
                format!("{} has no branch {}", repository.git_dir().display(), branch.short()),
                format!("push the first history, then install: git push REPO {}", branch.short()),
            )
        })?;
        repository.commit(&tip)?;
    }
    Ok(())
}

fn same_log(trust: &Trust, log: &LogInfo, path: &Path) -> Result<(), GateError> {
    if trust.origin == log.origin && trust.genesis == log.genesis {
        return Ok(());
    }
    Err(setup(
        "another-log",
        format!(
            "wrong trust file: {} pins log {} ({}), the server has {} ({})",
            path.display(),
            trust.origin,
            trust.genesis,
            log.origin,
            log.genesis
        ),
        "pass the trust.json of the server's home, got from somebody you trust and not from the server",
    ))
}

/// The gate that is already there under this name, with its key.
fn known_gate(git_dir: &Path, name: &GateId) -> Result<Option<(GateConfig, SigningKey)>, GateError> {
    let folder = git_dir.join(FOLDER);
    let path = folder.join(CONFIG);
    if !folder.exists() {
        return Ok(None);
    }
    let known = GateConfig::parse(&files::read_text(&path, super::MAX_CONFIG_BYTES)?, &path)?;
    if known.name != *name {
        return Err(setup(
            "gate-exists",
            format!("the repository has a gate `{}` already", known.name),
            format!("pass --name {}, or move {} away to begin with a new gate", known.name, folder.display()),
        ));
    }
    let key = read_key(git_dir)?;
    Ok(Some((known, key)))
}

fn build(git_dir: &Path, config: &GateConfig, trust: &str, key: &SigningKey) -> Result<tempfile::TempDir, GateError> {
    // Removed again unless it is kept.
    let building = tempfile::Builder::new()
        .prefix(".countersign-gate-")
        .tempdir_in(git_dir)
        .map_err(|source| io_error("make a folder in", git_dir, source))?;
    files::write(&building.path().join(CONFIG), config.to_yaml())?;
    files::write(&building.path().join(TRUST), trust)?;
    files::write_secret(&building.path().join(KEY), &key.to_openssh())?;
    Ok(building)
}

fn write_hook(hooks: &Path, name: &str, program: &Path) -> Result<(), GateError> {
    fs::create_dir_all(hooks).map_err(|source| io_error("make", hooks, source))?;
    let program = quoted(&[program.display().to_string()]);
    // Found from the hook's own place, so that a repository can be moved. Where the program is gone, `exec` fails, and
    // the gate stays shut.
    let run = format!("{program} gate hook --repository \"${{0%/*}}/..\" {name} \"$@\"");
    let run = match name {
        // Git asks about states that the gate does not act on.
        "reference-transaction" => format!("case \"$1\" in prepared | committed) exec {run} ;; esac"),
        // The branch has moved: whoever pushed does not wait until the log is told. What is open would keep git waiting.
        "post-receive" => format!("(exec {run} </dev/null >/dev/null 2>&1 &)"),
        _ => format!("exec {run}"),
    };
    let text = format!("#!/bin/sh\n{MARK} Do not edit it.\n{run}\n");
    let path = hooks.join(name);
    let mut file = tempfile::Builder::new();
    let file = file.permissions(unix::program()).tempfile_in(hooks);
    let mut file = file.map_err(|source| io_error("write", &path, source))?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(|source| io_error("write", &path, source))?;
    file.as_file().sync_all().map_err(|source| io_error("write", &path, source))?;
    file.persist(&path).map_err(|error| io_error("write", &path, error.error))?;
    Ok(())
}
