//! A git repository, read by running `git`.
//!
//! Facts must depend on objects alone. So `git` never runs *in* the repository (but to look up a name): it runs in an empty
//! repository of our own in a temporary directory, which borrows the objects of the real one. There it meets none of the
//! repository's configuration, grafts, replacements, `info/attributes` or commit-graph. The environment is cleared for the
//! same reason.
//!
//! A process costs some milliseconds, and a push waits for each. One `cat-file` and one `diff-tree` are kept open and
//! asked again and again, nothing is asked twice, and a straight line of commits is walked by reading them.
//!
//! Inside a `pre-receive` hook new objects are in quarantine. Git names that place in the environment, from where it is
//! borrowed as well.

mod memo;
mod names;
mod process;
mod read;
mod submodules;
mod trees;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use countersign_core::{facts::git::MalformedCommit, ids::Oid};
use tempfile::TempDir;
use thiserror::Error;

use memo::Memo;
use process::{Differences, Objects, Output, hermetic, run, text};

/// `cat-file -z` came with it.
const OLDEST: (u32, u32) = (2, 38);
const OLDEST_GIT: &str = "2.38 or newer";
const MAX_COMMIT_BYTES: usize = 32 * 1024 * 1024;
const HEAD: &str = "ref: refs/heads/none\n";
const EMPTY_FOLDERS: [&str; 2] = ["objects", "refs"];
const CONFIG: &str = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tcommitGraph = false\n\
                      \tattributesFile = /dev/null\n[diff]\n\trenames = false\n";

/// The mode of a submodule's commit in a tree.
pub const SUBMODULE: u32 = 0o160_000;
/// That of a symbolic link.
pub const LINK: u32 = 0o120_000;

#[derive(Debug, Error)]
pub enum GitError {
    #[error("cannot run `git`: {why}")]
    Missing { why: io::Error },
    #[error("git {found} is too old")]
    TooOld { found: String },
    #[error("the path of repository {} is no UTF-8 text", path.display())]
    NoText { path: PathBuf },
    #[error("`{}` is no git repository: {why}", path.display())]
    NotARepository { path: PathBuf, why: String },
    #[error("`{}` is a shallow clone, whose history cannot be judged", path.display())]
    Shallow { path: PathBuf },
    #[error("`{rev}` names no commit in `{}`", path.display())]
    UnknownRevision { rev: String, path: PathBuf },
    #[error("`{name}` may mean {} in `{}`", all.join(" or "), path.display())]
    Ambiguous { name: String, all: Vec<String>, path: PathBuf },
    #[error("object {id} is not in `{}`", path.display())]
    NoObject { id: Oid, path: PathBuf },
    #[error("object {id} is a {found}, not a commit")]
    NotACommit { id: Oid, found: String },
    #[error("commit {id}: {source}")]
    Malformed { id: Oid, source: MalformedCommit },
    #[error("tree {tree} has the path `{path}`, and no checkout can have a `{part}`{what}")]
    Path { tree: Oid, path: String, part: String, what: &'static str },
    #[error("tree {id} is not as git writes trees: {why}")]
    Tree { id: String, why: &'static str },
    #[error("commit {id} has {bytes} bytes, more than {MAX_COMMIT_BYTES}")]
    TooLarge { id: Oid, bytes: usize },
    #[error("`git {command}` in `{}` failed: {why}", path.display())]
    Failed { command: String, path: PathBuf, why: String },
    #[error("`git {command}` in `{}` gave an answer that this version does not understand: {answer}", path.display())]
    Answer { command: String, path: PathBuf, answer: String },
    #[error("cannot prepare a temporary directory for `git`: {0}")]
    Temporary(io::Error),
}

impl GitError {
    /// What makes it right.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } | Self::TooOld { .. } => Some(format!("install git {OLDEST_GIT}")),
            Self::NoText { .. } => Some("reach it by a link whose path is UTF-8".to_owned()),
            Self::NotARepository { .. } => Some("name a directory with a checkout or a bare repository".to_owned()),
            Self::Shallow { .. } => Some("run `git fetch --unshallow`".to_owned()),
            Self::UnknownRevision { .. } => Some(
                "`git fetch`; if it is not there, ask the author to push it, to any branch that is not protected"
                    .to_owned(),
            ),
            Self::Ambiguous { all, .. } => {
                Some(format!("say which in full: {}", all.first().map_or("refs/heads/NAME", String::as_str)))
            }
            Self::NoObject { .. } => Some("fetch it; a partial clone is not enough".to_owned()),
            Self::Path { .. } => Some("make the commit anew without it: git rm --cached PATH".to_owned()),
            Self::Tree { .. } => Some("make the commit anew with git, which writes its trees well".to_owned()),
            Self::NotACommit { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Failed { .. }
            | Self::Answer { .. }
            | Self::Temporary(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ObjectFormat {
    Sha1,
    Sha256,
}

impl ObjectFormat {
    /// What the empty repository is called that stands for hooks.
    fn standing(self) -> &'static str {
        match self {
            Self::Sha1 => "empty-sha1",
            Self::Sha256 => "empty-sha256",
        }
    }

    /// What our empty repository says.
    fn config(self) -> String {
        let extension = match self {
            Self::Sha1 => "",
            Self::Sha256 => "[extensions]\n\tobjectFormat = sha256\n",
        };
        format!("{CONFIG}{extension}")
    }

    fn empty_tree(self) -> &'static str {
        match self {
            Self::Sha1 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            Self::Sha256 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        }
    }
}

/// Digits of an object's id where the repository names objects by SHA-1.
const SHA1_DIGITS: usize = 40;

/// Where a repository has what.
struct Places {
    objects: PathBuf,
    bare: bool,
    format: ObjectFormat,
    /// Whether its history is cut off.
    shallow: bool,
}

/// Our empty repository: made for now, or one that stands.
#[derive(Debug)]
enum Scratch {
    Temporary(TempDir),
    Standing(PathBuf),
}

impl Scratch {
    fn temporary(format: ObjectFormat) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix("countersign-git-").tempdir()?;
        empty(made.path(), format)?;
        Ok(Self::Temporary(made))
    }

    /// The one that was left in a folder, if it is as we make it.
    fn standing(folder: &Path, format: ObjectFormat) -> Option<Self> {
        let path = fs::canonicalize(folder.join(format.standing())).ok()?;
        let same = |name: &str, text: &str| fs::read_to_string(path.join(name)).is_ok_and(|found| found == text);
        let is_ours = same("HEAD", HEAD)
            && same("config", &format.config())
            && EMPTY_FOLDERS.iter().all(|name| path.join(name).is_dir())
            && !path.join("info").exists()
            && !path.join("shallow").exists();
        is_ours.then_some(Self::Standing(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(made) => made.path(),
            Self::Standing(path) => path,
        }
    }
}

/// An open repository. Reading it changes nothing in it.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    git_dir: PathBuf,
    bare: bool,
    format: ObjectFormat,
    /// Object directories to borrow from, as git's variable wants them.
    alternates: OsString,
    /// Where the history was cut off, if it was.
    shallow: bool,
    /// Our empty repository.
    scratch: Scratch,
    objects: Mutex<Option<Objects>>,
    differences: Mutex<Option<Differences>>,
    memo: Memo,
}

impl Repository {
    /// Opens the repository in or above `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GitError> {
        let repository = Self::open_among(path.as_ref(), |name| env::var_os(name))?;
        if repository.shallow { Err(GitError::Shallow { path: repository.path }) } else { Ok(repository) }
    }

    /// Opens a bare repository from inside one of its hooks, which waits for each process: where things are is known there,
    /// so git need not be asked, and those that answer about objects start while the hook does something else. `object` is
    /// an id of a commit in it; in `folder` stands what [`Repository::leave_empty`] left.
    pub fn in_hook(git_dir: &Path, object: &Oid, folder: &Path) -> Result<Self, GitError> {
        let has = |name: &str| git_dir.join(name).exists();
        let plain = has("HEAD") && has("config") && has("objects") && !has("commondir") && !has("shallow");
        let absolute = fs::canonicalize(git_dir).ok().filter(|_| plain);
        let Some(git_dir) = absolute else { return Self::open(git_dir) };
        let format = if object.as_str().len() == SHA1_DIGITS { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 };
        let places = Places { objects: git_dir.join("objects"), bare: true, format, shallow: false };
        let scratch = match Scratch::standing(folder, format) {
            Some(standing) => standing,
            None => Scratch::temporary(format).map_err(GitError::Temporary)?,
        };
        let repository = Self::at(git_dir.clone(), git_dir, &places, scratch, |name| env::var_os(name));
        repository.start()?;
        Ok(repository)
    }

    /// Leaves an empty repository in a folder that only those can change who can change the hooks, so that no hook has to
    /// make one and take it away again.
    pub fn leave_empty(&self, folder: &Path) -> io::Result<()> {
        if Scratch::standing(folder, self.format).is_some() {
            return Ok(());
        }
        let made = tempfile::Builder::new().prefix(".countersign-empty-").tempdir_in(folder)?;
        empty(made.path(), self.format)?;
        fs::rename(made.keep(), folder.join(self.format.standing()))
    }

    /// Opens a repository whose history may be cut off: what is told about the past has to say so.
    pub fn open_even_shallow(path: impl AsRef<Path>) -> Result<Self, GitError> {
        // Its reader asks much more of git than facts do, and would find out in the middle.
        check_version()?;
        Self::open_among(path.as_ref(), |_| None)
    }

    fn open_among(path: &Path, environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, GitError> {
        let path = path.to_owned();
        let said = rev_parse(&path)?;
        let &[git_dir, objects, shallow, bare, format] = &said.lines().collect::<Vec<_>>()[..] else {
            return Err(unexpected("rev-parse", &path, &said));
        };
        let format = match format {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            _ => return Err(unexpected("rev-parse --show-object-format", &path, &said)),
        };
        let scratch = Scratch::temporary(format).map_err(GitError::Temporary)?;
        let shallow = borrow_shallow(Path::new(shallow), scratch.path()).map_err(GitError::Temporary)?;
        let places = Places { objects: PathBuf::from(objects), bare: bare == "true", format, shallow };
        Ok(Self::at(path, PathBuf::from(git_dir), &places, scratch, environment))
    }

    fn at(
        path: PathBuf,
        git_dir: PathBuf,
        places: &Places,
        scratch: Scratch,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let Places { objects, bare, format, shallow } = places;
        Self {
            git_dir,
            bare: *bare,
            format: *format,
            alternates: alternates(objects, environment),
            shallow: *shallow,
            scratch,
            objects: Mutex::new(None),
            differences: Mutex::new(None),
            memo: Memo::default(),
            path,
        }
    }

    pub fn is_bare(&self) -> bool {
        self.bare
    }

    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// Absolute.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// What its folder is called, without `.git`; that of the main checkout, where this is another one.
    pub fn name(&self) -> String {
        let parts: Vec<_> = self.git_dir.iter().map(|part| part.to_string_lossy()).collect();
        let folder = match parts.iter().rposition(|part| part == ".git") {
            Some(at) => at.checked_sub(1).and_then(|at| parts.get(at)),
            None => parts.last(),
        };
        folder.map_or_else(String::new, |name| name.strip_suffix(".git").unwrap_or(name).to_owned())
    }

    /// The commit that a name, an id or an expression such as `HEAD~1` means.
    pub fn resolve(&self, rev: &str) -> Result<Oid, GitError> {
        let unknown = || GitError::UnknownRevision { rev: rev.to_owned(), path: self.path.clone() };
        if rev.is_empty() || rev.contains('\0') {
            return Err(unknown());
        }
        let commit = format!("{rev}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
        let output = self.run(self.naming_command(&args), "rev-parse")?;
        if !output.success {
            return Err(unknown());
        }
        text(&output.stdout).trim().parse().map_err(|_| unknown())
    }

    /// The same, of a name that somebody gave: where it may mean several references, it is none. Git takes one of them and warns,
    /// and a tag that somebody else pushed is taken before a branch.
    pub fn resolve_named(&self, rev: &str) -> Result<Oid, GitError> {
        let name = rev.split(['~', '^', '@', ':']).next().unwrap_or_default();
        // The rules of gitrevisions(7), in their order.
        let spellings = ["refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].map(|before| format!("{before}{name}"));
        let of_a_remote = format!("refs/remotes/{name}/HEAD");
        let candidates: Vec<&str> =
            [name, of_a_remote.as_str()].into_iter().chain(spellings.iter().map(String::as_str)).collect();
        // A name in full is what it says.
        if name.is_empty() || name == "HEAD" || name.starts_with("refs/") {
            return self.resolve(rev);
        }
        let known = told_references(&self.git_dir, &candidates)?;
        let all: Vec<String> = known.into_keys().filter(|known| candidates.contains(&known.as_str())).collect();
        if all.len() > 1 {
            return Err(GitError::Ambiguous { name: name.to_owned(), all, path: self.path.clone() });
        }
        self.resolve(rev)
    }

    /// What a command about names answers, or `None` where it fails, as for a `HEAD` that is no branch.
    pub(crate) fn names(&self, args: &[&str]) -> Result<Option<String>, GitError> {
        let output = self.run(self.naming_command(args), &args.join(" "))?;
        Ok(output.success.then(|| text(&output.stdout)))
    }

    /// Names live in the real repository; only for them does git run in it.
    fn naming_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("GIT_DIR", &self.git_dir).env("GIT_GRAFT_FILE", "/dev/null");
        command
    }

    /// `git` in our empty repository, where it sees the objects of the real one.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = hermetic();
        command
            .current_dir(self.scratch.path())
            .env("GIT_DIR", self.scratch.path())
            .env("GIT_OBJECT_DIRECTORY", self.scratch.path().join("objects"))
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.alternates)
            // Without it git may read attributes from HEAD's tree. One before 2.41 does not know it, and reads them from
            // files only, of which our empty repository has none.
            .env("GIT_ATTR_SOURCE", self.format.empty_tree())
            .args(args);
        command
    }

    fn run(&self, command: Command, name: &str) -> Result<Output, GitError> {
        run(command).map_err(|error| self.failed(name, error.to_string()))
    }

    /// Runs a command that must succeed.
    fn ask(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let output = self.run(self.command(args), &args.join(" "))?;
        match output.success {
            true => Ok(output.stdout),
            false => Err(self.failed(&args.join(" "), output.stderr)),
        }
    }

    fn failed(&self, command: &str, why: String) -> GitError {
        GitError::Failed { command: command.to_owned(), path: self.path.clone(), why }
    }
}

/// What a reference of a repository names. The repository is asked itself, and its objects are not looked at: for the moment
/// in which only where a branch stands matters.
///
/// A file of its own is where git keeps a branch that has moved lately, and comes before everything else; without one, or
/// with one that is not just an id, git says in one process.
pub fn reference(git_dir: &Path, name: &str) -> Result<Option<Oid>, GitError> {
    Ok(references(git_dir, &[name])?.remove(name))
}

/// The same of several, those that are there.
pub fn references(git_dir: &Path, names: &[&str]) -> Result<BTreeMap<String, Oid>, GitError> {
    let mut found = BTreeMap::new();
    let mut others = Vec::new();
    for name in names {
        let own = fs::read_to_string(git_dir.join(name)).ok();
        match own.and_then(|text| text.strip_suffix('\n')?.parse().ok()) {
            Some(id) => drop(found.insert((*name).to_owned(), id)),
            None => others.push(*name),
        }
    }
    if !others.is_empty() {
        found
            .extend(told_references(git_dir, &others)?.into_iter().filter(|(name, _)| others.contains(&name.as_str())));
    }
    Ok(found)
}

/// What git says of references with these names, and of those in folders of these names.
pub fn told_references(git_dir: &Path, names: &[&str]) -> Result<BTreeMap<String, Oid>, GitError> {
    const COMMAND: &str = "for-each-ref";
    let mut command = hermetic();
    command
        .current_dir(git_dir)
        .env("GIT_DIR", ".")
        .args([COMMAND, "--format=%(objectname) %(refname)", "--"])
        .args(names);
    let failed = |why: String| GitError::Failed { command: COMMAND.to_owned(), path: git_dir.to_owned(), why };
    let output = run(command).map_err(|error| failed(error.to_string()))?;
    if !output.success {
        return Err(failed(output.stderr));
    }
    let answer = text(&output.stdout);
    let line = |line: &str| {
        let (id, name) = line.split_once(' ')?;
        Some((name.to_owned(), id.parse().ok()?))
    };
    answer.lines().map(|told| line(told).ok_or_else(|| unexpected(COMMAND, git_dir, told))).collect()
}

/// Whether there is a reference of exactly this name; for repositories that keep them in tables, which git before 2.45 does not
/// know.
pub fn is_there(git_dir: &Path, name: &str) -> Result<bool, GitError> {
    let mut command = hermetic();
    command.current_dir(git_dir).env("GIT_DIR", ".").args(["show-ref", "--exists", name]);
    let failed = |why: String| GitError::Failed { command: "show-ref".to_owned(), path: git_dir.to_owned(), why };
    Ok(run(command).map_err(|error| failed(error.to_string()))?.success)
}

/// Facts ask only after something went wrong: a process less for everybody else.
fn check_version() -> Result<(), GitError> {
    let mut command = hermetic();
    command.arg("--version");
    let output = run(command).map_err(|why| GitError::Missing { why })?;
    let found = text(&output.stdout).trim().trim_start_matches("git version ").to_owned();
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST { Err(GitError::TooOld { found }) } else { Ok(()) }
}

/// Asks the real repository about itself. Who owns the directory does not matter, as nothing that its configuration names
/// is ever run: neither `rev-parse` nor anything later runs hooks, filters or monitors.
fn rev_parse(path: &Path) -> Result<String, GitError> {
    const WANTED: [&str; 8] = [
        "--path-format=absolute",
        "--git-dir",
        "--git-path",
        "objects",
        "--git-path",
        "shallow",
        "--is-bare-repository",
        "--show-object-format",
    ];
    let not = |why: String| GitError::NotARepository { path: path.to_owned(), why };
    // Of a linked work tree `.git` is a file.
    let path = match path.parent() {
        Some(folder) if path.is_file() && path.ends_with(".git") && !folder.as_os_str().is_empty() => folder,
        Some(_) if path.is_file() && path.as_os_str() == ".git" => Path::new("."),
        Some(_) | None => path,
    };
    if path.is_file() {
        return Err(not("it is a file".to_owned()));
    }
    if !path.is_dir() {
        let text = path.to_string_lossy();
        // `https://forge/a/b`, and `git@forge:a/b.git`.
        let is_address = text.contains("://") || text.split_once(':').is_some_and(|(host, _)| host.contains('@'));
        return Err(not(match is_address {
            true => "it is an address; what is behind one, a forge too, is not read from here: only directories on this machine are"
                .to_owned(),
            false => "there is no such directory".to_owned(),
        }));
    }
    let mut command = hermetic();
    command.current_dir(path).args(["-c", "safe.directory=*", "rev-parse"]).args(WANTED);
    let output = run(command).map_err(|why| GitError::Missing { why })?;
    if !output.success {
        check_version()?;
        return Err(not(output.stderr.lines().next().unwrap_or("git says so").to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|_| GitError::NoText { path: path.to_owned() })
}

/// Makes an empty repository.
fn empty(path: &Path, format: ObjectFormat) -> io::Result<()> {
    for name in EMPTY_FOLDERS {
        fs::create_dir_all(path.join(name))?;
    }
    fs::write(path.join("HEAD"), HEAD)?;
    fs::write(path.join("config"), format.config())
}

/// Without the list of where a shallow history ends, git would miss the commits before it.
fn borrow_shallow(list: &Path, scratch: &Path) -> io::Result<bool> {
    match fs::copy(list, scratch.join("shallow")) {
        Ok(bytes) => Ok(bytes > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The repository's objects, and those that a hook's environment names.
fn alternates(objects: &Path, environment: impl Fn(&str) -> Option<OsString>) -> OsString {
    let mut list = quoted(objects);
    if let Some(quarantine) = environment("GIT_OBJECT_DIRECTORY") {
        let absolute = std::path::absolute(&quarantine).unwrap_or_else(|_| PathBuf::from(&quarantine));
        list.push(":");
        list.push(quoted(&absolute));
    }
    if let Some(further) = environment("GIT_ALTERNATE_OBJECT_DIRECTORIES") {
        list.push(":");
        list.push(further);
    }
    list
}

/// A path as git's list wants it, whose entries are separated by `:`.
fn quoted(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) if text.contains([':', '"', '\\']) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into()
        }
        Some(_) | None => AsRef::<OsStr>::as_ref(path).to_owned(),
    }
}

fn unexpected(command: &str, path: &Path, answer: &str) -> GitError {
    let answer = answer.chars().take(200).collect();
    GitError::Answer { command: command.to_owned(), path: path.to_owned(), answer }
}

#[cfg(test)]
mod tests;
