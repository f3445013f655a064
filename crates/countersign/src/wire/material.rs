//! Material, as it goes over the wire: contents in base64 by the ids that the signed statements name them by.

use std::collections::BTreeMap;

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use countersign_core::ids::Oid;
use serde::{Deserialize, Serialize};

/// `GET /v1/changes/{id}/material`: what the server would keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Of one revision, in all.
    pub limit_bytes: u64,
    /// How much more it keeps of this change.
    pub room_bytes: u64,
    pub keep_days: u32,
    /// What the present revision names and is not there.
    pub wanted: Vec<Oid>,
}

/// `POST /v1/changes/{id}/material`, and a page of `GET /v1/changes/{id}/material/contents`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    pub contents: BTreeMap<Oid, String>,
    /// What `after` names for the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Oid>,
}

impl Material {
    pub fn of<'a>(contents: impl IntoIterator<Item = (&'a Oid, &'a [u8])>, next: Option<Oid>) -> Self {
        let contents = contents.into_iter().map(|(id, bytes)| (id.clone(), STANDARD.encode(bytes))).collect();
        Self { contents, next }
    }

    pub fn bytes(&self) -> Result<BTreeMap<Oid, Vec<u8>>, DecodeError> {
        self.contents.iter().map(|(id, text)| Ok((id.clone(), STANDARD.decode(text)?))).collect()
    }
}
