//! Newcomers: two people can enrol somebody who is nobody but one of them. So for a while a newcomer and those who enrolled them are
//! not two people to one decision about production, or about what governs.
//!
//! A newcomer's approval or waiver does not count where one who enrolled them had a hand in the change, or approves or waives, too.
//! Of a newcomer's own change the approval of whoever enrolled them does not count; where several who did approve, the strongest
//! of these does not: one of them could be the newcomer, and not two.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use super::Governance;
use crate::{
    catalog::ActorKind,
    ids::ActorId,
    snapshot::{ApprovalView, Snapshot, Together, WaiverView},
};

/// How long somebody is new.
pub const NEW_FOR_SECS: i64 = 30 * 24 * 60 * 60;

/// Somebody who got their first key by a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    pub since: Time,
    /// Who proposed and who approved it.
    pub enrolled_by: BTreeSet<ActorId>,
}

impl Newcomer {
    fn until(&self) -> Time {
        self.since.plus_secs(NEW_FOR_SECS)
    }
}

impl Governance {
    /// Remembers who is new by what was published, and forgets who is new no more.
    pub(crate) fn enrol(&mut self, before: &Self, behind: &BTreeSet<ActorId>, at: Time) {
        let newcomers = &mut self.record.newcomers;
        newcomers.retain(|_, newcomer| at < newcomer.until());
        for actor in self.catalog.actors.values() {
            let had_a_key = before.person(&actor.id).is_some_and(|was| !was.keys.is_empty());
            if actor.kind == ActorKind::Person && !actor.keys.is_empty() && !had_a_key {
                newcomers.insert(actor.id.clone(), Newcomer { since: at, enrolled_by: behind.clone() });
            }
        }
    }

    /// Who is new now.
    fn newcomers(&self, now: Time) -> impl Iterator<Item = (&ActorId, &Newcomer)> {
        self.record.newcomers.iter().filter(move |(_, newcomer)| now < newcomer.until())
    }
}

/// Whose approvals and waivers do not count. Of the same person's approvals one is enough to tell.
pub(crate) fn together(
    governance: &Governance,
    contributors: &BTreeSet<ActorId>,
    approvals: &[&ApprovalView],
    waivers: &[WaiverView],
    now: Time,
) -> BTreeMap<ActorId, Together> {
    let mut found = BTreeMap::new();
    let spoke = || approvals.iter().map(|approval| &approval.by).chain(waivers.iter().map(|waiver| &waiver.by));
    for (id, newcomer) in governance.newcomers(now) {
        let enrolled = |person: &ActorId| newcomer.enrolled_by.contains(person) && person != id;
        let together =
            || Together { newcomer: id.clone(), enrolled_by: newcomer.enrolled_by.clone(), until: newcomer.until() };
        if spoke().any(|by| by == id) && contributors.iter().chain(spoke()).any(enrolled) {
            found.insert(id.clone(), together());
        }
        if contributors.contains(id) {
            let approve = approvals.iter().filter(|approval| enrolled(&approval.by));
            let standing =
                |approval: &&&ApprovalView| (approval.senior, approval.owns.len(), approval.assurance, approval.seen);
            if let Some(strongest) = approve.max_by_key(standing) {
                found.insert(strongest.by.clone(), together());
            }
            for waiver in waivers.iter().filter(|waiver| enrolled(&waiver.by)) {
                found.insert(waiver.by.clone(), together());
            }
        }
    }
    found
}

/// Newcomers whose approval would not count beside whoever had a part in the change.
pub(crate) fn would_not_count(governance: &Governance, snapshot: &Snapshot, now: Time) -> BTreeSet<ActorId> {
    if !snapshot.targets.iter().any(|view| view.production || view.target.is_governance()) {
        return BTreeSet::new();
    }
    let part = || snapshot.contributors.iter().chain(snapshot.approvals.iter().map(|approval| &approval.by));
    let beside = |(_, newcomer): &(&ActorId, &Newcomer)| part().any(|person| newcomer.enrolled_by.contains(person));
    governance.newcomers(now).filter(beside).map(|(id, _)| id.clone()).collect()
}

impl fmt::Display for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { newcomer, enrolled_by, until } = self;
        let by: Vec<&str> = enrolled_by.iter().map(ActorId::as_str).collect();
        write!(
            f,
            "{newcomer} is a newcomer until {until}, enrolled by {}: they do not count together",
            by.join(" and ")
        )
    }
}
