//! Reading commit messages: co-authors and cited documents.
//!
//! Git's own trailer parser looks at the last paragraph only, while forges, tools and people put `Co-authored-by:` in the
//! middle of the body, several people into one value, the value into the next line, a remark behind a mail, two characters
//! `\n` where a line break was meant, and forget the closing `>`. Whoever `git interpret-trailers --unfold` names is named
//! here, too; reading more than git does can only name more contributors, which is the safe direction.
//!
//! Of a message longer than [`SCANNED_BYTES`] the beginning and the end are read, where trailers stand, so that a message of
//! ten megabytes costs what a long one costs. A trailer in between is not seen; it is a claim that its writer was free not to
//! make.

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
        let text = String::from_utf8_lossy(&scanned(bytes)).into_owned();
        let text = match text.contains("\\n") {
            true => text.replace("\\r\\n", "\n").replace("\\n", "\n"),
            false => text,
        };
        // A carriage return alone ended lines once, and to git it is a blank inside of one: so it begins a line that goes on
        // with the one before.
        Self { text: text.replace("\r\n", "\n").replace('\r', "\n ") }
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
        self.unfolded(coauthor_value).iter().flat_map(|value| people(value)).collect()
    }

    /// The paths of `Guidance: PATH` lines.
    pub fn guidance(&self) -> Vec<String> {
        let value = |line| {
            let (key, value) = str::split_once(line, ':')?;
            key.trim_end().eq_ignore_ascii_case("guidance").then(|| value.trim())
        };
        let is_path = |path: &&str| !path.contains(char::is_whitespace) && path.chars().count() <= MAX_GUIDANCE_CHARS;
        let values = self.unfolded(value);
        let paths = values.iter().flat_map(|value| value.split([',', ';'])).map(|path| without_remark(path).trim());
        paths.filter(|path| !path.is_empty()).filter(is_path).map(str::to_owned).collect()
    }

    /// The values of the trailers in which `value_of` finds one, each in one line.
    ///
    /// git-interpret-trailers(1): a line that begins with a blank goes on with the value, whatever it looks like. In a text
    /// that is indented as a whole each line does; there only a line goes on that is indented further and is no trailer.
    fn unfolded<'a>(&'a self, value_of: impl Fn(&'a str) -> Option<&'a str>) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        // How far the trailer is indented whose value may go on in the next line.
        let mut open: Option<usize> = None;
        for line in self.text.lines() {
            let (indent, text) = (line.len().saturating_sub(line.trim_start().len()), line.trim());
            let goes_on = |begun| !text.is_empty() && indent > begun && (begun == 0 || !is_trailer(text));
            match (value_of(text), open, values.last_mut()) {
                (Some(value), _, _) => {
                    values.push(value.to_owned());
                    open = Some(indent);
                }
                (None, Some(begun), Some(value)) if goes_on(begun) => {
                    value.push(' ');
                    value.push_str(text);
                }
                (None, _, _) => open = None,
            }
        }
        values
    }
}

/// The bytes of a message that are read.
fn scanned(bytes: &[u8]) -> Cow<'_, [u8]> {
    let beginning = match bytes.get(..SCANNED_BYTES) {
        Some(beginning) if bytes.len() > SCANNED_BYTES => beginning,
        Some(_) | None => return bytes.into(),
    };
    let from = bytes.len().saturating_sub(SCANNED_BYTES).max(SCANNED_BYTES);
    let end = bytes.get(from..).unwrap_or_default();
    if from == SCANNED_BYTES {
        return bytes.into();
    }
    // A line that was cut would name somebody else.
    let whole = end.iter().position(|b| *b == b'\n').and_then(|at| end.get(at..)).unwrap_or_default();
    [beginning, whole].concat().into()
}

/// Cuts text at `max` characters, with a mark.
pub(super) fn bounded(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const COAUTHOR: &str =
    r"(?i)(?:co-?(?:authored|author|developed|written|committed)(?:-| )?by|pair(?:ed|-programmed)?-with)\s*:";

static COAUTHOR_LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^[^\pL\pN<]{{0,8}}{COAUTHOR}\s*(.*)$")).ok());
static COAUTHOR_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(COAUTHOR).ok());
/// A mail: whatever stands in angle brackets, closed or not, and what looks like one without.
static MAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"<+([^<>]*)>*|([^\s<>()\[\],;:"'|]+@[^\s<>()\[\],;:"'|]+)"#).ok());
/// `"Lee, Ann" <ann@x>`: last name first.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""([^"<>,]+),\s*([^"<>,]+)"\s*<"#).ok());
static SEPARATOR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)[,;&]|\s+and\s+|^and\s+|\s+[+/|]\s+|^\s*[+/|]\s*").ok());

fn coauthor_value(line: &str) -> Option<&str> {
    // Compiling the pattern takes longer than a hook's other work on a message, and hardly a line has these letters. None of
    // them has a third form beside its capital.
    let has = |word: &[u8]| line.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    if !has(b"by") && !has(b"with") {
        return None;
    }
    Some(COAUTHOR_LINE.as_ref()?.captures(line)?.get(1)?.as_str())
}

/// `Signed-off-by: …`.
fn is_trailer(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Whom a value names: `A <a@x>, B <b@x>`, `A <a@x`, `A`, `a@x`, `A a@x`, `A (a@x)`, `A <a@x> (a remark)`.
pub fn people(value: &str) -> Vec<Ident> {
    let (Some(key), Some(mail), Some(separator), Some(quoted)) = (&*COAUTHOR_KEY, &*MAIL, &*SEPARATOR, &*QUOTED) else {
        return Vec::new();
    };
    let value = key.replace_all(value, ",").replace("mailto:", "").split_whitespace().collect::<Vec<_>>().join(" ");
    let value = quoted.replace_all(&value, "$2 $1 <");
    let mut found = Vec::new();
    let mut end = 0;
    for captures in mail.captures_iter(&value) {
        let Some(all) = captures.get(0) else { continue };
        let before = value.get(end..all.start()).unwrap_or_default();
        // Of several names before one mail the last one owns it; the others have none.
        let mut names = names(separator, before, end > 0);
        let name = names.pop().unwrap_or_default();
        found.extend(names.iter().filter_map(|name| lone(name)));
        let name = own_name(name);
        let mails = captures.get(1).map_or(all.as_str(), |inner| inner.as_str());
        found.extend(mails_of(mails).into_iter().map(|mail| Ident { name: name.to_owned(), mail: mail.to_owned() }));
        end = all.end();
    }
    let rest = value.get(end..).unwrap_or_default();
    found.extend(names(separator, rest, end > 0).iter().filter_map(|name| lone(name)));
    found.retain(|who| !(who.name.is_empty() && who.mail.is_empty()));
    found
}

/// The names in a text between two mails. Behind a mail a remark may stand until the next separator: something in brackets,
/// or a word in small letters.
fn names<'a>(separator: &Regex, text: &'a str, behind_a_mail: bool) -> Vec<&'a str> {
    let text = if behind_a_mail { behind_the_remark(text) } else { text };
    let mut parts: Vec<&str> = separator.split(text).collect();
    if behind_a_mail && let Some(first) = parts.first_mut() {
        let plain = without_remark(first.trim_start_matches([')', ']', ' ', '\t', ':', '-']));
        let names_somebody = plain.trim_start().chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase());
        *first = if names_somebody { plain } else { "" };
    }
    parts.into_iter().map(tidy).filter(|name| !name.is_empty()).collect()
}

/// What comes after the remarks at the beginning: `(pair, remote)`, `[mentor]`, `# and thanks`.
fn behind_the_remark(mut text: &str) -> &str {
    loop {
        let rest = text.trim_start();
        let end = match rest.chars().next() {
            Some('(') => rest.find(')').map(|at| at.saturating_add(1)),
            Some('[') => rest.find(']').map(|at| at.saturating_add(1)),
            Some('#') => rest.find([',', ';']),
            Some(_) | None => return rest,
        };
        text = end.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
}

/// The name before a mail: without the bracket that opens before it (`A (a@x)`), and without a trailer's key.
fn own_name(name: &str) -> &str {
    let name = tidy(name.trim_end_matches(['(', '[', ' ']));
    match name.rsplit_once(": ") {
        Some((key, name)) if is_trailer(&format!("{key}:")) => tidy(name),
        Some(_) | None => name,
    }
}

/// The mails in angle brackets: mostly one; all that is there, where none looks like one.
fn mails_of(inner: &str) -> Vec<&str> {
    let inner = tidy(inner);
    let mails: Vec<&str> = inner.split_whitespace().filter(|word| word.contains('@')).map(tidy).collect();
    if mails.is_empty() || !inner.contains(char::is_whitespace) { vec![inner] } else { mails }
}

/// `Jane Doe` of `Jane Doe (mentor)`.
fn without_remark(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(['(', '[', '#']) {
        Some((before, _)) if before.is_empty() || before.ends_with(char::is_whitespace) => before.trim(),
        Some(_) | None => text,
    }
}

/// Somebody without angle brackets: a mail if it looks like one, else a name.
fn lone(text: &str) -> Option<Ident> {
    // What stands for nobody in particular.
    const OTHERS: &[&str] = &["others", "et al", "everybody", "everyone", "friends"];
    let text = tidy(without_remark(text));
    if text.is_empty() || OTHERS.iter().any(|others| text.eq_ignore_ascii_case(others)) {
        return None;
    }
    Some(match text.contains('@') && !text.contains(char::is_whitespace) {
        true => Ident { name: String::new(), mail: text.to_owned() },
        false => Ident { name: text.to_owned(), mail: String::new() },
    })
}

fn tidy(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '*' | '`' | '.'))
}
