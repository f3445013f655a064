//! Who could take part: everybody with a key who is there, and what rules know them by. Worked out once for all targets.
//!
//! Two people who are alike to every rule, and to a target, can stand for each other. So of thousands only the first few of each
//! sort are put before Cedar, and it is asked about sorts, never about each person.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{
    ENOUGH,
    gone::{Gone, StandIn, taken},
};
use crate::{
    catalog::Actor,
    delegation::DelegatedRole,
    governance::Governance,
    ids::{ActorId, EvidenceKind, GroupId, SystemId, Target},
    requirement::{Choice, Has},
    snapshot::PathsView,
};

/// What somebody is to a target and to the rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sort<'a> {
    pub senior: bool,
    pub owns: bool,
    /// Only where rules ask.
    pub on_call: bool,
    /// The groups that rules name and they are in.
    pub groups: Vec<&'a GroupId>,
    /// Only of somebody whom a rule names.
    pub named: Option<&'a ActorId>,
}

/// Those who are of one sort, in the order of their names.
#[derive(Clone, Debug)]
pub(super) struct Class<'a> {
    pub sort: Sort<'a>,
    pub people: Vec<&'a ActorId>,
}

/// Who people are to a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles<'a> {
    pub owners: BTreeSet<&'a ActorId>,
    /// Nobody where no rule asks.
    pub on_call: BTreeSet<&'a ActorId>,
}

#[derive(Debug)]
pub(super) struct Cast<'a> {
    pub governance: &'a Governance,
    pub people: BTreeMap<&'a ActorId, &'a Actor>,
    /// Of the groups that rules name, who is in them.
    pub groups: BTreeMap<&'a GroupId, BTreeSet<&'a ActorId>>,
    /// Whom rules name.
    pub named: BTreeSet<&'a ActorId>,
    /// The text of the rules that bind.
    pub text: String,
    /// What a change does to the paths that rules name: it touches whatever a rule asks about.
    pub paths: BTreeMap<String, PathsView>,
    /// Of each kind of evidence that rules ask for, the workloads that may attest it.
    evidence: Vec<(&'a EvidenceKind, &'a Actor)>,
    /// What rules ask a change to have, which whoever proposes it sees to.
    pub has: BTreeSet<&'a Has>,
    /// Whatever they own.
    classes: Vec<Class<'a>>,
    /// Who has roles of those who are away.
    stand_ins: &'a BTreeSet<StandIn>,
    /// Who is a senior only by that.
    as_seniors: BTreeSet<&'a ActorId>,
}

static NOBODY: BTreeSet<StandIn> = BTreeSet::new();

impl<'a> Cast<'a> {
    /// For each kind of evidence that rules ask for, a workload whose word counts for this target; none where nobody's does.
    pub fn evidence(&self, target: &Target) -> BTreeMap<&'a EvidenceKind, &'a ActorId> {
        let counts = |(kind, actor): &&(&'a EvidenceKind, &'a Actor)| self.governance.may_attest(actor, kind, target);
        self.evidence.iter().filter(counts).map(|(kind, actor)| (*kind, &actor.id)).collect()
    }

    /// Without those who are away.
    pub fn of(governance: &'a Governance, absent: &BTreeSet<ActorId>) -> Self {
        Self::with(governance, absent, &NOBODY)
    }

    /// With those who stand in for them.
    pub fn without(governance: &'a Governance, gone: &'a Gone) -> Self {
        Self::with(governance, &gone.people, &gone.stand_ins)
    }

    fn with(governance: &'a Governance, absent: &BTreeSet<ActorId>, stand_ins: &'a BTreeSet<StandIn>) -> Self {
        let there = governance.people_with_keys().filter(|actor| !absent.contains(&actor.id));
        let people: BTreeMap<&ActorId, &Actor> = there.map(|actor| (&actor.id, actor)).collect();
        let rules = &governance.rules;
        let mut groups: BTreeMap<&GroupId, BTreeSet<&ActorId>> =
            rules.groups().iter().map(|group| (group, governance.catalog.members(group))).collect();
        // What was delegated for some targets alone is left out: people are sorted for all of them at once.
        let everywhere = |one: &StandIn| one.targets.is_empty() && people.contains_key(&one.to);
        for (group, members) in &mut groups {
            let role = DelegatedRole::Group((*group).clone());
            let lent = |one: &StandIn| everywhere(one) && one.role == role && governance.catalog.is_in(&one.of, group);
            let taken = taken(stand_ins, lent, members);
            members.extend(taken);
        }
        let is_senior = |id: &ActorId| governance.person(id).is_some_and(|person| person.level.is_senior());
        let seniors = people.values().filter(|person| person.level.is_senior()).map(|person| &person.id).collect();
        let lent = |one: &StandIn| everywhere(one) && one.role == DelegatedRole::Senior && is_senior(&one.of);
        let as_seniors = taken(stand_ins, lent, &seniors);
        let text = rules.enforced_cedar();
        let named = match text.contains("Person::") {
            true => people.keys().copied().filter(|id| text.contains(&format!("\"{id}\""))).collect(),
            false => BTreeSet::new(),
        };
        let touched = PathsView { touched: true, ..PathsView::default() };
        let mut cast = Self {
            governance,
            groups,
            named,
            text,
            paths: rules.patterns().map(|text| (text.to_owned(), touched)).collect(),
            evidence: attesters(governance),
            has: has(governance),
            classes: Vec::new(),
            people,
            stand_ins,
            as_seniors,
        };
        let mut classes: BTreeMap<Sort<'a>, Vec<&'a ActorId>> = BTreeMap::new();
        for (id, actor) in &cast.people {
            classes.entry(cast.sort(id, cast.is_senior(actor), &Roles::default())).or_default().push(id);
        }
        cast.classes = classes.into_iter().map(|(sort, people)| Class { sort, people }).collect();
        cast
    }

    pub fn sort(&self, person: &'a ActorId, senior: bool, roles: &Roles<'_>) -> Sort<'a> {
        let (owns, on_call) = (roles.owners.contains(person), roles.on_call.contains(person));
        let groups = self.groups.iter().filter(|(_, members)| members.contains(person)).map(|(group, _)| *group);
        Sort { senior, owns, on_call, groups: groups.collect(), named: self.named.contains(person).then_some(person) }
    }

    /// Also by the word of a senior who is away.
    pub fn is_senior(&self, person: &Actor) -> bool {
        person.level.is_senior() || self.as_seniors.contains(&person.id)
    }

    /// Whether a rule that binds asks who is on call.
    pub fn asks_on_call(&self) -> bool {
        self.text.contains("oncall")
    }

    /// Who people are to a system, by the rotas at a moment; where none is said, since rotas change by the day, owners stand for
    /// those who are on call.
    pub fn roles(&self, system: &SystemId, at: Option<Time>) -> Roles<'a> {
        let mut owners = self.governance.owners(system);
        let mut on_call = match at {
            _ if !self.asks_on_call() => BTreeSet::new(),
            Some(at) => self.governance.on_call(system, at),
            None => owners.clone(),
        };
        let of = |role: DelegatedRole, those: &BTreeSet<&ActorId>| {
            let is = |one: &StandIn| one.role == role && one.is_on(system) && self.people.contains_key(&one.to);
            taken(self.stand_ins, |one| is(one) && those.contains(&one.of), those)
        };
        let (more, called) = (of(DelegatedRole::Owner, &owners), of(DelegatedRole::OnCall, &on_call));
        owners.extend(more);
        on_call.extend(called);
        Roles { owners, on_call }
    }

    /// Those of one sort together, to a target to which people are this.
    pub fn classes(&self, roles: &Roles<'_>) -> Vec<Class<'a>> {
        let split = |class: &Class<'a>| {
            let of = |owns, on_call| {
                let is =
                    |one: &&ActorId| (roles.owners.contains(*one), roles.on_call.contains(*one)) == (owns, on_call);
                let people = class.people.iter().copied().filter(is).collect();
                Class { sort: Sort { owns, on_call, ..class.sort.clone() }, people }
            };
            [of(false, false), of(false, true), of(true, false), of(true, true)]
        };
        self.classes.iter().flat_map(split).filter(|class| !class.people.is_empty()).collect()
    }

    /// The first few of each: as many as any rule could ask for, and who proposes.
    pub fn few(&self, classes: &[Class<'a>]) -> BTreeMap<&'a ActorId, &'a Actor> {
        let few = classes.iter().flat_map(|class| class.people.iter().take(ENOUGH.saturating_add(1)));
        self.those(few.copied())
    }

    pub fn those(&self, people: impl Iterator<Item = &'a ActorId>) -> BTreeMap<&'a ActorId, &'a Actor> {
        people.filter_map(|id| Some((id, *self.people.get(id)?))).collect()
    }

    /// What of an owner group rules look at: its name, where one names it. A name can be escaped.
    pub fn named_owner(&self, owner: &GroupId) -> Option<GroupId> {
        let named =
            self.text.contains("Group::") && (self.text.contains(&format!("\"{owner}\"")) || self.text.contains('\\'));
        named.then(|| owner.clone())
    }
}

fn attesters(governance: &Governance) -> Vec<(&EvidenceKind, &Actor)> {
    let kinds = governance.rules.evidence();
    if kinds.is_empty() {
        return Vec::new();
    }
    let workloads = governance.catalog.actors.values().filter(|actor| governance.can_attest(actor));
    let attested = workloads.flat_map(|actor| actor.attests.kinds.iter().map(move |kind| (kind, actor)));
    attested.filter(|(kind, _)| kinds.contains(*kind)).collect()
}

fn has(governance: &Governance) -> BTreeSet<&Has> {
    let ways = governance.rules.iter().flat_map(|rule| &rule.requires).flat_map(Choice::ways);
    ways.filter_map(|way| way.need.has()).collect()
}
