//! People and groups as a directory exports them, and what a catalog has to change to say the same. What is found here is only
//! proposed: somebody else reads it as a change of the catalog.
//!
//! Invariant: whoever the file does not name plainly is an error with its place, never somebody who left.

mod plan;
mod read;
mod write;

pub use self::{
    plan::{Plan, plan},
    read::{Entry, MAX_BYTES, read},
    write::{FILE, edited},
};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum DirectoryError {
    #[error("row {row}: {what}")]
    Row { row: usize, what: String },
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it names nobody")]
    Empty,
    #[error("{people} people of {of} would leave or lose a group, and {most} at the most do without your word")]
    TooMany { people: usize, of: usize, most: usize },
    #[error("what comes of it does not hold: {0}")]
    Catalog(String),
    #[error("{person} would not be as the directory says: a group lists its members itself")]
    ListedByGroup { person: String },
}

impl DirectoryError {
    pub fn hint(&self) -> String {
        match self {
            Self::Row { .. } | Self::Unreadable(_) | Self::Empty => {
                "a CSV with a line of headings (id or login, name, mail, groups, level, active), or JSON: a list of such objects, or \
                 SCIM's {\"Resources\": […]}"
                    .to_owned()
            }
            Self::TooMany { people, .. } => format!("if the export is whole, and that is meant: --yes-remove {people}"),
            Self::Catalog(_) => "mend the catalog or the export; nothing was written".to_owned(),
            Self::ListedByGroup { person } => {
                format!("take {person} out of `members` of the group in catalog/, and say it by `memberOf` of the person")
            }
        }
    }
}
