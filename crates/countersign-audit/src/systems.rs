//! Which systems of a catalog a path belongs to.
//!
//! A system says where its source is by two annotations: `backstage.io/source-location`, which Backstage has for it, and
//! `countersign/paths`, globs as in a gate's map. Both are about one repository: that of the location, or without a
//! location any that the catalog is laid over. As with a gate, every system that covers a path counts.

use countersign_core::{
    catalog::{Catalog, System, Tier},
    ids::{GroupId, SystemId},
};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::text::shown;

/// Most globs of all systems together.
pub const MAX_GLOBS: usize = 20_000;
const MAX_PATTERN_CHARS: usize = 200;
/// Words before the reference in the address of a folder on a forge: GitHub, GitLab (behind `-`), Bitbucket and Gitea.
const TREES: [&str; 3] = ["tree", "blob", "src"];
/// What Gitea puts between `src` and the reference.
const REFERENCES: [&str; 3] = ["branch", "tag", "commit"];

/// A system that covers paths here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    pub id: SystemId,
    pub owner: GroupId,
    pub tier: Tier,
    /// Fit to be shown.
    pub patterns: Vec<String>,
}

impl Here {
    pub fn is_tier_1(&self) -> bool {
        self.tier == Tier::HIGHEST
    }
}

/// The systems of a catalog that cover paths of one repository.
#[derive(Debug)]
pub struct Systems {
    here: Vec<Here>,
    globs: GlobSet,
    /// The system of each glob.
    system_of: Vec<usize>,
}

impl Systems {
    /// Those with paths in the repository that has one of these names, without regard to case and `.git`.
    pub fn of_repository(catalog: &Catalog, names: &[&str]) -> Self {
        let mut builder = GlobSetBuilder::new();
        let (mut here, mut system_of) = (Vec::new(), Vec::new());
        for system in catalog.systems.values() {
            let mut patterns = Vec::new();
            for glob in globs(system, names) {
                let built = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
                // The catalog has checked them.
                let Ok(built) = built else { continue };
                if system_of.len() < MAX_GLOBS {
                    builder.add(built);
                    system_of.push(here.len());
                    patterns.push(shown(&glob, MAX_PATTERN_CHARS));
                }
            }
            if !patterns.is_empty() {
                let (id, owner, tier) = (system.id.clone(), system.owner.clone(), system.tier);
                here.push(Here { id, owner, tier, patterns });
            }
        }
        let globs = builder.build().unwrap_or_else(|_| GlobSet::empty());
        Self { here, globs, system_of }
    }

    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    pub fn len(&self) -> usize {
        self.here.len()
    }

    pub fn get(&self, at: usize) -> Option<&Here> {
        self.here.get(at)
    }

    /// The systems that cover a path, by their names.
    pub fn of(&self, path: &str) -> Vec<usize> {
        let mut found: Vec<usize> =
            self.globs.matches(path).into_iter().filter_map(|hit| self.system_of.get(hit).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What a system covers of the repository.
fn globs(system: &System, names: &[&str]) -> Vec<String> {
    let place = system.source.location.as_deref().map(place);
    match (place, system.source.paths.as_slice()) {
        (Some(None), _) => Vec::new(),
        (Some(Some((repository, _))), _) if !is_named(repository, names) => Vec::new(),
        (Some(Some((_, folder))), []) if folder.is_empty() => vec!["**".to_owned()],
        (Some(Some((_, folder))), []) => vec![format!("{}/**", globset::escape(&folder))],
        // Whoever writes globs says it more exactly than the location does.
        (None | Some(Some(_)), paths) => paths.to_vec(),
    }
}

fn is_named(repository: Option<&str>, names: &[&str]) -> bool {
    let plain = |name: &str| name.strip_suffix(".git").unwrap_or(name).to_lowercase();
    repository.is_none_or(|repository| names.iter().any(|name| plain(name) == plain(repository)))
}

/// The repository's name, where it is said, and the folder in it. A branch whose name has a `/` cannot be told from a
/// folder.
fn place(location: &str) -> Option<(Option<&str>, String)> {
    let location = location.trim();
    let folder = |parts: &[&str]| parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
    if let Some(path) = location.strip_prefix("dir:").or_else(|| location.strip_prefix("file:")) {
        let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
        return (!parts.contains(&"..") && !path.starts_with('/')).then(|| (None, folder(&parts)));
    }
    let url = location.strip_prefix("url:").unwrap_or(location);
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    // An owner and a repository come first at the least.
    let marker = parts.iter().enumerate().skip(2).find(|(_, part)| TREES.contains(part)).map(|(at, _)| at);
    let Some(marker) = marker else { return parts.last().map(|repository| (Some(*repository), String::new())) };
    let mut before = parts.get(..marker)?;
    before = before.strip_suffix(&["-"]).unwrap_or(before);
    let mut after = parts.get(marker.checked_add(1)?..)?;
    if parts.get(marker) == Some(&"src")
        && let [kind, rest @ ..] = after
        && REFERENCES.contains(kind)
    {
        after = rest;
    }
    let (_reference, mut within) = after.split_first()?;
    // A file stands for the folder that it lies in.
    if parts.get(marker) == Some(&"blob") {
        within = within.split_last().map_or(within, |(_, folder)| folder);
    }
    Some((Some(*before.last()?), folder(within)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use countersign_core::catalog::CatalogSettings;

    fn systems(entities: &[(&str, &str)], names: &[&str]) -> Systems {
        let mut text = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: eng}\nspec: {}\n".to_owned();
        for (name, annotations) in entities {
            text += &format!(
                "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n  \
                 annotations: {{{annotations}}}\nspec: {{owner: eng}}\n"
            );
        }
        let files = BTreeMap::from([("c.yaml".to_owned(), text)]);
        let catalog = Catalog::parse(&files, &CatalogSettings::default());
        Systems::of_repository(&catalog.unwrap_or_else(|error| unreachable!("{error}")), names)
    }

    fn of(systems: &Systems, path: &str) -> String {
        let names: Vec<&str> =
            systems.of(path).into_iter().filter_map(|at| systems.get(at)).map(|here| here.id.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn places_of_every_forge() {
        let table = [
            ("url:https://github.com/org/shop/tree/main/services/checkout/", "shop:services/checkout"),
            ("https://github.com/org/shop", "shop:"),
            ("url:https://github.com/org/shop.git/", "shop.git:"),
            ("url:https://github.com/org/shop/blob/main/a/catalog-info.yaml", "shop:a"),
            ("url:https://gitlab.com/group/sub/shop/-/tree/main/a/b", "shop:a/b"),
            ("url:https://bitbucket.org/org/shop/src/main/a/?at=main", "shop:a"),
            ("url:https://gitea.test/org/shop/src/branch/main/a", "shop:a"),
            ("url:https://github.com/org/shop/tree/main", "shop:"),
            ("dir:./services/a", "*:services/a"),
        ];
        for (location, expected) in table {
            let found = place(location).map(|(name, folder)| format!("{}:{folder}", name.unwrap_or("*")));
            assert_eq!(found.as_deref(), Some(expected), "{location}");
        }
        for location in ["", "nonsense", "dir:../x", "dir:/srv/x", "url:https://github.com"] {
            assert_eq!(place(location), None, "{location}");
        }
    }

    #[test]
    fn every_system_that_covers_a_path_counts() {
        let systems = systems(
            &[
                ("all", "backstage.io/source-location: 'url:https://github.com/org/Shop/'"),
                ("billing", "backstage.io/source-location: 'url:https://github.com/org/shop/tree/main/billing/'"),
                ("elsewhere", "backstage.io/source-location: 'url:https://github.com/org/other/tree/main/billing/'"),
                ("globs", "countersign/paths: 'billing/*.sql, db/**'"),
                (
                    "not-here",
                    "backstage.io/source-location: 'url:https://github.com/org/other/', countersign/paths: '**'",
                ),
                ("silent", ""),
            ],
            &["shop.git"],
        );
        assert_eq!(systems.len(), 3);
        assert_eq!(of(&systems, "README.md"), "all");
        assert_eq!(of(&systems, "billing/a/b.rs"), "all billing");
        assert_eq!(of(&systems, "billing/x.sql"), "all billing globs");
        assert_eq!(of(&systems, "billing/a/x.sql"), "all billing");
        assert!(systems.get(0).is_some_and(Here::is_tier_1), "without a tier it is tier 1");
    }
}
