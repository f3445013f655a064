//! What a gate asks for, or the person who runs a command.

use std::collections::BTreeSet;

use countersign_ledger::{Fingerprint, Time};
use serde::{Deserialize, Serialize};

use super::RevisionRef;
use crate::{
    ids::{ActorId, ChangeId, GateId, Target},
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

/// What a gate let happen by its own copy of the log, while it could not reach it: said when the log is back. The gate wrote it down
/// before it opened, and its journal spent it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPermit {
    /// As in a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<ActorId>,
    /// As of when the gate knew the log: by its cosigners, else by when it last followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// The gate's key, by which it is bound to the machine that has it.
    pub audience: Fingerprint,
    pub change: ChangeId,
    pub expires_at: Time,
    pub gate: GateId,
    /// By the gate's clock, or the latest moment that it knew of.
    pub issued_at: Time,
    pub revision: RevisionRef,
    pub targets: BTreeSet<Target>,
    pub transition: TransitionRef,
}
