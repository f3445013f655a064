//! What a workload says it found of a revision: tests, a scan, a build.

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::RevisionRef;
use crate::{
    evidence::EvidenceResult,
    ids::{ChangeId, EvidenceKind},
    subject::SubjectRef,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub change: ChangeId,
    /// Blob: what it went by, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    pub kind: EvidenceKind,
    pub result: EvidenceResult,
    pub revision: RevisionRef,
    /// What was looked at: the subject of the revision.
    pub subject: SubjectRef,
    /// Blob: words, such as where the run can be looked at, salted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Digest>,
    /// The file of the repository that says what was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
}
