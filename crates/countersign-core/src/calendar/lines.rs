//! The content lines of an `.ics` file (RFC 5545, 3.1): folded lines put together, with where each begins.

use super::problem::Problem;

/// Most bytes of an `.ics` file.
pub const MAX_ICS_BYTES: usize = 1024 * 1024;

/// `NAME;PARAMETER=VALUE:VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// In capital letters.
    pub name: String,
    parameters: Vec<(String, String)>,
    pub value: String,
}

impl Line {
    /// The value of a parameter, without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// All lines. A line that is empty is none; one that begins with a space goes on with the one before.
pub fn lines(file: &str, bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    if bytes.len() > MAX_ICS_BYTES {
        return Err(Problem::new(file, None, format!("{} bytes are more than {MAX_ICS_BYTES}", bytes.len()))
            .hint("export what comes, not all that ever was"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Bytes, since a letter may be folded in its middle.
    let mut folded: Vec<(usize, Vec<u8>)> = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (line.split_first(), folded.last_mut()) {
            (Some((b' ' | b'\t', rest)), Some((_, before))) => before.extend_from_slice(rest),
            (None, _) => {}
            (Some(_), _) => folded.push((index.saturating_add(1), line.to_vec())),
        }
    }
    folded.into_iter().map(|(number, line)| read(file, number, line)).collect()
}

fn read(file: &str, number: usize, line: Vec<u8>) -> Result<Line, Problem> {
    let wrong = |what: &str| Problem::new(file, Some(number), what.to_owned());
    let text = String::from_utf8(line).map_err(|_| wrong("it is no UTF-8 text"))?;
    // A colon between quotes is part of a parameter.
    let mut quoted = false;
    let mut cuts: Vec<usize> = Vec::new();
    let mut colon = None;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ';' if !quoted => cuts.push(at),
            ':' if !quoted => {
                colon = Some(at);
                break;
            }
            _ => {}
        }
    }
    let (head, value) = colon.and_then(|at| text.split_at_checked(at)).ok_or_else(|| {
        wrong("it is no line of a calendar, which is NAME:VALUE").hint("is it an .ics file, and whole?")
    })?;
    let ends = cuts.iter().copied().skip(1).chain([head.len()]);
    let pieces = cuts.iter().zip(ends).filter_map(|(from, until)| head.get(from.saturating_add(1)..until));
    let parameter = |piece: &str| {
        let (name, value) = piece.split_once('=')?;
        Some((name.trim().to_ascii_uppercase(), value.trim().trim_matches('"').to_owned()))
    };
    let name = cuts.first().and_then(|at| head.get(..*at)).unwrap_or(head);
    // `group.NAME` is a leftover of vCard that some write.
    let name = name.rsplit('.').next().unwrap_or(name).trim().to_ascii_uppercase();
    let value = value.strip_prefix(':').unwrap_or(value).to_owned();
    Ok(Line { number, name, parameters: pieces.filter_map(parameter).collect(), value })
}
