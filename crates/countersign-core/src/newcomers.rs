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

use crate::{
    governance::{Governance, newcomer::Newcomer},
    ids::ActorId,
    refusal::Refusal,
    snapshot::{ApprovalView, Snapshot, Together, WaiverView},
};

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

/// Whether somebody is a newcomer whom one of these enrolled, or enrolled one of them who is: they are not two people to this.
pub(crate) fn is_beside(governance: &Governance, people: &BTreeSet<ActorId>, person: &ActorId, now: Time) -> bool {
    governance.newcomers(now).any(|(id, newcomer)| {
        let enrolled = |other: &ActorId| other != id && newcomer.enrolled_by.contains(other);
        id == person && people.iter().any(enrolled) || people.contains(id) && enrolled(person)
    })
}

/// Refuses a newcomer and one who enrolled them as two of those who sign: one of them could be the other.
pub(crate) fn apart(governance: &Governance, people: &[&ActorId], now: Time) -> Result<(), Refusal> {
    let beside = |(id, newcomer): &(&ActorId, &Newcomer)| {
        people.contains(id) && people.iter().any(|person| person != id && newcomer.enrolled_by.contains(*person))
    };
    let Some((id, newcomer)) = governance.newcomers(now).find(beside) else { return Ok(()) };
    let by: Vec<&str> = newcomer.enrolled_by.iter().map(ActorId::as_str).collect();
    Err(Refusal::forbidden(
        "newcomer",
        format!(
            "{id} is a newcomer until {}, enrolled by {}: they are not two people to this",
            newcomer.until(),
            by.join(" and ")
        ),
    )
    .hint("let somebody else sign"))
}

/// How many people these are: a newcomer beside one who enrolled them is none.
pub(crate) fn counted(governance: &Governance, people: &BTreeSet<&ActorId>, now: Time) -> usize {
    let beside = |(id, newcomer): &(&ActorId, &Newcomer)| {
        people.contains(id) && people.iter().any(|person| person != id && newcomer.enrolled_by.contains(*person))
    };
    people.len().saturating_sub(governance.newcomers(now).filter(beside).count())
}

/// Refuses somebody beside whom these are not others: one of them enrolled them, or was enrolled by them.
pub(crate) fn beside(
    governance: &Governance,
    people: &BTreeSet<&ActorId>,
    person: &ActorId,
    now: Time,
) -> Result<(), Refusal> {
    let mut others = people.iter().filter(|other| **other != person);
    others.try_for_each(|other| apart(governance, &[*other, person], now))
}

/// Everybody who is not somebody else to these: newcomers whom one of them enrolled, and who enrolled one of them.
pub(crate) fn all_beside(governance: &Governance, people: &BTreeSet<ActorId>, now: Time) -> BTreeSet<ActorId> {
    let all = governance.newcomers(now).flat_map(|(id, newcomer)| newcomer.enrolled_by.iter().chain([id]));
    all.filter(|person| is_beside(governance, people, person, now)).cloned().collect()
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

/// Whoever enrolled a newcomer whose change it is, while none of them has approved it: the first approval of theirs does not count.
pub(crate) fn enrolled_its_maker(governance: &Governance, snapshot: &Snapshot, now: Time) -> BTreeSet<ActorId> {
    if !snapshot.targets.iter().any(|view| view.production || view.target.is_governance()) {
        return BTreeSet::new();
    }
    let approved = |person: &ActorId| snapshot.together.contains_key(person);
    let made_it = governance.newcomers(now).filter(|(id, _)| snapshot.contributors.contains(*id));
    let none_yet = made_it.filter(|(_, newcomer)| !newcomer.enrolled_by.iter().any(approved));
    none_yet.flat_map(|(id, newcomer)| newcomer.enrolled_by.iter().filter(move |by| *by != id).cloned()).collect()
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
