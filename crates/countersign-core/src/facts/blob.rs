//! Facts as bytes: compact JSON with its keys in order, bounded, and in one spelling only.

use serde::{Serialize, de::DeserializeOwned};

use crate::{refusal::Refusal, statement::sorted};

/// What a store keeps under one digest.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn write(value: &impl Serialize, what: &'static str) -> Result<Vec<u8>, Refusal> {
    let unwritable = |error: serde_json::Error| Refusal::malformed("malformed-facts", format!("the {what}: {error}"));
    let value = serde_json::to_value(value).map_err(unwritable)?;
    let bytes = serde_json::to_vec(&sorted(value)).map_err(unwritable)?;
    bounded(&bytes, what)?;
    Ok(bytes)
}

pub(super) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Refusal> {
    bounded(bytes, what)?;
    let value: T = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::malformed("malformed-facts", format!("the {what} are malformed: {error}")))?;
    if write(&value, what)? != bytes {
        return Err(Refusal::malformed(
            "malformed-facts",
            format!("the {what} are not in their canonical spelling (key order, white space, duplicate keys)"),
        ));
    }
    Ok(value)
}

fn bounded(bytes: &[u8], what: &'static str) -> Result<(), Refusal> {
    if bytes.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(Refusal::malformed("facts-too-large", format!("the {what} have {} bytes, more than {MAX_BYTES}", bytes.len()))
        .hint("split the change: land a part of it first"))
}
