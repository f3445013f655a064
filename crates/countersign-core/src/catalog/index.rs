//! What is looked up again and again, made once from a catalog that holds: to hash every key at each signature, or to
//! walk through everybody for each target, is what a home of thousands cannot afford.
//!
//! People stand in it by their numbers, so that it is small, and nobody is taken out of what was kept to look something up.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::OnceLock,
};

use countersign_ledger::{Digest, Fingerprint};
use serde::{Deserialize, Serialize};

use super::{Actor, ActorKind, Actors, Group};
use crate::ids::{ActorId, GroupId};

/// A step of a walk through the group tree, which can be as deep as a catalog has groups.
enum Step<'a> {
    Enter(&'a GroupId),
    Leave(&'a GroupId, usize),
}

/// Somebody's place among the actors.
type Number = u32;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// Sorted.
    by_key: Vec<([u8; 32], Number)>,
    /// By the beginning of a mail's digest, sorted; whose the mail is, the actor says.
    by_mail: Vec<(u64, Number)>,
    /// Persons who have a key, in the order of their ids.
    people: Vec<Number>,
    /// Those of them who are seniors.
    seniors: Vec<Number>,
    /// Persons group by group, each group just before the groups below it, so that the members of a group and of those
    /// below it stand side by side. Who is in several groups is there several times.
    members: Vec<Number>,
    spans: BTreeMap<GroupId, Range<usize>>,
    /// The same as sets, for whoever wants everybody.
    #[serde(skip)]
    sets: OnceLock<(BTreeSet<ActorId>, BTreeSet<ActorId>)>,
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        let parts = |index: &Self| {
            let Self { by_key, by_mail, people, seniors, members, spans, sets: _ } = index.clone();
            (by_key, by_mail, people, seniors, members, spans)
        };
        parts(self) == parts(other)
    }
}

impl Eq for Index {}

fn mail_key(mail: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *Digest::of(mail).as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Index {
    /// `by_key` is whose each key is: to hash a key takes longer than everything else here, so that nobody does it twice.
    pub fn of<'a>(
        actors: &Actors,
        groups: &BTreeMap<GroupId, Group>,
        by_key: impl IntoIterator<Item = (&'a Fingerprint, &'a ActorId)>,
    ) -> Self {
        let number = |id: &ActorId| actors.number(id.as_str()).and_then(|number| Number::try_from(number).ok());
        let mut index = Self::default();
        index.by_key.extend(by_key.into_iter().filter_map(|(key, id)| Some((key.sha256()?, number(id)?))));
        for (number, actor) in (0..).zip(actors.values()) {
            index.by_mail.extend(actor.mails.iter().map(|mail| (mail_key(mail), number)));
            match actor.kind {
                ActorKind::Person if !actor.keys.is_empty() => {
                    index.people.push(number);
                    if actor.level.is_senior() {
                        index.seniors.push(number);
                    }
                }
                ActorKind::Person | ActorKind::Workload | ActorKind::Agent => {}
            }
        }
        index.by_key.sort_unstable();
        index.by_mail.sort_unstable();
        index.line_up(actors, groups);
        index
    }

    fn line_up(&mut self, actors: &Actors, groups: &BTreeMap<GroupId, Group>) {
        let mut direct: BTreeMap<&GroupId, Vec<Number>> = BTreeMap::new();
        for (number, actor) in (0..).zip(actors.values()).filter(|(_, actor)| actor.kind == ActorKind::Person) {
            for group in &actor.member_of {
                direct.entry(group).or_default().push(number);
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
                    self.members.extend(direct.get(group).into_iter().flatten());
                    steps.extend(below.get(group).into_iter().flatten().map(|below| Step::Enter(below)));
                }
                Step::Leave(group, from) => {
                    self.spans.insert(group.clone(), from..self.members.len());
                }
            }
        }
    }

    pub fn by_key<'a>(&self, key: &Fingerprint, actors: &'a Actors) -> Option<&'a Actor> {
        let key = key.sha256()?;
        let place = self.by_key.binary_search_by(|(known, _)| known.cmp(&key)).ok()?;
        actors.at(usize::try_from(self.by_key.get(place)?.1).ok()?)
    }

    /// The same actor by another key.
    pub fn replace_key(&mut self, old: &Fingerprint, new: &Fingerprint) {
        let (Some(old), Some(new)) = (old.sha256(), new.sha256()) else { return };
        let Ok(place) = self.by_key.binary_search_by(|(known, _)| known.cmp(&old)) else { return };
        let (_, number) = self.by_key.remove(place);
        if let Err(place) = self.by_key.binary_search_by(|(known, _)| known.cmp(&new)) {
            self.by_key.insert(place, (new, number));
        }
    }

    /// By a mail in lower case, as it is listed.
    pub fn by_mail<'a>(&self, mail: &str, actors: &'a Actors) -> Option<&'a Actor> {
        let key = mail_key(mail);
        let from = self.by_mail.partition_point(|(known, _)| *known < key);
        let same = self.by_mail.get(from..)?.iter().take_while(|(known, _)| *known == key);
        let mut actors = same.filter_map(|(_, number)| actors.at(usize::try_from(*number).ok()?));
        actors.find(|actor| actor.mails.contains(mail))
    }

    /// How many persons have a key.
    pub fn population(&self) -> usize {
        self.people.len()
    }

    pub fn people(&self, actors: &Actors) -> &BTreeSet<ActorId> {
        &self.sets(actors).0
    }

    pub fn seniors(&self, actors: &Actors) -> &BTreeSet<ActorId> {
        &self.sets(actors).1
    }

    fn sets(&self, actors: &Actors) -> &(BTreeSet<ActorId>, BTreeSet<ActorId>) {
        let set = |numbers: &[Number]| ids(numbers, actors).cloned().collect();
        self.sets.get_or_init(|| (set(&self.people), set(&self.seniors)))
    }

    fn span(&self, group: &GroupId) -> &[Number] {
        let span = self.spans.get(group).cloned().unwrap_or_default();
        self.members.get(span).unwrap_or_default()
    }

    /// The persons of a group and of the groups below it; somebody who is in several of them more than once.
    pub fn members<'a>(&'a self, group: &GroupId, actors: &'a Actors) -> impl Iterator<Item = &'a ActorId> {
        ids(self.span(group), actors)
    }

    /// Whether a group with persons of its own is another one or lies below it.
    pub fn is_within(&self, group: &GroupId, other: &GroupId) -> bool {
        match (self.spans.get(group), self.spans.get(other)) {
            (Some(inner), Some(outer)) => outer.start <= inner.start && inner.end <= outer.end && !inner.is_empty(),
            (None, _) | (_, None) => false,
        }
    }
}

fn ids<'a>(numbers: &'a [Number], actors: &'a Actors) -> impl Iterator<Item = &'a ActorId> {
    numbers.iter().filter_map(|number| Some(&actors.at(usize::try_from(*number).ok()?)?.id))
}
