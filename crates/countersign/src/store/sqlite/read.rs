//! Reading the log: each function is one query over a connection, so that readers and the writer share them.
//!
//! Where many keys are asked for, they are handed in as one JSON array and joined, which keeps the text of a statement
//! (and with it its plan, which is an index look-up a key) the same for any number of them.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Mutex};

use countersign_ledger::{
    Digest, Hash, StreamHead, StreamId, Time,
    tile::{TILE_WIDTH, parse_hash_tile},
};
use serde_json::Value;
use sqlx::{FromRow as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::{
        Damage, Entries, Head, Job, MAX_PAGE, MAX_PAGE_BYTES, StoreError, Unique,
        batch::{Found, Wanted},
        tiles::{TileAt, Tiles},
    },
    counted, failed, lists, signed,
};

/// Keys as a JSON array.
pub(super) fn json<T: Into<Value>>(keys: impl Iterator<Item = T>) -> String {
    Value::Array(keys.map(Into::into).collect()).to_string()
}

/// Where in a list of keys a row belongs.
fn at<T>(keys: &[T], place: i64) -> Result<&T, Damage> {
    let key = usize::try_from(place).ok().and_then(|place| keys.get(place));
    key.ok_or_else(|| Damage::Value { what: "the place of a key", found: place.to_string() })
}

fn array<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u8; N], Damage> {
    bytes.try_into().map_err(|_| Damage::Value { what, found: format!("{} bytes", bytes.len()) })
}

pub(super) async fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    head_by("select size, root, time, note, noted from log", connection).await
}

/// Begins a transaction that writes, and reads the head in it, with the last leaf.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(Head, Option<Vec<u8>>), StoreError> {
    let sql = "begin immediate; select size, root, time, note, noted, \
               (select bytes from leaves where idx = log.size - 1) from log";
    let row: SqliteRow = sqlx::query(sql).fetch_one(connection).await.map_err(failed("read the log's head"))?;
    let head = HeadRow::from_row(&row).map_err(failed("read the log's head"))?;
    let last = row.try_get(5).map_err(failed("read the last leaf"))?;
    Ok((head_of(head)?, last))
}

async fn head_by(sql: &'static str, connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    head_of(sqlx::query_as(sql).fetch_one(connection).await.map_err(failed("read the log's head"))?)
}

/// Size, root, time, note, and how many leaves are under that.
type HeadRow = (i64, Vec<u8>, Option<i64>, String, i64);

fn head_of((size, root, time, note, noted): HeadRow) -> Result<Head, StoreError> {
    Ok(Head {
        size: counted("the log's size", size)?,
        root: Hash::from_bytes(array("the log's root", &root)?),
        note,
        noted: counted("how many leaves are under the checkpoint", noted)?,
        time: time.map(Time::from_unix_millis),
    })
}

/// How many of these rows, at least one, have no more than [`MAX_PAGE_BYTES`] together.
fn fitting(sizes: &[i64]) -> Result<u64, Damage> {
    let (mut total, mut fitting) = (0_u64, 0_u64);
    for size in sizes {
        total = total.saturating_add(counted("the size of a row", *size)?);
        if total > MAX_PAGE_BYTES {
            break;
        }
        fitting += 1;
    }
    Ok(fitting.max(1))
}

pub(super) async fn leaves(connection: &mut SqliteConnection, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut end = range.end.min(range.start.saturating_add(MAX_PAGE));
    if range.start.saturating_add(1) < end {
        // The sizes stand before the bytes of a row, so that this does not read the bytes.
        let sizes: Vec<i64> =
            sqlx::query_scalar("select length(bytes) from leaves where idx >= ? and idx < ? order by idx")
                .bind(signed(range.start))
                .bind(signed(end))
                .fetch_all(&mut *connection)
                .await
                .map_err(failed("read the sizes of leaves"))?;
        end = range.start.saturating_add(fitting(&sizes)?);
    }
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select idx, bytes from leaves where idx >= ? and idx < ? order by idx")
            .bind(signed(range.start))
            .bind(signed(end))
            .fetch_all(connection)
            .await
            .map_err(failed("read leaves"))?;
    let mut leaves = Vec::with_capacity(rows.len());
    for (expected, (index, bytes)) in (range.start..).zip(rows) {
        // Those behind a gap would be taken for others.
        if counted("the place of a leaf", index)? != expected {
            return Err(Damage::MissingLeaf(expected).into());
        }
        leaves.push(bytes);
    }
    Ok(leaves)
}

pub(super) async fn stream(
    connection: &mut SqliteConnection,
    stream: &StreamId,
    from: u64,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let sizes: Vec<i64> = sqlx::query_scalar(
        "select length(leaves.bytes) from streams cross join lines on lines.stream = streams.id \
         cross join leaves on leaves.idx = lines.idx \
         where streams.name = ? and lines.seq >= ? order by lines.seq limit ?",
    )
    .bind(stream.as_str())
    .bind(signed(from))
    .bind(signed(MAX_PAGE))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the sizes of a stream's leaves"))?;
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select leaves.idx, leaves.bytes from streams cross join lines on lines.stream = streams.id \
         cross join leaves on leaves.idx = lines.idx \
         where streams.name = ? and lines.seq >= ? order by lines.seq limit ?",
    )
    .bind(stream.as_str())
    .bind(signed(from))
    .bind(signed(fitting(&sizes)?))
    .fetch_all(connection)
    .await
    .map_err(failed("read a stream"))?;
    rows.into_iter().map(|(index, bytes)| Ok((counted("the place of a leaf", index)?, bytes))).collect()
}

pub(super) async fn lines(
    connection: &mut SqliteConnection,
    places: &[(StreamId, u64)],
) -> Result<Vec<Option<u64>>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "select wanted.key, lines.idx from json_each(?) as wanted \
         cross join streams on streams.name = wanted.value ->> 0 \
         cross join lines on lines.stream = streams.id and lines.seq = wanted.value ->> 1",
    )
    .bind(json(places.iter().map(|(stream, seq)| vec![Value::from(stream.as_str()), Value::from(*seq)])))
    .fetch_all(connection)
    .await
    .map_err(failed("read the index of streams"))?;
    let mut found = vec![None; places.len()];
    for (place, index) in rows {
        // An entry that points before the first leaf points at none.
        let slot = usize::try_from(place).ok().and_then(|place| found.get_mut(place));
        *slot.ok_or(Damage::Value { what: "the place of a key", found: place.to_string() })? =
            u64::try_from(index).ok();
    }
    Ok(found)
}

pub(super) async fn entries(connection: &mut SqliteConnection, size: u64) -> Result<Entries, StoreError> {
    let (lines, uniques): (i64, i64) = sqlx::query_as(
        "select (select count(*) from lines where idx < ?1), (select count(*) from uniques where idx < ?1)",
    )
    .bind(signed(size))
    .fetch_one(connection)
    .await
    .map_err(failed("count what the indexes have"))?;
    Ok(Entries { lines: counted("lines", lines)?, uniques: counted("keys", uniques)? })
}

/// The heads of those streams that have leaves.
pub(super) async fn heads(
    connection: &mut SqliteConnection,
    streams: &[StreamId],
) -> Result<BTreeMap<StreamId, StreamHead>, StoreError> {
    if streams.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "select wanted.key, lines.seq, leaves.bytes from json_each(?) as wanted \
         cross join streams on streams.name = wanted.value \
         cross join lines on lines.stream = streams.id \
         and lines.seq = (select max(seq) from lines where stream = streams.id) \
         cross join leaves on leaves.idx = lines.idx",
    )
    .bind(json(streams.iter().map(StreamId::as_str)))
    .fetch_all(connection)
    .await
    .map_err(failed("read the heads of streams"))?;
    let mut heads = BTreeMap::new();
    for (place, seq, bytes) in rows {
        let last = counted("a place in a stream", seq)?;
        let full = || Damage::Value { what: "a place in a stream", found: seq.to_string() };
        let head = StreamHead { next_seq: last.checked_add(1).ok_or_else(full)?, last: Hash::leaf(&bytes) };
        heads.insert(at(streams, place)?.clone(), head);
    }
    Ok(heads)
}

/// What a batch wants to know.
pub(super) async fn found(connection: &mut SqliteConnection, wanted: Wanted) -> Result<Found, StoreError> {
    let streams: Vec<StreamId> = wanted.streams.into_iter().collect();
    let heads = heads(connection, &streams).await?;
    let uniques = uniques(connection, wanted.uniques.into_iter().collect()).await?;
    let projections = lists::places(connection, wanted.projections.into_iter().collect()).await?;
    Ok(Found { heads, uniques, projections })
}

pub(super) async fn uniques(
    connection: &mut SqliteConnection,
    keys: Vec<Unique>,
) -> Result<BTreeMap<Unique, u64>, StoreError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "select wanted.key, uniques.idx from json_each(?) as wanted \
         cross join uniques on uniques.key = unhex(wanted.value)",
    )
    .bind(json(keys.iter().map(Unique::to_string)))
    .fetch_all(connection)
    .await
    .map_err(failed("look for keys"))?;
    rows.into_iter().map(|(place, index)| Ok((*at(&keys, place)?, counted("the place of a leaf", index)?))).collect()
}

pub(super) async fn blobs(
    connection: &mut SqliteConnection,
    digests: &[Digest],
) -> Result<BTreeMap<Digest, Vec<u8>>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select wanted.key, blobs.bytes from json_each(?) as wanted \
         cross join blobs on blobs.digest = unhex(wanted.value)",
    )
    .bind(json(digests.iter().map(Digest::hex)))
    .fetch_all(connection)
    .await
    .map_err(failed("read blobs"))?;
    rows.into_iter().map(|(place, bytes)| Ok((*at(digests, place)?, bytes))).collect()
}

pub(super) async fn each_blob(
    connection: &mut SqliteConnection,
    after: u64,
) -> Result<Vec<(u64, Digest, Vec<u8>)>, StoreError> {
    let sizes: Vec<i64> = sqlx::query_scalar("select length(bytes) from blobs where id > ? order by id limit ?")
        .bind(signed(after))
        .bind(signed(MAX_PAGE))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read the sizes of blobs"))?;
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("select id, digest, bytes from blobs where id > ? order by id limit ?")
            .bind(signed(after))
            .bind(signed(fitting(&sizes)?))
            .fetch_all(connection)
            .await
            .map_err(failed("read blobs in their order"))?;
    rows.into_iter()
        .map(|(id, digest, bytes)| {
            let digest = Digest::from_bytes(array("the digest of a blob", &digest)?);
            Ok((counted("the number of a blob", id)?, digest, bytes))
        })
        .collect()
}

/// The hashes of the leaves behind the last full tile, as far as they are known. Leaves never change, so what is known
/// stays true, and only newer ones have to be read and hashed.
#[derive(Debug, Default)]
pub(super) struct LastHashes {
    tile: u64,
    hashes: Vec<Hash>,
}

impl LastHashes {
    fn of(&self, tile: u64) -> Vec<Hash> {
        if self.tile == tile { self.hashes.clone() } else { Vec::new() }
    }

    pub(super) fn learn(&mut self, tile: u64, hashes: &[Hash]) {
        if tile > self.tile || (tile == self.tile && hashes.len() > self.hashes.len()) {
            *self = Self { tile, hashes: hashes.to_vec() };
        }
    }
}

pub(super) async fn tiles(
    connection: &mut SqliteConnection,
    last: &Mutex<LastHashes>,
    wanted: &[TileAt],
) -> Result<Tiles, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select wanted.key, tiles.hashes from json_each(?) as wanted \
         cross join tiles on tiles.level = wanted.value ->> 0 and tiles.idx = wanted.value ->> 1",
    )
    .bind(json(wanted.iter().map(|at| vec![Value::from(at.level), Value::from(at.index)])))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the tree"))?;
    let mut tiles = Tiles::default();
    for (place, hashes) in rows {
        let tile = at(wanted, place)?;
        let hashes = parse_hash_tile(&hashes)
            .map_err(|error| Damage::Value { what: "a hash tile", found: format!("{tile}: {error}") })?;
        tiles.0.insert(*tile, hashes);
    }
    for tile in wanted.iter().filter(|tile| tile.level == 0) {
        let begun = tiles.0.remove(tile).unwrap_or_default();
        let hashes = if begun.len() < usize::from(TILE_WIDTH) {
            last_hashes(connection, last, tile.index, begun).await?
        } else {
            begun
        };
        tiles.0.insert(*tile, hashes);
    }
    Ok(tiles)
}

/// The hashes of a tile of leaves that is not full: those that it was begun with, and the others from the leaves.
async fn last_hashes(
    connection: &mut SqliteConnection,
    last: &Mutex<LastHashes>,
    tile: u64,
    begun: Vec<Hash>,
) -> Result<Vec<Hash>, StoreError> {
    let width = u64::from(TILE_WIDTH);
    let first = tile.saturating_mul(width);
    let mut hashes = known(last).of(tile);
    if begun.len() > hashes.len() {
        hashes = begun;
    }
    loop {
        let next = first.saturating_add(hashes.len() as u64);
        let page = leaves(connection, next..first.saturating_add(width)).await?;
        if page.is_empty() {
            known(last).learn(tile, &hashes);
            return Ok(hashes);
        }
        hashes.extend(page.iter().map(|bytes| Hash::leaf(bytes)));
    }
}

/// What is known is a cache of what cannot change: whoever panicked while holding it has not made it wrong.
pub(super) fn known(last: &Mutex<LastHashes>) -> std::sync::MutexGuard<'_, LastHashes> {
    last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(super) async fn jobs(connection: &mut SqliteConnection, after: u64) -> Result<Vec<(u64, Job)>, StoreError> {
    let rows: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as("select id, kind, body from jobs where id > ? order by id limit ?")
            .bind(signed(after))
            .bind(signed(MAX_PAGE))
            .fetch_all(connection)
            .await
            .map_err(failed("read jobs"))?;
    rows.into_iter().map(|(id, kind, body)| Ok((counted("the number of a job", id)?, Job { kind, body }))).collect()
}

pub(super) async fn version(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    let version: i64 = sqlx::query_scalar("select projections from log")
        .fetch_one(connection)
        .await
        .map_err(failed("read the projections' version"))?;
    let unreadable = Damage::Value { what: "the projections' version", found: version.to_string() };
    Ok(u32::try_from(version).map_err(|_| unreadable)?)
}

/// A copy of one moment, which SQLite makes while others write.
pub(super) async fn copy_to(connection: &mut SqliteConnection, file: &Path) -> Result<(), StoreError> {
    let file = file.to_str().ok_or_else(|| StoreError::NoText(file.to_owned()))?;
    let copied = sqlx::query("vacuum into ?").bind(file).execute(connection).await;
    copied.map(drop).map_err(failed("copy the store"))
}
