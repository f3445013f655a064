//! What the sections of the page share: grades and their words, numbers that lead to the changes behind them, bars.

use countersign_audit::{AiStatus, Grade};
use maud::{Markup, Render, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::audit::{
    report::Grades,
    text::{percent, thousands},
};

/// Strongest first.
pub const GRADES: [Grade; 7] = [
    Grade::Named,
    Grade::OtherHand,
    Grade::Platform,
    Grade::Opaque,
    Grade::SelfApproved,
    Grade::SelfMerged,
    Grade::Alone,
];

/// The name that JSON, links and colours use.
pub fn grade_key(grade: Grade) -> &'static str {
    match grade {
        Grade::Named => "named",
        Grade::OtherHand => "other_hand",
        Grade::Platform => "platform",
        Grade::Opaque => "opaque",
        Grade::SelfApproved => "self_approved",
        Grade::SelfMerged => "self_merged",
        Grade::Alone => "alone",
    }
}

pub fn grade_label(grade: Grade) -> &'static str {
    match grade {
        Grade::Named => "Named",
        Grade::OtherHand => "Other hand",
        Grade::Platform => "Platform",
        Grade::Opaque => "Opaque",
        Grade::SelfApproved => "Self-approved",
        Grade::SelfMerged => "Self-merged",
        Grade::Alone => "Alone",
    }
}

pub fn grade_meaning(grade: Grade) -> &'static str {
    match grade {
        Grade::Named => "Somebody who had no hand in the change is named as its reviewer or approver.",
        Grade::OtherHand => "Another person merged or committed it.",
        Grade::Platform => "A robot landed it under a platform's rule; nobody is named.",
        Grade::Opaque => "The forge or a script made the commit, so git cannot tell who was there.",
        Grade::SelfApproved => "The only approver had a hand in the change, or it says that there was none.",
        Grade::SelfMerged => "Whoever merged it had a hand in it.",
        Grade::Alone => "Author and committer are the same person, and nothing else is said.",
    }
}

pub fn of_grade(counts: &Grades, grade: Grade) -> u64 {
    match grade {
        Grade::Named => counts.named,
        Grade::OtherHand => counts.other_hand,
        Grade::Platform => counts.platform,
        Grade::Opaque => counts.opaque,
        Grade::SelfApproved => counts.self_approved,
        Grade::SelfMerged => counts.self_merged,
        Grade::Alone => counts.alone,
    }
}

pub fn ai_key(status: AiStatus) -> &'static str {
    match status {
        AiStatus::Declared => "declared",
        AiStatus::Inferred => "inferred",
        AiStatus::Unknown => "unknown",
    }
}

/// Which changes a number counts, as the table at the end of the page reads it.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<(&'static str, String)>);

impl Filter {
    pub fn by(name: &'static str, value: impl Into<String>) -> Self {
        Self::default().and(name, value)
    }

    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    fn address(&self) -> String {
        let pairs =
            self.0.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        format!("#changes?{}", pairs.collect::<Vec<_>>().join("&"))
    }
}

/// A number of changes, which leads to them.
pub fn changes(count: u64, filter: &Filter) -> Markup {
    leading(&thousands(count), count, filter)
}

/// Words that tell a number of changes, and lead to them.
pub fn leading(words: &str, count: u64, filter: &Filter) -> Markup {
    html! {
        @if count == 0 { (words) } @else { a.count href=(filter.address()) { (words) } }
    }
}

/// A share as a bar beside its number. Drawn as SVG, since the page allows no style in attributes.
pub fn bar(part: u64, of: u64, class: &str) -> Markup {
    let width = if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 };
    html! {
        span.share {
            span.percent { (percent(part, of)) }
            svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.track width="100" height="10" {}
                rect class=(class) width=(format!("{width:.2}")) height="10" {}
            }
        }
    }
}

/// A table that scrolls by itself where it is wider than the page.
pub fn table(caption: &str, heads: &[Head], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.scroll role="region" tabindex="0" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" class=[head.class()] { (head.words()) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, (cell, head)) in row.into_iter().zip(heads).enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td class=[head.class()] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub enum Head {
    Words(&'static str),
    Number(&'static str),
}

impl Head {
    fn words(self) -> &'static str {
        match self {
            Self::Words(words) | Self::Number(words) => words,
        }
    }

    fn class(self) -> Option<&'static str> {
        match self {
            Self::Words(_) => None,
            Self::Number(_) => Some("number"),
        }
    }
}

/// Where the script draws a chart; without it the words say where the numbers are.
pub fn chart(id: &str, title: &str, describes: &str) -> Markup {
    html! {
        figure.chart id=(id) data-title=(title) data-describes=(describes) {
            figcaption { (title) }
            div.plot {}
            noscript { p.quiet { "This chart is drawn by a script, which is switched off. The table has its numbers." } }
        }
    }
}

/// Words as a cell.
pub fn cell(text: impl Render) -> Markup {
    text.render()
}
