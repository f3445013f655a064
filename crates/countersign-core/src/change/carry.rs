//! Carrying over: which approvals of earlier revisions are of just what the present one brings.
//!
//! The same is the same delta for the same branch of the same repository (or the same files and command), in the same words to the
//! byte, by commits of which each brings what one of those did: what comes and goes between them would stay in the history, and
//! nobody has seen it. Kind and targets are the change's. The base may be another: a rebase, a merge of the branch, or a new message. Whether
//! that base is on the branch, and what else came in by it, is asked where the change lands (`facts::landing`): there
//! the difference from the branch's tip is the delta, and no commit comes along that is not of the range.

use super::{ApprovalRecord, Change, Revision};
use crate::{statement::RevisionRef, subject::Subject};

impl Change {
    /// The revisions that bring just what the present one does, oldest first. The present one is the last.
    pub fn same_revisions(&self) -> impl Iterator<Item = &Revision> {
        let present = self.current();
        self.revisions.iter().filter(move |revision| present.is_some_and(|present| revision.brings_the_same(present)))
    }

    /// Whether an approval is of an earlier one of those.
    pub fn may_carry(&self, approval: &ApprovalRecord) -> bool {
        Some(approval.revision) != self.current_ref() && self.is_of_the_same(&approval.revision)
    }

    /// Whether this is the present revision, or an earlier one that brought the same.
    pub fn is_of_the_same(&self, reference: &RevisionRef) -> bool {
        self.same_revisions().any(|revision| revision.reference == *reference)
    }
}

impl Revision {
    fn brings_the_same(&self, other: &Self) -> bool {
        let same_steps = || match self.subject {
            Subject::Git(_) => self.steps.is_some() && self.steps == other.steps,
            Subject::Files(_) | Subject::Governance(_) => true,
        };
        let same = || self.text == other.text && self.subject.brings_the_same(&other.subject) && same_steps();
        self.reference == other.reference || same()
    }
}

impl Subject {
    /// Whether another subject puts the same into the same place by the same command.
    pub fn brings_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Git(a), Self::Git(b)) => {
                (&a.repository, &a.branch, &a.delta) == (&b.repository, &b.branch, &b.delta)
            }
            (Self::Files(a), Self::Files(b)) => a == b,
            // On another parent the same files may mean something else.
            (Self::Governance(_), _) | (_, Self::Governance(_)) => false,
            (Self::Git(_), Self::Files(_)) | (Self::Files(_), Self::Git(_)) => false,
        }
    }
}
