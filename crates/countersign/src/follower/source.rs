//! Where a follower reads a log: from its server, from any place that serves it as static files, or from a folder. Nothing
//! of it is believed; a source only fetches.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{fold::Entry, governance::read_manifest};
use countersign_ledger::{
    Digest,
    checkpoint::MAX_NOTE_BYTES,
    tile::{TILE_WIDTH, TileKind, TilePath, parse_entry_bundle},
};
use thiserror::Error;

use crate::client::{Client, ClientError};

/// Leaves that follow one another, with the blobs that folding them needs, as far as the source has them.
#[derive(Debug, Default)]
pub struct Batch {
    pub leaves: Vec<Vec<u8>>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

/// Where a log stands.
#[derive(Debug)]
pub struct Newest {
    /// The newest checkpoint, as it was signed.
    pub checkpoint: String,
    /// The newest one that others cosigned, if there is one.
    pub cosigned: Option<String>,
    /// The leaves that came along.
    pub batch: Batch,
}

#[derive(Debug, Error)]
pub enum SourceError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{place} is not what it should be: {why}")]
    Malformed { place: String, why: String },
}

/// A place that a log is read from.
#[derive(Debug)]
pub enum Source {
    /// A server, which gives a follower what it needs in one answer.
    Server(Client),
    /// The layout of C2SP tlog-tiles with `blobs/` beside it, at an address.
    Static(Client),
    /// The same in a folder.
    Folder(PathBuf),
}

impl Source {
    /// The source at an address or in a folder. An address that answers like no server is read as static files.
    pub fn at(place: &str) -> Self {
        if place.starts_with("http://") || place.starts_with("https://") {
            Self::Server(Client::new(place))
        } else {
            Self::Folder(PathBuf::from(place))
        }
    }

    /// What a person knows it by.
    pub fn name(&self) -> String {
        match self {
            Self::Server(client) | Self::Static(client) => client.url().to_owned(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    /// Where the log stands, and the leaves behind `from` that came along with that.
    pub fn newest(&mut self, from: u64) -> Result<Newest, SourceError> {
        if let Self::Server(client) = self {
            match client.entries(from) {
                Ok(entries) => {
                    let batch = batch(client.url(), from, &entries)?;
                    return Ok(Newest { checkpoint: entries.checkpoint, cosigned: entries.cosigned, batch });
                }
                // A static copy has no such address.
                Err(ClientError::NotCountersign { .. }) => *self = Self::Static(client.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        // In this order, so that a copy that is brought up to date meanwhile shows the longer log last.
        let cosigned = self.note("cosigned")?;
        let checkpoint = self.note("checkpoint")?.ok_or_else(|| self.malformed("it has no checkpoint"))?;
        Ok(Newest { checkpoint, cosigned, batch: Batch::default() })
    }

    fn note(&self, name: &str) -> Result<Option<String>, SourceError> {
        let Some(bytes) = self.file(name)? else { return Ok(None) };
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(self.malformed(format!("its {name} is too long")));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.malformed(format!("its {name} is no text")))?;
        Ok(Some(text))
    }

    fn malformed(&self, why: impl Into<String>) -> SourceError {
        SourceError::Malformed { place: self.name(), why: why.into() }
    }

    /// Leaves from index `from` on, of a log of `size`: at least one, and as many as come in one piece.
    pub fn leaves(&self, from: u64, size: u64) -> Result<Batch, SourceError> {
        match self {
            Self::Server(client) => batch(client.url(), from, &client.entries(from)?),
            Self::Static(_) | Self::Folder(_) => self.bundle(from, size),
        }
    }

    /// The entry bundle in which a leaf stands.
    fn bundle(&self, from: u64, size: u64) -> Result<Batch, SourceError> {
        let width = u64::from(TILE_WIDTH);
        let (index, skip) = (from / width, from % width);
        let in_tile = size.saturating_sub(index.saturating_mul(width)).min(width);
        let path = TilePath { kind: TileKind::Entries, index, width: u16::try_from(in_tile).unwrap_or(TILE_WIDTH) };
        let full = TilePath { width: TILE_WIDTH, ..path };
        let bytes = match self.file(&path.to_string())? {
            Some(bytes) => bytes,
            // The log has grown, and its copy keeps full bundles only.
            None => self.file(&full.to_string())?.ok_or_else(|| self.malformed(format!("it has no {path}")))?,
        };
        let leaves = parse_entry_bundle(&bytes).map_err(|e| self.malformed(format!("{path}: {e}")))?;
        let end = usize::try_from(in_tile).unwrap_or(usize::MAX);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let leaves: Vec<Vec<u8>> = leaves.into_iter().take(end).skip(skip).collect();
        let mut blobs = BTreeMap::new();
        for bytes in &leaves {
            // What cannot be read is for the follower to say.
            let Ok(entry) = Entry::parse(bytes) else { continue };
            self.fetch(entry.needed_blobs(), &mut blobs)?;
            if let Some(files) = entry.signed.statement().body.governance_files()
                && let Ok(manifest) = read_manifest(&files, &|digest| blobs.get(digest).cloned())
            {
                self.fetch(manifest.into_values().flatten(), &mut blobs)?;
            }
        }
        Ok(Batch { leaves, blobs })
    }

    fn fetch(
        &self,
        digests: impl IntoIterator<Item = Digest>,
        blobs: &mut BTreeMap<Digest, Vec<u8>>,
    ) -> Result<(), SourceError> {
        for digest in digests {
            if blobs.contains_key(&digest) {
                continue;
            }
            if let Some(bytes) = self.file(&format!("blobs/{}", digest.hex()))? {
                blobs.insert(Digest::of(&bytes), bytes);
            }
        }
        Ok(())
    }

    /// A file of the static layout, if it is there.
    fn file(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Self::Server(client) | Self::Static(client) => Ok(client.file(name)?),
            Self::Folder(folder) => read(&folder.join(name)),
        }
    }
}

fn batch(place: &str, from: u64, entries: &crate::wire::Entries) -> Result<Batch, SourceError> {
    let malformed = |why: &str| SourceError::Malformed { place: place.to_owned(), why: why.to_owned() };
    if entries.from != from {
        return Err(malformed("it answers with other leaves than were asked for"));
    }
    Ok(Batch {
        leaves: entries.leaves().ok_or_else(|| malformed("a leaf is no base64"))?,
        blobs: entries.blobs().ok_or_else(|| malformed("a blob is no base64"))?,
    })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Io { path: path.to_owned(), source }),
    }
}
