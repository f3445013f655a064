//! Coverage: whether there is a way to yes. For every production target and everybody who could propose a change to it,
//! the rules are asked about the best that could happen: all others approve, everything is documented and disclosed. What
//! they deny even then is a lock-out, and better found when rules and catalog are written than in an outage.
//!
//! Pure, like deciding; it *is* deciding, of snapshots that nobody took.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time, sshsig::Assurance};

use crate::{
    catalog::{Actor, Level, System, Tier},
    decision::{Decision, Obligation, Outcome, Strength},
    governance::Governance,
    ids::{ActorId, ChangeId, Environment, GroupId, RuleId, SystemId, Target},
    rules::{Rules, attributes::KINDS, decide},
    snapshot::{Ai, AiStatus, ApprovalView, Documents, Kind, Material, PersonView, Snapshot, TargetView, WaiverView},
};

/// How many decisions one answer may cost. What is left is counted, not guessed.
pub const MAX_DECISIONS: usize = 20_000;

/// Longer than any rule asks for.
const DOCUMENTED: u32 = 100_000;

/// Whether a change by one person can get through at best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Only with a waiver of these rules.
    ByWaiver(BTreeSet<RuleId>),
    /// Never: what would be missing.
    Locked(Vec<Missing>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    pub rule: RuleId,
    pub what: String,
}

/// A proposer whose changes of some sort cannot go the ordinary way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub target: Target,
    pub proposer: ActorId,
    /// The kinds for which it is so.
    pub kinds: BTreeSet<Kind>,
    /// Whether it is so only where AI assisted.
    pub only_assisted: bool,
    pub way: Way,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Everybody who could act.
    pub people: BTreeSet<ActorId>,
    /// Pairs of production target and proposer that were looked at.
    pub asked: usize,
    /// Pairs that were not, because there are too many.
    pub unasked: usize,
    pub gaps: Vec<Gap>,
}

/// Asks for every production target of the catalog and everybody who could propose.
pub fn coverage(governance: &Governance, now: Time) -> Coverage {
    let people: BTreeMap<&ActorId, &Actor> = governance.people_with_keys().map(|actor| (&actor.id, actor)).collect();
    let mut coverage = Coverage { people: people.keys().map(|id| (*id).clone()).collect(), ..Coverage::default() };
    let mut asking = Asking::new(&governance.rules, now);
    for system in governance.catalog.systems.values() {
        let owners = governance.catalog.owners(&system.id);
        for environment in &governance.catalog.settings.production {
            let scene = Scene::new(system, environment, &owners, governance.population(), &people);
            for proposer in people.keys() {
                match asking.gaps(&scene, proposer) {
                    Some(gaps) => {
                        coverage.asked = coverage.asked.saturating_add(1);
                        coverage.gaps.extend(gaps);
                    }
                    None => coverage.unasked = coverage.unasked.saturating_add(1),
                }
            }
        }
    }
    coverage
}

/// One target, and who people are to it.
struct Scene {
    view: TargetView,
    owners: BTreeSet<ActorId>,
    population: u32,
    people: BTreeMap<ActorId, PersonView>,
    assurance: BTreeMap<ActorId, Assurance>,
}

impl Scene {
    fn new(
        system: &System,
        environment: &Environment,
        owners: &BTreeSet<ActorId>,
        population: u32,
        people: &BTreeMap<&ActorId, &Actor>,
    ) -> Self {
        let person = |id: &ActorId, actor: &Actor| PersonView {
            level: actor.level,
            owns: owners.contains(id).then(|| system.id.clone()).into_iter().collect(),
        };
        // The best that the person's keys can show.
        let assurance = |actor: &Actor| match actor.keys.iter().any(|key| key.application().is_some()) {
            true => Assurance::UserVerified,
            false => Assurance::SoftwareKey,
        };
        Self {
            view: TargetView {
                target: Target { system: system.id.clone(), environment: environment.clone() },
                production: true,
                tier: system.tier,
                owner: system.owner.clone(),
            },
            owners: owners.clone(),
            population,
            people: people.iter().map(|(id, actor)| ((*id).clone(), person(id, actor))).collect(),
            assurance: people.iter().map(|(id, actor)| ((*id).clone(), assurance(actor))).collect(),
        }
    }

    fn others<'a>(&'a self, proposer: &'a ActorId) -> impl Iterator<Item = (&'a ActorId, &'a PersonView)> {
        self.people.iter().filter(move |(id, _)| *id != proposer)
    }

    /// The best that could happen to a change of this kind by this proposer.
    fn best(&self, proposer: &ActorId, kind: Kind, ai: AiStatus) -> Snapshot {
        let software = Assurance::SoftwareKey;
        Snapshot {
            change: ChangeId::of_proposal(&Digest::of("coverage")),
            revision: 1,
            kind,
            material: Material::Commits,
            targets: vec![self.view.clone()],
            unknown_targets: BTreeSet::new(),
            contributors: BTreeSet::from([proposer.clone()]),
            unmapped: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            claimed: BTreeSet::new(),
            approvals: self
                .others(proposer)
                .map(|(by, _)| ApprovalView {
                    by: by.clone(),
                    assurance: self.assurance.get(by).copied().unwrap_or(software),
                })
                .collect(),
            rejected_by: BTreeSet::new(),
            ai: Ai { status: ai, tools: BTreeSet::new(), signals: BTreeSet::new(), disclosed: true },
            guidance: Vec::new(),
            documents: Documents { why: DOCUMENTED, risk: DOCUMENTED, rollback: DOCUMENTED, tests: DOCUMENTED },
            waivers: Vec::new(),
            population: self.population,
            people: self.people.clone(),
        }
    }
}

/// Everything that an answer depends on, so that a thousand alike systems are asked about once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    tier: Tier,
    environment: Environment,
    owner: GroupId,
    owners: BTreeSet<ActorId>,
    /// Only where rules name systems.
    system: Option<SystemId>,
    level: Level,
    owns: bool,
    /// Only where rules name people.
    proposer: Option<ActorId>,
    kind: Kind,
    assisted: bool,
}

struct Asking<'a> {
    rules: &'a Rules,
    now: Time,
    kinds: &'static [Kind],
    names_systems: bool,
    names_people: bool,
    answers: BTreeMap<Question, Way>,
    decisions: usize,
}

impl<'a> Asking<'a> {
    fn new(rules: &'a Rules, now: Time) -> Self {
        let text = rules.enforced_cedar();
        // Without a rule that names a kind, all kinds are one.
        let kinds = if text.contains("Kind::") { KINDS.as_slice() } else { KINDS.get(..1).unwrap_or(&KINDS) };
        let names_systems = text.contains("System::");
        let names_people = text.contains("Person::");
        Self { rules, now, kinds, names_systems, names_people, answers: BTreeMap::new(), decisions: 0 }
    }

    /// What does not go the ordinary way; `None` where it would cost too much to find out.
    fn gaps(&mut self, scene: &Scene, proposer: &ActorId) -> Option<Vec<Gap>> {
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
                gap.kinds = KINDS.into_iter().collect();
            }
        }
        Some(gaps)
    }

    fn way(&mut self, scene: &Scene, proposer: &ActorId, kind: Kind, ai: AiStatus) -> Option<Way> {
        let person = scene.people.get(proposer)?;
        let question = Question {
            tier: scene.view.tier,
            environment: scene.view.target.environment.clone(),
            owner: scene.view.owner.clone(),
            owners: scene.owners.clone(),
            system: self.names_systems.then(|| scene.view.target.system.clone()),
            level: person.level,
            owns: scene.owners.contains(proposer),
            proposer: self.names_people.then(|| proposer.clone()),
            kind,
            assisted: ai != AiStatus::None,
        };
        if let Some(way) = self.answers.get(&question) {
            return Some(way.clone());
        }
        if self.decisions >= MAX_DECISIONS {
            return None;
        }
        let way = self.ask(scene, proposer, kind, ai);
        self.answers.insert(question, way.clone());
        Some(way)
    }

    fn ask(&mut self, scene: &Scene, proposer: &ActorId, kind: Kind, ai: AiStatus) -> Way {
        let mut best = scene.best(proposer, kind, ai);
        let refused = match self.decide(&best) {
            Ok(()) => return Way::Open,
            Err(stopping) => stopping,
        };
        let waivable: BTreeSet<RuleId> = refused
            .rules
            .iter()
            .filter(|rule| Decision::stops(rule) && rule.strength == Strength::Waivable)
            .map(|rule| rule.id.clone())
            .collect();
        for (by, _) in scene.others(proposer).filter(|(_, person)| person.level.is_senior()) {
            best.waivers.extend(waivable.iter().map(|rule| WaiverView { rule: rule.clone(), by: by.clone() }));
        }
        match self.decide(&best) {
            Ok(()) => Way::ByWaiver(waivable),
            Err(still) => Way::Locked(missing(&still)),
        }
    }

    fn decide(&mut self, snapshot: &Snapshot) -> Result<(), Box<Decision>> {
        self.decisions = self.decisions.saturating_add(1);
        let decision = decide(self.rules, snapshot, self.now);
        match decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => Err(Box::new(decision)),
        }
    }
}

fn missing(decision: &Decision) -> Vec<Missing> {
    let stopping = decision.rules.iter().filter(|rule| Decision::stops(rule));
    let mut list: Vec<Missing> = stopping
        .flat_map(|rule| {
            let what = |obligation: &Obligation| Missing { rule: rule.id.clone(), what: obligation.missing.clone() };
            rule.obligations.iter().map(what)
        })
        .collect();
    list.sort();
    list.dedup();
    list
}
