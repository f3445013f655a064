//! The part of the page about rules: what each would have stopped and at what price, and two sets side by side.

use super::{FAINT, INDENT, PLAIN, Page, ROWS, counted, padded, percent, thousands};
use crate::audit::{
    replayed::{Compare, Differ, Rule},
    report::Report,
};

const RULE: usize = 24;
/// People on whom a rule's approvals fall that are named.
const NAMED: usize = 3;

pub(super) fn rules(page: &mut Page, report: &Report) {
    let Some(whole) = &report.replay else { return };
    page.heading("What the rules would have done");
    let caught = match whole.reverted {
        0 => String::new(),
        reverted => {
            let stopped = thousands(whole.stopped_reverted);
            format!(", and with them {stopped} of the {} that were later reverted", thousands(reverted))
        }
    };
    page.paragraph(&format!(
        "{}, put to {} with what was known when each landed. Together the rules would have stopped {} ({}){caught}.",
        counted(whole.judged, "change"),
        whole.rules,
        thousands(whole.stopped),
        percent(whole.stopped, whole.judged),
    ));
    row(page, FAINT, "", ["", "", "of those", "approvals", "waiting h"]);
    row(page, FAINT, "rule", ["stopped", "", "reverted", "a week", "a week"]);
    let mut listed: Vec<&Rule> = report.rules.iter().collect();
    listed.sort_by(|a, b| b.stopped.cmp(&a.stopped).then_with(|| a.id.cmp(&b.id)));
    for rule in listed.iter().take(ROWS) {
        let numbers = [
            thousands(rule.stopped),
            percent(rule.stopped, whole.judged),
            thousands(rule.stopped_reverted),
            decimal(rule.extra_approvals_per_week),
            decimal(rule.added_hours_per_week),
        ];
        row(page, PLAIN, rule.id.as_str(), numbers.each_ref().map(String::as_str));
    }
    more(page, listed.len());
    for rule in listed.iter().take(ROWS).filter(|rule| rule.stopped > 0) {
        price(page, rule);
    }
    if whole.reverted > 0 && !whole.curve.is_empty() {
        page.paragraph("Rule upon rule, best first: reverted changes caught, against changes stopped:");
        for point in whole.curve.iter().take(ROWS) {
            let caught = percent(point.reverted, whole.reverted);
            let stopped = percent(point.stopped, whole.judged);
            let label = padded(point.rule.as_str(), RULE);
            page.line(PLAIN, &format!("{INDENT}{label}{caught:>8} against {stopped:>6}"));
        }
        more(page, whole.curve.len());
    }
}

/// What would have satisfied a rule, and on whom it would have fallen.
fn price(page: &mut Page, rule: &Rule) {
    let missing = rule.missing.first().map_or("", |missing| missing.what.as_str());
    let on: Vec<String> = rule
        .falls_on
        .iter()
        .take(NAMED)
        .map(|part| match part.approvals_per_week {
            // Nobody is named on whom nothing falls.
            few if few < 0.05 => format!("{} <0.1", part.person),
            some => format!("{} {}", part.person, decimal(some)),
        })
        .collect();
    let on = if on.is_empty() { String::new() } else { format!("; approvals a week fall on {}", on.join(", ")) };
    let nobody = match rule.nobody_could {
        0 => String::new(),
        changes => format!("; too few could have given them for {}", counted(changes, "change")),
    };
    page.paragraph(&format!("{}: most often for want of {missing}{on}{nobody}.", rule.id));
}

pub(super) fn compare(page: &mut Page, report: &Report) {
    let Some(compare) = &report.compare else { return };
    page.heading("Two sets of rules, side by side");
    page.paragraph(&format!(
        "{} deny {}, {} deny {}. Only what binds counts here, so a rule in watch denies nothing.",
        compare.rules,
        counted(compare.denied, "change"),
        compare.other,
        counted(compare.other_denied, "change"),
    ));
    differ(page, "allowed by the first, denied by the second", &compare.allow_to_deny);
    differ(page, "denied by the first, allowed by the second", &compare.deny_to_allow);
    both(page, compare);
}

fn differ(page: &mut Page, what: &str, differ: &Differ) {
    let examples = match differ.examples.as_slice() {
        [] => String::new(),
        some => format!(", like {}", some.iter().map(|id| id.short()).collect::<Vec<_>>().join(", ")),
    };
    page.paragraph(&format!(
        "{} {what}, of which {} were later reverted{examples}.",
        counted(differ.changes, "change"),
        thousands(differ.reverted),
    ));
}

fn both(page: &mut Page, compare: &Compare) {
    row(page, FAINT, "stopped by the rule", ["first", "reverted", "second", "reverted", ""]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), thousands);
    for rule in compare.each.iter().take(ROWS) {
        let numbers = [
            number(rule.stopped),
            number(rule.stopped_reverted),
            number(rule.other_stopped),
            number(rule.other_stopped_reverted),
            String::new(),
        ];
        row(page, PLAIN, rule.id.as_str(), numbers.each_ref().map(String::as_str));
    }
    more(page, compare.each.len());
}

fn row(page: &mut Page, style: anstyle::Style, label: &str, numbers: [&str; 5]) {
    const WIDTHS: [usize; 5] = [10, 10, 11, 11, 11];
    let mut line = padded(label, RULE);
    for (number, width) in numbers.iter().zip(WIDTHS) {
        line.push_str(&format!("{number:>width$}"));
    }
    page.line(style, format!("{INDENT}{line}").trim_end());
}

pub(super) fn more(page: &mut Page, all: usize) {
    if all > ROWS {
        page.paragraph(&format!("and {} more, in JSON", all - ROWS));
    }
}

pub(in crate::audit) fn decimal(number: f64) -> String {
    match number {
        n if n >= 99.95 => thousands(n.round() as u64),
        n => format!("{n:.1}"),
    }
}
