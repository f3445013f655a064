//! `gate.yaml`: what the gate guards. Read strictly, because an entry that is not understood would guard nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use countersign_core::{
    glob::Glob,
    ids::{ActorId, GateId, RepositoryId, Target},
};
use serde::Deserialize;

use crate::{
    follower::Access,
    home::{HomeError, quoted},
    unix,
};

/// The format that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// What the file says, for whoever has to mend it.
const READS: &str = "it reads `version: 1`, `name`, `repository`, `url`, `proxy`, `guidance`, `copy: /DIR` and \
                     `branches: [{branch: refs/heads/NAME, map: [{paths: GLOB, target: SYSTEM/ENVIRONMENT}], else: \
                     SYSTEM/ENVIRONMENT, watch: [SYSTEM/ENVIRONMENT]}]`, as `countersign gate install` writes it";

pub const MAX_BRANCHES: usize = 100;
pub const MAX_ENTRIES: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    pub version: u32,
    /// The gate's name in the log.
    pub name: GateId,
    /// What changes and approvals call this repository.
    pub repository: RepositoryId,
    /// The server that permits are asked of.
    pub url: String,
    /// The proxy through which the server is reached. Never taken from the environment of a hook, in which whoever pushes may
    /// have a say.
    #[serde(default)]
    pub proxy: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// In full: `refs/heads/main`.
    pub branch: String,
    pub map: Vec<Entry>,
    /// What paths reach that no entry names.
    #[serde(default, rename = "else")]
    pub otherwise: Option<Target>,
    /// What is only watched: a push that reaches nothing else passes, and what it would have met is written down.
    #[serde(default)]
    pub watch: BTreeSet<Target>,
}

/// Paths, and the target that they reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub paths: Glob,
    pub target: Target,
}

impl Entry {
    /// Reads `GLOB=SYSTEM/ENVIRONMENT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The last `=`, because a path may have one and a target may not.
        let (paths, target) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("`{text}` is not GLOB=SYSTEM/ENVIRONMENT, for example '**=checkout/production'"))?;
        Ok(Self {
            paths: Glob::try_from(paths.to_owned()).map_err(|e| e.to_string())?,
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
    pub fn reached<'a>(&self, paths: impl IntoIterator<Item = Place<'a>>) -> Reached<'a> {
        let mut reached = Reached::default();
        for place in paths {
            let mut hit = false;
            for entry in self.map.iter().filter(|entry| place.is_of(&entry.paths)) {
                hit = true;
                reached.targets.insert(entry.target.clone());
            }
            match &self.otherwise {
                _ if hit => {}
                Some(target) => drop(reached.targets.insert(target.clone())),
                None => reached.unmapped.push(place.path()),
            }
        }
        reached
    }

    /// Whether it guards nothing, and only watches.
    pub fn is_watched(&self) -> bool {
        self.targets().all(|target| self.watch.contains(target))
    }

    /// Whether all that is reached is only watched. What no entry names is, where the whole branch is.
    pub fn only_watches(&self, reached: &Reached<'_>) -> bool {
        self.is_watched()
            || (reached.unmapped.is_empty() && reached.targets.iter().all(|target| self.watch.contains(target)))
    }

    /// Every target that it reaches.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.map.iter().map(|entry| &entry.target).chain(&self.otherwise)
    }
}

/// A path of a repository.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    File(&'a str),
    /// A submodule: whatever is in its folder comes with it.
    Submodule(&'a str),
}

impl<'a> Place<'a> {
    fn path(self) -> &'a str {
        match self {
            Self::File(path) | Self::Submodule(path) => path,
        }
    }

    fn is_of(self, glob: &Glob) -> bool {
        match self {
            Self::File(path) => glob.is_match(path),
            Self::Submodule(path) => glob.is_match(path) || glob.reaches_into(path),
        }
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
            let nothing = branch.map.is_empty() && branch.otherwise.is_none();
            if nothing || branch.map.len() > MAX_ENTRIES {
                return Err(format!("{} needs 1 to {MAX_ENTRIES} entries in its map", branch.branch));
            }
            if let Some(target) = branch.watch.iter().find(|watched| !branch.targets().any(|target| target == *watched))
            {
                return Err(format!("watch: nothing of {} reaches {target}", branch.branch));
            }
        }
        Ok(())
    }

    pub fn branch(&self, reference: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.branch == reference)
    }

    /// Whether it stops nothing at all.
    pub fn is_watched(&self) -> bool {
        self.branches.iter().all(Branch::is_watched)
    }

    /// What the log is told that the gate only watches, by branch.
    pub fn watching(&self) -> BTreeMap<String, BTreeSet<Target>> {
        let watching = self.branches.iter().filter(|branch| !branch.watch.is_empty());
        watching.map(|branch| (branch.branch.clone(), branch.watch.clone())).collect()
    }

    /// The same without the branches of which nothing is guarded.
    pub fn guarding(&self) -> Self {
        let branches = self.branches.iter().filter(|branch| !branch.is_watched()).cloned().collect();
        Self { branches, ..self.clone() }
    }

    /// Everything that the gate guards.
    pub fn targets(&self) -> BTreeSet<Target> {
        self.branches.iter().flat_map(Branch::targets).cloned().collect()
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
        let proxy = match &self.proxy {
            Some(proxy) => format!(
                "# The proxy through which that server is reached; none is taken from the environment.\nproxy: {}\n",
                quoted(proxy)
            ),
            None => String::new(),
        };
        let mut text = format!(
            "# What this gate guards. It is read for every push; `countersign gate install` registers new targets.\n\
             version: {}\nname: {}\nrepository: {}\nurl: {}\n\
             {proxy}# Read cited documents that lie in this repository, and compare them with what the server says of them.\n\
             guidance: {}\n\
             # The verified copy of the log that this machine's gates decide by.\n\
             copy: {}\n\
             # Every changed path must match an entry, and all entries that match count; `else` is for those that match none.\n\
             branches:\n",
            self.version,
            quoted(self.name.as_str()),
            quoted(self.repository.as_str()),
            quoted(&self.url),
            self.guidance,
            quoted(&self.copy.display().to_string())
        );
        for branch in &self.branches {
            let map = if branch.map.is_empty() { "map: []" } else { "map:" };
            text.push_str(&format!("  - branch: {}\n    {map}\n", quoted(&branch.branch)));
            for entry in &branch.map {
                let (paths, target) = (quoted(entry.paths.as_str()), quoted(&entry.target.to_string()));
                text.push_str(&format!("      - paths: {paths}\n        target: {target}\n"));
            }
            if let Some(target) = &branch.otherwise {
                text.push_str(&format!("    else: {}\n", quoted(&target.to_string())));
            }
            if !branch.watch.is_empty() {
                text.push_str("    # What reaches nothing else passes, and is written down: countersign gate report.\n    watch:\n");
                for target in &branch.watch {
                    text.push_str(&format!("      - {}\n", quoted(&target.to_string())));
                }
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
            otherwise: None,
            watch: BTreeSet::new(),
        }
    }

    #[test]
    fn paths_reach_every_target_that_matches_and_nothing_is_left_out() {
        let branch = branch(&["services/checkout/**=checkout/production", "services/*/schema.sql=database/production"]);
        let paths = ["services/checkout/schema.sql", "README.md", "services/a/b/schema.sql"];
        let reached = branch.reached(paths.map(Place::File));
        let targets: Vec<String> = reached.targets.iter().map(Target::to_string).collect();
        assert_eq!(targets, ["checkout/production", "database/production"]);
        assert_eq!(reached.unmapped, ["README.md", "services/a/b/schema.sql"]);
        let other: Target = "shop/production".parse().unwrap();
        let branch = Branch { otherwise: Some(other.clone()), ..branch };
        let reached = branch.reached(paths.map(Place::File));
        assert!(reached.unmapped.is_empty() && reached.targets.contains(&other));
        assert!(!branch.reached([Place::File(paths[0])]).targets.contains(&other), "an entry names it");
    }

    #[test]
    fn a_submodule_reaches_what_its_folder_reaches() {
        for pattern in ["a/b/**", "a/**", "**", "a/b", "a/*", "*/b/*.tf", "a/b/c/d", "a/{b,c}/x", "**/*.tf"] {
            let branch = branch(&[&format!("{pattern}=checkout/production")]);
            assert!(branch.reached([Place::Submodule("a/b")]).unmapped.is_empty(), "{pattern}");
        }
        for pattern in ["a", "a/c/**", "b/**", "*", "a/bb/**"] {
            let branch = branch(&[&format!("{pattern}=checkout/production")]);
            assert_eq!(branch.reached([Place::Submodule("a/b")]).unmapped, ["a/b"], "{pattern}");
        }
        let branch = branch(&["a/b/**=checkout/production"]);
        assert_eq!(branch.reached([Place::File("a/b")]).unmapped, ["a/b"], "a file has nothing in it");
    }

    #[test]
    fn patterns_that_cannot_mean_what_they_seem_to_are_refused() {
        let said = |pattern: &str| Entry::parse(&format!("{pattern}=a/production")).unwrap_err();
        insta::assert_snapshot!(said("core/***"), @"`core/***` is not a pattern of paths: `**` stands alone between two `/`, and `***` would stay within a folder");
        insta::assert_snapshot!(said("core**"), @"`core**` is not a pattern of paths: `**` stands alone between two `/`, and `core**` would stay within a folder");
        insta::assert_snapshot!(said("/core/**"), @"`/core/**` is not a pattern of paths: paths begin at the repository's root, without a `/` or `./` before them");
        insta::assert_snapshot!(said("core/"), @"`core/` is not a pattern of paths: it names a folder, and paths are of files: `core/**` means all of it");
        insta::assert_snapshot!(said("core//x"), @"`core//x` is not a pattern of paths: it has two `/` in a row");
        insta::assert_snapshot!(said("../x"), @"`../x` is not a pattern of paths: paths begin at the repository's root, without a `/` or `./` before them");
        insta::assert_snapshot!(said(""), @"`` is not a pattern of paths: it is empty; `**` means all paths");
        for pattern in ["**", "**/x", "a/**/b", "*.tf", "a/b/", "a=b/[x]*"] {
            assert_eq!(Entry::parse(&format!("{pattern}=a/production")).is_ok(), pattern != "a/b/", "{pattern}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = GateConfig {
            version: VERSION,
            name: "shop-git".parse().unwrap(),
            repository: "shop".parse().unwrap(),
            url: "http://127.0.0.1:7878".to_owned(),
            proxy: Some("http://proxy:3128".to_owned()),
            guidance: true,
            copy: "/var/lib/countersign".into(),
            branches: vec![Branch {
                otherwise: Some("shop/production".parse().unwrap()),
                watch: ["shop/production".parse().unwrap()].into(),
                ..branch(&["**=checkout/production", "a=b/[x]*=checkout/staging"])
            }],
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
        insta::assert_snapshot!(said(&format!("{head}  - branch: refs/heads/main\n    mop: []\n")), @"gate.yaml:8: unknown field `mop`, expected one of branch, map, else, watch at line 8, column 5");
        let entry = "  - branch: refs/heads/main\n    map: [{paths: '**', target: a/b}]\n";
        let relative = format!("{}{entry}", head.replace("/c", "c"));
        insta::assert_snapshot!(said(&relative), @"gate.yaml: copy: `c` has to begin at the root: hooks run in the repository");
        insta::assert_snapshot!(said("version: 2\n"), @"gate.yaml: written by a newer version of countersign (format 2, this program knows 1)");
    }
}
