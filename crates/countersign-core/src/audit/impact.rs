//! Paths whose change reaches far, and the areas of a repository.

use std::collections::{BTreeMap, HashMap};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use crate::facts::PathChange;

pub const MAX_CLASSES: usize = 64;
pub const MAX_GLOBS: usize = 2_000;
/// Most paths of one change that are looked at; an import of a whole tree has more.
const MAX_LOOKED_AT: usize = 20_000;
/// Most areas that are told apart, and most that one change is counted in.
const MAX_AREAS: usize = 5_000;
const MAX_AREAS_OF_CHANGE: usize = 64;
const MAX_NAME_CHARS: usize = 120;

/// Class to globs. A user's own table replaces all of it.
#[rustfmt::skip]
pub const TABLE: &[(&str, &[&str])] = &[
    ("ci", &["**/.github/workflows/**", "**/.github/actions/**", "**/action.yml", "**/.gitlab-ci.yml", "**/.gitlab/ci/**", "**/Jenkinsfile*",
             "**/.circleci/**", "**/.travis.yml", "**/azure-pipelines*.yml", "**/.buildkite/**", "**/.drone.yml", "**/.woodpecker/**", "**/.woodpecker.yml",
             "**/bitbucket-pipelines.yml", "**/.zuul.yaml", "**/zuul.d/**", "**/.zuul.d/**", "**/.prow.yaml", "**/.prow/**", "**/cloudbuild*.yaml",
             "**/.tekton/**", "**/.cirrus.yml", "**/appveyor.yml", "**/.pre-commit-config.yaml", "**/Tiltfile", "**/.forgejo/workflows/**", "**/.gitea/workflows/**"]),
    ("deployment", &["**/Dockerfile*", "**/*.dockerfile", "**/docker-compose*.y*ml", "**/compose.y*ml", "**/helmfile*", "**/helmfile.d/**", "**/Chart.yaml",
             "**/charts/**", "**/helm/**", "**/kustomization.y*ml", "**/k8s/**", "**/kubernetes/**", "**/manifests/**", "**/argocd/**", "**/deploy/**",
             "**/deployment/**", "**/deployments/**", "**/Procfile", "**/fly.toml", "**/vercel.json", "**/netlify.toml", "**/app.yaml", "**/serverless.y*ml", "**/skaffold.y*ml"]),
    ("infrastructure", &["**/*.tf", "**/*.tfvars", "**/*.tf.json", "**/*.tofu", "**/terragrunt.hcl", "**/Pulumi*.y*ml", "**/cloudformation/**", "**/*.bicep",
             "**/cdk.json", "**/ansible/**", "**/playbooks/**", "**/roles/*/tasks/**", "**/*.pp", "**/hieradata/**", "**/*.nomad", "**/packer/**", "**/salt/**", "**/*.nix"]),
    ("schema", &["**/migrations/**", "**/migrate/**", "**/db/migrate/**", "**/*.sql", "**/schema.prisma", "**/schema.rb", "**/alembic/**", "**/flyway/**",
             "**/liquibase/**", "**/*.proto", "**/*.avsc", "**/schema.graphql", "**/atlas.hcl"]),
    ("access-control", &["**/iam/**", "**/iam*.tf", "**/*iam*.json", "**/rbac/**", "**/*rbac*.y*ml", "**/policies/**", "**/policy/**", "**/*.rego", "**/*.cedar", "**/sudoers*",
             "**/authorized_keys*", "**/allowed_signers", "**/*firewall*", "**/security-group*", "**/secrets/**", "**/*.sops.y*ml", "**/.sops.yaml", "**/vault/**",
             "**/collaborators*.json", "**/permissions*.y*ml"]),
    ("ownership-and-policy", &["**/CODEOWNERS", "**/OWNERS", "**/OWNERS_ALIASES", "**/MAINTAINERS*", "**/.mailmap", "**/catalog-info.y*ml", "**/SECURITY.md", "**/.github/settings.yml",
             "**/.github/rulesets/**", "**/.policy.yml", "**/policy.yml", "**/bors.toml", "**/.mergify.yml", "**/.github/mergify.yml", "**/renovate.json*", "**/.github/renovate.json*",
             "**/.github/dependabot.yml", "**/project.config", "**/rules.pl", ".countersign/**"]),
    ("agent-instructions", &["**/AGENTS.md", "**/AGENT.md", "**/CLAUDE.md", "**/CLAUDE.local.md", "**/GEMINI.md", "**/.claude/**", "**/.cursor/**", "**/.cursorrules", "**/.cursorignore",
             "**/.github/copilot-instructions.md", "**/.github/instructions/**", "**/.github/prompts/**", "**/.github/agents/**", "**/.windsurfrules", "**/.windsurf/**", "**/.clinerules*",
             "**/.roo/**", "**/.aider.conf.yml", "**/.junie/**", "**/.kiro/**", "**/.codex/**", "**/.gemini/**", "**/.mcp.json", "**/mcp.json", "**/.continue/**", "**/llms.txt"]),
];

#[derive(Debug, Error)]
pub enum ImpactError {
    #[error("the table of high-impact paths is not `class: [globs]`: {0}")]
    Yaml(String),
    #[error("`{glob}` of class `{class}` is no glob: {why}")]
    Glob { class: String, glob: String, why: String },
    #[error("the table of high-impact paths has more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
}

/// Classes of a table, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImpactSet(u64);

impl ImpactSet {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn has(self, class: usize) -> bool {
        u32::try_from(class).ok().and_then(|class| 1_u64.checked_shl(class)).is_some_and(|bit| self.0 & bit != 0)
    }
}

/// Which paths reach far, by class.
#[derive(Debug)]
pub struct ImpactTable {
    classes: Vec<String>,
    set: GlobSet,
    /// The class of each glob of the set.
    class_of: Vec<u32>,
    /// All classes: when a change has them, the rest of its paths can add nothing.
    bits: u64,
}

impl Default for ImpactTable {
    fn default() -> Self {
        let table = TABLE.iter().map(|(class, globs)| {
            ((*class).to_owned(), globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>())
        });
        // A test builds the shipped table.
        Self::new(table).unwrap_or_else(|_| Self {
            classes: Vec::new(),
            set: GlobSet::empty(),
            class_of: Vec::new(),
            bits: 0,
        })
    }
}

impl ImpactTable {
    /// A user's table in place of the shipped one: YAML of `class: [globs]`.
    pub fn parse(yaml: &str) -> Result<Self, ImpactError> {
        let table: BTreeMap<String, Vec<String>> =
            serde_saphyr::from_str(yaml).map_err(|error| ImpactError::Yaml(error.to_string()))?;
        Self::new(table)
    }

    fn new(table: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Self, ImpactError> {
        let mut classes = Vec::new();
        let mut class_of = Vec::new();
        let mut builder = GlobSetBuilder::new();
        for (at, (class, globs)) in (0_u32..).zip(table) {
            for glob in globs {
                let built = GlobBuilder::new(&glob).literal_separator(true).build().map_err(|error| {
                    ImpactError::Glob { class: class.clone(), glob: glob.clone(), why: error.kind().to_string() }
                })?;
                builder.add(built);
                class_of.push(at);
            }
            classes.push(class);
        }
        if classes.len() > MAX_CLASSES {
            return Err(ImpactError::TooMany { what: "classes", limit: MAX_CLASSES });
        }
        if class_of.len() > MAX_GLOBS {
            return Err(ImpactError::TooMany { what: "globs", limit: MAX_GLOBS });
        }
        let set = builder.build().map_err(|error| ImpactError::Yaml(error.to_string()))?;
        let bits = classes.iter().fold(0_u64, |bits, _| bits << 1 | 1);
        Ok(Self { classes, set, class_of, bits })
    }

    /// The classes, in the table's order.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(String::as_str)
    }

    /// The names of a set's classes.
    pub fn names(&self, set: ImpactSet) -> Vec<&str> {
        self.classes().enumerate().filter(|(at, _)| set.has(*at)).map(|(_, class)| class).collect()
    }

    /// The classes that a change's paths belong to.
    pub fn of(&self, paths: &[PathChange]) -> ImpactSet {
        let mut bits = 0_u64;
        let mut hits = Vec::new();
        for change in paths.iter().take(MAX_LOOKED_AT) {
            if bits == self.bits {
                break;
            }
            self.set.matches_into(change.path.as_str(), &mut hits);
            for hit in &hits {
                let bit = self.class_of.get(*hit).and_then(|class| 1_u64.checked_shl(*class));
                bits |= bit.unwrap_or_default();
            }
        }
        ImpactSet(bits)
    }
}

/// The areas of a repository: its top folders, unless it is told others.
#[derive(Debug, Default)]
pub struct Areas {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

/// What lies beside the folders.
const AT_THE_TOP: &str = "(top)";
const OTHER: &str = "(other)";

impl Areas {
    /// Fit to be shown.
    pub fn shown(&self, id: u32) -> String {
        super::shown(self.name(id), MAX_NAME_CHARS)
    }

    /// In the order of their ids.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or(OTHER, String::as_str)
    }

    /// The areas that a change's paths lie in, each once.
    pub fn of(&mut self, paths: &[PathChange]) -> Vec<u32> {
        let mut found = Vec::new();
        for change in paths.iter().take(MAX_LOOKED_AT) {
            let area = change.path.split_once('/').map_or(AT_THE_TOP, |(folder, _)| folder);
            let id = self.id(area);
            if !found.contains(&id) {
                found.push(id);
            }
            if found.len() >= MAX_AREAS_OF_CHANGE {
                break;
            }
        }
        found
    }

    fn id(&mut self, area: &str) -> u32 {
        if let Some(id) = self.ids.get(area) {
            return *id;
        }
        let area = if self.names.len() < MAX_AREAS { area } else { OTHER };
        if let Some(id) = self.ids.get(area) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(area.to_owned());
        self.ids.insert(area.to_owned(), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::PathStatus;

    fn classes(table: &ImpactTable, paths: &[&str]) -> String {
        let paths: Vec<_> =
            paths.iter().map(|path| PathChange { path: (*path).to_owned(), status: PathStatus::Modified }).collect();
        table.names(table.of(&paths)).join(" ")
    }

    #[test]
    fn the_shipped_table_is_built_and_tells_classes_apart() {
        let table = ImpactTable::default();
        assert_eq!(table.classes().count(), TABLE.len());
        assert_eq!(classes(&table, &[".github/workflows/ci.yml"]), "ci");
        assert_eq!(classes(&table, &["src/main.rs", "README.md"]), "");
        assert_eq!(classes(&table, &["sub/AGENTS.md", "CODEOWNERS"]), "ownership-and-policy agent-instructions");
        assert_eq!(classes(&table, &["terraform/x/main.tf"]), "infrastructure");
        assert_eq!(classes(&table, &["modules/a/manifests/init.pp"]), "deployment infrastructure");
    }

    #[test]
    fn a_users_table_replaces_it() {
        let table = ImpactTable::parse("money: ['billing/**', '**/prices.json']\n").unwrap();
        assert_eq!(classes(&table, &["billing/a/b.rs"]), "money");
        assert_eq!(classes(&table, &[".github/workflows/ci.yml"]), "");
        assert!(ImpactTable::parse("money: ['[']").unwrap_err().to_string().contains("money"));
        assert!(ImpactTable::parse("- a").is_err());
    }
}
