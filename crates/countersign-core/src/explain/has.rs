//! What a change has to have, and what workloads have to attest of it: who sees to that, and how.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, MAX_WHO, Scene, words::how_to_attest};
use crate::{
    catalog::Actor,
    decision::{Missing, RuleDecision},
    governance::Governance,
    ids::{ActorId, EvidenceKind, Target},
    requirement::Has,
    rules::count,
};

impl Scene<'_> {
    pub(super) fn of_what_it_has(&self, decided: &RuleDecision, missing: &Missing, has: &Has) -> (Found, String) {
        let change = &self.snapshot.change;
        let how = match has {
            Has::Title(form) => format!("countersign revise {change} --title '{}: …'", Has::sample(form)),
            Has::Link(host) => format!("countersign revise {change} --link https://{host}/…"),
            Has::SignedCommits => {
                format!("sign them (git commit -S), then: countersign revise {change} --git .")
            }
            Has::Label(label) => format!("countersign label {change} {label}"),
            Has::NoLabel(label) => format!("countersign label {change} {label} --remove"),
            Has::ApplierApart if missing.of.is_empty() => {
                "sign the push, so that the gate knows who it is by: git push --signed".to_owned()
            }
            Has::ApplierApart => "let somebody else push it or run its command".to_owned(),
            Has::Window => {
                let system = decided.targets.first().map_or("SYSTEM", |target| target.system.as_str());
                format!("wait for it: countersign calendar --system {system} says when it opens")
            }
        };
        let who = match has {
            Has::Title(_) | Has::Link(_) | Has::SignedCommits | Has::ApplierApart | Has::Window => {
                self.authors(decided)
            }
            Has::Label(_) | Has::NoLabel(_) => self.no_contributors(decided),
        };
        (who, how)
    }

    /// The workloads that the catalog lets attest this, and that had no hand in the change.
    pub(super) fn attesters(&self, kind: &EvidenceKind) -> BTreeSet<&ActorId> {
        let all = self
            .governance
            .into_iter()
            .flat_map(|governance| governance.catalog.actors.values().filter(|actor| governance.can_attest(actor)));
        let is_one = |actor: &&Actor| {
            let may = |governance: &Governance, at: &Target| governance.may_attest(actor, kind, at);
            self.governance.is_some_and(|governance| self.snapshot.targets.iter().any(|at| may(governance, &at.target)))
        };
        let may = all.filter(is_one);
        may.map(|actor| &actor.id).filter(|id| !count::had_a_hand(self.snapshot, id)).collect()
    }

    pub(super) fn attested(&self, kind: &EvidenceKind) -> Found {
        let all = self.attesters(kind);
        let who: Vec<ActorId> = all.iter().take(MAX_WHO).map(|id| (*id).clone()).collect();
        let more = u32::try_from(all.len().saturating_sub(who.len())).unwrap_or(u32::MAX);
        Found { who, more, notes: BTreeMap::new() }
    }

    pub(super) fn how_to_attest(&self, kind: &EvidenceKind) -> String {
        let self_made = self
            .snapshot
            .evidence
            .get(kind)
            .is_some_and(|came| came.passed_by.is_empty() && !came.self_made_by.is_empty());
        if self_made {
            // The same workload would make the same again.
            return format!(
                "the file that steers who attests it stays out of this change, and goes in one of its own; then: {}",
                how_to_attest(&self.snapshot.change, kind)
            );
        }
        match self.governance.is_some() && self.attesters(kind).is_empty() {
            true => format!(
                "give a workload of the catalog `countersign/attests: {kind}`, then: countersign amend HOME --why REASON"
            ),
            false => how_to_attest(&self.snapshot.change, kind),
        }
    }
}
