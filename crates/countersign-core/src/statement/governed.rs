//! Which statements name governance files.

use countersign_ledger::Digest;

use super::Body;
use crate::subject::SubjectRef;

impl Body {
    /// The subject of a proposal or revision that would replace governance files.
    pub fn governance_subject(&self) -> Option<&SubjectRef> {
        let subject = match self {
            Self::Proposal(b) => Some(&b.subject),
            Self::NewRevision(b) => Some(&b.subject),
            Self::Genesis(_)
            | Self::Publication(_)
            | Self::KeyRevocation(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::Freeze(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Approval(_)
            | Self::ApprovalWithdrawal(_)
            | Self::Comment(_)
            | Self::Label(_)
            | Self::Schedule(_)
            | Self::Evidence(_)
            | Self::Finding(_)
            | Self::FindingAnswer(_)
            | Self::Rejection(_)
            | Self::RejectionLift(_)
            | Self::RejectionSetAside(_)
            | Self::Withdrawal(_)
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
            | Self::Epoch(_) => None,
        };
        subject.filter(|subject| subject.is_governance())
    }

    /// Whether governance has to be read to fold it: it replaces files of it, or would.
    pub fn replaces_governance(&self) -> bool {
        let publishes = matches!(self, Self::Publication(_));
        publishes || self.governance_subject().is_some()
    }

    /// The manifest that names the governance files of a genesis or publication.
    pub fn governance_files(&self) -> Option<Digest> {
        match self {
            Self::Genesis(b) => Some(b.files),
            Self::Publication(b) => Some(b.files),
            Self::KeyRevocation(_)
            | Self::RevocationConfirmation(_)
            | Self::KeyRotation(_)
            | Self::Freeze(_)
            | Self::FreezeLift(_)
            | Self::CalendarFetched(_)
            | Self::Drill(_)
            | Self::Away(_)
            | Self::Back(_)
            | Self::Delegation(_)
            | Self::DelegationEnd(_)
            | Self::Recovery(_)
            | Self::GateRegistration(_)
            | Self::Proposal(_)
            | Self::NewRevision(_)
            | Self::Approval(_)
            | Self::Rejection(_)
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
            | Self::FindingAnswer(_) => None,
        }
    }
}
