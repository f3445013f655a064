//! `genesis-files.json`: the governance files that the log begins with. The genesis binds them by the list of their digests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use countersign_core::{canonical, catalog::files::is_profiles, governance::Replacements};
use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::{HomeError, files};

/// All of them together; those of 5,000 people and 335 systems have some 3 MB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The files as they are on the disk, checked against what the genesis names.
#[derive(Debug)]
pub struct GenesisFiles {
    path: PathBuf,
    /// By their paths.
    files: BTreeMap<String, GenesisFile>,
    /// The list of them, which the genesis names.
    manifest: Vec<u8>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum GenesisFile {
    Text(String),
    /// Names and mails that are here no longer.
    Gone {
        erased: Digest,
    },
}

impl GenesisFile {
    fn digest(&self) -> Digest {
        match self {
            Self::Text(text) => Digest::of(text),
            Self::Gone { erased } => *erased,
        }
    }
}

impl GenesisFiles {
    /// `named` is the digest of the list, as the genesis has it.
    pub(super) fn read(path: &Path, named: &Digest) -> Result<Self, HomeError> {
        let files: BTreeMap<String, GenesisFile> = serde_json::from_slice(&files::read(path, MAX_BYTES)?)
            .map_err(|error| HomeError::invalid(path, error.to_string()))?;
        let list: Replacements = files.iter().map(|(name, file)| (name.clone(), Some(file.digest()))).collect();
        let manifest = canonical::to_bytes(&list)?;
        if Digest::of(&manifest) != *named {
            return Err(HomeError::invalid(path, "its files are not those that the genesis names")
                .hint("this file is not for editing; put it back from a backup"));
        }
        Ok(Self { path: path.to_owned(), files, manifest })
    }

    /// The blobs that genesis names: the list of the files, and each that is still here.
    pub fn blobs(self) -> Vec<Vec<u8>> {
        let texts = self.files.into_values().filter_map(|file| match file {
            GenesisFile::Text(text) => Some(text.into_bytes()),
            GenesisFile::Gone { .. } => None,
        });
        std::iter::once(self.manifest).chain(texts).collect()
    }

    /// The files of names and mails that the log began with and that are still here.
    pub fn profiles(&self) -> impl Iterator<Item = Digest> {
        self.files
            .iter()
            .filter(|(path, file)| is_profiles(path) && matches!(file, GenesisFile::Text(_)))
            .map(|(_, file)| file.digest())
    }

    /// Takes out of the file what was erased from the log.
    pub fn forget(mut self, erased: &BTreeSet<Digest>) -> Result<(), HomeError> {
        if !self.profiles().any(|digest| erased.contains(&digest)) {
            return Ok(());
        }
        for (path, file) in &mut self.files {
            let digest = file.digest();
            if is_profiles(path) && erased.contains(&digest) {
                *file = GenesisFile::Gone { erased: digest };
            }
        }
        let text = serde_json::to_string_pretty(&self.files)
            .map_err(|error| HomeError::invalid(&self.path, error.to_string()))?;
        files::replace(&self.path, format!("{text}\n"))
    }
}
