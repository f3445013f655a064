//! Whether what governs here has waited as long as it should have.

use countersign_core::refusal::Refusal;
use countersign_ledger::Time;

use super::{Desk, DeskError};

impl Desk {
    /// What governs here was loosened only after the wait that it takes, by what this gate itself saw of time. Broken glass does not ask: it is
    /// people's word, and somebody looks at it.
    pub(super) fn has_waited(&self, now: Time) -> Result<(), DeskError> {
        match self.follower.distrusts_until()? {
            Some(until) if now < until => Err(Refusal::conflict(
                "not-waited",
                format!(
                    "what governs was loosened by leaves that are dated before this gate last followed the log, which did not have them then: \
                     nothing goes until {until}, when it has waited as long as it should have"
                ),
            )
            .hint("ask whoever runs the log about its clock; `countersign gate status` names the gate's copy")
            .into()),
            Some(_) | None => Ok(()),
        }
    }
}
