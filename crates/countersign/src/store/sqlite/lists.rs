//! Reading projections: by name, by the beginning of a name, and as lists.
//!
//! A list is read from an index in its order, never sorted. Where several facets must hold, the one with the fewest
//! candidates leads, and the others are looked up for each candidate; how many candidates a page looks at is bounded.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::{
        Damage, Facet, MAX_PAGE, StoreError,
        batch::{Named, Place},
        dump::{self, Key, Part, Row},
        list::{Cursor, Item, List, MAX_ITEMS, MAX_SCANNED, Page, end_of},
    },
    failed,
    read::json,
    signed,
};

/// How far the candidates of a facet are counted, to find the one with the fewest.
const MAX_COUNTED: i64 = 1_000;

/// How many candidates are read at once at the most. It begins with a few more than are wanted.
const CANDIDATES: u64 = 256;

/// How many rows a walk through the store reads at once.
const WALKED: i64 = 256;

pub(super) async fn projections(
    connection: &mut SqliteConnection,
    kind: &str,
    names: &[String],
) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select p.name, p.body from json_each(?) as wanted \
         cross join projections as p on p.kind = ? and p.name = wanted.value",
    )
    .bind(json(names.iter().map(String::as_str)))
    .bind(kind)
    .fetch_all(connection)
    .await
    .map_err(failed("read projections"))?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    kind: &str,
    prefix: &str,
    limit: u64,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("select name, body from projections where kind = ");
    query.push_bind(kind).push(" and name >= ").push_bind(prefix);
    if let Some(end) = end_of(prefix) {
        query.push(" and name < ").push_bind(end);
    }
    query.push(" order by name limit ").push_bind(signed(limit.min(MAX_PAGE)));
    query.build_query_as().fetch_all(connection).await.map_err(failed("find projections"))
}

/// Where lists have these projections, as far as they are stored.
pub(super) async fn places(
    connection: &mut SqliteConnection,
    wanted: Vec<Named>,
) -> Result<BTreeMap<Named, Place>, StoreError> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "select wanted.key, p.ord, p.facets from json_each(?) as wanted \
         cross join projections as p on p.kind = wanted.value ->> 0 and p.name = wanted.value ->> 1",
    )
    .bind(json(wanted.iter().map(|(kind, name)| vec![*kind, name])))
    .fetch_all(connection)
    .await
    .map_err(failed("read where lists have projections"))?;
    let mut places = BTreeMap::new();
    for (place, order, facets) in rows {
        let named = usize::try_from(place).ok().and_then(|place| wanted.get(place));
        let named = named.ok_or(Damage::Value { what: "the place of a key", found: place.to_string() })?;
        places.insert(named.clone(), Place { order, facets: read_facets(&facets)? });
    }
    Ok(places)
}

/// Facets as a projection's row has them: pairs in JSON.
pub(super) fn write_facets(facets: &BTreeSet<Facet>) -> String {
    json(facets.iter().map(|facet| vec![facet.name.as_str(), facet.value.as_str()]))
}

fn read_facets(text: &str) -> Result<BTreeSet<Facet>, Damage> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text)
        .map_err(|error| Damage::Value { what: "the facets of a projection", found: error.to_string() })?;
    Ok(pairs.into_iter().map(|(name, value)| Facet { name, value }).collect())
}

pub(super) async fn list(connection: &mut SqliteConnection, list: &List<'_>) -> Result<Page, StoreError> {
    let limit = list.limit.min(MAX_ITEMS);
    if limit == 0 || list.orders.is_empty() {
        return Ok(Page::default());
    }
    let places = match list.filters {
        [] => in_order(connection, list, &start(list), limit).await?,
        filters => {
            let lead = leading(connection, list, filters).await?;
            meeting(connection, list, lead, limit).await?
        }
    };
    let Places { found, next } = places;
    let names: Vec<String> = found.iter().map(|place| place.name.clone()).collect();
    let mut bodies = projections(connection, list.kind, &names).await?;
    let mut items = Vec::with_capacity(found.len());
    for Cursor { order, name } in found {
        let missing = || Damage::Value { what: "an index of lists", found: format!("{} {name}", list.kind) };
        let body = bodies.remove(&name).ok_or_else(missing)?;
        items.push(Item { name, order, body });
    }
    Ok(Page { items, next })
}

struct Places {
    found: Vec<Cursor>,
    next: Option<Cursor>,
}

/// Where a list begins: behind the page before, or behind everything that is too high.
fn start(list: &List<'_>) -> Option<Cursor> {
    // No item has the order after the highest, so nothing is left out.
    let highest = list.orders.end().checked_add(1).map(|order| Cursor { order, name: String::new() });
    match (&list.after, highest) {
        (Some(after), Some(highest)) => Some(after.clone().min(highest)),
        (Some(after), None) => Some(after.clone()),
        (None, highest) => highest,
    }
}

/// The end of a query over an index in the order of lists: the next rows from a place on.
fn from_here(query: &mut QueryBuilder<Sqlite>, list: &List<'_>, from: &Option<Cursor>, limit: u64) {
    query.push(" and ord >= ").push_bind(*list.orders.start());
    if let Some(from) = from {
        query.push(" and (ord, name) < (").push_bind(from.order).push(", ").push_bind(from.name.clone()).push(")");
    }
    query.push(" order by ord desc, name desc limit ").push_bind(signed(limit));
}

fn place(row: &SqliteRow) -> Result<Cursor, StoreError> {
    let unreadable = failed("read a list");
    Ok(Cursor { order: row.try_get(0).map_err(&unreadable)?, name: row.try_get(1).map_err(&unreadable)? })
}

/// All of a kind.
async fn in_order(
    connection: &mut SqliteConnection,
    list: &List<'_>,
    from: &Option<Cursor>,
    limit: u64,
) -> Result<Places, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("select ord, name from projections where kind = ");
    query.push_bind(list.kind);
    from_here(&mut query, list, from, limit);
    let rows = query.build().fetch_all(connection).await.map_err(failed("read a list"))?;
    let found = rows.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let full = found.len() as u64 == limit;
    let next = found.last().filter(|_| full).cloned();
    Ok(Places { found, next })
}

/// The facet that the fewest items have, as far as they are counted.
async fn leading(connection: &mut SqliteConnection, list: &List<'_>, filters: &[Facet]) -> Result<usize, StoreError> {
    let mut fewest = (0, i64::MAX);
    for (at, facet) in filters.iter().enumerate() {
        if filters.len() == 1 {
            break;
        }
        let mut query = QueryBuilder::<Sqlite>::new("select count(*) from (select 1 from facets");
        having(&mut query, list.kind, facet);
        query.push(" limit ").push_bind(MAX_COUNTED).push(")");
        let count: i64 =
            query.build_query_scalar().fetch_one(&mut *connection).await.map_err(failed("count a list"))?;
        if count < fewest.1 {
            fewest = (at, count);
        }
    }
    Ok(fewest.0)
}

fn having(query: &mut QueryBuilder<Sqlite>, kind: &str, facet: &Facet) {
    query.push(" where kind = ").push_bind(kind);
    query.push(" and facet = ").push_bind(facet.name.clone());
    query.push(" and value = ").push_bind(facet.value.clone());
}

/// What the leading facet has and the others have, too.
async fn meeting(
    connection: &mut SqliteConnection,
    list: &List<'_>,
    lead: usize,
    limit: u64,
) -> Result<Places, StoreError> {
    let mut from = start(list);
    let mut found = Vec::new();
    let mut scanned = 0;
    let mut batch = limit.saturating_mul(2).clamp(1, CANDIDATES);
    while scanned < MAX_SCANNED {
        let rows = candidates(connection, list, lead, &from, batch).await?;
        for row in &rows {
            let place = place(row)?;
            from = Some(place.clone());
            let meets: bool = row.try_get(2).map_err(failed("read a list"))?;
            if meets {
                found.push(place);
            }
            if found.len() as u64 == limit {
                return Ok(Places { found, next: from });
            }
        }
        scanned += batch;
        if (rows.len() as u64) < batch {
            return Ok(Places { found, next: None });
        }
        batch = CANDIDATES;
    }
    Ok(Places { found, next: from })
}

/// Order, name, and whether all other facets hold.
async fn candidates(
    connection: &mut SqliteConnection,
    list: &List<'_>,
    lead: usize,
    from: &Option<Cursor>,
    limit: u64,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("select ord, name, true");
    for (at, facet) in list.filters.iter().enumerate() {
        if at != lead {
            query.push(" and exists (select 1 from facets as other");
            having(&mut query, list.kind, facet);
            query.push(" and other.ord = facets.ord and other.name = facets.name)");
        }
    }
    query.push(" from facets");
    if let Some(facet) = list.filters.get(lead) {
        having(&mut query, list.kind, facet);
    }
    from_here(&mut query, list, from, limit);
    query.build().fetch_all(connection).await.map_err(failed("read a list"))
}

/// What the index has too much or too little of; both ways in one moment.
pub(super) async fn loose(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let row: Option<(String, String)> = sqlx::query_as(
        "select f.kind, f.name from facets as f where not exists (select 1 from projections as p, json_each(p.facets) as j \
         where p.kind = f.kind and p.name = f.name and p.ord = f.ord and j.value ->> 0 = f.facet and j.value ->> 1 = f.value) \
         union all \
         select p.kind, p.name from projections as p, json_each(p.facets) as j where not exists (select 1 from facets as f \
         where f.kind = p.kind and f.facet = j.value ->> 0 and f.value = j.value ->> 1 and f.ord = p.ord and f.name = p.name) \
         limit 1",
    )
    .fetch_optional(connection)
    .await
    .map_err(failed("compare the index of lists"))?;
    Ok(row.map(|(kind, name)| format!("{kind} {name} in the index of lists")))
}

pub(super) async fn walk(
    connection: &mut SqliteConnection,
    part: Part,
    after: Option<&Key>,
) -> Result<Vec<Row>, StoreError> {
    // Kinds, streams and keys are never empty, so the empty key is before all of them.
    let first = Key::default();
    let (one, two) = after.unwrap_or(&first);
    let unreadable = failed("walk through the store");
    let row = |one, two, value| Row { key: (one, two), value };
    match part {
        Part::Projections => {
            let rows: Vec<(String, String, i64, String, Vec<u8>)> = sqlx::query_as(
                "select kind, name, ord, facets, body from projections \
                 where (kind, name) > (?, ?) order by kind, name limit ?",
            )
            .bind(one)
            .bind(two)
            .bind(WALKED)
            .fetch_all(connection)
            .await
            .map_err(unreadable)?;
            let row = |(kind, name, order, facets, body): (_, _, _, String, Vec<u8>)| {
                row(kind, name, dump::projected(order, &facets, &body))
            };
            Ok(rows.into_iter().map(row).collect())
        }
        Part::Streams => {
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(
                "select name, (select count(*) from lines where stream = id), (select max(idx) from lines where stream = id) \
                 from streams where name > ? order by name limit ?",
            )
            .bind(one)
            .bind(WALKED)
            .fetch_all(connection)
            .await
            .map_err(unreadable)?;
            let value = |count, last| format!("{count} {last}").into_bytes();
            Ok(rows.into_iter().map(|(stream, count, last)| row(stream, String::new(), value(count, last))).collect())
        }
        Part::Uniques => {
            let rows: Vec<(String, i64)> =
                sqlx::query_as("select lower(hex(key)), idx from uniques where key > unhex(?) order by key limit ?")
                    .bind(one)
                    .bind(WALKED)
                    .fetch_all(connection)
                    .await
                    .map_err(unreadable)?;
            Ok(rows.into_iter().map(|(key, index)| row(key, String::new(), index.to_string().into_bytes())).collect())
        }
    }
}
