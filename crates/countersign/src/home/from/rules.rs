//! The rules: the shipped ones in watch, with numbers that the history supports and its evidence above each.
//!
//! Two do not go into watch as they are shipped. *second-pair-of-eyes* stays enforced: the engine asks for a second
//! person in production whatever the rules say, so that a rule in watch would only say less than what happens.
//! *tier-1-senior* is mandatory as shipped, and a mandatory rule cannot be in watch; here it is waivable until it is
//! enforced, when both lines are changed back.

use std::collections::BTreeMap;

use countersign_audit::{
    replay::{Assumptions, Replay},
    start::{Numbers, TIER_1_APPROVALS},
    supports::{self, RECENT_DAYS},
};

use super::{Past, counted, replayed, wrapped};
use crate::home::shipped;

const STAYS: &str = "second-pair-of-eyes";
const TIER_1: &str = "tier-1-senior";

/// A rule as it is written, by the name of its file, with the reason of its number.
type Files = BTreeMap<String, String>;

/// What the history says about a number, in sentences.
struct Said {
    rule: &'static str,
    why: String,
}

const ONE_SENIOR: &str = r#"// The systems whose failure everybody notices need somebody senior besides the author. As shipped, this rule asks for two
// people besides the author; the history from which this home began does not support that.
@id("tier-1-senior")
@requires("approval:senior:1")
@because("A tier 1 system takes a senior besides the author.")
@remedy("countersign review {change}")
@mode("watch")
@strength("waivable")
forbid (
  principal,
  action == Countersign::Action::"apply",
  resource
)
when { resource.production && resource.tier == 1 }
unless { resource.approvals.senior >= 1 };
"#;

const ONE_SENIOR_CASES: &str = r#"- name: a senior
  given: { tier: 1, approvals: [grace] }
  expect: { status: satisfied }
- name: somebody who is not senior
  given: { tier: 1, approvals: [linus] }
  expect: { status: unsatisfied, missing: ["1 approval by a senior"], who: [barbara, grace] }
- name: a senior who made the change does not count
  given: { tier: 1, proposer: grace, approvals: [grace] }
  expect: { status: unsatisfied, who: [barbara] }
- name: tier 2 does without
  given: { tier: 2, approvals: [grace] }
  expect: { status: not_applicable }
"#;

/// Nor does any case say that it cannot be waived, so that they hold in watch and when it is enforced.
const WATCH_CASES: &str = "# The rule is in watch and stops nothing, so these cases do not say what comes of them (`outcome`, as the shipped \
                            ones do).\n# They hold as well when it is enforced.\n";

/// Rules and cases with the numbers that a history supports, without evidence: what the past is put to.
pub fn starting_rules(numbers: &Numbers) -> Files {
    let mut files = Files::new();
    for (name, text) in shipped::files() {
        let rule = name.strip_suffix(shipped::RULE).or_else(|| name.strip_suffix(shipped::CASES)).unwrap_or(&name);
        let fewer = rule == TIER_1 && numbers.tier_1_approvals < TIER_1_APPROVALS;
        let written = match (name.ends_with(shipped::RULE), rule) {
            (_, STAYS) => text,
            (true, _) if fewer => ONE_SENIOR.to_owned(),
            (true, TIER_1) => watched(&text).replace("@strength(\"mandatory\")", "@strength(\"waivable\")"),
            (true, _) => watched(&text),
            (false, _) if fewer => format!("{WATCH_CASES}{ONE_SENIOR_CASES}"),
            (false, TIER_1) => format!("{WATCH_CASES}{}", no_outcome(&text, "it cannot be waived")),
            (false, _) => format!("{WATCH_CASES}{}", no_outcome(&text, "")),
        };
        files.insert(name, written);
    }
    files
}

fn watched(rule: &str) -> String {
    rule.replace("@mode(\"enforce\")", "@mode(\"watch\")")
}

/// Cases without what comes of them, and without one of them.
fn no_outcome(cases: &str, without: &str) -> String {
    let mut out = String::new();
    let mut leave_out = false;
    for line in cases.lines() {
        if let Some(name) = line.strip_prefix("- name: ") {
            leave_out = name == without;
        }
        if leave_out || line.trim_start().starts_with("outcome:") {
            continue;
        }
        out.push_str(&line.replace(", outcome: deny", "").replace(", outcome: allow", ""));
        out.push('\n');
    }
    out
}

/// The same files with the evidence above each rule.
pub fn rules(past: &Past<'_>, files: &Files, assumed: &Assumptions, replay: &Replay) -> Files {
    let said = said(past);
    files
        .iter()
        .map(|(name, text)| {
            let rule = name.strip_suffix(shipped::RULE);
            let above = rule.map(|rule| evidence(past, rule, &said, assumed, replay)).unwrap_or_default();
            (name.clone(), format!("{above}{text}"))
        })
        .collect()
}

fn were(number: u64) -> String {
    if number == 1 { "1 was".to_owned() } else { format!("{number} were") }
}

fn evidence(past: &Past<'_>, rule: &str, said: &[Said], assumed: &Assumptions, replay: &Replay) -> String {
    let mut text = wrapped(
        "//",
        &format!("Written by `countersign init --from` for {}, branch {}.", past.repository, past.branch),
    );
    if let Some(did) = replayed(replay, rule) {
        let all = replay.all;
        text.push_str(&wrapped(
            "//",
            &format!(
                "Put to {}, it would have stopped {} of the {} that change a path, for want of what git carries. Of these \
                 {} later reverted, of {} reverted in all. It would have asked for {:.1} approvals a week besides the \
                 {:.1} that git carries.",
                past.window(),
                did.stopped,
                all.judged,
                were(did.stopped_reverted),
                all.reverted,
                did.extra_approvals_per_week,
                past.start.numbers.looks as f64 / assumed.weeks
            ),
        ));
    }
    if let Some(said) = said.iter().find(|said| said.rule == rule) {
        text.push_str(&wrapped("//", &said.why));
    }
    text.push_str(&wrapped("//", &to_enforce(rule)));
    text.push_str("//\n");
    text
}

fn to_enforce(rule: &str) -> String {
    match rule {
        STAYS => {
            "Enforced from the beginning: the engine asks for a second person in production whatever the rules say. It \
                  binds where a gate is installed."
                .to_owned()
        }
        TIER_1 => "In watch: evaluated and told, it stops nothing. A mandatory rule cannot be in watch, so it is \
                   waivable here. To enforce it, write @mode(\"enforce\") and @strength(\"mandatory\"), and amend."
            .to_owned(),
        _ => "In watch: evaluated and told, it stops nothing. To enforce it, write @mode(\"enforce\") and amend."
            .to_owned(),
    }
}

/// Why each number is what it is.
fn said(past: &Past<'_>) -> Vec<Said> {
    let start = past.start;
    let numbers = &start.numbers;
    let spare = format!(
        "An approval count is supported where {} more people are there than it asks for: one made the change, and one is \
         away",
        supports::SPARE
    );
    let weakest = numbers.tier_1_weakest.and_then(|at| start.systems.get(at));
    let tier_1 = match weakest {
        None => format!(
            "No system is proposed as tier 1, so that the rule applies to nothing yet; in all {} had a part in something in \
             the last {RECENT_DAYS} days",
            counted(numbers.there, "person")
        ),
        Some(system) => format!(
            "{} is the tier 1 system with the fewest people: {} had a part in it in the last {RECENT_DAYS} days",
            system.id,
            counted(system.there, "person")
        ),
    };
    let there = weakest.map_or(numbers.there, |system| system.there);
    let asked = match numbers.tier_1_approvals {
        TIER_1_APPROVALS => format!("so {TIER_1_APPROVALS} approvals are supported, as shipped"),
        fewer if supports::holds(fewer, there) => {
            format!("so {fewer} is supported, and not the {TIER_1_APPROVALS} as shipped")
        }
        fewer => format!("so not even {fewer} is supported; a rule cannot ask for less, and changes will wait"),
    };
    let there_were = if numbers.seniors_there == 1 { "There was" } else { "There were" };
    let seniors = match supports::holds(1, numbers.seniors_there) {
        true => format!(
            "{there_were} {} of late with the founders, so that one approval by a senior is supported",
            counted(numbers.seniors_there, "senior")
        ),
        false => format!(
            "{there_were} {} of late with the founders, fewer than the {} by which one approval by a senior is \
             supported: name more before this is enforced",
            counted(numbers.seniors_there, "senior"),
            1 + supports::SPARE
        ),
    };
    let thin = start.groups.iter().filter(|group| group.members.len() < 1 + supports::SPARE);
    let thin: Vec<String> = thin.map(|group| format!("{} ({})", group.id, group.members.len())).collect();
    let owners = match thin.is_empty() {
        true => "Every group of owners has as many.".to_owned(),
        false => format!("Groups of owners that are smaller: {}.", thin.join(", ")),
    };
    vec![
        Said {
            rule: STAYS,
            why: format!(
                "{spare}. In all {} had a part in something in the last {RECENT_DAYS} days.",
                counted(numbers.there, "person")
            ),
        },
        Said { rule: TIER_1, why: format!("{spare}. {tier_1}, {asked}. {seniors}.") },
        Said { rule: "ai-assisted-senior", why: format!("{spare}. {seniors}.") },
        Said { rule: "owner-approves", why: format!("{spare}. {owners}") },
        Said {
            rule: "documented",
            why: "What was counted is what commit messages say; nobody was asked for a risk or a rollback then. The \
                  numbers are as shipped."
                .to_owned(),
        },
        Said {
            rule: "fresh-guidance",
            why: "No change of a history cites guidance, so the history says nothing about it.".to_owned(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        cases::run_cases,
        rules::{Rules, check::check},
    };

    use super::*;

    /// Whatever the history, the rules hold, say what they mean, and pass the cases beside them.
    #[test]
    fn rules_for_every_number_hold_with_their_cases() {
        for tier_1_approvals in [1, 2] {
            let files = starting_rules(&Numbers { tier_1_approvals, ..Numbers::default() });
            let of_kind = |ending: &str| -> BTreeMap<String, String> {
                files.iter().filter(|(name, _)| name.ends_with(ending)).map(|(n, t)| (n.clone(), t.clone())).collect()
            };
            let rules = Rules::parse(&of_kind(shipped::RULE)).unwrap();
            assert_eq!(check(&rules), Vec::new());
            let modes: Vec<String> =
                rules.iter().map(|rule| format!("{} {} {}", rule.id, rule.mode, rule.strength)).collect();
            assert_eq!(
                modes,
                [
                    "ai-assisted-senior watch waivable",
                    "applier-apart watch waivable",
                    "documented watch waivable",
                    "fresh-guidance watch waivable",
                    "owner-approves watch waivable",
                    "second-pair-of-eyes enforce mandatory",
                    "tier-1-senior watch waivable",
                ]
            );
            // As the comments say to enforce them.
            let mut enforced = of_kind(shipped::RULE);
            for (name, text) in &mut enforced {
                *text = text.replace("@mode(\"watch\")", "@mode(\"enforce\")");
                if name.starts_with(TIER_1) {
                    *text = text.replace("@strength(\"waivable\")", "@strength(\"mandatory\")");
                }
            }
            let enforced = Rules::parse(&enforced).unwrap();
            for rules in [&enforced, &rules] {
                let results = run_cases(rules, &of_kind(shipped::CASES)).unwrap();
                let failed = results.iter().filter(|result| !result.passed()).map(ToString::to_string);
                assert_eq!(failed.collect::<Vec<String>>(), Vec::<String>::new());
            }
        }
    }
}
