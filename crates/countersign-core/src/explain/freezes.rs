//! What freezes stop, and what passes them.

use super::{Obligation, Scene, obligation};
use crate::{decision::Missing, governance::Governance, snapshot::FreezeView};

impl Scene<'_> {
    /// Until when it is frozen, what may go meanwhile, and who can take the freeze away.
    pub(super) fn thaw(&self, missing: &Missing) -> Vec<Obligation> {
        let policy = self.governance.map(Governance::policy_group).unwrap_or_default();
        let found = self.people.able_among(policy);
        let stopping = self.snapshot.freezes().iter().filter(|freeze| missing.of.contains(&freeze.name));
        let calendars = self.governance.map(|governance| &governance.calendars);
        let is_subscribed = |name: &str| {
            calendars.and_then(|calendars| calendars.get(name)).is_some_and(|calendar| calendar.file.from.is_some())
        };
        let one = |freeze: &FreezeView| {
            let FreezeView { name, until, .. } = freeze;
            let passes = freeze.passes_in_words();
            if let Some(by) = &freeze.by {
                let how = format!(
                    "wait until then (countersign freezes {name}); what may go is {passes}; {by}, or two people together, lift it: \
                     countersign lift {name}"
                );
                let of = self.people.able_among(std::iter::once(by).collect());
                return obligation(format!("the end of freeze {name} by {by}, {until}"), of, how);
            }
            let how = format!(
                "wait until then (countersign calendar {name}); what may go is {passes}; to lift it, two of the policy group, one a \
                 senior, amend calendars/{name}.{}: countersign amend HOME --why REASON",
                // What stands at an address is not theirs to edit.
                if is_subscribed(name) { "yaml, which subscribes to it" } else { "ics" }
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
