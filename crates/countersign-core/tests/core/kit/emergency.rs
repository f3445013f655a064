//! What people say in an emergency.

use std::collections::BTreeSet;

use countersign_core::{
    glass::GLASS_SECS,
    ids::ChangeId,
    permit::PERMIT_SECS,
    statement::{BreakGlass, Drill, LocalPermit, Seen},
};

use super::World;

impl World {
    /// Breaks the glass at the repository's gate for the change as it stands.
    pub fn glass(&mut self, change: &ChangeId) -> BreakGlass {
        let transition = self.transition(change);
        self.blob(transition.to_blob().unwrap());
        BreakGlass {
            audience: self.keys["git-gate"].public().fingerprint(),
            change: change.clone(),
            expires_at: self.now.plus_secs(GLASS_SECS),
            gate: "shop-gate".parse().unwrap(),
            incident: None,
            nonce: None,
            over_freezes: BTreeSet::new(),
            overrides: BTreeSet::new(),
            reason: self.reason("orders fail"),
            revision: self.revision(change),
            seen: Seen::Computed,
            targets: self.change(change).targets.clone(),
            transition: transition.reference().unwrap(),
        }
    }

    /// A drill at the repository's gate for what it guards of this.
    pub fn drill(&mut self, target: &str) -> Drill {
        Drill {
            audience: self.keys["git-gate"].public().fingerprint(),
            expires_at: self.now.plus_secs(GLASS_SECS),
            gate: "shop-gate".parse().unwrap(),
            nonce: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
            repository: "shop".parse().unwrap(),
            targets: super::targets(&[target]),
            tip: super::oid(5),
        }
    }

    /// What the repository's gate decides alone for the change as it stands.
    pub fn local_permit(&mut self, change: &ChangeId) -> LocalPermit {
        let transition = self.transition(change);
        self.blob(transition.to_blob().unwrap());
        LocalPermit {
            applier: None,
            as_of: None,
            audience: self.keys["git-gate"].public().fingerprint(),
            change: change.clone(),
            expires_at: self.now.plus_secs(PERMIT_SECS),
            gate: "shop-gate".parse().unwrap(),
            issued_at: self.now,
            revision: self.revision(change),
            targets: self.change(change).targets.clone(),
            transition: transition.reference().unwrap(),
        }
    }
}
