//! Drills: that those who are entitled can open a gate without the log, found out before they have to.

use std::collections::BTreeSet;

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use crate::ids::{ActorId, GateId};

/// What a git gate opens for a drill, and for nothing else. No branch, and nothing runs by it.
pub const PROBE: &str = "refs/countersign/probe";

/// How long a drill is good for, where somebody has begun to drill. Whoever never drilled is not asked to.
pub const DRILL_EVERY_SECS: i64 = 90 * 24 * 60 * 60;

/// The last drill for a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drilled {
    pub at: Time,
    pub by: BTreeSet<ActorId>,
    pub gate: GateId,
    /// Whether it was found that the next one is overdue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}

impl Drilled {
    pub fn is_overdue(&self, now: Time) -> bool {
        now.secs_since(self.at) > DRILL_EVERY_SECS
    }
}
