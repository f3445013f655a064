//! Writing: one transaction a batch, a few round trips to the database however many rows it has.

use std::collections::BTreeMap;

use countersign_ledger::{
    Hash, Leaf,
    tile::{TILE_WIDTH, hash_tile},
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};

use super::{
    super::{
        Conflict, Damage, Head, Keeps, Notary, Projection, StoreError, Submission, Unique,
        batch::{self, Named, Plan, ProjectionRows, Rows, Tail, Wanted},
        faults::{Side, Step},
        signed as signed_checkpoint,
        tiles::TileAt,
    },
    SqliteStore, failed, lists,
    read::{self, known},
    signed, unknown, written,
};

/// SQLite allows 32,766 bound values a statement; six columns a row stay well below.
const ROWS_PER_INSERT: usize = 500;

/// How many pages a file may have to be written anew when something was erased: a second's work.
const MAX_WRITTEN_ANEW: i64 = 32_768;

/// How many values one round trip binds.
const MAX_BOUND: usize = 16_384;

/// The connection that writes, and the log's tail as its last commit left it.
pub(super) struct Writing {
    pub connection: SqliteConnection,
    pub tail: Option<Tail>,
}

impl SqliteStore {
    /// The connection that writes. Whoever takes it puts it back when all went well; else it is closed, which undoes what
    /// was not committed, and another one is opened.
    async fn take(&self, held: &mut Option<Writing>) -> Result<Writing, StoreError> {
        match held.take() {
            Some(writing) => Ok(writing),
            None => {
                let connection = super::open(&self.connect).await?;
                Ok(Writing { connection, tail: None })
            }
        }
    }

    pub(super) async fn write_batch(
        &self,
        notary: &dyn Notary,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<u64, Conflict>>, StoreError> {
        let mut held = self.writing.lock().await;
        let mut writing = self.take(&mut held).await?;
        let connection = &mut writing.connection;
        let fails = |step, side| self.faults.at(step, side).map_err(failed("go on"));
        fails(Step::Begin, Side::Before)?;
        if let Some(told) = self.faults.told() {
            run(connection, told).await.map_err(failed("go on"))?;
        }
        let (head, last) = read::begin(connection).await?;
        fails(Step::Begin, Side::After)?;
        let tail = match writing.tail.take() {
            Some(tail) if tail.size() == head.size && tail.root() == head.root => tail,
            Some(_) | None => self.tail(connection, &head).await?,
        };
        same_end(&head, &tail, last.as_deref())?;
        fails(Step::Look, Side::Before)?;
        let found = read::found(connection, Wanted::of(&submissions)).await?;
        fails(Step::Look, Side::After)?;
        let Plan { results, mut rows, tail: after } = batch::plan(&tail, found, submissions);
        if rows.leaves.is_empty() {
            run(connection, "rollback").await.map_err(failed("go back"))?;
            writing.tail = Some(tail);
        } else {
            let note = notary.note(after.size(), after.root())?;
            match self.options.keeps {
                Keeps::Log => {}
                // A log is opened once and stays open; a copy is opened at each push, which is not to hash leaves again.
                Keeps::Copy(_) => rows.tiles.extend(after.edge_of_leaves()),
            }
            let erases = !rows.erased.is_empty();
            fails(Step::Rows, Side::Before)?;
            write_rows(connection, rows).await?;
            fails(Step::Rows, Side::After)?;
            fails(Step::Head, Side::Before)?;
            write_head(connection, &after, note).await?;
            fails(Step::Head, Side::After)?;
            self.faults.at(Step::Commit, Side::Before).map_err(unknown)?;
            run(connection, "commit").await.map_err(unknown)?;
            self.faults.at(Step::Commit, Side::After).map_err(unknown)?;
            if erases {
                self.forget(connection).await;
            }
            known(&self.last_hashes).learn(after.size() / u64::from(TILE_WIDTH), after.last_hashes());
            writing.tail = Some(after);
        }
        *held = Some(writing);
        Ok(results)
    }

    /// What was erased is still in pages that were freed before, and in the write-ahead log. A large file is not written anew
    /// for it while others wait; its freed pages were overwritten as they were freed.
    async fn forget(&self, connection: &mut SqliteConnection) {
        let done = async {
            let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut *connection).await?;
            if pages <= MAX_WRITTEN_ANEW {
                run(connection, "vacuum").await?;
            }
            run(connection, "pragma wal_checkpoint(truncate)").await
        };
        if let Err(error) = done.await {
            tracing::warn!(%error, "what was erased may still be in freed pages or in the write-ahead log");
        }
    }

    /// Which of these keys the log has, and where. Whatever was being written when this is asked is written or undone when it
    /// is answered.
    pub(super) async fn look_for(&self, keys: &[Unique]) -> Result<BTreeMap<Unique, u64>, StoreError> {
        let mut held = self.writing.lock().await;
        let mut writing = self.take(&mut held).await?;
        self.faults.at(Step::Begin, Side::Before).map_err(failed("begin"))?;
        run(&mut writing.connection, "begin immediate").await.map_err(failed("begin"))?;
        let found = read::uniques(&mut writing.connection, keys.to_vec()).await?;
        run(&mut writing.connection, "rollback").await.map_err(failed("go back"))?;
        *held = Some(writing);
        Ok(found)
    }

    /// The tail of the log on the disk, which must be what its head and its checkpoint say.
    async fn tail(&self, connection: &mut SqliteConnection, head: &Head) -> Result<Tail, StoreError> {
        let edge: Vec<TileAt> = TileAt::edge(head.size).into_iter().map(|(at, _)| at).collect();
        let tiles = read::tiles(connection, &self.last_hashes, &edge).await?;
        let tail = Tail::restore(head.size, head.time, &tiles)
            .map_err(|error| Damage::Value { what: "the tree", found: error.to_string() })?;
        if tail.root() != head.root {
            return Err(Damage::Head { size: head.size, found: tail.root(), expected: head.root }.into());
        }
        if head.size == 0 && head.note.is_empty() {
            return Ok(tail);
        }
        if head.size == head.noted {
            let signed = signed_checkpoint(head, &self.options)?;
            if signed.root != tail.root() {
                return Err(Damage::Root { size: head.size, found: tail.root(), expected: signed.root }.into());
            }
            return Ok(tail);
        }
        match self.options.keeps {
            Keeps::Log => Err(Damage::Unsigned { size: head.size, noted: head.noted }.into()),
            // Its checkpoint was checked when it was opened, and only followers write to it.
            Keeps::Copy(_) => Ok(tail),
        }
    }

    pub(super) async fn write_projections(&self, projections: Vec<Projection>) -> Result<(), StoreError> {
        let written: BTreeMap<Named, Projection> =
            projections.into_iter().map(|body| ((body.kind, body.name.clone()), body)).collect();
        self.write(async move |connection| {
            let stored = lists::places(connection, written.keys().cloned().collect()).await?;
            let mut script = Script::default();
            script.projections(ProjectionRows::of(written, &stored));
            script.run(connection).await
        })
        .await
    }

    pub(super) async fn write_version(&self, version: u32) -> Result<(), StoreError> {
        self.write(async move |connection| {
            let query = sqlx::query("update log set projections = ?").bind(i64::from(version));
            query.execute(connection).await.map(drop).map_err(failed("write the projections' version"))
        })
        .await
    }

    pub(super) async fn remove_projections(&self) -> Result<(), StoreError> {
        self.write(async |connection| {
            run(connection, "delete from projections; delete from facets; update log set projections = 0")
                .await
                .map_err(failed("forget the projections"))
        })
        .await
    }

    pub(super) async fn remove_jobs(&self, jobs: &[u64]) -> Result<(), StoreError> {
        let ids = read::json(jobs.iter().copied());
        self.write(async move |connection| {
            sqlx::query("delete from jobs where id in (select value from json_each(?))")
                .bind(ids)
                .execute(connection)
                .await
                .map(drop)
                .map_err(failed("remove jobs"))
        })
        .await
    }

    /// Writes something that is no leaf, in a transaction of its own.
    async fn write(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut held = self.writing.lock().await;
        let mut writing = self.take(&mut held).await?;
        run(&mut writing.connection, "begin immediate").await.map_err(failed("begin"))?;
        what(&mut writing.connection).await?;
        run(&mut writing.connection, "commit").await.map_err(unknown)?;
        *held = Some(writing);
        Ok(())
    }
}

/// Whether the last leaf on the disk is the one that the tree ends with: what was lost since, or changed, is not extended.
fn same_end(head: &Head, tail: &Tail, last: Option<&[u8]>) -> Result<(), Damage> {
    let Some(index) = head.size.checked_sub(1) else { return Ok(()) };
    let bytes = last.ok_or(Damage::MissingLeaf(index))?;
    match tail.last_hashes().last() {
        Some(hash) if *hash == Hash::leaf(bytes) => Ok(()),
        Some(_) => Err(Damage::OtherLeaf { index }),
        // It ends a tile, whose hashes are not kept.
        None => {
            let leaf = Leaf::parse(bytes).map_err(|source| Damage::Leaf { index, source })?;
            let found = Some(leaf.admitted_at);
            if found == head.time { Ok(()) } else { Err(Damage::Time { found, expected: head.time }) }
        }
    }
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

async fn write_rows(connection: &mut SqliteConnection, rows: Rows) -> Result<(), StoreError> {
    let mut script = Script::default();
    script.insert("insert into leaves (idx, bytes) ", "", rows.leaves, |row, (index, bytes)| {
        row.push_bind(signed(index)).push_bind(bytes);
    });
    let begun = rows.lines.iter().filter(|(_, seq, _)| *seq == 0);
    script.insert("insert into streams (name) ", "", begun, |row, (stream, _, _)| {
        row.push_bind(stream.as_str());
    });
    let joined = ") insert into lines select streams.id, new.seq, new.idx from new cross join streams on streams.name = new.name";
    script.insert("with new (name, seq, idx) as (", joined, rows.lines, |row, (stream, seq, index)| {
        row.push_bind(String::from(stream)).push_bind(signed(seq)).push_bind(signed(index));
    });
    script.insert("insert into uniques (key, idx) ", "", rows.uniques, |row, (key, index)| {
        row.push_bind(key.as_bytes().to_vec()).push_bind(signed(index));
    });
    script.insert("insert or replace into tiles (level, idx, hashes) ", "", rows.tiles, |row, (at, hashes)| {
        row.push_bind(i64::from(at.level)).push_bind(signed(at.index)).push_bind(hash_tile(&hashes));
    });
    script.insert("insert or ignore into blobs (digest, bytes) ", "", rows.blobs, |row, (digest, bytes)| {
        row.push_bind(digest.as_bytes().to_vec()).push_bind(bytes);
    });
    for digest in &rows.erased {
        script.part(1).push("delete from blobs where digest = ").push_bind(digest.as_bytes().to_vec()).push(";");
    }
    script.projections(rows.projections);
    script.insert("insert into jobs (kind, body) ", "", rows.jobs, |row, job| {
        row.push_bind(job.kind).push_bind(job.body);
    });
    script.run(connection).await
}

async fn write_head(connection: &mut SqliteConnection, tail: &Tail, note: Option<String>) -> Result<(), StoreError> {
    let size = written("the log's size", tail.size())?;
    let noted = note.as_ref().map(|_| size);
    sqlx::query("update log set size = ?, root = ?, time = ?, note = coalesce(?, note), noted = coalesce(?, noted)")
        .bind(size)
        .bind(tail.root().as_bytes().to_vec())
        .bind(tail.time().map(|time| time.unix_millis()))
        .bind(note)
        .bind(noted)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("write the log's head"))
}

/// Statements that are sent together: what a batch costs is round trips more than rows.
#[derive(Default)]
struct Script {
    parts: Vec<QueryBuilder<Sqlite>>,
    bound: usize,
}

impl Script {
    /// The part to which so many bound values are added.
    #[expect(clippy::indexing_slicing, reason = "there is a last part by then")]
    fn part(&mut self, values: usize) -> &mut QueryBuilder<Sqlite> {
        if self.parts.is_empty() || self.bound + values > MAX_BOUND {
            self.parts.push(QueryBuilder::new(""));
            self.bound = 0;
        }
        self.bound += values;
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    fn insert<T>(
        &mut self,
        head: &str,
        conflict: &str,
        rows: impl IntoIterator<Item = T>,
        row: impl Fn(&mut Separated<'_, Sqlite, &'static str>, T),
    ) {
        let columns = head.matches(',').count() + 1;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let some: Vec<T> = rows.by_ref().take(ROWS_PER_INSERT).collect();
            let part = self.part(some.len() * columns);
            part.push(head).push_values(some, |mut values, item| row(&mut values, item));
            part.push(conflict).push(";");
        }
    }

    fn projections(&mut self, rows: ProjectionRows) {
        for gone in rows.facets_gone {
            self.part(5)
                .push("delete from facets where kind = ")
                .push_bind(gone.kind)
                .push(" and facet = ")
                .push_bind(gone.facet.name)
                .push(" and value = ")
                .push_bind(gone.facet.value)
                .push(" and ord = ")
                .push_bind(gone.order)
                .push(" and name = ")
                .push_bind(gone.name)
                .push(";");
        }
        let columns = "insert into projections (kind, name, ord, facets, body) ";
        let row = |values: &mut Separated<'_, Sqlite, &'static str>, projection: Projection| {
            let facets = lists::write_facets(&projection.facets);
            values.push_bind(projection.kind).push_bind(projection.name).push_bind(projection.order);
            values.push_bind(facets).push_bind(projection.body);
        };
        let placed = " on conflict (kind, name) do update \
                      set ord = excluded.ord, facets = excluded.facets, body = excluded.body";
        self.insert(columns, placed, rows.placed, row);
        // What stays in its place leaves the index of places alone.
        let replaced = " on conflict (kind, name) do update set facets = excluded.facets, body = excluded.body";
        self.insert(columns, replaced, rows.replaced, row);
        self.insert("insert into facets (kind, facet, value, ord, name) ", "", rows.facets_new, |values, new| {
            values.push_bind(new.kind).push_bind(new.facet.name).push_bind(new.facet.value);
            values.push_bind(new.order).push_bind(new.name);
        });
    }

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for mut part in self.parts {
            // Its text is of this batch alone, so it does not push the others out of the cache.
            part.build().persistent(false).execute(&mut *connection).await.map_err(failed("write a batch"))?;
        }
        Ok(())
    }
}
