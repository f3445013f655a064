//! Deciding: a pure function from rules, a snapshot and a time to a decision. No I/O, no clock, no randomness; the same
//! arguments give the same bytes.

use countersign_ledger::{Digest, Time};

use super::{Rule, Rules, builtin, count, evaluate::Answers};
use crate::{
    catalog::Tier,
    decision::{Decision, Missing, Outcome, RuleDecision, RuleStatus, Step, Strength, Token},
    ids::{ActorId, Target},
    requirement::{Need, Requirement},
    semantics::NEWEST_SEMANTICS,
    snapshot::{Snapshot, TargetView, WaiverView},
};

/// Allows or denies one revision for its targets at one time.
pub fn decide(rules: &Rules, snapshot: &Snapshot, now: Time) -> Decision {
    decide_digested(rules, snapshot, snapshot.digest(), now)
}

/// The same where the snapshot's digest was worked out before.
pub(crate) fn decide_digested(rules: &Rules, snapshot: &Snapshot, digest: Digest, now: Time) -> Decision {
    let weighed = weigh(rules, snapshot, now);
    let carrying = snapshot.carrying();
    let steps = steps(&weighed.rules, snapshot, carrying.as_ref(), now);
    let mut decided = weighed.first;
    let mut not_applicable = 0_u32;
    for rule in weighed.rules {
        match rule.status {
            RuleStatus::NotApplicable => not_applicable = not_applicable.saturating_add(1),
            RuleStatus::Satisfied
            | RuleStatus::Unsatisfied
            | RuleStatus::Waived
            | RuleStatus::Error
            | RuleStatus::SetAside => {
                let by = carrying
                    .as_ref()
                    .filter(|carrying| rule.unmet.iter().all(|view| rule.rule.carries(carrying, view)));
                decided.push(written(rule, by.unwrap_or(snapshot), now));
            }
        }
    }
    decided.extend(weighed.floor);
    Decision {
        outcome: weighed.outcome,
        change: snapshot.change.clone(),
        revision: snapshot.revision,
        targets: snapshot.targets.iter().map(|view| view.target.clone()).collect(),
        decided_at: now,
        semantics: NEWEST_SEMANTICS,
        rules_digest: rules.digest(),
        snapshot_digest: digest,
        rules: decided,
        not_applicable,
        standard: snapshot.standard.clone(),
        rollback: snapshot.rollback.clone().filter(|_| weighed.recovers),
        steps,
    }
}

/// What a decision finds, without its digests and without what is missing, which cost more than the finding. For whoever
/// asks about a whole past; everybody else calls [`decide`], which is this, written down.
#[derive(Debug)]
pub struct Weighed<'a> {
    pub outcome: Outcome,
    /// In the order of their ids.
    pub rules: Vec<WeighedRule<'a>>,
    /// Checks that no rule file can switch off and that stop the change.
    first: Vec<RuleDecision>,
    /// Those of them that are a floor under any set of rules.
    floor: Vec<RuleDecision>,
    /// Whether it goes only because it is a rollback.
    recovers: bool,
}

impl Weighed<'_> {
    /// The checks that no rule file can switch off, as far as they stop the change.
    pub fn builtin_stops(&self) -> impl Iterator<Item = &RuleDecision> {
        self.first.iter().chain(&self.floor)
    }
}

/// What one rule finds.
#[derive(Debug)]
pub struct WeighedRule<'a> {
    pub rule: &'a Rule,
    pub status: RuleStatus,
    /// The targets for which it is not met.
    pub unmet: Vec<&'a TargetView>,
    met: Vec<&'a TargetView>,
    error: Option<String>,
}

impl WeighedRule<'_> {
    /// Whether this rule alone would stop the change.
    pub fn stops(&self) -> bool {
        Decision::binds(self.rule.mode, self.status)
    }

    /// Whether it asks for an approval: then it says what the floor would say.
    fn asks_for_approval(&self) -> bool {
        self.rule.requires.iter().any(|choice| {
            choice.ways().iter().all(|way| match way.need {
                Need::Approvals { .. } | Need::Apart(_) => true,
                Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Has(_) | Need::Disclosure => {
                    false
                }
            })
        })
    }
}

/// Asks every rule about one revision for its targets at one time.
pub fn weigh<'a>(rules: &'a Rules, snapshot: &'a Snapshot, now: Time) -> Weighed<'a> {
    let carrying = snapshot.carrying();
    let targets: Vec<Asked<'_>> = snapshot
        .targets
        .iter()
        .map(|view| Asked {
            view,
            plain: rules.ask(snapshot, view, now),
            carrying: carrying.as_ref().map(|carrying| rules.ask(carrying, view, now)),
        })
        .collect();
    let ids = &rules.builtin;
    let first = [
        builtin::targets_known(ids, snapshot),
        builtin::identities_known(ids, snapshot),
        builtin::no_rejection(ids, snapshot),
        builtin::frozen(ids, snapshot),
        builtin::scheduled(ids, snapshot, now),
        builtin::expired(ids, snapshot, now),
    ];
    let mut first: Vec<RuleDecision> = first.into_iter().flatten().collect();
    let mut weighed: Vec<WeighedRule<'_>> = rules.iter().map(|rule| weigh_rule(rule, &targets, snapshot)).collect();
    // Of a home without rules there would be no way to one with rules.
    let only_governs = snapshot.targets.iter().all(|view| view.target.is_governance());
    let mut floor: Vec<RuleDecision> = match only_governs {
        // What loosens asks for no less, so that nobody is told twice.
        true => match snapshot.loosening {
            Some(_) => builtin::loosening(ids, snapshot, now).into_iter().collect(),
            None => builtin::policy_group(ids, snapshot).into_iter().collect(),
        },
        false => builtin::rules_loaded(ids, snapshot, rules.len()).into_iter().collect(),
    };
    // So that nobody is told twice to find a second person.
    if !weighed.iter().any(|rule| rule.stops() && rule.asks_for_approval()) {
        floor.extend(builtin::floor(ids, snapshot, carrying.as_ref()));
    }
    let stops = |first: &[RuleDecision], rules: &[WeighedRule<'_>], floor: &[RuleDecision]| {
        !first.is_empty() || rules.iter().any(WeighedRule::stops) || !floor.is_empty()
    };
    // Recovery is never blocked: no rule, no rejection and nothing else that a change misses stops what brings back what ran
    // before, as long as it is known where that goes.
    let rolls_back = snapshot.rollback.is_some() && builtin::targets_known(ids, snapshot).is_none();
    let recovers = rolls_back && stops(&first, &weighed, &floor);
    if recovers {
        first.clear();
        floor.clear();
        weighed.iter_mut().filter(|rule| rule.stops()).for_each(|rule| rule.status = RuleStatus::SetAside);
    }
    let stopped = stops(&first, &weighed, &floor);
    let outcome = if stopped { Outcome::Deny } else { Outcome::Allow };
    Weighed { outcome, rules: weighed, first, floor, recovers }
}

/// What the rules say of one target.
struct Asked<'a> {
    view: &'a TargetView,
    plain: Result<Answers, String>,
    /// With approvals that carry over, where there are any.
    carrying: Option<Result<Answers, String>>,
}

impl Asked<'_> {
    fn answers(&self, rule: &Rule, snapshot: &Snapshot) -> &Result<Answers, String> {
        self.carrying.as_ref().filter(|_| rule.carries(snapshot, self.view)).unwrap_or(&self.plain)
    }
}

/// What one rule says of one target, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    NotApplicable,
    Satisfied,
    Unsatisfied,
    Error,
}

fn verdict(rule: &Rule, answers: &Result<Answers, String>) -> (Verdict, Option<String>) {
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return (Verdict::Error, Some(error.clone())),
    };
    let id = rule.id.as_str();
    if let Some(error) = answers.errors.get(id) {
        return (Verdict::Error, Some(error.clone()));
    }
    match (answers.applies.contains(id), answers.fired.contains(id)) {
        (false, false) => (Verdict::NotApplicable, None),
        (true, false) => (Verdict::Satisfied, None),
        (true, true) => (Verdict::Unsatisfied, None),
        // Its condition to fire contains its condition to apply.
        (false, true) => (Verdict::Error, Some("the rule fired where it does not apply".to_owned())),
    }
}

fn weigh_rule<'a>(rule: &'a Rule, targets: &[Asked<'a>], snapshot: &Snapshot) -> WeighedRule<'a> {
    let mut worst = Verdict::NotApplicable;
    let mut error = None;
    let mut unmet: Vec<&TargetView> = Vec::new();
    let mut met: Vec<&TargetView> = Vec::new();
    for asked in targets {
        let view = asked.view;
        let (verdict, message) = verdict(rule, asked.answers(rule, snapshot));
        worst = worst.max(verdict);
        error = error.or(message);
        match verdict {
            Verdict::Unsatisfied | Verdict::Error => unmet.push(view),
            Verdict::Satisfied => met.push(view),
            Verdict::NotApplicable => {}
        }
    }
    let status = match worst {
        Verdict::NotApplicable => RuleStatus::NotApplicable,
        Verdict::Satisfied => RuleStatus::Satisfied,
        Verdict::Unsatisfied if waived(rule, snapshot) => RuleStatus::Waived,
        Verdict::Unsatisfied => RuleStatus::Unsatisfied,
        Verdict::Error => RuleStatus::Error,
    };
    WeighedRule { rule, status, unmet, met, error }
}

/// Ways that are open by now and that the earlier ones had left to be gone.
fn steps(rules: &[WeighedRule<'_>], snapshot: &Snapshot, carrying: Option<&Snapshot>, now: Time) -> Vec<Step> {
    let mut steps = Vec::new();
    for weighed in rules {
        let views = weighed.met.iter().map(|view| (*view, true)).chain(weighed.unmet.iter().map(|view| (*view, false)));
        for (view, met) in views {
            let by = carrying.filter(|carrying| weighed.rule.carries(carrying, view)).unwrap_or(snapshot);
            let lacks = |way: &Requirement| !way.asked(by, view) || way.lacks(by, &[view], now) > 0;
            for choice in &weighed.rule.requires {
                for (place, way) in choice.ways().iter().enumerate() {
                    let open = way.waits().is_some() && way.asked(by, view);
                    let Some(worked) = by.worked(&view.target).filter(|_| open) else { continue };
                    if choice.ways().iter().take(place).all(lacks) {
                        steps.push(Step {
                            rule: weighed.rule.id.clone(),
                            target: view.target.clone(),
                            way: way.clone(),
                            since: worked.since,
                            hours: worked.hours,
                            used: met && !lacks(way),
                        });
                    }
                }
            }
        }
    }
    steps
}

/// With what is still missing.
fn written(weighed: WeighedRule<'_>, snapshot: &Snapshot, now: Time) -> RuleDecision {
    let WeighedRule { rule, status, unmet, met: _, error } = weighed;
    let missing = match status {
        RuleStatus::Unsatisfied => missing(rule, snapshot, &unmet, now),
        RuleStatus::NotApplicable
        | RuleStatus::Satisfied
        | RuleStatus::Waived
        | RuleStatus::Error
        | RuleStatus::SetAside => Vec::new(),
    };
    RuleDecision {
        id: rule.id.clone(),
        status,
        mode: rule.mode,
        strength: rule.strength,
        targets: unmet.iter().map(|view| view.target.clone()).collect::<Vec<Target>>(),
        missing,
        error,
    }
}

/// A waiver counts where the rule can be waived, and by whom the rule names (a senior, where it does not say) who had no hand in
/// the change; on tier 1 not beside an approval by the same person, carried or not. A waiver never carries over.
fn waived(rule: &Rule, snapshot: &Snapshot) -> bool {
    match rule.strength {
        Strength::Waivable => {}
        Strength::Mandatory => return false,
    }
    let highest = snapshot.targets.iter().any(|view| view.tier == Tier::HIGHEST);
    let carried = || snapshot.carried.iter().flat_map(|carried| &carried.approvals);
    let approves = |person: &ActorId| snapshot.approvals.iter().chain(carried()).any(|approval| approval.by == *person);
    let entitled = |waiver: &WaiverView| match &rule.waivers {
        Some(group) => snapshot.is_in(&waiver.by, group),
        None => waiver.senior,
    };
    // Without contributors nobody can be told apart from them.
    !snapshot.contributors.is_empty()
        && snapshot.waivers.iter().any(|waiver| {
            waiver.rule == rule.id
                && entitled(waiver)
                && !count::had_a_hand(snapshot, &waiver.by)
                && !(highest && approves(&waiver.by))
        })
}

fn missing(rule: &Rule, snapshot: &Snapshot, unmet: &[&TargetView], now: Time) -> Vec<Missing> {
    let mut list: Vec<Missing> =
        rule.requires.iter().filter_map(|choice| choice.missing(snapshot, unmet, now)).collect();
    if list.is_empty() {
        list.push(Missing::new(Token::Remedy, 1));
    }
    list
}

impl Snapshot {
    /// The bytes that a decision names by digest: JSON in the order of the declarations, sets and maps sorted.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Cannot fail: every map key is a string and there are no floats.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cedar_policy::{Policy, PolicyId};

    use super::*;
    use crate::{
        decision::Mode,
        rules::{Mentions, evaluate::Slices, sample},
    };

    /// No rule that parses can err, so one that does is put in behind the parser's back.
    fn erring(mode: Mode, broken: &str) -> Decision {
        let text = "@id(\"r\") @requires(\"disclosure\") @because(\"B.\") @remedy(\"mend {change}\") @mode(\"enforce\")
            @strength(\"waivable\") forbid (principal, action == Countersign::Action::\"apply\", resource);";
        let mut rules = Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), text.to_owned())])).unwrap();
        let id = "r".parse().unwrap();
        let parsed = rules.rules.get_mut(&id).unwrap();
        parsed.rule.mode = mode;
        parsed.full = Policy::parse(Some(PolicyId::new("r")), broken).unwrap();
        rules.slices = Slices::new(rules.rules.values()).unwrap();
        let mut snapshot = sample::samples(&Mentions::default()).find(|s| !s.targets[0].production).unwrap();
        snapshot.guidance.clear();
        decide(&rules, &snapshot, sample::SAMPLE_NOW)
    }

    #[test]
    fn a_forbid_that_errs_denies_though_cedar_skips_it() {
        for broken in [
            "forbid (principal, action, resource) when { resource.nowhere == 1 };",
            "forbid (principal, action, resource) when { resource.tier + 9223372036854775807 < 0 };",
        ] {
            let decision = erring(Mode::Enforce, broken);
            let rule = decision.rules.last().unwrap();
            assert_eq!(rule.status, RuleStatus::Error);
            assert!(rule.error.is_some() && !rule.targets.is_empty());
            assert_eq!(decision.outcome, Outcome::Deny, "{broken}");
        }
    }

    #[test]
    fn in_watch_it_is_told_and_does_not_bind() {
        let decision = erring(Mode::Watch, "forbid (principal, action, resource) when { resource.nowhere == 1 };");
        assert_eq!(decision.rules.last().unwrap().status, RuleStatus::Error);
        assert_eq!(decision.outcome, Outcome::Allow);
    }
}
