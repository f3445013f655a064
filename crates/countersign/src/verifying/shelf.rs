//! Records of changes in a temporary file that has no name, found by an index in memory: some forty bytes for each change.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
};

use countersign_core::{
    ids::ChangeId,
    verify::{Shelf, ShelfError},
};

/// Changes that are in memory before they are laid down: a log is about those of the last days.
const KEPT: usize = 1_024;

#[derive(Debug)]
pub struct FileShelf {
    file: File,
    end: u64,
    /// By the change's id, a number of 32 hexadecimal digits: where its newest record begins, and its length.
    index: HashMap<u128, (u64, u32)>,
    keeps: usize,
}

impl FileShelf {
    pub fn new() -> Result<Self, ShelfError> {
        Ok(Self { file: tempfile::tempfile().map_err(failed)?, end: 0, index: HashMap::new(), keeps: KEPT })
    }

    /// The changes that lie here, in the order of their ids.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = u128> + use<> {
        let mut ids: Vec<u128> = self.index.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter()
    }
}

/// A change's id as a number.
pub fn number(id: &ChangeId) -> Result<u128, ShelfError> {
    u128::from_str_radix(id.as_str(), 16).map_err(|e| ShelfError(format!("{id}: {e}")))
}

/// The change's id that such a number is.
pub fn change_id(number: u128) -> Result<ChangeId, ShelfError> {
    format!("{number:032x}").parse().map_err(|e| ShelfError(format!("{e}")))
}

impl Shelf for FileShelf {
    fn keeps(&self) -> usize {
        self.keeps
    }

    fn put(&mut self, change: &ChangeId, record: &[u8]) -> Result<(), ShelfError> {
        let length = u32::try_from(record.len()).map_err(|_| ShelfError(format!("change {change} is too long")))?;
        self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(record)).map_err(failed)?;
        self.index.insert(number(change)?, (self.end, length));
        self.end = self.end.saturating_add(u64::from(length));
        Ok(())
    }

    fn get(&self, change: &ChangeId) -> Result<Option<Vec<u8>>, ShelfError> {
        let Some((begin, length)) = self.index.get(&number(change)?) else { return Ok(None) };
        let mut file = &self.file;
        let mut record = vec![0; usize::try_from(*length).unwrap_or(usize::MAX)];
        file.seek(SeekFrom::Start(*begin)).and_then(|_| file.read_exact(&mut record)).map_err(failed)?;
        Ok(Some(record))
    }
}

fn failed(error: io::Error) -> ShelfError {
    ShelfError(format!("a temporary file: {error}"))
}
