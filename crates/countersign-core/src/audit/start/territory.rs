//! Which paths are one area: the top folders of the tip. And the patterns that say to a gate which system a path reaches,
//! so that every path of today's tip is reached by one pattern.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    audit::impact::{ImpactSet, ImpactTable},
    facts::PathChange,
};

/// Most systems that are proposed; a longer list is one that nobody checks.
pub const MAX_SYSTEMS: usize = 30;
/// Most paths of one change that are looked at, and most areas that it is counted in.
const MAX_LOOKED_AT: usize = 20_000;
const MAX_TOUCHED: usize = 64;
/// Most areas that are told apart.
const MAX_AREAS: usize = 20_000;

/// An area that a change touches, and what reaches far of what it touches there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    pub area: u32,
    pub impact: ImpactSet,
}

/// The areas of a repository.
#[derive(Debug, Default)]
pub struct Territory {
    keys: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Territory {
    /// The areas that a change's paths lie in, each once.
    pub fn touch(&mut self, paths: &[PathChange], impact: &ImpactTable) -> Vec<Touch> {
        let mut touched: Vec<Touch> = Vec::new();
        for change in paths.iter().take(MAX_LOOKED_AT) {
            let Some(area) = self.id(key(&change.path)) else { continue };
            let of_path = impact.of(std::slice::from_ref(change));
            if let Some(touch) = touched.iter_mut().find(|touch| touch.area == area) {
                touch.impact = touch.impact.and(of_path);
            } else if touched.len() < MAX_TOUCHED {
                touched.push(Touch { area, impact: of_path });
            }
        }
        touched
    }

    /// The folder of an area; empty for what lies beside the folders.
    pub fn key(&self, area: u32) -> &str {
        self.keys.get(area as usize).map_or("", String::as_str)
    }

    fn id(&mut self, key: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(key) {
            return Some(*id);
        }
        let id = u32::try_from(self.keys.len()).ok().filter(|_| self.keys.len() < MAX_AREAS)?;
        self.keys.push(key.to_owned());
        self.ids.insert(key.to_owned(), id);
        Some(id)
    }
}

/// The area of a path: its top folder, or nothing.
pub(super) fn key(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

/// The top folders that are there at the tip, with how many files each has.
pub(super) fn folders(files: &[String]) -> BTreeMap<&str, usize> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let count = folders.entry(key(file)).or_default();
        *count = count.saturating_add(1);
    }
    folders
}

/// Patterns in a gate's language for whole folders, and `*` for the files beside them.
pub(super) fn patterns(keys: &BTreeSet<&str>) -> Vec<String> {
    keys.iter()
        .map(|key| if key.is_empty() { "*".to_owned() } else { format!("{}/**", globset::escape(key)) })
        .collect()
}
