//! Comparing two stores: everything that follows from the leaves, a page at a time, so that a log of any size can be
//! compared.

use std::{cmp::Ordering, collections::BTreeMap};

use countersign_ledger::Hash;
use serde_json::{Value, json};

use super::{Projection, Store, StoreError};

/// A part of what follows from leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Projections,
    /// How many leaves each stream has, and its last.
    Streams,
    Uniques,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Projections, Self::Streams, Self::Uniques];

    /// What it is called where something differs.
    fn of(self, (first, second): &Key) -> String {
        match self {
            Self::Projections => format!("{first} {second}"),
            Self::Streams => format!("stream {first}"),
            Self::Uniques => format!("key {first}"),
        }
    }
}

/// Rows stand in the order of their keys: kind and name of a projection, or a name alone.
pub type Key = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    pub value: Vec<u8>,
}

/// A row of a projection: its place in lists, what they find it by, and what it says.
pub(super) fn projected(order: i64, facets: &str, body: &[u8]) -> Vec<u8> {
    [format!("{order} {facets} ").as_bytes(), body].concat()
}

impl Row {
    /// The row that a projection is kept as.
    pub fn of(projection: &Projection) -> Self {
        let facets = projection.facets.iter().map(|facet| json!([facet.name, facet.value]));
        let facets = Value::Array(facets.collect()).to_string();
        Self {
            key: (projection.kind.to_owned(), projection.name.clone()),
            value: projected(projection.order, &facets, &projection.body),
        }
    }
}

/// Everything, in memory: for small stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    pub size: u64,
    pub root: Hash,
    pub rows: BTreeMap<(Part, Key), Vec<u8>>,
}

impl Dump {
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let head = store.head().await?;
        let mut rows = BTreeMap::new();
        for part in Part::ALL {
            let mut walk = Walk::new(store, part);
            while let Some(row) = walk.next().await? {
                rows.insert((part, row.key), row.value);
            }
        }
        Ok(Self { size: head.size, root: head.root, rows })
    }
}

/// The names of what is not the same in both, at most `limit` of them.
pub async fn differences(one: &dyn Store, other: &dyn Store, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let (head, other_head) = (one.head().await?, other.head().await?);
    if (head.size, head.root) != (other_head.size, other_head.root) {
        names.push("the tree".to_owned());
    }
    for store in [one, other] {
        names.extend(store.loose().await?);
    }
    for part in Part::ALL {
        let (mut walk, mut other_walk) = (Walk::new(one, part), Walk::new(other, part));
        let (mut left, mut right) = (walk.next().await?, other_walk.next().await?);
        while names.len() < limit {
            let order = match (&left, &right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.key.cmp(&right.key),
            };
            if left != right {
                // What comes first is missing in the other store; what has the same key has another value.
                let row = if order.is_gt() { &right } else { &left };
                names.extend(row.iter().map(|row| part.of(&row.key)));
            }
            if order.is_le() {
                left = walk.next().await?;
            }
            if order.is_ge() {
                right = other_walk.next().await?;
            }
        }
    }
    Ok(names)
}

/// The rows of a part, read page by page.
struct Walk<'a> {
    store: &'a dyn Store,
    part: Part,
    page: std::vec::IntoIter<Row>,
    last: Option<Key>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a dyn Store, part: Part) -> Self {
        Self { store, part, page: Vec::new().into_iter(), last: None }
    }

    async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        if self.page.as_slice().is_empty() {
            self.page = self.store.walk(self.part, self.last.as_ref()).await?.into_iter();
        }
        let row = self.page.next();
        if let Some(row) = &row {
            self.last = Some(row.key.clone());
        }
        Ok(row)
    }
}
