//! How a change is shown: one shape for `show --format json`, the API and the text that people read.

use std::collections::BTreeSet;

use countersign_core::{
    change::{Change, ChangeStatus},
    decision::{Decision, Outcome},
    facts::Role,
    ids::{ActorId, ChangeId, GateId, RuleId, Target},
    snapshot::{Ai, Kind, Snapshot, identity_ref},
    statement::{OutcomeResult, Subject, Transition},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Time, sshsig::Assurance};
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::store;

/// A change in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeLine {
    pub id: ChangeId,
    pub title: String,
    pub kind: Kind,
    pub state: String,
    pub targets: BTreeSet<Target>,
    pub proposer: ActorId,
    pub proposed_at: String,
    pub revision: u32,
}

/// A change with everything that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeView {
    pub id: ChangeId,
    pub title: String,
    pub kind: Kind,
    pub state: String,
    pub targets: BTreeSet<Target>,
    pub subject: Subject,
    pub revision: u32,
    pub revision_digest: Digest,
    pub facts: Option<Digest>,
    pub proposer: ActorId,
    pub proposed_at: String,
    pub text: Option<ProposalText>,
    pub contributors: BTreeSet<ActorId>,
    /// Contributors only because a co-author trailer says so.
    pub claimed: BTreeSet<ActorId>,
    /// Everybody whom the commits name.
    pub identities: Vec<IdentityView>,
    /// Those of them who belong to nobody in the catalog.
    pub unmapped: Vec<IdentityView>,
    pub ai: Ai,
    pub guidance: Vec<GuidanceLine>,
    pub approvals: Vec<ApprovalLine>,
    pub rejections: Vec<RejectionLine>,
    pub waivers: Vec<WaiverLine>,
    pub permits: Vec<PermitLine>,
    pub decision: Decision,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdentityView {
    #[serde(rename = "ref")]
    pub reference: String,
    pub name: String,
    pub mail: String,
    pub roles: BTreeSet<Role>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuidanceLine {
    pub path: String,
    /// Where it was found: `repository@commit`.
    pub found: Option<String>,
    pub review_due: Option<String>,
    pub stale: bool,
    /// Who could refresh it.
    pub owners: BTreeSet<ActorId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub assurance: Assurance,
    /// Whether it was made over digests that the approver's own machine computed.
    pub recomputed: bool,
    /// Whether it counts for the present revision.
    pub counts: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RejectionLine {
    pub by: ActorId,
    pub at: String,
    pub revision: u32,
    pub lifted: bool,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaiverLine {
    pub rule: RuleId,
    pub by: ActorId,
    pub at: String,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PermitLine {
    pub statement: Digest,
    pub gate: GateId,
    pub transition: Transition,
    pub issued_at: String,
    pub expires_at: String,
    pub outcome: Option<OutcomeResult>,
}

impl Engine {
    pub async fn view(&self, change: &Change) -> Result<ChangeView, EngineError> {
        let governance = self.governance().await?;
        let now = (self.clock)();
        let mut change = change.clone();
        if let Some(observed) = self.observe(&change).await? {
            change.observed = observed;
        }
        let snapshot = Snapshot::take(&governance, &change)?;
        let decision = countersign_core::rules::decide::decide(&governance.rules, &snapshot, now);
        let (_, current) = super::about(&change)?;
        let text = self.text(&change).await?;
        let mut rejections = Vec::new();
        for record in &change.rejections {
            rejections.push(RejectionLine {
                by: record.by.clone(),
                at: rfc3339(record.at),
                revision: record.revision.number,
                lifted: record.lifted,
                why: self.reason(&record.reason).await?,
            });
        }
        let mut waivers = Vec::new();
        for record in &change.waivers {
            waivers.push(WaiverLine {
                rule: record.rule.clone(),
                by: record.by.clone(),
                at: rfc3339(record.at),
                why: self.reason(&record.reason).await?,
            });
        }
        let revision = change.current();
        Ok(ChangeView {
            id: change.id.clone(),
            title: title(text.as_ref()),
            kind: change.kind,
            state: state(&change, now).to_owned(),
            targets: change.targets.clone(),
            subject: match revision {
                Some(revision) => revision.subject.clone(),
                None => Subject::Files { files: Default::default(), command: None },
            },
            revision: current.number,
            revision_digest: current.digest,
            facts: revision.and_then(|revision| revision.facts),
            proposer: change.proposer.clone(),
            proposed_at: rfc3339(change.proposed_at),
            text,
            unmapped: identities(&change, |reference| snapshot.unmapped.contains(reference)),
            identities: identities(&change, |_| true),
            guidance: guidance(&change, &snapshot, now),
            approvals: change
                .approvals
                .iter()
                .map(|approval| ApprovalLine {
                    by: approval.by.clone(),
                    at: rfc3339(approval.at),
                    revision: approval.revision.number,
                    assurance: approval.assurance,
                    recomputed: approval.recomputed,
                    counts: approval.revision == current && snapshot.approvals.iter().any(|a| a.by == approval.by),
                })
                .collect(),
            rejections,
            waivers,
            permits: change
                .permits
                .iter()
                .map(|permit| PermitLine {
                    statement: permit.statement,
                    gate: permit.gate.clone(),
                    transition: permit.transition.clone(),
                    issued_at: rfc3339(permit.issued_at),
                    expires_at: rfc3339(permit.expires_at),
                    outcome: permit.outcome,
                })
                .collect(),
            contributors: snapshot.contributors,
            claimed: snapshot.claimed,
            ai: snapshot.ai,
            decision,
        })
    }

    pub async fn line(&self, change: &Change) -> Result<ChangeLine, EngineError> {
        let text = self.text(change).await?;
        let (_, current) = super::about(change)?;
        Ok(ChangeLine {
            id: change.id.clone(),
            title: title(text.as_ref()),
            kind: change.kind,
            state: state(change, (self.clock)()).to_owned(),
            targets: change.targets.clone(),
            proposer: change.proposer.clone(),
            proposed_at: rfc3339(change.proposed_at),
            revision: current.number,
        })
    }

    /// The words of the present revision, unless they were erased.
    async fn text(&self, change: &Change) -> Result<Option<ProposalText>, EngineError> {
        let Some(revision) = change.current() else { return Ok(None) };
        let blob = store::blob(&*self.store, &revision.text).await?;
        Ok(blob.and_then(|bytes| ProposalText::parse(&bytes).ok()))
    }

    async fn reason(&self, digest: &Digest) -> Result<Option<String>, EngineError> {
        Ok(store::blob(&*self.store, digest)
            .await?
            .and_then(|bytes| Reason::parse(&bytes).ok())
            .map(|reason| reason.why))
    }
}

fn title(text: Option<&ProposalText>) -> String {
    text.map_or_else(|| "(erased)".to_owned(), |text| text.title.clone())
}

/// The state's name; a permit that nobody used in time leaves the change as expired.
fn state(change: &Change, now: Time) -> &'static str {
    match change.status {
        ChangeStatus::Permitted if change.permits.iter().all(|p| p.outcome.is_some() || p.expires_at < now) => {
            "expired"
        }
        status => status.as_str(),
    }
}

fn identities(change: &Change, wanted: impl Fn(&str) -> bool) -> Vec<IdentityView> {
    let mut seen = BTreeSet::new();
    change
        .revisions
        .iter()
        .flat_map(|revision| &revision.identities)
        .filter(|identity| {
            let reference = identity_ref(identity);
            wanted(&reference) && seen.insert(reference)
        })
        .map(|identity| IdentityView {
            reference: identity_ref(identity),
            name: identity.name.clone(),
            mail: identity.mail.clone(),
            roles: identity.roles.clone(),
        })
        .collect()
}

fn guidance(change: &Change, snapshot: &Snapshot, now: Time) -> Vec<GuidanceLine> {
    snapshot
        .guidance
        .iter()
        .map(|view| GuidanceLine {
            path: view.path.clone(),
            found: change
                .observed
                .iter()
                .find(|document| document.path == view.path)
                .and_then(|document| document.found.as_ref())
                .map(|found| format!("{}@{}", found.repository, found.commit.short())),
            review_due: view.review_due.map(rfc3339),
            stale: view.review_due.is_none_or(|due| due < now),
            owners: view.owners.clone(),
        })
        .collect()
}

/// `2026-11-23T08:26:26Z`.
pub fn rfc3339(time: Time) -> String {
    jiff::Timestamp::from_millisecond(time.unix_millis())
        .map(|timestamp| format!("{timestamp:.0}"))
        .unwrap_or_else(|_| format!("{} ms after 1970", time.unix_millis()))
}

impl ChangeView {
    pub fn allowed(&self) -> bool {
        match self.decision.outcome {
            Outcome::Allow => true,
            Outcome::Deny => false,
        }
    }
}
