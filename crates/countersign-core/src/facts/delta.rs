//! The delta: every path that differs between two commits, with mode and object before and after, without rename
//! detection. It is what people approve, and what a push has to equal.
//!
//! Invariant: two deltas have one digest only if they have the same paths with the same sides, whatever order git tells
//! them in.

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    facts::{PathStatus, git::RawChange},
    ids::{InvalidId, Oid},
};

/// What a delta's digest is over begins so.
const HEADING: &str = "countersign-delta/v1\n";
const STEPS_HEADING: &str = "countersign-steps/v1\n";

/// One side of a touched path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Entry {
    /// As git says it: `0o100644`, `0o120000` for a symbolic link, `0o160000` for a submodule's commit.
    pub mode: u32,
    pub id: Oid,
}

/// One path of a delta. A side that is not there is not spelled; 20,000 paths of some 80 characters fit into a blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TouchedPath {
    /// Written by [`escape_path`].
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Entry>,
}

impl Entry {
    fn of(mode: u32, id: &Oid) -> Option<Self> {
        (mode != 0).then(|| Self { mode, id: id.clone() })
    }
}

impl Entry {
    pub fn is_link(&self) -> bool {
        const LINK: u32 = 0o120_000;
        self.mode == LINK
    }

    /// Whether it names a commit of another repository.
    pub fn is_submodule(&self) -> bool {
        const SUBMODULE: u32 = 0o160_000;
        self.mode == SUBMODULE
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:06o} {}", self.mode, self.id)
    }
}

impl From<Entry> for String {
    fn from(entry: Entry) -> Self {
        entry.to_string()
    }
}

impl TryFrom<String> for Entry {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let parts = text.split_once(' ').and_then(|(mode, id)| Some((u32::from_str_radix(mode, 8).ok()?, id)));
        let entry = parts.and_then(|(mode, id)| Some(Self { mode, id: id.parse().ok()? }));
        // Written again it is the same, or somebody spelled it in another way.
        entry.filter(|entry| entry.mode != 0 && entry.to_string() == text).ok_or_else(|| InvalidId {
            what: "mode and object",
            text: text.chars().take(80).collect(),
            expected: "six octal digits, a space and an object id",
        })
    }
}

impl TouchedPath {
    /// Whether a symbolic link is or was there.
    pub fn is_link(&self) -> bool {
        self.old.iter().chain(&self.new).any(Entry::is_link)
    }

    /// Whether a submodule is or was there.
    pub fn is_submodule(&self) -> bool {
        self.old.iter().chain(&self.new).any(Entry::is_submodule)
    }

    /// Whether another mode comes, or a new file that may be run.
    pub fn changes_mode(&self) -> bool {
        const RUNS: u32 = 0o111;
        match (&self.old, &self.new) {
            (_, None) => false,
            (None, Some(new)) => new.mode & RUNS != 0,
            (Some(old), Some(new)) => old.mode != new.mode,
        }
    }

    pub fn status(&self) -> PathStatus {
        /// The file type's bits of a mode: regular file, symbolic link, submodule.
        const TYPE: u32 = 0o170_000;
        match (&self.old, &self.new) {
            (None, _) => PathStatus::Added,
            (_, None) => PathStatus::Deleted,
            (Some(old), Some(new)) if old.mode & TYPE != new.mode & TYPE => PathStatus::TypeChanged,
            (Some(_), Some(_)) => PathStatus::Modified,
        }
    }
}

/// The paths of a raw difference, sorted.
pub fn touched(changes: &[RawChange]) -> Vec<TouchedPath> {
    let mut paths: Vec<TouchedPath> = changes
        .iter()
        .map(|change| TouchedPath {
            path: escape_path(&change.path),
            old: Entry::of(change.old_mode, &change.old),
            new: Entry::of(change.new_mode, &change.new),
        })
        .collect();
    paths.sort();
    paths
}

/// The digest of sorted paths. A path is escaped and so has no line break: the list has one reading.
pub fn digest(paths: &[TouchedPath]) -> Digest {
    let side = |side: &Option<Entry>| side.as_ref().map_or_else(|| "-".to_owned(), Entry::to_string);
    let mut text = HEADING.to_owned();
    for touched in paths {
        text.push_str(&format!("{}\t{}\t{}\n", side(&touched.old), side(&touched.new), touched.path));
    }
    Digest::of(text)
}

/// The digest of what commits bring one by one, in whichever order they are.
pub fn steps(deltas: &mut [Digest]) -> Digest {
    deltas.sort_unstable();
    let lines: String = deltas.iter().map(|delta| format!("{delta}\n")).collect();
    Digest::of(format!("{STEPS_HEADING}{lines}"))
}

/// Writes a path as text without loss: git's C-style escapes for control characters, backslashes and bytes that are no
/// UTF-8, but in place rather than inside quotes, so that a rule about `infra/**` still sees a path that begins with
/// `infra/`.
pub fn escape_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii_control() => octal(&mut out, c as u8),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            octal(&mut out, *byte);
        }
    }
    out
}

/// The path that was written by [`escape_path`].
pub fn unescape_path(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(digit @ b'0'..=b'7') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                    value = value.wrapping_mul(8).wrapping_add(digit - b'0');
                }
                out.push(value);
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    out
}

fn octal(out: &mut String, byte: u8) {
    out.push_str(&format!("\\{byte:03o}"));
}
