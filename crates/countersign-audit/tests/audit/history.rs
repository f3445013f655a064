//! Reads the content-free histories: commits as lines of JSON, from which landed changes are rebuilt as git has them.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use countersign_audit::{Audited, CommitRecord, LandedChange, Mailmap, Note, People, Scope, Summary, judge};
use countersign_core::{
    facts::{PathChange, PathStatus, git::Ident},
    ids::Oid,
};
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Line {
    sha: String,
    parents: Vec<String>,
    author: String,
    committer: String,
    at: (i64, String),
    ct: (i64, String),
    subject: String,
    #[serde(default)]
    trailers: Vec<(String, String)>,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    review: Vec<(String, String)>,
    paths: Vec<(String, String)>,
}

pub struct History {
    lines: Vec<Line>,
}

/// Where the whole histories are, if they stand beside the checkout.
pub fn whole(name: &str) -> Option<History> {
    let shared = std::env::var_os("COUNTERSIGN_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared"));
    let path = shared
        .into_iter()
        .chain(beside)
        .map(|dir| dir.join("data/histories").join(format!("{name}.jsonl.gz")))
        .find(|path| path.is_file());
    match path {
        Some(path) => Some(History::read(&path)),
        None => {
            eprintln!(
                "skipped: no shared/data/histories/{name}.jsonl.gz beside the checkout (or under COUNTERSIGN_SHARED)"
            );
            None
        }
    }
}

/// A slice that is kept in this repository.
pub fn slice(name: &str) -> History {
    History::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/histories").join(format!("{name}.jsonl.gz")))
}

impl History {
    fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = BufReader::new(GzDecoder::new(file)).lines();
        Self { lines: lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect() }
    }

    /// Every commit that has votes, as a change of its own.
    pub fn noted(&self) -> Vec<LandedChange> {
        self.lines.iter().filter(|line| !line.review.is_empty()).map(|line| change(line, &[])).collect()
    }

    /// The first-parent commits of the tip, oldest first, each with what it first brings in.
    pub fn landed(&self) -> Vec<LandedChange> {
        let by_sha: HashMap<&str, &Line> = self.lines.iter().map(|line| (line.sha.as_str(), line)).collect();
        let parents: HashSet<&str> = self.lines.iter().flat_map(|line| &line.parents).map(String::as_str).collect();
        let tip = self.lines.iter().rev().find(|line| !parents.contains(line.sha.as_str())).unwrap();
        let mut mainline = Vec::new();
        let mut at = Some(tip);
        while let Some(line) = at {
            mainline.push(line);
            at = line.parents.first().and_then(|parent| by_sha.get(parent.as_str()).copied());
        }
        mainline.reverse();
        let mut seen: HashSet<&str> = mainline.iter().map(|line| line.sha.as_str()).collect();
        let mut changes = Vec::new();
        for line in mainline {
            let mut brought = Vec::new();
            let mut stack: Vec<&str> = line.parents.iter().skip(1).map(String::as_str).collect();
            while let Some(sha) = stack.pop() {
                let Some(commit) = by_sha.get(sha) else { continue };
                if seen.insert(&commit.sha) {
                    brought.push(*commit);
                    stack.extend(commit.parents.iter().map(String::as_str));
                }
            }
            changes.push(change(line, &brought));
        }
        changes
    }
}

/// Judges changes as the program does.
pub fn audit(changes: &[LandedChange]) -> (Vec<Audited>, People, Summary) {
    let mut people = People::new(Mailmap::default());
    let mut scope = Scope::default();
    let mut audited: Vec<Audited> = changes.iter().map(|change| judge(change, &mut people, &mut scope)).collect();
    people.settle();
    let mut summary = Summary::default();
    for change in &mut audited {
        change.settle(&people);
        summary.add(change, &people);
    }
    (audited, people, summary)
}

fn change(line: &Line, brought: &[&Line]) -> LandedChange {
    let notes = std::iter::once(line).chain(brought.iter().copied()).filter(|line| !line.review.is_empty());
    LandedChange {
        commit: record(line),
        brought: brought.iter().map(|line| record(line)).collect(),
        paths: line.paths.iter().map(path).collect(),
        notes: notes.map(note).collect(),
    }
}

fn note(line: &Line) -> Note {
    let body: String = line.review.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    Note { reference: "refs/notes/review".to_owned(), on: oid(&line.sha), body: body.into_bytes() }
}

fn record(line: &Line) -> CommitRecord {
    CommitRecord {
        id: oid(&line.sha),
        parents: line.parents.iter().map(|parent| oid(parent)).collect(),
        author: ident(&line.author),
        authored_at: line.at.0,
        committer: ident(&line.committer),
        committed_at: line.ct.0,
        message: message(line).into_bytes(),
    }
}

/// As `shared/data/to_git.py` writes it: subject, evidence, trailers; where git saw no trailers, a plain last line.
fn message(line: &Line) -> String {
    let mut parts = vec![line.subject.clone()];
    if !line.evidence.is_empty() {
        parts.push(line.evidence.join("\n"));
    }
    if !line.trailers.is_empty() {
        parts.push(line.trailers.iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join("\n"));
    } else if !line.evidence.is_empty() {
        parts.push("[body elided]".to_owned());
    }
    parts.join("\n\n") + "\n"
}

fn ident(text: &str) -> Ident {
    let (name, mail) = text.rsplit_once('<').unwrap_or((text, ""));
    Ident { name: name.trim().to_owned(), mail: mail.trim_end_matches('>').trim().to_owned() }
}

fn path(path: &(String, String)) -> PathChange {
    let status = match path.0.as_str() {
        "A" => PathStatus::Added,
        "D" => PathStatus::Deleted,
        "T" => PathStatus::TypeChanged,
        _ => PathStatus::Modified,
    };
    PathChange { path: path.1.clone(), status }
}

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}
