//! Material: the bytes under a subject, so that whoever reviews it sees exactly what is signed, from anywhere.
//!
//! It lies beside the ledger and is never believed: whoever shows it compares each content with the id by which the signed
//! statements name it, and so does a server before it keeps anything. Contents that git names by SHA-1 are looked through for
//! attempted collisions.

pub mod shelf;

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    facts::{Entry, GitFacts, TouchedPath},
    governance::Replacements,
    ids::Oid,
    subject::{FilesSubject, Subject},
};
use countersign_ledger::Digest;
use sha1_checked::Sha1;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::git::SUBMODULE;

/// The largest content that is kept or sent, whatever a home allows in all.
pub const MAX_OBJECT_BYTES: u64 = 8 * 1024 * 1024;

/// The modes of files that are no part of a git tree, as git would say them.
const PLAIN: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    #[error("these bytes are something else")]
    Other,
    #[error("these bytes were made to collide with others under SHA-1")]
    Collision,
}

/// How a subject's contents are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By git: SHA-1 or SHA-256 over a header and the bytes.
    Git,
    /// By the SHA-256 of the bytes.
    Plain,
}

impl Naming {
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Git(_) => Self::Git,
            Subject::Files(_) | Subject::Governance(_) => Self::Plain,
        }
    }

    /// Whether these are the bytes that the id names.
    pub fn check(self, id: &Oid, bytes: &[u8]) -> Result<(), Unfit> {
        let header = format!("blob {}\0", bytes.len());
        let found = match self {
            Self::Plain => hex(&Sha256::digest(bytes)),
            Self::Git if id.as_str().len() == SHA1_DIGITS => sha1(&[header.as_bytes(), bytes])?,
            Self::Git => hex(&Sha256::new().chain_update(header).chain_update(bytes).finalize()),
        };
        if found == id.as_str() { Ok(()) } else { Err(Unfit::Other) }
    }
}

const SHA1_DIGITS: usize = 40;

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn sha1(parts: &[&[u8]]) -> Result<String, Unfit> {
    let mut hasher = Sha1::new();
    parts.iter().for_each(|part| hasher.update(part));
    let found = hasher.try_finalize();
    if found.has_collision() { Err(Unfit::Collision) } else { Ok(hex(found.hash())) }
}

/// The paths that a subject touches. Files have no earlier state: each is new as a whole, and its id is its digest.
pub fn touched(subject: &Subject, facts: Option<&GitFacts>) -> Vec<TouchedPath> {
    match subject {
        Subject::Git(_) => facts.map(|facts| facts.paths.clone()).unwrap_or_default(),
        // They come with the statement, as its blobs.
        Subject::Governance(_) => Vec::new(),
        Subject::Files(FilesSubject { files, executable, .. }) => {
            let entry = |name: &String, digest: &Digest| {
                let mode = if executable.contains(name) { EXECUTABLE } else { PLAIN };
                Some(Entry { mode, id: digest.hex().parse().ok()? })
            };
            let whole = |(name, digest)| TouchedPath { path: String::clone(name), old: None, new: entry(name, digest) };
            files.iter().map(whole).collect()
        }
    }
}

/// The governance files that a list replaces, beside those of `before`.
pub fn replaced(before: &BTreeMap<String, Digest>, list: &Replacements) -> Vec<TouchedPath> {
    let entry = |digest: &Digest| Some(Entry { mode: PLAIN, id: digest.hex().parse().ok()? });
    let touched = |(path, new): (&String, &Option<Digest>)| TouchedPath {
        path: path.clone(),
        old: before.get(path).and_then(entry),
        new: new.as_ref().and_then(entry),
    };
    list.iter().map(touched).collect()
}

/// Sides of a path whose content somebody can look at: the commit of a submodule is in another repository.
pub fn contents(touched: &TouchedPath) -> impl Iterator<Item = (&'static str, &Entry)> {
    let sides = [("before", touched.old.as_ref()), ("after", touched.new.as_ref())];
    sides.into_iter().filter_map(|(when, side)| Some((when, side.filter(|side| side.mode != SUBMODULE)?)))
}

/// The contents that paths name, each once.
pub fn objects(touched: &[TouchedPath]) -> BTreeSet<Oid> {
    touched.iter().flat_map(contents).map(|(_, entry)| entry.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn id(text: &str) -> Oid {
        text.parse().unwrap()
    }

    #[test]
    fn content_is_what_its_id_says() {
        // As `git hash-object --stdin` says, in repositories of either kind, and `sha256sum`.
        for (naming, named) in [
            (Naming::Git, "ce013625030ba8dba906f756967f9e9ca394464a"),
            (Naming::Git, "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4"),
            (Naming::Plain, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"),
        ] {
            assert_eq!(naming.check(&id(named), b"hello\n"), Ok(()), "{named}");
            assert_eq!(naming.check(&id(named), b"hullo\n"), Err(Unfit::Other), "{named}");
        }
        let digest = id("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!(Naming::Git.check(&digest, b"hello\n"), Err(Unfit::Other));
    }

    /// One of the two messages of "SHA-1 is a Shambles" (Leurent and Peyrin, 2020).
    const COLLIDING: &str = "mQQNBH/oF4ABIAD/S2V5IGlzIHBhcnQgb2YgYSBjb2xsaXNpb24hIEl0J3MgYSB0cmFwIXnGGvCvzAVFFdknTnMHYksdx/sjmIu43otXXbp7nqsxwWdLbZdDeKgncy/1hRx2ouYHcrWkfOHqxAu5k8EtjHDiSk+NX83twbMsnPGeMa8kKXWdQuTf2zFxn1h2I+5VKTm23NxFn8pTVTtw+H7eMKJH6jr2x1mi8gsyDXYNtk/0eQhP08yzzdSDYtlqnEMGF8r/bDbGN+U/3ihBf2Jv7FTteUOkbl9XMPK7OPsd9uAJABDQDiSteL+SZBmTYI6NFYp4nzTEb+HmAn81pMv7gnB2xQ7KDot8ymm7LCt5Aln5v5Vw3Y1EN6MRX6/3w8rAmtJSZgVcJxBHVReOrv+CWiyqKs+13mTOdkHcWaVBqfycdWdW4uI9xxPIwkyXkKprDjin9V8URSocooUN3ZVi/ZoYrUJJaqlwCPdGcvaO9GHriLCZM9YmtPkYdJzAJ/3dbEJfxCFoNdATTRUoW6sst4Sk98u0+1FNS/D2I3zwCp6fEyuaBm5v0X9sQph0eFhv9lGvlnR/tCa5hyuaiOQGP1m7M0zABlD4OoDEJ1G3GXTTAPwoGaLo8eMsG1HLGOa/xNubrvZ11Kr1sVdKBH+PbdLsFTqTQSKTl02Sj4jO2TY8/vl84udCvzTJa47zh1Z2/qXMqOX33qC6skE9TeAO5x7gHxYr220er9kl5q66rmo1TvF88gWkBPvbEvxFTUH92VzyRZZkoq0DLR2mCnMmQHXX8eDWwUA656DYYd8/5XBxiN1eB9FYm5+LZjBVP4/DUrPgwn2oC926TGQCDQ==";

    #[test]
    fn bytes_that_were_made_to_collide_are_refused() {
        let colliding = STANDARD.decode(COLLIDING).unwrap();
        assert_eq!(sha1(&[&colliding]), Err(Unfit::Collision));
        assert_eq!(sha1(&[b"hello"]).as_deref(), Ok("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"));
    }
}
