//! Who carries the reviews: how few, in which areas, in which periods, and how long changes waited.

use maud::{Markup, html};

use super::{
    parts::{Filter, Head, bar, cell, changes, chart, table},
    sections::ROWS,
};
use crate::audit::{
    carried::{Area, Period},
    report::{Report, Reviewer},
    text::{counted, percent, span, thousands},
};

/// Areas that are listed.
const AREAS: usize = 25;

pub fn section(report: &Report) -> Markup {
    let reviews = reviews(&report.reviewers);
    let carrying = &report.carrying;
    html! {
        section id="carriers" {
            h2 { "Who carries the reviews" }
            @if let (Some(median), Some(p90)) = (carrying.median_days, carrying.p90_days) {
                p { "From author date to landing: half within " (span(median)) ", nine of ten within " (span(p90)) "." }
            }
            @if reviews == 0 {
                p { "Git names no reviewer, so there is nothing to share out. That is not to say that there was none." }
            } @else {
                p {
                    (thousands(carrying.half_of_reviews)) " of " (counted(report.reviewers.len() as u64, "reviewer"))
                    " gave half of the " (counted(reviews, "review")) " that git names."
                    @if let Some(only) = &carrying.only_reviewer {
                        " In the 180 days before the newest change " b { (only) } " was the only one who reviewed."
                    }
                    @if carrying.dated_approvals > 0 {
                        " Of " (counted(carrying.dated_approvals, "approval")) " by others whose time is told, "
                        (thousands(carrying.within_a_minute)) " came within a minute of the author date."
                    }
                }
                @if report.reviewers.len() > 2 {
                    (chart(
                        "chart-reviewers",
                        "Share of the reviews that the busiest reviewers gave together",
                        "A line: the share of all reviews that was given by the busiest reviewer, by the two busiest, and so on.",
                    ))
                }
                (table(
                    &format!("Reviewers, busiest first{}", first_of(ROWS, report.reviewers.len())),
                    &[Head::Words("Reviewer"), Head::Number("Changes"), Head::Words("Share of all reviews")],
                    report.reviewers.iter().take(ROWS).map(|reviewer| {
                        let by = Filter::by("reviewer", reviewer.person.clone());
                        vec![cell(&reviewer.person), changes(reviewer.count, &by), bar(reviewer.count, reviews, "named")]
                    }),
                ))
                (periods(&carrying.periods))
                (pairs(report))
            }
            (areas(report))
        }
    }
}

fn first_of(shown: usize, all: usize) -> String {
    if all > shown { format!(" (the first {shown} of {all})") } else { String::new() }
}

fn periods(periods: &[Period]) -> Markup {
    let heads = [
        Head::Words("Period"),
        Head::Number("Changes"),
        Head::Number("Reviews"),
        Head::Number("Reviewers"),
        Head::Number("Gave half"),
        Head::Number("Half landed within"),
        Head::Number("Nine of ten within"),
    ];
    let within = |days: Option<f64>| cell(days.map_or_else(|| "–".to_owned(), span));
    let row = |period: &Period| {
        vec![
            cell(&period.period),
            changes(period.landed, &Filter::by("month", months_of(&period.period))),
            cell(thousands(period.reviews)),
            cell(thousands(period.reviewers.len() as u64)),
            cell(if period.reviews == 0 { "–".to_owned() } else { thousands(period.half_of_reviews) }),
            within(period.median_days),
            within(period.p90_days),
        ]
    };
    html! {
        @if periods.len() > 1 {
            (table("How the reviews were carried, newest first", &heads, periods.iter().rev().map(row)))
        }
    }
}

/// Of a quarter its first and last month; a year is the beginning of all of its months.
fn months_of(period: &str) -> String {
    match period.split_once("-Q") {
        Some((year, quarter)) => {
            let first = quarter.parse::<u8>().unwrap_or(1).saturating_sub(1).saturating_mul(3).saturating_add(1);
            format!("{year}-{first:02}..{year}-{:02}", first.saturating_add(2))
        }
        None => period.to_owned(),
    }
}

fn pairs(report: &Report) -> Markup {
    let pairs = &report.carrying.pairs;
    html! {
        @if !pairs.is_empty() {
            h3 { "Pairs who approve each other" }
            p { "Nobody else ever approved what they wrote." }
            ul {
                @for pair in pairs.iter().take(ROWS) {
                    @let [one, other] = &pair.people;
                    @let [times, back] = pair.times;
                    li {
                        b { (one) } " and " b { (other) } ": "
                        (changes(times, &Filter::by("contributor", one.clone()).and("reviewer", other.clone())))
                        " and "
                        (changes(back, &Filter::by("contributor", other.clone()).and("reviewer", one.clone())))
                        " changes"
                    }
                }
            }
        }
    }
}

fn areas(report: &Report) -> Markup {
    let (heading, one) = match report.areas_by {
        "codeowners" => ("Areas, by who owns them", "Owners"),
        "catalog" => ("Areas, by system", "System"),
        _ => ("Areas", "Area"),
    };
    let heads = [
        Head::Words(one),
        Head::Number("Changes"),
        Head::Number("Reviewers"),
        Head::Number("Gave half"),
        Head::Words("Busiest reviewer"),
        Head::Number("Half landed within"),
        Head::Number("Nine of ten within"),
    ];
    let within = |days: Option<f64>| cell(days.map_or_else(|| "–".to_owned(), span));
    let row = |area: &Area| {
        vec![
            cell(&area.area),
            changes(area.landed, &Filter::by("area", area.area.clone())),
            cell(thousands(area.reviewers.len() as u64)),
            cell(if area.reviewers.is_empty() { "–".to_owned() } else { thousands(area.half_of_reviews) }),
            busiest(area),
            within(area.median_days),
            within(area.p90_days),
        ]
    };
    let alone = report.areas.iter().filter(|area| area.only_reviewer.is_some()).count();
    html! {
        @if report.areas.len() > 1 {
            h3 { (heading) }
            p {
                "A change counts in each area that it touches. "
                @if let Some(file) = &report.owners_file {
                    "The branch's " code { (file.path) } " has " (counted(file.entries, "pattern")) ". "
                }
                @if alone > 0 { (counted(alone as u64, "area")) " had one reviewer only in the 180 days before the newest change." }
            }
            (table(
                &format!("Areas, most changes first{}", first_of(AREAS, report.areas.len())),
                &heads,
                report.areas.iter().take(AREAS).map(row),
            ))
        }
    }
}

fn busiest(area: &Area) -> Markup {
    html! {
        @match area.reviewers.first() {
            Some(reviewer) => { (reviewer.person) ", " (percent(reviewer.count, reviews(&area.reviewers))) }
            None => { "–" }
        }
        @if let Some(only) = &area.only_reviewer {
            span.meaning { "In the 180 days before the newest change " (only) " was the only one." }
        }
    }
}

fn reviews(reviewers: &[Reviewer]) -> u64 {
    reviewers.iter().map(|reviewer| reviewer.count).sum()
}
