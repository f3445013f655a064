//! What a statement is worth when its speaker's key is in doubt: some only stop, some grant.

use super::Body;

impl Body {
    /// Whether it takes away and never grants, so that a gate obeys it before the log has it.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Rejection(_) | Self::KeyRevocation(_) | Self::Freeze(_) | Self::Away(_) | Self::DelegationEnd(_) => {
                true
            }
            Self::Genesis(_)
            | Self::Publication(_)
            | Self::RevocationConfirmation(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Drill(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::KeyRotation(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Proposal(_)
            | Self::NewRevision(_)
            | Self::Approval(_)
            | Self::RejectionLift(_)
            | Self::RejectionSetAside(_)
            | Self::Withdrawal(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Comment(_)
            | Self::Label(_)
            | Self::Schedule(_)
            | Self::Evidence(_)
            | Self::Disclosure(_)
            | Self::Waiver(_)
            | Self::Identification(_)
            | Self::GuidanceObservation(_)
            | Self::PermitRequest(_)
            | Self::Decided(_)
            | Self::PermitGrant(_)
            | Self::BreakGlass(_)
            | Self::LocalPermit(_)
            | Self::OutcomeReport(_)
            | Self::Erasure(_)
            | Self::Epoch(_)
            | Self::Finding(_)
            | Self::FindingAnswer(_) => false,
        }
    }

    /// Whether whoever signs it has to be there: it grants something, or makes good what another said. What an absent person's key
    /// signs is none of these. Contributions are, since others judge them, and so are stops; nothing is in the way of recovery.
    pub fn needs_presence(&self) -> bool {
        match self {
            Self::Publication(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::GateRegistration(_)
            | Self::Approval(_)
            | Self::RejectionLift(_)
            | Self::RejectionSetAside(_)
            | Self::Label(_)
            | Self::Evidence(_)
            | Self::Waiver(_)
            | Self::Identification(_)
            | Self::Erasure(_)
            | Self::FindingAnswer(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Delegation(_) => true,
            Self::Genesis(_)
            | Self::KeyRevocation(_)
            | Self::Recovery(_)
            | Self::Proposal(_)
            | Self::NewRevision(_)
            | Self::Rejection(_)
            | Self::Withdrawal(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Comment(_)
            | Self::Schedule(_)
            | Self::Disclosure(_)
            | Self::GuidanceObservation(_)
            | Self::PermitRequest(_)
            | Self::Decided(_)
            | Self::PermitGrant(_)
            | Self::BreakGlass(_)
            | Self::LocalPermit(_)
            | Self::OutcomeReport(_)
            | Self::Epoch(_)
            | Self::Finding(_)
            | Self::Freeze(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::DelegationEnd(_) => false,
        }
    }
}
