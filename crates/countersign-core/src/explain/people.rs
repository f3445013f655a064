//! Who could act now, and who is nearest to what is missing.
//!
//! A home of thousands is asked for five names and a count: neither takes a look at everybody, only at those who own what
//! the change goes to and at the first few of the others.

use std::{
    cell::OnceCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    change::Change,
    decision::{Decision, MAX_NAMED, Missing, RuleDecision, RuleStatus, Token},
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    requirement::{Need, Role},
};

/// How many people an obligation names.
pub const MAX_WHO: usize = 5;

/// Everybody who could act, and what they are to the targets of one change.
#[derive(Debug)]
pub struct People<'a> {
    everybody: &'a BTreeSet<ActorId>,
    seniors: &'a BTreeSet<ActorId>,
    /// Those of them who cannot, because none of their keys holds.
    disabled: BTreeSet<ActorId>,
    /// Found when something is missing, which is not always.
    owners: OnceCell<Owners<'a>>,
    source: Option<(&'a Governance, &'a BTreeSet<Target>)>,
}

type Owners<'a> = BTreeMap<&'a SystemId, BTreeSet<&'a ActorId>>;

/// What approvals the rules of a decision still lack, all together.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    senior: bool,
    /// Systems that lack an owner's.
    systems: BTreeSet<&'a SystemId>,
}

/// Some people by name, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub who: Vec<ActorId>,
    pub more: u32,
}

impl<'a> Wanted<'a> {
    pub fn by(decision: &'a Decision) -> Self {
        let mut wanted = Self::default();
        for rule in decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied) {
            for missing in &rule.missing {
                let Token::Requirement(requirement) = missing.token else { continue };
                match requirement.need {
                    Need::Approvals { role: Role::Senior, .. } => wanted.senior = true,
                    Need::Approvals { role: Role::Owner, .. } => wanted.systems.extend(asked(rule, missing)),
                    // Everybody who could approve would be one of those.
                    Need::Approvals { role: Role::Independent, .. } => {}
                    Need::FreshGuidance | Need::Document { .. } | Need::Disclosure => {}
                }
            }
        }
        wanted
    }
}

/// The systems that something is missing for: those that it names, or all for which the rule is not met.
pub(super) fn asked<'a>(rule: &'a RuleDecision, missing: &Missing) -> BTreeSet<&'a SystemId> {
    let all_named = (1..MAX_NAMED).contains(&missing.of.len());
    let systems = rule.targets.iter().map(|target| &target.system);
    systems.filter(|system| !all_named || missing.of.iter().any(|name| name == system.as_str())).collect()
}

/// Somebody who could approve, and how near they are.
#[derive(Clone, Copy, Debug, Default)]
struct Near {
    /// Whether they own a system that something is missing for.
    owner: bool,
    /// How much of what is still missing their approval would satisfy.
    satisfies: u32,
}

impl<'a> People<'a> {
    pub fn of(governance: &'a Governance, change: &'a Change, disabled: &BTreeSet<ActorId>) -> Self {
        Self {
            everybody: governance.catalog.people(),
            seniors: governance.catalog.seniors(),
            disabled: disabled.clone(),
            owners: OnceCell::new(),
            source: Some((governance, &change.targets)),
        }
    }

    /// People who all have a key: everybody, the seniors among them, and the owners of systems.
    pub fn given(
        everybody: &'a BTreeSet<ActorId>,
        seniors: &'a BTreeSet<ActorId>,
        owners: impl IntoIterator<Item = (&'a SystemId, &'a ActorId)>,
    ) -> Self {
        let mut given = Owners::new();
        for (system, owner) in owners {
            given.entry(system).or_default().insert(owner);
        }
        Self { everybody, seniors, disabled: BTreeSet::new(), owners: OnceCell::from(given), source: None }
    }

    fn owners(&self) -> &Owners<'a> {
        self.owners.get_or_init(|| {
            let of = |(governance, targets): (&'a Governance, &'a BTreeSet<Target>)| -> Owners<'a> {
                let systems = targets.iter().map(|target| &target.system);
                systems.map(|system| (system, governance.owners(system))).collect()
            };
            self.source.map(of).unwrap_or_default()
        })
    }

    fn is_able(&self, person: &ActorId) -> bool {
        self.everybody.contains(person) && !self.disabled.contains(person)
    }

    fn has_role(&self, person: &ActorId, role: Role, systems: &BTreeSet<&SystemId>) -> bool {
        match role {
            Role::Independent => true,
            Role::Senior => self.seniors.contains(person),
            Role::Owner => {
                let owners = systems.iter().filter_map(|system| self.owners().get(system));
                owners.into_iter().any(|owners| owners.contains(person))
            }
        }
    }

    /// Whether somebody who had no hand in it could give an approval in this role for one of these systems.
    pub(super) fn could_approve(&self, person: &ActorId, role: Role, systems: &BTreeSet<&SystemId>) -> bool {
        self.is_able(person) && self.has_role(person, role, systems)
    }

    /// Those of these who could act, by name.
    pub(super) fn able_among(&self, people: BTreeSet<&ActorId>) -> Found {
        let mut able = people.into_iter().filter(|person| self.is_able(person));
        let who: Vec<ActorId> = able.by_ref().take(MAX_WHO).cloned().collect();
        Found { who, more: u32::try_from(able.count()).unwrap_or(u32::MAX) }
    }

    /// Who could approve in a role, nearest first: who owns one of these systems, then who would satisfy most of what is
    /// wanted, then by name.
    pub(super) fn nearest(
        &self,
        role: Role,
        systems: &BTreeSet<&SystemId>,
        wanted: &Wanted<'_>,
        excluded: &BTreeSet<&ActorId>,
    ) -> Found {
        let able = |person: &&ActorId| self.is_able(person) && !excluded.contains(*person);
        let could = |person: &&ActorId| able(person) && self.has_role(person, role, systems);
        let mut near: BTreeMap<&ActorId, Near> = BTreeMap::new();
        for system in systems.union(&wanted.systems) {
            for owner in self.owners().get(system).into_iter().flatten().copied().filter(could) {
                let near = near.entry(owner).or_default();
                near.owner |= systems.contains(system);
                near.satisfies = near.satisfies.saturating_add(u32::from(wanted.systems.contains(system)));
            }
        }
        let count = |among: &BTreeSet<ActorId>| {
            let out = self.disabled.iter().chain(excluded.iter().copied()).collect::<BTreeSet<_>>();
            among.len().saturating_sub(out.into_iter().filter(|person| among.contains(*person)).count())
        };
        let total = match role {
            Role::Owner => near.len(),
            Role::Senior => count(self.seniors),
            Role::Independent => count(self.everybody),
        };
        // Whoever owns nothing here is as near as all others of their level, so that the first few of each level suffice.
        let levels = match (role, wanted.senior) {
            (Role::Owner, _) => [None, None],
            (Role::Senior, _) => [Some(self.seniors), None],
            (Role::Independent, true) => [Some(self.seniors), Some(self.everybody)],
            (Role::Independent, false) => [None, Some(self.everybody)],
        };
        for level in levels.into_iter().flatten() {
            for person in level.iter().filter(able).take(MAX_WHO) {
                near.entry(person).or_default();
            }
        }
        let mut ranked: Vec<(&ActorId, Near)> = near.into_iter().collect();
        for (person, near) in &mut ranked {
            let senior = u32::from(wanted.senior && self.seniors.contains(*person));
            near.satisfies = near.satisfies.saturating_add(senior);
        }
        ranked.sort_by_key(|(person, near)| (Reverse(near.owner), Reverse(near.satisfies), *person));
        let who: Vec<ActorId> = ranked.into_iter().take(MAX_WHO).map(|(person, _)| person.clone()).collect();
        let more = u32::try_from(total.saturating_sub(who.len())).unwrap_or(u32::MAX);
        Found { who, more }
    }
}
