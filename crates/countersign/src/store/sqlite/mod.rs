//! The embedded store: one SQLite file, write-ahead log, `synchronous = FULL`, so that an acknowledged commit survives
//! a power cut.
//!
//! One connection writes, and keeps the log's tail between commits; a few read. Whatever interrupts a write (an error, a
//! caller who went away) costs that connection and its tail: the next commit begins with what is on the disk. Several
//! processes may have the file open; each commit compares its tail with the disk before it extends it.

mod lists;
mod read;
mod write;

use std::{collections::BTreeMap, fs, ops::Range, path::Path, sync::Mutex, time::Duration};

use countersign_ledger::{Digest, Hash, StreamHead, StreamId};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Access, Conflict, Damage, Entries, Head, Job, Keeps, List, Notary, Options, Page, Pending, Projection, Store,
    StoreError, Submission, Trouble, Unique, dump,
    faults::Faults,
    tiles::{TileAt, Tiles},
};

use crate::unix;
use read::LastHashes;

const FORMAT: i64 = 2;

/// On pages of 4 KiB there is room for one leaf each, and most of the rest is lost.
const PAGE_BYTES: u32 = 8_192;

/// How many pages the write-ahead log has when they are copied into the file.
const LOG_PAGES: &str = "2000";

/// How many rows a connection's thread reads ahead, so that it and its caller do not wake each other for each.
const ROWS_AHEAD: usize = 1_024;

const WRITER_CACHE: &str = "-32000";

const READERS: u32 = 4;

const BUSY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

pub struct SqliteStore {
    options: Options,
    connect: SqliteConnectOptions,
    readers: SqlitePool,
    /// Taken while somebody writes, and put back when the write has ended well.
    writing: tokio::sync::Mutex<Option<write::Writing>>,
    last_hashes: Mutex<LastHashes>,
    faults: Faults,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("options", &self.options).finish_non_exhaustive()
    }
}

fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { operation, trouble: trouble(&source), source }
}

/// A commit failed: whether it happened, the next look at the disk tells.
fn unknown(source: sqlx::Error) -> StoreError {
    StoreError::Unknown { trouble: trouble(&source), source }
}

/// SQLite's primary result codes: <https://www.sqlite.org/rescode.html>.
fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::StorageFull => Trouble::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Trouble::ReadOnly,
            _ => Trouble::Other,
        },
        // All readers are taken.
        sqlx::Error::PoolTimedOut => Trouble::Busy,
        error => {
            let code =
                error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
            match code.map(|code| code & 0xff) {
                Some(5 | 6) => Trouble::Busy,
                Some(8) => Trouble::ReadOnly,
                Some(13) => Trouble::Full,
                Some(14) => Trouble::CannotOpen,
                Some(11 | 26) => Trouble::Malformed,
                Some(_) | None => Trouble::Other,
            }
        }
    }
}

impl SqliteStore {
    /// Opens the file or makes it. What it holds is not looked at; [`super::open`] does that.
    pub(super) async fn open(path: &Path, options: Options, faults: Faults) -> Result<Self, StoreError> {
        make(path, options.keeps).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .row_buffer_size(ROWS_AHEAD)
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            // A connection to a file does not break by itself.
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone());
        // What a statement may have to undo is kept in memory, too; its size is that of a batch.
        let connect = connect.pragma("cache_size", WRITER_CACHE).pragma("temp_store", "memory");
        // What is replaced or erased is overwritten, not only left out of the tables.
        let connect = connect.pragma("secure_delete", "on");
        let mut connection = open(&connect).await?;
        migrate(&mut connection, path).await?;
        let writing = write::Writing { connection, tail: None };
        Ok(Self {
            options,
            connect,
            readers,
            writing: tokio::sync::Mutex::new(Some(writing)),
            last_hashes: Mutex::default(),
            faults,
        })
    }

    async fn reader(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(failed("open the store"))
    }
}

/// Opens a connection. Who opens a file while another makes it, or is the last to leave it, is told that it is locked, and is not
/// made to wait: to change its journal, SQLite would have to exchange one lock for another, and there it does not wait by itself.
async fn open(connect: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let patiently = async {
        loop {
            match connect.connect().await {
                Err(error) if trouble(&error) == Trouble::Busy => tokio::time::sleep(PAUSE).await,
                opened => return opened,
            }
        }
    };
    let opened = match tokio::time::timeout(BUSY, patiently).await {
        Ok(opened) => opened,
        Err(_) => connect.connect().await,
    };
    opened.map_err(failed("open the store"))
}

/// Makes the file, empty, so that its mode is ours and not the database's. What lies beside it gets the same mode.
fn make(path: &Path, keeps: Keeps) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let made = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    match keeps {
        Keeps::Log | Keeps::Copy(Access::Owner) => unix::leave_to_owner(&made),
        Keeps::Copy(Access::Group) => unix::leave_to_group(&made),
    }
}

/// Makes the tables in a new file. A file of another format is left alone.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let run = async |connection: &mut SqliteConnection, sql: &'static str, operation| {
        sqlx::raw_sql(sql).execute(connection).await.map_err(failed(operation))
    };
    let found = format(connection).await?;
    if found == FORMAT {
        return Ok(());
    }
    run(connection, "begin immediate", "begin").await?;
    // Another process may have made them in between.
    match format(connection).await? {
        0 => {
            let tables: i64 = sqlx::query_scalar("select count(*) from sqlite_schema")
                .fetch_one(&mut *connection)
                .await
                .map_err(failed("read the schema"))?;
            if tables > 0 {
                return Err(StoreError::Foreign(path.to_owned()));
            }
            run(connection, include_str!("schema.sql"), "make the tables").await?;
            sqlx::query("insert into log values (0, 0, ?, null, '', 0, 0)")
                .bind(Hash::empty_tree().as_bytes().to_vec())
                .execute(&mut *connection)
                .await
                .map_err(failed("begin the log"))?;
            run(connection, "pragma user_version = 2", "set the format").await?;
            run(connection, "commit", "commit the tables").await?;
            Ok(())
        }
        FORMAT => run(connection, "rollback", "go on").await.map(drop),
        found if found < FORMAT => Err(StoreError::Older { path: path.to_owned(), found, known: FORMAT }),
        found => Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
    }
}

async fn format(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("pragma user_version").fetch_one(connection).await.map_err(failed("read the store's format"))
}

/// A bound of what is asked for. SQLite's integers are signed; what lies beyond them is nowhere.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number that is written down.
fn written(what: &'static str, n: u64) -> Result<i64, Damage> {
    i64::try_from(n).map_err(|_| Damage::Value { what, found: n.to_string() })
}

/// A number that was read.
fn counted(what: &'static str, n: i64) -> Result<u64, Damage> {
    u64::try_from(n).map_err(|_| Damage::Value { what, found: n.to_string() })
}

impl Store for SqliteStore {
    fn head(&self) -> Pending<'_, Head> {
        Box::pin(async { read::head(&mut *self.reader().await?).await })
    }

    fn commit<'a>(
        &'a self,
        notary: &'a dyn Notary,
        submissions: Vec<Submission>,
    ) -> Pending<'a, Vec<Result<u64, Conflict>>> {
        Box::pin(self.write_batch(notary, submissions))
    }

    fn leaves(&self, range: Range<u64>) -> Pending<'_, Vec<Vec<u8>>> {
        Box::pin(async { read::leaves(&mut *self.reader().await?, range).await })
    }

    fn stream<'a>(&'a self, stream: &'a StreamId, from: u64) -> Pending<'a, Vec<(u64, Vec<u8>)>> {
        Box::pin(async move { read::stream(&mut *self.reader().await?, stream, from).await })
    }

    fn heads<'a>(&'a self, streams: &'a [StreamId]) -> Pending<'a, Vec<StreamHead>> {
        Box::pin(async move {
            let heads = read::heads(&mut *self.reader().await?, streams).await?;
            Ok(streams.iter().map(|stream| heads.get(stream).copied().unwrap_or(StreamHead::EMPTY)).collect())
        })
    }

    fn tiles<'a>(&'a self, wanted: &'a [TileAt]) -> Pending<'a, Tiles> {
        Box::pin(async move { read::tiles(&mut *self.reader().await?, &self.last_hashes, wanted).await })
    }

    fn taken<'a>(&'a self, keys: &'a [Unique]) -> Pending<'a, BTreeMap<Unique, u64>> {
        Box::pin(self.look_for(keys))
    }

    fn lines<'a>(&'a self, places: &'a [(StreamId, u64)]) -> Pending<'a, Vec<Option<u64>>> {
        Box::pin(async move { read::lines(&mut *self.reader().await?, places).await })
    }

    fn entries(&self, size: u64) -> Pending<'_, Entries> {
        Box::pin(async move { read::entries(&mut *self.reader().await?, size).await })
    }

    fn loose(&self) -> Pending<'_, Option<String>> {
        Box::pin(async { lists::loose(&mut *self.reader().await?).await })
    }

    fn each_blob(&self, after: u64) -> Pending<'_, Vec<(u64, Digest, Vec<u8>)>> {
        Box::pin(async move { read::each_blob(&mut *self.reader().await?, after).await })
    }

    fn blobs<'a>(&'a self, digests: &'a [Digest]) -> Pending<'a, BTreeMap<Digest, Vec<u8>>> {
        Box::pin(async move { read::blobs(&mut *self.reader().await?, digests).await })
    }

    fn projections<'a>(&'a self, kind: &'a str, names: &'a [String]) -> Pending<'a, BTreeMap<String, Vec<u8>>> {
        Box::pin(async move { lists::projections(&mut *self.reader().await?, kind, names).await })
    }

    fn find<'a>(&'a self, kind: &'a str, prefix: &'a str, limit: u64) -> Pending<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(async move { lists::find(&mut *self.reader().await?, kind, prefix, limit).await })
    }

    fn list<'a>(&'a self, list: &'a List<'a>) -> Pending<'a, Page> {
        Box::pin(async move {
            // One transaction, so that the page is of one moment.
            let mut tx = self.readers.begin().await.map_err(failed("begin a list"))?;
            lists::list(&mut tx, list).await
        })
    }

    fn jobs(&self, after: u64) -> Pending<'_, Vec<(u64, Job)>> {
        Box::pin(async move { read::jobs(&mut *self.reader().await?, after).await })
    }

    fn done<'a>(&'a self, jobs: &'a [u64]) -> Pending<'a, ()> {
        Box::pin(self.remove_jobs(jobs))
    }

    fn version(&self) -> Pending<'_, u32> {
        Box::pin(async { read::version(&mut *self.reader().await?).await })
    }

    fn set_version(&self, version: u32) -> Pending<'_, ()> {
        Box::pin(self.write_version(version))
    }

    fn clear_projections(&self) -> Pending<'_, ()> {
        Box::pin(self.remove_projections())
    }

    fn project(&self, projections: Vec<Projection>) -> Pending<'_, ()> {
        Box::pin(self.write_projections(projections))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.readers.close().await;
            match self.writing.lock().await.take() {
                Some(writing) => writing.connection.close().await.map_err(failed("close the store")),
                None => Ok(()),
            }
        })
    }

    fn copy_to<'a>(&'a self, file: &'a Path) -> Pending<'a, ()> {
        Box::pin(async move { read::copy_to(&mut *self.reader().await?, file).await })
    }

    fn walk<'a>(&'a self, part: dump::Part, after: Option<&'a dump::Key>) -> Pending<'a, Vec<dump::Row>> {
        Box::pin(async move { lists::walk(&mut *self.reader().await?, part, after).await })
    }
}
