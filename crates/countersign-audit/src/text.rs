//! Text from a repository, made fit to be kept and shown.

/// Longest quotation of a signal, in characters.
pub(super) const MAX_SIGNAL_CHARS: usize = 160;
/// Longest subject that is kept, in characters.
pub(super) const MAX_SUBJECT_CHARS: usize = 120;
/// Longest name or mail that is kept, in characters.
pub(super) const MAX_IDENT_CHARS: usize = 254;

/// Cuts text at `max` characters and replaces what a terminal or a page would obey instead of showing, see `misleads`.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max.saturating_mul(4)));
    let mut before = ' ';
    let mut chars = text.trim().chars().peekable();
    let mut count = 0_usize;
    while let Some(c) = chars.next() {
        if count >= max {
            out.push('…');
            break;
        }
        let after = chars.peek().copied().unwrap_or(' ');
        let c = match c {
            '\t' => ' ',
            JOINER | NON_JOINER if joins(before) && joins(after) => c,
            c if misleads(c) => '\u{fffd}',
            c => c,
        };
        out.push(c);
        before = c;
        count = count.saturating_add(1);
    }
    out
}

/// Scripts of Asia and Africa and emoji are wrong without them.
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Between a joiner and an emoji, for its colours.
const VARIATIONS: std::ops::RangeInclusive<char> = '\u{fe00}'..='\u{fe0f}';

/// Whether a joiner may stand beside it: a letter or sign that is not of the Latin, Greek or Cyrillic scripts, whose
/// writing has no use for one, so that there it could only make two names look the same.
fn joins(c: char) -> bool {
    c >= '\u{0530}' && (c.is_alphanumeric() || is_mark_or_emoji(c))
}

fn is_mark_or_emoji(c: char) -> bool {
    // Vowel signs and viramas of the scripts of India and beside them; symbols and pictures.
    matches!(c, '\u{0900}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1b00}'..='\u{1bff}' | '\u{a980}'..='\u{a9df}')
        || matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
        || VARIATIONS.contains(&c)
}

/// Characters that hide or reorder text, or break lines: controls, line and paragraph separators, marks that turn the
/// direction of writing, and those that take no room at all. Letters that look alike are no business of this room.
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian vowel separator.
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{180e}'
            // Zero-width space, joiners, left-to-right and right-to-left marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators; embeddings and overrides; word joiner, invisible operators, isolates.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotation, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
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

    #[test]
    fn nothing_hides_turns_or_breaks_a_line() {
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{3164}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{e0041}',
            '\u{85}',
            '\u{1b}',
            '\u{7f}',
            '\n',
            '\r',
        ] {
            assert_eq!(shown(&format!("gra{c}ce"), 80), "gra\u{fffd}ce", "U+{:04X}", u32::from(c));
            assert!(!shown(&format!("{c}grace{c}"), 80).contains(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn joiners_stay_where_writing_needs_them() {
        let woman_technologist = "\u{1f469}\u{200d}\u{1f4bb}";
        let heart_on_fire = "\u{2764}\u{fe0f}\u{200d}\u{1f525}";
        let persian = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}";
        let sinhala = "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}";
        for text in [woman_technologist, heart_on_fire, persian, sinhala, "größe Ж λ 漢字 e\u{301} ✓"] {
            assert_eq!(shown(text, 80), text);
        }
        // Two in a row, or at an end, join nothing.
        assert_eq!(shown("\u{645}\u{200c}\u{200d}\u{62e}", 80), "\u{645}\u{fffd}\u{fffd}\u{62e}");
        assert_eq!(shown("\u{1f469}\u{200d}", 80), "\u{1f469}\u{fffd}");
        assert_eq!(shown("а\u{200d}б", 80), "а\u{fffd}б");
    }
}
