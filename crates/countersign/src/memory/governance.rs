//! Governance as it was verified at some moments: a cache, so that a command does not read it from the beginning.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use countersign_core::{governance::Governance, verify::GovernedBefore};

use super::{GOVERNANCE, Memory};
use crate::{clock, durable};

/// Moments of governance that are kept: those in which the changes began that somebody looks at these days.
const MAX_GOVERNANCE: usize = 8;

impl Memory {
    /// The moments of governance that are kept: how many leaves of its stream each has behind it.
    pub fn governed(&self) -> Vec<u64> {
        self.governance_files().into_iter().map(|file| file.governed).collect()
    }

    /// Governance as it was verified here before.
    pub fn governance(&self, governed: u64) -> Option<GovernedBefore> {
        let KeptFile { index, path, .. } =
            self.governance_files().into_iter().find(|file| file.governed == governed)?;
        let read = fs::read(&path).ok().and_then(|bytes| Governance::kept(&bytes, |head| head.next_seq == governed));
        let Some((head, governance)) = read else {
            // Of another version of this program, or damaged: it is a cache.
            drop(fs::remove_file(&path));
            return None;
        };
        // What is used stays.
        let millis = u64::try_from(clock::now().unix_millis()).unwrap_or(0);
        let used = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        drop(fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(used)));
        Some(GovernedBefore { head, index, governance: Arc::new(governance) })
    }

    /// Keeps governance that was verified, for the next command. Without it that has to read more.
    pub fn keep_governance(&self, begun: &GovernedBefore) {
        let governed = begun.head.next_seq;
        let Some(bytes) = begun.governance.to_kept(begun.head) else { return };
        let folder = self.folder.join(GOVERNANCE);
        let file = folder.join(format!("{governed}-{}", begun.index));
        drop(durable::folder(&folder).and_then(|()| durable::put(&file, bytes)));
        let mut files = self.governance_files();
        files.sort();
        for file in files.iter().rev().skip(MAX_GOVERNANCE) {
            drop(fs::remove_file(&file.path));
        }
    }

    /// Forgets it, with the names and mails in it: the next command reads it again.
    pub fn forget_governance(&self) {
        for file in self.governance_files() {
            drop(fs::remove_file(&file.path));
        }
    }

    fn governance_files(&self) -> Vec<KeptFile> {
        let entries = fs::read_dir(self.folder.join(GOVERNANCE)).into_iter().flatten().flatten();
        let file = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let (governed, index) = name.to_str()?.split_once('-')?;
            let used = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
            Some(KeptFile { used, governed: governed.parse().ok()?, index: index.parse().ok()?, path: entry.path() })
        };
        entries.filter_map(file).collect()
    }
}

/// A file with governance, the one that was used last the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct KeptFile {
    used: Option<SystemTime>,
    /// How many leaves of its stream it has behind it.
    governed: u64,
    /// The last of them.
    index: u64,
    path: PathBuf,
}
