//! Where a server keeps material: a folder a change, a file a content, beside the ledger and no part of it. Losing it loses
//! no evidence.
//!
//! Out of scope: what may be put here, which the engine asks the signed statements.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use countersign_core::ids::{ChangeId, Oid};
use countersign_ledger::Time;
use serde::Deserialize;

use crate::{durable, unix};

/// How much one change may have, as often as the limit: its earlier revisions are kept, too.
const REVISIONS: u64 = 4;
/// How many bytes one page has, about.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `material:` in countersign.yaml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// How long it is kept after somebody last gave some of a change.
    pub keep_days: u32,
    /// Of one revision, in all; nothing is kept where it is 0.
    pub limit_mib: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { keep_days: 400, limit_mib: 8 }
    }
}

impl Bounds {
    pub fn limit_bytes(self) -> u64 {
        u64::from(self.limit_mib).saturating_mul(MEBIBYTE)
    }
}

#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    bounds: Bounds,
}

/// Contents in the order of their ids, and behind which one to go on.
pub type Contents = (Vec<(Oid, Vec<u8>)>, Option<Oid>);

impl Shelf {
    /// Nothing is made there before something is kept.
    pub fn at(folder: PathBuf, bounds: Bounds) -> Self {
        Self { folder, bounds }
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn of(&self, change: &ChangeId) -> PathBuf {
        self.folder.join(change.as_str())
    }

    /// What is here of a change, with the sizes.
    pub fn ids(&self, change: &ChangeId) -> io::Result<Vec<(Oid, u64)>> {
        let mut ids = Vec::new();
        for entry in entries(&self.of(change))? {
            // A file that is just being written has another name.
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                ids.push((id, entry.metadata()?.len()));
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// How many bytes more a change may have.
    pub fn room(&self, change: &ChangeId) -> io::Result<u64> {
        let used: u64 = self.ids(change)?.iter().map(|(_, size)| size).sum();
        Ok(self.bounds.limit_bytes().saturating_mul(REVISIONS).saturating_sub(used))
    }

    pub fn put(&self, change: &ChangeId, id: &Oid, bytes: &[u8]) -> io::Result<()> {
        let folder = self.of(change);
        if !folder.is_dir() {
            unix::private_folders(&folder)?;
        }
        durable::put(&folder.join(id.as_str()), bytes)
    }

    /// A page of what is here, behind this content.
    pub fn page(&self, change: &ChangeId, after: Option<&Oid>) -> io::Result<Contents> {
        let ids = self.ids(change)?;
        let mut rest = ids.into_iter().filter(|(id, _)| after.is_none_or(|after| id > after)).peekable();
        let (mut page, mut bytes) = (Vec::new(), 0_u64);
        while let Some((id, size)) = rest.next() {
            page.push((id.clone(), fs::read(self.of(change).join(id.as_str()))?));
            bytes = bytes.saturating_add(size);
            if bytes >= PAGE_BYTES && rest.peek().is_some() {
                return Ok((page, Some(id)));
            }
        }
        Ok((page, None))
    }

    /// Takes all of a change away.
    pub fn remove(&self, change: &ChangeId) -> io::Result<()> {
        match fs::remove_dir_all(self.of(change)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The changes of which something is here.
    pub fn changes(&self) -> io::Result<Vec<ChangeId>> {
        let names = entries(&self.folder)?.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether the time is over for which it is kept.
    pub fn is_over(&self, change: &ChangeId, now: Time) -> io::Result<bool> {
        // A folder changes with every file that comes into it.
        let given = match fs::metadata(self.of(change)) {
            Ok(metadata) => metadata.modified()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.unix_millis()).unwrap_or_default());
        let kept = now.duration_since(given).unwrap_or_default();
        Ok(kept > DAY.saturating_mul(self.bounds.keep_days))
    }
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_everything_once_and_what_is_old_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path().join("material"), Bounds { keep_days: 2, limit_mib: 3 });
        let change: ChangeId = "9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap();
        assert_eq!(shelf.page(&change, None).unwrap(), (Vec::new(), None));
        assert_eq!(shelf.room(&change).unwrap(), 12 * MEBIBYTE);
        let large = vec![b'x'; 3 * 1024 * 1024];
        let ids: Vec<Oid> = ["1", "2", "3"].map(|digit| digit.repeat(40).parse().unwrap()).into();
        ids.iter().for_each(|id| shelf.put(&change, id, &large).unwrap());
        let (first, next) = shelf.page(&change, None).unwrap();
        assert_eq!((first.len(), next.as_ref()), (2, ids.get(1)));
        let (last, next) = shelf.page(&change, next.as_ref()).unwrap();
        assert_eq!((last.len(), next), (1, None));
        assert_eq!(shelf.room(&change).unwrap(), 3 * MEBIBYTE);
        let given = fs::metadata(shelf.of(&change)).unwrap().modified().unwrap();
        let given = i64::try_from(given.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let day = |days: i64| Time::from_unix_secs(given + days * 24 * 60 * 60);
        assert!(!shelf.is_over(&change, day(1)).unwrap());
        assert!(shelf.is_over(&change, day(3)).unwrap());
        assert_eq!(shelf.changes().unwrap(), std::slice::from_ref(&change));
        shelf.remove(&change).unwrap();
        shelf.remove(&change).unwrap();
        assert!(shelf.changes().unwrap().is_empty());
    }
}
