//! `gate.yaml`: what the gate guards. Read strictly, because an entry that is not understood would guard nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use countersign_core::ids::{ActorId, GateId, RepositoryId, Target};
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use crate::{
    follower::Access,
    home::{HomeError, quoted},
    unix,
};

/// The format that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// What the file says, for whoever has to mend it.
const READS: &str = "it reads `version: 1`, `name`, `repository`, `url`, `guidance`, `copy: /DIR` and \
                     `branches: [{branch: refs/heads/NAME, map: [{paths: GLOB, target: SYSTEM/ENVIRONMENT}]}]`, as \
                     `countersign gate install` writes it";

pub const MAX_BRANCHES: usize = 100;
pub const MAX_ENTRIES: usize = 1_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    pub version: u32,
    /// The gate's name in the log.
    pub name: GateId,
    /// What changes and approvals call this repository.
    pub repository: RepositoryId,
    /// The server that permits are asked of.
    pub url: String,
    /// Whether the gate reads guidance that lies in this repository itself.
    #[serde(default = "yes")]
    pub guidance: bool,
    /// The folder with the verified copy of the log, which the gates of a machine share.
    pub copy: PathBuf,
    pub branches: Vec<Branch>,
}

fn yes() -> bool {
    true
}

/// A protected branch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// In full: `refs/heads/main`.
    pub branch: String,
    pub map: Vec<Entry>,
}

/// Paths, and the target that they reach.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub paths: Glob,
    pub target: Target,
}

/// A pattern of paths, in which `*` stays within a folder and `**` does not.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob {
    glob: globset::Glob,
    /// Compiled when a path is first compared with it.
    matcher: OnceLock<GlobMatcher>,
}

impl Glob {
    pub fn as_str(&self) -> &str {
        self.glob.glob()
    }

    fn is_match(&self, path: &str) -> bool {
        self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(path)
    }
}

impl TryFrom<String> for Glob {
    type Error = globset::Error;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build()?;
        Ok(Self { glob, matcher: OnceLock::new() })
    }
}

impl Entry {
    /// Reads `GLOB=SYSTEM/ENVIRONMENT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The last `=`, because a path may have one and a target may not.
        let (paths, target) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("`{text}` is not GLOB=SYSTEM/ENVIRONMENT, for example '**=checkout/production'"))?;
        if paths.is_empty() {
            return Err(format!("`{text}` names no paths; `**` means all"));
        }
        Ok(Self {
            paths: Glob::try_from(paths.to_owned()).map_err(|e| format!("`{paths}` is not a pattern: {}", e.kind()))?,
            target: target.parse().map_err(|e| format!("{e}"))?,
        })
    }
}

/// What a set of paths reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached<'a> {
    pub targets: BTreeSet<Target>,
    /// Paths that no entry names. What is unknown denies.
    pub unmapped: Vec<&'a str>,
}

impl Branch {
    /// `main`.
    pub fn short(&self) -> &str {
        self.branch.strip_prefix("refs/heads/").unwrap_or(&self.branch)
    }

    /// The targets that these paths reach, through every entry that matches.
    pub fn reached<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Reached<'a> {
        let mut reached = Reached::default();
        for path in paths {
            let mut hit = false;
            for entry in self.map.iter().filter(|entry| entry.paths.is_match(path)) {
                hit = true;
                reached.targets.insert(entry.target.clone());
            }
            if !hit {
                reached.unmapped.push(path);
            }
        }
        reached
    }
}

impl GateConfig {
    pub fn parse(text: &str, path: &Path) -> Result<Self, HomeError> {
        let newer = |found| HomeError::Newer { path: path.to_owned(), found, known: VERSION };
        let config: Self = match yaml(text, path) {
            Ok(config) => config,
            // A newer format may have fields that this program does not know: say that, not what it cannot parse.
            Err(error) => {
                let fields: BTreeMap<String, serde_json::Value> = yaml(text, path)?;
                let found = fields.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
                let found = u32::try_from(found).unwrap_or(u32::MAX);
                return Err(if found > VERSION { newer(found) } else { error });
            }
        };
        if config.version > VERSION {
            return Err(newer(config.version));
        }
        config.check().map_err(|message| invalid(path, None, message))?;
        if !config.copy.is_absolute() {
            let copy = config.copy.display();
            let message = format!("copy: `{copy}` has to begin at the root: hooks run in the repository");
            return Err(invalid(path, None, message));
        }
        Ok(config)
    }

    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("there is no version {} of this format; this program writes {VERSION}", self.version));
        }
        if self.branches.is_empty() || self.branches.len() > MAX_BRANCHES {
            return Err(format!("a gate protects 1 to {MAX_BRANCHES} branches"));
        }
        let mut seen = BTreeSet::new();
        for branch in &self.branches {
            let valid = branch.branch.strip_prefix("refs/heads/").is_some_and(|name| {
                !name.is_empty()
                    && !name.contains(|c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
            });
            if !valid {
                return Err(format!("`{}` is not a branch in full, for example refs/heads/main", branch.branch));
            }
            if !seen.insert(&branch.branch) {
                return Err(format!("{} is there twice", branch.branch));
            }
            if branch.map.is_empty() || branch.map.len() > MAX_ENTRIES {
                return Err(format!("{} needs 1 to {MAX_ENTRIES} entries in its map", branch.branch));
            }
        }
        Ok(())
    }

    pub fn branch(&self, reference: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.branch == reference)
    }

    /// Everything that the gate guards.
    pub fn targets(&self) -> BTreeSet<Target> {
        self.branches.iter().flat_map(|branch| &branch.map).map(|entry| entry.target.clone()).collect()
    }

    /// Who may use the copy: whoever may use its folder.
    pub fn access(&self) -> Access {
        if unix::is_shared(&self.copy) { Access::Group } else { Access::Owner }
    }

    /// The gate as it speaks in the log.
    pub fn actor(&self) -> Result<ActorId, HomeError> {
        self.name.as_str().parse().map_err(|e| invalid(Path::new("gate.yaml"), None, format!("{e}")))
    }

    /// The file's text, for people to edit.
    pub fn to_yaml(&self) -> String {
        let mut text = format!(
            "# What this gate guards. It is read for every push; `countersign gate install` registers new targets.\n\
             version: {}\nname: {}\nrepository: {}\nurl: {}\n\
             # Read cited documents that lie in this repository, and compare them with what the server says of them.\n\
             guidance: {}\n\
             # The verified copy of the log that this machine's gates decide by.\n\
             copy: {}\n\
             # Every changed path must match an entry; all entries that match count.\nbranches:\n",
            self.version,
            quoted(self.name.as_str()),
            quoted(self.repository.as_str()),
            quoted(&self.url),
            self.guidance,
            quoted(&self.copy.display().to_string())
        );
        for branch in &self.branches {
            text.push_str(&format!("  - branch: {}\n    map:\n", quoted(&branch.branch)));
            for entry in &branch.map {
                let (paths, target) = (quoted(entry.paths.as_str()), quoted(&entry.target.to_string()));
                text.push_str(&format!("      - paths: {paths}\n        target: {target}\n"));
            }
        }
        text
    }
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, HomeError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 1,
            max_nodes: 100_000,
            max_anchors: 0,
            max_aliases: 0,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message = error.to_string().lines().next().unwrap_or("is no valid YAML").chars().take(300).collect();
        invalid(path, error.location().map(|at| at.line()).filter(|line| *line > 0), message)
    })
}

fn invalid(path: &Path, line: Option<u64>, message: String) -> HomeError {
    HomeError::Config { path: path.to_owned(), line, message, reads: READS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(map: &[&str]) -> Branch {
        Branch {
            branch: "refs/heads/main".to_owned(),
            map: map.iter().map(|text| Entry::parse(text).unwrap()).collect(),
        }
    }

    #[test]
    fn paths_reach_every_target_that_matches_and_nothing_is_left_out() {
        let branch = branch(&["services/checkout/**=checkout/production", "services/*/schema.sql=database/production"]);
        let reached = branch.reached(["services/checkout/schema.sql", "README.md", "services/a/b/schema.sql"]);
        let targets: Vec<String> = reached.targets.iter().map(Target::to_string).collect();
        assert_eq!(targets, ["checkout/production", "database/production"]);
        assert_eq!(reached.unmapped, ["README.md", "services/a/b/schema.sql"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = GateConfig {
            version: VERSION,
            name: "shop-git".parse().unwrap(),
            repository: "shop".parse().unwrap(),
            url: "http://127.0.0.1:7878".to_owned(),
            guidance: true,
            copy: "/var/lib/countersign".into(),
            branches: vec![branch(&["**=checkout/production", "a=b/[x]*=checkout/staging"])],
        };
        let text = config.to_yaml();
        let read = GateConfig::parse(&text, Path::new("gate.yaml")).unwrap();
        assert_eq!(read.to_yaml(), text);
        assert_eq!(read.branches[0].map[1].paths.as_str(), "a=b/[x]*");
    }

    #[test]
    fn a_configuration_that_would_guard_nothing_is_refused() {
        let said = |text: &str| GateConfig::parse(text, Path::new("gate.yaml")).unwrap_err().to_string();
        let head = "version: 1\nname: g\nrepository: shop\nurl: u\ncopy: /c\nbranches:\n";
        insta::assert_snapshot!(said(&format!("{head}  - branch: main\n    map: []\n")), @"gate.yaml: `main` is not a branch in full, for example refs/heads/main");
        insta::assert_snapshot!(said(&format!("{head}  - branch: refs/heads/main\n    map: []\n")), @"gate.yaml: refs/heads/main needs 1 to 1000 entries in its map");
        insta::assert_snapshot!(said(&format!("{head}  - branch: refs/heads/main\n    mop: []\n")), @"gate.yaml:8: unknown field `mop`, expected one of branch, map at line 8, column 5");
        let entry = "  - branch: refs/heads/main\n    map: [{paths: '**', target: a/b}]\n";
        let relative = format!("{}{entry}", head.replace("/c", "c"));
        insta::assert_snapshot!(said(&relative), @"gate.yaml: copy: `c` has to begin at the root: hooks run in the repository");
        insta::assert_snapshot!(said("version: 2\n"), @"gate.yaml: written by a newer version of countersign (format 2, this program knows 1)");
    }
}
