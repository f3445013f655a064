//! A change as it is shown, put together from state and the blobs that its statements name. Pure, so that a server's answer
//! and what a client works out of the signed statements themselves are made by the same code.

mod emergency;

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    change::{ApprovalRecord, Change, ChangeStatus, CommentRecord, EvidenceRecord, Revision},
    explain,
    governance::Governance,
    ids::{ActorId, EvidenceKind},
    presence::Presence,
    refusal::Refusal,
    rules::decide,
    snapshot::{DelegatedView, EvidenceView, Snapshot},
    state::State,
    statement::{RevisionRef, Window},
    subject::{Subject, Transition},
    take::evidence_of,
    text::{CommentText, ProposalText, Reason},
};
use countersign_ledger::{Digest, Fingerprint, Time};
use serde::Deserialize;

pub use self::emergency::emergency;
use crate::wire::{
    ApprovalLine, ChangeLine, ChangeView, CommentLine, EvidenceLine, GuidanceLine, IdentityView, LabelLine, LentLine,
    PermitLine, RejectionLine, TakenBackLine, WaiverLine, WindowLine, rfc3339,
};

/// In place of words that are not at hand, and of which no tombstone says that they were erased.
pub const NOT_HERE: &str = "(not here: held back, or lost)";

/// Blobs by their digests, as far as they are there.
pub type Texts = BTreeMap<Digest, Vec<u8>>;

/// The blobs that a view of the change reads.
pub fn texts(change: &Change) -> Vec<Digest> {
    let reasons = change.rejections.iter().map(|rejection| rejection.reason);
    let reasons = reasons.chain(change.waivers.iter().map(|waiver| waiver.reason));
    let reasons = reasons.chain(change.comments.iter().map(|comment| comment.text));
    let reasons = reasons.chain(change.evidence.iter().filter_map(|evidence| evidence.text));
    let reasons = reasons.chain(change.permits.iter().filter_map(|permit| Some(permit.broken.as_ref()?.reason)));
    let transitions = change.permits.iter().map(|permit| permit.transition.digest);
    change.current().map(|revision| revision.text).into_iter().chain(reasons).chain(transitions).collect()
}

/// The roles of others that an approval counts by.
fn lent(snapshot: &Snapshot, approval: &ApprovalRecord, current: RevisionRef) -> Vec<LentLine> {
    let carried = snapshot.carried.iter().flat_map(|carried| &carried.approvals);
    let views: Vec<_> = match approval.revision == current {
        true => snapshot.approvals.iter().collect(),
        false => carried.collect(),
    };
    let view = views.into_iter().find(|view| view.by == approval.by);
    let one = |lent: &DelegatedView| LentLine {
        role: lent.role.to_string(),
        of: lent.of.clone(),
        until: rfc3339(lent.until),
    };
    view.into_iter().flat_map(|view| view.delegated.iter().map(one)).collect()
}

/// A change with everything that is known of it.
pub fn view(
    state: &State,
    change: &Change,
    texts: &Texts,
    presence: &Presence,
    now: Time,
) -> Result<ChangeView, Refusal> {
    let (Some(revision), Some(current)) = (change.current(), change.current_ref()) else {
        return Err(Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)));
    };
    let snapshot = Snapshot::take(state, change, now)?;
    let epoch = state.governance.record.header_epoch();
    let days = state.governance.catalog.settings.expires_after_days;
    let decision = decide::decide(&state.governance.rules, &snapshot, now);
    let explanation = explain::explain(&decision, state, change, presence, now)?;
    let text = texts.get(&revision.text).and_then(|bytes| ProposalText::parse(bytes).ok());
    let reason = |digest: &Digest| {
        let said = texts.get(digest).and_then(|bytes| Reason::parse(bytes).ok()).map(|reason| reason.why);
        said.or_else(|| tombstone(change, digest))
    };
    Ok(ChangeView {
        id: change.id.clone(),
        title: title(change, &revision.text, text.as_ref()),
        kind: change.kind,
        purpose: change.purpose.clone(),
        state: ShownState::of(change, days, now).as_str().to_owned(),
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
        // Nobody can say whose a name is that was erased.
        unmapped: identities(change, |revision, reference| {
            let erased = revision.identities_blob.is_some_and(|blob| change.tombstone(&blob).is_some());
            !erased && snapshot.unmapped.contains(reference)
        }),
        identities: identities(change, |_, _| true),
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
                    && change.is_still_within(approval.within.as_ref())
                    && snapshot.approvals.iter().any(|a| a.by == approval.by),
                together: (approval.revision == current)
                    .then(|| snapshot.together.get(&approval.by).map(ToString::to_string))
                    .flatten(),
                revoked: revoked(state, &approval.by, &approval.key, now),
                carries: approval.epoch == epoch
                    && change.is_still_within(approval.within.as_ref())
                    && change.may_carry(approval)
                    && snapshot.carried.iter().any(|carried| carried.approvals.iter().any(|a| a.by == approval.by)),
                rescheduled: rescheduled(change, approval),
                delegated: lent(&snapshot, approval, current),
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
        emergency: emergency(state, change, &|digest| texts.get(digest).cloned()),
        comments: change.comments.iter().map(|record| comment(change, record, texts)).collect(),
        evidence: evidence(change, &evidence_of(state, change, now)?, &reason),
        labels: change
            .labels
            .iter()
            .map(|record| LabelLine {
                label: record.label.clone(),
                by: record.by.clone(),
                at: rfc3339(record.at),
                revision: record.revision.number,
            })
            .collect(),
        windows: change.windows().map(|(by, said)| window(Some(by), &said)).collect(),
        taken_back: change
            .taken_back
            .iter()
            .map(|record| TakenBackLine {
                by: record.by.clone(),
                at: rfc3339(record.at),
                revision: record.revision.number,
                rejected: record.rejected,
            })
            .collect(),
        contributors: snapshot.contributors,
        claimed: snapshot.claimed,
        ai: snapshot.ai,
        decision,
        explanation,
    })
}

/// What became of the key that somebody approved with, if it holds no more.
fn revoked(state: &State, by: &ActorId, key: &Fingerprint, now: Time) -> Option<String> {
    let (_, record) = state.people().find(|(id, _)| *id == by)?;
    let revocation = record.revoked.get(key).filter(|revocation| revocation.takes(now))?;
    let (who, at) = (&revocation.by, rfc3339(revocation.at));
    Some(match revocation.until() {
        Some(until) => format!("its key is suspended since {at} by {who}, until {} or for good", rfc3339(until)),
        None => format!("its key was revoked at {at} by {who}"),
    })
}

/// Whether it passed by somebody's word, for the targets of which that is.
fn passes(view: &EvidenceView, by: &ActorId, change: &Change) -> bool {
    view.passed_for(view.only_for.get(by).unwrap_or(&change.targets))
}

/// Only the newest of one workload and kind counts, and only of the present revision.
fn evidence(
    change: &Change,
    standing: &BTreeMap<EvidenceKind, EvidenceView>,
    reason: &impl Fn(&Digest) -> Option<String>,
) -> Vec<EvidenceLine> {
    let newest: Vec<_> = change.evidence_of(change.current_ref().as_ref()).collect();
    let line = |record: &EvidenceRecord| {
        let view = standing.get(&record.kind).filter(|_| newest.iter().any(|newest| std::ptr::eq(*newest, record)));
        let among =
            |of: fn(&EvidenceView) -> &BTreeSet<ActorId>| view.is_some_and(|view| of(view).contains(&record.by));
        EvidenceLine {
            by: record.by.clone(),
            at: rfc3339(record.at),
            revision: record.revision.number,
            kind: record.kind.clone(),
            result: record.result,
            counts: among(|view| &view.passed_by) && view.is_some_and(|view| passes(view, &record.by, change)),
            self_made: among(|view| &view.self_made_by),
            only_for: view.and_then(|view| view.only_for.get(&record.by)).cloned().unwrap_or_default(),
            workflow: record.workflow.clone(),
            document: record.document,
            note: record.text.as_ref().and_then(reason),
            issuer: record.token.as_ref().map(|token| token.issuer.clone()),
            token_gone: !record.is_checked(),
        }
    };
    change.evidence.iter().map(line).collect()
}

fn comment(change: &Change, record: &CommentRecord, texts: &Texts) -> CommentLine {
    let said = texts.get(&record.text).and_then(|bytes| CommentText::parse(bytes).ok());
    let (text, path, line) = match said {
        Some(said) => (Some(said.text), said.path, said.line),
        None => (tombstone(change, &record.text), None, None),
    };
    let (by, at, revision) = (record.by.clone(), rfc3339(record.at), record.revision.number);
    CommentLine { by, at, revision, text, path, line }
}

/// A change in a list.
pub fn line(
    governance: &Governance,
    change: &Change,
    current: RevisionRef,
    text: Option<&ProposalText>,
    now: Time,
) -> ChangeLine {
    let days = governance.catalog.settings.expires_after_days;
    ChangeLine {
        id: change.id.clone(),
        title: change.current().map_or_else(String::new, |revision| title(change, &revision.text, text)),
        kind: change.kind,
        state: ShownState::of(change, days, now).as_str().to_owned(),
        targets: change.targets.clone(),
        proposer: change.proposer.clone(),
        proposed_at: rfc3339(change.proposed_at),
        revision: current.number,
        branch: match change.current().map(|revision| &revision.subject) {
            Some(Subject::Git(git)) => Some(git.branch.clone()),
            Some(Subject::Files(_) | Subject::Governance(_)) | None => None,
        },
        content: change.content().ok(),
        window: change.window().map(|all| window(None, &all)),
        expires_at: change.expires_soon(days, now).filter(|at| *at > now).map(rfc3339),
    }
}

fn window(by: Option<&ActorId>, window: &Window) -> WindowLine {
    let Window { not_before, until } = *window;
    WindowLine { by: by.cloned(), not_before: not_before.map(rfc3339), until: until.map(rfc3339) }
}

/// For which other time an approval was given.
fn rescheduled(change: &Change, approval: &ApprovalRecord) -> Option<String> {
    let seen = approval.within.filter(|seen| !change.is_still_within(Some(seen)))?;
    Some(format!("it was given for landing {seen}, and the change lands at other times by now"))
}

fn title(change: &Change, blob: &Digest, text: Option<&ProposalText>) -> String {
    text.map_or_else(|| gone(change, blob), |text| text.title.clone())
}

/// Who erased it, and when.
fn tombstone(change: &Change, blob: &Digest) -> Option<String> {
    let erased = change.tombstone(blob)?;
    let at = rfc3339(erased.at);
    Some(format!("(erased by {} on {})", erased.by, at.split('T').next().unwrap_or(&at)))
}

/// In place of what is not there.
fn gone(change: &Change, blob: &Digest) -> String {
    tombstone(change, blob).unwrap_or_else(|| NOT_HERE.to_owned())
}

/// A state as it is shown, and asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ShownState {
    /// Nobody touched it, or used its permit in time.
    Expired,
    Is(ChangeStatus),
}

impl ShownState {
    pub fn of(change: &Change, days: Option<u32>, now: Time) -> Self {
        match change.status {
            _ if change.is_expired(days, now) => Self::Expired,
            ChangeStatus::Permitted if change.permits.iter().all(|p| p.outcome.is_some() || p.expires_at < now) => {
                Self::Expired
            }
            status => Self::Is(status),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Is(status) => status.as_str(),
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ChangeStatus::ALL.into_iter().map(Self::Is).chain([Self::Expired])
    }
}

impl TryFrom<String> for ShownState {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::all().find(|state| state.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Self::as_str).collect();
            format!("`{text}` is no state of a change: one of {}", names.join(", "))
        })
    }
}

fn identities(change: &Change, wanted: impl Fn(&Revision, &str) -> bool) -> Vec<IdentityView> {
    let mut seen = BTreeSet::new();
    let mut views = Vec::new();
    for revision in &change.revisions {
        for identity in &revision.identities {
            if !wanted(revision, &identity.reference) || !seen.insert(&identity.reference) {
                continue;
            }
            let who = revision.named.get(&identity.reference);
            views.push(IdentityView {
                reference: identity.reference.clone(),
                name: match (who, &revision.identities_blob) {
                    (Some(who), _) => who.name.clone(),
                    (None, Some(blob)) => gone(change, blob),
                    (None, None) => NOT_HERE.to_owned(),
                },
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
