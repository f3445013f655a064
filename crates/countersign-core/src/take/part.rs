//! What a part of the log does not tell of a change's targets: it is taken from the snapshot that a decision names.

use crate::{change::Change, refusal::Refusal, snapshot::Snapshot, state::State};

impl Snapshot {
    /// The same where the streams of the targets are not at hand: which rejections hold the change from elsewhere is taken from
    /// what was logged, as the heads of those streams are.
    pub fn held_as(mut self, logged: &Self, state: &State, change: &Change) -> Result<Self, Refusal> {
        for target in &change.targets {
            if state.rejections_on(target)?.is_none() {
                self.held_by.clone_from(&logged.held_by);
                // How many like it landed there is not known either.
                self.standard.clone_from(&logged.standard);
                self.rollback.clone_from(&logged.rollback);
                self.findings_overdue = logged.findings_overdue;
                self.unconfirmed.clone_from(&logged.unconfirmed);
            }
        }
        Ok(self)
    }
}
