//! A history into a store, by the same intake and the same fold as a follower's, or into a folder as a static copy of the
//! log in the layout of C2SP tlog-tiles.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use countersign::{
    clock,
    engine::{Engine, Setup},
    home::Home,
    intake::Intake,
    records::GovernanceCache,
    ring::Ring,
    store::{self, Store},
};
use countersign_core::fold::Entry;
use countersign_ledger::{
    Checkpoint, Digest, Frontier, Hash, Time,
    tile::{TILE_WIDTH, TileKind, TilePath, entry_bundle, hash_tile},
};

use super::{
    history::{LEAVES, Made, Maker},
    world::World,
};

/// How long ago the made-up logs were founded.
const AGE_SECS: i64 = 30 * 24 * 60 * 60;

/// Opens the store of a home and founds its log, a while ago.
pub async fn found(world: &World) -> Result<Arc<dyn Store>> {
    let store = store::open(&world.home.store_address(), &world.home.store_options()).await?;
    let founded = clock::now().plus_secs(-AGE_SECS);
    Engine::open(setup(&world.home, &store, Arc::new(move || founded))?).await?;
    Ok(store)
}

pub fn setup(home: &Home, store: &Arc<dyn Store>, clock: Arc<dyn Fn() -> Time + Send + Sync>) -> Result<Setup> {
    Ok(Setup {
        store: Arc::clone(store),
        keys: Arc::new(Ring::of(home.log_key()?, home.server_key()?)),
        genesis: home.genesis().clone(),
        genesis_blobs: home.genesis_files()?.blobs(),
        guidance: Vec::new(),
        clock,
        uptime: None,
    })
}

/// Adds so many changes to the log.
pub async fn fill(world: &World, store: &Arc<dyn Store>, changes: usize) -> Result<()> {
    let (now, log_key) = (clock::now(), world.home.log_key()?);
    let mut maker = Maker::behind(world, &**store, changes, now).await?;
    let cache = GovernanceCache::default();
    let mut intake = Intake::begin(&**store, &cache).await?;
    let mut left = changes;
    let mut next = maker.gates()?;
    while left > 0 || !next.is_empty() {
        if next.is_empty() {
            next = maker.round(left.min(maker.per_round()))?;
            left -= next.len() / LEAVES;
        }
        let made = std::mem::take(&mut next);
        let entries = parsed(&made)?;
        intake.prefetch(&**store, &entries).await?;
        let blobs: BTreeMap<Digest, Vec<u8>> =
            made.iter().flat_map(|made| &made.blobs).map(|blob| (Digest::of(blob), blob.clone())).collect();
        for entry in entries {
            intake.take(&**store, entry, &blobs, now).await?;
        }
        let mut submission = intake.submission()?.context("nothing was taken")?;
        submission.blobs = blobs.into_values().collect();
        let results = store.commit(&log_key, vec![submission]).await?;
        ensure!(results.iter().all(Result::is_ok), "the store does not take it: {results:?}");
        intake.trim()?;
    }
    Ok(())
}

fn parsed(made: &[Made]) -> Result<Vec<Entry>> {
    let half = made.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let parse = |some: &'_ [Made]| some.iter().map(|made| Entry::parse(&made.leaf)).collect::<Result<Vec<_>, _>>();
        let running: Vec<_> = made.chunks(half).map(|some| scope.spawn(move || parse(some))).collect();
        let mut entries = Vec::with_capacity(made.len());
        for part in running {
            entries.extend(part.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        Ok(entries)
    })
}

/// A static copy of a log, as it is written.
pub struct Copy {
    folder: PathBuf,
    /// Those that fill no bundle yet.
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    frontier: Frontier,
}

impl Copy {
    pub fn begin(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("blobs"))?;
        Ok(Self { folder: folder.to_owned(), leaves: Vec::new(), hashes: Vec::new(), frontier: Frontier::default() })
    }

    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn blob(&self, blob: &[u8]) -> Result<()> {
        Ok(fs::write(self.folder.join("blobs").join(Digest::of(blob).hex()), blob)?)
    }

    pub fn leaf(&mut self, leaf: Vec<u8>) -> Result<()> {
        let hash = Hash::leaf(&leaf);
        self.hashes.push(hash);
        self.frontier.push(hash);
        self.leaves.push(leaf);
        if self.leaves.len() == usize::from(TILE_WIDTH) {
            self.bundle()?;
        }
        Ok(())
    }

    fn bundle(&mut self) -> Result<()> {
        let index = (self.size() - 1) / u64::from(TILE_WIDTH);
        let width = u16::try_from(self.leaves.len())?;
        self.write(TilePath { kind: TileKind::Entries, index, width }, entry_bundle(&self.leaves)?)?;
        self.leaves.clear();
        Ok(())
    }

    fn write(&self, path: TilePath, bytes: Vec<u8>) -> Result<()> {
        let path = self.folder.join(path.to_string());
        fs::create_dir_all(path.parent().context("no folder")?)?;
        Ok(fs::write(path, bytes)?)
    }

    /// Writes what is left, the hash tiles and the checkpoint. More leaves may follow.
    pub fn sign(&mut self, world: &World) -> Result<()> {
        if !self.leaves.is_empty() {
            let pending = self.leaves.clone();
            self.bundle()?;
            self.leaves = pending;
        }
        let mut hashes = self.hashes.clone();
        for level in 0.. {
            if hashes.is_empty() {
                break;
            }
            for (index, tile) in (0..).zip(hashes.chunks(usize::from(TILE_WIDTH))) {
                let width = u16::try_from(tile.len())?;
                self.write(TilePath { kind: TileKind::Hashes(level), index, width }, hash_tile(tile))?;
            }
            hashes = hashes.chunks_exact(usize::from(TILE_WIDTH)).map(root).collect();
        }
        let (origin, size, root) = (world.home.trust().origin.clone(), self.size(), self.frontier.root());
        let note = world.home.log_key()?.sign(&Checkpoint { origin, size, root })?;
        Ok(fs::write(self.folder.join("checkpoint"), note)?)
    }
}

fn root(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(*hash);
    }
    frontier.root()
}

/// Which blobs a copy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blobs {
    /// All, as an export.
    All,
    /// Those that a follower asks for.
    Needed,
}

/// Writes a static copy of a log of so many leaves, or a few more, and gives it with what goes on behind it.
pub async fn copy<'w>(
    world: &'w World,
    store: &Arc<dyn Store>,
    folder: &Path,
    leaves: usize,
    blobs: Blobs,
) -> Result<(Copy, Maker<'w>)> {
    let mut copy = Copy::begin(folder)?;
    for leaf in store.leaves(0..store::MAX_PAGE).await? {
        copy.leaf(leaf)?;
    }
    for blob in world.home.genesis_files()?.blobs() {
        copy.blob(&blob)?;
    }
    let changes = leaves.div_ceil(LEAVES);
    let mut maker = Maker::behind(world, &**store, changes, clock::now()).await?;
    for made in maker.gates()? {
        copy.leaf(made.leaf)?;
    }
    while copy.size() < leaves as u64 {
        let left = (leaves - usize::try_from(copy.size())?).div_ceil(LEAVES);
        let made = maker.round(left.min(maker.per_round()))?;
        add(&mut copy, made, blobs)?;
    }
    copy.sign(world)?;
    Ok((copy, maker))
}

/// Adds leaves that were made, with their blobs, which both cores write.
pub fn add(copy: &mut Copy, made: Vec<Made>, blobs: Blobs) -> Result<()> {
    let half = made.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let write = |some: &'_ [Made], copy: &'_ Copy| -> Result<()> {
            for made in some {
                let needed = match blobs {
                    Blobs::All => None,
                    Blobs::Needed => Some(Entry::parse(&made.leaf)?.needed_blobs()),
                };
                for blob in &made.blobs {
                    if needed.as_ref().is_none_or(|needed| needed.contains(&Digest::of(blob))) {
                        copy.blob(blob)?;
                    }
                }
            }
            Ok(())
        };
        let copy = &*copy;
        let running: Vec<_> = made.chunks(half).map(|some| scope.spawn(move || write(some, copy))).collect();
        running.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    made.into_iter().try_for_each(|made| copy.leaf(made.leaf))
}
