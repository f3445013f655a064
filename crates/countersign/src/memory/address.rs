//! Which log an address served.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_core::trust::Trust;
use countersign_ledger::Digest;

use super::{MemoryError, TRUST, io_error};
use crate::durable;

const ADDRESSES: &str = "addresses";

/// The log that an address served before, as the keys of SSH hosts are known by the host: another log under another name is no
/// first sight there. Addresses of this machine change hands with whoever listens, and are not kept.
pub fn served_at(place: &Path, url: &str) -> Option<String> {
    let file = address_file(place, url)?;
    fs::read_to_string(file).ok().map(|origin| origin.trim_end().to_owned())
}

/// The one log that this machine has pinned; `None` where it has pinned none, or several.
pub fn only_pinned(place: &Path) -> Option<String> {
    let folders = fs::read_dir(place).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut pinned = folders.filter_map(|folder| {
        let trust: Trust = serde_json::from_slice(&fs::read(folder.join(TRUST)).ok()?).ok()?;
        Some(trust.origin)
    });
    let one = pinned.next()?;
    pinned.next().is_none().then_some(one)
}

/// Keeps which log an address serves.
pub fn keep_served_at(place: &Path, url: &str, origin: &str) -> Result<(), MemoryError> {
    let Some(file) = address_file(place, url) else { return Ok(()) };
    if served_at(place, url).as_deref() == Some(origin) {
        return Ok(());
    }
    let folder = place.join(ADDRESSES);
    durable::folder(&folder).map_err(io_error("make", &folder))?;
    durable::replace(&file, format!("{origin}\n")).map_err(io_error("write", &file))
}

fn address_file(place: &Path, url: &str) -> Option<PathBuf> {
    let url = url.trim_end_matches('/');
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
        return None;
    }
    let name: String = Digest::of(url).hex().chars().take(16).collect();
    Some(place.join(ADDRESSES).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that was replaced under its address shows another log; under another name that would be a first sight.
    #[test]
    fn an_address_is_known_by_the_log_that_it_served() {
        let place = tempfile::tempdir().unwrap();
        let url = "https://countersign.example/a";
        assert_eq!(served_at(place.path(), url), None);
        keep_served_at(place.path(), url, "shop/log").unwrap();
        assert_eq!(served_at(place.path(), "https://countersign.example/a/").as_deref(), Some("shop/log"));
        assert_eq!(served_at(place.path(), "https://countersign.example/b"), None);
        keep_served_at(place.path(), url, "shop/other").unwrap();
        assert_eq!(served_at(place.path(), url).as_deref(), Some("shop/other"));
        for url in ["http://127.0.0.1:7878", "http://localhost:1", "http://[::1]:7878"] {
            keep_served_at(place.path(), url, "shop/log").unwrap();
            assert_eq!(served_at(place.path(), url), None, "{url}");
        }
    }
}
