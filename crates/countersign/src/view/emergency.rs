//! What of a change went past the rules, from the permits that it has and the findings that are known of it.

use countersign_core::{
    change::{Change, PermitRecord},
    state::{Answered, FindingRecord, State},
    text::Reason,
};
use countersign_ledger::Digest;

use super::tombstone;
use crate::wire::{AfterReviewLine, AloneLine, AnswerLine, BrokenLine, Emergency, RollbackLine, rfc3339};

/// `None` of a change that went by the rules, with the log.
pub fn emergency(state: &State, change: &Change, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Option<Emergency> {
    let said = |digest: &Digest| blob(digest).and_then(|bytes| Some(Reason::parse(&bytes).ok()?.why));
    let broken = |permit: &PermitRecord| {
        let broken = permit.broken.as_ref()?;
        Some(BrokenLine {
            by: broken.by.keys().cloned().collect(),
            at: rfc3339(permit.issued_at),
            gate: permit.gate.clone(),
            why: said(&broken.reason).or_else(|| tombstone(change, &broken.reason)),
            incident: broken.incident.clone(),
            over: broken.overrides.clone(),
            over_freezes: broken.over_freezes.clone(),
            unnamed: broken.unnamed.clone(),
            without_the_log: broken.nonce.is_some(),
            outcome: permit.outcome,
        })
    };
    let rolled_back = |permit: &PermitRecord| RollbackLine {
        by: change.revision(&permit.revision).map_or_else(|| change.proposer.clone(), |revision| revision.by.clone()),
        at: rfc3339(permit.issued_at),
        gate: permit.gate.clone(),
        incident: change.purpose.incident.clone(),
        restores: change.purpose.restores.clone(),
        outcome: permit.outcome,
    };
    let broken: Vec<BrokenLine> = change.permits.iter().filter_map(broken).collect();
    let rolled_back: Vec<RollbackLine> =
        change.permits.iter().filter(|permit| permit.is_of_one()).map(rolled_back).collect();
    let alone = |permit: &PermitRecord| {
        let alone = permit.alone.as_ref()?;
        Some(AloneLine {
            gate: permit.gate.clone(),
            at: rfc3339(permit.issued_at),
            knew_secs: alone.as_of.map(|as_of| permit.issued_at.secs_since(as_of)),
            stands: !alone.over,
            unmet: alone.unmet.clone(),
            outcome: permit.outcome,
        })
    };
    let alone: Vec<AloneLine> = change.permits.iter().filter_map(alone).collect();
    if broken.is_empty() && rolled_back.is_empty() && alone.is_empty() {
        return None;
    }
    let answer = |answered: &Answered| AnswerLine {
        by: answered.by.clone(),
        at: rfc3339(answered.at),
        seen: answered.seen,
        said: said(&answered.text),
    };
    let about = |record: &&FindingRecord| record.what.change() == Some(&change.id);
    let after_reviews = state.findings().filter(|(_, record)| about(record)).map(|(id, record)| AfterReviewLine {
        finding: id.clone(),
        asked: record.who.clone(),
        due: rfc3339(record.due),
        answer: record.answered.as_ref().map(answer),
    });
    Some(Emergency { broken, rolled_back, alone, after_reviews: after_reviews.collect() })
}
