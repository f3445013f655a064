//! The report for a terminal: what was read, what git proves, AI assistance, who carries the reviews, what reaches far,
//! what was taken back, and how to read all that. At most `COLUMNS` wide.

mod areas;
mod rules;
pub mod started;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

pub(in crate::audit) use self::rules::decimal;
use super::report::{Grades, Report};

const COLUMNS: usize = 100;
const INDENT: &str = "  ";
const LABEL: usize = 30;
const NUMBER: usize = 9;
const BAR: usize = 40;
/// Rows of a table; JSON has them all.
const ROWS: usize = 10;

const GOOD: Style = AnsiColor::Green.on_default();
const FAIR: Style = AnsiColor::Yellow.on_default();
const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// With colours; whoever prints it takes them out where nobody sees them.
pub fn render(report: &Report) -> String {
    let mut page = Page::default();
    head(&mut page, report);
    if report.landed == 0 {
        page.paragraph("No change landed in that time: nothing to judge. Choose other dates or another --branch.");
        return page.0;
    }
    grades(&mut page, report);
    ai(&mut page, report);
    carriers(&mut page, report);
    areas::areas(&mut page, report);
    impact(&mut page, report);
    reverts(&mut page, report);
    rules::rules(&mut page, report);
    rules::compare(&mut page, report);
    years(&mut page, report);
    next(&mut page, report);
    methods(&mut page, report);
    page.0
}

/// A folder's name says nothing where it is the one that somebody stands in.
fn name(report: &Report) -> &str {
    if report.repository == "." { &report.title } else { &report.repository }
}

fn head(page: &mut Page, report: &Report) {
    if report.landed > 0 {
        page.line(BOLD, &format!("{}.", headline(report)));
    }
    page.line(BOLD, &fit(&format!("Audit of {}, branch {}", name(report), report.branch), COLUMNS));
    let day = |time: &Option<String>| time.as_deref().and_then(|time| time.split('T').next()).unwrap_or("?").to_owned();
    let (first, last) = (day(&report.read.first), day(&report.read.last));
    let landed = counted(report.landed, "change");
    let period = if report.landed == 0 { String::new() } else { format!(", {first} to {last}") };
    let mut said = format!("{landed} landed{period}; read from {}", counted(report.read.commits, "commit"));
    match (&report.since, &report.until) {
        (None, None) => {}
        (since, until) => {
            let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
            let until = until.as_ref().map_or_else(String::new, |until| format!(" until {until}"));
            let _ = write!(said, ". Asked for committer times{since}{until}");
        }
    }
    said.push('.');
    if !report.read.notes.is_empty() {
        let _ = write!(said, " Notes: {}.", report.read.notes.join(", "));
    }
    if report.read.note_db_changes > 0 {
        let _ = write!(said, " Gerrit keeps {} in the repository.", counted(report.read.note_db_changes, "review"));
    }
    if let Some(reviews) = &report.forge_reviews {
        let _ = write!(
            said,
            " The forge tells of {}, of which {} landed here.",
            counted(reviews.requests, "merged request"),
            thousands(reviews.landed)
        );
    }
    if let Some(governed) = &report.governed {
        let _ = write!(
            said,
            " The log has {}, of which {} landed here.",
            counted(governed.changes, "change that landed"),
            thousands(governed.landed)
        );
    }
    let people = &report.people;
    let _ = write!(said, " {} in all", counted(people.people, "person"));
    let joined: u64 = people.joined.iter().map(|joined| joined.identities).sum();
    match joined {
        0 => said.push('.'),
        _ => {
            let why: Vec<String> = people
                .joined
                .iter()
                .map(|joined| format!("{}: {}", joined.why, thousands(joined.identities)))
                .collect();
            let identities = thousands(people.identities);
            let _ = write!(
                said,
                ", under {identities} names and mails, of which {} were joined ({}).",
                thousands(joined),
                why.join("; ")
            );
        }
    }
    page.paragraph(&said);
}

/// What the report comes to, in a sentence without its stop.
pub(in crate::audit) fn headline(report: &Report) -> String {
    let landed = report.landed;
    if is_mostly_opaque(report) {
        let of = match landed {
            1 => "the one landed change".to_owned(),
            _ => format!("{} of {}", whole_percent(report.grades.opaque, landed), counted(landed, "landed change")),
        };
        return format!("Git cannot tell who looked at {of}");
    }
    let with = landed.saturating_sub(report.grades.no_second_person());
    let (carries, no) = match (report.forge_reviews.is_some(), report.governed.is_some()) {
        (false, false) => ("Git carries a second person for", "Git carries no second person for"),
        (true, false) => {
            ("Git and the forge carry a second person for", "Neither git nor the forge carries a second person for")
        }
        (false, true) => {
            ("Git and the log carry a second person for", "Neither git nor the log carries a second person for")
        }
        (true, true) => (
            "Git, the forge and the log carry a second person for",
            "Neither git nor the forge nor the log carries a second person for",
        ),
    };
    match (with, landed) {
        (0, 1) => format!("{no} the one landed change"),
        (0, _) => format!("{no} any of {}", counted(landed, "landed change")),
        (1, 1) => format!("{carries} the one landed change"),
        (_, _) if with == landed => format!("{carries} all of {}", counted(landed, "landed change")),
        (_, _) => format!("{carries} {} of {}", whole_percent(with, landed), counted(landed, "landed change")),
    }
}

/// Whether git cannot tell of most changes who looked at them.
pub(in crate::audit) fn is_mostly_opaque(report: &Report) -> bool {
    report.grades.opaque.saturating_mul(2) > report.landed
}

/// Neither none nor all where there are some.
fn whole_percent(part: u64, of: u64) -> String {
    let share = if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 };
    match (part, of.saturating_sub(part)) {
        (1.., _) if share < 1.0 => "less than 1%".to_owned(),
        (_, 1..) if share > 99.0 => "more than 99%".to_owned(),
        (_, _) => format!("{share:.0}%"),
    }
}

fn grades(page: &mut Page, report: &Report) {
    page.heading("What git proves about a second person");
    let of = report.landed;
    let grades = &report.grades;
    let rows = [
        (GOOD, "named", grades.named),
        (GOOD, "another hand merged it", grades.other_hand),
        (GOOD, "a platform's rule", grades.platform),
        (FAIR, "opaque: the forge made it", grades.opaque),
        (FAIR, "self-approved", grades.self_approved),
        (FAIR, "self-merged", grades.self_merged),
        (FAIR, "alone", grades.alone),
    ];
    for (style, label, count) in rows {
        page.bar(style, label, count, of);
    }
    let without = grades.no_second_person();
    page.paragraph(&format!(
        "Of {} ({}) git carries no second person: the last four. That is not to say that nobody looked.",
        counted(without, "change"),
        percent(without, of)
    ));
    let (robots, made) = (&report.robots, report.robots.total());
    if made > 0 {
        let with = grades.second_person().saturating_sub(robots.second_person());
        page.paragraph(&format!(
            "Robots alone made {} of them. Of the {} that people had a hand in, git carries a second person for {}.",
            thousands(made),
            thousands(of.saturating_sub(made)),
            percent(with, of.saturating_sub(made)),
        ));
    }
    let recent = &report.recent;
    if let (Some(from), Some(to)) = (&recent.from, &recent.to)
        && (1..of).contains(&recent.landed)
    {
        page.paragraph(&format!(
            "In the last twelve months ({from} to {to}) git carries a second person for {} of {}, in all for {}.",
            percent(recent.grades.second_person(), recent.landed),
            counted(recent.landed, "change"),
            percent(grades.second_person(), of),
        ));
    }
    let by: Vec<String> = {
        let mut by: Vec<_> = report.conventions.iter().collect();
        by.sort_by_key(|row| std::cmp::Reverse(row.decided));
        by.iter().take(ROWS).map(|row| format!("{} {}", row.convention, thousands(row.decided))).collect()
    };
    if !by.is_empty() {
        page.paragraph(&format!("Decided by: {}.", by.join(", ")));
    }
}

fn ai(page: &mut Page, report: &Report) {
    page.heading("AI assistance, as far as commits and notes say");
    page.bar(PLAIN, "declared", report.ai.declared, report.landed);
    page.bar(PLAIN, "inferred from a signal", report.ai.inferred, report.landed);
    page.bar(PLAIN, "unknown: nothing is said", report.ai.unknown, report.landed);
}

fn carriers(page: &mut Page, report: &Report) {
    page.heading("Who carries the reviews");
    let total: u64 = report.reviewers.iter().map(|reviewer| reviewer.count).sum();
    if total == 0 {
        page.paragraph("Git names no reviewer.");
        return;
    }
    for reviewer in report.reviewers.iter().take(ROWS) {
        page.bar(PLAIN, &reviewer.person, reviewer.count, total);
    }
    let mut sum = 0_u64;
    let half = report.reviewers.iter().take_while(|reviewer| {
        let before = sum;
        sum = sum.saturating_add(reviewer.count);
        before.saturating_mul(2) < total
    });
    let half = half.count();
    let people = report.reviewers.len();
    if people == 1 {
        page.paragraph("Git names no other reviewer.");
        return;
    }
    let carry = if half == 1 { "carries" } else { "carry" };
    page.paragraph(&format!(
        "{} of {} {carry} half of the {}.",
        thousands(half as u64),
        counted(people as u64, "reviewer"),
        counted(total, "review")
    ));
}

fn impact(page: &mut Page, report: &Report) {
    let rows: Vec<_> = report.impact.iter().filter(|row| row.landed > 0).collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Paths that reach far");
    page.columns(FAINT, "", "changes", "of which git carries no second person");
    for row in rows {
        let without = format!("{} ({})", thousands(row.no_second_person), percent(row.no_second_person, row.landed));
        page.columns(PLAIN, &row.class, &thousands(row.landed), &without);
    }
}

fn reverts(page: &mut Page, report: &Report) {
    page.heading("What was taken back");
    let reverts = &report.reverts;
    if reverts.reverted == 0 {
        page.paragraph("No change says that it takes back another one that landed here.");
        return;
    }
    let median = reverts.median_days.map_or_else(String::new, |days| format!(", half of them within {}", span(days)));
    let unfound = match reverts.unfound {
        0 => String::new(),
        unfound => format!(" {} of something that is not in what was read.", counted(unfound, "more revert")),
    };
    page.paragraph(&format!(
        "{} ({}) were reverted by a later one{median}. Of {} of them git carries no second person.{unfound}",
        counted(reverts.reverted, "change"),
        percent(reverts.reverted, report.landed),
        thousands(reverts.grades.no_second_person()),
    ));
}

/// The last years, oldest first.
fn years(page: &mut Page, report: &Report) {
    let mut years: Vec<(&str, u64, u64, u64)> = Vec::new();
    for month in &report.months {
        let year = month.month.rsplit_once('-').map_or(month.month.as_str(), |(year, _)| year);
        let without = |grades: &Grades| grades.no_second_person();
        let assisted = month.ai.declared.saturating_add(month.ai.inferred);
        match years.last_mut() {
            Some(last) if last.0 == year => {
                last.1 = last.1.saturating_add(month.landed);
                last.2 = last.2.saturating_add(without(&month.grades));
                last.3 = last.3.saturating_add(assisted);
            }
            Some(_) | None => years.push((year, month.landed, without(&month.grades), assisted)),
        }
    }
    if years.len() < 2 {
        return;
    }
    match years.len() > ROWS {
        true => page.heading(&format!("By year, the newest {ROWS} of {}", years.len())),
        false => page.heading("By year"),
    }
    page.columns(FAINT, "", "changes", "git carries no second person;   a sign of AI assistance");
    for (year, landed, without, assisted) in years.iter().skip(years.len().saturating_sub(ROWS)) {
        let shares = format!("{:<32}{}", percent(*without, *landed), percent(*assisted, *landed));
        page.columns(PLAIN, year, &thousands(*landed), &shares);
    }
}

fn next(page: &mut Page, report: &Report) {
    page.heading("What to do next");
    for step in &report.next {
        page.paragraph(&step.what);
        if let Some(command) = &step.command {
            // To be copied whole.
            page.line(BOLD, &format!("{INDENT}{INDENT}{command}"));
        }
    }
}

fn methods(page: &mut Page, report: &Report) {
    page.heading("How to read this");
    page.paragraph(
        "A landed change is a first-parent commit of the branch. Evidence is looked for in it, in its notes and in every \
         commit that it first brings in; the strongest counts. Whoever wrote, co-wrote or committed a part is no second \
         person.",
    );
    for caveat in &report.caveats {
        page.paragraph(caveat);
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, style: Style, text: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "{style}{text}{style:#}");
    }

    fn heading(&mut self, text: &str) {
        self.0.push('\n');
        self.line(BOLD, text);
    }

    /// Broken between words.
    fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let width = INDENT.len().saturating_add(line.width()).saturating_add(1).saturating_add(word.width());
            if !line.is_empty() && width > COLUMNS {
                self.line(PLAIN, &format!("{INDENT}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&fit(word, COLUMNS.saturating_sub(INDENT.len())));
        }
        self.line(PLAIN, &format!("{INDENT}{line}"));
    }

    fn bar(&mut self, style: Style, label: &str, count: u64, of: u64) {
        let bar = "█".repeat(eighths(count, of) / 8);
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths(count, of) % 8).copied().unwrap_or_default();
        let numbers = format!("{:>NUMBER$} {:>6}", thousands(count), percent(count, of));
        let bar = if count > 0 { format!("  {style}{bar}{rest}{style:#}") } else { String::new() };
        let _ = writeln!(self.0, "{INDENT}{}{numbers}{bar}", padded(label, LABEL));
    }

    fn columns(&mut self, style: Style, label: &str, number: &str, rest: &str) {
        let line = format!("{INDENT}{}{number:>NUMBER$}   {rest}", padded(label, LABEL));
        self.line(style, line.trim_end());
    }
}

/// Of a bar; whatever there is shows.
fn eighths(count: u64, of: u64) -> usize {
    let share = if of == 0 { 0.0 } else { count as f64 / of as f64 };
    let eighths = (share * (BAR * 8) as f64).round();
    if count > 0 { (eighths as usize).max(1) } else { 0 }
}

pub(in crate::audit) fn percent(count: u64, of: u64) -> String {
    let share = if of == 0 { 0.0 } else { 100.0 * count as f64 / of as f64 };
    // Neither none nor all where there are some.
    match (count, of.saturating_sub(count)) {
        (1.., _) if share < 0.1 => "<0.1%".to_owned(),
        (_, 1..) if share > 99.9 => ">99.9%".to_owned(),
        (_, _) => format!("{share:.1}%"),
    }
}

pub(in crate::audit) fn span(days: f64) -> String {
    match days {
        d if d < 1.5 / (24.0 * 60.0) => "a minute".to_owned(),
        d if d < 2.0 / 24.0 => format!("{:.0} minutes", d * 24.0 * 60.0),
        d if d < 2.0 => format!("{:.0} hours", d * 24.0),
        d => format!("{d:.0} days"),
    }
}

pub(in crate::audit) fn counted(number: u64, one: &str) -> String {
    match (number, one) {
        (1, _) => format!("1 {one}"),
        (_, "change that landed") => format!("{} changes that landed", thousands(number)),
        (_, "person") => format!("{} people", thousands(number)),
        (_, _) => format!("{} {one}s", thousands(number)),
    }
}

pub(in crate::audit) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Cut to so many columns.
fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() >= columns {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

/// Exactly so many columns.
fn padded(text: &str, columns: usize) -> String {
    let mut text = fit(text, columns.saturating_sub(1));
    let missing = columns.saturating_sub(text.width());
    text.push_str(&" ".repeat(missing));
    text
}
