//! Facts as canonical bytes, bounded.

use serde::{Serialize, de::DeserializeOwned};

use crate::{canonical, refusal::Refusal};

/// What a store keeps under one digest.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn write(value: &impl Serialize, what: &'static str) -> Result<Vec<u8>, Refusal> {
    let bytes = canonical::to_bytes(value)?;
    bounded(&bytes, what)?;
    Ok(bytes)
}

pub(super) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Refusal> {
    bounded(bytes, what)?;
    canonical::from_bytes(bytes, what).map_err(|refusal| Refusal { code: "malformed-facts", ..refusal })
}

fn bounded(bytes: &[u8], what: &'static str) -> Result<(), Refusal> {
    if bytes.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(Refusal::malformed("facts-too-large", format!("the {what} have {} bytes, more than {MAX_BYTES}", bytes.len()))
        .hint("split the change: land a part of it first"))
}
