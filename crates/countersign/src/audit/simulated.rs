//! What other rules would have said of what a log decided: each change as it stood when it was last decided, put to the rules in
//! force at present and to the others. The log is followed first, so that every snapshot is one that a decision was taken from.
//!
//! Out of scope: who would have approved had they been asked. What is missing is counted, and shared out among the nearest.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    change::Change,
    decision::{Decision, Missing, Outcome, RuleDecision, RuleStatus, Token},
    explain::Scene,
    governance::{Blobs, Governance},
    ids::{ActorId, ChangeId, RuleId},
    presence::Presence,
    refusal::Refusal,
    requirement::Need,
    rules::{Rules, decide},
    snapshot::Snapshot,
    state::State,
    trust::Trust,
};
use countersign_ledger::{Digest, Time};
use serde::Serialize;

use super::{
    governed::{self, GovernedError},
    report::rounded,
};
const WEEK_SECS: f64 = 7.0 * 86_400.0;

/// A log's past under other rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Simulated {
    /// Changes that were decided.
    pub decided: u64,
    /// Of others the snapshot is not at hand.
    pub unread: u64,
    /// From the first of those decisions until now; a week at least.
    pub weeks: f64,
    pub allow_to_deny: Vec<Differs>,
    pub deny_to_allow: Vec<Differs>,
    /// Of either set, by their ids.
    pub rules: Vec<Simulates>,
}

/// A change of which the two sets say different things, and the rules by which they do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differs {
    pub change: ChangeId,
    pub by: Vec<RuleId>,
}

/// One rule; null where a set does not have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulates {
    pub id: RuleId,
    /// Changes that do not meet it as it is in force.
    pub unmet: Option<u64>,
    /// Changes that do not meet it as it would be.
    pub other_unmet: Option<u64>,
    /// Approvals that those lack.
    pub extra_approvals_per_week: f64,
    /// Among whom they would be shared out: the nearest.
    pub falls_on: BTreeMap<ActorId, f64>,
    /// Changes for which nobody could have supplied what is missing.
    pub nobody_could: u64,
}

/// What is added up of one rule.
#[derive(Default)]
struct Sum {
    unmet: Option<u64>,
    other_unmet: Option<u64>,
    approvals: f64,
    falls_on: BTreeMap<ActorId, f64>,
    nobody_could: u64,
}

/// What a log decided since a moment, under the rules in force and under others. With the governance that is in force.
pub fn simulate(
    place: &str,
    trust: &Trust,
    rules: Arc<Rules>,
    (since, now): (Time, Time),
    blob: &Blobs<'_>,
) -> Result<(Simulated, Arc<Governance>), GovernedError> {
    governed::copied(place, trust, now, async |follower| {
        let governance = follower.governance().await?;
        let mut other = (*governance).clone();
        other.rules = rules;
        let other = Arc::new(other);
        let mut past = Past::of(&governance, &other);
        for change in governed::changes(follower).await? {
            let newest = change.decisions.iter().rfind(|decision| decision.at >= since);
            let Some(newest) = newest else { continue };
            match snapshot(blob, &newest.decision).and_then(|snapshot| past.seen(&snapshot, &change)) {
                Some(seen) => past.put(&change, &seen, newest.at)?,
                None => past.simulated.unread += 1,
            }
        }
        Ok((past.end(now), governance))
    })
}

/// The snapshot that a decision was taken from. A copy of a log does without both; the leaf that was followed names them by
/// their digests.
fn snapshot(blob: &Blobs<'_>, decision: &Digest) -> Option<Snapshot> {
    let blob = |digest: &Digest| blob(digest).filter(|bytes| Digest::of(bytes) == *digest);
    let decision: Decision = serde_json::from_slice(&blob(decision)?).ok()?;
    serde_json::from_slice(&blob(&decision.snapshot_digest)?).ok()
}

/// One snapshot, as each of the two sets sees it.
struct Seen {
    one: Snapshot,
    other: Snapshot,
}

struct Past {
    one: State,
    other: State,
    first: Option<Time>,
    sums: BTreeMap<RuleId, Sum>,
    simulated: Simulated,
}

impl Past {
    fn of(one: &Arc<Governance>, other: &Arc<Governance>) -> Self {
        let state = |governance: &Arc<Governance>| State::part(Arc::clone(governance)).confined([].into());
        let mut sums: BTreeMap<RuleId, Sum> = BTreeMap::new();
        one.rules.iter().for_each(|rule| sums.entry(rule.id.clone()).or_default().unmet = Some(0));
        other.rules.iter().for_each(|rule| sums.entry(rule.id.clone()).or_default().other_unmet = Some(0));
        Self { one: state(one), other: state(other), first: None, sums, simulated: Simulated::default() }
    }

    fn seen(&self, logged: &Snapshot, change: &Change) -> Option<Seen> {
        let by = |state: &State| logged.as_asked_by(&state.governance, change);
        Some(Seen { one: by(&self.one)?, other: by(&self.other)? })
    }

    fn put(&mut self, change: &Change, seen: &Seen, at: Time) -> Result<(), Refusal> {
        self.simulated.decided += 1;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        let one = decide(&self.one.governance.rules, &seen.one, at);
        let other = decide(&self.other.governance.rules, &seen.other, at);
        let stopping = |decision: &Decision| -> Vec<RuleId> {
            decision.rules.iter().filter(|rule| Decision::stops(rule)).map(|rule| rule.id.clone()).collect()
        };
        let differs = |by: &Decision| Differs { change: change.id.clone(), by: stopping(by) };
        match (one.outcome, other.outcome) {
            (Outcome::Allow, Outcome::Deny) => self.simulated.allow_to_deny.push(differs(&other)),
            (Outcome::Deny, Outcome::Allow) => self.simulated.deny_to_allow.push(differs(&one)),
            (Outcome::Allow, Outcome::Allow) | (Outcome::Deny, Outcome::Deny) => {}
        }
        for rule in one.rules.iter().filter(|rule| is_unmet(rule)) {
            let sum = self.sums.entry(rule.id.clone()).or_default();
            sum.unmet = Some(sum.unmet.unwrap_or_default() + 1);
        }
        let presence = Presence::default();
        let scene = Scene::of(&self.other, change, &seen.other, &presence, at)?;
        let told = scene.explain(&other, at);
        for (rule, told) in other.rules.iter().zip(&told.rules).filter(|(rule, _)| is_unmet(rule)) {
            let sum = self.sums.entry(rule.id.clone()).or_default();
            sum.other_unmet = Some(sum.other_unmet.unwrap_or_default() + 1);
            let lacking = approvals(rule);
            sum.approvals += f64::from(lacking);
            let who: Vec<&ActorId> = told.obligations.iter().flat_map(|todo| &todo.who).collect();
            sum.nobody_could += u64::from(who.is_empty());
            for person in &who {
                *sum.falls_on.entry((*person).clone()).or_default() += f64::from(lacking) / who.len() as f64;
            }
        }
        Ok(())
    }

    fn end(self, now: Time) -> Simulated {
        let from = self.first.unwrap_or(now);
        let secs = now.unix_millis().saturating_sub(from.unix_millis()) / 1_000;
        let weeks = (secs as f64 / WEEK_SECS).max(1.0);
        let per_week = |number: f64| rounded(number / weeks, 100.0);
        let simulates = |(id, sum): (RuleId, Sum)| Simulates {
            id,
            unmet: sum.unmet,
            other_unmet: sum.other_unmet,
            extra_approvals_per_week: per_week(sum.approvals),
            falls_on: sum
                .falls_on
                .into_iter()
                .map(|(person, share)| (person, per_week(share)))
                .filter(|(_, share)| *share > 0.0)
                .collect(),
            nobody_could: sum.nobody_could,
        };
        let rules = self.sums.into_iter().map(simulates).collect();
        Simulated { weeks: rounded(weeks, 10.0), rules, ..self.simulated }
    }
}

/// Whether or not it binds: a rule in watch shows what it would do.
fn is_unmet(rule: &RuleDecision) -> bool {
    match rule.status {
        RuleStatus::Unsatisfied | RuleStatus::Error => true,
        RuleStatus::Satisfied | RuleStatus::NotApplicable | RuleStatus::Waived | RuleStatus::SetAside => false,
    }
}

/// How many approvals are missing, by the first of the ways.
fn approvals(rule: &RuleDecision) -> u32 {
    let of = |missing: &Missing| match &missing.token {
        Token::Requirement(requirement) => match requirement.need {
            Need::Approvals { .. } | Need::Apart(_) => missing.count,
            Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Has(_) | Need::Disclosure => 0,
        },
        _ => 0,
    };
    rule.missing.iter().map(of).sum()
}
