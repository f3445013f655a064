//! By which key a log signs which sizes. A log key that was replaced signs nothing behind the leaf that replaced it, and the
//! one that came in its place signs nothing before: whoever stole the old one makes nothing that these open.
//!
//! Out of scope: who may replace a key. Successors come from leaves that somebody replayed, or from whoever was asked to pin them.

use serde::{Deserialize, Serialize};

/// What says which key signs a checkpoint.
pub trait Verifies {
    /// The verifier key of checkpoints of this size.
    fn key_at(&self, size: u64) -> &str;
}

impl Verifies for str {
    fn key_at(&self, _size: u64) -> &str {
        self
    }
}

impl Verifies for String {
    fn key_at(&self, _size: u64) -> &str {
        self
    }
}

impl Verifies for LogKeys {
    fn key_at(&self, size: u64) -> &str {
        let in_force = self.successors.iter().rev().find(|successor| successor.from <= size);
        in_force.map_or(&self.pinned, |successor| &successor.key)
    }
}

/// The key that was pinned, and those that came in its place, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct LogKeys {
    pinned: String,
    successors: Vec<Successor>,
}

/// A key that came in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Successor {
    /// The first size that it signs: with the leaf that put it in force.
    pub from: u64,
    /// Signed-note verifier key.
    pub key: String,
}

/// One key is written as a text, as long as it is the only one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<Successor>),
}

impl From<Written> for LogKeys {
    fn from(written: Written) -> Self {
        match written {
            Written::One(key) => key.into(),
            Written::Several(mut keys) => {
                keys.sort_by_key(|key| key.from);
                let mut keys = keys.into_iter();
                // Without a first one it is no key that opens anything.
                let pinned = keys.next().map(|first| first.key).unwrap_or_default();
                Self { pinned, successors: keys.collect() }
            }
        }
    }
}

impl From<LogKeys> for Written {
    fn from(keys: LogKeys) -> Self {
        if keys.successors.is_empty() {
            return Self::One(keys.pinned);
        }
        let first = Successor { from: 0, key: keys.pinned };
        Self::Several(std::iter::once(first).chain(keys.successors).collect())
    }
}

impl From<String> for LogKeys {
    fn from(pinned: String) -> Self {
        Self { pinned, successors: Vec::new() }
    }
}

impl From<&str> for LogKeys {
    fn from(pinned: &str) -> Self {
        pinned.to_owned().into()
    }
}

impl LogKeys {
    /// The key that was pinned: that of the log's beginning.
    pub fn pinned(&self) -> &str {
        &self.pinned
    }

    pub fn successors(&self) -> &[Successor] {
        &self.successors
    }

    /// The key by which the log signs now.
    pub fn newest(&self) -> &str {
        self.successors.last().map_or(&self.pinned, |successor| &successor.key)
    }

    /// The same beginning, with these in its place one after the other.
    #[must_use]
    pub fn followed_by(&self, successors: impl IntoIterator<Item = Successor>) -> Self {
        let mut successors: Vec<Successor> = successors.into_iter().collect();
        successors.sort_by_key(|successor| successor.from);
        Self { pinned: self.pinned.clone(), successors }
    }

    /// The same with one more. What was known of later sizes is not.
    #[must_use]
    pub fn and_then(&self, successor: Successor) -> Self {
        let mut successors = self.successors.clone();
        successors.retain(|known| known.from < successor.from);
        successors.push(successor);
        self.followed_by(successors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_one_key() {
        let keys = LogKeys::from("first").and_then(Successor { from: 7, key: "second".to_owned() });
        assert_eq!((keys.key_at(6), keys.key_at(7), keys.newest()), ("first", "second", "second"));
        assert_eq!((keys.pinned(), keys.successors().len()), ("first", 1));
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(text, r#"[{"from":0,"key":"first"},{"from":7,"key":"second"}]"#);
        assert_eq!(serde_json::from_str::<LogKeys>(&text).unwrap(), keys);
        assert_eq!(serde_json::to_string(&LogKeys::from("one")).unwrap(), r#""one""#);
    }
}
