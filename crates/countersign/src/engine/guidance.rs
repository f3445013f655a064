//! Reading guidance: documents are looked up on their own protected branch, never taken from whoever cites them.

use std::path::PathBuf;

use countersign_core::{
    facts::{git::GitRead as _, guidance::guidance_review},
    ids::RepositoryId,
    statement::{FoundDocument, ObservedDocument},
};
use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::git::Repository;

/// Where guidance lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceSource {
    pub repository: RepositoryId,
    /// A local repository, or a mirror of one.
    pub path: PathBuf,
    pub branch: String,
}

/// The largest document that is read.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Looks each cited document up in the first source that has it. What cannot be read was not found, and counts as stale.
pub fn observe(sources: &[GuidanceSource], cited: &[String]) -> Vec<ObservedDocument> {
    cited
        .iter()
        .map(|path| ObservedDocument {
            path: path.clone(),
            found: sources.iter().find_map(|source| match find(source, path) {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(guidance.path = %path, source = %source.path.display(), %error, "guidance cannot be read");
                    None
                }
            }),
        })
        .collect()
}

fn find(source: &GuidanceSource, path: &str) -> Result<Option<FoundDocument>, crate::git::GitError> {
    let repository = Repository::open(&source.path)?;
    let branch = source.branch.strip_prefix("refs/heads/").unwrap_or(&source.branch);
    let commit = repository.resolve(&format!("refs/heads/{branch}"))?;
    let Some(bytes) = repository.blob_at(&commit, path, MAX_DOCUMENT_BYTES)? else { return Ok(None) };
    let review = guidance_review(&String::from_utf8_lossy(&bytes));
    Ok(Some(FoundDocument {
        repository: source.repository.clone(),
        commit,
        content: Digest::of(&bytes),
        review_due: review.as_ref().map(|review| review.due),
        owner: review.and_then(|review| review.owner),
    }))
}
