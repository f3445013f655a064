//! What is looked up again and again, made once from a catalog that holds: to hash every key at each signature, or to
//! walk through everybody for each target, is what a home of thousands cannot afford.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use countersign_ledger::Fingerprint;

use super::{Actor, ActorKind, Group};
use crate::ids::{ActorId, GroupId};

/// A step of a walk through the group tree, which can be as deep as a catalog has groups.
enum Step<'a> {
    Enter(&'a GroupId),
    Leave(&'a GroupId, usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    by_key: HashMap<Fingerprint, ActorId>,
    by_mail: HashMap<String, ActorId>,
    people: BTreeSet<ActorId>,
    seniors: BTreeSet<ActorId>,
    /// Persons group by group, each group just before the groups below it, so that the members of a group and of those
    /// below it stand side by side. Who is in several groups is there several times.
    members: Vec<ActorId>,
    spans: BTreeMap<GroupId, Range<usize>>,
}

impl Index {
    /// `by_key` is whose each key is: to hash a key takes longer than everything else here, so that nobody does it twice.
    pub fn of(
        actors: &BTreeMap<ActorId, Actor>,
        groups: &BTreeMap<GroupId, Group>,
        by_key: HashMap<Fingerprint, ActorId>,
    ) -> Self {
        let mails = actors.values().flat_map(|actor| actor.mails.iter().map(|mail| (mail.clone(), actor.id.clone())));
        let people = actors.values().filter(|actor| actor.kind == ActorKind::Person && !actor.keys.is_empty());
        let seniors = people.clone().filter(|actor| actor.level.is_senior());
        let mut index = Self {
            by_key,
            by_mail: mails.collect(),
            people: people.map(|actor| actor.id.clone()).collect(),
            seniors: seniors.map(|actor| actor.id.clone()).collect(),
            ..Self::default()
        };
        index.line_up(actors, groups);
        index
    }

    fn line_up(&mut self, actors: &BTreeMap<ActorId, Actor>, groups: &BTreeMap<GroupId, Group>) {
        let mut direct: BTreeMap<&GroupId, Vec<&ActorId>> = BTreeMap::new();
        for actor in actors.values().filter(|actor| actor.kind == ActorKind::Person) {
            for group in &actor.member_of {
                direct.entry(group).or_default().push(&actor.id);
            }
        }
        let mut below: BTreeMap<&GroupId, Vec<&GroupId>> = BTreeMap::new();
        for group in groups.values() {
            if let Some(parent) = &group.parent {
                below.entry(parent).or_default().push(&group.id);
            }
        }
        let tops = groups.values().filter(|group| group.parent.is_none());
        let mut steps: Vec<Step<'_>> = tops.map(|group| Step::Enter(&group.id)).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(group) => {
                    steps.push(Step::Leave(group, self.members.len()));
                    self.members.extend(direct.get(group).into_iter().flatten().map(|id| (*id).clone()));
                    steps.extend(below.get(group).into_iter().flatten().map(|below| Step::Enter(below)));
                }
                Step::Leave(group, from) => {
                    self.spans.insert(group.clone(), from..self.members.len());
                }
            }
        }
    }

    pub fn by_key(&self, key: &Fingerprint) -> Option<&ActorId> {
        self.by_key.get(key)
    }

    /// By a mail in lower case, as it is listed.
    pub fn by_mail(&self, mail: &str) -> Option<&ActorId> {
        self.by_mail.get(mail)
    }

    pub fn people(&self) -> &BTreeSet<ActorId> {
        &self.people
    }

    pub fn seniors(&self) -> &BTreeSet<ActorId> {
        &self.seniors
    }

    /// The persons of a group and of the groups below it; somebody who is in several of them more than once.
    pub fn members(&self, group: &GroupId) -> impl Iterator<Item = &ActorId> {
        let span = self.spans.get(group).cloned().unwrap_or_default();
        self.members.get(span).unwrap_or_default().iter()
    }

    /// Whether a group and those below it have so many different persons.
    pub fn has_members(&self, group: &GroupId, enough: usize) -> bool {
        let mut seen = BTreeSet::new();
        self.members(group).any(|member| {
            seen.insert(member);
            seen.len() >= enough
        })
    }

    /// Whether a group with persons of its own is another one or lies below it.
    pub fn is_within(&self, group: &GroupId, other: &GroupId) -> bool {
        match (self.spans.get(group), self.spans.get(other)) {
            (Some(inner), Some(outer)) => outer.start <= inner.start && inner.end <= outer.end && !inner.is_empty(),
            (None, _) | (_, None) => false,
        }
    }
}
