//! What a repository has answered: objects do not change, so that nothing is asked twice.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_core::{
    facts::git::{Commit, RawChange},
    ids::Oid,
};

/// What is kept at most. Beyond that, git is asked again.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What an entry takes beside its texts, roughly.
const ENTRY_BYTES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    commits: BTreeMap<Oid, Commit>,
    /// By the two trees.
    diffs: BTreeMap<(Oid, Oid), Vec<RawChange>>,
    /// By what is left out and what is reached, with the limit that was asked for.
    ranges: BTreeMap<(Oid, Oid), (usize, Vec<Oid>)>,
    /// By the tree.
    links: BTreeMap<Oid, Vec<(Vec<u8>, Oid)>>,
    bytes: usize,
}

impl Memo {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn commit(&self, id: &Oid) -> Option<Commit> {
        self.known().commits.get(id).cloned()
    }

    pub fn keep_commit(&self, id: &Oid, commit: &Commit) {
        let bytes = ENTRY_BYTES * (2 + commit.parents.len()) + commit.message.len();
        self.known().keep(bytes, |known| {
            known.commits.insert(id.clone(), commit.clone());
        });
    }

    pub fn diff(&self, trees: &(Oid, Oid)) -> Option<Vec<RawChange>> {
        self.known().diffs.get(trees).cloned()
    }

    pub fn keep_diff(&self, trees: (Oid, Oid), changes: &[RawChange]) {
        let bytes = ENTRY_BYTES + changes.iter().map(|change| ENTRY_BYTES + change.path.len()).sum::<usize>();
        self.known().keep(bytes, |known| {
            known.diffs.insert(trees, changes.to_vec());
        });
    }

    pub fn links(&self, tree: &Oid) -> Option<Vec<(Vec<u8>, Oid)>> {
        self.known().links.get(tree).cloned()
    }

    pub fn keep_links(&self, tree: Oid, links: &[(Vec<u8>, Oid)]) {
        let bytes = ENTRY_BYTES + links.iter().map(|(path, _)| ENTRY_BYTES + path.len()).sum::<usize>();
        self.known().keep(bytes, |known| {
            known.links.insert(tree, links.to_vec());
        });
    }

    /// The first `limit` commits of a range, if as many were asked for before, or there are no more.
    pub fn range(&self, ends: &(Oid, Oid), limit: usize) -> Option<Vec<Oid>> {
        let known = self.known();
        let (asked, commits) = known.ranges.get(ends)?;
        (*asked >= limit || commits.len() < *asked).then(|| commits.iter().take(limit).cloned().collect())
    }

    pub fn keep_range(&self, ends: (Oid, Oid), limit: usize, commits: &[Oid]) {
        self.known().keep(ENTRY_BYTES * (1 + commits.len()), |known| {
            known.ranges.insert(ends, (limit, commits.to_vec()));
        });
    }
}

impl Known {
    fn keep(&mut self, bytes: usize, insert: impl FnOnce(&mut Self)) {
        if self.bytes + bytes <= MAX_BYTES {
            self.bytes += bytes;
            insert(self);
        }
    }
}
