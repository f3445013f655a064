//! What every store does: one suite, run for each of them. Another store is one more line at the end.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign::store::{self, Conflict, MAX_PAGE, NewLeaf, Store, StoreError, Submission, writer::Writer};
use countersign_ledger::{
    Digest, Envelope, Hash, Leaf, LogKey, MemoryNodes, StreamHead, StreamId, Time, checkpoint, dsse::Signature, tree,
};
use rand_core::OsRng;

/// Where a store is kept for one test.
struct Place {
    folder: tempfile::TempDir,
    address: fn(&Path) -> String,
    log_key: Arc<LogKey>,
}

impl Place {
    fn new(address: fn(&Path) -> String) -> Self {
        let log_key = Arc::new(LogKey::generate("suite", &mut OsRng).unwrap());
        Self { folder: tempfile::tempdir().unwrap(), address, log_key }
    }

    async fn open(&self) -> Arc<dyn Store> {
        store::open(&(self.address)(self.folder.path())).await.unwrap()
    }

    async fn commit(&self, store: &dyn Store, submissions: Vec<Submission>) -> Vec<Result<u64, Conflict>> {
        store.commit(&self.log_key, submissions).await.unwrap()
    }
}

fn stream(name: &str) -> StreamId {
    name.parse().unwrap()
}

/// A leaf that no two calls give alike unless stream and number are the same. A store does not look into it.
fn leaf(name: &str, seq: u64) -> Leaf {
    let signature = Signature { keyid: "nobody".to_owned(), sshsig: vec![1, 2, 3] };
    let envelope = Envelope::new(format!("{name} {seq}").as_bytes(), vec![signature]).unwrap();
    let admitted_at = Time::from_unix_secs(1_775_001_600);
    Leaf { stream: stream(name), seq, prev: StreamHead::EMPTY.last, admitted_at, envelope }
}

/// The next leaf of a stream.
fn next(name: &str, seq: u64) -> Submission {
    Submission {
        leaves: vec![NewLeaf { leaf: leaf(name, seq), unique: vec![format!("{name} {seq}")] }],
        expected: BTreeMap::from([(stream(name), seq)]),
        projections: vec![(name.to_owned(), seq.to_string().into_bytes())],
        blobs: vec![],
    }
}

async fn an_empty_log_has_nothing(place: &Place) {
    let store = place.open().await;
    let head = store.head().await.unwrap();
    assert_eq!((head.size, head.root, head.note.as_str()), (0, Hash::empty_tree(), ""));
    assert!(store.leaves(0..10).await.unwrap().is_empty());
    assert!(store.stream(&stream("a")).await.unwrap().is_empty());
    assert!(store.nodes(vec![(0, 0)]).await.unwrap().is_empty());
    assert_eq!(store.blob(&Digest::of("")).await.unwrap(), None);
    assert_eq!(store.projection("a").await.unwrap(), None);
    assert!(store.projections("").await.unwrap().is_empty());
    assert!(place.commit(&*store, vec![]).await.is_empty(), "nothing to commit, and no checkpoint of nothing");
    assert_eq!(store.head().await.unwrap().note, "");
}

async fn what_is_committed_is_there_in_order_under_a_checkpoint(place: &Place) {
    let store = place.open().await;
    let mut both = next("b", 0);
    both.leaves.push(NewLeaf { leaf: leaf("b", 1), unique: vec![] });
    assert_eq!(place.commit(&*store, vec![next("a", 0), both]).await, [Ok(0), Ok(1)]);
    assert_eq!(place.commit(&*store, vec![next("a", 1)]).await, [Ok(3)]);

    let expected: Vec<Vec<u8>> = [("a", 0), ("b", 0), ("b", 1), ("a", 1)].map(|(s, n)| leaf(s, n).to_bytes()).into();
    assert_eq!(store.leaves(0..4).await.unwrap(), expected);
    assert_eq!(store.leaves(1..3).await.unwrap(), expected[1..3]);
    assert_eq!(store.leaves(3..99).await.unwrap(), expected[3..]);
    assert!(store.leaves(4..9).await.unwrap().is_empty());
    assert_eq!(store.stream(&stream("a")).await.unwrap(), [(0, expected[0].clone()), (3, expected[3].clone())]);

    let tree = MemoryNodes::from_leaf_hashes(expected.iter().map(|bytes| Hash::leaf(bytes)));
    let head = store.head().await.unwrap();
    assert_eq!((head.size, head.root), (4, tree.root()));
    let signed = checkpoint::open(&head.note, &place.log_key.verifier()).unwrap();
    assert_eq!((signed.origin.as_str(), signed.size, signed.root), ("suite", 4, tree.root()));
}

async fn a_conflict_is_told_to_its_own_submission_and_the_others_are_taken(place: &Place) {
    let store = place.open().await;
    place.commit(&*store, vec![next("a", 0)]).await;
    let mut overtaken = next("a", 0);
    overtaken.leaves[0].unique.clear();
    overtaken.blobs.push(b"never".to_vec());
    let mut looked_elsewhere = next("c", 0);
    looked_elsewhere.expected.insert(stream("a"), 0);
    let ahead = next("d", 5);
    let mut replayed = next("e", 0);
    replayed.leaves[0].unique = vec!["fresh".to_owned(), "a 0".to_owned()];
    let mut replayed_at_once = next("f", 0);
    replayed_at_once.leaves[0].unique = vec!["b 0".to_owned()];
    let results = place
        .commit(
            &*store,
            vec![overtaken, next("b", 0), looked_elsewhere, ahead, replayed, replayed_at_once, next("g", 0)],
        )
        .await;
    let moved = |name: &str| Err(Conflict::Moved(stream(name)));
    let taken = |key: &str, index| Err(Conflict::Taken { key: key.to_owned(), index });
    let expected = [moved("a"), Ok(1), moved("a"), moved("d"), taken("a 0", 0), taken("b 0", 1), Ok(2)];
    assert_eq!(results, expected);
    assert_eq!(store.head().await.unwrap().size, 3);
    assert_eq!(store.blob(&Digest::of("never")).await.unwrap(), None);
    for name in ["c", "d", "e", "f"] {
        assert_eq!(store.projection(name).await.unwrap(), None, "{name}");
    }
    // What was refused took nothing away: its key is still free.
    let mut again = next("h", 0);
    again.leaves[0].unique = vec!["fresh".to_owned()];
    assert_eq!(place.commit(&*store, vec![again]).await, [Ok(3)]);
}

async fn submissions_of_one_batch_see_each_other(place: &Place) {
    let store = place.open().await;
    let results = place.commit(&*store, vec![next("a", 0), next("a", 1), next("a", 1), next("a", 2)]).await;
    assert_eq!(results, [Ok(0), Ok(1), Err(Conflict::Moved(stream("a"))), Ok(2)]);
    assert_eq!(store.projection("a").await.unwrap(), Some(b"2".to_vec()));
}

async fn a_key_twice_in_one_submission_is_a_conflict_of_that_one(place: &Place) {
    let store = place.open().await;
    let mut twice = next("a", 0);
    twice.leaves.push(NewLeaf { leaf: leaf("a", 1), unique: vec!["a 0".to_owned()] });
    let results = place.commit(&*store, vec![twice, next("b", 0)]).await;
    assert_eq!(results, [Err(Conflict::Taken { key: "a 0".to_owned(), index: 0 }), Ok(0)]);
}

async fn leaves_stand_in_the_order_of_their_times(place: &Place) {
    let store = place.open().await;
    let at = |name: &str, secs: i64| {
        let mut submission = next(name, 0);
        submission.leaves[0].leaf.admitted_at = Time::from_unix_secs(secs);
        submission
    };
    // Those who waited together are taken in the order of their times, not of their arrival.
    assert_eq!(place.commit(&*store, vec![at("late", 20), at("early", 10)]).await, [Ok(1), Ok(0)]);
    // Whoever looked before the log went on is told how far it has gone.
    let overtaken = Err(Conflict::Overtaken(Time::from_unix_secs(20)));
    assert_eq!(place.commit(&*store, vec![at("overtaken", 15), at("same", 20)]).await, [overtaken, Ok(2)]);
    assert_eq!(store.projection("overtaken").await.unwrap(), None);
}

async fn nothing_of_a_failed_commit_is_kept(place: &Place) {
    let store = place.open().await;
    place.commit(&*store, vec![next("a", 0)]).await;
    let before = store.dump().await.unwrap();
    // A leaf that claims a number that its stream has already; nothing that an engine would send.
    let mut broken = next("a", 0);
    broken.expected.clear();
    broken.leaves[0].unique.clear();
    broken.blobs.push(b"never".to_vec());
    let mut with_blob = next("b", 0);
    with_blob.blobs.push(b"nor this".to_vec());
    assert!(store.commit(&place.log_key, vec![with_blob, broken]).await.is_err());
    assert_eq!(store.dump().await.unwrap(), before);
    assert_eq!(store.blob(&Digest::of("nor this")).await.unwrap(), None);
    assert_eq!(place.commit(&*store, vec![next("b", 0)]).await, [Ok(1)], "and it goes on");
}

async fn projections_are_replaced_whole_and_listed_by_the_beginning_of_their_name(place: &Place) {
    let store = place.open().await;
    let mut first = next("a", 0);
    first.projections = ["change/ab", "change/b", "change/aa", "chang", "change/a%", "change/A"]
        .map(|name| (name.to_owned(), vec![0]))
        .into();
    let mut second = next("a", 1);
    second.projections = vec![("change/ab".to_owned(), vec![1, 2]), ("change/ab".to_owned(), vec![3])];
    place.commit(&*store, vec![first, second]).await;
    assert_eq!(store.projection("change/ab").await.unwrap(), Some(vec![3]));
    let names = |found: Vec<(String, Vec<u8>)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(store.projections("change/a").await.unwrap()), ["change/a%", "change/aa", "change/ab"]);
    assert_eq!(names(store.projections("change/a%").await.unwrap()), ["change/a%"]);
    assert_eq!(names(store.projections("change/_").await.unwrap()), [""; 0]);
    assert_eq!(store.projections("").await.unwrap().len(), 6);
}

async fn blobs_are_found_by_their_digest(place: &Place) {
    let store = place.open().await;
    let blobs = [b"".to_vec(), b"text".to_vec(), vec![0; 1_000_000]];
    let mut submission = next("a", 0);
    submission.blobs = blobs.to_vec();
    let mut again = next("b", 0);
    again.blobs = blobs[..2].to_vec();
    place.commit(&*store, vec![submission]).await;
    place.commit(&*store, vec![again]).await;
    for blob in blobs {
        assert_eq!(store.blob(&Digest::of(&blob)).await.unwrap(), Some(blob));
    }
    assert_eq!(store.blob(&Digest::of("another")).await.unwrap(), None);
}

async fn proofs_can_be_made_of_its_nodes(place: &Place) {
    let store = place.open().await;
    let mut roots = vec![Hash::empty_tree()];
    // Batches of different sizes, so that subtrees are completed within and between them.
    let mut size = 0;
    for batch in [1_u64, 2, 5, 1, 300, 7] {
        place.commit(&*store, (size..size + batch).map(|n| next(&format!("s{n}"), 0)).collect()).await;
        size += batch;
        roots.push(store.head().await.unwrap().root);
    }
    let head = store.head().await.unwrap();
    for index in [0, 1, 7, 8, 255, 256, 315] {
        let proof = store::with_nodes(&*store, |nodes| tree::inclusion_proof(index, head.size, &nodes)).await.unwrap();
        let bytes = store.leaves(index..index + 1).await.unwrap().remove(0);
        tree::verify_inclusion(&Hash::leaf(&bytes), index, head.size, &proof.unwrap(), &head.root).unwrap();
    }
    for (old, root) in [(1, 1), (3, 2), (8, 3), (9, 4), (309, 5)] {
        let proof = store::with_nodes(&*store, |nodes| tree::consistency_proof(old, head.size, &nodes)).await.unwrap();
        tree::verify_consistency(old, &roots[root], head.size, &head.root, &proof.unwrap()).unwrap();
    }
    let too_far = store::with_nodes(&*store, |nodes| tree::inclusion_proof(head.size, head.size, &nodes)).await;
    assert!(too_far.unwrap().is_err());
}

async fn a_page_of_leaves_has_its_limit(place: &Place) {
    let store = place.open().await;
    place.commit(&*store, (0..=MAX_PAGE).map(|n| next(&format!("s{n}"), 0)).collect()).await;
    assert_eq!(store.leaves(0..u64::MAX).await.unwrap().len() as u64, MAX_PAGE);
    assert_eq!(store.leaves(MAX_PAGE..u64::MAX).await.unwrap().len(), 1);
    assert!(store.leaves(u64::MAX - 1..u64::MAX).await.unwrap().is_empty());
}

async fn what_was_committed_is_there_after_opening_again(place: &Place) {
    let store = place.open().await;
    place.commit(&*store, vec![next("a", 0), next("b", 0)]).await;
    let (dump, head) = (store.dump().await.unwrap(), store.head().await.unwrap());
    drop(store);
    let store = place.open().await;
    assert_eq!((store.dump().await.unwrap(), store.head().await.unwrap()), (dump, head));
    let results = place.commit(&*store, vec![next("a", 0), next("a", 1)]).await;
    assert_eq!(results, [Err(Conflict::Moved(stream("a"))), Ok(2)]);
}

async fn two_servers_over_one_store_see_each_other(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    assert_eq!(place.commit(&*one, vec![next("a", 0)]).await, [Ok(0)]);
    assert_eq!(place.commit(&*other, vec![next("a", 0)]).await, [Err(Conflict::Moved(stream("a")))]);
    assert_eq!(place.commit(&*other, vec![next("a", 1)]).await, [Ok(1)]);
    assert_eq!(one.head().await.unwrap(), other.head().await.unwrap());
}

async fn submissions_at_once_are_each_answered_and_durable(place: &Place) {
    const STREAMS: u64 = 100;
    const RIVALS: u64 = 20;
    let store = place.open().await;
    let writer = Writer::start(Arc::clone(&store), Arc::clone(&place.log_key));
    let submit = |submission| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.submit(submission).await.unwrap() })
    };
    let own: Vec<_> = (0..STREAMS).map(|n| submit(next(&format!("s{n}"), 0))).collect();
    let rivals: Vec<_> = (0..RIVALS)
        .map(|n| {
            let mut rival = next("wanted", 0);
            rival.leaves[0].unique = vec![format!("rival {n}")];
            submit(rival)
        })
        .collect();
    let mut indices = Vec::new();
    for task in own {
        indices.push(task.await.unwrap().unwrap());
    }
    let mut refused = 0;
    for task in rivals {
        match task.await.unwrap() {
            Ok(index) => indices.push(index),
            Err(conflict) => {
                assert_eq!(conflict, Conflict::Moved(stream("wanted")));
                refused += 1;
            }
        }
    }
    indices.sort_unstable();
    assert_eq!(indices, (0..=STREAMS).collect::<Vec<_>>(), "each taken one has a place of its own");
    assert_eq!(refused, RIVALS - 1, "one of the rivals was first");
    assert_eq!(place.open().await.dump().await.unwrap(), store.dump().await.unwrap());
}

async fn what_was_acknowledged_survives_a_crash(place: &Place) {
    let store = place.open().await;
    let writer = Writer::start(Arc::clone(&store), Arc::clone(&place.log_key));
    for n in 0..10 {
        writer.submit(next(&format!("s{n}"), 0)).await.unwrap().unwrap();
    }
    // What is on the disk while the store is still open is what a crash leaves.
    let left = copy(place.folder.path());
    let crashed = store::open(&(place.address)(left.path())).await.unwrap();
    assert_eq!(crashed.dump().await.unwrap(), store.dump().await.unwrap());
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

/// Runs the suite for one kind of store, kept in a folder.
macro_rules! conforms {
    ($store:ident, $address:expr, $($test:ident)*) => {
        mod $store {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&super::Place::new($address)).await;
            })*
        }
    };
    ($store:ident, $address:expr) => {
        conforms! { $store, $address,
            an_empty_log_has_nothing
            what_is_committed_is_there_in_order_under_a_checkpoint
            a_conflict_is_told_to_its_own_submission_and_the_others_are_taken
            submissions_of_one_batch_see_each_other
            a_key_twice_in_one_submission_is_a_conflict_of_that_one
            leaves_stand_in_the_order_of_their_times
            nothing_of_a_failed_commit_is_kept
            projections_are_replaced_whole_and_listed_by_the_beginning_of_their_name
            blobs_are_found_by_their_digest
            proofs_can_be_made_of_its_nodes
            a_page_of_leaves_has_its_limit
            what_was_committed_is_there_after_opening_again
            two_servers_over_one_store_see_each_other
            submissions_at_once_are_each_answered_and_durable
            what_was_acknowledged_survives_a_crash
        }
    };
}

conforms!(sqlite, |folder| format!("sqlite:{}", folder.join("ledger.db").display()));

// What only a file can have.

async fn refused(path: &Path) -> String {
    match store::open(&path.display().to_string()).await {
        Ok(store) => store.head().await.map(|head| head.size).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

async fn sql(path: &Path, text: &'static str) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::raw_sql(text).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(store::open(path.to_str().unwrap()).await.unwrap());
    sql(&path, "pragma user_version = 2").await;
    let Err(StoreError::Newer { found: 2, known: 1, .. }) = store::open(path.to_str().unwrap()).await.map(drop) else {
        panic!("it was opened");
    };
}

#[tokio::test]
async fn a_file_that_is_no_store_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for content in
        [&b"not a database, but long enough to be taken for the header of one: 0123456789"[..], &[0xff; 8192]]
    {
        fs::write(&path, content).unwrap();
        assert!(refused(&path).await.contains("file is not a database"), "{}", refused(&path).await);
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert!(refused(folder.path()).await.starts_with("cannot open the store"));
    assert!(refused(&folder.path().join("no/such/folder.db")).await.starts_with("cannot open the store"));
}

#[tokio::test]
async fn a_damaged_store_is_an_error_and_no_panic() {
    let place = Place::new(|folder| folder.join("ledger.db").display().to_string());
    let store = place.open().await;
    place.commit(&*store, (0..200).map(|n| next(&format!("s{n}"), 0)).collect()).await;
    drop(store);
    let path = place.folder.path().join("ledger.db");
    sql(&path, "pragma wal_checkpoint(truncate)").await;
    let whole = fs::read(&path).unwrap();

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(&path).await.contains("malformed"), "{}", refused(&path).await);

    fs::write(&path, &whole).unwrap();
    sql(&path, "delete from nodes where level = 3").await;
    assert!(refused(&path).await.starts_with("the store is damaged"), "{}", refused(&path).await);

    fs::write(&path, &whole).unwrap();
    sql(&path, "update nodes set hash = x'00'").await;
    assert!(refused(&path).await.starts_with("the store is damaged"), "{}", refused(&path).await);
}

#[tokio::test]
async fn an_address_of_no_store_is_refused() {
    for address in ["postgres://db/log", "http://127.0.0.1:1"] {
        let error = store::open(address).await.map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{error}");
    }
}
