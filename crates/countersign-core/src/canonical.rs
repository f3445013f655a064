//! The one spelling of what is named by digest: compact JSON, keys in the order of their bytes, absent fields not written.
//! Two readers of the same bytes cannot see different things, because what does not spell itself again the same way is
//! refused.
//!
//! Frozen, with golden bytes. Numbers are integers; there are no floats anywhere.

use std::collections::BTreeMap;

use countersign_ledger::Digest;
use serde::{Serialize, de::DeserializeOwned};
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
    if to_bytes(&value)? == bytes {
        Ok(value)
    } else {
        Err(Refusal::malformed(
            "not-canonical",
            format!("{what} ({}) is not in its canonical spelling", Digest::of(bytes)),
        )
        .hint("compact JSON, keys in the order of their bytes, each once, absent fields left out"))
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
