//! When a change lands, as its snapshot has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ids::ActorId, statement::Window};

/// What is in all the windows that people signed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleView {
    pub by: BTreeSet<ActorId>,
    pub window: Window,
}
