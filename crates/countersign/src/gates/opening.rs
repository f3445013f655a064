//! Opening a gate: the permit *together with* the human signatures under it.
//!
//! The server hands over a permit and the bundle that it stands on. Nothing of it is believed: the bundle is verified from
//! the pinned genesis, the log must be a continuation of the one this gate saw before, the permit must be for this gate
//! and this transition and must be in the log, and the rules are run again here, now, over the replayed state. A server
//! that was taken over can refuse to answer, but whatever it answers does not open a gate.

use std::path::Path;

use countersign_core::{
    admit,
    change::Change,
    decision::Outcome,
    explain::Explained,
    governance::Signer,
    permit,
    refusal::Refusal,
    state::State,
    statement::{Body, PermitGrant, Statement, Transition},
    verify::{Trust, Verdict, verify},
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Hash, Time, checkpoint::Checkpoint, tree};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bundle::{Bundle, BundleError};

/// What a gate remembers of the log between two openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub size: u64,
    pub root: Hash,
    /// How long the governance stream was: a left-out revocation would make it shorter.
    pub governance: u64,
}

#[derive(Debug, Error)]
pub enum OpeningError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The rules, run here over what people signed, deny.
    #[error("the rules, run by the gate itself, do not allow change {}", .0.decision.change)]
    Denied(Box<Explained>),
}

/// Everything checked: what may happen now, and what it stands on. Only [`open`] makes one.
#[derive(Debug)]
pub struct Opening {
    state: State,
    change: Change,
    grant: PermitGrant,
    permit: Digest,
    memory: Memory,
}

impl Opening {
    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn grant(&self) -> &PermitGrant {
        &self.grant
    }

    /// Payload digest of the permit: what the journal spends.
    pub fn permit(&self) -> Digest {
        self.permit
    }

    pub fn memory(&self) -> Memory {
        self.memory
    }
}

/// What is asked of a gate.
#[derive(Debug)]
pub struct Asked<'a> {
    pub trust: &'a Trust,
    pub memory: Option<Memory>,
    pub audience: &'a Fingerprint,
    pub transition: &'a Transition,
    pub now: Time,
}

/// Checks a permit and the bundle that it stands on.
pub fn open(asked: &Asked<'_>, permit: &[u8], bundle: &[u8]) -> Result<Opening, OpeningError> {
    let envelope = Envelope::parse(permit).map_err(|e| Refusal::malformed("malformed-permit", e.to_string()))?;
    let statement = Statement::parse(envelope.payload())?;
    let Body::PermitGrant(grant) = statement.body else {
        return Err(Refusal::malformed("not-a-permit", format!("it is a {} statement", statement.body.kind())).into());
    };
    permit::check_lease(&grant, asked.audience, asked.transition, asked.now)?;

    let bundle = Bundle::from_tar(Path::new("the server's bundle"), bundle)?;
    let report = verify(asked.trust, &bundle.evidence, asked.now);
    let (Some(state), Some(checkpoint)) = (&report.state, &report.checkpoint) else {
        let with = |verdict| report.steps.iter().find(|step| step.verdict == verdict);
        if let (None, Some(newer)) = (with(Verdict::Broken), with(Verdict::Newer)) {
            return Err(Refusal::conflict("newer-log", format!("the log is {}", newer.detail))
                .hint("install a newer countersign at this gate")
                .into());
        }
        let detail = with(Verdict::Broken).map_or("it does not hold", |step| step.detail.as_str());
        return Err(Refusal::forbidden("bundle-broken", format!("what the server sent does not verify: {detail}"))
            .hint("tell whoever runs the server: either it is damaged or somebody has taken it over")
            .into());
    };
    let memory = continues(asked.memory.as_ref(), checkpoint, &bundle, state)?;

    match admit::authenticate(&state.governance, &envelope)?.signer() {
        Signer::Server => {}
        Signer::Actor { .. } | Signer::Gate(_) => {
            return Err(Refusal::forbidden("not-a-permit", "the permit is not signed by the server of this log").into());
        }
    }
    let digest = envelope.payload_digest();
    let change = state.changes.get(&grant.change).ok_or_else(|| {
        Refusal::forbidden("permit-not-logged", format!("the log knows nothing of change {}", grant.change))
    })?;
    // In the log: a permit that only a stolen server key made is not.
    let Some(record) = change.permits.iter().find(|record| record.statement == digest) else {
        return Err(Refusal::forbidden("permit-not-logged", "the permit is not in the log").into());
    };
    // The gate's own journal says so first; the log also knows of other machines that have the same key.
    if record.outcome.is_some() {
        return Err(Refusal::forbidden("permit-spent", "the permit was used before: the log has its outcome")
            .hint("a permit opens a gate once; ask for a new one")
            .into());
    }
    if change.current_ref() != Some(grant.revision) || !change.status.is_open() {
        return Err(Refusal::conflict(
            "stale-revision",
            "the permit is for a revision that is no longer the present one",
        )
        .hint("try again, so that a new permit is asked for")
        .into());
    }
    admit::fits(change, &grant.transition)?;

    let explained = Explained::standing(&state.governance, change, asked.now)?;
    match explained.decision.outcome {
        Outcome::Allow => {}
        Outcome::Deny => return Err(OpeningError::Denied(Box::new(explained))),
    }
    Ok(Opening { change: change.clone(), grant, permit: digest, memory, state: report.state.ok_or_else(lost)? })
}

fn lost() -> Refusal {
    Refusal::forbidden("bundle-broken", "the verified state is gone")
}

/// The log that the gate is shown continues the one that it saw before: nothing was dropped, and there is no second one.
fn continues(before: Option<&Memory>, now: &Checkpoint, bundle: &Bundle, state: &State) -> Result<Memory, Refusal> {
    let memory = Memory { size: now.size, root: now.root, governance: state.governance.record.head.next_seq };
    let Some(before) = before else { return Ok(memory) };
    let split = |why: String| {
        Refusal::forbidden("split-view", format!("the log is not the one that this gate saw before: {why}"))
            .hint("do not open the gate by hand; compare checkpoints with another gate or an auditor")
    };
    if now.size < before.size {
        return Err(split(format!("it had {} leaves and now has {}", before.size, now.size)));
    }
    if now.size == before.size && now.root != before.root {
        return Err(split(format!("its root at {} leaves was {} and now is {}", now.size, before.root, now.root)));
    }
    if now.size > before.size {
        tree::verify_consistency(before.size, &before.root, now.size, &now.root, &bundle.consistency)
            .map_err(|e| split(e.to_string()))?;
    }
    if memory.governance < before.governance {
        return Err(split("governance statements that were there are left out".to_owned()));
    }
    Ok(memory)
}
