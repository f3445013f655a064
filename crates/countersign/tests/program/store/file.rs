//! What only a file can have: formats, damage, modes, failing writes.

use std::{fs, path::Path};

use countersign::store::{self, Access, Keeps, NewLeaf, Options, StoreError, Submission, batch};
use countersign_ledger::{Hash, LogKey, MemoryNodes, checkpoint};
use rand_core::OsRng;

use super::{Pen, Place, body, dump};

fn place() -> Place {
    Place::new(|folder| folder.join("ledger.db").display().to_string())
}

impl Place {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Another place, for the same log, with this file.
    fn elsewhere(&self, file: &[u8]) -> Self {
        let (folder, log_key) = (tempfile::tempdir().unwrap(), std::sync::Arc::clone(&self.log_key));
        let place = Self { folder, address: self.address, log_key };
        fs::write(place.path(), file).unwrap();
        place
    }

    /// What opening says.
    async fn refused(&self) -> String {
        self.open_as(&self.options()).await.map(drop).expect_err("it was opened").to_string()
    }

    /// Changes the file behind the store's back.
    async fn sql(&self, text: &'static str) {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", self.path().display())).await.unwrap();
        sqlx::raw_sql(text).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

#[tokio::test]
async fn a_store_of_another_format_is_left_alone() {
    let place = place();
    drop(place.open().await);
    place.sql("pragma user_version = 3").await;
    assert!(place.refused().await.contains("newer version (format 3, this program knows 2)"));
    place.sql("pragma user_version = 1").await;
    assert!(place.refused().await.contains("before the first release (format 1"));
    let place = place.elsewhere(b"");
    place.sql("create table other (a)").await;
    assert!(place.refused().await.contains("is a database, but no store"));
}

#[tokio::test]
async fn a_file_that_is_no_store_is_an_error_and_stays_as_it_is() {
    let place = place();
    let path = place.path();
    for content in
        [&b"not a database, but long enough to be taken for the header of one: 0123456789"[..], &[0xff; 8192]]
    {
        fs::write(&path, content).unwrap();
        assert!(place.refused().await.contains("file is not a database"), "{}", place.refused().await);
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let refused = async |path: &Path| {
        let opened = store::open(&path.display().to_string(), &place.options()).await;
        opened.map(drop).unwrap_err().to_string()
    };
    assert!(refused(place.folder.path()).await.starts_with("cannot open the store"));
    assert!(refused(&place.folder.path().join("no/such/folder.db")).await.starts_with("cannot open the store"));
}

#[tokio::test]
async fn an_address_of_no_store_is_refused() {
    for address in ["postgres://db/log", "http://127.0.0.1:1"] {
        let error = store::open(address, &Options::log("")).await.map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{error}");
    }
}

/// A colon is part of a name, and begins no address.
#[tokio::test]
async fn a_file_may_be_called_anything_that_is_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = place();
    let named = place.folder.path().join("a:b.db");
    store::open(&store::address(&named).unwrap(), &place.options()).await.unwrap();
    assert!(named.exists());
    let error = store::address(std::ffi::OsStr::from_bytes(b"a\xff.db").as_ref()).unwrap_err();
    assert!(matches!(error, StoreError::NoText(_)), "{error}");
}

#[tokio::test]
async fn what_is_on_the_disk_is_what_was_signed_or_the_store_is_not_opened() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, (0..700).map(|n| pen.next(&[&format!("change/{n}")])).collect()).await;
    drop(store);
    place.sql("pragma wal_checkpoint(truncate)").await;
    let whole = fs::read(place.path()).unwrap();
    for (damage, told) in [
        // A leaf behind the last full tile.
        ("update leaves set bytes = bytes || ' ' where idx = 650", "has root"),
        ("update leaves set bytes = (select bytes from leaves where idx = 3) where idx = 699", "has root"),
        ("delete from leaves where idx = 699", "is incomplete"),
        ("delete from leaves where idx = 699; update log set size = 699", "is incomplete"),
        // A node of the tree.
        ("update tiles set hashes = zeroblob(64) where level = 1", "has root"),
        ("update tiles set hashes = zeroblob(32) where level = 1", "is incomplete"),
        ("update tiles set hashes = x'00' where level = 1", "a hash tile cannot be read"),
        ("delete from tiles where level = 1", "is incomplete"),
        // The head and its checkpoint.
        ("update log set root = zeroblob(32)", "the store's head says"),
        ("update log set root = x'00'", "the log's root cannot be read: 1 bytes"),
        ("update log set time = time + 1", "the last leaf is of"),
        ("update log set note = ''", "the store's last checkpoint is not this log's"),
        ("update log set note = replace(note, '700', '699')", "the store's last checkpoint is not this log's"),
        ("update log set noted = 699", "the checkpoint is of 700 leaves, the store's head says 699"),
        ("update log set noted = 0, note = ''", "it has 700 leaves, and only 0 of them are under a checkpoint"),
    ] {
        // In a folder of its own: what was open before is closed in its own time.
        let place = place.elsewhere(&whole);
        place.sql(damage).await;
        let refused = place.refused().await;
        assert!(refused.contains(told), "{damage}: {refused}");
    }
    let half = place.elsewhere(&whole[..whole.len() / 2]).refused().await;
    assert!(half.contains("malformed"), "{half}");
    let place = place.elsewhere(&whole);
    assert_eq!(place.open().await.head().await.unwrap().size, 700);

    // Another log's key.
    let options = Options::log(LogKey::generate("suite", &mut OsRng).unwrap().verifier());
    let error = place.open_as(&options).await.map(drop).unwrap_err();
    assert!(matches!(error, StoreError::OtherLog(_)) && error.hint().contains("same backup"), "{error}");
}

#[tokio::test]
async fn a_store_that_changed_while_it_was_open_is_not_extended() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, vec![pen.next(&["change/a"]), pen.next(&["change/a"])]).await;
    place.sql("delete from leaves where idx = 1; update log set size = 1").await;
    let error = store.commit(&*place.log_key, vec![pen.next(&["change/b"])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[tokio::test]
async fn a_commit_that_fails_is_unknown_and_the_next_begins_with_what_is_on_the_disk() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, vec![pen.next(&["change/a"])]).await;
    // Whoever writes a leaf breaks a promise that is looked at only when the transaction ends.
    place
        .sql(
            "create table broken (id integer references nowhere (id) deferrable initially deferred); \
             create table nowhere (id integer primary key); \
             create trigger breaking after insert on leaves begin insert into broken values (1); end",
        )
        .await;
    let before = dump(&*store).await;
    let submission = pen.next(&["change/a"]);
    let error = store.commit(&*place.log_key, vec![submission.clone()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(error.is_unknown() && error.hint().contains("look whether"), "{}", error.hint());
    assert_eq!(dump(&*store).await, before);
    place.sql("drop trigger breaking").await;
    assert_eq!(place.commit(&*store, vec![submission]).await, [Ok(1)]);
    drop(store);
    assert_eq!(place.open().await.head().await.unwrap().size, 2);
}

#[tokio::test]
async fn a_write_that_is_refused_half_way_leaves_nothing() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    place.commit(&*store, vec![pen.next(&["change/a"])]).await;
    place.sql("create trigger refusing before insert on uniques begin select raise(abort, 'disk on fire'); end").await;
    let before = dump(&*store).await;
    let submission = pen.next(&["change/a"]);
    let error = store.commit(&*place.log_key, vec![submission.clone()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Database { .. }) && error.to_string().contains("disk on fire"), "{error}");
    assert_eq!(dump(&*store).await, before);
    place.sql("drop trigger refusing").await;
    assert_eq!(place.commit(&*store, vec![submission]).await, [Ok(1)]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_or_its_groups_and_an_old_one_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    for (keeps, expected) in
        [(Keeps::Log, 0o600), (Keeps::Copy(Access::Owner), 0o600), (Keeps::Copy(Access::Group), 0o660)]
    {
        let place = place();
        let options = Options { keeps, ..place.options() };
        let store = place.open_as(&options).await.unwrap();
        place.commit(&*store, vec![Pen::default().next(&["change/a"])]).await;
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let mode = fs::metadata(place.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, expected, "{keeps:?} {name}");
        }
        drop(store);
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
        drop(place.open_as(&options).await.unwrap());
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

/// What decays, or is lost, while a server has it open. What is extended is looked at each time; the rest is found by reading it.
#[tokio::test]
async fn a_last_leaf_that_is_lost_or_changed_while_it_was_open_is_not_extended() {
    for (leaves, damage, told) in [
        (300, "delete from leaves where idx = 299", "leaf 299 is missing"),
        (256, "delete from leaves where idx = 255", "leaf 255 is missing"),
        (
            300,
            "update leaves set bytes = (select bytes from leaves where idx = 3) where idx = 299",
            "leaf 299 is not the one",
        ),
        (256, "update leaves set bytes = zeroblob(9) where idx = 255", "leaf 255 cannot be read"),
        (300, "update log set size = -1", "the log's size cannot be read: -1"),
    ] {
        let place = place();
        let store = place.open().await;
        let mut pen = Pen::default();
        place.commit(&*store, (0..leaves).map(|n| pen.next(&[&format!("change/{n}")])).collect()).await;
        let note = store.head().await.unwrap().note;
        place.sql(damage).await;
        let error = store.commit(&*place.log_key, vec![pen.next(&["change/a"])]).await.unwrap_err();
        assert!(error.to_string().contains(told), "{damage}: {error}");
        assert!(matches!(error, StoreError::Damaged(_)) && error.hint().contains("restore"), "{error}");
        if let Ok(head) = store.head().await {
            assert_eq!(head.note, note, "nothing was signed");
        }
    }
}

#[tokio::test]
async fn what_decays_where_nobody_looks_is_found_by_reading_it_all() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    let mut submissions: Vec<Submission> = (0..700).map(|n| pen.next(&[&format!("change/{n}")])).collect();
    submissions[5].blobs.push(b"a text".to_vec());
    place.commit(&*store, submissions).await;
    let keys = |leaf: &countersign_ledger::Leaf| vec![store::Unique::of(leaf.envelope.payload())];
    let scrub = async |place: &Place, store: &dyn store::Store| {
        store::scrub::scrub(store, &place.options(), &keys, std::time::Duration::ZERO).await
    };
    assert_eq!(scrub(&place, &*store).await.unwrap(), 700);
    drop(store);
    place.sql("pragma wal_checkpoint(truncate)").await;
    let whole = fs::read(place.path()).unwrap();
    for (damage, told) in [
        ("update leaves set bytes = (select bytes from leaves where idx = 4) where idx = 3", "under hash tile 0/0"),
        ("update leaves set bytes = x'00' where idx = 3", "leaf 3 cannot be read"),
        ("delete from leaves where idx = 300", "leaf 300 is missing"),
        ("update tiles set hashes = zeroblob(8192) where level = 0 and idx = 1", "under hash tile 0/1"),
        (
            "update tiles set hashes = zeroblob(32) || substr(hashes, 33) where level = 1 and idx = 0",
            "under hash tile 1/0",
        ),
        ("update blobs set bytes = x'00'", "is not what its name says"),
        ("update lines set idx = 4 where idx = 3", "line 0 of stream change/3, which is leaf 3,"),
        ("delete from lines where idx = 699", "line 0 of stream change/699"),
        ("update streams set name = 'change/x' where name = 'change/9'", "line 0 of stream change/9"),
        ("insert into lines select stream, 1, 2 from lines where idx = 3", "701 for 700 leaves that have 700"),
        ("delete from uniques where idx = 5", "leaf 5 under key"),
        ("insert into uniques values (zeroblob(16), 7)", "keys, 701 for 700 leaves"),
        ("insert into facets values ('thing', 'state', 'applied', 0, 'change/7')", "change/7 in the index of lists"),
    ] {
        let place = place.elsewhere(&whole);
        // While it is served: opening looks at some of it, too.
        let store = place.open().await;
        place.sql(damage).await;
        let error = scrub(&place, &*store).await.unwrap_err();
        assert!(error.to_string().contains(told), "{damage}: {error}");
    }
}

/// A statement as the engine writes it: a leaf of its size, two texts beside it, the change that it makes, and what lists
/// find the change by.
fn statement(pen: &mut Pen, change: &str, step: usize) -> Submission {
    let mut submission = pen.of_bytes(change, 1_000);
    submission.blobs = vec![format!("{:>400}", pen.made).into_bytes(), format!("{:>200}", pen.made).into_bytes()];
    let mut projection = pen.thing(change, &"x".repeat(1_500 + 500 * step));
    let state = if step == 3 { "applied" } else { "proposed" };
    let facets = [("state", state), ("system", "shop"), ("person", "ada"), ("person", "grace")];
    projection.facets = facets.map(|(name, value)| store::Facet::new(name, value)).into();
    submission.projections = vec![projection];
    submission
}

#[tokio::test]
async fn a_statement_takes_few_rows_and_little_of_the_disk() {
    let place = place();
    let store = place.open().await;
    let mut pen = Pen::default();
    let (mut bytes, mut statements) = (0, 0);
    for round in 0..8 {
        for step in 0..4 {
            let batch: Vec<Submission> =
                (0..64).map(|n| statement(&mut pen, &format!("change/{round}-{n}"), step)).collect();
            statements += batch.len();
            for NewLeaf { leaf, .. } in batch.iter().flat_map(|submission| &submission.leaves) {
                bytes += leaf.to_bytes().len();
            }
            place.commit(&*store, batch).await;
        }
    }
    drop(store);
    place.sql("pragma wal_checkpoint(truncate)").await;
    let file = fs::metadata(place.path()).unwrap().len() as usize;
    // Leaf and texts are some 2.7 KB; four statements share a change of 3 KB.
    let (leaf, all) = (bytes / statements, file / statements);
    assert!(all < leaf + 600 + 3_000 / 4 + 1_500, "a leaf of {leaf} bytes takes {all}");

    let mut pen = Pen::default();
    let first = statement(&mut pen, "change/a", 0);
    let plan = batch::plan(&batch::Tail::default(), batch::Found::default(), vec![first]);
    // Leaf, line, key, two texts, the change, four facets.
    assert_eq!((plan.results, plan.rows.count()), (vec![Ok(0)], 10));
    assert_ne!(plan.tail.root(), Hash::empty_tree());
    assert_eq!(body(&*place.open().await, "thing", "change/7-63").await.unwrap().len(), 3_000);
}

/// What a commit does not read again cannot mislead it, and what it does read stops it: under the log's key there is one truth.
#[tokio::test]
async fn a_tile_or_note_that_changes_while_it_is_open_makes_no_second_truth() {
    for damage in [
        "update tiles set hashes = zeroblob(length(hashes))",
        "update tiles set hashes = x'00'",
        "delete from tiles",
        "update log set note = ''",
        "update log set note = replace(note, '300', '299')",
    ] {
        let place = place();
        let store = place.open().await;
        let mut pen = Pen::default();
        let first: Vec<Submission> = (0..300).map(|n| pen.next(&[&format!("change/{n}")])).collect();
        let mut nodes = MemoryNodes::new();
        place.commit(&*store, first).await;
        let leaves = store.leaves(0..300).await.unwrap();
        leaves.iter().for_each(|bytes| nodes.push_leaf(Hash::leaf(bytes)));
        assert_eq!(store.head().await.unwrap().root, nodes.root());
        place.sql(damage).await;
        match store.commit(&*place.log_key, vec![pen.next(&["change/more"])]).await {
            Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "{damage}: {error}"),
            Ok(results) => {
                assert_eq!(results, [Ok(300)], "{damage}");
                let last = store.leaves(300..301).await.unwrap();
                nodes.push_leaf(Hash::leaf(&last[0]));
                let head = store.head().await.unwrap();
                assert_eq!((head.size, head.root), (301, nodes.root()), "{damage}");
                let signed = checkpoint::open(&head.note, &place.log_key.verifier()).unwrap();
                assert_eq!((signed.size, signed.root), (301, nodes.root()), "{damage}");
            }
        }
    }
}
