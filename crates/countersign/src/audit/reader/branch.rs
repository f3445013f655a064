//! Which branch: HEAD's, or the one that the user names.

use std::path::Path;

use countersign_core::ids::Oid;

use super::ReadError;
use crate::git::{GitError, Repository};

/// Branches that a message lists.
const MAX_LISTED: usize = 5;

/// The branch's name, and the commit it stands at.
pub fn choose(repository: &Repository, path: &Path, asked: Option<&str>) -> Result<(String, Oid), ReadError> {
    match asked {
        Some(name) => named(repository, path, name),
        None => heads(repository, path),
    }
}

fn named(repository: &Repository, path: &Path, name: &str) -> Result<(String, Oid), ReadError> {
    // A branch goes before a tag or a file of that name; whatever else names a commit is taken last.
    let forms = ["refs/heads/", "refs/remotes/", "refs/remotes/origin/", ""];
    for form in forms {
        match repository.resolve(&format!("{form}{name}")) {
            Ok(tip) => return Ok((short(name).to_owned(), tip)),
            Err(GitError::UnknownRevision { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let branches = branches(repository)?;
    if branches.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    let near = branches
        .iter()
        .map(|branch| (strsim::damerau_levenshtein(branch, name), branch))
        .min()
        .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(2))
        .map(|(_, branch)| branch.clone());
    let branches = branches.into_iter().take(MAX_LISTED).collect();
    Err(ReadError::UnknownBranch { name: name.to_owned(), path: path.to_owned(), near, branches })
}

fn heads(repository: &Repository, path: &Path) -> Result<(String, Oid), ReadError> {
    let head = repository.names(&["symbolic-ref", "--quiet", "HEAD"])?.map(|name| short(name.trim()).to_owned());
    match repository.resolve("HEAD") {
        Ok(tip) => Ok((head.unwrap_or_else(|| "HEAD".to_owned()), tip)),
        Err(GitError::UnknownRevision { .. }) => {
            let mut branches = branches(repository)?;
            branches.retain(|branch| head.as_ref() != Some(branch));
            branches.truncate(MAX_LISTED);
            let path = path.to_owned();
            Err(match head {
                Some(head) if !branches.is_empty() => ReadError::Unborn { path, head, branches },
                Some(_) | None => ReadError::Empty { path },
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn branches(repository: &Repository) -> Result<Vec<String>, ReadError> {
    let listed = repository.names(&["for-each-ref", "--format=%(refname)", "refs/heads/", "refs/remotes/"])?;
    Ok(listed.unwrap_or_default().lines().map(|name| short(name).to_owned()).collect())
}

fn short(name: &str) -> &str {
    name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/remotes/")).unwrap_or(name)
}
