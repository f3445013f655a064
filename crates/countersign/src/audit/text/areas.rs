//! The part of the page about where the reviews rest on few.

use super::{FAINT, PLAIN, Page, ROWS, counted, rules::more, span, thousands};
use crate::audit::{
    carried::{Area, Period},
    report::Report,
};

/// Names of a list that stands in a sentence.
const NAMED: usize = 5;

pub(super) fn areas(page: &mut Page, report: &Report) {
    let carrying = &report.carrying;
    if let (Some(median), Some(p90)) = (carrying.median_days, carrying.p90_days) {
        page.paragraph(&format!(
            "From author date to landing: half within {}, nine of ten within {}.",
            span(median),
            span(p90)
        ));
    }
    // Without a reviewer it would have columns of zeros.
    if !report.reviewers.is_empty() {
        periods(page, &carrying.periods);
    }
    if carrying.dated_approvals > 0 {
        page.paragraph(&format!(
            "Of {} by others whose time is told, {} came within a minute of the author date.",
            counted(carrying.dated_approvals, "approval"),
            thousands(carrying.within_a_minute)
        ));
    }
    let pairs: Vec<String> = carrying
        .pairs
        .iter()
        .take(NAMED)
        .map(|pair| {
            let [one, other] = &pair.people;
            let [times, back] = pair.times;
            format!("{one} and {other} ({times} and {back} times)")
        })
        .collect();
    if !pairs.is_empty() {
        page.paragraph(&format!(
            "{} approved each other and nobody else ever approved them: {}.",
            counted(carrying.pairs.len() as u64, "pair"),
            pairs.join("; ")
        ));
    }
    let alone: Vec<&Area> = report.areas.iter().filter(|area| area.only_reviewer.is_some()).collect();
    if !alone.is_empty() {
        let named: Vec<String> = alone
            .iter()
            .take(NAMED)
            .map(|area| format!("{} ({})", area.area, area.only_reviewer.as_deref().unwrap_or_default()))
            .collect();
        page.paragraph(&format!(
            "{} that only one person reviewed in the 180 days before the newest change: {}.",
            counted(alone.len() as u64, "area"),
            named.join(", ")
        ));
    }
    let busiest: Vec<&Area> = report.areas.iter().filter(|area| !area.reviewers.is_empty()).collect();
    if busiest.len() > 1 {
        let area = match report.areas_by {
            "codeowners" => "owners",
            "catalog" => "system",
            _ => "area",
        };
        page.columns(FAINT, area, "changes", "reviewers; how many gave half; half landed within");
        for area in busiest.iter().take(ROWS) {
            let reviewers = counted(area.reviewers.len() as u64, "reviewer");
            let median = area.median_days.map_or_else(String::new, span);
            let rest = format!("{reviewers:<16}{:<10}{median}", thousands(area.half_of_reviews));
            page.columns(PLAIN, &area.area, &thousands(area.landed), &rest);
        }
        more(page, busiest.len());
    }
}

/// The last ones, oldest first.
fn periods(page: &mut Page, periods: &[Period]) {
    if periods.len() < 2 {
        return;
    }
    let label = match periods.len() > ROWS {
        true => format!("the newest {ROWS} of {}", periods.len()),
        false => String::new(),
    };
    page.columns(FAINT, &label, "changes", " reviews reviewers gave half  half landed  nine of ten");
    for period in periods.iter().skip(periods.len().saturating_sub(ROWS)) {
        let within = |days: Option<f64>| days.map_or_else(String::new, span);
        let rest = format!(
            "{:>8}{:>10}{:>10}  {:<13}{}",
            thousands(period.reviews),
            thousands(period.reviewers.len() as u64),
            thousands(period.half_of_reviews),
            within(period.median_days),
            within(period.p90_days)
        );
        page.columns(PLAIN, &period.period, &thousands(period.landed), &rest);
    }
}
