//! Text from a repository, made fit to be kept and shown.

/// Longest quotation of a signal, in characters.
pub(super) const MAX_SIGNAL_CHARS: usize = 160;
/// Longest subject that is kept, in characters.
pub(super) const MAX_SUBJECT_CHARS: usize = 120;
/// Longest name or mail that is kept, in characters.
pub(super) const MAX_IDENT_CHARS: usize = 254;

/// Cuts text at `max` characters and replaces what a terminal would obey: control characters, and the marks that turn
/// the direction of writing.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max.saturating_mul(4)));
    for (count, c) in text.trim().chars().enumerate() {
        if count >= max {
            out.push('…');
            break;
        }
        out.push(match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
            c => c,
        });
    }
    out
}

/// `Fri, 08 Jun 2018 17:55:17 +0000` as seconds since the Unix epoch.
pub(super) fn http_time(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_survives_and_nothing_is_long() {
        assert_eq!(shown("a\u{1b}[31mb\u{202e}c\u{9b}d\te", 80), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d e");
        assert_eq!(shown(&"x".repeat(500), 3), "xxx…");
        assert_eq!(shown("  fits ", 4), "fits");
    }
}
