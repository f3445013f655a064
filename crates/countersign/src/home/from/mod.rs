//! The files of a home that begins from a history: a catalog and rules, with what each line stands on beside it, for
//! people to check and amend.
//!
//! What a history supports is `countersign_audit::start`'s to say; this room only writes it down. Out of scope: keys,
//! which no history has.

mod catalog;
mod rules;

use countersign_audit::{replay::Replay, start::Start};

pub use self::{
    catalog::{catalog, environment, merge},
    rules::{rules, starting_rules},
};

/// A history, in the words that its files say of it.
#[derive(Clone, Debug)]
pub struct Past<'a> {
    /// Fit to be shown.
    pub repository: String,
    pub branch: String,
    /// The days of the first and the newest change that count, as `2026-03-01`.
    pub from: String,
    pub newest: String,
    pub start: &'a Start,
}

impl Past<'_> {
    /// `the 5,213 changes that landed from 2017-09-30 to 2018-09-30`.
    fn window(&self) -> String {
        let changes = counted(self.start.window.changes, "change");
        format!("the {changes} that landed from {} to {}", self.from, self.newest)
    }
}

/// `1 change`, `2 changes`, `3 people`.
fn counted(number: usize, one: &str) -> String {
    match (number, one) {
        (1, _) => format!("1 {one}"),
        (_, "person") => format!("{number} people"),
        (_, _) => format!("{number} {one}s"),
    }
}

/// Text from elsewhere in a comment: on one line, whatever counts as a line's end where it is read.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { '\u{fffd}' } else { c }).collect()
}

/// A comment of several lines, broken between words.
fn wrapped(mark: &str, text: &str) -> String {
    const COLUMNS: usize = 118;
    let mut out = String::new();
    let mut line = mark.to_owned();
    for word in comment(text).split(' ').filter(|word| !word.is_empty()) {
        if line.len() > mark.len() && line.chars().count().saturating_add(word.chars().count()) >= COLUMNS {
            out.push_str(&line);
            out.push('\n');
            line = mark.to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    out
}

/// What the rules would have done, by id.
fn replayed<'a>(replay: &'a Replay, id: &str) -> Option<&'a countersign_audit::replay::RuleReplay> {
    replay.rules.iter().find(|rule| rule.id.as_str() == id)
}
