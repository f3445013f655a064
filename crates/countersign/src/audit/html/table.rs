//! Where the script puts the changes. What they are is in [`super::data`].

use maud::{Markup, html};

use super::parts::{GRADES, grade_key, grade_label};
use crate::audit::{report::Report, text::thousands};

pub fn section(report: &Report) -> Markup {
    html! {
        section id="changes" {
            h2 { "The changes" }
            noscript {
                p.notice {
                    "The " (thousands(report.landed)) " changes are listed, searched and filtered by a script, which is switched off \
                     here; so are the charts. Every number above stands without it. "
                    code { "countersign audit REPO --format json --changes" } " lists them too."
                }
            }
            div id="table" hidden {
                p { "Every number on this page leads here, to the changes that it counts." }
                (form(report))
                p id="filters" {}
                p id="count" role="status" tabindex="-1" {}
                div id="rows" {}
                div.pager id="pager" {}
            }
            p id="table-state" { }
        }
    }
}

fn form(report: &Report) -> Markup {
    let mut areas: Vec<&str> = report.areas.iter().map(|area| area.area.as_str()).collect();
    areas.truncate(200);
    let years = years(report);
    html! {
        form id="search" role="search" {
            label.wide { "Search" input type="search" name="q" autocomplete="off" placeholder=(placeholder(report)); }
            (select("second", "Second person", &[("yes", "Git carries one"), ("no", "Git carries none")]))
            (select("grade", "Grade", &GRADES.map(|grade| (grade_key(grade), grade_label(grade)))))
            (select("ai", "AI assistance", &[
                ("declared,inferred", "Any sign"), ("declared", "Declared"), ("inferred", "Inferred"), ("unknown", "Unknown"),
            ]))
            (select("impact", "Reaches far", &same(report.impact.iter().filter(|row| row.landed > 0).map(|row| row.class.as_str()))))
            (select("rule", "Rule not met", &std::iter::once(("any", "Any rule"))
                .chain(same(report.rules.iter().filter(|rule| rule.stopped > 0).map(|rule| rule.id.as_str())))
                .collect::<Vec<_>>()))
            (select("reverted", "Taken back", &[("any", "Yes"), ("no", "No")]))
            (select("month", "Landed in", &same(years.iter().map(String::as_str))))
            (select("area", "Area", &same(areas.into_iter())))
            (select("order", "Order", &[("oldest", "Oldest first")]))
            button type="reset" { "Clear" }
        }
    }
}

fn placeholder(report: &Report) -> &'static str {
    if report.anonymised {
        "Commit id, pseudonym, grade, convention"
    } else {
        "Commit id, subject, person, grade, convention"
    }
}

fn same<'a>(words: impl Iterator<Item = &'a str>) -> Vec<(&'a str, &'a str)> {
    words.map(|word| (word, word)).collect()
}

fn years(report: &Report) -> Vec<String> {
    let mut years: Vec<String> = report
        .months
        .iter()
        .filter_map(|month| month.month.rsplit_once('-').map(|(year, _)| year.to_owned()))
        .collect();
    years.dedup();
    years.reverse();
    years
}

fn select(name: &str, label: &str, options: &[(&str, &str)]) -> Markup {
    let first = if name == "order" { "Newest first" } else { "All" };
    html! {
        label {
            (label)
            select name=(name) {
                option value="" { (first) }
                @for (value, words) in options { option value=(value) { (words) } }
            }
        }
    }
}
