//! Permits: as in "permit to work". A [`Permit`] can only be made from a decision that allows, so that no caller can
//! write one into the log without holding one; and it opens a gate only together with the human signatures under it.

use countersign_ledger::{Digest, Fingerprint, Time};
use thiserror::Error;

use crate::{
    change::{Change, PermitRecord},
    decision::{Decision, Outcome},
    refusal::Refusal,
    statement::{PermitGrant, PermitRequest},
    subject::TransitionRef,
};

/// How long a permit lasts: enough for a push or for starting a command.
pub const PERMIT_SECS: i64 = 10 * 60;

/// The longest lease that a log may hold.
pub const MAX_PERMIT_SECS: i64 = 60 * 60;

#[derive(Debug, Error)]
pub enum Denied {
    /// The rules deny; the decision says what is missing.
    #[error("the rules do not allow it")]
    ByRules(Box<Decision>),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A permit that was decided. Private fields, one constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    grant: PermitGrant,
}

impl Permit {
    /// Issues a permit for what was asked, if the decision allows this revision of this change.
    pub fn issue(
        decision: &Decision,
        decision_digest: Digest,
        change: &Change,
        request: &PermitRequest,
        now: Time,
    ) -> Result<Self, Denied> {
        match decision.outcome {
            Outcome::Allow => {}
            Outcome::Deny => return Err(Denied::ByRules(Box::new(decision.clone()))),
        }
        let decided_this = decision.change == request.change
            && change.id == request.change
            && decision.revision == request.revision.number
            && change.current_ref() == Some(request.revision);
        if !decided_this {
            return Err(Refusal::conflict("stale-revision", "the decision is about another revision").into());
        }
        Ok(Self {
            grant: PermitGrant {
                change: request.change.clone(),
                revision: request.revision,
                targets: change.targets.clone(),
                gate: request.gate.clone(),
                audience: request.audience.clone(),
                transition: request.transition.clone(),
                decision: decision_digest,
                issued_at: now,
                expires_at: now.plus_secs(PERMIT_SECS),
            },
        })
    }

    pub fn grant(&self) -> &PermitGrant {
        &self.grant
    }
}

/// What a gate asks of a permit before it looks at anything else: is it for me, for this, and still good?
pub fn check_lease(
    permit: &PermitRecord,
    audience: &Fingerprint,
    transition: &TransitionRef,
    now: Time,
) -> Result<(), Refusal> {
    if permit.audience != *audience {
        return Err(Refusal::forbidden(
            "permit-for-another-gate",
            format!("the permit is for gate {} with key {}", permit.gate, permit.audience),
        ));
    }
    if permit.transition != *transition {
        return Err(Refusal::forbidden(
            "permit-for-another-transition",
            "the permit is for another repository, branch, commit, content or command",
        ));
    }
    // A minute of slack, for clocks that are not set alike.
    if now < permit.issued_at.plus_secs(-60) || now > permit.expires_at {
        return Err(Refusal::forbidden("permit-expired", "the permit's time is over or has not come")
            .hint("ask for a new one by trying again"));
    }
    Ok(())
}
