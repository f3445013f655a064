//! Coverage: whether there is a way to yes. For every production target and everybody who could propose a change to it,
//! the rules are asked about the best that could happen: all others approve, everything is documented and disclosed. What
//! they deny even then is a lock-out, and better found when rules and catalog are written than in an outage.
//!
//! Pure, like deciding; it *is* deciding, of snapshots that nobody took.

pub mod absent;
pub mod ahead;
mod asking;
mod cast;
mod fewest;
pub mod gone;
mod scene;
pub mod supply;

use std::collections::BTreeSet;

use countersign_ledger::Time;

pub use self::fewest::{FEWEST, FEWEST_ON_HIGHEST, Opening, fewest, leaves_enough};
use self::{asking::Asking, cast::Cast, scene::Scene};
use crate::{
    catalog::{System, Tier, did_you_mean},
    decision::{self, Decision, Token},
    explain::words,
    governance::Governance,
    ids::{ActorId, GroupId, RuleId, SystemId, Target},
    kind::Kind,
    refusal::Refusal,
    requirement::{MAX_APPROVALS, Need, Role},
    rules::decide,
    snapshot::AiStatus,
    standard::{Proposer, Standard},
};

/// How many decisions one answer may cost. What is left is counted, not guessed.
pub const MAX_DECISIONS: usize = 20_000;

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

impl Way {
    /// The same of a system that is alike: only its name is another.
    fn of_another(&self, asked: &SystemId, system: &SystemId) -> Self {
        match self {
            Self::Locked(missing) if asked != system => {
                let (old, new) = (format!("({asked})"), format!("({system})"));
                let of =
                    |missing: &Missing| Missing { rule: missing.rule.clone(), what: missing.what.replace(&old, &new) };
                Self::Locked(missing.iter().map(of).collect())
            }
            Self::Open | Self::ByWaiver(_) | Self::Locked(_) => self.clone(),
        }
    }
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
    let cast = Cast::of(governance, &BTreeSet::new());
    let ids = cast.people.keys().map(|id| (*id).clone()).collect();
    let mut coverage = Coverage { people: ids, fewest: fewest(governance, now), ..Coverage::default() };
    coverage.roads = governance.standards.values().map(|standard| road(governance, standard)).collect();
    let mut asking = Asking::new(&cast, now);
    for system in governance.catalog.systems.values() {
        let roles = cast.roles(&system.id, None);
        let classes = cast.classes(&roles);
        for environment in &governance.catalog.settings.production {
            let scene = Scene::of(&cast, scene::view(system, environment), roles.clone(), &classes);
            // Proposers who are alike to this target get the same answer.
            for class in &classes {
                let Some(gaps) = class.people.first().map(|proposer| asking.gaps(&scene, proposer)) else { continue };
                let pairs = class.people.len();
                match gaps {
                    Some(gaps) => {
                        coverage.asked = coverage.asked.saturating_add(pairs);
                        let of = |gap: &Gap, by: &ActorId| Gap { proposer: by.clone(), ..gap.clone() };
                        coverage.gaps.extend(gaps.iter().flat_map(|gap| class.people.iter().map(|by| of(gap, by))));
                    }
                    None => coverage.unasked = coverage.unasked.saturating_add(pairs),
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
    let cast = Cast::of(after, &BTreeSet::new());
    let mut asking = Asking::new(&cast, now);
    let scene = Scene::of_governance(&cast);
    let mut known = BTreeSet::new();
    let mut missing = Vec::new();
    for proposer in scene.people.keys().copied() {
        if !known.insert(scene.sort(proposer)) {
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
    let cast = Cast::of(governance, disabled);
    let names_systems = cast.text.contains("System::");
    let Ok(nobody) = "somebody-else".parse::<ActorId>() else { return BTreeSet::new() };
    let mut asked = BTreeSet::new();
    let mut found = BTreeSet::new();
    for system in governance.catalog.systems.values() {
        for environment in &governance.catalog.settings.production {
            let question = (system.tier, environment, &system.owner, names_systems.then_some(&system.id));
            if !asked.insert(question) || asked.len() > MAX_DECISIONS {
                continue;
            }
            let scene = Scene::new(&cast, system, environment);
            let best = scene.best(&nobody, &scene.approvers(&nobody), Kind::Code, AiStatus::None);
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
                    people:
                        governance.catalog.members(group).iter().filter(|who| cast.people.contains_key(**who)).count(),
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
