//! What freezes stop, and what passes them.

use super::{Obligation, Scene, obligation};
use crate::{decision::Missing, governance::Governance, snapshot::FreezeView};

impl Scene<'_> {
    /// Until when it is frozen, what may go meanwhile, and who can take the freeze away.
    pub(super) fn thaw(&self, missing: &Missing) -> Vec<Obligation> {
        let policy = self.governance.map(Governance::policy_group).unwrap_or_default();
        let found = self.people.able_among(policy);
        let stopping = self.snapshot.freezes().iter().filter(|freeze| missing.of.contains(&freeze.name));
        let one = |freeze: &FreezeView| {
            let FreezeView { name, until, .. } = freeze;
            let passes = freeze.passes_in_words();
            let how = format!(
                "wait until then (countersign calendar {name}); what may go is {passes}; to lift it, two of the policy group, one a \
                 senior, amend calendars/{name}.ics: countersign amend HOME --why REASON"
            );
            obligation(format!("the end of freeze {name}, {until}"), found.clone(), how)
        };
        stopping.map(one).collect()
    }

    /// The freezes that hold for it, and how it stands to each.
    pub(super) fn freezes(&self) -> Vec<String> {
        let one = |freeze: &FreezeView| {
            let FreezeView { name, until, .. } = freeze;
            let passes = freeze.passes_in_words();
            match freeze.lets(self.snapshot) {
                true => format!("freeze {name} holds until {until}, and this may pass it: {passes}"),
                false => format!("freeze {name} holds until {until}; what may pass it: {passes}"),
            }
        };
        self.snapshot.freezes().iter().map(one).collect()
    }
}
