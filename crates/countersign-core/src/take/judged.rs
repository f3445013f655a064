//! A snapshot as other governance would have had it taken.

use super::owned;
use crate::{
    catalog::Actor,
    change::Change,
    governance::Governance,
    ids::ActorId,
    snapshot::{ApprovalView, Snapshot, TargetView},
};

impl Snapshot {
    /// What was judged when a change was let through, with tiers, owners and environments as this governance has them, and with `people`
    /// the levels of those who approved and what they own. Whom its catalog does not know stays as they were.
    pub fn as_judged_by(&self, governance: &Governance, change: &Change, people: bool) -> Option<Self> {
        let mut judged = self.as_asked_by(governance, change)?;
        for view in judged.targets.iter_mut().filter(|view| !view.target.is_governance()) {
            if let Ok(system) = governance.catalog.target(&view.target) {
                *view = TargetView {
                    target: view.target.clone(),
                    production: governance.catalog.is_production(&view.target),
                    tier: system.tier,
                    owner: system.owner.clone(),
                };
            }
        }
        if !people {
            return Some(judged);
        }
        let known = |by: &ActorId| -> Option<&Actor> { governance.catalog.actors.get(by) };
        let rate = |approval: &mut ApprovalView| {
            if let Some(actor) = known(&approval.by) {
                approval.senior = actor.level.is_senior();
                approval.owns = owned(governance, change, &approval.by);
            }
        };
        judged.approvals.iter_mut().for_each(rate);
        judged.carried.iter_mut().flat_map(|carried| &mut carried.approvals).for_each(rate);
        for waiver in &mut judged.waivers {
            if let Some(actor) = known(&waiver.by) {
                waiver.senior = actor.level.is_senior();
            }
        }
        Some(judged)
    }
}
