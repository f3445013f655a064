//! Where a verifier reads the log: a bundle, a directory, a fetched URL, or memory. This trait is the only door; the
//! bytes behind it are untrusted, and whoever reads them checks them against a checkpoint or a digest.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// A copy of the log, or of a part of it.
pub trait Source {
    /// The bytes of leaf `index`, or `None` when the source does not hold it.
    fn leaf(&self, index: u64) -> Option<Vec<u8>>;

    /// The content with this digest, or `None` when the source does not hold it (it may have been erased). Not
    /// checked: the caller compares the digest.
    fn blob(&self, digest: &Digest) -> Option<Vec<u8>>;
}

impl<S: Source + ?Sized> Source for &S {
    fn leaf(&self, index: u64) -> Option<Vec<u8>> {
        (**self).leaf(index)
    }

    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        (**self).blob(digest)
    }
}

/// A log in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    leaves: BTreeMap<u64, Vec<u8>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl MemorySource {
    pub const fn new() -> Self {
        Self { leaves: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    pub fn insert_leaf(&mut self, index: u64, bytes: Vec<u8>) {
        self.leaves.insert(index, bytes);
    }

    /// Keeps some content under its digest, which is returned.
    pub fn insert_blob(&mut self, content: Vec<u8>) -> Digest {
        let digest = Digest::of(&content);
        self.blobs.insert(digest, content);
        digest
    }
}

impl Source for MemorySource {
    fn leaf(&self, index: u64) -> Option<Vec<u8>> {
        self.leaves.get(&index).cloned()
    }

    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.blobs.get(digest).cloned()
    }
}
