//! What the log says of a time: which approvals were given, and which of them let a change through.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};

use super::{WEEK_SECS, minutes, weeks};
use crate::{
    change::{ApprovalRecord, Change, PermitRecord},
    decision::{Decision, Outcome, RuleStatus},
    governance::{Blobs, Governance},
    ids::{ActorId, ChangeId, GroupId, RuleId, SystemId},
    requirement::{Choice, Need},
    take,
};

/// So many decisions are read, the newest: what is told by rule is told of those.
const MAX_DECISIONS: usize = 500;

/// The last whole weeks of a log, as far as approvals go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub from: Time,
    pub until: Time,
    /// That have begun since the first of it; none where there is nothing.
    pub weeks: u32,
    /// Every approval, whether or not anything came of it.
    pub given: Vec<Given>,
    /// What was let through on approvals.
    pub asks: Vec<Ask>,
    /// Changes that were proposed in that time, by system.
    pub proposed: BTreeMap<SystemId, u64>,
    /// Changes that are not through yet, by system.
    pub open: BTreeMap<SystemId, u64>,
}

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub by: ActorId,
    pub at: Time,
    pub systems: BTreeSet<SystemId>,
}

/// A change that was let through, and the approvals by which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub change: ChangeId,
    pub systems: BTreeSet<SystemId>,
    /// Who owns them.
    pub groups: BTreeSet<GroupId>,
    /// The rules that asked for approvals, where the decision was at hand.
    pub rules: BTreeSet<RuleId>,
    /// When the first of what was approved came.
    pub at: Time,
    /// Who had a hand in it.
    pub hands: BTreeSet<ActorId>,
    /// In the order in which they came.
    pub answers: Vec<Answer>,
}

/// One of those approvals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub by: ActorId,
    /// When what it approves came.
    pub asked: Time,
    pub at: Time,
    /// How long that waited: in working hours where a calendar says when the owners work.
    pub minutes: u64,
}

impl History {
    /// The last weeks of these changes, of one system if that is said, as governance names owners and calendars now.
    pub fn of<'a>(
        governance: &Governance,
        changes: impl IntoIterator<Item = &'a Change>,
        system: Option<&SystemId>,
        (wanted, until): (u32, Time),
        blob: &Blobs<'_>,
    ) -> Self {
        let meant = |change: &&Change| system.is_none_or(|id| change.targets.iter().any(|target| target.system == *id));
        let changes: Vec<&Change> = changes.into_iter().filter(meant).collect();
        let first = changes.iter().map(|change| change.proposed_at).min().unwrap_or(until);
        // A week that a log is younger than counts whole.
        let begun = weeks(first.plus_secs(1_i64.saturating_sub(WEEK_SECS)), until, wanted);
        let from = until.plus_secs(WEEK_SECS.saturating_mul(i64::from(begun.max(1))).saturating_neg());
        let mut history = Self {
            from,
            until,
            weeks: begun,
            given: Vec::new(),
            asks: Vec::new(),
            proposed: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        let decisions: BTreeMap<&ChangeId, Digest> =
            changes.into_iter().filter_map(|change| Some((&change.id, history.add(governance, change)?))).collect();
        history.given.sort_by(|one, other| (one.at, &one.by).cmp(&(other.at, &other.by)));
        history.asks.sort_by(|one, other| (one.at, &one.change).cmp(&(other.at, &other.change)));
        for ask in history.asks.iter_mut().rev().take(MAX_DECISIONS) {
            let decision = decisions.get(&ask.change).and_then(|digest| decided(digest, blob));
            ask.rules = decision.map(|decision| asking(governance, &decision)).unwrap_or_default();
        }
        history
    }

    /// How many approvals each person gave, week by week.
    pub fn by_week(&self) -> BTreeMap<&ActorId, Vec<u64>> {
        let mut by: BTreeMap<&ActorId, Vec<u64>> = BTreeMap::new();
        let last = usize::try_from(self.weeks.max(1)).unwrap_or(usize::MAX).saturating_sub(1);
        for given in &self.given {
            let week = usize::try_from(weeks(self.from, given.at, u32::MAX)).unwrap_or(last).min(last);
            let counts = by.entry(&given.by).or_insert_with(|| (0..=last).map(|_| 0).collect());
            if let Some(count) = counts.get_mut(week) {
                *count = count.saturating_add(1);
            }
        }
        by
    }

    fn is_within(&self, at: Time) -> bool {
        self.from <= at && at <= self.until
    }

    /// Gives the decision by which it was let through, if it was.
    fn add(&mut self, governance: &Governance, change: &Change) -> Option<Digest> {
        let systems: BTreeSet<SystemId> = change.targets.iter().map(|target| target.system.clone()).collect();
        let count = |of: &mut BTreeMap<SystemId, u64>| {
            for system in &systems {
                let known = of.entry(system.clone()).or_default();
                *known = known.saturating_add(1);
            }
        };
        if self.is_within(change.proposed_at) {
            count(&mut self.proposed);
        }
        if change.status.is_open() {
            count(&mut self.open);
        }
        let given = change.approvals.iter().filter(|approval| self.is_within(approval.at));
        let given = given.map(|approval| (approval.by.clone(), approval.at));
        let given: Vec<Given> = given.map(|(by, at)| Given { by, at, systems: systems.clone() }).collect();
        self.given.extend(given);
        let ordinary = |permit: &&PermitRecord| permit.broken.is_none() && !permit.rollback;
        let permit = change.permits.iter().find(ordinary).filter(|permit| self.is_within(permit.issued_at))?;
        let hands = take::contributors(governance, change).all;
        let used = |approval: &&ApprovalRecord| {
            let of_it = approval.revision == permit.revision || change.may_carry(approval);
            of_it && approval.at <= permit.issued_at && !hands.contains(&approval.by)
        };
        let owners = systems.iter().filter_map(|system| Some(&governance.catalog.systems.get(system)?.owner));
        let groups: BTreeSet<GroupId> = owners.cloned().collect();
        let asked = |approval: &ApprovalRecord| {
            let revision = change.revisions.iter().find(|revision| revision.reference == approval.revision);
            revision.map_or(change.proposed_at, |revision| revision.at)
        };
        let mut answers: BTreeMap<&ActorId, Answer> = BTreeMap::new();
        for approval in change.approvals.iter().filter(used) {
            let (by, asked, at) = (approval.by.clone(), asked(approval), approval.at);
            let minutes = waited(governance, groups.first(), asked, at);
            answers.entry(&approval.by).or_insert(Answer { by, asked, at, minutes });
        }
        let mut answers: Vec<Answer> = answers.into_values().collect();
        answers.sort_by(|one, other| (one.at, &one.by).cmp(&(other.at, &other.by)));
        let at = answers.iter().map(|answer| answer.asked).min()?;
        self.asks.push(Ask { change: change.id.clone(), systems, groups, rules: BTreeSet::new(), at, hands, answers });
        let allowed = change.decisions.iter().rfind(|decision| {
            decision.outcome == Outcome::Allow
                && decision.revision == permit.revision
                && decision.at <= permit.issued_at
        });
        allowed.map(|decision| decision.decision)
    }
}

fn waited(governance: &Governance, owner: Option<&GroupId>, from: Time, until: Time) -> u64 {
    let (calendars, catalog) = (&governance.calendars, &governance.catalog);
    match owner.filter(|owner| calendars.says_when(owner, catalog)) {
        Some(owner) => u64::from(calendars.worked_minutes(owner, catalog, from, until)),
        None => minutes(from, until),
    }
}

fn decided(digest: &Digest, blob: &Blobs<'_>) -> Option<Decision> {
    let bytes = blob(digest).filter(|bytes| Digest::of(bytes) == *digest)?;
    serde_json::from_slice(&bytes).ok()
}

/// The rules that were met and that ask for approvals.
fn asking(governance: &Governance, decision: &Decision) -> BTreeSet<RuleId> {
    let asks = |id: &RuleId| {
        let choices = governance.rules.get(id).into_iter().flat_map(|rule| &rule.requires);
        choices.flat_map(Choice::ways).any(|way| match way.need {
            Need::Approvals { .. } | Need::Apart(_) => true,
            Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Disclosure | Need::Has(_) => false,
        })
    };
    let met = decision.rules.iter().filter(|rule| rule.status == RuleStatus::Satisfied);
    met.map(|rule| rule.id.clone()).filter(asks).collect()
}
