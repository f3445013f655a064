//! The whole log as a folder in the layout of C2SP tlog-tiles, with the blobs beside it. The next export into the same folder
//! fetches what is new, and takes away what was erased since.
//!
//! What is fetched has to continue what the folder has: the leaves are hashed on from there, up to the root of the new checkpoint.
//! They come beside the others, and take their places when that is so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    governance::list_named,
    statement::{Body, Erasure, Statement},
    trust::Trust,
};
use countersign_ledger::{
    Digest, Hash, Leaf,
    checkpoint::{Checkpoint, MAX_NOTE_BYTES, SignedCheckpoint},
    tile::{TILE_WIDTH, TileKind, TilePath, entry_bundle, hash_tile},
};
use serde::Serialize;

use super::{CopyError, io_error, opened, tree::Tree};
use crate::{
    bundle,
    client::Client,
    durable,
    follower::source::{EPOCH, Source},
    records::blobs_named,
    store::tiles::TileAt,
};

pub(super) const CHECKPOINT: &str = "checkpoint";
const COSIGNED: &str = "cosigned";
const LOCK: &str = ".lock";
const COMING: &str = ".coming-";
/// What stands in the folder of an export, beside files that begin with a dot.
const NAMES: [&str; 5] = [CHECKPOINT, COSIGNED, EPOCH, "tile", "blobs"];

#[derive(Debug, Serialize)]
pub struct Exported {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// How many leaves were not there before.
    pub new: u64,
    /// How many blobs were taken away, since they were erased.
    pub erased: u64,
    /// How many blobs were damaged, and were fetched again.
    pub mended: u64,
}

/// Brings the export in a folder up to date, or begins one.
pub fn export(source: &Source, into: &Path, trust: &Trust) -> Result<Exported, CopyError> {
    let is_new = !into.exists();
    let _lock = lock(into)?;
    let exported = locked(source, into, trust);
    // Nothing that was begun here and broke off stays behind. What is whole by now, another has made, or it was fetched already.
    if is_new && exported.is_err() && !into.join(CHECKPOINT).exists() {
        drop(fs::remove_dir_all(into));
    }
    exported
}

/// Nobody else writes into the folder as long as this is held.
fn lock(into: &Path) -> Result<fs::File, CopyError> {
    let path = into.join(LOCK);
    loop {
        fs::create_dir_all(into).map_err(io_error("make", into))?;
        match durable::lock(&path) {
            // Who held it before may have taken the folder away with it.
            Ok(_) if !path.exists() => {}
            Ok(lock) => return Ok(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("lock", &path)(error)),
        }
    }
}

fn locked(source: &Source, into: &Path, trust: &Trust) -> Result<Exported, CopyError> {
    vacant_or_export(into)?;
    let before = checkpoint_in(into, trust)?;
    if let (None, Source::Server(client)) = (&before, source) {
        begin(client, into, trust)?;
        let begun = checkpoint_in(into, trust)?.map(|note| note.checkpoint().size);
        let done = bring_up_to_date(source, into, trust)?;
        return Ok(Exported { new: done.new.saturating_add(begun.unwrap_or_default()), ..done });
    }
    bring_up_to_date(source, into, trust)
}

fn bring_up_to_date(source: &Source, into: &Path, trust: &Trust) -> Result<Exported, CopyError> {
    let (note, cosigned) = source.notes()?;
    let place = source.name();
    let shown = opened(&place, &note, trust)?;
    let here = Source::Folder(into.to_owned());
    let before = checkpoint_in(into, trust)?;
    let known = before.as_ref().map_or(0, |note| note.checkpoint().size);
    let size = shown.checkpoint().size;
    if size < known {
        let by = into.display().to_string();
        return Err(CopyError::Older { place, found: size, known, by });
    }
    let coming = tempfile::Builder::new().prefix(COMING).tempdir_in(into).map_err(io_error("write in", into))?;
    let tree = tree_in(&here, before.as_ref(), into)?;
    let mut growth = Growth { source, into, coming: coming.path(), tree, come: Vec::new(), erasures: Vec::new() };
    growth.grow(size)?;
    let (found, root) = (growth.tree.root(), shown.checkpoint().root);
    if found != root {
        let by = format!("its own checkpoint, or what {} has of it", into.display());
        return Err(CopyError::Differs { place, by, size, found, known: root });
    }
    let erased = growth.take_place()?;
    let mended = growth.mend()?;
    if let Some(note) = cosigned
        && opened(&source.name(), &note, trust)?.checkpoint().size <= size
    {
        put(into, COSIGNED, note.as_bytes())?;
    }
    if let Some(hints) = source.epochs_as_file()? {
        put(into, EPOCH, &hints)?;
    }
    // The last, so that whatever it is about is there.
    let path = into.join(CHECKPOINT);
    durable::replace(&path, note).map_err(io_error("write", &path))?;
    clear(into, known, size)?;
    let origin = shown.checkpoint().origin.clone();
    Ok(Exported { origin, size, root, new: size.saturating_sub(known), erased, mended })
}

/// Fetches a log that is new here in one piece, as fast as it comes, beside the place; what of it does not hold is not kept.
fn begin(client: &Client, into: &Path, trust: &Trust) -> Result<(), CopyError> {
    let staging = tempfile::Builder::new().prefix(COMING).tempdir_in(into).map_err(io_error("write in", into))?;
    bundle::unpack(Path::new("the server's export"), client.export()?, staging.path())?;
    let come = Source::Folder(staging.path().to_owned());
    let note = checkpoint_in(staging.path(), trust)?.ok_or_else(|| CopyError::Broken {
        place: client.url().to_owned(),
        why: "its export has no checkpoint".to_owned(),
    })?;
    let mut tree = Tree::default();
    while tree.size() < note.checkpoint().size {
        for leaf in bundle_of(&come, tree.size(), note.checkpoint().size)? {
            for digest in named(&come, tree.size(), &leaf)?.blobs {
                blob(&come, &digest)?;
            }
            tree.push(Hash::leaf(&leaf));
        }
        tree.full();
    }
    let (found, known) = (tree.root(), note.checkpoint().root);
    if found != known {
        let (place, by) = (client.url().to_owned(), "its own checkpoint".to_owned());
        return Err(CopyError::Differs { place, by, size: tree.size(), found, known });
    }
    // The checkpoint last.
    for name in NAMES.iter().rev() {
        let (from, to) = (staging.path().join(name), into.join(name));
        // What an export that broke off has left.
        if to.is_dir() {
            fs::remove_dir_all(&to).map_err(io_error("remove", &to))?;
        }
        if from.exists() {
            fs::rename(&from, &to).map_err(io_error("move", &from))?;
        }
    }
    Ok(())
}

/// What another program keeps in the folder is left alone.
fn vacant_or_export(into: &Path) -> Result<(), CopyError> {
    for entry in fs::read_dir(into).map_err(io_error("read", into))? {
        let name = entry.map_err(io_error("read", into))?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !NAMES.contains(&name.as_str()) {
            return Err(CopyError::NoExport { path: into.to_owned(), name });
        }
    }
    Ok(())
}

/// The checkpoint of the export in a folder.
pub(super) fn checkpoint_in(folder: &Path, trust: &Trust) -> Result<Option<SignedCheckpoint>, CopyError> {
    let path = folder.join(CHECKPOINT);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_NOTE_BYTES as u64 => {
            Err(CopyError::Broken { place: path.display().to_string(), why: "it is too long".to_owned() })
        }
        Ok(_) => {
            let note = fs::read_to_string(&path).map_err(io_error("read", &path))?;
            opened(&path.display().to_string(), &note, trust).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// The tree that the folder has, which must be what its checkpoint says: every leaf, and every node.
fn tree_in(here: &Source, before: Option<&SignedCheckpoint>, into: &Path) -> Result<Tree, CopyError> {
    let Some(note) = before else { return Ok(Tree::default()) };
    let Checkpoint { size, root, .. } = note.checkpoint();
    let damaged = |why: String| CopyError::Damaged { path: into.to_owned(), why };
    let mut leaves = Tree::default();
    while leaves.size() < *size {
        bundle_of(here, leaves.size(), *size)?.iter().for_each(|leaf| leaves.push(Hash::leaf(leaf)));
        for (path, hashes) in leaves.full() {
            // A level that nothing stands above has its hashes in the root, and nowhere else.
            if here.hash_tile(path)?.as_ref() != Some(&hashes) {
                return Err(damaged(format!("{path}, or a leaf under it, is not what it was")));
            }
        }
    }
    match Tree::of(here, *size)? {
        Some(tree) if tree.root() == *root && leaves.root() == *root => Ok(tree),
        Some(_) | None => Err(damaged(format!("its tiles are not those of its checkpoint of {size} leaves"))),
    }
}

struct Growth<'a> {
    source: &'a Source,
    into: &'a Path,
    /// Where tiles lie until they are known to be the log's.
    coming: &'a Path,
    tree: Tree,
    come: Vec<TilePath>,
    erasures: Vec<Erasure>,
}

impl Growth<'_> {
    /// Takes the leaves behind those that are there.
    fn grow(&mut self, size: u64) -> Result<(), CopyError> {
        let width = u64::from(TILE_WIDTH);
        while self.tree.size() < size {
            let first = self.tree.size();
            let leaves = bundle_of(self.source, first, size)?;
            for leaf in &leaves {
                self.take(leaf)?;
            }
            let (index, skipped) = (first / width, usize::try_from(first % width).unwrap_or(0));
            let all = self.whole_bundle(index, skipped, leaves)?;
            let items = u16::try_from(all.len()).unwrap_or(TILE_WIDTH);
            let bytes = entry_bundle(&all).map_err(|error| broken(self.source, error.to_string()))?;
            self.put(TilePath { kind: TileKind::Entries, index, width: items }, &bytes)?;
            for (path, hashes) in self.tree.full() {
                self.put(path, &hash_tile(&hashes))?;
            }
        }
        for (path, hashes) in self.tree.edge() {
            self.put(path, &hash_tile(&hashes))?;
        }
        Ok(())
    }

    fn put(&mut self, path: TilePath, bytes: &[u8]) -> Result<(), CopyError> {
        put(self.coming, &path.to_string(), bytes)?;
        self.come.push(path);
        Ok(())
    }

    /// An entry bundle that was begun before, with what it begins with.
    fn whole_bundle(&self, index: u64, begun: usize, new: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CopyError> {
        if begun == 0 {
            return Ok(new);
        }
        let size = index.saturating_mul(u64::from(TILE_WIDTH)).saturating_add(begun as u64);
        let here = Source::Folder(self.into.to_owned());
        let mut all = here.entries(index, size)?.unwrap_or_default();
        if all.len() < begun {
            return Err(broken(&here, format!("entry bundle {index} is missing")));
        }
        all.truncate(begun);
        all.extend(new);
        Ok(all)
    }

    fn take(&mut self, leaf: &[u8]) -> Result<(), CopyError> {
        let Named { blobs, erasure } = named(self.source, self.tree.size(), leaf)?;
        for digest in blobs {
            let name = name_of(&digest);
            // Whatever comes of it, a blob is what its name says.
            if !self.into.join(&name).exists()
                && let Some(bytes) = blob(self.source, &digest)?
            {
                put(self.into, &name, &bytes)?;
            }
        }
        self.erasures.extend(erasure);
        self.tree.push(Hash::leaf(leaf));
        Ok(())
    }

    /// Puts what has come into its places, and takes away what was erased; says how much that was.
    fn take_place(&self) -> Result<u64, CopyError> {
        for path in &self.come {
            let name = path.to_string();
            let (from, to) = (self.coming.join(&name), self.into.join(&name));
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(io_error("make", folder))?;
            }
            fs::rename(&from, &to).map_err(io_error("write", &to))?;
        }
        let mut erased = 0_u64;
        for erasure in &self.erasures {
            for digest in &erasure.blobs {
                erased = erased.saturating_add(u64::from(self.erase(digest, erasure)?));
            }
        }
        Ok(erased)
    }

    /// Looks at every blob that is there; one that is not what its name says is fetched again.
    fn mend(&self) -> Result<u64, CopyError> {
        let folder = self.into.join("blobs");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(io_error("read", &folder)(error)),
        };
        let mut mended = 0_u64;
        for entry in entries {
            let path = entry.map_err(io_error("read", &folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Another kind of file is nobody's blob.
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            if Digest::of(&fs::read(&path).map_err(io_error("read", &path))?) == digest {
                continue;
            }
            let Some(bytes) = blob(self.source, &digest)? else {
                let why = format!("blob {digest} is not what its name says, and {} has it no more", self.source.name());
                return Err(CopyError::Damaged { path: self.into.to_owned(), why });
            };
            put(self.into, &name_of(&digest), &bytes)?;
            mended = mended.saturating_add(1);
        }
        Ok(mended)
    }

    fn erase(&self, digest: &Digest, erasure: &Erasure) -> Result<bool, CopyError> {
        let path = self.into.join(name_of(digest));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let takes = erasure.takes(&bytes);
        if takes {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        Ok(takes)
    }
}

/// The leaves from an index on, to the end of their entry bundle.
fn bundle_of(source: &Source, from: u64, size: u64) -> Result<Vec<Vec<u8>>, CopyError> {
    let width = u64::from(TILE_WIDTH);
    let leaves = source.entries(from / width, size)?.unwrap_or_default();
    let there = size.saturating_sub(from / width * width).min(width);
    if (leaves.len() as u64) < there {
        let missing = (from / width * width).saturating_add(leaves.len() as u64).max(from);
        return Err(broken(source, format!("leaf {missing} of {size} is missing")));
    }
    let skipped = usize::try_from(from % width).unwrap_or(0);
    Ok(leaves.into_iter().take(usize::try_from(there).unwrap_or(0)).skip(skipped).collect())
}

/// What a leaf names.
pub(super) struct Named {
    pub blobs: Vec<Digest>,
    /// If it is one.
    pub erasure: Option<Erasure>,
}

/// The blobs that a leaf names, itself or by its list of governance files.
pub(super) fn named(source: &Source, index: u64, leaf: &[u8]) -> Result<Named, CopyError> {
    let leaf = Leaf::parse(leaf).map_err(|error| broken(source, format!("leaf {index} is malformed: {error}")))?;
    let Statement { body, .. } = Statement::parse(leaf.envelope.payload())?;
    // Of what is only proposed the subject says which the list is.
    let mut lists = Vec::new();
    if let Some(subject) = body.governance_subject() {
        lists.push((subject.digest, blob(source, &subject.digest)?));
    }
    let of = |lists: &[(Digest, Option<Vec<u8>>)], digest: &Digest| {
        lists.iter().find(|(name, _)| name == digest).and_then(|(_, bytes)| bytes.clone())
    };
    if let Some(digest) = list_named(&body, &|digest| of(&lists, digest))? {
        lists.push((digest, blob(source, &digest)?));
    }
    let list = |digest: &Digest| of(&lists, digest);
    let token = leaf.envelope.token().map(|token| token.digest);
    let blobs = blobs_named(&body, list)?.into_iter().chain(token).collect();
    let erasure = match body {
        Body::Erasure(erasure) => Some(erasure),
        _ => None,
    };
    Ok(Named { blobs, erasure })
}

/// A blob that is there, and is what its name says.
pub(super) fn blob(source: &Source, digest: &Digest) -> Result<Option<Vec<u8>>, CopyError> {
    match source.blob(digest)? {
        Some(bytes) if Digest::of(&bytes) != *digest => Err(CopyError::Blob { place: source.name(), digest: *digest }),
        found => Ok(found),
    }
}

fn broken(source: &Source, why: String) -> CopyError {
    CopyError::Broken { place: source.name(), why }
}

fn name_of(digest: &Digest) -> String {
    format!("blobs/{}", digest.hex())
}

fn put(into: &Path, name: &str, bytes: &[u8]) -> Result<(), CopyError> {
    let path = into.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io_error("make", folder))?;
    }
    durable::put(&path, bytes).map_err(io_error("write", &path))
}

/// Removes the partial tiles of the log as it was, which nobody has a use for now.
fn clear(into: &Path, before: u64, size: u64) -> Result<(), CopyError> {
    if before == size {
        return Ok(());
    }
    let width = u64::from(TILE_WIDTH);
    let entries = before % width;
    let entries = (entries > 0).then(|| (TileKind::Entries, before / width, entries));
    let hashes =
        TileAt::edge(before).into_iter().map(|(at, width)| (TileKind::Hashes(at.level), at.index, width as u64));
    for (kind, index, width) in entries.into_iter().chain(hashes) {
        let Ok(width) = u16::try_from(width) else { continue };
        let path = TilePath { kind, index, width };
        let grown = size >> (8 * u32::from(level(kind)));
        let stays = index.saturating_mul(u64::from(TILE_WIDTH)).saturating_add(u64::from(width)) == grown;
        if stays {
            continue;
        }
        let path: PathBuf = into.join(path.to_string());
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &path)(error)),
        }
        if let Some(folder) = path.parent() {
            // Others of it may still be there.
            drop(fs::remove_dir(folder));
        }
    }
    Ok(())
}

fn level(kind: TileKind) -> u8 {
    match kind {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    }
}
