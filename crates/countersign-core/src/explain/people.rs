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
    delegation::DelegationRecord,
    governance::Governance,
    ids::{ActorId, GroupId, SystemId, Target},
    presence::Presence,
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
    /// Who is away, until when where that is known: able, and named after everybody else.
    away: BTreeMap<&'a ActorId, Time>,
    /// Who is away by their own word: what they sign that grants is refused.
    silent: BTreeSet<&'a ActorId>,
    /// Roles that somebody has of somebody else.
    lent: Vec<&'a DelegationRecord>,
    /// Who is in which group, where there is no catalog to ask.
    groups: BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
}

/// Those of some people who could act now, as far as a state tells: nobody whose keys were taken, and nobody who has taken another's and
/// so grants nothing meanwhile. Who is away comes last.
pub fn able<'a>(state: &State, people: BTreeSet<&'a ActorId>, now: Time) -> Vec<&'a ActorId> {
    let unable = state.unable(now);
    let said = state.presence(now).away;
    let by_calendar: BTreeSet<&ActorId> = state.governance.calendars.away(now);
    let is_away = |person: &ActorId| said.contains_key(person) || by_calendar.contains(person);
    let able = people.into_iter().filter(|person| !unable.contains(*person));
    let (mut there, absent): (Vec<_>, Vec<_>) = able.partition(|person| !is_away(person));
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
    /// What is to be known of some of them.
    pub notes: BTreeMap<ActorId, String>,
}

impl Found {
    /// Those who are named first in each, and the count of the others as far as it is known: who is in several is counted in each.
    pub fn all(found: Vec<Self>) -> Self {
        let longest = found.iter().map(|found| found.who.len()).max().unwrap_or_default();
        let mut who: Vec<ActorId> = Vec::new();
        let mut more = found.iter().map(|found| found.more).max().unwrap_or_default();
        let mut notes: BTreeMap<ActorId, String> = found.iter().flat_map(|found| found.notes.clone()).collect();
        for place in 0..longest {
            for person in found.iter().filter_map(|found| found.who.get(place)) {
                match who.contains(person) {
                    true => {}
                    false if who.len() < MAX_WHO => who.push(person.clone()),
                    false => more = more.saturating_add(1),
                }
            }
        }
        notes.retain(|person, _| who.contains(person));
        Self { who, more, notes }
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
    /// `lends` tells of whom a role of theirs could be used for this change.
    pub fn of(
        governance: &'a Governance,
        change: &'a Change,
        presence: &'a Presence,
        lends: impl Fn(&ActorId) -> bool,
        now: Time,
    ) -> Self {
        let systems: BTreeSet<&SystemId> = change.targets.iter().map(|target| &target.system).collect();
        let by_calendar = governance.calendars.away(now).into_iter();
        let by_calendar = by_calendar.filter_map(|id| Some((id, governance.calendars.away_until(id, now)?)));
        let mut away: BTreeMap<&ActorId, Time> = by_calendar.collect();
        for (id, until) in &presence.away {
            away.entry(id).and_modify(|known| *known = (*until).max(*known)).or_insert(*until);
        }
        let is_ours = |known: &&DelegationRecord| change.targets.iter().any(|target| known.covers(target));
        Self {
            on_call: systems.into_iter().map(|system| (system, governance.on_call(system, now))).collect(),
            away,
            silent: presence.away.keys().collect(),
            lent: presence.delegations.iter().filter(is_ours).filter(|known| lends(&known.of)).collect(),
            everybody: governance.catalog.people(),
            seniors: governance.catalog.seniors(),
            disabled: presence.disabled.clone(),
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
            away: BTreeMap::new(),
            silent: BTreeSet::new(),
            lent: Vec::new(),
        }
    }

    /// The same without these, who cannot either.
    pub(super) fn without(mut self, others: BTreeSet<ActorId>) -> Self {
        self.disabled.extend(others);
        self
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
        self.away = away.iter().map(|person| (person, Time::from_unix_millis(i64::MAX))).collect();
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

    /// Those whose approval would be refused now, though they could be asked for it.
    pub(super) fn silent(&self) -> &BTreeSet<&'a ActorId> {
        &self.silent
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
        self.has_it_themselves(person, role, systems) || self.lender(person, role, systems).is_some()
    }

    /// The delegation by which somebody has a role for one of these systems that is not theirs.
    pub(super) fn lender(
        &self,
        person: &ActorId,
        role: &Role,
        systems: &BTreeSet<&SystemId>,
    ) -> Option<&'a DelegationRecord> {
        let covers = |known: &DelegationRecord| {
            known.targets.is_empty() || known.targets.iter().any(|target| systems.contains(&target.system))
        };
        let mut lent = self.lent.iter().copied().filter(|known| known.to == *person && known.role.is(role));
        lent.find(|known| covers(known) && self.has_it_themselves(&known.of, role, systems))
    }

    /// What is to be known of somebody who is named: until when they are away, and of whom they have the role.
    pub(super) fn note(&self, person: &ActorId, role: Option<(&Role, &BTreeSet<&SystemId>)>) -> Option<String> {
        let lent = role.filter(|(role, systems)| !self.has_it_themselves(person, role, systems));
        let lent = lent.and_then(|(role, systems)| self.lender(person, role, systems));
        let lent = lent.map(|known| format!("by {}'s delegation until {}", known.of, known.until));
        // Who is away in a case has no time.
        let away = self.away.get(person).filter(|until| until.unix_millis() < i64::MAX);
        let away = away.map(|until| format!("away until {until}"));
        let notes: Vec<String> = lent.into_iter().chain(away).collect();
        (!notes.is_empty()).then(|| notes.join(", "))
    }

    pub(super) fn has_it_themselves(&self, person: &ActorId, role: &Role, systems: &BTreeSet<&SystemId>) -> bool {
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
        let notes = who.iter().filter_map(|person| Some((person.clone(), self.note(person, None)?))).collect();
        Found { who, more: u32::try_from(able.count()).unwrap_or(u32::MAX), notes }
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
            Some(members) => members.contains(*person) || self.lender(person, role, systems).is_some(),
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
        let lent = self.lent.iter().map(|known| &known.to).filter(could);
        let lent: BTreeSet<&ActorId> = lent.filter(|person| self.lender(person, role, systems).is_some()).collect();
        for person in &lent {
            near.entry(person).or_default();
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
            Role::Senior => {
                let besides = lent.iter().filter(|person| !self.seniors.contains(**person)).count();
                count(self.seniors).saturating_add(besides)
            }
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
                .partition(|p| !self.away.contains_key(p));
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
            (self.away.contains_key(*person), Reverse(near.owner), Reverse(near.satisfies), *person)
        });
        let who: Vec<ActorId> = ranked.into_iter().take(MAX_WHO).map(|(person, _)| person.clone()).collect();
        let more = u32::try_from(total.saturating_sub(who.len())).unwrap_or(u32::MAX);
        let note = |person: &ActorId| Some((person.clone(), self.note(person, Some((role, systems)))?));
        let notes = who.iter().filter_map(note).collect();
        Found { who, more, notes }
    }
}
