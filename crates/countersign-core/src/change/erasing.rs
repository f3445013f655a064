//! What of a change can be erased, and what was.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use super::{Change, ErasureRecord, EvidenceRecord, Revision};
use crate::ids::ActorId;

impl Change {
    /// Whatever was written about it and whom its commits name: what can be erased.
    pub fn erasable(&self) -> BTreeSet<Digest> {
        let texts = self.revisions.iter().flat_map(|revision| [Some(revision.text), revision.identities_blob]);
        let aside = self.rejections.iter().flat_map(|rejection| &rejection.aside).map(|aside| aside.reason);
        let reasons = self.rejections.iter().map(|rejection| rejection.reason).chain(aside);
        let reasons = reasons.chain(self.waivers.iter().map(|waiver| waiver.reason));
        let broken = self.permits.iter().filter_map(|permit| permit.broken.as_ref()).map(|broken| broken.reason);
        let reasons = reasons.chain(broken);
        let reasons = reasons.chain(self.comments.iter().map(|comment| comment.text));
        let token = |evidence: &EvidenceRecord| evidence.token.as_ref().map(|token| token.digest);
        let evidence =
            self.evidence.iter().flat_map(|evidence| [evidence.document, evidence.text, token(evidence)]).flatten();
        texts.flatten().chain(reasons).chain(evidence).collect()
    }

    /// The tombstone of a blob, if it was erased.
    pub fn tombstone(&self, blob: &Digest) -> Option<&ErasureRecord> {
        self.erased.iter().find(|erased| erased.blobs.contains(blob))
    }

    /// Forgets the names that were in these blobs.
    pub(crate) fn erase(&mut self, by: &ActorId, at: Time, blobs: &BTreeSet<Digest>) {
        self.erased.push(ErasureRecord { by: by.clone(), at, blobs: blobs.clone() });
        let names = |revision: &Revision| revision.identities_blob.is_some_and(|digest| blobs.contains(&digest));
        for revision in self.revisions.iter_mut().filter(|revision| names(revision)) {
            revision.named.clear();
            revision.holders.clear();
        }
        for token in self.evidence.iter_mut().filter_map(|evidence| evidence.token.as_mut()) {
            token.erased |= blobs.contains(&token.digest);
        }
    }
}
