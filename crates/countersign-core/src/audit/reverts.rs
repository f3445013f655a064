//! Reverts: what a change takes back, and what was taken back by whom and after how long.

use std::collections::{BTreeMap, HashMap};

use super::{
    conventions::{Commit, Context},
    judge::Audited,
    text::shown,
};
use crate::ids::Oid;

/// Most reverts that one change is read to make.
const MAX_TAKEN: usize = 64;
/// Shortest abbreviated id that is followed.
const MIN_HEX: usize = 7;
const MAX_SUBJECT_CHARS: usize = 120;

/// What a message says that it takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `This reverts commit 1a2b3c4…`: the first bits of the id, and how many of them are known.
    Commit { id: u64, bits: u32 },
    /// `Revert "subject"`.
    Subject(Box<str>),
    /// `Reverts owner/repository#12`, `Reverts #12`.
    Request(u32),
}

/// One change taken back by a later one; both are positions in the list that was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revert {
    pub reverted: usize,
    pub by: usize,
    /// From landing to landing. Negative where the clocks of the commits disagree.
    pub after_secs: i64,
}

/// Every revert of a history.
#[derive(Clone, Debug, Default)]
pub struct Reverts {
    pub all: Vec<Revert>,
    /// Reverts whose original is not in the history that was searched.
    pub unfound: usize,
    first: HashMap<usize, usize>,
}

/// The first eight bytes of an id.
pub(super) fn short(id: &Oid) -> u64 {
    id.as_str().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default()
}

/// What the messages of a change say that it takes back. Of a merge the brought commits are read too, so that the merge
/// of a reverting branch counts.
pub(super) fn taken_back(context: &Context<'_>) -> Vec<Taken> {
    let mut found = Vec::new();
    for commit in context.commits() {
        let before = found.len();
        for line in &commit.lines {
            found.extend(in_line(line.text));
        }
        // An id or a number is certain; the subject is what is left where there is neither.
        if found.len() == before {
            found.extend(in_branch(commit).or_else(|| in_subject(commit.subject)));
        }
        found.truncate(MAX_TAKEN);
    }
    found.dedup();
    found
}

fn in_line(text: &str) -> Option<Taken> {
    let lower = text.get(..text.len().min(64)).unwrap_or(text);
    const STARTS: &[&str] =
        &["this reverts commit ", "this reverts commits ", "this partially reverts commit ", "revert commit "];
    if let Some(rest) = STARTS.iter().find_map(|start| strip(text, start)) {
        return commit(rest);
    }
    let rest = strip(lower, "reverts:").or_else(|| strip(lower, "reverts "))?.trim_start();
    match rest.split_once('#') {
        Some((repository, number)) if !repository.contains(char::is_whitespace) => {
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().map(Taken::Request)
        }
        Some(_) | None => commit(rest.trim_start_matches("commit ")),
    }
}

fn commit(text: &str) -> Option<Taken> {
    let hex: String = text.trim_start().chars().take_while(char::is_ascii_hexdigit).take(64).collect();
    if hex.len() < MIN_HEX {
        return None;
    }
    let known = hex.get(..hex.len().min(16)).unwrap_or_default();
    let bits = u32::try_from(known.len()).ok()?.checked_mul(4)?;
    let id = u64::from_str_radix(known, 16).ok()?.checked_shl(64_u32.checked_sub(bits)?)?;
    Some(Taken::Commit { id, bits })
}

/// GitHub's button calls the branch of a revert `revert-12-branch`, and merges it as any other.
fn in_branch(commit: &Commit<'_>) -> Option<Taken> {
    let branch = match commit.subject.strip_prefix("Merge pull request #") {
        Some(rest) => rest.split_once(" from ")?.1.split_once('/')?.1,
        None => {
            let rest = commit.subject.strip_prefix("Auto merge of #")?;
            rest.split_once(" - ")?.1.split_once(':')?.1
        }
    };
    let (digits, _) = branch.strip_prefix("revert-")?.split_once('-')?;
    digits.parse().ok().filter(|_| commit.is_merge()).map(Taken::Request)
}

/// `Revert "subject"`, also behind a prefix, and `Revert #12`; `Reland`, and the revert of a revert, take nothing back.
fn in_subject(subject: &str) -> Option<Taken> {
    let number =
        subject.find("Revert #").filter(|at| *at < 32).and_then(|at| subject.get(at..)?.strip_prefix("Revert #"));
    if let Some(number) = number.and_then(number_of) {
        return Some(Taken::Request(number));
    }
    let at = subject.find("Revert \"").filter(|at| *at < 32)?;
    let quoted = subject.get(at.checked_add("Revert \"".len())?..)?;
    let inner = quoted.rsplit_once('"').map_or(quoted, |(inner, _)| inner);
    (!inner.is_empty()).then(|| Taken::Subject(shown(inner, MAX_SUBJECT_CHARS).into_boxed_str()))
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

impl Reverts {
    /// Matches what changes say that they take back with the changes that landed before. In any order of `changes`; a
    /// subject means the latest landed before the revert.
    pub fn find(changes: &[Audited]) -> Self {
        let mut by_id: BTreeMap<u64, usize> = BTreeMap::new();
        let mut by_subject: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_request: HashMap<u32, usize> = HashMap::new();
        for (at, change) in changes.iter().enumerate() {
            for id in &change.ids {
                by_id.entry(*id).or_insert(at);
            }
            by_subject.entry(&change.subject).or_default().push(at);
            if let Some(number) = request_number(&change.subject) {
                by_request.entry(number).or_insert(at);
            }
        }
        let mut found = Self::default();
        for (at, change) in changes.iter().enumerate() {
            for taken in &change.takes_back {
                let original = match taken {
                    Taken::Commit { id, bits } => {
                        let rest = u64::MAX.checked_shr(*bits).unwrap_or(0);
                        by_id.range(*id..=*id | rest).next().map(|(_, at)| *at)
                    }
                    Taken::Subject(subject) => by_subject.get(subject.as_ref()).and_then(|all| {
                        let earlier = all.iter().filter(|other| {
                            **other != at
                                && changes.get(**other).is_some_and(|other| other.landed_at <= change.landed_at)
                        });
                        earlier.max_by_key(|other| changes.get(**other).map(|other| other.landed_at)).copied()
                    }),
                    Taken::Request(number) => by_request.get(number).copied(),
                };
                found.add(original.filter(|original| *original != at), at, changes);
            }
        }
        found
    }

    /// The revert that first took a change back.
    pub fn of(&self, change: usize) -> Option<&Revert> {
        self.first.get(&change).and_then(|at| self.all.get(*at))
    }

    fn add(&mut self, original: Option<usize>, by: usize, changes: &[Audited]) {
        let Some(reverted) = original else {
            self.unfound = self.unfound.saturating_add(1);
            return;
        };
        let landed = |at: usize| changes.get(at).map_or(0, |change| change.landed_at);
        let revert = Revert { reverted, by, after_secs: landed(by).saturating_sub(landed(reverted)) };
        let earlier = self.of(reverted).map(|known| known.after_secs);
        if earlier.is_none_or(|known| revert.after_secs < known) {
            self.first.insert(reverted, self.all.len());
        }
        self.all.push(revert);
    }
}

/// The digits that a text begins with.
fn number_of(text: &str) -> Option<u32> {
    text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// The number of the pull request that a subject names: `Merge pull request #12 from …`, `Title (#12)`, and as other
/// forges and robots write it.
fn request_number(subject: &str) -> Option<u32> {
    const STARTS: &[&str] = &[
        "Merge pull request #",
        "Auto merge of #",
        "auto merge of #",
        "Rollup merge of #",
        "Merged PR ",
        "Merge #",
        "Pull request #",
    ];
    if let Some(rest) = STARTS.iter().find_map(|start| subject.strip_prefix(start)) {
        return number_of(rest);
    }
    // Bitcoin Core's script: `Merge bitcoin/bitcoin#12: Title`.
    let merged = subject.strip_prefix("Merge ").and_then(|rest| rest.split_once('#'));
    if let Some((_, rest)) = merged.filter(|(repository, _)| repository.contains('/') && !repository.contains(' ')) {
        return number_of(rest);
    }
    let (title, number) = subject.rsplit_once("#")?;
    let ends = [" (", " (pull request ", "Merge pull request '"]
        .iter()
        .any(|start| title.ends_with(start) || title.starts_with(start));
    ends.then(|| number_of(number)).flatten()
}
