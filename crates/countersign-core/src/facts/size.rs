//! How large a change is: by a definition that needs no algorithm of differences, so that anybody can count again.
//!
//! Of each path, the lines of the new content that are not among those of the old one are added, the others' deleted, both as
//! multisets: a line that was moved is neither. Lines are what stands between line feeds. What cannot be counted (a binary
//! file, a large one, a submodule) makes both unknown, and whoever asks is told a very large number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::{
    delta::{Entry, TouchedPath},
    git::GitRead,
};

/// A file of more bytes is not counted.
pub const MAX_COUNTED_BYTES: usize = 4 * 1024 * 1024;
/// Nor is a change whose files have more in all, before and after.
pub const MAX_COUNTED_BYTES_IN_ALL: usize = 64 * 1024 * 1024;
/// A NUL among the first so many bytes makes a file binary, as git has it.
const TELLS_BINARY: usize = 8_000;
/// What is told where nobody counted: a rule that allows so many lines does not allow these.
pub const UNKNOWN: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// How many paths are touched.
    pub files: u32,
    /// `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Lines>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    pub added: u32,
    pub deleted: u32,
}

impl Lines {
    pub fn plus(self, other: Self) -> Self {
        let Self { added, deleted } = other;
        Self { added: self.added.saturating_add(added), deleted: self.deleted.saturating_add(deleted) }
    }
}

impl Size {
    /// Of so many files, of which nobody counted the lines.
    pub fn of_files(files: usize) -> Self {
        Self { files: u32::try_from(files).unwrap_or(UNKNOWN), lines: None }
    }

    pub fn added(&self) -> u32 {
        self.lines.map_or(UNKNOWN, |lines| lines.added)
    }

    pub fn deleted(&self) -> u32 {
        self.lines.map_or(UNKNOWN, |lines| lines.deleted)
    }
}

/// The lines of each path of a delta, read from the contents that it names; `None` where they cannot be counted.
pub fn lines<G: GitRead>(git: &G, paths: &[TouchedPath]) -> Result<Vec<Option<Lines>>, G::Error> {
    let mut left = MAX_COUNTED_BYTES_IN_ALL;
    let mut lines = Vec::with_capacity(paths.len());
    for touched in paths {
        let old = content(git, touched.old.as_ref(), &mut left)?;
        // What is not counted on one side is not read on the other.
        let new = match old {
            Some(_) => content(git, touched.new.as_ref(), &mut left)?,
            None => None,
        };
        lines.push(old.zip(new).map(|(old, new)| count(&old, &new)));
    }
    Ok(lines)
}

/// Of all of them together; `None` where one is not known.
pub fn sum(lines: &[Option<Lines>]) -> Option<Lines> {
    lines.iter().copied().try_fold(Lines::default(), |sum, lines| Some(sum.plus(lines?)))
}

/// One side of a path; `None` where it cannot be counted.
fn content<G: GitRead>(git: &G, side: Option<&Entry>, left: &mut usize) -> Result<Option<Vec<u8>>, G::Error> {
    let Some(entry) = side else { return Ok(Some(Vec::new())) };
    if entry.is_submodule() {
        return Ok(None);
    }
    let bytes = git.blob(&entry.id, MAX_COUNTED_BYTES.min(*left))?;
    let counted = bytes.filter(|bytes| !bytes.iter().take(TELLS_BINARY).any(|byte| *byte == 0));
    *left = left.saturating_sub(counted.as_ref().map_or(0, Vec::len));
    Ok(counted)
}

/// Lines that are in one and not in the other, as often as they are there.
pub fn count(old: &[u8], new: &[u8]) -> Lines {
    let mut balance: BTreeMap<&[u8], i64> = BTreeMap::new();
    for line in lines_of(new) {
        *balance.entry(line).or_default() += 1;
    }
    for line in lines_of(old) {
        *balance.entry(line).or_default() -= 1;
    }
    let sum = |of: &dyn Fn(i64) -> i64| {
        let all: i64 = balance.values().map(|times| of(*times).max(0)).sum();
        u32::try_from(all).unwrap_or(UNKNOWN)
    };
    Lines { added: sum(&|times| times), deleted: sum(&|times| -times) }
}

/// What stands between line feeds. The last line may have none.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}
