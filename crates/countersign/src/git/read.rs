//! What facts and landing ask of a repository, with as few processes as it takes: one `cat-file` and one `diff-tree`, and a
//! `rev-list` only for a range with merges or a long one.

use std::{mem, sync::PoisonError};

use countersign_core::{
    facts::{
        delta::escape_path,
        git::{Commit, GitRead, RawChange},
    },
    ids::Oid,
};

use super::{
    GitError, LINK, MAX_COMMIT_BYTES, Repository, SUBMODULE, check_version,
    names::unusable,
    process::{Differences, Objects, Talk, text},
    unexpected,
};

/// How far a range is walked, commit by commit, before git is asked for it.
pub(super) const WALKED: usize = 64;

impl Repository {
    fn oids(&self, command: &str, answer: &[u8]) -> Result<Vec<Oid>, GitError> {
        let answer = text(answer);
        let ids: Result<Vec<Oid>, _> = answer.lines().map(str::parse).collect();
        ids.map_err(|_| unexpected(command, &self.path, &answer))
    }

    /// Kind and size of an object, or `None` if it is not there.
    pub(super) fn info(&self, objects: &mut Objects, name: &str) -> Result<Option<(String, usize)>, GitError> {
        let header = objects.ask("info", name).map_err(|error| self.failed("cat-file", error.to_string()))?;
        let mut words = header.rsplitn(3, ' ');
        match (words.next(), words.next()) {
            (Some("missing" | "ambiguous"), _) => Ok(None),
            (Some(size), Some(kind)) => match size.parse() {
                Ok(size) => Ok(Some((kind.to_owned(), size))),
                Err(_) => Err(unexpected("cat-file", &self.path, &header)),
            },
            _ => Err(unexpected("cat-file", &self.path, &header)),
        }
    }

    /// Whether a file's content is here. It is not fetched from anywhere.
    pub fn has_blob(&self, id: &Oid) -> Result<bool, GitError> {
        self.with_objects(|objects| Ok(self.info(objects, id.as_str())?.is_some_and(|(kind, _)| kind == "blob")))
    }

    /// How large a file's content is, if it is here.
    pub fn blob_size(&self, id: &Oid) -> Result<Option<usize>, GitError> {
        self.with_objects(|objects| {
            Ok(self.info(objects, id.as_str())?.filter(|(kind, _)| kind == "blob").map(|(_, size)| size))
        })
    }

    /// A file's content, if it is here and no larger.
    pub fn blob(&self, id: &Oid, max_bytes: usize) -> Result<Option<Vec<u8>>, GitError> {
        self.with_objects(|objects| match self.info(objects, id.as_str())? {
            Some((kind, size)) if kind == "blob" && size <= max_bytes => {
                self.content(objects, id.as_str(), size).map(Some)
            }
            Some(_) | None => Ok(None),
        })
    }

    pub(super) fn content(&self, objects: &mut Objects, name: &str, size: usize) -> Result<Vec<u8>, GitError> {
        objects.contents(name, size).map_err(|error| self.failed("cat-file", error.to_string()))
    }

    /// The `git cat-file` that is kept open. After an error it is started anew, since its answers may be out of step.
    pub(super) fn with_objects<T>(
        &self,
        read: impl FnOnce(&mut Objects) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let mut slot = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut objects = match slot.take() {
            Some(objects) => objects,
            None => Objects(self.talk(&Objects::ARGS)?),
        };
        let result = read(&mut objects).map_err(|error| check_version().err().unwrap_or(error))?;
        *slot = Some(objects);
        Ok(result)
    }

    /// Starts the processes that answer about objects.
    pub(super) fn start(&self) -> Result<(), GitError> {
        let (objects, differences) = (self.talk(&Objects::ARGS)?, self.talk(&Differences::ARGS)?);
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) = Some(Objects(objects));
        *self.differences.lock().unwrap_or_else(PoisonError::into_inner) = Some(Differences(differences));
        Ok(())
    }

    fn talk(&self, args: &[&str]) -> Result<Talk, GitError> {
        Talk::start(self.command(args)).map_err(|error| self.failed(&args.join(" "), error.to_string()))
    }

    fn read_commit(&self, id: &Oid) -> Result<Commit, GitError> {
        let object = self.with_objects(|objects| match self.info(objects, id.as_str())? {
            Some((kind, size)) if kind == "commit" && size <= MAX_COMMIT_BYTES => {
                self.content(objects, id.as_str(), size).map(Ok)
            }
            Some((kind, bytes)) if kind == "commit" => Ok(Err(GitError::TooLarge { id: id.clone(), bytes })),
            Some((found, _)) => Ok(Err(GitError::NotACommit { id: id.clone(), found })),
            None => Ok(Err(GitError::NoObject { id: id.clone(), path: self.path.clone() })),
        })??;
        Commit::parse(&object).map_err(|source| GitError::Malformed { id: id.clone(), source })
    }

    /// A range without merges, read commit by commit. `None` if it is none, or a long one: it may have other ends than
    /// `exclude`, and what that reaches is for git to find out.
    ///
    /// Where the only way down from `include` ends in `exclude`, nothing on it can be reached from there.
    fn straight(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Option<Vec<Oid>>, GitError> {
        let (mut commits, mut at) = (Vec::new(), include.clone());
        while at != *exclude {
            if commits.len() >= limit.min(WALKED) {
                return Ok(None);
            }
            let Ok([parent]) = <[Oid; 1]>::try_from(self.commit(&at)?.parents) else { return Ok(None) };
            commits.push(mem::replace(&mut at, parent));
        }
        Ok(Some(commits))
    }

    /// Every file of a commit, and whether it is a submodule. Only who installs a gate asks this.
    pub fn files(&self, commit: &Oid) -> Result<Vec<(String, bool)>, GitError> {
        let args = ["ls-tree", "-r", "-z", "--full-tree", "--format=%(objectmode) %(path)", commit.as_str()];
        let answer = self.ask(&args)?;
        let lines = answer.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let file = |line: &[u8]| {
            let at = line.iter().position(|byte| *byte == b' ')?;
            let (mode, path) = line.split_at_checked(at)?;
            let is_submodule = u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()? == SUBMODULE;
            Some((escape_path(path.strip_prefix(b" ")?), is_submodule))
        };
        lines.map(|line| file(line).ok_or_else(|| unexpected("ls-tree", &self.path, &text(line)))).collect()
    }

    /// The symbolic links of a tree, each with its blob.
    fn read_links(&self, tree: &Oid) -> Result<Vec<(Vec<u8>, Oid)>, GitError> {
        let format = "--format=%(objectmode) %(objectname) %(path)";
        let answer = self.ask(&["ls-tree", "-r", "-z", "--full-tree", format, tree.as_str()])?;
        let mode = format!("{LINK:06o} ");
        let links = answer.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(mode.as_bytes()));
        let link = |line: &[u8]| {
            let (id, path) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
            Some((path.strip_prefix(b" ")?.to_vec(), std::str::from_utf8(id).ok()?.parse().ok()?))
        };
        links.map(|line| link(line).ok_or_else(|| unexpected("ls-tree", &self.path, &text(line)))).collect()
    }

    /// The best common ancestors, in the order of their ids; none for unrelated histories. Only who proposes asks this.
    pub fn merge_bases(&self, a: &Oid, b: &Oid) -> Result<Vec<Oid>, GitError> {
        let output = self.run(self.command(&["merge-base", "--all", a.as_str(), b.as_str()]), "merge-base")?;
        match output.code {
            Some(0) => {
                let mut bases = self.oids("merge-base", &output.stdout)?;
                bases.sort();
                Ok(bases)
            }
            Some(1) => Ok(Vec::new()),
            Some(_) | None => Err(self.failed("merge-base", output.stderr)),
        }
    }
}

impl GitRead for Repository {
    type Error = GitError;

    fn commit(&self, id: &Oid) -> Result<Commit, GitError> {
        if let Some(commit) = self.memo.commit(id) {
            return Ok(commit);
        }
        let commit = self.read_commit(id)?;
        self.memo.keep_commit(id, &commit);
        Ok(commit)
    }

    fn range(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Vec<Oid>, GitError> {
        let ends = (exclude.clone(), include.clone());
        if let Some(commits) = self.memo.range(&ends, limit) {
            return Ok(commits);
        }
        let commits = match self.straight(exclude, include, limit)? {
            Some(commits) => commits,
            None => {
                let (limit, exclude) = (format!("--max-count={limit}"), format!("^{exclude}"));
                self.oids("rev-list", &self.ask(&["rev-list", "--topo-order", &limit, include.as_str(), &exclude])?)?
            }
        };
        self.memo.keep_range(ends, limit, &commits);
        Ok(commits)
    }

    fn diff(&self, base: &Oid, head: &Oid) -> Result<Vec<RawChange>, GitError> {
        let trees = (self.commit(base)?.tree, self.commit(head)?.tree);
        if let Some(changes) = self.memo.diff(&trees) {
            return Ok(changes);
        }
        let mut slot = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        let mut differences = match slot.take() {
            Some(differences) => differences,
            None => Differences(self.talk(&Differences::ARGS)?),
        };
        let found = differences
            .ask(trees.0.as_str(), trees.1.as_str())
            .map_err(|error| self.failed("diff-tree", error.to_string()))?;
        *slot = Some(differences);
        let changes = found
            .into_iter()
            .map(|(header, path)| {
                let change = raw_change(&header, path).ok_or_else(|| unexpected("diff-tree", &self.path, &header))?;
                // What is taken away is there no more.
                let unusable = unusable(&change.path, change.new_mode).filter(|_| change.new_mode != 0);
                if let Some((part, what)) = unusable {
                    let (path, part) = (escape_path(&change.path), escape_path(part));
                    return Err(GitError::Path { tree: trees.1.clone(), path, part, what });
                }
                Ok(change)
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.check_trees(&trees.1, &changes)?;
        self.memo.keep_diff(trees, &changes);
        Ok(changes)
    }

    fn links(&self, commit: &Oid, limit: usize) -> Result<Option<Vec<(Vec<u8>, Oid)>>, GitError> {
        let tree = self.commit(commit)?.tree;
        let links = match self.memo.links(&tree) {
            Some(links) => links,
            None => {
                let links = self.read_links(&tree)?;
                self.memo.keep_links(tree, &links);
                links
            }
        };
        Ok(Some(links).filter(|links| links.len() <= limit))
    }

    fn blob(&self, id: &Oid, max_bytes: usize) -> Result<Option<Vec<u8>>, GitError> {
        match Self::blob(self, id, max_bytes)? {
            None if !self.has_blob(id)? => Err(GitError::NoObject { id: id.clone(), path: self.path.clone() }),
            found => Ok(found),
        }
    }

    fn blob_at(&self, commit: &Oid, path: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, GitError> {
        // A control character would be echoed in the answer and bring it out of step; a relative path ends `cat-file`.
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        if path.contains(|c: char| c.is_control()) || !path.split('/').all(plain) {
            return Ok(None);
        }
        let name = format!("{commit}:{path}");
        self.with_objects(|objects| match self.info(objects, &name)? {
            Some((kind, size)) if kind == "blob" && size <= max_bytes => self.content(objects, &name, size).map(Some),
            Some(_) | None => Ok(None),
        })
    }
}

/// `100644 000000 <old> <new> D`.
fn raw_change(header: &str, path: Vec<u8>) -> Option<RawChange> {
    let mut words = header.split(' ');
    let mut mode = || u32::from_str_radix(words.next()?, 8).ok();
    let (old_mode, new_mode) = (mode()?, mode()?);
    Some(RawChange { old_mode, new_mode, old: words.next()?.parse().ok()?, new: words.next()?.parse().ok()?, path })
}
