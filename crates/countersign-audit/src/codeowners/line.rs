//! One line of a `CODEOWNERS` file: nothing, a section's heading, or a pattern with owners.

use super::{Flavour, MAX_OWNERS, MAX_PATTERN_CHARS};
use crate::text::shown;

/// Of what cannot be read, so much is quoted.
const MAX_QUOTED_CHARS: usize = 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Empty, or a comment.
    Nothing,
    Heading(Heading),
    Entry {
        pattern: &'a str,
        owners: Vec<&'a str>,
    },
}

/// `[Name]`, `^[Name]` or `[Name][2]`, with the owners of those entries that name none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub name: String,
    pub owners: Vec<String>,
}

pub(super) fn read(text: &str, flavour: Flavour) -> Result<Line<'_>, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Nothing);
    }
    if flavour == Flavour::GitLab
        && let Some(heading) = heading(text)
    {
        return Ok(Line::Heading(heading));
    }
    let (pattern, rest) = split(text);
    if pattern.chars().count() > MAX_PATTERN_CHARS {
        return Err(format!("the pattern is longer than {MAX_PATTERN_CHARS} characters"));
    }
    let words = rest.split_whitespace().take_while(|word| !word.starts_with('#'));
    let mut owners = Vec::new();
    for word in words {
        match (is_owner(word), flavour) {
            (true, _) => owners.push(word),
            // GitLab leaves out the word, GitHub the line.
            (false, Flavour::GitLab) => {}
            (false, Flavour::GitHub) => {
                return Err(format!("`{}` is no owner: @login, @org/team or a mail", quoted(word)));
            }
        }
        if owners.len() > MAX_OWNERS {
            return Err(format!("an entry has {MAX_OWNERS} owners at most"));
        }
    }
    Ok(Line::Entry { pattern, owners })
}

/// A heading, where the line is one. What looks like one and goes on is the beginning of a pattern.
pub(super) fn heading(text: &str) -> Option<Heading> {
    let (name, rest) = text.strip_prefix('^').unwrap_or(text).strip_prefix('[')?.split_once(']')?;
    let rest = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((approvals, rest)) if approvals.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        Some(_) | None => rest,
    };
    let separate = rest.is_empty() || rest.starts_with(char::is_whitespace);
    let named = !name.trim().is_empty() && !name.contains('[');
    let words = rest.split_whitespace().take_while(|word| !word.starts_with('#'));
    let owners = words.filter(|word| is_owner(word)).take(MAX_OWNERS);
    (separate && named).then(|| Heading {
        name: name.trim().to_owned(),
        owners: owners.map(|owner| shown(owner, super::MAX_OWNER_CHARS)).collect(),
    })
}

/// The pattern up to the first white space that is not escaped, and the rest.
fn split(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let ends = c.is_whitespace() && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    text.split_at(end.unwrap_or(text.len()))
}

fn is_owner(word: &str) -> bool {
    match word.split_once('@') {
        Some(("", name)) => !name.is_empty(),
        Some((local, host)) => !local.is_empty() && !host.is_empty() && !host.contains('@'),
        None => false,
    }
}

pub(super) fn quoted(text: &str) -> String {
    shown(text, MAX_QUOTED_CHARS)
}
