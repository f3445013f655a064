//! The writer: many submissions, one durable write, and what those learn whose write failed.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use countersign::store::{
    self, Conflict, Entries, Head, Job, List, Notary, Page, Pending, Projection, Store, StoreError, Submission,
    Trouble, Unique, dump,
    faults::{Faults, Side, Step},
    tiles::{TileAt, Tiles},
    writer::{SubmitError, Writer},
};
use countersign_ledger::{Digest, Hash, MemoryNodes, StreamHead, StreamId, Time, checkpoint};

use super::{Pen, Place, dump as everything, stream};

fn writer(place: &Place, store: &Arc<dyn Store>) -> Writer {
    Writer::start(Arc::clone(store), Arc::<countersign_ledger::LogKey>::clone(&place.log_key))
}

pub async fn submissions_at_once_are_each_answered_and_durable(place: &Place) {
    const STREAMS: i64 = 100;
    const RIVALS: i64 = 20;
    let store = place.open().await;
    let writer = writer(place, &store);
    let submit = |submission| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.submit(submission, None).await })
    };
    let own: Vec<_> = (0..STREAMS).map(|n| submit(Pen::numbered(n).next(&[&format!("change/{n}")]))).collect();
    let rivals: Vec<_> = (0..RIVALS).map(|n| submit(Pen::numbered(1_000 + n).next(&["change/wanted"]))).collect();
    let mut indices = Vec::new();
    for task in own {
        indices.push(task.await.unwrap().unwrap());
    }
    let mut refused = 0;
    for task in rivals {
        match task.await.unwrap() {
            Ok(index) => indices.push(index),
            Err(SubmitError::Conflict(conflict)) => {
                assert_eq!(conflict, Conflict::Moved(stream("change/wanted")));
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    indices.sort_unstable();
    assert_eq!(indices, (0..=STREAMS as u64).collect::<Vec<_>>(), "each taken one has a place of its own");
    assert_eq!(refused, RIVALS - 1, "one of the rivals was first");
    assert_eq!(everything(&*place.open().await).await, everything(&*store).await);
}

pub async fn what_was_acknowledged_survives_a_crash(place: &Place) {
    let store = place.open().await;
    let writer = writer(place, &store);
    for n in 0..10 {
        writer.submit(Pen::numbered(n).next(&[&format!("change/{n}")]), None).await.unwrap();
    }
    // What is on the disk while the store is still open is what a crash leaves.
    let left = copy(place.folder.path());
    let crashed = store::open(&(place.address)(left.path()), &place.options()).await.unwrap();
    assert_eq!(everything(&*crashed).await, everything(&*store).await);
    assert_eq!(crashed.head().await.unwrap(), store.head().await.unwrap());
}

fn copy(folder: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let from: PathBuf = entry.unwrap().path();
        fs::copy(&from, to.path().join(from.file_name().unwrap())).unwrap();
    }
    to
}

fn at(secs: i64) -> Submission {
    Pen { now: Time::from_unix_secs(secs), ..Pen::numbered(secs) }.next(&[&format!("change/{secs}")])
}

pub async fn a_batch_waits_for_earlier_ones_that_are_announced(place: &Place) {
    let store = place.open().await;
    let writer = writer(place, &store);
    // The machine may be too busy for the moment that a batch waits, but not each time.
    let mut in_order = false;
    for secs in (0..500).step_by(10) {
        let [early, late] = [secs + 1, secs + 2].map(|secs| (at(secs), writer.expect(Time::from_unix_secs(secs))));
        let first = tokio::spawn({
            let writer = writer.clone();
            async move { writer.submit(late.0, Some(late.1)).await.unwrap() }
        });
        tokio::task::yield_now().await;
        let second = writer.submit(early.0, Some(early.1)).await;
        let first = first.await.unwrap();
        if second.is_ok_and(|second| second < first) {
            in_order = true;
            break;
        }
    }
    assert!(in_order, "whoever came later was always overtaken");

    // One that is given up does not keep the others waiting, nor one that takes too long.
    drop(writer.expect(Time::from_unix_secs(1_000)));
    let slow = writer.expect(Time::from_unix_secs(1_001));
    for secs in 1_002..1_005 {
        let submitted = tokio::time::timeout(Duration::from_secs(5), writer.submit(at(secs), None)).await;
        submitted.unwrap().unwrap();
    }
    let overtaken = writer.submit(at(1_001), Some(slow)).await.unwrap_err();
    assert!(
        matches!(overtaken, SubmitError::Conflict(Conflict::Overtaken(time)) if time == Time::from_unix_secs(1_004)),
        "{overtaken}"
    );
}

pub async fn whose_write_failed_learns_whether_it_happened(place: &Place) {
    let faulty = Arc::new(Faulty {
        inner: place.open().await,
        fault: AtomicU8::new(0),
        blind: std::sync::atomic::AtomicBool::new(false),
    });
    let store: Arc<dyn Store> = Arc::<Faulty>::clone(&faulty);
    let writer = writer(place, &store);
    let mut pen = Pen::default();
    let first = pen.next(&["change/a"]);
    faulty.fault.store(REFUSES, Ordering::SeqCst);
    let error = writer.submit(first.clone(), None).await.unwrap_err();
    assert!(matches!(error, SubmitError::Failed(_)), "{error}");
    assert_eq!(store.head().await.unwrap().size, 0);

    faulty.fault.store(DOES_NOT, Ordering::SeqCst);
    let error = writer.submit(first.clone(), None).await.unwrap_err();
    assert!(matches!(error, SubmitError::Undone(_)), "{error}");
    assert!(error.to_string().contains("nothing of it was written"), "{error}");
    assert_eq!(writer.submit(first, None).await.unwrap(), 0, "it had not happened");

    // What was written is acknowledged, though its commit failed.
    faulty.fault.store(DOES, Ordering::SeqCst);
    assert_eq!(writer.submit(pen.next(&["change/a"]), None).await.unwrap(), 1);

    // As long as nobody can look, nothing is said of it, and nobody writes.
    let third = pen.next(&["change/a"]);
    faulty.blind.store(true, Ordering::SeqCst);
    faulty.fault.store(DOES, Ordering::SeqCst);
    let error = writer.submit(third.clone(), None).await.unwrap_err();
    assert!(matches!(error, SubmitError::Unknown(_)), "{error}");
    assert!(!error.to_string().contains("nothing"), "{error}");
    faulty.blind.store(false, Ordering::SeqCst);
    let again = writer.submit(third, None).await.unwrap_err();
    assert!(matches!(again, SubmitError::Conflict(Conflict::Taken { index: 2, .. })), "it had happened: {again}");
    assert_eq!(writer.submit(pen.next(&["change/a"]), None).await.unwrap(), 3);
}

/// At each step, refused or done and then failed: what is acknowledged is there, what is refused is not, the log goes on, and its
/// key signs one truth.
pub async fn a_commit_that_fails_at_any_step_leaves_one_truth(place: &Place) {
    let failing: Arc<Mutex<Option<(Step, Side)>>> = Arc::default();
    let faults = Faults::new({
        let failing = Arc::clone(&failing);
        move |step, side| failing.lock().unwrap().take_if(|failing| *failing == (step, side)).is_some()
    });
    let address = (place.address)(place.folder.path());
    let store = store::open_with(&address, &place.options(), faults).await.unwrap();
    let writer = writer(place, &store);
    let mut pen = Pen::default();
    let mut signed = BTreeMap::new();
    // Over the end of a tile, too.
    for n in 0..255 {
        writer.submit(pen.next(&[&format!("change/{n}")]), None).await.unwrap();
    }
    for step in Step::ALL {
        for side in [Side::Before, Side::After] {
            let submission = pen.next(&["change/a"]);
            let before = store.head().await.unwrap();
            *failing.lock().unwrap() = Some((step, side));
            let answer = writer.submit(submission.clone(), None).await;
            assert_eq!(*failing.lock().unwrap(), None, "{step:?} {side:?}: it did not fail");
            let head = store.head().await.unwrap();
            match answer {
                Ok(index) => {
                    assert_eq!(
                        (step, side, index, head.size),
                        (Step::Commit, Side::After, before.size, before.size + 1)
                    );
                }
                Err(SubmitError::Failed(_) | SubmitError::Undone(_)) => {
                    assert_eq!(head, before, "{step:?} {side:?}");
                    assert_eq!(writer.submit(submission, None).await.unwrap(), before.size);
                }
                Err(error) => panic!("{step:?} {side:?}: {error}"),
            }
            let head = store.head().await.unwrap();
            let note = checkpoint::open(&head.note, &place.log_key.verifier()).unwrap();
            assert_eq!((note.size, note.root), (head.size, head.root));
            assert_eq!(signed.insert(note.size, note.root), None, "two checkpoints of one size");
        }
    }
    let tree = MemoryNodes::from_leaf_hashes(pen.written.iter().map(|bytes| Hash::leaf(bytes)));
    assert_eq!(place.open().await.head().await.unwrap().root, tree.root());
}

const REFUSES: u8 = 1;
const DOES_NOT: u8 = 2;
const DOES: u8 = 3;

/// A store whose next commit fails: before it is written, or as it is written, having done it or not.
struct Faulty {
    inner: Arc<dyn Store>,
    fault: AtomicU8,
    /// Nothing can be looked up.
    blind: std::sync::atomic::AtomicBool,
}

impl Store for Faulty {
    fn commit<'a>(
        &'a self,
        notary: &'a dyn Notary,
        submissions: Vec<Submission>,
    ) -> Pending<'a, Vec<Result<u64, Conflict>>> {
        Box::pin(async move {
            let (source, trouble) = (sqlx::Error::WorkerCrashed, Trouble::Other);
            match self.fault.swap(0, Ordering::SeqCst) {
                REFUSES => Err(StoreError::Database { operation: "begin", trouble, source }),
                DOES_NOT => Err(StoreError::Unknown { trouble, source }),
                DOES => {
                    self.inner.commit(notary, submissions).await?;
                    Err(StoreError::Unknown { trouble, source })
                }
                _ => self.inner.commit(notary, submissions).await,
            }
        })
    }

    fn head(&self) -> Pending<'_, Head> {
        self.inner.head()
    }

    fn leaves(&self, range: Range<u64>) -> Pending<'_, Vec<Vec<u8>>> {
        self.inner.leaves(range)
    }

    fn stream<'a>(&'a self, stream: &'a StreamId, from: u64) -> Pending<'a, Vec<(u64, Vec<u8>)>> {
        self.inner.stream(stream, from)
    }

    fn heads<'a>(&'a self, streams: &'a [StreamId]) -> Pending<'a, Vec<StreamHead>> {
        self.inner.heads(streams)
    }

    fn tiles<'a>(&'a self, wanted: &'a [TileAt]) -> Pending<'a, Tiles> {
        self.inner.tiles(wanted)
    }

    fn taken<'a>(&'a self, keys: &'a [Unique]) -> Pending<'a, BTreeMap<Unique, u64>> {
        match self.blind.load(Ordering::SeqCst) {
            true => Box::pin(async {
                let (source, trouble) = (sqlx::Error::WorkerCrashed, Trouble::Other);
                Err(StoreError::Database { operation: "look", trouble, source })
            }),
            false => self.inner.taken(keys),
        }
    }

    fn lines<'a>(&'a self, places: &'a [(StreamId, u64)]) -> Pending<'a, Vec<Option<u64>>> {
        self.inner.lines(places)
    }

    fn entries(&self, size: u64) -> Pending<'_, Entries> {
        self.inner.entries(size)
    }

    fn loose(&self) -> Pending<'_, Option<String>> {
        self.inner.loose()
    }

    fn each_blob(&self, after: u64) -> Pending<'_, Vec<(u64, Digest, Vec<u8>)>> {
        self.inner.each_blob(after)
    }

    fn blobs<'a>(&'a self, digests: &'a [Digest]) -> Pending<'a, BTreeMap<Digest, Vec<u8>>> {
        self.inner.blobs(digests)
    }

    fn projections<'a>(&'a self, kind: &'a str, names: &'a [String]) -> Pending<'a, BTreeMap<String, Vec<u8>>> {
        self.inner.projections(kind, names)
    }

    fn find<'a>(&'a self, kind: &'a str, prefix: &'a str, limit: u64) -> Pending<'a, Vec<(String, Vec<u8>)>> {
        self.inner.find(kind, prefix, limit)
    }

    fn list<'a>(&'a self, list: &'a List<'a>) -> Pending<'a, Page> {
        self.inner.list(list)
    }

    fn jobs(&self, after: u64) -> Pending<'_, Vec<(u64, Job)>> {
        self.inner.jobs(after)
    }

    fn done<'a>(&'a self, jobs: &'a [u64]) -> Pending<'a, ()> {
        self.inner.done(jobs)
    }

    fn version(&self) -> Pending<'_, u32> {
        self.inner.version()
    }

    fn set_version(&self, version: u32) -> Pending<'_, ()> {
        self.inner.set_version(version)
    }

    fn clear_projections(&self) -> Pending<'_, ()> {
        self.inner.clear_projections()
    }

    fn project(&self, projections: Vec<Projection>) -> Pending<'_, ()> {
        self.inner.project(projections)
    }

    fn copy_to<'a>(&'a self, file: &'a std::path::Path) -> Pending<'a, ()> {
        self.inner.copy_to(file)
    }

    fn walk<'a>(&'a self, part: dump::Part, after: Option<&'a dump::Key>) -> Pending<'a, Vec<dump::Row>> {
        self.inner.walk(part, after)
    }

    fn close(&self) -> Pending<'_, ()> {
        self.inner.close()
    }
}
