//! Asking the rules about the best that could happen, once for all who are alike.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{
    Gap, MAX_DECISIONS, Missing, Way,
    cast::{Cast, Sort},
    scene::Scene,
};
use crate::{
    catalog::Tier,
    decision::{Decision, Outcome, Strength},
    explain::words,
    ids::{ActorId, Environment, EvidenceKind, GroupId, RuleId, SystemId},
    kind::Kind,
    rules::{Rules, decide},
    snapshot::{AiStatus, Snapshot, WaiverView},
};

/// Everything that an answer depends on, so that a thousand alike systems are asked about once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question<'a> {
    tier: Tier,
    environment: Environment,
    /// Only where rules name it.
    owner: Option<GroupId>,
    here: Vec<(Sort<'a>, usize)>,
    /// Only where rules name systems.
    system: Option<SystemId>,
    /// Of which kinds somebody attests something here.
    evidence: Vec<&'a EvidenceKind>,
    proposer: Sort<'a>,
    kind: Kind,
    assisted: bool,
}

#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub rules: &'a Rules,
    now: Time,
    pub kinds: &'static [Kind],
    pub names_systems: bool,
    /// With the system that was asked about.
    answers: BTreeMap<Question<'a>, (SystemId, Way)>,
    pub decisions: usize,
}

impl<'a> Asking<'a> {
    pub fn new(cast: &Cast<'a>, now: Time) -> Self {
        let text = &cast.text;
        // Without a rule that names a kind, all kinds are one.
        let kinds = if text.contains("Kind::") { Kind::ALL.as_slice() } else { &[Kind::Code] };
        let names_systems = text.contains("System::");
        let rules = &cast.governance.rules;
        Self { rules, now, kinds, names_systems, answers: BTreeMap::new(), decisions: 0 }
    }

    /// What does not go the ordinary way; `None` where it would cost too much to find out.
    pub fn gaps(&mut self, scene: &Scene<'a>, proposer: &'a ActorId) -> Option<Vec<Gap>> {
        let mut gaps: Vec<Gap> = Vec::new();
        for kind in self.kinds.iter().copied() {
            let plain = self.way(scene, proposer, kind, AiStatus::None)?;
            let assisted = self.way(scene, proposer, kind, AiStatus::Declared)?;
            let (way, only_assisted) = match plain {
                Way::Open => (assisted, true),
                Way::ByWaiver(_) | Way::Locked(_) => (plain, false),
            };
            if way == Way::Open {
                continue;
            }
            match gaps.iter_mut().find(|gap| gap.way == way && gap.only_assisted == only_assisted) {
                Some(gap) => {
                    gap.kinds.insert(kind);
                }
                None => gaps.push(Gap {
                    target: scene.view.target.clone(),
                    proposer: proposer.clone(),
                    kinds: BTreeSet::from([kind]),
                    only_assisted,
                    way,
                }),
            }
        }
        for gap in &mut gaps {
            if gap.kinds.len() == self.kinds.len() {
                gap.kinds = Kind::ALL.into_iter().collect();
            }
        }
        Some(gaps)
    }

    pub fn way(&mut self, scene: &Scene<'a>, proposer: &'a ActorId, kind: Kind, ai: AiStatus) -> Option<Way> {
        let question = Question {
            tier: scene.view.tier,
            environment: scene.view.target.environment.clone(),
            owner: scene.cast.named_owner(&scene.view.owner),
            here: scene.here.clone(),
            system: self.names_systems.then(|| scene.view.target.system.clone()),
            evidence: scene.evidence.keys().copied().collect(),
            proposer: scene.sort(proposer),
            kind,
            assisted: ai != AiStatus::None,
        };
        let system = &scene.view.target.system;
        if let Some((asked, way)) = self.answers.get(&question) {
            return Some(way.of_another(asked, system));
        }
        if self.decisions >= MAX_DECISIONS {
            return None;
        }
        let way = self.ask(scene, proposer, kind, ai);
        self.answers.insert(question, (system.clone(), way.clone()));
        Some(way)
    }

    pub fn ask(&mut self, scene: &Scene<'a>, proposer: &ActorId, kind: Kind, ai: AiStatus) -> Way {
        let approvers = scene.approvers(proposer);
        let mut best = scene.best(proposer, &approvers, kind, ai);
        let refused = match self.decide(&best) {
            Ok(()) => return Way::Open,
            Err(stopping) => stopping,
        };
        let rules = self.rules;
        let waivable: BTreeSet<RuleId> = refused
            .rules
            .iter()
            .filter(|rule| Decision::stops(rule) && rule.strength == Strength::Waivable)
            .map(|rule| rule.id.clone())
            .collect();
        let highest = best.targets.iter().any(|view| view.tier == Tier::HIGHEST);
        let waiver = |rule: &RuleId| {
            let named = rules.get(rule).and_then(|rule| rule.waivers.as_ref());
            let entitled = |person: &&&ActorId| match named {
                Some(group) => scene.cast.groups.get(group).is_some_and(|members| members.contains(**person)),
                None => scene.is_senior(person),
            };
            let by = approvers.iter().find(entitled)?;
            Some(WaiverView { rule: rule.clone(), by: (**by).clone(), senior: scene.is_senior(by) })
        };
        best.waivers.extend(waivable.iter().filter_map(waiver));
        // Where both do not count, it is somebody else who approves.
        if highest {
            let waivers = &best.waivers;
            best.approvals.retain(|approval| waivers.iter().all(|waiver| approval.by != waiver.by));
        }
        match self.decide(&best) {
            Ok(()) => Way::ByWaiver(waivable),
            // With a waiver there is an approval less.
            Err(_) if highest => Way::Locked(self.missing(&refused)),
            Err(still) => Way::Locked(self.missing(&still)),
        }
    }

    pub fn decide(&mut self, snapshot: &Snapshot) -> Result<(), Box<Decision>> {
        self.decisions = self.decisions.saturating_add(1);
        let decision = decide(self.rules, snapshot, self.now);
        match decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => Err(Box::new(decision)),
        }
    }

    pub fn missing(&self, decision: &Decision) -> Vec<Missing> {
        let stopping = decision.rules.iter().filter(|rule| Decision::stops(rule));
        let mut list: Vec<Missing> = stopping
            .flat_map(|rule| {
                let what = |what| Missing { rule: rule.id.clone(), what: words(what, self.rules.get(&rule.id)) };
                rule.missing.iter().map(what)
            })
            .collect();
        list.sort();
        list.dedup();
        list
    }
}
