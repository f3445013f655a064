//! Lists: which projections, from where on, and one page of them. The same words for every store.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use super::Facet;

/// How many items a page has at the most.
pub const MAX_ITEMS: u64 = 500;

/// How many candidates one page looks at. Where facets rarely meet, a page ends early and its cursor leads on.
pub const MAX_SCANNED: u64 = 4_096;

/// A list of projections of one kind, the highest order first.
#[derive(Clone, Debug)]
pub struct List<'a> {
    pub kind: &'a str,
    /// All of them must hold.
    pub filters: &'a [Facet],
    pub orders: RangeInclusive<i64>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most [`MAX_ITEMS`] are given.
    pub limit: u64,
}

impl<'a> List<'a> {
    /// Everything of a kind.
    pub fn of(kind: &'a str, limit: u64) -> Self {
        Self { kind, filters: &[], orders: i64::MIN..=i64::MAX, after: None, limit }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    pub order: i64,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub items: Vec<Item>,
    /// Where the next page begins, if there may be one. A page with fewer items than asked for may have a next one.
    pub next: Option<Cursor>,
}

/// The place of an item in a list: its order, and its name among those of the same order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub order: i64,
    pub name: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.order, self.name)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (order, name) = text.split_once('~').ok_or(InvalidCursor)?;
        Ok(Self { order: order.parse().map_err(|_| InvalidCursor)?, name: name.to_owned() })
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is no cursor: take it as the page before gave it")]
pub struct InvalidCursor;

/// The first text behind all those that begin with `prefix`, if there is one: texts compare by their code points, as
/// their UTF-8 does.
pub(super) fn end_of(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
