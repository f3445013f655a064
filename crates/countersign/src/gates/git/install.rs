//! Making a bare repository governed. Everything is checked, and the server asked, before the first file is written;
//! the gate's folder is built beside its place and renamed into it, and the hooks come last.
//!
//! Installing again brings a gate up to date. What its `gate.yaml` says stays: what is not named is kept, what would be lost
//! is refused with its name unless that is asked for, and what is replaced stays beside it as `gate.yaml.before`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{self, Path, PathBuf},
    process::Command,
};

use countersign_core::{
    decision::Mode,
    facts::git::GitRead as _,
    ids::{GateId, RepositoryId, Target},
    state::GateRecord,
    statement::GateRegistration,
    trust::Trust,
};
use countersign_ledger::SigningKey;
use rand_core::OsRng;

use super::{
    Branch, CONFIG, FOLDER, GateConfig, GateError, JOURNAL, KEY, TRUST, UNINSTALLED,
    config::{Entry, VERSION},
    hooks, read_key, read_trust, remarks, shared_by,
};
use crate::{
    clock, durable,
    gates::journal::{Event, Journal, JournalError, Past},
    git::Repository,
    home::{HomeError, files},
    unix,
    wire::LogInfo,
};

const COPY: &str = "copy";
const SHARED_COPY: &str = "countersign-copy";
const BEFORE: &str = "gate.yaml.before";

/// What is to be installed. What is not said stays as an installed gate has it.
#[derive(Debug)]
pub struct Plan {
    pub repository: PathBuf,
    pub name: Option<GateId>,
    /// What changes call the repository; else its folder's name.
    pub called: Option<RepositoryId>,
    pub url: String,
    pub proxy: Option<String>,
    /// Full names; empty if nothing is said of them.
    pub branches: Vec<String>,
    pub map: Vec<Entry>,
    pub otherwise: Option<Target>,
    /// How what is new is guarded; else it is enforced.
    pub mode: Option<Mode>,
    /// What is there and is not named is to go.
    pub replace: bool,
    /// Where the verified copy of the log is to lie, if somebody says so.
    pub copy: Option<PathBuf>,
    /// What this machine remembers of the log: the copy lies there by default.
    pub memory: PathBuf,
    pub trust: PathBuf,
    /// The program that the hooks run.
    pub program: PathBuf,
}

impl Plan {
    /// What `gate.yaml` is to say, but for where the copy lies.
    fn config(&self, known: Option<&GateConfig>) -> Result<GateConfig, GateError> {
        let branches = self.branches(known)?;
        let missing = |option: &str, what: &str| {
            setup("usage", format!("a new gate needs {option}"), format!("{what}; see countersign gate install --help"))
        };
        let name = self.name.clone().or_else(|| known.map(|known| known.name.clone()));
        let called = self.called.clone().or_else(|| known.map(|known| known.repository.clone()));
        let config = GateConfig {
            version: VERSION,
            name: name.ok_or_else(|| missing("--name NAME", "it is what the log calls the gate"))?,
            repository: called.map_or_else(|| named_after(&self.repository), Ok)?,
            url: self.url.clone(),
            proxy: self.proxy.clone().or_else(|| known.and_then(|known| known.proxy.clone())),
            guidance: known.is_none_or(|known| known.guidance),
            copy: PathBuf::new(),
            branches,
        };
        if config.branches.is_empty() {
            return Err(missing("--branch BRANCH", "name each branch that is to be protected"));
        }
        if let Some(branch) = config.branches.iter().find(|branch| branch.map.is_empty() && branch.otherwise.is_none())
        {
            let what = format!("it says what paths of {} reach", branch.branch);
            return Err(missing("--map GLOB=SYSTEM/ENVIRONMENT or --map-else SYSTEM/ENVIRONMENT", &what));
        }
        config.check().map_err(|message| setup("gate-invalid", message, "see countersign gate install --help"))?;
        if let (Some(known), false) = (known, self.replace) {
            keeps(known, &config)?;
        }
        Ok(config)
    }

    fn branches(&self, known: Option<&GateConfig>) -> Result<Vec<Branch>, GateError> {
        let known_branches = known.map(|known| known.branches.as_slice()).unwrap_or_default();
        let names: Vec<&String> = match self.branches.as_slice() {
            [] => known_branches.iter().map(|branch| &branch.branch).collect(),
            names => names.iter().collect(),
        };
        let branch = |name: &&String| {
            let before = known_branches.iter().find(|branch| branch.branch == **name);
            // A branch that joins others is mapped as they are, where they are all mapped alike.
            let like = before.or_else(|| known_branches.first().filter(|first| alike(first, known_branches)));
            let map = match self.map.as_slice() {
                [] => like.map(|like| like.map.clone()).unwrap_or_default(),
                map => map.to_vec(),
            };
            let otherwise = self.otherwise.clone().or_else(|| like.and_then(|like| like.otherwise.clone()));
            // What replaces a map says what it says of the rest.
            let otherwise = if self.replace && !self.map.is_empty() { self.otherwise.clone() } else { otherwise };
            let mut branch = Branch { branch: (*name).clone(), map, otherwise, watch: BTreeSet::new() };
            let targets: BTreeSet<Target> = branch.targets().cloned().collect();
            let watched = |target: &Target| match before.map(|before| (before, before.targets().any(|t| t == target))) {
                Some((before, true)) => before.watch.contains(target),
                Some((_, false)) | None => self.mode == Some(Mode::Watch),
            };
            branch.watch = targets.into_iter().filter(watched).collect();
            branch
        };
        let branches: Vec<Branch> = names.iter().map(branch).collect();
        let enforced = branches.iter().find(|branch| branch.watch.is_empty());
        if let (Some(Mode::Watch), Some(branch)) = (self.mode, enforced) {
            return Err(setup(
                "enforced-before",
                format!(
                    "the gate enforces what reaches {}, and to watch it only is for two people to say",
                    branch.short()
                ),
                format!("countersign gate watch {}", files::word(&self.repository)),
            ));
        }
        Ok(branches)
    }
}

fn alike(first: &Branch, all: &[Branch]) -> bool {
    all.iter().all(|branch| branch.map == first.map && branch.otherwise == first.otherwise)
}

/// Refuses to leave out what a gate says by now.
fn keeps(known: &GateConfig, new: &GateConfig) -> Result<(), GateError> {
    let mut lost = Vec::new();
    if known.repository != new.repository {
        lost.push(format!("its name in changes, {}", known.repository));
    }
    for branch in &known.branches {
        let Some(again) = new.branch(&branch.branch) else {
            lost.push(format!("{}, which would move unasked", branch.branch));
            continue;
        };
        let gone = branch.map.iter().filter(|entry| !again.map.contains(entry));
        lost.extend(gone.map(|entry| format!("{}={} of {}", entry.paths.as_str(), entry.target, branch.short())));
        if let Some(target) = branch.otherwise.as_ref().filter(|target| again.otherwise.as_ref() != Some(*target)) {
            lost.push(format!("else={target} of {}", branch.short()));
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(setup(
        "would-lose",
        format!("the gate would lose what its {CONFIG} says now: {}", lost.join("; ")),
        "name that, too; or leave --branch and --map out, and what is there stays; or pass --replace, if it is to go",
    ))
}

/// `/srv/git/shop.git` is `shop`.
fn named_after(repository: &Path) -> Result<RepositoryId, GateError> {
    let absolute = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    name.parse().map_err(|error| setup("usage", format!("{error}"), "name the repository: --repository NAME"))
}

/// What was done.
#[derive(Debug)]
pub struct Installed {
    /// The repository's git directory.
    pub repository: PathBuf,
    pub config: GateConfig,
    /// Whether the gate was new to the log, or guards other targets than before.
    pub registered: bool,
    /// What whoever installs it should know of the repository as it is.
    pub remarks: Vec<String>,
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
        map: prepared.config.map_digest(),
        reason: None,
        repository: prepared.config.repository.clone(),
        targets: prepared.config.targets(),
        watching: prepared.config.watching(),
    };
    let is_known = known.is_some_and(|known| is_registered(known, &registration));
    if !is_known {
        register(registration)?;
    }
    Ok(finish(prepared, !is_known)?)
}

/// Whether the log says all of this.
pub(super) fn is_registered(known: &GateRecord, new: &GateRegistration) -> bool {
    let GateRegistration { gate: _, key, map, reason: _, repository, targets, watching } = new;
    let watched: BTreeMap<&String, BTreeSet<&Target>> = known
        .watching
        .iter()
        .map(|(branch, watched)| (branch, watched.iter().filter(|target| targets.contains(*target)).collect()))
        .filter(|(_, watched): &(_, BTreeSet<&Target>)| !watched.is_empty())
        .collect();
    let wanted = watching.iter().map(|(branch, watched)| (branch, watched.iter().collect())).collect();
    known.key == *key
        && known.repository == *repository
        && known.targets == *targets
        && known.map == *map
        && watched == wanted
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
    remarks: Vec<String>,
}

fn prepare(plan: Plan, log: &LogInfo) -> Result<Prepared, GateError> {
    let opened = Repository::open(&plan.repository)?;
    if !opened.is_bare() {
        return Err(setup(
            "not-bare",
            format!("{} has a working tree", plan.repository.display()),
            "a gate guards the bare repository that people push to; name that one",
        ));
    }
    let git_dir = opened.git_dir().to_owned();
    not_for_everybody(&git_dir)?;
    let known = known_gate(&git_dir, plan.name.as_ref())?;
    // Where branches have to stand is not learnt from where they stand: else whoever loses the journal could move them.
    let journal = git_dir.join(FOLDER).join(JOURNAL);
    if known.is_some() && Past::read(&journal)?.is_none() {
        return Err(JournalError::Lost { path: journal }.into());
    }
    let mut config = plan.config(known.as_ref().map(|(known, _)| known))?;
    let hooks = hooks::folder(&git_dir)?;
    hooks::free(&hooks)?;
    branches_exist(&opened, &config)?;
    let trust_text = files::read_text(&plan.trust, files::MAX_GENESIS_BYTES)?;
    same_log(&read_trust(&plan.trust)?, log, &plan.trust)?;

    let folder = git_dir.join(FOLDER);
    let copy = match (plan.copy, &known) {
        (Some(copy), _) => copy,
        (None, Some((known, _))) => known.copy.clone(),
        // Where several accounts push, all of them need the copy.
        (None, None) if unix::is_shared(&shared_by(&git_dir)) => git_dir.join(SHARED_COPY),
        (None, None) => plan.memory.join(COPY),
    };
    // The hooks run elsewhere than whoever installs.
    config.copy = path::absolute(&copy).map_err(|source| io_error("find", &copy, source))?;
    // Both are written down as text.
    for (path, what) in [(&config.copy, "the copy of the log"), (&plan.program, "the program")] {
        if path.to_str().is_none() {
            let said = format!("the path of {what}, {}, is no UTF-8 text", path.display());
            return Err(setup("path-no-text", said, durable::NAME_IT));
        }
    }
    let remarks = remarks::of(&opened, &config)?;
    let (key, building) = match known {
        Some((_, key)) => (key, None),
        None => {
            let key = SigningKey::generate(&mut OsRng);
            let building = build(&git_dir, &config, &trust_text, &key)?;
            (key, Some(building))
        }
    };
    Ok(Prepared { opened, hooks, folder, config, trust: trust_text, key, building, program: plan.program, remarks })
}

/// Refuses a repository that every account of the machine may write to: each of them could take the hooks away, and move branches.
fn not_for_everybody(git_dir: &Path) -> Result<(), GateError> {
    let open = ["", "hooks", "objects", "refs", "refs/heads"].map(|name| git_dir.join(name));
    let open = open.iter().find(|folder| fs::metadata(folder).is_ok_and(|found| unix::mode(&found) & 0o002 != 0));
    // What is made there later gets these modes, too.
    let shared = git(git_dir, &["config", "--default", "", "--get", "core.sharedRepository"])?;
    let later = u32::from_str_radix(shared.trim(), 8).is_ok_and(|mode| shared.trim().len() > 1 && mode & 0o002 != 0);
    let what = match open {
        Some(folder) => format!("every account of this machine may write to {}", folder.display()),
        None if later => format!("core.sharedRepository of {} lets every account write there", git_dir.display()),
        None => return Ok(()),
    };
    let word = files::word(git_dir);
    Err(setup(
        "shared-with-all",
        format!("{what}, and so could take a gate's hooks away and move its branches"),
        format!(
            "share it with a group: chgrp -R GROUP {word} && chmod -R g+rwX,o-w {word} && git -C {word} config \
             core.sharedRepository group"
        ),
    ))
}

/// Refuses an address of a repository that is on another machine.
pub fn reachable(repository: &Path) -> Result<(), GateError> {
    let address = repository.to_string_lossy();
    if !is_elsewhere(&address) {
        return Ok(());
    }
    Err(setup(
        "not-here",
        format!("{address} is on another machine"),
        "a gate is installed where the bare repository lies, as a folder of that machine; a forge (GitHub, GitLab) lets nobody \
         install hooks: let people push to a bare repository of your own, and mirror that to the forge",
    ))
}

/// Whether this is an address of a repository elsewhere, as git takes them.
fn is_elsewhere(address: &str) -> bool {
    let has_scheme = address.split_once("://").is_some_and(|(scheme, _)| scheme != "file");
    // `git@host:path`, unless a folder is called so.
    let is_scp = address.split_once(':').is_some_and(|(host, _)| !host.contains('/')) && !Path::new(address).exists();
    // `github.com/owner/name`, as it stands in the address bar.
    let is_page = address.split_once('/').is_some_and(|(host, path)| {
        let labels: Vec<&str> = host.split('.').collect();
        let is_host = labels.len() > 1 && labels.iter().all(|label| !label.is_empty()) && !host.ends_with(".git");
        is_host && path.contains('/') && !Path::new(host).exists()
    });
    has_scheme || is_scp || is_page
}

fn finish(prepared: Prepared, registered: bool) -> Result<Installed, GateError> {
    let Prepared { opened, hooks, folder, config, trust: trust_text, key: _, building, program, remarks } = prepared;
    let git_dir = opened.git_dir().to_owned();
    match building {
        Some(building) => {
            // With its journal, or a stop in between would leave a gate that has lost it.
            remember_tips(&opened, Journal::begin(&building.path().join(JOURNAL))?, &config, None)?;
            let built = building.keep();
            fs::rename(&built, &folder).map_err(|source| io_error("rename", &built, source))?;
        }
        None => {
            replace_config(&folder, &config)?;
            files::replace(&folder.join(TRUST), &trust_text)?;
            let taken_out = super::uninstalled(&git_dir);
            remember_tips(&opened, Journal::open(&folder.join(JOURNAL))?, &config, taken_out)?;
        }
    }
    opened.leave_empty(&folder).map_err(|source| io_error("write into", &folder, source))?;
    hooks::write_copies(&folder, &config, &program)?;
    share(&folder, &git_dir)?;
    git(&git_dir, &["config", "receive.advertisePushOptions", "true"])?;
    hooks::write(&hooks, &folder.join(CONFIG), &config, &program)?;
    let mark = folder.join(UNINSTALLED);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &mark, error)),
        Ok(()) | Err(_) => {}
    }
    Ok(Installed { repository: git_dir, config, registered, remarks })
}

/// A file that says the same stays as it is, with what people wrote beside it; another one is kept as it was before.
pub(super) fn replace_config(folder: &Path, config: &GateConfig) -> Result<(), GateError> {
    let path = folder.join(CONFIG);
    let before = files::read_text(&path, super::MAX_CONFIG_BYTES)?;
    if GateConfig::parse(&before, &path)? == *config {
        return Ok(());
    }
    durable::replace(&folder.join(BEFORE), &before)
        .map_err(|source| io_error("write", &folder.join(BEFORE), source))?;
    Ok(files::replace(&path, config.to_yaml())?)
}

/// Writes down where each branch stands that the gate has not seen yet, so that a move behind its back shows at
/// once; of a gate that was taken out, where each stands now.
fn remember_tips(
    repository: &Repository,
    mut journal: Journal,
    config: &GateConfig,
    taken_out: Option<String>,
) -> Result<(), GateError> {
    if let Some(when) = &taken_out {
        let detail = format!(
            "the gate was taken out at {when}, and installed again: nobody was asked about what moved in between"
        );
        journal.write(Event::Caught { detail, at: clock::now(), account: unix::account() })?;
    }
    for branch in &config.branches {
        if taken_out.is_some() || journal.expected(&branch.branch).is_none() {
            let tip = repository.resolve(&branch.branch)?;
            journal.write(Event::Found { reference: branch.branch.clone(), tip, at: clock::now() })?;
        }
    }
    Ok(())
}

/// Lets all accounts use the gate that push into a repository which its group shares: its key is read by them, and the rest
/// written, by the group alone.
pub(super) fn share(folder: &Path, git_dir: &Path) -> Result<(), GateError> {
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

pub(super) fn setup(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> GateError {
    GateError::Setup { code, message: message.into(), hint: hint.into() }
}

pub(super) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> GateError {
    HomeError::Io { operation, path: path.to_owned(), source }.into()
}

/// Runs git in the repository, with the configuration that its hooks will meet.
pub(super) fn git(git_dir: &Path, args: &[&str]) -> Result<String, GateError> {
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

/// The gate that is already there, with its key; under this name, if one is named.
fn known_gate(git_dir: &Path, name: Option<&GateId>) -> Result<Option<(GateConfig, SigningKey)>, GateError> {
    let folder = git_dir.join(FOLDER);
    let path = folder.join(CONFIG);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_dir() => return Ok(None),
        // Reading it says what is wrong.
        Ok(_) | Err(_) => {}
    }
    let known = GateConfig::parse(&files::read_text(&path, super::MAX_CONFIG_BYTES)?, &path)?;
    if name.is_some_and(|name| known.name != *name) {
        return Err(setup(
            "gate-exists",
            format!("the repository has a gate `{}` already", known.name),
            format!("pass --name {}, or move {} away to begin with a new gate", known.name, folder.display()),
        ));
    }
    let path = folder.join(KEY);
    // Whose key was taken away, and who took the file away: the gate gets another, and its journal goes on.
    let is_gone = fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if !is_gone {
        return Ok(Some((known, read_key(git_dir)?)));
    }
    let key = SigningKey::generate(&mut OsRng);
    files::write_secret(&path, &key.to_openssh())?;
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
