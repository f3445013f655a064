//! A change as it is shown, put together from state and the blobs that its statements name. Pure, so that a server's answer
//! and what a client works out of the signed statements themselves are made by the same code.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    change::{Change, ChangeStatus},
    explain,
    ids::ActorId,
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::RevisionRef,
    subject::{Subject, Transition},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Time};

use crate::wire::{
    ApprovalLine, ChangeLine, ChangeView, GuidanceLine, IdentityView, PermitLine, RejectionLine, WaiverLine, rfc3339,
};

/// In place of a text or name that is no longer there.
/// In place of words that are not at hand; whoever is shown that cannot tell why.
pub const NOT_HERE: &str = "(not here: erased, or held back)";

/// Blobs by their digests, as far as they are there.
pub type Texts = BTreeMap<Digest, Vec<u8>>;

/// The blobs that a view of the change reads.
pub fn texts(change: &Change) -> Vec<Digest> {
    let reasons = change.rejections.iter().map(|rejection| rejection.reason);
    let reasons = reasons.chain(change.waivers.iter().map(|waiver| waiver.reason));
    let transitions = change.permits.iter().map(|permit| permit.transition.digest);
    change.current().map(|revision| revision.text).into_iter().chain(reasons).chain(transitions).collect()
}

/// A change with everything that is known of it. `disabled` are people none of whose keys holds.
pub fn view(
    state: &State,
    change: &Change,
    texts: &Texts,
    disabled: &BTreeSet<ActorId>,
    now: Time,
) -> Result<ChangeView, Refusal> {
    let (Some(revision), Some(current)) = (change.current(), change.current_ref()) else {
        return Err(Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)));
    };
    let snapshot = Snapshot::take(state, change, now)?;
    let epoch = state.governance.record.header_epoch();
    let decision = decide::decide(&state.governance.rules, &snapshot, now);
    let explanation = explain::explain(&decision, state, change, disabled, now)?;
    let text = texts.get(&revision.text).and_then(|bytes| ProposalText::parse(bytes).ok());
    let reason =
        |digest: &Digest| texts.get(digest).and_then(|bytes| Reason::parse(bytes).ok()).map(|reason| reason.why);
    Ok(ChangeView {
        id: change.id.clone(),
        title: title(text.as_ref()),
        kind: change.kind,
        purpose: change.purpose.clone(),
        state: state_name(change, now).to_owned(),
        targets: change.targets.clone(),
        subject: revision.subject.clone(),
        subject_ref: revision.subject.reference()?,
        revision: current.number,
        revision_digest: current.digest,
        facts: revision.facts,
        identities_blob: revision.identities_blob,
        proposer: change.proposer.clone(),
        proposed_at: rfc3339(change.proposed_at),
        text,
        unmapped: identities(change, |reference| snapshot.unmapped.contains(reference)),
        identities: identities(change, |_| true),
        guidance: guidance(change, &snapshot, now),
        approvals: change
            .approvals
            .iter()
            .map(|approval| ApprovalLine {
                by: approval.by.clone(),
                at: rfc3339(approval.at),
                revision: approval.revision.number,
                assurance: approval.assurance,
                seen: approval.seen,
                counts: approval.revision == current
                    && approval.epoch == epoch
                    && snapshot.approvals.iter().any(|a| a.by == approval.by),
            })
            .collect(),
        rejections: change
            .rejections
            .iter()
            .map(|record| RejectionLine {
                by: record.by.clone(),
                at: rfc3339(record.at),
                revision: record.revision.number,
                lifted: record.lifted,
                why: reason(&record.reason),
            })
            .collect(),
        waivers: change
            .waivers
            .iter()
            .map(|record| WaiverLine {
                rule: record.rule.clone(),
                by: record.by.clone(),
                at: rfc3339(record.at),
                why: reason(&record.reason),
            })
            .collect(),
        permits: change
            .permits
            .iter()
            .map(|permit| PermitLine {
                statement: permit.statement,
                gate: permit.gate.clone(),
                transition: texts
                    .get(&permit.transition.digest)
                    .and_then(|bytes| Transition::read(&permit.transition, bytes).ok()),
                issued_at: rfc3339(permit.issued_at),
                expires_at: rfc3339(permit.expires_at),
                outcome: permit.outcome,
            })
            .collect(),
        contributors: snapshot.contributors,
        claimed: snapshot.claimed,
        ai: snapshot.ai,
        decision,
        explanation,
    })
}

/// A change in a list.
pub fn line(change: &Change, current: RevisionRef, text: Option<&ProposalText>, now: Time) -> ChangeLine {
    ChangeLine {
        id: change.id.clone(),
        title: title(text),
        kind: change.kind,
        state: state_name(change, now).to_owned(),
        targets: change.targets.clone(),
        proposer: change.proposer.clone(),
        proposed_at: rfc3339(change.proposed_at),
        revision: current.number,
        branch: match change.current().map(|revision| &revision.subject) {
            Some(Subject::Git(git)) => Some(git.branch.clone()),
            Some(Subject::Files(_)) | None => None,
        },
    }
}

fn title(text: Option<&ProposalText>) -> String {
    text.map_or_else(|| NOT_HERE.to_owned(), |text| text.title.clone())
}

/// The state's name; a permit that nobody used in time leaves the change as expired.
fn state_name(change: &Change, now: Time) -> &'static str {
    match change.status {
        ChangeStatus::Permitted if change.permits.iter().all(|p| p.outcome.is_some() || p.expires_at < now) => {
            "expired"
        }
        status => status.as_str(),
    }
}

fn identities(change: &Change, wanted: impl Fn(&str) -> bool) -> Vec<IdentityView> {
    let mut seen = BTreeSet::new();
    let mut views = Vec::new();
    for revision in &change.revisions {
        for identity in &revision.identities {
            if !wanted(&identity.reference) || !seen.insert(&identity.reference) {
                continue;
            }
            let who = revision.named.get(&identity.reference);
            views.push(IdentityView {
                reference: identity.reference.clone(),
                name: who.map_or_else(|| NOT_HERE.to_owned(), |who| who.name.clone()),
                mail: who.map(|who| who.mail.clone()).unwrap_or_default(),
                roles: identity.roles.clone(),
            });
        }
    }
    views
}

fn guidance(change: &Change, snapshot: &Snapshot, now: Time) -> Vec<GuidanceLine> {
    snapshot
        .guidance
        .iter()
        .map(|view| {
            let found = change.observed_document(&view.path);
            GuidanceLine {
                path: view.path.clone(),
                found: found.map(|found| format!("{}@{}", found.repository, found.commit.short())),
                review_due: view.review_due.map(rfc3339),
                stale: view.is_stale(now),
                owner: found.and_then(|found| found.owner.clone()),
            }
        })
        .collect()
}
