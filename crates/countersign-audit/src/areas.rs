//! The areas of a repository: what reviews are shared out by.
//!
//! Top folders, or the owners that `CODEOWNERS` names, or the systems of a catalog. A path without owners, or of no
//! system, lies in an area of its own, so that every change that changes something lies in some area. A path may lie in
//! several: GitLab's sections each name owners, and several systems may cover it. What owners and catalog say is today's
//! word, laid over the past.

use std::collections::{BTreeMap, HashMap};

use countersign_core::{catalog::Tier, facts::PathChange};

use super::{
    codeowners::{CodeOwners, Entry},
    systems::Systems,
};

/// Most paths of one change that are looked at; an import of a whole tree has more.
pub(super) const MAX_LOOKED_AT: usize = 20_000;
/// Most areas that are told apart, and most that one change is counted in.
const MAX_AREAS: usize = 5_000;
const MAX_AREAS_OF_CHANGE: usize = 64;
/// Most patterns that are kept of an area.
pub const MAX_PATTERNS: usize = 20;
const MAX_NAME_CHARS: usize = 120;

/// What lies beside the folders.
pub(super) const AT_THE_TOP: &str = "(top)";
pub(super) const NO_OWNER: &str = "(no owner)";
pub(super) const NO_SYSTEM: &str = "(no system)";
pub(super) const OTHER: &str = "(other)";

/// What areas are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AreasBy {
    #[default]
    Folders,
    CodeOwners,
    Catalog,
}

impl AreasBy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folders => "folders",
            Self::CodeOwners => "codeowners",
            Self::Catalog => "catalog",
        }
    }
}

/// An area, and what is known of it besides its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// As it is; [`Areas::shown`] is fit to be shown.
    pub name: String,
    /// Of the area by `CODEOWNERS` its owners, by the catalog the system's; fit to be shown.
    pub owners: Vec<String>,
    /// The first [`MAX_PATTERNS`] patterns by which paths came here; fit to be shown.
    pub patterns: Vec<String>,
}

/// What a change's paths touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Areas, each once.
    pub areas: Vec<u32>,
    /// A path that `CODEOWNERS` gives owners by more than a catch-all.
    pub owned: bool,
    /// A path of a system of tier 1.
    pub tier_1: bool,
}

/// The areas that were met so far. [`Default`] has top folders and knows no owners.
#[derive(Debug, Default)]
pub struct Areas {
    by: AreasBy,
    owners: Option<CodeOwners>,
    systems: Option<Systems>,
    met: Vec<Area>,
    ids: HashMap<String, u32>,
    /// The areas of entries of `CODEOWNERS` by their lines, or of systems by their numbers.
    of_source: BTreeMap<usize, u32>,
    tiers: BTreeMap<u32, Tier>,
}

impl Areas {
    /// Owners and systems also say what paths reach far, whatever areas are. By what is not there, all is one area.
    pub fn new(by: AreasBy, owners: Option<CodeOwners>, systems: Option<Systems>) -> Self {
        Self { by, owners, systems, ..Self::default() }
    }

    /// Areas that somebody else has told apart, with the tiers that they propose for them.
    pub(super) fn named(names: impl IntoIterator<Item = (String, Option<Tier>)>) -> Self {
        let mut areas = Self { by: AreasBy::Catalog, ..Self::default() };
        for (name, tier) in names {
            let id = areas.id(&name);
            areas.tiers.extend(tier.map(|tier| (id, tier)));
        }
        areas
    }

    /// The tier of a system; of any other area, what a change touches says how far it reaches.
    pub(super) fn tier(&self, id: u32) -> Option<Tier> {
        self.tiers.get(&id).copied()
    }

    pub fn by(&self) -> AreasBy {
        self.by
    }

    pub fn code_owners(&self) -> Option<&CodeOwners> {
        self.owners.as_ref()
    }

    pub fn systems(&self) -> Option<&Systems> {
        self.systems.as_ref()
    }

    pub fn get(&self, id: u32) -> Option<&Area> {
        self.met.get(id as usize)
    }

    /// Fit to be shown.
    pub fn shown(&self, id: u32) -> String {
        super::shown(self.name(id), MAX_NAME_CHARS)
    }

    /// In the order of their ids.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.met.iter().map(|area| area.name.as_str())
    }

    pub fn name(&self, id: u32) -> &str {
        self.get(id).map_or(OTHER, |area| &area.name)
    }

    /// What a change's paths touch.
    pub fn of(&mut self, paths: &[PathChange]) -> Touched {
        let mut touched = Touched::default();
        for change in paths.iter().take(MAX_LOOKED_AT) {
            self.look(&change.path, &mut touched);
        }
        touched
    }

    fn look(&mut self, path: &str, touched: &mut Touched) {
        let full = touched.areas.len() >= MAX_AREAS_OF_CHANGE;
        let mut here = Vec::new();
        match self.by {
            AreasBy::Folders if !full => {
                let folder = path.split_once('/').map_or(AT_THE_TOP, |(folder, _)| folder);
                here.push(self.id(folder));
            }
            AreasBy::CodeOwners if !full || !touched.owned => here = self.by_owners(path, touched),
            AreasBy::Folders | AreasBy::CodeOwners | AreasBy::Catalog => {}
        }
        if self.by != AreasBy::CodeOwners
            && !touched.owned
            && let Some(owners) = &self.owners
        {
            touched.owned = owners.owners_by_section(path).into_iter().any(owns);
        }
        if let Some(systems) = &self.systems
            && (!touched.tier_1 || (self.by == AreasBy::Catalog && !full))
        {
            let found = systems.of(path);
            touched.tier_1 |= found.iter().any(|at| systems.get(*at).is_some_and(|system| system.is_tier_1()));
            if self.by == AreasBy::Catalog {
                here = self.by_systems(&found);
            }
        }
        for id in here {
            if touched.areas.len() < MAX_AREAS_OF_CHANGE && !touched.areas.contains(&id) {
                touched.areas.push(id);
            }
        }
    }

    fn by_owners(&mut self, path: &str, touched: &mut Touched) -> Vec<u32> {
        let entries = self.owners.as_ref().map(|owners| owners.owners_by_section(path)).unwrap_or_default();
        touched.owned |= entries.iter().copied().any(owns);
        let mut new = Vec::new();
        let mut found = Vec::new();
        for entry in entries.into_iter().filter(|entry| !entry.owners.is_empty()) {
            match self.of_source.get(&entry.line) {
                Some(id) => found.push(*id),
                None => new.push(entry.clone()),
            }
        }
        for entry in new {
            let mut owners = entry.owners;
            owners.sort();
            owners.dedup();
            let id = self.id(&owners.join(" "));
            self.of_source.insert(entry.line, id);
            self.explain(id, owners, [entry.pattern]);
            found.push(id);
        }
        if found.is_empty() {
            found.push(self.id(NO_OWNER));
        }
        found
    }

    fn by_systems(&mut self, found: &[usize]) -> Vec<u32> {
        if found.is_empty() {
            return vec![self.id(NO_SYSTEM)];
        }
        let mut ids = Vec::new();
        for at in found {
            if let Some(id) = self.of_source.get(at) {
                ids.push(*id);
            } else if let Some(system) = self.systems.as_ref().and_then(|systems| systems.get(*at)).cloned() {
                let id = self.id(system.id.as_str());
                // The area of what is too many is no system.
                if self.name(id) == system.id.as_str() {
                    self.tiers.insert(id, system.tier);
                }
                self.of_source.insert(*at, id);
                self.explain(id, vec![system.owner.to_string()], system.patterns);
                ids.push(id);
            }
        }
        ids
    }

    fn explain(&mut self, id: u32, owners: Vec<String>, patterns: impl IntoIterator<Item = String>) {
        if let Some(area) = self.met.get_mut(id as usize)
            && area.name != OTHER
        {
            area.owners = owners;
            for pattern in patterns {
                if area.patterns.len() < MAX_PATTERNS && !area.patterns.contains(&pattern) {
                    area.patterns.push(pattern);
                }
            }
        }
    }

    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let name = if self.met.len() < MAX_AREAS { name } else { OTHER };
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.met.len()).unwrap_or(u32::MAX);
        self.met.push(Area { name: name.to_owned(), ..Area::default() });
        self.ids.insert(name.to_owned(), id);
        id
    }
}

/// Says of particular paths that they have owners. A `*` only says who looks after the rest.
fn owns(entry: &Entry) -> bool {
    !entry.owners.is_empty() && !entry.is_catch_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::facts::PathStatus;

    fn told(areas: &mut Areas, paths: &[&str]) -> String {
        let path = |path: &&str| PathChange { path: (*path).to_owned(), status: PathStatus::Modified };
        let touched = areas.of(&paths.iter().map(path).collect::<Vec<_>>());
        let names: Vec<&str> = touched.areas.iter().map(|id| areas.name(*id)).collect();
        let owned = if touched.owned { " owned" } else { "" };
        let tier_1 = if touched.tier_1 { " tier-1" } else { "" };
        format!("{}{owned}{tier_1}", names.join(", "))
    }

    const OWNERS: &str =
        "* @org/all\n/billing/ @org/payments @ann\n/billing/docs/\n/shop/ @ann @org/payments\n*.sql @org/dba\n";

    #[test]
    fn top_folders_unless_told_otherwise() {
        let mut areas = Areas::default();
        assert_eq!(told(&mut areas, &["src/a", "src/b/c", "docs/x", "README.md"]), "src, docs, (top)");
        assert_eq!(told(&mut areas, &[]), "");
        // Owners say what is owned also where they are no areas.
        let mut areas = Areas::new(AreasBy::Folders, Some(CodeOwners::parse(OWNERS)), None);
        assert_eq!(told(&mut areas, &["src/a"]), "src");
        assert_eq!(told(&mut areas, &["src/a", "billing/a"]), "src, billing owned");
    }

    #[test]
    fn by_owners_an_area_is_a_set_of_them() {
        let mut areas = Areas::new(AreasBy::CodeOwners, Some(CodeOwners::parse(OWNERS)), None);
        assert_eq!(told(&mut areas, &["src/a"]), "@org/all");
        assert_eq!(told(&mut areas, &["billing/a", "shop/a"]), "@ann @org/payments owned");
        assert_eq!(told(&mut areas, &["billing/docs/a"]), "(no owner)");
        assert_eq!(told(&mut areas, &["x.sql", "src/a"]), "@org/dba, @org/all owned");
        let area = areas.get(1).cloned().unwrap_or_default();
        assert_eq!(area.owners, ["@ann", "@org/payments"]);
        assert_eq!(area.patterns, ["/billing/", "/shop/"]);
    }

    #[test]
    fn a_path_of_several_sections_lies_in_several_areas() {
        let owners = CodeOwners::parse("[A] @a\n/src/\n[B]\n*.rs @b\n");
        let mut areas = Areas::new(AreasBy::CodeOwners, Some(owners), None);
        assert_eq!(told(&mut areas, &["src/x.rs"]), "@b, @a owned");
        assert_eq!(told(&mut areas, &["README"]), "(no owner)");
    }

    #[test]
    fn areas_and_what_one_change_counts_in_are_bounded() {
        let mut areas = Areas::default();
        let paths: Vec<String> = (0..MAX_AREAS + 10).map(|at| format!("d{at}/x")).collect();
        let many: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(told(&mut areas, &many).split(", ").count(), MAX_AREAS_OF_CHANGE);
        for path in &many {
            told(&mut areas, &[path]);
        }
        assert_eq!(areas.names().count(), MAX_AREAS + 1);
        assert_eq!(told(&mut areas, &["yet/another"]), OTHER);
    }
}
