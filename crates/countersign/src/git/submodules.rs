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
        let (mut paths, mut urls) = (BTreeMap::new(), BTreeMap::new());
        for said in text(&output.stdout).split('\0') {
            let Some((key, value)) = said.split_once('\n') else { continue };
            let Some((name, field)) = key.rsplit_once('.') else { continue };
            let of = if field == "path" { &mut paths } else { &mut urls };
            of.insert(name.to_owned(), value.to_owned());
        }
        let named = paths.into_iter().filter_map(|(name, path)| Some((path, urls.remove(&name)?)));
        Ok(named.collect())
    }
}
