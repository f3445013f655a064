//! What becomes of the paths of a git range, in words. What is signed has modes: a file that can be run, a link, and a
//! mode that changes are told to whoever signs, however many paths there are.

use std::collections::BTreeMap;

use countersign_core::{
    facts::{Entry, GitFacts, PathStatus, TouchedPath},
    ids::Oid,
};

use super::{
    error::CliError,
    output::{self, printable},
};
use crate::git::{LINK, Repository, SUBMODULE};

const SHOWN: usize = 15;
const PLAIN: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
/// Longer than a path can be that a link leads to.
const MAX_LINK_BYTES: usize = 8 * 1_024;

/// Where symbolic links lead, by the object that says so.
pub type Links = BTreeMap<Oid, String>;

/// Reads the links of a range. One that is not here is not told.
pub fn links(git: &Repository, facts: &GitFacts) -> Result<Links, CliError> {
    let entries = facts.paths.iter().filter_map(|touched| touched.new.as_ref());
    let mut links = Links::new();
    for entry in entries.filter(|entry| entry.mode == LINK).take(SHOWN) {
        if let Some(target) = git.blob(&entry.id, MAX_LINK_BYTES)? {
            links.insert(entry.id.clone(), printable(&String::from_utf8_lossy(&target)));
        }
    }
    Ok(links)
}

/// A line for each path, and for more than a screen has: how many, and how many of those are no plain files.
pub fn lines(facts: &GitFacts, links: &Links) -> Vec<String> {
    let mut lines = vec![format!(
        "{}, {}:",
        output::count(facts.commits as usize, "commit"),
        output::count(facts.paths.len(), "path")
    )];
    lines.extend(facts.paths.iter().take(SHOWN).map(|touched| match remark(touched, links) {
        Some(remark) => format!("  {} {} ({remark})", words(touched.status()), touched.path),
        None => format!("  {} {}", words(touched.status()), touched.path),
    }));
    let more = facts.paths.get(SHOWN..).unwrap_or_default();
    if !more.is_empty() {
        let odd = more.iter().filter(|touched| remark(touched, links).is_some()).count();
        let odd = match odd {
            0 => String::new(),
            odd => format!(
                ", {odd} of them executable, links, or of another mode: git diff --summary {} {}",
                facts.base, facts.head
            ),
        };
        lines.push(format!("  … and {} more{odd}", more.len()));
    }
    // What is in a submodule is none of the paths: whoever signs sees which commit of it comes.
    lines.extend(facts.paths.iter().filter_map(submodule));
    lines
}

fn words(status: PathStatus) -> &'static str {
    match status {
        PathStatus::Added => "added",
        PathStatus::Deleted => "deleted",
        PathStatus::Modified => "changed",
        PathStatus::TypeChanged => "another kind of file",
    }
}

/// What a path is, where it is not a plain file before and after.
fn remark(touched: &TouchedPath, links: &Links) -> Option<String> {
    match (&touched.old, &touched.new) {
        (Some(old), Some(new)) if old.mode != new.mode => {
            let content = if old.id == new.id { ", content as before" } else { "" };
            let now = kind(new, links).unwrap_or_else(|| "plain file".to_owned());
            Some(format!("mode {:06o} -> {:06o}{content}: {now}", old.mode, new.mode))
        }
        (_, Some(entry)) | (Some(entry), None) => kind(entry, links),
        (None, None) => None,
    }
}

fn kind(entry: &Entry, links: &Links) -> Option<String> {
    match entry.mode {
        PLAIN => None,
        EXECUTABLE => Some("executable".to_owned()),
        LINK => Some(match links.get(&entry.id) {
            Some(target) => format!("symbolic link to {target}"),
            None => "symbolic link".to_owned(),
        }),
        SUBMODULE => Some("submodule".to_owned()),
        other => Some(format!("mode {other:06o}")),
    }
}

/// What becomes of a submodule.
pub fn submodule(touched: &TouchedPath) -> Option<String> {
    let commit = |side: &Option<Entry>| match side {
        Some(entry) if entry.mode == SUBMODULE => Some(entry.id.to_string()),
        Some(_) | None => None,
    };
    let (old, new) = (commit(&touched.old), commit(&touched.new));
    if old.is_none() && new.is_none() {
        return None;
    }
    let or_none = |commit: Option<String>| commit.unwrap_or_else(|| "none".to_owned());
    Some(format!("submodule {}: {} -> {}", touched.path, or_none(old), or_none(new)))
}
