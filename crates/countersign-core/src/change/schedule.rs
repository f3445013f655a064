//! When a change may land: the windows that people signed for it. It lands in a moment that is in all of them.
//!
//! An approval names the window that its giver saw. Where the change could land at another time than that by now, the approval
//! does not count: nobody moves a change to another night under the names of those who approved it for this one.

use std::collections::BTreeMap;

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::{
    ids::ActorId,
    statement::{Schedule, Window},
};

/// What somebody said last of when a change may land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRecord {
    pub at: Time,
    /// How often they said something of it: each is a leaf.
    pub times: u32,
    /// `None`: they ask for none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

pub type Schedules = BTreeMap<ActorId, ScheduleRecord>;

impl Change {
    /// The windows that stand, and whose they are.
    pub fn windows(&self) -> impl Iterator<Item = (&ActorId, Window)> {
        self.schedules.iter().filter_map(|(by, record)| Some((by, record.window?)))
    }

    /// What is in all of them; `None` where there is none.
    pub fn window(&self) -> Option<Window> {
        self.windows().map(|(_, window)| window).reduce(Window::and)
    }

    /// What would be, once somebody has said this.
    pub fn window_with(&self, by: &ActorId, window: Option<Window>) -> Option<Window> {
        let others = self.windows().filter(|(other, _)| *other != by).map(|(_, window)| window);
        others.chain(window).reduce(Window::and)
    }

    /// Whether it still lands at no time at which it did not for whoever looked when this window stood.
    pub fn is_still_within(&self, seen: Option<&Window>) -> bool {
        seen.is_none_or(|seen| self.window().is_some_and(|now| now.is_within(seen)))
    }

    pub(super) fn schedule(&mut self, by: &ActorId, said: &Schedule, at: Time) {
        let times = self.schedules.get(by).map_or(0, |record| record.times).saturating_add(1);
        self.schedules.insert(by.clone(), ScheduleRecord { at, times, window: said.window });
    }
}
