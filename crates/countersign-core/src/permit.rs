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

/// How far the clocks of a gate and of a log may be apart: a permit survives that.
pub const MAX_SKEW_SECS: i64 = 5 * 60;

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
    still_good(permit, now)
}

/// Whether a permit is of the log's epoch: what was decided before a cut opens nothing behind it.
pub fn of_epoch(permit: &PermitRecord, epoch: Option<u32>) -> Result<(), Refusal> {
    if permit.epoch == epoch {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "permit-of-another-epoch",
        "the permit is of an earlier epoch of the log, which was restored since",
    )
    .hint("have the change approved again, then try again"))
}

/// Whether this is a moment of the permit's lease, by a clock that may be a little off. A permit from the future is none that
/// waits: whoever has it has just been given it, so that one of the clocks is wrong.
pub fn still_good(permit: &PermitRecord, now: Time) -> Result<(), Refusal> {
    let early = permit.issued_at.secs_since(now);
    if early > MAX_SKEW_SECS {
        return Err(Refusal::forbidden(
            "clock-behind",
            format!(
                "this machine's clock is {} behind the log's: the permit was issued at {}, here it is {now}",
                span(early),
                permit.issued_at
            ),
        )
        .hint(format!("set the clock that is wrong; gates and logs may be {} apart", span(MAX_SKEW_SECS))));
    }
    if now > permit.expires_at {
        return Err(Refusal::forbidden(
            "permit-expired",
            format!("the permit's time was over at {}, by this machine's clock {} ago", permit.expires_at, {
                span(now.secs_since(permit.expires_at))
            }),
        )
        .hint("ask for a new one by trying again"));
    }
    Ok(())
}

/// The same of a permit that was asked for at `asked` and is there at `now`, both by one clock: that it is over already says
/// that the clocks differ, and by how much at the least.
pub fn just_issued(permit: &PermitRecord, asked: Time, now: Time) -> Result<(), Refusal> {
    let late = asked.secs_since(permit.issued_at);
    if late > MAX_SKEW_SECS {
        return Err(Refusal::forbidden(
            "clock-ahead",
            format!(
                "this machine's clock is {} ahead of the log's: the permit that was asked for at {asked} was issued at {}",
                span(late),
                permit.issued_at
            ),
        )
        .hint(format!("set the clock that is wrong; gates and logs may be {} apart", span(MAX_SKEW_SECS))));
    }
    still_good(permit, now)
}

/// A length of time for a reader, in its two largest units.
pub fn span(secs: i64) -> String {
    let secs = secs.max(0);
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (secs % 60, "s")];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}
