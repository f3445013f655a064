//! OpenBSD and NetBSD: `ok deraadt@`, `ok a@ b@, c@ and d@` anywhere in the message; `ok deraadt` and `markus@ ok` where
//! a line or a sentence has nothing else.

use std::sync::LazyLock;

use regex::Regex;

use super::{Convention, Found, Says, lines::handle};

/// Most of one message that is searched, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// More words than this after `ok` are a sentence.
const MAX_LOGINS: usize = 5;

static OK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:ok|oks|okay|ok'?d|ok'?ed|okayed)(?:\s+(?:by|from))?[:,]?\s+((?:[a-z][a-z0-9_-]*@(?:[a-z0-9-]+\.[a-z.]+)?(?:\s*\([^()@]{0,60}\))?(?:\s*(?:,|&|/|\band\b)\s*|\s+|\W|$))+)")
        .ok()
});
/// Without `@` only where nothing else stands in the line or in its last sentence.
static BARE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|[;,.]\s*)(?:ok|OK|Ok|okay) ((?:[a-z][a-z0-9]{1,11}@?(?:\s*[,/&]\s*|\s+and\s+|\s+|$))+)[.!]?$")
        .ok()
});
/// The other way round all have their `@`.
static AFTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:^|[;,.]\s*|\s)((?:[a-z][a-z0-9]{1,11}@(?:\s*[,/&]\s*|\s+and\s+|\s+))*[a-z][a-z0-9]{1,11}@) ok[.!]?$",
    )
    .ok()
});
/// English that stands beside `ok`, and is nobody.
const WORDS: &[&str] = &[
    "to",
    "now",
    "with",
    "for",
    "if",
    "then",
    "again",
    "this",
    "that",
    "by",
    "from",
    "in",
    "on",
    "and",
    "but",
    "too",
    "also",
    "not",
    "so",
    "as",
    "is",
    "it",
    "me",
    "all",
    "everyone",
    "you",
    "we",
    "them",
    "be",
    "looks",
    "still",
    "works",
    "was",
    "are",
    "builds",
    "tests",
    "test",
    "build",
    "just",
    "here",
    "there",
    "seems",
    "passes",
    "pass",
    "should",
    "its",
    "case",
    "cases",
    "status",
    "code",
    "return",
    "returns",
    "value",
    "button",
    "response",
    "reply",
    "diff",
    "fine",
    "good",
    "hints",
    "hint",
    "wording",
    "tweak",
    "tweaks",
    "basically",
    "manpage",
    "feedback",
    "reluctantly",
    "despite",
    "various",
    "several",
    "punctuation",
    "input",
    "report",
    "bits",
    "bit",
    "extensive",
    "testing",
    "before",
    "after",
    "sanity",
    "checked",
    "suggestion",
    "suggestions",
    "etc",
    "parts",
    "mdoc",
    "correction",
    "corrections",
    "improvements",
    "comments",
    "help",
    "gcc",
    "regress",
    "via",
    "eye",
    "tested",
    "reported",
    "prompted",
    "discussed",
    "inputs",
    "crickets",
    "tech",
    "mostly",
    "anyway",
    "thanks",
    "everything",
    "nothing",
    "when",
    "the",
    "an",
    "of",
    "or",
    "at",
    "go",
    "do",
    "does",
    "up",
    "mode",
    "file",
    "files",
    "check",
];
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)([a-z][a-z0-9_-]*)@").ok());

pub const CONVENTION: Convention = Convention {
    name: "bsd-ok",
    proves: "who said ok, by their login",
    does_not_prove: "that it was to the committed version: the committer writes the line",
    find: |context| {
        let (Some(ok), Some(name)) = (&*OK, &*NAME) else { return Vec::new() };
        let mut found = Vec::new();
        for commit in context.commits() {
            let lines = || commit.lines.iter().filter(|line| !line.text.starts_with('>') && line.key.is_empty());
            // A subject that begins with `ok` is a sentence.
            let subject = Some(commit.subject).filter(|subject| subject.contains(';'));
            found.extend(subject.into_iter().chain(lines().map(|line| line.text)).flat_map(bare));
            if !commit.subject.contains('@') && !lines().any(|line| line.text.contains('@')) {
                continue;
            }
            let mut text = commit.subject.to_owned();
            for line in lines() {
                if text.len() > MAX_BYTES {
                    break;
                }
                text.push(' ');
                text.push_str(line.text);
            }
            for captures in ok.captures_iter(&text) {
                let (Some(all), Some(names)) = (captures.get(0), captures.get(1)) else { continue };
                if is_denied(text.get(..all.start()).unwrap_or_default()) {
                    continue;
                }
                let logins = name.captures_iter(names.as_str()).filter_map(|login| login.get(1));
                let people = logins.filter_map(|login| handle(login.as_str()));
                found.extend(people.map(|who| Found::by(Says::Approved, who, all.as_str().trim())));
            }
        }
        found
    },
};

/// Whether the words before an ok say that there is none: `not ok`, `no ok from`, `awaiting ok from`.
fn is_denied(before: &str) -> bool {
    const NOT: &[&str] = &[
        "no", "not", "isn't", "without", "never", "lacks", "lacking", "needs", "need", "wants", "awaiting", "pending",
    ];
    let last = before.split_whitespace().next_back().unwrap_or_default();
    NOT.contains(&last.to_lowercase().as_str())
}

/// `ok alice bob`, `; ok alice, bob`, `; alice ok` at the end of a line.
fn bare(line: &str) -> Vec<Found> {
    // Logins in a line of their own are short.
    let tail = line.get(line.len().saturating_sub(120)..).unwrap_or(line);
    if !["ok", "OK", "Ok"].iter().any(|ok| tail.contains(ok)) {
        return Vec::new();
    }
    let names = [&*BARE, &*AFTER].into_iter().flatten().find_map(|pattern| pattern.captures(tail)?.get(1));
    let Some(names) = names.filter(|names| !is_denied(tail.get(..names.start()).unwrap_or_default())) else {
        return Vec::new();
    };
    let logins: Vec<&str> =
        names.as_str().split([' ', ',', '/', '&', '\t']).filter(|word| !word.is_empty() && *word != "and").collect();
    if logins.len() > MAX_LOGINS && !names.as_str().contains([',', '@']) {
        return Vec::new();
    }
    // `ok alice, tweaks from bob`: what follows a plain word is no list of logins any more.
    let people = logins.into_iter().take_while(|word| !WORDS.contains(word)).filter_map(handle);
    people.map(|who| Found::by(Says::Approved, who, line)).collect()
}
