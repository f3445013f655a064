//! What every store does: one suite, run for each of them. Another store is one more line at the end.

mod batch;
mod file;
mod lists;
mod pen;
mod writing;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use countersign::store::{
    self, Access, Conflict, Job, Keeps, MAX_PAGE, MAX_PAGE_BYTES, Notary, NoteError, Options, Store, StoreError,
    Submission, Unfit, Unique,
    dump::{Dump, differences},
    tiles::TileAt,
};
use countersign_ledger::{Digest, Hash, LogKey, MemoryNodes, StreamHead, Time, checkpoint, tree};
use rand_core::OsRng;

use lists::{
    a_list_is_narrowed_by_all_of_its_facets, a_list_shows_the_highest_order_first_a_page_at_a_time,
    a_page_looks_at_a_bounded_number_of_candidates, a_projection_that_moves_leaves_nothing_behind,
    a_search_by_name_has_its_limit, projections_are_replaced_whole_and_found_by_the_beginning_of_their_name,
};
use pen::{Pen, stream};
use writing::{
    a_batch_waits_for_earlier_ones_that_are_announced, a_commit_that_fails_at_any_step_leaves_one_truth,
    submissions_at_once_are_each_answered_and_durable, what_was_acknowledged_survives_a_crash,
    whose_write_failed_learns_whether_it_happened,
};

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

    fn options(&self) -> Options {
        Options::log(self.log_key.verifier())
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open_as(&self.options()).await.unwrap()
    }

    async fn open_as(&self, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
        store::open(&(self.address)(self.folder.path()), options).await
    }

    async fn commit(&self, store: &dyn Store, submissions: Vec<Submission>) -> Vec<Result<u64, Conflict>> {
        store.commit(&*self.log_key, submissions).await.unwrap()
    }
}

async fn dump(store: &dyn Store) -> Dump {
    Dump::of(store).await.unwrap()
}

async fn body(store: &dyn Store, kind: &str, name: &str) -> Option<Vec<u8>> {
    store::projection(store, kind, name).await.unwrap()
}

async fn an_empty_log_has_nothing(place: &Place) {
    let store = place.open().await;
    let head = store.head().await.unwrap();
    assert_eq!((head.size, head.root, head.note.as_str(), head.time), (0, Hash::empty_tree(), "", None));
    assert!(store.leaves(0..10).await.unwrap().is_empty());
    assert!(store.stream(&stream("change/a"), 0).await.unwrap().is_empty());
    assert_eq!(store.heads(&[stream("change/a")]).await.unwrap(), [StreamHead::EMPTY]);
    let tile = TileAt { level: 0, index: 0 };
    assert!(store.tiles(&[tile]).await.unwrap().0[&tile].is_empty());
    assert_eq!(store::blob(&*store, &Digest::of("")).await.unwrap(), None);
    assert_eq!(body(&*store, "thing", "a").await, None);
    assert!(store.find("thing", "", 10).await.unwrap().is_empty());
    assert!(store.jobs(0).await.unwrap().is_empty());
    assert_eq!(store.version().await.unwrap(), 0);
    assert!(place.commit(&*store, vec![]).await.is_empty(), "nothing to commit, and no checkpoint of nothing");
    assert_eq!(store.head().await.unwrap().note, "");
}

/// As the gates of a machine do: one makes the copy, another opens it or leaves it at that moment.
async fn many_can_open_and_leave_one_at_once(place: &Place) {
    const MANY: usize = 4;
    for round in 0..10 {
        let folder = place.folder.path().join(round.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (address, options) = ((place.address)(&folder), place.options());
        let together = std::sync::Barrier::new(MANY);
        std::thread::scope(|scope| {
            let open_and_leave = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                together.wait();
                runtime.block_on(async {
                    for _ in 0..10 {
                        store::open(&address, &options).await?.close().await?;
                    }
                    Ok::<(), StoreError>(())
                })
            };
            let each: Vec<_> = (0..MANY).map(|_| scope.spawn(open_and_leave)).collect();
            for one in each {
                one.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        });
    }
}

async fn what_is_committed_is_there_in_order_under_a_checkpoint(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let first = pen.next(&["change/a"]);
    let mut both = pen.next(&["change/b"]);
    both.leaves.extend(pen.next(&["change/b"]).leaves);
    assert_eq!(place.commit(&*store, vec![first, both]).await, [Ok(0), Ok(1)]);
    assert_eq!(place.commit(&*store, vec![pen.next(&["change/a"])]).await, [Ok(3)]);

    let expected = pen.written.clone();
    assert_eq!(store.leaves(0..4).await.unwrap(), expected);
    assert_eq!(store.leaves(1..3).await.unwrap(), expected[1..3]);
    assert_eq!(store.leaves(3..99).await.unwrap(), expected[3..]);
    assert!(store.leaves(4..9).await.unwrap().is_empty());
    assert!(store.leaves(u64::MAX - 1..u64::MAX).await.unwrap().is_empty());
    let of_a = [(0, expected[0].clone()), (3, expected[3].clone())];
    assert_eq!(store.stream(&stream("change/a"), 0).await.unwrap(), of_a);
    assert_eq!(store.stream(&stream("change/a"), 1).await.unwrap(), of_a[1..]);

    let tree = MemoryNodes::from_leaf_hashes(expected.iter().map(|bytes| Hash::leaf(bytes)));
    let head = store.head().await.unwrap();
    assert_eq!((head.size, head.root, head.noted, head.time), (4, tree.root(), 4, Some(pen.now)));
    let signed = checkpoint::open(&head.note, &place.log_key.verifier()).unwrap();
    assert_eq!((signed.origin.as_str(), signed.size, signed.root), ("suite", 4, tree.root()));
    assert_eq!(store::leaf_at(&*store, 3).await.unwrap().to_bytes(), expected[3]);
    assert!(store::leaf_at(&*store, 4).await.is_err());
}

async fn a_leaf_moves_every_stream_that_it_stands_in_on(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let landing = ["change/a", "governance", "target/shop/live"];
    place.commit(&*store, vec![pen.next(&["governance"]), pen.next(&landing), pen.next(&["target/shop/live"])]).await;
    for (name, indices) in
        [("governance", &[0, 1][..]), ("change/a", &[1]), ("target/shop/live", &[1, 2]), ("target/shop/test", &[])]
    {
        let found = store.stream(&stream(name), 0).await.unwrap();
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), indices, "{name}");
    }
    let names = ["target/shop/live", "change/b", "governance"].map(stream);
    let heads = store.heads(&names).await.unwrap();
    assert_eq!(heads, [pen.heads[&names[0]], StreamHead::EMPTY, pen.heads[&names[2]]]);

    // Whoever looked at one of them before is told which.
    let mut late = pen.rival(100);
    late.heads.insert(stream("target/shop/live"), heads[1]);
    let overtaken = late.next(&landing);
    let moved = Err(Conflict::Moved(stream("target/shop/live")));
    assert_eq!(place.commit(&*store, vec![overtaken, pen.next(&landing)]).await, [moved, Ok(3)]);
}

async fn a_conflict_is_told_to_its_own_submission_and_the_others_are_taken(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let (first, mut stale) = (pen.next(&["change/a"]), Pen::default().next(&["change/a"]));
    let taken = first.leaves[0].unique[0];
    place.commit(&*store, vec![first]).await;
    stale.leaves[0].unique.clear();
    stale.blobs.push(b"never".to_vec());
    stale.outbox.push(Job { kind: "never".to_owned(), body: vec![] });
    let mut looked_elsewhere = pen.rival(100).next(&["change/c"]);
    looked_elsewhere.expected.insert(stream("change/a"), 0);
    let mut forked = Pen::numbered(200);
    forked.heads.insert(stream("change/a"), StreamHead { next_seq: 1, last: Hash::empty_tree() });
    let mut replayed = pen.rival(300).next(&["change/e"]);
    replayed.leaves[0].unique = vec![Unique::of("fresh"), taken];
    let good = pen.next(&["change/b"]);
    let mut replayed_at_once = pen.rival(400).next(&["change/f"]);
    replayed_at_once.leaves[0].unique = good.leaves[0].unique.clone();
    let results = place
        .commit(
            &*store,
            vec![
                stale,
                good,
                looked_elsewhere,
                forked.next(&["change/a"]),
                replayed,
                replayed_at_once,
                Submission::default(),
                pen.rival(500).too_large("change/g"),
                pen.next(&["change/h"]),
            ],
        )
        .await;
    let moved = || Err(Conflict::Moved(stream("change/a")));
    let again = Unique::of("2");
    assert_eq!(results[..3], [moved(), Ok(1), moved()]);
    assert_eq!(results[3], moved(), "its number is right, and what it follows is not");
    assert_eq!(results[4], Err(Conflict::Taken { key: taken, index: 0 }));
    assert_eq!(results[5], Err(Conflict::Taken { key: again, index: 1 }));
    assert_eq!(results[6], Err(Conflict::Unfit(Unfit::Empty)));
    assert!(matches!(results[7], Err(Conflict::Unfit(Unfit::Seal(_)))), "{:?}", results[7]);
    assert_eq!(results[8], Ok(2));
    assert_eq!(store.head().await.unwrap().size, 3);
    assert_eq!(store::blob(&*store, &Digest::of("never")).await.unwrap(), None);
    assert!(store.jobs(0).await.unwrap().is_empty());
    for name in ["change/c", "change/e", "change/f", "change/g"] {
        assert_eq!(body(&*store, "thing", name).await, None, "{name}");
        assert_eq!(store.heads(&[stream(name)]).await.unwrap(), [StreamHead::EMPTY], "{name}");
    }
    // What was refused took nothing away: its key is still free.
    let mut again = pen.next(&["change/i"]);
    again.leaves[0].unique = vec![Unique::of("fresh")];
    assert_eq!(place.commit(&*store, vec![again]).await, [Ok(3)]);
}

async fn submissions_of_one_batch_see_each_other(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let (first, second) = (pen.next(&["change/a"]), pen.next(&["change/a"]));
    let mut rival = pen.rival(100);
    let (third, rival) = (pen.next(&["change/a"]), rival.next(&["change/a"]));
    let results = place.commit(&*store, vec![first, second, third, rival]).await;
    assert_eq!(results, [Ok(0), Ok(1), Ok(2), Err(Conflict::Moved(stream("change/a")))]);
    assert_eq!(body(&*store, "thing", "change/a").await, Some(b"3".to_vec()));
}

async fn a_key_twice_in_one_submission_is_a_conflict_of_that_one(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let mut twice = pen.clone().next(&["change/a"]);
    let key = twice.leaves[0].unique[0];
    let mut second = pen.clone().next(&["change/c"]).leaves.remove(0);
    second.unique = vec![key];
    twice.leaves.push(second);
    let results = place.commit(&*store, vec![twice, pen.next(&["change/b"])]).await;
    assert_eq!(results, [Err(Conflict::Taken { key, index: 0 }), Ok(0)]);
}

async fn a_repetition_is_told_as_one_though_its_stream_has_gone_on(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let first = pen.next(&["change/a"]);
    place.commit(&*store, vec![first.clone(), pen.next(&["change/a"])]).await;
    let key = first.leaves[0].unique[0];
    assert_eq!(place.commit(&*store, vec![first]).await, [Err(Conflict::Taken { key, index: 0 })]);
}

async fn leaves_stand_in_the_order_of_their_times(place: &Place) {
    let store = place.open().await;
    let at = |name: &str, secs: i64| Pen { now: Time::from_unix_secs(secs), ..Pen::numbered(secs) }.next(&[name]);
    // Those who waited together are taken in the order of their times, not of their arrival.
    assert_eq!(place.commit(&*store, vec![at("change/late", 20), at("change/early", 10)]).await, [Ok(1), Ok(0)]);
    // Whoever looked before the log went on is told how far it has gone.
    let overtaken = |secs| Err(Conflict::Overtaken(Time::from_unix_secs(secs)));
    let submissions = vec![at("change/overtaken", 15), at("change/same", 20)];
    assert_eq!(place.commit(&*store, submissions).await[0], overtaken(20));
    assert_eq!(body(&*store, "thing", "change/overtaken").await, None);
    let mut backwards = at("change/b", 30);
    backwards.leaves.extend(at("change/c", 29).leaves);
    assert_eq!(place.commit(&*store, vec![backwards]).await, [overtaken(30)]);
}

async fn blobs_are_found_by_their_digest(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let blobs = [b"".to_vec(), b"text".to_vec(), vec![0; 1_000_000]];
    let mut submission = pen.next(&["change/a"]);
    submission.blobs = blobs.to_vec();
    let mut again = pen.next(&["change/b"]);
    again.blobs = blobs[..2].to_vec();
    place.commit(&*store, vec![submission]).await;
    place.commit(&*store, vec![again]).await;
    let mut wanted = blobs.each_ref().map(Digest::of).to_vec();
    wanted.push(Digest::of("another"));
    let expected: BTreeMap<Digest, Vec<u8>> = blobs.into_iter().map(|blob| (Digest::of(&blob), blob)).collect();
    assert_eq!(store.blobs(&wanted).await.unwrap(), expected);
    assert!(store.blobs(&[]).await.unwrap().is_empty());
}

async fn proofs_can_be_made_of_its_tiles(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let mut roots = vec![Hash::empty_tree()];
    // Batches of different sizes, so that subtrees and tiles are completed within and between them.
    for batch in [1_u64, 2, 5, 1, 300, 7, 250] {
        let submissions = (0..batch).map(|n| pen.next(&[&format!("change/{n}-of-{batch}")])).collect();
        place.commit(&*store, submissions).await;
        roots.push(store.head().await.unwrap().root);
    }
    let head = store.head().await.unwrap();
    for index in [0, 1, 7, 8, 255, 256, 315, 511, 512, 565] {
        let proof = store::with_nodes(&*store, |nodes| tree::inclusion_proof(index, head.size, &nodes)).await.unwrap();
        let bytes = store.leaves(index..index + 1).await.unwrap().remove(0);
        tree::verify_inclusion(&Hash::leaf(&bytes), index, head.size, &proof.unwrap(), &head.root).unwrap();
    }
    for (old, root) in [(1, 1), (3, 2), (8, 3), (9, 4), (309, 5), (316, 6)] {
        let proof = store::with_nodes(&*store, |nodes| tree::consistency_proof(old, head.size, &nodes)).await.unwrap();
        tree::verify_consistency(old, &roots[root], head.size, &head.root, &proof.unwrap()).unwrap();
    }
    let too_far = store::with_nodes(&*store, |nodes| tree::inclusion_proof(head.size, head.size, &nodes)).await;
    assert!(too_far.unwrap().is_err());

    let hashes: Vec<Hash> = pen.written.iter().map(|bytes| Hash::leaf(bytes)).collect();
    let at = |level, index| TileAt { level, index };
    // The same for whoever has the store open already, and for whoever opens it now.
    for store in [store, place.open().await] {
        let tiles = store.tiles(&[at(0, 0), at(0, 1), at(0, 2), at(0, 3), at(1, 0), at(2, 0)]).await.unwrap().0;
        assert_eq!(tiles[&at(0, 0)], hashes[..256]);
        assert_eq!(tiles[&at(0, 1)], hashes[256..512]);
        assert_eq!(tiles[&at(0, 2)], hashes[512..]);
        assert!(tiles[&at(0, 3)].is_empty());
        let above = hashes.chunks_exact(256).map(|tile| MemoryNodes::from_leaf_hashes(tile.iter().copied()).root());
        assert_eq!(tiles[&at(1, 0)], above.collect::<Vec<_>>());
        assert!(!tiles.contains_key(&at(2, 0)));
    }
}

async fn a_page_of_leaves_has_its_limits(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, (0..=MAX_PAGE).map(|_| pen.next(&["change/long"])).collect()).await;
    assert_eq!(store.leaves(0..u64::MAX).await.unwrap().len() as u64, MAX_PAGE);
    assert_eq!(store.leaves(MAX_PAGE..u64::MAX).await.unwrap().len(), 1);
    let long = stream("change/long");
    assert_eq!(store.stream(&long, 0).await.unwrap().len() as u64, MAX_PAGE);
    assert_eq!(store.stream(&long, MAX_PAGE).await.unwrap().len(), 1);

    // Large ones come in smaller pages, and none is left out.
    place.commit(&*store, (0..300).map(|_| pen.of_bytes("change/large", 30_000)).collect()).await;
    let first = MAX_PAGE + 1;
    let page = store.leaves(first..u64::MAX).await.unwrap();
    assert!(page.len() < 300 && page.iter().map(Vec::len).sum::<usize>() as u64 <= MAX_PAGE_BYTES, "{}", page.len());
    assert_eq!(store.stream(&stream("change/large"), 0).await.unwrap().len(), page.len());
    let rest = store.leaves(first + page.len() as u64..u64::MAX).await.unwrap();
    assert_eq!([page, rest].concat(), pen.written[first as usize..]);
}

async fn jobs_are_there_until_they_are_done(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let job = |kind: &str| Job { kind: kind.to_owned(), body: kind.as_bytes().to_vec() };
    let mut submission = pen.next(&["change/a"]);
    submission.outbox = vec![job("one"), job("two")];
    place.commit(&*store, vec![submission]).await;
    let jobs = store.jobs(0).await.unwrap();
    assert_eq!(jobs.iter().map(|(_, job)| job.kind.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(store.jobs(jobs[0].0).await.unwrap(), jobs[1..]);
    store.done(&[jobs[0].0]).await.unwrap();
    assert_eq!(place.open().await.jobs(0).await.unwrap(), jobs[1..]);
    store.done(&[jobs[0].0, jobs[1].0]).await.unwrap();
    assert!(store.jobs(0).await.unwrap().is_empty());

    // A number is never given twice, so that who is late with one job does not remove another.
    let mut submission = pen.next(&["change/a"]);
    submission.outbox = vec![job("three")];
    place.commit(&*store, vec![submission]).await;
    assert!(store.jobs(0).await.unwrap()[0].0 > jobs[1].0);
}

async fn projections_have_a_version_and_can_be_made_again(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, vec![pen.next(&["change/a"]), pen.next(&["change/b"])]).await;
    store.set_version(3).await.unwrap();
    let before = dump(&*store).await;
    assert_eq!(place.open().await.version().await.unwrap(), 3);
    store.clear_projections().await.unwrap();
    assert_eq!(store.version().await.unwrap(), 0, "who stops in between finds out");
    assert!(store.find("thing", "", 10).await.unwrap().is_empty());
    store.project(vec![pen.thing("change/a", "1"), pen.thing("change/b", "2")]).await.unwrap();
    store.set_version(4).await.unwrap();
    assert_eq!(dump(&*store).await, before);
    assert_eq!(store.version().await.unwrap(), 4);
    assert_eq!(place.commit(&*store, vec![pen.next(&["change/a"])]).await, [Ok(2)], "and it goes on");
}

async fn what_was_committed_is_there_after_opening_again(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let first = pen.next(&["change/a"]);
    place.commit(&*store, vec![first.clone(), pen.next(&["change/b"])]).await;
    let (before, head) = (dump(&*store).await, store.head().await.unwrap());
    drop(store);
    let store = place.open().await;
    assert_eq!((dump(&*store).await, store.head().await.unwrap()), (before, head));
    let taken = Err(Conflict::Taken { key: first.leaves[0].unique[0], index: 0 });
    assert_eq!(place.commit(&*store, vec![first, pen.next(&["change/a"])]).await, [taken, Ok(2)]);
}

async fn two_servers_over_one_store_see_each_other(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    let mut pen = Pen::default();
    let mut rival = pen.rival(1_000);
    assert_eq!(place.commit(&*one, vec![pen.next(&["change/a"])]).await, [Ok(0)]);
    let moved = Err(Conflict::Moved(stream("change/a")));
    assert_eq!(place.commit(&*other, vec![rival.next(&["change/a"])]).await, [moved]);
    // In turns, over the end of a tile.
    for n in 0..300 {
        let store = if n % 2 == 0 { &other } else { &one };
        assert_eq!(place.commit(&**store, vec![pen.next(&["change/a"])]).await, [Ok(n + 1)]);
    }
    assert_eq!(one.head().await.unwrap(), other.head().await.unwrap());
    let tree = MemoryNodes::from_leaf_hashes(pen.written.iter().map(|bytes| Hash::leaf(bytes)));
    assert_eq!(place.open().await.head().await.unwrap().root, tree.root());
}

async fn what_differs_between_two_stores_is_named(place: &Place) {
    let (one, elsewhere) = (place.open().await, Place::new(place.address));
    let other = elsewhere.open().await;
    let mut pen = Pen::default();
    let submissions: Vec<Submission> = (0..600).map(|n| pen.next(&[&format!("change/{n:03}")])).collect();
    place.commit(&*one, submissions.clone()).await;
    elsewhere.commit(&*other, submissions).await;
    assert!(differences(&*one, &*other, 10).await.unwrap().is_empty());
    other.project(vec![pen.thing("change/300", "else"), pen.thing("change/new", "new")]).await.unwrap();
    let expected = ["thing change/300", "thing change/new"];
    assert_eq!(differences(&*one, &*other, 10).await.unwrap(), expected);
    assert_eq!(differences(&*other, &*one, 1).await.unwrap(), expected[..1]);
    elsewhere.commit(&*other, vec![pen.next(&["change/000"])]).await;
    let found: BTreeSet<String> = differences(&*one, &*other, 10).await.unwrap().into_iter().collect();
    assert!(found.contains("the tree") && found.contains("stream change/000"), "{found:?}");
}

/// A follower's notary: it knows one checkpoint.
struct Followed {
    size: u64,
    root: Hash,
    note: String,
}

impl Notary for Followed {
    fn note(&self, size: u64, root: Hash) -> Result<Option<String>, NoteError> {
        match size == self.size {
            false => Ok(None),
            true if root == self.root => Ok(Some(self.note.clone())),
            true => Err(NoteError::Differs { size, found: root, expected: self.root }),
        }
    }
}

async fn a_copy_takes_leaves_before_it_reaches_their_checkpoint(place: &Place) {
    let (log, folder) = (place.open().await, Place::new(place.address));
    let mut pen = Pen::default();
    let submissions: Vec<Submission> = (0..300).map(|n| pen.next(&[&format!("change/{n}")])).collect();
    place.commit(&*log, submissions.clone()).await;
    let head = log.head().await.unwrap();
    let followed = Followed { size: 300, root: head.root, note: head.note.clone() };
    let options = Options { keeps: Keeps::Copy(Access::Owner), ..place.options() };
    let copy = folder.open_as(&options).await.unwrap();
    copy.commit(&followed, submissions[..290].to_vec()).await.unwrap();
    assert_eq!((copy.head().await.unwrap().noted, copy.head().await.unwrap().note), (0, String::new()));
    // It goes on after an interruption; a log, of which every leaf is signed, would not.
    let refused = folder.open_as(&place.options()).await.map(drop).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store is damaged: it has 290 leaves, and only 0 of them are under a checkpoint"
    );
    drop(copy);
    let copy = folder.open_as(&options).await.unwrap();
    // The log shows other leaves than it signed: nothing of them is written.
    let other = Followed { root: Hash::empty_tree(), ..followed };
    let before = dump(&*copy).await;
    let error = copy.commit(&other, submissions[290..].to_vec()).await.unwrap_err();
    assert!(matches!(error, StoreError::Note(NoteError::Differs { size: 300, .. })), "{error}");
    assert_eq!(dump(&*copy).await, before);
    let followed = Followed { root: head.root, ..other };
    copy.commit(&followed, submissions[290..].to_vec()).await.unwrap();
    assert_eq!(copy.head().await.unwrap(), head);
    copy.commit(&followed, vec![pen.next(&["change/0"])]).await.unwrap();
    drop(copy);
    let copy = folder.open_as(&options).await.unwrap();
    assert_eq!((copy.head().await.unwrap().size, copy.head().await.unwrap().noted), (301, 300));
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
            a_leaf_moves_every_stream_that_it_stands_in_on
            a_conflict_is_told_to_its_own_submission_and_the_others_are_taken
            submissions_of_one_batch_see_each_other
            a_key_twice_in_one_submission_is_a_conflict_of_that_one
            a_repetition_is_told_as_one_though_its_stream_has_gone_on
            leaves_stand_in_the_order_of_their_times
            blobs_are_found_by_their_digest
            proofs_can_be_made_of_its_tiles
            a_page_of_leaves_has_its_limits
            jobs_are_there_until_they_are_done
            projections_have_a_version_and_can_be_made_again
            what_was_committed_is_there_after_opening_again
            two_servers_over_one_store_see_each_other
            what_differs_between_two_stores_is_named
            a_copy_takes_leaves_before_it_reaches_their_checkpoint
            projections_are_replaced_whole_and_found_by_the_beginning_of_their_name
            a_search_by_name_has_its_limit
            a_list_shows_the_highest_order_first_a_page_at_a_time
            a_list_is_narrowed_by_all_of_its_facets
            a_projection_that_moves_leaves_nothing_behind
            many_can_open_and_leave_one_at_once
            a_page_looks_at_a_bounded_number_of_candidates
            submissions_at_once_are_each_answered_and_durable
            what_was_acknowledged_survives_a_crash
            a_batch_waits_for_earlier_ones_that_are_announced
            whose_write_failed_learns_whether_it_happened
            a_commit_that_fails_at_any_step_leaves_one_truth
        }
    };
}

conforms!(sqlite, |folder| format!("sqlite:{}", folder.join("ledger.db").display()));
