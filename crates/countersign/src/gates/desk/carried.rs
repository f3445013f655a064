//! Deciding alone by more than this gate's own copy has: by the bundle of a change, which somebody carried here while the log is away.
//!
//! ```text
//!  with the log    approve, permit ─> bundle, under a quorum of followers ─┐ a file
//!  at the gate     the log is away ────────────────────────────────────────┴─> the rules, over what the bundle says
//! ```
//!
//! What the gate follows it checks leaf by leaf; of a bundle the followers did, and cosigned it. So it takes a quorum of them, over a log
//! that is no shorter than this gate's copy, whose leaves it has as the copy has them; from the permit that this gate was given on,
//! nothing may have come that bears on the change ([`bundle`](super::bundle)). Their cosignatures are what has to be young enough.
//!
//! Invariant: where a bundle of a change is at hand that is no older than the copy, it alone says what is known of that change: a stop
//! in it counts.

use std::collections::BTreeSet;

use countersign_core::{
    admit::may_land_alone,
    change::Change,
    decision::Outcome,
    explain,
    ids::Target,
    permit::span,
    presence::Presence,
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{SeenCheckpoint, gate_stream},
    subject::Transition,
    trust::Vouching,
};
use countersign_ledger::{SignedCheckpoint, StreamHead, Time};

use super::{
    Desk, DeskError, Judged, Opening,
    bundle::{Whole, is_enough, obey, stands_still, whole},
};
use crate::{bundle::Bundle, follower::FollowError, gates::glass::Part, records};

/// How many leaves of the copy are looked at at once.
const LEAVES: u64 = 256;

/// What to do where a bundle does not suffice.
const AGAIN: &str = "ask for a permit at this gate again, wait until it is cosigned, and bring a new bundle: countersign permit CHANGE, \
                     countersign bundle CHANGE --out FILE";

/// What a bundle says of its change, where it may be decided by.
#[derive(Debug)]
pub struct Carried {
    state: State,
    pub change: Change,
    snapshot: Snapshot,
    note: SignedCheckpoint,
    handed: Vec<String>,
}

impl Desk {
    /// What a bundle says of its change at this gate, if enough followers vouch for it. Nothing is said yet of how long ago they did.
    pub fn carried(&self, bundle: &Bundle, latest: Time) -> Result<Carried, DeskError> {
        let trust = self.follower.trust();
        is_enough(&trust).map_err(|refusal| {
            refusal.hint(
                "pin cosigners in this gate's trust.json before the next outage: countersign trust add-cosigner --help. What has to go \
                 now takes breaking the glass",
            )
        })?;
        let evidence = &bundle.evidence;
        let instead = "or break the glass";
        let Whole { state, change, size } = whole(&trust, evidence, &bundle.change, latest, instead)?;
        let mut state = state.seen_by(self.follower.sights()?);
        let (ours, theirs) = (self.runtime.block_on(self.follower.epoch())?, state.governance.record.header_epoch());
        if ours != theirs {
            return Err(Refusal::forbidden(
                "bundle-of-another-epoch",
                "the bundle is of another epoch of the log than this gate has followed: the log was restored in between",
            )
            .hint("this gate has to follow the log before it takes anything of it: countersign gate sync REPO")
            .into());
        }
        let known = self.leaves()?;
        if size < known {
            return Err(Refusal::forbidden(
                "bundle-older",
                format!("this gate has followed {known} leaves of the log, and the bundle is of the first {size}"),
            )
            .hint(AGAIN)
            .into());
        }
        self.has_the_same(bundle, known)?;
        let audience = self.key();
        let permit = change.permits.iter().rev().find(|permit| permit.broken.is_none() && permit.alone.is_none());
        let permit =
            permit.filter(|permit| permit.gate == self.gate && permit.audience == audience).ok_or_else(|| {
                Refusal::forbidden(
                    "no-permit",
                    format!("the last permit in the bundle is none for gate {} with key {audience}", self.gate),
                )
                .hint(AGAIN)
            })?;
        let decided = stands_still(evidence, &permit.statement).map_err(|refusal| refusal.hint(AGAIN))?;
        self.knows_of_itself(&mut state, decided.heads.get(&gate_stream(self.gate.as_str())?).copied())?;
        let inputs = change.inputs(&state.governance, Some(&self.gate))?;
        let handed = obey(&mut state, &change, &self.stops, &inputs, size, latest)?;
        let change = state.change(&change.id)?.unwrap_or(&change).at_gate(&self.gate);
        self.foresee_under_way(&mut state, &change, latest)?;
        let logged =
            evidence.blobs.get(&decided.snapshot).and_then(|bytes| serde_json::from_slice::<Snapshot>(bytes).ok());
        let logged = logged.ok_or_else(|| {
            Refusal::malformed("bundle-incomplete", "the bundle lacks what the permit was decided from").hint(AGAIN)
        })?;
        let snapshot = Snapshot::take(&state, &change, latest)?
            .held_as(&logged, &state, &change)?
            .applied_by(&self.applier, &state.governance.rules);
        let note = SignedCheckpoint::open(&evidence.checkpoint, &trust.log_key).map_err(FollowError::from)?;
        Ok(Carried { state, change, snapshot, note, handed })
    }

    /// What a bundle tells of a change that landed by this gate and that its copy does not have: it counts for what may land beside it.
    pub fn knows_by_bundle(&mut self, bundle: &Bundle, latest: Time) -> Result<(), DeskError> {
        if !self.under_way.contains(&bundle.change) {
            return Ok(());
        }
        match self.carried(bundle, latest) {
            Ok(Carried { change, .. }) => drop(self.carried.insert(change.id.clone(), change)),
            // The copy knows more.
            Err(DeskError::Refused(refusal)) if refusal.code == "bundle-older" => {}
            // The copy has it, as it landed or as it stood.
            Err(_) if self.change(&bundle.change)?.is_some() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What this copy has of the same leaves is the same: else one of the two is no copy of the log.
    fn has_the_same(&self, bundle: &Bundle, known: u64) -> Result<(), DeskError> {
        let store = self.follower.store();
        let mut here = bundle.evidence.leaves.range(..known).peekable();
        while let Some((first, _)) = here.peek() {
            let (first, end) = (**first, first.saturating_add(LEAVES).min(known));
            let leaves = self.runtime.block_on(store.leaves(first..end)).map_err(|e| self.follower.failed(e))?;
            // As many as are given at once, which is one and more.
            let given = first.saturating_add(leaves.len().max(1) as u64);
            while let Some((index, bytes)) = here.next_if(|(index, _)| **index < given) {
                let ours = usize::try_from(index.saturating_sub(first)).ok().and_then(|at| leaves.get(at));
                if ours != Some(bytes) {
                    return Err(Refusal::forbidden(
                        "bundle-contradicts",
                        format!("leaf {index} of the bundle is another than this gate has followed"),
                    )
                    .hint("one of them is no copy of the log: show both to an auditor, and open nothing by hand")
                    .into());
                }
            }
        }
        Ok(())
    }

    /// The gate itself, as this copy has it: as it was when the permit was decided.
    fn knows_of_itself(&self, state: &mut State, at: Option<StreamHead>) -> Result<(), DeskError> {
        let stream = gate_stream(self.gate.as_str())?;
        let loaded =
            self.runtime.block_on(records::load(&*self.follower.store(), state, &BTreeSet::from([stream.clone()])));
        loaded.map_err(|e| self.follower.recorded(e))?;
        if Some(state.head(&stream)?) == at {
            return Ok(());
        }
        Err(Refusal::forbidden("log-moved", format!("the log says more of gate {} than it has followed", self.gate))
            .hint("this gate has to follow the log before it decides by that: countersign gate sync REPO")
            .into())
    }

    /// As old as the followers' word for it is, in seconds: young enough for these targets.
    pub fn may_decide_by(&self, carried: &Carried, targets: &BTreeSet<Target>, latest: Time) -> Result<i64, DeskError> {
        let trust = self.follower.trust();
        let all = targets.union(&carried.change.targets).cloned().collect();
        let (tier, limit) = self.alone_for(&carried.state.governance, &all)?;
        match trust.vouching(Some(&carried.note), latest, u64::try_from(limit).unwrap_or(0)) {
            Vouching::Enough { .. } | Vouching::Nobody => {
                Ok(latest.secs_since(self.vouched_as_of(&carried.note, latest)).max(0))
            }
            Vouching::Short(error) => {
                let limit = span(limit);
                Err(Refusal::forbidden(
                    "bundle-too-old",
                    format!(
                        "{error}; alone it decides on tier {tier} by a bundle that was cosigned at most {limit} ago"
                    ),
                )
                .hint(AGAIN)
                .into())
            }
        }
    }

    /// As of when enough followers vouch for it; where that is not known, it is as old as can be.
    fn vouched_as_of(&self, note: &SignedCheckpoint, latest: Time) -> Time {
        let trust = self.follower.trust();
        let vouching = trust.vouching(Some(note), latest, u64::MAX);
        let as_of = trust.cosigners.as_ref().and_then(|quorum| vouching.as_of_secs(quorum.need()));
        let secs = as_of.and_then(|secs| i64::try_from(secs).ok()).unwrap_or(0);
        Time::from_unix_millis(secs.saturating_mul(1_000))
    }

    /// What the rules say of it, by the bundle.
    pub fn judge_carried(&self, carried: &Carried, latest: Time) -> Result<(), DeskError> {
        self.has_waited(latest)?;
        let Carried { state, change, snapshot, handed, .. } = carried;
        may_land_alone(change, &self.gate)?;
        let decision = decide::decide(&state.governance.rules, snapshot, latest);
        match decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => {
                let explanation = explain::explain(&decision, state, change, &Presence::default(), latest)?;
                Err(DeskError::Denied(Box::new(Judged { decision, explanation, handed: handed.clone() })))
            }
        }
    }

    /// Decides by a bundle and signs that, in front of the log that the followers cosigned.
    pub fn open_carried(
        &self,
        carried: &Carried,
        transition: &Transition,
        latest: Time,
    ) -> Result<(Opening, Part), DeskError> {
        self.judge_carried(carried, latest)?;
        let Carried { state, change, note, .. } = carried;
        let checkpoint = note.checkpoint();
        let seen = SeenCheckpoint { root: checkpoint.root, size: checkpoint.size };
        let epoch = state.governance.record.header_epoch();
        let as_of = self.vouched_as_of(note, latest);
        self.sign_alone(state.clone(), change, transition, (seen, epoch), (as_of, latest))
    }
}
