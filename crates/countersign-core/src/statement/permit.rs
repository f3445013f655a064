//! What a gate asks for, or the person who runs a command.

use countersign_ledger::Fingerprint;
use serde::{Deserialize, Serialize};

use super::RevisionRef;
use crate::{
    ids::{ActorId, ChangeId, GateId},
    subject::TransitionRef,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitRequest {
    /// Who pushes, as their signature over the push says. Who runs a command asks for themselves, and is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<ActorId>,
    /// The gate's key: only its holder can use the permit.
    pub audience: Fingerprint,
    pub change: ChangeId,
    pub gate: GateId,
    pub revision: RevisionRef,
    pub transition: TransitionRef,
}
