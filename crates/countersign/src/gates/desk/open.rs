//! What is open and comes near to what is asked for: for hints, and for nothing that is decided.

use countersign_core::{change::Change, ids::Target};

use super::{Desk, DeskError};

impl Desk {
    /// Open changes that reach a target: the server only says which, and this gate's own copy what they are.
    pub fn open_on(&self, target: &Target) -> Result<Vec<Change>, DeskError> {
        let page = self.client.changes(&[("target", &target.to_string()), ("open", "true")])?;
        let known = page.changes.iter().map(|line| self.change(&line.id));
        Ok(known.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}
