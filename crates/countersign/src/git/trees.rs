//! Whether trees are what git writes. One whose entries are out of order, or there twice, is read in several ways: what is
//! reviewed would not be what is checked out. `git` itself tells by `fsck` alone, which few servers ask for.
//!
//! Only folders with something touched are looked at. Whoever touches something in a folder writes its tree anew, and git
//! writes it well; what lies in the history since long is left alone.

use std::collections::BTreeMap;

use countersign_core::{facts::git::RawChange, ids::Oid};

use super::{GitError, Repository, process::Objects};

const FOLDER: &[u8] = b"40000";
/// A tree of half a million entries.
const MAX_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    is_folder: bool,
    name: &'a [u8],
    id: String,
}

impl Repository {
    /// Refuses what is not as git writes it, of the trees below `root` in which something was touched.
    pub(super) fn check_trees(&self, root: &Oid, changes: &[RawChange]) -> Result<(), GitError> {
        let paths: Vec<&[u8]> = changes.iter().map(|change| change.path.as_slice()).collect();
        let mut left = vec![(root.as_str().to_owned(), paths)];
        self.with_objects(|objects| {
            while let Some((tree, paths)) = left.pop() {
                let Some(bytes) = self.tree(objects, &tree)? else { continue };
                let malformed = |why| GitError::Tree { id: tree.clone(), why };
                let entries = entries(&bytes, root.as_str().len() / 2).map_err(malformed)?;
                let mut below: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
                for path in paths {
                    let mut parts = path.splitn(2, |byte| *byte == b'/');
                    if let (Some(folder), Some(rest)) = (parts.next(), parts.next()) {
                        below.entry(folder).or_default().push(rest);
                    }
                }
                let folders = entries.into_iter().filter(|entry| entry.is_folder);
                left.extend(folders.filter_map(|entry| Some((entry.id, below.remove(entry.name)?))));
            }
            Ok(())
        })
    }

    fn tree(&self, objects: &mut Objects, id: &str) -> Result<Option<Vec<u8>>, GitError> {
        match self.info(objects, id)? {
            Some((kind, size)) if kind == "tree" && size <= MAX_BYTES => self.content(objects, id, size).map(Some),
            Some((kind, _)) if kind == "tree" => {
                Err(GitError::Tree { id: id.to_owned(), why: "it has too many entries" })
            }
            Some(_) | None => Ok(None),
        }
    }
}

/// Reads a tree: a mode, a name and the bytes of an id for each entry, in the one order that git has for them.
fn entries(tree: &[u8], id_bytes: usize) -> Result<Vec<Entry<'_>>, &'static str> {
    const BROKEN: &str = "it breaks off";
    let (mut entries, mut rest) = (Vec::new(), tree);
    let mut last: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        let split = |bytes: &'_ [u8], at: u8| bytes.iter().position(|byte| *byte == at);
        let (mode, behind) = rest.split_at_checked(split(rest, b' ').ok_or(BROKEN)?).ok_or(BROKEN)?;
        let behind = behind.get(1..).ok_or(BROKEN)?;
        let (name, behind) = behind.split_at_checked(split(behind, 0).ok_or(BROKEN)?).ok_or(BROKEN)?;
        let (id, behind) = behind.get(1..).and_then(|behind| behind.split_at_checked(id_bytes)).ok_or(BROKEN)?;
        let is_folder = mode.strip_prefix(b"0").unwrap_or(mode) == FOLDER;
        if name.is_empty() || name.contains(&b'/') {
            return Err("an entry has no name of its own");
        }
        // A folder stands where its name with a `/` would.
        let key = [name, if is_folder { b"/".as_slice() } else { b"" }].concat();
        match &last {
            Some(before) if *before >= key => return Err("its entries are out of order, or there twice"),
            Some(_) | None => last = Some(key),
        }
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        entries.push(Entry { is_folder, name, id });
        rest = behind;
    }
    // A file and a folder of one name stand apart, with others between them.
    let mut names: Vec<&[u8]> = entries.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    match names.windows(2).any(|pair| pair.first() == pair.last()) {
        true => Err("its entries are out of order, or there twice"),
        false => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::{any_of, foreign};

    fn tree(entries: &[(&str, &str)]) -> Vec<u8> {
        entries.iter().flat_map(|(mode, name)| [format!("{mode} {name}\0").as_bytes(), &[7; 20]].concat()).collect()
    }

    foreign! {
        fn foreign_trees(bytes in any_of(vec![tree(&[("100644", "a"), ("40000", "a-"), ("100644", "a.b"), ("160000", "b")])])) {
            if let Ok(read) = entries(&bytes, 20) {
                // Every byte belongs to an entry, and no name stands there twice.
                let names: std::collections::BTreeSet<_> = read.iter().map(|entry| entry.name).collect();
                proptest::prop_assert_eq!(names.len(), read.len());
                let least: usize = read.iter().map(|entry| entry.name.len() + 22).sum();
                proptest::prop_assert!(least <= bytes.len());
            }
        }
    }

    #[test]
    fn a_tree_has_one_reading() {
        let well = tree(&[("100644", "a"), ("100644", "a.b"), ("40000", "a-"), ("100755", "b")]);
        assert_eq!(entries(&well, 20), Err("its entries are out of order, or there twice"), "`-` comes before `.`");
        let well = tree(&[("100644", "a"), ("40000", "a-"), ("100644", "a.b"), ("160000", "b"), ("040000", "c")]);
        let read = entries(&well, 20).unwrap();
        assert_eq!(read.iter().map(|entry| entry.is_folder).collect::<Vec<_>>(), [false, true, false, false, true]);
        for odd in [
            &[("100644", "a"), ("100644", "a")][..],
            &[("100644", "b"), ("100644", "a")],
            &[("100644", "a"), ("100644", "a.b"), ("40000", "a")],
            &[("100644", "")],
            &[("100644", "a/b")],
        ] {
            assert!(entries(&tree(odd), 20).is_err(), "{odd:?}");
        }
        for end in 1..well.len() {
            let cut = entries(&well[..end], 20).map(|read| read.len());
            assert!(cut == Err("it breaks off") || cut.is_ok_and(|read| read < 5), "{end}");
        }
    }
}
