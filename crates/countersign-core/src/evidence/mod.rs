//! Evidence: what a workload says it found of a revision, and whose such word counts for what.
//!
//! The catalog says of a workload which kinds it attests and which files steer it. What steers it is not for the statement alone
//! to say: a workflow that a change edits could name another one.
//!
//! | room | holds |
//! |---|---|
//! | `document` | in-toto test results and SLSA provenance, as they are |
//! | `scope` | for which targets somebody's word counts |

mod document;
mod scope;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

pub use self::{
    document::{Attested, MAX_DOCUMENT_BYTES, PROVENANCE, TEST_RESULT, read},
    scope::{Place, Scope},
};
use crate::{facts::RuledPath, glob::Globs, ids::EvidenceKind};

/// Files that steer the workloads of whoever does not say which: those of the widespread forges and build servers.
pub const WORKFLOWS: &str = ".github/** | .gitlab-ci.yml | .gitlab/** | **/Jenkinsfile | .circleci/** | .buildkite/** | \
                             azure-pipelines.yml | .azure-pipelines/** | bitbucket-pipelines.yml | .woodpecker/** | .woodpecker.yml | \
                             .forgejo/** | .gitea/** | .drone.yml | .travis.yml | .tekton/** | cloudbuild.yaml | appveyor.yml | .zuul.yaml | zuul.d/**";

/// Longest path of a workflow.
const MAX_WORKFLOW_BYTES: usize = 200;

/// Whether this can be a workflow's path in a repository.
pub fn is_workflow(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= MAX_WORKFLOW_BYTES
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// A path as a machine may read it that tells neither letters by their case nor characters by how they are composed.
fn folded(path: &str) -> String {
    path.nfc().collect::<String>().to_lowercase()
}

/// What came of it. Only the first is a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceResult {
    Passed,
    Failed,
    /// It passed with warnings.
    Warned,
    /// It did not run.
    Skipped,
    /// It ran and says neither.
    Neutral,
}

impl EvidenceResult {
    pub const ALL: [Self; 5] = [Self::Passed, Self::Failed, Self::Warned, Self::Skipped, Self::Neutral];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Skipped => "skipped",
            Self::Neutral => "neutral",
        }
    }
}

impl std::fmt::Display for EvidenceResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the catalog says of a workload's evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attests {
    /// Whose word counts for nothing attests no kind.
    pub kinds: BTreeSet<EvidenceKind>,
    /// Patterns of the files that steer it, as rules write them; [`WORKFLOWS`] where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflows: Option<String>,
    /// For which targets its word counts.
    #[serde(default, skip_serializing_if = "Scope::is_everywhere")]
    pub only_for: Scope,
}

impl Attests {
    pub fn is_none(&self) -> bool {
        self.kinds.is_empty() && self.workflows.is_none() && self.only_for.is_everywhere()
    }

    /// Whether a change that touches these paths edits what this workload's evidence was made by: a file that steers it, or the
    /// workflow that the evidence itself names, in whatever case; a link or a submodule there or above. `None`: too many paths to tell, and then it does.
    pub fn is_edited_by(&self, touched: Option<&[RuledPath]>, workflow: Option<&str>) -> bool {
        let Some(touched) = touched else { return true };
        let Ok(steers) = Globs::parse(&folded(self.workflows.as_deref().unwrap_or(WORKFLOWS))) else { return true };
        let workflow = workflow.map(folded);
        touched.iter().any(|path| {
            let name = folded(&path.path);
            // Anything could lie below a submodule, or be reached by a link: what steers it is there by that, or no more.
            let leads_on = path.submodule || path.link;
            let below =
                |workflow: &str| leads_on && workflow.strip_prefix(&name).is_some_and(|rest| rest.starts_with('/'));
            steers.is_match(&name)
                || leads_on && steers.reaches_into(&name)
                || workflow.as_deref().is_some_and(|workflow| name == workflow || below(workflow))
        })
    }
}
