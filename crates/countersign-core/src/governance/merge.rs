//! Three states of the governance files put together, entity by entity: what somebody's edits began from, what is in force, and
//! what they edited. A file of people is the people in it; every other file is one entity.
//!
//! Invariant: what only others changed comes out as it is in force, what only the edits changed comes out as edited, and what
//! both changed is said, never decided here. So edits take nothing back that somebody else published.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Digest;
use serde_json::{Map, Value};

use super::{Blobs, SERVER_KEYS, fetch};
use crate::{
    canonical,
    catalog::files::{JSON, NO_GROUP, PEOPLE, PROFILES, is_profiles},
    ids::{ActorId, Nonce},
    refusal::Refusal,
};

/// What governance files say, by what they say it of: `people/ada`, `profiles/ada` (names and mails), else a file's path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entities {
    said: BTreeMap<String, Value>,
    /// Whether names and mails were erased of whom nothing is said.
    erased: bool,
}

/// What comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub entities: Entities,
    /// What others changed, and the edits did not.
    pub taken: BTreeSet<String>,
    /// What was changed on both sides, and not in the same way: as it is in force.
    pub both: BTreeSet<String>,
    /// Names and mails that were erased since the edits began, and that these still have: not among what comes of it.
    pub erased: BTreeSet<String>,
}

impl Entities {
    /// Reads files by their digests. Only names and mails may be there no longer.
    pub fn read(files: &BTreeMap<String, Digest>, blob: &Blobs<'_>) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for (path, digest) in files {
            if is_profiles(path) && blob(digest).is_none() {
                found.erased = true;
                continue;
            }
            let bytes = fetch(digest, path, blob)?;
            if is_profiles(path) {
                let mut file: Map<String, Value> = canonical::from_bytes(&bytes, path)?;
                if let Some(Value::Object(people)) = file.remove("people") {
                    found.said.extend(people.into_iter().map(|(id, said)| (format!("{PROFILES}{id}"), said)));
                }
            } else if path.starts_with(PEOPLE) {
                let people: BTreeMap<String, Value> = canonical::from_bytes(&bytes, path)?;
                found.said.extend(people.into_iter().map(|(id, said)| (format!("{PEOPLE}{id}"), said)));
            } else {
                let text = String::from_utf8(bytes)
                    .map_err(|_| Refusal::malformed("not-text", format!("`{path}` is no UTF-8 text")))?;
                found.said.insert(path.clone(), Value::String(text));
            }
        }
        Ok(found)
    }

    /// The files that say it. `salt` is as [`crate::catalog::Catalog::to_files`] takes it.
    pub fn files(&self, salt: impl Fn(&str) -> Nonce) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        let mut files = BTreeMap::new();
        let mut people: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
        let mut profiles: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
        for (name, said) in &self.said {
            if let Some(id) = name.strip_prefix(PEOPLE) {
                people.entry(group_of(said)).or_default().insert(id, said);
            } else if let Some(id) = name.strip_prefix(PROFILES) {
                // Nobody is called anything who is not there.
                let Some(person) = self.said.get(&format!("{PEOPLE}{id}")) else { continue };
                profiles.entry(group_of(person)).or_default().insert(id, said);
            } else if let Value::String(text) = said {
                files.insert(name.clone(), text.clone().into_bytes());
            }
        }
        for (group, people) in people {
            files.insert(format!("{PEOPLE}{group}{JSON}"), canonical::to_bytes(&people)?);
        }
        for (group, people) in profiles {
            let path = format!("{PROFILES}{group}{JSON}");
            let file = serde_json::json!({"people": people, "salt": salt(&path)});
            files.insert(path, canonical::to_bytes(&file)?);
        }
        Ok(files)
    }

    /// Everything of which something else is said in the other, or only in one.
    pub fn differing<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a String> {
        let names: BTreeSet<&String> = self.said.keys().chain(other.said.keys()).collect();
        names.into_iter().filter(|name| self.said.get(*name) != other.said.get(*name)).collect()
    }

    /// Says of one thing what another says of it, or nothing.
    pub fn take(&mut self, name: &str, from: &Self) {
        match from.said.get(name) {
            Some(said) => drop(self.said.insert(name.to_owned(), said.clone())),
            None => drop(self.said.remove(name)),
        }
    }

    pub fn says(&self, name: &str) -> bool {
        self.said.contains_key(name)
    }

    /// What is said of one thing that is a file of its own.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.said.get(path).and_then(Value::as_str)
    }

    /// The digest of what is said of one thing.
    pub fn digest(&self, name: &str) -> Result<Option<Digest>, Refusal> {
        let digest = |said: &Value| match said {
            Value::String(text) => Ok(Digest::of(text)),
            other => canonical::to_bytes(other).map(|bytes| Digest::of(&bytes)),
        };
        self.said.get(name).map(digest).transpose()
    }

    /// Whether names and mails of somebody who is there may have been erased.
    fn may_have_lost(&self, name: &str) -> bool {
        let person = name.strip_prefix(PROFILES).map(|id| format!("{PEOPLE}{id}"));
        self.erased && !self.says(name) && person.is_some_and(|person| self.says(&person))
    }
}

/// Somebody stands in the file of their first group.
fn group_of(person: &Value) -> &str {
    person.get("groups").and_then(|groups| groups.get(0)).and_then(Value::as_str).unwrap_or(NO_GROUP)
}

/// Puts the edits `ours`, which began from `base`, on `theirs`, which is in force. Of the edits only those of `only` are meant,
/// where that is said.
pub fn merge(base: &Entities, theirs: &Entities, ours: &Entities, only: Option<&BTreeSet<String>>) -> Merged {
    let mut merged = Merged { entities: theirs.clone(), ..Merged::default() };
    let names: BTreeSet<&String> = base.said.keys().chain(theirs.said.keys()).chain(ours.said.keys()).collect();
    for name in names {
        let (was, is, edited) = (base.said.get(name), theirs.said.get(name), ours.said.get(name));
        // The server's keys stay where nobody names others.
        let untouched = edited == was || (name == SERVER_KEYS && edited.is_none());
        if edited == is || only.is_some_and(|only| !only.contains(name)) {
            continue;
        }
        if base.may_have_lost(name) || theirs.may_have_lost(name) {
            merged.erased.insert(name.clone());
        } else if untouched {
            merged.taken.insert(name.clone());
        } else if is == was {
            merged.entities.take(name, ours);
        } else {
            merged.both.insert(name.clone());
        }
    }
    merged
}

/// By what names somebody stands among the entities.
pub fn names_of(person: &ActorId) -> [String; 2] {
    [format!("{PEOPLE}{person}"), format!("{PROFILES}{person}")]
}

/// What something is called by people: `person ada` for `people/ada`.
pub fn called(name: &str) -> String {
    let of = |folder: &str, what: &str| name.strip_prefix(folder).map(|rest| format!("{what} {}", plain(rest)));
    of(PEOPLE, "person")
        .or_else(|| of(PROFILES, "names and mails of"))
        .or_else(|| of("systems/", "system"))
        .or_else(|| of("groups/", "group"))
        .unwrap_or_else(|| name.to_owned())
}

fn plain(rest: &str) -> &str {
    rest.strip_suffix(JSON).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(said: &[(&str, &str)]) -> Entities {
        let said = said.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
        Entities { said: said.collect(), erased: false }
    }

    #[test]
    fn each_side_keeps_what_it_alone_changed() {
        let base = entities(&[("a", "1"), ("b", "1"), ("c", "1"), ("gone", "1")]);
        let theirs = entities(&[("a", "2"), ("b", "1"), ("c", "2"), ("new", "1")]);
        let ours = entities(&[("a", "1"), ("b", "2"), ("c", "2"), ("gone", "1"), ("own", "1")]);
        let merged = merge(&base, &theirs, &ours, None);
        assert_eq!(merged.entities, entities(&[("a", "2"), ("b", "2"), ("c", "2"), ("new", "1"), ("own", "1")]));
        assert_eq!(merged.taken, ["a", "gone", "new"].map(str::to_owned).into());
        assert!(merged.both.is_empty());
        // Somebody may mean a part of what they edited.
        let part = merge(&base, &theirs, &ours, Some(&BTreeSet::from(["own".to_owned()])));
        assert_eq!(part.entities, entities(&[("a", "2"), ("b", "1"), ("c", "2"), ("new", "1"), ("own", "1")]));
    }

    #[test]
    fn what_both_changed_is_said_and_not_decided() {
        let merged = merge(&entities(&[("a", "1")]), &entities(&[("a", "2")]), &entities(&[("a", "3")]), None);
        assert_eq!((merged.both.len(), merged.entities), (1, entities(&[("a", "2")])));
        // Also where one side took away what the other changed.
        let merged = merge(&entities(&[("a", "1")]), &Entities::default(), &entities(&[("a", "3")]), None);
        assert_eq!(merged.both.len(), 1);
    }

    #[test]
    fn names_that_were_erased_are_not_brought_back() {
        let base = Entities { erased: true, ..entities(&[("people/ada", "1")]) };
        let theirs = entities(&[("people/ada", "1")]);
        let ours =
            entities(&[("people/ada", "1"), ("profiles/ada", "Ada"), ("people/new", "1"), ("profiles/new", "New")]);
        let merged = merge(&base, &theirs, &ours, None);
        assert!(!merged.entities.says("profiles/ada") && merged.entities.says("profiles/new"));
        assert_eq!(merged.erased, ["profiles/ada".to_owned()].into());
    }
}
