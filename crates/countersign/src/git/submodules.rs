//! Where submodules come from: what `.gitmodules` says of each. For people who look at what they sign; nothing is decided by
//! it, since the commit of a submodule is part of the delta wherever it is fetched from.

use std::collections::BTreeMap;

use countersign_core::{facts::git::GitRead as _, ids::Oid};

use super::{GitError, Repository, process::text};

const FILE: &str = ".gitmodules";
const MAX_BYTES: usize = 1024 * 1024;

impl Repository {
    /// The address of each submodule of a commit, by its path. What git cannot read names none.
    pub fn submodule_addresses(&self, commit: &Oid) -> Result<BTreeMap<String, String>, GitError> {
        if self.blob_at(commit, FILE, MAX_BYTES)?.is_none() {
            return Ok(BTreeMap::new());
        }
        let blob = format!("--blob={commit}:{FILE}");
        let args = ["config", &blob, "--null", "--get-regexp", r"^submodule\..*\.(path|url)$"];
        let output = self.run(self.command(&args), "config")?;
        Ok(addresses(&text(&output.stdout)))
    }
}

/// What git has read of the file, by path.
fn addresses(said: &str) -> BTreeMap<String, String> {
    let (mut paths, mut urls) = (BTreeMap::new(), BTreeMap::new());
    for said in said.split('\0') {
        let Some((key, value)) = said.split_once('\n') else { continue };
        let Some((name, field)) = key.rsplit_once('.') else { continue };
        let of = if field == "path" { &mut paths } else { &mut urls };
        of.insert(name.to_owned(), value.to_owned());
    }
    paths.into_iter().filter_map(|(name, path)| Some((path, urls.remove(&name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::{any_of, foreign};

    const SAID: &str = "submodule.a.path\nlib/a\0submodule.a.url\nhttps://example.com/a\0submodule.b.c.path\nb\0";

    foreign! {
        fn foreign_submodules(said in any_of(vec![SAID.as_bytes().to_vec()])) {
            let said = String::from_utf8_lossy(&said);
            let found = addresses(&said);
            proptest::prop_assert!(found.iter().all(|(path, url)| said.contains(path) && said.contains(url)));
        }
    }

    #[test]
    fn a_submodule_without_an_address_is_not_named() {
        let found = addresses(SAID);
        assert_eq!(found, BTreeMap::from([("lib/a".to_owned(), "https://example.com/a".to_owned())]));
    }
}
