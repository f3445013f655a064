//! What is open and comes near to what is asked for: for hints, and for nothing that is decided.

use countersign_core::{
    change::Change,
    ids::{ChangeId, Oid, RepositoryId, Target},
    rollback,
};
use countersign_ledger::Time;

use super::{Desk, DeskError};

impl Desk {
    /// The changes whose present revision is this commit.
    pub fn changes_at(&self, repository: &RepositoryId, head: &Oid) -> Result<Vec<Change>, DeskError> {
        Ok(self.runtime.block_on(self.follower.changes_at(repository, head))?)
    }

    /// Open changes that reach a target: the server only says which, and this gate's own copy what they are.
    pub fn open_on(&self, target: &Target) -> Result<Vec<Change>, DeskError> {
        let page = self.client.changes(&[("target", &target.to_string()), ("open", "true")])?;
        let known = page.changes.iter().map(|line| self.change(&line.id));
        Ok(known.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// What one owner could roll back in the place of a change that nobody has proposed.
    pub fn rollback_instead(&self, change: &Change, now: Time) -> Result<Option<ChangeId>, DeskError> {
        let state = self.runtime.block_on(self.follower.state_of(change, Some(&self.gate)))?;
        Ok(rollback::instead(&state, change, now)?)
    }
}
