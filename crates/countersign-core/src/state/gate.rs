//! A gate, as its stream tells it: what it guards, what it only watches, and whose key it has.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, PublicKey, Time};
use serde::{Deserialize, Serialize};

use super::{OpenFinding, RevocationRecord};
use crate::{
    ids::{ActorId, RepositoryId, Target},
    statement::GateRegistration,
};

/// An enforcement point, as its stream tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRecord {
    pub key: PublicKey,
    pub repository: RepositoryId,
    pub targets: BTreeSet<Target>,
    pub registered_by: ActorId,
    pub revoked: BTreeMap<Fingerprint, RevocationRecord>,
    /// By branch, what it only watches there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watching: BTreeMap<String, BTreeSet<Target>>,
    /// By which map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Digest>,
    /// What it guarded once, and guards no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dropped: BTreeSet<Target>,
    /// Open findings on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<OpenFinding>,
    /// Of what it once only watched, when it was last known to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watched_until: BTreeMap<Target, Time>,
}

impl GateRecord {
    /// Until when it has only watched one of these, on whichever branch.
    pub fn has_watched(&self, targets: &BTreeSet<Target>, now: Time) -> Option<Time> {
        let watches = self.watching.values().any(|watched| !watched.is_disjoint(targets));
        let until = || targets.iter().filter_map(|target| self.watched_until.get(target).copied()).max();
        if watches { Some(now) } else { until() }
    }

    /// Whether it only watches what reaches this target on this branch.
    pub fn watches(&self, branch: &str, target: &Target) -> bool {
        self.watching.get(branch).is_some_and(|watched| watched.contains(target))
    }

    /// Whether a registration has it only watch something that it enforced before, also where it guarded that no more in
    /// between. Of a branch that was never named before nobody knows but that its target was enforced.
    pub fn is_loosened_by(&self, new: &GateRegistration) -> bool {
        let is_known = |target: &Target| self.targets.contains(target) || self.dropped.contains(target);
        let enforced = |branch: &str, target: &Target| is_known(target) && !self.watches(branch, target);
        let newly = new.watching.iter().any(|(branch, targets)| targets.iter().any(|target| enforced(branch, target)));
        // By another map what was enforced may reach what is watched.
        let remapped = !new.watching.is_empty() && self.map != new.map && self.enforces();
        newly || remapped
    }

    /// Whether it enforces anything, as far as the log tells: a branch of which nothing is watched is not named there.
    fn enforces(&self) -> bool {
        let everywhere = |target: &Target| {
            !self.watching.is_empty() && self.watching.values().all(|watched| watched.contains(target))
        };
        self.targets.iter().any(|target| !everywhere(target))
    }

    /// What the record says after a registration by somebody. That something was only watched stays known of what is guarded no
    /// more, and so does what was enforced.
    pub(crate) fn registered(known: Option<&Self>, new: &GateRegistration, (by, at): (&ActorId, Time)) -> Self {
        let mut watched_until = known.map(|known| known.watched_until.clone()).unwrap_or_default();
        let watched = known.into_iter().flat_map(|known| known.watching.values()).chain(new.watching.values());
        watched_until.extend(watched.flatten().map(|target| (target.clone(), at)));
        let mut watching = new.watching.clone();
        let kept = known.into_iter().flat_map(|known| &known.watching);
        for (branch, targets) in kept {
            let gone: Vec<Target> = targets.iter().filter(|target| !new.targets.contains(*target)).cloned().collect();
            if !gone.is_empty() {
                watching.entry(branch.clone()).or_default().extend(gone);
            }
        }
        let before = known.into_iter().flat_map(|known| known.targets.iter().chain(&known.dropped));
        Self {
            key: new.key.clone(),
            repository: new.repository.clone(),
            targets: new.targets.clone(),
            registered_by: by.clone(),
            revoked: known.map(|known| known.revoked.clone()).unwrap_or_default(),
            watching,
            map: new.map,
            dropped: before.filter(|target| !new.targets.contains(*target)).cloned().collect(),
            findings: known.map(|known| known.findings.clone()).unwrap_or_default(),
            watched_until,
        }
    }

    /// Whether its key was taken away for good, so that it speaks no more. One that somebody suspended is still there.
    pub fn is_retired(&self) -> bool {
        self.revoked.get(&self.key.fingerprint()).is_some_and(|revocation| revocation.until().is_none())
    }

    /// The gate's key, if it holds.
    pub fn key(&self, now: Time) -> Option<Fingerprint> {
        let key = self.key.fingerprint();
        (!self.is_revoked(&key, now)).then_some(key)
    }

    pub fn is_revoked(&self, key: &Fingerprint, now: Time) -> bool {
        self.revoked.get(key).is_some_and(|revocation| revocation.takes(now))
    }
}
