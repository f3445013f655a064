//! Counting what a set of rules says of change after change.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    decision::{Mode, Outcome, RuleStatus, Strength},
    ids::{ActorId, RuleId},
    requirement::{Choice, Need, Role},
    rules::{Rule, Rules, WeighedRule, builtin, count, weigh},
    snapshot::{Snapshot, TargetView},
};
use countersign_ledger::Time;

use super::{
    Assumptions, Replay, by_worth,
    known::{Actors, Known, Person, There},
};
use crate::people::IdentityId;

/// Most people on whom a rule's extra approvals are said to fall.
const MAX_FALLS_ON: usize = 10;

/// What one rule would have done.
#[derive(Clone, Debug)]
pub struct RuleReplay {
    pub id: RuleId,
    pub mode: Mode,
    pub strength: Strength,
    /// What it asks for, in words: each requirement, and last the rule as a whole.
    pub asks: Vec<String>,
    /// Changes to which it applied.
    pub applied: u64,
    /// Changes for which it was not met: those that it alone would have stopped, were it enforced.
    pub stopped: u64,
    /// Of those, the ones that a later change took back.
    pub stopped_reverted: u64,
    /// What would have satisfied it; a change may lack several things.
    pub missing: Vec<Missing>,
    pub extra_approvals_per_week: f64,
    /// The people who could have given them, most first.
    pub falls_on: Vec<Part>,
    /// Stopped changes for which too few people could have given what it asks.
    pub nobody_could: u64,
    /// Hours that changes would have waited for approvals.
    pub added_hours_per_week: f64,
}

/// What a rule asks for, and how many of the changes that it stopped lacked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub what: String,
    pub changes: u64,
}

/// That a rule was not met by a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Its place in [`Replay::rules`].
    pub rule: usize,
    /// Places in its [`RuleReplay::asks`].
    pub lacks: Vec<usize>,
    /// Too few people could have given what it asks.
    pub nobody_could: bool,
}

/// A person's part in the extra approvals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    pub person: IdentityId,
    pub approvals_per_week: f64,
}

/// The set as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct All {
    /// Changes that the rules were asked about, and how many of them were reverted.
    pub judged: u64,
    pub reverted: u64,
    /// Changes for which any rule was not met, whatever its mode.
    pub stopped: u64,
    pub stopped_reverted: u64,
    /// Changes that the set as it stands denies: rules in watch do not bind.
    pub denied: u64,
    pub denied_reverted: u64,
}

/// This rule and those before it, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurvePoint {
    pub rule: RuleId,
    pub stopped: u64,
    pub reverted: u64,
}

/// One change, put to the rules.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub snapshot: &'a Snapshot,
    pub there: &'a There,
    pub now: Time,
    pub reverted: bool,
    pub known: &'a Known,
}

#[derive(Debug, Default)]
struct Counts {
    applied: u64,
    stopped: u64,
    stopped_reverted: u64,
    /// By requirement of the rule.
    missing: Vec<u64>,
    /// None of its requirements says what is missing.
    unsaid: u64,
    approvals: u64,
    waits: u64,
    nobody_could: u64,
    /// By person; empty until somebody is asked.
    falls_on: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct Tally<'r> {
    rules: &'r Rules,
    actors: usize,
    /// In the order of the rules' ids.
    counts: Vec<Counts>,
    builtin: BTreeMap<RuleId, (Counts, String)>,
    all: All,
    outcomes: Vec<Option<Outcome>>,
    /// By change, also of those that nothing stopped.
    stops: Vec<Stops>,
}

/// What stopped one change.
#[derive(Debug, Default)]
struct Stops {
    rules: Vec<Stopped>,
    /// Their places are known once all are.
    checks: Vec<RuleId>,
    reverted: bool,
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl<'r> Tally<'r> {
    pub fn new(rules: &'r Rules, actors: usize) -> Self {
        let counts = rules.iter().map(|rule| Counts { missing: vec![0; rule.requires.len()], ..Counts::default() });
        Self {
            rules,
            actors,
            counts: counts.collect(),
            builtin: BTreeMap::new(),
            all: All::default(),
            outcomes: Vec::new(),
            stops: Vec::new(),
        }
    }

    /// A change about which no rule is asked.
    pub fn pass_over(&mut self) {
        self.outcomes.push(None);
        self.stops.push(Stops::default());
    }

    pub fn ask(&mut self, asked: &Asked<'_>) {
        let reverted = u64::from(asked.reverted);
        let weighed = weigh(self.rules, asked.snapshot, asked.now);
        one_more(&mut self.all.judged);
        self.all.reverted = self.all.reverted.saturating_add(reverted);
        let mut stops = Stops { reverted: asked.reverted, ..Stops::default() };
        let mut candidates = Candidates::default();
        for (number, (rule, counts)) in weighed.rules.iter().zip(&mut self.counts).enumerate() {
            match rule.status {
                RuleStatus::NotApplicable => continue,
                RuleStatus::Satisfied | RuleStatus::Waived | RuleStatus::SetAside => one_more(&mut counts.applied),
                RuleStatus::Unsatisfied | RuleStatus::Error => {
                    one_more(&mut counts.applied);
                    counts.stop(asked.reverted);
                    let (lacks, nobody_could) = counts.lacks(rule, asked, &mut candidates, self.actors);
                    stops.rules.push(Stopped { rule: number, lacks, nobody_could });
                }
            }
        }
        for check in weighed.builtin_stops() {
            let entry = self.builtin.entry(check.id.clone());
            let words = || builtin::words(check.id.as_str()).map(|words| words.requires).unwrap_or_default();
            let (counts, _) = entry.or_insert_with(|| (Counts::default(), words()));
            one_more(&mut counts.applied);
            counts.stop(asked.reverted);
            one_more(&mut counts.unsaid);
            stops.checks.push(check.id.clone());
        }
        let denied = match weighed.outcome {
            Outcome::Allow => 0,
            Outcome::Deny => 1,
        };
        self.all.denied = self.all.denied.saturating_add(denied);
        self.all.denied_reverted = self.all.denied_reverted.saturating_add(denied & reverted);
        if !stops.rules.is_empty() || !stops.checks.is_empty() {
            one_more(&mut self.all.stopped);
            self.all.stopped_reverted = self.all.stopped_reverted.saturating_add(reverted);
        }
        self.stops.push(stops);
        self.outcomes.push(Some(weighed.outcome));
    }

    /// Puts what was counted over later changes behind this.
    pub fn append(&mut self, later: Self) {
        for (counts, later) in self.counts.iter_mut().zip(later.counts) {
            counts.append(later);
        }
        for (id, (later, words)) in later.builtin {
            let (counts, _) = self.builtin.entry(id).or_insert_with(|| (Counts::default(), words));
            counts.append(later);
        }
        self.all.append(later.all);
        self.outcomes.extend(later.outcomes);
        self.stops.extend(later.stops);
    }

    pub fn close(self, assumed: &Assumptions, actors: &Actors) -> Replay {
        let mut replayed: Vec<RuleReplay> = self
            .rules
            .iter()
            .zip(self.counts)
            .map(|(rule, counts)| counts.close(rule.id.clone(), rule.mode, rule.strength, &said(rule), assumed, actors))
            .collect();
        let curve = curve(&replayed, &self.stops);
        replayed.extend(self.builtin.into_iter().map(|(id, (counts, words))| {
            let said = Said { requirements: Vec::new(), whole: words };
            counts.close(id, Mode::Enforce, Strength::Mandatory, &said, assumed, actors)
        }));
        let place = |check: &RuleId| replayed.iter().position(|rule| rule.id == *check);
        let by = |stops: Stops| {
            let checks = stops.checks.iter().filter_map(place);
            let checks = checks.map(|rule| Stopped { rule, lacks: vec![0], nobody_could: false });
            stops.rules.into_iter().chain(checks).collect()
        };
        let stopped = self.stops.into_iter().map(by).collect();
        Replay { rules: replayed, all: self.all, curve, outcomes: self.outcomes, stopped }
    }
}

/// What a rule asks for, in words.
struct Said {
    requirements: Vec<String>,
    whole: String,
}

fn said(rule: &Rule) -> Said {
    Said { requirements: rule.requires.iter().map(Choice::words).collect(), whole: rule.words() }
}

impl All {
    fn append(&mut self, later: Self) {
        let Self { judged, reverted, stopped, stopped_reverted, denied, denied_reverted } = later;
        for (count, more) in [
            (&mut self.judged, judged),
            (&mut self.reverted, reverted),
            (&mut self.stopped, stopped),
            (&mut self.stopped_reverted, stopped_reverted),
            (&mut self.denied, denied),
            (&mut self.denied_reverted, denied_reverted),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

impl Counts {
    fn append(&mut self, later: Self) {
        let Self { applied, stopped, stopped_reverted, missing, unsaid, approvals, waits, nobody_could, falls_on } =
            later;
        for (count, more) in [
            (&mut self.applied, applied),
            (&mut self.stopped, stopped),
            (&mut self.stopped_reverted, stopped_reverted),
            (&mut self.unsaid, unsaid),
            (&mut self.approvals, approvals),
            (&mut self.waits, waits),
            (&mut self.nobody_could, nobody_could),
        ] {
            *count = count.saturating_add(more);
        }
        for (count, more) in self.missing.iter_mut().zip(missing) {
            *count = count.saturating_add(more);
        }
        if self.falls_on.is_empty() {
            self.falls_on = falls_on;
        } else {
            for (sum, more) in self.falls_on.iter_mut().zip(falls_on) {
                *sum += more;
            }
        }
    }

    fn stop(&mut self, reverted: bool) {
        one_more(&mut self.stopped);
        self.stopped_reverted = self.stopped_reverted.saturating_add(u64::from(reverted));
    }

    /// Which of what the rule asks for is lacking, and whether too few people could have given it.
    fn lacks<'a>(
        &mut self,
        rule: &WeighedRule<'a>,
        asked: &Asked<'a>,
        candidates: &mut Candidates,
        actors: usize,
    ) -> (Vec<usize>, bool) {
        let mut lacking = Vec::new();
        let mut approvals = Vec::new();
        let mut open = 0;
        for (place, (choice, count)) in rule.rule.requires.iter().zip(&mut self.missing).enumerate() {
            // Of several ways the one that takes least; where that is the same, the first.
            let ways = choice.lacks(asked.snapshot, &rule.unmet, asked.now);
            let Some((requirement, lacks)) = ways.into_iter().min_by_key(|(_, lacks)| *lacks) else { continue };
            lacking.push(place);
            one_more(count);
            match &requirement.need {
                Need::Approvals { role, .. } => {
                    approvals.push((role, lacks));
                    open = lacks.max(open);
                }
                // Who is left for which of them is not worked out for a past.
                Need::Apart(parts) => {
                    approvals.extend(parts.iter().map(|part| (&part.role, part.count.min(lacks))));
                    open = lacks.max(open);
                }
                Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Has(_) | Need::Disclosure => {}
            }
        }
        if lacking.is_empty() {
            one_more(&mut self.unsaid);
            lacking.push(rule.rule.requires.len());
        }
        if approvals.is_empty() {
            return (lacking, false);
        }
        one_more(&mut self.waits);
        if self.falls_on.is_empty() {
            self.falls_on = vec![0.0; actors];
        }
        // A senior's or an owner's approval is also one by somebody who had no hand in it, so those are asked first.
        self.approvals = self.approvals.saturating_add(u64::from(open));
        let mut short = false;
        let last = [&Role::Senior, &Role::Owner, &Role::Independent];
        let others: BTreeSet<&Role> =
            approvals.iter().map(|(role, _)| *role).filter(|role| !last.contains(role)).collect();
        for wanted in others.into_iter().chain(last) {
            let lacks = approvals.iter().filter(|(role, _)| *role == wanted).map(|(_, lacks)| *lacks).max();
            let Some(lacks) = lacks else { continue };
            let able = candidates.of(wanted, asked, &rule.unmet);
            short |= u32::try_from(able.people.len()).unwrap_or(u32::MAX) < lacks;
            let part = lacks.min(open);
            open = open.saturating_sub(part);
            able.share(part, &mut self.falls_on);
        }
        if short {
            one_more(&mut self.nobody_could);
        }
        (lacking, short)
    }

    fn close(
        self,
        id: RuleId,
        mode: Mode,
        strength: Strength,
        said: &Said,
        assumed: &Assumptions,
        actors: &Actors,
    ) -> RuleReplay {
        let counted = said.requirements.iter().cloned().zip(self.missing);
        let mut missing: Vec<Missing> = counted
            .chain([(said.whole.clone(), self.unsaid)])
            .filter(|(_, changes)| *changes > 0)
            .map(|(what, changes)| Missing { what, changes })
            .collect();
        missing.sort_by_key(|missing| std::cmp::Reverse(missing.changes));
        let mut falls_on: Vec<Part> = self
            .falls_on
            .iter()
            .enumerate()
            .filter(|(_, approvals)| **approvals > 0.0)
            .filter_map(|(number, approvals)| {
                Some(Part { person: actors.identity(number)?, approvals_per_week: approvals / assumed.weeks })
            })
            .collect();
        falls_on.sort_by(|a, b| {
            b.approvals_per_week.total_cmp(&a.approvals_per_week).then_with(|| a.person.cmp(&b.person))
        });
        falls_on.truncate(MAX_FALLS_ON);
        RuleReplay {
            id,
            mode,
            strength,
            asks: said.requirements.iter().cloned().chain([said.whole.clone()]).collect(),
            applied: self.applied,
            stopped: self.stopped,
            stopped_reverted: self.stopped_reverted,
            missing,
            extra_approvals_per_week: self.approvals as f64 / assumed.weeks,
            falls_on,
            nobody_could: self.nobody_could,
            added_hours_per_week: self.waits as f64 * assumed.wait_hours() / assumed.weeks,
        }
    }
}

/// Who could have given an approval, by the role and the targets that it was asked for; several rules ask the same.
#[derive(Debug, Default)]
struct Candidates(Vec<(Role, usize, Able)>);

/// People by number, with their reviews in the year before.
#[derive(Debug, Default)]
struct Able {
    people: Vec<(usize, u32)>,
    reviews: u64,
}

impl Candidates {
    fn of<'a>(&mut self, role: &Role, asked: &Asked<'a>, unmet: &[&'a TargetView]) -> &Able {
        let known = self.0.iter().position(|(of, targets, _)| of == role && *targets == unmet.len());
        // A rule that is unmet for some of the targets only may be so for others than the next one.
        let whole = unmet.len() == asked.snapshot.targets.len();
        let at = match known.filter(|_| whole) {
            Some(at) => at,
            None => {
                let size = if whole { unmet.len() } else { usize::MAX };
                self.0.push((role.clone(), size, able(role, asked, unmet)));
                self.0.len().saturating_sub(1)
            }
        };
        static NOBODY: Able = Able { people: Vec::new(), reviews: 0 };
        self.0.get(at).map_or(&NOBODY, |(_, _, able)| able)
    }
}

/// Who could still have given an approval in this role for this target: there, no hand in it, and not an approver.
fn candidates<'a>(
    asked: &Asked<'a>,
    role: &'a Role,
    target: &'a TargetView,
) -> impl Iterator<Item = &'a ActorId> + use<'a> {
    let snapshot = asked.snapshot;
    let approved = count::approvers(snapshot);
    let has_role = move |person: &Person| match role {
        Role::Independent => true,
        Role::Owner => person.owns.contains(&target.target.system),
        Role::Senior => person.senior,
        Role::Group(_)
        | Role::Touch
        | Role::Verified
        | Role::Recent(_)
        | Role::Material
        | Role::OnCall
        | Role::Present => false,
    };
    let able = asked
        .there
        .iter()
        .filter(move |(id, person)| has_role(person) && !count::had_a_hand(snapshot, id) && !approved.contains(id));
    able.map(|(id, _)| id)
}

fn able<'a>(role: &'a Role, asked: &Asked<'a>, unmet: &[&'a TargetView]) -> Able {
    let number = |id| Actors::number_of(id).map(|number| (number, asked.known.reviewed(number)));
    let people: Vec<(usize, u32)> = match (role, unmet) {
        // Whom else a target asks makes no difference but to owners.
        // Nobody knows of a past who was in which group of a catalog that came later, nor which key somebody would have had.
        (
            Role::Group(_)
            | Role::Touch
            | Role::Verified
            | Role::Recent(_)
            | Role::Material
            | Role::OnCall
            | Role::Present,
            _,
        ) => Vec::new(),
        (Role::Independent | Role::Senior, [first, ..]) | (Role::Owner, [first]) => {
            candidates(asked, role, first).filter_map(number).collect()
        }
        (Role::Owner, many) => {
            let each = many.iter().flat_map(|target| candidates(asked, role, target));
            each.collect::<BTreeSet<_>>().into_iter().filter_map(number).collect()
        }
        (Role::Independent | Role::Senior, []) => Vec::new(),
    };
    let reviews = people.iter().map(|(_, reviews)| u64::from(*reviews)).sum();
    Able { people, reviews }
}

impl Able {
    /// Shares approvals out in proportion to reviews; where nobody reviewed yet, evenly.
    fn share(&self, approvals: u32, falls_on: &mut [f64]) {
        let Ok(people) = u32::try_from(self.people.len()) else { return };
        let approvals = f64::from(approvals.min(people));
        for (number, reviews) in &self.people {
            let part = match self.reviews {
                0 => 1.0 / f64::from(people),
                all => f64::from(*reviews) / all as f64,
            };
            if let Some(sum) = falls_on.get_mut(*number) {
                *sum += approvals * part;
            }
        }
    }
}

/// Rule upon rule, best first: how many changes they stop together, and how many of those were reverted.
fn curve(rules: &[RuleReplay], stops: &[Stops]) -> Vec<CurvePoint> {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by(|a, b| match (rules.get(*a), rules.get(*b)) {
        (Some(a), Some(b)) => by_worth(a, b),
        (_, _) => a.cmp(b),
    });
    let mut rank = vec![usize::MAX; rules.len()];
    for (place, rule) in order.iter().enumerate() {
        if let Some(rank) = rank.get_mut(*rule) {
            *rank = place;
        }
    }
    let mut first_stopped = vec![(0_u64, 0_u64); rules.len()];
    for stops in stops {
        let first = stops.rules.iter().filter_map(|stopped| rank.get(stopped.rule)).min();
        if let Some((stopped, of_reverted)) = first.and_then(|rank| first_stopped.get_mut(*rank)) {
            one_more(stopped);
            *of_reverted = of_reverted.saturating_add(u64::from(stops.reverted));
        }
    }
    let (mut stopped, mut reverted) = (0_u64, 0_u64);
    let mut points = Vec::new();
    for (rule, (more, more_reverted)) in order.iter().filter_map(|at| rules.get(*at)).zip(first_stopped) {
        stopped = stopped.saturating_add(more);
        reverted = reverted.saturating_add(more_reverted);
        if rule.stopped > 0 {
            points.push(CurvePoint { rule: rule.id.clone(), stopped, reverted });
        }
    }
    points
}
