//! A git history in memory. A tree is a map of paths; its id stands in the commit.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use countersign_core::{
    facts::{
        Range,
        git::{Commit, GitRead, RawChange},
    },
    ids::{Nonce, Oid},
};

const FILE: u32 = 0o100_644;

/// What stands under a path: a mode and a content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Node(pub u32, pub u64);

pub const GONE: Node = Node(0, 0);

pub fn file(content: u64) -> Node {
    Node(FILE, content)
}

type Tree = BTreeMap<Vec<u8>, Node>;

#[derive(Default)]
pub struct Memory {
    commits: BTreeMap<Oid, (Commit, Tree)>,
    /// Contents that are not just digits.
    pub texts: BTreeMap<u64, &'static str>,
    /// How many commits were read.
    pub asked: RefCell<usize>,
}

#[derive(Debug, thiserror::Error)]
#[error("no such object")]
pub struct Missing;

/// An id that begins with the number, so that its short form tells.
pub fn oid(n: u64) -> Oid {
    format!("{n:010}{:030}", 0).parse().unwrap()
}

pub fn salt() -> Nonce {
    "5a".repeat(16).parse().unwrap()
}

pub fn range(base: u64, head: u64) -> Range {
    let branch = "refs/heads/main".to_owned();
    Range { repository: "shop".parse().unwrap(), branch, base: oid(base), head: oid(head) }
}

impl Memory {
    /// Adds commit `n`; its parents, who wrote and committed it, its message, what it changes against its first parent.
    pub fn write(
        &mut self,
        n: u64,
        parents: &[u64],
        [author, committer]: [&str; 2],
        message: &[u8],
        files: &[(&[u8], Node)],
    ) {
        let parents: Vec<Oid> = parents.iter().copied().map(oid).collect();
        let mut tree = parents.first().map(|id| self.commits[id].1.clone()).unwrap_or_default();
        tree.extend(files.iter().map(|(path, node)| (path.to_vec(), *node)));
        tree.retain(|_, node| *node != GONE);
        let object = [
            format!("tree {}\n", oid(1_000_000 + n)).into_bytes(),
            parents.iter().flat_map(|id| format!("parent {id}\n").into_bytes()).collect(),
            format!("author {author} 1700000000 +0000\ncommitter {committer} 1700000000 +0000\n").into_bytes(),
            b"gpgsig -----BEGIN\n author Mallory <m@x> 1 +0000\n\n".to_vec(),
            message.to_vec(),
        ]
        .concat();
        self.commits.insert(oid(n), (Commit::parse(&object).unwrap(), tree));
    }

    /// Adds a commit that changes files.
    pub fn add(&mut self, n: u64, parents: &[u64], author: &str, message: &[u8], files: &[(&[u8], u64)]) {
        let files: Vec<(&[u8], Node)> = files.iter().map(|(path, content)| (*path, file(*content))).collect();
        self.write(n, parents, [author, author], message, &files);
    }

    fn reach(&self, id: &Oid) -> BTreeSet<Oid> {
        let mut seen = BTreeSet::new();
        let mut open = vec![id.clone()];
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(self.commits[&next].0.parents.clone());
            }
        }
        seen
    }
}

impl GitRead for Memory {
    type Error = Missing;

    fn commit(&self, id: &Oid) -> Result<Commit, Missing> {
        *self.asked.borrow_mut() += 1;
        self.commits.get(id).map(|(commit, _)| commit.clone()).ok_or(Missing)
    }

    fn range(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Vec<Oid>, Missing> {
        let excluded = self.reach(exclude);
        // Newer ones have greater numbers here.
        Ok(self.reach(include).into_iter().rev().filter(|id| !excluded.contains(id)).take(limit).collect())
    }

    fn diff(&self, base: &Oid, head: &Oid) -> Result<Vec<RawChange>, Missing> {
        let (old, new) = (&self.commits[base].1, &self.commits[head].1);
        let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let side = |tree: &Tree, path| {
            tree.get(path).map_or((0, oid(0)), |Node(mode, content)| (*mode, oid(2_000_000 + content)))
        };
        let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
        // In reverse: facts must not depend on the order.
        Ok(changed
            .rev()
            .map(|path| {
                let ((old_mode, old), (new_mode, new)) = (side(old, path), side(new, path));
                RawChange { path: path.clone(), old_mode, new_mode, old, new }
            })
            .collect())
    }

    /// Content `n` has the lines of `n`'s digits.
    fn blob(&self, id: &Oid, max_bytes: usize) -> Result<Option<Vec<u8>>, Missing> {
        let number: u64 = id.as_str()[..10].parse().map_err(|_| Missing)?;
        let content = number.checked_sub(2_000_000).ok_or(Missing)?;
        let digits = content.to_string();
        let lines = || digits.chars().map(|digit| format!("{digit}\n")).collect();
        let text: String = self.texts.get(&content).map_or_else(lines, |text| (*text).to_owned());
        Ok(Some(text.into_bytes()).filter(|bytes| bytes.len() <= max_bytes))
    }

    fn links(&self, commit: &Oid, limit: usize) -> Result<Option<Vec<(Vec<u8>, Oid)>>, Missing> {
        let tree = self.commits[commit].1.iter().filter(|(_, Node(mode, _))| *mode == 0o120_000);
        let links: Vec<_> = tree.map(|(path, Node(_, content))| (path.clone(), oid(2_000_000 + content))).collect();
        Ok(Some(links).filter(|links| links.len() <= limit))
    }

    fn blob_at(&self, _: &Oid, _: &str, _: usize) -> Result<Option<Vec<u8>>, Missing> {
        Err(Missing)
    }
}
