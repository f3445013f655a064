//! Deciding: a pure function from rules, a snapshot and a time to a decision. No I/O, no clock, no randomness; the same
//! arguments give the same bytes.

use countersign_ledger::{Digest, Time};

use super::{Rule, Rules, attributes::SCHEMA_VERSION, builtin, count, evaluate::Answers, requirement::Need};
use crate::{
    decision::{Decision, Obligation, Outcome, RuleDecision, RuleStatus, Strength},
    ids::Target,
    snapshot::{Snapshot, TargetView},
};

/// What decided: this crate, Cedar's language, the schema of the attributes. A verifier with another engine says so
/// instead of calling a decision broken.
pub fn engine() -> String {
    let language = cedar_policy::get_lang_version();
    format!("countersign-core {} cedar {language} schema {SCHEMA_VERSION}", env!("CARGO_PKG_VERSION"))
}

/// Allows or denies one revision for its targets at one time.
pub fn decide(rules: &Rules, snapshot: &Snapshot, now: Time) -> Decision {
    let weighed = weigh(rules, snapshot, now);
    let mut decided = weighed.first;
    decided.extend(weighed.rules.into_iter().map(|weighed| written(weighed, snapshot, now)));
    decided.extend(weighed.floor);
    Decision {
        outcome: weighed.outcome,
        change: snapshot.change.clone(),
        revision: snapshot.revision,
        targets: snapshot.targets.iter().map(|view| view.target.clone()).collect(),
        decided_at: now,
        engine: engine(),
        rules_digest: rules.digest(),
        snapshot_digest: snapshot.digest(),
        rules: decided,
    }
}

/// What a decision finds, without its digests and to-do lists, which cost more than the finding. For whoever asks about
/// a whole past; everybody else calls [`decide`], which is this, written down.
#[derive(Debug)]
pub struct Weighed<'a> {
    pub outcome: Outcome,
    /// In the order of their ids.
    pub rules: Vec<WeighedRule<'a>>,
    /// Checks that no rule file can switch off and that are always listed.
    first: Vec<RuleDecision>,
    /// Those that are listed only where they stop the change.
    floor: Vec<RuleDecision>,
}

impl Weighed<'_> {
    /// The checks that no rule file can switch off, as far as they stop the change.
    pub fn builtin_stops(&self) -> impl Iterator<Item = &RuleDecision> {
        self.first.iter().chain(&self.floor).filter(|rule| Decision::stops(rule))
    }
}

/// What one rule finds.
#[derive(Debug)]
pub struct WeighedRule<'a> {
    pub rule: &'a Rule,
    pub status: RuleStatus,
    /// The targets for which it is not met.
    pub unmet: Vec<&'a TargetView>,
    error: Option<String>,
}

impl WeighedRule<'_> {
    /// Whether this rule alone would stop the change.
    pub fn stops(&self) -> bool {
        Decision::binds(self.rule.mode, self.rule.strength, self.status)
    }

    /// Whether it asks for an approval: then it says what the floor would say.
    fn asks_for_approval(&self) -> bool {
        self.rule.requires.iter().any(|requirement| match requirement.need {
            Need::Approvals { .. } => true,
            Need::FreshGuidance | Need::Document { .. } | Need::Disclosure => false,
        })
    }
}

/// Asks every rule about one revision for its targets at one time.
pub fn weigh<'a>(rules: &'a Rules, snapshot: &'a Snapshot, now: Time) -> Weighed<'a> {
    let targets: Vec<(&TargetView, Result<Answers, String>)> =
        snapshot.targets.iter().map(|view| (view, rules.ask(snapshot, view, now))).collect();
    let ids = &rules.builtin;
    let first = vec![
        builtin::targets_known(ids, snapshot),
        builtin::identities_known(ids, snapshot),
        builtin::no_rejection(ids, snapshot),
    ];
    let weighed: Vec<WeighedRule<'_>> = rules.iter().map(|rule| weigh_rule(rule, &targets, snapshot)).collect();
    let mut floor = vec![builtin::rules_loaded(ids, snapshot, rules.len())];
    if !weighed.iter().any(|rule| rule.stops() && rule.asks_for_approval()) {
        floor.push(builtin::floor(ids, snapshot));
    }
    floor.retain(Decision::stops);
    let stopped = first.iter().any(Decision::stops) || weighed.iter().any(WeighedRule::stops) || !floor.is_empty();
    Weighed { outcome: if stopped { Outcome::Deny } else { Outcome::Allow }, rules: weighed, first, floor }
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

fn weigh_rule<'a>(
    rule: &'a Rule,
    targets: &[(&'a TargetView, Result<Answers, String>)],
    snapshot: &Snapshot,
) -> WeighedRule<'a> {
    let mut worst = Verdict::NotApplicable;
    let mut error = None;
    let mut unmet: Vec<&TargetView> = Vec::new();
    for (view, answers) in targets {
        let (verdict, message) = verdict(rule, answers);
        worst = worst.max(verdict);
        error = error.or(message);
        match verdict {
            Verdict::Unsatisfied | Verdict::Error => unmet.push(view),
            Verdict::NotApplicable | Verdict::Satisfied => {}
        }
    }
    let status = match worst {
        Verdict::NotApplicable => RuleStatus::NotApplicable,
        Verdict::Satisfied => RuleStatus::Satisfied,
        Verdict::Unsatisfied if waived(rule, snapshot) => RuleStatus::Waived,
        Verdict::Unsatisfied => RuleStatus::Unsatisfied,
        Verdict::Error => RuleStatus::Error,
    };
    WeighedRule { rule, status, unmet, error }
}

/// With what is still missing and who can supply it.
fn written(weighed: WeighedRule<'_>, snapshot: &Snapshot, now: Time) -> RuleDecision {
    let WeighedRule { rule, status, unmet, error } = weighed;
    let obligations = match status {
        RuleStatus::Unsatisfied => obligations(rule, snapshot, &unmet, now),
        RuleStatus::Error => vec![repair(rule, snapshot)],
        RuleStatus::NotApplicable | RuleStatus::Satisfied | RuleStatus::Waived => Vec::new(),
    };
    RuleDecision {
        id: rule.id.clone(),
        status,
        mode: rule.mode,
        strength: rule.strength,
        requires: rule.words(),
        because: rule.because.clone(),
        targets: unmet.iter().map(|view| view.target.clone()).collect::<Vec<Target>>(),
        obligations,
        error,
    }
}

/// A waiver counts where the rule can be waived, and by a senior who had no hand in the change.
fn waived(rule: &Rule, snapshot: &Snapshot) -> bool {
    match rule.strength {
        Strength::Waivable => {}
        Strength::Advisory | Strength::Mandatory => return false,
    }
    // Without contributors nobody can be told apart from them.
    !snapshot.contributors.is_empty()
        && snapshot.waivers.iter().any(|waiver| {
            waiver.rule == rule.id
                && !count::had_a_hand(snapshot, &waiver.by)
                && snapshot.people.get(&waiver.by).is_some_and(|person| person.level.is_senior())
        })
}

fn obligations(rule: &Rule, snapshot: &Snapshot, unmet: &[&TargetView], now: Time) -> Vec<Obligation> {
    let mut list: Vec<Obligation> =
        rule.requires.iter().filter_map(|requirement| requirement.obligation(snapshot, unmet, now)).collect();
    // The condition asks for more than its tokens say; the author's own remedy is the best there is.
    if list.is_empty() {
        list.push(Obligation {
            missing: rule.words(),
            who: snapshot.people.keys().cloned().collect(),
            how: rule.remedy.replace("{change}", snapshot.change.as_str()),
        });
    }
    list
}

fn repair(rule: &Rule, snapshot: &Snapshot) -> Obligation {
    Obligation {
        missing: "a rule that can be evaluated".to_owned(),
        who: snapshot.people.keys().cloned().collect(),
        how: format!("mend {}:{}, then: countersign amend HOME --why REASON", rule.file, rule.line),
    }
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
            @strength(\"advisory\") forbid (principal, action == Countersign::Action::\"apply\", resource);";
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
            assert!(rule.error.is_some() && !rule.obligations.is_empty() && !rule.targets.is_empty());
            assert_eq!(decision.outcome, Outcome::Deny, "{broken}");
        }
    }

    #[test]
    fn in_shadow_it_is_told_and_does_not_bind() {
        let decision = erring(Mode::Shadow, "forbid (principal, action, resource) when { resource.nowhere == 1 };");
        assert_eq!(decision.rules.last().unwrap().status, RuleStatus::Error);
        assert_eq!(decision.outcome, Outcome::Allow);
    }
}
