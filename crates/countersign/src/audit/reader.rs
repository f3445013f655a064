//! Streams the landed changes of a local repository, newest first, with the commits that each first brings in, the paths
//! it changes and the notes on all of them.
//!
//! Two passes. The first reads the graph alone (ids, parents, times) and keeps it in memory as numbers: a commit takes
//! some hundred bytes, whatever it changes. It says which changes landed in the asked time and which commits each of
//! them brought. The second reads contents and keeps none of them:
//!
//! ```text
//! diff-tree --stdin  (some, in parallel)   landed commits and their paths  ─┐
//!                                                                           ├─ zipped, newest first ─> the caller
//! cat-file --batch   (one, if it is needed)  brought commits and all notes ─┘
//! ```
//!
//! Newest first, because git packs old versions as differences from newer ones: the other way round takes a quarter longer.
//! Paths come from trees alone, so a partial clone without file contents is as good as a whole one. `git` runs as
//! [`crate::git`] says: in an empty repository of our own that borrows the objects, without anybody's configuration.

mod branch;
mod commit;
mod fields;
mod graph;
mod landed;
mod notes;
mod objects;
mod running;
mod times;
mod tree;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign_audit::LandedChange;
use countersign_core::{
    facts::git::GitRead as _,
    ids::{InvalidId, Oid},
};
use thiserror::Error;

pub use times::{InvalidTime, day, parse_time};

use crate::git::{GitError, Repository};
use graph::Plan;

/// Of a longer message or note the first and the last half of this are read: trailers stand at the end.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// A mailmap or an owners file that is longer is not read.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Landed changes that are handed from one thread to another at once.
const BLOCK: usize = 512;
/// Blocks that may wait for the caller, for each process.
const WAITING_BLOCKS: usize = 4;
/// More processes that compare trees than this gain nothing.
const MAX_PROCESSES: usize = 4;

#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("there is no branch `{name}` in `{}`", path.display())]
    UnknownBranch { name: String, path: PathBuf, near: Option<String>, branches: Vec<String> },
    #[error("`{}` has no commits yet", path.display())]
    Empty { path: PathBuf },
    #[error("HEAD of `{}` names the branch `{head}`, which has no commits", path.display())]
    Unborn { path: PathBuf, head: String, branches: Vec<String> },
    #[error("object {object} of `{}` cannot be read: {why}", path.display())]
    Object { object: Oid, path: PathBuf, why: String },
    #[error("`git {command}` in `{}` failed: {why}", path.display())]
    Failed { command: &'static str, path: PathBuf, why: String },
    #[error("`git {command}` in `{}` gave an answer that this version does not understand: {answer}", path.display())]
    Answer { command: &'static str, path: PathBuf, answer: String },
    #[error("the history of `{}` has more than {} commits", path.display(), u32::MAX)]
    TooManyCommits { path: PathBuf },
    #[error("interrupted")]
    Interrupted,
}

impl From<InvalidId> for ReadError {
    fn from(error: InvalidId) -> Self {
        Self::Answer { command: "rev-list", path: PathBuf::new(), answer: error.to_string() }
    }
}

/// Raised from outside, by Ctrl-C; the reader looks at it often.
#[derive(Clone, Debug, Default)]
pub struct Stop(pub Arc<AtomicBool>);

impl Stop {
    fn check(&self) -> Result<(), ReadError> {
        if self.0.load(Ordering::Relaxed) { Err(ReadError::Interrupted) } else { Ok(()) }
    }
}

/// Which changes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Without it HEAD's.
    pub branch: Option<String>,
    /// Committed at this second or later, since the Unix epoch.
    pub since: Option<i64>,
    /// Committed before this second.
    pub until: Option<i64>,
}

impl Selection {
    fn holds(&self, committed_at: i64) -> bool {
        self.since.is_none_or(|since| since <= committed_at) && self.until.is_none_or(|until| committed_at < until)
    }
}

/// A history whose graph has been read.
#[derive(Debug)]
pub struct History {
    repository: Repository,
    path: PathBuf,
    /// The branch's name without `refs/heads/`; `HEAD` where it is detached.
    pub branch: String,
    pub tip: Oid,
    /// The first commit of the chain of first parents: the same for every clone, so it names the history.
    pub root: Oid,
    plan: Arc<Plan>,
    stop: Stop,
}

/// What the report has to say about the reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The history is cut off; what was before is unknown, and so is what the oldest change changed.
    pub shallow: bool,
    /// All commits that the branch reaches.
    pub commits: usize,
    /// Landed changes of the branch, also those outside the asked time.
    pub landed_ever: usize,
    /// References with notes that were read.
    pub notes: Vec<String>,
    /// Reviews that Gerrit keeps in the repository (NoteDb).
    pub note_db_changes: usize,
}

impl History {
    /// Opens the repository in or above `path` and reads its graph.
    pub fn open(path: &Path, selection: &Selection, stop: &Stop) -> Result<Self, ReadError> {
        let repository = Repository::open_even_shallow(path)?;
        let (branch, tip) = branch::choose(&repository, path, selection.branch.as_deref())?;
        let source = running::Source { repository: &repository, path, stop };
        let (graph, notes) = std::thread::scope(|scope| {
            let notes = scope.spawn(|| notes::list(source, &branch, &tip));
            let graph = graph::read(source, &tip);
            (graph, notes.join())
        });
        let graph = graph?;
        let notes = notes.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let plan = Plan::new(graph, &tip, selection, notes, repository.is_shallow());
        let root = plan.root().unwrap_or_else(|| tip.clone());
        Ok(Self { repository, path: path.to_owned(), branch, tip, root, plan: Arc::new(plan), stop: stop.clone() })
    }

    /// Landed changes that [`changes`](Self::changes) will yield.
    pub fn len(&self) -> usize {
        self.plan.landed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.plan.landed.is_empty()
    }

    pub fn coverage(&self) -> &Coverage {
        &self.plan.coverage
    }

    /// Where it was cloned from, as its configuration says, credentials included.
    pub fn remote(&self) -> Result<Option<String>, ReadError> {
        let url = self.repository.names(&["config", "--no-includes", "--get", "remote.origin.url"])?;
        Ok(url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()))
    }

    /// What the repository is called: by its folder, without `.git`.
    pub fn repository_name(&self) -> String {
        self.repository.name()
    }

    /// A file at the tip of the branch, as text; `None` where there is none, it is a link, or it is not there in a partial clone.
    pub fn file(&self, path: &str) -> Result<Option<String>, ReadError> {
        let source = running::Source { repository: &self.repository, path: &self.path, stop: &self.stop };
        let bytes = self.repository.blob_at(&self.tip, path, MAX_FILE_BYTES)?;
        if bytes.is_some() && tree::is_link(source, &self.tip, path)? {
            return Ok(None);
        }
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Every file at the tip of the branch.
    pub fn files(&self) -> Result<Vec<String>, ReadError> {
        let source = running::Source { repository: &self.repository, path: &self.path, stop: &self.stop };
        tree::files(source, &self.tip, &[])
    }

    /// Those of these files that the tip of the branch has and that cannot be read: a partial clone leaves contents out.
    pub fn unread(&self, paths: &[&str]) -> Result<Vec<String>, ReadError> {
        let source = running::Source { repository: &self.repository, path: &self.path, stop: &self.stop };
        // Without trees there is nothing to audit either, which reading them says better.
        let mut there = tree::files(source, &self.tip, paths).unwrap_or_default();
        let mut unread = Vec::new();
        for path in there.drain(..) {
            if self.file(&path)?.is_none() && !tree::is_link(source, &self.tip, &path)? {
                unread.push(path);
            }
        }
        Ok(unread)
    }

    /// Starts reading contents.
    pub fn changes(&self) -> Result<Changes, ReadError> {
        let source = running::Source { repository: &self.repository, path: &self.path, stop: &self.stop };
        let processes = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_PROCESSES);
        let landed = (0..processes.min(self.plan.blocks()))
            .map(|which| landed::start(source, &self.plan, which, processes))
            .collect::<Result<Vec<_>, _>>()?;
        let objects = if self.plan.needs_objects() { Some(objects::start(source, &self.plan)?) } else { None };
        Ok(Changes {
            landed,
            objects,
            next_block: 0,
            blocks: self.plan.blocks(),
            ready: Vec::new().into_iter(),
            stop: self.stop.clone(),
        })
    }
}

/// The landed changes, newest first. After an error there are no more.
#[derive(Debug)]
pub struct Changes {
    landed: Vec<running::Blocks<landed::Landed>>,
    objects: Option<running::Blocks<objects::Attached>>,
    next_block: usize,
    blocks: usize,
    ready: std::vec::IntoIter<LandedChange>,
    stop: Stop,
}

impl Iterator for Changes {
    type Item = Result<LandedChange, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(change) = self.ready.next() {
            return Some(Ok(change));
        }
        if self.next_block >= self.blocks {
            return None;
        }
        match self.block() {
            Ok(changes) => {
                self.next_block = self.next_block.saturating_add(1);
                self.ready = changes.into_iter();
                self.ready.next().map(Ok)
            }
            Err(error) => {
                self.next_block = self.blocks;
                // Ctrl-C ends git as well, whose complaint is then of no interest.
                Some(Err(self.stop.check().err().unwrap_or(error)))
            }
        }
    }
}

impl Changes {
    fn block(&mut self) -> Result<Vec<LandedChange>, ReadError> {
        self.stop.check()?;
        let which = self.next_block.checked_rem(self.landed.len()).unwrap_or_default();
        let landed = match self.landed.get(which) {
            Some(blocks) => blocks.next()?,
            None => Vec::new(),
        };
        let attached = match &self.objects {
            Some(blocks) => blocks.next()?,
            None => landed.iter().map(|_| objects::Attached::default()).collect(),
        };
        let zipped = landed.into_iter().zip(attached);
        Ok(zipped
            .map(|(landed, attached)| LandedChange {
                commit: landed.commit,
                brought: attached.brought,
                paths: landed.paths,
                notes: attached.notes,
            })
            .collect())
    }
}
