//! The ledger of a home, built again from a copy of its log: an export, or a backup. Everything is verified from the pinned
//! genesis on (leaves, tree, signatures, decisions), and every leaf is admitted and folded again, before anything of the home
//! is touched. The ledger that the home has is continued; a copy that is older, or another log, is refused.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{
    fold::Entry,
    trust::Trust,
    verify::{Report, Verdict},
};
use countersign_ledger::{
    Digest, Frontier, Hash, Time,
    checkpoint::{Checkpoint, SignedCheckpoint},
    tile::TILE_WIDTH,
};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use super::{CopyError, backup, export, io_error, ledger_of, of_intake, of_store, opened};
use crate::{
    durable,
    follower::{
        Reached,
        source::{Batch, Source},
    },
    home::{CONFIG_FILE, FOUNDED, Home, HomeError, LOCK, files},
    intake::Intake,
    records::{self, GovernanceCache},
    store::{self, Conflict, Options, Store},
    unix, verifying,
};

/// Where a ledger is built, in its home.
const BUILDING: &str = "ledger.db.importing";
/// What lies beside a ledger that was not closed.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

#[derive(Debug, Serialize)]
pub struct Imported {
    pub size: u64,
    pub root: Hash,
    /// How many leaves the home's ledger did not have.
    pub new: u64,
    /// Whether the home was made from the backup.
    pub made: bool,
    /// How many leaves the home had seen that the copy has not.
    pub lost: u64,
}

/// Builds the ledger of the home at a path. Where no home is, one is made of a backup.
/// With `older`, a copy that lacks what the home had is taken as well: what it had stays beside.
pub fn import(from: &Path, path: &Path, older: bool, threads: usize, now: Time) -> Result<Imported, CopyError> {
    is_a_folder(from)?;
    if path.exists() {
        let home = Home::open(path)?;
        return into_home(&source_at(from, home.trust())?, &home, older, threads, now)
            .map(|done| Imported { made: false, ..done });
    }
    let backup = match Home::open(from) {
        Err(HomeError::NotAHome { .. }) if from.join(export::CHECKPOINT).exists() => {
            return Err(CopyError::NoHome { home: path.to_owned(), from: from.to_owned() });
        }
        Err(HomeError::NotAHome { .. }) => return Err(no_copy(from, NEITHER)),
        opened => opened?,
    };
    let beside = files::beside(path);
    fs::create_dir_all(&beside).map_err(io_error("make", &beside))?;
    let staging = tempfile::Builder::new().prefix(".countersign-import-").tempdir_in(&beside);
    let staging = staging.map_err(io_error("make", path))?;
    let root = staging.path().join("home");
    files::make_private_folder(&root)?;
    backup::copy_files(backup.path(), &root, true)?;
    let home = Home::open(&root)?;
    home.genesis_files()?;
    let done = into_home(&source_at(from, home.trust())?, &home, false, threads, now)?;
    fs::rename(&root, path).map_err(io_error("make", path))?;
    Ok(Imported { made: true, ..done })
}

fn no_copy(from: &Path, why: &'static str) -> CopyError {
    CopyError::NoCopy { path: from.to_owned(), why }
}

const NEITHER: &str = "neither an export, which has a checkpoint, nor a backup, which is a home";

/// Exports and backups are.
fn is_a_folder(from: &Path) -> Result<(), CopyError> {
    match fs::metadata(from) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(no_copy(from, "it is a file, and exports and backups are folders")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_copy(from, "there is nothing of that name")),
        Err(error) => Err(io_error("open", from)(error)),
    }
}

/// A copy of a log: an export, or the ledger of a backup.
fn source_at(from: &Path, trust: &Trust) -> Result<Source, CopyError> {
    match Home::open(from) {
        Ok(backup) => ledger_of(&backup),
        Err(_) if export::checkpoint_in(from, trust)?.is_some() => Ok(Source::Folder(from.to_owned())),
        Err(error) if from.join(CONFIG_FILE).exists() => Err(error.into()),
        Err(_) => Err(no_copy(from, NEITHER)),
    }
}

fn into_home(source: &Source, home: &Home, older: bool, threads: usize, now: Time) -> Result<Imported, CopyError> {
    let trust = home.trust();
    let lock = home.path().join(LOCK);
    let locked = durable::try_lock(&lock).map_err(io_error("lock", &lock))?;
    let _lock = locked.ok_or_else(|| CopyError::Served { path: home.path().to_owned() })?;
    let (note, cosigned) = source.notes()?;
    let shown = opened(&source.name(), &note, trust)?;
    let log = Known::of(home)?;
    let lost = match log.is_continued_by(source, &shown) {
        Err(CopyError::Older { found, known, .. }) if older => known.saturating_sub(found),
        continued => continued.map(|()| 0)?,
    };
    verified(source, trust, threads, now)?;
    let Checkpoint { size, root, .. } = shown.checkpoint();
    let building = home.path().join(BUILDING);
    for ending in std::iter::once("").chain(BESIDE) {
        remove(&building, ending)?;
    }
    let known = match lost {
        0 => log.begin(&building)?,
        _ => log.leave(&building)?,
    };
    let build =
        Build { runtime: &log.runtime, source, shown: &shown, path: &building, options: home.store_options(), now };
    build.run()?;
    fs::File::open(&building).and_then(|file| file.sync_all()).map_err(io_error("write", &building))?;
    replace(&building, &home.ledger_path())?;
    let founded = home.path().join(FOUNDED);
    let genesis = format!("{}\n", home.genesis().payload_digest());
    durable::replace(&founded, genesis).map_err(io_error("write", &founded))?;
    // What it has seen stays, so that it is not served before a new epoch was begun.
    if lost == 0 {
        let seen = home.seen_path();
        durable::replace(&seen, shown.to_note()).map_err(io_error("write", &seen))?;
        keep_cosigned(home, cosigned, *size)?;
    }
    Ok(Imported { size: *size, root: *root, new: size.saturating_sub(known), made: false, lost })
}

/// The whole of a copy holds, by what the home pins.
fn verified(source: &Source, trust: &Trust, threads: usize, now: Time) -> Result<(), CopyError> {
    let report: Report = verifying::verify(trust, source, threads, now)?.report;
    if report.holds() {
        return Ok(());
    }
    let failed = report.steps.iter().find(|step| match step.verdict {
        Verdict::Broken | Verdict::Newer => true,
        Verdict::Holds | Verdict::NotChecked => false,
    });
    let why = failed.map_or_else(|| "it is not whole".to_owned(), |step| format!("{}: {}", step.name, step.detail));
    Err(CopyError::Broken { place: source.name(), why })
}

/// What the home has of its log.
struct Known {
    // Dropped before what it runs on.
    store: Option<Arc<dyn Store>>,
    runtime: Runtime,
    ledger: PathBuf,
    seen: Option<SignedCheckpoint>,
    seen_path: PathBuf,
}

impl Known {
    fn of(home: &Home) -> Result<Self, CopyError> {
        let ledger = home.ledger_path();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(io_error("start on", &ledger))?;
        let store = if ledger.exists() {
            let opened = runtime.block_on(store::open(&home.store_address(), &home.store_options()));
            Some(opened.map_err(of_store(&ledger))?)
        } else {
            None
        };
        Ok(Self { store, runtime, ledger, seen: home.seen()?, seen_path: home.seen_path() })
    }

    /// Neither its ledger nor what it has seen is behind or beside the copy.
    fn is_continued_by(&self, source: &Source, shown: &SignedCheckpoint) -> Result<(), CopyError> {
        let mut known = Vec::new();
        if let Some(store) = &self.store {
            let head = self.runtime.block_on(store.head()).map_err(of_store(&self.ledger))?;
            known.push((head.size, head.root, self.ledger.display().to_string()));
        }
        if let Some(seen) = &self.seen {
            let Checkpoint { size, root, .. } = seen.checkpoint();
            known.push((*size, *root, self.seen_path.display().to_string()));
        }
        let (place, found) = (source.name(), shown.checkpoint().size);
        for (size, root, by) in known.into_iter().filter(|(size, ..)| *size > 0) {
            if size > found {
                return Err(CopyError::Older { place, found, known: size, by });
            }
            let there = root_at(source, size, found)?;
            if there != root {
                return Err(CopyError::Differs { place, by, size, found: there, known: root });
            }
        }
        Ok(())
    }

    /// Puts the ledger as it is where it is continued, and says how many leaves it has.
    fn begin(&self, building: &Path) -> Result<u64, CopyError> {
        unix::new_private_file(building).map_err(io_error("write", building))?;
        let Some(store) = &self.store else { return Ok(0) };
        self.runtime
            .block_on(async {
                let head = store.head().await?;
                store.copy_to(building).await?;
                store.close().await?;
                Ok(head.size)
            })
            .map_err(of_store(&self.ledger))
    }
}

impl Known {
    /// Begins with nothing, and keeps the ledger as it is beside.
    fn leave(&self, building: &Path) -> Result<u64, CopyError> {
        unix::new_private_file(building).map_err(io_error("write", building))?;
        let Some(store) = &self.store else { return Ok(0) };
        let head = self.runtime.block_on(store.head()).map_err(of_store(&self.ledger))?;
        let mut kept = self.ledger.as_os_str().to_owned();
        kept.push(format!(".lost-{}", head.size));
        let kept = PathBuf::from(kept);
        if !kept.exists() {
            unix::new_private_file(&kept).map_err(io_error("write", &kept))?;
            self.runtime.block_on(store.copy_to(&kept)).map_err(of_store(&self.ledger))?;
        }
        self.runtime.block_on(store.close()).map_err(of_store(&self.ledger))?;
        Ok(0)
    }
}

/// The root of the first leaves of a copy that has so many, by its leaves.
fn root_at(source: &Source, size: u64, of: u64) -> Result<Hash, CopyError> {
    let mut frontier = Frontier::new();
    while frontier.size() < size {
        let index = frontier.size() / u64::from(TILE_WIDTH);
        let mut leaves = source.entries(index, of)?.unwrap_or_default();
        leaves.truncate(usize::try_from(size.saturating_sub(frontier.size())).unwrap_or(usize::MAX));
        if leaves.is_empty() {
            let why = format!("entry bundle {index} is missing");
            return Err(CopyError::Broken { place: source.name(), why });
        }
        for leaf in leaves {
            frontier.push(Hash::leaf(&leaf));
        }
    }
    Ok(frontier.root())
}

/// Leaves taken one after the other, as a follower takes them.
struct Build<'a> {
    runtime: &'a Runtime,
    source: &'a Source,
    shown: &'a SignedCheckpoint,
    path: &'a Path,
    options: Options,
    now: Time,
}

impl Build<'_> {
    fn run(&self) -> Result<(), CopyError> {
        let failed = of_store(self.path);
        let address = store::address(self.path).map_err(&failed)?;
        let opened = self.runtime.block_on(store::open(&address, &self.options)).map_err(&failed)?;
        let store = &*opened;
        let cache = GovernanceCache::default();
        let begun = self.runtime.block_on(Intake::begin(store, &cache));
        let mut intake = begun.map_err(|error| of_intake(&self.source.name(), self.path, error))?;
        let size = self.shown.checkpoint().size;
        while intake.size() < size {
            let first = intake.size();
            let mut batch = self.source.leaves(first, size)?;
            batch.leaves.truncate(usize::try_from(size.saturating_sub(first)).unwrap_or(usize::MAX));
            self.take(store, &mut intake, batch)?;
        }
        let done = async {
            store.set_version(records::PROJECTIONS).await?;
            store.close().await
        };
        self.runtime.block_on(done).map_err(&failed)
    }

    fn take(&self, store: &dyn Store, intake: &mut Intake, mut batch: Batch) -> Result<(), CopyError> {
        let place = self.source.name();
        let of_intake = |error| of_intake(&place, self.path, error);
        // A home keeps every blob, also those that nobody needs to go on.
        let mut kept = Vec::new();
        for (index, bytes) in (intake.size()..).zip(&batch.leaves) {
            for digest in export::named(self.source, index, bytes)?.blobs {
                if let Some(bytes) = export::blob(self.source, &digest)? {
                    kept.push(bytes.clone());
                    batch.blobs.insert(digest, bytes);
                }
            }
        }
        let entries: Vec<Entry> = batch.leaves.iter().map(|bytes| Entry::parse(bytes)).collect::<Result<_, _>>()?;
        let taken = async {
            intake.prefetch(store, &entries).await?;
            for entry in entries {
                intake.take(store, entry, &batch.blobs, self.now).await?;
            }
            Ok(())
        };
        self.runtime.block_on(taken).map_err(of_intake)?;
        let Some(mut submission) = intake.submission().map_err(of_store(self.path))? else { return Ok(()) };
        let erased = |bytes: &Vec<u8>| submission.erased.contains(&Digest::of(bytes));
        kept.retain(|bytes| !erased(bytes));
        submission.blobs.extend(kept);
        let notary = Reached { checkpoint: self.shown.checkpoint(), note: self.shown.to_note() };
        let written = self.runtime.block_on(store.commit(&notary, vec![submission])).map_err(of_store(self.path))?;
        match written.into_iter().next() {
            Some(Ok(_)) => Ok(intake.trim()?),
            Some(Err(Conflict::Taken { key: _, index })) => {
                let why = format!("a statement or a gate's key stands in it twice; first in leaf {index}");
                Err(CopyError::Broken { place, why })
            }
            Some(Err(Conflict::Moved(_) | Conflict::Overtaken(_) | Conflict::Unfit(_))) | None => {
                Err(CopyError::Broken { place, why: "its leaves do not follow one another".to_owned() })
            }
        }
    }
}

/// Removes a file of a store, or what lies beside it.
fn remove(file: &Path, ending: &str) -> Result<(), CopyError> {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    match fs::remove_file(&name) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("remove", Path::new(&name))(error)),
    }
}

/// Puts a ledger into the place of another, which was closed, so that nothing of that is left beside it.
fn replace(building: &Path, ledger: &Path) -> Result<(), CopyError> {
    for ending in BESIDE {
        remove(building, ending)?;
        remove(ledger, ending)?;
    }
    fs::rename(building, ledger).map_err(io_error("replace", ledger))?;
    let folder = files::beside(ledger);
    fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io_error("write in", &folder))
}

/// What others cosigned, if that is more than the home has.
fn keep_cosigned(home: &Home, cosigned: Option<String>, size: u64) -> Result<(), CopyError> {
    let Some(note) = cosigned else { return Ok(()) };
    let trust = home.trust();
    let path = home.cosigned_path();
    let found = opened("cosigned", &note, trust)?.checkpoint().size;
    let known = fs::read_to_string(&path).ok().and_then(|note| opened("cosigned", &note, trust).ok());
    if found > size || known.is_some_and(|known| known.checkpoint().size >= found) {
        return Ok(());
    }
    durable::replace(&path, note).map_err(io_error("write", &path))
}
