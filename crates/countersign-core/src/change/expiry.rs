//! When a change that nobody touches expires: so many days after somebody last said something about it, if the home says so.
//!
//! ```text
//! proposed      approved            expires           revised: begins anew,
//!    |------------|-------- 30 days ---|..............|  what was said before counts no more
//! ```
//!
//! What is said after it expired does not bring it back, or an approval of a year ago would count again by a remark; a revision does.
//! The log's own times count, so that whoever works it out later says the same.

use countersign_ledger::Time;

use super::{Admitted, Change, ChangeStatus};
use crate::statement::Body;

const DAY_SECS: i64 = 24 * 60 * 60;
/// From when on it is said beforehand.
pub const SAID_BEFORE_SECS: i64 = 7 * DAY_SECS;

impl Change {
    /// When it expires by a home in which that takes so many days. `None`: never, or it is over, or being applied.
    pub fn expires_at(&self, days: Option<u32>) -> Option<Time> {
        let lasts = i64::from(days?).saturating_mul(DAY_SECS);
        match self.status {
            ChangeStatus::Applying | ChangeStatus::Applied | ChangeStatus::Withdrawn => return None,
            ChangeStatus::Proposed | ChangeStatus::Permitted | ChangeStatus::Failed | ChangeStatus::Rejected => {}
        }
        let last = self.touched_at.unwrap_or(self.proposed_at).plus_secs(lasts);
        // What waits for its window is not forgotten.
        let window = self.window();
        let lands = window.and_then(|window| window.until.or(window.not_before.map(|from| from.plus_secs(lasts))));
        Some(lands.map_or(last, |lands| lands.max(last)))
    }

    pub fn is_expired(&self, days: Option<u32>, now: Time) -> bool {
        self.expires_at(days).is_some_and(|at| at <= now)
    }

    /// When it expires, if that is within a week or was.
    pub fn expires_soon(&self, days: Option<u32>, now: Time) -> Option<Time> {
        self.expires_at(days).filter(|at| at.secs_since(now) <= SAID_BEFORE_SECS)
    }

    /// Whether what was said then still counts: it did not expire since.
    pub fn has_lived_since(&self, then: Time) -> bool {
        self.revived_at.is_none_or(|revived| revived <= then)
    }

    /// Takes that somebody touched it; `expired`: whether it had expired by then.
    pub(crate) fn touched(&mut self, admitted: &Admitted<'_>, expired: bool) {
        let revised = matches!(admitted.statement.body, Body::NewRevision(_));
        if expired && !revised || !admitted.statement.body.touches() {
            return;
        }
        self.touched_at = Some(admitted.at);
        if expired {
            self.revived_at = Some(admitted.at);
        }
    }
}

impl Body {
    /// Whether by it somebody touches the change that it is about. What machines say of it by themselves, however often, does not.
    fn touches(&self) -> bool {
        match self {
            Self::NewRevision(_)
            | Self::Approval(_)
            | Self::Rejection(_)
            | Self::RejectionLift(_)
            | Self::RejectionSetAside(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Comment(_)
            | Self::Label(_)
            | Self::Schedule(_)
            | Self::Disclosure(_)
            | Self::Waiver(_)
            | Self::Identification(_)
            | Self::PermitGrant(_)
            | Self::BreakGlass(_)
            | Self::LocalPermit(_)
            | Self::OutcomeReport(_) => true,
            Self::Genesis(_)
            | Self::Publication(_)
            | Self::KeyRevocation(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Proposal(_)
            | Self::Withdrawal(_)
            | Self::Evidence(_)
            | Self::GuidanceObservation(_)
            | Self::PermitRequest(_)
            | Self::Decided(_)
            | Self::Erasure(_)
            | Self::Epoch(_)
            | Self::Finding(_)
            | Self::FindingAnswer(_)
            | Self::Freeze(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_) => false,
        }
    }
}
