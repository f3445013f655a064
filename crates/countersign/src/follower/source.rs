//! Where a log is read from: its server, any place that serves it as static files, or a folder. Nothing of it is believed; a
//! source only fetches.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{
    governance::{files_named, list_named},
    statement::Statement,
    trust::Trust,
};
use countersign_ledger::{
    Digest, Hash, Leaf,
    checkpoint::MAX_NOTE_BYTES,
    tile::{TILE_WIDTH, TileKind, TilePath, parse_entry_bundle, parse_hash_tile},
};
use thiserror::Error;

use super::{learned, ledger::Ledger};
use crate::{
    client::{Client, ClientError, MAX_BLOB_BYTES},
    records::names_a_list,
    store::{Access, Options, StoreError},
    wire::{EpochHint, MAX_HINT_BYTES},
};

/// The file that says where epochs were begun.
pub const EPOCH: &str = "epoch";

/// As many as a server gives at once.
const MAX_LEAVES: usize = 1_024;

/// 256 leaves as long as an entry bundle can write them.
const MAX_TILE_BYTES: u64 = 256 * (65_535 + 2);

/// Most blobs are shorter, and are read in one piece.
const USUAL_BYTES: usize = 4_096;

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
    #[error("the store at {path}: {source}")]
    Store { path: PathBuf, source: StoreError },
    #[error("{place} is not what it should be: {why}")]
    Malformed { place: String, why: String },
}

/// A place that a log is read from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A server, which gives a follower what it needs in one answer.
    Server(Client),
    /// The layout of C2SP tlog-tiles with `blobs/` beside it, at an address.
    Static(Client),
    /// The same in a folder.
    Folder(PathBuf),
    /// A store on this machine.
    Ledger(Arc<Ledger>),
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

    /// The file of a follower's copy.
    pub fn of_copy(file: &Path, trust: &Trust, access: Access) -> Result<Self, SourceError> {
        let learned = file.parent().map_or_else(|| Ok(trust.clone()), |folder| learned::in_folder(folder, trust));
        let learned = learned.map_err(|source| SourceError::Io { path: file.to_owned(), source })?;
        let options = Options::copy(learned.log_key, access);
        Ledger::open(file, &options).map(|ledger| Self::Ledger(Arc::new(ledger)))
    }

    /// What a person knows it by.
    pub fn name(&self) -> String {
        match self {
            Self::Server(client) | Self::Static(client) => client.url().to_owned(),
            Self::Folder(path) => path.display().to_string(),
            Self::Ledger(ledger) => ledger.path().display().to_string(),
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
        let (checkpoint, cosigned) = self.notes()?;
        Ok(Newest { checkpoint, cosigned, batch: Batch::default() })
    }

    /// The static layout at an address, also at that of a server, or in a folder: for whoever reads a whole log.
    pub fn files_at(place: &str) -> Self {
        match Self::at(place) {
            Self::Server(client) | Self::Static(client) => Self::Static(client),
            Self::Folder(path) => Self::Folder(path),
            Self::Ledger(ledger) => Self::Ledger(ledger),
        }
    }

    /// Where epochs of the log were begun, by its word; nothing in the first.
    pub fn epochs(&self) -> Result<Vec<EpochHint>, SourceError> {
        Ok(self.file(EPOCH, MAX_HINT_BYTES)?.map(|bytes| EpochHint::read(&bytes)).unwrap_or_default())
    }

    /// The same as it stands in a static copy.
    pub fn epochs_as_file(&self) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.file(EPOCH, MAX_HINT_BYTES)?.filter(|bytes| !EpochHint::read(bytes).is_empty()))
    }

    /// The newest checkpoint, and the newest that others cosigned.
    pub fn notes(&self) -> Result<(String, Option<String>), SourceError> {
        // In this order, so that a copy that is brought up to date meanwhile shows the longer log last.
        let cosigned = self.note("cosigned")?;
        let checkpoint = self.note("checkpoint")?.ok_or_else(|| self.malformed("it has no checkpoint"))?;
        Ok((checkpoint, cosigned))
    }

    fn note(&self, name: &str) -> Result<Option<String>, SourceError> {
        let Some(bytes) = self.file(name, MAX_NOTE_BYTES as u64)? else { return Ok(None) };
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
            Self::Static(_) | Self::Folder(_) | Self::Ledger(_) => self.bundles(from, size),
        }
    }

    /// Some entry bundles that follow one another, so that not each has to be made durable apart.
    fn bundles(&self, from: u64, size: u64) -> Result<Batch, SourceError> {
        let mut batch = self.bundle(from, size)?;
        loop {
            let next = from.saturating_add(batch.leaves.len() as u64);
            if next >= size || batch.leaves.len() + usize::from(TILE_WIDTH) > MAX_LEAVES {
                return Ok(batch);
            }
            let Batch { leaves, blobs } = self.bundle(next, size)?;
            if leaves.is_empty() {
                return Ok(batch);
            }
            batch.leaves.extend(leaves);
            batch.blobs.extend(blobs);
        }
    }

    /// The entry bundle in which a leaf stands, with the blobs that folding it needs.
    fn bundle(&self, from: u64, size: u64) -> Result<Batch, SourceError> {
        let width = u64::from(TILE_WIDTH);
        let path = tile(TileKind::Entries, from / width, size);
        let leaves = self.entries(from / width, size)?.ok_or_else(|| self.malformed(format!("it has no {path}")))?;
        let skip = usize::try_from(from % width).unwrap_or(usize::MAX);
        let leaves: Vec<Vec<u8>> = leaves.into_iter().take(usize::from(path.width)).skip(skip).collect();
        let mut blobs = BTreeMap::new();
        for bytes in &leaves {
            // What cannot be read is for the follower to say, who checks signatures as well.
            let Ok(leaf) = Leaf::parse(bytes) else { continue };
            let Ok(Statement { body, .. }) = Statement::parse(leaf.envelope.payload()) else { continue };
            let token = leaf.envelope.token().map(|token| token.digest);
            self.fetch(body.needed_blobs().into_iter().chain(token), &mut blobs)?;
            if names_a_list(&body) {
                let list = list_named(&body, &|digest| blobs.get(digest).cloned()).ok().flatten();
                self.fetch(list, &mut blobs)?;
                let files = files_named(&body, &|digest| blobs.get(digest).cloned()).unwrap_or_default();
                self.fetch(files, &mut blobs)?;
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
            if let Some(bytes) = self.blob(&digest)? {
                blobs.insert(Digest::of(&bytes), bytes);
            }
        }
        Ok(())
    }

    /// The leaves of an entry bundle of a log of `size`, if it is there.
    pub fn entries(&self, index: u64, size: u64) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        self.tile(tile(TileKind::Entries, index, size), parse_entry_bundle)
    }

    /// The hashes of the same leaves.
    pub fn hashes(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, SourceError> {
        self.tile(tile(TileKind::Hashes(0), index, size), parse_hash_tile)
    }

    /// A hash tile, if it is there.
    pub fn hash_tile(&self, path: TilePath) -> Result<Option<Vec<Hash>>, SourceError> {
        self.tile(path, parse_hash_tile)
    }

    /// A blob, if it is there. It may be anything: whoever asked for it compares its digest.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, SourceError> {
        self.file(&format!("blobs/{}", digest.hex()), MAX_BLOB_BYTES)
    }

    fn tile<T, E: std::fmt::Display>(
        &self,
        path: TilePath,
        parse: fn(&[u8]) -> Result<Vec<T>, E>,
    ) -> Result<Option<Vec<T>>, SourceError> {
        let read = |path: &TilePath| -> Result<Option<Vec<T>>, SourceError> {
            let Some(bytes) = self.file(&path.to_string(), MAX_TILE_BYTES)? else { return Ok(None) };
            parse(&bytes).map(Some).map_err(|e| self.malformed(format!("{path}: {e}")))
        };
        if let Some(items) = read(&path)? {
            return Ok(Some(items));
        }
        if path.is_full() {
            return Ok(None);
        }
        // The log has grown, and its copy keeps full tiles only.
        let mut items = read(&TilePath { width: TILE_WIDTH, ..path })?;
        items.iter_mut().for_each(|items| items.truncate(usize::from(path.width)));
        Ok(items)
    }

    /// How many leaves a folder has room for by the names of its entry bundles, if that is more than `size`: a copy that is
    /// handed on has none behind its checkpoint. Nothing is said of an address, behind which the log goes on.
    pub fn goes_beyond(&self, size: u64) -> Result<bool, SourceError> {
        match self {
            Self::Server(_) | Self::Static(_) | Self::Ledger(_) => Ok(false),
            Self::Folder(folder) => goes_beyond(folder, "tile/entries", size),
        }
    }

    /// A file of the static layout, if it is there.
    fn file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Self::Server(client) | Self::Static(client) => Ok(client.file(name, limit)?),
            Self::Ledger(ledger) if name == "cosigned" => read(&ledger.cosigned(), limit),
            Self::Ledger(ledger) => ledger.file(name),
            Self::Folder(folder) => {
                let bytes = read(&folder.join(name), limit)?;
                match bytes {
                    Some(bytes) if bytes.len() as u64 > limit => Err(self.malformed(format!("{name} is too long"))),
                    Some(_) | None => Ok(bytes),
                }
            }
        }
    }
}

/// The tile with this index of a log of `size` leaves, or that of the last one where it has no such tile.
fn tile(kind: TileKind, index: u64, size: u64) -> TilePath {
    let width = u64::from(TILE_WIDTH);
    let items = size.saturating_sub(index.saturating_mul(width)).clamp(1, width);
    TilePath { kind, index, width: u16::try_from(items).unwrap_or(TILE_WIDTH) }
}

fn goes_beyond(root: &Path, name: &str, size: u64) -> Result<bool, SourceError> {
    let folder = root.join(name);
    let failed = |source| SourceError::Io { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let beyond = if entry.file_type().map_err(failed)?.is_dir() {
            goes_beyond(root, &name, size)?
        } else {
            name.parse::<TilePath>().is_ok_and(|path| !path.is_within(size))
        };
        if beyond {
            return Ok(true);
        }
    }
    Ok(false)
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

/// Reads a file as far as one byte over the limit.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Most fit, and then no room is made that is not needed.
    let mut first = [0; USUAL_BYTES];
    let length = match file.read(&mut first) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        read => read.map_err(failed)?,
    };
    let mut bytes = first.get(..length).unwrap_or_default().to_vec();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}
