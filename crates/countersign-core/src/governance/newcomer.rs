//! Newcomers: who got their first key lately, by a publication, and from whom. What follows from that is in
//! `crate::newcomers`.

use std::collections::BTreeSet;

use countersign_ledger::{PublicKey, Time};
use serde::{Deserialize, Serialize};

use super::Governance;
use crate::{
    catalog::{Actor, ActorKind},
    ids::ActorId,
};

/// How long somebody is new.
pub const NEW_FOR_SECS: i64 = 30 * 24 * 60 * 60;

/// Somebody who got their first key by a publication, or another one on the word of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    pub since: Time,
    /// Who proposed it, who submitted a revision of it, and who approved any.
    pub enrolled_by: BTreeSet<ActorId>,
}

impl Newcomer {
    pub fn until(&self) -> Time {
        self.since.plus_secs(NEW_FOR_SECS)
    }
}

impl Governance {
    /// Remembers who is new by what was published, and forgets who is new no more. `behind` are those who say what is published,
    /// `hands` they and whoever had a hand in it.
    pub(crate) fn enrol(&mut self, before: &Self, behind: &BTreeSet<ActorId>, hands: &BTreeSet<ActorId>, at: Time) {
        let newcomers = &mut self.record.newcomers;
        newcomers.retain(|_, newcomer| at < newcomer.until());
        // A key that others say is somebody's could be one of theirs; who stands behind it says so of their own.
        let given = |actor: &&Actor| {
            let had = |key: &PublicKey| before.person(&actor.id).is_some_and(|was| was.keys.contains(key));
            actor.kind == ActorKind::Person && !behind.contains(&actor.id) && !actor.keys.iter().all(had)
        };
        let given: Vec<ActorId> = self.catalog.actors.values().filter(given).map(|actor| actor.id.clone()).collect();
        given.iter().for_each(|id| self.given_a_key(id, hands.clone(), at));
    }

    /// Remembers whom others gave a key: they could have kept it.
    pub(crate) fn given_a_key(&mut self, of: &ActorId, by: BTreeSet<ActorId>, at: Time) {
        let known = self.record.newcomers.remove(of).filter(|newcomer| at < newcomer.until());
        let before = known.map(|newcomer| newcomer.enrolled_by).unwrap_or_default();
        let newcomer = Newcomer { since: at, enrolled_by: by.into_iter().chain(before).collect() };
        self.record.newcomers.insert(of.clone(), newcomer);
    }

    /// Who is new now.
    pub(crate) fn newcomers(&self, now: Time) -> impl Iterator<Item = (&ActorId, &Newcomer)> {
        self.record.newcomers.iter().filter(move |(_, newcomer)| now < newcomer.until())
    }
}
