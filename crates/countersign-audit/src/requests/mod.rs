//! What a forge knows of its requests, as people export it without us: who opened one, who approved it, who merged it. The
//! reviews of squashed and rebased changes are nowhere else.
//!
//! A forge is one file here with what its objects look like; which one an object is of is told by its fields.

mod azure;
mod bitbucket;
mod gerrit;
mod github;
mod gitlab;
mod pages;

use std::collections::BTreeMap;

use countersign_core::{facts::git::Ident, ids::Oid};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

pub use pages::Cut;
use pages::{Pages, Said};

/// Shortest prefix of a commit's id that a forge gives instead of the id: Bitbucket's, in digits.
const SHORT: usize = 12;

/// A pull request, merge request or change that was merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// As people there call it: `GitHub #12`.
    pub name: String,
    pub author: Option<Ident>,
    /// Whoever else had a hand in it, as far as the forge says.
    pub contributors: Vec<Ident>,
    /// Approvals that stood when it was merged.
    pub approvals: Vec<Approval>,
    pub merged_by: Option<Ident>,
    /// Ids of the commits by which it landed, or beginnings of them.
    pub commits: Vec<String>,
    /// Whether those approvals are signatures in a log that was verified, and no forge's word.
    pub signed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub by: Ident,
    /// In seconds since the Unix epoch.
    pub at: Option<i64>,
    /// What it is, where it is no approval of this very change.
    pub how: Option<String>,
}

/// Requests by the commits through which they landed.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    all: Vec<Request>,
    by_commit: BTreeMap<String, usize>,
    pages: Pages,
}

/// Why a file is no export of requests.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RequestsError {
    #[error("{0}")]
    NotJson(String),
    #[error("it has no merged request")]
    Empty,
    /// `nth` is from 1.
    #[error("record {nth} is of no forge that is known here; it has {fields}")]
    Unknown { nth: usize, fields: String },
    #[error("record {nth}, {name}, does not say who approved: it lacks {lacks}")]
    Incomplete { nth: usize, name: String, lacks: &'static str },
    #[error("record {nth} looks like one of {forge}, but {why}")]
    Malformed { nth: usize, forge: &'static str, why: String },
}

/// How requests are exported from each forge: for `--reviews-help`.
pub const EXPORTS: &[(&str, &str)] = &[
    (github::FORGE, github::EXPORT),
    (gitlab::FORGE, gitlab::EXPORT),
    (gerrit::FORGE, gerrit::EXPORT),
    (azure::FORGE, azure::EXPORT),
    (bitbucket::FORGE, bitbucket::EXPORT),
];

impl Requests {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Takes what one file has: a list, an object of a list, or one object a line.
    pub fn add(&mut self, text: &str) -> Result<(), RequestsError> {
        let text = text.trim_start_matches('\u{feff}');
        let (mut records, mut said) = (Vec::new(), Said::default());
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            flatten(value.map_err(|error| RequestsError::NotJson(error.to_string()))?, &mut records, &mut said);
        }
        let mut found = Vec::new();
        for (nth, record) in (1..).zip(&records) {
            found.extend(read(nth, record)?);
        }
        if found.is_empty() {
            return Err(RequestsError::Empty);
        }
        records.iter().for_each(|record| said.record(record));
        if let Some((forge, _)) = records.iter().find_map(forge_of) {
            self.pages.add(forge, records.iter().filter_map(forge_of).count(), said);
        }
        github::know_logins(&records, &mut found);
        found.into_iter().for_each(|request| self.put(request));
        Ok(())
    }

    /// Takes what a verified log has of changes that landed. It is asked before any forge.
    pub fn add_signed(&mut self, changes: impl IntoIterator<Item = Request>) {
        changes.into_iter().for_each(|change| self.put(Request { signed: true, ..change }));
    }

    fn put(&mut self, request: Request) {
        let names: Vec<String> = request.commits.iter().map(|commit| commit.to_ascii_lowercase()).collect();
        let known = |name: &String| self.by_commit.get(name).and_then(|at| self.all.get(*at));
        // The same file, or a page, may be given twice.
        if names.iter().any(|name| known(name) == Some(&request)) {
            return;
        }
        // What people signed counts for more than what a forge says of the same commit.
        let counts = |name: &String| request.signed || !known(name).is_some_and(|other| other.signed);
        let names: Vec<String> = names.iter().filter(|name| counts(name)).cloned().collect();
        let at = self.all.len();
        self.by_commit.extend(names.into_iter().map(|name| (name, at)));
        self.all.push(request);
    }

    /// How many of them are signed, and how many a forge told.
    pub fn counts(&self) -> (usize, usize) {
        let signed = self.all.iter().filter(|request| request.signed).count();
        (signed, self.all.len().saturating_sub(signed))
    }

    /// What shows that an export is not all there is.
    pub fn cuts(&self) -> Vec<Cut> {
        self.pages.cuts()
    }

    /// The request that landed as this commit.
    pub fn of(&self, commit: &Oid) -> Option<&Request> {
        let id = commit.as_str();
        let found = self.by_commit.get(id).or_else(|| self.by_commit.get(id.get(..SHORT)?));
        found.and_then(|at| self.all.get(*at))
    }
}

/// Objects out of lists, and out of the pages in which APIs wrap lists.
fn flatten(value: Value, records: &mut Vec<Map<String, Value>>, said: &mut Said) {
    match value {
        Value::Array(all) => all.into_iter().for_each(|one| flatten(one, records, said)),
        Value::Object(mut object) => {
            let list = ["values", "value", "nodes"]
                .into_iter()
                .find(|name| matches!(object.get(*name), Some(Value::Array(_))));
            let inner = ["data", "project", "repository", "mergeRequests"]
                .into_iter()
                .find(|name| object.len() == 1 && matches!(object.get(*name), Some(Value::Object(_))));
            if list.is_some() {
                said.list(&object);
            }
            match list.or(inner).and_then(|name| object.remove(name)) {
                Some(inside) => flatten(inside, records, said),
                None => records.push(object),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads a record as one forge writes it.
type Read = fn(usize, &Map<String, Value>) -> Result<Option<Request>, RequestsError>;

/// Of which forge a record is; `None` for one that is of none, or only counts the others.
fn forge_of(record: &Map<String, Value>) -> Option<(&'static str, Read)> {
    let has = |name: &str| record.contains_key(name);
    if has("pullRequestId") {
        return Some((azure::FORGE, azure::read));
    }
    if has("iid") {
        return Some((gitlab::FORGE, gitlab::read));
    }
    if has("currentPatchSet")
        || has("patchSets")
        || (has("owner") && has("change_id"))
        || (has("owner") && has("project"))
    {
        return Some((gerrit::FORGE, gerrit::read));
    }
    if has("participants") || (has("reviewers") && has("fromRef")) {
        return Some((bitbucket::FORGE, bitbucket::read));
    }
    if has("mergeCommit") || has("mergedBy") || has("merge_commit_sha") {
        return Some((github::FORGE, github::read));
    }
    None
}

/// `None` for what was not merged, and for what only counts the others.
fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    if record.get("type").is_some_and(|kind| kind == "stats") {
        return Ok(None);
    }
    if let Some((_, read)) = forge_of(record) {
        return read(nth, record);
    }
    let fields: Vec<&str> = record.keys().take(6).map(String::as_str).collect();
    let fields = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
    Err(RequestsError::Unknown { nth, fields })
}

/// A record as a forge has it.
fn as_of<T: DeserializeOwned>(
    nth: usize,
    forge: &'static str,
    record: &Map<String, Value>,
) -> Result<T, RequestsError> {
    serde_json::from_value(Value::Object(record.clone())).map_err(|error| RequestsError::Malformed {
        nth,
        forge,
        why: error.to_string(),
    })
}

/// Somebody of whom a forge tells a name and a mail, either of which it may keep to itself.
fn somebody(name: Option<&str>, mail: Option<&str>) -> Option<Ident> {
    let said = |text: Option<&str>| text.map(str::trim).unwrap_or_default().to_owned();
    let who = Ident { name: said(name), mail: said(mail) };
    (!who.name.is_empty() || !who.mail.is_empty()).then_some(who)
}

/// `2026-03-01T12:00:00Z` and the like, in seconds since the Unix epoch.
fn moment(text: Option<&str>) -> Option<i64> {
    Some(text?.parse::<jiff::Timestamp>().ok()?.as_second())
}
