//! What a change is about: the flags that name a git range or files, and the subject that is computed from them here, on
//! the machine of whoever signs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use countersign_core::{
    facts::{FactsError, GitFacts, Identities, NoBase, Range, TouchedPath, facts, single_base},
    ids::{InvalidId, Nonce, Oid, RepositoryId},
    subject::{FilesSubject, GitSubject, Subject},
};
use countersign_ledger::Digest;

use super::{
    error::{CliError, Exit},
    output::printable,
    paths::{self, Links, submodule},
};
use crate::{
    files::{FilesError, ReadFile, executable, names_no_outside_path, read_files, somewhere},
    git::Repository,
};

#[derive(Clone, Debug, clap::Args)]
pub struct Content {
    /// The repository with the commits (a work tree or a bare repository).
    #[arg(long, value_name = "REPO", conflicts_with = "file")]
    pub git: Option<PathBuf>,
    /// The protected branch that the commits are for.
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub branch: String,
    /// The commits: BASE is the protected branch's tip, HEAD what should land. Default: refs/remotes/origin/BRANCH..HEAD.
    #[arg(long, value_name = "BASE..HEAD", requires = "git")]
    pub range: Option<String>,
    /// The name under which the gate knows the repository. Default: git config countersign.repository, else the last part
    /// of origin's address.
    #[arg(long, value_name = "NAME", requires = "git")]
    pub repository: Option<RepositoryId>,
    /// Also push the commits to this remote of the repository, where reviewers can fetch them:
    /// refs/countersign/CHANGE/REVISION, which is no branch and lands nothing.
    #[arg(long, value_name = "REMOTE", requires = "git")]
    pub push: Option<String>,
    /// A file whose exact bytes are the change (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1.., action = clap::ArgAction::Append)]
    pub file: Vec<PathBuf>,
    /// The command that applies the files, as one quoted string. It will run in a directory with just these files.
    #[arg(long, value_name = "COMMAND", requires = "file")]
    pub command: Option<String>,
}

/// A subject with what it was computed from.
#[derive(Debug)]
pub struct Computed {
    pub subject: Subject,
    /// Of a git range: its facts, and the names behind them.
    pub extracted: Option<(GitFacts, Identities)>,
    /// Where its symbolic links lead, if it was computed from a repository.
    pub links: Links,
    /// Of files that were read: their bytes, by the ids that reviewers ask for.
    pub read: BTreeMap<Oid, Vec<u8>>,
}

impl Computed {
    /// What statements say, without anything at hand that it could be compared with.
    pub fn as_said(subject: Subject, extracted: Option<(GitFacts, Identities)>) -> Self {
        Self { subject, extracted, links: Links::new(), read: BTreeMap::new() }
    }
}

impl Content {
    /// Whether the flags name anything at all.
    pub fn is_named(&self) -> bool {
        self.git.is_some() || !self.file.is_empty()
    }

    /// `salt` is what references to people are made with: the same in all revisions of a change.
    pub fn compute(&self, salt: &Nonce) -> Result<Computed, CliError> {
        match (&self.git, self.file.as_slice()) {
            (Some(repository), []) => self.of_git(repository, salt),
            (None, []) => Err(CliError::usage("a change needs a git range or files")
                .hint("add --git . --branch main --range origin/main..HEAD, or --file PATH --command \"COMMAND\"")),
            (_, files) => of_files(files, self.command.as_deref()),
        }
    }

    fn of_git(&self, path: &Path, salt: &Nonce) -> Result<Computed, CliError> {
        let git = Repository::open(path)?;
        let branch = full_branch(&self.branch);
        // In full: a tag or a branch called `origin/main` would be taken before the remote's branch.
        let default_range = || format!("refs/remotes/origin/{}..HEAD", branch.trim_start_matches("refs/heads/"));
        let range = self.range.clone().unwrap_or_else(default_range);
        let (tip, head) = range.split_once("..").filter(|(_, head)| !head.starts_with('.')).ok_or_else(|| {
            CliError::usage(format!("`{range}` is not a range")).hint("for example --range origin/main..HEAD")
        })?;
        let tip = git.resolve_named(if tip.is_empty() { "HEAD" } else { tip })?;
        let head = git.resolve_named(if head.is_empty() { "HEAD" } else { head })?;
        let base = single_base(&branch, &tip, &head, &git.merge_bases(&tip, &head)?)?;
        let range = Range { repository: self.repository_name(path)?, branch, base, head };
        let (facts, identities) = extract_facts(&git, &range, salt)?;
        Ok(Computed {
            subject: subject_of(&facts),
            links: paths::links(&git, &facts)?,
            extracted: Some((facts, identities)),
            read: BTreeMap::new(),
        })
    }

    /// What is odd about the branch that the commits are for, as far as this repository can tell.
    pub fn doubts_of_branch(&self, subject: &GitSubject) -> Vec<String> {
        let Some(path) = &self.git else { return Vec::new() };
        let Ok(git) = Repository::open(path) else { return Vec::new() };
        let short = subject.branch.trim_start_matches("refs/heads/");
        let (local, of_origin) = (subject.branch.clone(), format!("refs/remotes/origin/{short}"));
        let stands = |name: &str| git.resolve(name).ok();
        let mut notes = Vec::new();
        match (stands(&local), stands(&of_origin)) {
            (None, None) => {
                let meant = short.strip_prefix("origin/").map_or_else(
                    || "is it spelt as on the server (git branch -r)?".to_owned(),
                    |branch| format!("did you mean --branch {branch}?"),
                );
                notes.push(format!("this repository knows no branch `{short}`, here or of origin; {meant}"));
            }
            // Where somebody works, the branch may be ahead by just what is proposed.
            (local, of_origin) => {
                let tip = of_origin.or(local.filter(|_| git.is_bare()));
                let on_it =
                    |tip: &Oid| git.merge_bases(tip, &subject.head).is_ok_and(|bases| bases == [subject.head.clone()]);
                if tip.is_some_and(|tip| on_it(&tip)) {
                    notes.push(format!(
                        "all of these commits are on {short} already, so that there is nothing left to land: is the range right?"
                    ));
                }
            }
        }
        notes
    }

    fn repository_name(&self, path: &Path) -> Result<RepositoryId, CliError> {
        if let Some(name) = &self.repository {
            return Ok(name.clone());
        }
        name_of_clone(path).map_err(|e| {
            CliError::new("repository-name", format!("the repository has no name that the gate could know: {e}"))
                .hint("pass --repository NAME, the name that `countersign gate install` was given")
        })
    }
}

/// What the gate of a clone's repository calls it, where nobody says another name: `countersign.repository`, else as its origin is called.
pub fn name_of_clone(path: &Path) -> Result<RepositoryId, InvalidId> {
    let config = |key: &str| crate::signer::git_config_in(path, &["--get", key]);
    let named = config("countersign.repository").or_else(|| Some(last_part(&config("remote.origin.url")?)));
    let name = named.unwrap_or_else(|| {
        let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        last_part(&full.to_string_lossy())
    });
    name.parse()
}

fn last_part(address: &str) -> String {
    let address = address.trim_end_matches('/');
    let address = address.strip_suffix("/.git").unwrap_or(address);
    let last = address.rsplit(['/', ':']).next().unwrap_or(address);
    last.strip_suffix(".git").unwrap_or(last).to_ascii_lowercase()
}

pub fn full_branch(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}

pub fn extract_facts(git: &Repository, range: &Range, salt: &Nonce) -> Result<(GitFacts, Identities), CliError> {
    facts(git, range, salt).map_err(|e| {
        let hint = match &e {
            FactsError::Git(error) => match error.hint() {
                Some(hint) => return CliError::new("facts", e.to_string()).hint(hint),
                None => "is the range complete in this repository? git fetch, then try again",
            },
            FactsError::NothingNew { .. }
            | FactsError::NotOnBase { .. }
            | FactsError::EmptyDelta { .. }
            | FactsError::TooMany { .. }
            | FactsError::PathTooLong { .. } => {
                "the range is BASE..HEAD: BASE the tip of the protected branch, HEAD your commits on top of it"
            }
        };
        CliError::new("facts", e.to_string()).hint(hint)
    })
}

impl From<NoBase> for CliError {
    fn from(error: NoBase) -> Self {
        Self::new("no-base", error.to_string()).hint(error.way_out())
    }
}

/// Where the submodules of a git range come from that it changes, before and after.
pub fn submodule_addresses(repository: Option<&Path>, computed: &Computed) -> Result<Vec<String>, CliError> {
    let (Some(repository), Some((facts, _))) = (repository, &computed.extracted) else { return Ok(Vec::new()) };
    let is_about = |touched: &TouchedPath| submodule(touched).is_some() || touched.path == ".gitmodules";
    if !facts.paths.iter().any(is_about) {
        return Ok(Vec::new());
    }
    let git = Repository::open(repository)?;
    let (old, new) = (git.submodule_addresses(&facts.base)?, git.submodule_addresses(&facts.head)?);
    let touched = facts.paths.iter().filter(|touched| submodule(touched).is_some()).map(|touched| &touched.path);
    let elsewhere = old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path));
    let paths: BTreeSet<&String> = touched.chain(elsewhere).collect();
    let words = |url: Option<&String>| url.map_or_else(|| "no address".to_owned(), |url| printable(url));
    let line = |path: &String| match (old.get(path), new.get(path)) {
        (before, after) if before == after => format!("  {path} is fetched from {}", words(after)),
        (before, after) => format!("  {path} is fetched from {}; before: {}", words(after), words(before)),
    };
    Ok(paths.into_iter().map(line).collect())
}

/// The subject whose facts these are.
pub fn subject_of(facts: &GitFacts) -> Subject {
    Subject::Git(GitSubject {
        repository: facts.repository.clone(),
        branch: facts.branch.clone(),
        base: facts.base.clone(),
        head: facts.head.clone(),
        delta: facts.delta,
    })
}

fn of_files(paths: &[PathBuf], command: Option<&str>) -> Result<Computed, CliError> {
    let files = read_files(paths)?;
    let Some(command) = command else {
        return Err(CliError::usage(
            "a change of files says by which command they are applied, or nobody could ever apply it",
        )
        .hint("add --command 'COMMAND', which `countersign apply` will run over a copy of these files"));
    };
    of_read(files, split_command(command)?)
}

/// The same, of a command whose words are known.
pub fn over(paths: &[PathBuf], command: Vec<String>) -> Result<Computed, CliError> {
    of_read(read_files(paths)?, command)
}

fn of_read(files: BTreeMap<String, ReadFile>, command: Vec<String>) -> Result<Computed, CliError> {
    names_no_outside_path(&command, &files, &somewhere())?;
    let executable = executable(&files);
    let command = Some(command);
    let (mut digests, mut read) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in files {
        let digest = Digest::of(&file.bytes);
        read.extend(digest.hex().parse().ok().map(|id: Oid| (id, file.bytes)));
        digests.insert(name, digest);
    }
    let subject = Subject::Files(FilesSubject { files: digests, executable, command });
    Ok(Computed { read, ..Computed::as_said(subject, None) })
}

fn split_command(command: &str) -> Result<Vec<String>, CliError> {
    shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| {
        CliError::usage(format!("`{command}` is not a command line: a quote is not closed, or it is empty"))
    })
}

impl From<FilesError> for CliError {
    fn from(error: FilesError) -> Self {
        let (exit, hint) = match &error {
            FilesError::Read { .. } | FilesError::NotAFile { .. } | FilesError::Name { .. } => {
                (Exit::Failed, "name each file of the change with --file".to_owned())
            }
            FilesError::TooLarge { .. } => {
                (Exit::Failed, "change what is large by its digest, in a small file".to_owned())
            }
            FilesError::Twice { .. } => {
                (Exit::Usage, "run it from a directory where their relative paths differ".to_owned())
            }
            FilesError::OutsidePath { name, .. } => (Exit::Usage, format!("call the file `{name}` in the command")),
        };
        Self { exit, ..Self::new("files", error.to_string()) }.hint(hint)
    }
}
