//! The one spelling of what is named by digest: compact JSON, keys in the order of their bytes, absent fields not written.
//! Two readers of the same bytes cannot see different things, because what does not spell itself again the same way is
//! refused.
//!
//! Frozen, with golden bytes. Numbers are integers; there are no floats anywhere.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use countersign_ledger::Digest;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::refusal::Refusal;

/// A value's canonical bytes.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let unencodable =
        |e: serde_json::Error| Refusal::malformed("unencodable", format!("it cannot be written as JSON: {e}"));
    let value = serde_json::to_value(value).map_err(unencodable)?;
    serde_json::to_vec(&sorted(value)).map_err(unencodable)
}

/// Reads canonical bytes; anything that is spelled differently is refused. `what` is for the message.
pub fn from_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Refusal> {
    let value: T = serde_json::from_slice(bytes).map_err(|e| {
        Refusal::malformed("malformed-blob", format!("{what} ({}) is not what it should be: {e}", Digest::of(bytes)))
    })?;
    if is_spelled(&value, bytes)? {
        Ok(value)
    } else {
        Err(Refusal::malformed(
            "not-canonical",
            format!("{what} ({}) is not in its canonical spelling", Digest::of(bytes)),
        )
        .hint("compact JSON, keys in the order of their bytes, each once, absent fields left out"))
    }
}

/// Whether these are a value's canonical bytes. Most types are declared in the order of their names, so that they are written
/// so already: then it is enough to look at the keys.
fn is_spelled(value: &impl Serialize, bytes: &[u8]) -> Result<bool, Refusal> {
    let written = serde_json::to_vec(value).is_ok_and(|written| written == bytes);
    if written && serde_json::from_slice::<InOrder>(bytes).is_ok() {
        return Ok(true);
    }
    Ok(to_bytes(value)? == bytes)
}

/// JSON in which the keys of every object are in order, each once.
struct InOrder;

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

/// A key as it stands there, without a copy where nothing in it is escaped.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for InOrder {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys in the order of their bytes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut last: Option<Key<'de>> = None;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if last.is_some_and(|last| last >= key) {
                return Err(de::Error::custom("a key is not in its place"));
            }
            last = Some(key);
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// Keys in order, whatever order the JSON library keeps them in (a cargo feature anywhere in the build changes that).
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().collect();
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
