//! Who could act now, and who is nearest to what is missing.
//!
//! A home of thousands is asked for five names and a count: neither takes a look at everybody, only at those who own what
//! the change goes to and at the first few of the others.

use std::{
    cell::OnceCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use countersign_ledger::Time;

use crate::{
    change::Change,
    decision::{Decision, MAX_NAMED, Missing, RuleDecision, RuleStatus, Token},
    governance::Governance,
    ids::{ActorId, GroupId, SystemId, Target},
    requirement::{Need, Requirement, Role},
    state::State,
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
    /// Who is on call for what the change goes to.
    on_call: Owners<'a>,
    /// Who is away: able, and named after everybody else.
    away: BTreeSet<&'a ActorId>,
    /// Who is in which group, where there is no catalog to ask.
    groups: BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
}

/// Those of some people who could act now, as far as a state tells: nobody whose keys were taken, and nobody who has taken another's and
/// so grants nothing meanwhile. Who is away comes last.
pub fn able<'a>(state: &State, people: BTreeSet<&'a ActorId>, now: Time) -> Vec<&'a ActorId> {
    let unable = state.unable(now);
    let away = state.governance.calendars.away(now);
    let able = people.into_iter().filter(|person| !unable.contains(*person));
    let (mut there, absent): (Vec<_>, Vec<_>) = able.partition(|person| !away.contains(person));
    there.extend(absent);
    there
}

/// The first few of them by name.
pub fn names(people: &[&ActorId]) -> String {
    let named: Vec<&str> = people.iter().take(MAX_WHO).map(|person| person.as_str()).collect();
    match people.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

type Owners<'a> = BTreeMap<&'a SystemId, BTreeSet<&'a ActorId>>;

/// What approvals the rules of a decision still lack, all together.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    senior: bool,
    /// Systems that lack an owner's.
    systems: BTreeSet<&'a SystemId>,
    /// Groups that lack somebody's of theirs.
    groups: BTreeSet<&'a GroupId>,
}

/// Some people by name, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub who: Vec<ActorId>,
    pub more: u32,
}

impl Found {
    /// Those who are named first in each, and the count of the others as far as it is known: who is in several is counted in each.
    pub fn all(found: Vec<Self>) -> Self {
        let longest = found.iter().map(|found| found.who.len()).max().unwrap_or_default();
        let mut who: Vec<ActorId> = Vec::new();
        let mut more = found.iter().map(|found| found.more).max().unwrap_or_default();
        for place in 0..longest {
            for person in found.iter().filter_map(|found| found.who.get(place)) {
                match who.contains(person) {
                    true => {}
                    false if who.len() < MAX_WHO => who.push(person.clone()),
                    false => more = more.saturating_add(1),
                }
            }
        }
        Self { who, more }
    }
}

impl<'a> Wanted<'a> {
    pub fn by(decision: &'a Decision) -> Self {
        let mut wanted = Self::default();
        for rule in decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied) {
            for missing in rule.missing.iter().flat_map(Missing::ways) {
                let Token::Requirement(requirement) = &missing.token else { continue };
                for role in requirement.need.roles() {
                    match role {
                        Role::Group(group) => {
                            wanted.groups.insert(group);
                        }
                        Role::Senior => wanted.senior = true,
                        Role::Owner | Role::OnCall => wanted.systems.extend(asked(rule, missing)),
                        // Everybody who could approve would be one of those, as far as anybody can tell beforehand.
                        Role::Independent
                        | Role::Touch
                        | Role::Verified
                        | Role::Recent(_)
                        | Role::Material
                        | Role::Present => {}
                    }
                }
            }
        }
        wanted
    }
}

/// The systems that something is missing for: those that it names, or all for which the rule is not met.
pub(super) fn asked<'a>(rule: &'a RuleDecision, missing: &Missing) -> BTreeSet<&'a SystemId> {
    // Of what different people approve the roles are named, and no systems.
    let of_systems = !matches!(&missing.token, Token::Requirement(Requirement { need: Need::Apart(_), .. }));
    let all_named = of_systems && (1..MAX_NAMED).contains(&missing.of.len());
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
    pub fn of(governance: &'a Governance, change: &'a Change, disabled: &BTreeSet<ActorId>, now: Time) -> Self {
        let systems: BTreeSet<&SystemId> = change.targets.iter().map(|target| &target.system).collect();
        Self {
            on_call: systems.into_iter().map(|system| (system, governance.on_call(system, now))).collect(),
            away: governance.calendars.away(now),
            everybody: governance.catalog.people(),
            seniors: governance.catalog.seniors(),
            disabled: disabled.clone(),
            owners: OnceCell::new(),
            source: Some((governance, &change.targets)),
            groups: BTreeMap::new(),
        }
    }

    /// People who all have a key: everybody, the seniors among them, the owners of systems, and who is in which group.
    pub fn given(
        everybody: &'a BTreeSet<ActorId>,
        seniors: &'a BTreeSet<ActorId>,
        owners: impl IntoIterator<Item = (&'a SystemId, &'a ActorId)>,
        groups: BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
    ) -> Self {
        let mut given = Owners::new();
        for (system, owner) in owners {
            given.entry(system).or_default().insert(owner);
        }
        Self {
            everybody,
            seniors,
            disabled: BTreeSet::new(),
            owners: OnceCell::from(given),
            source: None,
            groups,
            on_call: Owners::new(),
            away: BTreeSet::new(),
        }
    }

    /// The same where these are on call for a system, and those away.
    #[must_use]
    pub fn who_are(
        mut self,
        system: &'a SystemId,
        on_call: &'a BTreeSet<ActorId>,
        away: &'a BTreeSet<ActorId>,
    ) -> Self {
        self.on_call.insert(system, on_call.iter().collect());
        self.away = away.iter().collect();
        self
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

    fn members(&self, group: &GroupId) -> BTreeSet<&'a ActorId> {
        match self.source {
            Some((governance, _)) => governance.catalog.members(group),
            None => self.groups.get(group).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn has_role(&self, person: &ActorId, role: &Role, systems: &BTreeSet<&SystemId>) -> bool {
        match role {
            Role::Group(group) => self.members(group).contains(person),
            // With which key somebody will sign nobody knows.
            Role::Independent | Role::Touch | Role::Verified | Role::Recent(_) | Role::Material | Role::Present => true,
            Role::Senior => self.seniors.contains(person),
            Role::OnCall => {
                let on_call = systems.iter().filter_map(|system| self.on_call.get(system));
                on_call.into_iter().any(|people| people.contains(person))
            }
            Role::Owner => {
                let owners = systems.iter().filter_map(|system| self.owners().get(system));
                owners.into_iter().any(|owners| owners.contains(person))
            }
        }
    }

    /// Whether somebody who had no hand in it could give an approval in this role for one of these systems.
    pub(super) fn could_approve(&self, person: &ActorId, role: &Role, systems: &BTreeSet<&SystemId>) -> bool {
        self.is_able(person) && self.has_role(person, role, systems)
    }

    /// Those who own one of these systems, and the first few of each level: nobody else can do more than they.
    pub(super) fn candidates(
        &self,
        systems: &BTreeSet<&SystemId>,
        groups: &BTreeSet<&GroupId>,
        excluded: &BTreeSet<&ActorId>,
        of_each: usize,
    ) -> BTreeSet<&ActorId> {
        let able = |person: &&ActorId| self.is_able(person) && !excluded.contains(*person);
        let members = groups.iter().flat_map(|group| self.members(group)).filter(able);
        let owners = systems.iter().filter_map(|system| self.owners().get(system)).flatten().copied().filter(able);
        let seniors = self.seniors.iter().filter(able).take(of_each);
        let on_call = systems.iter().filter_map(|system| self.on_call.get(system)).flatten().copied().filter(able);
        owners
            .chain(on_call)
            .chain(members)
            .chain(seniors)
            .chain(self.everybody.iter().filter(able).take(of_each))
            .collect()
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
        role: &Role,
        systems: &BTreeSet<&SystemId>,
        wanted: &Wanted<'_>,
        excluded: &BTreeSet<&ActorId>,
    ) -> Found {
        let able = |person: &&ActorId| self.is_able(person) && !excluded.contains(*person);
        // Looked up once, not for each person.
        let (of_group, groups) = match role {
            Role::Group(group) => (Some(self.members(group)), BTreeSet::from([group])),
            Role::Owner
            | Role::Senior
            | Role::Independent
            | Role::Touch
            | Role::Verified
            | Role::Recent(_)
            | Role::Material
            | Role::OnCall
            | Role::Present => (None, BTreeSet::new()),
        };
        let has_role = |person: &&ActorId| match &of_group {
            Some(members) => members.contains(*person),
            None => self.has_role(person, role, systems),
        };
        let could = |person: &&ActorId| able(person) && has_role(person);
        let mut near: BTreeMap<&ActorId, Near> = BTreeMap::new();
        for group in groups.union(&wanted.groups) {
            for member in self.members(group).into_iter().filter(could) {
                let near = near.entry(member).or_default();
                near.satisfies = near.satisfies.saturating_add(u32::from(wanted.groups.contains(group)));
            }
        }
        for system in systems.union(&wanted.systems) {
            for owner in self.owners().get(system).into_iter().flatten().copied().filter(could) {
                let near = near.entry(owner).or_default();
                near.owner |= systems.contains(system);
                near.satisfies = near.satisfies.saturating_add(u32::from(wanted.systems.contains(system)));
            }
        }
        if *role == Role::OnCall {
            for person in systems.iter().filter_map(|system| self.on_call.get(system)).flatten().copied().filter(could)
            {
                near.entry(person).or_default();
            }
        }
        let count = |among: &BTreeSet<ActorId>| {
            let out = self.disabled.iter().chain(excluded.iter().copied()).collect::<BTreeSet<_>>();
            among.len().saturating_sub(out.into_iter().filter(|person| among.contains(*person)).count())
        };
        let total = match role {
            // All of them were looked at.
            Role::Owner | Role::OnCall | Role::Group(_) => near.len(),
            Role::Senior => count(self.seniors),
            Role::Independent | Role::Touch | Role::Verified | Role::Recent(_) | Role::Material | Role::Present => {
                count(self.everybody)
            }
        };
        // Whoever owns nothing here is as near as all others of their level, so that the first few of each level suffice.
        let levels = match (role, wanted.senior) {
            (Role::Owner | Role::OnCall | Role::Group(_), _) => [None, None],
            (Role::Senior, _) => [Some(self.seniors), None],
            (
                Role::Independent | Role::Touch | Role::Verified | Role::Recent(_) | Role::Material | Role::Present,
                true,
            ) => [Some(self.seniors), Some(self.everybody)],
            (
                Role::Independent | Role::Touch | Role::Verified | Role::Recent(_) | Role::Material | Role::Present,
                false,
            ) => [None, Some(self.everybody)],
        };
        for level in levels.into_iter().flatten() {
            // Whoever is away takes nobody's place among the first few.
            let (there, away): (Vec<&ActorId>, Vec<&ActorId>) = level
                .iter()
                .filter(able)
                .take(MAX_WHO.saturating_add(self.away.len()))
                .partition(|p| !self.away.contains(p));
            for person in there.into_iter().chain(away).take(MAX_WHO) {
                near.entry(person).or_default();
            }
        }
        let mut ranked: Vec<(&ActorId, Near)> = near.into_iter().collect();
        for (person, near) in &mut ranked {
            let senior = u32::from(wanted.senior && self.seniors.contains(*person));
            near.satisfies = near.satisfies.saturating_add(senior);
        }
        ranked.sort_by_key(|(person, near)| {
            (self.away.contains(*person), Reverse(near.owner), Reverse(near.satisfies), *person)
        });
        let who: Vec<ActorId> = ranked.into_iter().take(MAX_WHO).map(|(person, _)| person.clone()).collect();
        let more = u32::try_from(total.saturating_sub(who.len())).unwrap_or(u32::MAX);
        Found { who, more }
    }
}
