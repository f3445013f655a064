//! What conventions read: commits with their messages as lines, and the people whom a value names.

use std::sync::LazyLock;

use countersign_core::facts::{
    git::Ident,
    message::{self, Message},
};
use regex::Regex;

use crate::{CommitRecord, LandedChange, Note, requests::Request};

/// Most people that one line can name; the rest are passed over.
const MAX_PEOPLE: usize = 32;
/// Longest name that is taken for one, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Most words in a name: what is longer is a sentence.
const MAX_NAME_WORDS: usize = 5;

/// A line of a message.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// As it stands, with its indentation.
    pub raw: &'a str,
    pub text: &'a str,
    /// Before the first colon, if that looks like a key; else empty.
    pub key: &'a str,
    /// After it, with the lines in which it goes on.
    pub value: &'a str,
    /// In the last paragraph, where git itself looks for trailers.
    pub in_trailers: bool,
    /// Indented or behind `>`: somebody else's message.
    pub quoted: bool,
}

impl Line<'_> {
    pub fn is(&self, key: &str) -> bool {
        // `Reviewed_by:` is meant as `Reviewed-by:`.
        let plain = |b: u8| if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
        self.key.bytes().map(plain).eq(key.bytes().map(plain))
    }

    pub fn is_any(&self, keys: &[&str]) -> bool {
        !self.key.is_empty() && keys.iter().any(|key| self.is(key))
    }
}

/// A commit of the change, with its message read.
#[derive(Debug)]
pub struct Commit<'a> {
    pub record: &'a CommitRecord,
    pub subject: &'a str,
    /// All lines but the subject.
    pub lines: Vec<Line<'a>>,
}

impl Commit<'_> {
    pub fn is_merge(&self) -> bool {
        self.record.parents.len() > 1
    }

    pub fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|line| line.is(key))
    }
}

/// Everything that git has about one landed change, read.
#[derive(Debug)]
pub struct Context<'a> {
    pub landed: Commit<'a>,
    pub brought: Vec<Commit<'a>>,
    pub notes: &'a [Note],
    /// What the forge knows of the request that it landed as.
    pub request: Option<&'a Request>,
}

impl<'a> Context<'a> {
    /// `messages` are those of the landed commit and of the brought ones, in this order.
    pub fn new(change: &'a LandedChange, messages: &'a [Message], request: Option<&'a Request>) -> Option<Self> {
        let (first, rest) = messages.split_first()?;
        Some(Self {
            landed: commit(&change.commit, first),
            brought: change.brought.iter().zip(rest).map(|(record, message)| commit(record, message)).collect(),
            notes: &change.notes,
            request,
        })
    }

    /// The landed commit, then those that it brought.
    pub fn commits(&self) -> impl Iterator<Item = &Commit<'a>> {
        std::iter::once(&self.landed).chain(&self.brought)
    }

    /// Every line of every message but the subjects.
    pub fn lines(&self) -> impl Iterator<Item = &Line<'a>> {
        self.commits().flat_map(|commit| &commit.lines)
    }

    /// Notes whose reference is, or begins with, this.
    pub fn notes_in(&self, reference: &str) -> impl Iterator<Item = &'a Note> {
        self.notes.iter().filter(move |note| note.reference.starts_with(reference))
    }
}

fn commit<'a>(record: &'a CommitRecord, message: &'a Message) -> Commit<'a> {
    let text = message.text().trim_matches(|c: char| c == '\n' || c == ' ');
    let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
    let subject = subject.trim();
    let mut lines: Vec<Line<'a>> = body.lines().map(line).collect();
    unfold(&mut lines, body);
    continue_lists(&mut lines);
    let trailers = lines.iter().rev().take_while(|line| !line.text.is_empty()).count();
    let start = lines.len().saturating_sub(trailers);
    for line in lines.iter_mut().skip(start) {
        line.in_trailers = true;
    }
    lines.retain(|line| !line.text.is_empty());
    // What is indented as a whole is nobody else's.
    if message.text().lines().filter(|line| !line.trim().is_empty()).all(|line| line.starts_with("    ")) {
        lines.iter_mut().for_each(|line| line.quoted = line.text.starts_with(['>', '|']));
    }
    Commit { record, subject, lines }
}

/// A trailer's value goes on in the lines below it that begin with a blank (git-interpret-trailers(1)), unless they look like
/// trailers of their own. Those lines stay as they are for whoever reads text.
fn unfold<'a>(lines: &mut [Line<'a>], body: &'a str) {
    let mut begin = 0_usize;
    // The trailer that may go on, and where its value begins.
    let mut open: Option<(usize, usize)> = None;
    let mut values: Vec<(usize, &'a str)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let end = begin.saturating_add(line.raw.len());
        let goes_on = line.raw.starts_with([' ', '\t']) && line.key.is_empty() && !line.text.is_empty();
        match open {
            Some((trailer, from)) if goes_on => values.push((trailer, body.get(from..end).unwrap_or_default().trim())),
            Some(_) | None => {
                let is_trailer = !line.quoted && !line.key.is_empty() && !line.key.contains(' ');
                let colon = line.raw.find(':').map(|at| begin.saturating_add(at).saturating_add(1));
                open = colon.filter(|_| is_trailer && !line.raw.starts_with(' ')).map(|from| (number, from));
            }
        }
        begin = end.saturating_add(1);
    }
    for (trailer, value) in values {
        if let Some(line) = lines.get_mut(trailer) {
            line.value = value;
        }
    }
}

/// `Reviewed-by: a,` goes on in the next line, which has no key of its own; and `Reviewed by:\ta, b` in one that is
/// indented and has nothing but people.
fn continue_lists(lines: &mut [Line<'_>]) {
    let mut open: Option<(&str, bool, bool)> = None;
    for line in lines {
        if let (Some((key, quoted, comma)), true) = (open, line.key.is_empty() && !line.text.is_empty())
            && (comma || (!quoted && is_list_under(line.raw)))
        {
            line.key = key;
            line.value = line.text;
            line.quoted = quoted;
        }
        let comma = line.text.ends_with(',');
        let field = !line.value.is_empty() && line.key.to_ascii_lowercase().ends_with(" by");
        open = (!line.key.is_empty() && (comma || field)).then_some((line.key, line.quoted, comma));
    }
}

/// Whether a line is a list of logins or mails and stands below a field's value.
fn is_list_under(raw: &str) -> bool {
    let login = |part: &str| {
        let part = part.trim();
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.trim_end_matches('@').bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let text = raw.trim_end_matches([',', ' ', '\t']);
    (raw.starts_with('\t') || raw.starts_with("        "))
        && text.split(',').all(|part| login(part) || (part.contains('<') && part.contains('@')))
}

fn line(raw: &str) -> Line<'_> {
    let text = raw.trim();
    let quoted = raw.starts_with("    ") || raw.starts_with('\t') || text.starts_with('>') || text.starts_with('|');
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key.trim_start_matches(['*', '-', ' ']).trim_end(), value.trim()),
        None => ("", ""),
    };
    let is_key = (2..=40).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b' ' | b'_' | b'+'));
    let (key, value) = if is_key { (key, value) } else { ("", "") };
    Line { raw, text, key, value, in_trailers: false, quoted }
}

/// `"Lee, Ann" <ann@x>`: last name first.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""([^"<>,]+),\s*([^"<>,]+)"\s*<"#).ok());
/// `Lee, Ann <ann@x>` and nothing else. A login before the comma is another person.
static LAST_FIRST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\s*(\p{Lu}[\p{L}'’-]+),\s*(\p{Lu}[\p{L}.'’-]*(?:\s+\p{Lu}[\p{L}.'’-]*){0,2})\s*<([^<>]*)>?\s*$").ok()
});
/// What people write between two, beside commas.
static BETWEEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r">\s*[+/|]\s*|\s[+/|]\s").ok());

/// The value as [`message::people`] reads it: one comma between two people, and none inside a name.
fn with_plain_commas(value: &str) -> String {
    let value = ["mailto:", "&lt;", "&gt;", "&quot;", "&#39;", "&amp;"]
        .into_iter()
        .zip(["", "<", ">", "\"", "'", "&"])
        .filter(|(written, _)| value.contains(written))
        .fold(value.to_owned(), |value, (written, meant)| value.replace(written, meant));
    let (Some(quoted), Some(last_first), Some(between)) = (&*QUOTED, &*LAST_FIRST, &*BETWEEN) else { return value };
    let value = quoted.replace_all(&value, "$2 $1 <");
    let value = last_first.replace(&value, "$2 $1 <$3>");
    let comma = |captures: &regex::Captures<'_>| match captures.get(0) {
        Some(all) if all.as_str().starts_with('>') => ">, ",
        Some(_) | None => ", ",
    };
    between.replace_all(&value, comma).into_owned()
}

/// `@bob @cy` are two, and `Bob Ray bob@x.example` has a mail.
fn split_lone(who: Ident) -> Vec<Ident> {
    let words: Vec<&str> = who.name.split_whitespace().collect();
    if !who.mail.is_empty() || words.len() < 2 {
        return vec![who];
    }
    let is_login = |word: &&str| word.starts_with('@') || word.ends_with('@');
    if words.iter().all(is_login) {
        let login = |word: &&str| Ident { name: word.trim_matches('@').to_owned(), mail: String::new() };
        return words.iter().map(login).collect();
    }
    match words.split_last() {
        Some((mail, name))
            if mail.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.')) =>
        {
            vec![Ident { name: name.join(" "), mail: (*mail).to_owned() }]
        }
        Some(_) | None => vec![who],
    }
}

/// The people whom a value names: `A <a@x>, B <b@x>`, `alice, bob`, `Jane Doe (mentor)`. Groups, links and sentences are
/// nobody.
pub fn named_people(value: &str) -> Vec<Ident> {
    let bare = with_plain_commas(&without_brackets(value));
    let mut people = message::people(&bare);
    // `Reviewers: please test this by hand, then merge`: cut at its commas, a sentence still is one.
    let sentence = people.iter().any(|who| who.mail.is_empty() && is_sentence(before_the_place(&who.name)));
    people.retain(|who| !sentence || !who.mail.is_empty());
    people.into_iter().flat_map(split_lone).take(MAX_PEOPLE).filter_map(person).collect()
}

/// `Jane Doe` of `Jane Doe in IRC`, `Jane Doe on the list`, `Jane Doe via mail`.
fn before_the_place(name: &str) -> &str {
    [" in ", " on ", " via ", " at ", " over "]
        .iter()
        .fold(name, |name, word| name.split_once(word).map_or(name, |(name, _)| name.trim()))
}

/// Whether words are a part of a sentence rather than a name.
fn is_sentence(text: &str) -> bool {
    const NEVER_IN_NAMES: &[&str] = &[
        "the", "this", "that", "these", "if", "is", "are", "was", "were", "be", "been", "please", "then", "with",
        "without", "you", "your", "it", "its", "from", "for", "to", "not", "when", "which", "but", "has", "have",
        "should", "would", "after", "before",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    words.len() > MAX_NAME_WORDS || (words.len() > 1 && words.iter().any(|word| NEVER_IN_NAMES.contains(word)))
}

fn person(mut who: Ident) -> Option<Ident> {
    // `@alice` and `deraadt@` are logins.
    let is_login = who.mail.starts_with('@') || who.mail.ends_with('@');
    if who.name.is_empty() && is_login {
        who = Ident { name: who.mail.trim_matches('@').to_owned(), mail: String::new() };
    }
    let name = who.name.trim().trim_start_matches('@').trim();
    let name = if who.mail.is_empty() { before_the_place(name) } else { name };
    // Phabricator's projects and GitHub's teams are groups.
    let is_group = name.starts_with('#') || name.contains("://") || (who.mail.is_empty() && name.contains('/'));
    let is_name = name.chars().any(char::is_alphabetic)
        && name.chars().count() <= MAX_NAME_CHARS
        && name.split_whitespace().count() <= MAX_NAME_WORDS
        && !name.contains(['"', '`', '=', '{', '}', '|', '\\']);
    let named = match who.mail.is_empty() {
        true => is_name && !is_nobody(name),
        false => true,
    };
    (!is_group && named).then(|| Ident { name: name.to_owned(), mail: who.mail })
}

/// Whoever a login, a name or a mail means, as one person.
pub fn handle(text: &str) -> Option<Ident> {
    let text = text.trim().trim_start_matches('@').trim_end_matches(['.', ';']);
    match text.contains('@') {
        true => person(Ident { name: String::new(), mail: text.to_owned() }),
        false => person(Ident { name: text.to_owned(), mail: String::new() }),
    }
}

/// `alice,bob`, `alice|bob`: the people of an `r=`.
pub fn split_reviewers(text: &str) -> impl Iterator<Item = Ident> {
    text.split([',', '|', '&', '+']).take(MAX_PEOPLE).filter_map(handle)
}

/// Whether GitHub itself made a commit.
pub fn is_github(who: &Ident) -> bool {
    who.mail.eq_ignore_ascii_case("noreply@github.com") || who.name == "web-flow"
}

/// The line that names a page where the review is, if the landed commit is no merge (there the merger says more) and
/// nobody is named beside it (then git does say who).
pub fn review_page(context: &Context<'_>, is_page: fn(&Line<'_>) -> bool) -> Option<String> {
    let landed = &context.landed;
    let named = landed.lines.iter().any(|line| line.is("Reviewed-by") || line.is("Approved-by") || line.is("Acked-by"));
    if landed.is_merge() || named {
        return None;
    }
    landed.lines.iter().find(|line| !line.quoted && is_page(line)).map(|line| line.text.to_owned())
}

/// Whether a value says that there was no reviewer.
pub fn says_nobody(value: &str) -> bool {
    let value = value.trim().trim_matches(['.', '-', '*']);
    matches!(
        value.to_ascii_lowercase().as_str(),
        "self" | "none" | "nobody" | "no one" | "no-one" | "n/a" | "na" | "unreviewed" | "not reviewed" | "myself"
    )
}

/// Words that stand where a name should.
fn is_nobody(name: &str) -> bool {
    says_nobody(name)
        || matches!(
            name.to_ascii_lowercase().as_str(),
            "me" | "trivial"
                | "tbd"
                | "tba"
                | "todo"
                | "nfc"
                | "implicit"
                | "blanket"
                | "pending"
                | "try"
                | "<try>"
                | "rubber-stamp"
                | "rubberstamp"
                | "auto"
                | "backout"
                | "bustage"
                | "ghost"
                | "team"
                | "everyone"
                | "all"
                | "yes"
                | "no"
                | "maintainer"
        )
}

fn without_brackets(value: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '(' | '[' => depth = depth.saturating_add(1),
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named() {
        let show = |value: &str| {
            named_people(value).iter().map(|w| format!("{}|{}", w.name, w.mail)).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(show("Ann Lee <ann@x.example>, Bob <bob@x.example>"), "Ann Lee|ann@x.example; Bob|bob@x.example");
        assert_eq!(show("yfeldblum, u12"), "yfeldblum|; u12|");
        assert_eq!(show("Jane Doe (mentor)"), "Jane Doe|");
        assert_eq!(show("#hackers, @alice"), "alice|");
        assert_eq!(show("https://review.example/1"), "");
        assert_eq!(show("everybody who was on the call that evening"), "");
        assert_eq!(show("please test this by hand, then merge"), "");
        assert_eq!(show("if you run a build, please submit:"), "");
        assert_eq!(show("Jane Doe in IRC, Ann Lee on the list"), "Jane Doe|; Ann Lee|");
        assert_eq!(show("Lee, Ann <ann@x.example>"), "Ann Lee|ann@x.example");
        assert_eq!(
            show("\"Lee, Ann\" <a@x.example>, \"Ray, Bob J.\" <b@x.example>"),
            "Ann Lee|a@x.example; Bob J. Ray|b@x.example"
        );
        assert_eq!(show("alice, Bob Ray <bob@x.example>"), "alice|; Bob Ray|bob@x.example");
        assert_eq!(show("Jane Doe, Cleo <c@x.example>"), "Jane Doe|; Cleo|c@x.example");
        assert_eq!(show("@bob @cy"), "bob|; cy|");
        assert_eq!(show("A <a@x.example> + C <c@x.example>"), "A|a@x.example; C|c@x.example");
        assert_eq!(show("Bob Ray bob@x.example"), "Bob Ray|bob@x.example");
        assert_eq!(show("Bob <mailto:bob@x.example>"), "Bob|bob@x.example");
        assert_eq!(handle("alice\""), None);
        assert_eq!(show("none"), "");
        assert_eq!(show("ann@x.example"), "|ann@x.example");
        assert_eq!(show("deraadt@, millert@"), "deraadt|; millert|");
    }
}
