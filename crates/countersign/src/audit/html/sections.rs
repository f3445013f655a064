//! The story, top-down: what was read, what git can prove, AI assistance, what reaches far, what was taken back, and how to
//! read all that.

use maud::{Markup, html};

use super::{
    carriers, number_of_changes,
    parts::{
        Filter, GRADES, Head, bar, cell, changes, chart, grade_key, grade_label, grade_meaning, leading, of_grade,
        table,
    },
};
use crate::audit::{
    report::{Ai, Month, Recent, Report, has_second_person},
    text::{counted, headline, is_mostly_opaque, percent, span, thousands},
};

/// Rows of a table; the JSON report has them all.
pub(super) const ROWS: usize = 12;
/// How long until a change was taken back: the word in links, the words for people, and below how many days.
const AFTER: [(&str, &str, f64); 6] = [
    ("hour", "within an hour", 1.0 / 24.0),
    ("day", "within a day", 1.0),
    ("week", "within a week", 7.0),
    ("month", "within 30 days", 30.0),
    ("year", "within a year", 365.0),
    ("later", "later", f64::INFINITY),
];

pub fn head(report: &Report) -> Markup {
    let day = |time: &Option<String>| time.as_deref().and_then(|time| time.split('T').next()).unwrap_or("?").to_owned();
    let without = report.grades.no_second_person();
    let with = report.landed.saturating_sub(without);
    let judged = report.landed.saturating_sub(report.grades.opaque);
    html! {
        header {
            p.kicker { "Audit of " b { (report.title) } ", branch " b { (report.branch) } }
            @if report.landed == 0 {
                h1 { "No change landed in that time" }
                p.lede { "There is nothing to judge. Choose other dates or another branch." }
            } @else {
                h1 { (headline(report)) }
                p.lede {
                    @if is_mostly_opaque(report) {
                        "The forge or a script made " (changes(report.grades.opaque, &Filter::by("grade", "opaque")))
                        " of them, and what was reviewed there leaves no trace in git. Of the other "
                        (thousands(judged)) " git carries a second person for "
                        (leading(&percent(with, judged), with, &Filter::by("second", "yes"))) "."
                    } @else if without == 0 {
                        "Somebody besides the author left a trace in every one of them."
                    } @else if with == 0 {
                        (leading("That", without, &Filter::by("second", "no")))
                        " is not to say that nobody looked: reviews on a forge, by mail or at a desk leave no trace in git."
                    } @else {
                        "Of the other " (changes(without, &Filter::by("second", "no")))
                        " git carries no second person. That is not to say that nobody looked: reviews on a forge, by mail \
                         or at a desk leave no trace in git."
                    }
                }
                p.meta {
                    (day(&report.read.first)) " to " (day(&report.read.last)) " · tip " code { (report.tip.short()) }
                    " · read from " (counted(report.read.commits, "commit"))
                    " · " (counted(report.people.people, "person"))
                    @if let Some(since) = &report.since { " · since " (since) }
                    @if let Some(until) = &report.until { " · until " (until) }
                    @if report.anonymised { " · people have pseudonyms" }
                }
                (tiles(report))
                (next(report))
                nav aria-label="Sections" {
                    ul {
                        @for (id, words) in [
                            ("proof", "What git can prove"), ("ai", "AI assistance"), ("impact", "Paths that reach far"),
                            ("reverts", "Taken back"), ("carriers", "Who carries the reviews"),
                            ("rules", "What the rules would have done"), ("changes", "The changes"),
                            ("methods", "Methods and caveats"),
                        ] {
                            li { a href=(format!("#{id}")) { (words) } }
                        }
                    }
                }
            }
        }
    }
}

/// What to do with all that.
fn next(report: &Report) -> Markup {
    html! {
        div.notice {
            h2 { "What to do next" }
            ol {
                @for step in &report.next {
                    li {
                        (step.what)
                        @if let Some(command) = &step.command { pre.command tabindex="0" { code { (command) } } }
                    }
                }
            }
        }
    }
}

fn tiles(report: &Report) -> Markup {
    let of = report.landed;
    let tile = |number: Markup, words: Markup| html! { div.tile { dt { (words) } dd { (number) } } };
    let linked = |count: u64, filter: Filter| match count {
        0 => cell("0"),
        _ => leading(&percent(count, of), count, &filter),
    };
    let named = report.grades.named;
    let assisted = report.ai.declared.saturating_add(report.ai.inferred);
    let reviews: u64 = report.reviewers.iter().map(|reviewer| reviewer.count).sum();
    html! {
        dl.tiles {
            (tile(linked(named, Filter::by("grade", "named")), html! { "name a reviewer in git: " (number_of_changes(named)) }))
            (tile(
                linked(report.grades.alone, Filter::by("grade", "alone")),
                html! { "landed alone, with nothing else said: " (thousands(report.grades.alone)) },
            ))
            (tile(
                linked(assisted, Filter::by("ai", "declared,inferred")),
                html! { "carry a sign of AI assistance: " (thousands(assisted)) },
            ))
            (tile(
                linked(report.reverts.reverted, Filter::by("reverted", "any")),
                html! { "were later taken back: " (thousands(report.reverts.reverted)) },
            ))
            @if reviews > 0 {
                (tile(
                    html! { (thousands(report.carrying.half_of_reviews)) },
                    html! {
                        @if report.carrying.half_of_reviews == 1 { "person" } @else { "people" }
                        " of " (thousands(report.reviewers.len() as u64)) " gave half of the reviews that git names"
                    },
                ))
            }
            @if let Some(whole) = &report.replay {
                (tile(
                    leading(&percent(whole.stopped, whole.judged), whole.stopped, &Filter::by("rule", "any")),
                    html! { "would not have met every one of the rules: " (thousands(whole.stopped)) },
                ))
            }
        }
    }
}

pub fn all(report: &Report) -> Markup {
    html! {
        (proof(report))
        (ai(report))
        (impact(report))
        (reverts(report))
        (carriers::section(report))
    }
}

fn proof(report: &Report) -> Markup {
    let heads = [Head::Words("Grade, and what git carries"), Head::Number("Changes"), Head::Words("Share")];
    let row = |grade: countersign_audit::Grade| {
        let count = of_grade(&report.grades, grade);
        let key = grade_key(grade);
        vec![
            html! {
                span.swatch {
                    svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(key) width="10" height="10" {} }
                    (grade_label(grade))
                }
                span.meaning {
                    (grade_meaning(grade))
                    @if !has_second_person(grade) { " No second person." }
                }
            },
            changes(count, &Filter::by("grade", key)),
            bar(count, report.landed, key),
        ]
    };
    let without = report.grades.no_second_person();
    html! {
        section id="proof" {
            h2 { "What git can prove" }
            p {
                "Every landed change has one grade: the strongest thing that git carries about a second person. Of "
                (changes(report.landed.saturating_sub(without), &Filter::by("second", "yes")))
                " changes (" (percent(report.landed.saturating_sub(without), report.landed)) ") it carries one, of "
                (changes(without, &Filter::by("second", "no")))
                " (" (percent(without, report.landed)) ") it carries none."
            }
            (chart("chart-grades", "Landed changes by grade", "Stacked bars: landed changes over time, by grade."))
            (table("Landed changes by grade, strongest first", &heads, GRADES.map(row)))
            (lately(report))
            (robots(report))
            (months(report))
        }
    }
}

/// The last twelve months beside all.
fn lately(report: &Report) -> Markup {
    let Recent { from, to, landed, grades, ai, robots } = &report.recent;
    let (Some(from), Some(to)) = (from, to) else { return html! {} };
    // A younger history has no other months.
    if *landed == report.landed || *landed == 0 {
        return html! {};
    }
    let heads = [
        Head::Words(""),
        Head::Number("All"),
        Head::Words("Share"),
        Head::Number("Last 12 months"),
        Head::Words("Share"),
    ];
    let by = |filter: Filter, words: &str, class: &str, all: u64, lately: u64| {
        let within = filter.clone().and("month", format!("{from}..{to}"));
        vec![
            cell(words),
            changes(all, &filter),
            bar(all, report.landed, class),
            changes(lately, &within),
            bar(lately, *landed, class),
        ]
    };
    let second = || Filter::by("second", "yes");
    let (all, signs) = (&report.grades, |ai: &Ai| ai.declared.saturating_add(ai.inferred));
    let rows = [
        by(second(), "Git carries a second person", "named", all.second_person(), grades.second_person()),
        by(Filter::by("grade", "named"), "A reviewer is named", "named", all.named, grades.named),
        by(Filter::by("grade", "opaque"), "Git cannot tell", "opaque", all.opaque, grades.opaque),
        by(
            Filter::by("grade", "self_approved,self_merged,alone"),
            "Nobody else left a trace",
            "alone",
            all.no_second_person().saturating_sub(all.opaque),
            grades.no_second_person().saturating_sub(grades.opaque),
        ),
        by(Filter::by("ai", "declared,inferred"), "A sign of AI assistance", "declared", signs(&report.ai), signs(ai)),
        by(Filter::by("made", "robots"), "Made by robots alone", "unknown", report.robots.total(), robots.total()),
    ];
    table(&format!("The last twelve months ({from} to {to}) beside all"), &heads, rows)
}

/// What robots alone made is no practice of people.
fn robots(report: &Report) -> Markup {
    let (robots, made) = (&report.robots, report.robots.total());
    let (people, with) =
        (report.landed.saturating_sub(made), report.grades.second_person().saturating_sub(robots.second_person()));
    html! {
        @if made > 0 {
            p {
                "Robots alone made " (changes(made, &Filter::by("made", "robots"))) " of the changes (updates, releases, translations). Of the "
                (changes(people, &Filter::by("made", "people"))) " that people had a hand in, git carries a second person for "
                (leading(&percent(with, people), with, &Filter::by("made", "people").and("second", "yes"))) "."
            }
        }
    }
}

/// The numbers of the charts over time.
fn months(report: &Report) -> Markup {
    let heads = [
        Head::Words("Month"),
        Head::Number("Changes"),
        Head::Number("Second person"),
        Head::Number("No second person"),
        Head::Number("AI declared"),
        Head::Number("AI inferred"),
    ];
    let row = |month: &Month| {
        let by = || Filter::by("month", month.month.clone());
        let without = month.grades.no_second_person();
        vec![
            cell(&month.month),
            changes(month.landed, &by()),
            changes(month.landed.saturating_sub(without), &by().and("second", "yes")),
            changes(without, &by().and("second", "no")),
            changes(month.ai.declared, &by().and("ai", "declared")),
            changes(month.ai.inferred, &by().and("ai", "inferred")),
        ]
    };
    html! {
        details {
            summary { "The numbers by month" }
            (table("Landed changes by month, newest first", &heads, report.months.iter().rev().map(row)))
        }
    }
}

fn ai(report: &Report) -> Markup {
    let ai = &report.ai;
    let heads = [Head::Words("Assistance"), Head::Number("Changes"), Head::Words("Share")];
    let rows = [
        ("declared", "Declared", "A commit or its notes say that a tool had a part.", ai.declared),
        (
            "inferred",
            "Inferred",
            "Something looks so: an identity, a mention. The sign is named with each change.",
            ai.inferred,
        ),
        ("unknown", "Unknown", "Nothing is said. That does not mean that a human wrote it.", ai.unknown),
    ];
    let rows = rows.map(|(key, label, meaning, count)| {
        vec![
            html! { (label) span.meaning { (meaning) } },
            changes(count, &Filter::by("ai", key)),
            bar(count, report.landed, key),
        ]
    });
    let tools = tools(report);
    html! {
        section id="ai" {
            h2 { "AI assistance, as far as commits and notes say" }
            p {
                "A sign is a claim, not a proof: some editors stamp what people wrote by hand, and many tools leave no trace."
            }
            @if ai.declared.saturating_add(ai.inferred) > 0 {
                (chart(
                    "chart-ai",
                    "Share of landed changes with a sign of AI assistance",
                    "Stacked bars: the share of landed changes over time that declare AI assistance, or from which it is inferred.",
                ))
            }
            (table("Landed changes by sign of AI assistance", &heads, rows))
            @if !tools.is_empty() {
                (table(
                    "Tools that signs name; a change may name several",
                    &[Head::Words("Tool"), Head::Number("Changes")],
                    tools.into_iter().map(|(tool, count)| vec![cell(tool), changes(count, &Filter::by("tool", tool))]),
                ))
            }
        }
    }
}

fn tools(report: &Report) -> Vec<(&'static str, u64)> {
    let mut counts: std::collections::BTreeMap<&'static str, u64> = std::collections::BTreeMap::new();
    for tool in report.changes.iter().flatten().flat_map(|change| &change.ai_tools) {
        let count = counts.entry(tool).or_default();
        *count = count.saturating_add(1);
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(tool, count)| (std::cmp::Reverse(*count), *tool));
    counts.truncate(ROWS);
    counts
}

fn impact(report: &Report) -> Markup {
    let heads =
        [Head::Words("Paths"), Head::Number("Changes"), Head::Number("No second person"), Head::Words("Share without")];
    let touched: Vec<_> = report.impact.iter().filter(|row| row.landed > 0).collect();
    html! {
        section id="impact" {
            h2 { "Paths that reach far" }
            @if touched.is_empty() {
                p { "No landed change touches a path of the table of paths that reach far." }
            } @else {
                p {
                    "Deployment, infrastructure, access and the like: a mistake there is felt by everybody. A change counts in \
                     each class that it touches."
                }
                (table("Changes of paths that reach far, by class", &heads, touched.into_iter().map(|row| {
                    let by = || Filter::by("impact", row.class.clone());
                    vec![
                        cell(&row.class),
                        changes(row.landed, &by()),
                        changes(row.no_second_person, &by().and("second", "no")),
                        bar(row.no_second_person, row.landed, "without"),
                    ]
                })))
            }
        }
    }
}

fn reverts(report: &Report) -> Markup {
    let reverts = &report.reverts;
    html! {
        section id="reverts" {
            h2 { "What was taken back" }
            @if reverts.reverted == 0 {
                p { "No change says that it takes back another one that landed here. Not every mistake is mended by a revert." }
            } @else {
                p {
                    (leading(&number_of_changes(reverts.reverted), reverts.reverted, &Filter::by("reverted", "any")))
                    " (" (percent(reverts.reverted, report.landed)) ") "
                    @if reverts.reverted == 1 { "was" } @else { "were" }
                    " taken back by a later one"
                    @if let Some(days) = reverts.median_days {
                        @if reverts.reverted == 1 { ", after " } @else { ", half of them within " }
                        (span(days))
                    }
                    "."
                }
                (chart(
                    "chart-reverts",
                    "Changes that were later taken back, by when they landed",
                    "Bars: landed changes over time that a later change took back.",
                ))
                div.pair {
                    (reverted_by_grade(report))
                    (reverted_after(report))
                }
            }
            @if reverts.unfound > 0 {
                p.quiet { (counted(reverts.unfound, "more revert")) " of something that is not in what was read." }
            }
        }
    }
}

fn reverted_by_grade(report: &Report) -> Markup {
    let heads = [Head::Words("Grade"), Head::Number("Taken back"), Head::Words("Of the changes of that grade")];
    let rows = GRADES.into_iter().filter(|grade| of_grade(&report.grades, *grade) > 0).map(|grade| {
        let (count, of) = (of_grade(&report.reverts.grades, grade), of_grade(&report.grades, grade));
        let key = grade_key(grade);
        vec![
            cell(grade_label(grade)),
            changes(count, &Filter::by("reverted", "any").and("grade", key)),
            bar(count, of, key),
        ]
    });
    table("Taken back, by grade", &heads, rows)
}

fn reverted_after(report: &Report) -> Markup {
    let days: Vec<f64> = report.changes.iter().flatten().filter_map(|change| change.reverted_after_days).collect();
    let heads = [Head::Words("After landing"), Head::Number("Taken back"), Head::Words("Share")];
    let mut from = f64::NEG_INFINITY;
    let mut rows = Vec::new();
    for (key, words, below) in AFTER {
        let count = days.iter().filter(|days| (from..below).contains(*days)).count() as u64;
        let bar = bar(count, report.reverts.reverted, "reverted");
        rows.push(vec![cell(words), changes(count, &Filter::by("reverted", key)), bar]);
        from = below;
    }
    table("How long it took", &heads, rows)
}

pub fn methods(report: &Report) -> Markup {
    let mut conventions: Vec<_> = report.conventions.iter().collect();
    conventions.sort_by_key(|row| std::cmp::Reverse(row.decided));
    let people = &report.people;
    html! {
        section id="methods" {
            h2 { "Methods and caveats" }
            p {
                "A landed change is a first-parent commit of the branch. Evidence is looked for in it, in its notes and in every \
                 commit that it first brings in (" (counted(report.read.brought, "commit")) "); the strongest counts. Whoever \
                 wrote, co-wrote or committed a part is no second person."
            }
            @if !conventions.is_empty() {
                (table(
                    "Conventions that the grades stand on",
                    &[Head::Words("Convention"), Head::Number("Changes whose grade it gave")],
                    conventions.into_iter().map(|row| {
                        vec![html! { code { (row.convention) } }, changes(row.decided, &Filter::by("convention", row.convention))]
                    }),
                ))
            }
            h3 { "Who is who" }
            p {
                (counted(people.people, "person")) ". Names and mails that they appear under: " (thousands(people.identities)) "."
                @if people.joined.is_empty() { " None of them had to be joined." }
            }
            @if !people.joined.is_empty() {
                (table(
                    "Identities that were joined to another one",
                    &[Head::Words("Because"), Head::Number("Identities")],
                    people.joined.iter().map(|joined| vec![cell(joined.why), cell(thousands(joined.identities))]),
                ))
            }
            @if !report.read.notes.is_empty() {
                p { "Notes that were read: " @for (at, note) in report.read.notes.iter().enumerate() { @if at > 0 { ", " } code { (note) } } "." }
            }
            @if let Some(reviews) = &report.forge_reviews {
                p {
                    "The forge tells of " (counted(reviews.requests, "merged request")) ", of which "
                    (thousands(reviews.landed)) " landed here."
                }
            }
            @if let Some(governed) = &report.governed {
                p {
                    "The log has " (thousands(governed.changes)) " changes that landed, of which "
                    (thousands(governed.landed)) " landed here."
                }
            }
            @if report.read.note_db_changes > 0 {
                p { "Gerrit keeps " (counted(report.read.note_db_changes, "review")) " in the repository." }
            }
            h3 { "Caveats" }
            ul.caveats { @for caveat in &report.caveats { li { (caveat) } } }
            p.quiet { "Times are UTC, of landing: the committer's." }
        }
    }
}
