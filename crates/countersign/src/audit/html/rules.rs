//! What the rules would have done: together, one by one, and two sets side by side.

use maud::{Markup, html};

use super::{
    number_of_changes,
    parts::{Filter, Head, bar, cell, changes, chart, leading, table},
};
use crate::audit::{
    replayed::{Compare, Differ, Rule, Whole},
    report::Report,
    text::{decimal, percent, thousands},
};

/// People on whom a rule's approvals would fall that are named; the JSON report has ten.
const NAMED: usize = 5;

pub fn section(report: &Report) -> Markup {
    let Some(whole) = &report.replay else { return html! {} };
    let mut rules: Vec<&Rule> = report.rules.iter().collect();
    // As on the curve: those that are not on it stopped nothing.
    let place = |rule: &Rule| whole.curve.iter().position(|point| point.rule == rule.id).unwrap_or(usize::MAX);
    rules.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.id.cmp(&b.id)));
    html! {
        section id="rules" {
            h2 { "What the rules would have done" }
            p {
                "Every change was put to " (whole.rules) ", with what was known when it landed. Of "
                (leading(&number_of_changes(whole.judged), whole.judged, &asked())) " they would have stopped "
                (changes(whole.stopped, &Filter::by("rule", "any"))) " (" (percent(whole.stopped, whole.judged)) ")"
                @if whole.reverted > 0 {
                    ", and with them "
                    (changes(whole.stopped_reverted, &Filter::by("rule", "any").and("reverted", "any")))
                    " of the " (changes(whole.reverted, &asked().and("reverted", "any"))) " that were later taken back"
                }
                ". As they stand they would have denied "
                (changes(whole.denied, &Filter::by("verdict", "denied")))
                ": a rule in watch stops nobody."
            }
            @if whole.reverted > 0 && !whole.curve.is_empty() {
                (chart(
                    "chart-curve",
                    "Rule upon rule: what they catch, against what they stop",
                    "A line with a point for each rule that is added, best first: the share of taken back changes that the rules \
                     catch, against the share of all changes that they stop.",
                ))
                p.quiet {
                    "Best first, each point adds one rule to those before it. A point on the broken line catches no more than \
                     stopping changes at random would."
                }
            }
            @if whole.reverted == 0 {
                p { "None of these changes was taken back, so it cannot be said what the rules would have caught." }
            }
            (each(&rules, whole))
            (prices(&rules))
            @if let Some(compare) = &report.compare { (compared(compare)) }
        }
    }
}

/// The changes that the rules were asked about.
fn asked() -> Filter {
    Filter::by("verdict", "asked")
}

fn each(rules: &[&Rule], whole: &Whole) -> Markup {
    let mut heads = vec![
        Head::Words("Rule"),
        Head::Words("Mode"),
        Head::Number("Stopped"),
        Head::Words("Of all"),
        Head::Number("More approvals a week"),
        Head::Number("Hours of waiting a week"),
    ];
    let caught = whole.reverted > 0;
    if caught {
        heads.extend([Head::Number("Of those taken back"), Head::Number("On the curve")]);
    }
    table(
        "Each rule, as if it were enforced",
        &heads,
        rules.iter().map(|rule| {
            let by = || Filter::by("rule", rule.id.as_str());
            let point = whole.curve.iter().position(|point| point.rule == rule.id);
            let mut row = vec![
                html! { code { (rule.id) } },
                cell(format!("{}, {}", word(&rule.mode), word(&rule.strength))),
                changes(rule.stopped, &by()),
                bar(rule.stopped, whole.judged, "stopped"),
                cell(decimal(rule.extra_approvals_per_week)),
                cell(decimal(rule.added_hours_per_week)),
            ];
            if caught {
                row.push(changes(rule.stopped_reverted, &by().and("reverted", "any")));
                row.push(cell(point.map_or_else(|| "–".to_owned(), |at| at.saturating_add(1).to_string())));
            }
            row
        }),
    )
}

/// The word that JSON and rule files use.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What each rule asks for that was lacking, and on whom it would fall.
fn prices(rules: &[&Rule]) -> Markup {
    let stopping: Vec<_> = rules.iter().filter(|rule| rule.stopped > 0).collect();
    html! {
        @if !stopping.is_empty() {
            h3 { "What is missing, and on whom it would fall" }
            div.cards {
                @for rule in stopping {
                    div.card {
                        h4 { code { (rule.id) } }
                        ul {
                            @for missing in &rule.missing {
                                @let by = Filter::by("rule", rule.id.as_str()).and("lacks", missing.what.clone());
                                li { (missing.what) ": lacking in " (changes(missing.changes, &by)) }
                            }
                            @if rule.nobody_could > 0 {
                                @let by = Filter::by("rule", rule.id.as_str()).and("nobody", "yes");
                                li {
                                    "too few people could have given it for " (changes(rule.nobody_could, &by))
                                }
                            }
                        }
                        @if !rule.falls_on.is_empty() {
                            (table(
                                "Approvals a week that would fall on",
                                &[Head::Words("Person"), Head::Number("A week")],
                                rule.falls_on.iter().take(NAMED).map(|part| vec![cell(&part.person), cell(decimal(part.approvals_per_week))]),
                            ))
                        }
                    }
                }
            }
        }
    }
}

fn compared(compare: &Compare) -> Markup {
    let number = |number: Option<u64>| cell(number.map_or_else(|| "–".to_owned(), thousands));
    let linked = |count: Option<u64>, filter: Filter| count.map_or_else(|| cell("–"), |count| changes(count, &filter));
    let weekly = |number: Option<f64>| cell(number.map_or_else(|| "–".to_owned(), decimal));
    let heads = [
        Head::Words("Rule"),
        Head::Number("First: stopped"),
        Head::Number("taken back"),
        Head::Number("approvals a week"),
        Head::Number("Second: stopped"),
        Head::Number("taken back"),
        Head::Number("approvals a week"),
    ];
    let differ = |differ: &Differ, verdict: &'static str| {
        let by = || Filter::by("verdict", verdict);
        html! {
            (leading(&number_of_changes(differ.changes), differ.changes, &by()))
            ", of which " (changes(differ.reverted, &by().and("reverted", "any"))) " were later taken back"
        }
    };
    html! {
        h3 { "Two sets of rules, side by side" }
        p {
            "First: " (compare.rules) ", which deny " (changes(compare.denied, &Filter::by("verdict", "denied")))
            ". Second: " (compare.other) ", which deny " (changes(compare.other_denied, &Filter::by("verdict", "other-denied")))
            ". Only what binds counts here."
        }
        ul {
            li { "Allowed by the first, denied by the second: " (differ(&compare.allow_to_deny, "allow-to-deny")) "." }
            li { "Denied by the first, allowed by the second: " (differ(&compare.deny_to_allow, "deny-to-allow")) "." }
        }
        (table("Each rule of the two sets", &heads, compare.each.iter().map(|rule| vec![
            html! { code { (rule.id) } },
            linked(rule.stopped, Filter::by("rule", rule.id.as_str())),
            linked(rule.stopped_reverted, Filter::by("rule", rule.id.as_str()).and("reverted", "any")),
            weekly(rule.extra_approvals_per_week),
            number(rule.other_stopped),
            number(rule.other_stopped_reverted),
            weekly(rule.other_extra_approvals_per_week),
        ])))
    }
}
