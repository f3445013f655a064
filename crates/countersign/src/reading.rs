//! A change as its signed statements and their blobs tell it, worked out here from a bundle: what a person is shown before
//! they sign, and what they sign.
//!
//! Every signature and digest of the bundle is checked from the pinned genesis on, and the change is rebuilt by the fold that
//! the engine and every gate run. The server's own account of the change has no part in it.
//!
//! What this cannot see is a tail that the server leaves out: a bundle proves presence. Who must not miss a rejection or a
//! revocation follows the log, as gates do.

use std::collections::BTreeMap;

use countersign_core::{
    change::{Change, Revision},
    explain::{self, Obligation, Past, Reviewer},
    facts::Identities,
    ids::ActorId,
    permit::{MAX_SKEW_SECS, span},
    presence::Presence,
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::RevisionRef,
    subject::{Subject, SubjectRef},
    trust::Trust,
    verify::{CLOCK_BEHIND, Evidence, GovernedBefore, Verdict, verify, verify_behind},
};
use countersign_ledger::{Digest, Leaf, LogKeys, Time, checkpoint::Checkpoint};

use crate::{bundle::Bundle, client::ChangePrefix, view, wire::ChangeView};

#[derive(Clone, Debug)]
pub struct Reading {
    state: State,
    change: Change,
    /// The present one.
    revision: Revision,
    subject: SubjectRef,
    blobs: BTreeMap<Digest, Vec<u8>>,
    checkpoint: Checkpoint,
    begun: Option<GovernedBefore>,
    now: Time,
    /// How people stand whose streams the bundle does not have.
    known: Presence,
}

impl Reading {
    /// Reads a bundle about the change that was asked for.
    pub fn of(
        trust: &Trust,
        asked: &ChangePrefix,
        bundle: Bundle,
        before: Option<&GovernedBefore>,
        now: Time,
    ) -> Result<Self, Refusal> {
        if !asked.names(&bundle.change) {
            return Err(swapped(asked, &format!("change {}", bundle.change)));
        }
        let Checked { state, checkpoint, begun, log_keys: _ } = Checked::of(trust, &bundle.evidence, before, now)?;
        // Its id is the beginning of its proposal's digest: the fold has made it so.
        let change = state.change(&bundle.change).ok().flatten().cloned();
        let change = change.ok_or_else(|| swapped(asked, "a log that has no such change"))?;
        let revision = change.current().cloned().ok_or_else(|| broken("the change has no revision"))?;
        let subject = revision.subject.reference()?;
        Ok(Self {
            state,
            change,
            revision,
            subject,
            blobs: bundle.evidence.blobs,
            checkpoint,
            begun,
            now,
            known: Presence::default(),
        })
    }

    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// The present revision.
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    pub fn revision_ref(&self) -> RevisionRef {
        self.revision.reference
    }

    pub fn subject(&self) -> &Subject {
        &self.revision.subject
    }

    /// The subject of the present revision as statements name it: what an approval signs.
    pub fn subject_ref(&self) -> &SubjectRef {
        &self.subject
    }

    /// Governance as it stood when the change began: where the next reading of it can go on from.
    pub fn begun(&self) -> Option<&GovernedBefore> {
        self.begun.as_ref()
    }

    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What a statement names by this digest, if the bundle has it.
    pub fn blob(&self, digest: &Digest) -> Option<&[u8]> {
        self.blobs.get(digest).map(Vec::as_slice)
    }

    /// The names behind the facts of the present revision, unless they were erased.
    pub fn identities(&self) -> Result<Option<Identities>, Refusal> {
        let blob = self.revision.identities_blob.and_then(|digest| self.blobs.get(&digest));
        blob.map(|bytes| Identities::parse(bytes)).transpose()
    }

    /// What is missing of it that this person could supply now.
    pub fn could_supply(&self, person: &ActorId) -> Result<Vec<Obligation>, Refusal> {
        if !self.change.status.is_open() {
            return Ok(Vec::new());
        }
        let snapshot = Snapshot::take(&self.state, &self.change, self.now)?;
        let decision = decide::decide(&self.state.governance.rules, &snapshot, self.now);
        explain::could_supply(&decision, &self.state, &self.change, &self.presence(), person)
    }

    /// Whom to ask for the approvals that it lacks, in an order that what is known of people's past gives.
    pub fn reviewers(&self, past: &BTreeMap<ActorId, Past>) -> Result<Vec<Reviewer>, Refusal> {
        if !self.change.status.is_open() {
            return Ok(Vec::new());
        }
        let snapshot = Snapshot::take(&self.state, &self.change, self.now)?;
        let decision = decide::decide(&self.state.governance.rules, &snapshot, self.now);
        explain::reviewers(&decision, &self.state, &self.change, &self.presence(), past)
    }

    /// The same where somebody knows more of how people stand than the streams of those who spoke tell.
    #[must_use]
    pub fn with_presence(mut self, known: Presence) -> Self {
        self.known = known;
        self
    }

    fn presence(&self) -> Presence {
        let mut presence = self.state.presence(self.now);
        presence.extend(self.known.clone());
        presence
    }

    /// Whether something else came into force since it was made, so that its author has to make it again.
    pub fn is_overtaken(&self) -> bool {
        match self.subject() {
            Subject::Governance(governance) => {
                self.change.status.is_open() && governance.parent != self.state.governance.record.in_force
            }
            Subject::Git(_) | Subject::Files(_) => false,
        }
    }

    /// The change as it is shown.
    pub fn view(&self) -> Result<ChangeView, Refusal> {
        view::view(&self.state, &self.change, &self.blobs, &self.presence(), self.now)
    }
}

/// A part of the log in which everything holds.
#[derive(Debug)]
pub struct Checked {
    pub state: State,
    pub checkpoint: Checkpoint,
    /// Where the next reading of governance can go on from.
    pub begun: Option<GovernedBefore>,
    /// By which key the log signs which sizes.
    pub log_keys: Option<LogKeys>,
}

impl Checked {
    pub fn of(trust: &Trust, evidence: &Evidence, before: Option<&GovernedBefore>, now: Time) -> Result<Self, Refusal> {
        clock_agrees(evidence, now)?;
        let report = match before {
            Some(before) => verify_behind(trust, evidence, before, now),
            None => verify(trust, evidence, now),
        };
        let failed = report.steps.iter().find(|step| match step.verdict {
            Verdict::Broken | Verdict::Newer => true,
            Verdict::Holds | Verdict::NotChecked => false,
        });
        if let Some(step) = failed {
            return Err(match step.verdict {
                Verdict::Newer => Refusal::newer(step.detail.clone()),
                // By another trust file it might be as it should.
                Verdict::Broken if step.is_by_the_trust_file() => wrong_trust(&step.detail),
                Verdict::Broken | Verdict::Holds | Verdict::NotChecked => broken(&step.detail),
            });
        }
        match (report.state, report.checkpoint) {
            (Some(state), Some(checkpoint)) => {
                Ok(Self { state, checkpoint, begun: report.begun, log_keys: report.log_keys })
            }
            (None, _) | (_, None) => Err(broken("it does not hold")),
        }
    }
}

/// Whether this machine's clock can be right, by the leaves of a bundle. What they say is not checked yet; a clock that is wrong
/// would make an honest bundle look false.
fn clock_agrees(evidence: &Evidence, now: Time) -> Result<(), Refusal> {
    let times = evidence.leaves.values().filter_map(|bytes| Some(Leaf::parse(bytes).ok()?.admitted_at));
    let ahead = times.max().map_or(0, |last| last.secs_since(now));
    if ahead <= MAX_SKEW_SECS {
        return Ok(());
    }
    let message = format!("this machine's clock is {} behind the log's: it says {now}", span(ahead));
    Err(Refusal::conflict(CLOCK_BEHIND, message)
        .hint("nothing was signed; set the clock that is wrong, this machine's or the server's, and try again"))
}

/// The server answered about another change than was asked.
pub fn swapped(asked: &ChangePrefix, answered: &str) -> Refusal {
    Refusal::malformed("swapped-change", format!("asked about change {asked}, the server answered with {answered}"))
        .hint("nothing was signed; tell whoever runs the server")
}

/// What does not fit the trust file is more often a wrong file than a forged log.
pub fn wrong_trust(detail: &str) -> Refusal {
    Refusal::unauthenticated("wrong-trust-file", detail.to_owned())
        .hint("compare with the trust.json that a founder gives you. If it is the right one, the log is another than it was: tell whoever runs the server")
}

fn broken(detail: &str) -> Refusal {
    Refusal::malformed("bundle-broken", format!("what the server sent does not verify: {detail}"))
        .hint("nothing was signed. Tell whoever runs the server: either it is damaged, or somebody has taken it over")
}
