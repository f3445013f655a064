//! Reverts: what a change takes back, and what was taken back by whom and after how long.

use std::collections::{BTreeMap, HashMap};

use countersign_core::ids::Oid;

use super::{
    conventions::{Commit, Context},
    judge::Audited,
    text::shown,
    timeline::timeline,
};

/// Most reverts that one change is read to make.
const MAX_TAKEN: usize = 64;
/// Shortest abbreviated id that is followed.
const MIN_HEX: usize = 7;
const MAX_SUBJECT_CHARS: usize = 120;

/// What a message says that it takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `This reverts commit 1a2b3c4…`: the first bits of the id, and how many of them are known. Where the id names
    /// nothing here, the subject that the title quotes may: histories are rewritten, and fixes are picked from branches.
    Commit { id: u64, bits: u32, subject: Option<Box<str>> },
    /// `Revert "subject"`.
    Subject(Box<str>),
    /// `Reverts owner/repository#12`, `Reverts #12`, with the quoted subject as above.
    Request { number: u32, subject: Option<Box<str>> },
}

/// One change taken back by a later one; both are positions in the list that was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revert {
    pub reverted: usize,
    pub by: usize,
    /// From landing to landing, never less than nothing: see [`timeline`].
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
        let mut marks: Vec<Taken> = commit.lines.iter().flat_map(|line| in_line(line.text)).collect();
        // An id or a number is surer than the subject.
        let quoted = in_subject(commit.subject);
        match marks.as_mut_slice() {
            [] => found.extend(in_branch(commit).or_else(|| in_title(commit.subject)).or(quoted.map(Taken::Subject))),
            [Taken::Commit { subject, .. } | Taken::Request { subject, .. }] => *subject = quoted,
            // A title quotes one subject, and which of them that is it does not say.
            [..] => {}
        }
        found.append(&mut marks);
        found.truncate(MAX_TAKEN);
    }
    found.dedup();
    found
}

fn in_line(text: &str) -> Vec<Taken> {
    let lower = text.get(..text.len().min(64)).unwrap_or(text);
    const STARTS: &[&str] =
        &["this reverts commit ", "this reverts commits ", "this partially reverts commit ", "revert commit "];
    if let Some(rest) = STARTS.iter().find_map(|start| strip(text, start)) {
        return commits(rest);
    }
    let Some(rest) = strip(lower, "reverts:").or_else(|| strip(lower, "reverts ")) else { return Vec::new() };
    let rest = rest.trim_start();
    match rest.split_once('#') {
        Some((repository, number)) if !repository.contains(char::is_whitespace) => {
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().map(|number| Taken::Request { number, subject: None }).into_iter().collect()
        }
        Some(_) | None => commit(rest.trim_start_matches("commit ")).into_iter().collect(),
    }
}

/// `A`, `A and B.`, `A, B and C`. After the first one only what cannot be a word is an id.
fn commits(text: &str) -> Vec<Taken> {
    let Some(first) = commit(text) else { return Vec::new() };
    let mut words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty() && !matches!(*word, "and" | "&"));
    let listed = words.by_ref().skip(1).map(|word| word.trim_end_matches(['.', ';'])).take_while(|word| {
        (MIN_HEX..=64).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            && word.bytes().any(|byte| byte.is_ascii_digit())
    });
    std::iter::once(first).chain(listed.filter_map(commit)).take(MAX_TAKEN).collect()
}

fn commit(text: &str) -> Option<Taken> {
    let hex: String = text.trim_start().chars().take_while(char::is_ascii_hexdigit).take(64).collect();
    if hex.len() < MIN_HEX {
        return None;
    }
    let known = hex.get(..hex.len().min(16)).unwrap_or_default();
    let bits = u32::try_from(known.len()).ok()?.checked_mul(4)?;
    let id = u64::from_str_radix(known, 16).ok()?.checked_shl(64_u32.checked_sub(bits)?)?;
    Some(Taken::Commit { id, bits, subject: None })
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
    let number = digits.parse().ok().filter(|_| commit.is_merge())?;
    Some(Taken::Request { number, subject: None })
}

/// `Revert #12`, also behind a prefix.
fn in_title(subject: &str) -> Option<Taken> {
    let at = subject.find("Revert #").filter(|at| *at < 32)?;
    let number = subject.get(at..)?.strip_prefix("Revert #").and_then(number_of)?;
    Some(Taken::Request { number, subject: None })
}

/// `Revert "subject"`, also behind a prefix, and `revert: subject`. A revert of a revert takes back that revert; `Reland` takes nothing back.
fn in_subject(subject: &str) -> Option<Box<str>> {
    let fit = |inner: &str| (!inner.is_empty()).then(|| shown(inner, MAX_SUBJECT_CHARS).into_boxed_str());
    if let Some(inner) = strip(subject, "revert: ") {
        return fit(inner.trim());
    }
    let at = subject.find("Revert \"").filter(|at| *at < 32)?;
    let quoted = subject.get(at.checked_add("Revert \"".len())?..)?;
    let inner = quoted.rsplit_once('"').map_or(quoted, |(inner, _)| inner);
    fit(inner)
}

/// A subject without the number of the request that it was squashed from: that of a revert is another one.
fn without_request(subject: &str) -> &str {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match subject.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (#")) {
        Some((subject, digits)) if number(digits) => subject,
        Some(_) | None => subject,
    }
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

impl Reverts {
    /// Matches what changes say that they take back with the changes that landed before, for changes in the order in
    /// which they landed. A subject means the latest of that subject. What counts is the order, not the clocks.
    pub fn find(changes: &[Audited]) -> Self {
        let mut by_id: BTreeMap<u64, usize> = BTreeMap::new();
        let mut by_subject: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_request: HashMap<u32, usize> = HashMap::new();
        for (at, change) in changes.iter().enumerate() {
            for id in &change.ids {
                by_id.entry(*id).or_insert(at);
            }
            by_subject.entry(&change.subject).or_default().push(at);
            let plain = without_request(&change.subject);
            if *plain != *change.subject {
                by_subject.entry(plain).or_default().push(at);
            }
            if let Some(number) = request_number(&change.subject) {
                by_request.entry(number).or_insert(at);
            }
        }
        let times = timeline(changes);
        let mut found = Self::default();
        for (at, change) in changes.iter().enumerate() {
            for taken in &change.takes_back {
                let latest = |subject: &str| {
                    let all = by_subject.get(subject).or_else(|| by_subject.get(without_request(subject)))?;
                    let earlier = all.partition_point(|other| *other < at);
                    earlier.checked_sub(1).and_then(|last| all.get(last)).copied()
                };
                let quoted = |subject: &Option<Box<str>>| subject.as_deref().and_then(latest);
                let original = match taken {
                    Taken::Commit { id, bits, subject } => {
                        let rest = u64::MAX.checked_shr(*bits).unwrap_or(0);
                        by_id.range(*id..=*id | rest).next().map(|(_, at)| *at).or_else(|| quoted(subject))
                    }
                    Taken::Subject(subject) => latest(subject),
                    Taken::Request { number, subject } => by_request.get(number).copied().or_else(|| quoted(subject)),
                };
                match original {
                    Some(original) if original < at => found.add(original, at, &times),
                    // A branch that takes back what it brings itself: neither ever landed without the other.
                    Some(original) if original == at => {}
                    Some(_) | None => found.unfound = found.unfound.saturating_add(1),
                }
            }
        }
        found
    }

    /// The revert that first took a change back.
    pub fn of(&self, change: usize) -> Option<&Revert> {
        self.first.get(&change).and_then(|at| self.all.get(*at))
    }

    fn add(&mut self, reverted: usize, by: usize, times: &[i64]) {
        let landed = |at: usize| times.get(at).copied().unwrap_or_default();
        self.first.entry(reverted).or_insert(self.all.len());
        self.all.push(Revert { reverted, by, after_secs: landed(by).saturating_sub(landed(reverted)) });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CommitRecord, LandedChange, People, Scope, judge, timeline::DAY_SECS};
    use countersign_core::facts::git::Ident;

    fn record(id: &str, message: &str, at: i64) -> CommitRecord {
        let ada = Ident { name: "Ada".to_owned(), mail: "ada@shop.test".to_owned() };
        // Short ids are the beginning of long ones.
        let id = format!("{id:0<40}").parse().unwrap_or_else(|error| unreachable!("{error}"));
        CommitRecord {
            id,
            parents: Vec::new(),
            author: ada.clone(),
            authored_at: at,
            committer: ada,
            committed_at: at,
            message: message.as_bytes().to_vec(),
        }
    }

    fn judged(mut commit: CommitRecord, brought: Vec<CommitRecord>) -> Audited {
        commit.parents = brought.iter().map(|record| record.id.clone()).collect();
        let change = LandedChange { commit, brought, paths: Vec::new(), notes: Vec::new() };
        judge(&change, &mut People::default(), &mut Scope::default())
    }

    /// Changes a day apart: id and message.
    fn chain(changes: &[(&str, &str)]) -> Vec<Audited> {
        let days = (0..).map(|day: i64| day * DAY_SECS);
        changes.iter().zip(days).map(|((id, message), at)| judged(record(id, message, at), Vec::new())).collect()
    }

    /// `by>reverted+days`, then how many were not found.
    fn told(changes: &[Audited]) -> String {
        let found = Reverts::find(changes);
        let one = |revert: &Revert| format!("{}>{}+{}", revert.by, revert.reverted, revert.after_secs / DAY_SECS);
        let all: Vec<String> = found.all.iter().map(one).collect();
        format!("{} unfound {}", all.join(" "), found.unfound).trim().to_owned()
    }

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn what_says_that_it_takes_something_back() {
        let table = [
            (format!("x\n\nThis reverts commit {A}."), "1>0+1 unfound 0"),
            ("x\n\nThis reverts commit aaaaaaa, which broke it.".to_owned(), "1>0+1 unfound 0"),
            ("x\n\nthis reverts commits aaaaaaaaaaaa".to_owned(), "1>0+1 unfound 0"),
            (format!("x\n\nReverts: {A}"), "1>0+1 unfound 0"),
            (format!("x\n\nReverts commit {A}"), "1>0+1 unfound 0"),
            ("x\n\nReverts org/shop#12".to_owned(), "1>0+1 unfound 0"),
            ("x\n\nReverts #12".to_owned(), "1>0+1 unfound 0"),
            ("Revert \"prices (#12)\"".to_owned(), "1>0+1 unfound 0"),
            ("[shop] Revert \"prices (#12)\" (#13)".to_owned(), "1>0+1 unfound 0"),
            // Too short an id, another one, another number, another subject.
            ("x\n\nThis reverts commit aaaaaa".to_owned(), "unfound 0"),
            ("x\n\nThis reverts commit bbbbbbb".to_owned(), "unfound 1"),
            ("x\n\nReverts org/shop#14".to_owned(), "unfound 1"),
            ("Revert \"costs\"".to_owned(), "unfound 1"),
            // Talk about reverts.
            ("x\n\nIf it fails, revert this. Reverts are cheap.".to_owned(), "unfound 0"),
            ("Reland \"prices (#12)\"".to_owned(), "unfound 0"),
            ("Revert \"\"".to_owned(), "unfound 0"),
        ];
        for (message, expected) in table {
            assert_eq!(told(&chain(&[(A, "prices (#12)"), ("b1", &message)])), expected, "{message}");
        }
    }

    #[test]
    fn one_line_may_take_back_several() {
        let said = |ids: &str| {
            let revert = format!("x\n\nThis reverts commits {ids}");
            told(&chain(&[("a1", "prices"), ("b2", "costs"), ("c3", "taxes"), ("d1", &revert)]))
        };
        assert_eq!(said("a100000000 and b200000000."), "3>0+3 3>1+2 unfound 0");
        assert_eq!(said("a100000000, b200000000 and c300000000"), "3>0+3 3>1+2 3>2+1 unfound 0");
        assert_eq!(said("a100000000, defaced by b200000000"), "3>0+3 unfound 0");
    }

    #[test]
    fn an_id_is_surer_than_a_subject() {
        let revert = format!("Revert \"prices\"\n\nThis reverts commit {A}.");
        assert_eq!(told(&chain(&[(A, "prices"), ("b1", "prices"), ("c1", &revert)])), "2>0+2 unfound 0");
    }

    #[test]
    fn a_subject_helps_where_the_id_names_nothing() {
        let rewritten = "Revert \"prices\"\n\nThis reverts commit b200000000.";
        assert_eq!(told(&chain(&[(A, "prices"), ("c1", rewritten)])), "1>0+1 unfound 0");
        let request = "Revert \"prices (#12)\" (#14)\n\nReverts org/other#7";
        assert_eq!(told(&chain(&[(A, "prices (#12)"), ("c1", request)])), "1>0+1 unfound 0");
        // The title says what one of them was called, and not which.
        let two = "Revert \"prices\"\n\nThis reverts commit b200000000.\nThis reverts commit b300000000.";
        assert_eq!(told(&chain(&[(A, "prices"), ("c1", two)])), "unfound 2");
    }

    #[test]
    fn a_subject_is_the_latest_before_and_never_one_after() {
        let changes = [("a1", "prices"), ("b1", "prices"), ("c1", "Revert \"prices\""), ("d1", "prices")];
        assert_eq!(told(&chain(&changes)), "2>1+1 unfound 0");
        assert_eq!(told(&chain(&[("c1", "Revert \"prices\""), ("d1", "prices")])), "unfound 1");
        // A change that is called a revert of itself.
        assert_eq!(told(&chain(&[("c1", "Revert \"Revert \"")])), "unfound 1");
    }

    #[test]
    fn a_commit_inside_a_merged_branch_stands_for_the_merge() {
        let merge = judged(record("a1", "Merge", 0), vec![record("b2", "prices", 0), record("c3", "costs", 0)]);
        let revert = judged(record("d1", "x\n\nThis reverts commit c300000000.", DAY_SECS), Vec::new());
        assert_eq!(told(&[merge.clone(), revert]), "1>0+1 unfound 0");
        // And so does a revert inside one.
        let branch = record("e1", "x\n\nThis reverts commit b200000000.", DAY_SECS);
        assert_eq!(told(&[merge, judged(record("f1", "Merge", DAY_SECS), vec![branch])]), "1>0+1 unfound 0");
    }

    #[test]
    fn a_branch_that_takes_back_what_it_brings_reverts_nothing() {
        let branch = vec![record("a2", "prices", 0), record("a3", "x\n\nThis reverts commit a200000000.", 0)];
        assert_eq!(told(&[judged(record("a1", "Merge", 0), branch)]), "unfound 0");
    }

    #[test]
    fn a_revert_of_a_revert_takes_back_the_revert() {
        let changes = [("a1", "prices"), ("b1", "Revert \"prices\""), ("c1", "Revert \"Revert \"prices\"\"")];
        assert_eq!(told(&chain(&changes)), "1>0+1 2>1+1 unfound 0");
    }

    #[test]
    fn of_several_reverts_the_first_counts() {
        let revert = "x\n\nThis reverts commit a100000000.";
        let changes = chain(&[("a1", "prices"), ("b1", revert), ("c1", revert)]);
        assert_eq!(told(&changes), "1>0+1 2>0+2 unfound 0");
        let first = Reverts::find(&changes).of(0).copied();
        assert_eq!(first, Some(Revert { reverted: 0, by: 1, after_secs: DAY_SECS }));
        assert_eq!(Reverts::find(&changes).of(1), None);
    }

    #[test]
    fn clocks_that_run_backwards_change_nothing() {
        let at = |day: i64| day * DAY_SECS;
        let revert = "Revert \"prices\"";
        // The revert says that it was made three days before what it takes back.
        let changes = [("a1", "begin", 1), ("b1", "prices", 5), ("c1", revert, 2), ("d1", "more", 6), ("e1", "end", 7)];
        let changes: Vec<Audited> =
            changes.iter().map(|(id, message, day)| judged(record(id, message, at(*day)), Vec::new())).collect();
        let found = Reverts::find(&changes);
        assert_eq!(found.of(1).map(|revert| (revert.by, revert.after_secs >= 0)), Some((2, true)));
        assert_eq!(found.unfound, 0);
    }

    #[test]
    fn what_is_out_of_the_range_is_not_found() {
        let whole = chain(&[("a1", "prices"), ("b1", "x\n\nThis reverts commit a100000000.")]);
        assert_eq!(told(&whole), "1>0+1 unfound 0");
        assert_eq!(told(whole.get(1..).unwrap_or_default()), "unfound 1");
    }
}
