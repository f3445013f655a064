//! Coverage: whether there is a way to yes. For every production target and everybody who could propose a change to it,
//! the rules are asked about the best that could happen: all others approve, everything is documented and disclosed. What
//! they deny even then is a lock-out, and better found when rules and catalog are written than in an outage.
//!
//! Pure, like deciding; it *is* deciding, of snapshots that nobody took.

mod fewest;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};

pub use self::fewest::{FEWEST, FEWEST_ON_HIGHEST, Opening, fewest, leaves_enough};
use crate::{
    catalog::{Actor, ActorKind, System, Tier, did_you_mean},
    decision::{self, Decision, Outcome, Strength, Token},
    explain::words,
    governance::Governance,
    ids::{ActorId, ChangeId, Environment, EvidenceKind, GroupId, RuleId, SystemId, Target},
    kind::{Documents, Kind},
    refusal::Refusal,
    requirement::{Choice, Has, MAX_APPROVALS, Need, Role},
    rules::{Rules, decide},
    snapshot::{AiStatus, Builder, CommitsView, EvidenceView, PathsView, Snapshot, TargetView, WaiverView},
    standard::{Proposer, Standard},
};

/// How many decisions one answer may cost. What is left is counted, not guessed.
pub const MAX_DECISIONS: usize = 20_000;

/// Longer than any rule asks for.
const DOCUMENTED: u32 = 100_000;

/// How many people of each sort (senior or not, owner or not) approve at best: more than any rule can ask for.
const ENOUGH: usize = 2 * MAX_APPROVALS as usize;

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
    /// With how few people each target opens.
    pub fewest: Vec<Opening>,
    /// Roads that need nobody but who proposes: standard changes.
    pub roads: Vec<Road>,
}

/// A standard change, by which each of its proposers opens its targets alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Road {
    pub standard: String,
    pub proposers: BTreeSet<Proposer>,
    pub targets: BTreeSet<Target>,
    /// On each of them.
    pub per_day: u32,
    pub until: Time,
}

/// Asks for every production target of the catalog and everybody who could propose.
pub fn coverage(governance: &Governance, now: Time) -> Coverage {
    let people: BTreeMap<&ActorId, &Actor> = governance.people_with_keys().map(|actor| (&actor.id, actor)).collect();
    let ids = people.keys().map(|id| (*id).clone()).collect();
    let mut coverage = Coverage { people: ids, fewest: fewest(governance, now), ..Coverage::default() };
    coverage.roads = governance.standards.values().map(|standard| road(governance, standard)).collect();
    let groups = named_groups(governance);
    let mut asking = Asking::new(&governance.rules, now);
    for system in governance.catalog.systems.values() {
        for environment in &governance.catalog.settings.production {
            let scene = Scene::new(governance, system, environment, &people, &groups);
            // Proposers who are alike to this target get the same answer.
            let mut known: BTreeMap<Alike<'_>, Option<Vec<Gap>>> = BTreeMap::new();
            for proposer in people.keys().copied() {
                let alike = asking.alike(&scene, proposer);
                match known.entry(alike).or_insert_with(|| asking.gaps(&scene, proposer)) {
                    Some(gaps) => {
                        coverage.asked = coverage.asked.saturating_add(1);
                        let theirs = gaps.iter().map(|gap| Gap { proposer: proposer.clone(), ..gap.clone() });
                        coverage.gaps.extend(theirs);
                    }
                    None => coverage.unasked = coverage.unasked.saturating_add(1),
                }
            }
        }
    }
    coverage
}

/// Those of its targets are opened by it that are in production and not of tier 1.
fn road(governance: &Governance, standard: &Standard) -> Road {
    let systems = governance.catalog.systems.values().filter(|system| system.tier != Tier::HIGHEST);
    let production = |system: &System| {
        let environments = governance.catalog.settings.production.iter();
        let id = system.id.clone();
        environments.map(move |environment| Target { system: id.clone(), environment: environment.clone() })
    };
    let is_its = |target: &Target| standard.targets.contains(target) || standard.systems.contains(&target.system);
    Road {
        standard: standard.name.clone(),
        proposers: standard.proposers.clone(),
        targets: systems.flat_map(production).filter(is_its).collect(),
        per_day: standard.per_day,
        until: standard.until,
    }
}

/// An owner group that cannot supply what a rule asks of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Unable {
    group: GroupId,
    rule: RuleId,
    what: String,
    /// One of the targets for which it is so.
    target: Target,
    people: usize,
}

/// Refuses a publication by which a group, of those that own something, could no longer supply what an enforced rule asks of
/// it. Owners are never those of a group above, so that nothing would be left but to escalate.
pub fn leaves_able(before: &Governance, after: &Governance, now: Time) -> Result<(), Refusal> {
    let known = unable(before, &BTreeSet::new(), now);
    let was = |new: &Unable| {
        known.iter().any(|old| (&old.group, &old.rule, &old.target) == (&new.group, &new.rule, &new.target))
    };
    let Some(new) = unable(after, &BTreeSet::new(), now).into_iter().find(|new| !was(new)) else { return Ok(()) };
    let Unable { group, rule, what, target, people } = new;
    if !after.catalog.groups.contains_key(&group) {
        let names = after.catalog.groups.keys().map(GroupId::as_str);
        let hint = match did_you_mean(group.as_str(), names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "name a group of the catalog, or add this one in the same publication".to_owned(),
        };
        let message = format!("rule `{rule}` asks for {what}, and the catalog knows no group `{group}`");
        return Err(Refusal::malformed("group-unknown", message).hint(hint));
    }
    Err(Refusal::malformed(
        "group-unable",
        format!("rule `{rule}` asks for {what} on {target}, and group `{group}` has {people} who could give it"),
    )
    .hint("put people with keys into the group, give the system another owner, or let the rule ask for less; nobody of a group above owns it"))
}

/// Refuses a publication behind which nobody could change what governs any more: a rule that asks there for more than there is
/// could never be taken away again.
pub fn leaves_governable(after: &Governance, now: Time) -> Result<(), Refusal> {
    let people: BTreeMap<&ActorId, &Actor> = after.people_with_keys().map(|actor| (&actor.id, actor)).collect();
    let mut asking = Asking::new(&after.rules, now);
    let groups = named_groups(after);
    let scene = Scene::of_governance(after, &people, &groups);
    let mut known = BTreeSet::new();
    let mut missing = Vec::new();
    for proposer in people.keys().copied() {
        if !known.insert(asking.alike(&scene, proposer)) {
            continue;
        }
        match asking.way(&scene, proposer, Kind::Rules, AiStatus::None) {
            Some(Way::Locked(what)) => missing.extend(what),
            // What would cost too much to find out is not refused on a guess.
            Some(Way::Open | Way::ByWaiver(_)) | None => return Ok(()),
        }
    }
    let missing: BTreeSet<String> =
        missing.into_iter().map(|missing| format!("{} ({})", missing.rule, missing.what)).collect();
    Err(Refusal::malformed(
        "governance-locked",
        format!("behind this nobody could change rules or catalog any more: {}", Vec::from_iter(missing).join(", ")),
    )
    .hint(format!("let the rule ask for less on {}, or give more people a key", Target::governance())))
}

/// What enforced rules ask of owner groups and these cannot supply now, while keys of `disabled` are taken away: the rule, and one
/// of the targets for which it is so.
pub fn nobody_can(governance: &Governance, disabled: &BTreeSet<ActorId>, now: Time) -> BTreeSet<(RuleId, Target)> {
    unable(governance, disabled, now).into_iter().map(|unable| (unable.rule, unable.target)).collect()
}

/// What rules ask of owner groups, and they could not supply though everything else is as good as it can be.
fn unable(governance: &Governance, disabled: &BTreeSet<ActorId>, now: Time) -> BTreeSet<Unable> {
    let people = governance.people_with_keys().filter(|actor| !disabled.contains(&actor.id));
    let people: BTreeMap<&ActorId, &Actor> = people.map(|actor| (&actor.id, actor)).collect();
    let groups = named_groups(governance);
    let names_systems = governance.rules.enforced_cedar().contains("System::");
    let Ok(nobody) = "somebody-else".parse::<ActorId>() else { return BTreeSet::new() };
    let mut asked = BTreeSet::new();
    let mut found = BTreeSet::new();
    for system in governance.catalog.systems.values() {
        for environment in &governance.catalog.settings.production {
            let question = (system.tier, environment, &system.owner, names_systems.then_some(&system.id));
            if !asked.insert(question) || asked.len() > MAX_DECISIONS {
                continue;
            }
            // Of thousands of people only these bear on what is asked of owners.
            let owners = governance.catalog.owners(&system.id).into_iter();
            let bear = owners.chain(groups.values().flatten().copied());
            let able = bear.filter_map(|person| Some((person, *people.get(person)?))).collect();
            let scene = Scene::new(governance, system, environment, &able, &groups);
            let best = scene.best(&nobody, &scene.approvers(&nobody, false), Kind::Code, AiStatus::None);
            let decision = decide(&governance.rules, &best, now);
            for rule in decision.rules.iter().filter(|rule| Decision::stops(rule)) {
                // Of a choice every way has to be closed, and one that is not asked of a group may be open.
                let of_groups = rule.missing.iter().filter_map(|missing| {
                    let groups: Option<Vec<&GroupId>> = missing.ways().map(|way| asked_group(way, system)).collect();
                    Some((missing, *groups?.first()?))
                });
                found.extend(of_groups.map(|(missing, group)| Unable {
                    group: group.clone(),
                    rule: rule.id.clone(),
                    what: words(missing, governance.rules.get(&rule.id)),
                    target: scene.view.target.clone(),
                    people: governance.catalog.members(group).iter().filter(|who| people.contains_key(**who)).count(),
                }));
            }
        }
    }
    found
}

/// The group of which an approval is asked, where it is asked of one.
fn asked_group<'a>(missing: &'a decision::Missing, system: &'a System) -> Option<&'a GroupId> {
    match &missing.token {
        Token::Requirement(requirement) => {
            // Of what different people approve, a role for which nobody is left.
            let open =
                |role: &&Role| !matches!(requirement.need, Need::Apart(_)) || missing.of.contains(&role.to_string());
            match requirement.need.roles().into_iter().find(open)? {
                // Who is on a rota changes by the day; the group is looked at, as of owners.
                Role::Owner | Role::OnCall => Some(&system.owner),
                Role::Group(group) => Some(group),
                Role::Independent
                | Role::Senior
                | Role::Touch
                | Role::Verified
                | Role::Recent(_)
                | Role::Material
                | Role::Present => None,
            }
        }
        _ => None,
    }
}

/// Of the groups that rules name, who is in them.
fn named_groups(governance: &Governance) -> BTreeMap<&GroupId, BTreeSet<&ActorId>> {
    governance.rules.groups().iter().map(|group| (group, governance.catalog.members(group))).collect()
}

/// For each kind of evidence that rules ask for, a workload that may attest it; none where nobody may.
fn attesters(governance: &Governance) -> BTreeMap<&EvidenceKind, &ActorId> {
    let kinds = governance.rules.evidence();
    if kinds.is_empty() {
        return BTreeMap::new();
    }
    let workloads = governance.catalog.actors.values().filter(|actor| !actor.keys.is_empty());
    let attested = workloads.flat_map(|actor| actor.attests.kinds.iter().map(move |kind| (kind, &actor.id)));
    attested.filter(|(kind, _)| kinds.contains(*kind)).collect()
}

/// What the rules ask a change to have.
fn has(governance: &Governance) -> BTreeSet<&Has> {
    let ways = governance.rules.iter().flat_map(|rule| &rule.requires).flat_map(Choice::ways);
    ways.filter_map(|way| way.need.has()).collect()
}

/// One target, and who people are to it.
struct Scene<'a> {
    view: TargetView,
    owners: BTreeSet<&'a ActorId>,
    population: usize,
    people: &'a BTreeMap<&'a ActorId, &'a Actor>,
    groups: &'a BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
    /// What a change does to the paths that rules name.
    paths: BTreeMap<String, PathsView>,
    /// Whose evidence would count, of the kinds that rules ask for.
    evidence: BTreeMap<&'a EvidenceKind, &'a ActorId>,
    /// What rules ask a change to have, which whoever proposes it sees to.
    has: BTreeSet<&'a Has>,
}

impl<'a> Scene<'a> {
    fn new(
        governance: &'a Governance,
        system: &'a System,
        environment: &Environment,
        people: &'a BTreeMap<&'a ActorId, &'a Actor>,
        groups: &'a BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
    ) -> Self {
        let touched = PathsView { touched: true, ..PathsView::default() };
        Self {
            view: TargetView {
                target: Target { system: system.id.clone(), environment: environment.clone() },
                production: true,
                tier: system.tier,
                owner: system.owner.clone(),
            },
            owners: governance.catalog.owners(&system.id),
            population: governance.catalog.population(),
            people,
            groups,
            // It touches whatever a rule asks about.
            has: has(governance),
            paths: governance.rules.patterns().map(|text| (text.to_owned(), touched)).collect(),
            evidence: attesters(governance),
        }
    }

    fn of_governance(
        governance: &'a Governance,
        people: &'a BTreeMap<&'a ActorId, &'a Actor>,
        groups: &'a BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
    ) -> Self {
        let view = TargetView::of_governance();
        let owners = governance.owners(&view.target.system);
        // As of every change to what governs: it has no paths of a repository.
        let (population, paths) = (governance.catalog.population(), governance.rules.paths_of(None));
        Self { view, owners, population, people, groups, paths, evidence: attesters(governance), has: has(governance) }
    }

    /// The groups that rules name and somebody is in.
    fn groups_of(&self, person: &ActorId) -> BTreeSet<&'a GroupId> {
        self.groups.iter().filter(|(_, members)| members.contains(person)).map(|(group, _)| *group).collect()
    }

    fn is_senior(&self, person: &ActorId) -> bool {
        self.people.get(person).is_some_and(|actor| actor.level.is_senior())
    }

    fn owns(&self, person: &ActorId) -> bool {
        self.owners.contains(person)
    }

    /// Who approves at best: all others, or, where rules only count them, enough of each sort.
    fn approvers(&self, proposer: &ActorId, all: bool) -> Vec<&'a ActorId> {
        let mut of_sort: BTreeMap<(bool, bool, BTreeSet<&GroupId>), usize> = BTreeMap::new();
        let others = self.people.keys().copied().filter(|person| *person != proposer);
        others
            .filter(|person| {
                let count =
                    of_sort.entry((self.is_senior(person), self.owns(person), self.groups_of(person))).or_default();
                *count = count.saturating_add(1);
                all || *count <= ENOUGH
            })
            .collect()
    }

    /// The best that could happen to a change of this kind by this proposer.
    fn best(&self, proposer: &ActorId, approvers: &[&ActorId], kind: Kind, ai: AiStatus) -> Snapshot {
        let documented = Documents {
            why: DOCUMENTED,
            risk: DOCUMENTED,
            rollback: DOCUMENTED,
            tests: DOCUMENTED,
            ..Documents::default()
        };
        let mut best = Builder::new(ChangeId::of_proposal(&Digest::of("coverage")), kind)
            .target(self.view.clone())
            .proposed_by(proposer.clone(), ActorKind::Person)
            .paths(self.paths.clone())
            .ai(ai, true)
            .documents(documented)
            .population(self.population);
        for by in approvers {
            let owns = self.owns(by).then(|| self.view.target.system.clone());
            best = best.approved((*by).clone(), self.is_senior(by), owns);
        }
        for (kind, by) in &self.evidence {
            let passed_by = BTreeSet::from([(*by).clone()]);
            best = best.evidence((*kind).clone(), EvidenceView { passed_by, ..EvidenceView::default() });
        }
        // Which keys people will sign with nobody knows beforehand.
        best = best.signed_at_best().approved_hours_ago(0).commits(CommitsView { signed: true, by_committer: true });
        let there: BTreeSet<&ActorId> = approvers.iter().copied().chain([proposer]).collect();
        for (group, members) in self.groups {
            let here: Vec<ActorId> = there.intersection(members).map(|person| (*person).clone()).collect();
            if !here.is_empty() {
                best = best.in_group((*group).clone(), here);
            }
        }
        let mut best = best.build();
        self.has.iter().for_each(|has| has.supply(&mut best));
        best
    }
}

/// Everything about a proposer that an answer can depend on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'a> {
    senior: bool,
    owns: bool,
    groups: BTreeSet<&'a GroupId>,
    /// Only where rules name people.
    proposer: Option<&'a ActorId>,
}

/// Everything that an answer depends on, so that a thousand alike systems are asked about once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Question<'a> {
    tier: Tier,
    environment: Environment,
    owner: GroupId,
    owners: BTreeSet<&'a ActorId>,
    /// Only where rules name systems.
    system: Option<SystemId>,
    proposer: Alike<'a>,
    kind: Kind,
    assisted: bool,
}

struct Asking<'a> {
    rules: &'a Rules,
    now: Time,
    kinds: &'static [Kind],
    names_systems: bool,
    names_people: bool,
    answers: BTreeMap<Question<'a>, Way>,
    decisions: usize,
}

impl<'a> Asking<'a> {
    fn new(rules: &'a Rules, now: Time) -> Self {
        let text = rules.enforced_cedar();
        // Without a rule that names a kind, all kinds are one.
        let kinds = if text.contains("Kind::") { Kind::ALL.as_slice() } else { &[Kind::Code] };
        let names_systems = text.contains("System::");
        let names_people = text.contains("Person::");
        Self { rules, now, kinds, names_systems, names_people, answers: BTreeMap::new(), decisions: 0 }
    }

    fn alike(&self, scene: &Scene<'a>, proposer: &'a ActorId) -> Alike<'a> {
        Alike {
            senior: scene.is_senior(proposer),
            owns: scene.owns(proposer),
            groups: scene.groups_of(proposer),
            proposer: self.names_people.then_some(proposer),
        }
    }

    /// What does not go the ordinary way; `None` where it would cost too much to find out.
    fn gaps(&mut self, scene: &Scene<'a>, proposer: &'a ActorId) -> Option<Vec<Gap>> {
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

    fn way(&mut self, scene: &Scene<'a>, proposer: &'a ActorId, kind: Kind, ai: AiStatus) -> Option<Way> {
        let question = Question {
            tier: scene.view.tier,
            environment: scene.view.target.environment.clone(),
            owner: scene.view.owner.clone(),
            owners: scene.owners.clone(),
            system: self.names_systems.then(|| scene.view.target.system.clone()),
            proposer: self.alike(scene, proposer),
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

    fn ask(&mut self, scene: &Scene<'a>, proposer: &ActorId, kind: Kind, ai: AiStatus) -> Way {
        let approvers = scene.approvers(proposer, self.names_people);
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
                Some(group) => scene.groups.get(group).is_some_and(|members| members.contains(**person)),
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

    fn decide(&mut self, snapshot: &Snapshot) -> Result<(), Box<Decision>> {
        self.decisions = self.decisions.saturating_add(1);
        let decision = decide(self.rules, snapshot, self.now);
        match decision.outcome {
            Outcome::Allow => Ok(()),
            Outcome::Deny => Err(Box::new(decision)),
        }
    }

    fn missing(&self, decision: &Decision) -> Vec<Missing> {
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
