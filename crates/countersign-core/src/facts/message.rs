//! Reading commit messages: co-authors and cited documents.
//!
//! Git's own trailer parser looks at the last paragraph only, while forges, tools and people put `Co-authored-by:` in the
//! middle of the body, several people into one value, the value into the next line, two characters `\n` where a line
//! break was meant, and forget the closing `>`. Reading more than git does can only name more contributors, which is the
//! safe direction.
//!
//! Only the first [`SCANNED_BYTES`] of a message are read, so that a message of ten megabytes costs what a long one costs.
//! A trailer after that is not seen; it is a claim that its writer was free not to make.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use crate::facts::git::Ident;

pub const SCANNED_BYTES: usize = 64 * 1024;
const MAX_GUIDANCE_CHARS: usize = 1_024;

/// The part of a commit message that is read, with literal `\n` turned into line breaks.
#[derive(Clone, Debug)]
pub struct Message {
    text: String,
}

impl Message {
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes.get(..SCANNED_BYTES).unwrap_or(bytes));
        let text: Cow<str> = match text.contains("\\n") {
            true => text.replace("\\r\\n", "\n").replace("\\n", "\n").into(),
            false => text,
        };
        Self { text: text.replace("\r\n", "\n").replace('\r', "\n") }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim)
    }

    /// The lines after the subject.
    pub fn body(&self) -> impl Iterator<Item = &str> {
        self.text.trim_start().lines().skip(1).map(str::trim)
    }

    /// Everybody whom a `Co-authored-by` or `Co-developed-by` names. A sign-off is no authorship.
    pub fn coauthors(&self) -> Vec<Ident> {
        let mut values: Vec<String> = Vec::new();
        // How far the trailer is indented whose value may go on in the next line.
        let mut open: Option<usize> = None;
        for line in self.text.lines() {
            let (indent, text) = (line.len().saturating_sub(line.trim_start().len()), line.trim());
            match (coauthor_value(text), open, values.last_mut()) {
                (Some(value), _, _) => {
                    values.push(value.to_owned());
                    open = Some(indent);
                }
                // git-interpret-trailers(1): a line that begins with a blank goes on with the value. In a text that is
                // indented as a whole, each line does; and what looks like a trailer is one.
                (None, Some(begun), Some(value)) if indent > begun && !text.is_empty() && !is_trailer(text) => {
                    value.push(' ');
                    value.push_str(text);
                }
                (None, _, _) => open = None,
            }
        }
        values.iter().flat_map(|value| people(value)).collect()
    }

    /// The paths of `Guidance: PATH` lines.
    pub fn guidance(&self) -> Vec<String> {
        self.lines()
            .filter_map(|line| {
                let (key, value) = line.split_once(':')?;
                let value = value.trim();
                let is_path = !value.is_empty()
                    && !value.contains(char::is_whitespace)
                    && value.chars().count() <= MAX_GUIDANCE_CHARS;
                (key.eq_ignore_ascii_case("guidance") && is_path).then(|| value.to_owned())
            })
            .collect()
    }
}

/// Cuts text at `max` characters, with a mark.
pub(super) fn bounded(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const COAUTHOR: &str = r"(?i)co-?(?:authored|author|developed)(?:-| )?by\s*:";

static COAUTHOR_LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^[^\pL\pN<]{{0,8}}{COAUTHOR}\s*(.*)$")).ok());
static COAUTHOR_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(COAUTHOR).ok());
static PERSON: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([^<>]*)<([^<>]*)>?").ok());
static SEPARATOR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)[,;&]|\s+and\s+|^and\s+").ok());

fn coauthor_value(line: &str) -> Option<&str> {
    // Compiling the pattern takes longer than a hook's other work on a message, and hardly a line has these letters. None of
    // them has a third form beside its capital.
    let says_by = line.as_bytes().windows(2).any(|pair| pair.eq_ignore_ascii_case(b"by"));
    if !says_by {
        return None;
    }
    Some(COAUTHOR_LINE.as_ref()?.captures(line)?.get(1)?.as_str())
}

/// `Signed-off-by: …`.
fn is_trailer(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// `A <a@x>, B <b@x>`, `A <a@x`, `A`, `a@x`.
pub fn people(value: &str) -> Vec<Ident> {
    let (Some(key), Some(person), Some(separator)) = (&*COAUTHOR_KEY, &*PERSON, &*SEPARATOR) else {
        return Vec::new();
    };
    let value = key.replace_all(value, ",");
    let mut found = Vec::new();
    let mut rest = 0;
    for captures in person.captures_iter(&value) {
        let (Some(all), Some(names), Some(mail)) = (captures.get(0), captures.get(1), captures.get(2)) else {
            continue;
        };
        rest = all.end();
        // Of several names before one mail the last one owns it; the others have none.
        let mut names: Vec<&str> = separator.split(names.as_str()).map(tidy).filter(|name| !name.is_empty()).collect();
        let name = names.pop().unwrap_or_default();
        found.extend(names.into_iter().map(lone));
        found.push(Ident { name: name.to_owned(), mail: tidy(mail.as_str()).to_owned() });
    }
    let rest = value.get(rest..).unwrap_or_default();
    found.extend(separator.split(rest).map(tidy).filter(|text| !text.is_empty()).map(lone));
    found.retain(|who| !(who.name.is_empty() && who.mail.is_empty()));
    found
}

/// Somebody without angle brackets: a mail if it looks like one, else a name.
fn lone(text: &str) -> Ident {
    match text.contains('@') && !text.contains(char::is_whitespace) {
        true => Ident { name: String::new(), mail: text.to_owned() },
        false => Ident { name: text.to_owned(), mail: String::new() },
    }
}

fn tidy(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '*' | '`' | '.'))
}
