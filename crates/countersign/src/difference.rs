//! What differs between two states of paths, for the eyes of whoever signs: a unified diff with everything that a reviewer must
//! not miss. Modes, links, submodules and renames are told in words, and no character stays invisible.
//!
//! Out of scope: where contents come from; they were compared with what was signed before they come here. Nothing that the
//! content says about itself (`.gitattributes`) has a part in it.
//!
//! Invariant: [`Shown::is_whole`] only where every byte of what differs is in the lines.

mod visible;

use std::collections::BTreeMap;

use countersign_core::{
    facts::{Entry, TouchedPath},
    ids::Oid,
};
use countersign_ledger::Digest;
use serde::{Serialize, Serializer};
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use self::visible::hidden;
pub use self::visible::visible;
use crate::git::{LINK, SUBMODULE};

/// Lines around what differs.
const CONTEXT: usize = 3;
/// What one file has, and all together, before it is cut.
const MAX_OF_ONE: usize = 1024 * 1024;
const MAX_OF_ALL: usize = 16 * 1024 * 1024;
/// Lines of both sides that are compared line by line: a few seconds at the most, whatever is in them.
const MAX_COMPARED: usize = 400_000;
const PLAIN: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;

/// What a line of a diff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Header,
    /// In words, by us.
    Words,
    /// That something is not shown.
    Lacking,
    Hunk,
    Context,
    Added,
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub text: String,
}

/// What becomes of one path.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// As it is shown: no character of it is invisible.
    pub path: String,
    /// Where the same content was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// Mode and object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Entry>,
    pub added: usize,
    pub removed: usize,
    /// What is to be noticed of it.
    pub words: Vec<String>,
    /// What of it is not shown, and why.
    pub lacks: Vec<String>,
    #[serde(rename = "diff", serialize_with = "as_text")]
    pub lines: Vec<Line>,
}

fn as_text<S: Serializer>(lines: &[Line], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&lines.iter().map(|line| format!("{}\n", line.text)).collect::<String>())
}

impl Shown {
    pub fn is_whole(&self) -> bool {
        self.lacks.is_empty()
    }

    fn say(&mut self, kind: Kind, text: impl Into<String>) {
        self.lines.push(Line { kind, text: text.into() });
    }

    fn note(&mut self, words: String) {
        self.say(Kind::Words, format!("({words})"));
        self.words.push(words);
    }

    fn lack(&mut self, what: String) {
        self.say(Kind::Lacking, format!("({what})"));
        self.lacks.push(what);
    }
}

/// Contents that were compared with their ids.
pub type Contents = BTreeMap<Oid, Vec<u8>>;

/// Whether long ones are shown to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Bounded,
    Full,
}

/// Shows what becomes of each path.
pub fn show(touched: &[TouchedPath], contents: &Contents, length: Length) -> Vec<Shown> {
    let renames = renames(touched, contents);
    let moved_away: Vec<&str> = renames.values().map(|from| from.path.as_str()).collect();
    let mut left = MAX_OF_ALL;
    let mut all = Vec::new();
    for path in touched.iter().filter(|path| !moved_away.contains(&path.path.as_str())) {
        let from = renames.get(path.path.as_str()).copied();
        let room = match length {
            Length::Bounded => MAX_OF_ONE.min(left),
            Length::Full => usize::MAX,
        };
        let shown = one(path, from, contents, room);
        left = left.saturating_sub(shown.lines.iter().map(|line| line.text.len()).sum());
        all.push(shown);
    }
    all
}

/// Paths that are new with a content that another path had which is gone, by the new path. Only how it is shown: what is signed
/// has both.
fn renames<'a>(touched: &'a [TouchedPath], contents: &Contents) -> BTreeMap<&'a str, &'a TouchedPath> {
    let is_something =
        |entry: &Entry| entry.mode != SUBMODULE && contents.get(&entry.id).is_none_or(|bytes| !bytes.is_empty());
    let mut gone: BTreeMap<&Oid, Vec<&TouchedPath>> = BTreeMap::new();
    for path in touched.iter().rev() {
        if let (Some(old), None) = (&path.old, &path.new)
            && is_something(old)
        {
            gone.entry(&old.id).or_default().push(path);
        }
    }
    let mut renames = BTreeMap::new();
    for path in touched {
        if let (None, Some(new)) = (&path.old, &path.new)
            && let Some(from) = gone.get_mut(&new.id).and_then(Vec::pop)
        {
            renames.insert(path.path.as_str(), from);
        }
    }
    renames
}

fn one(touched: &TouchedPath, from: Option<&TouchedPath>, contents: &Contents, room: usize) -> Shown {
    let path = visible(touched.path.as_bytes());
    let before = from.map_or_else(|| path.clone(), |from| visible(from.path.as_bytes()));
    let (old, new) = (from.map_or(&touched.old, |from| &from.old).clone(), touched.new.clone());
    let mut shown = Shown {
        renamed_from: from.map(|_| before.clone()),
        path: path.clone(),
        old: old.clone(),
        new: new.clone(),
        added: 0,
        removed: 0,
        words: Vec::new(),
        lacks: Vec::new(),
        lines: Vec::new(),
    };
    shown.say(Kind::Header, format!("diff --git a/{before} b/{path}"));
    modes(&mut shown, old.as_ref(), new.as_ref());
    if from.is_some() {
        shown.say(Kind::Header, "similarity index 100%");
        shown.say(Kind::Header, format!("rename from {before}"));
        shown.say(Kind::Header, format!("rename to {path}"));
    }
    let short = |side: &Option<Entry>| side.as_ref().map_or_else(|| "0".repeat(10), |side| side.id.short().to_owned());
    let same = old.as_ref().map(|old| &old.id) == new.as_ref().map(|new| &new.id);
    if !same {
        shown.say(Kind::Header, format!("index {}..{}", short(&old), short(&new)));
    }
    let text_of = |side: &Option<Entry>| match side {
        None => Ok(Vec::new()),
        Some(entry) if entry.mode == SUBMODULE => Ok(format!("Subproject commit {}\n", entry.id).into_bytes()),
        Some(entry) => contents.get(&entry.id).cloned().ok_or_else(|| entry.id.clone()),
    };
    match (text_of(&old), text_of(&new)) {
        (Ok(before_bytes), Ok(after_bytes)) if !same => {
            let names = (side_name("a", &before, old.as_ref()), side_name("b", &path, new.as_ref()));
            body(&mut shown, &before_bytes, &after_bytes, names, room);
        }
        (before, after) => {
            for (when, missing) in [("before", before.err()), ("after", after.err())] {
                if let Some(id) = missing {
                    shown.lack(format!("content {when} is not here: {id}"));
                }
            }
        }
    }
    shown
}

fn side_name(letter: &str, path: &str, side: Option<&Entry>) -> String {
    side.map_or_else(|| "/dev/null".to_owned(), |_| format!("{letter}/{path}"))
}

/// Modes, as git writes them and in words.
fn modes(shown: &mut Shown, old: Option<&Entry>, new: Option<&Entry>) {
    match (old, new) {
        (Some(old), Some(new)) if old.mode != new.mode => {
            shown.say(Kind::Header, format!("old mode {:06o}", old.mode));
            shown.say(Kind::Header, format!("new mode {:06o}", new.mode));
        }
        (Some(_), Some(_)) | (None, None) => {}
        (None, Some(new)) => shown.say(Kind::Header, format!("new file mode {:06o}", new.mode)),
        (Some(old), None) => shown.say(Kind::Header, format!("deleted file mode {:06o}", old.mode)),
    }
    let (before, after) = (old.map(|old| old.mode), new.map(|new| new.mode));
    match (before, after) {
        (Some(SUBMODULE), _) | (_, Some(SUBMODULE)) => {
            let commit = |side: Option<&Entry>| match side {
                Some(entry) if entry.mode == SUBMODULE => entry.id.to_string(),
                Some(_) | None => "none".to_owned(),
            };
            shown.note(format!(
                "submodule, whose content is in another repository: {} -> {}",
                commit(old),
                commit(new)
            ));
        }
        (_, Some(LINK)) if before != after => shown.note("a symbolic link: its text is where it leads".to_owned()),
        (Some(LINK), Some(_)) if before != after => shown.note("no symbolic link any more".to_owned()),
        (Some(LINK), _) => shown.note("a symbolic link: its text is where it leads".to_owned()),
        (Some(PLAIN) | None, Some(EXECUTABLE)) => shown.note("can be run".to_owned()),
        (Some(EXECUTABLE), Some(PLAIN)) => shown.note("can no longer be run".to_owned()),
        (_, Some(mode)) if mode != PLAIN && mode != EXECUTABLE => shown.note(format!("of mode {mode:06o}")),
        (Some(_) | None, Some(_) | None) => {}
    }
    if let (Some(old), Some(new)) = (old, new)
        && old.id == new.id
        && old.mode != new.mode
    {
        shown.note("content as before".to_owned());
    }
}

/// The bytes before which what is no text is looked for, as git does.
const LOOKED_AT: usize = 8_000;
/// One byte of so many may be odd in what is text for the most part.
const MOST_ODD: usize = 4;

/// Whether it is no text. What could be run, a link, whatever is UTF-8, and what is text for the most part are always shown: a
/// shell passes over the odd bytes in it.
fn is_binary(side: Option<&Entry>, bytes: &[u8]) -> bool {
    side.is_some_and(|side| side.mode == PLAIN)
        && !bytes.starts_with(b"#!")
        && std::str::from_utf8(bytes).is_err()
        && bytes.iter().take(LOOKED_AT).any(|b| *b == 0)
        && odd(bytes) > bytes.len() / MOST_ODD
}

/// Control characters that no text has, and bytes that are no UTF-8.
fn odd(bytes: &[u8]) -> usize {
    let control = |text: &str| text.bytes().filter(|b| b.is_ascii_control() && !b.is_ascii_whitespace()).count();
    bytes.utf8_chunks().map(|chunk| control(chunk.valid()).saturating_add(chunk.invalid().len())).sum()
}

fn body(shown: &mut Shown, old: &[u8], new: &[u8], (a, b): (String, String), room: usize) {
    // Each side by itself: a text is not hidden by what was there before it.
    let [old, new] =
        [("before", shown.old.clone(), old), ("after", shown.new.clone(), new)].map(|(when, side, bytes)| {
            if !is_binary(side.as_ref(), bytes) {
                return bytes;
            }
            shown.lack(format!("binary {when}, not shown: {} bytes {}", bytes.len(), Digest::of(bytes)));
            <&[u8]>::default()
        });
    if old.is_empty() && new.is_empty() {
        return;
    }
    match hidden(new).saturating_add(hidden(old)) {
        0 => {}
        1 => shown.note("has an invisible, bidirectional or control character, shown as <U+…> or <XX>".to_owned()),
        many => {
            shown.note(format!("has {many} invisible, bidirectional or control characters, shown as <U+…> or <XX>"))
        }
    }
    let (mut before, mut after) = (lines(old), lines(new));
    let mut all = before.iter().chain(&after).peekable();
    if all.peek().is_some() && all.all(|line| line.ends_with(b"\r\n")) {
        for line in before.iter_mut().chain(&mut after) {
            *line = line.strip_suffix(b"\r\n").unwrap_or(line);
        }
        shown.note("its lines end in CR LF".to_owned());
    }
    let ops = match before.len().saturating_add(after.len()) <= MAX_COMPARED {
        true => capture_diff_slices(Algorithm::Myers, &before, &after),
        false => {
            shown.note("too many lines to compare: all of it before, and then all of it after".to_owned());
            vec![DiffOp::Replace { old_index: 0, old_len: before.len(), new_index: 0, new_len: after.len() }]
        }
    };
    shown.say(Kind::Header, format!("--- {a}"));
    shown.say(Kind::Header, format!("+++ {b}"));
    let mut room = Some(room);
    for hunk in group_diff_ops(ops, CONTEXT) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let (old_range, new_range) =
            (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        shown.say(Kind::Hunk, format!("@@ -{} +{} @@", at(&old_range), at(&new_range)));
        for op in &hunk {
            hunk_lines(shown, op, &before, &after, &mut room);
        }
    }
}

/// A range as unified diffs have it: from 1 on, and the line before where it is empty.
fn at(range: &std::ops::Range<usize>) -> String {
    let start = if range.is_empty() { range.start } else { range.start.saturating_add(1) };
    match range.len() {
        1 => start.to_string(),
        many => format!("{start},{many}"),
    }
}

fn hunk_lines(shown: &mut Shown, op: &DiffOp, before: &[&[u8]], after: &[&[u8]], room: &mut Option<usize>) {
    let of_old = before.get(op.old_range()).unwrap_or_default();
    let of_new = after.get(op.new_range()).unwrap_or_default();
    let parts = match op {
        DiffOp::Equal { .. } => vec![(Kind::Context, ' ', of_old)],
        DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
            vec![(Kind::Removed, '-', of_old), (Kind::Added, '+', of_new)]
        }
    };
    for (kind, sign, lines) in parts {
        match kind {
            Kind::Added => shown.added = shown.added.saturating_add(lines.len()),
            Kind::Removed => shown.removed = shown.removed.saturating_add(lines.len()),
            Kind::Header | Kind::Words | Kind::Lacking | Kind::Hunk | Kind::Context => {}
        }
        for &line in lines {
            // Once something is cut, nothing comes behind it that would look like all.
            let Some(left) = *room else { return };
            let (text, ends) = match line.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (line, false),
            };
            let text = visible(text);
            *room = left.checked_sub(text.len().saturating_add(1));
            if room.is_none() {
                return shown.lack("too long, and cut here: --full shows all of it".to_owned());
            }
            shown.say(kind, format!("{sign}{text}"));
            if !ends && !shown.words.iter().any(|words| words.contains("CR LF")) {
                shown.say(kind, "\\ No newline at end of file");
            }
        }
    }
}

/// Lines with their ends; none of nothing.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

#[cfg(test)]
mod tests;
