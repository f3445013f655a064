//! Paths whose change reaches far.
//!
//! Most classes come from one table of globs. Two come from elsewhere: `owned` from `CODEOWNERS`, `tier-1` from a catalog.

use std::collections::BTreeMap;

use countersign_core::facts::PathChange;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use super::areas::{MAX_LOOKED_AT, Touched};

/// Of a table; two more have their own place.
pub const MAX_CLASSES: usize = 62;
pub const MAX_GLOBS: usize = 2_000;
/// Classes that no table has: see [`ImpactSet`].
const BESIDE_THE_TABLE: [(&str, usize); 2] = [("tier-1", ImpactSet::TIER_1), ("owned", ImpactSet::OWNED)];

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
    #[error("the table of high-impact paths is empty, so that no path would reach far")]
    Empty,
    #[error("`{glob}` of class `{class}` is no glob: {why}")]
    Glob { class: String, glob: String, why: String },
    #[error("the table of high-impact paths has more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("the class `{0}` is not for a table: `tier-1` comes from the catalog and `owned` from CODEOWNERS")]
    Reserved(String),
}

/// Classes of a table and the two beside it, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImpactSet(u64);

impl ImpactSet {
    /// A path of a system of tier 1.
    pub const TIER_1: usize = 62;
    /// A path that `CODEOWNERS` gives owners by more than a catch-all.
    pub const OWNED: usize = 63;

    pub(super) fn with(self, touched: &Touched) -> Self {
        let bit = |is: bool, class: usize| u64::from(is) << class;
        Self(self.0 | bit(touched.tier_1, Self::TIER_1) | bit(touched.owned, Self::OWNED))
    }

    /// Any class but `owned`: who looks after a path does not say how far it reaches.
    pub fn reaches_far(self) -> bool {
        self.0 & !(1 << Self::OWNED) != 0
    }

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
        if table.is_empty() {
            return Err(ImpactError::Empty);
        }
        Self::new(table)
    }

    fn new(table: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Self, ImpactError> {
        let mut classes = Vec::new();
        let mut class_of = Vec::new();
        let mut builder = GlobSetBuilder::new();
        for (at, (class, globs)) in (0_u32..).zip(table) {
            if BESIDE_THE_TABLE.iter().any(|(reserved, _)| *reserved == class) {
                return Err(ImpactError::Reserved(class));
            }
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

    /// The classes with their places in an [`ImpactSet`]: in the table's order, then those beside it.
    pub fn classes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.classes.iter().map(String::as_str).enumerate().chain(BESIDE_THE_TABLE.map(|(class, at)| (at, class)))
    }

    /// The names of a set's classes.
    pub fn names(&self, set: ImpactSet) -> Vec<&str> {
        self.classes().filter(|(at, _)| set.has(*at)).map(|(_, class)| class).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::facts::PathStatus;

    fn classes(table: &ImpactTable, paths: &[&str]) -> String {
        let paths: Vec<_> =
            paths.iter().map(|path| PathChange { path: (*path).to_owned(), status: PathStatus::Modified }).collect();
        table.names(table.of(&paths)).join(" ")
    }

    #[test]
    fn the_shipped_table_is_built_and_tells_classes_apart() {
        let table = ImpactTable::default();
        assert_eq!(table.classes().count(), TABLE.len() + BESIDE_THE_TABLE.len());
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
        assert!(ImpactTable::parse("owned: ['a']").unwrap_err().to_string().contains("CODEOWNERS"));
    }

    #[test]
    fn owners_alone_do_not_make_a_path_reach_far() {
        let table = ImpactTable::default();
        let of = |owned, tier_1| ImpactSet::default().with(&Touched { owned, tier_1, ..Touched::default() });
        assert_eq!(table.names(of(true, true)), ["tier-1", "owned"]);
        assert_eq!(
            [of(false, false), of(true, false), of(false, true)].map(ImpactSet::reaches_far),
            [false, false, true]
        );
    }
}
