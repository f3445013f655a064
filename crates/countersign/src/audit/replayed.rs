//! What rules would have done to the past, as programs read it.

use std::{collections::BTreeMap, panic::resume_unwind, sync::Arc, thread};

use countersign_audit::replay::{self, Assumptions, Course, Past, Replay, RuleReplay, WaitBasis};
use countersign_core::{
    decision::{Mode, Outcome, Strength},
    ids::{InvalidId, Oid, RuleId},
    rules::Rules,
};
use serde::Serialize;

use super::{Judged, names::Names, report::rounded};

/// Changes that are named where two sets of rules differ.
const EXAMPLES: usize = 5;

/// A set of rules, and what it is called in the report.
#[derive(Debug)]
pub struct RuleSet {
    pub name: String,
    pub rules: Arc<Rules>,
}

/// Everything that was replayed.
#[derive(Debug)]
pub struct Replayed {
    pub assumptions: Assumptions,
    /// What of the rules a past cannot be judged by.
    pub not_judged: Option<String>,
    first: (String, Replay),
    second: Option<(String, Replay)>,
}

/// Puts the past to one set of rules, or to two.
pub fn replay_all(judged: &Judged, rules: &RuleSet, compare: Option<&RuleSet>) -> Result<Replayed, InvalidId> {
    let past =
        Past { changes: &judged.changes, people: &judged.people, areas: &judged.scope.areas, reverts: &judged.reverts };
    let sets: Vec<&Rules> = std::iter::once(rules).chain(compare).map(|set| &*set.rules).collect();
    let (assumptions, replays) = ask(&Course::new(past, &sets)?)?;
    let mut replays = std::iter::once(rules).chain(compare).map(|set| set.name.clone()).zip(replays);
    let nothing = || {
        let all = replay::All::default();
        (
            rules.name.clone(),
            Replay { rules: Vec::new(), all, curve: Vec::new(), outcomes: Vec::new(), stopped: Vec::new() },
        )
    };
    Ok(Replayed {
        assumptions,
        not_judged: replay::not_judged(&sets),
        first: replays.next().unwrap_or_else(nothing),
        second: replays.next(),
    })
}

/// Asks about all of a history, side by side.
pub fn ask(course: &Course<'_>) -> Result<(Assumptions, Vec<Replay>), InvalidId> {
    let asked: Result<Vec<_>, InvalidId> = thread::scope(|scope| {
        let running: Vec<_> = course.stretches().map(|stretch| scope.spawn(|| course.ask(stretch))).collect();
        // What panics on a thread of its own panics here too.
        running.into_iter().map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    Ok(course.close(asked?))
}

#[derive(Debug, Serialize)]
pub struct Rule {
    pub id: RuleId,
    pub mode: Mode,
    pub strength: Strength,
    pub applied: u64,
    pub stopped: u64,
    pub stopped_reverted: u64,
    pub missing: Vec<Missing>,
    pub extra_approvals_per_week: f64,
    pub falls_on: Vec<FallsOn>,
    pub nobody_could: u64,
    pub added_hours_per_week: f64,
}

#[derive(Debug, Serialize)]
pub struct Missing {
    pub what: String,
    pub changes: u64,
}

#[derive(Debug, Serialize)]
pub struct FallsOn {
    pub person: String,
    pub approvals_per_week: f64,
}

/// The set as a whole.
#[derive(Debug, Serialize)]
pub struct Whole {
    pub rules: String,
    pub judged: u64,
    pub reverted: u64,
    pub stopped: u64,
    pub stopped_reverted: u64,
    pub denied: u64,
    pub denied_reverted: u64,
    pub curve: Vec<Point>,
    pub weeks: f64,
    pub wait_hours: f64,
    pub wait_from: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Point {
    pub rule: RuleId,
    pub stopped: u64,
    pub stopped_share: f64,
    pub reverted: u64,
    pub reverted_share: f64,
}

/// A rule that a change did not meet.
#[derive(Debug, Serialize)]
pub struct StoppedBy {
    pub rule: RuleId,
    pub lacks: Vec<String>,
    pub nobody_could: bool,
}

/// What the rules say of one change.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub stopped_by: Vec<StoppedBy>,
    pub denied: bool,
    /// Under the second set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_denied: Option<bool>,
}

/// Two sets side by side: `other` is what `--compare` names.
#[derive(Debug, Serialize)]
pub struct Compare {
    pub rules: String,
    pub other: String,
    pub each: Vec<Both>,
    pub denied: u64,
    pub other_denied: u64,
    pub allow_to_deny: Differ,
    pub deny_to_allow: Differ,
}

/// A rule in both sets; null where a set does not have it.
#[derive(Debug, Serialize)]
pub struct Both {
    pub id: RuleId,
    pub stopped: Option<u64>,
    pub stopped_reverted: Option<u64>,
    pub extra_approvals_per_week: Option<f64>,
    pub other_stopped: Option<u64>,
    pub other_stopped_reverted: Option<u64>,
    pub other_extra_approvals_per_week: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Differ {
    pub changes: u64,
    pub reverted: u64,
    pub examples: Vec<Oid>,
}

impl Replayed {
    pub fn rules(&self, names: &Names<'_>) -> Vec<Rule> {
        self.first.1.rules.iter().map(|rule| of_rule(rule, names)).collect()
    }

    /// The rules of the other set.
    pub fn other_rules(&self, names: &Names<'_>) -> Vec<Rule> {
        self.second.iter().flat_map(|(_, replay)| &replay.rules).map(|rule| of_rule(rule, names)).collect()
    }

    pub fn whole(&self) -> Whole {
        let (name, replay) = &self.first;
        let all = replay.all;
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { rounded(part as f64 / of as f64, 10_000.0) };
        let point = |point: &replay::CurvePoint| Point {
            rule: point.rule.clone(),
            stopped: point.stopped,
            stopped_share: share(point.stopped, all.judged),
            reverted: point.reverted,
            reverted_share: share(point.reverted, all.reverted),
        };
        Whole {
            rules: name.clone(),
            judged: all.judged,
            reverted: all.reverted,
            stopped: all.stopped,
            stopped_reverted: all.stopped_reverted,
            denied: all.denied,
            denied_reverted: all.denied_reverted,
            curve: replay.curve.iter().map(point).collect(),
            weeks: rounded(self.assumptions.weeks, 10.0),
            wait_hours: rounded(self.assumptions.wait_hours(), 100.0),
            wait_from: match self.assumptions.wait_basis {
                WaitBasis::DatedApprovals => "dated_approvals",
                WaitBasis::Landing => "landing",
            },
        }
    }

    /// Of the change at a place; none of one about which no rule was asked.
    pub fn verdict(&self, at: usize) -> Option<Verdict> {
        let (_, replay) = &self.first;
        let denied = |replay: &Replay| replay.outcomes.get(at)?.map(|outcome| outcome == Outcome::Deny);
        let stopped_by = replay.stopped.get(at)?.iter().filter_map(|stopped| {
            let rule = replay.rules.get(stopped.rule)?;
            let lacks = stopped.lacks.iter().filter_map(|place| rule.asks.get(*place)).cloned().collect();
            Some(StoppedBy { rule: rule.id.clone(), lacks, nobody_could: stopped.nobody_could })
        });
        Some(Verdict {
            denied: denied(replay)?,
            stopped_by: stopped_by.collect(),
            other_denied: self.second.as_ref().and_then(|(_, replay)| denied(replay)),
        })
    }

    pub fn compare(&self, judged: &Judged) -> Option<Compare> {
        let (other_name, other) = self.second.as_ref()?;
        let (name, one) = &self.first;
        let found = replay::compare(one, other);
        let mut each: BTreeMap<&RuleId, (Option<&RuleReplay>, Option<&RuleReplay>)> = BTreeMap::new();
        for rule in &one.rules {
            each.entry(&rule.id).or_default().0 = Some(rule);
        }
        for rule in &other.rules {
            each.entry(&rule.id).or_default().1 = Some(rule);
        }
        let per_week = |rule: &RuleReplay| rounded(rule.extra_approvals_per_week, 100.0);
        let both = |(id, (one, other)): (&RuleId, (Option<&RuleReplay>, Option<&RuleReplay>))| Both {
            id: id.clone(),
            stopped: one.map(|rule| rule.stopped),
            stopped_reverted: one.map(|rule| rule.stopped_reverted),
            extra_approvals_per_week: one.map(per_week),
            other_stopped: other.map(|rule| rule.stopped),
            other_stopped_reverted: other.map(|rule| rule.stopped_reverted),
            other_extra_approvals_per_week: other.map(per_week),
        };
        Some(Compare {
            rules: name.clone(),
            other: other_name.clone(),
            each: each.into_iter().map(both).collect(),
            denied: one.all.denied,
            other_denied: other.all.denied,
            allow_to_deny: differ(&found.allow_to_deny, judged),
            deny_to_allow: differ(&found.deny_to_allow, judged),
        })
    }
}

fn of_rule(rule: &RuleReplay, names: &Names<'_>) -> Rule {
    let falls_on = rule.falls_on.iter().map(|part| FallsOn {
        person: names.of(part.person),
        approvals_per_week: rounded(part.approvals_per_week, 100.0),
    });
    let missing = rule.missing.iter().map(|m| Missing { what: m.what.clone(), changes: m.changes });
    Rule {
        id: rule.id.clone(),
        mode: rule.mode,
        strength: rule.strength,
        applied: rule.applied,
        stopped: rule.stopped,
        stopped_reverted: rule.stopped_reverted,
        missing: missing.collect(),
        extra_approvals_per_week: rounded(rule.extra_approvals_per_week, 100.0),
        falls_on: falls_on.collect(),
        nobody_could: rule.nobody_could,
        added_hours_per_week: rounded(rule.added_hours_per_week, 100.0),
    }
}

/// With the newest as examples, which somebody may remember.
fn differ(changes: &[usize], judged: &Judged) -> Differ {
    let reverted = changes.iter().filter(|at| judged.reverts.of(**at).is_some()).count();
    let examples = changes.iter().rev().filter_map(|at| judged.changes.get(*at)).take(EXAMPLES);
    Differ {
        changes: u64::try_from(changes.len()).unwrap_or(u64::MAX),
        reverted: u64::try_from(reverted).unwrap_or(u64::MAX),
        examples: examples.map(|change| change.commit.clone()).collect(),
    }
}
