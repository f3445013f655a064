//! Patterns over texts in commits, compiled when they are first asked for. Whoever runs a hook waits for that, so that a
//! pattern is not asked at all where none of the words is there without which it cannot match; and since one that knows all of
//! Unicode takes ten times as long to compile, each has two forms: one for texts in ASCII, which nearly all are, and one for
//! the others. On a text in ASCII all of this says the same as the pattern alone, which a test compares.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder, bytes};

#[derive(Debug)]
pub(super) struct Pattern {
    text: &'static str,
    /// In lower case. What matches has one of them, or there are none.
    needs: &'static [&'static str],
    ascii: OnceLock<Option<bytes::Regex>>,
    unicode: OnceLock<Option<Regex>>,
}

/// What a pattern matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matched<'t> {
    /// The group `v`, where the pattern has one that matched.
    pub value: Option<&'t str>,
}

/// The group whose text is asked for.
const VALUE: &str = "v";

impl Pattern {
    /// A pattern in which capitals and small letters are one.
    pub const fn new(text: &'static str, needs: &'static [&'static str]) -> Self {
        Self { text, needs, ascii: OnceLock::new(), unicode: OnceLock::new() }
    }

    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Whether a text in ASCII could match. What has capitals and small letters beyond ASCII is not told by this.
    fn could_match(&self, text: &str) -> bool {
        let has =
            |word: &str| text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        self.needs.is_empty() || self.needs.iter().any(|word| has(word))
    }

    fn ascii(&self) -> Option<&bytes::Regex> {
        let compile = || bytes::RegexBuilder::new(self.text).case_insensitive(true).unicode(false).build().ok();
        self.ascii.get_or_init(compile).as_ref()
    }

    fn unicode(&self) -> Option<&Regex> {
        self.unicode.get_or_init(|| RegexBuilder::new(self.text).case_insensitive(true).build().ok()).as_ref()
    }

    /// Whether both forms compile. A row whose pattern does not would never match; a test asks each.
    #[cfg(test)]
    pub fn compiles(&self) -> bool {
        self.ascii().is_some() && self.unicode().is_some()
    }

    pub fn is_match(&self, text: &str) -> bool {
        if text.is_ascii() {
            self.could_match(text) && self.ascii().is_some_and(|pattern| pattern.is_match(text.as_bytes()))
        } else {
            self.unicode().is_some_and(|pattern| pattern.is_match(text))
        }
    }

    pub fn captures<'t>(&self, text: &'t str) -> Option<Matched<'t>> {
        let value = if text.is_ascii() {
            if !self.could_match(text) {
                return None;
            }
            let captures = self.ascii()?.captures(text.as_bytes())?;
            captures.name(VALUE).and_then(|value| text.get(value.range()))
        } else {
            self.unicode()?.captures(text)?.name(VALUE).map(|value| value.as_str())
        };
        Some(Matched { value })
    }

    /// What the form for all texts says, whatever the text.
    #[cfg(test)]
    pub fn captures_as_unicode<'t>(&self, text: &'t str) -> Option<Matched<'t>> {
        let captures = self.unicode()?.captures(text)?;
        Some(Matched { value: captures.name(VALUE).map(|value| value.as_str()) })
    }
}
