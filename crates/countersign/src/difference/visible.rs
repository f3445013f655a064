//! Text in which nothing is invisible.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// Control, format, private and unassigned characters, all white space but blank and tab, and whatever Unicode says may be left
/// out where it cannot be shown; the empty pattern of Braille looks like a blank.
static HIDDEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u{2800}]--[ \t]]").ok());

/// Writes what cannot be seen as `<U+202E>`, and bytes that are no UTF-8 as `<FF>`.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            out.push_str(&format!("<{byte:02X}>"));
        }
    }
    out
}

fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let code = |found: &str| found.chars().map(|c| format!("<U+{:04X}>", u32::from(c))).collect::<String>();
    match HIDDEN.as_ref() {
        Some(hidden) => hidden.replace_all(text, |found: &regex::Captures<'_>| code(&found[0])),
        // The pattern is ours and a test reads it; without it everything but ASCII is told by its number.
        None => Cow::Owned(
            text.chars().map(|c| if c.is_ascii_graphic() { c.to_string() } else { code(&c.to_string()) }).collect(),
        ),
    }
}

/// How many characters of a text would be written in another way, apart from the ends of lines.
pub fn hidden(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').map(|line| in_line(line.strip_suffix(b"\r").unwrap_or(line))).sum()
}

fn in_line(line: &[u8]) -> usize {
    let found = |text: &str| HIDDEN.as_ref().map_or(0, |hidden| hidden.find_iter(text).count());
    line.utf8_chunks().map(|chunk| found(chunk.valid()).saturating_add(chunk.invalid().len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_invisible() {
        assert!(HIDDEN.is_some());
        for (bytes, seen) in [
            ("let x = 1;\t// ok", "let x = 1;\t// ok"),
            ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
            ("a\u{202e}b\u{2066}c", "a<U+202E>b<U+2066>c"),
            ("zero\u{200b}width\u{feff}", "zero<U+200B>width<U+FEFF>"),
            ("nbsp\u{a0}soft\u{ad}\u{3000}", "nbsp<U+00A0>soft<U+00AD><U+3000>"),
            ("\u{1b}[31mred\r\u{7}", "<U+001B>[31mred<U+000D><U+0007>"),
            ("tag\u{e0041}vs\u{fe0f}fill\u{3164}\u{2800}", "tag<U+E0041>vs<U+FE0F>fill<U+3164><U+2800>"),
            ("line\u{2028}sep\u{85}", "line<U+2028>sep<U+0085>"),
        ] {
            assert_eq!(visible(bytes.as_bytes()), seen);
        }
        assert_eq!(visible(b"\xff\x00ok"), "<FF><U+0000>ok");
        assert_eq!((hidden(b"a\r\nb\n"), hidden(b"a\rb\n\xfe")), (0, 2));
    }
}
