//! What calendars say at the moment of a decision: facts, not the calendars.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::{
    calendar::Pass,
    ids::{ActorId, Target},
};

/// What calendars say of a change now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarView {
    /// The files of those that were looked at, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
    /// Freezes that hold now for one of the targets, also those that the change may pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeView>,
    /// Targets that have change windows, none of which is open; where a rule asks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shut: BTreeSet<Target>,
    /// Targets whose owners work now; where a rule asks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub working: BTreeSet<Target>,
    /// How long targets have waited in their owners' working time; where a rule asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub worked: BTreeMap<Target, Worked>,
    /// The database of time zones that it was worked out by.
    pub zones: String,
}

/// How many working hours have passed, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worked {
    /// When the log took the revision.
    pub since: Time,
    pub hours: u32,
}

/// A freeze that holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeView {
    /// Who signed it; of a calendar nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ActorId>,
    /// The calendar's, or the first digits of its statement's digest.
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub may_pass: BTreeSet<Pass>,
    /// Those of the change's targets that it is about.
    pub targets: BTreeSet<Target>,
    /// Until when, as far as one can see.
    pub until: Time,
}

impl FreezeView {
    /// Whether a change may go in spite of it: what takes exactly the last landing back always may, since recovery is never
    /// blocked.
    pub fn lets(&self, snapshot: &Snapshot) -> bool {
        let Snapshot { kind, purpose, .. } = snapshot;
        snapshot.rollback.is_some() || self.may_pass.iter().any(|pass| pass.lets(*kind, purpose))
    }

    /// What may pass, in words.
    pub fn passes_in_words(&self) -> String {
        let named = self.may_pass.iter().map(|pass| match pass {
            Pass::Incident => "what answers an incident".to_owned(),
            Pass::Security => "what closes a security hole".to_owned(),
            Pass::Kind(kind) => format!("a {kind} change"),
        });
        ["a rollback".to_owned()].into_iter().chain(named).collect::<Vec<_>>().join(", ")
    }
}

impl Snapshot {
    /// The freezes that hold now for one of its targets.
    pub fn freezes(&self) -> &[FreezeView] {
        self.calendar.as_ref().map_or(&[], |calendar| &calendar.freezes)
    }

    /// Whether a freeze holds for a target, also where the change may pass it.
    pub fn is_frozen(&self, target: &Target) -> bool {
        self.freezes().iter().any(|freeze| freeze.targets.contains(target))
    }

    /// Whether the windows of a target are not all shut; one that has none is open.
    pub fn is_open(&self, target: &Target) -> bool {
        !self.calendar.as_ref().is_some_and(|calendar| calendar.shut.contains(target))
    }

    /// How long a target has waited in its owners' working time, where a rule asks.
    pub fn worked(&self, target: &Target) -> Option<&Worked> {
        self.calendar.as_ref()?.worked.get(target)
    }

    /// Whether a target's owners work now.
    pub fn works(&self, target: &Target) -> bool {
        self.calendar.as_ref().is_some_and(|calendar| calendar.working.contains(target))
    }
}
