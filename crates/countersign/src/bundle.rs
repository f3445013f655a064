//! Bundles and exports: a copy of the log, or of one change's part of it, as files that anybody can keep and check.
//!
//! A bundle is a tar archive (or its unpacked directory); `docs/bundle.md` has the layout. It becomes [`Evidence`], which core
//! verifies. An export is a directory in the layout of C2SP tlog-tiles, with the blobs beside it; it has no limit, and is
//! written and read as it comes: see [`unpack`] and [`crate::verifying`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use countersign_core::{
    ids::ChangeId,
    statement::{Body, Statement},
    verify::Evidence,
};
use countersign_ledger::{Digest, Hash, Leaf, StreamId, dsse::NAMESPACE, sshsig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::home::files::word;

const VERSION: u32 = 1;
const MANIFEST: &str = "bundle.json";

/// More than any honest bundle needs; a bound on what a hostile one can make us read.
pub const MAX_BUNDLE_BYTES: u64 = 256 * 1024 * 1024;
const MAX_FILES: usize = 200_000;

#[derive(Debug, Error)]
pub enum BundleError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} is not a bundle: {why}")]
    NotABundle { path: PathBuf, why: String },
    #[error("{path} is truncated or damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    #[error("{path} is no tar archive: {what}")]
    NoArchive { path: PathBuf, what: String, hint: String },
    #[error("{path} has a file that is no part of a bundle: `{name}`{whose}")]
    Foreign { path: PathBuf, name: String, whose: &'static str },
    #[error("{path} was written by a newer version (bundle format {found}, this program knows {VERSION})")]
    Newer { path: PathBuf, found: u32 },
}

impl BundleError {
    pub fn hint(&self) -> &str {
        match self {
            Self::Read { .. } => {
                "pass the file that `countersign bundle CHANGE --out FILE` wrote, or its unpacked directory"
            }
            Self::Write { .. } => "is there room, and may this account write there?",
            Self::NotABundle { .. } => {
                "a bundle comes from `countersign bundle CHANGE --out FILE`, an export from `countersign export DIR`"
            }
            Self::Damaged { .. } => "fetch the bundle again; nothing in it can be trusted as it is",
            Self::NoArchive { hint, .. } => hint,
            Self::Foreign { .. } => "take it out, and verify again",
            Self::Newer { .. } => "verify it with a newer countersign",
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    origin: String,
    change: ChangeId,
    /// The streams that are here whole. Of others there are leaves only where they stand in these.
    streams: BTreeSet<StreamId>,
    /// Without the leaves of the governance stream from the second up to this one, which the asker has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    governed: Option<u64>,
}

impl Manifest {
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(self)
    }
}

/// A bundle's files, by their path in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a bundle holds.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub origin: String,
    pub change: ChangeId,
    pub evidence: Evidence,
    /// How far governance was left out, for an asker who has verified so much of it before.
    pub governed: Option<u64>,
    /// From the checkpoint that the asker had to this one; empty if they had none.
    pub consistency: Vec<Hash>,
    /// Files of `approvals/`, which is there for `ssh-keygen`, that do not say what the leaves say.
    pub extracts_differ: Vec<String>,
}

impl Bundle {
    pub fn to_files(&self) -> Result<Files, serde_json::Error> {
        let mut files = Files::new();
        let manifest = Manifest {
            version: VERSION,
            origin: self.origin.clone(),
            change: self.change.clone(),
            streams: self.evidence.streams.clone(),
            governed: self.governed,
        };
        files.insert(MANIFEST.to_owned(), manifest.to_bytes()?);
        files.insert("checkpoint".to_owned(), self.evidence.checkpoint.clone().into_bytes());
        if !self.consistency.is_empty() {
            files.insert("consistency".to_owned(), hash_lines(&self.consistency));
        }
        for (index, bytes) in &self.evidence.leaves {
            files.insert(format!("leaves/{}", name_of(*index)), bytes.clone());
        }
        for (index, proof) in &self.evidence.proofs {
            files.insert(format!("proofs/{}", name_of(*index)), hash_lines(proof));
        }
        for (digest, bytes) in &self.evidence.blobs {
            files.insert(format!("blobs/{}", digest.hex()), bytes.clone());
        }
        files.extend(extracts(&self.evidence, &self.change));
        Ok(files)
    }

    /// A tar archive with fixed times and owners, so that the same bundle has the same bytes.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        tar_of(&self.to_files().map_err(io::Error::other)?)
    }

    pub fn from_tar(path: &Path, bytes: &[u8]) -> Result<Self, BundleError> {
        Self::from_files(path, files_of_tar(path, bytes)?)
    }

    pub fn from_files(path: &Path, mut files: Files) -> Result<Self, BundleError> {
        let not_a_bundle = |why: String| BundleError::NotABundle { path: path.to_owned(), why };
        let damaged = |why: String| BundleError::Damaged { path: path.to_owned(), why };
        let manifest = files.remove(MANIFEST).ok_or_else(|| not_a_bundle("it has no bundle.json".to_owned()))?;
        let version = serde_json::from_slice::<serde_json::Value>(&manifest)
            .ok()
            .and_then(|value| value.get("version")?.as_u64())
            .ok_or_else(|| damaged("bundle.json names no version".to_owned()))?;
        if version != u64::from(VERSION) {
            return Err(BundleError::Newer {
                path: path.to_owned(),
                found: u32::try_from(version).unwrap_or(u32::MAX),
            });
        }
        let parsed: Manifest = serde_json::from_slice(&manifest).map_err(|e| damaged(format!("bundle.json: {e}")))?;
        if parsed.to_bytes().ok().as_ref() != Some(&manifest) {
            return Err(damaged("bundle.json is not spelled as it is written".to_owned()));
        }
        let manifest = parsed;
        let checkpoint = files.remove("checkpoint").ok_or_else(|| damaged("it has no checkpoint".to_owned()))?;
        let mut evidence = Evidence {
            checkpoint: String::from_utf8(checkpoint).map_err(|_| damaged("the checkpoint is not text".to_owned()))?,
            streams: manifest.streams,
            ..Evidence::default()
        };
        let mut consistency = Vec::new();
        let mut extracted = Files::new();
        for (name, bytes) in files {
            let last = name.rsplit('/').next().unwrap_or(&name);
            if last.starts_with('.') || is_left_behind(&name).is_some() {
                return Err(foreign(path, &name));
            }
            match name.split_once('/') {
                Some(("leaves", text)) => {
                    let index = index_of(text).ok_or_else(|| damaged(format!("`{name}` is no leaf's name")))?;
                    evidence.leaves.insert(index, bytes);
                }
                Some(("proofs", text)) => {
                    let index = index_of(text).ok_or_else(|| damaged(format!("`{name}` is no proof's name")))?;
                    evidence.proofs.insert(index, parse_hash_lines(&bytes).map_err(damaged)?);
                }
                Some(("blobs", text)) => {
                    let digest = Digest::from_hex(text).map_err(|e| damaged(format!("`{name}`: {e}")))?;
                    evidence.blobs.insert(digest, bytes);
                }
                Some(("approvals", _)) => {
                    extracted.insert(name, bytes);
                }
                None if name == "consistency" => consistency = parse_hash_lines(&bytes).map_err(damaged)?,
                Some(_) | None => return Err(foreign(path, &name)),
            }
        }
        // Not an error yet: a changed leaf should be named by its index, which verification does.
        let extracts_differ = differing(&extracted, &extracts(&evidence, &manifest.change));
        Ok(Self {
            origin: manifest.origin,
            change: manifest.change,
            evidence,
            governed: manifest.governed,
            consistency,
            extracts_differ,
        })
    }
}

/// What the files of a leaf are called.
fn name_of(index: u64) -> String {
    format!("{index:010}")
}

/// The other way. Under two names a leaf could be there twice, and be read in two ways.
fn index_of(name: &str) -> Option<u64> {
    name.parse().ok().filter(|index| name_of(*index) == name)
}

/// Whose file lies in a folder without anybody having put it there.
fn is_left_behind(name: &str) -> Option<&'static str> {
    let last = name.rsplit('/').next().unwrap_or(name);
    match last {
        ".DS_Store" => Some(", which macOS leaves in folders"),
        _ if last.starts_with("._") || name.starts_with("__MACOSX/") => Some(", which macOS adds to archives"),
        "Thumbs.db" | "desktop.ini" => Some(", which Windows leaves in folders"),
        _ if last.ends_with('~') || last.ends_with(".swp") || last.ends_with(".orig") => Some(", which an editor left"),
        _ => None,
    }
}

fn foreign(path: &Path, name: &str) -> BundleError {
    let whose = is_left_behind(name).unwrap_or_default();
    BundleError::Foreign { path: path.to_owned(), name: name.escape_debug().take(200).collect(), whose }
}

/// Says what bytes are that are no tar archive; they themselves are never shown.
fn is_an_archive(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    const FETCH: &str = "a bundle comes from `countersign bundle CHANGE --out FILE`";
    let is = |what: &str, hint: &str| {
        Err(BundleError::NoArchive { path: path.to_owned(), what: what.to_owned(), hint: hint.to_owned() })
    };
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"\x1f\x8b") {
        let unpacked = word(&path.with_extension("tar"));
        let hint = format!("unpack it first: gunzip < {} > {unpacked}", word(path));
        return is("it is compressed with gzip", &hint);
    }
    if begins(b"PK\x03\x04") {
        return is("it is a zip archive", "unpack it, and verify the folder");
    }
    if begins(b"\xfd7zXZ") || begins(b"BZh") || begins(b"\x28\xb5\x2f\xfd") {
        return is("it is compressed with xz, bzip2 or zstd", "unpack it first");
    }
    let beginning = String::from_utf8_lossy(bytes.get(..512.min(bytes.len())).unwrap_or_default()).to_lowercase();
    if beginning.trim_start().starts_with("<!doctype html") || beginning.trim_start().starts_with("<html") {
        return is("it is an HTML page", "a download that ended at a login page? Fetch the file itself");
    }
    if bytes.is_empty() {
        return is("it is empty", FETCH);
    }
    if bytes.len() < 512 {
        return is(&format!("it has only {} bytes", bytes.len()), FETCH);
    }
    match bytes.get(257..262) {
        Some(b"ustar") => Ok(()),
        // The end of an archive that has no files.
        Some([0, 0, 0, 0, 0]) if bytes.iter().all(|byte| *byte == 0) => Ok(()),
        Some(_) | None => is("it does not begin as one", FETCH),
    }
}

/// Files as a tar archive with fixed times and owners, so that the same files have the same bytes.
pub fn tar_of(files: &Files) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    archive.into_inner()
}

/// The files of a tar archive. Names that would leave a directory are refused.
pub fn files_of_tar(path: &Path, bytes: &[u8]) -> Result<Files, BundleError> {
    let damaged = |why: String| BundleError::Damaged { path: path.to_owned(), why };
    is_an_archive(path, bytes)?;
    let mut files = Files::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(|e| damaged(e.to_string()))? {
        let mut entry = entry.map_err(|e| damaged(e.to_string()))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let name = name_in_tar(&entry).map_err(damaged)?;
        if !kind.is_file() {
            return Err(damaged(format!("`{name}` is no file")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|e| damaged(e.to_string()))?;
        // Some programs would unpack the first one, some the last.
        if files.insert(name.clone(), content).is_some() {
            return Err(damaged(format!("`{name}` is in it twice")));
        }
        if files.len() > MAX_FILES {
            return Err(damaged(format!("it has more than {MAX_FILES} files")));
        }
    }
    // A tar archive ends with a block of zeros; one that was cut off at a file's end would otherwise go unnoticed.
    if bytes.len() < END || !bytes.len().is_multiple_of(512) || bytes.iter().rev().take(END).any(|byte| *byte != 0) {
        return Err(damaged(CUT_OFF.to_owned()));
    }
    if archive.into_inner().iter().any(|byte| *byte != 0) {
        return Err(damaged(GOES_ON.to_owned()));
    }
    Ok(files)
}

/// The two empty blocks that a tar archive ends with.
const END: usize = 1_024;
/// Some programs fill an archive's last record.
const MAX_PADDING: u64 = 64 * 1_024;
const CUT_OFF: &str = "it is cut off: the end of the archive is missing";
const GOES_ON: &str = "something stands behind the end of the archive";

/// A file's name in an archive, which stays in the directory that it is unpacked to.
fn name_in_tar(entry: &tar::Entry<'_, impl Read>) -> Result<String, String> {
    let name = entry.path().map_err(|e| e.to_string())?;
    let name = name.strip_prefix("./").unwrap_or(&name);
    let stays = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    match name.to_str() {
        Some(text) if stays && !text.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(format!("it has a file `{}`", name.display())),
    }
}

/// Writes the files of a tar archive into a directory while it comes: as many and as large as they are, one piece in memory.
/// `place` is what the archive is known by.
pub fn unpack(place: &Path, archive: impl Read, into: &Path) -> Result<(), BundleError> {
    let damaged = |why: String| BundleError::Damaged { path: place.to_owned(), why };
    let mut archive = tar::Archive::new(Ending { of: archive, bytes: 0, zeros: 0 });
    for entry in archive.entries().map_err(|e| damaged(e.to_string()))? {
        let mut entry = entry.map_err(|e| damaged(e.to_string()))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let name = name_in_tar(&entry).map_err(damaged)?;
        if !kind.is_file() {
            return Err(damaged(format!("`{name}` is no file")));
        }
        let path = into.join(&name);
        let cannot = |source| BundleError::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(cannot)?;
        }
        let mut file = match File::create_new(&path) {
            Ok(file) => file,
            // Some programs would keep the first one, some the last.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(damaged(format!("`{name}` is in it twice")));
            }
            Err(error) => return Err(cannot(error)),
        };
        let mut piece = vec![0; PIECE];
        loop {
            let length = entry.read(&mut piece).map_err(|e| damaged(format!("`{name}`: {e}")))?;
            match piece.get(..length) {
                Some([]) | None => break,
                Some(read) => file.write_all(read).map_err(cannot)?,
            }
        }
    }
    // The first empty block ends the files; what follows is the rest of the end.
    let mut ending = archive.into_inner();
    let ended = ending.bytes;
    io::copy(&mut ending.by_ref().take(MAX_PADDING), &mut io::sink()).map_err(|e| damaged(e.to_string()))?;
    let more = ending.read(&mut [0]).map_err(|e| damaged(e.to_string()))?;
    let Ending { bytes, zeros, of: _ } = ending;
    if zeros < bytes.saturating_sub(ended) || more != 0 {
        return Err(damaged(GOES_ON.to_owned()));
    }
    if zeros < END as u64 || !bytes.is_multiple_of(512) {
        return Err(damaged(CUT_OFF.to_owned()));
    }
    Ok(())
}

/// What is read at once of a file that is unpacked.
const PIECE: usize = 64 * 1_024;

/// Knows how a stream ended.
struct Ending<R> {
    of: R,
    bytes: u64,
    /// How many of the last ones are zero.
    zeros: u64,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.of.read(into)?;
        let read = into.get(..length).unwrap_or_default();
        let zeros = read.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == length { self.zeros.saturating_add(zeros as u64) } else { zeros as u64 };
        self.bytes = self.bytes.saturating_add(length as u64);
        Ok(length)
    }
}

/// The approvals in the form that stock `ssh-keygen -Y verify` takes: the signature, the signed bytes, and an
/// `allowed_signers` with the key that was used. Whose key it is, only the replayed catalog says.
fn extracts(evidence: &Evidence, change: &ChangeId) -> Files {
    let mut files = Files::new();
    let mut signers = String::new();
    for (index, bytes) in &evidence.leaves {
        let Ok(leaf) = Leaf::parse(bytes) else { continue };
        let Ok(statement) = Statement::parse(leaf.envelope.payload()) else { continue };
        match statement.body {
            // Leaves about other changes are there for completeness alone.
            Body::Approval(approval) if approval.change == *change => {}
            _ => continue,
        }
        let name = format!("approvals/{index:010}-{}", statement.header.by);
        let Some(signature) = leaf.envelope.signatures().first() else { continue };
        files.insert(format!("{name}.sig"), sshsig::armor(&signature.sshsig).into_bytes());
        files.insert(format!("{name}.signed"), leaf.envelope.signed_bytes());
        if let Some(Ok(verified)) = leaf.envelope.verify_all().into_iter().next() {
            let line = format!("{} namespaces=\"{NAMESPACE}\" {}\n", statement.header.by, verified.key);
            if !signers.contains(&line) {
                signers.push_str(&line);
            }
        }
    }
    if !files.is_empty() {
        files.insert("approvals/allowed_signers".to_owned(), signers.into_bytes());
    }
    files
}

/// Names that are not the same in both.
fn differing(one: &Files, other: &Files) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

fn hash_lines(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().map(|hash| format!("{hash}\n")).collect::<String>().into_bytes()
}

fn parse_hash_lines(bytes: &[u8]) -> Result<Vec<Hash>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a proof is not text".to_owned())?;
    let hashes: Result<Vec<Hash>, String> =
        text.lines().map(|line| line.parse().map_err(|e| format!("a proof is malformed: {e}"))).collect();
    let hashes = hashes?;
    match hash_lines(&hashes) == bytes {
        true => Ok(hashes),
        false => Err("a proof is not spelled as it is written".to_owned()),
    }
}

/// Whether this is a bundle, a file or its unpacked directory, and not an export.
pub fn is_bundle(path: &Path) -> bool {
    !path.is_dir() || path.join(MANIFEST).exists() || !path.join("checkpoint").exists()
}

/// Reads a bundle, a tar archive or its directory.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let metadata = fs::metadata(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(BundleError::NotABundle {
            path: path.to_owned(),
            why: "it is no file and no directory".to_owned(),
        });
    }
    if metadata.is_file() {
        if metadata.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::NotABundle { path: path.to_owned(), why: "it is too large".to_owned() });
        }
        let bytes = fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
        return Bundle::from_tar(path, &bytes);
    }
    if !path.join(MANIFEST).exists() {
        return Err(BundleError::NotABundle {
            path: path.to_owned(),
            why: "it has neither a bundle.json nor a checkpoint".to_owned(),
        });
    }
    let mut files = Files::new();
    let mut left = MAX_BUNDLE_BYTES;
    walk(path, "", &mut files, &mut left)?;
    Bundle::from_files(path, files)
}

fn walk(root: &Path, prefix: &str, files: &mut Files, left: &mut u64) -> Result<(), BundleError> {
    let dir = root.join(prefix);
    let read = |path: &Path, source| BundleError::Read { path: path.to_owned(), source };
    for entry in fs::read_dir(&dir).map_err(|e| read(&dir, e))? {
        let entry = entry.map_err(|e| read(&dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().map_err(|e| read(&entry.path(), e))?;
        if kind.is_dir() {
            walk(root, &name, files, left)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).map_err(|e| read(&entry.path(), e))?;
            *left = left.saturating_sub(bytes.len() as u64);
            if *left == 0 || files.len() > MAX_FILES {
                return Err(BundleError::NotABundle { path: root.to_owned(), why: "it is too large".to_owned() });
            }
            files.insert(name, bytes);
        }
    }
    Ok(())
}
