//! One target, and the best that could happen to a change of it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};

use super::{
    ENOUGH,
    cast::{Cast, Class, Roles, Sort},
};
use crate::{
    catalog::{Actor, ActorKind, System},
    ids::{ActorId, ChangeId, Environment, EvidenceKind, Target},
    kind::{Documents, Kind},
    requirement::MAX_WAIT,
    snapshot::{AiStatus, Builder, CommitsView, EvidenceView, PathsView, Snapshot, TargetView, Worked},
};

/// Longer than any rule asks for.
const DOCUMENTED: u32 = 100_000;

/// One target, and who people are to it.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub cast: &'a Cast<'a>,
    pub view: TargetView,
    pub roles: Roles<'a>,
    /// The few of each sort that stand for all.
    pub people: BTreeMap<&'a ActorId, &'a Actor>,
    /// How many of each sort are there, as far as it makes a difference.
    pub here: Vec<(Sort<'a>, usize)>,
    paths: BTreeMap<String, PathsView>,
    /// Of each kind that somebody may attest of it, by whom.
    pub evidence: BTreeMap<&'a EvidenceKind, &'a ActorId>,
}

impl<'a> Scene<'a> {
    pub fn new(cast: &'a Cast<'a>, system: &'a System, environment: &Environment) -> Self {
        let roles = cast.roles(&system.id, None);
        let classes = cast.classes(&roles);
        Self::of(cast, view(system, environment), roles, &classes)
    }

    pub fn of_governance(cast: &'a Cast<'a>) -> Self {
        let view = TargetView::of_governance();
        let roles = cast.roles(&view.target.system, None);
        let classes = cast.classes(&roles);
        // As of every change to what governs: it has no paths of a repository.
        let paths = cast.governance.rules.paths_of(None);
        Self { paths, ..Self::of(cast, view, roles, &classes) }
    }

    /// With the people of these classes.
    pub fn of(cast: &'a Cast<'a>, view: TargetView, roles: Roles<'a>, classes: &[Class<'a>]) -> Self {
        let counted = |class: &Class<'a>| (class.sort.clone(), class.people.len().min(ENOUGH.saturating_add(1)));
        let (people, here) = (cast.few(classes), classes.iter().map(counted).collect());
        let evidence = cast.evidence(&view.target);
        Self { cast, view, roles, people, here, paths: cast.paths.clone(), evidence }
    }

    pub fn is_senior(&self, person: &ActorId) -> bool {
        self.people.get(person).is_some_and(|actor| self.cast.is_senior(actor))
    }

    pub fn owns(&self, person: &ActorId) -> bool {
        self.roles.owners.contains(person)
    }

    pub fn sort(&self, person: &'a ActorId) -> Sort<'a> {
        self.cast.sort(person, self.is_senior(person), &self.roles)
    }

    /// Who approves at best: of all others enough of each sort.
    pub fn approvers(&self, proposer: &ActorId) -> Vec<&'a ActorId> {
        let mut of_sort: BTreeMap<Sort<'a>, usize> = BTreeMap::new();
        let others = self.people.keys().copied().filter(|person| *person != proposer);
        others
            .filter(|person| {
                let count = of_sort.entry(self.sort(person)).or_default();
                *count = count.saturating_add(1);
                *count <= ENOUGH
            })
            .collect()
    }

    /// The best that could happen to a change of this kind by this proposer.
    pub fn best(&self, proposer: &ActorId, approvers: &[&ActorId], kind: Kind, ai: AiStatus) -> Snapshot {
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
            .population(self.cast.governance.catalog.population());
        for by in approvers {
            let owns = self.owns(by).then(|| self.view.target.system.clone());
            best = best.approved((*by).clone(), self.is_senior(by), owns);
            let on_call = self.roles.on_call.contains(by).then(|| self.view.target.system.clone());
            best = best.there(by, on_call, false);
        }
        for (kind, by) in &self.evidence {
            let passed_by = BTreeSet::from([(*by).clone()]);
            best = best.evidence((*kind).clone(), EvidenceView { passed_by, ..EvidenceView::default() });
        }
        // Which keys people will sign with nobody knows beforehand.
        best = best.signed_at_best().approved_hours_ago(0).commits(CommitsView { signed: true, by_committer: true });
        let there: BTreeSet<&ActorId> = approvers.iter().copied().chain([proposer]).collect();
        for (group, members) in &self.cast.groups {
            let here: Vec<ActorId> = there.intersection(members).map(|person| (*person).clone()).collect();
            if !here.is_empty() {
                best = best.in_group((*group).clone(), here);
            }
        }
        let mut best = best.build();
        self.cast.has.iter().for_each(|has| has.supply(&mut best));
        // Whoever may supply something after a while could be waited for.
        if self.cast.governance.rules.ask_about("worked_hours") {
            let worked = Worked { since: Time::from_unix_millis(0), hours: MAX_WAIT };
            best.calendar.get_or_insert_default().worked.insert(self.view.target.clone(), worked);
        }
        best
    }
}

/// A system in production.
pub(super) fn view(system: &System, environment: &Environment) -> TargetView {
    TargetView {
        target: Target { system: system.id.clone(), environment: environment.clone() },
        production: true,
        tier: system.tier,
        owner: system.owner.clone(),
    }
}
