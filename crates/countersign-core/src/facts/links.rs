//! Symbolic links: where what a change touches is found besides. A link that it touches leads somewhere, and links of the tree lead
//! to what it touches: `core/cfg -> ../docs/cfg` makes an edit of `docs/cfg` one of `core/cfg`.
//!
//! Only what git has in its trees is looked at. A link that leads out of the tree could lead anywhere, in again as well; so a change
//! that touches one touches whatever anybody asks about. One that was there before and leads out is not found here, nor is what a program
//! includes by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    PathStatus, TouchedPath,
    delta::{Entry, escape_path},
    git::GitRead,
};
use crate::ids::Oid;

/// Links of a tree. Of more nobody can tell where they lead.
pub const MAX_LINKS: usize = 20_000;
/// As long as a path that a system takes.
const MAX_LINK_BYTES: usize = 4_096;
/// Links on one way, as Linux follows them.
const MAX_HOPS: usize = 40;
/// Paths that a change reaches by links, at the most. Of more nobody keeps each.
const MAX_LED: usize = 2_000;

/// What a change reaches by links besides the paths of its delta.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Led {
    /// Sorted, none twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<LedPath>,
    /// That it could be more: a link leads out of the tree or in a circle, or there are too many.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedPath {
    /// As [`escape_path`] writes it.
    pub path: String,
    /// What becomes of the path for which it stands here.
    pub status: PathStatus,
    /// Whether a touched link leads there, and so to whatever lies below.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

impl Led {
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.unknown
    }

    fn unknown() -> Self {
        Self { paths: Vec::new(), unknown: true }
    }
}

/// What the difference of two commits reaches by the links of both.
pub fn led<G: GitRead>(git: &G, head: &Oid, touched: &[TouchedPath]) -> Result<Led, G::Error> {
    let Some(links) = git.links(head, MAX_LINKS)? else { return Ok(Led::unknown()) };
    let mut after: BTreeMap<String, Oid> = links.into_iter().map(|(path, id)| (escape_path(&path), id)).collect();
    let mut before = after.clone();
    for path in touched {
        before.remove(&path.path);
        if let Some(entry) = link(path.old.as_ref()) {
            before.insert(path.path.clone(), entry.id.clone());
        }
        // What a tree has twice was listed once.
        if let Some(entry) = link(path.new.as_ref()) {
            after.insert(path.path.clone(), entry.id.clone());
        }
    }
    if after.is_empty() && before.is_empty() {
        return Ok(Led::default());
    }
    let mut texts: BTreeMap<Oid, Option<String>> = BTreeMap::new();
    for id in after.values().chain(before.values()) {
        if !texts.contains_key(id) {
            let text = git.blob(id, MAX_LINK_BYTES)?.map(|bytes| escape_path(&bytes));
            texts.insert(id.clone(), text);
        }
    }
    let read = |of: &BTreeMap<String, Oid>| Links {
        texts: of.iter().map(|(path, id)| (path.clone(), texts.get(id).cloned().flatten())).collect(),
    };
    Ok(of(&read(&before), &read(&after), touched))
}

fn link(entry: Option<&Entry>) -> Option<&Entry> {
    entry.filter(|entry| entry.is_link())
}

/// The links of a tree, with what is in each; `None` where that is no path.
struct Links {
    texts: BTreeMap<String, Option<String>>,
}

/// Where a link leads.
struct Way {
    end: String,
    /// The links on the way.
    by: BTreeSet<String>,
}

impl Links {
    /// Follows a link through folders and other links. `None` where it leads out of the tree or in a circle.
    fn follow(&self, path: &str) -> Option<Way> {
        let mut by = BTreeSet::new();
        let mut done: Vec<String> = Vec::new();
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut hops = 0_usize;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop()?;
                    continue;
                }
                _ => done.push(part),
            }
            let at = done.join("/");
            let Some(text) = self.texts.get(&at) else { continue };
            let text = text.as_ref().filter(|text| !text.is_empty() && !text.starts_with('/'))?;
            hops = hops.saturating_add(1);
            if hops > MAX_HOPS {
                return None;
            }
            if at != path {
                by.insert(at);
            }
            done.pop();
            left.extend(text.split('/').rev().map(str::to_owned));
        }
        Some(Way { end: done.join("/"), by })
    }
}

fn of(before: &Links, after: &Links, touched: &[TouchedPath]) -> Led {
    // By each place, the links that lead there; and by each link, those that lead through it.
    let mut leading: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut by: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for links in [before, after] {
        for path in links.texts.keys() {
            let Some(way) = links.follow(path) else { continue };
            leading.entry(way.end).or_default().insert(path);
            for link in way.by {
                by.entry(link).or_default().insert(path);
            }
        }
    }
    let mut found: BTreeSet<LedPath> = BTreeSet::new();
    // With the links that were gone through, each once: one may lead to a folder that it is in.
    let mut open: Vec<(LedPath, Vec<&str>)> = Vec::new();
    for path in touched {
        let status = path.status();
        let itself = path.is_link().then_some(path.path.as_str());
        open.push((LedPath { path: path.path.clone(), status, below: false }, itself.into_iter().collect()));
        for (entry, links) in [(&path.old, before), (&path.new, after)] {
            if link(entry.as_ref()).is_none() {
                continue;
            }
            match links.follow(&path.path) {
                Some(way) if !way.end.is_empty() => {
                    let there = LedPath { path: way.end, status, below: true };
                    found.insert(there.clone());
                    open.push((there, vec![&path.path]));
                }
                // To all of the tree, out of it, or in a circle. What did is there no more.
                Some(_) | None if entry == &path.new => return Led::unknown(),
                Some(_) | None => {}
            }
        }
    }
    while let Some((path, through)) = open.pop() {
        // The path itself, and each folder above it.
        let ends = path.path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| at).chain([path.path.len()]);
        for (place, rest) in ends.filter_map(|at| path.path.split_at_checked(at)).chain([("", "")]) {
            // A link to the top has all of the tree below it.
            let rest = if place.is_empty() { format!("/{}", path.path) } else { rest.to_owned() };
            // Nothing lies below a link itself.
            let turned = by.get(place).filter(|_| rest.is_empty());
            let links = leading.get(place).into_iter().chain(turned).flatten();
            for link in links.filter(|link| !through.contains(link)) {
                let by = LedPath { path: format!("{link}{rest}"), ..path.clone() };
                if found.insert(by.clone()) {
                    open.push((by, through.iter().copied().chain([*link]).collect()));
                }
            }
        }
        if found.len() > MAX_LED {
            return Led::unknown();
        }
    }
    Led { paths: found.into_iter().collect(), unknown: false }
}
