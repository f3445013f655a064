//! The logs that somebody joined on this machine: where each is served, and with which key they sign there. What a log is, its
//! pinned trust says; this only saves typing, and nothing is believed for it.
//!
//! ```text
//! $XDG_STATE_HOME/countersign/logs.json
//! ```

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    durable,
    memory::{self, MemoryError},
};

const FILE: &str = "logs.json";
const LOCK: &str = "logs.lock";
const VERSION: u32 = 1;

/// The logs that were joined, by their names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    version: u32,
    /// The one that is meant where nobody says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    pub logs: BTreeMap<String, Place>,
}

/// Where a log is served, and the key that signs there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl Default for Joined {
    fn default() -> Self {
        Self { version: VERSION, default: None, logs: BTreeMap::new() }
    }
}

impl Joined {
    /// What was joined, by the file in this folder (see [`memory::place`]).
    pub fn read(place: &Path) -> Result<Self, MemoryError> {
        let path = place.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(MemoryError::Io { operation: "read", path, source }),
        };
        let damaged = |why: String| MemoryError::Damaged { path: path.clone(), why };
        let joined: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        match joined.version {
            VERSION => Ok(joined),
            found => Err(MemoryError::Newer { path, found, known: VERSION }),
        }
    }

    /// Adds a log, or says anew where one is. The first is the default until another is.
    pub fn add(place: &Path, log: &str, at: Place, as_default: bool) -> Result<Self, MemoryError> {
        let path = place.join(FILE);
        let failed = |operation| {
            let path = path.clone();
            move |source| MemoryError::Io { operation, path, source }
        };
        fs::create_dir_all(place).map_err(failed("make the folder of"))?;
        let _lock = durable::lock(&place.join(LOCK)).map_err(failed("lock"))?;
        let mut joined = Self::read(place)?;
        joined.logs.insert(log.to_owned(), at);
        if as_default || joined.default.is_none() {
            joined.default = Some(log.to_owned());
        }
        let text = serde_json::to_string_pretty(&joined).map_err(|error| failed("write")(error.into()))?;
        durable::replace(&path, format!("{text}\n")).map_err(failed("write"))?;
        Ok(joined)
    }

    /// The log that is meant where nobody says which.
    pub fn usual(&self) -> Option<(&str, &Place)> {
        let (log, place) = self.logs.get_key_value(self.default.as_deref()?)?;
        Some((log, place))
    }

    /// The log that is served at this address.
    pub fn at(&self, url: &str) -> Option<(&str, &Place)> {
        let url = url.trim_end_matches('/');
        self.logs.iter().find(|(_, place)| place.url == url).map(|(log, place)| (log.as_str(), place))
    }
}

/// What was joined on this machine; nothing where there is no place to remember it in.
pub fn here() -> Result<Joined, MemoryError> {
    match memory::place() {
        Ok(place) => Joined::read(&place),
        Err(MemoryError::NoPlace) => Ok(Joined::default()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place { url: url.to_owned(), key: None }
    }

    #[test]
    fn the_first_log_is_meant_until_another_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let add = |log: &str, url: &str, usual| Joined::add(folder.path(), log, place(url), usual).unwrap();
        assert_eq!(Joined::read(folder.path()).unwrap().usual(), None);
        assert_eq!(add("a", "http://a", false).usual(), Some(("a", &place("http://a"))));
        assert_eq!(add("b", "http://b", false).usual(), Some(("a", &place("http://a"))));
        let joined = add("b", "http://c", true);
        assert_eq!((joined.usual(), joined.logs.len()), (Some(("b", &place("http://c"))), 2));
        assert_eq!(Joined::read(folder.path()).unwrap(), joined);
        assert_eq!(joined.at("http://a/"), Some(("a", &place("http://a"))));
        fs::write(folder.path().join(FILE), "{\"version\":2,\"logs\":{}}").unwrap();
        assert!(matches!(Joined::read(folder.path()), Err(MemoryError::Newer { .. })));
    }
}
