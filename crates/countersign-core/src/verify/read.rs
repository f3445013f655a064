//! A leaf with all that can be said of it alone, so that it can be read on any core: parsed, its signatures checked, the
//! blobs that it names hashed and parsed.

use countersign_ledger::{Digest, Hash, sshsig::KnownKeys};

use super::report::Failure;
use crate::{
    change::Found,
    fold::{Entry, found},
    governance::{Blobs, files_named, list_named},
    refusal::Refusal,
    statement::Body,
};

#[derive(Debug)]
pub struct ReadLeaf {
    pub(super) hash: Hash,
    /// Whether the log's own tile has another hash for it.
    pub(super) is_changed: bool,
    /// Refused where this program cannot read it, which is no reason to call the log broken before it is known by which
    /// semantics the leaf was written.
    pub(super) entry: Result<Entry, Refusal>,
    pub(super) found: Result<Found, Refusal>,
    /// Those that folding it or running it again may look at.
    blobs: Vec<(Digest, Vec<u8>)>,
    /// How many blobs it names that are there.
    pub(super) named: u64,
    /// The first of them that does not hash to its name.
    pub(super) changed_blob: Option<Digest>,
}

impl ReadLeaf {
    /// Reads a leaf. `stored` is its hash by the log's own tile, where there is one; `keys` are those that whoever reads has met;
    /// `fetch` gives a blob, if it is there.
    pub fn of<E>(
        bytes: &[u8],
        stored: Option<Hash>,
        keys: &mut KnownKeys,
        mut fetch: impl FnMut(&Digest) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let entry = Entry::parse_knowing(bytes, keys);
        let hash = entry.as_ref().map_or_else(|_| Hash::leaf(bytes), |entry| entry.hash);
        let mut read = Self {
            hash,
            is_changed: stored.is_some_and(|stored| stored != hash),
            found: Ok(Found::default()),
            entry,
            blobs: Vec::new(),
            named: 0,
            changed_blob: None,
        };
        let Ok(entry) = &read.entry else { return Ok(read) };
        let body = &entry.signed.statement().body;
        let mut take = |digests: Vec<Digest>, blobs: &mut Vec<(Digest, Vec<u8>)>| {
            for digest in digests {
                let Some(bytes) = fetch(&digest)? else { continue };
                read.named = read.named.saturating_add(1);
                if Digest::of(&bytes) != digest {
                    read.changed_blob.get_or_insert(digest);
                }
                blobs.push((digest, bytes));
            }
            Ok::<(), E>(())
        };
        let mut blobs = Vec::new();
        take(entry.signed.blobs(), &mut blobs)?;
        // Of what is only proposed the subject says which the list is.
        let list = list_named(body, &|digest| of(&blobs, digest)).ok().flatten();
        let list = list.filter(|list| of(&blobs, list).is_none());
        take(list.into_iter().collect(), &mut blobs)?;
        let files = files_named(body, &|digest| of(&blobs, digest)).unwrap_or_default();
        let files = files.into_iter().filter(|digest| of(&blobs, digest).is_none());
        take(files.collect(), &mut blobs)?;
        read.found = found(&entry.signed, &|digest| of(&blobs, digest));
        // The others were read into what was found.
        if body.governance_files().is_some() || body.governance_subject().is_some() || matches!(body, Body::Decided(_))
        {
            read.blobs = blobs;
        }
        Ok(read)
    }

    /// Every blob that a leaf names, itself or by its list of governance files, and that list. Where that list is as it was, it names the file
    /// that is not.
    pub(super) fn named(entry: &Entry, blob: &Blobs<'_>) -> Vec<Digest> {
        let mut named = entry.signed.blobs();
        // Also where the list is not as it was.
        named.extend(list_named(&entry.signed.statement().body, blob).ok().flatten());
        named.extend(files_named(&entry.signed.statement().body, blob).unwrap_or_default());
        named
    }

    pub(super) fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        of(&self.blobs, digest)
    }

    /// The blob that does not hash to its name.
    pub(super) fn blob_failure(&self, index: u64) -> Option<Failure> {
        let (Ok(entry), Some(digest)) = (&self.entry, &self.changed_blob) else { return None };
        Some(changed_blob(index, entry, digest))
    }
}

fn of(blobs: &[(Digest, Vec<u8>)], digest: &Digest) -> Option<Vec<u8>> {
    blobs.iter().find(|(name, _)| name == digest).map(|(_, bytes)| bytes.clone())
}

pub(super) fn changed_blob(index: u64, entry: &Entry, digest: &Digest) -> Failure {
    let kind = entry.signed.statement().body.kind();
    Failure::at(index, format!("blob {digest}, which leaf {index} ({kind}) names, was changed"))
}
