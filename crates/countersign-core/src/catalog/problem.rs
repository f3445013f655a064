//! What is wrong with a catalog: where, what, and what would be right. All problems are collected, because whoever
//! mends a catalog of a thousand entries wants one list and not a thousand attempts.

use std::{error, fmt};

/// How many problems an error lists; of the rest only the number is told.
pub const MAX_PROBLEMS: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1, where the parser knows it.
    pub line: Option<u64>,
    pub what: String,
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what)?,
            None => write!(f, "{}: {}", self.file, self.what)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The catalog does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl error::Error for CatalogError {}

/// Collects problems while the rest of the catalog is still being read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    more: usize,
    /// Something of the catalog could not be read: what is not there may be just that.
    unread: bool,
}

impl Problems {
    /// Why a file or an entity could not be read.
    pub fn unread(&mut self, at: &Place, what: String, hint: Option<String>) {
        self.unread = true;
        self.add(at, what, hint);
    }

    /// That something which is referred to is not there. Where not everything was read it may well be.
    pub fn absent(&mut self, at: &Place, what: String, hint: Option<String>) {
        if !self.unread {
            self.add(at, what, hint);
        }
    }

    pub fn add(&mut self, at: &Place, what: String, hint: Option<String>) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(Problem { file: at.file.clone(), line: at.line, what, hint });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub fn into_result(self) -> Result<(), CatalogError> {
        match self.list.is_empty() {
            true => Ok(()),
            false => Err(CatalogError { problems: self.list, more: self.more }),
        }
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: String,
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}
