//! What commands print. Text is for people and coloured on a terminal only; JSON is for programs, one object a command.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::error::CliError;

/// What every command can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// What `--format` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Asked {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// One page for a browser: `audit` and `verify` only.
    Html,
}

impl Asked {
    /// In which a command speaks that makes no page, and every error.
    pub fn of_messages(self) -> Format {
        match self {
            Self::Text | Self::Html => Format::Text,
            Self::Json => Format::Json,
        }
    }
}

/// Prints one JSON object on standard output.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::new("failed", format!("the result cannot be written as JSON: {error}")))?;
    anstream::println!("{text}");
    Ok(())
}

/// The same of something that may be long: it is written as it is made.
pub fn json_in_pieces(value: &impl Serialize) -> Result<(), CliError> {
    let cannot = |error: io::Error| CliError::new("failed", format!("the result cannot be written: {error}"));
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value).map_err(|error| cannot(error.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(cannot)
}

/// A heading between parts of what a command prints.
pub fn heading(text: impl Display) {
    anstream::println!("\n{}", bold(Style::new(), text));
}

pub fn good(text: impl Display) -> String {
    styled(AnsiColor::Green.on_default(), text)
}

pub fn bad(text: impl Display) -> String {
    styled(AnsiColor::Red.on_default(), text)
}

pub fn warn(text: impl Display) -> String {
    styled(AnsiColor::Yellow.on_default(), text)
}

pub fn faint(text: impl Display) -> String {
    styled(Style::new().dimmed(), text)
}

pub fn bold(style: Style, text: impl Display) -> String {
    styled(style.bold(), text)
}

pub fn error_style() -> Style {
    AnsiColor::Red.on_default()
}

pub fn hint_style() -> Style {
    AnsiColor::Cyan.on_default()
}

/// `anstream` takes the escapes out again where the output is no terminal.
fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from elsewhere on one line, without anything that a terminal would act on: no escapes, no further line that looks
/// like ours, no character that turns the order of the others round.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// The same for text of several lines. Whoever prints it sets the further lines apart from our own.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let hides = matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
    (c.is_control() && c != '\t') || turns || hides
}

/// A label, and text beside it on as many lines of 100 columns as it takes.
pub fn beside(label: &str, text: &str) -> String {
    const COLUMNS: usize = 100;
    let indent = label.chars().count();
    let mut out = label.to_owned();
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column.saturating_add(width) >= COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        if column > indent {
            out.push(' ');
            column = column.saturating_add(1);
        }
        out.push_str(word);
        column = column.saturating_add(width);
    }
    out
}

/// `1 rule`, `2 rules`.
pub fn count(number: usize, one: &str) -> String {
    let ending = if ["s", "sh", "ch", "x"].iter().any(|end| one.ends_with(end)) { "es" } else { "s" };
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}{ending}") }
}

/// `checkout/production, search/production`.
pub fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// `ada, grace and linus`.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.pop() {
        None => "nobody".to_owned(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}
