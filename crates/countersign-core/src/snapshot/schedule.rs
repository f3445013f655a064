//! When a change lands, as its snapshot has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{change::Change, ids::ActorId, statement::Window};

/// What is in all the windows that people signed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleView {
    pub by: BTreeSet<ActorId>,
    pub window: Window,
}

impl ScheduleView {
    pub fn of(change: &Change) -> Option<Self> {
        Some(Self { by: change.windows().map(|(by, _)| by.clone()).collect(), window: change.window()? })
    }
}
