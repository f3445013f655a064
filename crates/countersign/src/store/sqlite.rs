//! The embedded store: one SQLite file, write-ahead log, `synchronous = FULL`, so that an acknowledged commit survives
//! a power cut.

use std::{collections::BTreeMap, ops::Range, path::Path, time::Duration};

use countersign_ledger::{
    Digest, Hash, Leaf, StreamHead, StreamId, Time,
    checkpoint::LogKey,
    seal,
    tree::{Frontier, Node, Nodes},
};
use sqlx::{
    QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Conflict, Dump, Head, MAX_PAGE, NewLeaf, Pending, Store, StoreError, Submission, checkpoint, frontier_coordinates,
};

const FORMAT: i64 = 1;

/// SQLite allows 32,766 bound values a statement; four columns a row stay well below.
const ROWS_PER_INSERT: usize = 500;

#[derive(Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
}

fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { operation, source }
}

impl SqliteStore {
    /// Opens the file or makes it. A file of a newer format is left alone.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(failed("open the store"))?;
        let store = Self { pool };
        store.migrate(path).await?;
        Ok(store)
    }

    async fn migrate(&self, path: &Path) -> Result<(), StoreError> {
        let mut tx = self.pool.begin_with("begin immediate").await.map_err(failed("begin"))?;
        let found: i64 = sqlx::query_scalar("pragma user_version")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed("read the store's format"))?;
        match found {
            0 => {
                sqlx::raw_sql(include_str!("sqlite.sql")).execute(&mut *tx).await.map_err(failed("make the tables"))?;
                sqlx::raw_sql("pragma user_version = 1").execute(&mut *tx).await.map_err(failed("set the format"))?;
                tx.commit().await.map_err(failed("commit the tables"))
            }
            FORMAT => Ok(()),
            found => Err(StoreError::Newer { path: path.display().to_string(), found, known: FORMAT }),
        }
    }

    async fn commit_all(
        &self,
        log_key: &LogKey,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<u64, Conflict>>, StoreError> {
        let mut tx = self.pool.begin_with("begin immediate").await.map_err(failed("begin a commit"))?;
        let mut size = log_size(&mut tx).await?;
        let mut frontier = frontier(&mut tx, size).await?;
        let mut time = last_time(&mut tx, size).await?;
        let mut results = BTreeMap::new();
        let mut batch = Batch::default();
        // Those who waited together are taken in the order of their times, not of their arrival.
        let mut waiting: Vec<(usize, Submission)> = submissions.into_iter().enumerate().collect();
        waiting.sort_by_key(|(_, submission)| first_time(submission));
        for (place, submission) in waiting {
            let result = match admit(&mut tx, &batch, size, &submission).await? {
                Some(conflict) => Err(conflict),
                None => match (first_time(&submission), time) {
                    (Some(first), Some(last)) if first < last => Err(Conflict::Overtaken(last)),
                    (_, _) => {
                        let index = size;
                        time = submission.leaves.last().map(|new| new.leaf.admitted_at).or(time);
                        size = batch.take(size, &mut frontier, submission)?;
                        Ok(index)
                    }
                },
            };
            results.insert(place, result);
        }
        let results = results.into_values().collect();
        if batch.leaves.is_empty() {
            return Ok(results);
        }
        batch.write(&mut tx).await?;
        let note = log_key
            .sign(&checkpoint(log_key.origin(), size, frontier.root()))
            .map_err(|e| StoreError::Damaged(format!("the checkpoint cannot be signed: {e}")))?;
        sqlx::query("insert or replace into meta (key, value) values ('checkpoint', $1)")
            .bind(note)
            .execute(&mut *tx)
            .await
            .map_err(failed("write the checkpoint"))?;
        tx.commit().await.map_err(failed("commit"))?;
        Ok(results)
    }
}

async fn log_size(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let size: i64 = sqlx::query_scalar("select coalesce(max(idx) + 1, 0) from leaves")
        .fetch_one(connection)
        .await
        .map_err(failed("read the log's size"))?;
    Ok(size.unsigned_abs())
}

/// When the last leaf was admitted.
async fn last_time(connection: &mut SqliteConnection, size: u64) -> Result<Option<Time>, StoreError> {
    let Some(last) = size.checked_sub(1) else { return Ok(None) };
    let bytes: Vec<u8> = sqlx::query_scalar("select bytes from leaves where idx = $1")
        .bind(signed(last))
        .fetch_one(connection)
        .await
        .map_err(failed("read the last leaf"))?;
    let leaf = Leaf::parse(&bytes).map_err(|e| StoreError::Damaged(format!("leaf {last}: {e}")))?;
    Ok(Some(leaf.admitted_at))
}

fn first_time(submission: &Submission) -> Option<Time> {
    submission.leaves.first().map(|new| new.leaf.admitted_at)
}

async fn frontier(connection: &mut SqliteConnection, size: u64) -> Result<Frontier, StoreError> {
    let nodes = fetch_nodes(connection, frontier_coordinates(size)).await?;
    struct Edge(BTreeMap<(u8, u64), Hash>);
    impl Nodes for Edge {
        fn node(&self, level: u8, index: u64) -> Option<Hash> {
            self.0.get(&(level, index)).copied()
        }
    }
    let edge = Edge(nodes.into_iter().map(|node| ((node.level, node.index), node.hash)).collect());
    Frontier::from_nodes(size, &edge).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// Whether a submission fits what is stored and what this batch has taken before it.
async fn admit(
    connection: &mut SqliteConnection,
    batch: &Batch,
    size: u64,
    submission: &Submission,
) -> Result<Option<Conflict>, StoreError> {
    for (stream, expected) in &submission.expected {
        let stored = match batch.heads.get(stream) {
            Some(next) => *next,
            None => {
                let next: i64 = sqlx::query_scalar("select coalesce(max(seq) + 1, 0) from leaves where stream = $1")
                    .bind(stream.as_str())
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(failed("read a stream's head"))?;
                next.unsigned_abs()
            }
        };
        if stored != *expected {
            return Ok(Some(Conflict::Moved(stream.clone())));
        }
    }
    let mut own: BTreeMap<&String, u64> = BTreeMap::new();
    for (index, leaf) in (size..).zip(&submission.leaves) {
        for key in &leaf.unique {
            if let Some(index) = own.insert(key, index) {
                return Ok(Some(Conflict::Taken { key: key.clone(), index }));
            }
        }
    }
    for key in submission.leaves.iter().flat_map(|new| &new.unique) {
        let in_batch = batch.uniques.iter().find(|(taken, _)| taken == key).map(|(_, index)| *index);
        let stored: Option<i64> = sqlx::query_scalar("select idx from uniques where key = $1")
            .bind(key)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("look for a key"))?;
        if let Some(index) = in_batch.or(stored.map(i64::unsigned_abs)) {
            return Ok(Some(Conflict::Taken { key: key.clone(), index }));
        }
    }
    Ok(None)
}

/// What one commit writes.
#[derive(Default)]
struct Batch {
    leaves: Vec<(u64, Leaf)>,
    nodes: Vec<Node>,
    heads: BTreeMap<StreamId, u64>,
    uniques: Vec<(String, u64)>,
    projections: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Batch {
    /// Seals a submission's leaves behind those before it, and returns the log's new size.
    fn take(&mut self, size: u64, frontier: &mut Frontier, submission: Submission) -> Result<u64, StoreError> {
        let mut index = size;
        for NewLeaf { leaf, unique } in submission.leaves {
            let heads = BTreeMap::from([(leaf.stream.clone(), StreamHead { next_seq: leaf.seq, last: leaf.prev })]);
            let draft = seal::Draft {
                stream: leaf.stream.clone(),
                admitted_at: leaf.admitted_at,
                envelope: leaf.envelope.clone(),
            };
            let sealed = seal::seal(frontier, &heads, vec![draft]).map_err(|e| StoreError::Damaged(e.to_string()))?;
            *frontier = sealed.frontier;
            self.nodes.extend(sealed.nodes);
            self.heads.insert(leaf.stream.clone(), leaf.seq + 1);
            self.uniques.extend(unique.into_iter().map(|key| (key, index)));
            self.leaves.push((index, leaf));
            index += 1;
        }
        self.projections.extend(submission.projections);
        self.blobs.extend(submission.blobs.into_iter().map(|bytes| (Digest::of(&bytes), bytes)));
        Ok(index)
    }

    async fn write(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for rows in self.leaves.chunks(ROWS_PER_INSERT) {
            let mut query = QueryBuilder::<Sqlite>::new("insert into leaves (idx, stream, seq, bytes) ");
            query.push_values(rows, |mut row, (index, leaf)| {
                row.push_bind(signed(*index))
                    .push_bind(leaf.stream.as_str())
                    .push_bind(signed(leaf.seq))
                    .push_bind(leaf.to_bytes());
            });
            query.build().execute(&mut *connection).await.map_err(failed("write leaves"))?;
        }
        for rows in self.nodes.chunks(ROWS_PER_INSERT) {
            let mut query = QueryBuilder::<Sqlite>::new("insert into nodes (level, idx, hash) ");
            query.push_values(rows, |mut row, node| {
                row.push_bind(i64::from(node.level))
                    .push_bind(signed(node.index))
                    .push_bind(node.hash.as_bytes().to_vec());
            });
            query.build().execute(&mut *connection).await.map_err(failed("write the tree"))?;
        }
        for rows in self.uniques.chunks(ROWS_PER_INSERT) {
            let mut query = QueryBuilder::<Sqlite>::new("insert into uniques (key, idx) ");
            query.push_values(rows, |mut row, (key, index)| {
                row.push_bind(key).push_bind(signed(*index));
            });
            query.build().execute(&mut *connection).await.map_err(failed("write unique keys"))?;
        }
        for (name, body) in self.projections {
            sqlx::query("insert or replace into projections (name, body) values ($1, $2)")
                .bind(name)
                .bind(body)
                .execute(&mut *connection)
                .await
                .map_err(failed("write a projection"))?;
        }
        for (digest, bytes) in self.blobs {
            sqlx::query("insert or ignore into blobs (digest, bytes) values ($1, $2)")
                .bind(digest.as_bytes().to_vec())
                .bind(bytes)
                .execute(&mut *connection)
                .await
                .map_err(failed("write a blob"))?;
        }
        Ok(())
    }
}

/// SQLite's integers are signed; a log does not reach 2^63 leaves.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

async fn fetch_nodes(connection: &mut SqliteConnection, wanted: Vec<(u8, u64)>) -> Result<Vec<Node>, StoreError> {
    let mut nodes = Vec::with_capacity(wanted.len());
    for rows in wanted.chunks(ROWS_PER_INSERT) {
        let mut query =
            QueryBuilder::<Sqlite>::new("select level, idx, hash from nodes where (level, idx) in (values ");
        let mut list = query.separated(", ");
        for (level, index) in rows {
            list.push("(")
                .push_bind_unseparated(i64::from(*level))
                .push_unseparated(", ")
                .push_bind_unseparated(signed(*index))
                .push_unseparated(")");
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await.map_err(failed("read the tree"))? {
            let level: i64 = row.try_get(0).map_err(failed("read a node"))?;
            let index: i64 = row.try_get(1).map_err(failed("read a node"))?;
            let hash: Vec<u8> = row.try_get(2).map_err(failed("read a node"))?;
            let hash = <[u8; 32]>::try_from(hash.as_slice())
                .map_err(|_| StoreError::Damaged(format!("node {level}/{index} is not 32 bytes long")))?;
            nodes.push(Node {
                level: u8::try_from(level).map_err(|_| StoreError::Damaged(format!("level {level} of a node")))?,
                index: index.unsigned_abs(),
                hash: Hash::from_bytes(hash),
            });
        }
    }
    Ok(nodes)
}

impl Store for SqliteStore {
    fn head(&self) -> Pending<'_, Head> {
        Box::pin(async move {
            // One transaction, so that size, root and note belong together.
            let mut tx = self.pool.begin().await.map_err(failed("read the head"))?;
            let size = log_size(&mut tx).await?;
            let root = frontier(&mut tx, size).await?.root();
            let note: Option<String> = sqlx::query_scalar("select value from meta where key = 'checkpoint'")
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed("read the checkpoint"))?;
            Ok(Head { size, root, note: note.unwrap_or_default() })
        })
    }

    fn commit<'a>(
        &'a self,
        log_key: &'a LogKey,
        submissions: Vec<Submission>,
    ) -> Pending<'a, Vec<Result<u64, Conflict>>> {
        Box::pin(self.commit_all(log_key, submissions))
    }

    fn leaves(&self, range: Range<u64>) -> Pending<'_, Vec<Vec<u8>>> {
        Box::pin(async move {
            let end = range.end.min(range.start.saturating_add(MAX_PAGE));
            sqlx::query_scalar("select bytes from leaves where idx >= $1 and idx < $2 order by idx")
                .bind(signed(range.start))
                .bind(signed(end))
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read leaves"))
        })
    }

    fn stream<'a>(&'a self, stream: &'a StreamId) -> Pending<'a, Vec<(u64, Vec<u8>)>> {
        Box::pin(async move {
            let rows: Vec<(i64, Vec<u8>)> =
                sqlx::query_as("select idx, bytes from leaves where stream = $1 order by seq")
                    .bind(stream.as_str())
                    .fetch_all(&self.pool)
                    .await
                    .map_err(failed("read a stream"))?;
            Ok(rows.into_iter().map(|(index, bytes)| (index.unsigned_abs(), bytes)).collect())
        })
    }

    fn nodes(&self, wanted: Vec<(u8, u64)>) -> Pending<'_, Vec<Node>> {
        Box::pin(async move {
            let mut connection = self.pool.acquire().await.map_err(failed("read the tree"))?;
            fetch_nodes(&mut connection, wanted).await
        })
    }

    fn blob<'a>(&'a self, digest: &'a Digest) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            sqlx::query_scalar("select bytes from blobs where digest = $1")
                .bind(digest.as_bytes().to_vec())
                .fetch_optional(&self.pool)
                .await
                .map_err(failed("read a blob"))
        })
    }

    fn projection<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            sqlx::query_scalar("select body from projections where name = $1")
                .bind(name)
                .fetch_optional(&self.pool)
                .await
                .map_err(failed("read a projection"))
        })
    }

    fn projections<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(async move {
            sqlx::query_as("select name, body from projections where substr(name, 1, length($1)) = $1 order by name")
                .bind(prefix)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read projections"))
        })
    }

    fn dump(&self) -> Pending<'_, Dump> {
        Box::pin(async move {
            let head = self.head().await?;
            let counted = |rows: Vec<(String, i64)>| rows.into_iter().map(|(k, n)| (k, n.unsigned_abs())).collect();
            let streams = sqlx::query_as("select stream, count(*) from leaves group by stream order by stream")
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read the streams"))?;
            let unique = sqlx::query_as("select key, idx from uniques order by key")
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read the unique keys"))?;
            Ok(Dump {
                size: head.size,
                root: head.root,
                projections: self.projections("").await?,
                streams: counted(streams),
                unique: counted(unique),
            })
        })
    }
}
