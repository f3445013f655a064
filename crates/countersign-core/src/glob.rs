//! Patterns of paths: what `gate.yaml` maps and what rules ask about have one meaning.

use std::sync::OnceLock;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use thiserror::Error;

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

    pub fn is_match(&self, path: &str) -> bool {
        self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(path)
    }

    /// Whether something in a folder of this path could match, as far as can be told from the pattern.
    pub fn reaches_into(&self, folder: &str) -> bool {
        let mut parts = self.as_str().split('/');
        // Alternatives may have folders in them: what cannot be told apart is taken for a match.
        let is_told = !self.as_str().contains(['{', '}']);
        let same = |part: &str, name: &str| glob(part).is_ok_and(|glob| glob.compile_matcher().is_match(name));
        for name in folder.split('/') {
            match parts.next() {
                Some("**") => return true,
                Some(part) if same(part, name) => {}
                Some(_) | None => return !is_told,
            }
        }
        parts.next().is_some()
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Glob {}

impl PartialOrd for Glob {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Glob {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

fn glob(pattern: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

impl TryFrom<String> for Glob {
    type Error = NoPattern;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        let wrong = |why: String| NoPattern { pattern: pattern.clone(), why };
        if let Some(why) = nonsense(&pattern) {
            return Err(wrong(why));
        }
        let glob = glob(&pattern).map_err(|error| wrong(error.kind().to_string()))?;
        Ok(Self { glob, matcher: OnceLock::new() })
    }
}

#[derive(Debug, Error)]
#[error("`{pattern}` is not a pattern of paths: {why}")]
pub struct NoPattern {
    pattern: String,
    why: String,
}

/// Why a pattern matches no path of a repository, or others than it seems to.
fn nonsense(pattern: &str) -> Option<String> {
    let root = "paths begin at the repository's root, without a `/` or `./` before them";
    if pattern.is_empty() {
        return Some("it is empty; `**` means all paths".to_owned());
    }
    if pattern.trim() != pattern || pattern.contains(char::is_control) {
        return Some("it has blanks around it, or control characters in it".to_owned());
    }
    if pattern.starts_with(['/', '!', '~']) {
        return Some(root.to_owned());
    }
    if pattern.ends_with('/') {
        return Some(format!("it names a folder, and paths are of files: `{pattern}**` means all of it"));
    }
    pattern.split('/').find_map(|part| match part {
        "" => Some("it has two `/` in a row".to_owned()),
        "." | ".." => Some(root.to_owned()),
        "**" => None,
        part if part.contains("**") => {
            Some(format!("`**` stands alone between two `/`, and `{part}` would stay within a folder"))
        }
        _ => None,
    })
}

/// Several patterns, any of which may match: `docs/** | **/*.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

impl Globs {
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        Ok(Self(text.split('|').map(|glob| Glob::try_from(glob.trim().to_owned())).collect::<Result<_, _>>()?))
    }

    pub fn is_match(&self, path: &str) -> bool {
        self.0.iter().any(|glob| glob.is_match(path))
    }

    /// Whether one of them that matches this path has these parts of it as they are, and not by a wildcard.
    pub fn name(&self, path: &str, parts: &[&str]) -> bool {
        let has = |glob: &Glob, part: &str| glob.as_str().split('/').any(|own| own == part);
        self.0.iter().any(|glob| glob.is_match(path) && parts.iter().all(|part| has(glob, part)))
    }

    /// Whether something in a folder of this path could match.
    pub fn reaches_into(&self, folder: &str) -> bool {
        self.0.iter().any(|glob| glob.reaches_into(folder))
    }
}
